// SPDX-License-Identifier: GPL-2.0
/*
 * Who may steer a process, or the system, by /proc/pid/pt_reclaim and the other ways:
 * everybody who may not tries all of it, and it must have come to nothing.
 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <linux/capability.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/prctl.h>
#include <sys/stat.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <unistd.h>

#include "pt_reclaim_harness.h"
#include "pt_reclaim_interface.h"

/* Users who own nothing but what they start */
#define OWNER		65534
#define STRANGER	65533

static int write_to(struct pt_target *target, const char *text)
{
	return pt_process_write(target->pid, text);
}

static int write_text(int fd, const char *text)
{
	return pt_write_bytes(fd, text, strlen(text));
}

/* Who may read and write the file of a process of OWNER's */
FIXTURE(rights)
{
	struct pt_target target;
	struct pt_target changing;
};

#define CAP(cap)	(1ULL << (cap))

/* What this task may do from now on, and what it may be able to again */
static int set_capabilities(__u64 effective, bool keep_others)
{
	struct __user_cap_header_struct header = {
		.version = _LINUX_CAPABILITY_VERSION_3,
	};
	struct __user_cap_data_struct data[2];

	if (syscall(SYS_capget, &header, data))
		return -errno;
	data[0].effective = effective;
	data[1].effective = effective >> 32;
	if (!keep_others) {
		data[0].permitted = effective;
		data[1].permitted = effective >> 32;
	}
	return syscall(SYS_capset, &header, data) ? -errno : 0;
}

/*
 * A user whose process is his own, with some capabilities of root's. As whom he is
 * @saved he can be later.
 */
static int become(uid_t uid, uid_t saved, __u64 capabilities)
{
	if (prctl(PR_SET_KEEPCAPS, 1, 0, 0, 0) ||
	    syscall(SYS_setgroups, 0, NULL) || setresgid(uid, uid, uid) ||
	    setresuid(uid, uid, saved) || prctl(PR_SET_DUMPABLE, 1, 0, 0, 0))
		return -errno;
	return set_capabilities(capabilities, !saved);
}

static int become_owner(void)
{
	return become(OWNER, OWNER, 0);
}

/* Can be somebody else later, with nothing but this capability. */
static int become_owner_for_now(void)
{
	return become(OWNER, OWNER, CAP(CAP_SETUID));
}

/* Was started by OWNER, as a program that can go back to being root. */
static int become_owner_and_root(void)
{
	return become(OWNER, 0, 0);
}

static int start_owned(struct pt_target *target, int (*prepare)(void))
{
	int err = pt_target_start(target, prepare);

	if (!err && !pt_target_wastes(target))
		err = -EPROTO;
	return err ? err : pt_process_set_all(target->pid, "enable");
}

FIXTURE_SETUP(rights)
{
	ASSERT_EQ(0, pt_set_mode("never"));
	ASSERT_EQ(0, start_owned(&self->target, become_owner));
}

FIXTURE_TEARDOWN(rights)
{
	pt_target_end(&self->target);
	pt_target_end(&self->changing);
}

/* What a child of some user is to try, and what it says: 0 or a negative errno */
struct attempt {
	uid_t uid;
	__u64 capabilities;
	struct pt_target *target;
	int fd;
	const char *text;
	int (*make)(struct attempt *trial);
};

static int try_as(struct attempt *trial)
{
	int status;
	pid_t pid;

	fflush(stdout);
	pid = fork();
	if (pid < 0)
		return -errno;
	if (!pid) {
		if (become(trial->uid, trial->uid, trial->capabilities))
			_exit(255);
		_exit(-trial->make(trial));
	}
	status = pt_reap(pid, 60, "somebody's attempt to end");
	if (status < 0 || !WIFEXITED(status))
		return -ETIMEDOUT;
	return -WEXITSTATUS(status);
}

static int attempt_to_read(struct attempt *trial)
{
	char text[4096];

	return pt_process_read(trial->target->pid, text, sizeof(text));
}

