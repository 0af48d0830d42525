# SPDX-License-Identifier: BSD-2-Clause
"""Linux with several virtual CPUs: four of them on one CPU of the machine, and two on two. All start by INIT and SIPI, wake each
other with IPIs, have one clock, go offline and come back, and end together.
usage: tests/guest/smp.py qemu|bochs"""

import re
import sys

import guest
from guest import Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "smp-" + EMULATOR
ROUNDS = 300
VM = """
    {name}:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd
        cmdline: "console=ttyS0 quiet loglevel=3 panic=1 hostname={name}"
        memory: 128M
        cpus: {cpus}
        host-cpu: {host}
        on-crash: restart
        cpu: {{hide: [cx16]}}"""

# One process on each of two CPUs: each line makes the other's CPU leave its idle loop.
PING_PONG = f"""mkfifo /tmp/a /tmp/b 2>/dev/null; taskset 2 cat < /tmp/a > /tmp/b & taskset 1 sh -c 'exec 3> /tmp/a 4< /tmp/b; \
i=0; while [ $i -lt {ROUNDS} ]; do echo $i >&3; read x <&4; [ "$x" = $i ] || exit 1; i=$((i+1)); done; echo rounds $i'"""


def system(machine, *vms):
    return (f"system: smp\nmachine: {{memory: 1G, cpus: {machine}}}\nvms:" +
            "".join(VM.format(name=name, cpus=cpus, host=host) for name, cpus, host in vms) + "\n")


def interrupts(m, vm):
    """Of each kind, the counts of all CPUs."""
    rows = re.findall(r"(?m)^ *(\w+): +((?:\d+ +)*\d+)", m.in_vm(vm, "cat /proc/interrupts"))
    return {name: [int(n) for n in counts.split()] for name, counts in rows}


def all_run(m, vm, cpus):
    expect_in(m.in_vm(vm, "nproc"), rf"^{cpus}\s*$")
    for cpu in range(cpus):
        expect_in(m.in_vm(vm, f"taskset {1 << cpu:x} sh -c 'i=0; while [ $i -lt 2000 ]; do i=$((i+1)); done; echo did $i'"), "did 2000")
    ticks = interrupts(m, vm)["LOC"]
    expect_true(len(ticks) == cpus and all(ticks), f"not every CPU had timer interrupts: {ticks}")


def apic(m, vm):
    """The x2APIC, as the vmm is the APIC."""
    flags = m.in_vm(vm, "grep -c '^flags.* x2apic' /proc/cpuinfo || true")
    expect_true(int(flags) > 0, f"x2apic in {flags.strip()} CPUs")
    ids = m.in_vm(vm, "grep '^apicid' /proc/cpuinfo")
    expect_true(len(set(re.findall(r": (\d+)", ids))) == len(ids.split("\n")) - 1, f"APIC IDs: {ids}")


def wake_each_other(m, vm):
    before = interrupts(m, vm)
    expect_in(m.in_vm(vm, PING_PONG, 120), f"rounds {ROUNDS}")
    after = interrupts(m, vm)
    sent = sum(sum(after[kind]) - sum(before[kind]) for kind in ("RES", "CAL"))
    expect_true(sent >= ROUNDS / 2, f"only {sent} IPIs for {ROUNDS} rounds")


def one_clock(m, vm):
    expect_in(m.in_vm(vm, "cat /sys/devices/system/clocksource/clocksource0/current_clocksource"), "^(kvm-clock|tsc)")
    log = m.in_vm(vm, "dmesg")
    for bad in ("TSC warp", "unsynchroni", "nstable", "soft lockup", "rcu_sched detected", "rcu_preempt detected"):
        expect_true(bad not in log, f"{bad!r} in the guest's log")


def offline_online(m, vm):
    """The CPU halts with interrupts off, and comes back by INIT and SIPI."""
    for _ in range(3):
        m.in_vm(vm, "echo 0 > /sys/devices/system/cpu/cpu1/online", 120)
        expect_in(m.in_vm(vm, "cat /sys/devices/system/cpu/online"), "^0(,2.*)?\\s*$")
        m.in_vm(vm, "echo 1 > /sys/devices/system/cpu/cpu1/online", 120)
    expect_in(m.in_vm(vm, "taskset 2 echo back"), "back")


def flood(m, vm):
    """Output from a CPU whose thread is not the one that the console tells of room."""
    m.attach(vm)
    m.fresh()
    m.send("taskset 2 seq 1 3000; echo fl''ood\r")
    m.expect(r"(?s)2999\r?\n3000\r?\n.*flood", 120)
    m.detach()


def memory_types(m, vm):
    """Linux finds the MTRRs of all CPUs alike, and sets a range on all of them at once."""
    hole = r"reg00: base=0x080000000 .* uncachable\n"
    expect_in(m.in_vm(vm, "cat /proc/mtrr"), f"^{hole}$")
    m.in_vm(vm, "echo base=0xc0000000 size=0x1000000 type=write-combining > /proc/mtrr")
    expect_in(m.in_vm(vm, "cat /proc/mtrr"), f"^{hole}reg01: base=0x0c0000000 .* write-combining\n$")
    m.in_vm(vm, "echo disable=1 > /proc/mtrr")
    expect_in(m.in_vm(vm, "cat /proc/mtrr"), f"^{hole}$")
    expect_true(m.in_vm(vm, "dmesg | grep -E 'mtrr:|MTRRs' || true") == "", "complaints in dmesg")


def ends(m, vm, command, why):
    m.attach(vm)
    m.fresh()
    m.send(command + "\r")
    m.expect(rf"\[{vm}: {why}\]", 120)
    if "reset" in why:
        m.expect(f"BULKHEAD-INIT-OK {vm}", 120)
        m.detach()
    else:
        m.prompt()


def run(machine, vms, *, more):
    iso = guest.image(system(machine, *vms), f"{GROUP}-{machine}")
    with System(EMULATOR, iso, f"{GROUP}-{machine}", cpus=machine) as m:
        check = Checks(f"{GROUP}/{machine}-cpus", m)
        if not check("start", lambda: (m.expect(r"bulkhead> ", 180), [m.wait_state(vm, ("ready",), 120) for vm, _, _ in vms])):
            return
        for vm, cpus, _ in vms:
            check(f"{vm}-all-run", all_run, m, vm, cpus)
            check(f"{vm}-apic", apic, m, vm)
            check(f"{vm}-wake-each-other", wake_each_other, m, vm)
            if not more:
                continue
            check(f"{vm}-offline-online", offline_online, m, vm)
            check(f"{vm}-flood", flood, m, vm)
            check(f"{vm}-memory-types", memory_types, m, vm)
            check(f"{vm}-one-clock", one_clock, m, vm)
        vm = vms[0][0]
        if more:
            check("panic", ends, m, vm, "echo 9 > /proc/sys/kernel/printk; taskset 2 sh -c 'echo c > /proc/sysrq-trigger'", "asked for a reset")
            check("reset", ends, m, vm, "taskset 2 reboot -f", "asked for a reset")
        check("power-off", ends, m, vm, "taskset 2 poweroff -f", "switched itself off")
        for vm, cpus, _ in vms[1:]:
            check(f"{vm}-goes-on", all_run, m, vm, cpus)


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    if EMULATOR == "bochs":
        run(1, [("two", 2, 0)], more=False)
        return
    run(1, [("four", 4, 0)], more=True)
    run(3, [("two", 2, "[1, 2]"), ("three", 3, "[0, 1, 1]")], more=True)
    if guest.LONG:
        run(2, [("eight", 8, "[0, 1, 0, 1, 0, 1, 0, 1]")], more=True)


main()
