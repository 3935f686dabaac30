/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Gaps: moments at which page table reclaim, or somebody whom it must not hurt,
 * relies on a page table that he has looked up and does not hold. They last a
 * few instructions. So that a test can drive the other side through one, it can
 * be held open, see mm/pt_reclaim/gaps.c.
 */
#ifndef _LINUX_PT_RECLAIM_GAPS_H
#define _LINUX_PT_RECLAIM_GAPS_H

struct mm_struct;

enum pt_reclaim_gap {
	/* Page table reclaim itself */
	PT_RECLAIM_GAP_FIND,		/* PMD entry read, its table not yet */
	PT_RECLAIM_GAP_FOUND,		/* table seen empty, nothing locked */
	PT_RECLAIM_GAP_LOCK,		/* PMD lock held, PTE lock not yet */
	PT_RECLAIM_GAP_CONFIRMED,	/* both held, all entries none */
	PT_RECLAIM_GAP_DETACHED,	/* PMD entry cleared, not flushed */
	PT_RECLAIM_GAP_FLUSHED,		/* flushed, not freed */
	/* Everybody else */
	PT_RECLAIM_GAP_MAP_LOCK,	/* pte_offset_map_lock(): not locked */
	PT_RECLAIM_GAP_ZAP,		/* entries cleared, flush to come */
	PT_RECLAIM_GAP_FAULT,		/* page brought, not mapped yet */
	PT_RECLAIM_GAP_PROTECT,		/* table there to put markers into */
	PT_RECLAIM_GAP_FILL_ALLOC,	/* userfaultfd: table just allocated */
	PT_RECLAIM_GAP_FILL,		/* userfaultfd: table there to fill */
	PT_RECLAIM_GAP_MOVE,		/* userfaultfd: both tables mapped */
	PT_RECLAIM_GAP_COLLAPSE,	/* table to collapse found, not locked */
	PT_RECLAIM_GAP_RETRACT,		/* table to retract found, not locked */
	PT_RECLAIM_GAP_FORK,		/* copy half made, to be dropped */
	NR_PT_RECLAIM_GAPS
};

#ifdef CONFIG_PT_RECLAIM_GAPS
void pt_reclaim_gap(enum pt_reclaim_gap gap, struct mm_struct *mm,
		    unsigned long addr);
#else
static inline void pt_reclaim_gap(enum pt_reclaim_gap gap, struct mm_struct *mm,
				  unsigned long addr)
{
}
#endif

#endif /* _LINUX_PT_RECLAIM_GAPS_H */
