/* SPDX-License-Identifier: GPL-2.0 */
/*
 * What the tests, the races and the demonstration of kptreclaimd share:
 * its knobs and counters, waits that end, and memory with a pattern in it.
 *
 * Functions that return int give 0 or a negative errno unless they say
 * otherwise. Times are seconds of CLOCK_MONOTONIC.
 */
#ifndef _SELFTESTS_MM_PT_RECLAIM_UTIL_H
#define _SELFTESTS_MM_PT_RECLAIM_UTIL_H

#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <linux/types.h>
#include <sys/types.h>

#include "../kselftest.h"

/* Not in the C library's headers, and not in those of an unpatched kernel. */
#ifndef MADV_PT_RECLAIM
#define MADV_PT_RECLAIM		200
#endif
#ifndef MADV_PT_RECLAIMABLE
#define MADV_PT_RECLAIMABLE	201
#define MADV_PT_UNRECLAIMABLE	202
#endif
#ifndef PR_SET_PT_RECLAIM
#define PR_SET_PT_RECLAIM	0x50545253
#define PR_GET_PT_RECLAIM	0x50545247
#define PR_PT_RECLAIM_DEFAULT	0
#define PR_PT_RECLAIM_ENABLE	1
#define PR_PT_RECLAIM_DISABLE	2
#endif

/* Newer than the headers of the oldest distribution we compile on. */
#ifndef MADV_COLLAPSE
#define MADV_COLLAPSE		25
#endif
#ifndef MADV_DONTNEED_LOCKED
#define MADV_DONTNEED_LOCKED	24
#endif
#ifndef MREMAP_DONTUNMAP
#define MREMAP_DONTUNMAP	4
#endif

#define PT_SYSFS	"/sys/kernel/mm/pt_reclaim/"
#define PT_THP_SYSFS	"/sys/kernel/mm/transparent_hugepage/"

#define PT_PAGE		((size_t)4096)
#define PT_TABLE	((size_t)2 << 20)	/* what one PTE table maps */
#define PT_TABLE_PAGES	(PT_TABLE / PT_PAGE)
#define PT_TABLE_KB	4L			/* what one page table costs */
#define PT_GIB		((size_t)1 << 30)

/* /proc/pid/pagemap, bits 57, 62 and 63 (admin-guide/mm/pagemap.rst) */
#define PT_PAGEMAP_UFFD_WP	0x0200000000000000ULL
#define PT_PAGEMAP_SWAPPED	0x4000000000000000ULL
#define PT_PAGEMAP_PRESENT	0x8000000000000000ULL

/* A line of TAP diagnostics. */
__printf(1, 2) void pt_note(const char *fmt, ...);

/* Files of one line */
int pt_read_file(const char *path, char *buf, size_t size);
int pt_write_file(const char *path, const char *text);
long long pt_read_number(const char *path);

/* Is the kernel one that has the feature at all? */
bool pt_reclaim_present(void);
/*
 * To begin a test program with: skips all of it when there is nothing to test
 * or no permission to, and guards the settings.
 */
void pt_begin(void);
/* Is it a debug kernel, on which only the times are relaxed? */
bool pt_slow_kernel(void);
/* How much longer everything may take here. */
double pt_patience(void);

/* Knobs: names below PT_SYSFS. A number is negative when it is an errno. */
int pt_set_mode(const char *mode);
int pt_get_mode(char *buf, size_t size);
int pt_set_knob(const char *name, unsigned long long value);
long long pt_knob(const char *name);
int pt_set_thp(const char *mode);
/* So long a sleep that no round begins before a test says so; the most there is. */
#define PT_HELD_MS	3600000
/* Puts the thread to work at a given pace, in a mode, with all the CPU it wants. */
int pt_start_thread(const char *mode, unsigned int scan_sleep_millisecs);
/* Waits until the thread has finished so many more rounds. */
bool pt_wait_rounds(unsigned int rounds);
/* No round is under way, and none begins before the sleep is set again. */
bool pt_hold_rounds(void);

/*
 * Remembers every setting that a test may change and puts them back when this
 * process exits or is told to by a signal. Children may die as they like.
 */
void pt_guard_settings(void);

/* The line "field: N kB" of /proc/pid/status; pid 0 is the caller. */
long pt_status_kb(pid_t pid, const char *field);
long pt_vmpte_kb(pid_t pid);
/* How much of the caller's anonymous memory is in huge pages */
long pt_huge_kb(void);
/* A number of /proc/PID/status, of a thread as well; 0 is the caller. -ENOENT if absent */
long long pt_proc_status(pid_t pid, const char *field);
/* A counter of /proc/vmstat, per-CPU remainders folded in; -ENOENT if absent */
long long pt_vmstat(const char *name);

