// SPDX-License-Identifier: GPL-2.0
/*
 * Bad input for every interface of page table reclaim. For each input it is
 * known beforehand what the answer must be, so that nonsense which is taken
 * fails as well as a crash: what is refused has its errno and has changed
 * nothing, what is taken can be read back.
 *
 * The files are those that are there when this runs. What is not known of a
 * new one, the range of its numbers, must at least be a range.
 */
#define _GNU_SOURCE
#include <ctype.h>
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <limits.h>
#include <pthread.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/uio.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#include "pt_reclaim_interface.h"

#ifndef SYS_memfd_secret
#define SYS_memfd_secret	447
#endif
#ifndef SYS_process_madvise
#define SYS_process_madvise	440
#endif
#ifndef SYS_pidfd_open
#define SYS_pidfd_open		434
#endif

/* The state of the one test that this process runs */
static double fuzz_end;
static unsigned long operations;
static unsigned long taken;
static unsigned long refused;
static __thread __u64 random_state;

/* Less than @limit */
static __u64 draw(__u64 limit)
{
	return pt_draw(&random_state) % limit;
}

static bool chance(unsigned int one_in)
{
	return !draw(one_in);
}

/* By several threads in one of the tests */
static void count(unsigned long *counter)
{
	__atomic_add_fetch(counter, 1, __ATOMIC_RELAXED);
}

static bool fuzzing(void)
{
	operations++;
	return pt_now() < fuzz_end;
}

/* A test that only ever saw one kind of answer has not tested the other. */
static int both_answers_seen(void)
{
	if (!taken || !refused)
		return pt_failed("%lu inputs were taken and %lu refused",
				 taken, refused);
	return KSFT_PASS;
}

/* The files in PT_SYSFS */

#define MAX_KNOBS	64
#define KNOB_TEXT	256

enum kind {
	KIND_WORDS,		/* "always madvise [never]" */
	KIND_NUMBER,
	KIND_READ_ONLY,
	KIND_WRITE_ONLY,	/* does something when a number is written */
};

/**
 * struct knob - a file in PT_SYSFS
 * @name: Its name.
 * @kind: What goes in and comes out.
 * @fd: Open for all that its mode allows.
 * @documented: @least and @most are the range that the documentation gives.
 *	Otherwise they are the least and the most that was taken so far.
 * @least: See above.
 * @most: See above; smaller than @least if nothing was taken so far.
 */
struct knob {
	char name[64];
	enum kind kind;
	int fd;
	bool documented;
	__u64 least;
	__u64 most;
};

static struct knob knobs[MAX_KNOBS];
static size_t nr_knobs;

static const struct {
	const char *name;
	__u64 least;
	__u64 most;
} documented_ranges[] = {
	{ "scan_sleep_millisecs", 1, 3600000 },
	{ "tables_to_scan", 1, UINT32_MAX },
	{ "max_cpu_percent", 1, 100 },
	{ "sweep_rounds", 0, UINT32_MAX },
	{ "reclaim", 1, 1 },
};

static void find_range(struct knob *knob)
{
	size_t i;

	knob->least = UINT64_MAX;
	knob->most = 0;
	for (i = 0; i < ARRAY_SIZE(documented_ranges); i++) {
		if (strcmp(knob->name, documented_ranges[i].name))
			continue;
		knob->documented = true;
		knob->least = documented_ranges[i].least;
		knob->most = documented_ranges[i].most;
	}
}

/* What the file says, with its newline; its length or a negative errno. */
static ssize_t read_knob(const struct knob *knob, char *text)
{
	ssize_t len = pread(knob->fd, text, KNOB_TEXT - 1, 0);

	if (len < 0)
		return -errno;
	text[len] = '\0';
	return len;
}

/* One line that can be printed, nothing else */
static bool is_line(const char *text, ssize_t len)
{
	ssize_t i;

	if (len < 2 || text[len - 1] != '\n')
		return false;
	for (i = 0; i < len - 1; i++) {
		if (!isprint((unsigned char)text[i]))
			return false;
	}
	return true;
}

static int add_knob(const char *name, mode_t mode)
{
	struct knob *knob = &knobs[nr_knobs];
	bool readable = mode & 0400, writable = mode & 0200;
	char path[400], text[KNOB_TEXT] = "";

	if (nr_knobs == MAX_KNOBS)
		return pt_failed("more than %d files", MAX_KNOBS);
	snprintf(knob->name, sizeof(knob->name), "%.63s", name);
	snprintf(path, sizeof(path), PT_SYSFS "%s", name);
	knob->fd = open(path, (readable && writable ? O_RDWR :
			       writable ? O_WRONLY : O_RDONLY) | O_CLOEXEC);
	if (knob->fd < 0)
		return pt_failed("%s: %s", name, strerror(errno));
	if (readable && !is_line(text, read_knob(knob, text)))
		return pt_failed("%s says \"%s\", which is not one line", name,
				 text);
	knob->kind = !writable ? KIND_READ_ONLY : !readable ? KIND_WRITE_ONLY :
		     strchr(text, '[') ? KIND_WORDS : KIND_NUMBER;
	if (knob->kind == KIND_NUMBER && !isdigit((unsigned char)*text))
		return pt_failed("%s says \"%s\", neither words nor a number",
				 name, text);
	find_range(knob);
	nr_knobs++;
	return KSFT_PASS;
}

static int find_knobs(void)
{
	struct dirent *entry;
	struct stat stat_buf;
	int verdict = KSFT_PASS;
	DIR *dir;

	dir = opendir(PT_SYSFS);
	if (!dir)
		return pt_failed(PT_SYSFS ": %s", strerror(errno));
	while (verdict == KSFT_PASS && (entry = readdir(dir))) {
		if (fstatat(dirfd(dir), entry->d_name, &stat_buf, 0) ||
		    !S_ISREG(stat_buf.st_mode))
			continue;
		verdict = add_knob(entry->d_name, stat_buf.st_mode);
	}
	closedir(dir);
	return verdict;
}

static bool keeps_what_is_written(const struct knob *knob)
{
	return knob->kind == KIND_WORDS || knob->kind == KIND_NUMBER;
}

/* What can be set for a process; negative numbers are errors. */
struct settings {
	int mode;
	long long delay;
	long long tables;
};

/* Everything that can be set */
struct state {
	char text[MAX_KNOBS][KNOB_TEXT];
	long setting;
	struct settings settings;
};

static const char * const mode_names[] = {
	[PR_PT_RECLAIM_DEFAULT]	= "default",
	[PR_PT_RECLAIM_ENABLE]	= "enable",
	[PR_PT_RECLAIM_DISABLE]	= "disable",
};

static int find_mode(const char *word)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(mode_names); i++) {
		if (!strcmp(mode_names[i], word))
			return i;
	}
	return -EINVAL;
}

static long long number_behind(const char *text, const char *key)
{
	const char *at = strstr(text, key);

	return at ? strtoll(at + strlen(key), NULL, 10) : -ENOENT;
}

static void take_settings(pid_t pid, struct settings *settings)
{
	char text[PT_PAGE], word[32] = "";
	const char *mode;
	int err = pt_process_read(pid, text, sizeof(text));

	if (err)
		*text = '\0';
	mode = strstr(text, "\nmode: ");
	if (mode)
		sscanf(mode, "\nmode: %31s", word);
	settings->mode = err ? err : find_mode(word);
	settings->delay = number_behind(text, "\nscan_delay_millisecs: ");
	settings->tables = number_behind(text, "\nscan_tables: ");
}

static bool settings_are(pid_t pid, const struct settings *expected)
{
	struct settings now;

	take_settings(pid, &now);
	if (now.mode == expected->mode && now.delay == expected->delay &&
	    now.tables == expected->tables)
		return true;
	pt_note("mode, delay and tables of process %d are %d %lld %lld, not %d %lld %lld",
		pid, now.mode, now.delay, now.tables, expected->mode,
		expected->delay, expected->tables);
	return false;
}

static long get_setting(void)
{
	long value = syscall(SYS_prctl, PR_GET_PT_RECLAIM, 0L, 0L, 0L, 0L);

	return value < 0 ? -errno : value;
}

static void take_state(struct state *state)
{
	size_t i;

	for (i = 0; i < nr_knobs; i++) {
		if (keeps_what_is_written(&knobs[i]) &&
		    read_knob(&knobs[i], state->text[i]) < 0)
			snprintf(state->text[i], KNOB_TEXT, "unreadable");
	}
	state->setting = get_setting();
	take_settings(0, &state->settings);
}

/* Has nothing changed since, apart from what @but says? */
static bool state_is(const struct state *before, const struct knob *but)
{
	struct state now;
	size_t i;

	take_state(&now);
	for (i = 0; i < nr_knobs; i++) {
		if (!keeps_what_is_written(&knobs[i]) || &knobs[i] == but ||
		    !strcmp(before->text[i], now.text[i]))
			continue;
		pt_note("%s was %s and is %s", knobs[i].name, before->text[i],
			now.text[i]);
		return false;
	}
	if (before->setting != now.setting)
		pt_note("the prctl setting was %ld and is %ld",
			before->setting, now.setting);
	return before->setting == now.setting &&
	       settings_are(0, &before->settings);
}

/* What is written, and how */

enum how { HOW_WRITE, HOW_PWRITE, HOW_WRITEV, NR_HOW };

/**
 * struct input - one write
 * @how: With which system call.
 * @from: The bytes.
 * @readable: How many of them can be read; behind them nothing is mapped.
 * @len: How many are offered.
 * @offset: Of HOW_PWRITE.
 */
