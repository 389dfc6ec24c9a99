# SPDX-License-Identifier: GPL-2.0
KDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= uml
DEBUG ?= kasan
SEED ?= 1
ROUNDS ?= 5
# Debian's kernels that guests boot in CI, the oldest first
debian_kernels := $(shell sed '/^\#/d; s/\t.*\tamd64$$//; t; d' tools/vm.d/kernels)
newest := $(lastword $(debian_kernels))

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z_.-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24
	@echo 'KERNEL is uml or one of Debian'\''s kernels: $(debian_kernels)'

.PHONY: vm
vm: ## make the guests: root folders, kernels, images
	tools/vm build

.PHONY: demo
demo: KERNEL = $(newest)
demo: ## show the drivers at work, in a guest (KERNEL=the newest)
	@tools/demo $(KERNEL)

.PHONY: shell
shell: ## open a shell in a guest with our driver (KERNEL=uml)
	@tools/vm shell --kernel $(KERNEL)

.PHONY: test
test: ## run the tests on every kernel, as CI does; the last line counts the results
	@tests/all

.PHONY: test-uml
test-uml: ## run all tests on uml alone: a few minutes
	@tests/all uml

.PHONY: test-debug
test-debug: ## run all tests on debug kernels: KASAN with lockdep, kmemleak (hours without KVM)
	@tests/all uml-kasan+lockdep uml-kmemleak $(newest)-kasan+lockdep

.PHONY: test-newest
test-newest: ## run the tests of the newest rdma-core that Debian has (KERNEL=uml)
	@tests/suites/rdma-core/newest --kernel $(KERNEL)

.PHONY: test-wire
test-wire: ## connect our driver to the kernel's own by a wire, and check the packets with tshark
	@tests/suites/wire/run

.PHONY: test-surface
test-surface: ## compare all that users see of the device with the kernel's own driver (KERNEL=uml)
	@tests/suites/surface/run --kernel $(KERNEL)

.PHONY: test-apps
test-apps: ## run applications: perftest, UCX, MPI, NFS and more (KERNEL=uml)
	@tests/suites/apps/run --kernel $(KERNEL)

.PHONY: test-tenant
test-tenant: ## run a hostile tenant beside a victim, on uml and on the newest kernel
	@for kernel in uml $(newest); do \
		tests/vm --kernel $$kernel --append numa=fake=2 --timeout 3000 -- tenant || exit 1; done

.PHONY: rdmabox
rdmabox: ## build build/rdmabox, which runs any RDMA program on any machine (half an hour, once)
	@tools/vm rdmabox

.PHONY: test-box
test-box: rdmabox ## test rdmabox: as root and as nobody, statuses, signals, terminal, files
	@tests/box/run

.PHONY: bench
bench: ## compare with the kernel's rxe and TCP (KERNEL=uml ROUNDS=5; COST=1: count instructions)
ifdef COST
	@tools/bench --cost --rounds 1 -- -t 20
else
	@tools/bench --kernel $(KERNEL) --rounds $(ROUNDS) -- -t 60 -c 32
endif

.PHONY: bench-compare
bench-compare: ## compare the driver's cost with another revision, in instructions (BASE=revision)
	@tools/bench-compare $(or $(BASE),$(error BASE=revision is missing)) -- -t 20 warm cold

.PHONY: fuzz
fuzz: ## send hostile packets, rings and commands (KERNEL=uml DEBUG=kasan SEED=1)
	tests/vm --kernel $(KERNEL) --debug=$(DEBUG) --timeout 14000 -- -v -f -s $(SEED) -l 3400 \
		packets:wire forged:wire connecting:wire rings:loop commands:loop methods:loop

.PHONY: storm
storm: ## start and end processes, devices and connections for hours (KERNEL=uml DEBUG=kasan)
	tests/vm --kernel $(KERNEL) --debug=$(DEBUG) --timeout 14000 -- -v -f -s $(SEED) -l 3400 \
		storm:wire unplug:loop fork:loop

.PHONY: soak
soak: DEBUG =
soak: ## an hour of traffic while memory is paged, moved, merged and split (KERNEL=uml DEBUG= SEED=1)
	tests/vm --kernel $(KERNEL) $(if $(DEBUG),--debug=$(DEBUG)) --timeout 14000 -- \
		-v -f -s $(SEED) -l 7000 soak:wire

.PHONY: inject
inject: ## make allocations fail (KERNEL=uml DEBUG=kasan)
	tests/vm --kernel $(KERNEL) --debug=$(DEBUG) --timeout 14000 -- -v -f -s $(SEED) -l 3400 \
		inject:loop injectlink:loop starve:loop

built = $(CURDIR)/build/$(notdir $(KDIR:/build=))
release = $(shell cat $(KDIR)/include/config/kernel.release)

.PHONY: modules
modules: ## build the modules for this machine's kernel, or KDIR's, in build/
	tools/vm.d/kbuild.sh $(CURDIR) $(built) $(KDIR) -j$(shell nproc)

.PHONY: install
install: modules ## install the modules, so that modprobe loads ours (as root; for later kernels too)
	$(MAKE) -C $(KDIR) M=$(built) INSTALL_MOD_DIR=updates/rxe-odp \
		RXE_ODP_PARTS='drivers/infiniband/core/ drivers/infiniband/sw/rxe/' modules_install
	depmod $(release)
	@echo "next: modprobe -r rdma_rxe if it is loaded; then modprobe rdma_rxe loads ours"

.PHONY: uninstall
uninstall: ## remove the installed modules, so that modprobe loads the kernel's own again
	rm -rf /lib/modules/$(release)/updates/rxe-odp
	depmod $(release)

.PHONY: deb
deb: ## build the Debian packages in build/deb (rdmabox's kernel: half an hour, once)
	tools/deb

.PHONY: test-install
test-install: ## test the package, kernel upgrade, removal, make install in guests (an hour without KVM)
	tests/suites/install/run

compile_commands.json: FORCE ## make it for clangd, from the build for the uml guest
	tools/vm compile-commands >$@

.PHONY: style
style: ## check scripts, columns, spelling, kernel-doc, checkpatch, circles, sparse (tools/style)
	@tools/style

.PHONY: htmldocs
htmldocs: ## make HTML of the documents and of the sources' comments in build/doc; a warning is an error
	@tools/htmldocs

.PHONY: clean
clean: ## remove the files built in the checkout (tools/vm clean removes the guests)
	rm -rf build compile_commands.json

.PHONY: FORCE
FORCE:
