#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Makes the guests' initramfs: Debian's static busybox, an /init, and nothing else. Needs no root: the
# owner is written by cpio and device nodes come from devtmpfs. The same busybox gives the same bytes.
# With a folder of modules (/lib/modules/VERSION) also those of its modules that are named, what they need, and
# modules.dep: the guest loads them by modprobe, or by the word modules=NAME,NAME on its command line.
# usage: tools/mkinitramfs.sh OUTPUT [FOLDER MODULE...]
set -eu
output=$1
shift
busybox=${BUSYBOX:-/bin/busybox}

[ -x "$busybox" ] || {
    echo "mkinitramfs: $busybox is missing: install the package busybox-static" >&2
    exit 1
}
tree=$(mktemp -d)
trap 'rm -rf "$tree"' EXIT INT TERM
umask 022
mkdir -p "$tree/bin" "$tree/dev" "$tree/proc" "$tree/sys" "$tree/tmp" "$tree/root" "$tree/etc"
cp "$busybox" "$tree/bin/busybox"
chmod 755 "$tree/bin/busybox"
# Links are made here and not by the guest, which saves it some hundred system calls at boot.
for applet in $("$busybox" --list); do
    [ "$applet" = busybox ] || ln -s busybox "$tree/bin/$applet"
done
echo 'root:x:0:0:root:/root:/bin/sh' >"$tree/etc/passwd"
echo 'root:x:0:' >"$tree/etc/group"
printf '%s 0 0\n' 'proc /proc proc defaults' 'sysfs /sys sysfs defaults' 'devtmpfs /dev devtmpfs defaults' >"$tree/etc/fstab"

if [ $# -gt 0 ]; then
    folder=$1
    shift
    to=$tree/lib/modules/${folder##*/}
    mkdir -p "$to"
    for name in "$@"; do
        grep -E "/$(echo "$name" | sed 's/[-_]/[-_]/g')\.ko:" "$folder/modules.dep" || {
            echo "mkinitramfs: there is no module $name in $folder" >&2
            exit 1
        }
    done >"$to/named"
    tr -d : <"$to/named" | tr ' ' '\n' | sort -u | while read -r file; do
        [ -n "$file" ] || continue
        mkdir -p "$to/$(dirname "$file")"
        cp "$folder/$file" "$to/$file"
        grep "^$file:" "$folder/modules.dep" >>"$to/modules.dep"
    done
    rm "$to/named"
fi

cat >"$tree/init" <<'INIT'
#!/bin/sh
# The first process of a guest: sign of life, then a shell on the serial line for ever. What the shell can do without
# another program it does itself: each program's start asks for some 25 leaves of CPUID, and each of them is an exit.
export PATH=/bin HOME=/root TERM=linux
mount -a 2>/dev/null # what is in /etc/fstab
name=guest
bench=
modules=
read -r cmdline </proc/cmdline
for word in $cmdline; do
    case $word in
    hostname=*) name=${word#hostname=} ;;
    bench=*) bench=${word#bench=} ;;
    modules=*) modules=${word#modules=} ;;
    esac
done
if [ -n "$modules" ]; then
    IFS=,
    # shellcheck disable=SC2086 # the words between the commas
    set -- $modules
    unset IFS
    modprobe -a "$@" || echo "Not all of the modules $modules can be loaded."
fi
echo "$name" >/proc/sys/kernel/hostname
read -r uptime _ </proc/uptime
echo "BULKHEAD-INIT-OK $name: up $uptime s"
[ "$bench" = poweroff ] && poweroff -f
cd /root
# setsid and cttyhack make the serial line the shell's controlling terminal: ^C and job control work.
while :; do
    PS1="$name:\w# " setsid cttyhack sh
    echo "The shell ended; here is a new one."
done
INIT
chmod 755 "$tree/init"

find "$tree" -exec touch -h -d @0 {} +
# HAZARD: without a sorted list and renumbered inodes the bytes depend on the directory's order on disk.
(cd "$tree" && find . -mindepth 1 | LC_ALL=C sort |
    cpio --quiet --create --format=newc --owner=0:0 --reproducible) >"$output.new"
mv "$output.new" "$output"
