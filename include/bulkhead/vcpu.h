// SPDX-License-Identifier: BSD-2-Clause
// The vCPU page: 4 KiB that kernel and vmm share for one vCPU. The same for VT-x and SVM.
// Behind it, with VCPU_APIC: the virtual-APIC page, which the processor reads and writes. Behind
// that, with VCPU_FPU, whether or not there is one: the FPU page, in the standard format of XSAVE
// with all components of the machine (FXSAVE where it has no XSAVE), which GROUP_FPU stores and
// loads. Of what the vmm wrote there, what the processor would refuse is left out: unknown
// components, reserved bits of MXCSR.
//
// The kernel writes it when vcpu_run returns and reads it when vcpu_run enters. HAZARD: the vmm may
// write it at any time from another CPU: the kernel reads each field once, checks that copy and
// uses that copy. Nothing in it is ever a kernel secret or trusted.
//
// On every exit these are stored: exit, gpr[], rip, rflags, length, vectoring, shadow, and the
// fields of the exit's class. State groups are stored only when want[class] names them (then `have`
// tells which), and loaded at entry only when `dirty` names them (the kernel clears `dirty`).
#pragma once

#include <stdint.h>

// clang-format off
enum vcpu_exit {
    EXIT_KICK,       // the bound signal has bits; take them with wait
    EXIT_DEADLINE,   // page->deadline passed
    EXIT_WINDOW,     // the guest can take an interrupt now (asked for by window = 1)
    EXIT_NMI_WINDOW, // likewise for an NMI (window = 2). SVM: at the IRET that ends the last one, before it runs
    EXIT_CPUID,
    EXIT_HLT,
    EXIT_IO,    // qualification: struct-less, see IO_*
    EXIT_RDMSR, // index in gpr[RCX]
    EXIT_WRMSR,
    EXIT_MEMORY, // nested page fault: gpa, access; linear when LINEAR_VALID
    EXIT_CR,     // access to a control register; qualification CR_* when CR_DECODED, else decode
    EXIT_DR,     // access to a debug register; decode
    EXIT_XSETBV,
    EXIT_EXCEPTION, // intercepted exception: vector in `event`, its error code in `error`; qualification: #PF address, #DB what DR6 shall tell
    EXIT_SHUTDOWN,  // triple fault
    EXIT_INVD,      // INVD or WBINVD
    EXIT_PAUSE,
    EXIT_HYPERCALL, // VMCALL, VMMCALL
    EXIT_RDTSC,     // qualification 1: RDTSCP
    EXIT_INVLPG,
    EXIT_TASK_SWITCH,
    EXIT_UNDEFINED, // an instruction that the guest's processor does not have (VMX, SVM, MONITOR, ...): inject #UD
    EXIT_INIT,
    EXIT_SIPI,
    EXIT_INVALID, // the state that the vmm loaded was refused; qualification: the vendor's code. On SVM all groups must be loaded again
    EXIT_OTHER,   // vendor's reason in `reason`
    EXIT_RDPMC,   // the guest has no counters: inject #GP
    EXIT_APIC_EOI,   // CONTROL_APIC: the guest finished the vector in `qualification`, which eoi_exit names; the page is up to date already
    EXIT_APIC_WRITE, // CONTROL_APIC: the guest wrote the register at offset `qualification` of the page; the write is done, rip is behind it
    EXIT_CLASSES,
    EXIT_HOST = 31, // kernel-internal: a host interrupt; never seen by a vmm
};

enum vcpu_group { // bits of have, dirty, want[]
    GROUP_CR = 1 << 0,       // cr0 cr2 cr3 cr4
    GROUP_SEG = 1 << 1,      // es cs ss ds fs gs
    GROUP_TABLES = 1 << 2,   // ldtr tr gdtr idtr
    GROUP_SYSCALL = 1 << 3,  // star lstar cstar sfmask kernel_gs_base (VT-x: WRMSR to the first four exits)
    GROUP_SYSENTER = 1 << 4, // sysenter_*
    GROUP_EFER_PAT = 1 << 5, // efer pat
    GROUP_DEBUG = 1 << 6,    // dr[0..3] dr7 (DR6 is the vmm's own: every access and every #DB exits)
    GROUP_PDPTE = 1 << 7,    // pdpte[] (VT-x with PAE paging; ignored on SVM)
    GROUP_EVENT = 1 << 8,    // shadow, activity, pending_debug (at entry; on exit shadow is always there)
    GROUP_TIME = 1 << 9,     // tsc_offset
    GROUP_INJECT = 1 << 10,  // inject inject_error inject_length window
    GROUP_CONTROL = 1 << 11, // control exceptions eoi_exit
    GROUP_XSTATE = 1 << 12,  // xcr0 tsc_aux
    GROUP_APIC = 1 << 13,    // apic_status (only with VCPU_APIC)
    GROUP_FPU = 1 << 14,     // the registers in the FPU page (only with VCPU_FPU)
    GROUP_ALL = (1 << 15) - 1,
};

enum gpr { RAX, RCX, RDX, RBX, RSP, RBP, RSI, RDI, R8, R9, R10, R11, R12, R13, R14, R15 };

struct vcpu_segment {
    uint32_t selector;
    uint32_t attributes; // SDM 3C 24.4.1 access-rights format: type 0..3, S 4, DPL 5..6, P 7, AVL 12, L 13, D/B 14, G 15, unusable 16
    uint32_t limit;
    uint32_t reserved;
    uint64_t base;
};
enum seg { SEG_ES, SEG_CS, SEG_SS, SEG_DS, SEG_FS, SEG_GS, SEG_LDTR, SEG_TR, SEG_COUNT };

