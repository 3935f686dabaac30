// SPDX-License-Identifier: GPL-2.0
/* What the tests, the races and the demonstration of kptreclaimd share. */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <sched.h>
#include <signal.h>
#include <stdarg.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_util.h"

void pt_note(const char *fmt, ...)
{
	char line[512];
	va_list args;

	va_start(args, fmt);
	vsnprintf(line, sizeof(line), fmt, args);
	va_end(args);
	printf("# %s\n", line);
	fflush(stdout);
}

/* Reads what is there, at most one buffer full; returns its length. */
static ssize_t read_text(const char *path, char *buf, size_t size)
{
	size_t len = 0;
	ssize_t got;
	int fd;

	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	do {
		got = read(fd, buf + len, size - 1 - len);
		if (got > 0)
			len += got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	if (got < 0)
		got = -errno;
	close(fd);
	buf[len] = '\0';
	return got < 0 ? got : (ssize_t)len;
}

int pt_read_file(const char *path, char *buf, size_t size)
{
	ssize_t len = read_text(path, buf, size);

	if (len < 0)
		return len;
	while (len > 0 && isspace((unsigned char)buf[len - 1]))
		buf[--len] = '\0';
	return 0;
}

int pt_write_file(const char *path, const char *text)
{
	size_t len = strlen(text);
	int err = 0;
	int fd;

	fd = open(path, O_WRONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (write(fd, text, len) != (ssize_t)len)
		err = -errno;
	close(fd);
	return err;
}

long long pt_read_number(const char *path)
{
	char buf[64];
	int err;

	err = pt_read_file(path, buf, sizeof(buf));
	if (err)
		return err;
	return strtoll(buf, NULL, 10);
}

bool pt_reclaim_present(void)
{
	return !access(PT_SYSFS "enabled", F_OK);
}

void pt_begin(void)
{
	const char *reason = NULL;

	if (!pt_reclaim_present())
		reason = "this kernel has no " PT_SYSFS;
	else if (geteuid())
		reason = "only root can change the settings";
	if (reason) {
		ksft_print_header();
		ksft_exit_skip("%s\n", reason);
	}
	pt_guard_settings();
}

/*
 * lockdep's file stands for all of a debug kernel's slowness; whoever runs a
 * kernel that is slow in other ways can say so.
 */
bool pt_slow_kernel(void)
{
	const char *told = getenv("PT_RECLAIM_SLOW");

	if (told)
		return strcmp(told, "0");
	return !access("/proc/lockdep_stats", F_OK);
}

double pt_patience(void)
{
	return pt_slow_kernel() ? 10 : 1;
}

/* "always [madvise] never": the word that is in force */
static int read_word(const char *path, char *buf, size_t size)
{
	char line[128];
	char *from, *to;
	int err;

	err = pt_read_file(path, line, sizeof(line));
	if (err)
		return err;
	from = strchr(line, '[');
	to = from ? strchr(from, ']') : NULL;
	if (!to)
		return -EPROTO;
	*to = '\0';
	snprintf(buf, size, "%s", from + 1);
	return 0;
}

int pt_set_mode(const char *mode)
{
	return pt_write_file(PT_SYSFS "enabled", mode);
}

int pt_get_mode(char *buf, size_t size)
{
	return read_word(PT_SYSFS "enabled", buf, size);
}

static const char *knob_path(const char *name, char *path, size_t size)
{
	snprintf(path, size, PT_SYSFS "%s", name);
	return path;
}

int pt_set_knob(const char *name, unsigned long long value)
{
	char path[128], text[32];

	snprintf(text, sizeof(text), "%llu", value);
	return pt_write_file(knob_path(name, path, sizeof(path)), text);
}

long long pt_knob(const char *name)
{
	char path[128];

	return pt_read_number(knob_path(name, path, sizeof(path)));
}

int pt_set_thp(const char *mode)
{
	return pt_write_file(PT_THP_SYSFS "enabled", mode);
}

int pt_start_thread(const char *mode, unsigned int scan_sleep_millisecs)
{
	int err;

	err = pt_set_mode("never");
	if (!err)
		err = pt_set_knob("scan_sleep_millisecs", scan_sleep_millisecs);
	if (!err)
		err = pt_set_knob("max_cpu_percent", 100);
	if (!err)
		err = pt_set_mode(mode);
	return err;
}

bool pt_wait_rounds(unsigned int rounds)
{
	long long enough = pt_knob("full_scans") + rounds;

	return pt_wait(10 + rounds, "full scans to be made",
		       pt_knob("full_scans") >= enough);
}

/* A round that is under way ends before so long. */
#define ROUND_MS	200

bool pt_hold_rounds(void)
{
	long long rounds;

	if (pt_set_knob("scan_sleep_millisecs", PT_HELD_MS))
		return false;
	do {
		rounds = pt_knob("full_scans");
		pt_pause_ms(ROUND_MS * pt_patience());
	} while (pt_knob("full_scans") != rounds);
	return true;
}

/* The mode is put back last: until then the old pace may not matter. */
static struct setting {
	const char *path;
	bool words;
	bool saved;
	char value[64];
} settings[] = {
	{ .path = "/proc/sys/vm/nr_hugepages" },
	{ .path = PT_THP_SYSFS "shmem_enabled", .words = true },
	{ .path = PT_THP_SYSFS "enabled", .words = true },
	{ .path = PT_SYSFS "tables_to_scan" },
	{ .path = PT_SYSFS "scan_sleep_millisecs" },
	{ .path = PT_SYSFS "max_cpu_percent" },
	{ .path = PT_SYSFS "sweep_rounds" },
	{ .path = PT_SYSFS "enabled", .words = true },
	{ }
};

static pid_t settings_owner;

/* Runs in signal handlers too: nothing in here allocates or prints. */
static void restore_settings(void)
{
	struct setting *setting;

	if (getpid() != settings_owner)
		return;
	for (setting = settings; setting->path; setting++) {
		if (setting->saved)
			pt_write_file(setting->path, setting->value);
	}
}

static void restore_and_die(int sig)
{
	restore_settings();
	signal(sig, SIG_DFL);
	raise(sig);
}

void pt_guard_settings(void)
{
	static const int deadly[] = { SIGHUP, SIGINT, SIGQUIT, SIGTERM, 0 };
	struct sigaction action = { .sa_handler = restore_and_die };
	struct setting *setting;
	int i, err;

	for (setting = settings; setting->path; setting++) {
		if (setting->words)
			err = read_word(setting->path, setting->value,
					sizeof(setting->value));
		else
			err = pt_read_file(setting->path, setting->value,
					   sizeof(setting->value));
		setting->saved = !err;
	}
	settings_owner = getpid();
	atexit(restore_settings);
	for (i = 0; deadly[i]; i++)
		sigaction(deadly[i], &action, NULL);
}

/* The number behind the word at the start of a line, or -ENOENT */
static long long number_after(const char *text, const char *word)
{
	size_t len = strlen(word);
	const char *line;

	for (line = text; line; line = strchr(line, '\n')) {
		if (*line == '\n')
			line++;
		if (!strncmp(line, word, len) && isspace((unsigned char)line[len]))
			return strtoll(line + len, NULL, 10);
	}
	return -ENOENT;
}

long long pt_proc_status(pid_t pid, const char *field)
{
	char path[64], word[64], text[8192];
	ssize_t len;

	if (pid)
		snprintf(path, sizeof(path), "/proc/%d/status", pid);
	else
		snprintf(path, sizeof(path), "/proc/self/status");
	len = read_text(path, text, sizeof(text));
	if (len < 0)
		return len;
	snprintf(word, sizeof(word), "%s:", field);
	return number_after(text, word);
}

long pt_status_kb(pid_t pid, const char *field)
{
	return pt_proc_status(pid, field);
}

long pt_vmpte_kb(pid_t pid)
{
	return pt_status_kb(pid, "VmPTE");
}

long pt_huge_kb(void)
{
	char text[4096];
	ssize_t len;

	len = read_text("/proc/self/smaps_rollup", text, sizeof(text));
	if (len < 0)
		return len;
	return number_after(text, "AnonHugePages:");
}

long long pt_vmstat(const char *name)
{
	static char text[65536];
	ssize_t len;

	/* Absent without CONFIG_SMP, where there is nothing to fold. */
	pt_write_file("/proc/sys/vm/stat_refresh", "1");
	len = read_text("/proc/vmstat", text, sizeof(text));
	if (len < 0)
		return len;
	return number_after(text, name);
}

unsigned int pt_find_threads(pid_t *first)
{
	char path[300], comm[32];
	struct dirent *entry;
	unsigned int found = 0;
	DIR *proc;

	*first = 0;
	proc = opendir("/proc");
	if (!proc)
		return 0;
	while ((entry = readdir(proc))) {
		if (!isdigit((unsigned char)entry->d_name[0]))
			continue;
		snprintf(path, sizeof(path), "/proc/%s/comm", entry->d_name);
		if (pt_read_file(path, comm, sizeof(comm)) ||
		    strcmp(comm, "kptreclaimd"))
			continue;
		if (!found++)
			*first = atoi(entry->d_name);
	}
	closedir(proc);
	return found;
}

pid_t pt_find_thread(void)
{
	pid_t first;

	pt_find_threads(&first);
	return first;
}

void pt_thread_usage(struct pt_thread_use *use)
{
	unsigned long long utime, stime;
	char path[64], text[1024];
	struct timespec run = { 0 };
	char *after_comm;
	clockid_t clock;

	memset(use, 0, sizeof(*use));
	use->pid = pt_find_thread();
	if (!use->pid)
		return;
	snprintf(path, sizeof(path), "/proc/%d/stat", use->pid);
	if (!pt_read_file(path, text, sizeof(text))) {
		after_comm = strrchr(text, ')');
		if (after_comm &&
		    sscanf(after_comm + 1,
			   " %*c %*d %*d %*d %*d %*d %*u %*u %*u %*u %*u %llu %llu",
			   &utime, &stime) == 2)
			use->ticks = utime + stime;
	}
	if (!clock_getcpuclockid(use->pid, &clock) &&
	    !clock_gettime(clock, &run))
		use->run_ns = run.tv_sec * 1000000000ULL + run.tv_nsec;
	use->switches = pt_proc_status(use->pid, "voluntary_ctxt_switches");
}

double pt_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

void pt_pause_ms(unsigned int ms)
{
	struct timespec pause = {
		.tv_sec = ms / 1000,
		.tv_nsec = ms % 1000 * 1000000L,
	};

	nanosleep(&pause, NULL);
}

double pt_wait_turn(double *last)
{
	double before = *last;

	pt_pause_ms(20);
	*last = pt_now();
	return *last - before < 1 ? *last - before : 1;
}

/* The child's wait status, or -ETIMEDOUT after it was killed */
int pt_reap(pid_t pid, double seconds, const char *what)
{
	int status = 0;
	bool ended;

	ended = pt_wait(seconds, what, waitpid(pid, &status, WNOHANG) == pid);
	if (ended)
		return status;
	kill(pid, SIGKILL);
	waitpid(pid, &status, 0);
	return -ETIMEDOUT;
}

/* What a trial may take longer than it was told to, on a busy machine */
#define TRIAL_GRACE_SECONDS	240

double pt_trial_seconds = 10;
__u64 pt_trial_seed;
const char *pt_trial_name;

static int run_trial(const struct pt_trial *trial,
		     int (*around)(int (*run)(void)))
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (!pid) {
		prctl(PR_SET_PDEATHSIG, SIGKILL);
		setpgid(0, 0);
		pt_trial_name = trial->name;
		status = around(trial->run);
		fflush(stdout);
		_exit(status);
	}
	status = pid < 0 ? -errno :
		 pt_reap(pid, pt_trial_seconds + TRIAL_GRACE_SECONDS, trial->name);
	if (pid > 0)
		kill(-pid, SIGKILL);
	pt_set_mode("never");
	if (status >= 0 && WIFEXITED(status))
		return WEXITSTATUS(status);
	return pt_failed("%s ended with status %#x", trial->name, status);
}

static __noreturn void print_trials(const char *program,
				    const struct pt_trial *trials, size_t nr)
{
	fprintf(stderr,
		"usage: %s [-s SECONDS] [-r SEED] [-t TEST]...\n"
		"  each test takes so long; tests are:\n", program);
	for (; nr; nr--, trials++)
		fprintf(stderr, "    %s\n", trials->name);
	exit(2);
}

static bool is_chosen(const char *name, char **chosen, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (!strcmp(name, chosen[i]))
			return true;
	}
	return !nr;
}

