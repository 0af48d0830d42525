// SPDX-License-Identifier: BSD-2-Clause
// Static ACPI tables. ACPI specification 6.4: 5.2.5 RSDP, 5.2.6 header, 5.2.9 FADT (as of revision
// 3), 5.2.10 FACS, 5.2.12 MADT; chapter 20 for the bytes of the DSDT; IA-PC HPET
// specification 3.2.4. There is no SMI: the machine is always in ACPI mode.
#include "acpi.h"

#include <string.h>

struct header {
    char signature[4];
    uint32_t length;
    uint8_t revision, checksum;
    char oem[6], oem_table[8];
    uint32_t oem_revision;
    char creator[4];
    uint32_t creator_revision;
} __attribute__((packed));
_Static_assert(sizeof(struct header) == 36, "ACPI 5.2.6");

struct address { // generic address structure, 5.2.3.2
    uint8_t space, bits, offset, access;
    uint64_t address;
} __attribute__((packed));
enum { SPACE_MEMORY = 0, SPACE_IO = 1 };

struct rsdp {
    char signature[8];
    uint8_t checksum;
    char oem[6];
    uint8_t revision;
    uint32_t rsdt, length;
    uint64_t xsdt;
    uint8_t extended_checksum, reserved[3];
} __attribute__((packed));
_Static_assert(sizeof(struct rsdp) == 36, "ACPI 5.2.5.3");

struct fadt {
    struct header header;
    uint32_t facs, dsdt;
    uint8_t reserved0, profile;
    uint16_t sci;
    uint32_t smi_command;
    uint8_t acpi_enable, acpi_disable, s4bios, pstate;
    uint32_t pm1a_event, pm1b_event, pm1a_control, pm1b_control, pm2_control, pm_timer, gpe0, gpe1;
    uint8_t pm1_event_length, pm1_control_length, pm2_control_length, pm_timer_length;
    uint8_t gpe0_length, gpe1_length, gpe1_base, cst;
    uint16_t c2_latency, c3_latency, flush_size, flush_stride;
    uint8_t duty_offset, duty_width, day_alarm, month_alarm, century;
    uint16_t boot_arch;
    uint8_t reserved1;
    uint32_t flags;
    struct address reset;
    uint8_t reset_value, reserved2[3];
    uint64_t x_facs, x_dsdt;
    struct address x_pm1a_event, x_pm1b_event, x_pm1a_control, x_pm1b_control, x_pm2_control;
    struct address x_pm_timer, x_gpe0, x_gpe1;
} __attribute__((packed));
_Static_assert(sizeof(struct fadt) == 244, "ACPI 5.2.9, revision 3");

#define FADT_WBINVD       (1u << 0)
#define FADT_C1           (1u << 2)
#define FADT_NO_SLEEP_BTN (1u << 5)
#define FADT_NO_RTC_WAKE  (1u << 6)
#define FADT_RESET        (1u << 10)
#define BOOT_LEGACY       (1u << 0) // the serial port
#define BOOT_NO_VGA       (1u << 2) // and bit 1 clear: no 8042. Both save an OS from probing
#define LATENCY_NONE      0xffff

struct facs {
    char signature[4];
    uint32_t length;
    uint8_t zero[56];
} __attribute__((packed));

struct madt_lapic {
    uint8_t type, length, processor, id;
    uint32_t flags;
} __attribute__((packed));
struct madt_ioapic {
    uint8_t type, length, id, reserved;
    uint32_t address, gsi;
} __attribute__((packed));
struct madt_override {
    uint8_t type, length, bus, source;
    uint32_t gsi;
    uint16_t flags;
} __attribute__((packed));
struct madt_nmi {
    uint8_t type, length, processor;
    uint16_t flags;
    uint8_t lint;
} __attribute__((packed));
struct madt {
    struct header header;
    uint32_t lapic, flags;
    struct madt_ioapic ioapic;
    struct madt_override pit, sci;
    struct madt_nmi nmi;
    struct madt_lapic cpus[PLATFORM_VCPUS_MAX];
} __attribute__((packed));
#define MADT_PCAT       1u // 8259s are present too
#define MADT_ENABLED    1u
#define MADT_LEVEL_HIGH 0xdu

struct hpet {
    struct header header;
    uint32_t id;
    struct address address;
    uint8_t number;
    uint16_t min_tick;
    uint8_t protection;
} __attribute__((packed));
_Static_assert(sizeof(struct hpet) == 56, "HPET 3.2.4");

