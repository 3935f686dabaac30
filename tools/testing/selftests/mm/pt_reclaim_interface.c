// SPDX-License-Identifier: GPL-2.0
/* What the tests of the controls share; see the header. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_interface.h"
#include "pt_reclaim_pagemap_scan.h"

#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif

int pt_start_sweeping(const char *mode)
{
	int err = pt_set_knob("sweep_rounds", 1);

	return err ? err : pt_start_thread(mode, PT_SCAN_SLEEP_MS);
}

bool pt_start_held(const char *mode)
{
	if (pt_set_knob("sweep_rounds", 0) ||
	    pt_start_thread(mode, PT_SCAN_SLEEP_MS))
		return false;
	return !strcmp(mode, "never") || pt_hold_rounds();
}

bool pt_rounds_pass(const char *mode)
{
	if (strcmp(mode, "never"))
		return pt_wait_rounds(PT_ENOUGH_ROUNDS);
	/* There are none. */
	return !pt_find_thread();
}

int pt_set_prctl(unsigned long setting)
{
	return prctl(PR_SET_PT_RECLAIM, setting, 0, 0, 0) ? -errno : 0;
}

int pt_request(void *start, size_t bytes)
{
	return madvise(start, bytes, MADV_PT_RECLAIM) ? -errno : 0;
}

int pt_request_round(void)
{
	return pt_write_file(PT_SYSFS "reclaim", "1");
}

int pt_advise_process(pid_t pid, const struct iovec *ranges, size_t nr,
		      int advice)
{
	ssize_t done, all = 0;
	size_t i;
	int fd;

	for (i = 0; i < nr; i++)
		all += ranges[i].iov_len;
	fd = syscall(SYS_pidfd_open, pid ? pid : getpid(), 0);
	if (fd < 0)
		return -errno;
	done = syscall(SYS_process_madvise, fd, ranges, nr, advice, 0);
	if (done < 0)
		done = -errno;
	close(fd);
	if (done < 0)
		return done;
	return done == all ? 0 : -EIO;
}

/* A file in the directory of a process */
static const char *process_file(pid_t pid, const char *file, char *path,
				size_t size)
{
	if (pid)
		snprintf(path, size, "/proc/%d/%s", pid, file);
	else
		snprintf(path, size, "/proc/self/%s", file);
	return path;
}

int pt_process_read(pid_t pid, char *text, size_t size)
{
	char path[64];

	return pt_read_file(process_file(pid, "pt_reclaim", path,
					 sizeof(path)), text, size);
}

int pt_process_write(pid_t pid, const char *text)
{
	char path[64];

	return pt_write_file(process_file(pid, "pt_reclaim", path,
					  sizeof(path)), text);
}

int pt_process_word(pid_t pid, const char *key, char *word, size_t size)
{
	char text[4096], *line, *rest;
	size_t len = strlen(key);
	int err;

	err = pt_process_read(pid, text, sizeof(text));
	if (err)
		return err;
	for (line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest)) {
		if (strncmp(line, key, len) || strncmp(line + len, ": ", 2))
			continue;
		snprintf(word, size, "%s", line + len + 2);
		return 0;
	}
	return -ENOENT;
}

long long pt_process_number(pid_t pid, const char *key)
{
	char word[64];
	int err = pt_process_word(pid, key, word, sizeof(word));

	return err ? err : strtoll(word, NULL, 10);
}

const char *pt_process_says(pid_t pid)
{
	static char words[64];
	char scope[16] = "", reason[16] = "";

	if (pt_process_word(pid, "takes_part", scope, sizeof(scope)) ||
	    pt_process_word(pid, "reason", reason, sizeof(reason)))
		return "nothing that can be read";
	snprintf(words, sizeof(words), "%s %s", scope, reason);
	return words;
}

const char * const pt_mark_names[PT_MARKS] = {
	[PT_PLAIN]		= "plain",
	[PT_RECLAIMABLE]	= "reclaimable",
	[PT_UNRECLAIMABLE]	= "unreclaimable",
};

int pt_mark(void *start, size_t bytes, enum pt_mark mark)
{
	int advice = mark == PT_RECLAIMABLE ? MADV_PT_RECLAIMABLE :
					      MADV_PT_UNRECLAIMABLE;

	if (mark == PT_PLAIN)
		return 0;
	return madvise(start, bytes, advice) ? -errno : 0;
}

