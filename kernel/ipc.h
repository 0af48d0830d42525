// SPDX-License-Identifier: BSD-2-Clause
// Gates and calls: a same-CPU procedure call into another task. The caller's thread donates time and priority; entry.S
// has the path without obstacles, this is everything else.
#pragma once

#include "thread.h"

struct gate {
    struct object obj;
    struct thread *worker; // never NULL: `dead_worker` when it is gone, so that entry.S needs no check
    uint64_t badge;
    struct gate *next, *prev; // of the worker
};

extern struct thread dead_worker;

enum status gate_create(struct pool *pool, struct thread *worker, uint64_t badge, struct gate **out);
// Nobody reaches the worker through it any more; those who wait for that are told.
void gate_unlink(struct gate *gate);
// It cannot be reached by some capability any more: those who wait in a call through it look again.
void gate_look_again(struct gate *gate);

// CALL of `caller` through a gate: either the worker is current afterwards, or the caller is STATE_HELPING. Errors:
// ERR_DEAD, ERR_STATE (the worker is at home on another CPU), ERR_DEPTH, ERR_CANCELLED.
enum status ipc_call(struct thread *caller, struct gate *gate);
// REPLY_WAIT.
enum status ipc_reply_wait(struct thread *worker);
// The worker is free: hands it the message that the helping `caller` holds in its registers.
void ipc_deliver(struct thread *caller, struct gate *gate, struct thread *worker);
// The caller of `worker` is gone or gave up: the worker finishes on its own time, its reply is dropped.
void ipc_orphan(struct thread *worker);
