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
INSTALLER = "/usr/lib/debian-installer/images/12/{0}/text/debian-installer/{0}/"
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
    m.expect("Select a language|Choose language", 400)
    m.expect("English", 60)


def main():
    group = "debian-" + EMULATOR
    subprocess.run([os.path.join(ROOT, "tests/guest/fetch-kernels.sh"), KERNELS], stdout=sys.stdout, stderr=subprocess.STDOUT, check=False)
    for name, words in (("generic", ("x86_64",)), ("rt", ("PREEMPT_RT", "x86_64"))):
        kernel = os.path.join(KERNELS, name)
        if not os.path.exists(kernel):
            print(f"SKIP {group}/{name} (the kernel's package cannot be fetched)")
            continue
        iso = guest.image(yaml(kernel, "build:initrd", "quiet hostname=guest", "256M"), f"{group}-{name}")
        with System(EMULATOR, iso, f"{group}-{name}") as m:
            Checks(group, m)(name, to_shell, m, words)
    for name, kernel, architecture, memory in (
        ("installer-amd64", None, "amd64", "640M"),
        ("installer-i386", None, "i386", "320M"),
        # The programs of the 32-bit initrd, on the kernel with PAE.
        ("i386-pae", os.path.join(KERNELS, "i386-pae"), "i386", "320M"),
    ):
        directory = INSTALLER.format(architecture)
        kernel = kernel or directory + "linux"
        if not os.path.exists(directory + "initrd.gz"):
            print(f"SKIP {group}/{name} (debian-installer-12-netboot-{architecture} is not installed)")
            continue
        if not os.path.exists(kernel):
            print(f"SKIP {group}/{name} (the kernel's package cannot be fetched)")
            continue
        iso = guest.image(yaml(kernel, directory + "initrd.gz", "", memory), f"{group}-{name}")
        with System(EMULATOR, iso, f"{group}-{name}") as m:
            Checks(group, m)(name, to_installer, m)


main()
