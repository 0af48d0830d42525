// SPDX-License-Identifier: BSD-2-Clause
// The frame of the kernel's measurements. The machine ends when they are done.
#include <stdarg.h>
#include <stdio.h>

#include "bulkhead/log.h"
#include "kbench.h"

__attribute__((aligned(16), used)) char main_stack[0x4000];
__asm__(".globl start_stack_top\n.set start_stack_top, main_stack + 0x4000\n");

#define RAM_ALIGN 0x200000ull
#define PRIORITY  10 // below the second task's waiting thread

const struct boot_info *boot;

void print(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line(NULL, format, arguments);
    va_end(arguments);
}

static _Noreturn void end(void)
{
    LOOP(MARK_BEGIN(MARK_DONE));
    print("bench done");
    sys_hw_ctl(SLOT_HW, HW_EXIT, 0, NULL, NULL);
    for (;;)
        ;
}

void must(enum status status, const char *what)
{
    if (status == OK)
        return;
    print("bench failed: %s: %s", what, status_name(status));
    end();
}

void ram_new(unsigned slot, uint64_t size, uint64_t address, unsigned also)
{
    const struct boot_mem *best = NULL;

    for (unsigned i = 0; i < boot->mem_count; i++)
        if (boot->mem[i].kind == MEM_RAM && (!best || boot->mem[i].size > best->size))
            best = &boot->mem[i];
    if (!best || best->size < size + RAM_ALIGN)
        must(ERR_MEMORY, "memory");
    uint64_t offset = ((best->base + RAM_ALIGN - 1) & -RAM_ALIGN) - best->base;
    must(sys_create_mem(SLOT_POOL, slot, best->cap, offset, size), "derive memory");
    must(sys_map(SLOT_TASK, slot, 0, address, size, MAP_READ | MAP_WRITE), "map memory");
    must(sys_map(also, slot, 0, 0, size, MAP_READ | MAP_WRITE | MAP_EXEC), "map memory again");
}

int main(const struct boot_info *info);
int main(const struct boot_info *info)
{
    boot = info;
    print("bench begin virt=%s text=%u",
          info->virt == VIRT_SVM   ? "svm"
          : info->virt == VIRT_VMX ? "vmx"
                                   : "none",
          info->kernel_text);
    must(sys_thread_set(SLOT_THREAD, THREAD_PRIORITY, PRIORITY), "set priority");
    server_start();
    bench_ipc();
    if (info->virt == VIRT_SVM)
        bench_irq();
    if (info->virt != VIRT_NONE)
        bench_exit();
    bench_cpus();
    end();
}
