// SPDX-License-Identifier: GPL-2.0
/*
 * madvise(MADV_PT_RECLAIMABLE) and its contrary: what becomes of the marks of VMAs
 * over all that is done to VMAs, what is refused, and when they count.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <netinet/in.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/socket.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_interface.h"

#define TEST_SECONDS	1200

/* What becomes of marks. The thread has nothing to do with it. */
FIXTURE(mark)
{
	struct pt_area area;
	struct pt_area other;
};

FIXTURE_VARIANT(mark)
{
	enum pt_backing backing;
};

FIXTURE_VARIANT_ADD(mark, anon) { .backing = PT_ANON };
FIXTURE_VARIANT_ADD(mark, shmem) { .backing = PT_SHMEM };
FIXTURE_VARIANT_ADD(mark, memfd) { .backing = PT_MEMFD };
FIXTURE_VARIANT_ADD(mark, private_file) { .backing = PT_PRIVATE_FILE };

FIXTURE_SETUP(mark)
{
	self->area.fd = -1;
	self->other.fd = -1;
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, pt_area_map(&self->area, variant->backing, 4 * PT_TABLE));
	ASSERT_EQ(0, pt_area_map(&self->other, PT_ANON, 4 * PT_TABLE));
}

FIXTURE_TEARDOWN(mark)
{
	pt_area_unmap(&self->area);
	pt_area_unmap(&self->other);
}

/* Is the range mapped by so many VMAs, all of them with the same mark? */
static bool marks_are(const void *start, size_t bytes, long nr,
		      enum pt_mark mark)
{
	struct pt_vma vmas[64];
	long found, i;

	found = pt_read_vmas(0, start, bytes, vmas, ARRAY_SIZE(vmas));
	if (found != nr)
		pt_note("there are %ld VMAs, not %ld", found, nr);
	for (i = 0; i < found; i++) {
		if (pt_mark_of(&vmas[i]) == mark)
			continue;
		pt_note("%lx-%lx is %s%s, not %s", vmas[i].start, vmas[i].end,
			vmas[i].reclaimable ? "tr" : "",
			vmas[i].unreclaimable ? "nt" : "", pt_mark_names[mark]);
		return false;
	}
	return found == nr;
}

static bool area_is(struct pt_area *area, long nr, enum pt_mark mark)
{
	return marks_are(area->start, area->bytes, nr, mark);
}

static long nr_vmas(const void *start, size_t bytes)
{
	struct pt_vma vmas[64];

	return pt_read_vmas(0, start, bytes, vmas, ARRAY_SIZE(vmas));
}

TEST_F(mark, test_marks_show_and_exclude_each_other)
{
	EXPECT_TRUE(area_is(&self->area, 1, PT_PLAIN));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	EXPECT_TRUE(area_is(&self->area, 1, PT_RECLAIMABLE));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_UNRECLAIMABLE));
	EXPECT_TRUE(area_is(&self->area, 1, PT_UNRECLAIMABLE));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	EXPECT_TRUE(area_is(&self->area, 1, PT_RECLAIMABLE));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	EXPECT_TRUE(area_is(&self->area, 1, PT_RECLAIMABLE));
}

TEST_F(mark, test_mark_of_a_part_is_for_that_part)
{
	char *start = self->area.start;
	size_t rest = self->area.bytes - 3 * PT_PAGE;

	ASSERT_EQ(0, pt_mark(start + PT_PAGE, 2 * PT_PAGE, PT_RECLAIMABLE));
	EXPECT_TRUE(marks_are(start, PT_PAGE, 1, PT_PLAIN));
	EXPECT_TRUE(marks_are(start + PT_PAGE, 2 * PT_PAGE, 1, PT_RECLAIMABLE));
	EXPECT_TRUE(marks_are(start + 3 * PT_PAGE, rest, 1, PT_PLAIN));
}

TEST_F(mark, test_split_keeps_marks)
{
	char *middle = self->area.start + PT_TABLE + 5 * PT_PAGE;
	int each;

	for (each = PT_RECLAIMABLE; each < PT_MARKS; each++) {
		ASSERT_EQ(0, pt_mark_area(&self->area, each));
		ASSERT_EQ(0, mprotect(middle, PT_PAGE, PROT_READ));
		EXPECT_TRUE(area_is(&self->area, 3, each));
		ASSERT_EQ(0, mprotect(middle, PT_PAGE,
				      PROT_READ | PROT_WRITE));
		EXPECT_TRUE(area_is(&self->area, 1, each));
	}
	ASSERT_EQ(0, munmap(middle, PT_PAGE));
	EXPECT_TRUE(area_is(&self->area, 2, PT_UNRECLAIMABLE));
}

