// SPDX-License-Identifier: BSD-2-Clause
// The frame of the kernel's tests: start, results, what tests need again and again. HAZARD: it runs
// as the root task and may do anything; the tests themselves see that unprivileged tasks may not.
#include <stdarg.h>
#include <stdio.h>
#include <string.h>

#include "bulkhead/log.h"
#include "ktest.h"

#define STACK_SIZE  8192
#define STACK_COUNT 24

__attribute__((aligned(16), used)) char main_stack[0x8000];
__asm__(".globl start_stack_top\n.set start_stack_top, main_stack + 0x8000\n");

const struct boot_info *boot;
bool machine_bochs;
unsigned ram_slot;
uint64_t ram_offset;
const uint8_t raw_message[7] = {SI, D, 10, 8, 9, 12, 13};

static uint8_t stacks[STACK_COUNT][STACK_SIZE] __attribute__((aligned(16)));
static unsigned stacks_used;
static unsigned passed, failed;
static const char *running; // name of the test
static unsigned failures;   // of it

void ktest_log(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(NULL, format, arguments);
    va_end(arguments);
}

void ktest_check(bool ok, const char *name)
{
    if (ok)
        passed++;
    else
        failed++;
    ktest_log("%s %s", ok ? "PASS" : "FAIL", name);
}

