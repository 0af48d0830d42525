// SPDX-License-Identifier: BSD-2-Clause
// The vmm's answers to exits: CPUID, MSRs, ports, control and debug registers, device memory.
// links: vmm/emulate_bits.c @vmm lib/ring.c
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/vm_fake.h"

static int setup(void **state)
{
    (void)state;
    fake_machine();
    return 0;
}

static void test_cpuid_moves_on(void **state)
{
    (void)state;
    page.gpr[RAX] = 0x80000000;
    fake_exit(EXIT_CPUID);
    assert_true(page.gpr[RAX] >= 0x80000001);
    assert_int_equal(page.rip, FAKE_ENTRY + 2);
    page.length = 3; // told by the processor: a prefix
    fake_exit(EXIT_CPUID);
    assert_int_equal(page.rip, FAKE_ENTRY + 5);
}

static void test_missing_groups_are_fetched_by_a_second_exit(void **state)
{
    (void)state;
    page.gpr[RAX] = 1;
    page.cr4 = 1 << 18; // OSXSAVE
    fake_exit(EXIT_CPUID);
    assert_int_equal(page.rip, FAKE_ENTRY);
    assert_int_equal(page.gpr[RAX], 1);
    fake_exit(EXIT_CPUID);
    assert_int_equal(page.rip, FAKE_ENTRY + 2);
    assert_int_equal(page.want[EXIT_CPUID], 0);
    assert_int_equal(CPU->cpu.cr4, 1 << 18);
}

static void test_single_step_traps_after_emulation(void **state)
{
    (void)state;
    page.rflags |= RFLAGS_TF | RFLAGS_RF;
    page.shadow = SHADOW_STI;
    fake_exit(EXIT_CPUID);
    assert_int_equal(CPU->event, FAKE_EXCEPTION(1));
    assert_true(page.dr6 & 1 << 14);
    assert_false(page.rflags & RFLAGS_RF);
    assert_int_equal(page.shadow, 0);
}

static void test_unknown_msr_faults(void **state)
{
    (void)state;
    page.gpr[RCX] = 0xc0011fff;
    fake_exit(EXIT_RDMSR);
    fake_exit(EXIT_RDMSR);
    assert_int_equal(CPU->event, FAKE_GP);
    assert_int_equal(page.rip, FAKE_ENTRY);
    CPU->event = 0;
    page.cr0 &= ~CR0_PE; // real mode pushes no error code
    fake_exit(EXIT_WRMSR);
    fake_exit(EXIT_WRMSR);
    assert_int_equal(CPU->event, FAKE_EXCEPTION(13));
}

static void test_msr_in_page(void **state)
{
    (void)state;
    page.gpr[RCX] = 0xc0000080; // EFER
    page.gpr[RAX] = 0x101;
    fake_exit(EXIT_WRMSR);
    assert_int_equal(page.rip, FAKE_ENTRY);
    fake_exit(EXIT_WRMSR);
    assert_int_equal(page.rip, FAKE_ENTRY + 2);
    assert_int_equal(page.efer, 0x101);
    assert_true(page.dirty & GROUP_EFER_PAT);
}

static void test_tsc_write_moves_offset(void **state)
{
    (void)state;
    page.gpr[RCX] = 0x10;
    page.gpr[RDX] = 0x12345;
    fake_exit(EXIT_WRMSR);
    assert_true(page.dirty & GROUP_TIME);
    page.gpr[RDX] = 0;
    fake_exit(EXIT_RDMSR);
    assert_int_equal(page.gpr[RDX], 0x12345);
    assert_int_equal(vm.chipset.lapic[0].tsc_offset, page.tsc_offset);
}

static void test_in_merges_into_rax(void **state)
{
    (void)state;
    page.gpr[RAX] = 0x1122334455667788;
    fake_in(0x200, 1);
    assert_int_equal(page.gpr[RAX], 0x11223344556677ff);
    fake_in(0x200, 2);
    assert_int_equal(page.gpr[RAX], 0x112233445566ffff);
    fake_in(0x200, 4);
    assert_int_equal(page.gpr[RAX], 0xffffffff);
    assert_int_equal(page.rip, FAKE_ENTRY + 3);
}

