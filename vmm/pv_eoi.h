// SPDX-License-Identifier: BSD-2-Clause
// KVM's paravirtual end of interrupt (Linux Documentation/virt/kvm/x86/msr.rst, MSR_KVM_PV_EOI_EN):
// a bit in the guest's memory says that the interrupt in service needs no EOI; the guest clears it
// instead of writing the register, which would exit. The vmm sets it when it delivers an interrupt,
// and learns at the next exit whether it was used.
#pragma once

#include <stdbool.h>
#include <stdint.h>

#include "guest_memory.h"

struct pv_eoi {
    const struct guest_ram *ram;
    uint64_t value;         // the guest's last write to the MSR
    volatile uint8_t *flag; // its byte in the guest's memory; NULL: off
    bool armed;             // the bit was set, and not looked at since
};

void pv_eoi_init(struct pv_eoi *eoi, const struct guest_ram *ram);

// MSR 0x4B564D04: bit 0 enables, bits 63:2 are the address of four bytes. False (#GP): not in RAM,
// or bit 1 set.
bool pv_eoi_write(struct pv_eoi *eoi, uint64_t value);

// The next EOI may be left out. Only while the guest does not run on this vCPU, only when nothing
// else is pending and the vector in service is edge triggered.
static inline void pv_eoi_arm(struct pv_eoi *eoi)
{
    if (!eoi->flag)
        return;
    *eoi->flag |= 1;
    eoi->armed = true;
}

// After an exit, when armed: takes the bit back. True: the guest has ended the interrupt.
static inline bool pv_eoi_take(struct pv_eoi *eoi)
{
    uint8_t flag = *eoi->flag;

    eoi->armed = false;
    if (!(flag & 1))
        return true;
    *eoi->flag = flag & ~1u;
    return false;
}
