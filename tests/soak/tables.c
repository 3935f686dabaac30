// SPDX-License-Identifier: GPL-2.0
/*
 * How many page tables a process has, and how many of them it needs.
 *
 * usage: tables PID...
 *
 * Prints a line for each: PID, tables of all levels (VmPTE), PTE tables with an entry in
 * them, and the tables above those that lead to them. What is left when these two are
 * taken from the first is empty, but for tables above that lead to nothing: counting them
 * as empty is to the disadvantage of whoever frees PTE tables only.
 *
 * A huge page counts as a table with an entry in it: a table is set aside for the day
 * when it is split, and VmPTE counts that one too. (Not so for huge pages of files and
 * shared memory. Who has those must not be asked here.)
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

/* The headers of Debian 12 are older than this call. */
struct scan {
	uint64_t size, flags, start, end, walk_end, vec, vec_len, max_pages;
	uint64_t category_inverted, category_mask, category_anyof_mask, return_mask;
};

struct region {
	uint64_t start, end, categories;
};

#define SCAN _IOWR('f', 16, struct scan)
/* Every entry that is not none is one of these, markers included. */
#define PRESENT_OR_SWAPPED (1 << 3 | 1 << 4)

#define TABLE_SHIFT 21
#define PMD_TABLE_SHIFT 30
#define PUD_TABLE_SHIFT 39

struct count {
	uint64_t tables, above;
	/* The last one counted at each level, plus one. */
	uint64_t last_table, last_pmd, last_pud;
};

static void count_entry(struct count *count, uint64_t address)
{
	if (count->last_table != (address >> TABLE_SHIFT) + 1)
		count->tables++;
	if (count->last_pmd != (address >> PMD_TABLE_SHIFT) + 1)
		count->above++;
	if (count->last_pud != (address >> PUD_TABLE_SHIFT) + 1)
		count->above++;
	count->last_table = (address >> TABLE_SHIFT) + 1;
	count->last_pmd = (address >> PMD_TABLE_SHIFT) + 1;
	count->last_pud = (address >> PUD_TABLE_SHIFT) + 1;
}

/* One call for each table in use: it returns at the first entry of each. */
static int count_range(struct count *count, int pagemap, uint64_t start, uint64_t end)
{
	struct region region;

	while (start < end) {
		struct scan scan = {
			.size = sizeof(scan), .start = start, .end = end,
			.vec = (uintptr_t)&region, .vec_len = 1, .max_pages = 1,
			.category_anyof_mask = PRESENT_OR_SWAPPED,
			.return_mask = PRESENT_OR_SWAPPED,
		};
		int found = ioctl(pagemap, SCAN, &scan);

		if (found < 0)
			return -1;
		if (!found)
			return 0;
		count_entry(count, region.start);
		start = ((region.start >> TABLE_SHIFT) + 1) << TABLE_SHIFT;
	}
	return 0;
}

static FILE *open_proc(const char *pid, const char *name)
{
	char path[64];

	snprintf(path, sizeof(path), "/proc/%s/%s", pid, name);
	return fopen(path, "r");
}

static int all_tables(const char *pid, unsigned long *tables)
{
	FILE *status = open_proc(pid, "status");
	unsigned long kb;
	char line[256];
	int result = -1;

	if (!status)
		return -1;
	while (fgets(line, sizeof(line), status)) {
		if (sscanf(line, "VmPTE: %lu kB", &kb) == 1) {
			*tables = kb / 4;
			result = 0;
		}
	}
	fclose(status);
	return result;
}

static int count_process(const char *pid, struct count *count)
{
	FILE *maps = open_proc(pid, "maps"), *pagemap = open_proc(pid, "pagemap");
	unsigned long start, end;
	char line[8192];
	int result = -1;

	if (!maps || !pagemap)
		goto out;
	result = 0;
	while (!result && fgets(line, sizeof(line), maps)) {
		/* The kernel's half has no table of the process: [vsyscall]. */
		if (sscanf(line, "%lx-%lx", &start, &end) == 2 && start >> 63 == 0)
			result = count_range(count, fileno(pagemap), start, end);
	}
out:
	if (maps)
		fclose(maps);
	if (pagemap)
		fclose(pagemap);
	return result;
}

/* Nothing that is read here is read at one moment: again, if it has changed meanwhile. */
static int report(const char *pid)
{
	unsigned long before, after;
	int tries;

	for (tries = 0; tries < 10; tries++) {
		struct count count = { 0 };

		if (all_tables(pid, &before) || count_process(pid, &count) ||
		    all_tables(pid, &after))
			return -1;
		if (before != after)
			continue;
		printf("%s %lu %lu %lu\n", pid, after, count.tables, count.above);
		return 0;
	}
	errno = EAGAIN;
	return -1;
}

int main(int argc, char **argv)
{
	int i, status = 0;

	for (i = 1; i < argc; i++) {
		if (report(argv[i])) {
			fprintf(stderr, "tables: process %s: %s\n", argv[i], strerror(errno));
			status = 1;
		}
	}
	return status;
}
