// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: have empty PTE tables found, confirm that they are, detach
 * them, flush, free. The only file here that takes a page table lock.
 */

/**
 * DOC: The life of a table
 *
 * Find. No lock at all: the walk reads each level once into a local, the way
 * GUP-fast does, with interrupts off for a bounded number of entries. The
 * caller's mm_count keeps the pgd, and everything below it is freed through
 * RCU, for which disabled interrupts are a read-side critical section, or after an
 * interrupt to all CPUs (Documentation/mm/pt_reclaim.rst, locking rule 1). Only
 * tables with a mark are looked at, unless all are asked for. Reading an empty
 * table ends in a note of its address, and of the time in its ptdesc. See find.c.
 *
 * Confirm and detach. mmap_lock for read: it keeps the VMAs, and with them the
 * page tables above the PTE table, which only munmap(), mremap() and exit
 * free. All VMAs that overlap the table's PMD_SIZE must be fit. Then the PMD
 * lock and, nested in it, the PTE lock: with both held nobody fills, replaces
 * or removes the table. All entries are looked at again; if all are none the
 * PMD entry is cleared.
 *
 * Whoever found the table earlier under RCU and now takes its lock must look at
 * the PMD entry again, or see a PTE that is not none: that one proves the table
 * attached, because a table is only detached when all its PTEs are none.
 *
 * Flush. Once per batch, which takes many holds of mmap_lock, and before that lock is
 * waited for, without any lock. The paging-structure caches of all CPUs that have the
 * mm loaded may still hold the PMD entry, and lead them to the detached table. It
 * stays, and stays empty: what they find there is a fault, which makes a CPU forget
 * the entry, and finds whatever is mapped by then. So a CPU is never wrong about an
 * address, whether it has been unmapped meanwhile or mapped again, by entries of
 * whatever size.
 * Somebody else's flush that is pending for the cleared entries cannot be left to
 * him, see flush_for_reclaim() and flush_stale_entries().
 *
 * Free. Through RCU, always: pte_offset_map() returns under rcu_read_lock()
 * alone. The rcu_head is in the ptdesc, so there is nothing to allocate. Where
 * memory is scarce, by hand, after a grace period. Even the flush does not make that
 * superfluous, not even for hardware: switch_mm_irqs_off() leaves mm_cpumask() before
 * it loads the new CR3.
 */

#include <linux/bottom_half.h>
#include <linux/delay.h>
#include <linux/memcontrol.h>
#include <linux/mm.h>
#include <linux/mmap_lock.h>
#include <linux/mmu_notifier.h>
#include <linux/pgtable.h>
#include <linux/pt_reclaim_gaps.h>
#include <linux/rcupdate.h>
#include <linux/sched/clock.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/vmstat.h>
#include <linux/wait.h>

#include <asm/tlb.h>

#include "../internal.h"
#include "internal.h"
#include "table.h"

#define CREATE_TRACE_POINTS
#include <trace/events/pt_reclaim.h>

/*
 * With so many tables found, or one more, it is time to take mmap_lock. As many are
 * detached under one hold of the PMD lock, for which a fault that needs a new table
 * in the same 1 GiB waits. If somebody else's TLB flush is pending there is a flush
 * for each group, and the groups are larger: then the flushes cost more than the
 * wait.
 */
#define DETACH_GROUP		8
#define DETACH_GROUP_PENDING	PT_RECLAIM_HOLD

/*
 * How often in a row the thread tries in vain before it gives up, when mmap_lock is
 * not free or was put down for somebody else. Whoever has it or waits for it is given
 * the time of a short nap in between. After that there is one try for what is found
 * next, and so on, until one succeeds.
 */
#define LOCK_TRIES		8
#define LOCK_NAP_MIN_USECS	20
#define LOCK_NAP_MAX_USECS	100

/**
 * pt_reclaim_find_pmd() - the PMD entry for an address
 * @mm: Whose.
 * @addr: The address, below the end of what @mm can map.
 *
 * Under a VMA that is not fit, or without any lock, an upper entry may be a leaf, at
 * any moment: mm_find_pmd() would take what is in the page for a PMD table. So each
 * level is read once.
 *
 * Context: An RCU read-side critical section, which keeps the tables.
 *
 * Return: NULL if there is no PMD table.
 */
