// SPDX-License-Identifier: GPL-2.0
/*
 * madvise(MADV_PT_RECLAIM): which tables it takes, which it leaves, and what
 * it answers. The thread does nothing meanwhile, so that the size of all page
 * tables tells exactly how many have gone.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_util.h"

#define TABLES		8L
#define SEED		1234567ULL
#define BATCH		512L	/* tables to a TLB flush, at most */

/* 0 or a negative errno */
static int reclaim(void *start, size_t bytes)
{
	return madvise(start, bytes, MADV_PT_RECLAIM) ? -errno : 0;
}

static char *table_at(struct pt_area *area, long table)
{
	return area->start + table * PT_TABLE;
}

/*
 * How many tables the call took. VmPTE is looked at once beforehand, because
 * looking uses memory itself.
 */
static long taken_by(void *start, size_t bytes, int *err)
{
	long before;

	pt_vmpte_kb(0);
	before = pt_vmpte_kb(0);
	*err = reclaim(start, bytes);
	return (before - pt_vmpte_kb(0)) / PT_TABLE_KB;
}

FIXTURE(madvise)
{
	struct pt_area area;
	int err;
};

FIXTURE_VARIANT(madvise)
{
	enum pt_backing backing;
};

FIXTURE_VARIANT_ADD(madvise, anon) { .backing = PT_ANON };
FIXTURE_VARIANT_ADD(madvise, shmem) { .backing = PT_SHMEM };
FIXTURE_VARIANT_ADD(madvise, memfd) { .backing = PT_MEMFD };
FIXTURE_VARIANT_ADD(madvise, private_file) { .backing = PT_PRIVATE_FILE };

FIXTURE_SETUP(madvise)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_area_map(&self->area, variant->backing,
				 TABLES * PT_TABLE));
}

FIXTURE_TEARDOWN(madvise)
{
	pt_area_unmap(&self->area);
}

TEST_F(madvise, test_tables_inside_the_range_are_gone)
{
	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_EQ(TABLES, taken_by(self->area.start, self->area.bytes,
				   &self->err));
	EXPECT_EQ(0, self->err);
}

TEST_F(madvise, test_tables_outside_the_range_stay)
{
	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_EQ(2L, taken_by(table_at(&self->area, 3), 2 * PT_TABLE,
			       &self->err));
	EXPECT_EQ(0, self->err);
	EXPECT_EQ(TABLES - 2, taken_by(self->area.start, self->area.bytes,
				       &self->err));
}

TEST_F(madvise, test_empty_tables_at_the_edges_are_gone)
{
	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_EQ(TABLES, taken_by(self->area.start + PT_TABLE - PT_PAGE,
				   self->area.bytes - 2 * PT_TABLE +
				   2 * PT_PAGE, &self->err));
	EXPECT_EQ(0, self->err);
}

TEST_F(madvise, test_one_page_is_range_enough)
{
	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_EQ(1L, taken_by(table_at(&self->area, 2) + 7 * PT_PAGE, PT_PAGE,
			       &self->err));
	EXPECT_EQ(0, self->err);
}

/* The range begins and ends beside pages that are not given back. */
TEST_F(madvise, test_edges_with_a_page_outside_stay)
{
	char *first = self->area.start;
	char *last = self->area.start + self->area.bytes - PT_PAGE;

	ASSERT_EQ(0, pt_area_waste(&self->area));
	pt_fill_page(first, SEED, 0);
	pt_fill_page(last, SEED, 1);
	EXPECT_EQ(TABLES - 2, taken_by(first + PT_PAGE, self->area.bytes -
				       2 * PT_PAGE, &self->err));
	EXPECT_EQ(0, self->err);
	EXPECT_TRUE(pt_page_is_intact(first, SEED, 0));
	EXPECT_TRUE(pt_page_is_intact(last, SEED, 1));
}

static char *somewhere(struct pt_area *area, long table)
{
	return table_at(area, table) + table * 73 % PT_TABLE_PAGES * PT_PAGE;
}

TEST_F(madvise, test_table_with_one_page_stays)
{
	char *page;
	long table;

	ASSERT_EQ(0, pt_area_waste(&self->area));
	for (table = 0; table < TABLES; table++) {
		page = somewhere(&self->area, table);
		pt_fill_page(page, SEED, table);
	}
	EXPECT_EQ(0L, taken_by(self->area.start, self->area.bytes, &self->err));
	EXPECT_EQ(0, self->err);
	for (table = 0; table < TABLES; table++) {
		page = somewhere(&self->area, table);
		EXPECT_TRUE(pt_page_is_intact(page, SEED, table));
	}
}

