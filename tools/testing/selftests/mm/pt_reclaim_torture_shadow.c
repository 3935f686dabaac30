// SPDX-License-Identifier: GPL-2.0
/*
 * pt_reclaim_torture: the regions, their shadow and its locks, and accesses
 * that are checked against it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pt_reclaim_torture.h"

#ifndef MAP_FIXED_NOREPLACE
#define MAP_FIXED_NOREPLACE	0x100000
#endif

/*
 * Where regions lie: far below whatever mmap() chooses, so that nobody gets
 * into a hole that an operation makes for a moment; each under a PGD entry of
 * its own; and with the border of two PMD tables within.
 */
#define FIRST_ADDRESS	0x200000000000UL
#define DISTANCE	0x010000000000UL
#define ALIAS_DISTANCE	0x008000000000UL
#define SKEW		(PT_GIB - 64 * PT_TABLE)

/* Flags that count as use of a page */
#define T_USE		(T_THERE | T_LAZY | T_WP)

/* One table in sixteen is hot, sixteen together. */
#define HOT_RUN		16
#define HOT_ONE_IN	16

#define PATTERN_STEP	0x0101010101010101ULL
#define PATTERN_BITS	40

static struct torture_region regions[] = {
	{ .name = "anon", .kind = R_ANON, .weight = 6, .tables = 8192 },
	{ .name = "shared", .kind = R_SHARED, .weight = 3, .tables = 512 },
	{ .name = "memfd", .kind = R_SHARED | R_FILE | R_ALIAS, .weight = 4,
	  .tables = 512 },
	{ .name = "file", .kind = R_FILE, .weight = 3, .tables = 512 },
	{ .name = "uffd-anon", .kind = R_ANON | R_MISSING | R_WP, .weight = 3,
	  .tables = 256 },
	{ .name = "uffd-shmem", .weight = 3, .tables = 256,
	  .kind = R_SHARED | R_FILE | R_MISSING | R_MINOR | R_WP },
	{ .name = "wp-anon", .kind = R_ANON | R_WP | R_ASYNC, .weight = 2,
	  .tables = 256 },
	{ .name = "wp-shmem", .kind = R_SHARED | R_FILE | R_WP | R_ASYNC,
	  .weight = 2, .tables = 256 },
};

struct torture_region *torture_regions = regions;
unsigned int torture_nr_regions = ARRAY_SIZE(regions);
__thread struct torture_thread *torture_self;

static unsigned long live;		/* pages, of all regions */
static unsigned long nr_huge;		/* tables that may have huge pages */
static unsigned long mismatches;
static unsigned int last_vma;

size_t torture_live(void)
{
	return __atomic_load_n(&live, __ATOMIC_RELAXED);
}

unsigned long torture_nr_huge(void)
{
	return __atomic_load_n(&nr_huge, __ATOMIC_RELAXED);
}

unsigned long torture_mismatches(void)
{
	return __atomic_load_n(&mismatches, __ATOMIC_RELAXED);
}

unsigned int torture_new_vma(void)
{
	return __atomic_add_fetch(&last_vma, 1, __ATOMIC_RELAXED);
}

static void *allocate(size_t bytes)
{
	void *memory = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			    -1, 0);

	return memory == MAP_FAILED ? NULL : memory;
}

static int map_flags(const struct torture_region *region)
{
	int flags = MAP_NORESERVE;

	flags |= region->kind & R_SHARED ? MAP_SHARED : MAP_PRIVATE;
	if (region->fd < 0)
		flags |= MAP_ANONYMOUS;
	return flags;
}

/* Maps pages where they belong, in place of whatever is there. */
int torture_map_range(struct torture_region *region, size_t page,
		      size_t pages)
{
	off_t offset = region->fd < 0 ? 0 : (off_t)(page * PT_PAGE);

	if (mmap(torture_at(region, page), pages * PT_PAGE,
		 PROT_READ | PROT_WRITE, map_flags(region) | MAP_FIXED,
		 region->fd, offset) == MAP_FAILED)
		return -errno;
	return region->uffd < 0 ? 0 : torture_register(region, page, pages);
}

static int open_file(struct torture_region *region)
{
	int err;

	region->fd = memfd_create(region->name, MFD_CLOEXEC);
	if (region->fd < 0)
		return -errno;
	if (ftruncate(region->fd, region->pages * PT_PAGE)) {
		err = -errno;
		close(region->fd);
		return err;
	}
	return 0;
}

