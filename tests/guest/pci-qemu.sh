#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# PCI in QEMU (AMD SVM): see pci.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP pci-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/pci.py" qemu
