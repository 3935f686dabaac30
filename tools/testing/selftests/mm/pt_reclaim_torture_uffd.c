// SPDX-License-Identifier: GPL-2.0
/*
 * pt_reclaim_torture: memory that userfaultfd fills, maps, moves and protects.
 *
 * One thread for each descriptor answers faults. It looks at the shadow of the
 * page without a lock: whoever accesses it holds that, and waits.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pt_reclaim_torture.h"

/* Newer than the headers of the oldest distribution we compile on. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	0x2000
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		0x8000
#endif
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE		0x10000
#endif
#ifndef UFFDIO_CONTINUE_MODE_WP
#define UFFDIO_CONTINUE_MODE_WP		((__u64)1 << 1)
#endif
#ifndef UFFDIO_MOVE
#define UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES	((__u64)1 << 1)

struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};

#define UFFDIO_MOVE	_IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

#ifndef USERFAULTFD_IOC_NEW
#define USERFAULTFD_IOC_NEW	_IO(0xAA, 0x00)
#endif

/*
 * Kernels without page table reclaim may say so because of huge pages; with it
 * they must not.
 */
#define MOST_TRIES	1000

static bool can_move;
static bool swallow;

static struct torture_region *find_kind(unsigned int kinds, unsigned int but)
{
	struct torture_region *region = torture_regions;
	unsigned int i;

	for (i = 0; i < torture_nr_regions; i++, region++) {
		if ((region->kind & kinds) == kinds && !(region->kind & but) &&
		    region->uffd >= 0 && region->weight)
			return region;
	}
	return NULL;
}

const char *torture_no_missing(void)
{
	return find_kind(R_MISSING, 0) ? NULL : "no userfaultfd";
}

const char *torture_no_minor(void)
{
	return find_kind(R_MINOR, 0) ? NULL : "no userfaultfd";
}

const char *torture_no_wp(void)
{
	return find_kind(R_WP, 0) ? NULL : "no userfaultfd";
}

const char *torture_no_move(void)
{
	return can_move ? NULL : "no UFFDIO_MOVE";
}

/* The next message is lost: sabotage. */
void torture_swallow(void)
{
	__atomic_store_n(&swallow, true, __ATOMIC_RELAXED);
}

static int new_descriptor(void)
{
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	int dev;

	if (uffd >= 0)
		return uffd;
	dev = open("/dev/userfaultfd", O_RDWR | O_CLOEXEC);
	if (dev < 0)
		return -1;
	uffd = ioctl(dev, USERFAULTFD_IOC_NEW, O_CLOEXEC | O_NONBLOCK);
	close(dev);
	return uffd;
}

static int open_with(__u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int uffd = new_descriptor();

	if (uffd < 0)
		return -1;
	if (!ioctl(uffd, UFFDIO_API, &api))
		return uffd;
	close(uffd);
	return -1;
}

int torture_open_uffd(struct torture_region *region)
{
	__u64 features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			 UFFD_FEATURE_WP_UNPOPULATED;

	if (region->kind & R_SHARED)
		features |= UFFD_FEATURE_WP_HUGETLBFS_SHMEM;
	if (region->kind & R_SHARED && region->kind & R_MISSING)
		features |= UFFD_FEATURE_MISSING_SHMEM |
			    UFFD_FEATURE_MINOR_SHMEM;
	if (region->kind & R_ASYNC)
		features |= UFFD_FEATURE_WP_ASYNC;
	if (region->kind & R_ANON && region->kind & R_MISSING) {
		region->uffd = open_with(features | UFFD_FEATURE_MOVE);
		can_move = region->uffd >= 0;
	}
	if (region->uffd < 0)
		region->uffd = open_with(features);
	if (region->uffd < 0)
		return -errno;
	return torture_register(region, 0, region->pages);
}

