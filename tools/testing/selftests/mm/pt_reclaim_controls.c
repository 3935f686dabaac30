// SPDX-License-Identifier: GPL-2.0
/*
 * Who takes part, cell by cell: the mode, prctl() and the marks of VMAs, for the
 * thread and for those who ask for it.
 *
 * What should go is waited for. What should stay is looked at after so many full
 * scans, each of them a sweep, that it would be gone if it were allowed to.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_interface.h"

#define TEST_SECONDS	1200
#define HALF_TABLE	(PT_TABLE / 2)

/*
 * One cell of the table of who takes part: an area with each mark, in a process with
 * one prctl setting, under one mode.
 */
FIXTURE(cell)
{
	struct pt_area areas[PT_MARKS];
};

/**
 * struct _fixture_variant_cell - a cell, and what must come of it
 * @mode: Of the system.
 * @setting: Of prctl().
 * @goes: Do tables of an area with this mark go without being asked for?
 * @unmarked_says: takes_part and reason in /proc/pid/pt_reclaim, while no VMA is
 *	marked MADV_PT_RECLAIMABLE.
 * @marked_says: And when one is, or was.
 */
FIXTURE_VARIANT(cell)
{
	const char *mode;
	unsigned long setting;
	bool goes[PT_MARKS];
	const char *unmarked_says;
	const char *marked_says;
};

#define GOES_ALL	{ true, true, false }
#define GOES_MARKED	{ false, true, false }
#define GOES_NOTHING	{ false, false, false }

FIXTURE_VARIANT_ADD(cell, always_default) {
	.mode = "always",
	.setting = PR_PT_RECLAIM_DEFAULT,
	.goes = GOES_ALL,
	.unmarked_says = "all system",
	.marked_says = "all system",
};

FIXTURE_VARIANT_ADD(cell, always_enable) {
	.mode = "always",
	.setting = PR_PT_RECLAIM_ENABLE,
	.goes = GOES_ALL,
	.unmarked_says = "all prctl",
	.marked_says = "all prctl",
};

FIXTURE_VARIANT_ADD(cell, always_disable) {
	.mode = "always",
	.setting = PR_PT_RECLAIM_DISABLE,
	.goes = GOES_NOTHING,
	.unmarked_says = "none prctl",
	.marked_says = "none prctl",
};

FIXTURE_VARIANT_ADD(cell, madvise_default) {
	.mode = "madvise",
	.setting = PR_PT_RECLAIM_DEFAULT,
	.goes = GOES_MARKED,
	.unmarked_says = "none system",
	.marked_says = "marked mark",
};

FIXTURE_VARIANT_ADD(cell, madvise_enable) {
	.mode = "madvise",
	.setting = PR_PT_RECLAIM_ENABLE,
	.goes = GOES_ALL,
	.unmarked_says = "all prctl",
	.marked_says = "all prctl",
};

FIXTURE_VARIANT_ADD(cell, madvise_disable) {
	.mode = "madvise",
	.setting = PR_PT_RECLAIM_DISABLE,
	.goes = GOES_NOTHING,
	.unmarked_says = "none prctl",
	.marked_says = "none prctl",
};

FIXTURE_VARIANT_ADD(cell, never_default) {
	.mode = "never",
	.setting = PR_PT_RECLAIM_DEFAULT,
	.goes = GOES_NOTHING,
	.unmarked_says = "none system",
	.marked_says = "none system",
};

FIXTURE_VARIANT_ADD(cell, never_enable) {
	.mode = "never",
	.setting = PR_PT_RECLAIM_ENABLE,
	.goes = GOES_NOTHING,
	.unmarked_says = "none system",
	.marked_says = "none system",
};

FIXTURE_VARIANT_ADD(cell, never_disable) {
	.mode = "never",
	.setting = PR_PT_RECLAIM_DISABLE,
	.goes = GOES_NOTHING,
	.unmarked_says = "none prctl",
	.marked_says = "none prctl",
};

static int mark_all(struct pt_area *areas)
{
	int i, err = 0;

	for (i = 0; i < PT_MARKS && !err; i++)
		err = pt_mark(areas[i].start, areas[i].bytes, i);
	return err;
}

