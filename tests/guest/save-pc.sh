#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Snapshots of VMs with firmware, AHCI drives and a screen, in QEMU (AMD SVM): see save_pc.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP save-pc (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/save_pc.py"
