// SPDX-License-Identifier: BSD-2-Clause
// The kernel's log (system call `log`, debug builds): what is said before there is a console, and
// by root.
#pragma once

#include <stdarg.h>
#include <stddef.h>

// Writes the bytes as they are.
void log_write(const char *text, size_t length);

// Writes "prefix: text", or the text alone when the prefix is NULL, and a newline; the whole is cut
// at 240 bytes.
void log_line(const char *prefix, const char *format, va_list arguments)
    __attribute__((format(printf, 2, 0)));