int torture_register(struct torture_region *region, size_t page, size_t pages)
{
	struct uffdio_register reg = {
		.range = {
			.start = (uintptr_t)torture_at(region, page),
			.len = pages * PT_PAGE,
		},
	};

	if (region->kind & R_MISSING)
		reg.mode |= UFFDIO_REGISTER_MODE_MISSING;
	if (region->kind & R_MINOR)
		reg.mode |= UFFDIO_REGISTER_MODE_MINOR;
	if (region->kind & R_WP)
		reg.mode |= UFFDIO_REGISTER_MODE_WP;
	return ioctl(region->uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

/* Protects or not; without the shadow. */
bool torture_unprotect(struct torture_region *region, size_t page,
		       size_t pages, bool protect)
{
	struct uffdio_writeprotect wp = {
		.range = {
			.start = (uintptr_t)torture_at(region, page),
			.len = pages * PT_PAGE,
		},
		.mode = protect ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return !ioctl(region->uffd, UFFDIO_WRITEPROTECT, &wp);
}

static bool may_try_again(unsigned int *tries)
{
	return errno == EAGAIN && !torture.present && ++*tries < MOST_TRIES;
}

/* These give the number of bytes done, or a negative errno. */
static ssize_t fill(struct torture_region *region, size_t page, size_t pages,
		    const void *from, bool wp)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)torture_at(region, page),
		.src = (uintptr_t)from,
		.len = pages * PT_PAGE,
		.mode = wp ? UFFDIO_COPY_MODE_WP : 0,
	};
	unsigned int tries = 0;

	while (ioctl(region->uffd, UFFDIO_COPY, &copy)) {
		if (copy.copy > 0)
			return copy.copy;
		if (!may_try_again(&tries))
			return -errno;
	}
	return copy.copy;
}

static ssize_t zero(struct torture_region *region, size_t page)
{
	struct uffdio_zeropage zeropage = {
		.range = {
			.start = (uintptr_t)torture_at(region, page),
			.len = PT_PAGE,
		},
	};
	unsigned int tries = 0;

	while (ioctl(region->uffd, UFFDIO_ZEROPAGE, &zeropage)) {
		if (!may_try_again(&tries))
			return -errno;
	}
	return zeropage.zeropage;
}

static ssize_t map_cached(struct torture_region *region, size_t page, bool wp)
{
	struct uffdio_continue cont = {
		.range = {
			.start = (uintptr_t)torture_at(region, page),
			.len = PT_PAGE,
		},
		.mode = wp ? UFFDIO_CONTINUE_MODE_WP : 0,
	};
	unsigned int tries = 0;

	while (ioctl(region->uffd, UFFDIO_CONTINUE, &cont)) {
		if (!may_try_again(&tries))
			return -errno;
	}
	return cont.mapped;
}

static ssize_t move(struct torture_region *region, size_t from, size_t to,
		    size_t pages)
{
	struct uffdio_move move = {
		.dst = (uintptr_t)torture_at(region, to),
		.src = (uintptr_t)torture_at(region, from),
		.len = pages * PT_PAGE,
		.mode = pages > 1 ? UFFDIO_MOVE_MODE_ALLOW_SRC_HOLES : 0,
	};

	if (!ioctl(region->uffd, UFFDIO_MOVE, &move))
		return move.move;
	return move.move > 0 ? move.move : -errno;
}

/* Zeroes take the place of no marker, a page does. */
static void was_filled(struct torture_region *region, size_t page,
		       __u64 content, bool zero_page, bool wp)
{
	torture_clear(region, page, T_WP);
	if (zero_page) {
		region->page[page].content = 0;
		torture_set(region, page, T_POP);
	} else {
		torture_store(region, page, content);
	}
	if (wp)
		torture_set(region, page, T_WP);
}

/*
 * The shadow first: whoever waits goes on before the answer has returned here.
 */
static ssize_t answer_missing(struct torture_thread *self,
			      struct torture_region *region, size_t page)
{
	bool wp = region->page[page].flags & T_WP;
	bool zero_page = !wp && torture_chance(self, 3);
	__u64 content = torture_new_pattern(self);

