// SPDX-License-Identifier: GPL-2.0
/*
 * Processes end when they end. Whoever keeps a reference to the address space
 * of a process that has exited makes its binary busy, its file systems
 * impossible to unmount and its files impossible to seal, and whoever loses
 * one leaks all of it: none of this may be seen while kptreclaimd runs as
 * often as it can.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/mount.h>
#include <sys/prctl.h>
#include <sys/sendfile.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_util.h"

#ifndef F_ADD_SEALS
#define F_ADD_SEALS	1033
#endif
#ifndef F_SEAL_WRITE
#define F_SEAL_WRITE	0x0008
#endif

#define TEST_SECONDS	1200
#define TABLES		256L
/* Rounds to make of each test, and how long at most */
#define ROUNDS		300
#define ROUNDS_SECONDS	20

FIXTURE(exiting)
{
	char dir[64];
	char file[96];
	struct pt_area area;
};

FIXTURE_SETUP(exiting)
{
	self->area.fd = -1;
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	/* What is mounted here is nobody else's. */
	if (unshare(CLONE_NEWNS) ||
	    mount(NULL, "/", NULL, MS_REC | MS_PRIVATE, NULL))
		SKIP(return, "no mount namespace to be had");
	snprintf(self->dir, sizeof(self->dir), "/tmp/pt_reclaim.XXXXXX");
	ASSERT_NE(NULL, mkdtemp(self->dir));
	if (mount("pt_reclaim", self->dir, "tmpfs", 0, NULL)) {
		rmdir(self->dir);
		SKIP(return, "no tmpfs to mount");
	}
	snprintf(self->file, sizeof(self->file), "%s/file", self->dir);
	ASSERT_EQ(0, pt_start_thread("always", 1));
}

FIXTURE_TEARDOWN(exiting)
{
	pt_area_unmap(&self->area);
	pt_set_mode("never");
	umount2(self->dir, MNT_DETACH);
	rmdir(self->dir);
}

/* Empty tables give the thread something to do in a process about to die. */
static void be_wasteful(void)
{
	struct pt_area area;

	if (pt_area_map(&area, PT_ANON, TABLES * PT_TABLE) ||
	    pt_area_waste(&area))
		_exit(1);
}

static int copy_self_to(const char *path)
{
	struct stat stat_buf;
	int from, to, err = 0;

	from = open("/proc/self/exe", O_RDONLY | O_CLOEXEC);
	to = open(path, O_WRONLY | O_CREAT | O_TRUNC | O_CLOEXEC, 0755);
	if (from < 0 || to < 0 || fstat(from, &stat_buf) ||
	    sendfile(to, from, NULL, stat_buf.st_size) != stat_buf.st_size)
		err = -1;
	if (from >= 0)
		close(from);
	if (to >= 0)
		close(to);
	return err;
}

static bool may_be_written(const char *path)
{
	int fd = open(path, O_WRONLY | O_CLOEXEC);

	if (fd >= 0)
		close(fd);
	return fd >= 0;
}

/* Starts the copy, which wastes tables and says so, then waits to be let go. */
static pid_t start_copy(const char *path, int *ready, int *go)
{
	int says[2], told[2];
	char byte;
	pid_t pid;

	if (pipe(says) || pipe(told))
		return -1;
	pid = fork();
	if (!pid) {
		dup2(says[1], STDOUT_FILENO);
		dup2(told[0], STDIN_FILENO);
		close(says[0]);
		close(says[1]);
		close(told[0]);
		close(told[1]);
		execl(path, path, "--waste", NULL);
		_exit(127);
	}
	close(says[1]);
	close(told[0]);
	*ready = says[0];
	*go = told[1];
	if (pid > 0 && read(*ready, &byte, 1) != 1)
		return -1;
	return pid;
}

static int waste_until_told(void)
{
	char byte;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	be_wasteful();
	if (write(STDOUT_FILENO, "r", 1) != 1)
		return 1;
	/* End of file is as good as a word. */
	return read(STDIN_FILENO, &byte, 1) < 0;
}

TEST_F_TIMEOUT(exiting, test_binary_is_free_once_its_process_was_waited_for,
	       TEST_SECONDS)
{
	double end = pt_now() + ROUNDS_SECONDS;
	int round, ready, go, status;
	pid_t pid;

	ASSERT_EQ(0, copy_self_to(self->file));
	for (round = 0; round < ROUNDS && pt_now() < end; round++) {
		pid = start_copy(self->file, &ready, &go);
		ASSERT_LT(0, pid);
		if (!round && may_be_written(self->file))
			SKIP(return, "running binaries can be written here");
		close(go);
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_TRUE(may_be_written(self->file)) {
			TH_LOG("round %d: %s", round, strerror(errno));
		}
		close(ready);
		ASSERT_EQ(0, status);
	}
	TH_LOG("%d processes", round);
}

