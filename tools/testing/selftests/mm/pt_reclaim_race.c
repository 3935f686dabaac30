// SPDX-License-Identifier: GPL-2.0
/*
 * Regression tests for races with the removal of a live page table. Each names
 * what somebody who walks page tables would get wrong if he did not expect the
 * table to go, and provokes it for a while; the kernel's own complaints are for
 * whoever reads its console.
 *
 * A race that passes has seen tables go while it ran.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_util.h"

/* Newer than the headers of the oldest distribution we compile on. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	0x2000
#endif
#ifndef UFFD_FEATURE_MOVE
#define UFFD_FEATURE_MOVE		0x10000
#endif
#ifndef UFFDIO_MOVE
struct uffdio_move {
	__u64 dst;
	__u64 src;
	__u64 len;
	__u64 mode;
	__s64 move;
};

#define UFFDIO_MOVE	_IOWR(UFFDIO, 0x05, struct uffdio_move)
#endif

#define MAX_HELPERS	16
/* How often somebody is told to try again before it is a failure. */
#define MAX_TRIES	100000

static double race_seconds = 6;
static unsigned long race_operations = -1UL;
static unsigned long race_seed;

/* The state of the one race that this process runs */
static double race_end;
static unsigned long operations;
static bool stopped;
static pthread_t helpers[MAX_HELPERS];
static int nr_helpers;

static unsigned int draw(unsigned long *state)
{
	*state = *state * 6364136223846793005UL + 1442695040888963407UL;
	return *state >> 33;
}

static bool stop_asked(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED);
}

/* One more operation, unless time or number of them have run out. */
static bool racing(void)
{
	return !stop_asked() && operations++ < race_operations &&
	       pt_now() < race_end;
}

static int start_helper(void *(*work)(void *arg), void *arg)
{
	int err;

	if (nr_helpers == MAX_HELPERS)
		return -ENOSPC;
	err = pthread_create(&helpers[nr_helpers], NULL, work, arg);
	if (!err)
		nr_helpers++;
	return -err;
}

static void stop_helpers(void)
{
	__atomic_store_n(&stopped, true, __ATOMIC_RELAXED);
	while (nr_helpers)
		pthread_join(helpers[--nr_helpers], NULL);
}

/* Between nothing and about as long as what it races with takes */
static void dawdle(unsigned long *random)
{
	unsigned int turns = draw(random) % 2 ? draw(random) % 20000 : 0;

	while (turns--)
		asm volatile("");
}

/*
 * The rival in most races: takes the empty tables of an area, again and again,
 * but not so fast that the other side gets nothing done.
 */
static void *reclaim_all_the_time(void *arg)
{
	struct pt_area *area = arg;
	unsigned long random = race_seed;

	while (!stop_asked()) {
		madvise(area->start, area->bytes, MADV_PT_RECLAIM);
		dawdle(&random);
	}
	return NULL;
}

/* Says why, so that the caller can return what it returns. */
#define failed(...) ({ pt_note(__VA_ARGS__); KSFT_FAIL; })
#define skipped(...) ({ pt_note("SKIP: " __VA_ARGS__); KSFT_SKIP; })

static int open_uffd(struct pt_area *area, __u64 features, __u64 mode)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	struct uffdio_register reg = {
		.range = {
			.start = (uintptr_t)area->start,
			.len = area->bytes,
		},
		.mode = mode,
	};
	int uffd, err;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		return -errno;
	if (ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg)) {
		err = -errno;
		close(uffd);
		return err;
	}
	return uffd;
}

