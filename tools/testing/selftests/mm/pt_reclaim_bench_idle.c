// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark: kptreclaimd on a system that does nothing, what one process's
 * page tables do over time, and how much memory it all takes.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_bench.h"
#include "pt_reclaim_workloads.h"

#define IDLE_PROCESSES	2000
#define IDLE_TABLES	(5 * PT_GIB / PT_PAGE / IDLE_PROCESSES)
#define IDLE_SECONDS	3600

/* How many of them are ready */
static unsigned int *ready;

static __noreturn void be_idle(void)
{
	struct pt_area area;
	size_t at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pt_area_map(&area, PT_ANON, IDLE_TABLES * PT_TABLE))
		_exit(1);
	for (at = 0; at < area.bytes; at += PT_TABLE)
		pt_touch(area.start + at);
	/* So that it is known to the thread */
	pt_touch(area.start + PT_PAGE);
	madvise(area.start + PT_PAGE, PT_PAGE, MADV_DONTNEED);
	__atomic_add_fetch(ready, 1, __ATOMIC_RELAXED);
	for (;;)
		pause();
}

static void start_idle_processes(pid_t *pids)
{
	unsigned int i;

	ready = mmap(NULL, PT_PAGE, PROT_READ | PROT_WRITE,
		     MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_check(ready != MAP_FAILED, "mmap");
	for (i = 0; i < IDLE_PROCESSES; i++) {
		pids[i] = fork();
		bench_check(pids[i] >= 0, "fork");
		if (!pids[i])
			be_idle();
	}
	if (!pt_wait(600, "2000 processes", *ready == IDLE_PROCESSES))
		bench_die("the processes did not get ready");
}

static void wait_for_round(void)
{
	long long before = pt_knob("full_scans");

	while (pt_knob("full_scans") == before)
		pt_pause_ms(1000);
}

/*
 * The sweep that is due once in sweep_rounds rounds may not fall into the time
 * that is watched: its share is added, as if the rounds were as frequent as they
 * can be.
 */
static double sweep_percent(void)
{
	long long usual = pt_knob("sweep_rounds");
	long long sleep_ms = pt_knob("scan_sleep_millisecs");
	__u64 ns = bench_kptreclaimd_ns();

	if (usual <= 0)
		return 0;
	pt_set_knob("sweep_rounds", 1);
	wait_for_round();
	pt_set_knob("sweep_rounds", usual);
	wait_for_round();
	ns = bench_kptreclaimd_ns() - ns;
	bench_print(ns, "idle_sweep");
	return ns / 1e6 / usual / sleep_ms * 100;
}

/* All settings are those that an administrator finds. */
void bench_idle(void)
{
	static pid_t pids[IDLE_PROCESSES];
	double percent, sweep;
	unsigned int i;
	__u64 ns;

	bench_check(!pt_set_mode("always"), "enabled");
	start_idle_processes(pids);
	for (i = 0; i < 3; i++)
		wait_for_round();
	ns = bench_kptreclaimd_ns();
	pt_pause_ms(IDLE_SECONDS * 1000);
	percent = (bench_kptreclaimd_ns() - ns) / 1e9 / IDLE_SECONDS * 100;
	sweep = sweep_percent();
	bench_print(pt_vmstat("nr_page_table_pages") * 4, "idle_tables_kb");
	bench_print(pt_knob("mms"), "idle_mms");
	bench_print(percent, "idle_rounds_percent");
	bench_print(sweep, "idle_sweep_percent");
	bench_print(percent + sweep, "idle_percent");
	for (i = 0; i < IDLE_PROCESSES; i++)
		kill(pids[i], SIGKILL);
	while (wait(NULL) > 0)
		;
}

/* 96 GiB of addresses, one page in 2 MiB, of which one in a thousand stays */
/* Long enough for four rounds of the thread, in each mode. */
#define SPARSE_SAMPLES		400
#define SPARSE_PAUSE_MS		100

static void sparse_under(const char *mode)
{
	const struct pt_workload *sparse = pt_find_workload("sparse");
	struct pt_options options = { };
	struct pt_child child;
	double start;
	int i;

	bench_check(!pt_set_mode(mode), "enabled");
	bench_check(!pt_child_start(&child, sparse, &options), "starting");
	start = pt_now();
	for (i = 0; i < SPARSE_SAMPLES; i++) {
		double now = pt_now() - start;

		bench_print(pt_child_vmpte_kb(&child), "sparse.%s.vmpte.%.2f",
			    mode, now);
		bench_print(pt_status_kb(child.pid, "VmRSS"),
			    "sparse.%s.rss.%.2f", mode, now);
		bench_print(bench_kptreclaimd_ns() / 1e6, "sparse.%s.cpu.%.2f",
			    mode, now);
		pt_pause_ms(SPARSE_PAUSE_MS);
	}
	pt_child_end(&child);
	pt_set_mode("never");
}

/* With the settings as a system boots with them: what an admin will see. */
void bench_sparse(void)
{
	sparse_under("never");
	sparse_under("always");
}

static void print_size(const char *slab)
{
	char path[128];
	long long size;

	snprintf(path, sizeof(path), "/sys/kernel/slab/%s/object_size", slab);
	size = pt_read_number(path);
	if (size >= 0)
		bench_print(size, "size.%s", slab);
}

static long long mem_total_kb(void)
{
	char line[128] = "";
	long long kb = 0;
	FILE *meminfo = fopen("/proc/meminfo", "r");

	if (meminfo && fgets(line, sizeof(line), meminfo))
		sscanf(line, "MemTotal: %lld", &kb);
	if (meminfo)
		fclose(meminfo);
	return kb;
}

void bench_sizes(void)
{
	print_size("mm_struct");
	print_size("vm_area_struct");
	print_size("pt_reclaim_mm_slot");
	bench_print(mem_total_kb(), "size.mem_total_kb");
}
