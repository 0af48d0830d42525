// SPDX-License-Identifier: BSD-2-Clause
// Fast path of mmio_emulate(): plain MOVs of 64-bit code, from a page whose translation is known.
#pragma once

#include "emulate_mmio.h"

// Does the whole access and returns true, or changes nothing and returns false.
bool fast_emulate(struct mmio *m, struct cpu_view *cpu, uint64_t gpa, bool write);

// Keeps the translation of a page of 64-bit code.
void fast_remember(struct mmio *m, const struct cpu_view *cpu, uint64_t page, const uint8_t *host,
                   const struct translation *t);