pmd_t *pt_reclaim_find_pmd(struct mm_struct *mm, unsigned long addr)
{
	pgd_t *pgdp = pgd_offset(mm, addr);
	pgd_t pgd = READ_ONCE(*pgdp);
	p4d_t *p4dp, p4d;
	pud_t *pudp, pud;

	RCU_LOCKDEP_WARN(!rcu_read_lock_held(), "nothing keeps the PMD table");

	if (!pgd_present(pgd) || pgd_bad(pgd))
		return NULL;
	p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	p4d = READ_ONCE(*p4dp);
	if (!p4d_present(p4d) || p4d_leaf(p4d) || p4d_bad(p4d))
		return NULL;
	pudp = pud_offset_lockless(p4dp, p4d, addr);
	pud = READ_ONCE(*pudp);
	if (!pud_present(pud) || pud_leaf(pud) || pud_bad(pud))
		return NULL;
	return pmd_offset_lockless(pudp, pud, addr);
}

/*
 * A table that may not go is not worth a look in each round: whoever unmaps what
 * stands in its way marks it again.
 */
static void clear_mark(struct mm_struct *mm, unsigned long addr)
{
	pmd_t *pmdp, pmd;

	rcu_read_lock();
	pmdp = pt_reclaim_find_pmd(mm, addr);
	if (pmdp) {
		pmd = pmdp_get_lockless(pmdp);
		if (pmd_is_table(pmd))
			WRITE_ONCE(pmd_table_ptdesc(pmd)->pt_marked, 0);
	}
	rcu_read_unlock();
}

/*
 * The PTE lock nests inside the PMD lock. In a kernel for few CPUs, which does
 * not split page table locks, the two are the same.
 */
static void lock_pte_table(spinlock_t *ptl, spinlock_t *pml)
	__acquires(ptl)
{
	if (ptl != pml)
		spin_lock_nested(ptl, SINGLE_DEPTH_NESTING);
	else
		__acquire(ptl);
}

static void unlock_pte_table(spinlock_t *ptl, spinlock_t *pml)
	__releases(ptl)
{
	if (ptl != pml)
		spin_unlock(ptl);
	else
		__release(ptl);
}

/* The found tables on their way out, in one walk. */
struct take_state {
	struct pt_reclaim_control *ctl;
	unsigned int next;		/* first in ctl->tables not dealt with */
	unsigned int tries;		/* left, for mmap_lock */
	enum pt_reclaim_scope scope;	/* of the mm, in a hold */
	unsigned long fit_end;		/* up to here VMAs were asked, in a hold */
	struct list_head detached;	/* through ptdesc->pt_list */
	unsigned int nr_detached;
	unsigned int group;		/* tables for one hold of the PMD lock */
	unsigned long start;		/* where the detached tables lie */
	unsigned long end;
	u64 generation;			/* flush_generation() at the last one */
};

/*
 * May the table at @addr go, as far as VMAs are concerned? A table without any
 * VMA is not ours: only what is mapped can be filled again by a fault, and
 * what is not mapped is being unmapped by somebody.
 *
 * Most tables lie in the same large VMA as the one before, and are not asked about
 * again: their addresses ascend.
 */
static enum pt_reclaim_result ask_vmas(struct take_state *take,
				       unsigned long addr)
{
	VMA_ITERATOR(vmi, take->ctl->mm, addr);
	struct vm_area_struct *vma, *last = NULL;

	mmap_assert_locked(take->ctl->mm);

	if (addr + PMD_SIZE <= take->fit_end)
		return PT_RECLAIM_DONE;
	for_each_vma_range(vmi, vma, addr + PMD_SIZE) {
		if (!pt_reclaim_vma_fit(vma, take->scope))
			return PT_RECLAIM_UNFIT;
		last = vma;
	}
	if (!last)
		return PT_RECLAIM_GONE;
	take->fit_end = last->vm_end;
	return PT_RECLAIM_DONE;
}

/* Rises with every flush of the mm. */
static u64 flush_generation(struct mm_struct *mm)
{
	return atomic64_read(&mm->context.tlb_gen);
}

