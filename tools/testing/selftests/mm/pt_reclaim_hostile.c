// SPDX-License-Identifier: GPL-2.0
/*
 * What an unprivileged process can make kptreclaimd do to others is bounded.
 * Processes of a user without rights do their worst, one on each CPU, next to
 * a quiet process of somebody else that has empty tables. Asserted are numbers
 * of tables, rounds and flushes, and the share of a CPU: they hold on any machine.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/resource.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_interface.h"
#include "pt_reclaim_util.h"

#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif

#define SCAN_SLEEP_MS		20
#define TABLES_TO_SCAN		256
#define MAX_CPU_PERCENT		20
/* What the thread may use too much, and makes up for later: a chunk of tables */
#define CHUNK_SECONDS		0.25

/* The quiet process */
#define QUIET_TABLES		64L
/*
 * Full scans within which its tables must be gone: the end of the one under
 * way, one that finds them empty, one that takes them; and another one because
 * ages are kept in jiffies, and the sleep is not much longer.
 */
#define SERVED_WITHIN		4
#define SERVED_SECONDS		120
#define SERVED_AT_LEAST		3

/*
 * Tables that are free and wait for a grace period to end, for each hostile
 * process: 64 MiB. What munmap() does in a loop leaves as many.
 */
#define BACKLOG_TABLES		16384L
/* Memory that comes and goes for other reasons, and page tables that do. */
#define MEMORY_TOLERANCE_KB	(96L << 10)
#define TABLES_TOLERANCE	128L

#define MAX_HOSTILE		8

/**
 * struct hostile - one way to be a nuisance
 * @name: Of the test.
 * @turn: What is done again and again.
 * @tables: The page tables, of all levels, that a process has at the most,
 *	its children included.
 * @processes: How many to run; 0: as many as there are CPUs.
 * @max_cpu_percent: The knob; 0: MAX_CPU_PERCENT.
 * @tables_to_scan: The knob; 0: TABLES_TO_SCAN.
 * @scan_sleep_millisecs: The knob; 0: SCAN_SLEEP_MS.
 * @advises: Looks at tables itself, through MADV_PT_RECLAIM: the counters do
 *	not tell who looked.
 * @has_delay: Has a scan_delay_millisecs of its own.
 */
struct hostile {
	const char *name;
	void (*turn)(void);
	long tables;
	unsigned int processes;
	unsigned int max_cpu_percent;
	unsigned int tables_to_scan;
	unsigned int scan_sleep_millisecs;
	bool advises;
	bool has_delay;
};

/* The page tables of a process that does nothing */
#define OWN_TABLES		32

#define ZAPPED_TABLES		256L
#define CHILDREN		8
#define CHILDS_TABLES		16L
#define SPARSE_TABLES		1024L

/* Shared by all processes of a test */
static struct shared {
	unsigned long turns;
	/* Tells the quiet process to waste tables. */
	unsigned int asked;
	unsigned int done;
} *shared;

static pid_t quiet_pid;

static struct pt_area area;

/* Maps once what each turn of a hostile process uses. */
static void map_area(size_t bytes)
{
	if (!area.start && pt_area_map(&area, PT_ANON, bytes))
		_exit(1);
}

static void touch_every(size_t distance, size_t tables)
{
	size_t i;

	for (i = 0; i < tables; i++)
		area.start[i * distance] = 1;
}

static void zap(void)
{
	map_area(ZAPPED_TABLES * PT_TABLE);
	pt_area_waste(&area);
}

/* 64 GiB are looked at for the tables of 512 MiB. */
static void zap_and_advise(void)
{
	map_area(64 * PT_GIB);
	touch_every(PT_TABLE, ZAPPED_TABLES);
	madvise(area.start, area.bytes, MADV_DONTNEED);
	madvise(area.start, area.bytes, MADV_PT_RECLAIM);
}

/* The same rate of freeing without the feature, for comparison */
static void zap_and_unmap(void)
{
	map_area(ZAPPED_TABLES * PT_TABLE);
	pt_area_waste(&area);
	pt_area_unmap(&area);
}

static void come_and_go(void)
{
	map_area(8 * PT_TABLE);
	pt_area_waste(&area);
	prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_DISABLE, 0, 0, 0);
	prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_ENABLE, 0, 0, 0);
	pt_area_waste(&area);
	prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_DEFAULT, 0, 0, 0);
}

static void storm(void)
{
	int i;

	map_area(CHILDS_TABLES * PT_TABLE);
	for (i = 0; i < CHILDREN; i++) {
		if (!fork()) {
			pt_area_waste(&area);
			_exit(0);
		}
	}
	while (wait(NULL) > 0)
		;
}

static void exec_again(void)
{
	map_area(CHILDS_TABLES * PT_TABLE);
	pt_area_waste(&area);
	execl("/proc/self/exe", "self", "--exec-again", NULL);
	_exit(1);
}