	if (region->page[page].flags & T_THERE) {
		torture_failed(self, region, page,
			       "a fault for a missing page, expected none");
		return PT_PAGE;
	}
	was_filled(region, page, content, zero_page, wp);
	torture_set(region, page, T_MISSED);
	if (zero_page)
		return zero(region, page);
	torture_fill(self->buffer, content);
	return fill(region, page, 1, self->buffer, wp);
}

static ssize_t answer_minor(struct torture_thread *self,
			    struct torture_region *region, size_t page)
{
	if (!(region->page[page].flags & T_POP)) {
		torture_failed(self, region, page,
			       "a fault for a page in the file, expected none");
		return PT_PAGE;
	}
	return map_cached(region, page, region->page[page].flags & T_WP);
}

static ssize_t answer_protected(struct torture_thread *self,
				struct torture_region *region, size_t page)
{
	if (!(region->page[page].flags & T_WP)) {
		torture_failed(self, region, page,
			       "a fault for a protected page, expected none");
		return PT_PAGE;
	}
	torture_clear(region, page, T_WP);
	torture_set(region, page, T_UNPROTECTED);
	return torture_unprotect(region, page, 1, false) ? (ssize_t)PT_PAGE :
							   -errno;
}

static void answer(struct torture_thread *self, const struct uffd_msg *msg)
{
	__u64 flags = msg->arg.pagefault.flags;
	struct torture_region *region;
	ssize_t done;
	size_t page;

	region = torture_region_at((char *)msg->arg.pagefault.address, &page);
	if (!region || !(region->page[page].flags & T_ACCESS)) {
		torture_failed(self, region, region ? page : 0,
			       "a fault at %#llx (flags %#llx) that nobody waits for",
			       msg->arg.pagefault.address, flags);
		return;
	}
	if (flags & UFFD_PAGEFAULT_FLAG_WP)
		done = answer_protected(self, region, page);
	else if (flags & UFFD_PAGEFAULT_FLAG_MINOR)
		done = answer_minor(self, region, page);
	else
		done = answer_missing(self, region, page);
	if (done != (ssize_t)PT_PAGE)
		torture_failed(self, region, page,
			       "fault with flags %#llx: filled %zd bytes, expected 4096",
			       flags, done);
}

static void *handle_faults(void *arg)
{
	struct torture_thread *self = arg;
	struct pollfd poller = { .fd = self->pagemap, .events = POLLIN };
	struct uffd_msg msg;
	int uffd = self->pagemap;

	torture_self = self;
	self->pagemap = -1;
	for (;;) {
		poll(&poller, 1, -1);
		if (read(uffd, &msg, sizeof(msg)) != sizeof(msg))
			continue;
		self->random = self->operation++;
		if (msg.event != UFFD_EVENT_PAGEFAULT ||
		    __atomic_exchange_n(&swallow, false, __ATOMIC_RELAXED))
			continue;
		answer(self, &msg);
	}
	return NULL;
}

/* They end with the process, so that faults at its end are answered. */
int torture_start_handlers(void)
{
	struct torture_region *region = torture_regions;
	struct torture_thread *self;
	unsigned int i;
	int err;

	for (i = 0; i < torture_nr_regions; i++, region++) {
		if (region->uffd < 0 || !(region->kind & R_MISSING))
			continue;
		self = calloc(1, sizeof(*self));
		if (!self)
			return -ENOMEM;
		self->number = MAX_THREADS + i;
		self->pagemap = region->uffd;
		self->buffer = aligned_alloc(PT_PAGE, PT_PAGE);
		if (!self->buffer)
			return -ENOMEM;
		err = pthread_create(&self->thread, NULL, handle_faults, self);
		if (err)
			return -err;
	}
	return 0;
}

/* Was the answer what the shadow says? */
static bool is_expected(struct torture_thread *self,
			struct torture_region *region, size_t page,
			ssize_t expected, ssize_t seen)
{
	if (expected == seen)
		return true;
	torture_failed(self, region, page, "expected %s (%zd), seen %s (%zd)",
		       expected < 0 ? strerror(-expected) : "success", expected,
		       seen < 0 ? strerror(-seen) : "success", seen);
	return false;
}

