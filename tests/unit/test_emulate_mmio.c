// SPDX-License-Identifier: BSD-2-Clause
// Device accesses from end to end: fetch through page tables, decode, execute, and the fast path,
// which must do exactly what the slow path does and must notice every change of code or tables.
// links: vmm/decode.c vmm/decode_tables.c vmm/paging.c vmm/emulate.c vmm/emulate_alu.c
// links: vmm/emulate_string.c vmm/emulate_0f.c vmm/emulate_stack.c vmm/emulate_bits.c vmm/emulate_vector.c vmm/emulate_mmio.c vmm/emulate_fast.c
#include <setjmp.h>
#include <stdarg.h>
#include <stddef.h>
#include <stdint.h>
#include <string.h>

#include <cmocka.h>

#include "emulate_mmio.h"

// RAM from 0; the device page; kernel code at CODE, mapped to RAM at 0x5000; a page of data.
#define RAM_SIZE 0x10000u
#define DEVICE   0xfee00000ull
#define CODE     0xffffffff81000000ull
#define CODE_GPA 0x5000u
#define DATA     0xffffffff81002000ull // RAM at 0x7000
#define APIC     0xffffffff81003000ull // the device; the page after it is absent
#define P        1ull
#define W        2ull
#define A        0x20ull
#define D        0x40ull

static _Alignas(4096) uint8_t ram[RAM_SIZE];
static struct mmio mmio;
static uint64_t gpr[16];
static struct vcpu_segment seg[6];
static struct cpu_view cpu;
static struct guest_fault fault;
static unsigned state_loads;

static struct {
    unsigned reads, writes;
    uint64_t gpa, value;
    unsigned size;
    uint64_t answer;
} device;

static void *ram_at(void *ctx, uint64_t gpa, size_t size, bool write)
{
    (void)ctx, (void)write;
    return gpa <= RAM_SIZE - size ? ram + gpa : NULL;
}

static uint64_t device_read(void *ctx, uint64_t gpa, unsigned size)
{
    (void)ctx;
    device.reads++;
    device.gpa = gpa;
    device.size = size;
    return device.answer;
}

static void device_write(void *ctx, uint64_t gpa, unsigned size, uint64_t value)
{
    (void)ctx;
    device.writes++;
    device.gpa = gpa;
    device.size = size;
    device.value = value;
}

static void load_state(void *ctx, struct cpu_view *view)
{
    (void)ctx, (void)view;
    state_loads++;
}

static const struct mmio_ops ops = {
    .ram = ram_at,
    .read = device_read,
    .write = device_write,
    .load_state = load_state,
};

static void put64(uint64_t gpa, uint64_t value)
{
    memcpy(ram + gpa, &value, 8);
}

static uint64_t get64(uint64_t gpa)
{
    uint64_t value;

    memcpy(&value, ram + gpa, 8);
    return value;
}

static void start(void)
{
    memset(ram, 0, sizeof(ram));
    memset(gpr, 0, sizeof(gpr));
    memset(&device, 0, sizeof(device));
    state_loads = 0;
    put64(0x1000 + 511 * 8, 0x2000 | P | W); // PML4
    put64(0x2000 + 510 * 8, 0x3000 | P | W); // PDPT
    put64(0x3000 + 8 * 8, 0x4000 | P | W);   // PD: CODE is at 2 GiB - 2 GiB + 16 MiB
    put64(0x4000, CODE_GPA | P | W);         // PT
    put64(0x4008, 0x6000 | P | W);
    put64(0x4010, 0x7000 | P | W);
    put64(0x4018, DEVICE | P | W);
    for (unsigned i = 0; i < 6; i++)
        seg[i] = (struct vcpu_segment){.attributes = i == SEG_CS ? 0xa09b : 0xc093, .limit = ~0u};
    cpu = (struct cpu_view){.gpr = gpr,
                            .rip = CODE,
                            .rflags = 2,
                            .cr0 = CR0_PE | CR0_PG | CR0_WP,
                            .cr3 = 0x1000,
                            .cr4 = CR4_PAE,
                            .efer = EFER_LMA | EFER_NXE,
                            .seg = seg,
                            .mode = CPU_MODE_64};
    mmio = (struct mmio){.ops = &ops, .physical_bits = 40};
    mmio_flush(&mmio);
}

static void set_code(unsigned offset, const char *bytes, size_t n)
{
    memcpy(ram + CODE_GPA + offset, bytes, n);
}

#define CODE_IS(bytes) set_code(0, bytes, sizeof(bytes) - 1)

