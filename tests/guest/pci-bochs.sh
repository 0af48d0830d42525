#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# PCI in Bochs (Intel VT-x): see pci.py. Only with --long.
[ -n "${LONG:-}" ] || { echo "SKIP pci-bochs (only with --long)"; exit 0; }
command -v bochs-bin >/dev/null || { echo "SKIP pci-bochs (bochs-bin is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/pci.py" bochs
