// SPDX-License-Identifier: BSD-2-Clause
// What CPUID tells the guest: the host's processor, masked and completed as cpu_model.def says. One
// model per vCPU, built once; an exit is a table look-up. SDM 2A "CPUID", APM 3 appendix E.
#pragma once

#include <stdbool.h>
#include <stdint.h>

struct cpuid_regs {
    uint32_t eax, ebx, ecx, edx;
};

// How a vmm reads its host's CPUID; tests put their own host here.
typedef void cpuid_host_fn(uint32_t leaf, uint32_t subleaf, struct cpuid_regs *out);

struct cpu_options {
    uint8_t vcpus;   // of the VM, 1..PLATFORM_VCPUS_MAX
    uint8_t apic_id; // of this vCPU: its number, below vcpus
    // Features that a guest may have by software or with a host control: shown only where the rest
    // of the vmm supports them
    bool tsc_deadline; // the APIC timer's TSC-deadline mode
    bool x2apic;
    bool invpcid; // VM-execution control "enable INVPCID" is on (always true on SVM)
    bool rdtscp;  // likewise "enable RDTSCP", for RDTSCP and RDPID
    bool hide_cx16;
    bool hide_pcid;
    bool pv_eoi;             // the paravirtual end of interrupt; only with the clock
    bool hide_pvclock;       // the guest has to find the TSC's frequency with the 8254
    bool hide_invariant_tsc; // the guest must not trust the TSC across idle
    uint64_t
        xcr0; // components to offer, UINT64_MAX: all that the host and this model know; 0: no XSAVE
    cpuid_host_fn *host; // NULL: the CPUID instruction
};

#define CPUID_BASIC_MAX    0x16 // highest leaf of each range that a model can hold
#define CPUID_KVM_MAX      0x01
#define CPUID_EXTENDED_MAX 0x1e
#define CPUID_ENTRIES      96
#define CPUID_COMPONENTS   10 // XSAVE components 0..9: up to PKRU

struct cpuid_slot { // one leaf: its entries are consecutive, one per subleaf
    uint8_t first;
    uint8_t count;   // subleaves from here on read as zeros
    uint8_t dynamic; // enum in cpuid.c: what to patch
    bool flat;       // ignores the subleaf
};

struct cpu_model {
    // State of the vCPU that shows in CPUID. The main loop keeps these up to date.
    uint64_t cr4;       // OSXSAVE and OSPKE
    uint64_t xcr0;      // size of the XSAVE area; starts as 1
    bool apic_disabled; // APIC_BASE.EN is 0

    // Results that others use; constant after cpuid_init
    bool intel;   // else AMD or Hygon
    bool nx;      // EFER.NXE may be set
    bool pvclock; // KVM's clock is shown
    bool pv_eoi;  // KVM's end of interrupt is shown
    bool x2apic;
    uint64_t xcr0_supported; // 0: no XSAVE
    uint8_t vcpus, apic_id;

    // Private to cpuid.c
    uint32_t max_basic, max_extended, max_kvm;
    uint8_t entries;
    struct cpuid_slot basic[CPUID_BASIC_MAX + 1];
    struct cpuid_slot kvm[CPUID_KVM_MAX + 1];
    struct cpuid_slot extended[CPUID_EXTENDED_MAX + 1];
    struct {
        uint16_t size, offset;
        bool align; // to 64 in the compacted format
    } component[CPUID_COMPONENTS];
    struct cpuid_regs entry[CPUID_ENTRIES];
};

// Builds the model. tsc_hz: the guest's TSC frequency, for leaves 0x15 and 0x16. options is not
// kept.
void cpuid_init(struct cpu_model *model, const struct cpu_options *options, uint64_t tsc_hz);

// The answer to CPUID with this EAX and ECX, for any values. Leaves out of range give what hardware
// gives: on Intel the data of the highest basic leaf, on AMD zeros.
void cpuid_get(const struct cpu_model *model, uint32_t leaf, uint32_t subleaf,
               struct cpuid_regs *out);

// Whether XSETBV of this value to XCR0 is allowed; the caller raises #GP when not (SDM 1 13.3).
bool cpuid_xcr0_valid(const struct cpu_model *model, uint64_t value);
