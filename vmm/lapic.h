// SPDX-License-Identifier: BSD-2-Clause
// The Local APIC of one virtual CPU: xAPIC page and x2APIC MSRs, priorities, LVT, IPIs, timer with
// TSC deadline. SDM 3A chapter 11 (10 in older editions). lapic.c: state and priorities;
// lapic_regs.c: page and MSRs; lapic_timer.c: the timer; lapic_virtual.c: the processor's share in
// it, where there is one. What is read on every guest entry is cached and inline.
#ifndef VMM_LAPIC_H
#define VMM_LAPIC_H

#include "apic_bus.h"
#include "clock.h"
#include "device.h"

#include <stdbool.h>
#include <stdint.h>

#define LAPIC_BASE 0xfee00000ull
#define LAPIC_SIZE 0x1000ull

#define MSR_APIC_BASE    0x1b
#define MSR_TSC_DEADLINE 0x6e0
#define MSR_X2APIC_FIRST 0x800
#define MSR_X2APIC_LAST  0x83f

#define APIC_BASE_BSP    (1ull << 8)
#define APIC_BASE_X2APIC (1ull << 10)
#define APIC_BASE_ENABLE (1ull << 11)

/* Offset in the page of an entry of the local vector table. */
#define LAPIC_LVT(entry) (0x320u + (entry)*0x10u)

#define LVT_MASKED     (1u << 16)
#define LVT_LEVEL      (1u << 15)
#define LVT_REMOTE_IRR (1u << 14)

enum { /* the local vector table, in the order of this model */
       LVT_TIMER,
       LVT_THERMAL,
       LVT_PERF,
       LVT_LINT0,
       LVT_LINT1,
       LVT_ERROR,
       LVT_COUNT,
};

/* 256 vectors; the summary says which words are not 0, so that the highest is found at once. */
struct vector_set {
    uint32_t word[8];
    uint32_t summary;
};

struct lapic_state {
    uint64_t apic_base; /* MSR_APIC_BASE */
    struct vector_set irr;
    struct vector_set isr;
    uint32_t tmr[8];
    uint32_t id; /* APIC ID, not shifted */
    uint32_t tpr;
    uint32_t ldr; /* the xAPIC's logical ID; derived in x2APIC mode */
    uint32_t dfr;
    uint32_t svr;
    uint32_t esr;         /* as read */
    uint32_t esr_pending; /* found since the last write to ESR */
    uint32_t icr_low;
    uint32_t icr_high;
    uint32_t lvt[LVT_COUNT];
    uint32_t lint_level; /* bit per LINT pin */
    uint32_t timer_initial;
    uint32_t timer_divide; /* register value */
    uint64_t timer_origin; /* tick at which the count was timer_initial */
    uint64_t timer_last;   /* tick of the latest interrupt */
    uint64_t tsc_deadline; /* guest TSC, 0: not armed */
};

struct lapic {
    struct lapic_state s;
    /* Caches of the state. */
    uint32_t irr_top;  /* highest vector in IRR, 0 when none */
    uint32_t isr_top;  /* highest vector in service, 0 when none */
    uint32_t ppr;      /* processor priority */
    uint64_t deadline; /* of the timer, CLOCK_NEVER when no interrupt is to come */
    /* The processor's share, SDM 3C chapter 29. While `virtual` the page holds TPR, IRR, ISR and
     * ICR: the guest changes them without an exit. The state above then follows
     * in lapic_pull(). The other registers go the other way: the guest reads them in the page. */
    volatile uint32_t *page; /* the virtual-APIC page by offset / 4; NULL: all is done here */
    bool virtual;            /* on: there is a page, xAPIC mode, enabled by software */
    bool changed;            /* lapic_status() is to be loaded at the next entry */
    /* What others made pending while the page was not theirs to write; lapic_pull() of the own
     * thread puts it there. */
    uint32_t posted[8];
    bool has_posted;
    bool controls; /* and so are `virtual` and s.tmr, the vectors whose EOI must exit */
    /* Configuration and wiring. */
    unsigned cpu;
    bool allow_x2apic;   /* the guest may switch to x2APIC mode */
    bool allow_deadline; /* the guest may use TSC-deadline mode */
    uint64_t timer_hz;   /* the rate before the divider */
    uint64_t tsc_offset; /* guest TSC - host TSC, for the deadline MSR */
    const struct clock *clock;
    struct apic_bus *bus;
};

/* The APIC page; `dev` is the struct apic_bus, whose current CPU answers. Has no save or restore.
 */
extern const struct device_ops lapic_page_ops;
/* save, restore, info and reset of one Local APIC; `dev` is the struct lapic. */
extern const struct device_ops lapic_ops;

/* Adds a Local APIC as the next CPU on the bus (APIC ID = CPU number; CPU 0 is the BSP) and resets
 * it. timer_hz: rate of the APIC timer before its divider, e.g. 1000000000. False when the bus is
 * full. */
bool lapic_init(struct lapic *lapic, struct apic_bus *bus, const struct clock *clock,
                uint64_t timer_hz);

/* Lets the processor have its share from now on. The page is zeroed, and the vmm's alone while its
 * guest does not run; it must outlive the APIC. */
void lapic_use_page(struct lapic *lapic, void *page);

/* The interrupt status that belongs to the page: the highest vector pending | the highest in
 * service << 8. */
uint32_t lapic_status(struct lapic *lapic);

/* The processor exited: the guest finished a vector of s.tmr, or wrote a register that the
 * processor leaves to the vmm, at this offset of the page. */
void lapic_eoi_exit(struct lapic *lapic, uint8_t vector);
void lapic_write_exit(struct lapic *lapic, uint32_t offset);

/* HAZARD: while a guest runs its page is the processor's. The thread of the vCPU whose exit is
 * handled, bus.current, touches that page only. */

