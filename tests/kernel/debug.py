# SPDX-License-Identifier: BSD-2-Clause
"""A kernel made with DEBUG=2 in QEMU: the commands of its debugger, a trace that babeltrace2 reads, the report of a crash.
usage: debug.py BUILD WORK, with debug.iso in WORK"""

import os
import re
import subprocess
import sys

BUILD, WORK = sys.argv[1:]
ROOT = os.path.dirname(os.path.dirname(os.path.dirname(os.path.abspath(__file__))))
sys.path.insert(0, os.path.join(ROOT, "tests"))
from drive import Machine, Missing  # noqa: E402

PROMPT = "\nbulkhead> "
LOG = os.path.join(WORK, "serial.log")


def check(name, good, why=""):
    print(f"PASS debug/{name}" if good else f"FAIL debug/{name} ({why})", flush=True)


def kernel(m, command):
    m.quiet(0.1)
    m.at = len(m.text)
    m.send(f"kernel {command}\r")
    m.expect("kernel " + re.escape(command))
    begin = m.at
    m.expect(PROMPT, 120)
    return m.text[begin:m.at].replace("\r", "")


def commands(m):
    lists = {
        "pool": r"^\d+\(open\) pool in pool \d+\(root\) of mem \d+.* pages free \d+ of \d+",
        "mem": r"^\d+ mem in pool 1\(root\) RAM 0x[0-9a-f]+\.\.",
        "task": r"^\d+\(secure\) task in pool \d+\(secure\) ranges \d+",
        "guest": r"^\d+\(open\) guest in pool \d+\(open\) .* first thread \d+\(open\)",
        "thread": r"^\d+\(console\) thread in pool \d+\(console\) active \w+ .* priority 50",
        "gate": r"^$",  # the demo has none
        "signal": r"^\d+\(console\) signal .* bits 0x",
        "irq": r"^\d+\(console\) irq .* GSI 4 signal \d+\(console\)",
    }
    for kind, pattern in lists.items():
        answer = kernel(m, f"list {kind}")
        others = [line for line in answer.splitlines() if re.match(r"\d+\S* ", line) and f" {kind} in " not in line]
        check(f"list-{kind}", re.search(pattern, answer, re.M) and not others, f"{answer!r}")
    answer = kernel(m, "show open")
    check("show-name", all(re.search(rf"(?m)^\d+\(open\) {t} ", answer) for t in ("pool", "task", "guest", "thread", "signal"))
          and re.search(r"(?m)^  capability \d+: rights 0x3 \d+\(open\) signal", answer)
          and re.search(r"(?m)^  rip 0x[0-9a-f]+ rsp", answer), f"{answer!r}")
    slot = re.search(r"(?m)^(\d+)\(open\) thread", answer).group(1)
    answer = kernel(m, f"show {slot}")
    check("show-slot", re.search(rf"(?m)^{slot}\(open\) thread .* vcpu ", answer) and answer.count("\n  ") == 3, f"{answer!r}")
    answer = kernel(m, "show 999999")
    check("show-empty", "there is no object in slot 999999" in answer, f"{answer!r}")
    answer = kernel(m, "list named")
    check("names", all(re.search(rf"(?m)^\d+\({name}\) thread in pool", answer) for name in ("root", "console", "open", "secure"))
          and not re.search(r"(?m)^\d+ ", answer), f"{answer!r}")
    answer = kernel(m, "list")
    check("list-what", "list pool, mem, task, guest, thread" in answer, f"{answer!r}")
    answer = kernel(m, "cpus")
    check("cpus", re.search(r"(?m)^cpu 0 .*thread 5\(root\)", answer), f"{answer!r}")
    answer = kernel(m, "ready")
    check("ready", re.search(r"(?m)^cpu 0 priority 60: 5\(root\)$", answer), f"{answer!r}")
    answer = kernel(m, "frobnicate")
    check("unknown", "there is no command frobnicate" in answer, f"{answer!r}")
    answer = kernel(m, "help")
    check("help", all(f"  {word} " in answer for word in ("list", "show", "cpus", "ready", "trace", "crash")), f"{answer!r}")


def babeltrace(directory):
    run = subprocess.run(["babeltrace2", directory], capture_output=True, text=True)
    return run.stdout, run.stderr


