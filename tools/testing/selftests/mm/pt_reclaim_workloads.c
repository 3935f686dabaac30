// SPDX-License-Identifier: GPL-2.0
/* Programs that leave empty page tables behind; see the header. */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <poll.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_workloads.h"

#define KIB(n)	((size_t)(n) << 10)
#define MIB(n)	((size_t)(n) << 20)

/* How far above its start a process may stay: a few tables of its libraries */
#define SLACK_KB	64
#define ALLOCATOR_KB	700

/*
 * Where every page would be used, one in eight stands for it: an empty table
 * does not remember, and emulated guests are slow.
 */
const struct pt_workload pt_workloads[] = {
	{
		.name = "anon_2m",
		.title = "8 GiB anonymous, given back 2 MiB at a time",
		.bytes = 8 * PT_GIB,
		.backing = PT_ANON,
		.release = PT_DONTNEED,
		.touch_every = KIB(4),
		.release_bytes = MIB(2),
		.by_table = true,
	},
	{
		.name = "anon_4k",
		.title = "8 GiB anonymous, 4 KiB at a time (a balloon)",
		.bytes = 8 * PT_GIB,
		.backing = PT_ANON,
		.release = PT_DONTNEED,
		.touch_every = KIB(32),
		.release_bytes = KIB(4),
		.by_table = true,
	},
	{
		.name = "sparse",
		.title = "96 GiB, one page in 2 MiB, 0.1 % stays live",
		.bytes = 96 * PT_GIB,
		.backing = PT_ANON,
		.release = PT_DONTNEED,
		.touch_every = MIB(2),
		.release_bytes = KIB(4),
		.live_every = 1000,
	},
	{
		.name = "lazyfree",
		.title = "8 GiB anonymous, MADV_FREE, then paged out",
		.bytes = 8 * PT_GIB,
		.backing = PT_ANON,
		.release = PT_FREE_PAGEOUT,
		.touch_every = KIB(32),
		.release_bytes = MIB(2),
		.by_table = true,
	},
	{
		.name = "hole_punch",
		.title = "8 GiB memfd, one page in 2 MiB, hole-punched",
		.bytes = 8 * PT_GIB,
		.backing = PT_MEMFD,
		.release = PT_PUNCH_HOLE,
		.touch_every = MIB(2),
		.release_bytes = 8 * PT_GIB,
	},
	{
		.name = "memfd_remove",
		.title = "4 GiB memfd, MADV_REMOVE 4 KiB at a time",
		.bytes = 4 * PT_GIB,
		.backing = PT_MEMFD,
		.release = PT_REMOVE,
		.touch_every = KIB(32),
		.release_bytes = KIB(4),
		.by_table = true,
	},
	{
		.name = "memfd_dontneed",
		.title = "2 GiB memfd, unmapped 4 KiB at a time, data stay",
		.bytes = 2 * PT_GIB,
		.backing = PT_MEMFD,
		.release = PT_DONTNEED,
		.touch_every = KIB(32),
		.release_bytes = KIB(4),
		.keeps_data = true,
	},
	{
		.name = "many_vmas",
		.title = "2 GiB anonymous, four VMAs under every table",
		.bytes = 2 * PT_GIB,
		.backing = PT_ANON,
		.release = PT_DONTNEED,
		.touch_every = KIB(32),
		.release_bytes = KIB(512),
		.many_vmas = true,
	},
	{
		.name = "jemalloc",
		.title = "jemalloc: 8 GiB of 96 KiB objects, 99.9 % freed",
		.bytes = 8 * PT_GIB,
		.library = "libjemalloc.so.2",
	},
	{
		.name = "tcmalloc",
		.title = "tcmalloc: 8 GiB of 96 KiB objects, 99.9 % freed",
		.bytes = 8 * PT_GIB,
		.library = "libtcmalloc.so.4",
	},
	{ }
};

/* A workload at work. Positions are page numbers within the area. */
struct job {
	const struct pt_workload *workload;
	struct pt_area area;
	size_t pages;
	size_t touch_every;	/* in pages */
	size_t release_pages;
	size_t release_every;	/* when it is single pages */
	size_t *live;		/* pages that stay, ascending */
	size_t live_count;
	size_t live_tables;
};

const struct pt_workload *pt_find_workload(const char *name)
{
	const struct pt_workload *workload;

	for (workload = pt_workloads; workload->name; workload++) {
		if (!strcmp(workload->name, name))
			return workload;
	}
	return NULL;
}

