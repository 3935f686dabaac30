// SPDX-License-Identifier: GPL-2.0
/* Memory cgroups for the tests. */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mount.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pt_reclaim_cgroup.h"
#include "pt_reclaim_util.h"

#define CGROUPS		"/sys/fs/cgroup"

static bool has_memory_controller(const char *root)
{
	char path[128], controllers[256];

	snprintf(path, sizeof(path), "%s/cgroup.controllers", root);
	return !pt_read_file(path, controllers, sizeof(controllers)) &&
	       strstr(controllers, "memory");
}

static bool mount_cgroups(struct pt_cgroups *cgroups)
{
	snprintf(cgroups->root, sizeof(cgroups->root), "/tmp/pt_reclaim.XXXXXX");
	if (!mkdtemp(cgroups->root))
		return false;
	cgroups->mounted = !mount("cgroup2", cgroups->root, "cgroup2", 0, NULL);
	if (!cgroups->mounted)
		rmdir(cgroups->root);
	return cgroups->mounted;
}

/* Page tables are among what it can be told not to charge. */
static bool kernel_memory_is_charged(void)
{
	char line[4096];

	return pt_read_file("/proc/cmdline", line, sizeof(line)) ||
	       !strstr(line, "nokmem");
}

bool pt_cgroups_find(struct pt_cgroups *cgroups)
{
	char control[128];

	cgroups->mounted = false;
	if (!kernel_memory_is_charged())
		return false;
	snprintf(cgroups->root, sizeof(cgroups->root), CGROUPS);
	if (!has_memory_controller(cgroups->root) &&
	    (!mount_cgroups(cgroups) || !has_memory_controller(cgroups->root))) {
		pt_cgroups_leave(cgroups);
		return false;
	}
	snprintf(control, sizeof(control), "%s/cgroup.subtree_control",
		 cgroups->root);
	return !pt_write_file(control, "+memory");
}

void pt_cgroups_leave(struct pt_cgroups *cgroups)
{
	if (!cgroups->mounted)
		return;
	umount2(cgroups->root, MNT_DETACH);
	rmdir(cgroups->root);
	cgroups->mounted = false;
}

int pt_group_make(struct pt_group *group, const struct pt_cgroups *cgroups,
		  const char *name)
{
	snprintf(group->path, sizeof(group->path), "%s/pt_reclaim.%d.%s",
		 cgroups->root, getpid(), name);
	if (!mkdir(group->path, 0755))
		return 0;
	group->path[0] = '\0';
	return -errno;
}

void pt_group_remove(struct pt_group *group)
{
	if (group->path[0])
		pt_wait(10, "a cgroup to be empty",
			!rmdir(group->path) || errno == ENOENT);
	group->path[0] = '\0';
}

int pt_group_write(const struct pt_group *group, const char *file,
		   const char *text)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", group->path, file);
	return pt_write_file(path, text);
}

int pt_group_join(const struct pt_group *group, pid_t pid)
{
	char text[16];

	snprintf(text, sizeof(text), "%d", pid);
	return pt_group_write(group, "cgroup.procs", text);
}

long long pt_group_number(const struct pt_group *group, const char *file)
{
	char path[192];

	snprintf(path, sizeof(path), "%s/%s", group->path, file);
	return pt_read_number(path);
}

long long pt_group_stat(const struct pt_group *group, const char *file,
			const char *key)
{
	char path[192], text[8192], *line, *rest;
	size_t len = strlen(key);

	snprintf(path, sizeof(path), "%s/%s", group->path, file);
	if (pt_read_file(path, text, sizeof(text)))
		return -1;
	for (line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (!strncmp(line, key, len) && line[len] == ' ')
			return atoll(line + len);
	}
	return -1;
}
