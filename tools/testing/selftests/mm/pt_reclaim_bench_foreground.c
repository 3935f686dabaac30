// SPDX-License-Identifier: GPL-2.0
/*
 * The benchmark: what programs do all day, and what it costs them. The same
 * program runs on all kernels, those without kptreclaimd included.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_bench.h"

#define AREA_TABLES	16
#define AREA_BYTES	(AREA_TABLES * PT_TABLE)

/*
 * The first of them fill caches of all kinds, and are not counted: the
 * operations of a pass that is to be forgotten go here.
 */
static bool warming_up;

static void add(struct bench_op *op, __u64 took)
{
	if (!warming_up)
		bench_op_add(op, took);
}

/* Around loops that do nothing but one operation. */
static __u64 loop_begins(void)
{
	return bench_own_ns();
}

static void loop_ends(struct bench_op *op, __u64 began, size_t nr)
{
	if (warming_up)
		return;
	op->total += bench_own_ns() - began;
	op->total_nr += nr;
}

/*
 * Around loops that do other things too: all that passes is theirs but what was
 * measured of the others, and the thread's own work. Whatever is put off, to RCU
 * for one, is in it.
 */
struct all_in {
	__u64 ticks;
	__u64 thread_ns;
	__u64 others;
};

static void all_in_begins(struct all_in *all)
{
	all->others = 0;
	all->thread_ns = bench_kptreclaimd_ns();
	all->ticks = bench_ticks();
}

static void all_in_ends(struct all_in *all, struct bench_op *op, size_t nr)
{
	__u64 ticks = bench_ticks() - all->ticks;

	if (warming_up)
		return;
	op->total += ticks - all->others -
		     (bench_kptreclaimd_ns() - all->thread_ns);
	op->total_nr += nr;
}

/* Tables with a page that stays, and another one, not beside it, that comes and goes. */
static void leave_marks(void)
{
	static struct pt_area area;
	size_t at;

	if (!bench_settings.zapping)
		return;
	if (!area.start) {
		bench_check(!pt_area_map(&area, PT_ANON, 64 * PT_TABLE),
			    "mapping");
		for (at = 0; at < area.bytes; at += PT_TABLE)
			area.start[at] = 1;
	}
	for (at = 0; at < area.bytes; at += PT_TABLE) {
		area.start[at + 2 * PT_PAGE] = 1;
		madvise(area.start + at + 2 * PT_PAGE, PT_PAGE, MADV_DONTNEED);
	}
}

static void touch(struct bench_op *op, char *start, size_t bytes, size_t step,
		  bool write)
{
	__u64 began = loop_begins();
	size_t at;

	for (at = 0; at < bytes; at += step) {
		__u64 ticks = bench_ticks();

		if (write)
			start[at] = 1;
		else
			pt_touch(start + at);
		add(op, bench_ticks() - ticks);
	}
	loop_ends(op, began, bytes / step);
}

static void advise(struct bench_op *op, char *start, size_t bytes, size_t step,
		   int advice)
{
	__u64 began = loop_begins();
	size_t at;

	for (at = 0; at < bytes; at += step) {
		__u64 ticks = bench_ticks();

		bench_check(!madvise(start + at, step, advice), "madvise");
		add(op, bench_ticks() - ticks);
	}
	loop_ends(op, began, bytes / step);
}

/* The passes of a case, the first of them to warm up. */
static bool next_pass(unsigned int *pass)
{
	warming_up = !*pass;
	leave_marks();
	return (*pass)++ <= bench_settings.passes;
}

static void measure_anon(void)
{
	struct bench_op fault = { .name = "fault_anon" };
	struct bench_op dontneed_2m = { .name = "dontneed_2m" };
	struct bench_op dontneed_4k = { .name = "dontneed_4k" };
	struct bench_op lazyfree = { .name = "free_2m" };
	struct bench_op unused = { .name = "unused" };
	struct pt_area area;
	unsigned int pass = 0;

	bench_check(!pt_area_map(&area, PT_ANON, AREA_BYTES), "mapping");
	while (next_pass(&pass)) {
		touch(&fault, area.start, area.bytes, PT_PAGE, true);
		advise(&dontneed_2m, area.start, area.bytes, PT_TABLE,
		       MADV_DONTNEED);
		touch(&fault, area.start, area.bytes, PT_PAGE, true);
		advise(&dontneed_4k, area.start, area.bytes, PT_PAGE,
		       MADV_DONTNEED);
		touch(&fault, area.start, area.bytes, PT_PAGE, true);
		advise(&lazyfree, area.start, area.bytes, PT_TABLE, MADV_FREE);
		advise(&unused, area.start, area.bytes, PT_TABLE,
		       MADV_DONTNEED);
	}
	pt_area_unmap(&area);
	bench_op_print(&fault);
	bench_op_print(&dontneed_2m);
	bench_op_print(&dontneed_4k);
	bench_op_print(&lazyfree);
	free(unused.took);
}

/* A fault maps 16 pages of the file, those that are there already. */
#define FAULT_AROUND	((size_t)64 << 10)

