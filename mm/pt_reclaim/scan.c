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
#include <linux/srcu.h>
#include <linux/topology.h>
#include <linux/vmstat.h>

#include "internal.h"
#include "registry.h"

#include <trace/events/pt_reclaim.h>

/*
 * Tables looked at before the thread asks whether it should stop, freeze, or
 * let a change of mode pass: a few milliseconds.
 */
#define SCAN_CHUNK		512UL

/* The looks pay off if one in so many, in one chunk, finds an empty table. */
#define PAYING_LOOKS		16

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
 * their turn: they are not done, or have a delay that is over again.
 */
#define NR_DUE_CLASSES		16

static struct kmem_cache *mm_slot_cache __ro_after_init;

DEFINE_SPINLOCK(pt_reclaim_registry_lock);
DEFINE_READ_MOSTLY_HASHTABLE(pt_reclaim_mm_slots, PT_RECLAIM_MM_SLOTS_BITS);

/* Those who were asked in this round are at the end, and so is who comes anew. */
static LIST_HEAD(quiet);
/*
 * Those who are to be visited more often, or less, than the others, and when, in
 * jiffies_64.
 */
static LIST_HEAD(delayed);
static struct timerqueue_head delays;
/* Those who do not take part. */
static LIST_HEAD(parked);
static struct list_head due[NR_DUE_CLASSES];

/* Read without the lock, hence marked: the two are for people. */
static unsigned long nr_mms;
static unsigned long full_scans;

/* The present round. Changed by the thread, under registry_lock. */
static unsigned int round_number;

/*
 * Who is in &due, and who of them was asked a second time in this round, for a delay
 * that is over again: the round does not wait for those. Under registry_lock.
 */
static unsigned long nr_due;
static unsigned long nr_due_again;

/* The thread's own. */
static bool round_is_on;
static unsigned int rounds_since_sweep;
/* When the last of these was, in jiffies_64. */
static u64 last_counted_round;

/* Written by sysfs, read by the thread: each is a value by itself. */
static unsigned int tables_to_scan = 65536;
static unsigned int sweep_rounds = 360;

/* Held by the thread while it works on a chunk. Taken to wait for its end. */
static DEFINE_MUTEX(chunk_mutex);

/* The thread's, under chunk_mutex. */
static struct pt_reclaim_control scan_ctl;

/* Held by others who work by the mode. Waited for to have them end. */
DEFINE_STATIC_SRCU(work_srcu);

static void stop_timer(struct visited_mm *visited)
{
	if (timerqueue_node_queued(&visited->timer))
		timerqueue_del(&delays, &visited->timer);
}

static bool is_due_again(struct visited_mm *visited)
{
	return visited->due && visited->again_in_round == round_number;
}

static void set_not_due(struct visited_mm *visited)
{
	lockdep_assert_held(&pt_reclaim_registry_lock);

	if (!visited->due)
		return;
	nr_due--;
	if (is_due_again(visited))
		nr_due_again--;
	visited->due = false;
}

/* Where it is while there is nothing to do for it. */
static void put_to_rest(struct visited_mm *visited)
{
	struct list_head *list = &quiet;

	set_not_due(visited);
	stop_timer(visited);
	if (visited->parked) {
		list = &parked;
	} else if (visited->state.settings.delay_millisecs) {
		list = &delayed;
		timerqueue_add(&delays, &visited->timer);
	}
	list_move_tail(&visited->slot.mm_node, list);
}

static void set_due(struct visited_mm *visited, struct list_head *list)
{
	lockdep_assert_held(&pt_reclaim_registry_lock);

	if (!visited->due)
		nr_due++;
	visited->due = true;
	stop_timer(visited);
	list_move_tail(&visited->slot.mm_node, list);
}

static u64 delay_jiffies(struct visited_mm *visited)
{
	return msecs_to_jiffies(visited->state.settings.delay_millisecs);
}

static void count_mm(struct visited_mm *visited, int by)
{
	lockdep_assert_held(&pt_reclaim_registry_lock);

	visited->state.registered = by > 0;
	WRITE_ONCE(nr_mms, nr_mms + by);
}

/* It takes part no more. The visit that may be under way is forgotten. */
static void park(struct visited_mm *visited)
{
	count_mm(visited, -1);
	visited->parked = true;
	visited->address = 0;
	visited->left = 0;
	visited->turn = 0;
	put_to_rest(visited);
	pt_reclaim_withdraw(visited);
}

