# SPDX-License-Identifier: BSD-2-Clause
"""An unmodified Linux with its own virtio drivers: a file system on a block device, discard, a read-only disk, the entropy device,
the balloon, the console's ports. The monitor's commands for them.
usage: tests/guest/virtio.py qemu|bochs"""

import hashlib
import os
import re
import shutil
import subprocess
import sys
import time

import guest
from guest import Checks, Missing, System, WORK, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "virtio-" + EMULATOR
CPUS = 2 if EMULATOR == "qemu" else 1
TEXT = "".join(f"{i}\n" for i in range(1, 30001))
MODULES = "virtio_pci,virtio_blk,virtio-rng,virtio_balloon,virtio_console"
YAML = f"""system: virtio
machine: {{memory: 1G}}
vms:
    disk:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd-virtio
        cmdline: "console=ttyS0 quiet hostname=disk modules={MODULES}"
        memory: 256M
        cpus: {CPUS}
        devices:
            - virtio-blk: {{name: data, image: {WORK}/data.img}}
            - virtio-blk: {{name: empty, size: 4M}}
            - virtio-blk: {{name: fixed, image: {WORK}/data.img, readonly: true}}
            - virtio-rng
            - virtio-balloon
            - virtio-console: {{ports: 3, link: pipe}}
    peer:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd-virtio
        cmdline: "console=ttyS0 quiet hostname=peer modules=virtio_pci,virtio_console"
        memory: 192M
        devices:
            - virtio-console: {{link: pipe}}
"""


def make_disk():
    """ext4 with one file."""
    tree = os.path.join(WORK, "tree")
    os.makedirs(tree, exist_ok=True)
    with open(os.path.join(tree, "numbers"), "w") as out:
        out.write(TEXT)
    path = os.path.join(WORK, "data.img")
    with open(path, "wb") as out:
        out.truncate(16 << 20)
    mke2fs = shutil.which("mke2fs", path=os.environ["PATH"] + ":/sbin:/usr/sbin")
    subprocess.run([mke2fs, "-q", "-F", "-t", "ext4", "-d", tree, path], check=True)


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    m.wait_state("disk", ("ready",), 60)


def attached(m, check):
    m.attach("disk")
    check(m)
    m.detach()


def wait_answer(m, command, pattern, timeout=20):
    """Gives the command until its answer has what is looked for."""
    end = time.monotonic() + timeout * m.slow
    while not re.search(pattern, answer := m.command(command)):
        if time.monotonic() > end:
            raise Missing(f"{command} says {answer!r}")
        m.quiet(0.3)


def found(m):
    """All devices have drivers, with interrupts by MSI-X, and nothing complains."""
    drivers = m.shell("for d in /sys/bus/virtio/devices/*; do readlink $d/driver; done | sed 's,.*/,,' | sort | uniq -c")
    for count, driver in ((3, "virtio_blk"), (1, "virtio_rng"), (1, "virtio_balloon"), (1, "virtio_console")):
        expect_in(drivers, rf"{count} {driver}")
    expect_in(m.shell("grep virtio /proc/interrupts"), "PCI-MSI.*virtio0-req.0")
    bad = m.shell("dmesg | grep -E 'virtio.*(rror|fail)|BUG:|WARNING: CPU|Oops|Call Trace|I/O error' || true")
    expect_true(bad == "", f"complaints in dmesg: {bad!r}")


def queues(m):
    have = int(m.shell("ls /sys/block/vda/mq | wc -l"))
    expect_true(have == CPUS, f"{have} queues for {CPUS} CPUs")
    for cpu in range(CPUS):  # each CPU has its own
        m.shell(f"taskset {1 << cpu:x} dd if=/dev/vda of=/dev/null bs=4k count=50 iflag=direct 2>&1")
    counts = re.findall(r"virtio0-req", m.shell("grep virtio0-req /proc/interrupts"))
    expect_true(len(counts) == CPUS, "each queue has its vector")


def read(m):
    m.shell("mount /dev/vda /tmp")
    want = hashlib.md5(TEXT.encode()).hexdigest()
    expect_in(m.shell("md5sum /tmp/numbers"), want)
    expect_true(m.shell("cat /sys/block/vda/serial /sys/block/vdb/serial") == "dataempty", "the disks have the wrong serial numbers")
    expect_true(m.shell("cat /sys/block/vda/size /sys/block/vdb/size") == "32768\n8192\n", "wrong sizes")


def write(m):
    """Random bytes survive a flush, an unmount and a remount."""
    m.shell("dd if=/dev/urandom of=/tmp/random bs=64k count=50 2>&1; sync")
    before = m.shell("md5sum < /tmp/random")
    m.shell("umount /tmp; echo 3 > /proc/sys/vm/drop_caches; mount /dev/vda /tmp")
    expect_true(m.shell("md5sum < /tmp/random") == before, "the file has changed")
    flushes = int(m.shell("cat /sys/block/vda/stat").split()[15])
    expect_true(flushes > 0, "there was no flush")


