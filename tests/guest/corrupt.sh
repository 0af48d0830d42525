#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Kernel images that are none, and a vmm that faults, beside a guest that must not notice, in QEMU: see corrupt.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP corrupt (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/corrupt.py"
