#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Checks what takes long: the host tests of the crates with unsafe code under Miri, which sees undefined
# behaviour that a passing test hides; random devices; what a queue costs; and changed checks that tests
# should notice.
#
# Every step has a limit, runs whatever became of those before, and has its output in
# target/deep-check/. The summary comes last; the status is 0 if nothing failed.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

share=
case ${1-} in
'') ;;
--share) share=yes ;;
*)
    cat <<'TEXT'
usage: tools/deep-check.sh [--share]

  --share    only a few minutes of it, leaving out what this machine has no tools for
TEXT
    exit 2
    ;;
esac

if ! cargo +nightly miri setup >/dev/null 2>&1; then
    if [ "$share" ]; then
        echo "deep-check: left out, for Miri is missing or cannot be set up"
        exit 0
    fi
    cat >&2 <<'TEXT'
deep-check: Miri is missing or cannot be set up. It comes with a nightly toolchain:
    rustup toolchain install nightly --profile minimal --component miri --component rust-src
TEXT
    exit 1
fi

# Property tests run few cases under Miri: each step is interpreted.
export PROPTEST_CASES=${PROPTEST_CASES:-8}
miri_flags="-Zmiri-disable-isolation -Zmiri-permissive-provenance ${MIRIFLAGS-}"
# Limits in seconds: of one crate, or part of one, under Miri, of fuzzing, of changed checks.
miri_limit=${MIRI_LIMIT:-2400}
fuzz_seconds=${FUZZ_SECONDS:-60}
mutants_limit=${MUTANTS_LIMIT:-7200}
# Of the comparison of queues.
bench_limit=${BENCH_LIMIT:-1800}

logs=target/deep-check
mkdir -p "$logs"
summary=()
failed=0

# Copies output to the file $1 and tells how many tests are through, once a while.
progress() {
    tee "$1" | awk '
        /^test .* \.\.\. / { tests++; if (tests % 50 == 0) { print "    " tests " tests"; fflush() } }
        /^#[0-9]+.*(pulse|NEW)/ { if (++pulses % 200 == 0) { print "    " $1 " inputs"; fflush() } }
        /^error|FAILED|panicked|Undefined Behavior/ { print "    " $0; fflush() }'
}

# step NAME LIMIT COMMAND ...: runs a command and notes what became of it.
step() {
    local name=$1 limit=$2 log status begin seconds result
    shift 2
    log=$logs/${name//[ :,]/-}.log
    echo "deep-check: $name (at most $limit s; $log)"
    begin=$SECONDS
    timeout --kill-after=30 "$limit" "$@" 2>&1 | progress "$log"
    status=${PIPESTATUS[0]}
    seconds=$((SECONDS - begin))
    case $status in
    0) result=passed ;;
    124 | 137) result="FAILED: time is up" failed=1 ;;
    *) result="FAILED with status $status" failed=1 ;;
    esac
    note "$name" "$seconds" "$result$(count_tests "$log")"
}

note() {
    summary+=("$(printf '%-34s %5d s  %s' "$1" "$2" "$3")")
}

# The sum of the tests that passed, if there were any.
count_tests() {
    awk '/^test result:/ { for (i = 2; i <= NF; i++) if ($i ~ /^passed/) sum += $(i - 1) }
         END { if (sum) printf ", %d tests", sum }' "$1"
}

# miri "FLAGS" CRATE [PART CHOICE ...]: all tests of a crate, or a part of them and how to choose it;
# for the machine named by `target`, if any.
target=
miri() {
    local flags=$1 crate=$2 part=${3-}
    shift $(($# < 3 ? $# : 3))
    step "$crate${part:+: $part}${target:+, ${target%%-*}} under Miri" "$miri_limit" \
        env MIRIFLAGS="$miri_flags $flags" \
        cargo +nightly miri test ${target:+--target "$target"} --package "$crate" \
        ${part:+--lib -- "$@"}
}

queue_cost() {
    if valgrind --version >/dev/null 2>&1; then
        step "cost of a queue" "$bench_limit" \
            cargo run --quiet --profile host-bench --package queue-bench
    else
        note "cost of a queue" 0 "left out: valgrind is missing"
    fi
}

# mutants FILES [OPTION ...]: some changed checks survive; how many is the result.
mutants() {
    local files=$1 begin=$SECONDS status=0 outcome list result=
    shift
    if ! cargo mutants --version >/dev/null 2>&1; then
        note "mutants of the checks" 0 "left out: cargo install cargo-mutants"
        return
    fi
    echo "deep-check: mutants of the checks of a device's claims (at most $mutants_limit s)"
    timeout "$mutants_limit" cargo mutants --package virtio --timeout 60 \
        --file "$files" "$@" --output target/mutants \
        -- --lib -- --skip every_buffer_has_one_owner >"$logs/mutants.log" 2>&1 || status=$?
    for outcome in caught missed timeout unviable; do
        list=target/mutants/mutants.out/$outcome.txt
        [ ! -f "$list" ] || result+=", $(wc -l <"$list") $outcome"
    done
    case $status in
    0 | 2 | 3) result="done$result" ;;
    124) result="cut short$result" ;;
    *) result="FAILED with status $status$result" failed=1 ;;
    esac
    note "mutants of the checks" $((SECONDS - begin)) "$result"
}

finish() {
    echo
    echo "deep-check: $([ "$failed" = 0 ] && echo passed || echo FAILED), in $SECONDS s"
    printf '  %s\n' "${summary[@]}"
    exit "$failed"
}

if [ "$share" ]; then
    miri "-Zmiri-ignore-leaks" virtio share single_buffers queues::lent chain_table
    queue_cost
    mutants 'chips/virtio/src/queues/split_queue/used_ring.rs' --shard 1/14
    finish
fi

miri "" tock-cells
miri "" tock-tbf
# What a board builds lives for the whole run, so tests of these crates leave it behind.
miri "-Zmiri-ignore-leaks" kernel
# Queues write addresses of 32 bits another way than those of 64, and only the latter are the host's.
for target in "" i686-unknown-linux-gnu; do
    for part in queues devices; do
        miri "-Zmiri-ignore-leaks" virtio $part $part::
    done
    miri "-Zmiri-ignore-leaks" virtio rest --skip queues:: --skip devices::
done

if cargo +nightly fuzz --version >/dev/null 2>&1; then
    # The models live as long as the process, which is no leak. Building a target takes time of
    # its own.
    for target in used_ring packed_ring registers entropy network tap rng; do
        corpus=target/fuzz-corpus/$target
        mkdir -p "$corpus"
        step "fuzzing: $target" $((fuzz_seconds + 900)) \
            env ASAN_OPTIONS=detect_leaks=0 cargo +nightly fuzz run --fuzz-dir tools/fuzz "$target" \
            "$corpus" "tools/fuzz/corpus/$target" -- \
            -max_len=400 -max_total_time="$fuzz_seconds" -rss_limit_mb=4096
    done
else
    note "fuzzing" 0 "left out: cargo install cargo-fuzz"
fi

queue_cost
mutants 'chips/virtio/src/{queues,transports,devices}/**'
finish
