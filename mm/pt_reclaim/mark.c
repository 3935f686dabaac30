// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: whoever makes PTEs of a living mm none leaves a mark, so
 * that the thread need not look for what is empty now where nothing changed.
 */
#include <linux/atomic.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/pt_reclaim.h>
#include <linux/rcupdate.h>

#include "internal.h"
#include "table.h"

/*
 * Marks are for those who take part. Who is not registered yet becomes so now;
 * who opts in later is swept then.
 */
static bool mark_wanted(struct mm_struct *mm)
{
	return likely(pt_reclaim_registered(mm)) ||
	       pt_reclaim_register_marked(mm);
}

/*
 * From the bottom to the top, and each step a full barrier (but where nothing is
 * stored): pairs with find_clear_mark(), which tells what for. The step above is
 * looked at even if the one below is marked already: a table that mremap() moves,
 * or that comes back from under a huge page, brings its mark along to where none
 * is above it.
 */
static void mark_upper(struct mm_struct *mm, struct ptdesc *upper,
		       struct ptdesc *ptdesc, bool count)
{
	if (!READ_ONCE(upper->pt_marked)) {
		xchg(&upper->pt_marked, 1);
		count = true;
	}
	if ((count || !atomic_read(&mm->pt_reclaim_marks)) &&
	    atomic_inc_return(&mm->pt_reclaim_marks) == 1)
		pt_reclaim_first_mark(mm, page_to_nid(ptdesc_page(ptdesc)));
}

/**
 * __pt_reclaim_mark() - entries of a PTE table were made none
 * @mm: Whose table it is.
 * @pmdp: The PMD entry that points, or pointed, at it. Who calls this keeps the
 *	PMD table in the way that he always does.
 *
 * If the table was taken meanwhile there is nothing to mark, and if another one
 * has come, one look at that is too many. RCU keeps the one that is read.
 *
 * Context: Any. May allocate, without waiting.
 */
void __pt_reclaim_mark(struct mm_struct *mm, pmd_t *pmdp)
{
	struct ptdesc *ptdesc;
	pmd_t pmd;

	if (!mark_wanted(mm))
		return;

	rcu_read_lock();
	pmd = pmdp_get_lockless(pmdp);
	if (likely(pmd_is_table(pmd))) {
		ptdesc = pmd_table_ptdesc(pmd);
		mark_upper(mm, pmds_ptdesc(pmdp), ptdesc,
			   !xchg(&ptdesc->pt_marked, 1));
	}
	rcu_read_unlock();
}

/**
 * pt_reclaim_mark_again() - a walk ends here, and nobody may go on with it
 * @mm: Whose tables; the caller holds mm_count.
 * @addr: Where it would go on. A walk that comes to a PMD table clears its mark, and
 *	nobody would see the tables behind @addr.
 *
 * Context: Any but interrupts.
 */
void pt_reclaim_mark_again(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmdp;

	if (!(addr & ~PUD_MASK))
		return;
	rcu_read_lock();
	pmdp = pt_reclaim_find_pmd(mm, addr);
	if (pmdp)
		mark_upper(mm, pmds_ptdesc(pmdp), pmds_ptdesc(pmdp), true);
	rcu_read_unlock();
}

/**
 * __pt_reclaim_mark_filled() - entries of a table were to be filled
 * @mm: Whose table it is.
 * @pmdp: Its PMD entry.
 * @start: The first address.
 * @end: The address behind the last.
 *
 * Looks at a few more on both sides: they keep the table as well. Who makes one none
 * meanwhile marks it himself.
 *
 * Context: mmap_lock is held for write, so the PMD table stays. RCU keeps the PTE
 * table: khugepaged may take one from files' VMAs at any moment.
 */
void __pt_reclaim_mark_filled(struct mm_struct *mm, pmd_t *pmdp,
			      unsigned long start, unsigned long end)
{
	unsigned int first = pte_index(start), last = pte_index(end - 1);
	bool none = false;
	pmd_t pmd;

	mmap_assert_write_locked(mm);

	rcu_read_lock();
	pmd = pmdp_get_lockless(pmdp);
	if (pmd_is_table(pmd))
		none = pte_range_none(pmd_ptes(pmd), first, last);
	rcu_read_unlock();
	if (none)
		__pt_reclaim_mark(mm, pmdp);
}

/**
 * __pt_reclaim_mark_pmds() - a PMD table has come to another place
 * @mm: Whose table it is.
 * @pud: The PUD entry that points at it now.
 *
 * A walk may have been in the middle of it, or past its new place.
 *
 * Context: mmap_lock held for write.
 */
void __pt_reclaim_mark_pmds(struct mm_struct *mm, pud_t *pud)
{
	struct ptdesc *upper = page_ptdesc(pud_page(*pud));

	if (mark_wanted(mm)) {
		xchg(&upper->pt_marked, 1);
		mark_upper(mm, upper, upper, true);
	}
}
