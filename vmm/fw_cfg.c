// SPDX-License-Identifier: BSD-2-Clause
// Firmware configuration: see fw_cfg.h. No item is writable: a DMA write ends with the error bit.
// HAZARD: the DMA descriptor is the guest's: it is copied once, its address and length are checked
// against RAM, and a transfer is bounded.
#include "fw_cfg.h"

#include <stdio.h>
#include <string.h>

#define DMA_ERROR  0x01u
#define DMA_READ   0x02u
#define DMA_SKIP   0x04u
#define DMA_SELECT 0x08u
#define DMA_WRITE  0x10u

#define ID_TRADITIONAL 1
#define ID_DMA         2

#define STATE_ID SNAPSHOT_ID('F', 'W', 'C', 1)

struct dma { // big-endian
    uint32_t control, length;
    uint64_t address;
};

static const char signature[4] = {'Q', 'E', 'M', 'U'};
static const uint32_t features = ID_TRADITIONAL | ID_DMA;
static const uint8_t dma_signature[8] = "QEMU CFG";

static void store_be32(uint8_t *at, uint32_t value)
{
    value = __builtin_bswap32(value);
    memcpy(at, &value, sizeof(value));
}

bool fw_cfg_add(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t size)
{
    if (fw->items == FW_CFG_ITEMS)
        return false;
    fw->item[fw->items++] = (struct fw_cfg_item){.key = key, .data = data, .size = size};
    return true;
}

bool fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, uint32_t size)
{
    uint16_t key = (uint16_t)(FW_CFG_FILE_FIRST + fw->files);
    size_t length = strnlen(name, FW_CFG_NAME);
    if (length == FW_CFG_NAME || !fw_cfg_add(fw, key, data, size))
        return false;
    memcpy(fw->item[fw->items - 1].name, name, length);
    uint8_t *entry = fw->directory + 4 + (size_t)fw->files * 64;
    store_be32(entry, size);
    store_be32(entry + 4, (uint32_t)key << 16);
    memcpy(entry + 8, name, length);
    store_be32(fw->directory, ++fw->files);
    return true;
}

void fw_cfg_init(struct fw_cfg *fw, const struct guest_ram *ram)
{
    memset(fw, 0, sizeof(*fw));
    fw->ram = ram;
    fw_cfg_add(fw, FW_CFG_SIGNATURE, signature, sizeof(signature));
    fw_cfg_add(fw, FW_CFG_ID, &features, sizeof(features));
    fw_cfg_add(fw, FW_CFG_FILE_DIR, fw->directory, sizeof(fw->directory));
}

bool fw_cfg_connect(struct fw_cfg *fw, struct bus *ports)
{
    return bus_add(ports, FW_CFG_PORT, 2, &fw_cfg_ops, fw) &&
           bus_add(ports, FW_CFG_DMA_PORT, 8, &fw_cfg_dma_ops, fw);
}

static void select_item(struct fw_cfg *fw, uint16_t key)
{
    fw->s.selector = key;
    fw->s.offset = 0;
}

static const struct fw_cfg_item *selected(const struct fw_cfg *fw)
{
    static const struct fw_cfg_item none;
    for (unsigned i = 0; i < fw->items; i++)
        if (fw->item[i].key == fw->s.selector)
            return &fw->item[i];
    return &none;
}

static void advance(struct fw_cfg *fw, uint32_t length)
{
    uint32_t left = UINT32_MAX - fw->s.offset;
    fw->s.offset += length < left ? length : left;
}

// What lies behind the end of an item reads as zeros.
static bool copy_out(struct fw_cfg *fw, uint64_t address, uint32_t length)
{
    const struct fw_cfg_item *item = selected(fw);
    uint32_t left = fw->s.offset < item->size ? item->size - fw->s.offset : 0;
    uint32_t n = length < left ? length : left;
    uint8_t *to = length <= FW_CFG_DMA_MAX ? guest_ram_at(fw->ram, address, length) : NULL;
    if (to == NULL)
        return false;
    if (n != 0)
        memcpy(to, (const uint8_t *)item->data + fw->s.offset, n);
    memset(to + n, 0, length - n);
    advance(fw, length);
    return true;
}

