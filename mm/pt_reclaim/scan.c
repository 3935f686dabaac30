// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: the registry of mms that are visited, and the round: one
 * pass over all of them, in pieces, with the thread's sleeps in between.
 */
#include <linux/freezer.h>
#include <linux/mm.h>
#include <linux/mutex.h>
#include <linux/oom.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/slab.h>
#include <linux/spinlock.h>
#include <linux/vmstat.h>

#include "../mm_slot.h"
#include "internal.h"

#include <trace/events/pt_reclaim.h>

#define MM_SLOTS_HASH_BITS	10

/*
 * Tables looked at before the thread asks whether it should stop, freeze, or
 * let a change of mode pass: a few milliseconds.
 */
#define SCAN_CHUNK		512UL

/**
 * struct visited_mm - a registered mm
 * @slot: What it is found with. The first member, as mm_slot_alloc() and
 *	mm_slot_free() need it.
 * @address: Where its next visit begins, or where the present one goes on.
 */
struct visited_mm {
	struct mm_slot slot;
	unsigned long address;
};

static struct kmem_cache *mm_slot_cache __ro_after_init;

/*
 * Protects the registry and the cursor, and the writing of MMF_PT_RECLAIM,
 * which says that an mm is in the registry. A registered mm has its mm_count
 * raised by one. Nests inside task_lock().
 */
static DEFINE_SPINLOCK(registry_lock);
static DEFINE_READ_MOSTLY_HASHTABLE(mm_slots_hash, MM_SLOTS_HASH_BITS);
static LIST_HEAD(mm_slots);
/* Read without the lock, hence marked: the two are for people. */
static unsigned long nr_mms;
static unsigned long full_scans;

/*
 * Where the present round is; no slot: before its first mm. It points at a slot
 * that is in the registry: who removes the slot moves it on.
 */
static struct {
	struct mm_slot *slot;
	unsigned long left;	/* of the visit's budget; 0: not begun yet */
} cursor;

/* Held by the thread while it works on a chunk. Taken to wait for its end. */
static DEFINE_MUTEX(chunk_mutex);

/* The thread's, under chunk_mutex: too large for its stack. */
static struct pt_reclaim_control scan_ctl;

/* Moves the cursor to the next mm, or ends the round. */
static void cursor_next_mm(void)
{
	lockdep_assert_held(&registry_lock);

	cursor.left = 0;
	if (!list_is_last(&cursor.slot->mm_node, &mm_slots)) {
		cursor.slot = list_next_entry(cursor.slot, mm_node);
		return;
	}
	cursor.slot = NULL;
	WRITE_ONCE(full_scans, full_scans + 1);
	trace_mm_pt_reclaim_full_scan(full_scans);
}

/*
 * The caller makes sure that mm_users is not zero now. The new mm goes behind
 * the cursor: what comes in while a round is under way waits for the next one,
 * so that nobody can keep a round from ending.
 */
static void registry_insert(struct mm_struct *mm, struct mm_slot *slot)
{
	struct list_head *behind = cursor.slot ? &cursor.slot->mm_node :
						 &mm_slots;

	lockdep_assert_held(&registry_lock);

	mmgrab(mm);
	set_bit(MMF_PT_RECLAIM, &mm->flags);
	mm_slot_insert(mm_slots_hash, mm, slot);
	list_add_tail(&slot->mm_node, behind);
	WRITE_ONCE(nr_mms, nr_mms + 1);
}

/* The caller drops the mm and frees the slot after it has unlocked. */
static void registry_remove(struct mm_slot *slot)
{
	lockdep_assert_held(&registry_lock);

	if (cursor.slot == slot)
		cursor_next_mm();
	hash_del(&slot->hash);
	list_del(&slot->mm_node);
	clear_bit(MMF_PT_RECLAIM, &slot->mm->flags);
	WRITE_ONCE(nr_mms, nr_mms - 1);
}

