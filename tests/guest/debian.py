# SPDX-License-Identifier: BSD-2-Clause
"""Debian's other kernels, unmodified: generic, real-time and 32-bit with PAE up to a shell, and the Debian installer, for 64 bits
and for 32 without PAE, up to its first screen.
usage: tests/guest/debian.py qemu|bochs"""

import sys

import guest
import kernels
from guest import Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]


def yaml(kernel, initrd, options, memory):
    return f"""system: debian
machine: {{memory: 1G}}
vms:
    guest:
        kernel: {kernel}
        initrd: {initrd}
        cmdline: "console=ttyS0 {options}"
        memory: {memory}
        cpu: {{hide: [cx16]}}
"""


def to_shell(m, words):
    m.expect("Starting the VMs", 120)
    m.send("\r")
    m.prompt()
    m.wait_state("guest", ("ready",), 240)
    m.attach("guest", 60)
    release = m.shell("uname -a")
    expect_in(release, *words)
    expect_true(m.shell("echo $((6*7))") == "42\n", "6 * 7 is not 42")
    expect_in(m.shell("head -n 30 /proc/cpuinfo"), "flags.* pae ")
    expect_true(m.shell("dmesg | grep -E 'BUG:|WARNING: CPU|Oops|Call Trace' || true") == "", "complaints in dmesg")
    expect_in(m.shell("dmesg | grep -i 'Command line'"), "console=ttyS0")
    m.shell("sleep 1")
    m.detach()


def to_installer(m):
    m.expect("Starting the VMs", 120)
    m.send("\r")
    m.prompt()
    m.send("console guest\r")
    m.expect("attached to guest", 20)
    # With less memory than it likes, the installer's first screen says so.
    m.expect("Select a language|Choose language|Low memory", 400)
    m.expect("English|Continue", 60)


def main():
    group = "debian-" + EMULATOR

    def check(name, kernel, initrd, options, memory, body, *more):
        if not kernel or not initrd:
            print(f"SKIP {group}/{name} (its packages cannot be fetched)")
            return
        iso = guest.image(yaml(kernel, initrd, options, memory), f"{group}-{name}")
        with System(EMULATOR, iso, f"{group}-{name}") as m:
            Checks(group, m)(name, body, m, *more)

    for name, words in (("generic", ("x86_64",)), ("rt", ("PREEMPT_RT", "x86_64"))):
        kernel = kernels.debian(name)
        check(name, kernel and kernel[0], "build:initrd", "quiet hostname=guest", "256M", to_shell, words)
    for name, memory in (("amd64", "640M"), ("i386", "320M")):
        kernel, initrd = kernels.installer(name) or (None, None)
        check("installer-" + name, kernel, initrd, "", memory, to_installer)
    # The programs of the 32-bit initrd, on the kernel with PAE.
    check("i386-pae", kernels.pae(), initrd, "", "320M", to_installer)


main()