/* Starts the first of a row of programs, each of which starts the next. */
static void exec_storm(void)
{
	pid_t pid = fork();

	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		exec_again();
	}
	pt_pause_ms(500);
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* One table in each GiB: a table of the next level for each, which stays. */
static void spread(void)
{
	map_area(SPARSE_TABLES * PT_GIB);
	touch_every(PT_GIB, SPARSE_TABLES);
	madvise(area.start, area.bytes, MADV_DONTNEED);
}

static void *zap_half(void *half)
{
	size_t bytes = area.bytes / 2;
	char *start = area.start + (half ? bytes : 0);
	size_t at;

	for (;;) {
		for (at = 0; at < bytes; at += PT_TABLE)
			start[at] = 1;
		madvise(start, bytes, MADV_DONTNEED);
		__atomic_add_fetch(&shared->turns, 1, __ATOMIC_RELAXED);
	}
	return NULL;
}

/* Flushes pending, and mmap_lock wanted for write, all the time */
static void contend(void)
{
	pthread_t threads[2];
	void *page;

	map_area(ZAPPED_TABLES * PT_TABLE);
	if (pthread_create(&threads[0], NULL, zap_half, NULL) ||
	    pthread_create(&threads[1], NULL, zap_half, area.start))
		_exit(1);
	for (;;) {
		page = mmap(NULL, PT_PAGE, PROT_READ, MAP_PRIVATE |
			    MAP_ANONYMOUS, -1, 0);
		munmap(page, PT_PAGE);
	}
}

/* Everything of the quiet process that anybody may read */
static void read_quiet(void)
{
	static const char * const files[] = {
		"cmdline", "status", "stat", "statm", "comm",
	};
	char path[64], text[4096];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(files); i++) {
		snprintf(path, sizeof(path), "/proc/%d/%s", quiet_pid,
			 files[i]);
		pt_read_file(path, text, sizeof(text));
	}
}

/* Far more at once than the thread may deal with at once */
#define MANY_TABLES		4096L

static void zap_many(void)
{
	map_area(MANY_TABLES * PT_TABLE);
	pt_area_waste(&area);
	pt_pause_ms(10 * SCAN_SLEEP_MS);
}

/*
 * Runs ahead of the thread: new marks before it, no tables behind it, faster than
 * it may look at them. The end of the address space is far away.
 */
#define LITTLE_CPU_PERCENT	1
#define WINDOW_TABLES		256L

static void run_ahead(void)
{
	static size_t head;
	size_t tables, step = WINDOW_TABLES / 4;
	char *front;
	size_t i;

	map_area(32 * 1024 * PT_GIB);
	tables = area.bytes / PT_TABLE;
	front = area.start + head % tables * PT_TABLE;
	for (i = 0; i < step; i++, head++)
		front[i * PT_TABLE] = 1;
	madvise(front, step * PT_TABLE, MADV_DONTNEED);
	if (head >= WINDOW_TABLES) {
		char *tail = area.start +
			     (head - WINDOW_TABLES) % tables * PT_TABLE;

		madvise(tail, step * PT_TABLE, MADV_PT_RECLAIM);
	}
	pt_pause_ms(SCAN_SLEEP_MS / 4);
}

/*
 * Is due again before its visit is over, which takes less than its turn, with more
 * marks than the quiet process has tables. There is one page in each table, now here
 * and now there, so that none is empty and each look at one is long.
 */
#define DUE_TABLES		4096L
/* Visits that the thread has time for at once, from what it saved before they began */
#define SAVED_UP_VISITS		4

static void be_due_always(void)
{
	static size_t page = 300 * PT_PAGE;
	size_t at, old = page;

	if (!area.start) {
		map_area(DUE_TABLES * PT_TABLE);
		/* Its files belong to somebody else since it is nobody. */
		if (prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) ||
		    pt_process_write(0, "scan_delay_millisecs 1"))
			_exit(1);
	}
	page = 800 * PT_PAGE - page;
	for (at = 0; at < area.bytes; at += PT_TABLE) {
		area.start[at + page] = 1;
		madvise(area.start + at + old, PT_PAGE, MADV_DONTNEED);
	}
}

static const struct hostile hostiles[] = {
	{
		.name = "test_zap_loop",
		.turn = zap,
		.tables = ZAPPED_TABLES,
	}, {
		.name = "test_zap_and_advise_loop",
		.turn = zap_and_advise,
		.tables = ZAPPED_TABLES + 64,
		.advises = true,
	}, {
		.name = "test_zap_and_unmap_loop",
		.turn = zap_and_unmap,
		.tables = ZAPPED_TABLES,
	}, {
		.name = "test_prctl_loop",
		.turn = come_and_go,
		.tables = 8,
	}, {
		.name = "test_fork_storm",
		.turn = storm,
		.tables = CHILDREN * (OWN_TABLES + CHILDS_TABLES),
	}, {
		.name = "test_exec_storm",
		.turn = exec_storm,
		.tables = 2 * OWN_TABLES + CHILDS_TABLES,
	}, {
		.name = "test_sparse_ranges",
		.turn = spread,
		.tables = 2 * SPARSE_TABLES,
	}, {
		.name = "test_contended_locks_and_flushes",
		.turn = contend,
		.tables = ZAPPED_TABLES,
	}, {
		.name = "test_reads_of_proc",
		.turn = read_quiet,
	}, {
		.name = "test_many_tables_at_once",
		.turn = zap_many,
		.tables = MANY_TABLES + 16,
	}, {
		.name = "test_tables_ahead_of_the_thread",
		.turn = run_ahead,
		.tables = 2 * WINDOW_TABLES,
		.processes = 1,
		.max_cpu_percent = LITTLE_CPU_PERCENT,
		.advises = true,
	}, {
		.name = "test_due_always",
		.turn = be_due_always,
		/* And what is in them */
		.tables = 2 * DUE_TABLES + 16,
		.max_cpu_percent = 2 * LITTLE_CPU_PERCENT,
		.tables_to_scan = 2 * DUE_TABLES,
		.scan_sleep_millisecs = 1,
		.has_delay = true,
	},
};

