// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: the attributes in /sys/kernel/mm/pt_reclaim. See
 * Documentation/ABI/testing/sysfs-kernel-mm-pt-reclaim.
 */
#include <linux/cpu.h>
#include <linux/init.h>
#include <linux/kobject.h>
#include <linux/kstrtox.h>
#include <linux/mm.h>
#include <linux/string.h>
#include <linux/sysfs.h>
#include <linux/vmstat.h>

#include "internal.h"

#define MAX_SLEEP_MILLISECS	(60 * 60 * 1000)

#define PT_RECLAIM_ATTR(_name) \
	static struct kobj_attribute _name##_attr = __ATTR_RW(_name)

#define PT_RECLAIM_ATTR_WO(_name) \
	static struct kobj_attribute _name##_attr = __ATTR_WO(_name)

#define PT_RECLAIM_ATTR_RO(_name) \
	static struct kobj_attribute _name##_attr = __ATTR_RO(_name)

static ssize_t enabled_show(struct kobject *kobj, struct kobj_attribute *attr,
			    char *buf)
{
	enum pt_reclaim_mode now = pt_reclaim_mode_get();
	int mode, len = 0;

	for (mode = NR_PT_RECLAIM_MODES - 1; mode >= 0; mode--)
		len += sysfs_emit_at(buf, len, mode == now ? "[%s]%c" : "%s%c",
				     pt_reclaim_mode_names[mode],
				     mode ? ' ' : '\n');
	return len;
}

static ssize_t enabled_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	int mode = sysfs_match_string(pt_reclaim_mode_names, buf);
	int err;

	if (mode < 0)
		return mode;
	err = pt_reclaim_set_mode(mode);
	return err ?: count;
}
PT_RECLAIM_ATTR(enabled);

static ssize_t scan_sleep_millisecs_show(struct kobject *kobj,
					 struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", pt_reclaim_get_sleep_millisecs());
}

static int parse_number(const char *buf, unsigned int min, unsigned int max,
			unsigned int *value)
{
	int err = kstrtouint(buf, 10, value);

	if (err)
		return err;
	return *value >= min && *value <= max ? 0 : -EINVAL;
}

static ssize_t scan_sleep_millisecs_store(struct kobject *kobj,
					  struct kobj_attribute *attr,
					  const char *buf, size_t count)
{
	unsigned int msecs;
	int err = parse_number(buf, 1, MAX_SLEEP_MILLISECS, &msecs);

	if (err)
		return err;
	pt_reclaim_set_sleep_millisecs(msecs);
	return count;
}
PT_RECLAIM_ATTR(scan_sleep_millisecs);

static ssize_t tables_to_scan_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", pt_reclaim_get_tables_to_scan());
}

static ssize_t tables_to_scan_store(struct kobject *kobj,
				    struct kobj_attribute *attr,
				    const char *buf, size_t count)
{
	unsigned int nr;
	int err = parse_number(buf, 1, UINT_MAX, &nr);

	if (err)
		return err;
	pt_reclaim_set_tables_to_scan(nr);
	return count;
}
PT_RECLAIM_ATTR(tables_to_scan);

static ssize_t max_cpu_percent_show(struct kobject *kobj,
				    struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", pt_reclaim_get_max_cpu_percent());
}

static ssize_t max_cpu_percent_store(struct kobject *kobj,
				     struct kobj_attribute *attr,
				     const char *buf, size_t count)
{
	unsigned int percent;
	int err = parse_number(buf, 1, 100, &percent);

	if (err)
		return err;
	pt_reclaim_set_max_cpu_percent(percent);
	return count;
}
PT_RECLAIM_ATTR(max_cpu_percent);

static ssize_t sweep_rounds_show(struct kobject *kobj,
				 struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", pt_reclaim_get_sweep_rounds());
}

static ssize_t sweep_rounds_store(struct kobject *kobj,
				  struct kobj_attribute *attr,
				  const char *buf, size_t count)
{
	unsigned int rounds;
	int err = parse_number(buf, 0, UINT_MAX, &rounds);

	if (err)
		return err;
	pt_reclaim_set_sweep_rounds(rounds);
	return count;
}
PT_RECLAIM_ATTR(sweep_rounds);

static ssize_t reclaim_store(struct kobject *kobj, struct kobj_attribute *attr,
			     const char *buf, size_t count)
{
	unsigned int one;
	int err = parse_number(buf, 1, 1, &one);

	if (!err)
		err = pt_reclaim_everybody();
	return err ?: count;
}
PT_RECLAIM_ATTR_WO(reclaim);

static ssize_t sleep_millisecs_show(struct kobject *kobj,
				    struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%u\n", pt_reclaim_present_sleep_millisecs());
}
PT_RECLAIM_ATTR_RO(sleep_millisecs);

static ssize_t mms_show(struct kobject *kobj, struct kobj_attribute *attr,
			char *buf)
{
	return sysfs_emit(buf, "%lu\n", pt_reclaim_nr_mms());
}
PT_RECLAIM_ATTR_RO(mms);

static ssize_t full_scans_show(struct kobject *kobj,
			       struct kobj_attribute *attr, char *buf)
{
	return sysfs_emit(buf, "%lu\n", pt_reclaim_full_scans());
}
PT_RECLAIM_ATTR_RO(full_scans);

/* The same number as in /proc/vmstat. */
static ssize_t event_show(char *buf, enum vm_event_item item)
{
	unsigned long sum = 0;
	int cpu;

	/* What a CPU that goes offline has counted moves to another one. */
	cpus_read_lock();
	for_each_online_cpu(cpu)
		sum += per_cpu(vm_event_states, cpu).event[item];
	cpus_read_unlock();
	return sysfs_emit(buf, "%lu\n", sum);
}

static ssize_t tables_scanned_show(struct kobject *kobj,
				   struct kobj_attribute *attr, char *buf)
{
	return event_show(buf, PTRECLAIM_SCANNED);
}
PT_RECLAIM_ATTR_RO(tables_scanned);

static ssize_t tables_reclaimed_show(struct kobject *kobj,
				     struct kobj_attribute *attr, char *buf)
{
	return event_show(buf, PTRECLAIM_RECLAIMED);
}
PT_RECLAIM_ATTR_RO(tables_reclaimed);

static ssize_t tables_reclaimed_pressure_show(struct kobject *kobj,
					      struct kobj_attribute *attr,
					      char *buf)
{
	return sysfs_emit(buf, "%lu\n", pt_reclaim_nr_shrunk());
}
PT_RECLAIM_ATTR_RO(tables_reclaimed_pressure);

static struct attribute *pt_reclaim_attrs[] = {
	&enabled_attr.attr,
	&scan_sleep_millisecs_attr.attr,
	&tables_to_scan_attr.attr,
	&max_cpu_percent_attr.attr,
	&sweep_rounds_attr.attr,
	&reclaim_attr.attr,
	&sleep_millisecs_attr.attr,
	&mms_attr.attr,
	&full_scans_attr.attr,
	&tables_scanned_attr.attr,
	&tables_reclaimed_attr.attr,
	&tables_reclaimed_pressure_attr.attr,
	NULL,
};

static const struct attribute_group pt_reclaim_attr_group = {
	.name = "pt_reclaim",
	.attrs = pt_reclaim_attrs,
};

/* The same initcall level as core.c, which is linked before. */
static int __init pt_reclaim_sysfs_init(void)
{
	if (!pt_reclaim_available())
		return 0;
	return sysfs_create_group(mm_kobj, &pt_reclaim_attr_group);
}
subsys_initcall(pt_reclaim_sysfs_init);
