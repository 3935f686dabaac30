// SPDX-License-Identifier: GPL-2.0
/* What is known of a process: the names, how to sort by it, how it looks in a table. */
#define _GNU_SOURCE
#include <assert.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>
#include <wchar.h>
#include <wctype.h>

#include "top.h"

const struct field_info fields[NR_FIELDS] = {
	[FIELD_PID]		= { "pid", KIND_NUMBER },
	[FIELD_UID]		= { "uid", KIND_NUMBER },
	[FIELD_USER]		= { "user", KIND_TEXT },
	[FIELD_COMMAND]		= { "command", KIND_TEXT },
	[FIELD_COMMAND_LINE]	= { "command_line", KIND_TEXT },
	[FIELD_CGROUP]		= { "cgroup", KIND_TEXT },
	[FIELD_RSS]		= { "rss_bytes", KIND_BYTES },
	[FIELD_SWAP]		= { "swap_bytes", KIND_BYTES },
	[FIELD_VMPTE]		= { "vmpte_bytes", KIND_BYTES },
	[FIELD_LEAST]		= { "least_bytes", KIND_BYTES },
	[FIELD_WASTE]		= { "waste_bytes", KIND_BYTES },
	[FIELD_TAKES_PART]	= { "takes_part", KIND_TEXT },
	[FIELD_REASON]		= { "reason", KIND_TEXT },
	[FIELD_MODE]		= { "mode", KIND_TEXT },
	[FIELD_REGISTERED]	= { "registered", KIND_FLAG },
	[FIELD_SCAN_DELAY]	= { "scan_delay_millisecs", KIND_MILLISECS },
	[FIELD_SCAN_TABLES]	= { "scan_tables", KIND_NUMBER },
	[FIELD_VISITS]		= { "visits", KIND_NUMBER },
	[FIELD_SCANNED]		= { "tables_scanned", KIND_NUMBER },
	[FIELD_RECLAIMED]	= { "tables_reclaimed", KIND_TABLES },
	[FIELD_PTE_TABLES]	= { "pte_table_bytes", KIND_BYTES },
	[FIELD_LAST_VISIT]	= { "last_visit_millisecs", KIND_MILLISECS },
	[FIELD_LEFT_BUSY]	= { "left_busy", KIND_NUMBER },
	[FIELD_LEFT_RACED]	= { "left_raced", KIND_NUMBER },
	[FIELD_LEFT_UNFIT]	= { "left_unfit", KIND_NUMBER },
	[FIELD_RECLAIMED_RATE]	= { "tables_reclaimed_per_second", KIND_RATE },
};

/*
 * From left to right. Rank 0 is always there. The ranks fill 80 columns up to
 * MODE, with room for the longest name that the kernel keeps of a program.
 */
const struct column columns[NR_COLUMNS] = {
	{ FIELD_PID,		"pid",		'P',	"PID",		5,	0 },
	{ FIELD_USER,		"user",		'U',	"USER",		8,	3 },
	{ FIELD_RSS,		"rss",		'R',	"RSS",		5,	8 },
	{ FIELD_SWAP,		"swap",		'X',	"SWAP",		5,	9 },
	{ FIELD_VMPTE,		"vmpte",	'V',	"VmPTE",	5,	1 },
	{ FIELD_LEAST,		"least",	'L',	"LEAST",	5,	2 },
	{ FIELD_WASTE,		"waste",	'W',	"WASTE",	5,	0 },
	{ FIELD_RECLAIMED,	"freed",	'F',	"FREED",	5,	4 },
	{ FIELD_RECLAIMED_RATE,	"rate",		'S',	"FREED/s",	7,	5 },
	{ FIELD_TAKES_PART,	"takes_part",	'T',	"TAKES",	6,	6 },
	{ FIELD_MODE,		"mode",		'M',	"MODE",		7,	7 },
	{ FIELD_REASON,		"reason",	0,	"REASON",	6,	10 },
	{ FIELD_VISITS,		"visits",	0,	"VISITS",	7,	11 },
	{ FIELD_LAST_VISIT,	"last_visit",	0,	"LAST",		5,	12 },
	{ FIELD_LEFT_BUSY,	"busy",		0,	"BUSY",		6,	13 },
	{ FIELD_LEFT_RACED,	"raced",	0,	"RACED",	6,	14 },
	{ FIELD_LEFT_UNFIT,	"unfit",	0,	"UNFIT",	6,	15 },
	{ FIELD_CGROUP,		NULL,		0,	"CGROUP",	32,	16 },
	{ FIELD_COMMAND,	"command",	'C',	"COMMAND",	0,	0 },
};

