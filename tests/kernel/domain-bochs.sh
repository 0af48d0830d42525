#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# What the kernel does at a change of security domain, counted in Bochs' trace of the domain tests (test_domain.c): the write
# to PRED_CMD that a processor with it needs, once for each change, none for others and none at a guest's exit.
set -uo pipefail
# shellcheck source=tests/kernel/common.sh
. "$(dirname "$0")/common.sh"

command -v bochs-bin >/dev/null || skip domain "bochs is not installed"
build
python3 - "$O" "$WORK" <<'PYTHON'
import os
import re
import subprocess
import sys

out, work = sys.argv[1:]
sys.path.insert(0, "tests")
# Each 8 rounds. Changes of domain in a round: there and back by a signal, a call of a server and its reply.
WAYS = [("signals within a domain", 0), ("calls within a domain", 0), ("signals to another domain", 16),
        ("calls to another domain", 16), ("exits of a guest", 0)]
nm = subprocess.run(["nm", "-S", f"{out}/bulkhead.elf"], capture_output=True, text=True, check=True).stdout
start, size = (int(x, 16) for x in re.search(r"^(\w+) (\w+) . domain_enter$", nm, re.M).groups())
with open(f"{work}/domain.rc", "w") as rc:
    rc.write("c\ntrace on\nc\ntrace off\n" * len(WAYS) + "q\n")
for model, writes in ("tigerlake", 1), ("corei7_icelake_u", 1), ("corei7_skylake_x", 0):
    text = subprocess.run(
        ["timeout", "120", "bochs-bin", "-q", "-f", "tools/bochsrc", "-rc", f"{work}/domain.rc", f"cpu: model={model}, count=1",
         "memory: guest=512, host=512", "magic_break: enabled=1"], stdin=subprocess.DEVNULL, capture_output=True, text=True,
        errors="replace", check=False, env=dict(os.environ, ISO=f"{out}/ktest.iso", BXLOG=f"{work}/domain.log")).stdout
    found = text.split("Magic breakpoint")[1::2]
    if len(found) != len(WAYS):
        print(f"FAIL domain/{model} ({len(found)} of {len(WAYS)} ways were taken)")
        continue
    for (name, changes), trace in zip(WAYS, found):
        lines = re.findall(r"^\(0\)\.\[\d*\] \[0x(\w+)\] \w+:(\w+) \([^)]*\): (\w+)", trace, re.M)
        if len(lines) < 8 * 20:
            print(f"FAIL domain/{model}: {name} (the trace is empty)")
            continue
        inside = [what for _, at, what in lines if start <= int(at, 16) < start + size]
        got = inside.count("wrmsr")
        all_writes = sum(what == "wrmsr" for _, _, what in lines)
        good = got == changes * writes
        print(f"{'PASS' if good else 'FAIL'} domain/{model}: {name}"
              f" ({got} writes for {changes} changes of domain; {all_writes} WRMSR in all, {len(lines)} instructions)")
PYTHON
