#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Starts first: takes long.
# The kernel's tests on Bochs: a processor with nearly all of VT-x, an old one with little of it, and one with AMD's SVM. And
# on four CPUs.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

command -v bochs-bin >/dev/null || skip bochs "bochs is not installed"
build
printf 'c\nq\n' >"$WORK/commands" # the machine ends in the debugger
while read -r model cpus; do
    name=bochs-$model
    [ "$cpus" = 1 ] || name+=-$cpus
    rm -f "$WORK/$name.txt"
    # Its ryzen lacks VM_CR, which every processor with SVM has.
    bad_msrs=0
    [ "$model" != ryzen ] || bad_msrs=1
    ISO=$O/ktest.iso BXLOG=$WORK/$name.log timeout -k 5 240 bochs-bin -q -f tools/bochsrc -rc "$WORK/commands" \
        "cpu: model=$model, count=$cpus, ignore_bad_msrs=$bad_msrs" "memory: guest=512, host=512" \
        "com1: enabled=1, mode=file, dev=$WORK/$name.txt" </dev/null >"$WORK/$name.out" 2>&1
    report "$name" "$?" "$cpus"
done <<END
corei7_skylake_x 1
corei7_sandy_bridge_2600k 1
ryzen 1
corei7_skylake_x 4
END
