// SPDX-License-Identifier: GPL-2.0
/*
 * Whose empty tables kptreclaimd frees, when, and how one tells it: the mode,
 * prctl(), the other settings and the counters.
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
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_interface.h"
#include "pt_reclaim_workloads.h"

#define SCAN_SLEEP_MS		100
#define GIVE_BACK_SECONDS	60
#define GONE_SECONDS		30
#define TEST_SECONDS		1200

/*
 * Its memory is used all at once, so that its peak is what it has for certain
 * as long as nobody takes anything.
 */
static const struct pt_workload wasteful = {
	.name = "wasteful",
	.bytes = 256 * PT_TABLE,
	.backing = PT_ANON,
	.release = PT_DONTNEED,
	.touch_every = PT_TABLE / 4,
	.release_bytes = PT_TABLE,
};

static int opt_in(void)
{
	return prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_ENABLE, 0, 0, 0) ?
		-errno : 0;
}

static int opt_out(void)
{
	return prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_DISABLE, 0, 0, 0) ?
		-errno : 0;
}

static int start_wasteful(struct pt_child *child, int (*prepare)(void))
{
	struct pt_options options = { .prepare = prepare };
	int err;

	err = pt_child_start(child, &wasteful, &options);
	if (err)
		return err;
	return pt_child_given_back(child, GIVE_BACK_SECONDS);
}

static bool has_lost_its_tables(struct pt_child *child)
{
	return pt_child_vmpte_kb(child) <= pt_child_limit_kb(child);
}

static bool keeps_every_table(struct pt_child *child)
{
	return pt_child_vmpte_kb(child) == child->report.peak_kb;
}

FIXTURE(mode)
{
	struct pt_child child;
	struct pt_child witness;
};

FIXTURE_SETUP(mode)
{
	ASSERT_EQ(0, pt_start_thread("never", SCAN_SLEEP_MS));
}

FIXTURE_TEARDOWN(mode)
{
	pt_child_end(&self->child);
	pt_child_end(&self->witness);
}

/* What the thread uses while so many of its sleeps could have passed */
static bool stands_still(unsigned int sleeps)
{
	struct pt_thread_use before, after;
	long long rounds = pt_knob("full_scans");

	pt_thread_usage(&before);
	pt_pause_ms(sleeps * SCAN_SLEEP_MS);
	pt_thread_usage(&after);
	if (after.ticks != before.ticks || after.run_ns != before.run_ns ||
	    after.switches != before.switches ||
	    pt_knob("full_scans") != rounds)
		pt_note("the thread used %llu ticks, %llu ns, ran %llu times, made %lld rounds",
			after.ticks - before.ticks,
			after.run_ns - before.run_ns,
			after.switches - before.switches,
			pt_knob("full_scans") - rounds);
	return after.ticks == before.ticks && after.run_ns == before.run_ns &&
	       after.switches == before.switches &&
	       pt_knob("full_scans") == rounds;
}

TEST_F_TIMEOUT(mode, test_never_takes_nothing_and_does_nothing, TEST_SECONDS)
{
	ASSERT_EQ(0, start_wasteful(&self->child, opt_in));
	ASSERT_EQ(0, start_wasteful(&self->witness, NULL));
	EXPECT_TRUE(stands_still(30));
	EXPECT_TRUE(keeps_every_table(&self->child));
	EXPECT_TRUE(keeps_every_table(&self->witness));
}

TEST_F_TIMEOUT(mode, test_never_stops_a_thread_at_work, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_mode("always"));
	ASSERT_TRUE(pt_wait_rounds(2));
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, start_wasteful(&self->child, NULL));
	/* A round that is under way may be finished. */
	EXPECT_TRUE(pt_wait(10, "the thread to stand still", stands_still(10)));
	EXPECT_TRUE(keeps_every_table(&self->child));
}

/* Each starts the thread, and stops it, as often as it can. */
#define ADMINS		4
#define SWITCHES	100

static __noreturn void switch_modes(int admin)
{
	static const char * const modes[] = { "always", "never", "madvise", "never" };
	unsigned int i;

	for (i = 0; i < SWITCHES; i++) {
		if (pt_set_mode(modes[(i + admin) % ARRAY_SIZE(modes)]))
			_exit(1);
	}
	_exit(0);
}

static unsigned int nr_threads(void)
{
	pid_t first;

	return pt_find_threads(&first);
}