/* What the kernel thread has used so far; all zero while there is none. */
struct pt_thread_use {
	pid_t pid;
	unsigned long long ticks;	/* utime + stime */
	unsigned long long run_ns;	/* its CPU clock, which has no grain */
	unsigned long long switches;	/* voluntary ones: it was woken */
};

pid_t pt_find_thread(void);
/* How many there are; there should be no more than one, of which this is the pid. */
unsigned int pt_find_threads(pid_t *first);
void pt_thread_usage(struct pt_thread_use *use);

double pt_now(void);
void pt_pause_ms(unsigned int ms);

/*
 * Pauses, and returns how many seconds have passed since @last, which becomes now:
 * one at the most. A machine that stands still as a whole has not been waited for.
 */
double pt_wait_turn(double *last);

/*
 * Waits until @condition holds, for at most @seconds (of this kernel's
 * patience), and says what it waited for when that was in vain. Evaluates to
 * whether the condition held. @condition is evaluated again and again.
 */
#define pt_wait(seconds, what, condition) ({				\
	double __limit = (seconds) * pt_patience();			\
	double __waited = 0, __last = pt_now();				\
	bool __held;							\
									\
	while (!(__held = (condition)) && __waited < __limit)		\
		__waited += pt_wait_turn(&__last);			\
	if (!__held)							\
		pt_note("waited %.1f s in vain for %s", __limit, what);	\
	__held;								\
})

/* waitpid() with a deadline; kills the child when that has passed. */
int pt_reap(pid_t pid, double seconds, const char *what);

/*
 * Tests that try something for a while, each in a process of its own, whose end
 * is the end of all its threads, children and mappings. run() returns a KSFT_
 * code.
 */
struct pt_trial {
	const char *name;
	int (*run)(void);
};

/* What the options say: how long each trial takes, and what it draws. */
extern double pt_trial_seconds;
extern __u64 pt_trial_seed;
/* Which one this process runs */
extern const char *pt_trial_name;
/*
 * For main(): runs those that the options choose, through @around, which calls
 * run() and returns what it returned, and exits.
 */
__noreturn void pt_run_trials(int argc, char **argv,
			      const struct pt_trial *trials, size_t nr,
			      int (*around)(int (*run)(void)));

/* Says why, so that a trial can return what it returns. */
#define pt_failed(...) ({ pt_note(__VA_ARGS__); KSFT_FAIL; })
#define pt_skipped(...) ({ pt_note("SKIP: " __VA_ARGS__); KSFT_SKIP; })

int pt_run_on_cpu(int cpu);
/*
 * TLB flushes that others have sent to CPU 1, of a machine that has one; negative
 * errno. Maps nothing: somebody may be holding mmap_lock.
 */
long long pt_flushes_of_cpu_1(void);

/* Gives up root's rights for those of a user who owns nothing. */
int pt_become_nobody(void);

/* The next of a row of numbers, which is the same for the same start. */
__u64 pt_draw(__u64 *state);

/* A page of words that depend on seed and page number. */
void pt_fill_page(void *page, __u64 seed, __u64 number);
bool pt_page_is_intact(const void *page, __u64 seed, __u64 number);
bool pt_page_is_zero(const void *page);

/* Reads a byte, so that its page is there. */
static inline void pt_touch(const char *page)
{
	char byte = *page;

	asm volatile("" : "+r" (byte));
}

int pt_pagemap_open(void);
int pt_pagemap_read(int fd, const void *start, __u64 *entries, size_t pages);
/* How many pages of the range have any of @bits; negative errno on failure */
long pt_pagemap_count(const void *start, size_t bytes, __u64 bits);
/*
 * Pages out a range that only the caller uses, until no page of it is present; to
 * @drop is to give the pages back instead of swapping them out. Negative errno:
 * -EBUSY when some would not go.
 */
int pt_page_out(char *start, size_t bytes, bool drop);

enum pt_backing {
	PT_ANON,
	PT_SHMEM,		/* shared anonymous memory */
	PT_MEMFD,
	PT_PRIVATE_FILE,	/* a private mapping of a file */
};

/*
 * A mapping which begins on a table boundary, with a whole table of reserved
 * address space on either side so that nobody else's pages get under its
 * tables.
 */
struct pt_area {
	char *start;
	size_t bytes;
	int fd;			/* -1 for the anonymous kinds */
	char *reserved;
	size_t reserved_bytes;
};

int pt_area_map(struct pt_area *area, enum pt_backing backing, size_t bytes);
void pt_area_unmap(struct pt_area *area);

/*
 * One page in each table, given back at once: as many empty tables as the area
 * has. A private file's pages are written, so that they are the process's own.
 */
int pt_area_waste(struct pt_area *area);
/*
 * A page goes and another one, far from it, stays, in each table: whoever zaps does not
 * see it and leaves a mark, and no look pays off.
 */
void pt_area_zap_in_vain(struct pt_area *area);

#endif /* _SELFTESTS_MM_PT_RECLAIM_UTIL_H */