static int waste_all(struct pt_area *areas)
{
	int i, err = 0;

	for (i = 0; i < PT_MARKS && !err; i++)
		err = pt_spot_waste(&areas[i]);
	return err;
}

FIXTURE_SETUP(cell)
{
	int i;

	for (i = 0; i < PT_MARKS; i++)
		self->areas[i].fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_set_mode("never"));
	for (i = 0; i < PT_MARKS; i++)
		ASSERT_EQ(0, pt_spot_map(&self->areas[i], PT_ANON));
	/* It can be seen whether tables are there, and that they are. */
	for (i = 0; i < PT_MARKS; i++)
		ASSERT_EQ(0, pt_spot_tables(0, &self->areas[i]));
	ASSERT_EQ(0, waste_all(self->areas));
	for (i = 0; i < PT_MARKS; i++)
		ASSERT_EQ(PT_SPOT_TABLES, pt_spot_tables(0, &self->areas[i]));
	ASSERT_EQ(0, pt_set_prctl(variant->setting));
}

FIXTURE_TEARDOWN(cell)
{
	int i;

	for (i = 0; i < PT_MARKS; i++)
		pt_area_unmap(&self->areas[i]);
}

static void expect_left(struct __test_metadata *_metadata,
			struct pt_area *areas, const bool *goes)
{
	int i;

	for (i = 0; i < PT_MARKS; i++) {
		EXPECT_EQ(goes[i] ? 0 : PT_SPOT_TABLES,
			  pt_spot_tables(0, &areas[i])) {
			TH_LOG("%s VMA", pt_mark_names[i]);
		}
		EXPECT_TRUE(pt_spot_is_intact(&areas[i]));
	}
}

static void expect_thread_takes(struct __test_metadata *_metadata,
				struct pt_area *areas, const char *mode,
				const bool *goes)
{
	int i;

	for (i = 0; i < PT_MARKS; i++) {
		if (!goes[i])
			continue;
		EXPECT_TRUE(pt_spot_goes(0, &areas[i])) {
			TH_LOG("%s VMA", pt_mark_names[i]);
		}
	}
	EXPECT_TRUE(pt_rounds_pass(mode));
	expect_left(_metadata, areas, goes);
}

/* They are found by sweeps. */
TEST_F_TIMEOUT(cell, test_thread_takes_what_was_empty_before, TEST_SECONDS)
{
	ASSERT_EQ(0, mark_all(self->areas));
	ASSERT_EQ(0, waste_all(self->areas));
	ASSERT_EQ(0, pt_start_sweeping(variant->mode));
	expect_thread_takes(_metadata, self->areas, variant->mode,
			    variant->goes);
}

TEST_F_TIMEOUT(cell, test_thread_takes_what_becomes_empty, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_start_thread(variant->mode, PT_SCAN_SLEEP_MS));
	ASSERT_EQ(0, mark_all(self->areas));
	ASSERT_TRUE(pt_rounds_pass(variant->mode));
	ASSERT_EQ(0, waste_all(self->areas));
	expect_thread_takes(_metadata, self->areas, variant->mode,
			    variant->goes);
	/* They have left no mark that would be found, but there are sweeps. */
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 1));
	EXPECT_TRUE(pt_rounds_pass(variant->mode));
	expect_left(_metadata, self->areas, variant->goes);
}

/* What prctl() says comes last here: it must undo what was begun. */
TEST_F_TIMEOUT(cell, test_last_word_of_prctl_holds, TEST_SECONDS)
{
	unsigned long other;

	for (other = PR_PT_RECLAIM_DEFAULT; other <= PR_PT_RECLAIM_DISABLE;
	     other++) {
		ASSERT_EQ(0, pt_start_sweeping(variant->mode));
		ASSERT_EQ(0, pt_set_prctl(other));
		ASSERT_EQ(0, mark_all(self->areas));
		ASSERT_TRUE(pt_rounds_pass(variant->mode));
		ASSERT_EQ(0, pt_set_prctl(variant->setting));
		ASSERT_EQ(0, waste_all(self->areas));
		expect_thread_takes(_metadata, self->areas, variant->mode,
				    variant->goes);
	}
}

