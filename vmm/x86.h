// SPDX-License-Identifier: BSD-2-Clause
// Architectural bits of registers (SDM vol. 1 3.4.3, vol. 3A 2.5 and 4.1) that the decoder, the
// emulator and the page walker share.
#pragma once

#define RFLAGS_CF (1ull << 0)
#define RFLAGS_PF (1ull << 2)
#define RFLAGS_AF (1ull << 4)
#define RFLAGS_ZF (1ull << 6)
#define RFLAGS_SF (1ull << 7)
#define RFLAGS_TF (1ull << 8)
#define RFLAGS_DF (1ull << 10)
#define RFLAGS_OF (1ull << 11)
#define RFLAGS_RF (1ull << 16)
#define RFLAGS_VM (1ull << 17)
#define RFLAGS_AC (1ull << 18)

#define CR0_PE (1ull << 0)
#define CR0_EM (1ull << 2)
#define CR0_TS (1ull << 3)
#define CR0_WP (1ull << 16)
#define CR0_PG (1ull << 31)

#define CR4_PSE     (1ull << 4)
#define CR4_PAE     (1ull << 5)
#define CR4_OSFXSR  (1ull << 9)
#define CR4_LA57    (1ull << 12)
#define CR4_OSXSAVE (1ull << 18)
#define CR4_SMEP    (1ull << 20)
#define CR4_SMAP    (1ull << 21)

#define EFER_LMA (1ull << 10)
#define EFER_NXE (1ull << 11)

// Access rights of a segment, SDM 3C 24.4.1.
#define SEGMENT_WRITABLE (1u << 1) // data; in code the same bit means readable
#define SEGMENT_DOWN     (1u << 2) // data that expands down
#define SEGMENT_CODE     (1u << 3)
#define SEGMENT_PRESENT  (1u << 7)
#define SEGMENT_LONG     (1u << 13)
#define SEGMENT_BIG      (1u << 14) // D or B
#define SEGMENT_NO_USE   (1u << 16)

enum x86_vector {
    VECTOR_DE = 0,
    VECTOR_UD = 6,
    VECTOR_NM = 7,
    VECTOR_SS = 12,
    VECTOR_GP = 13,
    VECTOR_PF = 14
};
