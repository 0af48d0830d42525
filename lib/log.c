// SPDX-License-Identifier: BSD-2-Clause
// Lines for the kernel's log. The system call takes up to 48 bytes in registers; each piece of a
// line is one call.
#include <stdio.h>
#include <string.h>

#include "bulkhead/log.h"
#include "bulkhead/syscall.h"

void log_write(const char *text, size_t length)
{
    for (size_t at = 0; at < length;) {
        struct message message = {0};
        size_t piece = length - at < sizeof(message.w) ? length - at : sizeof(message.w);

        message.label = piece;
        memcpy(message.w, text + at, piece);
        sys_log(&message);
        at += piece;
    }
}

void log_line(const char *prefix, const char *format, va_list arguments)
{
    enum { ROOM = 239 }; // leaves one byte of the buffer for the newline
    char line[ROOM + 1];
    int length = prefix ? snprintf(line, ROOM, "%.40s: ", prefix) : 0;

    length += vsnprintf(line + length, (size_t)(ROOM - length), format, arguments);
    if (length > ROOM - 1)
        length = ROOM - 1;
    line[length++] = '\n';
    log_write(line, (size_t)length);
}
