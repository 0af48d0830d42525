# SPDX-License-Identifier: BSD-2-Clause
"""Lines of code, without blank lines and comments, as cloc counts them; bytes of the kernel's code."""

import json
import os
import re
import subprocess

from emulate import OUT, ROOT

FILLING = re.compile(rb"(?:\x66*\x2e?\x0f\x1f[\x00\x40\x44\x80\x84]\0*|\x66*\x90)+\Z", re.S)  # NOPs of all lengths


def run(*command):
    return subprocess.run(command, cwd=ROOT, capture_output=True, text=True, check=True).stdout


def lines(*folders):
    """.c .h .S .def .lds files: all that is compiled; documentation is not. HAZARD: cloc does not know .def and .lds by itself."""
    return json.loads(run("cloc", "--json", "--quiet", "--skip-uniqueness", "--force-lang=C,def", "--force-lang=C,lds",
                          "--include-lang=C,C/C++ Header,Assembly", *folders))["SUM"]["code"]


def vmm_sources(program="vmm"):
    """The files of vmm/ that a vmm is made of: its linker map names the objects, their dependencies the headers."""
    with open(f"{OUT}/{program}.elf.map", encoding="ascii", errors="replace") as file:
        names = {"main"} | set(re.findall(r"^\S*vmm\.a\((\w+)\.o\)", file.read(), re.M))
    sources = set()
    for name in names:
        depends = f"{OUT}/u/vmm/{name}.d"
        if os.path.exists(depends):  # else it is of lib/
            with open(depends, encoding="utf-8") as file:
                sources.update(word.rstrip(":") for word in file.read().split() if word.startswith("vmm/"))
    return sorted(sources)


def longest():
    """The source file with the most lines, all lines counted."""
    files = run("git", "ls-files", "*.c", "*.h", "*.S", "*.def", "*.py", "*.sh", "bulkhead", "Makefile").split()
    return max((sum(1 for _ in open(os.path.join(ROOT, name), "rb")), name) for name in files
               if os.path.exists(os.path.join(ROOT, name)))


def text_bytes():
    """The kernel's code: section .text without the filling up to a whole page, and the start-up code in .boot."""
    def section(name):
        return subprocess.run(["objcopy", "-O", "binary", f"--only-section={name}", f"{OUT}/bulkhead.elf", "/dev/stdout"],
                              capture_output=True, check=True).stdout

    return len(FILLING.sub(b"", section(".text"))) + len(section(".boot"))