TEST_F_TIMEOUT(cell, test_full_round_on_request_takes_the_same, TEST_SECONDS)
{
	ASSERT_EQ(0, mark_all(self->areas));
	ASSERT_TRUE(pt_start_held(variant->mode));
	ASSERT_EQ(0, waste_all(self->areas));
	ASSERT_EQ(0, pt_request_round());
	expect_left(_metadata, self->areas, variant->goes);
}

/* Whoever asks is given all that is not marked against it. */
static const bool goes_on_request[PT_MARKS] = GOES_ALL;

static void expect_request_takes(struct __test_metadata *_metadata,
				 struct pt_area *areas, const char *mode,
				 int (*request)(struct pt_area *areas))
{
	ASSERT_EQ(0, mark_all(areas));
	ASSERT_TRUE(pt_start_held(mode));
	ASSERT_EQ(0, waste_all(areas));
	EXPECT_EQ(0, request(areas));
	expect_left(_metadata, areas, goes_on_request);
}

static int request_by_madvise(struct pt_area *areas)
{
	int i, err = 0;

	for (i = 0; i < PT_MARKS && !err; i++)
		err = pt_request(areas[i].start, areas[i].bytes);
	return err;
}

static int request_by_file(struct pt_area *areas)
{
	(void)areas;
	return pt_process_write(0, "reclaim");
}

static void fill_ranges(struct iovec *ranges, struct pt_area *areas)
{
	int i;

	for (i = 0; i < PT_MARKS; i++) {
		ranges[i].iov_base = areas[i].start;
		ranges[i].iov_len = areas[i].bytes;
	}
}

/* By a child, to its parent */
static int request_by_another(struct pt_area *areas)
{
	pid_t pid, parent = getpid();
	struct iovec ranges[PT_MARKS];

	fill_ranges(ranges, areas);
	pid = fork();
	if (!pid)
		_exit(-pt_advise_process(parent, ranges, PT_MARKS,
					 MADV_PT_RECLAIM));
	return pid < 0 ? -errno : pt_reap(pid, 30, "process_madvise() to end");
}

TEST_F_TIMEOUT(cell, test_madvise_takes_all_but_unreclaimable, TEST_SECONDS)
{
	expect_request_takes(_metadata, self->areas, variant->mode,
			     request_by_madvise);
}

TEST_F_TIMEOUT(cell, test_file_takes_all_but_unreclaimable, TEST_SECONDS)
{
	expect_request_takes(_metadata, self->areas, variant->mode,
			     request_by_file);
}

TEST_F_TIMEOUT(cell, test_process_madvise_takes_all_but_unreclaimable,
	       TEST_SECONDS)
{
	expect_request_takes(_metadata, self->areas, variant->mode,
			     request_by_another);
}

TEST_F_TIMEOUT(cell, test_file_says_what_may_be_taken, TEST_SECONDS)
{
	struct pt_area *area = &self->areas[0];

	ASSERT_EQ(0, pt_set_mode(variant->mode));
	EXPECT_STREQ(variant->unmarked_says, pt_process_says(0));
	ASSERT_EQ(0, pt_mark(area->start, area->bytes, PT_UNRECLAIMABLE));
	EXPECT_STREQ(variant->unmarked_says, pt_process_says(0));
	ASSERT_EQ(0, pt_mark(area->start, area->bytes, PT_RECLAIMABLE));
	EXPECT_STREQ(variant->marked_says, pt_process_says(0));
	/* Nobody counts the VMAs that are marked. */
	ASSERT_EQ(0, pt_mark(area->start, area->bytes, PT_UNRECLAIMABLE));
	EXPECT_STREQ(variant->marked_says, pt_process_says(0));
}

/*
 * A table under two VMAs goes only if both allow it: a piece of each table has
 * another mark than what is around it.
 */
FIXTURE(shared)
{
	struct pt_area area;
};

FIXTURE_VARIANT(shared)
{
	const char *mode;
	enum pt_mark around;
	enum pt_mark piece;
	size_t offset;
	size_t bytes;
};

FIXTURE_VARIANT_ADD(shared, always_first_half) {
	.mode = "always",
	.around = PT_PLAIN,
	.piece = PT_UNRECLAIMABLE,
	.bytes = HALF_TABLE,
};

