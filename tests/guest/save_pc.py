# SPDX-License-Identifier: BSD-2-Clause
"""Snapshots of VMs with firmware and a screen: SeaBIOS in GRUB's menu, from where it goes on to Linux; a guest that shows pictures.
--long: OVMF as well, all of it twice, and Linux that reads and writes AHCI drives.
usage: tests/guest/save_pc.py"""

import os
import re
import subprocess
import sys

import guest
import kernels
from guest import LONG, OUT, ROOT, WORK, Checks, System, expect_in, expect_true

GROUP = "save-pc"
IMAGE = {"bios": "/usr/share/seabios/bios-256k.bin", "efi": "/usr/share/ovmf/OVMF.fd"}
PLATFORM = {"bios": "pc", "efi": "efi"}
FIRMWARE = """
    {0}:
        firmware: {1}
        memory: {2}
        autostart: false
        cpu: {{hide: [cx16]}}
        devices:
            - ahci-cd: {{image: {3}}}
            - ahci-disk: {{size: 8M}}
"""
PICTURE = """
    picture:
        kernel: {0}
        memory: 8M
        devices: [vga]
"""
GRUB = """\
serial --unit=0 --speed=115200
terminal_input serial
terminal_output serial
set timeout=-1
menuentry "Linux from the CD" {{
    echo "GRUB runs on $grub_platform"
    linux /boot/vmlinuz console=ttyS0 quiet loglevel=3 hostname=guest modules={0}
    initrd /boot/initrd
}}
"""
# Writes the disk through and reads it and the CD, past the page cache, and tells of the first byte that is wrong.
USE = """n=0; while :; do n=$((n+1)); seq $n $((n+99)) | dd of=/dev/sda bs=4096 seek=$((n%1000)) conv=sync oflag=direct 2>/dev/null || echo write $n >> /tmp/bad; \
[ "$(dd if=/dev/sda bs=4096 skip=$((n%1000)) count=1 iflag=direct 2>/dev/null | head -n 1)" = $n ] || echo read $n >> /tmp/bad; \
[ "$(dd if=/dev/sr0 bs=2048 skip=16 count=64 iflag=direct 2>/dev/null | md5sum)" = "$sum" ] || echo cd $n >> /tmp/bad; echo $n > /tmp/n; done"""


def build_picture():
    folder = os.path.dirname(os.path.abspath(__file__))
    elf = os.path.join(WORK, "picture.elf")
    subprocess.run(["gcc", "-m32", "-std=gnu17", "-O2", "-Wall", "-Wextra", "-Werror", "-ffreestanding", "-nostdlib", "-static", "-no-pie", "-fno-pic",
                    "-fno-stack-protector", "-mgeneral-regs-only", "-fno-asynchronous-unwind-tables", "-Wl,--build-id=none", "-Wl,--no-warn-rwx-segments",
                    "-Wl,-m,elf_i386", "-Wl,-T," + folder + "/pc/pc.lds", "-o", elf, folder + "/picture/picture.c"], check=True)
    return elf


def grub_iso(generic):
    """An ISO for BIOS and EFI. Only Debian's generic kernel has a driver for AHCI."""
    tree, iso, initrd = os.path.join(WORK, "grub"), os.path.join(WORK, "grub.iso"), os.path.join(OUT, "initrd")
    os.makedirs(os.path.join(tree, "boot/grub"), exist_ok=True)
    modules = ""
    if generic:
        initrd, modules = os.path.join(WORK, "initrd-ahci"), "ahci,sd_mod,sr_mod"
        subprocess.run([os.path.join(ROOT, "tools/mkinitramfs.sh"), initrd, generic[1], *modules.split(",")], check=True)
    for source, name in ((generic[0] if generic else guest.linux_kernel(), "vmlinuz"), (initrd, "initrd")):
        subprocess.run(["cp", "-f", source, os.path.join(tree, "boot", name)], check=True)
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w", encoding="ascii") as out:
        out.write(GRUB.format(modules))
    subprocess.run(["grub-mkrescue", "--compress=no", "-o", iso, tree], check=True, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)
    return iso


def start(m):
    m.expect(r"Bulkhead \d", 120)
    m.send("\r")
    m.prompt()


def attach(m, vm):
    m.fresh()
    m.send(f"console {vm}\r")
    m.expect(f"attached to {vm}")
    m.quiet(0.3)  # with what it printed before
    m.fresh()


def snapshot(m, vm):
    answer = m.command(f"snapshot {vm}", 120)
    expect_in(answer, rf"{vm}: saved, [1-9]\d* KiB")


