// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: the thread, how much CPU time it may use and how long it
 * sleeps.
 */
#define pr_fmt(fmt) "pt_reclaim: " fmt

#include <linux/err.h>
#include <linux/freezer.h>
#include <linux/jiffies.h>
#include <linux/kthread.h>
#include <linux/math64.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/cputime.h>
#include <linux/time64.h>
#include <linux/timekeeping.h>
#include <linux/wait.h>

#include "internal.h"

/* Exists in every mode but never. Changed by pt_reclaim_set_mode() alone. */
static struct task_struct *kptreclaimd_task;

/*
 * Written by sysfs, read by the thread, without a lock: each is a value by
 * itself, so that marked accesses are enough. Likewise sleep_stretch, which the
 * thread writes and sysfs reads.
 */
static unsigned int scan_sleep_millisecs = 10000;
static unsigned int max_cpu_percent = 10;

/*
 * By how much the sleep between two rounds is longer than it was set. It doubles
 * after a round in which the looks did not pay off for any mm, and halves after any
 * other that looked at something. From a hurried one, for which nobody has slept,
 * nothing is to be learned.
 */
static unsigned int sleep_stretch = 1;

#define MAX_SLEEP_STRETCH	8

/* What ends the present sleep: to take up new settings, or for a round. */
static DECLARE_WAIT_QUEUE_HEAD(kptreclaimd_wait);
static atomic_t settings_changed = ATOMIC_INIT(0);
static atomic_t round_wanted = ATOMIC_INIT(0);
static atomic_t memory_is_scarce = ATOMIC_INIT(0);

/**
 * struct cpu_budget - what the thread may still use
 * @wall_ns: When this was brought up to date.
 * @used_ns: CPU time of the thread up to then.
 * @credit_ns: CPU time that it may use; negative: it has used too much.
 *
 * The thread's own.
 */
struct cpu_budget {
	u64 wall_ns;
	u64 used_ns;
	s64 credit_ns;
};

/*
 * What was not used is carried over, but not for longer than this: an idle day
 * does not pay for an hour of a whole CPU.
 */
#define BUDGET_CARRY_NS		(10LL * NSEC_PER_SEC)

/* A thread without credit sleeps until it may work for as long as this. */
#define BUDGET_PIECE_NS		(2LL * NSEC_PER_MSEC)

static void budget_update(struct cpu_budget *budget)
{
	u64 wall_ns = ktime_get_ns();
	u64 used_ns = task_sched_runtime(current);
	unsigned int percent = pt_reclaim_get_max_cpu_percent();
	s64 most = div_s64(BUDGET_CARRY_NS * percent, 100);
	u64 passed_ns = min_t(u64, wall_ns - budget->wall_ns, BUDGET_CARRY_NS);

	budget->credit_ns += div_u64(passed_ns * percent, 100);
	budget->credit_ns -= used_ns - budget->used_ns;
	budget->credit_ns = min(budget->credit_ns, most);
	budget->wall_ns = wall_ns;
	budget->used_ns = used_ns;
}

static unsigned long budget_wait_jiffies(struct cpu_budget *budget)
{
	s64 lacking_ns = BUDGET_PIECE_NS - budget->credit_ns;
	u64 wait_ns = div_u64(lacking_ns * 100,
			      pt_reclaim_get_max_cpu_percent());

	return max(1UL, nsecs_to_jiffies(wait_ns));
}

/*
 * Until the time has passed, or a setting was changed. Whoever changes settings all
 * the time, which every process may for itself, wakes it no more than once a tick.
 */
static void kptreclaimd_nap(unsigned long nr_jiffies)
{
	long left;

	left = wait_event_freezable_timeout(kptreclaimd_wait,
					    kthread_should_stop() ||
					    atomic_xchg(&settings_changed, 0),
					    nr_jiffies);
	if (left > 0 && !kthread_should_stop())
		schedule_timeout_idle(1);
}

/*
 * Sleeps until it is time for a round: since @start, when the last one about
 * everybody has ended. A change of the sleep time holds for the present sleep
 * already. Returns whether the round is to be about everybody; otherwise some mm
 * with a delay of its own is due.
 */
static bool kptreclaimd_sleep(unsigned long start)
{
	while (!kthread_should_stop() && !atomic_xchg(&round_wanted, 0)) {
		unsigned long next = pt_reclaim_next_delayed();
		unsigned long now = jiffies;
		unsigned long end = start +
			msecs_to_jiffies(pt_reclaim_present_sleep_millisecs());

		if (time_after_eq(now, end))
			break;
		if (!next)
			return false;
		kptreclaimd_nap(min(end - now, next));
	}
	return true;
}

static void adapt_sleep(const struct pt_reclaim_round *round)
{
	unsigned int stretch = READ_ONCE(sleep_stretch);

	if (!round->looked || round->hurried)
		return;
	if (round->paid_off)
		stretch = max(stretch / 2, 1U);
	else
		stretch = min(stretch * 2, MAX_SLEEP_STRETCH);
	WRITE_ONCE(sleep_stretch, stretch);
}

