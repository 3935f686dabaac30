// SPDX-License-Identifier: GPL-2.0
/*
 * Prints how fast the time stamp counter of this machine is, in kHz.
 *
 * An emulated CPU hands it to the guest as it is. A guest without ACPI could only
 * measure it against an emulated timer, which goes wrong when the host is busy.
 */
#include <stdio.h>
#include <time.h>
#include <x86intrin.h>

#define NSEC_PER_SEC	1000000000LL
/* Some ten times what it takes to tell kHz apart. */
#define MEASURE_NSEC	(20 * 1000 * 1000LL)
#define TRIES		100

struct instant {
	unsigned long long ticks;
	long long nsec;
};

/* The clock and the counter, as close to each other as it gets. */
static struct instant now(void)
{
	unsigned long long shortest = -1ULL;
	struct instant best = { 0 };
	int i;

	for (i = 0; i < TRIES; i++) {
		unsigned long long before, after;
		struct timespec clock;

		before = __rdtsc();
		clock_gettime(CLOCK_MONOTONIC_RAW, &clock);
		after = __rdtsc();
		if (after - before >= shortest)
			continue;
		shortest = after - before;
		best.ticks = before + shortest / 2;
		best.nsec = clock.tv_sec * NSEC_PER_SEC + clock.tv_nsec;
	}
	return best;
}

int main(void)
{
	struct instant start = now(), end;

	do
		end = now();
	while (end.nsec - start.nsec < MEASURE_NSEC);
	printf("%lld\n", (long long)(end.ticks - start.ticks) * 1000000 /
	       (end.nsec - start.nsec));
	return 0;
}