static const struct hostile *find_hostile(const char *name)
{
	const struct hostile *hostile = hostiles;

	while (strcmp(hostile->name, name))
		hostile++;
	return hostile;
}

static unsigned int nr_cpus(void)
{
	long cpus = sysconf(_SC_NPROCESSORS_ONLN);

	return cpus < 2 ? 2 : cpus > MAX_HOSTILE ? MAX_HOSTILE : cpus;
}

static unsigned int nr_processes(const struct hostile *hostile)
{
	return hostile->processes ? hostile->processes : nr_cpus();
}

/* The quiet process: wastes tables when it is asked to, and stands still. */
static __noreturn void be_quiet(void)
{
	unsigned int asked;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	map_area(QUIET_TABLES * PT_TABLE);
	for (;;) {
		asked = __atomic_load_n(&shared->asked, __ATOMIC_ACQUIRE);
		if (asked != shared->done) {
			if (pt_area_waste(&area))
				_exit(1);
			__atomic_store_n(&shared->done, asked,
					 __ATOMIC_RELEASE);
		}
		pt_pause_ms(5);
	}
}

static bool quiet_is_done(void)
{
	return __atomic_load_n(&shared->done, __ATOMIC_ACQUIRE) ==
	       shared->asked;
}

static bool ask_quiet_to_waste(void)
{
	__atomic_add_fetch(&shared->asked, 1, __ATOMIC_RELEASE);
	return pt_wait(30, "the quiet process to waste tables",
		       quiet_is_done());
}

static __noreturn void be_hostile(const struct hostile *hostile, pid_t group)
{
	setpgid(0, group);
	setpriority(PRIO_PROCESS, 0, 0);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (pt_become_nobody())
		_exit(1);
	/* Forgotten when the user changes */
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;) {
		hostile->turn();
		__atomic_add_fetch(&shared->turns, 1, __ATOMIC_RELAXED);
	}
}

/* All of them, and what they start, are in the first one's process group. */
static pid_t hostile_group;
static pid_t hostile_pids[MAX_HOSTILE];

static int start_hostile(const struct hostile *hostile)
{
	unsigned int i;
	pid_t pid;

	hostile_group = 0;
	for (i = 0; i < nr_processes(hostile); i++) {
		pid = fork();
		if (pid < 0)
			return -errno;
		if (!pid)
			be_hostile(hostile, hostile_group);
		if (!hostile_group)
			hostile_group = pid;
		setpgid(pid, hostile_group);
		hostile_pids[i] = pid;
	}
	return 0;
}

static bool all_are_dead(void)
{
	while (waitpid(-hostile_group, NULL, WNOHANG) > 0)
		;
	return kill(-hostile_group, 0) && errno == ESRCH;
}

static bool end_hostile(void)
{
	if (!hostile_group)
		return true;
	kill(-hostile_group, SIGKILL);
	return pt_wait(30, "hostile processes to die", all_are_dead());
}

static long free_kb(void)
{
	char text[512], *at;

	if (pt_read_file("/proc/meminfo", text, sizeof(text)))
		return -EIO;
	at = strstr(text, "MemFree:");
	return at ? strtol(at + strlen("MemFree:"), NULL, 10) : -EIO;
}

static long long most_visits(const struct hostile *hostile)
{
	long long visits, most = 0;
	unsigned int i;

	for (i = 0; i < nr_processes(hostile); i++) {
		visits = pt_process_number(hostile_pids[i], "visits");
		if (visits > most)
			most = visits;
	}
	return most;
}

/* What has been counted, and what the most was of what comes and goes */
struct reading {
	struct pt_thread_use thread;
	long long full_scans;
	long long scanned;
	long long reclaimed;
	long long flushes;
	long long mms;
	long long tables;
	long free_kb;
	unsigned long turns;
	double time;
};

static void read_all(struct reading *now)
{
	pt_thread_usage(&now->thread);
	now->full_scans = pt_knob("full_scans");
	now->scanned = pt_vmstat("pt_reclaim_scanned");
	now->reclaimed = pt_vmstat("pt_reclaim_reclaimed");
	now->flushes = pt_vmstat("pt_reclaim_flush");
	now->mms = pt_knob("mms");
	now->tables = pt_vmstat("nr_page_table_pages");
	now->free_kb = free_kb();
	now->turns = __atomic_load_n(&shared->turns, __ATOMIC_RELAXED);
	now->time = pt_now();
}

