// SPDX-License-Identifier: GPL-2.0
/*
 * The empty page tables of running processes are freed by kptreclaimd: those
 * of every workload there is a measurement of, and those of processes in the
 * circumstances that could stand in the way.
 *
 * What the tests see is VmPTE. It counts PMD tables as well, of which a
 * process has one for each GiB.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/userfaultfd.h>
#include <pthread.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_cgroup.h"
#include "pt_reclaim_harness.h"
#include "pt_reclaim_pagemap_scan.h"
#include "pt_reclaim_workloads.h"

/* Newer than the headers of the oldest distribution we compile on. */
#ifndef UFFD_FEATURE_WP_UNPOPULATED
#define UFFD_FEATURE_WP_UNPOPULATED	0x2000
#endif
#ifndef UFFD_FEATURE_WP_ASYNC
#define UFFD_FEATURE_WP_ASYNC		0x8000
#endif

#define SCAN_SLEEP_MS		200
#define GIVE_BACK_SECONDS	180
#define GONE_SECONDS		30
/* The harness's own limit: past all waits of ours, on the slowest kernel */
#define TEST_SECONDS		2400
#define SLACK_KB		64L
#define SEED			0xfeedULL

/*
 * On a debug kernel the same tables become empty, but fewer pages are used for
 * it: that is the programs' time, which says nothing about the kernel's.
 */
static struct pt_options workload_options(void)
{
	struct pt_options options = {
		.touch_every = pt_slow_kernel() ? 128 << 10 : 0,
	};

	return options;
}

FIXTURE(workload)
{
	struct pt_child child;
	long long system_tables;
};

FIXTURE_VARIANT(workload)
{
	const char *name;
	const char *thp;
	double gone_seconds;
};

FIXTURE_VARIANT_ADD(workload, anon_2m) {
	.name = "anon_2m", .gone_seconds = GONE_SECONDS,
};

FIXTURE_VARIANT_ADD(workload, anon_4k) {
	.name = "anon_4k", .gone_seconds = GONE_SECONDS,
};

FIXTURE_VARIANT_ADD(workload, anon_4k_thp_always) {
	.name = "anon_4k", .gone_seconds = GONE_SECONDS, .thp = "always",
};

FIXTURE_VARIANT_ADD(workload, anon_4k_thp_never) {
	.name = "anon_4k", .gone_seconds = GONE_SECONDS, .thp = "never",
};

/* 49000 tables: fast enough matters here. */
FIXTURE_VARIANT_ADD(workload, sparse) {
	.name = "sparse", .gone_seconds = 10,
};

FIXTURE_VARIANT_ADD(workload, lazyfree) {
	.name = "lazyfree", .gone_seconds = GONE_SECONDS,
};

FIXTURE_VARIANT_ADD(workload, hole_punch) {
	.name = "hole_punch", .gone_seconds = GONE_SECONDS,
};

FIXTURE_VARIANT_ADD(workload, memfd_remove) {
	.name = "memfd_remove", .gone_seconds = GONE_SECONDS,
};

FIXTURE_VARIANT_ADD(workload, memfd_dontneed) {
	.name = "memfd_dontneed", .gone_seconds = GONE_SECONDS,
};

FIXTURE_VARIANT_ADD(workload, many_vmas) {
	.name = "many_vmas", .gone_seconds = GONE_SECONDS,
};

FIXTURE_VARIANT_ADD(workload, jemalloc) {
	.name = "jemalloc", .gone_seconds = GONE_SECONDS,
};

FIXTURE_VARIANT_ADD(workload, tcmalloc) {
	.name = "tcmalloc", .gone_seconds = GONE_SECONDS,
};

FIXTURE_SETUP(workload)
{
	const struct pt_workload *row = pt_find_workload(variant->name);
	struct pt_options options = workload_options();

	ASSERT_NE(NULL, row);
	if (row->library && !pt_workload_library(row))
		SKIP(return, "%s is not installed", row->library);
	if (variant->thp) {
		options.thp = true;
		/* Every page has to be given back then, and that takes time. */
		options.divide = pt_slow_kernel() ? 16 : 4;
		if (pt_set_thp(variant->thp))
			SKIP(return, "this kernel has no huge pages");
	}
	ASSERT_EQ(0, pt_start_thread("always", SCAN_SLEEP_MS));
	self->system_tables = pt_vmstat("nr_page_table_pages");
	ASSERT_EQ(0, pt_child_start(&self->child, row, &options));
}

