// SPDX-License-Identifier: BSD-2-Clause
// I/O ports by the permission bitmap, and interrupt objects with real devices: the 8254, the RTC,
// the serial port.
#include "ktest.h"

enum {
    PORTS = T,
    TASK,
    TASK2,
    SIGNAL,
    IRQ,
    WEAK,
    IRQ2,
    RTC_PORTS,
    COM_PORTS,
    ALL_PORTS,
    MEM,
    POOL
};

static unsigned ports_slot(uint64_t port, uint64_t *offset)
{
    for (unsigned i = 0; i < boot->mem_count; i++)
        if (boot->mem[i].kind == MEM_PORTS && port >= boot->mem[i].base &&
            port < boot->mem[i].base + boot->mem[i].size) {
            *offset = port - boot->mem[i].base;
            return boot->mem[i].cap;
        }
    return FREE_SLOT;
}

static enum status ports_new(unsigned slot, uint64_t port, uint64_t count)
{
    uint64_t offset = 0;
    unsigned from = ports_slot(port, &offset);

    return sys_create_mem(SLOT_POOL, slot, from, offset, count);
}

static uint8_t in(uint16_t port)
{
    uint8_t value;

    __asm__ volatile("inb %1, %0" : "=a"(value) : "Nd"(port));
    return value;
}

static void out(uint16_t port, uint8_t value)
{
    __asm__ volatile("outb %0, %1" ::"a"(value), "Nd"(port));
}

static void in8(uint64_t port)
{
    in((uint16_t)port);
}

static void in32(uint64_t port)
{
    uint32_t value;

    __asm__ volatile("inl %1, %0" : "=a"(value) : "Nd"((uint16_t)port));
}

static bool may(unsigned task, uint64_t port)
{
    struct fault f = probe(task, in8, port);

    EXPECT(f.ended || (f.vector == 13 && f.error == 0));
    return f.ended;
}

static void t_ports(void)
{
    EXPECT_OK(ports_new(PORTS, 0x80, 8));
    EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
    EXPECT_OK(task_new(TASK2, SLOT_POOL, CAP_NONE, 0, true));
    EXPECT(!may(SLOT_TASK, 0x80) && !may(TASK, 0x80));
    EXPECT_STATUS(sys_map(TASK, PORTS, 0, 0, 9, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, PORTS, 8, 0, 1, MAP_READ), ERR_RANGE);
    EXPECT_STATUS(sys_map(TASK, PORTS, 0, 0, 0, MAP_READ), ERR_ARG);
    EXPECT_OK(sys_map(TASK, PORTS, 2, 0, 4, MAP_READ | MAP_WRITE)); // 0x82..0x85
    EXPECT(!may(TASK, 0x81) && may(TASK, 0x82) && may(TASK, 0x85) && !may(TASK, 0x86));
    EXPECT(probe(TASK, in32, 0x82).ended);
    EXPECT(!probe(TASK, in32, 0x83).ended);             // one of the four is not granted
    EXPECT(!may(TASK2, 0x82) && !may(SLOT_TASK, 0x82)); // another task's bitmap
    EXPECT(may(TASK, 0x82));
    EXPECT_STATUS(sys_map(TASK, PORTS, 4, 0, 2, MAP_READ), ERR_OVERLAP);
    EXPECT_OK(sys_map(TASK2, PORTS, 0, 0, 8, MAP_READ | MAP_WRITE)); // shared
    EXPECT(may(TASK2, 0x80) && may(TASK2, 0x87) && !may(TASK2, 0x88) && may(TASK, 0x83) &&
           !may(TASK, 0x87));
    EXPECT_OK(sys_unmap_all(PORTS));
    EXPECT(!may(TASK, 0x82) && !may(TASK2, 0x80));
    EXPECT_OK(sys_map(TASK, PORTS, 0, 0, 8, MAP_READ | MAP_WRITE));
    EXPECT(may(TASK, 0x80));
    EXPECT_OK(sys_destroy(PORTS));
    EXPECT(!may(TASK, 0x80) && !may(TASK, 0x87));
}

