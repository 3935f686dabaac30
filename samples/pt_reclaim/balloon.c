// SPDX-License-Identifier: GPL-2.0
/*
 * A balloon: how a virtual machine monitor gives back what its guest does not
 * need, page tables included.
 *
 * The guest's memory is one mapping that stays. The balloon takes a chunk of
 * it at a time, and the monitor gives the chunk's pages back. The tables that
 * mapped them are left, one for each 2 MiB, so the monitor ends with a single
 * madvise(MADV_PT_RECLAIM) over all of the memory. That works in every mode of
 * /sys/kernel/mm/pt_reclaim/enabled, and destroys nothing: tables in use stay.
 *
 * Exit status: 0 if it worked, 1 on an error, 2 on wrong usage, 4 if this
 * kernel does not have the advice.
 */
#define _GNU_SOURCE
#include <fcntl.h>
#include <stdbool.h>
#include <string.h>
#include <unistd.h>

#include "util.h"

/* Of each table's 512 pages a few are enough to need the table. */
#define TOUCH_EVERY	((size_t)64 << 10)

static bool use_memfd = true;
static size_t guest_bytes = 2048 * MIB;
static size_t step_bytes = TABLE_SPAN;

static int guest_fd = -1;
static char *guest;

static void map_guest(void)
{
	int flags = MAP_PRIVATE | MAP_ANONYMOUS;

	if (use_memfd) {
		flags = MAP_SHARED;
		guest_fd = memfd_create("guest", MFD_CLOEXEC);
		if (guest_fd < 0 || ftruncate(guest_fd, guest_bytes))
			err(EXIT_FAILURE, "the guest's memfd");
	}
	guest = mmap(NULL, guest_bytes, PROT_READ | PROT_WRITE,
		     flags | MAP_NORESERVE, guest_fd, 0);
	if (guest == MAP_FAILED)
		err(EXIT_FAILURE, "mapping %zu MiB", guest_bytes / MIB);
	/* A huge page needs no PTE table: there would be little to show. */
	madvise(guest, guest_bytes, MADV_NOHUGEPAGE);
}

static void fill_guest(void)
{
	size_t at;

	for (at = 0; at < guest_bytes; at += TOUCH_EVERY)
		memcpy(guest + at, &at, sizeof(at));
}

static bool is_intact(size_t bytes)
{
	size_t at;

	for (at = 0; at < bytes; at += TOUCH_EVERY) {
		if (memcmp(guest + at, &at, sizeof(at)))
			return false;
	}
	return true;
}

/* Gives the pages of one chunk back; the mapping stays as it is. */
static void inflate(size_t at, size_t bytes)
{
	int ret;

	if (use_memfd)
		ret = fallocate(guest_fd,
				FALLOC_FL_PUNCH_HOLE | FALLOC_FL_KEEP_SIZE,
				at, bytes);
	else
		ret = madvise(guest + at, bytes, MADV_DONTNEED);
	if (ret)
		err(EXIT_FAILURE, "giving back %zu bytes", bytes);
}

static void parse_options(int argc, char **argv)
{
	int option;

	opterr = 0;
	while ((option = getopt(argc, argv, "ahm:s:")) != -1) {
		switch (option) {
		case 'a':
			use_memfd = false;
			break;
		case 'h':
			printf("usage: balloon [-a] [-m MIB] [-s KIB]\n"
			       "  -a  anonymous memory instead of a memfd\n"
			       "  -m  size of the guest (default: 2048)\n"
			       "  -s  taken at a time: 4 to 2048, a power of two (default: 2048)\n");
			exit(EXIT_SUCCESS);
		case 'm':
			guest_bytes = parse_number(optarg, 16, 1 << 20) * MIB;
			break;
		case 's':
			step_bytes = parse_number(optarg, 4, 2048) << 10;
			if (step_bytes & (step_bytes - 1))
				errx(EXIT_USAGE, "'%s' is no power of two",
				     optarg);
			break;
		default:
			errx(EXIT_USAGE, "wrong option; -h lists them");
		}
	}
	if (optind < argc)
		errx(EXIT_USAGE, "'%s' is one argument too many", argv[optind]);
}

int main(int argc, char **argv)
{
	long before, needed;
	size_t kept, at, bytes;
	double start;

	parse_options(argc, argv);
	/* The guest goes on living in the rest. */
	kept = guest_bytes / 8;
	needed = vmpte_kb() + kept / TABLE_SPAN * TABLE_KB;

	map_guest();
	fill_guest();
	printf("VmPTE with the guest's %zu MiB in use: %ld kB\n",
	       guest_bytes / MIB, vmpte_kb());
	for (at = kept; at < guest_bytes; at += bytes) {
		bytes = guest_bytes - at;
		if (bytes > step_bytes)
			bytes = step_bytes;
		inflate(at, bytes);
	}
	before = vmpte_kb();

	start = now();
	if (madvise(guest, guest_bytes, MADV_PT_RECLAIM)) {
		if (errno != EINVAL)
			err(EXIT_FAILURE, "MADV_PT_RECLAIM");
		return print_wasted("this kernel has no MADV_PT_RECLAIM",
				    before, needed);
	}
	print_saved(before, vmpte_kb(), needed, now() - start);

	if (!is_intact(kept))
		errx(EXIT_FAILURE, "what the guest kept is damaged");
	return EXIT_SUCCESS;
}