static int attempt_to_write(struct attempt *trial)
{
	return write_to(trial->target, trial->text);
}

static int attempt_through_descriptor(struct attempt *trial)
{
	return write_text(trial->fd, trial->text);
}

static int attempt_at_full_round(struct attempt *trial)
{
	(void)trial;
	return pt_request_round();
}

static int round_as(uid_t uid)
{
	struct attempt trial = { .uid = uid, .make = attempt_at_full_round };

	return try_as(&trial);
}

static const char * const commands[] = {
	"scan_delay_millisecs 1", "scan_tables 1", "mode disable", "reclaim",
};

/* Nothing has been done to the target, by any of the commands. */
static bool is_untouched(struct pt_target *target)
{
	if (!strcmp(pt_process_settings(target->pid), "enable 54321 9876") &&
	    pt_target_tables(target) == PT_SPOT_TABLES)
		return true;
	pt_note("settings are %s, %ld tables are left", pt_process_settings(target->pid),
		pt_target_tables(target));
	return false;
}

static bool was_commanded(struct pt_target *target)
{
	if (!strcmp(pt_process_settings(target->pid), "disable 1 1") &&
	    pt_target_tables(target) == 0)
		return true;
	pt_note("settings are %s, %ld tables are left", pt_process_settings(target->pid),
		pt_target_tables(target));
	return false;
}

static void expect_attempts(struct __test_metadata *_metadata,
			    struct attempt *trial, int result)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++) {
		trial->text = commands[i];
		EXPECT_EQ(result, try_as(trial)) {
			TH_LOG("for \"%s\"", commands[i]);
		}
	}
	EXPECT_TRUE(result ? is_untouched(trial->target) :
			     was_commanded(trial->target));
}

TEST_F(rights, test_root_may_write)
{
	size_t i;

	for (i = 0; i < ARRAY_SIZE(commands); i++)
		EXPECT_EQ(0, write_to(&self->target, commands[i]));
	EXPECT_TRUE(was_commanded(&self->target));
}

TEST_F(rights, test_owner_may_read_and_write)
{
	struct attempt trial = { .uid = OWNER, .target = &self->target };

	trial.make = attempt_to_read;
	EXPECT_EQ(0, try_as(&trial));
	trial.make = attempt_to_write;
	expect_attempts(_metadata, &trial, 0);
}

TEST_F(rights, test_stranger_may_not_open)
{
	struct attempt trial = { .uid = STRANGER, .target = &self->target };

	trial.make = attempt_to_read;
	EXPECT_EQ(-EACCES, try_as(&trial));
	trial.make = attempt_to_write;
	expect_attempts(_metadata, &trial, -EACCES);
}

/* Not even with the capability: the mode of the file says who may open it. */
TEST_F(rights, test_capability_does_not_open)
{
	struct attempt trial = {
		.uid = STRANGER,
		.capabilities = CAP(CAP_SYS_RESOURCE),
		.target = &self->target,
		.make = attempt_to_write,
	};

	expect_attempts(_metadata, &trial, -EACCES);
}

TEST_F(rights, test_who_opens_without_the_right_may_not_write)
{
	struct attempt trial = {
		.uid = STRANGER,
		.capabilities = CAP(CAP_DAC_OVERRIDE),
		.target = &self->target,
		.make = attempt_to_write,
	};

	expect_attempts(_metadata, &trial, -EPERM);
}

TEST_F(rights, test_capability_may_write)
{
	struct attempt trial = {
		.uid = STRANGER,
		.capabilities = CAP(CAP_DAC_OVERRIDE) | CAP(CAP_SYS_RESOURCE),
		.target = &self->target,
		.make = attempt_to_write,
	};

	expect_attempts(_metadata, &trial, 0);
}

/* Who may trace may read, and that is not the right to write. */
TEST_F(rights, test_right_to_trace_is_to_read)
{
	struct attempt trial = {
		.uid = STRANGER,
		.capabilities = CAP(CAP_SYS_PTRACE) | CAP(CAP_DAC_OVERRIDE),
		.target = &self->target,
		.make = attempt_to_read,
	};

	EXPECT_EQ(0, try_as(&trial));
	trial.make = attempt_to_write;
	expect_attempts(_metadata, &trial, -EPERM);
}