struct input {
	enum how how;
	char *from;
	size_t readable;
	size_t len;
	off_t offset;
};

#define INPUT_BYTES	(16 * PT_PAGE)

/* Its last byte is the last one that is mapped. */
static __thread char *input_end;

static int map_input(void)
{
	char *start;

	start = mmap(NULL, INPUT_BYTES + PT_PAGE, PROT_READ | PROT_WRITE,
		     MAP_PRIVATE | MAP_ANONYMOUS, -1, 0);
	if (start == MAP_FAILED ||
	    mprotect(start + INPUT_BYTES, PT_PAGE, PROT_NONE))
		return -errno;
	input_end = start + INPUT_BYTES;
	return 0;
}

static long do_write(const struct knob *knob, const struct input *in)
{
	struct iovec parts[2];
	ssize_t got = -1;

	switch (in->how) {
	case HOW_PWRITE:
		got = pwrite(knob->fd, in->from, in->len, in->offset);
		break;
	case HOW_WRITEV:
		parts[0].iov_base = in->from;
		parts[0].iov_len = in->len / 3;
		parts[1].iov_base = in->from + parts[0].iov_len;
		parts[1].iov_len = in->len - parts[0].iov_len;
		got = writev(knob->fd, parts, 2);
		break;
	default:
		got = write(knob->fd, in->from, in->len);
	}
	return got < 0 ? -errno : got;
}

/* What must come of it */

/* No errno: the number may be in range or not, there is no way to know. */
#define UNKNOWN		(-4096)

/*
 * A decimal number as the kernel reads it: a plus sign and a newline behind it
 * are fine. 0 or a negative errno.
 */
static int parse_decimal(const char *text, __u64 *value)
{
	bool overflow = false;
	const char *at;

	if (*text == '+')
		text++;
	*value = 0;
	for (at = text; isdigit((unsigned char)*at); at++) {
		if (__builtin_mul_overflow(*value, (__u64)10, value) ||
		    __builtin_add_overflow(*value, (__u64)(*at - '0'), value))
			overflow = true;
	}
	if (overflow)
		return -ERANGE;
	if (at == text)
		return -EINVAL;
	if (*at == '\n')
		at++;
	return *at ? -EINVAL : 0;
}

static int judge_number(const struct knob *knob, const char *text,
			__u64 *value)
{
	int err = parse_decimal(text, value);

	if (err)
		return err;
	if (!knob->documented)
		return UNKNOWN;
	if (*value > UINT32_MAX)
		return -ERANGE;
	return *value < knob->least || *value > knob->most ? -EINVAL : 0;
}

/* Is it one of the words that the file offers, alone on its line? */
static int judge_word(const struct knob *knob, const char *text, char *word)
{
	char offered[KNOB_TEXT], *each, *rest;
	size_t len = strlen(text);

	if (len && text[len - 1] == '\n')
		len--;
	if (read_knob(knob, offered) < 0)
		return -EINVAL;
	for (each = strtok_r(offered, " []\n", &rest); each;
	     each = strtok_r(NULL, " []\n", &rest)) {
		if (strlen(each) == len && !memcmp(each, text, len)) {
			memcpy(word, each, len + 1);
			return 0;
		}
	}
	return -EINVAL;
}

/**
 * struct answer - what must come of a write
 * @result: What it must return; UNKNOWN: what it took, or an error for a
 *	number out of range.
 * @value: Of KIND_NUMBER and KIND_WRITE_ONLY.
 * @word: Of KIND_WORDS.
 */
struct answer {
	long result;
	__u64 value;
	char word[KNOB_TEXT];
};

static long size_taken(const struct input *in)
{
	return in->len < PT_PAGE ? in->len : PT_PAGE;
}

/* sysfs hands one page at the most to a file, and ends it with a NUL. */
static void find_answer(const struct knob *knob, const struct input *in,
			struct answer *answer)
{
	static __thread char text[PT_PAGE + 1];
	size_t len = size_taken(in);
	int judged;

	if (in->how == HOW_PWRITE &&
	    (in->offset < 0 || (__u64)in->offset + in->len > LLONG_MAX)) {
		answer->result = -EINVAL;
		return;
	}
	if ((ssize_t)in->len < 0 || in->readable < len) {
		answer->result = -EFAULT;
		return;
	}
	memcpy(text, in->from, len);
	text[len] = '\0';
	if (!len)
		judged = 0;
	else if (knob->kind == KIND_WORDS)
		judged = judge_word(knob, text, answer->word);
	else
		judged = judge_number(knob, text, &answer->value);
	answer->result = judged ? judged : (long)len;
}

/* Takes the range of a number that is not documented from the answers. */
static int learn_range(struct knob *knob, __u64 value, bool was_taken)
{
	if (!was_taken)
		return value >= knob->least && value <= knob->most ?
			pt_failed("%s refuses %llu and takes %llu to %llu",
				  knob->name, value, knob->least, knob->most) :
			KSFT_PASS;
	if (value < knob->least)
		knob->least = value;
	if (value > knob->most)
		knob->most = value;
	return KSFT_PASS;
}

static bool says_what_was_taken(const struct knob *knob,
				const struct answer *answer)
{
	char text[KNOB_TEXT], expected[KNOB_TEXT + 4];

	if (!keeps_what_is_written(knob))
		return true;
	if (read_knob(knob, text) < 0)
		return false;
	if (knob->kind == KIND_NUMBER) {
		snprintf(expected, sizeof(expected), "%llu\n", answer->value);
		return !strcmp(text, expected);
	}
	snprintf(expected, sizeof(expected), "[%s]", answer->word);
	return strstr(text, expected);
}

static void print_input(const struct knob *knob, const struct input *in)
{
	char shown[130] = "";
	size_t i, len = size_taken(in);

	if (len > in->readable)
		len = in->readable;
	for (i = 0; i < len && i < 32; i++)
		sprintf(shown + strlen(shown),
			isprint((unsigned char)in->from[i]) ? "%c" : "\\x%02x",
			(unsigned char)in->from[i]);
	pt_note("operation %lu: %s, how %d, %zu bytes (%zu readable) at %lld: \"%s\"",
		operations, knob->name, in->how, in->len, in->readable,
		(long long)in->offset, shown);
}

static int check_write(struct knob *knob, const struct input *in)
{
	struct answer answer = { };
	struct state before;
	long result;
	bool right;

	take_state(&before);
	find_answer(knob, in, &answer);
	result = do_write(knob, in);
	right = result == answer.result;
	if (answer.result == UNKNOWN) {
		right = result == size_taken(in) || result == -EINVAL ||
			result == -ERANGE;
		if (learn_range(knob, answer.value, result > 0))
			right = false;
	}
	if (!right)
		pt_note("the answer is %ld, not %ld", result, answer.result);
	if (result > 0)
		count(&taken);
	else if (result < 0)
		count(&refused);
	if (right && result > 0 && !says_what_was_taken(knob, &answer)) {
		pt_note("what was taken is not what is read");
		right = false;
	}
	if (!state_is(&before, result > 0 ? knob : NULL))
		right = false;
	if (!right)
		print_input(knob, in);
	return right ? KSFT_PASS : KSFT_FAIL;
}

/* Something that a file may be expected to take, or nearly */
static size_t make_word(char *to)
{
	const struct knob *knob = &knobs[draw(nr_knobs)];
	char text[KNOB_TEXT], *each, *rest;
	unsigned int skip = draw(4);

	if (knob->kind == KIND_WRITE_ONLY || read_knob(knob, text) < 0)
		return sprintf(to, "1");
	if (chance(8))
		return sprintf(to, "%s", text);
	each = strtok_r(text, " []\n", &rest);
	while (each && skip--)
		each = strtok_r(NULL, " []\n", &rest);
	return sprintf(to, "%s", each ? each : "always");
}

static size_t make_number(char *to)
{
	static const __u64 borders[] = {
		0, 1, 10, 100, 1000, 3600000, INT_MAX, UINT32_MAX,
		UINT32_MAX + 1ULL, INT64_MAX, UINT64_MAX,
	};
	__u64 number = borders[draw(ARRAY_SIZE(borders))];
	size_t i, len;

	switch (draw(4)) {
	case 0:
		number = pt_draw(&random_state) >> draw(64);
		break;
	case 1:
		number = draw(4000000);
		break;
	case 2:
		number += draw(5) - 2;
		break;
	default:
		len = 1 + draw(chance(50) ? PT_PAGE + 50 : 40);
		for (i = 0; i < len; i++)
			to[i] = '0' + (chance(2) ? draw(10) : 0);
		return len;
	}
	return sprintf(to, "%llu", number);
}

static size_t make_noise(char *to)
{
	size_t len = draw(chance(20) ? INPUT_BYTES / 2 : 40);
	size_t i;

	for (i = 0; i < len; i++)
		to[i] = draw(256);
	return len;
}

static size_t make_oddity(char *to)
{
	static const char * const odd[] = {
		"", "\n", " ", "+", "-", "+1", "-1", "--1", "+-1", "0x10",
		"010", "1.5", "1e3", "1 2", " 7", "7 ", "7\t", "7\r\n",
		"7\n\n", "always never", "[always]", "ALWAYS", "alway",
		"alwayss", "always\n\n", "\nalways", "never,", "\xc2\xbd",
		"18446744073709551616", "18446744073709551616x",
		"4294967296x", "%s%n%p", "../../etc", "NaN", "-0", "+0",
	};

	return sprintf(to, "%s", odd[draw(ARRAY_SIZE(odd))]);
}

