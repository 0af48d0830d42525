# SPDX-License-Identifier: BSD-2-Clause
"""The default system, end to end: two Linux guests, the operator's prompt, both shells, every way in which a guest ends.
usage: tests/guest/linux.py qemu|bochs"""

import hashlib
import re
import sys
import time

import guest
from guest import Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "linux-" + EMULATOR
VIRTUAL = {"qemu": "AMD SVM", "bochs": "Intel VT-x"}[EMULATOR]
FLOOD = 2000


def banner(m):
    m.expect(r"Bulkhead \d", 120)
    m.expect(r"system +demo, 2 VMs")
    m.expect(rf"virtual +{VIRTUAL}")
    m.expect("memory +102[34]M")


def start_slow(m):
    """Bochs is too slow for the time in which the console waits for the guests."""
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    for vm in ("open", "secure"):
        m.wait_state(vm, ("ready",), 60)


def start(m):
    """Chart, table and prompt come by themselves when both guests are ready."""
    m.expect(r"Boot +seconds", 120)
    for vm in ("open", "secure"):
        m.expect(rf"{vm} +created +[0-9.]+ +#")
        for stage in ("first instruction", "first output", "ready"):
            m.expect(rf"{stage} +[0-9.]+ +#")
    m.expect(r"NAME +KIND +STATE +MEMORY +CPU% +UPTIME +EXITS +RESTARTS")
    for vm in ("open", "secure"):
        m.expect(rf"(?m)^{vm} +vm +ready +257M .* 0\s*$")
    m.prompt()


def commands(m):
    answer = m.command("help")
    expect_in(answer, *(f"  {word} +\\w+ " for word in ("help", "list", "top", "console", "log", "info", "start", "stop", "boot")))
    expect_in(m.command("list"), r"(?m)^console +server +running", r"(?m)^open +vm +ready", r"memory: \d+M of 1023M free")
    expect_in(m.command("top"), r"(?m)^open +vm +ready")
    expect_in(m.command("info open"), "open: vm, ready, priority 20, 257M of memory, 0 restarts", "CPUID +[1-9]")
    expect_in(m.command("log open"), "BULKHEAD-INIT-OK open", r"\[end of the log of open\]")
    expect_in(m.command("time"), r"up 0 days 0:\d\d:\d\d\.\d{3}")
    expect_in(m.command("boot"), r"Boot +seconds")


def wrong_commands(m):
    expect_in(m.command("frobnicate"), "There is no command `frobnicate`.*`help` shows all")
    expect_in(m.command("lits"), "Did you mean `list`")
    expect_in(m.command("console nobody"), "There is no VM `nobody`. VMs: open secure")
    expect_in(m.command("console opne"), "Did you mean `open`")
    expect_in(m.command("stop"), "`stop` needs a name: stop NAME. VMs: open secure")
    expect_in(m.command("list open"), "`list` takes nothing behind it")
    expect_in(m.command("start open"), "refused: it runs already")
    expect_in(m.command("stop console"), "There is no VM `console`")


def shell(m, vm, leave):
    m.attach(vm)
    release = guest.linux_kernel().split("vmlinuz-")[1]
    expect_true(m.shell("echo $((6*7))") == "42\n", "6 * 7 is not 42")
    expect_true(m.shell("uname -r") == release + "\n", f"uname -r does not say {release}")
    expect_true(m.shell("hostname") == vm + "\n", "wrong host name")
    expect_in(m.shell("head -n 5 /proc/cpuinfo"), "processor\t: 0", "vendor_id")
    m.shell(f"kept=of-{vm}")
    m.detach(leave)


def facts(m):
    """What the guest found out about its machine."""
    m.attach("open")
    source = "/sys/devices/system/clocksource/clocksource0/"
    expect_in(m.shell(f"cat {source}available_clocksource"), "kvm-clock")
    # Linux takes the TSC itself once it knows that it is steady.
    expect_in(m.shell(f"cat {source}current_clocksource"), "^(kvm-clock|tsc)\n$")
    expect_in(m.shell("dmesg | grep -i hypervisor"), "Hypervisor detected: KVM")
    expect_in(m.shell("dmesg | grep ttyS0:\\ *at\\\\\\|ttyS0.at"), r"ttyS0 at I/O 0x3f8 \(irq = 4.*16550A")
    bad = m.shell("dmesg | grep -E 'ACPI.*(Error|Warning)|Firmware Bug|BUG:|WARNING: CPU|Oops|Call Trace|"
                  "unstable|lockup|mtrr:|MTRRs' || true")
    expect_true(bad == "", f"complaints in dmesg: {bad!r}")
    expect_in(m.shell("cat /proc/mtrr"), r"^reg00: base=0x080000000 \( 2048MB\), size= 2048MB, count=1: uncachable\n$")
    kib = int(re.search(r"MemTotal: +(\d+)", m.shell("cat /proc/meminfo")).group(1))
    expect_true(180 << 10 < kib < 256 << 10, f"{kib} KiB of memory are not 256 MiB less the kernel")
    expect_in(m.shell("dmesg | grep BIOS-e820.*usable | tail -n 1"), "-0x000000000fffffff] usable")
    before = int(re.search(r"LOC: +(\d+)", m.shell("grep LOC /proc/interrupts")).group(1))
    m.shell("sleep 1")
    after = int(re.search(r"LOC: +(\d+)", m.shell("grep LOC /proc/interrupts")).group(1))
    expect_true(0 < after - before < 5000, f"{after - before} timer interrupts in a second")
    m.detach()


