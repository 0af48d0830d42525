# SPDX-License-Identifier: BSD-2-Clause
"""Debian's other kernels, unmodified: generic, real-time and 32-bit with PAE up to a shell, and the Debian installer, for 64 bits
and for 32 without PAE, up to its first screen.
usage: tests/guest/debian.py qemu|bochs"""

import os
import subprocess
import sys

import guest
from guest import Checks, OUT, ROOT, System, expect_in, expect_true

EMULATOR = sys.argv[1]
KERNELS = os.path.join(OUT, "guests")


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
    subprocess.run(["bash", os.path.join(ROOT, "tests/guest/fetch-kernels.sh"), KERNELS], stdout=sys.stdout, stderr=subprocess.STDOUT, check=False)
    for name, words in (("generic", ("x86_64",)), ("rt", ("PREEMPT_RT", "x86_64"))):
        kernel = os.path.join(KERNELS, name)
        if not os.path.exists(kernel):
            print(f"SKIP {group}/{name} (the kernel's package cannot be fetched)")
            continue
        iso = guest.image(yaml(kernel, "build:initrd", "quiet hostname=guest", "256M"), f"{group}-{name}")
        with System(EMULATOR, iso, f"{group}-{name}") as m:
            Checks(group, m)(name, to_shell, m, words)
    for name, initrd, memory in (
        ("installer-amd64", "installer-amd64", "640M"),
        ("installer-i386", "installer-i386", "320M"),
        ("i386-pae", "installer-i386", "320M"),  # the programs of the 32-bit initrd, on the kernel with PAE
    ):
        kernel, initrd = os.path.join(KERNELS, name), os.path.join(KERNELS, initrd + ".initrd")
        if not (os.path.exists(kernel) and os.path.exists(initrd)):
            print(f"SKIP {group}/{name} (its packages cannot be fetched)")
            continue
        iso = guest.image(yaml(kernel, initrd, "", memory), f"{group}-{name}")
        with System(EMULATOR, iso, f"{group}-{name}") as m:
            Checks(group, m)(name, to_installer, m)


main()
