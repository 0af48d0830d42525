// SPDX-License-Identifier: BSD-2-Clause
// Static ACPI tables. ACPI specification 6.4: 5.2.5 RSDP, 5.2.6 header, 5.2.9 FADT (as of revision
// 3), 5.2.10 FACS, 5.2.12 MADT; PCI Firmware 3.2: 4.1.2 MCFG; IA-PC HPET specification
// 3.2.4. The DSDT is made from dsdt.asl when this is built. There is no SMI: the machine is always
// in ACPI mode.
#include "acpi.h"

#include <string.h>

#include "dsdt_aml.h"
#include "ssdt.h"

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
#define BOOT_8042         (1u << 1)
#define BOOT_NO_VGA       (1u << 2) // an OS then does not probe for it
#define BOOT_NO_ASPM      (1u << 4) // no PCI Express link whose power can be managed
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

struct mcfg {
    struct header header;
    uint8_t reserved0[8];
    uint64_t base;
    uint16_t segment;
    uint8_t first_bus, last_bus;
    uint32_t reserved1;
} __attribute__((packed));
_Static_assert(sizeof(struct mcfg) == 60, "PCI Firmware 3.2, 4.1.2");

enum { LISTED = 6 }; // tables that RSDT and XSDT name, at most

static uint8_t checksum(const void *data, size_t length)
{
    const uint8_t *bytes = data;
    uint8_t sum = 0;
    for (size_t i = 0; i < length; i++)
        sum += bytes[i];
    return (uint8_t)-sum;
}

// The image while it is made. Offsets, not pointers, name what is in it.
struct builder {
    struct acpi_image *image;
    uint64_t base;
    bool relocatable, failed;
    uint32_t listed[LISTED];
    unsigned count;
};

// Room for `size` zeroed bytes; the FACS must be aligned to 64, all else likes 16.
static uint32_t take(struct builder *b, size_t size, size_t align)
{
    struct acpi_image *image = b->image;
    size_t at = (image->length + align - 1) & ~(align - 1);
    if (b->failed || at > image->size || size > image->size - at) {
        b->failed = true;
        return 0;
    }
    memset(image->tables + image->length, 0, at + size - image->length);
    image->length = at + size;
    return (uint32_t)at;
}

static void set_pointer(struct builder *b, bool in_rsdp, uint32_t field, uint8_t size,
                        uint32_t target)
{
    struct acpi_image *image = b->image;
    uint64_t value = b->base + target;
    if (b->failed || image->pointers == ACPI_POINTERS) {
        b->failed = true;
        return;
    }
    memcpy((in_rsdp ? image->rsdp : image->tables) + field, &value, size);
    image->pointer[image->pointers++] = (struct acpi_pointer){field, size, in_rsdp};
}

static void set_checksum(struct builder *b, bool in_rsdp, uint32_t field, uint32_t start,
                         uint32_t length)
{
    struct acpi_image *image = b->image;
    uint8_t *bytes = in_rsdp ? image->rsdp : image->tables;
    if (b->failed || image->checksums == ACPI_CHECKSUMS) {
        b->failed = true;
        return;
    }
    if (!b->relocatable)
        bytes[field] = checksum(bytes + start, length);
    image->checksum[image->checksums++] = (struct acpi_checksum){field, start, length, in_rsdp};
}

// The header, when the contents behind it are complete.
static void finish(struct builder *b, uint32_t at, const char *signature, uint8_t revision,
                   size_t length)
{
    if (b->failed)
        return;
    struct header *h = (struct header *)(b->image->tables + at);
    memcpy(h->signature, signature, 4);
    h->length = (uint32_t)length;
    h->revision = revision;
    memcpy(h->oem, "BULKHD", 6);
    memcpy(h->oem_table, "VIRTUAL ", 8);
    h->oem_revision = 1;
    memcpy(h->creator, "BLKH", 4);
    h->creator_revision = 1;
    h->checksum = 0;
    set_checksum(b, false, at + offsetof(struct header, checksum), at, (uint32_t)length);
}

static void list(struct builder *b, uint32_t at)
{
    if (b->count == LISTED)
        b->failed = true;
    else
        b->listed[b->count++] = at;
}

static struct address io(uint16_t port, uint8_t bits)
{
    return (struct address){
        .space = SPACE_IO, .bits = bits, .access = bits == 32 ? 3 : bits / 8, .address = port};
}

