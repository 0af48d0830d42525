// SPDX-License-Identifier: BSD-2-Clause
// Error messages: collected in the order of the file, one line each, for people or as JSON lines.
// Names of the file and values in it may hold any byte; nothing unprintable reaches the terminal.
#include <stdarg.h>
#include <string.h>

#include "config.h"

static const char *node_path(struct config *config, const struct node *node)
{
    if (!node || !node->parent)
        return NULL;
    const char *parent = node_path(config, node->parent);
    if (!node->key)
        return config_printf(config, "%s[%u]", parent ? parent : "", node->index);
    const char *key = printable(config, node->key);
    return parent ? config_printf(config, "%s.%s", parent, key) : key;
}

static void record(struct config *config, struct mark mark, const char *path, const char *format,
                   va_list arguments)
{
    char message[512];

    if (config->error_count >= CONFIG_MAX_ERRORS)
        return;
    vsnprintf(message, sizeof(message), format, arguments);
    struct diagnostic *error = config_alloc(config, sizeof(*error));
    error->mark = mark;
    error->path = path;
    error->message = config_strdup(config, message, strlen(message));
    config->error_count++;

    struct diagnostic **place = &config->errors;
    while (*place && ((*place)->mark.line < mark.line ||
                      ((*place)->mark.line == mark.line && (*place)->mark.column <= mark.column)))
        place = &(*place)->next;
    error->next = *place;
    *place = error;
}

void report(struct config *config, const struct node *node, const char *format, ...)
{
    va_list arguments;

    if (node && node->bad)
        return;
    va_start(arguments, format);
    record(config, node ? node->mark : (struct mark){0}, node_path(config, node), format,
           arguments);
    va_end(arguments);
}

void report_key(struct config *config, const struct node *node, const char *format, ...)
{
    va_list arguments;

    if (node->bad)
        return;
    va_start(arguments, format);
    record(config, node->key ? node->key_mark : node->mark, node_path(config, node), format,
           arguments);
    va_end(arguments);
}

void report_at(struct config *config, struct mark mark, const char *format, ...)
{
    va_list arguments;

    va_start(arguments, format);
    record(config, mark, NULL, format, arguments);
    va_end(arguments);
}

const char *printable(struct config *config, const char *text)
{
    enum { SHOWN = 100 };
    char buffer[4 * SHOWN + 8];
    size_t at = 0, i;

    for (i = 0; text[i] && i < SHOWN; i++) {
        unsigned char byte = (unsigned char)text[i];

        // The bytes from 0x80 are UTF-8 that libyaml has checked, but C1 controls are in it (0xC2
        // 0x80 on).
        if (byte < 0x20 || byte == 0x7F)
            at += (size_t)snprintf(buffer + at, 5, "\\x%02x", byte);
        else if (byte == 0xC2 && (unsigned char)text[i + 1] < 0xA0)
            at += (size_t)snprintf(buffer + at, 5, "\\x%02x", (unsigned char)text[++i]);
        else
            buffer[at++] = (char)byte;
    }
    if (text[i]) {
        // A character is not cut in the middle.
        while (at && ((unsigned char)buffer[at - 1] & 0xC0) == 0x80)
            at--;
        if (at && ((unsigned char)buffer[at - 1] & 0xC0) == 0xC0)
            at--;
        memcpy(buffer + at, "...", 3);
        at += 3;
    }
    return config_strdup(config, buffer, at);
}

const char *quoted(struct config *config, const char *text)
{
    return config_printf(config, "'%s'", printable(config, text));
}

static unsigned distance(const char *a, const char *b)
{
    enum { LONGEST = 32 };
    unsigned row[LONGEST + 1];
    size_t length_a = strlen(a), length_b = strlen(b);

    if (length_a > LONGEST || length_b > LONGEST)
        return LONGEST;
    for (unsigned j = 0; j <= length_b; j++)
        row[j] = j;
    for (unsigned i = 1; i <= length_a; i++) {
        unsigned diagonal = row[0];

        row[0] = i;
        for (unsigned j = 1; j <= length_b; j++) {
            unsigned best = diagonal + (a[i - 1] != b[j - 1]);

            diagonal = row[j];
            if (row[j] + 1 < best)
                best = row[j] + 1;
            if (row[j - 1] + 1 < best)
                best = row[j - 1] + 1;
            row[j] = best;
        }
    }
    return row[length_b];
}

const char *nearest(const char *text, const char *const *candidates)
{
    const char *found = NULL;
    unsigned best = strlen(text) < 5 ? 2 : 3; // of the distance, exclusive

    for (; *candidates; candidates++) {
        unsigned d = distance(text, *candidates);

        // "mem" for "memory": the beginning of a longer word is near as well.
        if (strlen(text) >= 3 && !strncmp(text, *candidates, strlen(text)))
            d = 1;
        if (d < best) {
            best = d;
            found = *candidates;
        }
    }
    return found;
}

static void print_json_string(FILE *out, const char *text)
{
    putc('"', out);
    for (; *text; text++) {
        unsigned char byte = (unsigned char)*text;

        if (byte == '"' || byte == '\\')
            fprintf(out, "\\%c", byte);
        else if (byte < 0x20)
            fprintf(out, "\\u%04x", byte);
        else
            putc(byte, out);
    }
    putc('"', out);
}

void print_errors(const struct config *config, FILE *out, bool json)
{
    for (const struct diagnostic *e = config->errors; e; e = e->next) {
        if (json) {
            fprintf(out, "{\"file\":");
            print_json_string(out, config->file);
            fprintf(out, ",\"line\":%u,\"column\":%u,\"path\":", e->mark.line, e->mark.column);
            print_json_string(out, e->path ? e->path : "");
            fprintf(out, ",\"message\":");
            print_json_string(out, e->message);
            fprintf(out, "}\n");
            continue;
        }
        fprintf(out, "%s:", config->file);
        if (e->mark.line)
            fprintf(out, "%u:%u:", e->mark.line, e->mark.column);
        fprintf(out, " %s%s%s\n", e->path ? e->path : "", e->path ? ": " : "", e->message);
    }
    if (!json && config->error_count >= CONFIG_MAX_ERRORS)
        fprintf(out, "%s: more than %d errors; the rest is not shown\n", config->file,
                CONFIG_MAX_ERRORS);
}
