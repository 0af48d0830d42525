// SPDX-License-Identifier: BSD-2-Clause
// Wiring of the virtual PC. Addresses and lines are those of platform.h, which the ACPI tables use
// too.
#include "chipset.h"

#include "platform.h"

#include <stdio.h>
#include <string.h>

_Static_assert(PLATFORM_PM1_EVENT == ACPI_PM_PORT + ACPI_PM_EVT, "ACPI tables and device agree");
_Static_assert(PLATFORM_PM1_CTL == ACPI_PM_PORT + ACPI_PM_CNT, "ACPI tables and device agree");
_Static_assert(PLATFORM_PM_TIMER == ACPI_PM_PORT + ACPI_PM_TMR, "ACPI tables and device agree");
_Static_assert(PLATFORM_SLP_TYP_S5 == ACPI_SLP_TYP_S5, "ACPI tables and device agree");
_Static_assert(PLATFORM_LAPIC == LAPIC_BASE && PLATFORM_IOAPIC == IOAPIC_BASE, "APIC addresses");
_Static_assert(PLATFORM_IOAPIC_PINS == IOAPIC_PINS, "I/O APIC pins");

#define ISA_LINES 16
#define CASCADE   2

/* PCI's interrupts share lines of the 8259 pair with those of ISA devices and the SCI. */
static void set_pic(struct chipset *c, uint16_t *lines, unsigned line, bool level)
{
    *lines = (uint16_t)((*lines & ~(1u << line)) | (unsigned)level << line);
    pic_set(&c->pic, line, (c->isa_lines | c->pci_lines) >> line & 1);
}

void chipset_irq(struct chipset *c, unsigned line, bool level)
{
    if (line < ISA_LINES)
        set_pic(c, &c->isa_lines, line, level);
    if (line == PLATFORM_IRQ_PIT)
        ioapic_set(&c->ioapic, PLATFORM_GSI_PIT, level);
    else if (line != CASCADE)
        ioapic_set(&c->ioapic, line, level);
}

static void irq_from_device(void *ctx, unsigned line, bool level)
{
    chipset_irq(ctx, line, level);
}

/* Lines from 16 on are PIRQA..H at the I/O APIC; below, what of them is routed to the 8259. */
static void irq_from_pci(void *ctx, unsigned line, bool level)
{
    struct chipset *c = ctx;
    if (line < ISA_LINES)
        set_pic(c, &c->pci_lines, line, level);
    else
        ioapic_set(&c->ioapic, line, level);
}

static void pci_event(void *ctx)
{
    struct chipset *c = ctx;
    acpi_pm_event(&c->pm, PLATFORM_GPE_PCI);
}

/* INTR of the 8259 pair is wired to LINT0 of every CPU. */
static void intr_changed(void *ctx, bool level)
{
    struct chipset *c = ctx;
    for (unsigned i = 0; i < c->apics.count; i++) {
        lapic_set_lint(&c->lapic[i], 0, level);
        if (level && i != c->apics.current && ioapic_extint(&c->ioapic, 0, i) &&
            c->config.cpu.kick != NULL)
            c->config.cpu.kick(c->config.cpu.ctx, i);
    }
}

static void uart_tx(void *ctx, const uint8_t *bytes, size_t n)
{
    const struct chipset_uart *port = ctx;
    const struct chipset_config *config = &port->chipset->config;
    if (config->uart_tx != NULL)
        config->uart_tx(config->ctx, port->index, bytes, n);
}

static void uart_rx_ready(void *ctx)
{
    const struct chipset_uart *port = ctx;
    const struct chipset_config *config = &port->chipset->config;
    if (config->uart_rx_ready != NULL)
        config->uart_rx_ready(config->ctx, port->index);
}

/* Port 0x80: the code that firmware shows while it starts; Linux writes to it as a delay. */
static uint64_t post_read(void *dev, uint64_t offset, unsigned size)
{
    (void)offset;
    (void)size;
    const struct chipset *c = dev;
    return c->post_code;
}