/* A descriptor has the rights of who opened it, whoever has got it since. */
TEST_F(rights, test_descriptor_of_root_s_may_be_passed_on)
{
	struct attempt trial = {
		.uid = STRANGER,
		.target = &self->target,
		.make = attempt_through_descriptor,
	};

	trial.fd = pt_process_open(self->target.pid, O_WRONLY);
	ASSERT_LE(0, trial.fd);
	expect_attempts(_metadata, &trial, 0);
	close(trial.fd);
}

/*
 * Otherwise who has no right could have a more mighty program write for him, as its
 * standard output. Opened by root as STRANGER, who can do that, and not more.
 */
TEST_F(rights, test_stranger_s_descriptor_has_no_more_rights_in_root_s_hands)
{
	struct attempt trial = {
		.target = &self->target,
		.make = attempt_through_descriptor,
	};
	size_t i;

	ASSERT_EQ(0, seteuid(STRANGER));
	ASSERT_EQ(0, set_capabilities(CAP(CAP_DAC_OVERRIDE), true));
	trial.fd = pt_process_open(self->target.pid, O_WRONLY);
	ASSERT_EQ(0, seteuid(0));
	ASSERT_LE(0, trial.fd);
	for (i = 0; i < ARRAY_SIZE(commands); i++)
		EXPECT_EQ(-EPERM, write_text(trial.fd, commands[i]));
	EXPECT_TRUE(is_untouched(&self->target));
	close(trial.fd);
	/* It was not for lack of rights now. */
	EXPECT_EQ(0, write_to(&self->target, commands[0]));
}

/* The owner has a descriptor, and then the process is not his own any more. */
static int attempt_after(struct attempt *trial, enum pt_order order)
{
	int fd = pt_process_open(trial->target->pid, O_WRONLY);

	if (fd < 0 || write_text(fd, "scan_tables 9876"))
		return -EBADF;
	if (!pt_target_does(trial->target, order))
		return -EBADMSG;
	return write_text(fd, trial->text);
}

static int attempt_after_change_of_user(struct attempt *trial)
{
	return attempt_after(trial, PT_ORDER_BECOME_ROOT);
}

static int attempt_after_hiding(struct attempt *trial)
{
	return attempt_after(trial, PT_ORDER_HIDE);
}

TEST_F(rights, test_owner_of_before_may_not_write)
{
	struct attempt trial = {
		.uid = OWNER,
		.target = &self->changing,
		.make = attempt_after_change_of_user,
		.text = "mode disable",
	};

	ASSERT_EQ(0, start_owned(&self->changing, become_owner_for_now));
	EXPECT_EQ(-EPERM, try_as(&trial));
	EXPECT_TRUE(is_untouched(&self->changing));
}

/* Of what is not dumpable root is the owner. */
TEST_F(rights, test_what_is_not_dumpable_is_root_s)
{
	struct attempt trial = {
		.uid = OWNER,
		.target = &self->target,
		.make = attempt_after_hiding,
		.text = "mode disable",
	};

	EXPECT_EQ(-EPERM, try_as(&trial));
	EXPECT_TRUE(is_untouched(&self->target));
	trial.make = attempt_to_write;
	expect_attempts(_metadata, &trial, -EACCES);
}

TEST_F(rights, test_who_can_become_root_is_not_the_owner_s)
{
	struct attempt trial = {
		.uid = OWNER,
		.target = &self->changing,
		.make = attempt_to_write,
	};

	ASSERT_EQ(0, start_owned(&self->changing, become_owner_and_root));
	expect_attempts(_metadata, &trial, -EPERM);
}

