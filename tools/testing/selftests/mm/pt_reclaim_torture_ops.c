// SPDX-License-Identifier: GPL-2.0
/*
 * pt_reclaim_torture: operations on what is in a mapping: using pages, giving
 * them back in every way, protecting them, and writing to the file behind.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pt_reclaim_torture.h"

#ifndef MADV_COLD
#define MADV_COLD		20
#define MADV_PAGEOUT		21
#endif

/* What one operation looks at, for those that take several tables */
#define MOST_PAGES	(8 * PT_TABLE_PAGES)
/* Tables that are wasted at once */
#define MOST_WASTED	((size_t)240)
/* Stretches that may be protected at a time: each is a VMA or two. */
#define MOST_PROTECTED	512

static long nr_protected;

const char *torture_no_reclaim(void)
{
	return torture.present ? NULL : "no kptreclaimd";
}

/* Does what madvise() says it does, or says what went wrong. */
static bool advise(struct torture_thread *self, struct torture_region *region,
		   size_t page, size_t pages, int advice)
{
	if (!madvise(torture_at(region, page), pages * PT_PAGE, advice))
		return true;
	torture_failed(self, region, page,
		       "madvise(%zu pages, %d): expected 0, seen %s", pages,
		       advice, strerror(errno));
	return false;
}

static bool punch(struct torture_thread *self, struct torture_region *region,
		  size_t page, size_t pages)
{
	if (!(region->kind & R_FILE))
		return advise(self, region, page, pages, MADV_REMOVE);
	if (region->kind & R_SHARED && torture_chance(self, 2))
		return advise(self, region, page, pages, MADV_REMOVE);
	if (!fallocate(region->fd, FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
		       page * PT_PAGE, pages * PT_PAGE))
		return true;
	torture_failed(self, region, page,
		       "fallocate(%zu pages): expected 0, seen %s", pages,
		       strerror(errno));
	return false;
}

/* The tables that lie in a range from end to end */
static void whole_tables(size_t page, size_t pages, size_t *first, size_t *end)
{
	*first = (page + PT_TABLE_PAGES - 1) / PT_TABLE_PAGES;
	*end = (page + pages) / PT_TABLE_PAGES;
}

bool torture_empty(struct torture_thread *self, struct torture_region *region,
		   size_t page, size_t pages, bool drop, bool hole)
{
	unsigned int before[MOST_WASTED];
	size_t first, end, i;

	whole_tables(page, pages, &first, &end);
	for (i = first; i < end; i++)
		before[i - first] = torture_huge_before(region, i);
	if (drop && !advise(self, region, page, pages, MADV_DONTNEED))
		return false;
	if (hole && !punch(self, region, page, pages))
		return false;
	if (drop)
		torture_dropped(region, page, pages);
	if (hole)
		torture_punched(region, page, pages);
	/* Huge pages are in the file, if there is one. */
	if (region->kind & R_ANON ? drop : hole) {
		for (i = first; i < end; i++)
			torture_not_huge(region, i, before[i - first]);
	}
	return true;
}

/* Everything that the memory limit asks for */
static void relieve(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region);
	size_t pages = MOST_PAGES;

	page -= page % PT_TABLE_PAGES;
	if (pages > region->pages - page)
		pages = region->pages - page;
	torture_lock(self, region, page, pages);
	torture_empty(self, region, page, pages, true, !(region->kind & R_ANON));
}

/* Up to four pages that lie together */
static size_t few_pages(struct torture_thread *self, size_t page)
{
	size_t pages = 1 + torture_draw(self, 4);
	size_t end = (page / STRETCH_PAGES + 1) * STRETCH_PAGES;

	return pages < end - page ? pages : end - page;
}

void torture_op_write(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region);
	size_t pages = few_pages(self, page);

	if (torture_live() > torture.live) {
		relieve(self);
		return;
	}
	torture_lock(self, region, page, 1);
	while (pages-- && torture_write(self, region, page))
		page++;
}

/* A zero page would keep the table from ever being empty. */
static void drop_zeroes(struct torture_thread *self,
			struct torture_region *region, size_t page,
			size_t pages)
{
	torture_empty(self, region, page, pages, true,
		      !(region->kind & R_ANON));
}

void torture_op_read(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region), i;
	bool search = !torture_chance(self, 4), leave = torture_chance(self, 4);
	size_t pages = few_pages(self, page);

	torture_lock(self, region, page, 1);
	if (search) {
		page = torture_find(region, page, T_THERE | T_WP);
		pages = few_pages(self, page);
	}
	for (i = page; i < page + pages; i++) {
		leave |= region->page[i].flags & T_THERE;
		if (!torture_read(self, region, i))
			return;
	}
	if (!leave)
		drop_zeroes(self, region, page, pages);
}