TEST_F_TIMEOUT(mode, test_admins_at_once_leave_one_thread, TEST_SECONDS)
{
	pid_t admins[ADMINS];
	int i;

	for (i = 0; i < ADMINS; i++) {
		admins[i] = fork();
		ASSERT_LE(0, admins[i]);
		if (!admins[i])
			switch_modes(i);
	}
	for (i = 0; i < ADMINS; i++)
		EXPECT_EQ(0, pt_reap(admins[i], 120, "an admin to end"));
	ASSERT_EQ(0, pt_set_mode("never"));
	EXPECT_TRUE(pt_wait(10, "all threads to be gone", !nr_threads()));
	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_TRUE(pt_wait(10, "one thread to be there", nr_threads() == 1));
}

TEST_F_TIMEOUT(mode, test_madvise_takes_from_the_opted_in_alone, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_mode("madvise"));
	ASSERT_EQ(0, start_wasteful(&self->witness, NULL));
	ASSERT_EQ(0, start_wasteful(&self->child, opt_in));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "the opted-in process's tables to go",
			    has_lost_its_tables(&self->child)));
	EXPECT_TRUE(pt_wait_rounds(4));
	EXPECT_TRUE(keeps_every_table(&self->witness));
	EXPECT_EQ(1, pt_child_verify(&self->child, GIVE_BACK_SECONDS));
}

TEST_F_TIMEOUT(mode, test_madvise_takes_nothing_from_the_opted_out,
	       TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_mode("madvise"));
	ASSERT_EQ(0, start_wasteful(&self->witness, opt_out));
	ASSERT_EQ(0, start_wasteful(&self->child, opt_in));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "the opted-in process's tables to go",
			    has_lost_its_tables(&self->child)));
	EXPECT_TRUE(pt_wait_rounds(4));
	EXPECT_TRUE(keeps_every_table(&self->witness));
}

TEST_F_TIMEOUT(mode, test_opted_out_keeps_every_table_under_always,
	       TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_mode("always"));
	ASSERT_EQ(0, start_wasteful(&self->child, opt_out));
	ASSERT_EQ(0, start_wasteful(&self->witness, NULL));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "the other process's tables to go",
			    has_lost_its_tables(&self->witness)));
	EXPECT_TRUE(pt_wait_rounds(4));
	EXPECT_TRUE(keeps_every_table(&self->child));
}

TEST_F_TIMEOUT(mode, test_always_takes_from_the_opted_in, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_mode("always"));
	ASSERT_EQ(0, start_wasteful(&self->child, opt_in));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "the opted-in process's tables to go",
			    has_lost_its_tables(&self->child)));
}

TEST_F_TIMEOUT(mode, test_always_takes_in_who_ran_before, TEST_SECONDS)
{
	ASSERT_EQ(0, start_wasteful(&self->child, NULL));
	ASSERT_TRUE(keeps_every_table(&self->child));
	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "tables from before to go",
			    has_lost_its_tables(&self->child)));
	EXPECT_EQ(1, pt_child_verify(&self->child, GIVE_BACK_SECONDS));
}

TEST_F_TIMEOUT(mode, test_madvise_takes_in_who_opted_in_under_never,
	       TEST_SECONDS)
{
	ASSERT_EQ(0, start_wasteful(&self->child, opt_in));
	ASSERT_EQ(0, pt_set_mode("madvise"));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "tables from before to go",
			    has_lost_its_tables(&self->child)));
}

/* A process may change its mind; what it says last counts. */
FIXTURE(mind)
{
	struct pt_area area;
	long tables;
};

FIXTURE_VARIANT(mind)
{
	const char *mode;
	int keep;
	int lose;
};

FIXTURE_VARIANT_ADD(mind, always_default) {
	.mode = "always",
	.keep = PR_PT_RECLAIM_DISABLE,
	.lose = PR_PT_RECLAIM_DEFAULT,
};

FIXTURE_VARIANT_ADD(mind, always_enable) {
	.mode = "always",
	.keep = PR_PT_RECLAIM_DISABLE,
	.lose = PR_PT_RECLAIM_ENABLE,
};

FIXTURE_VARIANT_ADD(mind, madvise_default) {
	.mode = "madvise",
	.keep = PR_PT_RECLAIM_DEFAULT,
	.lose = PR_PT_RECLAIM_ENABLE,
};

FIXTURE_VARIANT_ADD(mind, madvise_disable) {
	.mode = "madvise",
	.keep = PR_PT_RECLAIM_DISABLE,
	.lose = PR_PT_RECLAIM_ENABLE,
};

FIXTURE_SETUP(mind)
{
	self->area.fd = -1;
	self->tables = 64;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_start_thread(variant->mode, SCAN_SLEEP_MS));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON,
				 self->tables * PT_TABLE));
}

FIXTURE_TEARDOWN(mind)
{
	pt_area_unmap(&self->area);
}

