// SPDX-License-Identifier: GPL-2.0
/*
 * /proc/<pid>/pt_reclaim: who may read and write it. What it says is in
 * mm/pt_reclaim/process.c.
 */
#include <linux/capability.h>
#include <linux/cred.h>
#include <linux/file.h>
#include <linux/pt_reclaim.h>
#include <linux/ptrace.h>
#include <linux/sched/coredump.h>
#include <linux/sched/mm.h>
#include <linux/sched/signal.h>
#include <linux/sched/task.h>
#include <linux/seq_file.h>
#include <linux/string.h>
#include <linux/uaccess.h>

#include "internal.h"

/* The longest command with the largest number is shorter. */
#define MAX_COMMAND	64

static int pt_reclaim_show(struct seq_file *m, void *v)
{
	struct mm_struct *mm = m->private;
	int err;

	if (!mm || !mmget_not_zero(mm))
		return -ESRCH;
	err = pt_reclaim_process_show(m, mm);
	mmput(mm);
	return err;
}

/*
 * Whoever opens it to write alone needs no right to read: the agent of an admin
 * need not be able to trace what he steers.
 */
static int pt_reclaim_open(struct inode *inode, struct file *file)
{
	struct mm_struct *mm = NULL;
	int err;

	if (file->f_mode & FMODE_READ) {
		mm = proc_mem_open(inode, PTRACE_MODE_READ);
		if (IS_ERR_OR_NULL(mm))
			return mm ? PTR_ERR(mm) : -ESRCH;
	}
	err = single_open(file, pt_reclaim_show, mm);
	if (err && mm)
		mmdrop(mm);
	return err;
}

static int pt_reclaim_release(struct inode *inode, struct file *file)
{
	struct seq_file *m = file->private_data;
	struct mm_struct *mm = m->private;

	if (mm)
		mmdrop(mm);
	return single_release(inode, file);
}

/*
 * The rights are those of who opened the file, so that nobody can have a more
 * mighty program write to it. The process may have changed its user since, or be a
 * program by now that its user may not interfere with.
 */
static bool is_owner(struct file *file, struct task_struct *task,
		     struct mm_struct *mm)
{
	const struct cred *cred;
	bool same;

	if (get_dumpable(mm) != SUID_DUMP_USER)
		return false;
	rcu_read_lock();
	cred = __task_cred(task);
	same = uid_eq(file->f_cred->euid, cred->uid) &&
	       uid_eq(file->f_cred->euid, cred->euid) &&
	       uid_eq(file->f_cred->euid, cred->suid);
	rcu_read_unlock();
	return same;
}

/*
 * The mm of the task, for who may write, with mm_users raised. exec changes the mm
 * first and the credentials later, hence the lock.
 */
static struct mm_struct *get_mm_to_write(struct file *file,
					 struct task_struct *task,
					 bool *privileged)
{
	struct mm_struct *mm;

	if (down_read_killable(&task->signal->exec_update_lock))
		return ERR_PTR(-EINTR);
	mm = get_task_mm(task);
	if (mm) {
		*privileged = file_ns_capable(file, mm->user_ns,
					      CAP_SYS_RESOURCE);
		if (!*privileged && !is_owner(file, task, mm)) {
			mmput(mm);
			mm = ERR_PTR(-EPERM);
		}
	}
	up_read(&task->signal->exec_update_lock);
	return mm ?: ERR_PTR(-ESRCH);
}

static ssize_t pt_reclaim_write(struct file *file, const char __user *buf,
				size_t count, loff_t *ppos)
{
	struct task_struct *task;
	struct mm_struct *mm;
	char text[MAX_COMMAND];
	bool privileged;
	int err;

	if (!count || count >= sizeof(text))
		return -EINVAL;
	if (copy_from_user(text, buf, count))
		return -EFAULT;
	text[count] = '\0';
	if (strlen(text) != count)
		return -EINVAL;

	task = get_proc_task(file_inode(file));
	if (!task)
		return -ESRCH;
	mm = get_mm_to_write(file, task, &privileged);
	put_task_struct(task);
	if (IS_ERR(mm))
		return PTR_ERR(mm);

	err = pt_reclaim_process_write(mm, text, privileged);
	mmput(mm);
	return err ?: count;
}

const struct file_operations proc_pid_pt_reclaim_operations = {
	.open		= pt_reclaim_open,
	.read		= seq_read,
	.write		= pt_reclaim_write,
	.llseek		= seq_lseek,
	.release	= pt_reclaim_release,
};
