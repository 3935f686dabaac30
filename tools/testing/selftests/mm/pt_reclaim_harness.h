/* SPDX-License-Identifier: GPL-2.0 */
/*
 * kselftest_harness.h for tests that are compiled with -Wextra: the harness
 * has an unused parameter, and calls every test from a function that calls
 * setjmp(), whose one local variable is not used after a longjmp().
 */
#ifndef _SELFTESTS_MM_PT_RECLAIM_HARNESS_H
#define _SELFTESTS_MM_PT_RECLAIM_HARNESS_H

#pragma GCC diagnostic ignored "-Wclobbered"
#pragma GCC diagnostic push
#pragma GCC diagnostic ignored "-Wunused-parameter"
#include "../kselftest_harness.h"
#pragma GCC diagnostic pop

/*
 * Each wait has a limit of its own. The harness's limit is one of the clock, which
 * goes on while a machine stands still as a whole: 30 s of that are no failure.
 */
#undef TEST_TIMEOUT_DEFAULT
#define TEST_TIMEOUT_DEFAULT	1200

#endif /* _SELFTESTS_MM_PT_RECLAIM_HARNESS_H */
