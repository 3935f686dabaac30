// SPDX-License-Identifier: GPL-2.0
/*
 * Memory that is scarce: in a cgroup at its limit, in the whole system, and where
 * somebody asks for it to be reclaimed. Empty tables go, and nobody is killed for
 * them. On a kernel without the feature: somebody is.
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
#include <sys/swap.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_cgroup.h"
#include "pt_reclaim_harness.h"
#include "pt_reclaim_interface.h"
#include "pt_reclaim_story.h"

#define TEST_SECONDS	1200

#define LIMIT_BYTES	(128 * PT_MIB)

/*
 * It is held for whatever the thread would do by itself: the CPU time that it has is
 * the least, and its sleep an hour. Memory that is scarce wakes it.
 */
static int start_lazy(const char *mode)
{
	if (!pt_reclaim_present())
		return strcmp(mode, "never") ? -ENOTSUP : 0;
	if (!pt_start_held(mode))
		return -EBUSY;
	return strcmp(mode, "never") ? pt_set_knob("max_cpu_percent", 1) : 0;
}

static long long pressure(void)
{
	return pt_knob("tables_reclaimed_pressure");
}

static bool was_killed(int status)
{
	return WIFSIGNALED(status) && WTERMSIG(status) == SIGKILL;
}

/* In a cgroup, without swap and with it */
FIXTURE(cgroup)
{
	struct pt_cgroups cgroups;
	struct pt_group group;
};

FIXTURE_VARIANT(cgroup)
{
	const char *swap_max;
};

FIXTURE_VARIANT_ADD(cgroup, without_swap)
{
	.swap_max = "0",
};

FIXTURE_VARIANT_ADD(cgroup, with_swap)
{
	.swap_max = "max",
};

FIXTURE_SETUP(cgroup)
{
	if (!pt_cgroups_find(&self->cgroups))
		SKIP(return, "no cgroup2 with a memory controller");
	ASSERT_EQ(0, pt_group_make(&self->group, &self->cgroups, "tight"));
	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", PT_STORY_LIMIT));
	if (pt_group_write(&self->group, "memory.swap.max", variant->swap_max) &&
	    strcmp(variant->swap_max, "0")) {
		pt_group_remove(&self->group);
		pt_cgroups_leave(&self->cgroups);
		SKIP(return, "there is no swap");
	}
}

FIXTURE_TEARDOWN(cgroup)
{
	pt_group_remove(&self->group);
	pt_cgroups_leave(&self->cgroups);
}

static long long oom_kills(const struct pt_group *group)
{
	return pt_group_stat(group, "memory.events", "oom_kill");
}

TEST_F_TIMEOUT(cgroup, test_killed_for_empty_tables, TEST_SECONDS)
{
	struct pt_story story = { .group = &self->group };

	ASSERT_EQ(0, start_lazy("never"));
	EXPECT_TRUE(was_killed(pt_tell(&story)));
	EXPECT_LE(1, oom_kills(&self->group));
}

TEST_F_TIMEOUT(cgroup, test_lives_on_with_always, TEST_SECONDS)
{
	struct pt_story story = { .group = &self->group };
	long long before = pressure();

	if (start_lazy("always") == -ENOTSUP)
		SKIP(return, "this kernel does not have it");
	EXPECT_EQ(0, pt_tell(&story));
	EXPECT_EQ(0, oom_kills(&self->group));
	EXPECT_LT(before, pressure());
	TH_LOG("%lld of %ld tables by memory reclaim", pressure() - before,
	       PT_STORY_TABLES);
}

TEST_F_TIMEOUT(cgroup, test_lives_on_if_it_opted_in, TEST_SECONDS)
{
	struct pt_story in = {
		.group = &self->group, .setting = PR_PT_RECLAIM_ENABLE,
	};
	struct pt_story out = { .group = &self->group };

	if (start_lazy("madvise") == -ENOTSUP)
		SKIP(return, "this kernel does not have it");
	EXPECT_EQ(0, pt_tell(&in));
	EXPECT_EQ(0, oom_kills(&self->group));
	EXPECT_TRUE(was_killed(pt_tell(&out)));
}