// What iasl made; its header is replaced by one like that of all other tables.
static uint32_t build_dsdt(struct builder *b)
{
    uint32_t at = take(b, sizeof(dsdt_aml), 16);
    if (!b->failed)
        memcpy(b->image->tables + at, dsdt_aml, sizeof(dsdt_aml));
    finish(b, at, "DSDT", 2, sizeof(dsdt_aml));
    return at;
}

static void build_ssdt(struct builder *b, const struct acpi_options *options)
{
    uint32_t at = take(b, sizeof(struct header) + SSDT_SIZE, 16);
    if (b->failed)
        return;
    size_t length = ssdt_build(options, b->image->tables + at + sizeof(struct header), SSDT_SIZE);
    b->failed = length == 0;
    b->image->length = at + sizeof(struct header) + length;
    finish(b, at, "SSDT", 2, sizeof(struct header) + length);
    list(b, at);
}

static void build_mcfg(struct builder *b, uint64_t ecam)
{
    uint32_t at = take(b, sizeof(struct mcfg), 16);
    if (b->failed)
        return;
    struct mcfg *m = (struct mcfg *)(b->image->tables + at);
    m->base = ecam;
    m->last_bus = 0; // the only one there is: Linux would read all slots of all buses named here
    finish(b, at, "MCFG", 1, sizeof(*m));
    list(b, at);
}

static uint32_t build_facs(struct builder *b)
{
    uint32_t at = take(b, sizeof(struct facs), 64);
    if (!b->failed) {
        struct facs *facs = (struct facs *)(b->image->tables + at);
        memcpy(facs->signature, "FACS", 4);
        facs->length = sizeof(*facs);
    }
    return at;
}

static void build_fadt(struct builder *b, const struct acpi_options *options, uint32_t facs,
                       uint32_t dsdt)
{
    struct fadt f = {
        .sci = PLATFORM_IRQ_SCI,
        .pm1a_event = PLATFORM_PM1_EVENT,
        .pm1a_control = PLATFORM_PM1_CTL,
        .pm_timer = PLATFORM_PM_TIMER,
        .pm1_event_length = 4,
        .pm1_control_length = 2,
        .pm_timer_length = 4,
        .gpe0 = PLATFORM_GPE0,
        .gpe0_length = 16,
        .x_pm1a_event = io(PLATFORM_PM1_EVENT, 32),
        .x_pm1a_control = io(PLATFORM_PM1_CTL, 16),
        .x_pm_timer = io(PLATFORM_PM_TIMER, 32),
        .x_gpe0 = io(PLATFORM_GPE0, 128),
        .c2_latency = LATENCY_NONE,
        .c3_latency = LATENCY_NONE,
        .boot_arch = (uint16_t)(BOOT_LEGACY | BOOT_NO_ASPM | (options->ps2 ? BOOT_8042 : 0) |
                                (options->vga ? 0 : BOOT_NO_VGA)),
        .flags = FADT_WBINVD | FADT_C1 | FADT_NO_SLEEP_BTN | FADT_NO_RTC_WAKE | FADT_RESET,
        .reset = io(PLATFORM_RESET_PORT, 8),
        .reset_value = PLATFORM_RESET_VALUE,
    };
    f.x_pm1a_event.access = 2; // two registers of 16 bits
    f.x_gpe0.access = 1;
    uint32_t at = take(b, sizeof(f), 16);
    if (b->failed)
        return;
    memcpy(b->image->tables + at, &f, sizeof(f));
    set_pointer(b, false, at + offsetof(struct fadt, facs), 4, facs);
    set_pointer(b, false, at + offsetof(struct fadt, dsdt), 4, dsdt);
    set_pointer(b, false, at + offsetof(struct fadt, x_dsdt), 8, dsdt);
    finish(b, at, "FACP", 3, sizeof(f));
    list(b, at);
}

static void build_madt(struct builder *b, uint8_t vcpus)
{
    size_t length = offsetof(struct madt, cpus) + vcpus * sizeof(struct madt_lapic);
    uint32_t at = take(b, length, 16);
    if (b->failed)
        return;
    struct madt *m = (struct madt *)(b->image->tables + at);
    m->lapic = PLATFORM_LAPIC;
    m->flags = MADT_PCAT;
    m->ioapic = (struct madt_ioapic){1, sizeof(m->ioapic), 0, 0, PLATFORM_IOAPIC, 0};
    m->pit = (struct madt_override){2, sizeof(m->pit), 0, PLATFORM_IRQ_PIT, PLATFORM_GSI_PIT, 0};
    m->sci = (struct madt_override){
        2, sizeof(m->sci), 0, PLATFORM_IRQ_SCI, PLATFORM_GSI_SCI, MADT_LEVEL_HIGH};
    m->nmi = (struct madt_nmi){4, sizeof(m->nmi), 0xff, 0, 1}; // LINT1 of all processors
    for (uint8_t i = 0; i < vcpus; i++)
        m->cpus[i] = (struct madt_lapic){0, sizeof(m->cpus[i]), i, i, MADT_ENABLED};
    finish(b, at, "APIC", 3, length);
    list(b, at);
}

