// SPDX-License-Identifier: GPL-2.0
/*
 * The guest's first process: makes the host's programs runnable, runs one
 * command, hands its output and status back and powers off.
 *
 * scripts/vm attaches
 *   9p "root"  the host's root, read-only; becomes the lower half of an overlay
 *   9p "job"   a directory of this run, writable:
 *                spec    in:  NUL-terminated words, see read_spec()
 *                as-it-is  in, perhaps: run even without timers
 *                begun, stdout, stderr, status   out; or no-timer
 *   port "stdin"  a virtio serial port with the command's standard input
 *   /dev/vda   a swap device, already formatted
 *
 * Output goes through files on 9p and not through serial ports, because a write
 * to such a file has reached the host when it returns. A port can still hold
 * data when the guest powers off.
 *
 * It is one static C program because every process that a shell script starts
 * costs some 10 ms under emulation.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <linux/membarrier.h>
#include <net/if.h>
#include <signal.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <stdnoreturn.h>
#include <string.h>
#include <sys/ioctl.h>
#include <sys/mount.h>
#include <sys/reboot.h>
#include <sys/resource.h>
#include <sys/socket.h>
#include <sys/stat.h>
#include <sys/swap.h>
#include <sys/syscall.h>
#include <sys/wait.h>
#include <time.h>
#include <unistd.h>

#define ARRAY_SIZE(a) (sizeof(a) / sizeof((a)[0]))

/* How long output may trail behind the command: a debug kernel is slow. */
#define RELAY_DEADLINE_SECONDS 60

/* 9p's unit of transfer; larger gains nothing, smaller is slow. */
#define P9_OPTIONS "trans=virtio,version=9p2000.L,msize=512000"

struct spec {
	const char *mode;	/* "batch" or "tty" */
	const char *directory;
	const char *term;
	struct winsize size;
	char **argv;
};

struct mount_point {
	const char *source;
	const char *target;
	const char *type;
	const char *options;
};

/* Relative to the new root, in this order. */
static const struct mount_point guest_mounts[] = {
	{ "proc", "proc", "proc", NULL },
	{ "sysfs", "sys", "sysfs", NULL },
	{ "devtmpfs", "dev", "devtmpfs", NULL },
	{ "devpts", "dev/pts", "devpts", "ptmxmode=0666,mode=0620,gid=5" },
	{ "tmpfs", "dev/shm", "tmpfs", "mode=1777" },
	{ "mqueue", "dev/mqueue", "mqueue", NULL },
	{ "hugetlbfs", "dev/hugepages", "hugetlbfs", NULL },
	{ "tmpfs", "tmp", "tmpfs", "mode=1777" },
	{ "tmpfs", "run", "tmpfs", "mode=0755" },
	{ "cgroup2", "sys/fs/cgroup", "cgroup2", NULL },
	{ "debugfs", "sys/kernel/debug", "debugfs", NULL },
	{ "tracefs", "sys/kernel/tracing", "tracefs", NULL },
};

static const char *const guest_links[][2] = {
	{ "/proc/self/fd", "/dev/fd" },
	{ "/proc/self/fd/0", "/dev/stdin" },
	{ "/proc/self/fd/1", "/dev/stdout" },
	{ "/proc/self/fd/2", "/dev/stderr" },
};

static int job_dir = -1;

/* QEMU is told to end where a machine would start again. Needs no ACPI. */
static noreturn void power_off(void)
{
	sync();
	reboot(RB_AUTOBOOT);
	for (;;)
		pause();
}

/* No status file is left: that is how the host knows. */
static noreturn void give_up(const char *doing, const char *to)
{
	int saved = errno;
	int kmsg = open("/dev/kmsg", O_WRONLY);

	if (kmsg >= 0)
		dprintf(kmsg, "guest-init: %s %s: %s\n", doing, to, strerror(saved));
	power_off();
}

static void make_dir(const char *path)
{
	if (mkdir(path, 0755) && errno != EEXIST)
		give_up("mkdir", path);
}

static void mount_at(const char *source, const char *target, const char *type,
		     unsigned long flags, const char *options)
{
	if (mount(source, target, type, flags, options))
		give_up("mount", target);
}

