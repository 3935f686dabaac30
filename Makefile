# SPDX-License-Identifier: GPL-2.0
#
# Thin targets over scripts/; each script's head says what it does. Every
# target looks for itself what is out of date.

KERNEL ?= prod
# A directory, tarball or git tree of any Linux 6.12.y to use instead of
# Debian's linux-source-6.12.
KSRC ?=
export KSRC

.PHONY: help run check mutants shell kernel series clean

help:
	@echo 'make run      set everything up, boot, and show empty page tables leave running processes'
	@echo 'make check    build all kernels and run every test (up to 60 minutes)'
	@echo 'make mutants  the tests notice when what makes it safe is taken away (1 to 2 hours)'
	@echo 'make shell    a root shell in a guest (KERNEL=prod)'
	@echo 'make kernel   build a kernel: KERNEL=prod (default), debug, off or stock'
	@echo 'make series   the whole as patches for git am, in build/series'
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

mutants: deps
	@scripts/mutants

shell: kernel
	@scripts/vm --kernel $(KERNEL) --tty -- /bin/bash -l

kernel: deps
	@scripts/build $(KERNEL)

series: deps
	@scripts/series

clean:
	rm -rf build

.PHONY: deps
deps:
	@scripts/deps
