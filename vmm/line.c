// SPDX-License-Identifier: BSD-2-Clause
// The serial line between the guest's UART and the console: byte rings (bulkhead/ring.h).
//
// Output is not lost: when the ring is full the whole guest stands still until the console has
// read, as it would behind a slow terminal with hardware flow control. A console that does not read
// at all must not stop its VM for ever: after a second without progress output is dropped until
// there is room again.
#include <string.h>

#include "bulkhead/syscall.h"
#include "vm.h"

// The first process of the guests' initramfs prints this (tools/mkinitramfs.sh).
static const char marker[] = "BULKHEAD-INIT-OK";

void vm_ready(struct vm *vm)
{
    struct task_status *status = vm->status;

    if (status->tsc_ready)
        return;
    status->tsc_ready = task_tsc();
    status->state = TASK_READY;
    sys_raise(TASK_SLOT_SUPERVISOR, 1);
}

// No proper prefix of the marker ends with its first byte, so a mismatch starts over at that byte.
static void look_for_marker(struct vm *vm, const uint8_t *bytes, size_t n)
{
    struct line *line = &vm->line;

    for (size_t i = 0; i < n && !vm->status->tsc_ready; i++) {
        if (bytes[i] != (uint8_t)marker[line->matched])
            line->matched = 0;
        if (bytes[i] == (uint8_t)marker[line->matched])
            line->matched++;
        if (!marker[line->matched])
            vm_ready(vm);
    }
}

bool line_prompts(const struct vm *vm)
{
    const uint8_t *last = vm->line.last;

    return last[1] == ' ' && (last[0] == '#' || last[0] == '$' || last[0] == '>' || last[0] == ':');
}

static void tell_peer(struct line *line, struct ring_end *end)
{
    if (!end->raise)
        return;
    end->raise = false;
    sys_raise(line->channel->peer_slot, 1);
}

void line_open(struct vm *vm)
{
    struct line *line = &vm->line;
    const struct task_info *info = vm->info;

    for (unsigned i = 0; i < info->channel_count && i < TASK_CHANNEL_MAX; i++) {
        const struct task_channel *channel = &info->channels[i];
        uint32_t size = ring_capacity(channel->ring_bytes);

        if (channel->kind == CHANNEL_CONSOLE &&
            ring_open(&line->tx, (struct ring *)channel->tx, size, RING_PRODUCER) &&
            ring_open(&line->rx, (struct ring *)channel->rx, size, RING_CONSUMER)) {
            line->channel = channel;
            return;
        }
    }
}

static void note_output(struct vm *vm, const uint8_t *bytes, size_t n)
{
    struct task_status *status = vm->status;
    struct line *line = &vm->line;

    if (!status->tsc_first_output)
        status->tsc_first_output = task_tsc();
    status->bytes_out += n;
    if (!status->tsc_ready)
        look_for_marker(vm, bytes, n);
    line->last[0] = n > 1 ? bytes[n - 2] : line->last[1];
    line->last[1] = bytes[n - 1];
}

// The peer's bit comes to the signal of vCPU 0. Another vCPU looks every millisecond: it holds the
// lock, so that vCPU 0 cannot tell it. False: it is too late.
static bool wait_for_peer(struct vcpu *vcpu, uint64_t give_up)
{
    uint64_t until = give_up, look = task_tsc() + vcpu->vm->info->tsc_hz / 1000, bits;

    if (vcpu->index != 0 && look < until)
        until = look;
    enum status status = sys_wait(vcpu->signal, until, &bits);
    vcpu->bits |= bits; // HAZARD: they are still to be served
    return (status == OK || (status == ERR_TIMEOUT && until < give_up)) && task_tsc() < give_up;
}

void line_send(struct vm *vm, const uint8_t *bytes, size_t n)
{
    struct line *line = &vm->line;
    uint64_t give_up = 0;

    if (n == 0)
        return;
    note_output(vm, bytes, n);
    if (!line->channel)
        return;
    for (;;) {
        uint32_t done = ring_write(&line->tx, bytes, (uint32_t)n);
        tell_peer(line, &line->tx);
        bytes += done;
        n -= done;
        if (done)
            line->stalled = false;
        if (n == 0)
            return;
        if (done || give_up == 0)
            give_up = task_tsc() + vm->info->tsc_hz;
        if (line->stalled || !wait_for_peer(vm_current(vm), give_up)) {
            line->stalled = true;
            line->dropped += n;
            return;
        }
    }
}

void line_receive(struct vm *vm)
{
    struct line *line = &vm->line;
    struct uart *uart = &vm->chipset.uart[0];

    if (!line->channel)
        return;
    for (;;) { // bound: the UART's FIFO fills up
        if (line->typed_at == line->typed_count) {
            line->typed_at = 0;
            line->typed_count = ring_read(&line->rx, line->typed, sizeof(line->typed));
            tell_peer(line, &line->rx);
            if (line->typed_count == 0)
                return;
        }
        const uint8_t *typed = line->typed + line->typed_at;
        unsigned n = line->typed_count - line->typed_at;
        size_t taken = vm->devices.typed ? vm->devices.typed(vm->devices.typed_dev, typed, n)
                                         : uart_receive(uart, typed, n);
        line->typed_at += taken < n ? (unsigned)taken : n;
        if (line->typed_at != line->typed_count)
            return;
    }
}
