// SPDX-License-Identifier: GPL-2.0
/*
 * A checker that knows: many threads use, give back, move, protect, pin, copy,
 * collapse and swap out the pages of a large and mostly empty address space,
 * while kptreclaimd takes its empty page tables without a pause. A shadow says
 * for every page what must be seen, and everything that is seen is compared.
 *
 * A wrong byte, fault or error, a fault that is not answered and an operation
 * that does not end are failures, with the seed that draws the same operations
 * again. Without page table reclaim it checks the checker itself, and
 * --sabotage shows that it can fail.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <getopt.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/random.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_torture.h"

/* One operation may take so long on a machine that is not slow, in seconds. */
#define PATIENCE	120
#define TICK_MSECS	50
/* Where the threads' own addresses are, apart from the regions */
#define SCRATCH_ADDRESS	0x300000000000UL
#define SCRATCH_BYTES	(64 * PT_TABLE)

struct torture_settings torture = {
	.seconds = 30,
	.operations = ~0ULL,
	.threads = 8,
	.live = 128 << 8,
};

static const struct torture_op ops[] = {
	{ "write", 900, torture_op_write, NULL },
	{ "read", 1200, torture_op_read, NULL },
	{ "waste", 1500, torture_op_waste, NULL },
	{ "dontneed", 800, torture_op_dontneed, NULL },
	{ "free", 300, torture_op_free, NULL },
	{ "punch", 400, torture_op_punch, NULL },
	{ "truncate", 40, torture_op_truncate, NULL },
	{ "file", 300, torture_op_file, NULL },
	{ "protect", 250, torture_op_protect, NULL },
	{ "move", 250, torture_op_move, NULL },
	{ "away", 150, torture_op_away, NULL },
	{ "remap", 120, torture_op_remap, NULL },
	{ "fork", 20, torture_op_fork, NULL },
	{ "huge", 30, torture_op_huge, torture_no_huge },
	{ "collapse", 40, torture_op_collapse, torture_no_huge },
	{ "pageout", 100, torture_op_pageout, NULL },
	{ "cold", 80, torture_op_cold, NULL },
	{ "copy", 500, torture_op_copy, torture_no_missing },
	{ "zeropage", 200, torture_op_zeropage, torture_no_missing },
	{ "continue", 250, torture_op_continue, torture_no_minor },
	{ "uffdmove", 350, torture_op_uffdmove, torture_no_move },
	{ "wp", 300, torture_op_wp, torture_no_wp },
	{ "vmsplice", 300, torture_op_vmsplice, NULL },
	{ "uring", 120, torture_op_uring, torture_no_uring },
	{ "processvm", 300, torture_op_processvm, NULL },
	{ "futex", 300, torture_op_futex, NULL },
	{ "pagemap", 350, torture_op_pagemap, NULL },
	{ "scan", 150, torture_op_scan, torture_no_scan },
	{ "mincore", 150, torture_op_mincore, NULL },
	{ "smaps", 3, torture_op_smaps, NULL },
	{ "reclaim", 500, torture_op_reclaim, torture_no_reclaim },
	{ "prctl", 4, torture_op_prctl, torture_no_reclaim },
	{ "mode", 4, torture_op_mode, torture_no_control },
	{ "swap", 5, torture_op_swap, torture_no_swap },
	{ "compact", 2, torture_op_compact, torture_no_root },
};

static bool included[ARRAY_SIZE(ops)];
static unsigned int weights;		/* of all that are included */
static bool over;
static struct torture_thread *threads;
static struct torture_thread *spoiler;
static double end_of_run;

bool torture_over(void)
{
	return __atomic_load_n(&over, __ATOMIC_RELAXED);
}

void torture_end(void)
{
	__atomic_store_n(&over, true, __ATOMIC_RELAXED);
}

static const struct torture_op *pick_op(struct torture_thread *self)
{
	unsigned int drawn = torture_draw(self, weights);
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!included[i])
			continue;
		if (drawn < ops[i].weight)
			return &ops[i];
		drawn -= ops[i].weight;
	}
	return &ops[0];
}

static __u64 now_usecs(void)
{
	return pt_now() * 1e6;
}

/*
 * What an operation draws depends on seed, thread and number alone, not on what
 * those before it have met.
 */
