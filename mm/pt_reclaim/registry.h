/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page table reclaim: a registered mm, as scan.c and offer.c see it.
 */
#ifndef _MM_PT_RECLAIM_REGISTRY_H
#define _MM_PT_RECLAIM_REGISTRY_H

#include <linux/atomic.h>
#include <linux/build_bug.h>
#include <linux/list.h>
#include <linux/lockdep.h>
#include <linux/minmax.h>
#include <linux/mm.h>
#include <linux/spinlock.h>
#include <linux/timerqueue.h>
#include <linux/types.h>

#include "../mm_slot.h"
#include "internal.h"

/**
 * struct pt_reclaim_offer - an mm that may have tables for memory reclaim
 * @lru: In one of the lists of offer.c, as long as there is evidence.
 * @memcg: Whose list that is; referenced then.
 * @nid: Node of the table that was marked first, of those since the last look.
 * @evidence: Marks that the present pass of memory reclaim is about.
 * @address: Where that goes on, a multiple of PUD_SIZE; 0: with a new pass.
 * @given: Tables that were taken of it are free when pt_reclaim_freed_by_rcu(@given).
 * @listed: Put in a list: @memcg is referenced. Under the registry's lock; somebody
 *	who walks the list takes what is there for nothing out of it.
 * @yielded: Memory reclaim, while @at_work, has taken tables of it.
 * @at_work: Memory reclaim is at it, or has not freed yet what it took: the number of
 *	this piece of work, see pt_reclaim_new_work(). 0: it is not.
 * @thread_at_work: The thread is at it, likewise.
 * @hurried: Memory reclaim has come here since the last visit.
 */
struct pt_reclaim_offer {
	struct list_head lru;
	struct mem_cgroup *memcg;
	int nid;
	unsigned int at_work;
	unsigned int thread_at_work;
	bool hurried;
	bool listed;
	bool yielded;
	unsigned long evidence;
	unsigned long address;
	unsigned long given;
};

/**
 * struct visited_mm - a registered mm, or one with settings of its own
 * @slot: What it is found with. The first member, as mm_slot_alloc() and
 *	mm_slot_free() need it. Its list is &quiet, &delayed, &parked or one of
 *	&due.
 * @timer: When it is to be asked for marks, in &delays while it is in &delayed.
 * @address: Where its visit goes on; 0: where the next one begins.
 * @left: What is left of the present visit's budget; 0: none has begun.
 * @evidence: Marks that the present visit is about, and has not come to.
 * @turn: How many tables may be looked at before the others have their turn.
 * @round: The last round in which it was asked for marks.
 * @again_in_round: If it is due: the round in which it was asked again; an older one
 *	if it was not.
 * @sweep: The next visit that begins is to look at all tables.
 * @sweeping: The present one does.
 * @parked: It does not take part, and is here for its settings alone.
 * @due: It is in &due.
 * @may_be_long: Its turn may be longer than that of the others.
 * @offer: What memory reclaim may want of it.
 * @state: For people.
 */
struct visited_mm {
	struct mm_slot slot;
	struct timerqueue_node timer;
	unsigned long address;
	unsigned long left;
	unsigned long evidence;
	unsigned int turn;
	unsigned int round;
	unsigned int again_in_round;
	bool sweep;
	bool sweeping;
	bool parked;
	bool due;
	bool may_be_long;
	struct pt_reclaim_offer offer;
	struct pt_reclaim_mm_state state;
};

/*
 * Protects the registry, its lists and what is in its slots, and the writing of
 * MMF_PT_RECLAIM, which says that an mm has a slot. It has its mm_count raised by
 * one then. Nests inside task_lock() and all page table locks; inside it nest the locks
 * of the lists of offers, and what memcg_list_lru_alloc() takes.
 */
extern spinlock_t pt_reclaim_registry_lock;

#define PT_RECLAIM_MM_SLOTS_BITS	10

extern struct hlist_head pt_reclaim_mm_slots[1 << PT_RECLAIM_MM_SLOTS_BITS];

static inline struct visited_mm *slot_visited(struct mm_slot *slot)
{
	static_assert(offsetof(struct visited_mm, slot) == 0);

	return mm_slot_entry(slot, struct visited_mm, slot);
}

/* That of @mm, NULL if it has none. */
static inline struct visited_mm *mm_visited(struct mm_struct *mm)
{
	struct mm_slot *slot;

	lockdep_assert_held(&pt_reclaim_registry_lock);

	slot = mm_slot_lookup(pt_reclaim_mm_slots, mm);
	return slot ? slot_visited(slot) : NULL;
}

/*
 * So many tables may be empty where @marks were left. A table that is looked at and
 * marked again counts again, and somebody may do that to himself all day: there are no
 * more than there are. Some marks are at least one.
 */
static inline unsigned long pt_reclaim_believe(struct mm_struct *mm,
					       unsigned long marks)
{
	unsigned long tables = mm_pgtables_bytes(mm) >> PAGE_SHIFT;

	return min(marks, tables + 1);
}

/* The marks that were left in @mm since the last call. A full barrier. */
static inline unsigned long pt_reclaim_take_marks(struct mm_struct *mm)
{
	unsigned int marks = atomic_xchg(&mm->pt_reclaim_marks, 0);

	return pt_reclaim_believe(mm, marks);
}

unsigned int pt_reclaim_new_work(void);
void pt_reclaim_update_offer(struct visited_mm *visited);
void pt_reclaim_withdraw(struct visited_mm *visited);

#endif /* _MM_PT_RECLAIM_REGISTRY_H */
