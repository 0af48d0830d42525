#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Linux with its own virtio drivers, in Bochs (Intel VT-x): see virtio.py.
[ -n "${LONG:-}" ] || { echo "SKIP virtio-bochs (only with --long)"; exit 0; }
command -v bochs-bin >/dev/null || { echo "SKIP virtio-bochs (bochs is not installed)"; exit 0; }
export KERNEL_OPTIONS="accept=meltdown apic=software" # few of its models tell that they are free of it
exec python3 "$(dirname "$0")/virtio.py" bochs
