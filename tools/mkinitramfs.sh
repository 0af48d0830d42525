#!/bin/sh
# SPDX-License-Identifier: BSD-2-Clause
# Makes the guests' initramfs: Debian's static busybox, an /init, and nothing else. Needs no root: the
# owner is written by cpio and device nodes come from devtmpfs. The same busybox gives the same bytes.
# usage: tools/mkinitramfs.sh OUTPUT
set -eu
output=$1
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

cat >"$tree/init" <<'INIT'
#!/bin/sh
# The first process of a guest: sign of life, then a shell on the serial line for ever.
export PATH=/bin HOME=/root TERM=linux
mount -t proc proc /proc
mount -t sysfs sysfs /sys
mount -t devtmpfs devtmpfs /dev 2>/dev/null
name=guest
bench=
for word in $(cat /proc/cmdline); do
    case $word in
    hostname=*) name=${word#hostname=} ;;
    bench=*) bench=${word#bench=} ;;
    esac
done
hostname "$name"
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