static int allocate_shadow(struct torture_region *region)
{
	size_t i, stretches = region->tables * TABLE_STRETCHES;

	region->page = allocate(region->pages * sizeof(*region->page));
	region->stretch = allocate(stretches * sizeof(*region->stretch));
	region->table = allocate(region->tables * sizeof(*region->table));
	if (!region->page || !region->stretch || !region->table)
		return -ENOMEM;
	if (!(region->kind & (R_ANON | R_SHARED))) {
		region->below = allocate(region->pages *
					 sizeof(*region->below));
		if (!region->below)
			return -ENOMEM;
	}
	for (i = 0; i < stretches; i++) {
		pthread_mutex_init(&region->stretch[i].lock, NULL);
		region->stretch[i].prot = PROT_READ | PROT_WRITE;
	}
	for (i = 0; i < region->tables; i++)
		region->table[i].vma = last_vma;
	return 0;
}

static char *map_at(unsigned long address, struct torture_region *region)
{
	char *at = mmap((char *)address, region->pages * PT_PAGE,
			PROT_READ | PROT_WRITE,
			map_flags(region) | MAP_FIXED_NOREPLACE,
			region->fd, 0);

	return at == (char *)address ? at : NULL;
}

static int map_region(struct torture_region *region, unsigned long address)
{
	int err;

	region->pages = region->tables * PT_TABLE_PAGES;
	region->fd = -1;
	region->uffd = -1;
	torture_new_vma();
	err = allocate_shadow(region);
	if (!err && region->kind & R_FILE)
		err = open_file(region);
	if (err)
		return err;
	region->start = map_at(address, region);
	if (!region->start)
		return -errno;
	if (region->kind & R_ALIAS) {
		region->alias = map_at(address + ALIAS_DISTANCE, region);
		if (!region->alias)
			return -errno;
	}
	/* Without its userfaultfd it has nothing to offer. */
	if (region->kind & R_UFFD && torture_open_uffd(region))
		region->weight = 0;
	return 0;
}

int torture_map_regions(void)
{
	unsigned long address = FIRST_ADDRESS + SKEW;
	size_t i;
	int err = 0;

	for (i = 0; i < ARRAY_SIZE(regions) && !err; i++) {
		err = map_region(&regions[i], address);
		address += DISTANCE;
	}
	return err;
}

struct torture_region *torture_region_at(const char *at, size_t *page)
{
	struct torture_region *region;

	for (region = regions; region < regions + ARRAY_SIZE(regions);
	     region++) {
		if (at < region->start ||
		    at >= region->start + region->pages * PT_PAGE)
			continue;
		*page = (at - region->start) / PT_PAGE;
		return region;
	}
	return NULL;
}

__u64 torture_draw(struct torture_thread *self, __u64 below)
{
	return pt_draw(&self->random) % below;
}

bool torture_table_is_hot(size_t table)
{
	return table / HOT_RUN % HOT_ONE_IN == 0;
}

struct torture_region *torture_pick_region(struct torture_thread *self,
					   unsigned int kinds,
					   unsigned int but)
{
	struct torture_region *region;
	unsigned int sum = 0, drawn;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(regions); i++) {
		region = &regions[i];
		if ((region->kind & kinds) == kinds && !(region->kind & but))
			sum += region->weight;
	}
	if (!sum)
		return NULL;
	drawn = torture_draw(self, sum);
	for (i = 0; i < ARRAY_SIZE(regions); i++) {
		region = &regions[i];
		if ((region->kind & kinds) != kinds || region->kind & but)
			continue;
		if (drawn < region->weight)
			return region;
		drawn -= region->weight;
	}
	return NULL;
}

/* Mostly in the tables that are hot: what is there is looked for there. */
static size_t pick_table(struct torture_thread *self,
			 struct torture_region *region)
{
	size_t table = torture_draw(self, region->tables);

	if (!torture_chance(self, 8))
		table = table / (HOT_RUN * HOT_ONE_IN) *
			(HOT_RUN * HOT_ONE_IN) + table % HOT_RUN;
	return table;
}

size_t torture_pick_page(struct torture_thread *self,
			 struct torture_region *region)
{
	return pick_table(self, region) * PT_TABLE_PAGES +
	       torture_draw(self, PT_TABLE_PAGES);
}

