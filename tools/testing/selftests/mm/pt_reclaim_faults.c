// SPDX-License-Identifier: GPL-2.0
/*
 * Every allocation that page table reclaim makes, and those of mmu_gather,
 * fail in turn: the first one of an operation, the second one, and so on until
 * it comes through without having met a failure. Whatever fails has a
 * documented errno and has changed nothing; whoever cannot be registered, when
 * he asks for it or leaves a mark, is counted and simply not visited, until he
 * asks again or leaves the next one; nothing is leaked and nothing is lost.
 *
 * Needs fault injection (CONFIG_FAILSLAB, CONFIG_FAIL_PAGE_ALLOC,
 * CONFIG_FAULT_INJECTION_DEBUG_FS; CONFIG_FAIL_FUNCTION for one test).
 */
#define _GNU_SOURCE
#include <elf.h>
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_cgroup.h"
#include "pt_reclaim_harness.h"
#include "pt_reclaim_story.h"
#include "pt_reclaim_util.h"

#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif

#define DEBUGFS		"/sys/kernel/debug/"
#define FAILSLAB	DEBUGFS "failslab/"
#define FAIL_PAGE	DEBUGFS "fail_page_alloc/"
#define FAIL_FUNCTION	DEBUGFS "fail_function/"
#define SLOT_SLAB	"/sys/kernel/slab/pt_reclaim_mm_slot/failslab"
#define TRACING		"/sys/kernel/tracing/"

#define TEST_SECONDS	3600
#define SCAN_SLEEP_MS	10
#define TABLES		8L
#define SEED		0x5eedULL
/* More failures than any operation has allocations */
#define MANY		20000U
/* Pages that belong to somebody else, when tables are counted */
#define TABLES_TOLERANCE	64

/* What may fail. Settings in debugfs, put back when the program ends. */
static struct setting {
	const char *path;
	char value[32];
	bool saved;
} settings[] = {
	{ .path = FAILSLAB "probability" },
	{ .path = FAILSLAB "interval" },
	{ .path = FAILSLAB "times" },
	{ .path = FAILSLAB "space" },
	{ .path = FAILSLAB "verbose" },
	{ .path = FAILSLAB "task-filter" },
	{ .path = FAILSLAB "ignore-gfp-wait" },
	{ .path = FAILSLAB "cache-filter" },
	{ .path = FAIL_PAGE "probability" },
	{ .path = FAIL_PAGE "interval" },
	{ .path = FAIL_PAGE "times" },
	{ .path = FAIL_PAGE "space" },
	{ .path = FAIL_PAGE "verbose" },
	{ .path = FAIL_PAGE "task-filter" },
	{ .path = FAIL_PAGE "ignore-gfp-wait" },
	{ .path = FAIL_PAGE "ignore-gfp-highmem" },
	{ .path = FAIL_PAGE "min-order" },
	{ .path = SLOT_SLAB },
	{ }
};

static pid_t settings_owner;

static void save_fault_settings(void)
{
	struct setting *setting;

	for (setting = settings; setting->path; setting++)
		setting->saved = !pt_read_file(setting->path, setting->value,
					       sizeof(setting->value));
	settings_owner = getpid();
}

static void restore_fault_settings(void)
{
	struct setting *setting;

	if (getpid() != settings_owner)
		return;
	for (setting = settings; setting->path; setting++) {
		if (setting->saved)
			pt_write_file(setting->path, setting->value);
	}
}

/* What counts as an allocation that may fail */
enum victims {
	VICTIMS_NONE,
	VICTIMS_ALL,
	VICTIMS_SLOTS,		/* what mms are registered with */
	VICTIMS_GATHER,		/* pages that must not be waited for, */
				/* such as mmu_gather's */
};

static int set_all(const char *dir, const char * const (*values)[2])
{
	char path[128];
	int err = 0;

	for (; !err && (*values)[0]; values++) {
		snprintf(path, sizeof(path), "%s%s", dir, (*values)[0]);
		err = pt_write_file(path, (*values)[1]);
		if (err)
			pt_note("%s: %s", path, strerror(-err));
	}
	return err;
}

/* The slots have a cache of their own only where caches are not merged. */
static bool slots_can_be_chosen(void)
{
	return !access(SLOT_SLAB, W_OK);
}

/*
 * A fail-nth counts what passes these filters; @percent is for those who asked
 * for it through make-it-fail.
 */
static int set_victims(enum victims victims, const char *percent)
{
	const char *atomic_only = victims == VICTIMS_GATHER ? "Y" : "N";
	bool no_slab = victims == VICTIMS_GATHER || victims == VICTIMS_NONE;
	bool no_pages = victims == VICTIMS_SLOTS || victims == VICTIMS_NONE;
	const char * const slab[][2] = {
		{ "verbose", "0" }, { "task-filter", "Y" },
		{ "interval", "1" }, { "space", "0" }, { "times", "-1" },
		/* Without a cache that was chosen none pass. */
		{ "ignore-gfp-wait", no_slab ? "Y" : "N" },
		{ "cache-filter", victims == VICTIMS_ALL ? "N" : "Y" },
		{ "probability", percent }, { }
	};
	const char * const pages[][2] = {
		{ "verbose", "0" }, { "task-filter", "Y" },
		{ "interval", "1" }, { "space", "0" }, { "times", "-1" },
		{ "ignore-gfp-wait", atomic_only },
		{ "ignore-gfp-highmem", "N" },
		{ "min-order", no_pages ? "99" : "0" },
		{ "probability", percent }, { }
	};
	int err;

	if (slots_can_be_chosen())
		pt_write_file(SLOT_SLAB, victims == VICTIMS_SLOTS ? "1" : "0");
	err = set_all(FAILSLAB, slab);
	return err ? err : set_all(FAIL_PAGE, pages);
}

static bool faults_present(void)
{
	return !access(FAILSLAB "probability", W_OK) &&
	       !access(FAIL_PAGE "probability", W_OK) &&
	       !access("/proc/thread-self/fail-nth", W_OK);
}

/* The next allocation to fail. Open beforehand: opening allocates, too. */
static int fail_nth_fd = -1;

static int open_fail_nth(pid_t pid)
{
	char path[64];

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/fail-nth", pid);
	else
		snprintf(path, sizeof(path), "/proc/thread-self/fail-nth");
	return open(path, O_RDWR | O_CLOEXEC);
}

static void arm_fd(int fd, unsigned int nth)
{
	char text[16];
	int len = sprintf(text, "%u", nth);

	if (pwrite(fd, text, len, 0) != len)
		abort();
}

/* True if there was a failure */
static bool disarm_fd(int fd)
{
	char text[16] = "";
	ssize_t len;

	len = pread(fd, text, sizeof(text) - 1, 0);
	arm_fd(fd, 0);
	return len > 0 && atoi(text) == 0;
}

static void arm(unsigned int nth)
{
	arm_fd(fail_nth_fd, nth);
}

static bool disarm(void)
{
	return disarm_fd(fail_nth_fd);
}

static int make_it_fail(pid_t pid, bool on)
{
	char path[64];

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/make-it-fail", pid);
	else
		snprintf(path, sizeof(path), "/proc/self/make-it-fail");
	return pt_write_file(path, on ? "1" : "0");
}

/* How many there are of what could leak, and who could not be registered */
struct tally {
	long long mms;
	long long tables;
	long long unregistered;
};

static struct tally tally(void)
{
	struct tally now = {
		.mms = pt_knob("mms"),
		.tables = pt_vmstat("nr_page_table_pages"),
		.unregistered = pt_vmstat("pt_reclaim_unregistered"),
	};

	return now;
}

static bool nothing_is_leaked(const struct tally *before)
{
	return pt_wait(30, "mms to go back to where it was",
		       pt_knob("mms") <= before->mms) &&
	       pt_wait(60, "nr_page_table_pages to go back",
		       pt_vmstat("nr_page_table_pages") <=
		       before->tables + TABLES_TOLERANCE);
}

