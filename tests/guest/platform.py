# SPDX-License-Identifier: BSD-2-Clause
"""The rest of the PC: HPET under Linux, the RTC's three interrupts, the ways to switch off and to reset, debug output ports,
isa-debug-exit, pvpanic, the watchdog. usage: tests/guest/platform.py"""

import time

import guest
from guest import Checks, System, expect_in, expect_true

GROUP = "platform"
YAML = """
system: platform
machine: {{memory: 512M}}
vms:
    linux:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet hostname=linux"
        memory: 192M
        clock: 8254
        cpu: {{hide: [cx16]}}
    plain:
        kernel: {0}
        memory: 4M
    keys:
        kernel: {0}
        cmdline: "do=port64"
        memory: 4M
        devices: [keyboard]
        autostart: false
    debug:
        kernel: {0}
        memory: 4M
        on-crash: stop
        devices: [debug-port, debug-exit, pvpanic, watchdog]
"""


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    m.wait_state("linux", ("ready",), 90)


def hpet(m):
    m.attach("linux")
    log = m.shell("dmesg | grep -i -e hpet -e rtc_cmos")
    expect_in(log, r"hpet0: at MMIO 0xfed00000", r"hpet0: 3 comparators, 64-bit 16.000000 MHz counter", r"hpet irqs")
    m.shell("echo hpet > /sys/devices/system/clocksource/clocksource0/current_clocksource")
    expect_in(m.shell("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"), "hpet")
    begin = time.monotonic()
    m.shell("sleep 2")
    slept = time.monotonic() - begin
    expect_true(1.9 < slept < 15, f"`sleep 2` took {slept:.2f} s")
    m.detach()


def deed(m, vm, name, outcome):
    """One of the hostile guest's commands, and what it leads to."""
    m.fresh()
    m.send(f"console {vm}\r")
    m.expect("attached to")
    m.quiet(0.5)
    m.fresh()
    m.send("\r")
    m.expect("bad> ")
    m.send(name + "\r")
    match = m.expect(outcome, 60)
    m.detach()
    return match


def rtc(m):
    deed(m, "plain", "rtc", r"rtc alarm: .*\n")
    for what, count, flags in (("periodic", 32, "c0"), ("update", 2, "90"), ("alarm", 1, "a0")):
        expect_in(m.command("log plain"), rf"rtc {what}: {count}, flags {flags}")


def reset(m, name, outcome="asked for a reset"):
    """The VM starts anew by itself."""
    before = m.row("plain")[1]
    m.fresh()
    m.send("console plain\r")
    m.expect("attached to")
    m.quiet(0.5)
    m.send("\r")
    m.expect("bad> ")
    m.fresh()
    m.send(name + "\r")
    m.expect("lower \\d+ upper", 60)
    m.detach()
    expect_true(m.row("plain")[1] == before + 1, "it was not started again")


def keyboard_reset(m):
    """The pulse of an 8042 that is really there."""
    m.fresh()
    m.send("start keys\r")
    m.expect(r"\[keys: not started again: that was 5 times in a minute\]", 90)
    m.quiet(0.5)


def debug(m):
    deed(m, "debug", "debug", r"debug: hello, Bochs[^$]*firmware: hello, firmware")
    expect_in(m.command("log debug"), "debug ports: [^$]*e9 e9")


def ends(m, name, state, reason):
    m.fresh()
    m.send("console debug\r")
    m.expect("attached to")
    m.quiet(0.5)
    m.fresh()
    m.send("\r")
    m.expect("bad> ")
    m.send(name + "\r")
    m.quiet(2)
    m.send("\x1d")
    m.quiet(0.5)
    m.send("\r")
    m.wait_state("debug", (state,), 30)
    expect_in(m.command("info debug"), reason)
    m.command("start debug")
    m.wait_state("debug", ("running", "ready"))


def watchdog(m):
    before = m.row("debug")[1]
    deed(m, "debug", "watchdog", "watchdog fed")
    end = time.monotonic() + 30
    while m.row("debug")[1] == before:
        expect_true(time.monotonic() < end, "nothing happens when nobody feeds it")
        m.quiet(0.5)


def power_off(m):
    m.attach("linux")
    m.send("poweroff -f\r")
    m.quiet(1)
    m.send("\x1d")
    m.wait_state("linux", ("stopped",), 30)


def main():
    with System("qemu", guest.image(YAML.format(guest.bad_guest()), GROUP), GROUP, memory=512) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        check("hpet", hpet, m)
        check("power-off", power_off, m)
        check("rtc", rtc, m)
        for name in ("reset", "port92", "port64"):
            check("reset-" + name, reset, m, name)
        check("reset-keyboard", keyboard_reset, m)
        check("debug-ports", debug, m)
        check("debug-exit", ends, m, "exit", "stopped", "debug exit: status 43")
        check("pvpanic", ends, m, "panic", "crashed", "kernel panicked")
        check("watchdog", watchdog, m)


main()
