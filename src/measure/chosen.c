/* SPDX-License-Identifier: Apache-2.0
 *
 * One or several selections from a file or a folder.
 */
#include <math.h>
#include <string.h>

#include "measure/measure_impl.h"

typedef struct loading {
    wn_ctx *ctx;
    const char *dir;
    int64_t n; /* rows of the pool */
    int named; /* nonzero: take only files called rows.npy */
    wni_chosen_list *list;
    int32_t room;
} loading;

static int ends_with(const char *text, const char *end)
{
    size_t n = strlen(text), m = strlen(end);

    return n >= m && strcmp(text + n - m, end) == 0;
}

/* The name of a selection: its path without rows.npy, .npy and what stands before the last slash. */
static char *name_of(wn_ctx *ctx, const char *path, int whole)
{
    size_t length = strlen(path), begin = 0;

    if (ends_with(path, "/rows.npy"))
        length -= strlen("/rows.npy");
    else if (ends_with(path, ".npy"))
        length -= strlen(".npy");
    while (length > 1 && path[length - 1] == '/')
        length--;
    for (size_t i = 0; i < length && !whole; i++)
        if (path[i] == '/') begin = i + 1;
    return wni_format(ctx, "%.*s", (int)(length - begin), path + begin);
}

/* weights.npy beside rows.npy. */
static wn_status load_weights(wn_ctx *ctx, const char *rows_path, int64_t n, float **weights)
{
    int length = (int)(strlen(rows_path) - strlen("rows.npy"));
    char *path = wni_format(ctx, "%.*sweights.npy", length, rows_path);
    void *data = NULL;
    int64_t found;
    wn_status st = WN_OK;

    *weights = NULL;
    if (!path) return WN_E_NOMEM;
    if (!wni_path_exists(ctx, path)) goto done;
    WNI_TRY(wni_npy_load(ctx, path, "<f4", 1, &found, &data));
    if (found != n)
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: found %lld weights, expected %lld, one for each row of "
                      "rows.npy beside it",
                      path, (long long)found, (long long)n);
    for (int64_t i = 0; st == WN_OK && i < n; i++) {
        float w = ((float *)data)[i];
        if (!(w >= 0) || !isfinite(w))
            st = wni_fail(ctx, WN_E_DATA,
                          "%s: entry %lld: found the weight %g, expected a finite one from 0", path,
                          (long long)i, (double)w);
    }
    if (st == WN_OK) {
        *weights = data;
        data = NULL;
    }
done:
    wni_free(ctx, data);
    wni_free(ctx, path);
    return st;
}

static wn_status load_rows(wn_ctx *ctx, const char *path, int64_t rows, int64_t **out, int64_t *n)
{
    char descr[WNI_DESCR_BYTES];
    void *data = NULL;
    int64_t *v = NULL;
    wn_status st;

    WNI_TRY(wni_npy_load_typed(ctx, path, "<i8 <i4 <u4", 1, n, descr, &data));
    WNI_NEW(ctx, v, *n);
    if (*n == 0) st = wni_fail(ctx, WN_E_DATA, "%s: found no rows, expected at least one", path);
    for (int64_t i = 0; st == WN_OK && i < *n; i++) {
        v[i] = strcmp(descr, "<i8") == 0   ? ((int64_t *)data)[i]
               : strcmp(descr, "<i4") == 0 ? ((int32_t *)data)[i]
                                           : (int64_t)((uint32_t *)data)[i];
        if (v[i] < 0 || v[i] >= rows)
            st = wni_fail(
                ctx, WN_E_DATA,
                "%s: entry %lld: found row %lld, expected 0 to %lld: the pool has %lld rows", path,
                (long long)i, (long long)v[i], (long long)rows - 1, (long long)rows);
    }
    if (st == WN_OK) {
        *out = v;
        v = NULL;
    }
done:
    wni_free(ctx, data);
    wni_free(ctx, v);
    return st;
}

