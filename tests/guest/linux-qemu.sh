#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Starts first: takes long.
# The default system in QEMU (AMD SVM): see linux.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP linux-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/linux.py" qemu
