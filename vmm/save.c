// SPDX-License-Identifier: BSD-2-Clause
// Pause, resume, and the state of a whole VM as an image (snapshot.h): vCPUs with their pages and
// FPU registers, the devices' snapshots, RAM and the writable memory of devices. Time that passes
// between saving and restoring does not exist for the guest: its TSC and its timers go on from
// where they were.
#include "save.h"

#include <stdio.h>
#include <string.h>

#include "bulkhead/syscall.h"
#include "snapshot.h"
#include "vm.h"
#include "x86.h"

#define CHIPSET_ROOM (512u << 10) // what all devices' snapshots may take
#define PARK_S       5            // how long to wait for the vCPUs

// What must be the same where an image is restored.
struct machine_identity {
    uint64_t ram_size;
    uint32_t vcpus, device_count;
    uint64_t processor; // of all CPUID leaves
    struct task_device device[TASK_DEVICE_MAX];
};

struct cpu_image {
    struct vcpu_page page;
    uint8_t fpu[4096];
    uint64_t tsc; // of the guest
    uint32_t event, event_error, event_length;
    uint16_t start;
    uint8_t nmi, init, waits, halted, apic_disabled, ready; // 0 or 1
    uint64_t stored[MSR_STORED_MAX];
    uint64_t clock_base, clock_wall, system_time, wall_clock, pv_eoi;
};

static uint64_t processor_identity(const struct cpu_model *model)
{
    const uint32_t *word = (const uint32_t *)model->entry;
    uint64_t sum = model->max_basic ^ (uint64_t)model->max_extended << 32;

    for (size_t i = 0; i < model->entries * sizeof(model->entry[0]) / sizeof(*word); i++)
        sum = (sum ^ word[i]) * 0x100000001b3;
    return sum;
}

static void identify(const struct vm *vm, struct machine_identity *identity)
{
    memset(identity, 0, sizeof(*identity));
    identity->ram_size = vm->ram.size;
    identity->vcpus = vm->vcpus;
    identity->device_count = vm->info->device_count;
    identity->processor = processor_identity(&vm->vcpu[0].cpu);
    for (unsigned i = 0; i < vm->info->device_count && i < TASK_DEVICE_MAX; i++) {
        identity->device[i] = vm->info->devices[i];
        identity->device[i].address = identity->device[i].slot = 0; // where this vmm has it
    }
}

// Devices keep times as distances from now: one and the same for all of them.
static uint64_t frozen(void *context)
{
    const struct vm *vm = context;

    return vm->save.now;
}

static struct clock freeze(struct vm *vm)
{
    struct clock before = vm->chipset.clock;

    vm->save.now = clock_now(&before);
    vm->chipset.clock.ctx = vm;
    vm->chipset.clock.now = frozen;
    return before;
}

// ---- Standing still

// The kernel stores all of the guest's state into the page. HAZARD: that is done where the guest
// would be entered, so its signal is raised first: it is not entered.
static bool store_all(struct vcpu *vcpu)
{
    struct vcpu_page *page = vcpu->page;
    uint64_t exit = EXIT_CLASSES, bits = 0;
    enum status status;

    page->want[EXIT_KICK] = GROUP_ALL;
    sys_raise(vcpu->signal, VCPU_KICK);
    do { // bound: a cancel by root for each turn
        status = sys_vcpu_run(&exit);
    } while (status == ERR_CANCELLED);
    sys_poll(vcpu->signal, &bits);
    vcpu->bits |= bits & ~VCPU_KICK;
    page->want[EXIT_KICK] = vcpu->want[EXIT_KICK];
    if (status != OK || exit != EXIT_KICK)
        return false;
    if (page->vectoring & EVENT_VALID) {
        vcpu->event = page->vectoring;
        vcpu->event_error = page->vectoring_error;
        vcpu->event_length = page->length;
    }
    return true;
}

void save_park(struct vcpu *vcpu)
{
    struct vm *vm = vcpu->vm;

    if (!store_all(vcpu))
        vm_stop(vm, TASK_FAILED, "its state cannot be read");
    vm->save.parked |= 1u << vcpu->index;
    vm_kick(vm, 0);
    while (vm->save.paused && !vm->end)
        vcpu_wait(vcpu, CLOCK_NEVER);
    vm->save.parked &= ~(1u << vcpu->index);
    if (vcpu->bits && !vm->end)
        vcpu_serve(vcpu);
}

