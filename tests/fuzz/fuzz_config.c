// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as a configuration: read, checked, written as a device tree, its errors printed.
// Nothing may crash, leak or fail an internal check, and a device tree comes out exactly when there
// was no error.
// links: tools/config/arena.c tools/config/diagnostic.c tools/config/tree.c tools/config/value.c
// links: tools/config/schema.c tools/config/graph.c tools/config/dtb.c tools/config/config.c
// links: tools/config/files.c tools/config/kernel_kind.c tools/config/devices.c tools/config/folder.c
// libs: -lyaml -lfdt
#include <stdlib.h>

#include "tools/config/config.h"

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    static FILE *nowhere;
    struct config config = {.file = "fuzz.yaml", .build = "build"};
    size_t dtb_size = 0;

    if (!nowhere)
        nowhere = fopen("/dev/null", "w");
    kernel_identify(data, size, NULL);
    kernel_identify(data, size, "pvh");
    config_read(&config, (const char *)data, size, false);
    if (!config.error_count && !dtb_write(&config, &dtb_size))
        abort();
    if (nowhere)
        print_errors(&config, nowhere, size & 1);
    config_free(&config);
    return 0;
}
