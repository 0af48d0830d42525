// SPDX-License-Identifier: BSD-2-Clause
// Random accesses and DMA descriptors at the firmware configuration device: it touches nothing but
// guest RAM and its items.
// links: vmm/fw_cfg.c vmm/bus.c vmm/device.c vmm/clock.c vmm/guest_memory.c
#include "device_fuzz.h"
#include "fw_cfg.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static uint8_t memory[16 * 4096] __attribute__((aligned(4096)));
    static struct fw_cfg fw;
    const struct guest_ram ram = {memory, sizeof(memory)};
    uint8_t *file = malloc(100); // its end is watched
    memset(file, 1, 100);
    fuzz_begin(data, size);
    fw_cfg_init(&fw, &ram);
    CHECK(fw_cfg_add_file(&fw, "file", file, 100) && fw_cfg_add_file(&fw, "empty", NULL, 0));
    while (fuzz_left > 0) {
        switch (fuzz_take(1) % 6) {
        case 0:
            fuzz_access(&fw_cfg_ops, &fw, 2, fuzz_take(1) & 1);
            break;
        case 1:
            fuzz_access(&fw_cfg_dma_ops, &fw, 8, fuzz_take(1) & 1);
            break;
        case 2:
            fw_cfg_ops.write(&fw, 0, 2, fuzz_take(1) % 40);
            break;
        case 3: { // a descriptor near those that work
            uint32_t at = (uint32_t)fuzz_take(2);
            const uint32_t words[] = {
                __builtin_bswap32((uint32_t)(fuzz_take(1) % 40 << 16 | fuzz_take(1))),
                __builtin_bswap32((uint32_t)fuzz_take(3)),
                __builtin_bswap32((uint32_t)(fuzz_take(1) == 255)),
                __builtin_bswap32((uint32_t)fuzz_take(2))};
            guest_ram_write(&ram, at, words, sizeof(words));
            fw_cfg_dma_ops.write(&fw, 4, 4, __builtin_bswap32(at));
            break;
        }
        case 4:
            fuzz_snapshot(&fw_cfg_ops, &fw);
            break;
        default:
            fw_cfg_ops.reset(&fw);
        }
    }
    for (unsigned i = 0; i < 100; i++)
        CHECK(file[i] == 1);
    free(file);
    return 0;
}
