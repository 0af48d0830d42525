// SPDX-License-Identifier: BSD-2-Clause
// Linux boot protocol, entered in 64-bit mode, or in 32-bit mode when the kernel has no 64-bit
// entry. Documentation/x86/boot.rst, sections "The Real-Mode Kernel Header", "32-bit Boot Protocol"
// and "64-bit Boot Protocol". HAZARD: every number in the image's header is hostile; each is
// checked before it is used in a sum.
#include "linux.h"

#include <asm/bootparam.h>
#include <string.h>

#define SECTOR         512u
#define HEADER         0x1f1u      // of struct setup_header in image and zero page
#define MAGIC          0x53726448u // "HdrS"
#define VERSION_MIN    0x020c      // xloadflags came with 2.12
#define ENTRY64        0x200u      // from where the protected-mode kernel is loaded
#define LOADER_UNKNOWN 0xff
#define VIDEO_NORMAL   0xffff
#define PAGE           4096ull

#define CR0_START 0x80000031u // PG, NE, ET, PE
#define CR0_32    0x00000031u // without paging
#define CR4_PAE   0x20u
#define EFER_LME  0x100u
#define EFER_LMA  0x400u
#define PTE_TABLE 0x03u
#define PTE_LARGE 0xe3u // present, writable, accessed, dirty, 2 MiB

_Static_assert(offsetof(struct boot_params, hdr) == HEADER, "boot.rst");
_Static_assert(sizeof(struct boot_params) == PAGE, "boot.rst");

struct kernel { // what the checks leave of the header
    struct setup_header header;
    const uint8_t *code; // protected-mode part
    size_t size;
    uint64_t load,
        end; // guest-physical: where it goes, and the end of what it needs to unpack itself
};

#define FAIL(status, ...) boot_error(status, error, error_size, "kernel: " __VA_ARGS__)

static unsigned long long mib(uint64_t bytes) // rounded up
{
    return bytes / 1048576 + (bytes % 1048576 != 0);
}

static enum load_status parse(const uint8_t *image, size_t size, struct kernel *k, char *error,
                              size_t error_size)
{
    struct setup_header *h = &k->header;
    memset(h, 0, sizeof(*h));
    if (size < HEADER + sizeof(*h))
        return FAIL(LOAD_BAD_IMAGE, "not a bzImage: only %zu bytes", size);
    size_t end = 0x202u + image[0x201]; // the jump over the header tells where the header ends
    size_t length = end - HEADER < sizeof(*h) ? end - HEADER : sizeof(*h);
    memcpy(h, image + HEADER, length);
    if (h->header != MAGIC)
        return FAIL(LOAD_BAD_IMAGE, "not a bzImage: no HdrS at 0x202");
    if (h->boot_flag != 0xaa55)
        return FAIL(LOAD_BAD_IMAGE, "not a bzImage: no 0xAA55 at 0x1FE");
    if (h->version < VERSION_MIN)
        return FAIL(LOAD_BAD_IMAGE, "boot protocol %u.%02u is too old, 2.12 is needed",
                    h->version >> 8u, h->version & 0xffu);
    if (!(h->loadflags & LOADED_HIGH))
        return FAIL(LOAD_BAD_IMAGE, "is to be loaded below 1 MiB (a zImage)");

    size_t setup = ((h->setup_sects ? h->setup_sects : 4u) + 1u) * SECTOR;
    uint64_t code = (uint64_t)h->syssize * 16;
    if (code <= ENTRY64)
        return FAIL(LOAD_BAD_IMAGE, "corrupt: syssize is %u", h->syssize);
    if (size <= setup || size - setup + 15 < code)
        return FAIL(LOAD_BAD_IMAGE, "truncated: the header promises %llu bytes, the file has %zu",
                    (unsigned long long)(setup + code), size);
    k->code = image + setup;
    k->size = size - setup < code ? size - setup : code; // what follows is a signature
    if (h->init_size < code)
        return FAIL(LOAD_BAD_IMAGE, "corrupt: init_size %u is below the size of its code",
                    h->init_size);
    return LOAD_OK;
}

// A relocatable x86-64 kernel below pref_address would still unpack itself to pref_address: so it
// goes there.
static enum load_status place(const struct guest_ram *ram, struct kernel *k, char *error,
                              size_t error_size)
{
    const struct setup_header *h = &k->header;
    uint64_t low = guest_ram_low(ram);
    k->load = h->pref_address;
    if (k->load < 0x100000 || k->load % PAGE || k->load >= PLATFORM_LOW_RAM_LIMIT)
        return FAIL(LOAD_BAD_IMAGE, "corrupt: pref_address is 0x%llx", (unsigned long long)k->load);
    k->end = k->load + h->init_size;
    if (k->end > low)
        return FAIL(LOAD_NO_MEMORY, "needs %llu MiB of memory, has %llu", mib(k->end), mib(low));
    if (!guest_ram_write(ram, k->load, k->code, k->size))
        return FAIL(LOAD_NO_MEMORY, "does not fit into memory");
    return LOAD_OK;
}

// As high as the kernel allows, out of the way of its decompressor.
static enum load_status place_initrd(const struct guest_ram *ram, struct kernel *k,
                                     const void *initrd, size_t size, char *error,
                                     size_t error_size)
{
    struct setup_header *h = &k->header;
    h->ramdisk_image = 0;
    h->ramdisk_size = 0;
    if (size == 0)
        return LOAD_OK;
    uint64_t top = guest_ram_low(ram), limit = (uint64_t)h->initrd_addr_max + 1;
    if (top > limit)
        top = limit;
    uint64_t start = size <= top ? (top - size) & ~(PAGE - 1) : 0;
    if (start < k->end)
        return boot_error(LOAD_NO_MEMORY, error, error_size,
                          "initrd: %llu MiB do not fit: kernel and initrd need %llu MiB of memory, "
                          "%llu are usable",
                          mib(size), mib(k->end) + mib(size), mib(top));
    if (!guest_ram_write(ram, start, initrd, size))
        return boot_error(LOAD_NO_MEMORY, error, error_size, "initrd: does not fit into memory");
    h->ramdisk_image = (uint32_t)start;
    h->ramdisk_size = (uint32_t)size;
    return LOAD_OK;
}

