// SPDX-License-Identifier: BSD-2-Clause
// The virtual machine control block, AMD APM volume 2 appendix B, and the bits that are used of it.
#pragma once

#include <stddef.h>
#include <stdint.h>

struct vmcb_segment {
    uint16_t selector,
        attributes; // attributes: bits 0..7 and 12..15 of the descriptor's high half, packed
    uint32_t limit;
    uint64_t base;
};

struct vmcb {
    uint32_t intercept_cr, intercept_dr, intercept_exceptions;
    uint32_t intercept[3]; // words 3..5
    uint8_t reserved0[0x3c - 0x18];
    uint16_t pause_threshold, pause_count;
    uint64_t iopm, msrpm, tsc_offset;
    uint32_t asid;
    uint32_t tlb_control;
    uint32_t virq; // VIRQ_*
    uint32_t virq_vector;
    uint64_t shadow;
    uint64_t exit_code, exit_info1, exit_info2;
    uint32_t exit_int_info, exit_int_error;
    uint64_t nested;
    uint8_t reserved1[0xa8 - 0x98];
    uint32_t event, event_error;
    uint64_t nested_cr3;
    uint64_t lbr;
    uint32_t clean, reserved2;
    uint64_t next_rip;
    uint8_t reserved3[0x400 - 0xd0];

    struct vmcb_segment es, cs, ss, ds, fs, gs, gdtr, ldtr, idtr, tr;
    uint8_t reserved4[0x4cb - 0x4a0];
    uint8_t cpl;
    uint32_t reserved5;
    uint64_t efer;
    uint8_t reserved6[0x548 - 0x4d8];
    uint64_t cr4, cr3, cr0, dr7, dr6, rflags, rip;
    uint8_t reserved7[0x5d8 - 0x580];
    uint64_t rsp;
    uint8_t reserved8[0x5f8 - 0x5e0];
    uint64_t rax, star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip, cr2;
    uint8_t reserved9[0x668 - 0x648];
    uint64_t pat;
    uint8_t reserved10[0x1000 - 0x670];
};

_Static_assert(offsetof(struct vmcb, iopm) == 0x40, "APM B-1");
_Static_assert(offsetof(struct vmcb, exit_code) == 0x70, "APM B-1");
_Static_assert(offsetof(struct vmcb, event) == 0xa8, "APM B-1");
_Static_assert(offsetof(struct vmcb, next_rip) == 0xc8, "APM B-1");
_Static_assert(offsetof(struct vmcb, cpl) == 0x4cb, "APM B-2");
_Static_assert(offsetof(struct vmcb, efer) == 0x4d0, "APM B-2");
_Static_assert(offsetof(struct vmcb, rip) == 0x578, "APM B-2");
_Static_assert(offsetof(struct vmcb, rax) == 0x5f8, "APM B-2");
_Static_assert(offsetof(struct vmcb, cr2) == 0x640, "APM B-2");
_Static_assert(offsetof(struct vmcb, pat) == 0x668, "APM B-2");
_Static_assert(sizeof(struct vmcb) == 4096, "one page");

#define VIRQ_PENDING    (1u << 8)
#define VIRQ_IGNORE_TPR (1u << 20)
#define VIRQ_MASKING    (1u << 24)
#define TLB_FLUSH_ALL   1u

// clang-format off
enum svm_intercept { // bits of intercept[], whose word 0 is at offset 0xc
    INTERCEPT_VINTR = 4, INTERCEPT_RDTSC = 14, INTERCEPT_IRET = 20, INTERCEPT_PAUSE = 23,
    INTERCEPT_INVLPG = 25, INTERCEPT_RDTSCP = 32 + 7,
};
enum svm_exit {
    SVM_EXCEPTION = 0x40, SVM_DB = 0x41, SVM_MC = 0x52, SVM_INTR = 0x60, SVM_IRET = 0x74, SVM_RDTSCP = 0x87, SVM_NPF = 0x400,
};
// clang-format on
#define SVM_INVALID 0xffffffffu // QEMU stores 32 bits of it