TEST_F(madvise, test_nothing_empty_is_no_error)
{
	EXPECT_EQ(0L, taken_by(self->area.start, self->area.bytes, &self->err));
	EXPECT_EQ(0, self->err);
}

TEST_F(madvise, test_second_call_finds_nothing)
{
	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_EQ(TABLES, taken_by(self->area.start, self->area.bytes,
				   &self->err));
	EXPECT_EQ(0L, taken_by(self->area.start, self->area.bytes, &self->err));
	EXPECT_EQ(0, self->err);
}

/* Pages of a file are only unmapped by waste(): its content must be back. */
TEST_F(madvise, test_memory_is_usable_afterwards)
{
	bool file = variant->backing == PT_SHMEM ||
		    variant->backing == PT_MEMFD;
	long table;

	ASSERT_EQ(0, pt_area_waste(&self->area));
	ASSERT_EQ(0, reclaim(self->area.start, self->area.bytes));
	for (table = 0; table < TABLES; table++) {
		EXPECT_EQ(file ? 1 : 0, *table_at(&self->area, table));
		pt_fill_page(table_at(&self->area, table), SEED, table);
	}
	ASSERT_EQ(0, reclaim(self->area.start, self->area.bytes));
	for (table = 0; table < TABLES; table++)
		EXPECT_TRUE(pt_page_is_intact(table_at(&self->area, table),
					      SEED, table));
}

TEST_F(madvise, test_tables_under_several_vmas_are_gone)
{
	size_t quarter = PT_TABLE / 4;
	size_t at;

	ASSERT_EQ(0, pt_area_waste(&self->area));
	for (at = 0; at < self->area.bytes; at += 2 * quarter)
		ASSERT_EQ(0, madvise(self->area.start + at, quarter,
				     MADV_DONTDUMP));
	EXPECT_EQ(TABLES, taken_by(self->area.start, self->area.bytes,
				   &self->err));
	EXPECT_EQ(0, self->err);
}

/* The page belongs to the VMA that the range does not touch. */
TEST_F(madvise, test_neighbour_vma_keeps_its_table)
{
	char *half = self->area.start + PT_TABLE / 2;

	ASSERT_EQ(0, pt_area_waste(&self->area));
	ASSERT_EQ(0, madvise(half, PT_TABLE / 2, MADV_DONTDUMP));
	pt_fill_page(half, SEED, 0);
	EXPECT_EQ(0L, taken_by(self->area.start, PT_TABLE / 2, &self->err));
	EXPECT_EQ(0, self->err);
	EXPECT_TRUE(pt_page_is_intact(half, SEED, 0));
}

TEST_F(madvise, test_hole_is_enomem_and_the_rest_is_done)
{
	ASSERT_EQ(0, pt_area_waste(&self->area));
	ASSERT_EQ(0, munmap(table_at(&self->area, 3), PT_TABLE));
	EXPECT_EQ(TABLES - 1, taken_by(self->area.start, self->area.bytes,
				       &self->err));
	EXPECT_EQ(-ENOMEM, self->err);
}

TEST_F(madvise, test_unmapped_range_is_enomem)
{
	char *hole = table_at(&self->area, 3);

	ASSERT_EQ(0, munmap(hole, PT_TABLE));
	EXPECT_EQ(-ENOMEM, reclaim(hole, PT_TABLE));
}

TEST_F(madvise, test_bad_ranges_are_einval_and_take_nothing)
{
	char *start = self->area.start;

	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_EQ(0L, taken_by(start + 1, PT_TABLE, &self->err));
	EXPECT_EQ(-EINVAL, self->err);
	EXPECT_EQ(0L, taken_by(start + 100, 0, &self->err));
	EXPECT_EQ(-EINVAL, self->err);
	EXPECT_EQ(0L, taken_by(start, -PT_TABLE, &self->err));
	EXPECT_EQ(-EINVAL, self->err);
	EXPECT_EQ(0L, taken_by(start, SIZE_MAX, &self->err));
	EXPECT_EQ(-EINVAL, self->err);
}

TEST_F(madvise, test_empty_range_does_nothing)
{
	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_EQ(0L, taken_by(self->area.start, 0, &self->err));
	EXPECT_EQ(0, self->err);
}