/* Rounds are made for those who take part: let somebody else be one. */
static bool rounds_pass(unsigned int rounds)
{
	struct pt_child child;
	bool passed = false;

	if (!start_wasteful(&child, opt_in))
		passed = pt_wait_rounds(rounds);
	pt_child_end(&child);
	return passed;
}

TEST_F_TIMEOUT(mind, test_last_word_counts, TEST_SECONDS)
{
	long kb = self->tables * PT_TABLE_KB;
	long full_kb;
	int turn;

	for (turn = 0; turn < 2; turn++) {
		ASSERT_EQ(0, prctl(PR_SET_PT_RECLAIM, variant->keep, 0, 0, 0));
		ASSERT_EQ(0, pt_area_waste(&self->area));
		pt_vmpte_kb(0);
		full_kb = pt_vmpte_kb(0);
		ASSERT_TRUE(rounds_pass(4));
		EXPECT_LE(full_kb, pt_vmpte_kb(0));

		full_kb = pt_vmpte_kb(0);
		ASSERT_EQ(0, prctl(PR_SET_PT_RECLAIM, variant->lose, 0, 0, 0));
		EXPECT_TRUE(pt_wait(GONE_SECONDS, "tables to go after all",
				    pt_vmpte_kb(0) <= full_kb - kb));
	}
}

/*
 * Empty on one visit is not enough: the table may have been allocated for a
 * fault that is about to fill it.
 */
TEST_F_TIMEOUT(mode, test_no_table_goes_within_one_sleep, TEST_SECONDS)
{
	const double sleep_seconds = 3;
	double started = pt_now(), given_back, first_gone;
	long long rounds;

	ASSERT_EQ(0, pt_start_thread("always", sleep_seconds * 1000));
	ASSERT_TRUE(pt_wait_rounds(1));
	rounds = pt_knob("full_scans");
	given_back = pt_now();
	ASSERT_EQ(0, start_wasteful(&self->child, NULL));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "the first table to go",
			    !keeps_every_table(&self->child)));
	first_gone = pt_now() - given_back;
	EXPECT_LE(sleep_seconds, first_gone);
	/* Seen after one sleep at the soonest, and taken after another. Jiffies */
	EXPECT_LE(2 * sleep_seconds - 0.05, pt_now() - started);
	EXPECT_LT(rounds, pt_knob("full_scans"));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "all tables to go",
			    has_lost_its_tables(&self->child)));
	TH_LOG("the first went after %.1f s", first_gone);
}

TEST_F_TIMEOUT(mode, test_shorter_sleep_counts_at_once, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_start_thread("always", 600000));
	ASSERT_EQ(0, start_wasteful(&self->child, NULL));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", SCAN_SLEEP_MS));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "tables to go at the new pace",
			    has_lost_its_tables(&self->child)));
}

TEST_F_TIMEOUT(mode, test_small_tables_to_scan_still_reaches_all, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_knob("tables_to_scan", 1));
	ASSERT_EQ(0, pt_start_thread("always", 10));
	ASSERT_EQ(0, start_wasteful(&self->child, NULL));
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "all tables to go one by one",
			    has_lost_its_tables(&self->child)));
}

/* Nobody asks for tables himself here, so all events are the thread's. */
TEST_F_TIMEOUT(mode, test_counters_agree, TEST_SECONDS)
{
	long long tables = wasteful.bytes / PT_TABLE - 2;
	long long reclaimed = pt_knob("tables_reclaimed");
	long long scanned = pt_knob("tables_scanned");
	long long vm_reclaimed = pt_vmstat("pt_reclaim_reclaimed");
	long long vm_scanned = pt_vmstat("pt_reclaim_scanned");
	long long vm_flush = pt_vmstat("pt_reclaim_flush");

	ASSERT_LE(0LL, reclaimed);
	ASSERT_LE(0LL, scanned);
	ASSERT_LE(0LL, vm_reclaimed);
	ASSERT_LE(0LL, vm_scanned);
	ASSERT_LE(0LL, vm_flush);
	EXPECT_LE(0LL, pt_vmstat("pt_reclaim_raced"));
	EXPECT_LE(0LL, pt_vmstat("pt_reclaim_busy"));
	EXPECT_LE(0LL, pt_vmstat("pt_reclaim_unfit"));

	ASSERT_EQ(0, start_wasteful(&self->child, NULL));
	ASSERT_EQ(0, pt_set_mode("always"));
	/* All of them, and not nearly all, which VmPTE would be content with. */
	EXPECT_TRUE(pt_wait(GONE_SECONDS, "the process's tables to go",
			    pt_knob("tables_reclaimed") - reclaimed >= tables));
	ASSERT_EQ(0, pt_set_mode("never"));
	EXPECT_TRUE(pt_wait(10, "the thread to stand still", stands_still(5)));

	reclaimed = pt_knob("tables_reclaimed") - reclaimed;
	scanned = pt_knob("tables_scanned") - scanned;
	EXPECT_LE(tables, reclaimed);
	/* Each was looked at twice. */
	EXPECT_LE(2 * tables, scanned);
	EXPECT_EQ(reclaimed, pt_vmstat("pt_reclaim_reclaimed") - vm_reclaimed);
	EXPECT_EQ(scanned, pt_vmstat("pt_reclaim_scanned") - vm_scanned);
	vm_flush = pt_vmstat("pt_reclaim_flush") - vm_flush;
	EXPECT_LE(1LL, vm_flush);
	EXPECT_LE(vm_flush, reclaimed);
}

