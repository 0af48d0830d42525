#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# ./bulkhead bench, which has built everything, calls it. Builds what only the measurements need into $O/bench, then measures.
# Progress goes to stderr, the figures to stdout. Options: those of bench/bench.py.
set -euo pipefail
root=$(cd "$(dirname "${BASH_SOURCE[0]}")/.." && pwd)
cd "$root"
export O=${O:-$root/build} PYTHONDONTWRITEBYTECODE=1
# Few models of Bochs tell that they are free of Meltdown; QEMU with -icount delivers interrupts twice otherwise.
export KERNEL_OPTIONS="accept=meltdown inject=virtual"
work=$O/bench
log=$O/log/bench-build.log
mkdir -p "$work/overlay" "$O/log"

# The kernel's measurements and its tests, the plugins, a guest of exits, and an initramfs with markers.
prepare() {
    make --no-print-directory O="$O" "$O/kbench.iso" "$O/ktest.iso"
    local plugin
    for plugin in count irqs_off; do
        gcc -std=gnu17 -O2 -Wall -Wextra -Werror -Iinclude -idirafter lib/include -fPIC -shared -o "$work/$plugin.so" bench/$plugin.c
    done
    gcc -nostdlib -static -no-pie -Wl,--build-id=none,-N,--no-warn-rwx-segments,-Ttext=0x100000 \
        -o "$work/exits.elf" bench/guest/exits.S
    gcc -nostdlib -static -no-pie -Wl,--build-id=none -s -o "$work/overlay/bench-mark" bench/guest/mark.S
    cp "$work/overlay/bench-mark" "$work/overlay/bench-init"
    # The same /init, with a marker behind its message. A later archive of an initramfs replaces files of an earlier one.
    # shellcheck disable=SC2094,SC2016 # the "init" that cpio reads is in the archive; what is expanded is expanded there
    (cd "$work/overlay" && cpio --quiet --to-stdout --extract init <"$O/initrd" | sed '/BULKHEAD-INIT-OK/a /bench-mark mark; [ -z "$bench" ] || /bench-$bench' >init)
    grep -q bench-mark "$work/overlay/init"
    cp bench/guest/blk.sh "$work/overlay/bench-blk"
    cp bench/guest/tick.sh "$work/overlay/bench-tick"
    gcc -static -O2 -Wall -Wextra -Werror -pthread -s -o "$work/overlay/bench-ipi" bench/guest/ipi.c
    chmod 755 "$work/overlay/init" "$work/overlay/bench-"{blk,tick}
    (cd "$work/overlay" && printf '%s\n' bench-blk bench-tick bench-ipi bench-init bench-mark init | cpio --quiet --create --format=newc --owner=0:0) >"$work/overlay.cpio"
    cat "$O/initrd" "$work/overlay.cpio" >"$work/initrd"
    cat "$O/initrd-virtio" "$work/overlay.cpio" >"$work/initrd-virtio"
    O=$O ./bulkhead image bench/exits.yaml -o "$work/exits.iso"
    O=$O ./bulkhead image bench/linux.yaml -o "$work/linux.iso"
    O=$O ./bulkhead image bench/virtio.yaml -o "$work/virtio.iso"
    O=$O ./bulkhead image bench/tick.yaml -o "$work/tick.iso"
    O=$O ./bulkhead image bench/ipi.yaml -o "$work/ipi.iso"
}

echo "bench: building" >&2
prepare >"$log" 2>&1 &
wait $! || { # not `prepare ||`, which would go on after an error inside
    echo "bench: building failed; the end of $log:" >&2
    tail -n 20 "$log" >&2
    exit 1
}
exec python3 bench/bench.py "$@"
