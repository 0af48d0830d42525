# SPDX-License-Identifier: BSD-2-Clause
"""A hostile guest `bad` (bad/main.c) beside a Linux guest `good`. After each misdeed `list` must show what became of `bad`, and the
shell of `good`, with all that it had, must answer promptly.
usage: tests/guest/hostile.py qemu|bochs [MISDEED...]"""

import re
import sys
import time

import guest
from guest import Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "hostile-" + EMULATOR
PROMPTLY = 15  # seconds, several times what a busy machine needs

ALIVE = ("running", "ready")
CRASHED = ("crashed",)
CRASH = r"\[bad: crashed: "

# Misdeed, what is to come of it, the states in which `bad` may be then. Where several are right, the guest broke a rule that only
# this machine has, and is told so.
DEEDS = (
    ("triple", CRASH + "triple fault at rip 0x1", CRASHED),
    ("void", CRASH, CRASHED),
    ("rom", "rom done", ALIVE),
    ("ports", "ports done", ALIVE),
    ("ports-off", r"\[bad: (asked for a reset|switched itself off)\]", ALIVE + ("created", "stopped")),
    ("uart", "uart done", ALIVE),
    ("msr", r"msr done: \d+ reads", ALIVE),
    ("cpuid", "cpuid done", ALIVE),
    ("privileged", "privileged done", ALIVE),
    ("cr", "cr done", ALIVE),
    ("cr4", "cr4 done|" + CRASH, ALIVE + CRASHED),  # QEMU lets a guest set reserved bits, and refuses to go on with them
    ("smsw", "smsw done: 0x[0-9a-f]*11 0x11", ALIVE),
    ("task", "task: exception|unexpected|" + CRASH, ALIVE + CRASHED + ("stopped",)),
    ("paging", "paging done|" + CRASH, ALIVE + CRASHED),
    ("cr3", CRASH, CRASHED),
    ("straddle", "straddle done", ALIVE),
    ("exotic", "exotic done|" + CRASH, ALIVE + CRASHED),
    ("apic", "apic done", ALIVE),
    ("icr", r"icr done|\[bad: ", ALIVE + CRASHED + ("created", "stopped")),
    ("nmi", "nmi done", ALIVE),
    ("spin", "spinning", ALIVE),
    ("halt", r"\[bad: halted with interrupts off\]", ("stopped",)),
    ("storm", r"storm \d+", ALIVE),
    ("flood", "(x{63}\\s*){50}", ALIVE),
    ("reset", r"\[bad: asked for a reset\]", ALIVE + ("created",)),
    ("off", r"\[bad: switched itself off\]", ("stopped",)),
)
QUICK = ("triple", "rom", "msr", "privileged", "cr", "cr4", "straddle", "paging", "cr3", "task", "spin")  # in Bochs

YAML = """
system: hostile
machine: {{memory: 512M}}
vms:
    good:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet hostname=good"
        memory: 192M
        cpu: {{hide: [cx16]}}
    bad:
        kernel: {bad}
        cmdline: "none"
        memory: 16M
deny:
    - bad -> good
    - good -> bad
"""


def start(m):
    m.expect(r"Bulkhead \d", 120)
    m.send("\r")  # `bad` will never be ready
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    m.wait_state("good", ("ready",), 60)
    m.attach("good")
    m.shell("kept=what-good-had")
    m.detach()


def good_answers(m):
    begin = time.monotonic()
    expect_in(m.in_vm("good", "echo $kept $((6*7))"), "^what-good-had 42\n$")
    took = time.monotonic() - begin
    expect_true(took < PROMPTLY * m.slow, f"`good` answered after {took:.1f} s")
    expect_true(m.row("good") == ("ready", 0), f"`good` is {m.row('good')}")


def misdeed(m, deed, outcome, states):
    m.command("restart bad")
    m.fresh()
    m.send("console bad\r")
    m.expect("attached to bad")
    m.expect(r"bad> ")
    m.send(deed + "\r")
    m.expect(rf"{deed}\r?\n")
    m.expect(outcome, 60)
    m.quiet(0.5)
    if "[detached from bad]" not in m.text[m.at:]:
        m.detach()
    else:
        m.prompt()
    row = m.row("bad")
    expect_true(row[0] in states, f"`bad` is {row[0]}, not {' or '.join(states)}")
    if row[0] in ("crashed", "stopped"):
        expect_in(m.command("info bad"), r"crashed: |switched itself off|halted with|asked for a reset")
    good_answers(m)


def main():
    only = sys.argv[2:]
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    iso = guest.image(YAML.format(bad=guest.bad_guest()), GROUP)
    with System(EMULATOR, iso, GROUP, memory=512) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        for deed, outcome, states in DEEDS:
            if only and deed not in only:
                continue
            if EMULATOR == "qemu" or guest.LONG or deed in QUICK:
                check(deed, misdeed, m, deed, outcome, states)


main()
