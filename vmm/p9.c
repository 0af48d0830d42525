// SPDX-License-Identifier: BSD-2-Clause
// 9P2000.L, read-only. HAZARD: every number in a request is the guest's. It is read through struct
// reader, which never passes the request's end, and answered through struct writer, which never
// passes the reply's; both remember that they had to stop.
#include "p9.h"

#include <string.h>

enum {
    RLERROR = 7,
    TSTATFS = 8,
    TLOPEN = 12,
    TLCREATE = 14,
    TSYMLINK = 16,
    TMKNOD = 18,
    TRENAME = 20,
    TREADLINK = 22,
    TGETATTR = 24,
    TSETATTR = 26,
    TREADDIR = 40,
    TFSYNC = 50,
    TLINK = 70,
    TMKDIR = 72,
    TRENAMEAT = 74,
    TUNLINKAT = 76,
    TVERSION = 100,
    TATTACH = 104,
    TFLUSH = 108,
    TWALK = 110,
    TREAD = 116,
    TWRITE = 118,
    TCLUNK = 120,
    TREMOVE = 122,
};

/* Linux' numbers of errors, which 9P2000.L uses. */
enum {
    E_NOENT = 2,
    E_IO = 5,
    E_BADF = 9,
    E_NOTDIR = 20,
    E_ISDIR = 21,
    E_INVAL = 22,
    E_NFILE = 23,
    E_ROFS = 30,
    E_LOOP = 40,
    E_PROTO = 71,
    E_NOTSUPP = 95,
};

enum { HEADER = 7, READ_HEADER = 11, WALK_MAX = 16, READ_COOKIES = 3 };
enum { QID_DIRECTORY = 0x80, QID_LINK = 0x02, DT_DIRECTORY = 4, DT_REGULAR = 8, DT_LINK = 10 };
enum { OPEN_ACCESS = 3, OPEN_TRUNCATE = 01000 };
#define MAGIC      0x01021997u /* of the file system: V9FS_MAGIC */
#define NO_FID     UINT32_MAX
#define ATTR_BASIC 0x7ffull
#define BLOCK      4096u
#define LINK_MAX   4095u /* bytes of a link's target */

struct reader {
    const uint8_t *at;
    uint32_t left;
    bool bad;
};

struct writer {
    uint8_t *bytes;
    uint32_t size, room;
    bool bad;
};

struct request {
    struct p9 *s;
    struct reader in;
    struct writer out;
    struct p9_reply *reply;
    uint32_t room; /* of reply and data */
};

static uint64_t take(struct reader *r, unsigned bytes)
{
    uint64_t value = 0;

    if (r->left < bytes) {
        r->bad = true;
        r->left = 0;
        return 0;
    }
    memcpy(&value, r->at, bytes);
    r->at += bytes;
    r->left -= bytes;
    return value;
}

static const char *take_string(struct reader *r, uint32_t *size)
{
    const char *text;

    *size = (uint32_t)take(r, 2);
    text = (const char *)r->at;
    if (*size > r->left) {
        r->bad = true;
        *size = 0;
        r->left = 0;
    }
    r->at += *size;
    r->left -= *size;
    return text;
}

static void put_bytes(struct writer *w, const void *from, uint32_t n)
{
    if (n > w->room - w->size) {
        w->bad = true;
        return;
    }
    memcpy(w->bytes + w->size, from, n);
    w->size += n;
}

static void put(struct writer *w, unsigned bytes, uint64_t value)
{
    put_bytes(w, &value, bytes);
}

static void put_string(struct writer *w, const char *text, uint32_t size)
{
    put(w, 2, size);
    put_bytes(w, text, size);
}

// ---- Nodes and fids

static struct cpio_file stat_of(const struct p9 *s, uint32_t node)
{
    struct cpio_file file;

    file_tree_stat(&s->tree, node, &file);
    return file;
}

static void put_qid(struct writer *w, const struct p9 *s, uint32_t node)
{
    uint32_t type = stat_of(s, node).mode & FILE_TYPE;

    put(w, 1, type == FILE_DIRECTORY ? QID_DIRECTORY : type == FILE_LINK ? QID_LINK : 0);
    put(w, 4, 0);
    put(w, 8, node + 1ull);
}

static struct p9_fid *find_fid(struct p9 *s, uint32_t fid)
{
    for (unsigned i = 0; i < P9_FIDS; i++)
        if (s->s.fid[i].state != P9_FID_FREE && s->s.fid[i].fid == fid)
            return &s->s.fid[i];
    return NULL;
}