/* What the thread takes at the same time is in RCU's hands for a while. */
TEST_F_TIMEOUT(cgroup, test_lives_on_beside_a_busy_thread, TEST_SECONDS)
{
	struct pt_story story = { .group = &self->group };

	if (start_lazy("always") == -ENOTSUP)
		SKIP(return, "this kernel does not have it");
	ASSERT_EQ(0, pt_start_thread("always", 1));
	EXPECT_EQ(0, pt_tell(&story));
	EXPECT_EQ(0, oom_kills(&self->group));
}

#define MANY		64

/*
 * One cgroup without swap, another one without a limit, and somebody who is idle, or
 * many
 */
FIXTURE(tight)
{
	struct pt_cgroups cgroups;
	struct pt_group group;
	struct pt_group other;
	struct pt_target idle;
	struct pt_target many[MANY];
};

FIXTURE_SETUP(tight)
{
	if (!pt_reclaim_present())
		SKIP(return, "this kernel does not have it");
	if (!pt_cgroups_find(&self->cgroups))
		SKIP(return, "no cgroup2 with a memory controller");
	ASSERT_EQ(0, pt_group_make(&self->group, &self->cgroups, "tight"));
	ASSERT_EQ(0, pt_group_make(&self->other, &self->cgroups, "other"));
	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", PT_STORY_LIMIT));
	pt_group_write(&self->group, "memory.swap.max", "0");
	ASSERT_EQ(0, start_lazy("always"));
}

FIXTURE_TEARDOWN(tight)
{
	int i;

	for (i = 0; i < MANY; i++)
		pt_target_end(&self->many[i]);
	pt_target_end(&self->idle);
	pt_group_remove(&self->group);
	pt_group_remove(&self->other);
	pt_cgroups_leave(&self->cgroups);
}

TEST_F_TIMEOUT(tight, test_killed_if_it_opted_out, TEST_SECONDS)
{
	struct pt_story story = {
		.group = &self->group, .setting = PR_PT_RECLAIM_DISABLE,
	};

	EXPECT_TRUE(was_killed(pt_tell(&story)));
}

/* Processes in one cgroup, all at its limit at the same time */
#define CROWD		3
#define CROWD_BYTES	(16 * PT_MIB)

static __noreturn void live_in_crowd(const struct pt_group *group)
{
	long tables = PT_STORY_TABLES / CROWD, page;
	char *used = pt_story_map(CROWD_BYTES), *wasted = pt_story_map(tables * PT_TABLE);

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (!used || !wasted || pt_group_join(group, 0))
		_exit(2);
	for (page = 0; page < CROWD_BYTES / (long)PT_PAGE; page++)
		pt_fill_page(used + page * PT_PAGE, getpid(), page);
	if (pt_waste(wasted, tables) || pt_waste(wasted, tables))
		_exit(3);
	for (page = 0; page < CROWD_BYTES / (long)PT_PAGE; page++) {
		if (!pt_page_is_intact(used + page * PT_PAGE, getpid(), page))
			_exit(4);
	}
	_exit(0);
}

TEST_F_TIMEOUT(tight, test_crowd_lives_on, TEST_SECONDS)
{
	pid_t pids[CROWD];
	int i;

	for (i = 0; i < CROWD; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			live_in_crowd(&self->group);
	}
	for (i = 0; i < CROWD; i++)
		EXPECT_EQ(0, pt_reap(pids[i], 300, "one of the crowd to end"));
	EXPECT_EQ(0, oom_kills(&self->group));
}

/*
 * One that wasted tables and sleeps since, as a database's backend does, in the
 * tight group.
 */
#define IDLE_TABLES	(32 * PT_MIB / (long)PT_PAGE)

static const struct pt_group *joined;

static int join_group(void)
{
	return pt_group_join(joined, 0);
}

static bool start_idle(struct pt_target *idle, const struct pt_group *group,
		       long tables)
{
	joined = group;
	idle->tables = tables;
	return !pt_target_start(idle, join_group) && pt_target_wastes(idle);
}

TEST_F_TIMEOUT(tight, test_idle_process_is_served, TEST_SECONDS)
{
	pid_t pid;

	ASSERT_TRUE(start_idle(&self->idle, &self->group, IDLE_TABLES));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char *used = pt_story_map(120 * PT_MIB);

		if (!used || pt_group_join(&self->group, 0))
			_exit(2);
		memset(used, 1, 120 * PT_MIB);
		_exit(0);
	}
	EXPECT_EQ(0, pt_reap(pid, 60, "somebody to use 120 MiB"));
	EXPECT_EQ(0, oom_kills(&self->group));
	EXPECT_GT(IDLE_TABLES / 2, pt_target_tables(&self->idle));
}

