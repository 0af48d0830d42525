#!/usr/bin/env python3
# SPDX-License-Identifier: BSD-2-Clause
"""Unpacks the ELF kernel out of an LZ4-compressed bzImage. usage: extract-vmlinux.py BZIMAGE OUTPUT
boot.rst: payload_offset (0x248) counts from the protected-mode code, payload_length (0x24c) has the size behind it."""

import struct
import subprocess
import sys


def main():
    with open(sys.argv[1], "rb") as image:
        data = image.read()
    setup = (data[0x1F1] or 4) * 512 + 512
    offset, length = struct.unpack_from("<II", data, 0x248)
    payload = data[setup + offset:setup + offset + length - 4]
    if not payload.startswith(bytes.fromhex("02214c18")):
        sys.exit("not compressed by LZ4")
    with open(sys.argv[2], "wb") as out:
        subprocess.run(["lz4", "-dc"], input=payload, stdout=out, check=True)


main()
