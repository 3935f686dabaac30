// SPDX-License-Identifier: GPL-2.0
/*
 * Page table reclaim: hold races open, for tests.
 */

/**
 * DOC: Holding a race open
 *
 * Every gap of include/linux/pt_reclaim_gaps.h has a file of its name in
 * /sys/kernel/debug/pt_reclaim_gaps. Writing
 *
 *	MILLISECS ADDRESS [PID]
 *
 * arms the gap for the process (without PID: for the writer) and for the PTE
 * table that maps ADDRESS. Whoever comes to the gap first there stays in it
 * until 0 is written or the time has passed. The gap is not armed then any
 * more; what comes later goes through. Reading gives the state (idle, armed or
 * open) and how often somebody was let go and how often the time passed.
 *
 * He waits in a busy loop, because he may hold spin locks or have interrupts
 * off, and lets others run only where he may. Whoever needs from him what he
 * holds waits for as long; a test in which nobody should, finds out by the time
 * having passed.
 */

#include <linux/debugfs.h>
#include <linux/init.h>
#include <linux/kernel.h>
#include <linux/pgtable.h>
#include <linux/preempt.h>
#include <linux/pt_reclaim_gaps.h>
#include <linux/rcupdate.h>
#include <linux/sched.h>
#include <linux/sched/mm.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/spinlock.h>
#include <linux/timekeeping.h>
#include <linux/uaccess.h>

/* Shorter than what the watchdogs of the kernel put up with. */
#define MAX_HOLD_MILLISECS	15000

enum gap_state { GAP_IDLE, GAP_ARMED, GAP_OPEN };

static const char * const state_names[] = { "idle", "armed", "open" };

/**
 * struct gap - one gap
 * @lock: Protects all of it. Taken with interrupts off and inside of every lock
 *	that somebody in a gap may hold, so it is a raw one.
 * @state: Also read without the lock, by whoever waits in the gap.
 * @mm: For whom it is armed; mm_count is held, so that the address stays his.
 * @table: First address of what the table maps.
 * @hold_ns: For how long to hold it open.
 * @released: How often somebody was let go.
 * @expired: How often the time passed.
 */
struct gap {
	raw_spinlock_t lock;
	enum gap_state state;
	struct mm_struct *mm;
	unsigned long table;
	u64 hold_ns;
	unsigned long released;
	unsigned long expired;
};

static struct gap gaps[NR_PT_RECLAIM_GAPS];

static const char * const gap_names[NR_PT_RECLAIM_GAPS] = {
	[PT_RECLAIM_GAP_FIND]		= "find",
	[PT_RECLAIM_GAP_FOUND]		= "found",
	[PT_RECLAIM_GAP_LOCK]		= "lock",
	[PT_RECLAIM_GAP_CONFIRMED]	= "confirmed",
	[PT_RECLAIM_GAP_DETACHED]	= "detached",
	[PT_RECLAIM_GAP_FLUSHED]	= "flushed",
	[PT_RECLAIM_GAP_MAP_LOCK]	= "map_lock",
	[PT_RECLAIM_GAP_ZAP]		= "zap",
	[PT_RECLAIM_GAP_FAULT]		= "fault",
	[PT_RECLAIM_GAP_PROTECT]	= "protect",
	[PT_RECLAIM_GAP_FILL_ALLOC]	= "fill_alloc",
	[PT_RECLAIM_GAP_FILL]		= "fill",
	[PT_RECLAIM_GAP_MOVE]		= "move",
	[PT_RECLAIM_GAP_COLLAPSE]	= "collapse",
	[PT_RECLAIM_GAP_RETRACT]	= "retract",
	[PT_RECLAIM_GAP_FORK]		= "fork",
};

/* Is the gap armed for this place? If so it is open from now on. */
static bool gap_enter(struct gap *gap, struct mm_struct *mm, unsigned long addr,
		      u64 *hold_ns)
{
	unsigned long flags;
	bool entered;

	raw_spin_lock_irqsave(&gap->lock, flags);
	entered = gap->state == GAP_ARMED && gap->mm == mm &&
		  gap->table == (addr & PMD_MASK);
	if (entered) {
		WRITE_ONCE(gap->state, GAP_OPEN);
		*hold_ns = gap->hold_ns;
	}
	raw_spin_unlock_irqrestore(&gap->lock, flags);
	return entered;
}

/* The time has passed, unless somebody has just let us go. */
static void gap_expire(struct gap *gap)
{
	unsigned long flags;

	raw_spin_lock_irqsave(&gap->lock, flags);
	if (gap->state == GAP_OPEN) {
		WRITE_ONCE(gap->state, GAP_IDLE);
		gap->expired++;
	}
	raw_spin_unlock_irqrestore(&gap->lock, flags);
}