static enum emulate_status run(uint64_t gpa, bool write)
{
    return mmio_emulate(&mmio, &cpu, gpa, write, &fault);
}

// Runs at CODE, and tells whether the fast path did it.
static bool was_fast(uint64_t gpa, bool write)
{
    unsigned before = state_loads;

    cpu.rip = CODE;
    assert_int_equal(run(gpa, write), EMULATE_OK);
    return state_loads == before;
}

static void register_write_and_read(void **unused)
{
    (void)unused;
    start();
    gpr[RDI] = APIC;
    gpr[RAX] = 0x1122334455667788;
    CODE_IS("\x89\x87\xb0\x00\x00\x00");
    for (unsigned i = 0; i < 3; i++) {
        assert_int_equal(was_fast(DEVICE + 0xb0, true), i > 0);
        assert_int_equal(device.gpa, DEVICE + 0xb0);
        assert_int_equal(device.size, 4);
        assert_int_equal(device.value, 0x55667788);
        assert_int_equal(device.writes, i + 1);
        assert_int_equal(cpu.rip, CODE + 6);
    }
    assert_int_equal(get64(0x4018), DEVICE | P | W | A | D);

    CODE_IS("\x8b\x87\x20\x00\x00\x00");
    device.answer = 0xffffffff89abcdef; // more bits than asked for
    for (unsigned i = 0; i < 2; i++) {
        gpr[RAX] = ~0ull;
        assert_int_equal(was_fast(DEVICE + 0x20, false), i > 0);
        assert_int_equal(gpr[RAX], 0x89abcdef);
    }
}

// All MOVs twice, first the slow and then the fast way, with the same results.
static void fast_equals_slow(void **unused)
{
    static const struct {
        const char *bytes;
        unsigned n;
        bool write;
        bool fast;
        unsigned offset;
    } cases[] = {
        {"\x88\x07", 2, true, true, 0},
        {"\x88\x27", 2, true, false, 0},     // AH
        {"\x40\x88\x27", 3, true, true, 0},  // SPL
        {"\x8a\x07", 2, false, true, 0},     // AL keeps the rest of RAX
        {"\x8a\x3f", 2, false, false, 0},    // BH
        {"\x66\x8b\x07", 3, false, true, 0}, // AX keeps the rest of RAX
        {"\x66\x89\x07", 3, true, true, 0},
        {"\x48\x8b\x07", 3, false, true, 0},
        {"\x4c\x89\x4f\x08", 4, true, true, 8},
        {"\xc6\x47\x10\x99", 4, true, true, 0x10},
        {"\x66\xc7\x07\x99\x88", 5, true, true, 0},
        {"\xc7\x07\x99\x88\x77\x96", 6, true, true, 0},
        {"\x48\xc7\x07\x99\x88\x77\x96", 7, true, true, 0},
        {"\x0f\xb6\x07", 3, false, true, 0},
        {"\x0f\xb7\x07", 3, false, true, 0},
        {"\x66\x0f\xb6\x07", 4, false, true, 0},
        {"\x48\x0f\xb6\x07", 4, false, true, 0},
        {"\x0f\xbe\x07", 3, false, false, 0}, // sign extension is left to the slow path
        {"\x8b\x04\x0f", 3, false, true, 0x20},
        {"\x8b\x44\x4f\xf0", 4, false, true, 0x30},
        {"\x8b\x04\x25\x40\x30\x00\x81", 7, false, true, 0x40}, // absolute
        {"\x8b\x05\x3a\x30\x00\x00", 6, false, true, 0x40},     // relative to RIP
        {"\x65\x8b\x07", 3, false, false, 0},
        {"\x8b\x3f", 2, false, true, 0}, // the address register is overwritten
        {"\x01\x07", 2, true, false, 0},
    };

    (void)unused;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        uint64_t after[2][16], values[2], rips[2];

        start();
        set_code(0, cases[i].bytes, cases[i].n);
        device.answer = 0x8182838485868788;
        for (unsigned pass = 0; pass < 2; pass++) {
            for (unsigned r = 0; r < 16; r++)
                gpr[r] = 0x1010101010101010ull * r + 0xf00;
            gpr[RDI] = APIC;
            gpr[RCX] = 0x20;
            bool fast = was_fast(DEVICE + cases[i].offset, cases[i].write);
            assert_int_equal(fast, pass > 0 && cases[i].fast);
            assert_int_equal(device.gpa, DEVICE + cases[i].offset);
            memcpy(after[pass], gpr, sizeof(gpr));
            values[pass] = device.value;
            rips[pass] = cpu.rip;
        }
        assert_memory_equal(after[0], after[1], sizeof(gpr));
        assert_int_equal(values[0], values[1]);
        assert_int_equal(rips[0], rips[1]);
        assert_int_equal(rips[0], CODE + cases[i].n);
    }
}

