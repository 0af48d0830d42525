// SPDX-License-Identifier: BSD-2-Clause
// The PVH boot protocol: see pvh.h. The entry point is in an ELF note, all else in a structure
// whose address is in EBX.
#include "pvh.h"

#include <string.h>

#include "boot_elf.h"

#define NOTE_NAME         "Xen"
#define NOTE_PHYS32_ENTRY 18
#define START_MAGIC       0x336ec578u
#define START_VERSION     1 // with a memory map

struct start_info { // struct hvm_start_info
    uint32_t magic, version, flags, module_count;
    uint64_t modules, cmdline, rsdp, map;
    uint32_t map_entries, reserved;
};
_Static_assert(sizeof(struct start_info) == 56, "start_info.h, version 1");

struct module_entry { // struct hvm_modlist_entry
    uint64_t address, size, cmdline, reserved;
};

struct map_entry { // struct hvm_memmap_table_entry
    uint64_t address, size;
    uint32_t type, reserved;
};

struct info_area { // at PLATFORM_BOOT_INFO
    struct start_info info;
    struct module_entry modules[BOOT_MODULES];
    struct map_entry map[BOOT_RANGES];
};
_Static_assert(sizeof(struct info_area) <= BOOT_PAGE, "two pages are set aside");
#define AT(member) (PLATFORM_BOOT_INFO + offsetof(struct info_area, member))

#define FAIL(status, ...) boot_error(status, l->error, l->error_size, "kernel: " __VA_ARGS__)

static enum load_status fill_info(struct boot_image *l, const struct boot_module *modules,
                                  unsigned count, const char *cmdline, uint64_t rsdp)
{
    struct info_area area;
    struct boot_range map[BOOT_RANGES];

    memset(&area, 0, sizeof(area));
    area.info = (struct start_info){
        .magic = START_MAGIC,
        .version = START_VERSION,
        .module_count = count,
        .modules = count ? AT(modules) : 0,
        .cmdline = boot_string(l, cmdline),
        .rsdp = rsdp,
        .map = AT(map),
        .map_entries = boot_memory_map(l->ram, map),
    };
    if (!area.info.cmdline)
        return boot_error(LOAD_BAD_ARGUMENT, l->error, l->error_size,
                          "command line: longer than 64 KiB");
    for (unsigned i = 0; i < area.info.map_entries; i++)
        area.map[i] = (struct map_entry){map[i].start, map[i].size, map[i].type, 0};
    for (unsigned i = 0; i < count; i++) {
        struct module_entry *m = &area.modules[i];
        enum load_status status = boot_place_module(l, &modules[i], i + 1, &m->address);
        if (status != LOAD_OK)
            return status;
        m->size = modules[i].size;
        m->cmdline = boot_string(l, modules[i].string ? modules[i].string : "");
        if (!m->cmdline)
            return boot_error(LOAD_BAD_ARGUMENT, l->error, l->error_size,
                              "module %u: the command lines are longer than 64 KiB", i + 1);
    }
    if (!guest_ram_write(l->ram, PLATFORM_BOOT_INFO, &area, sizeof(area)))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    return LOAD_OK;
}

enum load_status pvh_load(const struct guest_ram *ram, const void *image, size_t image_size,
                          const struct boot_module *modules, unsigned module_count,
                          const char *cmdline, const struct boot_layout *layout,
                          struct cpu_start *start, char *error, size_t error_size)
{
    struct boot_image loading = {
        .ram = ram, .data = image, .size = image_size, .error = error, .error_size = error_size};
    struct boot_image *l = &loading;
    uint64_t entry;

    if (guest_ram_low(ram) <= BOOT_LOW_AREA)
        return FAIL(LOAD_NO_MEMORY, "needs more than 1 MiB of memory");
    if (module_count > BOOT_MODULES)
        return boot_error(LOAD_BAD_ARGUMENT, error, error_size, "modules: %u of them, at most %u",
                          module_count, BOOT_MODULES);
    enum load_status status = boot_load_elf(l);
    if (status != LOAD_OK)
        return status;
    if (!boot_elf_note(image, image_size, NOTE_NAME, NOTE_PHYS32_ENTRY, &entry))
        return FAIL(LOAD_BAD_IMAGE, "has no PVH entry point (XEN_ELFNOTE_PHYS32_ENTRY)");
    if (entry < BOOT_LOW_AREA || entry >= l->end)
        return FAIL(LOAD_BAD_IMAGE, "entry point 0x%llx lies outside of it",
                    (unsigned long long)entry);
    status = fill_info(l, modules, module_count, cmdline ? cmdline : "", layout->rsdp);
    if (status != LOAD_OK)
        return status;

    *start = (struct cpu_start){.rip = entry, .cr0 = 0x31}; // NE, ET, PE
    start->gpr[RBX] = PLATFORM_BOOT_INFO;
    start->gpr[RSP] = PLATFORM_BOOT_GDT; // undefined by the protocol; somewhere harmless
    if (!boot_segments(ram, start, 0x08, SEGMENT_CODE32, 0x10))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    return LOAD_OK;
}
