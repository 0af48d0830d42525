# SPDX-License-Identifier: BSD-2-Clause
"""Lines of code, without blank lines and comments, as cloc counts them; bytes of the kernel's code."""

import glob
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


def compiled(depends):
    """The files of this tree that were read for these objects, by the compiler's dependency files; not what it generates."""
    sources = set()
    for name in depends:
        with open(name, encoding="utf-8") as file:
            words = (os.path.normpath(word.rstrip(":")) for word in file.read().split())
        sources.update(word for word in words if word.startswith(("include/", "kernel/", "lib/", "root/", "vmm/")))
    return sources


def vmm_depends(program="vmm"):
    """Dependency files of what a vmm is linked from: its linker map names the objects."""
    with open(f"{OUT}/{program}.elf.map", encoding="ascii", errors="replace") as file:
        names = {"main", "start"} | set(re.findall(r"^\S*vmm\.a\((\w+)\.o\)", file.read(), re.M))
    return [name for part in ("vmm", "lib") for name in (f"{OUT}/u/{part}/{object}.d" for object in names) if os.path.exists(name)]


def vmm_sources(program="vmm"):
    """The files of vmm/ that a vmm is made of."""
    return sorted(name for name in compiled(vmm_depends(program)) if name.startswith("vmm/"))


def trusted_sources(program="vmm"):
    """All that a guest trusts, each file once: of the kernel, of root and of its vmm, with what they use of lib/ and include/."""
    kernel = glob.glob(f"{OUT}/k/kernel/**/*.d", recursive=True)
    root = glob.glob(f"{OUT}/u/root/*.d") + glob.glob(f"{OUT}/u/lib/*.d")  # it is linked with all of lib/
    layout = {"kernel/x86/offsets.c", "kernel/x86/kernel.lds", "lib/task.lds"}
    return sorted(compiled(kernel + root + vmm_depends(program)) | layout)


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
