// SPDX-License-Identifier: BSD-2-Clause
// Destruction of anything, however large, in steps.
#pragma once

#include "object.h"

struct thread;

// One bounded step for a system call of `thread`. STEP_DONE: the object is gone; until then it is marked dying, and
// only another destroy finds it. HAZARD: the thread itself may have been destroyed: then it is not `current`
// afterwards.
enum step object_destroy_step(struct object *object, struct thread *thread);
