# SPDX-License-Identifier: BSD-2-Clause
"""What the end-to-end tests share: a system in an emulator with its prompt and the shells of its guests, and checks that print
the lines of tests/run.sh. A check that fails shows the end of the serial log, and the next one starts at the prompt again."""

import os
import re
import subprocess
import sys
import tempfile
import time

sys.path.insert(0, os.path.join(os.path.dirname(os.path.abspath(__file__)), ".."))
from drive import Machine, Missing, ROOT

OUT = os.environ.get("O") or os.path.join(ROOT, "build")
WORK = os.environ.get("WORK") or tempfile.mkdtemp()
LONG = bool(os.environ.get("LONG"))
PROMPT = "bulkhead> "
TAIL = 25  # lines of the serial log with each failure
SLOW = {"qemu": 1, "bochs": 4}  # timeouts are for QEMU on a busy machine


class System(Machine):
    """A machine at its prompt. Timeouts are in seconds of QEMU's speed."""

    def __init__(self, emulator, iso, name, memory=1024, **more):
        self.slow = SLOW[emulator]
        super().__init__(emulator, iso, memory=memory, log=os.path.join(WORK, name + ".serial"), **more)

    def expect(self, pattern, timeout=60):
        return super().expect(pattern, timeout * self.slow)

    def fresh(self):
        """Forgets what has been printed so far."""
        while True:
            before = len(self.text)
            self.read(0)
            if len(self.text) == before:
                break
        self.at = len(self.text)

    def prompt(self, timeout=60):
        self.expect(re.escape(PROMPT), timeout)

    def command(self, text, timeout=60):
        """What the prompt answers."""
        self.fresh()
        self.send(text + "\r")
        start = self.expect(re.escape(text) + r"\s*\n", timeout).end()
        end = self.expect(re.escape(PROMPT), timeout).start()
        return self.text[start:end].replace("\r", "")

    def attach(self, vm, timeout=60):
        """To the shell of a Linux guest."""
        self.fresh()
        self.send(f"console {vm}\r")
        self.expect(rf"attached to {vm}", timeout)
        self.send("\r")
        self.expect(rf"{vm}:\S*# ", timeout)
        self.quiet(0.2)

    def detach(self, keys="\x1d"):
        self.fresh()
        self.send(keys)
        self.expect(r"\[detached from [a-z0-9-]+\]")
        self.prompt()

    def shell(self, text, timeout=60):
        """Output of a command in the attached guest's shell; the status must be 0."""
        self.fresh()
        self.send(f"echo @@''; {text}; echo @$?''@\r")
        match = self.expect(r"(?s)@@\r?\n(.*?)@(\d+)@\r?\n", timeout)
        output = match.group(1).replace("\r", "")
        expect_true(match.group(2) == "0", f"`{text}` ended with status {match.group(2)}: {output[-200:]!r}")
        return output

    def in_vm(self, vm, text, timeout=60):
        """Attaches, runs one command in the shell, detaches."""
        self.attach(vm, timeout)
        output = self.shell(text, timeout)
        self.detach()
        return output

    def row(self, vm):
        """State and restarts of a task from `list`."""
        match = re.search(rf"(?m)^{re.escape(vm)} +\w+ +(\w+) .* (\d+)\s*$", self.command("list"))
        expect_true(match, f"`list` does not show {vm}")
        return match.group(1), int(match.group(2))

    def wait_state(self, vm, states, timeout=60):
        """Asks until the VM is in one of the states; the row."""
        end = time.monotonic() + timeout * self.slow
        while True:
            row = self.row(vm)
            if row[0] in states:
                return row
            if time.monotonic() > end:
                raise Missing(f"{vm} is {row[0]}, not {' or '.join(states)}, after {timeout} s")
            self.quiet(0.5)

    def recover(self):
        """Back to an empty line of the prompt after a failed check; what ran in a guest's shell is interrupted."""
        self.send("\x03")
        self.quiet(0.5)
        self.send("\x1d")
        self.quiet(1)
        self.send("\x03\r")
        self.quiet(1)
        self.command("time", 30)


def expect_true(condition, why):
    if not condition:
        raise Missing(why)


def expect_in(text, *parts):
    for part in parts:
        expect_true(re.search(part, text), f"{part!r} is not in {text[-600:]!r}")


def image(yaml, name):
    """Builds the ISO of a configuration: the text of one, or the path of one."""
    if "\n" in yaml:
        path = os.path.join(WORK, name + ".yaml")
        with open(path, "w") as out:
            out.write(yaml)
    else:
        path = yaml
    iso = os.path.join(WORK, name + ".iso")
    done = subprocess.run([os.path.join(ROOT, "bulkhead"), "image", path, "-o", iso], stdout=subprocess.PIPE,
                          stderr=subprocess.STDOUT, text=True, env=dict(os.environ, O=OUT))
    if done.returncode:
        print(done.stdout)
        print(f"FAIL {name}/image: it does not build")
        sys.exit(1)
    return iso


def bad_guest():
    """Builds the hostile guest (bad/main.c)."""
    elf = os.path.join(WORK, "bad.elf")
    done = subprocess.run([os.path.join(ROOT, "tests/guest/bad/build.sh"), elf])
    if done.returncode:
        print("FAIL bad/build: it does not build")
        sys.exit(1)
    return elf


def linux_kernel():
    """The newest cloud kernel, which the configurations' pattern names."""
    found = sorted((f for f in os.listdir("/boot") if re.fullmatch(r"vmlinuz-.*-cloud-amd64", f)),
                   key=lambda f: [int(n) for n in re.findall(r"\d+", f)])
    return os.path.join("/boot", found[-1]) if found else None


class Checks:
    """Runs checks on one machine: functions that raise Missing when something is wrong."""

    def __init__(self, group, machine):
        self.group = group
        self.machine = machine

    def tail(self):
        for line in self.machine.text.replace("\r", "").split("\n")[-TAIL:]:
            print("  | " + re.sub(r"[^ -~]", "?", line))

    def __call__(self, name, function, *arguments):
        start = time.monotonic()
        try:
            function(*arguments)
            print(f"PASS {self.group}/{name} ({time.monotonic() - start:.1f} s)", flush=True)
            return True
        except (Missing, BrokenPipeError) as error:
            self.tail()
            print(f"FAIL {self.group}/{name}: {error}", flush=True)
        try:
            self.machine.recover()
        except (Missing, BrokenPipeError) as error:
            self.tail()
            print(f"FAIL {self.group}/prompt: after that the system does not answer: {error}", flush=True)
            sys.exit(1)
        return False
