// SPDX-License-Identifier: BSD-2-Clause
// The bus against a byte-wise model: regions of random place, size and width; accesses of any size.
// links: vmm/bus.c vmm/device.c vmm/clock.c
#include "device_fuzz.h"

#include "bus.h"

#define SPACE 512

static struct bus bus;
static uint8_t memory[SPACE];  /* what the devices hold, by address */
static uint8_t owner[SPACE];   /* number of the region, 0: none */
static uint16_t base[SPACE];   /* by region */
static uint16_t length[SPACE]; /* by region */

static uint64_t dev_read(void *dev, uint64_t offset, unsigned size)
{
    uintptr_t n = (uintptr_t)dev;
    CHECK(size >= 1 && size <= 8 && offset < length[n] && size <= length[n] - offset);
    uint64_t value = 0;
    for (unsigned i = 0; i < size; i++)
        value |= (uint64_t)memory[base[n] + offset + i] << 8 * i;
    return size < 8 ? value | ~0ull << 8 * size : value;
}

static void dev_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    uintptr_t n = (uintptr_t)dev;
    CHECK(size >= 1 && size <= 8 && offset < length[n] && size <= length[n] - offset);
    CHECK(size == 8 || value >> 8 * size == 0);
    for (unsigned i = 0; i < size; i++)
        memory[base[n] + offset + i] = (uint8_t)(value >> 8 * i);
}

static const struct device_ops ops[4] = {
    {.name = "1", .read = dev_read, .write = dev_write, .width = 1},
    {.name = "2", .read = dev_read, .write = dev_write, .width = 2},
    {.name = "4", .read = dev_read, .write = dev_write, .width = 4},
    {.name = "8", .read = dev_read, .write = dev_write, .width = 0},
};

static void add(unsigned *regions)
{
    uint64_t at = fuzz_take(2) % SPACE;
    uint64_t size = fuzz_take(1) % 64;
    bool wanted = size != 0 && at + size <= SPACE && *regions < BUS_REGIONS;
    for (uint64_t i = at; wanted && i < at + size; i++)
        wanted = owner[i] == 0;
    if (at + size > SPACE)
        return;
    unsigned n = *regions + 1;
    CHECK(bus_add(&bus, at, size, &ops[fuzz_take(1) % 4], (void *)(uintptr_t)n) == wanted);
    if (!wanted)
        return;
    base[n] = (uint16_t)at;
    length[n] = (uint16_t)size;
    memset(owner + at, (int)n, size);
    *regions = n;
}

static void access_bus(bool write)
{
    uint64_t at = fuzz_take(2) % SPACE;
    unsigned size = (unsigned)fuzz_take(1) % 10;
    uint64_t value = write ? fuzz_take(8) : 0, expected = UINT64_MAX;
    bool answered = false;
    uint8_t after[SPACE];
    memcpy(after, memory, SPACE);
    if (size >= 1 && size <= 8) {
        expected = size < 8 ? (1ull << 8 * size) - 1 : UINT64_MAX;
        for (unsigned i = 0; i < size; i++) {
            if (at + i >= SPACE || owner[at + i] == 0)
                continue;
            answered = true;
            expected &= ~(0xffull << 8 * i);
            expected |= (uint64_t)memory[at + i] << 8 * i;
            after[at + i] = (uint8_t)(value >> 8 * i);
        }
    }
    if (write) {
        CHECK(bus_write(&bus, at, size, value) == answered);
        CHECK(memcmp(after, memory, SPACE) == 0);
    } else {
        CHECK(bus_read(&bus, at, size, &value) == answered);
        CHECK(value == expected);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    unsigned regions = 0;
    fuzz_begin(data, size);
    memset(owner, 0, sizeof(owner));
    memset(memory, 0x5a, sizeof(memory));
    bus_init(&bus, "fuzz");
    while (fuzz_left > 0) {
        uint8_t op = (uint8_t)fuzz_take(1);
        if (op % 4 == 0)
            add(&regions);
        else
            access_bus(op & 0x80);
    }
    return 0;
}
