// SPDX-License-Identifier: GPL-2.0
/*
 * Reads /proc and /sys. A process may end between any two lines here, and what is
 * not ours to read is not: either leaves fields unknown, and is no error.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "top.h"

const char *const total_names[NR_TOTALS] = {
	[TOTAL_MMS]		= "mms",
	[TOTAL_FULL_SCANS]	= "full_scans",
	[TOTAL_SCANNED]		= "tables_scanned",
	[TOTAL_RECLAIMED]	= "tables_reclaimed",
};

static const char *proc_path;
static int proc_fd = -1;
/* Without sysfs there is no kptreclaimd to be seen: -1 will do. */
static int sysfs_fd = -1;

/* What the last sample knew, by pid, for the rates. */
struct past {
	pid_t pid;
	unsigned long long start_time;
	unsigned long long reclaimed;
};

static struct past *past;
static size_t nr_past;
static struct timespec past_when;
static bool past_system_known;
static unsigned long long past_system;

void sample_open(const char *proc, const char *sysfs)
{
	proc_path = proc;
	proc_fd = open(proc, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (proc_fd < 0)
		die("cannot read %s: %s; mount procfs, or say with --proc where it is",
		    proc, strerror(errno));
	sysfs_fd = open(sysfs, O_PATH | O_DIRECTORY | O_CLOEXEC);
}

/*
 * The whole file as text, until the next call; NULL if it cannot be read. Its
 * length is for those whose text holds NULs.
 */
static char *read_file(int dir, const char *name, size_t *length)
{
	static char *buf;
	static size_t size;
	size_t used = 0;
	ssize_t got;
	int fd;

	fd = openat(dir, name, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return NULL;
	do {
		if (size - used < 4096) {
			size += 16384;
			buf = allocate(buf, size);
		}
		got = read(fd, buf + used, size - used - 1);
		if (got > 0)
			used += got;
	} while (got > 0 || (got < 0 && errno == EINTR));
	close(fd);
	if (got < 0)
		return NULL;
	buf[used] = '\0';
	if (length)
		*length = used;
	return buf;
}

static char *read_process_file(pid_t pid, const char *name, size_t *length)
{
	char path[64];

	snprintf(path, sizeof(path), "%d/%s", pid, name);
	return read_file(proc_fd, path, length);
}

/* The next "key: value" of *text; the value without the blanks around it. */
static bool next_pair(char **text, char **key, char **value)
{
	char *line, *end;

	while ((line = strsep(text, "\n"))) {
		end = strchr(line, ':');
		if (!end)
			continue;
		*end = '\0';
		*key = line;
		*value = end + 1 + strspn(end + 1, " \t");
		for (end = *value + strlen(*value); end > *value && isspace(end[-1]); end--)
			end[-1] = '\0';
		return true;
	}
	return false;
}

/* A decimal number at the start of text, followed by nothing or a blank. */
static bool parse_number(const char *text, unsigned long long *number)
{
	char *end;

	if (!isdigit(*text))
		return false;
	errno = 0;
	*number = strtoull(text, &end, 10);
	return !errno && (!*end || isspace(*end));
}

static void set_number(struct process *process, enum field field, unsigned long long number)
{
	process->value[field].number = number;
	process->known |= 1U << field;
}

static void set_text(struct process *process, enum field field, const char *text)
{
	process->value[field].text = duplicate(text);
	process->known |= 1U << field;
}

/* The name may hold newlines and backslashes, which status shows as in C. */
static void unescape(char *text)
{
	char *to = text;

	while (*text) {
		if (text[0] == '\\' && text[1] == 'n') {
			*to++ = '\n';
			text += 2;
			continue;
		}
		if (text[0] == '\\' && text[1] == '\\')
			text++;
		*to++ = *text++;
	}
	*to = '\0';
}

static const char *user_name(uid_t uid)
{
	static struct user {
		uid_t uid;
		char *name;
	} *users;
	static size_t nr;
	struct passwd *entry;
	char number[16];
	size_t i;

	for (i = 0; i < nr; i++)
		if (users[i].uid == uid)
			return users[i].name;
	/* May ask a server: once for each user. */
	entry = getpwuid(uid);
	snprintf(number, sizeof(number), "%u", uid);
	users = allocate(users, (nr + 1) * sizeof(*users));
	users[nr].uid = uid;
	users[nr].name = duplicate(entry ? entry->pw_name : number);
	return users[nr++].name;
}

/*
 * The least that page tables for so many pages take: full PTE tables, full tables
 * above them, one at least at each level that VmPTE counts (PTE, PMD and PUD). A
 * table is a page of 8-byte entries.
 */
static unsigned long long least_bytes(unsigned long long pages)
{
	unsigned long long page = sysconf(_SC_PAGESIZE);
	unsigned long long entries = page / 8, tables = 0;
	int level;

	for (level = 0; level < 3; level++) {
		pages = (pages + entries - 1) / entries;
		tables += pages;
	}
	return tables * page;
}

static void compute_waste(struct process *process)
{
	unsigned long long page = sysconf(_SC_PAGESIZE);
	unsigned long long pages, vmpte, least;

	if (!known(process, FIELD_RSS) || !known(process, FIELD_SWAP))
		return;
	pages = (process->value[FIELD_RSS].number + process->value[FIELD_SWAP].number) / page;
	least = least_bytes(pages);
	vmpte = process->value[FIELD_VMPTE].number;
	set_number(process, FIELD_LEAST, least);
	/* Huge pages of files have no PTE table: even less than least may do. */
	set_number(process, FIELD_WASTE, vmpte > least ? vmpte - least : 0);
}

/* False for what has no address space: kernel threads, zombies, who is gone. */
static bool read_status(struct process *process, pid_t pid)
{
	static const struct {
		const char *key;
		enum field field;
	} sizes[] = {
		{ "VmRSS", FIELD_RSS },
		{ "VmPTE", FIELD_VMPTE },
		{ "VmSwap", FIELD_SWAP },
	};
	char *text, *key, *value;
	unsigned long long number;
	size_t i;

	text = read_process_file(pid, "status", NULL);
	if (!text)
		return false;
	set_number(process, FIELD_PID, pid);
	while (next_pair(&text, &key, &value)) {
		if (!strcmp(key, "Name")) {
			unescape(value);
			set_text(process, FIELD_COMMAND, value);
		} else if (!strcmp(key, "Uid")) {
			/* The second is the effective one, as in ps and top. */
			value += strcspn(value, " \t");
			value += strspn(value, " \t");
			if (parse_number(value, &number))
				set_number(process, FIELD_UID, number);
		}
		for (i = 0; i < ARRAY_SIZE(sizes); i++)
			if (!strcmp(key, sizes[i].key) && parse_number(value, &number))
				set_number(process, sizes[i].field, number * 1024);
	}
	return known(process, FIELD_VMPTE);
}

static void read_pt_reclaim(struct process *process, pid_t pid)
{
	char *text = read_process_file(pid, "pt_reclaim", NULL);
	char *key, *value;
	unsigned long long number;
	int field;

	while (next_pair(&text, &key, &value)) {
		for (field = FIELD_KERNEL_FIRST; field <= FIELD_KERNEL_LAST; field++) {
			if (strcmp(key, fields[field].name) || known(process, field))
				continue;
			/* "never" is no number: unknown. */
			if (fields[field].kind == KIND_TEXT)
				set_text(process, field, value);
			else if (parse_number(value, &number))
				set_number(process, field, number);
		}
	}
}

/* Field 22 of stat; the name before it may hold blanks and parentheses. */
static void read_start_time(struct process *process, pid_t pid)
{
	char *text = read_process_file(pid, "stat", NULL);
	int field;

	text = text ? strrchr(text, ')') : NULL;
	for (field = 2; text && field < 22; field++)
		text = strchr(text + 1, ' ');
	if (text)
		parse_number(text + 1, &process->start_time);
}

static void read_cgroup(struct process *process, pid_t pid)
{
	char *text = read_process_file(pid, "cgroup", NULL);
	char *line;

	/* The line without a controller's name is that of cgroup v2. */
	while ((line = strsep(&text, "\n"))) {
		if (!strncmp(line, "0::", 3)) {
			set_text(process, FIELD_CGROUP, line + 3);
			return;
		}
	}
}

static void read_command_line(struct process *process, pid_t pid)
{
	size_t length, i;
	char *text = read_process_file(pid, "cmdline", &length);

	if (!text)
		return;
	while (length && !text[length - 1])
		length--;
	for (i = 0; i < length; i++)
		if (!text[i])
			text[i] = ' ';
	if (length)
		set_text(process, FIELD_COMMAND_LINE, text);
}

/*
 * Reading a command line waits for the process's mmap_lock, and reading a cgroup
 * takes a lock of the whole system.
 */
void process_complete(struct process *process, enum field field)
{
	pid_t pid = process->value[FIELD_PID].number;

	if (known(process, field))
		return;
	if (field == FIELD_CGROUP)
		read_cgroup(process, pid);
	else if (field == FIELD_COMMAND_LINE)
		read_command_line(process, pid);
}

static bool is_below(const char *cgroup, const char *parent)
{
	size_t length = strlen(parent);

	if (!strcmp(parent, "/"))
		return true;
	return !strncmp(cgroup, parent, length) && (!cgroup[length] || cgroup[length] == '/');
}

static bool let_through(struct process *process, const struct filter *filter)
{
	if (filter->by_uid && (!known(process, FIELD_UID) ||
			       process->value[FIELD_UID].number != filter->uid))
		return false;
	if (!filter->cgroup)
		return true;
	process_complete(process, FIELD_CGROUP);
	return known(process, FIELD_CGROUP) &&
	       is_below(process->value[FIELD_CGROUP].text, filter->cgroup);
}

static void process_free(struct process *process)
{
	int field;

	for (field = 0; field < NR_FIELDS; field++)
		if (fields[field].kind == KIND_TEXT && known(process, field))
			free(process->value[field].text);
}

static void add_process(struct sample *sample, pid_t pid, const struct filter *filter)
{
	struct process process = { 0 };

	if (!read_status(&process, pid) || !let_through(&process, filter)) {
		process_free(&process);
		return;
	}
	compute_waste(&process);
	read_pt_reclaim(&process, pid);
	if (known(&process, FIELD_RECLAIMED))
		read_start_time(&process, pid);
	if (known(&process, FIELD_UID))
		set_text(&process, FIELD_USER, user_name(process.value[FIELD_UID].number));

	if (!(sample->nr & (sample->nr - 1)))
		sample->processes = allocate(sample->processes,
					     (sample->nr ? 2 * sample->nr : 1) * sizeof(process));
	sample->processes[sample->nr++] = process;
	sample->vmpte_bytes += process.value[FIELD_VMPTE].number;
	if (known(&process, FIELD_WASTE)) {
		sample->least_bytes += process.value[FIELD_LEAST].number;
		sample->waste_bytes += process.value[FIELD_WASTE].number;
	}
}

static void read_processes(struct sample *sample, const struct filter *filter)
{
	struct dirent *entry;
	unsigned long long pid;
	size_t i;
	DIR *dir;

	/* Whoever watches a few processes does not pay for the others. */
	if (filter->pids) {
		for (i = 0; i < filter->nr_pids; i++)
			add_process(sample, filter->pids[i], filter);
		return;
	}
	dir = opendir(proc_path);
	if (!dir)
		die("cannot read %s: %s; mount procfs, or say with --proc where it is",
		    proc_path, strerror(errno));
	while ((entry = readdir(dir)))
		if (parse_number(entry->d_name, &pid))
			add_process(sample, pid, filter);
	closedir(dir);
}

/* "always [madvise] never": the word in brackets. */
static void read_mode(struct system_state *system)
{
	char *text = read_file(sysfs_fd, "kernel/mm/pt_reclaim/enabled", NULL);

	text = text ? strchr(text, '[') : NULL;
	if (text)
		snprintf(system->mode, sizeof(system->mode), "%.*s",
			 (int)strcspn(text + 1, "]\n"), text + 1);
}

static void read_totals(struct system_state *system)
{
	char name[64], *text;
	int i;

	for (i = 0; i < NR_TOTALS; i++) {
		snprintf(name, sizeof(name), "kernel/mm/pt_reclaim/%s", total_names[i]);
		text = read_file(sysfs_fd, name, NULL);
		if (text && parse_number(text, &system->total[i]))
			system->known |= 1U << i;
	}
}

static void read_meminfo(struct system_state *system)
{
	char *text = read_file(proc_fd, "meminfo", NULL);
	unsigned long long number;
	char *key, *value;

	while (next_pair(&text, &key, &value)) {
		if (!strcmp(key, "PageTables") && parse_number(value, &number)) {
			system->page_tables_bytes = number * 1024;
			system->page_tables_known = true;
		}
	}
}

static void read_system(struct system_state *system)
{
	system->reclaimed_rate = -1;
	read_meminfo(system);
	system->available = !faccessat(sysfs_fd, "kernel/mm/pt_reclaim", F_OK, 0);
	if (!system->available)
		return;
	read_mode(system);
	read_totals(system);
}

static int compare_past(const void *left, const void *right)
{
	const struct past *a = left, *b = right;

	return (a->pid > b->pid) - (a->pid < b->pid);
}

static void compute_rates(struct sample *sample, double seconds)
{
	struct past key, *before;
	struct process *process;
	unsigned long long now;
	size_t i;

	for (i = 0; i < sample->nr; i++) {
		process = &sample->processes[i];
		if (!known(process, FIELD_RECLAIMED))
			continue;
		key.pid = process->value[FIELD_PID].number;
		before = bsearch(&key, past, nr_past, sizeof(*past), compare_past);
		now = process->value[FIELD_RECLAIMED].number;
		/* execve() starts again at 0, in an address space of its own. */
		if (!before || before->start_time != process->start_time ||
		    before->reclaimed > now)
			continue;
		process->value[FIELD_RECLAIMED_RATE].rate = (now - before->reclaimed) / seconds;
		process->known |= 1U << FIELD_RECLAIMED_RATE;
	}
	if (past_system_known && sample->system.known & (1U << TOTAL_RECLAIMED) &&
	    sample->system.total[TOTAL_RECLAIMED] >= past_system)
		sample->system.reclaimed_rate =
			(sample->system.total[TOTAL_RECLAIMED] - past_system) / seconds;
}

static void remember(const struct sample *sample)
{
	const struct process *process;
	size_t i;

	past = allocate(past, (sample->nr + 1) * sizeof(*past));
	nr_past = 0;
	for (i = 0; i < sample->nr; i++) {
		process = &sample->processes[i];
		if (!known(process, FIELD_RECLAIMED))
			continue;
		past[nr_past].pid = process->value[FIELD_PID].number;
		past[nr_past].start_time = process->start_time;
		past[nr_past].reclaimed = process->value[FIELD_RECLAIMED].number;
		nr_past++;
	}
	qsort(past, nr_past, sizeof(*past), compare_past);
	past_when = sample->monotonic;
	past_system_known = sample->system.known & (1U << TOTAL_RECLAIMED);
	past_system = sample->system.total[TOTAL_RECLAIMED];
}

void sample_take(struct sample *sample, const struct filter *filter)
{
	double seconds;

	memset(sample, 0, sizeof(*sample));
	clock_gettime(CLOCK_REALTIME, &sample->when);
	clock_gettime(CLOCK_MONOTONIC, &sample->monotonic);
	read_system(&sample->system);
	read_processes(sample, filter);
	seconds = sample->monotonic.tv_sec - past_when.tv_sec +
		  (sample->monotonic.tv_nsec - past_when.tv_nsec) / 1e9;
	if (past && seconds > 0)
		compute_rates(sample, seconds);
	remember(sample);
}

void sample_free(struct sample *sample)
{
	size_t i;

	for (i = 0; i < sample->nr; i++)
		process_free(&sample->processes[i]);
	free(sample->processes);
	memset(sample, 0, sizeof(*sample));
}
