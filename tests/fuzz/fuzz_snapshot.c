// SPDX-License-Identifier: BSD-2-Clause
// Any bytes as the image of a VM, with the checksum made right, so that what lies behind it is
// reached too.
// links: vmm/snapshot.c
#include <stdint.h>
#include <stdlib.h>
#include <string.h>

#include "snapshot.h"

static uint8_t memory[8 * SNAPSHOT_PAGE];

int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size);
int LLVMFuzzerTestOneInput(const uint8_t *data, size_t size)
{
    uint8_t *image = malloc(size ? size : 1);
    uint64_t length;

    memcpy(image, data, size);
    if (size >= sizeof(struct snapshot_header)) {
        struct snapshot_header header;
        uint64_t sum = 0x9e3779b97f4a7c15, word;

        memcpy(&header, image, sizeof(header));
        header.magic = SNAPSHOT_MAGIC;
        header.version = SNAPSHOT_VERSION;
        header.size = size & ~7ull;
        for (uint64_t i = sizeof(header); i + 8 <= header.size; i += 8) {
            memcpy(&word, image + i, 8);
            sum = (sum ^ word) * 0x2545f4914f6cdd1d;
            sum ^= sum >> 29;
        }
        header.checksum = sum;
        memcpy(image, &header, sizeof(header));
    }
    if (snapshot_check(image, size) == NULL) {
        for (unsigned kind = 0; kind < 4; kind++) {
            const uint8_t *at = snapshot_find(image, kind, data[0] & 3, &length);
            if (at && (at < image || length > size || at + length > image + size))
                abort();
        }
        snapshot_get_memory(image, 0, memory, sizeof(memory));
    }
    free(image);
    return 0;
}