struct xsdt {
    struct header header;
    uint64_t table[3];
} __attribute__((packed));
struct rsdt {
    struct header header;
    uint32_t table[3];
} __attribute__((packed));

#define NAME(a, b, c, d) 0x08, a, b, c, d            // NameOp
#define PNP(high, low)   0x0c, 0x41, 0xd0, high, low // DWord: EISA id "PNP" and four digits
#define PORTS(port, count) \
    0x47, 1, (port)&0xff, (port) >> 8, (port)&0xff, (port) >> 8, 1, count // 16-bit decode
#define IRQ(n)       0x22, (1 << (n)) & 0xff, (1 << (n)) >> 8             // edge, active high
#define END_RESOURCE 0x79, 0x00
#define BYTE(n)      0x0a, n

// Scope (\_SB) { Device (COM1) { PNP0501 } Device (RTC_) { PNP0B00 } }  Name (\_S5, Package { 5, 5,
// 0, 0 }) The byte behind each opcode that opens a block is its length, itself included.
// clang-format off
static const uint8_t dsdt_body[] = {
    0x10, 0x4b, 0x05, '\\', '_', 'S', 'B', '_',
        0x5b, 0x82, 43, 'C', 'O', 'M', '1',
            NAME('_', 'H', 'I', 'D'), PNP(0x05, 0x01),
            NAME('_', 'U', 'I', 'D'), 0x01,
            NAME('_', 'C', 'R', 'S'), 0x11, 16, BYTE(13),
                PORTS(PLATFORM_COM1, 8), IRQ(PLATFORM_IRQ_COM1), END_RESOURCE,
        0x5b, 0x82, 37, 'R', 'T', 'C', '_',
            NAME('_', 'H', 'I', 'D'), PNP(0x0b, 0x00),
            NAME('_', 'C', 'R', 'S'), 0x11, 16, BYTE(13),
                PORTS(PLATFORM_RTC, 2), IRQ(PLATFORM_IRQ_RTC), END_RESOURCE,
    0x08, '\\', '_', 'S', '5', '_',
        0x12, 8, 4, BYTE(PLATFORM_SLP_TYP_S5), BYTE(PLATFORM_SLP_TYP_S5), 0x00, 0x00,
};
// clang-format on
_Static_assert(sizeof(dsdt_body) == 2 + 0x5b - 1 + 15, "lengths in the DSDT");

struct dsdt {
    struct header header;
    uint8_t body[sizeof(dsdt_body)];
} __attribute__((packed));

// All tables, in guest memory. The FACS must be aligned to 64, the RSDP to 16.
struct tables {
    struct rsdp rsdp __attribute__((aligned(64)));
    struct facs facs __attribute__((aligned(64)));
    struct rsdt rsdt __attribute__((aligned(16)));
    struct xsdt xsdt __attribute__((aligned(16)));
    struct fadt fadt __attribute__((aligned(16)));
    struct dsdt dsdt __attribute__((aligned(16)));
    struct madt madt __attribute__((aligned(16)));
    struct hpet hpet __attribute__((aligned(16)));
};
_Static_assert(sizeof(struct tables) <= PLATFORM_ACPI_SIZE, "the area is reserved");
#define AT(member) (PLATFORM_ACPI + (uint32_t)offsetof(struct tables, member))

static uint8_t checksum(const void *data, size_t length)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum += bytes[i];
    return (uint8_t)-sum;
}

static void finish(struct header *h, const char *signature, uint8_t revision, size_t length)
{
    memcpy(h->signature, signature, 4);
    h->length = (uint32_t)length;
    h->revision = revision;
    memcpy(h->oem, "BULKHD", 6);
    memcpy(h->oem_table, "VIRTUAL ", 8);
    h->oem_revision = 1;
    memcpy(h->creator, "BLKH", 4);
    h->creator_revision = 1;
    h->checksum = 0;
    h->checksum = checksum(h, length);
}

static struct address io(uint16_t port, uint8_t bits)
{
    return (struct address){
        .space = SPACE_IO, .bits = bits, .access = bits == 32 ? 3 : bits / 8, .address = port};
}

