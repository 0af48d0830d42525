# SPDX-License-Identifier: BSD-2-Clause
"""Kernels that are loaded directly: one program by Multiboot, Multiboot2 and PVH (boot/), and Linux by PVH, in QEMU.
A bzImage is what all the other tests start."""

import os
import subprocess
import sys

import guest
from guest import WORK, Checks, System, expect_in

GROUP = "boot"
YAML = """\
system: boot
machine: {{memory: 512M, cpus: 1}}
vms:
"""
KINDS = ("multiboot", "multiboot2", "pvh")
VM = """\
    {0}:
        kernel: {1}
        kernel-kind: {0}
        modules: [{2} first second]
        cmdline: "it is {0}"
        memory: 32M
        on-crash: stop
        autostart: false
"""
LINUX = """\
    linux:
        kernel: {0}
        kernel-kind: pvh
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet loglevel=3 hostname=linux"
        memory: 256M
        autostart: false
        cpu: {{hide: [cx16]}}
"""


def build(name, *command):
    if subprocess.run(command).returncode:
        print(f"FAIL {GROUP}/{name}: it does not build")
        sys.exit(1)


def prompt(m):
    m.expect(r"Bulkhead \d", 120)
    m.send("\r")
    m.expect(r"Boot +seconds", 120)
    m.prompt()


def protocol(m, kind):
    m.command(f"start {kind}")
    m.wait_state(kind, ("stopped", "off"), 30)
    expect_in(m.command(f"log {kind}"), rf"protocol {kind}( 1)?\n", rf"command line '(\S+ )?it is {kind}'",
              r"module 7 '\S*module first second' holds 'content'", r"memory 3\d{4}\n", "end of boot",
              *(["acpi yes"] if kind != "multiboot" else []))


def linux(m):
    m.command("start linux")
    m.wait_state("linux", ("ready",), 60)
    m.attach("linux")
    expect_in(m.shell("cat /proc/cmdline; ls /sys/firmware/acpi/tables; ls /sys/hypervisor 2>/dev/null || true"),
              "hostname=linux", "APIC")
    m.detach()


def main():
    elf, vmlinux, module = (os.path.join(WORK, name) for name in ("boot.elf", "vmlinux", "module"))
    build("guest", os.path.join(guest.ROOT, "tests/guest/boot/build.sh"), elf)
    build("vmlinux", os.path.join(guest.ROOT, "tests/guest/extract-vmlinux.py"), guest.linux_kernel(), vmlinux)
    with open(module, "w") as out:
        out.write("content")
    yaml = YAML.format() + "".join(VM.format(kind, elf, module) for kind in KINDS) + LINUX.format(vmlinux)
    with System("qemu", guest.image(yaml, GROUP), GROUP, memory=512) as m:
        check = Checks(GROUP, m)
        if not check("prompt", prompt, m):
            return
        for kind in KINDS:
            check(kind, protocol, m, kind)
        check("linux-pvh", linux, m)


main()