static void changed_code_is_noticed(void **unused)
{
    (void)unused;
    start();
    gpr[RDI] = APIC;
    gpr[RCX] = 0x77;
    CODE_IS("\x89\x87\xb0\x00\x00\x00");
    was_fast(DEVICE + 0xb0, true);
    assert_true(was_fast(DEVICE + 0xb0, true));
    CODE_IS("\x89\x8f\xb0\x00\x00\x00"); // another register
    assert_false(was_fast(DEVICE + 0xb0, true));
    assert_int_equal(device.value, 0x77);
    assert_true(was_fast(DEVICE + 0xb0, true));
    assert_int_equal(device.value, 0x77);
}

static void changed_tables_are_noticed(void **unused)
{
    static const uint64_t entries[] = {0x1000 + 511 * 8, 0x2000 + 510 * 8, 0x3000 + 8 * 8, 0x4000};

    (void)unused;
    for (unsigned i = 0; i < 4; i++) {
        start();
        gpr[RDI] = APIC;
        gpr[RCX] = 0x77;
        CODE_IS("\x89\x87\xb0\x00\x00\x00");
        was_fast(DEVICE + 0xb0, true);
        assert_true(was_fast(DEVICE + 0xb0, true));
        uint64_t copy = 0x8000 + 0x1000 * i;
        uint64_t old = get64(entries[i]);
        memcpy(ram + copy, ram + (old & 0xfffff000), 4096);
        put64(entries[i], copy | (old & 0xfff));
        if (i == 3) // the new page holds other code
            memcpy(ram + copy, "\x89\x8f\xb0\x00\x00\x00", 6);
        assert_false(was_fast(DEVICE + 0xb0, true));
        assert_int_equal(device.value, i == 3 ? 0x77 : 0);
    }
    // Another CR3.
    start();
    gpr[RDI] = APIC;
    CODE_IS("\x89\x87\xb0\x00\x00\x00");
    was_fast(DEVICE + 0xb0, true);
    memcpy(ram + 0x8000, ram + 0x1000, 4096);
    cpu.cr3 = 0x8000;
    assert_false(was_fast(DEVICE + 0xb0, true));
    mmio_flush(&mmio);
    assert_false(was_fast(DEVICE + 0xb0, true));
}

static void code_in_a_large_page(void **unused)
{
    (void)unused;
    start();
    put64(0x3000 + 8 * 8, P | W | 0x80); // CODE is RAM at 0
    gpr[RDI] = 0xffffffff81400000;
    put64(0x3000 + 10 * 8, 0x4000 | P | W);
    put64(0x4000, DEVICE | P | W);
    memcpy(ram, "\x89\x47\x10", 3);
    assert_false(was_fast(DEVICE + 0x10, true));
    assert_true(was_fast(DEVICE + 0x10, true));
    put64(0x3000 + 8 * 8, get64(0x3000 + 8 * 8) | 0x100);
    assert_false(was_fast(DEVICE + 0x10, true));
}

static void wrong_direction_or_address(void **unused)
{
    (void)unused;
    start();
    gpr[RDI] = APIC;
    CODE_IS("\x89\x87\xb0\x00\x00\x00");
    was_fast(DEVICE + 0xb0, true);
    assert_false(was_fast(DEVICE + 0xb0, false)); // not what the hardware saw: look again
    assert_false(was_fast(DEVICE + 0xb4, true));
    assert_int_equal(device.gpa, DEVICE + 0xb0);
}

static void access_across_pages(void **unused)
{
    (void)unused;
    start();
    // Two bytes in RAM, two in the device: the fault is reported at the start of the device.
    gpr[RDI] = APIC - 2;
    gpr[RAX] = 0x44332211;
    CODE_IS("\x89\x07");
    for (unsigned i = 0; i < 2; i++) {
        device.writes = 0;
        assert_false(was_fast(DEVICE, true));
        assert_int_equal(ram[0x7ffe], 0x11);
        assert_int_equal(ram[0x7fff], 0x22);
        assert_int_equal(device.writes, 2); // by bytes
        assert_int_equal(device.gpa, DEVICE + 1);
        assert_int_equal(device.value, 0x44);
    }
    // The second page is absent: nothing may be done to the first.
    gpr[RDI] = APIC + 0xffe;
    device.writes = 0;
    cpu.rip = CODE;
    assert_int_equal(run(DEVICE + 0xffe, true), EMULATE_FAULT);
    assert_int_equal(fault.vector, 14);
    assert_int_equal(fault.cr2, APIC + 0x1000);
    assert_int_equal(fault.error, PAGE_FAULT_WRITE);
    assert_int_equal(device.writes, 0);
    assert_int_equal(cpu.rip, CODE);
}

