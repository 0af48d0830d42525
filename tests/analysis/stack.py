# SPDX-License-Identifier: BSD-2-Clause
"""Bounds the kernel's stacks: stack.py BUILD, where BUILD holds a kernel made with -fstack-usage -fcallgraph-info=su,da.

The call graph is the compiler's (one .ci file per object; its sizes include the return address). What it does not know
is added here: the targets of calls through pointers, read out of the tables in the linked kernel; the assembly functions,
whose pushes are counted; and the ways in, which are the calls in assembly. Whatever is not accounted for is a failure: a
call through a pointer or an address taken that is not named below, a new way in, a frame without a bound, a recursion.
"""
import pathlib
import re
import subprocess
import sys

# Calls through pointers: the function that makes them, and the tables, or the functions themselves, that they may reach.
# Every entry of a table counts for every call through it: which field is called does not matter for a bound.
VIRT = ["vmx_ops", "svm_ops"]
INDIRECT = {
    "syscall_slow": ["calls"],
    "sys_create": ["create"],
    "table_at": ["identity"],
    "arch_guest_init": VIRT,
    "virt_init": VIRT,
    "arch_vcpu_create": VIRT,
    "vcpu_release": VIRT,
    "prepare": VIRT,
    "arch_thread_leave": VIRT,
    "vcpu_syscall": VIRT,
    "interrupt_kernel": ["svm_preempt", "vmx_msrs_leave"], # virt->preempt
}
# The ways in from assembly, by the stack that they begin on.
ROOTS = {
    "cpu": ["syscall_slow", "vcpu_syscall", "interrupt_user", "exception_user", "exception_kernel", "schedule", "idle_check", "kernel_main", "ap_main"],
    "ist": ["interrupt_critical"],
    "boot": ["boot_main"],
}
# Runs on the CPU's stack on top of any of the above, once: interrupts are off in it. (Another fault inside of it is a
# defect of the kernel, which halts; the guard page below the stack makes that certain.)
NESTED = "interrupt_kernel"
# Cycles that are only apparent: (caller, callee) -> why no such call can happen while the callee runs. There are none.
APPARENT = {}
# Assembly that never comes back to its caller and takes a stack of its own, or the user's: what follows is another way in.
LEAVES = {"schedule_on", "syscall_on", "idle_loop", "return_syscall", "return_interrupt"}

failures = []


def fail(text):
    failures.append(text)


def run(*command):
    return subprocess.run(command, check=True, capture_output=True, text=True).stdout


def number(path, name):
    found = re.search(rf"#define {name}\s+(0x[0-9a-f]+)", pathlib.Path(path).read_text())
    return int(found.group(1), 16)


class Kernel:
    """The linked kernel: its symbols and the words of its data."""

    def __init__(self, path):
        self.path = path
        self.symbols = {}  # name without the compiler's suffix -> (address, size)
        self.names = {}  # address -> names of functions
        for line in run("readelf", "-sW", path).splitlines():
            part = line.split()
            if len(part) != 8 or not part[0][:-1].isdigit():
                continue
            address, size, kind, name = int(part[1], 16), int(part[2], 0), part[3], part[7]
            self.symbols.setdefault(re.sub(r"\.\d+$", "", name), (address, size))
            if kind == "FUNC":
                self.names.setdefault(address, set()).add(name)

    def table(self, name):
        address, size = self.symbols[name]
        dump = run("objdump", "-s", f"--start-address={address}", f"--stop-address={address + size}", self.path)
        text = "".join("".join(m.group(1).split()) for m in re.finditer(r"(?m)^ [0-9a-f]+ ((?:[0-9a-f]+ ){1,4})", dump))
        data = bytes.fromhex(text)
        words = [int.from_bytes(data[i : i + 8], "little") for i in range(0, size, 8)]
        return [self.names[word] for word in words if word in self.names]

    def pushed(self, name):
        """Bytes that an assembly function pushes: all of it, as if nothing were popped. Without .size: up to the next symbol."""
        start, size = self.symbols[name]
        end = start + size if size else min(address for address, _ in self.symbols.values() if address > start)
        code = run("objdump", "-d", "--no-show-raw-insn", f"--start-address={start}", f"--stop-address={end}", self.path)
        if re.search(r"(?m)\t(call|enter)\b|\t(mov|lea|sub|and)\w*\s.*,%rsp$", code):
            fail(f"{name}: assembly that calls, or takes stack otherwise than by push")
        return 8 * len(re.findall(r"\tpush", code))


