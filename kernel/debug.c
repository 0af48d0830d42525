// SPDX-License-Identifier: BSD-2-Clause
// The debugger's commands. Each call of HW_DEBUG does one bounded step and gives a cursor with which the next call goes
// on, so nothing is remembered here and interrupts are off for one line of output at most. The answer goes to the
// kernel's log.
#include "debug.h"
#include "ipc.h"
#include "sched.h"

#define SCAN      256 // slots looked at in a step
#define NAMES     1024
#define NAME_SIZE 32

static const struct slot *table;
static uint32_t slot_count;
// By slot number modulo its size: of two objects that meet there the one named last has its name.
static struct {
    uint32_t slot;
    char text[NAME_SIZE];
} names[NAMES];

void debug_table(const struct slot *first, uint32_t count)
{
    table = first;
    slot_count = count;
}

struct object *debug_object(uint32_t slot)
{
    return slot < slot_count ? table[slot].object : NULL;
}

const char *debug_name(const struct object *object)
{
    return names[object->slot % NAMES].slot == object->slot ? names[object->slot % NAMES].text : "";
}

void debug_free(const struct object *object)
{
    if (*debug_name(object))
        names[object->slot % NAMES].slot = 0;
}

static bool same(const char *a, const char *b)
{
    while (*a && *a == *b) // bound: both end with NUL
        a++, b++;
    return *a == *b;
}

static void put_number(uint64_t value, unsigned base)
{
    char digits[21] = "";
    unsigned n = sizeof(digits) - 1;

    do // bound: 20 digits
        digits[--n] = "0123456789abcdef"[value % base];
    while (value /= base);
    log_text(digits + n);
}

void debug_say(const char *format, const uint64_t *arguments)
{
    for (; *format; format++) { // bound: the format
        if (*format != '%') {
            log_text((const char[]){*format, 0});
            continue;
        }
        uint64_t value = *arguments++;
        const struct object *object = *++format == 'o' ? (const struct object *)value : NULL;
        bool named = object && *debug_name(object);
        if (*format == 's')
            log_text((const char *)value);
        else if (*format == 'o' && !object)
            log_text("-");
        else
            put_number(object ? object->slot : value, *format == 'x' ? 16 : 10);
        log_text(named ? "(" : "");
        log_text(named ? debug_name(object) : "");
        log_text(named ? ")" : "");
    }
}

void debug_record(const struct trace_record *r)
{
    say("@trace %x %x %x %x %x %x %x\n", r->cpu, r->time, r->event, r->a, r->b, r->c, r->d);
}

// ---- Commands: each gives the cursor of its next step, 0 behind the last

static uint64_t next_slot(uint64_t slot)
{
    return slot < slot_count ? slot : 0;
}

static uint64_t list(const char *argument, uint64_t slot)
{
    bool named = same(argument, "named");
    unsigned type = named ? OBJ_NONE : OBJ_COUNT - 1;

    while (type && !(debug_types[type].name && same(debug_types[type].name, argument))) // bound: OBJ_COUNT
        type--;
    if (!type && !named) {
        say("list pool, mem, task, guest, thread, gate, signal, irq, or named: those with a name\n");
        return 0;
    }
    for (unsigned n = 0; n < SCAN && slot < slot_count; n++) {
        const struct object *object = debug_object(slot++);
        if (object && (named ? *debug_name(object) != 0 : object->type == type)) {
            debug_line(object);
            break;
        }
    }
    return next_slot(slot);
}

// A decimal number, or false: a name.
static bool number(const char *text, uint64_t *value)
{
    for (*value = 0; *text >= '0' && *text <= '9'; text++) // bound: the text
        *value = 10 * *value + *text - '0';
    return !*text;
}

static uint64_t show(const char *argument, uint64_t cursor)
{
    uint64_t only, slot = cursor & (SLOT_COUNT_MAX - 1), piece = cursor >> SLOT_BITS;
    bool by_number = number(argument, &only);

    if (by_number)
        slot = only;
    for (unsigned n = 0; n < SCAN && slot < slot_count; n++, slot++) {
        const struct object *object = debug_object(slot);
        if (!object || (!by_number && !same(debug_name(object), argument))) {
            if (by_number)
                break;
            continue;
        }
        if (!piece)
            debug_line(object);
        piece = debug_detail(object, piece);
        return piece ? piece << SLOT_BITS | slot : by_number ? 0 : next_slot(slot + 1);
    }
    if (by_number)
        say("there is no object in slot %s\n", P(argument));
    return by_number ? 0 : next_slot(slot);
}

// HAZARD: cursors come from user level.
static const struct cpu *cpu_at(uint64_t number)
{
    return number < arch_cpu_count() ? arch_cpu(number) : NULL;
}

