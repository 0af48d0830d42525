#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The kernel's tests in QEMU's software emulation, on two processors: the one that everything else here runs on, and one with all
# that QEMU can do (UMIP, protection keys, five-level paging and more in CPUID). And on machines with more CPUs, one with two
# threads a core, of which the kernel starts one. Then time, with a clock that counts instructions, which needs one CPU.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

command -v qemu-system-x86_64 >/dev/null || skip qemu "qemu-system-x86_64 is not installed"
build
run() { # NAME MODEL CPUS [OPTION...]
    local name=qemu-$1 model=$2 cpus=$3
    shift 3
    rm -f "$WORK/$name.txt"
    timeout -k 5 180 qemu-system-x86_64 -accel tcg -cpu "$model" -m 512 -nodefaults -no-user-config \
        -display none -monitor none -serial "file:$WORK/$name.txt" -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -cdrom "${iso:-$O/ktest.iso}" "$@" </dev/null >"$WORK/$name.log" 2>&1
    report "$name" "$?" "$cpus"
}
run EPYC EPYC,+svm,+npt 1
run max max 1
run EPYC-4 EPYC,+svm,+npt 4 -smp 4
run Haswell-smt Haswell 2 -smp 4,cores=2,threads=2,maxcpus=8
# HAZARD: QEMU with -icount delivers a guest's interrupts twice otherwise.
cp -r "$O/iso-ktest" "$WORK/iso-icount"
sed -i 's/bulkhead\.elf/& inject=virtual/' "$WORK/iso-icount/boot/grub/grub.cfg"
grub-mkrescue --compress=no -o "$WORK/icount.iso" "$WORK/iso-icount" >"$WORK/icount-iso.log" 2>&1
iso=$WORK/icount.iso run icount EPYC,+svm,+npt 1 -icount shift=0,sleep=off