TEST_F(mark, test_only_equal_marks_merge)
{
	size_t half = self->area.bytes / 2;
	char *first = self->area.start, *second = first + half;
	int one, two;

	for (one = PT_RECLAIMABLE; one < PT_MARKS; one++) {
		ASSERT_EQ(0, pt_mark(first, half, one));
		for (two = PT_RECLAIMABLE; two < PT_MARKS; two++) {
			ASSERT_EQ(0, pt_mark(second, half, two));
			EXPECT_TRUE(marks_are(first, half, 1, one));
			EXPECT_TRUE(marks_are(second, half, 1, two));
			EXPECT_EQ(one == two ? 1 : 2,
				  nr_vmas(first, self->area.bytes));
		}
	}
}

/* Two at a time: one of the neighbours is not marked. */
TEST_F(mark, test_plain_does_not_merge_with_marked)
{
	size_t half = self->area.bytes / 2;
	int each;

	for (each = PT_RECLAIMABLE; each < PT_MARKS; each++) {
		ASSERT_EQ(0, pt_mark(self->area.start, half, each));
		EXPECT_EQ(2, nr_vmas(self->area.start, self->area.bytes));
		EXPECT_TRUE(marks_are(self->area.start + half, half, 1, PT_PLAIN));
	}
}

TEST_F(mark, test_moved_vma_keeps_its_mark)
{
	int each;

	for (each = PT_RECLAIMABLE; each < PT_MARKS; each++) {
		ASSERT_EQ(0, pt_mark_area(&self->area, each));
		ASSERT_EQ(self->other.start,
			  mremap(self->area.start, self->area.bytes,
				 self->area.bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
				 self->other.start));
		EXPECT_TRUE(area_is(&self->other, 1, each));
		ASSERT_EQ(self->area.start,
			  mremap(self->other.start, self->area.bytes,
				 self->area.bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
				 self->area.start));
		EXPECT_TRUE(area_is(&self->area, 1, each));
	}
}

TEST_F(mark, test_moved_part_and_rest_keep_their_mark)
{
	char *from = self->area.start + PT_TABLE;

	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	ASSERT_EQ(self->other.start,
		  mremap(from, PT_TABLE, PT_TABLE,
			 MREMAP_MAYMOVE | MREMAP_FIXED, self->other.start));
	EXPECT_TRUE(marks_are(self->other.start, PT_TABLE, 1, PT_RECLAIMABLE));
	EXPECT_TRUE(marks_are(self->area.start, PT_TABLE, 1, PT_RECLAIMABLE));
	EXPECT_TRUE(marks_are(from + PT_TABLE, 2 * PT_TABLE, 1, PT_RECLAIMABLE));
}

/* What is left behind is a VMA as before. */
TEST_F(mark, test_mremap_dontunmap_leaves_the_mark_at_both)
{
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	ASSERT_EQ(self->other.start,
		  mremap(self->area.start, self->area.bytes, self->area.bytes,
			 MREMAP_MAYMOVE | MREMAP_FIXED | MREMAP_DONTUNMAP,
			 self->other.start));
	EXPECT_TRUE(area_is(&self->area, 1, PT_RECLAIMABLE));
	EXPECT_TRUE(area_is(&self->other, 1, PT_RECLAIMABLE));
}

TEST_F(mark, test_vma_grows_and_shrinks_with_its_mark)
{
	char *start = self->area.start;
	size_t bytes = self->area.bytes;
	int each;

	/* Room for it */
	ASSERT_EQ(0, munmap(start + bytes, PT_TABLE));
	for (each = PT_RECLAIMABLE; each < PT_MARKS; each++) {
		ASSERT_EQ(0, pt_mark_area(&self->area, each));
		ASSERT_EQ(start, mremap(start, bytes, bytes + PT_TABLE, 0));
		EXPECT_TRUE(marks_are(start, bytes + PT_TABLE, 1, each));
		ASSERT_EQ(start, mremap(start, bytes + PT_TABLE, bytes, 0));
		EXPECT_TRUE(marks_are(start, bytes, 1, each));
		EXPECT_EQ(0, nr_vmas(start + bytes, PT_TABLE));
	}
	/* To where there is room, in one move */
	ASSERT_EQ(self->other.start,
		  mremap(start, bytes / 2, bytes,
			 MREMAP_MAYMOVE | MREMAP_FIXED, self->other.start));
	EXPECT_TRUE(area_is(&self->other, 1, PT_UNRECLAIMABLE));
	EXPECT_TRUE(marks_are(start + bytes / 2, bytes / 2, 1, PT_UNRECLAIMABLE));
}

