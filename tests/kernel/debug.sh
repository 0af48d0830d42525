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
exec python3 tests/kernel/debug.py "$O/debug" "$WORK"