/*
 * A process whose tables fork() has copied, empty as they were, and that has not zapped
 * anything by itself. Its parent does not take part any more.
 */
static __noreturn void leave_a_child(const struct pt_group *group, int answer)
{
	char *wasted = pt_story_map(IDLE_TABLES * PT_TABLE);
	pid_t pid;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (!wasted || pt_group_join(group, 0) || pt_waste(wasted, IDLE_TABLES))
		_exit(2);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		for (;;)
			pause();
	}
	if (pid < 0 || write(answer, &pid, sizeof(pid)) != sizeof(pid))
		_exit(3);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(tight, test_forked_process_is_served, TEST_SECONDS)
{
	long least = IDLE_TABLES / 8 * (PT_PAGE / 1024);
	pid_t parent, child;
	int answer[2];

	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", "max"));
	ASSERT_EQ(0, pipe(answer));
	parent = fork();
	ASSERT_LE(0, parent);
	if (!parent)
		leave_a_child(&self->group, answer[1]);
	close(answer[1]);
	ASSERT_EQ((ssize_t)sizeof(child), read(answer[0], &child, sizeof(child)));
	EXPECT_LT(8 * least, pt_vmpte_kb(child));
	EXPECT_EQ(0, pt_process_write(child, "scan_delay_millisecs 3600000"));
	EXPECT_EQ(0, pt_process_write(parent, "mode disable"));

	pt_group_write(&self->group, "memory.reclaim", "100M");
	EXPECT_TRUE(pt_wait(30, "the tables of a forked process to go",
			    pt_vmpte_kb(child) < least));
	close(answer[0]);
	kill(parent, SIGKILL);
	waitpid(parent, NULL, 0);
}

/*
 * A process whose first thread has ended, and that comes to its group after that. It
 * had left a mark where it was before.
 */
struct orphan {
	char *wasted;
	int told[2];
	int answers[2];
};

static void answer(const struct orphan *orphan, pid_t thread)
{
	if (write(orphan->answers[1], &thread, sizeof(thread)) != sizeof(thread))
		_exit(3);
}

static pid_t read_answer(const struct orphan *orphan)
{
	pid_t thread;

	return read(orphan->answers[0], &thread, sizeof(thread)) == sizeof(thread) ?
	       thread : -1;
}

static void *waste_when_told(void *arg)
{
	const struct orphan *orphan = arg;
	char told;

	if (pt_waste(orphan->wasted, 1))
		_exit(3);
	answer(orphan, gettid());
	if (read(orphan->told[0], &told, 1) != 1 ||
	    pt_waste(orphan->wasted, IDLE_TABLES))
		_exit(3);
	answer(orphan, gettid());
	for (;;)
		pause();
	return NULL;
}

static __noreturn void lose_the_leader(struct orphan *orphan,
				       const struct pt_group *group)
{
	static struct orphan kept;
	pthread_t thread;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	kept = *orphan;
	kept.wasted = pt_story_map(IDLE_TABLES * PT_TABLE);
	if (!kept.wasted || pt_group_join(group, 0) ||
	    pthread_create(&thread, NULL, waste_when_told, &kept))
		_exit(2);
	pthread_exit(NULL);
}

