#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# No instruction of the kernel and of the system's own tasks touches x87, MMX, SSE or AVX state: that state is always the
# guests' and the users'. In the kernel those that save, load and reset it are the exceptions, and three in `restore` (fpu.c)
# that clear what some processors leave of the x87 pointers. And a task links nothing
# that is not of this tree; root has libfdt.
set -uo pipefail
# shellcheck source=tests/analysis/common.sh
. "$(dirname "$0")/common.sh"

command -v objdump >/dev/null || skip analysis/vector "objdump (the package binutils) is not installed"
images=(bulkhead root vmm console)
elfs=()
for image in "${images[@]}"; do
    elfs+=("$O/$image.elf")
done
build analysis/vector "$O" "${elfs[@]}"

# Mnemonics: all that begin with f or v are x87 and AVX, but for those of virtualization and two on selectors.
uses_vectors() { # ELF ALLOWED; prints the instructions
    objdump -d --no-show-raw-insn "$1" | awk -F'\t' -v allowed="$2" '
        /^[0-9a-f]+ </ { where = $0 }
        NF >= 2 && where !~ /<(header|boot_gdt)/ { # those are data of .boot
            code = $2
            sub(/^((rep[nz]*|lock|data16|cs|ds|es|bnd|notrack|rex\.?[WRXB]*) +)+/, "", code)
            split(code, part, /[ \t]/)
            name = part[1]
            found = code ~ /%([xyz]?mm|k|bnd|tmm)[0-9]|%st/ || name ~ /^(f[^s]|fs[^ ]|emms$|ldmxcsr|stmxcsr|xsave|xrstor)/ ||
                name ~ /^v/ && name !~ /^(verr|verw|vm(call|mcall|clear|func|launch|load|ptrld|ptrst|read|resume|run|save|write|xoff|xon))[lqw]?$/
            fip = allowed ~ /xsave/ && where ~ /<restore>/ && name ~ /^(fnclex|emms|fildl)$/
            if (found && !fip && name !~ "^(" allowed ")$")
                print where " " $0
        }'
}

for image in "${images[@]}"; do
    elf=$O/$image.elf
    allowed=none
    [ "$image" != bulkhead ] || allowed='fninit|fxsave64|fxrstor64|xsave64|xrstor64'
    found=$(uses_vectors "$elf" "$allowed")
    if [ -n "$found" ]; then
        head -n 10 <<<"$found"
        echo "FAIL analysis/vector-$image ($(wc -l <<<"$found") instructions, see above)"
    else
        echo "PASS analysis/vector-$image"
    fi

    # Each object that is linked names its source.
    foreign=
    while read -r source; do
        case $source in
        *.o) # from assembly: the object's own name; or from libfdt, which has no names of sources
            [ -n "$(find kernel lib root vmm servers -name "${source%.o}.S" -print -quit)" ] && continue
            [[ $image == root && $source == fdt*.o ]] && continue
            ;;
        *) [ -n "$(find kernel lib root vmm servers -name "$source" -print -quit)" ] && continue ;;
        esac
        foreign+=" $source"
    done < <(readelf -sW "$elf" | awk '$4 == "FILE" && $8 != "" { print $8 }' | sort -u)
    # Undefined symbols, and what a C library cannot be without.
    foreign+=$(readelf -sW "$elf" | awk '$7 == "UND" && $8 != "" || $8 ~ /^(__libc_|_IO_|malloc$|printf$|errno$)/ { printf " %s", $8 }')
    readelf -lW "$elf" | grep -qE '^ *(INTERP|DYNAMIC|TLS) ' && foreign+=" a-dynamic-segment"
    if [ -n "$foreign" ]; then
        echo "FAIL analysis/links-$image (not of this tree:$foreign)"
    else
        echo "PASS analysis/links-$image"
    fi
done
