// SPDX-License-Identifier: BSD-2-Clause
// A hostile task: random system calls with any number in any register, from a compartment of its
// own with capabilities to nearly everything in it. It may destroy itself and often does; then it
// is built anew and goes on. The seed is fixed. What must hold: the kernel lives, others do not
// notice, and the destroyed compartment gives everything back.
#include <string.h>

#include "ktest.h"

enum {
    POOL = T,
    POOL_MEM,
    OUTER,
    OUTER_MEM,
    MEM,
    TASK,
    FAULT,
    STATE_MEM,
    MAIN,
    TARGET = T + 20,
    TARGETS = 24
};

#define STATE    VIEW2 // the task's only writable page and stack: what it needs to go on after it died
#define CALLS    40000u
#define PRIORITY 30

struct state {
    uint64_t random, calls, limit; // limit: of this compartment, so that fresh ones come
    uint64_t by_status[STATUS_COUNT], by_op[SYS_COUNT + 1];
    uint64_t op, slot, label, w[6]; // of the present call, for the report
};

static struct state *const state = (struct state *)STATE;

__attribute__((always_inline)) static inline uint64_t next(struct state *s)
{
    s->random ^= s->random << 13;
    s->random ^= s->random >> 7;
    s->random ^= s->random << 17;
    return s->random;
}

// Half of them near what makes sense: an error of the first check shows nothing.
__attribute__((always_inline)) static inline uint64_t value(struct state *s)
{
    uint64_t r = next(s), n = next(s);

    switch (r % 12) {
    case 0:
        return 0;
    case 1:
        return n % 8;
    case 2:
        return n % 32;
    case 3:
        return n % 64 * PAGE;
    case 4:
        return (n % 64 + 1) * PAGE;
    case 5:
        return VIEW + n % 512 * PAGE;
    case 6:
        return n % 8 + 1 + (n >> 8) % 32 * 65536; // type and slot of create
    case 7:
        return USER_END - n % 3 * PAGE;
    case 8:
        return 1ull << n % 64;
    case 9:
        return -(n % 8 * PAGE);
    case 10:
        return n & 0xffff;
    default:
        return n;
    }
}

// Slots of a hostile task that fit an operation: first and count, of what build() gives it.
enum {
    H_SIGNAL = 1,
    H_MEM = 4,
    H_THREAD = 7,
    H_GATE = 10,
    H_TASK2,
    H_POOL_MEM,
    H_POOL2,
    H_GUEST,
    H_VCPU,
    H_TASK,
    H_POOL,
    H_MAIN,
    H_BIG_MEM,
    H_NEW = 24,
    H_NEW_COUNT = 40
};

// A call that may well succeed: the object fits, the numbers are of the right size.
static void sensible(struct state *s)
{
    uint64_t n = next(s), m = n >> 16;

    s->w[1] = VIEW + n % 64 * PAGE;
    switch (s->op) {
    case SYS_CALL:
        s->slot = H_GATE;
        break;
    case SYS_RAISE:
    case SYS_WAIT:
        s->slot = H_SIGNAL + n % 3;
        s->w[0] = 1; // a deadline that is past
        break;
    case SYS_CREATE:
        s->slot = n % 4 ? H_POOL : H_POOL2;
        s->label = m % OBJ_DEVICE | (H_NEW + (m >> 8) % H_NEW_COUNT) << 16;
        switch (m % OBJ_DEVICE) {
        case OBJ_MEM:
            s->w[0] = m & 0x100000 ? H_BIG_MEM : H_MEM + n % 3;
            s->w[1] = (m >> 4) % 512 * PAGE;
            s->w[2] = (m >> 12) % 32 * PAGE;
            break;
        case OBJ_POOL:
            s->w[0] = H_MEM + n % 8 * 4;
            s->w[1] = m % 32;
            break;
        case OBJ_TASK:
            s->w[0] = n % 3 ? CAP_NONE : H_SIGNAL;
            s->w[1] = s->w[2] = n % 64;
            break;
        case OBJ_THREAD:
            s->w[0] = m & 0x100000 ? H_TASK : H_TASK2;
            s->w[1] = n % 3;
            s->w[2] = n % 30;
            s->w[3] = H_GUEST;
            s->w[4] = VIEW + m % 16 * PAGE;
            break;
        case OBJ_GATE:
            s->w[0] = H_THREAD + n % 3;
            break;
        }
        break;
    case SYS_DESTROY:
    case SYS_REVOKE:
        s->slot = n % 8 ? H_NEW + m % H_NEW_COUNT : 1 + m % 24;
        break;
    case SYS_CAP_COPY:
        s->slot = s->w[1] = n % 3 ? H_TASK : H_TASK2;
        s->w[0] = 1 + m % 64;
        s->w[2] = H_NEW + (m >> 8) % H_NEW_COUNT;
        s->w[3] &= 0xfff;
        break;
    case SYS_CAP_DROP:
        s->slot = n % 3 ? H_TASK : H_TASK2;
        s->w[0] = H_NEW + m % H_NEW_COUNT;
        break;
    case SYS_MAP:
        s->slot = n % 3 == 0 ? H_TASK : n % 3 == 1 ? H_TASK2 : H_GUEST;
        s->label = n % 2 ? H_MEM + m % 3 : H_BIG_MEM;
        s->w[0] = (m >> 8) % 64 * PAGE;
        s->w[2] = (m >> 16) % 64 * PAGE;
        s->w[3] = 1 | m % 8;
        break;
    case SYS_UNMAP:
        s->slot = n % 4 == 0 ? H_TASK : n % 4 == 1 ? H_TASK2 : n % 4 == 2 ? H_GUEST : H_MEM + m % 3;
        s->w[0] = VIEW + m % 64 * PAGE;
        s->w[1] = (m >> 8) % 64 * PAGE;
        break;
    case SYS_THREAD_CTL:
        s->slot = H_THREAD + m % 9;
        s->label = n % 10 == THREAD_STOP && m % 4 ? THREAD_READ : n % 10;
        break;
    case SYS_TASK_CTL:
        s->slot = n % 2 ? H_TASK : H_TASK2;
        s->label %= 2;
        break;
    case SYS_VCPU_CTL:
        s->slot = H_VCPU;
        s->label = 0;
        s->w[0] = H_SIGNAL + n % 3;
        break;
    }
}

