# SPDX-License-Identifier: GPL-2.0
#
# Thin targets over scripts/; each script's head says what it does. Every
# target looks for itself what is out of date.

KERNEL ?= prod
# A directory, tarball or git tree of any Linux 6.12.y to use instead of
# Debian's linux-source-6.12.
KSRC ?=
export KSRC
HOURS ?= 1
MINUTES ?= 30
RECORD ?=
BASE ?=
STEPS ?=
# See the head of scripts/deb.
KCONFIG ?=
MODE ?=
KEEP_DEBUG_INFO ?=
DEB_OUT ?=

.PHONY: help run check bench plot mutants torture soak stress peers configurations fleet shell kernel series check-bases bisect-check deb clean

help:
	@echo 'make run      set everything up, boot, and show empty page tables leave running processes'
	@echo 'make check    build all kernels and run every test (up to 60 minutes)'
	@echo 'make bench    what it costs, and whom, beside the goals; pictures (20 minutes)'
	@echo 'make plot     draw the picture of README and admin guide (RECORD=y: from a new run)'
	@echo 'make mutants  the tests notice when what makes it safe is taken away (1 to 2 hours)'
	@echo 'make torture  every page checked while all is done to it, and loads, in turn:'
	@echo '              HOURS=1 (default), KERNEL=prod or debug'
	@echo 'make soak     redis, PostgreSQL, JVMs and others side by side, on stock and under always:'
	@echo '              what is saved and what it costs, on a page (MINUTES=30 on each; installs them)'
	@echo 'make stress   every load of stress-ng on memory, and others (KERNEL=prod: an hour; debug: 2)'
	@echo "make peers    the base's own selftests, on stock and with the feature (2 hours)"
	@echo 'make configurations  other configurations build and pass (1 to 2 hours)'
	@echo 'make fleet    node_exporter, Prometheus and the rules of tools/mm/ptreclaim in a guest'
	@echo 'make shell    a root shell in a guest (KERNEL=prod)'
	@echo 'make kernel   build a kernel: KERNEL=prod (default), debug, off or stock'
	@echo 'make series   the whole as patches for git am, in build/series'
	@echo 'make check-bases   the series applies to each 6.12.y that Debian has (BASE=VERSION: that one)'
	@echo 'make bisect-check  each step of the series builds, with the option and without, and boots'
	@echo '              (up to an hour and a half; STEPS="FIRST LAST": these)'
	@echo 'make deb      packages linux-image and linux-headers to install (hours, it says how many):'
	@echo '              KCONFIG=FILE, default the running kernel'"'"'s; MODE=always, madvise or never'
	@echo 'make clean    remove build/'
	@echo
	@echo 'KSRC=PATH uses that Linux 6.12.y (directory, tarball or git tree) instead of'
	@echo 'the package linux-source-6.12. Needs Debian 12 or 13, and root or sudo to'
	@echo 'install packages.'

run: deps
	@scripts/build prod
	@scripts/demo

check: deps
	@scripts/check

bench: deps
	@scripts/bench

plot: deps
	@scripts/plot $(if $(RECORD),--record)

mutants: deps
	@scripts/mutants

torture: deps
	@scripts/endurance --kernel $(KERNEL) $(HOURS)

soak: deps
	@scripts/deps soak
	@scripts/build stock
	@scripts/build prod
	@scripts/soak $(MINUTES)

stress: deps
	@scripts/stress --kernel $(KERNEL)

peers: deps
	@scripts/peers

configurations: deps
	@scripts/configurations

fleet: deps
	@scripts/build prod
	@scripts/fleet

shell: kernel
	@scripts/vm --kernel $(KERNEL) --tty -- /bin/bash -l

kernel: deps
	@scripts/build $(KERNEL)

series: deps
	@scripts/series

check-bases: deps
	@scripts/check-bases $(BASE)

bisect-check: deps
	@scripts/bisect-check $(STEPS)

deb: deps
	@KCONFIG='$(KCONFIG)' MODE='$(MODE)' KEEP_DEBUG_INFO='$(KEEP_DEBUG_INFO)' \
		DEB_OUT='$(DEB_OUT)' scripts/deb

clean:
	rm -rf build

.PHONY: deps
deps:
	@scripts/deps
