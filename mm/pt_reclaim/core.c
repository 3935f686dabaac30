// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: the thread, the mode of the system, and what the system
 * calls and the boot call.
 */

/**
 * DOC: Overview
 *
 * A process that gives memory back without unmapping it keeps the page tables.
 * kptreclaimd visits the registered mms in rounds, finds their empty PTE tables
 * without any lock and frees them under mmap_lock held for read, which it only
 * tries to get. A table must have been seen empty on two visits that are one
 * sleep of the thread (or 1 s) apart.
 *
 * In the mode never there is no thread, no mm is registered, and what fork and
 * exec call is a static branch that is not taken.
 */

#define pr_fmt(fmt) "pt_reclaim: " fmt

#include <linux/freezer.h>
#include <linux/init.h>
#include <linux/jiffies.h>
#include <linux/jump_label.h>
#include <linux/kthread.h>
#include <linux/mutex.h>
#include <linux/pt_reclaim.h>
#include <linux/sched.h>
#include <linux/string.h>
#include <linux/wait.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(pt_reclaim_key);

/*
 * Serialises changes of the mode. Protects the thread's existence: it runs in
 * every mode but never.
 */
static DEFINE_MUTEX(mode_mutex);
static struct task_struct *kptreclaimd_task;

/*
 * Written by sysfs, read by the thread, without a lock: each is a value by
 * itself, so that marked accesses are enough.
 */
static unsigned int scan_sleep_millisecs = 10000;
static unsigned int tables_to_scan = 65536;

/* Ends the present sleep, so that a new sleep time is taken up. */
static DECLARE_WAIT_QUEUE_HEAD(kptreclaimd_wait);
static atomic_t sleep_changed = ATOMIC_INIT(0);

/* The mode that the boot sets. */
static enum pt_reclaim_mode boot_mode __initdata =
	IS_ENABLED(CONFIG_PT_RECLAIM_DEFAULT_ALWAYS) ? PT_RECLAIM_ALWAYS :
	IS_ENABLED(CONFIG_PT_RECLAIM_DEFAULT_MADVISE) ? PT_RECLAIM_MADVISE :
	PT_RECLAIM_NEVER;

static bool kptreclaimd_should_stop(void)
{
	return kthread_should_stop();
}

/* One sleep, but no more than a second: then every fault has had its chance. */
static unsigned long kptreclaimd_min_age(void)
{
	unsigned int msecs = pt_reclaim_get_sleep_millisecs();

	return max(1UL, msecs_to_jiffies(min(msecs, 1000U)));
}

static unsigned long kptreclaimd_sleep_jiffies(void)
{
	return msecs_to_jiffies(pt_reclaim_get_sleep_millisecs());
}

/* A change of the sleep time holds for the present sleep already. */
static void kptreclaimd_sleep(void)
{
	unsigned long start = jiffies;
	long left = kptreclaimd_sleep_jiffies();

	while (left > 0 && !kthread_should_stop()) {
		wait_event_freezable_timeout(kptreclaimd_wait,
					     kthread_should_stop() ||
					     atomic_xchg(&sleep_changed, 0),
					     left);
		left = start + kptreclaimd_sleep_jiffies() - jiffies;
	}
}

static int kptreclaimd(void *unused)
{
	set_freezable();
	/*
	 * Not MAX_NICE: empty tables are to be had back from a machine whose
	 * CPUs are all busy, too, and the work between two sleeps is bounded.
	 */
	set_user_nice(current, 5);

	while (!kthread_should_stop()) {
		pt_reclaim_wake_up_scan(pt_reclaim_get_tables_to_scan(),
					kptreclaimd_min_age(),
					kptreclaimd_should_stop);
		kptreclaimd_sleep();
	}
	return 0;
}

