# SPDX-License-Identifier: BSD-2-Clause
"""The virtual PC from inside: the Multiboot kernel of tests/guest/pc tests exceptions, debug registers, interrupt controllers, timers,
instructions on device memory and processor modes, and prints a line for each.
usage: tests/guest/pc.py qemu|bochs"""

import os
import re
import subprocess
import sys

import guest
from guest import Missing, System

EMULATOR = sys.argv[1]
GROUP = "pc-" + EMULATOR
RESULT = {"ok": "PASS", "WRONG": "FAIL", "skipped": "SKIP"}
YAML = """system: pc
machine: {memory: 256M, cpus: 1}
vms:
    pc:
        kernel: %s
        cmdline: "%s"
        memory: 16M
        on-crash: stop
"""


def build():
    """The kernel; gcc needs no 32-bit library for it."""
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "pc")
    elf = os.path.join(guest.WORK, "pc.elf")
    subprocess.run(["gcc", "-m32", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib", "-static", "-no-pie",
                    "-fno-pic", "-fno-stack-protector", "-mgeneral-regs-only", "-fno-asynchronous-unwind-tables", "-Wl,--build-id=none",
                    "-Wl,--no-warn-rwx-segments", "-Wl,-m,elf_i386", "-Wl,-T," + source + "/pc.lds", "-o", elf, source + "/pc.S",
                    source + "/pc.c"], check=True)
    return elf


def main():
    iso = guest.image(YAML % (build(), "-" if EMULATOR == "qemu" else ""), GROUP)
    with System(EMULATOR, iso, GROUP, memory=256) as m:
        try:
            m.prompt(120)
            m.wait_state("pc", ("stopped", "crashed"), 30)
            log = m.command("log pc")
        except Missing as error:
            print(f"FAIL {GROUP}/start: {error}")
            return
        for word, name in re.findall(r"(?m)^pc: (ok|WRONG|skipped) (.*)$", log):
            print(f"{RESULT[word]} {GROUP}/{name.strip().replace(' ', '-')}")
        if "pc: all well" in log:
            print(f"PASS {GROUP}/end")
        else:
            print(m.command("info pc"))
            print(f"FAIL {GROUP}/end: it did not get there")


main()
