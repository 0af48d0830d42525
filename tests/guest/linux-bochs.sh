#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Starts first: takes long.
# The default system in Bochs (Intel VT-x), both guests to their shells and a few commands; all of linux.py with --long.
command -v bochs-bin >/dev/null || { echo "SKIP linux-bochs (bochs is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/linux.py" bochs
