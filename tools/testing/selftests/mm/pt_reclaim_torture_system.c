// SPDX-License-Identifier: GPL-2.0
/*
 * pt_reclaim_torture: what changes for the whole process or system while all
 * else goes on.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/swap.h>
#include <unistd.h>

#include "pt_reclaim_torture.h"

/* How long it is otherwise than it is to be, at most */
#define MOST_MSECS	20
/* Swapping all of it in again takes a while, and then nothing is swapped out. */
#define SWAP_SECONDS	15

/* Who finds it taken leaves it at that. */
static pthread_mutex_t changing = PTHREAD_MUTEX_INITIALIZER;
static double last_swapoff;

const char *torture_no_control(void)
{
	if (!torture.present)
		return "no kptreclaimd";
	return torture.control ? NULL : "only root can change the mode";
}

const char *torture_no_root(void)
{
	return geteuid() ? "for root only" : NULL;
}

/* The swap device in use; false if there is none, or another than devices */
static bool swap_device(char *path, size_t size)
{
	char line[256], name[192], type[32];
	FILE *file = fopen("/proc/swaps", "re");
	bool found = false;

	while (file && fgets(line, sizeof(line), file)) {
		if (sscanf(line, "%191s %31s", name, type) == 2 &&
		    !strcmp(type, "partition")) {
			snprintf(path, size, "%s", name);
			found = true;
		}
	}
	if (file)
		fclose(file);
	return found;
}

const char *torture_no_swap(void)
{
	char path[192];

	if (!torture.swap)
		return "not asked for (-S)";
	if (geteuid())
		return "for root only";
	return swap_device(path, sizeof(path)) ? NULL : "no swap device";
}

/*
 * How long a turn is, whether there are sweeps, and now and then hardly any CPU time:
 * visits end in the middle, and tables are found by marks alone or without any.
 */
static int set_pace(struct torture_thread *self)
{
	static const unsigned int turns[] = { 1, 7, 64, 511, 4096, 65536 };
	static const unsigned int sweeps[] = { 0, 1, 2, 10, 360 };
	unsigned int percent = 100;
	int err;

	if (!torture_draw(self, 8))
		percent = 1 + torture_draw(self, 100);
	err = pt_set_knob("tables_to_scan",
			  turns[torture_draw(self, ARRAY_SIZE(turns))]);
	if (!err)
		err = pt_set_knob("sweep_rounds",
				  sweeps[torture_draw(self,
						      ARRAY_SIZE(sweeps))]);
	return err ? err : pt_set_knob("max_cpu_percent", percent);
}

void torture_op_mode(struct torture_thread *self)
{
	static const char * const modes[] = { "always", "madvise", "never" };
	unsigned int msecs = torture_draw(self, MOST_MSECS);
	unsigned int mode = torture_draw(self, ARRAY_SIZE(modes));
	int err;

	if (pthread_mutex_trylock(&changing))
		return;
	err = pt_set_mode(modes[mode]);
	if (!err)
		err = pt_set_knob("scan_sleep_millisecs",
				  1 + torture_draw(self, 3));
	if (!err)
		err = set_pace(self);
	pt_pause_ms(msecs);
	if (!err)
		err = pt_set_knob("max_cpu_percent", 100);
	if (!err)
		err = pt_set_knob("scan_sleep_millisecs", 1);
	if (!err)
		err = pt_set_mode("always");
	pthread_mutex_unlock(&changing);
	if (err)
		torture_failed(self, NULL, 0, "setting %s: %s", modes[mode],
			       strerror(-err));
}

void torture_op_prctl(struct torture_thread *self)
{
	unsigned long setting = torture_draw(self, 3);
	unsigned int msecs = torture_draw(self, MOST_MSECS);
	int seen;

	if (pthread_mutex_trylock(&changing))
		return;
	if (prctl(PR_SET_PT_RECLAIM, setting, 0, 0, 0))
		torture_failed(self, NULL, 0, "PR_SET_PT_RECLAIM: %s",
			       strerror(errno));
	seen = prctl(PR_GET_PT_RECLAIM, 0, 0, 0, 0);
	if (seen != (int)setting)
		torture_failed(self, NULL, 0,
			       "PR_GET_PT_RECLAIM: expected %lu, seen %d",
			       setting, seen);
	pt_pause_ms(msecs);
	prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_DEFAULT, 0, 0, 0);
	pthread_mutex_unlock(&changing);
}

/* Everything comes back from swap while it is in use. */
void torture_op_swap(struct torture_thread *self)
{
	char path[192];

	if (pthread_mutex_trylock(&changing))
		return;
	if (pt_now() - last_swapoff > SWAP_SECONDS &&
	    swap_device(path, sizeof(path))) {
		/* It may fail for lack of memory, but then swap is still on. */
		if (!swapoff(path) && swapon(path, 0))
			torture_failed(self, NULL, 0, "swapon(%s): %s", path,
				       strerror(errno));
		last_swapoff = pt_now();
	}
	pthread_mutex_unlock(&changing);
}

/* Pages are migrated: their entries are neither present nor none. */
void torture_op_compact(struct torture_thread *self)
{
	(void)self;
	pt_write_file("/proc/sys/vm/compact_memory", "1");
}
