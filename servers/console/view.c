// SPDX-License-Identifier: BSD-2-Clause
// What the console shows: banner, chart of the boot times, table of tasks, one task. At most 79
// columns of ASCII. HAZARD: a status page belongs to a task that is not trusted: each field is read
// once, checked, and text is made printable.

#include "console.h"

#include <stdio.h>
#include <string.h>

#include "bulkhead/math.h"
#include "bulkhead/vcpu.h"

#define BAR_WIDTH 38u

static const char *const exit_names[EXIT_CLASSES] = {
    [EXIT_KICK] = "kick",
    [EXIT_DEADLINE] = "deadline",
    [EXIT_WINDOW] = "interrupt window",
    [EXIT_NMI_WINDOW] = "NMI window",
    [EXIT_CPUID] = "CPUID",
    [EXIT_HLT] = "HLT",
    [EXIT_IO] = "port I/O",
    [EXIT_RDMSR] = "RDMSR",
    [EXIT_WRMSR] = "WRMSR",
    [EXIT_MEMORY] = "memory access",
    [EXIT_CR] = "control register",
    [EXIT_DR] = "debug register",
    [EXIT_XSETBV] = "XSETBV",
    [EXIT_EXCEPTION] = "exception",
    [EXIT_SHUTDOWN] = "triple fault",
    [EXIT_INVD] = "INVD, WBINVD",
    [EXIT_PAUSE] = "PAUSE",
    [EXIT_HYPERCALL] = "hypercall",
    [EXIT_RDTSC] = "RDTSC",
    [EXIT_INVLPG] = "INVLPG",
    [EXIT_TASK_SWITCH] = "task switch",
    [EXIT_UNDEFINED] = "undefined instruction",
    [EXIT_INIT] = "INIT",
    [EXIT_SIPI] = "SIPI",
    [EXIT_INVALID] = "invalid state",
    [EXIT_OTHER] = "other",
    [EXIT_RDPMC] = "RDPMC",
    [EXIT_APIC_EOI] = "APIC end of interrupt",
    [EXIT_APIC_WRITE] = "APIC register write",
};

static uint64_t load(const uint64_t *field)
{
    return __atomic_load_n(field, __ATOMIC_RELAXED);
}

static uint64_t exits_of(const struct task_status *status)
{
    uint64_t sum = 0;

    for (unsigned i = 0; i < EXIT_CLASSES; i++)
        sum += load(&status->exits[i]);
    return sum;
}

static const char *memory_text(char text[16], uint64_t bytes)
{
    static const char units[] = "BKMGT";
    uint64_t value = bytes;
    unsigned unit = 0;

    // Whole numbers up to 9999, then the next unit.
    while (value >= 10000 && unit < 4) {
        value = (value + 512) / 1024;
        unit++;
    }
    snprintf(text, 16, "%u%c", (unsigned)value, units[unit]);
    return text;
}

static const char *seconds_text(char text[16], const struct console *c, uint64_t ticks)
{
    uint64_t ms = console_ms(c, ticks);

    snprintf(text, 16, "%u.%03u", (unsigned)(ms / 1000), (unsigned)(ms % 1000));
    return text;
}

void view_banner(struct console *c)
{
    static const char *const virt[] = {"no virtualization: VMs cannot run",
                                       "AMD SVM, nested paging", "Intel VT-x, EPT"};
    const struct task_info *info = c->info;
    struct out *out = &c->out;
    char total[16], size[16];

    // Asks "are you there?" (ECMA-48 DSR): only a terminal that knows ANSI answers, and on any
    // other it is wiped.
    out_text(out, "\x1b[5n\r    \r\n");
    out_repeat(out, '=', 72);
    out_print(out, "\n  Bulkhead %s", CONSOLE_VERSION);
    out_print(out, "   sealed compartments for whole operating systems\n");
    out_repeat(out, '=', 72);
    out_print(out, "\n  system   %.31s, %u VM%s\n", info->system, c->vm_count,
              c->vm_count == 1 ? "" : "s");
    out_print(out, "  CPU      %u x %.47s, %u MHz\n", info->cpus,
              info->cpu_name[0] != '\0' ? info->cpu_name : "x86-64",
              (unsigned)(info->tsc_hz / 1000000));
    out_print(out, "  virtual  %s\n", info->virt <= VIRT_VMX ? virt[info->virt] : "unknown");
    out_print(out, "  memory   %s; the kernel takes %s, %s of it code\n\n",
              memory_text(total, info->ram_total), memory_text(size, info->kernel_size),
              memory_text((char[16]){0}, info->kernel_text));
    if (c->vm_count > 0)
        out_text(out, "Starting the VMs; Enter goes to the prompt at once.\n");
}