static unsigned new_fid(struct p9 *s, uint32_t fid, uint32_t node)
{
    if (fid == NO_FID || find_fid(s, fid))
        return E_BADF;
    for (unsigned i = 0; i < P9_FIDS; i++)
        if (s->s.fid[i].state == P9_FID_FREE) {
            s->s.fid[i] = (struct p9_fid){fid, node, P9_FID_WALKED};
            return 0;
        }
    return E_NFILE;
}

void p9_reset(struct p9 *s)
{
    memset(&s->s, 0, sizeof(s->s));
    s->s.size = P9_SIZE_MIN;
}

bool p9_acceptable(const struct p9 *s, const struct p9_state *state)
{
    bool good = state->size >= P9_SIZE_MIN && state->size <= P9_SIZE_MAX;

    for (unsigned i = 0; i < P9_FIDS; i++)
        good = good && state->fid[i].state <= P9_FID_OPEN && state->fid[i].node < s->tree.count;
    return good;
}

// ---- Requests: each returns an error or 0

static unsigned do_version(struct request *r)
{
    static const char version[] = "9P2000.L";
    uint32_t length, size = (uint32_t)take(&r->in, 4);
    const char *text = take_string(&r->in, &length);

    if (r->in.bad || size < P9_SIZE_MIN)
        return E_INVAL;
    p9_reset(r->s); // a version request ends the session before it
    r->s->s.size = size < P9_SIZE_MAX ? size : P9_SIZE_MAX;
    put(&r->out, 4, r->s->s.size);
    if (length == sizeof(version) - 1 && memcmp(text, version, length) == 0)
        put_string(&r->out, version, sizeof(version) - 1);
    else
        put_string(&r->out, "unknown", 7);
    return 0;
}

static unsigned do_attach(struct request *r)
{
    uint32_t fid = (uint32_t)take(&r->in, 4), auth = (uint32_t)take(&r->in, 4);
    unsigned error = r->in.bad || auth != NO_FID ? E_INVAL : new_fid(r->s, fid, 0);

    if (!error)
        put_qid(&r->out, r->s, 0);
    return error;
}

// One step. FILE_TREE_NONE and an error: it leads nowhere.
static uint32_t step(const struct p9 *s, uint32_t node, const char *name, uint32_t size,
                     unsigned *error)
{
    if ((stat_of(s, node).mode & FILE_TYPE) != FILE_DIRECTORY) {
        *error = E_NOTDIR;
        return FILE_TREE_NONE;
    }
    *error = E_NOENT;
    if (size == 2 && name[0] == '.' && name[1] == '.')
        return s->tree.node[node].parent;
    return file_tree_find(&s->tree, node, name, size);
}

static unsigned do_walk(struct request *r)
{
    struct p9 *s = r->s;
    struct p9_fid *from = find_fid(s, (uint32_t)take(&r->in, 4));
    uint32_t to = (uint32_t)take(&r->in, 4), names = (uint32_t)take(&r->in, 2), done = 0;
    unsigned error = 0;

    if (r->in.bad || names > WALK_MAX)
        return E_INVAL;
    if (!from)
        return E_BADF;
    if (to == from->fid ? from->state == P9_FID_OPEN : to == NO_FID || find_fid(s, to) != NULL)
        return E_BADF;
    uint32_t node = from->node, at = r->out.size;
    put(&r->out, 2, 0);
    for (; done < names; done++) {
        uint32_t size;
        const char *name = take_string(&r->in, &size);
        if (r->in.bad)
            return E_INVAL;
        uint32_t next = step(s, node, name, size, &error);
        if (next == FILE_TREE_NONE)
            break;
        node = next;
        put_qid(&r->out, s, node);
    }
    if (names > 0 && done == 0)
        return error;
    if (r->out.bad)
        return E_IO;
    memcpy(r->out.bytes + at, &done, 2); // little-endian
    if (done < names)                    // as far as it went, and no fid
        return 0;
    if (to != from->fid)
        return new_fid(s, to, node);
    from->node = node;
    return 0;
}

static unsigned do_open(struct request *r)
{
    struct p9_fid *fid = find_fid(r->s, (uint32_t)take(&r->in, 4));
    uint32_t flags = (uint32_t)take(&r->in, 4);

    if (!fid || fid->state == P9_FID_OPEN)
        return E_BADF;
    if (flags & (OPEN_ACCESS | OPEN_TRUNCATE))
        return E_ROFS;
    if ((stat_of(r->s, fid->node).mode & FILE_TYPE) == FILE_LINK)
        return E_LOOP;
    put_qid(&r->out, r->s, fid->node);
    put(&r->out, 4, 0);
    if (!r->out.bad)
        fid->state = P9_FID_OPEN;
    return 0;
}