TEST_F_TIMEOUT(tight, test_process_without_leader_is_served, TEST_SECONDS)
{
	long least = IDLE_TABLES / 8 * (PT_PAGE / 1024);
	struct orphan orphan = { 0 };
	pid_t pid, thread;

	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", "max"));
	ASSERT_EQ(0, pipe(orphan.told));
	ASSERT_EQ(0, pipe(orphan.answers));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		lose_the_leader(&orphan, &self->other);
	thread = read_answer(&orphan);
	ASSERT_LT(pid, thread);
	ASSERT_TRUE(pt_wait(30, "the leader to exit", pt_vmpte_kb(pid) < 0));
	ASSERT_EQ(0, pt_group_join(&self->group, pid));
	EXPECT_EQ(0, pt_process_write(thread, "scan_delay_millisecs 3600000"));
	ASSERT_EQ(1, write(orphan.told[1], "", 1));
	ASSERT_EQ(thread, read_answer(&orphan));
	EXPECT_LT(4 * least, pt_vmpte_kb(thread));

	pt_group_write(&self->group, "memory.reclaim", "100M");
	EXPECT_TRUE(pt_wait(30, "the tables of a process without leader to go",
			    pt_vmpte_kb(thread) < least));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/*
 * Two processes share an mm. Its owner leaves marks, in another group, and exits: it is
 * the other's then.
 */
static int sharer_pauses(void *unused)
{
	(void)unused;
	for (;;)
		pause();
	return 0;
}

static __noreturn void leave_it_to_another(struct orphan *orphan,
					   const struct pt_group *group)
{
	static long stack[8192];
	pid_t sharer;
	char told;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	orphan->wasted = pt_story_map(IDLE_TABLES * PT_TABLE);
	if (!orphan->wasted || pt_group_join(group, 0))
		_exit(2);
	sharer = clone(sharer_pauses, stack + ARRAY_SIZE(stack), CLONE_VM | SIGCHLD,
		       NULL);
	if (sharer < 0)
		_exit(2);
	answer(orphan, sharer);
	if (read(orphan->told[0], &told, 1) != 1 ||
	    pt_waste(orphan->wasted, IDLE_TABLES))
		_exit(3);
	_exit(0);
}

TEST_F_TIMEOUT(tight, test_new_owner_is_served, TEST_SECONDS)
{
	long least = IDLE_TABLES / 8 * (PT_PAGE / 1024);
	struct orphan orphan = { 0 };
	pid_t owner, sharer;
	int status = -1;

	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", "max"));
	ASSERT_EQ(0, pipe(orphan.told));
	ASSERT_EQ(0, pipe(orphan.answers));
	owner = fork();
	ASSERT_LE(0, owner);
	if (!owner)
		leave_it_to_another(&orphan, &self->other);
	sharer = read_answer(&orphan);
	ASSERT_LT(0, sharer);
	EXPECT_EQ(0, pt_group_join(&self->group, sharer));
	EXPECT_EQ(0, pt_process_write(sharer, "scan_delay_millisecs 3600000"));
	EXPECT_EQ(1, write(orphan.told[1], "", 1));
	EXPECT_EQ(owner, waitpid(owner, &status, 0));
	EXPECT_EQ(0, status);
	EXPECT_LT(4 * least, pt_vmpte_kb(sharer));

	pt_group_write(&self->group, "memory.reclaim", "100M");
	EXPECT_TRUE(pt_wait(30, "the tables of the new owner to go",
			    pt_vmpte_kb(sharer) < least));
	kill(sharer, SIGKILL);
}

/*
 * What there is to be had is one call's worth of tables. Once they are taken nothing is
 * left to try, and nothing comes back before a grace period is over.
 */
#define LAST_TABLES	512L
#define LAST_ROOM	(32 * PT_MIB)
#define LAST_LACKING	PT_MIB

TEST_F_TIMEOUT(tight, test_last_tables_are_waited_for, TEST_SECONDS)
{
	char limit[32];
	pid_t pid;

	ASSERT_TRUE(start_idle(&self->idle, &self->group, LAST_TABLES));
	ASSERT_EQ(0, pt_process_write(self->idle.pid,
				      "scan_delay_millisecs 3600000"));
	snprintf(limit, sizeof(limit), "%lld",
		 pt_group_number(&self->group, "memory.current") + LAST_ROOM);
	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", limit));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		char *used = pt_story_map(LAST_ROOM + LAST_LACKING);

		if (!used || pt_group_join(&self->group, 0))
			_exit(2);
		memset(used, 1, LAST_ROOM + LAST_LACKING);
		_exit(0);
	}
	EXPECT_EQ(0, pt_reap(pid, 60, "somebody to use more than there is"));
	EXPECT_EQ(0, oom_kills(&self->group));
	EXPECT_GT(LAST_TABLES, pt_target_tables(&self->idle));
}

/* The thread does not come to it: it is told not to for an hour. */
TEST_F_TIMEOUT(tight, test_other_groups_are_left_alone, TEST_SECONDS)
{
	struct pt_story story = { .group = &self->group };

	ASSERT_TRUE(start_idle(&self->idle, &self->other, PT_SPOT_TABLES));
	ASSERT_EQ(0, pt_process_write(self->idle.pid,
				      "scan_delay_millisecs 3600000"));
	EXPECT_EQ(0, pt_tell(&story));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->idle));
}