static void post_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    (void)offset;
    (void)size;
    struct chipset *c = dev;
    c->post_code = (uint8_t)value;
}

static const struct device_ops post_ops = {
    .name = "post",
    .read = post_read,
    .write = post_write,
    .width = 1,
};

/* Interrupt controllers stay last, against the flow of interrupts: what a device's restored line
 * causes on the way is then overwritten by the controllers' own snapshots. */
bool chipset_add_device(struct chipset *c, const struct device_ops *ops, void *dev)
{
    if (c->devices >= CHIPSET_DEVICES)
        return false;
    struct chipset_device *at = &c->device[c->devices - c->controllers];
    memmove(at + 1, at, c->controllers * sizeof(*at));
    *at = (struct chipset_device){ops, dev};
    c->devices++;
    return true;
}

bool chipset_add_timer(struct chipset *c, const uint64_t *deadline,
                       void (*expire)(void *dev, uint64_t now), void *dev)
{
    if (c->timers >= CHIPSET_TIMERS)
        return false;
    c->timer[c->timers++] = (struct chipset_timer){deadline, expire, dev};
    return true;
}

static void add_controller(struct chipset *c, const struct device_ops *ops, void *dev)
{
    if (c->devices < CHIPSET_DEVICES) {
        c->device[c->devices++] = (struct chipset_device){ops, dev};
        c->controllers++;
    }
}

static bool add_regions(struct chipset *c)
{
    static const uint16_t uart_port[CHIPSET_UARTS] = {UART_COM1_PORT, UART_COM2_PORT};
    struct bus *ports = &c->ports;
    bool ok = bus_add(ports, PIC_MASTER_PORT, 2, &pic_ops, &c->pic) &&
              bus_add(ports, PIC_SLAVE_PORT, 2, &pic_slave_ops, &c->pic) &&
              bus_add(ports, PIC_ELCR_PORT, 2, &pic_elcr_ops, &c->pic) &&
              bus_add(ports, PIT_PORT, 4, &pit_ops, &c->pit) &&
              bus_add(ports, PIT_PORT61, 1, &pit_port61_ops, &c->pit) &&
              bus_add(ports, RTC_PORT, 2, &rtc_ops, &c->rtc) &&
              bus_add(ports, 0x80, 1, &post_ops, c) &&
              bus_add(ports, RESET_PORT64, 1, &reset_port64_ops, &c->reset) &&
              bus_add(ports, RESET_PORT92, 1, &reset_port92_ops, &c->reset) &&
              bus_add(ports, RESET_CONFIG_PORT, 4, &reset_ops, &c->reset) &&
              bus_add(ports, ACPI_SMI_PORT, 2, &acpi_smi_ops, &c->pm) &&
              bus_add(&c->mmio, IOAPIC_BASE, IOAPIC_SIZE, &ioapic_ops, &c->ioapic) &&
              bus_add(&c->mmio, LAPIC_BASE, LAPIC_SIZE, &lapic_page_ops, &c->apics);
    for (unsigned i = 0; ok && i < c->config.uarts; i++)
        ok = bus_add(ports, uart_port[i], 8, &uart_ops, &c->uart[i]);
    return ok;
}

/* Above RAM, on its own size, and where the processor's addresses reach. */
static void place_window64(struct chipset *c)
{
    uint64_t base = PLATFORM_PCI64, end = PLATFORM_HIGH_RAM + c->config.ram_above_4g;
    if (c->config.physical_bits == 0 || c->config.physical_bits > 52)
        return;
    while (base < end)
        base += PLATFORM_PCI64_SIZE;
    if (base + PLATFORM_PCI64_SIZE > 1ull << c->config.physical_bits)
        return;
    c->pci.window64 = base;
    c->pci.window64_size = PLATFORM_PCI64_SIZE;
}