void pt_run_trials(int argc, char **argv, const struct pt_trial *trials,
		   size_t nr, int (*around)(int (*run)(void)))
{
	char *chosen[64];
	size_t nr_chosen = 0, plan = 0, i;
	int option;

	pt_trial_seed = time(NULL);
	while ((option = getopt(argc, argv, "s:r:t:")) != -1) {
		if (option == 's')
			pt_trial_seconds = strtod(optarg, NULL);
		else if (option == 'r')
			pt_trial_seed = strtoull(optarg, NULL, 0);
		else if (option == 't' && nr_chosen < 64)
			chosen[nr_chosen++] = optarg;
		else
			print_trials(argv[0], trials, nr);
	}
	for (i = 0; i < nr; i++)
		plan += is_chosen(trials[i].name, chosen, nr_chosen);
	if (plan < nr_chosen)
		print_trials(argv[0], trials, nr);

	pt_begin();
	ksft_print_header();
	ksft_set_plan(plan);
	pt_note("-r %llu draws the same numbers again", pt_trial_seed);
	for (i = 0; i < nr; i++) {
		if (is_chosen(trials[i].name, chosen, nr_chosen))
			ksft_test_result_code(run_trial(&trials[i], around),
					      trials[i].name, NULL);
	}
	ksft_finished();
}

