#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What debugs the kernel compiles out: with DEBUG=0 and 1 the text and the read-only data are, byte for byte, those of a kernel
# whose sources have no hooks at all, and no symbol of the debugger is in it. With DEBUG=2 they are, so the test sees them.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

sections() { # ELF
    objcopy -O binary -j .text "$1" "$1.text" && objcopy -O binary -j .rodata "$1" "$1.rodata"
}

symbols() { # ELF
    nm "$1" | grep -cE ' (debug|trace)_[a-z_]+$'
}

mkdir -p "$WORK/bare"
cp -r Makefile kernel include "$WORK/bare/"
# Any trace(...); and debug_...(...); becomes nothing, and the one condition false.
find "$WORK/bare/kernel" -name '*.[ch]' ! -name 'debug*' ! -name 'trace*' -print0 | xargs -0 perl -0pi -e '
    s/\btrace\([^;]*\);/{}/g; s/^ *debug_\w+\([^;]*\);\n//gm; s/if \(debug_hw_ctl\([^;{]*\)\s*return status;//g;
    s/enum status status;\n(?=\s*c->words = 1;\n)//g; s/#include "[.\/]*debug\.h"//g;
    s/!TRACING && //g'
if grep -rnE '\btrace\(|debug_(hw_ctl|table|free|exception|crash)|TRACING' "$WORK/bare/kernel" --include='*.[ch]' --exclude='debug*' --exclude='trace*'; then
    echo "FAIL debug-out/hooks (the test does not find all hooks)"
    exit 1
fi
for debug in 0 1; do
    for tree in "$ROOT" "$WORK/bare"; do
        out=$WORK/$(basename "$tree")-$debug
        [ "$tree" = "$ROOT" ] && out=$WORK/with-$debug
        if ! make --no-print-directory -C "$tree" -j"$(nproc)" O="$out" DEBUG=$debug "$out/bulkhead.elf" >"$WORK/make.log" 2>&1; then
            tail -n 20 "$WORK/make.log"
            echo "FAIL debug-out/build ($tree with DEBUG=$debug does not build)"
            exit 1
        fi
        sections "$out/bulkhead.elf"
    done
    if cmp "$WORK/with-$debug/bulkhead.elf.text" "$WORK/bare-$debug/bulkhead.elf.text" &&
        cmp "$WORK/with-$debug/bulkhead.elf.rodata" "$WORK/bare-$debug/bulkhead.elf.rodata"; then
        echo "PASS debug-out/bytes-$debug"
    else
        echo "FAIL debug-out/bytes-$debug (the hooks leave something in a kernel with DEBUG=$debug)"
    fi
    if [ "$(symbols "$WORK/with-$debug/bulkhead.elf")" -eq 0 ]; then
        echo "PASS debug-out/symbols-$debug"
    else
        echo "FAIL debug-out/symbols-$debug (symbols of the debugger in a kernel with DEBUG=$debug)"
    fi
done
make --no-print-directory -j"$(nproc)" O="$WORK/with-2" DEBUG=2 "$WORK/with-2/bulkhead.elf" >"$WORK/make.log" 2>&1
if [ "$(symbols "$WORK/with-2/bulkhead.elf")" -gt 10 ]; then
    echo "PASS debug-out/present"
else
    echo "FAIL debug-out/present (no debugger in a kernel with DEBUG=2)"
fi
