// SPDX-License-Identifier: GPL-2.0
/*
 * pt_reclaim_torture: what the kernel says about mappings, against the shadow.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <unistd.h>

#include "pt_reclaim_pagemap_scan.h"
#include "pt_reclaim_torture.h"

#define PRESENT_OR_SWAPPED	(PT_PAGEMAP_PRESENT | PT_PAGEMAP_SWAPPED)

/* Must there be an entry? Pages of a file may be mapped or not. */
static bool must_be_there(__u32 flags)
{
	return flags & T_OWN && !(flags & T_LAZY);
}

/*
 * Can there be none? Asked after the entry was read: who makes a huge page says
 * so before. A marker counts as swapped.
 */
static bool must_be_absent(struct torture_region *region, size_t page)
{
	return !(region->page[page].flags & T_THERE) &&
	       !torture_is_huge(region, page);
}

static bool check_entry(struct torture_thread *self,
			struct torture_region *region, size_t page,
			__u64 entry, const char *name)
{
	__u32 flags = region->page[page].flags;
	__u64 wrong = flags & T_WP ? PT_PAGEMAP_PRESENT : PRESENT_OR_SWAPPED;
	const char *expected = NULL;

	if (must_be_there(flags) && !(entry & PRESENT_OR_SWAPPED))
		expected = "present or swapped";
	else if (entry & wrong && must_be_absent(region, page))
		expected = "nothing";
	else if (region->kind & R_WP &&
		 !(entry & PT_PAGEMAP_UFFD_WP) != !(flags & T_WP))
		expected = flags & T_WP ? "write-protected" :
					  "not write-protected";
	if (!expected)
		return true;
	torture_failed(self, region, page, "%s: expected %s, seen %#llx", name,
		       expected, entry);
	return false;
}

static bool pagemap_failed(struct torture_thread *self,
			   struct torture_region *region, size_t page, int err)
{
	torture_failed(self, region, page, "/proc/self/pagemap: %s",
		       strerror(-err));
	return false;
}

/* The alias maps the same pages of the file, or none. */
static bool check_alias(struct torture_thread *self,
			struct torture_region *region, size_t page,
			size_t pages)
{
	__u64 *entries = (__u64 *)self->buffer;
	size_t i;
	int err;

	err = pt_pagemap_read(self->pagemap, region->alias + page * PT_PAGE,
			      entries, pages);
	if (err)
		return pagemap_failed(self, region, page, err);
	for (i = 0; i < pages; i++) {
		if (!check_entry(self, region, page + i, entries[i],
				 "pagemap of the alias"))
			return false;
	}
	return true;
}

/* Of at most one table; locked */
bool torture_check_pagemap(struct torture_thread *self,
			   struct torture_region *region, size_t page,
			   size_t pages)
{
	__u64 *entries = (__u64 *)self->buffer;
	size_t i;
	int err;

	err = pt_pagemap_read(self->pagemap, torture_at(region, page), entries,
			      pages);
	if (err)
		return pagemap_failed(self, region, page, err);
	for (i = 0; i < pages; i++) {
		if (!check_entry(self, region, page + i, entries[i],
				 "pagemap"))
			return false;
	}
	return !region->alias || check_alias(self, region, page, pages);
}

/* A table, or a stretch of one */
static size_t pick_stretches(struct torture_thread *self, size_t *page)
{
	size_t pages = torture_chance(self, 2) ? PT_TABLE_PAGES :
						 STRETCH_PAGES;

	*page -= *page % pages;
	return pages;
}

void torture_op_pagemap(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region);
	size_t pages = pick_stretches(self, &page);

	torture_lock(self, region, page, pages);
	torture_check_pagemap(self, region, page, pages);
}

/* The entries of all the regions that were found; negative errno */
static long scan(struct torture_thread *self, struct torture_region *region,
		 size_t page, size_t pages, __u64 flags)
{
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.flags = flags,
		.start = (uintptr_t)torture_at(region, page),
		.end = (uintptr_t)torture_at(region, page + pages),
		.vec = (uintptr_t)self->buffer,
		.vec_len = PT_TABLE_PAGES,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	long found = ioctl(self->pagemap, PAGEMAP_SCAN, &arg);

	if (found < 0)
		return -errno;
	return arg.walk_end == arg.end ? found : -EIO;
}

