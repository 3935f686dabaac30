// SPDX-License-Identifier: GPL-2.0
/* ptreclaim-top: the options, and the samples that are printed. */
#define _GNU_SOURCE
#include <ctype.h>
#include <errno.h>
#include <getopt.h>
#include <limits.h>
#include <locale.h>
#include <pwd.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "top.h"

/* Of bad options; what fails later exits with 1. */
#define EXIT_USAGE 2

int exit_status = EXIT_USAGE;

void *allocate(void *old, size_t size)
{
	void *new = realloc(old, size);

	if (!new)
		die("no memory; watch fewer processes with --pid, --user or --cgroup");
	return new;
}

char *duplicate(const char *text)
{
	size_t size = strlen(text) + 1;

	return memcpy(allocate(NULL, size), text, size);
}

/* A decimal number and nothing else: strtoul() alone would take " -1". */
static bool parse_unsigned(const char *text, unsigned long most, unsigned long *number)
{
	char *end;

	if (!isdigit(*text))
		return false;
	errno = 0;
	*number = strtoul(text, &end, 10);
	return !errno && !*end && *number <= most;
}

static bool add_pid(pid_t **pids, size_t *nr, const char *text)
{
	unsigned long pid;
	size_t i;

	if (!parse_unsigned(text, INT_MAX, &pid) || !pid)
		return false;
	for (i = 0; i < *nr; i++)
		if ((*pids)[i] == (pid_t)pid)
			return true;
	*pids = allocate(*pids, (*nr + 1) * sizeof(**pids));
	(*pids)[(*nr)++] = pid;
	return true;
}

const char *filter_set_pids(struct filter *filter, const char *text)
{
	char *list = duplicate(text), *rest = list, *word;
	pid_t *pids = NULL;
	bool good = true;
	size_t nr = 0;

	while (*text && good && (word = strsep(&rest, ",")))
		good = add_pid(&pids, &nr, word);
	free(list);
	if (!good) {
		free(pids);
		return "give process ids, numbers from 1 on, with commas between them";
	}
	free(filter->pids);
	filter->pids = pids;
	filter->nr_pids = nr;
	return NULL;
}

const char *filter_set_user(struct filter *filter, const char *text)
{
	struct passwd *entry = *text ? getpwnam(text) : NULL;
	unsigned long uid = 0;

	if (entry)
		uid = entry->pw_uid;
	/* (uid_t)-1 is nobody's */
	else if (*text && !parse_unsigned(text, UINT_MAX - 1, &uid))
		return "there is no such user; give a name or a number";
	free(filter->user);
	filter->user = *text ? duplicate(text) : NULL;
	filter->by_uid = *text;
	filter->uid = uid;
	return NULL;
}

const char *filter_set_cgroup(struct filter *filter, const char *text)
{
	static const char mount[] = "/sys/fs/cgroup";
	size_t length = strlen(mount);
	char *cgroup = NULL, *end;

	if (*text) {
		/* What a shell completes is the path of a directory. */
		if (!strncmp(text, mount, length) && (text[length] == '/' || !text[length]))
			text += length;
		cgroup = allocate(NULL, strlen(text) + 2);
		sprintf(cgroup, "/%s", text + (*text == '/'));
		for (end = cgroup + strlen(cgroup); end > cgroup + 1 && end[-1] == '/'; end--)
			end[-1] = '\0';
	}
	free(filter->cgroup);
	filter->cgroup = cgroup;
	return NULL;
}

const char *delay_set(double *delay, const char *text)
{
	double seconds;
	char *end;

	errno = 0;
	seconds = strtod(text, &end);
	/* Written so that NaN is refused. */
	if (!isdigit(*text) || *end || errno || !(seconds >= MIN_DELAY && seconds <= MAX_DELAY))
		return "give seconds, from 0.1 to 86400";
	*delay = seconds;
	return NULL;
}

