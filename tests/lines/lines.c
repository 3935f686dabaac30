// SPDX-License-Identifier: GPL-2.0
/*
 * How many cache lines, and instructions, a look at a PTE table takes: the walk
 * of mm/pt_reclaim/find.c itself, over page tables in a program.
 *
 * usage: lines live|empty|unmarked TABLES REPEAT
 *
 * Compiled with -fsanitize=thread the compiler puts a call before each access to
 * memory; the functions that it calls are here, and write down the lines.
 * Otherwise the program is for cachegrind, and the walk runs REPEAT times.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "world.h"
#include "internal.h"

#define LINE	64

volatile unsigned long jiffies = 1000000;
char *memory;
struct page *memory_map;

static size_t memory_pages, pages_used;

/* Zeroed and aligned; what is touched here is not counted. */
static void *allocate(size_t bytes)
{
	void *at = aligned_alloc(4096, (bytes + 4095) & ~4095UL);

	if (!at)
		exit(1);
	memset(at, 0, bytes);
	return at;
}

static u64 new_table(void)
{
	if (pages_used == memory_pages)
		exit(1);
	return (u64)pages_used++ << PAGE_SHIFT;
}

static u64 *descend(u64 *entry)
{
	if (!*entry)
		*entry = new_table() | _PAGE_TABLE;
	return (u64 *)(memory + (*entry & PFN_MASK));
}

static struct ptdesc *ptdesc_of(u64 entry)
{
	return (struct ptdesc *)&memory_map[(entry & PFN_MASK) >> PAGE_SHIFT];
}

enum kind { LIVE, EMPTY, UNMARKED };

/* A table is marked, has a live entry where one was found last, or neither. */
static void build(struct mm_struct *mm, size_t tables, enum kind kind)
{
	size_t i;

	memory_pages = tables + tables / 512 + 8;
	memory = allocate(memory_pages << PAGE_SHIFT);
	memory_map = allocate(memory_pages * sizeof(struct page));
	mm->pgd = (pgd_t *)(memory + new_table());
	for (i = 0; i < tables; i++) {
		u64 *pud = descend((u64 *)mm->pgd) + i / 512;
		u64 *pmd = descend(pud) + i % 512;
		u64 *ptes = descend(pmd);
		unsigned int live = i * 37 % 512;

		if (kind != EMPTY)
			ptes[live] = 0x8000000000000867UL;
		ptdesc_of(*pmd)->pt_last_used = live;
		ptdesc_of(*pmd)->pt_marked = kind != UNMARKED;
		ptdesc_of(*pud)->pt_marked = 1;
	}
}

/*
 * What is looked at in a sweep has to be looked at whether it is marked or not.
 * Nothing is old enough to be taken.
 */
static unsigned long walk(struct mm_struct *mm, size_t tables, enum kind kind)
{
	static struct pt_reclaim_control ctl;

	ctl = (struct pt_reclaim_control) {
		.mm = mm,
		.end = tables * PMD_SIZE,
		.budget = ULONG_MAX,
		.min_age = 1000,
		.sweep = kind != UNMARKED,
	};
	while (ctl.addr < ctl.end)
		pt_reclaim_find(&ctl);
	return ctl.stats.scanned;
}

#ifdef COUNT_LINES

#define WORD_BITS	(8 * sizeof(unsigned long))

/*
 * One bit for each line of the tables and of their ptdescs. What else is touched
 * is the state of the walk itself: the same few lines for all tables.
 */
struct region {
	char *start;
	size_t lines;
	unsigned long *touched;
	unsigned long count;
};

static struct region regions[2];
static unsigned long accesses, other_lines[4096];
static size_t nr_other;
static bool counting;

static void touch_other(unsigned long line)
{
	size_t i;

	for (i = 0; i < nr_other; i++) {
		if (other_lines[i] == line)
			return;
	}
	if (nr_other < 4096)
		other_lines[nr_other++] = line;
}

