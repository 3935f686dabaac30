// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: who takes part, and which VMAs are fit.
 */
#include <linux/fs.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/prctl.h>
#include <linux/sched/coredump.h>

#include <xen/xen.h>

#include "internal.h"

const char * const pt_reclaim_mode_names[NR_PT_RECLAIM_MODES] = {
	[PT_RECLAIM_NEVER]	= "never",
	[PT_RECLAIM_MADVISE]	= "madvise",
	[PT_RECLAIM_ALWAYS]	= "always",
};

/* Written under the mutex of core.c; read anywhere, hence marked accesses. */
static enum pt_reclaim_mode system_mode = PT_RECLAIM_NEVER;

/**
 * pt_reclaim_supported() - may tables be taken on this machine at all?
 *
 * A Xen PV guest pins its page tables: the hypervisor would have to be told
 * before a table is freed, in a way that nobody has tried.
 *
 * Context: Any.
 */
bool pt_reclaim_supported(void)
{
	return !xen_pv_domain();
}

/**
 * pt_reclaim_mode_get() - the mode of the system
 *
 * Context: Any. The answer may be out of date by the time it is used: see
 * pt_reclaim_set_mode() for what its caller may rely on.
 */
enum pt_reclaim_mode pt_reclaim_mode_get(void)
{
	return READ_ONCE(system_mode);
}

/**
 * pt_reclaim_mode_store() - set the mode of the system, and nothing else
 * @mode: The new mode.
 *
 * Context: Called by pt_reclaim_set_mode() alone, which does all that follows
 * from it.
 */
void pt_reclaim_mode_store(enum pt_reclaim_mode mode)
{
	WRITE_ONCE(system_mode, mode);
}

/**
 * pt_reclaim_mm_scope() - what may the thread take of this mm?
 * @mm: The mm; the caller makes sure that it does not go away.
 *
 * The prctl flags are written under mmap_lock held for write: whoever holds it
 * for read gets an answer that stays true until it lets go of the lock. So does
 * whoever works on a chunk with regard to the mode, see pt_reclaim_set_mode().
 *
 * Context: Any.
 */
enum pt_reclaim_scope pt_reclaim_mm_scope(struct mm_struct *mm)
{
	if (test_bit(MMF_PT_RECLAIM_DISABLE, &mm->flags))
		return PT_RECLAIM_NOTHING;

	switch (pt_reclaim_mode_get()) {
	case PT_RECLAIM_ALWAYS:
		return PT_RECLAIM_ALL_VMAS;
	case PT_RECLAIM_MADVISE:
		if (test_bit(MMF_PT_RECLAIM_ENABLE, &mm->flags))
			return PT_RECLAIM_ALL_VMAS;
		if (test_bit(MMF_PT_RECLAIM_VMAS, &mm->flags))
			return PT_RECLAIM_MARKED_VMAS;
		return PT_RECLAIM_NOTHING;
	default:
		return PT_RECLAIM_NOTHING;
	}
}

/**
 * pt_reclaim_mm_admitted() - does the thread visit this mm?
 * @mm: The mm; the caller makes sure that it does not go away.
 *
 * Context: Any.
 */
bool pt_reclaim_mm_admitted(struct mm_struct *mm)
{
	return pt_reclaim_mm_scope(mm) != PT_RECLAIM_NOTHING;
}

/**
 * pt_reclaim_vma_possible() - can a PTE table under this VMA be taken away at all?
 * @vma: The VMA.
 *
 * Drivers fill the tables of PFNMAP, IO and MIXEDMAP VMAs by themselves and do
 * not all expect a table to go. DAX inserts its entries with insert_pfn(),
 * which takes a missing table for lack of memory. hugetlb has tables of its
 * own kind and rules.
 *
 * Context: mmap_lock held, for read at least.
 */
bool pt_reclaim_vma_possible(struct vm_area_struct *vma)
{
	mmap_assert_locked(vma->vm_mm);

	if (vma->vm_flags & (VM_HUGETLB | VM_PFNMAP | VM_IO | VM_MIXEDMAP))
		return false;
	return !vma_is_dax(vma);
}

/**
 * pt_reclaim_vma_fit() - may a PTE table under this VMA be taken away?
 * @vma: The VMA.
 * @scope: What is allowed of its mm.
 *
 * Context: mmap_lock held, for read at least.
 */
bool pt_reclaim_vma_fit(struct vm_area_struct *vma, enum pt_reclaim_scope scope)
{
	if (vma->vm_flags & VM_PT_UNRECLAIMABLE)
		return false;
	if (scope == PT_RECLAIM_MARKED_VMAS &&
	    !(vma->vm_flags & VM_PT_RECLAIMABLE))
		return false;
	return pt_reclaim_vma_possible(vma);
}

/**
 * pt_reclaim_setting_store() - set what prctl() says for an mm
 * @mm: The mm; the caller holds mm_users.
 * @setting: PR_PT_RECLAIM_DEFAULT, PR_PT_RECLAIM_ENABLE or
 *	PR_PT_RECLAIM_DISABLE.
 *
 * When this has returned no table of @mm is taken under the old setting:
 * taking mmap_lock for write has waited for whoever was at it.
 *
 * Context: Process context, takes mmap_lock for write.
 *
 * Return: 0; -EINVAL for another @setting, -EINTR on a fatal signal. On error
 * nothing has changed.
 */
int pt_reclaim_setting_store(struct mm_struct *mm, unsigned long setting)
{
	if (setting > PR_PT_RECLAIM_DISABLE)
		return -EINVAL;

	if (mmap_write_lock_killable(mm))
		return -EINTR;
	assign_bit(MMF_PT_RECLAIM_ENABLE, &mm->flags,
		   setting == PR_PT_RECLAIM_ENABLE);
	assign_bit(MMF_PT_RECLAIM_DISABLE, &mm->flags,
		   setting == PR_PT_RECLAIM_DISABLE);
	mmap_write_unlock(mm);
	return 0;
}

/**
 * pt_reclaim_setting_get() - what prctl() said for an mm
 * @mm: The mm; the caller makes sure that it does not go away.
 *
 * Context: Any.
 *
 * Return: One of the three values of pt_reclaim_setting_store().
 */
int pt_reclaim_setting_get(struct mm_struct *mm)
{
	if (test_bit(MMF_PT_RECLAIM_DISABLE, &mm->flags))
		return PR_PT_RECLAIM_DISABLE;
	if (test_bit(MMF_PT_RECLAIM_ENABLE, &mm->flags))
		return PR_PT_RECLAIM_ENABLE;
	return PR_PT_RECLAIM_DEFAULT;
}
