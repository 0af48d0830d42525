# SPDX-License-Identifier: BSD-2-Clause
"""Guests that start with firmware: SeaBIOS and OVMF find a GRUB ISO on a disk; GRUB loads Linux from it.
usage: tests/guest/firmware.py qemu|bochs"""

import os
import re
import subprocess
import sys

import guest
from guest import LONG, OUT, WORK, Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "firmware-" + EMULATOR
IMAGE = {"seabios": "/usr/share/seabios/bios-256k.bin", "ovmf": "/usr/share/ovmf/OVMF.fd"}
PLATFORM = {"seabios": "pc", "ovmf": "efi"}  # as GRUB names it
# Name of the VM, firmware, vCPUs, device with the ISO.
DISK, CDROM = "virtio-blk: {{image: {0}, readonly: true}}", "ahci-cd: {{image: {0}}}"
VMS = (("pc-disk", "seabios", 1, DISK), ("efi-disk", "ovmf", 1, DISK),
       ("pc-cd", "seabios", 2, CDROM), ("efi-cd", "ovmf", 2, CDROM),
       ("pc-screen", "seabios", 1, DISK + "\n            - vga"))
if EMULATOR == "bochs":
    VMS = VMS[:2]
elif not LONG:
    VMS = VMS[0], VMS[3]
GRUB = """\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=1
menuentry "Linux from the disk" {{
    echo "GRUB runs on $grub_platform"
    linux /boot/vmlinuz console=ttyS0 quiet loglevel=3 hostname=guest
    initrd /boot/initrd
}}
"""
YAML = """\
system: firmware
machine: {{memory: {1}M, cpus: {0}}}
vms:
"""
VM = """\
    {0}:
        firmware: {1}
        memory: 256M
        cpus: {2}
        host-cpu: {3}
        autostart: false
        cpu: {{hide: [cx16]}}
        devices:
            - {4}
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


def boot(m, vm, firmware):
    """Firmware, GRUB's menu, GRUB's entry, Linux."""
    m.command(f"start {vm}")
    m.fresh()
    m.send(f"console {vm}\r")
    m.expect(f"attached to {vm}")
    if "screen" in vm:  # by the VGA BIOS, which SeaBIOS found in fw_cfg; GRUB is on the serial line
        m.expect("SeaBIOS", 60)
        m.expect("Welcome", 60)
    m.expect("GNU GRUB", 120)
    m.expect(f"GRUB runs on {PLATFORM[firmware]}", 60)
    m.expect("BULKHEAD-INIT-OK guest", 180)
    m.expect("guest:~# ")
    m.quiet(0.2)
    m.detach()


def enter(m, vm):
    m.fresh()
    m.send(f"console {vm}\r")
    m.expect(f"attached to {vm}")
    m.send("\r")
    m.expect(r"guest:\S*# ")
    m.quiet(0.2)


def machine(m, vm, firmware, cpus):
    """What Linux found: ACPI tables that the firmware placed, PCI, CPUs, EFI or not."""
    enter(m, vm)
    tables = m.shell("ls /sys/firmware/acpi/tables")
    devices = m.shell("cut -f2 /proc/bus/pci/devices")
    efi = m.shell("ls /sys/firmware/efi 2>/dev/null || true")
    count = m.shell("nproc")
    types = m.shell("cat /proc/mtrr; dmesg | grep -E 'mtrr:|MTRRs' || true")
    m.detach()
    expect_in(tables, "APIC", "DSDT", "FACP", "HPET", "MCFG")
    expect_in(devices, "808629c0", "80862918", "80862922" if "cd" in vm else "1af41042")
    expect_true(("systab" in efi) == (firmware == "ovmf"), f"/sys/firmware/efi holds {efi!r}")
    expect_true(count.strip() == str(cpus), f"{count.strip()} CPUs, not {cpus}")
    expect_true(re.search(r"^(reg0\d: .*uncachable\n)+$", types), f"not what firmware makes of the MTRRs: {types!r}")
    exits = int(re.search(r"exits (\d+)", m.command(f"info {vm}")).group(1))
    print(f"  {vm}: {exits} exits from reset to the shell", flush=True)


def reboot(m, vm):
    """The guest's own reset brings the firmware back."""
    enter(m, vm)
    m.send("reboot -f\r")
    m.expect("GNU GRUB", 120)
    m.expect("BULKHEAD-INIT-OK guest", 180)
    m.expect("guest:~# ")
    m.detach()


def power_off(m, vm):
    enter(m, vm)
    m.send("poweroff -f\r")
    m.expect("switched itself off|stopped|detached", 30)
    m.recover()
    m.wait_state(vm, ("stopped", "off"))


def main():
    iso = grub_iso()
    here = [vm for vm in VMS if os.path.exists(IMAGE[vm[1]])]
    for firmware, path in IMAGE.items():
        if not os.path.exists(path):
            print(f"SKIP {GROUP}/{firmware} (no {path})")
    most = max(vm[2] for vm in here)
    memory = 200 + 256 * len(here)
    yaml = YAML.format(most, memory) + "".join(
        VM.format(name, firmware, cpus, list(range(cpus)), device.format(iso)) for name, firmware, cpus, device in here)
    with System(EMULATOR, guest.image(yaml, GROUP), GROUP, memory=memory, cpus=most) as m:
        check = Checks(GROUP, m)
        if not check("prompt", prompt, m):
            return
        for name, firmware, cpus, _ in here:
            if check(name, boot, m, name, firmware) and "screen" not in name:  # whose keys go to the keyboard
                check(name + "-machine", machine, m, name, firmware, cpus)
                if LONG and name == "pc-disk":
                    check(name + "-reboot", reboot, m, name)
                check(name + "-off", power_off, m, name)


main()
