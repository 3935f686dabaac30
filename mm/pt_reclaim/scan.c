// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: the registry of mms that are visited, and the round: one
 * pass over all of them, in small pieces.
 */
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

/* mms that are asked for marks under one hold of registry_lock. */
#define ASK_CHUNK		64

/*
 * How often a sweep looks for running processes until it has as many slots as
 * there are. Whoever forks faster than that waits for the next sweep, unless a mark
 * registers him.
 */
#define SWEEP_TRIES		4

/*
 * Who has to be visited in this round, by the number of his marks: a class holds
 * those with up to twice as many as the one below. Class 0 is for those who had
 * their turn and are not done.
 */
#define NR_DUE_CLASSES		16

/**
 * struct visited_mm - a registered mm
 * @slot: What it is found with. The first member, as mm_slot_alloc() and
 *	mm_slot_free() need it. Its list is &quiet, or one of &due.
 * @address: Where its visit goes on; 0: where the next one begins.
 * @left: What is left of the present visit's budget; 0: none has begun.
 * @turn: How many tables may be looked at before the others have their turn.
 * @round: The last round in which it was asked for marks.
 * @sweep: The next visit that begins is to look at all tables.
 * @sweeping: The present one does.
 */
struct visited_mm {
	struct mm_slot slot;
	unsigned long address;
	unsigned long left;
	unsigned int turn;
	unsigned int round;
	bool sweep;
	bool sweeping;
};

static struct kmem_cache *mm_slot_cache __ro_after_init;

/*
 * Protects the registry, its lists and what is in its slots, and the writing of
 * MMF_PT_RECLAIM, which says that an mm is in the registry. A registered mm has
 * its mm_count raised by one. Nests inside task_lock() and the PTE lock.
 */
static DEFINE_SPINLOCK(registry_lock);
static DEFINE_READ_MOSTLY_HASHTABLE(mm_slots_hash, MM_SLOTS_HASH_BITS);

/* Those who were asked in this round are at the end, and so is who comes anew. */
static LIST_HEAD(quiet);
static struct list_head due[NR_DUE_CLASSES];

/* Read without the lock, hence marked: the two are for people. */
static unsigned long nr_mms;
static unsigned long full_scans;

/* The present round. Changed by the thread, under registry_lock. */
static unsigned int round_number;

/* The thread's own. */
static bool round_is_on;
static unsigned int rounds_since_sweep;

/* Written by sysfs, read by the thread: each is a value by itself. */
static unsigned int tables_to_scan = 65536;
static unsigned int sweep_rounds = 360;

/* Held by the thread while it works on a chunk. Taken to wait for its end. */
static DEFINE_MUTEX(chunk_mutex);

/* The thread's, under chunk_mutex: too large for its stack. */
static struct pt_reclaim_control scan_ctl;

static struct visited_mm *slot_visited(struct mm_slot *slot)
{
	static_assert(offsetof(struct visited_mm, slot) == 0);

	return mm_slot_entry(slot, struct visited_mm, slot);
}

/*
 * Who comes while a round is under way waits for the next one, so that nobody
 * can keep a round from ending.
 *
 * The flag before the look at mm_users: who drops the last reference does it the
 * other way round, see pt_reclaim_exit(). Either he finds the flag, and then the
 * slot when he has got the lock, or mm_users is found to be zero here.
 */
static bool registry_insert(struct mm_struct *mm, struct mm_slot *slot)
{
	lockdep_assert_held(&registry_lock);

	set_bit(MMF_PT_RECLAIM, &mm->flags);
	/* Pairs with atomic_dec_and_test() of mm_users. */
	smp_mb__after_atomic();
	if (!atomic_read(&mm->mm_users)) {
		clear_bit(MMF_PT_RECLAIM, &mm->flags);
		return false;
	}

	mmgrab(mm);
	slot_visited(slot)->round = round_number;
	mm_slot_insert(mm_slots_hash, mm, slot);
	list_add_tail(&slot->mm_node, &quiet);
	WRITE_ONCE(nr_mms, nr_mms + 1);
	return true;
}

