// SPDX-License-Identifier: GPL-2.0
/*
 * The thread finds empty tables by the marks of those who made them empty. Each
 * test has one of these do so, with all that was marked before looked at and no
 * sweep to come: what it does not mark stays. The others are about what becomes of
 * marks: none is lost, and none costs more than it has to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <netinet/in.h>
#include <pthread.h>
#include <sched.h>
#include <setjmp.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/syscall.h>
#include <sys/sysinfo.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_interface.h"
#include "pt_reclaim_util.h"

/* Newer than the headers of the oldest distribution we compile on. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	0x2000
#endif

#define SCAN_SLEEP_MS	20
#define GONE_SECONDS	20
#define TEST_SECONDS	1200
#define TABLES		64L
/* Rounds after which what was marked before has been looked at */
#define SETTLED_ROUNDS	4
/* Tables of one GiB, which have one PMD table above them */
#define GIB_TABLES	((long)(PT_GIB / PT_TABLE))
/* Tables of others that may come and go, of those that a test has made */
#define SLACK_KB	(TABLES / 4 * PT_TABLE_KB)

FIXTURE(marks)
{
	struct pt_area area;
	struct pt_area other;
	int uffd;
	long long unmarked;
};

/* Have the tables been looked at, so that only what is to come can mark them? */
static bool settle(void)
{
	return pt_wait_rounds(SETTLED_ROUNDS);
}

/* From here on nothing is swept: what a change of mode asks for is over. */
static bool leave_it_to_marks(void)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	return !pt_start_thread("always", SCAN_SLEEP_MS) &&
	       !pt_set_knob("sweep_rounds", 0) && settle();
}

static bool let_rounds_begin(void)
{
	return !pt_set_knob("scan_sleep_millisecs", SCAN_SLEEP_MS);
}

FIXTURE_SETUP(marks)
{
	self->area.fd = -1;
	self->other.fd = -1;
	self->uffd = -1;
	ASSERT_TRUE(leave_it_to_marks());
	self->unmarked = pt_vmstat("pt_reclaim_unmarked");
	ASSERT_LE(0, self->unmarked);
}

FIXTURE_TEARDOWN(marks)
{
	if (self->uffd >= 0)
		close(self->uffd);
	pt_area_unmap(&self->area);
	pt_area_unmap(&self->other);
}

/* One page in the middle of each table, so that no hint is right by chance. */
static void use_tables(struct pt_area *area)
{
	size_t at;

	for (at = PT_TABLE / 2; at < area->bytes; at += PT_TABLE)
		area->start[at] = 1;
}

/* Are the tables of this process gone, of the area that had @kb when in use? */
static bool tables_go(pid_t pid, long kb)
{
	return pt_wait(GONE_SECONDS, "marked tables to be freed",
		       pt_vmpte_kb(pid) <= kb - TABLES * PT_TABLE_KB + SLACK_KB);
}

/*
 * The tables from number @first on, of those of @whole that have a PMD table which
 * nobody else uses. @whole has two GiB at the least.
 */
static struct pt_area part_of_gib(struct pt_area *whole, long first, long nr)
{
	uintptr_t start = (uintptr_t)whole->start + PT_GIB - 1;
	struct pt_area part = {
		.start = (char *)(start - start % PT_GIB) + first * PT_TABLE,
		.bytes = nr * PT_TABLE,
		.fd = -1,
	};

	return part;
}

static int give_back(struct pt_area *area)
{
	return madvise(area->start, area->bytes, MADV_DONTNEED) ? -errno : 0;
}

static bool swap_is_on(void)
{
	struct sysinfo info;

	return !sysinfo(&info) && info.totalswap;
}

/* For what use_tables() filled, with one page for each table. */
static int swap_out(struct pt_area *area)
{
	int err = pt_page_out(area->start, area->bytes, false);
	long swapped;

	if (err)
		return err;
	swapped = pt_pagemap_count(area->start, area->bytes,
				   PT_PAGEMAP_SWAPPED);
	return swapped == TABLES ? 0 : -EAGAIN;
}

static int open_uffd(__u64 features)
{
	struct uffdio_api api = { .api = UFFD_API, .features = features };
	int uffd, err;

	uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);
	if (uffd < 0)
		return -errno;
	if (ioctl(uffd, UFFDIO_API, &api)) {
		err = -errno;
		close(uffd);
		return err;
	}
	return uffd;
}

static int register_area(int uffd, struct pt_area *area, __u64 mode)
{
	struct uffdio_register reg = {
		.range = { (uintptr_t)area->start, area->bytes },
		.mode = mode,
	};

	return ioctl(uffd, UFFDIO_REGISTER, &reg) ? -errno : 0;
}