static int wait_for(pid_t pid)
{
	return pid < 0 ? -errno : pt_reap(pid, 10, "a child to look");
}

TEST_F(mark, test_fork_copies_marks)
{
	size_t half = self->area.bytes / 2;
	char *second = self->area.start + half;
	pid_t pid;

	ASSERT_EQ(0, pt_mark(self->area.start, half, PT_RECLAIMABLE));
	ASSERT_EQ(0, pt_mark(second, half, PT_UNRECLAIMABLE));
	pid = fork();
	if (!pid) {
		bool right = marks_are(self->area.start, half, 1, PT_RECLAIMABLE) &&
			     marks_are(second, half, 1, PT_UNRECLAIMABLE);

		/* Its own from here on */
		_exit(!right || pt_mark_area(&self->area, PT_UNRECLAIMABLE) ||
		      !area_is(&self->area, 1, PT_UNRECLAIMABLE));
	}
	EXPECT_EQ(0, wait_for(pid));
	EXPECT_TRUE(marks_are(self->area.start, half, 1, PT_RECLAIMABLE));
	EXPECT_TRUE(marks_are(second, half, 1, PT_UNRECLAIMABLE));
}

/* Right beside what is marked, and over what was */
TEST_F(mark, test_what_is_mapped_anew_is_plain)
{
	size_t half = self->area.bytes / 2;
	char *second = self->area.start + half;
	int each;

	for (each = PT_RECLAIMABLE; each < PT_MARKS; each++) {
		ASSERT_EQ(0, pt_mark_area(&self->area, each));
		ASSERT_EQ(second, mmap(second, half, PROT_READ | PROT_WRITE,
				       MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED,
				       -1, 0));
		EXPECT_TRUE(marks_are(self->area.start, half, 1, each));
		EXPECT_TRUE(marks_are(second, half, 1, PT_PLAIN));
	}
}

TEST_F(mark, test_misaligned_start_is_einval)
{
	char *start = self->area.start;
	int each;

	for (each = PT_RECLAIMABLE; each < PT_MARKS; each++) {
		EXPECT_EQ(-EINVAL, pt_mark(start + 1, PT_TABLE, each));
		EXPECT_EQ(-EINVAL, pt_mark(start + PT_PAGE - 1, PT_PAGE, each));
		EXPECT_EQ(-EINVAL, pt_mark(start + 100, 0, each));
		EXPECT_EQ(-EINVAL, pt_mark(start, -PT_TABLE, each));
		EXPECT_EQ(-EINVAL, pt_mark(start, SIZE_MAX, each));
		EXPECT_TRUE(area_is(&self->area, 1, PT_PLAIN));
		EXPECT_EQ(0, pt_mark(start, 0, each));
		EXPECT_TRUE(area_is(&self->area, 1, PT_PLAIN));
	}
}

/* The end is rounded up, as for all advice. */
TEST_F(mark, test_part_of_a_page_stands_for_it)
{
	char *start = self->area.start;

	ASSERT_EQ(0, pt_mark(start, 1, PT_RECLAIMABLE));
	EXPECT_TRUE(marks_are(start, PT_PAGE, 1, PT_RECLAIMABLE));
	EXPECT_TRUE(marks_are(start + PT_PAGE, PT_PAGE, 1, PT_PLAIN));
	ASSERT_EQ(0, pt_mark(start, PT_PAGE + 1, PT_UNRECLAIMABLE));
	EXPECT_TRUE(marks_are(start, 2 * PT_PAGE, 1, PT_UNRECLAIMABLE));
	EXPECT_TRUE(marks_are(start + 2 * PT_PAGE, PT_PAGE, 1, PT_PLAIN));
}

