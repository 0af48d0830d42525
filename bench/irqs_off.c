// SPDX-License-Identifier: BSD-2-Clause
// A plugin of QEMU's software emulation that finds the longest stretches of kernel instructions
// with interrupts off, on a machine with one CPU on which Bulkhead runs on SVM, and what the kernel
// was asked to do in each.
//   qemu ... -plugin irqs_off.so,out=FILE,symbols=FILE      symbols: `nm -n bulkhead.elf`
//
// Tasks and guests always run with interrupts on, so a stretch is all kernel instructions from one
// STI, SYSRET, IRET, HLT or VMRUN to the next: what lets interrupts in, or goes to where they are.
// (The one NOP behind the STI of a preemption point is counted into the next stretch. An NMI's IRET
// would cut one; the suite has no NMI on the host.) A REP instruction counts once for each element;
// `once`: only once. Starts with the first return to user mode: what the boot does is not counted.
//
// A stretch belongs to what came last: a vector, the IPC fast path, a handler sys_*, or of
// sys_create a create_*. An interrupt within a system call gives its place back.
#include <inttypes.h>
#include <stdio.h>
#include <stdlib.h>

#include "plugin.h"

#define SYMBOLS 1024
#define VECTORS 0xd0 // VECTOR_COUNT of the kernel
#define TOP     4    // functions named for each stretch

struct owner { // what the kernel can be asked
    char name[40];
    uint64_t longest, stretches;
    uint64_t longest_once;    // of all, when a REP instruction counts once
    uint64_t at;              // address of the instruction that ended the longest
    uint64_t inside[SYMBOLS]; // its instructions by function
};

struct symbol {
    uint64_t address;
    char name[40];
    uint64_t count, before; // instructions: all, and when the stretch began
    struct owner *owner;    // when its first instruction says what is done
};

static struct symbol symbols[SYMBOLS];
static unsigned symbol_count;
static struct owner *vector_owner[VECTORS], *owners[SYMBOLS + VECTORS + 1], *owner, *interrupted;
static unsigned owner_count;
static uint64_t count, begin, vectors;
static uint64_t repeated, repeated_before, last_rep,
    last_rep_count; // elements of REP instructions beyond the first
static bool running, in_guest;
static uint64_t behind_vmrun;
static FILE *out;

static struct owner *owner_new(const char *name)
{
    struct owner *new = calloc(1, sizeof(*new));

    if (!new)
        abort();
    snprintf(new->name, sizeof(new->name), "%.39s", name);
    return owners[owner_count++] = new;
}

static void begin_stretch(void)
{
    repeated_before = repeated;
    begin = count + 1; // behind the current instruction, which is counted after its callbacks
    for (unsigned i = 0; i < symbol_count; i++)
        symbols[i].before = symbols[i].count;
}

static void end_stretch(uint64_t at)
{
    uint64_t length = count + 1 - begin, once = length - (repeated - repeated_before);

    owner->stretches++;
    if (once > owner->longest_once)
        owner->longest_once = once;
    if (length > owner->longest) {
        owner->longest = length;
        owner->at = at;
        for (unsigned i = 0; i < symbol_count; i++)
            owner->inside[i] = symbols[i].count - symbols[i].before;
    }
}

static void on_open(unsigned cpu, void *data)
{
    (void)cpu;
    if (running)
        end_stretch((uint64_t)data);
    begin_stretch();
}

// SYSRET or IRET. An IRET to the kernel goes back to what was interrupted.
static void on_return(unsigned cpu, void *data)
{
    on_open(cpu, data);
    running = true;
    if (interrupted)
        owner = interrupted;
    interrupted = NULL;
}

static void on_owner(unsigned cpu, void *data)
{
    (void)cpu;
    owner = data;
    interrupted = NULL;
}

// The first instruction of a vector: from the kernel when instructions were executed since
// interrupts were let in.
static void on_vector(unsigned cpu, void *data)
{
    (void)cpu;
    interrupted = count > begin ? owner : NULL;
    owner = data;
}

// QEMU executes a REP instruction anew for each element.
static void on_rep(unsigned cpu, void *data)
{
    (void)cpu;
    if (last_rep == (uint64_t)data && last_rep_count + 1 == count)
        repeated++;
    last_rep = (uint64_t)data;
    last_rep_count = count;
}

static void on_vmrun(unsigned cpu, void *data)
{
    on_open(cpu, data);
    in_guest = true;
}

static void on_leave(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    in_guest = false;
}

static struct symbol *symbol_at(uint64_t address)
{
    unsigned low = 0, high = symbol_count;

    while (high - low > 1) {
        unsigned middle = (low + high) / 2;
        if (symbols[middle].address <= address)
            low = middle;
        else
            high = middle;
    }
    return &symbols[low];
}

static void callback(struct qemu_plugin_insn *insn, void (*call)(unsigned, void *), void *data)
{
    qemu_plugin_register_vcpu_insn_exec_cb(insn, call, PLUGIN_NO_REGISTERS, data);
}