int pt_mark_area(struct pt_area *area, enum pt_mark mark)
{
	return pt_mark(area->start, area->bytes, mark);
}

long pt_read_vmas(pid_t pid, const void *start, size_t bytes,
		  struct pt_vma *vmas, size_t max)
{
	unsigned long first = (unsigned long)start, last = first + bytes;
	struct pt_vma vma = { };
	unsigned long from, to;
	char path[64], line[512];
	long nr = 0;
	FILE *smaps;

	smaps = fopen(process_file(pid, "smaps", path, sizeof(path)), "re");
	if (!smaps)
		return -errno;
	while (fgets(line, sizeof(line), smaps)) {
		if (sscanf(line, "%lx-%lx ", &from, &to) == 2) {
			vma.start = from;
			vma.end = to;
		}
		/* The last line of each */
		if (strncmp(line, "VmFlags:", 8) || vma.end <= first ||
		    vma.start >= last)
			continue;
		vma.reclaimable = strstr(line, " tr ");
		vma.unreclaimable = strstr(line, " nt ");
		if ((size_t)nr < max)
			vmas[nr] = vma;
		nr++;
	}
	fclose(smaps);
	return (size_t)nr > max ? -E2BIG : nr;
}

enum pt_mark pt_mark_of(const struct pt_vma *vma)
{
	if (vma->reclaimable && vma->unreclaimable)
		return PT_MARKS;
	return vma->reclaimable ? PT_RECLAIMABLE :
	       vma->unreclaimable ? PT_UNRECLAIMABLE : PT_PLAIN;
}

long pt_tables_there(pid_t pid, const void *start, size_t bytes)
{
	struct page_region found;
	struct pm_scan_arg arg = {
		.size = sizeof(arg),
		.vec = (uintptr_t)&found,
		.vec_len = 1,
		.category_mask = PAGE_IS_WRITTEN,
		.return_mask = PAGE_IS_WRITTEN,
	};
	long tables = 0, regions = 0;
	char path[64];
	size_t at;
	int fd;

	fd = open(process_file(pid, "pagemap", path, sizeof(path)),
		  O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	for (at = 0; at < bytes && regions >= 0; at += PT_TABLE) {
		arg.start = (uintptr_t)start + at;
		arg.end = arg.start + PT_TABLE;
		regions = ioctl(fd, PAGEMAP_SCAN, &arg);
		tables += regions > 0;
	}
	if (regions < 0)
		tables = -errno;
	close(fd);
	return tables;
}

#define SPOT_SEED	987654321ULL

/* Without the last table, which keeps a page */
static size_t waste_bytes(const struct pt_area *spot)
{
	return spot->bytes - PT_TABLE;
}

int pt_spot_map(struct pt_area *spot, enum pt_backing backing)
{
	int err;

	err = pt_area_map(spot, backing, (PT_SPOT_TABLES + 1) * PT_TABLE);
	if (!err)
		pt_fill_page(spot->start + waste_bytes(spot), SPOT_SEED, 0);
	return err;
}

int pt_spot_waste(struct pt_area *spot)
{
	struct pt_area part = *spot;

	part.bytes = waste_bytes(spot);
	return pt_area_waste(&part);
}

long pt_spot_tables(pid_t pid, const struct pt_area *spot)
{
	return pt_tables_there(pid, spot->start, waste_bytes(spot));
}

bool pt_spot_goes(pid_t pid, const struct pt_area *spot)
{
	return pt_wait(PT_GONE_SECONDS, "empty tables to go",
		       pt_spot_tables(pid, spot) == 0);
}

bool pt_spot_is_intact(struct pt_area *spot)
{
	return pt_page_is_intact(spot->start + waste_bytes(spot), SPOT_SEED, 0);
}

static int carry_out(enum pt_order order, struct pt_area *spot)
{
	switch (order) {
	case PT_ORDER_WASTE:
		return pt_spot_waste(spot);
	case PT_ORDER_FILL:
		spot->start[0] = 1;
		return 0;
	case PT_ORDER_REQUEST:
		return pt_request(spot->start, spot->bytes);
	case PT_ORDER_RECLAIMABLE:
		return pt_mark_area(spot, PT_RECLAIMABLE);
	case PT_ORDER_UNRECLAIMABLE:
		return pt_mark_area(spot, PT_UNRECLAIMABLE);
	case PT_ORDER_PROTECT:
		return mprotect(spot->start, PT_PAGE, PROT_READ) ||
		       mprotect(spot->start, PT_PAGE, PROT_READ | PROT_WRITE);
	case PT_ORDER_BECOME_ROOT:
		return setresuid(0, 0, 0) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0);
	case PT_ORDER_HIDE:
		return prctl(PR_SET_DUMPABLE, 0, 0, 0, 0);
	}
	return -EINVAL;
}