static size_t insert(char *at, size_t len, size_t where, char byte)
{
	memmove(at + where + 1, at + where, len - where);
	at[where] = byte;
	return len + 1;
}

/* @at has room for a page more than @len. */
static size_t spoil(char *at, size_t len)
{
	size_t i, more;

	switch (draw(8)) {
	case 0:
		return insert(at, len, len, '\n');
	case 1:
		return insert(at, len, 0, "+- 0\n\t"[draw(6)]);
	case 2:
		return insert(at, len, draw(len + 1), draw(256));
	case 3:
		return len ? len - 1 : 0;
	case 4:		/* What follows a NUL is not looked at. */
		len = insert(at, len, len, '\0');
		more = draw(chance(4) ? 2 * PT_PAGE : 20);
		for (i = 0; i < more; i++)
			at[len++] = draw(256);
		return len;
	case 5:
		if (len)
			at[draw(len)] ^= 1 << draw(8);
		return len;
	case 6:		/* How much is cut off depends on the length alone. */
		more = PT_PAGE - 2 + draw(5);
		while (len < more)
			len = insert(at, len, len, '\0');
		return len;
	default:
		return insert(at, len, len, " x0\r"[draw(4)]);
	}
}

static size_t make_text(char *to)
{
	size_t (* const make[])(char *to) = {
		make_word, make_word, make_number, make_number, make_oddity,
		make_noise,
	};
	size_t len = make[draw(ARRAY_SIZE(make))](to);

	while (chance(2) && len < INPUT_BYTES / 2)
		len = spoil(to, len);
	return len;
}

static void make_input(struct input *in)
{
	static __thread char text[INPUT_BYTES + 2 * PT_PAGE];
	static const off_t offsets[] = {
		0, 1, 2, PT_PAGE - 1, PT_PAGE, INT_MAX, LLONG_MAX - PT_PAGE,
		LLONG_MAX - 4, LLONG_MAX, -1, LLONG_MIN,
	};

	in->how = draw(NR_HOW);
	in->readable = make_text(text);
	in->from = input_end - in->readable;
	memcpy(in->from, text, in->readable);
	in->len = in->readable;
	in->offset = offsets[draw(ARRAY_SIZE(offsets))];
	/* More than there is; more than there can be */
	if (chance(20))
		in->len += 1 + draw(2 * PT_PAGE);
	else if (chance(100) && in->how == HOW_WRITE)
		in->len = chance(2) ? SIZE_MAX - draw(10) : (size_t)1 << 32;
}

static int refuses_to_be_opened(const struct knob *knob)
{
	static const int flags[] = {
		O_WRONLY, O_RDWR, O_WRONLY | O_TRUNC, O_WRONLY | O_APPEND,
	};
	char path[400];
	int fd;

	snprintf(path, sizeof(path), PT_SYSFS "%s", knob->name);
	fd = open(path, flags[draw(ARRAY_SIZE(flags))] | O_CLOEXEC);
	if (fd < 0 && errno == EACCES) {
		count(&refused);
		return KSFT_PASS;
	}
	if (fd >= 0)
		close(fd);
	return pt_failed("%s can be opened for writing, or says %s", knob->name,
			 strerror(errno));
}

static int fuzz_writes(void)
{
	int verdict = KSFT_PASS;

	if (map_input())
		return pt_failed("no memory");
	while (fuzzing() && verdict == KSFT_PASS) {
		struct knob *knob = &knobs[draw(nr_knobs)];
		struct input in;

		if (knob->kind == KIND_READ_ONLY) {
			verdict = refuses_to_be_opened(knob);
			continue;
		}
		make_input(&in);
		verdict = check_write(knob, &in);
	}
	return verdict == KSFT_PASS ? both_answers_seen() : verdict;
}

/* Any piece of a file is that piece of its whole. */
static int fuzz_reads(void)
{
	static const off_t far[] = { -1, LLONG_MIN, LLONG_MAX, INT_MAX };
	char whole[KNOB_TEXT], piece[2 * KNOB_TEXT];

	/* Nothing counts in this mode. */
	if (pt_set_mode("never"))
		return pt_failed("cannot stop the thread");
	while (fuzzing()) {
		const struct knob *knob = &knobs[draw(nr_knobs)];
		off_t offset = chance(8) ? far[draw(ARRAY_SIZE(far))] :
				(off_t)draw(KNOB_TEXT);
		size_t len = draw(sizeof(piece) + 1);
		ssize_t size, got, expected;

		if (knob->kind == KIND_WRITE_ONLY)
			continue;
		size = read_knob(knob, whole);
		if (!is_line(whole, size))
			return pt_failed("%s says \"%s\"", knob->name, whole);
		got = pread(knob->fd, piece, len, offset);
		if (got < 0)
			got = -errno;
		expected = offset >= size ? 0 : size - offset;
		if (expected > (ssize_t)len)
			expected = len;
		if (offset < 0 || (__u64)offset + len > LLONG_MAX)
			expected = -EINVAL;
		if (got != expected ||
		    (got > 0 && memcmp(piece, whole + offset, got)))
			return pt_failed("%s: %zu bytes at %lld: %zd, not %zd",
					 knob->name, len, (long long)offset,
					 got, expected);
	}
	return KSFT_PASS;
}

/* What one can do to a file but not to these: true if it was refused */
static bool is_refused(int dir, const struct knob *knob, unsigned int what)
{
	const char *name = knob->name;

	switch (what) {
	case 0:
		return mmap(NULL, PT_PAGE, PROT_READ, MAP_SHARED, knob->fd,
			    0) == MAP_FAILED;
	case 1:
		return fallocate(knob->fd, draw(64), 0, 1 + draw(PT_PAGE));
	case 2:
		return unlinkat(dir, name, 0);
	case 3:
		return renameat(dir, name, dir, "other");
	case 4:
		return linkat(dir, name, dir, "other", 0);
	case 5:
		return symlinkat(name, dir, "other");
	case 6:
		return mkdirat(dir, "other", 0700);
	case 7:
		return openat(dir, "other", O_CREAT | O_RDWR, 0600) < 0;
	case 8:
		return unlinkat(dir, name, AT_REMOVEDIR);
	case 9:
		return rmdir(PT_SYSFS);
	case 10:
		return mknodat(dir, "other", S_IFIFO | 0600, 0);
	case 11:
		return read(knob->fd, (void *)-PT_PAGE, 1 + draw(PT_PAGE)) < 0;
	default:
		return pwrite(knob->fd, (void *)-PT_PAGE, 1 + draw(99), 0) < 0;
	}
}

/* Some may succeed, and none does anything. */
static void do_harmless(const struct knob *knob)
{
	char word[64];

	if (ftruncate(knob->fd, draw(10 * PT_PAGE)))
		count(&refused);
	if (ioctl(knob->fd, draw(1ULL << 32), word))
		count(&refused);
	if (lseek(knob->fd, draw(LLONG_MAX), draw(8)) < 0)
		count(&refused);
	if (fsync(knob->fd))
		count(&refused);
}