static long long newly_unregistered(const struct tally *before)
{
	return pt_vmstat("pt_reclaim_unregistered") - before->unregistered;
}

static long long newly_registered(const struct tally *before)
{
	return pt_knob("mms") - before->mms;
}

static int opt(unsigned long setting)
{
	return prctl(PR_SET_PT_RECLAIM, setting, 0, 0, 0) ? -errno : 0;
}

/* A child does as the letters say that it is sent. */
enum {
	SAY_ENABLE = 'e',
	SAY_WASTE = 'w',
};

struct child {
	pid_t pid;
	int to;
	int from;
};

static __noreturn void obey(int from, int to, struct pt_area *area)
{
	char letter;

	while (read(from, &letter, 1) == 1) {
		if (letter == SAY_ENABLE && opt(PR_PT_RECLAIM_ENABLE))
			letter = '!';
		if (letter == SAY_WASTE && pt_area_waste(area))
			letter = '!';
		if (write(to, &letter, 1) != 1)
			break;
	}
	_exit(0);
}

/* Negative errno; the fork alone may meet failures. */
static int start_child(struct child *child, struct pt_area *area,
		       unsigned int nth, bool *injected)
{
	int told[2], says[2];
	pid_t pid;
	int err = 0;

	if (pipe2(told, O_CLOEXEC) || pipe2(says, O_CLOEXEC))
		return -errno;
	if (nth)
		arm(nth);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(told[1]);
		close(says[0]);
		obey(told[0], says[1], area);
	}
	if (pid < 0)
		err = -errno;
	if (nth)
		*injected = disarm();
	close(told[0]);
	close(says[1]);
	child->pid = pid;
	child->to = told[1];
	child->from = says[0];
	if (err) {
		close(child->to);
		close(child->from);
	}
	return err;
}

static bool tell_child(struct child *child, char letter)
{
	char said = 0;

	return write(child->to, &letter, 1) == 1 &&
	       read(child->from, &said, 1) == 1 && said == letter;
}

static void end_child(struct child *child)
{
	if (child->pid <= 0)
		return;
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	close(child->to);
	close(child->from);
	child->pid = 0;
}

FIXTURE(faults)
{
	struct pt_area area;	/* to be wasted */
	struct pt_area data;	/* to be kept */
	struct child witness;	/* is visited all the time */
	struct tally before;
};

static void fill_data(struct pt_area *data)
{
	size_t at;

	for (at = 0; at < data->bytes; at += PT_TABLE)
		pt_fill_page(data->start + at, SEED, at);
}

static bool data_is_intact(struct pt_area *data)
{
	size_t at;

	for (at = 0; at < data->bytes; at += PT_TABLE) {
		if (!pt_page_is_intact(data->start + at, SEED, at))
			return false;
	}
	return true;
}

/*
 * In this mode nobody but we ourselves can be registered; without sweeps nobody is
 * who neither asks for it nor leaves a mark.
 */
static int start_without_sweeps(const char *mode, unsigned int sleep_msecs)
{
	int err = pt_set_knob("sweep_rounds", 0);

	return err ? err : pt_start_thread(mode, sleep_msecs);
}

FIXTURE_SETUP(faults)
{
	self->area.fd = -1;
	self->data.fd = -1;
	if (!faults_present())
		SKIP(return, "this kernel has no fault injection");
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	fail_nth_fd = open_fail_nth(0);
	ASSERT_LE(0, fail_nth_fd);
	ASSERT_EQ(0, set_victims(VICTIMS_NONE, "0"));
	ASSERT_EQ(0, start_without_sweeps("madvise", SCAN_SLEEP_MS));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON, TABLES * PT_TABLE));
	ASSERT_EQ(0, pt_area_map(&self->data, PT_ANON, TABLES * PT_TABLE));
	fill_data(&self->data);
	ASSERT_EQ(0, start_child(&self->witness, &self->area, 0, NULL));
	ASSERT_TRUE(tell_child(&self->witness, SAY_ENABLE));
	self->before = tally();
}

FIXTURE_TEARDOWN(faults)
{
	make_it_fail(0, false);
	set_victims(VICTIMS_NONE, "0");
	end_child(&self->witness);
	pt_area_unmap(&self->area);
	pt_area_unmap(&self->data);
	pt_set_mode("never");
}

static bool tables_stay(pid_t pid)
{
	long kb = pt_vmpte_kb(pid);

	/* Of the witness's rounds */
	return pt_wait_rounds(4) && pt_vmpte_kb(pid) == kb;
}

/* The area's, of a process that had @kb with them */
static bool tables_go(pid_t pid, long kb)
{
	return pt_wait(30, "empty tables to go after all",
		       pt_vmpte_kb(pid) <= kb - TABLES * PT_TABLE_KB);
}

/* Tables taken by the last call */
static long tables_lost(long kb_before)
{
	return (kb_before - pt_vmpte_kb(0)) / PT_TABLE_KB;
}

/*
 * It allocates nothing: whoever asks may have nothing left. But DEBUG_OBJECTS does,
 * for what is given to RCU, when it has few objects left: once in a while, not each
 * time.
 */
#define DEBUG_OBJECTS_TIMES	16

TEST_F_TIMEOUT(faults, test_madvise_does_not_fail, TEST_SECONDS)
{
	unsigned int failures = 0;
	bool injected = true;
	int err;
	long kb;

	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	while (injected && failures < DEBUG_OBJECTS_TIMES) {
		ASSERT_EQ(0, pt_area_waste(&self->area));
		pt_vmpte_kb(0);
		kb = pt_vmpte_kb(0);
		arm(1);
		err = madvise(self->area.start, self->area.bytes,
			      MADV_PT_RECLAIM) ? -errno : 0;
		injected = disarm();
		ASSERT_EQ(0, err) {
			TH_LOG("failure %u: %s", failures, strerror(-err));
		}
		ASSERT_EQ(TABLES, tables_lost(kb));
		failures += injected;
	}
	/* Nothing was asked for that could have failed. */
	EXPECT_FALSE(injected);
	EXPECT_TRUE(data_is_intact(&self->data));
	EXPECT_EQ(0, newly_unregistered(&self->before));
	TH_LOG("%u failures", failures);
}

#define VECTORS		12	/* more than fit on the kernel's stack */

/* The vectors have to be copied. After that nothing stops it. */
TEST_F_TIMEOUT(faults, test_process_madvise_does_all_or_nothing, TEST_SECONDS)
{
	unsigned int nth, refused = 0;
	struct iovec vectors[VECTORS];
	bool injected = true;
	struct pt_area area;
	long result, kb;
	int fd, i;

	ASSERT_EQ(0, pt_area_map(&area, PT_ANON, VECTORS * PT_TABLE));
	for (i = 0; i < VECTORS; i++) {
		vectors[i].iov_base = area.start + i * PT_TABLE;
		vectors[i].iov_len = PT_TABLE;
	}
	fd = syscall(SYS_pidfd_open, getpid(), 0);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	for (nth = 1; injected && nth < MANY; nth++) {
		ASSERT_EQ(0, pt_area_waste(&area));
		pt_vmpte_kb(0);
		kb = pt_vmpte_kb(0);
		arm(nth);
		result = syscall(SYS_process_madvise, fd, vectors, VECTORS,
				 MADV_PT_RECLAIM, 0);
		if (result < 0)
			result = -errno;
		injected = disarm();
		ASSERT_TRUE(result == (long)area.bytes ||
			    (injected && result == -ENOMEM)) {
			TH_LOG("failure %u: %ld", nth, result);
		}
		refused += result < 0;
		ASSERT_EQ(result < 0 ? 0 : VECTORS, tables_lost(kb));
	}
	EXPECT_LT(0U, refused);
	EXPECT_TRUE(data_is_intact(&self->data));
	EXPECT_EQ(0, newly_unregistered(&self->before));
	pt_area_unmap(&area);
	TH_LOG("%u failures, %u refusals", nth - 2, refused);
}

