// SPDX-License-Identifier: BSD-2-Clause
// Makes a trace in the Common Trace Format (version 1.8.3, which babeltrace2 and Trace Compass
// read) of what a kernel made with DEBUG=2 wrote to its log:
//     trace-ctf DIRECTORY < LOG
// The log may hold anything; three kinds of lines count, wherever they begin:
//     @tsc HZ CPUS                             frequency of the time stamps
//     SLOT(NAME) TYPE in pool                  a line about an object; not within a line
//     @trace CPU TIME EVENT A B C D            a record (kernel/trace.h), hexadecimal
// Records that occur twice, as in a dump and a crash report behind it, are written once.
#define _GNU_SOURCE
#include <errno.h>
#include <stdarg.h>
#include <stdbool.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "bulkhead/abi.h"
#include "bulkhead/vcpu.h"
#include "kernel/trace.h"

#define MAGIC      0xc1fc1fc1u
#define NAMES_MAX  4096
#define EVENTS_MAX 64

struct trace {
    uint64_t hz;
    struct trace_record *records;
    size_t count, room;
    struct {
        unsigned slot;
        char text[64];
    } names[NAMES_MAX];
    unsigned name_count;
};

static const char *const event_names[EVENTS_MAX] = {
#define EVENT(number, name, ...) [number] = #name,
#include "kernel/trace.def"
#undef EVENT
};

// ---- The log

static void add_name(struct trace *trace, unsigned slot, const char *type, const char *name)
{
    unsigned i = 0;

    while (i < trace->name_count && trace->names[i].slot != slot)
        i++;
    if (slot == 0 || i == NAMES_MAX)
        return;
    trace->names[i].slot = slot;
    snprintf(trace->names[i].text, sizeof(trace->names[i].text), "%.30s %.20s", name, type);
    for (char *c = trace->names[i].text; *c; c++)
        if (*c < ' ' || *c > '~' || *c == '"' || *c == '\\')
            *c = '?';
    trace->name_count += i == trace->name_count;
}

// False: no memory.
static bool add_record(struct trace *trace, const struct trace_record *record)
{
    if (trace->count == trace->room) {
        size_t room = trace->room ? 2 * trace->room : 4096;
        struct trace_record *records = realloc(trace->records, room * sizeof(*records));

        if (!records)
            return false;
        trace->records = records;
        trace->room = room;
    }
    trace->records[trace->count++] = *record;
    return true;
}

static bool read_line(struct trace *trace, const char *line)
{
    const char *at;
    char type[32], name[64];
    unsigned slot, cpu, event, a, b, c, cpus;
    unsigned long long time, d, hz;
    int end = 0;

    if ((at = strstr(line, "@tsc ")) && sscanf(at, "@tsc %llu %u", &hz, &cpus) == 2 && hz != 0)
        trace->hz = hz;
    if (sscanf(line, "%u(%63[^) ]) %31s in pool%n", &slot, name, type, &end) == 3 && end > 0)
        add_name(trace, slot, type, name);
    if ((at = strstr(line, "@trace ")) &&
        sscanf(at, "@trace %x %llx %x %x %x %x %llx", &cpu, &time, &event, &a, &b, &c, &d) == 7) {
        struct trace_record record = {time, (uint16_t)event, (uint16_t)cpu, a, b, c, d};

        if (cpu < CPU_MAX && event < EVENTS_MAX && event_names[event])
            return add_record(trace, &record);
    }
    return true;
}

static int compare(const void *left, const void *right)
{
    const struct trace_record *a = left, *b = right;

    if (a->cpu != b->cpu)
        return a->cpu < b->cpu ? -1 : 1;
    if (a->time != b->time)
        return a->time < b->time ? -1 : 1;
    return memcmp(a, b, sizeof(*a));
}

static void sort(struct trace *trace)
{
    size_t kept = 0;

    if (trace->count == 0)
        return;
    qsort(trace->records, trace->count, sizeof(*trace->records), compare);
    for (size_t i = 0; i < trace->count; i++)
        if (i == 0 || compare(&trace->records[i], &trace->records[kept - 1]) != 0)
            trace->records[kept++] = trace->records[i];
    trace->count = kept;
}

// ---- The metadata (CTF 1.8.3, appendix C)

