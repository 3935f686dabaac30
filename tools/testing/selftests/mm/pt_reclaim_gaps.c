// SPDX-License-Identifier: GPL-2.0
/*
 * Regression tests for races with the removal of a live page table, each with
 * its gap held open: somebody is made to wait at the very moment at which an
 * empty page table may vanish under him, while the other side is driven through
 * to its end. So each of them happens in every run.
 *
 * Needs a kernel with CONFIG_PT_RECLAIM_GAPS. What each test is about is said in
 * the patch that mends the place, and in Documentation/mm/pt_reclaim.rst.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <linux/userfaultfd.h>
#include <poll.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_cgroup.h"
#include "pt_reclaim_interface.h"
#include "pt_reclaim_util.h"

/* Newer than the headers of the oldest distribution we compile on. */
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif
#ifndef MFD_HUGETLB
#define MFD_HUGETLB		4U
#endif
#ifndef MFD_HUGE_1GB
#define MFD_HUGE_1GB		(30U << 26)
#endif
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

#define GAPS		"/sys/kernel/debug/pt_reclaim_gaps/"
#define HOLD_MILLISECS	"15000"
/* How long a rival gets to do what a lock must keep him from doing */
#define RIVAL_SECONDS	1
#define SEED		0x6a09e667f3bcc908ULL

static int gap_write(const char *gap, const char *text)
{
	char path[128];

	snprintf(path, sizeof(path), GAPS "%s", gap);
	return pt_write_file(path, text);
}

/* For the table at @addr of process @pid, 0 being this one. */
static int gap_arm(const char *gap, const void *addr, pid_t pid)
{
	char text[64];

	snprintf(text, sizeof(text), HOLD_MILLISECS " %lx %d",
		 (unsigned long)addr, pid ? pid : getpid());
	return gap_write(gap, text);
}

static int gap_release(const char *gap)
{
	return gap_write(gap, "0");
}

static bool gap_is_open(const char *gap)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), GAPS "%s", gap);
	return !pt_read_file(path, text, sizeof(text)) &&
	       !strncmp(text, "open ", 5);
}

/*
 * Who waits in a gap keeps his CPU busy, perhaps with interrupts off. He gets
 * the first one for himself; everybody else gets the others.
 */
static void use_cpu(bool first)
{
	cpu_set_t cpus;
	int cpu;

	CPU_ZERO(&cpus);
	for (cpu = 0; cpu < CPU_SETSIZE; cpu++) {
		if (!cpu == first)
			CPU_SET(cpu, &cpus);
	}
	sched_setaffinity(0, sizeof(cpus), &cpus);
}

/*
 * A thread that does one thing, when it gets its cue; what it returns is in
 * @result when it is @done. It is started beforehand, because a new thread's
 * stack takes mmap_lock for write, which somebody in a gap may hold.
 */
struct actor {
	int (*act)(void *arg);
	void *arg;
	bool first_cpu;
	pthread_t thread;
	int result;
	bool ready, cue, done;
};

static void set_flag(bool *flag)
{
	__atomic_store_n(flag, true, __ATOMIC_RELEASE);
}

static bool is_set(bool *flag)
{
	return __atomic_load_n(flag, __ATOMIC_ACQUIRE);
}

static void *run_actor(void *arg)
{
	struct actor *actor = arg;

	use_cpu(actor->first_cpu);
	set_flag(&actor->ready);
	while (!is_set(&actor->cue))
		pt_pause_ms(1);
	actor->result = actor->act(actor->arg);
	set_flag(&actor->done);
	return NULL;
}

static int start_actor(struct actor *actor)
{
	int err = -pthread_create(&actor->thread, NULL, run_actor, actor);

	if (!err && !pt_wait(10, "a thread to start", is_set(&actor->ready)))
		err = -ETIMEDOUT;
	return err;
}

/*
 * Gives the cue, and waits until the gap is reached. To look at the gap beforehand
 * touches all memory that it takes to look: a page fault that has to flush the TLB
 * of a CPU that is held with interrupts off would wait for the end of the gap.
 */
static bool reach_gap(const char *gap, struct actor *actor)
{
	if (gap_is_open(gap))
		return false;
	set_flag(&actor->cue);
	return pt_wait(10, "the gap to be reached", gap_is_open(gap));
}

/*
 * A play in one act: somebody comes to a gap and is held there, and meanwhile
 * his rival acts. A rival that locks must keep out is expected to be kept out.
 */
struct play {
	const char *gap;
	void *addr;		/* a table of this process */
	int (*held)(void *arg);
	int (*rival)(void *arg);
	void *arg;
	bool rival_must_wait;
	int held_result;
	int rival_result;
};

/* Says whether the rival was done while the gap was open. */
static bool let_rival_act(const char *gap, struct actor *rival, bool must_wait)
{
	double limit = must_wait ? RIVAL_SECONDS : 10 * pt_patience();
	double start = pt_now();

	set_flag(&rival->cue);
	while (!is_set(&rival->done) && gap_is_open(gap) &&
	       pt_now() - start < limit)
		pt_pause_ms(5);
	return is_set(&rival->done) && gap_is_open(gap);
}

static int perform(struct play *play)
{
	struct actor held = {
		.act = play->held, .arg = play->arg, .first_cpu = true
	};
	struct actor rival = { .act = play->rival, .arg = play->arg };
	bool done;

	use_cpu(false);
	if (start_actor(&held) || start_actor(&rival))
		return pt_failed("no thread");
	if (gap_arm(play->gap, play->addr, 0))
		return pt_failed("cannot arm the gap %s", play->gap);
	if (!reach_gap(play->gap, &held))
		return pt_failed("nobody came to the gap %s", play->gap);
	done = let_rival_act(play->gap, &rival, play->rival_must_wait);
	gap_release(play->gap);
	pthread_join(held.thread, NULL);
	pthread_join(rival.thread, NULL);
	play->held_result = held.result;
	play->rival_result = rival.result;
	if (!done && !play->rival_must_wait)
		return pt_failed("the rival had to wait for the end of the gap %s",
				 play->gap);
	if (done && play->rival_must_wait)
		return pt_failed("nothing kept the rival out of the gap %s",
				 play->gap);
	return KSFT_PASS;
}

/* What the two sides do, on an area of one or more tables */

static int reclaim(void *arg)
{
	struct pt_area *area = arg;

	return madvise(area->start, area->bytes, MADV_PT_RECLAIM) ? -errno : 0;
}

#define PAGE_AT	(100 * PT_PAGE)

static int fill_a_page(void *arg)
{
	struct pt_area *area = arg;

	pt_fill_page(area->start + PAGE_AT, SEED, 1);
	return 0;
}

static bool page_is_there(struct pt_area *area)
{
	return pt_pagemap_count(area->start + PAGE_AT, PT_PAGE,
				PT_PAGEMAP_PRESENT | PT_PAGEMAP_SWAPPED) == 1 &&
	       pt_page_is_intact(area->start + PAGE_AT, SEED, 1);
}

static int map_wasted(struct pt_area *area, enum pt_backing backing)
{
	if (pt_area_map(area, backing, PT_TABLE) || pt_area_waste(area))
		return pt_failed("no memory");
	return KSFT_PASS;
}

/*
 * The stacks of the two threads may have needed a table each, and what they malloc
 * too. That no table is counted twice, or never, is checked by the kernel at exit.
 */
