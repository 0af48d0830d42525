// SPDX-License-Identifier: BSD-2-Clause
// A plugin of QEMU's software emulation (plugin API version 1, QEMU 7.2) that counts the
// instructions of a machine with one CPU on which Bulkhead runs on SVM: of the kernel, of tasks, of
// the guest; entries and exits; exits by cause as a vmm sees them.
//   qemu ... -plugin count.so,out=FILE[,vectors=ADDRESS]     the kernel's symbol `vectors`, for
//   interrupts
// Each marker instruction (bench/marker.h) and the first VMRUN write a line with all totals, which
// are exact at that point.
//
// Interrupts: an irq is delivered at the first instruction of its vector's stub. Counted are the
// kernel's instructions from there, and from the exit before, to the marker MARK_WOKEN of a waiting
// thread; and from an exit to the next VMRUN when an interrupt and no instruction of a task was
// between. Each line has number, sum and largest of those since the line before.
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
#include <stdlib.h>
#include <string.h>

#include "bulkhead/task.h"
#include "marker.h"
#include "plugin.h"

// A vmm counts its exits by class in its status page: its stores there tell the causes.
#define EXITS_BEGIN (TASK_STATUS_ADDRESS + offsetof(struct task_status, exits))
#define EXITS_END   (EXITS_BEGIN + sizeof(((struct task_status *)0)->exits))

enum { KERNEL, USER, GUEST, MODES };
static uint64_t count[MODES];
static uint64_t entries, exits;
static uint64_t causes[TASK_EXIT_CLASSES];
static bool in_guest;
static FILE *out;

struct sample {
    const char *name;
    uint64_t n, sum, max;
};
enum { WOKEN, WOKEN_FROM_EXIT, RESUMED, SAMPLES };
static struct sample samples[SAMPLES] = {
    {.name = "woken"}, {.name = "woken_from_exit"}, {.name = "resumed"}};
static uint64_t vectors; // address of the stubs; 0: unknown
static uint64_t irq_at, exit_at,
    user_at_exit; // kernel's instructions before the last delivery and exit
static bool irq_since_exit;

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
    for (unsigned i = 0; i < SAMPLES; i++) {
        struct sample *s = &samples[i];
        if (s->n)
            fprintf(out, " %s_n=%" PRIu64 " %s_sum=%" PRIu64 " %s_max=%" PRIu64, s->name, s->n,
                    s->name, s->sum, s->name, s->max);
        s->n = s->sum = s->max = 0;
    }
    fputc('\n', out);
    fflush(out);
}

static void take(unsigned i, uint64_t value)
{
    samples[i].n++;
    samples[i].sum += value;
    if (value > samples[i].max)
        samples[i].max = value;
}

static void on_irq(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    irq_at = count[KERNEL];
    irq_since_exit = true;
}

static void on_woken(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    take(WOKEN, count[KERNEL] - irq_at);
    take(WOKEN_FROM_EXIT, count[KERNEL] - exit_at);
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
    if (irq_since_exit && count[USER] == user_at_exit)
        take(RESUMED,
             count[KERNEL] + 1 - exit_at); // callbacks come before the instruction is counted
    in_guest = true;
}

static void on_leave(unsigned cpu, void *data)
{
    (void)cpu, (void)data;
    in_guest = false;
    irq_since_exit = false;
    exit_at = count[KERNEL];
    user_at_exit = count[USER];
    exits++;
}

static void on_store(unsigned cpu, uint32_t info, uint64_t address, void *data)
{
    (void)cpu, (void)data;
    if (address >= EXITS_BEGIN && address < EXITS_END && qemu_plugin_mem_is_store(info))
        causes[(address - EXITS_BEGIN) / 8]++;
}

static void instrument(struct qemu_plugin_insn *insn, bool first)
{
    const uint8_t *bytes = qemu_plugin_insn_data(insn);
    size_t size = qemu_plugin_insn_size(insn);
    uint64_t address = qemu_plugin_insn_vaddr(insn);
    uint32_t marker;

    if (first && address == behind_vmrun && starts_with(bytes, size, vmsave, sizeof(vmsave))) {
        in_guest = false; // the block is about to be executed
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_leave, PLUGIN_NO_REGISTERS, NULL);
    }
    unsigned mode = in_guest ? GUEST : address >= UPPER_HALF ? KERNEL : USER;
    qemu_plugin_register_vcpu_insn_exec_inline(insn, PLUGIN_INLINE_ADD, &count[mode], 1);
    if (mode == KERNEL && starts_with(bytes, size, vmrun, sizeof(vmrun))) {
        behind_vmrun = address + size;
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_vmrun, PLUGIN_NO_REGISTERS, NULL);
    }
    if (mode == KERNEL && vectors && address >= vectors + 32 * 8 && address < vectors + 0xd0 * 8 &&
        address % 8 == 0)
        qemu_plugin_register_vcpu_insn_exec_cb(insn, on_irq, PLUGIN_NO_REGISTERS, NULL);
    if (mode == USER && bytes[0] != 0xf3) // REP: root fills memory
        qemu_plugin_register_vcpu_mem_cb(insn, on_store, PLUGIN_NO_REGISTERS, PLUGIN_MEMORY_WRITE,
                                         NULL);
    if (size == 8 && starts_with(bytes, size, (const uint8_t[]){0x0f, 0x1f, 0x84, 0x00}, 4)) {
        memcpy(&marker, bytes + 4, 4);
        if ((marker & ~0xffu) == MARKER_MAGIC)
            qemu_plugin_register_vcpu_insn_exec_cb(
                insn, (marker & 0xff) == MARK_WOKEN ? on_woken : on_marker, PLUGIN_NO_REGISTERS,
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
    for (int i = 0; i < argc; i++) {
        if (strncmp(argv[i], "out=", 4) == 0)
            out = fopen(argv[i] + 4, "w");
        if (strncmp(argv[i], "vectors=", 8) == 0)
            vectors = strtoull(argv[i] + 8, NULL, 16);
    }
    if (!out)
        return 1;
    qemu_plugin_register_vcpu_tb_trans_cb(id, on_translate);
    qemu_plugin_register_atexit_cb(id, on_end, NULL);
    return 0;
}