static int fuzz_file_operations(void)
{
	struct state before;
	int dir;

	take_state(&before);
	dir = open(PT_SYSFS, O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (dir < 0)
		return pt_failed(PT_SYSFS ": %s", strerror(errno));
	while (fuzzing()) {
		const struct knob *knob = &knobs[draw(nr_knobs)];
		unsigned int what = draw(13);

		if (!is_refused(dir, knob, what))
			return pt_failed("%s: operation %u is not refused",
					 knob->name, what);
		do_harmless(knob);
		if (!state_is(&before, NULL))
			return pt_failed("after operation %u on %s", what,
					 knob->name);
	}
	return KSFT_PASS;
}

/* Somebody else's, not even to read */
static int refuses_to_open_file_of(pid_t pid)
{
	static const int flags[] = { O_RDONLY, O_WRONLY, O_RDWR };
	int fd = pt_process_open(pid, flags[draw(ARRAY_SIZE(flags))]);

	if (fd == -EACCES || fd == -ENOENT)
		return KSFT_PASS;
	if (fd >= 0)
		close(fd);
	return pt_failed("the file of process %d can be opened, or says %d", pid,
			 fd);
}

static int fuzz_as_nobody(void)
{
	struct state before;
	size_t i;

	take_state(&before);
	/* His own process is his own. */
	if (pt_become_nobody() || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		return pt_failed("cannot drop root's rights: %s",
				 strerror(errno));
	while (fuzzing()) {
		if (refuses_to_open_file_of(getppid()))
			return KSFT_FAIL;
		for (i = 0; i < nr_knobs; i++) {
			if (refuses_to_be_opened(&knobs[i]))
				return KSFT_FAIL;
		}
		if (!state_is(&before, NULL))
			return KSFT_FAIL;
	}
	return KSFT_PASS;
}

/* prctl() */

static unsigned long draw_argument(void)
{
	static const unsigned long odd[] = {
		0, 1, 2, 3, -1UL, 1UL << 31, 1UL << 32, (1UL << 32) | 1,
		(1UL << 32) | 2, 1UL << 63,
	};

	return chance(6) ? pt_draw(&random_state) : odd[draw(ARRAY_SIZE(odd))];
}

static unsigned long draw_unused(void)
{
	return chance(5) ? draw_argument() : 0;
}

static long do_prctl(int option, const unsigned long *args)
{
	/* The kernel takes an int for the option: what is above is lost. */
	unsigned long wide = (unsigned int)option |
			     (chance(8) ? pt_draw(&random_state) << 32 : 0);
	long result = syscall(SYS_prctl, wide, args[0], args[1], args[2],
			      args[3]);

	return result < 0 ? -errno : result;
}

static int fuzz_prctl(void)
{
	struct state before;

	while (fuzzing()) {
		bool set = chance(2);
		unsigned long args[4] = {
			set ? draw_argument() : draw_unused(),
			draw_unused(), draw_unused(), draw_unused(),
		};
		bool unused = args[1] || args[2] || args[3];
		long expected, result;

		take_state(&before);
		if (set)
			expected = unused || args[0] > 2 ? -EINVAL : 0;
		else
			expected = unused || args[0] ? -EINVAL : before.setting;
		result = do_prctl(set ? PR_SET_PT_RECLAIM : PR_GET_PT_RECLAIM,
				  args);
		if (result != expected)
			return pt_failed("%s(%#lx, %#lx, %#lx, %#lx): %ld, not %ld",
					 set ? "set" : "get", args[0], args[1],
					 args[2], args[3], result, expected);
		count(result < 0 ? &refused : &taken);
		if (set && !result) {
			before.setting = args[0];
			before.settings.mode = args[0];
		}
		if (!state_is(&before, NULL))
			return KSFT_FAIL;
	}
	return both_answers_seen();
}

/* madvise() and process_madvise() */

#define SLOTS		32
#define KEPT_PAGES	4	/* in every other slot */
#define MAX_SPECIALS	32

/*
 * Slots of one table each. Every other one has pages that stay, with a pattern;
 * what is between them changes all the time.
 */
static struct pt_area arena;

/* A mapping of a kind of its own */
static struct special {
	char what[32];
	char *start;
	size_t bytes;
	bool has_content;	/* that can be read without side effects */
	bool is_one;		/* and cannot be split anywhere */
	__u64 sum;
	long present;
} specials[MAX_SPECIALS];
static size_t nr_specials;

static char *kept_page(size_t slot, size_t page)
{
	static const size_t offsets[KEPT_PAGES] = { 0, 7, 300, 511 };

	return arena.start + slot * PT_TABLE + offsets[page] * PT_PAGE;
}

static bool kept_page_is_intact(size_t slot, size_t page)
{
	if (pt_page_is_intact(kept_page(slot, page), pt_trial_seed,
			      slot * KEPT_PAGES + page))
		return true;
	pt_note("operation %lu: page %zu of slot %zu has changed", operations,
		page, slot);
	return false;
}

static bool all_kept_pages_are_intact(void)
{
	size_t slot, page;

	for (slot = 0; slot < SLOTS; slot += 2) {
		for (page = 0; page < KEPT_PAGES; page++) {
			if (!kept_page_is_intact(slot, page))
				return false;
		}
	}
	return true;
}

static int map_arena(void)
{
	size_t slot, page;
	int err;

	err = pt_area_map(&arena, PT_ANON, SLOTS * PT_TABLE);
	if (err)
		return err;
	if (madvise(arena.start, arena.bytes, MADV_NOHUGEPAGE) &&
	    errno != EINVAL)
		return -errno;
	for (slot = 0; slot < SLOTS; slot += 2) {
		for (page = 0; page < KEPT_PAGES; page++)
			pt_fill_page(kept_page(slot, page), pt_trial_seed,
				     slot * KEPT_PAGES + page);
	}
	return 0;
}

static __u64 sum_up(const struct special *special)
{
	const __u64 *at = (const __u64 *)special->start;
	const __u64 *end = at + special->bytes / sizeof(*at);
	__u64 sum = 0;

	while (special->has_content && at < end)
		sum = sum * 31 + *at++;
	return sum;
}

static void add_special(const char *what, void *start, size_t bytes,
			bool has_content)
{
	struct special *special = &specials[nr_specials];

	if (nr_specials == MAX_SPECIALS)
		return;
	if (start == MAP_FAILED) {
		pt_note("there is no %s here: %s", what, strerror(errno));
		return;
	}
	snprintf(special->what, sizeof(special->what), "%s", what);
	special->start = start;
	special->bytes = bytes;
	special->has_content = has_content;
	special->is_one = !strcmp(what, "hugetlb") || !strncmp(what, "v", 1);
	nr_specials++;
}

/* Memory that is only mapped, or has a pattern in it */
static void add_memory(const char *what, int fd, size_t bytes, int flags,
		       bool fill)
{
	char *start;
	size_t page;

	start = mmap(NULL, bytes, PROT_READ | PROT_WRITE,
		     flags | (fd < 0 ? MAP_ANONYMOUS : 0), fd, 0);
	for (page = 0; fill && start != MAP_FAILED && page < bytes / PT_PAGE;
	     page += 5)
		pt_fill_page(start + page * PT_PAGE, pt_trial_seed, page);
	add_special(what, start, bytes, fill);
}

static void add_hugetlb(void)
{
	if (pt_write_file("/proc/sys/vm/nr_hugepages", "4")) {
		pt_note("there is no hugetlb here");
		return;
	}
	add_memory("hugetlb", -1, 2 * PT_TABLE, MAP_PRIVATE | MAP_HUGETLB |
		   21 << MAP_HUGE_SHIFT, true);
}

static void add_secretmem(void)
{
	int fd = syscall(SYS_memfd_secret, O_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 8 * PT_PAGE)) {
		pt_note("there is no memfd_secret() here: %s", strerror(errno));
		return;
	}
	add_memory("secretmem", fd, 8 * PT_PAGE, MAP_SHARED, true);
	close(fd);
}

static void add_memfd(void)
{
	int fd = memfd_create("pt_reclaim", MFD_CLOEXEC);

	if (fd < 0 || ftruncate(fd, 64 * PT_PAGE)) {
		pt_note("there is no memfd here: %s", strerror(errno));
		return;
	}
	add_memory("memfd", fd, 64 * PT_PAGE, MAP_SHARED, true);
	close(fd);
}

/*
 * A device's registers, which are a PFN mapping filled by remap_pfn_range().
 * They are mapped and never touched.
 */
static void add_pfn_mapping(const char *path)
{
	int fd = open(path, O_RDONLY | O_CLOEXEC);
	char *start = MAP_FAILED;

	if (fd >= 0) {
		start = mmap(NULL, PT_PAGE, PROT_READ, MAP_SHARED, fd, 0);
		close(fd);
	}
	if (start != MAP_FAILED)
		add_special(path, start, PT_PAGE, false);
}

static void add_pci_mapping(void)
{
	size_t before = nr_specials;
	char path[400];
	struct dirent *entry;
	int number;
	DIR *dir;

	dir = opendir("/sys/bus/pci/devices");
	while (dir && nr_specials == before && (entry = readdir(dir))) {
		for (number = 0; number < 6 && nr_specials == before;
		     number++) {
			snprintf(path, sizeof(path),
				 "/sys/bus/pci/devices/%s/resource%d",
				 entry->d_name, number);
			add_pfn_mapping(path);
		}
	}
	if (dir)
		closedir(dir);
	if (nr_specials == before)
		pt_note("there is no PCI device here that can be mapped");
}

/* Those that the kernel has made: [stack], [vdso], [vvar], [vsyscall] */
static void add_kernels_own(void)
{
	unsigned long from, to;
	char line[512], what[32];
	FILE *maps;

	maps = fopen("/proc/self/maps", "r");
	while (maps && fgets(line, sizeof(line), maps)) {
		if (sscanf(line, "%lx-%lx %*s %*s %*s %*s [%30[^]]", &from,
			   &to, what) == 3)
			add_special(what, (void *)from, to - from,
				    !strcmp(what, "vdso"));
	}
	if (maps)
		fclose(maps);
}

static int map_specials(void)
{
	struct special *special;

	add_hugetlb();
	add_secretmem();
	add_memfd();
	add_memory("shared", -1, 3 * PT_TABLE, MAP_SHARED, true);
	add_memory("locked", -1, 16 * PT_PAGE, MAP_PRIVATE | MAP_LOCKED, true);
	add_memory("growing down", -1, 16 * PT_PAGE,
		   MAP_PRIVATE | MAP_GROWSDOWN, true);
	add_memory("never touched", -1, PT_GIB, MAP_PRIVATE | MAP_NORESERVE,
		   false);
	add_pfn_mapping("/dev/mem");
	add_pci_mapping();
	add_kernels_own();
	for (special = specials; special < specials + nr_specials; special++) {
		special->sum = sum_up(special);
		special->present = pt_pagemap_count(special->start, PT_PAGE,
						    PT_PAGEMAP_PRESENT);
	}
	return nr_specials ? 0 : -ENOENT;
}

static bool specials_are_intact(void)
{
	struct special *special;
	struct timespec now;

	for (special = specials; special < specials + nr_specials; special++) {
		if (sum_up(special) != special->sum) {
			pt_note("%s has changed", special->what);
			return false;
		}
		/* Device registers cannot be read, and must still be there. */
		if (!strncmp(special->what, "/", 1) &&
		    pt_pagemap_count(special->start, PT_PAGE,
				     PT_PAGEMAP_PRESENT) != special->present) {
			pt_note("%s has lost its page", special->what);
			return false;
		}
	}
	/* Through [vdso] and [vvar] */
	return !clock_gettime(CLOCK_MONOTONIC, &now) && now.tv_sec;
}

/* Changes what is mapped in one of the slots that keep nothing. */
static void shuffle_slot(size_t slot)
{
	size_t page = draw(PT_TABLE_PAGES);
	size_t pages = 1 + draw(PT_TABLE_PAGES - page);
	char *table = arena.start + slot * PT_TABLE;
	char *start = table + page * PT_PAGE;
	size_t bytes = pages * PT_PAGE;
	int flags = chance(4) ? MAP_SHARED : MAP_PRIVATE;

	switch (draw(8)) {
	case 0:
	case 1:
		munmap(start, bytes);
		break;
	case 2:
		mprotect(start, bytes, draw(8));
		break;
	case 3:
		madvise(start, bytes, MADV_DONTNEED);
		break;
	case 4:
		madvise(start, bytes, chance(2) ? MADV_DONTDUMP : MADV_DODUMP);
		break;
	case 5:
		page = draw(PT_TABLE_PAGES - pages + 1);
		mremap(start, bytes, bytes, MREMAP_MAYMOVE | MREMAP_FIXED,
		       table + page * PT_PAGE);
		break;
	default:
		if (mmap(start, bytes, PROT_READ | PROT_WRITE, MAP_FIXED |
			 MAP_ANONYMOUS | MAP_NORESERVE | flags, -1, 0) != start)
			return;
		for (; pages; pages -= 1 + pages / 8)
			start[(pages - 1) * PT_PAGE] = 1;
	}
}

static unsigned long draw_address(void)
{
	static const unsigned long odd[] = {
		0, PT_PAGE, 1UL << 32, (1UL << 47) - PT_PAGE, 1UL << 47,
		(1UL << 47) + PT_PAGE, 1UL << 56, 1UL << 63,
		0xffff800000000000, 0xffff888000000000, 0xffffffff81000000,
		0xffffffffff600000, -PT_PAGE, -PT_TABLE, -1UL << 39,
	};
	const struct special *special = &specials[draw(nr_specials)];
	unsigned long address;

	switch (draw(6)) {
	case 0:
		address = odd[draw(ARRAY_SIZE(odd))];
		break;
	case 1:
		address = pt_draw(&random_state) >> draw(30);
		address &= -PT_PAGE;
		break;
	case 2:
		address = (unsigned long)special->start +
			  draw(special->bytes / PT_PAGE + 1) * PT_PAGE;
		break;
	default:
		address = (unsigned long)arena.start +
			  draw(arena.bytes / PT_PAGE + 4) * PT_PAGE;
	}
	return chance(8) ? address + draw(2 * PT_PAGE) - PT_PAGE : address;
}

static size_t draw_length(unsigned long start)
{
	static const size_t odd[] = {
		0, 1, PT_PAGE - 1, PT_PAGE + 1, INT_MAX, 1UL << 32, 1UL << 46,
		1UL << 47, LONG_MAX, 1UL << 63, -PT_PAGE, -PT_PAGE + 1,
		SIZE_MAX,
	};

	switch (draw(6)) {
	case 0:
		return odd[draw(ARRAY_SIZE(odd))];
	case 1:		/* to the end of all addresses, or just past it */
		return -start + draw(4) * PT_PAGE - 2 * PT_PAGE;
	case 2:
		return pt_draw(&random_state) >> draw(64);
	case 3:
		return draw(4 * PT_TABLE);
	default:
		return draw(4 * PT_TABLE_PAGES) * PT_PAGE;
	}
}

/* What is mapped, in order */
struct layout {
	struct {
		unsigned long start;
		unsigned long end;
	} spans[1024];
	size_t nr;
};

/* Without [vsyscall], which is only shown there. */
static void add_span(struct layout *layout, unsigned long start,
		     unsigned long end)
{
	if ((long)start < 0)
		return;
	if (layout->nr && layout->spans[layout->nr - 1].end == start) {
		layout->spans[layout->nr - 1].end = end;
		return;
	}
	if (layout->nr < ARRAY_SIZE(layout->spans)) {
		layout->spans[layout->nr].start = start;
		layout->spans[layout->nr++].end = end;
	}
}

/* Maps nothing itself, or it would change what it reads. */
static int read_layout(pid_t pid, struct layout *layout)
{
	static char text[1 << 20];
	unsigned long start, end;
	char path[64], *at = text;
	size_t len = 0;
	ssize_t got;
	int fd;

	snprintf(path, sizeof(path), "/proc/%d/maps", pid);
	fd = open(path, O_RDONLY | O_CLOEXEC);
	if (fd < 0)
		return -errno;
	while ((got = read(fd, text + len, sizeof(text) - 1 - len)) > 0)
		len += got;
	close(fd);
	text[len] = '\0';
	layout->nr = 0;
	while (got == 0 && *at) {
		start = strtoul(at, &at, 16);
		end = strtoul(at + 1, &at, 16);
		add_span(layout, start, end);
		at = strchr(at, '\n');
		if (!at)
			return -EPROTO;
		at++;
	}
	return got;
}

static bool is_mapped(const struct layout *layout, unsigned long start,
		      unsigned long end)
{
	size_t i;

	for (i = 0; i < layout->nr; i++) {
		if (layout->spans[i].start <= start &&
		    end <= layout->spans[i].end)
			return true;
	}
	return false;
}

static int expect_madvise(const struct layout *layout, unsigned long start,
			  size_t len)
{
	size_t rounded = (len + PT_PAGE - 1) & -PT_PAGE;
	unsigned long end;

	if (start % PT_PAGE || (len && !rounded) ||
	    __builtin_add_overflow(start, rounded, &end))
		return -EINVAL;
	if (!rounded)
		return 0;
	return is_mapped(layout, start, end) ? 0 : -ENOMEM;
}

/* Advice that is neither ours nor anybody's */
static int draw_bad_advice(void)
{
	static const int bad[] = { -1, 63, 150, 199, INT_MIN, INT_MAX };

	return bad[draw(ARRAY_SIZE(bad))];
}

static bool is_mark(int advice)
{
	return advice == MADV_PT_RECLAIMABLE || advice == MADV_PT_UNRECLAIMABLE;
}

static int draw_mark(void)
{
	return chance(2) ? MADV_PT_RECLAIMABLE : MADV_PT_UNRECLAIMABLE;
}

/* How each page of the arena is marked, if it is mapped at all. */
#define ARENA_PAGES	(SLOTS * PT_TABLE_PAGES)
#define UNMAPPED	((unsigned char)~0)
#define MAX_ARENA_VMAS	8192

static int read_marks(unsigned char *marks)
{
	static struct pt_vma vmas[MAX_ARENA_VMAS];
	unsigned long first = (unsigned long)arena.start / PT_PAGE, page;
	long nr, i;

	nr = pt_read_vmas(0, arena.start, arena.bytes, vmas,
			  ARRAY_SIZE(vmas));
	if (nr < 0)
		return nr;
	memset(marks, UNMAPPED, ARENA_PAGES);
	for (i = 0; i < nr; i++) {
		for (page = vmas[i].start / PT_PAGE;
		     page < vmas[i].end / PT_PAGE; page++) {
			if (page >= first && page < first + ARENA_PAGES)
				marks[page - first] = pt_mark_of(&vmas[i]);
		}
	}
	return 0;
}

static void expect_marks(unsigned char *marks, unsigned long start, size_t len,
			 int advice)
{
	unsigned long first = (unsigned long)arena.start, end = start + len;
	unsigned long page;

	for (page = 0; page < ARENA_PAGES; page++) {
		unsigned long at = first + page * PT_PAGE;

		if (at >= start && at < end && marks[page] != UNMAPPED)
			marks[page] = advice == MADV_PT_RECLAIMABLE ?
				      PT_RECLAIMABLE : PT_UNRECLAIMABLE;
	}
}

static bool marks_are(const unsigned char *expected)
{
	static unsigned char now[ARENA_PAGES];
	unsigned long page;

	if (read_marks(now)) {
		pt_note("cannot read the marks");
		return false;
	}
	for (page = 0; page < ARENA_PAGES; page++) {
		if (now[page] == expected[page])
			continue;
		pt_note("operation %lu: the mark of page %lu is %d, not %d",
			operations, page, now[page], expected[page]);
		return false;
	}
	return true;
}

/* So that there are not more and more VMAs. What is refused does not matter. */
static void unify_marks(void)
{
	size_t i;

	pt_mark(arena.reserved, arena.reserved_bytes, PT_RECLAIMABLE);
	for (i = 0; i < nr_specials; i++)
		pt_mark(specials[i].start, specials[i].bytes, PT_RECLAIMABLE);
}

static bool is_inside(const struct special *special, unsigned long address)
{
	unsigned long start = (unsigned long)special->start;

	return address > start && address < start + special->bytes;
}

/* Would one of those have to be split that cannot? */
static bool splits_what_is_one(unsigned long start, size_t len)
{
	unsigned long end = start + ((len + PT_PAGE - 1) & -PT_PAGE);
	size_t i;

	for (i = 0; i < nr_specials; i++) {
		if (specials[i].is_one && (is_inside(&specials[i], start) ||
					   is_inside(&specials[i], end)))
			return true;
	}
	return false;
}

static int check_advice(const struct layout *layout, int advice)
{
	static unsigned char marks[ARENA_PAGES];
	unsigned long start = draw_address();
	size_t len = draw_length(start);
	long scanned = pt_knob("tables_scanned");
	/* It takes much longer than all the rest. */
	bool look = chance(16);
	int expected, result;

	/* Or hardly any would be taken at all. */
	if (chance(2)) {
		start = (unsigned long)kept_page(draw(SLOTS / 2) * 2, 0);
		len = draw(PT_TABLE + 1);
	}
	expected = advice == MADV_PT_RECLAIM || is_mark(advice) ?
		   expect_madvise(layout, start, len) : -EINVAL;
	if (look && read_marks(marks))
		return pt_failed("cannot read the marks");
	result = madvise((void *)start, len, advice);
	if (result)
		result = -errno;
	count(result < 0 ? &refused : &taken);
	if (result == -EINVAL && expected != -EINVAL && is_mark(advice) &&
	    splits_what_is_one(start, len))
		return KSFT_PASS;
	if (result != expected)
		return pt_failed("operation %lu: madvise(%#lx, %#zx, %d): %d, not %d",
				 operations, start, len, advice, result,
				 expected);
	if (result == -EINVAL && pt_knob("tables_scanned") != scanned)
		return pt_failed("operation %lu: madvise(%#lx, %#zx, %d) was refused and scans",
				 operations, start, len, advice);
	if (result != -EINVAL && is_mark(advice))
		expect_marks(marks, start, (len + PT_PAGE - 1) & -PT_PAGE,
			     advice);
	return !look || marks_are(marks) ? KSFT_PASS : KSFT_FAIL;
}

static int draw_advice(void)
{
	if (chance(20))
		return draw_bad_advice();
	return chance(2) ? draw_mark() : MADV_PT_RECLAIM;
}

/* Nobody but this process does anything: what it says can be foretold. */
static int prepare_madvise(void)
{
	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	if (pt_set_mode("never") || map_arena() || map_specials())
		return pt_failed("cannot make the mappings: %s",
				 strerror(errno));
	/* That may have taken a while. */
	fuzz_end = pt_now() + pt_trial_seconds;
	return KSFT_PASS;
}

static bool all_is_intact(void)
{
	if (operations % 64)
		return kept_page_is_intact(draw(SLOTS / 2) * 2,
					   draw(KEPT_PAGES));
	return all_kept_pages_are_intact() && specials_are_intact();
}

static int fuzz_madvise(void)
{
	static struct layout layout;
	struct state before;
	int verdict;

	verdict = prepare_madvise();
	take_state(&before);
	while (verdict == KSFT_PASS && fuzzing()) {
		shuffle_slot(draw(SLOTS / 2) * 2 + 1);
		if (read_layout(getpid(), &layout))
			return pt_failed("cannot read what is mapped");
		verdict = check_advice(&layout, draw_advice());
		if (!all_is_intact())
			return KSFT_FAIL;
		if (operations % 64 == 0)
			unify_marks();
	}
	if (verdict == KSFT_PASS && !state_is(&before, NULL))
		verdict = KSFT_FAIL;
	return verdict == KSFT_PASS ? both_answers_seen() : verdict;
}

#define MAX_VECTORS	1026

/* The pid that is advised: this process, a child, or one that is no more. */
struct target {
	pid_t pid;
	int fd;
	int err;		/* what the kernel says of @fd */
	struct layout layout;
};

struct advice {
	const struct iovec *vectors;
	size_t nr;		/* as passed: the kernel takes 32 bits of it */
	struct iovec *readable;	/* @vectors, if they can be read */
	long advice;
	unsigned int flags;
};

static unsigned long user_end = (1UL << 47) - PT_PAGE;

static void find_user_end(void)
{
	char flags[4096], *word, *rest;
	FILE *info = fopen("/proc/cpuinfo", "r");

	while (info && fgets(flags, sizeof(flags), info)) {
		for (word = strtok_r(flags, "\n ", &rest); word;
		     word = strtok_r(NULL, "\n ", &rest)) {
			if (!strcmp(word, "la57"))
				user_end = (1UL << 56) - PT_PAGE;
		}
	}
	if (info)
		fclose(info);
}

static bool is_user(const void *base, size_t len)
{
	unsigned long end;

	return !__builtin_add_overflow((unsigned long)base, len, &end) &&
	       end <= user_end;
}

/* import_iovec(): cuts the lengths, and returns their sum or an error. */
static long expect_import(const struct advice *advice, struct iovec *cut)
{
	const long most = INT_MAX & -PT_PAGE;
	size_t i, nr = (unsigned int)advice->nr;
	long sum = 0;

	if (nr > 1024)
		return -EINVAL;
	if (nr && !advice->readable)
		return -EFAULT;
	for (i = 0; i < nr; i++) {
		cut[i] = advice->readable[i];
		if ((ssize_t)cut[i].iov_len < 0)
			return -EINVAL;
	}
	for (i = 0; i < nr; i++) {
		/* One alone is cut before it is looked at. */
		if (nr == 1 && (long)cut[i].iov_len > most)
			cut[i].iov_len = most;
		if (!is_user(cut[i].iov_base, cut[i].iov_len))
			return -EFAULT;
		if ((long)cut[i].iov_len > most - sum)
			cut[i].iov_len = most - sum;
		sum += cut[i].iov_len;
	}
	return sum;
}

static long expect_process_madvise(const struct target *target,
				   const struct advice *advice)
{
	static struct iovec cut[MAX_VECTORS];
	long left, result, done = 0;
	size_t i = 0;

	if (advice->flags)
		return -EINVAL;
	left = expect_import(advice, cut);
	if (left < 0)
		return left;
	if (target->err)
		return target->err;
	if ((int)advice->advice != MADV_PT_RECLAIM)
		return -EINVAL;
	for (result = 0; left > done; done += cut[i++].iov_len) {
		/* An empty one counts only where it is the first. */
		while (i && !cut[i].iov_len)
			i++;
		result = expect_madvise(&target->layout,
					(unsigned long)cut[i].iov_base,
					cut[i].iov_len);
		if (result < 0)
			break;
	}
	return done ? done : result;
}

static void make_advice(struct advice *advice)
{
	static struct iovec vectors[MAX_VECTORS];
	static const unsigned int odd[] = { 0, 1, 1023, 1024, 1025, UINT_MAX };
	size_t i, nr = chance(10) ? odd[draw(ARRAY_SIZE(odd))] : draw(12);

	for (i = 0; i < nr && i < MAX_VECTORS; i++) {
		vectors[i].iov_base = (void *)draw_address();
		vectors[i].iov_len = draw_length((long)vectors[i].iov_base);
		/* Or hardly any would be taken at all. */
		if (draw(8)) {
			vectors[i].iov_base = kept_page(draw(SLOTS / 2) * 2, 0);
			vectors[i].iov_len = draw(PT_TABLE + 1);
		}
	}
	advice->readable = chance(30) ? NULL : vectors;
	advice->vectors = advice->readable ? vectors : chance(2) ? NULL :
			  (void *)-PT_PAGE;
	advice->nr = nr | (chance(20) ? 1UL << 32 : 0);
	advice->advice = chance(12) ? draw_bad_advice() :
			 chance(12) ? draw_mark() : MADV_PT_RECLAIM;
	advice->flags = chance(12) ? draw(UINT_MAX) : 0;
	if (chance(20))		/* an int for the kernel, too */
		advice->advice |= 1L << 32;
}

static int check_process_madvise(const struct target *target)
{
	struct advice advice;
	long expected, result;

	make_advice(&advice);
	expected = expect_process_madvise(target, &advice);
	result = syscall(SYS_process_madvise, target->fd, advice.vectors,
			 advice.nr, advice.advice, advice.flags);
	if (result < 0)
		result = -errno;
	if (result < 0)
		count(&refused);
	else if (result)
		count(&taken);
	if (result != expected)
		return pt_failed("operation %lu: of %zu, %#lx, %#x, to %d: %ld, not %ld",
				 operations, advice.nr, advice.advice,
				 advice.flags, target->pid, result, expected);
	return KSFT_PASS;
}

static pid_t fork_target(void)
{
	pid_t pid = fork();

	if (pid)
		return pid;
	prctl(PR_SET_PDEATHSIG, SIGKILL);
	for (;;)
		pause();
}

enum { TARGET_SELF, TARGET_CHILD, TARGET_DEAD, TARGET_NONE, TARGETS };

static int open_target(struct target *target, pid_t pid)
{
	target->pid = pid;
	target->fd = syscall(SYS_pidfd_open, pid, 0);
	return target->fd < 0 ? -errno : read_layout(pid, &target->layout);
}

static void end_child(pid_t pid)
{
	kill(pid, SIGKILL);
	waitpid(pid, NULL, 0);
}

static int open_targets(struct target *targets)
{
	int err;

	err = open_target(&targets[TARGET_DEAD], fork_target());
	end_child(targets[TARGET_DEAD].pid);
	targets[TARGET_DEAD].err = -ESRCH;
	targets[TARGET_NONE].fd = -1;
	targets[TARGET_NONE].err = -EBADF;
	if (!err)
		err = open_target(&targets[TARGET_SELF], getpid());
	if (!err)
		err = open_target(&targets[TARGET_CHILD], fork_target());
	return err;
}

static void close_targets(struct target *targets)
{
	end_child(targets[TARGET_CHILD].pid);
	close(targets[TARGET_CHILD].fd);
	close(targets[TARGET_DEAD].fd);
	close(targets[TARGET_SELF].fd);
}

static int fuzz_process_madvise(void)
{
	static unsigned char marks[ARENA_PAGES];
	static struct target targets[TARGETS];
	struct target *target;
	int verdict, i;

	find_user_end();
	verdict = prepare_madvise();
	if (verdict == KSFT_PASS)
		unify_marks();
	while (verdict == KSFT_PASS && fuzzing()) {
		for (i = 0; i < 8; i++)
			shuffle_slot(draw(SLOTS / 2) * 2 + 1);
		if (open_targets(targets) || read_marks(marks))
			return pt_failed("cannot make children");
		for (i = 0; i < 100 && verdict == KSFT_PASS; i++) {
			target = &targets[draw(TARGETS)];
			operations++;
			verdict = check_process_madvise(target);
			if (!all_is_intact())
				return KSFT_FAIL;
		}
		if (!marks_are(marks))
			return KSFT_FAIL;
		close_targets(targets);
	}
	return verdict == KSFT_PASS ? both_answers_seen() : verdict;
}

/* /proc/pid/pt_reclaim, of this process, of a child, and of one that is no more */

#define MAX_DELAY_MS	3600000
#define MAX_LINE	63

/**
 * struct file - the file of a process
 * @pid: Whose; 0: of this one.
 * @knob: Its descriptor, as do_write() wants it.
 * @gone: The process is.
 */
struct file {
	pid_t pid;
	struct knob knob;
	bool gone;
};

/* The next word, without the blanks before it, which are looked at as well */
static const char *next_word(const char **text, size_t *len)
{
	const char *word;

	*text += strspn(*text, " \t");
	word = *text;
	*len = strcspn(word, " \t");
	*text += *len;
	return *len ? word : NULL;
}

static bool word_is(const char *word, size_t len, const char *expected)
{
	return strlen(expected) == len && !memcmp(word, expected, len);
}

/* A number up to @most; the sign that the kernel takes is not documented. */
static int judge_limited(const char *digits, long long most, long long *value)
{
	__u64 number;
	int err;

	if (strchr(digits, '\n'))
		return -EINVAL;
	err = parse_decimal(digits, &number);
	if (err || number > (__u64)most)
		return -EINVAL;
	*value = number;
	return *digits == '+' ? UNKNOWN : 0;
}

static int judge_setting(const char *key, size_t key_len, const char *value,
			 struct settings *settings)
{
	if (word_is(key, key_len, "scan_delay_millisecs"))
		return judge_limited(value, MAX_DELAY_MS, &settings->delay);
	if (word_is(key, key_len, "scan_tables"))
		return judge_limited(value, UINT32_MAX, &settings->tables);
	if (!word_is(key, key_len, "mode") || find_mode(value) < 0)
		return -EINVAL;
	settings->mode = find_mode(value);
	return 0;
}

/*
 * A line without its newline. UNKNOWN where it is not documented whether it is
 * taken; @settings are what they are then.
 */
static int judge_line(const char *line, struct settings *settings)
{
	const char *key, *value, *at = line;
	char copy[MAX_LINE + 1];
	size_t key_len, len, rest;
	bool odd = isblank((unsigned char)*line);
	int judged;

	key = next_word(&at, &key_len);
	if (!key)
		return -EINVAL;
	value = next_word(&at, &len);
	if (!value) {
		judged = word_is(key, key_len, "reclaim") ? 0 : -EINVAL;
	} else {
		memcpy(copy, value, len);
		copy[len] = '\0';
		judged = judge_setting(key, key_len, copy, settings);
		odd = odd || *at;
		if (next_word(&at, &rest))
			judged = -EINVAL;
	}
	/* Blanks at its beginning or end */
	if (!value && key[key_len])
		odd = true;
	return judged || !odd ? judged : UNKNOWN;
}

static int judge_command(const struct input *in, struct settings *settings)
{
	char line[MAX_LINE + 1];

	if (!in->len || in->len > MAX_LINE)
		return -EINVAL;
	if (in->readable < in->len)
		return -EFAULT;
	memcpy(line, in->from, in->len);
	line[in->len] = '\0';
	if (strlen(line) != in->len)
		return -EINVAL;
	if (line[in->len - 1] == '\n')
		line[in->len - 1] = '\0';
	return strchr(line, '\n') ? -EINVAL : judge_line(line, settings);
}

static size_t make_command(char *to)
{
	static const char * const words[] = {
		"mode", "scan_delay_millisecs", "scan_tables", "reclaim",
		"default", "enable", "disable", "visits", "",
	};
	static const char * const between[] = { " ", "  ", "\t", " \t ", "\n" };
	char number[PT_PAGE * 2];
	unsigned int key = draw(5);
	size_t len;

	len = sprintf(to, "%s", words[key < 4 ? key :
				      draw(ARRAY_SIZE(words))]);
	if (chance(key == 3 ? 2 : 8))
		return len + sprintf(to + len, "%s", chance(2) ? "\n" : "");
	len += sprintf(to + len, "%s", chance(4) ?
		       between[draw(ARRAY_SIZE(between))] : " ");
	number[make_number(number)] = '\0';
	if (chance(8))
		len += sprintf(to + len, "%s", words[draw(ARRAY_SIZE(words))]);
	else if (key == 0)
		len += sprintf(to + len, "%s", mode_names[draw(3)]);
	else
		len += sprintf(to + len, "%.60s", number);
	return len + sprintf(to + len, "%s", chance(2) ? "\n" : "");
}

static void make_line(struct input *in)
{
	static __thread char text[INPUT_BYTES];

	make_input(in);
	/* Each of its parts would be a write of its own. */
	if (in->how == HOW_WRITEV)
		in->how = HOW_WRITE;
	if (chance(8))
		return;
	in->readable = make_command(text);
	if (chance(4))
		in->readable = spoil(text, in->readable);
	in->from = input_end - in->readable;
	memcpy(in->from, text, in->readable);
	in->len = in->readable;
	if (chance(50))
		in->len += 1 + draw(8);
}

/* Is the answer the one that is due, or one that is as good? */
static bool answer_is_right(const struct file *file, const struct input *in,
			    long result, int judged)
{
	if (judged == UNKNOWN && result == -EINVAL)
		return true;
	/* It is nobody's business whether a line can be at an offset. */
	if (in->how == HOW_PWRITE && (result == -ESPIPE || result == -EINVAL))
		return true;
	if ((ssize_t)in->len < 0 && result == -EFAULT)
		return true;
	if (file->gone)
		return result == -ESRCH || result == judged;
	return result == (judged && judged != UNKNOWN ? judged : (long)in->len);
}

static int check_line(const struct file *file)
{
	struct settings before, after;
	struct input in;
	long result;
	int judged;
	bool right;

	make_line(&in);
	take_settings(file->pid, &before);
	after = before;
	judged = judge_command(&in, &after);
	result = do_write(&file->knob, &in);
	count(result < 0 ? &refused : &taken);
	right = answer_is_right(file, &in, result, judged);
	if (!right)
		pt_note("the answer is %ld, not %d", result, judged);
	if (!settings_are(file->pid, result < 0 ? &before : &after))
		right = false;
	if (!file->pid && get_setting() != (result < 0 ? before.mode : after.mode))
		right = false;
	if (!right)
		print_input(&file->knob, &in);
	return right ? KSFT_PASS : KSFT_FAIL;
}

static int open_process_file(struct file *file, const char *name, pid_t pid)
{
	file->pid = pid;
	snprintf(file->knob.name, sizeof(file->knob.name), "%s", name);
	file->knob.fd = pt_process_open(pid, O_RDWR);
	return file->knob.fd < 0 ? file->knob.fd : 0;
}

static int fuzz_proc_file(void)
{
	static const char * const modes[] = { "never", "madvise", "always" };
	struct file own = { }, child = { }, gone = { };
	struct file *files[] = { &own, &child, &gone };
	int verdict = KSFT_PASS;
	pid_t pid = fork_target();
	int err;

	err = open_process_file(&own, "the own file", 0);
	if (err == -ENOENT)
		return pt_skipped("this kernel has no /proc/pid/pt_reclaim");
	if (!err)
		err = open_process_file(&child, "a child's file", pid);
	pid = fork_target();
	if (!err)
		err = open_process_file(&gone, "a dead process's file", pid);
	end_child(pid);
	gone.gone = true;
	if (err || map_input())
		return pt_failed("cannot begin: %s", strerror(-err));
	while (fuzzing() && verdict == KSFT_PASS) {
		verdict = check_line(files[draw(ARRAY_SIZE(files))]);
		/* What is set stays, whoever takes part. */
		if (chance(50) && pt_set_mode(modes[draw(3)]))
			verdict = KSFT_FAIL;
	}
	end_child(child.pid);
	return verdict == KSFT_PASS ? both_answers_seen() : verdict;
}

/* Everything at once */

static bool stopped;
static int verdict_of_all = KSFT_PASS;
static pid_t bystander;
static int bystander_fd;
/* From here on nobody maps anything where he likes: it would be in a slot. */
static pthread_barrier_t all_have_mapped;

static bool stop_asked(void)
{
	return __atomic_load_n(&stopped, __ATOMIC_RELAXED);
}

static void stop(int verdict)
{
	if (verdict != KSFT_PASS)
		__atomic_store_n(&verdict_of_all, verdict, __ATOMIC_RELAXED);
	__atomic_store_n(&stopped, true, __ATOMIC_RELAXED);
}

static bool is_one_of(long result, const int *errors, size_t nr)
{
	size_t i;

	for (i = 0; i < nr; i++) {
		if (result == -errors[i])
			return true;
	}
	return result >= 0;
}

#define allow(result, ...) ({						\
	static const int __errors[] = { __VA_ARGS__ };			\
									\
	is_one_of(result, __errors, ARRAY_SIZE(__errors)); })

