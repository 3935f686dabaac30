// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark: how long mmap(), munmap() and page faults of a process with
 * eight threads take while kptreclaimd works through its empty tables at full
 * speed, and while it does not. On several CPUs.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_bench.h"

#define THREADS		8
#define TABLES		200000
#define OPS_BYTES	(16 * PT_PAGE)

enum op { OP_MMAP, OP_MUNMAP, OP_FAULT, NR_OPS };

static const char * const op_names[] = { "mmap", "munmap", "fault" };

/* A bin is a 64th of a power of two wide. */
#define BINS_PER_OCTAVE	64
#define NR_BINS		(32 * BINS_PER_OCTAVE)

typedef __u32 histogram[NR_OPS][NR_BINS];

static struct worker {
	pthread_t thread;
	histogram counts;
} workers[THREADS];

static bool working;

static __u64 now_ns(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec * 1000000000ULL + now.tv_nsec;
}

static unsigned int bin_of(__u64 ns)
{
	unsigned int octave;

	if (ns < BINS_PER_OCTAVE)
		return ns;
	octave = 63 - __builtin_clzll(ns) - 6;
	if (octave > 30)
		return NR_BINS - 1;
	return octave * BINS_PER_OCTAVE + (ns >> octave);
}

static double bin_ns(unsigned int bin)
{
	unsigned int octave = bin / BINS_PER_OCTAVE;

	if (octave)
		octave--;
	return (double)(bin - octave * BINS_PER_OCTAVE) * (1ULL << octave);
}

static void count(struct worker *worker, enum op op, __u64 began)
{
	worker->counts[op][bin_of(now_ns() - began)]++;
}