static int check_tables(long before)
{
	long now = pt_vmpte_kb(0);

	if (now < before || now > before + 4 * PT_TABLE_KB)
		return pt_failed("%ld kB of page tables, expected %ld", now,
				 before);
	return KSFT_PASS;
}

/* A rival puts a page where a table is held in a gap of page table reclaim. */
static int play_in_gap(const char *gap, int (*rival)(void *area), bool must_wait)
{
	struct pt_area area;
	struct play play = {
		.gap = gap,
		.held = reclaim,
		.rival = rival,
		.arg = &area,
		.rival_must_wait = must_wait,
	};
	int verdict = map_wasted(&area, PT_ANON);
	long before = pt_vmpte_kb(0);

	play.addr = area.start;
	if (verdict == KSFT_PASS)
		verdict = perform(&play);
	if (verdict != KSFT_PASS)
		return verdict;
	if (play.held_result)
		return pt_failed("MADV_PT_RECLAIM says %s",
				 strerror(-play.held_result));
	if (!page_is_there(&area))
		return pt_failed("the page is lost");
	return check_tables(before);
}

static int test_table_filled_after_it_was_found_stays(void)
{
	return play_in_gap("found", fill_a_page, false);
}

static int test_table_is_not_filled_while_it_is_confirmed(void)
{
	return play_in_gap("confirmed", fill_a_page, true);
}

static int test_fault_does_not_wait_for_the_flush(void)
{
	return play_in_gap("detached", fill_a_page, false);
}

static int test_fault_does_not_wait_for_the_free(void)
{
	return play_in_gap("flushed", fill_a_page, false);
}

/* Two that take the same table: it goes once. */
static int test_table_goes_once(void)
{
	struct pt_area area;
	struct play play = {
		.gap = "lock",
		.held = reclaim,
		.rival = reclaim,
		.arg = &area,
		.rival_must_wait = true,
	};
	long start = pt_vmpte_kb(0);
	int verdict = map_wasted(&area, PT_ANON);

	play.addr = area.start;
	if (verdict == KSFT_PASS)
		verdict = perform(&play);
	return verdict == KSFT_PASS ? check_tables(start) : verdict;
}

/* Somebody unmaps the table that was found, and maps something else there. */
static int map_anew(void *arg)
{
	struct pt_area *area = arg;

	if (munmap(area->start, area->bytes) ||
	    mmap(area->start, area->bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED, -1, 0) == MAP_FAILED)
		return -errno;
	return fill_a_page(arg);
}

/*
 * A CPU may still know the table that was there, and has to find out that
 * something else has been mapped.
 */
static int test_unmap_does_not_wait_for_the_flush(void)
{
	return play_in_gap("detached", map_anew, false);
}

static int test_unmap_does_not_wait_for_the_free(void)
{
	return play_in_gap("flushed", map_anew, false);
}

/*
 * The table that was found is gone, and where its upper table was there is a huge
 * page of 1 GiB. What is in the page looks like PMD entries that point at page
 * tables where there is no memory: whoever believes it dies.
 */
#define GIGANTIC_PAGES "/sys/kernel/mm/hugepages/hugepages-1048576kB/nr_hugepages"
#define PMD_OF_NOWHERE (0x67ULL | 0xfffff00000000ULL)

struct giant {
	struct pt_area area;	/* 1 GiB, aligned */
	int memfd;
};

static int map_giant(void *arg)
{
	struct giant *giant = arg;

	return mmap(giant->area.start, PT_GIB, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_FIXED | MAP_POPULATE, giant->memfd,
		    0) == MAP_FAILED ? -errno : 0;
}

static int reclaim_giant(void *arg)
{
	return reclaim(&((struct giant *)arg)->area);
}

static int open_giant(void)
{
	__u64 *page;
	int memfd, i;

	memfd = memfd_create("giant", MFD_CLOEXEC | MFD_HUGETLB | MFD_HUGE_1GB);
	if (memfd < 0 || pt_write_file(GIGANTIC_PAGES, "1") ||
	    pt_read_number(GIGANTIC_PAGES) < 1 || ftruncate(memfd, PT_GIB))
		return -ENOMEM;
	page = mmap(NULL, PT_GIB, PROT_READ | PROT_WRITE, MAP_SHARED, memfd, 0);
	if (page == MAP_FAILED)
		return -ENOMEM;
	for (i = 0; i < 512; i++)
		page[i] = PMD_OF_NOWHERE;
	munmap(page, PT_GIB);
	return memfd;
}

static int test_huge_page_is_not_taken_for_a_table(void)
{
	struct giant giant = { .memfd = open_giant() };
	struct play play = {
		.gap = "found",
		.held = reclaim_giant,
		.rival = map_giant,
		.arg = &giant,
	};
	char *room;
	int verdict;

	if (giant.memfd < 0)
		return pt_skipped("no huge page of 1 GiB is to be had");
	room = mmap(NULL, 2 * PT_GIB, PROT_READ | PROT_WRITE,
		    MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);
	if (room == MAP_FAILED)
		return pt_failed("no memory");
	giant.area.start = (char *)(((uintptr_t)room + PT_GIB - 1) &
				    ~(PT_GIB - 1));
	giant.area.bytes = PT_GIB;
	madvise(room, 2 * PT_GIB, MADV_NOHUGEPAGE);
	giant.area.start[0] = 1;
	madvise(giant.area.start, PT_GIB, MADV_DONTNEED);
	play.addr = giant.area.start;
	verdict = perform(&play);
	if (verdict == KSFT_PASS && play.rival_result)
		verdict = pt_skipped("cannot map it: %s",
				     strerror(-play.rival_result));
	close(giant.memfd);
	munmap(room, 2 * PT_GIB);
	pt_write_file(GIGANTIC_PAGES, "0");
	return verdict;
}

static int test_found_table_may_be_unmapped(void)
{
	struct pt_area area;
	struct play play = {
		.gap = "found",
		.held = reclaim,
		.rival = map_anew,
		.arg = &area,
	};
	int verdict = map_wasted(&area, PT_ANON);

	play.addr = area.start;
	if (verdict == KSFT_PASS)
		verdict = perform(&play);
	if (verdict == KSFT_PASS && (play.rival_result || !page_is_there(&area)))
		verdict = pt_failed("the new mapping's page is lost");
	return verdict;
}

static int unmap(void *arg)
{
	struct pt_area *area = arg;

	return munmap(area->start, area->bytes) ? -errno : 0;
}

/* munmap() has zapped and is about to free the table: that is his alone. */
static int test_table_being_unmapped_is_left(void)
{
	struct pt_area area;
	struct play play = {
		.gap = "zap",
		.held = unmap,
		.rival = reclaim,
		.arg = &area,
	};
	long long unfit = pt_vmstat("pt_reclaim_unfit");
	int verdict = map_wasted(&area, PT_ANON);

	play.addr = area.start;
	if (verdict == KSFT_PASS)
		verdict = perform(&play);
	if (verdict == KSFT_PASS && pt_vmstat("pt_reclaim_unfit") != unfit + 1)
		verdict = pt_failed("%lld tables were left, expected 1",
				    pt_vmstat("pt_reclaim_unfit") - unfit);
	return verdict;
}

