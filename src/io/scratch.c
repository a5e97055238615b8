/* SPDX-License-Identifier: Apache-2.0 */
#define _GNU_SOURCE
#include <errno.h>
#include <fcntl.h>
#include <stdlib.h>
#include <string.h>
#include <sys/mman.h>
#include <unistd.h>

#include "io/scratch.h"

#define STORE_FIRST  ((int64_t)64 << 10)
#define STORE_BUFFER ((int64_t)256 << 10)

struct wni_scratch {
    wn_ctx *ctx;
    char *folder;
    int fd;
    void *map;
    int64_t map_bytes;
};

static wn_status io_fail(const wni_scratch *s, const char *what)
{
    return wni_fail(s->ctx, WN_E_IO, "%s: cannot %s a temporary file here: %s", s->folder, what,
                    strerror(errno));
}

wn_status wni_scratch_new(wn_ctx *ctx, const char *folder, wni_scratch **out)
{
    wni_scratch *s = NULL;
    char *name = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, s, 1);
    s->ctx = ctx;
    s->fd = -1;
    s->folder = wni_strdup(ctx, folder);
    name = wni_format(ctx, "%s/scratch-XXXXXX", folder);
    if (!s->folder || !name) {
        st = WN_E_NOMEM;
        goto done;
    }
    if ((s->fd = mkostemp(name, O_CLOEXEC)) < 0) {
        st = io_fail(s, "make");
        goto done;
    }
    (void)unlink(name);
    *out = s;
    s = NULL;
done:
    wni_free(ctx, name);
    wni_scratch_free(s);
    return st;
}

void wni_scratch_free(wni_scratch *s)
{
    if (!s) return;
    if (s->map) munmap(s->map, (size_t)s->map_bytes);
    if (s->fd >= 0) close(s->fd);
    wni_free(s->ctx, s->folder);
    wni_free(s->ctx, s);
}

wn_status wni_scratch_write(wni_scratch *s, int64_t at, const void *data, int64_t bytes)
{
    const char *from = data;

    while (bytes > 0) {
        ssize_t put = pwrite(s->fd, from, (size_t)wni_min(bytes, 1 << 30), (off_t)at);

        if (put < 0 && errno == EINTR) continue;
        if (put <= 0) return io_fail(s, "write");
        from += put;
        at += put;
        bytes -= put;
    }
    return WN_OK;
}

wn_status wni_scratch_read(wni_scratch *s, int64_t at, void *data, int64_t bytes)
{
    char *to = data;

    while (bytes > 0) {
        ssize_t got = pread(s->fd, to, (size_t)wni_min(bytes, 1 << 30), (off_t)at);

        if (got < 0 && errno == EINTR) continue;
        if (got == 0) errno = EIO;
        if (got <= 0) return io_fail(s, "read");
        to += got;
        at += got;
        bytes -= got;
    }
    return WN_OK;
}

wn_status wni_scratch_map(wni_scratch *s, int64_t bytes, void **data)
{
    int error;
    void *map;

    *data = NULL;
    if (s->map) return wni_fail(s->ctx, WN_E_INTERNAL, "%s: mapped twice", s->folder);
    error = posix_fallocate(s->fd, 0, (off_t)wni_max(bytes, 1));
    if (error) {
        errno = error;
        return io_fail(s, "grow");
    }
    map = mmap(NULL, (size_t)wni_max(bytes, 1), PROT_READ | PROT_WRITE, MAP_SHARED, s->fd, 0);
    if (map == MAP_FAILED) return io_fail(s, "map");
    s->map = *data = map;
    s->map_bytes = wni_max(bytes, 1);
    return WN_OK;
}

/* ---- an array that grows ------------------------------------------------------------------------- */

struct wni_store {
    wn_ctx *ctx;
    char *folder; /* NULL = none */
    int64_t memory_bytes;
    char *v; /* (room) all bytes, or, with a file, those that are not written yet */
    int64_t room, held;
    wni_scratch *file;
    int64_t written;
    void *map; /* of the file, once it is complete */
};

wn_status wni_store_new(wn_ctx *ctx, const char *folder, int64_t memory_bytes, wni_store **out)
{
    wni_store *s = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, s, 1);
    s->ctx = ctx;
    s->memory_bytes = memory_bytes;
    if (folder && !(s->folder = wni_strdup(ctx, folder))) {
        st = WN_E_NOMEM;
        goto done;
    }
    *out = s;
    s = NULL;
done:
    wni_store_free(s);
    return st;
}

void wni_store_free(wni_store *s)
{
    if (!s) return;
    wni_scratch_free(s->file);
    wni_free(s->ctx, s->v);
    wni_free(s->ctx, s->folder);
    wni_free(s->ctx, s);
}

int64_t wni_store_bytes(const wni_store *s)
{
    return s->written + s->held;
}

/* Room for `bytes` more at the end of v, or *grown = 0 where they belong into a file. */
static wn_status grow(wni_store *s, int64_t bytes, int *grown)
{
    int64_t room = wni_max(s->room * 2, wni_round_up(s->held + bytes, STORE_FIRST));
    char *v;

    *grown = 1;
    if (s->held + bytes <= s->room) return WN_OK;
    if (s->folder) {
        /* Old and new stand side by side while it grows. */
        if (s->room + room > s->memory_bytes) room = s->memory_bytes - s->room;
        if (room < s->held + bytes) {
            *grown = 0;
            return WN_OK;
        }
    } else {
        wn_status st = wni_budget_need(s->ctx, room, "what is compared later");
        if (st != WN_OK) return st;
    }
    if (!(v = wni_grow(s->ctx, s->v, s->held, room, 1))) return WN_E_NOMEM;
    s->v = v;
    s->room = room;
    return WN_OK;
}

static wn_status flush(wni_store *s)
{
    wn_status st = wni_scratch_write(s->file, s->written, s->v, s->held);

    if (st != WN_OK) return st;
    s->written += s->held;
    s->held = 0;
    return WN_OK;
}

wn_status wni_store_add(wni_store *s, const void *data, int64_t bytes)
{
    wn_status st = WN_OK;
    int grown;

    if (!s->file) {
        WNI_TRY(grow(s, bytes, &grown));
        if (!grown) {
            WNI_TRY(wni_scratch_new(s->ctx, s->folder, &s->file));
            if (s->held) WNI_TRY(flush(s));
            wni_free(s->ctx, s->v);
            s->v = NULL;
            s->room = 0;
            WNI_NEW(s->ctx, s->v, STORE_BUFFER);
            s->room = STORE_BUFFER;
        }
    }
    if (s->file && s->held + bytes > s->room) WNI_TRY(flush(s));
    if (s->file && bytes > s->room) {
        WNI_TRY(wni_scratch_write(s->file, s->written, data, bytes));
        s->written += bytes;
    } else if (bytes) {
        memcpy(s->v + s->held, data, (size_t)bytes);
        s->held += bytes;
    }
done:
    return st;
}

wn_status wni_store_data(wni_store *s, void **data)
{
    wn_status st = WN_OK;

    *data = s->map ? s->map : s->v;
    if (!s->file || s->map) return WN_OK;
    WNI_TRY(flush(s));
    wni_free(s->ctx, s->v);
    s->v = NULL;
    s->room = 0;
    WNI_TRY(wni_scratch_map(s->file, s->written, &s->map));
    *data = s->map;
done:
    return st;
}
