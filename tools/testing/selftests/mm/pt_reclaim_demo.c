// SPDX-License-Identifier: GPL-2.0
/*
 * The demonstration: programs that waste page tables, first under "never" and
 * then under "always", and one table that says what became of theirs. Then one that
 * is killed for its empty tables, and is not.
 *
 * On a kernel without the feature only the first half is shown.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_story.h"
#include "pt_reclaim_workloads.h"

/* Long enough for every program to give its memory back, even in emulation */
#define GIVE_BACK_SECONDS	120
#define GONE_SECONDS		30
/* What has not changed for so long is what is left. */
#define SETTLED_SECONDS		1

static const char * const shown_by_default[] = {
	"anon_2m", "anon_4k", "sparse", "hole_punch", "many_vmas", "jemalloc",
	"tcmalloc", NULL
};

static bool show_all;
static const char *only;
static unsigned int sleep_ms = 200;
static double never_seconds = 1;

/* Using one page in 64 KiB is enough to fill a table for all it matters. */
static const struct pt_options options = { .touch_every = 64 << 10 };

struct outcome {
	long start_kb;
	long peak_kb;
	long left_kb;
	long long system_tables;
	double seconds;		/* until it was gone; negative: it was not */
	int intact;		/* as pt_child_verify() */
	bool idle;		/* no round was made meanwhile */
};

static bool shown(const struct pt_workload *workload)
{
	int i;

	if (only)
		return !strcmp(workload->name, only);
	if (show_all)
		return true;
	for (i = 0; shown_by_default[i]; i++) {
		if (!strcmp(workload->name, shown_by_default[i]))
			return true;
	}
	return false;
}

/* Until nothing more goes away, or until no more is waited for. */
static void watch_tables_go(struct pt_child *child, struct outcome *outcome)
{
	long limit_kb = pt_child_limit_kb(child);
	double start = pt_now();
	double changed = start;
	long now_kb;

	outcome->left_kb = pt_child_vmpte_kb(child);
	do {
		pt_pause_ms(10);
		now_kb = pt_child_vmpte_kb(child);
		if (now_kb == outcome->left_kb)
			continue;
		outcome->left_kb = now_kb;
		changed = pt_now();
	} while ((outcome->left_kb > limit_kb &&
		  pt_now() - start < GONE_SECONDS * pt_patience()) ||
		 pt_now() - changed < SETTLED_SECONDS);
	outcome->seconds = outcome->left_kb > limit_kb ? -1 : changed - start;
}

static void watch_nothing_happen(struct pt_child *child,
				 struct outcome *outcome)
{
	long long rounds = pt_knob("full_scans");

	pt_pause_ms(never_seconds * 1000);
	outcome->idle = pt_knob("full_scans") == rounds;
	outcome->left_kb = pt_child_vmpte_kb(child);
}

static int run_once(const struct pt_workload *workload, bool always,
		    struct outcome *outcome)
{
	struct pt_child child;
	int err;

	memset(outcome, 0, sizeof(*outcome));
	if (pt_reclaim_present()) {
		err = pt_set_mode(always ? "always" : "never");
		if (err)
			return err;
	}
	err = pt_child_start(&child, workload, &options);
	if (err)
		return err;
	err = pt_child_given_back(&child, GIVE_BACK_SECONDS);
	if (!err) {
		outcome->start_kb = child.report.start_kb;
		outcome->peak_kb = child.report.peak_kb;
		if (always)
			watch_tables_go(&child, outcome);
		else
			watch_nothing_happen(&child, outcome);
		outcome->system_tables = pt_vmstat("nr_page_table_pages");
		outcome->intact = pt_child_verify(&child, GIVE_BACK_SECONDS);
	}
	pt_child_end(&child);
	return err;
}

static void print_header(void)
{
	printf("%-51s %24s  %17s\n", "", "VmPTE of the process, kB",
	       "page tables of");
	printf("%-51s %8s %7s %7s  %17s\n", "", "", "left", "left",
	       "the whole system");
	printf("%-51s %8s %7s %7s  %8s %8s  %7s  %s\n", "workload", "peak",
	       "never", "always", "never", "always", "gone in", "data intact");
	fflush(stdout);
}

static void print_without(const struct pt_workload *workload,
			  const struct outcome *never)
{
	printf("%-51s %8ld %7ld %7s  %8lld %8s  %7s  %s\n", workload->title,
	       never->peak_kb, never->left_kb, "-", never->system_tables, "-",
	       "-", never->intact == 1 ? "yes" : "NO");
	fflush(stdout);
}

static void print_both(const struct pt_workload *workload,
		       const struct outcome *never,
		       const struct outcome *always)
{
	bool intact = never->intact == 1 && always->intact == 1;
	char seconds[16];

	if (always->seconds < 0)
		snprintf(seconds, sizeof(seconds), "never");
	else
		snprintf(seconds, sizeof(seconds), "%.1f s", always->seconds);
	printf("%-51s %8ld %7ld %7ld  %8lld %8lld  %7s  %s\n", workload->title,
	       never->peak_kb, never->left_kb, always->left_kb,
	       never->system_tables, always->system_tables, seconds,
	       intact ? "yes" : "NO");
	fflush(stdout);
}