static bool init_pci(struct chipset *c)
{
    if (!pci_bus_init(&c->pci, &c->ports, &c->mmio, &c->apics, &c->pci_irqs))
        return false;
    c->pci.ram_low = c->config.ram_below_4g;
    c->pci.ram_high = c->config.ram_above_4g;
    place_window64(c);
    c->pci.notify = pci_event;
    c->pci.notify_ctx = c;
    reset_set_config(&c->reset, &pci_address_ops, &c->pci);
    return q35_init(&c->q35, &c->pci, &c->pm) && chipset_add_device(c, &q35_ops, &c->q35);
}

bool chipset_init(struct chipset *c, const struct chipset_config *config)
{
    static const uint8_t uart_irq[CHIPSET_UARTS] = {4, 3};
    if (config->cpus == 0 || config->cpus > APIC_CPUS || config->uarts > CHIPSET_UARTS ||
        config->tsc_hz < CLOCK_HZ_MIN || config->tsc_hz > CLOCK_HZ_MAX)
        return false;
    memset(c, 0, sizeof(*c));
    c->config = *config;
    clock_init(&c->clock, config->tsc_hz, config->now, config->now_ctx);
    bus_init(&c->ports, "ports");
    bus_init(&c->mmio, "mmio");
    c->irqs = c->timer_irqs = (struct irq_sink){irq_from_device, c};
    c->pci_irqs = (struct irq_sink){irq_from_pci, c};

    struct apic_callbacks callbacks = config->cpu;
    callbacks.eoi = ioapic_eoi;
    callbacks.eoi_ctx = &c->ioapic;
    apic_bus_init(&c->apics, &callbacks);
    for (unsigned i = 0; i < config->cpus; i++) {
        if (!lapic_init(&c->lapic[i], &c->apics, &c->clock, config->apic_timer_hz))
            return false;
        c->lapic[i].allow_x2apic = config->x2apic;
        c->lapic[i].allow_deadline = config->tsc_deadline;
    }
    ioapic_init(&c->ioapic, &c->apics);
    pic_init(&c->pic, intr_changed, c);
    pit_init(&c->pit, &c->clock, (struct irq_line){&c->timer_irqs, PLATFORM_IRQ_PIT});
    rtc_init(&c->rtc, &c->clock, (struct irq_line){&c->timer_irqs, PLATFORM_IRQ_RTC},
             config->unix_seconds);
    rtc_set_memory(&c->rtc, config->ram_below_4g, config->ram_above_4g);
    acpi_pm_init(&c->pm, &c->clock, (struct irq_line){&c->irqs, PLATFORM_IRQ_SCI},
                 config->power_off, config->ctx);
    reset_init(&c->reset, config->reset, config->ctx);
    for (unsigned i = 0; i < config->uarts; i++) {
        c->uart_ctx[i] = (struct chipset_uart){c, i};
        uart_init(&c->uart[i], &c->clock, (struct irq_line){&c->irqs, uart_irq[i]}, uart_tx,
                  uart_rx_ready, &c->uart_ctx[i]);
        chipset_add_device(c, &uart_ops, &c->uart[i]);
    }
    chipset_add_device(c, &pit_ops, &c->pit);
    chipset_add_device(c, &rtc_ops, &c->rtc);
    chipset_add_device(c, &acpi_pm_ops, &c->pm);
    chipset_add_device(c, &reset_ops, &c->reset);
    add_controller(c, &pic_ops, &c->pic);
    add_controller(c, &ioapic_ops, &c->ioapic);
    for (unsigned i = 0; i < config->cpus; i++)
        add_controller(c, &lapic_ops, &c->lapic[i]);
    return add_regions(c) && init_pci(c);
}

void chipset_reset(struct chipset *c)
{
    for (unsigned i = 0; i < c->devices; i++)
        if (c->device[i].ops->reset != NULL)
            c->device[i].ops->reset(c->device[i].dev);
    c->apics.current = 0;
    c->apics.next = 0;
    c->post_code = 0;
}