TEST_F_TIMEOUT(exiting, test_mount_is_idle_once_its_user_was_waited_for,
	       TEST_SECONDS)
{
	double end = pt_now() + ROUNDS_SECONDS;
	int round, fd, status;
	pid_t pid;

	for (round = 0; round < ROUNDS && pt_now() < end; round++) {
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			fd = open(self->file, O_RDWR | O_CREAT, 0600);
			if (fd < 0 || ftruncate(fd, PT_TABLE) ||
			    mmap(NULL, PT_TABLE, PROT_READ | PROT_WRITE,
				 MAP_SHARED, fd, 0) == MAP_FAILED)
				_exit(1);
			be_wasteful();
			_exit(0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
		ASSERT_EQ(0, umount(self->dir)) {
			TH_LOG("round %d: %s", round, strerror(errno));
		}
		ASSERT_EQ(0, mount("pt_reclaim", self->dir, "tmpfs", 0, NULL));
	}
	TH_LOG("%d processes", round);
}

/* A seal against writing is refused as long as anybody could write. */
TEST_F_TIMEOUT(exiting, test_memfd_can_be_sealed_once_its_user_was_waited_for,
	       TEST_SECONDS)
{
	double end = pt_now() + ROUNDS_SECONDS;
	int round, fd, status;
	pid_t pid;

	for (round = 0; round < ROUNDS && pt_now() < end; round++) {
		fd = memfd_create("sealed", MFD_CLOEXEC | MFD_ALLOW_SEALING);
		ASSERT_LE(0, fd);
		ASSERT_EQ(0, ftruncate(fd, PT_TABLE));
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			char *start = mmap(NULL, PT_TABLE,
					   PROT_READ | PROT_WRITE, MAP_SHARED,
					   fd, 0);

			if (start == MAP_FAILED)
				_exit(1);
			*start = 1;
			be_wasteful();
			_exit(0);
		}
		ASSERT_EQ(pid, waitpid(pid, &status, 0));
		ASSERT_EQ(0, status);
		ASSERT_EQ(0, fcntl(fd, F_ADD_SEALS, F_SEAL_WRITE)) {
			TH_LOG("round %d: %s", round, strerror(errno));
		}
		close(fd);
	}
	TH_LOG("%d processes", round);
}

/*
 * How many address spaces the kernel has, as far as it tells: what is cached on
 * some CPU counts as in use. Negative without CONFIG_SLUB_DEBUG.
 */
static long count_mm_structs(void)
{
	char line[256];
	FILE *slabs;
	long count = -1;

	slabs = fopen("/proc/slabinfo", "r");
	if (!slabs)
		return -errno;
	while (count < 0 && fgets(line, sizeof(line), slabs)) {
		if (sscanf(line, "mm_struct %ld", &count) != 1)
			count = -1;
	}
	fclose(slabs);
	return count;
}

/* Wasteful for ever, in one address space or in one after the other. */
static __noreturn void waste_until_killed(bool exec)
{
	do {
		be_wasteful();
	} while (!exec);
	execl("/proc/self/exe", "self", "--exec-and-waste", NULL);
	_exit(1);
}

/*
 * Killed in the middle of what they do, while the thread is among them: until it has
 * taken some tables, for which there is less time the slower the kernel is. What a
 * lost reference keeps is counted in mms, or keeps page tables, or at least its
 * mm_struct.
 */
TEST_F_TIMEOUT(exiting, test_storm_of_exits_leaks_nothing, TEST_SECONDS)
{
	long long mms, tables, reclaimed;
	long structs;
	double end;
	int round, i;

	ASSERT_TRUE(pt_wait_rounds(2));
	mms = pt_knob("mms");
	structs = count_mm_structs();
	tables = pt_vmstat("nr_page_table_pages");
	reclaimed = pt_knob("tables_reclaimed");
	end = pt_now() + ROUNDS_SECONDS;
	for (round = 0; round < ROUNDS &&
	     (pt_now() < end || pt_knob("tables_reclaimed") == reclaimed); round++) {
		pid_t pids[8];

		for (i = 0; i < 8; i++) {
			pids[i] = fork();
			ASSERT_LE(0, pids[i]);
			if (!pids[i])
				waste_until_killed(i % 2);
		}
		pt_pause_ms(round % 50 * pt_patience());
		for (i = 0; i < 8; i++)
			kill(pids[i], SIGKILL);
		for (i = 0; i < 8; i++)
			ASSERT_EQ(pids[i], waitpid(pids[i], NULL, 0));
	}
	reclaimed = pt_knob("tables_reclaimed") - reclaimed;
	EXPECT_LT(0, reclaimed);
	EXPECT_TRUE(pt_wait(30, "mms to go back to where it was",
			    pt_knob("mms") <= mms));
	EXPECT_TRUE(pt_wait(30, "nr_page_table_pages to go back",
			    pt_vmstat("nr_page_table_pages") <= tables + 64));
	/* KASAN puts what was freed into quarantine, where it counts too. */
	if (structs >= 0 && !pt_slow_kernel())
		EXPECT_TRUE(pt_wait(30, "mm_structs to be freed",
				    count_mm_structs() <= structs + 128));
	TH_LOG("%d processes, %lld tables", 8 * round, reclaimed);
}

int main(int argc, char **argv)
{
	if (argc == 2 && !strcmp(argv[1], "--waste"))
		return waste_until_told();
	if (argc == 2 && !strcmp(argv[1], "--exec-and-waste"))
		waste_until_killed(true);
	pt_begin();
	return test_harness_run(argc, argv);
}
