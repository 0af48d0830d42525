// SPDX-License-Identifier: BSD-2-Clause
// Firmware as a device: see firmware.h. The image's memory is mapped into the guest below 4 GiB,
// readable and executable; its last 128 KiB are copied to where a PC's BIOS is, which is RAM here
// whatever the host bridge's PAM registers say.
#include "firmware.h"

#include <stdio.h>
#include <string.h>

#include "bulkhead/abi.h"
#include "firmware_acpi.h"
#include "fw_cfg.h"
#include "rom.h"
#include "vm_alloc.h"

#define CMOS_BOOT_ORDER 0x3d // first device in the low half, second in the high one
#define CMOS_BOOT_THIRD 0x38
#define CMOS_CPUS       0x5f // beyond the first
#define BOOT_DISK       2
#define BOOT_CDROM      3

struct e820 {
    uint64_t start, size;
    uint32_t type;
} __attribute__((packed));

struct firmware {
    struct fw_cfg fw;
    struct rom rom;
    struct firmware_acpi acpi;
    struct e820 e820[2];
    uint64_t ram_size;
    uint64_t serial_port;
    uint16_t cpus, none;
};

// A state's bit 7: it exists. S3 and S4 do not, S0 and S5 do.
static const uint8_t sleep_states[6] = {0x80, 0, 0, 0, 0, 0x80};

static bool place_image(struct firmware *f, const struct device_env *env, char *error, size_t size)
{
    const struct task_info *info = env->info;
    struct rom *rom = &f->rom;

    *rom = (struct rom){(const uint8_t *)info->kernel_address, info->kernel_file_size};
    if (rom->size < ROM_MIN || rom->size > ROM_MAX || rom->size % 4096 != 0) {
        snprintf(error, size, "an image of %llu bytes; 64 KiB to 16 MiB, whole pages, are possible",
                 (unsigned long long)rom->size);
        return false;
    }
    uint64_t copy = rom->size < ROM_COPY ? rom->size : ROM_COPY;
    // HAZARD: a restored guest's RAM is what was saved, of which pages of zeros are left out.
    if (!info->snapshot_size &&
        !guest_ram_write(env->ram, ROM_LOW + ROM_COPY - copy, rom->data + rom->size - copy, copy)) {
        snprintf(error, size, "needs more than 1 MiB of memory");
        return false;
    }
    if (!env->map(env->vm, info->firmware_slot, 0, rom_base(rom), rom->size, MAP_READ | MAP_EXEC) ||
        !bus_add(&env->chipset->mmio, rom_base(rom), rom->size, &rom_ops, rom)) {
        snprintf(error, size, "the image cannot be mapped below 4 GiB");
        return false;
    }
    env->rom(env->vm, rom);
    return true;
}

static bool add_items(struct firmware *f, const struct device_env *env)
{
    struct fw_cfg *fw = &f->fw;
    uint64_t low = guest_ram_low(env->ram), high = guest_ram_high(env->ram);

    f->ram_size = env->ram->size;
    f->cpus = (uint16_t)env->chipset->config.cpus;
    f->serial_port = UART_COM1_PORT;
    f->e820[0] = (struct e820){0, low, 1};
    f->e820[1] = (struct e820){PLATFORM_HIGH_RAM, high, 1};
    return fw_cfg_add(fw, FW_CFG_RAM_SIZE, &f->ram_size, sizeof(f->ram_size)) &&
           fw_cfg_add(fw, FW_CFG_NB_CPUS, &f->cpus, sizeof(f->cpus)) &&
           fw_cfg_add(fw, FW_CFG_MAX_CPUS, &f->cpus, sizeof(f->cpus)) &&
           fw_cfg_add(fw, FW_CFG_NOGRAPHIC, &f->none, sizeof(f->none)) &&
           fw_cfg_add(fw, FW_CFG_BOOT_MENU, &f->none, sizeof(f->none)) &&
           fw_cfg_add_file(fw, "etc/e820", f->e820, (high ? 2 : 1) * sizeof(f->e820[0])) &&
           fw_cfg_add_file(fw, "etc/system-states", sleep_states, sizeof(sleep_states)) &&
           firmware_acpi(&f->acpi, env->acpi, fw);
}

// A machine without a screen has its firmware on the serial line.
static bool add_console(struct firmware *f, const struct device_env *env)
{
    return env->acpi->vga ||
           fw_cfg_add_file(&f->fw, "etc/sercon-port", &f->serial_port, sizeof(f->serial_port));
}

// The VM's modules are files: option ROMs, or under the name that their arguments give. SeaBIOS
// runs those of "vgaroms/" first: they bring the screen.
static bool add_modules(struct firmware *f, const struct task_info *info)
{
    for (unsigned i = 0; i < info->module_count && i < TASK_MODULE_MAX; i++) {
        const struct task_module *module = &info->modules[i];
        char name[FW_CFG_NAME];

        snprintf(name, sizeof(name), "%s/%s",
                 strncmp(module->name, "vgabios", 7) == 0 ? "vgaroms" : "genroms", module->name);
        if (module->size > UINT32_MAX ||
            !fw_cfg_add_file(&f->fw, module->arguments[0] ? module->arguments : name,
                             (const void *)module->address, (uint32_t)module->size))
            return false;
    }
    return true;
}

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct firmware *f = vm_alloc(sizeof(*f));
    struct rtc *rtc = &env->chipset->rtc;

    (void)config;
    if (f == NULL) {
        snprintf(error, size, "no memory is left for it");
        return false;
    }
    if (!place_image(f, env, error, size))
        return false;
    fw_cfg_init(&f->fw, env->ram);
    if (!add_items(f, env) || !add_console(f, env) || !add_modules(f, env->info) ||
        !fw_cfg_connect(&f->fw, &env->chipset->ports) ||
        !chipset_add_device(env->chipset, &fw_cfg_ops, &f->fw)) {
        snprintf(error, size, "there are too many devices");
        return false;
    }
    rtc_set_cmos(rtc, CMOS_BOOT_ORDER, BOOT_DISK | BOOT_CDROM << 4);
    rtc_set_cmos(rtc, CMOS_BOOT_THIRD, 1); // no check of a floppy's signature
    rtc_set_cmos(rtc, CMOS_CPUS, (uint8_t)(f->cpus - 1));
    return true;
}

DEVICE_KIND(firmware, .name = FIRMWARE_KIND, .create = create);
