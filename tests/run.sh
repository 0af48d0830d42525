#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Runs the tests: ./bulkhead test, which has built everything, calls it. A group is a function group_NAME here that
# prints, for each test, one line "PASS name", "FAIL name" or "SKIP name (why)"; other lines are its log. The
# emulated groups run every executable script of tests/GROUP/, which print the same lines and may rely on:
#   O      the build directory (absolute)      ROOT   the repository; also the working directory
#   LONG   not empty: longer runs are wanted   WORK   an empty directory of the script's own, kept afterwards
# A script needs no traps for stray emulators if it starts them under `timeout`. Exit status other than 0 without a
# FAIL line counts as a failure, and so does a script that prints no result at all.
# Environment: O, ONLY (a group, or GROUP/SCRIPT), LONG, SYSTEM (a system.yaml: only the group "system" runs).
set -uo pipefail
ROOT=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$ROOT" || exit 1
O=${O:-$ROOT/build}
LONG=${LONG:-}
ONLY=${ONLY:-}
SYSTEM=${SYSTEM:-}
export O ROOT LONG SYSTEM PYTHONDONTWRITEBYTECODE=1

groups=(style config unit fuzz clang analysis model kernel guest)
# Figures rather than tests: only when asked for, or with time to spend.
[[ -z $LONG && $ONLY != coverage ]] || groups+=(coverage)
# Seconds that a group may take on two busy cores; together the 20 minutes of a run without --long. More is said, and no failure.
declare -A budget=([style]=20 [config]=10 [unit]=90 [fuzz]=160 [clang]=50 [analysis]=60 [model]=80 [kernel]=310 [guest]=420)
passed=0 failed=0 skipped=0
mkdir -p "$O/log"

now() { echo "${EPOCHREALTIME/[.,]/}"; }

# Takes the group's lines as they come: keeps the log, counts, shows what is not a success at once.
count_results() { # GROUP LOG; reads the lines; leaves "passed failed skipped" in LOG.count
    local p=0 f=0 s=0 line
    while IFS= read -r line; do
        printf '%s\n' "$line" >>"$2"
        case $line in
        "PASS "*) p=$((p + 1)) ;;
        # A test program's own count, for one line that stands for several tests.
        "PASSED "[0-9]*) p=$((p + ${line#PASSED })) ;;
        "FAIL "*)
            f=$((f + 1))
            echo "FAIL ${line#FAIL } (log: $2)"
            ;;
        "SKIP "*)
            s=$((s + 1))
            echo "skip ${line#SKIP }"
            ;;
        esac
    done
    echo "$p $f $s" >"$2.count"
}

run_group() { # GROUP
    local log="$O/log/test-$1.log" start p f s ms limit=${budget[$1]:-} of=
    start=$(now)
    : >"$log"
    "group_$1" 2>&1 </dev/null | count_results "$1" "$log"
    read -r p f s <"$log.count"
    rm -f "$log.count"
    passed=$((passed + p)) failed=$((failed + f)) skipped=$((skipped + s))
    ms=$((($(now) - start) / 1000))
    if [[ -n $limit && -z $LONG && -z $ONLY ]]; then
        of=" of $limit s"
        [ $ms -le $((limit * 1000)) ] || of+=": OVER its budget"
    fi
    printf '%-4s %-8s %d passed, %d failed, %d skipped (%d.%d s%s)\n' \
        "$([ "$f" -eq 0 ] && echo ok || echo FAIL)" "$1" "$p" "$f" "$s" $((ms / 1000)) $((ms % 1000 / 100)) "$of"
}

# ---- groups

# What a reader expects of each file, as far as a machine can see it.
group_style() {
    local file bad=0
    if ! git rev-parse --git-dir >/dev/null 2>&1; then
        echo "SKIP style (this is no git checkout)"
        return
    fi
    while IFS= read -r file; do
        [ -f "$file" ] || continue
        head -n 2 "$file" | grep -q 'SPDX-License-Identifier: BSD-2-Clause' ||
            { echo "FAIL style/licence $file has no SPDX line"; bad=1; }
        [ "$(wc -l <"$file")" -le 600 ] || { echo "FAIL style/length $file has more than 600 lines"; bad=1; }
    done < <(git ls-files '*.c' '*.h' '*.S' '*.sh' '*.def' '*.py' bulkhead Makefile 2>/dev/null)
    [ $bad -ne 0 ] || echo "PASS style/files"
    if ! command -v shellcheck >/dev/null; then
        echo "SKIP style/shellcheck (shellcheck is not installed)"
    elif git ls-files -z '*.sh' bulkhead .ci/run | xargs -0 shellcheck -x; then
        echo "PASS style/shellcheck"
    else
        echo "FAIL style/shellcheck"
    fi
    # The kernel is left out: its comments and tables may be wider.
    if ! command -v clang-format >/dev/null; then
        echo "SKIP style/format (clang-format is not installed)"
    elif git ls-files -z kernel root vmm lib servers tools tests bench include | grep -z '\.[ch]$' |
        xargs -0 clang-format --dry-run -Werror; then
        echo "PASS style/format"
    else
        echo "FAIL style/format (clang-format -i FILE)"
    fi
    check_generated abidoc docs/kernel.md
    check_generated vmdoc docs/virtual-machine.md
    check_generated mustdoc docs/confinement.md
    check_generated tracedoc docs/debugging.md
}

# A part of the document is made from sources; the tool says whether it still agrees with them.
check_generated() { # TOOL DOCUMENT
    if "$O/tools/$1" --check "$2"; then
        echo "PASS style/$1"
    else
        echo "FAIL style/$1 ($2 does not agree with the sources: run $O/tools/$1 $2)"
    fi
}

