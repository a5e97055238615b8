/* SPDX-License-Identifier: Apache-2.0
 *
 * .hdf5 .h5: the datasets that lie in the file as one plain array, as ANN-Benchmarks and h5py's defaults write
 * them; see docs/decisions/hdf5.md. Only where the array lies is read here, following the public file format:
 * superblock -> group -> object header -> its messages.
 *
 * Nothing in the file is believed: every read is within the file, every loop is bounded.
 */
#include <string.h>

#include "io/vecfile.h"

#define NOWHERE    UINT64_MAX /* the address of what was never written */
#define OBJECT_MAX 65536      /* bytes of messages in one piece of a header */
#define PIECES_MAX 64         /* pieces of a header */
#define NODES_MAX  512        /* of the index of a group */
#define NAMES_MAX  (1 << 20)  /* bytes of names in a group */
#define DEPTH_MAX  8

enum {
    DATASPACE = 0x01,
    LINK_INFO = 0x02,
    DATATYPE = 0x03,
    LINK = 0x06,
    EXTERNAL = 0x07,
    LAYOUT = 0x08,
    CONTINUED = 0x10,
    SYMBOL_TABLE = 0x11
};

typedef struct hdf5 {
    wn_ctx *ctx;
    const wni_infile *file;
    const char *label;
    uint64_t root; /* object header of the root group */
} hdf5;

/* What the messages of one object say. */
typedef struct object {
    int dataset; /* has a layout */
    int dims, type_known, contiguous, external, shared, dense;
    uint64_t size[2];    /* of the first two dimensions */
    int32_t dtype, swap; /* dtype -1 = no type that winnow reads */
    uint64_t data, data_bytes;
    uint64_t tree, heap; /* of a group with an index; NOWHERE = none */
} object;

/* One child of a group; name is not ended by a zero. */
typedef wn_status (*child_fn)(const hdf5 *h, void *arg, const char *name, size_t length,
                              uint64_t address);

static wn_status damaged(const hdf5 *h, const char *what)
{
    return wni_fail(h->ctx, WN_E_DATA,
                    "%s: %s; the HDF5 file is truncated or damaged: copy it again", h->label, what);
}

static wn_status bytes_at(const hdf5 *h, uint64_t at, uint64_t bytes, void *out)
{
    if (at > (uint64_t)h->file->bytes || bytes > (uint64_t)h->file->bytes - at)
        return damaged(h, "something lies outside the file");
    return wni_infile_read(h->ctx, h->file, (int64_t)at, (int64_t)bytes, out);
}

static wn_status superblock(hdf5 *h)
{
    unsigned char b[96] = {0};
    int version;
    wn_status st;

    if ((st = bytes_at(h, 0, 48, b)) != WN_OK) return st;
    version = b[8];
    if (version <= 1) {
        const uint64_t from = version == 0 ? 24 : 28;

        if (b[13] == 8 && b[14] == 8 && (st = bytes_at(h, from, 56, b + 24)) != WN_OK) return st;
        h->root = wni_le64(b + 24 + 32 + 8);
        if (b[13] == 8 && b[14] == 8 && wni_le64(b + 24) == 0) return WN_OK;
    } else if (version <= 3) {
        h->root = wni_le64(b + 36);
        if (b[9] == 8 && b[10] == 8 && wni_le64(b + 12) == 0) return WN_OK;
    }
    return wni_fail(
        h->ctx, WN_E_DATA,
        "%s: found an HDF5 file of a form that is not read (superblock %d); copy it with "
        "h5repack, or save the vectors as .npy",
        h->label, version);
}

/* ---- messages --------------------------------------------------------------------------------- */

static void read_space(object *o, const unsigned char *m, size_t n)
{
    const size_t at = n > 1 && m[0] == 1 ? 8 : 4;

    o->dims = -1;
    if (n < 4 || m[0] < 1 || m[0] > 2 || (m[0] == 2 && m[3] == 2)) return;
    o->dims = m[1];
    for (size_t i = 0; i < 2 && i < m[1]; i++) {
        if (at + 8 * (i + 1) > n) {
            o->dims = -1;
            return;
        }
        o->size[i] = wni_le64(m + at + 8 * i);
    }
}

