#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Starts first: takes long.
# Linux with the processor's APIC virtualization and without it, on one machine; with --long on one that has none, too.
command -v bochs-bin >/dev/null || { echo "SKIP apic-bochs (bochs is not installed)"; exit 0; }
python3 "$(dirname "$0")/apic.py" corei7_skylake_x virtual
[ -z "${LONG:-}" ] || python3 "$(dirname "$0")/apic.py" corei3_cnl software
