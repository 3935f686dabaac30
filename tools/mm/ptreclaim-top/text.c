// SPDX-License-Identifier: GPL-2.0
/* Samples as text, JSON and CSV, and the lines that text and screen share. */
#define _GNU_SOURCE
#include <stdlib.h>
#include <string.h>
#include <sys/ioctl.h>
#include <unistd.h>

#include "top.h"

/* Appends an item, two blanks after the last, unless the line has no room for it. */
static void append(char *line, int width, const char *item)
{
	size_t length = strlen(line);

	if (width && length + (length ? 2 : 0) + strlen(item) > (size_t)width)
		return;
	snprintf(line + length, LINE_SIZE - length, "%s%s", length ? "  " : "", item);
}

static void append_bytes(char *line, int width, const char *name, double bytes, const char *unit)
{
	char size[16], item[64];

	bytes_format(size, sizeof(size), bytes);
	snprintf(item, sizeof(item), "%s%s%s", name, size, unit);
	append(line, width, item);
}

static void append_waste(char *line, int width, const struct sample *sample)
{
	char percent[16] = "";

	if (sample->vmpte_bytes)
		snprintf(percent, sizeof(percent), " (%.0f %%)",
			 100.0 * sample->waste_bytes / sample->vmpte_bytes);
	append_bytes(line, width, "waste ", sample->waste_bytes, percent);
}

static void summarize_processes(char *line, const struct sample *sample, int width)
{
	char item[64];
	struct tm when;

	snprintf(item, sizeof(item), "%zu process%s", sample->nr, sample->nr == 1 ? "" : "es");
	append(line, width, item);
	append_bytes(line, width, "VmPTE ", sample->vmpte_bytes, "");
	append_waste(line, width, sample);
	if (sample->system.page_tables_known)
		append_bytes(line, width, "all page tables ",
			     sample->system.page_tables_bytes, "");
	localtime_r(&sample->when.tv_sec, &when);
	strftime(item, sizeof(item), "%H:%M:%S", &when);
	append(line, width, item);
}

static void append_total(char *line, int width, const struct system_state *system,
			 enum total total, const char *name)
{
	char item[64];

	if (!(system->known & (1U << total)))
		return;
	snprintf(item, sizeof(item), "%s %llu", name, system->total[total]);
	append(line, width, item);
}

static void summarize_system(char *line, const struct sample *sample, int width)
{
	const struct system_state *system = &sample->system;
	double page = sysconf(_SC_PAGESIZE);
	char item[64];

	if (!system->available) {
		append(line, width, "kptreclaimd: not in this kernel");
		return;
	}
	snprintf(item, sizeof(item), "kptreclaimd: %s",
		 system->mode[0] ? system->mode : "mode unknown");
	append(line, width, item);
	if (system->known & (1U << TOTAL_RECLAIMED))
		append_bytes(line, width, "freed ", system->total[TOTAL_RECLAIMED] * page, "");
	if (system->reclaimed_rate >= 0)
		append_bytes(line, width, "", system->reclaimed_rate * page, "/s");
	append_total(line, width, system, TOTAL_SCANNED, "tables scanned");
	append_total(line, width, system, TOTAL_MMS, "mms");
	append_total(line, width, system, TOTAL_FULL_SCANS, "rounds");
}

void summary_format(char line[SUMMARY_LINES][LINE_SIZE], const struct sample *sample, int width)
{
	line[0][0] = '\0';
	line[1][0] = '\0';
	summarize_processes(line[0], sample, width);
	summarize_system(line[1], sample, width);
}

static void append_cell(char *line, const char *text, int width, bool right, bool last)
{
	size_t length = strlen(line);

	if (length && length + 1 < LINE_SIZE)
		line[length++] = ' ';
	text_fit(line + length, LINE_SIZE - length, text, width, right, last);
}

/* Cgroups begin alike and end differently: what does not fit is cut at the front. */
static const char *end_of_path(char *path, int width)
{
	size_t length = strlen(path);
	char *end;

	if (width < 4 || length <= (size_t)width)
		return path;
	end = path + length - width;
	/* Not in the middle of a character. */
	while ((end[3] & 0xc0) == 0x80)
		end++;
	return memcpy(end, "...", 3);
}