const char *pt_workload_library(const struct pt_workload *workload)
{
	static const char * const where[] = {
		"/usr/lib/x86_64-linux-gnu", "/usr/lib64", "/usr/lib", NULL
	};
	static char path[256];
	int i;

	for (i = 0; where[i]; i++) {
		snprintf(path, sizeof(path), "%s/%s", where[i],
			 workload->library);
		if (!access(path, R_OK))
			return path;
	}
	return NULL;
}

/* The same pattern wherever a page of this workload is checked. */
#define SEED	0x6b70747265636c61ULL

static char *page_at(const struct job *job, size_t page)
{
	return job->area.start + page * PT_PAGE;
}

static int choose_live_pages(struct job *job)
{
	size_t every = job->workload->live_every;
	size_t tables = job->pages / PT_TABLE_PAGES;
	size_t table;

	if (tables < 2)
		return -EINVAL;
	job->live = calloc(tables / (every ? every : tables) + 8,
			   sizeof(*job->live));
	if (!job->live)
		return -ENOMEM;
	if (every) {
		for (table = every / 2; table < tables; table += every)
			job->live[job->live_count++] = table * PT_TABLE_PAGES;
		job->live_tables = job->live_count;
		return 0;
	}
	for (table = 0; table < tables; table += tables - 1) {
		size_t page = table * PT_TABLE_PAGES;

		job->live[job->live_count++] = page;
		job->live[job->live_count++] = page + PT_TABLE_PAGES / 2;
		job->live[job->live_count++] = page + PT_TABLE_PAGES - 1;
	}
	job->live_tables = 2;
	return 0;
}

/* Neighbouring VMAs must differ in something; this costs nothing else. */
static int split_vmas(struct job *job)
{
	size_t quarter = PT_TABLE / 4;
	size_t at;

	for (at = 0; at < job->area.bytes; at += 2 * quarter) {
		if (madvise(job->area.start + at, quarter, MADV_DONTDUMP))
			return -errno;
	}
	return 0;
}

static int job_setup(struct job *job, const struct pt_workload *workload,
		     const struct pt_options *options)
{
	size_t every = workload->touch_every;
	size_t i;
	int err;

	memset(job, 0, sizeof(*job));
	job->workload = workload;
	if (every < options->touch_every)
		every = options->touch_every;
	job->touch_every = every / PT_PAGE;
	/* A huge page brings all of its pages with it. */
	job->release_every = options->thp ? 1 : job->touch_every;
	err = pt_area_map(&job->area, workload->backing, workload->bytes /
			  (options->divide ? options->divide : 1));
	if (err)
		return err;
	job->pages = job->area.bytes / PT_PAGE;
	job->release_pages = workload->release_bytes / PT_PAGE;
	err = choose_live_pages(job);
	if (!err && workload->many_vmas)
		err = split_vmas(job);
	for (i = 0; i < job->live_count && !err; i++)
		pt_fill_page(page_at(job, job->live[i]), SEED, job->live[i]);
	return err;
}

static void job_teardown(struct job *job)
{
	pt_area_unmap(&job->area);
	free(job->live);
}

static int use_pages(struct job *job, size_t from, size_t to)
{
	size_t every = job->touch_every;
	size_t page;

	for (page = (from + every - 1) / every * every; page < to;
	     page += every) {
		if (job->workload->keeps_data)
			pt_fill_page(page_at(job, page), SEED, page);
		else
			*page_at(job, page) = 1;
	}
	return 0;
}

static int release_range(struct job *job, size_t page, size_t pages)
{
	char *start = page_at(job, page);
	size_t bytes = pages * PT_PAGE;
	int err = 0;

	switch (job->workload->release) {
	case PT_DONTNEED:
		err = madvise(start, bytes, MADV_DONTNEED);
		break;
	case PT_REMOVE:
		err = madvise(start, bytes, MADV_REMOVE);
		break;
	case PT_PUNCH_HOLE:
		err = fallocate(job->area.fd, FALLOC_FL_PUNCH_HOLE |
				FALLOC_FL_KEEP_SIZE, page * PT_PAGE, bytes);
		break;
	case PT_FREE_PAGEOUT:
		return pt_page_out(start, bytes, true);
	}
	return err ? -errno : 0;
}

/* Single pages are given back where they were used, larger pieces all over. */
static int release_pages(struct job *job, size_t from, size_t to)
{
	size_t unit = job->release_pages;
	size_t page, end;
	int err = 0;

	if (unit == 1) {
		size_t every = job->release_every;

		for (page = (from + every - 1) / every * every;
		     page < to && !err; page += every)
			err = release_range(job, page, 1);
		return err;
	}
	for (page = from; page < to && !err; page = end) {
		end = (page / unit + 1) * unit;
		if (end > to)
			end = to;
		err = release_range(job, page, end - page);
	}
	return err;
}

