// SPDX-License-Identifier: BSD-2-Clause
// The vmm's loop: delivery of events, waiting in HLT, the serial line, the end of a VM.
// links: @vmm lib/ring.c
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/vm_fake.h"

static int setup(void **state)
{
    (void)state;
    fake_has_apic = false;
    fake_machine();
    return 0;
}

static int setup_apic(void **state)
{
    (void)state;
    fake_has_apic = true;
    fake_machine();
    return 0;
}

static void test_interrupt_waits_for_window(void **state)
{
    (void)state;
    fake_irq(0x41);
    inject_prepare(CPU);
    assert_int_equal(page.inject, 0);
    assert_int_equal(page.window, WINDOW_INTERRUPT);
    assert_true(page.dirty & GROUP_INJECT);
    page.rflags |= RFLAGS_IF;
    page.shadow = SHADOW_MOV_SS;
    inject_prepare(CPU);
    assert_int_equal(page.inject, 0);
    page.shadow = 0;
    inject_prepare(CPU);
    assert_int_equal(page.inject, EVENT_VALID | 0x41);
    assert_int_equal(page.window, 0);
    assert_int_equal(status.irqs_injected, 1);
}

static void test_broken_off_event_goes_first(void **state)
{
    (void)state;
    fake_irq(0x41);
    page.rflags |= RFLAGS_IF;
    CPU->event = EVENT_VALID | 0x30;
    CPU->nmi = true;
    inject_prepare(CPU);
    assert_int_equal(page.inject, EVENT_VALID | 0x30);
    assert_int_equal(page.window, WINDOW_INTERRUPT | WINDOW_NMI);
    page.inject = 0;
    inject_prepare(CPU);
    assert_int_equal(page.inject, EVENT_VALID | EVENT_NMI << 8 | 2);
    assert_int_equal(page.window, WINDOW_INTERRUPT);
    CPU->nmi = true;
    page.shadow = SHADOW_NMI;
    inject_prepare(CPU);
    assert_int_equal(page.inject, EVENT_VALID | 0x41);
    assert_int_equal(page.window, WINDOW_NMI);
}

static void test_virtual_apic_delivers(void **state)
{
    (void)state;
    inject_prepare(CPU);
    assert_int_equal(page.control, CONTROL_APIC);
    assert_int_equal(page.dirty, GROUP_CONTROL | GROUP_APIC);
    page.rflags |= RFLAGS_IF;
    page.dirty = 0;
    inject_prepare(CPU);
    assert_int_equal(page.dirty, 0); // nothing new
    lapic_set_irr(&vm.chipset.lapic[0], 0x41, false);
    inject_prepare(CPU);
    assert_int_equal(page.dirty, GROUP_APIC);
    assert_int_equal(page.apic_status, 0x41);
    assert_int_equal(apic_page[0x220 / 4], 1 << 1);
    assert_int_equal(page.inject, 0);
    assert_int_equal(page.window, 0);
    assert_int_equal(status.irqs_injected, 1);
    fake_exit(EXIT_HLT); // it has not been delivered
    assert_int_equal(fake_waits, 0);
    apic_page[0x220 / 4] = 0; // now it has
    apic_page[0x120 / 4] = 1 << 1;
    fake_exit(EXIT_HLT);
    assert_int_equal(fake_waits, 100);
}

static void test_virtual_apic_exits(void **state)
{
    struct lapic *lapic = &vm.chipset.lapic[0];

    (void)state;
    vm.chipset.ioapic.s.entry[16] = IOAPIC_LEVEL | 0x61;
    chipset_irq(&vm.chipset, 16, true);
    inject_prepare(CPU);
    assert_int_equal(page.eoi_exit[1], 1ull << 33);
    assert_true(page.dirty & GROUP_CONTROL);
    apic_page[0x230 / 4] = 0; // delivered and finished
    page.qualification = 0x61;
    fake_exit(EXIT_APIC_EOI);
    assert_int_equal(apic_page[0x230 / 4], 1 << 1); // the line is still up
    apic_page[0x230 / 4] = 0;
    chipset_irq(&vm.chipset, 16, false);
    fake_exit(EXIT_APIC_EOI);
    assert_int_equal(apic_page[0x230 / 4], 0);
    apic_page[0x320 / 4] = 0xfff200ef;
    page.qualification = 0x320;
    fake_exit(EXIT_APIC_WRITE);
    assert_int_equal(lapic->s.lvt[LVT_TIMER], 0x200ef);
    assert_int_equal(apic_page[0x320 / 4], 0x200ef);
    page.dirty = 0;
    page.gpr[RCX] = MSR_APIC_BASE;
    page.gpr[RAX] = LAPIC_BASE | APIC_BASE_BSP;
    page.gpr[RDX] = 0;
    fake_exit(EXIT_WRMSR);
    inject_prepare(CPU);
    assert_int_equal(page.control, 0);
    assert_true(page.dirty & GROUP_CONTROL);
}