class Graph:
    def __init__(self, build):
        self.size, self.where, self.calls, self.indirect = {}, {}, {}, {}
        self.by_name = {}
        for path in sorted(build.glob("k/kernel/**/*.ci")):
            self.read(path.read_text())

    def read(self, text):
        for title, label, shape in re.findall(r'node: \{ title: "([^"]*)" label: "([^"]*)"( shape : ellipse)? \}', text):
            if shape:
                continue
            name, where, usage = label.split("\\n")[:3]
            size, kind = re.match(r"(\d+) bytes \((.*)\)", usage).groups()
            if kind not in ("static", "dynamic,bounded"):  # bounded: arguments that are pushed; the size has them
                fail(f"{name} ({where}): its frame has no bound ({kind})")
            if not label.endswith("\\n0 dynamic objects"):
                fail(f"{name} ({where}): an array of variable length, or alloca")
            self.size[title], self.where[title] = int(size), where
            self.calls.setdefault(title, set())
            self.by_name.setdefault(name, set()).add(title)
            self.by_name.setdefault(title.split(":")[-1], set()).add(title)
        for source, target, label in re.findall(r'edge: \{ sourcename: "([^"]*)" targetname: "([^"]*)"(?: label: "([^"]*)")? \}', text):
            if target == "__indirect_call":
                self.indirect.setdefault(source, set()).add(label)
            else:
                self.calls.setdefault(source, set()).add(target)


def short(title):
    return re.sub(r"\.(constprop|isra|part|cold).*$", "", title.split(":")[-1])


def resolve_indirect(graph, kernel):
    """Calls through pointers become edges; returns the functions whose address may be taken."""
    allowed = set()
    targets = {}
    for tables in INDIRECT.values():
        for table in tables:
            if table in targets:
                continue
            entries = [kernel.names[kernel.symbols[table][0]]] if table in graph.by_name else kernel.table(table)
            if not entries:
                fail(f"{table}: no function found in this table")
            targets[table] = set()
            for names in entries:
                known = [graph.by_name[n] for n in names if n in graph.by_name]
                if not known:
                    fail(f"{table}: no frame is known of {', '.join(names)}")
                targets[table] |= set().union(*known)
                allowed |= names
    for source, labels in graph.indirect.items():
        if short(source) not in INDIRECT:
            fail(f"{source}: a call through a pointer ({', '.join(sorted(labels))}) that this script does not know")
        for table in INDIRECT.get(short(source), []):
            graph.calls[source] |= targets[table]
    return allowed


def check_addresses(build, kernel, allowed):
    """A function whose address is taken somewhere must be one of those that the tables above hold."""
    every = set().union(*kernel.names.values())
    for path in sorted(build.glob("k/kernel/**/*.o")):
        if not path.with_suffix(".ci").exists():  # assembly: its ways in are checked below
            continue
        functions, sections = {}, {}
        for line in run("readelf", "-SW", str(path)).splitlines():
            if m := re.match(r"\s*\[\s*(\d+)\] (\S+)", line):
                sections[m.group(1)] = m.group(2)
        for line in run("readelf", "-sW", str(path)).splitlines():
            part = line.split()
            if len(part) == 8 and part[3] == "FUNC" and part[6] in sections:
                functions[(sections[part[6]], int(part[1], 16))] = part[7]
        section = ""
        for line in run("readelf", "-rW", str(path)).splitlines():
            if m := re.match(r"Relocation section '\.rela(\S+)'", line):
                section = m.group(1)
            part = line.split()
            # Absolute ones; a call is relative to RIP.
            if section.startswith(".debug") or len(part) < 7 or not re.fullmatch(r"R_X86_64_(64|32S?)", part[2]):
                continue
            addend = int(part[6], 16) * (-1 if part[5] == "-" else 1)
            name = functions.get((part[4], addend)) or (part[4] if part[4] in every else None)
            if name and name not in allowed:
                fail(f"{path.stem}.c: the address of {name} is taken ({section}); which call uses it?")


