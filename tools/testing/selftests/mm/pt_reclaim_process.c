// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/pid/pt_reclaim: what it says, what can be written there, what that does, and
 * for how long it holds. Who may do so is in pt_reclaim_rights.c.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <pthread.h>
#include <sched.h>
#include <signal.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_interface.h"

#define TEST_SECONDS	1200
#define MAX_DELAY_MS	3600000ULL
#define TEXT_BYTES	4096

static int write_text(int fd, const char *text)
{
	return pt_write_bytes(fd, text, strlen(text));
}

/* Of the caller, while there is no thread */
FIXTURE(file) { };

FIXTURE_SETUP(file)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_STREQ("default 0 0", pt_process_settings(0));
}

FIXTURE_TEARDOWN(file) { }

/* The words that may be behind a key, or a number */
static const struct {
	const char *key;
	const char *words[4];
	bool number;
} lines[] = {
	{ "takes_part", { "all", "marked", "none" }, false },
	{ "reason", { "system", "prctl", "mark" }, false },
	{ "mode", { "default", "enable", "disable" }, false },
	{ "registered", { "0", "1" }, false },
	{ "scan_delay_millisecs", .number = true },
	{ "scan_tables", .number = true },
	{ "visits", .number = true },
	{ "tables_scanned", .number = true },
	{ "tables_reclaimed", .number = true },
	{ "pte_table_bytes", .number = true },
	{ "last_visit_millisecs", { "never" }, .number = true },
	{ "left_busy", .number = true },
	{ "left_raced", .number = true },
	{ "left_unfit", .number = true },
};

static bool value_fits(size_t number, const char *value)
{
	size_t i;

	for (i = 0; i < 4 && lines[number].words[i]; i++) {
		if (!strcmp(value, lines[number].words[i]))
			return true;
	}
	return lines[number].number && *value &&
	       strspn(value, "0123456789") == strlen(value);
}

static void expect_lines(struct __test_metadata *_metadata, char *text)
{
	char *line, *rest, *value;
	size_t i = 0;

	for (line = strtok_r(text, "\n", &rest); line;
	     line = strtok_r(NULL, "\n", &rest), i++) {
		ASSERT_LT(i, ARRAY_SIZE(lines));
		value = strstr(line, ": ");
		ASSERT_NE(NULL, value) {
			TH_LOG("the line \"%s\"", line);
		}
		*value = '\0';
		EXPECT_STREQ(lines[i].key, line);
		EXPECT_TRUE(value_fits(i, value + 2)) {
			TH_LOG("%s is \"%s\"", line, value + 2);
		}
	}
	EXPECT_EQ(ARRAY_SIZE(lines), i);
}

TEST_F(file, test_lines_are_those_that_are_documented)
{
	static const char * const modes[] = { "never", "madvise", "always" };
	char text[TEXT_BYTES];
	ssize_t len;
	size_t i;
	int fd;

	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, pt_set_mode(modes[i]));
		fd = pt_process_open(0, O_RDONLY);
		ASSERT_LE(0, fd);
		len = read(fd, text, sizeof(text) - 1);
		close(fd);
		ASSERT_LT(0, len);
		EXPECT_EQ('\n', text[len - 1]);
		text[len] = '\0';
		EXPECT_EQ(NULL, strstr(text, "\n\n"));
		expect_lines(_metadata, text);
	}
}

TEST_F(file, test_mode_of_the_file)
{
	struct stat stat_buf;

	ASSERT_EQ(0, stat("/proc/self/pt_reclaim", &stat_buf));
	EXPECT_EQ(0644U, stat_buf.st_mode & 07777U);
}

TEST_F(file, test_who_was_never_visited_says_so)
{
	static const char * const zeros[] = {
		"registered", "visits", "tables_scanned", "tables_reclaimed",
		"left_busy", "left_raced", "left_unfit",
	};
	char word[32];
	size_t i;

	for (i = 0; i < ARRAY_SIZE(zeros); i++) {
		EXPECT_EQ(0, pt_process_number(0, zeros[i])) {
			TH_LOG("%s", zeros[i]);
		}
	}
	ASSERT_EQ(0, pt_process_word(0, "last_visit_millisecs", word,
				     sizeof(word)));
	EXPECT_STREQ("never", word);
	EXPECT_STREQ("none system", pt_process_says(0));
}

TEST_F(file, test_bytes_follow_the_tables)
{
	const long long bytes = PT_SPOT_TABLES * PT_PAGE;
	struct pt_area spot;
	long long before, used;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	before = pt_process_number(0, "pte_table_bytes");
	EXPECT_LT(0, before);
	ASSERT_EQ(0, pt_area_map(&spot, PT_ANON, PT_SPOT_TABLES * PT_TABLE));
	ASSERT_EQ(0, pt_area_waste(&spot));
	used = pt_process_number(0, "pte_table_bytes");
	EXPECT_LE(before + bytes, used);
	ASSERT_EQ(0, pt_request(spot.start, spot.bytes));
	EXPECT_EQ(used - bytes, pt_process_number(0, "pte_table_bytes"));
	EXPECT_GE(pt_vmpte_kb(0) << 10,
		  pt_process_number(0, "pte_table_bytes"));
	pt_area_unmap(&spot);
}

