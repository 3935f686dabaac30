// SPDX-License-Identifier: GPL-2.0
/* The live table. */
#define _GNU_SOURCE
#include <ctype.h>
#include <curses.h>
#include <errno.h>
#include <poll.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "top.h"

/* The lines from the top on: the summary, one for filters and questions, titles. */
#define STATUS_LINE SUMMARY_LINES
#define HEADER_LINE (STATUS_LINE + 1)
#define FIRST_ROW (HEADER_LINE + 1)

/* From which waste on a process stands out. */
#define MIB 1048576ULL
#define WASTE_SOME (1 * MIB)
#define WASTE_MUCH (64 * MIB)

enum { COLOUR_TITLE = 1, COLOUR_SOME, COLOUR_MUCH, COLOUR_GOOD };

struct screen {
	struct options *options;
	struct sample sample;
	bool colours;
	bool help;
	bool quit;
	/* a new sample is wanted now: of others, or because somebody asked */
	bool take;
	/* the first process that is shown */
	size_t first;
	/* the question that is being answered, or 0, and the answer so far */
	int question;
	char answer[256];
	/* stands until the next key */
	char message[256];
	int nr_shown;
	int shown[NR_COLUMNS];
	int width[NR_COLUMNS];
};

static const char *const help_lines[] = {
	"up, down, PgUp, PgDn, Home, End   move through the list",
	"<, >, left, right                 sort by the column to the left, to the right",
	"P U R X V L W F S T M C           sort by PID, USER, RSS, SWAP, VmPTE, LEAST,",
	"                                  WASTE, FREED, FREED/s, TAKES, MODE, COMMAND",
	"r                                 sort the other way round",
	"p, u, g                           show only some pids, a user, a cgroup",
	"x                                 show all again",
	"c                                 command lines or program names",
	"d                                 seconds between two samples",
	"space                             take a sample now",
	"h, ?                              this help; any key ends it",
	"q                                 quit",
	"",
	"VmPTE    page tables, all levels",
	"LEAST    what RSS and SWAP would need if they lay close together",
	"WASTE    the difference: what a process may have too much",
	"FREED    PTE tables that kptreclaimd has taken since it knows the process",
	"TAKES    what it may take: all, marked VMAs, none",
	"-        is not known: not readable for you, or not in this kernel",
};

static void draw_line(int y, const char *text, attr_t attributes)
{
	char line[LINE_SIZE];

	if (y >= getmaxy(stdscr))
		return;
	text_fit(line, sizeof(line), text, COLS, false, false);
	attrset(attributes);
	mvaddstr(y, 0, line);
	attrset(A_NORMAL);
}

static attr_t colour(const struct screen *screen, int pair)
{
	return screen->colours ? COLOR_PAIR(pair) : A_NORMAL;
}

/* Of the same length as the cells before it: text that row_format() has made. */
static void draw_cell(const struct screen *screen, int y, int column, const char *cell,
		      attr_t attributes)
{
	int i, x = 0;

	for (i = 0; i < column; i++)
		x += screen->width[i] + 1;
	attrset(attributes);
	mvaddstr(y, x, cell);
	attrset(A_NORMAL);
}

static attr_t cell_attributes(const struct screen *screen, const struct process *process,
			      enum field field)
{
	const union value *value = &process->value[field];

	if (!known(process, field))
		return A_NORMAL;
	if (field == FIELD_WASTE && value->number >= WASTE_MUCH)
		return colour(screen, COLOUR_MUCH) | A_BOLD;
	if (field == FIELD_WASTE && value->number >= WASTE_SOME)
		return colour(screen, COLOUR_SOME) | A_BOLD;
	if (field == FIELD_RECLAIMED_RATE && value->rate > 0)
		return colour(screen, COLOUR_GOOD);
	if (field == FIELD_TAKES_PART && strcmp(value->text, "none"))
		return colour(screen, COLOUR_GOOD);
	return A_NORMAL;
}

