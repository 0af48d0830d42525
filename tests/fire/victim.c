// SPDX-License-Identifier: BSD-2-Clause
// What the victims do. HAZARD: they share this program's code but not its variables: only
// registers, their stack and constants. Any of their calls may fail, any access may fault, and they
// end where they stand.
#include "fire.h"

static void touch(uint64_t random)
{
    volatile uint8_t *byte = (volatile uint8_t *)(TOUCH + random % TOUCH_SIZE);

    if (random & 1ull << 40)
        *byte = (uint8_t)random;
    else
        (void)*byte;
}

// Any call with numbers of about the right size, on whatever is in the slot.
static bool meddle(uint64_t *x)
{
    static const uint8_t ops[] = {SYS_CREATE,   SYS_DESTROY,    SYS_REVOKE,   SYS_CAP_COPY,
                                  SYS_CAP_DROP, SYS_MAP,        SYS_MAP,      SYS_UNMAP,
                                  SYS_UNMAP,    SYS_THREAD_CTL, SYS_TASK_CTL, SYS_VCPU_CTL};
    uint64_t r = fire_random(x), w[5];
    enum sys_op op = ops[r % sizeof(ops)];
    uint64_t label = 0, slot = 1 + (r >> 8) % VICTIM_SLOTS;

    for (unsigned i = 0; i < 5; i++)
        w[i] = 1 + fire_random(x) % VICTIM_SLOTS;
    switch (op) {
    case SYS_CREATE:
        label = (1 + (r >> 16) % OBJ_SIGNAL) | (1 + (r >> 24) % VICTIM_SLOTS) << 16;
        if ((label & 0xff) == OBJ_MEM)
            w[1] *= PAGE, w[2] = PAGE << (r >> 32) % 6;
        break;
    case SYS_MAP:
        label = 1 + (r >> 16) % VICTIM_SLOTS;
        w[0] = 0;
        w[1] = TOUCH + (r >> 24) % TOUCH_SIZE / PAGE * PAGE;
        w[2] = PAGE << (r >> 32) % 5;
        w[3] = MAP_READ | MAP_WRITE;
        break;
    case SYS_UNMAP:
        w[0] = TOUCH + (r >> 24) % TOUCH_SIZE / PAGE * PAGE;
        w[1] = PAGE << (r >> 32) % 5;
        break;
    case SYS_THREAD_CTL:
        label = (r >> 16) % (THREAD_FPU + 1);
        w[0] = label == THREAD_START ? (uint64_t)victim : w[0];
        break;
    default:
        w[3] = RIGHT_ALL;
        break;
    }
    return sys_invoke6(op, slot, label, w[0], w[1], w[2], w[3], w[4], 0) == OK;
}

static void guest_reset(struct vcpu_page *page)
{
    const struct vcpu_segment data = {.attributes = 0x93, .limit = 0xffff};

    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        page->seg[i] = data;
    page->seg[SEG_CS] = (struct vcpu_segment){
        .selector = GUEST_CODE / 16, .attributes = 0x9b, .limit = 0xffff, .base = GUEST_CODE};
    page->seg[SEG_LDTR] = (struct vcpu_segment){.attributes = 0x10000};
    page->seg[SEG_TR] = (struct vcpu_segment){.attributes = 0x8b, .limit = 0xffff};
    page->idtr_limit = 0x3ff;
    page->cr0 = 0x10;
    page->pat = 0x0007040600070406;
    page->dr7 = 0x400;
    page->xcr0 = 1;
    page->rflags = 2;
    page->dirty = GROUP_ALL;
}

// A tiny guest: spins, exits, touches memory. It leaves by an exit, its deadline, or a kick.
static bool run_guest(struct vcpu_page *page, uint64_t *x)
{
    uint64_t r = fire_random(x), exit;

    if (!page->cr0 || page->exit == EXIT_INVALID || r % 32 == 0)
        guest_reset(page);
    page->rip = r % GUEST_KINDS * 16;
    page->deadline = fire_tsc() + (r >> 8) % 60000;
    return sys_vcpu_run(&exit) == OK;
}

static void act(uint64_t *x, struct trail *trail)
{
    uint64_t r = fire_random(x), bits;
    unsigned slot = 1 + (r >> 8) % VICTIM_SLOTS;
    struct message message = {r, {r >> 1, r >> 2, r >> 3, r >> 4, r >> 5, r >> 6}};

    switch (r % 16) {
    case 0:
    case 1:
    case 2:
        trail->calls += sys_call(slot, &message) == OK;
        break;
    case 3:
    case 4:
        sys_raise(slot, r >> 16);
        break;
    case 5:
    case 6:
        trail->waits += sys_wait(slot, fire_tsc() + (r >> 16) % 20000, &bits) == OK;
        break;
    case 7:
        sys_yield();
        break;
    case 8:
        trail->meddled += meddle(x);
        break;
    case 9:
        touch(r >> 8);
        break;
    case 10:
    case 11:
        for (unsigned i = 0; i < (r >> 8) % 256; i++)
            __asm__ volatile("pause");
        break;
    default: // not a worker: an error at once
        trail->served += sys_reply_wait(&message, &bits) == OK;
        break;
    }
}

void victim(uint64_t argument)
{
    uint64_t x = argument | 1, number = argument & 0xffff;
    struct vcpu_page *page =
        argument & VICTIM_VCPU ? (struct vcpu_page *)(VCPU_PAGES + number * PAGE) : NULL;
    struct trail *trail = (struct trail *)(STACKS + number * PAGE);

    for (;; trail->acts++) {
        if (page && fire_random(&x) % 4)
            trail->entered += run_guest(page, &x);
        else
            act(&x, trail);
    }
}