group_config() {
    bash tests/config.sh
}

# One cmocka program each; its own count is added up.
group_unit() {
    local source name program output status
    make -k --no-print-directory -j"$(nproc)" O="$O" unit-build
    [ -z "$LONG" ] || export TEST_TIMES=10 # the differential tests of decoder and emulator
    for source in tests/unit/test_*.c; do
        name=$(basename "$source" .c)
        program=$O/unit/$name
        output=$O/log/unit-$name.log
        if [ ! -x "$program" ] || [ "$source" -nt "$program" ]; then
            echo "FAIL unit/$name (it does not build)"
            continue
        fi
        status=0
        timeout 120 "$program" >"$output" 2>&1 || status=$?
        cat "$output"
        if [ $status -eq 0 ]; then
            echo "PASSED $(sed -n 's/.*\[  PASSED  \] \([0-9]*\) test.*/\1/p' "$output" | tail -n 1)"
        elif grep -q '\[  FAILED  \] test' "$output"; then
            sed -n "s|.*\[  FAILED  \] \(test[a-zA-Z0-9_]*\)\$|FAIL unit/$name/\1|p" "$output" | sort -u
        else
            echo "FAIL unit/$name (exit status $status)"
        fi
    done
}

# Runs the command in the background, when there is a CPU for it.
side_by_side() { # COMMAND...
    while [ "$(jobs -rp | wc -l)" -ge "$(nproc)" ]; do wait -n; done
    "$@" &
}

fuzz_one() { # SOURCE SECONDS
    local name work dict=()
    name=$(basename "$1" .c)
    work=$O/fuzz-work/$name
    mkdir -p "$work"
    if [ ! -x "$O/fuzz/$name" ] || [ "$1" -nt "$O/fuzz/$name" ]; then
        echo "FAIL fuzz/$name (it does not build)"
        return
    fi
    [ ! -f "tests/fuzz/$name.dict" ] || dict=(-dict="tests/fuzz/$name.dict")
    if timeout $(($2 + 60)) "$O/fuzz/$name" -max_total_time="$2" -seed=1 -timeout=10 \
        -artifact_prefix="$work/" -verbosity=0 "${dict[@]}" >"$work/output" 2>&1; then
        echo "PASS fuzz/$name"
    else
        cat "$work/output"
        echo "FAIL fuzz/$name (the input is in $work)"
    fi
}

group_fuzz() {
    local source seconds=3
    [ -z "$LONG" ] || seconds=60
    make -k --no-print-directory -j"$(nproc)" O="$O" fuzz-build
    for source in tests/fuzz/fuzz_*.c; do
        side_by_side fuzz_one "$source" "$seconds"
    done
    wait
}

# The other compiler, with its own warnings.
group_clang() {
    if make -k --no-print-directory -j"$(nproc)" CC=clang O="$O/clang" all; then
        echo "PASS clang/all"
    else
        echo "FAIL clang/all"
    fi
}

# One script, in a directory of its own; its lines are printed when it is done.
run_script() { # GROUP/NAME SCRIPT
    local limit=900 status=0
    [ -z "$LONG" ] || limit=3600
    export WORK="$O/test-work/$1"
    rm -rf "$WORK"
    mkdir -p "$WORK"
    timeout -k 10 "$limit" "$2" >"$WORK/results" 2>&1 || status=$?
    cat "$WORK/results"
    if [ $status -ne 0 ] && ! grep -q '^FAIL ' "$WORK/results"; then
        echo "FAIL $1 (exit status $status)"
    elif ! grep -qE '^(PASS|FAIL|SKIP) ' "$WORK/results"; then
        echo "FAIL $1 (it printed no result)"
    fi
}

# As many at a time as there are CPUs, those that take longest first: they say so by a line "# Starts first".
run_scripts() { # GROUP
    local script name found=0
    local -a scripts
    mapfile -t scripts < <(grep -l '^# Starts first' "tests/$1"/*.sh; grep -L '^# Starts first' "tests/$1"/*.sh)
    for script in "${scripts[@]}"; do
        [ -x "$script" ] || continue
        name=$1/$(basename "$script" .sh)
        [[ -z $ONLY || $ONLY == "$1" || $ONLY == "$name" ]] || continue
        found=1
        side_by_side run_script "$name" "$script"
    done
    wait
    [ $found -eq 1 ] || echo "SKIP $1 (there is no such script)"
}

group_analysis() { run_scripts analysis; }
group_model() { run_scripts model; }
group_kernel() { run_scripts kernel; }
group_guest() { run_scripts guest; }
group_coverage() {
    export WORK="$O/test-work/coverage"
    rm -rf "$WORK"
    timeout -k 10 1200 tests/coverage.sh || [ $? -eq 1 ] || echo "FAIL coverage (it did not come to its end)"
}
group_system() { python3 tests/system.py "$SYSTEM"; }

# ---- main

if [ -n "$SYSTEM" ]; then
    run_group system
else
    found=no
    for group in "${groups[@]}"; do
        [[ -z $ONLY || ${ONLY%%/*} == "$group" ]] || continue
        found=yes
        run_group "$group"
    done
    if [ $found = no ]; then
        echo "bulkhead: there is no group '$ONLY'; there are: ${groups[*]}" >&2
        exit 2
    fi
fi
echo "$passed passed, $failed failed, $skipped skipped"
[ "$failed" -eq 0 ]
