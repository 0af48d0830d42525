#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Network cards, vsock and 9P between guests, in QEMU (AMD SVM): see net.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP net-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/net.py" qemu
