// SPDX-License-Identifier: BSD-2-Clause
// virtio 9P transport. A request is copied before it is looked at; file data goes from the archive
// straight to the guest's buffers.
#include "virtio_9p.h"

#include <stdio.h>
#include <string.h>

#define QUEUE_SIZE 128
#define CLASS_MISC 0x018000 /* other mass storage controller */
#define ERROR_SIZE 11

static struct virtio_9p *share_of(struct virtio_device *v)
{
    return (struct virtio_9p *)(void *)((char *)v - offsetof(struct virtio_9p, v));
}

static bool request(struct virtio_device *v, unsigned queue, struct virtqueue_chain *chain)
{
    struct virtio_9p *p = share_of(v);
    struct p9_reply *reply = &p->reply;
    uint64_t room = chain->writable_size;

    if (room < ERROR_SIZE) { // not even an error can be told
        virtio_broken(v, queue);
        return true;
    }
    uint32_t size = (uint32_t)virtqueue_read(chain, 0, p->request, sizeof(p->request));
    p9_serve(&p->server, p->request, size, room > P9_SIZE_MAX ? P9_SIZE_MAX : (uint32_t)room,
             reply);
    virtqueue_write(chain, 0, reply->bytes, reply->size);
    virtqueue_write(chain, reply->size, reply->data, reply->data_size);
    virtqueue_push(&v->queue[queue], chain->head, reply->size + reply->data_size);
    return true;
}

static void notify(struct virtio_device *v, unsigned queue)
{
    virtio_serve(v, queue, &share_of(v)->chain, request);
}

static void reset(struct virtio_device *v)
{
    p9_reset(&share_of(v)->server);
}

#define SHARE_SNAPSHOT SNAPSHOT_ID('9', 'P', 'F', 1)

static size_t save(struct virtio_device *v, void *buf, size_t size)
{
    const struct p9_state *s = &share_of(v)->server.s;

    return snapshot_save(buf, size, SHARE_SNAPSHOT, s, sizeof(*s));
}

static bool restore(struct virtio_device *v, const void *buf, size_t size)
{
    struct p9 *server = &share_of(v)->server;
    static struct p9_state s; // too large for the stack

    if (!snapshot_load(buf, size, SHARE_SNAPSHOT, &s, sizeof(s)) || !p9_acceptable(server, &s))
        return false;
    server->s = s;
    return true;
}

static size_t info(struct virtio_device *v, char *buf, size_t size)
{
    const struct virtio_9p *p = share_of(v);
    unsigned fids = 0;

    for (unsigned i = 0; i < P9_FIDS; i++)
        fids += p->server.s.fid[i].state != P9_FID_FREE;
    return info_length(snprintf(buf, size, "  tag %.*s: %u files, %u in use, %llu requests\n",
                                p->config[0], (const char *)p->config + 2, p->server.tree.count - 1,
                                fids, (unsigned long long)p->server.requests),
                       size);
}

static const struct virtio_ops ops = {
    .name = "virtio-9p",
    .id = VIRTIO_ID_9P,
    .class_code = CLASS_MISC,
    .features = 1ull << VIRTIO_9P_MOUNT_TAG,
    .reset = reset,
    .notify = notify,
    .save = save,
    .restore = restore,
    .info = info,
};

bool virtio_9p_init(struct virtio_9p *p, struct pci_bus *bus, const struct guest_ram *ram,
                    const char *tag)
{
    size_t length = strlen(tag);

    if (length == 0 || length > VIRTIO_9P_TAG_MAX)
        return false;
    p->config[0] = (uint8_t)length;
    memcpy(p->config + 2, tag, length);
    return virtio_init(&p->v, &ops, bus, ram, 1, QUEUE_SIZE, p->config, 2 + (unsigned)length);
}
