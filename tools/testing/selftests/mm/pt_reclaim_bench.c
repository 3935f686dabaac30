// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark's programs in the guest: what kptreclaimd costs, and whom. See
 * scripts/bench, which runs this and says what the numbers should be.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/personality.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_bench.h"

struct bench_settings bench_settings = { .passes = 4 };

static const struct part {
	const char *name;
	void (*run)(void);
	const char *what;
} parts[] = {
	{ "foreground", bench_foreground,
	  "faults, madvise, mmap, fork, exec, ... (any kernel)" },
	{ "thread", bench_thread,
	  "visits, rounds, looks, taking tables (one CPU)" },
	{ "held", bench_held,
	  "how long mmap_lock is held and interrupts are off (one CPU)" },
	{ "huge", bench_huge, "as many empty tables as fit" },
	{ "idle", bench_idle, "2000 processes that do nothing" },
	{ "latency", bench_latency,
	  "mmap, munmap, faults of 8 threads meanwhile" },
	{ "pressure", bench_pressure,
	  "a cgroup at its limit: PSI, and how long reclaim takes" },
	{ "sparse", bench_sparse, "page tables and CPU time over time" },
	{ "rounds", bench_rounds, "a round, by tables and share zapped" },
	{ "sizes", bench_sizes, "memory (any kernel)" },
	{ }
};

void bench_print(double value, const char *key, ...)
{
	va_list args;

	va_start(args, key);
	if (bench_settings.zapping)
		printf("zapping.");
	vprintf(key, args);
	printf(" %.10g\n", value);
	fflush(stdout);
	va_end(args);
}

void bench_die(const char *fmt, ...)
{
	va_list args;

	va_start(args, fmt);
	fprintf(stderr, "pt_reclaim_bench: ");
	vfprintf(stderr, fmt, args);
	fprintf(stderr, "\n");
	va_end(args);
	exit(1);
}

static __u64 clock_ns(clockid_t clock)
{
	struct timespec time;

	if (clock_gettime(clock, &time))
		return 0;
	return time.tv_sec * 1000000000ULL + time.tv_nsec;
}

__u64 bench_own_ns(void)
{
	return clock_ns(CLOCK_THREAD_CPUTIME_ID);
}

__u64 bench_process_ns(pid_t pid)
{
	clockid_t clock;

	if (clock_getcpuclockid(pid, &clock))
		return 0;
	return clock_ns(clock);
}

__u64 bench_kptreclaimd_ns(void)
{
	static pid_t thread;
	__u64 ns;

	ns = thread ? bench_process_ns(thread) : 0;
	if (!ns) {
		thread = pt_find_thread();
		ns = thread ? bench_process_ns(thread) : 0;
	}
	return ns;
}

void bench_trace_begin(void)
{
	bench_check(!pt_write_file(BENCH_TRACEFS "trace_clock", "x86-tsc") &&
		    !pt_write_file(BENCH_TRACEFS "buffer_size_kb", "8192") &&
		    !pt_write_file(BENCH_TRACEFS "trace", ""), BENCH_TRACEFS);
}

void bench_trace_end(void)
{
	pt_write_file(BENCH_TRACEFS "buffer_size_kb", "1");
}

/* The number is behind who and where. */
__u64 bench_trace_ticks(const char *line, const char *event)
{
	const char *at = event - 2;

	while (at > line && at[-1] >= '0' && at[-1] <= '9')
		at--;
	return strtoull(at, NULL, 10);
}

void bench_op_add(struct bench_op *op, double took)
{
	if (op->nr == op->room) {
		op->room = op->room ? op->room * 2 : 4096;
		op->took = realloc(op->took, op->room * sizeof(*op->took));
		bench_check(op->took, "realloc");
	}
	op->took[op->nr++] = took;
}

static int compare(const void *a, const void *b)
{
	double x = *(const double *)a;
	double y = *(const double *)b;

	return (x > y) - (x < y);
}

static double middle_half(const double *sorted, size_t nr)
{
	size_t from = nr / 4;
	size_t to = nr - from;
	double sum = 0;
	size_t i;

	for (i = from; i < to; i++)
		sum += sorted[i];
	return sum / (to - from);
}

void bench_op_print(struct bench_op *op)
{
	if (op->nr) {
		qsort(op->took, op->nr, sizeof(*op->took), compare);
		bench_print(middle_half(op->took, op->nr), "%s.typical",
			    op->name);
	}
	if (op->total_nr)
		bench_print(op->total / op->total_nr, "%s.mean", op->name);
	free(op->took);
	memset(op, 0, sizeof(*op));
}

static __noreturn void explain(void)
{
	const struct part *part;

	fprintf(stderr,
		"usage: pt_reclaim_bench [-z] [-p PASSES] PART...\n"
		"  -z  the process leaves marks all the time\n"
		"  -p  repetitions (default: %u)\n"
		"  parts are:\n", bench_settings.passes);
	for (part = parts; part->name; part++)
		fprintf(stderr, "    %-11s %s\n", part->name, part->what);
	exit(2);
}

static void run_part(const char *name)
{
	const struct part *part;

	for (part = parts; part->name; part++) {
		if (!strcmp(part->name, name)) {
			part->run();
			return;
		}
	}
	explain();
}

/* Where a mapping lies decides how many tables it has. */
static void be_at_the_same_addresses(char **argv)
{
	int persona = personality(0xffffffff);

	if (persona & ADDR_NO_RANDOMIZE)
		return;
	bench_check(personality(persona | ADDR_NO_RANDOMIZE) >= 0,
		    "personality");
	execv("/proc/self/exe", argv);
	bench_die("/proc/self/exe: %s", strerror(errno));
}

int main(int argc, char **argv)
{
	int option;

	be_at_the_same_addresses(argv);
	while ((option = getopt(argc, argv, "zp:")) != -1) {
		if (option == 'z')
			bench_settings.zapping = true;
		else if (option == 'p')
			bench_settings.passes = strtoul(optarg, NULL, 0);
		else
			explain();
	}
	if (optind == argc)
		explain();
	pt_guard_settings();
	pt_set_thp("never");
	while (optind < argc)
		run_part(argv[optind++]);
	return 0;
}
