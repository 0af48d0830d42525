// SPDX-License-Identifier: BSD-2-Clause
// Devices that a VM has because its entry in system.yaml names them. Each kind is one const struct
// device_kind in the section `device_kinds`; their objects are in an archive, and a VM's vmm is
// linked with those that its entry names (and what they need), so that its trusted lines can be
// counted. A kind knows the bus, PCI, the clock and its backend, and nothing of the vmm's loop:
// what it needs of that comes through struct device_env.
#ifndef VMM_DEVICE_KIND_H
#define VMM_DEVICE_KIND_H

#include "acpi.h"
#include "bulkhead/task.h"
#include "chipset.h"
#include "guest_memory.h"
#include "monitor.h"
#include "pci.h"

struct rom;

struct device_env {
    struct chipset
        *chipset; /* ports, mmio, clock, irqs; chipset_add_device(), chipset_add_timer() */
    struct pci_bus *pci;
    const struct guest_ram *ram;
    const struct task_info *info;
    struct acpi_options *acpi; /* a device that the tables describe sets its flag */
    void *vm;                  /* first argument of what follows */

    /* Maps `size` bytes at `offset` of the mem object that root gave for this device
     * (task_device.slot) into the guest's physical address space with MAP_ rights; unmaps. False:
     * refused, e.g. something is there. */
    bool (*map)(void *vm, unsigned slot, uint64_t offset, uint64_t gpa, uint64_t size,
                unsigned rights);
    bool (*unmap)(void *vm, uint64_t gpa, uint64_t size);

    /* Instructions that are emulated may be, or read, in this image. It must stay. */
    void (*rom)(void *vm, const struct rom *rom);

    /* Ends the VM once the present exit is handled. */
    void (*stop)(void *vm, enum task_state state, const char *reason);

    /* One line for the VM's log, and bytes for its console as if a serial line had sent them. */
    void (*log)(void *vm, const char *line);
    void (*print)(void *vm, const uint8_t *bytes, size_t n);

    /* From now on keys typed at the VM's console go to the device; it returns how many it took, and
     * calls typed_more() when it has room again. */
    void (*take_keys)(void *vm, size_t (*typed)(void *dev, const uint8_t *bytes, size_t n),
                      void *dev);
    void (*typed_more)(void *vm);

    /* Calls arrived(dev) when the peer of info->channels[channel] raised; tells that peer. */
    void (*on_channel)(void *vm, unsigned channel, void (*arrived)(void *dev), void *dev);
    void (*tell_peer)(void *vm, unsigned channel);

    /* Where a device registers its commands: monitor_add() with its name from the configuration. */
    struct monitor *monitor;
};

struct device_kind {
    const char *name; /* as in system.yaml and task_device.kind */
    /* Builds the device. False: `error` holds one line without the device's name. */
    bool (*create)(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size);
};

/* Defines a kind; the symbol is what the linker is asked for (-u device_kind_SYMBOL; a '-' in the
 * name is '_' in it). */
#define DEVICE_KIND(symbol, ...)                          \
    extern const struct device_kind device_kind_##symbol; \
    const struct device_kind device_kind_##symbol         \
        __attribute__((section("device_kinds"), used)) = {__VA_ARGS__}

/* Creates all devices of info->devices. False: `error` holds one line. */
bool devices_create(const struct device_env *env, char *error, size_t size);

#endif
