// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: memory reclaim, which cannot wait for the thread.
 *
 * A shrinker: kswapd, direct reclaim of the system or of a cgroup, memory.reclaim,
 * memory.high and drop_caches come here. They take tables under the rules of the
 * thread, from anywhere that memory is allocated with leave to sleep, with mmap_lock
 * of this mm or another held, for read or write. So nothing here waits for mmap_lock or
 * for an allocation, or cares for file systems and I/O. A page table lock cannot be held.
 */
#include <linux/list.h>
#include <linux/minmax.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/shrinker.h>
#include <linux/swap.h>
#include <linux/wait.h>

#include "internal.h"

/*
 * Tables that are looked at in one call, and, in direct reclaim, for one grace
 * period: a megabyte.
 */
#define SHRINK_TABLES	256UL

/*
 * Whoever reclaims for himself is told of no more, however much there is: it is not
 * for one process to clean up after another for seconds. The thread has been woken.
 */
#define DIRECT_TABLES	(2 * SHRINK_TABLES)

/* mms that are worked on in one call. */
#define SHRINK_MMS	16

/* How long somebody waits for tables that are in somebody else's hands, or RCU's. */
#define HANDS_TIMEOUT	(HZ / 10)

/* For fewer nobody's CPU is interrupted: then RCU frees them in its own time. */
#define EXPEDITED_TABLES	16

/* For people */
static atomic_long_t nr_shrunk = ATOMIC_LONG_INIT(0);

/* Is somebody reclaiming memory for himself, who fails if nothing comes back? */
static bool in_direct_reclaim(void)
{
	return current->flags & PF_MEMALLOC && !current_is_kswapd();
}

static unsigned long shrink_count(struct shrinker *shrinker,
				  struct shrink_control *sc)
{
	unsigned long nr = pt_reclaim_offered(sc->nid, sc->memcg);

	/* An mm that is listed for nothing keeps the list from being forgotten. */
	if (!nr)
		return pt_reclaim_nr_offers(sc->nid, sc->memcg) ? 0 :
								  SHRINK_EMPTY;
	/* Half of it is asked for. */
	nr = max(nr, 2UL);
	return in_direct_reclaim() ? min(nr, DIRECT_TABLES) : nr;
}

/**
 * struct shrink - one call
 * @left: Tables that may still be looked at.
 * @reclaimed: Tables that were taken.
 * @taken: Those that are to be freed.
 * @nr_mms: How many have been worked on.
 * @mms: These, with mm_count raised.
 */
struct shrink {
	unsigned long left;
	unsigned long reclaimed;
	struct list_head taken;
	unsigned int nr_mms;
	struct mm_struct *mms[SHRINK_MMS];
};

static void shrink_mm(struct shrink *shrink, struct mm_struct *mm)
{
	struct pt_reclaim_control ctl = {
		.mm = mm,
		.end = ALIGN(mm->task_size, PMD_SIZE),
		.budget = shrink->left,
		.no_naps = true,
		.taken = &shrink->taken,
	};
	enum pt_reclaim_result result;

	if (!pt_reclaim_offer_begin(mm, &ctl.addr)) {
		mmdrop(mm);
		return;
	}
	result = pt_reclaim_range(&ctl);
	if (result != PT_RECLAIM_DONE)
		pt_reclaim_mark_again(mm, ctl.addr);
	pt_reclaim_offer_progress(mm, ctl.addr, result == PT_RECLAIM_DONE,
				  &ctl.stats);

	shrink->reclaimed += ctl.stats.reclaimed;
	shrink->left = ctl.budget;
	shrink->mms[shrink->nr_mms++] = mm;
}

static void shrink_offers(struct shrink *shrink, struct shrink_control *sc)
{
	unsigned long mms = pt_reclaim_nr_offers(sc->nid, sc->memcg);

	while (shrink->left && mms-- && shrink->nr_mms < SHRINK_MMS &&
	       !fatal_signal_pending(current)) {
		struct mm_struct *mm = pt_reclaim_next_offer(sc->nid, sc->memcg);

		if (!mm)
			break;
		shrink_mm(shrink, mm);
	}
}