/* A fault has found its table, and the table goes before it is locked. */
static int test_fault_notices_that_its_table_went(void)
{
	struct pt_area area;
	struct play play = {
		.gap = "map_lock",
		.held = fill_a_page,
		.rival = reclaim,
		.arg = &area,
	};
	int verdict = map_wasted(&area, PT_ANON);

	play.addr = area.start;
	if (verdict == KSFT_PASS)
		verdict = perform(&play);
	if (verdict == KSFT_PASS && !page_is_there(&area))
		verdict = pt_failed("the page is lost");
	return verdict;
}

static int give_all_back(void *arg)
{
	struct pt_area *area = arg;

	return madvise(area->start, area->bytes, MADV_DONTNEED) ? -errno : 0;
}

/*
 * The table is empty, but whoever emptied it has yet to flush the TLB. Once the
 * table is gone nobody can tell any more that a flush is owed.
 */
static int test_pending_flush_is_made_up_for(void)
{
	struct pt_area area;
	struct play play = {
		.gap = "zap",
		.held = give_all_back,
		.rival = reclaim,
		.arg = &area,
	};
	long long flushes = pt_vmstat("pt_reclaim_flush");
	long long reclaimed = pt_vmstat("pt_reclaim_reclaimed");
	int verdict;

	if (pt_area_map(&area, PT_ANON, PT_TABLE))
		return pt_failed("no memory");
	fill_a_page(&area);
	/* The zap ends with the table's last page, where the gap is then. */
	play.addr = area.start;
	verdict = perform(&play);
	if (verdict != KSFT_PASS)
		return verdict;
	flushes = pt_vmstat("pt_reclaim_flush") - flushes;
	reclaimed = pt_vmstat("pt_reclaim_reclaimed") - reclaimed;
	if (reclaimed != 1 || flushes != 2)
		return pt_failed("%lld tables and %lld flushes, expected 1 and 2",
				 reclaimed, flushes);
	return KSFT_PASS;
}

static long long flushes_before, flushes_meanwhile;

static int count_and_reclaim(void *arg)
{
	flushes_before = pt_flushes_of_cpu_1();
	return reclaim(arg);
}

static int count_again(void *unused)
{
	(void)unused;
	flushes_meanwhile = pt_flushes_of_cpu_1();
	return 0;
}

/* Whose TLB has to be flushed: on CPU 1, and never idle. */
struct neighbour {
	bool busy, stop;
	pid_t tid;
	unsigned long turns;
};

static int keep_cpu_busy(void *arg)
{
	struct neighbour *neighbour = arg;

	if (pt_run_on_cpu(1))
		return -ENXIO;
	neighbour->tid = gettid();
	set_flag(&neighbour->busy);
	while (!is_set(&neighbour->stop))
		__atomic_add_fetch(&neighbour->turns, 1, __ATOMIC_RELAXED);
	return 0;
}

/* How often something else has had his CPU */
static long long interruptions(const struct neighbour *neighbour)
{
	return pt_proc_status(neighbour->tid, "nonvoluntary_ctxt_switches");
}

/* So that he is counted as interrupted if he does not run from now on. */
static bool neighbour_runs(const struct neighbour *neighbour)
{
	unsigned long turns = __atomic_load_n(&neighbour->turns, __ATOMIC_RELAXED);

	return pt_wait(10, "the neighbour to run",
		       __atomic_load_n(&neighbour->turns, __ATOMIC_RELAXED) !=
		       turns);
}

static int watch_reclaims_flush(bool *disturbed)
{
	struct neighbour neighbour = {};
	struct actor busy = { .act = keep_cpu_busy, .arg = &neighbour };
	struct pt_area area;
	long long before;
	struct play play = {
		.gap = "confirmed",
		.held = count_and_reclaim,
		.rival = count_again,
		.arg = &area,
	};
	int verdict;

	if (pt_area_map(&area, PT_SHMEM, PT_TABLE))
		return pt_failed("no memory");
	/* A flush is put off only for the sake of another CPU. */
	if (pt_run_on_cpu(0) || start_actor(&busy))
		return pt_failed("no thread");
	fill_a_page(&area);
	set_flag(&busy.cue);
	verdict = pt_wait(10, "the neighbour", is_set(&neighbour.busy)) ?
		  KSFT_PASS : KSFT_FAIL;
	before = interruptions(&neighbour);
	if (verdict != KSFT_PASS || before < 0 || !neighbour_runs(&neighbour))
		verdict = pt_failed("no thread to watch");
	else if (madvise(area.start, area.bytes, MADV_PAGEOUT) ||
		 pt_pagemap_count(area.start, area.bytes, PT_PAGEMAP_PRESENT))
		verdict = pt_skipped("nothing is paged out here");
	else
		verdict = KSFT_PASS;
	play.addr = area.start;
	if (verdict == KSFT_PASS)
		verdict = perform(&play);
	*disturbed = interruptions(&neighbour) != before;
	set_flag(&neighbour.stop);
	pthread_join(busy.thread, NULL);
	pt_area_unmap(&area);
	if (verdict != KSFT_PASS)
		return verdict;
	if (flushes_before < 0 || flushes_meanwhile <= flushes_before)
		return pt_failed("%lld flushes of CPU 1 before, %lld when the table goes",
				 flushes_before, flushes_meanwhile);
	return KSFT_PASS;
}

#define MOST_DISTURBED	20

/*
 * Reclaim has unmapped the pages and its flush is not known to be done. Once the
 * table is gone nobody who zaps can make up for it, so it has to be done before. The
 * CPU of the neighbour is not told while it runs a thread of the kernel: it flushes
 * when it comes back to him. Nothing can be seen of that, so it is tried again.
 */
static int test_reclaims_flush_comes_before_the_table_goes(void)
{
	bool disturbed = true;
	int verdict = KSFT_FAIL, tries;

	for (tries = 0; verdict == KSFT_FAIL && disturbed && tries < MOST_DISTURBED;
	     tries++)
		verdict = watch_reclaims_flush(&disturbed);
	return verdict;
}

/*
 * A page fault brings its page into the page cache and keeps it locked; its
 * table goes. To allocate another one now could deadlock with writeback, so the
 * fault has to be taken again: two faults instead of one.
 */
struct faulter {
	struct pt_area area;
	long faults;
};

static int count_faults(void *arg)
{
	struct faulter *faulter = arg;
	struct rusage before, after;

	memset(&after, 1, sizeof(after));
	getrusage(RUSAGE_THREAD, &before);
	faulter->area.start[PAGE_AT] = 1;
	getrusage(RUSAGE_THREAD, &after);
	faulter->faults = after.ru_minflt - before.ru_minflt;
	return 0;
}

static int reclaim_faulter(void *arg)
{
	return reclaim(&((struct faulter *)arg)->area);
}

static int test_fault_allocates_no_table_under_the_page_lock(void)
{
	struct faulter faulter;
	struct play play = {
		.gap = "fault",
		.held = count_faults,
		.rival = reclaim_faulter,
		.arg = &faulter,
	};
	int verdict = map_wasted(&faulter.area, PT_SHMEM);

	play.addr = faulter.area.start;
	if (verdict == KSFT_PASS)
		verdict = perform(&play);
	if (verdict == KSFT_PASS && faulter.area.start[PAGE_AT] != 1)
		verdict = pt_failed("the page is lost");
	if (verdict == KSFT_PASS && faulter.faults < 2)
		verdict = pt_failed("%ld fault", faulter.faults);
	return verdict;
}

/* userfaultfd */
struct filler {
	int uffd;
	struct pt_area area;
	struct pt_area from;
};

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
	int uffd = syscall(SYS_userfaultfd, O_CLOEXEC | O_NONBLOCK);

	if (uffd < 0 || ioctl(uffd, UFFDIO_API, &api) ||
	    ioctl(uffd, UFFDIO_REGISTER, &reg))
		return -errno;
	return uffd;
}

