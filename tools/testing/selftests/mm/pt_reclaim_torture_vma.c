// SPDX-License-Identifier: GPL-2.0
/*
 * pt_reclaim_torture: operations on mappings as a whole: moving, unmapping,
 * copying by fork(), and making them fit for huge pages.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_torture.h"

/* How much of the live memory may be what huge pages bring along, one in */
#define HUGE_SHARE	4

const char *torture_no_huge(void)
{
	return access(PT_THP_SYSFS "enabled", F_OK) ? "no huge pages" : NULL;
}

static bool too_many_huge(void)
{
	return torture_nr_huge() * PT_TABLE_PAGES >
	       torture.live / HUGE_SHARE;
}

/* Whole tables? Then the range is one VMA from now on, else nobody knows. */
static void new_vma(struct torture_region *region, size_t page, size_t pages)
{
	bool whole = page % PT_TABLE_PAGES == 0 && pages % PT_TABLE_PAGES == 0;
	unsigned int vma = whole ? torture_new_vma() : 0;
	size_t table;

	for (table = page / PT_TABLE_PAGES;
	     table <= (page + pages - 1) / PT_TABLE_PAGES; table++)
		__atomic_store_n(&region->table[table].vma, vma,
				 __ATOMIC_RELAXED);
}

static void forget_vma(struct torture_region *region, size_t table)
{
	__atomic_store_n(&region->table[table].vma, 0, __ATOMIC_RELAXED);
}

bool torture_is_one_vma(struct torture_region *region, size_t page,
			size_t pages)
{
	size_t table = page / PT_TABLE_PAGES;
	unsigned int vma = __atomic_load_n(&region->table[table].vma,
					   __ATOMIC_RELAXED);

	if (pages <= 1)
		return true;
	while (++table <= (page + pages - 1) / PT_TABLE_PAGES) {
		if (__atomic_load_n(&region->table[table].vma,
				    __ATOMIC_RELAXED) != vma)
			return false;
	}
	return vma;
}

/* A page, some in one stretch, or whole tables */
static size_t draw_extent(struct torture_thread *self, size_t *page,
			  size_t most_tables)
{
	size_t pages;

	switch (torture_draw(self, 3)) {
	case 0:
		return 1;
	case 1:
		pages = 1 + torture_draw(self, STRETCH_PAGES -
					 *page % STRETCH_PAGES);
		return pages;
	default:
		*page -= *page % PT_TABLE_PAGES;
		return PT_TABLE_PAGES * (1 + torture_draw(self, most_tables));
	}
}

/*
 * The shadow of what was moved. What a huge page has brought along without
 * being asked for may have been moved too.
 */
static void moved(struct torture_region *region, size_t from, size_t to,
		  size_t pages)
{
	bool huge = torture_is_huge(region, from);
	size_t i;
	__u32 flags;

	torture_dropped(region, to, pages);
	for (i = 0; i < pages; i++) {
		flags = region->page[from + i].flags & (T_THERE | T_LAZY);
		if (!flags && !huge)
			continue;
		region->page[to + i].content = region->page[from + i].content;
		torture_set(region, to + i, flags ? flags : T_POP);
	}
	torture_dropped(region, from, pages);
}

/* Huge pages and the advice to make them go with the tables that are moved. */
struct moved_table {
	unsigned int from;
	unsigned int to;
};

static void before_move(struct torture_region *region, size_t from, size_t to,
			size_t tables, struct moved_table *before)
{
	for (; tables--; from++, to++, before++) {
		before->from = torture_huge_before(region, from);
		before->to = torture_huge_before(region, to);
	}
}

static void move_advice(struct torture_region *region, size_t from, size_t to,
			size_t tables, const struct moved_table *before,
			bool stays)
{
	for (; tables--; from++, to++, before++) {
		region->table[to].advised = region->table[from].advised;
		if (torture_is_huge(region, from * PT_TABLE_PAGES))
			torture_make_huge(region, to);
		else
			torture_not_huge(region, to, before->to);
		if (stays)
			continue;
		region->table[from].advised = false;
		torture_not_huge(region, from, before->from);
	}
}

/*
 * mremap() unmaps the destination before it looks whether the source is one
 * VMA.
 */