FIXTURE_TEARDOWN(workload)
{
	pt_child_end(&self->child);
}

TEST_F_TIMEOUT(workload, test_empty_tables_leave_and_data_stay, TEST_SECONDS)
{
	struct pt_child *child = &self->child;
	double given_back;
	long most_kb;

	ASSERT_EQ(0, pt_child_given_back(child, GIVE_BACK_SECONDS));
	given_back = pt_now();
	most_kb = pt_child_limit_kb(child);
	EXPECT_TRUE(pt_wait(variant->gone_seconds,
			    "the process's empty tables to be freed",
			    pt_child_vmpte_kb(child) <= most_kb));
	TH_LOG("VmPTE %ld kB at the start, at most %ld to be left, %ld after %.1f s",
	       child->report.start_kb, most_kb, pt_child_vmpte_kb(child),
	       pt_now() - given_back);

	/* Freed means freed, not just gone from the process's account. */
	EXPECT_TRUE(pt_wait(10, "nr_page_table_pages to go back",
			    pt_vmstat("nr_page_table_pages") -
			    self->system_tables <=
			    (most_kb + SLACK_KB) / PT_TABLE_KB));
	EXPECT_EQ(1, pt_child_verify(child, GIVE_BACK_SECONDS));
}

/* The test's own process has the empty tables. They come to be under never. */
FIXTURE(process)
{
	struct pt_area area;
	struct pt_area other;
	int uffd;
};

FIXTURE_SETUP(process)
{
	self->area.fd = -1;
	self->other.fd = -1;
	self->uffd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_start_thread("never", SCAN_SLEEP_MS));
	pt_vmpte_kb(0);
}

FIXTURE_TEARDOWN(process)
{
	if (self->uffd >= 0)
		close(self->uffd);
	pt_area_unmap(&self->area);
	pt_area_unmap(&self->other);
}

static bool tables_left_at_most(pid_t pid, long kb)
{
	return pt_wait(GONE_SECONDS, "empty tables to be freed",
		       pt_vmpte_kb(pid) <= kb);
}

/* A pattern in the first page under each table, and whether it is there */
static void fill_tables(struct pt_area *area, long from, long to)
{
	long table;

	for (table = from; table < to; table++)
		pt_fill_page(area->start + table * PT_TABLE, SEED, table);
}

static bool tables_intact(const char *start, long from, long to)
{
	long table;

	for (table = from; table < to; table++) {
		if (!pt_page_is_intact(start + table * PT_TABLE, SEED, table)) {
			pt_note("the page under table %ld is damaged", table);
			return false;
		}
	}
	return true;
}

/* fork() copies empty tables too: a child begins with its parent's waste. */
TEST_F_TIMEOUT(process, test_parent_and_child_lose_their_empty_tables,
	       TEST_SECONDS)
{
	long tables = 512, live = 4, start_kb;
	int done[2];
	pid_t pid;

	ASSERT_EQ(0, pipe(done));
	start_kb = pt_vmpte_kb(0);
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, tables * PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(&self->area));
	fill_tables(&self->area, 0, live);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char byte;

		close(done[1]);
		if (read(done[0], &byte, 1) != 0)
			_exit(2);
		_exit(!tables_intact(self->area.start, 0, live));
	}
	close(done[0]);
	EXPECT_LE(tables * PT_TABLE_KB, pt_vmpte_kb(pid));

	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_TRUE(tables_left_at_most(0, start_kb + SLACK_KB));
	EXPECT_TRUE(tables_left_at_most(pid, start_kb + SLACK_KB));
	EXPECT_TRUE(tables_intact(self->area.start, 0, live));
	close(done[1]);
	EXPECT_EQ(0, pt_reap(pid, 10, "the child to verify its data"));
}

/*
 * What MREMAP_DONTUNMAP leaves behind is a mapping without pages. Moved by one
 * page, so that entries are moved and not whole tables.
 */
