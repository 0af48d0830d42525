# SPDX-License-Identifier: BSD-2-Clause
"""Runs a machine in an emulator until what is measured is over, and reads what the counter (bench/count.c) wrote."""

import os
import re
import subprocess
import sys
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from drive import BOCHS_MODEL, Machine, Missing  # noqa: E402

OUT = os.environ.get("O", os.path.join(ROOT, "build"))
WORK = os.path.join(OUT, "bench")


class Counts:
    """Totals at one moment: instructions of kernel, user (all tasks), guest; entries, exits; causes: {enum vcpu_exit: count}."""

    def __init__(self, numbers):
        self.causes = {int(name[5:]): n for name, n in numbers.items() if name.startswith("cause")}
        self.numbers = numbers
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


def kernel_symbols():
    """The kernel's symbols in a file, as `nm -n` prints them, and the address of its vectors as hexadecimal digits."""
    path = os.path.join(WORK, "symbols")
    text = subprocess.run(["nm", "-n", os.path.join(OUT, "bulkhead.elf")], capture_output=True, text=True, check=True).stdout
    with open(path, "w") as out:
        out.write(text)
    return path, re.search(r"^(\w+) . vectors$", text, re.M)[1]


def count(name, iso, last, memory=1024, timeout=300):
    """Runs the ISO on QEMU with the counter until the marker `last` has come. Returns the markers' counts and the serial line's text."""
    path = os.path.join(WORK, f"{name}.counts")
    open(path, "w").close()
    log = os.path.join(OUT, "log", f"bench-{name}.log")
    # The TSC counts instructions, and a machine that waits does not wait for the wall clock.
    extra = ["-icount", "shift=0,sleep=off", "-plugin", f"{WORK}/count.so,out={path},vectors={kernel_symbols()[1]}"]
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


def suite(timeout=150):
    """Runs the kernel's tests with the plugin that looks for long stretches with interrupts off; the lines that it wrote."""
    path = os.path.join(WORK, "irqs-off.txt")
    log = os.path.join(OUT, "log", "bench-irqs-off.log")
    open(path, "w").close()
    # Not with -icount: the tests of the RTC, which follows the wall clock, then fail.
    extra = ["-device", "isa-debug-exit,iobase=0xf4,iosize=4",
             "-plugin", f"{WORK}/irqs_off.so,out={path},symbols={kernel_symbols()[0]}"]
    with Machine("qemu", os.path.join(OUT, "ktest.iso"), memory=512, log=log, extra=extra) as machine:
        machine.wait(timeout)
    if not re.search(r"^ktest: end", machine.text, re.M):
        raise Missing(f"the kernel's tests did not come to their end; see {log}")
    with open(path) as lines:
        return lines.read().splitlines()


def trace_bochs(name, iso, sections, timeout=60):
    """Runs the ISO on Bochs; the instructions, as its debugger prints them, between each two of 2 * sections magic breakpoints."""
    rc = os.path.join(WORK, f"{name}.rc")
    log = os.path.join(OUT, "log", f"bench-{name}.log")
    with open(rc, "w") as out:
        out.write("c\ntrace on\nc\ntrace off\n" * sections + "q\n")
    command = ["bochs-bin", "-q", "-f", os.path.join(ROOT, "tools/bochsrc"), "-rc", rc, f"cpu: model={BOCHS_MODEL}, count=1",
               "memory: guest=512, host=512", "magic_break: enabled=1"]
    text = subprocess.run(command, stdin=subprocess.DEVNULL, capture_output=True, text=True, errors="replace", timeout=timeout,
                          check=False, env=dict(os.environ, ISO=iso, BXLOG=log)).stdout
    found = text.split("Magic breakpoint")[1::2]
    if len(found) != sections:
        raise Missing(f"{name}: the breakpoints did not come; see {log}")
    return found


def run_bochs(name, iso, pattern, timeout=120, cpus=1):
    log = os.path.join(OUT, "log", f"bench-{name}.log")
    with Machine("bochs", iso, cpus=cpus, log=log) as machine:
        machine.expect(pattern, timeout)
    return machine.text