TEST_F(madvise, test_works_in_every_mode)
{
	static const char * const modes[] = { "never", "madvise", "always" };
	size_t i;

	/* The thread must not be there first. */
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", 60000));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, pt_set_mode(modes[i]));
		ASSERT_EQ(0, pt_area_waste(&self->area));
		EXPECT_LE(TABLES, taken_by(self->area.start, self->area.bytes,
					   &self->err));
		EXPECT_EQ(0, self->err);
	}
}

TEST_F(madvise, test_works_for_a_process_that_opted_out)
{
	ASSERT_EQ(0, prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_DISABLE, 0, 0, 0));
	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_EQ(TABLES, taken_by(self->area.start, self->area.bytes,
				   &self->err));
	EXPECT_EQ(0, self->err);
}

FIXTURE(batch)
{
	struct pt_area area;
};

FIXTURE_SETUP(batch)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
}

FIXTURE_TEARDOWN(batch)
{
	pt_area_unmap(&self->area);
}

TEST_F_TIMEOUT(batch, test_one_flush_for_many_tables, 300)
{
	long tables = 4 * BATCH;
	long long reclaimed, flushes;
	int err;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, tables * PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(&self->area));
	flushes = pt_vmstat("pt_reclaim_flush");
	reclaimed = pt_vmstat("pt_reclaim_reclaimed");
	ASSERT_LE(0LL, flushes);
	ASSERT_LE(0LL, reclaimed);

	ASSERT_EQ(tables, taken_by(self->area.start, self->area.bytes, &err));
	ASSERT_EQ(0, err);
	flushes = pt_vmstat("pt_reclaim_flush") - flushes;
	EXPECT_EQ((long long)tables,
		  pt_vmstat("pt_reclaim_reclaimed") - reclaimed);
	EXPECT_LE(1LL, flushes);
	EXPECT_GE(tables / BATCH + 1, (long)flushes);
}

static struct {
	bool idle;
	int ready;
	int naps;
	int stop;
} neighbour;

/* Is on CPU 1: all the while, or was there last before it became idle. */
static void *be_a_neighbour(void *unused)
{
	(void)unused;
	if (pt_run_on_cpu(1))
		return "cannot run on CPU 1";
	__atomic_store_n(&neighbour.ready, 1, __ATOMIC_RELEASE);
	while (!__atomic_load_n(&neighbour.stop, __ATOMIC_ACQUIRE)) {
		if (neighbour.idle)
			pt_pause_ms(1000);
	}
	return NULL;
}

/*
 * Idle CPUs are interrupted as well: what they have cached of the tables that
 * go must not be used when they wake up. So it is the batch that keeps the
 * number small, for nohz_full CPUs too.
 */
static void count_interrupts(struct __test_metadata *_metadata,
			     struct pt_area *area, bool idle)
{
	long tables = 4 * BATCH;
	long long interrupts;
	pthread_t thread;
	void *problem;
	int err;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one CPU only");
	neighbour.idle = idle;
	neighbour.ready = 0;
	neighbour.stop = 0;
	ASSERT_EQ(0, pt_run_on_cpu(0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, be_a_neighbour, NULL));
	ASSERT_EQ(0, pt_area_map(area, PT_ANON, tables * PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(area));
	ASSERT_TRUE(pt_wait(30, "a thread on CPU 1",
			    __atomic_load_n(&neighbour.ready,
					    __ATOMIC_ACQUIRE)));

	interrupts = pt_flushes_of_cpu_1();
	ASSERT_EQ(tables, taken_by(area->start, area->bytes, &err));
	ASSERT_EQ(0, err);
	interrupts = pt_flushes_of_cpu_1() - interrupts;
	__atomic_store_n(&neighbour.stop, 1, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, &problem));
	ASSERT_EQ(NULL, problem);

	TH_LOG("%ld tables: %lld interrupts of the CPU of %s thread", tables,
	       interrupts, idle ? "an idle" : "a busy");
	EXPECT_GE(tables / BATCH + 1, (long)interrupts);
	/* An idle CPU may have gone over to another mm meanwhile. */
	EXPECT_LE(idle ? 0 : 1, interrupts);
}

TEST_F_TIMEOUT(batch, test_busy_cpu_is_interrupted_once_for_many_tables, 300)
{
	count_interrupts(_metadata, &self->area, false);
}

TEST_F_TIMEOUT(batch, test_idle_cpu_is_interrupted_once_for_many_tables, 300)
{
	count_interrupts(_metadata, &self->area, true);
}

static bool thread_sleeps(pid_t tid)
{
	char path[64], text[4096];

	snprintf(path, sizeof(path), "/proc/self/task/%d/status", tid);
	return !pt_read_file(path, text, sizeof(text)) &&
	       strstr(text, "State:\tS");
}

