// SPDX-License-Identifier: BSD-2-Clause
// Instructions that exit as accesses to control registers and have to be decoded: SMSW and LMSW,
// in registers and in memory, and those that are none.
// links: @vmm lib/ring.c
#include <stdarg.h>
#include <stddef.h>
#include <setjmp.h>
#include <stdint.h>
#include <cmocka.h>

#include "tests/unit/vm_fake.h"

#define EXCEPTION(vector) (EVENT_VALID | EVENT_EXCEPTION << 8 | (vector))
#define CR0_VALUE         0xc0000011ull // CD, PG, ET, PE
#define TABLES            0x10000u      // the first of three
#define UNMAPPED          0x40000000u
#define CR4_UMIP          (1u << 11)

static int setup(void **state)
{
    (void)state;
    fake_machine();
    page.cr0 = 0x40000011;
    return 0;
}

static void set_entry(uint32_t table, unsigned index, uint64_t value)
{
    memcpy(ram + table + 8 * index, &value, sizeof(value));
}

// 64-bit mode, the first 2 MiB mapped 1:1 for the user too.
static void long_mode(void)
{
    set_entry(TABLES, 0, (TABLES + 0x1000) | 7);
    set_entry(TABLES + 0x1000, 0, (TABLES + 0x2000) | 7);
    set_entry(TABLES + 0x2000, 0, 0x87);
    page.cr0 = CR0_VALUE;
    page.cr3 = TABLES;
    page.cr4 = 1 << 5; // PAE
    page.efer = 0x500; // LME, LMA
    page.seg[SEG_CS].attributes |= SEGMENT_LONG;
    page.seg[SEG_CS].attributes &= ~SEGMENT_BIG;
}

static void user(void)
{
    page.seg[SEG_SS].attributes |= 3 << 5;
}

static void run(const char *code, size_t n)
{
    CPU->event = 0;
    fake_code(code, n);
    fake_exit(EXIT_CR);
}
#define RUN(code) run(code, sizeof(code) - 1)

static void test_smsw_register(void **state)
{
    (void)state;
    page.gpr[RCX] = 0x1122334455667788;
    RUN("\x0f\x01\xe1"); // smsw ecx
    assert_int_equal(page.gpr[RCX], 0x40000011);
    assert_int_equal(page.rip, FAKE_ENTRY + 3);
    page.gpr[RCX] = 0x1122334455667788;
    RUN("\x66\x0f\x01\xe1"); // smsw cx
    assert_int_equal(page.gpr[RCX], 0x1122334455660011);
    assert_int_equal(page.rip, FAKE_ENTRY + 4);
    long_mode();
    page.gpr[R9] = ~0ull;
    RUN("\x41\x0f\x01\xe1"); // smsw r9d
    assert_int_equal(page.gpr[R9], CR0_VALUE);
    page.gpr[R9] = ~0ull;
    RUN("\x49\x0f\x01\xe1"); // smsw r9
    assert_int_equal(page.gpr[R9], CR0_VALUE);
    page.gpr[R9] = ~0ull;
    RUN("\x66\x41\x0f\x01\xe1"); // smsw r9w
    assert_int_equal(page.gpr[R9], 0xffffffffffff0011);
    assert_int_equal(CPU->event, 0);
    assert_int_equal(vm.end, 0);
}

static void test_smsw_memory(void **state)
{
    (void)state;
    memset(ram + 0x1000, 0xff, 8);
    page.gpr[RAX] = 0x1002;
    RUN("\x0f\x01\x20"); // smsw [eax]
    assert_memory_equal(ram + 0x1000, "\xff\xff\x11\x00\xff\xff\xff\xff", 8);
    assert_int_equal(page.rip, FAKE_ENTRY + 3);
    long_mode();
    page.gpr[RAX] = 0x1004;
    RUN("\x48\x0f\x01\x20"); // smsw [rax]
    assert_memory_equal(ram + 0x1000, "\xff\xff\x11\x00\x11\x00\xff\xff", 8);
    assert_int_equal(page.rip, FAKE_ENTRY + 4);
    page.gpr[RAX] = UNMAPPED;
    RUN("\x0f\x01\x20");
    assert_int_equal(CPU->event, EXCEPTION(14) | EVENT_HAS_ERROR);
    assert_int_equal(CPU->event_error, 2);
    assert_int_equal(page.cr2, UNMAPPED);
    assert_int_equal(page.rip, FAKE_ENTRY);
    assert_int_equal(vm.end, 0);
}

static void test_smsw_of_the_user(void **state)
{
    (void)state;
    long_mode();
    user();
    RUN("\x0f\x01\xe1");
    assert_int_equal(page.gpr[RCX], CR0_VALUE);
    assert_int_equal(CPU->event, 0);
    page.cr4 |= CR4_UMIP;
    RUN("\x0f\x01\xe1");
    assert_int_equal(CPU->event, EXCEPTION(13) | EVENT_HAS_ERROR);
    assert_int_equal(page.rip, FAKE_ENTRY);
}

// QEMU lets the exit come before the access to memory.
static void test_lmsw_faults_in_memory(void **state)
{
    (void)state;
    long_mode();
    page.gpr[RAX] = 0x1000;
    ram[0x1000] = 0x0f;  // PE, MP, EM, TS
    RUN("\x0f\x01\x30"); // lmsw [rax]
    assert_int_equal(page.cr0, CR0_VALUE | 0x0f);
    page.gpr[RAX] = UNMAPPED;
    RUN("\x0f\x01\x30");
    assert_int_equal(CPU->event, EXCEPTION(14) | EVENT_HAS_ERROR);
    assert_int_equal(page.cr2, UNMAPPED);
    assert_int_equal(page.rip, FAKE_ENTRY);
}

static void unknown(const char *code, size_t n, enum vcpu_exit exit)
{
    fake_machine();
    fake_code(code, n);
    fake_exit(exit);
    assert_int_equal(vm.end, TASK_CRASHED);
    assert_non_null(strstr(vm.reason, "register access: an instruction that cannot be emulated"));
}
#define UNKNOWN(code, exit) unknown(code, sizeof(code) - 1, exit)

// To enter the guest again would bring the same exit for ever.
static void test_others_stop_the_vm(void **state)
{
    (void)state;
    UNKNOWN("\x90", EXIT_CR);
    UNKNOWN("\x0f\x01\x38", EXIT_CR); // invlpg
    UNKNOWN("\x0f\x21\xc0", EXIT_CR); // mov eax, dr0
    UNKNOWN("\x0f\xa2", EXIT_CR);     // cpuid
    UNKNOWN("\x0f\x20\xc0", EXIT_DR); // mov eax, cr0
    UNKNOWN("\x0f\x06", EXIT_DR);     // clts
    UNKNOWN("\x0f\x01\xe0", EXIT_DR); // smsw eax
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test_setup(test_smsw_register, setup),
        cmocka_unit_test_setup(test_smsw_memory, setup),
        cmocka_unit_test_setup(test_smsw_of_the_user, setup),
        cmocka_unit_test_setup(test_lmsw_faults_in_memory, setup),
        cmocka_unit_test_setup(test_others_stop_the_vm, setup),
    };
    return cmocka_run_group_tests_name("exits_cr", tests, NULL, NULL);
}