static int write_anything(void)
{
	struct knob *knob = &knobs[draw(nr_knobs)];
	struct answer answer = { };
	struct input in;
	long result;

	if (knob->kind == KIND_READ_ONLY)
		return refuses_to_be_opened(knob);
	make_input(&in);
	find_answer(knob, &in, &answer);
	result = do_write(knob, &in);
	count(result < 0 ? &refused : &taken);
	if (result == answer.result || answer.result == UNKNOWN)
		return KSFT_PASS;
	print_input(knob, &in);
	return pt_failed("the answer is %ld, not %ld", result, answer.result);
}

static int set_anything(void)
{
	unsigned long args[4] = {
		draw_argument(), draw_unused(), draw_unused(), draw_unused(),
	};
	bool bad = args[0] > 2 || args[1] || args[2] || args[3];
	long result = do_prctl(PR_SET_PT_RECLAIM, args);
	long setting = get_setting();

	if (result != (bad ? -EINVAL : 0) || setting < 0 || setting > 2)
		return pt_failed("set(%#lx, %#lx, %#lx, %#lx): %ld, then get: %ld",
				 args[0], args[1], args[2], args[3], result,
				 setting);
	return KSFT_PASS;
}

static int advise_anything(void)
{
	unsigned long start = draw_address();
	size_t len = draw_length(start);
	long result = madvise((void *)start, len, MADV_PT_RECLAIM);

	if (result)
		result = -errno;
	count(result < 0 ? &refused : &taken);
	if (!allow(result, EINVAL, ENOMEM))
		return pt_failed("madvise(%#lx, %#zx): %ld", start, len,
				 result);
	return KSFT_PASS;
}