/* The host's root under a tmpfs: everything can be written, nothing is. */
static void mount_root(void)
{
	make_dir("/lower");
	make_dir("/rw");
	make_dir("/newroot");
	mount_at("root", "/lower", "9p", MS_RDONLY, P9_OPTIONS ",cache=loose");
	mount_at("tmpfs", "/rw", "tmpfs", 0, "mode=0755");
	make_dir("/rw/upper");
	make_dir("/rw/work");
	mount_at("overlay", "/newroot", "overlay", 0,
		 "lowerdir=/lower,upperdir=/rw/upper,workdir=/rw/work");
}

/* Kept as a descriptor only; the command does not see it. */
static void open_job(void)
{
	make_dir("/job");
	mount_at("job", "/job", "9p", 0, P9_OPTIONS ",cache=none");
	job_dir = open("/job", O_RDONLY | O_DIRECTORY | O_CLOEXEC);
	if (job_dir < 0)
		give_up("open", "the job directory");
}

static int create_in_job(const char *name)
{
	int fd = openat(job_dir, name, O_WRONLY | O_CREAT | O_CLOEXEC, 0644);

	if (fd < 0)
		give_up("create", name);
	return fd;
}

static void enter_root(void)
{
	const struct mount_point *at;
	size_t i;

	if (chdir("/newroot"))
		give_up("chdir", "/newroot");
	for (i = 0; i < ARRAY_SIZE(guest_mounts); i++) {
		at = &guest_mounts[i];
		make_dir(at->target);
		mount_at(at->source, at->target, at->type, 0, at->options);
	}
	mount_at(".", "/", NULL, MS_MOVE, NULL);
	if (chroot(".") || chdir("/"))
		give_up("enter", "the new root");
	for (i = 0; i < ARRAY_SIZE(guest_links); i++)
		if (symlink(guest_links[i][0], guest_links[i][1]) && errno != EEXIST)
			give_up("link", guest_links[i][1]);
}

static void loopback_up(void)
{
	struct ifreq request = { .ifr_name = "lo" };
	int fd = socket(AF_INET, SOCK_DGRAM, 0);

	if (fd < 0 || ioctl(fd, SIOCGIFFLAGS, &request))
		give_up("bring up", "loopback");
	request.ifr_flags |= IFF_UP | IFF_RUNNING;
	if (ioctl(fd, SIOCSIFFLAGS, &request))
		give_up("bring up", "loopback");
	close(fd);
}

/* One at a time, because a kernel may have been built without some of them. */
static void enable_controllers(void)
{
	static const char path[] = "/sys/fs/cgroup/cgroup.subtree_control";
	static const char *const wanted[] = { "+cpu", "+cpuset", "+memory", "+pids" };
	int fd = open(path, O_WRONLY | O_CLOEXEC);
	size_t i;

	if (fd < 0)
		give_up("open", path);
	for (i = 0; i < ARRAY_SIZE(wanted); i++)
		if (write(fd, wanted[i], strlen(wanted[i])) < 0 &&
		    errno != EINVAL && errno != ENOENT)
			give_up("enable", wanted[i]);
	close(fd);
}

static void configure_guest(void)
{
	struct rlimit files = { .rlim_cur = 1024, .rlim_max = 524288 };

	loopback_up();
	if (sethostname("guest", 5))
		give_up("set", "the host name");
	if (!access("/dev/vda", F_OK) && swapon("/dev/vda", 0))
		give_up("swapon", "/dev/vda");
	enable_controllers();
	setrlimit(RLIMIT_NOFILE, &files);
}

static char *read_all(int fd, size_t *length)
{
	size_t room = 1 << 16, used = 0;
	char *text = malloc(room);
	ssize_t got;

	while (text && (got = read(fd, text + used, room - used - 1)) > 0) {
		used += got;
		if (used == room - 1)
			text = realloc(text, room *= 2);
	}
	if (!text || got < 0)
		give_up("read", "the job");
	text[used] = '\0';
	*length = used;
	return text;
}

/* mode, directory, TERM, rows, columns, then the command's words. */
static struct spec read_spec(void)
{
	enum { MODE, DIRECTORY, TERM, ROWS, COLUMNS, COMMAND };
	int fd = openat(job_dir, "spec", O_RDONLY | O_CLOEXEC);
	size_t length, words = 0;
	char *text, *at, **word;