TEST_F_TIMEOUT(mode, test_mms_counts_those_who_take_part, TEST_SECONDS)
{
	long long mms;

	ASSERT_EQ(0, pt_set_mode("always"));
	ASSERT_TRUE(pt_wait_rounds(1));
	mms = pt_knob("mms");
	EXPECT_LE(1LL, mms);
	ASSERT_EQ(0, start_wasteful(&self->child, NULL));
	EXPECT_TRUE(pt_wait(10, "the new process to be counted",
			    pt_knob("mms") > mms));
	pt_child_end(&self->child);
	EXPECT_TRUE(pt_wait(10, "the dead process not to be counted",
			    pt_knob("mms") <= mms));
}

/*
 * fork() registers nobody, and so does not the use of memory: a process is counted
 * from its first zap on, or from when it asks.
 */
TEST_F_TIMEOUT(mode, test_mms_counts_who_asks_and_who_zaps, TEST_SECONDS)
{
	struct pt_area area;
	int told[2], says[2];
	char letter = 'x';
	pid_t pid;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_set_mode("madvise"));
	EXPECT_EQ(0, pt_knob("mms"));
	ASSERT_EQ(0, opt_in());
	EXPECT_EQ(1, pt_knob("mms"));

	ASSERT_EQ(0, pipe(told));
	ASSERT_EQ(0, pipe(says));
	/* fork() marks tables into which it has nothing to copy: have none. */
	ASSERT_EQ(0, mlockall(MCL_CURRENT));
	ASSERT_EQ(0, munlockall());
	ASSERT_EQ(0, pt_area_map(&area, PT_ANON, 4 * PT_TABLE));
	/* What is marked here would be, in the child. */
	ASSERT_TRUE(pt_wait_rounds(4));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		area.start[PT_TABLE] = 1;
		if (write(says[1], &letter, 1) != 1 ||
		    read(told[0], &letter, 1) != 1 || pt_area_waste(&area) ||
		    write(says[1], &letter, 1) != 1)
			_exit(1);
		for (;;)
			pause();
	}
	EXPECT_EQ(1, read(says[0], &letter, 1));
	ASSERT_TRUE(pt_wait_rounds(4));
	EXPECT_EQ(1, pt_knob("mms"));
	EXPECT_EQ(1, write(told[1], &letter, 1));
	EXPECT_EQ(1, read(says[0], &letter, 1));
	EXPECT_EQ(2, pt_knob("mms"));
	kill(pid, SIGKILL);
	pt_reap(pid, 10, "the child");
	EXPECT_TRUE(pt_wait(10, "the dead process not to be counted",
			    pt_knob("mms") == 1));
	ASSERT_EQ(0, opt_out());
	EXPECT_EQ(0, pt_knob("mms"));
	pt_area_unmap(&area);
}

/*
 * How much of the CPU the thread uses. A process with many tables, and a sweep in
 * each round, leave it no end of work.
 */
FIXTURE(pace)
{
	struct pt_area area;
};

#define PACE_TABLES		16384L
#define PERCENT			5
/* What it may save up, and what it may use too much: one chunk of tables */
#define CARRY_SECONDS		10
#define CHUNK_SECONDS		(0.1 * pt_patience())
#define WORK_SECONDS		5

/* Nobody but this process takes part. */
FIXTURE_SETUP(pace)
{
	size_t at;

	self->area.fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_start_thread("never", 1));
	ASSERT_EQ(0, pt_area_map(&self->area, PT_ANON,
				 PACE_TABLES * PT_TABLE));
	/* The zero page is enough. */
	for (at = 0; at < self->area.bytes; at += PT_TABLE)
		pt_touch(self->area.start + at);
	ASSERT_EQ(0, opt_in());
}

FIXTURE_TEARDOWN(pace)
{
	pt_set_mode("never");
	pt_area_unmap(&self->area);
}

/* Seconds of CPU time since the thread was started */
static double thread_seconds(void)
{
	struct pt_thread_use use;

	pt_thread_usage(&use);
	return use.run_ns / 1e9;
}