// The map is identity, with 2 MiB pages, over all RAM below 4 GiB.
static bool write_page_tables(const struct guest_ram *ram)
{
    uint64_t gib = (guest_ram_low(ram) + (1u << 30) - 1) >> 30;
    uint64_t *tables = guest_ram_at(ram, PLATFORM_BOOT_TABLES, (2 + gib) * PAGE);
    if (!tables)
        return false;
    memset(tables, 0, 2 * PAGE);
    tables[0] = (PLATFORM_BOOT_TABLES + PAGE) | PTE_TABLE;
    for (uint64_t i = 0; i < gib; i++)
        tables[512 + i] = (PLATFORM_BOOT_TABLES + (2 + i) * PAGE) | PTE_TABLE;
    for (uint64_t i = 0; i < gib * 512; i++)
        tables[1024 + i] = i << 21 | PTE_LARGE;
    return true;
}

static bool write_zero_page(const struct guest_ram *ram, const struct kernel *k,
                            const struct boot_layout *layout)
{
    struct boot_params *zero = guest_ram_at(ram, PLATFORM_BOOT_INFO, sizeof(*zero));
    if (!zero)
        return false;
    memset(zero, 0, sizeof(*zero));
    zero->hdr = k->header;
    zero->hdr.type_of_loader = LOADER_UNKNOWN;
    zero->hdr.loadflags &= (uint8_t) ~(KEEP_SEGMENTS | CAN_USE_HEAP | KASLR_FLAG);
    zero->hdr.vid_mode = VIDEO_NORMAL;
    zero->hdr.code32_start = (uint32_t)k->load;
    zero->hdr.cmd_line_ptr = PLATFORM_BOOT_CMDLINE;
    zero->hdr.setup_data = 0;
    zero->acpi_rsdp_addr = layout->rsdp;
    if (layout->vga) {
        zero->screen_info.orig_video_mode = 3;
        zero->screen_info.orig_video_cols = 80;
        zero->screen_info.orig_video_lines = 25;
        zero->screen_info.orig_video_points = 16;
        zero->screen_info.orig_video_isVGA = VIDEO_TYPE_VGAC;
    }
    struct boot_range map[BOOT_RANGES];
    zero->e820_entries = (uint8_t)boot_memory_map(ram, map);
    for (unsigned i = 0; i < zero->e820_entries; i++) {
        zero->e820_table[i].addr = map[i].start;
        zero->e820_table[i].size = map[i].size;
        zero->e820_table[i].type = map[i].type;
    }
    return true;
}

static enum load_status write_command_line(const struct guest_ram *ram, const struct kernel *k,
                                           const char *cmdline, char *error, size_t error_size)
{
    size_t limit = k->header.cmdline_size;
    if (limit > PLATFORM_BOOT_CMD_SIZE - 1)
        limit = PLATFORM_BOOT_CMD_SIZE - 1;
    size_t length = strnlen(cmdline, limit + 1);
    if (length > limit)
        return boot_error(LOAD_BAD_ARGUMENT, error, error_size,
                          "command line: longer than the %zu bytes that this kernel takes", limit);
    const char end = 0;
    if (!guest_ram_write(ram, PLATFORM_BOOT_CMDLINE, cmdline, length) ||
        !guest_ram_write(ram, PLATFORM_BOOT_CMDLINE + length, &end, 1))
        return FAIL(LOAD_NO_MEMORY, "needs 1 MiB of memory at least");
    return LOAD_OK;
}

enum load_status linux_load(const struct guest_ram *ram, const void *image, size_t image_size,
                            const void *initrd, size_t initrd_size, const char *cmdline,
                            const struct boot_layout *layout, struct cpu_start *start, char *error,
                            size_t error_size)
{
    struct kernel k;
    enum load_status status = parse(image, image_size, &k, error, error_size);
    if (status == LOAD_OK)
        status = place(ram, &k, error, error_size);
    if (status == LOAD_OK)
        status = place_initrd(ram, &k, initrd, initrd_size, error, error_size);
    if (status == LOAD_OK)
        status = write_command_line(ram, &k, cmdline ? cmdline : "", error, error_size);
    if (status != LOAD_OK)
        return status;

    *start = (struct cpu_start){
        .rip = k.load + ENTRY64,
        .cr0 = CR0_START,
        .cr3 = PLATFORM_BOOT_TABLES,
        .cr4 = CR4_PAE,
        .efer = EFER_LME | EFER_LMA,
    };
    bool is_64 = k.header.xloadflags & XLF_KERNEL_64;
    if (!is_64)
        *start = (struct cpu_start){.rip = k.load, .cr0 = CR0_32};
    start->gpr[RSI] = PLATFORM_BOOT_INFO;
    start->gpr[RSP] = PLATFORM_BOOT_GDT; // grows down from there; the protocol asks for none
    if (!write_page_tables(ram) || !write_zero_page(ram, &k, layout) ||
        !boot_segments(ram, start, 0x10, is_64 ? SEGMENT_CODE64 : SEGMENT_CODE32,
                       0x18)) // __BOOT_CS, __BOOT_DS
        return FAIL(LOAD_NO_MEMORY, "needs 1 MiB of memory at least");
    return LOAD_OK;
}
