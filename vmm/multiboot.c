// SPDX-License-Identifier: BSD-2-Clause
// Multiboot Specification 0.6.96, section 3; System V ABI for ELF. HAZARD: file offsets, sizes and
// addresses are hostile: each is compared by subtraction from a bound that is known, never by a
// sum.
#include "multiboot.h"

#include <elf.h>
#include <string.h>

#define HEADER_MAGIC  0x1badb002u
#define HEADER_SEARCH 8192u // the header lies within so many bytes, 4-byte aligned
#define LOADER_MAGIC  0x2badb002u

#define WANT_ALIGN   (1u << 0) // modules on page boundaries: they always are
#define WANT_MEMORY  (1u << 1)
#define WANT_VIDEO   (1u << 2)  // granted as far as the information goes: there is no video
#define WANT_ADDRESS (1u << 16) // header has the addresses
#define WANT_UNKNOWN 0xfff8u    // requirements that this loader does not know

#define HAVE_MEMORY  (1u << 0)
#define HAVE_CMDLINE (1u << 2)
#define HAVE_MODULES (1u << 3)
#define HAVE_MAP     (1u << 6)
#define HAVE_NAME    (1u << 9)

#define PAGE         4096ull
#define SEGMENTS     64          // program headers that are looked at
#define LOW_AREA     0x100000ull // below: information, strings, GDT, ACPI
#define STRINGS      PLATFORM_BOOT_CMDLINE
#define STRINGS_SIZE PLATFORM_BOOT_CMD_SIZE

struct header {
    uint32_t magic, flags, checksum;
    uint32_t header_address, load_address, load_end, bss_end, entry;
};

struct map_entry {
    uint32_t size; // of the rest
    uint64_t start, length;
    uint32_t type;
} __attribute__((packed));

struct module_entry {
    uint32_t start, end, string, reserved;
};

struct info { // section 3.3; the fields behind the loader's name are not offered
    uint32_t flags, mem_lower, mem_upper, boot_device, cmdline, mods_count, mods_address;
    uint32_t symbols[4], map_length, map_address, drives_length, drives_address, config_table, name;
};

struct info_area { // at PLATFORM_BOOT_INFO
    struct info info;
    struct module_entry modules[MULTIBOOT_MODULES];
    struct map_entry map[BOOT_RANGES];
};
_Static_assert(sizeof(struct info_area) <= 2 * PAGE, "two pages are set aside");

struct loader {
    const struct guest_ram *ram;
    const uint8_t *image;
    size_t size;
    uint64_t end; // behind the highest byte loaded so far
    uint64_t entry;
    uint64_t strings; // where the next string goes
    char *error;
    size_t error_size;
};

#define FAIL(status, ...) boot_error(status, l->error, l->error_size, "kernel: " __VA_ARGS__)

// Finds the header; returns its file offset, or size when there is none.
static size_t find_header(const uint8_t *image, size_t size, struct header *h)
{
    size_t limit = size < HEADER_SEARCH ? size : HEADER_SEARCH;
    for (size_t at = 0; at + 12 <= limit; at += 4) {
        uint32_t word[3];
        memcpy(word, image + at, sizeof(word));
        if (word[0] != HEADER_MAGIC || word[0] + word[1] + word[2] != 0)
            continue;
        memset(h, 0, sizeof(*h));
        size_t length = word[1] & WANT_ADDRESS ? sizeof(*h) : 12;
        if (limit - at < length)
            break;
        memcpy(h, image + at, length);
        return at;
    }
    return size;
}

bool multiboot_probe(const void *image, size_t image_size)
{
    struct header h;
    return find_header(image, image_size, &h) != image_size;
}

// Copies file bytes to memory and clears the rest of the segment.
static enum load_status load_segment(struct loader *l, uint64_t offset, uint64_t file_size,
                                     uint64_t address, uint64_t memory_size)
{
    if (memory_size < file_size)
        memory_size = file_size;
    if (memory_size == 0)
        return LOAD_OK;
    if (offset > l->size || file_size > l->size - offset)
        return FAIL(LOAD_BAD_IMAGE, "truncated: a segment ends behind the file's %zu bytes",
                    l->size);
    uint64_t low = guest_ram_low(l->ram);
    if (address > low || memory_size > low - address)
        return FAIL(LOAD_NO_MEMORY,
                    "a segment at 0x%llx with %llu KiB lies outside the %llu MiB of memory",
                    (unsigned long long)address, (unsigned long long)(memory_size >> 10),
                    (unsigned long long)(low >> 20));
    if (address < LOW_AREA)
        return FAIL(LOAD_BAD_IMAGE, "a segment at 0x%llx lies below 1 MiB",
                    (unsigned long long)address);
    if (!guest_ram_write(l->ram, address, l->image + offset, file_size) ||
        !guest_ram_clear(l->ram, address + file_size, memory_size - file_size))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    if (address + memory_size > l->end)
        l->end = address + memory_size;
    return LOAD_OK;
}

