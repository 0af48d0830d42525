# SPDX-License-Identifier: BSD-2-Clause
"""Network cards, sockets and shared folders between guests that know nothing of each other: a Linux with virtio-net serves DHCP and
HTTP to a Linux with an e1000, and leases to iPXE on either card; streams by vsock; a folder by 9P.
usage: tests/guest/net.py qemu|bochs"""

import hashlib
import os
import re
import subprocess
import sys

import guest
import kernels
from guest import OUT, ROOT, WORK, Checks, System, expect_in, expect_true

EMULATOR = sys.argv[1]
GROUP = "net-" + EMULATOR
IPXE = "/usr/lib/ipxe/ipxe.iso"
SEABIOS = "/usr/share/seabios/bios-256k.bin"
CARDS = {"virtio-net": "using virtio-net", "e1000": "using 82540em"}  # what iPXE says of it
PIECE = "".join(f"{i}\n" for i in range(1, 20001))
MAKE = "seq 1 20000 > /tmp/piece; for i in $(seq 1 {}); do cat /tmp/piece; done"  # so many times PIECE
DOWNLOAD, UPLOAD = 60, 30
STREAM = 6000000
YAML = """\
system: net
machine: {{memory: 1G}}
vms:
    server:
        kernel: /boot/vmlinuz-*-cloud-amd64
        initrd: {work}/initrd-server
        cmdline: "console=ttyS0 quiet hostname=server modules=virtio_pci,virtio_net,vmw_vsock_virtio_transport"
        memory: 256M
        cpu: {{hide: [cx16]}}
        devices:
            - virtio-net: {{network: lan, mac: "52:54:00:00:00:01"}}
            - virtio-net: {{network: boot-virtio-net}}
            - virtio-net: {{network: boot-e1000}}
            - virtio-vsock: {{cid: 3, link: sockets}}
    client:
        kernel: {kernel}
        initrd: {work}/initrd-client
        cmdline: "console=ttyS0 quiet hostname=client modules={modules},vmw_vsock_virtio_transport"
        memory: 256M
        cpu: {{hide: [cx16]}}
        devices:
            - {card}: {{network: lan, mac: "52:54:00:00:00:02"}}
            - virtio-vsock: {{cid: 4, link: sockets}}
            - virtio-9p: {{tag: shared, folder: {work}/folder}}
"""
BOOT = """\
    ipxe-{0}:
        firmware: seabios
        memory: 64M
        autostart: false
        cpu: {{hide: [cx16]}}
        devices:
            - virtio-blk: {{image: {1}, readonly: true}}
            - {0}: {{network: boot-{0}}}
"""
UDHCPD = r"""printf 'start 10.0.{0}.50\nend 10.0.{0}.60\ninterface eth{0}\nlease_file /tmp/leases{0}\npidfile /tmp/pid{0}\n
option subnet 255.255.255.0\noption router 10.0.{0}.1\nauto_time 1\n' > /tmp/dhcp{0} && touch /tmp/leases{0} &&
 ip addr add 10.0.{0}.1/24 dev eth{0} && ip link set eth{0} up && udhcpd -S /tmp/dhcp{0}""".replace("\n", "")
SCRIPT = r"""printf '#!/bin/sh\n[ $1 = bound ] && ip addr add $ip/24 dev $interface; exit 0\n' > /tmp/bound && chmod +x /tmp/bound"""


def make_folder():
    """For 9P: files of many sizes, nested, and a link."""
    folder = os.path.join(WORK, "folder")
    os.makedirs(os.path.join(folder, "deep/er/still"), exist_ok=True)
    for name, size in (("one", 1), ("page", 4096), ("odd", 70001), ("deep/er/still/large", 3 << 20)):
        with open(os.path.join(folder, name), "wb") as out:
            out.write(hashlib.shake_128(name.encode()).digest(size))
    for i in range(300):
        with open(os.path.join(folder, "deep", f"file-{i:03}"), "w") as out:
            out.write(f"{i}\n")
    if not os.path.islink(os.path.join(folder, "link")):
        os.symlink("deep/er/still/large", os.path.join(folder, "link"))
    return folder


def initramfs(name, base):
    """An initramfs with the test's program for vsock behind it: Linux unpacks one archive after the other."""
    tree = os.path.join(WORK, "tree")
    os.makedirs(os.path.join(tree, "bin"), exist_ok=True)
    subprocess.run(["gcc", "-O2", "-static", "-s", "-o", os.path.join(tree, "bin/vsock"),
                    os.path.join(ROOT, "tests/guest/vsock/main.c")], check=True)
    more = subprocess.run(["cpio", "--quiet", "-o", "-H", "newc"], cwd=tree, input=b"bin/vsock\n", stdout=subprocess.PIPE,
                          check=True).stdout
    with open(base, "rb") as first, open(os.path.join(WORK, name), "wb") as out:
        out.write(first.read() + more)