int pt_become_nobody(void)
{
	const unsigned int nobody = 65534;

	if (syscall(SYS_setgroups, 0, NULL) ||
	    setresgid(nobody, nobody, nobody) ||
	    setresuid(nobody, nobody, nobody))
		return -errno;
	return 0;
}

/* Any mixing will do that leaves no two words of a test alike. */
static __u64 mix(__u64 x)
{
	x = (x ^ (x >> 31)) * 0x9e3779b97f4a7c15ULL;
	return x ^ (x >> 29);
}

__u64 pt_draw(__u64 *state)
{
	return mix(mix((*state)++) + 1);
}

void pt_fill_page(void *page, __u64 seed, __u64 number)
{
	__u64 word = mix(seed ^ mix(number + 1));
	__u64 *at = page;
	size_t i;

	for (i = 0; i < PT_PAGE / sizeof(*at); i++)
		at[i] = word + i * 0x0101010101010101ULL;
}

bool pt_page_is_intact(const void *page, __u64 seed, __u64 number)
{
	__u64 word = mix(seed ^ mix(number + 1));
	const __u64 *at = page;
	size_t i;

	for (i = 0; i < PT_PAGE / sizeof(*at); i++) {
		if (at[i] != word + i * 0x0101010101010101ULL)
			return false;
	}
	return true;
}