/* Registered or counted: one of the two. */
TEST_F_TIMEOUT(faults, test_prctl_registers_or_counts, TEST_SECONDS)
{
	unsigned int nth, failures = 0;
	bool injected = true;
	struct tally before;
	int err;

	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	for (nth = 1; injected && nth < MANY; nth++) {
		before = tally();
		arm(nth);
		err = opt(PR_PT_RECLAIM_ENABLE);
		injected = disarm();
		ASSERT_EQ(0, err);
		ASSERT_EQ(PR_PT_RECLAIM_ENABLE,
			  prctl(PR_GET_PT_RECLAIM, 0, 0, 0, 0));
		ASSERT_EQ(1, newly_registered(&before) +
			     newly_unregistered(&before));
		failures += newly_unregistered(&before);
		ASSERT_TRUE(injected || !newly_unregistered(&before));

		/* Another attempt */
		ASSERT_EQ(0, opt(PR_PT_RECLAIM_ENABLE));
		ASSERT_EQ(1, newly_registered(&before));
		ASSERT_EQ(0, opt(PR_PT_RECLAIM_DEFAULT));
		ASSERT_EQ(0, newly_registered(&before));
	}
	EXPECT_LT(0U, failures);
	EXPECT_LT(nth, MANY);
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	TH_LOG("%u failures, %u processes not registered", nth - 2, failures);
}

/* Its marks try again, each in vain; what it says last is swept for. */
TEST_F_TIMEOUT(faults, test_unregistered_is_not_visited_until_it_asks_again,
	       TEST_SECONDS)
{
	long kb;

	if (!slots_can_be_chosen())
		SKIP(return, "slots share their cache; try slab_nomerge");
	ASSERT_EQ(0, set_victims(VICTIMS_SLOTS, "100"));
	ASSERT_EQ(0, make_it_fail(0, true));
	ASSERT_EQ(0, opt(PR_PT_RECLAIM_ENABLE));
	ASSERT_EQ(1, newly_unregistered(&self->before));
	ASSERT_EQ(0, pt_area_waste(&self->area));
	EXPECT_LE(1 + TABLES, newly_unregistered(&self->before));
	EXPECT_EQ(0, newly_registered(&self->before));
	EXPECT_TRUE(tables_stay(0));
	EXPECT_EQ(0, newly_registered(&self->before));

	kb = pt_vmpte_kb(0);
	ASSERT_EQ(0, make_it_fail(0, false));
	ASSERT_EQ(0, opt(PR_PT_RECLAIM_ENABLE));
	EXPECT_EQ(1, newly_registered(&self->before));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_TRUE(data_is_intact(&self->data));
	ASSERT_EQ(0, opt(PR_PT_RECLAIM_DEFAULT));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
}

/* The mark that could not register is not lost, and its table not either. */
TEST_F_TIMEOUT(faults, test_next_mark_registers_who_could_not_be,
	       TEST_SECONDS)
{
	size_t at;
	long kb;

	if (!slots_can_be_chosen())
		SKIP(return, "slots share their cache; try slab_nomerge");
	ASSERT_EQ(0, set_victims(VICTIMS_SLOTS, "0"));
	arm(1);
	ASSERT_EQ(0, opt(PR_PT_RECLAIM_ENABLE));
	ASSERT_TRUE(disarm());
	ASSERT_EQ(1, newly_unregistered(&self->before));
	ASSERT_EQ(0, newly_registered(&self->before));

	for (at = 0; at < self->area.bytes; at += PT_TABLE)
		self->area.start[at] = 1;
	pt_vmpte_kb(0);
	kb = pt_vmpte_kb(0);
	arm(1);
	ASSERT_EQ(0, madvise(self->area.start, self->area.bytes,
			     MADV_DONTNEED));
	ASSERT_TRUE(disarm());
	EXPECT_EQ(2, newly_unregistered(&self->before));
	EXPECT_EQ(1, newly_registered(&self->before));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_TRUE(data_is_intact(&self->data));
	ASSERT_EQ(0, opt(PR_PT_RECLAIM_DEFAULT));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
}

static bool rounds_have_ended(void)
{
	long long rounds;

	do {
		rounds = pt_knob("full_scans");
		pt_pause_ms(20 * SCAN_SLEEP_MS * pt_patience());
	} while (pt_knob("full_scans") != rounds);
	return true;
}

/* The parent has empty tables that are marked, for fork() to copy. */
static bool have_marks_to_copy(struct pt_area *area)
{
	return !opt(PR_PT_RECLAIM_ENABLE) && pt_wait_rounds(4) &&
	       !pt_set_knob("scan_sleep_millisecs", PT_HELD_MS) &&
	       rounds_have_ended() && !pt_area_waste(area);
}

TEST_F_TIMEOUT(faults, test_unregistered_child_is_not_visited_until_it_asks,
	       TEST_SECONDS)
{
	struct child child;
	long kb;

	if (!slots_can_be_chosen())
		SKIP(return, "slots share their cache; try slab_nomerge");
	ASSERT_TRUE(have_marks_to_copy(&self->area));
	self->before = tally();
	ASSERT_EQ(0, set_victims(VICTIMS_SLOTS, "100"));
	ASSERT_EQ(0, make_it_fail(0, true));
	ASSERT_EQ(0, start_child(&child, &self->area, 0, NULL));
	ASSERT_EQ(0, make_it_fail(0, false));
	EXPECT_LE(TABLES, newly_unregistered(&self->before));
	EXPECT_EQ(0, newly_registered(&self->before));

	/* The child has inherited that it fails. */
	self->before.unregistered = tally().unregistered;
	EXPECT_TRUE(tell_child(&child, SAY_WASTE));
	EXPECT_LE(TABLES, newly_unregistered(&self->before));
	EXPECT_EQ(0, newly_registered(&self->before));
	pt_vmpte_kb(0);
	kb = pt_vmpte_kb(0);
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", SCAN_SLEEP_MS));
	EXPECT_TRUE(tables_go(0, kb));
	EXPECT_TRUE(tables_stay(child.pid));

	kb = pt_vmpte_kb(child.pid);
	ASSERT_EQ(0, make_it_fail(child.pid, false));
	EXPECT_TRUE(tell_child(&child, SAY_ENABLE));
	EXPECT_EQ(1, newly_registered(&self->before));
	EXPECT_TRUE(tables_go(child.pid, kb));
	end_child(&child);
	EXPECT_TRUE(nothing_is_leaked(&self->before));
}

/* The first copied mark finds no memory, the second one does. */
TEST_F_TIMEOUT(faults, test_copied_marks_register_the_child, TEST_SECONDS)
{
	struct child child;
	bool injected;
	long kb;

	if (!slots_can_be_chosen())
		SKIP(return, "slots share their cache; try slab_nomerge");
	ASSERT_TRUE(have_marks_to_copy(&self->area));
	self->before = tally();
	ASSERT_EQ(0, set_victims(VICTIMS_SLOTS, "0"));
	ASSERT_EQ(0, start_child(&child, &self->area, 1, &injected));
	EXPECT_TRUE(injected);
	EXPECT_EQ(1, newly_unregistered(&self->before));
	EXPECT_EQ(1, newly_registered(&self->before));
	kb = pt_vmpte_kb(child.pid);
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", SCAN_SLEEP_MS));
	EXPECT_TRUE(tables_go(child.pid, kb));
	end_child(&child);
	EXPECT_TRUE(nothing_is_leaked(&self->before));
}

/*
 * How many allocations a long operation has changes a little from one time to the
 * next, so that the one which registers may be missed: begin again until it was
 * hit, some times.
 */
#define MOST_SWEEPS	10

struct sweep {
	unsigned int nth;	/* the allocation to fail */
	unsigned int ends;
	unsigned int failures;
};

