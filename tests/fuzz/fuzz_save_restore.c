// SPDX-License-Identifier: BSD-2-Clause
// Images of a VM with all kinds of devices that were changed and have the right checksum all the
// same. Each is refused with a line, or it is a machine like another: then its devices, exits and
// peers go on at random, and what it saves it takes back.
// links: vmm/emulate_bits.c @vmm lib/ring.c lib/cpio.c
#include "tests/unit/vm_fake.h"

#include "snapshot.c" // its checksum
#include "tests/unit/archive.h"
#include "vm_alloc.h"

#include <linux/virtio_config.h>
#include <linux/virtio_pci.h>

#define IMAGE_SIZE (4u << 20)
#define MEMORY     (64u << 10) // of a disk
#define VRAM       (256u << 10)
#define ARENA      (1u << 20)
#define LINKS      4
#define LINK_RING  8192u
#define WORLDS     2

static const uint8_t *data;
static size_t left;
static uint64_t now, luck;
static unsigned more_luck;

// All of a machine that may change, beside what vm_fake.h has.
static struct {
    _Alignas(4096) uint8_t arena[ARENA];
    _Alignas(4096) uint8_t disk[3][MEMORY];
    _Alignas(4096) uint8_t vram[VRAM];
    _Alignas(64) uint8_t link[LINKS][2][LINK_RING];
    struct ring_end peer[LINKS][2];
    size_t used;
} more;

// Each as it was built, and a good image of it.
static struct world {
    struct vm vm;
    struct vcpu_page pages[2];
    uint8_t ram[FAKE_RAM], rings[2][FAKE_RING], fpu[4096];
    uint32_t apic[1024];
    struct task_status status;
    struct task_info info;
    _Alignas(4096) uint8_t more[sizeof(more)];
    _Alignas(8) uint8_t image[IMAGE_SIZE];
    uint64_t size;
} worlds[WORLDS];
static _Alignas(8) uint8_t image[IMAGE_SIZE];

extern const struct device_kind device_kind_vga, device_kind_keyboard, device_kind_virtio_blk,
    device_kind_virtio_net, device_kind_virtio_console, device_kind_virtio_rng,
    device_kind_virtio_balloon, device_kind_virtio_9p, device_kind_virtio_vsock, device_kind_e1000,
    device_kind_ahci_disk, device_kind_debug_port, device_kind_debug_exit, device_kind_pvpanic,
    device_kind_watchdog, device_kind_hpet;
__attribute__((used)) static const struct device_kind *const kinds[] = {&device_kind_vga,
                                                                        &device_kind_keyboard,
                                                                        &device_kind_virtio_blk,
                                                                        &device_kind_virtio_net,
                                                                        &device_kind_virtio_console,
                                                                        &device_kind_virtio_rng,
                                                                        &device_kind_virtio_balloon,
                                                                        &device_kind_virtio_9p,
                                                                        &device_kind_virtio_vsock,
                                                                        &device_kind_e1000,
                                                                        &device_kind_ahci_disk,
                                                                        &device_kind_debug_port,
                                                                        &device_kind_debug_exit,
                                                                        &device_kind_pvpanic,
                                                                        &device_kind_watchdog,
                                                                        &device_kind_hpet};

static void check(bool condition)
{
    if (!condition)
        abort();
}

static uint64_t take(unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && left; i++, left--)
        value |= (uint64_t)*data++ << 8 * i;
    if (left == 0 && more_luck > 0) { // short inputs go on with what follows from them
        more_luck--;
        luck = (luck ^ value) * 0x2545f4914f6cdd1d + 0x9e3779b97f4a7c15;
        value ^= (luck ^ luck >> 31) & (bytes >= 8 ? UINT64_MAX : (1ull << 8 * bytes) - 1);
    }
    return value;
}

static uint64_t time_now(void *context)
{
    (void)context;
    return now;
}

void *vm_alloc(size_t size)
{
    void *memory = more.arena + more.used;

    more.used += (size + 63) & ~(size_t)63;
    return more.used <= sizeof(more.arena) ? memory : NULL;
}

static enum status kernel(enum sys_op op, struct message *message)
{
    memset(message, 0, sizeof(*message));
    message->label = op == SYS_VCPU_RUN ? EXIT_KICK : 0;
    return op == SYS_WAIT ? ERR_TIMEOUT : OK;
}

// ---- A machine with everything