static const char * const mode_names[] = {
	[PR_PT_RECLAIM_DEFAULT]	= "default",
	[PR_PT_RECLAIM_ENABLE]	= "enable",
	[PR_PT_RECLAIM_DISABLE]	= "disable",
};

static int get_prctl(void)
{
	return prctl(PR_GET_PT_RECLAIM, 0, 0, 0, 0);
}

/* Two ways to say the same: what one has set the other reads. */
TEST_F(file, test_mode_is_the_setting_of_prctl)
{
	char text[32], word[32];
	int one, other;

	for (one = 0; one < 3; one++) {
		for (other = 0; other < 3; other++) {
			ASSERT_EQ(0, pt_set_prctl(one));
			ASSERT_EQ(0, pt_process_word(0, "mode", word,
						     sizeof(word)));
			EXPECT_STREQ(mode_names[one], word);
			snprintf(text, sizeof(text), "mode %s",
				 mode_names[other]);
			ASSERT_EQ(0, pt_process_write(0, text));
			EXPECT_EQ(other, get_prctl());
		}
	}
}

static const struct {
	const char *text;
	size_t len;
} refused[] = {
#define REFUSED(text) { text, sizeof(text) - 1 }
	REFUSED(""),
	REFUSED("\n"),
	REFUSED(" "),
	REFUSED("\x20\n"),
	REFUSED("\0"),
	REFUSED("1"),
	REFUSED("visits 0"),
	REFUSED("registered 0"),
	REFUSED("takes_part none"),
	REFUSED("tables_reclaimed 0"),
	/* Incomplete, and more than complete */
	REFUSED("scan_tables"),
	REFUSED("scan_tables\n"),
	REFUSED("scan_tables "),
	REFUSED("scan_tables 1 2"),
	REFUSED("scan_delay_millisecs"),
	REFUSED("scan_delay_millisecs 1 2"),
	REFUSED("mode"),
	REFUSED("mode "),
	REFUSED("mode enable disable"),
	REFUSED("reclaim 1"),
	REFUSED("reclaim now"),
	REFUSED("reclaim reclaim"),
	/* Misspelt */
	REFUSED("scan_table 1"),
	REFUSED("scan_tabless 1"),
	REFUSED("SCAN_TABLES 1"),
	REFUSED("scan_tables=1"),
	REFUSED("scan_tables: 1"),
	REFUSED("scan_tables1"),
	REFUSED("scan_delay 1"),
	REFUSED("reclaimed"),
	REFUSED("Reclaim"),
	REFUSED("reclai"),
	REFUSED("mode ENABLE"),
	REFUSED("mode enabl"),
	REFUSED("mode enabled"),
	REFUSED("mode 1"),
	REFUSED("mode always"),
	REFUSED("mode=enable"),
	REFUSED("enable"),
	/* No numbers, or not of this kind */
	REFUSED("scan_tables -1"),
	REFUSED("scan_tables - 1"),
	REFUSED("scan_tables 0x10"),
	REFUSED("scan_tables 1.5"),
	REFUSED("scan_tables 1e3"),
	REFUSED("scan_tables ten"),
	REFUSED("scan_tables 10ms"),
	REFUSED("scan_tables 99999999999999999999"),
	REFUSED("scan_delay_millisecs -1"),
	REFUSED("scan_delay_millisecs 10ms"),
	REFUSED("scan_delay_millisecs 99999999999999999999"),
	/* More than one line, or less than text */
	REFUSED("scan_tables 1\nscan_tables 2\n"),
	REFUSED("scan_tables 1\nscan_delay_millisecs 2"),
	REFUSED("scan_tables\n1"),
	REFUSED("scan_tables\x20\n1"),
	REFUSED("mode\nenable\n"),
	REFUSED("\nscan_tables 1"),
	REFUSED("scan_tables 1\n\n"),
	REFUSED("scan_tables 1\r\n"),
	REFUSED("reclaim\n\n"),
	REFUSED("scan_tables 1\0"),
	REFUSED("scan_tables 1\0\n"),
	REFUSED("scan_tables 1\0002"),
	REFUSED("scan_tables\0 1"),
	REFUSED("\0scan_tables 1"),
	REFUSED("mode enable\0"),
	REFUSED("reclaim\0"),
};