TEST_F_TIMEOUT(marks, test_dontneed_leaves_marks, TEST_SECONDS)
{
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	use_tables(&self->area);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	ASSERT_EQ(0, madvise(self->area.start, self->area.bytes,
			     MADV_DONTNEED));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

#define TABLE_PAGES	((long)(PT_TABLE / PT_PAGE))

/* In which order a table is given back, page by page: the page whose turn it is. */
static long upward(long turn)
{
	return turn;
}

static long downward(long turn)
{
	return TABLE_PAGES - 1 - turn;
}

static long from_the_middle(long turn)
{
	return TABLE_PAGES / 2 + (turn % 2 ? -1 - turn / 2 : turn / 2);
}

static long to_the_middle(long turn)
{
	return turn % 2 ? TABLE_PAGES - 1 - turn / 2 : turn / 2;
}

static long every_other(long turn)
{
	return turn * 2 % TABLE_PAGES + turn * 2 / TABLE_PAGES;
}

/* Any odd number has no factor in common with the number of pages. */
static long in_disorder(long turn)
{
	return turn * 189 % TABLE_PAGES;
}

static long (* const orders[])(long turn) = {
	upward, downward, from_the_middle, to_the_middle, every_other, in_disorder,
};

/* All tables are full, and emptied together, page by page, each in an order. */
TEST_F_TIMEOUT(marks, test_tables_emptied_page_by_page_are_marked, TEST_SECONDS)
{
	long turn, table;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	memset(self->area.start, 1, self->area.bytes);
	ASSERT_TRUE(settle());
	for (turn = 0; turn < TABLE_PAGES; turn++) {
		for (table = 0; table < TABLES; table++) {
			long page = orders[table % ARRAY_SIZE(orders)](turn);

			ASSERT_EQ(0, madvise(self->area.start +
					     table * PT_TABLE + page * PT_PAGE,
					     PT_PAGE, MADV_DONTNEED));
		}
	}
	/* Not one of them is left. */
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "marked tables to be freed",
			    !pt_tables_there(0, self->area.start,
					     self->area.bytes)));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

static struct {
	char *start;
	unsigned int arrived;	/* Tables, of both */
} neighbours;

/* Gives back one page of two in each table, when the other thread is at it, too. */
static void *give_one_back(void *second)
{
	unsigned int table;

	for (table = 0; table < TABLES; table++) {
		char *page = neighbours.start + table * PT_TABLE +
			     TABLE_PAGES / 2 * PT_PAGE;

		__atomic_add_fetch(&neighbours.arrived, 1, __ATOMIC_SEQ_CST);
		while (__atomic_load_n(&neighbours.arrived, __ATOMIC_SEQ_CST) <
		       2 * (table + 1))
			;
		madvise(second ? page + PT_PAGE : page, PT_PAGE, MADV_DONTNEED);
	}
	return NULL;
}

/* Each of the two may see the other one's page in use, but not both. */
TEST_F_TIMEOUT(marks, test_neighbours_zapped_at_once_are_marked, TEST_SECONDS)
{
	pthread_t other;
	unsigned int i;
	size_t at;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	for (i = 0; i < 16; i++) {
		neighbours.start = self->area.start;
		neighbours.arrived = 0;
		use_tables(&self->area);
		for (at = PT_TABLE / 2; at < self->area.bytes; at += PT_TABLE)
			self->area.start[at + PT_PAGE] = 1;
		kb = pt_vmpte_kb(0);
		ASSERT_TRUE(settle());
		ASSERT_EQ(0, pthread_create(&other, NULL, give_one_back, ""));
		give_one_back(NULL);
		pthread_join(other, NULL);
		ASSERT_TRUE(tables_go(0, kb));
	}
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/*
 * A page in use before or behind those that go is known to keep the table. The first
 * mark of a process is an exception, and not made in this area.
 */
TEST_F_TIMEOUT(marks, test_zap_beside_a_used_page_leaves_no_mark, TEST_SECONDS)
{
	const size_t pages = 3 * PT_PAGE;
	long long scanned;
	size_t at;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON, PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(&self->other));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, 16 * TABLES * PT_TABLE));
	for (at = 0; at < self->area.bytes; at += PT_TABLE)
		memset(self->area.start + at, 1, pages);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());

	scanned = pt_knob("tables_scanned");
	for (at = 0; at < self->area.bytes / 2; at += PT_TABLE)
		ASSERT_EQ(0, madvise(self->area.start + at, 2 * PT_PAGE,
				     MADV_DONTNEED));
	for (; at < self->area.bytes; at += PT_TABLE)
		ASSERT_EQ(0, madvise(self->area.start + at + PT_PAGE,
				     2 * PT_PAGE, MADV_DONTNEED));
	ASSERT_TRUE(settle());
	/* Others may have zapped something meanwhile. */
	EXPECT_GT(TABLES, pt_knob("tables_scanned") - scanned);
	EXPECT_LE(kb - SLACK_KB, pt_vmpte_kb(0));

	for (at = 0; at < self->area.bytes; at += PT_TABLE)
		ASSERT_EQ(0, madvise(self->area.start + at, pages,
				     MADV_DONTNEED));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "marked tables to be freed",
			    pt_vmpte_kb(0) <= kb - 15 * TABLES * PT_TABLE_KB));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/*
 * What a process gives back beside pages in use makes it known, so that munmap() of
 * those says that the table is empty.
 */
