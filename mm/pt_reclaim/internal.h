/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page table reclaim: what its parts see of each other. Calls go down this
 * list, but for two of scan.c, which marks again and asks for the present sleep:
 *
 *   sysfs.c   attributes
 *   process.c /proc/<pid>/pt_reclaim
 *   core.c    the system's mode, prctl
 *   vma.c     madvise(MADV_PT_RECLAIMABLE), MADV_PT_UNRECLAIMABLE
 *   shrink.c  memory reclaim, which cannot wait for the thread
 *   thread.c  the thread, its CPU time and its sleep
 *   advise.c  madvise(MADV_PT_RECLAIM)
 *   mark.c    somebody has zapped entries
 *   scan.c    who is visited, and how far the present round has come
 *   offer.c   who has tables for memory reclaim
 *   table.c   confirm, detach, flush and free tables
 *   find.c    find them, without locks
 *   policy.c  who takes part, which VMAs are fit
 *
 * table.h has what find.c, mark.c and table.c know about one table, registry.h
 * what scan.c and offer.c know about an mm that is visited.
 */
#ifndef _MM_PT_RECLAIM_INTERNAL_H
#define _MM_PT_RECLAIM_INTERNAL_H

#include <linux/mm_types.h>
#include <linux/pt_reclaim.h>

/* policy.c */

enum pt_reclaim_mode {
	PT_RECLAIM_NEVER,
	PT_RECLAIM_MADVISE,
	PT_RECLAIM_ALWAYS,
	NR_PT_RECLAIM_MODES
};

extern const char * const pt_reclaim_mode_names[NR_PT_RECLAIM_MODES];

/* What may be taken of an mm. */
enum pt_reclaim_scope {
	PT_RECLAIM_NOTHING,
	PT_RECLAIM_MARKED_VMAS,	/* MADV_PT_RECLAIMABLE */
	PT_RECLAIM_ALL_VMAS,	/* but those marked MADV_PT_UNRECLAIMABLE */
};

bool pt_reclaim_supported(void);
enum pt_reclaim_mode pt_reclaim_mode_get(void);
void pt_reclaim_mode_store(enum pt_reclaim_mode mode);
enum pt_reclaim_scope pt_reclaim_mm_scope(struct mm_struct *mm);
bool pt_reclaim_mm_admitted(struct mm_struct *mm);
bool pt_reclaim_vma_possible(struct vm_area_struct *vma);
bool pt_reclaim_vma_fit(struct vm_area_struct *vma, enum pt_reclaim_scope scope);
int pt_reclaim_setting_store(struct mm_struct *mm, unsigned long setting);
int pt_reclaim_setting_get(struct mm_struct *mm);

/* table.c */

/*
 * As many tables go with one TLB flush, unless other threads of the process
 * have flushes pending. The flush interrupts every CPU that runs the process,
 * so its price is shared by many tables; the batch is bounded because their
 * memory comes back only after it.
 */
#define PT_RECLAIM_BATCH	512

/*
 * Tables that are taken under one hold of mmap_lock, at the most. Who wants it for
 * write waits for no more, whether he has been noticed or not.
 */
#define PT_RECLAIM_HOLD		32

/* What became of a table, of a batch, or of a range. */
enum pt_reclaim_result {
	PT_RECLAIM_DONE,	/* taken; or: the end of the range was reached */
	PT_RECLAIM_RACED,	/* no longer empty, or no longer there */
	PT_RECLAIM_BUSY,	/* mmap_lock was not free */
	PT_RECLAIM_UNFIT,	/* a VMA over it does not allow it */
	PT_RECLAIM_GONE,	/* no VMA is over it any more */
	PT_RECLAIM_EXITING,	/* the mm has no users any more */
	PT_RECLAIM_DENIED,	/* the mm does not take part (any more) */
	PT_RECLAIM_BUDGET,	/* more work is left than the caller allowed */
	PT_RECLAIM_KILLED,	/* fatal signal */
};