static_assert(NR_FIELDS <= 32, "struct process has one bit of known for each");

/* TASK_COMM_LEN without its NUL. */
#define COMMAND_WIDTH 15
/* Room that the columns from the cgroup on leave for a command line. */
#define COMMAND_LINE_WIDTH 40

bool known(const struct process *process, enum field field)
{
	return process->known & (1U << field);
}

int column_find(const char *key)
{
	int i;

	for (i = 0; i < NR_COLUMNS; i++)
		if (columns[i].key && !strcmp(columns[i].key, key))
			return i;
	return -1;
}

bool column_is_right_aligned(const struct column *column)
{
	return fields[column->field].kind != KIND_TEXT;
}

static int compare_numbers(double a, double b)
{
	return (a > b) - (a < b);
}

static int compare_values(const struct process *a, const struct process *b, enum field field)
{
	const union value *x = &a->value[field], *y = &b->value[field];

	switch (fields[field].kind) {
	case KIND_TEXT:
		return strcmp(x->text, y->text);
	case KIND_RATE:
		return compare_numbers(x->rate, y->rate);
	case KIND_NUMBER:
	case KIND_FLAG:
	case KIND_BYTES:
	case KIND_MILLISECS:
	case KIND_TABLES:
	default:
		return (x->number > y->number) - (x->number < y->number);
	}
}

struct order {
	enum field field;
	int sign;
};

static int compare(const void *left, const void *right, void *data)
{
	const struct process *a = left, *b = right;
	const struct order *order = data;
	int diff;

	if (known(a, order->field) != known(b, order->field))
		return known(a, order->field) ? -1 : 1;
	if (known(a, order->field)) {
		diff = order->sign * compare_values(a, b, order->field);
		if (diff)
			return diff;
	}
	return compare_values(a, b, FIELD_PID);
}

/* Large numbers first, but names and pids as in a directory. */
void processes_sort(struct process *list, size_t nr, int sort, bool reverse)
{
	struct order order = { .field = columns[sort].field, .sign = 1 };

	if (fields[order.field].kind != KIND_TEXT && order.field != FIELD_PID)
		order.sign = -1;
	if (reverse)
		order.sign = -order.sign;
	if (nr)
		qsort_r(list, nr, sizeof(*list), compare, &order);
}

/* Three digits and a unit: at most five characters. */
void bytes_format(char *buf, size_t size, double bytes)
{
	static const char units[] = "KMGTPE";
	const char *unit = units;
	double value = bytes / 1024;

	if (!bytes) {
		snprintf(buf, size, "0");
		return;
	}
	while (value >= 999.5 && unit[1]) {
		value /= 1024;
		unit++;
	}
	if (unit == units)
		snprintf(buf, size, "%.0f%c", value, *unit);
	else if (value < 9.995)
		snprintf(buf, size, "%.2f%c", value, *unit);
	else if (value < 99.95)
		snprintf(buf, size, "%.1f%c", value, *unit);
	else
		snprintf(buf, size, "%.0f%c", value, *unit);
}

static void millisecs_format(char *buf, size_t size, unsigned long long millisecs)
{
	unsigned long long seconds = millisecs / 1000;

	if (seconds < 100)
		snprintf(buf, size, "%llu.%llus", seconds, millisecs % 1000 / 100);
	else if (seconds < 100 * 60)
		snprintf(buf, size, "%llum", seconds / 60);
	else if (seconds < 100 * 3600)
		snprintf(buf, size, "%lluh", seconds / 3600);
	else
		snprintf(buf, size, "%llud", seconds / 86400);
}