/* Adds the selection in one file. */
static wn_status load_one(loading *l, const char *path, char *name)
{
    wn_ctx *ctx = l->ctx;
    wni_chosen_list *list = l->list;
    int64_t *rows = NULL;
    float *weights = NULL;
    wn_chosen *at;
    wn_status st;

    WNI_TRY(wni_poll(ctx));
    if (list->n == l->room) {
        at = wni_grow(ctx, list->v, list->n, 2 * l->room + 1, sizeof *at);
        if (!at) {
            st = WN_E_NOMEM;
            goto done;
        }
        list->v = at;
        l->room = 2 * l->room + 1;
    }
    at = &list->v[list->n];
    *at = (wn_chosen){0};
    WNI_TRY(load_rows(ctx, path, l->n, &rows, &at->n));
    if (ends_with(path, "/rows.npy")) WNI_TRY(load_weights(ctx, path, at->n, &weights));
    at->name = name;
    at->rows = rows;
    at->weights = weights;
    list->n++;
    return WN_OK;
done:
    wni_free(ctx, rows);
    wni_free(ctx, weights);
    wni_free(ctx, name);
    return st;
}

/* A file below the folder, in byte order of the names: a/rows.npy is the selection a; a/0/rows.npy and
 * a/1/rows.npy are the recipe a twice. */
static wn_status take_file(void *user, const char *name, int64_t bytes, uint64_t hash)
{
    loading *l = user;
    char *path, *word, *slash;
    wn_status st;

    (void)bytes;
    (void)hash;
    if (l->named ? !ends_with(name, "/rows.npy") : strchr(name, '/') != NULL) return WN_OK;
    word = name_of(l->ctx, name, 1);
    if (!word) return WN_E_NOMEM;
    if ((slash = strrchr(word, '/'))) *slash = 0;
    path = wni_format(l->ctx, "%s/%s", l->dir, name);
    if (!path) {
        wni_free(l->ctx, word);
        return WN_E_NOMEM;
    }
    st = load_one(l, path, word);
    wni_free(l->ctx, path);
    return st;
}

static wn_status load_folder(loading *l)
{
    int64_t bytes;
    uint64_t hash;
    wn_status st;

    for (l->named = 1; l->named >= 0; l->named--) {
        WNI_TRY(wni_path_hash(l->ctx, l->dir, &bytes, &hash, take_file, l));
        if (l->list->n) return WN_OK;
    }
    st = wni_fail(l->ctx, WN_E_DATA,
                  "%s: found no selection, expected rows.npy, folders with rows.npy, or .npy files "
                  "of row numbers",
                  l->dir);
done:
    return st;
}

wn_status wni_chosen_load(wn_ctx *ctx, const char *path, int64_t rows, wni_chosen_list *out)
{
    loading l = {.ctx = ctx, .dir = path, .n = rows, .list = out};
    char *inside = NULL, *name;
    bool folder;
    wn_status st;

    *out = (wni_chosen_list){0};
    if (ends_with(path, ".npy")) {
        if (!(name = name_of(ctx, path, 0))) return WN_E_NOMEM;
        WNI_TRY(load_one(&l, path, name));
        goto done;
    }
    if (!(inside = wni_format(ctx, "%s/rows.npy", path))) return WN_E_NOMEM;
    folder = !wni_path_exists(ctx, inside);
    if (folder) {
        if (!wni_path_exists(ctx, path))
            st = wni_fail(ctx, WN_E_DATA, "%s: there is no such file or folder", path);
        else
            st = load_folder(&l);
        goto done;
    }
    if (!(name = name_of(ctx, path, 0))) {
        st = WN_E_NOMEM;
        goto done;
    }
    WNI_TRY(load_one(&l, inside, name));
done:
    wni_free(ctx, inside);
    if (st != WN_OK) wni_chosen_free(ctx, out);
    return st;
}

static void free_const(wn_ctx *ctx, const void *p)
{
    void *plain;

    memcpy(&plain, &p, sizeof plain); /* the list owns what its entries only show */
    wni_free(ctx, plain);
}

void wni_chosen_free(wn_ctx *ctx, wni_chosen_list *list)
{
    for (int32_t i = 0; i < list->n; i++) {
        free_const(ctx, list->v[i].name);
        free_const(ctx, list->v[i].rows);
        free_const(ctx, list->v[i].weights);
    }
    wni_free(ctx, list->v);
    *list = (wni_chosen_list){0};
}

void wni_chosen_distinct(const wn_chosen *chosen, int64_t n, uint8_t *mark, int64_t *rows,
                         int64_t *count)
{
    *count = 0;
    for (int64_t i = 0; i < chosen->n; i++)
        mark[chosen->rows[i]] = 1;
    for (int64_t i = 0; i < n; i++)
        if (mark[i]) {
            rows[(*count)++] = i;
            mark[i] = 0;
        }
}