void row_format(char *line, const struct process *process, const int *shown,
		const int *width, int nr)
{
	char text[LINE_SIZE];
	int i;

	line[0] = '\0';
	for (i = 0; i < nr; i++) {
		const struct column *column = &columns[shown[i]];
		enum field field = column->field;

		if (field == FIELD_COMMAND && known(process, FIELD_COMMAND_LINE))
			field = FIELD_COMMAND_LINE;
		cell_format(text, sizeof(text), process, field);
		append_cell(line, field == FIELD_CGROUP ? end_of_path(text, width[i]) : text,
			    width[i], column_is_right_aligned(column), i == nr - 1);
	}
}

void header_format(char *line, const int *shown, const int *width, int nr)
{
	int i;

	line[0] = '\0';
	for (i = 0; i < nr; i++)
		append_cell(line, columns[shown[i]].title, width[i],
			    column_is_right_aligned(&columns[shown[i]]), i == nr - 1);
}

/* The terminal's width, or what COLUMNS says, or any. */
static int line_width(void)
{
	const char *text = getenv("COLUMNS");
	struct winsize size;
	int width = text ? atoi(text) : 0;

	if (width > 0)
		return width;
	if (!ioctl(STDOUT_FILENO, TIOCGWINSZ, &size))
		return size.ws_col;
	return 0;
}

void print_text(struct sample *sample, const struct options *options)
{
	char summary[SUMMARY_LINES][LINE_SIZE], line[LINE_SIZE];
	int shown[NR_COLUMNS], width[NR_COLUMNS], cells = line_width(), nr, i;
	size_t at;

	nr = columns_choose(cells, sample, options->command_line, shown, width);
	summary_format(summary, sample, cells);
	for (i = 0; i < SUMMARY_LINES; i++)
		puts(summary[i]);
	header_format(line, shown, width, nr);
	printf("\n%s\n", line);
	for (at = 0; at < sample->nr; at++) {
		struct process *process = &sample->processes[at];

		for (i = 0; i < nr; i++)
			process_complete(process, columns[shown[i]].field);
		if (options->command_line)
			process_complete(process, FIELD_COMMAND_LINE);
		row_format(line, process, shown, width, nr);
		puts(line);
	}
}

/*
 * The length of the UTF-8 character at text, and the character; 0 if there is
 * none: neither a locale nor what programs call themselves decides whether JSON is
 * valid.
 */
static int utf8_decode(const char *text, unsigned int *character)
{
	static const unsigned int least[] = { 0, 0, 0x80, 0x800, 0x10000 };
	unsigned char first = *text;
	int length, i;

	if (first < 0x80) {
		*character = first;
		return 1;
	}
	if (first >= 0xf8 || first < 0xc0)
		return 0;
	length = first < 0xe0 ? 2 : first < 0xf0 ? 3 : 4;
	*character = first & (0x7f >> length);
	for (i = 1; i < length; i++) {
		if ((text[i] & 0xc0) != 0x80)
			return 0;
		*character = *character << 6 | (text[i] & 0x3f);
	}
	if (*character < least[length] || *character > 0x10ffff ||
	    (*character >= 0xd800 && *character < 0xe000))
		return 0;
	return length;
}

/* What a terminal would obey: C0, DEL and C1. */
static bool is_control(unsigned int character)
{
	return character < 0x20 || (character >= 0x7f && character < 0xa0);
}

static void print_json_text(const char *text)
{
	unsigned int character;
	int length;

	putchar('"');
	while (*text) {
		length = utf8_decode(text, &character);
		if (!length) {
			printf("\\ufffd");
			length = 1;
		} else if (is_control(character)) {
			printf("\\u%04x", character);
		} else if (character == '"' || character == '\\') {
			printf("\\%c", character);
		} else {
			fwrite(text, 1, length, stdout);
		}
		text += length;
	}
	putchar('"');
}