static void device(const char *kind, void *memory, uint64_t size, unsigned number)
{
    struct task_device *d = &info.devices[info.device_count];

    *d = (struct task_device){.address = (uintptr_t)memory,
                              .size = size,
                              .number = number,
                              .channel = TASK_CHANNEL_MAX,
                              .mac = {0x52, 0x54, 0, 0, 0, (uint8_t)info.device_count}};
    snprintf(d->kind, sizeof(d->kind), "%s", kind);
    snprintf(d->name, sizeof(d->name), "%s%u", kind, info.device_count);
    snprintf(d->tag, sizeof(d->tag), "tag");
    info.device_count++;
}

static void linked(const char *kind, unsigned number)
{
    unsigned n = info.channel_count - 1;
    uint32_t bytes = ring_capacity(LINK_RING);

    ring_open(&more.peer[n][0], (struct ring *)more.link[n][0], bytes, RING_PRODUCER);
    ring_open(&more.peer[n][1], (struct ring *)more.link[n][1], bytes, RING_CONSUMER);
    device(kind, NULL, 0, number);
    info.devices[info.device_count - 1].channel = info.channel_count;
    info.channels[info.channel_count] = (struct task_channel){.kind = CHANNEL_LINK,
                                                              .ring_bytes = LINK_RING,
                                                              .own_bit = info.channel_count,
                                                              .rx = (uintptr_t)more.link[n][0],
                                                              .tx = (uintptr_t)more.link[n][1]};
    info.channel_count++;
}

static void devices(void)
{
    archive_example();
    device("vga", more.vram, VRAM, 0);
    device("keyboard", NULL, 0, 0);
    device("virtio-blk", more.disk[0], MEMORY, 2);
    device("ahci-disk", more.disk[1], MEMORY, 0);
    device("ahci-cd", more.disk[2], MEMORY, 0);
    linked("virtio-net", 0);
    linked("virtio-console", 2);
    linked("virtio-vsock", 3);
    device("virtio-rng", NULL, 0, 0);
    device("virtio-balloon", NULL, 0, 0);
    device("virtio-9p", archive, archive_size, 0);
    info.devices[info.device_count - 1].flags = DEVICE_READ_ONLY;
    linked("e1000", 0);
    device("debug-port", NULL, 0, 0);
    device("debug-exit", NULL, 0, 0);
    device("pvpanic", NULL, 0, 0);
    device("watchdog", NULL, 0, 0);
}

static void out(uint64_t address, unsigned size, uint64_t value)
{
    bus_write(&vm.chipset.mmio, address, size, value);
}

static void start_virtio(uint64_t bar, unsigned number)
{
    uint64_t queues, features;

    for (unsigned half = 0; half < 2; half++) {
        out(bar + VIRTIO_PCI_COMMON_DFSELECT, 4, half);
        bus_read(&vm.chipset.mmio, bar + VIRTIO_PCI_COMMON_DF, 4, &features);
        out(bar + VIRTIO_PCI_COMMON_GFSELECT, 4, half);
        out(bar + VIRTIO_PCI_COMMON_GF, 4, features);
    }
    out(bar + VIRTIO_PCI_COMMON_STATUS, 1, 11);
    bus_read(&vm.chipset.mmio, bar + VIRTIO_PCI_COMMON_NUMQ, 2, &queues);
    for (unsigned i = 0; i < queues; i++) {
        uint64_t at = 0x80000 + 0x8000 * number + 0x1000 * (i % 8);

        out(bar + VIRTIO_PCI_COMMON_Q_SELECT, 2, i);
        out(bar + VIRTIO_PCI_COMMON_Q_SIZE, 2, 16);
        out(bar + VIRTIO_PCI_COMMON_Q_DESCLO, 4, at);
        out(bar + VIRTIO_PCI_COMMON_Q_AVAILLO, 4, at + 0x400);
        out(bar + VIRTIO_PCI_COMMON_Q_USEDLO, 4, at + 0x800);
        out(bar + VIRTIO_PCI_COMMON_Q_ENABLE, 2, 1);
    }
    out(bar + VIRTIO_PCI_COMMON_STATUS, 1, 15);
}

