// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a bzImage: the loader refuses or loads, and touches nothing but guest RAM.
// links: vmm/linux.c vmm/boot.c vmm/guest_memory.c
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "linux.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t memory[20u << 20] __attribute__((aligned(4096)));
    static const struct boot_layout layout = {.rsdp = 0xe0000};
    if (size < 16)
        return 0;
    // The first bytes choose RAM, initrd and command line; a valid frame lets the fuzzer get past
    // the magic numbers
    uint32_t choice;
    memcpy(&choice, data, 4);
    data += 4;
    size -= 4;
    uint8_t *image = malloc(size);
    memcpy(image, data, size);
    if (choice & 1 && size >= 0x268) {
        memcpy(image + 0x202, "HdrS\x0f\x02", 6);
        image[0x1fe] = 0x55;
        image[0x1ff] = 0xaa;
        image[0x211] |= 1;
        image[0x236] |= 1;
        image[0x201] = 0x6a;
        image[0x1f1] = choice >> 1 & 1; // few setup sectors
        if (choice & 4) {
            memset(image + 0x1f4, 0, 4);
            image[0x1f4] = 0x21 + (choice >> 24 & 0x1f);
            memset(image + 0x258, 0, 8);
            image[0x25a] = (uint8_t)(choice >> 16) | 0x10;
            image[0x263] &= 1;
        }
    }
    struct guest_ram ram = {memory, (choice >> 8 & 0xff) * sizeof(memory) / 255 & ~4095ull};
    struct cpu_start start;
    char error[160] = "", cmdline[64];
    size_t initrd = size < (choice >> 4 & 0xfff) ? size : (choice >> 4 & 0xfff);
    memcpy(cmdline, image, size < 63 ? size : 63);
    cmdline[size < 63 ? size : 63] = 0;
    enum load_status status = linux_load(&ram, image, size, image, initrd, cmdline, &layout, &start,
                                         error, sizeof(error));
    if ((status == LOAD_OK) != (error[0] == 0) || strchr(error, '\n'))
        abort();
    free(image);
    return 0;
}
