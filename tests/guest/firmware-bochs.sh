#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# SeaBIOS and OVMF, GRUB, Linux in Bochs (Intel VT-x), only with --long: see firmware.py.
command -v bochs-bin >/dev/null || { echo "SKIP firmware-bochs (bochs-bin is not installed)"; exit 0; }
[ -n "${LONG:-}" ] || { echo "SKIP firmware-bochs (takes long: --long)"; exit 0; }
exec python3 "$(dirname "$0")/firmware.py" bochs