/* By which way memory reclaim comes to the idle process in the tight group. */
static bool goes_by_itself(struct pt_target *idle)
{
	return pt_wait(30, "the tables of an idle process to go",
		       pt_target_tables(idle) <= idle->tables / 8);
}

TEST_F_TIMEOUT(tight, test_memory_reclaim_takes_them, TEST_SECONDS)
{
	long long before = pressure();

	ASSERT_TRUE(start_idle(&self->idle, &self->group, IDLE_TABLES));
	ASSERT_EQ(0, pt_process_write(self->idle.pid,
				      "scan_delay_millisecs 3600000"));
	/* Tables do not count as reclaimed for a cgroup: it tries its best. */
	pt_group_write(&self->group, "memory.reclaim", "100M");
	EXPECT_TRUE(goes_by_itself(&self->idle));
	EXPECT_LE(before + IDLE_TABLES / 2, pressure());
}

TEST_F_TIMEOUT(tight, test_memory_high_takes_them, TEST_SECONDS)
{
	struct pt_story story = { .group = &self->group };
	long long before = pressure();

	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", "max"));
	ASSERT_EQ(0, pt_group_write(&self->group, "memory.high", PT_STORY_LIMIT));
	EXPECT_EQ(0, pt_tell(&story));
	EXPECT_LT(before, pressure());
	/* A process that is throttled at the limit may be above it by a bit. */
	EXPECT_GE(LIMIT_BYTES + 16 * PT_MIB,
		  pt_group_number(&self->group, "memory.peak"));
}

/*
 * Many who have had everything taken from them stand in the list before somebody who
 * has not. Of a list no more than 32 are asked how much they have.
 */
#define MANY_TABLES	16L
#define ASKED		32

static long nr_served(struct pt_target *many)
{
	long nr = 0;
	int i;

	for (i = 0; i < MANY; i++)
		nr += !pt_target_tables(&many[i]);
	return nr;
}

static int drop_slab(void)
{
	return pt_write_file("/proc/sys/vm/drop_caches", "2");
}

TEST_F_TIMEOUT(tight, test_who_has_nothing_left_hides_nobody, TEST_SECONDS)
{
	int i;

	ASSERT_EQ(0, pt_group_write(&self->group, "memory.max", "max"));
	for (i = 0; i < MANY; i++) {
		ASSERT_TRUE(start_idle(&self->many[i], &self->group, MANY_TABLES));
		ASSERT_EQ(0, pt_process_write(self->many[i].pid,
					      "scan_delay_millisecs 3600000"));
	}
	/* Some are left in the end: half is asked for, and too little is nothing. */
	ASSERT_TRUE(pt_wait(30, "tables of many to go",
			    !drop_slab() && nr_served(self->many) > ASKED));

	ASSERT_TRUE(start_idle(&self->idle, &self->group, IDLE_TABLES));
	ASSERT_EQ(0, pt_process_write(self->idle.pid,
				      "scan_delay_millisecs 3600000"));
	EXPECT_TRUE(pt_wait(30, "tables behind these to go",
			    !drop_slab() && pt_target_tables(&self->idle) <=
					    IDLE_TABLES / 8));
}

/*
 * Somebody has tables emptied and taken all day long: some are in RCU's hands at any
 * time, and whoever reclaims waits for those that are when he comes. How long that takes
 * is told in turns of those who give, of which a busy machine makes fewer. Seen were 240
 * to 2200; and, the longest of four, 2900 to 6000 where he waits for what comes later,
 * too. It may be bad luck: who is held up is so in each attempt.
 */
#define GIVERS		8
#define RECLAIMERS	6
#define GIVEN_TABLES	64L
#define RECLAIMS	4
#define MOST_TURNS	2500
#define ATTEMPTS	3

static __noreturn void give_all_day(const struct pt_group *group,
				    unsigned long *turns)
{
	char *given = pt_story_map(GIVEN_TABLES * PT_TABLE);
	long i;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (!given || pt_group_join(group, 0))
		_exit(2);
	for (;;) {
		for (i = 0; i < GIVEN_TABLES; i++)
			pt_touch(given + i * PT_TABLE);
		madvise(given, GIVEN_TABLES * PT_TABLE, MADV_DONTNEED);
		madvise(given, GIVEN_TABLES * PT_TABLE, MADV_PT_RECLAIM);
		__atomic_add_fetch(turns, 1, __ATOMIC_RELAXED);
	}
}

