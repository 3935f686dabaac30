// SPDX-License-Identifier: GPL-2.0
/* The benchmark: processes with tables, and the thread that is let loose on them. */
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

struct order {
	enum bench_request request;
	size_t tables;
};

/* The page that stays, and the one that comes and goes. */
static size_t live_page(size_t table)
{
	return table * PT_TABLE + table * 37 % 512 * PT_PAGE;
}

/* Not beside it: then there would be no mark. */
static size_t other_page(size_t table)
{
	return table * PT_TABLE + (table * 37 + 2) % 512 * PT_PAGE;
}

static void obey(struct pt_area *area, const struct order *order)
{
	size_t table;

	if (order->request == BENCH_ZAP_ALL_OF) {
		madvise(area->start + order->tables * PT_TABLE, PT_TABLE,
			MADV_DONTNEED);
		return;
	}
	for (table = 0; table < order->tables; table++)
		pt_touch(area->start + other_page(table));
	for (table = 0; table < order->tables; table++)
		madvise(area->start + other_page(table), PT_PAGE,
			MADV_DONTNEED);
}

static __noreturn void hold(size_t tables, int from, int to)
{
	struct order order = { BENCH_ZAP_A_PAGE_OF, 1 };
	struct pt_area area;
	size_t table;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pt_area_map(&area, PT_ANON, tables * PT_TABLE))
		_exit(1);
	for (table = 0; table < tables; table++)
		pt_touch(area.start + live_page(table));
	do {
		obey(&area, &order);
		if (write(to, &order, sizeof(order)) != sizeof(order))
			_exit(1);
	} while (read(from, &order, sizeof(order)) == sizeof(order));
	_exit(0);
}

static void holder_wait(struct bench_holder *holder)
{
	struct order order;

	bench_check(read(holder->from, &order, sizeof(order)) == sizeof(order),
		    "a process that holds tables died");
}

void bench_holder_start(struct bench_holder *holder, size_t tables)
{
	int to[2], from[2];

	bench_check(!pipe(to) && !pipe(from), "pipe");
	holder->pid = fork();
	bench_check(holder->pid >= 0, "fork");
	if (!holder->pid) {
		close(to[1]);
		close(from[0]);
		hold(tables, to[0], from[1]);
	}
	close(to[0]);
	close(from[1]);
	holder->to = to[1];
	holder->from = from[0];
	holder_wait(holder);
}

void bench_holder_ask(struct bench_holder *holder, enum bench_request request,
		      size_t tables)
{
	struct order order = { request, tables };

	bench_check(write(holder->to, &order, sizeof(order)) == sizeof(order),
		    "asking");
	holder_wait(holder);
}

void bench_holder_end(struct bench_holder *holder)
{
	kill(holder->pid, SIGKILL);
	waitpid(holder->pid, NULL, 0);
	close(holder->to);
	close(holder->from);
}

/* Is a knob of ours not there, the kernel is one that cannot do what it sets. */
void bench_set_up_thread(unsigned int sleep_millisecs, unsigned int sweep)
{
	bench_check(!pt_set_mode("never"), "enabled");
	bench_check(!pt_set_knob("scan_sleep_millisecs", sleep_millisecs),
		    "scan_sleep_millisecs");
	pt_set_knob("max_cpu_percent", 100);
	pt_set_knob("sweep_rounds", sweep);
	pt_set_knob("tables_to_scan", 1 << 30);
	bench_check(!pt_set_mode("always"), "enabled");
}

void bench_wait_for_rounds(unsigned int rounds)
{
	long long enough = pt_knob("full_scans") + rounds;

	while (pt_knob("full_scans") < enough)
		pt_pause_ms(1);
}

static __noreturn void waste(size_t tables, int to)
{
	struct pt_area area;
	size_t table;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	if (pt_area_map(&area, PT_ANON, tables * PT_TABLE))
		_exit(1);
	for (table = 0; table < tables; table++)
		pt_touch(area.start + table * PT_TABLE);
	if (madvise(area.start, area.bytes, MADV_DONTNEED) ||
	    write(to, &table, sizeof(table)) != sizeof(table))
		_exit(1);
	for (;;)
		pause();
}

/* A process with nothing but so many empty tables */
pid_t bench_start_waster(size_t tables)
{
	size_t got;
	int fds[2];
	pid_t pid;

	bench_check(!pipe(fds), "pipe");
	pid = fork();
	bench_check(pid >= 0, "fork");
	if (!pid)
		waste(tables, fds[1]);
	bench_check(read(fds[0], &got, sizeof(got)) == sizeof(got),
		    "wasting tables");
	close(fds[0]);
	close(fds[1]);
	return pid;
}

void bench_end_process(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* The round that the thread begins with: everybody is swept. */
void bench_first_round(void)
{
	long long before = pt_knob("full_scans");

	bench_set_up_thread(BENCH_FOREVER_MILLISECS, 0);
	while (pt_knob("full_scans") == before)
		pt_pause_ms(10);
}
