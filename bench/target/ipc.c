// SPDX-License-Identifier: BSD-2-Clause
// IPC and signals. The code of the second task's threads uses no stack and no data, so that the
// task needs neither.
#include <elf.h>

#include "kbench.h"

#define VIEW     0x60000000ull // of this program's ELF file
#define PAGE     4096ull
#define SEGMENTS 8

// Numbers of the system calls as the assembler needs them.
#define NR_CALL       0
#define NR_REPLY_WAIT 1
#define NR_RAISE      2
#define NR_WAIT       3
_Static_assert(NR_CALL == SYS_CALL && NR_REPLY_WAIT == SYS_REPLY_WAIT && NR_RAISE == SYS_RAISE &&
                   NR_WAIT == SYS_WAIT,
               "");

// clang-format off
#define OPERATION(number, slot) "mov $(" STRING(number) " + (" STRING(slot) " << 16)), %%edi\n\t"

// One round trip of each, with what the other side executes in the null loop.
#define CALL_BODY(call) OPERATION(NR_CALL, SLOT_GATE) call "\n\t" CALL_OTHER(call)
#define CALL_OTHER(call) ".ifc " call ",nop\n\tmov $" STRING(NR_REPLY_WAIT) ", %%edi\n\tnop\n\tjmp 2f\n2:\n\t.endif\n\t"
#define SIGNAL_BODY(call)                                                                           \
    OPERATION(NR_RAISE, SLOT_QUIET)                                                                 \
    "mov $1, %%esi\n\t" call "\n\t" OPERATION(NR_WAIT, SLOT_QUIET) "mov $1, %%esi\n\t" call "\n\t"
#define WAKE_BODY(call) OPERATION(NR_RAISE, SLOT_SIGNAL) "mov $1, %%esi\n\t" call "\n\t" WAKE_OTHER(call)
#define WAKE_OTHER(call)                                                                            \
    ".ifc " call ",nop\n\tmov $" STRING(NR_WAIT) ", %%edi\n\txor %%esi, %%esi\n\txor %%edx, %%edx\n\t" \
    "nop\n\tjmp 2f\n2:\n\t.endif\n\t"

void server_worker(void);
void server_waiter(void);
void server_irq_waiter(void);
__asm__(".text\n"
        "server_worker:\n\t"
        "mov $" STRING(NR_REPLY_WAIT) ", %edi\n\t"
        "syscall\n\t"
        "jmp server_worker\n"
        "server_waiter:\n\t"
        "mov $(" STRING(NR_WAIT) " + (" STRING(SERVER_SLOT_SIGNAL) " << 16)), %edi\n\t"
        "xor %esi, %esi\n\t"
        "xor %edx, %edx\n\t"
        "syscall\n\t"
        "jmp server_waiter\n"
        "server_irq_waiter:\n\t"
        "mov $(" STRING(NR_WAIT) " + (" STRING(SERVER_SLOT_IRQ) " << 16)), %edi\n\t"
        "xor %esi, %esi\n\t"
        "xor %edx, %edx\n\t"
        "syscall\n\t" MARKER_ASM STRING(MARK_WOKEN) "\n\t"
        "jmp server_irq_waiter\n");
// clang-format on

static void map_code(void)
{
    const Elf64_Ehdr *elf = (const Elf64_Ehdr *)VIEW;
    const Elf64_Phdr *s;

    must(sys_map(SLOT_TASK, SLOT_ROOT_IMAGE, 0, VIEW, PAGE, MAP_READ), "map the ELF header");
    s = (const Elf64_Phdr *)(VIEW + elf->e_phoff);
    for (unsigned i = 0; i < elf->e_phnum && i < SEGMENTS; i++)
        if (s[i].p_type == PT_LOAD && s[i].p_flags & PF_X)
            must(sys_map(SLOT_SERVER, SLOT_ROOT_IMAGE, s[i].p_offset, s[i].p_vaddr,
                         (s[i].p_filesz + PAGE - 1) & -PAGE, MAP_READ | MAP_EXEC),
                 "map code");
}

void server_worker_new(unsigned slot, unsigned gate, unsigned cpu)
{
    must(sys_create_thread(SLOT_POOL, slot, SLOT_SERVER, THREAD_WORKER, cpu, 20),
         "create a worker");
    must(sys_create_gate(SLOT_POOL, gate, slot, 1), "create a gate");
    must(sys_thread_start(slot, (uint64_t)server_worker, 0, 0), "start the worker");
}

void server_start(void)
{
    must(sys_create_task(SLOT_POOL, SLOT_SERVER, CAP_NONE, 0, PRIORITY_COUNT - 1), "create a task");
    map_code();
    server_worker_new(SLOT_WORKER, SLOT_GATE, 0);
    must(sys_create_signal(SLOT_POOL, SLOT_QUIET), "create a signal");
    must(sys_create_signal(SLOT_POOL, SLOT_SIGNAL), "create a signal");
    must(sys_cap_copy(SLOT_TASK, SLOT_SIGNAL, SLOT_SERVER, SERVER_SLOT_SIGNAL, RIGHT_WAIT),
         "hand the signal on");
    must(sys_create_thread(SLOT_POOL, SLOT_WAITER, SLOT_SERVER, THREAD_ACTIVE, 0, 20),
         "create a thread");
    must(sys_thread_start(SLOT_WAITER, (uint64_t)server_waiter, 0, 0), "start the thread");
}

void server_irq_start(void)
{
    must(sys_create_signal(SLOT_POOL, SLOT_IRQ_SIGNAL), "create a signal");
    must(sys_cap_copy(SLOT_TASK, SLOT_IRQ_SIGNAL, SLOT_SERVER, SERVER_SLOT_IRQ, RIGHT_WAIT),
         "hand the signal on");
    must(sys_create_thread(SLOT_POOL, SLOT_IRQ_WAITER, SLOT_SERVER, THREAD_ACTIVE, 0, 30),
         "create a thread");
    must(sys_thread_start(SLOT_IRQ_WAITER, (uint64_t)server_irq_waiter, 0, 0), "start the thread");
}

void bench_ipc(void)
{
    struct message message = {0};

    must(sys_call(SLOT_GATE, &message), "call"); // from now on the worker waits for calls
    MEASURE("ipc", MARK_IPC, CALL_BODY);
    MEASURE("signal", MARK_SIGNAL, SIGNAL_BODY);
    MEASURE("wake", MARK_WAKE, WAKE_BODY);
}
