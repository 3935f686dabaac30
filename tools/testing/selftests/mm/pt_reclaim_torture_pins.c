// SPDX-License-Identifier: GPL-2.0
/*
 * pt_reclaim_torture: the kernel takes hold of pages by their addresses, for a
 * moment or for longer, with and without page table locks.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/futex.h>
#include <linux/io_uring.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <unistd.h>

#include "pt_reclaim_torture.h"

#define MOST_PINNED	4

/* An io_uring for one request at a time */
struct ring {
	int fd;
	unsigned int *sq_tail;
	unsigned int *sq_mask;
	unsigned int *sq_array;
	unsigned int *cq_head;
	unsigned int *cq_tail;
	unsigned int *cq_mask;
	struct io_uring_cqe *cqes;
	struct io_uring_sqe *sqes;
};

/* What one thread has in hand */
struct pins {
	struct ring ring;
	int file;			/* io_uring reads and writes it */
	int pipe[2];
	/* Pages in the pipe that are mapped no more, so cannot change */
	size_t held;
	__u64 contents[MOST_PINNED];
};

static struct pins *get_pins(struct torture_thread *self)
{
	struct pins *pins = self->pins;

	if (pins)
		return pins;
	pins = calloc(1, sizeof(*pins));
	if (!pins)
		return NULL;
	pins->ring.fd = -1;
	pins->file = -1;
	if (pipe2(pins->pipe, O_CLOEXEC | O_NONBLOCK)) {
		free(pins);
		return NULL;
	}
	self->pins = pins;
	return pins;
}

void torture_end_pins(struct torture_thread *self)
{
	struct pins *pins = self->pins;

	if (!pins)
		return;
	close(pins->pipe[0]);
	close(pins->pipe[1]);
	if (pins->ring.fd >= 0)
		close(pins->ring.fd);
	if (pins->file >= 0)
		close(pins->file);
	free(pins);
	self->pins = NULL;
}

static bool wrong_count(struct torture_thread *self,
			struct torture_region *region, size_t page,
			const char *what, ssize_t expected, ssize_t seen)
{
	if (seen == expected)
		return false;
	torture_failed(self, region, page,
		       "%s: expected %zd, seen %zd (%s)", what, expected, seen,
		       seen < 0 ? strerror(errno) : "no error");
	return true;
}

/* What the pages must be, before somebody takes them */
static void accesses_begin(struct torture_region *region, size_t page,
			   size_t pages, __u32 *before)
{
	while (pages--)
		*before++ = torture_access_begins(region, page++);
}

static bool accesses_end(struct torture_thread *self,
			 struct torture_region *region, size_t page,
			 size_t pages, const __u32 *before, bool write)
{
	while (pages--) {
		if (!torture_access_ends(self, region, page++, *before++,
					 write))
			return false;
	}
	return true;
}

static void no_accesses(struct torture_region *region, size_t page,
			size_t pages)
{
	while (pages--)
		torture_clear(region, page++, T_ACCESS);
}

/* One to four pages in one stretch, preferably such as are there */
static size_t choose_pages(struct torture_thread *self,
			   struct torture_region *region, size_t *page)
{
	size_t pages = 1 + torture_draw(self, MOST_PINNED), end;

	if (!torture_chance(self, 4))
		*page = torture_find(region, *page, T_THERE);
	end = (*page / STRETCH_PAGES + 1) * STRETCH_PAGES;
	return pages < end - *page ? pages : end - *page;
}

/* Takes the held pages out of the pipe. */
static bool check_held(struct torture_thread *self, struct pins *pins)
{
	size_t i;

	for (i = 0; i < pins->held; i++) {
		ssize_t done = read(pins->pipe[0], self->buffer, PT_PAGE);

		if (wrong_count(self, NULL, 0, "reading the pipe", PT_PAGE,
				done) ||
		    !torture_compare(self, NULL, 0, pins->contents[i],
				     self->buffer, "long after vmsplice()"))
			return false;
	}
	pins->held = 0;
	return true;
}

/* Into the pipe; the file or the process may lose them then. */
static bool splice_pages(struct torture_thread *self,
			 struct torture_region *region, size_t page,
			 size_t pages, struct pins *pins)
{
	struct iovec iov = {
		.iov_base = torture_at(region, page),
		.iov_len = pages * PT_PAGE,
	};
	bool allowed = torture_prot(region, page) != PROT_NONE;
	__u32 before[MOST_PINNED];
	ssize_t done;

	accesses_begin(region, page, pages, before);
	done = vmsplice(pins->pipe[1], &iov, 1, 0);
	if (!allowed) {
		no_accesses(region, page, pages);
		if (done != -1 || errno != EFAULT)
			wrong_count(self, region, page,
				    "vmsplice() from PROT_NONE", -1, done);
		return false;
	}
	if (wrong_count(self, region, page, "vmsplice()", pages * PT_PAGE,
			done))
		return false;
	return accesses_end(self, region, page, pages, before, false);
}

