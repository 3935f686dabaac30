/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests of the controls share: how one says who takes part and asks for
 * it, how VMAs are marked, and memory of which each single table can be seen.
 *
 * Functions that return int give 0 or a negative errno. Where there is a pid, 0 is
 * the caller.
 */
#ifndef _SELFTESTS_MM_PT_RECLAIM_INTERFACE_H
#define _SELFTESTS_MM_PT_RECLAIM_INTERFACE_H

#include <sys/uio.h>

#include "pt_reclaim_util.h"

#define PT_SCAN_SLEEP_MS	20
#define PT_GONE_SECONDS		30
/*
 * Full scans after which a table that may be taken is gone: one under way, one that
 * finds it empty, one that takes it, and others because ages are kept in jiffies.
 */
#define PT_ENOUGH_ROUNDS	6

/* Looks at every table in each of its rounds. */
int pt_start_sweeping(const char *mode);
/* Takes nothing, from when this has returned, before it is told to. */
bool pt_start_held(const char *mode);
/* What is to stay in this mode has had its chance to go. */
bool pt_rounds_pass(const char *mode);

int pt_set_prctl(unsigned long setting);
/* Frees the empty tables of a range of the caller: madvise(MADV_PT_RECLAIM). */
int pt_request(void *start, size_t bytes);
/* Has one full round made over all who take part, now: sysfs reclaim. */
int pt_request_round(void);
/* Gives advice to another process, for all of the ranges or it is an error. */
int pt_advise_process(pid_t pid, const struct iovec *ranges, size_t nr,
		      int advice);

/* /proc/pid/pt_reclaim */
int pt_process_read(pid_t pid, char *text, size_t size);
int pt_process_write(pid_t pid, const char *text);
/* What is behind a key; -ENOENT if no line has it. */
int pt_process_word(pid_t pid, const char *key, char *word, size_t size);
long long pt_process_number(pid_t pid, const char *key);
/* What may be taken, and why: two words, until the next call */
const char *pt_process_says(pid_t pid);

/* How a VMA is marked. The last mark holds. */
enum pt_mark { PT_PLAIN, PT_RECLAIMABLE, PT_UNRECLAIMABLE, PT_MARKS };

extern const char * const pt_mark_names[PT_MARKS];

/* Nothing is done for PT_PLAIN: what is marked does not become so again. */
int pt_mark(void *start, size_t bytes, enum pt_mark mark);
int pt_mark_area(struct pt_area *area, enum pt_mark mark);

struct pt_vma {
	unsigned long start;
	unsigned long end;
	bool reclaimable;	/* "tr" */
	bool unreclaimable;	/* "nt" */
};

/*
 * The VMAs that overlap a range, in order. How many they are, or a negative errno:
 * -E2BIG if there are more than @max.
 */
long pt_read_vmas(pid_t pid, const void *start, size_t bytes,
		  struct pt_vma *vmas, size_t max);
/* PT_MARKS, which is no mark, for a VMA that has both */
enum pt_mark pt_mark_of(const struct pt_vma *vma);

/*
 * PTE tables that there are in a range, empty or not; negative errno. Pages of an
 * empty table are "written" for PAGEMAP_SCAN, and those without a table are not.
 */
long pt_tables_there(pid_t pid, const void *start, size_t bytes);

/* An area of so many tables that become empty, and one that keeps a page. */
#define PT_SPOT_TABLES	16L

int pt_spot_map(struct pt_area *spot, enum pt_backing backing);
int pt_spot_waste(struct pt_area *spot);
long pt_spot_tables(pid_t pid, const struct pt_area *spot);
/* Waits for all tables to go that become empty. */
bool pt_spot_goes(pid_t pid, const struct pt_area *spot);
bool pt_spot_is_intact(struct pt_area *spot);

/* A child that does to a spot of its own memory what it is told to */
struct pt_target {
	pid_t pid;
	int to;
	int from;
	long tables;		/* Of its spot; 0 is PT_SPOT_TABLES */
	struct pt_area spot;	/* At the same place here, and not used here */
};

enum pt_order {
	PT_ORDER_WASTE = 'w',		/* has the tables of its spot empty */
	PT_ORDER_FILL = 'f',		/* uses the first page of its spot */
	PT_ORDER_REQUEST = 'r',		/* asks for them to go */
	PT_ORDER_RECLAIMABLE = 'm',
	PT_ORDER_UNRECLAIMABLE = 'u',
	PT_ORDER_PROTECT = 'p',		/* changes the first page, and back */
	PT_ORDER_BECOME_ROOT = 'e',	/* if it is able to; stays dumpable */
	PT_ORDER_HIDE = 'h',		/* is not dumpable any more */
};

/* @prepare is called in the new process; an error ends it. */
int pt_target_start(struct pt_target *target, int (*prepare)(void));
void pt_target_end(struct pt_target *target);
bool pt_target_order(struct pt_target *target, enum pt_order order);
/* Has it done what it was ordered to? */
bool pt_target_answers(struct pt_target *target);
/* Both of these */
bool pt_target_does(struct pt_target *target, enum pt_order order);
long pt_target_tables(struct pt_target *target);
/* It wastes tables, and they are there or go. */
bool pt_target_wastes(struct pt_target *target);
bool pt_target_waste_goes(struct pt_target *target);

/* What can be set in /proc/pid/pt_reclaim: a row of values, until the next call */
const char *pt_process_settings(pid_t pid);
/* Sets the mode, a delay and a number of tables: "MODE 54321 9876" */
int pt_process_set_all(pid_t pid, const char *mode);
/* A descriptor or a negative errno */
int pt_process_open(pid_t pid, int flags);
int pt_write_bytes(int fd, const void *bytes, size_t len);

#endif /* _SELFTESTS_MM_PT_RECLAIM_INTERFACE_H */
