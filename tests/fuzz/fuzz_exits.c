// SPDX-License-Identifier: BSD-2-Clause
// A hostile guest against the whole vmm: any exit, with any registers, qualification and code, in
// any order. Whatever it does, every answer returns, touches only its own memory, and leaves a
// state that can be entered or an end.
// links: vmm/emulate_bits.c @vmm lib/ring.c
#include "tests/unit/vm_fake.h"

static const uint8_t *data;
static size_t left;

static uint64_t take(unsigned bytes)
{
    uint64_t value = 0;

    for (unsigned i = 0; i < bytes && left; i++, left--)
        value |= (uint64_t)*data++ << 8 * i;
    return value;
}

static void check(bool condition)
{
    if (!condition)
        abort();
}

// Numbers that mean something to a guest, or any.
static uint64_t number(void)
{
    static const uint64_t places[] = {
        0xfee00000, 0xfec00000, 0x100000, 0x8000,     0x1ff000, 0x3f8, 0xcf8,      0x40,       0x20,
        0xc0000080, 0x600,      0x70,     0x4b564d00, 0x6e0,    0x80,  1ull << 47, 1ull << 32, 0};
    unsigned kind = (unsigned)take(1);

    if (kind < 160)
        return places[kind % (sizeof(places) / sizeof(places[0]))] + take(kind & 1 ? 1 : 2);
    return take(kind % 9);
}

static void change_state(void)
{
    switch (take(1) % 12) {
    case 0:
        page.rflags = take(3) | 2;
        break;
    case 1:
        page.cr0 = take(4);
        break;
    case 2:
        page.cr3 = number();
        break;
    case 3:
        page.cr4 = take(3);
        break;
    case 4:
        page.efer = take(2);
        break;
    case 5: {
        struct vcpu_segment *s = &page.seg[take(1) % SEG_COUNT];
        s->attributes = (uint32_t)take(3);
        s->limit = (uint32_t)number();
        s->base = number();
        break;
    }
    case 6:
        page.shadow = (uint32_t)take(1);
        break;
    case 7: { // a page-table entry, or anything
        uint64_t at = number() % (FAKE_RAM - 8), entry = number() << 12 | take(1);
        memcpy(ram + at, &entry, sizeof(entry));
        break;
    }
    case 8:
        lapic_set_irr(&vm.chipset.lapic[0], (uint8_t)take(1), false);
        break;
    case 9: {
        uint8_t typed[3] = {(uint8_t)take(1), (uint8_t)take(1), 0};
        ring_write(&console_in, typed, sizeof(typed));
        CPU->bits |= 1;
        break;
    }
    case 10: // the processor's share, or what it would never do
        apic_page[take(2) % 1024] = (uint32_t)number();
        break;
    default:
        page.gpr[take(1) % 16] = number();
        break;
    }
}

static void one_exit(void)
{
    enum vcpu_exit exit = (enum vcpu_exit)(take(1) % EXIT_CLASSES);
    unsigned code = (unsigned)take(1) % 16;

    if (code) { // instruction bytes at RIP, as far as that is memory without paging
        page.rip = number();
        for (unsigned i = 0; i < code; i++)
            ram[(page.rip + i) % FAKE_RAM] = (uint8_t)take(1);
    }
    page.gpa = number();
    page.qualification = exit == EXIT_IO
                             ? IO_EXIT((uint16_t)number(), 1u << take(1) % 3, take(1) % 8 << 3)
                             : number();
    page.length = (uint32_t)take(1) % 16;
    page.event = (uint32_t)take(4);
    page.vectoring = take(1) % 8 == 0 ? (uint32_t)take(2) | EVENT_VALID : 0;
    if (page.vectoring)
        CPU->event = page.vectoring;
    fake_exit(exit);
    if (CPU->bits)
        vcpu_serve(CPU);
    inject_prepare(CPU);
    page.deadline = chipset_deadline(&vm.chipset, 0);
    check(!(page.dirty & ~(uint32_t)GROUP_ALL));
    check(!(page.window & ~(WINDOW_INTERRUPT | WINDOW_NMI)));
    check(memchr(vm.reason, 0, sizeof(vm.reason)));
    for (unsigned i = 0; i < EXIT_CLASSES; i++)
        check(!(page.want[i] & ~(uint32_t)GROUP_ALL));
    page.inject = 0;
    page.dirty = 0;
    if (vm.end) { // it would be over: go on with the next one
        vm.end = 0;
        CPU->event = 0;
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t size)
{
    data = input;
    left = size;
    fake_has_apic = take(1) & 1;
    fake_machine();
    if (setjmp(fake_end))
        return 0;
    while (left) {
        if (take(1) & 1)
            change_state();
        else
            one_exit();
    }
    return 0;
}