TEST_F_TIMEOUT(marks, test_zap_beside_a_used_page_registers, TEST_SECONDS)
{
	int ready[2], go[2];
	char byte = 0;
	pid_t pid;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pipe(go));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char *start = self->area.start;
		size_t at;

		for (at = 0; at < self->area.bytes; at += PT_TABLE) {
			start[at] = 1;
			start[at + PT_PAGE] = 1;
			mprotect(start + at + PT_PAGE, PT_PAGE, PROT_READ);
			madvise(start + at, PT_PAGE, MADV_DONTNEED);
		}
		if (write(ready[1], &byte, 1) != 1 || read(go[0], &byte, 1) != 1)
			_exit(1);
		for (at = 0; at < self->area.bytes; at += PT_TABLE)
			munmap(start + at + PT_PAGE, PT_PAGE);
		if (write(ready[1], &byte, 1) != 1)
			_exit(1);
		_exit(read(go[0], &byte, 1) != 1);
	}
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	kb = pt_vmpte_kb(pid);
	ASSERT_TRUE(settle());
	EXPECT_LE(kb - SLACK_KB, pt_vmpte_kb(pid));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	EXPECT_TRUE(tables_go(pid, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
	ASSERT_EQ(1, write(go[1], &byte, 1));
	EXPECT_EQ(0, pt_reap(pid, 10, "the child to end"));
}

TEST_F_TIMEOUT(marks, test_punched_hole_leaves_marks, TEST_SECONDS)
{
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_MEMFD, TABLES * PT_TABLE));
	use_tables(&self->area);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	ASSERT_EQ(0, fallocate(self->area.fd,
			       FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE, 0,
			       self->area.bytes));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/* The other half of each table belongs to a VMA that was never used. */
TEST_F_TIMEOUT(marks, test_munmap_beside_a_vma_leaves_marks, TEST_SECONDS)
{
	size_t at;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON, PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(&self->other));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	use_tables(&self->area);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	for (at = PT_TABLE / 2; at < self->area.bytes; at += PT_TABLE)
		ASSERT_EQ(0, munmap(self->area.start + at, PT_TABLE / 2));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/* The child begins with copies, and never zaps anything. */
TEST_F_TIMEOUT(marks, test_copies_of_empty_tables_are_marked, TEST_SECONDS)
{
	int done[2];
	long kb;
	pid_t pid;

	ASSERT_EQ(0, pipe(done));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	use_tables(&self->area);
	ASSERT_TRUE(settle());
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PT_HELD_MS));
	ASSERT_EQ(0, madvise(self->area.start, self->area.bytes,
			     MADV_DONTNEED));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char byte;

		close(done[1]);
		_exit(read(done[0], &byte, 1) != 0);
	}
	close(done[0]);
	kb = pt_vmpte_kb(pid);
	EXPECT_LE(TABLES * PT_TABLE_KB, kb);
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", SCAN_SLEEP_MS));
	EXPECT_TRUE(tables_go(pid, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
	close(done[1]);
	EXPECT_EQ(0, pt_reap(pid, 10, "the child to exit"));
}

TEST_F_TIMEOUT(marks, test_reclaim_of_file_pages_leaves_marks, TEST_SECONDS)
{
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_MEMFD, TABLES * PT_TABLE));
	use_tables(&self->area);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	ASSERT_EQ(0, pt_page_out(self->area.start, self->area.bytes, false));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

TEST_F_TIMEOUT(marks, test_reclaim_of_lazily_freed_pages_leaves_marks,
	       TEST_SECONDS)
{
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	use_tables(&self->area);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	ASSERT_EQ(0, pt_page_out(self->area.start, self->area.bytes, true));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

TEST_F_TIMEOUT(marks, test_free_of_swapped_pages_leaves_marks, TEST_SECONDS)
{
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	use_tables(&self->area);
	kb = pt_vmpte_kb(0);
	if (!swap_is_on())
		SKIP(return, "no swap is in use");
	ASSERT_EQ(0, swap_out(&self->area));
	ASSERT_TRUE(settle());
	EXPECT_LE(kb, pt_vmpte_kb(0) + SLACK_KB);
	ASSERT_EQ(0, madvise(self->area.start, self->area.bytes, MADV_FREE));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/* What MREMAP_DONTUNMAP leaves: moved by one page, so that entries are moved. */
TEST_F_TIMEOUT(marks, test_mremap_dontunmap_leaves_marks, TEST_SECONDS)
{
	char *to;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON,
				 (TABLES + 1) * PT_TABLE));
	use_tables(&self->area);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	to = mremap(self->area.start, self->area.bytes, self->area.bytes,
		    MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		    self->other.start + PT_PAGE);
	ASSERT_EQ(self->other.start + PT_PAGE, to);
	EXPECT_TRUE(tables_go(0, kb + TABLES * PT_TABLE_KB));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/*
 * Tables that are empty already and move as they are: marked below a PMD table
 * that is not, if nobody sees to it. The new place is in another GiB.
 */
TEST_F_TIMEOUT(marks, test_moved_tables_are_marked, TEST_SECONDS)
{
	char *to, *reserved;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON, 3 * PT_GIB));
	use_tables(&self->area);
	to = (char *)(((uintptr_t)self->other.start + 2 * PT_GIB) &
		      ~(PT_GIB - 1));
	reserved = to + PT_GIB / 2;
	/* So that there is a PMD table, and settled */
	*reserved = 1;
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PT_HELD_MS));
	ASSERT_EQ(0, madvise(self->area.start, self->area.bytes,
			     MADV_DONTNEED));
	ASSERT_EQ(to, mremap(self->area.start, self->area.bytes,
			     self->area.bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
			     to));
	EXPECT_LE(kb - SLACK_KB, pt_vmpte_kb(0));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", SCAN_SLEEP_MS));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/* Empty tables, moved by one page: each new one is made for nothing. */