/* Sleeps on CPU 1, but wakes now and then: that has this mm loaded there. */
#define WAKES_EVERY_MS	20

static void *be_sleepy(void *unused)
{
	(void)unused;
	if (pt_run_on_cpu(1))
		return "cannot run on CPU 1";
	__atomic_store_n(&neighbour.ready, gettid(), __ATOMIC_RELEASE);
	while (!__atomic_load_n(&neighbour.stop, __ATOMIC_ACQUIRE)) {
		pt_pause_ms(WAKES_EVERY_MS);
		__atomic_add_fetch(&neighbour.naps, 1, __ATOMIC_RELEASE);
	}
	return NULL;
}

static bool neighbour_falls_asleep_again(void)
{
	int naps = __atomic_load_n(&neighbour.naps, __ATOMIC_ACQUIRE);

	return pt_wait(30, "the thread to wake",
		       __atomic_load_n(&neighbour.naps, __ATOMIC_ACQUIRE) !=
		       naps) &&
	       pt_wait(30, "the thread to sleep",
		       thread_sleeps(neighbour.ready));
}

/*
 * Flushes for pages leave idle CPUs alone, but not this one. Another mm may have its
 * turn on the CPU, so it need not be each of many flushes.
 */
#define FLUSHES_OF_IDLE_CPU	50

TEST_F_TIMEOUT(batch, test_idle_cpu_is_interrupted, 300)
{
	long long before, interrupted = 0;
	struct pt_area *area = &self->area;
	pthread_t thread;
	void *problem;
	int i, err;

	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "there is one CPU only");
	neighbour.ready = 0;
	neighbour.stop = 0;
	ASSERT_EQ(0, pt_run_on_cpu(0));
	ASSERT_EQ(0, pthread_create(&thread, NULL, be_sleepy, NULL));
	ASSERT_EQ(0, pt_area_map(area, PT_ANON, PT_TABLE));
	ASSERT_TRUE(pt_wait(30, "a thread on CPU 1",
			    __atomic_load_n(&neighbour.ready,
					    __ATOMIC_ACQUIRE)));
	for (i = 0; i < FLUSHES_OF_IDLE_CPU; i++) {
		ASSERT_EQ(0, pt_area_waste(area));
		ASSERT_TRUE(neighbour_falls_asleep_again());
		before = pt_flushes_of_cpu_1();
		ASSERT_EQ(1, taken_by(area->start, area->bytes, &err));
		interrupted += pt_flushes_of_cpu_1() > before;
	}
	__atomic_store_n(&neighbour.stop, 1, __ATOMIC_RELEASE);
	ASSERT_EQ(0, pthread_join(thread, &problem));
	ASSERT_EQ(NULL, problem);
	TH_LOG("%lld of %d flushes interrupted the idle CPU", interrupted,
	       FLUSHES_OF_IDLE_CPU);
	EXPECT_LE(FLUSHES_OF_IDLE_CPU / 2, interrupted);
}

TEST_F_TIMEOUT(batch, test_nothing_to_take_costs_no_flush, 300)
{
	long long flushes;
	size_t at;

	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, BATCH * PT_TABLE));
	for (at = 0; at < self->area.bytes; at += PT_TABLE)
		self->area.start[at] = 1;
	flushes = pt_vmstat("pt_reclaim_flush");
	ASSERT_LE(0LL, flushes);
	ASSERT_EQ(0, reclaim(self->area.start, self->area.bytes));
	EXPECT_EQ(flushes, pt_vmstat("pt_reclaim_flush"));
}

/* 32768 tables to look at; a child that survives a call makes the next. */
TEST_F_TIMEOUT(batch, test_sigkill_ends_a_huge_call_soon, 600)
{
	int ready[2];
	double killed;
	char byte;
	pid_t pid;
	int status;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, 64 * PT_GIB));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		size_t at;

		for (at = 0; at < self->area.bytes; at += PT_TABLE)
			self->area.start[at] = 1;
		if (write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			reclaim(self->area.start, self->area.bytes);
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	pt_pause_ms(50);
	killed = pt_now();
	kill(pid, SIGKILL);
	status = pt_reap(pid, 5, "a killed MADV_PT_RECLAIM to end");
	ASSERT_LE(0, status);
	EXPECT_TRUE(WIFSIGNALED(status));
	TH_LOG("ended %.2f s after SIGKILL", pt_now() - killed);
}

/* Memory whose page table entries are not for anybody else to judge */
FIXTURE(foreign)
{
	struct pt_area area;
	int err;
};