/**
 * pt_reclaim_gap() - stay here for a while, if a test has asked for it
 * @gap: Which gap this is.
 * @mm: Whose page tables it is about.
 * @addr: Any address under the PTE table that it is about.
 *
 * Context: Any but NMI. May reschedule where that is allowed, else keeps the CPU
 * busy.
 */
void pt_reclaim_gap(enum pt_reclaim_gap gap, struct mm_struct *mm,
		    unsigned long addr)
{
	u64 hold_ns, start;

	/* Pairs with nothing: a gap that is armed this instant may be missed. */
	if (READ_ONCE(gaps[gap].state) != GAP_ARMED)
		return;
	if (!gap_enter(&gaps[gap], mm, addr, &hold_ns))
		return;

	start = ktime_get_mono_fast_ns();
	while (READ_ONCE(gaps[gap].state) == GAP_OPEN) {
		if (ktime_get_mono_fast_ns() - start > hold_ns)
			gap_expire(&gaps[gap]);
		if (preemptible() && !rcu_preempt_depth())
			cond_resched();
		cpu_relax();
	}
}

/*
 * Lets go who is in the gap, and arms it for @mm, whose mm_count goes over to
 * it; for nobody if that is NULL.
 */
static void gap_set(struct gap *gap, struct mm_struct *mm, unsigned long addr,
		    unsigned int msecs)
{
	struct mm_struct *old;

	raw_spin_lock_irq(&gap->lock);
	if (gap->state == GAP_OPEN)
		gap->released++;
	old = gap->mm;
	gap->mm = mm;
	gap->table = addr & PMD_MASK;
	gap->hold_ns = (u64)msecs * NSEC_PER_MSEC;
	WRITE_ONCE(gap->state, mm ? GAP_ARMED : GAP_IDLE);
	raw_spin_unlock_irq(&gap->lock);

	if (old)
		mmdrop(old);
}

/* The mm of a process, with mm_count raised; NULL if it has none. */
static struct mm_struct *grab_mm_of(pid_t pid)
{
	struct task_struct *task = find_get_task_by_vpid(pid);
	struct mm_struct *mm;

	if (!task)
		return NULL;
	mm = get_task_mm(task);
	put_task_struct(task);
	if (mm) {
		mmgrab(mm);
		mmput(mm);
	}
	return mm;
}

static int gap_parse(struct gap *gap, const char *text)
{
	struct mm_struct *mm;
	unsigned int msecs;
	unsigned long addr;
	int fields, pid;

	fields = sscanf(text, "%u %lx %d", &msecs, &addr, &pid);
	if (fields == 1 && !msecs) {
		gap_set(gap, NULL, 0, 0);
		return 0;
	}
	if (fields < 2 || !msecs || msecs > MAX_HOLD_MILLISECS)
		return -EINVAL;

	mm = grab_mm_of(fields == 3 ? pid : task_tgid_vnr(current));
	if (!mm)
		return -ESRCH;
	gap_set(gap, mm, addr, msecs);
	return 0;
}

static ssize_t gap_write(struct file *file, const char __user *buf,
			 size_t count, loff_t *pos)
{
	struct seq_file *m = file->private_data;
	char text[64];
	int err;

	if (count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = '\0';
	err = gap_parse(m->private, text);
	return err ? err : count;
}

static int gap_show(struct seq_file *m, void *unused)
{
	struct gap *gap = m->private;

	raw_spin_lock_irq(&gap->lock);
	seq_printf(m, "%s %lu %lu\n", state_names[gap->state], gap->released,
		   gap->expired);
	raw_spin_unlock_irq(&gap->lock);
	return 0;
}

static int gap_open(struct inode *inode, struct file *file)
{
	return single_open(file, gap_show, inode->i_private);
}

static const struct file_operations gap_fops = {
	.owner		= THIS_MODULE,
	.open		= gap_open,
	.read		= seq_read,
	.write		= gap_write,
	.llseek		= seq_lseek,
	.release	= single_release,
};

static int __init pt_reclaim_gaps_init(void)
{
	struct dentry *dir = debugfs_create_dir("pt_reclaim_gaps", NULL);
	enum pt_reclaim_gap gap;

	for (gap = 0; gap < NR_PT_RECLAIM_GAPS; gap++) {
		raw_spin_lock_init(&gaps[gap].lock);
		debugfs_create_file(gap_names[gap], 0600, dir, &gaps[gap],
				    &gap_fops);
	}
	return 0;
}
late_initcall(pt_reclaim_gaps_init);
