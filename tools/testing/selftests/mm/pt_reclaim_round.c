// SPDX-License-Identifier: GPL-2.0
/*
 * What an admin has for the system and for cgroups: a full round on request (sysfs
 * reclaim), and what memory.stat tells of it. And all of the controls at once, while
 * others use the memory.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_cgroup.h"
#include "pt_reclaim_harness.h"
#include "pt_reclaim_interface.h"

#define TEST_SECONDS	1200

/* Two processes that take part, and one that does not. Rounds are held. */
FIXTURE(round)
{
	struct pt_target one;
	struct pt_target two;
	struct pt_target out;
};

static int opt_out(void)
{
	return pt_set_prctl(PR_PT_RECLAIM_DISABLE);
}

FIXTURE_SETUP(round)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, pt_target_start(&self->one, NULL));
	ASSERT_EQ(0, pt_target_start(&self->two, NULL));
	ASSERT_EQ(0, pt_target_start(&self->out, opt_out));
	ASSERT_TRUE(pt_start_held("always"));
	ASSERT_TRUE(pt_target_wastes(&self->one));
	ASSERT_TRUE(pt_target_wastes(&self->two));
	ASSERT_TRUE(pt_target_wastes(&self->out));
}

FIXTURE_TEARDOWN(round)
{
	pt_target_end(&self->one);
	pt_target_end(&self->two);
	pt_target_end(&self->out);
}

TEST_F_TIMEOUT(round, test_all_is_done_when_the_write_returns, TEST_SECONDS)
{
	long long rounds = pt_knob("full_scans");
	int turn;

	for (turn = 0; turn < 3; turn++) {
		EXPECT_EQ(0, pt_write_file(PT_SYSFS "reclaim",
					   turn ? "1\n" : "1"));
		EXPECT_EQ(0, pt_target_tables(&self->one));
		EXPECT_EQ(0, pt_target_tables(&self->two));
		EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->out));
		ASSERT_TRUE(pt_target_wastes(&self->one));
		ASSERT_TRUE(pt_target_wastes(&self->two));
	}
	/* It was not the thread. */
	EXPECT_GE(rounds + 3, pt_knob("full_scans"));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->one));
}

/* However long ago they were emptied, with marks or without */
TEST_F_TIMEOUT(round, test_who_was_never_registered_is_included, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_TRUE(pt_start_held("madvise"));
	EXPECT_EQ(0, pt_request_round());
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->one));
	/* Emptied while it did not take part */
	ASSERT_TRUE(pt_target_wastes(&self->one));
	ASSERT_EQ(0, pt_process_write(self->one.pid, "mode enable"));
	EXPECT_EQ(0, pt_request_round());
	EXPECT_EQ(0, pt_target_tables(&self->one));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->two));
}

TEST_F_TIMEOUT(round, test_never_takes_nothing_and_succeeds, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	EXPECT_EQ(0, pt_request_round());
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->one));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->two));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->out));
	/* It is seen for a moment after it was stopped. */
	EXPECT_TRUE(pt_wait(10, "the thread to be gone", !pt_find_thread()));
}

TEST_F_TIMEOUT(round, test_delay_of_its_own_is_no_excuse, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_process_write(self->one.pid,
				      "scan_delay_millisecs 3600000"));
	ASSERT_EQ(0, pt_process_write(self->one.pid, "scan_tables 1"));
	EXPECT_EQ(0, pt_request_round());
	EXPECT_EQ(0, pt_target_tables(&self->one));
}

