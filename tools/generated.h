// SPDX-License-Identifier: BSD-2-Clause
// A document of which one part, between two marker lines, is generated: printing, updating,
// checking it.
#pragma once

#include <stdio.h>
#include <stdlib.h>
#include <string.h>

static char *read_file(const char *path)
{
    char *text = NULL;
    size_t size = 0;
    FILE *f = fopen(path, "r");
    if (!f)
        return NULL;
    ssize_t length = getdelim(&text, &size, 0, f); // text has no zero byte: the whole file
    fclose(f);
    if (length < 0) {
        free(text);
        return NULL;
    }
    return text;
}

static int update(const char *path, const char *begin_mark, const char *end_mark,
                  const char *generated, int check)
{
    char *old = read_file(path);
    char *begin = old ? strstr(old, begin_mark) : NULL;
    char *end = begin ? strstr(begin, end_mark) : NULL;
    if (!end) {
        fprintf(stderr, "%s: cannot read it, or it lacks the marker lines\n", path);
        free(old);
        return 1;
    }
    begin += strlen(begin_mark);
    size_t length = strlen(generated);
    int same = (size_t)(end - begin) == length && memcmp(begin, generated, length) == 0;
    int status = 0;
    if (check) {
        status = !same;
        if (!same)
            fprintf(stderr, "%s: not up to date: run the tool on it\n", path);
    } else if (!same) {
        FILE *f = fopen(path, "w");
        if (!f) {
            perror(path);
            status = 1;
        } else {
            fwrite(old, 1, (size_t)(begin - old), f);
            fputs(generated, f);
            fputs(end, f);
            status = fclose(f) != 0;
        }
    }
    free(old);
    return status;
}

// TOOL | TOOL FILE | TOOL --check FILE; the exit status.
static int generated_main(int argc, char **argv, const char *begin_mark, const char *end_mark,
                          char *generated)
{
    if (!generated)
        return 1;
    int status = 0;
    if (argc == 1)
        fputs(generated, stdout);
    else if (argc == 2 && argv[1][0] != '-')
        status = update(argv[1], begin_mark, end_mark, generated, 0);
    else if (argc == 3 && strcmp(argv[1], "--check") == 0)
        status = update(argv[2], begin_mark, end_mark, generated, 1);
    else {
        fprintf(stderr, "usage: %s [[--check] FILE]\n", argv[0]);
        status = 2;
    }
    free(generated);
    return status;
}