TEST_F_TIMEOUT(process, test_tables_left_by_mremap_dontunmap_leave,
	       TEST_SECONDS)
{
	long tables = 64, full_kb;
	char *to;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, tables * PT_TABLE));
	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON,
				 (tables + 1) * PT_TABLE));
	fill_tables(&self->area, 0, tables);
	to = mremap(self->area.start, self->area.bytes, self->area.bytes,
		    MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
		    self->other.start + PT_PAGE);
	ASSERT_EQ(self->other.start + PT_PAGE, to);
	full_kb = pt_vmpte_kb(0);
	ASSERT_LE(2 * tables * PT_TABLE_KB, full_kb);

	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_TRUE(tables_left_at_most(0, full_kb - tables * PT_TABLE_KB));
	ASSERT_TRUE(pt_wait_rounds(2));
	EXPECT_LE(tables * PT_TABLE_KB, pt_vmpte_kb(0));
	EXPECT_TRUE(tables_intact(to, 0, tables));
	EXPECT_TRUE(pt_page_is_zero(self->area.start));
}

/* A swapped page is not none: its table stays, its neighbour's goes. */
TEST_F_TIMEOUT(process, test_swapped_pages_keep_their_tables, TEST_SECONDS)
{
	long tables = 128, live = 64, full_kb;
	size_t live_bytes = live * PT_TABLE;
	char swaps[4096];

	/* The first line is a heading. */
	if (pt_read_file("/proc/swaps", swaps, sizeof(swaps)) ||
	    !strchr(swaps, '\n'))
		SKIP(return, "no swap is in use");
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, tables * PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(&self->area));
	fill_tables(&self->area, 0, live);
	ASSERT_EQ(0, pt_page_out(self->area.start, live_bytes, false));
	ASSERT_EQ(live, pt_pagemap_count(self->area.start, live_bytes,
					 PT_PAGEMAP_SWAPPED));
	full_kb = pt_vmpte_kb(0);

	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_TRUE(tables_left_at_most(0, full_kb - (tables - live) *
					PT_TABLE_KB));
	ASSERT_TRUE(pt_wait_rounds(2));
	EXPECT_EQ(live, pt_pagemap_count(self->area.start, live_bytes,
					 PT_PAGEMAP_SWAPPED));
	EXPECT_TRUE(tables_intact(self->area.start, 0, live));
}

/* Locked memory can be given back by those who ask for it by name. */
FIXTURE(locked)
{
	struct pt_area area;
	long start_kb;
};

FIXTURE_VARIANT(locked)
{
	int all;		/* mlockall()'s flags */
	bool each;		/* mlock2() ... */
	int each_flags;		/* ... with these */
};

FIXTURE_VARIANT_ADD(locked, mlockall_onfault) {
	.all = MCL_CURRENT | MCL_FUTURE | MCL_ONFAULT,
};

FIXTURE_VARIANT_ADD(locked, mlock_onfault) {
	.each = true, .each_flags = MLOCK_ONFAULT,
};

FIXTURE_VARIANT_ADD(locked, mlock) {
	.each = true,
};

FIXTURE_SETUP(locked)
{
	self->area.fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_start_thread("always", SCAN_SLEEP_MS));
	pt_vmpte_kb(0);
	self->start_kb = pt_vmpte_kb(0);
	if (variant->all)
		ASSERT_EQ(0, mlockall(variant->all));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, 128 * PT_TABLE));
	if (variant->each)
		ASSERT_EQ(0, mlock2(self->area.start, self->area.bytes,
				    variant->each_flags));
}

FIXTURE_TEARDOWN(locked)
{
	munlockall();
	pt_area_unmap(&self->area);
}

TEST_F_TIMEOUT(locked, test_empty_tables_leave, TEST_SECONDS)
{
	char *rest = self->area.start + PT_TABLE;

	fill_tables(&self->area, 0, self->area.bytes / PT_TABLE);
	ASSERT_EQ(0, madvise(rest, self->area.bytes - PT_TABLE,
			     MADV_DONTNEED_LOCKED));
	EXPECT_TRUE(tables_left_at_most(0, self->start_kb + SLACK_KB));
	EXPECT_TRUE(tables_intact(self->area.start, 0, 1));
	EXPECT_TRUE(pt_page_is_zero(rest));
}

/* Markers of userfaultfd's write protection are not none either. */
FIXTURE(uffd_wp)
{
	struct pt_area area;
	int uffd;
};

