// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a Multiboot kernel: the loader refuses or loads, and touches nothing but guest RAM.
// links: vmm/multiboot.c vmm/boot_elf.c vmm/boot.c vmm/guest_memory.c
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "multiboot.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Addresses near those that work: one segment at 1 MiB, the entry in it.
static void make_loadable(uint8_t *image, uint32_t choice)
{
    const uint32_t base = 0x100000;
    if (choice >> 8 & 0x10000) {
        const uint32_t addresses[] = {base + 120, base, base + 128, base + (choice >> 12 & 0xff0),
                                      base + 4};
        memcpy(image + 132, addresses, sizeof(addresses));
    }
    if (choice & 2)
        return;
    Elf32_Ehdr *elf = (Elf32_Ehdr *)image;
    elf->e_entry = base + 4;
    elf->e_phoff = sizeof(*elf);
    elf->e_phentsize = sizeof(Elf32_Phdr);
    elf->e_phnum = 1;
    const Elf32_Phdr segment = {.p_type = PT_LOAD,
                                .p_offset = image[100] & 15,
                                .p_vaddr = base,
                                .p_paddr = base,
                                .p_filesz = image[101] & 63,
                                .p_memsz = image[102] * 8u};
    memcpy(image + sizeof(*elf), &segment, sizeof(segment));
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t memory[3u << 20] __attribute__((aligned(4096)));
    if (size < 160)
        return 0;
    uint32_t choice;
    memcpy(&choice, data, 4);
    data += 4;
    size -= 4;
    uint8_t *image = malloc(size);
    memcpy(image, data, size);
    if (choice & 1) { // a valid header at 120, in front of it an ELF header
        const uint32_t flags = choice >> 8 & 0x10007;
        const uint32_t header[] = {0x1badb002, flags, -(0x1badb002 + flags)};
        memcpy(image + 120, header, sizeof(header));
        image[4] = choice & 2 ? ELFCLASS64 : ELFCLASS32;
        memcpy(image, ELFMAG, SELFMAG);
        image[18] = choice & 2 ? EM_X86_64 : EM_386;
        image[19] = 0;
        if (choice & 4) {
            memset(image + (choice & 2 ? 32 : 28), 0, choice & 2 ? 8 : 4);
            image[choice & 2 ? 32 : 28] = 64;
        }
        if (choice & 32)
            make_loadable(image, choice);
    }
    const struct boot_module modules[] = {{image, size / 2, "m"}, {image, size / 3, NULL}};
    struct guest_ram ram = {memory, (choice >> 24) * sizeof(memory) / 255 & ~4095ull};
    struct cpu_start start;
    char error[160] = "";
    enum load_status status = multiboot_load(&ram, image, size, modules, (choice >> 3 & 3) % 3,
                                             "command", &start, error, sizeof(error));
    if ((status == LOAD_OK) != (error[0] == 0) || strchr(error, '\n'))
        abort();
    if (status == LOAD_OK && start.rip >= guest_ram_low(&ram))
        abort();
    free(image);
    return 0;
}