static int reclaim_filler(void *arg)
{
	return reclaim(&((struct filler *)arg)->area);
}

static int protect(void *arg)
{
	struct filler *filler = arg;
	struct uffdio_writeprotect wp = {
		.range = {
			.start = (uintptr_t)filler->area.start,
			.len = filler->area.bytes,
		},
		.mode = UFFDIO_WRITEPROTECT_MODE_WP,
	};

	return ioctl(filler->uffd, UFFDIO_WRITEPROTECT, &wp) ? -errno : 0;
}

static long protected_pages(struct pt_area *area)
{
	return pt_pagemap_count(area->start, area->bytes, PT_PAGEMAP_UFFD_WP);
}

static int open_protector(struct filler *filler)
{
	filler->uffd = open_uffd(&filler->area,
				 UFFD_FEATURE_PAGEFAULT_FLAG_WP |
				 UFFD_FEATURE_WP_HUGETLBFS_SHMEM |
				 UFFD_FEATURE_WP_UNPOPULATED,
				 UFFDIO_REGISTER_MODE_WP);
	if (filler->uffd < 0)
		return pt_skipped("no write protection by userfaultfd: %s",
				  strerror(-filler->uffd));
	return KSFT_PASS;
}

static int protect_in_gap(enum pt_backing backing)
{
	struct filler filler;
	struct play play = {
		.gap = "protect",
		.held = protect,
		.rival = reclaim_filler,
		.arg = &filler,
	};
	int verdict = map_wasted(&filler.area, backing);

	play.addr = filler.area.start;
	if (verdict == KSFT_PASS)
		verdict = open_protector(&filler);
	if (verdict == KSFT_PASS)
		verdict = perform(&play);
	if (verdict != KSFT_PASS)
		return verdict;
	if (play.held_result)
		return pt_failed("UFFDIO_WRITEPROTECT says %s",
				 strerror(-play.held_result));
	if (protected_pages(&filler.area) != (long)PT_TABLE_PAGES)
		return pt_failed("%ld pages of %zu are protected",
				 protected_pages(&filler.area), PT_TABLE_PAGES);
	return KSFT_PASS;
}

static int test_writeprotect_marks_every_shmem_page(void)
{
	return protect_in_gap(PT_SHMEM);
}

static int test_writeprotect_marks_every_anon_page(void)
{
	return protect_in_gap(PT_ANON);
}

static int copy_page(void *arg)
{
	struct filler *filler = arg;
	struct uffdio_copy copy = {
		.dst = (uintptr_t)filler->area.start + PAGE_AT,
		.src = (uintptr_t)filler->from.start + PAGE_AT,
		.len = PT_PAGE,
	};

	return ioctl(filler->uffd, UFFDIO_COPY, &copy) ? -errno : 0;
}

static int zero_page(void *arg)
{
	struct filler *filler = arg;
	struct uffdio_zeropage zero = {
		.range = {
			.start = (uintptr_t)filler->area.start + PAGE_AT,
			.len = PT_PAGE,
		},
	};

	return ioctl(filler->uffd, UFFDIO_ZEROPAGE, &zero) ? -errno : 0;
}

static int move_page(void *arg)
{
	struct filler *filler = arg;
	struct uffdio_move move = {
		.dst = (uintptr_t)filler->area.start + PAGE_AT,
		.src = (uintptr_t)filler->from.start + PAGE_AT,
		.len = PT_PAGE,
	};

	return ioctl(filler->uffd, UFFDIO_MOVE, &move) ? -errno : 0;
}

/* The area to fill has no page; its table is there if @wasted says so. */
static int open_filler(struct filler *filler, enum pt_backing backing,
		       __u64 features, bool wasted)
{
	if (pt_area_map(&filler->area, backing, PT_TABLE) ||
	    pt_area_map(&filler->from, PT_ANON, PT_TABLE) ||
	    (wasted && pt_area_waste(&filler->area)))
		return pt_failed("no memory");
	/* DONTNEED would leave a shmem page, which is not missing then. */
	if (wasted && backing == PT_SHMEM &&
	    madvise(filler->area.start, PT_TABLE, MADV_REMOVE))
		return pt_failed("cannot give back: %s", strerror(errno));
	filler->uffd = open_uffd(&filler->area, features,
				 UFFDIO_REGISTER_MODE_MISSING);
	if (filler->uffd < 0)
		return pt_skipped("no userfaultfd of this kind: %s",
				  strerror(-filler->uffd));
	return KSFT_PASS;
}

static int check_filled(struct play *play, bool zero)
{
	struct filler *filler = play->arg;
	char *page = filler->area.start + PAGE_AT;

	if (play->held_result)
		return pt_failed("the ioctl says %s",
				 strerror(-play->held_result));
	if (!pt_pagemap_count(page, PT_PAGE,
			      PT_PAGEMAP_PRESENT | PT_PAGEMAP_SWAPPED))
		return pt_failed("the page is lost");
	if (zero ? !pt_page_is_zero(page) : !pt_page_is_intact(page, SEED, 1))
		return pt_failed("the page is another one");
	return KSFT_PASS;
}

static int fill_in_gap_of_uffd(const char *gap, enum pt_backing backing,
			       bool wasted, bool zero)
{
	struct filler filler;
	struct play play = {
		.gap = gap,
		.held = zero ? zero_page : copy_page,
		.rival = reclaim_filler,
		.arg = &filler,
	};
	int verdict = open_filler(&filler, backing, 0, wasted);

	if (verdict != KSFT_PASS)
		return verdict;
	play.addr = filler.area.start;
	fill_a_page(&filler.from);
	verdict = perform(&play);
	return verdict == KSFT_PASS ? check_filled(&play, zero) : verdict;
}

static int test_copy_finds_no_page_that_is_not_there(void)
{
	return fill_in_gap_of_uffd("fill_alloc", PT_ANON, false, false);
}

static int test_shmem_copy_finds_no_page_that_is_not_there(void)
{
	return fill_in_gap_of_uffd("fill_alloc", PT_SHMEM, false, false);
}

static int test_copy_is_not_told_to_try_again(void)
{
	return fill_in_gap_of_uffd("fill", PT_ANON, true, false);
}

static int test_shmem_copy_is_not_told_to_try_again(void)
{
	return fill_in_gap_of_uffd("fill", PT_SHMEM, true, false);
}

static int test_zeropage_is_not_told_to_try_again(void)
{
	return fill_in_gap_of_uffd("fill", PT_ANON, true, true);
}

enum source { WRITTEN, ZERO, SWAPPED };

static int make_source(struct pt_area *from, enum source source)
{
	char *page = from->start + PAGE_AT;

	if (source == ZERO) {
		pt_touch(page);
		return KSFT_PASS;
	}
	fill_a_page(from);
	if (source == SWAPPED &&
	    (pt_page_out(page, PT_PAGE, false) ||
	     pt_pagemap_count(page, PT_PAGE, PT_PAGEMAP_SWAPPED) != 1))
		return pt_skipped("the page cannot be swapped out");
	return KSFT_PASS;
}

