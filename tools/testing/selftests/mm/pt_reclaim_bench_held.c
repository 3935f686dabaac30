// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark: for how long at a stretch kptreclaimd holds mmap_lock, and keeps
 * interrupts waiting. On one CPU; the trace events and the samples cost something,
 * so that both come out too long rather than too short.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <linux/perf_event.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/syscall.h>
#include <unistd.h>

#include "pt_reclaim_bench.h"

#define LOCK_EVENTS	BENCH_TRACEFS "events/mmap_lock/"
#define TAKEN		"mmap_lock_acquire_returned"
#define RELEASED	"mmap_lock_released"

#define SECOND_ROUND_MILLISECS	1200

static void let_take(long long tables)
{
	long long enough = pt_vmstat("pt_reclaim_reclaimed") + tables;

	pt_set_knob("scan_sleep_millisecs", SECOND_ROUND_MILLISECS);
	if (!pt_wait(60, "tables to be taken",
		     pt_vmstat("pt_reclaim_reclaimed") >= enough))
		bench_die("kptreclaimd does not take what it should");
	pt_set_knob("scan_sleep_millisecs", BENCH_FOREVER_MILLISECS);
}

static void trace_events(bool on)
{
	char filter[32] = "0";

	if (on)
		snprintf(filter, sizeof(filter), "common_pid==%d",
			 pt_find_thread());
	bench_check(!pt_write_file(LOCK_EVENTS TAKEN "/filter", filter) &&
		    !pt_write_file(LOCK_EVENTS RELEASED "/filter", filter) &&
		    !pt_write_file(LOCK_EVENTS TAKEN "/enable", on ? "1" : "0") &&
		    !pt_write_file(LOCK_EVENTS RELEASED "/enable", on ? "1" : "0"),
		    LOCK_EVENTS);
}

static __u64 longest_in_trace(void)
{
	FILE *trace = fopen(BENCH_TRACEFS "trace", "r");
	__u64 taken = 0, longest = 0, now;
	char line[1024], *event;

	bench_check(trace, BENCH_TRACEFS "trace");
	while (fgets(line, sizeof(line), trace)) {
		event = strstr(line, TAKEN);
		if (event) {
			taken = bench_trace_ticks(line, event);
			continue;
		}
		event = strstr(line, RELEASED);
		if (!event || !taken)
			continue;
		now = bench_trace_ticks(line, event);
		if (now - taken > longest)
			longest = now - taken;
		taken = 0;
	}
	fclose(trace);
	return longest;
}

static void measure_lock(size_t tables)
{
	pid_t waster;

	pt_set_mode("never");
	waster = bench_start_waster(tables);
	bench_first_round();
	pt_pause_ms(SECOND_ROUND_MILLISECS);

	bench_trace_begin();
	trace_events(true);
	let_take(tables);
	trace_events(false);
	bench_print(longest_in_trace(), "lock_held_%zu", tables);
	bench_trace_end();
	bench_end_process(waster);
}

/*
 * A timer that expires so often, on a grid. When its interrupt comes late, it was
 * kept waiting: by disabled interrupts, if not by itself.
 */
#define GRID_NS		10000
#define RING_PAGES	4096

struct sampler {
	int fd;
	struct perf_event_mmap_page *ring;
};

/* PERF_SAMPLE_IP, _TID and _TIME */
struct sample {
	struct perf_event_header header;
	__u64 ip;
	__u32 pid, tid;
	__u64 ns;
};

static void start_sampler(struct sampler *sampler)
{
	struct perf_event_attr attr = {
		.type = PERF_TYPE_SOFTWARE,
		.size = sizeof(attr),
		.config = PERF_COUNT_SW_CPU_CLOCK,
		.sample_period = GRID_NS,
		.sample_type = PERF_SAMPLE_IP | PERF_SAMPLE_TID |
			       PERF_SAMPLE_TIME,
		.watermark = 1,
		.wakeup_watermark = 1U << 31,
	};

	/* Otherwise it is thought to take too much of the CPU. */
	pt_write_file("/proc/sys/kernel/perf_cpu_time_max_percent", "100");
	pt_write_file("/proc/sys/kernel/perf_event_max_sample_rate", "1000000");
	pt_write_file("/proc/sys/kernel/perf_cpu_time_max_percent", "0");
	sampler->fd = syscall(SYS_perf_event_open, &attr, -1, 0, -1, 0);
	bench_check(sampler->fd >= 0, "perf_event_open");
	sampler->ring = mmap(NULL, (1 + RING_PAGES) * PT_PAGE,
			     PROT_READ | PROT_WRITE, MAP_SHARED, sampler->fd, 0);
	bench_check(sampler->ring != MAP_FAILED, "mmap");
}

static void find_symbol(__u64 ip, char *name, size_t size)
{
	FILE *symbols = fopen("/proc/kallsyms", "r");
	unsigned long long at, best_at = 0;
	char line[256], symbol[128];

	snprintf(name, size, "?");
	while (symbols && fgets(line, sizeof(line), symbols)) {
		if (sscanf(line, "%llx %*c %127s", &at, symbol) == 2 &&
		    at <= ip && at >= best_at) {
			best_at = at;
			snprintf(name, size, "%s", symbol);
		}
	}
	if (symbols)
		fclose(symbols);
}

