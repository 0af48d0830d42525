# SPDX-License-Identifier: BSD-2-Clause
"""What a VM gets of its CPU: guests that only compute, with budgets, priorities and weights, and their shares as `top` shows them.
The clock counts instructions, so that a share does not depend on what else the test machine does. usage: tests/guest/time.py"""

import os
import re
import subprocess

os.environ["KERNEL_OPTIONS"] = "accept=meltdown inject=virtual"  # QEMU with -icount delivers interrupts twice otherwise
import guest  # noqa: E402
from guest import Checks, System, expect_in, expect_true  # noqa: E402

GROUP = "time"
YAML = """
system: time
machine: {memory: 256M}
vms:
    control: {kernel: SPIN, memory: 2M, priority: 40, budget: 2 ms, period: 10 ms}
    open: {kernel: SPIN, memory: 2M}
    band-1: {kernel: SPIN, memory: 2M, weight: 64, autostart: false}
    band-3: {kernel: SPIN, memory: 2M, weight: 192, autostart: false}
    tiny: {kernel: SPIN, memory: 2M, priority: 49, budget: 1%, period: 1 ms, autostart: false}
    far: {kernel: SPIN, memory: 2M, host-cpu: 5, autostart: false}
"""


def build():
    elf = os.path.join(guest.WORK, "spin.elf")
    source = os.path.join(os.path.dirname(os.path.abspath(__file__)), "time/spin.S")
    subprocess.run(["gcc", "-m32", "-nostdlib", "-static", "-no-pie", "-Wl,--build-id=none", "-Wl,-m,elf_i386", "-Wl,--no-warn-rwx-segments",
                    "-Wl,-N", "-Wl,-Ttext=0x100000", "-o", elf, source], check=True)
    return elf


def shares(m):
    """Per cent of the CPU in one second, by task."""
    return {name: float(cpu) for name, cpu in re.findall(r"(?m)^(\S+) +\w+ +\w+ +\S+ +([0-9.]+) ", m.command("top"))}


def expect_share(found, name, low, high):
    expect_true(low <= found.get(name, -1) <= high, f"{name} has {found.get(name)} % of the CPU, not {low} to {high}: {found}")


def budget(m):
    """The urgent one has its 20 %, whatever it does; the other the rest, and the prompt answers."""
    found = shares(m)
    expect_share(found, "control", 19.8, 20.2)
    expect_share(found, "open", 78, 80.2)
    expect_in(m.command("info control"), r"on CPU 0, at most 2000 us in each 10000 us: spent \d\d+ times")


def tiny(m):
    """A hundredth of a millisecond at a time."""
    m.command("start tiny")
    found = shares(m)
    expect_share(found, "tiny", 0.9, 1.4)
    expect_share(found, "control", 19.8, 20.2)
    m.command("stop tiny")


def band(m):
    """Nothing while somebody above it computes; then what is left, by weight."""
    m.command("start band-1")
    m.command("start band-3")
    found = shares(m)
    expect_share(found, "band-1", 0, 0)
    expect_share(found, "band-3", 0, 0)
    m.command("stop open")
    found = shares(m)
    expect_share(found, "control", 19.8, 20.2)
    expect_share(found, "band-1", 18, 22)  # turns of 10 ms
    expect_share(found, "band-3", 57, 62)
    expect_in(m.command("info band-3"), "on CPU 0, weight 192\n")


def far(m):
    m.fresh()
    expect_in(m.command("start far"), "host-cpu is 5, and of this machine's CPUs 1 run, numbered from 0")


def start(m):
    m.expect(r"Bulkhead \d", 120)
    m.prompt(120)


def main():
    iso = guest.image(YAML.replace("SPIN", build()), GROUP)
    with System("qemu", iso, GROUP, memory=256, extra=("-icount", "shift=0,sleep=off")) as m:
        check = Checks(GROUP, m)
        if check("start", start, m):
            check("budget", budget, m)
            check("tiny", tiny, m)
            check("band", band, m)
            check("host-cpu", far, m)


main()