// The interrupt controllers' and the last ports are nobody's; nothing else is reachable but what
// was mapped.
static void t_ports_edges(void)
{
    uint64_t offset;

    EXPECT_EQ(ports_slot(0x20, &offset), FREE_SLOT);
    EXPECT_EQ(ports_slot(0x21, &offset), FREE_SLOT);
    EXPECT_EQ(ports_slot(0xa0, &offset), FREE_SLOT);
    EXPECT_EQ(ports_slot(0xa1, &offset), FREE_SLOT);
    EXPECT_OK(task_new(TASK, SLOT_POOL, CAP_NONE, 0, true));
    EXPECT_OK(ports_new(PORTS, 0xff00, 0x100));
    EXPECT_OK(sys_map(TASK, PORTS, 0, 0, 0x100, MAP_READ | MAP_WRITE));
    EXPECT(may(TASK, 0xff00) && may(TASK, 0xfff0));
    EXPECT(!may(TASK, 0xffff));               // its bitmap byte is the last one
    EXPECT(!probe(TASK, in32, 0xfffe).ended); // wraps
    EXPECT(!may(TASK, 0) && !may(TASK, 0x7fff) && !may(TASK, 0x8000) && !may(TASK, 0xfeff));
    EXPECT_STATUS(sys_unmap(TASK, 1ull << 63, 1),
                  OK); // ports are removed by their address in the records
    EXPECT_OK(sys_unmap(TASK, 1ull << 63 | 0xff10, 0x10));
    EXPECT(may(TASK, 0xff0f) && !may(TASK, 0xff10) && !may(TASK, 0xff1f) && may(TASK, 0xff20));
    // A bitmap that finds no memory
    EXPECT_OK(ports_new(WEAK, 0x80, 1));
    EXPECT_OK(ram_new(MEM, 0, 4 * PAGE));
    EXPECT_OK(sys_create_pool(SLOT_POOL, POOL, MEM, 5));
    EXPECT_OK(sys_create_task(POOL, TASK2, CAP_NONE, 0, 0));
    EXPECT_STATUS(sys_map(TASK2, WEAK, 0, 0, 1, MAP_READ), ERR_MEMORY);
    EXPECT_OK(sys_create_guest(SLOT_POOL, IRQ) == ERR_UNSUPPORTED ? OK
              : sys_map(IRQ, WEAK, 0, 0, 1, MAP_READ) == ERR_ARG  ? OK
                                                                  : ERR_STATE);
}

// ---- interrupts
static void t_irq_errors(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_TASK, 7, SIGNAL, 0), ERR_CAP);
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, FREE_SLOT, 7, SIGNAL, 0), ERR_CAP);
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 7, FREE_SLOT, 0), ERR_CAP);
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 7, SLOT_TASK, 0), ERR_CAP);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SLOT_HW, SLOT_TASK, WEAK, 0));
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, WEAK, 7, SIGNAL, 0), ERR_RIGHTS);
    EXPECT_OK(sys_cap_drop(SLOT_TASK, WEAK));
    EXPECT_OK(sys_cap_copy(SLOT_TASK, SIGNAL, SLOT_TASK, WEAK, RIGHT_WAIT));
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 7, WEAK, 0), ERR_RIGHTS);
    EXPECT_OK(sys_cap_drop(SLOT_TASK, WEAK));
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 7, SIGNAL, 64), ERR_ARG);
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 7 | 1 << 18, SIGNAL, 0), ERR_ARG);
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 1ull << 40, SIGNAL, 0), ERR_ARG);
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 24, SIGNAL, 0), ERR_RANGE);
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 0xffff, SIGNAL, 0), ERR_RANGE);
    EXPECT_OK(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 7, SIGNAL, 0));
    EXPECT_STATUS(sys_create_irq(SLOT_POOL, IRQ2, SLOT_HW, 7, SIGNAL, 0), ERR_BUSY);
    EXPECT_STATUS(sys_irq_ctl(FREE_SLOT, IRQ_ACK), ERR_CAP);
    EXPECT_STATUS(sys_irq_ctl(SIGNAL, IRQ_ACK), ERR_CAP);
    EXPECT_STATUS(sys_irq_ctl(IRQ, (enum irq_op)3), ERR_ARG);
    EXPECT_OK(sys_cap_copy(SLOT_TASK, IRQ, SLOT_TASK, WEAK, 7));
    EXPECT_STATUS(sys_irq_ctl(WEAK, IRQ_ACK), ERR_RIGHTS);
    EXPECT_OK(sys_irq_ctl(IRQ, IRQ_ACK)); // nothing to acknowledge
    EXPECT_OK(sys_destroy(IRQ));
    EXPECT_STATUS(sys_irq_ctl(IRQ, IRQ_ACK), ERR_CAP);
}

