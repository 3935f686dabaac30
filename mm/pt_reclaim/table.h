/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Page table reclaim: one PTE table, and what its ptdesc remembers of it. For
 * find.c, which walks without locks, mark.c and table.c.
 */
#ifndef _MM_PT_RECLAIM_TABLE_H
#define _MM_PT_RECLAIM_TABLE_H

#include <linux/compiler.h>
#include <linux/jiffies.h>
#include <linux/limits.h>
#include <linux/mm_types.h>
#include <linux/pgtable.h>
#include <linux/rcupdate.h>

/*
 * Does this entry point at a PTE table? Looks at the value alone. !pmd_bad(), but
 * for the question where the flags of a huge entry begin: the answer is no for one
 * in any case. It is asked once for every table of a process.
 */
static inline bool pmd_is_table(pmd_t pmd)
{
	return (pmd_val(pmd) & ~PTE_PFN_MASK &
		~(_PAGE_USER | _PAGE_ACCESSED)) ==
	       (_KERNPG_TABLE & ~_PAGE_ACCESSED);
}

/*
 * What keeps a table that is known by a copy of its PMD entry: an RCU read-side
 * critical section, of whichever kind (interrupts are off in the walk), or its lock, a
 * spin lock, which is one as well.
 */
static inline void assert_table_stays(void)
{
	RCU_LOCKDEP_WARN(!rcu_read_lock_any_held(), "nothing keeps the PTE table");
}

/*
 * The PTEs of the table that this entry points at. Not pte_offset_map(), which
 * looks at a PMD entry again, and clears it if it seems bad: the entry is a
 * copy. 64-bit kernels have all tables mapped.
 */
static inline pte_t *pmd_ptes(pmd_t pmd)
{
	assert_table_stays();
	return __va(pmd_val(pmd) & PTE_PFN_MASK);
}

/* The PTE table's; under the same conditions. */
static inline struct ptdesc *pmd_table_ptdesc(pmd_t pmd)
{
	assert_table_stays();
	return page_ptdesc(pfn_to_page((pmd_val(pmd) & PTE_PFN_MASK) >>
				       PAGE_SHIFT));
}

/* That of the PMD table that an entry is in. */
static inline struct ptdesc *pmds_ptdesc(pmd_t *pmdp)
{
	return page_ptdesc(pfn_to_page(((unsigned long)pmdp - PAGE_OFFSET) >>
				       PAGE_SHIFT));
}

/* Two cache lines of entries are looked at in one go. */
#define PTES_AT_ONCE	16

/* On x86 pte_none() looks at a mask of the value: it may be asked about several. */
static inline bool ptes_none(const pte_t *ptes)
{
	/*
	 * data_race(): without the PTE lock the answer is a hint, and under it
	 * the entries do not change while all of them are none. Plain reads can
	 * be folded into the operations: an empty table takes 512 of them.
	 */
	pteval_t all = data_race(ptes[0].pte | ptes[1].pte |
				 ptes[2].pte | ptes[3].pte |
				 ptes[4].pte | ptes[5].pte |
				 ptes[6].pte | ptes[7].pte |
				 ptes[8].pte | ptes[9].pte |
				 ptes[10].pte | ptes[11].pte |
				 ptes[12].pte | ptes[13].pte |
				 ptes[14].pte | ptes[15].pte);

	return pte_none(native_make_pte(all));
}

/* All from @first to @last, and those that are looked at in one go with them? */
static inline bool pte_range_none(const pte_t *table, unsigned int first,
				  unsigned int last)
{
	first &= ~(PTES_AT_ONCE - 1);
	while (first <= last && ptes_none(table + first))
		first += PTES_AT_ONCE;
	return first > last;
}

/*
 * Returns the index of the first entry that is not none, PTRS_PER_PTE if there
 * is none.
 */
static inline unsigned int first_used_pte(pte_t *table)
{
	unsigned int i;

	BUILD_BUG_ON(PTRS_PER_PTE % PTES_AT_ONCE);

	for (i = 0; i < PTRS_PER_PTE; i += PTES_AT_ONCE) {
		if (!ptes_none(table + i))
			break;
	}
	for (; i < PTRS_PER_PTE; i++) {
		if (!pte_none(ptep_get_lockless(table + i)))
			break;
	}
	return i;
}

/*
 * Now, for ptdesc->pt_empty_since, where 0 means not empty. Never in the future,
 * so that an age is right for 49 days (HZ=1000) and young once for a moment then.
 */
static inline u32 empty_since_now(void)
{
	return (u32)jiffies ?: U32_MAX;
}

/*
 * Has the table been seen empty for @min_age jiffies? One that was not may have
 * been allocated this instant, for a fault that is about to fill it.
 */
static inline bool table_has_aged(struct ptdesc *ptdesc, unsigned long min_age)
{
	u32 since = READ_ONCE(ptdesc->pt_empty_since);

	if (!min_age)
		return true;
	return since && (u32)jiffies - since >= min_age;
}

#endif /* _MM_PT_RECLAIM_TABLE_H */