static void end_offers(struct shrink *shrink, bool given_to_rcu)
{
	while (shrink->nr_mms) {
		struct mm_struct *mm = shrink->mms[--shrink->nr_mms];

		pt_reclaim_offer_end(mm, given_to_rcu);
		mmdrop(mm);
	}
}

/*
 * Whoever reclaims for himself is to have the memory of what was taken before he
 * goes on. A cgroup at its limit, and an allocation without other prospects, try some
 * two hundred times within milliseconds and then kill: sooner than the tables would
 * come back through call_rcu(). Hence a grace period here, an expedited one, once for
 * all tables of a call. If there are too few for that he finds them in RCU's hands, and
 * may have to wait for them.
 */
static void shrink_free(struct shrink *shrink, bool direct)
{
	bool now = direct && shrink->reclaimed >= EXPEDITED_TABLES;

	pt_reclaim_free_taken(&shrink->taken, now);
	mm_account_reclaimed_pages(shrink->reclaimed);
	atomic_long_add(shrink->reclaimed, &nr_shrunk);
	end_offers(shrink, shrink->reclaimed && !now);
}

static unsigned long shrink_scan(struct shrinker *shrinker,
				 struct shrink_control *sc)
{
	bool direct = in_direct_reclaim();
	struct shrink shrink = {
		.left = sc->nr_to_scan,
		.taken = LIST_HEAD_INIT(shrink.taken),
	};
	struct pt_reclaim_moment then;
	bool stop;
	int work;

	kptreclaimd_hurry();
	work = pt_reclaim_work_begin();
	shrink_offers(&shrink, sc);
	pt_reclaim_work_end(work);
	shrink_free(&shrink, direct);
	then = pt_reclaim_now();

	sc->nr_scanned = sc->nr_to_scan - shrink.left;
	/* Whatever was looked for is not to be had now. */
	stop = !sc->nr_scanned;
	/*
	 * The last tables may be in somebody else's hands, or in RCU's. A wait costs
	 * as much as all that was asked for: there are few of them, then, in one go.
	 */
	if (direct && !shrink.reclaimed &&
	    pt_reclaim_in_hands(sc->nid, sc->memcg, then)) {
		wait_event_killable_timeout(pt_reclaim_memory_wait,
					    !pt_reclaim_in_hands(sc->nid,
								 sc->memcg,
								 then),
					    HANDS_TIMEOUT);
		sc->nr_scanned = sc->nr_to_scan;
	}
	return stop ? SHRINK_STOP : shrink.reclaimed;
}

/**
 * pt_reclaim_nr_shrunk() - how many tables has memory reclaim taken?
 *
 * Context: Any.
 */
unsigned long pt_reclaim_nr_shrunk(void)
{
	return atomic_long_read(&nr_shrunk);
}

/**
 * pt_reclaim_shrinker_init() - have memory reclaim take tables
 *
 * Return: 0, or -ENOMEM.
 */
int __init pt_reclaim_shrinker_init(void)
{
	struct shrinker *shrinker;
	int err;

	shrinker = shrinker_alloc(SHRINKER_NUMA_AWARE | SHRINKER_MEMCG_AWARE,
				  "mm-pt_reclaim");
	if (!shrinker)
		return -ENOMEM;
	err = pt_reclaim_offers_init(shrinker);
	if (err) {
		shrinker_free(shrinker);
		return err;
	}
	shrinker->count_objects = shrink_count;
	shrinker->scan_objects = shrink_scan;
	shrinker->batch = SHRINK_TABLES;
	/* An empty table holds nothing that would have to be made again. */
	shrinker->seeks = 0;
	shrinker_register(shrinker);
	return 0;
}
