// SPDX-License-Identifier: BSD-2-Clause
// The fast path of mmio_emulate(): moves of 64-bit code that were met before.
#pragma once

#include "emulate_mmio.h"

// Does the whole access and returns true, or changes nothing and returns false.
bool fast_emulate(struct mmio *m, struct cpu_view *cpu, uint64_t gpa, bool write);

// Keeps what the slow path found out about the instruction at cpu->rip: its bytes, which were read
// from the page at `host`, the translation of that page, and what they decode to.
void fast_remember(struct mmio *m, const struct cpu_view *cpu, const struct insn *insn,
                   const uint8_t *bytes, const uint8_t *host, const struct translation *t);
