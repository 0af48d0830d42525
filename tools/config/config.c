// SPDX-License-Identifier: BSD-2-Clause
// The steps from text to a checked system. A later step runs when the one before left something to
// look at, so that one run shows as many errors as make sense.
#include "config.h"

void config_read(struct config *config, const char *text, size_t length, bool files)
{
    if (!tree_read(config, text, length))
        return;
    schema_read(config);
    graph_check(config);
    if (files)
        files_check(config);
}