static void test_reset_and_power_off(void **state)
{
    (void)state;
    fake_out(0xcf9, 1, 6);
    assert_int_equal(vm.end, TASK_REBOOT);
    fake_machine();
    fake_out(0x604, 2, 5 << 10 | 1 << 13);
    assert_int_equal(vm.end, TASK_POWEROFF);
}

static void test_cr0(void **state)
{
    static const uint8_t move[] = {0x0f, 0x22, 0xc3}, clts[] = {0x0f, 0x06},
                         lmsw[] = {0x0f, 0x01, 0xf1}, get[] = {0x0f, 0x20, 0xc7};

    (void)state;
    fake_code(move, sizeof(move)); // mov cr0, ebx
    page.gpr[RBX] = page.cr0 | 1 << 30 | 1 << 3;
    page.qualification = 0;
    fake_exit(EXIT_CR);
    assert_int_equal(page.cr0, page.gpr[RBX]);
    assert_true(page.dirty & GROUP_CR);
    assert_int_equal(page.rip, FAKE_ENTRY + 3);
    fake_code(clts, sizeof(clts));
    fake_exit(EXIT_CR);
    assert_false(page.cr0 & 1 << 3);
    fake_code(lmsw, sizeof(lmsw)); // lmsw cx: cannot clear PE
    page.gpr[RCX] = 2;
    fake_exit(EXIT_CR);
    assert_int_equal(page.cr0 & 0xf, 3);
    fake_code(get, sizeof(get)); // mov edi, cr0
    fake_exit(EXIT_CR);
    assert_int_equal(page.gpr[RDI], page.cr0);
    assert_int_equal(CPU->event, 0);
    fake_code(move, sizeof(move));
    page.gpr[RBX] = 1u << 31; // PG without PE
    fake_exit(EXIT_CR);
    assert_int_equal(CPU->event, FAKE_GP);
    assert_int_equal(page.rip, FAKE_ENTRY);
}

static void test_cr_decoded_by_processor(void **state)
{
    (void)state;
    page.length = 3;
    page.gpr[R9] = 5;
    page.qualification = CR_DECODED | 8 | R9 << 8;
    fake_exit(EXIT_CR);
    assert_int_equal(lapic_cr8(&vm.chipset.lapic[0]), 5);
    page.qualification = CR_DECODED | 8 | R8 << 8 | CR_READ;
    fake_exit(EXIT_CR);
    assert_int_equal(page.gpr[R8], 5);
    page.qualification = CR_DECODED | 4 | R9 << 8;
    page.gpr[R9] = 1 << 13; // VMXE
    fake_exit(EXIT_CR);
    assert_int_equal(CPU->event, FAKE_GP);
}

static void test_pae_entries_are_loaded(void **state)
{
    uint64_t entries[4] = {0x1001, 0x2001, 0x3001, 0x4001};

    (void)state;
    memcpy(ram + 0x8020, entries, sizeof(entries));
    page.length = 3;
    page.cr3 = 0x8020;
    page.cr4 = CR4_PAE;
    page.gpr[RBX] = page.cr0 | CR0_PG;
    page.qualification = CR_DECODED | 0 | RBX << 8;
    fake_exit(EXIT_CR);
    assert_true(page.dirty & GROUP_PDPTE);
    assert_memory_equal(page.pdpte, entries, sizeof(entries));
}

static void test_debug_registers(void **state)
{
    static const uint8_t set[] = {0x0f, 0x23, 0xfb}, get[] = {0x0f, 0x21, 0xf0},
                         alias[] = {0x0f, 0x21, 0xe0};

    (void)state;
    fake_code(get, sizeof(get)); // mov eax, dr6
    fake_exit(EXIT_DR);
    assert_int_equal(page.gpr[RAX], DR6_RESET);
    fake_code(alias, sizeof(alias)); // mov eax, dr4
    page.gpr[RAX] = 0;
    fake_exit(EXIT_DR);
    assert_int_equal(page.gpr[RAX], DR6_RESET);
    page.cr4 |= 1 << 3; // DE
    fake_code(alias, sizeof(alias));
    fake_exit(EXIT_DR);
    assert_int_equal(CPU->event, FAKE_EXCEPTION(6));
    CPU->event = 0;
    fake_code(set, sizeof(set)); // mov dr7, ebx
    page.gpr[RBX] = 1 << 13 | 0x55;
    fake_exit(EXIT_DR);
    assert_int_equal(page.dr7, 1 << 13 | 0x55 | DR7_RESET);
    fake_code(get, sizeof(get));
    fake_exit(EXIT_DR); // GD
    assert_int_equal(CPU->event, FAKE_EXCEPTION(1));
    assert_true(page.dr6 & 1 << 13);
    assert_false(page.dr7 & 1 << 13);
    CPU->event = 0;
    page.seg[SEG_SS].attributes |= 3 << 5;
    fake_exit(EXIT_DR);
    assert_int_equal(CPU->event, FAKE_GP);
}

