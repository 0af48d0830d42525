#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A vmm that itself goes wrong, beside one that does not, in QEMU: see fault.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP vmm-fault (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/fault.py"