/* Numbers of the usual kinds only: IEEE floats (and bf16), two's complement without padding. */
static void read_type(object *o, const unsigned char *m, size_t n)
{
    uint32_t size;
    int kind;

    o->type_known = 1;
    o->dtype = -1;
    if (n < 12) return;
    kind = m[0] & 15;
    size = wni_le32(m + 4);
    if (wni_le16(m + 8) != 0 || wni_le16(m + 10) != 8 * size) return;
    o->swap = (m[1] & 1) != (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__) && size > 1;
    if (kind == 0) {
        const int is_signed = m[1] >> 3 & 1;

        if (size == 1) o->dtype = is_signed ? WN_I8 : WN_U8;
        if (size == 4 && is_signed) o->dtype = WN_I32;
    } else if (kind == 1 && n >= 20 && !(m[1] & 0x40)) {
        const int exponent = m[13];

        if (size == 8 && exponent == 11) o->dtype = WN_F64;
        if (size == 4 && exponent == 8) o->dtype = WN_F32;
        if (size == 2 && exponent == 5) o->dtype = WN_F16;
        if (size == 2 && exponent == 8) o->dtype = WN_BF16;
    }
}

static void read_layout(object *o, const unsigned char *m, size_t n, uint64_t at)
{
    o->dataset = 1;
    if (n < 4) return;
    if (m[0] >= 3 && m[0] <= 4 && m[1] == 1 && n >= 18) {
        o->contiguous = 1;
        o->data = wni_le64(m + 2);
        o->data_bytes = wni_le64(m + 10);
    } else if (m[0] >= 3 && m[0] <= 4 && m[1] == 0) { /* within the header itself */
        o->contiguous = 1;
        o->data = at + 4;
        o->data_bytes = wni_le16(m + 2);
    } else if (m[0] <= 2 && m[2] == 1 && n >= 16) {
        o->contiguous = 1;
        o->data = wni_le64(m + 8);
        o->data_bytes = UINT64_MAX;
    }
}

static wn_status read_link(const hdf5 *h, const unsigned char *m, size_t n, child_fn fn, void *arg)
{
    size_t at = 2, length = 0, width;

    if (n < 2 || m[0] != 1) return WN_OK;
    width = (size_t)1 << (m[1] & 3);
    if (m[1] & 8) {
        if (n < 3 || m[2] != 0) return WN_OK; /* not a hard link */
        at++;
    }
    at += (m[1] & 4 ? 8u : 0u) + (m[1] & 16 ? 1u : 0u);
    if (at + width > n) return WN_OK;
    for (size_t i = 0; i < width; i++)
        length |= (size_t)m[at + i] << 8 * i;
    at += width;
    if (length > n || at + length > n || n - at - length < 8) return damaged(h, "a link is cut");
    return fn(h, arg, (const char *)m + at, length, wni_le64(m + at + length));
}

typedef struct pieces {
    struct {
        uint64_t at, bytes;
    } v[PIECES_MAX];
    int n;
} pieces;

static wn_status read_message(const hdf5 *h, uint32_t type, uint32_t flags, const unsigned char *m,
                              size_t n, uint64_t at, object *o, pieces *p, child_fn fn, void *arg)
{
    if (type == CONTINUED) {
        if (n < 16 || p->n == PIECES_MAX) return damaged(h, "an object header is cut");
        p->v[p->n].at = wni_le64(m);
        p->v[p->n++].bytes = wni_le64(m + 8);
        return WN_OK;
    }
    if (flags & 2) { /* stands elsewhere: a named type */
        o->shared |= type == DATATYPE || type == DATASPACE;
        return WN_OK;
    }
    if (type == DATASPACE) read_space(o, m, n);
    if (type == DATATYPE) read_type(o, m, n);
    if (type == LAYOUT) read_layout(o, m, n, at);
    if (type == EXTERNAL) o->external = 1;
    if (type == LINK_INFO && n >= 18)
        o->dense = wni_le64(m + 2 + (m[1] & 1 ? 8 : 0)) != NOWHERE && n >= 18u + (m[1] & 1 ? 8 : 0);
    if (type == SYMBOL_TABLE && n >= 16) {
        o->tree = wni_le64(m);
        o->heap = wni_le64(m + 8);
    }
    return type == LINK && fn ? read_link(h, m, n, fn, arg) : WN_OK;
}

