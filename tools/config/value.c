// SPDX-License-Identifier: BSD-2-Clause
// The types of values: names, text, sizes, numbers, booleans and choices. A message says what is
// wrong with the value as it was written, and what to write instead.
#include <ctype.h>
#include <string.h>

#include "config.h"

bool value_is(struct config *config, struct node *node, enum node_kind kind)
{
    static const char *const wanted[] = {"a single value", "a map of keys", "a list"};

    if (node->bad)
        return false;
    if (node->kind == kind)
        return true;
    if (node->kind == NODE_SCALAR && node->plain &&
        (!*node->text || !strcmp(node->text, "~") || !strcmp(node->text, "null")))
        report_key(config, node, "has no value; write %s, or leave the key out", wanted[kind]);
    else
        report(config, node, "must be %s", wanted[kind]);
    return false;
}

// A scalar with something in it.
static bool is_value(struct config *config, struct node *node)
{
    if (!value_is(config, node, NODE_SCALAR))
        return false;
    if (node->plain && (!*node->text || !strcmp(node->text, "~") || !strcmp(node->text, "null"))) {
        report_key(config, node, "has no value; write one, or leave the key out");
        return false;
    }
    return true;
}

bool value_text(struct config *config, struct node *node, size_t max, const char **result)
{
    if (!is_value(config, node))
        return false;
    size_t length = strlen(node->text);
    if (length > max) {
        report(config, node, "is %zu characters long; at most %zu are possible", length, max);
        return false;
    }
    for (size_t i = 0; i < length; i++) {
        if ((unsigned char)node->text[i] < 0x20 || (unsigned char)node->text[i] > 0x7E) {
            report(config, node, "character %zu is not printable ASCII; remove it", i + 1);
            return false;
        }
    }
    *result = node->text;
    return true;
}

static bool is_name(const char *text)
{
    size_t length = strlen(text);

    if (!length || length > MAX_NAME || !islower((unsigned char)text[0]) || text[length - 1] == '-')
        return false;
    for (size_t i = 0; i < length; i++)
        if (!islower((unsigned char)text[i]) && !isdigit((unsigned char)text[i]) && text[i] != '-')
            return false;
    return true;
}

bool value_name(struct config *config, struct node *node, const char **result)
{
    if (!is_value(config, node))
        return false;
    if (!is_name(node->text)) {
        report(config, node,
               "%s is not a name; use 1 to %d lower-case letters, digits and '-', a letter first",
               quoted(config, node->text), MAX_NAME);
        return false;
    }
    *result = node->text;
    return true;
}

const char *size_text(struct config *config, uint64_t bytes)
{
    static const struct {
        uint64_t unit;
        char letter;
    } units[] = {{GIB, 'G'}, {MIB, 'M'}, {KIB, 'K'}};

    for (size_t i = 0; i < 3; i++)
        if (bytes && bytes % units[i].unit == 0)
            return config_printf(config, "%llu%c", (unsigned long long)(bytes / units[i].unit),
                                 units[i].letter);
    return config_printf(config, "%llu", (unsigned long long)bytes);
}

// Digits, then K, M or G (powers of 1024) or nothing (bytes).
static bool parse_size(const char *text, uint64_t *result)
{
    uint64_t value = 0, unit = 1;
    const char *at = text;

    for (; isdigit((unsigned char)*at); at++)
        if (__builtin_mul_overflow(value, 10, &value) ||
            __builtin_add_overflow(value, (uint64_t)(*at - '0'), &value))
            return false;
    if (at == text)
        return false;
    if (*at == 'K' || *at == 'k')
        unit = KIB, at++;
    else if (*at == 'M' || *at == 'm')
        unit = MIB, at++;
    else if (*at == 'G' || *at == 'g')
        unit = GIB, at++;
    return !*at && !__builtin_mul_overflow(value, unit, result);
}

bool value_size(struct config *config, struct node *node, uint64_t min, uint64_t max,
                uint64_t multiple, uint64_t *result)
{
    uint64_t value;

    if (!is_value(config, node))
        return false;
    if (!parse_size(node->text, &value)) {
        report(config, node, "%s is not a size; write for example 512M",
               quoted(config, node->text));
        return false;
    }
    if (value < min || value > max) {
        report(config, node, "%s is outside %s to %s", quoted(config, node->text),
               size_text(config, min), size_text(config, max));
        return false;
    }
    if (value % multiple) {
        report(config, node, "%s is not a multiple of %s; the next one is %s",
               quoted(config, node->text), size_text(config, multiple),
               size_text(config, (value + multiple - 1) / multiple * multiple));
        return false;
    }
    *result = value;
    return true;
}

