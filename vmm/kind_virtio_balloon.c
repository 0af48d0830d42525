// SPDX-License-Identifier: BSD-2-Clause
// The kind "virtio-balloon", and the monitor's command "balloon".
#include "monitor.h"
#include "virtio_balloon.h"
#include "virtio_kind.h"

#define PAGES_PER_MIB 256u

// A decimal number and nothing else; false: it is none.
static bool parse(const char *text, uint64_t *number)
{
    *number = 0;
    for (; *text >= '0' && *text <= '9' && *number < 1u << 24; text++)
        *number = *number * 10 + (uint64_t)(*text - '0');
    return *text == 0;
}

static void print_stat(struct monitor *monitor, const struct virtio_balloon *b, unsigned tag,
                       const char *name)
{
    if (b->s.stat[tag] != UINT64_MAX)
        monitor_print(monitor, "%s %llu KiB\n", name, (unsigned long long)(b->s.stat[tag] / 1024));
}

// Without a number: what there is, and new statistics for the next time.
static bool run(void *dev, const char *arguments, struct monitor *monitor)
{
    struct virtio_balloon *b = dev;
    uint64_t mib;

    if (*arguments == 0) {
        monitor_print(monitor, "the guest gave %u MiB of the %u MiB that it was asked for\n",
                      b->config.actual / PAGES_PER_MIB, b->config.num_pages / PAGES_PER_MIB);
        print_stat(monitor, b, VIRTIO_BALLOON_S_MEMTOT, "its memory:");
        print_stat(monitor, b, VIRTIO_BALLOON_S_MEMFREE, "free:");
        print_stat(monitor, b, VIRTIO_BALLOON_S_AVAIL, "available:");
        virtio_balloon_ask_stats(b);
        return true;
    }
    if (!parse(arguments, &mib)) {
        monitor_print(monitor,
                      "write for example: balloon 64, the MiB that the guest is to give\n");
        return false;
    }
    virtio_balloon_set_target(b, mib * PAGES_PER_MIB);
    return true;
}

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct virtio_balloon *b = virtio_kind_alloc(sizeof(*b), error, size);

    (void)config;
    if (!b ||
        !virtio_kind_attach(env, &b->v, virtio_balloon_init(b, env->pci, env->ram), error, size))
        return false;
    monitor_add(env->monitor, "balloon", NULL, "MiB that the guest is to give; alone: what it gave",
                run, b);
    return true;
}

DEVICE_KIND(virtio_balloon, .name = "virtio-balloon", .create = create);