/* What went on between two readings */
struct course {
	const struct hostile *hostile;
	struct reading before;
	struct reading after;
	long long most_mms;
	long long most_tables;
	long least_free_kb;
	unsigned int served;	/* how often the quiet process was */
	double longest_wait;
	double born;		/* when the thread was, with nothing saved up */
	long long percent;
	long quiet_kb;		/* of its page tables, without the empty ones */
	long long most_visits;	/* of one hostile process */
};

static void sample(struct course *course)
{
	long long mms = pt_knob("mms");
	long long tables = pt_vmstat("nr_page_table_pages");
	long kb = free_kb();

	if (mms > course->most_mms)
		course->most_mms = mms;
	if (tables > course->most_tables)
		course->most_tables = tables;
	if (kb < course->least_free_kb)
		course->least_free_kb = kb;
}

/* One upper table may have come with the first of its tables. */
static bool quiet_has_lost_its_tables(const struct course *course)
{
	return pt_vmpte_kb(quiet_pid) <= course->quiet_kb + 2 * PT_TABLE_KB;
}

/*
 * How many tables may be looked at in so many rounds: in each visit those which
 * the process has when it begins, a quarter more, and 64. (The samples may have
 * missed the most of both: twice as many.)
 */
static long long looks_of(const struct course *course, long long rounds)
{
	long long each = course->most_tables * 5 / 4 + course->most_mms * 64;

	return 2 * each * rounds;
}

/* True if the thread has had more than enough chances. */
static bool quiet_starves(const struct course *course, double start,
			  long long scanned)
{
	double limit = SERVED_SECONDS * pt_patience();

	if (pt_now() - start > limit) {
		pt_note("the quiet process starves: %.0f s", limit);
		return true;
	}
	if (course->hostile->advises)
		return false;
	scanned = pt_vmstat("pt_reclaim_scanned") - scanned;
	if (scanned <= looks_of(course, SERVED_WITHIN + 1))
		return false;
	pt_note("the quiet process starves: %lld tables were looked at",
		scanned);
	return true;
}

/*
 * One turn of the quiet process. It is served when so many full scans have
 * been finished, not merely sooner or later.
 */
static int be_served(struct course *course)
{
	double start = pt_now();
	long long scans, scanned;

	if (!ask_quiet_to_waste())
		return KSFT_FAIL;
	scans = pt_knob("full_scans");
	scanned = pt_vmstat("pt_reclaim_scanned");
	while (pt_knob("full_scans") < scans + SERVED_WITHIN) {
		sample(course);
		if (quiet_starves(course, start, scanned))
			return pt_failed("and %lld full scans",
					 pt_knob("full_scans") - scans);
		pt_pause_ms(SCAN_SLEEP_MS);
	}
	if (!quiet_has_lost_its_tables(course))
		return pt_failed("after %d full scans the quiet process has %ld kB, not %ld",
				 SERVED_WITHIN, pt_vmpte_kb(quiet_pid),
				 course->quiet_kb);
	course->served++;
	if (pt_now() - start > course->longest_wait)
		course->longest_wait = pt_now() - start;
	return KSFT_PASS;
}

/*
 * The thread has no more of a CPU than the knob says. If the host takes its CPU away
 * for a while, that counts as used, and it makes up for it.
 */
static bool has_used_too_much(const struct course *course)
{
	double seconds = course->after.time - course->born;

	return course->after.thread.run_ns / 1e9 >
	       seconds * course->percent / 100 + CHUNK_SECONDS;
}

/* The last reading, while the hostile processes are still at it */
static void read_after(struct course *course)
{
	pt_wait(60, "the thread to make up for what it used too much",
		(sample(course), read_all(&course->after),
		 !has_used_too_much(course)));
}

static int check_work(const struct course *course)
{
	double seconds = course->after.time - course->born;
	double used = course->after.thread.run_ns / 1e9;

	pt_note("the thread used %.3f s of a CPU in %.1f s: %.1f %%, of %lld",
		used, seconds, 100 * used / seconds, course->percent);
	if (used <= 0)
		return pt_failed("that cannot be");
	return has_used_too_much(course) ? pt_failed("that is too much") :
	       KSFT_PASS;
}

/* And a round comes to an end, whatever is done meanwhile. */
static int check_rounds(const struct course *course)
{
	long long scanned = course->after.scanned - course->before.scanned;
	long long rounds = course->after.full_scans -
			   course->before.full_scans;
	long long limit = looks_of(course, rounds + 1);

	pt_note("%lld full scans, of %lld mms at the most; %lld tables looked at",
		rounds, course->most_mms, scanned);
	if (course->hostile->advises || scanned <= limit)
		return KSFT_PASS;
	return pt_failed("they should take no more than %lld", limit);
}

/*
 * Who has a delay of his own has a visit in each round, and in one about such mms alone
 * before the next: the sleep is too short for another one.
 */