/* All messages of an object header; fn (or NULL) gets the links among them. */
static wn_status read_object(const hdf5 *h, uint64_t address, object *o, child_fn fn, void *arg)
{
    unsigned char head[32] = {0}, *buf = NULL;
    uint32_t order = 0, step = 8;
    pieces p = {.n = 1};
    wn_status st;

    memset(o, 0, sizeof *o);
    o->dtype = -1;
    o->tree = NOWHERE;
    WNI_TRY(bytes_at(h, address, 16, head));
    if (memcmp(head, "OHDR\2", 5) == 0) {
        const uint64_t from = 6 + (head[5] & 32 ? 16u : 0u) + (head[5] & 16 ? 4u : 0u);
        const uint64_t width = (uint64_t)1 << (head[5] & 3);

        WNI_TRY(bytes_at(h, address + from, width, head + 16));
        order = head[5] & 4 ? 2 : 0;
        step = 4 + order;
        p.v[0].at = address + from + width;
        p.v[0].bytes = wni_le64(head + 16);
    } else if (head[0] == 1) {
        p.v[0].at = address + 16;
        p.v[0].bytes = wni_le32(head + 8);
    } else {
        st = damaged(h, "found no object header");
        goto done;
    }
    WNI_NEW(h->ctx, buf, OBJECT_MAX);
    for (int i = 0; i < p.n; i++) {
        uint64_t at = p.v[i].at, bytes = p.v[i].bytes, b = 0;

        if (bytes > OBJECT_MAX) {
            st = damaged(h, "an object header is too long");
            goto done;
        }
        WNI_TRY(bytes_at(h, at, bytes, buf));
        /* Further pieces of the newer form begin with a mark and end with a checksum. */
        if (step != 8 && i > 0) {
            if (bytes < 8 || memcmp(buf, "OCHK", 4) != 0) {
                st = damaged(h, "an object header is cut");
                goto done;
            }
            b = 4;
            bytes -= 4;
        }
        while (bytes - b >= step) {
            const unsigned char *m = buf + b;
            const uint32_t type = step == 8 ? wni_le16(m) : m[0];
            const uint32_t size = wni_le16(m + (step == 8 ? 2 : 1));
            const uint32_t flags = m[step == 8 ? 4 : 3];

            if (size > bytes - b - step) {
                st = damaged(h, "a message of an object header is cut");
                goto done;
            }
            WNI_TRY(read_message(h, type, flags, m + step, size, at + b + step, o, &p, fn, arg));
            b += step + size;
        }
    }
done:
    wni_free(h->ctx, buf);
    return st;
}

/* ---- groups ----------------------------------------------------------------------------------- */

/* Symbols of one leaf of a group's index; their names lie in `names`. */
static wn_status read_symbols(const hdf5 *h, uint64_t at, const char *names, uint64_t bytes,
                              child_fn fn, void *arg)
{
    unsigned char head[8], entry[40];
    wn_status st;

    if ((st = bytes_at(h, at, 8, head)) != WN_OK) return st;
    if (memcmp(head, "SNOD", 4) != 0) return damaged(h, "found no symbols of a group");
    for (uint32_t i = 0; i < wni_le16(head + 6); i++) {
        uint64_t name;

        if ((st = bytes_at(h, at + 8 + i * 40u, 40, entry)) != WN_OK) return st;
        name = wni_le64(entry);
        if (name >= bytes || !memchr(names + name, 0, bytes - name))
            return damaged(h, "a name lies outside its group");
        if (wni_le32(entry + 16) == 2) continue; /* a soft link */
        st = fn(h, arg, names + name, strlen(names + name), wni_le64(entry + 8));
        if (st != WN_OK) return st;
    }
    return WN_OK;
}