static void begin_operation(struct torture_thread *self)
{
	__u64 start = torture.seed + ((__u64)self->number << 48) +
		      self->operation * 4096;

	self->random = pt_draw(&start);
	self->op = pick_op(self);
	self->since_usecs = now_usecs();
}

static void end_operation(struct torture_thread *self)
{
	size_t op = self->op - ops;

	torture_unlock_all(self);
	self->usecs[op] += now_usecs() - self->since_usecs;
	self->counts[op]++;
	__atomic_fetch_add(&self->operation, 1, __ATOMIC_RELAXED);
}

static void *run_thread(void *arg)
{
	struct torture_thread *self = arg;

	torture_self = self;
	while (!torture_over() && self->operation < torture.operations &&
	       pt_now() < end_of_run) {
		begin_operation(self);
		self->op->run(self);
		end_operation(self);
	}
	torture_end_pins(self);
	__atomic_store_n(&self->done, true, __ATOMIC_RELAXED);
	return NULL;
}

static int prepare_thread(struct torture_thread *self, unsigned int number)
{
	self->number = number;
	self->buffer = aligned_alloc(PT_PAGE, BUFFER_PAGES * PT_PAGE);
	self->counts = calloc(ARRAY_SIZE(ops), sizeof(*self->counts));
	self->pagemap = pt_pagemap_open();
	self->scratch = (char *)SCRATCH_ADDRESS + number * SCRATCH_BYTES;
	self->usecs = calloc(ARRAY_SIZE(ops), sizeof(*self->usecs));
	if (!self->buffer || !self->counts || !self->usecs)
		return -ENOMEM;
	return self->pagemap < 0 ? self->pagemap : 0;
}

static int start_threads(void)
{
	unsigned int i;
	int err = 0;

	end_of_run = pt_now() + torture.seconds;
	for (i = 0; i < torture.threads && !err; i++) {
		err = prepare_thread(&threads[i], i);
		if (!err)
			err = -pthread_create(&threads[i].thread, NULL,
					      run_thread, &threads[i]);
	}
	return err;
}

/*
 * A lost wake-up, or somebody who holds a lock for ever. Time is counted in looks
 * at the thread: a machine that stands still as a whole is no failure.
 */
static bool is_stuck(struct torture_thread *thread)
{
	__u64 operation = __atomic_load_n(&thread->operation, __ATOMIC_RELAXED);

	if (operation != thread->watched ||
	    __atomic_load_n(&thread->done, __ATOMIC_RELAXED)) {
		thread->watched = operation;
		thread->ticks = 0;
	}
	return ++thread->ticks > torture.patience * 1000 / TICK_MSECS;
}

static bool report_stuck(void)
{
	bool stuck = false;
	unsigned int i;

	for (i = 0; i < torture.threads; i++) {
		if (!is_stuck(&threads[i]))
			continue;
		stuck = true;
		torture_failed(&threads[i], NULL, 0,
			       "stuck: expected it to end within %.0f s",
			       torture.patience);
	}
	return stuck;
}

static bool all_done(void)
{
	unsigned int i;

	for (i = 0; i < torture.threads; i++) {
		if (!__atomic_load_n(&threads[i].done, __ATOMIC_RELAXED))
			return false;
	}
	return true;
}

/* Waits for all threads. False when one of them does not come to its end. */
static bool watch_threads(void)
{
	while (!all_done()) {
		if (report_stuck())
			return false;
		pt_pause_ms(TICK_MSECS);
	}
	return true;
}

/*
 * Sabotage: what the shadow does not know of. Each is done again and again,
 * because what is spoilt may be given back before anybody looks.
 */
static void flip_byte(char *at, void *arg)
{
	(void)arg;
	at[1234] ^= 1;
}

static void use_page(char *at, void *arg)
{
	(void)arg;
	*at = 1;
}

/* Returns whether it was possible on this page. */
static bool spoil_content(struct torture_region *region, size_t page)
{
	char *at = torture_at(region, page);
	__u32 flags = region->page[page].flags;
	bool own = region->kind & R_SHARED ? region->page[page].content :
					     flags & T_OWN;

	if (!own || flags & (T_WP | T_LAZY) ||
	    torture_prot(region, page) != (PROT_READ | PROT_WRITE))
		return false;
	if (!strcmp(torture.sabotage, "byte"))
		return !torture_try(spoiler, flip_byte, at, NULL);
	if (!strcmp(torture.sabotage, "drop"))
		return !(region->kind & R_SHARED) &&
		       !madvise(at, PT_PAGE, MADV_DONTNEED);
	if (!strcmp(torture.sabotage, "hole"))
		return region->kind & R_SHARED &&
		       !madvise(at, PT_PAGE, MADV_REMOVE);
	return false;
}