// Addresses from the header itself, the "a.out kludge".
static enum load_status load_flat(struct loader *l, const struct header *h, size_t at)
{
    uint64_t before = (uint64_t)h->header_address - h->load_address;
    if (h->load_address > h->header_address || before > at)
        return FAIL(LOAD_BAD_IMAGE, "corrupt: load_addr does not match where the header is");
    if ((h->load_end && h->load_end < h->load_address) ||
        (h->bss_end && h->bss_end < h->load_address))
        return FAIL(LOAD_BAD_IMAGE, "corrupt: the header's addresses do not ascend");
    uint64_t offset = at - before;
    uint64_t file_size = h->load_end ? (uint64_t)h->load_end - h->load_address : l->size - offset;
    uint64_t memory_size = h->bss_end ? (uint64_t)h->bss_end - h->load_address : file_size;
    l->entry = h->entry;
    return load_segment(l, offset, file_size, h->load_address, memory_size);
}

// One program header of either class, as ELF64.
static Elf64_Phdr program_header(const uint8_t *at, bool is64)
{
    Elf64_Phdr p;
    if (is64) {
        memcpy(&p, at, sizeof(p));
        return p;
    }
    Elf32_Phdr q;
    memcpy(&q, at, sizeof(q));
    p = (Elf64_Phdr){
        .p_type = q.p_type,
        .p_offset = q.p_offset,
        .p_vaddr = q.p_vaddr,
        .p_paddr = q.p_paddr,
        .p_filesz = q.p_filesz,
        .p_memsz = q.p_memsz,
    };
    return p;
}

static enum load_status load_elf(struct loader *l)
{
    Elf64_Ehdr e = {0};
    if (l->size < sizeof(e) || memcmp(l->image, ELFMAG, SELFMAG) != 0)
        return FAIL(LOAD_BAD_IMAGE,
                    "neither an ELF file nor with addresses in its Multiboot header");
    bool is64 = l->image[EI_CLASS] == ELFCLASS64;
    if (is64) {
        memcpy(&e, l->image, sizeof(e));
    } else {
        Elf32_Ehdr f;
        memcpy(&f, l->image, sizeof(f));
        e.e_machine = f.e_machine;
        e.e_entry = f.e_entry;
        e.e_phoff = f.e_phoff;
        e.e_phentsize = f.e_phentsize;
        e.e_phnum = f.e_phnum;
    }
    if (e.e_machine != (is64 ? EM_X86_64 : EM_386))
        return FAIL(LOAD_BAD_IMAGE, "ELF file for another processor (machine %u)", e.e_machine);
    size_t entry_size = is64 ? sizeof(Elf64_Phdr) : sizeof(Elf32_Phdr);
    if (e.e_phentsize < entry_size || e.e_phnum == 0 || e.e_phnum > SEGMENTS ||
        e.e_phoff > l->size || (uint64_t)e.e_phnum * e.e_phentsize > l->size - e.e_phoff)
        return FAIL(LOAD_BAD_IMAGE, "corrupt: program headers at 0x%llx, %u of them",
                    (unsigned long long)e.e_phoff, e.e_phnum);
    l->entry = e.e_entry;
    for (unsigned i = 0; i < e.e_phnum; i++) {
        Elf64_Phdr p = program_header(l->image + e.e_phoff + (size_t)i * e.e_phentsize, is64);
        if (p.p_type != PT_LOAD)
            continue;
        enum load_status status = load_segment(l, p.p_offset, p.p_filesz, p.p_paddr, p.p_memsz);
        if (status != LOAD_OK)
            return status;
        // Many kernels are linked high and give their entry as a virtual address
        if (e.e_entry - p.p_vaddr < p.p_memsz)
            l->entry = e.e_entry - p.p_vaddr + p.p_paddr;
    }
    return LOAD_OK;
}

// Appends to the string area; 0 when it is full.
static uint32_t put_string(struct loader *l, const char *string)
{
    uint64_t left = STRINGS + STRINGS_SIZE - l->strings;
    size_t length = strnlen(string, left);
    const char end = 0;
    if (length == left || !guest_ram_write(l->ram, l->strings, string, length) ||
        !guest_ram_write(l->ram, l->strings + length, &end, 1))
        return 0;
    uint32_t at = (uint32_t)l->strings;
    l->strings += length + 1;
    return at;
}