// HAZARD: it runs in a task without this program's variables: nothing but its page and the stack in
// it.
static void hostile(uint64_t address)
{
    struct state *s = (struct state *)address;

    while (s->calls < s->limit) {
        uint64_t op = next(s) % 24, slot = next(s) % 5 ? next(s) % 32 : value(s);
        if (op == SYS_LOG)
            op = SYS_MAP; // the results are printed there
        if (op == SYS_WAIT && next(s) % 4)
            op = SYS_CREATE; // it would mostly sleep
        if (op == SYS_DESTROY && next(s) % 2)
            op = SYS_CALL;
        s->op = op;
        s->slot = slot & 0xffff;
        s->label = value(s);
        for (unsigned i = 0; i < 6; i++)
            s->w[i] = value(s);
        if (next(s) % 4)
            sensible(s);
        op = s->op;
        s->by_op[op < SYS_COUNT ? op : SYS_COUNT]++;
        s->calls++;
        enum status status = sys_invoke6((enum sys_op)op, s->slot, s->label, s->w[0], s->w[1],
                                         s->w[2], s->w[3], s->w[4], s->w[5]);
        if (status < STATUS_COUNT)
            s->by_status[status]++;
        else
            s->by_status[0] += 1ull << 32; // reported below
    }
}

static void build(void)
{
    EXPECT_OK(ram_new(POOL_MEM, 0x1000000, 512 * PAGE));
    // What the hostile task may revoke lives in a pool that it cannot name.
    EXPECT_OK(ram_new(OUTER_MEM, 0x1400000, 16 * PAGE));
    EXPECT_OK(sys_create_pool(SLOT_POOL, OUTER, OUTER_MEM, 10));
    EXPECT_OK(sys_create_mem(OUTER, MEM, ram_slot, ram_offset + 0x400000, 512 * PAGE));
    EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, POOL_MEM, 200));
    EXPECT_OK(sys_create_signal(SLOT_POOL, FAULT));
    EXPECT_OK(sys_create_task(POOL, TASK, FAULT, 0, PRIORITY + 5));
    EXPECT_OK(program_map(TASK, false));
    EXPECT_OK(sys_map(TASK, STATE_MEM, 0, STATE, 4 * PAGE, MAP_READ | MAP_WRITE));
    EXPECT_OK(sys_create_thread(POOL, MAIN, TASK, THREAD_ACTIVE, 0, PRIORITY));
    for (unsigned i = 0; i < 3; i++) {
        EXPECT_OK(sys_create_signal(POOL, TARGET + i));
        EXPECT_OK(sys_create_mem(POOL, TARGET + 3 + i, MEM, i * 64 * PAGE, 64 * PAGE));
        EXPECT_OK(sys_create_thread(POOL, TARGET + 6 + i, TASK, i ? THREAD_WORKER : THREAD_ACTIVE,
                                    0, PRIORITY - 1));
    }
    EXPECT_OK(sys_create_gate(POOL, TARGET + 9, TARGET + 7, 7));
    EXPECT_OK(sys_create_task(POOL, TARGET + 10, TARGET, 3, PRIORITY));
    EXPECT_OK(sys_create_mem(POOL, TARGET + 11, MEM, 256 * PAGE, 64 * PAGE));
    EXPECT_OK(sys_create_pool(POOL, TARGET + 12, TARGET + 11, 20));
    if (boot->virt != VIRT_NONE) {
        EXPECT_OK(sys_create_guest(POOL, TARGET + 13));
        EXPECT_OK(
            sys_create_vcpu(POOL, TARGET + 14, TASK, 0, PRIORITY - 1, TARGET + 13, 0x78000000));
    }
    for (unsigned i = 0; i < 15; i++)
        sys_cap_copy(SLOT_TASK, TARGET + i, TASK, i + 1, 15);
    give(TASK, TASK, 16, RIGHT_ALL);
    give(TASK, POOL, 17, RIGHT_ALL);
    give(TASK, MAIN, 18, RIGHT_ALL);
    give(TASK, MEM, 19, RIGHT_ALL);
    give(TASK, FAULT, 20, RIGHT_RAISE);
    give(TASK, SLOT_INFO, 21, RIGHT_READ);
    give(TASK, SLOT_HW, 22, 0); // without the right it must be worth nothing
    EXPECT_OK(sys_thread_start(MAIN, (uint64_t)hostile, STATE + 4 * PAGE - 8, STATE));
    // The others run the same, on the same page and stacks of their own: calls meet workers in all
    // states.
    EXPECT_OK(sys_thread_start(TARGET + 7, (uint64_t)hostile, STATE + 3 * PAGE - 8, STATE));
    EXPECT_OK(sys_thread_start(TARGET + 8, (uint64_t)hostile, STATE + 2 * PAGE - 8, STATE));
}