static void draw_process(struct screen *screen, int y, struct process *process)
{
	char line[LINE_SIZE], text[64], cell[256];
	enum field field;
	attr_t attributes;
	int i;

	for (i = 0; i < screen->nr_shown; i++)
		process_complete(process, columns[screen->shown[i]].field);
	if (screen->options->command_line)
		process_complete(process, FIELD_COMMAND_LINE);
	row_format(line, process, screen->shown, screen->width, screen->nr_shown);
	draw_line(y, line, A_NORMAL);
	for (i = 0; i < screen->nr_shown; i++) {
		field = columns[screen->shown[i]].field;
		attributes = cell_attributes(screen, process, field);
		if (attributes == A_NORMAL)
			continue;
		cell_format(text, sizeof(text), process, field);
		text_fit(cell, sizeof(cell), text, screen->width[i],
			 column_is_right_aligned(&columns[screen->shown[i]]), true);
		draw_cell(screen, y, i, cell, attributes);
	}
}

static void draw_header(const struct screen *screen)
{
	char line[LINE_SIZE], cell[64];
	int i;

	header_format(line, screen->shown, screen->width, screen->nr_shown);
	draw_line(HEADER_LINE, line, colour(screen, COLOUR_TITLE) | A_REVERSE);
	for (i = 0; i < screen->nr_shown; i++) {
		if (screen->shown[i] != screen->options->sort || getmaxy(stdscr) <= HEADER_LINE)
			continue;
		text_fit(cell, sizeof(cell), columns[screen->shown[i]].title, screen->width[i],
			 column_is_right_aligned(&columns[screen->shown[i]]), false);
		draw_cell(screen, HEADER_LINE, i, cell, A_BOLD | A_UNDERLINE);
	}
}

static const char *question_text(int question)
{
	switch (question) {
	case 'p':
		return "Only these pids (empty: all)";
	case 'u':
		return "Only this user (empty: all)";
	case 'g':
		return "Only this cgroup (empty: all)";
	default:
		return "Seconds between two samples";
	}
}

static int describe_pids(char *line, size_t size, const struct filter *filter)
{
	size_t i;
	int length = 0;

	for (i = 0; i < filter->nr_pids && length < (int)size - 16; i++)
		length += snprintf(line + length, size - length, "%s%d",
				   i ? "," : "pid ", filter->pids[i]);
	if (length)
		length += snprintf(line + length, size - length, "  ");
	return length;
}

static void describe_view(char *line, size_t size, const struct options *options)
{
	const struct filter *filter = &options->filter;
	int length;

	length = describe_pids(line, size / 2, filter);
	if (filter->user)
		length += snprintf(line + length, size - length, "user %s  ", filter->user);
	if (filter->cgroup)
		length += snprintf(line + length, size - length, "cgroup %.512s  ", filter->cgroup);
	snprintf(line + length, size - length, "sorted by %s%s   h: help  q: quit",
		 columns[options->sort].title, options->reverse ? ", reversed" : "");
}

static void draw_status(const struct screen *screen)
{
	char line[2048];

	if (screen->question) {
		snprintf(line, sizeof(line), "%s: %s", question_text(screen->question),
			 screen->answer);
		draw_line(STATUS_LINE, line, A_BOLD);
		curs_set(1);
		move(getmaxy(stdscr) > STATUS_LINE ? STATUS_LINE : 0,
		     (int)strlen(line) < COLS ? (int)strlen(line) : COLS - 1);
		return;
	}
	curs_set(0);
	if (screen->message[0]) {
		draw_line(STATUS_LINE, screen->message, A_BOLD);
		return;
	}
	describe_view(line, sizeof(line), screen->options);
	draw_line(STATUS_LINE, line, A_NORMAL);
}

static void draw_help(void)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(help_lines); i++)
		draw_line(i + 1, help_lines[i], A_NORMAL);
}

static size_t page_rows(void)
{
	int rows = getmaxy(stdscr) - FIRST_ROW;

	return rows > 0 ? rows : 1;
}

