#!/usr/bin/env bash
# SPDX-License-Identifier: BSD-2-Clause
# Builds the guest of the boot protocols: boot/build.sh OUTPUT
set -euo pipefail
cd "$(dirname "$0")"
gcc -m32 -std=gnu17 -O1 -Wall -Wextra -Werror -ffreestanding -fno-pic -no-pie -fno-stack-protector -mgeneral-regs-only \
    -fno-asynchronous-unwind-tables -fno-strict-aliasing -nostdlib -static -Wl,--build-id=none -Wl,-T,boot.lds \
    -Wl,-z,noexecstack -Wl,--no-warn-rwx-segments -o "$1" start.S boot.c
