#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Line coverage of the kernel, by three sources that coverage.py merges:
#   - its unit tests on the host (unit/test_kernel*.c), built as for `make unit`, with gcc's gcov in place of the sanitizers
#   - its tests in QEMU (kernel/), with the normal kernel: QEMU logs each block of instructions that it translates, which it does when
#     the block runs first; the debug information gives the lines. That includes assembly.
#   - its tests in Bochs, for VT-x: a kernel with gcov's counters, which the debugger writes to a file at the end (gcda.py)
# Environment: as for the scripts of run.sh; COVERAGE_MIN: fail below so many percent. -l: also lists the lines that nothing reached.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/kernel/common.sh"
mkdir -p "$WORK"

for tool in gcc gcov objdump qemu-system-x86_64 bochs-bin; do
    command -v $tool >/dev/null || skip coverage "$tool is not installed"
done

failed() { # WHAT
    echo "FAIL coverage/$1"
    exit 1
}

flags=(-std=gnu17 -g -O0 --coverage -DDEBUG=1 -DCHECKED=1 -DPREEMPT=0 -DFAIL_ALLOC=0 -DHOST_TEST=1 -Iinclude -Ikernel -I. -idirafter lib/include -idirafter lib)
for test in tests/unit/test_kernel*.c; do
    name=$(basename "$test" .c)
    rm -rf "${WORK:?}/$name"
    mkdir -p "$WORK/$name"
    read -ra links < <(sed -n 's,^// links: *,,p' "$test" | tr '\n' ' ')
    objects=()
    for source in "$test" "${links[@]}"; do
        objects+=("$WORK/$name/$(basename "$source" .c).o")
        gcc "${flags[@]}" -c "$source" -o "${objects[-1]}" || failed "$name (it does not build)"
    done
    gcc --coverage "${objects[@]}" -lcmocka -o "$WORK/$name/program" || failed "$name (it does not build)"
    if ! timeout 300 "$WORK/$name/program" >"$WORK/$name/log" 2>&1; then
        tail -n 5 "$WORK/$name/log"
        failed "$name (log: $WORK/$name/log)"
    fi
    for object in "${objects[@]:1}"; do
        gcov -t "$object" 2>/dev/null
    done >"$WORK/$name.gcov"
done

finished() { # MACHINE STATUS CPUS
    report "$@" >"$WORK/$1.results" # its tests count in the group "kernel"
    if grep -q '^FAIL' "$WORK/$1.results"; then
        echo "coverage: not all tests passed in $1, see $WORK/$1.results"
    fi
}

range() { # FIRST BEHIND; the two symbols' addresses in the kernel
    nm "$O/bulkhead.elf" | awk -v first="$1" -v behind="$2" '$3 == first { s = $1 } $3 == behind { e = $1 } END { print s, e }'
}

build
read -r start end < <(range text_start text_end)
while read -r model cpus; do
    name=qemu-${model%%,*}-$cpus
    rm -f "$WORK/$name.txt"
    timeout -k 5 300 qemu-system-x86_64 -accel tcg -cpu "$model" -m 512 -smp "$cpus" -nodefaults -no-user-config \
        -display none -monitor none -serial "file:$WORK/$name.txt" -no-reboot \
        -device isa-debug-exit,iobase=0xf4,iosize=4 -d in_asm -dfilter "0x$start..0x$end" -D "$WORK/$name.asm" \
        -cdrom "$O/ktest.iso" </dev/null >"$WORK/$name.log" 2>&1
    finished "$name" "$?" "$cpus"
done <<END
EPYC,+svm,+npt 1
max 1
EPYC,+svm,+npt 4
END

cat >"$WORK/cc" <<'END'
#!/bin/sh
case " $* " in
*" -c kernel/"*.c\ *) exec gcc --coverage -fprofile-info-section -fprofile-update=single "$@" ;;
*"/kernel.lds "*) exec gcc -Wl,--defsym=__gcov_merge_add=0 "$@" ;;
*) exec gcc "$@" ;;
esac
END
chmod +x "$WORK/cc"
image=$O
O=$WORK/counting
build CC="$WORK/cc"
read -r start end < <(range text_end kernel_end)
for model in corei7_skylake_x corei7_sandy_bridge_2600k ryzen; do
    name=bochs-$model
    rm -rf "$WORK/$name.txt" "${WORK:?}/$name"
    printf 'c\nwritemem "%s" 0x%s %d\nq\n' "$WORK/$name.memory" "$start" $((0x$end - 0x$start)) >"$WORK/$name.commands"
    bad_msrs=0
    [ "$model" != ryzen ] || bad_msrs=1
    ISO=$O/ktest.iso BXLOG=$WORK/$name.log timeout -k 5 300 bochs-bin -q -f tools/bochsrc -rc "$WORK/$name.commands" \
        "cpu: model=$model, count=1, ignore_bad_msrs=$bad_msrs" "memory: guest=512, host=512" \
        "com1: enabled=1, mode=file, dev=$WORK/$name.txt" </dev/null >"$WORK/$name.out" 2>&1
    finished "$name" "$?" 1
    python3 tests/gcda.py "$O/bulkhead.elf" "$WORK/$name.memory" "$start" "$WORK/$name" || failed "$name (no counters)"
done

O=$image
exec python3 tests/coverage.py "$@" "${COVERAGE_MIN:-90}" "$O/bulkhead.elf" "$WORK"