static int mark_anything(void)
{
	unsigned long start = draw_address();
	size_t len = draw_length(start);
	int advice = draw_mark();
	long result = madvise((void *)start, len, advice);

	if (result)
		result = -errno;
	count(result < 0 ? &refused : &taken);
	if (!allow(result, EINVAL, ENOMEM))
		return pt_failed("madvise(%#lx, %#zx, %d): %ld", start, len,
				 advice, result);
	if (chance(64))
		unify_marks();
	return KSFT_PASS;
}

/* What is set meanwhile by others cannot be foretold, but the answer can. */
static int write_any_line(void)
{
	struct file file = { .pid = chance(2) ? bystander : 0 };
	struct settings settings = { };
	struct input in;
	long result;
	int judged;

	if (open_process_file(&file, "a file", file.pid))
		return pt_failed("cannot open the file of process %d", file.pid);
	make_line(&in);
	judged = judge_command(&in, &settings);
	result = do_write(&file.knob, &in);
	close(file.knob.fd);
	count(result < 0 ? &refused : &taken);
	if (answer_is_right(&file, &in, result, judged))
		return KSFT_PASS;
	print_input(&file.knob, &in);
	return pt_failed("the answer is %ld, not %d", result, judged);
}

static int advise_anybody(void)
{
	struct iovec vectors[4];
	long result;
	size_t i;

	for (i = 0; i < ARRAY_SIZE(vectors); i++) {
		vectors[i].iov_base = (void *)draw_address();
		vectors[i].iov_len = draw_length((long)vectors[i].iov_base);
	}
	result = syscall(SYS_process_madvise, bystander_fd, vectors, draw(5),
			 MADV_PT_RECLAIM, 0);
	if (result < 0)
		result = -errno;
	count(result < 0 ? &refused : &taken);
	if (!allow(result, EINVAL, ENOMEM, EFAULT))
		return pt_failed("process_madvise(): %ld", result);
	return KSFT_PASS;
}