static void build_hpet(struct builder *b)
{
    uint32_t at = take(b, sizeof(struct hpet), 16);
    if (b->failed)
        return;
    struct hpet *h = (struct hpet *)(b->image->tables + at);
    h->id = 0x8086a201; // three comparators, 64 bits, legacy replacement
    h->address = (struct address){.space = SPACE_MEMORY, .bits = 64, .address = PLATFORM_HPET};
    h->min_tick = 0x80;
    finish(b, at, "HPET", 1, sizeof(*h));
    list(b, at);
}

// RSDT and XSDT: the same list twice, with 4 and 8 bytes for each.
static uint32_t build_root(struct builder *b, const char *signature, uint8_t width)
{
    size_t length = sizeof(struct header) + b->count * width;
    uint32_t at = take(b, length, 16);
    for (unsigned i = 0; i < b->count; i++)
        set_pointer(b, false, at + (uint32_t)sizeof(struct header) + i * width, width,
                    b->listed[i]);
    finish(b, at, signature, 1, length);
    return at;
}

static void build_rsdp(struct builder *b, uint32_t rsdt, uint32_t xsdt)
{
    struct rsdp *r = (struct rsdp *)b->image->rsdp;
    memcpy(r->signature, "RSD PTR ", 8);
    memcpy(r->oem, "BULKHD", 6);
    r->revision = 2;
    r->length = sizeof(*r);
    set_pointer(b, true, offsetof(struct rsdp, rsdt), 4, rsdt);
    set_pointer(b, true, offsetof(struct rsdp, xsdt), 8, xsdt);
    // The first covers the part that ACPI 1.0 knows; it is part of what the second covers.
    set_checksum(b, true, offsetof(struct rsdp, checksum), 0, 20);
    set_checksum(b, true, offsetof(struct rsdp, extended_checksum), 0, sizeof(*r));
}

bool acpi_tables(struct acpi_image *image, const struct acpi_options *given, uint64_t base)
{
    struct acpi_options filled = *given;
    const struct acpi_options *options = &filled;
    struct builder b = {.image = image, .relocatable = base == ACPI_RELOCATABLE};
    b.base = b.relocatable ? 0 : base;
    image->length = 0;
    image->pointers = image->checksums = 0;
    memset(image->rsdp, 0, sizeof(image->rsdp));
    if (options->vcpus == 0 || options->vcpus > PLATFORM_VCPUS_MAX ||
        (!b.relocatable && base > UINT32_MAX - image->size))
        return false;
    if (filled.ecam == 0)
        filled.ecam = PLATFORM_ECAM;
    if (filled.ecam % PLATFORM_ECAM_SIZE || filled.ecam > UINT32_MAX)
        return false;
    uint32_t facs = build_facs(&b);
    uint32_t dsdt = build_dsdt(&b);
    build_ssdt(&b, options);
    build_fadt(&b, options, facs, dsdt);
    build_madt(&b, options->vcpus);
    build_mcfg(&b, options->ecam);
    if (options->hpet)
        build_hpet(&b);
    uint32_t rsdt = build_root(&b, "RSDT", 4);
    uint32_t xsdt = build_root(&b, "XSDT", 8);
    build_rsdp(&b, rsdt, xsdt);
    return !b.failed;
}

#define RSDP_ROOM 64 // before the tables

uint64_t acpi_build(const struct guest_ram *ram, const struct acpi_options *options)
{
    uint8_t *at = guest_ram_at(ram, PLATFORM_ACPI, PLATFORM_ACPI_SIZE);
    struct acpi_image image = {.size = PLATFORM_ACPI_SIZE - RSDP_ROOM};
    if (!at)
        return 0;
    image.tables = at + RSDP_ROOM;
    if (!acpi_tables(&image, options, PLATFORM_ACPI + RSDP_ROOM))
        return 0;
    memcpy(at, image.rsdp, sizeof(image.rsdp));
    return PLATFORM_ACPI;
}
