// SPDX-License-Identifier: BSD-2-Clause
// All devices of one virtual PC, wired: ports, memory-mapped registers, interrupt lines (each ISA
// line goes to the 8259 pair and to the I/O APIC, line 0 to its pin 2), Local APICs, and one
// deadline for all timers. The vmm's main loop talks to this and to nothing behind it. No locks:
// with several vCPUs the caller has the VM's.
#ifndef VMM_CHIPSET_H
#define VMM_CHIPSET_H

#include "acpi_pm.h"
#include "apic_bus.h"
#include "bus.h"
#include "clock.h"
#include "ioapic.h"
#include "irq.h"
#include "lapic.h"
#include "pci.h"
#include "pic.h"
#include "pit.h"
#include "q35.h"
#include "reset.h"
#include "rtc.h"
#include "uart.h"

#define CHIPSET_UARTS   2
#define CHIPSET_DEVICES 64
#define CHIPSET_TIMERS  32

struct chipset_config {
    uint64_t tsc_hz;            /* ticks per second of the host's TSC */
    uint64_t (*now)(void *ctx); /* NULL: RDTSC. Tests pass their own, with now_ctx */
    void *now_ctx;
    unsigned cpus;          /* 1 .. APIC_CPUS */
    unsigned uarts;         /* 0 .. CHIPSET_UARTS: COM1, COM2 */
    bool x2apic;            /* allow x2APIC mode; CPUID must say the same */
    bool tsc_deadline;      /* allow the timer's TSC-deadline mode; CPUID must say the same */
    uint64_t apic_timer_hz; /* 0: 1 GHz */
    int64_t unix_seconds;   /* what the clock shows at the start */
    uint64_t ram_below_4g;  /* bytes, for CMOS */
    uint64_t ram_above_4g;
    unsigned physical_bits; /* of the guest's addresses, for PCI's 64-bit window; 0: no window */

    void *ctx; /* passed to all callbacks below; each of them may be NULL */
    void (*power_off)(void *ctx);
    void (*reset)(void *ctx); /* call chipset_reset() once the exit is handled */
    void (*uart_tx)(void *ctx, unsigned uart, const uint8_t *bytes, size_t n);
    void (*uart_rx_ready)(void *ctx, unsigned uart); /* room: offer more with uart_receive() */
    struct apic_callbacks cpu; /* with a ctx of their own; `eoi` is the chipset's */
};

struct chipset_uart { /* tells a callback which port it is */
    struct chipset *chipset;
    unsigned index;
};

struct chipset_device {
    const struct device_ops *ops;
    void *dev;
};

struct chipset_timer {
    const uint64_t *deadline; /* in the device: when expire() is to be called, or CLOCK_NEVER */
    void (*expire)(void *dev, uint64_t now);
    void *dev;
};

struct chipset {
    struct bus ports;
    struct bus mmio;
    struct clock clock;
    struct irq_sink irqs;          /* for devices added later: lines 0..23 */
    struct irq_sink pci_irqs;      /* the PCI bus': see pci.h */
    struct irq_sink timer_irqs;    /* the 8254's and the RTC's: `irqs`, or an HPET before it */
    uint16_t isa_lines, pci_lines; /* levels at the 8259 pair that each of the two drives */
    struct pci_bus pci;
    struct q35 q35;
    struct pic pic;
    struct pit pit;
    struct rtc rtc;
    struct ioapic ioapic;
    struct apic_bus apics;
    struct lapic lapic[APIC_CPUS];
    struct acpi_pm pm;
    struct reset reset;
    struct uart uart[CHIPSET_UARTS];
    struct chipset_uart uart_ctx[CHIPSET_UARTS];
    struct chipset_device device[CHIPSET_DEVICES]; /* all that is reset, saved, shown */
    unsigned devices, controllers;              /* the last `controllers` of them take interrupts */
    struct chipset_timer timer[CHIPSET_TIMERS]; /* of devices that were added */
    unsigned timers;
    uint8_t post_code; /* port 0x80, which guests also use as a delay */
    struct chipset_config config;
};

/* Builds the machine in power-on state. False when the configuration is out of range. The chipset
 * must not move afterwards. */
bool chipset_init(struct chipset *c, const struct chipset_config *config);

