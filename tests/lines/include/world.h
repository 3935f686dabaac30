/* SPDX-License-Identifier: GPL-2.0 */
/*
 * As much of the kernel as mm/pt_reclaim/find.c needs, in a program: page tables
 * of four levels in one block of memory, and their ptdescs in another. Sizes and
 * alignments are the kernel's, because cache lines are counted.
 */
#ifndef _LINES_WORLD_H
#define _LINES_WORLD_H

#include <limits.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>

#define noinline	__attribute__((__noinline__))

typedef uint64_t u64;
typedef uint32_t u32;
typedef uint16_t u16;
typedef uint8_t u8;

#define EINVAL			22
#define U32_MAX			UINT32_MAX
#define likely(x)		__builtin_expect(!!(x), 1)
#define unlikely(x)		__builtin_expect(!!(x), 0)
#define READ_ONCE(x)		(*(const volatile __typeof__(x) *)&(x))
#define WRITE_ONCE(x, value)	(*(volatile __typeof__(x) *)&(x) = (value))
#define data_race(x)		(x)
#define BUILD_BUG_ON(condition)	_Static_assert(!(condition), #condition)
#define ARRAY_SIZE(array)	(sizeof(array) / sizeof((array)[0]))
#define min(a, b)		((a) < (b) ? (a) : (b))
#define max(a, b)		((a) > (b) ? (a) : (b))
#define xchg(p, value)		__atomic_exchange_n(p, value, __ATOMIC_SEQ_CST)

typedef struct { int counter; } atomic_t;

static inline void atomic_inc(atomic_t *v)
{
	__atomic_fetch_add(&v->counter, 1, __ATOMIC_SEQ_CST);
}

static inline int atomic_read(const atomic_t *v)
{
	return READ_ONCE(v->counter);
}

/* One instruction each, which the kernel has too. */
#define local_irq_disable()	asm volatile("" : : : "memory")
#define local_irq_enable()	asm volatile("" : : : "memory")
#define lockdep_assert_irqs_disabled()	do { } while (0)
#define RCU_LOCKDEP_WARN(c, s)	do { } while (0)

extern volatile unsigned long jiffies;

struct page {
	char bytes[64];
};

struct ptdesc {
	char before[32];
	u32 pt_empty_since;
	u16 pt_last_used;
	u8 pt_marked;
} __attribute__((aligned(64)));

typedef u64 pteval_t;
typedef struct { pteval_t pte; } pte_t;
typedef struct { u64 pmd; } pmd_t;
typedef struct { u64 pud; } pud_t;
typedef struct { u64 p4d; } p4d_t;
typedef struct { u64 pgd; } pgd_t;

struct mm_struct {
	pgd_t *pgd;
	atomic_t pt_reclaim_marks;
};

struct vm_area_struct;

#define PAGE_SHIFT	12
#define PTRS_PER_PTE	512U
#define PMD_SHIFT	21
#define PUD_SHIFT	30
#define PGDIR_SHIFT	39
#define PMD_SIZE	(1UL << PMD_SHIFT)
#define PMD_MASK	(~(PMD_SIZE - 1))
#define PUD_SIZE	(1UL << PUD_SHIFT)
#define PUD_MASK	(~(PUD_SIZE - 1))
#define PGDIR_SIZE	(1UL << PGDIR_SHIFT)
#define PGDIR_MASK	(~(PGDIR_SIZE - 1))

#define _PAGE_PRESENT	0x1UL
#define _PAGE_PSE	0x80UL
#define _PAGE_TABLE	0x67UL
#define _KNL_ERRATUM	0x60UL
#define PFN_MASK	0x000ffffffffff000UL

/* "Physical" memory: addresses are offsets in it. */
extern char *memory;
extern struct page *memory_map;

static inline void *table_address(u64 entry)
{
	return memory + (entry & PFN_MASK);
}

static inline struct page *entry_page(u64 entry)
{
	return memory_map + ((entry & PFN_MASK) >> PAGE_SHIFT);
}

static inline bool entry_bad(u64 entry)
{
	return (entry & ~PFN_MASK & ~4UL & ~(1UL << 63)) !=
	       (_PAGE_TABLE & ~4UL);
}

#define pte_none(x)		(!((x).pte & ~_KNL_ERRATUM))
#define native_make_pte(x)	((pte_t){ x })
#define ptep_get_lockless(p)	READ_ONCE(*(p))
#define pmdp_get_lockless(p)	READ_ONCE(*(p))
#define pmd_val(x)		((x).pmd)
#define PTE_PFN_MASK		PFN_MASK
#define PAGE_OFFSET		((unsigned long)memory)
#define _PAGE_USER		0x4UL
#define _PAGE_ACCESSED		0x20UL
#define _KERNPG_TABLE		0x63UL
#define __va(x)			((void *)(memory + (x)))
#define pfn_to_page(pfn)	(memory_map + (pfn))
#define pud_val(x)		((x).pud)
#define pud_present(x)		((x).pud & _PAGE_PRESENT)
#define pud_leaf(x)		((x).pud & _PAGE_PSE)
#define pud_bad(x)		entry_bad((x).pud)
#define pud_page(x)		entry_page((x).pud)
#define pgd_present(x)		((x).pgd & _PAGE_PRESENT)
#define pgd_bad(x)		entry_bad((x).pgd)
#define page_ptdesc(page)	((struct ptdesc *)(page))

/* The level that four-level page tables do not have */
#define p4d_present(x)		true
#define p4d_leaf(x)		false
#define p4d_bad(x)		false
#define p4d_addr_end(addr, end)	(end)
#define p4d_offset_lockless(pgdp, pgd, addr)	((p4d_t *)(pgdp))

static inline pgd_t *pgd_offset(struct mm_struct *mm, unsigned long addr)
{
	return mm->pgd + (addr >> PGDIR_SHIFT & 511);
}

static inline pud_t *pud_offset_lockless(p4d_t *p4dp, p4d_t p4d,
					 unsigned long addr)
{
	(void)p4dp;
	return (pud_t *)table_address(p4d.p4d) + (addr >> PUD_SHIFT & 511);
}

static inline pmd_t *pmd_offset_lockless(pud_t *pudp, pud_t pud,
					 unsigned long addr)
{
	(void)pudp;
	return (pmd_t *)table_address(pud.pud) + (addr >> PMD_SHIFT & 511);
}

static inline unsigned long addr_end(unsigned long addr, unsigned long end,
				     unsigned long size)
{
	unsigned long boundary = (addr + size) & ~(size - 1);

	return boundary - 1 < end - 1 ? boundary : end;
}

#define pmd_addr_end(addr, end)	addr_end(addr, end, PMD_SIZE)
#define pud_addr_end(addr, end)	addr_end(addr, end, PUD_SIZE)
#define pgd_addr_end(addr, end)	addr_end(addr, end, PGDIR_SIZE)

#endif /* _LINES_WORLD_H */
