#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""gcov's counters out of a kernel that ran: gcda.py KERNEL.elf MEMORY BASE DIRECTORY

The kernel's objects were compiled with gcc 12's --coverage -fprofile-info-section: the section .gcov_info points to a description of
each object's counters. MEMORY is what lay from the address BASE on when it stopped. For each object NAME.o gcov's NAME.gcda
is written beside its NAME.gcno, and gcov's listing into DIRECTORY.
"""

import pathlib
import struct
import subprocess
import sys

MAGIC, FUNCTION, COUNTERS, END = 0x67636461, 0x01000000, 0x01A10000, struct.pack("<I", 0)
MERGE_FUNCTIONS = 8


class Memory:
    def __init__(self, path, base):
        self.bytes, self.base = pathlib.Path(path).read_bytes(), base

    def get(self, layout, address):
        """The values at an address, and the address behind them."""
        size = struct.calcsize("<" + layout)
        return (*struct.unpack_from("<" + layout, self.bytes, address - self.base), address + size)

    def text(self, address):
        start = address - self.base
        return self.bytes[start:self.bytes.index(b"\0", start)].decode()


def gcda(memory, info):
    """Name and contents of the file for one object: struct gcov_info and struct gcov_fn_info of gcc's libgcov."""
    version, _, _, stamp, checksum, name, following = memory.get("IIQIIQ", info)
    if version >> 24 != ord("B"):
        sys.exit("gcda.py: knows the format of gcc 12")
    count, _, functions, _ = memory.get("IIQ", following + 8 * MERGE_FUNCTIONS)
    out = [struct.pack("<IIII", MAGIC, version, stamp, checksum)]
    for i in range(count):
        function = memory.get("Q", functions + 8 * i)[0]
        if not function:
            continue
        _, ident, lines, cfg, number, values, _ = memory.get("QIII4xI4xQ", function)
        out.append(struct.pack("<IIIII", FUNCTION, 12, ident, lines, cfg))
        counters = memory.get(f"{number}Q", values)[:-1]
        out.append(struct.pack(f"<II{number}Q", COUNTERS, 8 * number, *counters))
    return memory.text(name), b"".join(out) + END


def main():
    elf, path, base, directory = sys.argv[1:]
    directory = pathlib.Path(directory)
    directory.mkdir()
    memory = Memory(path, int(base, 16))
    listing = subprocess.run(["objdump", "-h", elf], capture_output=True, text=True, check=True).stdout
    size, start = next((int(line.split()[2], 16), int(line.split()[3], 16)) for line in listing.splitlines() if " .gcov_info " in line)
    for offset in range(0, size, 8):
        name, contents = gcda(memory, memory.get("Q", start + offset)[0])
        pathlib.Path(name).write_bytes(contents)
        text = subprocess.run(["gcov", "-t", name], capture_output=True, text=True, check=True).stdout
        (directory / f"{offset}.gcov").write_text(text)


main()
