#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Guests that are Multiboot programs, in QEMU: see multiboot.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP multiboot (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/multiboot.py"
