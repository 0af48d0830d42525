# SPDX-License-Identifier: BSD-2-Clause
"""Runs a system in QEMU until its first prompt and some seconds more, then has its kernel, made with DEBUG=2, print names and
trace. What the serial line carried goes to the log. usage: trace.py ISO MEMORY CPUS SECONDS LOG"""

import os
import sys

sys.path.insert(0, os.path.join(os.path.dirname(os.path.dirname(os.path.abspath(__file__))), "tests"))
from drive import Machine, Missing  # noqa: E402

PROMPT = r"\nbulkhead> "


def main():
    iso, memory, cpus, seconds, log = sys.argv[1:]
    try:
        with Machine("qemu", iso, memory=int(memory), cpus=int(cpus), log=log) as m:
            m.expect(PROMPT, 180)
            m.quiet(int(seconds))
            for command in ("list named", "trace"):
                m.send(f"kernel {command}\r")
                m.expect(rf"kernel {command}")
                m.expect(PROMPT, 120)
    except Missing as missing:
        sys.exit(f"trace: {missing}")


main()
