#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The kernel's tests on kernels that check themselves (DEBUG=2), in QEMU: one as it is, one that restarts each system call at
# every preemption point, and some that fail every n-th allocation.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

command -v qemu-system-x86_64 >/dev/null || skip builds "qemu-system-x86_64 is not installed"
builds=(DEBUG=2 PREEMPT=1 FAIL_ALLOC=10)
[ -z "${LONG:-}" ] || builds+=(FAIL_ALLOC=9 FAIL_ALLOC=11 FAIL_ALLOC=16 FAIL_ALLOC=33)
base=$O
for setting in "${builds[@]}"; do
    name=qemu-${setting/=/-}
    O=$base/${setting/=/-}
    build DEBUG=2 "$setting"
    rm -f "$WORK/$name.txt"
    timeout -k 5 180 qemu-system-x86_64 -accel tcg -cpu EPYC,+svm,+npt -m 512 -smp 1 -nodefaults -no-user-config \
        -display none -monitor none -serial "file:$WORK/$name.txt" -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -cdrom "$O/ktest.iso" </dev/null >"$WORK/$name.log" 2>&1
    report "$name" "$?"
done