// As much as possible is not as after power on.
static void work(void)
{
    unsigned number = 0;

    for (unsigned i = 0; i < PCI_FUNCTIONS; i++) {
        struct pci_function *f = vm.chipset.pci.function[i];

        if (f && f->config[0] == 0xf4 && f->config[1] == 0x1a)
            start_virtio(f->bar[0].address, number++);
        else if (f && strcmp(f->name, "ahci") == 0)
            out(f->bar[5].address + 0x118, 4, 0x17);
        else if (f && strcmp(f->name, "e1000") == 0)
            out(f->bar[0].address + 0x100, 4, 2);
    }
    bus_write(&vm.chipset.ports, 0x43, 1, 0x34);
    bus_write(&vm.chipset.ports, 0x40, 1, 0x12);
    bus_write(&vm.chipset.ports, 0x40, 1, 0x34);
    bus_write(&vm.chipset.ports, 0x70, 1, 0x0b);
    bus_write(&vm.chipset.ports, 0x71, 1, 0x42);
    out(0xfed00010, 8, 1);
    out(0xfee00320, 4, 0x200ef);
    out(0xfee00380, 4, 100000);
    CPU->pvclock.system_time = 0x9001;
}

static bool command(const char *name)
{
    struct monitor *monitor = &vm.devices.monitor;

    for (unsigned i = 0; i < monitor->commands; i++)
        if (strcmp(monitor->command[i].name, name) == 0)
            return monitor->command[i].run(monitor->command[i].dev, "", monitor);
    return false;
}

static void copy_world(struct world *w, bool keep)
{
    const struct {
        void *here, *there;
        size_t size;
    } parts[] = {{&vm, &w->vm, sizeof(vm)},
                 {&page, &w->pages[0], sizeof(page)},
                 {&more_pages[1], &w->pages[1], sizeof(page)},
                 {ram, w->ram, sizeof(ram)},
                 {rings, w->rings, sizeof(rings)},
                 {fpu_page, w->fpu, sizeof(fpu_page)},
                 {apic_page, w->apic, sizeof(apic_page)},
                 {&status, &w->status, sizeof(status)},
                 {&info, &w->info, sizeof(info)},
                 {&more, w->more, sizeof(more)}};

    for (size_t i = 0; i < sizeof(parts) / sizeof(parts[0]); i++)
        memcpy(keep ? parts[i].there : parts[i].here, keep ? parts[i].here : parts[i].there,
               parts[i].size);
}

static void build(struct world *w)
{
    memset(&more, 0, sizeof(more));
    fake_has_apic = w == &worlds[1];
    fake_vcpus = 2;
    fake_devices = devices;
    fake_machine();
    vm.vcpu[1].fpu.area = fpu_page;
    fake_call = kernel;
    vm.chipset.clock.now = time_now;
    now = 7 * info.tsc_hz;
    copy_world(w, true);
    work();
    vm.save.image = w->image;
    check(command("snapshot-size") && vm.save.size < IMAGE_SIZE && command("snapshot-save"));
    w->size = ((const struct snapshot_header *)w->image)->size;
}

// ---- Damage

// Some byte that matters: of one device, of a vCPU, or any. The place in a good image.
static const uint8_t *place(const uint8_t *good)
{
    const struct snapshot_header *header = (const struct snapshot_header *)good;
    unsigned choice = (unsigned)take(1);
    uint64_t length = 0;
    uint32_t part = 0;

    if (choice < 16)
        return good + sizeof(*header) + take(3) % (header->size - sizeof(*header));
    if (choice < 80) {
        const uint8_t *cpu = snapshot_find(good, SNAPSHOT_CPU, choice & 1, &length);
        return cpu + take(2) % length;
    }
    const uint8_t *at = snapshot_find(good, SNAPSHOT_CHIPSET, 0, &length);
    for (unsigned i = choice % vm.chipset.devices;; i--) {
        memcpy(&part, at, sizeof(part));
        if (i == 0)
            return at + take(2) % (part + 4);
        at += 4 + part;
        length -= 4 + part;
        if (length < 8)
            return at - 1;
    }
}

static void damage(const uint8_t *good)
{
    struct snapshot_header *header = (struct snapshot_header *)image;

    for (unsigned i = (unsigned)take(1) % 12; i > 0; i--) {
        uint8_t *at = image + (place(good) - good), size = (uint8_t)(1u << take(1) % 4);
        uint64_t value = take(1) & 1 ? (uint64_t)(int64_t)(int8_t)take(1) : take(size);

        if (at + size <= image + header->size)
            memcpy(at, &value, size);
    }
    header->checksum = checksum(image + sizeof(*header), header->size - sizeof(*header));
}

// ---- Life after it

