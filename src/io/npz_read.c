/* SPDX-License-Identifier: Apache-2.0
 *
 * .npz: a zip whose members are .npy files. Stored members (method 0, as np.savez writes them) are read
 * where they lie; compressed ones are refused with what to do. Zip64 is understood.
 */
#include <string.h>

#include "io/vecfile.h"

#define EOCD_BYTES      22
#define EOCD_SEARCH     (65535 + EOCD_BYTES)
#define DIRECTORY_MAX   ((int64_t)64 << 20)
#define ENTRY_BYTES     46
#define LOCAL_BYTES     30
#define NO32            0xffffffffu
#define SIG_EOCD        0x06054b50u
#define SIG_EOCD64      0x06064b50u
#define SIG_EOCD64_LINK 0x07064b50u
#define SIG_ENTRY       0x02014b50u
#define SIG_LOCAL       0x04034b50u

typedef struct directory {
    unsigned char *bytes;
    int64_t size, at; /* of the directory in the file */
} directory;

typedef struct entry {
    const char *name;
    size_t name_length;
    uint32_t flags, method;
    uint64_t packed, size, local; /* local: offset of its local header */
} entry;

static wn_status damaged(wn_ctx *ctx, const char *label, const char *what)
{
    return wni_fail(ctx, WN_E_DATA, "%s: %s; the .npz (zip) is truncated or damaged: copy it again",
                    label, what);
}

/* Takes the place of the directory from the zip64 record when the 32-bit fields are full. */
static wn_status directory_64(wn_ctx *ctx, const wni_infile *file, const char *label, int64_t eocd,
                              uint64_t *size, uint64_t *at)
{
    unsigned char link[20], end[56];
    uint64_t end_at;
    wn_status st;

    if (eocd < (int64_t)sizeof link) return damaged(ctx, label, "found no zip64 locator");
    if ((st = wni_infile_read(ctx, file, eocd - 20, sizeof link, link)) != WN_OK) return st;
    end_at = wni_le64(link + 8);
    if (wni_le32(link) != SIG_EOCD64_LINK || file->bytes < (int64_t)sizeof end ||
        end_at > (uint64_t)file->bytes - sizeof end)
        return damaged(ctx, label, "found no zip64 locator");
    if ((st = wni_infile_read(ctx, file, (int64_t)end_at, sizeof end, end)) != WN_OK) return st;
    if (wni_le32(end) != SIG_EOCD64) return damaged(ctx, label, "found no zip64 end record");
    *size = wni_le64(end + 40);
    *at = wni_le64(end + 48);
    return WN_OK;
}

static wn_status directory_read(wn_ctx *ctx, const wni_infile *file, const char *label,
                                directory *dir)
{
    int64_t tail = wni_min(file->bytes, EOCD_SEARCH), eocd = -1;
    unsigned char *end = NULL;
    uint64_t size, at;
    wn_status st = WN_OK;

    WNI_NEW(ctx, end, tail);
    WNI_TRY(wni_infile_read(ctx, file, file->bytes - tail, tail, end));
    /* The record that ends the zip carries a comment of any length: its length must fit. */
    for (int64_t i = tail - EOCD_BYTES; i >= 0 && eocd < 0; i--)
        if (wni_le32(end + i) == SIG_EOCD && wni_le16(end + i + 20) == tail - EOCD_BYTES - i)
            eocd = i;
    if (eocd < 0) {
        st = damaged(ctx, label, "found no end of the zip directory");
        goto done;
    }
    size = wni_le32(end + eocd + 12);
    at = wni_le32(end + eocd + 16);
    eocd += file->bytes - tail;
    if (size == NO32 || at == NO32 || wni_le16(end + (eocd - file->bytes + tail) + 10) == 0xffff)
        WNI_TRY(directory_64(ctx, file, label, eocd, &size, &at));
    if (at > (uint64_t)eocd || size > (uint64_t)eocd - at || size > DIRECTORY_MAX) {
        st = damaged(ctx, label, "the zip directory lies outside the file");
        goto done;
    }
    dir->size = (int64_t)size;
    dir->at = (int64_t)at;
    WNI_NEW(ctx, dir->bytes, dir->size);
    st = wni_infile_read(ctx, file, dir->at, dir->size, dir->bytes);
done:
    wni_free(ctx, end);
    return st;
}

/* The entry at *at of the directory; *at moves on. Nonzero when there was one. */
static int entry_next(const directory *dir, int64_t *at, entry *e)
{
    const unsigned char *p = dir->bytes + *at, *extra;
    int64_t names, extras, total;

    if (dir->size - *at < ENTRY_BYTES || wni_le32(p) != SIG_ENTRY) return 0;
    names = wni_le16(p + 28);
    extras = wni_le16(p + 30);
    total = ENTRY_BYTES + names + extras + wni_le16(p + 32);
    if (dir->size - *at < total) return 0;
    e->flags = wni_le16(p + 8);
    e->method = wni_le16(p + 10);
    e->packed = wni_le32(p + 20);
    e->size = wni_le32(p + 24);
    e->local = wni_le32(p + 42);
    e->name = (const char *)p + ENTRY_BYTES;
    e->name_length = (size_t)names;
    /* Zip64: the fields that are full stand in extra field 1, in this order. */
    extra = p + ENTRY_BYTES + names;
    while (extras >= 4) {
        int64_t length = wni_le16(extra + 2), used = 4;
        if (length > extras - 4) break;
        if (wni_le16(extra) == 1) {
            uint64_t *full[3] = {&e->size, &e->packed, &e->local};
            for (int i = 0; i < 3; i++)
                if (*full[i] == NO32 && used + 8 <= length + 4) {
                    *full[i] = wni_le64(extra + used);
                    used += 8;
                }
        }
        extra += length + 4;
        extras -= length + 4;
    }
    *at += total;
    return 1;
}

