// SPDX-License-Identifier: BSD-2-Clause
// The compiler's memory: a list of blocks that is freed at once, so that no error path can leak.
#define _GNU_SOURCE // vasprintf
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "config.h"

struct arena_block {
    struct arena_block *next;
    max_align_t data[];
};

static _Noreturn void out_of_memory(void)
{
    fprintf(stderr, "bulkhead-config: out of memory\n");
    exit(1);
}

void *config_alloc(struct config *config, size_t size)
{
    struct arena_block *block = calloc(1, sizeof(*block) + size);

    if (!block)
        out_of_memory();
    block->next = config->arena;
    config->arena = block;
    return block->data;
}

char *config_strdup(struct config *config, const char *text, size_t length)
{
    char *copy = config_alloc(config, length + 1);

    if (length)
        memcpy(copy, text, length);
    return copy;
}

char *config_printf(struct config *config, const char *format, ...)
{
    va_list arguments;
    char *text;

    va_start(arguments, format);
    int length = vasprintf(&text, format, arguments);
    va_end(arguments);
    if (length < 0)
        out_of_memory();
    char *copy = config_strdup(config, text, (size_t)length);
    free(text);
    return copy;
}

void config_free(struct config *config)
{
    while (config->arena) {
        struct arena_block *next = config->arena->next;

        free(config->arena);
        config->arena = next;
    }
}