static bool spoil_access(struct torture_region *region, size_t page)
{
	int all = PROT_READ | PROT_WRITE;
	int *prot = &region->stretch[page / STRETCH_PAGES].prot;
	char *at = torture_at(region, page - page % STRETCH_PAGES);

	if (!strcmp(torture.sabotage, "deny"))
		return *prot == all && !mprotect(at, STRETCH, PROT_NONE);
	if (!strcmp(torture.sabotage, "allow")) {
		*prot = PROT_NONE;
		return !mprotect(at, STRETCH, all);
	}
	if (!strcmp(torture.sabotage, "populate"))
		return !(region->kind & R_UFFD) && *prot == all &&
		       !(region->page[page].flags & T_THERE) &&
		       !torture_try(spoiler, use_page,
				    torture_at(region, page), NULL);
	if (!strcmp(torture.sabotage, "unprotect"))
		return region->uffd >= 0 && region->page[page].flags & T_WP &&
		       torture_unprotect(region, page, 1, false);
	return false;
}

static void spoil(void)
{
	bool protection = !strcmp(torture.sabotage, "unprotect");
	/* It would have to wait for a userfaultfd itself. */
	struct torture_region *region =
		torture_pick_region(spoiler, protection ? R_WP : 0,
				    protection ? 0 : R_MISSING);
	size_t page;

	if (!region)
		return;
	page = torture_pick_page(spoiler, region);
	torture_lock(spoiler, region, page, 1);
	page = torture_find(region, page, protection ? T_WP : T_THERE);
	if (!spoil_content(region, page))
		spoil_access(region, page);
	/* For ever: who needs this stretch is stuck. */
	while (!strcmp(torture.sabotage, "block"))
		pause();
	torture_unlock_all(spoiler);
}

static void *run_spoiler(void *arg)
{
	(void)arg;
	torture_self = spoiler;
	while (!torture_over()) {
		spoiler->random = spoiler->operation++;
		if (!strcmp(torture.sabotage, "swallow"))
			torture_swallow();
		else
			spoil();
		pt_pause_ms(2);
	}
	return NULL;
}

static int start_spoiler(void)
{
	int err;

	if (!torture.sabotage)
		return 0;
	pt_note("sabotage: %s; this run must fail", torture.sabotage);
	spoiler = calloc(1, sizeof(*spoiler));
	if (!spoiler)
		return -ENOMEM;
	err = prepare_thread(spoiler, MAX_THREADS - 1);
	return err ? err : -pthread_create(&spoiler->thread, NULL, run_spoiler,
					   NULL);
}

/* When nobody does anything any more: is everything what it must be? */
static bool verify_table(struct torture_thread *self,
			 struct torture_region *region, size_t table)
{
	size_t page = table * PT_TABLE_PAGES, i;
	bool right;

	torture_lock(self, region, page, PT_TABLE_PAGES);
	right = torture_check_pagemap(self, region, page, PT_TABLE_PAGES);
	for (i = page; i < page + PT_TABLE_PAGES && right; i++) {
		if (region->page[i].flags & T_THERE)
			right = torture_read(self, region, i);
	}
	torture_unlock_all(self);
	return right;
}

static bool verify_all(void)
{
	struct torture_thread *self = &threads[torture.threads];
	struct torture_region *region = torture_regions;
	unsigned int i;
	size_t table;

	if (prepare_thread(self, torture.threads))
		return false;
	torture_self = self;
	for (i = 0; i < torture_nr_regions; i++, region++) {
		for (table = 0; table < region->tables && region->weight;
		     table++) {
			if (!verify_table(self, region, table))
				return false;
		}
	}
	return true;
}

/* What kptreclaimd did meanwhile */
struct events {
	long long reclaimed;
	long long raced;
	long long busy;
	long long flushes;
};

static void read_events(struct events *events)
{
	events->reclaimed = pt_vmstat("pt_reclaim_reclaimed");
	events->raced = pt_vmstat("pt_reclaim_raced");
	events->busy = pt_vmstat("pt_reclaim_busy");
	events->flushes = pt_vmstat("pt_reclaim_flush");
}

