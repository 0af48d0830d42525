#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Linux in three VMs, each on a CPU of its own: on SVM, and with --long on VT-x (four CPUs in Bochs take their time).
command -v qemu-system-x86_64 >/dev/null || { echo "SKIP cpus (qemu-system-x86_64 is not installed)"; exit 0; }
emulators=(qemu)
[ -z "$LONG" ] || emulators+=(bochs)
python3 tests/system.py tests/guest/cpus.yaml "${emulators[@]}" | sed 's,^\(PASS\|FAIL\) system/,\1 cpus/,'
