// SPDX-License-Identifier: BSD-2-Clause
// The capability graph: which task can send anything to which, as root will wire them. An edge is
// memory that both may write, or a gate. Servers are trusted to keep their clients apart, so a path
// may end at a server but not lead through it. The rules of `deny:` are proved on this graph.
#include <string.h>

#include "config.h"

void graph_build(const struct system *system, struct graph *graph)
{
    *graph = (struct graph){.count = 1 + system->vm_count};
    graph->name[0] = "console";
    graph->server[0] = true;
    for (unsigned i = 0; i < system->vm_count; i++) {
        graph->name[1 + i] = system->vms[i].name;
        graph->edge[1 + i][0] = "console ring";
        graph->edge[0][1 + i] = "console ring";
    }
    for (unsigned i = 0; i < system->link_count; i++) {
        const struct link *link = &system->links[i];
        unsigned a = 1 + link->vm[0], b = 1 + link->vm[1];

        if (link->ends < 2 || a == b || graph->edge[a][b])
            continue;
        graph->edge[a][b] = link->text;
        graph->edge[b][a] = link->text;
    }
}

unsigned graph_path(const struct graph *graph, unsigned from, unsigned to,
                    unsigned path[GRAPH_MAX_NODES])
{
    unsigned before[GRAPH_MAX_NODES], queue[GRAPH_MAX_NODES], head = 0, tail = 0, length = 0;
    bool seen[GRAPH_MAX_NODES] = {false};

    queue[tail++] = from;
    seen[from] = true;
    while (head < tail && !seen[to]) {
        unsigned node = queue[head++];

        if (graph->server[node] && node != from)
            continue;
        for (unsigned next = 0; next < graph->count; next++) {
            if (seen[next] || !graph->edge[node][next])
                continue;
            seen[next] = true;
            before[next] = node;
            queue[tail++] = next;
        }
    }
    if (!seen[to] || from == to)
        return 0;
    for (unsigned node = to; node != from; node = before[node])
        path[length++] = node;
    path[length++] = from;
    for (unsigned i = 0; i < length / 2; i++) {
        unsigned swapped = path[i];

        path[i] = path[length - 1 - i];
        path[length - 1 - i] = swapped;
    }
    return length;
}

static bool find(struct config *config, const struct graph *graph, const struct deny *deny,
                 const char *name, unsigned *result)
{
    const char *known[GRAPH_MAX_NODES + 1] = {NULL};

    for (unsigned i = 0; i < graph->count; i++) {
        known[i] = graph->name[i];
        if (!strcmp(name, graph->name[i])) {
            *result = i;
            return true;
        }
    }
    const char *near = nearest(name, known);
    if (near)
        report(config, deny->node, "no VM is called %s; did you mean '%s'?", quoted(config, name),
               near);
    else
        report(config, deny->node, "no VM is called %s", quoted(config, name));
    return false;
}

void graph_check(struct config *config)
{
    struct graph graph;
    unsigned from, to, path[GRAPH_MAX_NODES];

    graph_build(&config->system, &graph);
    for (unsigned i = 0; i < config->system.deny_count; i++) {
        const struct deny *deny = &config->system.deny[i];

        if (!deny->node || !find(config, &graph, deny, deny->from, &from) ||
            !find(config, &graph, deny, deny->to, &to))
            continue;
        if (from == to) {
            report(config, deny->node, "a task always reaches itself; name two");
            continue;
        }
        unsigned length = graph_path(&graph, from, to, path);
        if (!length)
            continue;
        const char *text = graph.name[path[0]];
        for (unsigned j = 1; j < length; j++)
            text = config_printf(config, "%s -> %s (%s)", text, graph.name[path[j]],
                                 graph.edge[path[j - 1]][path[j]]);
        report(config, deny->node, "does not hold: %s", text);
    }
}

void graph_print(const struct system *system, FILE *out)
{
    struct graph graph;

    graph_build(system, &graph);
    for (unsigned from = 0; from < graph.count; from++)
        for (unsigned to = 0; to < graph.count; to++)
            if (graph.edge[from][to])
                fprintf(out, "%s -> %s (%s)\n", graph.name[from], graph.name[to],
                        graph.edge[from][to]);
}
