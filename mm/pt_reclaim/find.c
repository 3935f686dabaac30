// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: find empty PTE tables, without any lock. What costs most
 * of all is here: the project's tests count the instructions and cache lines of
 * this very file in a program of its own, so it asks little of the kernel.
 */
#include <linux/array_size.h>
#include <linux/atomic.h>
#include <linux/irqflags.h>
#include <linux/lockdep.h>
#include <linux/mm.h>
#include <linux/pgtable.h>
#include <linux/pt_reclaim_gaps.h>

#include "internal.h"
#include "table.h"

/*
 * What may be done with interrupts off at a stretch, in entries of page tables,
 * of all levels, that are read. An entry costs a dozen instructions at the most,
 * and eight of them share a cache line: some 9 000 instructions and, with cold
 * caches, some 200 misses, and an empty table more, whatever the size of the
 * process.
 */
#define FIND_ENTRIES	(PTRS_PER_PTE + PTRS_PER_PTE / 2)

/* What a cache line costs that it shares with no other table, in entries. */
#define FIND_LINE_COST	4

/*
 * What an entry of the upper levels costs, in entries of the lowest: the steps are
 * not as short there.
 */
#define FIND_UPPER_COST	2

/*
 * @upper: The ptdesc of the PMD table that the walk is in.
 * @entries_left: The stretch ends when there are none, for whatever reason.
 */
struct find_state {
	struct pt_reclaim_control *ctl;
	struct ptdesc *upper;
	int entries_left;
};

/*
 * An empty table stays marked, and with it what is above, until it is taken or
 * something is found in it. That it will be taken is for others to find out:
 * mmap_lock may be busy, the table too young, a VMA over it unfit.
 *
 * The thread and a process that asks for itself may look at the same time, hence
 * the marked accesses; whoever is last is right.
 */
static void find_empty(struct pt_reclaim_control *ctl, struct ptdesc *upper,
		       struct ptdesc *ptdesc, unsigned long addr,
		       bool was_marked)
{
	ctl->stats.empty++;
	if (!READ_ONCE(ptdesc->pt_empty_since)) {
		WRITE_ONCE(ptdesc->pt_empty_since, empty_since_now());
		if (!was_marked && !ctl->sync)
			ctl->stats.unmarked++;
	}

	/* A full barrier, as in __pt_reclaim_mark(): two walks may meet too. */
	xchg(&ptdesc->pt_marked, 1);
	if (!READ_ONCE(upper->pt_marked))
		xchg(&upper->pt_marked, 1);
	atomic_inc(&ctl->mm->pt_reclaim_marks);

	if (table_has_aged(ptdesc, ctl->min_age))
		ctl->tables[ctl->nr++] = addr;
}

/*
 * Looks at all of a table that is not as it was at the last look. Returns what
 * that costs, in entries. Not inline, so that the usual look has the registers.
 */
static noinline unsigned int find_look_closer(struct pt_reclaim_control *ctl,
					      struct ptdesc *upper, pmd_t pmd,
					      unsigned long addr, bool marked)
{
	struct ptdesc *ptdesc = pmd_table_ptdesc(pmd);
	unsigned int used = first_used_pte(pmd_ptes(pmd));

	if (used == PTRS_PER_PTE) {
		find_empty(ctl, upper, ptdesc, addr, marked);
		/* There is room for no more. */
		return ctl->nr == ARRAY_SIZE(ctl->tables) ? FIND_ENTRIES : used;
	}
	WRITE_ONCE(ptdesc->pt_last_used, used);
	if (READ_ONCE(ptdesc->pt_empty_since))
		WRITE_ONCE(ptdesc->pt_empty_since, 0);
	return used;
}

/*
 * Looks at a table, first where the last look has seen an entry in use. It cannot
 * be freed under us: interrupts are off. It may be detached or filled at any
 * moment, which is found out under the locks.
 */
static __always_inline void find_look_at_table(struct find_state *find,
					       pmd_t pmd,
					       struct ptdesc *ptdesc,
					       unsigned long addr, bool marked)
{
	struct pt_reclaim_control *ctl = find->ctl;
	pte_t pte = ptep_get_lockless(pmd_ptes(pmd) +
				      READ_ONCE(ptdesc->pt_last_used));

	find->entries_left -= FIND_LINE_COST;
	if (pte_none(pte) || READ_ONCE(ptdesc->pt_empty_since))
		find->entries_left -= find_look_closer(ctl, find->upper, pmd,
						       addr, marked);
	if (!--ctl->budget)
		find->entries_left = 0;
}

/*
 * The walkers of the upper levels: each reads its entries once, steps over
 * leaves and entries that are not present, and returns false when the stretch
 * has to end; ctl->addr is then where to go on.
 */
static bool find_may_go_on(struct find_state *find, unsigned long addr,
			   unsigned int cost)
{
	if (find->entries_left <= 0) {
		find->ctl->addr = addr;
		return false;
	}
	find->entries_left -= cost;
	return true;
}

/*
 * A mark is cleared before what it is about is read, from the top to the bottom:
 * of the mm (visit_begins()), of the PMD table, of the PTE table, then
 * the entries. __pt_reclaim_mark() goes the other way. Each step on both sides
 * is a full barrier, so one of the two sees the other: what was zapped too late
 * for this look is marked, all the way up, for the next one.
 */