TEST_F_TIMEOUT(marks, test_table_made_for_nothing_is_marked, TEST_SECONDS)
{
	char *to;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON,
				 (TABLES + 1) * PT_TABLE));
	use_tables(&self->area);
	ASSERT_TRUE(settle());
	ASSERT_TRUE(pt_hold_rounds());
	ASSERT_EQ(0, give_back(&self->area));
	to = mremap(self->area.start, self->area.bytes, self->area.bytes,
		    MREMAP_MAYMOVE | MREMAP_FIXED, self->other.start + PT_PAGE);
	ASSERT_EQ(self->other.start + PT_PAGE, to);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(let_rounds_begin());
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

TEST_F_TIMEOUT(marks, test_dropped_uffd_wp_markers_leave_marks, TEST_SECONDS)
{
	struct uffdio_writeprotect protect = {
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	long kb;

	self->uffd = open_uffd(UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			       UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
			       UFFD_FEATURE_WP_UNPOPULATED);
	if (self->uffd < 0)
		SKIP(return, "no write protection of pages that are not there");
	ASSERT_EQ(0, pt_area_map(&self->area, PT_SHMEM, TABLES * PT_TABLE));
	ASSERT_EQ(0, register_area(self->uffd, &self->area,
				   UFFDIO_REGISTER_MODE_WP));
	protect.range.start = (uintptr_t)self->area.start;
	protect.range.len = self->area.bytes;
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_WRITEPROTECT, &protect));
	kb = pt_vmpte_kb(0);
	ASSERT_LE(TABLES * PT_TABLE_KB, kb);
	ASSERT_TRUE(settle());
	EXPECT_LE(kb, pt_vmpte_kb(0) + SLACK_KB);
	protect.mode = 0;
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_WRITEPROTECT, &protect));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/* Each kind of page that UFFDIO_MOVE takes away has a function of its own. */
FIXTURE(moved)
{
	struct pt_area from;
	struct pt_area to;
	int uffd;
	long long unmarked;
};

FIXTURE_VARIANT(moved)
{
	bool zero;
	bool swapped;
};

FIXTURE_VARIANT_ADD(moved, present) { };
FIXTURE_VARIANT_ADD(moved, zero) { .zero = true };
FIXTURE_VARIANT_ADD(moved, swapped) { .swapped = true };

FIXTURE_SETUP(moved)
{
	self->from.fd = -1;
	self->to.fd = -1;
	self->uffd = -1;
	ASSERT_TRUE(leave_it_to_marks());
	self->unmarked = pt_vmstat("pt_reclaim_unmarked");
	ASSERT_EQ(0, pt_area_map(&self->from, PT_ANON, TABLES * PT_TABLE));
	ASSERT_EQ(0, pt_area_map(&self->to, PT_ANON, TABLES * PT_TABLE));
	self->uffd = open_uffd(UFFD_FEATURE_MOVE);
	if (self->uffd < 0)
		SKIP(return, "no UFFDIO_MOVE");
	ASSERT_EQ(0, register_area(self->uffd, &self->to,
				   UFFDIO_REGISTER_MODE_MISSING));
}

FIXTURE_TEARDOWN(moved)
{
	if (self->uffd >= 0)
		close(self->uffd);
	pt_area_unmap(&self->from);
	pt_area_unmap(&self->to);
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

TEST_F_TIMEOUT(moved, test_source_is_marked, TEST_SECONDS)
{
	size_t at;
	long kb;

	if (variant->zero) {
		for (at = PT_TABLE / 2; at < self->from.bytes; at += PT_TABLE)
			pt_touch(self->from.start + at);
	} else {
		use_tables(&self->from);
	}
	if (variant->swapped) {
		if (!swap_is_on())
			SKIP(return, "no swap is in use");
		ASSERT_EQ(0, swap_out(&self->from));
	}
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	for (at = PT_TABLE / 2; at < self->from.bytes; at += PT_TABLE)
		ASSERT_TRUE(pt_wait(10, "UFFDIO_MOVE to move a page",
				    !move_page(self->uffd, self->to.start + at,
					       self->from.start + at)));
	EXPECT_TRUE(tables_go(0, kb + TABLES * PT_TABLE_KB));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/* What comes to have empty tables without a zap: faults that bring no page. */
static sigjmp_buf faulted;

static void on_sigbus(int sig)
{
	siglongjmp(faulted, sig);
}

/* Returns a descriptor to close, or a negative errno. */
static int map_without_pages(struct pt_area *area)
{
	int err, uffd = open_uffd(UFFD_FEATURE_SIGBUS);

	if (uffd < 0)
		return uffd;
	err = pt_area_map(area, PT_ANON, TABLES * PT_TABLE);
	if (!err)
		err = register_area(uffd, area, UFFDIO_REGISTER_MODE_MISSING);
	if (!err)
		return uffd;
	close(uffd);
	return err;
}

static void fault_in_vain(struct pt_area *area)
{
	struct sigaction action = { .sa_handler = on_sigbus }, before;
	/* Kept over the jump */
	static size_t at;

	sigaction(SIGBUS, &action, &before);
	for (at = 0; at < area->bytes; at += PT_TABLE) {
		if (!sigsetjmp(faulted, 1))
			pt_touch(area->start + at);
	}
	sigaction(SIGBUS, &before, NULL);
}

TEST_F_TIMEOUT(marks, test_sweep_finds_what_no_mark_led_to, TEST_SECONDS)
{
	long kb;

	if (access("/proc/sys/vm/unprivileged_userfaultfd", F_OK))
		SKIP(return, "no userfaultfd");
	self->uffd = map_without_pages(&self->area);
	ASSERT_LE(0, self->uffd);
	fault_in_vain(&self->area);
	kb = pt_vmpte_kb(0);
	ASSERT_LE(TABLES * PT_TABLE_KB, kb);

	ASSERT_TRUE(settle());
	EXPECT_LE(kb, pt_vmpte_kb(0) + SLACK_KB);
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));

	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 3));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_LE(self->unmarked + TABLES, pt_vmstat("pt_reclaim_unmarked"));
}