TEST_F(file, test_what_is_refused_changes_nothing)
{
	char before[TEXT_BYTES];
	size_t i;
	int fd;

	ASSERT_EQ(0, pt_process_set_all(0, "disable"));
	snprintf(before, sizeof(before), "%s", pt_process_settings(0));
	ASSERT_STREQ("disable 54321 9876", before);
	fd = pt_process_open(0, O_RDWR);
	ASSERT_LE(0, fd);
	for (i = 0; i < ARRAY_SIZE(refused); i++) {
		EXPECT_EQ(-EINVAL, pt_write_bytes(fd, refused[i].text,
						  refused[i].len)) {
			TH_LOG("for number %zu: \"%s\"", i, refused[i].text);
		}
		EXPECT_STREQ(before, pt_process_settings(0));
		EXPECT_EQ(PR_PT_RECLAIM_DISABLE, get_prctl());
		ASSERT_EQ(0, pt_process_set_all(0, "disable"));
	}
	EXPECT_EQ(-EFAULT, pt_write_bytes(fd, (void *)-PT_PAGE, 9));
	EXPECT_STREQ(before, pt_process_settings(0));
	close(fd);
}

/* What comes to nothing takes nothing either. */
TEST_F(file, test_refused_request_takes_nothing)
{
	struct pt_area spot;

	prctl(PR_SET_THP_DISABLE, 1, 0, 0, 0);
	ASSERT_EQ(0, pt_spot_map(&spot, PT_ANON));
	ASSERT_EQ(0, pt_spot_waste(&spot));
	EXPECT_EQ(-EINVAL, pt_process_write(0, "reclaim 1"));
	EXPECT_EQ(-EINVAL, pt_process_write(0, "reclaim\nreclaim"));
	EXPECT_EQ(PT_SPOT_TABLES, pt_spot_tables(0, &spot));
	EXPECT_EQ(0, pt_process_write(0, "reclaim"));
	EXPECT_EQ(0, pt_spot_tables(0, &spot));
	pt_area_unmap(&spot);
}

/* Blanks as many as one likes, a newline at the end or none */
TEST_F(file, test_words_are_separated_by_blanks)
{
	static const struct {
		const char *text;
		const char *settings;
	} taken[] = {
		{ "scan_tables 5", "default 0 5" },
		{ "scan_tables 6\n", "default 0 6" },
		{ "scan_tables    7\n", "default 0 7" },
		{ "scan_tables 0008", "default 0 8" },
		{ "scan_delay_millisecs 9\n", "default 9 8" },
		{ "scan_delay_millisecs  10", "default 10 8" },
		{ "mode enable\n", "enable 10 8" },
		{ "mode   disable", "disable 10 8" },
		{ "reclaim\n", "disable 10 8" },
		{ "mode default", "default 10 8" },
	};
	size_t i;

	for (i = 0; i < ARRAY_SIZE(taken); i++) {
		EXPECT_EQ(0, pt_process_write(0, taken[i].text)) {
			TH_LOG("for \"%s\"", taken[i].text);
		}
		EXPECT_STREQ(taken[i].settings, pt_process_settings(0));
	}
}

#define LONGEST	63

TEST_F(file, test_longest_line)
{
	char text[TEXT_BYTES];
	int fd;

	fd = pt_process_open(0, O_RDWR);
	ASSERT_LE(0, fd);
	memset(text, ' ', sizeof(text));
	memcpy(text, "scan_tables", strlen("scan_tables"));
	text[LONGEST - 1] = '7';
	text[LONGEST] = '8';
	EXPECT_EQ(0, pt_write_bytes(fd, text, LONGEST));
	EXPECT_STREQ("default 0 7", pt_process_settings(0));
	EXPECT_EQ(-EINVAL, pt_write_bytes(fd, text, LONGEST + 1));
	EXPECT_EQ(-EINVAL, pt_write_bytes(fd, text, sizeof(text)));
	EXPECT_STREQ("default 0 7", pt_process_settings(0));
	/* With its newline */
	text[LONGEST - 2] = '6';
	text[LONGEST - 1] = '\n';
	EXPECT_EQ(0, pt_write_bytes(fd, text, LONGEST));
	EXPECT_STREQ("default 0 6", pt_process_settings(0));
	close(fd);
}

TEST_F(file, test_settings_stay_over_never)
{
	static const char * const modes[] = {
		"always", "never", "madvise", "never", "always",
	};
	size_t i;

	ASSERT_EQ(0, pt_process_set_all(0, "disable"));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, pt_set_mode(modes[i]));
		EXPECT_STREQ("disable 54321 9876", pt_process_settings(0));
	}
	ASSERT_EQ(0, pt_process_write(0, "mode default"));
	for (i = 0; i < ARRAY_SIZE(modes); i++) {
		ASSERT_EQ(0, pt_set_mode(modes[i]));
		EXPECT_STREQ("default 54321 9876", pt_process_settings(0));
	}
}

/* Exits with 0 if the caller's settings are these. */
static int have_settings(const char *settings)
{
	if (!strcmp(settings, pt_process_settings(0)))
		return KSFT_PASS;
	return pt_failed("the settings are \"%s\", not \"%s\"", pt_process_settings(0),
			 settings);
}