bool pt_page_is_zero(const void *page)
{
	const __u64 *at = page;
	size_t i;

	for (i = 0; i < PT_PAGE / sizeof(*at); i++) {
		if (at[i])
			return false;
	}
	return true;
}

int pt_pagemap_open(void)
{
	int fd = open("/proc/self/pagemap", O_RDONLY | O_CLOEXEC);

	return fd < 0 ? -errno : fd;
}

int pt_pagemap_read(int fd, const void *start, __u64 *entries, size_t pages)
{
	off_t offset = (uintptr_t)start / PT_PAGE * sizeof(*entries);
	size_t bytes = pages * sizeof(*entries);
	char *to = (char *)entries;
	ssize_t got;

	while (bytes) {
		got = pread(fd, to, bytes, offset);
		if (got <= 0)
			return got ? -errno : -EIO;
		to += got;
		offset += got;
		bytes -= got;
	}
	return 0;
}

long pt_pagemap_count(const void *start, size_t bytes, __u64 bits)
{
	__u64 entries[PT_TABLE_PAGES];
	const char *at = start;
	long count = 0;
	size_t i, pages;
	int fd, err = 0;

	fd = pt_pagemap_open();
	if (fd < 0)
		return fd;
	for (; bytes && !err; at += pages * PT_PAGE, bytes -= pages * PT_PAGE) {
		pages = bytes / PT_PAGE;
		if (pages > PT_TABLE_PAGES)
			pages = PT_TABLE_PAGES;
		err = pt_pagemap_read(fd, at, entries, pages);
		for (i = 0; i < pages && !err; i++)
			count += !!(entries[i] & bits);
	}
	close(fd);
	return err ? err : count;
}

static int backing_file(size_t bytes)
{
	int fd, err;

	fd = memfd_create("pt_reclaim", MFD_CLOEXEC);
	if (fd < 0)
		return -errno;
	if (ftruncate(fd, bytes)) {
		err = -errno;
		close(fd);
		return err;
	}
	return fd;
}

static int backing_flags(enum pt_backing backing)
{
	switch (backing) {
	case PT_ANON:
		return MAP_PRIVATE | MAP_ANONYMOUS;
	case PT_SHMEM:
		return MAP_SHARED | MAP_ANONYMOUS;
	case PT_MEMFD:
		return MAP_SHARED;
	case PT_PRIVATE_FILE:
		return MAP_PRIVATE;
	}
	return 0;
}