struct waste {
	struct torture_region *region;
	size_t pages[MOST_WASTED];
	size_t nr;
	size_t done;
	bool write;
	bool zero;
};

/*
 * Uses one page in each table. Reading before writing would cost another fault
 * and a TLB flush.
 */
static void use_pages(char *start, void *arg)
{
	struct waste *waste = arg;
	__u64 *word;

	waste->zero = true;
	for (waste->done = 0; waste->done < waste->nr; waste->done++) {
		word = (__u64 *)(start + waste->pages[waste->done] * PT_PAGE);
		if (waste->write)
			word[1] = 1;
		waste->zero = !word[0];
		if (!waste->zero)
			return;
	}
}

static bool use_and_check(struct torture_thread *self, struct waste *waste)
{
	int signal = torture_try(self, use_pages, waste->region->start, waste);

	if (!signal && waste->zero)
		return true;
	torture_failed(self, waste->region, waste->pages[waste->done],
		       "first use: expected zeroes, seen %s",
		       signal ? "a signal" : "something else");
	return false;
}

/* A locked page that is not in use, so that it can be used for a moment */
static bool is_free(struct torture_region *region, size_t page)
{
	return !(region->page[page].flags & (T_THERE | T_WP)) &&
	       torture_prot(region, page) == (PROT_READ | PROT_WRITE) &&
	       !torture_is_huge(region, page);
}

/* As many whole tables as can be had without waiting, up to a hot one */
static size_t lock_run(struct torture_thread *self,
		       struct torture_region *region, size_t table, bool hot)
{
	struct torture_range *range = &self->ranges[self->nr_ranges++];
	size_t most = table + MOST_WASTED, i;

	if (most > region->tables)
		most = region->tables;
	range->region = region;
	range->first = table * TABLE_STRETCHES;
	for (i = range->first; i < most * TABLE_STRETCHES; i++) {
		if (!hot && torture_table_is_hot(i / TABLE_STRETCHES))
			break;
		if (!torture_trylock(region, i))
			break;
	}
	/* Not the table of which only some stretches could be had. */
	while (i % TABLE_STRETCHES)
		torture_unlock(region, --i);
	if (i == range->first)
		self->nr_ranges--;
	else
		range->last = i - 1;
	return i / TABLE_STRETCHES - table;
}

/*
 * Whole tables are given back at once. Mostly they are read only: giving back
 * pages of a file that are dirty takes a TLB flush for each table.
 */
static void waste_run(struct torture_thread *self,
		      struct torture_region *region, size_t table)
{
	struct waste waste = {
		.region = region,
		.write = torture_chance(self, region->kind & R_ANON ? 2 : 32),
	};
	size_t nr = lock_run(self, region, table, torture_chance(self, 32));
	size_t i, page;

	for (i = 0; i < nr; i++) {
		page = (table + i) * PT_TABLE_PAGES +
		       torture_draw(self, PT_TABLE_PAGES);
		if (is_free(region, page))
			waste.pages[waste.nr++] = page;
	}
	if (!nr || !use_and_check(self, &waste))
		return;
	torture_empty(self, region, table * PT_TABLE_PAGES,
		      nr * PT_TABLE_PAGES, true, !(region->kind & R_ANON));
}

/* One page is given back in each table, and what else is there stays. */
static void waste_pages(struct torture_thread *self,
			struct torture_region *region, size_t table)
{
	struct waste waste = { .region = region, .write = true };
	size_t i, page, stretch;
	bool right;

	for (i = table; i < region->tables && waste.nr < MOST_WASTED; i++) {
		page = i * PT_TABLE_PAGES + torture_draw(self, PT_TABLE_PAGES);
		stretch = page / STRETCH_PAGES;
		if (!torture_trylock(region, stretch))
			continue;
		if (is_free(region, page))
			waste.pages[waste.nr++] = page;
		else
			torture_unlock(region, stretch);
	}
	right = use_and_check(self, &waste);
	for (i = 0; i < waste.nr; i++) {
		right = right && advise(self, region, waste.pages[i], 1,
					MADV_DONTNEED);
		torture_unlock(region, waste.pages[i] / STRETCH_PAGES);
	}
}

/* Tables without end */
void torture_op_waste(struct torture_thread *self)
{
	unsigned int kind = torture_chance(self, 2) ? R_ANON : 0;
	struct torture_region *region = torture_pick_region(self, kind,
							    R_MISSING);
	size_t table = torture_draw(self, region->tables);

	if (region->kind & R_ANON && torture_chance(self, 64))
		waste_pages(self, region, table);
	else
		waste_run(self, region, table);
}