static void tear_down(void)
{
    EXPECT_OK(sys_destroy(OUTER));
    EXPECT_OK(sys_destroy(OUTER_MEM));
    EXPECT_OK(sys_destroy(POOL_MEM));
    EXPECT_OK(sys_destroy(FAULT));
    for (unsigned slot = T; slot < T + 60; slot++)
        if (slot != STATE_MEM)
            sys_cap_drop(SLOT_TASK, slot);
}

static void t_fuzz(void)
{
    const unsigned wanted = machine_bochs ? CALLS / 8 : CALLS;
    unsigned built = 0;
    uint64_t slots, pages = 0;

    EXPECT_OK(ram_new(STATE_MEM, 0, 4 * PAGE));
    EXPECT_OK(sys_map(SLOT_TASK, STATE_MEM, 0, STATE, 4 * PAGE, MAP_READ | MAP_WRITE));
    memset(state, 0, 4 * PAGE);
    state->random = 0x2545f4914f6cdd1d;
    slots = slots_free(SLOT_POOL);
    while (state->calls < wanted && built < 3000) {
        uint64_t calls, bits;
        state->limit = state->calls + 300;
        build();
        built++;
        do {
            calls = state->calls;
            for (unsigned i = 0; i < 10 && calls == state->calls; i++)
                sys_wait(FAULT, ktest_tsc() + ticks(machine_bochs ? 100 : 300), &bits);
        } while (calls != state->calls &&
                 state->calls < state->limit); // until it faulted, died, or sleeps for good
        tear_down();
        EXPECT_EQ(slots_free(SLOT_POOL), slots);
        if (built > 1)
            EXPECT_EQ(pages_free(SLOT_POOL), pages);
        pages = pages_free(SLOT_POOL);
        // A wild thread may have written over the page; a generator of zero stands still.
        state->random = state->random ? state->random : built * 0x9e3779b97f4a7c15;
    }
    EXPECT(state->calls >= wanted);
    EXPECT(!(state->by_status[0] >> 32)); // a status that there is none
    ktest_log("fuzz: %lu calls, %u compartments, %lu of them OK", state->calls, built,
              state->by_status[OK]);
    for (unsigned status = OK; status < STATUS_COUNT; status++)
        ktest_log("fuzz: %lu %s", state->by_status[status], status_name(status));
    EXPECT_OK(sys_unmap_all(STATE_MEM));
}

void tests_fuzz(void)
{
    ktest_run("fuzz/system-calls", t_fuzz);
}
