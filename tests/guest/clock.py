# SPDX-License-Identifier: BSD-2-Clause
"""A Linux guest with `clock: 8254`: it is not told the TSC's frequency, and must measure what root says, for the 8254 is exact.
The measurement is taken where QEMU's clock counts instructions (-icount): Linux discards readings that took long (50,000 ticks, in
tsc_read_refs of arch/x86/kernel/tsc.c), as they do in emulation on a busy machine. That time passes as it should is seen on
the clock of the wall. usage: tests/guest/clock.py"""

import os
import re
import time

os.environ["KERNEL_OPTIONS"] = "accept=meltdown inject=virtual"  # QEMU with -icount delivers interrupts twice otherwise
import guest  # noqa: E402
from guest import Checks, System, expect_in, expect_true  # noqa: E402

GROUP = "clock-8254"
ALLOWED = 0.005  # of the frequency
COUNTED = ("-icount", "shift=0,sleep=off")

YAML = """
system: clock
machine: {memory: 512M}
vms:
    linux:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet hostname=linux"
        memory: 192M
        clock: 8254
        cpu: {hide: [cx16]}
"""


def start(m):
    m.mhz = int(m.expect(r"TSC (\d+) MHz", 120).group(1))
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    m.wait_state("linux", ("ready",), 90)


def frequency(m):
    m.attach("linux")
    log = m.shell("dmesg | grep -iE 'tsc|clocksource'")
    expect_true("kvm-clock" not in log, "it uses kvm-clock all the same")
    found = re.search(r"tsc: Detected ([0-9.]+) MHz processor", log)
    expect_true(found, f"no measured frequency in {log!r}")
    measured = float(found.group(1))
    expect_true(abs(measured / m.mhz - 1) < ALLOWED, f"it measured {measured} MHz, root {m.mhz} MHz")
    # Linux measures again, and better, unless reading the ACPI PM timer takes too long, as in slow emulation.
    refined = re.search(r"tsc: Refined TSC clocksource calibration: ([0-9.]+) MHz", log)
    if refined:
        expect_true(abs(float(refined.group(1)) / m.mhz - 1) < ALLOWED, f"refined to {refined.group(1)} MHz, root {m.mhz} MHz")
    print(f"measured {measured} MHz, root {m.mhz} MHz")
    m.detach()


def sleeps(m):
    m.attach("linux")
    begin = time.monotonic()
    m.shell("sleep 3")
    slept = time.monotonic() - begin
    expect_true(2.9 < slept < 15, f"`sleep 3` took {slept:.2f} s")
    begin = time.monotonic()
    first = float(m.shell("cat /proc/uptime").split()[0])
    between = time.monotonic()
    m.quiet(3)
    second_begin = time.monotonic()
    second = float(m.shell("cat /proc/uptime").split()[0])
    end = time.monotonic()
    least, most = second_begin - between, end - begin
    expect_true(least * 0.99 - 0.05 < second - first < most * 1.01 + 0.05,
                f"uptime went on by {second - first:.2f} s in {least:.2f} to {most:.2f} s")
    m.detach()


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    image = guest.image(YAML, GROUP)
    with System("qemu", image, GROUP, memory=512, extra=COUNTED) as m:
        check = Checks(GROUP, m)
        if check("start", start, m):
            check("frequency", frequency, m)
    with System("qemu", image, GROUP, memory=512) as m:
        check = Checks(GROUP, m)
        if check("start-unhurried", start, m):
            check("sleep", sleeps, m)


main()
