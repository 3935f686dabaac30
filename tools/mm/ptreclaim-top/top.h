/* SPDX-License-Identifier: GPL-2.0 */
/*
 * ptreclaim-top: who wastes page tables, and what kptreclaimd does about it.
 *
 * main.c    options; samples that are printed
 * sample.c  reads /proc and /sys: the only file that knows their formats
 * fields.c  what is known of a process: names, kinds, order
 * text.c    text, JSON and CSV
 * screen.c  the live table
 */
#ifndef PTRECLAIM_TOP_H
#define PTRECLAIM_TOP_H

#include <err.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdio.h>
#include <sys/types.h>
#include <time.h>

#define ARRAY_SIZE(array) (sizeof(array) / sizeof((array)[0]))

/*
 * In the order of the JSON and CSV output. Those from FIELD_KERNEL_FIRST to
 * FIELD_KERNEL_LAST are the lines of /proc/<pid>/pt_reclaim, by the same names.
 */
enum field {
	FIELD_PID,
	FIELD_UID,
	FIELD_USER,
	FIELD_COMMAND,
	FIELD_COMMAND_LINE,
	FIELD_CGROUP,
	FIELD_RSS,
	FIELD_SWAP,
	FIELD_VMPTE,
	FIELD_LEAST,
	FIELD_WASTE,
	FIELD_TAKES_PART,
	FIELD_REASON,
	FIELD_MODE,
	FIELD_REGISTERED,
	FIELD_SCAN_DELAY,
	FIELD_SCAN_TABLES,
	FIELD_VISITS,
	FIELD_SCANNED,
	FIELD_RECLAIMED,
	FIELD_PTE_TABLES,
	FIELD_LAST_VISIT,
	FIELD_LEFT_BUSY,
	FIELD_LEFT_RACED,
	FIELD_LEFT_UNFIT,
	FIELD_RECLAIMED_RATE,
	NR_FIELDS,

	FIELD_KERNEL_FIRST = FIELD_TAKES_PART,
	FIELD_KERNEL_LAST = FIELD_LEFT_UNFIT,
};

enum kind {
	KIND_TEXT,
	KIND_NUMBER,
	KIND_FLAG,
	KIND_BYTES,
	KIND_MILLISECS,
	/* PTE tables; the screen shows them as bytes, beside VmPTE. */
	KIND_TABLES,
	/* PTE tables per second */
	KIND_RATE,
};

struct field_info {
	/* in JSON, CSV, and, where there is one, /proc/<pid>/pt_reclaim */
	const char *name;
	enum kind kind;
};

extern const struct field_info fields[NR_FIELDS];

union value {
	unsigned long long number;
	double rate;
	char *text;
};

struct process {
	/* a bit for each field that could be read; the others are unknown */
	unsigned int known;
	union value value[NR_FIELDS];
	/* tells a process from a later one with the same pid */
	unsigned long long start_time;
};

/* The thread's totals, by the names of their files in /sys/kernel/mm/pt_reclaim. */
enum total {
	TOTAL_MMS,
	TOTAL_FULL_SCANS,
	TOTAL_SCANNED,
	TOTAL_RECLAIMED,
	NR_TOTALS,
};

extern const char *const total_names[NR_TOTALS];

/*
 * What cannot be read of these is not known: a negative rate, an empty mode, a
 * bit that is not set.
 */
struct system_state {
	/* the running kernel has kptreclaimd */
	bool available;
	char mode[16];
	unsigned int known;
	unsigned long long total[NR_TOTALS];
	double reclaimed_rate;
	bool page_tables_known;
	/* of the whole system, all levels */
	unsigned long long page_tables_bytes;
};

struct sample {
	struct timespec when;
	struct timespec monotonic;
	struct system_state system;
	struct process *processes;
	size_t nr;
	/* sums over the processes of the sample */
	unsigned long long vmpte_bytes;
	unsigned long long least_bytes;
	unsigned long long waste_bytes;
};

/* Who is shown. What is not set lets everybody through. */
struct filter {
	pid_t *pids;
	size_t nr_pids;
	bool by_uid;
	uid_t uid;
	/* as given, for the screen */
	char *user;
	/* starts with a slash and does not end with one, but for the root "/" */
	char *cgroup;
};

/* A column of the table. */
struct column {
	enum field field;
	/* what --sort calls it; NULL: not to be sorted by */
	const char *key;
	/* the letter that sorts by it on the screen, or 0 */
	char hotkey;
	const char *title;
	/* 0: what is left of the line */
	int width;
	/* columns of a lower rank are left out later when the line is short */
	int rank;
};

#define NR_COLUMNS 19

extern const struct column columns[NR_COLUMNS];

struct options {
	struct filter filter;
	/* an index into columns[] */
	int sort;
	bool reverse;
	bool command_line;
	enum { OUTPUT_SCREEN, OUTPUT_TEXT, OUTPUT_JSON, OUTPUT_CSV } output;
	double delay;
	/* 0: until it is ended */
	unsigned long iterations;
};

#define MIN_DELAY 0.1
#define MAX_DELAY 86400.0

/* main.c */
extern int exit_status;
/* One line of what is wrong and what to do; the screen would take it along. */
#define die(...) (screen_end(), errx(exit_status, __VA_ARGS__))

void *allocate(void *old, size_t size);
char *duplicate(const char *text);
/*
 * These four change what *filter or *delay says, or leave it alone and return what
 * is wrong with the text. An empty text ends the filter.
 */
const char *filter_set_pids(struct filter *filter, const char *text);
const char *filter_set_user(struct filter *filter, const char *text);
const char *filter_set_cgroup(struct filter *filter, const char *text);
const char *delay_set(double *delay, const char *text);

/* sample.c */
void sample_open(const char *proc, const char *sysfs);
void sample_take(struct sample *sample, const struct filter *filter);
void sample_free(struct sample *sample);
/* Reads what only few need; only for processes that are shown. */
void process_complete(struct process *process, enum field field);

/* fields.c */
bool known(const struct process *process, enum field field);
int column_find(const char *key);
/* Those whose value is unknown come last, either way. */
void processes_sort(struct process *list, size_t nr, int sort, bool reverse);
/* How a value looks in a table. */
void cell_format(char *buf, size_t size, const struct process *process, enum field field);
void bytes_format(char *buf, size_t size, double bytes);

/*
 * Which columns a line of so many characters has room for (0: any number); fills
 * shown[] with indices into columns[], and width[], and returns how many.
 */
int columns_choose(int line, const struct sample *sample, bool command_line,
		   int *shown, int *width);
/*
 * Fits text into so many character cells: cut or filled up, except that nothing is
 * appended to the left-aligned text of a last column. Width 0 is any. What is no
 * printable character becomes a question mark.
 */
void text_fit(char *buf, size_t size, const char *text, int width, bool right, bool last);
bool column_is_right_aligned(const struct column *column);

/* text.c */
#define SUMMARY_LINES 2
#define LINE_SIZE 8192
/* Lines of at most width characters (0: any); what has no room is left out. */
void summary_format(char line[SUMMARY_LINES][LINE_SIZE], const struct sample *sample, int width);
void row_format(char *line, const struct process *process, const int *shown,
		const int *width, int nr);
void header_format(char *line, const int *shown, const int *width, int nr);
void print_text(struct sample *sample, const struct options *options);
void print_json(struct sample *sample, const struct options *options);
void print_csv(struct sample *sample, const struct options *options, bool header);

/* screen.c */
void screen_run(struct options *options);
/* Gives the terminal back, if it was taken. */
void screen_end(void);

#endif
