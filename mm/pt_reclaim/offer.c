// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: lists of those who may have tables for memory reclaim, one for
 * each node and memory cgroup.
 *
 * What is known of an mm is how many marks were left in it: how many tables have
 * had entries zapped since somebody looked. Some of them are empty. So memory
 * reclaim is told a number that is too high rather than too low, and that
 * becomes right by its own looks. Nothing is looked at to find it out.
 */
#include <linux/list_lru.h>
#include <linux/memcontrol.h>
#include <linux/minmax.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>

#include "internal.h"
#include "registry.h"

/*
 * As many of a list are counted one by one; the others are taken to be like them.
 * The lock of the list is held meanwhile.
 */
#define COUNTED_OFFERS	32

/* For what somebody has in his hands: who comes meanwhile is not told of nothing. */
#define TABLES_IN_HANDS	2

static struct list_lru offers;

/* The piece of work that was begun last. Changed under the registry's lock. */
static unsigned int works;

/* Read without the registry's lock when counting, hence the marked accesses. */
static unsigned long evidence_of(struct visited_mm *visited)
{
	struct mm_struct *mm = visited->slot.mm;
	unsigned int marks = atomic_read(&mm->pt_reclaim_marks);

	return pt_reclaim_believe(mm, marks + READ_ONCE(visited->evidence) +
				      READ_ONCE(visited->offer.evidence));
}

/**
 * pt_reclaim_new_work() - somebody begins to work on an mm
 *
 * Context: The registry's lock is held.
 *
 * Return: The number of this piece of work, later ones have a higher one. Not 0.
 */
unsigned int pt_reclaim_new_work(void)
{
	lockdep_assert_held(&pt_reclaim_registry_lock);

	WRITE_ONCE(works, works + 1 ?: 1);
	return works;
}

/**
 * pt_reclaim_now() - what has begun, and been given to RCU, by now
 *
 * Context: Any.
 *
 * Return: For pt_reclaim_in_hands().
 */
struct pt_reclaim_moment pt_reclaim_now(void)
{
	return (struct pt_reclaim_moment){
		.given = pt_reclaim_given_to_rcu(),
		.works = READ_ONCE(works),
	};
}

/* The difference, as numbers wrap around. */
static bool begun_by(unsigned int work, struct pt_reclaim_moment then)
{
	return work && (int)(work - then.works) <= 0;
}

/* Has somebody taken tables that are not free yet, or is he about to? */
static bool in_hands(struct visited_mm *visited)
{
	return READ_ONCE(visited->offer.at_work) ||
	       READ_ONCE(visited->offer.thread_at_work) ||
	       !pt_reclaim_freed_by_rcu(READ_ONCE(visited->offer.given));
}

/*
 * Likewise; but those count who had begun @then, and of those tables that were given to
 * RCU these, of all mms, that had been: two may take turns, and somebody may go on with
 * giving, all day.
 */
static bool in_hands_since(struct visited_mm *visited, struct pt_reclaim_moment then)
{
	return begun_by(READ_ONCE(visited->offer.at_work), then) ||
	       begun_by(READ_ONCE(visited->offer.thread_at_work), then) ||
	       (!pt_reclaim_freed_by_rcu(READ_ONCE(visited->offer.given)) &&
		!pt_reclaim_freed_by_rcu(then.given));
}

/*
 * The cgroup that pays for most tables of @mm, referenced. Without memory for a
 * list of its own the mm is offered to those who reclaim for the whole system.
 */
static struct mem_cgroup *payer_of(struct mm_struct *mm)
{
	struct mem_cgroup *memcg;

	/* Nobody pays, and there is one list. */
	if (mem_cgroup_kmem_disabled())
		return NULL;
	memcg = get_mem_cgroup_from_mm(mm);
#ifdef CONFIG_MEMCG
	if (memcg && memcg_list_lru_alloc(memcg, &offers, GFP_NOWAIT |
					  __GFP_NOWARN | __GFP_NOMEMALLOC)) {
		mem_cgroup_put(memcg);
		memcg = NULL;
	}
#endif
	return memcg;
}

static void put_on_list(struct visited_mm *visited)
{
	struct pt_reclaim_offer *offer = &visited->offer;

	offer->memcg = payer_of(visited->slot.mm);
	offer->listed = true;
	list_lru_add(&offers, &offer->lru, offer->nid, offer->memcg);
}

/**
 * pt_reclaim_withdraw() - do not offer an mm to memory reclaim any more
 * @visited: The mm, listed or not.
 *
 * Context: The registry's lock is held.
 */
void pt_reclaim_withdraw(struct visited_mm *visited)
{
	struct pt_reclaim_offer *offer = &visited->offer;

	lockdep_assert_held(&pt_reclaim_registry_lock);

	if (!offer->listed)
		return;
	list_lru_del(&offers, &offer->lru, offer->nid, offer->memcg);
	mem_cgroup_put(offer->memcg);
	offer->memcg = NULL;
	offer->listed = false;
}