static bool check_spliced(struct torture_thread *self,
			  struct torture_region *region, size_t page,
			  size_t pages, struct pins *pins)
{
	for (; pages; pages--, page++) {
		ssize_t done = read(pins->pipe[0], self->buffer, PT_PAGE);

		if (wrong_count(self, region, page, "reading the pipe",
				PT_PAGE, done) ||
		    !torture_verify(self, region, page, self->buffer,
				    "vmsplice()"))
			return false;
	}
	return true;
}

/*
 * A hole in a huge page of a file that cannot be split, as it is pinned, is made
 * by writing zeroes. Once it is pinned nobody makes it huge any more.
 */
static bool is_zeroed_in_place(struct torture_region *region, size_t page)
{
	return !(region->kind & R_ANON) && torture_is_huge(region, page);
}

/*
 * A pipe holds pages of ours. Either it is read at once, or the pages are
 * given back and it is read much later.
 */
void torture_op_vmsplice(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region), pages, i;
	struct pins *pins = get_pins(self);
	bool keep = torture_chance(self, 2);

	if (!pins || !check_held(self, pins))
		return;
	torture_lock(self, region, page, 1);
	pages = choose_pages(self, region, &page);
	if (!splice_pages(self, region, page, pages, pins))
		return;
	for (i = 0; i < pages; i++)
		keep = keep && !(region->page[page + i].flags & T_LAZY);
	if (!keep || is_zeroed_in_place(region, page)) {
		check_spliced(self, region, page, pages, pins);
		return;
	}
	for (i = 0; i < pages; i++)
		pins->contents[i] = torture_content(region, page + i);
	pins->held = pages;
	torture_empty(self, region, page, pages, true,
		      !(region->kind & R_ANON));
}

static int map_ring(struct ring *ring, const struct io_uring_params *params)
{
	size_t sq_bytes = params->sq_off.array +
			  params->sq_entries * sizeof(unsigned int);
	size_t cq_bytes = params->cq_off.cqes +
			  params->cq_entries * sizeof(struct io_uring_cqe);
	size_t sqe_bytes = params->sq_entries * sizeof(struct io_uring_sqe);
	char *sq, *cq;

	sq = mmap(NULL, sq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
		  IORING_OFF_SQ_RING);
	cq = mmap(NULL, cq_bytes, PROT_READ | PROT_WRITE, MAP_SHARED, ring->fd,
		  IORING_OFF_CQ_RING);
	ring->sqes = mmap(NULL, sqe_bytes, PROT_READ | PROT_WRITE, MAP_SHARED,
			  ring->fd, IORING_OFF_SQES);
	if (sq == MAP_FAILED || cq == MAP_FAILED ||
	    (void *)ring->sqes == MAP_FAILED)
		return -ENOMEM;
	ring->sq_tail = (void *)(sq + params->sq_off.tail);
	ring->sq_mask = (void *)(sq + params->sq_off.ring_mask);
	ring->sq_array = (void *)(sq + params->sq_off.array);
	ring->cq_head = (void *)(cq + params->cq_off.head);
	ring->cq_tail = (void *)(cq + params->cq_off.tail);
	ring->cq_mask = (void *)(cq + params->cq_off.ring_mask);
	ring->cqes = (void *)(cq + params->cq_off.cqes);
	return 0;
}

static int open_ring(struct ring *ring)
{
	struct io_uring_params params = { };

	ring->fd = syscall(SYS_io_uring_setup, 2, &params);
	if (ring->fd < 0)
		return -errno;
	return map_ring(ring, &params);
}

const char *torture_no_uring(void)
{
	struct io_uring_params params = { };
	int fd = syscall(SYS_io_uring_setup, 2, &params);

	if (fd < 0)
		return "no io_uring";
	close(fd);
	return NULL;
}

/* One request on the registered buffer, waited for; its result */
static int submit(struct ring *ring, const struct io_uring_sqe *request)
{
	unsigned int tail = *ring->sq_tail, index = tail & *ring->sq_mask;
	unsigned int head;
	int result;

	ring->sqes[index] = *request;
	ring->sq_array[index] = index;
	__atomic_store_n(ring->sq_tail, tail + 1, __ATOMIC_RELEASE);
	if (syscall(SYS_io_uring_enter, ring->fd, 1, 1, IORING_ENTER_GETEVENTS,
		    NULL, 0) != 1)
		return -errno;
	head = *ring->cq_head;
	while (__atomic_load_n(ring->cq_tail, __ATOMIC_ACQUIRE) == head)
		syscall(SYS_io_uring_enter, ring->fd, 0, 1,
			IORING_ENTER_GETEVENTS, NULL, 0);
	result = ring->cqes[head & *ring->cq_mask].res;
	__atomic_store_n(ring->cq_head, head + 1, __ATOMIC_RELEASE);
	return result;
}

