#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Debian's other kernels and its installer, in QEMU (AMD SVM): see debian.py. They unpack themselves for minutes.
[ -n "$LONG" ] || { echo "SKIP debian-qemu (takes long: --long)"; exit 0; }
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP debian-qemu (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/debian.py" qemu
