/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page table reclaim: what the rest of the kernel sees of mm/pt_reclaim/.
 */
#ifndef _LINUX_PT_RECLAIM_H
#define _LINUX_PT_RECLAIM_H

#include <linux/errno.h>
#include <linux/jump_label.h>
#include <linux/mm_types.h>
#include <linux/sched.h>
#include <linux/sched/coredump.h>

#ifdef CONFIG_KPTRECLAIMD

/* True in the modes always and madvise, in which the thread runs. */
DECLARE_STATIC_KEY_FALSE(pt_reclaim_key);

void __pt_reclaim_enter(struct mm_struct *mm);
void __pt_reclaim_exit(struct mm_struct *mm);
int pt_reclaim_prctl_set(unsigned long setting);
int pt_reclaim_prctl_get(void);
int pt_reclaim_advise(struct mm_struct *mm, unsigned long start,
		      unsigned long end);

/**
 * pt_reclaim_fork() - have the mm of a new process visited
 * @p: The new task, not woken yet.
 * @clone_flags: As passed to clone().
 *
 * Context: Process context, may sleep. @p must be on the task list already: a
 * change of mode registers the processes that it finds there, and whoever is
 * not there yet must come here after it.
 */
static inline void pt_reclaim_fork(struct task_struct *p, u64 clone_flags)
{
	if (static_branch_unlikely(&pt_reclaim_key) &&
	    !(clone_flags & CLONE_VM) && p->mm)
		__pt_reclaim_enter(p->mm);
}

/**
 * pt_reclaim_exec() - have the new mm of a process visited
 * @mm: The mm that exec_mmap() has just given to the current task.
 *
 * Context: Process context, may sleep.
 */
static inline void pt_reclaim_exec(struct mm_struct *mm)
{
	if (static_branch_unlikely(&pt_reclaim_key))
		__pt_reclaim_enter(mm);
}

/**
 * pt_reclaim_exit() - have an mm visited no more
 * @mm: An mm whose last user is gone.
 *
 * The thread may be looking at @mm right now. While it looks without a lock it
 * holds mm_count; before it removes a table it tests mm_users under mmap_lock,
 * which exit_mmap() takes for write before it frees tables. There exit waits for
 * a batch of tables at the most; here it does not wait. Must be called before
 * exit_mmap().
 *
 * Context: Process context.
 */
static inline void pt_reclaim_exit(struct mm_struct *mm)
{
	if (unlikely(test_bit(MMF_PT_RECLAIM, &mm->flags)))
		__pt_reclaim_exit(mm);
}

#else /* CONFIG_KPTRECLAIMD */

static inline void pt_reclaim_fork(struct task_struct *p, u64 clone_flags)
{
}

static inline void pt_reclaim_exec(struct mm_struct *mm)
{
}

static inline void pt_reclaim_exit(struct mm_struct *mm)
{
}

static inline int pt_reclaim_prctl_set(unsigned long setting)
{
	return -EINVAL;
}

static inline int pt_reclaim_prctl_get(void)
{
	return -EINVAL;
}

static inline int pt_reclaim_advise(struct mm_struct *mm, unsigned long start,
				    unsigned long end)
{
	return -EINVAL;
}

#endif /* CONFIG_KPTRECLAIMD */
#endif /* _LINUX_PT_RECLAIM_H */