// ---- Boot times

static void bar(struct console *c, const char *name, const char *stage, uint64_t from, uint64_t to,
                uint64_t whole)
{
    uint64_t zero = c->info->tsc_kernel;
    unsigned first, last;
    char text[16];

    // A second of grace: the page may be newer than this turn's time.
    if (to == 0 || from < zero || to < from || to > c->now + c->info->tsc_hz) {
        out_print(&c->out, "  %-10.10s %-17s %8s\n", name, stage, "-");
        return;
    }
    first = (unsigned)mul_div64(from - zero, BAR_WIDTH, whole);
    last = (unsigned)mul_div64(to - zero, BAR_WIDTH, whole);
    first = first < BAR_WIDTH ? first : BAR_WIDTH - 1;
    last = last < BAR_WIDTH ? last : BAR_WIDTH - 1;
    out_print(&c->out, "  %-10.10s %-17s %8s ", name, stage, seconds_text(text, c, to - zero));
    out_repeat(&c->out, ' ', first);
    out_colour(&c->out, OUT_GREEN);
    out_repeat(&c->out, '#', last - first + 1);
    out_colour(&c->out, OUT_PLAIN);
    out_text(&c->out, "\n");
}

void view_boot(struct console *c)
{
    static const char *const stages[] = {"created", "first instruction", "first output", "ready"};
    const struct task_info *info = c->info;
    uint64_t times[TASK_CHANNEL_MAX][4] = {0}, whole = 1, latest = info->tsc_created;
    uint64_t root_end = info->tsc_created; // until it created the first task

    for (unsigned i = 0; i < c->vm_count; i++) {
        const struct task_status *status = c->vms[i].status;

        if (!status)
            continue;
        times[i][0] = load(&status->tsc_started);
        times[i][1] = load(&status->tsc_first_entry);
        times[i][2] = load(&status->tsc_first_output);
        times[i][3] = load(&status->tsc_ready);
        for (unsigned k = 0; k < 4; k++)
            if (times[i][k] > latest && times[i][k] <= c->now + info->tsc_hz)
                latest = times[i][k];
    }
    if (latest > info->tsc_kernel)
        whole = latest - info->tsc_kernel + 1;
    for (unsigned i = 0; i < c->vm_count; i++)
        if (c->vms[i].status && load(&c->vms[i].status->tsc_created) < root_end)
            root_end = load(&c->vms[i].status->tsc_created);
    out_print(&c->out, "\n  %-28s %8s\n", "Boot", "seconds");
    bar(c, "kernel", "", info->tsc_kernel, info->tsc_root, whole);
    bar(c, "root", "", info->tsc_root, root_end, whole);
    for (unsigned i = 0; i < c->vm_count; i++) {
        uint64_t from = c->vms[i].status ? load(&c->vms[i].status->tsc_created) : 0;

        for (unsigned k = 0; k < 4; k++) {
            bar(c, k == 0 ? c->vms[i].name : "", stages[k], from, times[i][k], whole);
            from = times[i][k] != 0 ? times[i][k] : from;
        }
    }
    out_text(&c->out, "\n");
}

// ---- Tasks

const char *view_state(const struct manage_reply *row, const struct task_status *status)
{
    if (row->state == MANAGE_STOPPED)
        return "stopped";
    if (row->state == MANAGE_CRASHED)
        return "crashed";
    if (!status)
        return "running";
    switch (__atomic_load_n(&status->state, __ATOMIC_RELAXED)) {
    case TASK_CREATED:
        return "created";
    case TASK_RUNNING:
        return "running";
    case TASK_READY:
        return "ready";
    default:
        return "ending";
    }
}