static int check_visits(const struct course *course)
{
	long long rounds = course->after.full_scans -
			   course->before.full_scans;
	long long limit = 2 * (rounds + 1) + SAVED_UP_VISITS;

	if (!course->hostile->has_delay)
		return KSFT_PASS;
	pt_note("%lld visits of one process in %lld full scans",
		course->most_visits, rounds);
	if (course->most_visits > 0 && course->most_visits <= limit)
		return KSFT_PASS;
	return pt_failed("they should be no more than %lld", limit);
}

/*
 * Each group of tables and each batch has one flush, and at least a table; and
 * there may be one of reclaim's for each.
 */
static int check_flushes(const struct course *course)
{
	long long reclaimed = course->after.reclaimed -
			      course->before.reclaimed;
	long long flushes = course->after.flushes - course->before.flushes;

	pt_note("%lld tables freed with %lld flushes", reclaimed, flushes);
	if (flushes <= 3 * reclaimed)
		return KSFT_PASS;
	return pt_failed("more than three flushes for a table");
}

/* Freed tables that wait for a grace period do not pile up. */
static int check_backlog(const struct course *course)
{
	unsigned int processes = nr_processes(course->hostile);
	long used = processes * (OWN_TABLES + course->hostile->tables);
	long limit = used + processes * BACKLOG_TABLES;
	long grown = course->most_tables - course->before.tables;
	long taken_kb = course->before.free_kb - course->least_free_kb;

	pt_note("%ld page tables more at the most, of which %ld may be in use; %ld kB of memory",
		grown, used, taken_kb);
	if (grown > limit)
		return pt_failed("that is more than %ld", limit);
	/* Each table in use may come with a page. */
	if (taken_kb > (limit + used) * PT_TABLE_KB + MEMORY_TOLERANCE_KB)
		return pt_failed("too much memory");
	return KSFT_PASS;
}

static bool nothing_is_left(const struct course *course)
{
	const struct reading *before = &course->before;

	return pt_wait(30, "mms to go back to where it was",
		       pt_knob("mms") <= before->mms) &&
	       pt_wait(30, "nr_page_table_pages to go back",
		       pt_vmstat("nr_page_table_pages") <=
		       before->tables + TABLES_TOLERANCE) &&
	       pt_wait(30, "MemFree to come back",
		       free_kb() >= before->free_kb - MEMORY_TOLERANCE_KB);
}

static void print_course(const struct course *course)
{
	const struct reading *before = &course->before;
	const struct reading *after = &course->after;

	pt_note("%s: %u hostile processes made %lu turns in %.1f s",
		pt_trial_name, nr_processes(course->hostile),
		after->turns - before->turns, after->time - before->time);
	pt_note("the quiet process was served %u times, in %.1f s at the most",
		course->served, course->longest_wait);
}

static int judge(const struct course *course)
{
	int verdict = KSFT_PASS;

	print_course(course);
	if (course->after.turns - course->before.turns <
	    nr_processes(course->hostile))
		verdict = pt_failed("the hostile processes did next to nothing");
	if (check_work(course) || check_rounds(course) ||
	    check_visits(course) || check_flushes(course) || check_backlog(course))
		verdict = KSFT_FAIL;
	return verdict;
}