// EXIT_IO: qualification, laid out as SDM 3C table 27-5
#define IO_PORT(q)  ((uint16_t)((q) >> 16))
#define IO_SIZE(q)  (((unsigned)(q) & 7) + 1) // 1, 2, 4
#define IO_IN       (1u << 3)
#define IO_STRING   (1u << 4)
#define IO_REP      (1u << 5)
#define IO_EXIT(port, size, flags) ((uint32_t)(port) << 16 | ((size) - 1) | (flags))
// EXIT_MEMORY: qualification
#define MEMORY_WRITE   (1u << 0)
#define MEMORY_FETCH   (1u << 1)
#define MEMORY_PRESENT (1u << 2) // the nested tables do map the address, with fewer rights
#define MEMORY_WALK    (1u << 3) // the access was the walk of the guest's own page tables
#define LINEAR_VALID   (1u << 4)
// EXIT_CR: qualification
#define CR_DECODED  (1u << 31)
#define CR_NUMBER(q) ((q) & 15)
#define CR_GPR(q)    ((q) >> 8 & 15)
#define CR_READ     (1u << 4) // else write
#define CR_CLTS     (1u << 5)
#define CR_LMSW     (1u << 6) // source in bits 16..31
// Event words: inject, vectoring, event. SDM 3C 24.8.3
#define EVENT_VALID     (1u << 31)
#define EVENT_HAS_ERROR (1u << 11)
#define EVENT_VECTOR(e) ((e) & 0xff)
#define EVENT_TYPE(e)   ((e) >> 8 & 7)
enum event_type { EVENT_EXTERNAL = 0, EVENT_NMI = 2, EVENT_EXCEPTION = 3, EVENT_SOFT_INT = 4, EVENT_PRIV_SOFT = 5, EVENT_SOFT_EXCEPTION = 6 };
// shadow
#define SHADOW_STI    1u
#define SHADOW_MOV_SS 2u
#define SHADOW_NMI    8u // NMIs blocked
// window
#define WINDOW_INTERRUPT 1u
#define WINDOW_NMI       2u
// control: exits that a vmm may ask for on top of those that the kernel always takes
#define CONTROL_PAUSE  (1u << 0)
#define CONTROL_RDTSC  (1u << 1)
#define CONTROL_CR3    (1u << 2)
#define CONTROL_INVLPG (1u << 3)
// With VCPU_APIC: the processor answers the guest's accesses to APIC_PAGE and CR8 from the virtual-APIC page, and delivers from it. Without this bit every
// such access exits (EXIT_MEMORY, EXIT_CR). Those that it leaves to the vmm are EXIT_MEMORY as well.
#define CONTROL_APIC   (1u << 4)
#define APIC_PAGE      0xfee00000ull // guest-physical; with VCPU_APIC no memory can be mapped there

struct vcpu_page {
    uint32_t exit;          // enum vcpu_exit
    uint32_t reason;        // the vendor's own exit code, for statistics only
    uint32_t length;        // of the exiting instruction, 0: not known, decode
    uint32_t have;          // groups that this exit stored
    uint64_t qualification; // by class
    uint64_t gpa, linear;   // EXIT_MEMORY; linear also EXIT_INVLPG when the processor tells
    uint32_t event, error;  // EXIT_EXCEPTION
    uint32_t vectoring, vectoring_error; // an event whose delivery this exit broke off: inject it again. HAZARD: else it is lost
    uint32_t shadow;        // SHADOW_*
    uint32_t activity;      // 0 active
    uint64_t gpr[16];       // enum gpr
    uint64_t rip, rflags;   // a changed rip ends the STI / MOV SS shadow, unless GROUP_EVENT is dirty

    uint32_t dirty;         // groups to load at the next entry; the kernel clears it
    uint32_t inject, inject_error, inject_length; // one-shot: the kernel clears `inject`. EXTERNAL: only while the guest can take it
    uint32_t window;        // WINDOW_*: stays until changed (with GROUP_INJECT dirty)
    uint32_t control;       // CONTROL_*
    uint32_t exceptions;    // bitmap of exceptions to intercept, on top of the kernel's own
    uint32_t apic_status;   // RVI, highest vector pending, | SVI, highest one in service, << 8 (SDM 3C 24.4.2). The processor goes on with both
    uint64_t deadline;      // absolute TSC at which vcpu_run returns EXIT_DEADLINE at the latest; UINT64_MAX: none. Read at each entry
    uint64_t tsc_offset;    // guest TSC = host TSC + this

    uint64_t cr0, cr2, cr3, cr4;
    struct vcpu_segment seg[SEG_COUNT];
    uint64_t gdtr_base, idtr_base;
    uint32_t gdtr_limit, idtr_limit;
    uint64_t star, lstar, cstar, sfmask, kernel_gs_base;
    uint64_t sysenter_cs, sysenter_esp, sysenter_eip;
    uint64_t efer, pat;
    uint64_t dr[4], dr6, dr7;
    uint64_t pdpte[4];
    uint64_t pending_debug;
    uint64_t xcr0, tsc_aux;
    uint64_t eoi_exit[4]; // CONTROL_APIC: bit per vector whose end is EXIT_APIC_EOI

    uint32_t want[EXIT_CLASSES]; // groups to store on exit, by class; the vmm writes it
    uint64_t entries;            // statistics: guest entries
};

_Static_assert(sizeof(struct vcpu_page) <= 4096, "one page");
_Static_assert(EXIT_CLASSES <= EXIT_HOST, "exit classes fit");
// clang-format on