TEST_F_TIMEOUT(round, test_anything_but_1_takes_nothing, TEST_SECONDS)
{
	static const char * const bad[] = {
		"0", "2", "-1", "10", "11", "1 1", "1x", "one", "yes", "\n",
		"1\n\n", "1.0", "0x1", "4294967295",
	};
	/* kstrtouint() says that it does not fit. */
	static const char * const large[] = {
		"4294967296", "4294967297", "99999999999999999999",
	};
	int result;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(bad); i++) {
		EXPECT_EQ(-EINVAL, pt_write_file(PT_SYSFS "reclaim", bad[i])) {
			TH_LOG("for \"%s\"", bad[i]);
		}
	}
	for (i = 0; i < ARRAY_SIZE(large); i++) {
		result = pt_write_file(PT_SYSFS "reclaim", large[i]);
		EXPECT_TRUE(result == -EINVAL || result == -ERANGE) {
			TH_LOG("%d for \"%s\"", result, large[i]);
		}
	}
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->one));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->two));
}

/* Several at once, and a change of mode: each is done when it returns. */
#define ASKERS		4
#define ASKED_TIMES	20

static __noreturn void ask_again(void)
{
	int times;

	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (times = 0; times < ASKED_TIMES; times++) {
		if (pt_request_round())
			_exit(1);
	}
	_exit(0);
}

TEST_F_TIMEOUT(round, test_several_ask_at_once, TEST_SECONDS)
{
	static const char * const modes[] = { "madvise", "always", "never" };
	pid_t pids[ASKERS];
	int i;

	for (i = 0; i < ASKERS; i++) {
		pids[i] = fork();
		ASSERT_LE(0, pids[i]);
		if (!pids[i])
			ask_again();
	}
	for (i = 0; i < 30; i++)
		EXPECT_EQ(0, pt_set_mode(modes[i % 3]));
	for (i = 0; i < ASKERS; i++)
		EXPECT_EQ(0, pt_reap(pids[i], 60, "all rounds to be made"));
	ASSERT_TRUE(pt_start_held("always"));
	ASSERT_TRUE(pt_target_wastes(&self->one));
	EXPECT_EQ(0, pt_request_round());
	EXPECT_EQ(0, pt_target_tables(&self->one));
}

/* 32768 tables to look at, in a process that asks again and again. */
TEST_F_TIMEOUT(round, test_sigkill_ends_a_huge_round_soon, TEST_SECONDS)
{
	struct pt_area area;
	int ready[2], status;
	double killed;
	char byte;
	pid_t pid;

	ASSERT_EQ(0, pipe(ready));
	ASSERT_EQ(0, pt_area_map(&area, PT_ANON, 64 * PT_GIB));
	pid = fork();
	ASSERT_LE(0, pid);
	if (!pid) {
		size_t at;

		prctl(PR_SET_PDEATHSIG, SIGKILL);
		/* The zero page is enough. */
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		for (at = 0; at < area.bytes; at += PT_TABLE)
			pt_touch(area.start + at);
		if (pt_request_round() || write(ready[1], "r", 1) != 1)
			_exit(1);
		for (;;)
			pt_request_round();
	}
	close(ready[1]);
	ASSERT_EQ(1, read(ready[0], &byte, 1));
	close(ready[0]);
	pt_pause_ms(50);
	killed = pt_now();
	kill(pid, SIGKILL);
	status = pt_reap(pid, 5, "a killed writer to end");
	ASSERT_LE(0, status);
	EXPECT_TRUE(WIFSIGNALED(status));
	TH_LOG("ended %.2f s after SIGKILL", pt_now() - killed);
	pt_area_unmap(&area);
}

/*
 * Two cgroups, and a process that begins in the first of them. Its tables are more
 * than what else a process needs page tables for.
 */
#define GROUP_TABLES	512L
#define GROUP_SLACK	(64 * PT_PAGE)

FIXTURE(memcg)
{
	struct pt_cgroups cgroups;
	struct pt_group first;
	struct pt_group second;
	struct pt_target target;
};

static const struct pt_group *joined;

/* The target moves itself before it uses memory. */
static int join_group(void)
{
	return pt_group_join(joined, 0);
}

/* A number of memory.stat; negative if there is none */
static long long stat_of(const struct pt_group *group, const char *key)
{
	return pt_group_stat(group, "memory.stat", key);
}