static void draw(struct screen *screen)
{
	char summary[SUMMARY_LINES][LINE_SIZE];
	struct sample *sample = &screen->sample;
	size_t i;

	erase();
	if (screen->help) {
		draw_help();
		refresh();
		return;
	}
	screen->nr_shown = columns_choose(COLS, sample, screen->options->command_line,
					  screen->shown, screen->width);
	if (screen->first + page_rows() > sample->nr)
		screen->first = sample->nr > page_rows() ? sample->nr - page_rows() : 0;
	summary_format(summary, sample, COLS);
	for (i = 0; i < SUMMARY_LINES; i++)
		draw_line(i, summary[i], A_NORMAL);
	draw_header(screen);
	for (i = 0; i < page_rows() && screen->first + i < sample->nr; i++)
		draw_process(screen, FIRST_ROW + i, &sample->processes[screen->first + i]);
	draw_status(screen);
	refresh();
}

static void take(struct screen *screen)
{
	sample_free(&screen->sample);
	sample_take(&screen->sample, &screen->options->filter);
	processes_sort(screen->sample.processes, screen->sample.nr, screen->options->sort,
		       screen->options->reverse);
	screen->take = false;
}

static void sort_by(struct screen *screen, int column)
{
	screen->options->sort = column;
	screen->first = 0;
	processes_sort(screen->sample.processes, screen->sample.nr, column,
		       screen->options->reverse);
}

static void sort_by_hotkey(struct screen *screen, int key)
{
	int i;

	for (i = 0; i < NR_COLUMNS; i++)
		if (columns[i].hotkey && columns[i].hotkey == key)
			sort_by(screen, i);
}

/* The next column in a direction that is shown and can be sorted by. */
static void sort_beside(struct screen *screen, int step)
{
	int i, at = -1;

	for (i = 0; i < screen->nr_shown; i++)
		if (screen->shown[i] == screen->options->sort)
			at = i;
	/* What is sorted by may be too far to the right to be shown. */
	if (at < 0)
		at = step > 0 ? -1 : screen->nr_shown;
	for (i = at + step; i >= 0 && i < screen->nr_shown; i += step) {
		if (columns[screen->shown[i]].key) {
			sort_by(screen, screen->shown[i]);
			return;
		}
	}
}

static void show_all(struct screen *screen)
{
	struct filter *filter = &screen->options->filter;

	filter_set_pids(filter, "");
	filter_set_user(filter, "");
	filter_set_cgroup(filter, "");
	screen->take = true;
}

static void ask(struct screen *screen, int question)
{
	screen->question = question;
	screen->answer[0] = '\0';
}

static void answer(struct screen *screen)
{
	struct options *options = screen->options;
	const char *wrong;

	if (screen->question == 'p')
		wrong = filter_set_pids(&options->filter, screen->answer);
	else if (screen->question == 'u')
		wrong = filter_set_user(&options->filter, screen->answer);
	else if (screen->question == 'g')
		wrong = filter_set_cgroup(&options->filter, screen->answer);
	else
		wrong = delay_set(&options->delay, screen->answer);
	if (wrong)
		snprintf(screen->message, sizeof(screen->message), "'%.80s': %s",
			 screen->answer, wrong);
	screen->question = 0;
	screen->first = 0;
	screen->take = !wrong;
}

static void answer_key(struct screen *screen, int key)
{
	size_t length = strlen(screen->answer);

	if (key == '\n' || key == '\r' || key == KEY_ENTER) {
		answer(screen);
	} else if (key == 27) {
		screen->question = 0;
	} else if (key == KEY_BACKSPACE || key == 127 || key == '\b') {
		/* Of a character of several bytes all go. */
		while (length && (screen->answer[--length] & 0xc0) == 0x80)
			;
		screen->answer[length] = '\0';
	} else if (key >= ' ' && key < 256 && length + 1 < sizeof(screen->answer)) {
		screen->answer[length] = key;
		screen->answer[length + 1] = '\0';
	}
}

static void scroll_by(struct screen *screen, size_t rows, bool up)
{
	if (!up)
		screen->first += rows;
	else
		screen->first -= rows < screen->first ? rows : screen->first;
}

