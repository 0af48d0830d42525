// SPDX-License-Identifier: BSD-2-Clause
// The commands of the prompt, their completion, and what is said about a wrong one.

#include "console.h"

#include <stdio.h>
#include <string.h>

#define WORDS_MAX    3
#define DISTANCE_MAX 2 // typing errors up to which a name is suggested

enum operand { NO_NAME, VM_NAME, ANY_NAME, TEXT, VM_TEXT };

// A command is a request to root, or, when `run` is set, done here. VM_TEXT: a command of a VM's
// monitor, which gets all behind the VM's name, after the command's own name but for `vm`.
struct command {
    const char *name;
    enum operand operand;
    const char *help;
    enum activity activity;
    enum manage_op op;
    void (*run)(struct console *c, struct vm *vm);
};

static void run_help(struct console *c, struct vm *vm);

static void run_boot(struct console *c, struct vm *vm)
{
    (void)vm;
    view_boot(c);
    console_prompt(c);
}

static void run_time(struct console *c, struct vm *vm)
{
    uint64_t ms = console_ms(c, c->now - c->info->tsc_kernel);

    (void)vm;
    out_print(&c->out, "up %u days %u:%02u:%02u.%03u\n", (unsigned)(ms / 86400000),
              (unsigned)(ms / 3600000 % 24), (unsigned)(ms / 60000 % 60),
              (unsigned)(ms / 1000 % 60), (unsigned)(ms % 1000));
    console_prompt(c);
}

// clang-format off
static const struct command commands[] = {
    {"help",     NO_NAME,  "this list", 0, 0, run_help},
    {"list",     NO_NAME,  "all tasks: state, memory, CPU time since their start", LISTING, MANAGE_LIST, NULL},
    {"top",      NO_NAME,  "the same, with the CPU time of one second", TOP_FIRST, MANAGE_LIST, NULL},
    {"console",  VM_NAME,  "attach to a VM; leave with Enter ~ . or ^]", 0, 0, console_attach},
    {"log",      VM_NAME,  "what a VM printed last", 0, 0, console_log},
    {"info",     ANY_NAME, "more about one task: why it ended, exits by cause", INFO, MANAGE_INFO, NULL},
    {"start",    VM_NAME,  "start a stopped VM", ACTION, MANAGE_START, NULL},
    {"stop",     VM_NAME,  "stop a VM at once; its memory is given back", ACTION, MANAGE_STOP, NULL},
    {"restart",  VM_NAME,  "stop it and start it afresh", ACTION, MANAGE_RESTART, NULL},
    {"pause",    VM_TEXT,  "hold a VM", 0, MANAGE_MONITOR, NULL},
    {"resume",   VM_TEXT,  "let it go on", 0, MANAGE_MONITOR, NULL},
    {"snapshot", VM_NAME,  "keep a VM's whole state in memory", SNAPSHOT, MANAGE_SNAPSHOT, NULL},
    {"restore",  VM_NAME,  "start a VM from its snapshot", SNAPSHOT, MANAGE_RESTORE, NULL},
    {"vm",       VM_TEXT,  "a command of its monitor: `vm NAME help` shows all", 0, MANAGE_MONITOR, NULL},
    {"boot",     NO_NAME,  "chart of the boot times", 0, 0, run_boot},
    {"time",     NO_NAME,  "how long the machine is up", 0, 0, run_time},
    {"kernel",   TEXT,     "the kernel's debugger, when made with DEBUG=2: `kernel help`", 0, 0, NULL},
    {"reboot",   NO_NAME,  "reset the machine", ACTION, MANAGE_SHUTDOWN, NULL},
    {"shutdown", NO_NAME,  "end the emulator; a real machine is reset", ACTION, MANAGE_EXIT, NULL},
};
// clang-format on
#define COMMAND_COUNT (sizeof(commands) / sizeof(commands[0]))

static void run_help(struct console *c, struct vm *vm)
{
    static const char *const operands[] = {"", "NAME", "NAME", "TEXT", "NAME"};

    (void)vm;
    for (unsigned i = 0; i < COMMAND_COUNT; i++)
        out_print(&c->out, "  %-8s %-5s %s\n", commands[i].name, operands[commands[i].operand],
                  commands[i].help);
    out_text(&c->out, "Tab completes; the cursor keys edit and bring back earlier lines.\n");
    console_prompt(c);
}

// The i-th word that can stand first on a line, or be an operand; NULL behind the last.
static const char *candidate(const struct console *c, bool first, unsigned i)
{
    if (first)
        return i < COMMAND_COUNT ? commands[i].name : NULL;
    return i < c->vm_count ? c->vms[i].name : NULL;
}

// Levenshtein distance, in one row of the table; words longer than the row count as far away.
static unsigned distance(const char *a, const char *b)
{
    unsigned row[TASK_NAME_SIZE + 1], length = (unsigned)strlen(b);

    if (length > TASK_NAME_SIZE)
        return DISTANCE_MAX + 1;
    for (unsigned k = 0; k <= length; k++)
        row[k] = k;
    for (unsigned i = 1; a[i - 1] != '\0'; i++) {
        unsigned corner = row[0];

        row[0] = i;
        for (unsigned k = 1; k <= length; k++) {
            unsigned best = corner + (a[i - 1] != b[k - 1]);

            corner = row[k];
            best = best < row[k] + 1 ? best : row[k] + 1;
            row[k] = best < row[k - 1] + 1 ? best : row[k - 1] + 1;
        }
    }
    return row[length];
}