/*
 * Rounds that memory reclaim asks for do not count for the sweep, but for one in each
 * sleep: there may be no others.
 */
#define BUSY_TABLES	64L

/* It takes marks to be asked for tables, and to have a round begin for that. */
static bool rounds_are_hurried(struct pt_area *busy)
{
	pt_area_zap_in_vain(busy);
	return !pt_write_file("/proc/sys/vm/drop_caches", "2");
}

TEST_F_TIMEOUT(marks, test_sweep_comes_while_memory_is_scarce, TEST_SECONDS)
{
	long kb;

	if (access("/proc/sys/vm/unprivileged_userfaultfd", F_OK))
		SKIP(return, "no userfaultfd");
	self->uffd = map_without_pages(&self->area);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON, BUSY_TABLES * PT_TABLE));
	pt_area_zap_in_vain(&self->other);
	/* So that none is counted yet of those to the next one. */
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 1));
	ASSERT_TRUE(settle());
	ASSERT_TRUE(pt_hold_rounds());
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 4));
	fault_in_vain(&self->area);
	kb = pt_vmpte_kb(0);

	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", 300));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "a sweep beside memory reclaim",
			    rounds_are_hurried(&self->other) &&
			    pt_vmpte_kb(0) <= kb - TABLES * PT_TABLE_KB +
					      SLACK_KB));
	EXPECT_LE(self->unmarked + TABLES, pt_vmstat("pt_reclaim_unmarked"));
}

/* Rounds cost what was zapped, and not what there is. */
TEST_F_TIMEOUT(marks, test_tables_without_marks_are_not_looked_at, TEST_SECONDS)
{
	long long scanned;
	size_t at;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, 16 * TABLES * PT_TABLE));
	use_tables(&self->area);
	/* Half of them have had a mark, which has led to a look. */
	for (at = 0; at < self->area.bytes / 2; at += PT_TABLE) {
		self->area.start[at] = 1;
		ASSERT_EQ(0, madvise(self->area.start + at, PT_PAGE,
				     MADV_DONTNEED));
	}
	ASSERT_TRUE(settle());

	scanned = pt_knob("tables_scanned");
	self->area.start[0] = 1;
	ASSERT_EQ(0, madvise(self->area.start, PT_PAGE, MADV_DONTNEED));
	ASSERT_TRUE(settle());
	scanned = pt_knob("tables_scanned") - scanned;
	EXPECT_LE(1, scanned);
	/* Others may have zapped something meanwhile. */
	EXPECT_GT(TABLES, scanned);
}

/* A page of these beside a table has it left alone. */
static int map_tcp_page(char *at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (mmap(at, PT_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != at)
		err = -errno;
	close(fd);
	return err;
}

TEST_F_TIMEOUT(marks, test_unfit_tables_are_asked_once, TEST_SECONDS)
{
	const size_t beside = PT_TABLE - PT_PAGE;
	long long unfit, scanned;
	size_t at;
	int err;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	for (at = beside; at < self->area.bytes; at += PT_TABLE) {
		err = map_tcp_page(self->area.start + at);
		if (err)
			SKIP(return, "no mapping of a socket: %s",
			     strerror(-err));
	}
	use_tables(&self->area);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	unfit = pt_vmstat("pt_reclaim_unfit");
	for (at = 0; at < self->area.bytes; at += PT_TABLE)
		ASSERT_EQ(0, madvise(self->area.start + at, beside,
				     MADV_DONTNEED));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "tables to be found unfit",
			    pt_vmstat("pt_reclaim_unfit") >= unfit + TABLES));
	ASSERT_TRUE(settle());

	scanned = pt_knob("tables_scanned");
	ASSERT_TRUE(settle());
	scanned = pt_knob("tables_scanned") - scanned;
	EXPECT_GT(TABLES, scanned);
	EXPECT_GT(unfit + 2 * TABLES, pt_vmstat("pt_reclaim_unfit"));
	EXPECT_LE(kb - SLACK_KB, pt_vmpte_kb(0));

	/* What was in their way goes, and says so. */
	for (at = beside; at < self->area.bytes; at += PT_TABLE)
		ASSERT_EQ(0, munmap(self->area.start + at, PT_PAGE));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/* Says that it has been loaded, and waits. */