static int protect(int uffd, struct pt_area *area, bool on)
{
	struct uffdio_writeprotect wp = {
		.range = {
			.start = (uintptr_t)area->start,
			.len = area->bytes,
		},
		.mode = on ? UFFDIO_WRITEPROTECT_MODE_WP : 0,
	};

	return ioctl(uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

/*
 * Markers are written into the table that was found or made for them. If that
 * table goes in between, a snapshot misses all writes to 2 MiB.
 */
static int race_writeprotect(enum pt_backing backing)
{
	long pages = PT_TABLE_PAGES, marked;
	struct pt_area area;
	int uffd, err;

	if (pt_area_map(&area, backing, PT_TABLE))
		return failed("no memory");
	uffd = open_uffd(&area, UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			 UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
			 UFFD_FEATURE_WP_UNPOPULATED,
			 UFFDIO_REGISTER_MODE_WP);
	if (uffd < 0)
		return skipped("no write protection by userfaultfd: %s",
			       strerror(-uffd));
	if (start_helper(reclaim_all_the_time, &area))
		return failed("no thread");
	while (racing()) {
		err = protect(uffd, &area, true);
		if (err)
			return failed("UFFDIO_WRITEPROTECT: %s",
				      strerror(-err));
		marked = pt_pagemap_count(area.start, area.bytes,
					  PT_PAGEMAP_UFFD_WP);
		if (marked != pages)
			return failed("operation %lu: %ld of %ld pages are protected",
				      operations, marked, pages);
		err = protect(uffd, &area, false);
		if (err)
			return failed("UFFDIO_WRITEPROTECT off: %s",
				      strerror(-err));
	}
	return KSFT_PASS;
}

static int race_writeprotect_shmem(void)
{
	return race_writeprotect(PT_SHMEM);
}

static int race_writeprotect_anon(void)
{
	return race_writeprotect(PT_ANON);
}

/* Fills a page that nobody else fills; 0 or a negative errno. */
static int fill_missing(int uffd, char *to, const char *from, bool zero)
{
	struct uffdio_copy copy = {
		.dst = (uintptr_t)to,
		.src = (uintptr_t)from,
		.len = PT_PAGE,
	};
	struct uffdio_zeropage zeropage = {
		.range = {
			.start = (uintptr_t)to,
			.len = PT_PAGE,
		},
	};

	if (zero)
		return ioctl(uffd, UFFDIO_ZEROPAGE, &zeropage) ? -errno : 0;
	return ioctl(uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

/* Reading a page that was lost would wait for ever: ask pagemap first. */
static bool has_page(const char *page)
{
	static int pagemap = -1;
	__u64 entry;

	if (pagemap < 0)
		pagemap = pt_pagemap_open();
	return !pt_pagemap_read(pagemap, page, &entry, 1) &&
	       (entry & (PT_PAGEMAP_PRESENT | PT_PAGEMAP_SWAPPED));
}

static int check_filled(const char *page, bool zero)
{
	bool right;

	if (!has_page(page))
		return failed("operation %lu: the page is not there",
			      operations);
	if (zero)
		right = pt_page_is_zero(page);
	else
		right = pt_page_is_intact(page, race_seed, 0);
	if (!right)
		return failed("operation %lu: the page is another one",
			      operations);
	return KSFT_PASS;
}

/*
 * One page after the other is filled and given back, so that the table is
 * empty most of the time. @wrong is the answer that must not be given; the
 * other one of the two is put up with here.
 */
static int race_fill_missing(enum pt_backing backing, int wrong)
{
	unsigned long random = race_seed;
	struct pt_area area;
	char *source;
	int uffd, err, tries, verdict = KSFT_PASS;

	source = aligned_alloc(PT_PAGE, PT_PAGE);
	if (!source || pt_area_map(&area, backing, PT_TABLE))
		return failed("no memory");
	pt_fill_page(source, race_seed, 0);
	uffd = open_uffd(&area, 0, UFFDIO_REGISTER_MODE_MISSING);
	if (uffd < 0)
		return skipped("no userfaultfd: %s", strerror(-uffd));
	if (start_helper(reclaim_all_the_time, &area))
		return failed("no thread");
	while (racing() && verdict == KSFT_PASS) {
		char *page = area.start + draw(&random) % PT_TABLE_PAGES *
			     PT_PAGE;
		bool zero = draw(&random) % 4 == 0;

		tries = 0;
		do {
			err = fill_missing(uffd, page, source, zero);
		} while (err && err != wrong &&
			 (err == -EAGAIN || err == -EEXIST) &&
			 tries++ < MAX_TRIES);
		if (err)
			return failed("operation %lu: %s says %s", operations,
				      zero ? "UFFDIO_ZEROPAGE" : "UFFDIO_COPY",
				      strerror(-err));
		verdict = check_filled(page, zero);
		/* DONTNEED alone would leave a shmem page to be found again. */
		if (madvise(page, PT_PAGE, backing == PT_ANON ? MADV_DONTNEED :
			    MADV_REMOVE))
			return failed("cannot give back: %s", strerror(errno));
	}
	return verdict;
}

/* A table that goes after it was made must not look like a page in it. */
static int race_copy_exists(void)
{
	return race_fill_missing(PT_ANON, -EEXIST);
}

static int race_copy_exists_shmem(void)
{
	return race_fill_missing(PT_SHMEM, -EEXIST);
}

/* EAGAIN is for a layout that changes, and this one does not. */
static int race_copy_again(void)
{
	return race_fill_missing(PT_ANON, -EAGAIN);
}

enum source_page { SOURCE_WRITTEN, SOURCE_ZERO, SOURCE_SWAPPED, SOURCES };

static void make_source(char *page, enum source_page kind)
{
	if (kind == SOURCE_ZERO) {
		pt_touch(page);
		return;
	}
	pt_fill_page(page, race_seed, 0);
	/* Without swap it stays present, which is another good source. */
	if (kind == SOURCE_SWAPPED)
		madvise(page, PT_PAGE, MADV_PAGEOUT);
}

static int move_page(int uffd, char *to, char *from)
{
	struct uffdio_move move = {
		.dst = (uintptr_t)to,
		.src = (uintptr_t)from,
		.len = PT_PAGE,
	};

	return ioctl(uffd, UFFDIO_MOVE, &move) ? -errno : 0;
}

/*
 * The place a page is moved to is none before, so that comparing entries does
 * not tell that its table has gone: the page would be lost with it.
 */
static int race_move(void)
{
	unsigned long random = race_seed;
	struct pt_area from, to;
	int uffd, err, tries, verdict = KSFT_PASS;

	if (pt_area_map(&from, PT_ANON, PT_TABLE) ||
	    pt_area_map(&to, PT_ANON, PT_TABLE))
		return failed("no memory");
	uffd = open_uffd(&to, UFFD_FEATURE_MOVE, UFFDIO_REGISTER_MODE_MISSING);
	if (uffd < 0)
		return skipped("no UFFDIO_MOVE: %s", strerror(-uffd));
	if (start_helper(reclaim_all_the_time, &to) ||
	    start_helper(reclaim_all_the_time, &from))
		return failed("no thread");
	while (racing() && verdict == KSFT_PASS) {
		size_t at = draw(&random) % PT_TABLE_PAGES * PT_PAGE;
		enum source_page kind = draw(&random) % SOURCES;

		make_source(from.start + at, kind);
		for (tries = 0; tries < MAX_TRIES; tries++) {
			err = move_page(uffd, to.start + at, from.start + at);
			if (err != -EAGAIN && err != -EBUSY)
				break;
		}
		if (err)
			return failed("operation %lu: UFFDIO_MOVE says %s",
				      operations, strerror(-err));
		verdict = check_filled(to.start + at, kind == SOURCE_ZERO);
		if (verdict == KSFT_PASS && has_page(from.start + at))
			verdict = failed("operation %lu: the page was left",
					 operations);
		if (madvise(to.start + at, PT_PAGE, MADV_DONTNEED))
			return failed("cannot give back: %s", strerror(errno));
	}
	return verdict;
}

/* Two mappings of one file of 2 MiB, as two processes would have them */
struct twice {
	struct pt_area one;
	struct pt_area two;
	char *content;
};

static int map_twice(struct twice *twice)
{
	size_t page;

	if (pt_area_map(&twice->one, PT_MEMFD, PT_TABLE) ||
	    pt_area_map(&twice->two, PT_ANON, PT_TABLE))
		return -ENOMEM;
	if (mmap(twice->two.start, PT_TABLE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, twice->one.fd, 0) == MAP_FAILED)
		return -errno;
	twice->content = malloc(PT_TABLE);
	if (!twice->content)
		return -ENOMEM;
	for (page = 0; page < PT_TABLE_PAGES; page++)
		pt_fill_page(twice->content + page * PT_PAGE, race_seed, page);
	return 0;
}

/* The file anew, of small pages, so that there is something to collapse */
static int refill(struct twice *twice)
{
	if (fallocate(twice->one.fd, FALLOC_FL_PUNCH_HOLE |
		      FALLOC_FL_KEEP_SIZE, 0, PT_TABLE))
		return -errno;
	if (pwrite(twice->one.fd, twice->content, PT_TABLE, 0) !=
	    (ssize_t)PT_TABLE)
		return -EIO;
	return 0;
}

/* Has an empty table most of the time, and never the same one. */
static void *touch_all_the_time(void *arg)
{
	struct pt_area *area = arg;
	unsigned long random = race_seed;

	while (!stop_asked()) {
		pt_touch(area->start + draw(&random) % PT_TABLE_PAGES *
			 PT_PAGE);
		madvise(area->start, area->bytes, MADV_DONTNEED);
	}
	return NULL;
}

/* Collapsing may fail for lack of memory or because of a page in use. */
static int collapse(struct pt_area *area)
{
	if (!madvise(area->start, area->bytes, MADV_COLLAPSE))
		return 0;
	return errno == EAGAIN || errno == EBUSY || errno == ENOMEM ? 0 :
		-errno;
}

/* Small entries for a huge page, which is what the next collapse is to mend */
static void map_small(struct pt_area *area, unsigned int pages,
		      unsigned long *random)
{
	madvise(area->start, area->bytes, MADV_NOHUGEPAGE);
	madvise(area->start, area->bytes, MADV_DONTNEED);
	while (pages--)
		pt_touch(area->start + draw(random) % PT_TABLE_PAGES *
			 PT_PAGE);
	if (draw(random) % 2)
		madvise(area->start, area->bytes, MADV_DONTNEED);
	madvise(area->start, area->bytes, MADV_HUGEPAGE);
}

/*
 * Collapsing a file's pages frees the tables that map them, in this process
 * and in others: they may have been freed already, or be new ones.
 */
static int race_collapse(void)
{
	unsigned long random = race_seed;
	struct twice twice;
	int i, err;

	if (access(PT_THP_SYSFS "enabled", F_OK))
		return skipped("this kernel has no huge pages");
	err = map_twice(&twice);
	if (!err)
		err = refill(&twice);
	if (err)
		return failed("no memory: %s", strerror(-err));
	madvise(twice.one.start, PT_TABLE, MADV_HUGEPAGE);
	err = collapse(&twice.one);
	if (err)
		return skipped("MADV_COLLAPSE does not work on memfds: %s",
			       strerror(-err));
	if (start_helper(reclaim_all_the_time, &twice.one) ||
	    start_helper(reclaim_all_the_time, &twice.two) ||
	    start_helper(touch_all_the_time, &twice.two))
		return failed("no thread");
	while (racing()) {
		err = refill(&twice);
		for (i = 0; i < 32 && !err; i++) {
			map_small(&twice.one, draw(&random) % 8, &random);
			err = collapse(&twice.one);
		}
		if (err)
			return failed("operation %lu: %s", operations,
				      strerror(-err));
		if (memcmp(twice.one.start, twice.content, PT_TABLE))
			return failed("operation %lu: content is damaged",
				      operations);
	}
	return KSFT_PASS;
}

/*
 * Unmaps tables of all levels, with page tables of its own at a gigabyte's
 * and at half a terabyte's distance.
 */
static void *map_and_unmap(void *arg)
{
	unsigned long random = race_seed + (uintptr_t)arg;
	size_t bytes = 4 * PT_GIB, at, step;
	char *start;

	while (!stop_asked()) {
		start = mmap((void *)(((__u64)draw(&random) % 64 + 32) << 39),
			     bytes, PROT_READ | PROT_WRITE,
			     MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			     -1, 0);
		if (start == MAP_FAILED)
			continue;
		step = draw(&random) % 2 ? PT_GIB : 8 * PT_TABLE;
		for (at = 0; at < bytes; at += step)
			start[at] = 1;
		if (draw(&random) % 2)
			madvise(start, bytes, MADV_DONTNEED);
		munmap(start, bytes);
	}
	return NULL;
}

/* The walk holds no lock at all, so any table can be freed beside it. */
static int race_munmap(void)
{
	struct pt_area area;
	size_t i;

	if (pt_area_map(&area, PT_ANON, 64 * PT_TABLE) ||
	    pt_start_thread("always", 1))
		return failed("no memory, or no thread");
	pt_fill_page(area.start, race_seed, 0);
	for (i = 0; i < 4; i++) {
		if (start_helper(map_and_unmap, (void *)i))
			return failed("no thread");
	}
	while (racing()) {
		pid_t pid = fork();

		if (pid < 0)
			return failed("fork: %s", strerror(errno));
		if (!pid) {
			pt_area_waste(&area);
			_exit(0);
		}
		if (waitpid(pid, NULL, 0) != pid)
			return failed("waitpid: %s", strerror(errno));
		if (!pt_page_is_intact(area.start, race_seed, 0))
			return failed("operation %lu: a page is damaged",
				      operations);
	}
	return KSFT_PASS;
}

/* Faults meet the end of the very table that they are about to fill. */
struct user {
	char *page;
	bool file;
	__u64 round;
	bool damaged;
};

static void *use_page(void *arg)
{
	struct user *user = arg;
	bool right = true;

	for (; right && !stop_asked(); user->round++) {
		pt_fill_page(user->page, race_seed, user->round);
		right = pt_page_is_intact(user->page, race_seed, user->round);
		madvise(user->page, PT_PAGE, MADV_DONTNEED);
		if (user->file)
			right &= pt_page_is_intact(user->page, race_seed,
						   user->round);
		else
			right &= pt_page_is_zero(user->page);
		madvise(user->page, PT_PAGE, MADV_DONTNEED);
	}
	user->damaged = !right;
	return NULL;
}

static int race_faults(enum pt_backing backing)
{
	struct user users[3] = { };
	struct pt_area area;
	size_t i;

	if (pt_area_map(&area, backing, PT_TABLE) ||
	    pt_start_thread("always", 1))
		return failed("no memory, or no thread");
	for (i = 0; i < ARRAY_SIZE(users); i++) {
		users[i].page = area.start + i * 100 * PT_PAGE;
		users[i].file = backing != PT_ANON;
		if (start_helper(use_page, &users[i]))
			return failed("no thread");
	}
	while (racing())
		madvise(area.start, area.bytes, MADV_PT_RECLAIM);
	stop_helpers();
	for (i = 0; i < ARRAY_SIZE(users); i++) {
		if (users[i].damaged)
			return failed("page %zu was damaged in round %llu", i,
				      users[i].round);
	}
	return KSFT_PASS;
}

static int race_faults_anon(void)
{
	return race_faults(PT_ANON);
}

static int race_faults_shmem(void)
{
	return race_faults(PT_SHMEM);
}

/* Waste in some tables, next to tables that have a page */
static void *waste_all_the_time(void *arg)
{
	struct pt_area *area = arg;
	size_t at;

	while (!stop_asked()) {
		for (at = PT_TABLE; at < area->bytes; at += 2 * PT_TABLE)
			area->start[at] = 1;
		for (at = PT_TABLE; at < area->bytes; at += 2 * PT_TABLE)
			madvise(area->start + at, PT_TABLE, MADV_DONTNEED);
	}
	return NULL;
}

static void fill_even_tables(struct pt_area *area)
{
	size_t at;

	for (at = 0; at < area->bytes; at += 2 * PT_TABLE)
		pt_fill_page(area->start + at, race_seed, at);
}

static bool even_tables_intact(struct pt_area *area)
{
	size_t at;

	for (at = 0; at < area->bytes; at += 2 * PT_TABLE) {
		if (!pt_page_is_intact(area->start + at, race_seed, at))
			return false;
	}
	return true;
}

/* fork() copies tables while others of them go. */
static int race_fork(void)
{
	struct pt_area area;
	int status;
	pid_t pid;

	if (pt_area_map(&area, PT_ANON, 32 * PT_TABLE) ||
	    pt_start_thread("always", 1))
		return failed("no memory, or no thread");
	fill_even_tables(&area);
	if (start_helper(reclaim_all_the_time, &area) ||
	    start_helper(waste_all_the_time, &area))
		return failed("no thread");
	while (racing()) {
		pid = fork();
		if (pid < 0)
			return failed("fork: %s", strerror(errno));
		if (!pid) {
			madvise(area.start, area.bytes, MADV_PT_RECLAIM);
			_exit(!even_tables_intact(&area));
		}
		if (waitpid(pid, &status, 0) != pid || status)
			return failed("operation %lu: child status %#x",
				      operations, status);
		if (!even_tables_intact(&area))
			return failed("operation %lu: the parent's page is damaged",
				      operations);
	}
	return KSFT_PASS;
}

/* mremap() moves whole tables, empty ones too, by moving what points there. */
static int race_mremap(void)
{
	unsigned long random = race_seed;
	struct pt_area area;
	char *here, *there;
	bool full = false;

	/* The third table is just distance, and somebody else's mapping. */
	if (pt_area_map(&area, PT_ANON, 5 * PT_TABLE))
		return failed("no memory");
	here = area.start;
	there = area.start + 3 * PT_TABLE;
	if (start_helper(reclaim_all_the_time, &area))
		return failed("no thread");
	/* Nothing is mapped by anybody from here on. */
	if (munmap(there, 2 * PT_TABLE))
		return failed("munmap: %s", strerror(errno));
	while (racing()) {
		char *page = here + PT_PAGE;

		if (draw(&random) % 2) {
			pt_fill_page(page, race_seed, operations);
			full = true;
		} else {
			*page = 1;
			madvise(page, PT_PAGE, MADV_DONTNEED);
			full = false;
		}
		if (mremap(here, 2 * PT_TABLE, 2 * PT_TABLE, MREMAP_MAYMOVE |
			   MREMAP_FIXED, there) != there)
			return failed("mremap: %s", strerror(errno));
		page = there + PT_PAGE;
		if (full ? !pt_page_is_intact(page, race_seed, operations) :
			   !pt_page_is_zero(page))
			return failed("operation %lu: the page is damaged",
				      operations);
		there = here;
		here = page - PT_PAGE;
	}
	return KSFT_PASS;
}

/* Reads its own page tables in every way there is. */
static void *read_own_maps(void *arg)
{
	static const char * const files[] = {
		"/proc/self/smaps", "/proc/self/smaps_rollup",
		"/proc/self/numa_maps", NULL
	};
	char text[4096];
	int i, fd;

	(void)arg;
	while (!stop_asked()) {
		for (i = 0; files[i]; i++) {
			fd = open(files[i], O_RDONLY | O_CLOEXEC);
			while (fd >= 0 && read(fd, text, sizeof(text)) > 0)
				;
			if (fd >= 0)
				close(fd);
		}
	}
	return NULL;
}

static int read_remotely(char *page, char *to)
{
	struct iovec local = { .iov_base = to, .iov_len = PT_PAGE };
	struct iovec remote = { .iov_base = page, .iov_len = PT_PAGE };

	return process_vm_readv(getpid(), &local, 1, &remote, 1, 0) ==
		(ssize_t)PT_PAGE ? 0 : -EFAULT;
}

/* Whoever looks sees the page that is there, whatever goes beside it. */
static int race_walkers(void)
{
	unsigned char resident;
	struct pt_area area;
	char copy[PT_PAGE];

	if (pt_area_map(&area, PT_ANON, 32 * PT_TABLE))
		return failed("no memory");
	fill_even_tables(&area);
	if (start_helper(reclaim_all_the_time, &area) ||
	    start_helper(waste_all_the_time, &area) ||
	    start_helper(read_own_maps, NULL))
		return failed("no thread");
	while (racing()) {
		size_t at = operations % 16 * 2 * PT_TABLE;
		char *page = area.start + at;

		if (!has_page(page))
			return failed("pagemap does not know a page");
		if (mincore(page, PT_PAGE, &resident) || !(resident & 1))
			return failed("mincore() does not know a page");
		if (read_remotely(page, copy) ||
		    !pt_page_is_intact(copy, race_seed, at))
			return failed("process_vm_readv() reads another page");
		if (read_remotely(page + PT_TABLE + PT_PAGE, copy) ||
		    !pt_page_is_zero(copy))
			return failed("process_vm_readv() reads what is not there");
		madvise(page + PT_TABLE, PT_TABLE, MADV_DONTNEED);
	}
	return KSFT_PASS;
}

static void *change_mind_all_the_time(void *arg)
{
	static const char * const modes[] = { "always", "madvise", "never" };
	unsigned long random = race_seed;

	(void)arg;
	while (!stop_asked()) {
		pt_set_mode(modes[draw(&random) % 3]);
		pt_set_knob("scan_sleep_millisecs", draw(&random) % 3 + 1);
		prctl(PR_SET_PT_RECLAIM, draw(&random) % 3, 0, 0, 0);
		pt_pause_ms(draw(&random) % 20);
	}
	return NULL;
}

/* Settings change under processes that come, go and waste. */
static int race_settings(void)
{
	struct pt_area area;
	int status, i;
	pid_t pids[4];

	if (pt_area_map(&area, PT_ANON, 32 * PT_TABLE))
		return failed("no memory");
	fill_even_tables(&area);
	if (start_helper(change_mind_all_the_time, NULL) ||
	    start_helper(waste_all_the_time, &area))
		return failed("no thread");
	while (racing()) {
		for (i = 0; i < 4; i++) {
			pids[i] = fork();
			if (pids[i])
				continue;
			prctl(PR_SET_PT_RECLAIM, i % 3, 0, 0, 0);
			pt_pause_ms(5 * i);
			_exit(!even_tables_intact(&area));
		}
		for (i = 0; i < 4; i++) {
			if (waitpid(pids[i], &status, 0) != pids[i] || status)
				return failed("operation %lu: child status %#x",
					      operations, status);
		}
	}
	stop_helpers();

	/* And in the end it still does what it is told. */
	if (prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_DEFAULT, 0, 0, 0) ||
	    pt_start_thread("never", 10) || pt_area_waste(&area))
		return failed("cannot start over: %s", strerror(errno));
	status = pt_vmpte_kb(0);
	if (pt_set_mode("always") ||
	    !pt_wait(30, "tables to go after all",
		     pt_vmpte_kb(0) <= status - 32 * PT_TABLE_KB))
		return KSFT_FAIL;
	return KSFT_PASS;
}

static const struct race {
	const char *name;
	int (*run)(void);
} races[] = {
	{ "test_writeprotect_marks_every_shmem_page", race_writeprotect_shmem },
	{ "test_writeprotect_marks_every_anon_page", race_writeprotect_anon },
	{ "test_copy_finds_no_page_that_is_not_there", race_copy_exists },
	{ "test_shmem_copy_finds_no_page_that_is_not_there",
	  race_copy_exists_shmem },
	{ "test_copy_is_not_told_to_try_again", race_copy_again },
	{ "test_move_loses_no_page", race_move },
	{ "test_collapse_frees_only_what_is_there", race_collapse },
	{ "test_munmap_beside_the_walk", race_munmap },
	{ "test_anon_faults_keep_their_pages", race_faults_anon },
	{ "test_shmem_faults_keep_their_pages", race_faults_shmem },
	{ "test_fork_copies_every_page", race_fork },
	{ "test_mremap_moves_every_page", race_mremap },
	{ "test_walkers_see_every_page", race_walkers },
	{ "test_settings_change_at_any_time", race_settings },
};

/* In a process of its own, whose end is the end of all its threads. */
static int run_race(const struct race *race)
{
	long long reclaimed = pt_vmstat("pt_reclaim_reclaimed");
	double start = pt_now();
	int status;
	pid_t pid;

	if (pt_start_thread("never", 1000))
		return failed("cannot change the settings");
	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* Small pages unless somebody asks for a huge one. */
		pt_set_thp("madvise");
		race_end = pt_now() + race_seconds;
		status = race->run();
		pt_note("%s: %lu operations", race->name, operations);
		_exit(status);
	}
	status = pid < 0 ? -errno : pt_reap(pid, race_seconds + 60, race->name);
	pt_set_mode("never");
	if (status < 0 || !WIFEXITED(status))
		return failed("ended with status %#x", status);
	reclaimed = pt_vmstat("pt_reclaim_reclaimed") - reclaimed;
	pt_note("%s: %lld tables went in %.1f s", race->name, reclaimed,
		pt_now() - start);
	if (WEXITSTATUS(status) == KSFT_PASS && !reclaimed)
		return failed("no table went, so there was no race");
	return WEXITSTATUS(status);
}

static void print_usage(const char *program)
{
	size_t i;

	fprintf(stderr,
		"usage: %s [-s SECONDS] [-o OPERATIONS] [-r SEED] [-t TEST]...\n"
		"  each race ends after so much time or so many operations; tests are:\n",
		program);
	for (i = 0; i < ARRAY_SIZE(races); i++)
		fprintf(stderr, "    %s\n", races[i].name);
	exit(2);
}

static bool chosen[ARRAY_SIZE(races)];
static unsigned int nr_chosen;

static void choose(const char *program, const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(races); i++) {
		if (!strcmp(races[i].name, name) && !chosen[i]) {
			chosen[i] = true;
			nr_chosen++;
			return;
		}
	}
	print_usage(program);
}

static void parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "s:o:r:t:")) != -1) {
		switch (option) {
		case 's':
			race_seconds = strtod(optarg, NULL);
			break;
		case 'o':
			race_operations = strtoul(optarg, NULL, 0);
			break;
		case 'r':
			race_seed = strtoul(optarg, NULL, 0);
			break;
		case 't':
			choose(argv[0], optarg);
			break;
		default:
			print_usage(argv[0]);
		}
	}
	if (nr_chosen)
		return;
	memset(chosen, true, sizeof(chosen));
	nr_chosen = ARRAY_SIZE(races);
}

int main(int argc, char **argv)
{
	size_t i;

	race_seed = time(NULL);
	parse_options(argc, argv);
	pt_begin();
	ksft_print_header();
	ksft_set_plan(nr_chosen);
	pt_note("-r %lu draws the same numbers again", race_seed);
	for (i = 0; i < ARRAY_SIZE(races); i++) {
		if (chosen[i])
			ksft_test_result_code(run_race(&races[i]),
					      races[i].name, NULL);
	}
	ksft_finished();
}