static void print_enum(FILE *f, const char *type, const char *const *names, unsigned count)
{
    fprintf(f, "typealias enum : uint32_t {");
    for (unsigned i = 0; i < count; i++)
        if (names[i])
            fprintf(f, " \"%s\" = %u,", names[i], i);
    fprintf(f, " } := %s_t;\n", type);
}

static void print_enums(FILE *f)
{
    static const char *const ops[] = {
#define SYSCALL(number, name, ...) [number] = #name,
#include "bulkhead/syscalls.def"
#undef SYSCALL
    };
#define NAME(prefix, name) [prefix##name] = #name
    static const char *const statuses[STATUS_COUNT] = {
        [OK] = "OK",           NAME(ERR_, CAP),     NAME(ERR_, RIGHTS), NAME(ERR_, ARG),
        NAME(ERR_, RANGE),     NAME(ERR_, OVERLAP), NAME(ERR_, SLOT),   NAME(ERR_, MEMORY),
        NAME(ERR_, QUOTA),     NAME(ERR_, BUSY),    NAME(ERR_, STATE),  NAME(ERR_, DEAD),
        NAME(ERR_, CANCELLED), NAME(ERR_, TIMEOUT), NAME(ERR_, DEPTH),  NAME(ERR_, UNSUPPORTED),
    };
    static const char *const types[OBJ_COUNT] = {
        NAME(OBJ_, NONE),  NAME(OBJ_, POOL),   NAME(OBJ_, MEM),  NAME(OBJ_, TASK),
        NAME(OBJ_, GUEST), NAME(OBJ_, THREAD), NAME(OBJ_, GATE), NAME(OBJ_, SIGNAL),
        NAME(OBJ_, IRQ),   NAME(OBJ_, DEVICE), NAME(OBJ_, HW),
    };
    static const char *const exits[EXIT_HOST + 1] = {
        NAME(EXIT_, KICK),       NAME(EXIT_, DEADLINE),   NAME(EXIT_, WINDOW),
        NAME(EXIT_, NMI_WINDOW), NAME(EXIT_, CPUID),      NAME(EXIT_, HLT),
        NAME(EXIT_, IO),         NAME(EXIT_, RDMSR),      NAME(EXIT_, WRMSR),
        NAME(EXIT_, MEMORY),     NAME(EXIT_, CR),         NAME(EXIT_, DR),
        NAME(EXIT_, XSETBV),     NAME(EXIT_, EXCEPTION),  NAME(EXIT_, SHUTDOWN),
        NAME(EXIT_, INVD),       NAME(EXIT_, PAUSE),      NAME(EXIT_, HYPERCALL),
        NAME(EXIT_, RDTSC),      NAME(EXIT_, INVLPG),     NAME(EXIT_, TASK_SWITCH),
        NAME(EXIT_, UNDEFINED),  NAME(EXIT_, INIT),       NAME(EXIT_, SIPI),
        NAME(EXIT_, INVALID),    NAME(EXIT_, OTHER),      NAME(EXIT_, RDPMC),
        NAME(EXIT_, APIC_EOI),   NAME(EXIT_, APIC_WRITE), NAME(EXIT_, HOST),
    };
#undef NAME
    print_enum(f, "OP", ops, SYS_COUNT);
    print_enum(f, "STATUS", statuses, STATUS_COUNT);
    print_enum(f, "OBJECT", types, OBJ_COUNT);
    print_enum(f, "EXIT", exits, EXIT_HOST + 1);
}

