// SPDX-License-Identifier: BSD-2-Clause
// Devices that an entry names: each is created once, in order, by the kind of its name; what is
// unknown or cannot be made is told with the device's name; firmware comes last; what brought a PCI
// function can be detached.
// links: vmm/devices.c vmm/device_detach.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <cmocka.h>

#include "device_kind.h"
#include "firmware.h"

static char made[64], commands[256];
static struct task_info info;
static struct pci_bus pci;
static struct pci_function function;
static struct chipset chipset;
static struct device_env env = {.info = &info, .pci = &pci, .chipset = &chipset};

const struct device_ops pci_hotplug_ops = {.name = "hotplug"};
static bool ports_taken;

bool bus_add(struct bus *bus, uint64_t base, uint64_t size, const struct device_ops *ops, void *dev)
{
    assert_ptr_equal(bus, &chipset.ports);
    assert_ptr_equal(ops, &pci_hotplug_ops);
    assert_ptr_equal(dev, &pci);
    (void)base;
    (void)size;
    return !ports_taken;
}

void monitor_add(struct monitor *monitor, const char *name, const char *device, const char *help,
                 monitor_run *run, void *dev)
{
    size_t used = strlen(commands);

    (void)monitor;
    (void)help;
    (void)run;
    (void)dev;
    snprintf(commands + used, sizeof(commands) - used, "%s %s,", name, device ? device : "-");
}

void monitor_write(struct monitor *monitor, const void *bytes, size_t n)
{
    (void)monitor;
    (void)bytes;
    (void)n;
}

void monitor_print(struct monitor *monitor, const char *format, ...)
{
    (void)monitor;
    (void)format;
}

bool pci_detach(struct pci_bus *bus, struct pci_function *f)
{
    (void)bus;
    (void)f;
    return false;
}

void pci_remove(struct pci_bus *bus, struct pci_function *f)
{
    (void)bus;
    (void)f;
}

size_t pci_info(const struct pci_bus *bus, char *buf, size_t size)
{
    (void)bus;
    (void)buf;
    (void)size;
    return 0;
}

static bool create_plain(const struct device_env *of, const struct task_device *config, char *error,
                         size_t size)
{
    assert_ptr_equal(of, &env);
    strcat(made, config->name);
    strcat(made, " ");
    if (config->number == 0)
        return true;
    if (config->number == 1)
        snprintf(error, size, "number %u is bad", config->number);
    return false;
}

static bool create_card(const struct device_env *of, const struct task_device *config, char *error,
                        size_t size)
{
    of->pci->function[8] = &function;
    return create_plain(of, config, error, size);
}

static bool create_rom(const struct device_env *of, const struct task_device *config, char *error,
                       size_t size)
{
    (void)of;
    (void)error;
    (void)size;
    assert_null(config);
    strcat(made, "rom ");
    return true;
}

DEVICE_KIND(plain, .name = "plain", .create = create_plain);
DEVICE_KIND(pci_card, .name = "pci-card", .create = create_card);
DEVICE_KIND(rom, .name = FIRMWARE_KIND, .create = create_rom);

static void add(const char *kind, const char *name, uint32_t number)
{
    struct task_device *d = &info.devices[info.device_count++];

    snprintf(d->kind, sizeof(d->kind), "%s", kind);
    snprintf(d->name, sizeof(d->name), "%s", name);
    d->number = number;
}

static int setup(void **state)
{
    (void)state;
    memset(&info, 0, sizeof(info));
    memset(&pci, 0, sizeof(pci));
    made[0] = commands[0] = 0;
    return 0;
}

static void test_order(void **state)
{
    (void)state;
    char error[112] = "";

    assert_true(devices_create(&env, error, sizeof(error))); // none
    assert_string_equal(made, "");
    add("plain", "a", 0);
    add("pci-card", "b", 0);
    add("plain", "c", 0);
    info.kernel_kind = KERNEL_FIRMWARE;
    assert_true(devices_create(&env, error, sizeof(error)));
    assert_string_equal(made, "a b c rom ");
    assert_string_equal(error, "");
    assert_non_null(strstr(commands, "detach b,"));
    assert_null(strstr(commands, "detach a,"));
    assert_null(strstr(commands, "detach c,"));
}

static void test_errors(void **state)
{
    (void)state;
    char error[112] = "";

    ports_taken = true;
    assert_false(devices_create(&env, error, sizeof(error)));
    assert_string_equal(error, "the ports for the removal of devices are taken");
    ports_taken = false;
    add("plain", "a", 0);
    add("robot", "r2", 0);
    add("plain", "c", 0);
    assert_false(devices_create(&env, error, sizeof(error)));
    assert_string_equal(error, "device r2: this vmm has no devices of kind robot");
    assert_string_equal(made, "a ");
    setup(NULL);
    add("plain", "a", 1);
    assert_false(devices_create(&env, error, sizeof(error)));
    assert_string_equal(error, "device a: number 1 is bad");
    setup(NULL);
    add("plain", "a", 2);
    assert_false(devices_create(&env, error, sizeof(error)));
    assert_string_equal(error, "device a: cannot be made");
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_order, setup),
        cmocka_unit_test_setup(test_errors, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