static bool all_parked(const struct vm *vm)
{
    for (unsigned i = 1; i < vm->vcpus; i++)
        if (!(vm->save.parked >> i & 1) && !vm->vcpu[i].waits)
            return false;
    return true;
}

// In the thread of vCPU 0.
static bool hold(struct vm *vm, enum save_pause why)
{
    uint64_t limit = task_tsc() + PARK_S * vm->info->tsc_hz;

    vm->save.paused |= why;
    for (unsigned i = 1; i < vm->vcpus; i++)
        vm_kick(vm, i);
    while (!all_parked(vm) && !vm->end && task_tsc() < limit)
        vcpu_wait(&vm->vcpu[0], limit);
    return all_parked(vm) && !vm->end;
}

static void let_go(struct vm *vm, enum save_pause why)
{
    vm->save.paused &= ~(uint32_t)why;
    if (!vm->save.paused) {
        vm->vcpu[0].bits |= vm->save.kept;
        vm->save.kept = 0;
    }
    for (unsigned i = 0; i < vm->vcpus; i++)
        vm_kick(vm, i);
}

// ---- Writing

static void put_cpu(struct snapshot_writer *w, struct vcpu *vcpu)
{
    static struct cpu_image image;

    memset(&image, 0, sizeof(image));
    memcpy(&image.page, vcpu->page, sizeof(image.page));
    memcpy(image.fpu, vcpu->fpu.area, sizeof(image.fpu));
    image.page.entries = image.page.deadline = 0;
    image.page.tsc_offset = 0; // it is `tsc` that stays
    image.page.have = image.page.dirty = 0;
    image.tsc = vcpu->vm->save.now + vcpu->page->tsc_offset;
    image.event = vcpu->event;
    image.event_error = vcpu->event_error;
    image.event_length = vcpu->event_length;
    image.start = vcpu->start;
    image.nmi = vcpu->nmi;
    image.init = vcpu->init;
    image.waits = vcpu->waits;
    image.halted = vcpu->halted;
    image.ready = vcpu->vm->status->tsc_ready != 0;
    image.apic_disabled = vcpu->cpu.apic_disabled;
    memcpy(image.stored, vcpu->msr.stored, sizeof(image.stored));
    image.clock_base = vcpu->pvclock.tsc_base;
    image.clock_wall = vcpu->pvclock.wall_ns;
    image.system_time = vcpu->pvclock.system_time;
    image.wall_clock = vcpu->pvclock.wall_clock;
    image.pv_eoi = vcpu->eoi.value;
    snapshot_put(w, SNAPSHOT_CPU, vcpu->index, &image, sizeof(image));
}

// The whole image, or with `to` NULL its length at most. 0: it does not fit.
static uint64_t write_image(struct vm *vm, void *to, uint64_t room)
{
    struct snapshot_writer w;
    struct machine_identity identity;
    uint64_t left, used = CHIPSET_ROOM;

    struct clock clock = freeze(vm);
    snapshot_begin(&w, to, room);
    identify(vm, &identity);
    snapshot_put(&w, SNAPSHOT_MACHINE, 0, &identity, sizeof(identity));
    for (unsigned i = 0; i < vm->vcpus; i++)
        put_cpu(&w, &vm->vcpu[i]);
    snapshot_put_memory(&w, 0, vm->ram.base, vm->ram.size);
    for (unsigned i = 0; i < vm->info->device_count && i < TASK_DEVICE_MAX; i++) {
        const struct task_device *device = &vm->info->devices[i];

        if (device->address && !(device->flags & DEVICE_READ_ONLY))
            snapshot_put_memory(&w, i + 1, (const void *)device->address,
                                device->size & ~(uint64_t)(SNAPSHOT_PAGE - 1));
    }
    void *contents = snapshot_open(&w, SNAPSHOT_CHIPSET, 0, &left);
    if (contents) // last, as its length is only known now
        used = chipset_save(&vm->chipset, contents, left);
    snapshot_close(&w, used);
    vm->chipset.clock = clock;
    return used ? snapshot_finish(&w) : 0;
}