static __noreturn void reclaim_all_day(const struct pt_group *group)
{
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pt_group_write(group, "memory.reclaim", "1M");
}

/* How many calls are; negative if nobody begins to give. */
static int calls_held_up(const struct pt_group *group, const unsigned long *turns)
{
	unsigned long before, made;
	int held_up = 0, i;
	double start;

	if (!pt_wait(30, "tables to be given",
		     __atomic_load_n(turns, __ATOMIC_RELAXED)))
		return -1;
	for (i = 0; i < RECLAIMS; i++) {
		pt_pause_ms(100);
		start = pt_now();
		before = __atomic_load_n(turns, __ATOMIC_RELAXED);
		pt_group_write(group, "memory.reclaim", "1M");
		made = __atomic_load_n(turns, __ATOMIC_RELAXED) - before;
		held_up += made > MOST_TURNS;
		pt_note("it took %.2f s, and %lu turns", pt_now() - start, made);
	}
	return held_up;
}

/* While so many of both are at it; negative if they cannot be started. */
static int calls_held_up_beside(const struct pt_group *group, int givers,
				int reclaimers)
{
	unsigned long *turns = mmap(NULL, sizeof(*turns), PROT_READ | PROT_WRITE,
				    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	int held_up = -1;
	pid_t pids[GIVERS + RECLAIMERS];
	int i, nr = 0;

	if (turns == MAP_FAILED)
		return -1;
	while (nr < givers + reclaimers && (pids[nr] = fork()) >= 0) {
		if (!pids[nr] && nr < givers)
			give_all_day(group, turns);
		if (!pids[nr])
			reclaim_all_day(group);
		nr++;
	}
	if (nr == givers + reclaimers)
		held_up = calls_held_up(group, turns);
	for (i = 0; i < nr; i++) {
		kill(pids[i], SIGKILL);
		waitpid(pids[i], NULL, 0);
	}
	munmap(turns, sizeof(*turns));
	return held_up;
}

static bool everybody_is_served(const struct pt_group *group, int givers,
				int reclaimers)
{
	int attempt, held_up = 1;

	for (attempt = 0; attempt < ATTEMPTS && held_up > 0; attempt++)
		held_up = calls_held_up_beside(group, givers, reclaimers);
	return !held_up;
}

TEST_F_TIMEOUT(tight, test_who_gives_all_day_holds_nobody_up, TEST_SECONDS)
{
	EXPECT_TRUE(everybody_is_served(&self->group, GIVERS, 0));
}

/* And while others, in turn, are at work on his tables all the time. */
TEST_F_TIMEOUT(tight, test_who_reclaims_all_day_holds_nobody_up, TEST_SECONDS)
{
	EXPECT_TRUE(everybody_is_served(&self->group, 1, RECLAIMERS));
}

/* Somebody who is at his limit wakes the thread, and his tables go at once. */
TEST_F_TIMEOUT(tight, test_pressure_wakes_the_thread, TEST_SECONDS)
{
	long long rounds;

	ASSERT_EQ(0, pt_set_knob("max_cpu_percent", 100));
	rounds = pt_knob("full_scans");
	ASSERT_TRUE(start_idle(&self->idle, &self->group, IDLE_TABLES));
	ASSERT_EQ(rounds, pt_knob("full_scans"));
	pt_group_write(&self->group, "memory.reclaim", "1M");
	EXPECT_TRUE(pt_wait(10, "the thread to be woken",
			    pt_knob("full_scans") > rounds));
	/* Also what memory reclaim has left in the middle. */
	EXPECT_TRUE(pt_wait(30, "all tables of an idle process to go",
			    !pt_target_tables(&self->idle)));
}

/*
 * In a PMD table those in use come first, as many as one call of the shrinker looks at,
 * and then the empty ones. Its calls clear the mark above both, and end before they have
 * seen all.
 */
#define CALL_TABLES	256L	/* SHRINK_TABLES */

static __noreturn void end_calls_in_the_middle(int answer)
{
	struct pt_area first = { .bytes = CALL_TABLES * PT_TABLE, .fd = -1 };
	char *start = pt_story_map(2 * PT_GIB), byte = 0;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (!start)
		_exit(2);
	first.start = start + -(unsigned long)start % PT_GIB;
	pt_area_zap_in_vain(&first);
	if (pt_waste(first.start + first.bytes, CALL_TABLES) ||
	    write(answer, &byte, 1) != 1)
		_exit(3);
	for (;;)
		pause();
}

TEST_F_TIMEOUT(tight, test_rest_of_a_pmd_table_is_not_forgotten, TEST_SECONDS)
{
	int answer[2];
	char byte;
	pid_t pid;
	long kb;

	ASSERT_EQ(0, pipe(answer));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid)
		end_calls_in_the_middle(answer[1]);
	ASSERT_EQ(1, read(answer[0], &byte, 1));
	kb = pt_vmpte_kb(pid);
	/* It is nobody's but memory reclaim's for now. */
	ASSERT_EQ(0, pt_process_write(pid, "scan_delay_millisecs 3600000"));
	ASSERT_EQ(0, drop_slab());
	EXPECT_LT(0, pt_process_number(pid, "tables_scanned"));
	TH_LOG("memory reclaim looked at %lld tables and left %ld of %ld kB",
	       pt_process_number(pid, "tables_scanned"), pt_vmpte_kb(pid), kb);

	ASSERT_EQ(0, pt_process_write(pid, "scan_delay_millisecs 0"));
	ASSERT_EQ(0, pt_set_knob("max_cpu_percent", 100));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PT_SCAN_SLEEP_MS));
	EXPECT_TRUE(pt_wait(30, "empty tables behind those in use to go",
			    pt_vmpte_kb(pid) <= kb - CALL_TABLES * PT_TABLE_KB));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

