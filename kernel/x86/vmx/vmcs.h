// SPDX-License-Identifier: BSD-2-Clause
// VMCS fields (SDM 3D appendix B), control bits (SDM 3C chapter 24) and the VMX instructions.
#pragma once

#include <stdbool.h>
#include <stdint.h>

// clang-format off
enum vmcs_field {
    VPID = 0x0000, INTERRUPT_STATUS = 0x0810, GUEST_ES = 0x0800, // es cs ss ds fs gs ldtr tr: 2 apart, here as everywhere
    HOST_ES = 0x0c00, HOST_CS = 0x0c02, HOST_SS = 0x0c04, HOST_DS = 0x0c06, HOST_FS = 0x0c08,
    HOST_GS = 0x0c0a, HOST_TR = 0x0c0c, MSR_BITMAP = 0x2004, TSC_OFFSET = 0x2010,
    VIRTUAL_APIC = 0x2012, APIC_ACCESS = 0x2014, EOI_EXIT = 0x201c, // 4 of them
    TPR_THRESHOLD = 0x401c,
    EPT_POINTER = 0x201a, XSS_EXITING = 0x202c, ENCLS_EXITING = 0x202e, GUEST_PHYSICAL = 0x2400,
    GUEST_LINK = 0x2800, GUEST_DEBUGCTL = 0x2802, GUEST_PAT = 0x2804, GUEST_EFER = 0x2806,
    GUEST_PDPTE = 0x280a, // 4 of them
    HOST_PAT = 0x2c00, HOST_EFER = 0x2c02, PIN_CONTROLS = 0x4000, PRIMARY_CONTROLS = 0x4002,
    EXCEPTION_BITMAP = 0x4004, CR3_TARGETS = 0x400a, EXIT_CONTROLS = 0x400c,
    ENTRY_CONTROLS = 0x4012, ENTRY_EVENT = 0x4016, ENTRY_EVENT_ERROR = 0x4018,
    ENTRY_EVENT_LENGTH = 0x401a, SECONDARY_CONTROLS = 0x401e, INSTRUCTION_ERROR = 0x4400,
    EXIT_REASON = 0x4402, EXIT_EVENT = 0x4404, EXIT_EVENT_ERROR = 0x4406, VECTORING = 0x4408,
    VECTORING_ERROR = 0x440a, EXIT_LENGTH = 0x440c, GUEST_ES_LIMIT = 0x4800,
    GUEST_GDTR_LIMIT = 0x4810, GUEST_IDTR_LIMIT = 0x4812, GUEST_ES_RIGHTS = 0x4814,
    GUEST_SHADOW = 0x4824, GUEST_ACTIVITY = 0x4826, GUEST_SYSENTER_CS = 0x482a,
    PREEMPTION_TIMER = 0x482e, HOST_SYSENTER_CS = 0x4c00, CR0_MASK = 0x6000, CR4_MASK = 0x6002,
    CR0_SHADOW = 0x6004, CR4_SHADOW = 0x6006, QUALIFICATION = 0x6400, GUEST_LINEAR = 0x640a,
    GUEST_CR0 = 0x6800, GUEST_CR3 = 0x6802, GUEST_CR4 = 0x6804, GUEST_ES_BASE = 0x6806,
    GUEST_GDTR_BASE = 0x6816, GUEST_IDTR_BASE = 0x6818, GUEST_DR7 = 0x681a, GUEST_RSP = 0x681c,
    GUEST_RIP = 0x681e, GUEST_RFLAGS = 0x6820, GUEST_PENDING_DEBUG = 0x6822,
    GUEST_SYSENTER_ESP = 0x6824, GUEST_SYSENTER_EIP = 0x6826, HOST_CR0 = 0x6c00,
    HOST_CR3 = 0x6c02, HOST_CR4 = 0x6c04, HOST_FS_BASE = 0x6c06, HOST_GS_BASE = 0x6c08,
    HOST_TR_BASE = 0x6c0a, HOST_GDTR_BASE = 0x6c0c, HOST_IDTR_BASE = 0x6c0e,
    HOST_SYSENTER_ESP = 0x6c10, HOST_SYSENTER_EIP = 0x6c12, HOST_RSP = 0x6c14, HOST_RIP = 0x6c16,
};
// clang-format on

// Groups of controls, in the order of the capability MSRs.
enum vmx_control { PIN, PRIMARY, EXIT, ENTRY, SECONDARY, CONTROL_GROUPS };

#define PIN_TIMER          (1u << 6)
#define PRIMARY_WINDOW     (1u << 2)
#define PRIMARY_INVLPG     (1u << 9)
#define PRIMARY_RDTSC      (1u << 12)
#define PRIMARY_CR3        (1u << 15 | 1u << 16)
#define PRIMARY_CR8        (1u << 19 | 1u << 20)
#define PRIMARY_TPR_SHADOW (1u << 21)
#define PRIMARY_NMI_WINDOW (1u << 22)
#define PRIMARY_PAUSE      (1u << 30)
#define SECONDARY_ACCESSES (1u << 0) // to the APIC page
#define SECONDARY_RDTSCP   (1u << 3)
#define SECONDARY_APIC     (1u << 8 | 1u << 9) // APIC-register virtualization, virtual-interrupt delivery
#define SECONDARY_ENCLS    (1u << 15)
#define SECONDARY_XSAVES   (1u << 20)
#define ENTRY_IA32E        (1u << 9)

#define EPT_WB_4_LEVELS (6u | 3u << 3)

static inline uint64_t vmread(uint64_t field)
{
    uint64_t value;

    __asm__ volatile("vmread %1, %0" : "=r"(value) : "r"(field) : "cc");
    return value;
}

static inline void vmwrite(uint64_t field, uint64_t value)
{
    __asm__ volatile("vmwrite %1, %0" ::"r"(field), "r"(value) : "cc");
}

// These take a pointer to the physical address. False: VMfail.
#define VMX_POINTER(name)                                                           \
    static inline bool name(const uint64_t *physical)                               \
    {                                                                               \
        bool fail;                                                                  \
        __asm__ volatile(#name " %1" : "=@ccbe"(fail) : "m"(*physical) : "memory"); \
        return !fail;                                                               \
    }
VMX_POINTER(vmxon)
VMX_POINTER(vmclear)
VMX_POINTER(vmptrld)
#undef VMX_POINTER

// type 1: this EPT pointer, 2: all
static inline void invept(uint64_t type, uint64_t pointer)
{
    const struct {
        uint64_t pointer, reserved;
    } operand = {pointer, 0};

    __asm__ volatile("invept %0, %1" ::"m"(operand), "r"(type) : "cc", "memory");
}

// type 2: all tags
static inline void invvpid(uint64_t type)
{
    const struct {
        uint64_t vpid, address;
    } operand = {0, 0};

    __asm__ volatile("invvpid %0, %1" ::"m"(operand), "r"(type) : "cc", "memory");
}