size_t torture_pick_range(struct torture_thread *self,
			  struct torture_region *region, size_t *page,
			  size_t most)
{
	size_t pages;

	*page = torture_pick_page(self, region);
	switch (torture_draw(self, 8)) {
	case 0 ... 2:
		pages = 1;
		break;
	case 3 ... 4:
		pages = 1 + torture_draw(self, STRETCH_PAGES);
		break;
	case 5:
		pages = 1 + torture_draw(self, PT_TABLE_PAGES);
		break;
	case 6:
		*page -= *page % PT_TABLE_PAGES;
		pages = PT_TABLE_PAGES;
		break;
	default:
		*page -= *page % PT_TABLE_PAGES;
		pages = PT_TABLE_PAGES * (2 + torture_draw(self, 7));
		break;
	}
	if (pages > most)
		pages = most;
	if (pages > region->pages - *page)
		pages = region->pages - *page;
	return pages;
}

size_t torture_find(struct torture_region *region, size_t page, __u32 flags)
{
	size_t end = (page / STRETCH_PAGES + 1) * STRETCH_PAGES, at;

	for (at = page; at < end; at++) {
		if (region->page[at].flags & flags)
			return at;
	}
	return page;
}

void torture_lock(struct torture_thread *self, struct torture_region *region,
		  size_t page, size_t pages)
{
	struct torture_range *range = &self->ranges[self->nr_ranges++];
	size_t i;

	range->region = region;
	range->first = page / STRETCH_PAGES;
	range->last = (page + pages - 1) / STRETCH_PAGES;
	for (i = range->first; i <= range->last; i++)
		pthread_mutex_lock(&region->stretch[i].lock);
}

void torture_lock_two(struct torture_thread *self,
		      struct torture_region *region, size_t one, size_t two,
		      size_t pages)
{
	size_t low = one < two ? one : two, high = one < two ? two : one;
	size_t low_end = (low + pages - 1) / STRETCH_PAGES;
	size_t high_start = high / STRETCH_PAGES;

	if (high_start <= low_end) {
		torture_lock(self, region, low, high + pages - low);
		return;
	}
	torture_lock(self, region, low, pages);
	torture_lock(self, region, high, pages);
}

bool torture_trylock(struct torture_region *region, size_t stretch)
{
	return !pthread_mutex_trylock(&region->stretch[stretch].lock);
}

void torture_unlock(struct torture_region *region, size_t stretch)
{
	pthread_mutex_unlock(&region->stretch[stretch].lock);
}

void torture_unlock_all(struct torture_thread *self)
{
	struct torture_range *range;
	size_t i;

	while (self->nr_ranges) {
		range = &self->ranges[--self->nr_ranges];
		for (i = range->first; i <= range->last; i++)
			torture_unlock(range->region, i);
	}
}

static void change_flags(struct torture_region *region, size_t page,
			 __u32 flags)
{
	__u32 before = region->page[page].flags;
	long change = __builtin_popcount(flags & T_THERE) -
		      __builtin_popcount(before & T_THERE);

	region->page[page].flags = flags;
	region->stretch[page / STRETCH_PAGES].used += !!(flags & T_USE) -
						      !!(before & T_USE);
	if (change)
		__atomic_fetch_add(&live, change, __ATOMIC_RELAXED);
}

void torture_set(struct torture_region *region, size_t page, __u32 flags)
{
	change_flags(region, page, region->page[page].flags | flags);
}

void torture_clear(struct torture_region *region, size_t page, __u32 flags)
{
	change_flags(region, page, region->page[page].flags & ~flags);
}

__u64 torture_content(struct torture_region *region, size_t page)
{
	if (region->kind & R_SHARED || region->page[page].flags & T_OWN)
		return region->page[page].content;
	return region->below ? region->below[page] : 0;
}

/* The page has been written to, all of it. */
void torture_store(struct torture_region *region, size_t page, __u64 content)
{
	region->page[page].content = content;
	if (region->kind & R_SHARED) {
		torture_set(region, page, T_POP);
		return;
	}
	torture_set(region, page, T_OWN);
	torture_clear(region, page, region->kind & R_ANON ? T_LAZY | T_POP :
							    T_LAZY);
}

int torture_prot(struct torture_region *region, size_t page)
{
	return region->stretch[page / STRETCH_PAGES].prot;
}

/* For each page of the range that has flags */
static void each_used(struct torture_region *region, size_t page, size_t pages,
		      void (*change)(struct torture_region *region,
				     size_t page))
{
	size_t end = page + pages, next;

	for (; page < end; page = next) {
		next = (page / STRETCH_PAGES + 1) * STRETCH_PAGES;
		if (next > end)
			next = end;
		if (!region->stretch[page / STRETCH_PAGES].used)
			continue;
		for (; page < next; page++)
			change(region, page);
	}
}

