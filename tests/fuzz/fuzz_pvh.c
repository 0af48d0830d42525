// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a PVH kernel: the loader refuses or loads, and touches nothing but guest RAM.
// links: vmm/pvh.c vmm/boot_elf.c vmm/boot.c vmm/guest_memory.c
#include <elf.h>
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "pvh.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

// Headers near those that work: a segment of notes, and one at 1 MiB.
static void make_loadable(uint8_t *image, uint8_t choice)
{
    const uint32_t base = 0x100000;
    const Elf64_Ehdr elf = {.e_machine = EM_X86_64,
                            .e_entry = base,
                            .e_phoff = sizeof(elf),
                            .e_phentsize = sizeof(Elf64_Phdr),
                            .e_phnum = 2};
    const Elf64_Phdr segment[] = {
        {.p_type = PT_NOTE, .p_offset = image[200] & 31, .p_filesz = image[201]},
        {.p_type = PT_LOAD, .p_paddr = base, .p_filesz = image[202] & 63, .p_memsz = image[203]}};
    const uint32_t note[] = {4, choice & 8 ? 8 : 4, 18, 0x006e6558, base + (image[204] & 127), 0};
    memcpy(image, &elf, sizeof(elf));
    memcpy(image, "\177ELF\2\1\1", 7);
    memcpy(image + sizeof(elf), segment, sizeof(segment));
    if (choice & 16)
        memcpy(image + 208 + (image[205] & 28), note, sizeof(note));
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
        make_loadable(image, choice);
    const struct boot_module modules[] = {{image, size / 2, "m"}, {image, size / 3, NULL}};
    const struct boot_layout layout = {.rsdp = 0xe0000};
    struct guest_ram ram = {memory, amount * sizeof(memory) / 255 & ~4095ull};
    struct cpu_start start;
    char error[160] = "";
    enum load_status status = pvh_load(&ram, image, size, modules, (choice >> 1 & 3) % 3, "command",
                                       &layout, &start, error, sizeof(error));
    if ((status == LOAD_OK) != (error[0] == 0) || strchr(error, '\n'))
        abort();
    if (status == LOAD_OK && start.rip >= guest_ram_low(&ram))
        abort();
    free(image);
    return 0;
}