/*
 * The most that a new thread was ahead of what it may use, in seconds. It begins with
 * nothing saved up.
 */
static double most_ahead(struct __test_metadata *_metadata)
{
	double start, end, most = 0, used = 0, ahead = 0;

	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_TRUE(pt_wait(10, "the thread to be gone", !pt_find_thread()));
	start = pt_now();
	ASSERT_EQ(0, pt_set_mode("madvise"));
	for (end = start + WORK_SECONDS; pt_now() < end; pt_pause_ms(100)) {
		used = thread_seconds();
		most = (pt_now() - start) * PERCENT / 100;
		ahead = used - most > ahead ? used - most : ahead;
	}
	/* There was more to do than that. */
	EXPECT_LE(most / 2, used);
	TH_LOG("%.3f s of CPU time in %.1f s, ahead by %.3f s at the most", used,
	       pt_now() - start, ahead);
	return ahead;
}

/* If the host takes its CPU away for a while, that counts as used: once, or twice. */
#define PACE_ATTEMPTS	3

TEST_F_TIMEOUT(pace, test_no_more_cpu_time_than_max_cpu_percent, TEST_SECONDS)
{
	double start, most, used, ahead;
	int attempts = 0;

	ASSERT_EQ(0, pt_set_knob("max_cpu_percent", PERCENT));
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 1));
	do {
		ahead = most_ahead(_metadata);
	} while (ahead > CHUNK_SECONDS && ++attempts < PACE_ATTEMPTS);
	EXPECT_LE(ahead, CHUNK_SECONDS);

	ASSERT_EQ(0, pt_set_knob("max_cpu_percent", 100));
	start = pt_now();
	used = thread_seconds();
	pt_pause_ms(1000 * WORK_SECONDS);
	used = thread_seconds() - used;
	most = (pt_now() - start) * PERCENT / 100;
	EXPECT_LT(2 * most, used);
	TH_LOG("%.3f s at 100 percent", used);
}

/* So that an idle day does not pay for an hour of a whole CPU */
TEST_F_TIMEOUT(pace, test_cpu_time_is_saved_up_for_ten_seconds, TEST_SECONDS)
{
	const double idle_seconds = 3 * CARRY_SECONDS;
	const double saved = CARRY_SECONDS * PERCENT / 100.0;
	double start, seconds, before, used, most;

	ASSERT_EQ(0, pt_set_knob("max_cpu_percent", 100));
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_set_mode("madvise"));
	/* Everybody is swept first: that is work, and not idleness. */
	ASSERT_TRUE(pt_wait_rounds(1));
	ASSERT_EQ(0, pt_set_knob("max_cpu_percent", PERCENT));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", 1000));
	pt_pause_ms(idle_seconds * 1000);
	before = thread_seconds();
	start = pt_now();
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 1));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", 1));
	pt_pause_ms(1000 * WORK_SECONDS);
	/* It makes up for what the host took while it had the CPU. */
	EXPECT_TRUE(pt_wait(60, "the thread to have no more than it may use",
			    (used = thread_seconds() - before,
			     seconds = pt_now() - start,
			     most = seconds * PERCENT / 100,
			     used <= most + saved + CHUNK_SECONDS)));
	EXPECT_LE(most + saved / 2, used);
	TH_LOG("%.3f s of CPU time in %.1f s, after %.0f s of idleness", used,
	       seconds, idle_seconds);
}

#define MOST_STRETCH	8

/* Does as it is told until the sleep is so long, in vain for too long. */
static bool sleep_becomes(struct pt_area *area,
			  void (*zap)(struct pt_area *area), long long msecs)
{
	return pt_wait(GONE_SECONDS, "the sleep to change",
		       (zap(area), pt_knob("sleep_millisecs") == msecs));
}

static void zap_all(struct pt_area *area)
{
	pt_area_waste(area);
}

