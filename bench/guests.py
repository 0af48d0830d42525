# SPDX-License-Identifier: BSD-2-Clause
"""The whole system with one VM: the cost of each exit with its vmm's work, and a Linux from its first instruction to its /init."""

import os
import re

from emulate import ROOT, WORK, count

# What bench/guest/exits.S does between which markers. The counted turn has ROUNDS rounds.
LOOPS = {"cpuid": 4, "in": 6, "in_absent": 8, "lapic_read": 10, "lapic_write": 12, "rdmsr": 14}
MARK_END = 1
MARK_INIT, MARK_MESSAGE, MARK_REQUESTS, MARK_REQUESTS_END = 2, 3, 4, 5
REQUESTS = 2000  # of bench/guest/blk.sh
IPIS = 2000  # of bench/guest/ipi.c


def rounds():
    with open(os.path.join(ROOT, "bench/guest/exits.S")) as source:
        return int(re.search(r"#define ROUNDS (\d+)", source.read())[1])


def exit_names():
    """The names of enum vcpu_exit, in small letters, by number."""
    with open(os.path.join(ROOT, "include/bulkhead/vcpu.h")) as header:
        body = re.search(r"enum vcpu_exit \{(.*?)\}", header.read(), re.S)[1]
    return [name.lower() for name in re.findall(r"^\s*EXIT_(\w+)", body, re.M)]


def exits():
    """{loop: (kernel, vmm instructions for one exit)}"""
    marks, _ = count("exits", f"{WORK}/exits.iso", MARK_END, memory=512, timeout=120)
    found = {}
    for name, mark in LOOPS.items():
        spent = marks[mark + 1] - marks[mark]
        if spent.exits >= rounds():  # else what was meant to exit did not
            found[name] = (spent.kernel / rounds(), spent.user / rounds())
    return found


def linux():
    """What was spent from the guest's first instruction to the first of its first process, and to /init's message."""
    marks, _ = count("linux", f"{WORK}/linux.iso", MARK_MESSAGE, timeout=600)
    return marks[MARK_INIT] - marks["vmrun"], marks[MARK_MESSAGE] - marks["vmrun"]


def virtio_blk():
    """What was spent for the requests to a virtio block device, and to the first instruction of init and to /init's message of a
    Linux that has virtio devices."""
    marks, _ = count("virtio", f"{WORK}/virtio.iso", MARK_REQUESTS_END, timeout=600)
    return marks[MARK_REQUESTS_END] - marks[MARK_REQUESTS], marks[MARK_INIT] - marks["vmrun"], marks[MARK_MESSAGE] - marks["vmrun"]


def interrupts(name):
    """What was spent between the marks of the guest's workload `name`: tick or ipi."""
    marks, _ = count(name, f"{WORK}/{name}.iso", MARK_REQUESTS_END, timeout=600)
    return marks[MARK_REQUESTS_END] - marks[MARK_REQUESTS]


def by_cause(counts):
    """{name: exits}, the most frequent first. `host`: interrupts of the host, which the kernel answers without the vmm."""
    names = exit_names()
    found = {names[i]: n for i, n in counts.causes.items() if n}
    found["host"] = counts.exits - sum(found.values())
    return dict(sorted(found.items(), key=lambda item: -item[1]))