def prepare():
    """The configuration, and whether the client has Debian's generic kernel, which alone has e1000 and 9P."""
    subprocess.run(["make", "-s", "-C", ROOT, f"O={OUT}", os.path.join(OUT, "initrd-virtio")], check=True)
    make_folder()
    initramfs("initrd-server", os.path.join(OUT, "initrd-virtio"))
    generic = kernels.debian("generic")
    kernel, card, modules, base = "/boot/vmlinuz-*-cloud-amd64", "virtio-net", "virtio_pci,virtio_net", "initrd-virtio"
    if generic:
        kernel, card, modules = generic[0], "e1000", "virtio_pci,e1000,9pnet_virtio,9p"
        base = os.path.join(WORK, "initrd-generic")
        subprocess.run([os.path.join(ROOT, "tools/mkinitramfs.sh"), base, generic[1], "virtio_pci", "e1000", "9pnet_virtio", "9p",
                        "vmw_vsock_virtio_transport"], check=True)
    initramfs("initrd-client", os.path.join(OUT, base))
    yaml = YAML.format(work=WORK, kernel=kernel, card=card, modules=modules)
    if os.path.exists(IPXE) and os.path.exists(SEABIOS):
        yaml += "".join(BOOT.format(card, IPXE) for card in CARDS)
    return yaml, bool(generic)


def start(m):
    m.expect(r"Boot +seconds", 120)
    m.prompt(120)
    for vm in ("server", "client"):
        m.wait_state(vm, ("ready",), 120)


def serve(m):
    m.attach("server")
    for number in range(3):
        m.shell(UDHCPD.format(number))
    m.shell(f"mkdir /tmp/www; ({MAKE.format(DOWNLOAD)}) > /tmp/www/file; httpd -h /tmp/www")
    m.detach()


def lease(m):
    m.attach("client")
    m.shell(SCRIPT + " && ip link set eth0 up")
    expect_in(m.shell("udhcpc -n -q -i eth0 -s /tmp/bound 2>&1", 60), r"lease of 10.0.0.5\d obtained")
    expect_in(m.shell("ip addr show eth0"), r"52:54:00:00:00:02", r"10\.0\.0\.5\d")
    m.detach()


def ping(m):
    """Small and large ones, and larger than a frame."""
    m.attach("client")
    for size in (0, 1472, 8000):
        expect_in(m.shell(f"ping -c 3 -s {size} 10.0.0.1"), "3 packets received")
    m.detach()


def download(m):
    """By TCP, with all that the card's driver leaves to the card."""
    m.attach("client")
    expect_in(m.shell("wget -q -O - http://10.0.0.1/file | md5sum", 180),
              hashlib.md5((PIECE * DOWNLOAD).encode()).hexdigest())
    m.detach()


def upload(m):
    """The other way: segmentation and checksums are the card's."""
    m.attach("server")
    m.shell("(sleep 1000 | nc -l -p 5000 | md5sum > /tmp/sum) & true")
    m.detach()
    m.attach("client")
    m.shell(f"({MAKE.format(UPLOAD)}) | nc -w 10 10.0.0.1 5000", 120)
    m.detach()
    m.attach("server")
    expect_in(m.shell("sleep 1; cat /tmp/sum", 60), hashlib.md5((PIECE * UPLOAD).encode()).hexdigest())
    m.detach()


def card_facts(m):
    m.attach("client")
    expect_in(m.shell("dmesg | grep e1000"), r"PCI:33MHz:32-bit\) 52:54:00:00:00:02", "Link is Up 1000 Mbps Full Duplex")
    bad = m.shell("dmesg | grep -iE 'e1000.*(hang|error|fail)|transmit timed out|EEPROM Checksum' || true")
    expect_true(bad == "", f"complaints: {bad!r}")
    m.detach()


def ipxe(m, card):
    """Its own driver, from its own disk: a lease shows that both directions work."""
    m.command(f"start ipxe-{card}")
    number = 1 + list(CARDS).index(card)
    m.fresh()
    m.send(f"console ipxe-{card}\r")
    m.expect("attached")
    m.expect(CARDS[card], 120)
    m.expect(rf"net0: 10\.0\.{number}\.\d+", 60)
    m.detach()
    expect_in(m.in_vm("server", f"sleep 2; dumpleases -f /tmp/leases{number}"), rf"10\.0\.{number}\.5\d|10\.0\.{number}\.60")
    m.command(f"stop ipxe-{card}")


def sockets(m):
    m.attach("server")
    expect_in(m.shell("vsock cid"), r"^3\n$")
    m.shell("(vsock take 1000 > /tmp/taken 2>&1) & true")
    m.detach()
    m.attach("client")
    expect_in(m.shell(f"vsock send 3 1000 {STREAM}", 120), f"answer: {STREAM} good")
    for cid, port in ((3, 999), (9, 1000), (2, 1000)):  # nobody listens, nobody there, the host
        expect_in(m.shell(f"vsock send {cid} {port} 5 || true"), "connect: Connection reset")
    m.detach()
    expect_in(m.in_vm("server", "cat /tmp/taken"), f"from 4: {STREAM} good")


