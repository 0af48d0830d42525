#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Multiboot, Multiboot2 and PVH in QEMU: see boot.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP boot (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/boot.py"
