# SPDX-License-Identifier: BSD-2-Clause
"""The longest stretches of kernel instructions with interrupts off, over the kernel's tests, by what the kernel was asked to do."""

import re

from emulate import suite

VECTOR_TIMER = 224


def name_of(what):
    """Of a line of bench/irqs_off.c: "sys_map" -> map, "create_task" -> create task, "vector_14" -> exception."""
    kind, _, rest = what.partition("_")
    if kind == "vector":
        number = int(rest)
        return "exception" if number < 32 else "timer interrupt" if number == VECTOR_TIMER else "interrupt"
    return {"fast": "call, reply_wait: fast path", "sys_create": "create, refused"}.get(what, rest if kind == "sys" else f"create {rest}")


def longest():
    """[(name, instructions, the longest when REP counts once, end of the longest, its largest functions)], the longest first."""
    found = {}
    for line in suite():
        match = re.match(r"(\w+) longest=(\d+) once=(\d+) stretches=\d+ end=(\S+) ?(.*)", line)
        if match:
            name, instructions, once = name_of(match[1]), int(match[2]), int(match[3])
            before = found.get(name, (name, 0, 0, "", ""))
            more = (name, instructions, max(once, before[2]), match[4], match[5])
            found[name] = more if instructions > before[1] else (*before[:2], more[2], *before[3:])
    return sorted(found.values(), key=lambda one: -one[1])