/* What one operation came to in all threads */
struct sum {
	__u64 count;
	__u64 usecs;
};

static void add_up(struct sum *sums, struct sum *all)
{
	struct torture_thread *thread;
	size_t i;

	memset(all, 0, sizeof(*all));
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		memset(&sums[i], 0, sizeof(sums[i]));
		for (thread = threads; thread < threads + torture.threads;
		     thread++) {
			sums[i].count += thread->counts[i];
			sums[i].usecs += thread->usecs[i];
		}
		all->count += sums[i].count;
		all->usecs += sums[i].usecs;
	}
}

static void print_operations(void)
{
	struct sum sums[ARRAY_SIZE(ops)], all;
	__u64 compared = 0, patterns = 0;
	const char *comma = "";
	size_t i;

	add_up(sums, &all);
	printf("# operations %llu (", all.count);
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (included[i])
			printf("%s%s %llu", comma, ops[i].name, sums[i].count);
		comma = included[i] ? ", " : comma;
	}
	printf(")\n# most of the time:");
	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (sums[i].usecs * 100 / (all.usecs + 1) >= 3)
			printf(" %s %llu%%", ops[i].name,
			       sums[i].usecs * 100 / (all.usecs + 1));
	}
	for (i = 0; i < torture.threads; i++) {
		compared += threads[i].compared;
		patterns += threads[i].compared_patterns;
	}
	printf("\n# pages compared %llu, with a pattern in them %llu\n",
	       compared, patterns);
}

static void print_events(const struct events *before, double seconds)
{
	struct events after;

	if (!torture.present)
		return;
	read_events(&after);
	pt_note("tables reclaimed %lld, raced %lld, busy %lld, flushes %lld",
		after.reclaimed - before->reclaimed,
		after.raced - before->raced, after.busy - before->busy,
		after.flushes - before->flushes);
	pt_note("%.1f s, %.0f tables reclaimed in a second", seconds,
		(after.reclaimed - before->reclaimed) / seconds);
}

static void include_all(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++)
		included[i] = true;
}

static int find_op(const char *name)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		if (!strcmp(ops[i].name, name))
			return i;
	}
	return -1;
}

/* What this kernel cannot do, or this user may not */
static void leave_out_missing(void)
{
	const char *reason;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(ops); i++) {
		reason = ops[i].missing ? ops[i].missing() : NULL;
		if (included[i] && reason) {
			included[i] = false;
			pt_note("left out: %s (%s)", ops[i].name, reason);
		}
		if (included[i])
			weights += ops[i].weight;
	}
}

static const char * const sabotages[] = {
	"byte", "drop", "hole", "deny", "allow", "populate", "unprotect",
	"swallow", "block",
};

static __noreturn void print_usage(const char *program)
{
	size_t i;

	fprintf(stderr,
		"usage: %s [OPTION]...\n"
		"  -s SECONDS     how long (default: 30)\n"
		"  -o OPERATIONS  at most so many in each thread\n"
		"  -t THREADS     (default: 8, at most %d)\n"
		"  -m MEBIBYTES   of memory in use, about (default: 128)\n"
		"  -r SEED        draw what a run with this seed drew\n"
		"  -d SECONDS     no operation may take longer\n"
		"  -x OP          leave an operation out\n"
		"  -i OP          only this one, and others named so\n"
		"  -k             check the checker: as if there were no kptreclaimd\n"
		"  -S             switch swap off and on now and then\n"
		"  --sabotage=KIND  do something that must make the run fail\n",
		program, MAX_THREADS - 2);
	fprintf(stderr, "operations:");
	for (i = 0; i < ARRAY_SIZE(ops); i++)
		fprintf(stderr, " %s", ops[i].name);
	fprintf(stderr, "\nsabotage:");
	for (i = 0; i < ARRAY_SIZE(sabotages); i++)
		fprintf(stderr, " %s", sabotages[i]);
	fprintf(stderr, "\n");
	exit(2);
}

static void choose_op(const char *program, const char *name, bool include)
{
	static bool chosen;
	int op = find_op(name);

	if (op < 0)
		print_usage(program);
	if (include && !chosen) {
		chosen = true;
		memset(included, false, sizeof(included));
	}
	included[op] = include;
}