static bool next_failure(struct sweep *sweep, bool injected, bool hit)
{
	sweep->failures += injected;
	sweep->nth = injected ? sweep->nth + 1 : 1;
	sweep->ends += !injected;
	return injected ? sweep->nth < MANY : !hit && sweep->ends < MOST_SWEEPS;
}

/*
 * fork() fails at any point, or the child is there: registered, by the marks that
 * were copied or by its first own. A failure that meets a mark is counted. The
 * thread is at the parent and at the halves of children all the while.
 */
TEST_F_TIMEOUT(faults, test_fork_fails_or_the_child_is_registered, TEST_SECONDS)
{
	unsigned int refused = 0, unregistered = 0, copied = 0;
	struct sweep sweep = { .nth = 1 };
	bool injected = true;
	long long counted;
	struct child child;
	struct tally before;
	int err;

	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", 1));
	ASSERT_EQ(0, opt(PR_PT_RECLAIM_ENABLE));
	self->before = tally();
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	do {
		before = tally();
		/* At once, or the thread has taken what there is to copy. */
		ASSERT_EQ(0, pt_area_waste(&self->area));
		err = start_child(&child, &self->area, sweep.nth, &injected);
		ASSERT_TRUE(!err || (injected && (err == -ENOMEM ||
						  err == -EAGAIN))) {
			TH_LOG("failure %u: %s", sweep.nth, strerror(-err));
		}
		refused += !!err;
		if (!err) {
			copied += newly_registered(&before);
			ASSERT_TRUE(tell_child(&child, SAY_WASTE));
			ASSERT_EQ(1, newly_registered(&before));
		}
		counted = newly_unregistered(&before);
		ASSERT_LE(counted, injected);
		unregistered += counted;
		if (!err)
			end_child(&child);
		ASSERT_EQ(0, newly_registered(&before));
		ASSERT_TRUE(data_is_intact(&self->data));
	} while (next_failure(&sweep, injected, unregistered));
	EXPECT_LT(0U, refused);
	EXPECT_LT(0U, unregistered);
	EXPECT_LT(0U, copied);
	EXPECT_LT(sweep.nth, MANY);
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	TH_LOG("%u failures, %u refused, %u marks did not register, %u children by copied ones",
	       sweep.failures, refused, unregistered, copied);
}

/*
 * A program that leaves one mark and stops itself: madvise(stack, 4096,
 * MADV_DONTNEED), kill(getpid(), SIGSTOP), _exit(0).
 */
#define LOAD_ADDRESS	0x400000

struct tiny_elf {
	__u8 ident[EI_NIDENT];
	__u16 type;
	__u16 machine;
	__u32 version;
	__u64 entry;
	__u64 segments_at;
	__u64 sections_at;
	__u32 flags;
	__u16 header_bytes;
	__u16 segment_bytes;
	__u16 nr_segments;
	__u16 sections[3];

	__u32 segment_type;
	__u32 segment_flags;
	__u64 offset;
	__u64 address;
	__u64 physical_address;
	__u64 bytes_in_file;
	__u64 bytes;
	__u64 alignment;

	__u8 code[57];
};

static const struct tiny_elf stopping_program = {
	.ident = { 0x7f, 'E', 'L', 'F', ELFCLASS64, ELFDATA2LSB, EV_CURRENT },
	.type = ET_EXEC,
	.machine = EM_X86_64,
	.version = EV_CURRENT,
	.entry = LOAD_ADDRESS + offsetof(struct tiny_elf, code),
	.segments_at = offsetof(struct tiny_elf, segment_type),
	.header_bytes = offsetof(struct tiny_elf, segment_type),
	.segment_bytes = offsetof(struct tiny_elf, code) -
			 offsetof(struct tiny_elf, segment_type),
	.nr_segments = 1,
	.segment_type = PT_LOAD,
	.segment_flags = PF_R | PF_X,
	.address = LOAD_ADDRESS,
	.bytes_in_file = sizeof(struct tiny_elf),
	.bytes = sizeof(struct tiny_elf),
	.alignment = PT_PAGE,
	.code = {
		0x48, 0x89, 0xe7, 0x48, 0x81, 0xe7, 0x00, 0xf0, 0xff, 0xff,
		0xbe, 0x00, 0x10, 0, 0, 0xba, MADV_DONTNEED, 0, 0, 0,
		0xb8, SYS_madvise, 0, 0, 0, 0x0f, 0x05,
		0xb8, SYS_getpid, 0, 0, 0, 0x0f, 0x05,
		0x89, 0xc7, 0xbe, SIGSTOP, 0, 0, 0,
		0xb8, SYS_kill, 0, 0, 0, 0x0f, 0x05,
		0x31, 0xff, 0xb8, SYS_exit, 0, 0, 0, 0x0f, 0x05,
	},
};

static int open_stopping_program(void)
{
	int fd, readable = -1;
	char path[64];

	fd = memfd_create("stopping", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	/* What is open to be written cannot be executed. */
	snprintf(path, sizeof(path), "/proc/self/fd/%d", fd);
	if (write(fd, &stopping_program, sizeof(stopping_program)) ==
	    sizeof(stopping_program))
		readable = open(path, O_RDONLY | O_CLOEXEC);
	close(fd);
	return readable;
}

enum exec_outcome {
	EXEC_ERROR,		/* execve() has returned */
	EXEC_KILLED,		/* too late to return */
	EXEC_STOPPED,		/* it runs, and stands still */
	EXEC_STRANGE,
};

/* Forks a child whose exec() meets the failure. */
static int exec_with_failure(int program, unsigned int nth, pid_t *pid)
{
	char * const nothing[] = { NULL };
	int status, own;

	*pid = fork();
	if (!*pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		own = open_fail_nth(0);
		arm_fd(own, nth);
		syscall(SYS_execveat, program, "", nothing, nothing,
			AT_EMPTY_PATH);
		/* With whichever error: what exec() says is its own affair. */
		_exit(!disarm_fd(own));
	}
	if (*pid < 0 ||
	    !pt_wait(30, "a child to exec, stop or end",
		     waitpid(*pid, &status, WNOHANG | WUNTRACED) == *pid))
		return EXEC_STRANGE;
	if (WIFSTOPPED(status))
		return EXEC_STOPPED;
	if (WIFEXITED(status))
		return WEXITSTATUS(status) ? EXEC_STRANGE : EXEC_ERROR;
	return EXEC_KILLED;
}

TEST_F_TIMEOUT(faults, test_exec_fails_or_its_mark_registers_or_counts,
	       TEST_SECONDS)
{
	unsigned int outcomes[EXEC_STRANGE + 1] = { 0 };
	struct sweep sweep = { .nth = 1 };
	unsigned int unregistered = 0;
	int program, fd, outcome;
	bool injected = true;
	struct tally before;
	pid_t pid;

	program = open_stopping_program();
	ASSERT_LE(0, program);
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", 1));
	ASSERT_EQ(0, opt(PR_PT_RECLAIM_ENABLE));
	self->before = tally();
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	do {
		before = tally();
		outcome = exec_with_failure(program, sweep.nth, &pid);
		outcomes[outcome]++;
		ASSERT_NE((int)EXEC_STRANGE, outcome);
		unregistered += newly_unregistered(&before);
		if (outcome != EXEC_STOPPED) {
			ASSERT_EQ(0, newly_unregistered(&before));
			ASSERT_EQ(0, newly_registered(&before));
			injected = true;
			continue;
		}
		fd = open_fail_nth(pid);
		injected = disarm_fd(fd);
		close(fd);
		EXPECT_EQ(1, newly_registered(&before) +
			     newly_unregistered(&before));
		kill(pid, SIGKILL);
		ASSERT_EQ(pid, waitpid(pid, NULL, 0));
		ASSERT_EQ(0, newly_registered(&before));
	} while (next_failure(&sweep, injected, unregistered));
	EXPECT_LT(0U, outcomes[EXEC_ERROR]);
	EXPECT_LT(0U, unregistered);
	EXPECT_LT(sweep.nth, MANY);
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	close(program);
	TH_LOG("%u failures, %u execs failed, %u were killed, %u not registered",
	       sweep.failures, outcomes[EXEC_ERROR], outcomes[EXEC_KILLED],
	       unregistered);
}

#define CHILDREN	8

/* The processes that take part: this one, the witness and more children */
FIXTURE(switching)
{
	struct child children[CHILDREN];
	int enabled;		/* open for writing: opening allocates, too */
	long long all;
	struct tally before;
	struct pt_area data;
};

FIXTURE_SETUP(switching)
{
	int i;

	self->data.fd = -1;
	if (!faults_present())
		SKIP(return, "this kernel has no fault injection");
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	fail_nth_fd = open_fail_nth(0);
	ASSERT_LE(0, fail_nth_fd);
	ASSERT_EQ(0, set_victims(VICTIMS_NONE, "0"));
	ASSERT_EQ(0, start_without_sweeps("never", SCAN_SLEEP_MS));
	ASSERT_EQ(0, opt(PR_PT_RECLAIM_ENABLE));
	ASSERT_EQ(0, pt_area_map(&self->data, PT_ANON, TABLES * PT_TABLE));
	fill_data(&self->data);
	for (i = 0; i < CHILDREN; i++)
		ASSERT_EQ(0, start_child(&self->children[i], NULL, 0, NULL));
	self->enabled = open(PT_SYSFS "enabled", O_RDWR | O_CLOEXEC);
	ASSERT_LE(0, self->enabled);
	ASSERT_EQ(0, pt_set_mode("madvise"));
	self->all = pt_knob("mms");
	EXPECT_EQ(CHILDREN + 1, self->all);
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, pt_knob("mms"));
	self->before = tally();
}

