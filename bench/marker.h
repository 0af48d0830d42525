// SPDX-License-Identifier: BSD-2-Clause
// The marker: a NOP of eight bytes, `nopl disp32(%rax,%rax)`, whose displacement is MARKER_MAGIC |
// number. It does nothing on any processor and causes no exit; the counting plugin writes its
// totals when it meets one, in a guest, a task or the kernel. In assembly files: MARKER(number).
// Usable in C between instructions as MARKER_ASM "number\n".
#pragma once

#define MARKER_MAGIC 0x4b6e6200
#define MARK_WOKEN   0x40 // writes nothing: a thread that waited for an interrupt runs
// clang-format off
#define MARKER(n)    .byte 0x0f, 0x1f, 0x84, 0x00; .long MARKER_MAGIC + n
#define MARKER_ASM   ".byte 0x0f, 0x1f, 0x84, 0x00\n\t.long 0x4b6e6200 + "
// clang-format on
