#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Linux with several virtual CPUs, on SVM in QEMU.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP smp-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 tests/guest/smp.py qemu
