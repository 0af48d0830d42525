// SPDX-License-Identifier: BSD-2-Clause
// The kernel's own words: COM1 by polling, until the console server takes the line over; then only panics.
#pragma once

#include <stdbool.h>
#include <stdint.h>

extern bool panicking; // a CPU stopped the machine

void log_init(void);
void log_hex(const char *before, uint64_t value); // " before 0xvalue"