/* The nodes of a group's index, each from a list of what is left to read. */
static wn_status read_index(const hdf5 *h, const object *o, child_fn fn, void *arg)
{
    unsigned char head[32], child[16];
    struct {
        uint64_t at;
        int leaf;
    } *node = NULL;
    uint64_t bytes = 0;
    int64_t n = 1;
    char *names = NULL;
    wn_status st;

    WNI_TRY(bytes_at(h, o->heap, 32, head));
    bytes = wni_le64(head + 8);
    if (memcmp(head, "HEAP", 4) != 0 || bytes > NAMES_MAX) {
        st = damaged(h, "found no names of a group");
        goto done;
    }
    WNI_NEW(h->ctx, names, (int64_t)bytes + 1);
    WNI_NEW(h->ctx, node, NODES_MAX);
    WNI_TRY(bytes_at(h, wni_le64(head + 24), bytes, names));
    node[0].at = o->tree;
    node[0].leaf = 0;
    for (int64_t i = 0; i < n; i++) {
        if (node[i].leaf) {
            WNI_TRY(read_symbols(h, node[i].at, names, bytes, fn, arg));
            continue;
        }
        WNI_TRY(bytes_at(h, node[i].at, 24, head));
        if (memcmp(head, "TREE\0", 5) != 0 || n + wni_le16(head + 6) > NODES_MAX) {
            st = damaged(h, "found no index of a group");
            goto done;
        }
        for (uint32_t c = 0; c < wni_le16(head + 6); c++) {
            WNI_TRY(bytes_at(h, node[i].at + 24 + c * 16u, 16, child));
            node[n].at = wni_le64(child + 8);
            node[n++].leaf = head[5] == 0;
        }
    }
done:
    wni_free(h->ctx, names);
    wni_free(h->ctx, node);
    return st;
}

/* The children of a group. */
static wn_status children(const hdf5 *h, uint64_t address, child_fn fn, void *arg)
{
    object o;
    wn_status st = read_object(h, address, &o, fn, arg);

    if (st != WN_OK) return st;
    if (o.tree != NOWHERE) return read_index(h, &o, fn, arg);
    if (o.dense)
        return wni_fail(h->ctx, WN_E_DATA,
                        "%s: found a group of the kind for very many datasets, which is not read; "
                        "save the vectors as .npy",
                        h->label);
    return WN_OK;
}

/* ---- the dataset ------------------------------------------------------------------------------ */

typedef struct finding {
    const char *name; /* wanted, (length) */
    size_t length;
    uint64_t address; /* NOWHERE = not found */
} finding;

static wn_status find(const hdf5 *h, void *arg, const char *name, size_t length, uint64_t address)
{
    finding *f = arg;

    (void)h;
    if (length == f->length && memcmp(name, f->name, length) == 0) f->address = address;
    return WN_OK;
}

typedef struct listing {
    char text[256];
    size_t used;
    int matrices;
    uint64_t address; /* of the last matrix */
    char name[128];
} listing;

static wn_status list(const hdf5 *h, void *arg, const char *name, size_t length, uint64_t address)
{
    listing *l = arg;
    object o;
    wn_status st = read_object(h, address, &o, NULL, NULL);

    if (st == WN_E_DATA) return WN_OK; /* what cannot be read is no candidate */
    if (st != WN_OK) return st;
    if (l->used + length + 2 < sizeof l->text) {
        if (l->used) l->text[l->used++] = ' ';
        memcpy(l->text + l->used, name, length);
        l->used += length;
        l->text[l->used] = 0;
    }
    if (!o.dataset || o.dims != 2 || o.dtype < 0 || length >= sizeof l->name) return WN_OK;
    l->matrices++;
    l->address = address;
    memcpy(l->name, name, length);
    l->name[length] = 0;
    return WN_OK;
}

/* The object header of "group/name". */
static wn_status walk(const hdf5 *h, const char *path, uint64_t *address)
{
    wn_status st = WN_OK;

    *address = h->root;
    for (int depth = 0; st == WN_OK && *address != NOWHERE && depth < DEPTH_MAX; depth++) {
        finding f = {.address = NOWHERE};

        path += strspn(path, "/");
        if (!*path) return WN_OK;
        f.name = path;
        f.length = strcspn(path, "/");
        st = children(h, *address, find, &f);
        *address = f.address;
        path += f.length;
    }
    if (*path) *address = NOWHERE;
    return st;
}