static void transfer(struct fw_cfg *fw, uint64_t at)
{
    struct dma dma;
    if (!guest_ram_read(fw->ram, at, &dma, sizeof(dma)))
        return;
    uint32_t control = __builtin_bswap32(dma.control), length = __builtin_bswap32(dma.length);
    bool ok = true;
    if (control & DMA_SELECT)
        select_item(fw, (uint16_t)(control >> 16));
    if (control & DMA_READ)
        ok = copy_out(fw, __builtin_bswap64(dma.address), length);
    else if (control & DMA_WRITE)
        ok = false;
    else if (control & DMA_SKIP)
        advance(fw, length);
    uint32_t result = ok ? 0 : __builtin_bswap32(DMA_ERROR);
    guest_ram_write(fw->ram, at, &result, sizeof(result)); // last: the guest may wait for it
}

static uint64_t fw_cfg_read(void *dev, uint64_t offset, unsigned size)
{
    struct fw_cfg *fw = dev;
    if (offset != 1 || size != 1)
        return 0;
    const struct fw_cfg_item *item = selected(fw);
    uint8_t value = 0;
    if (fw->s.offset < item->size)
        value = ((const uint8_t *)item->data)[fw->s.offset];
    advance(fw, 1);
    return value;
}

static void fw_cfg_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    if (offset == 0 && size == 2)
        select_item(dev, (uint16_t)value);
}

static uint64_t dma_read(void *dev, uint64_t offset, unsigned size)
{
    (void)dev;
    uint64_t value = 0;
    memcpy(&value, dma_signature + offset, size); // the bus keeps both within the 8 ports
    return value;
}

static void dma_write(void *dev, uint64_t offset, unsigned size, uint64_t value)
{
    struct fw_cfg *fw = dev;
    uint64_t half = __builtin_bswap32((uint32_t)value);
    if (size != 4 || offset % 4 != 0)
        return;
    if (offset == 0) {
        fw->s.dma_address = half << 32 | (uint32_t)fw->s.dma_address;
        return;
    }
    uint64_t at = (fw->s.dma_address & 0xffffffff00000000u) | half;
    fw->s.dma_address = 0; // as the specification says, for guests that write the low half only
    transfer(fw, at);
}

static void fw_cfg_reset(void *dev)
{
    struct fw_cfg *fw = dev;
    memset(&fw->s, 0, sizeof(fw->s));
}

static size_t fw_cfg_save(void *dev, void *buf, size_t size)
{
    const struct fw_cfg *fw = dev;
    return snapshot_save(buf, size, STATE_ID, &fw->s, sizeof(fw->s));
}

static bool fw_cfg_restore(void *dev, const void *buf, size_t size)
{
    struct fw_cfg *fw = dev; // any selector and offset will do
    return snapshot_load(buf, size, STATE_ID, &fw->s, sizeof(fw->s));
}

static size_t fw_cfg_info(void *dev, char *buf, size_t size)
{
    const struct fw_cfg *fw = dev;
    size_t n = info_length(
        snprintf(buf, size, "fw_cfg: selected 0x%x, offset %u\n", fw->s.selector, fw->s.offset),
        size);
    for (unsigned i = 0; i < fw->items; i++)
        if (fw->item[i].name[0])
            n += info_length(snprintf(buf + n, size - n, "  0x%x %s: %u bytes\n", fw->item[i].key,
                                      fw->item[i].name, fw->item[i].size),
                             size - n);
    return n;
}

const struct device_ops fw_cfg_ops = {
    .name = "fw_cfg",
    .reset = fw_cfg_reset,
    .read = fw_cfg_read,
    .write = fw_cfg_write,
    .save = fw_cfg_save,
    .restore = fw_cfg_restore,
    .info = fw_cfg_info,
    .width = 2,
};

const struct device_ops fw_cfg_dma_ops = {
    .name = "fw_cfg-dma",
    .read = dma_read,
    .write = dma_write,
    .width = 4,
};