// Waits for the bit `count` times; false when one does not come within a second.
static bool arrive(uint64_t bit, unsigned count)
{
    uint64_t bits;

    for (unsigned i = 0; i < count; i++)
        if (sys_wait(SIGNAL, ktest_tsc() + ticks(1000000), &bits) != OK || bits != 1ull << bit)
            return false;
    return true;
}

static bool silent(void)
{
    uint64_t bits;

    sys_poll(SIGNAL, &bits); // what was there
    return sys_wait(SIGNAL, ktest_tsc() + ticks(50000), &bits) == ERR_TIMEOUT;
}

static void t_pit(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(ports_new(PORTS, 0x40, 4));
    EXPECT_OK(sys_map(SLOT_TASK, PORTS, 0, 0, 4, MAP_READ | MAP_WRITE));
    out(0x43, 0x34); // channel 0, mode 2
    out(0x40, 0x80); // 1.193182 MHz / 2432: 490 Hz
    out(0x40, 0x09);
    EXPECT_OK(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 2, SIGNAL, 9)); // ISA interrupt 0 is GSI 2
    EXPECT(arrive(9, 20));
    EXPECT_OK(sys_irq_ctl(IRQ, IRQ_MASK));
    EXPECT(silent());
    EXPECT_OK(sys_irq_ctl(IRQ, IRQ_UNMASK));
    EXPECT(arrive(9, 3));
    // Bound anew to another bit; the signal revoked; gone
    EXPECT_OK(sys_destroy(IRQ));
    EXPECT(silent());
    EXPECT_OK(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 2, SIGNAL, 63));
    EXPECT(arrive(63, 3));
    EXPECT_OK(sys_revoke(SIGNAL));
    EXPECT(silent());
    EXPECT_OK(sys_destroy(SIGNAL));
    sleep_us(5000); // they come, and find nobody
    EXPECT_OK(sys_destroy(IRQ));
    out(0x43, 0x30); // mode 0: one at most
    out(0x40, 0);
    out(0x40, 0);
}

static uint8_t rtc_read(uint8_t index)
{
    out(0x70, index);
    return in(0x71);
}

static void rtc_write(uint8_t index, uint8_t value)
{
    out(0x70, index);
    out(0x71, value);
}

static void t_rtc(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(ports_new(RTC_PORTS, 0x70, 2));
    EXPECT_OK(sys_map(SLOT_TASK, RTC_PORTS, 0, 0, 2, MAP_READ | MAP_WRITE));
    uint8_t a = rtc_read(0xa), b = rtc_read(0xb);
    rtc_write(0xa, (a & 0xf0) | 8); // 256 Hz
    EXPECT_OK(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 8, SIGNAL, 1));
    rtc_write(0xb, b | 0x40);
    rtc_read(0xc);
    for (unsigned i = 0; i < 5; i++) {
        EXPECT(arrive(1, 1));
        EXPECT(rtc_read(0xc) & 0x40);
    }
    rtc_write(0xb, b);
    rtc_write(0xa, a);
    rtc_read(0xc);
    EXPECT(silent());
}

// The serial port's line stays up as long as it can send: a level. It is masked from delivery until
// it is acknowledged.
static void t_level(void)
{
    EXPECT_OK(sys_create_signal(SLOT_POOL, SIGNAL));
    EXPECT_OK(ports_new(COM_PORTS, 0x3f8, 8));
    EXPECT_OK(sys_map(SLOT_TASK, COM_PORTS, 0, 0, 8, MAP_READ | MAP_WRITE));
    EXPECT_OK(sys_create_irq(SLOT_POOL, IRQ, SLOT_HW, 4 | IRQ_LEVEL, SIGNAL, 2));
    uint8_t control = in(0x3fc);
    out(0x3fc, control | 8); // OUT2: the interrupt is connected
    out(0x3f9, 2);           // transmitter empty
    EXPECT(arrive(2, 1));
    EXPECT(silent()); // still up, and masked
    for (unsigned i = 0; i < 5; i++) {
        EXPECT_OK(sys_irq_ctl(IRQ, IRQ_ACK));
        EXPECT(arrive(2, 1)); // since nobody told the device
    }
    out(0x3f9, 0);
    EXPECT_OK(sys_irq_ctl(IRQ, IRQ_ACK));
    EXPECT(silent());
    out(0x3fc, control);
}

void tests_devices(void)
{
    ktest_run("ports/bitmap", t_ports);
    ktest_run("ports/edges", t_ports_edges);
    ktest_run("irq/errors", t_irq_errors);
    ktest_run("irq/pit", t_pit);
    ktest_run("irq/rtc", t_rtc);
    ktest_run("irq/level", t_level);
}