// 16 bytes reach a device in two halves, and across pages by bytes; nothing of an access happens
// when a part of it faults.
static void wide_accesses(void **unused)
{
    static uint8_t area[4096] __attribute__((aligned(64)));
    struct emulate_fpu fpu = {.area = area, .xsave = true, .ymm = 576};

    (void)unused;
    start();
    cpu.cr4 |= CR4_OSFXSR | CR4_OSXSAVE;
    CODE_IS("\x0f\x11\x03"); // movups %xmm0,(%rbx)
    gpr[RBX] = APIC + 0x310;
    assert_int_equal(run(DEVICE + 0x310, true), EMULATE_FPU);
    assert_int_equal(cpu.rip, CODE);
    cpu.fpu = &fpu;
    area[512] = 2;
    memcpy(area + 160, "0123456789abcdef", 16);
    assert_int_equal(run(DEVICE + 0x310, true), EMULATE_OK);
    assert_int_equal(device.writes, 2);
    assert_int_equal(device.gpa, DEVICE + 0x318);
    assert_int_equal(device.size, 8);
    assert_memory_equal(&device.value, "89abcdef", 8);

    cpu.rip = CODE;
    gpr[RBX] = APIC - 5; // five bytes to RAM at 0x7ffb, eleven to the device
    assert_int_equal(run(DEVICE, true), EMULATE_OK);
    assert_memory_equal(ram + 0x7ffb, "01234", 5);
    assert_int_equal(device.writes, 13);
    assert_int_equal(device.gpa, DEVICE + 10);
    assert_int_equal(device.size, 1);
    assert_int_equal(device.value, 'f');

    cpu.rip = CODE;
    gpr[RBX] = APIC + 0xff8; // the next page is absent
    assert_int_equal(run(DEVICE + 0xff8, true), EMULATE_FAULT);
    assert_int_equal(fault.vector, 14);
    assert_int_equal(fault.cr2, APIC + 0x1000);
    assert_int_equal(fault.error, 2);
    assert_int_equal(device.writes, 13);

    CODE_IS("\xc5\xfe\x6f\x0b"); // vmovdqu (%rbx),%ymm1
    device.answer = 0x1122334455667788;
    gpr[RBX] = APIC + 0x100;
    assert_int_equal(run(DEVICE + 0x100, false), EMULATE_OK);
    assert_int_equal(device.reads, 4);
    assert_memory_equal(area + 576 + 24, &device.answer, 8);
}

static void code_across_pages(void **unused)
{
    (void)unused;
    start();
    gpr[RDI] = APIC;
    set_code(0xffd, "\x89\x87\xb0", 3);
    memset(ram + 0x6000, 0, 3);
    cpu.rip = CODE + 0xffd;
    assert_int_equal(run(DEVICE + 0xb0, true), EMULATE_OK);
    assert_int_equal(device.gpa, DEVICE + 0xb0);
    assert_int_equal(cpu.rip, CODE + 0x1003);

    // The next page is absent. An instruction that ends before it is executed.
    put64(0x4008, 0);
    set_code(0xffe, "\x89\x07", 2);
    cpu.rip = CODE + 0xffe;
    assert_int_equal(run(DEVICE, true), EMULATE_OK);
    // One that does not: let the guest run into its own page fault.
    cpu.rip = CODE + 0xffd;
    set_code(0xffd, "\x89\x87\xb0", 3);
    assert_int_equal(run(DEVICE + 0xb0, true), EMULATE_RETRY);
}

static void bad_code(void **unused)
{
    (void)unused;
    start();
    CODE_IS("\x0f\x04");
    assert_int_equal(run(DEVICE, true), EMULATE_FAULT);
    assert_int_equal(fault.vector, 6);
    assert_false(fault.has_error);
    memset(ram + CODE_GPA, 0x66, 32);
    assert_int_equal(run(DEVICE, true), EMULATE_FAULT);
    assert_int_equal(fault.vector, 13);
    cpu.rip = APIC; // code in the device
    assert_int_equal(run(DEVICE, true), EMULATE_NO_MEMORY);
    cpu.rip = APIC + 0x1000;
    assert_int_equal(run(DEVICE, true), EMULATE_FAULT);
    assert_int_equal(fault.vector, 14);
    assert_int_equal(fault.error, PAGE_FAULT_FETCH);
    cpu.rip = CODE;
    cpu.cr3 = DEVICE;
    assert_int_equal(run(DEVICE, true), EMULATE_NO_MEMORY);
}