static void print_metadata(FILE *f, const struct trace *trace)
{
    fprintf(f, "/* CTF 1.8 */\n"
               "typealias integer { size = 32; align = 8; signed = false; } := uint32_t;\n"
               "typealias integer { size = 64; align = 8; signed = false; } := uint64_t;\n"
               "typealias integer { size = 32; align = 8; signed = false; } := DEC_t;\n"
               "typealias integer { size = 32; align = 8; signed = false; base = 16; } := HEX_t;\n"
               "typealias integer { size = 64; align = 8; signed = false; base = 16; } := "
               "HEX_long_t;\n");
    print_enums(f);
    fprintf(f, "typealias enum : uint32_t { \"none\" = 0,");
    for (unsigned i = 0; i < trace->name_count; i++)
        fprintf(f, " \"%s\" = %u,", trace->names[i].text, trace->names[i].slot);
    fprintf(f,
            " } := SLOT_t;\n"
            "trace { major = 1; minor = 8; byte_order = le;\n"
            "    packet.header := struct { uint32_t magic; uint32_t stream_id; }; };\n"
            "env { domain = \"kernel\"; tracer_name = \"bulkhead\"; };\n"
            "clock { name = tsc; freq = %llu; };\n"
            "typealias integer { size = 64; align = 8; signed = false; map = clock.tsc.value; } "
            ":= tsc_t;\n"
            "stream { id = 0;\n"
            "    packet.context := struct { uint64_t content_size; uint64_t packet_size;\n"
            "        tsc_t timestamp_begin; tsc_t timestamp_end; uint32_t cpu_id; };\n"
            "    event.header := struct { tsc_t timestamp; uint32_t id; }; };\n",
            (unsigned long long)trace->hz);
    // A leading underscore is not part of a field's name; it keeps the language's words apart.
#define EVENT(number, name, t0, f0, t1, f1, t2, f2, t3, f3, when)                               \
    fprintf(f,                                                                                  \
            "event { name = \"%s\"; id = %d; stream_id = 0; fields := struct { %s_t _%s; %s_t " \
            "_%s; %s_t _%s; %s_long_t _%s; }; };\n",                                            \
            #name, number, #t0, #f0, #t1, #f1, #t2, #f2, #t3, #f3);
#include "kernel/trace.def"
#undef EVENT
}

// ---- The stream of a CPU: one packet

static void print_stream(FILE *f, const struct trace_record *records, size_t count)
{
    struct __attribute__((packed)) {
        uint32_t magic, stream_id;
        uint64_t content_size, packet_size, begin, end; // sizes in bits
        uint32_t cpu;
    } packet = {.magic = MAGIC,
                .begin = records[0].time,
                .end = records[count - 1].time,
                .cpu = records[0].cpu};

    packet.content_size = packet.packet_size = 8 * (sizeof(packet) + count * sizeof(*records));
    fwrite(&packet, sizeof(packet), 1, f);
    for (size_t i = 0; i < count; i++) {
        struct trace_record record = records[i];

        record.cpu = 0; // of the packet; here it is the upper half of the event's number
        fwrite(&record, sizeof(record), 1, f);
    }
}

static FILE *create(const char *directory, const char *format, ...)
    __attribute__((format(printf, 2, 3)));
static FILE *create(const char *directory, const char *format, ...)
{
    char name[32], path[4096];
    va_list arguments;

    va_start(arguments, format);
    vsnprintf(name, sizeof(name), format, arguments);
    va_end(arguments);
    snprintf(path, sizeof(path), "%s/%s", directory, name);
    FILE *f = fopen(path, "wb");
    if (!f)
        perror(path);
    return f;
}

static bool write_trace(struct trace *trace, const char *directory)
{
    FILE *f;
    bool good;

    if (mkdir(directory, 0777) && errno != EEXIST) {
        perror(directory);
        return false;
    }
    sort(trace);
    if (!(f = create(directory, "metadata")))
        return false;
    print_metadata(f, trace);
    good = fclose(f) == 0;
    for (size_t i = 0, end; good && i < trace->count; i = end) {
        for (end = i; end < trace->count && trace->records[end].cpu == trace->records[i].cpu;)
            end++;
        if (!(f = create(directory, "cpu%u", trace->records[i].cpu)))
            return false;
        print_stream(f, trace->records + i, end - i);
        good = fclose(f) == 0;
    }
    return good;
}

int main(int argc, char **argv)
{
    static struct trace trace = {.hz = 1000000000};
    char *line = NULL;
    size_t size = 0;
    bool good = true;

    if (argc != 2 || argv[1][0] == '-') {
        fprintf(stderr, "usage: trace-ctf DIRECTORY < LOG\n");
        return 2;
    }
    while (good && getline(&line, &size, stdin) >= 0)
        good = read_line(&trace, line);
    free(line);
    if (trace.count == 0)
        fprintf(stderr, "trace-ctf: the log has no records: is the kernel made with DEBUG=2?\n");
    good = good && trace.count != 0 && write_trace(&trace, argv[1]);
    if (good)
        printf("%zu records, %u names in %s\n", trace.count, trace.name_count, argv[1]);
    free(trace.records);
    return !good;
}
