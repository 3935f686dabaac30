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

#endif /* _SELFTESTS_MM_PT_RECLAIM_HARNESS_H */
