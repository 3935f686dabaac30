// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: madvise(MADV_PT_RECLAIM), a process that asks for itself, and
 * others who have a process give its empty tables back now.
 */
#include <linux/mm.h>
#include <linux/mmap_lock.h>

#include "internal.h"

/* Is every page of [start, end) covered by a VMA? mmap_lock is held for read. */
static bool range_is_mapped(struct mm_struct *mm, unsigned long start,
			    unsigned long end)
{
	VMA_ITERATOR(vmi, mm, start);
	struct vm_area_struct *vma;

	mmap_assert_locked(mm);

	for_each_vma_range(vmi, vma, end) {
		if (vma->vm_start > start)
			return false;
		start = vma->vm_end;
	}
	return start >= end;
}

/*
 * What was taken is freed after so many looks: a walk of terabytes with few empty
 * tables would keep those to itself until its end.
 */
#define REQUEST_CHUNK	8192

/**
 * pt_reclaim_request() - free the empty tables of a range, because somebody asks
 * @mm: Whose tables. The caller holds a reference on mm_users.
 * @start: First address.
 * @end: Address behind the last, not above what the mm can map.
 *
 * Allocates nothing: it is asked for when memory is scarce.
 *
 * Context: Process context, may sleep. Takes mmap_lock for read.
 *
 * Return: PT_RECLAIM_DONE; PT_RECLAIM_KILLED on a fatal signal; PT_RECLAIM_EXITING.
 */
enum pt_reclaim_result pt_reclaim_request(struct mm_struct *mm,
					  unsigned long start,
					  unsigned long end)
{
	struct pt_reclaim_control ctl = {
		.mm = mm,
		.addr = start & PMD_MASK,
		.end = ALIGN(end, PMD_SIZE),
		.sync = true,
		.sweep = true,
	};
	enum pt_reclaim_result result;

	do {
		ctl.budget = REQUEST_CHUNK;
		result = pt_reclaim_range(&ctl);
		pt_reclaim_account(mm, &ctl.stats);
	} while (result == PT_RECLAIM_BUDGET);
	return result;
}

/**
 * pt_reclaim_advise() - carry out madvise(MADV_PT_RECLAIM)
 * @mm: The mm; the caller holds a reference on mm_users.
 * @start: First address, a multiple of PAGE_SIZE.
 * @end: Address behind the last, a multiple of PAGE_SIZE, not below @start.
 *
 * Frees every PTE table that overlaps the range and is empty, those at its
 * edges included, in every mode of the system and whatever prctl() says; but not
 * under VMAs marked MADV_PT_UNRECLAIMABLE.
 *
 * Context: Process context, may sleep. Takes mmap_lock for read.
 *
 * Return: 0, also if nothing was empty; -ENOMEM if a part of the range is not
 * mapped (the rest has been dealt with); -EINTR on a fatal signal; -EINVAL where
 * page table reclaim is not supported.
 */
int pt_reclaim_advise(struct mm_struct *mm, unsigned long start,
		      unsigned long end)
{
	enum pt_reclaim_result result;
	unsigned long len = end - start;
	bool mapped;

	if (!pt_reclaim_supported())
		return -EINVAL;

	if (mmap_read_lock_killable(mm))
		return -EINTR;
	start = untagged_addr_remote(mm, start);
	end = start + len;
	mapped = range_is_mapped(mm, start, end);
	mmap_read_unlock(mm);

	if (start >= mm->task_size)
		return -ENOMEM;
	end = min(end, mm->task_size);

	result = pt_reclaim_request(mm, start, end);
	if (result == PT_RECLAIM_KILLED)
		return -EINTR;
	return mapped ? 0 : -ENOMEM;
}
