// SPDX-License-Identifier: BSD-2-Clause
// The AHCI controller as a VM has it: a snapshot has its PCI function, too.
// links: vmm/kind_ahci.c vmm/ahci.c vmm/ahci_command.c vmm/ata.c vmm/atapi.c vmm/block_memory.c @vmm lib/ring.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>

#include <cmocka.h>

#include "device_kind.h"
#include "tests/unit/vm_fake.h"
#include "vm_alloc.h"

extern const struct device_kind __start_device_kinds[];

void *vm_alloc(size_t size)
{
    static _Alignas(64) uint8_t arena[1 << 20];
    static size_t used;

    void *memory = arena + used;
    used += (size + 63) & ~63ull;
    return used <= sizeof(arena) ? memory : NULL;
}

static void snapshot(void **state)
{
    static uint8_t disk[4096], buf[1 << 16];
    struct pci_bus *bus = &vm.chipset.pci;
    const struct task_device config = {.address = (uintptr_t)disk, .size = sizeof(disk)};
    struct device_env env;
    char error[96];
    uint8_t slot = 0;

    (void)state;
    fake_machine();
    env = (struct device_env){
        .chipset = &vm.chipset, .pci = bus, .ram = &vm.ram, .info = &info, .vm = &vm};
    assert_true(__start_device_kinds[0].create(&env, &config, error, sizeof(error)));
    for (unsigned i = 0; i < PCI_FUNCTIONS; i++)
        if (bus->function[i] && strcmp(bus->function[i]->name, "ahci") == 0)
            slot = (uint8_t)i;
    assert_int_not_equal(slot, 0);
    pci_config_write(bus, slot, PCI_BASE_ADDRESS_5, 4, 0xd0000000);
    pci_config_write(bus, slot, PCI_COMMAND, 2, PCI_COMMAND_MEMORY | PCI_COMMAND_MASTER);
    size_t n = chipset_save(&vm.chipset, buf, sizeof(buf));
    assert_true(n > 0);
    pci_config_write(bus, slot, PCI_COMMAND, 2, 0);
    assert_null(bus_find(&vm.chipset.mmio, 0xd0000000));
    assert_true(chipset_restore(&vm.chipset, buf, n));
    assert_non_null(bus_find(&vm.chipset.mmio, 0xd0000000));
    assert_true(pci_may_dma(bus->function[slot]));
    for (size_t cut = 0; cut < n; cut += 61)
        chipset_restore(&vm.chipset, buf, cut);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(snapshot)};
    return cmocka_run_group_tests_name("ahci kind", tests, NULL, NULL);
}