static void instrument(struct qemu_plugin_insn *insn, bool first)
{
    const uint8_t *bytes = qemu_plugin_insn_data(insn);
    size_t size = qemu_plugin_insn_size(insn);
    uint64_t address = qemu_plugin_insn_vaddr(insn);
    void *here = (void *)address;

    if (first && address == behind_vmrun && starts_with(bytes, size, vmsave, sizeof(vmsave))) {
        in_guest = false; // the block is about to be executed
        callback(insn, on_leave, NULL);
    }
    if (in_guest || address < UPPER_HALF || !symbol_count || address < symbols[0].address)
        return;
    struct symbol *symbol = symbol_at(address);
    qemu_plugin_register_vcpu_insn_exec_inline(insn, PLUGIN_INLINE_ADD, &count, 1);
    qemu_plugin_register_vcpu_insn_exec_inline(insn, PLUGIN_INLINE_ADD, &symbol->count, 1);
    if (symbol->owner && symbol->address == address)
        callback(insn, on_owner, symbol->owner);
    uint64_t offset = address - vectors;
    if (address >= vectors && offset < 8 * VECTORS && offset % 8 == 0)
        callback(insn, on_vector, vector_owner[offset / 8]);
    if ((size == 2 || size == 3) && (bytes[0] == 0xf3 || bytes[0] == 0xf2) &&
        bytes[size - 1] >= 0xa4 && bytes[size - 1] <= 0xaf) // REP MOVS, STOS, ...
        callback(insn, on_rep, here);
    if (size == 1 && (bytes[0] == 0xfb || bytes[0] == 0xf4)) // STI, HLT
        callback(insn, on_open, here);
    else if (starts_with(bytes, size, (const uint8_t[]){0x48, 0xcf}, 2) ||
             starts_with(bytes, size, (const uint8_t[]){0x48, 0x0f, 0x07}, 3))
        callback(insn, on_return, here);
    else if (starts_with(bytes, size, vmrun, sizeof(vmrun))) {
        behind_vmrun = address + size;
        callback(insn, on_vmrun, here);
    }
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0, n = qemu_plugin_tb_n_insns(tb); i < n; i++)
        instrument(qemu_plugin_tb_get_insn(tb, i), i == 0);
}

// One line each: name, longest stretch, the longest when REP counts once, number of stretches; of
// the longest the place of its end and the functions with most of its instructions.
static void on_end(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    for (unsigned i = 0; i < owner_count; i++) {
        struct owner *o = owners[i];
        if (!o->stretches)
            continue;
        fprintf(out,
                "%s longest=%" PRIu64 " once=%" PRIu64 " stretches=%" PRIu64 " end=%s+%" PRIx64,
                o->name, o->longest, o->longest_once, o->stretches, symbol_at(o->at)->name,
                o->at - symbol_at(o->at)->address);
        for (unsigned n = 0; n < TOP; n++) {
            unsigned most = 0;
            for (unsigned s = 1; s < symbol_count; s++)
                if (o->inside[s] > o->inside[most])
                    most = s;
            if (o->inside[most])
                fprintf(out, " %s:%" PRIu64, symbols[most].name, o->inside[most]);
            o->inside[most] = 0;
        }
        fputc('\n', out);
    }
    fputs("end\n", out);
    fflush(out);
}

static bool read_symbols(const char *path)
{
    FILE *in = fopen(path, "r");
    char line[256], type;

    while (in && fgets(line, sizeof(line), in) && symbol_count < SYMBOLS) {
        struct symbol *s = &symbols[symbol_count];
        if (sscanf(line, "%" SCNx64 " %c %39s", &s->address, &type, s->name) != 3 ||
            (type != 't' && type != 'T') || s->address < UPPER_HALF)
            continue;
        symbol_count++;
        if (strncmp(s->name, "sys_", 4) == 0 ||
            strncmp(s->name, "create_", 7) == 0) // sys_create's, by type
            s->owner = owner_new(s->name);
        else if (strcmp(s->name, "syscall_entry") == 0)
            s->owner = owner_new("fast");      // until a handler is called
        else if (strcmp(s->name, "vcpu") == 0) // in entry.S
            s->owner = owner_new("sys_vcpu_run");
        else if (strcmp(s->name, "vectors") == 0)
            vectors = s->address;
    }
    if (in)
        fclose(in);
    for (unsigned i = 0; i < VECTORS; i++) {
        snprintf(line, sizeof(line), "vector_%u", i & 0xff);
        vector_owner[i] = owner_new(line);
    }
    owner = owner_new("start");
    return vectors;
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                               char **argv)
{
    bool known = false;

    (void)info;
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
        if (strncmp(argv[i], "symbols=", 8) == 0)
            known = read_symbols(argv[i] + 8);
    }
    if (!out || !known)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
