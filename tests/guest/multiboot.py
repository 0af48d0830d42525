# SPDX-License-Identifier: BSD-2-Clause
"""Multiboot guests: what they are started with, memory that is zero at each start, a guest with a screen that is not there, and
what `on-crash` promises. usage: tests/guest/multiboot.py"""

import os
import re

import guest
from guest import Checks, System, WORK, expect_in, expect_true

GROUP = "multiboot"
INVADERS = "/boot/invaders.exec"

YAML = """
system: multiboot
machine: {{memory: 256M}}
vms:
    plain:
        kernel: {bad}
        initrd: {module}
        cmdline: "three words here"
        memory: 16M
    small:
        kernel: {bad}
        memory: 2M
        autostart: false
    phoenix:
        kernel: {bad}
        cmdline: "do=triple"
        memory: 4M
        on-crash: restart
        autostart: false
    loop:
        kernel: {bad}
        cmdline: "do=reset"
        memory: 4M
        autostart: false
"""
INVADERS_YAML = """
    invaders:
        kernel: {0}
        memory: 32M
"""


def start(m):
    m.expect(r"Bulkhead \d", 120)
    m.send("\r")
    m.expect(r"Boot +seconds", 120)
    m.prompt()


def deed(m, vm, name, outcome):
    m.fresh()
    m.send(f"console {vm}\r")
    m.expect("attached to")
    m.quiet(1)  # past what it printed before
    m.fresh()
    m.send("\r")
    m.expect("bad> ")
    m.send(name + "\r")
    match = m.expect(outcome)
    m.expect("bad> ")
    m.detach()
    return match


def started(m):
    """Memory sizes, command line and module are as configured."""
    m.wait_state("plain", ("running",))
    m.quiet(1)
    expect_in(m.command("log plain"), "lower 639 upper 15360 cmdline 'three words here'", "1 module of 17 bytes: from a module")
    expect_true(m.row("small")[0] == "stopped", "`small` started in spite of `autostart: false`")
    m.command("start small")
    m.quiet(1)
    expect_in(m.command("log small"), "lower 639 upper 1024 cmdline ''")


def zeroed(m):
    """A guest's memory is zero when it starts, whoever had it before."""
    found = deed(m, "plain", "fill", "fill done")
    found = deed(m, "plain", "scan", r"scan: (\d+) words of the pattern, (\d+) not zero")
    expect_true(int(found.group(1)) > 3000000, "the pattern was not written")
    m.command("stop plain")
    for vm in ("small", "plain"):
        m.command(f"restart {vm}")
        found = deed(m, vm, "scan", r"scan: (\d+) words of the pattern, (\d+) not zero")
        expect_true(found.group(1) == "0", f"{vm} finds {found.group(1)} words of what `plain` had")
    # All but the module, which lies there too.
    expect_true(int(found.group(2)) < 8, f"{found.group(2)} words are not zero")


def on_crash(m):
    """Five starts again in a minute, then no more."""
    m.fresh()
    m.send("start phoenix\r")
    for _ in range(6):
        m.expect(r"\[phoenix: crashed: triple fault")
    m.expect(r"\[phoenix: not started again: that was 5 times in a minute\]")
    m.quiet(1)
    row = m.row("phoenix")
    expect_true(row == ("crashed", 5), f"`phoenix` is {row}")
    expect_in(m.command("info phoenix"), r"crashed: triple fault .*\(5 restarts in a minute\)")
    m.command("start phoenix")  # by hand it can be
    m.quiet(1)
    expect_true(m.row("phoenix")[0] == "crashed", "`phoenix` does not crash")


def resets(m):
    """A guest that resets itself again and again is stopped too."""
    m.fresh()
    m.send("start loop\r")
    m.expect(r"\[loop: not started again: that was 5 times in a minute\]")
    m.quiet(1)
    expect_true(m.row("loop") == ("stopped", 5), f"`loop` is {m.row('loop')}")


def exits(m):
    return int(re.search(r"exits (\d+)", m.command("info invaders")).group(1))


def invaders(m):
    """A game for the VGA text screen: nobody sees it, but it runs."""
    before = exits(m)
    m.quiet(3)
    row = m.row("invaders")
    expect_true(row[0] in ("running", "ready") and row[1] == 0, f"`invaders` is {row}")
    expect_true(exits(m) > before, "it makes no more exits: it hangs")
    m.command("stop invaders")


def answers(m):
    expect_true(deed(m, "plain", "cpuid", "cpuid done"), "`plain` does not answer")


def main():
    module = os.path.join(WORK, "module")
    with open(module, "w") as out:
        out.write("from a module\n\n\n\n")
    yaml = YAML.format(bad=guest.bad_guest(), module=module)
    if os.path.exists(INVADERS):
        yaml += INVADERS_YAML.format(INVADERS)
    with System("qemu", guest.image(yaml, GROUP), GROUP, memory=256) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        check("started", started, m)
        check("zeroed", zeroed, m)
        if os.path.exists(INVADERS):
            check("invaders", invaders, m)
        else:
            print(f"SKIP {GROUP}/invaders (no {INVADERS})")
        check("on-crash", on_crash, m)
        check("resets", resets, m)
        check("answers", answers, m)


main()
