// SPDX-License-Identifier: BSD-2-Clause
// APIC virtualization, where the processor has it: what the guest in guest.S does with its Local
// APIC without an exit, what exits, and what the kernel refuses.
#include "vcpu_drive.h"

enum { APIC_TPR = 0x80, APIC_SVR = 0xf0, APIC_ISR = 0x100, APIC_IRR = 0x200, APIC_ICR = 0x300 };

// A vector's bit in ISR or IRR.
static bool has(unsigned set, unsigned vector)
{
    return apic[(set + vector / 32 * 16) / 4] >> vector % 32 & 1;
}

static void pend(unsigned vector)
{
    apic[(APIC_IRR + vector / 32 * 16) / 4] |= 1u << vector % 32;
    if (vector > (page->apic_status & 0xff))
        page->apic_status = (page->apic_status & 0xff00) | vector;
    page->dirty |= GROUP_APIC;
}

// The guest's own tables: one page of 2 MiB at APIC_PAGE.
static void map_apic(void)
{
    uint64_t *pointers = (uint64_t *)(ram + 0x11000), *directory = (uint64_t *)(ram + 0x1a000);

    pointers[3] = 0x1a007;
    directory[503] = APIC_PAGE | 0x97;
}

// Runs with interrupts on; no exit but READY.
static bool plain_open(void)
{
    return guest_plain(G_open);
}

static void test_task_priority(void)
{
    page->gpr[RAX] = 5;
    ktest_check(guest_plain(G_write_cr8) && apic[APIC_TPR / 4] == 0x50,
                "APIC: MOV to CR8 without an exit");
    page->gpr[RAX] = 0;
    ktest_check(guest_plain(G_read_cr8) && page->gpr[RAX] == 5,
                "APIC: MOV from CR8 without an exit");
    page->gpr[RSI] = APIC_PAGE + APIC_TPR;
    page->gpr[RAX] = 0x31;
    ktest_check(guest_plain(G_store32) && apic[APIC_TPR / 4] == 0x31,
                "APIC: a write to TPR without an exit");
    apic[0x30 / 4] = 0x50014;
    page->gpr[RSI] = APIC_PAGE + 0x30;
    ktest_check(guest_plain(G_load32) && page->gpr[RAX] == 0x50014,
                "APIC: a read of a register without an exit");
    apic[APIC_TPR / 4] = 0;
}

static void test_delivery(void)
{
    uint64_t entries = page->entries;

    pend(0x91);
    bool ok = plain_open();
    ktest_check(ok && guest_count(0x91) == 1, "APIC: an interrupt is delivered");
    ktest_check(page->entries == entries + 1 && !has(APIC_ISR, 0x91) && !has(APIC_IRR, 0x91),
                "APIC: and its end costs no exit");
    ktest_check(page->apic_status == 0, "APIC: the status follows");
    ktest_check(plain_open() && guest_count(0x91) == 1, "APIC: it comes once");

    pend(0x92);
    pend(0xb2);
    ok = plain_open();
    ktest_check(ok && guest_count(0x92) == 1 && guest_count(0xb2) == 1, "APIC: two at once");

    apic[APIC_TPR / 4] = 0xa0;
    pend(0x93);
    ok = plain_open();
    ktest_check(ok && guest_count(0x93) == 0 && has(APIC_IRR, 0x93), "APIC: TPR holds one back");
    page->gpr[RAX] = 0;
    ok = guest_plain(G_open_cr8);
    ktest_check(ok && guest_count(0x93) == 1, "APIC: lowering it delivers, without an exit");

    page->gpr[RSI] = APIC_PAGE + APIC_ICR;
    page->gpr[RAX] = 1 << 18 | 0x94; // to itself
    ok = guest_plain(G_store32) && has(APIC_IRR, 0x94) && plain_open();
    ktest_check(ok && guest_count(0x94) == 1, "APIC: an IPI to itself without an exit");
}

static void test_exits(void)
{
    page->eoi_exit[0x95 / 64] = 1ull << 0x95 % 64;
    page->dirty |= GROUP_CONTROL;
    pend(0x95);
    enum vcpu_exit exit = guest_go(G_open);
    ktest_check(exit == EXIT_APIC_EOI && page->qualification == 0x95 && !has(APIC_ISR, 0x95),
                "APIC: the end of a vector that the vmm names exits");
    ktest_check(guest_finish() && guest_count(0x95) == 1, "APIC: and the guest goes on");
    pend(0x96);
    ktest_check(plain_open() && guest_count(0x96) == 1, "APIC: that of another does not");
    page->eoi_exit[0x95 / 64] = 0;
    page->dirty |= GROUP_CONTROL;
    pend(0x95);
    ktest_check(plain_open() && guest_count(0x95) == 2, "APIC: nor does it once it is not named");

    page->gpr[RSI] = APIC_PAGE + APIC_SVR;
    page->gpr[RAX] = 0x1ff;
    exit = guest_go(G_store32);
    ktest_check(exit == EXIT_APIC_WRITE && page->qualification == APIC_SVR &&
                    apic[APIC_SVR / 4] == 0x1ff && guest_finish(),
                "APIC: a write to a register of the vmm's exits behind it");
    page->gpr[RSI] = APIC_PAGE + 0x390;
    exit = guest_go(G_load32);
    bool ok = exit == EXIT_MEMORY && page->gpa == APIC_PAGE + 0x390 &&
              !(page->qualification & MEMORY_WRITE);
    page->rip += 2;
    ktest_check(ok && guest_finish(), "APIC: a read of the timer's count exits");
    page->gpr[RSI] = APIC_PAGE + 0x24;
    exit = guest_go(G_store32);
    ok = exit == EXIT_MEMORY && page->gpa == APIC_PAGE + 0x24 && page->qualification & MEMORY_WRITE;
    page->rip += 2;
    ktest_check(ok && guest_finish(), "APIC: a write between registers exits");
}