static void test_xsetbv(void **state)
{
    (void)state;
    page.gpr[RAX] = 0x2; // without x87
    fake_exit(EXIT_XSETBV);
    assert_int_equal(CPU->event, FAKE_GP);
    if (!CPU->cpu.xcr0_supported)
        return;
    CPU->event = 0;
    page.gpr[RAX] = 3;
    fake_exit(EXIT_XSETBV);
    assert_int_equal(CPU->event, 0);
    assert_int_equal(page.xcr0, 3);
    assert_true(page.dirty & GROUP_XSTATE);
    assert_int_equal(page.rip, FAKE_ENTRY + 3);
}

static void test_device_memory(void **state)
{
    static const uint8_t load[] = {0xa1, 0x30, 0x00, 0xe0, 0xfe}; // mov eax, [0xfee00030]

    (void)state;
    fake_code(load, sizeof(load));
    page.gpa = 0xfee00030;
    page.qualification = 0;
    fake_exit(EXIT_MEMORY);
    assert_int_equal(page.rip, FAKE_ENTRY); // wants segments
    fake_exit(EXIT_MEMORY);
    assert_int_equal(page.rip, FAKE_ENTRY + 5);
    assert_int_equal(page.gpr[RAX] & 0xf0, 0x10); // an integrated APIC
    assert_int_equal(page.want[EXIT_MEMORY], GROUP_CR);
    assert_int_equal(vm.end, 0);
    page.qualification = MEMORY_FETCH;
    fake_exit(EXIT_MEMORY);
    assert_int_equal(vm.end, TASK_CRASHED);
}

// The registers come with the second exit, and go back with the next entry.
static void test_vector_move_from_device_memory(void **state)
{
    static const uint8_t load[] = {0x66, 0x0f, 0x6e, 0x0d, 0x30, 0x00, 0xe0, 0xfe}; // movd xmm1
    static const uint8_t loop[] = {0xf3, 0xad};                                     // rep lodsd

    (void)state;
    fake_code(load, sizeof(load));
    page.cr4 |= CR4_OSFXSR;
    page.gpa = 0xfee00030;
    page.qualification = 0;
    for (unsigned i = 0; i < 2; i++) { // it wants segments, then the registers, too
        fake_exit(EXIT_MEMORY);
        assert_int_equal(page.rip, FAKE_ENTRY);
        assert_int_equal(!(page.want[EXIT_MEMORY] & GROUP_FPU), i == 0);
        assert_false(page.dirty & GROUP_FPU);
    }
    memset(fpu_page + 160, 0xff, 256);
    fpu_page[512] = 2;
    fake_exit(EXIT_MEMORY);
    assert_int_equal(page.rip, FAKE_ENTRY + sizeof(load));
    assert_true(page.dirty & GROUP_FPU);
    assert_int_equal(fpu_page[176] & 0xf0, 0x10);
    assert_int_equal(fpu_page[184], 0);
    assert_int_equal(page.want[EXIT_MEMORY], GROUP_CR);
    CPU->fpu.area = NULL; // without an FPU page it is not emulated
    fake_code(load, sizeof(load));
    for (unsigned i = 0; i < 3; i++)
        fake_exit(EXIT_MEMORY);
    assert_int_equal(vm.end, TASK_CRASHED);

    vm.end = 0; // single steps through a string instruction
    fake_code(loop, sizeof(loop));
    page.gpr[RSI] = 0xfee00030;
    page.gpr[RCX] = 2;
    page.rflags |= RFLAGS_TF;
    CPU->event = 0;
    for (unsigned i = 0; i < 3 && !CPU->event; i++)
        fake_exit(EXIT_MEMORY);
    assert_int_equal(CPU->event, FAKE_EXCEPTION(1));
    assert_int_equal(page.gpr[RCX], 1);
    assert_int_equal(page.rip, FAKE_ENTRY);
}

