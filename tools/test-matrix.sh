#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Runs the boot tests on each QEMU, the one in QEMU and the one in QEMU_NEW, with and without
# machine-mode protection. All combinations run, whatever becomes of one; a table sums up. The output
# of each is in target/test-matrix/.

set -uo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

old=${QEMU:-qemu-system-riscv32}
new=${QEMU_NEW:?test-matrix: QEMU_NEW=path names the second QEMU, as QEMU names the first}
unset QEMU_NEW

logs=target/test-matrix
mkdir -p "$logs"
rows=()
failed=0
for qemu in "$old" "$new"; do
    version=$("$qemu" --version | sed -n -E 's/^QEMU emulator version ([0-9.]+).*/\1/p') || exit 1
    for cpu in protected plain; do
        name="QEMU $version, $cpu CPU"
        log=$logs/$version-$cpu.log
        echo "test-matrix: $name ($log)"
        begin=$SECONDS
        if QEMU=$qemu BOOT_CPU=$cpu cargo test --package boot-tests --no-fail-fast >"$log" 2>&1; then
            result=passed
        else
            result=FAILED
            failed=1
            grep -E '^test .*FAILED' "$log"
        fi
        count=$(awk '/^test result:/ { sum += $4 } END { print sum + 0 }' "$log")
        rows+=("$(printf '%-28s %-6s %4d tests %5d s' "$name" "$result" "$count" $((SECONDS - begin)))")
    done
done
echo
printf '%s\n' "${rows[@]}"
exit "$failed"
