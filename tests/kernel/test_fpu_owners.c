// SPDX-License-Identifier: BSD-2-Clause
// Nobody sees another's extended state: host threads, a server and two guests fill every register
// that there is (x87, MXCSR, SSE, AVX, AVX-512, PKRU) with a pattern of their own, and at their
// next turn compare all of them. In between come other owners, in both directions, and everything
// that can take the registers away: calls, faults, refused entries, destruction, THREAD_FPU off and
// on, preemption at any instruction.
#include <string.h>

#include "vcpu_drive.h"

enum { HOST, OTHER_HOST, TASK_HOST, SERVER, GUEST, GUEST2, DISTURBER, ACTORS };
enum {
    THREAD = T,
    GO = T + 10,
    DONE = T + 20,
    GATE,
    LOOKER,
    LOOK_GATE,
    GUESTS = T + 30,
    TASKS = T + 40,
    RAMS = T + 50
};
enum what { PLAIN, CALL, FAULT, REFUSED, SPIN, LOOK, NARROW };

#define AREA      4096
#define GUEST_IN  0x40000
#define GUEST_OUT 0x42000

static struct actor {
    volatile uint64_t seed; // of its pattern; 0: the state after reset
    volatile enum what what;
    volatile unsigned turns, wrong, first; // first: offset of what was wrong first
    bool narrow;                           // a guest: XCR0 is 1
    volatile uint64_t answer;
} actors[ACTORS];
static uint8_t areas[ACTORS][2][AREA] __attribute__((aligned(64)));
static uint64_t components; // XCR0; 0: FXSAVE
static uint32_t offset[10], size[10];
static uint64_t seeds;
static volatile bool spin, over;
static uint64_t spin_ticks;

static void cpuid(uint32_t leaf, uint32_t sub, uint32_t r[4])
{
    __asm__ volatile("cpuid"
                     : "=a"(r[0]), "=b"(r[1]), "=c"(r[2]), "=d"(r[3])
                     : "a"(leaf), "c"(sub));
}

static void find_components(void)
{
    uint32_t r[4];

    cpuid(1, 0, r);
    components = 0;
    if (!(r[2] & 1u << 27)) // OSXSAVE
        return;
    cpuid(0xd, 0, r);
    components = r[0] & 0x2e7;
    if ((components & 0xe0) != 0xe0)
        components &= ~0xe0ull;
    for (unsigned i = 2; i < 10; i++) {
        cpuid(0xd, i, r);
        size[i] = r[0];
        offset[i] = r[1];
        if (i == 9 && r[1] < 576)
            offset[i] = 2688; // Bochs 2.7 does not tell it
    }
}

static void put(uint8_t *at, unsigned bytes, uint64_t seed)
{
    for (unsigned i = 0; i < bytes; i++) {
        seed = seed * 6364136223846793005 + 1442695040888963407;
        at[i] = (uint8_t)(seed >> 56);
    }
}

static void fill(uint8_t *area, uint64_t seed)
{
    memset(area, 0, AREA);
    area[0] = 0x7f;
    area[1] = 0x03;
    area[24] = 0x80;
    area[25] = 0x1f;
    if (!seed)
        return;
    area[1] = seed & 1 ? 0x0f : 0x0b; // rounding
    area[4] = 0xff;                   // all registers of the stack are in use
    area[25] = seed & 1 ? 0x7f : 0x3f;
    for (unsigned i = 0; i < 8; i++) {
        put(area + 32 + 16 * i, 10, seed + i);
        area[32 + 16 * i + 7] |= 0x80; // a number of normal form
    }
    put(area + 160, 256, seed + 100);
    for (unsigned i = 2; i < 10; i++)
        if (components >> i & 1)
            put(area + offset[i], i == 9 ? 4 : size[i], seed + 200 + i);
    *(uint64_t *)(area + 512) = components;
}

static unsigned differ(const uint8_t *a, const uint8_t *b, unsigned at, unsigned bytes)
{
    for (unsigned i = at; i < at + bytes; i++)
        if (a[i] != b[i])
            return i + 1;
    return 0;
}