// ---- Commands

static bool pause(void *context, const char *arguments, struct monitor *monitor)
{
    struct vm *vm = context;

    (void)arguments;
    if (vm->save.paused & PAUSED_BY_OPERATOR) {
        monitor_print(monitor, "it is paused already\n");
        return false;
    }
    if (hold(vm, PAUSED_BY_OPERATOR))
        return true;
    let_go(vm, PAUSED_BY_OPERATOR);
    monitor_print(monitor, "its vCPUs do not come to a stand\n");
    return false;
}

static bool resume(void *context, const char *arguments, struct monitor *monitor)
{
    struct vm *vm = context;

    (void)arguments;
    if (!(vm->save.paused & PAUSED_BY_OPERATOR)) {
        monitor_print(monitor, "it is not paused\n");
        return false;
    }
    let_go(vm, PAUSED_BY_OPERATOR);
    return true;
}

// HAZARD: vCPU 0 executes this: between two exits, or while it is parked; its own state is stored
// in any case.
static bool tell_size(void *context, const char *arguments, struct monitor *monitor)
{
    struct vm *vm = context;

    (void)arguments;
    if (!hold(vm, PAUSED_TO_SAVE) || (!(vm->save.parked & 1) && !store_all(&vm->vcpu[0]))) {
        let_go(vm, PAUSED_TO_SAVE);
        monitor_print(monitor, "its vCPUs do not come to a stand");
        return false;
    }
    vm->save.size = write_image(vm, NULL, 0);
    monitor_print(monitor, "%llu", (unsigned long long)vm->save.size);
    return true;
}

static bool save(void *context, const char *arguments, struct monitor *monitor)
{
    struct vm *vm = context;
    uint64_t size = 0;

    (void)arguments;
    if (vm->save.paused & PAUSED_TO_SAVE) // root gave as much as was asked for
        size = write_image(vm, vm->save.image, vm->save.size);
    let_go(vm, PAUSED_TO_SAVE);
    if (!size)
        monitor_print(monitor, "a device cannot be saved");
    return size != 0;
}

static bool cancel(void *context, const char *arguments, struct monitor *monitor)
{
    (void)arguments;
    (void)monitor;
    let_go(context, PAUSED_TO_SAVE);
    return true;
}

void save_init(struct vm *vm)
{
    struct monitor *monitor = &vm->devices.monitor;

    monitor_add(monitor, "pause", NULL, "the guest stands still", pause, vm);
    monitor_add(monitor, "resume", NULL, "it goes on", resume, vm);
    monitor_add(monitor, "snapshot-size", NULL, NULL, tell_size, vm); // these are root's
    monitor_add(monitor, "snapshot-save", NULL, NULL, save, vm);
    monitor_add(monitor, "snapshot-cancel", NULL, NULL, cancel, vm);
}

// ---- Reading. HAZARD: an image with a right checksum may still hold anything: what is taken from
// it is what a guest could have brought about too, or is checked. A disk keeps its contents over a
// restart: nothing is written to it before all else was found good.

#define EFER_LME     0x100u
#define SEGMENT_BITS 0x1f0ffu // of its attributes
#define LENGTH_MAX   15u      // of an instruction

static bool acceptable(const struct vcpu *vcpu, const struct cpu_image *image)
{
    const struct vcpu_page *page = &image->page;
    bool paging = page->cr0 & CR0_PG, long_mode = page->efer & EFER_LMA;

    for (unsigned i = 0; i < SEG_COUNT; i++)
        if (page->seg[i].attributes & ~SEGMENT_BITS)
            return false;
    if ((image->nmi | image->init | image->waits | image->halted | image->ready |
         image->apic_disabled) > 1 ||
        (image->waits && vcpu->index == 0) || image->start & ~(SIPI_VALID | 0xff) ||
        page->exit >= EXIT_CLASSES || image->event_length > LENGTH_MAX)
        return false;
    return !((page->cr0 | page->cr4) >> 32) && (!paging || page->cr0 & CR0_PE) &&
           long_mode == (paging && page->efer & EFER_LME) && (!long_mode || page->cr4 & CR4_PAE) &&
           (page->xcr0 == 1 || cpuid_xcr0_valid(&vcpu->cpu, page->xcr0)); // 1: also without XSAVE
}