static void choose_sabotage(const char *program, const char *kind)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(sabotages); i++) {
		if (!strcmp(sabotages[i], kind))
			torture.sabotage = kind;
	}
	if (!torture.sabotage)
		print_usage(program);
}

static void parse_option(const char *program, int option)
{
	switch (option) {
	case 's':
		torture.seconds = strtod(optarg, NULL);
		break;
	case 'o':
		torture.operations = strtoull(optarg, NULL, 0);
		break;
	case 't':
		torture.threads = strtoul(optarg, NULL, 0);
		break;
	case 'm':
		torture.live = strtoull(optarg, NULL, 0) << 8;
		break;
	case 'r':
		torture.seed = strtoull(optarg, NULL, 0);
		break;
	case 'd':
		torture.patience = strtod(optarg, NULL);
		break;
	case 'k':
		torture.present = false;
		break;
	case 'S':
		torture.swap = true;
		break;
	case 'x':
	case 'i':
		choose_op(program, optarg, option == 'i');
		break;
	case 'B':
		choose_sabotage(program, optarg);
		break;
	default:
		print_usage(program);
	}
}

static void parse_options(int argc, char **argv)
{
	static const struct option longer[] = {
		{ .name = "sabotage", .has_arg = required_argument, .val = 'B' },
		{ }
	};
	int option;

	include_all();
	torture.present = pt_reclaim_present();
	torture.patience = PATIENCE * pt_patience();
	if (getrandom(&torture.seed, sizeof(torture.seed), 0) !=
	    sizeof(torture.seed))
		torture.seed = time(NULL);
	torture.seed >>= 16;
	while ((option = getopt_long(argc, argv, "s:o:t:m:r:d:x:i:kS", longer,
				     NULL)) != -1)
		parse_option(argv[0], option);
	if (!torture.threads || torture.threads > MAX_THREADS - 2 ||
	    optind != argc || torture.seconds <= 0)
		print_usage(argv[0]);
	torture.control = torture.present && !geteuid();
}

/* Small pages, unless an operation asks for huge ones */
static void change_settings(void)
{
	char mode[32];

	pt_guard_settings();
	if (!geteuid()) {
		pt_set_thp("madvise");
		pt_write_file(PT_THP_SYSFS "shmem_enabled", "advise");
	}
	if (!torture.present)
		pt_note("no kptreclaimd: checking the checker");
	else if (torture.control && pt_start_thread("always", 1))
		pt_note("cannot start kptreclaimd");
	else if (!torture.control && !pt_get_mode(mode, sizeof(mode)))
		pt_note("not root: the mode stays %s", mode);
}

static void prepare(void)
{
	int err;

	torture_catch_signals();
	threads = calloc(MAX_THREADS, sizeof(*threads));
	err = threads ? torture_map_regions() : -ENOMEM;
	if (!err)
		err = torture_start_handlers();
	if (err)
		ksft_exit_fail_msg("cannot set up memory: %s\n",
				   strerror(-err));
	leave_out_missing();
	if (!weights)
		ksft_exit_fail_msg("no operation is left\n");
}

static void test_tables_went(const struct events *before, double seconds)
{
	const char *name = "test_tables_went";
	struct events after;

	if (!torture.present) {
		ksft_test_result_skip("%s: no kptreclaimd\n", name);
		return;
	}
	print_events(before, seconds);
	read_events(&after);
	ksft_test_result(after.reclaimed > before->reclaimed, "%s\n", name);
}

int main(int argc, char **argv)
{
	struct events before;
	double start;
	bool ended;

	parse_options(argc, argv);
	ksft_print_header();
	ksft_set_plan(3);
	pt_note("-r %llu draws the same operations again", torture.seed);
	change_settings();
	prepare();
	read_events(&before);
	start = pt_now();
	if (start_threads() || start_spoiler())
		ksft_exit_fail_msg("cannot start the threads\n");
	ended = watch_threads();
	torture_end();
	print_operations();
	ksft_test_result(ended && !torture_mismatches(),
			 "test_everything_is_seen_as_it_must_be\n");
	ksft_test_result(ended && !torture_mismatches() && verify_all(),
			 "test_everything_is_there_in_the_end\n");
	test_tables_went(&before, pt_now() - start);
	pt_note("mismatches %lu", torture_mismatches());
	ksft_finished();
}