TEST_F(mark, test_hole_is_enomem_and_the_rest_is_marked)
{
	char *start = self->area.start, *hole = start + PT_TABLE;
	char *behind = hole + PT_TABLE;
	int each;

	ASSERT_EQ(0, munmap(hole, PT_TABLE));
	for (each = PT_RECLAIMABLE; each < PT_MARKS; each++) {
		EXPECT_EQ(-ENOMEM, pt_mark_area(&self->area, each));
		EXPECT_TRUE(marks_are(start, PT_TABLE, 1, each));
		EXPECT_TRUE(marks_are(behind, 2 * PT_TABLE, 1, each));
		/* At its beginning and at its end */
		EXPECT_EQ(-ENOMEM, pt_mark(hole, 2 * PT_TABLE, each));
		EXPECT_EQ(-ENOMEM, pt_mark(start, 2 * PT_TABLE, each));
		EXPECT_EQ(-ENOMEM, pt_mark(hole, PT_TABLE, each));
		EXPECT_EQ(0, nr_vmas(hole, PT_TABLE));
	}
}

static pid_t fork_sleeper(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

static bool child_is_plain(pid_t pid, struct pt_area *area)
{
	struct pt_vma vma;

	return pt_read_vmas(pid, area->start, area->bytes, &vma, 1) == 1 &&
	       pt_mark_of(&vma) == PT_PLAIN;
}

TEST_F(mark, test_nobody_marks_for_another_process)
{
	static const int advices[] = {
		MADV_PT_RECLAIMABLE, MADV_PT_UNRECLAIMABLE,
	};
	struct iovec range = { self->area.start, self->area.bytes };
	pid_t pid = fork_sleeper();
	size_t i;

	ASSERT_LT(0, pid);
	for (i = 0; i < ARRAY_SIZE(advices); i++) {
		EXPECT_EQ(-EINVAL, pt_advise_process(pid, &range, 1,
						     advices[i]));
		EXPECT_EQ(-EINVAL, pt_advise_process(0, &range, 1, advices[i]));
	}
	EXPECT_TRUE(child_is_plain(pid, &self->area));
	EXPECT_TRUE(area_is(&self->area, 1, PT_PLAIN));
	/* It is the advice that is refused. */
	EXPECT_EQ(0, pt_advise_process(pid, &range, 1, MADV_PT_RECLAIM));
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

/* What marks do to the tables of one area, or of two. */
FIXTURE(effect)
{
	struct pt_area area;
	struct pt_area other;
};

FIXTURE_SETUP(effect)
{
	self->area.fd = -1;
	self->other.fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, pt_spot_map(&self->area, PT_ANON));
	ASSERT_EQ(0, pt_spot_map(&self->other, PT_ANON));
}

FIXTURE_TEARDOWN(effect)
{
	pt_area_unmap(&self->area);
	pt_area_unmap(&self->other);
}

/* A child has its parent's marks, and is visited for them. */
static int be_a_marked_child(struct pt_area *marked, struct pt_area *plain)
{
	if (strcmp(pt_process_says(0), "marked mark"))
		return pt_failed("the child's file says %s", pt_process_says(0));
	if (pt_spot_waste(marked) || pt_spot_waste(plain))
		return pt_failed("cannot waste tables");
	if (!pt_spot_goes(0, marked) || !pt_wait_rounds(PT_ENOUGH_ROUNDS))
		return KSFT_FAIL;
	if (pt_spot_tables(0, plain) != PT_SPOT_TABLES)
		return pt_failed("%ld tables are left", pt_spot_tables(0, plain));
	return KSFT_PASS;
}

TEST_F_TIMEOUT(effect, test_marks_hold_for_a_child, TEST_SECONDS)
{
	pid_t pid;

	ASSERT_EQ(0, pt_start_sweeping("madvise"));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	fflush(stdout);
	pid = fork();
	if (!pid)
		_exit(be_a_marked_child(&self->area, &self->other));
	ASSERT_LT(0, pid);
	EXPECT_EQ(0, pt_reap(pid, 2 * PT_GONE_SECONDS, "a marked child to end"));
}

TEST_F_TIMEOUT(effect, test_exec_starts_without_marks, TEST_SECONDS)
{
	pid_t pid;

	ASSERT_EQ(0, pt_set_mode("madvise"));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	ASSERT_EQ(0, pt_mark_area(&self->other, PT_UNRECLAIMABLE));
	ASSERT_STREQ("marked mark", pt_process_says(0));
	pid = fork();
	if (!pid) {
		execl("/proc/self/exe", "self", "--tell-marks", NULL);
		_exit(127);
	}
	EXPECT_EQ(0, wait_for(pid));
	EXPECT_STREQ("marked mark", pt_process_says(0));
}

/* In the middle of others: what is around it goes. */
TEST_F_TIMEOUT(effect, test_request_leaves_unreclaimable_alone, TEST_SECONDS)
{
	char *some = self->area.start + 4 * PT_TABLE;

	ASSERT_EQ(0, pt_mark(some, 3 * PT_TABLE, PT_UNRECLAIMABLE));
	ASSERT_EQ(0, pt_spot_waste(&self->area));
	EXPECT_EQ(0, pt_request(self->area.start, self->area.bytes));
	EXPECT_EQ(3, pt_spot_tables(0, &self->area));
	EXPECT_EQ(3, pt_tables_there(0, some, 3 * PT_TABLE));
	EXPECT_EQ(0, pt_request(some, 3 * PT_TABLE));
	EXPECT_EQ(3, pt_spot_tables(0, &self->area));
	ASSERT_EQ(0, pt_mark(some, PT_TABLE, PT_RECLAIMABLE));
	EXPECT_EQ(0, pt_request(self->area.start, self->area.bytes));
	EXPECT_EQ(2, pt_spot_tables(0, &self->area));
}

/* When madvise() has returned the thread takes nothing of it any more. */
TEST_F_TIMEOUT(effect, test_unreclaimable_holds_at_once, TEST_SECONDS)
{
	long left, all = 0;
	unsigned int turn;

	ASSERT_EQ(0, pt_start_thread("always", 1));
	for (turn = 0; turn < 30; turn++) {
		ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
		ASSERT_EQ(0, pt_spot_waste(&self->area));
		pt_pause_ms(turn);
		ASSERT_EQ(0, pt_mark_area(&self->area, PT_UNRECLAIMABLE));
		left = pt_spot_tables(0, &self->area);
		ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
		EXPECT_EQ(left, pt_spot_tables(0, &self->area));
		all += left;
	}
	/* Otherwise nothing was there to be taken. */
	EXPECT_LT(0, all);
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	EXPECT_TRUE(pt_spot_goes(0, &self->area));
}

/* A page of these beside a table has it left alone: VM_MIXEDMAP. */
static int map_tcp_page(char *at)
{
	int fd = socket(AF_INET, SOCK_STREAM, 0);
	int err = 0;

	if (fd < 0)
		return -errno;
	if (mmap(at, PT_PAGE, PROT_READ, MAP_SHARED | MAP_FIXED, fd, 0) != at)
		err = -errno;
	close(fd);
	return err;
}

TEST_F_TIMEOUT(effect, test_mark_does_not_make_what_is_unfit_fit, TEST_SECONDS)
{
	char *start = self->area.start;
	char *tcp = start + PT_TABLE - PT_PAGE;
	int err;

	err = map_tcp_page(tcp);
	if (err)
		SKIP(return, "no mapping of a socket: %s", strerror(-err));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	ASSERT_TRUE(pt_start_held("always"));
	start[0] = 1;
	ASSERT_EQ(0, madvise(start, PT_PAGE, MADV_DONTNEED));
	ASSERT_EQ(1, pt_tables_there(0, start, PT_TABLE));
	EXPECT_EQ(0, pt_request(start, PT_TABLE));
	EXPECT_EQ(0, pt_request_round());
	EXPECT_EQ(1, pt_tables_there(0, start, PT_TABLE));
	ASSERT_EQ(0, munmap(tcp, PT_PAGE));
	EXPECT_EQ(0, pt_request(start, PT_PAGE));
	EXPECT_EQ(0, pt_tables_there(0, start, PT_TABLE));
}

/* What was emptied before it is marked goes all the same, and not by a sweep. */
FIXTURE(late)
{
	struct pt_area area;
	struct pt_area other;
};

FIXTURE_VARIANT(late)
{
	const char *mode;
	unsigned long setting;
	enum pt_mark before;
	bool registered;	/* for another VMA, or whatever else */
};

FIXTURE_VARIANT_ADD(late, plain_alone) {
	.mode = "madvise",
	.before = PT_PLAIN,
};

FIXTURE_VARIANT_ADD(late, plain_beside_marked) {
	.mode = "madvise",
	.before = PT_PLAIN,
	.registered = true,
};

FIXTURE_VARIANT_ADD(late, unreclaimable_alone) {
	.mode = "madvise",
	.before = PT_UNRECLAIMABLE,
};

FIXTURE_VARIANT_ADD(late, unreclaimable_beside_marked) {
	.mode = "madvise",
	.before = PT_UNRECLAIMABLE,
	.registered = true,
};

FIXTURE_VARIANT_ADD(late, unreclaimable_of_opted_in) {
	.mode = "madvise",
	.setting = PR_PT_RECLAIM_ENABLE,
	.before = PT_UNRECLAIMABLE,
	.registered = true,
};

FIXTURE_VARIANT_ADD(late, unreclaimable_under_always) {
	.mode = "always",
	.before = PT_UNRECLAIMABLE,
	.registered = true,
};

FIXTURE_SETUP(late)
{
	self->area.fd = -1;
	self->other.fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_start_thread(variant->mode, PT_SCAN_SLEEP_MS));
	ASSERT_EQ(0, pt_set_prctl(variant->setting));
	ASSERT_EQ(0, pt_spot_map(&self->area, PT_ANON));
	ASSERT_EQ(0, pt_spot_map(&self->other, PT_ANON));
	ASSERT_EQ(0, pt_mark_area(&self->area, variant->before));
	if (variant->registered)
		ASSERT_EQ(0, pt_mark_area(&self->other, PT_RECLAIMABLE));
	/* What registers an mm sweeps it once. */
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
}