static bool find_clear_mark(struct ptdesc *ptdesc)
{
	return READ_ONCE(ptdesc->pt_marked) && xchg(&ptdesc->pt_marked, 0);
}

static bool find_in_pmds(struct find_state *find, pud_t *pudp, pud_t pud,
			 unsigned long addr, unsigned long end)
{
	pmd_t *pmdp = pmd_offset_lockless(pudp, pud, addr);
	bool sweep = find->ctl->sweep;

	lockdep_assert_irqs_disabled();

	/* Both addresses are multiples of PMD_SIZE. */
	for (; addr != end; pmdp++, addr += PMD_SIZE) {
		pmd_t pmd = pmdp_get_lockless(pmdp);
		struct ptdesc *ptdesc;

		if (!find_may_go_on(find, addr, 1))
			return false;
		if (!pmd_is_table(pmd))
			continue;
		pt_reclaim_gap(PT_RECLAIM_GAP_FIND, find->ctl->mm, addr);
		find->entries_left -= FIND_LINE_COST;
		ptdesc = pmd_table_ptdesc(pmd);
		/* Twice inline: a variable would cost the usual look more. */
		if (find_clear_mark(ptdesc))
			find_look_at_table(find, pmd, ptdesc, addr, true);
		else if (sweep)
			find_look_at_table(find, pmd, ptdesc, addr, false);
	}

	return true;
}

/*
 * The mark of a PMD table is cleared when a walk of all of it begins. One that
 * goes on in its middle is there because of a mark, which may since have been set
 * again for what lies behind; one that is about a range that somebody chose is
 * not about the rest.
 *
 * mremap() may have moved the table since the entry was read, and marked it for
 * where it is now: then the mark is not ours.
 */
static bool find_has_to_descend(struct find_state *find, pud_t *pudp, pud_t pud,
				unsigned long addr)
{
	if (find->ctl->sync || addr & ~PUD_MASK)
		return true;
	if (!find_clear_mark(find->upper))
		return find->ctl->sweep;
	if (pud_val(READ_ONCE(*pudp)) == pud_val(pud))
		return true;
	xchg(&find->upper->pt_marked, 1);
	return false;
}

static bool find_in_puds(struct find_state *find, p4d_t *p4dp, p4d_t p4d,
			 unsigned long addr, unsigned long end)
{
	pud_t *pudp = pud_offset_lockless(p4dp, p4d, addr);
	unsigned long next;

	do {
		pud_t pud = READ_ONCE(*pudp);

		next = pud_addr_end(addr, end);
		if (!find_may_go_on(find, addr, FIND_UPPER_COST))
			return false;
		if (!pud_present(pud) || pud_leaf(pud) || pud_bad(pud))
			continue;
		find->upper = page_ptdesc(pud_page(pud));
		if (!find_has_to_descend(find, pudp, pud, addr))
			continue;
		if (!find_in_pmds(find, pudp, pud, addr, next)) {
			/* It has not begun, and has to come back. */
			if (!(find->ctl->addr & ~PUD_MASK))
				WRITE_ONCE(find->upper->pt_marked, 1);
			return false;
		}
	} while (pudp++, addr = next, addr != end);

	return true;
}

static bool find_in_p4ds(struct find_state *find, pgd_t *pgdp, pgd_t pgd,
			 unsigned long addr, unsigned long end)
{
	p4d_t *p4dp = p4d_offset_lockless(pgdp, pgd, addr);
	unsigned long next;

	do {
		p4d_t p4d = READ_ONCE(*p4dp);

		next = p4d_addr_end(addr, end);
		if (!find_may_go_on(find, addr, FIND_UPPER_COST))
			return false;
		if (!p4d_present(p4d) || p4d_leaf(p4d) || p4d_bad(p4d))
			continue;
		if (!find_in_puds(find, p4dp, p4d, addr, next))
			return false;
	} while (p4dp++, addr = next, addr != end);

	return true;
}

static void find_in_pgds(struct find_state *find, unsigned long addr,
			 unsigned long end)
{
	pgd_t *pgdp = pgd_offset(find->ctl->mm, addr);
	unsigned long next;

	do {
		pgd_t pgd = READ_ONCE(*pgdp);

		next = pgd_addr_end(addr, end);
		if (!find_may_go_on(find, addr, FIND_UPPER_COST))
			return;
		if (!pgd_present(pgd) || pgd_bad(pgd))
			continue;
		if (!find_in_p4ds(find, pgdp, pgd, addr, next))
			return;
	} while (pgdp++, addr = next, addr != end);

	find->ctl->addr = end;
}

/**
 * pt_reclaim_find() - walk for one stretch
 * @ctl: Which mm, from where to where; where it has come to on return.
 *
 * Appends what was found to @ctl->tables, which must have room for one, as there
 * must be some budget. With interrupts off the CPU holds up every grace period,
 * and the tables of all levels are freed through RCU, by munmap() and exit as well.
 *
 * Context: Any in which interrupts are on. The caller holds mm_count.
 */
void pt_reclaim_find(struct pt_reclaim_control *ctl)
{
	struct find_state find = { .ctl = ctl, .entries_left = FIND_ENTRIES };
	unsigned long budget = ctl->budget;

	local_irq_disable();
	find_in_pgds(&find, ctl->addr, ctl->end);
	local_irq_enable();

	ctl->stats.scanned += budget - ctl->budget;
	/* A stretch without any table costs as much as one. */
	if (ctl->budget == budget)
		ctl->budget--;
}