/* Pages that are missing, up to one that is there */
static size_t count_missing(struct torture_region *region, size_t page,
			    size_t most)
{
	size_t end = (page / STRETCH_PAGES + 1) * STRETCH_PAGES, i;

	if (most > end - page)
		most = end - page;
	for (i = 0; i < most; i++) {
		if (region->page[page + i].flags & T_THERE)
			break;
	}
	return i;
}

/* Pages come before somebody asks for them. */
void torture_op_copy(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_MISSING,
							    0);
	size_t page = torture_pick_page(self, region), pages, i;
	__u64 content = torture_new_pattern(self);
	bool wp = torture_chance(self, 4);
	ssize_t done;

	torture_lock(self, region, page, 1);
	if (torture_chance(self, 4))
		page = torture_find(region, page, T_THERE);
	pages = count_missing(region, page,
			      1 + torture_draw(self, BUFFER_PAGES));
	self->patterns += BUFFER_PAGES;
	for (i = 0; i < BUFFER_PAGES; i++)
		torture_fill(self->buffer + i * PT_PAGE, content + i);
	done = fill(region, page, pages ? pages : 1, self->buffer, wp);
	if (done == -ENOENT && !torture_is_one_vma(region, page, pages))
		return;
	if (!is_expected(self, region, page,
			 pages ? (ssize_t)(pages * PT_PAGE) : -EEXIST, done))
		return;
	for (i = 0; i < pages; i++)
		was_filled(region, page + i, content + i, false, wp);
	torture_read(self, region, page);
}

void torture_op_zeropage(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_MISSING,
							    0);
	size_t page = torture_pick_page(self, region);
	ssize_t expected = PT_PAGE;
	__u32 flags;

	torture_lock(self, region, page, 1);
	if (torture_chance(self, 4))
		page = torture_find(region, page, T_THERE | T_WP);
	flags = region->page[page].flags;
	/* In anonymous memory a marker is in the way of the zero page. */
	if (flags & T_THERE || (flags & T_WP && region->kind & R_ANON))
		expected = -EEXIST;
	if (!is_expected(self, region, page, expected, zero(region, page)))
		return;
	if (expected > 0)
		was_filled(region, page, 0, true, false);
	torture_read(self, region, page);
}

/* Puts a page into the file that the mapping does not have. */
static bool add_to_file(struct torture_thread *self,
			struct torture_region *region, size_t page)
{
	__u64 content = torture_new_pattern(self);

	torture_fill(self->buffer, content);
	if (pwrite(region->fd, self->buffer, PT_PAGE, page * PT_PAGE) !=
	    (ssize_t)PT_PAGE) {
		torture_failed(self, region, page, "pwrite(): %s",
			       strerror(errno));
		return false;
	}
	torture_store(region, page, content);
	return true;
}

void torture_op_continue(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_MINOR, 0);
	size_t page = torture_pick_page(self, region);
	bool wp;
	ssize_t done;

	torture_lock(self, region, page, 1);
	wp = region->page[page].flags & T_WP;
	if (region->page[page].flags & T_POP) {
		done = map_cached(region, page, wp);
		/* It may be mapped already. */
		if (done != -EEXIST)
			is_expected(self, region, page, PT_PAGE, done);
		return;
	}
	if (torture_chance(self, 4)) {
		is_expected(self, region, page, -EFAULT,
			    map_cached(region, page, wp));
		return;
	}
	if (!add_to_file(self, region, page))
		return;
	/* Mapped here, or by the answer to a fault */
	if (torture_chance(self, 2) &&
	    !is_expected(self, region, page, PT_PAGE,
			 map_cached(region, page, wp)))
		return;
	torture_read(self, region, page);
}

/* Where a page is in the way of a move; the number of pages if nowhere */
static size_t first_obstacle(struct torture_region *region, size_t page,
			     size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		if (region->page[page + i].flags & (T_THERE | T_WP))
			break;
	}
	return i;
}

