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

void __pt_reclaim_mark(struct mm_struct *mm, pmd_t *pmdp);
void __pt_reclaim_mark_filled(struct mm_struct *mm, pmd_t *pmdp,
			      unsigned long start, unsigned long end);
void __pt_reclaim_mark_pmds(struct mm_struct *mm, pud_t *pud);
void __pt_reclaim_exit(struct mm_struct *mm);
void __pt_reclaim_attach(struct mm_struct *mm);
int pt_reclaim_prctl_set(unsigned long setting);
int pt_reclaim_prctl_get(void);
int pt_reclaim_advise(struct mm_struct *mm, unsigned long start,
		      unsigned long end);
int pt_reclaim_mark_vma(struct vm_area_struct *vma, unsigned long start,
			unsigned long end, int advice, unsigned long *vm_flags);
struct seq_file;
int pt_reclaim_process_show(struct seq_file *m, struct mm_struct *mm);
int pt_reclaim_process_write(struct mm_struct *mm, char *text, bool privileged);

/**
 * pt_reclaim_marks() - are marks wanted at all?
 *
 * For whoever has something to find out before he knows whether to mark.
 *
 * Context: Any.
 */
static inline bool pt_reclaim_marks(void)
{
	return static_branch_unlikely(&pt_reclaim_key);
}

/**
 * pt_reclaim_registered() - is this mm visited already?
 * @mm: The mm.
 *
 * Context: Any. The answer may be out of date.
 */
static inline bool pt_reclaim_registered(struct mm_struct *mm)
{
	return test_bit(MMF_PT_RECLAIM, &mm->flags);
}

/**
 * pt_reclaim_mark() - PTEs of a living mm were made none
 * @mm: Whose.
 * @pmdp: The PMD entry of their table.
 *
 * To be called after the PTEs were changed; their lock may have been dropped. What
 * nobody marks is found by a sweep, late.
 *
 * Context: Any, as long as the PMD table stays.
 */
static inline void pt_reclaim_mark(struct mm_struct *mm, pmd_t *pmdp)
{
	if (pt_reclaim_marks())
		__pt_reclaim_mark(mm, pmdp);
}

/**
 * pt_reclaim_mark_filled() - entries of a table were to be filled
 * @mm: Whose table it is.
 * @pmdp: Its PMD entry.
 * @start: The first address.
 * @end: The address behind the last.
 *
 * For those who allocate a table for what may turn out to be nothing: marks it if
 * no entry is in use. Who does not know whether there is a table need not ask.
 *
 * Context: mmap_lock is held for write.
 */
static inline void pt_reclaim_mark_filled(struct mm_struct *mm, pmd_t *pmdp,
					  unsigned long start, unsigned long end)
{
	if (pt_reclaim_marks())
		__pt_reclaim_mark_filled(mm, pmdp, start, end);
}

/**
 * pt_reclaim_mark_pmds() - a PMD table was moved, with the PTE tables below it
 * @mm: Whose.
 * @pud: The PUD entry that points at it now.
 *
 * Context: mmap_lock held for write.
 */
static inline void pt_reclaim_mark_pmds(struct mm_struct *mm, pud_t *pud)
{
	if (pt_reclaim_marks())
		__pt_reclaim_mark_pmds(mm, pud);
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
 * That mm_users became zero is ordered before the look at the flag, see
 * registry_insert(), by the atomic_dec_and_test() of whoever dropped it.
 *
 * Context: Process context.
 */
static inline void pt_reclaim_exit(struct mm_struct *mm)
{
	if (unlikely(pt_reclaim_registered(mm)))
		__pt_reclaim_exit(mm);
}

/**
 * pt_reclaim_attach() - an mm has come to a memory cgroup, with its owner or a new one
 * @mm: Whose. Its empty tables are to be found when memory is scarce there.
 *
 * Context: Process context; task_lock() may be held.
 */
static inline void pt_reclaim_attach(struct mm_struct *mm)
{
	if (pt_reclaim_registered(mm))
		__pt_reclaim_attach(mm);
}

/**
 * pt_reclaim_forget_vmas() - no VMA of this mm is marked
 * @mm: A new mm, with the flags of another one and none of its VMAs.
 *
 * Context: Nobody else knows @mm.
 */
static inline void pt_reclaim_forget_vmas(struct mm_struct *mm)
{
	if (unlikely(test_bit(MMF_PT_RECLAIM_VMAS, &mm->flags)))
		clear_bit(MMF_PT_RECLAIM_VMAS, &mm->flags);
}

/**
 * pt_reclaim_fork() - the VMAs of an mm are being copied
 * @mm: The child's.
 * @oldmm: The parent's, whose VMAs may have been marked MADV_PT_RECLAIMABLE since
 *	its flags were copied.
 *
 * Context: mmap_lock of both held for write.
 */
static inline void pt_reclaim_fork(struct mm_struct *mm, struct mm_struct *oldmm)
{
	if (unlikely(test_bit(MMF_PT_RECLAIM_VMAS, &oldmm->flags)))
		set_bit(MMF_PT_RECLAIM_VMAS, &mm->flags);
}

#else /* CONFIG_KPTRECLAIMD */

static inline bool pt_reclaim_marks(void)
{
	return false;
}

static inline bool pt_reclaim_registered(struct mm_struct *mm)
{
	return false;
}

static inline void pt_reclaim_mark(struct mm_struct *mm, pmd_t *pmdp)
{
}

static inline void pt_reclaim_mark_filled(struct mm_struct *mm, pmd_t *pmdp,
					  unsigned long start, unsigned long end)
{
}

static inline void pt_reclaim_mark_pmds(struct mm_struct *mm, pud_t *pud)
{
}

static inline void pt_reclaim_exit(struct mm_struct *mm)
{
}

static inline void pt_reclaim_attach(struct mm_struct *mm)
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

static inline int pt_reclaim_mark_vma(struct vm_area_struct *vma,
				      unsigned long start, unsigned long end,
				      int advice, unsigned long *vm_flags)
{
	return -EINVAL;
}

static inline void pt_reclaim_forget_vmas(struct mm_struct *mm)
{
}

static inline void pt_reclaim_fork(struct mm_struct *mm, struct mm_struct *oldmm)
{
}

#endif /* CONFIG_KPTRECLAIMD */
#endif /* _LINUX_PT_RECLAIM_H */