FIXTURE_TEARDOWN(late)
{
	pt_area_unmap(&self->area);
	pt_area_unmap(&self->other);
}

TEST_F_TIMEOUT(late, test_emptied_before_it_was_marked_goes, TEST_SECONDS)
{
	int turn;

	for (turn = 0; turn < 3; turn++) {
		ASSERT_EQ(0, pt_spot_waste(&self->area));
		ASSERT_EQ(0, pt_spot_waste(&self->other));
		if (variant->registered)
			ASSERT_TRUE(pt_spot_goes(0, &self->other));
		ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
		EXPECT_EQ(PT_SPOT_TABLES, pt_spot_tables(0, &self->area));
		ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
		ASSERT_TRUE(pt_spot_goes(0, &self->area));
		EXPECT_TRUE(pt_spot_is_intact(&self->area));
		/* Plain it will not be again. */
		ASSERT_EQ(0, pt_mark_area(&self->area, PT_UNRECLAIMABLE));
	}
}

/* Only the part that is marked */
TEST_F_TIMEOUT(late, test_part_that_is_marked_goes, TEST_SECONDS)
{
	char *part = self->area.start + 2 * PT_TABLE;

	ASSERT_EQ(0, pt_spot_waste(&self->area));
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
	ASSERT_EQ(0, pt_mark(part, 3 * PT_TABLE, PT_RECLAIMABLE));
	EXPECT_TRUE(pt_wait(PT_GONE_SECONDS, "the marked part's tables to go",
			    pt_tables_there(0, part, 3 * PT_TABLE) == 0));
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
	EXPECT_EQ(PT_SPOT_TABLES - 3, pt_spot_tables(0, &self->area));
}