void ktest_fail(const char *file, int line, const char *format, ...)
{
    char text[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (failures++ < 5) // one broken thing may fail thousands of times
        ktest_log("FAIL %s: %s:%d: %s", running, strrchr(file, '/') ? strrchr(file, '/') + 1 : file,
                  line, text);
}

bool ktest_equal(const char *file, int line, const char *what, uint64_t got, uint64_t want)
{
    if (got != want)
        ktest_fail(file, line, "%s is 0x%lx, not 0x%lx", what, got, want);
    return got == want;
}

bool ktest_status(const char *file, int line, const char *what, enum status got, enum status want)
{
    if (got != want)
        ktest_fail(file, line, "%s is %s, not %s", what, status_name(got), status_name(want));
    return got == want;
}

uint64_t slots_free(unsigned pool)
{
    uint64_t pages, slots = 0;

    sys_hw_ctl(SLOT_HW, HW_POOL_FREE, pool, &pages, &slots);
    return slots;
}

uint64_t pages_free(unsigned pool)
{
    uint64_t pages = 0, slots;

    sys_hw_ctl(SLOT_HW, HW_POOL_FREE, pool, &pages, &slots);
    return pages;
}

static void clean_up(void)
{
    for (unsigned slot = T; slot < T_END; slot++) {
        uint64_t word, type;
        if (sys_task_read_cap(SLOT_TASK, slot, &word, &type) != OK || !word ||
            sys_destroy(slot) != OK)
            sys_cap_drop(SLOT_TASK, slot);
    }
    stacks_used = 0;
}

// In a kernel that checks itself: all objects.
static void check_kernel(void)
{
    uint64_t next = 0;

    while (sys_hw_ctl(SLOT_HW, HW_CHECK, next, &next, NULL) == OK && next)
        ;
}

void ktest_run(const char *name, void (*test)(void))
{
    uint64_t slots = slots_free(SLOT_POOL);

    running = name;
    failures = 0;
    test();
    check_kernel();
    clean_up();
    check_kernel();
    EXPECT_EQ(slots_free(SLOT_POOL), slots);
    if (failures) {
        failed++;
        if (failures > 5)
            ktest_log("%s: %u failures", name, failures);
    } else {
        passed++;
        ktest_log("PASS %s", name);
    }
}

uint64_t ticks(uint64_t microseconds)
{
    return microseconds * (boot->tsc_hz / 1000000);
}

void sleep_us(uint64_t microseconds)
{
    uint64_t bits;

    sys_wait(S_NEVER, ktest_tsc() + ticks(microseconds), &bits);
}

void raw_fill(struct raw *raw, uint64_t operation, uint64_t seed)
{
    for (unsigned i = 0; i < 16; i++)
        raw->r[i] = seed * 0x0101010101010101 + i * 0x1111;
    raw->r[DI] = operation;
    raw->rflags = 0x202;
}

uint64_t stack_new(void)
{
    uint64_t *top = (uint64_t *)(stacks[stacks_used++ % STACK_COUNT] + STACK_SIZE - 8);

    *top = (uint64_t)thread_end; // return address of the thread's function
    return (uint64_t)top;
}

enum status thread_new(unsigned slot, unsigned task, enum thread_kind kind, unsigned priority,
                       void (*entry)(uint64_t), uint64_t argument)
{
    enum status status = sys_create_thread(SLOT_POOL, slot, task, kind, 0, priority);

    return status == OK ? sys_thread_start(slot, (uint64_t)entry, stack_new(), argument) : status;
}

enum status ram_new(unsigned slot, uint64_t offset, uint64_t size)
{
    return sys_create_mem(SLOT_POOL, slot, ram_slot, ram_offset + offset, size);
}

// ---- ELF image of this program, for tasks that run the same
struct segment {
    uint32_t type, flags;
    uint64_t offset, vaddr, paddr, filesz, memsz, align;
};
static struct segment segments[4];
static unsigned segment_count;

static bool image_read(void)
{
    const uint8_t *elf = (const uint8_t *)VIEW;
    const struct segment *s;

    if (sys_map(SLOT_TASK, SLOT_ROOT_IMAGE, 0, VIEW, PAGE, MAP_READ) != OK)
        return false;
    s = (const struct segment *)(elf + *(const uint64_t *)(elf + 32));
    for (unsigned i = 0; i < *(const uint16_t *)(elf + 56) && segment_count < 4; i++, s++)
        if (s->type == 1)
            segments[segment_count++] = *s;
    return sys_unmap(SLOT_TASK, VIEW, PAGE) == OK && segment_count;
}

enum status program_map(unsigned task, bool share)
{
    enum status status = OK;

    for (unsigned i = 0; i < segment_count && status == OK; i++) {
        const struct segment *s = &segments[i];
        if (share || !(s->flags & 2))
            status =
                sys_map(task, SLOT_ROOT_IMAGE, s->offset, s->vaddr, (s->memsz + PAGE - 1) & -PAGE,
                        MAP_READ | (s->flags & 2 ? MAP_WRITE : 0) | (s->flags & 1 ? MAP_EXEC : 0));
    }
    return status;
}

enum status task_new(unsigned slot, unsigned pool, unsigned signal, unsigned bit, bool share)
{
    enum status status = sys_create_task(pool, slot, signal, bit, PRIORITY_COUNT - 1);

    return status == OK ? program_map(slot, share) : status;
}

void give(unsigned task, unsigned slot, unsigned to_slot, unsigned rights)
{
    EXPECT_OK(sys_cap_copy(SLOT_TASK, slot, task, to_slot, rights));
}

unsigned thread_report_of(unsigned slot)
{
    struct message m = {THREAD_FAULT, {0}};

    return sys_thread_ctl(slot, &m) == OK ? (unsigned)m.w[4] : ~0u;
}

static void look_around(void)
{
    uint32_t a = 0x40000000, b, c, d;

    for (unsigned i = 0; i < boot->mem_count; i++)
        if (boot->mem[i].kind == MEM_RAM &&
            (!ram_slot || boot->mem[i].size > boot->mem[ram_slot - SLOT_BOOT_MEM].size))
            ram_slot = boot->mem[i].cap;
    uint64_t base = boot->mem[ram_slot - SLOT_BOOT_MEM].base;
    ram_offset = ((base + RAM_ALIGN - 1) & -RAM_ALIGN) - base;
    // QEMU's software emulation names itself; Bochs does not.
    __asm__ volatile("cpuid" : "+a"(a), "=b"(b), "=c"(c), "=d"(d));
    machine_bochs = b != 0x54474354; // "TCGT"
}

int main(const struct boot_info *info);
int main(const struct boot_info *info)
{
    boot = info;
    look_around();
    ktest_log("ktest: %s, %s, TSC %lu MHz, CPUs: %u", info->cpu_name,
              machine_bochs ? "Bochs" : "QEMU", info->tsc_hz / 1000000, info->cpus);
    ktest_check(info->magic == INFO_MAGIC && info->size == sizeof(*info), "boot/info");
    ktest_check(sys_create_signal(SLOT_POOL, S_NEVER) == OK && image_read(), "boot/image");
    if (!machine_bochs && clock_is_exact()) {
        // QEMU with -icount is slow, and everything but time is the same without.
        tests_budget();
        test_vcpu();
        ktest_log("ktest: end, %u passed, %u failed", passed, failed);
        sys_hw_ctl(SLOT_HW, HW_EXIT, failed != 0, NULL, NULL);
    }
    tests_objects();
    tests_capabilities();
    tests_memory();
    tests_stale();
    tests_ipc();
    tests_faults();
    tests_threads();
    tests_schedule();
    tests_budget();
    tests_destroy();
    tests_devices();
    tests_fpu();
    if (machine_bochs && boot->virt == VIRT_SVM)
        ktest_log("SKIP vcpu (in Bochs 2.7 an SVM guest that is entered with interrupts off keeps "
                  "the host's out, too)");
    else
        test_vcpu();
    tests_fuzz();
    ktest_log("ktest: end, %u passed, %u failed", passed, failed);
    sys_hw_ctl(SLOT_HW, HW_EXIT, failed != 0, NULL, NULL);
    return 0;
}
