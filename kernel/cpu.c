// SPDX-License-Identifier: BSD-2-Clause
// What one CPU does for another.
#include "cpu.h"

void cpu_interrupt(void) {}
