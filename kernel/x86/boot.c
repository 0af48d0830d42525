// SPDX-License-Identifier: BSD-2-Clause
// From boot.S to the first user thread: reads what GRUB found (Multiboot2 specification 3.6), builds the kernel's
// tables, makes the boot objects and starts root. Until switch_tables() the first 4 GiB are mapped as they are;
// afterwards only pools are visible.
#include "boot.h"
#include "acpi.h"
#include "apic.h"
#include "cpu.h"
#include "log.h"
#include "paging.h"
#include "virt.h"

#define MB2_TAG_CMDLINE 1
#define MB2_TAG_MODULE  3
#define MB2_TAG_MMAP    6
#define MB2_TAG_RSDP1   14
#define MB2_TAG_RSDP2   15
#define LOW_BASE        0x10000ull // below: the BIOS' data, which some firmware goes on writing
#define LOW_END         0xa0000ull // end of what a CPU in real mode starts from; never handed out
#define IDENTITY_END    (1ull << 32)

struct boot boot;
extern char text_start[], text_end[], rodata_end[], kernel_end[], ap_trampoline[], ap_trampoline_end[];

struct mb2_tag {
    uint32_t type, size;
};
struct mb2_module {
    struct mb2_tag tag;
    uint32_t start, end;
    char name[];
};
struct mb2_mmap {
    struct mb2_tag tag;
    uint32_t entry_size, version;
};
struct mmap_entry {
    uint64_t base, size;
    uint32_t type, reserved;
};

static void region_add(uint64_t base, uint64_t end)
{
    base = (base < LOW_BASE ? LOW_BASE : base + PAGE_SIZE - 1) & -PAGE_SIZE;
    end &= -PAGE_SIZE;
    if (base < end && boot.ram_count < BOOT_RAM_MAX)
        boot.ram[boot.ram_count++] = (struct range){base, end};
}

static void region_remove(uint64_t base, uint64_t end)
{
    unsigned count = boot.ram_count;

    base &= -PAGE_SIZE;
    end = (end + PAGE_SIZE - 1) & -PAGE_SIZE;
    for (unsigned i = 0; i < count; i++) {
        struct range *r = &boot.ram[i];
        uint64_t r_end = r->end;
        if (end <= r->base || base >= r_end)
            continue;
        r->end = base > r->base ? base : r->base;
        region_add(end, r_end);
    }
}

static void read_mmap(const struct mb2_mmap *mmap)
{
    for (uint32_t at = sizeof(*mmap); at + sizeof(struct mmap_entry) <= mmap->tag.size; at += mmap->entry_size) {
        const struct mmap_entry *e = (const void *)((const char *)mmap + at);
        if (e->type != 1)
            continue;
        boot.ram_total += e->size;
        if (e->base + e->size > boot.ram_top)
            boot.ram_top = e->base + e->size;
        if (e->base < IDENTITY_END && e->base + e->size > boot.low_top)
            boot.low_top = e->base + e->size < IDENTITY_END ? e->base + e->size : IDENTITY_END;
        region_add(e->base, e->base + e->size);
        if (mmap->entry_size < sizeof(*e))
            break;
    }
}

static bool name_is(const char *a, const char *b)
{
    while (*a && *a == *b) // bound: both end with NUL inside of a tag
        a++, b++;
    return (*a == 0 || *a == ' ') && *b == 0;
}

bool boot_option(const char *name)
{
    for (const char *at = boot.cmdline; *at; at++) // bound: its size
        if ((at == boot.cmdline || at[-1] == ' ') && name_is(at, name))
            return true;
    return false;
}

static void read_tags(const char *info)
{
    uint32_t total = *(const uint32_t *)info;

    for (uint32_t at = 8; at + sizeof(struct mb2_tag) <= total;) {
        const struct mb2_tag *tag = (const void *)(info + at);
        if (tag->type == 0 || tag->size < sizeof(*tag))
            break;
        if (tag->type == MB2_TAG_MMAP)
            read_mmap((const struct mb2_mmap *)tag);
        if (tag->type == MB2_TAG_MODULE) {
            const struct mb2_module *m = (const void *)tag;
            struct range *r = name_is(m->name, "system") ? &boot.system : &boot.root;
            *r = (struct range){m->start, m->end};
        }
        if (tag->type == MB2_TAG_RSDP2 || (tag->type == MB2_TAG_RSDP1 && !boot.rsdp))
            boot.rsdp = tag + 1;
        if (tag->type == MB2_TAG_CMDLINE)
            for (unsigned i = 0; i < sizeof(boot.cmdline) - 1 && ((const char *)(tag + 1))[i]; i++)
                boot.cmdline[i] = ((const char *)(tag + 1))[i];
        at += (tag->size + 7) & ~7u;
    }
}

// A free page below LOW_END gets the code with which the other CPUs start.
static void trampoline_take(void)
{
    for (unsigned i = 0; i < boot.ram_count && !boot.trampoline; i++) // bound: BOOT_RAM_MAX
        if (boot.ram[i].base < boot.ram[i].end && boot.ram[i].base < LOW_END)
            boot.trampoline = boot.ram[i].base;
    if (boot.trampoline)
        __builtin_memcpy((void *)boot.trampoline, ap_trampoline, ap_trampoline_end - ap_trampoline);
}

