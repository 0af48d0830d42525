#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Guests with a screen and a keyboard, in QEMU: see screen.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP screen (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/screen.py"
