#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Two Linux VMs on one network, in QEMU (AMD SVM): see links.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP links-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/links.py" qemu
