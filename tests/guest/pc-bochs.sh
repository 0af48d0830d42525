#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# The virtual PC from inside, in Bochs (Intel VT-x): see pc.py.
command -v bochs-bin >/dev/null || { echo "SKIP pc-bochs (bochs-bin is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/pc.py" bochs