static int move_in_gap(enum source source)
{
	struct filler filler;
	struct play play = {
		.gap = "move",
		.held = move_page,
		.rival = reclaim_filler,
		.arg = &filler,
	};
	int verdict = open_filler(&filler, PT_ANON, UFFD_FEATURE_MOVE, true);

	if (verdict == KSFT_PASS)
		verdict = make_source(&filler.from, source);
	if (verdict != KSFT_PASS)
		return verdict;
	play.addr = filler.area.start;
	verdict = perform(&play);
	/* What user space is told to do, and does, when something changed */
	if (play.held_result == -EAGAIN)
		play.held_result = move_page(&filler);
	return verdict == KSFT_PASS ? check_filled(&play, source == ZERO) :
				      verdict;
}

static int test_move_loses_no_page(void)
{
	return move_in_gap(WRITTEN);
}

static int test_move_loses_no_zero_page(void)
{
	return move_in_gap(ZERO);
}

static int test_move_loses_no_swapped_page(void)
{
	return move_in_gap(SWAPPED);
}

/* Two mappings of one file of 2 MiB, as two processes would have them */
struct twice {
	struct pt_area one;
	struct pt_area two;
	char *content;
};

static int collapse(void *arg)
{
	struct twice *twice = arg;

	return madvise(twice->one.start, PT_TABLE, MADV_COLLAPSE) ? -errno : 0;
}

static int reclaim_one(void *arg)
{
	return reclaim(&((struct twice *)arg)->one);
}

static int reclaim_two(void *arg)
{
	return reclaim(&((struct twice *)arg)->two);
}

static int map_twice(struct twice *twice)
{
	size_t page;

	if (access(PT_THP_SYSFS "enabled", F_OK))
		return pt_skipped("this kernel has no huge pages");
	twice->content = malloc(PT_TABLE);
	if (!twice->content || pt_area_map(&twice->one, PT_MEMFD, PT_TABLE) ||
	    pt_area_map(&twice->two, PT_ANON, PT_TABLE) ||
	    mmap(twice->two.start, PT_TABLE, PROT_READ | PROT_WRITE,
		 MAP_SHARED | MAP_FIXED, twice->one.fd, 0) == MAP_FAILED)
		return pt_failed("no memory");
	for (page = 0; page < PT_TABLE_PAGES; page++)
		pt_fill_page(twice->content + page * PT_PAGE, SEED, page);
	if (pwrite(twice->one.fd, twice->content, PT_TABLE, 0) !=
	    (ssize_t)PT_TABLE)
		return pt_failed("no memory for the file");
	madvise(twice->one.start, PT_TABLE, MADV_HUGEPAGE);
	return KSFT_PASS;
}

static int check_twice(struct play *play, long before)
{
	struct twice *twice = play->arg;

	if (play->held_result)
		return pt_failed("MADV_COLLAPSE says %s",
				 strerror(-play->held_result));
	if (memcmp(twice->one.start, twice->content, PT_TABLE) ||
	    memcmp(twice->two.start, twice->content, PT_TABLE))
		return pt_failed("content is damaged");
	/* Everything unmapped again, nothing may be missing in the accounts. */
	munmap(twice->one.start, PT_TABLE);
	munmap(twice->two.start, PT_TABLE);
	return check_tables(before);
}

/* The file has its huge page already; one mapping has still an empty table. */
static int test_collapse_frees_only_what_is_there(void)
{
	struct twice twice;
	struct play play = {
		.gap = "collapse",
		.held = collapse,
		.rival = reclaim_one,
		.arg = &twice,
	};
	int verdict = map_twice(&twice), err;
	long before = pt_vmpte_kb(0);

	if (verdict != KSFT_PASS)
		return verdict;
	err = collapse(&twice);
	if (err)
		return pt_skipped("MADV_COLLAPSE does not work on memfds: %s",
				  strerror(-err));
	/* Small entries for it, and none of them left */
	madvise(twice.one.start, PT_TABLE, MADV_NOHUGEPAGE);
	madvise(twice.one.start, PT_TABLE, MADV_DONTNEED);
	pt_touch(twice.one.start);
	madvise(twice.one.start, PT_TABLE, MADV_DONTNEED);
	madvise(twice.one.start, PT_TABLE, MADV_HUGEPAGE);
	play.addr = twice.one.start;
	verdict = perform(&play);
	return verdict == KSFT_PASS ? check_twice(&play, before) : verdict;
}

/* Collapsing frees the tables of the other mappings: this one has gone. */
static int test_retract_frees_only_what_is_there(void)
{
	struct twice twice;
	struct play play = {
		.gap = "retract",
		.held = collapse,
		.rival = reclaim_two,
		.arg = &twice,
	};
	int verdict = map_twice(&twice);
	long before = pt_vmpte_kb(0);

	if (verdict != KSFT_PASS)
		return verdict;
	pt_touch(twice.two.start);
	madvise(twice.two.start, PT_TABLE, MADV_DONTNEED);
	play.addr = twice.two.start;
	verdict = perform(&play);
	return verdict == KSFT_PASS ? check_twice(&play, before) : verdict;
}

/* No gap is needed for this one: three blocks, the middle one without table. */
static int test_collapse_goes_past_a_missing_table(void)
{
	struct pt_area area;
	long huge;

	if (access(PT_THP_SYSFS "enabled", F_OK))
		return pt_skipped("this kernel has no huge pages");
	if (pt_area_map(&area, PT_ANON, 3 * PT_TABLE) || pt_area_waste(&area))
		return pt_failed("no memory");
	madvise(area.start, area.bytes, MADV_HUGEPAGE);
	if (madvise(area.start, area.bytes, MADV_PT_RECLAIM))
		return pt_failed("MADV_PT_RECLAIM: %s", strerror(errno));
	/* Small pages, and no khugepaged to do it instead. */
	pt_set_thp("never");
	area.start[0] = 1;
	area.start[2 * PT_TABLE] = 1;
	madvise(area.start, area.bytes, MADV_COLLAPSE);
	huge = pt_huge_kb();
	if (huge != 2 * (long)(PT_TABLE / 1024))
		return pt_failed("%ld kB in huge pages, expected two of them",
				 huge);
	return KSFT_PASS;
}

/* A process with an empty table, which does what it is told to */
struct other {
	pid_t pid;
	int to, from;
	struct pt_area area;
};

enum order {
	UNMAP = 'u', REPLACE = 'r', OPT_OUT = 'o', COUNT = 'c',
	PREPARE_FORK = 'p', FORK_IN_VAIN = 'f'
};

/*
 * The first half of the table is a VMA without pages, the other half one with a page:
 * the table is in use, but while fork() is between the two, its copy is empty.
 */
static int prepare_fork(struct pt_area *area)
{
	char *half = area->start + area->bytes / 2;

	half[0] = 1;
	return mprotect(half, area->bytes / 2, PROT_READ) ? -errno : 0;
}

/*
 * Each time the next allocation fails. Returns whether there was one. To look there
 * must be no allocation, either: the file is opened once.
 */
static int fork_in_vain(void)
{
	static int fd = -1, nth;
	char text[16];
	bool failed;
	pid_t pid;

	if (fd < 0)
		fd = open("/proc/thread-self/fail-nth", O_RDWR | O_CLOEXEC);
	snprintf(text, sizeof(text), "%d", ++nth);
	if (fd < 0 || pwrite(fd, text, strlen(text), 0) < 0)
		return -errno;
	pid = fork();
	if (!pid)
		_exit(0);
	failed = pread(fd, text, sizeof(text), 0) > 0 && text[0] == '0';
	if (pwrite(fd, "0", 1, 0) < 0)
		return -errno;
	if (pid > 0)
		waitpid(pid, NULL, 0);
	return failed;
}