static uint64_t cpus(const char *argument, uint64_t number)
{
    const struct cpu *cpu = cpu_at(number);

    (void)argument;
    if (!cpu)
        return 0;
    say("cpu %d APIC %d thread %o on the time of %o ready 0x%x timer 0x%x now 0x%x fpu %o\n", cpu->number, cpu->apic_id,
        P(cpu->current), P(cpu->donor), cpu->ready_bitmap, cpu->armed, arch_time(), P(cpu->fpu_owner));
    return number + 1 < arch_cpu_count() ? number + 1 : 0;
}

// A step is one priority of one CPU. HAZARD: another CPU may change its queue meanwhile: the loop is bounded by itself,
// and the threads exist, because memory goes back only with the help of this CPU.
static uint64_t ready(const char *argument, uint64_t cursor)
{
    const struct cpu *cpu = cpu_at(cursor / PRIORITY_COUNT);
    unsigned priority = cursor % PRIORITY_COUNT;
    const struct thread *t = cpu ? cpu->ready[priority] : NULL;

    (void)argument;
    if (!cpu)
        return 0;
    if (cpu->ready_bitmap >> priority & 1) {
        say("cpu %d priority %d:", cpu->number, priority);
        if (!priority)
            say(" %o and others of the best-effort band", P((char *)cpu->fair.root - offsetof(struct thread, node)));
        for (unsigned n = 0; t && n < 16 && (!n || t != cpu->ready[priority]); n++, t = t->ready_next)
            say(" %o", P(t));
        say("\n");
    }
    cursor++;
    return cursor < arch_cpu_count() * PRIORITY_COUNT ? cursor : 0;
}

// The rings stand still while they are printed. Cursor: CPU and how many of its records were printed.
static uint64_t trace_dump(const char *argument, uint64_t cursor)
{
    const struct cpu *cpu = cpu_at(cursor >> 32);
    uint64_t done = cursor & UINT32_MAX, wanted;
    struct trace_record record;

    if (!cpu)
        return 0;
    if (!cursor) {
        trace_pause(true);
        say("@tsc %d %d\n", tsc_hz, arch_cpu_count());
    }
    uint64_t count = trace_count(cpu);
    if (*argument && number(argument, &wanted) && wanted < count)
        count = wanted;
    if (done < count && trace_read(cpu, count - 1 - done, &record)) {
        debug_record(&record);
        return cursor + 1;
    }
    if (cpu->number + 1 < arch_cpu_count())
        return (cpu->number + 1ull) << 32;
    trace_pause(false);
    return 0;
}

static uint64_t crash(const char *argument, uint64_t cursor)
{
    say("crash %s\n", P(argument));
    *(volatile uint64_t *)(0x6b63656863ull << 20) = cursor; // not canonical: no task can have mapped it
    return 0;
}

static uint64_t help(const char *argument, uint64_t cursor);
static const struct command {
    const char *name, *operand, *help;
    uint64_t (*step)(const char *argument, uint64_t cursor);
} commands[] = {
    {"help", "", "this list", help},
    {"list", "TYPE", "a line about each of pool mem task guest thread gate signal irq named", list},
    {"show", "SLOT|NAME", "all about an object", show},
    {"cpus", "", "what each CPU does", cpus},
    {"ready", "", "the ready queues", ready},
    {"trace", "[COUNT]", "the last records of each CPU; ./bulkhead trace reads them", trace_dump},
    {"crash", "", "a fault in the kernel, to see its report", crash},
};
#define COMMANDS (sizeof(commands) / sizeof(*commands))

static uint64_t help(const char *argument, uint64_t i)
{
    (void)argument;
    i %= COMMANDS;
    say("  %s %s: %s\n", P(commands[i].name), P(commands[i].operand), P(commands[i].help));
    return (i + 1) % COMMANDS;
}

static uint64_t run(char *text, uint64_t cursor)
{
    char *argument = text;

    while (*argument && *argument != ' ') // bound: the text
        argument++;
    while (*argument == ' ') // bound: the text
        *argument++ = 0;
    for (unsigned i = 0; i < COMMANDS; i++)
        if (same(commands[i].name, text)) {
            if (commands[i].step != trace_dump) // the one before may have been left half-way
                trace_pause(false);
            return commands[i].step(argument, cursor);
        }
    say("kernel: there is no command %s\n", P(text));
    return 0;
}

bool debug_hw_ctl(const struct task *task, uint64_t op, uint64_t words[6], enum status *status)
{
    char text[6 * 8 + 1] = "";
    struct object *object;

    if ((op & 0xff) == HW_DEBUG) {
        __builtin_memcpy(text, words, 6 * 8);
        words[0] = run(text, op >> 8);
        *status = OK;
        return true;
    }
    if (op != HW_NAME)
        return false;
    *status = cap_lookup(task, words[0], OBJ_NONE, 0, &object);
    if (*status == OK) {
        names[object->slot % NAMES].slot = object->slot;
        __builtin_memcpy(names[object->slot % NAMES].text, words + 1, NAME_SIZE - 1);
    }
    return true;
}