/*
 * Reclaim unmaps many pages and then flushes once. Whoever zaps before that makes
 * up for it, in zap_pte_range() and the like, under the lock of a table: after
 * that a CPU cannot write to a page that was, say, punched out of its file. Who
 * finds no table does not. So it has to be done before the table goes. The caller
 * holds its PTE lock: nothing more can become pending for it, because it is empty.
 */
static void flush_for_reclaim(struct take_state *take)
{
	struct mm_struct *mm = take->ctl->mm;
	u64 generation = flush_generation(mm);

	flush_tlb_batched_pending(mm);
	if (flush_generation(mm) != generation)
		take->ctl->stats.flushes++;
}

/*
 * Detaches the table at @addr, if it is still empty. The caller holds the PMD
 * lock, @pml, and has asked the VMAs, so that no leaf but a THP can be met.
 */
static enum pt_reclaim_result detach_table(struct take_state *take,
					   pmd_t *pmdp, spinlock_t *pml,
					   unsigned long addr)
{
	struct mm_struct *mm = take->ctl->mm;
	pmd_t pmd = pmdp_get(pmdp);
	struct ptdesc *ptdesc;
	spinlock_t *ptl;	/* of the PTE table */
	bool empty;

	lockdep_assert_held(pml);

	if (!pmd_is_table(pmd))
		return PT_RECLAIM_RACED;

	/* Another table than the one that was found must age by itself. */
	ptdesc = pmd_table_ptdesc(pmd);
	if (!table_has_aged(ptdesc, take->ctl->min_age))
		return PT_RECLAIM_RACED;

	pt_reclaim_gap(PT_RECLAIM_GAP_LOCK, mm, addr);
	ptl = pte_lockptr(mm, &pmd);
	lock_pte_table(ptl, pml);
	empty = first_used_pte(pmd_ptes(pmd)) == PTRS_PER_PTE;
	if (empty) {
		flush_for_reclaim(take);
		pt_reclaim_gap(PT_RECLAIM_GAP_CONFIRMED, mm, addr);
		pmd_clear(pmdp);
		mm_dec_nr_ptes(mm);
	}
	unlock_pte_table(ptl, pml);
	if (!empty)
		return PT_RECLAIM_RACED;

	take->generation = flush_generation(mm);
	/* It is ours now: nobody else uses the list head of a detached table. */
	list_add_tail(&ptdesc->pt_list, &take->detached);
	take->nr_detached++;
	take->start = min(take->start, addr);
	take->end = max(take->end, addr + PMD_SIZE);
	return PT_RECLAIM_DONE;
}

/*
 * The entries of the detached tables were none, but a TLB may still hold what
 * they were before: who zaps clears them first and flushes later, with his
 * mmu_gather. As long as the table stays, its next user expects that. Once it is
 * gone, a fault may map a huge page there: translations of two sizes for one
 * address, which some CPUs answer with a machine check. No fault can until the
 * PMD lock is dropped, so the flush is now.
 *
 * The gather is announced before its owner lets go of the PTE lock, which has
 * been taken since. Others who zap, and step over the place, need nobody to make
 * up for it: whoever closes a gather while another one is open flushes the whole
 * mm. For reclaim's batch see flush_for_reclaim().
 */
static void flush_stale_entries(struct take_state *take)
{
	struct mm_struct *mm = take->ctl->mm;

	if (mm_tlb_flush_pending(mm)) {
		flush_tlb_mm(mm);
		take->ctl->stats.flushes++;
		take->group = DETACH_GROUP_PENDING;
	}
}

/*
 * Detaches @nr tables from the next one on, all of them in one PMD table and
 * under fit VMAs.
 */
static void detach_group(struct take_state *take, unsigned int nr)
{
	struct pt_reclaim_control *ctl = take->ctl;
	unsigned long first = ctl->tables[take->next];
	unsigned int detached_before = take->nr_detached;
	spinlock_t *pml;	/* of the PMD table */
	pmd_t *pmdp;

	pmdp = mm_find_pmd(ctl->mm, first);
	if (!pmdp) {
		ctl->stats.raced += nr;
		take->next += nr;
		return;
	}
	pmdp -= pmd_index(first);

	pml = pmd_lock(ctl->mm, pmdp);
	while (nr--) {
		unsigned long addr = ctl->tables[take->next++];
		enum pt_reclaim_result result;

		result = detach_table(take, pmdp + pmd_index(addr), pml, addr);
		trace_mm_pt_reclaim_table(ctl->mm, addr, result);
		if (result == PT_RECLAIM_DONE)
			ctl->stats.reclaimed++;
		else
			ctl->stats.raced++;
	}
	if (take->nr_detached > detached_before)
		flush_stale_entries(take);
	spin_unlock(pml);
}

