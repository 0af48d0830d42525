# SPDX-License-Identifier: BSD-2-Clause
"""Kernel images that are none: refused on the host when the image is built, and on the target when they went bad after that.
usage: tests/guest/corrupt.py"""

import os
import random
import re
import struct
import subprocess

import guest
from guest import Checks, System, WORK, expect_in, expect_true

GROUP = "corrupt"

HEAD = """
system: corrupt
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
        kernel: {kernel}
        memory: {memory}
        autostart: false
"""


# ---- On the host: each of these must not build, with one line that says why

def refused(name, kernel, memory, *wanted):
    path = os.path.join(WORK, name + ".yaml")
    with open(path, "w") as out:
        out.write(HEAD + VM.format(name=name, kernel=kernel, memory=memory))
    done = subprocess.run([os.path.join(guest.OUT, "tools/bulkhead-config"), "--build", guest.OUT, "--check", path],
                          capture_output=True, text=True)
    text = done.stdout + done.stderr
    good = done.returncode != 0 and all(re.search(part, text) for part in (f"vms.{name}", *wanted))
    if not good:
        print("  | " + text.replace("\n", "\n  | "))
    print(f"{'PASS' if good else 'FAIL'} {GROUP}/host-{name}{'' if good else ': not refused with ' + repr(wanted)}", flush=True)


def host_checks():
    other, empty = (os.path.join(WORK, name) for name in ("other", "empty"))
    with open(other, "wb") as out:
        out.write(b"This is not a kernel.\n" * 100)
    open(empty, "wb").close()
    refused("other", other, "128M", "kernel")
    refused("empty", empty, "128M", "kernel|empty")
    refused("tight", guest.linux_kernel(), "32M", r"too little: kernel and initrd need \d+M")


# ---- On the target: copies of the kernel that are damaged inside of the finished ISO

def patch_magic(image, at):
    image[at + 0x202:at + 0x206] = b"SrdH"


def patch_size(image, at):
    struct.pack_into("<I", image, at + 0x1f4, 0x00ffffff)  # syssize: more than the file has


def patch_memory(image, at):
    struct.pack_into("<I", image, at + 0x260, 0x20000000)  # init_size


def patch_payload(image, at):
    noise = random.Random(1)
    for offset in range(0x200000, 0x300000, 64):
        image[at + offset] = noise.randrange(256)


def patch_entry(image, at):
    """Random code where the kernel begins."""
    setup = (image[at + 0x1f1] or 4) + 1
    begin = at + setup * 512 + 0x200
    image[begin:begin + 4096] = random.Random(2).randbytes(4096)


DAMAGES = {  # name: how, what `bad` is to come to
    "magic": (patch_magic, r"\[magic: gave up: kernel: not a bzImage: no HdrS at 0x202\]"),
    "size": (patch_size, r"\[size: gave up: kernel: truncated: the header promises \d+ bytes, the file has \d+\]"),
    "room": (patch_memory, r"\[room: gave up: kernel: needs \d+ MiB of memory, has \d+\]"),
    "entry": (patch_entry, r"\[entry: (crashed|switched itself off|halted with interrupts off|asked for a reset)"),
    "payload": (patch_payload, None),  # unpacks to nonsense: the kernel itself says so, or crashes
}


def start(m):
    m.expect(r"Bulkhead \d", 120)
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    m.wait_state("good", ("ready",), 60)


def damaged(m, name, outcome):
    m.fresh()
    m.send(f"start {name}\r")
    if outcome:
        m.expect(outcome, 60)
    m.quiet(1 if outcome else 10)
    state = m.row(name)[0]
    if outcome and "gave up" in outcome:
        expect_true(state == "crashed", f"{name} is {state}")
        expect_in(m.command(f"info {name}"), "gave up: kernel: ")
    m.command(f"stop {name}")
    expect_in(m.in_vm("good", "echo $((6*7))"), "^42\n$")


def main():
    path = guest.linux_kernel()
    if not path:
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    with open(path, "rb") as kernel:
        vmlinuz = kernel.read()
    yaml = HEAD
    for i, name in enumerate(DAMAGES):
        # Differs in a string that nobody reads, so that it can be found again.
        copy = bytearray(vmlinuz)
        mark = struct.pack("<II", 0x6b6c7542, i)
        copy[0x20:0x28] = mark
        with open(os.path.join(WORK, name + ".vmlinuz"), "wb") as out:
            out.write(copy)
        yaml += VM.format(name=name, kernel=os.path.join(WORK, name + ".vmlinuz"), memory="128M")
    iso = guest.image(yaml, GROUP)
    host_checks()
    with open(iso, "rb") as source:
        image = bytearray(source.read())
    for i, (name, (patch, _)) in enumerate(DAMAGES.items()):
        at = image.find(vmlinuz[:0x20] + struct.pack("<II", 0x6b6c7542, i))
        if at < 0:
            print(f"FAIL {GROUP}/{name}: its kernel is not in the ISO as it is")
            return
        patch(image, at)
    with open(iso, "wb") as out:
        out.write(image)
    with System("qemu", iso, GROUP) as m:
        check = Checks(GROUP, m)
        if check("start", start, m):
            for name, (_, outcome) in DAMAGES.items():
                check(name, damaged, m, name, outcome)


main()
