/* SPDX-License-Identifier: GPL-2.0 */
/*
 * The story of a process that is killed for its empty page tables: it uses 64 MiB,
 * and then a page in each of as many tables as take 200 MiB, giving each back at once.
 * Where there are 128 MiB for it, it needs somebody who takes the tables away.
 */
#ifndef _SELFTESTS_MM_PT_RECLAIM_STORY_H
#define _SELFTESTS_MM_PT_RECLAIM_STORY_H

#include "pt_reclaim_cgroup.h"
#include "pt_reclaim_util.h"

#define PT_MIB			(1024L * 1024)
#define PT_STORY_USED		(64 * PT_MIB)
#define PT_STORY_TABLES		(200 * PT_MIB / (long)PT_PAGE)
#define PT_STORY_LIMIT		"134217728"

struct pt_story {
	const struct pt_group *group;	/* NULL: where the caller is */
	unsigned long setting;		/* of prctl(PR_SET_PT_RECLAIM) */
	int oom_score_adj;
};

/*
 * Has it happen in a child. How that has ended, as waitpid() says it; the exit code
 * is 0 if it has all that it stored. Negative errno.
 */
int pt_tell(const struct pt_story *story);

/* Anonymous memory, NULL on failure */
char *pt_story_map(size_t bytes);
/* Uses a page of each of so many tables, and gives it back, one after the other. */
int pt_waste(char *start, long tables);

#endif /* _SELFTESTS_MM_PT_RECLAIM_STORY_H */
