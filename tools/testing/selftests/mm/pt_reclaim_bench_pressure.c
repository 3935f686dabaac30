// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark: a process in a cgroup at its limit, that uses the same memory again
 * and again and leaves empty tables behind. Without anybody who takes them its memory
 * is swapped out for them. How much it waits for memory (PSI), and how long each
 * single attempt to reclaim some takes it.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_bench.h"
#include "pt_reclaim_story.h"

#define EVENTS		BENCH_TRACEFS "events/vmscan/"
#define BEGIN		"mm_vmscan_memcg_reclaim_begin"
#define END		"mm_vmscan_memcg_reclaim_end"

/* In each turn all of the memory is used once, and so many tables are left. */
#define USED_BYTES	(64 * PT_MIB)
#define LIMIT		"100663296"	/* 96 MiB */
#define TURNS		16
#define TURN_TABLES	1024L

static void trace_reclaim(bool on)
{
	bench_check(!pt_write_file(EVENTS BEGIN "/enable", on ? "1" : "0") &&
		    !pt_write_file(EVENTS END "/enable", on ? "1" : "0"),
		    EVENTS);
}

static int compare(const void *a, const void *b)
{
	__u64 x = *(const __u64 *)a;
	__u64 y = *(const __u64 *)b;

	return (x > y) - (x < y);
}

/* How long each attempt took; returns how many there were. */
static size_t read_stalls(__u64 **stalls)
{
	FILE *trace = fopen(BENCH_TRACEFS "trace", "r");
	size_t nr = 0, room = 1024;
	char line[1024], *event;
	__u64 began = 0;

	*stalls = malloc(room * sizeof(**stalls));
	bench_check(trace && *stalls, BENCH_TRACEFS "trace");
	while (fgets(line, sizeof(line), trace)) {
		event = strstr(line, BEGIN);
		if (event) {
			began = bench_trace_ticks(line, event);
			continue;
		}
		event = strstr(line, END);
		if (!event || !began)
			continue;
		if (nr == room) {
			room *= 2;
			*stalls = realloc(*stalls, room * sizeof(**stalls));
			bench_check(*stalls, "realloc");
		}
		(*stalls)[nr++] = bench_trace_ticks(line, event) - began;
		began = 0;
	}
	fclose(trace);
	qsort(*stalls, nr, sizeof(**stalls), compare);
	return nr;
}

static void print_stalls(const char *mode)
{
	__u64 *stalls;
	size_t nr = read_stalls(&stalls), i;
	unsigned int octaves[64] = { };
	double sum = 0;

	for (i = 0; i < nr; i++) {
		sum += stalls[i];
		octaves[63 - __builtin_clzll(stalls[i] | 1)]++;
	}
	for (i = 0; i < ARRAY_SIZE(octaves); i++) {
		if (octaves[i])
			bench_print(octaves[i], "pressure_%s.reclaim_from.%llu",
				    mode, 1ULL << i);
	}
	bench_print(nr, "pressure_%s.reclaims", mode);
	bench_print(sum, "pressure_%s.reclaim_all", mode);
	bench_print(nr ? stalls[nr / 2] : 0, "pressure_%s.reclaim_p50", mode);
	bench_print(nr ? stalls[nr - 1 - nr / 100] : 0,
		    "pressure_%s.reclaim_p99", mode);
	bench_print(nr ? stalls[nr - 1] : 0, "pressure_%s.reclaim_max", mode);
	free(stalls);
}

/* The microseconds in which somebody waited, or all did */
static long long psi_total(const struct pt_group *group, const char *who)
{
	char path[192], text[256], *line, *total;

	snprintf(path, sizeof(path), "%s/memory.pressure", group->path);
	bench_check(!pt_read_file(path, text, sizeof(text)), path);
	line = strstr(text, who);
	total = line ? strstr(line, "total=") : NULL;
	if (!total)
		bench_die("%s has no total for %s", path, who);
	return atoll(total + strlen("total="));
}

static __noreturn void use(const struct pt_group *group)
{
	char *used = pt_story_map(USED_BYTES);
	char *wasted = pt_story_map(TURNS * TURN_TABLES * PT_TABLE);
	long at;
	int turn;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (!used || !wasted || pt_group_join(group, 0))
		_exit(1);
	for (turn = 0; turn < TURNS; turn++) {
		for (at = 0; at < USED_BYTES; at += PT_PAGE)
			used[at]++;
		if (pt_waste(wasted + turn * TURN_TABLES * PT_TABLE, TURN_TABLES))
			_exit(1);
	}
	_exit(0);
}

static void measure_pressure(const struct pt_cgroups *cgroups, const char *mode)
{
	long long swapped = pt_vmstat("pswpout"), began;
	struct pt_group group;
	int status;
	pid_t pid;

	bench_check(!pt_group_make(&group, cgroups, mode), "a cgroup");
	bench_check(!pt_group_write(&group, "memory.max", LIMIT), "memory.max");
	bench_check(!pt_set_mode(mode), mode);
	bench_trace_begin();
	trace_reclaim(true);
	began = bench_ticks();
	pid = fork();
	if (!pid)
		use(&group);
	bench_check(pid > 0 && waitpid(pid, &status, 0) == pid, "fork");
	bench_print(bench_ticks() - began, "pressure_%s.all", mode);
	trace_reclaim(false);
	if (status)
		bench_die("the process under %s ended with status %#x", mode,
			  status);
	bench_print(psi_total(&group, "some"), "pressure_%s.some_us", mode);
	bench_print(psi_total(&group, "full"), "pressure_%s.full_us", mode);
	bench_print(pt_vmstat("pswpout") - swapped, "pressure_%s.swapped_out",
		    mode);
	print_stalls(mode);
	bench_trace_end();
	pt_group_remove(&group);
}

void bench_pressure(void)
{
	struct pt_cgroups cgroups;
	unsigned int pass;

	bench_check(pt_cgroups_find(&cgroups), "cgroup2");
	for (pass = 0; pass < bench_settings.passes; pass++) {
		measure_pressure(&cgroups, "never");
		measure_pressure(&cgroups, "always");
	}
	pt_set_mode("never");
	pt_cgroups_leave(&cgroups);
}
