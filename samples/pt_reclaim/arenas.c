// SPDX-License-Identifier: GPL-2.0
/*
 * An allocator that marks its arenas: jemalloc, through its extent hooks.
 *
 * jemalloc gives pages back and keeps the addresses for later, with the page
 * tables that mapped them. So whatever it maps for an arena is marked with
 * madvise(MADV_PT_RECLAIMABLE): the kernel's thread frees the tables when they
 * have been empty for a while, in the modes madvise and always of
 * /sys/kernel/mm/pt_reclaim/enabled. Memory that others map in this process
 * stays as it was, unlike with prctl(PR_SET_PT_RECLAIM).
 *
 * Exit status: 0 if tables went, 1 on an error or if they did not go in time,
 * 2 on wrong usage, 4 if this kernel does not know the mark or takes no part.
 */
#include <jemalloc/jemalloc.h>
#include <stdbool.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "util.h"

#define OBJECT_BYTES	((size_t)64 << 10)
/* So many objects share a table, so one in 2048 keeps one table in 64. */
#define LIVE_EVERY	2048

#define POLL_MICROSECS	100000
/* The rest may be the tables that jemalloc has its own data in. */
#define GONE_PERCENT	90

static size_t heap_bytes = 1024 * MIB;
static unsigned long wait_seconds = 180;

static extent_hooks_t *plain_hooks;
static int mark_error;

/*
 * Called when the arena needs addresses that it does not have. jemalloc holds
 * locks meanwhile, so nothing here may call malloc(). The heap is as good
 * without the mark, so a failure is only remembered.
 */
static void *alloc_marked(extent_hooks_t *hooks, void *new_addr, size_t size,
			  size_t alignment, bool *zero, bool *commit,
			  unsigned int arena)
{
	void *extent;

	(void)hooks;
	extent = plain_hooks->alloc(plain_hooks, new_addr, size, alignment,
				    zero, commit, arena);
	if (extent && madvise(extent, size, MADV_PT_RECLAIMABLE))
		mark_error = errno;
	return extent;
}

static void check(int error, const char *what)
{
	if (!error)
		return;
	errno = error;
	err(EXIT_FAILURE, "%s", what);
}

/* Has this thread's malloc() use a new arena, with our hook; returns which. */
static unsigned int use_marked_arena(void)
{
	static extent_hooks_t hooks;
	extent_hooks_t *new = &hooks;
	size_t size = sizeof(plain_hooks);
	unsigned int arena;

	check(mallctl("arena.0.extent_hooks", &plain_hooks, &size, NULL, 0),
	      "arena.0.extent_hooks");
	hooks = *plain_hooks;
	hooks.alloc = alloc_marked;

	size = sizeof(arena);
	check(mallctl("arenas.create", &arena, &size, &new, sizeof(new)),
	      "arenas.create");
	check(mallctl("thread.arena", NULL, NULL, &arena, sizeof(arena)),
	      "thread.arena");
	/* What the old arena has left there would be used first. */
	check(mallctl("thread.tcache.flush", NULL, NULL, NULL, 0),
	      "thread.tcache.flush");
	return arena;
}

static void fill(char **objects, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		objects[i] = malloc(OBJECT_BYTES);
		if (!objects[i])
			err(EXIT_FAILURE, "malloc");
		memcpy(objects[i], &i, sizeof(i));
	}
}

static void free_most(char **objects, size_t nr, unsigned int arena)
{
	char name[32];
	size_t i;

	for (i = 0; i < nr; i++) {
		if (i % LIVE_EVERY)
			free(objects[i]);
	}
	check(mallctl("thread.tcache.flush", NULL, NULL, NULL, 0),
	      "thread.tcache.flush");
	snprintf(name, sizeof(name), "arena.%u.purge", arena);
	check(mallctl(name, NULL, NULL, NULL, 0), name);
}

static bool is_intact(char **objects, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i += LIVE_EVERY) {
		if (memcmp(objects[i], &i, sizeof(i)))
			return false;
	}
	return true;
}

/* Does the kernel's thread take tables of this process? */
static bool thread_takes_part(void)
{
	FILE *file = fopen("/proc/self/pt_reclaim", "r");
	char line[128];
	bool none = false;

	if (!file)
		return false;
	while (fgets(line, sizeof(line), file))
		none |= !strcmp(line, "takes_part: none\n");
	fclose(file);
	return !none;
}

/* Until enough has gone, and no more goes. */
static void wait_until_gone(long limit)
{
	long last, left = vmpte_kb();
	double start = now();

	do {
		if (now() - start > wait_seconds)
			errx(EXIT_FAILURE,
			     "VmPTE is still %ld kB after %lu s, not %ld or less",
			     left, wait_seconds, limit);
		usleep(POLL_MICROSECS);
		last = left;
		left = vmpte_kb();
	} while (left > limit || left != last);
}

static void parse_options(int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt(argc, argv, "hm:w:")) != -1) {
		switch (option) {
		case 'h':
			printf("usage: arenas [-m MIB] [-w SECONDS]\n"
			       "  -m  size of the heap (default: 1024)\n"
			       "  -w  wait for so long at the most (default: 180)\n");
			exit(EXIT_SUCCESS);
		case 'm':
			heap_bytes = parse_number(optarg, 256, 1 << 20) * MIB;
			break;
		case 'w':
			wait_seconds = parse_number(optarg, 1, 86400);
			break;
		default:
			errx(EXIT_USAGE, "wrong option; -h lists them");
		}
	}
	if (optind < argc)
		errx(EXIT_USAGE, "'%s' is one argument too many", argv[optind]);
}

int main(int argc, char **argv)
{
	long before, needed;
	unsigned int arena;
	char **objects;
	double start;
	size_t nr;

	parse_options(argc, argv);
	nr = heap_bytes / OBJECT_BYTES;
	objects = calloc(nr, sizeof(*objects));
	if (!objects)
		err(EXIT_FAILURE, "calloc");
	/* A huge page needs no PTE table: there would be little to show. */
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	arena = use_marked_arena();
	needed = vmpte_kb() + (nr / LIVE_EVERY + 1) * TABLE_KB;

	fill(objects, nr);
	before = vmpte_kb();
	printf("VmPTE with %zu objects: %ld kB\n", nr, before);
	/* The thread may be at work before the last object has been freed. */
	start = now();
	free_most(objects, nr, arena);

	if (mark_error == EINVAL)
		return print_wasted("this kernel has no MADV_PT_RECLAIMABLE",
				    vmpte_kb(), needed);
	check(mark_error, "MADV_PT_RECLAIMABLE");
	if (!thread_takes_part())
		return print_wasted("kptreclaimd takes no part (see /proc/self/pt_reclaim)",
				    vmpte_kb(), needed);
	wait_until_gone(before - (before - needed) * GONE_PERCENT / 100);
	print_saved(before, vmpte_kb(), needed, now() - start);

	if (!is_intact(objects, nr))
		errx(EXIT_FAILURE, "objects that stayed are damaged");
	return EXIT_SUCCESS;
}