/* Where the bytes of a stored member lie: the local header has its own name and extra lengths. */
static wn_status member_span(wn_ctx *ctx, const wni_infile *file, const char *label, int64_t limit,
                             const entry *e, int64_t *at, int64_t *end)
{
    unsigned char local[LOCAL_BYTES];
    wn_status st;

    if (e->flags & 1)
        return wni_fail(ctx, WN_E_DATA, "%s: is encrypted; save it without a password", label);
    if (e->method != 0)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: is compressed (zip method %u), expected a stored member; save it with "
                        "np.savez instead of np.savez_compressed",
                        label, e->method);
    if (limit < LOCAL_BYTES || e->local > (uint64_t)(limit - LOCAL_BYTES) || e->packed != e->size)
        return damaged(ctx, label, "the member lies outside the file");
    if ((st = wni_infile_read(ctx, file, (int64_t)e->local, LOCAL_BYTES, local)) != WN_OK)
        return st;
    if (wni_le32(local) != SIG_LOCAL) return damaged(ctx, label, "found no local header");
    *at = (int64_t)e->local + LOCAL_BYTES + wni_le16(local + 26) + wni_le16(local + 28);
    if (*at > limit || e->size > (uint64_t)(limit - *at))
        return damaged(ctx, label, "the member lies outside the file");
    *end = *at + (int64_t)e->size;
    return WN_OK;
}

static bool is_npy(const entry *e)
{
    return e->name_length > 4 && memcmp(e->name + e->name_length - 4, ".npy", 4) == 0;
}

/* "emb" and "emb.npy" both mean the member emb.npy. */
static bool is_called(const entry *e, const char *name)
{
    size_t length = strlen(name);

    if (e->name_length == length && memcmp(e->name, name, length) == 0) return true;
    return is_npy(e) && e->name_length == length + 4 && memcmp(e->name, name, length) == 0;
}

/* Is this member a matrix of numbers? A member that cannot be read as one is no candidate. */
static wn_status is_matrix(wn_ctx *ctx, const wni_infile *file, const directory *dir,
                           const wni_vecfile_want *want, const entry *e, bool *yes)
{
    wni_npy_header header;
    int64_t at, end;
    int32_t swap;
    wn_status st;

    *yes = false;
    if (!is_npy(e)) return WN_OK;
    if (e->method != 0 ||
        e->flags & 1) { /* it may be the one: to be asked for by name, or refused */
        *yes = true;
        return WN_OK;
    }
    st = member_span(ctx, file, file->path, dir->at, e, &at, &end);
    if (st == WN_OK) st = wni_npy_header_at(ctx, file, file->path, at, end, &header);
    if (st == WN_OK)
        *yes = header.dims == 2 && !header.structured &&
               wni_npy_dtype(header.descr, want->dtype, &swap) >= 0;
    return st == WN_E_DATA ? WN_OK : st;
}

static wn_status choose(wn_ctx *ctx, const wni_infile *file, const directory *dir,
                        const wni_vecfile_want *want, entry *chosen)
{
    char names[256] = "";
    size_t used = 0;
    int fits = 0;
    int64_t at = 0;
    wn_status st;
    entry e;

    while (entry_next(dir, &at, &e)) {
        bool yes;
        size_t length = e.name_length - (is_npy(&e) ? 4 : 0);
        if (want->member)
            yes = is_called(&e, want->member);
        else if ((st = is_matrix(ctx, file, dir, want, &e, &yes)) != WN_OK)
            return st;
        if (yes) {
            *chosen = e;
            fits++;
        }
        if (used + length + 2 < sizeof names) {
            if (used) names[used++] = ' ';
            memcpy(names + used, e.name, length);
            used += length;
            names[used] = 0;
        }
    }
    if (at != dir->size) return damaged(ctx, file->path, "the zip directory is cut");
    if (fits == 1) return WN_OK;
    if (want->member)
        return wni_fail(ctx, WN_E_DATA, "%s: found %d members '%s', expected one; there are: %s",
                        file->path, fits, want->member, names);
    return wni_fail(ctx, WN_E_DATA,
                    "%s: found %d members that may be the vectors, expected one two-dimensional "
                    "array; name the one to read, FILE:NAME, from: %s",
                    file->path, fits, names);
}

wn_status wni_read_npz(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                       char **label, wni_layout *out)
{
    directory dir = {0};
    wni_npy_header header;
    int64_t at, end;
    wn_status st;
    entry e = {0};

    WNI_TRY(directory_read(ctx, file, *label, &dir));
    WNI_TRY(choose(ctx, file, &dir, want, &e));
    WNI_TRY(wni_member_label(ctx, file, e.name, e.name_length - (is_npy(&e) ? 4 : 0), label));
    WNI_TRY(member_span(ctx, file, *label, dir.at, &e, &at, &end));
    WNI_TRY(wni_npy_header_at(ctx, file, *label, at, end, &header));
    WNI_TRY(wni_npy_layout(ctx, *label, &header, want, at, end, out));
    out->format = ".npz";
done:
    wni_free(ctx, dir.bytes);
    return st;
}