/* It takes part again, and what it has zapped meanwhile may not be marked. */
static void unpark(struct visited_mm *visited)
{
	visited->parked = false;
	visited->sweep = true;
	visited->round = round_number;
	stop_timer(visited);
	visited->timer.expires = get_jiffies_64();
	count_mm(visited, 1);
	put_to_rest(visited);
	pt_reclaim_update_offer(visited);
}

static bool has_settings(struct visited_mm *visited)
{
	return visited->state.settings.delay_millisecs ||
	       visited->state.settings.tables;
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
	lockdep_assert_held(&pt_reclaim_registry_lock);

	set_bit(MMF_PT_RECLAIM, &mm->flags);
	/* Pairs with atomic_dec_and_test() of mm_users. */
	smp_mb__after_atomic();
	if (!atomic_read(&mm->mm_users)) {
		clear_bit(MMF_PT_RECLAIM, &mm->flags);
		return false;
	}

	mmgrab(mm);
	slot_visited(slot)->round = round_number;
	mm_slot_insert(pt_reclaim_mm_slots, mm, slot);
	INIT_LIST_HEAD(&slot->mm_node);
	timerqueue_init(&slot_visited(slot)->timer);
	INIT_LIST_HEAD(&slot_visited(slot)->offer.lru);
	slot_visited(slot)->offer.nid = numa_mem_id();
	slot_visited(slot)->offer.given = pt_reclaim_nr_freed_by_rcu();
	count_mm(slot_visited(slot), 1);
	put_to_rest(slot_visited(slot));
	pt_reclaim_update_offer(slot_visited(slot));
	return true;
}

/* The caller drops the mm and frees the slot after it has unlocked. */
static void registry_remove(struct mm_slot *slot)
{
	lockdep_assert_held(&pt_reclaim_registry_lock);

	hash_del(&slot->hash);
	list_del(&slot->mm_node);
	set_not_due(slot_visited(slot));
	stop_timer(slot_visited(slot));
	pt_reclaim_withdraw(slot_visited(slot));
	clear_bit(MMF_PT_RECLAIM, &slot->mm->flags);
	if (!slot_visited(slot)->parked)
		count_mm(slot_visited(slot), -1);
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

/* Is @mm to be registered, and has no slot yet? */
static bool registry_lacks(struct mm_struct *mm)
{
	return !pt_reclaim_registered(mm) && pt_reclaim_mm_admitted(mm);
}

/*
 * Registers @mm, if it takes part. Without memory for a slot the mm is not
 * visited; vmstat counts that.
 */
static void register_mm(struct mm_struct *mm, gfp_t gfp)
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

	spin_lock(&pt_reclaim_registry_lock);
	if (registry_lacks(mm))
		inserted = registry_insert(mm, &visited->slot);
	spin_unlock(&pt_reclaim_registry_lock);

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
	register_mm(mm, GFP_NOWAIT | __GFP_NOWARN | __GFP_NOMEMALLOC);
	return true;
}

/**
 * pt_reclaim_first_mark() - an mm that had no marks has one
 * @mm: The mm; the caller makes sure that it does not go away.
 * @nid: The node of the table.
 *
 * Context: Any but interrupts; spin locks may be held. May allocate, without waiting.
 */
void pt_reclaim_first_mark(struct mm_struct *mm, int nid)
{
	struct visited_mm *visited;

	spin_lock(&pt_reclaim_registry_lock);
	visited = mm_visited(mm);
	if (visited) {
		pt_reclaim_withdraw(visited);
		visited->offer.nid = nid;
		pt_reclaim_update_offer(visited);
	}
	spin_unlock(&pt_reclaim_registry_lock);
}

/**
 * __pt_reclaim_attach() - an mm has come to a memory cgroup
 * @mm: The mm; the caller makes sure that it does not go away.
 *
 * Context: Process context; task_lock() may be held.
 */
void __pt_reclaim_attach(struct mm_struct *mm)
{
	struct visited_mm *visited;

	spin_lock(&pt_reclaim_registry_lock);
	visited = mm_visited(mm);
	if (visited)
		pt_reclaim_update_offer(visited);
	spin_unlock(&pt_reclaim_registry_lock);
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

	spin_lock(&pt_reclaim_registry_lock);
	slot = mm_slot_lookup(pt_reclaim_mm_slots, mm);
	if (slot)
		registry_remove(slot);
	spin_unlock(&pt_reclaim_registry_lock);

	if (slot)
		drop_slot(slot);
}