// The 8259's interrupts are injected as ever.
static void test_virtual_apic_and_pic(void **state)
{
    (void)state;
    fake_out(0x21, 1, 0xfe);
    chipset_irq(&vm.chipset, 0, true);
    inject_prepare(CPU);
    assert_int_equal(page.window, WINDOW_INTERRUPT);
    page.rflags |= RFLAGS_IF;
    lapic_set_irr(&vm.chipset.lapic[0], 0x41, false);
    inject_prepare(CPU);
    assert_int_equal(page.inject, EVENT_VALID | 8);
    assert_int_equal(page.window, 0);
    page.inject = 0;
    inject_prepare(CPU);
    assert_int_equal(page.inject, 0);
    assert_int_equal(apic_page[0x220 / 4], 1 << 1);
}

static void test_double_and_triple_fault(void **state)
{
    static const struct {
        unsigned first, second;
        uint32_t result; // 0: triple fault
    } cases[] = {
        {13, 13, FAKE_EXCEPTION(8) | EVENT_HAS_ERROR},
        {14, 14, FAKE_EXCEPTION(8) | EVENT_HAS_ERROR},
        {14, 13, FAKE_EXCEPTION(8) | EVENT_HAS_ERROR},
        {13, 14, FAKE_EXCEPTION(14) | EVENT_HAS_ERROR},
        {6, 13, FAKE_GP},
        {14, 1, FAKE_EXCEPTION(1)},
        {8, 13, 0},
        {8, 14, 0},
    };

    (void)state;
    for (unsigned i = 0; i < sizeof(cases) / sizeof(cases[0]); i++) {
        vm.end = 0;
        CPU->event = FAKE_EXCEPTION(cases[i].first);
        inject_exception(CPU, cases[i].second, cases[i].second > 7, 0);
        if (cases[i].result)
            assert_int_equal(CPU->event, cases[i].result);
        assert_int_equal(vm.end, cases[i].result ? 0 : TASK_CRASHED);
    }
}

static void test_reflected_debug_exception(void **state)
{
    (void)state;
    page.dr7 = 1 << 13 | DR7_RESET;
    page.event = FAKE_EXCEPTION(1);
    page.qualification = 1 << 13;
    fake_exit(EXIT_EXCEPTION);
    assert_int_equal(CPU->event, FAKE_EXCEPTION(1));
    assert_int_equal(page.dr6, DR6_RESET | 1 << 13);
    assert_int_equal(page.dr7, DR7_RESET);
    page.event = FAKE_EXCEPTION(17) | EVENT_HAS_ERROR;
    CPU->event = 0;
    fake_exit(EXIT_EXCEPTION);
    assert_int_equal(CPU->event, FAKE_EXCEPTION(17) | EVENT_HAS_ERROR);
}

