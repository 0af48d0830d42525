# SPDX-License-Identifier: BSD-2-Clause
"""Guests with a screen and a keyboard: GRUB Invaders is played, memtest86+ shows its screen, GRUB's menu comes through SeaBIOS with
its VGA BIOS, and through OVMF as a picture. What the console shows is put together by a terminal of 25 rows here.
usage: tests/guest/screen.py"""

import base64
import os
import re
import struct
import subprocess
import time
import zlib

import guest
from guest import Checks, LONG, Missing, System, WORK, expect_in, expect_true

GROUP = "screen"
INVADERS, MEMTEST = "/boot/invaders.exec", "/boot/memtest86+x64.bin"
SEABIOS, VGABIOS, OVMF = ("/usr/share/seabios/bios-256k.bin", "/usr/share/seabios/vgabios-stdvga.bin", "/usr/share/ovmf/OVMF.fd")
GRUB = "set timeout=600\nmenuentry 'first entry' {\n true\n}\nmenuentry 'second entry' {\n echo chose two\n sleep 600\n}\n"
VM = {
    "invaders": (INVADERS, "kernel: {0}, memory: 32M, devices: [vga]"),
    "memtest": (MEMTEST, "kernel: {0}, memory: 8M, autostart: false, devices: [vga]"),
    "bios": (VGABIOS, "firmware: " + SEABIOS + ", modules: [{0}], memory: 32M, autostart: false, "
             "devices: [vga, {{virtio-blk: {{image: {1}, readonly: true}}}}]"),
    "efi": (OVMF, "firmware: {0}, memory: 128M, autostart: false, devices: [vga, {{virtio-blk: {{image: {1}, readonly: true}}}}]"),
}


class Terminal:
    """What a terminal shows of some output: characters by rows, and which colours were used."""

    def __init__(self):
        self.rows, self.row, self.column = [[" "] * 132 for _ in range(60)], 0, 0
        self.colors = set()

    def feed(self, text):
        for part in re.finditer(r"\x1b\[([?0-9;]*)([A-Za-z])|(.)", text, re.S):
            arguments, final, character = part.groups()
            if final == "H":
                at = [int(n or 1) for n in (arguments or "1;1").split(";")]
                self.row, self.column = at[0] - 1, at[1] - 1
            elif final == "J":
                self.rows = [[" "] * 132 for _ in range(60)]
            elif final == "m":
                self.colors.update(arguments.split(";"))
            elif character == "\r":
                self.column = 0
            elif character == "\n":
                self.row = min(self.row + 1, 59)
            elif character and self.column < 132:
                self.rows[self.row][self.column] = character
                self.column += 1
        return "\n".join("".join(row).rstrip() for row in self.rows[:25])


def screenshot(m, vm):
    return m.command(f"vm {vm} screenshot", 120)


def wait_screen(m, vm, pattern, timeout=60):
    """Until the screen shows it."""
    end = time.monotonic() + timeout
    while True:
        text = screenshot(m, vm)
        if re.search(pattern, text):
            return text
        if time.monotonic() > end:
            raise Missing(f"the screen of {vm} does not show {pattern!r}: {text[-900:]!r}")
        m.quiet(1)


def keys(m, vm, *strokes):
    m.fresh()
    m.send(f"console {vm}\r")
    m.expect("attached to")
    m.quiet(0.5)
    begin = len(m.text)
    for stroke in strokes:
        m.send(stroke)
        m.quiet(0.4)
    m.quiet(0.5)
    drawn = m.text[begin:]
    m.detach()
    return drawn


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt()


