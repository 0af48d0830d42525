// SPDX-License-Identifier: BSD-2-Clause
// Builds the virtual PC out of the models, and loads a kernel into it: all that happens before the
// first entry. Knows no system call, so that tests build the same machine on the host.
#include <stdio.h>
#include <string.h>

#include "acpi.h"
#include "load.h"
#include "machine.h"
#include "rom.h"

// Where the machine's clock is not known a guest starts on 1 January 2026.
#define START_OF_TIME 1767225600ull
#define NS_PER_S      1000000000ull

#define RFLAGS_FIXED 2u
#define CR0_ET       (1ull << 4)
#define CR0_CACHE    (3ull << 29) // CD and NW: INIT leaves them
// Access rights in real mode, SDM 3C 26.3.1.2
#define REAL_DATA 0x93
#define REAL_CODE 0x9b
#define REAL_LDT  0x82

// ns since 1970. The machine's clock was read in whole seconds: half of one has passed on average.
static uint64_t unix_ns(const struct task_info *info, uint64_t tsc)
{
    if (!info->unix_tsc || tsc < info->unix_tsc)
        return START_OF_TIME * NS_PER_S;
    return info->unix_seconds * NS_PER_S + NS_PER_S / 2 +
           mul_div64(tsc - info->unix_tsc, NS_PER_S, info->tsc_hz);
}

static void power_off(void *ctx)
{
    vm_stop(ctx, TASK_POWEROFF, "switched itself off");
}

static void reset(void *ctx)
{
    vm_stop(ctx, TASK_REBOOT, "asked for a reset");
}

static void uart_tx(void *ctx, unsigned uart, const uint8_t *bytes, size_t n)
{
    (void)uart;
    line_send(ctx, bytes, n);
}

static void uart_rx_ready(void *ctx, unsigned uart)
{
    (void)uart;
    line_receive(ctx);
}

static void cpu_nmi(void *ctx, unsigned cpu)
{
    struct vm *of = ctx;

    of->vcpu[cpu].nmi = true;
}

static void cpu_init(void *ctx, unsigned cpu)
{
    vm_init(ctx, cpu);
}

static void cpu_sipi(void *ctx, unsigned cpu, uint8_t vector)
{
    vm_sipi(ctx, cpu, vector);
}

static void cpu_kick(void *ctx, unsigned cpu)
{
    vm_kick(ctx, cpu);
}

static uint64_t guest_tsc(void *context)
{
    const struct vcpu *of = context;

    return task_tsc() + of->page->tsc_offset;
}

static void set_guest_tsc(void *context, uint64_t value)
{
    struct vcpu *of = context;
    uint64_t offset = value - task_tsc(), moved = offset - of->page->tsc_offset;

    of->page->tsc_offset = offset;
    of->page->dirty |= GROUP_TIME;
    of->lapic->tsc_offset = offset;
    lapic_timer_schedule(of->lapic, task_tsc()); // an armed deadline is in guest time
    pvclock_rebase(&of->pvclock, of->pvclock.tsc_base + moved, of->pvclock.wall_ns);
}

static bool apic_read(void *context, uint32_t index, uint64_t *value)
{
    struct vcpu *of = context;

    return lapic_msr_read(of->lapic, index, value);
}

static bool apic_write(void *context, uint32_t index, uint64_t value)
{
    struct vcpu *of = context;

    return lapic_msr_write(of->lapic, index, value);
}

static void *ram_at(void *ctx, uint64_t gpa, size_t size, bool write)
{
    const struct vcpu *of = ctx;

    if (of->vm->rom && !write && rom_at(of->vm->rom, gpa, size))
        return (void *)rom_at(of->vm->rom, gpa, size);
    return guest_ram_at(&of->vm->ram, gpa, size);
}

static uint64_t device_read(void *ctx, uint64_t gpa, unsigned size)
{
    struct vcpu *of = ctx;
    uint64_t value;

    bus_read(&of->vm->chipset.mmio, gpa, size, &value);
    return value;
}

static void device_write(void *ctx, uint64_t gpa, unsigned size, uint64_t value)
{
    struct vcpu *of = ctx;

    bus_write(&of->vm->chipset.mmio, gpa, size, value);
}

// With one vCPU a guest has little of x2APIC, and Linux then reads and writes the whole I/O APIC
// twice: 600 exits of a boot.
static bool has_x2apic(const struct vm *vm)
{
    return vm_is_smp(vm) && !vm->vcpu[0].apic_page;
}

