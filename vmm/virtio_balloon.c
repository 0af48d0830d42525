// SPDX-License-Identifier: BSD-2-Clause
// virtio memory balloon (virtio 1.2 section 5.5): inflate, deflate, statistics, free page
// reporting. What the guest gives away is set to zero. HAZARD: it may name pages that it uses, or
// that are no RAM: the first is its own loss, the second is ignored.
#include "virtio_balloon.h"

#include <stdio.h>
#include <string.h>

#define PAGE 4096u

#define FEATURES                                                                   \
    (1ull << VIRTIO_BALLOON_F_STATS_VQ | 1ull << VIRTIO_BALLOON_F_DEFLATE_ON_OOM | \
     1ull << VIRTIO_BALLOON_F_REPORTING)

enum queue { INFLATE, DEFLATE, FIRST_OPTIONAL, QUEUES = 4 };
#define NO_QUEUE QUEUES

static struct virtio_balloon *balloon_of(struct virtio_device *v)
{
    return (struct virtio_balloon *)v; // its first member
}

// Drivers number only the queues whose feature was taken (5.5.2).
static unsigned stats_queue(const struct virtio_device *v)
{
    return virtio_has(v, VIRTIO_BALLOON_F_STATS_VQ) ? FIRST_OPTIONAL : NO_QUEUE;
}

static unsigned report_queue(const struct virtio_device *v)
{
    if (!virtio_has(v, VIRTIO_BALLOON_F_REPORTING))
        return NO_QUEUE;
    return FIRST_OPTIONAL + virtio_has(v, VIRTIO_BALLOON_F_STATS_VQ);
}

// A list of page numbers; they are all taken, up to the limit.
static bool pages(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_balloon *b = balloon_of(v);
    uint64_t count = chain->readable_size / sizeof(uint32_t);
    uint32_t number[64];

    if (count > VIRTIO_BALLOON_PAGES) {
        virtio_broken(v, queue);
        return true;
    }
    for (uint64_t i = 0; i < count && queue == INFLATE; i += 64) {
        size_t n = virtqueue_read(chain, i * sizeof(number[0]), number, sizeof(number));
        for (unsigned j = 0; j < n / sizeof(number[0]); j++)
            guest_ram_clear(v->ram, (uint64_t)number[j] << VIRTIO_BALLOON_PFN_SHIFT, PAGE);
    }
    *(queue == INFLATE ? &b->s.inflated : &b->s.deflated) += count;
    virtqueue_push(&v->queue[queue], chain->head, 0);
    return true;
}

// Free pages as they are (5.5.6.7): the buffer itself is free.
static bool report(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    for (unsigned i = 0; i < chain->writable; i++) {
        const struct virtqueue_segment *s = &chain->segment[chain->readable + i];
        memset(s->address, 0, s->size);
        balloon_of(v)->s.reported += s->size / PAGE;
    }
    virtqueue_push(&v->queue[queue], chain->head, 0);
    return true;
}

// The guest's answer, in the one buffer that goes to and fro (5.5.6.3).
static bool stats(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_balloon *b = balloon_of(v);
    struct virtio_balloon_stat stat;

    if (b->s.stats_held) // a second buffer is not for anything
        virtqueue_push(&v->queue[queue], b->s.stats_head, 0);
    b->s.stats_head = chain->head;
    b->s.stats_held = true;
    for (unsigned i = 0; i < 2 * VIRTIO_BALLOON_S_NR; i++) {
        if (virtqueue_read(chain, i * sizeof(stat), &stat, sizeof(stat)) != sizeof(stat))
            break;
        if (stat.tag < VIRTIO_BALLOON_S_NR)
            b->s.stat[stat.tag] = stat.val;
    }
    return true;
}

static void notify(struct virtio_device *v, unsigned queue)
{
    struct virtio_balloon *b = balloon_of(v);

    if (queue == INFLATE || queue == DEFLATE)
        virtio_serve(v, queue, &b->chain, pages);
    else if (queue == stats_queue(v))
        virtio_serve(v, queue, &b->chain, stats);
    else if (queue == report_queue(v))
        virtio_serve(v, queue, &b->chain, report);
}

void virtio_balloon_ask_stats(struct virtio_balloon *b)
{
    unsigned queue = stats_queue(&b->v);

    if (!virtio_running(&b->v) || !b->s.stats_held || queue == NO_QUEUE)
        return;
    b->s.stats_held = false;
    virtqueue_push(&b->v.queue[queue], b->s.stats_head, 0);
    virtio_notify_queue(&b->v, queue);
}

void virtio_balloon_set_target(struct virtio_balloon *b, uint64_t target)
{
    uint64_t most = b->v.ram->size / PAGE;

    b->config.num_pages = (uint32_t)(target < most ? target : most);
    virtio_notify_config(&b->v);
}

static void queue_reset(struct virtio_device *v, unsigned queue)
{
    if (queue == stats_queue(v))
        balloon_of(v)->s.stats_held = false;
}

// The target stays: a guest that starts anew is asked for the same.
static void reset(struct virtio_device *v)
{
    struct virtio_balloon *b = balloon_of(v);

    b->config.actual = 0;
    b->s.stats_held = false;
    memset(b->s.stat, 0xff, sizeof(b->s.stat));
}

static void config_write(struct virtio_device *v, unsigned offset, unsigned size, uint32_t value)
{
    if (offset == offsetof(struct virtio_balloon_config, actual) && size == 4)
        balloon_of(v)->config.actual = value;
}

#define SNAPSHOT SNAPSHOT_ID('v', 'b', 'a', 1)

struct state {
    struct virtio_balloon_config config;
    __typeof__(((struct virtio_balloon *)0)->s) s;
};

static size_t save(struct virtio_device *v, void *buf, size_t size)
{
    struct virtio_balloon *b = balloon_of(v);
    const struct state state = {b->config, b->s};

    return snapshot_save(buf, size, SNAPSHOT, &state, sizeof(state));
}

static bool restore(struct virtio_device *v, const void *buf, size_t size)
{
    struct virtio_balloon *b = balloon_of(v);
    struct state state;

    if (!snapshot_load(buf, size, SNAPSHOT, &state, sizeof(state)))
        return false;
    b->config = state.config;
    b->s = state.s;
    b->s.stats_held &= 1;
    return true;
}

static size_t info(struct virtio_device *v, char *buf, size_t size)
{
    struct virtio_balloon *b = balloon_of(v);
    uint64_t available = b->s.stat[VIRTIO_BALLOON_S_AVAIL];
    size_t n = info_length(snprintf(buf, size, "  %u pages of %u given, %llu free ones reported\n",
                                    b->config.actual, b->config.num_pages,
                                    (unsigned long long)b->s.reported),
                           size);

    if (available != UINT64_MAX)
        n += info_length(snprintf(buf + n, size - n, "  the guest has %llu KiB available\n",
                                  (unsigned long long)available / 1024),
                         size - n);
    return n;
}

static const struct virtio_ops ops = {.name = "virtio-balloon",
                                      .id = VIRTIO_ID_BALLOON,
                                      .class_code = 0x00ff00, // none of the defined ones
                                      .features = FEATURES,
                                      .reset = reset,
                                      .queue_reset = queue_reset,
                                      .notify = notify,
                                      .config_write = config_write,
                                      .save = save,
                                      .restore = restore,
                                      .info = info};

bool virtio_balloon_init(struct virtio_balloon *b, struct pci_bus *bus, const struct guest_ram *ram)
{
    return virtio_init(&b->v, &ops, bus, ram, QUEUES, VIRTIO_BALLOON_QUEUE_SIZE, &b->config,
                       sizeof(b->config));
}
