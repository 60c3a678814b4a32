#!/usr/bin/env bash
# SPDX-License-Identifier: Apache-2.0 OR MIT
#
# Checks the areas of the interface contract that tools/contract-areas.txt lists. An area that is in
# the list stays in it, so a change that breaks one has to mend it.

set -euo pipefail
cd "$(dirname "${BASH_SOURCE[0]}")/.."

list=tools/contract-areas.txt
areas=$(sed -E -e 's/#.*//' -e 's/[[:space:]]+$//' -e '/^$/d' "$list")
fail() {
    echo "contract: $*" >&2
    exit 1
}

duplicates=$(sort <<<"$areas" | uniq -d)
[ -z "$duplicates" ] || fail "listed twice in $list:" $duplicates

unknown=$(comm -23 <(sort <<<"$areas") <(tools/contract/check.sh --list | awk '{print $2}' | sort))
[ -z "$unknown" ] || fail "$list names areas that the contract does not have:" $unknown

if git rev-parse --git-dir >/dev/null 2>&1; then
    listed_before=$(git log --format= --patch -- "$list" | sed -n -E 's/^-([a-z0-9_]+)$/\1/p' | sort -u)
    dropped=$(comm -23 <(printf '%s' "${listed_before:+$listed_before$'\n'}") <(sort <<<"$areas"))
    [ -z "$dropped" ] || fail "the list only grows; put back into $list:" $dropped
fi

count=$(wc -l <<<"$areas")
echo "contract: checking $count areas"
output=$(tools/contract/check.sh --work target/contract --areas "$(paste -s -d , <<<"$areas")" \
    --virtio chips/virtio kernel) || {
    grep -v '^PASS' <<<"$output"
    exit 1
}
tail -n 1 <<<"$output"
# An area that was skipped has not been checked.
[ "$(grep -c '^PASS' <<<"$output")" -eq "$count" ] || fail "not every area was checked"