FIXTURE_SETUP(foreign)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, 4 * PT_TABLE));
}

FIXTURE_TEARDOWN(foreign)
{
	pt_area_unmap(&self->area);
}

TEST_F(foreign, test_hugetlb_is_left_alone)
{
	char *huge;

	if (pt_write_file("/proc/sys/vm/nr_hugepages", "4"))
		SKIP(return, "this kernel has no hugetlb");
	huge = mmap(self->area.start, 2 * PT_TABLE, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_HUGETLB | MAP_FIXED |
		    21 << MAP_HUGE_SHIFT, -1, 0);
	if (huge == MAP_FAILED)
		SKIP(return, "no 2 MiB pages to be had: %s", strerror(errno));
	pt_fill_page(huge, SEED, 0);
	pt_fill_page(huge + PT_TABLE + PT_PAGE, SEED, 1);

	/* Whether such a range is refused is not what this is about. */
	EXPECT_EQ(0L, taken_by(huge, 2 * PT_TABLE, &self->err));
	EXPECT_TRUE(pt_page_is_intact(huge, SEED, 0));
	EXPECT_TRUE(pt_page_is_intact(huge + PT_TABLE + PT_PAGE, SEED, 1));
}

TEST_F(foreign, test_huge_pages_are_left_alone)
{
	char *huge = self->area.start;
	size_t page;

	if (access(PT_THP_SYSFS "enabled", F_OK))
		SKIP(return, "this kernel has no transparent huge pages");
	ASSERT_EQ(0, pt_set_thp("always"));
	ASSERT_EQ(0, madvise(huge, PT_TABLE, MADV_HUGEPAGE));
	for (page = 0; page < PT_TABLE_PAGES; page++)
		pt_fill_page(huge + page * PT_PAGE, SEED, page);
	if (pt_huge_kb() < (long)(PT_TABLE >> 10))
		SKIP(return, "no huge page was to be had");

	EXPECT_EQ(0L, taken_by(huge, PT_TABLE, &self->err));
	EXPECT_EQ(0, self->err);
	for (page = 0; page < PT_TABLE_PAGES; page++)
		EXPECT_TRUE(pt_page_is_intact(huge + page * PT_PAGE, SEED,
					      page));
}

/* Where [vvar] lies, a mapping that the kernel fills by itself */
static char *find_vvar(size_t *bytes)
{
	unsigned long from, to;
	char line[512];
	FILE *maps;

	from = 0;
	maps = fopen("/proc/self/maps", "r");
	if (!maps)
		return NULL;
	while (!from && fgets(line, sizeof(line), maps)) {
		if (strstr(line, "[vvar]") &&
		    sscanf(line, "%lx-%lx", &from, &to) != 2)
			from = 0;
	}
	fclose(maps);
	*bytes = from ? to - from : 0;
	return (char *)from;
}

/*
 * [vvar] is a VM_PFNMAP mapping that any process has. Moved under a table of
 * ours it makes that table one to leave alone, although no entry is set. The
 * process cannot use its vDSO afterwards, hence the raw system calls.
 */
static int count_taken_beside_vvar(char *slot)
{
	size_t bytes;
	char *vvar;
	long taken;
	int err;

	vvar = find_vvar(&bytes);
	if (!vvar)
		return -ENOENT;
	if (mremap(vvar, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		   slot + PT_TABLE / 2) == MAP_FAILED)
		return -errno;
	/* It would be there if somebody had asked for the time before. */
	if (pt_pagemap_count(slot, PT_TABLE, PT_PAGEMAP_PRESENT))
		return -EBUSY;
	slot[0] = 1;
	if (madvise(slot, PT_PAGE, MADV_DONTNEED))
		return -errno;
	taken = taken_by(slot, PT_PAGE, &err);
	return err ? err : taken;
}

TEST_F(foreign, test_table_beside_pfn_mapping_stays)
{
	int *taken;
	pid_t pid;

	taken = mmap(NULL, sizeof(*taken), PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	ASSERT_NE(MAP_FAILED, (void *)taken);
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		*taken = count_taken_beside_vvar(self->area.start);
		_exit(0);
	}
	ASSERT_EQ(0, pt_reap(pid, 10, "the process without a vDSO"));
	if (*taken < 0)
		SKIP(return, "[vvar] cannot be used for this: %s",
		     strerror(-*taken));
	EXPECT_EQ(0, *taken);
}

int main(int argc, char **argv)
{
	pt_begin();
	return test_harness_run(argc, argv);
}