// Without CONTROL_APIC everything is the vmm's.
static void test_off(void)
{
    page->control = 0;
    page->dirty |= GROUP_CONTROL;
    apic[0x30 / 4] = 0x50014;
    page->gpr[RSI] = APIC_PAGE + 0x30;
    bool ok = guest_go(G_load32) == EXIT_MEMORY && page->gpa == APIC_PAGE + 0x30;
    page->rip += 2;
    ktest_check(ok && guest_finish(), "APIC off: accesses exit");
    ok = guest_go(G_write_cr8) == EXIT_CR;
    guest_skip();
    ktest_check(ok && guest_finish(), "APIC off: CR8 exits");
    pend(0x97);
    ktest_check(plain_open() && guest_count(0x97) == 0, "APIC off: nothing is delivered");
    page->control = CONTROL_APIC;
    page->dirty |= GROUP_CONTROL;
    ktest_check(plain_open() && guest_count(0x97) == 1, "APIC: on again, it is");
}

void test_apic(void)
{
    if (!guest_has_apic)
        return;
    map_apic();
    page->want[EXIT_IO] = GROUP_APIC;
    page->control = CONTROL_APIC;
    page->dirty |= GROUP_CONTROL;
    test_task_priority();
    test_delivery();
    test_exits();
    test_off();
    page->control = 0;
    page->want[EXIT_IO] = 0;
    page->dirty |= GROUP_CONTROL;
    guest_plain(G_nop);
}

static bool boot_guest(void)
{
    guest_reset();
    page->control = 0;
    page->want[EXIT_IO] = 0;
    for (unsigned report = 0; report < 2; report++) {
        if (!guest_settle(guest_run()))
            return false;
        guest_skip();
    }
    bool ok = guest_settle(guest_run());
    map_apic();
    return ok;
}

// A guest in long mode whose virtual-APIC page and status are anything: what it gets for it is its
// own affair, and the kernel stays up.
void test_apic_hostile(void)
{
    uint64_t x = 0x9e3779b97f4a7c15ull;
    unsigned classes = 0;
    bool up = true;

    for (unsigned i = 0; guest_has_apic && up && i < 500; i++) {
        up = boot_guest();
        for (unsigned k = 0; k < 0x400; k++)
            apic[k] = (uint32_t)(x ^= x << 13, x ^= x >> 7, x ^= x << 17);
        for (unsigned k = 0; k < 4; k++)
            page->eoi_exit[k] = x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        page->apic_status = (uint32_t)x | (i & 1 ? 0x80 : 0);
        apic[APIC_TPR / 4] &= i & 2 ? 0 : ~0u;
        page->control = CONTROL_APIC;
        page->dirty |= GROUP_CONTROL | GROUP_APIC;
        page->deadline = ktest_tsc() + 50000;
        enum vcpu_exit exit = guest_go(G_open);
        for (unsigned k = 0; k < 20 && exit != EXIT_DEADLINE && exit < EXIT_CLASSES; k++) {
            classes |= 1u << exit;
            exit = guest_run();
        }
        page->deadline = UINT64_MAX;
    }
    if (!guest_has_apic)
        return;
    ktest_log("random virtual-APIC pages: exit classes 0x%x", classes);
    ktest_check(up && boot_guest() && plain_open() && classes >> EXIT_APIC_EOI & 1,
                "APIC: anything may be in its page");
}

void test_apic_create(unsigned guest, unsigned mem, unsigned slot)
{
    const uint64_t elsewhere = PAGE_VIEW + 0x10000;
    enum status expected = guest_has_apic ? ERR_OVERLAP : OK;

    ktest_check(sys_map(guest, mem, 0, APIC_PAGE, 0x1000, MAP_READ) == expected,
                "APIC: nothing can be mapped over the guest's page");
    sys_unmap(guest, APIC_PAGE, 0x1000);
    ktest_check(sys_map(SLOT_TASK, mem, 0, APIC_VIEW, 0x1000, MAP_READ) == expected,
                "APIC: nor over the vmm's");
    sys_unmap(SLOT_TASK, APIC_VIEW, 0x1000);

    bool ok = sys_create_guest(SLOT_POOL, slot) == OK &&
              sys_map(slot, mem, 0, APIC_PAGE, 0x1000, MAP_READ) == OK;
    expected = guest_has_apic ? ERR_OVERLAP : ERR_UNSUPPORTED;
    for (unsigned i = 0; i < 2; i++) // what the first took it gave back
        ok = ok && sys_create_vcpu(SLOT_POOL, slot + 1, SLOT_TASK, 0, 1, slot,
                                   elsewhere | VCPU_APIC) == expected;
    ktest_check(ok, "APIC: refused where the guest has memory, or the processor has none of it");
    ktest_check(sys_create_vcpu(SLOT_POOL, slot + 1, SLOT_TASK, 0, 1, slot, elsewhere) == OK &&
                    sys_destroy(slot + 1) == OK,
                "APIC: nobody needs it");
    ktest_check(sys_create_vcpu(SLOT_POOL, slot + 1, SLOT_TASK, 0, 1, slot, elsewhere | 4) ==
                    ERR_RANGE,
                "an address that is not aligned");
    sys_destroy(slot);
}