/* What is shared, the quiet process, and the knobs, with no thread yet */
static int prepare(void)
{
	shared = mmap(NULL, sizeof(*shared), PROT_READ | PROT_WRITE,
		      MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	if (shared == MAP_FAILED)
		return -errno;
	/* Among so many who want the CPUs */
	setpriority(PRIO_PROCESS, 0, -10);
	quiet_pid = fork();
	if (!quiet_pid)
		be_quiet();
	if (quiet_pid < 0)
		return -errno;
	if (pt_start_thread("never", SCAN_SLEEP_MS) ||
	    pt_set_knob("tables_to_scan", TABLES_TO_SCAN) ||
	    pt_set_knob("max_cpu_percent", MAX_CPU_PERCENT))
		return -EINVAL;
	return 0;
}

static int endure(const struct hostile *hostile)
{
	struct course course = { .hostile = hostile };
	int verdict = KSFT_PASS;
	double end;

	if (hostile->max_cpu_percent &&
	    pt_set_knob("max_cpu_percent", hostile->max_cpu_percent))
		return pt_failed("cannot set max_cpu_percent");
	if (hostile->tables_to_scan &&
	    pt_set_knob("tables_to_scan", hostile->tables_to_scan))
		return pt_failed("cannot set tables_to_scan");
	if (hostile->scan_sleep_millisecs &&
	    pt_set_knob("scan_sleep_millisecs", hostile->scan_sleep_millisecs))
		return pt_failed("cannot set scan_sleep_millisecs");
	course.percent = pt_knob("max_cpu_percent");
	course.born = pt_now();
	if (pt_set_mode("always"))
		return pt_failed("cannot start the thread");
	course.quiet_kb = pt_vmpte_kb(quiet_pid);
	read_all(&course.before);
	course.least_free_kb = course.before.free_kb;
	if (start_hostile(hostile))
		return pt_failed("cannot start: %s", strerror(errno));
	if (!pt_wait(30, "the hostile processes to begin",
		     __atomic_load_n(&shared->turns, __ATOMIC_RELAXED) >=
		     nr_processes(hostile)))
		verdict = KSFT_FAIL;
	end = pt_now() + pt_trial_seconds;
	while (verdict == KSFT_PASS &&
	       (pt_now() < end || course.served < SERVED_AT_LEAST))
		verdict = be_served(&course);
	read_after(&course);
	if (hostile->has_delay)
		course.most_visits = most_visits(hostile);
	if (!end_hostile())
		verdict = KSFT_FAIL;
	if (judge(&course) || !nothing_is_left(&course))
		verdict = KSFT_FAIL;
	return verdict;
}

static int run_hostile(void)
{
	int err = prepare();

	if (err)
		return pt_failed("cannot begin: %s", strerror(-err));
	return endure(find_hostile(pt_trial_name));
}

/*
 * The admin can change the mode all the while, which waits for one piece of the
 * thread's work; and when it is never, the thread is gone.
 */
static int run_switches(void)
{
	static const char * const modes[] = { "never", "always", "madvise" };
	double end = pt_now() + pt_trial_seconds, start, longest = 0;
	unsigned int switches = 0;
	int err;

	err = prepare();
	if (!err)
		err = pt_set_mode("always");
	if (!err)
		err = start_hostile(find_hostile("test_fork_storm"));
	while (!err && pt_now() < end) {
		start = pt_now();
		err = pt_set_mode(modes[switches % ARRAY_SIZE(modes)]);
		if (pt_now() - start > longest)
			longest = pt_now() - start;
		if (switches++ % ARRAY_SIZE(modes))
			continue;
		/* It may be seen on its last steps. */
		if (!pt_wait(10, "the thread to be gone", !pt_find_thread()))
			return KSFT_FAIL;
	}
	if (!end_hostile() || err)
		return pt_failed("after %u switches: %s", switches,
				 strerror(-err));
	pt_note("%u switches, the longest took %.3f s", switches, longest);
	if (switches < 10)
		return pt_failed("that is slow");
	return KSFT_PASS;
}

/*
 * What is done under one hold of a lock, as the tracepoints tell: the tables
 * that are taken under one of mmap_lock, and those that are looked at before a
 * change of mode may pass.
 */
#define MOST_TAKEN		32	/* PT_RECLAIM_HOLD */
#define USUALLY_TAKEN		9	/* DETACH_GROUP, and one more */
#define MOST_LOOKED_AT		512	/* SCAN_CHUNK */
#define TRACE_INSTANCE		"/sys/kernel/tracing/instances/pt_reclaim/"
#define TRACE_EVENTS		TRACE_INSTANCE "events/pt_reclaim/"

static int start_tracing(void)
{
	int err;

	if (mkdir(TRACE_INSTANCE, 0700) && errno != EEXIST)
		return -errno;
	err = pt_write_file(TRACE_EVENTS "mm_pt_reclaim_full_scan/enable", "1");
	if (!err)
		err = pt_write_file(TRACE_EVENTS
				    "mm_pt_reclaim_range_end/enable", "1");
	return err ? err : open(TRACE_INSTANCE "trace_pipe",
				O_RDONLY | O_NONBLOCK | O_CLOEXEC);
}

/* Has an event traced that others cause too, only of the thread, which runs. */
static int trace_thread(const char *event)
{
	char path[128], filter[32];
	int err;

	snprintf(path, sizeof(path), TRACE_INSTANCE "events/%s/filter", event);
	snprintf(filter, sizeof(filter), "common_pid==%d", pt_find_thread());
	err = pt_write_file(path, filter);
	if (err)
		return err;
	snprintf(path, sizeof(path), TRACE_INSTANCE "events/%s/enable", event);
	return pt_write_file(path, "1");
}

struct holds {
	unsigned long nr;
	unsigned long tables;		/* in the present one */
	unsigned long most_tables;
	unsigned long unusual;		/* because of a pending flush */
	unsigned long visits;
	unsigned long most_looked_at;
};

/* Only of the thread: whoever asks for himself holds only his own lock. */
static void count_hold(void *counts, const char *line)
{
	struct holds *holds = counts;
	const char *scanned = strstr(line, " scanned=");
	unsigned long nr;

	/* Of what is lost it is not known in which hold it was. */
	if (strstr(line, " EVENTS]"))
		holds->tables = 0;
	if (!strstr(line, "kptreclaimd-"))
		return;
	if (strstr(line, ": mm_pt_reclaim_table:")) {
		holds->tables++;
		if (holds->tables > holds->most_tables)
			holds->most_tables = holds->tables;
	}
	if (strstr(line, ": mmap_lock_released:")) {
		holds->nr += holds->tables > 0;
		holds->unusual += holds->tables > USUALLY_TAKEN;
		holds->tables = 0;
	}
	if (scanned && strstr(line, ": mm_pt_reclaim_range_end:")) {
		nr = strtoul(scanned + strlen(" scanned="), NULL, 10);
		holds->visits++;
		if (nr > holds->most_looked_at)
			holds->most_looked_at = nr;
	}
}

static void read_trace(int trace, void (*count)(void *counts, const char *line),
		       void *counts)
{
	static char text[65536];
	static size_t len;
	char *line, *end;
	ssize_t got;

	while ((got = read(trace, text + len, sizeof(text) - 1 - len)) > 0) {
		len += got;
		text[len] = '\0';
		for (line = text; (end = strchr(line, '\n')); line = end + 1) {
			*end = '\0';
			count(counts, line);
		}
		len -= line - text;
		memmove(text, line, len);
	}
}

static int run_holds(void)
{
	double end = pt_now() + pt_trial_seconds;
	struct holds holds = { 0 };
	int err, trace;

	trace = start_tracing();
	if (trace < 0)
		return pt_skipped("no tracing: %s", strerror(-trace));
	err = prepare();
	if (!err)
		err = pt_set_knob("tables_to_scan", 65536);
	if (!err)
		err = pt_set_mode("always");
	/* In this order, or a hold seems not to end. */
	if (!err)
		err = trace_thread("mmap_lock/mmap_lock_released");
	if (!err)
		err = trace_thread("pt_reclaim/mm_pt_reclaim_table");
	if (!err)
		err = start_hostile(find_hostile("test_many_tables_at_once"));
	while (!err && (pt_now() < end || holds.nr < 10) &&
	       pt_now() < end + 30 * pt_patience()) {
		read_trace(trace, count_hold, &holds);
		pt_pause_ms(SCAN_SLEEP_MS);
	}
	close(trace);
	if (!end_hostile() || err)
		return pt_failed("%s", strerror(-err));
	pt_note("%lu visits of %lu tables at the most, mmap_lock held %lu times for %lu",
		holds.visits, holds.most_looked_at, holds.nr,
		holds.most_tables);
	if (holds.nr < 10)
		return pt_failed("that is too few to tell");
	return holds.most_tables <= MOST_TAKEN &&
	       holds.unusual <= holds.nr / 2 &&
	       holds.most_looked_at <= MOST_LOOKED_AT ? KSFT_PASS : KSFT_FAIL;
}

/*
 * Two processes with the same number of tables, all of which are looked at in each
 * round: as long as both have some left, none has more than tables_to_scan looked
 * at before it is the other one's turn.
 */
#define SHARE_TABLES		2048L
#define LEAST_ROUNDS		3

struct turns {
	unsigned long rounds;
	unsigned long fewest;		/* turns in a round */
	unsigned long longest;		/* turn, in tables */
	unsigned long nr;		/* in the present round */
	unsigned long looked_at;	/* in the present turn */
	char mm[32];			/* whose it is */
	bool begun;
};

/* The last turn of a round may be longer: there is nobody else any more. */
static void count_full_scan(struct turns *turns)
{
	if (turns->begun && turns->nr) {
		turns->rounds++;
		if (turns->nr < turns->fewest)
			turns->fewest = turns->nr;
	}
	turns->begun = true;
	turns->nr = 0;
	turns->looked_at = 0;
	turns->mm[0] = '\0';
}

static void count_turn(void *counts, const char *line)
{
	const char *scanned = strstr(line, " scanned=");
	const char *at = strstr(line, " mm=");
	struct turns *turns = counts;
	char mm[32];

	if (strstr(line, ": mm_pt_reclaim_full_scan:"))
		count_full_scan(turns);
	if (!turns->begun || !at || !scanned ||
	    !strstr(line, ": mm_pt_reclaim_range_end:") ||
	    sscanf(at, " mm=%31s", mm) != 1)
		return;
	if (strcmp(mm, turns->mm)) {
		if (turns->looked_at > turns->longest)
			turns->longest = turns->looked_at;
		turns->looked_at = 0;
		turns->nr++;
		snprintf(turns->mm, sizeof(turns->mm), "%s", mm);
	}
	turns->looked_at += strtoul(scanned + strlen(" scanned="), NULL, 10);
}

static __noreturn void share(bool ask_for_more)
{
	size_t at;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	map_area(SHARE_TABLES * PT_TABLE);
	for (at = 0; at < area.bytes; at += PT_TABLE)
		pt_touch(area.start + at);
	if (ask_for_more &&
	    (pt_become_nobody() || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0) ||
	     pt_process_write(0, "scan_tables 65536")))
		_exit(1);
	if (prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_ENABLE, 0, 0, 0))
		_exit(1);
	__atomic_add_fetch(&shared->turns, 1, __ATOMIC_RELAXED);
	for (;;)
		pause();
}