TEST_F(file, test_fork_inherits_the_mode_alone)
{
	pid_t pid;
	int mode;

	ASSERT_EQ(0, pt_set_mode("always"));
	for (mode = 0; mode < 3; mode++) {
		char expected[32];

		snprintf(expected, sizeof(expected), "%s 0 0",
			 mode_names[mode]);
		ASSERT_EQ(0, pt_process_set_all(0, mode_names[mode]));
		fflush(stdout);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid)
			_exit(have_settings(expected) ||
			      pt_process_write(0, "scan_tables 1"));
		EXPECT_EQ(0, pt_reap(pid, 10, "a forked child"));
		snprintf(expected, sizeof(expected), "%s 54321 9876",
			 mode_names[mode]);
		EXPECT_STREQ(expected, pt_process_settings(0));
	}
}

TEST_F(file, test_exec_keeps_the_mode_alone)
{
	pid_t pid;
	int mode;

	ASSERT_EQ(0, pt_set_mode("always"));
	for (mode = 0; mode < 3; mode++) {
		fflush(stdout);
		pid = fork();
		ASSERT_LE(0, pid);
		if (!pid) {
			char expected[32];

			snprintf(expected, sizeof(expected), "%s 0 0",
				 mode_names[mode]);
			if (pt_process_set_all(0, mode_names[mode]))
				_exit(126);
			execl("/proc/self/exe", "self", "--have-settings",
			      expected, NULL);
			_exit(127);
		}
		EXPECT_EQ(0, pt_reap(pid, 10, "an exec'd child"));
	}
}

/* Whose mm is gone has nothing to say. */
TEST_F(file, test_zombie_is_esrch)
{
	siginfo_t info;
	pid_t pid;

	pid = fork();
	if (!pid)
		_exit(0);
	ASSERT_LT(0, pid);
	ASSERT_EQ(0, waitid(P_PID, pid, &info, WEXITED | WNOWAIT));
	EXPECT_EQ(-ESRCH, pt_process_write(pid, "reclaim"));
	EXPECT_EQ(-ESRCH, pt_process_write(pid, "scan_tables 1"));
	EXPECT_EQ(-ESRCH, pt_process_write(pid, "mode enable"));
	EXPECT_GT(0, pt_process_number(pid, "visits"));
	EXPECT_EQ(-ESRCH, pt_process_number(pid, "visits"));
	waitpid(pid, NULL, 0);
}

TEST_F(file, test_kernel_thread_is_esrch)
{
	pid_t pid;

	ASSERT_EQ(0, pt_set_mode("always"));
	pid = pt_find_thread();
	ASSERT_LT(0, pid);
	EXPECT_EQ(-ESRCH, pt_process_write(pid, "reclaim"));
	EXPECT_EQ(-ESRCH, pt_process_write(pid, "scan_delay_millisecs 1"));
	EXPECT_EQ(-ESRCH, pt_process_write(pid, "mode disable"));
	EXPECT_EQ(-ESRCH, pt_process_number(pid, "visits"));
}

/* Its number may have been given out again: the file is the one that was opened. */
TEST_F(file, test_descriptor_outlives_the_process)
{
	struct pt_target target = { };
	char byte;
	int fd;

	ASSERT_EQ(0, pt_target_start(&target, NULL));
	fd = pt_process_open(target.pid, O_RDWR);
	ASSERT_LE(0, fd);
	EXPECT_EQ(0, write_text(fd, "scan_tables 1"));
	pt_target_end(&target);
	EXPECT_EQ(-ESRCH, write_text(fd, "scan_tables 2"));
	EXPECT_EQ(-ESRCH, write_text(fd, "reclaim"));
	EXPECT_EQ(-1, read(fd, &byte, 1));
	EXPECT_EQ(ESRCH, errno);
	close(fd);
}

/* The numbers that can be set */
FIXTURE(number) { };

FIXTURE_VARIANT(number)
{
	const char *key;
	const char *other;
	unsigned long long most;
};

FIXTURE_VARIANT_ADD(number, scan_delay_millisecs) {
	.key = "scan_delay_millisecs",
	.other = "scan_tables",
	.most = MAX_DELAY_MS,
};

FIXTURE_VARIANT_ADD(number, scan_tables) {
	.key = "scan_tables",
	.other = "scan_delay_millisecs",
	.most = UINT32_MAX,
};

FIXTURE_SETUP(number)
{
	ASSERT_EQ(0, pt_set_mode("never"));
}

FIXTURE_TEARDOWN(number) { }

static int set_number(const char *key, unsigned long long value)
{
	char text[64];

	snprintf(text, sizeof(text), "%s %llu", key, value);
	return pt_process_write(0, text);
}

TEST_F(number, test_both_ends_of_the_range_are_taken)
{
	const unsigned long long values[] = {
		0, 1, variant->most - 1, variant->most, 0,
	};
	size_t i;

	ASSERT_EQ(0, set_number(variant->other, 1234));
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(0, set_number(variant->key, values[i]));
		EXPECT_EQ((long long)values[i],
			  pt_process_number(0, variant->key));
		EXPECT_EQ(1234, pt_process_number(0, variant->other));
	}
}

