#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Installs what building and running the board needs and this machine lacks: the pinned Rust
# toolchain with the board's target, a C compiler to link host programs with, and QEMU. Prints each
# step it takes; when nothing is missing it prints nothing and changes nothing.

set -euo pipefail

usage() {
    cat <<'USAGE'
usage: tools/setup.sh [--check]

Installs the Rust target, a C compiler and QEMU where they are missing.

  --check    only say what is missing; exit status 1 if anything is
USAGE
}

check_only=0
case "${1-}" in
'') ;;
--check) check_only=1 ;;
-h | --help) usage; exit 0 ;;
*) usage >&2; exit 2 ;;
esac

root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"

# The pin is written down once, in the file that rustup reads too.
pinned() { sed -n -E "s/^$1 = (.*)/\1/p" rust-toolchain.toml | tr -d '[]" ' | tr ',' ' '; }
channel=$(pinned channel)
targets=$(pinned targets)
components=$(pinned components)
qemu=${QEMU:-qemu-system-riscv32}

step() { echo "setup: $*"; }
fail() {
    echo "setup: $*" >&2
    exit 1
}

# ---- what is missing -----------------------------------------------------

has() { command -v "$1" >/dev/null 2>&1; }

# rustup's installer changes PATH only for shells that start later.
PATH=$PATH${HOME:+:$HOME/.cargo/bin}
# Its stand-ins for the tools would install the toolchain on their own, and say nothing.
export RUSTUP_AUTO_INSTALL=0

has_rust() {
    local sysroot target
    sysroot=$(rustc --print sysroot 2>/dev/null) || return 1
    for target in $targets; do
        [ -d "$sysroot/lib/rustlib/$target/lib" ] || return 1
    done
    [ -x "$sysroot/bin/cargo" ] || has cargo
}

has_components() {
    local sysroot
    sysroot=$(rustc --print sysroot 2>/dev/null) || return 1
    { [ -x "$sysroot/bin/rustfmt" ] || has rustfmt; } &&
        { [ -x "$sysroot/bin/cargo-clippy" ] || has cargo-clippy; }
}

missing=()
{ has_rust && has_components; } || missing+=(rust)
has cc || missing+=(compiler)
has "$qemu" || missing+=(qemu)

[ ${#missing[@]} -gt 0 ] || exit 0

describe() {
    case $1 in
    rust) echo "Rust $channel with the target $targets" ;;
    compiler) echo "a C compiler (cc)" ;;
    qemu) echo "QEMU for 32-bit RISC-V ($qemu)" ;;
    esac
}

if [ $check_only -eq 1 ]; then
    for item in "${missing[@]}"; do echo "setup: missing: $(describe "$item")"; done
    exit 1
fi

# ---- Rust ------------------------------------------------------------------

# Another toolchain would stay in use whatever is installed, so nothing is.
refuse_override() {
    case ${RUSTUP_TOOLCHAIN-} in
    '' | "$channel" | "$channel"-*) ;;
    *) fail "RUSTUP_TOOLCHAIN=$RUSTUP_TOOLCHAIN takes the place of Rust $channel and lacks what is" \
        "needed: unset it, then run this again" ;;
    esac
}

install_rust() {
    refuse_override
    has rustup || fail "$(describe rust) is missing, and so is rustup:" \
        "install it with Rust's own installer (or the package rustup, where there is one)," \
        "then run this again"
    local options=()
    for target in $targets; do options+=(--target "$target"); done
    for component in $components; do options+=(--component "$component"); done
    step "installing $(describe rust)"
    rustup toolchain install "$channel" --profile minimal --no-self-update "${options[@]}" ||
        fail "rustup could not install $(describe rust): see its message above"
}

# ---- packages --------------------------------------------------------------

manager=''
for candidate in apt-get dnf pacman apk brew; do
    if has $candidate; then manager=$candidate && break; fi
done

package() {
    case $manager:$1 in
    # Newer releases have a package of its own for RISC-V.
    apt-get:qemu)
        if apt-cache show qemu-system-riscv >/dev/null 2>&1; then
            echo qemu-system-riscv
        else
            echo qemu-system-misc
        fi
        ;;
    apt-get:compiler) echo gcc libc6-dev ;;
    dnf:qemu | pacman:qemu) echo qemu-system-riscv ;;
    apk:qemu) echo qemu-system-riscv32 ;;
    brew:qemu) echo qemu ;;
    apk:compiler) echo gcc musl-dev ;;
    *:compiler) echo gcc ;;
    *:qemu) echo qemu-system-riscv ;;
    esac
}

as_root() {
    if [ "$(id -u)" -eq 0 ]; then
        "$@"
    else
        sudo -n "$@"
    fi
}

may_install() {
    [ -n "$manager" ] || return 1
    [ "$manager" = brew ] || [ "$(id -u)" -eq 0 ] || { has sudo && sudo -n true 2>/dev/null; }
}

refresh_lists() {
    step "refreshing the package lists ($manager)"
    case $manager in
    apt-get) as_root apt-get update --quiet ;;
    dnf) as_root dnf --quiet makecache ;;
    pacman) as_root pacman -Sy --noconfirm ;;
    apk) as_root apk update ;;
    brew) brew update ;;
    esac
}

install_packages() {
    case $manager in
    apt-get)
        as_root env DEBIAN_FRONTEND=noninteractive \
            apt-get install --yes --quiet --no-install-recommends "$@"
        ;;
    dnf) as_root dnf install --assumeyes "$@" ;;
    pacman) as_root pacman -S --noconfirm --needed "$@" ;;
    apk) as_root apk add "$@" ;;
    brew) brew install "$@" ;;
    esac
}

install_package() {
    local item=$1 names
    if ! may_install; then
        read -r -a names <<<"$(package "$item")"
        fail "$(describe "$item") is missing and can only be installed by root:" \
            "install the package ${names[*]}, then run this again"
    fi
    # A fresh machine or container often comes without package lists.
    if [ "$manager" = apt-get ] && ! apt-cache show gcc >/dev/null 2>&1; then
        refresh_lists
    fi
    read -r -a names <<<"$(package "$item")"
    step "installing $(describe "$item"): ${names[*]} ($manager)"
    if ! install_packages "${names[@]}"; then
        # Old lists name versions that the archive no longer has.
        refresh_lists && install_packages "${names[@]}" ||
            fail "$manager could not install ${names[*]}: see its message above"
    fi
}

for item in "${missing[@]}"; do
    case $item in
    rust) install_rust ;;
    qemu)
        [ -z "${QEMU-}" ] || [ "$QEMU" = qemu-system-riscv32 ] ||
            fail "there is no $QEMU: set QEMU to a QEMU for 32-bit RISC-V, or leave it unset"
        install_package qemu
        ;;
    compiler) install_package compiler ;;
    esac
done

hash -r
has_rust || fail "Rust still lacks the target $targets: run rustup show and look for an override"
has cc || fail "the C compiler is still not in PATH: start a new shell and run this again"
has "$qemu" || fail "$qemu is still not in PATH: start a new shell and run this again"
step "done"