def trace(m):
    kernel(m, "list task")  # something that is known to be in it
    kernel(m, "trace")
    directory = os.path.join(WORK, "trace")
    with open(LOG, "rb") as log:
        made = subprocess.run([os.path.join(BUILD, "tools/trace-ctf"), directory], stdin=log, capture_output=True, text=True)
    check("trace-made", made.returncode == 0, made.stderr)
    text, errors = babeltrace(directory)
    check("trace-reads", not errors and text.count("\n") > 1000, f"{errors[-300:]!r}")
    times = re.findall(r"(?m)^\[(\S+)\]", text)
    check("trace-order", times == sorted(times) and len(times) > 1000, "the time stamps are not in order")
    # The operator's command, from the interrupt of the serial line to root's call of the kernel.
    order = (r"interrupt: .* vector = 52,.*\n(?:.*\n)*?"
             r".* raise: .*\"console signal\".* waiter = \( \"console thread\".*\n(?:.*\n)*?"
             r".* switch: .* to = \( \"console thread\".*\n(?:.*\n)*?"
             r".* syscall: .*\"console thread\".* op = \( \"RAISE\".*\n(?:.*\n)*?"
             r".* switch: .* to = \( \"root thread\".*\n(?:.*\n)*?"
             r".* syscall: .*\"root thread\".* op = \( \"HW_CTL\".*\n(?:.*\n)*?"
             r".* result: .*\"root thread\".* op = \( \"HW_CTL\".* status = \( \"OK\"")
    check("trace-events", re.search(order, text), "the way of a command through console and root is not in it")
    for event in ("vm_entry", "vm_exit", "wait"):
        check(f"trace-{event}", f" {event}: " in text, "no such event")


def boot_trace(m):
    """A VM that starts: objects made and destroyed, ranges mapped."""
    m.quiet(0.1)
    for command in ("stop secure", "start secure"):
        m.at = len(m.text)
        m.send(command + "\r")
        m.expect("secure: ", 60)
    kernel(m, "trace")
    directory = os.path.join(WORK, "trace")
    with open(LOG, "rb") as log:
        subprocess.run([os.path.join(BUILD, "tools/trace-ctf"), directory], stdin=log, capture_output=True)
    text, _ = babeltrace(directory)
    for pattern in (r"destroy: .* type = \( \"THREAD\"", r"create: .* type = \( \"GUEST\"", r" map: ", r" unmap: "):
        name = re.sub(r"\W+.*", "", pattern.strip())
        check(f"trace-{name}", re.search(pattern, text), "no such event")


def crash(m):
    m.at = len(m.text)
    m.send("kernel crash\r")
    m.expect("kernel stopped on CPU 0x0", 30)
    m.wait(30)
    begin = m.text.index("*** bulkhead kernel stopped")
    report = m.text[begin:].replace("\r", "")
    registers = ("rip", "rsp", "rflags", "rax", "r15", "cr2", "cr3")
    missing = [r for r in registers if not re.search(rf"\b{r} 0x[0-9a-f]{{16}}", report)]
    check("crash-registers", not missing and "exception 0x000000000000000d" in report, f"{missing} in {report!r}")
    check("crash-names", re.search(r"CPU 0 thread \d+\(root\) of task \d+\(root\)", report), f"{report!r}")
    check("crash-trace", len(re.findall(r"(?m)^@trace 0 ", report)) == 16, "not 16 records")
    named = subprocess.run([sys.executable, os.path.join(ROOT, "tools/symbols.py"), os.path.join(BUILD, "bulkhead.elf")],
                           input=report, capture_output=True, text=True).stdout
    frames = re.findall(r"(?m)^  at 0xf{8}8\S+ <(\w+) at kernel/\S+:\d+>$", named)
    # debug_hw_ctl() called it, in what the compiler put there of run().
    check("crash-backtrace", frames[:1] == ["crash"] and frames[1:2] in (["run"], ["debug_hw_ctl"])
          and frames[2:4] == ["sys_hw_ctl", "syscall_slow"], f"{frames} in {named!r}")


def main():
    try:
        with Machine("qemu", os.path.join(WORK, "debug.iso"), memory=1024, log=LOG,
                     extra=("-device", "isa-debug-exit,iobase=0xf4,iosize=4")) as m:
            m.expect(PROMPT, 180)
            commands(m)
            trace(m)
            boot_trace(m)
            crash(m)
    except Missing as missing:
        check("run", False, missing)


main()
