#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Starts first: takes long.
# The hostile guest in Bochs (Intel VT-x), a choice of its misdeeds; all of them with --long.
command -v bochs-bin >/dev/null || { echo "SKIP hostile-bochs (bochs is not installed)"; exit 0; }
exec python3 "$(dirname "$0")/hostile.py" bochs "$@"