/* The caller drops the mm and frees the slot after it has unlocked. */
static void registry_remove(struct mm_slot *slot)
{
	lockdep_assert_held(&registry_lock);

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

/* Is @mm to be registered, and is not yet? */
static bool registry_lacks(struct mm_struct *mm)
{
	return !pt_reclaim_registered(mm) && pt_reclaim_mm_admitted(mm);
}

/*
 * Registers @mm, if it takes part. Without memory for a slot the mm is not
 * visited; vmstat counts that.
 */
static void register_mm(struct mm_struct *mm, gfp_t gfp, bool sweep)
{
	struct visited_mm *visited;
	bool inserted = false;

	if (!registry_lacks(mm))
		return;

	visited = kmem_cache_zalloc(mm_slot_cache, gfp);
	if (!visited) {
		count_vm_event(PTRECLAIM_UNREGISTERED);
		return;
	}
	visited->sweep = sweep;

	spin_lock(&registry_lock);
	if (registry_lacks(mm))
		inserted = registry_insert(mm, &visited->slot);
	spin_unlock(&registry_lock);

	if (!inserted)
		mm_slot_free(mm_slot_cache, visited);
}

/**
 * pt_reclaim_register_marked() - have an mm visited, if it takes part
 * @mm: An mm that is being marked, and not registered; the caller makes sure that
 *	exit_mmap() does not finish meanwhile.
 *
 * Called for each mark until it succeeds.
 *
 * Context: Any but interrupts; spin locks may be held.
 *
 * Return: Does it take part?
 */
bool pt_reclaim_register_marked(struct mm_struct *mm)
{
	if (!pt_reclaim_mm_admitted(mm))
		return false;
	/* What exit and the OOM reaper zap goes with the mm. */
	if (!atomic_read(&mm->mm_users) || test_bit(MMF_UNSTABLE, &mm->flags))
		return false;
	/* Reclaim marks too, and must not use up what it is to fill again. */
	register_mm(mm, GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC, false);
	return true;
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
	struct mm_slot *slot;

	register_mm(mm, GFP_KERNEL, true);

	spin_lock(&registry_lock);
	slot = mm_slot_lookup(mm_slots_hash, mm);
	if (slot && pt_reclaim_mm_admitted(mm)) {
		/* A thread that zaps may have been first, and wants no sweep. */
		slot_visited(slot)->sweep = true;
		slot = NULL;
	} else if (slot) {
		registry_remove(slot);
	}
	spin_unlock(&registry_lock);

	if (slot)
		drop_slot(slot);
}

static void prune_list(struct list_head *list, struct list_head *removed)
{
	struct mm_slot *slot, *next;

	lockdep_assert_held(&registry_lock);

	list_for_each_entry_safe(slot, next, list, mm_node) {
		if (pt_reclaim_mm_admitted(slot->mm))
			continue;
		registry_remove(slot);
		list_add(&slot->mm_node, removed);
	}
}

/* Removes the mms that do not take part any more. */
static void registry_prune(void)
{
	LIST_HEAD(removed);
	int class;

	spin_lock(&registry_lock);
	prune_list(&quiet, &removed);
	for (class = 0; class < NR_DUE_CLASSES; class++)
		prune_list(&due[class], &removed);
	spin_unlock(&registry_lock);

	drop_slots(&removed);
}

/* Returns false if there was no slot for it. The caller holds task_lock(). */
static bool register_for_sweep(struct mm_struct *mm, struct list_head *spares)
{
	struct mm_slot *slot;
	bool done = true;

	spin_lock(&registry_lock);
	slot = mm_slot_lookup(mm_slots_hash, mm);
	if (!slot && registry_lacks(mm)) {
		slot = list_first_entry_or_null(spares, struct mm_slot, mm_node);
		if (slot)
			list_del(&slot->mm_node);
		else
			done = false;
		if (slot && !registry_insert(mm, slot)) {
			list_add(&slot->mm_node, spares);
			slot = NULL;
		}
	}
	if (slot)
		slot_visited(slot)->sweep = true;
	spin_unlock(&registry_lock);
	return done;
}

/*
 * Registers the mms of the running processes that take part, with slots from
 * @spares, and has those that are registered swept too. Returns the number of
 * those for which there was no slot left.
 *
 * A task that has an mm holds mm_users, and exit_mm() takes task_lock() before
 * it gives that up: an mm that is registered under task_lock() leaves through
 * pt_reclaim_exit().
 */
static unsigned long register_running(struct list_head *spares)
{
	unsigned long missing = 0;
	struct task_struct *process, *task;

	rcu_read_lock();
	for_each_process(process) {
		if (process->flags & PF_KTHREAD)
			continue;
		task = find_lock_task_mm(process);
		if (!task)
			continue;
		/* For sparse: find_lock_task_mm() has locked the task. */
		__acquire(&task->alloc_lock);
		if (!register_for_sweep(task->mm, spares))
			missing++;
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

/*
 * Registers the running processes that take part and has them swept: they may have
 * been holding empty tables for a long time.
 *
 * A process that fork() is about to put on the task list may have been copied
 * before marks were left, and is not seen here. The next sweep takes it in.
 */
static void sweep_running(void)
{
	unsigned int tries = SWEEP_TRIES;
	unsigned long missing;
	LIST_HEAD(spares);

	while ((missing = register_running(&spares)) && --tries) {
		if (!alloc_spares(&spares, missing))
			tries = 1;
	}
	count_vm_events(PTRECLAIM_UNREGISTERED, missing);
	free_spares(&spares);
}

/**
 * pt_reclaim_registry_update() - make the registry follow the mode
 *
 * Removes who does not take part any more, registers the running processes that
 * do, and has them swept.
 *
 * Context: Process context, may sleep. Called after the mode was stored.
 */
void pt_reclaim_registry_update(void)
{
	registry_prune();
	sweep_running();
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

/* The class of an mm with so many marks; one that is only swept has none. */
static unsigned int due_class(unsigned int marks)
{
	return clamp(fls(marks), 1, NR_DUE_CLASSES - 1);
}

/*
 * Asks some of the mms that were not asked in this round. Returns false if there
 * were none. A visit that had to end early goes on.
 */
static bool ask_for_marks(void)
{
	unsigned int nr = ASK_CHUNK;
	bool found = false;

	spin_lock(&registry_lock);
	while (nr--) {
		struct visited_mm *visited;
		unsigned int marks;

		if (list_empty(&quiet))
			break;
		visited = slot_visited(list_first_entry(&quiet, struct mm_slot,
							mm_node));
		if (visited->round == round_number)
			break;
		visited->round = round_number;
		found = true;
		marks = atomic_read(&visited->slot.mm->pt_reclaim_marks);
		if (marks || visited->sweep || visited->address)
			list_move_tail(&visited->slot.mm_node,
				       &due[due_class(marks)]);
		else
			list_move_tail(&visited->slot.mm_node, &quiet);
	}
	spin_unlock(&registry_lock);
	return found;
}

/* Whose turn it is: whoever has the most marks. NULL if nobody is due. */
static struct visited_mm *first_due(void)
{
	int class;

	lockdep_assert_held(&registry_lock);

	for (class = NR_DUE_CLASSES - 1; class >= 0; class--) {
		if (!list_empty(&due[class]))
			return slot_visited(list_first_entry(&due[class],
							     struct mm_slot,
							     mm_node));
	}
	return NULL;
}

/*
 * The mark of the mm goes before those of its tables are looked at, see
 * find_clear_mark().
 */
static void visit_begins(struct visited_mm *visited)
{
	struct mm_struct *mm = visited->slot.mm;

	lockdep_assert_held(&registry_lock);

	visited->left = visit_budget(mm);
	if (visited->address)
		return;
	visited->sweeping = visited->sweep;
	visited->sweep = false;
	atomic_xchg(&mm->pt_reclaim_marks, 0);
}

/*
 * Fills @ctl for the next chunk of whoever's turn it is, whose mm_count is raised
 * then. Returns false if nobody is due.
 */
static bool visit_get(struct pt_reclaim_control *ctl)
{
	struct visited_mm *visited;

	spin_lock(&registry_lock);
	visited = first_due();
	if (visited) {
		if (!visited->turn)
			visited->turn = pt_reclaim_get_tables_to_scan();
		if (!visited->left)
			visit_begins(visited);
		ctl->mm = visited->slot.mm;
		mmgrab(ctl->mm);
		ctl->addr = visited->address;
		ctl->sweep = visited->sweeping;
		ctl->budget = min3(SCAN_CHUNK, visited->left,
				   (unsigned long)visited->turn);
	}
	spin_unlock(&registry_lock);
	return visited;
}

/*
 * Stores how far the visit of @ctl->mm has come, @used of its budget later, and
 * drops the reference. The mm may have left the registry meanwhile, and even have
 * come back: then no visit of it has begun. No other mm can have taken its
 * address, because of the reference.
 */
static void visit_put(struct pt_reclaim_control *ctl, unsigned long used,
		      bool finished)
{
	struct visited_mm *visited;
	struct mm_slot *slot;

	spin_lock(&registry_lock);
	slot = mm_slot_lookup(mm_slots_hash, ctl->mm);
	if (slot && slot_visited(slot)->left) {
		visited = slot_visited(slot);
		visited->address = finished ? 0 : ctl->addr;
		visited->left = finished ? 0 : visited->left - used;
		visited->turn -= used;
		if (!visited->left) {
			visited->turn = 0;
			list_move_tail(&slot->mm_node, &quiet);
		} else if (!visited->turn) {
			list_move_tail(&slot->mm_node, &due[0]);
		}
	}
	spin_unlock(&registry_lock);
	mmdrop(ctl->mm);
}

/* Works on one chunk. Returns false if nobody is due. */
static bool scan_chunk(unsigned long min_age, struct pt_reclaim_round *round)
{
	struct pt_reclaim_control *ctl = &scan_ctl;
	enum pt_reclaim_result result;
	unsigned long budget;

	lockdep_assert_held(&chunk_mutex);

	if (!visit_get(ctl))
		return false;
	budget = ctl->budget;
	ctl->end = ALIGN(ctl->mm->task_size, PMD_SIZE);
	ctl->min_age = min_age;
	result = pt_reclaim_range(ctl);
	/* Whether marks pay off is not to be learned from a sweep. */
	if (!ctl->sweep) {
		round->scanned += ctl->stats.scanned;
		round->empty += ctl->stats.empty;
	}
	visit_put(ctl, budget - ctl->budget, result != PT_RECLAIM_BUDGET);
	return true;
}

static void round_begins(void)
{
	unsigned int rounds = pt_reclaim_get_sweep_rounds();

	rounds_since_sweep++;
	if (rounds && rounds_since_sweep >= rounds) {
		rounds_since_sweep = 0;
		sweep_running();
	}

	spin_lock(&registry_lock);
	round_number++;
	spin_unlock(&registry_lock);
	round_is_on = true;
}

static void round_ends(void)
{
	round_is_on = false;
	WRITE_ONCE(full_scans, full_scans + 1);
	trace_mm_pt_reclaim_full_scan(full_scans);
}

/**
 * pt_reclaim_scan_step() - do a little work
 * @min_age: Jiffies for which a table must have been seen empty.
 * @round: What the present round has done is added to it.
 *
 * A round asks every registered mm for marks, and then visits those that have
 * some: the most marks first, each for up to tables_to_scan tables, then what is
 * left of them in turn. It ends when nobody is due any more; who was marked after
 * he was asked waits for the next one.
 *
 * Context: Process context, may sleep. Called by the thread alone.
 *
 * Return: false if a round has ended with that.
 */
bool pt_reclaim_scan_step(unsigned long min_age, struct pt_reclaim_round *round)
{
	bool more;

	if (!round_is_on)
		round_begins();
	if (ask_for_marks())
		return true;

	mutex_lock(&chunk_mutex);
	more = scan_chunk(min_age, round);
	mutex_unlock(&chunk_mutex);
	if (!more)
		round_ends();
	return more;
}

/**
 * pt_reclaim_get_sweep_rounds() - how many rounds there are to a sweep
 *
 * Context: Any.
 *
 * Return: Rounds; 0: there are no sweeps.
 */
unsigned int pt_reclaim_get_sweep_rounds(void)
{
	return READ_ONCE(sweep_rounds);
}

/**
 * pt_reclaim_set_sweep_rounds() - set what pt_reclaim_get_sweep_rounds() gets
 * @rounds: Rounds; 0: no sweeps.
 *
 * Context: Any.
 */
void pt_reclaim_set_sweep_rounds(unsigned int rounds)
{
	WRITE_ONCE(sweep_rounds, rounds);
}

/**
 * pt_reclaim_get_tables_to_scan() - how long a turn is
 *
 * Context: Any.
 *
 * Return: Tables of one mm that are looked at before the others have their turn.
 */
unsigned int pt_reclaim_get_tables_to_scan(void)
{
	return READ_ONCE(tables_to_scan);
}

/**
 * pt_reclaim_set_tables_to_scan() - set what pt_reclaim_get_tables_to_scan() gets
 * @nr: Tables looked at.
 *
 * Context: Any.
 */
void pt_reclaim_set_tables_to_scan(unsigned int nr)
{
	WRITE_ONCE(tables_to_scan, nr);
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
	int class;

	for (class = 0; class < NR_DUE_CLASSES; class++)
		INIT_LIST_HEAD(&due[class]);
	mm_slot_cache = kmem_cache_create("pt_reclaim_mm_slot",
					  sizeof(struct visited_mm),
					  __alignof__(struct visited_mm), 0, NULL);
	return mm_slot_cache ? 0 : -ENOMEM;
}
