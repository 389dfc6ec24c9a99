# SPDX-License-Identifier: GPL-2.0
KDIR ?= /lib/modules/$(shell uname -r)/build
KERNEL ?= uml
DEBUG ?= kasan
SEED ?= 1
ROUNDS ?= 5

.PHONY: help
help: ## this list
	@sed -n 's/^\([a-z_.-]*\):.*## /\1\t/p' $(firstword $(MAKEFILE_LIST)) | expand -t 24

.PHONY: vm
vm: ## make the guests: root folder, kernels, images
	tools/vm build

.PHONY: demo
demo: KERNEL = 7.3
demo: ## the drivers at work, in a guest (KERNEL=7.3, 6.12, 6.1 or uml)
	@tools/demo $(KERNEL)

.PHONY: shell
shell: ## a shell in a guest with our driver (KERNEL=uml, 6.1, 6.12 or 7.3)
	@tools/vm shell --kernel $(KERNEL)

.PHONY: test
test: ## the tests on every kernel, as CI does; the last line counts them
	@tests/all

.PHONY: test-uml
test-uml: ## all tests on uml alone: a few minutes
	@tests/all uml

.PHONY: test-debug
test-debug: ## all tests on debug kernels: lockdep, KASAN, and both under QEMU (hours without KVM)
	@tests/all uml-lockdep uml-kasan uml-kmemleak 7.3-kasan+lockdep

.PHONY: test-newest
test-newest: ## the tests of the newest rdma-core that Debian has (KERNEL=uml)
	@tests/suites/rdma-core/newest --kernel $(KERNEL)

.PHONY: test-wire
test-wire: ## our driver and the kernel's own at the two ends of a wire, judged by tshark
	@tests/suites/wire/run

.PHONY: test-surface
test-surface: ## what people and programs see of the device, beside the kernel's own (KERNEL=uml)
	@tests/suites/surface/run --kernel $(KERNEL)

.PHONY: test-apps
test-apps: ## real consumers: perftest, UCX, MPI, NFS and more (KERNEL=uml)
	@tests/suites/apps/run --kernel $(KERNEL)

.PHONY: test-tenant
test-tenant: ## a hostile tenant beside a victim, on uml and 7.3
	@for kernel in uml 7.3; do \
		tests/vm --kernel $$kernel --append numa=fake=2 --timeout 3000 -- tenant || exit 1; done

.PHONY: bench
bench: ## ours beside the kernel's rxe and TCP, pinned and on demand (KERNEL=uml ROUNDS=5; COST=1: in instructions)
ifdef COST
	@tools/bench --cost --rounds 1 -- -t 20
else
	@tools/bench --kernel $(KERNEL) --rounds $(ROUNDS) -- -t 60 -c 32
endif

.PHONY: bench-compare
bench-compare: ## what the driver costs beside that of another revision, in instructions (BASE=revision)
	@tools/bench-compare $(or $(BASE),$(error BASE=revision is missing)) -- -t 20 warm cold

.PHONY: fuzz
fuzz: ## hostile packets, rings, commands (KERNEL=uml DEBUG=kasan SEED=1)
	tests/vm --kernel $(KERNEL) --debug=$(DEBUG) --timeout 14000 -- -v -f -s $(SEED) -l 3400 \
		packets:wire forged:wire connecting:wire rings:loop commands:loop methods:loop

.PHONY: storm
storm: ## processes, devices and connections that come and go, at length (KERNEL=uml DEBUG=kasan)
	tests/vm --kernel $(KERNEL) --debug=$(DEBUG) --timeout 14000 -- -v -f -s $(SEED) -l 3400 \
		storm:wire unplug:loop fork:loop

.PHONY: soak
soak: DEBUG =
soak: ## an hour of traffic while memory is paged, moved, merged, split (KERNEL=uml DEBUG= SEED=1)
	tests/vm --kernel $(KERNEL) $(if $(DEBUG),--debug=$(DEBUG)) --timeout 14000 -- \
		-v -f -s $(SEED) -l 7000 soak:wire

.PHONY: inject
inject: ## allocations that fail (KERNEL=uml DEBUG=kasan)
	tests/vm --kernel $(KERNEL) --debug=$(DEBUG) --timeout 14000 -- -v -f -s $(SEED) -l 3400 \
		inject:loop injectlink:loop starve:loop

built = $(CURDIR)/build/$(notdir $(KDIR:/build=))
release = $(shell cat $(KDIR)/include/config/kernel.release)

.PHONY: modules
modules: ## build the modules for this machine's kernel, or KDIR's, in build/
	tools/vm.d/kbuild.sh $(CURDIR) $(built) $(KDIR) -j$(shell nproc)

.PHONY: install
install: modules ## install them, so that modprobe takes ours (as root; DKMS does it for later kernels, too)
	$(MAKE) -C $(KDIR) M=$(built) INSTALL_MOD_DIR=updates/rxe-odp \
		RXE_ODP_PARTS='drivers/infiniband/core/ drivers/infiniband/sw/rxe/' modules_install
	depmod $(release)
	@echo "modprobe -r rdma_rxe, where it is loaded, then modprobe rdma_rxe takes ours"

.PHONY: uninstall
uninstall: ## remove what install has installed: the kernel's own rdma_rxe is back
	rm -rf /lib/modules/$(release)/updates/rxe-odp
	depmod $(release)

.PHONY: deb
deb: ## build the Debian packages in build/deb
	tools/deb

.PHONY: test-install
test-install: ## the package, an upgrade of the kernel, removal, make install: in guests (an hour without KVM)
	tests/suites/install/run

compile_commands.json: FORCE ## for clangd, from the build for the uml guest
	tools/vm compile-commands >$@

.PHONY: style
style: ## shellcheck over the scripts
	shellcheck -x tools/vm
	shellcheck tools/demo tests/demo/run
	shellcheck -x tests/all tests/run tests/vm
	shellcheck tests/suites/rdma-core/run tests/suites/rdma-core/newest tests/suites/in-root
	shellcheck tests/suites/surface/run tests/suites/surface/show tests/suites/surface/compare
	shellcheck tools/bench tools/bench-compare tools/profile userspace/bench/compare
	shellcheck -x tests/suites/apps/run tests/suites/apps/in-guest tests/suites/apps/perftest \
		tests/suites/apps/rdmacm tests/suites/apps/rsockets tests/suites/apps/ucx \
		tests/suites/apps/libfabric tests/suites/apps/openmpi tests/suites/apps/fio \
		tests/suites/apps/qperf tests/suites/apps/nfs tests/suites/apps/iser
	shellcheck tests/suites/count tools/deb tests/suites/install/run tests/suites/install/in-guest
	shellcheck tests/suites/wire/run tests/suites/wire/in-guest
	shellcheck tools/vm.d/kbuild.sh tools/vm.d/guest-init.sh tools/vm.d/provoke.sh drivers/compat/configure

.PHONY: clean
clean: ## remove what was built in the checkout (tools/vm clean removes the guests)
	rm -rf build compile_commands.json

.PHONY: FORCE
FORCE:
