# SPDX-License-Identifier: BSD-2-Clause
"""Boots the system of a system.yaml in both emulators: `./bulkhead test my.yaml`. Each must come to the banner and the
prompt, and list every VM, none of them crashed. Prints PASS and FAIL lines (tests/run.sh).
usage: tests/system.py SYSTEM.yaml        Environment: O, the build directory; ROOT, the repository."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from drive import Machine, Missing, ROOT

OUT = os.environ.get("O", os.path.join(ROOT, "build"))
CONFIG = os.path.join(OUT, "tools/bulkhead-config")
TIMEOUT = {"qemu": 180, "bochs": 400}  # seconds, on a busy machine


def vm_names(yaml):
    text = subprocess.run([CONFIG, "--check", "--graph", yaml], capture_output=True, text=True, check=True).stdout
    return [name for name in re.findall(r"^console -> (\S+)", text, re.M)]


def boot(emulator, iso, memory, names):
    log = os.path.join(OUT, "log", f"system-{emulator}.log")
    with Machine(emulator, iso, memory=memory, log=log) as machine:
        machine.expect("Bulkhead", TIMEOUT[emulator])
        machine.expect("Starting the VMs", 30)
        machine.send("\r")
        machine.expect(r"bulkhead> ", TIMEOUT[emulator])
        machine.quiet(20)
        machine.send("list\r")
        for name in names:
            row = machine.expect(rf"(?m)^{re.escape(name)} +vm +(\w+)", 60)
            if row.group(1) == "crashed":
                raise Missing(f"the VM {name} has crashed")


def main():
    yaml = sys.argv[1]
    machine = subprocess.run([CONFIG, "--build", OUT, "--machine", yaml], capture_output=True, text=True)
    if machine.returncode:
        print(machine.stderr, end="")
        print("FAIL system/check")
        return
    print("PASS system/check")
    memory = int(re.search(r"memory=(\d+)", machine.stdout).group(1))
    iso = os.path.join(OUT, "system-test.iso")
    if subprocess.run([os.path.join(ROOT, "bulkhead"), "image", yaml, "-o", iso]).returncode:
        print("FAIL system/image")
        return
    print("PASS system/image")
    for emulator in ("qemu", "bochs"):
        try:
            boot(emulator, iso, memory, vm_names(yaml))
            print(f"PASS system/{emulator}")
        except Missing as error:
            print(error)
            print(f"FAIL system/{emulator}")


main()
