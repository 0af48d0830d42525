// SPDX-License-Identifier: BSD-2-Clause
// A file as text on the monitor's channel: RFC 4648 base64 between the lines of uuencode. Linked
// with the devices that have files to send.
#include "monitor.h"

static void put_line(struct monitor_file *file)
{
    static const char digits[] = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";
    char text[sizeof(file->rest) / 3 * 4 + 1];
    unsigned n = 0;

    for (unsigned i = 0; i < file->count; i += 3) {
        unsigned left = file->count - i;
        uint32_t bits = (uint32_t)file->rest[i] << 16;
        bits |= left > 1 ? (uint32_t)file->rest[i + 1] << 8 : 0;
        bits |= left > 2 ? file->rest[i + 2] : 0;
        text[n++] = digits[bits >> 18];
        text[n++] = digits[bits >> 12 & 63];
        text[n++] = left > 1 ? digits[bits >> 6 & 63] : '=';
        text[n++] = left > 2 ? digits[bits & 63] : '=';
    }
    text[n++] = '\n';
    if (file->count > 0)
        monitor_write(file->monitor, text, n);
    file->count = 0;
}

void monitor_file_begin(struct monitor_file *file, struct monitor *monitor, const char *name)
{
    file->monitor = monitor;
    file->count = 0;
    monitor_print(monitor, "begin-base64 644 %s\n", name);
}

void monitor_file_write(struct monitor_file *file, const void *bytes, size_t n)
{
    const uint8_t *at = bytes;

    while (n-- > 0) {
        file->rest[file->count++] = *at++;
        if (file->count == sizeof(file->rest))
            put_line(file);
    }
}

void monitor_file_end(struct monitor_file *file)
{
    put_line(file);
    monitor_write(file->monitor, "====\n", 5);
}