static void unprotect_source(struct torture_thread *self,
			     struct torture_region *region, size_t page,
			     size_t pages)
{
	size_t i;

	for (i = page; i < page + pages; i++) {
		if (region->page[i].flags & T_WP)
			break;
	}
	/* It would cost a TLB flush. */
	if (i == page + pages)
		return;
	if (!torture_unprotect(region, page, pages, false))
		torture_failed(self, region, page, "UFFDIO_WRITEPROTECT: %s",
			       strerror(errno));
	for (i = page; i < page + pages; i++)
		torture_clear(region, i, T_WP);
}

static void shadow_of_move(struct torture_region *region, size_t from,
			   size_t to, size_t pages)
{
	for (; pages--; from++, to++) {
		__u32 flags = region->page[from].flags & T_THERE;

		if (!flags)
			continue;
		region->page[to].content = region->page[from].content;
		torture_set(region, to, flags);
		torture_clear(region, from, T_THERE);
	}
}

/*
 * May move less: who shares a page with a child, or has it pinned, cannot move
 * it. Never more than up to the first page that is in the way.
 */
static bool is_possible(struct torture_thread *self,
			struct torture_region *region, size_t from, size_t to,
			size_t pages, ssize_t done)
{
	size_t limit = first_obstacle(region, to, pages);
	bool there = region->page[from].flags & T_THERE;

	if (done > 0 && done <= (ssize_t)(limit * PT_PAGE))
		return pages > 1 || there;
	if (done == -EBUSY)
		return true;
	if (done == -EEXIST && !limit)
		return true;
	if (done == -ENOENT && !there && pages == 1)
		return true;
	torture_failed(self, region, to,
		       "%zu pages from page %zu, %zu free: expected less than %zu, seen %zd",
		       pages, from, limit, limit * PT_PAGE, done);
	return false;
}

void torture_op_uffdmove(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_ANON |
							    R_MISSING, 0);
	size_t from = torture_pick_page(self, region);
	size_t to = torture_pick_page(self, region);
	size_t pages = 1;
	ssize_t done;

	if (torture_chance(self, 4)) {
		pages = torture_chance(self, 2) ? STRETCH_PAGES :
						  PT_TABLE_PAGES;
		from -= from % pages;
		to -= to % pages;
	}
	if (from < to + pages && to < from + pages)
		return;
	torture_lock_two(self, region, from, to, pages);
	torture_make_writable(self, region, from, pages);
	torture_make_writable(self, region, to, pages);
	if (pages == 1 && torture_find(region, from, T_OWN) != to)
		from = torture_find(region, from, T_OWN);
	unprotect_source(self, region, from, pages);
	done = move(region, from, to, pages);
	if (done == -EINVAL && (!torture_is_one_vma(region, from, pages) ||
				!torture_is_one_vma(region, to, pages)))
		return;
	if (!is_possible(self, region, from, to, pages, done))
		return;
	if (done > 0)
		shadow_of_move(region, from, to, done / PT_PAGE);
	torture_read(self, region, torture_find(region, to, T_THERE));
}

/* Protects, or takes it back; a range that is empty gets markers. */
void torture_op_wp(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_WP, 0);
	bool protect = torture_chance(self, 2), check = torture_chance(self, 2);
	size_t page, pages, i;

	pages = torture_pick_range(self, region, &page, 4 * PT_TABLE_PAGES);
	torture_lock(self, region, page, pages);
	if (!torture_unprotect(region, page, pages, protect)) {
		torture_failed(self, region, page,
			       "UFFDIO_WRITEPROTECT(%zu pages): expected 0, seen %s",
			       pages, strerror(errno));
		return;
	}
	for (i = page; i < page + pages; i++) {
		if (protect)
			torture_set(region, i, T_WP);
		else if (region->page[i].flags & T_WP)
			torture_clear(region, i, T_WP);
	}
	if (check && pages <= PT_TABLE_PAGES)
		torture_check_pagemap(self, region, page, pages);
}