static void do_ops(struct worker *worker)
{
	__u64 began = now_ns();
	size_t at;
	char *map;

	map = mmap(NULL, OPS_BYTES, PROT_READ | PROT_WRITE,
		   MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	count(worker, OP_MMAP, began);
	bench_check(map != MAP_FAILED, "mmap");
	for (at = 0; at < OPS_BYTES; at += PT_PAGE) {
		began = now_ns();
		map[at] = 1;
		count(worker, OP_FAULT, began);
	}
	began = now_ns();
	munmap(map, OPS_BYTES);
	count(worker, OP_MUNMAP, began);
}

/*
 * All of them together keep one CPU busy at the most, and the thread or who stands
 * in for it another one: more than there are on this side of the emulation would
 * be waited for, and nothing else would be seen.
 */
#define SLEEP_FACTOR	8
#define SLEEP_MAX_NS	10000000

static void *work(void *data)
{
	struct worker *worker = data;
	__u64 began;

	while (__atomic_load_n(&working, __ATOMIC_RELAXED)) {
		struct timespec pause = { };

		began = now_ns();
		do_ops(worker);
		pause.tv_nsec = (now_ns() - began) * SLEEP_FACTOR;
		if (pause.tv_nsec > SLEEP_MAX_NS)
			pause.tv_nsec = SLEEP_MAX_NS;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static void start_workers(void)
{
	int i;

	working = true;
	for (i = 0; i < THREADS; i++) {
		memset(workers[i].counts, 0, sizeof(workers[i].counts));
		bench_check(!pthread_create(&workers[i].thread, NULL, work,
					    &workers[i]), "pthread_create");
	}
}

/* Adds what they counted to @sum. */
static void stop_workers(histogram *sum)
{
	unsigned int i, op, bin;

	__atomic_store_n(&working, false, __ATOMIC_RELAXED);
	for (i = 0; i < THREADS; i++) {
		pthread_join(workers[i].thread, NULL);
		for (op = 0; op < NR_OPS; op++)
			for (bin = 0; bin < NR_BINS; bin++)
				(*sum)[op][bin] += workers[i].counts[op][bin];
	}
}

/*
 * Without the thread there is a process that takes its place on the CPUs, for the same
 * share of the time, and reads memory as it does. It is forked before there are tables,
 * which it would get copies of. It seldom reads the clock: on an emulated machine that
 * takes a lock of the emulator, for which all others wait while it stands still.
 */
static pid_t stand_in;
static double *stand_in_share;
static __u64 lines[TABLES / 8];

static void read_lines(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(lines); i += 8)
		__atomic_load_n(&lines[i], __ATOMIC_RELAXED);
}

static __noreturn void stand_in_for_thread(void)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	setpriority(PRIO_PROCESS, 0, 5);
	for (;;) {
		__u64 began = now_ns();
		struct timespec pause = { };
		double rest;

		read_lines();
		rest = (now_ns() - began) * (1 / *stand_in_share - 1);
		pause.tv_nsec = rest < SLEEP_MAX_NS ? rest : SLEEP_MAX_NS;
		if (pause.tv_nsec)
			nanosleep(&pause, NULL);
	}
}

static void start_stand_in(void)
{
	stand_in_share = mmap(NULL, PT_PAGE, PROT_READ | PROT_WRITE,
			      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_check(stand_in_share != MAP_FAILED, "mmap");
	*stand_in_share = 1;
	stand_in = fork();
	if (!stand_in)
		stand_in_for_thread();
	bench_check(stand_in > 0, "fork");
	kill(stand_in, SIGSTOP);
}

static void phase_never(histogram *sum, double seconds)
{
	kill(stand_in, SIGCONT);
	start_workers();
	pt_pause_ms(seconds * 1000);
	stop_workers(sum);
	kill(stand_in, SIGSTOP);
}

/* For as long as there is something for the thread to do; returns how long. */
static double phase_always(histogram *sum, size_t tables)
{
	long enough = pt_vmpte_kb(0) - (long)tables * PT_TABLE_KB * 95 / 100;
	double began, seconds;
	__u64 used;

	bench_set_up_thread(1, 0);
	used = bench_kptreclaimd_ns();
	start_workers();
	began = pt_now();
	while (pt_vmpte_kb(0) > enough && pt_now() - began < 60)
		pt_pause_ms(100);
	stop_workers(sum);
	seconds = pt_now() - began;
	*stand_in_share = (bench_kptreclaimd_ns() - used) / (seconds * 1e9);
	bench_check(*stand_in_share > 0, "the thread's CPU time");
	if (*stand_in_share > 1)
		*stand_in_share = 1;
	pt_set_mode("never");
	return seconds;
}

/* The smallest time that so many of a thousand do not exceed */
static double quantile(const __u32 *bins, double share)
{
	double all = 0, sum = 0;
	unsigned int bin;

	for (bin = 0; bin < NR_BINS; bin++)
		all += bins[bin];
	for (bin = 0; bin < NR_BINS; bin++) {
		sum += bins[bin];
		if (sum >= share * all)
			break;
	}
	return bin_ns(bin);
}

static void print_histogram(const char *mode, histogram *sum)
{
	unsigned int op, bin;

	for (op = 0; op < NR_OPS; op++)
		for (bin = 0; bin < NR_BINS; bin++)
			if ((*sum)[op][bin])
				bench_print((*sum)[op][bin],
					    "latency.%s.%s.%.0f", mode,
					    op_names[op], bin_ns(bin));
}

static void print_quantiles(unsigned int pass, histogram *never,
			    histogram *always)
{
	unsigned int op;

	for (op = 0; op < NR_OPS; op++) {
		bench_print(quantile((*never)[op], 0.999),
			    "latency_p999_never.%s.%u", op_names[op], pass);
		bench_print(quantile((*always)[op], 0.999),
			    "latency_p999_always.%s.%u", op_names[op], pass);
	}
}

static void add_histogram(histogram *sum, histogram *more)
{
	unsigned int op, bin;

	for (op = 0; op < NR_OPS; op++)
		for (bin = 0; bin < NR_BINS; bin++)
			(*sum)[op][bin] += (*more)[op][bin];
}

void bench_latency(void)
{
	static histogram never, always, sum_never, sum_always;
	long long flushes = pt_vmstat("pt_reclaim_flush");
	long long taken = pt_vmstat("pt_reclaim_reclaimed");
	struct pt_area area;
	unsigned int pass;
	double seconds;

	pt_set_mode("never");
	start_stand_in();
	bench_check(!pt_area_map(&area, PT_ANON, TABLES * PT_TABLE), "mapping");
	for (pass = 0; pass <= bench_settings.passes; pass++) {
		memset(never, 0, sizeof(never));
		memset(always, 0, sizeof(always));
		pt_area_waste(&area);
		seconds = phase_always(&always, TABLES);
		pt_area_waste(&area);
		phase_never(&never, seconds);
		/* The first is to warm up. */
		if (!pass)
			continue;
		bench_print(seconds, "latency_seconds.%u", pass);
		bench_print(*stand_in_share, "latency_share.%u", pass);
		print_quantiles(pass, &never, &always);
		add_histogram(&sum_never, &never);
		add_histogram(&sum_always, &always);
	}
	bench_end_process(stand_in);
	print_quantiles(0, &sum_never, &sum_always);
	print_histogram("never", &sum_never);
	print_histogram("always", &sum_always);
	flushes = pt_vmstat("pt_reclaim_flush") - flushes;
	taken = pt_vmstat("pt_reclaim_reclaimed") - taken;
	bench_print(256.0 * flushes / taken, "latency_flushes");
}
