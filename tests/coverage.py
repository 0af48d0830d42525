#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Merges line coverage: coverage.py [-l] MINIMUM KERNEL.elf DIRECTORY with *.gcov (gcov -t) and *.asm (QEMU's -d in_asm).

A line is code when gcov or the debug information says so, and reached when gcov counted it or one of its instructions ran.
"""

import collections
import glob
import os
import re
import subprocess
import sys

NOT_COUNTED = "kernel/x86/vmx/enter.S"  # runs in Bochs only, where assembly has no counters


def read_gcov(path, lines):
    file = None
    with open(path, errors="replace") as f:
        for text in f:
            part = text.split(":", 3)
            if len(part) < 3 or not part[1].strip().isdigit():
                continue
            count, number = part[0].strip(), int(part[1])
            if number == 0:
                if part[2] == "Source":
                    file = part[3].strip()
            elif count != "-" and file and file.startswith("kernel/"):
                lines[file][number] = lines[file].get(number, False) or count[0] not in "#="


def read_emulated(elf, logs, lines):
    ran = set()
    for path in logs:
        with open(path, errors="replace") as f:
            ran.update(int(m[1], 16) for m in (re.match(r"0x([0-9a-f]{16}):", text) for text in f) if m)
    listing = subprocess.run(
        ["objdump", "-d", "-l", "--no-show-raw-insn", "-j", ".text", elf], capture_output=True, text=True, check=True
    ).stdout
    here = None
    for text in listing.splitlines():
        m = re.match(r"(\S+\.[chS]):(\d+)", text)
        if m:
            file = os.path.relpath(os.path.normpath(m[1]))
            here = (file, int(m[2])) if file.startswith("kernel/") else None
            continue
        m = re.match(r" *([0-9a-f]{16}):\t(\w+)", text)
        if m and here and m[2] not in ("nop", "nopw", "nopl", "int3", "xchg"):  # padding belongs to no line
            file, number = here
            lines[file][number] = lines[file].get(number, False) or int(m[1], 16) in ran


def main():
    arguments = sys.argv[1:]
    verbose = "-l" in arguments
    if verbose:
        arguments.remove("-l")
    minimum, elf, directory = float(arguments[0]), arguments[1], arguments[2]
    lines = collections.defaultdict(dict)
    for path in glob.glob(f"{directory}/**/*.gcov", recursive=True):
        read_gcov(path, lines)
    read_emulated(elf, glob.glob(f"{directory}/*.asm"), lines)

    lines.pop(NOT_COUNTED, None)
    reached = total = 0
    for file in sorted(lines):
        hit, count = sum(lines[file].values()), len(lines[file])
        reached, total = reached + hit, total + count
        print(f"{file:28} {hit:4} of {count:4} lines, {100 * hit / count:5.1f} %")
        if verbose:
            with open(file, errors="replace") as f:
                source = f.read().split("\n")
            for number in sorted(n for n in lines[file] if not lines[file][n]):
                print(f"    {file}:{number}: {source[number - 1].strip()}")
    percent = 100 * reached / max(total, 1)
    print(f"{'total':28} {reached:4} of {total:4} lines, {percent:5.1f} %")
    if percent < minimum:
        print(f"FAIL coverage/kernel ({percent:.1f} % of the lines, less than {minimum:.0f} %)")
        return 1
    print("PASS coverage/kernel")
    return 0


sys.exit(main())