static void drop_slot(struct mm_slot *slot)
{
	mmdrop(slot->mm);
	mm_slot_free(mm_slot_cache, slot);
}

static void drop_slots(struct list_head *slots)
{
	struct mm_slot *slot, *next;

	list_for_each_entry_safe(slot, next, slots, mm_node)
		drop_slot(slot);
}

/**
 * __pt_reclaim_enter() - have an mm visited, if it takes part
 * @mm: The mm; the caller makes sure that mm_users does not become zero.
 *
 * Without memory for a slot the mm is not visited; vmstat counts that.
 *
 * Context: Process context, may sleep.
 */
void __pt_reclaim_enter(struct mm_struct *mm)
{
	struct mm_slot *slot;
	bool inserted = false;

	/*
	 * Orders the task list entry of a new process before the reading of the
	 * mode. Pairs with pt_reclaim_registry_update(): either this sees the
	 * new mode, or the walk over the task list there sees the process.
	 */
	smp_mb();
	if (!pt_reclaim_mm_admitted(mm) || test_bit(MMF_PT_RECLAIM, &mm->flags))
		return;

	slot = mm_slot_alloc(mm_slot_cache);
	if (!slot) {
		count_vm_event(PTRECLAIM_UNREGISTERED);
		return;
	}

	spin_lock(&registry_lock);
	if (pt_reclaim_mm_admitted(mm) &&
	    !test_bit(MMF_PT_RECLAIM, &mm->flags)) {
		registry_insert(mm, slot);
		inserted = true;
	}
	spin_unlock(&registry_lock);

	if (!inserted)
		mm_slot_free(mm_slot_cache, slot);
}

/**
 * __pt_reclaim_exit() - have an mm visited no more
 * @mm: The mm; the caller holds mm_count besides the registry.
 *
 * Context: Process context.
 */
void __pt_reclaim_exit(struct mm_struct *mm)
{
	struct mm_slot *slot;

	spin_lock(&registry_lock);
	slot = mm_slot_lookup(mm_slots_hash, mm);
	if (slot)
		registry_remove(slot);
	spin_unlock(&registry_lock);

	if (slot)
		drop_slot(slot);
}

/**
 * pt_reclaim_registry_update_mm() - make the registry follow the prctl setting
 * @mm: The mm of the current task, whose setting was changed before.
 *
 * Two threads may do that at the same time: each acts on what it finds under
 * the lock, so the last one acts on the final setting.
 *
 * Context: Process context, may sleep.
 */
void pt_reclaim_registry_update_mm(struct mm_struct *mm)
{
	struct mm_slot *slot = NULL;

	__pt_reclaim_enter(mm);

	spin_lock(&registry_lock);
	if (!pt_reclaim_mm_admitted(mm)) {
		slot = mm_slot_lookup(mm_slots_hash, mm);
		if (slot)
			registry_remove(slot);
	}
	spin_unlock(&registry_lock);

	if (slot)
		drop_slot(slot);
}

/* Removes the mms that do not take part any more. */
static void registry_prune(void)
{
	struct mm_slot *slot, *next;
	LIST_HEAD(removed);

	spin_lock(&registry_lock);
	list_for_each_entry_safe(slot, next, &mm_slots, mm_node) {
		if (pt_reclaim_mm_admitted(slot->mm))
			continue;
		registry_remove(slot);
		list_add(&slot->mm_node, &removed);
	}
	spin_unlock(&registry_lock);

	drop_slots(&removed);
}

/*
 * Registers the mms of the running processes that take part, with slots from
 * @spares. Returns the number of those for which there was no slot left.
 *
 * A task that has an mm holds mm_users, and exit_mm() takes task_lock() before
 * it gives that up: an mm that is registered under task_lock() leaves through
 * pt_reclaim_exit().
 */