static void usage(void)
{
	int i;

	printf("Usage: ptreclaim-top [OPTION]...\n"
	       "Show processes by the page tables that they waste, and what kptreclaimd frees.\n\n"
	       "  -p, --pid PID[,PID]...   only these processes\n"
	       "  -u, --user USER          only those of a user (name or number)\n"
	       "  -g, --cgroup PATH        only those in a cgroup (v2) or below it\n"
	       "  -s, --sort KEY           sort by KEY (default: waste), one of:\n"
	       "                          ");
	for (i = 0; i < NR_COLUMNS; i++)
		if (columns[i].key)
			printf(" %s%s", columns[i].key,
			       columns[i].field == FIELD_RECLAIMED_RATE ?
			       "\n                          " : "");
	printf("\n"
	       "  -r, --reverse            the other way round\n"
	       "  -c, --command-line       command lines instead of program names\n"
	       "  -d, --delay SECONDS      between two samples, 0.1 to 86400 (default: 3)\n"
	       "  -n, --iterations NUMBER  end after so many samples (default: 1 if they are\n"
	       "                           printed, no end on the screen)\n"
	       "      --once               print the table instead of filling the screen\n"
	       "      --json               print JSON, one line for each sample\n"
	       "      --csv                print comma-separated values (RFC 4180)\n"
	       "      --proc DIRECTORY     read this instead of /proc\n"
	       "      --sysfs DIRECTORY    read this instead of /sys\n"
	       "  -h, --help               this text\n\n"
	       "On the screen, h shows the keys. Everything else: man 8 ptreclaim-top\n");
}

enum { OPTION_ONCE = 256, OPTION_JSON, OPTION_CSV, OPTION_PROC, OPTION_SYSFS };

static const struct option long_options[] = {
	{ "pid",		required_argument,	NULL, 'p' },
	{ "user",		required_argument,	NULL, 'u' },
	{ "cgroup",		required_argument,	NULL, 'g' },
	{ "sort",		required_argument,	NULL, 's' },
	{ "reverse",		no_argument,		NULL, 'r' },
	{ "command-line",	no_argument,		NULL, 'c' },
	{ "delay",		required_argument,	NULL, 'd' },
	{ "iterations",		required_argument,	NULL, 'n' },
	{ "once",		no_argument,		NULL, OPTION_ONCE },
	{ "json",		no_argument,		NULL, OPTION_JSON },
	{ "csv",		no_argument,		NULL, OPTION_CSV },
	{ "proc",		required_argument,	NULL, OPTION_PROC },
	{ "sysfs",		required_argument,	NULL, OPTION_SYSFS },
	{ "help",		no_argument,		NULL, 'h' },
	{ }
};

struct arguments {
	struct options options;
	const char *proc;
	const char *sysfs;
	/* all of --pid, with commas between them */
	char *pids;
};

static void must(const char *option, const char *argument, const char *wrong)
{
	if (!*argument)
		die("--%s: nothing is given; see --help", option);
	if (wrong)
		die("--%s: '%s': %s", option, argument, wrong);
}

static void add_pids(struct arguments *arguments, const char *text)
{
	size_t length = arguments->pids ? strlen(arguments->pids) : 0;

	must("pid", text, NULL);
	arguments->pids = allocate(arguments->pids, length + strlen(text) + 2);
	sprintf(arguments->pids + length, "%s%s", length ? "," : "", text);
}

static void set_output(struct options *options, int output)
{
	/* The others say how to print, --once only that. */
	if (output == OUTPUT_TEXT && options->output != OUTPUT_SCREEN)
		return;
	if (options->output != OUTPUT_SCREEN && options->output != OUTPUT_TEXT &&
	    (int)options->output != output)
		die("--json and --csv exclude each other; give one of them");
	options->output = output;
}

static void set_sort(struct options *options, const char *key)
{
	options->sort = column_find(key);
	if (options->sort < 0)
		die("--sort: '%s' is no key; --help lists them", key);
}

static void set_iterations(struct options *options, const char *text)
{
	if (!parse_unsigned(text, ULONG_MAX, &options->iterations) || !options->iterations)
		die("--iterations: '%s': give a number from 1 on", text);
}