/* Whoever shuffles has slots of its own: every other one of the odd ones. */
static int shuffle_anything(size_t first)
{
	shuffle_slot(draw(SLOTS / 4) * 4 + first);
	return KSFT_PASS;
}

static int look_at_what_is_kept(void)
{
	if (!kept_page_is_intact(draw(SLOTS / 2) * 2, draw(KEPT_PAGES)))
		return KSFT_FAIL;
	return KSFT_PASS;
}

/* A child looks as well, and ends. */
static int fork_anything(void)
{
	int status;
	pid_t pid;

	pid = fork();
	if (!pid) {
		madvise(arena.start, arena.bytes, MADV_PT_RECLAIM);
		_exit(!all_kept_pages_are_intact());
	}
	if (pid < 0)
		return pt_failed("fork: %s", strerror(errno));
	status = pt_reap(pid, 60, "a child that only looks at its memory");
	if (status)
		return pt_failed("a child ended with status %#x", status);
	return KSFT_PASS;
}

#define NR_THREADS	12

static int do_anything(unsigned int number)
{
	switch (number) {
	case 0:
		return shuffle_anything(1);
	case 1:
		return shuffle_anything(3);
	case 2:
	case 3:
		return write_anything();
	case 4:
		return set_anything();
	case 5:
	case 6:
		return advise_anything();
	case 7:
		return advise_anybody();
	case 8:
		return look_at_what_is_kept();
	case 9:
		return mark_anything();
	case 10:
		return write_any_line();
	default:
		return fork_anything();
	}
}