void cell_format(char *buf, size_t size, const struct process *process, enum field field)
{
	const union value *value = &process->value[field];
	double page = sysconf(_SC_PAGESIZE);

	if (!known(process, field)) {
		snprintf(buf, size, "-");
		return;
	}
	switch (fields[field].kind) {
	case KIND_TEXT:
		snprintf(buf, size, "%s", value->text);
		break;
	case KIND_BYTES:
		bytes_format(buf, size, value->number);
		break;
	case KIND_TABLES:
		bytes_format(buf, size, value->number * page);
		break;
	case KIND_RATE:
		bytes_format(buf, size, value->rate * page);
		break;
	case KIND_MILLISECS:
		millisecs_format(buf, size, value->number);
		break;
	case KIND_NUMBER:
	case KIND_FLAG:
	default:
		snprintf(buf, size, "%llu", value->number);
		break;
	}
}

/*
 * What is wider than its column would shift the rest of the line: pids of seven
 * digits exist only on some machines, so that column grows with them.
 */
static int pid_width(const struct sample *sample)
{
	unsigned long long largest = 0, pid;
	int width = 1;
	size_t i;

	for (i = 0; i < sample->nr; i++) {
		pid = sample->processes[i].value[FIELD_PID].number;
		if (pid > largest)
			largest = pid;
	}
	while (largest >= 10) {
		largest /= 10;
		width++;
	}
	return width;
}

static int columns_width(const int *width, const bool *chosen)
{
	int i, sum = 0;

	for (i = 0; i < NR_COLUMNS; i++)
		if (chosen[i] && width[i])
			sum += width[i] + 1;
	return sum;
}

int columns_choose(int line, const struct sample *sample, bool command_line,
		   int *shown, int *width)
{
	int all[NR_COLUMNS], i, rank, room, nr = 0;
	bool chosen[NR_COLUMNS];

	for (i = 0; i < NR_COLUMNS; i++) {
		all[i] = columns[i].width;
		chosen[i] = !columns[i].rank;
		if (columns[i].field == FIELD_PID && all[i] < pid_width(sample))
			all[i] = pid_width(sample);
	}
	for (rank = 1; rank < NR_COLUMNS; rank++) {
		for (i = 0; i < NR_COLUMNS && columns[i].rank != rank; i++)
			;
		if (i == NR_COLUMNS)
			break;
		chosen[i] = true;
		room = COMMAND_WIDTH;
		if (command_line && columns[i].rank > 7)
			room = COMMAND_LINE_WIDTH;
		if (line && columns_width(all, chosen) + room > line) {
			chosen[i] = false;
			break;
		}
	}
	for (i = 0; i < NR_COLUMNS; i++) {
		if (!chosen[i])
			continue;
		shown[nr] = i;
		width[nr] = all[i];
		if (!all[i] && line) {
			width[nr] = line - columns_width(all, chosen);
			if (width[nr] < 1)
				continue;
		}
		nr++;
	}
	return nr;
}

/*
 * Neither a program's name nor its arguments are trusted: they may hold what
 * a terminal obeys.
 */
void text_fit(char *buf, size_t size, const char *text, int width, bool right, bool last)
{
	size_t left = strlen(text), used = 0;
	mbstate_t state = { 0 };
	int cells = 0, fill;

	while (left) {
		wchar_t wide;
		size_t length = mbrtowc(&wide, text, left, &state);
		int taken = -1;

		if (length && length <= left && iswprint(wide))
			taken = wcwidth(wide);
		if (taken < 0) {
			if (!length || length > left) {
				memset(&state, 0, sizeof(state));
				length = 1;
			}
			taken = 1;
			wide = L'?';
		}
		if ((width && cells + taken > width) || used + length + 1 > size)
			break;
		if (wide == L'?')
			buf[used++] = '?';
		else
			used = (char *)mempcpy(buf + used, text, length) - buf;
		cells += taken;
		text += length;
		left -= length;
	}
	buf[used] = '\0';
	fill = width - cells;
	if (fill <= 0 || used + fill + 1 > size || (!right && last))
		return;
	if (right) {
		memmove(buf + fill, buf, used + 1);
		memset(buf, ' ', fill);
	} else {
		memset(buf + used, ' ', fill);
		buf[used + fill] = '\0';
	}
}