struct sums {
	long never_kb;
	long always_kb;
	bool good;
};

/* Whether the row is as it should be is the exit status of the whole. */
static void run_row(const struct pt_workload *workload, struct sums *sums)
{
	struct outcome never, always;

	if (workload->library && !pt_workload_library(workload)) {
		printf("%-51s (%s is not installed)\n", workload->title,
		       workload->library);
		return;
	}
	if (run_once(workload, false, &never)) {
		sums->good = false;
		return;
	}
	sums->good &= never.intact == 1;
	sums->never_kb += never.left_kb - never.start_kb;
	if (!pt_reclaim_present()) {
		print_without(workload, &never);
		return;
	}
	if (run_once(workload, true, &always)) {
		sums->good = false;
		return;
	}
	print_both(workload, &never, &always);
	if (!never.idle)
		pt_note("kptreclaimd made a round although the mode was never");
	sums->always_kb += always.left_kb - always.start_kb;
	sums->good &= always.intact == 1 && always.seconds >= 0 && never.idle;
}

static int parse_options(int argc, char **argv)
{
	int option;

	while ((option = getopt(argc, argv, "am:n:w:")) != -1) {
		switch (option) {
		case 'a':
			show_all = true;
			break;
		case 'm':
			sleep_ms = strtoul(optarg, NULL, 0);
			break;
		case 'n':
			never_seconds = strtod(optarg, NULL);
			break;
		case 'w':
			only = optarg;
			break;
		default:
			fprintf(stderr,
				"usage: %s [-a] [-w WORKLOAD] [-m SCAN_SLEEP_MILLISECS] [-n SECONDS]\n"
				"  -a  all workloads, not only the usual ones\n"
				"  -w  just this one\n"
				"  -m  how long kptreclaimd sleeps between two rounds\n"
				"  -n  how long to watch each program under \"never\"\n",
				argv[0]);
			return -EINVAL;
		}
	}
	if (only && !pt_find_workload(only)) {
		fprintf(stderr, "%s: there is no workload %s\n", argv[0], only);
		return -ENOENT;
	}
	return 0;
}

static void print_footer(const struct sums *sums)
{
	if (!pt_reclaim_present()) {
		printf("\nThis kernel has no kptreclaimd: %ld MiB of page tables stayed.\n",
		       sums->never_kb >> 10);
		return;
	}
	printf("\nPage tables left behind in all, beyond those at the start:\n");
	printf("never: %ld MiB (watched for %g s each)\n",
	       sums->never_kb >> 10, never_seconds);
	printf("always: %ld KiB (scan_sleep_millisecs is %u)\n",
	       sums->always_kb, sleep_ms);
	printf("What is left has a page that is in use, or is a PMD table: one for each GiB.\n");
}

/* How the story ends in a mode, in a cgroup of its own. Good unless it is lost. */
static bool print_story(struct pt_group *group, const char *mode)
{
	struct pt_story story = { .group = group };
	long long taken = pt_knob("tables_reclaimed_pressure");
	int status;

	if (pt_reclaim_present() && pt_set_mode(mode))
		return false;
	printf("%s: ", mode);
	fflush(stdout);
	status = pt_tell(&story);
	if (WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL)
		printf("killed, oom_kill %lld\n",
		       pt_group_stat(group, "memory.events", "oom_kill"));
	else if (status)
		printf("ended badly, status %#x\n", status);
	else
		printf("lives on, data intact; memory reclaim has taken %lld tables\n",
		       pt_knob("tables_reclaimed_pressure") - taken);
	return !status;
}

/* A process of 64 MiB in a cgroup of 128 MiB, that leaves 200 MiB of empty tables */
static bool tell_story(void)
{
	struct pt_cgroups cgroups;
	struct pt_group group = { };
	bool good = true;

	if (!pt_cgroups_find(&cgroups)) {
		printf("\n(no cgroup2 with a memory controller)\n");
		return true;
	}
	printf("\nA process that uses 64 MiB and leaves 200 MiB of empty tables, in a cgroup with\n"
	       "memory.max=128M and no swap:\n");
	if (pt_group_make(&group, &cgroups, "story") ||
	    pt_group_write(&group, "memory.max", PT_STORY_LIMIT))
		good = false;
	pt_group_write(&group, "memory.swap.max", "0");
	if (good) {
		print_story(&group, "never");
		if (pt_reclaim_present())
			good = print_story(&group, "always");
	}
	pt_group_remove(&group);
	pt_cgroups_leave(&cgroups);
	return good;
}

int main(int argc, char **argv)
{
	const struct pt_workload *workload;
	struct sums sums = { .good = true };

	if (parse_options(argc, argv))
		return 2;
	pt_guard_settings();
	if (pt_reclaim_present() &&
	    pt_set_knob("scan_sleep_millisecs", sleep_ms)) {
		fprintf(stderr, "%s: cannot set scan_sleep_millisecs: %s\n",
			argv[0], strerror(errno));
		return 1;
	}
	print_header();
	for (workload = pt_workloads; workload->name; workload++) {
		if (shown(workload))
			run_row(workload, &sums);
	}
	print_footer(&sums);
	if (!only)
		sums.good &= tell_story();
	return !sums.good;
}
