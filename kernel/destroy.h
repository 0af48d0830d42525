// SPDX-License-Identifier: BSD-2-Clause
// Destruction of anything, however large, in steps.
#pragma once

#include "object.h"

// One bounded step. True when the object is gone; until then it is marked dying, and only another destroy finds it.
bool object_destroy_step(struct object *object);
