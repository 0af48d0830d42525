#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Three static analysers. gcc's reads all target code, clang-tidy and cppcheck the kernel. A warning fails the test unless
# known.txt has it, with the reason why it is none; checks that are off as a whole are in .clang-tidy here, and below.
set -uo pipefail
# shellcheck source=tests/analysis/common.sh
. "$(dirname "$0")/common.sh"
here=$ROOT/tests/analysis

include=(-Iinclude -Ikernel -I"$WORK/o/k")
target=(-std=gnu17 -ffreestanding -fno-pic -mgeneral-regs-only -mno-red-zone -fno-strict-aliasing -DDEBUG=1)
# As DEBUG=2 compiles the kernel, with all of its checks and its debugger.
checked=(-DCHECKED=1 -DTRACING=1 -DPREEMPT=0 -DFAIL_ALLOC=0)
target+=("${checked[@]}")
user=(-mcmodel=small -Iinclude -Ilib/include -Ilib -Ivmm -I"$WORK/o/gen" -I.)
mapfile -t kernel < <(find kernel tests/invariants -name '*.c' ! -name offsets.c | sort)

# The tools end with status 0 when all that they have are warnings: another one is an error, of which nothing is known.
report() { # NAME OUTPUT STATUS
    if [ "$3" -ne 0 ]; then
        grep -E 'error' "$2" | sort | uniq -c | head -n 10
        echo "FAIL analysis/$1 (it ended with status $3; all it said is in $2)"
    elif python3 "$here/known.py" "$1" "$2"; then
        echo "PASS analysis/$1"
    else
        echo "FAIL analysis/$1 (warnings, see above)"
    fi
}

# A file each: -fanalyzer wants optimization, and takes seconds for a large file.
analyze() { # OUTPUT FLAGS... -- FILES...
    local output=$1 flags=()
    shift
    while [ "$1" != -- ]; do
        flags+=("$1")
        shift
    done
    shift
    printf '%s\0' "$@" | xargs -0 -n 1 -P "$(nproc)" \
        gcc "${target[@]}" "${flags[@]}" -O2 -fanalyzer -fdiagnostics-plain-output -c -o /dev/null >>"$output" 2>&1
}

build analysis/warnings "$WORK/o" "$WORK/o/k/offsets.h" "$WORK/o/gen/dsdt_aml.h"

if echo 'int x;' | gcc -fanalyzer -xc -c -o /dev/null - 2>/dev/null; then
    status=0
    analyze "$WORK/gcc.txt" -mcmodel=kernel "${include[@]}" -- "${kernel[@]}" || status=$?
    analyze "$WORK/gcc.txt" "${user[@]}" -- root/*.c vmm/*.c lib/*.c servers/*/*.c || status=$?
    report gcc "$WORK/gcc.txt" "$status"
else
    echo "SKIP analysis/gcc (gcc 10 or newer is needed)"
fi

if command -v clang-tidy >/dev/null; then
    status=0
    # shellcheck disable=SC2016 # it is the inner shell that expands
    printf '%s\0' "${kernel[@]}" | xargs -0 -n 4 -P "$(nproc)" sh -c '
        config=$1; shift; flags=
        while [ "$1" != -- ]; do flags="$flags $1"; shift; done; shift
        exec clang-tidy --quiet --config-file="$config" "$@" -- $flags' sh \
        "$here/.clang-tidy" "${target[@]}" -mcmodel=kernel "${include[@]}" -- >"$WORK/clang-tidy.txt" 2>&1 || status=$?
    report clang-tidy "$WORK/clang-tidy.txt" "$status"
else
    echo "SKIP analysis/clang-tidy (the package clang-tidy is not installed)"
fi

if command -v cppcheck >/dev/null; then
    status=0
    # __GNUC__: without it cppcheck tries both sides of every #ifdef that has it.
    cppcheck --quiet -j "$(nproc)" --std=c11 --platform=unix64 --enable=warning,performance,portability \
        --error-exitcode=0 -DDEBUG=1 "${checked[@]}" -D__GNUC__=12 "${include[@]}" \
        --template='{file}:{line}:{column}: {severity}: {message} [{id}]' --template-location='' "${kernel[@]}" \
        >"$WORK/cppcheck.txt" 2>&1 || status=$?
    report cppcheck "$WORK/cppcheck.txt" "$status"
else
    echo "SKIP analysis/cppcheck (the package cppcheck is not installed)"
fi
