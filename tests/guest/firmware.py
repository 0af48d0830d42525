# SPDX-License-Identifier: BSD-2-Clause
"""Guests that start with firmware: SeaBIOS and OVMF find a GRUB ISO on a disk; GRUB loads Linux from it.
usage: tests/guest/firmware.py qemu|bochs"""

import os
import re
import subprocess
import sys

import guest
from guest import OUT, WORK, Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "firmware-" + EMULATOR
# Name of the VM and its guest (GRUB's name of the platform), firmware, file.
FIRMWARE = (("pc", "seabios", "/usr/share/seabios/bios-256k.bin"), ("efi", "ovmf", "/usr/share/ovmf/OVMF.fd"))
GRUB = """\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=1
menuentry "Linux from the disk" {{
    echo "GRUB runs on $grub_platform"
    linux /boot/vmlinuz console=ttyS0 quiet loglevel=3 hostname=$grub_platform
    initrd /boot/initrd
}}
"""
YAML = """\
system: firmware
machine: {memory: 1G, cpus: 1}
vms:
"""
VM = """\
    {0}:
        firmware: {1}
        memory: 256M
        autostart: false
        cpu: {{hide: [cx16]}}
        devices:
            - virtio-blk: {{image: {2}, readonly: true}}
            - debug-port
"""


def grub_iso():
    """An ISO for BIOS and EFI with a kernel and an initramfs."""
    tree, iso = os.path.join(WORK, "grub"), os.path.join(WORK, "grub.iso")
    os.makedirs(os.path.join(tree, "boot/grub"), exist_ok=True)
    for source, name in ((guest.linux_kernel(), "vmlinuz"), (os.path.join(OUT, "initrd"), "initrd")):
        subprocess.run(["cp", "-f", source, os.path.join(tree, "boot", name)], check=True)
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w") as out:
        out.write(GRUB.format())
    done = subprocess.run(["grub-mkrescue", "--compress=no", "-o", iso, tree], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout)
        print(f"FAIL {GROUP}/iso: grub-mkrescue failed")
        sys.exit(1)
    return iso


def prompt(m):
    m.expect(r"Bulkhead \d", 120)
    m.send("\r")
    m.expect(r"Boot +seconds", 120)
    m.prompt()


def boot(m, vm):
    """Firmware, GRUB's menu, GRUB's entry, Linux."""
    m.command(f"start {vm}")
    m.fresh()
    m.send(f"console {vm}\r")
    m.expect(f"attached to {vm}")
    m.expect("GNU GRUB", 120)
    m.expect(f"GRUB runs on {vm}", 60)
    m.expect(f"BULKHEAD-INIT-OK {vm}", 180)
    m.expect(f"{vm}:~# ")
    m.quiet(0.2)
    m.detach()


def machine(m, vm):
    """What Linux found: ACPI tables that the firmware placed, PCI, EFI or not."""
    m.attach(vm)
    tables = m.shell("ls /sys/firmware/acpi/tables")
    devices = m.shell("cut -f2 /proc/bus/pci/devices")
    efi = m.shell("ls /sys/firmware/efi 2>/dev/null || true")
    m.detach()
    expect_in(tables, "APIC", "DSDT", "FACP", "HPET", "MCFG")
    expect_in(devices, "808629c0", "80862918", "1af41042")
    expect_true(("systab" in efi) == (vm == "efi"), f"/sys/firmware/efi holds {efi!r}")


def exits(m, vm):
    count = int(re.search(r"exits (\d+)", m.command(f"info {vm}")).group(1))
    print(f"  {vm}: {count} exits from reset to the shell", flush=True)


def power_off(m, vm):
    m.attach(vm)
    m.send("poweroff -f\r")
    m.expect("switched itself off|stopped|detached", 30)
    m.recover()
    m.wait_state(vm, ("stopped", "off"))


def main():
    iso = grub_iso()
    here = [(vm, firmware) for vm, firmware, path in FIRMWARE if os.path.exists(path)]
    for vm, firmware, path in FIRMWARE:
        if (vm, firmware) not in here:
            print(f"SKIP {GROUP}/{vm} (no {path})")
    yaml = YAML + "".join(VM.format(vm, firmware, iso) for vm, firmware in here)
    with System(EMULATOR, guest.image(yaml, GROUP), GROUP) as m:
        check = Checks(GROUP, m)
        if not check("prompt", prompt, m):
            return
        for vm, _ in here:
            if check(vm, boot, m, vm):
                check(vm + "-machine", machine, m, vm)
                check(vm + "-exits", exits, m, vm)
                check(vm + "-off", power_off, m, vm)


main()
