# SPDX-License-Identifier: BSD-2-Clause
"""Debian's other kernels, for guests: from /boot when they are installed, else the package is fetched and unpacked below $O/guests,
which needs no root and leaves the machine's own boot menu alone."""

import glob
import os
import re
import subprocess

from guest import OUT


def numbers(text):
    return [int(n) for n in re.findall(r"\d+", text)]


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


def package(flavour):
    """The package that Debian's meta package stands for."""
    meta = "linux-image-" + ("" if flavour == "generic" else flavour + "-") + "amd64"
    done = subprocess.run(["apt-cache", "depends", meta], stdout=subprocess.PIPE, stderr=subprocess.DEVNULL, text=True)
    match = re.search(r"Depends: (linux-image-\S+)", done.stdout)
    return match.group(1) if match else None


def debian(flavour):
    """(kernel, folder of modules) of "cloud", "generic" or "rt"; None: it is not to be had."""
    found = find("/", flavour)
    root = os.path.join(OUT, "guests", flavour)
    found = found or find(root, flavour)
    name = None if found else package(flavour)
    if not name:
        return found
    os.makedirs(root, exist_ok=True)
    for command in (["apt-get", "-q", "download", name], ["sh", "-c", "dpkg-deb -x ./*.deb . && rm -f ./*.deb"],
                    ["depmod", "-b", root, name[len("linux-image-"):]]):
        environment = dict(os.environ, PATH=os.environ["PATH"] + ":/sbin:/usr/sbin")
        if subprocess.run(command, cwd=root, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, env=environment).returncode:
            return None
    return find(root, flavour)
