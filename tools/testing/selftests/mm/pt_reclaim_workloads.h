/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Programs that leave empty page tables behind, as real ones do. Each runs in
 * a process of its own, which gives its memory back, says so, and then stands
 * still until it is asked whether its data are intact. The tests assert what
 * becomes of the tables meanwhile, the demonstration prints it.
 */
#ifndef _SELFTESTS_MM_PT_RECLAIM_WORKLOADS_H
#define _SELFTESTS_MM_PT_RECLAIM_WORKLOADS_H

#include "pt_reclaim_util.h"

enum pt_release {
	PT_DONTNEED,		/* madvise(MADV_DONTNEED) */
	PT_REMOVE,		/* madvise(MADV_REMOVE) */
	PT_PUNCH_HOLE,		/* fallocate(FALLOC_FL_PUNCH_HOLE) */
	PT_FREE_PAGEOUT,	/* MADV_FREE, and then memory gets short */
};

/**
 * struct pt_workload - one way to be left with empty page tables
 * @name: what the tests and options call it
 * @title: what it does, in the words of the demonstration
 * @bytes: size of its mapping
 * @backing: what is mapped
 * @release: how memory is given back
 * @touch_every: one page in so many bytes is used
 * @release_bytes: how much is given back at a time
 * @live_every: one table in so many keeps a page; 0: just the first and last
 * @by_table: memory is used and given back one table after the other, because
 *	all of it at once is more than there is
 * @keeps_data: what is given back is only mapped less, its content stays
 * @many_vmas: four VMAs under each table
 * @library: an allocator to preload; the program is then pt_reclaim_alloc
 */
struct pt_workload {
	const char *name;
	const char *title;
	size_t bytes;
	enum pt_backing backing;
	enum pt_release release;
	size_t touch_every;
	size_t release_bytes;
	size_t live_every;
	bool by_table;
	bool keeps_data;
	bool many_vmas;
	const char *library;
};

/* Ends with an entry that has no name. */
extern const struct pt_workload pt_workloads[];
const struct pt_workload *pt_find_workload(const char *name);
/* The preloaded library's path, or NULL when it is not installed here */
const char *pt_workload_library(const struct pt_workload *workload);

/**
 * struct pt_options - how to run a workload differently from the table
 * @divide: make the mapping so many times smaller; 0 is 1
 * @touch_every: use no more than one page in so many bytes
 * @thp: huge pages as the system has them set, instead of none
 * @prepare: called in the new process before it starts; an error ends it
 */
struct pt_options {
	unsigned int divide;
	size_t touch_every;
	bool thp;
	int (*prepare)(void);
};

/* What a workload says when it has given its memory back. */
struct pt_report {
	int err;
	char failed[96];	/* what failed with @err */
	long start_kb;		/* VmPTE before it did anything */
	long peak_kb;
	long live_tables;	/* those with a page that stays */
	long upper_tables;	/* PMD tables, which VmPTE counts as well */
};

struct pt_child {
	const struct pt_workload *workload;
	pid_t pid;
	int from;		/* reports */
	int to;			/* questions */
	struct pt_report report;
};

int pt_child_start(struct pt_child *child, const struct pt_workload *workload,
		   const struct pt_options *options);
/* Waits until memory was given back; errors are explained in a note. */
int pt_child_given_back(struct pt_child *child, double seconds);
long pt_child_vmpte_kb(const struct pt_child *child);
/* The most it may be left with once its empty tables are gone. */
long pt_child_limit_kb(const struct pt_child *child);
/* 1: all data intact, 0: not, or a negative errno */
int pt_child_verify(struct pt_child *child, double seconds);
/* Ends the process, whatever it is at. */
void pt_child_end(struct pt_child *child);

/* The other side of these pipes, for pt_reclaim_alloc. */
int pt_send_report(int fd, const struct pt_report *report);
bool pt_asked_to_verify(int fd);
int pt_send_verdict(int fd, bool intact);

#endif /* _SELFTESTS_MM_PT_RECLAIM_WORKLOADS_H */
