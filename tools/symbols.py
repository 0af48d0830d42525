# SPDX-License-Identifier: BSD-2-Clause
"""Copies a log from standard input and puts function, file and line behind each address of the kernel's text.
usage: symbols.py KERNEL.ELF < LOG"""

import re
import subprocess
import sys

ADDRESS = re.compile(r"0xffffffff8[0-9a-f]{7}\b")


def resolve(elf, addresses):
    """{address: "function at file:line"} for those in the text."""
    wanted = sorted(addresses)
    if not wanted:
        return {}
    output = subprocess.run(["addr2line", "-f", "-e", elf], input="\n".join(hex(a) for a in wanted), text=True,
                            capture_output=True, check=True).stdout.splitlines()
    names = {}
    for address, function, place in zip(wanted, output[::2], output[1::2]):
        if function != "??":
            place = re.sub(r"^.*/(?=(kernel|include)/)", "", place)
            names[address] = f"{function} at {re.sub(r' .discriminator.*', '', place)}"
    return names


def main():
    lines = [line.rstrip("\r") for line in sys.stdin.buffer.read().decode("latin-1").rstrip("\n").split("\n")]
    stopped = {a for line in lines for a in re.findall(r"\brip (0x[0-9a-f]{16})", line)}

    def address(line, text):
        # A return address is behind its call. Where the processor stopped is exact.
        return int(text, 16) - (line.startswith("  at ") and text not in stopped)

    names = resolve(sys.argv[1], {address(line, text) for line in lines for text in ADDRESS.findall(line)})
    for line in lines:
        def name(match, line=line):
            text = names.get(address(line, match.group()))
            return f"{match.group()} <{text}>" if text else match.group()
        print(ADDRESS.sub(name, line))


main()
