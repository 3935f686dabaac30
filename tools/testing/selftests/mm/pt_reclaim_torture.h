/* SPDX-License-Identifier: GPL-2.0 */
/*
 * pt_reclaim_torture: memory whose content is known, and operations on it from
 * many threads.
 *
 * The shadow says for every page of every region what must be read there and
 * how the access must end. Pages are locked in stretches; who holds the lock of
 * a stretch is the only one who changes its pages or the shadow of them, and so
 * knows exactly what he must see. What changes nothing that can be seen (page
 * table reclaim, reclaim to swap, collapsing, reading /proc) takes no lock.
 *
 * Locks of stretches are taken in the order of regions and pages; whoever does
 * not keep to that only tries.
 */
#ifndef _SELFTESTS_MM_PT_RECLAIM_TORTURE_H
#define _SELFTESTS_MM_PT_RECLAIM_TORTURE_H

#include <pthread.h>
#include <setjmp.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>

#include "pt_reclaim_util.h"

#define STRETCH_PAGES	((size_t)64)
#define STRETCH		(STRETCH_PAGES * PT_PAGE)
#define TABLE_STRETCHES	(PT_TABLE_PAGES / STRETCH_PAGES)

#define MAX_THREADS	64

/* What a region is like */
#define R_ANON		0x0001		/* private and anonymous */
#define R_SHARED	0x0002		/* writes go to what is mapped */
#define R_FILE		0x0004		/* has a file descriptor */
#define R_ALIAS		0x0008		/* is mapped a second time */
#define R_MISSING	0x0010		/* userfaultfd fills it */
#define R_MINOR		0x0020		/* userfaultfd maps it */
#define R_WP		0x0040		/* userfaultfd protects it */
#define R_ASYNC		0x0080		/* ... without telling */
#define R_UFFD		(R_MISSING | R_MINOR | R_WP)

/* What is known of a page */
#define T_OWN		0x0001		/* a page of this process is there */
#define T_POP		0x0002		/*
					 * There may be an entry (anonymous
					 * memory), or a page in the file.
					 */
#define T_LAZY		0x0004		/* MADV_FREE: or zeroes */
#define T_WP		0x0008		/* write-protected by userfaultfd */
#define T_ACCESS	0x0010		/* somebody is accessing it */
#define T_MISSED	0x0020		/* ... and had it filled */
#define T_UNPROTECTED	0x0040		/* ... and had it unprotected */
#define T_THERE		(T_OWN | T_POP)

struct torture_page {
	/* Which pattern; 0 means zeroes. Of a private page if T_OWN. */
	__u64 content;
	__u32 flags;
	__u32 unused;
};

struct torture_stretch {
	pthread_mutex_t lock;
	unsigned int used;		/* pages with flags */
	int prot;
};

struct torture_table {
	/*
	 * Bit 0: huge pages may be there, so that pages may be where nobody
	 * put them. The rest counts those who were about to make one. Changed
	 * without lock.
	 */
	unsigned int huge;
	bool advised;			/* MADV_HUGEPAGE */
	/*
	 * Tables that have the same number here, but 0, are in one VMA.
	 */
	unsigned int vma;
};

#define HUGE_BIT	1u
#define HUGE_STEP	2u

struct torture_region {
	const char *name;
	unsigned int kind;
	unsigned int weight;		/* how often it is chosen */
	size_t tables;
	size_t pages;
	char *start;
	char *alias;
	int fd;
	int uffd;
	struct torture_page *page;
	__u64 *below;			/* a private mapping: in the file */
	struct torture_stretch *stretch;
	struct torture_table *table;
};

struct torture_thread;

struct torture_op {
	const char *name;
	unsigned int weight;		/* in 10 000 */
	void (*run)(struct torture_thread *self);
	/* Why it cannot be run here; NULL if it can */
	const char *(*missing)(void);
};

/* Stretches that are locked */
struct torture_range {
	struct torture_region *region;
	size_t first;
	size_t last;
};

#define MAX_RANGES	4

struct torture_thread {
	unsigned int number;
	pthread_t thread;
	bool done;
	__u64 operation;
	const struct torture_op *op;
	__u64 random;			/* of this operation alone */
	__u64 patterns;			/* made so far */
	__u64 since_usecs;		/* when the operation began */
	/* For who watches: which operation it was at, and for how long */
	__u64 watched;
	unsigned int ticks;
	__u64 compared;			/* pages */
	__u64 compared_patterns;	/* such as were not zero */
	__u64 *counts;			/* per operation */
	__u64 *usecs;			/* per operation, all together */
	struct torture_range ranges[MAX_RANGES];
	unsigned int nr_ranges;
	/* Faults are expected while trapping. */
	sigjmp_buf trap;
	bool trapping;
	int signal;
	char *buffer;			/* room for BUFFER_PAGES */
	char *scratch;			/* addresses for SCRATCH_TABLES */
	int pagemap;
	void *pins;			/* of pt_reclaim_torture_pins.c */
};