static void string_from_ram_to_device(void **unused)
{
    (void)unused;
    start();
    CODE_IS("\xf3\xa5"); // rep movsl
    gpr[RSI] = DATA;
    gpr[RDI] = APIC + 0x100;
    gpr[RCX] = 4;
    put64(0x7000 + 8, 0x8877665544332211);
    assert_int_equal(run(DEVICE + 0x100, true), EMULATE_OK);
    assert_int_equal(device.writes, 4);
    assert_int_equal(device.gpa, DEVICE + 0x10c);
    assert_int_equal(device.value, 0x88776655);
    assert_int_equal(gpr[RCX], 0);
}

static void user_code(void **unused)
{
    (void)unused;
    start();
    cpu.cpl = 3;
    for (unsigned e = 0x1000; e < 0x5000; e += 8)
        if (get64(e))
            put64(e, get64(e) | 4);
    put64(0x4018, DEVICE | P | W); // the device is the kernel's
    gpr[RDI] = APIC;
    CODE_IS("\x01\x07");
    assert_int_equal(run(DEVICE, true), EMULATE_FAULT);
    assert_int_equal(fault.error, PAGE_FAULT_PRESENT | PAGE_FAULT_WRITE | PAGE_FAULT_USER);
    assert_int_equal(device.reads, 0);
}

static void real_mode_code(void **unused)
{
    (void)unused;
    start();
    for (unsigned i = 0; i < 6; i++)
        seg[i] = (struct vcpu_segment){.attributes = 0x93, .limit = 0xffff};
    cpu.mode = CPU_MODE_16;
    cpu.cr0 = 0;
    cpu.efer = 0;
    seg[SEG_CS].base = 0x4ff0;
    seg[SEG_ES].base = 0xb8000; // text screen
    cpu.rip = 0x10;
    CODE_IS("\x26\x89\x07"); // mov %ax,%es:(%bx)
    gpr[RAX] = 0x0741;
    gpr[RBX] = 0xa0;
    assert_int_equal(run(0xb80a0, true), EMULATE_OK);
    assert_int_equal(device.gpa, 0xb80a0);
    assert_int_equal(device.value, 0x0741);
    assert_int_equal(cpu.rip, 0x13);
    cpu.rip = 0x10000;
    assert_int_equal(run(0xb80a0, true), EMULATE_FAULT);
    assert_int_equal(fault.vector, 13);
    assert_false(fault.has_error);
}

static void fetch_at_the_end(void **unused)
{
    uint8_t bytes[INSN_MAX_LENGTH];
    unsigned n;

    (void)unused;
    start();
    set_code(0xffe, "\x0f\xa2", 2);
    put64(0x4008, 0);
    cpu.rip = CODE + 0xffe;
    assert_int_equal(mmio_fetch(&mmio, &cpu, bytes, &n, &fault), EMULATE_OK);
    assert_int_equal(n, 2);

    cpu.rip = CODE;
    CODE_IS("\x66\x0f\xa2");
    for (unsigned i = 0; i < 2; i++) {
        state_loads = 0;
        assert_int_equal(run(DEVICE, true), EMULATE_UNSUPPORTED); // no MOV: it is not remembered
        assert_int_equal(state_loads, 1);
    }
    cpu.rip = APIC + 0x1000;
    assert_int_equal(mmio_fetch(&mmio, &cpu, bytes, &n, &fault), EMULATE_FAULT);
    assert_int_equal(fault.vector, 14);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(register_write_and_read),
        cmocka_unit_test(fast_equals_slow),
        cmocka_unit_test(changed_code_is_noticed),
        cmocka_unit_test(changed_tables_are_noticed),
        cmocka_unit_test(code_in_a_large_page),
        cmocka_unit_test(wrong_direction_or_address),
        cmocka_unit_test(access_across_pages),
        cmocka_unit_test(wide_accesses),
        cmocka_unit_test(code_across_pages),
        cmocka_unit_test(bad_code),
        cmocka_unit_test(string_from_ram_to_device),
        cmocka_unit_test(user_code),
        cmocka_unit_test(real_mode_code),
        cmocka_unit_test(fetch_at_the_end),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
