// SPDX-License-Identifier: BSD-2-Clause
// Local APIC (xAPIC) and I/O APICs of the machine. SDM 3A chapter 10, 82093AA.
#pragma once

#include "layout.h"
#include <stdbool.h>
#include <stdint.h>

struct irq;

#define VECTOR_GSI      0x30
#define GSI_MAX         0x90
#define VECTOR_TIMER    0xc0
#define VECTOR_IPI      0xc8
#define VECTOR_SPURIOUS 0xcf
#define VECTOR_COUNT    0xd0 // those above share the stub of an unused one
#define IOAPIC_MAX      8

static inline void apic_eoi(void)
{
    *(volatile uint32_t *)(DEVICES + 0xb0) = 0;
}

// On each CPU: enables its APIC, everything masked. apic_timer_mode() then lets its timer interrupt.
void apic_cpu_init(void);
void apic_timer_mode(void);
uint32_t apic_id(void);
// Sends an interprocessor interrupt: `command` is the ICR's low half. Interrupts are off.
void apic_send(uint32_t id, uint32_t command);
void apic_stop_others(void); // an NMI to each other CPU, which stops when `panicking`
// Measures the TSC and the timer against the 8254: sets tsc_hz. Some 40 ms, interrupts off; at boot only.
void apic_timer_calibrate(void);
void pic_disable(void);

void ioapic_add(uint64_t address, uint32_t gsi_base);
// An ISA interrupt that the firmware wired elsewhere (MADT type 2).
void ioapic_override(uint32_t gsi, uint16_t flags);
extern struct irq *gsi_irqs[GSI_MAX]; // bound to each GSI, or NULL