FIXTURE_VARIANT(uffd_wp)
{
	enum pt_backing backing;
};

FIXTURE_VARIANT_ADD(uffd_wp, anon) { .backing = PT_ANON };
FIXTURE_VARIANT_ADD(uffd_wp, shmem) { .backing = PT_SHMEM };
FIXTURE_VARIANT_ADD(uffd_wp, memfd) { .backing = PT_MEMFD };

static int open_uffd_wp(struct pt_area *area, __u64 more_features)
{
	struct uffdio_api api = {
		.api = UFFD_API,
		.features = UFFD_FEATURE_PAGEFAULT_FLAG_WP |
			    UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
			    UFFD_FEATURE_WP_UNPOPULATED | more_features,
	};
	struct uffdio_register reg = {
		.range = {
			.start = (uintptr_t)area->start,
			.len = area->bytes,
		},
		.mode = UFFDIO_REGISTER_MODE_WP,
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

FIXTURE_SETUP(uffd_wp)
{
	self->area.fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_start_thread("never", SCAN_SLEEP_MS));
	ASSERT_EQ(0, pt_area_map(&self->area, variant->backing, 64 * PT_TABLE));
	self->uffd = open_uffd_wp(&self->area, 0);
	if (self->uffd < 0)
		SKIP(return, "no write protection by userfaultfd: %s",
		     strerror(-self->uffd));
}

FIXTURE_TEARDOWN(uffd_wp)
{
	close(self->uffd);
	pt_area_unmap(&self->area);
}

TEST_F_TIMEOUT(uffd_wp, test_markers_survive_and_empty_tables_leave,
	       TEST_SECONDS)
{
	size_t half = self->area.bytes / 2;
	struct uffdio_writeprotect protect = {
		.range = {
			.start = (uintptr_t)self->area.start,
			.len = half,
		},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};
	long tables = half / PT_TABLE;
	long full_kb;
	char *rest;

	/* The tables become empty first, and then one half has markers. */
	ASSERT_EQ(0, pt_area_waste(&self->area));
	ASSERT_EQ(0, ioctl(self->uffd, UFFDIO_WRITEPROTECT, &protect));
	rest = self->area.start + half;
	full_kb = pt_vmpte_kb(0);

	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_TRUE(tables_left_at_most(0, full_kb - tables * PT_TABLE_KB));
	ASSERT_TRUE(pt_wait_rounds(2));
	EXPECT_EQ((long)(half / PT_PAGE),
		  pt_pagemap_count(self->area.start, half,
				   PT_PAGEMAP_UFFD_WP));
	EXPECT_EQ(0L, pt_pagemap_count(rest, half, PT_PAGEMAP_UFFD_WP));
	/* What is not protected can be written without anybody's help. */
	pt_fill_page(rest, SEED, 0);
	EXPECT_TRUE(pt_page_is_intact(rest, SEED, 0));
}

/* Pages of all these categories, says PAGEMAP_SCAN with @flags; negative errno */
static long scan(char *start, size_t bytes, __u64 categories, __u64 flags)
{
	struct page_region found[64];
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = flags,
		.start = (uintptr_t)start,
		.end = (uintptr_t)start + bytes,
		.vec = (uintptr_t)found,
		.vec_len = ARRAY_SIZE(found),
		.category_mask = categories,
		.return_mask = categories,
	};
	int fd = pt_pagemap_open();
	long regions, pages = 0;

	if (fd < 0)
		return fd;
	regions = ioctl(fd, PAGEMAP_SCAN, &arg);
	close(fd);
	if (regions < 0)
		return -errno;
	if (arg.walk_end != arg.end)
		return -E2BIG;
	while (regions--)
		pages += (found[regions].end - found[regions].start) / PT_PAGE;
	return pages;
}

static long pages_written(struct pt_area *area)
{
	return scan(area->start, area->bytes, PAGE_IS_WRITTEN, 0);
}

static bool empty_tables_are_taken(struct pt_area *area)
{
	long kb = pt_vmpte_kb(0);

	return !madvise(area->start, area->bytes, MADV_PT_RECLAIM) &&
	       pt_vmpte_kb(0) <= kb - (long)(area->bytes / PT_TABLE) *
				     PT_TABLE_KB;
}