static void get_cpu(struct vcpu *vcpu, const struct cpu_image *image)
{
    struct vcpu_page *page = vcpu->page;
    uint32_t control = page->control;

    memcpy(page, &image->page, sizeof(*page));
    memcpy(vcpu->fpu.area, image->fpu, sizeof(image->fpu));
    memcpy(page->want, vcpu->want, sizeof(vcpu->want));
    page->control = control;
    page->exceptions = 0;
    page->inject = page->window = 0;
    page->vectoring = 0;
    page->have = 0;
    page->dirty = GROUP_ALL;
    page->tsc_offset = image->tsc - vcpu->vm->save.now;
    vcpu->event = image->event;
    vcpu->event_error = image->event_error;
    vcpu->event_length = image->event_length;
    vcpu->start = image->start;
    vcpu->nmi = image->nmi;
    vcpu->init = image->init;
    vcpu->waits = image->waits;
    vcpu->halted = image->halted;
    vcpu->cpu.apic_disabled = image->apic_disabled;
    memcpy(vcpu->msr.stored, image->stored, sizeof(image->stored));
    vcpu->pvclock.tsc_base = image->clock_base;
    vcpu->pvclock.wall_ns = image->clock_wall;
    vcpu->pvclock.system_time = image->system_time;
    vcpu->pvclock.wall_clock = image->wall_clock;
    pv_eoi_write(&vcpu->eoi, image->pv_eoi); // without effect when it is outside of RAM
    vcpu->lapic->tsc_offset = page->tsc_offset;
    mmio_flush(&vcpu->mmio);
}

// The memory of devices; with `check` only whether the image has it.
static bool get_memory(const struct vm *vm, const void *image, bool check)
{
    for (unsigned i = 0; i < vm->info->device_count && i < TASK_DEVICE_MAX; i++) {
        const struct task_device *device = &vm->info->devices[i];
        uint64_t size = device->size & ~(uint64_t)(SNAPSHOT_PAGE - 1);

        if (!device->address || device->flags & DEVICE_READ_ONLY)
            continue;
        if (!check)
            memset((void *)device->address, 0, size);
        if (!snapshot_get_memory(image, i + 1, check ? NULL : (void *)device->address, size))
            return false;
    }
    return true;
}

static const char *restore(struct vm *vm, const void *image)
{
    struct machine_identity here;
    uint64_t length;

    identify(vm, &here);
    const void *there = snapshot_find(image, SNAPSHOT_MACHINE, 0, &length);
    if (!there || length != sizeof(here) || memcmp(there, &here, sizeof(here)) != 0)
        return "it is of a VM with other memory, devices or processors";
    for (unsigned i = 0; i < vm->vcpus; i++) {
        const struct cpu_image *cpu = snapshot_find(image, SNAPSHOT_CPU, i, &length);

        if (!cpu || length != sizeof(*cpu))
            return "a vCPU is missing";
        if (!acceptable(&vm->vcpu[i], cpu))
            return "the state of a vCPU is not acceptable";
        get_cpu(&vm->vcpu[i], cpu);
        if (i == 0 && cpu->ready)
            vm->save.ready = true;
    }
    if (!snapshot_get_memory(image, 0, vm->ram.base, vm->ram.size))
        return "its memory is not of this VM's size";
    if (!get_memory(vm, image, true))
        return "the memory of a device is not of this VM's size";
    const void *chipset = snapshot_find(image, SNAPSHOT_CHIPSET, 0, &length);
    if (!chipset || !chipset_restore(&vm->chipset, chipset, length))
        return "the state of a device is not acceptable";
    get_memory(vm, image, false);
    return NULL;
}

bool save_restore(struct vm *vm, char *error, size_t size)
{
    const void *image = (const void *)vm->info->snapshot_address;
    const char *why = snapshot_check(image, vm->info->snapshot_size);

    struct clock clock = freeze(vm);
    if (!why)
        why = restore(vm, image);
    vm->chipset.clock = clock;
    if (why)
        snprintf(error, size, "snapshot: %s", why);
    return !why;
}