/* Returns when a round has ended, or the thread is to stop. */
static void kptreclaimd_round(struct cpu_budget *budget, bool everybody)
{
	struct pt_reclaim_round round = {
		.hurried = atomic_xchg(&memory_is_scarce, 0),
	};

	while (!kthread_should_stop()) {
		budget_update(budget);
		if (budget->credit_ns <= 0) {
			kptreclaimd_nap(budget_wait_jiffies(budget));
			continue;
		}
		if (!pt_reclaim_scan_step(pt_reclaim_get_sleep_millisecs(),
					  everybody, &round)) {
			if (everybody)
				adapt_sleep(&round);
			break;
		}
		cond_resched();
		try_to_freeze();
	}
}

static int kptreclaimd(void *unused)
{
	struct cpu_budget budget = {
		.wall_ns = ktime_get_ns(),
		.used_ns = task_sched_runtime(current),
	};
	unsigned long start = jiffies;
	bool everybody = true;

	set_freezable();
	pt_reclaim_scan_begin();
	/*
	 * Not MAX_NICE: empty tables are to be had back from a machine whose
	 * CPUs are all busy, too, and the CPU time is bounded.
	 */
	set_user_nice(current, 5);

	while (!kthread_should_stop()) {
		kptreclaimd_round(&budget, everybody);
		if (everybody)
			start = jiffies;
		everybody = kptreclaimd_sleep(start);
	}
	return 0;
}

/**
 * kptreclaimd_start() - start the thread, unless it runs
 *
 * Context: Process context, may sleep. The caller serialises it with
 * kptreclaimd_stop().
 *
 * Return: 0, or why it could not be started.
 */
int kptreclaimd_start(void)
{
	struct task_struct *task;

	if (kptreclaimd_task)
		return 0;
	task = kthread_run(kptreclaimd, NULL, "kptreclaimd");
	if (IS_ERR(task)) {
		pr_err("cannot start kptreclaimd: %ld\n", PTR_ERR(task));
		return PTR_ERR(task);
	}
	kptreclaimd_task = task;
	return 0;
}

/**
 * kptreclaimd_stop() - stop the thread, if it runs, and wait for its end
 *
 * Context: Process context, may sleep.
 */
void kptreclaimd_stop(void)
{
	if (!kptreclaimd_task)
		return;
	kthread_stop(kptreclaimd_task);
	kptreclaimd_task = NULL;
}

/**
 * kptreclaimd_settings_changed() - have the thread take up new settings
 *
 * Context: Process context.
 */
void kptreclaimd_settings_changed(void)
{
	atomic_set(&settings_changed, 1);
	wake_up_interruptible(&kptreclaimd_wait);
}

/**
 * kptreclaimd_wake() - have a round begin now
 *
 * For a change that makes what was learned about the sleep worthless.
 *
 * Context: Process context.
 */
void kptreclaimd_wake(void)
{
	WRITE_ONCE(sleep_stretch, 1);
	atomic_set(&round_wanted, 1);
	kptreclaimd_settings_changed();
}

/**
 * kptreclaimd_hurry() - have a round begin now, because memory is scarce
 *
 * Lifts the sleep, and not the bound on CPU time.
 *
 * Context: Any in which memory may be allocated.
 */
void kptreclaimd_hurry(void)
{
	if (atomic_xchg(&memory_is_scarce, 1))
		return;
	atomic_set(&round_wanted, 1);
	kptreclaimd_settings_changed();
}

/**
 * pt_reclaim_get_sleep_millisecs() - the sleep between two rounds, as it was set
 *
 * Context: Any.
 *
 * Return: Milliseconds.
 */
unsigned int pt_reclaim_get_sleep_millisecs(void)
{
	return READ_ONCE(scan_sleep_millisecs);
}

/**
 * pt_reclaim_set_sleep_millisecs() - set the sleep between two rounds
 * @msecs: Milliseconds. Holds for the present sleep already.
 *
 * Context: Process context.
 */
void pt_reclaim_set_sleep_millisecs(unsigned int msecs)
{
	WRITE_ONCE(scan_sleep_millisecs, msecs);
	kptreclaimd_settings_changed();
}

/**
 * pt_reclaim_present_sleep_millisecs() - the sleep between two rounds, as it is
 *
 * Longer than it was set while the looks do not pay off.
 *
 * Context: Any.
 *
 * Return: Milliseconds.
 */
unsigned int pt_reclaim_present_sleep_millisecs(void)
{
	return pt_reclaim_get_sleep_millisecs() * READ_ONCE(sleep_stretch);
}

/**
 * pt_reclaim_get_max_cpu_percent() - how much CPU time the thread may use
 *
 * Context: Any.
 *
 * Return: Percents of one CPU.
 */
unsigned int pt_reclaim_get_max_cpu_percent(void)
{
	return READ_ONCE(max_cpu_percent);
}

/**
 * pt_reclaim_set_max_cpu_percent() - set how much CPU time the thread may use
 * @percent: Percents of one CPU, 1 to 100. Holds from now on.
 *
 * Context: Process context.
 */
void pt_reclaim_set_max_cpu_percent(unsigned int percent)
{
	WRITE_ONCE(max_cpu_percent, percent);
	kptreclaimd_settings_changed();
}
