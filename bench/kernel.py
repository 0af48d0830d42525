# SPDX-License-Identifier: BSD-2-Clause
"""The kernel alone: IPC, signals, exits with a vmm that only goes on. Measured by bench/target/."""

import os
import re

from emulate import OUT, Missing, count, run_bochs, trace_bochs

# Loop: its marker, and the guest's instructions in a round.
LOOPS = {"ipc": (2, 0), "signal": (4, 0), "wake": (6, 0), "exit_cpuid": (8, 2), "exit_in": (10, 2)}
MARK_DONE = 12
# Interrupts: the marker behind each, and which of the counter's samples is the figure. A guest that ran is left first: counted too.
IRQS = {"idle": (15, "woken"), "user": (17, "woken"), "guest": (19, "woken_from_exit"), "host": (21, "resumed")}
ISO = os.path.join(OUT, "kbench.iso")


def ticks(text, guest):
    """{loop: kernel instructions in a round by the TSC}. `guest`: the guest's instructions that the TSC counts in a round."""
    found = {}
    if not re.search(r"^bench done", text, re.M):
        raise Missing("the kernel's measurements did not end: " + text[-200:])
    for line in re.finditer(r"^bench (\w+) rounds=(\d+) ticks=(\d+) null=(\d+)", text, re.M):
        name, (rounds, total, null) = line[1], map(int, line.groups()[1:])
        found[name] = round((total - null) / rounds) - (guest if LOOPS[name][1] else 0)
    return found


def on_svm():
    """By the counter, and for comparison by the TSC. QEMU's TSC does not count an instruction that exits."""
    marks, text = count("kernel-svm", ISO, MARK_DONE, timeout=120)
    exact = {}
    for name, (mark, _) in LOOPS.items():
        if mark + 1 in marks:
            rounds = int(re.search(rf"bench {name} rounds=(\d+)", text)[1])
            exact[name] = round((marks[mark + 1] - marks[mark]).kernel / rounds)
    return exact, ticks(text, 1), {name: sample(marks, *which) for name, which in IRQS.items()}


def sample(marks, mark, name):
    """(the longest, average, number) of the counter's samples; None when there are too few."""
    numbers = marks[mark].numbers if mark in marks else {}
    n = numbers.get(f"{name}_n", 0)
    return (numbers[f"{name}_max"], numbers[f"{name}_sum"] / n, n) if n >= 100 else None


def on_vmx():
    """By the TSC. Bochs counts an instruction that exits."""
    return ticks(run_bochs("kernel-vmx", ISO, r"bench done|bench failed.*\n|kernel stopped"), 2)


def on_cpus():
    """({CPUs: (round trips of IPC, of raise + wait)} in one interval, (instructions of the sender, ticks there and back) of a signal to
    another CPU), on Bochs with four CPUs: its TSC counts the instructions of one."""
    text = run_bochs("kernel-cpus", ISO, r"bench done|bench failed.*\n|kernel stopped", cpus=4)
    work = {int(cpus): (int(ipc), int(signal)) for cpus, ipc, signal in re.findall(r"^bench cpus=(\d+) ticks=\d+ ipc=(\d+) signal=(\d+)", text, re.M)}
    between = re.search(r"^bench between rounds=(\d+) sender=(\d+) trip=(\d+)", text, re.M)
    if sorted(work) != [1, 2, 4] or not between:
        raise Missing("the measurements on four CPUs did not end: " + text[-200:])
    rounds, sender, trip = map(int, between.groups())
    return work, (sender // rounds, trip // rounds)


def accesses():
    """{exit: (WRMSR, VMREAD + VMWRITE) of one round trip on VMX}, from traces of each instruction on Bochs. The order is that of
    bench/target/exit.c; "linux_...": the guest has Linux' values in STAR, LSTAR and SFMASK, else 0."""
    found = {}
    names = "exit_cpuid", "exit_in", "linux_cpuid", "linux_in"
    for name, text in zip(names, trace_bochs("trace-vmx", ISO, len(names))):
        trips = [(len(re.findall(r"\bwrmsr\b", trip)), len(re.findall(r"\bvm(?:read|write)\b", trip)))
                 for trip in re.split(r"\bvmresume\b", text)[1:-1]]  # from entry to entry
        if not trips or len(set(trips)) != 1:
            raise Missing(f"{name}: the round trips differ: {trips}")
        found[name] = trips[0]
    return found