/* While `virtual`: takes over what the guest and the processor changed in the page. Else nothing.
 */
void lapic_pull(struct lapic *lapic);

/* The state in which firmware leaves the BSP's APIC: enabled, LINT0 = ExtINT, LINT1 = NMI. */
void lapic_virtual_wire(struct lapic *lapic);

/* INIT: all but the APIC ID and the mode. */
void lapic_init_reset(struct lapic *lapic);

/* The vector that may interrupt the CPU now, or -1: above the processor priority. */
static inline int lapic_pending(struct lapic *lapic)
{
    if (lapic->virtual)
        lapic_pull(lapic);
    return (lapic->irr_top & 0xf0) > (lapic->ppr & 0xf0) ? (int)lapic->irr_top : -1;
}

/* The CPU takes the vector that lapic_pending() gave: from IRR to ISR. */
void lapic_accept(struct lapic *lapic, uint8_t vector);

/* Whether the EOI of what is in service does nothing but to end it: edge triggered, and nothing is
 * pending behind it. */
static inline bool lapic_eoi_is_plain(const struct lapic *lapic)
{
    uint32_t vector = lapic->isr_top;
    return vector != 0 && lapic->irr_top == 0 && !(lapic->s.tmr[vector >> 5] & 1u << (vector & 31));
}

/* Makes a vector pending; `level` sets its TMR bit. Vectors below 16 are an error that ESR shows.
 */
void lapic_set_irr(struct lapic *lapic, uint8_t vector, bool level);

/* Whether the APIC is on as a whole, and whether software enabled it (SVR bit 8). */
static inline bool lapic_hw_enabled(const struct lapic *lapic)
{
    return (lapic->s.apic_base & APIC_BASE_ENABLE) != 0;
}

static inline bool lapic_enabled(const struct lapic *lapic)
{
    return lapic_hw_enabled(lapic) && lapic->s.svr & 0x100;
}

static inline bool lapic_x2apic(const struct lapic *lapic)
{
    return (lapic->s.apic_base & APIC_BASE_X2APIC) != 0;
}

/* Whether the 8259's INTR reaches the CPU: LINT0 is unmasked ExtINT, or there is no APIC at all. */
static inline bool lapic_extint_enabled(const struct lapic *lapic)
{
    return !lapic_hw_enabled(lapic) ||
           (lapic->s.lvt[LVT_LINT0] & (LVT_MASKED | 0x700)) == APIC_EXTINT << 8;
}

/* Drives LINT0 (0: the 8259's INTR) or LINT1 (1: NMI). */
void lapic_set_lint(struct lapic *lapic, unsigned pin, bool level);

/* Delivers through an LVT entry, e.g. LVT_PERF. */
void lapic_local(struct lapic *lapic, unsigned entry);

/* The task priority as CR8 shows it, 0..15. */
static inline uint64_t lapic_cr8(struct lapic *lapic)
{
    lapic_pull(lapic);
    return lapic->s.tpr >> 4;
}

void lapic_set_cr8(struct lapic *lapic, uint64_t value);

/* MSRs 0x1b, 0x6e0 and 0x800..0x83f. False: the guest gets #GP. */
bool lapic_msr_read(struct lapic *lapic, uint32_t msr, uint64_t *value);
bool lapic_msr_write(struct lapic *lapic, uint32_t msr, uint64_t value);

/* The registers of the page, by offset (multiple of 16), for the page and the MSRs. False: no such.
 */
bool lapic_register_read(struct lapic *lapic, uint32_t offset, uint32_t *value);
bool lapic_register_write(struct lapic *lapic, uint32_t offset, uint32_t value);

/* When lapic_expire() must be called: absolute ticks, CLOCK_NEVER when no interrupt is to come. */
static inline uint64_t lapic_deadline(const struct lapic *lapic)
{
    return lapic->deadline;
}

/* Raises the timer's interrupt that is due at `now`, if any. Missed periods are merged into one. */
void lapic_expire(struct lapic *lapic, uint64_t now);

/* Between the parts of the model. */
void lapic_refresh(struct lapic *lapic); /* caches of the vectors, from the state */
bool lapic_register_get(const struct lapic *lapic, uint32_t offset, uint32_t *value);
void lapic_finish(struct lapic *lapic, uint8_t vector); /* what follows its EOI */
/* Into the page, while `virtual`; else nothing: all registers; TPR and vectors; one register; a
 * vector that became pending. lapic_mode: the mode may have changed, or all of the state has. */
void lapic_mode(struct lapic *lapic);
void lapic_publish(struct lapic *lapic);
void lapic_push(struct lapic *lapic);
void lapic_show(struct lapic *lapic, uint32_t offset);
void lapic_show_pending(struct lapic *lapic, uint8_t vector, bool retriggered);
static inline bool lapic_is_current(const struct lapic *lapic)
{
    return lapic->cpu == lapic->bus->current;
}
void lapic_error(struct lapic *lapic, uint32_t bit);
void lapic_eoi(struct lapic *lapic);
void lapic_set_tpr(struct lapic *lapic, uint32_t value);
void lapic_send_ipi(struct lapic *lapic, uint32_t low, uint32_t high);
uint32_t lapic_logical_id(const struct lapic *lapic);
uint32_t lapic_timer_count(const struct lapic *lapic, uint64_t now);
void lapic_timer_schedule(struct lapic *lapic, uint64_t now);
void lapic_timer_set_initial(struct lapic *lapic, uint32_t value);
void lapic_timer_set_divide(struct lapic *lapic, uint32_t value);
void lapic_timer_set_lvt(struct lapic *lapic, uint32_t value);
void lapic_timer_set_deadline(struct lapic *lapic, uint64_t guest_tsc);

#endif
