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

# The device model of a fuzz target lives as long as the process, which is no leak.
if cargo +nightly fuzz --version >/dev/null 2>&1; then
    echo "deep-check: fuzzing the rings"
    mkdir -p target/fuzz-corpus
    ASAN_OPTIONS=detect_leaks=0 cargo +nightly fuzz run --fuzz-dir tools/fuzz used_ring \
        target/fuzz-corpus tools/fuzz/corpus/used_ring -- \
        -max_len=400 -max_total_time="${FUZZ_SECONDS:-60}" -rss_limit_mb=4096
else
    echo "deep-check: no fuzzing: cargo install cargo-fuzz" >&2
fi

# The share of changed conditions and results in the checks of a device's claims that tests notice.
# MUTANTS_LIMIT is in seconds.
if cargo mutants --version >/dev/null 2>&1; then
    echo "deep-check: mutants of the checks of a device's claims"
    status=0
    timeout "${MUTANTS_LIMIT:-900}" cargo mutants --package virtio --baseline skip --timeout 120 \
        --file 'chips/virtio/src/queues/chain_table.rs' \
        --output target/mutants || status=$?
    case $status in
    0) ;;
    2 | 3) echo "deep-check: mutants survived; see target/mutants/mutants.out" ;;
    124) echo "deep-check: mutants: time is up; see target/mutants/mutants.out" ;;
    *) exit "$status" ;;
    esac
    for outcome in caught missed timeout unviable; do
        list=target/mutants/mutants.out/$outcome.txt
        [ ! -f "$list" ] || echo "deep-check: mutants $outcome: $(wc -l <"$list")"
    done
else
    echo "deep-check: no mutants: cargo install cargo-mutants" >&2
fi
