/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the parts of the benchmark share. Each part prints lines "key value",
 * which scripts/bench collects over several boots and compares.
 *
 * Numbers are guest instructions if the guest runs with scripts/vm --icount:
 * there a tick of the time stamp counter is one, and so is a nanosecond of any
 * clock. Without it they are what they are called.
 */
#ifndef _SELFTESTS_MM_PT_RECLAIM_BENCH_H
#define _SELFTESTS_MM_PT_RECLAIM_BENCH_H

#include <x86intrin.h>

#include "pt_reclaim_util.h"

/**
 * struct bench_op - an operation that is done again and again
 * @name: what its lines begin with
 * @took: what each single one took
 * @nr: how many were measured
 * @room: for how many @took has room
 * @total: what all of them took together, measured from outside
 * @total_nr: how many there are in @total
 */
struct bench_op {
	const char *name;
	double *took;
	size_t nr;
	size_t room;
	double total;
	size_t total_nr;
};

/* How the present run differs from others; see the options. */
struct bench_settings {
	bool zapping;		/* leave marks for the thread all the time */
	unsigned int passes;
};

extern struct bench_settings bench_settings;

static inline __u64 bench_ticks(void)
{
	return __rdtsc();
}

/* What this thread, or any thread or process, has used of a CPU, in ns. */
__u64 bench_own_ns(void);
__u64 bench_process_ns(pid_t pid);
/* What kptreclaimd has used; 0 while there is none. */
__u64 bench_kptreclaimd_ns(void);

void bench_op_add(struct bench_op *op, double took);
/*
 * NAME.typical: the mean of the middle half, which no interrupt and no refill
 * of somebody's cache disturbs. NAME.mean: everything included, if it was
 * measured. Forgets the samples.
 */
void bench_op_print(struct bench_op *op);

__printf(2, 3) void bench_print(double value, const char *key, ...);
/* Ends the program, because nothing that it would print could be trusted. */
__noreturn __printf(1, 2) void bench_die(const char *fmt, ...);
#define bench_check(condition, what) ({					\
	if (!(condition))						\
		bench_die("%s: %s", what, strerror(errno));		\
})

/*
 * A process with so many tables, each with one page that stays. It does what it
 * is told: zap another page in each of so many of its tables, or all of one.
 */
struct bench_holder {
	pid_t pid;
	int to;
	int from;
};

enum bench_request {
	BENCH_ZAP_A_PAGE_OF,		/* ... so many tables */
	BENCH_ZAP_ALL_OF,		/* ... that table */
};

void bench_holder_start(struct bench_holder *holder, size_t tables);
void bench_holder_ask(struct bench_holder *holder, enum bench_request request,
		      size_t tables);
void bench_holder_end(struct bench_holder *holder);

/* A process with nothing but so many empty tables */
pid_t bench_start_waster(size_t tables);
void bench_end_process(pid_t pid);

#define BENCH_TRACEFS		"/sys/kernel/tracing/"

/* An empty buffer with room, in which times are ticks; and none again */
void bench_trace_begin(void);
void bench_trace_end(void);
/* When was what is in this line of the trace, in which the event has this place? */
__u64 bench_trace_ticks(const char *line, const char *event);

/* A pause in which the thread makes no round by itself */
#define BENCH_FOREVER_MILLISECS	(60 * 60 * 1000)

/* Starts the thread anew, with all the CPU time that there is. */
void bench_set_up_thread(unsigned int sleep_millisecs, unsigned int sweep);
void bench_wait_for_rounds(unsigned int rounds);
/* Starts it and waits for its first round, in which everybody is swept. */
void bench_first_round(void);

/* The parts; pt_reclaim_bench.c says what each measures. */
void bench_foreground(void);
void bench_thread(void);
void bench_held(void);
void bench_huge(void);
void bench_idle(void);
void bench_latency(void);
void bench_pressure(void);
void bench_sparse(void);
void bench_rounds(void);
void bench_sizes(void);

/* The file of a program that says what it has used of its CPU, and ends. */
extern const char bench_program[];
extern const char bench_program_end[];

#endif /* _SELFTESTS_MM_PT_RECLAIM_BENCH_H */