static __noreturn void run_program(int from, int to)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	dup2(from, STDIN_FILENO);
	dup2(to, STDOUT_FILENO);
	execlp("sh", "sh", "-c", "echo; read line", NULL);
	_exit(127);
}

/* The loader unmaps parts of what it has mapped, in every program. */
TEST_F_TIMEOUT(marks, test_who_only_unmaps_is_not_visited, TEST_SECONDS)
{
	int told[2], says[2];
	pid_t pids[16];
	long long mms;
	char said;
	size_t i;

	ASSERT_EQ(0, pipe2(told, O_CLOEXEC));
	ASSERT_EQ(0, pipe2(says, O_CLOEXEC));
	mms = pt_knob("mms");
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			run_program(told[0], says[1]);
	}
	close(says[1]);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		ASSERT_EQ(1, read(says[0], &said, 1));
	EXPECT_GT(mms + (long long)ARRAY_SIZE(pids) / 2, pt_knob("mms"));
	close(told[1]);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		pt_reap(pids[i], 10, "a program to end");
}

/* Nearly every program has a table that is used by one mapping and not by the next. */
TEST_F_TIMEOUT(marks, test_who_only_forks_is_not_visited, TEST_SECONDS)
{
	pid_t pids[16];
	long long mms;
	int done[2];
	char byte;
	size_t i;

	ASSERT_EQ(0, pipe(done));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, PT_TABLE));
	self->area.start[0] = 1;
	self->area.start[PT_TABLE / 2] = 1;
	ASSERT_EQ(0, mprotect(self->area.start + PT_TABLE / 2, PT_TABLE / 2,
			      PROT_READ));
	ASSERT_EQ(0, madvise(self->area.start + PT_TABLE / 2, PT_TABLE / 2,
			     MADV_DONTNEED));
	mms = pt_knob("mms");
	for (i = 0; i < ARRAY_SIZE(pids); i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i]) {
			close(done[1]);
			_exit(read(done[0], &byte, 1) != 0);
		}
	}
	close(done[0]);
	EXPECT_GT(mms + (long long)ARRAY_SIZE(pids) / 2, pt_knob("mms"));
	close(done[1]);
	for (i = 0; i < ARRAY_SIZE(pids); i++)
		EXPECT_EQ(0, pt_reap(pids[i], 10, "a child to exit"));
}

/*
 * A walk of a whole PMD table takes more than one stretch, or turn: the first has
 * cleared the mark of the PMD table, and nothing that it found has set it again.
 */
FIXTURE(parts)
{
	struct pt_area whole;
};

FIXTURE_VARIANT(parts)
{
	unsigned int tables_to_scan;
};

FIXTURE_VARIANT_ADD(parts, stretches) { .tables_to_scan = 65536 };
FIXTURE_VARIANT_ADD(parts, turns) { .tables_to_scan = 64 };

FIXTURE_SETUP(parts)
{
	self->whole.fd = -1;
	ASSERT_TRUE(leave_it_to_marks());
	ASSERT_EQ(0, pt_set_knob("tables_to_scan", variant->tables_to_scan));
	ASSERT_EQ(0, pt_area_map(&self->whole, PT_ANON, 2 * PT_GIB));
}

FIXTURE_TEARDOWN(parts)
{
	pt_area_unmap(&self->whole);
}

TEST_F_TIMEOUT(parts, test_walk_goes_on_in_the_middle, TEST_SECONDS)
{
	struct pt_area all = part_of_gib(&self->whole, 0, GIB_TABLES);
	struct pt_area last = part_of_gib(&self->whole, GIB_TABLES - TABLES,
					  TABLES);
	size_t at;
	long kb;

	use_tables(&all);
	for (at = 0; at < all.bytes; at += PT_TABLE)
		all.start[at] = 1;
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	ASSERT_TRUE(pt_hold_rounds());
	/* All are marked, and the last ones empty. */
	for (at = 0; at < all.bytes; at += PT_TABLE)
		ASSERT_EQ(0, madvise(all.start + at, PT_PAGE, MADV_DONTNEED));
	ASSERT_EQ(0, give_back(&last));
	ASSERT_TRUE(let_rounds_begin());
	EXPECT_TRUE(tables_go(0, kb));
}

/*
 * A stretch may end when the walk is about to enter a PMD table: after so many
 * entries of all levels, of which those without anything below count the same. One
 * table in each GiB, zapped from the last to the first: when its turn comes the
 * walk has met nothing but such entries, one less than for the one before. So one
 * of them is at the very end of a stretch, wherever that is.
 */
#define STRETCH_GIBS	(2048 + 64L)