def registers(m):
    """Processes that take turns keep theirs: grep and printf use all vector registers that the processor has."""
    m.attach("open")
    m.shell("f() { for i in $(seq 20); do dmesg | grep -i -E 'nobody|spurious' >/dev/null; done; }; f & f; wait; true", 120)
    bad = m.shell("dmesg | grep -E 'Bad FPU|segfault' || true")
    expect_true(bad == "", f"complaints in dmesg: {bad!r}")
    m.detach()


def clock(m):
    """The guest's clocks advance as the host's: TCG's TSC counts real time. The date is the host's: QEMU's clock is up to a second
    late, and was read in whole seconds."""
    m.attach("open")
    first = time.time()
    date = int(m.shell("date -u +%s"))
    expect_true(first - 3 < date < time.time() + 2, f"the guest's date is {date - first:.2f} s off")

    def now():
        # The guest's time was taken between two of the host's.
        first = time.monotonic()
        output = m.shell("cat /proc/uptime; date +%s")
        last = time.monotonic()
        return first, last, float(output.split()[0]), int(output.split()[2])

    begin = now()
    first = time.monotonic()
    m.shell("sleep 3")
    slept = time.monotonic() - first
    expect_true(2.95 < slept < 15, f"`sleep 3` took {slept:.2f} s")
    end = now()
    most, least = end[1] - begin[0], end[0] - begin[1]
    for name, passed, rough in (("uptime", end[2] - begin[2], 0.05), ("date", end[3] - begin[3], 1.05)):
        expect_true(least - rough < passed < most + rough, f"{name} went on by {passed:.2f} s in {least:.2f} to {most:.2f} s")
    m.detach()


def flood(m):
    """Nothing of an attached guest's output is lost, and it stays in order."""
    m.attach("open")
    text = m.shell(f"i=0; while [ $i -lt {FLOOD} ]; do echo line $i of the flood; i=$((i+1)); done", 120)
    wanted = "".join(f"line {i} of the flood\n" for i in range(FLOOD))
    if text != wanted:
        got = text.split("\n")
        at = next((i for i, line in enumerate(wanted.split("\n")) if i >= len(got) or got[i] != line), FLOOD)
        raise guest.Missing(f"{len(got) - 1} lines; from line {at}: {got[at:at + 3]!r}")
    m.detach()


def flood_unseen(m):
    """A guest that is not shown prints at its full speed, delays nobody, and its last output is kept."""
    m.attach("open")
    m.shell("(sleep 1; seq 1 20000; echo unseen-end'') & true")
    m.detach()
    m.quiet(1.5)
    for _ in range(3):
        m.command("list", 20)
    m.quiet(3)
    end = time.monotonic() + 60 * m.slow
    while "\nunseen-end\n" not in (log := m.command("log open")) and time.monotonic() < end:
        m.quiet(1)
    lines = [line for line in log.split("\n") if re.fullmatch(r"\d+", line)][1:]  # the first may be cut
    expect_true("\nunseen-end\n" in log and lines[-1] == "20000", "the end of the flood is not in the log")
    expect_true(lines == [str(i) for i in range(int(lines[0]), 20001)], "the log has a gap")
    expect_true(len(log) > 50000, f"the log keeps {len(log)} bytes")


def paste(m):
    """Input longer than the port's FIFO arrives whole."""
    m.attach("open")
    m.fresh()
    m.send("cat > /tmp/paste; md5sum /tmp/paste\r")
    m.expect("paste\r?\n")
    m.quiet(0.5)  # until the shell has made the terminal echo
    for i in range(20):
        m.send(f"line {i:03} of a text that somebody pastes into the terminal\r")
        m.expect(rf"line {i:03} of .* the terminal\r?\n")
    m.send("\x04")
    want = "".join(f"line {i:03} of a text that somebody pastes into the terminal\n" for i in range(20))
    m.expect(hashlib.md5(want.encode()).hexdigest())
    m.detach()


