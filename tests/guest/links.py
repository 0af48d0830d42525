# SPDX-License-Identifier: BSD-2-Clause
"""Two Linux VMs joined by a network, each with its own end: frames both ways, a VM that starts again or does not run while the
other sends, and what of a disk outlives its VM.
usage: tests/guest/links.py qemu|bochs"""

import hashlib
import re
import sys

import guest
from guest import Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "links-" + EMULATOR
VMS = {"left": "10.0.0.1", "right": "10.0.0.2"}
ENTRY = """
    {name}:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: build:initrd-virtio
        cmdline: "console=ttyS0 quiet hostname={name} modules=virtio_pci,virtio_blk,virtio_net"
        memory: 256M
        devices:
            - virtio-net: {{network: lan}}
            - virtio-net: {{network: nobody-{name}}}
            - virtio-blk: {{size: 4M}}
"""
YAML = "system: links\nmachine: {memory: 1G}\nvms:" + "".join(ENTRY.format(name=name) for name in VMS)


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt()
    for vm in VMS:
        m.wait_state(vm, ("ready",), 60)


def configure(m, vm):
    """Leaves the prompt at the VM's shell."""
    m.attach(vm)
    m.shell(f"ip addr add {VMS[vm]}/24 dev eth0 && ip link set eth0 up")


def addresses(m):
    for number, vm in enumerate(VMS):
        configure(m, vm)
        expect_in(m.shell("cat /sys/class/net/eth0/address"), f"52:42:48:00:0{number}:00")
        expect_in(m.shell("cat /sys/class/net/eth1/address"), f"52:42:48:00:0{number}:01")
        m.detach()


def ping(m):
    m.attach("left")
    expect_in(m.shell("ping -c 3 -s 1400 10.0.0.2"), "3 packets received")
    m.detach()
    m.attach("right")
    expect_in(m.shell("ping -c 3 10.0.0.1"), "3 packets received")
    m.detach()


def transfer(m):
    """More than the rings hold, by TCP."""
    text = "".join(f"{i}\n" for i in range(1, 300001))
    m.attach("right")
    m.shell("nc -l -p 5000 > /tmp/got & true")
    m.detach()
    m.attach("left")
    m.shell("(seq 1 300000; sleep 1) | nc 10.0.0.2 5000", 120)
    m.detach()
    m.attach("right")
    m.shell("wait", 120)
    expect_in(m.shell("wc -c /tmp/got; md5sum /tmp/got"), f"{len(text)} ", hashlib.md5(text.encode()).hexdigest())
    m.detach()


def alone(m):
    """A card whose network has no other member swallows what it is given."""
    m.attach("left")
    m.shell("ip addr add 10.1.0.1/24 dev eth1 && ip link set eth1 up")
    expect_in(m.shell("ping -c 1 -w 2 10.1.0.2 || true"), "100% packet loss")
    m.detach()


def restarted_peer(m):
    m.command("restart right")
    m.wait_state("right", ("ready",), 60)
    configure(m, "right")
    m.detach()
    ping(m)


def stopped_peer(m):
    """What it is sent meanwhile is lost; the sender is not held up, and nothing of it arrives later."""
    m.command("stop right")
    m.attach("left")
    m.shell("ip neigh add 10.0.0.2 lladdr 52:42:48:00:01:00 dev eth0 2>/dev/null || ip neigh replace 10.0.0.2 "
            "lladdr 52:42:48:00:01:00 dev eth0 || arp -s 10.0.0.2 52:42:48:00:01:00")
    expect_in(m.shell("ping -c 400 -i 0.005 -s 1400 -w 4 10.0.0.2 || true"), "100% packet loss")
    before = int(m.shell("cat /sys/class/net/eth0/statistics/tx_packets"))
    expect_in(m.shell("ping -c 5 -w 3 10.0.0.2 || true"), "100% packet loss")
    expect_true(int(m.shell("cat /sys/class/net/eth0/statistics/tx_packets")) > before, "the card stands still")
    m.detach()
    m.command("start right")
    m.wait_state("right", ("ready",), 60)
    configure(m, "right")
    expect_true(int(m.shell("cat /sys/class/net/eth0/statistics/rx_packets")) < 20, "old frames arrived")
    m.detach()
    ping(m)


def paused_peer(m):
    """It answers nothing while it stands still, the sender is not held up, and it takes part again at once."""
    m.attach("right")
    m.shell("echo before > /tmp/paused")
    m.detach()
    m.command("pause right")
    m.attach("left")
    m.shell("arp -s 10.0.0.2 52:42:48:00:01:00")
    expect_in(m.shell("ping -c 400 -i 0.005 -s 1400 -w 4 10.0.0.2 || true"), "100% packet loss")
    m.detach()
    expect_in(m.command("snapshot right"), "right: saved")  # what waits in the link is no part of it
    m.command("resume right")
    ping(m)
    m.attach("left")
    expect_in(m.shell("(seq 1 20000; sleep 1) | nc -l -p 5001 & sleep 1"), "")
    m.detach()
    expect_in(m.in_vm("right", "cat /tmp/paused; nc 10.0.0.1 5001 | md5sum"), "before",
              hashlib.md5("".join(f"{i}\n" for i in range(1, 20001)).encode()).hexdigest())


def disk(m):
    """Written, it stays over a reboot of the guest and over a stop and a start; the other VM's is another."""
    m.attach("left")
    m.shell("echo kept-over-everything | dd of=/dev/vda bs=512 conv=sync,fsync 2>&1")
    m.send("reboot -f\r")
    m.expect(r"left: (asked for a reset|started again)")
    m.detach()
    m.wait_state("left", ("ready",), 60)
    m.attach("left")
    expect_in(m.shell("head -c 22 /dev/vda"), "kept-over-everything")
    m.detach()
    m.command("stop left")
    m.command("start left")
    m.wait_state("left", ("ready",), 60)
    m.attach("left")
    expect_in(m.shell("head -c 22 /dev/vda"), "kept-over-everything")
    m.detach()
    m.attach("right")
    expect_true(not re.search("kept", m.shell("head -c 22 /dev/vda | tr '\\0' .")), "the disk of the other VM")
    m.detach()


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    iso = guest.image(YAML, GROUP)
    with System(EMULATOR, iso, GROUP) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m):
            return
        check("addresses", addresses, m)
        check("ping", ping, m)
        check("transfer", transfer, m)
        check("alone", alone, m)
        check("restarted-peer", restarted_peer, m)
        check("stopped-peer", stopped_peer, m)
        check("paused-peer", paused_peer, m)
        check("disk", disk, m)


main()
