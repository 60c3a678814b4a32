# SPDX-License-Identifier: Apache-2.0 OR MIT

# Each target is a thin wrapper: the work is done by cargo, tools/runner and the scripts in tools/.

APPS ?= random web
TBF ?=
CREDENTIALS ?= none
NET ?= user
RNG ?= on
QEMU ?= qemu-system-riscv32
PORT ?= 8080
PING ?=
GDB ?= 1234
SEED ?= 1
ROUNDS ?= 10
RUNS ?= 1000
FRAMES ?= 1000000

# A misspelt option would be passed over in silence.
OPTIONS := APPS TBF CREDENTIALS NET RNG QEMU QEMU_NEW PORT PING GDB SEED ROUNDS RUNS FRAMES CARGO% RUST% MAKE%
GIVEN := $(foreach name,$(.VARIABLES),$(if $(filter command,$(origin $(name))),$(name)))
UNKNOWN := $(filter-out $(OPTIONS),$(GIVEN))
$(if $(UNKNOWN),$(error there is no option $(UNKNOWN): make help lists the options))

TARGET := riscv32imac-unknown-none-elf
# rustup's installer changes PATH only for shells that start later.
export PATH := $(PATH):$(HOME)/.cargo/bin
export QEMU
# Only if it is given: an app that takes it is built anew when it changes.
ifneq ($(PING),)
export PING
endif

BOARD = cargo run --quiet --package board-runner --
APP_OPTIONS = $(APPS) $(addprefix --tbf ,$(TBF)) --credentials $(CREDENTIALS)
RUN_OPTIONS = $(APP_OPTIONS) --net $(NET) --rng $(RNG) --qemu $(QEMU) --port $(PORT)

.DEFAULT_GOAL := help
.PHONY: help setup runner run debug kernel apps image test test-host test-boot test-matrix bench bench-update bench-queue deep-check fuzz-syscalls soak soak-net check contract clean

help: ## list the targets
	@echo 'make TARGET [OPTION=value ...]'
	@echo
	@sed -n -E 's/^([a-z-]+):.*## (.*)/\1\t\2/p' $(MAKEFILE_LIST) | \
	    while IFS="$$(printf '\t')" read -r name text; do printf '  %-14s %s\n' "$$name" "$$text"; done
	@echo
	@echo 'options of run and debug, with their defaults:'
	@echo '  APPS="random web"           apps from userland/apps'
	@echo '  TBF="a.tbf b.tbf"           binaries built elsewhere, placed by their fixed addresses (none)'
	@echo '  CREDENTIALS=KIND            run only apps with credentials: sha256, ecdsa-p256:KEY.pem (none)'
	@echo '  NET=user|none|dgram:L:R     network cards, several with commas: apps use the first (user)'
	@echo '  RNG=on|off                  entropy device (on)'
	@echo '  PORT=8080                   port of this machine that leads to port 80 of the board;'
	@echo '                              PORT=8007:7 leads to port 7, PORT=8007:7/udp to its UDP port'
	@echo '  PING="name address"         whom the ping app pings first (nobody: it asks)'
	@echo '  GDB=1234                    port at which debug waits for gdb'
	@echo '  QEMU=path                   the QEMU program (qemu-system-riscv32)'
	@echo
	@echo 'of fuzz-syscalls: SEED=1 ROUNDS=10; of soak: RUNS=1000; of soak-net: FRAMES=1000000'

setup: ## install what is missing: Rust target, C compiler, QEMU
	@tools/setup.sh

runner: setup
	@cargo build --package board-runner

run: runner ## build everything and run the board in this terminal; Ctrl-C ends it
	@$(BOARD) run $(RUN_OPTIONS)

debug: runner ## the same, waiting for gdb
	@$(BOARD) debug $(RUN_OPTIONS) --debugger-port $(GDB)

kernel: setup ## build the kernel: target/riscv32imac-unknown-none-elf/release/qemu_rv32_virt
	@cargo build --release --package qemu_rv32_virt --target $(TARGET)

apps: runner ## build the apps
	@$(BOARD) apps

image: runner ## build the app flash image and print where it is
	@$(BOARD) image $(APP_OPTIONS)

test: test-host test-boot ## run the tests on this machine, then those under QEMU

test-host: setup ## run the tests on this machine, without QEMU
	@cargo test
	@cargo test --package bench
	@cd userland && cargo test

test-boot: runner ## run the tests under QEMU, also under the one in QEMU_NEW if that is set
	@cargo test --package boot-tests

test-matrix: runner ## run them under QEMU and QEMU_NEW, with and without machine-mode protection (long)
	@QEMU_NEW=$(QEMU_NEW) tools/test-matrix.sh

bench: runner ## count what operations cost on the board; fail if more than the baseline by 3 %
	@cargo run --quiet --package bench -- --qemu $(QEMU)

bench-update: runner ## the same, and make the result the new baseline
	@cargo run --quiet --package bench -- --qemu $(QEMU) --update

bench-queue: setup ## count what a split queue costs on this machine, beside virtio-drivers (needs valgrind)
	@cargo run --quiet --profile host-bench --package queue-bench

deep-check: setup ## run the tests of unsafe code under Miri (long; needs a nightly toolchain)
	@tools/deep-check.sh

fuzz-syscalls: runner ## make random system calls: 2 million for each of ROUNDS seeds from SEED on
	@FUZZ_SEED=$(SEED) FUZZ_ROUNDS=$(ROUNDS) cargo test --package boot-tests --test syscall_fuzz -- --nocapture

soak: runner ## boot two apps with alarms RUNS times
	@SOAK_RUNS=$(RUNS) cargo test --package boot-tests --test soak

soak-net: runner ## send FRAMES frames of all sizes to an app and back, and show what was counted
	@SOAK_FRAMES=$(FRAMES) cargo test --package boot-tests --test soak_network -- --nocapture

check: setup ## check formatting and lints
	@cargo fmt --all --check
	@cd userland && cargo fmt --all --check
	@cargo clippy --workspace --exclude qemu_rv32_virt --all-targets -- -D warnings
	@cargo clippy --package qemu_rv32_virt --target $(TARGET) -- -D warnings
	@cargo clippy --package qemu_rv32_virt --target $(TARGET) --features kernel-ping -- -D warnings
	@cargo clippy --package qemu_rv32_virt --target $(TARGET) \
		--features credentials,plain-virtio,random-words,small-receive-buffers -- -D warnings
	@cd userland && cargo clippy --all-targets -- -D warnings
	@cd userland && cargo clippy --workspace --target $(TARGET) -- -D warnings

contract: setup ## check the kernel's interface against tools/contract
	@tools/check-contract.sh

clean: ## remove everything that was built
	@cargo clean
	@cd userland && cargo clean
