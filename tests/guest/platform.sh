#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# HPET, RTC, resets, debug ports, watchdog, in QEMU: see platform.py.
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP platform (qemu-system-x86_64 is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/platform.py"