/* The way of a balloon, or of the second mapping of a file */
static bool drop_otherwise(struct torture_thread *self,
			   struct torture_region *region, size_t page,
			   size_t pages)
{
	size_t i;

	if (region->alias && torture_chance(self, 4) &&
	    madvise(region->alias + page * PT_PAGE, pages * PT_PAGE,
		    MADV_DONTNEED)) {
		torture_failed(self, region, page, "alias: %s",
			       strerror(errno));
		return false;
	}
	if (pages > STRETCH_PAGES || !torture_chance(self, 4))
		return true;
	for (i = 0; i < pages; i++) {
		if (!advise(self, region, page + i, 1, MADV_DONTNEED))
			return false;
	}
	return true;
}

void torture_op_dontneed(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page, pages;

	pages = torture_pick_range(self, region, &page, MOST_PAGES);
	torture_lock(self, region, page, pages);
	if (drop_otherwise(self, region, page, pages))
		torture_empty(self, region, page, pages, true, false);
}

/* Of anonymous memory that no userfaultfd watches, where it has most to lose */
void torture_op_free(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_ANON,
							    R_UFFD);
	size_t page, pages, i;

	pages = torture_pick_range(self, region, &page, PT_TABLE_PAGES);
	torture_lock(self, region, page, pages);
	if (!advise(self, region, page, pages, MADV_FREE))
		return;
	for (i = page; i < page + pages; i++) {
		if (region->page[i].flags & T_OWN)
			torture_set(region, i, T_LAZY);
	}
}

void torture_op_punch(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, R_ANON);
	size_t page, pages;

	pages = torture_pick_range(self, region, &page, MOST_PAGES);
	torture_lock(self, region, page, pages);
	torture_empty(self, region, page, pages, false, true);
}

static void touch(char *at, void *arg)
{
	(void)arg;
	pt_touch(at);
}

static void expect_sigbus(struct torture_thread *self,
			  struct torture_region *region, size_t page)
{
	int signal = torture_try(self, touch, torture_at(region, page), NULL);

	if (signal != SIGBUS)
		torture_failed(self, region, page,
			       "beyond the end: expected SIGBUS, seen signal %d",
			       signal);
}

/* Cuts off the end of a file; also private pages that were copied from it. */
void torture_op_truncate(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_FILE,
							    R_UFFD);
	size_t pages = (1 + torture_draw(self, 8)) * PT_TABLE_PAGES;
	size_t page = region->pages - pages;
	size_t at = page + torture_draw(self, pages);
	size_t bytes = region->pages * PT_PAGE;

	torture_lock(self, region, page, pages);
	torture_make_writable(self, region, page, pages);
	if (ftruncate(region->fd, bytes - pages * PT_PAGE)) {
		torture_failed(self, region, page, "ftruncate(): %s",
			       strerror(errno));
		return;
	}
	expect_sigbus(self, region, at);
	if (ftruncate(region->fd, bytes)) {
		torture_failed(self, region, page, "ftruncate() back: %s",
			       strerror(errno));
		return;
	}
	/* Nothing is left to do but for the huge pages, which went too. */
	torture_dropped(region, page, pages);
	torture_empty(self, region, page, pages, true, true);
	torture_read(self, region, at);
}

static int draw_prot(struct torture_thread *self)
{
	static const int prots[] = {
		PROT_NONE, PROT_READ, PROT_READ | PROT_WRITE,
	};

	if (__atomic_load_n(&nr_protected, __ATOMIC_RELAXED) > MOST_PROTECTED)
		return PROT_READ | PROT_WRITE;
	return prots[torture_draw(self, ARRAY_SIZE(prots))];
}

static void set_prot(struct torture_region *region, size_t page, size_t pages,
		     int prot)
{
	const int all = PROT_READ | PROT_WRITE;
	struct torture_stretch *stretch;
	size_t i;

	for (i = page; i < page + pages; i += STRETCH_PAGES) {
		stretch = &region->stretch[i / STRETCH_PAGES];
		__atomic_fetch_add(&nr_protected,
				   (prot != all) - (stretch->prot != all),
				   __ATOMIC_RELAXED);
		stretch->prot = prot;
		__atomic_store_n(&region->table[i / PT_TABLE_PAGES].vma, 0,
				 __ATOMIC_RELAXED);
	}
}