/**
 * pt_reclaim_update_offer() - offer an mm to memory reclaim, or no more
 * @visited: The mm: is there evidence of empty tables, or have some been taken just
 *	now, and does it take part?
 *
 * To be called after any of that has changed; for marks, which come without the lock,
 * after the first; and when its process has gone to another cgroup. Its place is the
 * end of the list then.
 *
 * Context: The registry's lock is held. May allocate, without waiting.
 */
void pt_reclaim_update_offer(struct visited_mm *visited)
{
	pt_reclaim_withdraw(visited);
	if (!visited->parked &&
	    (evidence_of(visited) || in_hands(visited)))
		put_on_list(visited);
}

/**
 * struct offered - what was counted in a list
 * @then: Who counts, see in_hands_since(). NULL: everybody.
 * @tables: Tables that may be empty,
 * @mms: of so many mms.
 * @in_hands: In so many there are some on their way.
 * @none: So many were listed for nothing.
 */
struct offered {
	const struct pt_reclaim_moment *then;
	unsigned long tables;
	unsigned long mms;
	unsigned long in_hands;
	unsigned long none;
};

static enum lru_status count_offer(struct list_head *item,
				   struct list_lru_one *list, spinlock_t *lock,
				   void *arg)
{
	struct visited_mm *visited = container_of(item, struct visited_mm,
						  offer.lru);
	struct offered *offered = arg;
	unsigned long tables = evidence_of(visited);
	bool some_in_hands;

	/* Who takes the evidence away to look has said so before. */
	smp_rmb();
	some_in_hands = in_hands(visited);
	/*
	 * What was taken of it is free by now, and nobody was told. Whoever marks it
	 * again finds no mark in the mm, and puts it back.
	 */
	if (!tables && !some_in_hands) {
		offered->none++;
		list_lru_isolate(list, item);
		return LRU_REMOVED;
	}
	offered->mms++;
	offered->tables += tables;
	offered->in_hands += offered->then ?
			     in_hands_since(visited, *offered->then) :
			     some_in_hands;
	return LRU_SKIP;
}

static struct offered count_offers(int nid, struct mem_cgroup *memcg,
				   const struct pt_reclaim_moment *then)
{
	struct offered offered;
	unsigned long nr;

	do {
		nr = COUNTED_OFFERS;
		offered = (struct offered){ .then = then };
		list_lru_walk_one(&offers, nid, memcg, count_offer, &offered,
				  &nr);
	} while (offered.none == COUNTED_OFFERS);
	return offered;
}

/**
 * pt_reclaim_offered() - how many tables may be empty?
 * @nid: Of those who are listed for this node
 * @memcg: and this cgroup. NULL: for none.
 *
 * Context: Any but interrupts; no lock of ours is held.
 *
 * Return: Tables that were marked, and not looked at since; a few, too, if some are
 * taken and not free yet.
 */
unsigned long pt_reclaim_offered(int nid, struct mem_cgroup *memcg)
{
	unsigned long mms = pt_reclaim_nr_offers(nid, memcg);
	struct offered offered;

	if (!mms)
		return 0;
	offered = count_offers(nid, memcg, NULL);
	if (offered.mms && mms > offered.mms)
		offered.tables += offered.tables / offered.mms *
				  (mms - offered.mms);
	return offered.tables + offered.in_hands * TABLES_IN_HANDS;
}

/**
 * pt_reclaim_in_hands() - are there tables that are taken and not free yet?
 * @nid: Of those who are listed for this node
 * @memcg: and this cgroup.
 * @then: What pt_reclaim_now() returned: what is begun or given later does not count.
 *
 * Context: Any but interrupts; no lock of ours is held. pt_reclaim_memory_wait is
 * woken when this may have become false.
 */
bool pt_reclaim_in_hands(int nid, struct mem_cgroup *memcg,
			 struct pt_reclaim_moment then)
{
	return count_offers(nid, memcg, &then).in_hands;
}

/**
 * pt_reclaim_nr_offers() - how many mms are listed?
 * @nid: For this node
 * @memcg: and this cgroup.
 *
 * Context: Any.
 */
unsigned long pt_reclaim_nr_offers(int nid, struct mem_cgroup *memcg)
{
	return list_lru_count_one(&offers, nid, memcg);
}

/* In the list it has its mm_count raised. */
static enum lru_status grab_offer(struct list_head *item,
				  struct list_lru_one *list, spinlock_t *lock,
				  void *arg)
{
	struct visited_mm *visited = container_of(item, struct visited_mm,
						  offer.lru);
	struct mm_struct **mm = arg;

	/* Out of the way of the others, of whom only the first are looked at. */
	if (READ_ONCE(visited->offer.at_work) || !evidence_of(visited))
		return LRU_ROTATE;
	*mm = visited->slot.mm;
	mmgrab(*mm);
	return LRU_STOP;
}

