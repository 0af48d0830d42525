#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A processor that does not tell that it is free of Meltdown is refused by name, unless the command line accepts it (as that of the
# other tests does).
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

command -v bochs-bin >/dev/null || skip refused "bochs is not installed"
build
mkdir -p "$WORK/iso/boot/grub"
cp "$O/bulkhead.elf" "$O/ktest.elf" "$WORK/iso/boot/"
printf 'set timeout=0\nmultiboot2 /boot/bulkhead.elf\nmodule2 /boot/ktest.elf root\nboot\n' >"$WORK/iso/boot/grub/grub.cfg"
grub-mkrescue --compress=no -o "$WORK/refused.iso" "$WORK/iso" >"$WORK/make.log" 2>&1 || { cat "$WORK/make.log"; echo "FAIL refused/image"; exit 1; }
printf 'c\nq\n' >"$WORK/commands"
ISO=$WORK/refused.iso BXLOG=$WORK/refused.log timeout -k 5 60 bochs-bin -q -f tools/bochsrc -rc "$WORK/commands" \
    "cpu: model=corei7_skylake_x, count=1" "memory: guest=512, host=512" \
    "com1: enabled=1, mode=file, dev=$WORK/refused.txt" </dev/null >"$WORK/refused.out" 2>&1
if grep -q 'kernel stopped' "$WORK/refused.txt" && grep -q 'Meltdown: .* accept=meltdown on the kernel' "$WORK/refused.txt" &&
    ! grep -q '^ktest' "$WORK/refused.txt"; then
    echo "PASS refused/meltdown"
else
    cat "$WORK/refused.txt"
    echo "FAIL refused/meltdown"
fi
