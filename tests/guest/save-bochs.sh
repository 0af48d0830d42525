#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Pause, snapshot and restore of a Linux guest, in Bochs (Intel VT-x): see save.py. Only with --long.
[ -n "${LONG:-}" ] || { echo "SKIP save-bochs (only with --long)"; exit 0; }
command -v bochs-bin >/dev/null || { echo "SKIP save-bochs (bochs-bin is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/save.py" bochs