/* The protection stays until somebody needs the pages. */
void torture_op_protect(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region);
	size_t pages = (1 + torture_draw(self, 16)) * STRETCH_PAGES;
	int prot = draw_prot(self);
	size_t at;

	page -= page % STRETCH_PAGES;
	if (pages > region->pages - page)
		pages = region->pages - page;
	torture_lock(self, region, page, pages);
	if (mprotect(torture_at(region, page), pages * PT_PAGE, prot)) {
		torture_failed(self, region, page, "mprotect(): %s",
			       strerror(errno));
		return;
	}
	set_prot(region, page, pages, prot);
	at = torture_find(region, page + torture_draw(self, pages), T_THERE);
	if (torture_chance(self, 2))
		torture_read(self, region, at);
	else
		torture_write(self, region, at);
}

/* Takes back what torture_op_protect() did. */
void torture_make_writable(struct torture_thread *self,
			   struct torture_region *region, size_t page,
			   size_t pages)
{
	const int all = PROT_READ | PROT_WRITE;
	size_t end = page + pages;

	for (page -= page % STRETCH_PAGES; page < end; page += STRETCH_PAGES) {
		if (torture_prot(region, page) == all)
			continue;
		if (mprotect(torture_at(region, page), STRETCH, all)) {
			torture_failed(self, region, page, "mprotect(): %s",
				       strerror(errno));
			return;
		}
		set_prot(region, page, STRETCH_PAGES, all);
	}
}

static bool file_failed(struct torture_thread *self,
			struct torture_region *region, size_t page,
			const char *what, ssize_t done)
{
	torture_failed(self, region, page, "%s: expected 4096, seen %zd (%s)",
		       what, done, done < 0 ? strerror(errno) : "short");
	return false;
}

static bool read_file(struct torture_thread *self,
		      struct torture_region *region, size_t page)
{
	__u64 content = region->below ? region->below[page] :
					region->page[page].content;
	ssize_t done = pread(region->fd, self->buffer, PT_PAGE,
			     page * PT_PAGE);

	if (done != (ssize_t)PT_PAGE)
		return file_failed(self, region, page, "pread()", done);
	return torture_compare(self, region, page, content, self->buffer,
			       "pread()");
}

static bool write_file(struct torture_thread *self,
		       struct torture_region *region, size_t page)
{
	__u64 content = torture_new_pattern(self);
	ssize_t done;

	torture_fill(self->buffer, content);
	done = pwrite(region->fd, self->buffer, PT_PAGE, page * PT_PAGE);
	if (done != (ssize_t)PT_PAGE)
		return file_failed(self, region, page, "pwrite()", done);
	if (region->below)
		region->below[page] = content;
	else
		region->page[page].content = content;
	torture_set(region, page, T_POP);
	return true;
}

/* The file behind the mapping; userfaultfd does not see that. */
void torture_op_file(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_FILE, 0);
	size_t page = torture_pick_page(self, region);
	bool write = torture_chance(self, 2) && torture_live() < torture.live;

	torture_lock(self, region, page, 1);
	if (write)
		write_file(self, region, page);
	else
		read_file(self, region,
			  torture_find(region, page, T_THERE));
}

/*
 * Advice that changes nothing that can be seen is given without a lock. Then a
 * part of the range may be unmapped just now.
 */
static void advise_unlocked(struct torture_thread *self, int advice,
			    size_t most)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	bool via_alias = region->alias && torture_chance(self, 4);
	size_t page, pages = torture_pick_range(self, region, &page, most);
	char *at = (via_alias ? region->alias : region->start) +
		   page * PT_PAGE;

	if (madvise(at, pages * PT_PAGE, advice) && errno != ENOMEM)
		torture_failed(self, region, page,
			       "madvise(%zu pages, %d): expected 0, seen %s",
			       pages, advice, strerror(errno));
}

void torture_op_pageout(struct torture_thread *self)
{
	advise_unlocked(self, MADV_PAGEOUT, MOST_PAGES);
}

void torture_op_cold(struct torture_thread *self)
{
	advise_unlocked(self, MADV_COLD, MOST_PAGES);
}

/* Of all that there is, or of a few tables; with a lock all of it is mapped. */
void torture_op_reclaim(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page, pages;

	switch (torture_draw(self, 4)) {
	case 0:
		pages = torture_pick_range(self, region, &page, MOST_PAGES);
		torture_lock(self, region, page, pages);
		advise(self, region, page, pages, MADV_PT_RECLAIM);
		return;
	case 1:
		if (madvise(region->start, region->pages * PT_PAGE,
			    MADV_PT_RECLAIM) && errno != ENOMEM)
			torture_failed(self, region, 0,
				       "madvise(MADV_PT_RECLAIM): expected 0, seen %s",
				       strerror(errno));
		return;
	default:
		advise_unlocked(self, MADV_PT_RECLAIM, MOST_PAGES);
	}
}
