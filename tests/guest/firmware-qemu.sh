#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# SeaBIOS and OVMF, GRUB, Linux in QEMU (AMD SVM): see firmware.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP firmware-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/firmware.py" qemu