FIXTURE_SETUP(memcg)
{
	if (!pt_cgroups_find(&self->cgroups))
		SKIP(return, "no cgroup2 with a memory controller");
	ASSERT_EQ(0, pt_group_make(&self->first, &self->cgroups, "1"));
	ASSERT_EQ(0, pt_group_make(&self->second, &self->cgroups, "2"));
	ASSERT_EQ(0, pt_set_mode("never"));
	joined = &self->first;
	self->target.tables = GROUP_TABLES;
	ASSERT_EQ(0, pt_target_start(&self->target, join_group));
	ASSERT_TRUE(pt_target_wastes(&self->target));
	if (stat_of(&self->first, "pagetables") < 0)
		SKIP(return, "memory.stat does not tell page tables");
}

FIXTURE_TEARDOWN(memcg)
{
	pt_target_end(&self->target);
	pt_group_remove(&self->first);
	pt_group_remove(&self->second);
	pt_cgroups_leave(&self->cgroups);
}

/* Until what was charged has been added up: memory.stat is late by seconds. */
static bool pagetables_are(const struct pt_group *group, long long most,
			   long long least)
{
	return pt_wait(20, "memory.stat to tell the page tables",
		       stat_of(group, "pagetables") <= most &&
		       stat_of(group, "pagetables") >= least);
}

static void expect_charged(struct __test_metadata *_metadata,
			   const struct pt_group *group)
{
	long long bytes = GROUP_TABLES * PT_PAGE;

	EXPECT_TRUE(pagetables_are(group, bytes + GROUP_SLACK, bytes));
	EXPECT_EQ(0, stat_of(group, "pt_reclaim_reclaimed"));
}

static void expect_uncharged(struct __test_metadata *_metadata,
			     const struct pt_group *group)
{
	EXPECT_TRUE(pagetables_are(group, GROUP_SLACK, 0));
	EXPECT_TRUE(pt_wait(20, "memory.stat to tell what was reclaimed",
			    stat_of(group, "pt_reclaim_reclaimed") >=
			    GROUP_TABLES));
}

TEST_F_TIMEOUT(memcg, test_request_is_uncharged_and_counted, TEST_SECONDS)
{
	expect_charged(_metadata, &self->first);
	ASSERT_TRUE(pt_target_does(&self->target, PT_ORDER_REQUEST));
	expect_uncharged(_metadata, &self->first);
	/* Nothing else of it was looked at. */
	EXPECT_EQ(GROUP_TABLES, stat_of(&self->first, "pt_reclaim_reclaimed"));
}

TEST_F_TIMEOUT(memcg, test_thread_s_work_is_uncharged_and_counted, TEST_SECONDS)
{
	expect_charged(_metadata, &self->first);
	ASSERT_EQ(0, pt_start_thread("always", PT_SCAN_SLEEP_MS));
	expect_uncharged(_metadata, &self->first);
	EXPECT_GE(GROUP_TABLES + 16,
		  stat_of(&self->first, "pt_reclaim_reclaimed"));
}

/* Where the process is now is not where its tables were charged. */
TEST_F_TIMEOUT(memcg, test_who_paid_is_told, TEST_SECONDS)
{
	expect_charged(_metadata, &self->first);
	ASSERT_EQ(0, pt_group_join(&self->second, self->target.pid));
	ASSERT_EQ(0, pt_process_write(self->target.pid, "reclaim"));
	expect_uncharged(_metadata, &self->first);
	EXPECT_EQ(0, stat_of(&self->second, "pt_reclaim_reclaimed"));
	/* And what it allocates now is the second one's. */
	ASSERT_TRUE(pt_target_wastes(&self->target));
	expect_charged(_metadata, &self->second);
	ASSERT_TRUE(pt_target_does(&self->target, PT_ORDER_REQUEST));
	expect_uncharged(_metadata, &self->second);
}