static void move_refused(struct torture_thread *self,
			 struct torture_region *region, size_t from, size_t to,
			 size_t pages)
{
	bool one = torture_is_one_vma(region, from, pages);
	int err = errno;

	if (err != EFAULT || one) {
		torture_failed(self, region, from,
			       "mremap(%zu pages) to page %zu: expected success, seen %s",
			       pages, to, strerror(err));
		return;
	}
	err = torture_map_range(region, to, pages);
	if (err)
		torture_failed(self, region, to, "mmap(): %s", strerror(-err));
	torture_dropped(region, to, pages);
	new_vma(region, to, pages);
}

static bool remap_pages(char *from, char *to, size_t pages, bool stays)
{
	int flags = MREMAP_MAYMOVE | MREMAP_FIXED;

	if (stays)
		flags |= MREMAP_DONTUNMAP;
	return mremap(from, pages * PT_PAGE, pages * PT_PAGE, flags, to) == to;
}

static void move_pages(struct torture_thread *self,
		       struct torture_region *region, size_t from, size_t to,
		       size_t pages, bool stays)
{
	size_t tables = pages / PT_TABLE_PAGES;
	size_t from_table = from / PT_TABLE_PAGES, to_table = to / PT_TABLE_PAGES;
	struct moved_table before[SCRATCH_TABLES];
	int err;

	before_move(region, from_table, to_table, tables, before);
	if (!remap_pages(torture_at(region, from), torture_at(region, to),
			 pages, stays)) {
		move_refused(self, region, from, to, pages);
		return;
	}
	if (!stays) {
		err = torture_map_range(region, from, pages);
		if (err)
			torture_failed(self, region, from, "mmap(): %s",
				       strerror(-err));
		new_vma(region, from, pages);
	}
	new_vma(region, to, pages);
	moved(region, from, to, pages);
	move_advice(region, from_table, to_table, tables, before, stays);
	torture_read(self, region, torture_find(region, to, T_THERE));
	torture_read(self, region, from + torture_draw(self, pages));
}

/* Within a region, for good: content leaves one place and comes to another. */
void torture_op_move(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_ANON,
							    R_UFFD);
	size_t from = torture_pick_page(self, region);
	size_t to = torture_pick_page(self, region);
	size_t pages = draw_extent(self, &from, SCRATCH_TABLES);
	bool stays = torture_chance(self, 3);

	if (pages > 1)
		to -= to % (pages < PT_TABLE_PAGES ? STRETCH_PAGES :
						     PT_TABLE_PAGES);
	if (from + pages > region->pages || to + pages > region->pages ||
	    (from < to + pages && to < from + pages))
		return;
	torture_lock_two(self, region, from, to, pages);
	torture_make_writable(self, region, from, pages);
	torture_make_writable(self, region, to, pages);
	/* Half a VMA that wants huge pages is nothing we keep account of. */
	if (pages < PT_TABLE_PAGES &&
	    (region->table[from / PT_TABLE_PAGES].advised ||
	     region->table[to / PT_TABLE_PAGES].advised))
		return;
	move_pages(self, region, from, to, pages, stays);
}

static bool verify_away(struct torture_thread *self,
			struct torture_region *region, size_t page,
			size_t pages)
{
	size_t start = page, end = page + pages, left = 8;

	for (; page < end && left; page++) {
		if (!(region->page[page].flags & T_THERE))
			continue;
		left--;
		if (!torture_verify_moved(self, region, page, self->scratch +
					  (page - start) * PT_PAGE))
			return false;
	}
	return true;
}

/* To addresses of this thread's own, and back */
void torture_op_away(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0,
							    R_ANON | R_UFFD);
	size_t page = torture_pick_page(self, region);
	size_t pages = draw_extent(self, &page, SCRATCH_TABLES);
	bool stays = torture_chance(self, 3);
	char *here;

	if (page + pages > region->pages)
		return;
	torture_lock(self, region, page, pages);
	torture_make_writable(self, region, page, pages);
	here = torture_at(region, page);
	if (!remap_pages(here, self->scratch, pages, stays)) {
		if (errno != EFAULT || torture_is_one_vma(region, page, pages))
			torture_failed(self, region, page,
				       "mremap(%zu pages) away: expected success, seen %s",
				       pages, strerror(errno));
		return;
	}
	if (!verify_away(self, region, page, pages))
		return;
	if (!remap_pages(self->scratch, here, pages, false)) {
		torture_failed(self, region, page,
			       "mremap(%zu pages) back: expected success, seen %s",
			       pages, strerror(errno));
		return;
	}
	new_vma(region, page, pages);
	torture_read(self, region, torture_find(region, page, T_THERE));
}