static unsigned long register_running(struct list_head *spares)
{
	unsigned long missing = 0;
	struct task_struct *process, *task;
	struct mm_slot *slot;

	rcu_read_lock();
	for_each_process(process) {
		if (process->flags & PF_KTHREAD)
			continue;
		task = find_lock_task_mm(process);
		if (!task)
			continue;
		/* For sparse: find_lock_task_mm() has locked the task. */
		__acquire(&task->alloc_lock);
		spin_lock(&registry_lock);
		if (pt_reclaim_mm_admitted(task->mm) &&
		    !test_bit(MMF_PT_RECLAIM, &task->mm->flags)) {
			slot = list_first_entry_or_null(spares, struct mm_slot,
							mm_node);
			if (slot) {
				list_del(&slot->mm_node);
				registry_insert(task->mm, slot);
			} else {
				missing++;
			}
		}
		spin_unlock(&registry_lock);
		task_unlock(task);
	}
	rcu_read_unlock();
	return missing;
}

/* Puts up to @nr slots on @spares. Returns false if it got less. */
static bool alloc_spares(struct list_head *spares, unsigned long nr)
{
	while (nr--) {
		struct mm_slot *slot = mm_slot_alloc(mm_slot_cache);

		if (!slot)
			return false;
		list_add(&slot->mm_node, spares);
	}
	return true;
}

static void free_spares(struct list_head *spares)
{
	struct mm_slot *slot, *next;

	list_for_each_entry_safe(slot, next, spares, mm_node)
		mm_slot_free(mm_slot_cache, slot);
}

/**
 * pt_reclaim_registry_update() - make the registry follow the mode
 *
 * Removes who does not take part any more and registers the running processes
 * that do: they may have been holding empty tables for a long time.
 *
 * Context: Process context, may sleep. Called after the mode was stored.
 */
void pt_reclaim_registry_update(void)
{
	unsigned long missing;
	LIST_HEAD(spares);
	bool enough = true;

	registry_prune();

	/* Pairs with __pt_reclaim_enter(). */
	smp_mb();
	do {
		missing = register_running(&spares);
		if (!missing)
			break;
		enough = alloc_spares(&spares, missing);
	} while (enough);

	if (!enough) {
		missing = register_running(&spares);
		count_vm_events(PTRECLAIM_UNREGISTERED, missing);
	}
	free_spares(&spares);
}

/**
 * pt_reclaim_nr_mms() - number of registered mms
 *
 * Context: Any.
 */
unsigned long pt_reclaim_nr_mms(void)
{
	return READ_ONCE(nr_mms);
}

/**
 * pt_reclaim_full_scans() - number of finished rounds
 *
 * Context: Any.
 */
unsigned long pt_reclaim_full_scans(void)
{
	return READ_ONCE(full_scans);
}

static struct visited_mm *cursor_visited(void)
{
	lockdep_assert_held(&registry_lock);

	return mm_slot_entry(cursor.slot, struct visited_mm, slot);
}

/*
 * How much work one visit of @mm may be: what there is when it begins, and some
 * more for a process that grows meanwhile. Without that, a process that maps
 * new tables in front of the thread faster than it may look at them would keep
 * the round from ending. A visit that ends early goes on in the next round.
 *
 * Each table accounts for one unit at the most: a PTE table for the look at it,
 * an upper table for less than one stretch without any. The few tables of the
 * upper levels that mm_pgtables_bytes() does not know are in the constant.
 */
static unsigned long visit_budget(struct mm_struct *mm)
{
	unsigned long tables = mm_pgtables_bytes(mm) >> PAGE_SHIFT;

	return tables + tables / 4 + 64;
}

/*
 * Returns the mm that is next, with mm_count raised; stores where to go on, and
 * the rest of the visit's budget. NULL if no mm is registered.
 */
static struct mm_struct *cursor_get(unsigned long *address, unsigned long *left)
{
	struct mm_struct *mm = NULL;

