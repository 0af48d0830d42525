# SPDX-License-Identifier: BSD-2-Clause
"""Boots the system of a system.yaml in both emulators: `./bulkhead test my.yaml`. Each must come to the banner and the
prompt, and every VM must be as it should: running when it has autostart, and never restarted. Prints PASS and FAIL lines (tests/run.sh).
usage: tests/system.py SYSTEM.yaml [EMULATOR...]        Environment: O, the build directory; ROOT, the repository."""

import os
import re
import subprocess
import sys

sys.path.insert(0, os.path.dirname(os.path.abspath(__file__)))
from drive import Machine, Missing, ROOT

OUT = os.environ.get("O", os.path.join(ROOT, "build"))
CONFIG = os.path.join(OUT, "tools/bulkhead-config")
TIMEOUT = {"qemu": 180, "bochs": 400}  # seconds, on a busy machine


def vms(yaml):
    """Name and autostart of each VM, from the device tree that the target gets."""
    dtb = os.path.join(OUT, "system-test.dtb")
    subprocess.run([CONFIG, "--build", OUT, "--dtb", dtb, yaml], check=True)

    def fdtget(*arguments):
        return subprocess.run(["fdtget", *arguments], capture_output=True, text=True, check=True).stdout.split()

    tasks = {name: fdtget("-p", dtb, f"/tasks/{name}") for name in fdtget("-l", dtb, "/tasks")}
    return {name: "autostart" in has for name, has in tasks.items() if "memory" in has}


def boot(emulator, iso, memory, cpus, autostart):
    log = os.path.join(OUT, "log", f"system-{emulator}.log")
    with Machine(emulator, iso, memory=memory, cpus=cpus, log=log) as machine:
        machine.expect("Bulkhead", TIMEOUT[emulator])
        machine.expect("bulkhead> ", TIMEOUT[emulator])  # comes when all VMs are ready, or too slow
        machine.send("list\r")
        machine.expect("NAME +KIND +STATE", 30)
        for name, starts in autostart.items():
            row = machine.expect(rf"(?m)^{re.escape(name)} +vm +(\w+) .* (\d+) *\r?\n", 30)
            if row.group(1) not in (("booting", "running", "ready") if starts else ("stopped",)) or row.group(2) != "0":
                raise Missing(f"the VM {name} is {row.group(1)}, after {row.group(2)} restarts")


def main():
    yaml = sys.argv[1]
    machine = subprocess.run([CONFIG, "--build", OUT, "--machine", yaml], capture_output=True, text=True)
    if machine.returncode:
        print(machine.stderr, end="")
        print("FAIL system/check")
        return
    print("PASS system/check")
    memory = int(re.search(r"memory=(\d+)", machine.stdout).group(1))
    cpus = int(re.search(r"cpus=(\d+)", machine.stdout).group(1))
    iso = os.path.join(OUT, "system-test.iso")
    if subprocess.run([os.path.join(ROOT, "bulkhead"), "image", yaml, "-o", iso]).returncode:
        print("FAIL system/image")
        return
    print("PASS system/image")
    for emulator in sys.argv[2:] or ("qemu", "bochs"):
        try:
            boot(emulator, iso, memory, cpus, vms(yaml))
            print(f"PASS system/{emulator}")
        except Missing as error:
            print(error)
            print(f"FAIL system/{emulator} ({error})")


main()