TEST_F_TIMEOUT(pace, test_sleep_is_longer_while_looks_do_not_pay_off,
	       TEST_SECONDS)
{
	struct pt_area part = self->area;
	long long rounds;
	double start;

	part.bytes = 256 * PT_TABLE;
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_start_thread("madvise", SCAN_SLEEP_MS));
	EXPECT_EQ(SCAN_SLEEP_MS, pt_knob("sleep_millisecs"));
	EXPECT_TRUE(sleep_becomes(&part, pt_area_zap_in_vain,
				  MOST_STRETCH * SCAN_SLEEP_MS));
	/* It does sleep so long, and not longer. */
	start = pt_now();
	rounds = pt_knob("full_scans");
	while (pt_now() - start < 4 * MOST_STRETCH * SCAN_SLEEP_MS / 1000.0) {
		pt_area_zap_in_vain(&part);
		pt_pause_ms(SCAN_SLEEP_MS / 4);
		EXPECT_EQ(MOST_STRETCH * SCAN_SLEEP_MS,
			  pt_knob("sleep_millisecs"));
	}
	rounds = pt_knob("full_scans") - rounds;
	EXPECT_LE(rounds, 5);
	EXPECT_LE(1, rounds);

	EXPECT_TRUE(sleep_becomes(&part, zap_all, SCAN_SLEEP_MS));

	/* What was learned is forgotten with a change of the mode. */
	EXPECT_TRUE(sleep_becomes(&part, pt_area_zap_in_vain,
				  MOST_STRETCH * SCAN_SLEEP_MS));
	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_GT(MOST_STRETCH * SCAN_SLEEP_MS, pt_knob("sleep_millisecs"));
}

/*
 * Another process zaps in vain for each of his zaps, and looks at its many tables are
 * nearly all that there are. He sleeps no longer for that: nobody may put him off.
 */
TEST_F_TIMEOUT(pace, test_others_do_not_make_the_sleep_longer, TEST_SECONDS)
{
	const long tables = 256, paying = 4;
	struct pt_area part = self->area;
	struct pt_target target = { .tables = paying };
	long long most = 0, now, rounds;

	part.bytes = tables * PT_TABLE;
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_target_start(&target, opt_in));
	ASSERT_EQ(0, pt_start_thread("madvise", SCAN_SLEEP_MS));
	rounds = pt_knob("full_scans");
	while (pt_knob("full_scans") < rounds + 16) {
		ASSERT_TRUE(pt_target_does(&target, PT_ORDER_WASTE));
		pt_area_zap_in_vain(&part);
		pt_pause_ms(SCAN_SLEEP_MS / 4);
		now = pt_knob("sleep_millisecs");
		most = now > most ? now : most;
	}
	TH_LOG("it slept for %lld ms at the most", most);
	EXPECT_GT(MOST_STRETCH * SCAN_SLEEP_MS, most);
	pt_target_end(&target);
}

/* A set sleep counts at once, stretched as the old one was. */
TEST_F_TIMEOUT(pace, test_stretch_is_of_the_sleep_that_is_set, TEST_SECONDS)
{
	struct pt_area part = self->area;

	part.bytes = 256 * PT_TABLE;
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_start_thread("madvise", 20));
	ASSERT_TRUE(sleep_becomes(&part, pt_area_zap_in_vain,
				  MOST_STRETCH * 20));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", 600000));
	EXPECT_EQ(MOST_STRETCH * 600000, pt_knob("sleep_millisecs"));
}

/* prctl(PR_SET_PT_RECLAIM), and what becomes of it */
FIXTURE(prctl) { };

FIXTURE_VARIANT(prctl)
{
	int value;
};

FIXTURE_VARIANT_ADD(prctl, default) { .value = PR_PT_RECLAIM_DEFAULT };
FIXTURE_VARIANT_ADD(prctl, enable) { .value = PR_PT_RECLAIM_ENABLE };
FIXTURE_VARIANT_ADD(prctl, disable) { .value = PR_PT_RECLAIM_DISABLE };

/* -1 when it fails, as prctl() does */
static int set_value(unsigned long value)
{
	return prctl(PR_SET_PT_RECLAIM, value, 0UL, 0UL, 0UL);
}

static int get_value(void)
{
	return prctl(PR_GET_PT_RECLAIM, 0UL, 0UL, 0UL, 0UL);
}

static void *return_value(void *unused)
{
	(void)unused;
	return (void *)(long)get_value();
}

static void *set_in_thread(void *value)
{
	return (void *)(long)set_value((unsigned long)value);
}

FIXTURE_SETUP(prctl)
{
	ASSERT_EQ(0, pt_start_thread("always", SCAN_SLEEP_MS));
	ASSERT_EQ(0, set_value(PR_PT_RECLAIM_DEFAULT));
}

FIXTURE_TEARDOWN(prctl) { }

TEST_F(prctl, test_value_reads_back)
{
	ASSERT_EQ(0, set_value(variant->value));
	EXPECT_EQ(variant->value, get_value());
	/* Setting what is set is no error. */
	ASSERT_EQ(0, set_value(variant->value));
	EXPECT_EQ(variant->value, get_value());
}

TEST_F(prctl, test_value_can_be_changed)
{
	int other;

	for (other = PR_PT_RECLAIM_DEFAULT; other <= PR_PT_RECLAIM_DISABLE;
	     other++) {
		ASSERT_EQ(0, set_value(variant->value));
		ASSERT_EQ(0, set_value(other));
		EXPECT_EQ(other, get_value());
	}
}

