/* SPDX-License-Identifier: GPL-2.0 */
/* What the samples of page table reclaim share. */
#ifndef _SAMPLES_PT_RECLAIM_UTIL_H
#define _SAMPLES_PT_RECLAIM_UTIL_H

#include <err.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <sys/mman.h>
#include <time.h>

/*
 * C libraries do not have these yet. A kernel that does not have them either
 * answers EINVAL, so that one binary is enough for all kernels.
 */
#ifndef MADV_PT_RECLAIM
#define MADV_PT_RECLAIM		200	/* free empty page tables now */
#endif
#ifndef MADV_PT_RECLAIMABLE
#define MADV_PT_RECLAIMABLE	201	/* let the kernel's thread free them */
#endif

/* Exit status, beside EXIT_SUCCESS and EXIT_FAILURE */
#define EXIT_USAGE	2
#define EXIT_SKIP	4	/* this kernel does not do it, or not now */

#define MIB		((size_t)1 << 20)
#define PAGE		((size_t)4096)
#define TABLE_SPAN	(2 * MIB)	/* what one PTE table maps */
#define TABLE_KB	4L		/* what it costs */

/* All page tables of this process, those of the upper levels included */
static inline long vmpte_kb(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long kb = -1;

	if (!status)
		err(EXIT_FAILURE, "/proc/self/status");
	while (kb < 0 && fgets(line, sizeof(line), status))
		sscanf(line, "VmPTE: %ld kB", &kb);
	fclose(status);
	if (kb < 0)
		errx(EXIT_FAILURE, "/proc/self/status has no VmPTE");
	return kb;
}

static inline double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static inline unsigned long parse_number(const char *text, unsigned long min,
					 unsigned long max)
{
	unsigned long number;
	char *end;

	errno = 0;
	number = strtoul(text, &end, 10);
	if (errno || end == text || *end || number < min || number > max)
		errx(EXIT_USAGE, "'%s' is no number from %lu to %lu", text, min,
		     max);
	return number;
}

/* The waste is what lies between @before and @needed. */
static inline void print_saved(long before, long after, long needed,
			       double seconds)
{
	long wasted = before - needed;
	long saved = before - after;

	printf("VmPTE before: %ld kB\n", before);
	printf("VmPTE after:  %ld kB\n", after);
	printf("saved: %ld bytes, %ld %% of the waste, in %.3f s\n",
	       saved * 1024, wasted > 0 ? saved * 100 / wasted : 0, seconds);
}

/* For kernels that free nothing: what it is that stays. */
static inline int print_wasted(const char *why, long have, long needed)
{
	printf("%s: %ld of %ld kB of page tables stay for nothing\n", why,
	       have > needed ? have - needed : 0, have);
	return EXIT_SKIP;
}

#endif /* _SAMPLES_PT_RECLAIM_UTIL_H */
