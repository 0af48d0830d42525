// SPDX-License-Identifier: BSD-2-Clause
// A network link whose peer writes anything into both rings at any time: what is received is a
// frame by its size, nothing outside of the rings is touched, and each call ends.
// links: vmm/net_ring.c lib/ring.c
#include <stdlib.h>
#include <string.h>

#include "net_ring.h"
#include "vm_alloc.h"

#define DATA 4096u

static uint64_t ticks;

void *vm_alloc(size_t size)
{
    (void)size;
    return NULL;
}

bool chipset_add_timer(struct chipset *c, const uint64_t *deadline,
                       void (*expire)(void *dev, uint64_t now), void *dev)
{
    (void)c;
    (void)deadline;
    (void)expire;
    (void)dev;
    return false;
}

static uint64_t test_now(void *ctx)
{
    (void)ctx;
    return ticks;
}

static void tell(void *ctx)
{
    (void)ctx;
}

static void overwrite(struct ring *ring, const uint8_t *input)
{
    uint32_t value;

    memcpy(&value, input + 1, sizeof(value));
    switch (input[0] >> 4 & 3) {
    case 0:
        ring->head = value;
        break;
    case 1:
        ring->tail = value;
        break;
    case 2: // a plausible step
        ring->head += value % 2000;
        break;
    default:
        memset(ring->data + value % (DATA - 32), input[5], 32);
    }
}

int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length);
int LLVMFuzzerTestOneInput(const uint8_t *input, size_t length)
{
    static const struct clock clock = {.hz = 1000, .now = test_now};
    struct ring *rx = aligned_alloc(64, sizeof(*rx) + DATA);
    struct ring *tx = aligned_alloc(64, sizeof(*tx) + DATA);
    struct net_ring *r = calloc(1, sizeof(*r));
    uint8_t *frame = malloc(NET_FRAME_MAX); // so that one byte too many is seen

    ring_init(rx, DATA);
    ring_init(tx, DATA);
    memset(frame, 0x55, NET_FRAME_MAX);
    ticks = 0;
    if (length > 6)
        overwrite(rx, input); // before it starts
    if (!net_ring_open(r, rx, tx, DATA, &clock, tell, r))
        abort();
    for (size_t i = 0; i + 6 <= length; i += 6) {
        size_t size = (size_t)(input[i + 1] | input[i + 2] << 8) % (NET_FRAME_MAX + 2);

        switch (input[i] & 7) {
        case 0:
        case 1:
            r->link.send(&r->link, frame, size <= NET_FRAME_MAX ? size : NET_FRAME_MAX);
            break;
        case 2:
            size = r->link.receive(&r->link, frame);
            if (size > NET_FRAME_MAX || (size != 0 && size < 14))
                abort();
            break;
        case 3:
            net_ring_arrived(r);
            break;
        case 4:
            ticks += input[i + 1];
            if (r->deadline <= ticks)
                net_ring_expire(r, ticks);
            break;
        case 5:
            overwrite(tx, input + i);
            break;
        default:
            overwrite(rx, input + i);
        }
    }
    free(frame);
    free(r);
    free(rx);
    free(tx);
    return 0;
}
