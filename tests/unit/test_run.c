// SPDX-License-Identifier: BSD-2-Clause
// The vmm's glue: answers to exits, delivery of events, the loop, the serial line.
// links: vmm/machine.c vmm/run.c vmm/exits.c vmm/exits_io.c vmm/exits_memory.c vmm/exits_cr.c vmm/inject.c vmm/line.c
// links: vmm/chipset.c vmm/bus.c vmm/device.c vmm/clock.c vmm/pic.c vmm/pit.c vmm/rtc.c vmm/rtc_time.c vmm/uart.c
// links: vmm/lapic.c vmm/lapic_regs.c vmm/lapic_timer.c vmm/apic_bus.c vmm/ioapic.c vmm/acpi_pm.c vmm/reset.c
// links: vmm/cpuid.c vmm/msr.c vmm/pvclock.c vmm/linux.c vmm/multiboot.c vmm/boot.c vmm/acpi.c vmm/guest_memory.c
// links: vmm/decode.c vmm/decode_tables.c vmm/emulate.c vmm/emulate_0f.c vmm/emulate_alu.c vmm/emulate_string.c
// links: vmm/emulate_mmio.c vmm/emulate_fast.c vmm/paging.c lib/ring.c
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/vm_fake.h"

#define EXCEPTION(vector) (EVENT_VALID | EVENT_EXCEPTION << 8 | (vector))
#define GP                (EXCEPTION(13) | EVENT_HAS_ERROR)

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
    assert_int_equal(vm.cpu.cr4, 1 << 18);
}