static void touch(void *address)
{
	struct region *region;
	size_t line;

	if (!counting)
		return;
	accesses++;
	for (region = regions; region < regions + 2; region++) {
		line = ((char *)address - region->start) / LINE;
		if ((char *)address < region->start || line >= region->lines)
			continue;
		if (!(region->touched[line / WORD_BITS] >> line % WORD_BITS & 1))
			region->count++;
		region->touched[line / WORD_BITS] |= 1UL << line % WORD_BITS;
		return;
	}
	touch_other((unsigned long)address / LINE);
}

static void region_init(struct region *region, void *start, size_t bytes)
{
	region->start = start;
	region->lines = bytes / LINE;
	region->touched = allocate(region->lines / 8 + 8);
}

/* What -fsanitize=thread calls. */
#define ACCESS(name) void name(void *address); \
	void name(void *address) { touch(address); }
#define ACCESSES(size)				\
	ACCESS(__tsan_read##size)		\
	ACCESS(__tsan_write##size)		\
	ACCESS(__tsan_volatile_read##size)	\
	ACCESS(__tsan_volatile_write##size)	\
	ACCESS(__tsan_unaligned_read##size)	\
	ACCESS(__tsan_unaligned_write##size)
ACCESSES(1)
ACCESSES(2)
ACCESSES(4)
ACCESSES(8)
ACCESSES(16)

void __tsan_init(void);
void __tsan_func_entry(void *from);
void __tsan_func_exit(void);
void __tsan_read_range(void *address, unsigned long bytes);
void __tsan_write_range(void *address, unsigned long bytes);
u8 __tsan_atomic8_exchange(u8 *address, u8 value, int order);
u32 __tsan_atomic32_fetch_add(u32 *address, u32 value, int order);

void __tsan_init(void) { }
void __tsan_func_entry(void *from) { (void)from; }
void __tsan_func_exit(void) { }

void __tsan_read_range(void *address, unsigned long bytes)
{
	unsigned long at;

	for (at = 0; at < bytes; at += 8)
		touch((char *)address + at);
}

void __tsan_write_range(void *address, unsigned long bytes)
{
	__tsan_read_range(address, bytes);
}

u8 __tsan_atomic8_exchange(u8 *address, u8 value, int order)
{
	u8 old = *address;

	(void)order;
	touch(address);
	*address = value;
	return old;
}

u32 __tsan_atomic32_fetch_add(u32 *address, u32 value, int order)
{
	u32 old = *address;

	(void)order;
	touch(address);
	*address += value;
	return old;
}

static void count(struct mm_struct *mm, size_t tables, enum kind kind)
{
	region_init(&regions[0], memory, memory_pages << PAGE_SHIFT);
	region_init(&regions[1], memory_map, memory_pages * sizeof(struct page));
	counting = true;
	walk(mm, tables, kind);
	counting = false;
	printf("lines_of_tables %.3f\n", (double)regions[0].count / tables);
	printf("lines_of_ptdescs %.3f\n", (double)regions[1].count / tables);
	printf("lines %.3f\n",
	       (double)(regions[0].count + regions[1].count) / tables);
	printf("accesses %.3f\n", (double)accesses / tables);
	printf("lines_of_the_walk %zu\n", nr_other);
}

#endif /* COUNT_LINES */

static enum kind kind_of(const char *name)
{
	if (!strcmp(name, "live"))
		return LIVE;
	if (!strcmp(name, "empty"))
		return EMPTY;
	if (!strcmp(name, "unmarked"))
		return UNMARKED;
	fprintf(stderr, "lines: %s is not live, empty or unmarked\n", name);
	exit(2);
}

int main(int argc, char **argv)
{
	struct mm_struct mm = { };
	unsigned long scanned = 0;
	size_t tables, repeat;
	enum kind kind;

	if (argc != 4) {
		fprintf(stderr, "usage: lines live|empty|unmarked TABLES REPEAT\n");
		return 2;
	}
	kind = kind_of(argv[1]);
	tables = strtoul(argv[2], NULL, 0);
	repeat = strtoul(argv[3], NULL, 0);
	build(&mm, tables, kind);
#ifdef COUNT_LINES
	(void)repeat;
	(void)scanned;
	count(&mm, tables, kind);
#else
	while (repeat--)
		scanned += walk(&mm, tables, kind);
	fprintf(stderr, "%lu tables looked at\n", scanned);
#endif
	return 0;
}
