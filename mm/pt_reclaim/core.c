// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: the mode of the system, and what the system calls and the
 * boot call.
 */

/**
 * DOC: Overview
 *
 * A process that gives memory back without unmapping it keeps the page tables.
 * Whoever makes PTEs none leaves a mark in the ptdesc of their table, in that of
 * the PMD table above it, and in the mm, which is registered by its first mark.
 * kptreclaimd asks the registered mms for marks in rounds, finds the marked PTE
 * tables that are empty without any lock and frees them under mmap_lock held for
 * read, which it only tries to get. A table must have been seen empty on two
 * visits that are one sleep of the thread (or 1 s) apart. So a round is paid for
 * by what was zapped since the last one, and not by what exists.
 *
 * Every so many rounds there is a sweep, which looks at all tables of all
 * processes, marked or not: what no mark led to is late, and not lost.
 *
 * In the mode never there is no thread, no mm is registered, and what those who
 * zap call is a static branch that is not taken.
 */

#define pr_fmt(fmt) "pt_reclaim: " fmt

#include <linux/init.h>
#include <linux/jump_label.h>
#include <linux/mutex.h>
#include <linux/pt_reclaim.h>
#include <linux/sched.h>
#include <linux/string.h>

#include "internal.h"

DEFINE_STATIC_KEY_FALSE(pt_reclaim_key);

/* Serialises changes of the mode, and with them the life of the thread. */
static DEFINE_MUTEX(mode_mutex);

/* The mode that the boot sets. */
static enum pt_reclaim_mode boot_mode __initdata =
	IS_ENABLED(CONFIG_PT_RECLAIM_DEFAULT_ALWAYS) ? PT_RECLAIM_ALWAYS :
	IS_ENABLED(CONFIG_PT_RECLAIM_DEFAULT_MADVISE) ? PT_RECLAIM_MADVISE :
	PT_RECLAIM_NEVER;

/**
 * pt_reclaim_set_mode() - change the mode of the system
 * @mode: The new mode.
 *
 * When this has returned, the running processes that take part in @mode are
 * registered, to be swept, and no table of any other process is taken by the
 * thread.
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
	 * The mode before the key: who finds the key on finds the new mode.
	 * What was zapped while it was off is not marked: the update registers
	 * the running processes for a sweep.
	 */
	pt_reclaim_mode_store(mode);
	if (mode == PT_RECLAIM_NEVER) {
		static_branch_disable(&pt_reclaim_key);
		kptreclaimd_stop();
	} else {
		static_branch_enable(&pt_reclaim_key);
	}
	/* Who works on a chunk, thread or not, may act on the mode before. */
	pt_reclaim_scan_quiesce();
	pt_reclaim_registry_update();
	kptreclaimd_wake();
unlock:
	mutex_unlock(&mode_mutex);
	return err;
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
 * pt_reclaim_set_mm_mode() - change whether a process takes part
 * @mm: The mm; the caller holds mm_users.
 * @setting: PR_PT_RECLAIM_DEFAULT, PR_PT_RECLAIM_ENABLE or
 *	PR_PT_RECLAIM_DISABLE.
 *
 * Context: Process context, takes mmap_lock for write.
 *
 * Return: 0; -EINVAL for another @setting, -EINTR on a fatal signal.
 */
int pt_reclaim_set_mm_mode(struct mm_struct *mm, unsigned long setting)
{
	int err = pt_reclaim_setting_store(mm, setting);

	if (!err) {
		pt_reclaim_registry_update_mm(mm);
		kptreclaimd_settings_changed();
	}
	return err;
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
	if (!available)
		return -EINVAL;
	return pt_reclaim_set_mm_mode(current->mm, setting);
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
	if (!err)
		err = pt_reclaim_shrinker_init();
	if (err)
		return err;
	available = true;
	return pt_reclaim_set_mode(boot_mode);
}
subsys_initcall(pt_reclaim_init);
