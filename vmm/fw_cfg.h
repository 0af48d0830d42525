// SPDX-License-Identifier: BSD-2-Clause
// The firmware configuration device: what SeaBIOS and OVMF learn of the machine they run on, as
// numbered items and named files, read byte by byte or by DMA. QEMU's docs/specs/fw_cfg.rst. Items
// are added while the machine is built; a guest only reads them.
#ifndef VMM_FW_CFG_H
#define VMM_FW_CFG_H

#include "bus.h"
#include "device.h"
#include "guest_memory.h"

#define FW_CFG_PORT     0x510 // selector (2 bytes), data (1 byte at 0x511)
#define FW_CFG_DMA_PORT 0x514 // address of the DMA descriptor, two big-endian halves
#define FW_CFG_ITEMS    32
#define FW_CFG_NAME     56         // bytes of a file's name, with the NUL
#define FW_CFG_DMA_MAX  (1u << 20) // bytes of one transfer: the work of one exit is bounded

enum fw_cfg_key {
    FW_CFG_SIGNATURE = 0x00,
    FW_CFG_ID = 0x01,
    FW_CFG_RAM_SIZE = 0x03,
    FW_CFG_NOGRAPHIC = 0x04,
    FW_CFG_NB_CPUS = 0x05,
    FW_CFG_BOOT_MENU = 0x0e,
    FW_CFG_MAX_CPUS = 0x0f,
    FW_CFG_FILE_DIR = 0x19,
    FW_CFG_FILE_FIRST = 0x20,
    FW_CFG_IRQ0_OVERRIDE = 0x8002,
};

struct fw_cfg_item {
    uint16_t key;
    char name[FW_CFG_NAME]; // of a file; empty: an item without one
    const void *data;
    uint32_t size;
};

struct fw_cfg_state {
    uint64_t dma_address;
    uint32_t offset; // in the selected item
    uint16_t selector;
    uint16_t pad;
};

struct fw_cfg {
    struct fw_cfg_state s;
    struct fw_cfg_item item[FW_CFG_ITEMS];
    unsigned items, files;
    uint8_t directory[4 + FW_CFG_ITEMS * 64];
    const struct guest_ram *ram;
};

extern const struct device_ops fw_cfg_ops;     // 2 ports
extern const struct device_ops fw_cfg_dma_ops; // 8 ports

// Signature, ID and an empty directory.
void fw_cfg_init(struct fw_cfg *fw, const struct guest_ram *ram);

// Adds an item, or a file under its name. The data is not copied and must stay. False: there are
// FW_CFG_ITEMS, or the name is too long.
bool fw_cfg_add(struct fw_cfg *fw, uint16_t key, const void *data, uint32_t size);
bool fw_cfg_add_file(struct fw_cfg *fw, const char *name, const void *data, uint32_t size);

// Puts its ports on the bus. False: they are taken.
bool fw_cfg_connect(struct fw_cfg *fw, struct bus *ports);

#endif