/*
 * How many tables from the next one on can be dealt with under one hold of the
 * PMD lock? The VMAs are asked here, before anything else: they vouch for the
 * upper levels being tables, and keep them. Steps over what they do not allow;
 * 0 if nothing is left for this hold of mmap_lock.
 */
static unsigned int next_group(struct take_state *take)
{
	struct pt_reclaim_control *ctl = take->ctl;
	unsigned int begin = take->next, nr = 0;

	while (take->next + nr < ctl->nr && nr < take->group) {
		unsigned long addr = ctl->tables[take->next + nr];
		enum pt_reclaim_result result;

		/* There may be hundreds of VMAs over each of them. */
		if (take->next + nr > begin && need_resched())
			break;

		if (nr && (addr & PUD_MASK) !=
			  (ctl->tables[take->next] & PUD_MASK))
			break;
		result = ask_vmas(take, addr);
		if (result == PT_RECLAIM_DONE) {
			nr++;
			continue;
		}
		if (nr)
			break;
		if (result == PT_RECLAIM_UNFIT)
			clear_mark(ctl->mm, addr);
		trace_mm_pt_reclaim_table(ctl->mm, addr, result);
		ctl->stats.unfit++;
		take->next++;
	}
	return nr;
}

/*
 * Makes all CPUs forget the detached tables. freed_tables makes it reach lazy
 * CPUs too: their page walkers may still use cached PMD entries. An IOMMU that
 * shares the page table walks these very tables; the flush tells it through
 * mmu_notifier_arch_invalidate_secondary_tlbs(). Other secondary MMUs map
 * pages, of which an empty table has none.
 *
 * The mm may have been through exit_mmap() meanwhile. Which CPUs have it loaded
 * is known until its mm_count is dropped, and who was to be told has detached by
 * himself.
 *
 * The mmu_gather is open for the flush alone: as long as it is, everybody else
 * who flushes for this mm flushes all of it.
 */
static void flush_detached(struct take_state *take)
{
	struct mm_struct *mm = take->ctl->mm;
	struct mmu_gather tlb;

	trace_mm_pt_reclaim_flush(mm, take->start, take->end,
				  take->nr_detached);
	tlb_gather_mmu(&tlb, mm);
	tlb_flush_pmd_range(&tlb, take->start, take->end - take->start);
	tlb.freed_tables = 1;
	tlb_finish_mmu(&tlb);
	take->ctl->stats.flushes++;
}

/*
 * Tables that were given to RCU, and those of them that are free, since the boot.
 * Whoever is about to fail for lack of memory waits for them.
 */
static atomic_long_t nr_given_to_rcu = ATOMIC_LONG_INIT(0);
static atomic_long_t nr_freed_by_rcu = ATOMIC_LONG_INIT(0);
DECLARE_WAIT_QUEUE_HEAD(pt_reclaim_memory_wait);

/**
 * pt_reclaim_wake_waiters() - have those look again who wait for memory
 *
 * Context: Any.
 */
void pt_reclaim_wake_waiters(void)
{
	if (wq_has_sleeper(&pt_reclaim_memory_wait))
		wake_up_all(&pt_reclaim_memory_wait);
}

static void free_table(struct ptdesc *ptdesc)
{
	pagetable_pte_dtor(ptdesc);
	pagetable_free(ptdesc);
}

static void free_table_rcu(struct rcu_head *head)
{
	/* DEBUG_OBJECTS forgets what is freed, and a ptdesc never is. */
	destroy_rcu_head(head);
	free_table(container_of(head, struct ptdesc, pt_rcu_head));
	atomic_long_inc(&nr_freed_by_rcu);
	pt_reclaim_wake_waiters();
}

