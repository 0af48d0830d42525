#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Exhaustive search of the models with Spin: calls on one CPU (ipc.pml); between CPUs signals (signal.pml), unmapping (unmap.pml) and
# threads that travel (travel.pml). Then the same with one mistake each, most of which the kernel once had, which the search must find.
# --long: also larger models.
set -uo pipefail
ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
WORK=${WORK:-$(mktemp -d)}
LONG=${LONG:-}

for tool in spin gcc; do
    command -v $tool >/dev/null || { echo "SKIP model (the package $tool is not installed)"; exit 0; }
done

# Leaves Spin's output in $WORK/NAME/out; fails when the model does not build.
search() { # NAME MODEL MACRO...
    local name=$1 model=$2 limit=200 level=-O2
    [[ $* != *BUG_* ]] || level=-O0 # found soon: the compiler takes longer
    [ -z "$LONG" ] || limit=900
    shift 2
    mkdir -p "$WORK/$name"
    (
        cd "$WORK/$name" || exit 1
        spin -a "$@" "$ROOT/tests/model/$model.pml" || exit 1
        gcc $level -w "$@" -DSAFETY -DNOBOUNDCHECK -DMEMLIM=900 -o pan pan.c || exit 1
        timeout "$limit" nice ./pan -m6000000 || echo "exit status $?"
        rm -f pan pan.?
    ) >"$WORK/$name/out" 2>&1
}

holds() { # NAME MODEL MACRO...
    local out=$WORK/$1/out
    if search "$@" && grep -q 'errors: 0' "$out" && ! grep -qE 'not completed|too small|exit status' "$out"; then
        echo "$1: $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$out") states, $(sed -n 's/^pan: elapsed time //p' "$out")"
        echo "PASS model/$1"
    else
        head -n 20 "$out"
        echo "FAIL model/$1 (log and trail are in $WORK/$1)"
    fi
}

finds() { # NAME MODEL MACRO...
    local out=$WORK/$1/out
    if search "$@" && grep -q 'errors: 1' "$out"; then
        echo "$1: $(sed -n 's/^pan:1: //p' "$out")"
        echo "PASS model/finds-$1"
    else
        head -n 20 "$out"
        echo "FAIL model/finds-$1 (the search does not see it; log: $out)"
    fi
}

# TIME: who runs is the end of the donor's chain.
holds ipc ipc -DTIME
[ -z "$LONG" ] || holds ipc-full ipc -DFULL

finds cancelled-helper-stays ipc -DBUG_CANCEL_HELPER # on the list of those that wait at its chain's end
finds cancelled-caller-stays ipc -DBUG_CANCEL_CALL   # the same of those above a call that is given up
finds worker-lost ipc -DBUG_ORPHAN                   # in the middle of a chain, when its caller is gone
finds gate-gone ipc -DBUG_GATE                       # and its helpers not told
finds caller-not-told ipc -DBUG_DESTROY_CALLER       # of its worker's end
finds waiters-of-the-dead ipc -DBUG_DESTROY_WAITERS
finds helped-not-marked ipc -DTIME -DBUG_HELPED      # whose time it is

# Between CPUs: no wake-up is lost; what is destroyed is in no inbox and in nobody's hands when it is freed.
holds signal signal
holds signal-destroyed signal -DDESTROY
finds looked-before-raised signal -DBUG_LOOK_FIRST
finds waiter-moved signal -DBUG_NOT_FORWARDED               # and the signal is not sent after it
finds waiter-gave-up signal -DBUG_OLD_WAITER                # and came to where it is looked at
finds inbox-forgotten signal -DBUG_TAKEN_ONLY               # two IPIs came as one
finds answered-early signal -DDESTROY -DBUG_ASKED_LATE      # the inbox was empty before the round began
finds one-round-is-too-few signal -DDESTROY -DBUG_ONE_PASS

# No page is used by a stale translation, although threads move and unmappings overlap.
holds unmap unmap
finds cpus-read-early unmap -DBUG_FENCE
finds page-not-flushed unmap -DBUG_NOT_FLUSHED
finds flushed-too-much unmap -DBUG_LATE_COUNT
finds new-cpu-not-asked unmap -DBUG_CPUS

# A worker travels to do its system calls while those that it serves give up, or it is stopped, moved or destroyed.
holds travel-cancel travel -DCANCEL
holds travel-stop travel -DSTOP
holds travel-gate travel -DGATE
holds travel-destroy travel -DDESTROY
[ -z "$LONG" ] || holds travel-cancel-twice travel -DCANCEL -DTRIPS=2
[ -z "$LONG" ] || holds travel-cancel-stop travel -DCANCEL -DSTOP
holds travel-move travel -DMOVE
finds orphan-elsewhere travel -DCANCEL -DBUG_ORPHAN         # queued by a CPU where it is not
finds helped-elsewhere travel -DCANCEL -DBUG_HELPED         # its state is written by two CPUs
finds waiters-elsewhere travel -DCANCEL -DBUG_WAKE          # released by a CPU that is not their home
finds chain-elsewhere travel -DGATE -DBUG_CHAIN
finds move-touches-later travel -DMOVE -DBUG_MOVE_ORDER     # its state, after its home says that it is the other CPU's
finds thread-not-forwarded travel -DMOVE -DBUG_NOT_FORWARDED
finds thread-one-round travel -DDESTROY -DBUG_ONE_PASS
