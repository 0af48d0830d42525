#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Exhaustive search of the IPC model (ipc.pml) with Spin; then the same with one mistake each, most of which the kernel once had,
# which the search must find. --long: also the larger model.
set -uo pipefail
ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
WORK=${WORK:-$(mktemp -d)}
LONG=${LONG:-}

for tool in spin gcc; do
    command -v $tool >/dev/null || { echo "SKIP model/ipc (the package $tool is not installed)"; exit 0; }
done

# Leaves Spin's output in $WORK/NAME/out; fails when the model does not build.
search() { # NAME MACRO...
    local name=$1 limit=200
    [ -z "$LONG" ] || limit=900
    shift
    mkdir -p "$WORK/$name"
    (
        cd "$WORK/$name" || exit 1
        spin -a "$@" "$ROOT/tests/model/ipc.pml" || exit 1
        gcc -O2 -w "$@" -DSAFETY -DNOBOUNDCHECK -DMEMLIM=900 -o pan pan.c || exit 1
        timeout "$limit" nice ./pan -m6000000 || echo "exit status $?"
        rm -f pan pan.?
    ) >"$WORK/$name/out" 2>&1
}

holds() { # NAME MACRO...
    local out=$WORK/$1/out
    if search "$@" && grep -q 'errors: 0' "$out" && ! grep -qE 'not completed|too small|exit status' "$out"; then
        echo "$1: $(sed -n 's/^ *\([0-9]*\) states, stored.*/\1/p' "$out") states, $(sed -n 's/^pan: elapsed time //p' "$out")"
        echo "PASS model/$1"
    else
        head -n 20 "$out"
        echo "FAIL model/$1 (log and trail are in $WORK/$1)"
    fi
}

finds() { # NAME MACRO...
    local out=$WORK/$1/out
    if search "$@" && grep -q 'errors: 1' "$out"; then
        echo "$1: $(sed -n 's/^pan:1: //p' "$out")"
        echo "PASS model/finds-$1"
    else
        head -n 20 "$out"
        echo "FAIL model/finds-$1 (the search does not see it; log: $out)"
    fi
}

holds ipc
[ -z "$LONG" ] || holds ipc-full -DFULL

finds cancelled-helper-stays -DBUG_CANCEL_HELPER  # on the list of those that wait at its chain's end
finds cancelled-caller-stays -DBUG_CANCEL_CALL    # the same of those above a call that is given up
finds worker-lost -DBUG_ORPHAN                    # in the middle of a chain, when its caller is gone
finds gate-gone -DBUG_GATE                        # and its helpers not told
finds caller-not-told -DBUG_DESTROY_CALLER        # of its worker's end
finds waiters-of-the-dead -DBUG_DESTROY_WAITERS

# Whose time it is: who runs is the end of the donor's chain.
holds time -DTIME
finds helped-not-marked -DTIME -DBUG_HELPED
