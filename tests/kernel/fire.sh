#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Starts first: takes long.
# Revocation under fire (tests/fire/) on four CPUs, on a kernel that checks itself: in Bochs, where a run repeats to the tick, and
# at the same time in QEMU, where the CPUs really run at once. SEED=n runs that seed, STEPS=n that many steps, in Bochs.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

SEED=${SEED:-1}
steps=200000 qemu_steps=50000 again=4000
[ -z "${LONG:-}" ] || { steps=1000000 qemu_steps=1000000; }
steps=${STEPS:-$steps}
O=$O/DEBUG-2

image() { # NAME STEPS
    rm -f "$O/kfire.iso"
    if ! make --no-print-directory O="$O" DEBUG=2 CMDLINE="seed=$SEED steps=$2" "$O/kfire.iso" >"$WORK/make.log" 2>&1; then
        tail -n 20 "$WORK/make.log"
        echo "FAIL fire/build (the test image does not build)"
        exit 1
    fi
    cp "$O/kfire.iso" "$WORK/$1.iso"
}

in_bochs() { # NAME
    ISO=$WORK/$1.iso BXLOG=$WORK/$1.log timeout -k 5 3000 bochs-bin -q -f tools/bochsrc -rc "$WORK/commands" \
        "cpu: model=corei7_skylake_x, count=4, ignore_bad_msrs=0" "memory: guest=512, host=512" \
        "com1: enabled=1, mode=file, dev=$WORK/$1.txt" </dev/null >"$WORK/$1.out" 2>&1
}

in_qemu() { # NAME
    timeout -k 5 1500 qemu-system-x86_64 -accel tcg -cpu EPYC,+svm,+npt -m 512 -smp 4 -nodefaults -no-user-config \
        -display none -monitor none -serial "file:$WORK/$1.txt" -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -cdrom "$WORK/$1.iso" </dev/null >"$WORK/$1.log" 2>&1
}

results() { # NAME STATUS
    local line
    tr -d '\r' <"$WORK/$1.txt" >"$WORK/$1.lines"
    while IFS= read -r line || [ -n "$line" ]; do
        case $line in
        "PASS "* | "FAIL "*) echo "${line%% *} fire/$1/${line#* }" ;;
        @trace*) ;;
        *) echo "$1: $line" ;;
        esac
    done < <(sed -n '/^fire: /,$p' "$WORK/$1.lines")
    grep -q '^fire: end' "$WORK/$1.lines" || echo "FAIL fire/$1/end (seed $SEED: it stopped with status $2, see $WORK/$1.txt)"
}

pids=()
printf 'c\nq\n' >"$WORK/commands" # the machine ends in the debugger
image bochs "$steps"
image qemu "$qemu_steps"
image again "$again"
if command -v qemu-system-x86_64 >/dev/null; then
    in_qemu qemu &
    pids+=($!)
fi
if command -v bochs-bin >/dev/null; then
    in_bochs bochs
    results bochs "$?"
    cp "$WORK/again.iso" "$WORK/once.iso"
    in_bochs once
    in_bochs again
    if cmp -s "$WORK/once.txt" "$WORK/again.txt" && grep -q '^fire: .*hash' "$WORK/once.txt"; then
        echo "PASS fire/bochs/replay"
    else
        echo "FAIL fire/bochs/replay (two runs of seed $SEED differ: $WORK/once.txt, $WORK/again.txt)"
    fi
else
    echo "SKIP fire/bochs (bochs is not installed)"
fi
if [ ${#pids[@]} -gt 0 ]; then
    wait "${pids[0]}"
    results qemu "$?"
else
    echo "SKIP fire/qemu (qemu-system-x86_64 is not installed)"
fi
