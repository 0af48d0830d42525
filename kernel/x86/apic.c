// SPDX-License-Identifier: BSD-2-Clause
// Local APIC: end of interrupt and the one-shot timer.
#include "apic.h"
#include "cpu.h"
#include "../sched.h"

#define APIC_ID        0x20
#define APIC_TPR       0x80
#define APIC_SPIV      0xf0
#define APIC_ICR_LOW   0x300
#define APIC_ICR_HIGH  0x310
#define APIC_LVT_TIMER 0x320
#define APIC_LVT_LINT0 0x350
#define APIC_LVT_LINT1 0x360
#define APIC_LVT_ERROR 0x370
#define APIC_INITIAL   0x380
#define APIC_CURRENT   0x390
#define APIC_DIVIDE    0x3e0
#define ICR_ASSERT     (1u << 14)
#define ICR_NMI        (4u << 8)
#define ICR_OTHERS     (3u << 18)
#define MASKED         (1u << 16)
#define TSC_DEADLINE   (2u << 17)

static uint64_t timer_ratio; // APIC timer ticks per TSC tick, 32.32 fixed point

static uint32_t apic_read(unsigned reg)
{
    return *(volatile uint32_t *)(DEVICES + reg);
}

static void apic_write(unsigned reg, uint32_t value)
{
    *(volatile uint32_t *)(DEVICES + reg) = value;
}

void pic_disable(void)
{
    // Away from the exceptions first: a spurious IRQ 7 may still arrive.
    static const uint8_t writes[][2] = {{0x20, 0x11}, {0xa0, 0x11}, {0x21, 0x20}, {0xa1, 0x28}, {0x21, 4},
                                        {0xa1, 2},    {0x21, 1},    {0xa1, 1},    {0x21, 0xff}, {0xa1, 0xff}};

    for (unsigned i = 0; i < sizeof(writes) / 2; i++)
        outb(writes[i][0], writes[i][1]);
}

void apic_cpu_init(void)
{
    wrmsr(MSR_APIC_BASE, rdmsr(MSR_APIC_BASE) | 1 << 11);
    apic_write(APIC_SPIV, 0x100 | VECTOR_SPURIOUS);
    apic_write(APIC_LVT_LINT0, MASKED);
    apic_write(APIC_LVT_LINT1, MASKED);
    apic_write(APIC_LVT_ERROR, MASKED);
    apic_write(APIC_LVT_TIMER, MASKED | VECTOR_TIMER);
    apic_write(APIC_TPR, 0);
    apic_write(APIC_DIVIDE, 0xb); // by 1
}

uint32_t apic_id(void)
{
    return apic_read(APIC_ID) >> 24;
}

// The write of the low half sends. Stores to an uncached page are not overtaken by it, so the receiver sees what was
// written before. The last one is not waited for (delivery status, for which the processor makes no promise since
// Pentium 4: SDM 3A 10.6.1): an APIC takes one when it can.
void apic_send(uint32_t id, uint32_t command)
{
    apic_write(APIC_ICR_HIGH, id << 24);
    apic_write(APIC_ICR_LOW, command);
}

void arch_ipi(struct cpu *cpu)
{
    apic_send(cpu->apic_id, ICR_ASSERT | VECTOR_IPI);
}

void apic_stop_others(void)
{
    apic_send(0, ICR_ASSERT | ICR_NMI | ICR_OTHERS);
}

// One measurement against channel 2 of the 8254, gated by port 0x61: 20 ms, without interrupts. Its error is returned:
// the time in which the count may have begun or ended.
static uint64_t calibrate_once(unsigned count, uint64_t *ticks, uint32_t *apic_ticks)
{
    uint8_t gate = inb(0x61) & 0xfc;
    uint64_t before, start, last, end;

    outb(0x61, gate);
    outb(0x43, 0xb0); // channel 2, mode 0
    outb(0x42, count & 0xff);
    before = arch_time();
    apic_write(APIC_INITIAL, 0xffffffff);
    outb(0x42, count >> 8); // begins with this, or with the gate: some emulators leave the gate aside
    outb(0x61, gate | 1);
    start = end = arch_time();
    do {
        last = end;
        bool over = inb(0x61) & 0x20;
        end = arch_time();
        if (over)
            break;
    } while (true);
    *apic_ticks = 0xffffffff - apic_read(APIC_CURRENT);
    *ticks = end - start;
    uint64_t error = start - before + (end - last) + (arch_time() - end);
    outb(0x61, gate);
    apic_write(APIC_INITIAL, 0);
    return error;
}

// HAZARD: in an emulator, or under system management, time passes between two instructions, and one clock may run ahead
// of the other. Two measurements in a row must be good and agree; when none do, the best of all counts.
void apic_timer_calibrate(void)
{
    const unsigned count = 23864, hz = 1193182, tries = 10;
    uint64_t best = UINT64_MAX, ticks = 1, before = 0;
    uint32_t apic_ticks = 1;

    for (unsigned i = 0, agree = 0; i < tries && !agree; i++) {
        uint64_t measured;
        uint32_t apic_measured;
        uint64_t error = calibrate_once(count, &measured, &apic_measured);
        uint64_t apart = measured > before ? measured - before : before - measured;

        agree = error <= measured / 2048 && apart <= measured / 1024;
        before = measured;
        if (measured && (agree || error < best)) {
            best = error;
            ticks = measured;
            apic_ticks = apic_measured;
        }
    }
    tsc_hz = ticks * hz / count;
    timer_ratio = ((uint64_t)apic_ticks << 32) / ticks;
}

void apic_timer_mode(void)
{
    apic_write(APIC_LVT_TIMER, features.tsc_deadline ? TSC_DEADLINE | VECTOR_TIMER : VECTOR_TIMER);
    asm volatile("mfence" ::: "memory"); // before the first WRMSR to the deadline: SDM 3A 10.5.4.1
}

void arch_timer_arm(uint64_t deadline)
{
    if (features.tsc_deadline) {
        wrmsr(MSR_TSC_DEADLINE, deadline == TIMER_NONE ? 0 : deadline);
        return;
    }
    if (deadline == TIMER_NONE) {
        apic_write(APIC_INITIAL, 0);
        return;
    }
    uint64_t now = arch_time(), left = deadline > now ? deadline - now : 0;
    // A deadline far away is approached in steps: the interrupt finds nothing expired, and arms again.
    left = left >> 30 ? 1ull << 30 : left;
    uint64_t count = left * timer_ratio >> 32;
    apic_write(APIC_INITIAL, count > 0xffffffff ? 0xffffffff : count ? count : 1);
}