static void print_csv_text(const char *text)
{
	unsigned int character;
	int length;

	putchar('"');
	while (*text) {
		length = utf8_decode(text, &character);
		if (!length || is_control(character))
			putchar('?');
		else if (character == '"')
			printf("\"\"");
		else
			fwrite(text, 1, length, stdout);
		text += length ? length : 1;
	}
	putchar('"');
}

static void print_json_value(const union value *value, enum kind kind)
{
	switch (kind) {
	case KIND_TEXT:
		print_json_text(value->text);
		break;
	case KIND_FLAG:
		printf("%s", value->number ? "true" : "false");
		break;
	case KIND_RATE:
		printf("%.3f", value->rate);
		break;
	case KIND_NUMBER:
	case KIND_BYTES:
	case KIND_MILLISECS:
	case KIND_TABLES:
	default:
		printf("%llu", value->number);
		break;
	}
}

static void print_json_system(const struct sample *sample)
{
	const struct system_state *system = &sample->system;
	int i;

	printf("\"system\":{\"available\":%s", system->available ? "true" : "false");
	if (system->page_tables_known)
		printf(",\"page_tables_bytes\":%llu", system->page_tables_bytes);
	if (system->mode[0]) {
		printf(",\"mode\":");
		print_json_text(system->mode);
	}
	for (i = 0; i < NR_TOTALS; i++)
		if (system->known & (1U << i))
			printf(",\"%s\":%llu", total_names[i], system->total[i]);
	if (system->reclaimed_rate >= 0)
		printf(",\"tables_reclaimed_per_second\":%.3f", system->reclaimed_rate);
	putchar('}');
}

static void complete(struct process *process, const struct options *options)
{
	process_complete(process, FIELD_CGROUP);
	if (options->command_line)
		process_complete(process, FIELD_COMMAND_LINE);
}

static void print_json_process(const struct process *process)
{
	int field;

	putchar('{');
	for (field = 0; field < NR_FIELDS; field++) {
		if (!known(process, field))
			continue;
		/* The pid comes first, and is always known. */
		printf("%s\"%s\":", field == FIELD_PID ? "" : ",", fields[field].name);
		print_json_value(&process->value[field], fields[field].kind);
	}
	putchar('}');
}

/* One line for each sample, so that several can be told apart. */
void print_json(struct sample *sample, const struct options *options)
{
	size_t i;

	printf("{\"time\":%lld.%03ld,", (long long)sample->when.tv_sec,
	       sample->when.tv_nsec / 1000000);
	print_json_system(sample);
	printf(",\"totals\":{\"processes\":%zu,\"vmpte_bytes\":%llu", sample->nr,
	       sample->vmpte_bytes);
	printf(",\"least_bytes\":%llu,\"waste_bytes\":%llu}", sample->least_bytes,
	       sample->waste_bytes);
	printf(",\"processes\":[");
	for (i = 0; i < sample->nr; i++) {
		complete(&sample->processes[i], options);
		if (i)
			putchar(',');
		print_json_process(&sample->processes[i]);
	}
	printf("]}\n");
}

static void print_csv_process(const struct sample *sample, const struct process *process)
{
	int field;

	printf("%lld.%03ld", (long long)sample->when.tv_sec, sample->when.tv_nsec / 1000000);
	for (field = 0; field < NR_FIELDS; field++) {
		putchar(',');
		if (!known(process, field))
			continue;
		if (fields[field].kind == KIND_TEXT)
			print_csv_text(process->value[field].text);
		else if (fields[field].kind == KIND_RATE)
			printf("%.3f", process->value[field].rate);
		else
			printf("%llu", process->value[field].number);
	}
	printf("\r\n");
}

void print_csv(struct sample *sample, const struct options *options, bool header)
{
	size_t i;
	int field;

	if (header) {
		printf("time");
		for (field = 0; field < NR_FIELDS; field++)
			printf(",%s", fields[field].name);
		printf("\r\n");
	}
	for (i = 0; i < sample->nr; i++) {
		complete(&sample->processes[i], options);
		print_csv_process(sample, &sample->processes[i]);
	}
}
