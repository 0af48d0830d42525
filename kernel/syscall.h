// SPDX-License-Identifier: BSD-2-Clause
// System calls that are not on entry.S's fast path.
#pragma once

#include "thread.h"

// Decodes, checks, acts. `thread->regs` holds the arguments and receives the results; does not return.
_Noreturn void syscall_slow(struct thread *thread);
