// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark: what kptreclaimd's own work costs. On one CPU, so that nothing
 * of it goes on where it is not seen.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_bench.h"

#define ROUND_MILLISECS		20

#define MANY_TABLES		100000

/* What the thread uses for one of so many rounds. */
static double round_ns(unsigned int rounds)
{
	__u64 ns;
	long long before;

	bench_wait_for_rounds(1);
	before = pt_knob("full_scans");
	ns = bench_kptreclaimd_ns();
	bench_wait_for_rounds(rounds);
	return (double)(bench_kptreclaimd_ns() - ns) /
	       (pt_knob("full_scans") - before);
}

/* The dearest of the next rounds */
static double dearest_round_ns(unsigned int rounds)
{
	__u64 ns = bench_kptreclaimd_ns();
	__u64 most = 0, now;

	while (rounds--) {
		bench_wait_for_rounds(1);
		now = bench_kptreclaimd_ns();
		if (now - ns > most)
			most = now - ns;
		ns = now;
	}
	return most;
}

/* What one more process costs that has zapped nothing since the last visit. */
static void measure_visit(unsigned int processes, size_t tables)
{
	struct bench_holder holders[processes];
	double without, with;
	unsigned int i;

	bench_set_up_thread(ROUND_MILLISECS, 0);
	bench_wait_for_rounds(5);
	without = round_ns(200);
	for (i = 0; i < processes; i++)
		bench_holder_start(&holders[i], tables);
	bench_wait_for_rounds(5);
	with = round_ns(200);
	for (i = 0; i < processes; i++)
		bench_holder_end(&holders[i]);
	bench_print((with - without) / processes, "visit_%zu", tables);
}

/* Rounds that look at all tables, and such as have one table's worth of zaps. */
static void measure_rounds(void)
{
	double sweep, quiet, one = 0;
	struct bench_holder holder;
	unsigned int i;

	bench_set_up_thread(ROUND_MILLISECS, 1);
	bench_wait_for_rounds(5);
	quiet = round_ns(20);
	bench_holder_start(&holder, MANY_TABLES);
	bench_wait_for_rounds(3);
	sweep = round_ns(10);
	bench_print(sweep, "round_of_all");
	bench_print((sweep - quiet) / MANY_TABLES, "look_live");

	pt_set_knob("sweep_rounds", 0);
	bench_wait_for_rounds(10);
	bench_print(round_ns(100), "round_of_none");
	for (i = 0; i < 10; i++) {
		bench_holder_ask(&holder, BENCH_ZAP_ALL_OF, 1000 + 5000 * i);
		one += dearest_round_ns(8) / 10;
	}
	bench_holder_end(&holder);
	bench_print(one, "round_of_one");
	bench_print(one / sweep, "round_share");
}

/* Who is never preferred to anybody sees what all others take together. */
static __u64 *stolen;

static __noreturn void watch(void)
{
	struct sched_param param = { };
	__u64 last = bench_ticks();

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (sched_setscheduler(0, SCHED_IDLE, &param))
		_exit(1);
	for (;;) {
		__u64 now = bench_ticks();

		if (now - last > 200)
			__atomic_store_n(stolen, *stolen + now - last,
					 __ATOMIC_RELAXED);
		last = now;
	}
}

static pid_t start_watch(void)
{
	pid_t pid;

	stolen = mmap(NULL, PT_PAGE, PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_check(stolen != MAP_FAILED, "mmap");
	pid = fork();
	if (!pid)
		watch();
	bench_check(pid > 0, "fork");
	pt_pause_ms(100);
	return pid;
}

static __u64 stolen_in(unsigned int ms)
{
	__u64 before = __atomic_load_n(stolen, __ATOMIC_RELAXED);

	pt_pause_ms(ms);
	return __atomic_load_n(stolen, __ATOMIC_RELAXED) - before;
}

/* It takes more of them in that time: 5000 instructions for each. */
#define TABLES_PER_MILLISEC	200

/*
 * Two rounds: in the first each table is found empty, in the second it is taken.
 * The second begins as soon as its pause has become shorter than what has passed,
 * and is the only one in the window.
 */
static void measure_taking(const char *name, size_t tables)
{
	unsigned int window_ms = 500 + tables / TABLES_PER_MILLISEC;
	long long flushes, reclaimed, looks;
	__u64 ns, background, all_in;
	pid_t waster, watcher;

	bench_check(!pt_set_mode("never"), "enabled");
	waster = bench_start_waster(tables);
	looks = pt_vmstat("pt_reclaim_scanned");
	bench_first_round();
	/* The change of mode may have had a second round begin after the first. */
	pt_pause_ms(1500);
	looks = pt_vmstat("pt_reclaim_scanned") - looks;
	bench_print((double)bench_kptreclaimd_ns() / looks, "%s_look", name);

	flushes = pt_vmstat("pt_reclaim_flush");
	reclaimed = pt_vmstat("pt_reclaim_reclaimed");
	watcher = start_watch();
	background = stolen_in(window_ms);
	ns = bench_kptreclaimd_ns();
	pt_set_knob("scan_sleep_millisecs", window_ms + 500);
	all_in = stolen_in(window_ms) - background;
	ns = bench_kptreclaimd_ns() - ns;
	bench_end_process(watcher);

	reclaimed = pt_vmstat("pt_reclaim_reclaimed") - reclaimed;
	flushes = pt_vmstat("pt_reclaim_flush") - flushes;
	bench_print(reclaimed, "%s_tables", name);
	bench_print((double)ns / tables, "%s_thread", name);
	bench_print((double)all_in / tables, "%s", name);
	bench_print(256.0 * flushes / reclaimed, "%s_flushes", name);
	bench_end_process(waster);
}

void bench_thread(void)
{
	measure_taking("take", 80 * 256);
	measure_visit(200, 1);
	measure_visit(40, 1000);
	measure_visit(2, MANY_TABLES);
	measure_rounds();
}

/* Three quarters of the memory there is. */
void bench_huge(void)
{
	long long kb = sysconf(_SC_AVPHYS_PAGES) * 4LL;

	measure_taking("huge", kb / 4 / PT_TABLE_KB * 3 / 256 * 256);
}

/* No round begins before everything has been zapped. */
static double round_after(struct bench_holder *holder, size_t zapped)
{
	double ns;

	if (!zapped)
		return round_ns(20);
	pt_set_knob("scan_sleep_millisecs", BENCH_FOREVER_MILLISECS);
	bench_holder_ask(holder, BENCH_ZAP_A_PAGE_OF, zapped);
	ns = bench_kptreclaimd_ns();
	pt_set_knob("scan_sleep_millisecs", ROUND_MILLISECS);
	bench_wait_for_rounds(1);
	return bench_kptreclaimd_ns() - ns;
}

/* For a picture */
void bench_rounds(void)
{
	static const size_t tables[] = { 1000, 3000, 10000, 30000, 100000, 0 };
	static const unsigned int percents[] = { 0, 1, 100 };
	struct bench_holder holder;
	double ns;
	size_t i, j;

	for (i = 0; tables[i]; i++) {
		bench_holder_start(&holder, tables[i]);
		bench_set_up_thread(ROUND_MILLISECS, 0);
		bench_wait_for_rounds(5);
		for (j = 0; j < 3; j++) {
			ns = round_after(&holder,
					 tables[i] * percents[j] / 100);
			bench_print(ns, "rounds.%zu.%u", tables[i],
				    percents[j]);
		}
		bench_holder_end(&holder);
	}
}