static int transfer(struct pins *pins, int opcode, char *at, size_t bytes)
{
	struct io_uring_sqe request = {
		.opcode = opcode,
		.fd = pins->file,
		.addr = (uintptr_t)at,
		.len = bytes,
	};

	return submit(&pins->ring, &request);
}

/* The buffer goes to the file: it must be what the shadow says. */
static bool check_buffer(struct torture_thread *self,
			 struct torture_region *region, size_t page,
			 size_t pages, struct pins *pins)
{
	int done = transfer(pins, IORING_OP_WRITE_FIXED,
			    torture_at(region, page), pages * PT_PAGE);
	size_t i;

	if (wrong_count(self, region, page, "IORING_OP_WRITE_FIXED",
			pages * PT_PAGE, done))
		return false;
	for (i = 0; i < pages; i++) {
		if (pread(pins->file, self->buffer, PT_PAGE, i * PT_PAGE) !=
		    (ssize_t)PT_PAGE)
			return false;
		if (!torture_verify(self, region, page + i, self->buffer,
				    "IORING_OP_WRITE_FIXED"))
			return false;
	}
	return true;
}

/*
 * New content comes from the file into the buffer, and so into the mapping.
 * io_uring does not mark the pages dirty: they are written to once more, before
 * they are let go and reclaim may take them for clean.
 */
static bool fill_buffer(struct torture_thread *self,
			struct torture_region *region, size_t page,
			size_t pages, struct pins *pins)
{
	__u64 contents[MOST_PINNED];
	size_t i;
	int done;

	for (i = 0; i < pages; i++) {
		contents[i] = torture_new_pattern(self);
		torture_fill(self->buffer, contents[i]);
		if (pwrite(pins->file, self->buffer, PT_PAGE, i * PT_PAGE) !=
		    (ssize_t)PT_PAGE)
			return false;
	}
	done = transfer(pins, IORING_OP_READ_FIXED, torture_at(region, page),
			pages * PT_PAGE);
	if (wrong_count(self, region, page, "IORING_OP_READ_FIXED",
			pages * PT_PAGE, done))
		return false;
	for (i = 0; i < pages; i++)
		torture_store(region, page + i, contents[i]);
	for (i = 0; i < pages; i++) {
		if (!torture_read(self, region, page + i) ||
		    !torture_write(self, region, page + i))
			return false;
	}
	return true;
}

/* Once more, when the buffer is all that is left of the pages. */
static void check_orphans(struct torture_thread *self,
			  struct torture_region *region, size_t page,
			  size_t pages, struct pins *pins)
{
	__u64 contents[MOST_PINNED];
	size_t i;

	for (i = 0; i < pages; i++)
		contents[i] = torture_content(region, page + i);
	if (!torture_empty(self, region, page, pages, true,
			   !(region->kind & R_ANON)) ||
	    transfer(pins, IORING_OP_WRITE_FIXED, torture_at(region, page),
		     pages * PT_PAGE) != (int)(pages * PT_PAGE))
		return;
	for (i = 0; i < pages; i++) {
		if (pread(pins->file, self->buffer, PT_PAGE, i * PT_PAGE) !=
		    (ssize_t)PT_PAGE ||
		    !torture_compare(self, region, page + i, contents[i],
				     self->buffer,
				     "a pinned page that was given back"))
			return;
	}
}

static void use_buffer(struct torture_thread *self,
		       struct torture_region *region, size_t page,
		       size_t pages, struct pins *pins)
{
	if (!check_buffer(self, region, page, pages, pins) ||
	    !fill_buffer(self, region, page, pages, pins))
		return;
	if (torture_chance(self, 2) && !is_zeroed_in_place(region, page))
		check_orphans(self, region, page, pages, pins);
}

static bool open_all(struct pins *pins)
{
	if (pins->ring.fd >= 0)
		return true;
	if (open_ring(&pins->ring))
		return false;
	pins->file = memfd_create("pt_reclaim_torture", MFD_CLOEXEC);
	return pins->file >= 0;
}