static int share_out(bool ask_for_more)
{
	struct turns turns = { .fewest = -1UL };
	double end = pt_now() + pt_trial_seconds;
	int err, trace, i;

	err = prepare();
	if (!err)
		err = pt_set_knob("sweep_rounds", 1);
	if (!err && ask_for_more)
		err = pt_set_knob("tables_to_scan", 65536);
	if (err)
		return pt_failed("%s", strerror(-err));
	/* Both end with this process. */
	for (i = 0; i < 2; i++)
		if (!fork())
			share(ask_for_more);
	if (!pt_wait(30, "two processes to have their tables",
		     shared->turns == 2))
		return KSFT_FAIL;
	trace = start_tracing();
	if (trace < 0)
		return pt_skipped("no tracing: %s", strerror(-trace));
	err = pt_set_knob("tables_to_scan", TABLES_TO_SCAN);
	if (!err)
		err = pt_set_mode("madvise");
	while (!err && (pt_now() < end || turns.rounds < LEAST_ROUNDS) &&
	       pt_now() < end + 30 * pt_patience()) {
		pt_pause_ms(SCAN_SLEEP_MS);
		read_trace(trace, count_turn, &turns);
	}
	close(trace);
	pt_note("%lu rounds of %lu turns at the least, %lu tables each at the most",
		turns.rounds, turns.fewest, turns.longest);
	if (err || turns.rounds < LEAST_ROUNDS)
		return pt_failed("that is too few to tell");
	return turns.longest <= TABLES_TO_SCAN &&
	       turns.fewest >= 2 * SHARE_TABLES / TABLES_TO_SCAN ? KSFT_PASS :
		KSFT_FAIL;
}