static void touch(char *at, void *arg)
{
	(void)arg;
	pt_touch(at);
}

/* The shadow of pages that were unmapped and mapped again */
static void mapped_anew(struct torture_region *region, size_t page,
			size_t pages, const struct moved_table *before)
{
	size_t table = (page + PT_TABLE_PAGES - 1) / PT_TABLE_PAGES, i;
	size_t end = (page + pages) / PT_TABLE_PAGES;

	torture_dropped(region, page, pages);
	for (i = page; i < page + pages; i++) {
		if (region->page[i].flags & T_WP)
			torture_clear(region, i, T_WP);
	}
	for (; table < end; table++, before++) {
		region->table[table].advised = false;
		if (region->kind & R_ANON)
			torture_not_huge(region, table, before->from);
	}
	new_vma(region, page, pages);
}

/* munmap() and mmap(): page tables of all levels may go. */
void torture_op_remap(struct torture_thread *self)
{
	unsigned int kind = torture_chance(self, 2) ? R_ANON : R_FILE;
	struct torture_region *region = torture_pick_region(self, kind, 0);
	struct moved_table before[8] = { };
	size_t page, pages, at, table, i;
	int err, signal;

	pages = torture_pick_range(self, region, &page, 8 * PT_TABLE_PAGES);
	at = page + torture_draw(self, pages);
	table = (page + PT_TABLE_PAGES - 1) / PT_TABLE_PAGES;
	torture_lock(self, region, page, pages);
	torture_make_writable(self, region, page, pages);
	for (i = 0; (table + i + 1) * PT_TABLE_PAGES <= page + pages; i++)
		before[i].from = torture_huge_before(region, table + i);
	if (munmap(torture_at(region, page), pages * PT_PAGE)) {
		torture_failed(self, region, page, "munmap(): %s",
			       strerror(errno));
		return;
	}
	signal = torture_try(self, touch, torture_at(region, at), NULL);
	torture_right_signal(self, region, at, false, signal, "not mapped");
	err = torture_map_range(region, page, pages);
	if (err) {
		torture_failed(self, region, page, "mmap(): %s",
			       strerror(-err));
		return;
	}
	mapped_anew(region, page, pages, before);
	torture_read(self, region, at);
}

static bool child_reads(struct torture_thread *self,
			struct torture_region *region, size_t page)
{
	bool allowed = torture_prot(region, page) != PROT_NONE;
	bool there = region->page[page].flags & T_THERE;
	char *at = torture_at(region, page);
	int signal;

	/* It would fill a hole in the file. */
	if (!there && (!(region->kind & R_ANON) || !torture_chance(self, 32)))
		return true;
	signal = torture_try(self, touch, at, NULL);
	if (!torture_right_signal(self, region, page, allowed, signal,
				  "in the child"))
		return false;
	return !allowed || torture_verify(self, region, page, at,
					  "in the child");
}

/* Writes to some of its own pages, which the parent must not see. */
static bool child_writes(struct torture_thread *self,
			 struct torture_region *region, size_t page)
{
	/* It must not fill a hole in the file either. */
	if (region->kind & R_SHARED || !torture_chance(self, 16) ||
	    (region->below && !(region->page[page].flags & T_THERE)) ||
	    torture_prot(region, page) != (PROT_READ | PROT_WRITE))
		return true;
	torture_fill(torture_at(region, page), torture_new_pattern(self));
	return torture_chance(self, 2) ||
	       !madvise(torture_at(region, page), PT_PAGE, MADV_DONTNEED);
}

static bool child_checks(struct torture_thread *self,
			 const struct torture_range *range)
{
	struct torture_region *region = range->region;
	size_t first = range->first * STRETCH_PAGES, i;
	size_t end = (range->last + 1) * STRETCH_PAGES;

	for (i = first; i < end; i++) {
		if (!child_reads(self, region, i))
			return false;
	}
	if (torture.present && madvise(torture_at(region, first),
				       (end - first) * PT_PAGE,
				       MADV_PT_RECLAIM))
		return false;
	for (i = first; i < end; i++) {
		if (!child_writes(self, region, i))
			return false;
	}
	return true;
}