/* The rest is for nobody's good but the owner's; this is at the others' expense. */
TEST_F(rights, test_longer_turns_than_others_have_need_the_capability)
{
	struct attempt trial = {
		.uid = OWNER,
		.target = &self->target,
		.make = attempt_to_write,
	};

	ASSERT_EQ(0, pt_set_knob("tables_to_scan", 1000));
	trial.text = "scan_tables 1001";
	EXPECT_EQ(-EPERM, try_as(&trial));
	trial.text = "scan_tables 4294967295";
	EXPECT_EQ(-EPERM, try_as(&trial));
	EXPECT_TRUE(is_untouched(&self->target));
	trial.text = "scan_tables 4294967296";
	EXPECT_EQ(-EINVAL, try_as(&trial));
	trial.text = "scan_tables 1000";
	EXPECT_EQ(0, try_as(&trial));
	EXPECT_EQ(1000, pt_process_number(self->target.pid, "scan_tables"));
	trial.text = "scan_tables 0";
	EXPECT_EQ(0, try_as(&trial));
	EXPECT_EQ(0, pt_process_number(self->target.pid, "scan_tables"));
	trial.uid = STRANGER;
	trial.capabilities = CAP(CAP_DAC_OVERRIDE) | CAP(CAP_SYS_RESOURCE);
	trial.text = "scan_tables 4294967295";
	EXPECT_EQ(0, try_as(&trial));
	EXPECT_EQ(UINT32_MAX,
		  pt_process_number(self->target.pid, "scan_tables"));
}

/* For another process, with the rights that MADV_COLLAPSE needs */
static int attempt_to_advise(struct attempt *trial)
{
	struct iovec range = {
		trial->target->spot.start, trial->target->spot.bytes,
	};

	return pt_advise_process(trial->target->pid, &range, 1,
				 MADV_PT_RECLAIM);
}

TEST_F(rights, test_process_madvise_needs_the_rights_of_collapse)
{
	struct attempt trial = {
		.target = &self->target,
		.make = attempt_to_advise,
	};

	trial.uid = STRANGER;
	EXPECT_EQ(-EACCES, try_as(&trial));
	trial.capabilities = CAP(CAP_SYS_NICE);
	EXPECT_EQ(-EACCES, try_as(&trial));
	/* Who may look into it must also be one who may make it slower. */
	trial.capabilities = CAP(CAP_SYS_PTRACE);
	EXPECT_EQ(-EPERM, try_as(&trial));
	trial.uid = OWNER;
	trial.capabilities = 0;
	EXPECT_EQ(-EPERM, try_as(&trial));
	EXPECT_TRUE(is_untouched(&self->target));

	trial.capabilities = CAP(CAP_SYS_NICE);
	EXPECT_EQ(0, try_as(&trial));
	EXPECT_EQ(0, pt_target_tables(&self->target));
	trial.uid = STRANGER;
	trial.capabilities = CAP(CAP_SYS_NICE) | CAP(CAP_SYS_PTRACE);
	ASSERT_TRUE(pt_target_wastes(&self->target));
	EXPECT_EQ(0, try_as(&trial));
	EXPECT_EQ(0, pt_target_tables(&self->target));
}

/* And the system's own file, by which a round over everybody is asked for */
TEST_F(rights, test_full_round_is_root_s_to_ask_for)
{
	struct stat stat_buf;
	char text[16];

	ASSERT_EQ(0, stat(PT_SYSFS "reclaim", &stat_buf));
	EXPECT_EQ(0200U, stat_buf.st_mode & 07777U);
	EXPECT_EQ(-EACCES, pt_read_file(PT_SYSFS "reclaim", text,
					sizeof(text)));
	ASSERT_TRUE(pt_start_held("always"));
	ASSERT_TRUE(pt_target_wastes(&self->target));
	EXPECT_EQ(-EACCES, round_as(OWNER));
	EXPECT_EQ(-EACCES, round_as(STRANGER));
	EXPECT_EQ(PT_SPOT_TABLES, pt_target_tables(&self->target));
}

int main(int argc, char **argv)
{
	pt_begin();
	return test_harness_run(argc, argv);
}