// 0, or 1 + the offset of the first difference.
static unsigned compare(const uint8_t *a, const uint8_t *b)
{
    unsigned at = differ(a, b, 0, 2);

    at = at ? at : differ(a, b, 4, 1);
    at = at ? at : differ(a, b, 24, 4);
    for (unsigned i = 0; i < 8 && !at; i++)
        at = differ(a, b, 32 + 16 * i, 10);
    at = at ? at : differ(a, b, 160, 256);
    for (unsigned i = 2; i < 10 && !at; i++)
        if (components >> i & 1)
            at = differ(a, b, offset[i], i == 9 ? 4 : size[i]);
    return at;
}

static void check(unsigned n, const uint8_t *seen)
{
    struct actor *a = &actors[n];

    fill(areas[n][1], a->seed);
    unsigned at = compare(seen, areas[n][1]);
    if (at && !a->wrong++)
        a->first = at - 1;
    a->turns++;
}

static void read_all(uint8_t *area)
{
    memset(area, 0, AREA);
    if (components)
        __asm__ volatile("xsave64 (%0)" ::"r"(area), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxsave64 (%0)" ::"r"(area) : "memory");
}

static void write_all(const uint8_t *area)
{
    if (components)
        __asm__ volatile("xrstor64 (%0)" ::"r"(area), "a"(~0u), "d"(~0u) : "memory");
    else
        __asm__ volatile("fxrstor64 (%0)" ::"r"(area) : "memory");
}

static void look_and_change(unsigned n)
{
    read_all(areas[n][0]);
    check(n, areas[n][0]);
    actors[n].seed = ++seeds;
    fill(areas[n][1], actors[n].seed);
    write_all(areas[n][1]);
}

static void host(uint64_t n)
{
    struct message m = {0};
    uint64_t bits;

    for (;;) {
        sys_wait(GO + (unsigned)n, 0, &bits);
        look_and_change((unsigned)n);
        if (actors[n].what == CALL)
            sys_call(GATE, &m);
        else if (actors[n].what == FAULT)
            __asm__ volatile("ud2");
        else if (actors[n].what == SPIN)
            while (spin)
                ;
        read_all(areas[n][0]);
        check((unsigned)n, areas[n][0]);
        sys_raise(DONE, 1ull << n);
    }
}

static void server(uint64_t n)
{
    struct message m = {0};
    uint64_t badge;

    for (;;)
        if (sys_reply_wait(&m, &badge) == OK)
            look_and_change((unsigned)n);
}

// Comes whenever it likes.
static void disturber(uint64_t n)
{
    uint64_t bits;

    while (!over) {
        look_and_change((unsigned)n);
        sys_wait(GO + (unsigned)n, ktest_tsc() + ticks(37 + actors[n].turns % 23), &bits);
    }
    sys_raise(DONE, 1ull << n);
    for (;;)
        sys_wait(GO + (unsigned)n, 0, &bits);
}

// Without the FPU: which components are not in their state after reset, which XGETBV tells in spite
// of CR0.TS.
static void looker(uint64_t unused)
{
    struct message m = {0};
    uint64_t badge;

    (void)unused;
    for (;;) {
        if (sys_reply_wait(&m, &badge) != OK)
            continue;
        uint32_t low, high;
        __asm__ volatile("xgetbv" : "=a"(low), "=d"(high) : "c"(1));
        m = (struct message){0, {low}};
    }
}

// ---- guests
static bool guest_boot(void)
{
    guest_reset();
    if (!guest_is_ready(guest_run()))
        return false;
    guest_skip();
    if (!guest_settle(guest_run()))
        return false;
    guest_skip();
    page->want[EXIT_IO] = GROUP_ALL;
    if (!guest_settle(guest_run()))
        return false;
    page->cr4 |= components ? 1u << 18 : 0;
    page->xcr0 = components ? components : 1;
    page->dirty = GROUP_CR | GROUP_XSTATE;
    return guest_plain(G_nop);
}

static bool guest_turn(unsigned n)
{
    page->gpr[RSI] = GUEST_IN;
    memset(ram + GUEST_IN, 0, AREA);
    if (!guest_plain(components ? G_xsave : G_fxsave))
        return false;
    check(n, ram + GUEST_IN);
    return true;
}

static bool guest_refused(void)
{
    uint64_t cr4 = page->cr4;

    page->cr4 = cr4 & ~0x20ull; // long mode without PAE
    page->dirty = GROUP_CR;
    guest_skip();
    page->gpr[R12] = G_nop;
    bool ok = guest_run() == EXIT_INVALID;
    page->cr4 = cr4;
    page->dirty = GROUP_ALL;
    return ok && guest_finish();
}

static bool guest_step(unsigned n)
{
    struct message m = {0};
    bool ok = true;

    if (components && actors[n].turns) { // as it left it, whoever had the registers in between
        page->gpr[RCX] = 0;
        ok = guest_plain(G_xgetbv) && page->gpr[RAX] == (actors[n].narrow ? 1 : components);
    }
    page->xcr0 = components ? components : 1;
    page->dirty = GROUP_XSTATE;
    actors[n].narrow = false;
    ok = ok && guest_turn(n);

    actors[n].seed = ++seeds;
    fill(ram + GUEST_OUT, actors[n].seed);
    page->gpr[RSI] = GUEST_OUT;
    ok = ok && guest_plain(components ? G_xrstor : G_fxrstor);
    switch (actors[n].what) {
    case CALL:
        ok = ok && sys_call(GATE, &m) == OK;
        break;
    case REFUSED:
        ok = ok && guest_refused();
        break;
    case SPIN:
        page->deadline = ktest_tsc() + spin_ticks;
        ok = ok && guest_go(G_spin) == EXIT_DEADLINE;
        page->deadline = UINT64_MAX;
        page->rip = page->gpr[R13];
        ok = ok && guest_finish();
        break;
    case LOOK:
        ok = ok && sys_call(LOOK_GATE, &m) == OK;
        actors[n].answer = m.w[0];
        break;
    default:
        break;
    }
    ok = ok && guest_turn(n);
    if (actors[n].what == NARROW && components) { // the wide registers are full all the same
        page->xcr0 = 1;
        page->dirty = GROUP_XSTATE;
        actors[n].narrow = true;
        ok = ok && guest_plain(G_nop);
    }
    return ok;
}

static void vmm(uint64_t n)
{
    bool ok = guest_boot();

    actors[n].narrow = false;

    uint64_t bits;

    for (;;) {
        sys_wait(GO + (unsigned)n, 0, &bits);
        bool good = ok && guest_step((unsigned)n);
        if (ok && !good)
            ktest_log("guest %lu: turn %u, %s, exit %u reason 0x%x q 0x%lx rip 0x%lx r14 0x%lx", n,
                      (unsigned)actors[n].what, status_name(guest_status), page->exit, page->reason,
                      page->qualification, page->rip, page->gpr[R14]);
        ok = good;
        sys_raise(DONE, ok ? 1ull << n : 1ull << 32);
    }
}

// ---- the one who says whose turn it is
static unsigned task_of(unsigned n)
{
    return n == TASK_HOST || n == GUEST || n == GUEST2 ? TASKS + n : SLOT_TASK;
}

static void make(unsigned n)
{
    void (*entry)(uint64_t) = n == SERVER                 ? server
                              : n == DISTURBER            ? disturber
                              : n == GUEST || n == GUEST2 ? vmm
                                                          : host;

    actors[n].seed = 0;
    if (entry == vmm) {
        EXPECT_OK(sys_create_vcpu(SLOT_POOL, THREAD + n, task_of(n), 0, 10, GUESTS + n, PAGE_VIEW));
    } else {
        EXPECT_OK(sys_create_thread(SLOT_POOL, THREAD + n, task_of(n),
                                    n == SERVER ? THREAD_WORKER : THREAD_ACTIVE, 0,
                                    n == DISTURBER ? 50 : 10));
        EXPECT_OK(sys_thread_set(THREAD + n, THREAD_FPU, 1));
    }
    static uint8_t stacks[ACTORS][8192] __attribute__((aligned(16)));
    EXPECT_OK(sys_thread_start(THREAD + n, (uint64_t)entry,
                               (uint64_t)stacks[n] + sizeof(stacks[n]) - 8, n));
    if (n == SERVER) {
        EXPECT_OK(sys_create_gate(SLOT_POOL, GATE, THREAD + n, 0));
        for (unsigned i = 0; i < ACTORS; i++)
            if (actors[i].answer && task_of(i) != SLOT_TASK) {
                sys_cap_drop(task_of(i), GATE);
                give(task_of(i), GATE, GATE, RIGHT_CALL);
            }
    }
}

static void make_task(unsigned n)
{
    actors[n].answer = 1; // it is there
    if (task_of(n) == SLOT_TASK)
        return;
    EXPECT_OK(sys_create(SLOT_POOL, OBJ_TASK, TASKS + n, CAP_NONE, 0, PRIORITY_COUNT - 1, n,
                         0)); // a domain of its own
    EXPECT_OK(program_map(TASKS + n, true));
    give(TASKS + n, GO + n, GO + n, RIGHT_WAIT);
    give(TASKS + n, DONE, DONE, RIGHT_RAISE);
    give(TASKS + n, LOOK_GATE, LOOK_GATE, RIGHT_CALL);
    if (n != TASK_HOST) {
        EXPECT_OK(ram_new(RAMS + n, n * GUEST_RAM, GUEST_RAM));
        EXPECT_OK(sys_map(TASKS + n, RAMS + n, 0, RAM_VIEW, GUEST_RAM, MAP_READ | MAP_WRITE));
        EXPECT_OK(sys_create_guest(SLOT_POOL, GUESTS + n));
        EXPECT_OK(sys_map(GUESTS + n, RAMS + n, 0, 0, GUEST_RAM, MAP_READ | MAP_WRITE | MAP_EXEC));
    }
}

static bool done(uint64_t mask)
{
    static uint64_t got;
    uint64_t bits;

    for (unsigned i = 0; i < 400 && !(got & mask); i++)
        if (sys_wait(DONE, ktest_tsc() + ticks(10000), &bits) == OK)
            got |= bits;
    bool ok = (got & mask) == mask && !(got >> 32);
    EXPECT(!(got >> 32));
    if (!ok) {
        unsigned n = __builtin_ctzll(mask);
        struct message m = {THREAD_FAULT, {0}}, r = {THREAD_READ, {0}};
        sys_thread_ctl(THREAD + n, &m);
        sys_thread_ctl(THREAD + n, &r);
        ktest_fail(
            __FILE__, __LINE__,
            "actor %u does not end %u: state %lu, vector %lu at 0x%lx, address 0x%lx, sp 0x%lx", n,
            (unsigned)actors[n].what, m.w[4], m.w[0], m.w[3], m.w[2], r.w[1]);
    }
    got &= ~(mask | 1ull << 32);
    return ok;
}

static bool turn(unsigned n, enum what what)
{
    actors[n].what = what;
    return sys_raise(GO + n, 1) == OK && done(1ull << n);
}

static void spy(uint64_t unused)
{
    uint64_t value;

    (void)unused;
    __asm__ volatile("movq %%xmm0, %0" : "=r"(value));
}

static void spies(unsigned n)
{
    struct fault f = probe(SLOT_TASK, spy, 0);

    EXPECT(!f.ended && f.vector == 7);
    f = probe(task_of(n), spy, 0); // in the owner's own task
    EXPECT(!f.ended && f.vector == 7);
}

// It faults while it is the owner; the others go on; then it goes on itself.
static void fault_turn(unsigned n, unsigned other)
{
    struct message m = {THREAD_READ, {0}};

    actors[n].what = FAULT;
    sys_raise(GO + n, 1);
    WAIT_UNTIL(thread_report_of(THREAD + n) == REPORT_FAULTED);
    spies(n);
    turn(other, PLAIN);
    EXPECT_OK(sys_thread_ctl(THREAD + n, &m));
    m.label = THREAD_WRITE;
    m.w[0] += 2;
    EXPECT_OK(sys_thread_ctl(THREAD + n, &m));
    EXPECT_OK(sys_thread_set(THREAD + n, THREAD_RESUME, 0));
    done(1ull << n);
}

// Spinning, it is taken off the CPU by another that then owns the registers.
static void spin_turn(unsigned n, unsigned other)
{
    actors[n].what = SPIN;
    spin = true;
    EXPECT_OK(sys_thread_set(THREAD + other, THREAD_PRIORITY, 20));
    sys_raise(GO + n, 1);
    sleep_us(100);
    turn(other, PLAIN);
    EXPECT_OK(sys_thread_set(THREAD + other, THREAD_PRIORITY, 10));
    spin = false;
    done(1ull << n);
}

static void again(unsigned n)
{
    if (n == SERVER)
        EXPECT_OK(sys_destroy(GATE));
    EXPECT_OK(sys_destroy(THREAD + n));
    make(n);
}

static void step(unsigned n, unsigned other, unsigned kind)
{
    const bool is_guest = n == GUEST || n == GUEST2;

    switch (kind) {
    case 0:
        again(n); // the owner, mostly
        spies(n);
        turn(n, PLAIN);
        break;
    case 1:
        if (!is_guest) {
            EXPECT_OK(sys_thread_set(THREAD + n, THREAD_FPU, 0));
            EXPECT_OK(sys_thread_set(THREAD + n, THREAD_FPU, 1));
            actors[n].seed = 0;
        }
        turn(n, is_guest ? NARROW : PLAIN);
        break;
    case 2:
        if (is_guest)
            turn(n, REFUSED);
        else if (n != other)
            fault_turn(n, other);
        break;
    case 3:
        if (is_guest)
            turn(n, SPIN);
        else if (n != other)
            spin_turn(n, other);
        break;
    case 4:
    case 5:
        turn(n, CALL);
        break;
    case 6:
        turn(n, PLAIN);
        spies(n);
        break;
    case 7:
        again(SERVER);
        turn(n, CALL);
        break;
    default:
        turn(n, PLAIN);
        turn(other, PLAIN);
        turn(n, PLAIN);
        break;
    }
}

static bool leaves_no_trace(void)
{
    uint32_t r[4];

    cpuid(0, 0, r);
    bool intel = r[2] == 0x6c65746e;
    cpuid(7, 0, r);
    bool tells = r[3] & 1u << 29;
    cpuid(0xd, 1, r);
    return intel && !tells && r[0] & 4 && components & 4; // XGETBV with ECX = 1
}

void tests_fpu_owners(void)
{
    static const unsigned all[] = {HOST, OTHER_HOST, TASK_HOST, GUEST, GUEST2};
    bool guests = boot->virt != VIRT_NONE && !(machine_bochs && boot->virt == VIRT_SVM);
    unsigned count = guests ? 5 : 3, turns = 0, wrong = 0;
    uint64_t x = 88172645463325252ull;

    find_components();
    memset(actors, 0, sizeof(actors));
    over = false;
    spin_ticks = ticks(300);
    EXPECT_OK(sys_create_signal(SLOT_POOL, DONE));
    for (unsigned n = 0; n < ACTORS; n++)
        EXPECT_OK(sys_create_signal(SLOT_POOL, GO + n));
    EXPECT_OK(thread_new(LOOKER, SLOT_TASK, THREAD_WORKER, 10, looker, 0));
    EXPECT_OK(sys_create_gate(SLOT_POOL, LOOK_GATE, LOOKER, 0));
    guest_on_vmx = boot->virt == VIRT_VMX;
    for (unsigned i = 0; i < count; i++)
        make_task(all[i]);
    make(SERVER);
    for (unsigned i = 0; i < count; i++)
        make(all[i]);
    make(DISTURBER);
    for (unsigned i = 0; i < 400; i++) {
        x ^= x << 13, x ^= x >> 7, x ^= x << 17;
        step(all[x % count], all[x / 8 % count], i % 3 ? 8 : x / 64 % 8);
    }
    over = true;
    done(1ull << DISTURBER);
    // LazyFP: where CR0.TS does not stop it, a call that leaves the VM leaves nothing in the
    // registers, either.
    if (guests && leaves_no_trace()) {
        turn(GUEST, LOOK);
        EXPECT_EQ(actors[GUEST].answer & components & ~3ull, 0);
    }
    for (unsigned n = 0; n < ACTORS; n++) {
        if (actors[n].wrong)
            ktest_fail(__FILE__, __LINE__,
                       "actor %u saw another's state %u times, first at byte %u of the area", n,
                       actors[n].wrong, actors[n].first);
        turns += actors[n].turns;
        wrong += actors[n].wrong;
    }
    EXPECT_EQ(wrong, 0);
    ktest_log("extended state: components 0x%lx, %u guests, %u comparisons, the disturber's %u",
              components, count - 3, turns, actors[DISTURBER].turns);
    EXPECT(turns > 500 && actors[DISTURBER].turns > 20);
}
