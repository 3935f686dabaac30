// SPDX-License-Identifier: GPL-2.0
/*
 * A cache in memory, to be run under one allocator or another (LD_PRELOAD).
 *
 * Reads commands from standard input, a line each, and answers "done":
 *   fill           fill all slots
 *   busy SECONDS   two threads handle requests; every ten seconds, and in the end, a
 *                  line "latency REQUESTS P50 P99 P99.9 MAX", in microseconds
 *   flush          throw nearly all objects away, and have the allocator give their
 *                  memory back
 */
#define _GNU_SOURCE
#include <dlfcn.h>
#include <pthread.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <time.h>

#define SLOTS 16384
#define THREADS 2
/*
 * Buffers of five sizes, from 16 to 256 KiB, and larger than what is in them, as they are
 * with most who read from a network.
 */
#define SMALLEST (16 << 10)
#define SIZES 5
#define WRITTEN (16 << 10)
#define KEPT_OF_SLOTS 512
#define INTERVAL 10.0
#define PAUSE_NSEC 4000000
#define MOST_SAMPLES (1 << 16)

struct worker {
	pthread_t thread;
	unsigned int first, seed, samples;
	double until;
	uint32_t microseconds[MOST_SAMPLES];
};

static char *slots[SLOTS];
static struct worker workers[THREADS];
static volatile char sink;

static double now(void)
{
	struct timespec time;

	clock_gettime(CLOCK_MONOTONIC, &time);
	return time.tv_sec + time.tv_nsec / 1e9;
}

static void fill_slot(unsigned int slot, unsigned int *seed)
{
	slots[slot] = malloc(SMALLEST << rand_r(seed) % SIZES);
	if (!slots[slot]) {
		perror("cache: malloc");
		exit(1);
	}
	memset(slots[slot], slot, WRITTEN);
}

/* Every second request brings a new object in the place of the old one. */
static void request(struct worker *worker)
{
	unsigned int slot = worker->first + rand_r(&worker->seed) % (SLOTS / THREADS), at;

	if (rand_r(&worker->seed) & 1) {
		free(slots[slot]);
		fill_slot(slot, &worker->seed);
	}
	for (at = 0; at < WRITTEN; at += 64)
		sink += slots[slot][at];
}

static void *work(void *argument)
{
	const struct timespec pause = { .tv_nsec = PAUSE_NSEC };
	struct worker *worker = argument;

	while (now() < worker->until) {
		double start = now();

		request(worker);
		if (worker->samples < MOST_SAMPLES)
			worker->microseconds[worker->samples++] = (now() - start) * 1e6;
		nanosleep(&pause, NULL);
	}
	return NULL;
}

static int compare(const void *a, const void *b)
{
	uint32_t left = *(const uint32_t *)a, right = *(const uint32_t *)b;

	return left < right ? -1 : left > right;
}

static void report(void)
{
	static uint32_t all[THREADS * MOST_SAMPLES];
	size_t n = 0;
	int i;

	for (i = 0; i < THREADS; i++) {
		memcpy(all + n, workers[i].microseconds, workers[i].samples * sizeof(*all));
		n += workers[i].samples;
		workers[i].samples = 0;
	}
	if (!n)
		return;
	qsort(all, n, sizeof(*all), compare);
	printf("latency %zu %u %u %u %u\n", n, all[n / 2], all[n * 99 / 100],
	       all[n * 999 / 1000], all[n - 1]);
}

static void busy(double seconds)
{
	double end = now() + seconds;
	int i;

	while (now() < end) {
		for (i = 0; i < THREADS; i++) {
			workers[i].until = now() + INTERVAL < end ? now() + INTERVAL : end;
			if (pthread_create(&workers[i].thread, NULL, work, &workers[i])) {
				perror("cache: pthread_create");
				exit(1);
			}
		}
		for (i = 0; i < THREADS; i++)
			pthread_join(workers[i].thread, NULL);
		report();
	}
}

static void fill(void)
{
	unsigned int slot;

	for (slot = 0; slot < SLOTS; slot++)
		if (!slots[slot])
			fill_slot(slot, &workers[0].seed);
}

/* What a server calls when it has become idle; each allocator has its own. */
static void give_back(void)
{
	int (*mallctl)(const char *name, void *old, size_t *old_size, void *new, size_t size);
	void (*release)(void);

	mallctl = dlsym(RTLD_DEFAULT, "mallctl");
	release = dlsym(RTLD_DEFAULT, "MallocExtension_ReleaseFreeMemory");
	/* 4096: all arenas. */
	if (mallctl && mallctl("arena.4096.purge", NULL, NULL, NULL, 0)) {
		fprintf(stderr, "cache: jemalloc does not purge\n");
		exit(1);
	}
	if (release)
		release();
}

static void flush(void)
{
	unsigned int slot;

	for (slot = 0; slot < SLOTS; slot++) {
		if (slot % KEPT_OF_SLOTS == 0)
			continue;
		free(slots[slot]);
		slots[slot] = NULL;
	}
	give_back();
}

int main(void)
{
	char line[64];
	double seconds;
	int i;

	for (i = 0; i < THREADS; i++) {
		workers[i].first = i * (SLOTS / THREADS);
		workers[i].seed = i + 1;
	}
	setvbuf(stdout, NULL, _IOLBF, 0);
	while (fgets(line, sizeof(line), stdin)) {
		if (!strcmp(line, "fill\n")) {
			fill();
		} else if (sscanf(line, "busy %lf", &seconds) == 1) {
			busy(seconds);
		} else if (!strcmp(line, "flush\n")) {
			flush();
		} else {
			fprintf(stderr, "cache: what is %s", line);
			return 1;
		}
		puts("done");
	}
	return 0;
}
