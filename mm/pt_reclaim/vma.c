// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: madvise(MADV_PT_RECLAIMABLE) and its contrary, what a process
 * says of its VMAs.
 */
#include <linux/mm.h>
#include <linux/mman.h>
#include <linux/mmap_lock.h>
#include <linux/pagewalk.h>

#include "internal.h"

static int mark_table(pmd_t *pmd, unsigned long addr, unsigned long next,
		      struct mm_walk *walk)
{
	pt_reclaim_mark(walk->mm, pmd);
	cond_resched();
	return 0;
}

static const struct mm_walk_ops mark_ops = {
	.pmd_entry = mark_table,
	.walk_lock = PGWALK_WRLOCK,
};

/*
 * What was zapped while its mm or VMA did not take part left no mark, or one that
 * was cleared in vain. A walk of the others would split their huge entries.
 */
static void mark_tables(struct vm_area_struct *vma, unsigned long start,
			unsigned long end)
{
	if (pt_reclaim_marks() && pt_reclaim_vma_possible(vma))
		walk_page_range_vma(vma, start, end, &mark_ops, NULL);
}

/**
 * pt_reclaim_mark_vma() - carry out madvise(MADV_PT_RECLAIMABLE) and its contrary
 * @vma: A VMA of the range.
 * @start: What part of it.
 * @end: Address behind that.
 * @advice: MADV_PT_RECLAIMABLE or MADV_PT_UNRECLAIMABLE.
 * @vm_flags: Its flags, to be changed. The caller gives them to that part.
 *
 * Context: mmap_lock held for write. May allocate.
 *
 * Return: 0; -EINVAL where page table reclaim is not supported.
 */
int pt_reclaim_mark_vma(struct vm_area_struct *vma, unsigned long start,
			unsigned long end, int advice, unsigned long *vm_flags)
{
	struct mm_struct *mm = vma->vm_mm;

	mmap_assert_write_locked(mm);

	if (!pt_reclaim_supported())
		return -EINVAL;

	*vm_flags &= ~(VM_PT_RECLAIMABLE | VM_PT_UNRECLAIMABLE);
	if (advice == MADV_PT_UNRECLAIMABLE) {
		*vm_flags |= VM_PT_UNRECLAIMABLE;
		return 0;
	}

	*vm_flags |= VM_PT_RECLAIMABLE;
	if (!test_and_set_bit(MMF_PT_RECLAIM_VMAS, &mm->flags)) {
		pt_reclaim_registry_update_mm(mm);
		kptreclaimd_settings_changed();
	}
	if (vma->vm_flags & VM_PT_RECLAIMABLE)
		return 0;
	/* Whoever finds them now has to wait for mmap_lock to ask the VMA. */
	mark_tables(vma, start, end);
	return 0;
}
