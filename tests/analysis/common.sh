# SPDX-License-Identifier: BSD-2-Clause
# What the scripts of this group share. Not executable: the test command does not run it by itself.
# shellcheck shell=bash
ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
O=${O:-$ROOT/build}
WORK=${WORK:-$(mktemp -d)}
LONG=${LONG:-}
cd "$ROOT" || exit 1

skip() { # NAME WHY
    echo "SKIP $1 ($2)"
    exit 0
}

# Builds with make into a directory, or fails the test.
build() { # NAME DIRECTORY TARGET...
    local name=$1 out=$2
    shift 2
    make --no-print-directory -j"$(nproc)" O="$out" "$@" >"$WORK/make.log" 2>&1 && return
    tail -n 20 "$WORK/make.log"
    echo "FAIL $name (it does not build)"
    exit 1
}