/*
 * Interrupts are disabled by the walk itself, whose functions have its name (or
 * are inlined into such), and by everything that it calls.
 */
static bool is_ours(__u64 ip)
{
	static __u64 start, end;
	unsigned long long at;
	char line[256], symbol[128];
	bool inside = false;
	FILE *symbols;

	if (!end) {
		symbols = fopen("/proc/kallsyms", "r");
		while (symbols && fgets(line, sizeof(line), symbols)) {
			if (sscanf(line, "%llx %*c %127s", &at, symbol) != 2)
				continue;
			if (inside) {
				end = at;
				break;
			}
			if (!strcmp(symbol, "pt_reclaim_find")) {
				start = at;
				inside = true;
			}
		}
		if (symbols)
			fclose(symbols);
		if (!end)
			bench_die("/proc/kallsyms has no pt_reclaim_find");
	}
	return ip >= start && ip < end;
}

/* Where on the grid most samples are: those that nobody kept waiting. */
static __u64 usual_phase(const struct sample *samples, size_t nr)
{
	static unsigned int bins[GRID_NS];
	__u64 best = 0, i;

	memset(bins, 0, sizeof(bins));
	for (i = 0; i < nr; i++)
		bins[samples[i].ns % GRID_NS]++;
	for (i = 0; i < GRID_NS; i++) {
		if (bins[i] > bins[best])
			best = i;
	}
	return best;
}

/* An early one is as good as on time: the usual phase is a rounded value. */
#define TOLERANCE_NS	(GRID_NS / 20)

/* How late the latest came, in the walk and elsewhere in the thread's context */
struct waits {
	double ours;
	double others;
};

static void longest_waits(const struct sample *samples, size_t nr, pid_t tid,
			  struct waits *waits)
{
	__u64 phase = usual_phase(samples, nr) - TOLERANCE_NS;
	__u64 due = 0, others_ip = 0, i;
	char symbol[128];
	double late;

	memset(waits, 0, sizeof(*waits));
	for (i = 0; i < nr; i++) {
		late = (double)samples[i].ns - due - TOLERANCE_NS;
		due = ((samples[i].ns - phase) / GRID_NS + 1) * GRID_NS + phase;
		if (!i || samples[i].tid != (__u32)tid)
			continue;
		if (is_ours(samples[i].ip)) {
			if (late > waits->ours)
				waits->ours = late;
		} else if (late > waits->others) {
			waits->others = late;
			others_ip = samples[i].ip;
		}
	}
	find_symbol(others_ip, symbol, sizeof(symbol));
	fprintf(stderr, "interrupts were off longest, but for the walk, up to %s: %.0f\n",
		symbol, waits->others);
}

/* The records are all of one kind and size, but for a few at which it ends. */
static void stop_sampler(struct sampler *sampler, pid_t tid,
			 struct waits *waits)
{
	struct perf_event_mmap_page *ring = sampler->ring;
	char *data = (char *)ring + PT_PAGE;
	__u64 head = __atomic_load_n(&ring->data_head, __ATOMIC_ACQUIRE);
	struct sample *samples = calloc(head / sizeof(*samples) + 1,
					sizeof(*samples));
	struct perf_event_header *header;
	size_t nr = 0;
	__u64 at;

	ioctl(sampler->fd, PERF_EVENT_IOC_DISABLE, 0);
	bench_check(samples, "calloc");
	for (at = 0; at < head && at < RING_PAGES * PT_PAGE; at += header->size) {
		header = (struct perf_event_header *)(data + at);
		if (header->type == PERF_RECORD_SAMPLE)
			memcpy(&samples[nr++], header, sizeof(*samples));
	}
	longest_waits(samples, nr, tid, waits);
	free(samples);
	munmap(ring, (1 + RING_PAGES) * PT_PAGE);
	close(sampler->fd);
}

/* While tables are looked at, and while they are taken. */
static void measure_interrupts(size_t tables)
{
	struct waits looking, taking;
	struct sampler sampler;
	pid_t waster;

	pt_set_mode("never");
	waster = bench_start_waster(tables);
	start_sampler(&sampler);
	bench_first_round();
	stop_sampler(&sampler, pt_find_thread(), &looking);
	pt_pause_ms(SECOND_ROUND_MILLISECS);
	start_sampler(&sampler);
	let_take(tables);
	stop_sampler(&sampler, pt_find_thread(), &taking);
	bench_end_process(waster);
	bench_print(looking.ours, "irqs_off_look_%zu", tables);
	bench_print(looking.others, "irqs_off_look_others_%zu", tables);
	bench_print(taking.ours, "irqs_off_take_%zu", tables);
	bench_print(taking.others, "irqs_off_take_others_%zu", tables);
}

void bench_held(void)
{
	measure_lock(2048);
	measure_lock(32768);
	measure_interrupts(2048);
	measure_interrupts(32768);
}
