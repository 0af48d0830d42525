# SPDX-License-Identifier: BSD-2-Clause
# What the scripts that run the kernel's tests share. Not executable: the test command does not run it by itself.
# shellcheck shell=bash
ROOT=${ROOT:-$(cd "$(dirname "${BASH_SOURCE[0]}")/../.." && pwd)}
O=${O:-$ROOT/build}
WORK=${WORK:-$(mktemp -d)}
cd "$ROOT" || exit 1

skip() { # NAME WHY
    echo "SKIP $1 ($2)"
    exit 0
}

# shellcheck disable=SC2120 # mostly there are none
build() { # [make variables]
    mkdir -p "$O"
    flock "$O/ktest.lock" make --no-print-directory O="$O" "$@" "$O/ktest.iso" >"$WORK/make.log" 2>&1 && return
    tail -n 20 "$WORK/make.log"
    echo "FAIL kernel/build (the test image does not build)"
    exit 1
}

# The results in the machine's serial output, with its name before each. A run that did not come to its end has failed.
report() { # MACHINE STATUS [CPUS]
    local text="$WORK/$1.txt" line
    tr -d '\r' <"$text" >"$text.lines" 2>/dev/null
    while IFS= read -r line || [ -n "$line" ]; do # Bochs may end before the last byte is out
        case $line in
        "PASS "* | "FAIL "* | "SKIP "*) echo "${line%% *} $1/${line#* }" ;;
        *) echo "$1: $line" ;;
        esac
    done < <(sed -n '/^ktest: /,$p' "$text.lines")
    if grep -q "^ktest: .* CPUs: ${3:-1}\$" "$text.lines"; then
        echo "PASS $1/boot/cpus"
    else
        echo "FAIL $1/boot/cpus (not ${3:-1} CPUs were started)"
    fi
    if ! grep -q '^ktest: end' "$text.lines"; then
        tail -n 5 "$text.lines"
        if [ "$2" -eq 124 ]; then
            echo "FAIL $1/end (not within its time; the last output is above, all of it in $text)"
        else
            echo "FAIL $1/end (the machine stopped with status $2; the last output is above, all of it in $text)"
        fi
    fi
}