static void test_unanswerable_exits_end_the_vm(void **state)
{
    static const enum vcpu_exit ends[] = {EXIT_SHUTDOWN, EXIT_TASK_SWITCH, EXIT_INVALID,
                                          EXIT_OTHER,    EXIT_INIT,        EXIT_SIPI};

    (void)state;
    for (unsigned i = 0; i < sizeof(ends) / sizeof(ends[0]); i++) {
        vm.end = 0;
        vm.reason[0] = 0;
        fake_exit(ends[i]);
        assert_int_equal(vm.end, TASK_CRASHED);
        assert_true(strlen(vm.reason) > 10);
    }
    vm.end = 0;
    fake_exit(EXIT_UNDEFINED);
    assert_int_equal(CPU->event, FAKE_EXCEPTION(6));
    assert_int_equal(vm.end, 0);
}

static void test_string_output(void **state)
{
    static const uint8_t outs[] = {0xf3, 0x6e}; // rep outsb
    char text[300], got[300];

    (void)state;
    for (unsigned i = 0; i < sizeof(text); i++)
        text[i] = (char)('a' + i % 26);
    memcpy(ram + 0x110000, text, sizeof(text));
    fake_code(outs, sizeof(outs));
    page.gpr[RSI] = 0x110000;
    page.gpr[RCX] = sizeof(text);
    page.qualification = IO_EXIT(0x3f8, 1, IO_STRING | IO_REP);
    unsigned exits = 0;
    while (page.rip == FAKE_ENTRY && exits++ < 20)
        fake_exit(EXIT_IO);
    assert_in_range(exits, 3, 6);
    assert_int_equal(page.gpr[RCX], 0);
    assert_int_equal(page.gpr[RSI], 0x110000 + sizeof(text));
    assert_int_equal(page.rip, FAKE_ENTRY + 2);
    chipset_flush(&vm.chipset);
    assert_int_equal(status.bytes_out, sizeof(text));
    assert_int_equal(ring_read(&console_out, got, sizeof(got)), sizeof(text));
    assert_memory_equal(got, text, sizeof(text));
    assert_int_not_equal(fake_raises, 0);
}

static void test_string_input_faults_before_it_reads(void **state)
{
    static const uint8_t ins[] = {0xf3, 0x6d}; // rep insd
    const uint64_t top = 0xffff;

    (void)state;
    fake_code(ins, sizeof(ins));
    page.seg[SEG_ES].limit = top;
    page.gpr[RDI] = top - 7;
    page.gpr[RCX] = 3;
    page.qualification = IO_EXIT(0x200, 4, IO_STRING | IO_REP | IO_IN);
    fake_exit(EXIT_IO);
    fake_exit(EXIT_IO);
    assert_int_equal(page.gpr[RCX], 1);
    assert_int_equal(CPU->event, FAKE_GP);
    assert_int_equal(page.rip, FAKE_ENTRY);
    assert_int_equal(ram[top], 0xff);
    assert_int_equal(ram[top + 1], 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_cpuid_moves_on, setup),
        cmocka_unit_test_setup(test_missing_groups_are_fetched_by_a_second_exit, setup),
        cmocka_unit_test_setup(test_single_step_traps_after_emulation, setup),
        cmocka_unit_test_setup(test_unknown_msr_faults, setup),
        cmocka_unit_test_setup(test_msr_in_page, setup),
        cmocka_unit_test_setup(test_tsc_write_moves_offset, setup),
        cmocka_unit_test_setup(test_in_merges_into_rax, setup),
        cmocka_unit_test_setup(test_reset_and_power_off, setup),
        cmocka_unit_test_setup(test_cr0, setup),
        cmocka_unit_test_setup(test_cr_decoded_by_processor, setup),
        cmocka_unit_test_setup(test_pae_entries_are_loaded, setup),
        cmocka_unit_test_setup(test_debug_registers, setup),
        cmocka_unit_test_setup(test_xsetbv, setup),
        cmocka_unit_test_setup(test_device_memory, setup),
        cmocka_unit_test_setup(test_vector_move_from_device_memory, setup),
        cmocka_unit_test_setup(test_unanswerable_exits_end_the_vm, setup),
        cmocka_unit_test_setup(test_string_output, setup),
        cmocka_unit_test_setup(test_string_input_faults_before_it_reads, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