	if (fd < 0)
		give_up("open", "the job");
	text = read_all(fd, &length);
	close(fd);
	word = calloc(length + 1, sizeof(*word));
	if (!word)
		give_up("find memory for", "the job");
	for (at = text; at < text + length; at += strlen(at) + 1)
		word[words++] = at;
	errno = EINVAL;
	if (words <= COMMAND)
		give_up("read", "the job: too few words");
	return (struct spec){
		.mode = word[MODE],
		.directory = word[DIRECTORY],
		.term = word[TERM],
		.size = { .ws_row = atoi(word[ROWS]), .ws_col = atoi(word[COLUMNS]) },
		.argv = word + COMMAND,
	};
}

/* Open the virtio serial port that the host named so, or /dev/null. */
static int open_port(const char *wanted)
{
	DIR *dir = opendir("/sys/class/virtio-ports");
	struct dirent *entry;
	char path[512], name[64];
	int fd = -1;

	while (dir && fd < 0 && (entry = readdir(dir))) {
		FILE *file;

		snprintf(path, sizeof(path), "/sys/class/virtio-ports/%s/name",
			 entry->d_name);
		file = fopen(path, "re");
		if (!file)
			continue;
		if (fgets(name, sizeof(name), file)) {
			name[strcspn(name, "\n")] = '\0';
			snprintf(path, sizeof(path), "/dev/%s", entry->d_name);
			if (!strcmp(name, wanted))
				fd = open(path, O_RDONLY | O_CLOEXEC);
		}
		fclose(file);
	}
	if (dir)
		closedir(dir);
	return fd >= 0 ? fd : open("/dev/null", O_RDONLY | O_CLOEXEC);
}

static void relay(int from, int to)
{
	static char buffer[1 << 16];
	ssize_t got, put, done;

	while ((got = read(from, buffer, sizeof(buffer))) > 0)
		for (done = 0; done < got; done += put) {
			put = write(to, buffer + done, got - done);
			if (put < 0)
				_exit(1);
		}
	_exit(0);
}

/*
 * The command writes into a pipe, as it would in a shell's pipeline; a process
 * of ours takes it to the host. Returns the pipe's writing end.
 */
static int start_relay(const char *name, pid_t *pid)
{
	int file = create_in_job(name), ends[2];

	if (pipe2(ends, O_CLOEXEC))
		give_up("open", "a pipe");
	*pid = fork();
	if (*pid < 0)
		give_up("fork", "a process");
	if (!*pid) {
		close(ends[1]);
		relay(ends[0], file);
	}
	close(ends[0]);
	close(file);
	return ends[1];
}

static noreturn void
run_command(const struct spec *spec, int in, int out, int err)
{
	bool tty = !strcmp(spec->mode, "tty");

	setsid();
	if (tty) {
		ioctl(in, TIOCSCTTY, 0);
		ioctl(in, TIOCSWINSZ, &spec->size);
	}
	dup2(in, STDIN_FILENO);
	dup2(out, STDOUT_FILENO);
	dup2(err, STDERR_FILENO);
	setenv("PATH", "/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin", 1);
	setenv("HOME", "/root", 1);
	setenv("USER", "root", 1);
	setenv("LOGNAME", "root", 1);
	setenv("SHELL", "/bin/bash", 1);
	setenv("TERM", spec->term, 1);
	if (chdir(spec->directory)) {
		dprintf(STDERR_FILENO, "guest: chdir %s: %m\n", spec->directory);
		_exit(126);
	}
	execvp(spec->argv[0], spec->argv);
	dprintf(STDERR_FILENO, "guest: %s: %m\n", spec->argv[0]);
	_exit(errno == ENOENT ? 127 : 126);
}

static bool is_number(const char *text)
{
	return *text && text[strspn(text, "0123456789")] == '\0';
}

/* Kill what the command left behind, which may hold its output open. */
static void kill_leftovers(const pid_t *spared, size_t count)
{
	DIR *dir = opendir("/proc");
	struct dirent *entry;
	char path[64], target[8];
	size_t i;
	pid_t pid;

	while (dir && (entry = readdir(dir))) {
		if (!is_number(entry->d_name))
			continue;
		pid = atoi(entry->d_name);
		snprintf(path, sizeof(path), "/proc/%d/exe", pid);
		if (pid == 1 || readlink(path, target, sizeof(target)) < 0)
			continue;	/* kernel threads have no program */
		for (i = 0; i < count && spared[i] != pid; i++)
			;
		if (i == count)
			kill(pid, SIGKILL);
	}
	if (dir)
		closedir(dir);
}

