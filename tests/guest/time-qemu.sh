#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Shares of the CPU, in QEMU: see time.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP time (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/time.py"