static int kptreclaimd_start(void)
{
	struct task_struct *task;

	lockdep_assert_held(&mode_mutex);

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

static void kptreclaimd_stop(void)
{
	lockdep_assert_held(&mode_mutex);

	if (!kptreclaimd_task)
		return;
	kthread_stop(kptreclaimd_task);
	kptreclaimd_task = NULL;
}

/**
 * pt_reclaim_set_mode() - change the mode of the system
 * @mode: The new mode.
 *
 * When this has returned, the running processes that take part in @mode are
 * registered, and no table of any other process is taken by the thread.
 *
 * Context: Process context, may sleep.
 *
 * Return: 0, or why the thread could not be started; then nothing has changed.
 */
int pt_reclaim_set_mode(enum pt_reclaim_mode mode)
{
	int err = 0;

	mutex_lock(&mode_mutex);
	if (mode == pt_reclaim_mode_get())
		goto unlock;

	if (mode != PT_RECLAIM_NEVER) {
		err = kptreclaimd_start();
		if (err)
			goto unlock;
	}

	/*
	 * The mode before the key: who finds the key on finds the new mode. A
	 * process whose fork or exec found it off is on the task list, which
	 * the update reads after the key has been switched on all CPUs.
	 */
	pt_reclaim_mode_store(mode);
	if (mode == PT_RECLAIM_NEVER) {
		static_branch_disable(&pt_reclaim_key);
		kptreclaimd_stop();
	} else {
		static_branch_enable(&pt_reclaim_key);
		pt_reclaim_scan_quiesce();
	}
	pt_reclaim_registry_update();
unlock:
	mutex_unlock(&mode_mutex);
	return err;
}

/**
 * pt_reclaim_get_sleep_millisecs() - how long the thread sleeps
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
 * pt_reclaim_set_sleep_millisecs() - set how long the thread sleeps
 * @msecs: Milliseconds. Holds for the present sleep already.
 *
 * Context: Process context.
 */
void pt_reclaim_set_sleep_millisecs(unsigned int msecs)
{
	WRITE_ONCE(scan_sleep_millisecs, msecs);
	atomic_set(&sleep_changed, 1);
	wake_up_interruptible(&kptreclaimd_wait);
}

/**
 * pt_reclaim_get_tables_to_scan() - how much the thread does between two sleeps
 *
 * Context: Any.
 *
 * Return: Tables looked at.
 */
unsigned int pt_reclaim_get_tables_to_scan(void)
{
	return READ_ONCE(tables_to_scan);
}

/**
 * pt_reclaim_set_tables_to_scan() - set what pt_reclaim_get_tables_to_scan() gets
 * @nr: Tables looked at.
 *
 * Context: Any.
 */
void pt_reclaim_set_tables_to_scan(unsigned int nr)
{
	WRITE_ONCE(tables_to_scan, nr);
}

/* False in a Xen PV guest and without memory at boot: nothing was set up. */
static bool available __ro_after_init;

/**
 * pt_reclaim_available() - was page table reclaim set up?
 *
 * Context: Any, after the subsys initcalls.
 */
bool pt_reclaim_available(void)
{
	return available;
}

/**
 * pt_reclaim_prctl_set() - carry out prctl(PR_SET_PT_RECLAIM)
 * @setting: PR_PT_RECLAIM_DEFAULT, PR_PT_RECLAIM_ENABLE or
 *	PR_PT_RECLAIM_DISABLE.
 *
 * Context: Process context, takes mmap_lock for write.
 *
 * Return: 0; -EINVAL for another @setting or where page table reclaim is not
 * available, -EINTR on a fatal signal.
 */
int pt_reclaim_prctl_set(unsigned long setting)
{
	int err;

	if (!available)
		return -EINVAL;
	err = pt_reclaim_setting_store(current->mm, setting);
	if (!err)
		pt_reclaim_registry_update_mm(current->mm);
	return err;
}

/**
 * pt_reclaim_prctl_get() - carry out prctl(PR_GET_PT_RECLAIM)
 *
 * Context: Process context.
 *
 * Return: What PR_SET_PT_RECLAIM set, here or in an ancestor; -EINVAL where
 * page table reclaim is not available.
 */
int pt_reclaim_prctl_get(void)
{
	if (!available)
		return -EINVAL;
	return pt_reclaim_setting_get(current->mm);
}

static int __init setup_pt_reclaim(char *str)
{
	int mode = match_string(pt_reclaim_mode_names, NR_PT_RECLAIM_MODES, str);

	if (mode < 0)
		pr_warn("pt_reclaim=%s is not one of never, madvise, always: ignored\n",
			str);
	else
		boot_mode = mode;
	return 1;
}
__setup("pt_reclaim=", setup_pt_reclaim);

static int __init pt_reclaim_init(void)
{
	int err;

	if (!pt_reclaim_supported()) {
		pr_info("not available in a Xen PV guest\n");
		return 0;
	}

	err = pt_reclaim_registry_init();
	if (err)
		return err;
	available = true;
	return pt_reclaim_set_mode(boot_mode);
}
subsys_initcall(pt_reclaim_init);