void chipset_firmware_state(struct chipset *c)
{
    static const struct {
        uint16_t port;
        uint8_t value;
    } writes[] = {
        {0x20, 0x11},  {0x21, 0x08}, {0x21, 0x04}, {0x21, 0x01}, {0x21, 0xff}, /* master at 8 */
        {0xa0, 0x11},  {0xa1, 0x70}, {0xa1, 0x02}, {0xa1, 0x01}, {0xa1, 0xff}, /* slave at 0x70 */
        {0x4d1, 0x0e}, /* SCI and the lines of the PIRQs are level */
    };
    for (unsigned i = 0; i < sizeof(writes) / sizeof(writes[0]); i++)
        bus_write(&c->ports, writes[i].port, 1, writes[i].value);
    q35_firmware_state(&c->q35);
    lapic_virtual_wire(&c->lapic[0]);
}

bool chipset_extint_slow(const struct chipset *c, unsigned cpu)
{
    return lapic_extint_enabled(&c->lapic[cpu]) || ioapic_extint(&c->ioapic, 0, cpu);
}

int chipset_interrupt_take(struct chipset *c, unsigned cpu)
{
    if (chipset_extint(c, cpu))
        return pic_ack(&c->pic);
    int vector = c->lapic[cpu].virtual ? -1 : lapic_pending(&c->lapic[cpu]);
    if (vector >= 0)
        lapic_accept(&c->lapic[cpu], (uint8_t)vector);
    return vector;
}

void chipset_expire(struct chipset *c, unsigned cpu, uint64_t now)
{
    lapic_expire(&c->lapic[cpu], now);
    if (cpu != 0)
        return;
    pit_expire(&c->pit, now);
    rtc_expire(&c->rtc, now);
    acpi_pm_expire(&c->pm, now);
    for (unsigned i = 0; i < c->config.uarts; i++)
        uart_expire(&c->uart[i], now);
    for (unsigned i = 0; i < c->timers; i++)
        if (*c->timer[i].deadline <= now)
            c->timer[i].expire(c->timer[i].dev, now);
}

void chipset_flush(struct chipset *c)
{
    for (unsigned i = 0; i < c->config.uarts; i++)
        uart_flush(&c->uart[i]);
}

/* Each device's snapshot follows its length. */
size_t chipset_save(struct chipset *c, void *buf, size_t size)
{
    uint8_t *out = buf;
    size_t used = 0;
    for (unsigned i = 0; i < c->devices; i++) {
        uint32_t length = 0;
        if (c->device[i].ops->save == NULL)
            continue;
        if (size - used < sizeof(length))
            return 0;
        length = (uint32_t)c->device[i].ops->save(c->device[i].dev, out + used + sizeof(length),
                                                  size - used - sizeof(length));
        if (length == 0)
            return 0;
        memcpy(out + used, &length, sizeof(length));
        used += sizeof(length) + length;
    }
    return used;
}

bool chipset_restore(struct chipset *c, const void *buf, size_t size)
{
    const uint8_t *in = buf;
    size_t used = 0;
    for (unsigned i = 0; i < c->devices; i++) {
        uint32_t length;
        if (c->device[i].ops->save == NULL)
            continue;
        if (size - used < sizeof(length))
            return false;
        memcpy(&length, in + used, sizeof(length));
        used += sizeof(length);
        if (length > size - used || !c->device[i].ops->restore(c->device[i].dev, in + used, length))
            return false;
        used += length;
    }
    return used == size;
}

size_t chipset_info(struct chipset *c, const char *name, char *buf, size_t size)
{
    size_t n = 0;
    for (unsigned i = 0; i < c->devices; i++) {
        if (c->device[i].ops->info != NULL &&
            (name == NULL || strcmp(name, c->device[i].ops->name) == 0))
            n += c->device[i].ops->info(c->device[i].dev, buf + n, size - n);
    }
    if (name == NULL || strcmp(name, "bus") == 0) {
        n += bus_info(&c->ports, buf + n, size - n);
        n += bus_info(&c->mmio, buf + n, size - n);
    }
    return n;
}