static int run_turns(void)
{
	return share_out(false);
}

/* Both had asked for so many when everybody had. */
static int run_turns_of_before(void)
{
	return share_out(true);
}

/* 0 or a negative errno */
static int advise(pid_t pid, const struct pt_area *range)
{
	struct iovec vector = {
		.iov_base = range->start,
		.iov_len = range->bytes,
	};
	int fd = syscall(SYS_pidfd_open, pid, 0);
	ssize_t done;
	int err = 0;

	if (fd < 0)
		return -errno;
	done = syscall(SYS_process_madvise, fd, &vector, 1, MADV_PT_RECLAIM, 0);
	if (done < 0)
		err = -errno;
	close(fd);
	return err;
}

/* As nobody: the root's, one's own user's, one's own */
static int be_refused(pid_t roots, const struct pt_area *range)
{
	int others_err, own_err, self_err;
	pid_t pid;

	if (pt_become_nobody())
		return pt_failed("cannot drop root's rights");
	pid = fork();
	if (!pid) {
		/* Which is what a program that was executed has */
		prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	pt_wait(5, "a process of the same user",
		(own_err = advise(pid, range)) == -EPERM);
	others_err = advise(roots, range);
	self_err = advise(getpid(), range);
	kill(pid, SIGKILL);
	pt_note("root's process: %s; one of the same user: %s; itself: %s",
		strerror(-others_err), strerror(-own_err),
		strerror(-self_err));
	return (others_err == -EPERM || others_err == -EACCES) &&
	       own_err == -EPERM && !self_err ? KSFT_PASS : KSFT_FAIL;
}

static int run_advice_to_others(void)
{
	long long reclaimed;
	int status;
	long kb;
	pid_t pid;

	/* A copy of the quiet process's area lies at the same place here. */
	map_area(QUIET_TABLES * PT_TABLE);
	if (prepare() || !ask_quiet_to_waste())
		return pt_failed("cannot begin");
	kb = pt_vmpte_kb(quiet_pid);
	pid = fork();
	if (!pid)
		_exit(be_refused(quiet_pid, &area));
	status = pt_reap(pid, 30, "a process that is refused");
	if (status || pt_vmpte_kb(quiet_pid) != kb)
		return pt_failed("status %#x, and %ld kB of page tables, not %ld",
				 status, pt_vmpte_kb(quiet_pid), kb);
	/* The same from root does something, so the refusal was one. */
	reclaimed = pt_knob("tables_reclaimed");
	if (advise(quiet_pid, &area) ||
	    pt_knob("tables_reclaimed") < reclaimed + QUIET_TABLES)
		return pt_failed("root's advice is refused, too");
	return KSFT_PASS;
}

static int run_trial(int (*run)(void))
{
	return run();
}

static void stop_tracing(void)
{
	rmdir(TRACE_INSTANCE);
}

int main(int argc, char **argv)
{
	static struct pt_trial trials[ARRAY_SIZE(hostiles) + 5];
	size_t i;

	if (argc == 2 && !strcmp(argv[1], "--exec-again"))
		exec_again();
	for (i = 0; i < ARRAY_SIZE(hostiles); i++) {
		trials[i].name = hostiles[i].name;
		trials[i].run = run_hostile;
	}
	trials[i].name = "test_admin_can_switch_all_the_while";
	trials[i++].run = run_switches;
	trials[i].name = "test_locks_are_held_for_a_batch";
	trials[i++].run = run_holds;
	trials[i].name = "test_nobody_has_more_than_his_turn";
	trials[i++].run = run_turns;
	trials[i].name = "test_turns_end_as_tables_to_scan_sinks";
	trials[i++].run = run_turns_of_before;
	trials[i].name = "test_advice_to_others_is_refused";
	trials[i++].run = run_advice_to_others;
	/* The trials are children, and do not run this. */
	atexit(stop_tracing);
	pt_run_trials(argc, argv, trials, i, run_trial);
}
