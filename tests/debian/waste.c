// SPDX-License-Identifier: GPL-2.0
/*
 * Waste page tables as an allocator does, and wait until somebody has freed them.
 * Succeeds when they are gone within the seconds given.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#define TABLE	(2UL << 20)
#define TABLES	2048UL

static long vmpte(void)
{
	FILE *status = fopen("/proc/self/status", "r");
	char line[256];
	long kilobytes = -1;

	while (status && fgets(line, sizeof(line), status))
		sscanf(line, "VmPTE: %ld kB", &kilobytes);
	if (status)
		fclose(status);
	return kilobytes;
}

int main(int argc, char **argv)
{
	int seconds = argc > 1 ? atoi(argv[1]) : 120;
	long before, peak, now;
	char *area;

	area = mmap(NULL, TABLES * TABLE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (area == MAP_FAILED) {
		perror("mmap");
		return 1;
	}
	/* A huge page has no PTE table that could be wasted. */
	madvise(area, TABLES * TABLE, MADV_NOHUGEPAGE);
	before = vmpte();
	for (unsigned long i = 0; i < TABLES; i++) {
		area[i * TABLE] = 1;
		madvise(area + i * TABLE, 4096, MADV_DONTNEED);
	}
	peak = now = vmpte();
	for (int i = 0; i < seconds && now > before + 64; i++) {
		sleep(1);
		now = vmpte();
	}
	printf("VmPTE was %ld kB, rose to %ld, is %ld\n", before, peak, now);
	return peak < before + (long)TABLES * 4 || now > before + 64;
}
