# SPDX-License-Identifier: BSD-2-Clause
"""PCI as an unmodified Linux sees it: configuration space by ports and ECAM, address windows, BARs, interrupts by MSI-X, by the
I/O APIC and by the 8259 pair, removal of a device with the guest's consent and without.
usage: tests/guest/pci.py qemu|bochs"""

import re
import sys
import time

import guest
from guest import Checks, Missing, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "pci-" + EMULATOR
# What the kernel is told, and how the block device's interrupt then shows in /proc/interrupts: slot 1 has PIRQF.
GUESTS = {"msix": ("", r"PCI-MSI\S* .*virtio0-req\.0"), "intx": ("pci=nomsi", r"IO-APIC +21-fasteoi +virtio0"),
          "links": ("noapic pci=nomsi", r"XT-PIC +virtio0")}
YAML = "system: pci\nmachine: {memory: 1G}\nvms:\n" + "".join(f"""\
    {vm}:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd-virtio
        cmdline: "console=ttyS0 loglevel=3 hostname={vm} modules=virtio_pci,virtio_blk,virtio-rng {words}"
        memory: 160M
        cpu: {{hide: [cx16]}}
        devices:
            - virtio-blk: {{name: disk, size: 4M}}
            - virtio-rng: {{name: rng}}
""" for vm, (words, _) in GUESTS.items())


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    for vm in GUESTS:
        m.wait_state(vm, ("ready",), 120)


def bus(m):
    """The functions, the host bridge's windows, and nothing that Linux complains about."""
    m.attach("msix")
    functions = m.shell("cut -f1-2 /proc/bus/pci/devices")
    expect_true(functions.split() == ["0000", "808629c0", "0008", "1af41042", "0010", "1af41044", "00f8", "80862918"],
                f"functions: {functions!r}")
    expect_in(m.shell("cat /proc/iomem"), "b0000000-b00fffff : PCI MMCONFIG", "c0000000-febfffff : PCI Bus 0000:00",
              r"\n  c000\w{4}-c000\w{4} : 0000:00:01.0\n    c000\w{4}-c000\w{4} : virtio-pci-modern",
              r"\n800000000-\w+ : PCI Bus 0000:00")
    # By ECAM: ports reach 256 bytes only.
    expect_true(m.shell("wc -c < /sys/bus/pci/devices/0000:00:00.0/config").strip() == "4096", "no extended configuration space")
    log = m.shell("dmesg | grep -iE 'pci|acpi'")
    expect_in(log, "MMCONFIG at .* reserved", "Using ACPI for IRQ routing", r"PCI Root Bridge \[PCI0\] \(domain 0000 \[bus 00\]\)")
    bad = [line for line in log.split("\n") if re.search(r"(?i)error|warn|bug:|fail|can't|conflict|invalid|no compatible", line)]
    expect_true(not bad, f"complaints: {bad}")
    m.detach()
    expect_in(m.in_vm("links", "dmesg | grep ACPI"), "Interrupt link LNKH configured for IRQ 11")


def interrupts(m, vm):
    """The disk works, and its interrupts come the way that this guest was told to take."""
    m.attach(vm)
    m.shell("dd if=/dev/zero of=/dev/vda bs=64k count=32 oflag=direct 2>/dev/null; dd if=/dev/vda of=/dev/null bs=64k iflag=direct")
    table = m.shell("cat /proc/interrupts")
    line = re.search(r"(?m)^ *\S+: +(\d+) .*" + GUESTS[vm][1], table)
    expect_true(line, f"no such line in {table!r}")
    expect_true(int(line.group(1)) >= 16, f"only {line.group(1)} interrupts")
    bad = m.shell("dmesg | grep -iE 'nobody cared|spurious|screaming' || true")
    expect_true(bad == "", f"complaints: {bad!r}")
    m.detach()


def gone(m, vm, function, timeout=30):
    end = time.monotonic() + timeout * m.slow
    while function in (text := m.in_vm(vm, "cut -f1 /proc/bus/pci/devices")).split():
        if time.monotonic() > end:
            raise Missing(f"function {function} is still there: {text!r}")
        m.quiet(0.5)


def detach(m):
    """Asked for at the prompt, let go by the guest's driver, gone; what is left goes on working."""
    expect_in(m.command("vm msix pci"), r"01\.0 virtio-blk", r"02\.0 virtio-rng")
    expect_in(m.command("vm msix detach rng"), "asked")
    gone(m, "msix", "0010")
    answer = m.command("vm msix pci")
    expect_true("virtio-rng" not in answer, f"it is still on the bus: {answer!r}")
    m.attach("msix")
    expect_in(m.shell("grep acpi /proc/interrupts"), r"9: +[1-9]")
    expect_true(m.shell("ls /sys/bus/virtio/devices").split() == ["virtio0"], "its driver is still there")
    m.shell("dd if=/dev/vda of=/dev/null bs=64k count=4 iflag=direct")
    m.detach()
    expect_in(m.command("vm msix detach rng"), "detached already")


def pull(m):
    """Without asking: the guest lives on, and sees ones."""
    m.command("vm intx detach rng now")
    m.attach("intx")
    expect_in(m.shell("hexdump -C -n 4 /sys/bus/pci/devices/0000:00:02.0/config"), "ff ff ff ff")
    m.shell("dd if=/dev/vda of=/dev/null bs=64k count=4 iflag=direct")
    m.detach()


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    with System(EMULATOR, guest.image(YAML, GROUP), GROUP) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        check("bus", bus, m)
        for vm in GUESTS:
            check("interrupts-" + vm, interrupts, m, vm)
        check("detach", detach, m)
        check("pull", pull, m)


main()