FIXTURE_TEARDOWN(switching)
{
	int i;

	set_victims(VICTIMS_NONE, "0");
	for (i = 0; i < CHILDREN; i++)
		end_child(&self->children[i]);
	close(self->enabled);
	pt_area_unmap(&self->data);
	pt_set_mode("never");
}

static int switch_to(int enabled, const char *mode)
{
	size_t len = strlen(mode);

	return pwrite(enabled, mode, len, 0) == (ssize_t)len ? 0 : -errno;
}

/* Without memory to switch with nothing is switched; or all of it is. */
static bool is_switched_off(void)
{
	char mode[32];

	/* The thread may be seen on its last steps. */
	return !pt_get_mode(mode, sizeof(mode)) && !strcmp(mode, "never") &&
	       pt_wait(10, "the thread to be gone", !pt_find_thread()) &&
	       !pt_knob("mms");
}

static bool is_switched_on(void)
{
	char mode[32];

	return !pt_get_mode(mode, sizeof(mode)) && !strcmp(mode, "madvise") &&
	       pt_find_thread();
}

TEST_F_TIMEOUT(switching, test_switching_on_fails_or_registers_or_counts,
	       TEST_SECONDS)
{
	unsigned int nth, refused = 0, failures = 0;
	bool injected = true;
	struct tally before;
	int err;

	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	for (nth = 1; injected && nth < MANY; nth++) {
		before = tally();
		arm(nth);
		err = switch_to(self->enabled, "madvise");
		injected = disarm();
		ASSERT_TRUE(!err || (injected && err == -ENOMEM)) {
			TH_LOG("failure %u: %s", nth, strerror(-err));
		}
		ASSERT_TRUE(err ? is_switched_off() : is_switched_on());
		ASSERT_EQ(err ? 0 : self->all, newly_registered(&before) +
					       newly_unregistered(&before));
		failures += !!newly_unregistered(&before);
		refused += !!err;
		ASSERT_EQ(0, pt_set_mode("never"));
		ASSERT_TRUE(is_switched_off());
	}
	EXPECT_LT(0U, refused);
	EXPECT_LT(0U, failures);
	EXPECT_LT(nth, MANY);
	ASSERT_EQ(0, pt_set_mode("madvise"));
	EXPECT_EQ(self->all, pt_knob("mms"));
	ASSERT_EQ(0, pt_set_mode("never"));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	TH_LOG("%u failures, %u switches failed, %u times not all registered",
	       nth - 2, refused, failures);
}

/* The first slot that cannot be had is the end of it: the rest is counted. */
TEST_F_TIMEOUT(switching, test_switching_on_registers_as_many_as_it_can,
	       TEST_SECONDS)
{
	struct tally before;
	long long nth;

	if (!slots_can_be_chosen())
		SKIP(return, "slots share their cache; try slab_nomerge");
	ASSERT_EQ(0, set_victims(VICTIMS_SLOTS, "0"));
	for (nth = 1; nth <= self->all; nth++) {
		before = tally();
		arm(nth);
		ASSERT_EQ(0, switch_to(self->enabled, "madvise"));
		ASSERT_TRUE(disarm());
		EXPECT_EQ(nth - 1, newly_registered(&before));
		EXPECT_EQ(self->all - nth + 1, newly_unregistered(&before));
		ASSERT_EQ(0, pt_set_mode("never"));
	}
	EXPECT_TRUE(nothing_is_leaked(&self->before));
}

TEST_F_TIMEOUT(switching, test_switching_off_fails_or_is_done, TEST_SECONDS)
{
	bool injected = true;
	unsigned int nth;
	int err;

	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	for (nth = 1; injected && nth < MANY; nth++) {
		ASSERT_EQ(0, pt_set_mode("madvise"));
		arm(nth);
		err = switch_to(self->enabled, "never");
		injected = disarm();
		ASSERT_TRUE(!err || (injected && err == -ENOMEM));
		ASSERT_TRUE(err ? is_switched_on() : is_switched_off());
		if (err)
			ASSERT_EQ(self->all, pt_knob("mms"));
		ASSERT_EQ(0, pt_set_mode("never"));
	}
	EXPECT_LT(nth, MANY);
	EXPECT_EQ(0, newly_unregistered(&self->before));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	TH_LOG("%u failures", nth - 2);
}

#define KTHREADD	2

/* The kernel's own thread that makes threads cannot make this one. */
TEST_F_TIMEOUT(switching, test_thread_that_cannot_be_made_changes_nothing,
	       TEST_SECONDS)
{
	unsigned int nth, refused = 0;
	bool injected = true;
	char comm[32] = "";
	int err, fd;

	pt_read_file("/proc/2/comm", comm, sizeof(comm));
	if (strcmp(comm, "kthreadd"))
		SKIP(return, "kthreadd is not to be seen from here");
	fd = open_fail_nth(KTHREADD);
	ASSERT_LE(0, fd);
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	for (nth = 1; injected && nth < MANY; nth++) {
		arm_fd(fd, nth);
		err = switch_to(self->enabled, "madvise");
		injected = disarm_fd(fd);
		ASSERT_TRUE(!err || (injected && (err == -ENOMEM ||
						  err == -EAGAIN))) {
			TH_LOG("failure %u: %s", nth, strerror(-err));
		}
		ASSERT_TRUE(err ? is_switched_off() : is_switched_on());
		if (!err)
			ASSERT_EQ(self->all, pt_knob("mms"));
		refused += !!err;
		ASSERT_EQ(0, pt_set_mode("never"));
	}
	close(fd);
	EXPECT_LT(0U, refused);
	EXPECT_LT(nth, MANY);
	EXPECT_EQ(0, newly_unregistered(&self->before));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	TH_LOG("%u failures, %u switches failed", nth - 2, refused);
}

/*
 * Counts how often the kernel frees a table that is in no batch, and how often it
 * interrupts another CPU for that: by what the other one runs, since a compiler may
 * have what asks for it inline.
 */
struct probe {
	const char *name, *function;
	bool counts;
};

static struct probe one_by_one = {
	.name = "single", .function = "tlb_remove_table_one_rcu"
};

static struct probe interrupted = {
	.name = "sync", .function = "tlb_remove_table_smp_sync"
};

/* Not for a table of a gather, but for those that memory reclaim has taken */
static struct probe expedited = {
	.name = "expedited", .function = "synchronize_rcu_expedited"
};

