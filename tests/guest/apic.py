# SPDX-License-Identifier: BSD-2-Clause
"""Two Linux guests side by side in Bochs, `auto` with the processor's APIC virtualization where it has it and `software` without:
both work, and what one timer interrupt costs is counted in exits. usage: tests/guest/apic.py MODEL virtual|software"""

import os
import re
import sys

os.environ["KERNEL_OPTIONS"] = "accept=meltdown"  # not apic=software
import guest  # noqa: E402
from guest import Checks, System, expect_true  # noqa: E402

MODEL, EXPECTED = sys.argv[1:]
GROUP = "apic-" + MODEL
VMS = {"auto": EXPECTED, "software": "software"}

YAML = """
system: apic
machine: {memory: 512M}
vms:
""" + "".join(f"""
    {vm}:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet loglevel=3 hostname={vm}"
        memory: 160M
        apic: {vm}
""" for vm in VMS)

LOOPS = 25000


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    for vm in VMS:
        m.wait_state(vm, ("ready",), 90)


def exits(m, vm):
    """By class."""
    return {name: int(count) for name, count in re.findall(r"(?m)^ +(\w.*?) +(\d+) +[\d.]+ %", m.command(f"info {vm}"))}


def interrupts(m, vm):
    """The guest keeps its CPU busy while its timer interrupts it, and prints nothing. Neither APIC's interrupts end with an exit: the
    processor's own needs none, with the software one Linux finds in its memory that it need not tell. The software one has to
    wait for a window now and then. HAZARD: one command, see docs/caveats.md on Bochs and virtual interrupts."""
    before = exits(m, vm)
    m.attach(vm)
    counts = m.shell(f"grep LOC /proc/interrupts; i=0; while [ $i -lt {LOOPS} ]; do i=$((i+1)); done; grep LOC /proc/interrupts", 120)
    m.detach()
    after = exits(m, vm)
    counts = [int(n) for n in re.findall(r"LOC: +(\d+)", counts)]
    ticks = counts[1] - counts[0]
    spent = {name: count - before.get(name, 0) for name, count in after.items()}
    print(f"{vm}: {ticks} timer interrupts, exits for each: " +
          ", ".join(f"{name} {count / ticks:.2f}" for name, count in spent.items() if count > ticks / 100))
    expect_true(ticks > 100, f"only {ticks} timer interrupts")
    memory, window = (spent.get(name, 0) / ticks for name in ("memory access", "interrupt window"))
    limit = 0.02 if VMS[vm] == "virtual" else 0.3
    expect_true(memory < 0.05 and window < limit, "an interrupt costs exits beside its timer's")
    expect_true(("APIC register write" in after) == (VMS[vm] == "virtual"), "it has the other APIC")
    expect_true(spent.get("WRMSR", 0) / ticks < 1.5, "the end of an interrupt is told by WRMSR")


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    with System("bochs", guest.image(YAML, GROUP), GROUP, memory=512, model=MODEL) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        for vm in VMS:
            check(f"interrupts-{vm}", interrupts, m, vm)


main()