static void build_fadt(struct fadt *f)
{
    f->facs = AT(facs);
    f->dsdt = AT(dsdt);
    f->x_dsdt = AT(dsdt);
    f->sci = PLATFORM_IRQ_SCI;
    f->pm1a_event = PLATFORM_PM1_EVENT;
    f->pm1a_control = PLATFORM_PM1_CTL;
    f->pm_timer = PLATFORM_PM_TIMER;
    f->pm1_event_length = 4;
    f->pm1_control_length = 2;
    f->pm_timer_length = 4;
    f->x_pm1a_event = io(PLATFORM_PM1_EVENT, 32);
    f->x_pm1a_event.access = 2; // two registers of 16 bits
    f->x_pm1a_control = io(PLATFORM_PM1_CTL, 16);
    f->x_pm_timer = io(PLATFORM_PM_TIMER, 32);
    f->c2_latency = LATENCY_NONE;
    f->c3_latency = LATENCY_NONE;
    f->boot_arch = BOOT_LEGACY | BOOT_NO_VGA;
    f->flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BTN | FADT_NO_RTC_WAKE | FADT_RESET;
    f->reset = io(PLATFORM_RESET_PORT, 8);
    f->reset_value = PLATFORM_RESET_VALUE;
    finish(&f->header, "FACP", 3, sizeof(*f));
}

static void build_madt(struct madt *m, uint8_t vcpus)
{
    m->lapic = PLATFORM_LAPIC;
    m->flags = MADT_PCAT;
    m->ioapic = (struct madt_ioapic){1, sizeof(m->ioapic), 0, 0, PLATFORM_IOAPIC, 0};
    m->pit = (struct madt_override){2, sizeof(m->pit), 0, PLATFORM_IRQ_PIT, PLATFORM_GSI_PIT, 0};
    m->sci = (struct madt_override){
        2, sizeof(m->sci), 0, PLATFORM_IRQ_SCI, PLATFORM_GSI_SCI, MADT_LEVEL_HIGH};
    m->nmi = (struct madt_nmi){4, sizeof(m->nmi), 0xff, 0, 1}; // LINT1 of all processors
    for (uint8_t i = 0; i < vcpus; i++)
        m->cpus[i] = (struct madt_lapic){0, sizeof(m->cpus[i]), i, i, MADT_ENABLED};
    finish(&m->header, "APIC", 3, offsetof(struct madt, cpus) + vcpus * sizeof(struct madt_lapic));
}

static void build_hpet(struct hpet *h)
{
    h->id = 0x8086a201; // three comparators, 64 bits, legacy replacement
    h->address = (struct address){.space = SPACE_MEMORY, .bits = 64, .address = PLATFORM_HPET};
    h->min_tick = 0x80;
    finish(&h->header, "HPET", 1, sizeof(*h));
}

static void build_roots(struct tables *t, bool hpet)
{
    const uint32_t list[] = {AT(fadt), AT(madt), AT(hpet)};
    unsigned count = hpet ? 3 : 2;
    for (unsigned i = 0; i < count; i++) {
        t->rsdt.table[i] = list[i];
        t->xsdt.table[i] = list[i];
    }
    finish(&t->rsdt.header, "RSDT", 1, sizeof(struct header) + count * 4);
    finish(&t->xsdt.header, "XSDT", 1, sizeof(struct header) + count * 8);

    struct rsdp *r = &t->rsdp;
    memcpy(r->signature, "RSD PTR ", 8);
    memcpy(r->oem, "BULKHD", 6);
    r->revision = 2;
    r->rsdt = AT(rsdt);
    r->length = sizeof(*r);
    r->xsdt = AT(xsdt);
    r->checksum = checksum(r, 20); // the part that ACPI 1.0 knows
    r->extended_checksum = checksum(r, sizeof(*r));
}

uint64_t acpi_build(const struct guest_ram *ram, const struct acpi_options *options)
{
    struct tables *t = guest_ram_at(ram, PLATFORM_ACPI, sizeof(*t));
    if (!t || options->vcpus == 0 || options->vcpus > PLATFORM_VCPUS_MAX)
        return 0;
    memset(t, 0, sizeof(*t));
    memcpy(t->facs.signature, "FACS", 4);
    t->facs.length = sizeof(t->facs);
    memcpy(t->dsdt.body, dsdt_body, sizeof(dsdt_body));
    finish(&t->dsdt.header, "DSDT", 2, sizeof(t->dsdt));
    build_fadt(&t->fadt);
    build_madt(&t->madt, options->vcpus);
    if (options->hpet)
        build_hpet(&t->hpet);
    build_roots(t, options->hpet);
    return PLATFORM_ACPI;
}