/*
 * Everybody changes everything while some use their memory, who know what each page
 * must contain.
 */
#define MIX_SECONDS	5
#define WORKERS		3
#define WORK_TABLES	8L
#define WORK_BYTES	(WORK_TABLES * PT_TABLE)
/* One page in so many is used, so that tables become empty. */
#define WORK_EVERY	64
#define WORK_PAGES	(WORK_TABLES * PT_TABLE_PAGES / WORK_EVERY)
/* Marks begin and end at a multiple of that: there are not too many VMAs. */
#define MARK_BYTES	(PT_TABLE / 4)

static struct mix {
	struct pt_area area;
	bool stop;
	unsigned long wrong;
	unsigned long failed;
} mix;

/**
 * struct member - a thread of the mix
 * @work: What it does, again and again; 0 or a negative errno.
 * @draw: Of pt_draw().
 * @times: How often it has done so.
 * @start: Of a worker: its memory.
 * @numbers: Likewise: what is in each of its pages; 0: nothing.
 */
struct member {
	int (*work)(struct member *member);
	__u64 draw;
	unsigned long times;
	char *start;
	unsigned int numbers[WORK_PAGES];
};

static __u64 draw(struct member *member, __u64 limit)
{
	return pt_draw(&member->draw) % limit;
}

static char *work_page(struct member *member, size_t page)
{
	return member->start + page * WORK_EVERY * PT_PAGE;
}

static bool page_is_right(struct member *member, size_t page)
{
	char *at = work_page(member, page);

	return member->numbers[page] ?
	       pt_page_is_intact(at, (uintptr_t)at, member->numbers[page]) :
	       pt_page_is_zero(at);
}

/* Looks at a page, and changes it, or gives some of them back. */
static int use_memory(struct member *member)
{
	size_t page = draw(member, WORK_PAGES), pages;
	char *at = work_page(member, page);

	if (!page_is_right(member, page)) {
		pt_note("page %zu of the worker at %p, number %u, is wrong",
			page, member->start, member->numbers[page]);
		__atomic_add_fetch(&mix.wrong, 1, __ATOMIC_RELAXED);
	}
	if (draw(member, 4)) {
		member->numbers[page] = 1 + draw(member, UINT32_MAX - 1);
		pt_fill_page(at, (uintptr_t)at, member->numbers[page]);
		return 0;
	}
	pages = 1 + draw(member, WORK_PAGES - page);
	if (madvise(at, pages * WORK_EVERY * PT_PAGE, MADV_DONTNEED))
		return -errno;
	memset(&member->numbers[page], 0, pages * sizeof(member->numbers[0]));
	return 0;
}

static int switch_prctl(struct member *member)
{
	return pt_set_prctl(draw(member, 3));
}

static int switch_system(struct member *member)
{
	static const char * const modes[] = { "always", "madvise", "never" };

	return pt_set_mode(modes[draw(member, 3)]);
}

static int switch_process(struct member *member)
{
	static const char * const lines[] = {
		"mode default", "mode enable", "mode disable",
		"scan_delay_millisecs 0", "scan_delay_millisecs 1",
		"scan_delay_millisecs 3600000", "scan_tables 0",
		"scan_tables 1", "scan_tables 4294967295",
	};

	return pt_process_write(0, lines[draw(member, ARRAY_SIZE(lines))]);
}

static int switch_marks(struct member *member)
{
	size_t first = draw(member, mix.area.bytes / MARK_BYTES);
	size_t rest = mix.area.bytes / MARK_BYTES - first;

	return pt_mark(mix.area.start + first * MARK_BYTES,
		       (1 + draw(member, rest)) * MARK_BYTES,
		       draw(member, 2) ? PT_RECLAIMABLE : PT_UNRECLAIMABLE);
}