static void test_single_step_traps_after_emulation(void **state)
{
    (void)state;
    page.rflags |= RFLAGS_TF | RFLAGS_RF;
    page.shadow = SHADOW_STI;
    fake_exit(EXIT_CPUID);
    assert_int_equal(vm.event, EXCEPTION(1));
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
    assert_int_equal(vm.event, GP);
    assert_int_equal(page.rip, FAKE_ENTRY);
    vm.event = 0;
    page.cr0 &= ~CR0_PE; // real mode pushes no error code
    fake_exit(EXIT_WRMSR);
    fake_exit(EXIT_WRMSR);
    assert_int_equal(vm.event, EXCEPTION(13));
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

static void in(uint16_t port, unsigned size)
{
    page.qualification = IO_EXIT(port, size, IO_IN);
    page.length = 1;
    fake_exit(EXIT_IO);
}

static void out(uint16_t port, unsigned size, uint32_t value)
{
    page.qualification = port | size << 16;
    page.length = 1;
    page.gpr[RAX] = value;
    fake_exit(EXIT_IO);
}

static void test_in_merges_into_rax(void **state)
{
    (void)state;
    page.gpr[RAX] = 0x1122334455667788;
    in(0x200, 1);
    assert_int_equal(page.gpr[RAX], 0x11223344556677ff);
    in(0x200, 2);
    assert_int_equal(page.gpr[RAX], 0x112233445566ffff);
    in(0x200, 4);
    assert_int_equal(page.gpr[RAX], 0xffffffff);
    assert_int_equal(page.rip, FAKE_ENTRY + 3);
}

static void test_reset_and_power_off(void **state)
{
    (void)state;
    out(0xcf9, 1, 6);
    assert_int_equal(vm.end, TASK_REBOOT);
    fake_machine();
    out(0x604, 2, 5 << 10 | 1 << 13);
    assert_int_equal(vm.end, TASK_POWEROFF);
}

static void lapic_irq(unsigned vector)
{
    lapic_register_write(&vm.chipset.lapic[0], 0xf0, 0x1ff);
    lapic_set_irr(&vm.chipset.lapic[0], (uint8_t)vector, false);
}

static void test_interrupt_waits_for_window(void **state)
{
    (void)state;
    lapic_irq(0x41);
    inject_prepare(&vm);
    assert_int_equal(page.inject, 0);
    assert_int_equal(page.window, WINDOW_INTERRUPT);
    assert_true(page.dirty & GROUP_INJECT);
    page.rflags |= RFLAGS_IF;
    page.shadow = SHADOW_MOV_SS;
    inject_prepare(&vm);
    assert_int_equal(page.inject, 0);
    page.shadow = 0;
    inject_prepare(&vm);
    assert_int_equal(page.inject, EVENT_VALID | 0x41);
    assert_int_equal(page.window, 0);
    assert_int_equal(status.irqs_injected, 1);
}

static void test_broken_off_event_goes_first(void **state)
{
    (void)state;
    lapic_irq(0x41);
    page.rflags |= RFLAGS_IF;
    vm.event = EVENT_VALID | 0x30;
    vm.nmi = true;
    inject_prepare(&vm);
    assert_int_equal(page.inject, EVENT_VALID | 0x30);
    assert_int_equal(page.window, WINDOW_INTERRUPT | WINDOW_NMI);
    page.inject = 0;
    inject_prepare(&vm);
    assert_int_equal(page.inject, EVENT_VALID | EVENT_NMI << 8 | 2);
    assert_int_equal(page.window, WINDOW_INTERRUPT);
    vm.nmi = true;
    page.shadow = SHADOW_NMI;
    inject_prepare(&vm);
    assert_int_equal(page.inject, EVENT_VALID | 0x41);
    assert_int_equal(page.window, WINDOW_NMI);
}

static void test_double_and_triple_fault(void **state)
{
    static const struct {
        unsigned first, second;
        uint32_t result; // 0: triple fault
    } cases[] = {
        {13, 13, EXCEPTION(8) | EVENT_HAS_ERROR},
        {14, 14, EXCEPTION(8) | EVENT_HAS_ERROR},
        {14, 13, EXCEPTION(8) | EVENT_HAS_ERROR},
        {13, 14, EXCEPTION(14) | EVENT_HAS_ERROR},
        {6, 13, GP},
        {14, 1, EXCEPTION(1)},
        {8, 13, 0},
        {8, 14, 0},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        vm.end = 0;
        vm.event = EXCEPTION(cases[i].first);
        inject_exception(&vm, cases[i].second, cases[i].second > 7, 0);
        if (cases[i].result)
            assert_int_equal(vm.event, cases[i].result);
        assert_int_equal(vm.end, cases[i].result ? 0 : TASK_CRASHED);
    }
}

static void test_reflected_debug_exception(void **state)
{
    (void)state;
    page.dr7 = 1 << 13 | DR7_RESET;
    page.event = EXCEPTION(1);
    page.qualification = 1 << 13;
    fake_exit(EXIT_EXCEPTION);
    assert_int_equal(vm.event, EXCEPTION(1));
    assert_int_equal(page.dr6, DR6_RESET | 1 << 13);
    assert_int_equal(page.dr7, DR7_RESET);
    page.event = EXCEPTION(17) | EVENT_HAS_ERROR;
    vm.event = 0;
    fake_exit(EXIT_EXCEPTION);
    assert_int_equal(vm.event, EXCEPTION(17) | EVENT_HAS_ERROR);
}

static void test_hlt(void **state)
{
    (void)state;
    fake_exit(EXIT_HLT);
    assert_int_equal(vm.end, TASK_POWEROFF);
    assert_string_equal(vm.reason, "halted with interrupts off");
    fake_machine();
    lapic_irq(0x41);
    page.rflags |= RFLAGS_IF;
    fake_exit(EXIT_HLT);
    assert_int_equal(vm.end, 0);
    assert_int_equal(fake_waits, 0);
    assert_int_equal(page.rip, FAKE_ENTRY + 1);
}

static void test_hlt_until_timer(void **state)
{
    struct lapic *lapic = &vm.chipset.lapic[0];

    (void)state;
    lapic_register_write(lapic, 0xf0, 0x1ff);
    lapic_register_write(lapic, 0x320, 0x55);
    lapic_register_write(lapic, 0x3e0, 0xb);
    lapic_register_write(lapic, 0x380, 30000); // 30 us
    page.rflags |= RFLAGS_IF;
    while (chipset_deadline(&vm.chipset) > task_tsc())
        ;
    fake_exit(EXIT_HLT);
    assert_int_equal(vm.end, 0);
    inject_prepare(&vm);
    assert_int_equal(page.inject, EVENT_VALID | 0x55);
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
    assert_int_equal(vm.event, 0);
    fake_code(move, sizeof(move));
    page.gpr[RBX] = 1u << 31; // PG without PE
    fake_exit(EXIT_CR);
    assert_int_equal(vm.event, GP);
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
    assert_int_equal(vm.event, GP);
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
    assert_int_equal(vm.event, EXCEPTION(6));
    vm.event = 0;
    fake_code(set, sizeof(set)); // mov dr7, ebx
    page.gpr[RBX] = 1 << 13 | 0x55;
    fake_exit(EXIT_DR);
    assert_int_equal(page.dr7, 1 << 13 | 0x55 | DR7_RESET);
    fake_code(get, sizeof(get));
    fake_exit(EXIT_DR); // GD
    assert_int_equal(vm.event, EXCEPTION(1));
    assert_true(page.dr6 & 1 << 13);
    assert_false(page.dr7 & 1 << 13);
    vm.event = 0;
    page.seg[SEG_SS].attributes |= 3 << 5;
    fake_exit(EXIT_DR);
    assert_int_equal(vm.event, GP);
}

static void test_xsetbv(void **state)
{
    (void)state;
    page.gpr[RAX] = 0x2; // without x87
    fake_exit(EXIT_XSETBV);
    assert_int_equal(vm.event, GP);
    if (!vm.cpu.xcr0_supported)
        return;
    vm.event = 0;
    page.gpr[RAX] = 3;
    fake_exit(EXIT_XSETBV);
    assert_int_equal(vm.event, 0);
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
    assert_int_equal(vm.event, EXCEPTION(6));
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
    assert_int_equal(vm.event, GP);
    assert_int_equal(page.rip, FAKE_ENTRY);
    assert_int_equal(ram[top], 0xff);
    assert_int_equal(ram[top + 1], 0);
}

static void test_ready_marker(void **state)
{
    (void)state;
    line_send(&vm, (const uint8_t *)"xBULKHEAD-IBULKHEAD-IN", 22);
    assert_int_equal(status.tsc_ready, 0);
    line_send(&vm, (const uint8_t *)"IT-OK", 5);
    assert_int_not_equal(status.tsc_ready, 0);
    assert_int_equal(status.state, TASK_READY);
}

static void test_prompt_is_ready_too(void **state)
{
    (void)state;
    line_send(&vm, (const uint8_t *)"login: ", 7);
    lapic_irq(0x41);
    page.rflags |= RFLAGS_IF;
    fake_exit(EXIT_HLT);
    assert_int_equal(status.state, TASK_READY);
}

static enum status console_reads(enum sys_op op, struct message *message)
{
    uint8_t buffer[1000];

    memset(message, 0, sizeof(*message));
    if (op == SYS_WAIT) {
        ring_read(&console_out, buffer, sizeof(buffer));
        message->w[0] = 2;
    }
    return OK;
}

static void test_full_ring_holds_the_guest(void **state)
{
    static uint8_t text[10000];

    (void)state;
    fake_call = console_reads;
    line_send(&vm, text, sizeof(text));
    assert_int_equal(vm.line.dropped, 0);
    assert_true(fake_waits >= 6);
    assert_int_equal(vm.bits, 2); // not lost
    fake_call = NULL;             // nobody reads: a time-out
    line_send(&vm, text, sizeof(text));
    assert_true(vm.line.dropped > 0 && vm.line.stalled);
    unsigned waits = fake_waits;
    line_send(&vm, text, sizeof(text));
    assert_int_equal(fake_waits, waits); // does not wait again
    ring_read(&console_out, text, 1000);
    line_send(&vm, text, 10);
    assert_false(vm.line.stalled);
}

static void test_typing(void **state)
{
    char text[40];

    (void)state;
    memset(text, 'x', sizeof(text));
    out(0x3fa, 1, 1); // FIFO
    assert_int_equal(ring_write(&console_in, text, sizeof(text)), sizeof(text));
    vm.bits = 1;
    vm_serve(&vm);
    for (unsigned i = 0; i < sizeof(text); i++) {
        in(0x3fd, 1);
        assert_true(page.gpr[RAX] & 1);
        in(0x3f8, 1);
        assert_int_equal(page.gpr[RAX] & 0xff, 'x');
    }
    in(0x3fd, 1);
    assert_false(page.gpr[RAX] & 1);
}

static unsigned runs;
static enum status script(enum sys_op op, struct message *message)
{
    memset(message, 0, sizeof(*message));
    if (op != SYS_VCPU_RUN)
        return OK;
    page.vectoring = 0;
    switch (runs++) {
    case 0:
        return ERR_CANCELLED;
    case 1: // broken off by a kick
        page.exit = message->label = EXIT_KICK;
        page.vectoring = EVENT_VALID | 0x77;
        return OK;
    case 2:
        assert_int_equal(page.inject, EVENT_VALID | 0x77);
        page.exit = message->label = EXIT_CPUID;
        return OK;
    default:
        page.exit = message->label = EXIT_SHUTDOWN;
        page.have = GROUP_CR;
        return OK;
    }
}

static void test_loop(void **state)
{
    (void)state;
    runs = 0;
    fake_call = script;
    if (setjmp(fake_end) == 0)
        vm_run(&vm);
    assert_int_equal(fake_state, TASK_CRASHED);
    assert_int_equal(strncmp(fake_reason, "triple fault", 12), 0);
    assert_int_equal(status.exits[EXIT_KICK], 1);
    assert_int_equal(status.exits[EXIT_CPUID], 1);
    assert_int_not_equal(status.tsc_first_entry, 0);
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
        cmocka_unit_test_setup(test_interrupt_waits_for_window, setup),
        cmocka_unit_test_setup(test_broken_off_event_goes_first, setup),
        cmocka_unit_test_setup(test_double_and_triple_fault, setup),
        cmocka_unit_test_setup(test_reflected_debug_exception, setup),
        cmocka_unit_test_setup(test_hlt, setup),
        cmocka_unit_test_setup(test_hlt_until_timer, setup),
        cmocka_unit_test_setup(test_cr0, setup),
        cmocka_unit_test_setup(test_cr_decoded_by_processor, setup),
        cmocka_unit_test_setup(test_pae_entries_are_loaded, setup),
        cmocka_unit_test_setup(test_debug_registers, setup),
        cmocka_unit_test_setup(test_xsetbv, setup),
        cmocka_unit_test_setup(test_device_memory, setup),
        cmocka_unit_test_setup(test_unanswerable_exits_end_the_vm, setup),
        cmocka_unit_test_setup(test_string_output, setup),
        cmocka_unit_test_setup(test_string_input_faults_before_it_reads, setup),
        cmocka_unit_test_setup(test_ready_marker, setup),
        cmocka_unit_test_setup(test_prompt_is_ready_too, setup),
        cmocka_unit_test_setup(test_full_ring_holds_the_guest, setup),
        cmocka_unit_test_setup(test_typing, setup),
        cmocka_unit_test_setup(test_loop, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