static __noreturn void obey(int from, int to, struct pt_area *spot)
{
	char order, done;

	while (read(from, &order, 1) == 1) {
		done = carry_out(order, spot) ? 'n' : 'y';
		if (write(to, &done, 1) != 1)
			break;
	}
	_exit(0);
}

int pt_target_start(struct pt_target *target, int (*prepare)(void))
{
	size_t tables = target->tables ? target->tables : PT_SPOT_TABLES;
	int orders[2], answers[2];
	int err;

	err = pt_area_map(&target->spot, PT_ANON, (tables + 1) * PT_TABLE);
	if (err)
		return err;
	if (pipe(orders) || pipe(answers))
		return -errno;
	fflush(stdout);
	target->pid = fork();
	if (!target->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
		close(orders[1]);
		close(answers[0]);
		if (prepare && prepare())
			_exit(1);
		obey(orders[0], answers[1], &target->spot);
	}
	close(orders[0]);
	close(answers[1]);
	target->to = orders[1];
	target->from = answers[0];
	return target->pid < 0 ? -EAGAIN : 0;
}

void pt_target_end(struct pt_target *target)
{
	if (target->pid <= 0)
		return;
	close(target->to);
	close(target->from);
	kill(target->pid, SIGKILL);
	waitpid(target->pid, NULL, 0);
	pt_area_unmap(&target->spot);
	target->pid = 0;
}

bool pt_target_order(struct pt_target *target, enum pt_order order)
{
	char letter = order;

	return write(target->to, &letter, 1) == 1;
}

bool pt_target_answers(struct pt_target *target)
{
	struct pollfd from = { .fd = target->from, .events = POLLIN };
	char done;

	if (poll(&from, 1, 30000 * pt_patience()) != 1)
		return false;
	return read(target->from, &done, 1) == 1 && done == 'y';
}

bool pt_target_does(struct pt_target *target, enum pt_order order)
{
	return pt_target_order(target, order) && pt_target_answers(target);
}

long pt_target_tables(struct pt_target *target)
{
	return pt_spot_tables(target->pid, &target->spot);
}

bool pt_target_wastes(struct pt_target *target)
{
	return pt_target_does(target, PT_ORDER_WASTE) &&
	       (size_t)pt_target_tables(target) * PT_TABLE ==
		       waste_bytes(&target->spot);
}

bool pt_target_waste_goes(struct pt_target *target)
{
	return pt_target_does(target, PT_ORDER_WASTE) &&
	       pt_spot_goes(target->pid, &target->spot);
}

const char *pt_process_settings(pid_t pid)
{
	static char text[128];
	char mode[32] = "?";

	pt_process_word(pid, "mode", mode, sizeof(mode));
	snprintf(text, sizeof(text), "%s %lld %lld", mode,
		 pt_process_number(pid, "scan_delay_millisecs"),
		 pt_process_number(pid, "scan_tables"));
	return text;
}

int pt_process_set_all(pid_t pid, const char *mode)
{
	char text[32];
	int err;

	snprintf(text, sizeof(text), "mode %s", mode);
	err = pt_process_write(pid, text);
	if (!err)
		err = pt_process_write(pid, "scan_delay_millisecs 54321");
	if (!err)
		err = pt_process_write(pid, "scan_tables 9876");
	return err;
}

int pt_process_open(pid_t pid, int flags)
{
	char path[64];
	int fd;

	fd = open(process_file(pid, "pt_reclaim", path, sizeof(path)),
		  flags | O_CLOEXEC);
	return fd < 0 ? -errno : fd;
}

int pt_write_bytes(int fd, const void *bytes, size_t len)
{
	ssize_t written = write(fd, bytes, len);

	if (written < 0)
		return -errno;
	return (size_t)written == len ? 0 : -EIO;
}