TEST_F_TIMEOUT(marks, test_stretch_ends_before_a_pmd_table, TEST_SECONDS)
{
	long long rounds;
	size_t at;
	long kb;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, STRETCH_GIBS * PT_GIB));
	for (at = 0; at < self->area.bytes; at += PT_GIB)
		self->area.start[at] = 1;
	ASSERT_TRUE(settle());
	pt_vmpte_kb(0);
	kb = pt_vmpte_kb(0);
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", 1));
	for (at = self->area.bytes; at; at -= PT_GIB) {
		ASSERT_EQ(0, madvise(self->area.start + at - PT_GIB, PT_PAGE,
				     MADV_DONTNEED));
		/* One that was under way, and one that was not. */
		rounds = pt_knob("full_scans") + 2;
		while (pt_knob("full_scans") < rounds)
			pt_pause_ms(1);
	}
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "each of the tables to be freed",
			    pt_vmpte_kb(0) <= kb - STRETCH_GIBS * PT_TABLE_KB));
	EXPECT_EQ(self->unmarked, pt_vmstat("pt_reclaim_unmarked"));
}

/*
 * With the thread held in the middle of a walk, interrupts off, on a CPU that is
 * left to it. See pt_reclaim_gaps.c.
 */
#define FIND_GAP	"/sys/kernel/debug/pt_reclaim_gaps/find"

/*
 * Has the first CPU run something else than this process, so that no flush of ours
 * waits for it: the CPU keeps what it ran last.
 */
static int leave_first_cpu(void)
{
	pid_t pid = fork();

	if (!pid)
		_exit(pt_run_on_cpu(0) != 0);
	return pid < 0 ? -errno : pt_reap(pid, 10, "a child on CPU 0");
}

FIXTURE(held)
{
	struct pt_area whole;
};

FIXTURE_SETUP(held)
{
	cpu_set_t first;

	self->whole.fd = -1;
	if (access(FIND_GAP, W_OK))
		SKIP(return, "needs a kernel with CONFIG_PT_RECLAIM_GAPS");
	if (pt_run_on_cpu(1))
		SKIP(return, "needs two CPUs");
	ASSERT_EQ(0, leave_first_cpu());
	ASSERT_TRUE(leave_it_to_marks());
	CPU_ZERO(&first);
	CPU_SET(0, &first);
	ASSERT_EQ(0, sched_setaffinity(pt_find_thread(), sizeof(first),
				       &first));
	ASSERT_EQ(0, pt_area_map(&self->whole, PT_ANON, 3 * PT_GIB));
}

FIXTURE_TEARDOWN(held)
{
	pt_area_unmap(&self->whole);
}

static bool thread_is_held(void)
{
	char text[64];

	return !pt_read_file(FIND_GAP, text, sizeof(text)) &&
	       !strncmp(text, "open ", 5);
}

/* Armed for the table at @addr. What it takes to look is touched beforehand. */
static int arm_find_gap(const void *addr)
{
	char text[64];

	thread_is_held();
	snprintf(text, sizeof(text), "15000 %lx", (unsigned long)addr);
	return pt_write_file(FIND_GAP, text);
}

/*
 * Does not sleep, here or until the gap is closed: a CPU that is idle may have its
 * timer, and what it reads from the disk, from the one that is held.
 */
static bool thread_comes_to_be_held(void)
{
	double end = pt_now() + 10 * pt_patience();
	bool held;

	do {
		held = thread_is_held();
	} while (!held && pt_now() < end);
	return held;
}

/* Likewise; returns false if the round has ended without that. */
static bool thread_comes_on(long long rounds)
{
	double end = pt_now() + 10 * pt_patience();
	bool held;

	do {
		held = thread_is_held();
	} while (!held && pt_knob("full_scans") == rounds && pt_now() < end);
	return held;
}

/*
 * There is always something marked ahead of the visit. It ends with what there was when
 * it began, and some more.
 */
#define AHEAD_TABLES	64L
#define MOST_STEPS	12

TEST_F_TIMEOUT(held, test_visit_ends_although_there_is_more_ahead, TEST_SECONDS)
{
	struct pt_area part = part_of_gib(&self->whole, 0, AHEAD_TABLES);
	long long rounds;
	int step;

	ASSERT_EQ(0, arm_find_gap(part.start + part.bytes - PT_TABLE));
	pt_area_zap_in_vain(&part);
	ASSERT_TRUE(thread_comes_to_be_held());
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PT_HELD_MS));
	rounds = pt_knob("full_scans");
	for (step = 1; step < MOST_STEPS; step++) {
		part = part_of_gib(&self->whole, step * AHEAD_TABLES,
				   AHEAD_TABLES);
		pt_area_zap_in_vain(&part);
		/* Lets it go. */
		ASSERT_EQ(0, arm_find_gap(part.start + part.bytes - PT_TABLE));
		if (!thread_comes_on(rounds))
			break;
	}
	ASSERT_EQ(0, pt_write_file(FIND_GAP, "0"));
	EXPECT_GT(MOST_STEPS, step);
	EXPECT_LT(1, step);
	TH_LOG("it ended at step %d", step);
}

