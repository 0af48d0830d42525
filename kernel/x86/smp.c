// SPDX-License-Identifier: BSD-2-Clause
// Starts the other CPUs, one after another, while the boot CPU waits: SDM 3A 8.4.4.1. Which there are tells the MADT.
// HAZARD: CPUID leaf 0xB must not be asked: it is wrong on some processors and in Bochs.
#include "apic.h"
#include "boot.h"
#include "cpu.h"
#include "log.h"
#include "virt.h"
#include "../sched.h"

#define ICR_INIT    0x4500u
#define ICR_STARTUP 0x4600u

enum answer { NONE, READY, REFUSED };

unsigned cpus_running = 1;
uint64_t ap_stack; // stack of the CPU that is being started; it takes it (ap.S)
static volatile enum answer answer;
static volatile unsigned ap_number, ap_id;
static volatile uint64_t ap_tsc; // when it answered

void ap_main(void); // from ap.S; when it returns the CPU halts for good

void ap_main(void)
{
    cpu_setup(ap_number, ap_id);
    apic_cpu_init();
    if (apic_id() != ap_id || !virt_init()) {
        answer = REFUSED;
        return;
    }
    apic_timer_mode();
    ap_tsc = arch_time();
    answer = READY;
    schedule();
}

static void wait_answer(uint64_t microseconds)
{
    uint64_t end = arch_time() + tsc_hz / 1000000 * microseconds;

    while (answer == NONE && arch_time() < end) // bound: the time
        asm volatile("pause");
}

// False: nothing may be started after it, for it may be using its stack.
static bool start(unsigned number, unsigned id)
{
    uint64_t before = arch_time();

    answer = NONE;
    ap_number = number;
    ap_id = id;
    __atomic_store_n(&ap_stack, CPU_REGIONS + number * CPU_REGION_SIZE + CPU_STACK_TOP, __ATOMIC_SEQ_CST);
    apic_send(id, ICR_INIT);
    wait_answer(10000);
    apic_send(id, ICR_STARTUP | boot.trampoline >> 12);
    wait_answer(200);
    if (answer == NONE) // a CPU that runs already takes no notice
        apic_send(id, ICR_STARTUP | boot.trampoline >> 12);
    wait_answer(1000000);
    bool taken = !__atomic_exchange_n(&ap_stack, 0, __ATOMIC_SEQ_CST);
    if (answer == READY) {
        cpus_running++;
        if (ap_tsc < before || ap_tsc > arch_time())
            log_hex("bulkhead: deadlines will be wrong, the TSC is not that of CPU 0; ahead by\n", ap_tsc - before);
        return true;
    }
    apic_send(id, ICR_INIT); // it waits for a start-up that never comes
    log_hex(answer == REFUSED ? "bulkhead: left out, as it is unlike CPU 0: CPU with APIC ID"
                              : "bulkhead: left out, as it does not answer: CPU with APIC ID",
            id);
    log_text("\n");
    return !taken || answer == REFUSED;
}

static unsigned width(unsigned count)
{
    return count > 1 ? 32 - __builtin_clz(count - 1) : 0;
}

// How many low bits of the APIC ID tell the threads of one core apart: SDM 3A 8.9.3, APM 3 E.4.7.
static unsigned thread_bits(void)
{
    struct cpuid_regs r = cpuid(1, 0);
    uint32_t amd = cpuid_checked(0x80000001, 0).ecx;

    if (amd >> 22 & 1)
        return width((cpuid_checked(0x8000001e, 0).ebx >> 8 & 0xff) + 1);
    if (amd >> 1 & 1 || !(r.edx >> 28 & 1)) // leaf 1 counts cores; or nothing
        return 0;
    unsigned package = width(r.ebx >> 16 & 0xff), cores = width((cpuid_checked(4, 0).eax >> 26) + 1);
    return package > cores ? package - cores : 0;
}

// HAZARD: threads of one core see much of each other (L1TF, MDS): those of two domains must not share one. As long as
// nothing keeps them apart, one thread of a core runs.
static bool is_sibling(unsigned id, unsigned bits)
{
    for (unsigned i = 0; i < cpus_running; i++) // bound: CPU_MAX
        if (arch_cpu(i)->apic_id >> bits == id >> bits)
            return true;
    return false;
}

void smp_start(void)
{
    unsigned bits = boot_option("smt=on") ? 0 : thread_bits(), siblings = 0;
    bool more = boot.trampoline;

    this_cpu()->apic_id = apic_id(); // HAZARD: firmware may have changed it: INIT to itself would end the system
    for (unsigned i = 1; i < boot.madt.cpu_count && more; i++) { // bound: CPU_MAX
        unsigned id = boot.madt.cpu[i];
        if (id == this_cpu()->apic_id)
            continue;
        if (bits && is_sibling(id, bits))
            siblings++;
        else
            more = start(cpus_running, id);
    }
    if (siblings)
        log_hex("bulkhead: smt=on would start more CPUs, threads of cores that run:", siblings);
    if (boot.madt.cpu_ignored)
        log_hex("bulkhead: CPUs that are left out because there are too many:", boot.madt.cpu_ignored);
    if (!boot.trampoline)
        log_text("bulkhead: no memory below 640 KiB to start other CPUs with");
    if (siblings || boot.madt.cpu_ignored || !boot.trampoline)
        log_text("\n");
}
