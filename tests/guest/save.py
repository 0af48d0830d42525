# SPDX-License-Identifier: BSD-2-Clause
"""A Linux guest with two CPUs and virtio devices is held, saved and restored while it works: processes, files, a disk, timers,
the FPU's registers. Its neighbour notices nothing.
usage: tests/guest/save.py qemu|bochs"""

import sys

import guest
from guest import Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "save-" + EMULATOR
CPUS = 2 if EMULATOR == "qemu" else 1
YAML = f"""system: save
machine: {{memory: 1G}}
vms:
    kept:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd-virtio
        cmdline: "console=ttyS0 quiet hostname=kept modules=virtio_pci,virtio_blk"
        memory: 128M
        cpus: {CPUS}
        cpu: {{hide: [cx16]}}
        devices:
            - virtio-blk: {{name: data, size: 4M}}
    other:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet hostname=other"
        memory: 96M
        cpu: {{hide: [cx16]}}
"""
# Adds up in the FPU for ever and says when a sum is not what it was before.
WORK_LOOP = """awk 'BEGIN{while(1){s=0;for(i=1;i<2000;i++)s+=i*1.25/7;if(n++&&s!=l)print "WRONG">"/tmp/bad";l=s;print n>"/tmp/n";close("/tmp/n")}}'"""


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    for vm in ("kept", "other"):
        m.wait_state(vm, ("ready",), 60)
    m.attach("kept")
    for cpu in range(CPUS):
        m.shell(f"(taskset {1 << cpu:x} {WORK_LOOP} &)")
    m.shell("echo base=0xc0000000 size=0x1000000 type=write-combining > /proc/mtrr")
    m.shell("echo before > /tmp/file; echo before | dd of=/dev/vda conv=fsync 2>/dev/null")
    m.detach()


def counted(m):
    """How far the loop is."""
    return int(m.shell("until grep . /tmp/n 2>/dev/null; do :; done").split()[0])


def holds(m):
    expect_in(m.command("resume kept"), "it is not paused", "kept: refused")
    m.command("pause kept")
    expect_in(m.command("pause kept"), "it is paused already")
    m.send("console kept\r")
    m.expect("attached to kept")
    m.fresh()
    m.send("echo in''side\r")
    m.quiet(2)
    expect_true("inside" not in m.text[m.at:], "a paused guest answers")
    m.detach()
    m.in_vm("other", "true")
    m.command("resume kept")
    m.attach("kept")
    expect_in(m.shell("true"), "")
    m.detach()


def refuses(m):
    expect_in(m.command("restore kept"), "kept: refused: it has no snapshot")
    expect_in(m.command("snapshot console"), "There is no VM `console`")
    expect_in(m.command("vm kept nonsense"), "there is no command \"nonsense\"")


def there_and_back(m):
    expect_in(m.command("snapshot kept"), r"kept: saved, [1-9]\d* KiB")
    m.attach("kept")
    m.shell("echo after > /tmp/file; echo after | dd of=/dev/vda conv=fsync 2>/dev/null; echo disable=1 > /proc/mtrr; touch /tmp/new; sleep 5")  # a margin for a slow host
    later = counted(m)
    m.detach()
    for turn in range(2):
        expect_in(m.command("restore kept"), "kept: started from its snapshot")
        m.wait_state("kept", ("ready",), 60)
        m.attach("kept")
        expect_true(m.shell("cat /tmp/file; head -c 7 /dev/vda; ls -1 /tmp") in ("before\nbefore\nfile\nn\n",), "not what was saved")
        expect_true(counted(m) < later + 2000 * turn or turn, "the loop did not begin where it was saved")
        first = counted(m)
        m.shell("sleep 1")
        expect_true(counted(m) > first, "the loop stands still")
        for cpu in range(CPUS):
            expect_in(m.shell(f"taskset {1 << cpu:x} cat /proc/mtrr"), "reg01: base=0x0c0000000 .* write-combining")
        expect_true(m.shell("nproc") == f"{CPUS}\n", "a CPU is missing")
        expect_in(m.shell("ls /tmp"), r"^((?!bad).)*$")
        expect_true(m.shell("dmesg | grep -E 'BUG:|WARNING: CPU|Oops|stall|I/O error' || true") == "", "complaints in dmesg")
        m.detach()
    m.in_vm("other", "true")


def starts_afresh(m):
    m.command("restart kept")
    m.wait_state("kept", ("ready",), 60)
    expect_true(m.in_vm("kept", "ls /tmp") == "", "the restarted VM is not fresh")
    expect_in(m.command("restore kept"), "kept: started from its snapshot")
    m.wait_state("kept", ("ready",), 60)
    expect_in(m.in_vm("kept", "cat /tmp/file"), "before")


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    with System(EMULATOR, guest.image(YAML, GROUP), GROUP) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        for name, function in (("holds", holds), ("refuses", refuses), ("there-and-back", there_and_back), ("starts-afresh", starts_afresh)):
            check(name, function, m)


main()
