// SPDX-License-Identifier: BSD-2-Clause
// Reads the strict subset of YAML 1.1 (libyaml's event interface) into a tree of nodes.
// What makes YAML surprising is refused with a remedy: anchors, aliases, tags, merge keys, several
// documents, directives, duplicate keys, and the unquoted words yes, no, on and off. JSON is a
// subset of what is left.
#include <string.h>
#include <strings.h>
#include <yaml.h>

#include "config.h"

struct reader {
    struct config *config;
    struct node *open; // the map or list being filled; NULL at the top
    struct node *key;  // a map's key that waits for its value
    unsigned depth, nodes, documents;
    unsigned skip; // nesting inside a value that was refused
};

static struct mark mark_of(yaml_mark_t mark)
{
    return (struct mark){(unsigned)mark.line + 1, (unsigned)mark.column + 1};
}

struct node *tree_find(const struct node *map, const char *key)
{
    if (!map || map->kind != NODE_MAP)
        return NULL;
    for (struct node *child = map->first; child; child = child->next)
        if (!strcmp(child->key, key))
            return child;
    return NULL;
}

static bool is_trap_word(const char *text)
{
    static const char *const words[] = {"yes", "no", "on", "off", "y", "n"};

    for (size_t i = 0; i < sizeof(words) / sizeof(words[0]); i++)
        if (!strcasecmp(text, words[i]))
            return true;
    return false;
}

static void append(struct node *parent, struct node *child)
{
    child->parent = parent;
    child->index = parent->last ? parent->last->index + 1 : 0;
    if (parent->last)
        parent->last->next = child;
    else
        parent->first = child;
    parent->last = child;
}

// Puts a finished value (or the start of a map or list) into its place. HAZARD: a repeated key must
// not hide the first one, so its value hangs in no map but is still read to its end.
static void place(struct reader *r, struct node *node)
{
    struct config *config = r->config;

    if (!r->open) {
        if (!config->root)
            config->root = node;
        return;
    }
    if (r->open->kind == NODE_LIST) {
        append(r->open, node);
        return;
    }
    if (!r->key) { // node is a key
        r->key = node;
        if (node->kind != NODE_SCALAR) {
            report_at(config, node->mark, "a key must be a word, not a map or list");
            node->text = "?";
            node->bad = true;
        } else if (!strcmp(node->text, "<<") && node->plain) {
            report_at(config, node->mark, "merge keys (<<) are not supported; write the keys out");
            node->bad = true;
        }
        return;
    }
    node->key = r->key->text;
    node->key_mark = r->key->mark;
    const struct node *first = tree_find(r->open, node->key);
    if (!first && !r->key->bad) {
        append(r->open, node);
    } else {
        node->parent = r->open;
        if (!r->key->bad)
            report_key(config, node, "is already given on line %u; keep one of the two",
                       first->key_mark.line);
        node->bad = true;
    }
    r->key = NULL;
}

static void check_extras(struct reader *r, struct mark mark, const yaml_char_t *anchor,
                         const yaml_char_t *tag, struct node *node)
{
    if (anchor) {
        report_at(r->config, mark, "anchors (&%s) are not supported; write the value out", anchor);
        node->bad = true;
    }
    if (tag) {
        report_at(r->config, mark, "tags (%s) are not supported; leave it out",
                  quoted(r->config, (const char *)tag));
        node->bad = true;
    }
}

static struct node *new_node(struct reader *r, enum node_kind kind, struct mark mark)
{
    struct node *node = config_alloc(r->config, sizeof(*node));

    node->kind = kind;
    node->mark = mark;
    return node;
}

static void read_scalar(struct reader *r, const yaml_event_t *event)
{
    struct mark mark = mark_of(event->start_mark);
    struct node *node = new_node(r, NODE_SCALAR, mark);
    const char *text = (const char *)event->data.scalar.value;
    size_t length = event->data.scalar.length;
    bool is_key = r->open && r->open->kind == NODE_MAP && !r->key;

    node->text = config_strdup(r->config, text, length);
    node->plain = event->data.scalar.style == YAML_PLAIN_SCALAR_STYLE;
    check_extras(r, mark, event->data.scalar.anchor, event->data.scalar.tag, node);
    if (strlen(text) != length) {
        report_at(r->config, mark, "a value holds a NUL character; remove it");
        node->bad = true;
    }
    place(r, node);
    if (node->plain && is_trap_word(node->text)) {
        if (is_key)
            report_at(r->config, mark, "the unquoted key %s is true or false in YAML; write \"%s\"",
                      node->text, node->text);
        else
            report(
                r->config, node,
                "an unquoted '%s' is ambiguous in YAML; write true or false, or quote it: \"%s\"",
                node->text, node->text);
        node->bad = true;
    }
}