/**
 * struct pt_reclaim_stats - what one walk has done
 * @scanned: Tables looked at.
 * @empty: Of these, tables without any entry.
 * @unmarked: Of these, tables that no mark led to, counted once for as long as
 *	they stay empty. Not for a process that asks for itself.
 * @reclaimed: Tables freed.
 * @raced: Tables not empty any more when the locks were held.
 * @busy: Tables left because mmap_lock was not free.
 * @unfit: Tables left because of a VMA over them, or because there is none.
 * @flushes: TLB flushes issued.
 */
struct pt_reclaim_stats {
	unsigned long scanned;
	unsigned long empty;
	unsigned long unmarked;
	unsigned long reclaimed;
	unsigned long raced;
	unsigned long busy;
	unsigned long unfit;
	unsigned long flushes;
};

/**
 * struct pt_reclaim_control - one walk over a range of one mm
 * @mm: Whose tables. The caller holds mm_count; nothing else is needed.
 * @addr: Where the walk is. Multiple of PMD_SIZE; moved on by the walk.
 * @end: Where it ends.
 * @budget: How much is left to do, in tables looked at. A stretch without any
 *	table costs as much as one.
 * @min_age: Jiffies for which a table must have been seen empty before it is
 *	taken. 0: one look is enough.
 * @sync: The process asks for itself: wait for mmap_lock (killable) and do not
 *	ask whether the mm takes part. Looks at all tables, and leaves it to the
 *	thread to clear the marks of PMD tables.
 * @sweep: Look at all tables, and not just at those that are marked.
 * @no_naps: Do not wait a moment for mmap_lock, either; end there if it is not free.
 * @taken: Where tables go that no CPU knows any more, through ptdesc->pt_list;
 *	the caller frees them, with pt_reclaim_free_taken(). NULL: they are freed
 *	through RCU.
 * @stats: What the walk has done.
 * @nr: Number of tables found empty and not yet dealt with.
 * @tables: First address of each of the @nr tables.
 *
 * Belongs to the one task that walks; no lock.
 */
struct pt_reclaim_control {
	struct mm_struct *mm;
	unsigned long addr;
	unsigned long end;
	unsigned long budget;
	unsigned long min_age;
	bool sync;
	bool sweep;
	bool no_naps;
	struct list_head *taken;
	struct pt_reclaim_stats stats;
	unsigned int nr;
	unsigned long tables[PT_RECLAIM_HOLD];
};

enum pt_reclaim_result pt_reclaim_range(struct pt_reclaim_control *ctl);
void pt_reclaim_free_taken(struct list_head *taken, bool now);
unsigned long pt_reclaim_given_to_rcu(void);
bool pt_reclaim_freed_by_rcu(unsigned long given);
unsigned long pt_reclaim_nr_freed_by_rcu(void);
extern struct wait_queue_head pt_reclaim_memory_wait;
void pt_reclaim_wake_waiters(void);
pmd_t *pt_reclaim_find_pmd(struct mm_struct *mm, unsigned long addr);

/* find.c */

void pt_reclaim_find(struct pt_reclaim_control *ctl);

/* offer.c */

struct mem_cgroup;
struct shrinker;

/**
 * struct pt_reclaim_moment - what had been begun by a moment
 * @given: Tables that had been given to RCU.
 * @works: The last piece of work on an mm, see pt_reclaim_new_work().
 */
struct pt_reclaim_moment {
	unsigned long given;
	unsigned int works;
};

int pt_reclaim_offers_init(struct shrinker *shrinker);
struct pt_reclaim_moment pt_reclaim_now(void);
unsigned long pt_reclaim_offered(int nid, struct mem_cgroup *memcg);
bool pt_reclaim_in_hands(int nid, struct mem_cgroup *memcg,
			 struct pt_reclaim_moment then);
unsigned long pt_reclaim_nr_offers(int nid, struct mem_cgroup *memcg);
struct mm_struct *pt_reclaim_next_offer(int nid, struct mem_cgroup *memcg);
bool pt_reclaim_offer_begin(struct mm_struct *mm, unsigned long *addr);
void pt_reclaim_offer_progress(struct mm_struct *mm, unsigned long addr,
			       bool finished,
			       const struct pt_reclaim_stats *stats);
void pt_reclaim_offer_end(struct mm_struct *mm, bool given_to_rcu);

/* scan.c */