/* Wastes the area's tables; @after: pages said to be written without them */
static void compare_scans(struct __test_metadata *_metadata,
			  struct pt_area *area, long after)
{
	long written;

	ASSERT_EQ(0, pt_area_waste(area));
	written = pages_written(area);
	if (written == -ENOTTY)
		SKIP(return, "no PAGEMAP_SCAN");
	EXPECT_EQ((long)(area->bytes / PT_PAGE), written);
	ASSERT_TRUE(empty_tables_are_taken(area));
	EXPECT_EQ(after, pages_written(area));
}

/* What was zapped was written, whether there is a table to say so or not. */
TEST_F_TIMEOUT(uffd_wp, test_pagemap_scan_is_the_same_without_tables,
	       TEST_SECONDS)
{
	compare_scans(_metadata, &self->area, self->area.bytes / PT_PAGE);
}

/*
 * Where nobody asked for write protection, "written" is a question without a
 * meaning: zapped pages are while they have a table, and ranges that have none
 * are not. The documentation tells.
 */
TEST_F_TIMEOUT(process, test_pagemap_scan_of_plain_memory, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, 8 * PT_TABLE));
	compare_scans(_metadata, &self->area, 0);
}

/*
 * A huge page of a file, of which PAGEMAP_SCAN is asked what was written since it was
 * asked last. Whatever splits it, or takes it away, is no write to its pages.
 */
#define PART	(7 * PT_PAGE)

static int write_a_page(struct pt_area *area)
{
	area->start[PART] = 2;
	return 0;
}

static int protect_a_page(struct pt_area *area)
{
	return mprotect(area->start + PART, PT_PAGE, PROT_READ);
}

static int drop_a_page(struct pt_area *area)
{
	return madvise(area->start + PART, PT_PAGE, MADV_DONTNEED);
}

static int drop_all(struct pt_area *area)
{
	return madvise(area->start, area->bytes, MADV_DONTNEED);
}

static int page_all_out(struct pt_area *area)
{
	return madvise(area->start, area->bytes, MADV_PAGEOUT);
}

static int punch_a_page(struct pt_area *area)
{
	return madvise(area->start + PART, PT_PAGE, MADV_REMOVE);
}

static int punch_all(struct pt_area *area)
{
	return madvise(area->start, area->bytes, MADV_REMOVE);
}

FIXTURE(huge_file)
{
	struct pt_area area;
	int uffd;
};

FIXTURE_VARIANT(huge_file)
{
	int (*change)(struct pt_area *area);
	long written;
};

FIXTURE_VARIANT_ADD(huge_file, page_written) { write_a_page, 1 };
FIXTURE_VARIANT_ADD(huge_file, page_protected) { protect_a_page, 0 };
FIXTURE_VARIANT_ADD(huge_file, page_dropped) { drop_a_page, 0 };
FIXTURE_VARIANT_ADD(huge_file, all_dropped) { drop_all, 0 };
FIXTURE_VARIANT_ADD(huge_file, all_paged_out) { page_all_out, 0 };
FIXTURE_VARIANT_ADD(huge_file, page_punched) { punch_a_page, 0 };
FIXTURE_VARIANT_ADD(huge_file, all_punched) { punch_all, 0 };

FIXTURE_SETUP(huge_file)
{
	self->area.fd = -1;
	self->uffd = -1;
	ASSERT_EQ(0, pt_start_thread("never", SCAN_SLEEP_MS));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_MEMFD, PT_TABLE));
	memset(self->area.start, 1, PT_TABLE);
	if (madvise(self->area.start, PT_TABLE, MADV_COLLAPSE))
		SKIP(return, "MADV_COLLAPSE does not work on memfds: %s",
		     strerror(errno));
	self->uffd = open_uffd_wp(&self->area, UFFD_FEATURE_WP_ASYNC);
	if (self->uffd < 0)
		SKIP(return, "no asynchronous write protection by userfaultfd: %s",
		     strerror(-self->uffd));
}

FIXTURE_TEARDOWN(huge_file)
{
	if (self->uffd >= 0)
		close(self->uffd);
	pt_area_unmap(&self->area);
}

