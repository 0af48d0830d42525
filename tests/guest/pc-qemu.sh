#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The virtual PC from inside, in QEMU (AMD SVM): see pc.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP pc-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/pc.py" qemu
