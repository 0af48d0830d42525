# SPDX-License-Identifier: BSD-2-Clause
"""A vmm that itself goes wrong (fault/main.c): root says which task, where and why, takes its memory back, starts it again if
system.yaml says so; the others do not notice. usage: tests/guest/fault.py"""

import glob
import os
import subprocess
import sys

import guest
from guest import OUT, ROOT, WORK, Checks, System, expect_in, expect_true

GROUP = "vmm-fault"

YAML = """
system: fault
machine: {memory: 1G}
vms:
    good:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet hostname=good"
        memory: 192M
        cpu: {hide: [cx16]}
"""
VM = """
    {name}:
        kernel: /boot/vmlinuz-*-cloud-amd64
        cmdline: "{name}"
        memory: 96M
        autostart: false
        on-crash: {crash}
"""
FAULTS = {  # kind, on-crash, what root says
    "write": ("restart", "#PF at 0x[0-9a-f]+, address 0x8, error 0x6"),
    "jump": ("stop", "#PF at 0x123456, address 0x123456, error 0x1?4"),
    "invalid": ("stop", "#UD at 0x[0-9a-f]+, "),
    "privileged": ("stop", "#GP at 0x[0-9a-f]+, "),
    "port": ("stop", "#GP at 0x[0-9a-f]+, "),
    "upper": ("stop", "#PF at 0x[0-9a-f]+, address 0xffffffff80100000, error 0x[67]"),
}


def build():
    """A build directory like the true one, its vmm.elf replaced."""
    build_dir, u = os.path.join(WORK, "build"), os.path.join(OUT, "u")
    os.makedirs(os.path.join(build_dir, "tools"), exist_ok=True)
    for name in ("bulkhead.elf", "root.elf", "console.elf", "initrd", "tools/bulkhead-config"):
        link = os.path.join(build_dir, name)
        if not os.path.lexists(link):
            os.symlink(os.path.join(OUT, name), link)
    objects = [o for o in glob.glob(u + "/vmm/*.o") if os.path.basename(o) != "main.o"] + glob.glob(u + "/lib/*.o")
    flags = ("-std=gnu17 -O2 -ffreestanding -fno-stack-protector -fno-pic -mno-red-zone -mgeneral-regs-only -Wno-array-bounds "
             "-mcmodel=small -Iinclude -Ilib/include").split()
    link = ("-nostdlib -static -no-pie -Wl,--build-id=none -Wl,-z,noexecstack -Wl,-z,max-page-size=4096 "
            "-Wl,--no-warn-rwx-segments -Wl,-T,lib/task.lds").split()
    elf = os.path.join(build_dir, "vmm.elf")
    for command in (["objcopy", "--redefine-sym", "main=true_main", u + "/vmm/main.o", WORK + "/true.o"],
                    ["gcc", *flags, "-c", "tests/guest/fault/main.c", "-o", WORK + "/fault.o"],
                    ["gcc", *link, "-o", elf + ".tmp", WORK + "/fault.o", WORK + "/true.o", *objects],
                    ["objcopy", "--set-section-flags", ".bss=alloc,load,contents", elf + ".tmp", elf]):
        done = subprocess.run(command, cwd=ROOT)
        if done.returncode:
            print(f"FAIL {GROUP}/build: the stand-in vmm does not build")
            sys.exit(1)
    return build_dir


def image(yaml):
    guest.image(yaml, GROUP)  # builds all that is linked here
    iso = os.path.join(WORK, GROUP + "-stand-in.iso")
    done = subprocess.run(["bash", "-c", '. tools/image.sh; name=fault; write_iso "$1" "$2"', "-",
                           os.path.join(WORK, GROUP + ".yaml"), iso], cwd=ROOT, env=dict(os.environ, O=build()),
                          stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)
    if done.returncode:
        print(done.stdout)
        print(f"FAIL {GROUP}/image: it does not build")
        sys.exit(1)
    return iso


def start(m):
    m.expect(r"Bulkhead \d", 120)
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    m.wait_state("good", ("ready",), 60)


def faults(m, name, crash, said):
    m.fresh()
    m.send(f"start {name}\r")
    times = 6 if crash == "restart" else 1
    for _ in range(times):
        m.expect(rf"\[{name}: fault {said}")
    if crash == "restart":
        m.expect(rf"\[{name}: not started again: that was 5 times in a minute\]")
    m.quiet(1)
    row = m.row(name)
    expect_true(row == ("crashed", times - 1), f"{name} is {row}")
    expect_in(m.command(f"info {name}"), "fault " + said, "0B of memory")
    expect_in(m.in_vm("good", "echo $((6*7))"), "^42\n$")


def spins(m):
    """A vmm that does nothing but compute: it takes its share, the operator and the others have theirs."""
    m.command("start spin")
    expect_in(m.in_vm("good", "echo $((6*7))"), "^42\n$")
    expect_true(m.row("spin")[0] in ("created", "running"), "`spin` does not run")
    expect_in(m.command("stop spin"), "spin: stopped")


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    yaml = YAML + "".join(VM.format(name=name, crash=crash) for name, (crash, _) in FAULTS.items())
    iso = image(yaml + VM.format(name="spin", crash="stop"))
    with System("qemu", iso, GROUP, memory=1024) as m:
        check = Checks(GROUP, m)
        if check("start", start, m):
            for name, (crash, said) in FAULTS.items():
                check(name, faults, m, name, crash, said)
            check("spin", spins, m)


main()
