# SPDX-License-Identifier: BSD-2-Clause
"""The longest stretches of kernel instructions with interrupts off, over the kernel's tests, by what the kernel was asked to do.

As a program: irqs_off.py LIMIT FILE, which bench/irqs_off.c wrote; one line of a test for each."""

import re
import sys

VECTOR_TIMER = 192


def name_of(what):
    """Of a line of bench/irqs_off.c: "sys_map" -> map, "create_task" -> create task, "vector_14" -> exception."""
    kind, _, rest = what.partition("_")
    if kind == "vector":
        number = int(rest)
        return "exception" if number < 32 else "timer interrupt" if number == VECTOR_TIMER else "interrupt"
    return {"fast": "call, reply_wait: fast path", "sys_create": "create, refused"}.get(what, rest if kind == "sys" else f"create {rest}")


def longest(lines):
    """[(name, instructions, the longest when REP counts once, end of the longest, its largest functions)], the longest first."""
    found = {}
    for line in lines:
        match = re.match(r"(\w+) longest=(\d+) once=(\d+) stretches=\d+ end=(\S+) ?(.*)", line)
        if match:
            name, instructions, once = name_of(match[1]), int(match[2]), int(match[3])
            before = found.get(name, (name, 0, 0, "", ""))
            more = (name, instructions, max(once, before[2]), match[4], match[5])
            found[name] = more if instructions > before[1] else (*before[:2], more[2], *before[3:])
    return sorted(found.values(), key=lambda one: -one[1])


def main():
    limit = int(sys.argv[1])
    with open(sys.argv[2]) as lines:
        found = longest(lines)
    if len(found) < 20:
        print(f"FAIL irqs-off (only {len(found)} kinds of stretches were seen)")
    for name, instructions, once, end, inside in found:
        verdict = "PASS" if instructions <= limit else "FAIL"
        print(f"{verdict} irqs-off/{name} ({instructions} instructions, limit {limit}; {once} with REP once; to {end}: {inside})")


if __name__ == "__main__":
    main()