static bool scroll_key(struct screen *screen, int key)
{
	switch (key) {
	case KEY_UP:
		scroll_by(screen, 1, true);
		break;
	case KEY_DOWN:
		scroll_by(screen, 1, false);
		break;
	case KEY_PPAGE:
		scroll_by(screen, page_rows(), true);
		break;
	case KEY_NPAGE:
		scroll_by(screen, page_rows(), false);
		break;
	case KEY_HOME:
		screen->first = 0;
		break;
	case KEY_END:
		/* draw() stops at the end. */
		screen->first = screen->sample.nr;
		break;
	default:
		return false;
	}
	return true;
}

static void view_key(struct screen *screen, int key)
{
	switch (key) {
	case 'q':
		screen->quit = true;
		break;
	case 'h':
	case '?':
		screen->help = true;
		break;
	case ' ':
		screen->take = true;
		break;
	case '<':
	case KEY_LEFT:
		sort_beside(screen, -1);
		break;
	case '>':
	case KEY_RIGHT:
		sort_beside(screen, 1);
		break;
	case 'r':
		screen->options->reverse = !screen->options->reverse;
		sort_by(screen, screen->options->sort);
		break;
	case 'c':
		screen->options->command_line = !screen->options->command_line;
		/* The rows that have theirs already would go on to show it. */
		screen->take = true;
		break;
	case 'x':
		show_all(screen);
		break;
	case 'p':
	case 'u':
	case 'g':
	case 'd':
		ask(screen, key);
		break;
	default:
		if (!scroll_key(screen, key))
			sort_by_hotkey(screen, key);
		break;
	}
}

static void handle_key(struct screen *screen, int key)
{
	/* ncurses has resized its windows, and draw() follows. */
	if (key == KEY_RESIZE)
		return;
	screen->message[0] = '\0';
	if (screen->question)
		answer_key(screen, key);
	else if (screen->help)
		screen->help = false;
	else
		view_key(screen, key);
}

static double seconds_now(void)
{
	struct timespec now;

	clock_gettime(CLOCK_MONOTONIC, &now);
	return now.tv_sec + now.tv_nsec / 1e9;
}

/* A terminal that has gone away is readable for ever. */
static bool terminal_is_gone(void)
{
	struct pollfd input = { .fd = STDIN_FILENO, .events = POLLIN };

	return poll(&input, 1, 0) > 0 && input.revents & (POLLHUP | POLLERR | POLLNVAL);
}

/* Draws and handles keys until it is time for a sample, or for the end. */
static void serve(struct screen *screen, double until)
{
	while (!screen->quit && !screen->take) {
		double left = until - seconds_now();
		int key;

		draw(screen);
		if (left <= 0)
			return;
		timeout(left * 1000 + 1);
		key = getch();
		if (key != ERR)
			handle_key(screen, key);
		else if (terminal_is_gone())
			screen->quit = true;
	}
}

static bool want_colours(void)
{
	const char *text = getenv("NO_COLOR");

	return (!text || !*text) && has_colors();
}

static void start(struct screen *screen)
{
	const char *term = getenv("TERM");

	set_escdelay(25);
	if (!newterm(NULL, stdout, stdin))
		die("cannot use a terminal of type '%s'; set TERM, or give --once",
		    term ? term : "");
	cbreak();
	noecho();
	keypad(stdscr, true);
	screen->colours = want_colours();
	if (!screen->colours)
		return;
	start_color();
	use_default_colors();
	init_pair(COLOUR_TITLE, COLOR_CYAN, -1);
	init_pair(COLOUR_SOME, COLOR_YELLOW, -1);
	init_pair(COLOUR_MUCH, COLOR_RED, -1);
	init_pair(COLOUR_GOOD, COLOR_GREEN, -1);
}

void screen_end(void)
{
	if (stdscr && !isendwin())
		endwin();
}

void screen_run(struct options *options)
{
	struct screen screen = { .options = options };
	unsigned long left = options->iterations;

	start(&screen);
	while (!screen.quit) {
		take(&screen);
		if (left && !--left) {
			draw(&screen);
			break;
		}
		serve(&screen, seconds_now() + options->delay);
	}
	sample_free(&screen.sample);
	screen_end();
}