static void suggest(struct console *c, bool first, const char *word)
{
    const char *best = NULL, *other;
    unsigned best_distance = DISTANCE_MAX + 1;

    for (unsigned i = 0; (other = candidate(c, first, i)) != NULL; i++) {
        unsigned d = distance(word, other);

        // One letter apart says little about words of two.
        if (d < best_distance && d < strlen(other)) {
            best = other;
            best_distance = d;
        }
    }
    if (best)
        out_print(&c->out, " Did you mean `%s`?", best);
}

static void name_vms(struct console *c)
{
    out_text(&c->out, c->vm_count == 0 ? " There is no VM in system.yaml." : " VMs:");
    for (unsigned i = 0; i < c->vm_count; i++)
        out_print(&c->out, " %s", c->vms[i].name);
    out_text(&c->out, "\n");
}

static unsigned split(char *text, char *words[WORDS_MAX])
{
    unsigned n = 0;

    while (n < WORDS_MAX) {
        while (*text == ' ')
            *text++ = '\0';
        if (*text == '\0')
            break;
        words[n++] = text;
        while (*text != ' ' && *text != '\0')
            text++;
    }
    return n;
}

// `words` behind the command, as one text again.
static void run_kernel(struct console *c, char *const *words, unsigned n)
{
    char text[TASK_NAME_SIZE];

    snprintf(text, sizeof(text), "%s%s%s", n > 1 ? words[1] : "help", n > 2 ? " " : "",
             n > 2 ? words[2] : "");
    console_kernel(c, text);
}

// What stands behind the first two words.
static void rest_of(const char *text, char rest[LINE_MAX_LENGTH + 1])
{
    for (unsigned words = 0; words < 2; words++) {
        while (*text == ' ')
            text++;
        while (*text != ' ' && *text != '\0')
            text++;
    }
    while (*text == ' ')
        text++;
    snprintf(rest, LINE_MAX_LENGTH + 1, "%s", text);
}

static void run_monitor(struct console *c, const struct command *command, const char *name,
                        const char *rest)
{
    char text[MANAGE_TEXT];
    bool own = strcmp(command->name, "vm") != 0;

    snprintf(text, sizeof(text), "%s%s%s", own ? command->name : "", own && *rest ? " " : "",
             *rest || own ? rest : "help");
    console_monitor(c, name, text);
}

void command_run(struct console *c, char *text)
{
    const struct command *command = NULL;
    char rest[LINE_MAX_LENGTH + 1];
    char *words[WORDS_MAX];

    rest_of(text, rest);
    unsigned n = split(text, words);
    struct vm *vm = n > 1 ? console_find(c, words[1]) : NULL;

    for (unsigned i = 0; n > 0 && i < COMMAND_COUNT; i++)
        if (strcmp(words[0], commands[i].name) == 0)
            command = &commands[i];
    if (n == 0) {
        console_prompt(c);
        return;
    }
    if (!command) {
        out_print(&c->out, "There is no command `%s`.", words[0]);
        suggest(c, true, words[0]);
        out_text(&c->out, " `help` shows all.\n");
    } else if (command->operand == TEXT) {
        run_kernel(c, words, n);
        return;
    } else if (command->operand != VM_TEXT && n > (command->operand == NO_NAME ? 1u : 2u)) {
        out_print(&c->out, "`%s` takes %s.\n", command->name,
                  command->operand == NO_NAME ? "nothing behind it" : "one name");
    } else if (command->operand != NO_NAME && n < 2) {
        out_print(&c->out, "`%s` needs a name: %s NAME.", command->name, command->name);
        name_vms(c);
    } else if ((command->operand == VM_NAME || command->operand == VM_TEXT) && !vm) {
        out_print(&c->out, "There is no VM `%s`.", words[1]);
        suggest(c, false, words[1]);
        name_vms(c);
    } else {
        if (command->run)
            command->run(c, vm);
        else if (command->op == MANAGE_MONITOR)
            run_monitor(c, command, words[1], rest);
        else
            console_request(c, command->activity, command->op, n > 1 ? words[1] : "");
        return;
    }
    console_prompt(c);
}

void command_complete(struct console *c)
{
    struct line *line = &c->line;
    unsigned start = line->cursor, matches = 0, common = 0, length;
    const char *match = NULL, *other;
    bool first;

    while (start > 0 && line->text[start - 1] != ' ')
        start--;
    length = line->cursor - start;
    first = start == 0;
    for (unsigned i = 0; (other = candidate(c, first, i)) != NULL; i++) {
        if (strncmp(other, line->text + start, length) != 0)
            continue;
        if (matches++ == 0) {
            match = other;
            common = (unsigned)strlen(other);
        }
        for (unsigned k = 0; k < common; k++)
            if (match[k] != other[k])
                common = k;
    }
    if (matches == 0)
        return;
    line_insert(line, &c->out, match + length, common - length);
    if (matches == 1 && first)
        line_insert(line, &c->out, " ", 1);
    if (matches == 1 || common > length)
        return;
    out_text(&c->out, "\n");
    for (unsigned i = 0; (other = candidate(c, first, i)) != NULL; i++)
        if (strncmp(other, line->text + start, length) == 0)
            out_print(&c->out, "%s  ", other);
    out_text(&c->out, "\n");
    line_draw(line, &c->out);
}