/* Calls @work for what lies between the live pages of a stretch. */
static int around_live(struct job *job, size_t from, size_t to,
		       int (*work)(struct job *job, size_t from, size_t to))
{
	size_t i;
	int err = 0;

	for (i = 0; i < job->live_count && !err; i++) {
		size_t live = job->live[i];

		if (live < from)
			continue;
		if (live >= to)
			break;
		if (live > from)
			err = work(job, from, live);
		from = live + 1;
	}
	if (!err && from < to)
		err = work(job, from, to);
	return err;
}

static int job_use(struct job *job)
{
	if (job->workload->by_table)
		return 0;
	return around_live(job, 0, job->pages, use_pages);
}

static int job_give_back(struct job *job)
{
	size_t page;
	int err = 0;

	if (!job->workload->by_table)
		return around_live(job, 0, job->pages, release_pages);
	for (page = 0; page < job->pages && !err; page += PT_TABLE_PAGES) {
		around_live(job, page, page + PT_TABLE_PAGES, use_pages);
		err = around_live(job, page, page + PT_TABLE_PAGES,
				  release_pages);
	}
	return err;
}

static int check_pages(struct job *job, size_t from, size_t to)
{
	size_t every = job->touch_every;
	size_t page;

	/* Of what is gone for good, a look into every table is enough. */
	if (!job->workload->keeps_data && every < PT_TABLE_PAGES)
		every = PT_TABLE_PAGES;
	for (page = (from + every - 1) / every * every; page < to;
	     page += every) {
		bool right;

		if (job->workload->keeps_data)
			right = pt_page_is_intact(page_at(job, page), SEED,
						  page);
		else
			right = pt_page_is_zero(page_at(job, page));
		if (!right) {
			pt_note("%s: page %zu is not what it was",
				job->workload->name, page);
			return -EILSEQ;
		}
	}
	return 0;
}

static bool job_is_intact(struct job *job)
{
	size_t i;

	for (i = 0; i < job->live_count; i++) {
		size_t page = job->live[i];

		if (!pt_page_is_intact(page_at(job, page), SEED, page)) {
			pt_note("%s: live page %zu is damaged",
				job->workload->name, page);
			return false;
		}
	}
	return !around_live(job, 0, job->pages, check_pages);
}

int pt_send_report(int fd, const struct pt_report *report)
{
	if (write(fd, report, sizeof(*report)) != sizeof(*report))
		return -errno;
	return 0;
}

bool pt_asked_to_verify(int fd)
{
	char question;

	return read(fd, &question, 1) == 1 && question == 'v';
}

int pt_send_verdict(int fd, bool intact)
{
	return write(fd, intact ? "y" : "n", 1) == 1 ? 0 : -errno;
}

static int run_job(struct pt_report *report, struct job *job,
		   const struct pt_workload *workload,
		   const struct pt_options *options)
{
	long before;
	int err;

	if (options->prepare) {
		snprintf(report->failed, sizeof(report->failed), "preparing");
		err = options->prepare();
		if (err)
			return err;
	}
	/* The first look maps what looking takes. */
	pt_vmpte_kb(0);
	report->start_kb = pt_vmpte_kb(0);

	snprintf(report->failed, sizeof(report->failed), "mapping");
	err = job_setup(job, workload, options);
	if (err)
		return err;
	report->live_tables = job->live_tables;
	report->upper_tables = job->area.bytes / PT_GIB + 1;

	snprintf(report->failed, sizeof(report->failed), "using memory");
	err = job_use(job);
	if (err)
		return err;
	before = pt_vmpte_kb(0);

	snprintf(report->failed, sizeof(report->failed), "giving memory back");
	err = job_give_back(job);
	if (err)
		return err;
	report->peak_kb = pt_vmpte_kb(0);
	if (report->peak_kb < before)
		report->peak_kb = before;
	return 0;
}

static __noreturn void be_workload(struct pt_child *child,
				   const struct pt_options *options)
{
	struct pt_report report = { 0 };
	struct job job = { .area.fd = -1 };

	report.err = run_job(&report, &job, child->workload, options);
	pt_send_report(child->from, &report);
	while (!report.err && pt_asked_to_verify(child->to))
		pt_send_verdict(child->from, job_is_intact(&job));
	job_teardown(&job);
	_exit(!!report.err);
}