static void table_row(struct console *c, const struct manage_reply *row, uint64_t ticks,
                      uint64_t elapsed, const struct task_status *status)
{
    char memory[16], cpu[16] = "-", uptime[24] = "-", exits[24] = "-";
    uint64_t started = status ? load(&status->tsc_started) : 0;
    bool own = strcmp(row->name, c->info->name) == 0;
    bool runs = row->state == MANAGE_RUNNING;

    if (own)
        started = c->info->tsc_created;
    if (runs && started != 0 && started < c->now) {
        unsigned seconds = (unsigned)(console_ms(c, c->now - started) / 1000);

        snprintf(uptime, sizeof(uptime), "%u:%02u:%02u", seconds / 3600, seconds / 60 % 60,
                 seconds % 60);
        elapsed = elapsed != 0 ? elapsed : c->now - started;
    }
    if (runs && elapsed != 0) {
        unsigned tenths = (unsigned)mul_div64(ticks, 1000, elapsed);

        snprintf(cpu, sizeof(cpu), "%u.%u", tenths / 10, tenths % 10);
    }
    if (runs && status && row->kind == MANAGE_KIND_VM)
        snprintf(exits, sizeof(exits), "%llu", (unsigned long long)exits_of(status));
    out_print(&c->out, "%-16.16s %-6s ", row->name, row->kind == MANAGE_KIND_VM ? "vm" : "server");
    out_colour(&c->out, !runs ? OUT_YELLOW : OUT_GREEN);
    out_print(&c->out, "%-8s", view_state(row, status));
    out_colour(&c->out, OUT_PLAIN);
    out_print(&c->out, " %7s %6s %9s %11s %8u\n", memory_text(memory, row->memory), cpu, uptime,
              exits, row->restarts);
}

void view_table(struct console *c, bool since_before)
{
    char total[16], left[16];

    out_colour(&c->out, OUT_BOLD);
    out_print(&c->out, "%-16s %-6s %-8s %7s %6s %9s %11s %8s\n", "NAME", "KIND", "STATE", "MEMORY",
              "CPU%", "UPTIME", "EXITS", "RESTARTS");
    out_colour(&c->out, OUT_PLAIN);
    for (unsigned i = 0; i < c->row_count; i++) {
        const struct manage_reply *row = &c->rows[i];
        const struct vm *vm = console_find(c, row->name);
        const struct task_status *status = vm ? vm->status : NULL;
        uint64_t ticks = row->value, elapsed = 0;

        if (since_before) {
            ticks = ticks > c->ticks_before[i] ? ticks - c->ticks_before[i] : 0;
            elapsed = c->rows_time - c->rows_time_before;
        } else if (!status) {
            elapsed = c->now - c->info->tsc_root;
        }
        table_row(c, row, ticks, elapsed, status);
    }
    out_print(&c->out, "memory: %s of %s free\n", memory_text(left, c->ram_free),
              memory_text(total, c->ram_total));
}

static void view_time(struct console *c, const struct manage_reply *row)
{
    out_print(&c->out, "  on CPU %u", row->host_cpu);
    if (row->priority == 0)
        out_print(&c->out, ", weight %u", row->weight);
    if (row->budget_us != 0)
        out_print(&c->out, ", at most %u us in each %u us: spent %llu times", row->budget_us,
                  row->period_us, (unsigned long long)row->overruns);
    out_print(&c->out, "\n");
}

void view_info(struct console *c, const struct manage_reply *row)
{
    const struct vm *vm = console_find(c, row->name);
    const struct task_status *status = vm ? vm->status : NULL;
    char memory[16], reason[sizeof(status->reason) + 1] = "";
    uint64_t sum;

    out_print(&c->out, "%s: %s, %s, priority %u, %s of memory, %u restarts\n", row->name,
              row->kind == MANAGE_KIND_VM ? "vm" : "server", view_state(row, status), row->priority,
              memory_text(memory, row->memory), row->restarts);
    if (row->message[0] != '\0')
        out_print(&c->out, "  %s\n", row->message);
    view_time(c, row);
    if (!status)
        return;
    for (unsigned i = 0; i < sizeof(status->reason); i++) {
        char letter = *(const volatile char *)&status->reason[i];

        if (letter == '\0')
            break;
        reason[i] = letter >= ' ' && letter <= '~' ? letter : '?';
    }
    if (reason[0] != '\0' && row->message[0] == '\0') // else root has said it
        out_print(&c->out, "  it says: %s\n", reason);
    out_print(&c->out, "  printed %llu bytes, %llu interrupts delivered\n",
              (unsigned long long)load(&status->bytes_out),
              (unsigned long long)load(&status->irqs_injected));
    sum = exits_of(status);
    out_print(&c->out, "  exits %llu\n", (unsigned long long)sum);
    for (unsigned i = 0; i < EXIT_CLASSES; i++) {
        uint64_t n = load(&status->exits[i]);
        unsigned share = sum != 0 ? (unsigned)mul_div64(n, 1000, sum) : 0;

        if (n != 0 && exit_names[i])
            out_print(&c->out, "    %-22s %12llu %3u.%u %%\n", exit_names[i], (unsigned long long)n,
                      share / 10, share % 10);
    }
}