static int request_anything(struct member *member)
{
	switch (draw(member, 3)) {
	case 0:
		return pt_request(mix.area.start, mix.area.bytes);
	case 1:
		return pt_process_write(0, "reclaim");
	default:
		return pt_request_round();
	}
}

static int read_anything(struct member *member)
{
	char text[4096];

	(void)member;
	return pt_process_read(0, text, sizeof(text));
}

static void *be_a_member(void *arg)
{
	struct member *member = arg;
	int err;

	while (!__atomic_load_n(&mix.stop, __ATOMIC_RELAXED)) {
		err = member->work(member);
		if (err) {
			pt_note("a thread has failed: %s", strerror(-err));
			__atomic_add_fetch(&mix.failed, 1, __ATOMIC_RELAXED);
			break;
		}
		member->times++;
		/* Or those who use their memory would hardly get to it. */
		if (member->work != use_memory)
			pt_pause_ms(draw(member, 4));
	}
	return NULL;
}

static int (* const works[])(struct member *member) = {
	switch_prctl, switch_system, switch_process, switch_marks,
	request_anything, read_anything,
};

#define MEMBERS	(WORKERS + ARRAY_SIZE(works))

FIXTURE(mix) { };

FIXTURE_SETUP(mix)
{
	mix.area.fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_start_thread("always", 1));
	ASSERT_EQ(0, pt_area_map(&mix.area, PT_ANON, WORKERS * WORK_BYTES));
}

FIXTURE_TEARDOWN(mix)
{
	pt_area_unmap(&mix.area);
}

TEST_F_TIMEOUT(mix, test_no_byte_is_wrong_whatever_is_switched, TEST_SECONDS)
{
	long long reclaimed = pt_vmstat("pt_reclaim_reclaimed");
	static struct member members[MEMBERS];
	pthread_t threads[MEMBERS];
	size_t i, page;

	for (i = 0; i < MEMBERS; i++) {
		members[i].draw = i << 32;
		members[i].work = i < WORKERS ? use_memory : works[i - WORKERS];
		members[i].start = mix.area.start + i * WORK_BYTES;
		ASSERT_EQ(0, pthread_create(&threads[i], NULL, be_a_member,
					    &members[i]));
	}
	pt_pause_ms(MIX_SECONDS * 1000);
	__atomic_store_n(&mix.stop, true, __ATOMIC_RELAXED);
	for (i = 0; i < MEMBERS; i++) {
		pthread_join(threads[i], NULL);
		EXPECT_LT(0UL, members[i].times) {
			TH_LOG("thread %zu has done nothing", i);
		}
	}
	EXPECT_EQ(0UL, mix.failed);
	for (i = 0; i < WORKERS; i++) {
		for (page = 0; page < WORK_PAGES; page++)
			mix.wrong += !page_is_right(&members[i], page);
	}
	EXPECT_EQ(0UL, mix.wrong);
	reclaimed = pt_vmstat("pt_reclaim_reclaimed") - reclaimed;
	EXPECT_LT(WORK_TABLES, reclaimed);
	TH_LOG("%lu looks at a page, %lu switches of the mode, %lld tables",
	       members[0].times, members[WORKERS + 1].times, reclaimed);

	/* All of it still works. */
	ASSERT_EQ(0, pt_set_prctl(PR_PT_RECLAIM_DEFAULT));
	ASSERT_EQ(0, pt_process_write(0, "scan_delay_millisecs 0"));
	ASSERT_EQ(0, pt_mark_area(&mix.area, PT_RECLAIMABLE));
	ASSERT_EQ(0, pt_start_thread("madvise", PT_SCAN_SLEEP_MS));
	ASSERT_EQ(0, pt_area_waste(&mix.area));
	EXPECT_TRUE(pt_wait(PT_GONE_SECONDS, "all tables to go",
			    !pt_tables_there(0, mix.area.start,
					     mix.area.bytes)));
}

int main(int argc, char **argv)
{
	pt_begin();
	return test_harness_run(argc, argv);
}