static bool register_buffer(struct torture_thread *self,
			    struct torture_region *region, size_t page,
			    size_t pages, struct pins *pins)
{
	struct iovec iov = {
		.iov_base = torture_at(region, page),
		.iov_len = pages * PT_PAGE,
	};
	bool allowed = torture_prot(region, page) & PROT_WRITE;
	__u32 before[MOST_PINNED];
	int err;

	accesses_begin(region, page, pages, before);
	err = syscall(SYS_io_uring_register, pins->ring.fd,
		      IORING_REGISTER_BUFFERS, &iov, 1) ? errno : 0;
	if (err == ENOMEM)
		no_accesses(region, page, pages);
	if (err == ENOMEM || (err == EFAULT && !allowed))
		return false;
	if (err || !allowed) {
		torture_failed(self, region, page,
			       "IORING_REGISTER_BUFFERS: seen %s",
			       strerror(err));
		return false;
	}
	return accesses_end(self, region, page, pages, before, true);
}

/* Long-term pins; a userfaultfd would have to answer for them. */
void torture_op_uring(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, R_UFFD);
	size_t page = torture_pick_page(self, region), pages;
	struct pins *pins = get_pins(self);

	if (!pins || !open_all(pins))
		return;
	torture_lock(self, region, page, 1);
	pages = choose_pages(self, region, &page);
	if (!register_buffer(self, region, page, pages, pins))
		return;
	use_buffer(self, region, page, pages, pins);
	if (syscall(SYS_io_uring_register, pins->ring.fd,
		    IORING_UNREGISTER_BUFFERS, NULL, 0))
		torture_failed(self, region, page,
			       "IORING_UNREGISTER_BUFFERS: %s",
			       strerror(errno));
}

static ssize_t other_process(char *buffer, char *at, size_t bytes, bool write)
{
	struct iovec local = { .iov_base = buffer, .iov_len = bytes };
	struct iovec remote = { .iov_base = at, .iov_len = bytes };

	return write ? process_vm_writev(getpid(), &local, 1, &remote, 1, 0) :
		       process_vm_readv(getpid(), &local, 1, &remote, 1, 0);
}

static void after_readv(struct torture_thread *self,
			struct torture_region *region, size_t page,
			size_t pages)
{
	size_t i;

	for (i = 0; i < pages; i++) {
		if (!torture_verify(self, region, page + i,
				    self->buffer + i * PT_PAGE,
				    "process_vm_readv()"))
			return;
	}
}

static void after_writev(struct torture_thread *self,
			 struct torture_region *region, size_t page,
			 size_t pages, __u64 content)
{
	size_t i;

	for (i = 0; i < pages; i++)
		torture_store(region, page + i, content + i);
	torture_read(self, region, page + torture_draw(self, pages));
}

/* As a debugger does, page by page and remotely */
void torture_op_processvm(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region), pages, i;
	__u64 content = torture_new_pattern(self);
	bool write = torture_chance(self, 2), allowed;
	__u32 before[MOST_PINNED];
	ssize_t done;

	torture_lock(self, region, page, 1);
	pages = choose_pages(self, region, &page);
	allowed = torture_prot(region, page) & (write ? PROT_WRITE : PROT_READ);
	self->patterns += MOST_PINNED;
	for (i = 0; i < pages; i++)
		torture_fill(self->buffer + i * PT_PAGE, content + i);
	accesses_begin(region, page, pages, before);
	done = other_process(self->buffer, torture_at(region, page),
			     pages * PT_PAGE, write);
	if (!allowed) {
		no_accesses(region, page, pages);
		if (done != -1 || errno != EFAULT)
			wrong_count(self, region, page,
				    "process_vm without permission", -1, done);
		return;
	}
	if (wrong_count(self, region, page, "process_vm", pages * PT_PAGE,
			done) ||
	    !accesses_end(self, region, page, pages, before, write))
		return;
	if (write)
		after_writev(self, region, page, pages, content);
	else
		after_readv(self, region, page, pages);
}

/*
 * The key of a futex that may be shared is found by get_user_pages_fast(), for
 * writing if it can be had; without that the zero page would be refused. Nobody
 * waits there.
 */
void torture_op_futex(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region);
	__u32 before;
	long woken;
	int prot;

	torture_lock(self, region, page, 1);
	if (!torture_chance(self, 4))
		page = torture_find(region, page, T_THERE);
	prot = torture_prot(region, page);
	if (prot == PROT_READ)
		return;
	before = torture_access_begins(region, page);
	woken = syscall(SYS_futex, torture_at(region, page), FUTEX_WAKE, 1,
			NULL, NULL, 0);
	if (prot == PROT_NONE) {
		torture_clear(region, page, T_ACCESS);
		if (woken != -1 || errno != EFAULT)
			wrong_count(self, region, page,
				    "FUTEX_WAKE at PROT_NONE", -1, woken);
		return;
	}
	if (wrong_count(self, region, page, "FUTEX_WAKE", 0, woken))
		return;
	if (torture_access_ends(self, region, page, before, true))
		torture_read(self, region, page);
}
