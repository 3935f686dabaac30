// SPDX-License-Identifier: GPL-2.0
/*
 * A program under whatever malloc() is preloaded: allocates many objects,
 * frees nearly all of them, asks the allocator to return what is free, and
 * then stands still. One object in a thousand lives on, so that no allocator
 * can simply unmap everything.
 *
 * Without -r it tells a human what it did; with it, it is a workload of
 * pt_reclaim_workloads.c, and answers there.
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "pt_reclaim_workloads.h"

#define OBJECT_BYTES	((size_t)96 << 10)
#define LIVE_EVERY	1000

static size_t total_bytes = 8 * PT_GIB;
static int report_fd = -1;
static int question_fd = -1;

static char **objects;
static size_t count;

/* Enough of an object to tell it from any other, in a page of it. */
static void mark(size_t i)
{
	size_t *words = (size_t *)objects[i];

	words[0] = i;
	words[1] = ~i;
}

static bool marked(size_t i)
{
	const size_t *words = (const size_t *)objects[i];

	return words[0] == i && words[1] == ~i;
}

static bool is_live(size_t i)
{
	return i % LIVE_EVERY == LIVE_EVERY / 2;
}

static int allocate(void)
{
	size_t i;

	count = total_bytes / OBJECT_BYTES;
	objects = calloc(count, sizeof(*objects));
	if (!objects)
		return -ENOMEM;
	for (i = 0; i < count; i++) {
		objects[i] = malloc(OBJECT_BYTES);
		if (!objects[i])
			return -ENOMEM;
		mark(i);
	}
	return 0;
}

/*
 * Allocators keep what was freed until they are told, or until time passes;
 * how to tell them is found by name, so that this program needs none of them
 * to be built. Unknown ones are left to themselves.
 */
static int return_free_memory(void)
{
	int (*mallctl)(const char *name, void *old, size_t *old_len,
		       void *new, size_t new_len);
	void (*thread_idle)(void);
	void (*release)(void);

	*(void **)&mallctl = dlsym(RTLD_DEFAULT, "mallctl");
	if (mallctl) {
		mallctl("thread.tcache.flush", NULL, NULL, NULL, 0);
		/* 4096 is MALLCTL_ARENAS_ALL. */
		return -mallctl("arena.4096.purge", NULL, NULL, NULL, 0);
	}
	*(void **)&thread_idle = dlsym(RTLD_DEFAULT,
				       "MallocExtension_MarkThreadIdle");
	*(void **)&release = dlsym(RTLD_DEFAULT,
				   "MallocExtension_ReleaseFreeMemory");
	if (thread_idle)
		thread_idle();
	if (release)
		release();
	return 0;
}

static int give_back(void)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (!is_live(i))
			free(objects[i]);
	}
	return return_free_memory();
}

static bool is_intact(void)
{
	size_t i;

	for (i = 0; i < count; i++) {
		if (is_live(i) && !marked(i))
			return false;
	}
	return true;
}

static int work(struct pt_report *report)
{
	int err;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	pt_vmpte_kb(0);
	report->start_kb = pt_vmpte_kb(0);
	report->live_tables = total_bytes / OBJECT_BYTES / LIVE_EVERY;
	report->upper_tables = total_bytes / PT_GIB + 1;

	snprintf(report->failed, sizeof(report->failed), "allocating");
	err = allocate();
	if (err)
		return err;
	report->peak_kb = pt_vmpte_kb(0);
	snprintf(report->failed, sizeof(report->failed), "purging");
	return give_back();
}

static int parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "b:r:q:")) != -1) {
		switch (option) {
		case 'b':
			total_bytes = strtoull(optarg, NULL, 0);
			break;
		case 'r':
			report_fd = atoi(optarg);
			break;
		case 'q':
			question_fd = atoi(optarg);
			break;
		default:
			fprintf(stderr,
				"usage: %s [-b BYTES] [-r REPORT_FD -q QUESTION_FD]\n",
				argv[0]);
			return -EINVAL;
		}
	}
	return 0;
}

int main(int argc, char **argv)
{
	struct pt_report report = { 0 };

	if (parse_options(argc, argv))
		return 2;
	report.err = work(&report);
	if (report_fd < 0) {
		printf("VmPTE: %ld kB at the start, %ld at the peak, %ld now (%s)\n",
		       report.start_kb, report.peak_kb, pt_vmpte_kb(0),
		       strerror(-report.err));
		printf("press Return to verify the live objects\n");
		getchar();
		printf("data %s\n", is_intact() ? "intact" : "damaged");
		return !!report.err;
	}
	pt_send_report(report_fd, &report);
	while (!report.err && pt_asked_to_verify(question_fd))
		pt_send_verdict(report_fd, is_intact());
	return !!report.err;
}
