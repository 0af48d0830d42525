#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The cases of tests/config: each file says in its comments which errors bulkhead-config must print for it,
# all of them, in order and to the letter ("# expect: LINE:COL: ..."); a good-*.yaml must compile. Prints PASS
# or FAIL for each, like every group script (tests/run.sh). O: the build directory.
# shellcheck disable=SC2015 # pass and fail print and succeed
set -u
cd "$(dirname "$0")/config" || exit 1
config=$O/tools/bulkhead-config
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT
cp ./*.yaml "$work"

# A Multiboot ELF as far as the host looks, an ELF without that header, the two servers, an empty file.
printf '\177ELF\0\0\0\0\002\260\255\033\0\0\0\0\376\117\122\344' >"$work/kernel.bin"
printf '\177ELF\0\0\0\0' >"$work/elf.bin"
: >"$work/empty.bin"
# A bzImage as far as the host looks: 8 sectors of setup and 4 KiB of kernel; and one that lacks its last byte.
python3 - "$work" <<'PYTHON'
import sys
image = bytearray(8192)
image[0x1f1], image[0x1f5] = 7, 1  # setup_sects; syssize, in 16 bytes
image[0x1fe:0x208] = b"\x55\xaa\0\0HdrS\x0f\2"
image[0x211] = image[0x236] = 1
open(sys.argv[1] + "/linux.bin", "wb").write(image)
open(sys.argv[1] + "/linux-cut.bin", "wb").write(image[:-16])
PYTHON
# A disk of two sectors, and one sector.
head -c 4096 /dev/zero >"$work/disk.bin"
head -c 512 /dev/zero >"$work/sector.bin"
mkdir -p "$work/folder/sub"
echo hello >"$work/folder/sub/file"
ln -s sub/file "$work/folder/link"
echo console >"$work/console.elf"
echo vmm >"$work/vmm.elf"
for programs in "$work"/*.yaml; do
    for program in $("$config" --build "$work" --programs "$programs" 2>/dev/null); do
        echo vmm >"$work/$program.elf"
    done
done

pass() { echo "PASS config/$1"; }
fail() { echo "FAIL config/$1"; sed 's/^/    /' "$work/diff"; }

# For a message that holds "DIR/": the directory of the case.
expected() { sed -n 's/^# expect: //p' "$1.yaml" | sed -e "s|DIR/|$work/|g" -e "s|^|$work/$1.yaml:|" -e 's|\.yaml:\([a-z]\)|.yaml: \1|'; }

# What the case says that its archive holds.
archive_names() { # NAME
    local names
    names=$(sed -n 's/^# archive: //p' "$1.yaml")
    # shellcheck disable=SC2086 # a list
    printf '%s\n' system.dtb console ${names:-a/kernel vmm-multiboot}
}

check_good() { # NAME
    "$config" --build "$work" -o "$work/out.cpio" --dtb "$work/out.dtb" "$work/$1.yaml" >"$work/diff" 2>&1 &&
        cpio --quiet -it <"$work/out.cpio" >"$work/names" 2>>"$work/diff" &&
        diff <(archive_names "$1") "$work/names" >>"$work/diff" &&
        dtc -q -I dtb -O dts "$work/out.dtb" >/dev/null 2>>"$work/diff"
}

check_bad() { # NAME
    local status=0
    rm -f "$work/out.cpio"
    "$config" --build "$work" -o "$work/out.cpio" "$work/$1.yaml" >"$work/stdout" 2>"$work/stderr" || status=$?
    local like
    like=$(sed -n 's/^# expect-like: //p' "$1.yaml")
    if [ -n "$like" ]; then
        grep -qF -- "$like" "$work/stderr" || { cat "$work/stderr" >"$work/diff"; return 1; }
    else
        diff <(expected "$1") "$work/stderr" >"$work/diff" || return 1
    fi
    [ "$status" -eq 1 ] && [ ! -s "$work/stdout" ] && [ ! -e "$work/out.cpio" ] ||
        { echo "exit status $status, or something was built" >"$work/diff"; return 1; }
}

for file in *.yaml; do
    name=${file%.yaml}
    needs=$(sed -n 's/^# needs: //p' "$file")
    # shellcheck disable=SC2086 # a pattern
    if [ -n "$needs" ] && ! ls $needs >/dev/null 2>&1; then
        echo "SKIP config/$name (there is no $needs)"
        continue
    fi
    kind=bad
    [[ $name == good-* ]] && kind=good
    if "check_$kind" "$name"; then pass "$name"; else fail "$name"; fi
done

# The target maps files by page: their data begin on page boundaries. The same input gives the same bytes.
if "$config" --build "$work" -o "$work/one.cpio" "$work/good-deny.yaml" &&
    "$config" --build "$work" -o "$work/two.cpio" "$work/good-deny.yaml" && cmp "$work/one.cpio" "$work/two.cpio" &&
    python3 - "$work/one.cpio" <<'PYTHON'; then
import sys
data, at, names = open(sys.argv[1], "rb").read(), 0, []
while True:
    field = [int(data[at + 6 + 8 * i:at + 14 + 8 * i], 16) for i in range(13)]
    name = data[at + 110:at + 110 + field[11]]
    assert data[at:at + 6] == b"070701" and name[-1] == 0
    start = (at + 110 + field[11] + 3) & ~3
    names.append(name.split(b"\0")[0].decode())
    if names[-1] == "TRAILER!!!":
        break
    assert start % 4096 == 0, names
    at = (start + field[6] + 3) & ~3
assert names == ["system.dtb", "console", "a/kernel", "vmm-multiboot+hpet", "vmm-multiboot", "TRAILER!!!"], names
assert len(data) % 4096 == 0
PYTHON
    pass archive-pages
else
    fail archive-pages
fi

# What programs read: JSON lines, one object each; and the default system must be good.
"$config" --json "$work/sizes.yaml" 2>/dev/null | python3 -c '
import json, sys
rows = [json.loads(line) for line in sys.stdin]
first = [r for r in rows if r["path"] == "vms.a.memory"][0]
assert first["line"] == 4 and first["column"] == 37 and "not a size" in first["message"], first
' 2>"$work/diff" && pass json-errors || fail json-errors
"$config" --check ../../system.yaml >"$work/diff" 2>&1 && pass default-system || fail default-system

# A configuration that cannot be read: why, and exit status 1.
check_unreadable() { # PATH REASON
    local status=0
    "$config" --check "$1" >"$work/stderr" 2>&1 || status=$?
    diff <(echo "$1: cannot be read: $2") "$work/stderr" >"$work/diff" && [ "$status" -eq 1 ]
}
check_unreadable "$work/absent.yaml" "No such file or directory" && pass absent || fail absent
check_unreadable "$work" "Is a directory" && pass directory || fail directory
{ "$config" >"$work/diff" 2>&1; [ $? -eq 2 ]; } && pass usage || fail usage