static void obey(struct other *other, int orders, int answers)
{
	char order;
	long answer;

	while (read(orders, &order, 1) == 1) {
		answer = 0;
		switch (order) {
		case UNMAP:
			answer = munmap(other->area.start, other->area.bytes);
			break;
		case REPLACE:
			answer = map_anew(&other->area);
			madvise(other->area.start, other->area.bytes,
				MADV_DONTNEED);
			break;
		case OPT_OUT:
			answer = prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_DISABLE,
				       0, 0, 0);
			break;
		case COUNT:
			answer = pt_vmpte_kb(0);
			break;
		case PREPARE_FORK:
			answer = prepare_fork(&other->area);
			break;
		case FORK_IN_VAIN:
			answer = fork_in_vain();
			break;
		}
		if (write(answers, &answer, sizeof(answer)) != sizeof(answer))
			break;
	}
	_exit(0);
}

static int start_other(struct other *other)
{
	int orders[2], answers[2];

	if (map_wasted(&other->area, PT_ANON) != KSFT_PASS ||
	    pipe2(orders, O_CLOEXEC) || pipe2(answers, O_CLOEXEC))
		return pt_failed("no memory");
	use_cpu(false);
	other->pid = fork();
	if (other->pid < 0)
		return pt_failed("fork: %s", strerror(errno));
	if (!other->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* fork() copies no empty table. */
		if (pt_area_waste(&other->area) ||
		    prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_ENABLE, 0, 0, 0))
			_exit(1);
		obey(other, orders[0], answers[1]);
	}
	other->to = orders[1];
	other->from = answers[0];
	return KSFT_PASS;
}

static bool give_order(struct other *other, enum order order)
{
	char text = order;

	return write(other->to, &text, 1) == 1;
}

static long get_answer(struct other *other)
{
	long answer;

	return read(other->from, &answer, sizeof(answer)) == sizeof(answer) ?
	       answer : -EPIPE;
}

static long order(struct other *other, enum order order)
{
	return give_order(other, order) ? get_answer(other) : -EPIPE;
}

static int reclaim_other(void *arg)
{
	struct other *other = arg;
	struct iovec range = {
		.iov_base = other->area.start,
		.iov_len = other->area.bytes,
	};
	int pidfd = syscall(SYS_pidfd_open, other->pid, 0);

	if (pidfd < 0)
		return -errno;
	return syscall(SYS_process_madvise, pidfd, &range, 1, MADV_PT_RECLAIM,
		       0) < 0 ? -errno : 0;
}

/*
 * The walk has read a PMD entry and is about to read the table, with interrupts
 * off on a CPU that does not run the process. The process unmaps the table: it
 * need not wait, and still the table is there to be read.
 */
static int test_table_outlives_the_walk(void)
{
	struct other other;
	struct actor walker = {
		.act = reclaim_other, .arg = &other, .first_cpu = true
	};
	bool unmapped, open;

	if (start_other(&other) != KSFT_PASS || order(&other, COUNT) < 0)
		return pt_failed("no process");
	if (start_actor(&walker) ||
	    gap_arm("find", other.area.start, other.pid))
		return pt_failed("cannot arm the gap");
	if (!reach_gap("find", &walker))
		return pt_failed("nobody came to the gap");
	unmapped = !order(&other, UNMAP);
	open = gap_is_open("find");
	gap_release("find");
	pthread_join(walker.thread, NULL);
	if (!unmapped || !open)
		return pt_failed("munmap() had to wait for the walk");
	return KSFT_PASS;
}

/*
 * The thread has come to the gap, on a CPU where it does not stop the others: it may
 * hold spin locks there. It is given that place while it sleeps, and cannot have come
 * further than the first look at a table before.
 */
static int hold_the_thread(struct other *other, const char *mode,
			   const char *gap)
{
	cpu_set_t first;

	CPU_ZERO(&first);
	CPU_SET(0, &first);
	if (start_other(other) != KSFT_PASS || order(other, COUNT) < 0)
		return pt_failed("no process");
	if (pt_start_thread(mode, PT_HELD_MS) ||
	    sched_setaffinity(pt_find_thread(), sizeof(first), &first) ||
	    gap_arm(gap, other->area.start, other->pid) ||
	    pt_set_knob("scan_sleep_millisecs", 1))
		return pt_failed("cannot arm the gap, or no thread");
	if (!pt_wait(30, "the gap to be reached", gap_is_open(gap)))
		return pt_failed("the thread did not come to the gap");
	return KSFT_PASS;
}

static int test_opting_out_holds_at_once(void)
{
	struct other other;
	long before, after;
	int verdict = hold_the_thread(&other, "madvise", "found");

	if (verdict != KSFT_PASS)
		return verdict;
	before = order(&other, COUNT);
	if (order(&other, OPT_OUT) || !gap_is_open("found"))
		verdict = pt_failed("prctl() failed or had to wait");
	gap_release("found");
	/* Not never, which would keep it from what it was about to do. */
	if (verdict == KSFT_PASS && !pt_wait_rounds(2))
		verdict = KSFT_FAIL;
	after = order(&other, COUNT);
	if (verdict == KSFT_PASS && after != before)
		verdict = pt_failed("%ld kB of page tables after opting out, %ld before",
				    after, before);
	return verdict;
}

/*
 * The table that was found is gone and there is another one, empty as well, but
 * only just now: a fault may be about to fill it.
 */
static int test_another_table_ages_by_itself(void)
{
	struct other other;
	long long raced = pt_vmstat("pt_reclaim_raced");
	int verdict = hold_the_thread(&other, "madvise", "found");

	if (verdict != KSFT_PASS)
		return verdict;
	if (order(&other, REPLACE) || !gap_is_open("found"))
		verdict = pt_failed("mapping anew failed or had to wait");
	gap_release("found");
	if (verdict == KSFT_PASS && !pt_wait_rounds(2))
		return KSFT_FAIL;
	if (verdict == KSFT_PASS && pt_vmstat("pt_reclaim_raced") == raced)
		verdict = pt_failed("the new table was taken for the old one");
	return verdict;
}

/* Whoever does this has to wait for the thread, which is in the gap. */
static int wait_for_the_thread(const char *mode, const char *gap,
			       int (*act)(void *unused), const char *what)
{
	struct other other;
	struct actor admin = { .act = act };
	int verdict = hold_the_thread(&other, mode, gap);
	bool early;

	if (verdict != KSFT_PASS)
		return verdict;
	if (start_actor(&admin))
		return pt_failed("no thread");
	early = let_rival_act(gap, &admin, true);
	gap_release(gap);
	pthread_join(admin.thread, NULL);
	if (early || admin.result)
		return pt_failed("%s before the thread knew", what);
	return KSFT_PASS;
}

static int leave_always(void *unused)
{
	(void)unused;
	return pt_set_mode("madvise");
}

/* It is about to take the table. */
static int test_leaving_always_holds_at_once(void)
{
	return wait_for_the_thread("always", "lock", leave_always,
				   "the mode changed");
}

static int ask_for_a_round(void *unused)
{
	(void)unused;
	return pt_request_round();
}

/* The two write down what they find in one place. */
static int test_round_that_is_asked_for_waits_for_the_thread(void)
{
	return wait_for_the_thread("madvise", "found", ask_for_a_round,
				   "the round was done");
}