#define BUFFER_PAGES	8
#define SCRATCH_TABLES	4

/* What the options say, and what is known of the machine */
struct torture_settings {
	__u64 seed;
	double seconds;
	__u64 operations;		/* per thread */
	double patience;		/* s for one operation */
	unsigned int threads;
	size_t live;			/* pages */
	bool present;			/* the kernel has page table reclaim */
	bool control;			/* we may change its settings */
	bool swap;			/* swapoff and swapon */
	const char *sabotage;
};

extern struct torture_settings torture;

/* Set once, read by everybody: the run is over. */
bool torture_over(void);
void torture_end(void);

/* pt_reclaim_torture_shadow.c */
extern struct torture_region *torture_regions;
extern unsigned int torture_nr_regions;
extern __thread struct torture_thread *torture_self;

int torture_map_regions(void);
struct torture_region *torture_region_at(const char *at, size_t *page);
void torture_catch_signals(void);
int torture_map_range(struct torture_region *region, size_t page,
		      size_t pages);
size_t torture_live(void);
unsigned long torture_mismatches(void);
unsigned int torture_new_vma(void);
/* Is the range known to be in one VMA? */
bool torture_is_one_vma(struct torture_region *region, size_t page,
			size_t pages);

static inline char *torture_at(struct torture_region *region, size_t page)
{
	return region->start + page * PT_PAGE;
}

__u64 torture_draw(struct torture_thread *self, __u64 below);
static inline bool torture_chance(struct torture_thread *self, __u64 one_in)
{
	return !torture_draw(self, one_in);
}

/* A page somewhere in a region that is all of @kinds and none of @but. */
struct torture_region *torture_pick_region(struct torture_thread *self,
					   unsigned int kinds,
					   unsigned int but);
size_t torture_pick_page(struct torture_thread *self,
			 struct torture_region *region);
/* A range around there: from a page to several tables, @most at the most. */
size_t torture_pick_range(struct torture_thread *self,
			  struct torture_region *region, size_t *page,
			  size_t most);
bool torture_table_is_hot(size_t table);
/* A page from @page on in its stretch that has one of @flags, or @page. */
size_t torture_find(struct torture_region *region, size_t page, __u32 flags);

void torture_lock(struct torture_thread *self, struct torture_region *region,
		  size_t page, size_t pages);
void torture_lock_two(struct torture_thread *self,
		      struct torture_region *region, size_t one, size_t two,
		      size_t pages);
bool torture_trylock(struct torture_region *region, size_t stretch);
void torture_unlock(struct torture_region *region, size_t stretch);
void torture_unlock_all(struct torture_thread *self);

/* The shadow; the stretch is locked. */
void torture_set(struct torture_region *region, size_t page, __u32 flags);
void torture_clear(struct torture_region *region, size_t page, __u32 flags);
__u64 torture_content(struct torture_region *region, size_t page);
void torture_store(struct torture_region *region, size_t page, __u64 content);
int torture_prot(struct torture_region *region, size_t page);
/* What MADV_DONTNEED does, and a hole punched into the file */
void torture_dropped(struct torture_region *region, size_t page,
		     size_t pages);
void torture_punched(struct torture_region *region, size_t page,
		     size_t pages);
bool torture_is_huge(struct torture_region *region, size_t page);
void torture_make_huge(struct torture_region *region, size_t table);
unsigned int torture_huge_before(struct torture_region *region, size_t table);
void torture_not_huge(struct torture_region *region, size_t table,
		      unsigned int before);
unsigned long torture_nr_huge(void);

/* Patterns */
__u64 torture_new_pattern(struct torture_thread *self);
void torture_fill(void *page, __u64 content);
bool torture_page_is(const void *page, __u64 content);
void torture_describe(char *text, size_t size, const void *page);

/*
 * The one way to report that something is wrong; ends the run.
 */
__printf(4, 5) void torture_failed(struct torture_thread *self,
				   struct torture_region *region, size_t page,
				   const char *fmt, ...);

/* Runs access(at, arg); returns the signal that it got, or 0. */
int torture_try(struct torture_thread *self,
		void (*access)(char *at, void *arg), char *at, void *arg);
