// SPDX-License-Identifier: BSD-2-Clause
// mmio_emulate() on a hostile machine: registers, control registers, segments and all of guest RAM,
// page tables and code included, come from the input. RAM also changes at device accesses, as if by
// another CPU.
// links: vmm/decode.c vmm/decode_tables.c vmm/paging.c vmm/emulate.c vmm/emulate_alu.c
// links: vmm/emulate_string.c vmm/emulate_0f.c vmm/emulate_stack.c vmm/emulate_bits.c vmm/emulate_vector.c vmm/emulate_mmio.c vmm/emulate_fast.c
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "emulate_mmio.h"

#define RAM_SIZE 0x8000u

static _Alignas(4096) uint8_t ram[RAM_SIZE];
static unsigned accesses;

static void *ram_at(void *ctx, uint64_t gpa, size_t size, bool write)
{
    (void)ctx, (void)write;
    return gpa <= RAM_SIZE - size ? ram + gpa : NULL;
}

static void check_access(uint64_t gpa, unsigned size)
{
    if (size != 1 && size != 2 && size != 4 && size != 8)
        abort();
    if ((gpa & 0xfff) + size > 4096)
        abort();
    // Each operand of each iteration, split into bytes at worst.
    if (++accesses > 2 * 8 * EMULATE_STRING_MAX)
        abort();
}

static uint64_t device_read(void *ctx, uint64_t gpa, unsigned size)
{
    (void)ctx;
    check_access(gpa, size);
    ram[(gpa * 0x9e3779b1u >> 7) % RAM_SIZE] ^= gpa;
    return gpa * 0x0101010101010101ull;
}

static void device_write(void *ctx, uint64_t gpa, unsigned size, uint64_t value)
{
    (void)ctx;
    check_access(gpa, size);
    if (size < 8 && value >> (8 * size))
        abort();
    ram[(value * 0x9e3779b1u >> 7) % RAM_SIZE] ^= value;
}

static const struct mmio_ops ops = {.ram = ram_at, .read = device_read, .write = device_write};

// What decides most comes first: a short input leaves the rest at its defaults.
struct input {
    uint8_t code[16];
    uint8_t prepared, mode, write, fpu, reserved[4];
    uint64_t gpr[16];
    uint64_t rip, rflags, gpa;
    uint64_t cr0, cr3, cr4, efer;
    struct vcpu_segment seg[6];
};

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static const enum cpu_mode modes[] = {CPU_MODE_16, CPU_MODE_32, CPU_MODE_64, CPU_MODE_64};
    struct mmio mmio = {.ops = &ops, .physical_bits = 40};
    struct guest_fault fault;
    struct input in;

    memset(&in, 0, sizeof(in));
    for (unsigned i = 0; i < 16; i++) // half in RAM, half at devices
        in.gpr[i] = (i & 1 ? 0x40000000 : 0x4000) + 8 * i;
    size_t head = size < sizeof(in) ? size : sizeof(in);
    memcpy(&in, data, head);
    data += head;
    size -= head;
    memset(ram, 0, sizeof(ram));
    memcpy(ram, data, size < RAM_SIZE ? size : RAM_SIZE);
    accesses = 0;
    mmio_flush(&mmio);

    static uint8_t area[4096] __attribute__((aligned(64)));
    struct emulate_fpu fpu = {.area = area,
                              .xsave = in.fpu & 2,
                              .ymm = in.fpu & 4 ? 576 : 0,
                              .zmm = in.fpu & 8 ? 1152 : 0};
    struct cpu_view cpu = {.gpr = in.gpr,
                           .rip = in.rip,
                           .rflags = in.rflags,
                           .cr0 = in.cr0,
                           .cr3 = in.cr3,
                           .cr4 = in.cr4,
                           .efer = in.efer,
                           .seg = in.seg,
                           .fpu = in.fpu & 1 ? &fpu : NULL,
                           .mode = modes[in.mode & 3],
                           .cpl = in.mode >> 2 & 3};
    if (in.prepared & 1) { // tables that work, so that the emulator is reached: one 512 GiB entry,
                           // one of 1 GiB over RAM and one over devices
        cpu.mode = CPU_MODE_64;
        cpu.cpl = 0;
        cpu.cr0 = CR0_PE | CR0_PG;
        cpu.cr3 = 0x1000;
        cpu.cr4 = CR4_PAE | CR4_OSFXSR | CR4_OSXSAVE;
        cpu.efer = EFER_LMA;
        cpu.rip = 0xffff800000003000ull | (in.rip & 0xfff);
        for (unsigned i = 0; i < 512; i += 256)
            memcpy(ram + 0x1000 + 8 * i, &(uint64_t){0x2003}, 8);
        for (unsigned i = 0; i < 512; i++)
            memcpy(ram + 0x2000 + 8 * i, &(uint64_t){(uint64_t)(i & 3) << 30 | 0x83}, 8);
        unsigned at = in.rip & 0xfff;
        memcpy(ram + 0x3000 + at, in.code, sizeof(in.code));
    } else if (in.prepared & 2) { // no paging, flat segments
        cpu.mode = modes[in.mode & 1];
        cpu.cr0 = 0;
        cpu.rip = in.rip & 0x7fff;
        for (unsigned i = 0; i < 6; i++)
            in.seg[i] = (struct vcpu_segment){.attributes = 0xc093, .limit = ~0u};
        unsigned at = cpu.rip < RAM_SIZE - 16 ? cpu.rip : 0;
        memcpy(ram + at, in.code, sizeof(in.code));
    }
    for (unsigned i = 0; i < 4; i++) { // the second time the fast path may apply
        uint64_t rip = cpu.rip;
        uint8_t bytes[INSN_MAX_LENGTH];
        unsigned length;
        if (mmio_fetch(&mmio, &cpu, bytes, &length, &fault) == EMULATE_OK &&
            (length == 0 || length > INSN_MAX_LENGTH))
            abort();
        accesses = 0;
        enum emulate_status status = mmio_emulate(&mmio, &cpu, in.gpa, in.write & 1, &fault);
        if (status == EMULATE_FPU && cpu.fpu)
            abort();
        if (status != EMULATE_OK && cpu.rip != rip)
            abort();
        if (status == EMULATE_FAULT && fault.vector > 31)
            abort();
        if (status == EMULATE_OK)
            cpu.rip = rip;
    }
    return 0;
}