/* More than it can have saved up at the usual percentage of a CPU */
#define DEBT_NS		2000000000ULL

static bool thread_has_used(unsigned long long ns)
{
	struct pt_thread_use use;

	pt_thread_usage(&use);
	return use.run_ns >= ns;
}

/*
 * The thread has spent the CPU time of the next minutes, in a gap of a process that
 * is of no concern: it does nothing now, though it runs.
 */
static int keep_the_thread_out(void)
{
	struct other other;
	int verdict = hold_the_thread(&other, "always", "found");
	struct pt_thread_use use;
	bool spent;

	if (verdict != KSFT_PASS)
		return verdict;
	pt_thread_usage(&use);
	spent = !pt_set_knob("max_cpu_percent", 1) &&
		pt_wait(10, "the thread to spend its CPU time",
			thread_has_used(use.run_ns + DEBT_NS));
	gap_release("found");
	return spent ? KSFT_PASS : KSFT_FAIL;
}

/* One table may not be taken before memory reclaim comes by a second time. */
static int drop_slabs(void *arg)
{
	bool *enough = arg;
	int err = 0;

	while (!err && !is_set(enough))
		err = pt_write_file("/proc/sys/vm/drop_caches", "2");
	return err;
}

/*
 * Whoever reclaims memory is about to take the table, as the thread would. The first
 * CPU is not his: SRCU, which the admin waits for, needs that whoever reads.
 */
static int test_leaving_always_holds_for_memory_reclaim(void)
{
	bool enough = false, early;
	struct other other;
	struct actor dropper = { .act = drop_slabs, .arg = &enough };
	struct actor admin = { .act = leave_always, .first_cpu = true };
	int verdict = keep_the_thread_out();

	if (verdict != KSFT_PASS)
		return verdict;
	if (start_other(&other) != KSFT_PASS || order(&other, COUNT) < 0)
		return pt_failed("no process");
	use_cpu(true);
	if (start_actor(&dropper) || start_actor(&admin) ||
	    gap_arm("lock", other.area.start, other.pid))
		return pt_failed("no thread, or cannot arm the gap");
	if (!reach_gap("lock", &dropper))
		verdict = pt_failed("memory reclaim did not come to the gap");
	set_flag(&enough);
	early = let_rival_act("lock", &admin, true);
	gap_release("lock");
	pthread_join(dropper.thread, NULL);
	pthread_join(admin.thread, NULL);
	if (verdict != KSFT_PASS)
		return verdict;
	if (dropper.result || admin.result)
		return pt_failed("drop_caches or the mode cannot be written to");
	if (early)
		return pt_failed("the mode changed before memory reclaim knew");
	return KSFT_PASS;
}

/* Enough of them, so that memory reclaim does not leave them to RCU */
#define MANY_TABLES	64

/* A process in a group of its own, of which memory is reclaimed */
struct pressed {
	struct pt_cgroups cgroups;
	struct pt_group group;
	struct pt_area area;
};

static long long taken_by_memory_reclaim(void)
{
	return pt_knob("tables_reclaimed_pressure");
}

/* All that there is to be had, and more. */
static int reclaim_memory(void *arg)
{
	struct pressed *pressed = arg;
	int err = pt_group_write(&pressed->group, "memory.reclaim", "64M");

	return err == -EAGAIN ? 0 : err;
}

static int fill_a_pressed_page(void *arg)
{
	struct pressed *pressed = arg;

	return fill_a_page(&pressed->area);
}

/*
 * As above; but the table is taken by somebody who reclaims memory and is to have it
 * before he goes on. He has to wait for the fault.
 */
static int press(struct pressed *pressed)
{
	long long before = taken_by_memory_reclaim();
	struct play play = {
		.gap = "map_lock",
		.held = fill_a_pressed_page,
		.rival = reclaim_memory,
		.arg = pressed,
		.rival_must_wait = true,
	};
	int verdict;

	if (pt_area_map(&pressed->area, PT_ANON, MANY_TABLES * PT_TABLE) ||
	    pt_area_waste(&pressed->area))
		return pt_failed("no memory");
	play.addr = pressed->area.start;
	verdict = perform(&play);
	if (verdict != KSFT_PASS)
		return verdict;
	if (play.rival_result)
		return pt_failed("memory.reclaim: %s", strerror(-play.rival_result));
	if (taken_by_memory_reclaim() < before + MANY_TABLES / 2)
		return pt_failed("memory reclaim took %lld tables",
				 taken_by_memory_reclaim() - before);
	if (!page_is_there(&pressed->area))
		return pt_failed("the page is lost");
	return KSFT_PASS;
}

static int test_memory_reclaim_waits_for_the_fault(void)
{
	struct pressed pressed;
	struct pt_group root;
	int verdict = keep_the_thread_out();

	if (verdict != KSFT_PASS)
		return verdict;
	if (!pt_cgroups_find(&pressed.cgroups))
		return pt_skipped("this kernel has no memory cgroups");
	if (pt_group_make(&pressed.group, &pressed.cgroups, "pressed") ||
	    pt_group_join(&pressed.group, 0))
		verdict = pt_failed("cannot make a memory cgroup");
	else
		verdict = press(&pressed);
	snprintf(root.path, sizeof(root.path), "%s", pressed.cgroups.root);
	pt_group_join(&root, 0);
	pt_group_remove(&pressed.group);
	pt_cgroups_leave(&pressed.cgroups);
	return verdict;
}

/* Tables that were gone, or not fit, when the thread had the lock */
static long long looked_at_in_vain(void)
{
	return pt_vmstat("pt_reclaim_unfit") + pt_vmstat("pt_reclaim_raced");
}

static int test_exit_does_not_wait(void)
{
	struct other other;
	int verdict = hold_the_thread(&other, "madvise", "found");
	long long before;

	if (verdict != KSFT_PASS)
		return verdict;
	kill(other.pid, SIGKILL);
	if (waitpid(other.pid, NULL, 0) != other.pid || !gap_is_open("found"))
		verdict = pt_failed("the process could not exit meanwhile");
	before = looked_at_in_vain();
	gap_release("found");
	if (verdict == KSFT_PASS && !pt_wait_rounds(2))
		verdict = KSFT_FAIL;
	if (verdict == KSFT_PASS && looked_at_in_vain() != before)
		verdict = pt_failed("the tables of a dead process were looked at");
	return verdict;
}

/* Whoever has detached tables has them to flush, of whomever they were. */
static int test_exit_does_not_wait_for_the_flush(void)
{
	struct other other;
	int verdict = hold_the_thread(&other, "madvise", "detached");

	if (verdict != KSFT_PASS)
		return verdict;
	kill(other.pid, SIGKILL);
	if (waitpid(other.pid, NULL, 0) != other.pid || !gap_is_open("detached"))
		verdict = pt_failed("the process could not exit meanwhile");
	gap_release("detached");
	pt_set_mode("never");
	return verdict;
}

/* No gap, but as exact: one allocation after the other is made to fail. */
#define FAIL_PAGE_ALLOC "/sys/kernel/debug/fail_page_alloc/"

static int fail_nth(int nth)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", nth);
	return pt_write_file("/proc/thread-self/fail-nth", text);
}

/* Whether the allocation was reached is in what is left of the count. */
static bool was_failed(void)
{
	return pt_read_number("/proc/thread-self/fail-nth") == 0;
}