bool torture_right_signal(struct torture_thread *self,
			  struct torture_region *region, size_t page,
			  bool allowed, int signal, const char *how);
/*
 * Around every access to a page, whoever does it: what a userfaultfd must hear
 * of it, and what it makes of the page.
 */
__u32 torture_access_begins(struct torture_region *region, size_t page);
bool torture_access_ends(struct torture_thread *self,
			 struct torture_region *region, size_t page,
			 __u32 before, bool write);
/* Read or write a page as the shadow says; false when something was wrong. */
bool torture_read(struct torture_thread *self, struct torture_region *region,
		  size_t page);
bool torture_write(struct torture_thread *self, struct torture_region *region,
		   size_t page);
/* Is @seen what it must be: @content, or what the shadow says of the page? */
bool torture_compare(struct torture_thread *self,
		     struct torture_region *region, size_t page,
		     __u64 content, const void *seen, const char *how);
bool torture_verify(struct torture_thread *self,
		    struct torture_region *region, size_t page,
		    const void *seen, const char *how);
bool torture_verify_moved(struct torture_thread *self,
			  struct torture_region *region, size_t page,
			  char *at);
/*
 * Empties a locked range and its shadow: the mapping if @drop, the file if
 * @hole. At most 240 tables.
 */
bool torture_empty(struct torture_thread *self, struct torture_region *region,
		   size_t page, size_t pages, bool drop, bool hole);
void torture_make_writable(struct torture_thread *self,
			   struct torture_region *region, size_t page,
			   size_t pages);

/* pt_reclaim_torture_uffd.c */
int torture_open_uffd(struct torture_region *region);
int torture_register(struct torture_region *region, size_t page,
		     size_t pages);
int torture_start_handlers(void);
bool torture_unprotect(struct torture_region *region, size_t page,
		       size_t pages, bool protect);
void torture_swallow(void);

/* pt_reclaim_torture_maps.c */
bool torture_check_pagemap(struct torture_thread *self,
			   struct torture_region *region, size_t page,
			   size_t pages);

/* pt_reclaim_torture_pins.c */
void torture_end_pins(struct torture_thread *self);

/* The operations, and why they cannot be run */
void torture_op_write(struct torture_thread *self);
void torture_op_read(struct torture_thread *self);
void torture_op_waste(struct torture_thread *self);
void torture_op_dontneed(struct torture_thread *self);
void torture_op_free(struct torture_thread *self);
void torture_op_punch(struct torture_thread *self);
void torture_op_truncate(struct torture_thread *self);
void torture_op_protect(struct torture_thread *self);
void torture_op_file(struct torture_thread *self);
void torture_op_pageout(struct torture_thread *self);
void torture_op_cold(struct torture_thread *self);
void torture_op_reclaim(struct torture_thread *self);
void torture_op_move(struct torture_thread *self);
void torture_op_away(struct torture_thread *self);
void torture_op_remap(struct torture_thread *self);
void torture_op_fork(struct torture_thread *self);
void torture_op_huge(struct torture_thread *self);
void torture_op_collapse(struct torture_thread *self);
void torture_op_copy(struct torture_thread *self);
void torture_op_zeropage(struct torture_thread *self);
void torture_op_continue(struct torture_thread *self);
void torture_op_uffdmove(struct torture_thread *self);
void torture_op_wp(struct torture_thread *self);
void torture_op_vmsplice(struct torture_thread *self);
void torture_op_uring(struct torture_thread *self);
void torture_op_processvm(struct torture_thread *self);
void torture_op_futex(struct torture_thread *self);
void torture_op_pagemap(struct torture_thread *self);
void torture_op_scan(struct torture_thread *self);
void torture_op_mincore(struct torture_thread *self);
void torture_op_smaps(struct torture_thread *self);
void torture_op_mode(struct torture_thread *self);
void torture_op_prctl(struct torture_thread *self);
void torture_op_swap(struct torture_thread *self);
void torture_op_compact(struct torture_thread *self);

const char *torture_no_reclaim(void);
const char *torture_no_control(void);
const char *torture_no_swap(void);
const char *torture_no_root(void);
const char *torture_no_huge(void);
const char *torture_no_missing(void);
const char *torture_no_minor(void);
const char *torture_no_move(void);
const char *torture_no_wp(void);
const char *torture_no_scan(void);
const char *torture_no_uring(void);

#endif /* _SELFTESTS_MM_PT_RECLAIM_TORTURE_H */
