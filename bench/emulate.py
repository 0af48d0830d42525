# SPDX-License-Identifier: BSD-2-Clause
"""Runs a machine in an emulator until what is measured is over, and reads what the counter (bench/count.c) wrote."""

import os
import re
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from drive import Machine, Missing  # noqa: E402

OUT = os.environ.get("O", os.path.join(ROOT, "build"))
WORK = os.path.join(OUT, "bench")


class Counts:
    """Totals at one moment: instructions of kernel, user (all tasks), guest; entries, exits; causes: {enum vcpu_exit: count}."""

    def __init__(self, numbers):
        self.causes = {int(name[5:]): n for name, n in numbers.items() if name.startswith("cause")}
        self.kernel, self.user, self.guest, self.entries, self.exits = (
            numbers[name] for name in ("kernel", "user", "guest", "entries", "exits"))

    def __sub__(self, before):
        numbers = {f"cause{i}": n - before.causes.get(i, 0) for i, n in self.causes.items()}
        for name in ("kernel", "user", "guest", "entries", "exits"):
            numbers[name] = getattr(self, name) - getattr(before, name)
        return Counts(numbers)

    @property
    def host(self):
        return self.kernel + self.user


def read_counts(path):
    """{marker: the last Counts that it gave}; "vmrun" is the first entry of the guest."""
    found = {}
    with open(path) as lines:
        for line in lines:
            what, number, *rest = line.split()
            counts = Counts({name: int(value) for name, value in (pair.split("=") for pair in rest)})
            found[int(number) if what == "mark" else what] = counts
    return found


def count(name, iso, last, memory=1024, timeout=300):
    """Runs the ISO on QEMU with the counter until the marker `last` has come. Returns the markers' counts and the serial line's text."""
    path = os.path.join(WORK, f"{name}.counts")
    open(path, "w").close()
    log = os.path.join(OUT, "log", f"bench-{name}.log")
    # The TSC counts instructions, and a machine that waits does not wait for the wall clock.
    extra = ["-icount", "shift=0,sleep=off", "-plugin", f"{WORK}/count.so,out={path}"]
    end = time.monotonic() + timeout
    with Machine("qemu", iso, memory=memory, log=log, extra=extra) as machine:
        while True:
            alive = machine.read(0.5)
            with open(path) as lines:
                if re.search(rf"^mark {last} .*\n", lines.read(), re.M):
                    break
            if not alive or time.monotonic() > end:
                why = "is over time" if alive else "has ended"
                raise Missing(f"{name}: marker {last} did not come, the emulator {why}; see {log}")
        machine.quiet(0.5)
    return read_counts(path), machine.text


def run_bochs(name, iso, pattern, timeout=120):
    log = os.path.join(OUT, "log", f"bench-{name}.log")
    with Machine("bochs", iso, log=log) as machine:
        machine.expect(pattern, timeout)
    return machine.text