/* What is marked behind the walk is not found by it, and not lost either. */
TEST_F_TIMEOUT(held, test_zap_behind_the_walk_is_not_lost, TEST_SECONDS)
{
	struct pt_area behind = part_of_gib(&self->whole, 0, TABLES);
	struct pt_area ahead = part_of_gib(&self->whole, TABLES, 1);
	bool held;
	long kb;

	use_tables(&behind);
	use_tables(&ahead);
	ahead.start[0] = 1;
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	ASSERT_EQ(0, arm_find_gap(ahead.start));
	ASSERT_EQ(0, madvise(ahead.start, PT_PAGE, MADV_DONTNEED));
	ASSERT_TRUE(thread_comes_to_be_held());
	EXPECT_EQ(0, give_back(&behind));
	held = thread_is_held();
	ASSERT_EQ(0, pt_write_file(FIND_GAP, "0"));
	EXPECT_TRUE(held);
	EXPECT_TRUE(tables_go(0, kb));
}

/* A PMD table that moves to where the walk has been already, and is not through */
TEST_F_TIMEOUT(held, test_moved_pmd_table_is_marked, TEST_SECONDS)
{
	struct pt_area all = part_of_gib(&self->whole, GIB_TABLES, GIB_TABLES);
	struct pt_area last = part_of_gib(&self->whole, 2 * GIB_TABLES - TABLES,
					  TABLES);
	char *to = all.start - PT_GIB;
	bool held;
	long kb;

	use_tables(&all);
	kb = pt_vmpte_kb(0);
	ASSERT_TRUE(settle());
	ASSERT_TRUE(pt_hold_rounds());
	ASSERT_EQ(0, give_back(&last));
	ASSERT_EQ(0, arm_find_gap(all.start));
	ASSERT_TRUE(let_rounds_begin());
	ASSERT_TRUE(thread_comes_to_be_held());
	EXPECT_EQ(to, mremap(all.start, all.bytes, all.bytes,
			     MREMAP_MAYMOVE | MREMAP_FIXED, to));
	held = thread_is_held();
	ASSERT_EQ(0, pt_write_file(FIND_GAP, "0"));
	EXPECT_TRUE(held);
	EXPECT_TRUE(tables_go(0, kb));
}

/* Fault injection, for the slots of the registry */
#define FAILSLAB	"/sys/kernel/debug/failslab/"
#define SLOT_SLAB	"/sys/kernel/slab/pt_reclaim_mm_slot/failslab"

static int fail_slots(bool on)
{
	static const struct {
		const char *path;
		const char *text;
	} settings[] = {
		{ FAILSLAB "verbose", "0" },
		{ FAILSLAB "task-filter", "N" },
		{ FAILSLAB "interval", "1" },
		{ FAILSLAB "space", "0" },
		{ FAILSLAB "times", "-1" },
		{ FAILSLAB "ignore-gfp-wait", "N" },
		{ FAILSLAB "cache-filter", "Y" },
		{ SLOT_SLAB, "1" },
	};
	int err = 0;
	size_t i;

	for (i = 0; on && !err && i < ARRAY_SIZE(settings); i++)
		err = pt_write_file(settings[i].path, settings[i].text);
	return err ? err : pt_write_file(FAILSLAB "probability",
					 on ? "100" : "0");
}

/* Uses the area, and gives it back, each time that it is told to. */
static __noreturn void waste_when_told(int from, int to, struct pt_area *area)
{
	char letter;

	while (read(from, &letter, 1) == 1) {
		use_tables(area);
		if (give_back(area) || write(to, &letter, 1) != 1)
			_exit(1);
	}
	_exit(0);
}

static bool tell_and_wait(int to, int from)
{
	char letter = 'w';

	return write(to, &letter, 1) == 1 && read(from, &letter, 1) == 1;
}

FIXTURE(slots)
{
	struct pt_area area;
};

FIXTURE_SETUP(slots)
{
	self->area.fd = -1;
	if (access(SLOT_SLAB, W_OK) || access(FAILSLAB, F_OK))
		SKIP(return, "needs fault injection for the registry's slots");
	ASSERT_TRUE(leave_it_to_marks());
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
}

FIXTURE_TEARDOWN(slots)
{
	fail_slots(false);
	pt_area_unmap(&self->area);
}

/* Without memory for a slot the mark is not left; the next one tries again. */
TEST_F_TIMEOUT(slots, test_failed_registration_is_tried_again, TEST_SECONDS)
{
	long long unregistered = pt_vmstat("pt_reclaim_unregistered");
	int told[2], says[2];
	pid_t pid;
	long kb;

	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, pipe(says));
	ASSERT_EQ(0, fail_slots(true));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		close(told[1]);
		waste_when_told(told[0], says[1], &self->area);
	}
	close(told[0]);
	EXPECT_TRUE(tell_and_wait(told[1], says[0]));
	EXPECT_EQ(0, fail_slots(false));
	EXPECT_LT(unregistered, pt_vmstat("pt_reclaim_unregistered"));
	kb = pt_vmpte_kb(pid);
	EXPECT_LE(TABLES * PT_TABLE_KB, kb);
	ASSERT_TRUE(settle());
	EXPECT_LE(kb, pt_vmpte_kb(pid) + SLACK_KB);

	EXPECT_TRUE(tell_and_wait(told[1], says[0]));
	EXPECT_TRUE(tables_go(pid, kb));
	close(told[1]);
	EXPECT_EQ(0, pt_reap(pid, 10, "the child to exit"));
}

int main(int argc, char **argv)
{
	pt_begin();
	return test_harness_run(argc, argv);
}
