// SPDX-License-Identifier: BSD-2-Clause
// The part of <stdio.h> (ISO C17 7.21.6) that tasks need: formatting into a buffer.
// Conversions: %d %i %u %x %X %s %c %p %% with hh h l ll z j t, width and precision (also *), and
// the flags 0 and -. Anything else is copied as it stands. There is no floating point.
#pragma once

#include <stdarg.h>
#include <stddef.h>

// Return the length that the whole text has; at most size - 1 bytes and a NUL are stored.
int snprintf(char *restrict buffer, size_t size, const char *restrict format, ...)
    __attribute__((format(printf, 3, 4)));
int vsnprintf(char *restrict buffer, size_t size, const char *restrict format, va_list arguments)
    __attribute__((format(printf, 3, 0)));