static unsigned do_read(struct request *r)
{
    struct p9_fid *fid = find_fid(r->s, (uint32_t)take(&r->in, 4));
    uint64_t offset = take(&r->in, 8), count = take(&r->in, 4);

    if (r->in.bad || !fid || fid->state != P9_FID_OPEN)
        return E_BADF;
    struct cpio_file file = stat_of(r->s, fid->node);
    if ((file.mode & FILE_TYPE) == FILE_DIRECTORY)
        return E_ISDIR;
    uint64_t left = offset < file.size ? file.size - offset : 0;
    if (count > left)
        count = left;
    if (count > r->room - READ_HEADER)
        count = r->room - READ_HEADER;
    put(&r->out, 4, count);
    r->reply->data = count ? (const uint8_t *)file.data + offset : NULL;
    r->reply->data_size = (uint32_t)count;
    return 0;
}

// One entry of a directory; false, and nothing written: it does not fit.
static bool put_entry(struct request *r, uint32_t limit, uint32_t node, uint64_t cookie,
                      const char *name, uint32_t size)
{
    uint32_t type = stat_of(r->s, node).mode & FILE_TYPE;

    if (13 + 8 + 1 + 2 + size > limit - r->out.size)
        return false;
    put_qid(&r->out, r->s, node);
    put(&r->out, 8, cookie);
    put(&r->out, 1,
        type == FILE_DIRECTORY ? DT_DIRECTORY
        : type == FILE_LINK    ? DT_LINK
                               : DT_REGULAR);
    put_string(&r->out, name, size);
    return true;
}

// The cookie of an entry says where to go on behind it: 1 "." and 2 "..", then the node's number
// and READ_COOKIES.
static unsigned do_readdir(struct request *r)
{
    const struct file_tree *tree = &r->s->tree;
    struct p9_fid *fid = find_fid(r->s, (uint32_t)take(&r->in, 4));
    uint64_t cookie = take(&r->in, 8), count = take(&r->in, 4);
    uint32_t start = r->out.size + 4, limit = r->out.room, child;

    if (r->in.bad || !fid || fid->state != P9_FID_OPEN)
        return E_BADF;
    uint32_t directory = fid->node;
    if ((stat_of(r->s, directory).mode & FILE_TYPE) != FILE_DIRECTORY)
        return E_NOTDIR;
    put(&r->out, 4, 0);
    if (r->out.bad)
        return E_IO;
    if (count < limit - start)
        limit = start + (uint32_t)count;
    child = tree->node[directory].child;
    if (cookie >= READ_COOKIES) {
        uint64_t latest = cookie - READ_COOKIES;
        if (latest >= tree->count || tree->node[latest].parent != directory)
            return E_INVAL;
        child = tree->node[latest].next;
    }
    bool fits = true;
    if (cookie == 0)
        fits = put_entry(r, limit, directory, 1, ".", 1);
    if (fits && cookie <= 1)
        fits = put_entry(r, limit, tree->node[directory].parent, 2, "..", 2);
    bool more = !fits || child != FILE_TREE_NONE;
    while (fits && child != FILE_TREE_NONE) { // bound: the reply's size
        size_t size;
        const char *name = file_tree_name(tree, child, &size);
        fits = put_entry(r, limit, child, (uint64_t)child + READ_COOKIES, name, (uint32_t)size);
        child = tree->node[child].next;
    }
    uint32_t written = r->out.size - start;
    if (more && written == 0) // "nothing" would mean the end
        return E_INVAL;
    memcpy(r->out.bytes + start - 4, &written, 4);
    return 0;
}

static unsigned do_getattr(struct request *r)
{
    struct p9_fid *fid = find_fid(r->s, (uint32_t)take(&r->in, 4));

    if (!fid)
        return E_BADF;
    struct cpio_file file = stat_of(r->s, fid->node);
    put(&r->out, 8, ATTR_BASIC);
    put_qid(&r->out, r->s, fid->node);
    put(&r->out, 4, file.mode);
    put(&r->out, 8, 0); // user and group
    put(&r->out, 8, (file.mode & FILE_TYPE) == FILE_DIRECTORY ? 2 : 1);
    put(&r->out, 8, 0); // device
    put(&r->out, 8, file.size);
    put(&r->out, 8, BLOCK);
    put(&r->out, 8, (file.size + 511) / 512);
    for (unsigned i = 0; i < 4; i++) { // access, change of data, of the node; birth
        put(&r->out, 8, i < 3 ? file.time : 0);
        put(&r->out, 8, 0);
    }
    put(&r->out, 8, 0); // generation, version
    put(&r->out, 8, 0);
    return 0;
}

