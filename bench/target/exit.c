// SPDX-License-Identifier: BSD-2-Clause
// Guest exits with the smallest vmm that there can be: it moves RIP on and enters again. The guest
// runs in real mode.
#include "bulkhead/vcpu.h"
#include "kbench.h"

#define NR_VCPU_RUN 14
_Static_assert(NR_VCPU_RUN == SYS_VCPU_RUN, "");

#define RAM_VIEW  0x50000000ull
#define RAM_SIZE  0x200000ull
#define PAGE_VIEW 0x51000000
#define PAGE_RIP  (PAGE_VIEW + 192)
_Static_assert(offsetof(struct vcpu_page, rip) == 192, "");

#define CODE_CPUID 0x8000
#define CODE_IN    0x9000
#define CODE_SPIN  0xa000
// Two bytes each, followed by a jump back to the start.
static const uint8_t code_cpuid[] = {0x0f, 0xa2, 0xeb, 0xfc}, code_in[] = {0xe4, 0x61, 0xeb, 0xfc};
static const uint8_t code_spin[] = {0xeb, 0xfe};

#define EXIT_BODY(call)                                                \
    "mov $" STRING(NR_VCPU_RUN) ", %%edi\n\txor %%esi, %%esi\n\t" call \
                                "\n\taddq $2, " STRING(PAGE_RIP) "\n\t"

static struct vcpu_page *const page = (struct vcpu_page *)PAGE_VIEW;
static uint8_t vcpu_stack[0x4000] __attribute__((aligned(16)));

static void set_state(void)
{
    for (unsigned i = SEG_ES; i <= SEG_GS; i++)
        page->seg[i] =
            (struct vcpu_segment){.attributes = i == SEG_CS ? 0x9b : 0x93, .limit = 0xffff};
    page->seg[SEG_LDTR] = (struct vcpu_segment){.attributes = 0x10000}; // unusable
    page->seg[SEG_TR] = (struct vcpu_segment){.attributes = 0x8b, .limit = 0xffff};
    page->idtr_limit = 0x3ff;
    page->cr0 = 0x10;
    page->pat = 0x0007040600070406;
    page->dr6 = 0xffff0ff0;
    page->dr7 = 0x400;
    page->xcr0 = 1;
    page->rflags = 2;
    page->deadline = UINT64_MAX;
    page->dirty = GROUP_ALL;
}

// The guest is at the instruction that exits when the loop begins, and after it.
static void begin(uint16_t code, enum vcpu_exit class)
{
    uint64_t exit;

    page->rip = code;
    must(sys_vcpu_run(&exit), "run the guest");
    if (exit != class) {
        print("bench: exit %lu reason 0x%x detail 0x%lx rip 0x%lx", exit, page->reason,
              page->qualification, page->rip);
        must(ERR_STATE, "the guest");
    }
}

static void done(uint64_t entries, enum vcpu_exit class)
{
    if (page->entries - entries != ROUNDS || page->exit != class)
        must(ERR_STATE, "each round has one exit");
}

// A guest that runs and never exits by itself while interrupts come, until a deadline.
static void spin(void)
{
    page->deadline = tsc() + boot->tsc_hz / 20;
    begin(CODE_SPIN, EXIT_DEADLINE);
    page->deadline = UINT64_MAX;
}

static void interrupts(void)
{
    irq_bind(SLOT_IRQ_SIGNAL);
    LOOP(MARK_BEGIN(MARK_IRQ_GUEST));
    spin();
    LOOP(MARK_END(MARK_IRQ_GUEST));
    must(sys_destroy(SLOT_IRQ), "bind another signal");
    irq_bind(SLOT_QUIET);
    LOOP(MARK_BEGIN(MARK_IRQ_HOST));
    spin();
    LOOP(MARK_END(MARK_IRQ_HOST));
    must(sys_destroy(SLOT_IRQ), "end the interrupts");
}

// What a Linux guest has there when it runs; else they are 0.
static void linux_msrs(void)
{
    page->star = 0x23001000000000;
    page->lstar = 0xffffffff82000080;
    page->sfmask = 0x257fd5;
    page->dirty |= GROUP_SYSCALL;
}

// For the debugger of Bochs (magic_break): what is between two of them is traced. On all others a
// NOP.
#define TRACE        __asm__ volatile("xchg %%bx, %%bx" ::: "memory")
#define TRACE_ROUNDS 4

static void trace(void)
{
    uint64_t exit;

    TRACE;
    for (unsigned i = 0; i < TRACE_ROUNDS; i++) {
        sys_vcpu_run(&exit);
        page->rip += 2;
    }
    TRACE;
}

static void vcpu_thread(void)
{
    uint64_t entries;

    set_state();
    begin(CODE_CPUID, EXIT_CPUID);
    entries = page->entries;
    MEASURE("exit_cpuid", MARK_CPUID, EXIT_BODY);
    done(entries, EXIT_CPUID);
    trace();
    begin(CODE_IN, EXIT_IO);
    entries = page->entries;
    MEASURE("exit_in", MARK_IN, EXIT_BODY);
    done(entries, EXIT_IO);
    trace();
    linux_msrs();
    begin(CODE_CPUID, EXIT_CPUID);
    trace();
    begin(CODE_IN, EXIT_IO);
    trace();
    if (boot->virt == VIRT_SVM)
        interrupts();
    sys_raise(SLOT_DONE, 1);
    for (;;)
        sys_wait(SLOT_QUIET, 0, &(uint64_t){0});
}

void bench_exit(void)
{
    uint8_t *ram = (uint8_t *)RAM_VIEW;
    uint64_t bits;

    must(sys_create_guest(SLOT_POOL, SLOT_GUEST), "create a guest");
    ram_new(SLOT_RAM, RAM_SIZE, RAM_VIEW, SLOT_GUEST);
    for (unsigned i = 0; i < sizeof(code_in); i++) {
        ram[CODE_CPUID + i] = code_cpuid[i];
        ram[CODE_IN + i] = code_in[i];
    }
    ram[CODE_SPIN] = code_spin[0];
    ram[CODE_SPIN + 1] = code_spin[1];
    must(sys_create_signal(SLOT_POOL, SLOT_DONE), "create a signal");
    must(sys_create_vcpu(SLOT_POOL, SLOT_VCPU, SLOT_TASK, 0, 20, SLOT_GUEST, PAGE_VIEW),
         "create a vCPU");
    must(sys_thread_start(SLOT_VCPU, (uint64_t)vcpu_thread,
                          (uint64_t)vcpu_stack + sizeof(vcpu_stack) - 8, 0),
         "start the vCPU");
    must(sys_wait(SLOT_DONE, 0, &bits), "wait for the vCPU");
}