/* call_rcu_hurry(), because it is memory that comes back. */
static void give_to_rcu(struct ptdesc *ptdesc)
{
	atomic_long_inc(&nr_given_to_rcu);
	call_rcu_hurry(&ptdesc->pt_rcu_head, free_table_rcu);
}

/**
 * pt_reclaim_given_to_rcu() - how many tables are on their way?
 *
 * Context: Any.
 *
 * Return: How many there were since the boot, for pt_reclaim_freed_by_rcu().
 */
unsigned long pt_reclaim_given_to_rcu(void)
{
	return atomic_long_read(&nr_given_to_rcu);
}

/**
 * pt_reclaim_freed_by_rcu() - have these arrived?
 * @given: What pt_reclaim_given_to_rcu() has returned.
 *
 * Roughly: as many as these. CPUs may free them in another order.
 *
 * Context: Any. pt_reclaim_memory_wait is woken when it may have become true.
 */
bool pt_reclaim_freed_by_rcu(unsigned long given)
{
	return (long)(atomic_long_read(&nr_freed_by_rcu) - given) >= 0;
}

/**
 * pt_reclaim_nr_freed_by_rcu() - how many tables have arrived?
 *
 * Context: Any.
 *
 * Return: Tables since the boot: for pt_reclaim_freed_by_rcu(), of which it is true.
 */
unsigned long pt_reclaim_nr_freed_by_rcu(void)
{
	return atomic_long_read(&nr_freed_by_rcu);
}

/**
 * pt_reclaim_free_taken() - free tables that no CPU knows any more
 * @taken: Such tables, of any mms, as pt_reclaim_range() has left them.
 * @now: Sleep for a grace period, and free them. Expedited, because memory is scarce
 *	then. Otherwise leave it to RCU.
 *
 * Context: Process context.
 */
void pt_reclaim_free_taken(struct list_head *taken, bool now)
{
	struct ptdesc *ptdesc, *next;

	if (now && !list_empty(taken))
		synchronize_rcu_expedited();
	list_for_each_entry_safe(ptdesc, next, taken, pt_list) {
		if (now)
			free_table(ptdesc);
		else
			give_to_rcu(ptdesc);
	}
}

static void count_for_memcg(struct mem_cgroup *memcg, unsigned int nr)
{
	if (memcg && nr)
		count_memcg_events(memcg, PTRECLAIM_RECLAIMED, nr);
}

/*
 * Whoever mapped the table before it was detached may read it until the grace
 * period ends, but must notice under its lock that it may not fill it any more.
 *
 * The cgroup that paid for a table is not always that of the process now. Most
 * tables in a row were paid for by one.
 */
static void free_detached(struct take_state *take)
{
	struct mm_struct *mm = take->ctl->mm;
	struct mem_cgroup *payer = NULL;
	struct ptdesc *ptdesc, *next;
	unsigned int nr = 0;

	VM_WARN_ON_ONCE(flush_generation(mm) == take->generation);
	/* Keeps the cgroups, which may be going away. */
	rcu_read_lock();
	list_for_each_entry_safe(ptdesc, next, &take->detached, pt_list) {
		struct mem_cgroup *memcg = folio_memcg(ptdesc_folio(ptdesc));

		VM_WARN_ON_ONCE(first_used_pte(ptdesc_address(ptdesc)) !=
				PTRS_PER_PTE);
		if (memcg != payer) {
			count_for_memcg(payer, nr);
			payer = memcg;
			nr = 0;
		}
		nr++;
		if (!take->ctl->taken)
			give_to_rcu(ptdesc);
	}
	count_for_memcg(payer, nr);
	rcu_read_unlock();
	if (take->ctl->taken)
		list_splice_tail(&take->detached, take->ctl->taken);
}

/*
 * Deals with the next of the found tables, one at least, until somebody waits for
 * mmap_lock or for this CPU. Returns whether it is for mmap_lock.
 */
static bool take_locked(struct take_state *take)
{
	struct pt_reclaim_control *ctl = take->ctl;
	bool contended = false;
	unsigned int nr;

	mmap_assert_locked(ctl->mm);

	take->fit_end = 0;
	while (!contended && (nr = next_group(take))) {
		detach_group(take, nr);
		contended = mmap_lock_is_contended(ctl->mm);
		if (need_resched())
			break;
	}
	return contended;
}

