/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "io/memfolder.h"

#define PREFIX ":memory:"

typedef struct entry {
    wn_folder_item item;
    char *name, *descr;
    void *owned; /* the data, when it is the folder's; else NULL */
} entry;

struct wn_folder {
    wn_ctx *ctx;
    struct wn_folder *next; /* of the context */
    char path[40];          /* ":memory:7" */
    entry *v;
    int32_t n, room;
};

wn_status wn_folder_new(wn_ctx *ctx, wn_folder **out)
{
    wn_folder *folder;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, folder, 1);
    folder->ctx = ctx;
    snprintf(folder->path, sizeof folder->path, PREFIX "%lld", (long long)++ctx->last_folder);
    folder->next = ctx->folders;
    ctx->folders = folder;
    *out = folder;
done:
    return st;
}

static void entry_free(wn_ctx *ctx, entry *e)
{
    wni_free(ctx, e->name);
    wni_free(ctx, e->descr);
    wni_free(ctx, e->owned);
}

void wn_folder_free(wn_folder *folder)
{
    wn_folder **at;

    if (!folder) return;
    for (at = &folder->ctx->folders; *at != folder; at = &(*at)->next)
        ;
    *at = folder->next;
    wni_memfolder_cut(folder, 0);
    wni_free(folder->ctx, folder->v);
    wni_free(folder->ctx, folder);
}

const char *wn_folder_path(const wn_folder *folder)
{
    return folder->path;
}

int32_t wn_folder_count(const wn_folder *folder)
{
    return folder->n;
}

const wn_folder_item *wn_folder_at(const wn_folder *folder, int32_t i)
{
    return i >= 0 && i < folder->n ? &folder->v[i].item : NULL;
}

const wn_folder_item *wn_folder_find(const wn_folder *folder, const char *name)
{
    for (int32_t i = 0; i < folder->n; i++)
        if (strcmp(folder->v[i].name, name) == 0) return &folder->v[i].item;
    return NULL;
}

static wn_status add(wn_folder *folder, const char *name, const char *descr, int32_t dims,
                     const int64_t *shape, const void *data, int64_t bytes, void *owned)
{
    wn_ctx *ctx = folder->ctx;
    entry e = {.owned = owned};

    if (wn_folder_find(folder, name)) {
        wni_free(ctx, owned);
        return wni_fail(ctx, WN_E_USAGE, "%s is in the folder already", name);
    }
    if (folder->n == folder->room) {
        int32_t wider = folder->room * 2 + 8;
        entry *grown = wni_grow(ctx, folder->v, folder->room, wider, sizeof *grown);
        if (!grown) goto nomem;
        folder->v = grown;
        folder->room = wider;
    }
    if (!(e.name = wni_strdup(ctx, name))) goto nomem;
    if (descr && !(e.descr = wni_strdup(ctx, descr))) goto nomem;
    e.item = (wn_folder_item){.name = e.name, .descr = e.descr, .dims = dims};
    for (int32_t i = 0; i < dims; i++)
        e.item.shape[i] = shape[i];
    e.item.bytes = bytes;
    e.item.data = data;
    folder->v[folder->n++] = e;
    return WN_OK;
nomem:
    entry_free(ctx, &e);
    return WN_E_NOMEM;
}

wn_status wn_folder_add(wn_folder *folder, const char *name, const char *descr, size_t item_bytes,
                        int32_t dims, const int64_t *shape, const void *data)
{
    int64_t bytes = (int64_t)item_bytes;

    if (dims < (descr ? 1 : 0) || dims > (descr ? WN_FOLDER_DIMS : 0))
        return wni_fail(folder->ctx, WN_E_USAGE,
                        "%s: found %d dimensions, expected 1 to %d, or 0 for a text", name, dims,
                        WN_FOLDER_DIMS);
    for (int32_t i = 0; i < dims; i++)
        if (shape[i] < 0 || __builtin_mul_overflow(bytes, shape[i], &bytes))
            return wni_fail(folder->ctx, WN_E_USAGE, "%s: the shape is too large", name);
    return add(folder, name, descr, dims, shape, data, bytes, NULL);
}

/* ---- for the library ---------------------------------------------------------------------------------- */

int wni_is_memory_path(const char *path)
{
    return strncmp(path, PREFIX, strlen(PREFIX)) == 0;
}

wn_folder *wni_memfolder_of(wn_ctx *ctx, const char *path, const char **name)
{
    size_t length = strcspn(path, "/");

    if (!wni_is_memory_path(path)) return NULL;
    for (wn_folder *folder = ctx->folders; folder; folder = folder->next) {
        if (strlen(folder->path) != length || strncmp(path, folder->path, length) != 0) continue;
        *name = path + length + (path[length] == '/');
        return folder;
    }
    return NULL;
}

wn_status wni_memfolder_give(wn_folder *folder, const char *name, const char *descr, int32_t dims,
                             const int64_t *shape, void *data, int64_t bytes)
{
    return add(folder, name, descr, dims, shape, data, bytes, data);
}

void wni_memfolder_remove(wn_folder *folder, const char *name)
{
    for (int32_t i = 0; i < folder->n; i++) {
        if (strcmp(folder->v[i].name, name) != 0) continue;
        entry_free(folder->ctx, &folder->v[i]);
        folder->n--;
        memmove(&folder->v[i], &folder->v[i + 1], (size_t)(folder->n - i) * sizeof *folder->v);
        return;
    }
}

void wni_memfolder_cut(wn_folder *folder, int32_t count)
{
    while (folder->n > count)
        entry_free(folder->ctx, &folder->v[--folder->n]);
}
