// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a Multiboot2 kernel: the loader refuses or loads, and touches nothing but guest RAM.
// What it tells the guest is a list of tags that ends.
// links: vmm/multiboot2.c vmm/boot_elf.c vmm/boot.c vmm/guest_memory.c
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "multiboot2.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

#define AT 128 // of the header

// One segment at 1 MiB, and a header whose tags are the input's.
static void make_loadable(uint8_t *image, size_t size, uint8_t choice)
{
    const uint32_t base = 0x100000, length = (uint32_t)(size - AT) & ~7u;
    const Elf32_Ehdr elf = {.e_machine = EM_386,
                            .e_entry = base + 4,
                            .e_phoff = sizeof(elf),
                            .e_phentsize = sizeof(Elf32_Phdr),
                            .e_phnum = 1};
    const Elf32_Phdr segment = {.p_type = PT_LOAD,
                                .p_offset = image[100] & 15,
                                .p_vaddr = base,
                                .p_paddr = base,
                                .p_filesz = image[101] & 63,
                                .p_memsz = image[102] * 8u};
    const uint32_t header[] = {0xe85250d6, 0, length, -(0xe85250d6 + length)};
    memcpy(image, &elf, sizeof(elf));
    memcpy(image, "\177ELF\1\1\1", 7);
    memcpy(image + sizeof(elf), &segment, sizeof(segment));
    memcpy(image + AT, header, sizeof(header));
    const uint32_t addresses[] = {2, 24, base + AT, base, base + 256, 0, 3, 12, base + 4, 0};
    const uint32_t relocatable[] = {10, 24, base, base + image[103] * 4096u, 4096, image[104] & 3};
    if (choice & 8)
        memcpy(image + AT + 16, addresses, sizeof(addresses));
    else if (choice & 16)
        memcpy(image + AT + 16, relocatable, sizeof(relocatable));
    const uint32_t end[] = {0, 8};
    if (choice & 32)
        memcpy(image + AT + 56, end, sizeof(end));
}

static void check_tags(const struct guest_ram *ram, uint64_t info)
{
    uint32_t total, tag[2] = {1, 0};
    if (!guest_ram_read(ram, info, &total, 4) || total > PLATFORM_BOOT_CMD_SIZE || total % 8)
        abort();
    uint32_t at = 8;
    while (at < total && tag[0] != 0) {
        guest_ram_read(ram, info + at, tag, sizeof(tag));
        if (tag[1] < 8)
            abort();
        at += (tag[1] + 7) & ~7u;
    }
    if (at != total || tag[0] != 0)
        abort();
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t memory[3u << 20] __attribute__((aligned(4096)));
    if (size < 300)
        return 0;
    uint8_t choice = data[0], amount = data[1];
    size -= 2;
    uint8_t *image = malloc(size);
    memcpy(image, data + 2, size);
    if (choice & 1)
        make_loadable(image, size, choice);
    const struct boot_module modules[] = {{image, size / 2, "m"}, {image, size / 3, NULL}};
    const struct boot_layout layout = {.rsdp = choice & 64 ? 0xe0000 : 0};
    struct guest_ram ram = {memory, amount * sizeof(memory) / 255 & ~4095ull};
    struct cpu_start start;
    char error[160] = "";
    enum load_status status = multiboot2_load(&ram, image, size, modules, (choice >> 1 & 3) % 3,
                                              "command", &layout, &start, error, sizeof(error));
    if ((status == LOAD_OK) != (error[0] == 0) || strchr(error, '\n'))
        abort();
    if (status == LOAD_OK) {
        if (start.rip >= guest_ram_low(&ram))
            abort();
        check_tags(&ram, start.gpr[RBX]);
    }
    free(image);
    return 0;
}