/* Markers of anonymous memory go with the page, those of files remain. */
static void drop_page(struct torture_region *region, size_t page)
{
	if (region->kind & R_SHARED)
		return;
	if (region->kind & R_ANON)
		torture_clear(region, page, T_THERE | T_LAZY | T_WP);
	else
		torture_clear(region, page, T_OWN | T_LAZY);
}

void torture_dropped(struct torture_region *region, size_t page, size_t pages)
{
	each_used(region, page, pages, drop_page);
}

static void punch_page(struct torture_region *region, size_t page)
{
	if (region->kind & R_SHARED)
		region->page[page].content = 0;
	else
		region->below[page] = 0;
	torture_clear(region, page, T_POP);
}

void torture_punched(struct torture_region *region, size_t page, size_t pages)
{
	each_used(region, page, pages, punch_page);
}

bool torture_is_huge(struct torture_region *region, size_t page)
{
	return __atomic_load_n(&region->table[page / PT_TABLE_PAGES].huge,
			       __ATOMIC_SEQ_CST) & HUGE_BIT;
}

/* Called before huge pages may come. */
void torture_make_huge(struct torture_region *region, size_t table)
{
	unsigned int *huge = &region->table[table].huge;
	unsigned int before;

	before = __atomic_fetch_add(huge, HUGE_STEP, __ATOMIC_SEQ_CST);
	before |= __atomic_fetch_or(huge, HUGE_BIT, __ATOMIC_SEQ_CST);
	if (!(before & HUGE_BIT))
		__atomic_fetch_add(&nr_huge, 1, __ATOMIC_RELAXED);
}

unsigned int torture_huge_before(struct torture_region *region, size_t table)
{
	return __atomic_load_n(&region->table[table].huge, __ATOMIC_SEQ_CST);
}

/*
 * The whole table was emptied after @before was read, and nobody may make huge
 * pages by faults. If somebody has begun to collapse meanwhile, it stays.
 */
void torture_not_huge(struct torture_region *region, size_t table,
		      unsigned int before)
{
	if (!(before & HUGE_BIT) || region->table[table].advised)
		return;
	if (__atomic_compare_exchange_n(&region->table[table].huge, &before,
					before & ~HUGE_BIT, false,
					__ATOMIC_SEQ_CST, __ATOMIC_SEQ_CST))
		__atomic_fetch_sub(&nr_huge, 1, __ATOMIC_RELAXED);
}

/* Never the same one twice, and never zero */
__u64 torture_new_pattern(struct torture_thread *self)
{
	return ((__u64)(self->number + 1) << PATTERN_BITS) + ++self->patterns;
}

static __u64 first_word(__u64 content)
{
	return content ^ (torture.seed * 0x9e3779b97f4a7c15ULL);
}

void torture_fill(void *page, __u64 content)
{
	__u64 word = first_word(content), *at = page;
	size_t i;

	if (!content) {
		memset(page, 0, PT_PAGE);
		return;
	}
	for (i = 0; i < PT_PAGE / sizeof(*at); i++)
		at[i] = word + i * PATTERN_STEP;
}

static size_t first_difference(const __u64 *page, __u64 content)
{
	__u64 word = content ? first_word(content) : 0;
	__u64 step = content ? PATTERN_STEP : 0;
	size_t i;

	for (i = 0; i < PT_PAGE / sizeof(*page); i++) {
		if (page[i] != word + i * step)
			break;
	}
	return i;
}

bool torture_page_is(const void *page, __u64 content)
{
	return first_difference(page, content) == PT_PAGE / sizeof(__u64);
}

static void describe_content(char *text, size_t size, __u64 content)
{
	if (!content)
		snprintf(text, size, "zeroes");
	else
		snprintf(text, size, "pattern %llu of thread %llu",
			 content & ((1ULL << PATTERN_BITS) - 1),
			 (content >> PATTERN_BITS) - 1);
}

void torture_describe(char *text, size_t size, const void *page)
{
	__u64 content = first_word(*(const __u64 *)page);

	if (!torture_page_is(page, 0) && !torture_page_is(page, content)) {
		snprintf(text, size, "no page of ours, it begins with %#llx",
			 *(const __u64 *)page);
		return;
	}
	describe_content(text, size, torture_page_is(page, 0) ? 0 : content);
}

/* In one piece, and without a lock that fork() could have copied. */
static void say(const char *text)
{
	ssize_t put = write(STDOUT_FILENO, text, strlen(text));

	(void)put;
}

