#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Runs the host tests of the crates with unsafe code under Miri, which sees undefined behaviour that
# a passing test hides. Property tests run few cases there: each step is interpreted.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

if ! cargo +nightly miri --version >/dev/null 2>&1; then
    cat >&2 <<'TEXT'
deep-check: Miri is missing. It comes with a nightly toolchain:
    rustup toolchain install nightly --profile minimal --component miri --component rust-src
TEXT
    exit 1
fi

export PROPTEST_CASES=${PROPTEST_CASES:-8}
flags="-Zmiri-disable-isolation -Zmiri-permissive-provenance ${MIRIFLAGS-}"

# under_miri "FLAGS" CRATE ...
under_miri() {
    local crate
    for crate in "${@:2}"; do
        echo "deep-check: $crate under Miri"
        MIRIFLAGS="$flags $1" cargo +nightly miri test --package "$crate"
    done
}

under_miri "" tock-cells tock-tbf
# What a board builds lives for the whole run, so tests of these crates leave it behind.
under_miri "-Zmiri-ignore-leaks" virtio kernel