def trim(m):
    m.shell("rm /tmp/random; sync")
    expect_in(m.shell("fstrim -v /tmp"), r"[1-9]\d* bytes trimmed")
    expect_in(m.shell("md5sum /tmp/numbers"), hashlib.md5(TEXT.encode()).hexdigest())
    m.shell("umount /tmp")
    zero = hashlib.md5(bytes(4 << 20)).hexdigest()
    expect_in(m.shell("md5sum < /dev/vdb"), zero)
    m.shell("tr '\\0' y < /dev/zero | dd of=/dev/vdb bs=1M iflag=fullblock count=4 oflag=direct 2>&1")
    expect_true(zero not in m.shell("md5sum < /dev/vdb"), "nothing was written")
    m.shell("blkdiscard /dev/vdb")
    expect_in(m.shell("echo 3 > /proc/sys/vm/drop_caches; md5sum < /dev/vdb"), zero)


def read_only(m):
    expect_true(m.shell("cat /sys/block/vdc/ro") == "1\n", "it is not read-only")
    m.shell("! dd if=/dev/zero of=/dev/vdc bs=4k count=1 2>/dev/null")
    m.shell("mount -o ro,noload /dev/vdc /tmp")
    expect_in(m.shell("md5sum /tmp/numbers"), hashlib.md5(TEXT.encode()).hexdigest())
    m.shell("umount /tmp")


def entropy(m):
    expect_in(m.shell("cat /sys/class/misc/hw_random/rng_current"), "virtio_rng")
    first = m.shell("dd if=/dev/hwrng bs=64 count=16 2>/dev/null | md5sum")
    expect_true(m.shell("dd if=/dev/hwrng bs=64 count=16 2>/dev/null | md5sum") != first, "twice the same bytes")


def balloon(m):
    def free():
        return int(re.search(r"MemFree: +(\d+)", m.shell("cat /proc/meminfo")).group(1)) // 1024

    before = free()
    m.detach()
    m.command("vm disk balloon 64")
    wait_answer(m, "vm disk balloon", r"gave 64 MiB of the 64 MiB")
    m.attach("disk")
    less = before - free()
    m.detach()
    expect_true(55 < less < 75, f"the guest has {less} MiB less, not 64")
    m.command("vm disk balloon 0")
    wait_answer(m, "vm disk balloon", r"gave 0 MiB of the 0 MiB")
    wait_answer(m, "vm disk balloon", r"available: \d+ KiB")
    expect_in(m.command("vm disk balloon many"), "write for example")
    m.attach("disk")


def ports(m):
    """Nobody is at the other end of port 2."""
    m.detach()
    wait_answer(m, "vm disk devices virtio", r"port 1: connected to pipe\s+port 2: not connected")
    m.attach("disk")
    m.shell("until [ -e /dev/vport5p2 ]; do sleep 0.1; done")
    m.shell("! dd if=/dev/vport5p2 of=/dev/null bs=1 count=1 iflag=nonblock 2>/dev/null")


def link(m):
    """Bytes from one VM to the other and back, more than the rings hold; the writer waits for the reader."""
    want = hashlib.md5(TEXT.encode()).hexdigest()
    m.shell("mount -o ro /dev/vda /tmp; [ $(cat /sys/class/virtio-ports/vport5p1/name) = pipe ]")
    m.shell("cat /tmp/numbers > /dev/vport5p1 & true")
    m.detach()
    m.attach("peer")
    m.shell(f"exec 5<>/dev/vport0p1; head -c {len(TEXT)} <&5 > /tmp/numbers")
    expect_in(m.shell("md5sum /tmp/numbers"), want)
    m.shell("cat /tmp/numbers >&5 & true")
    m.detach()
    m.attach("disk")
    expect_in(m.shell(f"wait; head -c {len(TEXT)} /dev/vport5p1 | md5sum; umount /tmp"), want)


def console(m):
    """A shell on hvc0. From its first byte on it has the keys, too."""
    m.fresh()
    m.send("PS1=h''vc: setsid sh -c 'exec sh -i < /dev/hvc0 > /dev/hvc0 2>&1' &\r")
    m.expect(r"hvc:")
    m.fresh()
    m.send("tty; echo $((6*7))-on-hvc\r")
    m.expect(r"/dev/hvc0\s+42-on-hvc")
    m.fresh()
    m.send("seq 1 3000 | md5sum; seq 1 3000; echo end-of''-seq\r")
    m.expect(hashlib.md5("".join(f"{i}\n" for i in range(1, 3001)).encode()).hexdigest())
    want = "".join(f"{i}\n" for i in range(1, 3001))
    m.expect(r"-\r?\n")
    begin = m.at
    end = m.expect("end-of-seq").start()
    text = m.text[begin:end].replace("\r", "")
    expect_true(text == want, f"{len(text)} bytes of {len(want)} came, from {text[:30]!r} to {text[-30:]!r}")
    m.detach()
    m.command("restart disk")
    m.wait_state("disk", ("ready",), 60)
    m.attach("disk")
    expect_in(m.shell("md5sum < /dev/vdb"), hashlib.md5(bytes(4 << 20)).hexdigest())  # it stays as it is


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    make_disk()
    iso = guest.image(YAML, GROUP)
    with System(EMULATOR, iso, GROUP) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        check("found", attached, m, found)
        check("queues", attached, m, queues)
        check("read", attached, m, read)
        check("write", attached, m, write)
        check("trim", attached, m, trim)
        check("read-only", attached, m, read_only)
        check("entropy", attached, m, entropy)
        check("balloon", attached, m, balloon)
        check("ports", attached, m, ports)
        check("link", attached, m, link)
        check("console", attached, m, console)


main()