static void open_node(struct reader *r, struct node *node)
{
    bool is_key = r->open && r->open->kind == NODE_MAP && !r->key;

    place(r, node);
    // A map or list as a key was reported; what is in it belongs to nobody.
    if (is_key) {
        r->skip = 1;
        return;
    }
    if (!node->parent)
        node->parent = r->open;
    r->open = node;
    r->depth++;
}

static bool fatal(struct reader *r, struct mark mark, const char *message)
{
    report_at(r->config, mark, "%s", message);
    return false;
}

// One event; false ends the reading.
static bool read_event(struct reader *r, const yaml_event_t *event)
{
    struct mark mark = mark_of(event->start_mark);
    struct node *node;

    if (++r->nodes > CONFIG_MAX_NODES)
        return fatal(r, mark, "the file holds too many values");
    if (r->skip) {
        if (event->type == YAML_MAPPING_START_EVENT || event->type == YAML_SEQUENCE_START_EVENT)
            r->skip++;
        if (event->type == YAML_MAPPING_END_EVENT || event->type == YAML_SEQUENCE_END_EVENT)
            r->skip--;
        return true;
    }
    switch (event->type) {
    case YAML_DOCUMENT_START_EVENT:
        if (++r->documents > 1)
            return fatal(r, mark, "a second document begins here; one file holds one system");
        if (event->data.document_start.version_directive ||
            event->data.document_start.tag_directives.start !=
                event->data.document_start.tag_directives.end)
            report_at(r->config, mark,
                      "directives (%%YAML, %%TAG) are not supported; leave them out");
        return true;
    case YAML_ALIAS_EVENT:
        report_at(r->config, mark, "aliases (*%s) are not supported; write the value out",
                  event->data.alias.anchor);
        node = new_node(r, NODE_SCALAR, mark);
        node->text = "";
        node->bad = true;
        place(r, node);
        return true;
    case YAML_SCALAR_EVENT:
        read_scalar(r, event);
        return true;
    case YAML_MAPPING_START_EVENT:
    case YAML_SEQUENCE_START_EVENT:
        if (r->depth >= CONFIG_MAX_DEPTH)
            return fatal(r, mark, "values are nested too deeply");
        if (event->type == YAML_MAPPING_START_EVENT) {
            node = new_node(r, NODE_MAP, mark);
            check_extras(r, mark, event->data.mapping_start.anchor, event->data.mapping_start.tag,
                         node);
        } else {
            node = new_node(r, NODE_LIST, mark);
            check_extras(r, mark, event->data.sequence_start.anchor, event->data.sequence_start.tag,
                         node);
        }
        open_node(r, node);
        return true;
    case YAML_MAPPING_END_EVENT:
    case YAML_SEQUENCE_END_EVENT:
        r->open = r->open->parent;
        r->key = NULL;
        r->depth--;
        return true;
    default:
        return event->type != YAML_STREAM_END_EVENT;
    }
}

static void report_syntax(struct config *config, const yaml_parser_t *parser)
{
    struct mark mark = mark_of(parser->problem_mark);
    const char *problem = parser->problem ? parser->problem : "cannot be read as YAML";

    if (parser->error == YAML_READER_ERROR) {
        report(config, NULL, "%s at byte %zu; the file must be UTF-8 text", problem,
               parser->problem_offset);
        return;
    }
    if (strstr(problem, "cannot start any token"))
        problem = "a character stands where no value may begin (a tab? indent with spaces)";
    else if (strstr(problem, "mapping values are not allowed"))
        problem = "a ':' stands where no key may be (is the indentation right?)";
    else if (strstr(problem, "did not find expected key"))
        problem = "a key was expected here (is the indentation right?)";
    else if (strstr(problem, "did not find expected"))
        problem = "the YAML ends or continues wrongly here (a bracket, brace or quote not closed?)";
    report_at(config, mark, "%s", problem);
}

bool tree_read(struct config *config, const char *text, size_t length)
{
    struct reader reader = {.config = config};
    yaml_parser_t parser;
    bool more = true, good = true;

    if (length > CONFIG_MAX_BYTES) {
        report(config, NULL, "the file is larger than %d KiB", CONFIG_MAX_BYTES / 1024);
        return false;
    }
    if (!yaml_parser_initialize(&parser)) {
        report(config, NULL, "out of memory");
        return false;
    }
    yaml_parser_set_encoding(&parser, YAML_UTF8_ENCODING);
    yaml_parser_set_input_string(&parser, (const unsigned char *)text, length);
    while (more) {
        yaml_event_t event;

        if (!yaml_parser_parse(&parser, &event)) {
            report_syntax(config, &parser);
            good = false;
            break;
        }
        bool last = event.type == YAML_STREAM_END_EVENT;
        more = read_event(&reader, &event);
        if (!more && !last)
            good = false;
        yaml_event_delete(&event);
    }
    yaml_parser_delete(&parser);
    if (good && !config->root) {
        report(config, NULL, "the file is empty; see docs/configuration.md for an example");
        good = false;
    }
    return good;
}