static void measure_file(void)
{
	struct bench_op fault = { .name = "fault_file" };
	struct bench_op unused = { .name = "unused" };
	struct pt_area area;
	unsigned int pass = 0;
	int i;

	bench_check(!pt_area_map(&area, PT_MEMFD, AREA_BYTES), "mapping");
	touch(&unused, area.start, area.bytes, PT_PAGE, true);
	while (next_pass(&pass)) {
		for (i = 0; i < 8; i++) {
			madvise(area.start, area.bytes, MADV_DONTNEED);
			touch(&fault, area.start, area.bytes, FAULT_AROUND,
			      false);
		}
	}
	pt_area_unmap(&area);
	bench_op_print(&fault);
	free(unused.took);
}

static void measure_cow(void)
{
	struct bench_op fault = { .name = "fault_cow" };
	struct bench_op unused = { .name = "unused" };
	struct pt_area area;
	unsigned int pass = 0;

	bench_check(!pt_area_map(&area, PT_PRIVATE_FILE, AREA_BYTES / 2),
		    "mapping");
	while (next_pass(&pass)) {
		touch(&unused, area.start, area.bytes, PT_PAGE, false);
		touch(&fault, area.start, area.bytes, PT_PAGE, true);
		madvise(area.start, area.bytes, MADV_DONTNEED);
	}
	pt_area_unmap(&area);
	bench_op_print(&fault);
	free(unused.took);
}

/* 16 pages at a time; the swap device had better be one that answers at once. */
#define SWAP_BYTES	(16 * PT_PAGE)

static void measure_swap_out(void)
{
	struct bench_op pageout = { .name = "swap_out" };
	struct bench_op unused = { .name = "unused" };
	struct pt_area area;
	unsigned int pass = 0;

	bench_check(!pt_area_map(&area, PT_ANON, AREA_BYTES / 2), "mapping");
	while (next_pass(&pass)) {
		touch(&unused, area.start, area.bytes, PT_PAGE, true);
		advise(&pageout, area.start, area.bytes, SWAP_BYTES,
		       MADV_PAGEOUT);
		madvise(area.start, area.bytes, MADV_DONTNEED);
	}
	pt_area_unmap(&area);
	bench_op_print(&pageout);
	free(unused.took);
}

static __u64 map_at(char *at, size_t bytes)
{
	__u64 ticks = bench_ticks();

	bench_check(mmap(at, bytes, PROT_READ | PROT_WRITE,
			 MAP_PRIVATE | MAP_ANONYMOUS | MAP_FIXED_NOREPLACE,
			 -1, 0) == at, "mmap");
	return bench_ticks() - ticks;
}

/* Maps, uses, and unmaps so much, one page in so many bytes. */
static void map_and_unmap(struct bench_op *map, struct bench_op *unmap,
			  char *at, size_t bytes, size_t step, size_t times)
{
	struct all_in all;
	size_t i, page;

	all_in_begins(&all);
	for (i = 0; i < times; i++) {
		__u64 ticks = bench_ticks();

		add(map, map_at(at, bytes));
		for (page = 0; page < bytes; page += step)
			at[page] = 1;
		all.others += bench_ticks() - ticks;
		ticks = bench_ticks();
		bench_check(!munmap(at, bytes), "munmap");
		add(unmap, bench_ticks() - ticks);
	}
	all_in_ends(&all, unmap, times);
}

static void measure_map(void)
{
	struct bench_op map = { .name = "mmap" };
	struct bench_op unmap_page = { .name = "munmap_page" };
	struct bench_op unmap_2m = { .name = "munmap_2m" };
	struct bench_op unmap_64m = { .name = "munmap_64m" };
	struct bench_op unused = { .name = "unused" };
	struct pt_area area;
	unsigned int pass = 0;

	bench_check(!pt_area_map(&area, PT_ANON, 66 * PT_TABLE), "mapping");
	munmap(area.start, area.bytes);
	while (next_pass(&pass)) {
		map_and_unmap(&map, &unmap_page, area.start, PT_PAGE, PT_PAGE,
			      2000);
		map_and_unmap(&unused, &unmap_2m, area.start, PT_TABLE,
			      PT_PAGE, 40);
		map_and_unmap(&unused, &unmap_64m, area.start, 32 * PT_TABLE,
			      PT_PAGE, 1);
	}
	bench_op_print(&map);
	bench_op_print(&unmap_page);
	bench_op_print(&unmap_2m);
	bench_op_print(&unmap_64m);
	free(unused.took);
}

/* Where a child says what it had used of its CPU. */
static __u64 *told;

static void fork_once(struct bench_op *op_fork, struct bench_op *op_exit,
		      struct all_in *all)
{
	__u64 began = bench_own_ns(), forked;
	siginfo_t info;
	pid_t pid;

	pid = fork();
	if (!pid) {
		/* The first access is a fault, which is not exit's. */
		__atomic_store_n(told, 0, __ATOMIC_RELAXED);
		__atomic_store_n(told, bench_own_ns(), __ATOMIC_RELAXED);
		_exit(0);
	}
	forked = bench_own_ns() - began;
	bench_check(pid > 0, "fork");
	bench_check(!waitid(P_PID, pid, &info, WEXITED | WNOWAIT), "waitid");
	add(op_fork, forked);
	add(op_exit, bench_process_ns(pid) - *told);
	all->others += forked + *told;
	waitpid(pid, NULL, 0);
}