static void build_processor(struct vcpu *vcpu)
{
    const struct vm *vm = vcpu->vm;
    const struct task_info *info = vm->info;
    const struct msr_hooks hooks = {
        .context = vcpu,
        .tsc_read = guest_tsc,
        .tsc_write = set_guest_tsc,
        .apic_read = apic_read,
        .apic_write = apic_write,
        .pv_eoi = &vcpu->eoi,
    };
    static const struct mmio_ops mmio = {.ram = ram_at, .read = device_read, .write = device_write};
    const struct cpu_options options = {
        .vcpus = (uint8_t)vm->vcpus,
        .apic_id = (uint8_t)vcpu->index,
        .tsc_deadline = true,
        .x2apic = has_x2apic(vm),
        .pv_eoi = !vcpu->apic_page,
        .hide_cx16 = info->hide & HIDE_CX16,
        .hide_pvclock = info->clock == GUEST_CLOCK_8254,
        .xcr0 = UINT64_MAX,
    };
    struct cpuid_regs sizes = {0}, extended = {0};

    cpuid_init(&vcpu->cpu, &options, info->tsc_hz);
    pvclock_init(&vcpu->pvclock, &vm->ram, info->tsc_hz, 0, 0);
    pv_eoi_init(&vcpu->eoi, &vm->ram);
    msr_init(&vcpu->msr, &vcpu->cpu, vcpu->page, &vcpu->pvclock, &hooks);
    if (info->kernel_kind != KERNEL_FIRMWARE)
        msr_firmware_state(&vcpu->msr);
    cpuid_get(&vcpu->cpu, 0x80000008, 0, &sizes);
    cpuid_get(&vcpu->cpu, 0x80000001, 0, &extended);
    vcpu->mmio.ops = &mmio;
    vcpu->mmio.ctx = vcpu;
    vcpu->mmio.physical_bits = sizes.eax & 0xff ? sizes.eax & 0xff : 36;
    vcpu->mmio.no_1g_pages = !(extended.edx & 1u << 26);
    mmio_flush(&vcpu->mmio);
}

static bool build_chipset(struct vm *vm)
{
    const struct chipset_config config = {
        .tsc_hz = vm->info->tsc_hz,
        .cpus = vm->vcpus,
        .uarts = 1,
        .x2apic = has_x2apic(vm),
        .tsc_deadline = true,
        .unix_seconds = (int64_t)(unix_ns(vm->info, task_tsc()) / NS_PER_S),
        .ram_below_4g = guest_ram_low(&vm->ram),
        .ram_above_4g = guest_ram_high(&vm->ram),
        .physical_bits = vm->vcpu[0].mmio.physical_bits,
        .ctx = vm,
        .power_off = power_off,
        .reset = reset,
        .uart_tx = uart_tx,
        .uart_rx_ready = uart_rx_ready,
        .cpu = {.nmi = cpu_nmi, .init = cpu_init, .sipi = cpu_sipi, .kick = cpu_kick, .ctx = vm},
    };

    if (!chipset_init(&vm->chipset, &config))
        return false;
    if (vm->info->kernel_kind != KERNEL_FIRMWARE)
        chipset_firmware_state(&vm->chipset);
    for (unsigned i = 0; i < vm->vcpus; i++) {
        vm->vcpu[i].lapic = &vm->chipset.lapic[i];
        if (vm->vcpu[i].apic_page)
            lapic_use_page(vm->vcpu[i].lapic, vm->vcpu[i].apic_page);
    }
    return true;
}

static enum load_status load(struct vm *vm, struct cpu_start *start, char *error, size_t size)
{
    struct boot_layout layout = {.vga = vm->acpi.vga};

    if (vm->info->kernel_kind != KERNEL_FIRMWARE) // which gets them by fw_cfg
        layout.rsdp = acpi_build(&vm->ram, &vm->acpi);
    return load_kernel(&vm->ram, vm->info, &layout, start, error, size);
}

// Groups that each class of exits stores, chosen by what it nearly always needs; the rest comes by
// vcpu_has().
static void choose_groups(struct vcpu *vcpu)
{
    uint32_t *want = vcpu->want;

    want[EXIT_MEMORY] = GROUP_CR; // the decoder's fast path: CR3 and CR4
    want[EXIT_CR] = want[EXIT_DR] = GROUPS_CODE;
    want[EXIT_XSETBV] = GROUP_CR | GROUP_SEG | GROUP_XSTATE;
    want[EXIT_SHUTDOWN] = GROUP_CR;
    memcpy(vcpu->page->want, want, sizeof(vcpu->want));
}