static __u64 pagemap_entry(struct torture_thread *self, const char *at)
{
	__u64 entry = 0;

	if (self->pagemap >= 0)
		pt_pagemap_read(self->pagemap, at, &entry, 1);
	return entry;
}

void torture_failed(struct torture_thread *self,
		    struct torture_region *region, size_t page,
		    const char *fmt, ...)
{
	char what[256], where[160] = "", text[640];
	va_list args;

	__atomic_fetch_add(&mismatches, 1, __ATOMIC_RELAXED);
	torture_end();
	va_start(args, fmt);
	vsnprintf(what, sizeof(what), fmt, args);
	va_end(args);
	if (region) {
		char *at = torture_at(region, page);

		snprintf(where, sizeof(where),
			 ", address %p (%s, table %zu, page %zu; shadow %#x, pagemap %#llx)",
			 at, region->name, page / PT_TABLE_PAGES,
			 page % PT_TABLE_PAGES, region->page[page].flags,
			 pagemap_entry(self, at));
	}
	snprintf(text, sizeof(text),
		 "# MISMATCH seed %llu, thread %u, operation %llu, %s%s: %s\n",
		 torture.seed, self->number, self->operation,
		 self->op ? self->op->name : "-", where, what);
	say(text);
}

static void on_fault(int sig, siginfo_t *info, void *context)
{
	struct torture_thread *self = torture_self;

	(void)context;
	if (self && self->trapping) {
		self->signal = sig;
		siglongjmp(self->trap, 1);
	}
	if (self)
		torture_failed(self, NULL, 0, "signal %d at %p", sig,
			       info->si_addr);
	signal(sig, SIG_DFL);
}

void torture_catch_signals(void)
{
	struct sigaction action = {
		.sa_sigaction = on_fault,
		.sa_flags = SA_SIGINFO | SA_NODEFER,
	};

	sigaction(SIGSEGV, &action, NULL);
	sigaction(SIGBUS, &action, NULL);
	signal(SIGPIPE, SIG_IGN);
}

int torture_try(struct torture_thread *self,
		void (*access)(char *at, void *arg), char *at, void *arg)
{
	self->signal = 0;
	if (!sigsetjmp(self->trap, 0)) {
		__atomic_store_n(&self->trapping, true, __ATOMIC_SEQ_CST);
		access(at, arg);
	}
	__atomic_store_n(&self->trapping, false, __ATOMIC_SEQ_CST);
	return self->signal;
}

__u32 torture_access_begins(struct torture_region *region, size_t page)
{
	struct torture_page *shadow = &region->page[page];
	__u32 before = shadow->flags & T_USE;

	if (region->kind & R_UFFD)
		__atomic_store_n(&shadow->flags, before | T_ACCESS,
				 __ATOMIC_SEQ_CST);
	return before;
}

/* What the kernel does about an access, apart from content */
static void accessed(struct torture_region *region, size_t page, bool write)
{
	__u32 flags = region->page[page].flags;

	if (!(region->kind & R_ANON) || !(flags & T_OWN))
		torture_set(region, page, T_POP);
	/* Copied on write; whoever knows better stores the content. */
	if (write && !(region->kind & R_SHARED) && !(flags & T_OWN))
		torture_store(region, page, torture_content(region, page));
	if (write && region->kind & R_ASYNC)
		torture_clear(region, page, T_WP);
}

bool torture_access_ends(struct torture_thread *self,
			 struct torture_region *region, size_t page,
			 __u32 before, bool write)
{
	__u32 flags = __atomic_load_n(&region->page[page].flags,
				      __ATOMIC_SEQ_CST);

	torture_clear(region, page, T_ACCESS | T_MISSED | T_UNPROTECTED);
	accessed(region, page, write);
	if (region->kind & R_MISSING && !(before & T_THERE) &&
	    !(flags & T_MISSED)) {
		torture_failed(self, region, page,
			       "expected a fault for a missing page, seen none");
		return false;
	}
	if (region->kind & R_WP && !(region->kind & R_ASYNC) && write &&
	    before & T_WP && !(flags & T_UNPROTECTED)) {
		torture_failed(self, region, page,
			       "expected a fault for a protected page, seen none");
		return false;
	}
	return true;
}

/* Some words may be read before the page goes, and some after. */
static bool is_going(const __u64 *page, __u64 content)
{
	__u64 word = first_word(content);
	size_t i;

	for (i = 0; i < PT_PAGE / sizeof(*page); i++) {
		if (page[i] && page[i] != word + i * PATTERN_STEP)
			return false;
	}
	return true;
}

