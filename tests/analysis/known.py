# SPDX-License-Identifier: BSD-2-Clause
"""Prints the warnings in a tool's output that known.txt does not have: known.py TOOL OUTPUT. Status 1 when there are any."""
import os
import pathlib
import re
import sys

tool, output = sys.argv[1:]
root = pathlib.Path(__file__).resolve().parents[2]
known = []
for number, line in enumerate((root / "tests/analysis/known.txt").read_text().splitlines(), 1):
    if not line or line.startswith("#"):
        continue
    part = [p.strip() for p in line.split(" | ")]
    if len(part) != 5 or not part[4]:
        sys.exit(f"known.txt:{number}: not TOOL | FILE | CHECK | TEXT | REASON")
    known.append(part[:4])

bad, used, seen = 0, set(), set()
for line in pathlib.Path(output).read_text().splitlines():
    found = re.match(r"(\S+?):(\d+):\d+: (warning|error|style|performance|portability|fatal error): (.*)", line)
    if not found or line in seen:
        continue
    seen.add(line)
    path, row, _, message = found.groups()
    path = os.path.relpath(path, root) if path.startswith("/") else path
    check = message[message.rfind("[") + 1 :].rstrip("]").split(",")[0]
    source = (root / path).read_text().splitlines()
    text = source[int(row) - 1] if 0 < int(row) <= len(source) else ""
    for i, entry in enumerate(known):
        if entry[:3] == [tool, path, check] and entry[3] in text:
            used.add(i)
            break
    else:
        bad = 1
        print(f"{path}:{row}: {message}\n    {text.strip()}")
for i, entry in enumerate(known):
    if entry[0] == tool and i not in used:
        print(f"note: known.txt: {tool} no longer says this: {' | '.join(entry[1:])}")
sys.exit(bad)
