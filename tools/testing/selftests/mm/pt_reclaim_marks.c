// SPDX-License-Identifier: GPL-2.0
/*
 * The thread finds empty tables by the marks of those who made them empty. Each
 * test has one of these do so, with all that was marked before looked at and no
 * sweep to come: what it does not mark stays.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <setjmp.h>
#include <signal.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_util.h"

/* Newer than the headers of the oldest distribution we compile on. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	0x2000
#endif

#define SCAN_SLEEP_MS	20
/* So long that no round begins before a test says so */
#define PAUSE_MS	3600000
#define GONE_SECONDS	20
#define TEST_SECONDS	1200
#define TABLES		64L
/* Rounds after which what was marked before has been looked at */
#define SETTLED_ROUNDS	4
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
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PAUSE_MS));
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
	ASSERT_EQ(0, pt_page_out(self->area.start, self->area.bytes, false));
	if (pt_pagemap_count(self->area.start, self->area.bytes,
			     PT_PAGEMAP_SWAPPED) != TABLES)
		SKIP(return, "pages are not swapped out");
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
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PAUSE_MS));
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
		ASSERT_EQ(0, pt_page_out(self->from.start, self->from.bytes,
					 false));
		if (pt_pagemap_count(self->from.start, self->from.bytes,
				     PT_PAGEMAP_SWAPPED) != TABLES)
			SKIP(return, "pages are not swapped out");
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

static void fault_in_vain(struct pt_area *area)
{
	struct sigaction action = { .sa_handler = on_sigbus }, before;
	volatile size_t at;

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

	self->uffd = open_uffd(UFFD_FEATURE_SIGBUS);
	ASSERT_LE(0, self->uffd);
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	ASSERT_EQ(0, register_area(self->uffd, &self->area,
				   UFFDIO_REGISTER_MODE_MISSING));
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

/* Rounds cost what was zapped, and not what there is. */
TEST_F_TIMEOUT(marks, test_tables_without_marks_are_not_looked_at, TEST_SECONDS)
{
	long long scanned;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, 16 * TABLES * PT_TABLE));
	use_tables(&self->area);
	/* One zap, so that the process is visited */
	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON, PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(&self->other));
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

int main(int argc, char **argv)
{
	pt_begin();
	return test_harness_run(argc, argv);
}