FIXTURE_VARIANT_ADD(shared, always_last_page) {
	.mode = "always",
	.around = PT_RECLAIMABLE,
	.piece = PT_UNRECLAIMABLE,
	.offset = PT_TABLE - PT_PAGE,
	.bytes = PT_PAGE,
};

FIXTURE_VARIANT_ADD(shared, always_page_in_the_middle) {
	.mode = "always",
	.around = PT_PLAIN,
	.piece = PT_UNRECLAIMABLE,
	.offset = HALF_TABLE,
	.bytes = PT_PAGE,
};

FIXTURE_VARIANT_ADD(shared, madvise_first_page) {
	.mode = "madvise",
	.around = PT_RECLAIMABLE,
	.piece = PT_PLAIN,
	.bytes = PT_PAGE,
};

FIXTURE_VARIANT_ADD(shared, madvise_second_half) {
	.mode = "madvise",
	.around = PT_RECLAIMABLE,
	.piece = PT_PLAIN,
	.offset = HALF_TABLE,
	.bytes = HALF_TABLE,
};

FIXTURE_VARIANT_ADD(shared, madvise_unreclaimable) {
	.mode = "madvise",
	.around = PT_RECLAIMABLE,
	.piece = PT_UNRECLAIMABLE,
	.offset = PT_PAGE,
	.bytes = PT_PAGE,
};

FIXTURE_SETUP(shared)
{
	struct pt_vma vmas[4 * PT_SPOT_TABLES];
	char *table;
	long i;

	self->area.fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, pt_spot_map(&self->area, PT_ANON));
	for (i = 0; i < PT_SPOT_TABLES; i++) {
		size_t behind = variant->offset + variant->bytes;

		table = self->area.start + i * PT_TABLE;
		ASSERT_EQ(0, pt_mark(table, variant->offset, variant->around));
		ASSERT_EQ(0, pt_mark(table + behind, PT_TABLE - behind,
				     variant->around));
		ASSERT_EQ(0, pt_mark(table + variant->offset, variant->bytes,
				     variant->piece));
	}
	/* At the edge of a table two pieces of the same kind may have met. */
	ASSERT_LE(2 * PT_SPOT_TABLES,
		  pt_read_vmas(0, self->area.start, self->area.bytes, vmas,
			       ARRAY_SIZE(vmas)));
}

FIXTURE_TEARDOWN(shared)
{
	pt_area_unmap(&self->area);
}

TEST_F_TIMEOUT(shared, test_table_under_two_vmas_needs_both, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_start_sweeping(variant->mode));
	ASSERT_EQ(0, pt_spot_waste(&self->area));
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
	EXPECT_EQ(PT_SPOT_TABLES, pt_spot_tables(0, &self->area));
	EXPECT_EQ(0, pt_request_round());
	EXPECT_EQ(PT_SPOT_TABLES, pt_spot_tables(0, &self->area));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	EXPECT_TRUE(pt_spot_goes(0, &self->area));
}

TEST_F_TIMEOUT(shared, test_request_needs_both, TEST_SECONDS)
{
	bool stays = variant->piece == PT_UNRECLAIMABLE;
	char *table;
	long i;

	ASSERT_TRUE(pt_start_held(variant->mode));
	ASSERT_EQ(0, pt_spot_waste(&self->area));
	EXPECT_EQ(0, pt_request(self->area.start, self->area.bytes));
	EXPECT_EQ(stays ? PT_SPOT_TABLES : 0, pt_spot_tables(0, &self->area));
	/* The range need not touch the piece. */
	ASSERT_EQ(0, pt_spot_waste(&self->area));
	for (i = 0; i < PT_SPOT_TABLES; i++) {
		table = self->area.start + i * PT_TABLE;
		EXPECT_EQ(0, pt_request(table + (variant->offset ? 0 :
					      variant->bytes), PT_PAGE));
	}
	EXPECT_EQ(stays ? PT_SPOT_TABLES : 0, pt_spot_tables(0, &self->area));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	EXPECT_EQ(0, pt_request(self->area.start, self->area.bytes));
	EXPECT_EQ(0, pt_spot_tables(0, &self->area));
}

int main(int argc, char **argv)
{
	pt_begin();
	return test_harness_run(argc, argv);
}