def isolation(m):
    m.in_vm("secure", "echo the-secret > /tmp/marker; sync; ls /tmp")
    expect_true("marker" not in m.in_vm("open", "ls -R /tmp /root"), "the marker of `secure` shows in `open`")
    expect_in(m.in_vm("secure", "cat /tmp/marker"), "the-secret")


def keeps_state(m):
    expect_in(m.in_vm("open", "echo $kept"), "^of-open\n$")
    expect_in(m.in_vm("secure", "echo $kept"), "^of-secure\n$")


def secure_is_there(m):
    first = time.monotonic()
    expect_in(m.in_vm("secure", "echo $kept"), "^of-secure\n$")
    expect_true(time.monotonic() - first < 20 * m.slow, "it took longer than 20 s")


def booted(m, vm, restarts):
    row = m.wait_state(vm, ("ready",))
    expect_true(row == ("ready", restarts), f"{vm} was restarted {row[1]} times, not {restarts}")
    expect_in(m.in_vm(vm, "echo \"kept=$kept,\""), "^kept=,\n$")


def stop_start(m):
    free = int(re.search(r"memory: (\d+)M", m.command("list")).group(1))
    expect_in(m.command("stop open"), "open: stopped")
    expect_true(m.row("open")[0] == "stopped", "`list` does not show it as stopped")
    given_back = int(re.search(r"memory: (\d+)M", m.command("list")).group(1)) - free
    expect_true(255 <= given_back <= 260, f"{given_back} MiB were given back, not 257")
    m.fresh()
    m.send("console open\r")
    m.expect(r"open is stopped; `start open` starts it")
    m.prompt()
    expect_in(m.command("stop open"), "refused: it does not run")
    secure_is_there(m)
    expect_in(m.command("start open"), "open: (created|running)")
    booted(m, "open", 0)


def power_off(m):
    m.attach("open")
    m.fresh()
    m.send("poweroff -f\r")
    m.expect(r"\[open: switched itself off\]")
    m.expect(r"\[detached from open\]")
    m.prompt()
    expect_true(m.row("open")[0] == "stopped", "`list` does not show it as stopped")
    expect_in(m.command("info open"), "switched itself off")
    secure_is_there(m)
    m.command("start open")
    booted(m, "open", 0)


def reset(m):
    m.attach("open")
    m.fresh()
    m.send("reboot -f\r")
    m.expect(r"\[open: asked for a reset\]")
    m.expect("BULKHEAD-INIT-OK open", 120)  # still attached: the new start is shown
    m.expect(r"open:\S*# ")
    m.detach()
    booted(m, "open", 1)


def panic(m):
    m.attach("open")
    m.shell("echo 1 > /proc/sys/kernel/panic; echo 9 > /proc/sys/kernel/printk")
    m.send("echo c > /proc/sysrq-trigger\r")
    m.expect("sysrq triggered crash|Kernel panic", 120)
    m.expect(r"\[open: asked for a reset\]", 120)
    m.expect("BULKHEAD-INIT-OK open", 120)
    m.detach()
    booted(m, "open", 2)
    secure_is_there(m)


def restart(m):
    expect_in(m.command("restart open"), "open: (created|running)")
    booted(m, "open", 2)


def shut_down(m):
    m.send("shutdown\r")
    m.wait(30)


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    iso = guest.image(guest.ROOT + "/system.yaml", GROUP)
    with System(EMULATOR, iso, GROUP) as m:
        check = Checks(GROUP, m)
        if not check("banner", banner, m) or not check("start", start if EMULATOR == "qemu" else start_slow, m):
            return
        check("shell-open", shell, m, "open", "\r~.")
        check("shell-secure", shell, m, "secure", "\x1d")
        check("registers", registers, m)
        if EMULATOR == "bochs" and not guest.LONG:
            check("keeps-state", keeps_state, m)
            check("stop", lambda: (m.command("stop open"), secure_is_there(m)))
            check("shutdown", shut_down, m)
            return
        check("commands", commands, m)
        check("wrong-commands", wrong_commands, m)
        check("facts", facts, m)
        if EMULATOR == "qemu":  # in Bochs time passes as instructions do
            check("clock", clock, m)
        check("flood", flood, m)
        check("flood-unseen", flood_unseen, m)
        check("paste", paste, m)
        check("isolation", isolation, m)
        check("keeps-state", keeps_state, m)
        check("stop-start", stop_start, m)
        check("power-off", power_off, m)
        check("reset", reset, m)
        check("panic", panic, m)
        check("restart", restart, m)
        check("keeps-state-secure", secure_is_there, m)
        check("shutdown", shut_down, m)


main()