int pt_area_map(struct pt_area *area, enum pt_backing backing, size_t bytes)
{
	int err;

	memset(area, 0, sizeof(*area));
	area->fd = -1;
	area->bytes = bytes;
	area->reserved_bytes = bytes + 3 * PT_TABLE;
	area->reserved = mmap(NULL, area->reserved_bytes, PROT_NONE,
			      MAP_PRIVATE | MAP_ANONYMOUS | MAP_NORESERVE,
			      -1, 0);
	if (area->reserved == MAP_FAILED) {
		area->reserved = NULL;
		return -errno;
	}
	area->start = (char *)(((uintptr_t)area->reserved + 2 * PT_TABLE - 1) &
			       ~(PT_TABLE - 1));
	if (backing == PT_MEMFD || backing == PT_PRIVATE_FILE) {
		area->fd = backing_file(bytes);
		if (area->fd < 0) {
			err = area->fd;
			pt_area_unmap(area);
			return err;
		}
	}
	if (mmap(area->start, bytes, PROT_READ | PROT_WRITE,
		 backing_flags(backing) | MAP_FIXED | MAP_NORESERVE,
		 area->fd, 0) == MAP_FAILED) {
		err = -errno;
		pt_area_unmap(area);
		return err;
	}
	return 0;
}

void pt_area_unmap(struct pt_area *area)
{
	if (area->reserved)
		munmap(area->reserved, area->reserved_bytes);
	if (area->fd >= 0)
		close(area->fd);
	memset(area, 0, sizeof(*area));
	area->fd = -1;
}

int pt_area_waste(struct pt_area *area)
{
	size_t at;

	for (at = 0; at < area->bytes; at += PT_TABLE)
		area->start[at] = 1;
	if (madvise(area->start, area->bytes, MADV_DONTNEED))
		return -errno;
	return 0;
}

#define FAR_PAGE	(PT_TABLE / 2)

void pt_area_zap_in_vain(struct pt_area *area)
{
	size_t at;

	for (at = 0; at < area->bytes; at += PT_TABLE) {
		area->start[at] = 1;
		area->start[at + FAR_PAGE] = 1;
		madvise(area->start + at + FAR_PAGE, PT_PAGE, MADV_DONTNEED);
	}
}

int pt_run_on_cpu(int cpu)
{
	cpu_set_t cpus;

	CPU_ZERO(&cpus);
	CPU_SET(cpu, &cpus);
	return sched_setaffinity(0, sizeof(cpus), &cpus) ? -errno : 0;
}

static int move_to_next_cpu(const cpu_set_t *allowed, int cpu)
{
	do {
		cpu = (cpu + 1) % CPU_SETSIZE;
	} while (!CPU_ISSET(cpu, allowed));
	return pt_run_on_cpu(cpu) ? -1 : cpu;
}

int pt_page_out(char *start, size_t bytes, bool drop)
{
	__u64 unwanted = PT_PAGEMAP_PRESENT | (drop ? PT_PAGEMAP_SWAPPED : 0);
	double end = pt_now() + 10 * pt_patience();
	cpu_set_t allowed;
	int cpu = -1;
	long left;
	int err;

	if (sched_getaffinity(0, sizeof(allowed), &allowed))
		return -errno;
	for (;;) {
		if ((drop && madvise(start, bytes, MADV_FREE)) ||
		    madvise(start, bytes, MADV_PAGEOUT)) {
			err = -errno;
			break;
		}
		left = pt_pagemap_count(start, bytes, unwanted);
		err = left > 0 ? -EBUSY : left;
		if (err != -EBUSY || pt_now() > end)
			break;
		/*
		 * What is in the batch that a CPU keeps for itself escapes, and a
		 * call empties that of its own CPU alone.
		 */
		cpu = move_to_next_cpu(&allowed, cpu);
	}
	sched_setaffinity(0, sizeof(allowed), &allowed);
	return err;
}

long long pt_flushes_of_cpu_1(void)
{
	static char text[65536];
	long long counts[2];
	ssize_t len = 0, got = 1;
	char *line;
	int fd;

	fd = open("/proc/interrupts", O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while (got > 0 && len < (ssize_t)sizeof(text) - 1) {
		got = read(fd, text + len, sizeof(text) - 1 - len);
		if (got > 0)
			len += got;
	}
	close(fd);
	text[len] = '\0';
	line = strstr(text, "TLB:");
	if (!line || sscanf(line, "TLB: %lld %lld", &counts[0],
			    &counts[1]) != 2)
		return -EIO;
	return counts[1];
}
