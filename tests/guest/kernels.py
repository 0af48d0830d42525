# SPDX-License-Identifier: BSD-2-Clause
"""Debian's other kernels and its installer, for guests: from /boot when a kernel is installed, else the package is fetched and
unpacked below $O/guests, which needs no root and leaves the machine's own boot menu alone."""

import contextlib
import glob
import os
import re
import subprocess
import tempfile

from guest import OUT

GUESTS = os.path.join(OUT, "guests")


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text)]


def run(command, cwd):
    environment = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin")
    return subprocess.run(command, cwd=cwd, stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True, env=environment, check=False)


def fetch(package, wanted, apt=()):
    """The folder below $O/guests with the files of a package that match `wanted`; None: it is not to be had."""
    root = os.path.join(GUESTS, package)
    if os.path.isdir(root):
        return root
    os.makedirs(GUESTS, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=GUESTS) as work:
        os.mkdir(os.path.join(work, "tree"))
        unpack = f"set -o pipefail; dpkg-deb --fsys-tarfile ./*.deb | tar -x -C tree --wildcards '{wanted}'"
        if run(["apt-get", *apt, "-q", "download", package], work).returncode or run(["bash", "-c", unpack], work).returncode:
            return None
        os.rename(os.path.join(work, "tree"), root)
    return root


def package_of(meta, apt=()):
    """The package that Debian's meta package of a kernel stands for."""
    match = re.search(r"Depends: (linux-image-[0-9]\S+)", run(["apt-cache", *apt, "depends", meta], "/").stdout)
    return match.group(1) if match else None


def find(root, flavour):
    """Kernel and its folder of modules below `root`; None: there is none."""
    kernels = [k for k in glob.glob(os.path.join(root, "boot/vmlinuz-*-amd64")) if flavour_of(k) == flavour]
    for kernel in sorted(kernels, key=lambda k: numbers(os.path.basename(k)), reverse=True):
        modules = os.path.join(root, "lib/modules", os.path.basename(kernel)[len("vmlinuz-"):])
        if os.path.exists(os.path.join(modules, "modules.dep")):
            return kernel, modules
    return None


def flavour_of(kernel):
    match = re.search(r"-(cloud|rt)-amd64$", kernel)
    return match.group(1) if match else "generic"


def debian(flavour):
    """(kernel, folder of modules) of "cloud", "generic" or "rt"; None: it is not to be had."""
    found = find("/", flavour)
    if found:
        return found
    package = package_of("linux-image-" + ("" if flavour == "generic" else flavour + "-") + "amd64")
    root = fetch(package, "*") if package else None
    if not root:
        return None
    if not find(root, flavour):
        run(["depmod", "-b", root, package[len("linux-image-"):]], root)
    return find(root, flavour)


@contextlib.contextmanager
def other_architecture(name):
    """apt's options for an architecture that the machine is not, with package lists of its own."""
    os.makedirs(GUESTS, exist_ok=True)
    with tempfile.TemporaryDirectory(dir=GUESTS) as apt:
        for folder in ("lists/partial", "cache/archives/partial"):
            os.makedirs(os.path.join(apt, folder))
        options = [f"APT::Architecture={name}", f"APT::Architectures={name}", f"Dir::State::lists={apt}/lists",
                   "Dir::State::status=/dev/null", f"Dir::Cache={apt}/cache"]
        options = [word for option in options for word in ("-o", option)]
        run(["apt-get", *options, "-q", "update"], apt)  # a mirror in the middle of an update leaves some lists out: the others do
        yield options


def pae():
    """Debian's 32-bit kernel with PAE; None: it is not to be had."""
    there = os.path.join(GUESTS, "linux-image-*-686-pae/boot/vmlinuz-*")
    if not glob.glob(there):
        with other_architecture("i386") as apt:
            package = package_of("linux-image-686-pae", apt)
            if not package or not fetch(package, "./boot/vmlinuz-*", apt):
                return None
    return max(glob.glob(there), key=numbers)


def installer(architecture):
    """(kernel, initrd) of the network installer for "amd64" or "i386"; None: it is not to be had."""
    folder = f"usr/lib/debian-installer/images/12/{architecture}/text/debian-installer/{architecture}"
    root = fetch("debian-installer-12-netboot-" + architecture, f"./{folder}/*")
    return tuple(os.path.join(root, folder, name) for name in ("linux", "initrd.gz")) if root else None