/*
 * Makes the slot follow whether its mm takes part. Returns false if it has been
 * removed, and has to be dropped.
 */
static bool registry_follow(struct mm_slot *slot)
{
	struct visited_mm *visited = slot_visited(slot);

	lockdep_assert_held(&pt_reclaim_registry_lock);

	if (pt_reclaim_mm_admitted(slot->mm)) {
		if (visited->parked)
			unpark(visited);
		return true;
	}
	if (has_settings(visited)) {
		if (!visited->parked)
			park(visited);
		return true;
	}
	registry_remove(slot);
	return false;
}

/**
 * pt_reclaim_registry_update_mm() - make the registry follow who takes part
 * @mm: An mm for which that was changed before. The caller holds mm_users.
 *
 * Two threads may do that at the same time: each acts on what it finds under
 * the lock, so the last one acts on the final setting. Without memory for a slot the
 * mm is not visited; vmstat counts that.
 *
 * Context: Process context, may sleep. mmap_lock may be held.
 */
void pt_reclaim_registry_update_mm(struct mm_struct *mm)
{
	bool admitted = pt_reclaim_mm_admitted(mm), missing = false;
	struct mm_slot *slot, *spare = NULL;

	/* Whoever has it take part after this look registers it. */
	if (admitted)
		spare = mm_slot_alloc(mm_slot_cache);

	spin_lock(&pt_reclaim_registry_lock);
	slot = mm_slot_lookup(pt_reclaim_mm_slots, mm);
	if (!slot && admitted && registry_lacks(mm)) {
		missing = !spare;
		if (spare && registry_insert(mm, spare)) {
			slot = spare;
			spare = NULL;
		}
	}
	if (slot && registry_follow(slot)) {
		/* A thread that zaps may have been first, and wants no sweep. */
		slot_visited(slot)->sweep = true;
		slot = NULL;
	}
	spin_unlock(&pt_reclaim_registry_lock);

	if (missing)
		count_vm_event(PTRECLAIM_UNREGISTERED);
	if (slot)
		drop_slot(slot);
	if (spare)
		mm_slot_free(mm_slot_cache, spare);
}

static void prune_list(struct list_head *list, struct list_head *removed)
{
	struct mm_slot *slot, *next;

	lockdep_assert_held(&pt_reclaim_registry_lock);

	list_for_each_entry_safe(slot, next, list, mm_node) {
		if (!registry_follow(slot))
			list_add(&slot->mm_node, removed);
	}
}

/* Removes the mms that do not take part any more, or parks them. */
static void registry_prune(void)
{
	LIST_HEAD(removed);
	int class;

	spin_lock(&pt_reclaim_registry_lock);
	prune_list(&parked, &removed);
	prune_list(&quiet, &removed);
	prune_list(&delayed, &removed);
	for (class = 0; class < NR_DUE_CLASSES; class++)
		prune_list(&due[class], &removed);
	spin_unlock(&pt_reclaim_registry_lock);

	drop_slots(&removed);
}

/* Returns false if there was no slot for it. The caller holds task_lock(). */
static bool register_one(struct mm_struct *mm, struct list_head *spares,
			 bool sweep)
{
	struct mm_slot *slot;
	bool done = true;

	spin_lock(&pt_reclaim_registry_lock);
	slot = mm_slot_lookup(pt_reclaim_mm_slots, mm);
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
	if (slot && sweep)
		slot_visited(slot)->sweep = true;
	spin_unlock(&pt_reclaim_registry_lock);
	return done;
}

/*
 * Registers the mms of the running processes that take part, with slots from
 * @spares, and has all that are registered swept if @sweep. Returns the number
 * of those for which there was no slot left.
 *
 * A task that has an mm holds mm_users, and exit_mm() takes task_lock() before
 * it gives that up: an mm that is registered under task_lock() leaves through
 * pt_reclaim_exit().
 */
static unsigned long register_once(struct list_head *spares, bool sweep)
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
		if (!register_one(task->mm, spares, sweep))
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
 * Registers the running processes that take part: they may have been holding empty
 * tables for a long time.
 *
 * A process that fork() is about to put on the task list may have been copied
 * before marks were left, and is not seen here. The next sweep takes it in.
 */