TEST_F(prctl, test_value_is_inherited_over_fork)
{
	pid_t pid;

	ASSERT_EQ(0, set_value(variant->value));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(get_value());
	EXPECT_EQ(variant->value << 8, pt_reap(pid, 10, "a forked child"));
}

TEST_F(prctl, test_child_does_not_change_its_parent)
{
	int other = (variant->value + 1) % 3;
	pid_t pid;

	ASSERT_EQ(0, set_value(variant->value));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		_exit(set_value(other) || get_value() != other);
	EXPECT_EQ(0, pt_reap(pid, 10, "a forked child"));
	EXPECT_EQ(variant->value, get_value());
}

/* Over two, in fact: the second would miss what the first dropped. */
TEST_F(prctl, test_value_is_inherited_over_exec)
{
	pid_t pid;

	ASSERT_EQ(0, set_value(variant->value));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		execl("/proc/self/exe", "self", "--exec-then-tell", NULL);
		_exit(127);
	}
	EXPECT_EQ(variant->value << 8, pt_reap(pid, 10, "an exec'd child"));
}

TEST_F(prctl, test_value_is_the_whole_process_s)
{
	pthread_t thread;
	void *seen;

	ASSERT_EQ(0, pthread_create(&thread, NULL, set_in_thread,
				    (void *)(long)variant->value));
	ASSERT_EQ(0, pthread_join(thread, &seen));
	ASSERT_EQ(NULL, seen);
	EXPECT_EQ(variant->value, get_value());
	ASSERT_EQ(0, pthread_create(&thread, NULL, return_value, NULL));
	ASSERT_EQ(0, pthread_join(thread, &seen));
	EXPECT_EQ((long)variant->value, (long)seen);
}

TEST_F(prctl, test_bad_arguments_change_nothing)
{
	static const unsigned long bad[] = { 3, 4, 255, 1UL << 32, -1UL };
	int good = variant->value;
	size_t i;

	ASSERT_EQ(0, set_value(variant->value));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-1, set_value(bad[i]));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(good, get_value());
	}
	for (i = 0; i < 3; i++) {
		unsigned long arg[3] = { 0 };

		arg[i] = 1;
		good = (variant->value + 1) % 3;
		EXPECT_EQ(-1, prctl(PR_SET_PT_RECLAIM, good, arg[0], arg[1],
				    arg[2]));
		EXPECT_EQ(EINVAL, errno);
		EXPECT_EQ(variant->value, get_value());
	}
	for (i = 0; i < 4; i++) {
		unsigned long arg[4] = { 0 };

		arg[i] = 1;
		EXPECT_EQ(-1, prctl(PR_GET_PT_RECLAIM, arg[0], arg[1], arg[2],
				    arg[3]));
		EXPECT_EQ(EINVAL, errno);
	}
}

/* The settings themselves */
FIXTURE(setting) { };

FIXTURE_SETUP(setting)
{
	ASSERT_EQ(0, pt_start_thread("never", SCAN_SLEEP_MS));
}

FIXTURE_TEARDOWN(setting) { }

TEST_F(setting, test_enabled_shows_its_choices)
{
	static const struct {
		const char *word;
		const char *line;
	} modes[] = {
		{ "always", "[always] madvise never" },
		{ "madvise", "always [madvise] never" },
		{ "never", "always madvise [never]" },
	};
	char line[128];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, pt_set_mode(modes[i].word));
		ASSERT_EQ(0, pt_read_file(PT_SYSFS "enabled", line,
					  sizeof(line)));
		EXPECT_STREQ(modes[i].line, line);
	}
	/* echo adds a newline */
	ASSERT_EQ(0, pt_set_mode("madvise\n"));
	ASSERT_EQ(0, pt_get_mode(line, sizeof(line)));
	EXPECT_STREQ("madvise", line);
}

TEST_F(setting, test_bad_mode_changes_nothing)
{
	static const char * const bad[] = {
		"alway", "alwayss", "ALWAYS", "always madvise", "[always]",
		"0", "1", " never", "\n",
	};
	char mode[32];
	size_t i;

	ASSERT_EQ(0, pt_set_mode("madvise"));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, pt_set_mode(bad[i])) {
			TH_LOG("for the word \"%s\"", bad[i]);
		}
		ASSERT_EQ(0, pt_get_mode(mode, sizeof(mode)));
		EXPECT_STREQ("madvise", mode);
	}
}

FIXTURE(number) { };

FIXTURE_VARIANT(number)
{
	const char *path;
	const char *name;
	unsigned long long least;
	unsigned long long most;
	long long between;
};

