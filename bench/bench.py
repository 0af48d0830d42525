# SPDX-License-Identifier: BSD-2-Clause
"""Measures and prints: ./bulkhead bench [--json]. docs/performance.md says how and what it means.

A figure that could not be measured is absent, and the exit status is 1."""

import json
import subprocess
import sys
import time

import guests
import irqs_off
import kernel
import sizes
from emulate import Missing, suite

FIGURES = {}  # key: value, as --json prints it
ROWS = []  # (heading,) or (what, measured, target, peers)
FAILED = []


def part(text, measure):
    """Runs one measurement; None when it fails."""
    start = time.monotonic()
    print(f"bench: {text}", file=sys.stderr, end=" ... ", flush=True)
    try:
        result = measure()
    except (Missing, KeyError, ValueError, OSError, TypeError, subprocess.SubprocessError) as error:
        FAILED.append(text)
        print(f"failed: {error!r}", file=sys.stderr)
        return None
    print(f"{time.monotonic() - start:.0f} s", file=sys.stderr)
    return result


def heading(text):
    ROWS.append((text,))


def row(what, value, target=None, peers="", key=None, text=None):
    """`target`: the largest value that is wanted. `text`: how to print the value."""
    if value is None:
        return
    if key:
        FIGURES[key] = value
    mark = "" if target is None else f"<= {target:,}" + ("" if value <= target else "  MISSED")
    ROWS.append((what, text or f"{value:,}", mark, peers))


def measure_kernel():
    svm = part("the kernel on SVM (QEMU)", kernel.on_svm)
    vmx = part("the kernel on VMX (Bochs)", kernel.on_vmx)
    exact, by_ticks, irqs = svm or ({}, {}, {})
    accesses = part("registers of VMX (Bochs, traced)", kernel.accesses) or {}
    vmx = vmx or {}
    heading("Kernel alone: kernel instructions")
    row("IPC round trip between two tasks", exact.get("ipc"), 140, "NOVA 274, seL4 451, Hedron 575, L4Re ~1,170", "ipc_round_trip")
    row("raise + wait, same thread", exact.get("signal"))
    row("raise -> other task's thread -> back", exact.get("wake"))
    peers = "NOVA 466 / 569"
    row("exit -> vmm -> resume, SVM, CPUID", exact.get("exit_cpuid"), 260, peers, "exit_round_trip_svm")
    row("exit -> vmm -> resume, SVM, IN", exact.get("exit_in"), 260, peers)
    row("exit -> vmm -> resume, VMX, CPUID", vmx.get("exit_cpuid"), 300, peers, "exit_round_trip_vmx")
    row("exit -> vmm -> resume, VMX, IN", vmx.get("exit_in"), 300, peers)
    for name, what in (("linux_cpuid", "CPUID"), ("linux_in", "IN")):
        wrmsr, vmcs = accesses.get(name, (None, None))
        row(f"WRMSR in one exit of Linux, VMX, {what}", wrmsr, 2)
        row(f"VMREAD + VMWRITE in it, {what}", vmcs, 8, "NOVA 8 / 11")
    if accesses:  # the larger of CPUID and IN
        row("WRMSR, guest with other syscall MSRs", max(accesses[name][0] for name in ("exit_cpuid", "exit_in")))
        FIGURES["wrmsr_per_exit_vmx"], FIGURES["vmcs_accesses_per_exit"] = (
            max(n) for n in zip(accesses["linux_cpuid"], accesses["linux_in"]))
    measure_interrupts(irqs)
    for name in exact:
        note = "" if abs(exact[name] - by_ticks.get(name, 0)) <= 1 else "  (they differ)"
        print(f"bench: {name}: by the counter {exact[name]}, by the TSC {by_ticks.get(name)} on SVM,"
              f" {vmx.get(name)} on VMX{note}", file=sys.stderr)


def measure_interrupts(irqs):
    heading("Interrupts, SVM: kernel instructions; the longest of some 250")

    def irq_row(what, name, target, key=None):
        if irqs.get(name):
            row(what, irqs[name][0], target, "", key)

    irq_row("irq -> thread of another task, idle", "idle", 160)
    irq_row("irq -> thread of another task", "user", 160, "irq_to_thread")
    irq_row("irq -> the same, a guest ran", "guest", 260, "irq_to_thread_from_guest")
    irq_row("irq while a guest runs -> guest", "host", 150, "host_irq_in_guest")