static void start_counting(struct probe *probe)
{
	char text[128], enable[128];

	snprintf(text, sizeof(text), "p:pt_reclaim_faults/%s %s", probe->name,
		 probe->function);
	snprintf(enable, sizeof(enable),
		 TRACING "events/pt_reclaim_faults/%s/enable", probe->name);
	probe->counts = !pt_write_file(TRACING "kprobe_events", text) &&
			!pt_write_file(enable, "1");
	if (!probe->counts)
		pt_note("no kprobe on %s: nothing is counted", probe->function);
}

static void stop_counting(struct probe *probe)
{
	char text[128];

	snprintf(text, sizeof(text),
		 TRACING "events/pt_reclaim_faults/%s/enable", probe->name);
	pt_write_file(text, "0");
	snprintf(text, sizeof(text), "-:pt_reclaim_faults/%s", probe->name);
	pt_write_file(TRACING "kprobe_events", text);
}

static long long hits(const struct probe *probe)
{
	char line[256], name[64];
	long long all = 0, n;
	FILE *profile;

	profile = fopen(TRACING "kprobe_profile", "r");
	while (profile && fgets(line, sizeof(line), profile))
		if (sscanf(line, " %63s %lld", name, &n) == 2 &&
		    !strcmp(name, probe->name))
			all = n;
	if (profile)
		fclose(profile);
	return all;
}

/* mmu_gather without memory: nothing may fail, or interrupt others. */
FIXTURE(gather)
{
	struct pt_area data;
	struct tally before;
	long long singles, interrupts;
};

FIXTURE_SETUP(gather)
{
	self->data.fd = -1;
	if (!faults_present())
		SKIP(return, "this kernel has no fault injection");
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	fail_nth_fd = open_fail_nth(0);
	ASSERT_LE(0, fail_nth_fd);
	ASSERT_EQ(0, set_victims(VICTIMS_NONE, "0"));
	ASSERT_EQ(0, pt_area_map(&self->data, PT_ANON, TABLES * PT_TABLE));
	fill_data(&self->data);
	ASSERT_EQ(0, start_without_sweeps("always", 1));
	start_counting(&one_by_one);
	start_counting(&interrupted);
	self->singles = hits(&one_by_one);
	self->interrupts = hits(&interrupted);
	self->before = tally();
}

FIXTURE_TEARDOWN(gather)
{
	make_it_fail(0, false);
	set_victims(VICTIMS_NONE, "0");
	pt_area_unmap(&self->data);
	pt_set_mode("never");
	stop_counting(&one_by_one);
	stop_counting(&interrupted);
}

#define GATHER_TABLES	64L

/* More pages in a table than one batch of mmu_gather holds by itself */
static int use_area(struct pt_area *area)
{
	size_t at;

	if (pt_area_map(area, PT_ANON, GATHER_TABLES * PT_TABLE))
		return -errno;
	for (at = 0; at < area->bytes; at += 11 * PT_PAGE)
		area->start[at] = 1;
	return 0;
}

static int give_back_and_unmap(void)
{
	struct pt_area area;
	int err;

	err = use_area(&area);
	if (err)
		return err;
	if (madvise(area.start, area.bytes / 2, MADV_DONTNEED))
		return -errno;
	if (madvise(area.start, area.bytes / 4, MADV_PT_RECLAIM))
		return -errno;
	pt_area_unmap(&area);
	return 0;
}

/* Exits with all that it has mapped. */
static int exit_with_tables(void)
{
	struct pt_area area;
	pid_t pid;

	pid = fork();
	if (!pid) {
		make_it_fail(0, true);
		_exit(!!use_area(&area));
	}
	return pid < 0 ? -errno : pt_reap(pid, 60, "a child to exit");
}

TEST_F_TIMEOUT(gather, test_no_batch_at_all_loses_nothing, TEST_SECONDS)
{
	int turn;

	ASSERT_EQ(0, set_victims(VICTIMS_GATHER, "100"));
	for (turn = 0; turn < 20; turn++) {
		ASSERT_EQ(0, make_it_fail(0, true));
		ASSERT_EQ(0, give_back_and_unmap());
		ASSERT_EQ(0, make_it_fail(0, false));
		ASSERT_EQ(0, exit_with_tables());
		ASSERT_TRUE(data_is_intact(&self->data));
	}
	self->singles = hits(&one_by_one) - self->singles;
	if (one_by_one.counts)
		EXPECT_LT(turn * GATHER_TABLES, self->singles);
	if (interrupted.counts)
		EXPECT_EQ(self->interrupts, hits(&interrupted));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	EXPECT_EQ(0, newly_unregistered(&self->before));
	TH_LOG("%lld tables were freed one by one", self->singles);
}

/* The first table waits for a second one before there is a batch. */
TEST_F_TIMEOUT(gather, test_few_tables_at_a_time_are_all_freed, TEST_SECONDS)
{
	struct pt_area area;
	unsigned int turn;
	size_t at;

	for (turn = 0; turn < 4 * TABLES_TOLERANCE; turn++) {
		ASSERT_EQ(0, pt_area_map(&area, PT_ANON,
					 (1 + turn % 4) * PT_TABLE));
		for (at = 0; at < area.bytes; at += PT_TABLE)
			area.start[at] = 1;
		pt_area_unmap(&area);
	}
	EXPECT_TRUE(nothing_is_leaked(&self->before));
}

TEST_F_TIMEOUT(gather, test_each_batch_in_turn_loses_nothing, TEST_SECONDS)
{
	bool injected = true;
	struct pt_area area;
	unsigned int nth;

	ASSERT_EQ(0, set_victims(VICTIMS_GATHER, "0"));
	for (nth = 1; injected && nth < MANY; nth++) {
		ASSERT_EQ(0, use_area(&area));
		arm(nth);
		madvise(area.start, area.bytes / 2, MADV_DONTNEED);
		pt_area_unmap(&area);
		injected = disarm();
		ASSERT_TRUE(data_is_intact(&self->data));
	}
	EXPECT_LT(2U, nth);
	EXPECT_LT(nth, MANY);
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	EXPECT_EQ(0, newly_unregistered(&self->before));
	TH_LOG("%u failures", nth - 2);
}

/* The thread works where there is no memory to be had. */
TEST_F_TIMEOUT(gather, test_thread_needs_no_memory, TEST_SECONDS)
{
	struct pt_area area;
	long long reclaimed;
	pid_t thread;

	thread = pt_find_thread();
	ASSERT_LT(0, thread);
	ASSERT_EQ(0, pt_area_map(&area, PT_ANON, TABLES * PT_TABLE));
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "100"));
	ASSERT_EQ(0, make_it_fail(thread, true));
	reclaimed = pt_knob("tables_reclaimed");
	ASSERT_EQ(0, pt_area_waste(&area));
	EXPECT_TRUE(pt_wait(30, "tables to be taken without memory",
			    pt_knob("tables_reclaimed") >=
			    reclaimed + TABLES));
	EXPECT_EQ(0, make_it_fail(thread, false));
	EXPECT_TRUE(data_is_intact(&self->data));
	pt_area_unmap(&area);
	EXPECT_TRUE(nothing_is_leaked(&self->before));
}

/*
 * Another way to fail: the function that is asked about slabs says no, whoever
 * asks: a probe that is a breakpoint runs as an NMI does, where nothing is known
 * of tasks. Hence for as long as a call takes only, and not too often.
 */
#define FEW_TIMES	"20"

/*
 * It draws a random number, too, with a lock that lockdep rightly does not want
 * to see in an NMI. A probe in a function that ftrace can trace is none.
 */
static bool probe_may_draw(const char *function)
{
	char line[256];
	bool is_ftrace = false;
	FILE *list;

	if (access("/proc/lockdep_stats", F_OK))
		return true;
	list = fopen(DEBUGFS "kprobes/list", "r");
	while (list && fgets(line, sizeof(line), list)) {
		if (strstr(line, function) && strstr(line, "[FTRACE]"))
			is_ftrace = true;
	}
	if (list)
		fclose(list);
	return is_ftrace;
}