TEST_F(number, test_past_the_ends_changes_nothing)
{
	/* Below 0 that is more than 64 bits hold, and 2^32 would be 0 in 32. */
	const unsigned long long values[] = {
		variant->most + 1, 1ULL << 32, (1ULL << 32) + 1, INT64_MAX,
		UINT64_MAX,
	};
	char text[64];
	size_t i;

	ASSERT_EQ(0, set_number(variant->key, 4321));
	for (i = 0; i < ARRAY_SIZE(values); i++) {
		EXPECT_EQ(-EINVAL, set_number(variant->key, values[i])) {
			TH_LOG("for %llu", values[i]);
		}
		EXPECT_EQ(4321, pt_process_number(0, variant->key));
	}
	snprintf(text, sizeof(text), "%s -1", variant->key);
	EXPECT_EQ(-EINVAL, pt_process_write(0, text));
	EXPECT_EQ(4321, pt_process_number(0, variant->key));
}

/*
 * What two threads of a process do at the same moment, again and again: one opts in,
 * the other does something after which the process would be registered no more.
 */
#define RACES		20000
/* He who opts in begins up to so many seconds later, some more in each race. */
#define LATE_SECONDS	0.0001

struct racer {
	pthread_t thread;
	unsigned int arrived;
	int (*does)(void);
	int err;
};

/* Waits for the other one without sleeping: they go on at the same moment. */
static void meet(struct racer *racer)
{
	unsigned int nr = __atomic_add_fetch(&racer->arrived, 1, __ATOMIC_SEQ_CST);
	unsigned int both = (nr + 1) / 2 * 2, looks = 0;

	while (__atomic_load_n(&racer->arrived, __ATOMIC_SEQ_CST) < both) {
		if (++looks % 1024 == 0)
			sched_yield();
	}
}

static int settings_go(void)
{
	return pt_process_write(0, "scan_delay_millisecs 0");
}

static int opt_out(void)
{
	return pt_set_prctl(PR_PT_RECLAIM_DISABLE);
}

static void *race(void *arg)
{
	struct racer *racer = arg;
	int i;

	for (i = 0; i < RACES; i++) {
		meet(racer);
		racer->err = racer->err ?: racer->does();
		meet(racer);
	}
	return NULL;
}

FIXTURE(race) { };

FIXTURE_VARIANT(race)
{
	int (*before)(void);
	int (*does)(void);
};

static int have_settings_alone(void)
{
	return opt_out() ?: pt_process_write(0, "scan_delay_millisecs 3600000");
}

static int opt_in(void)
{
	return pt_set_prctl(PR_PT_RECLAIM_ENABLE);
}

FIXTURE_VARIANT_ADD(race, settings_go)
{
	.before = have_settings_alone,
	.does = settings_go,
};

FIXTURE_VARIANT_ADD(race, opted_out)
{
	.before = opt_in,
	.does = opt_out,
};

FIXTURE_SETUP(race)
{
	ASSERT_EQ(0, pt_start_thread("madvise", 1000));
}

FIXTURE_TEARDOWN(race)
{
	pt_process_write(0, "scan_delay_millisecs 0");
	pt_set_prctl(PR_PT_RECLAIM_DEFAULT);
}

TEST_F_TIMEOUT(race, test_who_has_opted_in_is_registered, TEST_SECONDS)
{
	struct racer racer = { .does = variant->does };
	bool enabled, registered;
	int wrong = 0, err = 0, i;
	double start;

	ASSERT_EQ(0, pthread_create(&racer.thread, NULL, race, &racer));
	for (i = 0; i < RACES; i++) {
		err = err ?: variant->before();
		meet(&racer);
		start = pt_now();
		while (pt_now() - start < LATE_SECONDS * i / RACES)
			;
		err = err ?: opt_in();
		meet(&racer);
		enabled = prctl(PR_GET_PT_RECLAIM, 0UL, 0UL, 0UL, 0UL) ==
			  PR_PT_RECLAIM_ENABLE;
		registered = pt_process_number(0, "registered") == 1;
		wrong += enabled != registered;
	}
	pthread_join(racer.thread, NULL);
	EXPECT_EQ(0, err);
	EXPECT_EQ(0, racer.err);
	EXPECT_EQ(0, wrong);
}

/* Two processes that take part, and what the thread does for one of them */
FIXTURE(visited)
{
	struct pt_target target;
	struct pt_target other;
};

FIXTURE_SETUP(visited)
{
	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 0));
	ASSERT_EQ(0, pt_start_thread("always", PT_SCAN_SLEEP_MS));
	ASSERT_EQ(0, pt_target_start(&self->target, NULL));
	ASSERT_EQ(0, pt_target_start(&self->other, NULL));
	ASSERT_TRUE(pt_target_does(&self->target, PT_ORDER_WASTE));
	ASSERT_TRUE(pt_target_does(&self->other, PT_ORDER_WASTE));
	ASSERT_TRUE(pt_spot_goes(self->target.pid, &self->target.spot));
	ASSERT_TRUE(pt_spot_goes(self->other.pid, &self->other.spot));
}