/* Adds a device that was built after chipset_init(): its reset, save, restore and info (NULL: it
 * has none; save and restore only together) are then called with those of the others, in the order
 * in which they were added and before those of the interrupt controllers. Its ports or registers
 * are added to the bus, or to PCI, by the device itself. False: there are CHIPSET_DEVICES. */
bool chipset_add_device(struct chipset *c, const struct device_ops *ops, void *dev);

/* Adds a timer: expire(dev, now) is called when *deadline, which the device changes at will, has
 * come. It must move the deadline behind `now`. False: there are CHIPSET_TIMERS. */
bool chipset_add_timer(struct chipset *c, const uint64_t *deadline,
                       void (*expire)(void *dev, uint64_t now), void *dev);

/* Power-on state again; memory, time and CMOS stay. */
void chipset_reset(struct chipset *c);

/* The state in which firmware hands over to an operating system that is loaded directly: virtual
 * wire mode on CPU 0, the 8259 pair at vectors 8 and 0x70 with all inputs masked. */
void chipset_firmware_state(struct chipset *c);

/* Drives interrupt line 0..23: ISA lines 0..15, I/O APIC pins 16..23. */
void chipset_irq(struct chipset *c, unsigned line, bool level);

/* Whose exit is being handled: the APIC page of this CPU answers. */
static inline void chipset_set_cpu(struct chipset *c, unsigned cpu)
{
    c->apics.current = cpu < c->apics.count ? cpu : 0;
}

/* Whether the 8259's INTR reaches this CPU. */
bool chipset_extint_slow(const struct chipset *c, unsigned cpu);

static inline bool chipset_extint(const struct chipset *c, unsigned cpu)
{
    return pic_pending(&c->pic) && chipset_extint_slow(c, cpu);
}

/* Whether an interrupt waits that this CPU may take as soon as its RFLAGS.IF and shadow allow.
 * `cpu` is below config.cpus, here and below. */
static inline bool chipset_interrupt_pending(struct chipset *c, unsigned cpu)
{
    return lapic_pending(&c->lapic[cpu]) >= 0 || chipset_extint(c, cpu);
}

/* Of those, whether one is not the processor's to deliver: chipset_interrupt_take() has it. */
static inline bool chipset_inject_pending(struct chipset *c, unsigned cpu)
{
    return (!c->lapic[cpu].virtual && lapic_pending(&c->lapic[cpu]) >= 0) || chipset_extint(c, cpu);
}

/* Acknowledges the interrupt with the highest priority that is to be injected and returns its
 * vector, -1 when there is none. Call it only when the vector is injected at once: it is in service
 * from here on. */
int chipset_interrupt_take(struct chipset *c, unsigned cpu);

/* The earliest tick at which chipset_expire() has something to do for this CPU: its APIC timer, and
 * for CPU 0 all devices. CLOCK_NEVER when none. */
static inline uint64_t chipset_deadline(const struct chipset *c, unsigned cpu)
{
    uint64_t first = lapic_deadline(&c->lapic[cpu]);
    if (cpu != 0)
        return first;
    if (pit_deadline(&c->pit) < first)
        first = pit_deadline(&c->pit);
    if (rtc_deadline(&c->rtc) < first)
        first = rtc_deadline(&c->rtc);
    if (acpi_pm_deadline(&c->pm) < first)
        first = acpi_pm_deadline(&c->pm);
    for (unsigned i = 0; i < c->config.uarts; i++)
        if (uart_deadline(&c->uart[i]) < first)
            first = uart_deadline(&c->uart[i]);
    for (unsigned i = 0; i < c->timers; i++)
        if (*c->timer[i].deadline < first)
            first = *c->timer[i].deadline;
    return first;
}

/* Lets every timer of this CPU that is due do its work. */
void chipset_expire(struct chipset *c, unsigned cpu, uint64_t now);

/* Hands on all output that is gathered, before the vmm waits for long. */
void chipset_flush(struct chipset *c);

/* One snapshot of all devices; save returns its length or 0, restore false when any part is refused
 * (the chipset is then to be reset). */
size_t chipset_save(struct chipset *c, void *buf, size_t size);
bool chipset_restore(struct chipset *c, const void *buf, size_t size);

/* Prints the state of the devices whose name is `name`, or of all (NULL), for the monitor. */
size_t chipset_info(struct chipset *c, const char *name, char *buf, size_t size);

#endif