/* Flushes and frees. The caller does not hold mmap_lock. */
static void finish_detached(struct take_state *take)
{
	struct mm_struct *mm = take->ctl->mm;

	if (!take->nr_detached)
		return;
	pt_reclaim_gap(PT_RECLAIM_GAP_DETACHED, mm, take->start);
	flush_detached(take);
	pt_reclaim_gap(PT_RECLAIM_GAP_FLUSHED, mm, take->start);
	free_detached(take);
	INIT_LIST_HEAD(&take->detached);
	take->nr_detached = 0;
	take->group = DETACH_GROUP;
	take->start = ULONG_MAX;
	take->end = 0;
}

/* Who waits for it is woken before anything else gets this CPU. */
static void unlock_mm(struct mm_struct *mm)
{
	mmap_read_unlock(mm);
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_bh_enable();
}

/*
 * Takes mmap_lock for read. The thread never waits for it; a process that asks
 * for itself does, and does not keep waiting what has been detached before. A nap
 * of the thread is no wait: each flush is an interrupt to others.
 *
 * From then on no preemption, where spinlocks do without it: whoever wants the lock
 * would wait for the next turn of a thread that is not in a hurry, or of a task that
 * reclaims memory and has used up its share of the CPU. And no softirq, in which RCU
 * frees thousands of tables at a stretch. Once the lock is held:
 *
 * - mm_users is not zero, and exit_mmap() waits for the lock before it frees
 *   page tables;
 * - the mm is not one that dup_mmap() left half done, nor is the OOM reaper
 *   at it;
 * - the mm takes part, unless it is asking for itself.
 */
static enum pt_reclaim_result lock_mm(struct take_state *take)
{
	struct pt_reclaim_control *ctl = take->ctl;
	struct mm_struct *mm = ctl->mm;

	if (!mmap_read_trylock(mm)) {
		if (!ctl->sync)
			return PT_RECLAIM_BUSY;
		finish_detached(take);
		if (mmap_read_lock_killable(mm))
			return PT_RECLAIM_KILLED;
	}
	if (!IS_ENABLED(CONFIG_PREEMPT_RT))
		local_bh_disable();

	if (!atomic_read(&mm->mm_users) || test_bit(MMF_UNSTABLE, &mm->flags)) {
		unlock_mm(mm);
		return PT_RECLAIM_EXITING;
	}
	take->scope = ctl->sync ? PT_RECLAIM_ALL_VMAS : pt_reclaim_mm_scope(mm);
	if (take->scope == PT_RECLAIM_NOTHING) {
		unlock_mm(mm);
		return PT_RECLAIM_DENIED;
	}
	return PT_RECLAIM_DONE;
}

/*
 * Takes the tables that were found. What the thread has to leave because
 * mmap_lock is not free, or because somebody waits for it, stays marked, keeps
 * its age and goes in the next round.
 */
static enum pt_reclaim_result take_tables(struct take_state *take)
{
	struct pt_reclaim_control *ctl = take->ctl;
	enum pt_reclaim_result result = PT_RECLAIM_DONE;

	if (take->nr_detached + ctl->nr > PT_RECLAIM_BATCH)
		finish_detached(take);

	take->next = 0;
	while (take->next < ctl->nr) {
		result = lock_mm(take);
		if (result == PT_RECLAIM_DONE) {
			bool contended = take_locked(take);

			unlock_mm(ctl->mm);
			cond_resched();
			if (!ctl->no_naps)
				take->tries = LOCK_TRIES;
			if (ctl->sync || !contended || take->next == ctl->nr)
				continue;
			result = PT_RECLAIM_BUSY;
		}
		if (result != PT_RECLAIM_BUSY || take->tries == 1)
			break;
		take->tries--;
		usleep_range(LOCK_NAP_MIN_USECS, LOCK_NAP_MAX_USECS);
	}

	if (result == PT_RECLAIM_BUSY) {
		ctl->stats.busy += ctl->nr - take->next;
		if (!ctl->no_naps)
			result = PT_RECLAIM_DONE;
	}
	ctl->nr = 0;
	return result;
}

