#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The kernel's debugger, its trace and its crash report, in a kernel made with DEBUG=2 (debug.py).
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

command -v qemu-system-x86_64 >/dev/null || skip debug "qemu-system-x86_64 is not installed"
command -v babeltrace2 >/dev/null || skip debug "babeltrace2 is not installed"
export BULKHEAD_SKIP_PACKAGES=1
if ! DEBUG=2 O="$O/debug" ./bulkhead image -o "$WORK/debug.iso" >"$WORK/image.log" 2>&1; then
    tail -n 20 "$WORK/image.log"
    echo "FAIL debug/build (the image does not build)"
    exit 1
fi
python3 tests/kernel/debug.py "$O/debug" "$WORK"

# The command from end to end, with a VM on each of two CPUs: both are in the trace, and what one posts to the other.
sed 's/cpus: 1/cpus: 2/; /hostname=secure/a\        host-cpu: 1' system.yaml >"$WORK/two.yaml"
if timeout 300 ./bulkhead trace "$WORK/two.yaml" -o "$WORK/two" >"$WORK/two.log" 2>&1 &&
    babeltrace2 "$WORK/two" >"$WORK/two.txt" 2>"$WORK/two.err" && [ ! -s "$WORK/two.err" ] &&
    grep -q ' vm_exit: { cpu_id = 0 }.*"open thread"' "$WORK/two.txt" &&
    grep -q ' vm_exit: { cpu_id = 1 }.*"secure thread"' "$WORK/two.txt" &&
    grep -q ' post: { cpu_id = 1 }, { to = 0, object = ( "console signal"' "$WORK/two.txt"; then
    echo "PASS debug/trace-two"
else
    tail -n 5 "$WORK/two.log" "$WORK/two.err"
    echo "FAIL debug/trace-two (no trace, or not of both CPUs)"
fi
