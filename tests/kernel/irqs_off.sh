#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The longest run of kernel instructions with interrupts off, over the kernel's tests in QEMU, by what the kernel was asked to do:
# bench/irqs_off.c looks, from the first return to user mode on. Fails with the name of each that exceeds the limit.
# IRQS_OFF_MAX: the limit.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

command -v qemu-system-x86_64 >/dev/null || skip irqs-off "qemu-system-x86_64 is not installed"
build
gcc -std=gnu17 -O2 -Wall -Wextra -Werror -Iinclude -idirafter lib/include -fPIC -shared -o "$WORK/irqs_off.so" bench/irqs_off.c ||
    { echo "FAIL irqs-off (the plugin does not build)"; exit 1; }
nm -n "$O/bulkhead.elf" >"$WORK/symbols"
timeout -k 5 240 qemu-system-x86_64 -accel tcg -cpu EPYC,+svm,+npt -m 512 -smp 1 -nodefaults -no-user-config \
    -display none -monitor none -serial "file:$WORK/qemu.txt" -no-reboot -device isa-debug-exit,iobase=0xf4,iosize=4 \
    -plugin "$WORK/irqs_off.so,out=$WORK/stretches,symbols=$WORK/symbols" -cdrom "$O/ktest.iso" </dev/null >"$WORK/qemu.log" 2>&1
if ! grep -q '^ktest: end' "$WORK/qemu.txt" || [ "$(tail -n 1 "$WORK/stretches")" != end ]; then
    tail -n 5 "$WORK/qemu.txt"
    echo "FAIL irqs-off (the kernel's tests did not come to their end; all output in $WORK)"
    exit 1
fi
python3 bench/irqs_off.py "${IRQS_OFF_MAX:-1500}" "$WORK/stretches"
# A check that cannot fail would prove nothing: the shortest of all figures is above this.
if python3 bench/irqs_off.py 20 "$WORK/stretches" | grep '^FAIL irqs-off/' >/dev/null; then
    echo "PASS irqs-off/the check fails when a limit is exceeded"
else
    echo "FAIL irqs-off/the check cannot fail"
fi