bool torture_compare(struct torture_thread *self,
		     struct torture_region *region, size_t page,
		     __u64 content, const void *seen, const char *how)
{
	char expected_text[64], seen_text[80];

	self->compared++;
	self->compared_patterns += !!content;
	if (torture_page_is(seen, content))
		return true;
	describe_content(expected_text, sizeof(expected_text), content);
	torture_describe(seen_text, sizeof(seen_text), seen);
	torture_failed(self, region, page,
		       "%s: expected %s, seen %s (first difference in word %zu)",
		       how, expected_text, seen_text,
		       first_difference(seen, content));
	return false;
}

bool torture_verify(struct torture_thread *self,
		    struct torture_region *region, size_t page,
		    const void *seen, const char *how)
{
	__u64 content = torture_content(region, page);

	if (region->page[page].flags & T_LAZY && is_going(seen, content))
		return true;
	return torture_compare(self, region, page, content, seen, how);
}

static void copy_from(char *at, void *to)
{
	memcpy(to, at, PT_PAGE);
}

static void copy_to(char *at, void *from)
{
	memcpy(at, from, PT_PAGE);
}

/* No signal where the access is allowed, else SIGSEGV */
bool torture_right_signal(struct torture_thread *self,
			  struct torture_region *region, size_t page,
			  bool allowed, int signal, const char *how)
{
	if (signal == (allowed ? 0 : SIGSEGV))
		return true;
	torture_failed(self, region, page, "%s: expected %s, seen %s", how,
		       allowed ? "no signal" : "SIGSEGV",
		       signal == SIGSEGV ? "SIGSEGV" :
		       signal == SIGBUS ? "SIGBUS" : "no signal");
	return false;
}

/* A page that was let go by MADV_FREE and has been seen to be gone */
static void lazy_page_was_read(struct torture_region *region, size_t page,
			       const char *seen)
{
	if (!(region->page[page].flags & T_LAZY) ||
	    torture_page_is(seen, region->page[page].content))
		return;
	torture_clear(region, page, T_OWN | T_LAZY);
	torture_set(region, page, T_POP);
}

bool torture_read(struct torture_thread *self, struct torture_region *region,
		  size_t page)
{
	bool via_alias = region->alias && torture_chance(self, 4);
	bool allowed = via_alias || torture_prot(region, page) != PROT_NONE;
	char *at = (via_alias ? region->alias : region->start) +
		   page * PT_PAGE;
	__u32 before = torture_access_begins(region, page);
	int signal = torture_try(self, copy_from, at, self->buffer);

	if (!torture_right_signal(self, region, page, allowed, signal,
				  "reading"))
		return false;
	if (!allowed) {
		torture_clear(region, page, T_ACCESS);
		return true;
	}
	if (!torture_access_ends(self, region, page, before, false) ||
	    !torture_verify(self, region, page, self->buffer, "reading"))
		return false;
	lazy_page_was_read(region, page, self->buffer);
	return true;
}

bool torture_write(struct torture_thread *self, struct torture_region *region,
		   size_t page)
{
	bool via_alias = region->alias && torture_chance(self, 4);
	bool allowed = via_alias ||
		       torture_prot(region, page) & PROT_WRITE;
	char *at = (via_alias ? region->alias : region->start) +
		   page * PT_PAGE;
	__u64 content = torture_new_pattern(self);
	__u32 before;
	int signal;

	torture_fill(self->buffer, content);
	before = torture_access_begins(region, page);
	signal = torture_try(self, copy_to, at, self->buffer);
	if (!torture_right_signal(self, region, page, allowed, signal,
				  "writing"))
		return false;
	if (!allowed) {
		torture_clear(region, page, T_ACCESS);
		return true;
	}
	if (!torture_access_ends(self, region, page, before, true))
		return false;
	torture_store(region, page, content);
	return true;
}

bool torture_verify_moved(struct torture_thread *self,
			  struct torture_region *region, size_t page, char *at)
{
	int signal = torture_try(self, copy_from, at, self->buffer);

	if (!torture_right_signal(self, region, page, true, signal,
				  "reading where it was moved to") ||
	    !torture_verify(self, region, page, self->buffer,
			    "reading where it was moved to"))
		return false;
	torture_set(region, page,
		    region->page[page].flags & T_OWN ? 0 : T_POP);
	return true;
}
