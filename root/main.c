// SPDX-License-Identifier: BSD-2-Clause
// root, the first task: owns every resource, reads the configuration from the system archive,
// creates the tasks and watches them. Start reading here; then task.c, which decides what each task
// can reach.
#include <stdio.h>
#include <string.h>

#include "bulkhead/cpio.h"
#include "bulkhead/log.h"
#include "bulkhead/syscall.h"
#include "caps.h"
#include "rtc.h"
#include "task.h"

// Nobody made a stack for the first task: lib/start.S uses this one.
#define STACK_SIZE 0x8000
__attribute__((aligned(16), used)) char root_stack[STACK_SIZE];
__asm__(".globl start_stack_top\n.set start_stack_top, root_stack + 0x8000\n");

const struct boot_info *boot;
unsigned root_signal;
static const void *archive;

// Debian builds libfdt with stack protection: it reads a canary at fs:0x28 (System V ABI, thread
// control block).
static uint64_t thread_block[8];
_Noreturn void __stack_chk_fail(void);
_Noreturn void __stack_chk_fail(void)
{
    __builtin_trap();
}

static void say(const char *format, ...) __attribute__((format(printf, 1, 2)));
static void say(const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    log_line("root", format, arguments);
    va_end(arguments);
}

void root_say(const char *format, ...)
{
    char text[160];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(text, sizeof(text), format, arguments);
    va_end(arguments);
    if (!manage_event(text))
        say("%s", text);
}

bool archive_find(const char *name, const void **data, uint64_t *size, uint64_t *mem_offset)
{
    struct cpio_file file;

    if (!cpio_find(archive, boot->system_size, name, &file))
        return false;
    if (data)
        *data = file.data;
    *size = file.size;
    if (mem_offset)
        *mem_offset = boot->system_base % PAGE + file.offset;
    return true;
}

static bool open_archive(void)
{
    uint64_t first = boot->system_base % PAGE; // the mem object begins on the page
    enum status status;

    if (boot->system_size == 0) {
        say("there is no system archive: the boot menu must load one as the second module");
        return false;
    }
    status = sys_map(SLOT_TASK, SLOT_SYSTEM, 0, WINDOW_ARCHIVE, page_up(first + boot->system_size),
                     MAP_READ);
    if (status != OK)
        say("the system archive cannot be mapped: %s", status_name(status));
    archive = (const char *)WINDOW_ARCHIVE + first;
    return status == OK;
}

static bool read_configuration(void)
{
    char error[SYSTEM_ERROR];
    const void *dtb;
    uint64_t size;

    if (!archive_find("system.dtb", &dtb, &size, NULL)) {
        say("the system archive is damaged or has no system.dtb");
        return false;
    }
    if (!system_read(dtb, size, &config, error)) {
        say("%s", error);
        return false;
    }
    return true;
}

static void start_tasks(void)
{
    for (unsigned i = 0; i < config.count; i++) {
        tasks[i].config = &config.tasks[i];
        tasks[i].index = i;
        if (!task_prepare(&tasks[i]))
            say("%s: %s", config.tasks[i].name, tasks[i].message);
    }
    if (config.manager != TASK_MAX && !manage_prepare())
        say("no management channel: %s", tasks[config.manager].message);
    for (unsigned i = 0; i < config.count; i++)
        if (config.tasks[i].autostart && !task_start(&tasks[i]))
            root_say("%s: not started: %s", config.tasks[i].name, tasks[i].message);
}

int main(const struct boot_info *info);
int main(const struct boot_info *info)
{
    uint64_t bits;
    unsigned last = SLOT_BOOT_MEM;

    thread_block[5] = task_tsc();
    sys_thread_set(SLOT_THREAD, THREAD_FS_BASE, (uintptr_t)thread_block);
    sys_thread_set(SLOT_THREAD, THREAD_PRIORITY, ROOT_PRIORITY);
    boot = info;
    for (unsigned i = 0; i < boot->mem_count; i++)
        if (boot->mem[i].cap >= last)
            last = boot->mem[i].cap + 1;
    caps_init(last);
    for (unsigned slot = SLOT_TASK; slot <= SLOT_THREAD; slot++)
        cap_name(slot, "root");
    ram_init();
    rtc_init();
    quiet_init();
    root_signal = cap_alloc();
    if (sys_create_signal(SLOT_POOL, root_signal) == OK && open_archive() && read_configuration()) {
        say("system \"%s\", %u tasks, %llu MiB of RAM, TSC %llu MHz", config.name, config.count,
            (unsigned long long)(ram_free_bytes() / MIB),
            (unsigned long long)(boot->tsc_hz / 1000000));
        start_tasks();
    }
    // When there is nothing to watch, root stays where the reason can be read.
    for (;;) {
        enum status status = sys_wait(root_signal, monitor_deadline, &bits);

        if (status == OK || status == ERR_TIMEOUT)
            supervise(bits);
        else if (status != ERR_CANCELLED)
            say("cannot wait: %s", status_name(status));
    }
}