/* Of a registered mm, 0: those of the system hold. */
struct pt_reclaim_mm_settings {
	unsigned int delay_millisecs;
	unsigned int tables;
};

/**
 * struct pt_reclaim_mm_state - what is known of an mm
 * @registered: Is it visited?
 * @settings: Its own.
 * @visits: Visits that have begun. This and what follows since it is registered.
 * @scanned: Tables looked at.
 * @reclaimed: Tables freed, by the thread or on request.
 * @busy: Tables that the last visit left because mmap_lock was not free.
 * @raced: Those that were not empty any more.
 * @unfit: Those that a VMA does not allow.
 * @last_visit: When something was done for the present or last visit, in
 *	jiffies_64; 0: never.
 */
struct pt_reclaim_mm_state {
	bool registered;
	struct pt_reclaim_mm_settings settings;
	unsigned long visits;
	unsigned long scanned;
	unsigned long reclaimed;
	unsigned long busy;
	unsigned long raced;
	unsigned long unfit;
	u64 last_visit;
};

/**
 * struct pt_reclaim_round - a round, and how marks have paid off in it
 * @hurried: It is made because memory is scarce.
 * @looked: Tables were looked at because of a mark.
 * @paid_off: Of one mm enough of these were empty, whatever the others have done: none
 *	of them is to make everybody wait.
 */
struct pt_reclaim_round {
	bool hurried;
	bool looked;
	bool paid_off;
};

int pt_reclaim_registry_init(void);
void pt_reclaim_registry_update(void);
void pt_reclaim_registry_update_mm(struct mm_struct *mm);
bool pt_reclaim_register_marked(struct mm_struct *mm);
void pt_reclaim_first_mark(struct mm_struct *mm, int nid);
void pt_reclaim_get_mm_state(struct mm_struct *mm,
			     struct pt_reclaim_mm_state *state);
int pt_reclaim_set_mm_delay(struct mm_struct *mm, unsigned int msecs);
int pt_reclaim_set_mm_tables(struct mm_struct *mm, unsigned int nr,
			     bool may_be_long);
void pt_reclaim_account(struct mm_struct *mm,
			const struct pt_reclaim_stats *stats);
int pt_reclaim_everybody(void);
unsigned long pt_reclaim_next_delayed(void);
unsigned long pt_reclaim_nr_mms(void);
unsigned long pt_reclaim_full_scans(void);
unsigned int pt_reclaim_get_sweep_rounds(void);
void pt_reclaim_set_sweep_rounds(unsigned int rounds);
unsigned int pt_reclaim_get_tables_to_scan(void);
void pt_reclaim_set_tables_to_scan(unsigned int nr);
void pt_reclaim_scan_begin(void);
bool pt_reclaim_scan_step(unsigned int sleep_millisecs, bool everybody,
			  struct pt_reclaim_round *round);
int pt_reclaim_work_begin(void);
void pt_reclaim_work_end(int work);
void pt_reclaim_scan_quiesce(void);

/* mark.c */

void pt_reclaim_mark_again(struct mm_struct *mm, unsigned long addr);

/* thread.c */

int kptreclaimd_start(void);
void kptreclaimd_stop(void);
void kptreclaimd_wake(void);
void kptreclaimd_hurry(void);
void kptreclaimd_settings_changed(void);
unsigned int pt_reclaim_get_sleep_millisecs(void);
void pt_reclaim_set_sleep_millisecs(unsigned int msecs);
unsigned int pt_reclaim_present_sleep_millisecs(void);
unsigned int pt_reclaim_get_max_cpu_percent(void);
void pt_reclaim_set_max_cpu_percent(unsigned int percent);

/* shrink.c */

int pt_reclaim_shrinker_init(void);
unsigned long pt_reclaim_nr_shrunk(void);

/* advise.c */

enum pt_reclaim_result pt_reclaim_request(struct mm_struct *mm,
					  unsigned long start,
					  unsigned long end);

/* core.c */

bool pt_reclaim_available(void);
int pt_reclaim_set_mode(enum pt_reclaim_mode mode);
int pt_reclaim_set_mm_mode(struct mm_struct *mm, unsigned long setting);

#endif /* _MM_PT_RECLAIM_INTERNAL_H */