def measure_cpus():
    found = part("IPC and signals on several CPUs (Bochs)", kernel.on_cpus)
    if not found:
        return
    work, (sender, trip) = found
    heading("Several CPUs (Bochs): work in one interval of 500,000 instructions a CPU, each CPU with threads of its own")
    for what, i in (("IPC round trips", 0), ("raise + wait", 1)):
        for cpus, done in work.items():
            row(f"{what}, {cpus} CPU{'s' * (cpus > 1)}", done[i], text=f"{done[i]:,} ({done[i] / work[1][i]:.2f} x)")
    row("raise for a waiter on another CPU", sender)
    row("there and back, instruction times", trip)
    FIGURES["scaling_ipc_4_cpus"], FIGURES["scaling_signal_4_cpus"] = (round(work[4][i] / work[1][i], 2) for i in (0, 1))
    FIGURES["cross_cpu_raise"], FIGURES["cross_cpu_round_trip"] = sender, trip


def measure_irqs_off():
    found = part("the kernel's tests, interrupts off (QEMU)", lambda: irqs_off.longest(suite()))
    if not found:
        return
    heading("Longest stretch with interrupts off, by system call, SVM, the kernel's tests\n"
            "  (kernel instructions; a REP instruction counts for each element; in brackets: once)")
    for name, instructions, once, end, inside in found:
        row(name, instructions, 1500, inside, text=f"{instructions:,} ({once:,})")
    FIGURES["longest_irqs_off"] = {"instructions": found[0][1], "system_call": found[0][0]}


def measure_exits():
    exits = part("exits with the vmm's work (QEMU)", guests.exits) or {}
    heading("One exit with its vmm's work, SVM: host instructions (kernel + vmm)")

    def exit_row(what, name, target, peers, key=None):
        if name in exits:
            in_kernel, in_vmm = exits[name]
            total = round(in_kernel + in_vmm)
            row(what, total, target, peers, key, f"{total} ({in_kernel:.0f} + {in_vmm:.0f})")

    exit_row("CPUID", "cpuid", 700, "Xen 2,566, KVM 2,615", "cpuid_exit")
    exit_row("IN 0x61", "in", 700, "Xen 1,104, KVM + QEMU 7,077", "in_exit")
    exit_row("IN, no device", "in_absent", 700, "")
    exit_row("Local APIC register, read", "lapic_read", 900, "KVM 3,622, Xen 4,580", "lapic_exit")
    exit_row("Local APIC register, write", "lapic_write", 900, "")
    exit_row("RDMSR", "rdmsr", None, "Xen 2,385, KVM 2,692")


def measure_linux():
    spent = part("Linux to its /init (QEMU)", guests.linux)
    if not spent:
        return
    first, message = spent
    causes = guests.by_cause(message)
    heading("Linux boot, SVM, `quiet`, 512 MiB, from kernel entry to BULKHEAD-INIT-OK")
    row("guest instructions", message.guest, None, "", "linux_boot_guest")
    row("host instructions", message.host, 15_000_000, "KVM 45.5 M, Xen 124.7 M", "linux_boot_host")
    row("  of them kernel", message.kernel)
    row("  of them tasks: vmm, console", message.user)
    row("exits", message.exits, 4000, "KVM 4,240, Xen 102,338")
    for name, exits in causes.items():
        row(f"  {name}", exits)
    for never in ("exception", "invlpg", "rdtsc"):
        if never not in causes:
            row(f"  {never}", 0, 0)
    FIGURES["linux_boot_exits"] = causes
    row("host instructions to init's first", first.host)
    row("exits to init's first instruction", first.exits)