FIXTURE_TEARDOWN(visited)
{
	pt_target_end(&self->target);
	pt_target_end(&self->other);
}

static long long number_of(struct pt_target *target, const char *key)
{
	return pt_process_number(target->pid, key);
}

static int write_to(struct pt_target *target, const char *text)
{
	return pt_process_write(target->pid, text);
}

TEST_F_TIMEOUT(visited, test_shorter_delay_is_kept_while_others_wait,
	       TEST_SECONDS)
{
	long long rounds, visits, visits_of_other;
	int turn;

	ASSERT_TRUE(pt_hold_rounds());
	rounds = pt_knob("full_scans");
	visits = number_of(&self->target, "visits");
	visits_of_other = number_of(&self->other, "visits");
	ASSERT_TRUE(pt_target_wastes(&self->other));
	ASSERT_EQ(0, write_to(&self->target, "scan_delay_millisecs 50"));
	for (turn = 0; turn < 3; turn++) {
		EXPECT_TRUE(pt_target_waste_goes(&self->target));
		EXPECT_LE(visits + 2, number_of(&self->target, "visits"));
		visits = number_of(&self->target, "visits");
	}
	EXPECT_EQ(rounds, pt_knob("full_scans"));
	EXPECT_EQ(visits_of_other, number_of(&self->other, "visits"));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->other));
	/* As seldom as the others again */
	ASSERT_EQ(0, write_to(&self->target, "scan_delay_millisecs 0"));
	ASSERT_TRUE(pt_target_wastes(&self->target));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PT_SCAN_SLEEP_MS));
	EXPECT_TRUE(pt_spot_goes(self->target.pid, &self->target.spot));
	EXPECT_TRUE(pt_spot_goes(self->other.pid, &self->other.spot));
}

TEST_F_TIMEOUT(visited, test_longer_delay_keeps_from_being_visited,
	       TEST_SECONDS)
{
	long long visits;

	ASSERT_EQ(0, write_to(&self->target, "scan_delay_millisecs 3600000"));
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
	visits = number_of(&self->target, "visits");
	ASSERT_TRUE(pt_target_wastes(&self->target));
	EXPECT_TRUE(pt_target_waste_goes(&self->other));
	ASSERT_TRUE(pt_wait_rounds(2 * PT_ENOUGH_ROUNDS));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->target));
	EXPECT_EQ(visits, number_of(&self->target, "visits"));
	ASSERT_EQ(0, write_to(&self->target, "scan_delay_millisecs 0"));
	EXPECT_TRUE(pt_spot_goes(self->target.pid, &self->target.spot));
}

/* Its tables are seen empty on two visits that are so long apart. */
TEST_F_TIMEOUT(visited, test_longer_delay_is_kept, TEST_SECONDS)
{
	const double delay = 2;
	double start;

	ASSERT_EQ(0, write_to(&self->target, "scan_delay_millisecs 2000"));
	start = pt_now();
	EXPECT_TRUE(pt_target_waste_goes(&self->target));
	/* Jiffies */
	EXPECT_LE(delay - 0.02, pt_now() - start);
	TH_LOG("went after %.1f s", pt_now() - start);
	ASSERT_TRUE(pt_target_waste_goes(&self->other));
}

TEST_F_TIMEOUT(visited, test_delay_set_under_never_holds_afterwards,
	       TEST_SECONDS)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, write_to(&self->target, "scan_delay_millisecs 50"));
	ASSERT_TRUE(pt_start_held("always"));
	EXPECT_TRUE(pt_target_waste_goes(&self->target));
	EXPECT_TRUE(pt_target_wastes(&self->other));
	/* And over never once more */
	ASSERT_TRUE(pt_start_held("always"));
	EXPECT_TRUE(pt_target_waste_goes(&self->target));
}

TEST_F_TIMEOUT(visited, test_turns_of_one_table_reach_all, TEST_SECONDS)
{
	ASSERT_EQ(0, write_to(&self->target, "scan_tables 1"));
	EXPECT_TRUE(pt_target_waste_goes(&self->target));
	ASSERT_EQ(0, write_to(&self->target, "scan_tables 4294967295"));
	ASSERT_EQ(0, pt_set_knob("tables_to_scan", 1));
	EXPECT_TRUE(pt_target_waste_goes(&self->target));
	EXPECT_TRUE(pt_target_waste_goes(&self->other));
}