static unsigned do_readlink(struct request *r)
{
    struct p9_fid *fid = find_fid(r->s, (uint32_t)take(&r->in, 4));

    if (!fid)
        return E_BADF;
    struct cpio_file file = stat_of(r->s, fid->node);
    if ((file.mode & FILE_TYPE) != FILE_LINK)
        return E_INVAL;
    if (file.size > LINK_MAX)
        return E_IO;
    put_string(&r->out, file.data, (uint32_t)file.size);
    return 0;
}

static unsigned do_statfs(struct request *r)
{
    if (!find_fid(r->s, (uint32_t)take(&r->in, 4)))
        return E_BADF;
    put(&r->out, 4, MAGIC);
    put(&r->out, 4, BLOCK);
    put(&r->out, 8, r->s->tree.size / BLOCK + 1);
    put(&r->out, 8, 0); // free, to whom
    put(&r->out, 8, 0);
    put(&r->out, 8, r->s->tree.count);
    put(&r->out, 8, 0);
    put(&r->out, 8, 0); // identity
    put(&r->out, 4, FILE_NAME_MAX);
    return 0;
}

static unsigned do_clunk(struct request *r)
{
    struct p9_fid *fid = find_fid(r->s, (uint32_t)take(&r->in, 4));

    if (!fid)
        return E_BADF;
    fid->state = P9_FID_FREE;
    return 0;
}

static unsigned dispatch(struct request *r, unsigned type)
{
    switch (type) {
    case TVERSION:
        return do_version(r);
    case TATTACH:
        return do_attach(r);
    case TWALK:
        return do_walk(r);
    case TLOPEN:
        return do_open(r);
    case TREAD:
        return do_read(r);
    case TREADDIR:
        return do_readdir(r);
    case TGETATTR:
        return do_getattr(r);
    case TREADLINK:
        return do_readlink(r);
    case TSTATFS:
        return do_statfs(r);
    case TCLUNK:
        return do_clunk(r);
    case TREMOVE: // gives the fid back all the same
        do_clunk(r);
        return E_ROFS;
    case TFLUSH: // what it means has been answered before
    case TFSYNC:
        return 0;
    case TLCREATE:
    case TSYMLINK:
    case TMKNOD:
    case TRENAME:
    case TSETATTR:
    case TLINK:
    case TMKDIR:
    case TRENAMEAT:
    case TUNLINKAT:
    case TWRITE:
        return E_ROFS;
    default:
        return E_NOTSUPP;
    }
}

void p9_serve(struct p9 *s, const uint8_t *request, uint32_t size, uint32_t room,
              struct p9_reply *reply)
{
    struct request r = {.s = s, .in = {request, size, false}, .reply = reply};
    uint32_t length = (uint32_t)take(&r.in, 4), type = (uint32_t)take(&r.in, 1);
    uint16_t tag = (uint16_t)take(&r.in, 2);
    unsigned error;

    s->requests++;
    r.room = room < s->s.size ? room : s->s.size;
    r.out =
        (struct writer){reply->bytes, HEADER, r.room < P9_REPLY_MAX ? r.room : P9_REPLY_MAX, false};
    reply->data = NULL;
    reply->data_size = 0;
    if (length > size && type != TWRITE)
        error = E_PROTO;
    else if (length < HEADER || length > s->s.size)
        error = E_PROTO;
    else {
        if (length < size)
            r.in.left = length - HEADER;
        error = dispatch(&r, type);
    }
    if (!error && r.out.bad)
        error = E_IO; // the client has no room for it
    if (error) {
        r.out.size = HEADER;
        put(&r.out, 4, error);
        reply->data_size = 0;
    }
    length = r.out.size + reply->data_size;
    type = error ? RLERROR : type + 1;
    memcpy(reply->bytes, &length, 4);
    reply->bytes[4] = (uint8_t)type;
    memcpy(reply->bytes + 5, &tag, 2);
    reply->size = r.out.size;
}