static long pages_huge(struct pt_area *area)
{
	return scan(area->start, area->bytes, PAGE_IS_PRESENT | PAGE_IS_HUGE, 0);
}

/* Whoever asks protects what he is told, to be told when it is written again. */
static long scan_and_protect(char *start, size_t bytes, __u64 categories)
{
	return scan(start, bytes, categories,
		    PM_SCAN_WP_MATCHING | PM_SCAN_CHECK_WPASYNC);
}

static void change_and_scan(struct __test_metadata *_metadata,
			    struct pt_area *area,
			    int (*change)(struct pt_area *area), long written)
{
	EXPECT_EQ(0L, pages_written(area));
	pt_touch(area->start + PART);
	EXPECT_EQ(0L, pages_written(area));
	ASSERT_EQ(0, change(area));
	EXPECT_EQ(written, pages_written(area));
}

TEST_F_TIMEOUT(huge_file, test_what_was_scanned_stays_protected, TEST_SECONDS)
{
	const long pages = PT_TABLE_PAGES;

	pt_touch(self->area.start);
	ASSERT_EQ(pages, pages_huge(&self->area));
	EXPECT_EQ(pages, scan_and_protect(self->area.start, PT_TABLE,
					  PAGE_IS_WRITTEN | PAGE_IS_PRESENT |
					  PAGE_IS_HUGE));
	change_and_scan(_metadata, &self->area, variant->change,
			variant->written);
}

/* In two parts, of which the second has no huge page any more */
TEST_F_TIMEOUT(huge_file, test_part_that_was_scanned_stays_protected,
	       TEST_SECONDS)
{
	const size_t half = PT_TABLE / 2;
	const long pages = half / PT_PAGE;

	pt_touch(self->area.start);
	ASSERT_EQ(2 * pages, pages_huge(&self->area));
	EXPECT_EQ(pages, scan_and_protect(self->area.start, half,
					  PAGE_IS_WRITTEN | PAGE_IS_PRESENT |
					  PAGE_IS_HUGE));
	EXPECT_EQ(pages, pages_written(&self->area));
	EXPECT_EQ(pages, scan_and_protect(self->area.start + half, half,
					  PAGE_IS_WRITTEN));
	change_and_scan(_metadata, &self->area, variant->change,
			variant->written);
}

/*
 * A mapping of small pages gets a huge one instead when its table has gone. Its users
 * must not be told of writes that were none because of that.
 */
TEST_F_TIMEOUT(huge_file, test_protection_is_the_same_without_the_table,
	       TEST_SECONDS)
{
	const long pages = PT_TABLE_PAGES;
	char *start = self->area.start;

	ASSERT_EQ(0, madvise(start, PT_TABLE, MADV_NOHUGEPAGE));
	ASSERT_EQ(0, drop_all(&self->area));
	pt_touch(start);
	ASSERT_EQ(0L, pages_huge(&self->area));
	ASSERT_EQ(0, drop_all(&self->area));
	ASSERT_EQ(0, madvise(start, PT_TABLE, MADV_HUGEPAGE));
	pt_touch(start);
	ASSERT_EQ(0L, pages_huge(&self->area));
	ASSERT_EQ(0, drop_all(&self->area));
	ASSERT_TRUE(empty_tables_are_taken(&self->area));
	pt_touch(start);
	ASSERT_EQ(pages, pages_huge(&self->area));

	EXPECT_EQ(pages, scan_and_protect(start, PT_TABLE, PAGE_IS_WRITTEN));
	change_and_scan(_metadata, &self->area, variant->change,
			variant->written);
}

/*
 * Threads that use and give back pages of their own, as long as they are let:
 * many more than there are CPUs, which they keep busy.
 */
#define THREADS		64
#define THREAD_PAUSE_MS	2

static struct {
	char *start;
	bool stop;
	int wrong;
	unsigned long rounds;
} busy;