static void *be_a_thread(void *arg)
{
	unsigned int number = (uintptr_t)arg;
	int verdict = KSFT_PASS;

	random_state = pt_trial_seed + ((__u64)number << 32);
	if (map_input())
		verdict = KSFT_FAIL;
	pthread_barrier_wait(&all_have_mapped);
	while (verdict == KSFT_PASS && !stop_asked()) {
		verdict = do_anything(number);
		count(&operations);
	}
	if (verdict != KSFT_PASS)
		stop(verdict);
	return NULL;
}

static int run_threads(void)
{
	pthread_t threads[NR_THREADS];
	unsigned int i;

	pthread_barrier_init(&all_have_mapped, NULL, NR_THREADS);
	for (i = 0; i < NR_THREADS; i++) {
		if (pthread_create(&threads[i], NULL, be_a_thread,
				   (void *)(uintptr_t)i))
			return pt_failed("no thread");
	}
	while (pt_now() < fuzz_end && !stop_asked())
		pt_pause_ms(50);
	stop(KSFT_PASS);
	while (i--)
		pthread_join(threads[i], NULL);
	return verdict_of_all;
}

/* What is left behind is in order, and the thread still does what it should. */
static int still_works(void)
{
	struct pt_area area;
	size_t i;
	char text[KNOB_TEXT];
	long before;

	for (i = 0; i < nr_knobs; i++) {
		if (knobs[i].kind != KIND_WRITE_ONLY &&
		    !is_line(text, read_knob(&knobs[i], text)))
			return pt_failed("%s says \"%s\"", knobs[i].name, text);
	}
	if (prctl(PR_SET_PT_RECLAIM, PR_PT_RECLAIM_DEFAULT, 0, 0, 0) ||
	    pt_process_write(0, "scan_delay_millisecs 0") ||
	    pt_process_write(0, "scan_tables 0") ||
	    pt_start_thread("never", 10) ||
	    pt_set_knob("tables_to_scan", 65536) ||
	    pt_area_map(&area, PT_ANON, 64 * PT_TABLE) || pt_area_waste(&area))
		return pt_failed("cannot start over: %s", strerror(errno));
	before = pt_vmpte_kb(0);
	if (pt_set_mode("always") ||
	    !pt_wait(30, "tables to go after all",
		     pt_vmpte_kb(0) <= before - 32 * PT_TABLE_KB))
		return KSFT_FAIL;
	return all_kept_pages_are_intact() ? KSFT_PASS : KSFT_FAIL;
}

static int fuzz_all_at_once(void)
{
	int verdict;

	verdict = prepare_madvise();
	if (verdict != KSFT_PASS)
		return verdict;
	bystander = fork_target();
	bystander_fd = syscall(SYS_pidfd_open, bystander, 0);
	if (bystander_fd < 0 || pt_start_thread("always", 1))
		return pt_failed("cannot begin: %s", strerror(errno));
	verdict = run_threads();
	end_child(bystander);
	if (verdict == KSFT_PASS && !specials_are_intact())
		verdict = KSFT_FAIL;
	return verdict == KSFT_PASS ? still_works() : verdict;
}

/* The program */

static int begin(void)
{
	if (pt_set_knob("tables_to_scan", 65536) ||
	    pt_start_thread("madvise", 10))
		return pt_failed("cannot change the settings");
	random_state = pt_trial_seed;
	fuzz_end = pt_now() + pt_trial_seconds;
	return find_knobs();
}

static int run_fuzz(int (*fuzz)(void))
{
	int verdict = begin();

	if (verdict == KSFT_PASS)
		verdict = fuzz();
	pt_note("%s: %lu operations, %lu taken, %lu refused", pt_trial_name,
		operations, taken, refused);
	return verdict;
}

static const struct pt_trial trials[] = {
	{ "test_writes_are_taken_or_change_nothing", fuzz_writes },
	{ "test_pieces_read_are_pieces_of_the_whole", fuzz_reads },
	{ "test_files_can_only_be_read_and_written", fuzz_file_operations },
	{ "test_others_cannot_open_to_write", fuzz_as_nobody },
	{ "test_prctl_takes_what_is_documented", fuzz_prctl },
	{ "test_madvise_answers_what_is_documented", fuzz_madvise },
	{ "test_process_madvise_answers_what_is_documented",
	  fuzz_process_madvise },
	{ "test_proc_file_refuses_and_changes_nothing", fuzz_proc_file },
	{ "test_all_at_once_breaks_nothing", fuzz_all_at_once },
};

int main(int argc, char **argv)
{
	pt_run_trials(argc, argv, trials, ARRAY_SIZE(trials), run_fuzz);
}