TEST_F_TIMEOUT(visited, test_mode_is_for_this_process, TEST_SECONDS)
{
	ASSERT_EQ(0, write_to(&self->target, "mode disable"));
	EXPECT_STREQ("none prctl", pt_process_says(self->target.pid));
	EXPECT_EQ(0, number_of(&self->target, "registered"));
	ASSERT_TRUE(pt_target_wastes(&self->target));
	EXPECT_TRUE(pt_target_waste_goes(&self->other));
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->target));

	ASSERT_EQ(0, pt_set_mode("madvise"));
	ASSERT_EQ(0, write_to(&self->target, "mode enable"));
	EXPECT_STREQ("all prctl", pt_process_says(self->target.pid));
	EXPECT_TRUE(pt_spot_goes(self->target.pid, &self->target.spot));
	ASSERT_TRUE(pt_target_wastes(&self->other));
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->other));
}

TEST_F_TIMEOUT(visited, test_registered_is_who_takes_part, TEST_SECONDS)
{
	EXPECT_EQ(1, number_of(&self->target, "registered"));
	ASSERT_EQ(0, pt_set_mode("never"));
	EXPECT_EQ(0, number_of(&self->target, "registered"));
	/* Not by having settings */
	ASSERT_EQ(0, write_to(&self->target, "scan_tables 5"));
	EXPECT_EQ(0, number_of(&self->target, "registered"));
	ASSERT_EQ(0, pt_set_mode("always"));
	EXPECT_EQ(1, number_of(&self->target, "registered"));
	ASSERT_EQ(0, write_to(&self->target, "mode disable"));
	EXPECT_EQ(0, number_of(&self->target, "registered"));
	ASSERT_EQ(0, write_to(&self->target, "mode default"));
	EXPECT_EQ(1, number_of(&self->target, "registered"));
	ASSERT_EQ(0, pt_set_mode("madvise"));
	EXPECT_EQ(0, number_of(&self->target, "registered"));
	ASSERT_TRUE(pt_target_does(&self->target, PT_ORDER_RECLAIMABLE));
	EXPECT_EQ(1, number_of(&self->target, "registered"));
}

TEST_F_TIMEOUT(visited, test_visits_are_counted, TEST_SECONDS)
{
	long long visits = number_of(&self->target, "visits");
	long long scanned = number_of(&self->target, "tables_scanned");
	long long reclaimed = number_of(&self->target, "tables_reclaimed");
	long long last;
	double start = pt_now();

	EXPECT_TRUE(pt_target_waste_goes(&self->target));
	ASSERT_TRUE(pt_hold_rounds());
	/* Each was seen empty twice. */
	EXPECT_LE(visits + 2, number_of(&self->target, "visits"));
	EXPECT_LE(scanned + 2 * PT_SPOT_TABLES,
		  number_of(&self->target, "tables_scanned"));
	EXPECT_LE(reclaimed + PT_SPOT_TABLES,
		  number_of(&self->target, "tables_reclaimed"));
	last = number_of(&self->target, "last_visit_millisecs");
	EXPECT_LE(0, last);
	/* Jiffies */
	EXPECT_GE((pt_now() - start) * 1000 + 20, last);
	EXPECT_TRUE(pt_wait(10, "the last visit to become one of long ago",
			    number_of(&self->target, "last_visit_millisecs") >=
			    last + 500));
}

/* Rounds are held: it is nobody's doing but that of who asks. */
TEST_F_TIMEOUT(visited, test_what_goes_on_request_is_counted, TEST_SECONDS)
{
	long long before, all;

	ASSERT_TRUE(pt_hold_rounds());
	before = number_of(&self->target, "tables_reclaimed");
	ASSERT_TRUE(pt_target_wastes(&self->target));
	ASSERT_TRUE(pt_target_does(&self->target, PT_ORDER_REQUEST));
	EXPECT_EQ(before + PT_SPOT_TABLES,
		  number_of(&self->target, "tables_reclaimed"));

	ASSERT_TRUE(pt_target_wastes(&self->target));
	all = pt_vmstat("pt_reclaim_reclaimed");
	before = number_of(&self->target, "tables_reclaimed");
	ASSERT_EQ(0, write_to(&self->target, "reclaim"));
	EXPECT_EQ(0, pt_target_tables(&self->target));
	EXPECT_LE(before + PT_SPOT_TABLES,
		  number_of(&self->target, "tables_reclaimed"));
	EXPECT_EQ(pt_vmstat("pt_reclaim_reclaimed") - all,
		  number_of(&self->target, "tables_reclaimed") - before);

	ASSERT_TRUE(pt_target_wastes(&self->target));
	before = number_of(&self->target, "tables_reclaimed");
	ASSERT_EQ(0, pt_request_round());
	EXPECT_EQ(0, pt_target_tables(&self->target));
	EXPECT_LE(before + PT_SPOT_TABLES,
		  number_of(&self->target, "tables_reclaimed"));
	/* The target alone was told to waste tables, and so did he alone. */
	EXPECT_EQ(0, pt_target_tables(&self->other));
}