/* The allocator's program lies where ours does. */
static __noreturn void be_allocator(struct pt_child *child,
				    const struct pt_options *options)
{
	char program[512], bytes[32], from[16], to[16];
	struct pt_report report = { 0 };
	ssize_t len;

	len = readlink("/proc/self/exe", program, sizeof(program) - 64);
	if (len > 0) {
		program[len] = '\0';
		snprintf(strrchr(program, '/') + 1, 64, "pt_reclaim_alloc");
		snprintf(bytes, sizeof(bytes), "%zu", child->workload->bytes /
			 (options->divide ? options->divide : 1));
		snprintf(from, sizeof(from), "%d", child->from);
		snprintf(to, sizeof(to), "%d", child->to);
		setenv("LD_PRELOAD", pt_workload_library(child->workload), 1);
		/* Freed memory goes back to the system at once. */
		setenv("MALLOC_CONF", "dirty_decay_ms:0,muzzy_decay_ms:0", 1);
		if (!options->prepare || !options->prepare())
			execl(program, program, "-b", bytes, "-r", from,
			      "-q", to, NULL);
	}
	report.err = -errno;
	snprintf(report.failed, sizeof(report.failed), "starting %.64s",
		 program);
	pt_send_report(child->from, &report);
	_exit(1);
}

int pt_child_start(struct pt_child *child, const struct pt_workload *workload,
		   const struct pt_options *options)
{
	static const struct pt_options as_in_the_table;
	int reports[2], questions[2];

	if (!options)
		options = &as_in_the_table;
	memset(child, 0, sizeof(*child));
	child->workload = workload;
	if (workload->library && !pt_workload_library(workload))
		return -ENOENT;
	if (pipe(reports))
		return -errno;
	if (pipe(questions)) {
		close(reports[0]);
		close(reports[1]);
		return -errno;
	}
	fflush(stdout);
	child->pid = fork();
	if (!child->pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		close(reports[0]);
		close(questions[1]);
		child->from = reports[1];
		child->to = questions[0];
		prctl(PR_SET_THP_DISABLE, !options->thp, 0, 0, 0);
		if (workload->library)
			be_allocator(child, options);
		be_workload(child, options);
	}
	close(reports[1]);
	close(questions[0]);
	child->from = reports[0];
	child->to = questions[1];
	if (child->pid < 0) {
		close(child->from);
		close(child->to);
		return -EAGAIN;
	}
	fcntl(child->from, F_SETFD, FD_CLOEXEC);
	fcntl(child->to, F_SETFD, FD_CLOEXEC);
	return 0;
}

/* Reads exactly @size bytes from the child, within a time. */
static int hear(struct pt_child *child, void *data, size_t size, double seconds)
{
	struct pollfd poll_from = { .fd = child->from, .events = POLLIN };
	double limit = pt_now() + seconds * pt_patience();
	int left_ms, ready;
	ssize_t got;

	do {
		left_ms = (limit - pt_now()) * 1000;
		ready = poll(&poll_from, 1, left_ms > 0 ? left_ms : 0);
	} while (ready < 0 && errno == EINTR);
	if (!ready)
		return -ETIMEDOUT;
	got = read(child->from, data, size);
	if (got < 0)
		return -errno;
	return got == (ssize_t)size ? 0 : -EPIPE;
}

int pt_child_given_back(struct pt_child *child, double seconds)
{
	const char *name = child->workload->name;
	int err;

	err = hear(child, &child->report, sizeof(child->report), seconds);
	if (err == -ETIMEDOUT)
		pt_note("waited %.0f s in vain for %s to give its memory back",
			seconds * pt_patience(), name);
	else if (err)
		pt_note("%s died before it gave its memory back", name);
	else if (child->report.err)
		pt_note("%s: %s: %s", name, child->report.failed,
			strerror(-child->report.err));
	return err ? err : child->report.err;
}

long pt_child_vmpte_kb(const struct pt_child *child)
{
	return pt_vmpte_kb(child->pid);
}

/*
 * A sparse mapping keeps a table for each of its live pages, and the PMD
 * tables above all of it: VmPTE counts these too.
 */
long pt_child_limit_kb(const struct pt_child *child)
{
	const struct pt_report *report = &child->report;

	if (child->workload->library)
		return ALLOCATOR_KB;
	if (child->workload->live_every)
		return report->start_kb + SLACK_KB + PT_TABLE_KB *
		       (report->live_tables + report->upper_tables);
	return report->start_kb + SLACK_KB;
}

int pt_child_verify(struct pt_child *child, double seconds)
{
	char verdict;
	int err;

	if (write(child->to, "v", 1) != 1)
		return -errno;
	err = hear(child, &verdict, 1, seconds);
	if (err) {
		pt_note("%s did not verify its data: %s",
			child->workload->name, strerror(-err));
		return err;
	}
	return verdict == 'y';
}

void pt_child_end(struct pt_child *child)
{
	if (child->pid <= 0)
		return;
	close(child->from);
	close(child->to);
	kill(child->pid, SIGKILL);
	waitpid(child->pid, NULL, 0);
	child->pid = 0;
}