/**
 * pt_reclaim_next_offer() - whose turn it is
 * @nid: Of those who are listed for this node
 * @memcg: and this cgroup.
 *
 * Context: Any but interrupts; no lock of ours is held.
 *
 * Return: An mm with mm_count raised, for pt_reclaim_offer_begin(); NULL if nobody is
 * offered, or somebody else is at work on all of them.
 */
struct mm_struct *pt_reclaim_next_offer(int nid, struct mem_cgroup *memcg)
{
	unsigned long left = pt_reclaim_nr_offers(nid, memcg);
	struct mm_struct *mm = NULL;

	while (!mm && left) {
		unsigned long nr = min_t(unsigned long, left, COUNTED_OFFERS);

		left -= nr;
		list_lru_walk_one(&offers, nid, memcg, grab_offer, &mm, &nr);
	}
	return mm;
}

/**
 * pt_reclaim_offer_begin() - work on an mm for memory reclaim
 * @mm: The mm; the caller holds mm_count.
 * @addr: Set to where to begin.
 *
 * Memory reclaim passes over an mm in pieces, besides the visits of the thread. A
 * pass is about what was marked before it began: like a visit it clears the mark of
 * the mm before it looks at those of the tables. But unlike a visit it may be left
 * in the middle for good; then its evidence has the thread visit the mm. One at a
 * time: the others wait for his memory, or go to other mms.
 *
 * Context: Process context.
 *
 * Return: false if the mm is not registered any more, or somebody else is at it.
 */
bool pt_reclaim_offer_begin(struct mm_struct *mm, unsigned long *addr)
{
	struct visited_mm *visited;
	struct pt_reclaim_offer *offer;
	bool ours;

	spin_lock(&pt_reclaim_registry_lock);
	visited = mm_visited(mm);
	ours = visited && !visited->offer.at_work;
	if (ours) {
		offer = &visited->offer;
		offer->hurried = true;
		WRITE_ONCE(offer->at_work, pt_reclaim_new_work());
		offer->yielded = false;
		if (!offer->address)
			WRITE_ONCE(offer->evidence, offer->evidence +
				   pt_reclaim_take_marks(mm));
		*addr = offer->address;
	}
	spin_unlock(&pt_reclaim_registry_lock);
	return ours;
}

/**
 * pt_reclaim_offer_progress() - something was done for memory reclaim
 * @mm: The mm; the caller holds mm_count.
 * @addr: Where the pass goes on. The mark of the PMD table there is set.
 * @finished: It does not: the end was reached.
 * @stats: What was done.
 *
 * Whoever leaves in the middle keeps some evidence, whatever he has seen.
 *
 * Context: Process context.
 */
void pt_reclaim_offer_progress(struct mm_struct *mm, unsigned long addr,
			       bool finished,
			       const struct pt_reclaim_stats *stats)
{
	struct visited_mm *visited;
	struct pt_reclaim_offer *offer;
	unsigned long evidence = 0;

	spin_lock(&pt_reclaim_registry_lock);
	visited = mm_visited(mm);
	if (visited) {
		offer = &visited->offer;
		if (!finished)
			evidence = max(offer->evidence, stats->scanned + 1) -
				   stats->scanned;
		WRITE_ONCE(offer->evidence, evidence);
		offer->address = finished ? 0 : addr & PUD_MASK;
		offer->yielded = stats->reclaimed;
		visited->state.scanned += stats->scanned;
		visited->state.reclaimed += stats->reclaimed;
	}
	spin_unlock(&pt_reclaim_registry_lock);
}

/**
 * pt_reclaim_offer_end() - somebody else may be at work on an mm
 * @mm: The mm; the caller holds mm_count.
 * @given_to_rcu: What was taken is not free yet, but was given to RCU.
 *
 * Context: Process context.
 */
void pt_reclaim_offer_end(struct mm_struct *mm, bool given_to_rcu)
{
	struct visited_mm *visited;

	spin_lock(&pt_reclaim_registry_lock);
	visited = mm_visited(mm);
	if (visited) {
		/* It may have left meanwhile and come back, with another one at work. */
		WRITE_ONCE(visited->offer.at_work, 0);
		if (given_to_rcu && visited->offer.yielded)
			WRITE_ONCE(visited->offer.given,
				   pt_reclaim_given_to_rcu());
		pt_reclaim_update_offer(visited);
	}
	spin_unlock(&pt_reclaim_registry_lock);
	pt_reclaim_wake_waiters();
}

/**
 * pt_reclaim_offers_init() - prepare for offers
 * @shrinker: Who is to be told of them.
 *
 * Return: 0, or -ENOMEM.
 */
int __init pt_reclaim_offers_init(struct shrinker *shrinker)
{
	return list_lru_init_memcg(&offers, shrinker);
}
