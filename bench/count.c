// SPDX-License-Identifier: BSD-2-Clause
// A plugin of QEMU's software emulation (plugin API version 1, QEMU 7.2) that counts the
// instructions of a machine with one CPU on which Bulkhead runs on SVM: of the kernel, of tasks, of
// the guest; entries and exits; exits by cause as a vmm sees them.
//   gcc -O2 -fPIC -shared -o count.so bench/count.c;  qemu ... -plugin count.so,out=FILE
// Each marker instruction (bench/marker.h) and the first VMRUN write a line with all totals, which
// are exact at that point.
//
// How an instruction is attributed: QEMU translates a block of code separately for guest and host
// mode, so the mode at translation time is the mode of all its executions, and an inline counter
// suffices. Guest mode lasts from VMRUN to the instruction behind it. The kernel is host code in
// the upper half. An instruction that exits, or faults and is executed again, is counted each time.
// HAZARD: a Linux guest lives at the kernel's addresses too: the instruction behind VMRUN is known
// by its bytes as well.
#include <inttypes.h>
#include <stdbool.h>
#include <stddef.h>
#include <stdint.h>
#include <stdio.h>
#include <string.h>

#include "bulkhead/task.h"
#include "marker.h"

// ---- Declarations of qemu-plugin.h, which Debian does not package; only what is used here.
typedef uint64_t qemu_plugin_id_t;
struct qemu_info;
struct qemu_plugin_tb;
struct qemu_plugin_insn;
enum { PLUGIN_NO_REGISTERS = 0 };
enum { PLUGIN_INLINE_ADD = 0 };
enum { PLUGIN_MEMORY_WRITE = 2 };

void qemu_plugin_register_vcpu_tb_trans_cb(qemu_plugin_id_t id,
                                           void (*call)(qemu_plugin_id_t, struct qemu_plugin_tb *));
void qemu_plugin_register_vcpu_insn_exec_cb(struct qemu_plugin_insn *insn,
                                            void (*call)(unsigned, void *), int flags, void *data);
void qemu_plugin_register_vcpu_insn_exec_inline(struct qemu_plugin_insn *insn, int operation,
                                                void *to, uint64_t value);
void qemu_plugin_register_vcpu_mem_cb(struct qemu_plugin_insn *insn,
                                      void (*call)(unsigned, uint32_t, uint64_t, void *), int flags,
                                      int access, void *data);
void qemu_plugin_register_atexit_cb(qemu_plugin_id_t id, void (*call)(qemu_plugin_id_t, void *),
                                    void *data);
size_t qemu_plugin_tb_n_insns(const struct qemu_plugin_tb *tb);
struct qemu_plugin_insn *qemu_plugin_tb_get_insn(const struct qemu_plugin_tb *tb, size_t index);
const void *qemu_plugin_insn_data(const struct qemu_plugin_insn *insn);
size_t qemu_plugin_insn_size(const struct qemu_plugin_insn *insn);
bool qemu_plugin_mem_is_store(uint32_t info);
uint64_t qemu_plugin_insn_vaddr(const struct qemu_plugin_insn *insn);
int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc, char **argv);

#define EXPORT __attribute__((visibility("default")))
EXPORT int qemu_plugin_version = 1;

#define UPPER_HALF (1ull << 63)
// A vmm counts its exits by class in its status page: its stores there tell the causes.
#define EXITS_BEGIN (TASK_STATUS_ADDRESS + offsetof(struct task_status, exits))
#define EXITS_END   (EXITS_BEGIN + sizeof(((struct task_status *)0)->exits))

enum { KERNEL, USER, GUEST, MODES };
static uint64_t count[MODES];
static uint64_t entries, exits;
static uint64_t causes[TASK_EXIT_CLASSES];
static bool in_guest;
static FILE *out;

static const uint8_t vmrun[] = {0x0f, 0x01, 0xd8}, vmsave[] = {0x0f, 0x01, 0xdb};
static uint64_t behind_vmrun; // the kernel has one VMRUN

static void report(const char *what, uintptr_t id)
{
    fprintf(out,
            "%s %" PRIuPTR " kernel=%" PRIu64 " user=%" PRIu64 " guest=%" PRIu64 " entries=%" PRIu64
            " exits=%" PRIu64,
            what, id, count[KERNEL], count[USER], count[GUEST], entries, exits);
    for (unsigned i = 0; i < TASK_EXIT_CLASSES; i++)
        if (causes[i])
            fprintf(out, " cause%u=%" PRIu64, i, causes[i]);
    fputc('\n', out);
    fflush(out);
}

static void on_marker(unsigned cpu, void *data)
{
    (void)cpu;
    report("mark", (uintptr_t)data);
}

static void on_vmrun(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    if (!entries++)
        report("vmrun", 0);
    in_guest = true;
}

static void on_exit(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    in_guest = false;
    exits++;
}

static void on_store(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
    (void)cpu, (void)data;
    if (address >= EXITS_BEGIN && address < EXITS_END && qemu_plugin_mem_is_store(info))
        causes[(address - EXITS_BEGIN) / 8]++;
}

static bool starts_with(const uint8_t *bytes, size_t size, const uint8_t *with, size_t length)
{
    return size >= length && memcmp(bytes, with, length) == 0;
}

static void instrument(struct qemu_plugin_insn *insn, bool first)
{
    const uint8_t *bytes = qemu_plugin_insn_data(insn);
    size_t size = qemu_plugin_insn_size(insn);
    uint64_t address = qemu_plugin_insn_vaddr(insn);
    uint32_t marker;

    if (first && address == behind_vmrun && starts_with(bytes, size, vmsave, sizeof(vmsave))) {
        in_guest = false; // the block is about to be executed
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_exit, PLUGIN_NO_REGISTERS, NULL);
    }
    unsigned mode = in_guest ? GUEST : address >= UPPER_HALF ? KERNEL : USER;
    qemu_plugin_register_vcpu_insn_exec_inline(insn, PLUGIN_INLINE_ADD, &count[mode], 1);
    if (mode == KERNEL && starts_with(bytes, size, vmrun, sizeof(vmrun))) {
        behind_vmrun = address + size;
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_vmrun, PLUGIN_NO_REGISTERS, NULL);
    }
    if (mode == USER && bytes[0] != 0xf3) // REP: root fills memory
        qemu_plugin_register_vcpu_mem_cb(insn, on_store, PLUGIN_NO_REGISTERS, PLUGIN_MEMORY_WRITE,
                                         NULL);
    if (size == 8 && starts_with(bytes, size, (const uint8_t[]){0x0f, 0x1f, 0x84, 0x00}, 4)) {
        memcpy(&marker, bytes + 4, 4);
        if ((marker & ~0xffu) == MARKER_MAGIC)
            qemu_plugin_register_vcpu_insn_exec_cb(insn, on_marker, PLUGIN_NO_REGISTERS,
                                                   (void *)(uintptr_t)(marker & 0xff));
    }
}

static void on_translate(qemu_plugin_id_t id, struct qemu_plugin_tb *tb)
{
    (void)id;
    for (size_t i = 0, n = qemu_plugin_tb_n_insns(tb); i < n; i++)
        instrument(qemu_plugin_tb_get_insn(tb, i), i == 0);
}

static void on_end(qemu_plugin_id_t id, void *data)
{
    (void)id, (void)data;
    report("end", 0);
}

EXPORT int qemu_plugin_install(qemu_plugin_id_t id, const struct qemu_info *info, int argc,
                               char **argv)
{
    (void)info;
    for (int i = 0; i < argc; i++)
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
    if (!out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
