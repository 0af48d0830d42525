// SPDX-License-Identifier: BSD-2-Clause
// Drives the guest of guest.S: see vcpu_drive.h.
#include <string.h>

#include "vcpu_drive.h"

bool guest_on_vmx, guest_has_apic;
enum status guest_status;

enum vcpu_exit guest_run(void)
{
    uint64_t exit = EXIT_CLASSES;

    guest_status = sys_vcpu_run(&exit);
    return guest_status == OK ? (enum vcpu_exit)exit : EXIT_CLASSES;
}

static const uint8_t *code(void)
{
    // Identity mapping, and flat segments but for real mode.
    return ram + ((page->rip < GUEST_BASE ? GUEST_BASE : 0) + page->rip) % GUEST_RAM;
}

// Length of the instructions that guest.S uses.
static unsigned length(void)
{
    const uint8_t *c = code();
    unsigned prefix = c[0] == 0x44 || c[0] == 0xf3 || c[0] == 0x48 || c[0] == 0x66;

    if (page->length)
        return page->length;
    c += prefix;
    if (c[0] != 0x0f)
        return prefix + (c[0] == 0xcd ? 2 : 1); // INT n; HLT, INT3
    return prefix +
           (c[1] == 0x01 || (c[1] >= 0x20 && c[1] <= 0x23) || c[1] == 0xc7 || c[1] == 0x78 ? 3 : 2);
}

void guest_skip(void)
{
    page->rip += length();
}

bool guest_is_ready(enum vcpu_exit exit)
{
    return exit == EXIT_IO && IO_PORT(page->qualification) == READY_PORT;
}

enum vcpu_exit guest_go(enum guest_command command)
{
    guest_skip();
    page->gpr[R12] = command;
    return guest_run();
}

bool guest_finish(void)
{
    return guest_is_ready(guest_run());
}

bool guest_plain(enum guest_command command)
{
    return guest_is_ready(guest_go(command));
}

void guest_inject(uint32_t type, uint32_t vector, uint32_t window)
{
    page->inject = EVENT_VALID | type << 8 | vector;
    page->window = window;
    page->dirty |= GROUP_INJECT;
}

uint32_t guest_count(unsigned vector)
{
    return ((volatile uint32_t *)(ram + GUEST_COUNTS))[vector];
}

void guest_emulate_cr(void)
{
    const uint8_t *c = code();
    unsigned rex = c[0] == 0x44, number = (c[rex + 2] >> 3 & 7) + 8 * rex, gpr = c[rex + 2] & 7;
    bool read = c[rex + 1] == 0x20;
    uint64_t *cr = number == 0   ? &page->cr0
                   : number == 3 ? &page->cr3
                   : number == 4 ? &page->cr4
                                 : NULL;

    if (page->qualification & CR_DECODED)
        ktest_check(CR_NUMBER(page->qualification) == number &&
                        !(page->qualification & CR_READ) == !read &&
                        CR_GPR(page->qualification) == gpr,
                    "CR access is decoded right");
    if (cr && read)
        page->gpr[gpr] = *cr;
    else if (cr)
        *cr = page->gpr[gpr];
    if (cr && !read)
        page->dirty |= GROUP_CR;
    guest_skip();
}

bool guest_settle(enum vcpu_exit exit)
{
    for (unsigned i = 0; i < 40; i++, exit = guest_run()) {
        if (guest_is_ready(exit))
            return true;
        if (exit == EXIT_CR) {
            guest_emulate_cr();
        } else if (exit == EXIT_RDMSR) {
            page->gpr[RAX] = (uint32_t)page->efer;
            page->gpr[RDX] = page->efer >> 32;
            guest_skip();
        } else if (exit == EXIT_WRMSR && page->gpr[RCX] == 0xc0000080) {
            page->efer = (uint32_t)page->gpr[RAX] | page->gpr[RDX] << 32;
            page->dirty |= GROUP_EFER_PAT;
            guest_skip();
        } else {
            break;
        }
    }
    ktest_log("unexpected exit %u reason 0x%x q 0x%lx rip 0x%lx gpa 0x%lx", exit, page->reason,
              page->qualification, page->rip, page->gpa);
    return false;
}

void guest_reset(void)
{
    const struct vcpu_segment data = {.attributes = 0x93, .limit = 0xffff};

    memset(ram, 0, GUEST_BASE);
    memcpy(ram + GUEST_BASE, guest_image, (size_t)(guest_image_end - guest_image));
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        page->seg[i] = data;
    page->seg[SEG_CS] = (struct vcpu_segment){
        .selector = GUEST_BASE / 16, .attributes = 0x9b, .limit = 0xffff, .base = GUEST_BASE};
    page->seg[SEG_LDTR] = (struct vcpu_segment){.attributes = 0x10000};
    page->seg[SEG_TR] = (struct vcpu_segment){.attributes = 0x8b, .limit = 0xffff};
    page->idtr_limit = 0x3ff;
    page->cr0 = 0x10;
    page->cr3 = page->cr4 = page->efer = page->gdtr_base = page->idtr_base = 0;
    page->pat = 0x0007040600070406;
    page->dr7 = 0x400;
    page->xcr0 = 1;
    page->rflags = 2;
    page->rip = 0;
    page->dirty = GROUP_ALL;
    for (unsigned i = 0; i < EXIT_CLASSES; i++)
        page->want[i] =
            i == EXIT_CR || i == EXIT_RDMSR || i == EXIT_WRMSR ? GROUP_CR | GROUP_EFER_PAT : 0;
}