static int check_failed_protect(struct filler *filler, int nth, int err)
{
	long marked = protected_pages(&filler->area);

	if (err && err != -ENOMEM)
		return pt_failed("allocation %d: %s", nth, strerror(-err));
	if (!err && marked != (long)(filler->area.bytes / PT_PAGE))
		return pt_failed("allocation %d: success, and %ld pages are protected",
				 nth, marked);
	return KSFT_PASS;
}

static char *border_inside(struct pt_area *area)
{
	uintptr_t start = (uintptr_t)area->start + PT_TABLE;

	return (char *)((start + PT_GIB - 1) & ~(PT_GIB - 1));
}

static int test_failed_allocation_of_a_marker_is_reported(void)
{
	struct filler filler;
	struct pt_area whole;
	int nth, err, verdict;
	bool hit = true;

	if (access("/proc/thread-self/fail-nth", W_OK) ||
	    pt_write_file(FAIL_PAGE_ALLOC "min-order", "0") ||
	    pt_write_file(FAIL_PAGE_ALLOC "verbose", "0") ||
	    pt_write_file(FAIL_PAGE_ALLOC "ignore-gfp-wait", "0"))
		return pt_skipped("this kernel has no fault injection");
	for (nth = 1; hit; nth++) {
		/*
		 * Pages to count under one PUD entry, tables to make under the
		 * next: what failed there must not be added to the count.
		 */
		if (pt_area_map(&whole, PT_SHMEM, 2 * PT_GIB))
			return pt_failed("no memory");
		filler.area = whole;
		filler.area.start = border_inside(&whole) - PT_TABLE;
		filler.area.bytes = 3 * PT_TABLE;
		memset(filler.area.start, 1, PT_TABLE);
		verdict = open_protector(&filler);
		if (verdict != KSFT_PASS)
			return verdict;
		fail_nth(nth);
		err = protect(&filler);
		hit = was_failed();
		fail_nth(0);
		verdict = check_failed_protect(&filler, nth, err);
		if (verdict != KSFT_PASS)
			return verdict;
		close(filler.uffd);
		pt_area_unmap(&whole);
	}
	if (nth < 4)
		return pt_failed("only %d allocations were reached", nth - 2);
	return KSFT_PASS;
}

#define FAILSLAB "/sys/kernel/debug/failslab/"

/* Rounds in which the thread finds a table empty, and then takes it. */
#define ROUNDS_TO_TAKE	6

static bool has_answered(struct other *other)
{
	struct pollfd from = { .fd = other->from, .events = POLLIN };

	return poll(&from, 1, 0) == 1;
}

/* Returns what the other answers. Counts the copies that the thread came by. */
static long hold_half_made_copy(struct other *other, int *held)
{
	if (gap_arm("fork", NULL, other->pid) ||
	    !give_order(other, FORK_IN_VAIN))
		return -EIO;
	if (!pt_wait(10, "a fork to fail, or not",
		     gap_is_open("fork") || has_answered(other)))
		return -ETIMEDOUT;
	if (gap_is_open("fork")) {
		(*held)++;
		if (!pt_wait_rounds(ROUNDS_TO_TAKE))
			return -ETIMEDOUT;
	}
	gap_release("fork");
	return get_answer(other);
}

/*
 * What is there of a copy that fork() could not finish, for lack of memory, is not
 * locked while its references are dropped. There are VMAs in it, and a place where
 * they end that is none.
 */
static int test_half_made_copy_is_left_alone(void)
{
	struct other other;
	long answer;
	int held = 0;

	if (access("/proc/thread-self/fail-nth", W_OK) ||
	    pt_write_file(FAILSLAB "verbose", "0") ||
	    pt_write_file(FAILSLAB "ignore-gfp-wait", "0"))
		return pt_skipped("this kernel has no fault injection");
	if (start_other(&other) != KSFT_PASS || order(&other, PREPARE_FORK))
		return pt_failed("no process");
	if (pt_start_thread("always", 1))
		return pt_failed("no thread");
	do {
		answer = hold_half_made_copy(&other, &held);
	} while (answer > 0);
	pt_write_file(FAILSLAB "ignore-gfp-wait", "1");
	if (answer)
		return pt_failed("fork: %s", strerror(-answer));
	/* One for each of its VMAs at the least */
	pt_note("%d copies were half made", held);
	return held >= 10 ? KSFT_PASS : pt_failed("those are few");
}

static const struct pt_trial tests[] = {
#define TEST(name) { #name, name }
	TEST(test_table_outlives_the_walk),
	TEST(test_table_filled_after_it_was_found_stays),
	TEST(test_found_table_may_be_unmapped),
	TEST(test_table_being_unmapped_is_left),
	TEST(test_huge_page_is_not_taken_for_a_table),
	TEST(test_table_goes_once),
	TEST(test_table_is_not_filled_while_it_is_confirmed),
	TEST(test_fault_does_not_wait_for_the_flush),
	TEST(test_fault_does_not_wait_for_the_free),
	TEST(test_unmap_does_not_wait_for_the_flush),
	TEST(test_unmap_does_not_wait_for_the_free),
	TEST(test_fault_notices_that_its_table_went),
	TEST(test_pending_flush_is_made_up_for),
	TEST(test_reclaims_flush_comes_before_the_table_goes),
	TEST(test_fault_allocates_no_table_under_the_page_lock),
	TEST(test_writeprotect_marks_every_shmem_page),
	TEST(test_writeprotect_marks_every_anon_page),
	TEST(test_failed_allocation_of_a_marker_is_reported),
	TEST(test_copy_finds_no_page_that_is_not_there),
	TEST(test_shmem_copy_finds_no_page_that_is_not_there),
	TEST(test_copy_is_not_told_to_try_again),
	TEST(test_shmem_copy_is_not_told_to_try_again),
	TEST(test_zeropage_is_not_told_to_try_again),
	TEST(test_move_loses_no_page),
	TEST(test_move_loses_no_zero_page),
	TEST(test_move_loses_no_swapped_page),
	TEST(test_collapse_frees_only_what_is_there),
	TEST(test_retract_frees_only_what_is_there),
	TEST(test_collapse_goes_past_a_missing_table),
	TEST(test_opting_out_holds_at_once),
	TEST(test_another_table_ages_by_itself),
	TEST(test_leaving_always_holds_at_once),
	TEST(test_round_that_is_asked_for_waits_for_the_thread),
	TEST(test_leaving_always_holds_for_memory_reclaim),
	TEST(test_memory_reclaim_waits_for_the_fault),
	TEST(test_exit_does_not_wait),
	TEST(test_exit_does_not_wait_for_the_flush),
	TEST(test_half_made_copy_is_left_alone),
};

static int run_quietly(int (*run)(void))
{
	int verdict;

	if (pt_start_thread("never", 1000))
		return pt_failed("cannot change the settings");
	/* Small pages unless somebody asks for a huge one. */
	pt_set_thp("madvise");
	verdict = run();
	pt_set_mode("never");
	/* Who still writes to what was freed is found out when that is over. */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	return verdict;
}

int main(int argc, char **argv)
{
	const char *reason = NULL;

	if (access(GAPS, F_OK))
		reason = "this kernel has no " GAPS;
	else if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		reason = "this takes two CPUs";
	if (reason) {
		ksft_print_header();
		ksft_exit_skip("%s\n", reason);
	}
	pt_run_trials(argc, argv, tests, ARRAY_SIZE(tests), run_quietly);
}