/*
 * Looks, and takes what was found as soon as it is a group: whoever wants mmap_lock
 * meanwhile finds it free for most of the time, and not taken again at once.
 */
static enum pt_reclaim_result walk_range(struct take_state *take)
{
	struct pt_reclaim_control *ctl = take->ctl;
	enum pt_reclaim_result result;

	/* What an earlier walk found and had to leave was in another mm. */
	ctl->nr = 0;
	while (ctl->addr < ctl->end) {
		if (!ctl->budget)
			return PT_RECLAIM_BUDGET;
		if (!atomic_read(&ctl->mm->mm_users))
			return PT_RECLAIM_EXITING;
		if (fatal_signal_pending(current))
			return PT_RECLAIM_KILLED;

		pt_reclaim_find(ctl);
		if (ctl->nr >= take->group || ctl->addr == ctl->end ||
		    !ctl->budget) {
			if (ctl->nr)
				pt_reclaim_gap(PT_RECLAIM_GAP_FOUND, ctl->mm,
					       ctl->tables[0]);
			result = take_tables(take);
			if (result != PT_RECLAIM_DONE)
				return result;
		}
		cond_resched();
	}
	return PT_RECLAIM_DONE;
}

static void count_events(const struct pt_reclaim_stats *stats)
{
	count_vm_events(PTRECLAIM_SCANNED, stats->scanned);
	count_vm_events(PTRECLAIM_RECLAIMED, stats->reclaimed);
	count_vm_events(PTRECLAIM_RACED, stats->raced);
	count_vm_events(PTRECLAIM_BUSY, stats->busy);
	count_vm_events(PTRECLAIM_UNFIT, stats->unfit);
	count_vm_events(PTRECLAIM_FLUSH, stats->flushes);
	count_vm_events(PTRECLAIM_UNMARKED, stats->unmarked);
}

/**
 * pt_reclaim_range() - free the empty PTE tables in a range of one mm
 * @ctl: Which range of which mm, how much work, how old.
 *
 * Looks at the tables of [@ctl->addr, @ctl->end), both multiples of PMD_SIZE,
 * in order. On return @ctl->addr is where to go on and @ctl->stats says what
 * this call has done.
 *
 * Context: Process context, may sleep. The caller holds mm_count of @ctl->mm
 * and neither its mmap_lock nor any lock that nests inside. Takes mmap_lock for
 * read: by trylock, or killable if @ctl->sync.
 *
 * Return:
 * * PT_RECLAIM_DONE - the end of the range was reached
 * * PT_RECLAIM_BUDGET - the budget is used up
 * * PT_RECLAIM_BUSY - mmap_lock is not free, and @ctl->no_naps
 * * PT_RECLAIM_EXITING - nobody uses the mm any more
 * * PT_RECLAIM_DENIED - the mm does not take part any more
 * * PT_RECLAIM_KILLED - a fatal signal is pending
 */
enum pt_reclaim_result pt_reclaim_range(struct pt_reclaim_control *ctl)
{
	struct take_state take = {
		.ctl = ctl,
		.tries = ctl->no_naps ? 1 : LOCK_TRIES,
		.detached = LIST_HEAD_INIT(take.detached),
		.group = DETACH_GROUP,
		.start = ULONG_MAX,
	};
	enum pt_reclaim_result result;
	u64 start = 0;

	VM_WARN_ON_ONCE((ctl->addr | ctl->end) & ~PMD_MASK);
	VM_WARN_ON_ONCE(ctl->end > ALIGN(ctl->mm->task_size, PMD_SIZE));
	might_sleep();

	ctl->stats = (struct pt_reclaim_stats){ };
	if (trace_mm_pt_reclaim_range_end_enabled())
		start = local_clock();
	trace_mm_pt_reclaim_range_begin(ctl->mm, ctl->addr, ctl->sync);
	result = walk_range(&take);
	finish_detached(&take);
	trace_mm_pt_reclaim_range_end(ctl->mm, ctl->addr, ctl->stats.scanned,
				      ctl->stats.reclaimed,
				      start ? local_clock() - start : 0, result);
	count_events(&ctl->stats);
	return result;
}
