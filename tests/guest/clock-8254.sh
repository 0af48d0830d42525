#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A guest without KVM's clock measures the TSC against the 8254, in QEMU: see clock.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP clock-8254 (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/clock.py"
