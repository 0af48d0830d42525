// SPDX-License-Identifier: BSD-2-Clause
// Both ends of the ring against a peer that overwrites the indices between any two operations.
// links: lib/ring.c

#include "bulkhead/ring.h"

#include <stdlib.h>
#include <string.h>

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    enum { SIZE = 64 };
    struct ring *ring = aligned_alloc(64, sizeof(*ring) + SIZE);
    struct ring_end producer, consumer;
    uint8_t bytes[256] = {0};

    ring_init(ring, SIZE);
    if (!ring_open(&producer, ring, SIZE, RING_PRODUCER) ||
        !ring_open(&consumer, ring, SIZE, RING_CONSUMER))
        abort();
    for (size_t i = 0; i + 5 < length; i += 6) {
        uint32_t value;

        memcpy(&value, input + i + 1, sizeof(value));
        switch (input[i] % 6) {
        case 0:
            if (ring_write(&producer, bytes, input[i + 5]) > SIZE)
                abort();
            break;
        case 1:
            if (ring_read(&consumer, bytes, input[i + 5]) > SIZE)
                abort();
            break;
        case 2:
            ring->head = value;
            break;
        case 3:
            ring->tail = value;
            break;
        case 4:
            ring_open(&producer, ring, SIZE, RING_PRODUCER);
            break;
        case 5:
            ring_open(&consumer, ring, SIZE, RING_CONSUMER);
            break;
        }
        if (ring_used(&consumer) > SIZE || ring_free(&producer) > SIZE)
            abort();
    }
    free(ring);
    return 0;
}
