#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The kernel's tests in QEMU's software emulation, on two processors: the one that everything else here runs on, and one with all
# that QEMU can do (UMIP, protection keys, five-level paging and more in CPUID). Then time, with a clock that counts
# instructions, which needs one CPU.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

command -v qemu-system-x86_64 >/dev/null || skip qemu "qemu-system-x86_64 is not installed"
build
run() { # NAME MODEL [OPTION...]
    local name=qemu-$1 model=$2
    shift 2
    rm -f "$WORK/$name.txt"
    timeout -k 5 180 qemu-system-x86_64 -accel tcg -cpu "$model" -m 512 -smp 1 -nodefaults -no-user-config \
        -display none -monitor none -serial "file:$WORK/$name.txt" -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -cdrom "$O/ktest.iso" "$@" </dev/null >"$WORK/$name.log" 2>&1
    report "$name" "$?"
}
run EPYC EPYC,+svm,+npt
run max max
run icount EPYC,+svm,+npt -icount shift=0,sleep=off