TEST_F_TIMEOUT(visited, test_unfit_tables_of_the_last_visit, TEST_SECONDS)
{
	long long unfit;

	ASSERT_EQ(0, pt_set_knob("sweep_rounds", 1));
	ASSERT_TRUE(pt_wait_rounds(PT_ENOUGH_ROUNDS));
	unfit = number_of(&self->target, "left_unfit");
	ASSERT_TRUE(pt_target_does(&self->target, PT_ORDER_UNRECLAIMABLE));
	ASSERT_TRUE(pt_target_wastes(&self->target));
	EXPECT_TRUE(pt_wait(PT_GONE_SECONDS, "tables to be found unfit",
			    number_of(&self->target, "left_unfit") ==
			    unfit + PT_SPOT_TABLES));
	ASSERT_TRUE(pt_target_does(&self->target, PT_ORDER_RECLAIMABLE));
	EXPECT_TRUE(pt_spot_goes(self->target.pid, &self->target.spot));
	EXPECT_TRUE(pt_wait(PT_GONE_SECONDS, "no table to be unfit",
			    number_of(&self->target, "left_unfit") == unfit));
}

/* A gap that is held open; see pt_reclaim_gaps.c. */
#define GAPS	"/sys/kernel/debug/pt_reclaim_gaps/"

static int arm_gap(const char *name, struct pt_target *target)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), GAPS "%s", name);
	snprintf(text, sizeof(text), "15000 %lx %d",
		 (unsigned long)target->spot.start, target->pid);
	return pt_write_file(path, text);
}

static bool gap_is_open(const char *name)
{
	char path[128], text[64];

	snprintf(path, sizeof(path), GAPS "%s", name);
	return !pt_read_file(path, text, sizeof(text)) &&
	       !strncmp(text, "open ", 5);
}

static int close_gap(const char *name)
{
	char path[128];

	snprintf(path, sizeof(path), GAPS "%s", name);
	return pt_write_file(path, "0");
}

/* Whoever holds mmap_lock for write does so until he is told. */
TEST_F_TIMEOUT(visited, test_busy_tables_of_the_last_visit, TEST_SECONDS)
{
	if (access(GAPS "map_lock", W_OK))
		SKIP(return, "needs a kernel with CONFIG_PT_RECLAIM_GAPS");
	if (sysconf(_SC_NPROCESSORS_ONLN) < 2)
		SKIP(return, "whoever is held keeps his CPU busy");
	ASSERT_TRUE(pt_hold_rounds());
	ASSERT_TRUE(pt_target_wastes(&self->target));
	ASSERT_EQ(0, arm_gap("map_lock", &self->target));
	ASSERT_TRUE(pt_target_order(&self->target, PT_ORDER_PROTECT));
	ASSERT_TRUE(pt_wait(10, "the target to hold its lock",
			    gap_is_open("map_lock")));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PT_SCAN_SLEEP_MS));
	EXPECT_TRUE(pt_wait(1, "tables to be left because of the lock",
			    number_of(&self->target, "left_busy") >=
			    PT_SPOT_TABLES));
	ASSERT_EQ(0, close_gap("map_lock"));
	ASSERT_TRUE(pt_target_answers(&self->target));
	EXPECT_TRUE(pt_spot_goes(self->target.pid, &self->target.spot));
	EXPECT_EQ(0, number_of(&self->target, "left_busy"));
}

/* The thread has found the table empty, and looks again after it was filled. */
TEST_F_TIMEOUT(visited, test_raced_tables_of_the_last_visit, TEST_SECONDS)
{
	if (access(GAPS "found", W_OK))
		SKIP(return, "needs a kernel with CONFIG_PT_RECLAIM_GAPS");
	ASSERT_TRUE(pt_hold_rounds());
	ASSERT_TRUE(pt_target_wastes(&self->target));
	ASSERT_EQ(0, arm_gap("found", &self->target));
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PT_SCAN_SLEEP_MS));
	ASSERT_TRUE(pt_wait(10, "the thread to find the table",
			    gap_is_open("found")));
	EXPECT_TRUE(pt_target_does(&self->target, PT_ORDER_FILL));
	/* The last visit is the one that is under way. */
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", MAX_DELAY_MS));
	ASSERT_EQ(0, close_gap("found"));
	EXPECT_TRUE(pt_wait(PT_GONE_SECONDS, "a table to be in use again",
			    number_of(&self->target, "left_raced") == 1));
	/* The others may have been seen empty some jiffies later. */
	ASSERT_EQ(0, pt_set_knob("scan_sleep_millisecs", PT_SCAN_SLEEP_MS));
	EXPECT_TRUE(pt_wait(PT_GONE_SECONDS, "the other tables to go",
			    pt_target_tables(&self->target) == 1));
	EXPECT_EQ(1, pt_tables_there(self->target.pid, self->target.spot.start,
				     PT_TABLE));
}

int main(int argc, char **argv)
{
	if (argc == 3 && !strcmp(argv[1], "--have-settings"))
		return have_settings(argv[2]);
	pt_begin();
	return test_harness_run(argc, argv);
}