// Takes zeroed pages from the end of the largest range below 4 GiB.
static uint64_t boot_alloc(uint64_t size)
{
    struct range *best = NULL;

    size = (size + PAGE_SIZE - 1) & -PAGE_SIZE;
    for (unsigned i = 0; i < boot.ram_count; i++) {
        struct range *r = &boot.ram[i];
        if (r->end <= IDENTITY_END && (!best || r->end - r->base > best->end - best->base))
            best = r;
    }
    if (!best || best->end - best->base < size)
        panic("not enough memory below 4 GiB to start; bytes needed:", size);
    best->end -= size;
    __builtin_memset((void *)best->end, 0, size);
    return best->end;
}

static uint64_t *boot_entry(uint64_t address, unsigned lowest)
{
    uint64_t *table = (uint64_t *)kernel_phys(kernel_pml4);

    for (unsigned level = 3; level > lowest; level--) {
        uint64_t *entry = &table[address >> (12 + 9 * level) & 511];
        if (!*entry)
            *entry = boot_alloc(PAGE_SIZE) | PTE_P | PTE_W;
        table = (uint64_t *)(*entry & 0x000ffffffffff000);
    }
    return &table[address >> (12 + 9 * lowest) & 511];
}

static void boot_map(uint64_t address, uint64_t physical, uint64_t size, uint64_t bits)
{
    for (uint64_t at = 0; at < size; at += PAGE_SIZE)
        *boot_entry(address + at, 0) = (physical + at) | PTE_P | bits;
}

// Window: one flat array of entries for all RAM, which the tables above it point into; and the array itself, so that
// pools can be shown.
static void build_window(void)
{
    uint64_t top = (boot.ram_top + (1 << 21) - 1) & ~((1ull << 21) - 1), bytes = top / PAGE_SIZE * 8;

    if (top > WINDOW_SIZE)
        panic("more than 512 GiB of RAM is not supported:", top);
    uint64_t entries = boot_alloc(bytes);
    for (uint64_t at = 0; at < top; at += 1 << 21)
        *boot_entry(WINDOW_BASE + at, 1) = (entries + at / PAGE_SIZE * 8) | PTE_P | PTE_W;
    boot_map(WINDOW_TABLE, entries, bytes, PTE_W | PTE_G | PTE_NX);
    window_init((uint64_t *)WINDOW_TABLE, top / PAGE_SIZE);
}

static void build_cpu(unsigned number)
{
    uint64_t region = CPU_REGIONS + number * CPU_REGION_SIZE, bits = PTE_W | PTE_G | PTE_NX;

    boot_map(region + CPU_IST, boot_alloc(PAGE_SIZE), PAGE_SIZE, bits);
    boot_map(region + CPU_STACK, boot_alloc(3 * PAGE_SIZE), 3 * PAGE_SIZE, bits); // stack, struct cpu
    tss_table[number * TSS_STRIDE / PAGE_SIZE] = boot_alloc(PAGE_SIZE) | PTE_P | PTE_W | PTE_NX;
    for (unsigned i = 0; i < 2; i++)
        tss_table[number * TSS_STRIDE / PAGE_SIZE + 1 + i] = boot.deny | PTE_P | PTE_NX;
}

static void build_tables(void)
{
    uint64_t text = (uint64_t)text_start, global = features.pge ? PTE_G : 0;

    boot_map(text, kernel_phys(text_start), text_end - text_start, global);
    boot_map((uint64_t)text_end, kernel_phys(text_end), rodata_end - text_end, global | PTE_NX);
    boot_map((uint64_t)rodata_end, kernel_phys(rodata_end), kernel_end - rodata_end, global | PTE_W | PTE_NX);
    boot_map(OBJECT_TABLE, boot_alloc(OBJECT_COUNT * 16), OBJECT_COUNT * 16, PTE_W | global | PTE_NX);
    boot.deny = boot_alloc(PAGE_SIZE);
    __builtin_memset((void *)boot.deny, 0xff, PAGE_SIZE);
    *boot_entry(TSS_BASE, 1) = kernel_phys(tss_table) | PTE_P | PTE_W;
    for (unsigned i = 0; i < boot.madt.cpu_count; i++) // bound: CPU_MAX
        build_cpu(i);
    uint64_t device = PTE_W | PTE_NX | PTE_PCD | PTE_PWT | global;
    boot_map(DEVICES, boot.madt.apic, PAGE_SIZE, device);
    for (unsigned i = 0; i < boot.madt.ioapic_count; i++)
        boot_map(DEVICES + (i + 1) * PAGE_SIZE, boot.madt.ioapic[i].address & -PAGE_SIZE, PAGE_SIZE, device);
    build_window();
}

static const void *identity(uint64_t physical, uint64_t size)
{
    return physical < IDENTITY_END && size < IDENTITY_END - physical ? (const void *)physical : NULL;
}

void boot_main(uint64_t info, uint64_t tsc)
{
    boot.tsc_entry = tsc;
    log_init();
    features_init();
    if (!features.nx)
        panic("this processor has no NX bit", 0);
    read_tags((const char *)info);
    if (!boot.root.end)
        panic("no root task: GRUB must load one with module2 ... root", 0);
    region_remove(boot.root.base, boot.root.end);
    region_remove(boot.system.base, boot.system.end);
    region_remove(info, info + *(const uint32_t *)info);
    trampoline_take();
    region_remove(0, kernel_phys(kernel_end)); // and all below it
    acpi_madt(boot.rsdp, identity, cpuid(1, 0).ebx >> 24, &boot.madt);
    build_tables();
    asm volatile("mov %0, %%cr3; mov %1, %%rsp; call kernel_main; ud2" ::"r"(kernel_phys(kernel_pml4)),
                 "r"(CPU_REGIONS + CPU_STACK_TOP)
                 : "memory");
    __builtin_unreachable();
}