def invaders(m):
    """The game goes on, a shot is fired, the ship moves."""
    wait_screen(m, "invaders", r"-\*-|INVADERS|invaders|SPACE|Space")
    terminal = Terminal()
    shown = terminal.feed(keys(m, "invaders", "\x0c", " ", "\r", "\x1b[C", "\x1b[C", " ", " "))
    expect_in(shown, r"-\*")
    expect_true(terminal.colors & {"36", "96"} and terminal.colors & {"31", "91"}, f"its colours are {sorted(terminal.colors)}")
    first = screenshot(m, "invaders")
    m.quiet(2)
    expect_true(first != screenshot(m, "invaders"), "it does not move")
    m.command("stop invaders")


def memtest(m):
    m.command("start memtest")
    text = wait_screen(m, "memtest", r"Memtest86\+", 60)
    text = wait_screen(m, "memtest", r"Test #[2-9]|Test #1\d", 150)
    expect_in(text, r"Errors: 0", r"Testing")
    m.command("stop memtest")


def bios(m):
    m.command("start bios")
    wait_screen(m, "bios", r"GNU GRUB[^$]*second entry", 120)
    keys(m, "bios", "\x1b[B", "\r")
    wait_screen(m, "bios", "chose two")
    m.command("stop bios")


def png(text):
    """Width, height, and the number of different colours of a picture in base64; every checksum is checked."""
    match = re.search(r"begin-base64 644 \S+\n(.*?)\n====", text, re.S)
    expect_true(match, f"no picture in {text[:200]!r}")
    data = base64.b64decode(match.group(1))
    expect_true(data[:8] == b"\x89PNG\r\n\x1a\n", "no PNG")
    at, packed = 8, b""
    while at < len(data):
        length, kind = struct.unpack(">I4s", data[at:at + 8])
        body = data[at + 8:at + 8 + length]
        expect_true(zlib.crc32(kind + body) == struct.unpack(">I", data[at + 8 + length:at + 12 + length])[0], "a wrong checksum")
        if kind == b"IHDR":
            width, height = struct.unpack(">II", body[:8])
        elif kind == b"IDAT":
            packed += body
        at += 12 + length
    raw, above, colors = zlib.decompress(packed), bytes(3 * width), set()
    for y in range(height):
        line = raw[y * (1 + 3 * width) + 1:(y + 1) * (1 + 3 * width)]
        above = bytes((a + b) & 255 for a, b in zip(line, above))
        colors.update(above[i:i + 3] for i in range(0, 3 * width, 3))
    return width, height, len(colors)


def efi(m):
    m.command("start efi")
    text = wait_screen(m, "efi", "begin-base64", 120)
    m.quiet(10)
    width, height, colors = png(screenshot(m, "efi"))
    print(f"  a picture of {width} x {height} with {colors} colours")
    expect_true(width >= 640 and height >= 480 and colors >= 2, "nothing is on it")
    m.command("stop efi")


def grub_iso():
    tree, iso = os.path.join(WORK, "screen-grub"), os.path.join(WORK, "screen-grub.iso")
    os.makedirs(os.path.join(tree, "boot/grub"), exist_ok=True)
    with open(os.path.join(tree, "boot/grub/grub.cfg"), "w") as out:
        out.write(GRUB)
    subprocess.run(["grub-mkrescue", "--compress=no", "-o", iso, tree], check=True, stdout=subprocess.DEVNULL,
                   stderr=subprocess.DEVNULL)
    return iso


def main():
    iso = grub_iso()
    checks = {"invaders": invaders, "memtest": memtest, "bios": bios, "efi": efi}
    yaml = "system: screen\nmachine: {memory: 512M}\nvms:\n"
    for name, (path, text) in VM.items():
        if not os.path.exists(path):
            print(f"SKIP {GROUP}/{name} (no {path})")
            del checks[name]
        elif name == "efi" and not LONG:
            del checks[name]
        else:
            yaml += f"    {name}: {{{text.format(path, iso)}}}\n"
    with System("qemu", guest.image(yaml, GROUP), GROUP, memory=512) as m:
        check = Checks(GROUP, m)
        if check("start", start, m):
            for name, function in checks.items():
                check(name, function, m)


main()
