/* SPDX-License-Identifier: GPL-2.0 */
/*
 * Memory cgroups (cgroup2) for the tests.
 *
 * Functions that return int give 0 or a negative errno. A group is its path.
 */
#ifndef _SELFTESTS_MM_PT_RECLAIM_CGROUP_H
#define _SELFTESTS_MM_PT_RECLAIM_CGROUP_H

#include <stdbool.h>
#include <sys/types.h>

/* Where cgroups are, and whether we have mounted them there */
struct pt_cgroups {
	char root[64];
	bool mounted;
};

struct pt_group {
	char path[128];
};

/*
 * Mounts them if need be; false if there is no memory controller to be had, or one that
 * does not charge page tables.
 */
bool pt_cgroups_find(struct pt_cgroups *cgroups);
void pt_cgroups_leave(struct pt_cgroups *cgroups);

int pt_group_make(struct pt_group *group, const struct pt_cgroups *cgroups,
		  const char *name);
/* Waits until nobody is in it. */
void pt_group_remove(struct pt_group *group);
/* pid 0 is the caller */
int pt_group_join(const struct pt_group *group, pid_t pid);
int pt_group_write(const struct pt_group *group, const char *file,
		   const char *text);
long long pt_group_number(const struct pt_group *group, const char *file);
/* The number behind @key in a file of lines "key number"; negative if none is */
long long pt_group_stat(const struct pt_group *group, const char *file,
			const char *key);

#endif /* _SELFTESTS_MM_PT_RECLAIM_CGROUP_H */