static void settle(void)
{
    struct chipset *c = &vm.chipset;

    for (unsigned i = 0; i < 2; i++)
        if (chipset_deadline(c, i) <= now)
            chipset_expire(c, i, now);
    for (unsigned i = 0; i < 200 && chipset_deadline(c, 0) <= now; i++) { // it comes to rest
        now += info.tsc_hz / 100000;
        chipset_expire(c, 0, now);
    }
    check(chipset_deadline(c, 0) > now);
}

static void access(struct bus *bus)
{
    const struct bus_region *region = &bus->regions[take(1) % bus->count];
    uint64_t offset = take(2) % region->size, value;
    unsigned size = 1u << take(1) % 4;

    if (take(1) & 1)
        bus_write(bus, region->base + offset, size, take(size));
    else
        bus_read(bus, region->base + offset, size, &value);
}

static void peer(void)
{
    unsigned n = (unsigned)take(1) % LINKS;
    uint8_t bytes[64];

    for (unsigned i = 0; i < sizeof(bytes); i++)
        bytes[i] = (uint8_t)take(1);
    ring_write(&more.peer[n][0], bytes, (uint32_t)take(1) % sizeof(bytes));
    ring_read(&more.peer[n][1], bytes, sizeof(bytes));
    vm_devices_serve(&vm, 2ull << n);
}

static void exit_at_random(void)
{
    page.gpa = take(1) & 1 ? 0xfee00000 + take(2) : take(4);
    enum vcpu_exit exit = (enum vcpu_exit)(take(1) % EXIT_CLASSES);
    page.qualification =
        exit == EXIT_IO ? IO_EXIT((uint16_t)take(2), 1u << take(1) % 3, take(1) % 8 << 3) : take(4);
    page.length = (uint32_t)take(1) % 16;
    page.rip = take(3);
    for (unsigned i = 0; i < 8; i++)
        ram[(page.rip + i) % FAKE_RAM] = (uint8_t)take(1);
    fake_exit(exit);
    inject_prepare(CPU);
    page.inject = 0;
    vm.end = 0;
}

static void again(void)
{
    static uint8_t buffer[512 << 10];
    size_t n = chipset_save(&vm.chipset, buffer, sizeof(buffer));

    check(n > 0 && chipset_restore(&vm.chipset, buffer, n));
}

static void live(void)
{
    static char text[32768];

    for (unsigned steps = 0; (left || more_luck) && steps < 60; steps++) {
        switch (take(1) % 12) {
        case 0:
        case 1:
            access(&vm.chipset.ports);
            break;
        case 2:
        case 3:
        case 4:
            access(&vm.chipset.mmio);
            break;
        case 5:
            pci_config_write(&vm.chipset.pci, (uint8_t)(take(1) % 32 << 3), take(1) & 0xfc, 4,
                             take(4));
            break;
        case 6:
            now += take(2) << take(1) % 24;
            settle();
            break;
        case 7:
            peer();
            break;
        case 8:
            chipset_interrupt_take(&vm.chipset, (unsigned)take(1) % 2);
            break;
        case 9:
            exit_at_random();
            break;
        case 10: { // rings of the virtio devices
            uint64_t value = take(8);
            memcpy(ram + 0x80000 + take(2) * 8 % 0x80000, &value, sizeof(value));
            break;
        }
        default:
            chipset_info(&vm.chipset, NULL, text, sizeof(text));
            again();
        }
    }
    settle();
    again();
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    char error[112] = "";

    for (unsigned i = 0; i < WORLDS && !worlds[WORLDS - 1].size; i++)
        build(&worlds[i]);
    data = input;
    left = size;
    luck = size;
    for (size_t i = 0; i < size; i++)
        luck = (luck ^ input[i]) * 0x100000001b3;
    more_luck = 300;
    struct world *w = &worlds[take(1) % WORLDS];
    copy_world(w, false);
    fake_call = kernel;
    now = 99 * info.tsc_hz;
    memcpy(image, w->image, w->size);
    damage(w->image);
    info.snapshot_address = (uintptr_t)image;
    info.snapshot_size = w->size;
    if (setjmp(fake_end))
        return 0;
    if (!save_restore(&vm, error, sizeof(error))) {
        check(strncmp(error, "snapshot: ", 10) == 0 && error[10]);
        return 0;
    }
    if (CPU->halted || CPU->nmi)
        inject_prepare(CPU);
    live();
    return 0;
}