FIXTURE_VARIANT_ADD(number, scan_sleep_millisecs) {
	.path = PT_SYSFS "scan_sleep_millisecs",
	.name = "scan_sleep_millisecs",
	.least = 1,
	.most = 3600000,
	.between = 4321,
};

FIXTURE_VARIANT_ADD(number, tables_to_scan) {
	.path = PT_SYSFS "tables_to_scan",
	.name = "tables_to_scan",
	.least = 1,
	.most = UINT32_MAX,
	.between = 4321,
};

FIXTURE_VARIANT_ADD(number, max_cpu_percent) {
	.path = PT_SYSFS "max_cpu_percent",
	.name = "max_cpu_percent",
	.least = 1,
	.most = 100,
	.between = 43,
};

FIXTURE_VARIANT_ADD(number, sweep_rounds) {
	.path = PT_SYSFS "sweep_rounds",
	.name = "sweep_rounds",
	.least = 0,
	.most = UINT32_MAX,
	.between = 4321,
};

FIXTURE_SETUP(number)
{
	ASSERT_EQ(0, pt_set_mode("never"));
}

FIXTURE_TEARDOWN(number) { }

TEST_F(number, test_both_ends_of_the_range_are_taken)
{
	EXPECT_EQ(0, pt_set_knob(variant->name, variant->least));
	EXPECT_EQ((long long)variant->least, pt_knob(variant->name));
	EXPECT_EQ(0, pt_set_knob(variant->name, variant->most));
	EXPECT_EQ((long long)variant->most, pt_knob(variant->name));
}

TEST_F(number, test_past_the_ends_changes_nothing)
{
	ASSERT_EQ(0, pt_set_knob(variant->name, variant->between));
	/* Below 0 that is more than 64 bits hold. */
	EXPECT_GT(0, pt_set_knob(variant->name, variant->least - 1));
	EXPECT_GT(0, pt_set_knob(variant->name, variant->most + 1));
	EXPECT_EQ(variant->between, pt_knob(variant->name));
}

TEST_F(number, test_bad_numbers_change_nothing)
{
	static const char * const bad[] = {
		"ten", "10 ms", "-1", "1.5", "\n", "12 13", "0x", "1e3",
	};
	size_t i;

	ASSERT_EQ(0, pt_set_knob(variant->name, variant->between));
	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, pt_write_file(variant->path, bad[i])) {
			TH_LOG("for the number \"%s\"", bad[i]);
		}
		EXPECT_EQ(variant->between, pt_knob(variant->name));
	}
	/* More than 64 bits hold: kstrtox() has another word for it. */
	EXPECT_GT(0, pt_write_file(variant->path, "99999999999999999999"));
	EXPECT_EQ(variant->between, pt_knob(variant->name));
}

FIXTURE(counter) { };

FIXTURE_VARIANT(counter)
{
	const char *name;
};

FIXTURE_VARIANT_ADD(counter, sleep_millisecs) { .name = "sleep_millisecs" };
FIXTURE_VARIANT_ADD(counter, mms) { .name = "mms" };
FIXTURE_VARIANT_ADD(counter, full_scans) { .name = "full_scans" };
FIXTURE_VARIANT_ADD(counter, tables_scanned) { .name = "tables_scanned" };
FIXTURE_VARIANT_ADD(counter, tables_reclaimed) { .name = "tables_reclaimed" };

FIXTURE_SETUP(counter)
{
	ASSERT_EQ(0, pt_set_mode("never"));
}

FIXTURE_TEARDOWN(counter) { }

TEST_F(counter, test_is_a_number_that_nobody_can_write)
{
	char path[128], text[64], *end;
	struct stat stat_buf;

	snprintf(path, sizeof(path), PT_SYSFS "%s", variant->name);
	ASSERT_EQ(0, pt_read_file(path, text, sizeof(text)));
	strtoull(text, &end, 10);
	EXPECT_TRUE(end != text);
	EXPECT_EQ(0, *end);
	ASSERT_EQ(0, stat(path, &stat_buf));
	EXPECT_EQ(0444U, stat_buf.st_mode & 0777U);
	EXPECT_GT(0, pt_write_file(path, "1"));
}

/* "--exec-then-tell" execs once more; "--tell" exits with the value. */
static void maybe_tell(int argc, char **argv)
{
	if (argc != 2)
		return;
	if (!strcmp(argv[1], "--exec-then-tell")) {
		execl("/proc/self/exe", "self", "--tell", NULL);
		_exit(127);
	}
	if (!strcmp(argv[1], "--tell"))
		_exit(get_value());
}

int main(int argc, char **argv)
{
	maybe_tell(argc, argv);
	pt_begin();
	return test_harness_run(argc, argv);
}
