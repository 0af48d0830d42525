// SPDX-License-Identifier: BSD-2-Clause
// The loader of the kind of kernel that root tells of, and the modules that root gave with it.
#include "load.h"

#include <stdio.h>
#include <string.h>

#include "linux.h"
#include "multiboot.h"
#include "multiboot2.h"
#include "pvh.h"

struct modules {
    struct boot_module list[1 + TASK_MODULE_MAX];
    unsigned count;
    char strings[TASK_MODULE_MAX][sizeof(((struct task_module *)0)->name) +
                                  sizeof(((struct task_module *)0)->arguments)];
};
_Static_assert(1 + TASK_MODULE_MAX <= BOOT_MODULES, "loaders take the initrd and all modules");

// Only bzImages are loaded by every vmm. The others are linked into those of the VMs that start
// with such a kernel, as devices are (device_kind.h); elsewhere they are NULL.
#pragma weak multiboot_load
#pragma weak multiboot2_load
#pragma weak pvh_load

// The initrd goes first: it is what a PVH Linux looks for there.
static void collect(const struct task_info *info, struct modules *m)
{
    if (info->initrd_file_size)
        m->list[m->count++] = (struct boot_module){(const void *)info->initrd_address,
                                                   info->initrd_file_size, "initrd"};
    for (unsigned i = 0; i < info->module_count && i < TASK_MODULE_MAX; i++) {
        const struct task_module *from = &info->modules[i];
        snprintf(m->strings[i], sizeof(m->strings[i]), "%s%s%s", from->name,
                 from->arguments[0] ? " " : "", from->arguments);
        m->list[m->count++] =
            (struct boot_module){(const void *)from->address, from->size, m->strings[i]};
    }
}

enum load_status load_kernel(const struct guest_ram *ram, const struct task_info *info,
                             const struct boot_layout *layout, struct cpu_start *start, char *error,
                             size_t size)
{
    const void *kernel = (const void *)info->kernel_address;
    size_t kernel_size = info->kernel_file_size;
    struct modules modules = {.count = 0};

    if (info->kernel_kind == KERNEL_FIRMWARE) {
        boot_reset_state(start);
        return LOAD_OK;
    }
    if (kernel_size == 0)
        return boot_error(LOAD_BAD_ARGUMENT, error, size, "has no kernel");
    collect(info, &modules);
    switch (info->kernel_kind) {
    case KERNEL_MULTIBOOT:
        if (multiboot_load)
            return multiboot_load(ram, kernel, kernel_size, modules.list, modules.count,
                                  info->cmdline, start, error, size);
        break;
    case KERNEL_MULTIBOOT2:
        if (multiboot2_load)
            return multiboot2_load(ram, kernel, kernel_size, modules.list, modules.count,
                                   info->cmdline, layout, start, error, size);
        break;
    case KERNEL_PVH:
        if (pvh_load)
            return pvh_load(ram, kernel, kernel_size, modules.list, modules.count, info->cmdline,
                            layout, start, error, size);
        break;
    default:
        return linux_load(ram, kernel, kernel_size, (const void *)info->initrd_address,
                          info->initrd_file_size, info->cmdline, layout, start, error, size);
    }
    return boot_error(LOAD_BAD_ARGUMENT, error, size, "is of a kind that this vmm does not load");
}
