// SPDX-License-Identifier: BSD-2-Clause
// Messages between interrupt controllers and the Local APICs of one VM: destinations (physical,
// logical flat and cluster, x2APIC), lowest priority, NMI, INIT and SIPI. SDM 3A 11.6 and 11.11.
#ifndef VMM_APIC_BUS_H
#define VMM_APIC_BUS_H

#include <stdbool.h>
#include <stdint.h>

#define APIC_CPUS 8

struct lapic;

enum apic_mode { /* delivery modes, as in the ICR, an LVT entry or a redirection entry */
                 APIC_FIXED = 0,
                 APIC_LOWEST = 1,
                 APIC_SMI = 2,
                 APIC_NMI = 4,
                 APIC_INIT = 5,
                 APIC_SIPI = 6,
                 APIC_EXTINT = 7,
};

struct apic_message {
    uint32_t dest; /* APIC ID or logical destination; 8 bits, or 32 in a message of an x2APIC */
    uint8_t vector;
    uint8_t mode; /* enum apic_mode */
    bool logical; /* how dest is to be read */
    bool level;   /* level triggered: the EOI is broadcast */
    bool x2apic;  /* dest has 32 bits */
};

/* What happens to a virtual CPU beyond an ordinary interrupt. All may be NULL. */
struct apic_callbacks {
    void (*nmi)(void *ctx, unsigned cpu);
    void (*init)(void *ctx, unsigned cpu);                 /* resets its Local APIC */
    void (*sipi)(void *ctx, unsigned cpu, uint8_t vector); /* starts at vector << 12 */
    void (*kick)(void *ctx, unsigned cpu); /* a CPU other than the current one has work */
    void *ctx;
    void (*eoi)(void *ctx, uint8_t vector); /* a level-triggered vector was finished */
    void *eoi_ctx;
};

struct apic_bus {
    struct lapic *cpu[APIC_CPUS];
    unsigned count;
    unsigned current; /* the CPU whose exit is being handled; its APIC page answers */
    unsigned next;    /* where the search for the lowest priority begins */
    struct apic_callbacks callbacks;
};

void apic_bus_init(struct apic_bus *bus, const struct apic_callbacks *callbacks);

/* Adds a Local APIC; its index is the CPU number. False when there are APIC_CPUS already. */
bool apic_bus_add(struct apic_bus *bus, struct lapic *lapic);

/* Delivers to all that the message addresses; returns how many accepted it. */
unsigned apic_bus_send(struct apic_bus *bus, const struct apic_message *message);

/* Delivers to a set of CPUs (bit per CPU), for the shorthands; only vector, mode and level count.
 */
unsigned apic_bus_send_set(struct apic_bus *bus, uint32_t cpus, const struct apic_message *message);

/* Which CPUs the destination of a message means. */
uint32_t apic_bus_match(const struct apic_bus *bus, const struct apic_message *message);

#endif
