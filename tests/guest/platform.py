# SPDX-License-Identifier: BSD-2-Clause
"""The rest of the PC under Linux: HPET as clocksource and as the source of the RTC's interrupts, an RTC alarm, update interrupts, and
all the ways to switch off and to reset. usage: tests/guest/platform.py"""

import re
import time

import guest
from guest import Checks, System, expect_in, expect_true

GROUP = "platform"
YAML = """
system: platform
machine: {memory: 512M}
vms:
    linux:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet hostname=linux clocksource=hpet"
        memory: 192M
        cpu: {hide: [cx16]}
"""
# Each writes one port of /dev/port: name, seek, bytes as octal escapes of printf.
RESETS = (("port-cf9", 0xCF9, r"\006"), ("port-92", 0x92, r"\001"), ("port-64", 0x64, r"\376"))


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    m.wait_state("linux", ("ready",), 90)


def hpet(m):
    m.attach("linux")
    log = m.shell("dmesg | grep -i hpet")
    print(log)
    expect_in(log, r"hpet0: at MMIO 0xfed00000", r"hpet0: 3 comparators, 64-bit 16.000000 MHz counter")
    m.shell("echo hpet > /sys/devices/system/clocksource/clocksource0/current_clocksource")
    expect_in(m.shell("cat /sys/devices/system/clocksource/clocksource0/current_clocksource"), "hpet")
    begin = time.monotonic()
    m.shell("sleep 2")
    slept = time.monotonic() - begin
    expect_true(1.9 < slept < 15, f"`sleep 2` took {slept:.2f} s")
    m.detach()


def alarm(m):
    m.attach("linux")
    before = int(re.search(r"(?m)^ *8:\s+(\d+)", m.shell("cat /proc/interrupts")).group(1))
    begin = time.monotonic()
    m.shell("rtcwake -m on -s 3 -d /dev/rtc0")
    took = time.monotonic() - begin
    expect_true(1.5 < took < 20, f"the alarm in 3 s came after {took:.2f} s")
    after = int(re.search(r"(?m)^ *8:\s+(\d+)", m.shell("cat /proc/interrupts")).group(1))
    expect_true(after > before, "no interrupt of the RTC was counted")
    expect_in(m.shell("cat /proc/driver/rtc"), r"24hr\s+: yes", r"batt_status\s+: okay")
    m.detach()


def again(m, restarts):
    """The machine came back by itself."""
    end = time.monotonic() + 60
    while m.row("linux")[1] != restarts:
        expect_true(time.monotonic() < end, "it was not started again")
        m.quiet(0.5)
    m.wait_state("linux", ("ready",), 90)


def reset(m, port, value, restarts):
    m.attach("linux")
    m.send(f"printf '{value}' | dd of=/dev/port bs=1 seek={port}\r")
    m.quiet(1)
    m.detach()
    again(m, restarts)


def triple_fault(m):
    """reboot=t: Linux loads an empty IDT and executes INT3."""
    m.attach("linux")
    m.send("echo triple > /sys/kernel/reboot/type; reboot -f\r")
    m.quiet(1)
    m.send("\x1d")
    m.expect(r"linux: crashed: triple fault", 60)


def power_off(m):
    m.command("start linux")
    m.wait_state("linux", ("ready",), 90)
    m.attach("linux")
    m.send("poweroff -f\r")
    m.quiet(1)
    m.send("\x1d")
    m.wait_state("linux", ("stopped",), 30)


def main():
    with System("qemu", guest.image(YAML, GROUP), GROUP, memory=512) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        check("hpet", hpet, m)
        check("rtc-alarm", alarm, m)
        for n, (name, port, value) in enumerate(RESETS):
            check("reset-" + name, reset, m, port, value, n + 1)
        check("triple-fault", triple_fault, m)
        check("power-off", power_off, m)


main()
