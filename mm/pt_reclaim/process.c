// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: what /proc/<pid>/pt_reclaim says, and what can be written
 * there. See Documentation/ABI/testing/procfs-pt-reclaim.
 */
#include <linux/jiffies.h>
#include <linux/kstrtox.h>
#include <linux/limits.h>
#include <linux/mm.h>
#include <linux/prctl.h>
#include <linux/seq_file.h>
#include <linux/string.h>

#include "internal.h"

#define MAX_DELAY_MILLISECS	(60 * 60 * 1000)

static const char * const setting_names[] = {
	[PR_PT_RECLAIM_DEFAULT]	= "default",
	[PR_PT_RECLAIM_ENABLE]	= "enable",
	[PR_PT_RECLAIM_DISABLE]	= "disable",
};

static const char * const scope_names[] = {
	[PT_RECLAIM_NOTHING]		= "none",
	[PT_RECLAIM_MARKED_VMAS]	= "marked",
	[PT_RECLAIM_ALL_VMAS]		= "all",
};

/* What decides it: the setting counts only where it does not say default. */
static const char *reason(enum pt_reclaim_scope scope, int setting)
{
	if (scope == PT_RECLAIM_MARKED_VMAS)
		return "mark";
	if (setting == PR_PT_RECLAIM_DISABLE)
		return "prctl";
	if (scope == PT_RECLAIM_ALL_VMAS && setting == PR_PT_RECLAIM_ENABLE)
		return "prctl";
	return "system";
}

/**
 * pt_reclaim_process_show() - print what is known of a process
 * @m: Where to.
 * @mm: Its mm; the caller holds mm_users.
 *
 * Context: Process context.
 *
 * Return: 0; -EOPNOTSUPP where page table reclaim is not available.
 */
int pt_reclaim_process_show(struct seq_file *m, struct mm_struct *mm)
{
	enum pt_reclaim_scope scope = pt_reclaim_mm_scope(mm);
	int setting = pt_reclaim_setting_get(mm);
	struct pt_reclaim_mm_state state;

	if (!pt_reclaim_available())
		return -EOPNOTSUPP;

	pt_reclaim_get_mm_state(mm, &state);
	seq_printf(m, "takes_part: %s\n", scope_names[scope]);
	seq_printf(m, "reason: %s\n", reason(scope, setting));
	seq_printf(m, "mode: %s\n", setting_names[setting]);
	seq_printf(m, "registered: %d\n", state.registered);
	seq_printf(m, "scan_delay_millisecs: %u\n",
		   state.settings.delay_millisecs);
	seq_printf(m, "scan_tables: %u\n", state.settings.tables);
	seq_printf(m, "visits: %lu\n", state.visits);
	seq_printf(m, "tables_scanned: %lu\n", state.scanned);
	seq_printf(m, "tables_reclaimed: %lu\n", state.reclaimed);
	seq_printf(m, "pte_table_bytes: %lu\n", mm_pgtables_bytes(mm));
	if (state.last_visit)
		seq_printf(m, "last_visit_millisecs: %llu\n",
			   jiffies64_to_msecs(get_jiffies_64() -
					      state.last_visit));
	else
		seq_puts(m, "last_visit_millisecs: never\n");
	seq_printf(m, "left_busy: %lu\n", state.busy);
	seq_printf(m, "left_raced: %lu\n", state.raced);
	seq_printf(m, "left_unfit: %lu\n", state.unfit);
	return 0;
}

static int parse_number(const char *text, unsigned int max, unsigned int *value)
{
	int err = kstrtouint(text, 10, value);

	/* One kind of wrong is enough: too large for what is no number. */
	if (err || *value > max)
		return -EINVAL;
	return 0;
}

static int set_delay(struct mm_struct *mm, const char *text)
{
	unsigned int msecs;
	int err = parse_number(text, MAX_DELAY_MILLISECS, &msecs);

	if (!err)
		err = pt_reclaim_set_mm_delay(mm, msecs);
	if (!err)
		kptreclaimd_settings_changed();
	return err;
}

/* A longer turn is at the others' expense. */
static int set_tables(struct mm_struct *mm, const char *text, bool privileged)
{
	unsigned int nr;
	int err = parse_number(text, UINT_MAX, &nr);

	if (!err && !privileged && nr > pt_reclaim_get_tables_to_scan())
		err = -EPERM;
	return err ?: pt_reclaim_set_mm_tables(mm, nr, privileged);
}

static int set_mode(struct mm_struct *mm, const char *text)
{
	int setting = match_string(setting_names, ARRAY_SIZE(setting_names),
				   text);

	return setting < 0 ? setting : pt_reclaim_set_mm_mode(mm, setting);
}

static int reclaim(struct mm_struct *mm)
{
	switch (pt_reclaim_request(mm, 0, mm->task_size)) {
	case PT_RECLAIM_KILLED:
		return -EINTR;
	case PT_RECLAIM_EXITING:
		return -ESRCH;
	default:
		return 0;
	}
}

static char *next_word(char **text)
{
	char *word;

	do {
		word = strsep(text, " \t");
	} while (word && !*word);
	return word;
}

/**
 * pt_reclaim_process_write() - carry out what was written for a process
 * @mm: Its mm; the caller holds mm_users, and has the right to.
 * @text: What was written. Is changed.
 * @privileged: May who writes do what others have to pay for?
 *
 * Context: Process context, may sleep. Takes mmap_lock.
 *
 * Return: 0; -EINVAL for what is not a command, -EPERM for a longer turn than
 * others have without privilege, -EOPNOTSUPP where page table
 * reclaim is not available, -EINTR on a fatal signal, -ENOMEM for a setting that
 * there is no memory to keep, -ESRCH. On error no setting has changed.
 */
int pt_reclaim_process_write(struct mm_struct *mm, char *text, bool privileged)
{
	char *command, *argument;
	size_t len = strlen(text);

	if (!pt_reclaim_available())
		return -EOPNOTSUPP;

	if (len && text[len - 1] == '\n')
		text[--len] = '\0';
	/* kstrtouint() would take another one behind a number. */
	if (strchr(text, '\n'))
		return -EINVAL;
	command = next_word(&text);
	argument = next_word(&text);
	if (!command || next_word(&text))
		return -EINVAL;
	if (!argument)
		return strcmp(command, "reclaim") ? -EINVAL : reclaim(mm);
	if (!strcmp(command, "scan_delay_millisecs"))
		return set_delay(mm, argument);
	if (!strcmp(command, "scan_tables"))
		return set_tables(mm, argument, privileged);
	if (!strcmp(command, "mode"))
		return set_mode(mm, argument);
	return -EINVAL;
}