static void test_hlt(void **state)
{
    (void)state;
    fake_exit(EXIT_HLT);
    assert_int_equal(vm.end, TASK_POWEROFF);
    assert_string_equal(vm.reason, "halted with interrupts off");
    fake_machine();
    fake_irq(0x41);
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
    while (chipset_deadline(&vm.chipset, 0) > task_tsc())
        ;
    fake_exit(EXIT_HLT);
    assert_int_equal(vm.end, 0);
    inject_prepare(CPU);
    assert_int_equal(page.inject, EVENT_VALID | 0x55);
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
    fake_irq(0x41);
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
    assert_int_equal(CPU->bits, 2); // not lost
    fake_call = NULL;               // nobody reads: a time-out
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
    fake_out(0x3fa, 1, 1); // FIFO
    assert_int_equal(ring_write(&console_in, text, sizeof(text)), sizeof(text));
    CPU->bits = 1;
    vcpu_serve(CPU);
    for (unsigned i = 0; i < sizeof(text); i++) {
        fake_in(0x3fd, 1);
        assert_true(page.gpr[RAX] & 1);
        fake_in(0x3f8, 1);
        assert_int_equal(page.gpr[RAX] & 0xff, 'x');
    }
    fake_in(0x3fd, 1);
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

// ---- A neighbour that raises without end

static unsigned arrivals, entries, late, spin;

static void peer_arrived(void *dev)
{
    (void)dev;
    arrivals++;
}

static enum status raised_always(enum sys_op op, struct message *message)
{
    memset(message, 0, sizeof(*message));
    if (op == SYS_VCPU_RUN) {
        page.exit = EXIT_KICK;
        page.have = page.want[EXIT_KICK];
        message->label = EXIT_KICK;
        for (uint64_t until = task_tsc() + spin; task_tsc() < until;)
            ;
        late += CPU->bits && page.deadline > task_tsc() + info.tsc_hz / 2000;
        if (++entries == 90) // waits are counted, too
            vm_stop(&vm, TASK_FAILED, "enough");
    } else if (op == SYS_WAIT) {
        message->w[0] = 1ull << info.channels[0].own_bit;
    }
    return OK;
}

// The guest keeps time for itself, and what came is served all the same.
static void test_flood(void **state)
{
    (void)state;
    entries = arrivals = late = spin = 0;
    vm.devices.channel[0].arrived = peer_arrived;
    info.tsc_hz = 200000ull * 4000000000; // a rest is some seconds long, for this test
    fake_call = raised_always;
    if (setjmp(fake_end) == 0)
        vcpu_run(CPU);
    assert_int_equal(entries, 90);
    assert_int_equal(arrivals, 1);
    assert_int_equal(late, 0);
    assert_true(CPU->bits && page.deadline == CPU->rest);
    setup(NULL);
    vm.devices.channel[0].arrived = peer_arrived;
    info.tsc_hz = 200000ull * 200000; // one of a hundred microseconds passes
    entries = arrivals = 0;
    spin = 20000;
    fake_call = raised_always;
    if (setjmp(fake_end) == 0)
        vcpu_run(CPU);
    assert_in_range(arrivals, 3, 60);
}

static void timer_again(void *dev, uint64_t now)
{
    *(uint64_t *)dev = now + 1;
    arrivals++;
}

// A device that always has more to do leaves the guest time, too.
static void test_more_to_do(void **state)
{
    static uint64_t deadline;

    (void)state;
    arrivals = 0;
    deadline = 0;
    assert_true(chipset_add_timer(&vm.chipset, &deadline, timer_again, &deadline));
    fake_exit(EXIT_DEADLINE);
    assert_int_equal(arrivals, 1);
    assert_true(CPU->rest > deadline);
    CPU->rest = 0;
    deadline = CLOCK_NEVER;
    fake_exit(EXIT_DEADLINE);
    assert_int_equal(CPU->rest, 0);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_interrupt_waits_for_window, setup),
        cmocka_unit_test_setup(test_broken_off_event_goes_first, setup),
        cmocka_unit_test_setup(test_virtual_apic_delivers, setup_apic),
        cmocka_unit_test_setup(test_virtual_apic_exits, setup_apic),
        cmocka_unit_test_setup(test_virtual_apic_and_pic, setup_apic),
        cmocka_unit_test_setup(test_double_and_triple_fault, setup),
        cmocka_unit_test_setup(test_reflected_debug_exception, setup),
        cmocka_unit_test_setup(test_hlt, setup),
        cmocka_unit_test_setup(test_hlt_until_timer, setup),
        cmocka_unit_test_setup(test_ready_marker, setup),
        cmocka_unit_test_setup(test_prompt_is_ready_too, setup),
        cmocka_unit_test_setup(test_full_ring_holds_the_guest, setup),
        cmocka_unit_test_setup(test_typing, setup),
        cmocka_unit_test_setup(test_loop, setup),
        cmocka_unit_test_setup(test_flood, setup),
        cmocka_unit_test_setup(test_more_to_do, setup),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
