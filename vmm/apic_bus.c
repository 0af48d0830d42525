// SPDX-License-Identifier: BSD-2-Clause
// Routing of interrupt messages to Local APICs. The loops are over at most APIC_CPUS CPUs.
#include "apic_bus.h"

#include "lapic.h"

#include <string.h>

void apic_bus_init(struct apic_bus *bus, const struct apic_callbacks *callbacks)
{
    memset(bus, 0, sizeof(*bus));
    if (callbacks != NULL)
        bus->callbacks = *callbacks;
}

bool apic_bus_add(struct apic_bus *bus, struct lapic *lapic)
{
    if (bus->count >= APIC_CPUS)
        return false;
    bus->cpu[bus->count++] = lapic;
    return true;
}

static bool matches_logical(const struct lapic *lapic, const struct apic_message *message)
{
    uint32_t id = lapic_logical_id(lapic);
    uint32_t dest = message->dest;
    if (lapic_x2apic(lapic)) {
        if (message->x2apic)
            return id >> 16 == dest >> 16 && id & dest & 0xffff;
        return id >> 16 == 0 && id & dest & 0xff; /* from the I/O APIC: cluster 0, eight bits */
    }
    id >>= 24;
    if (lapic->s.dfr >> 28 == 0xf) /* flat */
        return id & dest & 0xff;
    /* cluster: four bits of address, four of members (SDM 3A 11.6.2.2) */
    return (id >> 4 == (dest >> 4 & 15) || (dest & 0xf0) == 0xf0) && id & dest & 15;
}

uint32_t apic_bus_match(const struct apic_bus *bus, const struct apic_message *message)
{
    uint32_t everyone = message->x2apic ? 0xffffffff : 0xff;
    uint32_t set = 0;
    for (unsigned i = 0; i < bus->count; i++) {
        const struct lapic *lapic = bus->cpu[i];
        if (!lapic_hw_enabled(lapic))
            continue;
        if (message->dest == everyone)
            set |= 1u << i;
        else if (message->logical ? matches_logical(lapic, message) : lapic->s.id == message->dest)
            set |= 1u << i;
    }
    return set;
}

/* One of the set with the lowest processor priority; those alike take turns. */
static uint32_t arbitrate(struct apic_bus *bus, uint32_t set)
{
    unsigned best = APIC_CPUS;
    for (unsigned i = 0; i < bus->count; i++) {
        unsigned cpu = (bus->next + i) % bus->count;
        struct lapic *lapic = bus->cpu[cpu];
        if (!(set & 1u << cpu) || !lapic_enabled(lapic))
            continue;
        lapic_pull(lapic);
        if (best == APIC_CPUS || (lapic->ppr & 0xf0) < (bus->cpu[best]->ppr & 0xf0))
            best = cpu;
    }
    if (best == APIC_CPUS)
        return 0;
    bus->next = (best + 1) % bus->count;
    return 1u << best;
}

/* Whether the CPU accepts. A CPU whose APIC is disabled by software still takes NMI, INIT and SIPI.
 */
static bool deliver(struct apic_bus *bus, unsigned cpu, const struct apic_message *message)
{
    const struct apic_callbacks *callbacks = &bus->callbacks;
    struct lapic *lapic = bus->cpu[cpu];
    switch (message->mode) {
    case APIC_FIXED:
    case APIC_LOWEST:
        if (!lapic_enabled(lapic))
            return false;
        lapic_set_irr(lapic, message->vector, message->level);
        return true;
    case APIC_NMI:
        if (callbacks->nmi != NULL)
            callbacks->nmi(callbacks->ctx, cpu);
        return true;
    case APIC_INIT:
        /* HAZARD: the page of a virtual APIC is the processor's while its guest runs: its own
         * thread resets it then. */
        if (lapic->page == NULL || cpu == bus->current)
            lapic_init_reset(lapic);
        if (callbacks->init != NULL)
            callbacks->init(callbacks->ctx, cpu);
        return true;
    case APIC_SIPI:
        if (callbacks->sipi != NULL)
            callbacks->sipi(callbacks->ctx, cpu, message->vector);
        return true;
    default: /* no SMM; ExtINT is level, the chipset asks for it */
        return false;
    }
}

unsigned apic_bus_send_set(struct apic_bus *bus, uint32_t cpus, const struct apic_message *message)
{
    unsigned accepted = 0;
    if (message->mode == APIC_LOWEST)
        cpus = arbitrate(bus, cpus);
    for (unsigned cpu = 0; cpu < bus->count; cpu++) {
        if (!(cpus & 1u << cpu) || !deliver(bus, cpu, message))
            continue;
        accepted++;
        if (cpu != bus->current && bus->callbacks.kick != NULL)
            bus->callbacks.kick(bus->callbacks.ctx, cpu);
    }
    return accepted;
}

unsigned apic_bus_send(struct apic_bus *bus, const struct apic_message *message)
{
    return apic_bus_send_set(bus, apic_bus_match(bus, message), message);
}