/* In a process of one thread: no lock, no memory, no output but write(). */
static int child_runs(struct torture_thread *self)
{
	unsigned int i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (i = 0; i < self->nr_ranges; i++) {
		if (!child_checks(self, &self->ranges[i]))
			return 1;
	}
	return 0;
}

/* Some tables of some regions, in order */
static void lock_some(struct torture_thread *self)
{
	struct torture_region *region = torture_regions;
	unsigned int i;
	size_t page;

	for (i = 0; i < torture_nr_regions; i++, region++) {
		if (!region->weight || torture_chance(self, 2))
			continue;
		if (self->nr_ranges == MAX_RANGES)
			return;
		page = torture_pick_page(self, region);
		page -= page % PT_TABLE_PAGES;
		torture_lock(self, region, page, PT_TABLE_PAGES);
	}
}

/* The child sees what was there, and the parent nothing of what it does. */
void torture_op_fork(struct torture_thread *self)
{
	int status;
	pid_t pid;

	lock_some(self);
	pid = fork();
	if (pid < 0 && (errno == ENOMEM || errno == EAGAIN))
		return;
	if (!pid)
		_exit(child_runs(self));
	if (pid < 0 || waitpid(pid, &status, 0) != pid) {
		torture_failed(self, NULL, 0, "fork() or waitpid(): %s",
			       strerror(errno));
		return;
	}
	if (status)
		torture_failed(self, NULL, 0, "the child's status is %#x",
			       status);
}

static bool advise_tables(struct torture_thread *self,
			  struct torture_region *region, size_t table,
			  size_t tables, int advice)
{
	size_t page = table * PT_TABLE_PAGES;

	if (!madvise(torture_at(region, page), tables * PT_TABLE, advice))
		return true;
	torture_failed(self, region, page,
		       "madvise(%zu tables, %d): expected 0, seen %s", tables,
		       advice, strerror(errno));
	return false;
}

/* The first table from there on that may have huge pages */
static size_t find_huge(struct torture_region *region, size_t table)
{
	for (; table < region->tables; table++) {
		if (torture_is_huge(region, table * PT_TABLE_PAGES))
			return table;
	}
	return region->tables;
}

static void no_huge(struct torture_thread *self, struct torture_region *region,
		    size_t table)
{
	size_t page = table * PT_TABLE_PAGES;

	torture_lock(self, region, page, PT_TABLE_PAGES);
	if (!advise_tables(self, region, table, 1, MADV_NOHUGEPAGE))
		return;
	region->table[table].advised = false;
	forget_vma(region, table);
	torture_empty(self, region, page, PT_TABLE_PAGES, true,
		      !(region->kind & R_ANON));
}

/* From now on faults may bring huge pages, and khugepaged may make them. */
void torture_op_huge(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, R_UFFD);
	size_t page = torture_pick_page(self, region);
	size_t table = page / PT_TABLE_PAGES;

	if (too_many_huge() || torture_chance(self, 3)) {
		table = find_huge(region, table);
		if (table < region->tables)
			no_huge(self, region, table);
		return;
	}
	torture_lock(self, region, table * PT_TABLE_PAGES, PT_TABLE_PAGES);
	region->table[table].advised = true;
	forget_vma(region, table);
	torture_make_huge(region, table);
	if (!advise_tables(self, region, table, 1, MADV_HUGEPAGE))
		return;
	if (torture_chance(self, 2))
		torture_write(self, region, page);
	else
		torture_read(self, region, page);
}

/*
 * Without a lock: it may meet anything. It may fail for many reasons, but it
 * must not change what is read.
 */
void torture_op_collapse(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t table = torture_pick_page(self, region) / PT_TABLE_PAGES;
	size_t tables = 1 + torture_draw(self, 3), i;

	if (tables > region->tables - table)
		tables = region->tables - table;
	if (too_many_huge() && !(region->kind & R_MISSING))
		return;
	/* What userfaultfd is to fill is not filled by anybody else. */
	for (i = 0; i < tables && !(region->kind & R_MISSING); i++)
		torture_make_huge(region, table + i);
	if (madvise(torture_at(region, table * PT_TABLE_PAGES),
		    tables * PT_TABLE, MADV_COLLAPSE) &&
	    errno != EAGAIN && errno != EBUSY && errno != ENOMEM &&
	    errno != EINVAL)
		torture_failed(self, region, table * PT_TABLE_PAGES,
			       "madvise(MADV_COLLAPSE): seen %s",
			       strerror(errno));
}