static bool alive(pid_t pid)
{
	return pid > 0 && !kill(pid, 0);
}

/* Reap whatever ends, until the wanted process does; returns its status. */
static int wait_for(pid_t wanted)
{
	int status;
	pid_t pid;

	do {
		pid = waitpid(-1, &status, 0);
		if (pid < 0 && errno != EINTR)
			give_up("wait for", "a process");
	} while (pid != wanted);
	return status;
}

static void drain(const pid_t *relays, size_t count)
{
	time_t deadline = time(NULL) + RELAY_DEADLINE_SECONDS;
	bool left;
	size_t i;

	do {
		kill_leftovers(relays, count);
		while (waitpid(-1, NULL, WNOHANG) > 0)
			;
		left = false;
		for (i = 0; i < count; i++)
			left |= alive(relays[i]);
		if (left)
			usleep(5000);
	} while (left && time(NULL) < deadline);
}

static int exit_code(int status)
{
	return WIFSIGNALED(status) ? 128 + WTERMSIG(status) : WEXITSTATUS(status);
}

static int run_batch(const struct spec *spec)
{
	pid_t relays[2], command;
	int in, out, err, status;

	in = open_port("stdin");
	out = start_relay("stdout", &relays[0]);
	err = start_relay("stderr", &relays[1]);
	command = fork();
	if (command < 0)
		give_up("fork", "a process");
	if (!command)
		run_command(spec, in, out, err);
	close(in);
	close(out);
	close(err);
	status = wait_for(command);
	drain(relays, ARRAY_SIZE(relays));
	return exit_code(status);
}

static int run_tty(const struct spec *spec)
{
	int tty = open("/dev/hvc0", O_RDWR | O_NOCTTY | O_CLOEXEC);
	pid_t command;

	if (tty < 0)
		give_up("open", "/dev/hvc0");
	command = fork();
	if (command < 0)
		give_up("fork", "a process");
	if (!command)
		run_command(spec, tty, tty, tty);
	return exit_code(wait_for(command));
}

static void report(int code)
{
	int fd = create_in_job("status");

	dprintf(fd, "%d\n", code);
	fsync(fd);
	close(fd);
}

/*
 * Are CPUs woken by another one, for want of a timer of their own? A kernel that had
 * to wait for its host while it measured them does without, see scripts/vm.
 */
static bool timers_are_lost(void)
{
	FILE *list = fopen("/proc/timer_list", "re");
	char line[256], mask[64];
	bool lost = false;

	while (list && fgets(line, sizeof(line), list)) {
		if (sscanf(line, "tick_broadcast_mask: %63[0-9a-f,]", mask) == 1)
			lost = strspn(mask, "0,") != strlen(mask);
	}
	if (list)
		fclose(list);
	return lost;
}

/*
 * For tests, from the kernel's command line: a guest that ends before it has begun, or
 * hangs.
 */
static void fail_as_told(void)
{
	const char *how = getenv("guest_init");

	if (how && !strcmp(how, "end"))
		power_off();
	while (how && !strcmp(how, "hang"))
		pause();
}

int main(void)
{
	struct spec spec;
	int code;

	make_dir("/dev");
	mount("devtmpfs", "/dev", "devtmpfs", 0, NULL);
	open_job();
	spec = read_spec();
	mount_root();
	enter_root();
	configure_guest();
	if (faccessat(job_dir, "as-it-is", F_OK, 0)) {
		fail_as_told();
		if (timers_are_lost()) {
			close(create_in_job("no-timer"));
			power_off();
		}
	}
	close(create_in_job("begun"));
	code = !strcmp(spec.mode, "tty") ? run_tty(&spec) : run_batch(&spec);
	/*
	 * Page tables are freed through RCU: let a complaint about one that the
	 * command left behind reach the console before the end.
	 */
	syscall(SYS_membarrier, MEMBARRIER_CMD_GLOBAL, 0, 0);
	report(code);
	power_off();
}
