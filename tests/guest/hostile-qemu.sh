#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# A guest that does all that it should not, beside one that must not notice, in QEMU (AMD SVM): see hostile.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP hostile-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/hostile.py" qemu "$@"