/* The dataset asked for; else `train`, as ANN-Benchmarks calls the vectors; else the only matrix. */
static wn_status choose(const hdf5 *h, const char *member, uint64_t *address, char **label)
{
    listing l = {.used = 0};
    wn_status st = walk(h, member ? member : "train", address);

    if (st != WN_OK) return st;
    if (*address != NOWHERE) {
        member = member ? member : "train";
        return wni_member_label(h->ctx, h->file, member, strlen(member), label);
    }
    if ((st = children(h, h->root, list, &l)) != WN_OK) return st;
    if (member)
        return wni_fail(h->ctx, WN_E_DATA, "%s: found no dataset '%s'; there are: %s", h->label,
                        member, l.used ? l.text : "none");
    if (l.matrices != 1)
        return wni_fail(h->ctx, WN_E_DATA,
                        "%s: found %d datasets that may be the vectors, expected `train` or one "
                        "two-dimensional array; name the one to read, FILE:NAME, from: %s",
                        h->label, l.matrices, l.used ? l.text : "none");
    *address = l.address;
    return wni_member_label(h->ctx, h->file, l.name, strlen(l.name), label);
}

wn_status wni_read_hdf5(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                        char **label, wni_layout *out)
{
    hdf5 h = {ctx, file, *label, 0};
    uint64_t address;
    int64_t item;
    unsigned char mark[8] = {0};
    wn_status st;
    object o;

    st = wni_infile_read(ctx, file, 0, wni_min(file->bytes, 8), mark);
    if (st != WN_OK) return st;
    if (memcmp(mark, "\x89HDF\r\n\x1a\n", 8) != 0)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: is not HDF5 (it does not begin with \\x89HDF); copy it again, or give "
                        "it its own name",
                        *label);
    if ((st = superblock(&h)) != WN_OK) return st;
    if ((st = choose(&h, want->member, &address, label)) != WN_OK) return st;
    h.label = *label;
    if ((st = read_object(&h, address, &o, NULL, NULL)) != WN_OK) return st;
    if (!o.dataset)
        return wni_fail(ctx, WN_E_DATA, "%s: is a group, expected a dataset; name one within it",
                        *label);
    if (o.dims != 2)
        return wni_fail(ctx, WN_E_DATA, "%s: found %d dimensions, expected 2: (rows, columns)",
                        *label, o.dims < 0 ? 0 : o.dims);
    if (o.dtype < 0 || o.shared)
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: found elements of a type that is not read, expected f16 bf16 f32 f64 i8 "
            "u8 i32; save them as float32",
            *label);
    if (o.contiguous && o.data == NOWHERE)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: the dataset was made but no rows were written to it; "
                        "name another, or write it again",
                        *label);
    if (!o.contiguous || o.external)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: the rows are %s, expected one plain array: rewrite the file with "
                        "h5repack -l CONTI -f NONE IN OUT",
                        *label, o.external ? "in another file" : "in chunks, maybe compressed");
    if (o.size[0] > WN_ROWS_MAX || o.size[1] > WN_DIM_MAX || o.data > (uint64_t)file->bytes)
        return damaged(&h, "the array lies outside the file");
    item = (int64_t)wn_dtype_bytes((wn_dtype)o.dtype);
    out->format = ".hdf5";
    out->n = (int64_t)o.size[0];
    out->d = (int64_t)o.size[1];
    out->dtype = o.dtype;
    out->offset = (int64_t)o.data;
    out->col_stride = item;
    out->row_stride = out->d * item;
    out->end = o.data_bytes <= (uint64_t)file->bytes - o.data ? (int64_t)(o.data + o.data_bytes)
                                                              : file->bytes;
    if (o.data_bytes == UINT64_MAX) /* the older form does not say: what the shape says */
        out->end = wni_min(file->bytes, out->offset + out->n * out->row_stride);
    out->swap = o.swap;
    return WN_OK;
}