#define BYSTANDERS	4

/* In the whole system, in which there is no room for the tables. */
FIXTURE(system)
{
	pid_t hog;
	pid_t bystanders[BYSTANDERS];
	struct pt_target idle;
	char swap[64];
	char share[16];
};

FIXTURE_VARIANT(system)
{
	bool swap;
};

FIXTURE_VARIANT_ADD(system, without_swap)
{
	.swap = false,
};

FIXTURE_VARIANT_ADD(system, with_swap)
{
	.swap = true,
};

/* The first device of swap; false if there is none. */
static bool find_swap(char *path, size_t size)
{
	char text[1024], *line;

	if (pt_read_file("/proc/swaps", text, sizeof(text)))
		return false;
	line = strchr(text, '\n');
	if (!line)
		return false;
	snprintf(path, size, "%.*s", (int)strcspn(line + 1, " \t"), line + 1);
	return true;
}

static long long available_kb(void)
{
	char text[4096], *line;

	if (pt_read_file("/proc/meminfo", text, sizeof(text)))
		return -1;
	line = strstr(text, "MemAvailable:");
	return line ? atoll(line + strlen("MemAvailable:")) : -1;
}

static void use(size_t bytes)
{
	if (mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		 MAP_PRIVATE | MAP_ANONYMOUS | MAP_LOCKED | MAP_POPULATE, -1,
		 0) == MAP_FAILED)
		_exit(1);
}

static __noreturn void keep(int ready)
{
	if (write(ready, "r", 1) != 1)
		_exit(1);
	for (;;)
		pause();
}

/* A child that @uses() memory and keeps it */
static pid_t start_user(void (*uses)(void), const char *oom_score_adj)
{
	int ready[2];
	pid_t pid;
	char byte;

	if (pipe(ready))
		return -errno;
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		if (pt_write_file("/proc/self/oom_score_adj", oom_score_adj))
			_exit(1);
		uses();
		keep(ready[1]);
	}
	close(ready[1]);
	if (pid > 0 && read(ready[0], &byte, 1) != 1)
		pid = -ENOMEM;
	close(ready[0]);
	return pid;
}

static void stop_user(pid_t pid)
{
	if (pid > 0) {
		kill(pid, SIGKILL);
		waitpid(pid, NULL, 0);
	}
}

/*
 * Free pages that MemAvailable does not know: those that CPUs keep for themselves, a
 * share of all memory otherwise, and the tables of who has ended, which are in RCU's hands
 * (but for TINY_RCU's, where they are free at once).
 */
#define CPUS_SHARE	"/proc/sys/vm/percpu_pagelist_high_fraction"
#define RCU_BARRIER	"/sys/module/rcutree/parameters/do_rcu_barrier"