static void *be_busy(void *arg)
{
	size_t thread = (size_t)arg;
	char *page = busy.start + thread * PT_TABLE / 4;
	unsigned long round;

	for (round = 0; !__atomic_load_n(&busy.stop, __ATOMIC_RELAXED);
	     round++) {
		if (!pt_page_is_zero(page))
			__atomic_fetch_add(&busy.wrong, 1, __ATOMIC_RELAXED);
		pt_fill_page(page, thread, round);
		pt_pause_ms(THREAD_PAUSE_MS);
		if (!pt_page_is_intact(page, thread, round) ||
		    madvise(page, PT_PAGE, MADV_DONTNEED))
			__atomic_fetch_add(&busy.wrong, 1, __ATOMIC_RELAXED);
		pt_pause_ms(THREAD_PAUSE_MS);
		__atomic_fetch_add(&busy.rounds, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

TEST_F_TIMEOUT(process, test_tables_leave_while_64_threads_fault, TEST_SECONDS)
{
	long tables = 4096, start_kb;
	pthread_t threads[THREADS];
	unsigned long rounds;
	size_t i;

	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON,
				 THREADS * PT_TABLE / 4));
	busy.start = self->other.start;
	for (i = 0; i < THREADS; i++)
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, be_busy,
					    (void *)i));
	ASSERT_TRUE(pt_wait(10, "all threads to be at work",
			    __atomic_load_n(&busy.rounds, __ATOMIC_RELAXED) >
			    2 * THREADS));
	start_kb = pt_vmpte_kb(0);
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, tables * PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(&self->area));
	ASSERT_LE(tables * PT_TABLE_KB, pt_vmpte_kb(0));

	rounds = busy.rounds;
	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_TRUE(pt_wait(2 * GONE_SECONDS, "empty tables to be freed",
			    pt_vmpte_kb(0) <= start_kb + SLACK_KB));
	EXPECT_TRUE(pt_wait(30, "all threads to have gone on",
			    __atomic_load_n(&busy.rounds, __ATOMIC_RELAXED) >
			    rounds + 2 * THREADS));
	__atomic_store_n(&busy.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++)
		pthread_join(threads[i], NULL);
	EXPECT_EQ(0, busy.wrong);
	TH_LOG("%lu rounds of all threads meanwhile", busy.rounds - rounds);
}

/* Tables are charged to a cgroup, and uncharged when they are freed. */
FIXTURE(memcg)
{
	struct pt_child child;
	struct pt_cgroups cgroups;
	struct pt_group group;
};

static const struct pt_workload charged = {
	.name = "charged",
	.bytes = 4 * PT_GIB,
	.backing = PT_ANON,
	.release = PT_DONTNEED,
	.touch_every = PT_TABLE,
	.release_bytes = PT_TABLE,
};

static const struct pt_group *joined;

/* The child moves itself before it uses memory. */
static int join_group(void)
{
	return pt_group_join(joined, 0);
}

static long long group_pagetables(const struct pt_group *group)
{
	return pt_group_stat(group, "memory.stat", "pagetables");
}

FIXTURE_SETUP(memcg)
{
	if (!pt_cgroups_find(&self->cgroups))
		SKIP(return, "no cgroup2 with a memory controller");
	ASSERT_EQ(0, pt_group_make(&self->group, &self->cgroups, "charged"));
	joined = &self->group;
	ASSERT_EQ(0, pt_start_thread("never", SCAN_SLEEP_MS));
}

FIXTURE_TEARDOWN(memcg)
{
	pt_child_end(&self->child);
	pt_group_remove(&self->group);
	pt_cgroups_leave(&self->cgroups);
}

TEST_F_TIMEOUT(memcg, test_freed_tables_are_uncharged, TEST_SECONDS)
{
	struct pt_options options = { .prepare = join_group };
	long long tables = charged.bytes / PT_TABLE;
	long long bytes = tables * PT_PAGE;

	ASSERT_EQ(0, pt_child_start(&self->child, &charged, &options));
	ASSERT_EQ(0, pt_child_given_back(&self->child, GIVE_BACK_SECONDS));
	if (group_pagetables(&self->group) < 0)
		SKIP(return, "memory.stat does not tell page tables");
	EXPECT_TRUE(pt_wait(5, "the tables to be charged",
			    group_pagetables(&self->group) >= bytes));
	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "the tables to be uncharged",
			    group_pagetables(&self->group) <=
			    pt_child_limit_kb(&self->child) << 10));
	EXPECT_EQ(1, pt_child_verify(&self->child, GIVE_BACK_SECONDS));
}

int main(int argc, char **argv)
{
	pt_begin();
	return test_harness_run(argc, argv);
}