	spin_lock(&registry_lock);
	if (!cursor.slot && !list_empty(&mm_slots))
		cursor.slot = list_first_entry(&mm_slots, struct mm_slot,
					       mm_node);
	if (cursor.slot) {
		mm = cursor.slot->mm;
		mmgrab(mm);
		if (!cursor.left)
			cursor.left = visit_budget(mm);
		*address = cursor_visited()->address;
		*left = cursor.left;
	}
	spin_unlock(&registry_lock);
	return mm;
}

/*
 * Stores how far @mm has been visited and drops the reference. The mm may have
 * left the registry meanwhile, and the cursor with it. No other mm can have
 * taken its address, because of the reference.
 */
static void cursor_put(struct mm_struct *mm, unsigned long address,
		       unsigned long left, bool finished)
{
	spin_lock(&registry_lock);
	if (cursor.slot && cursor.slot->mm == mm) {
		cursor_visited()->address = finished ? 0 : address;
		cursor.left = left;
		if (finished || !left)
			cursor_next_mm();
	}
	spin_unlock(&registry_lock);
	mmdrop(mm);
}

/*
 * Works on the mm under the cursor, for @budget tables at the most. Returns what
 * is left of the budget; 0 also when there is nobody to visit.
 */
static unsigned long scan_chunk(unsigned long budget, unsigned long min_age)
{
	struct pt_reclaim_control *ctl = &scan_ctl;
	enum pt_reclaim_result result;
	unsigned long chunk, left;

	lockdep_assert_held(&chunk_mutex);

	ctl->mm = cursor_get(&ctl->addr, &left);
	if (!ctl->mm)
		return 0;
	chunk = min3(budget, left, SCAN_CHUNK);
	ctl->end = ALIGN(ctl->mm->task_size, PMD_SIZE);
	ctl->budget = chunk;
	ctl->min_age = min_age;
	result = pt_reclaim_range(ctl);
	left -= chunk - ctl->budget;
	cursor_put(ctl->mm, ctl->addr, left, result != PT_RECLAIM_BUDGET);

	/* An mm costs as much as a table even if it has none. */
	return budget - max(chunk - ctl->budget, 1UL);
}

/**
 * pt_reclaim_wake_up_scan() - what the thread does between two sleeps
 * @nr_tables: Tables to look at, at the most.
 * @min_age: Jiffies for which a table must have been seen empty.
 * @should_stop: Asked after each chunk.
 *
 * Goes on with the round where it stopped. Ends with the end of the round at
 * the latest, so that it never looks at a table twice.
 *
 * Context: Process context, may sleep. Called by the thread alone.
 */
void pt_reclaim_wake_up_scan(unsigned int nr_tables, unsigned long min_age,
			     bool (*should_stop)(void))
{
	unsigned long round = pt_reclaim_full_scans();
	unsigned long budget = nr_tables;

	while (budget && round == pt_reclaim_full_scans() && !should_stop()) {
		mutex_lock(&chunk_mutex);
		budget = scan_chunk(budget, min_age);
		mutex_unlock(&chunk_mutex);
		cond_resched();
		try_to_freeze();
	}
}

/**
 * pt_reclaim_scan_quiesce() - wait for the chunk that the thread is working on
 *
 * What was true for the thread to see before this call is what it acts on after
 * it.
 *
 * Context: Process context, may sleep.
 */
void pt_reclaim_scan_quiesce(void)
{
	mutex_lock(&chunk_mutex);
	mutex_unlock(&chunk_mutex);
}

/**
 * pt_reclaim_registry_init() - prepare for registrations
 *
 * Return: 0, or -ENOMEM.
 */
int __init pt_reclaim_registry_init(void)
{
	mm_slot_cache = kmem_cache_create("pt_reclaim_mm_slot",
					  sizeof(struct visited_mm),
					  __alignof__(struct visited_mm), 0, NULL);
	return mm_slot_cache ? 0 : -ENOMEM;
}
