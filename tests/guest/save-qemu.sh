#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Pause, snapshot and restore of a Linux guest, in QEMU (AMD SVM): see save.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP save-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/save.py" qemu
