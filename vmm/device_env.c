// SPDX-License-Identifier: BSD-2-Clause
// struct device_env for the devices of one VM: the few things of the vmm's loop and of the kernel
// that a device model may use.
#include "device_env.h"

#include "bulkhead/syscall.h"
#include "vm.h"

#define LOG_BURST 4096u // lines
#define LOG_HZ    100u

static bool env_map(void *ctx, unsigned slot, uint64_t offset, uint64_t gpa, uint64_t size,
                    unsigned rights)
{
    (void)ctx;
    return sys_map(TASK_SLOT_GUEST, slot, offset, gpa, size, rights) == OK;
}

static bool env_unmap(void *ctx, uint64_t gpa, uint64_t size)
{
    (void)ctx;
    return sys_unmap(TASK_SLOT_GUEST, gpa, size) == OK;
}

static void env_rom(void *ctx, const struct rom *rom)
{
    struct vm *vm = ctx;

    vm->rom = rom;
}

static void env_stop(void *ctx, enum task_state state, const char *reason)
{
    vm_stop(ctx, state, "%s", reason);
}

// HAZARD: the log is everybody's, and a line takes the first CPU's time: a guest that writes to a
// debug port in a loop gets so many at once, and then some each second.
static void env_log(void *ctx, const char *line)
{
    static uint64_t refilled;
    static unsigned left;
    const struct vm *vm = ctx;
    uint64_t now = task_tsc(), each = vm->info->tsc_hz / LOG_HZ + 1, more = (now - refilled) / each;

    if (more > 0) {
        left = more < LOG_BURST - left ? left + (unsigned)more : LOG_BURST;
        refilled = now;
    }
    if (left == 0)
        return;
    if (--left == 0)
        line = "logs too much: some of it is dropped";
    task_log("%s", line);
}

static void env_print(void *ctx, const uint8_t *bytes, size_t n)
{
    line_send(ctx, bytes, n);
}

static void env_take_keys(void *ctx, size_t (*typed)(void *dev, const uint8_t *bytes, size_t n),
                          void *dev)
{
    struct vm *vm = ctx;

    vm->devices.typed = typed;
    vm->devices.typed_dev = dev;
}

static void env_typed_more(void *ctx)
{
    line_receive(ctx);
}

static void env_on_channel(void *ctx, unsigned channel, void (*arrived)(void *dev), void *dev)
{
    struct vm *vm = ctx;

    if (channel >= TASK_CHANNEL_MAX)
        return;
    vm->devices.channel[channel].arrived = arrived;
    vm->devices.channel[channel].dev = dev;
}

static void env_tell_peer(void *ctx, unsigned channel)
{
    const struct vm *vm = ctx;

    if (channel < vm->info->channel_count && channel < TASK_CHANNEL_MAX)
        sys_raise(vm->info->channels[channel].peer_slot, 1);
}

static void monitor_tell(void *ctx)
{
    const struct vm *vm = ctx;

    sys_raise(vm->devices.monitor.channel->peer_slot, 1);
}

// HAZARD: bits that were taken here are still to be served. What other peers raise meanwhile is no
// news of this one: they could keep the answer waiting for ever.
static bool monitor_wait(void *ctx)
{
    struct vm *vm = ctx;
    uint64_t give_up = task_tsc() + vm->info->tsc_hz, bits;
    enum status status;

    do { // bound: give_up
        bits = 0;
        status = sys_wait(TASK_SLOT_SIGNAL, give_up, &bits);
        vm->vcpu[0].bits |= bits; // its thread serves the channels
    } while ((status == OK || status == ERR_CANCELLED) &&
             !(bits >> vm->devices.monitor.channel->own_bit & 1) && task_tsc() < give_up);
    return bits >> vm->devices.monitor.channel->own_bit & 1;
}

// What the devices are and do: all of them, or those of one name.
static bool show_devices(void *ctx, const char *arguments, struct monitor *monitor)
{
    static char text[16384];
    struct vm *vm = ctx;
    size_t n = chipset_info(&vm->chipset, *arguments ? arguments : NULL, text, sizeof(text));

    monitor_write(monitor, text, n);
    if (n == 0)
        monitor_print(monitor, "there is no device \"%s\"\n", arguments);
    return n > 0;
}

bool vm_devices_create(struct vm *vm, char *error, size_t size)
{
    monitor_init(&vm->devices.monitor, vm->info, monitor_tell, monitor_wait, vm);
    monitor_add(&vm->devices.monitor, "devices", NULL,
                "the state of all devices, or of one: devices pic", show_devices, vm);
    vm->devices.env = (struct device_env){
        .chipset = &vm->chipset,
        .pci = &vm->chipset.pci,
        .ram = &vm->ram,
        .info = vm->info,
        .acpi = &vm->acpi,
        .vm = vm,
        .map = env_map,
        .unmap = env_unmap,
        .rom = env_rom,
        .stop = env_stop,
        .log = env_log,
        .print = env_print,
        .take_keys = env_take_keys,
        .typed_more = env_typed_more,
        .on_channel = env_on_channel,
        .tell_peer = env_tell_peer,
        .monitor = &vm->devices.monitor,
    };
    return devices_create(&vm->devices.env, error, size);
}

void vm_devices_serve(struct vm *vm, uint64_t bits)
{
    const struct task_channel *monitor = vm->devices.monitor.channel;

    if (monitor && bits >> monitor->own_bit & 1)
        monitor_serve(&vm->devices.monitor);
    for (unsigned i = 0; i < vm->info->channel_count && i < TASK_CHANNEL_MAX; i++)
        if (vm->devices.channel[i].arrived && bits >> vm->info->channels[i].own_bit & 1)
            vm->devices.channel[i].arrived(vm->devices.channel[i].dev);
}
