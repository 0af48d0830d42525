#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Linux with its own virtio drivers, in QEMU (AMD SVM): see virtio.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP virtio-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/virtio.py" qemu
