// SPDX-License-Identifier: BSD-2-Clause
// A vmm that goes wrong when its guest's command line says so, and else is the true one (its main()
// renamed).
#include <string.h>

#include "bulkhead/task.h"

int true_main(const struct task_info *info);
int main(const struct task_info *info);

int main(const struct task_info *info)
{
    if (strcmp(info->cmdline, "write") == 0)
        *(volatile int *)8 = 1;
    if (strcmp(info->cmdline, "jump") == 0)
        ((void (*)(void))0x123456)();
    if (strcmp(info->cmdline, "invalid") == 0)
        __asm__ volatile("ud2");
    if (strcmp(info->cmdline, "privileged") == 0)
        __asm__ volatile("cli");
    if (strcmp(info->cmdline, "port") == 0)
        __asm__ volatile("outb %0, %1" ::"a"((uint8_t)'x'), "Nd"((uint16_t)0x3f8));
    if (strcmp(info->cmdline, "upper") == 0)
        *(volatile int *)0xffffffff80100000 = 1;
    if (strcmp(info->cmdline, "spin") == 0)
        for (;;)
            ;
    return true_main(info);
}