static bool bring_back_free_pages(char *share, size_t size)
{
	if (pt_read_file(CPUS_SHARE, share, size) ||
	    pt_write_file(CPUS_SHARE, "10000"))
		return false;
	return access(RCU_BARRIER, F_OK) || !pt_write_file(RCU_BARRIER, "1");
}

/* Uses all memory but so much, in a way that nothing can be had back. */
#define LEFT_KB		(100L << 10)

static void use_the_rest(void)
{
	while (available_kb() > LEFT_KB)
		use(8 * PT_MIB);
}

static pid_t start_hog(void)
{
	return start_user(use_the_rest, "-1000");
}

/*
 * Whoever is killed for its tables gives them back last, and as long as that takes the
 * OOM killer goes on to the next. Here is who comes before the test itself.
 */
static void use_a_little(void)
{
	use(16 * PT_MIB);
}

static bool start_bystanders(pid_t *pids)
{
	int i;

	for (i = 0; i < BYSTANDERS; i++) {
		pids[i] = start_user(use_a_little, "500");
		if (pids[i] <= 0)
			return false;
	}
	return true;
}

FIXTURE_SETUP(system)
{
	if (!find_swap(self->swap, sizeof(self->swap))) {
		self->swap[0] = '\0';
		if (variant->swap)
			SKIP(return, "there is no swap");
	} else if (!variant->swap) {
		ASSERT_EQ(0, swapoff(self->swap));
	}
	if (variant->swap)
		self->swap[0] = '\0';
	ASSERT_TRUE(start_bystanders(self->bystanders));
	ASSERT_TRUE(bring_back_free_pages(self->share, sizeof(self->share)));
}

FIXTURE_TEARDOWN(system)
{
	int i;

	stop_user(self->hog);
	for (i = 0; i < BYSTANDERS; i++)
		stop_user(self->bystanders[i]);
	pt_target_end(&self->idle);
	if (self->swap[0])
		swapon(self->swap, 0);
	if (self->share[0])
		pt_write_file(CPUS_SHARE, self->share);
}

TEST_F_TIMEOUT(system, test_killed_for_empty_tables, TEST_SECONDS)
{
	struct pt_story story = { .oom_score_adj = 1000 };
	long long before = pt_vmstat("oom_kill");

	ASSERT_EQ(0, start_lazy("never"));
	self->hog = start_hog();
	ASSERT_LT(0, self->hog);
	EXPECT_TRUE(was_killed(pt_tell(&story)));
	EXPECT_LT(before, pt_vmstat("oom_kill"));
	TH_LOG("%lld killed", pt_vmstat("oom_kill") - before);
}

TEST_F_TIMEOUT(system, test_lives_on_with_always, TEST_SECONDS)
{
	struct pt_story story = { .oom_score_adj = 1000 };
	long long before = pt_vmstat("oom_kill"), taken = pressure();

	if (start_lazy("always") == -ENOTSUP)
		SKIP(return, "this kernel does not have it");
	self->hog = start_hog();
	ASSERT_LT(0, self->hog);
	EXPECT_EQ(0, pt_tell(&story));
	EXPECT_EQ(before, pt_vmstat("oom_kill"));
	EXPECT_LT(taken, pressure());
	TH_LOG("%lld of %ld tables by memory reclaim", pressure() - taken,
	       PT_STORY_TABLES);
}

TEST_F_TIMEOUT(system, test_drop_caches_takes_them, TEST_SECONDS)
{
	long long before = pressure();

	if (start_lazy("always") == -ENOTSUP)
		SKIP(return, "this kernel does not have it");
	self->idle.tables = IDLE_TABLES;
	ASSERT_EQ(0, pt_target_start(&self->idle, NULL));
	ASSERT_TRUE(pt_target_wastes(&self->idle));
	ASSERT_EQ(0, pt_process_write(self->idle.pid,
				      "scan_delay_millisecs 3600000"));
	ASSERT_EQ(0, pt_write_file("/proc/sys/vm/drop_caches", "3"));
	EXPECT_TRUE(goes_by_itself(&self->idle));
	EXPECT_LE(before + IDLE_TABLES / 2, pressure());
}

int main(int argc, char **argv)
{
	if (pt_reclaim_present())
		pt_begin();
	return test_harness_run(argc, argv);
}