def check_roots(graph, root):
    """Every C function that assembly calls or jumps to is a known way in, and every way in is called."""
    known, seen = {NESTED, *sum(ROOTS.values(), [])}, set()
    for path in sorted(root.glob("kernel/**/*.[Sc]")):
        for line in path.read_text().splitlines():
            if path.suffix == ".c":
                line = " ".join(re.findall(r'"([^"]*)"', line))
            else:
                line = line.split("//")[0]
            for name in re.findall(r"\b(?:call|jmp|j[a-z]{1,2}|mov|movabs)\s+\$?([a-z_]\w*)", line):
                if name in graph.by_name:
                    seen.add(name)
                    if name not in known:
                        fail(f"{path.name}: assembly calls {name}, a way in that this script does not know")
    for name in known - seen:
        fail(f"{name}: no assembly calls it any more")


def depths(graph, kernel):
    """Deepest stack from each function, and the next function on that path. Fails on recursion."""
    depth, following, active = {}, {}, []

    def visit(title):
        if title in depth:
            return depth[title]
        if title in active:
            cycle = active[active.index(title) :] + [title]
            fail("recursion: " + " -> ".join(short(t) for t in cycle))
            return 0
        if title not in graph.size:
            name = short(title)
            # No call and no stack of its own, or it leaves this one: only its return address, and what it pushes.
            if name in LEAVES:
                depth[title] = 8
            elif name in kernel.symbols:
                depth[title] = 8 + kernel.pushed(name)
            else:
                fail(f"{title}: neither C nor assembly of the kernel")
                depth[title] = 0
            return depth[title]
        active.append(title)
        best = 0
        for callee in sorted(graph.calls[title]):
            if (short(title), short(callee)) in APPARENT:
                continue
            below = visit(callee)
            if below > best:
                best, following[title] = below, callee
        active.pop()
        depth[title] = graph.size[title] + best
        return depth[title]

    for title in list(graph.size):
        visit(title)
    return depth, following


def path_of(graph, depth, following, title):
    steps = []
    while title:
        steps.append(f"{short(title)} {graph.size.get(title, depth[title])}")
        title = following.get(title)
    return " > ".join(steps)


def main():
    build = pathlib.Path(sys.argv[1])
    root = pathlib.Path(__file__).resolve().parents[2]
    kernel, graph = Kernel(str(build / "bulkhead.elf")), Graph(build)
    if len(graph.size) < 100:
        fail(f"only {len(graph.size)} functions in the compiler's call graphs")
    allowed = resolve_indirect(graph, kernel)
    check_addresses(build, kernel, allowed)
    check_roots(graph, root)
    depth, following = depths(graph, kernel)

    # What the processor pushes (SS RSP RFLAGS CS RIP), the stub (error code, vector), the entry's alignment and its call; the processor
    # aligns the stack before it pushes.
    frame = 40 + 16 + 8 + 8
    layout = root / "kernel/x86/layout.h"
    limits = {
        "cpu": number(layout, "CPU_STACK_TOP") - number(layout, "CPU_STACK"),
        "ist": number(layout, "CPU_IST_SIZE"),
        "boot": kernel.symbols["boot_stack_top"][0] - kernel.symbols["boot_pds"][0] - 4 * 4096,
    }

    def worst(names):
        titles = [title for name in names for title in graph.by_name.get(name, ())]
        return max(titles, key=lambda title: depth[title])

    def say(title):
        return f"{depth[title]} bytes: {path_of(graph, depth, following, title)}"

    bounds = {}
    for stack, roots in ROOTS.items():
        for name in roots:
            print(f"{stack}: {say(worst([name]))}")
        bounds[stack] = depth[worst(roots)]
    nested = worst([NESTED])
    print(f"cpu, on top: frame {frame}, alignment 15, {say(nested)}")
    bounds["cpu"] += frame + 15 + depth[nested]
    bounds["ist"] += 40 + 16 + 15 * 8 + 15  # all registers are saved there
    for text in failures:
        print(f"FAIL analysis/stack ({text})")
    for stack, bound in bounds.items():
        word = "PASS" if bound <= limits[stack] and not failures else "FAIL"
        print(f"{word} analysis/stack-{stack} (at most {bound} of {limits[stack]} bytes)")
    return 0


if __name__ == "__main__":
    sys.exit(main())