static enum load_status place_modules(struct loader *l, const struct boot_module *modules,
                                      unsigned count, struct info_area *area)
{
    uint64_t low = guest_ram_low(l->ram);
    for (unsigned i = 0; i < count; i++) {
        uint64_t at = (l->end + PAGE - 1) & ~(PAGE - 1);
        if (at > low || modules[i].size > low - at)
            return boot_error(LOAD_NO_MEMORY, l->error, l->error_size,
                              "module %u: its %zu KiB do not fit behind 0x%llx", i + 1,
                              modules[i].size >> 10, (unsigned long long)at);
        guest_ram_write(l->ram, at, modules[i].data, modules[i].size);
        l->end = at + modules[i].size;
        struct module_entry *m = &area->modules[i];
        m->start = (uint32_t)at;
        m->end = (uint32_t)l->end;
        m->string = put_string(l, modules[i].string ? modules[i].string : "");
        if (!m->string)
            return boot_error(LOAD_BAD_ARGUMENT, l->error, l->error_size,
                              "module %u: the command lines are longer than 64 KiB", i + 1);
    }
    area->info.mods_count = count;
    area->info.mods_address = PLATFORM_BOOT_INFO + offsetof(struct info_area, modules);
    area->info.flags |= HAVE_MODULES;
    return LOAD_OK;
}

static void fill_memory(const struct guest_ram *ram, struct info_area *area)
{
    struct boot_range map[BOOT_RANGES];
    unsigned count = boot_memory_map(ram, map);
    for (unsigned i = 0; i < count; i++)
        area->map[i] = (struct map_entry){20, map[i].start, map[i].size, map[i].type};
    struct info *info = &area->info;
    info->map_address = PLATFORM_BOOT_INFO + offsetof(struct info_area, map);
    info->map_length = count * (uint32_t)sizeof(struct map_entry);
    info->mem_lower = PLATFORM_BASE_TOP >> 10;
    info->mem_upper = (uint32_t)((guest_ram_low(ram) - LOW_AREA) >> 10);
    info->flags |= HAVE_MEMORY | HAVE_MAP;
}

static enum load_status fill_info(struct loader *l, const struct boot_module *modules,
                                  unsigned module_count, const char *cmdline)
{
    struct info_area area;
    memset(&area, 0, sizeof(area));
    l->strings = STRINGS;
    fill_memory(l->ram, &area);
    area.info.name = put_string(l, "Bulkhead");
    area.info.cmdline = put_string(l, cmdline);
    if (!area.info.name || !area.info.cmdline)
        return boot_error(LOAD_BAD_ARGUMENT, l->error, l->error_size,
                          "command line: longer than 64 KiB");
    area.info.flags |= HAVE_CMDLINE | HAVE_NAME;
    enum load_status status = place_modules(l, modules, module_count, &area);
    if (status == LOAD_OK && !guest_ram_write(l->ram, PLATFORM_BOOT_INFO, &area, sizeof(area)))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    return status;
}

enum load_status multiboot_load(const struct guest_ram *ram, const void *image, size_t image_size,
                                const struct boot_module *modules, unsigned module_count,
                                const char *cmdline, struct cpu_start *start, char *error,
                                size_t error_size)
{
    struct loader loader = {
        .ram = ram, .image = image, .size = image_size, .error = error, .error_size = error_size};
    struct loader *l = &loader;
    struct header h;
    size_t at = find_header(l->image, l->size, &h);
    if (at == l->size)
        return FAIL(LOAD_BAD_IMAGE, "no Multiboot header in its first 8 KiB");
    if (h.flags & WANT_UNKNOWN)
        return FAIL(LOAD_BAD_IMAGE, "asks for Multiboot features 0x%x that are not supported",
                    h.flags & WANT_UNKNOWN);
    if (guest_ram_low(ram) <= LOW_AREA)
        return FAIL(LOAD_NO_MEMORY, "needs more than 1 MiB of memory");
    if (module_count > MULTIBOOT_MODULES)
        return boot_error(LOAD_BAD_ARGUMENT, error, error_size, "modules: %u of them, at most %u",
                          module_count, MULTIBOOT_MODULES);

    enum load_status status = h.flags & WANT_ADDRESS ? load_flat(l, &h, at) : load_elf(l);
    if (status != LOAD_OK)
        return status;
    if (l->entry < LOW_AREA || l->entry >= l->end)
        return FAIL(LOAD_BAD_IMAGE, "entry point 0x%llx lies outside of it",
                    (unsigned long long)l->entry);
    status = fill_info(l, modules, module_count, cmdline ? cmdline : "");
    if (status != LOAD_OK)
        return status;

    *start = (struct cpu_start){.rip = l->entry, .cr0 = 0x31}; // NE, ET, PE
    start->gpr[RAX] = LOADER_MAGIC;
    start->gpr[RBX] = PLATFORM_BOOT_INFO;
    start->gpr[RSP] = PLATFORM_BOOT_GDT; // undefined by the specification; somewhere harmless
    if (!boot_segments(ram, start, 0x08, SEGMENT_CODE32, 0x10))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    return LOAD_OK;
}
