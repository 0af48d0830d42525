// SPDX-License-Identifier: BSD-2-Clause
// Interrupts of the 8254 (GSI 2), for the counter: it takes the samples, these functions only say
// between two markers what runs when they come.
#include "kbench.h"

#define PIT_DIVISOR 239 // 1.193182 MHz / 239: 4,992 Hz
#define PIT_GSI     2   // ISA interrupt 0, as the MADT of PCs has it
#define INTERVAL    (boot->tsc_hz / 20)

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

void irq_bind(unsigned signal)
{
    must(sys_create_irq(SLOT_POOL, SLOT_IRQ, SLOT_HW, PIT_GSI, signal, 0), "bind the interrupt");
}

static void pit_start(void)
{
    const struct boot_mem *m = boot->mem, *end = m + boot->mem_count;

    while (m < end && !(m->kind == MEM_PORTS && m->base <= 0x40 && m->base + m->size > 0x43))
        m++;
    must(m < end ? sys_create_mem(SLOT_POOL, SLOT_PIT_PORTS, m->cap, 0x40 - m->base, 4) : ERR_CAP,
         "the ports of the 8254");
    must(sys_map(SLOT_TASK, SLOT_PIT_PORTS, 0, 0, 4, MAP_READ | MAP_WRITE), "map ports");
    out(0x43, 0x34); // channel 0, mode 2
    out(0x40, PIT_DIVISOR & 0xff);
    out(0x40, PIT_DIVISOR >> 8);
}

void bench_irq(void)
{
    uint64_t bits, end;

    server_irq_start();
    pit_start();
    irq_bind(SLOT_IRQ_SIGNAL);
    LOOP(MARK_BEGIN(MARK_IRQ_IDLE));
    sys_wait(SLOT_QUIET, tsc() + INTERVAL, &bits);
    LOOP(MARK_END(MARK_IRQ_IDLE) MARK_BEGIN(MARK_IRQ_USER));
    for (end = tsc() + INTERVAL; tsc() < end;)
        ;
    LOOP(MARK_END(MARK_IRQ_USER));
    must(sys_destroy(SLOT_IRQ), "end the interrupts");
}