def measure_virtio():
    spent = part("virtio block device of a Linux (QEMU)", guests.virtio_blk)
    if not spent:
        return
    requests, first, boot = spent
    causes = guests.by_cause(requests)
    causes.pop("host", None)
    heading(f"virtio block device, SVM: {guests.REQUESTS:,} requests of 4 KiB, one after the other, by Linux")
    exits = round(sum(causes.values()) / guests.REQUESTS, 2)
    row("exits for one request", exits, 1.2, "", "virtio_blk_exits", f"{exits:.2f}")
    for name, number in causes.items():
        row(f"  {name}", round(number / guests.REQUESTS, 2), text=f"{number / guests.REQUESTS:.2f}")
    row("host instructions for one request", round(requests.host / guests.REQUESTS), None, "", "virtio_blk_host")
    heading("Linux boot on virtio devices (block, network, console, entropy), SVM, `quiet`, PCI by ECAM alone, no HPET")
    row("exits to init's first instruction", first.exits, None, "", "linux_virtio_init_exits")
    row("exits with modules, to BULKHEAD-INIT-OK", boot.exits, 4000, "", "linux_virtio_boot_exits")
    for name, number in guests.by_cause(boot).items():
        row(f"  {name}", number)
    FIGURES.setdefault("guests", {})["virtio-blk"] = {"exits_a_request": exits, "causes": causes, "init_exits": guests.by_cause(first),
                                                      "boot_exits": guests.by_cause(boot)}


def measure_guest_interrupts():
    heading("exits for an interrupt of a busy Linux, SVM without a virtualized APIC")
    for name, label, limit in (("tick", "timer interrupt", 3), ("ipi", "IPI to another vCPU", 2)):
        spent = part(f"{label} (QEMU)", lambda: guests.interrupts(name))
        if not spent:
            continue
        causes = guests.by_cause(spent)
        causes.pop("host", None)
        # Each timer interrupt is one deadline; what belongs to an IPI is its sender's write and the receiver's kick.
        number = causes.get("deadline", 0) if name == "tick" else guests.IPIS
        ticks = 0 if name == "tick" else 2 * causes.get("deadline", 0)
        parts = ("deadline", "wrmsr", "window", "memory", "apic_eoi") if name == "tick" else ("wrmsr", "kick", "memory", "deadline")
        exits = round((sum(causes.get(cause, 0) for cause in parts) - ticks) / max(number, 1), 2)
        row(f"exits for a {label}" if name == "tick" else f"exits for an {label}", exits, limit, "", f"{name}_exits", f"{exits:.2f}")
        for cause, n in causes.items():
            row(f"  {cause}", round(n / max(number, 1), 2), text=f"{n / max(number, 1):.2f}")
        FIGURES.setdefault("guests", {})[name] = {"exits": exits, "number": number, "causes": causes}


def measure_sizes():
    lines = part("lines of code", lambda: [sizes.lines("kernel"), sizes.lines("root"),
                                           sizes.lines(*sizes.vmm_sources())])
    devices = part("lines of code of all devices", lambda: sizes.lines("vmm"))
    trusted = part("lines of code of all three", lambda: sizes.lines(*sizes.trusted_sources()))
    text = part("code of the kernel", sizes.text_bytes)
    longest = part("the longest file", sizes.longest)
    heading("Sizes")
    if lines and trusted:
        row("kernel, lines of code", lines[0], 8000, "Jailhouse 10,943, Hedron 11,171, NOVA 13,957", "kernel_lines")
        row("root, lines of code", lines[1], None, "", "root_lines")
        row("vmm of a VM that names no devices", lines[2], None, "", "vmm_lines")
        row("vmm with all devices", devices, None, "", "vmm_all_lines")
        row("trusted by a guest: kernel, root, this vmm", trusted, 24000, "NOVA 2010: 36,000", "trusted_lines")
    row("kernel code, bytes", text, 56 * 1024, "Hedron 76 KB, NOVA 78 KB", "kernel_text_bytes")
    if longest:
        row("lines of the longest source file", longest[0], 600, longest[1])


def print_table():
    for cells in ROWS:
        if len(cells) == 1:
            print(f"\n{cells[0]}\n  {'':40} {'measured':>16}   {'target':22} others")
        else:
            what, value, target, peers = cells
            print(f"  {what:40} {value:>16}   {target:22} {peers}".rstrip())


def main():
    if sys.argv[1:] not in ([], ["--json"]):
        sys.exit("usage: ./bulkhead bench [--json]")
    measure_kernel()
    measure_cpus()
    measure_irqs_off()
    measure_exits()
    measure_linux()
    measure_virtio()
    measure_guest_interrupts()
    measure_sizes()
    if sys.argv[1:]:
        print(json.dumps(FIGURES, indent=4))
    else:
        print_table()
    if FAILED:
        sys.exit("bench: not measured: " + ", ".join(FAILED))


main()