// What all vCPUs begin with. HAZARD: their TSCs must be one to the tick, or Linux gives them up.
static void reset_state(struct vcpu *vcpu, uint64_t now)
{
    struct vcpu_page *page = vcpu->page;

    msr_reset_page(page);
    page->cr0 = CR0_CACHE | CR0_ET;
    page->dr6 = DR6_RESET;
    page->dr7 = DR7_RESET;
    page->tsc_offset = -now; // the guest's TSC starts at 0
    // Alone on its CPU a vCPU has nobody to yield to: the exits would only cost time.
    if (vm_is_smp(vcpu->vm) && !vcpu->vm->info->vcpus_apart)
        page->control = CONTROL_PAUSE;
    page->dirty = GROUP_ALL;
    pvclock_rebase(&vcpu->pvclock, 0, unix_ns(vcpu->vm->info, now));
    vcpu->lapic->tsc_offset = page->tsc_offset;
}

static void start_state(struct vcpu *vcpu, const struct cpu_start *start)
{
    struct vcpu_page *page = vcpu->page;

    memcpy(page->gpr, start->gpr, sizeof(page->gpr));
    memcpy(page->seg, start->seg, sizeof(page->seg));
    page->rip = start->rip;
    page->rflags = start->rflags;
    page->cr0 = start->cr0;
    page->cr3 = start->cr3;
    page->cr4 = start->cr4;
    page->efer = start->efer;
    page->gdtr_base = start->gdtr_base;
    page->gdtr_limit = start->gdtr_limit;
    page->idtr_base = start->idtr_base;
    page->idtr_limit = start->idtr_limit;
}

void machine_sipi(struct vcpu *vcpu, uint8_t vector)
{
    struct vcpu_page *page = vcpu->page;
    struct cpuid_regs signature;

    cpuid_get(&vcpu->cpu, 1, 0, &signature);
    memset(page->gpr, 0, sizeof(page->gpr));
    page->gpr[RDX] = signature.eax;
    for (unsigned i = 0; i < SEG_COUNT; i++)
        page->seg[i] = (struct vcpu_segment){.attributes = REAL_DATA, .limit = 0xffff};
    page->seg[SEG_CS] = (struct vcpu_segment){.selector = (uint32_t)vector << 8,
                                              .attributes = REAL_CODE,
                                              .limit = 0xffff,
                                              .base = (uint64_t)vector << 12};
    page->seg[SEG_LDTR].attributes = REAL_LDT;
    page->seg[SEG_TR].attributes = SEGMENT_TSS;
    page->gdtr_base = page->idtr_base = 0;
    page->gdtr_limit = page->idtr_limit = 0xffff;
    page->rip = 0;
    page->rflags = RFLAGS_FIXED;
    page->cr0 = (page->cr0 & CR0_CACHE) | CR0_ET;
    page->cr2 = page->cr3 = page->cr4 = page->efer = 0;
    memset(page->dr, 0, sizeof(page->dr));
    page->dr6 = DR6_RESET;
    page->dr7 = DR7_RESET;
    page->shadow = page->window = 0;
    page->inject = 0;
    page->dirty = GROUP_ALL & ~GROUP_FPU; // INIT leaves those registers as they were
    mmio_flush(&vcpu->mmio);
}

// Each device that the VM's entry names takes one slot at most, from 1 on: those can be removed.
static void describe_pci(struct vm *vm)
{
    struct pci_bus *bus = &vm->chipset.pci;
    unsigned devices =
        vm->info->device_count < PCI_SLOTS - 2 ? vm->info->device_count : PCI_SLOTS - 2;

    bus->removable = ((1u << devices) - 1) << 1;
    bus->no_ports = vm->info->hide & HIDE_PCI_PORTS;
    vm->acpi = (struct acpi_options){
        .vcpus = vm->vcpus,
        .ecam = PLATFORM_ECAM,
        .window64 = bus->window64,
        .window64_size = bus->window64_size,
        .removable_slots = bus->removable,
    };
}

bool machine_build(struct vm *vm, char *error, size_t size)
{
    struct cpu_start start;

    for (unsigned i = 0; i < vm->vcpus; i++)
        build_processor(&vm->vcpu[i]);
    if (!build_chipset(vm)) {
        snprintf(error, size, "the TSC's frequency is out of range");
        return false;
    }
    describe_pci(vm);
    if (!vm_devices_create(vm, error, size))
        return false;
    if (vm->info->kernel_kind != KERNEL_FIRMWARE)
        pci_assign(&vm->chipset.pci);
    save_init(vm);
    bool restored = vm->info->snapshot_size != 0;
    if (!restored && load(vm, &start, error, size) != LOAD_OK)
        return false;
    uint64_t now = task_tsc();
    for (unsigned i = 0; i < vm->vcpus; i++) {
        reset_state(&vm->vcpu[i], now);
        choose_groups(&vm->vcpu[i]);
        vm->vcpu[i].waits = i != 0; // for a SIPI
    }
    if (restored)
        return save_restore(vm, error, size);
    start_state(&vm->vcpu[0], &start);
    return true;
}