static void measure_fork_of(const char *fork_name, const char *exit_name,
			    size_t tables, unsigned int times)
{
	struct bench_op op_fork = { .name = fork_name };
	struct bench_op op_exit = { .name = exit_name };
	struct bench_op unused = { .name = "unused" };
	struct pt_area area = { };
	struct all_in all;
	unsigned int pass = 0, i;

	if (tables) {
		bench_check(!pt_area_map(&area, PT_ANON, tables * PT_TABLE),
			    "mapping");
		touch(&unused, area.start, area.bytes, PT_PAGE, true);
	}
	while (next_pass(&pass)) {
		all_in_begins(&all);
		for (i = 0; i < times; i++)
			fork_once(&op_fork, &op_exit, &all);
		all_in_ends(&all, &op_exit, times);
	}
	if (tables)
		pt_area_unmap(&area);
	bench_op_print(&op_fork);
	bench_op_print(&op_exit);
	free(unused.took);
}

static void measure_fork(void)
{
	told = mmap(NULL, PT_PAGE, PROT_READ | PROT_WRITE,
		    MAP_SHARED | MAP_ANONYMOUS, -1, 0);
	bench_check(told != MAP_FAILED, "mmap");
	measure_fork_of("fork_small", "exit_small", 0, 100);
	measure_fork_of("fork", "exit", AREA_TABLES, 8);
}

/*
 * The smallest program there is: what exec does is not to be lost in ld.so. An ELF
 * header, a program header that maps all of it, and
 *
 *	clock_gettime(CLOCK_THREAD_CPUTIME_ID, &time);
 *	write(1, &time, sizeof(time));
 *	exit(0);
 */
asm(".pushsection .rodata\n"
	".globl bench_program, bench_program_end\n"
	"bench_program:\n"
	"	.ascii	\"\\177ELF\"\n"
	"	.byte	2, 1, 1, 0, 0, 0, 0, 0, 0, 0, 0, 0\n"
	"	.short	2, 62\n"
	"	.long	1\n"
	"	.quad	0x400000 + 1f - bench_program\n"
	"	.quad	0f - bench_program, 0\n"
	"	.long	0\n"
	"	.short	64, 56, 1, 0, 0, 0\n"
	"0:	.long	1, 5\n"
	"	.quad	0, 0x400000, 0x400000\n"
	"	.quad	bench_program_end - bench_program\n"
	"	.quad	bench_program_end - bench_program\n"
	"	.quad	4096\n"
	"1:	mov	$228, %eax\n"
	"	mov	$3, %edi\n"
	"	lea	-64(%rsp), %rsi\n"
	"	syscall\n"
	"	mov	$1, %eax\n"
	"	mov	$1, %edi\n"
	"	lea	-64(%rsp), %rsi\n"
	"	mov	$16, %edx\n"
	"	syscall\n"
	"	mov	$60, %eax\n"
	"	xor	%edi, %edi\n"
	"	syscall\n"
	"bench_program_end:\n"
	".popsection\n");

#define PROGRAM		"/tmp/pt_reclaim_bench_program"

static void write_program(void)
{
	ssize_t bytes = bench_program_end - bench_program;
	int fd;

	fd = open(PROGRAM, O_CREAT | O_TRUNC | O_WRONLY, 0755);
	bench_check(fd >= 0, PROGRAM);
	bench_check(write(fd, bench_program, bytes) == bytes, PROGRAM);
	close(fd);
}

static __u64 exec_once(const int *fds)
{
	static char *const argv[] = { PROGRAM, NULL };
	static char *const envp[] = { NULL };
	static __u64 before;
	struct timespec after;
	pid_t pid;

	pid = vfork();
	if (!pid) {
		dup2(fds[1], 1);
		__atomic_store_n(&before, bench_own_ns(), __ATOMIC_RELAXED);
		execve(PROGRAM, argv, envp);
		_exit(1);
	}
	bench_check(pid > 0, "vfork");
	bench_check(read(fds[0], &after, sizeof(after)) == sizeof(after),
		    "exec");
	waitpid(pid, NULL, 0);
	return after.tv_sec * 1000000000ULL + after.tv_nsec - before;
}

static void measure_exec(void)
{
	struct bench_op exec = { .name = "exec" };
	unsigned int pass = 0;
	int fds[2], i;

	write_program();
	bench_check(!pipe2(fds, O_CLOEXEC), "pipe");
	while (next_pass(&pass)) {
		for (i = 0; i < 100; i++) {
			__u64 took = exec_once(fds);

			add(&exec, took);
			if (!warming_up) {
				exec.total += took;
				exec.total_nr++;
			}
		}
	}
	bench_op_print(&exec);
	close(fds[0]);
	close(fds[1]);
	unlink(PROGRAM);
}

void bench_foreground(void)
{
	measure_fork();
	measure_exec();
	measure_map();
	measure_anon();
	measure_file();
	measure_cow();
	measure_swap_out();
}