static void register_running(bool sweep)
{
	unsigned int tries = SWEEP_TRIES;
	unsigned long missing;
	LIST_HEAD(spares);

	while ((missing = register_once(&spares, sweep)) && --tries) {
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
	register_running(true);
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
static unsigned int due_class(unsigned long marks)
{
	return clamp(fls_long(marks), 1U, NR_DUE_CLASSES - 1U);
}

/*
 * Asks one mm for marks; it may have to be visited. One with a delay of its own is
 * asked when that is over, and whoever had to be left in the middle goes on.
 *
 * A delay may be over again before all others have been visited, or as soon as the
 * visit has ended. However many marks there are then, those come first who were not
 * asked before, and after them everybody has his turn. So it is with whoever was left
 * over from the last round, and has had his visit in this one.
 */
static void ask(struct visited_mm *visited)
{
	struct mm_struct *mm = visited->slot.mm;
	bool again = visited->round == round_number;
	unsigned long marks;

	lockdep_assert_held(&pt_reclaim_registry_lock);

	visited->round = round_number;
	visited->again_in_round = again ? round_number : round_number - 1;
	stop_timer(visited);
	visited->timer.expires = get_jiffies_64() + delay_jiffies(visited);
	marks = (unsigned int)atomic_read(&mm->pt_reclaim_marks) +
		visited->offer.evidence;
	if (!marks && !visited->sweep && !visited->address) {
		put_to_rest(visited);
	} else if (again) {
		set_due(visited, &due[0]);
		nr_due_again++;
	} else {
		set_due(visited, &due[due_class(marks)]);
	}
}

/* Asks some of those whose delay is over. */
static void ask_delayed(unsigned int nr)
{
	u64 now = get_jiffies_64();
	struct timerqueue_node *timer;

	lockdep_assert_held(&pt_reclaim_registry_lock);

	while (nr-- && (timer = timerqueue_getnext(&delays)) &&
	       timer->expires <= now)
		ask(container_of(timer, struct visited_mm, timer));
}

/* Asks some of the others. Returns false if there are none left to ask. */
static bool ask_quiet(unsigned int nr)
{
	struct visited_mm *visited;

	lockdep_assert_held(&pt_reclaim_registry_lock);

	while (nr--) {
		if (list_empty(&quiet))
			return false;
		visited = slot_visited(list_first_entry(&quiet, struct mm_slot,
							mm_node));
		if (visited->round == round_number)
			return false;
		ask(visited);
	}
	return true;
}

/*
 * Returns false if all that are to be asked once in this round have been. Not those
 * with a delay: so many may have a short one that it is always over for some.
 */
static bool ask_for_marks(bool everybody)
{
	bool more;

	spin_lock(&pt_reclaim_registry_lock);
	ask_delayed(ASK_CHUNK);
	more = everybody && ask_quiet(ASK_CHUNK);
	spin_unlock(&pt_reclaim_registry_lock);
	return more;
}

/*
 * Whose turn it is: whoever has the most marks. NULL if nobody is due but those who
 * were asked again, for whom there is the next round.
 */
static struct visited_mm *first_due(void)
{
	int class;

	lockdep_assert_held(&pt_reclaim_registry_lock);

	if (nr_due == nr_due_again)
		return NULL;
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

	lockdep_assert_held(&pt_reclaim_registry_lock);

	visited->left = visit_budget(mm);
	visited->state.visits++;
	visited->state.busy = 0;
	visited->state.raced = 0;
	visited->state.unfit = 0;
	if (visited->address)
		return;
	visited->sweeping = visited->sweep;
	visited->sweep = false;
	/* What memory reclaim has left in the middle is marked, and seen too. */
	visited->offer.address = 0;
	WRITE_ONCE(visited->evidence, visited->offer.evidence +
		   pt_reclaim_take_marks(mm));
	WRITE_ONCE(visited->offer.evidence, 0);
}

/* One sleep, but no more than a second: then every fault has had its chance. */
static unsigned long min_age(struct visited_mm *visited,
			     unsigned int sleep_millisecs)
{
	unsigned int msecs = visited->state.settings.delay_millisecs ?:
			     sleep_millisecs;

	/* Where memory is scarce one look is enough. */
	if (visited->offer.hurried)
		return 0;
	return max(1UL, msecs_to_jiffies(min(msecs, 1000U)));
}

static unsigned int turn(struct visited_mm *visited)
{
	unsigned int usual = pt_reclaim_get_tables_to_scan();
	unsigned int own = visited->state.settings.tables;

	/* That of everybody may have become shorter since. */
	if (!own || (own > usual && !visited->may_be_long))
		return usual;
	return own;
}

/*
 * Fills @ctl for the next chunk of whoever's turn it is, whose mm_count is raised
 * then. Returns false if nobody is due.
 */
static bool visit_get(struct pt_reclaim_control *ctl,
		      unsigned int sleep_millisecs)
{
	struct visited_mm *visited;

	spin_lock(&pt_reclaim_registry_lock);
	visited = first_due();
	if (visited) {
		if (!visited->turn)
			visited->turn = turn(visited);
		/* Before its evidence is on its way from here to there. */
		WRITE_ONCE(visited->offer.thread_at_work,
			   pt_reclaim_new_work());
		if (!visited->left)
			visit_begins(visited);
		ctl->mm = visited->slot.mm;
		mmgrab(ctl->mm);
		ctl->addr = visited->address;
		ctl->sweep = visited->sweeping;
		ctl->min_age = min_age(visited, sleep_millisecs);
		ctl->budget = min3(SCAN_CHUNK, visited->left,
				   (unsigned long)visited->turn);
	}
	spin_unlock(&pt_reclaim_registry_lock);
	return visited;
}

static void add_to_state(struct visited_mm *visited,
			 const struct pt_reclaim_stats *stats)
{
	lockdep_assert_held(&pt_reclaim_registry_lock);

	visited->state.scanned += stats->scanned;
	visited->state.reclaimed += stats->reclaimed;
	if (stats->reclaimed)
		WRITE_ONCE(visited->offer.given, pt_reclaim_given_to_rcu());
}

/*
 * What there is for the rest of a visit. A sweep looks at tables without a mark, too,
 * and must not have memory reclaim believe that it has been where the marked ones are.
 */
static unsigned long evidence_left(struct visited_mm *visited,
				   const struct pt_reclaim_control *ctl,
				   bool finished)
{
	if (finished)
		return 0;
	if (ctl->sweep)
		return visited->evidence;
	return max(visited->evidence, ctl->stats.scanned) - ctl->stats.scanned;
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
	bool suspended = false;

	spin_lock(&pt_reclaim_registry_lock);
	slot = mm_slot_lookup(pt_reclaim_mm_slots, ctl->mm);
	/* Even if it was parked meanwhile, or has come back. */
	if (slot)
		WRITE_ONCE(slot_visited(slot)->offer.thread_at_work, 0);
	if (slot && slot_visited(slot)->left) {
		visited = slot_visited(slot);
		add_to_state(visited, &ctl->stats);
		visited->state.busy += ctl->stats.busy;
		visited->state.raced += ctl->stats.raced;
		visited->state.unfit += ctl->stats.unfit;
		visited->state.last_visit = get_jiffies_64();
		visited->address = finished ? 0 : ctl->addr;
		visited->left = finished ? 0 : visited->left - used;
		visited->turn -= used;
		if (finished)
			visited->offer.hurried = false;
		WRITE_ONCE(visited->evidence, evidence_left(visited, ctl, finished));
		pt_reclaim_update_offer(visited);
		suspended = !finished && (!visited->left || !visited->turn);
		if (!visited->left) {
			visited->turn = 0;
			/* Not before the others again, if the last round has left it. */
			visited->round = round_number;
			put_to_rest(visited);
		} else if (!visited->turn) {
			set_due(visited, &due[0]);
		}
	}
	spin_unlock(&pt_reclaim_registry_lock);
	pt_reclaim_wake_waiters();
	/* For memory reclaim, which may come before the visit goes on. */
	if (suspended)
		pt_reclaim_mark_again(ctl->mm, ctl->addr);
	mmdrop(ctl->mm);
}

/* Works on one chunk. Returns false if nobody is due. */
static bool scan_chunk(unsigned int sleep_millisecs,
		       struct pt_reclaim_round *round)
{
	struct pt_reclaim_control *ctl = &scan_ctl;
	enum pt_reclaim_result result;
	unsigned long budget;

	lockdep_assert_held(&chunk_mutex);

	if (!visit_get(ctl, sleep_millisecs))
		return false;
	budget = ctl->budget;
	ctl->end = ALIGN(ctl->mm->task_size, PMD_SIZE);
	result = pt_reclaim_range(ctl);
	/* Whether marks pay off is not to be learned from a sweep. */
	if (!ctl->sweep && ctl->stats.scanned) {
		round->looked = true;
		round->paid_off |= ctl->stats.empty * PAYING_LOOKS >=
				   ctl->stats.scanned;
	}
	visit_put(ctl, budget - ctl->budget, result != PT_RECLAIM_BUDGET);
	return true;
}

/**
 * pt_reclaim_scan_begin() - forget the round in which another thread was stopped
 *
 * Context: Called by the thread alone, before its first step.
 */
void pt_reclaim_scan_begin(void)
{
	round_is_on = false;
}

/*
 * Counts rounds until the next sweep. Memory reclaim may ask for many in a second, all
 * day: of those one in a sleep counts.
 */
static void count_round(bool hurried)
{
	u64 sleep = msecs_to_jiffies(pt_reclaim_present_sleep_millisecs());
	unsigned int rounds = pt_reclaim_get_sweep_rounds();
	u64 now = get_jiffies_64();

	if (hurried && now - last_counted_round < sleep)
		return;
	last_counted_round = now;
	rounds_since_sweep++;
	if (rounds && rounds_since_sweep >= rounds) {
		rounds_since_sweep = 0;
		register_running(true);
	}
}

static void round_begins(bool everybody, bool hurried)
{
	if (everybody)
		count_round(hurried);

	spin_lock(&pt_reclaim_registry_lock);
	round_number++;
	nr_due_again = 0;
	spin_unlock(&pt_reclaim_registry_lock);
	round_is_on = true;
}

static void round_ends(bool everybody)
{
	round_is_on = false;
	if (!everybody)
		return;
	WRITE_ONCE(full_scans, full_scans + 1);
	trace_mm_pt_reclaim_full_scan(full_scans);
}

/**
 * pt_reclaim_scan_step() - do a little work
 * @sleep_millisecs: The sleep between two rounds, as it was set.
 * @everybody: The round is about all registered mms, and not just about those with
 *	a delay of their own. To be the same throughout a round.
 * @round: What the present round has done is added to it.
 *
 * A round asks every registered mm for marks, and then visits those that have
 * some: the most marks first, each for up to tables_to_scan tables, then what is
 * left of them in turn. It ends when nobody is due any more; who was marked after
 * he was asked waits for the next one. One with a delay that is over again has his
 * turns among those that are left, but the round does not wait for him.
 *
 * Context: Process context, may sleep. Called by the thread alone.
 *
 * Return: false if a round has ended with that.
 */
bool pt_reclaim_scan_step(unsigned int sleep_millisecs, bool everybody,
			  struct pt_reclaim_round *round)
{
	bool more;

	if (!round_is_on)
		round_begins(everybody, round->hurried);
	if (ask_for_marks(everybody))
		return true;

	mutex_lock(&chunk_mutex);
	more = scan_chunk(sleep_millisecs, round);
	mutex_unlock(&chunk_mutex);
	if (!more)
		round_ends(everybody);
	return more;
}

/**
 * pt_reclaim_next_delayed() - when is an mm with a delay of its own due?
 *
 * Context: Process context.
 *
 * Return: In how many jiffies; 0 if the last round has left somebody who is;
 * MAX_SCHEDULE_TIMEOUT if there is none.
 */
unsigned long pt_reclaim_next_delayed(void)
{
	unsigned long next = MAX_SCHEDULE_TIMEOUT;
	struct timerqueue_node *timer;
	u64 now = get_jiffies_64();

	spin_lock(&pt_reclaim_registry_lock);
	timer = timerqueue_getnext(&delays);
	if (nr_due)
		next = 0;
	else if (timer)
		next = timer->expires > now ? timer->expires - now : 0;
	spin_unlock(&pt_reclaim_registry_lock);
	return next;
}

/* Whatever marks say. */
static void sweep_mm(struct mm_struct *mm)
{
	struct mm_slot *slot;

	spin_lock(&pt_reclaim_registry_lock);
	slot = mm_slot_lookup(pt_reclaim_mm_slots, mm);
	if (slot)
		slot_visited(slot)->sweep = true;
	spin_unlock(&pt_reclaim_registry_lock);
}

/*
 * Takes all that is empty now of one mm, like the thread. The caller holds mm_count.
 * Where it ends early it may have cleared the mark of a PMD table of which it has
 * not seen the end.
 */
static int scan_now(struct mm_struct *mm)
{
	struct pt_reclaim_control *ctl = &scan_ctl;
	enum pt_reclaim_result result = PT_RECLAIM_BUDGET;
	unsigned long left = visit_budget(mm), addr = 0;

	while (left && result == PT_RECLAIM_BUDGET) {
		unsigned long budget = min(SCAN_CHUNK, left);

		if (mutex_lock_killable(&chunk_mutex)) {
			result = PT_RECLAIM_KILLED;
			break;
		}
		ctl->mm = mm;
		ctl->addr = addr;
		ctl->end = ALIGN(mm->task_size, PMD_SIZE);
		ctl->min_age = 0;
		ctl->sweep = true;
		ctl->budget = budget;
		result = pt_reclaim_range(ctl);
		pt_reclaim_account(mm, &ctl->stats);
		addr = ctl->addr;
		left -= budget - ctl->budget;
		mutex_unlock(&chunk_mutex);
		cond_resched();
	}
	if (result == PT_RECLAIM_KILLED || result == PT_RECLAIM_BUDGET)
		sweep_mm(mm);
	return result == PT_RECLAIM_KILLED ? -EINTR : 0;
}

/* All that are registered; mm_count is raised. Returns how many they are. */
static unsigned long grab_mms(struct mm_struct **mms, unsigned long max)
{
	struct mm_slot *slot;
	unsigned long nr = 0;
	int bucket;

	spin_lock(&pt_reclaim_registry_lock);
	hash_for_each(pt_reclaim_mm_slots, bucket, slot, hash) {
		if (nr == max)
			break;
		if (slot_visited(slot)->parked)
			continue;
		mmgrab(slot->mm);
		mms[nr++] = slot->mm;
	}
	spin_unlock(&pt_reclaim_registry_lock);
	return nr;
}

/**
 * pt_reclaim_everybody() - take what is empty now of all that take part
 *
 * A round that looks at all tables, marked or not, seen empty before or not. Who
 * asks for it does it himself, and not the thread, whose CPU time is bounded.
 *
 * Context: Process context, may sleep.
 *
 * Return: 0; -EINTR on a fatal signal; -ENOMEM.
 */
int pt_reclaim_everybody(void)
{
	struct mm_struct **mms;
	unsigned long nr, i;
	int err = 0;

	register_running(false);
	/* Some more, for those who come meanwhile. */
	nr = pt_reclaim_nr_mms() + 64;
	mms = kvmalloc_array(nr, sizeof(*mms), GFP_KERNEL);
	if (!mms)
		return -ENOMEM;
	nr = grab_mms(mms, nr);
	for (i = 0; i < nr; i++) {
		if (!err)
			err = scan_now(mms[i]);
		mmdrop(mms[i]);
	}
	kvfree(mms);
	return err;
}

/**
 * pt_reclaim_account() - tables of an mm were taken, but not by the thread
 * @mm: Whose; the caller makes sure that it does not go away.
 * @stats: What was done.
 *
 * Context: Process context.
 */
void pt_reclaim_account(struct mm_struct *mm,
			const struct pt_reclaim_stats *stats)
{
	struct mm_slot *slot;

	if (!pt_reclaim_registered(mm))
		return;
	spin_lock(&pt_reclaim_registry_lock);
	slot = mm_slot_lookup(pt_reclaim_mm_slots, mm);
	if (slot) {
		add_to_state(slot_visited(slot), stats);
		/* The walk counted in the mm what it left, but did not list it. */
		pt_reclaim_update_offer(slot_visited(slot));
	}
	spin_unlock(&pt_reclaim_registry_lock);
}

/**
 * pt_reclaim_get_mm_state() - what is known of an mm
 * @mm: The mm; the caller makes sure that it does not go away.
 * @state: Where to; all zero for an mm that is not registered.
 *
 * Context: Process context.
 */
void pt_reclaim_get_mm_state(struct mm_struct *mm,
			     struct pt_reclaim_mm_state *state)
{
	struct mm_slot *slot;

	spin_lock(&pt_reclaim_registry_lock);
	slot = mm_slot_lookup(pt_reclaim_mm_slots, mm);
	if (slot)
		*state = slot_visited(slot)->state;
	else
		*state = (struct pt_reclaim_mm_state){ };
	spin_unlock(&pt_reclaim_registry_lock);
}

/*
 * Applies a setting to the slot of @mm, which gets one if it has none and @value is
 * not that of everybody: that succeeds, because the caller holds mm_users. One that
 * does not take part is parked, until it has no settings any more.
 */
static int set_mm(struct mm_struct *mm,
		  void (*apply)(struct visited_mm *visited, unsigned int value),
		  unsigned int value)
{
	struct mm_slot *slot, *spare = mm_slot_alloc(mm_slot_cache);

	if (!spare)
		return -ENOMEM;

	spin_lock(&pt_reclaim_registry_lock);
	slot = mm_slot_lookup(pt_reclaim_mm_slots, mm);
	if (!slot && value && registry_insert(mm, spare)) {
		slot = spare;
		spare = NULL;
		slot_visited(slot)->sweep = true;
	}
	if (slot) {
		apply(slot_visited(slot), value);
		if (registry_follow(slot))
			slot = NULL;
	}
	spin_unlock(&pt_reclaim_registry_lock);

	if (slot)
		drop_slot(slot);
	if (spare)
		mm_slot_free(mm_slot_cache, spare);
	return 0;
}

/*
 * A longer delay begins after the visit that is due already, so that who sets it
 * again and again does not put the visit off for ever.
 */
static void set_delay(struct visited_mm *visited, unsigned int msecs)
{
	u64 at = get_jiffies_64() + msecs_to_jiffies(msecs);

	if (visited->state.settings.delay_millisecs == msecs)
		return;
	if (visited->state.settings.delay_millisecs)
		at = min(at, (u64)visited->timer.expires);
	visited->state.settings.delay_millisecs = msecs;
	if (visited->due)
		return;
	stop_timer(visited);
	visited->timer.expires = at;
	put_to_rest(visited);
}

static void set_tables(struct visited_mm *visited, unsigned int nr)
{
	visited->state.settings.tables = nr;
	visited->may_be_long = false;
}

static void set_many_tables(struct visited_mm *visited, unsigned int nr)
{
	visited->state.settings.tables = nr;
	visited->may_be_long = true;
}

/**
 * pt_reclaim_set_mm_delay() - how often is an mm visited?
 * @mm: The mm. The caller holds mm_users.
 * @msecs: Milliseconds between two visits; 0: as often as the others.
 *
 * Context: Process context, may sleep.
 *
 * Return: 0; -ENOMEM.
 */
int pt_reclaim_set_mm_delay(struct mm_struct *mm, unsigned int msecs)
{
	return set_mm(mm, set_delay, msecs);
}

/**
 * pt_reclaim_set_mm_tables() - how long is a turn of an mm?
 * @mm: The mm. The caller holds mm_users.
 * @nr: Tables; 0: tables_to_scan.
 * @may_be_long: Even if that is more than tables_to_scan, now or later.
 *
 * Context: Process context, may sleep.
 *
 * Return: 0; -ENOMEM.
 */
int pt_reclaim_set_mm_tables(struct mm_struct *mm, unsigned int nr,
			     bool may_be_long)
{
	return set_mm(mm, may_be_long ? set_many_tables : set_tables, nr);
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
 * pt_reclaim_work_begin() - take tables by the mode of the system
 *
 * For others than the thread. Whoever is kept from the CPU meanwhile keeps a change of
 * the mode waiting, but nobody else.
 *
 * Context: Process context.
 *
 * Return: For pt_reclaim_work_end().
 */
int pt_reclaim_work_begin(void)
	__acquires(&work_srcu)
{
	return srcu_read_lock(&work_srcu);
}

/**
 * pt_reclaim_work_end() - nothing more is taken
 * @work: What pt_reclaim_work_begin() returned.
 *
 * Context: Process context.
 */
void pt_reclaim_work_end(int work)
	__releases(&work_srcu)
{
	srcu_read_unlock(&work_srcu, work);
}

/**
 * pt_reclaim_scan_quiesce() - wait for who takes tables by the mode
 *
 * The thread, in the chunk that it is working on, and others. What was true for them
 * to see before this call is what they act on after it.
 *
 * Context: Process context, may sleep.
 */
void pt_reclaim_scan_quiesce(void)
{
	mutex_lock(&chunk_mutex);
	mutex_unlock(&chunk_mutex);
	synchronize_srcu_expedited(&work_srcu);
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
	timerqueue_init_head(&delays);
	mm_slot_cache = kmem_cache_create("pt_reclaim_mm_slot",
					  sizeof(struct visited_mm),
					  __alignof__(struct visited_mm), 0, NULL);
	return mm_slot_cache ? 0 : -ENOMEM;
}