/* Marked while there is no thread: it begins with a sweep. */
TEST_F_TIMEOUT(effect, test_marks_under_never_hold_afterwards, TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_spot_waste(&self->area));
	ASSERT_EQ(0, pt_spot_waste(&self->other));
	ASSERT_EQ(0, pt_mark_area(&self->area, PT_RECLAIMABLE));
	ASSERT_EQ(0, pt_start_thread("madvise", PT_SCAN_SLEEP_MS));
	EXPECT_TRUE(pt_spot_goes(0, &self->area));
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
	EXPECT_EQ(PT_SPOT_TABLES, pt_spot_tables(0, &self->other));
}

/* After an exec: has any VMA a mark, or the process as such? */
static int tell_marks(void)
{
	static struct pt_vma vmas[1024];
	long nr = pt_read_vmas(0, NULL, SIZE_MAX, vmas, ARRAY_SIZE(vmas));

	if (nr <= 0)
		return pt_failed("cannot read the VMAs: %ld", nr);
	while (nr--) {
		if (pt_mark_of(&vmas[nr]) != PT_PLAIN)
			return pt_failed("the VMA at %lx is marked",
					 vmas[nr].start);
	}
	if (strcmp(pt_process_says(0), "none system"))
		return pt_failed("the file says %s", pt_process_says(0));
	return KSFT_PASS;
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--tell-marks"))
		return tell_marks();
	pt_begin();
	return test_harness_run(argc, argv);
}
