#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Linux with two virtual CPUs in Bochs: Intel VT-x with a virtualized APIC. With --long: it takes its time.
[ -n "$LONG" ] || { echo "SKIP smp-bochs (runs with --long)"; exit 0; }
command -v bochs-bin >/dev/null || { echo "SKIP smp-bochs (bochs is not installed)"; exit 0; }
exec python3 tests/guest/smp.py bochs