def restore(m, vm):
    expect_in(m.command(f"restore {vm}", 120), f"{vm}: started from its snapshot")


def menu(m, vm):
    """The firmware and GRUB wait for a key, read by the firmware's services."""
    m.command(f"start {vm}")
    m.fresh()
    m.send(f"console {vm}\r")
    m.expect("GNU GRUB", 120)
    m.expect("Linux from the CD")
    m.quiet(1)
    m.detach()
    snapshot(m, vm)


def goes_on(m, vm):
    """From the menu that was saved to a shell; all is read from the CD, by the firmware's driver."""
    restore(m, vm)
    attach(m, vm)
    m.send("\r")
    m.expect(f"GRUB runs on {PLATFORM[vm]}", 60)
    m.expect("BULKHEAD-INIT-OK guest", 180)
    m.expect("guest:~# ")
    m.quiet(0.2)
    m.detach()


def enter(m, vm):
    attach(m, vm)
    m.send("\r")
    m.expect(r"guest:\S*# ")
    m.quiet(0.2)


def counted(m):
    return int(m.shell("until grep . /tmp/n 2>/dev/null; do :; done").split()[0])


def drives(m, vm):
    """Saved and restored in the middle of transfers."""
    enter(m, vm)
    expect_in(m.shell("cat /proc/partitions"), "sda", "sr0")
    m.shell("sum=$(dd if=/dev/sr0 bs=2048 skip=16 count=64 iflag=direct 2>/dev/null | md5sum); echo $sum")
    m.shell(f"({USE}) & true")
    m.shell("sleep 2; cat /tmp/n")
    m.detach()
    snapshot(m, vm)
    enter(m, vm)
    m.shell("sleep 3")
    later = counted(m)
    m.detach()
    for turn in range(2):
        restore(m, vm)
        enter(m, vm)
        first = counted(m)
        expect_true(turn or first < later, f"it did not begin where it was saved: {first}, {later}")
        m.shell("sleep 2")
        expect_true(counted(m) > first + 3, "the drives stand still")
        expect_in(m.shell("cat /tmp/bad 2>/dev/null || true"), "^$")
        expect_true(m.shell("dmesg | grep -E 'BUG:|WARNING: CPU|Oops|stall|I/O error|ata[0-9.]+: (exception|failed|hard)' || true") == "", "complaints in dmesg")
        m.detach()


def key(m, number):
    attach(m, "picture")
    m.send(" ")
    m.expect(f"picture {chr(65 + number)} is complete", 30)
    m.quiet(0.3)
    m.detach()


def screenshot(m):
    text = m.command("vm picture screenshot", 120)
    expect_in(text, "This is picture|begin-base64")
    return text


def picture(m):
    """Each picture is saved; after the next one it is shown again, and the next one comes again."""
    m.wait_state("picture", ("running", "ready"), 30)
    m.quiet(1)
    for number in range(3):
        before = screenshot(m)
        snapshot(m, "picture")
        key(m, number + 1)
        after = screenshot(m)
        expect_true(before != after, "a key changes nothing")
        restore(m, "picture")
        m.quiet(1)  # until the log has its line about a picture, which would go through the middle of ours
        expect_true(screenshot(m) == before, f"picture {number} is not what it was")
        key(m, number + 1)
    expect_true(screenshot(m) == after, f"picture {number + 1} is not what it was")
    m.command("stop picture")


def main():
    generic = LONG and kernels.debian("generic")
    if LONG and not generic:
        print(f"SKIP {GROUP}/drives (Debian's generic kernel is not to be had)")
    iso = grub_iso(generic)
    vms = [vm for vm in (("bios", "efi") if LONG else ("bios",)) if os.path.exists(IMAGE[vm])]
    for vm in set(IMAGE if LONG else ("bios",)) - set(vms):
        print(f"SKIP {GROUP}/{vm} (no {IMAGE[vm]})")
    yaml = f"system: {GROUP}\nmachine: {{memory: 1G}}\nvms:" + PICTURE.format(build_picture())
    yaml += "".join(FIRMWARE.format(vm, IMAGE[vm], {"bios": "160M", "efi": "512M"}[vm], iso) for vm in vms)
    with System("qemu", guest.image(yaml, GROUP), GROUP) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        check("picture", picture, m)
        for vm in vms:
            if check(vm + "-menu", menu, m, vm) and check(vm + "-goes-on", goes_on, m, vm) and LONG:
                if check(vm + "-once-more", goes_on, m, vm) and generic and vm == "bios":
                    check("drives", drives, m, vm)
            m.command(f"stop {vm}")


if __name__ == "__main__":
    main()