const char *torture_no_scan(void)
{
	struct pm_scan_arg arg = { .size = sizeof(arg) };
	int fd = pt_pagemap_open();
	bool known;

	if (torture_no_wp())
		return torture_no_wp();
	/* Nothing asked for: wrong, but known */
	known = fd >= 0 && (!ioctl(fd, PAGEMAP_SCAN, &arg) || errno != ENOTTY);
	if (fd >= 0)
		close(fd);
	return known ? NULL : "no PAGEMAP_SCAN";
}

static bool is_found(const struct page_region *found, long nr, const char *at)
{
	for (; nr; nr--, found++) {
		if ((uintptr_t)at >= found->start && (uintptr_t)at < found->end)
			return true;
	}
	return false;
}

/*
 * What was written since it was protected, whether it is there or not: a kernel
 * without page table reclaim may have been more forgetful.
 */
static bool must_be_written(struct torture_region *region, size_t page)
{
	__u32 flags = region->page[page].flags;

	return !(flags & T_WP) &&
	       (torture.present || (flags & T_OWN && !(flags & T_LAZY)));
}

/* Who has written? And protects what is found, in the same step. */
void torture_op_scan(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, R_ASYNC, 0);
	size_t page = torture_pick_page(self, region), i;
	size_t pages = pick_stretches(self, &page);
	bool protect = torture_chance(self, 2), seen;
	struct page_region *found = (struct page_region *)self->buffer;
	long nr;

	torture_lock(self, region, page, pages);
	nr = scan(self, region, page, pages, protect ? PM_SCAN_WP_MATCHING |
		  PM_SCAN_CHECK_WPASYNC : 0);
	if (nr < 0) {
		torture_failed(self, region, page, "PAGEMAP_SCAN: %s",
			       strerror(-nr));
		return;
	}
	for (i = page; i < page + pages; i++) {
		seen = is_found(found, nr, torture_at(region, i));
		if (seen ? region->page[i].flags & T_WP :
			   must_be_written(region, i)) {
			torture_failed(self, region, i,
				       "PAGEMAP_SCAN: expected it %swritten",
				       seen ? "not " : "");
			return;
		}
		if (seen && protect)
			torture_set(region, i, T_WP);
	}
}

void torture_op_mincore(struct torture_thread *self)
{
	struct torture_region *region = torture_pick_region(self, 0, 0);
	size_t page = torture_pick_page(self, region), i;
	size_t pages = pick_stretches(self, &page);
	unsigned char *resident = (unsigned char *)self->buffer;

	torture_lock(self, region, page, pages);
	if (mincore(torture_at(region, page), pages * PT_PAGE, resident)) {
		torture_failed(self, region, page, "mincore(): %s",
			       strerror(errno));
		return;
	}
	for (i = 0; i < pages; i++) {
		if (!(resident[i] & 1) || !must_be_absent(region, page + i))
			continue;
		torture_failed(self, region, page + i,
			       "mincore(): expected nothing, seen a page");
		return;
	}
}

/* No mapping has more in memory than it is large. */
static bool line_is_right(const char *line, unsigned long *size_kb)
{
	unsigned long kb;

	if (sscanf(line, "Size: %lu kB", &kb) == 1)
		*size_kb = kb;
	else if (sscanf(line, "Rss: %lu kB", &kb) == 1 ||
		 sscanf(line, "Pss: %lu kB", &kb) == 1 ||
		 sscanf(line, "Swap: %lu kB", &kb) == 1)
		return kb <= *size_kb;
	return true;
}

/* All of them, without a lock: walkers in everybody's way */
void torture_op_smaps(struct torture_thread *self)
{
	static const char * const paths[] = {
		"/proc/self/smaps", "/proc/self/smaps_rollup",
		"/proc/self/numa_maps",
	};
	const char *path = paths[torture_draw(self, ARRAY_SIZE(paths))];
	unsigned long size_kb = ~0UL;
	FILE *file = fopen(path, "re");
	char line[512];
	bool right = true;

	if (!file)
		return;
	while (right && !torture_over() && fgets(line, sizeof(line), file))
		right = line_is_right(line, &size_kb);
	if (!right)
		torture_failed(self, NULL, 0, "%s: %s of %lu kB", path, line,
			       size_kb);
	fclose(file);
}