static int probability_fd = -1;

static int inject_function(const char *function, const char *result)
{
	char path[128];
	int err;

	pt_write_file(FAIL_FUNCTION "probability", "0");
	err = pt_write_file(FAIL_FUNCTION "inject", function);
	if (err)
		return err;
	snprintf(path, sizeof(path), FAIL_FUNCTION "%s/retval", function);
	pt_write_file(FAIL_FUNCTION "verbose", "0");
	pt_write_file(FAIL_FUNCTION "task-filter", "N");
	err = pt_write_file(path, result);
	probability_fd = open(FAIL_FUNCTION "probability", O_RDWR | O_CLOEXEC);
	return probability_fd < 0 ? -errno : err;
}

static void inject_no_function(void)
{
	close(probability_fd);
	pt_write_file(FAIL_FUNCTION "inject", " ");
}

static int call_without_slabs(int (*call)(void *arg), void *arg)
{
	int err;

	err = pt_write_file(FAIL_FUNCTION "times", FEW_TIMES);
	if (err)
		return err;
	if (write(probability_fd, "100", 3) != 3)
		return -EIO;
	err = call(arg);
	if (write(probability_fd, "0", 1) != 1)
		return -EIO;
	return err;
}

static int call_madvise(void *arg)
{
	struct pt_area *area = arg;

	return madvise(area->start, area->bytes, MADV_PT_RECLAIM) ? -errno : 0;
}

static int call_prctl(void *unused)
{
	(void)unused;
	return opt(PR_PT_RECLAIM_ENABLE);
}

static int call_switch(void *arg)
{
	return switch_to(*(int *)arg, "never");
}

TEST_F_TIMEOUT(faults, test_failing_function_is_no_other_failure, TEST_SECONDS)
{
	int enabled, err;
	long kb;

	err = inject_function("should_failslab", "0xfffffffffffffff4");
	if (err) {
		inject_no_function();
		SKIP(return, "no fail_function: %s", strerror(-err));
	}
	if (!probe_may_draw("should_failslab")) {
		inject_no_function();
		SKIP(return, "not with lockdep, without FUNCTION_TRACER");
	}
	enabled = open(PT_SYSFS "enabled", O_RDWR | O_CLOEXEC);
	ASSERT_EQ(0, pt_area_waste(&self->area));
	pt_vmpte_kb(0);
	kb = pt_vmpte_kb(0);
	EXPECT_EQ(0, call_without_slabs(call_madvise, &self->area));
	EXPECT_EQ(TABLES, tables_lost(kb));
	EXPECT_EQ(0, call_without_slabs(call_prctl, NULL));
	EXPECT_EQ(1, newly_unregistered(&self->before));
	EXPECT_EQ(0, newly_registered(&self->before));
	EXPECT_EQ(-ENOMEM, call_without_slabs(call_switch, &enabled));
	EXPECT_TRUE(is_switched_on());
	inject_no_function();
	close(enabled);

	EXPECT_EQ(0, opt(PR_PT_RECLAIM_ENABLE));
	EXPECT_EQ(1, newly_registered(&self->before));
	EXPECT_EQ(0, opt(PR_PT_RECLAIM_DEFAULT));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
}

#define WORKERS		4
#define WORK_SECONDS	20

/* One turn of all that allocates. What fails, fails. */
static int work(struct pt_area *data, unsigned int turn, int program)
{
	char * const nothing[] = { NULL };
	struct pt_area area;
	pid_t pid;

	if (!pt_area_map(&area, PT_ANON, TABLES * PT_TABLE)) {
		pt_area_waste(&area);
		madvise(area.start, area.bytes, MADV_PT_RECLAIM);
		opt(turn % 3);
		pt_area_waste(&area);
		pt_area_unmap(&area);
	}
	pid = fork();
	if (!pid) {
		if (!data_is_intact(data))
			_exit(1);
		if (turn % 2)
			syscall(SYS_execveat, program, "", nothing, nothing,
				AT_EMPTY_PATH);
		_exit(0);
	}
	if (pid > 0) {
		int status = 0;

		/* It stops itself if exec() comes through. */
		if (!pt_wait(60, "a child to end or to stop",
			     waitpid(pid, &status, WNOHANG | WUNTRACED) == pid))
			return -ETIMEDOUT;
		if (WIFSTOPPED(status)) {
			kill(pid, SIGKILL);
			waitpid(pid, NULL, 0);
		}
		if (WIFEXITED(status) && WEXITSTATUS(status))
			return -EIO;
	}
	return data_is_intact(data) ? 0 : -EIO;
}

static __noreturn void work_with_failures(struct pt_area *data, int program)
{
	int fd = open("/proc/self/make-it-fail", O_RDWR | O_CLOEXEC);
	double end = pt_now() + WORK_SECONDS;
	unsigned int turn = 0;
	int err = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (fd < 0 || write(fd, "1", 1) != 1)
		_exit(2);
	while (!err && pt_now() < end)
		err = work(data, turn++, program);
	if (write(fd, "0", 1) != 1)
		_exit(2);
	if (err)
		pt_note("turn %u: %s", turn, strerror(-err));
	_exit(err || turn < 2);
}

TEST_F_TIMEOUT(gather, test_failures_here_and_there_lose_nothing, TEST_SECONDS)
{
	pid_t pids[WORKERS];
	int program, i;

	program = open_stopping_program();
	ASSERT_LE(0, program);
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "2"));
	for (i = 0; i < WORKERS; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			work_with_failures(&self->data, program);
	}
	for (i = 0; i < WORKERS; i++)
		EXPECT_EQ(0, pt_reap(pids[i], WORK_SECONDS + 60,
				     "a worker to end"));
	close(program);
	ASSERT_EQ(0, set_victims(VICTIMS_NONE, "0"));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	TH_LOG("%lld processes could not be registered",
	       newly_unregistered(&self->before));
}

/*
 * Memory reclaim on behalf of somebody whose allocations fail: the witness wastes
 * tables and sleeps, and the thread sleeps, too, until memory is scarce.
 */
FIXTURE(reclaim)
{
	struct pt_cgroups cgroups;
	struct pt_group group;
	struct pt_area area;
	struct child witness;
	struct tally before;
};

FIXTURE_SETUP(reclaim)
{
	self->area.fd = -1;
	if (!faults_present())
		SKIP(return, "this kernel has no fault injection");
	if (!pt_cgroups_find(&self->cgroups))
		SKIP(return, "no cgroup2 with a memory controller");
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	fail_nth_fd = open_fail_nth(0);
	ASSERT_LE(0, fail_nth_fd);
	ASSERT_EQ(0, set_victims(VICTIMS_NONE, "0"));
	ASSERT_EQ(0, pt_group_make(&self->group, &self->cgroups, "failing"));
	ASSERT_EQ(0, start_without_sweeps("madvise", SCAN_SLEEP_MS));
}

FIXTURE_TEARDOWN(reclaim)
{
	make_it_fail(0, false);
	set_victims(VICTIMS_NONE, "0");
	if (expedited.counts)
		stop_counting(&expedited);
	end_child(&self->witness);
	pt_area_unmap(&self->area);
	pt_group_remove(&self->group);
	pt_cgroups_leave(&self->cgroups);
	pt_set_mode("never");
}

/* The thread has come to rest. */
static bool start_witness(struct child *witness, struct pt_area *area, long tables,
			  const struct pt_group *group)
{
	return !pt_area_map(area, PT_ANON, tables * PT_TABLE) &&
	       !start_child(witness, area, 0, NULL) &&
	       !pt_group_join(group, witness->pid) &&
	       tell_child(witness, SAY_ENABLE) &&
	       !pt_set_knob("scan_sleep_millisecs", PT_HELD_MS) &&
	       rounds_have_ended();
}