static void refuse(int option, const char *word)
{
	/* An option of several letters is found in the word, one letter in optopt. */
	if (!strncmp(word, "--", 2))
		die("%s %s; see --help", word, option == ':' ? "needs an argument" :
		    optopt ? "takes no argument" : "is no option, or short for several");
	die("-%c %s; see --help", optopt, option == ':' ? "needs an argument" : "is no option");
}

static void parse_option(struct arguments *arguments, int option, const char *word)
{
	struct options *options = &arguments->options;

	switch (option) {
	case 'p':
		add_pids(arguments, optarg);
		break;
	case 'u':
		must("user", optarg, filter_set_user(&options->filter, optarg));
		break;
	case 'g':
		must("cgroup", optarg, filter_set_cgroup(&options->filter, optarg));
		break;
	case 's':
		set_sort(options, optarg);
		break;
	case 'r':
		options->reverse = true;
		break;
	case 'c':
		options->command_line = true;
		break;
	case 'd':
		must("delay", optarg, delay_set(&options->delay, optarg));
		break;
	case 'n':
		set_iterations(options, optarg);
		break;
	case OPTION_ONCE:
		set_output(options, OUTPUT_TEXT);
		break;
	case OPTION_JSON:
		set_output(options, OUTPUT_JSON);
		break;
	case OPTION_CSV:
		set_output(options, OUTPUT_CSV);
		break;
	case OPTION_PROC:
		arguments->proc = optarg;
		break;
	case OPTION_SYSFS:
		arguments->sysfs = optarg;
		break;
	case 'h':
		usage();
		exit(0);
	default:
		refuse(option, word);
	}
}

static void parse_options(struct arguments *arguments, int argc, char **argv)
{
	int option, at = 1;

	opterr = 0;
	while ((option = getopt_long(argc, argv, "+:p:u:g:s:rcd:n:h", long_options, NULL)) >= 0) {
		parse_option(arguments, option, argv[at]);
		at = optind;
	}
	if (optind < argc)
		die("'%s' is no option; see --help", argv[optind]);
	if (arguments->pids)
		must("pid", arguments->pids,
		     filter_set_pids(&arguments->options.filter, arguments->pids));
}

static void wait_until_next(double seconds)
{
	struct timespec left = {
		.tv_sec = seconds,
		.tv_nsec = (seconds - (time_t)seconds) * 1e9,
	};

	while (nanosleep(&left, &left) && errno == EINTR)
		;
}

static void print_samples(const struct options *options)
{
	struct sample sample;
	unsigned long i;

	for (i = 0; i < options->iterations; i++) {
		if (i)
			wait_until_next(options->delay);
		sample_take(&sample, &options->filter);
		processes_sort(sample.processes, sample.nr, options->sort, options->reverse);
		if (options->output == OUTPUT_JSON)
			print_json(&sample, options);
		else if (options->output == OUTPUT_CSV)
			print_csv(&sample, options, !i);
		else
			print_text(&sample, options);
		/* Whoever reads them from a pipe gets each in time. */
		if (fflush(stdout) || ferror(stdout))
			die("cannot write: %s; look at where the output goes", strerror(errno));
		if (options->output == OUTPUT_TEXT && i + 1 < options->iterations)
			putchar('\n');
		sample_free(&sample);
	}
}

int main(int argc, char **argv)
{
	struct arguments arguments = {
		.options.delay = 3,
		.options.sort = column_find("waste"),
		.proc = "/proc",
		.sysfs = "/sys",
	};
	struct options *options = &arguments.options;

	/* Nothing but characters: a decimal comma would be no JSON. */
	setlocale(LC_CTYPE, "");
	parse_options(&arguments, argc, argv);
	exit_status = EXIT_FAILURE;
	sample_open(arguments.proc, arguments.sysfs);
	if (options->output == OUTPUT_SCREEN && !(isatty(STDIN_FILENO) && isatty(STDOUT_FILENO)))
		options->output = OUTPUT_TEXT;
	if (options->output == OUTPUT_SCREEN) {
		screen_run(options);
		return 0;
	}
	if (!options->iterations)
		options->iterations = 1;
	print_samples(options);
	return 0;
}