bool value_int(struct config *config, struct node *node, unsigned min, unsigned max,
               const char *why, unsigned *result)
{
    unsigned value = 0;
    const char *at = node->text;

    if (!is_value(config, node))
        return false;
    for (; isdigit((unsigned char)*at) && value < 100000000; at++)
        value = value * 10 + (unsigned)(*at - '0');
    if (*at || at == node->text || !node->plain) {
        report(config, node, "%s is not a number; write one from %u to %u without quotes",
               quoted(config, node->text), min, max);
        return false;
    }
    if (value < min || value > max) {
        report(config, node, "%s is outside %u to %u%s%s", quoted(config, node->text), min, max,
               why ? ": " : "", why ? why : "");
        return false;
    }
    *result = value;
    return true;
}

static const char *time_text(struct config *config, unsigned us)
{
    if (us % 1000000 == 0)
        return config_printf(config, "%u s", us / 1000000);
    if (us % 1000 == 0)
        return config_printf(config, "%u ms", us / 1000);
    return config_printf(config, "%u us", us);
}

// Digits, perhaps a space, then s, ms or us.
static bool parse_time(const char *text, uint64_t *result)
{
    static const struct {
        const char *name;
        unsigned us;
    } units[] = {{"us", 1}, {"ms", 1000}, {"s", 1000000}};
    uint64_t value = 0;
    const char *at = text;

    for (; isdigit((unsigned char)*at) && value < 100000000; at++)
        value = value * 10 + (uint64_t)(*at - '0');
    if (at == text)
        return false;
    at += *at == ' ';
    for (size_t i = 0; i < 3; i++)
        if (!strcmp(at, units[i].name)) {
            *result = value * units[i].us;
            return true;
        }
    return false;
}

bool value_time(struct config *config, struct node *node, unsigned min, unsigned max,
                unsigned *result)
{
    uint64_t us;

    if (!is_value(config, node))
        return false;
    if (!parse_time(node->text, &us)) {
        report(config, node, "%s is not a time; write for example 10 ms or 500 us",
               quoted(config, node->text));
        return false;
    }
    if (us < min || us > max) {
        report(config, node, "%s is outside %s to %s", quoted(config, node->text),
               time_text(config, min), time_text(config, max));
        return false;
    }
    *result = (unsigned)us;
    return true;
}

bool value_percent(struct config *config, struct node *node, unsigned *result)
{
    unsigned value = 0;
    const char *at = node->text;

    if (!is_value(config, node))
        return false;
    for (; isdigit((unsigned char)*at) && value < 1000; at++)
        value = value * 10 + (unsigned)(*at - '0');
    at += *at == ' ';
    if (strcmp(at, "%") != 0 || value < 1 || value > 100) {
        report(config, node, "%s is not a share; write 1%% to 100%%, or a time",
               quoted(config, node->text));
        return false;
    }
    *result = value;
    return true;
}

bool value_bool(struct config *config, struct node *node, bool *result)
{
    if (!is_value(config, node))
        return false;
    bool yes = !strcmp(node->text, "true");
    if (!node->plain || (!yes && strcmp(node->text, "false"))) {
        report(config, node, "%s is not true or false; write one of them without quotes",
               quoted(config, node->text));
        return false;
    }
    *result = yes;
    return true;
}

bool value_choice(struct config *config, struct node *node, const char *const *choices,
                  unsigned *result)
{
    char list[256] = "";
    size_t at = 0;

    if (!is_value(config, node))
        return false;
    for (unsigned i = 0; choices[i]; i++) {
        if (!strcmp(node->text, choices[i])) {
            *result = i;
            return true;
        }
        int length = snprintf(list + at, sizeof(list) - at, "%s%s",
                              !i               ? ""
                              : choices[i + 1] ? ", "
                                               : " or ",
                              choices[i]);
        if (length > 0 && at + (size_t)length < sizeof(list))
            at += (size_t)length;
    }
    const char *near = nearest(node->text, choices);
    if (near)
        report(config, node, "%s is not known; did you mean '%s'?", quoted(config, node->text),
               near);
    else
        report(config, node, "%s is not known; write %s", quoted(config, node->text), list);
    return false;
}