def sockets_of_a_restarted_peer(m):
    """A connection ends when its peer is gone, and a new one works."""
    m.attach("client")
    m.shell("(vsock take 1001 > /tmp/taken 2>&1; echo over >> /tmp/taken) & true")
    m.detach()
    m.attach("server")
    m.shell("(vsock send 4 1001 1000000000 > /dev/null 2>&1) & sleep 1")
    m.detach()
    m.command("restart server")
    m.wait_state("server", ("ready",), 120)
    m.attach("client")
    m.shell("for i in 1 2 3 4 5 6 7 8 9; do grep -q over /tmp/taken && break; sleep 1; done; grep over /tmp/taken", 60)
    m.shell("(vsock take 1002 > /tmp/taken 2>&1) & true")
    m.detach()
    m.attach("server")
    expect_in(m.shell("vsock send 4 1002 100000", 60), "answer: 100000 good")
    m.detach()


def share(m):
    folder = os.path.join(WORK, "folder")
    m.attach("client")
    m.shell("mkdir -p /tmp/shared && mount -t 9p -o trans=virtio,version=9p2000.L,ro shared /tmp/shared")
    for name in ("one", "page", "odd", "deep/er/still/large", "link"):
        with open(os.path.join(folder, name), "rb") as file:
            want = hashlib.md5(file.read()).hexdigest()
        expect_in(m.shell(f"md5sum /tmp/shared/{name}", 120), want)
    expect_in(m.shell("ls /tmp/shared/deep | wc -l"), r"^301\n$")
    expect_in(m.shell("cat /tmp/shared/deep/file-* | md5sum", 120),
              hashlib.md5("".join(f"{i}\n" for i in range(300)).encode()).hexdigest())
    expect_in(m.shell("tail -c 10 /tmp/shared/odd | md5sum"),
              hashlib.md5(open(os.path.join(folder, "odd"), "rb").read()[-10:]).hexdigest())
    expect_in(m.shell("readlink /tmp/shared/link; cat /tmp/shared/nothing 2>&1 || true"), "deep/er/still/large", "No such file")
    expect_in(m.shell("df /tmp/shared"), "shared")
    m.shell("umount /tmp/shared")
    m.shell("mount -t 9p -o trans=virtio,version=9p2000.L shared /tmp/shared")
    expect_in(m.shell("echo x > /tmp/shared/new 2>&1 || true; rm -f /tmp/shared/one 2>&1 || true"), "Read-only file system")
    m.shell("umount /tmp/shared")
    m.detach()


def saved(m):
    """A VM in the midst of a mount and a lease is saved, ended, and goes on; connections by vsock end, new ones work."""
    m.attach("client")
    m.shell("mkdir -p /tmp/kept && mount -t 9p -o trans=virtio,version=9p2000.L,ro shared /tmp/kept && cd /tmp/kept/deep")
    m.detach()
    expect_in(m.command("snapshot client", 120), "client: saved")
    m.command("stop client")
    expect_in(m.command("restore client", 120), "client: started from its snapshot")
    m.attach("client")
    expect_in(m.shell("ping -c 3 10.0.0.1"), "3 packets received")
    expect_in(m.shell("ls | wc -l; cat file-001"), r"^301\n1\n$")
    expect_in(m.shell("vsock send 3 999 5 || true"), "connect: Connection reset")
    m.shell("cd /; umount /tmp/kept")
    m.detach()


def main():
    if not guest.linux_kernel():
        print(f"SKIP {GROUP} (no /boot/vmlinuz-*-cloud-amd64)")
        return
    yaml, generic = prepare()
    with System(EMULATOR, guest.image(yaml, GROUP), GROUP) as m:
        check = Checks(GROUP, m)
        if not check("start", start, m) or not check("serve", serve, m):
            return
        check("lease", lease, m)
        check("ping", ping, m)
        check("download", download, m)
        check("upload", upload, m)
        check("vsock", sockets, m)
        if generic:
            check("e1000", card_facts, m)
            check("9p", share, m)
        else:
            print(f"SKIP {GROUP}/e1000, 9p (no generic kernel of Debian)")
        for card in CARDS if guest.LONG else ("virtio-net",):
            if f"ipxe-{card}" in yaml:
                check("ipxe-" + card, ipxe, m, card)
            else:
                print(f"SKIP {GROUP}/ipxe-{card} (ipxe or seabios is not installed)")
        if guest.LONG:
            if generic:
                check("snapshot", saved, m)
            check("vsock-restart", sockets_of_a_restarted_peer, m)


main()
