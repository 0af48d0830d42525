# SPDX-License-Identifier: BSD-2-Clause
"""Drives a system in an emulator over its serial line: start, wait for text, type. For tests and measurements.

    with Machine("qemu", iso, log=path) as m:
        m.expect("Bulkhead", timeout=60)
        m.send("list\\r")

Everything that the line prints goes to the log. Emulators are ended when the `with` block is left, however it is left."""

import os
import re
import select
import signal
import socket
import subprocess
import tempfile
import time

ROOT = os.path.dirname(os.path.dirname(os.path.abspath(__file__)))
QEMU_MODEL = "EPYC,+svm,+npt"
BOCHS_MODEL = "corei7_skylake_x"
# For images that a test makes: few models of Bochs tell that they are free of Meltdown.
os.environ.setdefault("KERNEL_OPTIONS", "accept=meltdown apic=software")


class Missing(Exception):
    """What was expected did not come: the message says what, and the end of what came instead."""


def qemu_command(iso, memory=1024, model=None, cpus=1, extra=()):
    return ["qemu-system-x86_64", "-accel", "tcg", "-cpu", model or QEMU_MODEL, "-m", str(memory), "-smp", str(cpus),
            "-nodefaults", "-no-user-config", "-display", "none", "-monitor", "none", "-serial", "stdio", "-no-reboot",
            "-cdrom", iso, *extra]


def free_port():
    with socket.socket() as probe:
        probe.bind(("127.0.0.1", 0))
        return probe.getsockname()[1]


class Machine:
    """emulator: "qemu" or "bochs". memory in MiB. extra: more arguments of the emulator."""

    def __init__(self, emulator, iso, memory=1024, model=None, cpus=1, log=None, extra=()):
        self.text = ""  # all output so far
        self.at = 0  # what expect() has not looked at yet
        self.log = open(log or os.devnull, "wb")
        self.work = tempfile.TemporaryDirectory()
        self.line = None
        if emulator == "qemu":
            self.start(qemu_command(iso, memory, model, cpus, extra), None)
        else:
            self.start_bochs(iso, memory, model, cpus, extra)

    def start(self, command, environment):
        # A group of its own, so that the emulator and what it starts are ended together.
        self.process = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE,
                                        stderr=subprocess.DEVNULL, env=environment, start_new_session=True)

    def start_bochs(self, iso, memory, model, cpus, extra):
        for _ in range(3):  # another program may take the port, or the one of Bochs' display, at the same moment
            if self.try_bochs(iso, memory, model, cpus, extra):
                return
            self.end_process()
        with open(os.path.join(self.work.name, "log"), "rb") as log:
            raise Missing(f"Bochs does not listen on its serial port; its log ends: {log.read()[-300:]!r}")

    def try_bochs(self, iso, memory, model, cpus, extra):
        port = free_port()
        commands = os.path.join(self.work.name, "commands")
        with open(commands, "w") as out:
            out.write("c\nq\n")
        environment = dict(os.environ, ISO=os.path.abspath(iso), BXLOG=os.path.join(self.work.name, "log"))
        self.start(["bochs-bin", "-q", "-f", os.path.join(ROOT, "tools/bochsrc"), "-rc", commands,
                    f"cpu: model={model or BOCHS_MODEL}, count={cpus}",
                    f"memory: guest={memory}, host={min(memory, 2048)}",
                    f"com1: enabled=1, mode=socket-server, dev=127.0.0.1:{port}", *extra], environment)
        for _ in range(200):  # Bochs waits with the start until someone connects
            if self.process.poll() is not None:
                return False
            try:
                self.line = socket.create_connection(("127.0.0.1", port))
                return True
            except OSError:
                time.sleep(0.1)
        return False

    def read(self, seconds):
        """Takes what the line prints within the time; False when the emulator has ended."""
        source = self.line or self.process.stdout
        ready, _, _ = select.select([source], [], [], max(0, seconds))
        if not ready:
            return True
        try:
            data = os.read(source.fileno(), 65536)
        except OSError:
            data = b""
        self.log.write(data)
        self.log.flush()
        self.text += data.decode("latin-1")
        return bool(data)

    def expect(self, pattern, timeout=60):
        """Waits for a regular expression behind the last one that was found; returns the match."""
        end = time.monotonic() + timeout
        alive = True
        while True:
            match = re.compile(pattern).search(self.text, self.at)
            if match:
                self.at = match.end()
                return match
            left = end - time.monotonic()
            if left <= 0 or not alive:
                why = "the emulator ended" if not alive else f"not within {timeout} s"
                raise Missing(f"{pattern!r} did not come ({why}); the last output: {self.text[-300:]!r}")
            alive = self.read(left)

    def quiet(self, seconds):
        """Reads on for this long."""
        end = time.monotonic() + seconds
        while time.monotonic() < end and self.read(end - time.monotonic()):
            pass

    def send(self, text):
        data = text.encode("latin-1")
        if self.line:
            self.line.sendall(data)
        else:
            self.process.stdin.write(data)
            self.process.stdin.flush()

    def wait(self, timeout):
        """Waits until the emulator ends by itself; its exit status."""
        end = time.monotonic() + timeout
        while self.process.poll() is None:
            if time.monotonic() > end:
                raise Missing(f"the emulator did not end within {timeout} s")
            self.read(0.2)
        return self.process.returncode

    def end_process(self):
        if self.process.poll() is None:
            try:
                os.killpg(self.process.pid, signal.SIGKILL)
            except ProcessLookupError:
                pass
        self.process.wait()

    def close(self):
        self.end_process()
        if self.line:
            self.line.close()
        self.log.close()
        self.work.cleanup()

    def __enter__(self):
        return self

    def __exit__(self, *_):
        self.close()