static bool area_goes(pid_t pid, const struct pt_area *area, long kb)
{
	return pt_wait(30, "empty tables to go after all",
		       pt_vmpte_kb(pid) <= kb - (long)(area->bytes / PT_TABLE) *
					   PT_TABLE_KB);
}

/*
 * Each failure has the call fail, or the tables go nevertheless. What comes late are
 * the same few allocations again and again.
 */
static bool asking_survives_failures(struct child *witness,
				     const struct pt_area *area,
				     const char *path, const char *what)
{
	long long before = pt_knob("tables_reclaimed_pressure");
	unsigned int nth, failures = 0, refused = 0;
	bool injected = true;
	int err;
	long kb;

	for (nth = 1; injected && nth < MANY; nth += 1 + nth / 16) {
		if (!tell_child(witness, SAY_WASTE))
			return false;
		kb = pt_vmpte_kb(witness->pid);
		arm(nth);
		err = pt_write_file(path, what);
		injected = disarm();
		failures += injected;
		refused += injected && err == -ENOMEM;
		if (injected && err == -ENOMEM)
			continue;
		/* There may be less to be had than was asked for. */
		if ((err && err != -EAGAIN) || !area_goes(witness->pid, area, kb)) {
			pt_note("failure %u: %s", nth, strerror(-err));
			return false;
		}
	}
	pt_note("%u failures, %u refusals, %lld tables by memory reclaim",
		failures, refused, pt_knob("tables_reclaimed_pressure") - before);
	return refused && pt_knob("tables_reclaimed_pressure") > before;
}

/* One call takes half of them, if that is not too little for it. */
#define SHRINKABLE	600L

/* What takes memory to be dropped goes beforehand: the base's caches do not care. */
TEST_F_TIMEOUT(reclaim, test_drop_caches_with_failures, TEST_SECONDS)
{
	static const char path[] = "/proc/sys/vm/drop_caches";

	ASSERT_TRUE(start_witness(&self->witness, &self->area, SHRINKABLE,
				  &self->group));
	ASSERT_EQ(0, pt_write_file(path, "3"));
	self->before = tally();
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	EXPECT_TRUE(asking_survives_failures(&self->witness, &self->area, path, "3"));
	EXPECT_EQ(0, newly_unregistered(&self->before));
}

TEST_F_TIMEOUT(reclaim, test_memory_reclaim_with_failures, TEST_SECONDS)
{
	char path[sizeof(self->group.path) + 16];

	snprintf(path, sizeof(path), "%s/memory.reclaim", self->group.path);
	ASSERT_TRUE(start_witness(&self->witness, &self->area, TABLES,
				  &self->group));
	self->before = tally();
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "0"));
	EXPECT_TRUE(asking_survives_failures(&self->witness, &self->area, path, "64K"));
	EXPECT_EQ(0, newly_unregistered(&self->before));
}

/*
 * No failures: how often memory reclaim has all CPUs interrupted for an expedited grace
 * period. Not for fewer tables than these.
 */
#define EXPEDITED_TABLES	16
#define EXPEDITING_TURNS	30

/*
 * So many tables at a time. Returns how many grace periods there were, and in @taken the
 * tables; negative if that failed.
 */
static long long expedite(struct child *witness, struct pt_area *area, long tables,
			  const struct pt_group *group, long long *taken)
{
	long long before;
	int turn;

	if (!start_witness(witness, area, tables, group))
		return -1;
	before = hits(&expedited);
	*taken = pt_knob("tables_reclaimed_pressure");
	for (turn = 0; turn < EXPEDITING_TURNS; turn++) {
		if (!tell_child(witness, SAY_WASTE))
			return -1;
		pt_group_write(group, "memory.reclaim", "1M");
	}
	*taken = pt_knob("tables_reclaimed_pressure") - *taken;
	before = hits(&expedited) - before;
	pt_note("%lld expedited grace periods for %lld tables", before, *taken);
	return before;
}

TEST_F_TIMEOUT(reclaim, test_grace_periods_are_for_many_tables, TEST_SECONDS)
{
	long long taken, nr;

	start_counting(&expedited);
	if (!expedited.counts)
		SKIP(return, "no kprobes");
	nr = expedite(&self->witness, &self->area, 4 * EXPEDITED_TABLES,
		      &self->group, &taken);
	ASSERT_LT(0, nr);
	/* Somebody else may want one. */
	EXPECT_LE((nr - 2) * EXPEDITED_TABLES, taken);
}

TEST_F_TIMEOUT(reclaim, test_few_tables_have_no_grace_period_expedited,
	       TEST_SECONDS)
{
	long long taken, nr;

	start_counting(&expedited);
	if (!expedited.counts)
		SKIP(return, "no kprobes");
	nr = expedite(&self->witness, &self->area, EXPEDITED_TABLES / 2,
		      &self->group, &taken);
	ASSERT_LE(0, nr);
	EXPECT_GE(2, nr);
	EXPECT_LT(2, taken);
}

#define TIGHT_USED	(4 * PT_MIB)
#define TIGHT_TABLES	(32 * PT_MIB / (long)PT_PAGE)
#define TIGHT_LIMIT	"16777216"

static __noreturn void live_in_want(const struct pt_group *group)
{
	char *used = pt_story_map(TIGHT_USED);
	char *wasted = pt_story_map(TIGHT_TABLES * PT_TABLE);
	int fd = open("/proc/self/make-it-fail", O_RDWR | O_CLOEXEC);
	size_t at;
	int err;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!used || !wasted || opt(PR_PT_RECLAIM_ENABLE) ||
	    pt_group_join(group, 0) || write(fd, "1", 1) != 1)
		_exit(2);
	for (at = 0; at < TIGHT_USED; at += PT_PAGE)
		pt_fill_page(used + at, SEED, at);
	err = pt_waste(wasted, TIGHT_TABLES);
	for (at = 0; !err && at < TIGHT_USED; at += PT_PAGE) {
		if (!pt_page_is_intact(used + at, SEED, at))
			err = -EIO;
	}
	if (write(fd, "0", 1) != 1)
		_exit(3);
	_exit(!!err);
}

/* It lives on tables being taken, by itself and the thread, that it has no room for. */
TEST_F_TIMEOUT(reclaim, test_limit_with_failures, TEST_SECONDS)
{
	long long before = pt_knob("tables_reclaimed_pressure");
	pid_t pid;

	ASSERT_TRUE(start_witness(&self->witness, &self->area, TABLES,
				  &self->group));
	self->before = tally();
	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", TIGHT_LIMIT));
	pt_group_write(&self->group, "memory.swap.max", "0");
	ASSERT_EQ(0, set_victims(VICTIMS_ALL, "2"));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		live_in_want(&self->group);
	EXPECT_EQ(0, pt_reap(pid, 600, "somebody to waste tables at a limit"));
	EXPECT_EQ(0, pt_group_stat(&self->group, "memory.events", "oom_kill"));
	EXPECT_LT(before, pt_knob("tables_reclaimed_pressure"));
	ASSERT_EQ(0, set_victims(VICTIMS_NONE, "0"));
	EXPECT_TRUE(nothing_is_leaked(&self->before));
	TH_LOG("%lld tables by memory reclaim",
	       pt_knob("tables_reclaimed_pressure") - before);
}

/*
 * On its way back from fork() the kernel writes into the rseq area, if the task was
 * preempted; if the page that it has to copy for that is the allocation that fails,
 * the task gets SIGSEGV. That is nothing of ours: do without.
 */
static void do_without_rseq(char **argv)
{
	if (getenv("GLIBC_TUNABLES"))
		return;
	setenv("GLIBC_TUNABLES", "glibc.pthread.rseq=0", 1);
	execv("/proc/self/exe", argv);
}

int main(int argc, char **argv)
{
	int status;

	do_without_rseq(argv);
	pt_begin();
	save_fault_settings();
	status = test_harness_run(argc, argv);
	restore_fault_settings();
	return status;
}
