// SPDX-License-Identifier: BSD-2-Clause
// The kernel's own words: COM1 by polling, until the console server takes the line over; then only panics.
#pragma once

void log_init(void);
void log_line(const char *format, ...) __attribute__((format(printf, 1, 2)));
