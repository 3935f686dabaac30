// SPDX-License-Identifier: GPL-2.0
/* The story of a process that is killed for its empty page tables. */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "pt_reclaim_story.h"

#define STORY_SECONDS	300

int pt_waste(char *start, long tables)
{
	long i;

	for (i = 0; i < tables; i++) {
		char *page = start + i * PT_TABLE;

		*page = 1;
		if (madvise(page, PT_PAGE, MADV_DONTNEED))
			return -errno;
	}
	return 0;
}

char *pt_story_map(size_t bytes)
{
	char *start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
			   MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE, -1, 0);

	return start == MAP_FAILED ? NULL : start;
}

static int become(const struct pt_story *story)
{
	char adj[16];

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	snprintf(adj, sizeof(adj), "%d", story->oom_score_adj);
	if (pt_write_file("/proc/self/oom_score_adj", adj) ||
	    (story->group && pt_group_join(story->group, 0)))
		return -1;
	return story->setting &&
	       prctl(PR_SET_PT_RECLAIM, story->setting, 0, 0, 0);
}

static __noreturn void live(const struct pt_story *story)
{
	char *used = pt_story_map(PT_STORY_USED);
	char *wasted = pt_story_map(PT_STORY_TABLES * PT_TABLE);
	long pages = PT_STORY_USED / PT_PAGE, page;

	if (!used || !wasted || become(story))
		_exit(2);
	for (page = 0; page < pages; page++)
		pt_fill_page(used + page * PT_PAGE, 1, page);
	if (pt_waste(wasted, PT_STORY_TABLES))
		_exit(3);
	for (page = 0; page < pages; page++) {
		if (!pt_page_is_intact(used + page * PT_PAGE, 1, page))
			_exit(4);
	}
	_exit(0);
}

int pt_tell(const struct pt_story *story)
{
	pid_t pid = fork();

	if (!pid)
		live(story);
	return pid < 0 ? -errno : pt_reap(pid, STORY_SECONDS, "the story to end");
}
