// SPDX-License-Identifier: BSD-2-Clause
// The kind "virtio-console". Port 0 is the VM's console: what the guest writes there is printed,
// and from its first byte on what is typed goes there and no longer to the serial line. Port 1
// leads through a channel to port 1 of another VM, if the entry names a link; ports without a peer
// are closed.
#include "bulkhead/ring.h"
#include "virtio_console.h"
#include "virtio_kind.h"

struct console {
    struct virtio_console c;
    const struct device_env *env;
    struct virtio_console_peer keys, link;
    bool typing;          /* keys come here */
    const uint8_t *typed; /* keys that are being handed over, and their number */
    size_t count;
    unsigned channel;
    struct ring_end rx, tx;
};

// ---- Port 0

static size_t typed(void *dev, const uint8_t *bytes, size_t n)
{
    struct console *console = dev;

    console->typed = bytes;
    console->count = n;
    virtio_console_poll(&console->c, 0);
    n -= console->count;
    console->count = 0;
    return n;
}

static size_t print(void *ctx, const uint8_t *bytes, size_t n)
{
    struct console *console = ctx;

    console->env->print(console->env->vm, bytes, n);
    if (!console->typing)
        console->env->take_keys(console->env->vm, typed, console);
    console->typing = true;
    return n;
}

static size_t take_typed(void *ctx, uint8_t *bytes, size_t n)
{
    struct console *console = ctx;
    size_t i = 0;

    for (; i < n && console->count > 0; i++, console->count--)
        bytes[i] = *console->typed++;
    return i;
}

static void room(void *ctx)
{
    struct console *console = ctx;

    if (console->typing)
        console->env->typed_more(console->env->vm);
}

// ---- Port 1

static void tell(struct console *console, struct ring_end *end)
{
    if (end->raise)
        console->env->tell_peer(console->env->vm, console->channel);
    end->raise = false;
}

static size_t link_send(void *ctx, const uint8_t *bytes, size_t n)
{
    struct console *console = ctx;

    n = ring_write(&console->tx, bytes, (uint32_t)n);
    tell(console, &console->tx);
    return n;
}

static size_t link_take(void *ctx, uint8_t *bytes, size_t n)
{
    struct console *console = ctx;

    n = ring_read(&console->rx, bytes, (uint32_t)n);
    tell(console, &console->rx);
    return n;
}

static void link_moved(void *dev)
{
    virtio_console_poll(&((struct console *)dev)->c, 1);
}

static void connect_link(struct console *console, const struct task_channel *channel,
                         const char *name)
{
    uint32_t bytes = ring_capacity(channel->ring_bytes);

    if (!ring_open(&console->rx, (struct ring *)channel->rx, bytes, RING_CONSUMER) ||
        !ring_open(&console->tx, (struct ring *)channel->tx, bytes, RING_PRODUCER))
        return;
    console->link = (struct virtio_console_peer){.name = *name ? name : channel->peer,
                                                 .send = link_send,
                                                 .take = link_take,
                                                 .room = link_moved,
                                                 .ctx = console};
    virtio_console_connect(&console->c, 1, &console->link);
    console->env->on_channel(console->env->vm, console->channel, link_moved, console);
}

static bool create(const struct device_env *env, const struct task_device *config, char *error,
                   size_t size)
{
    struct console *console = virtio_kind_alloc(sizeof(*console), error, size);

    if (!console)
        return false;
    console->env = env;
    console->keys = (struct virtio_console_peer){
        .send = print, .take = take_typed, .room = room, .ctx = console};
    console->channel = config->channel;
    if (!virtio_kind_attach(env, &console->c.v,
                            virtio_console_init(&console->c, env->pci, env->ram, config->number),
                            error, size))
        return false;
    virtio_console_connect(&console->c, 0, &console->keys);
    if (console->channel < env->info->channel_count && console->channel < TASK_CHANNEL_MAX)
        connect_link(console, &env->info->channels[console->channel], config->tag);
    return true;
}

DEVICE_KIND(virtio_console, .name = "virtio-console", .create = create);
