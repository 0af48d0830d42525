// SPDX-License-Identifier: BSD-2-Clause
// A server of 9P2000.L for one client: the files of a cpio archive, read-only. The protocol is that
// of Linux' Documentation/filesystems/9p.rst and of diod's protocol.md; whatever would change
// something is answered with EROFS. Left out: extended attributes, locks, authentication.
#ifndef VMM_P9_H
#define VMM_P9_H

#include "file_tree.h"

#define P9_FIDS        1024
#define P9_SIZE_MIN    4096u /* of a message: what a client must be able to take */
#define P9_SIZE_MAX    262144u
#define P9_REQUEST_MAX 8192u /* no request that is obeyed is longer */
#define P9_REPLY_MAX   8192u /* of a reply, without the data of a read */

struct p9_fid {
    uint32_t fid, node;
    uint32_t state; /* enum p9_fid_state */
};

enum p9_fid_state { P9_FID_FREE, P9_FID_WALKED, P9_FID_OPEN };

struct p9_state {  /* all that a snapshot has beyond the archive itself */
    uint32_t size; /* of messages, negotiated */
    uint32_t reserved;
    struct p9_fid fid[P9_FIDS];
};

struct p9 {
    struct file_tree tree;
    struct p9_state s;
    uint64_t requests;
};

struct p9_reply {
    uint32_t size;      /* bytes in `bytes` */
    uint32_t data_size; /* bytes of file that follow them */
    const void *data;
    uint8_t bytes[P9_REPLY_MAX];
};

void p9_reset(struct p9 *s);

/* Answers one request: `size` bytes of it are in `request`, at most P9_REQUEST_MAX; it may be
 * longer by itself (a write). `room`: what the client has room for, at least 11 bytes, the length
 * of an error. The reply and its data are never longer. */
void p9_serve(struct p9 *s, const uint8_t *request, uint32_t size, uint32_t room,
              struct p9_reply *reply);

/* Whether a state from a snapshot is one that this server may have. */
bool p9_acceptable(const struct p9 *s, const struct p9_state *state);

#endif
