/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <jansson.h>

#include "dedup/minhash_index.h"
#include "io/npy_header.h"
#include "io/outdir.h"

/* ---- files --------------------------------------------------------------------------------------- */

static wn_status open_file(wn_dedup_index *x, const char *segment, const char *name,
                           const char *descr, int64_t item_bytes, wni_index_file *file)
{
    wn_ctx *ctx = x->ctx;
    char *path = wni_format(ctx, "%s/%s/%s.npy", x->dir, segment, name), *head = NULL;
    wni_npy_header h;
    int64_t bytes;
    wn_status st = WN_OK;

    file->file.fd = -1;
    if (!path) return WN_E_NOMEM;
    WNI_TRY(wni_infile_open(ctx, path, &file->file));
    bytes = wni_min(file->file.bytes, 4096); /* winnow's own headers are short */
    WNI_NEW(ctx, head, bytes);
    WNI_TRY(wni_infile_read(ctx, &file->file, 0, bytes, head));
    WNI_TRY(wni_npy_header_parse(ctx, path, head, (size_t)bytes, &h));
    if (strcmp(h.descr, descr) != 0 || h.dims != 2 || h.shape[1] < 1 ||
        h.data_at + h.shape[0] * h.shape[1] * item_bytes != file->file.bytes) {
        st = wni_fail(ctx, WN_E_DATA, "%s: not a file of an index: found %s of %d dimensions", path,
                      h.descr, h.dims);
        goto done;
    }
    file->data_at = h.data_at;
    file->rows = h.shape[0];
    file->columns = h.shape[1];
done:
    wni_free(ctx, head);
    wni_free(ctx, path);
    return st;
}

wn_status wni_index_read(wn_ctx *ctx, const wni_index_file *file, int64_t item_bytes, int64_t first,
                         int64_t count, void *out)
{
    int64_t row_bytes = file->columns * item_bytes;

    return wni_infile_read(ctx, &file->file, file->data_at + first * row_bytes, count * row_bytes,
                           out);
}

/* ---- index.json ---------------------------------------------------------------------------------- */

static wn_status damaged(const wn_dedup_index *x, const char *what)
{
    return wni_fail(x->ctx, WN_E_DATA, "%s/index.json: %s: the index is damaged, make it again",
                    x->dir, what);
}

static wn_status read_json(wn_dedup_index *x)
{
    char *path = wni_format(x->ctx, "%s/index.json", x->dir);
    json_error_t error;
    wn_status st = WN_OK;
    json_int_t version;

    if (!path) return WN_E_NOMEM;
    if (!wni_path_exists(x->ctx, path)) {
        st = wni_fail(x->ctx, WN_E_DATA,
                      "%s: no index there; give the folder index/ that dedup minhash --save-index "
                      "wrote",
                      x->dir);
        goto done;
    }
    if (!(x->json = json_load_file(path, JSON_REJECT_DUPLICATES, &error))) {
        st = damaged(x, error.text);
        goto done;
    }
    version = json_integer_value(json_object_get(x->json, "minhash_index"));
    if (version != WNI_INDEX_VERSION) {
        st = wni_fail(x->ctx, WN_E_DATA,
                      "%s: found version %lld of the index, expected %d: make it again with this "
                      "winnow",
                      path, (long long)version, WNI_INDEX_VERSION);
        goto done;
    }
    x->shingle = (int32_t)json_integer_value(json_object_get(x->json, "shingle"));
    x->seed = (uint64_t)json_integer_value(json_object_get(x->json, "seed"));
    x->bands.count = (int32_t)json_integer_value(json_object_get(x->json, "bands"));
    x->bands.rows = (int32_t)json_integer_value(json_object_get(x->json, "band_rows"));
    if (x->shingle < 1 || x->bands.count < 1 || x->bands.rows < 1 || x->bands.count > 4096 ||
        x->bands.rows > 4096)
        st = damaged(x, "parameters are missing");
done:
    wni_free(x->ctx, path);
    return st;
}

/* Every file is there, whole, as it was written. */
static wn_status check_files(const wn_dedup_index *x, const json_t *files)
{
    const char *name;
    json_t *want;
    wn_status st = WN_OK;

    if (json_object_size(files) == 0) return damaged(x, "a segment has no files");
    json_object_foreach((json_t *)(uintptr_t)files, name, want)
    {
        char *path = wni_format(x->ctx, "%s/%s", x->dir, name);
        const char *expected = json_string_value(want);
        char found[40];
        int64_t bytes;
        uint64_t hash;

        if (!path) return WN_E_NOMEM;
        st = wni_file_hash(x->ctx, path, &bytes, &hash);
        if (st == WN_OK) {
            snprintf(found, sizeof found, "%lld:%016llx", (long long)bytes,
                     (unsigned long long)hash);
            if (!expected || strcmp(expected, found) != 0)
                st = wni_fail(x->ctx, WN_E_DATA,
                              "%s: found %s (bytes and hash), index.json says %s: the index is "
                              "damaged, make it again",
                              path, found, expected ? expected : "nothing");
        }
        wni_free(x->ctx, path);
        if (st != WN_OK) return st;
    }
    return WN_OK;
}

/* ---- segments ------------------------------------------------------------------------------------ */

static wn_status open_segment(wn_dedup_index *x, const json_t *json, wni_segment *s)
{
    const char *folder = json_string_value(json_object_get(json, "folder"));
    bool ids = json_is_true(json_object_get(json, "ids"));
    wn_status st;

    if (!folder || strchr(folder, '/')) return damaged(x, "a segment has no folder");
    WNI_TRY(check_files(x, json_object_get(json, "files")));
    WNI_TRY(open_file(x, folder, "hash", "<u8", 8, &s->hash));
    WNI_TRY(open_file(x, folder, "key", "<u8", 8, &s->key));
    WNI_TRY(open_file(x, folder, "set", "<u8", 8, &s->set));
    WNI_TRY(open_file(x, folder, "begin", "<i8", 8, &s->begin));
    WNI_TRY(open_file(x, folder, "row", "<i8", 8, &s->row));
    if (ids) {
        WNI_TRY(open_file(x, folder, "id_end", "<i8", 8, &s->id_end));
        WNI_TRY(open_file(x, folder, "id", "|u1", 1, &s->id));
    }
    s->rows = s->hash.rows;
    if (s->hash.columns != 2 || s->key.columns != x->bands.count || s->key.rows != s->rows ||
        s->begin.rows != s->rows || s->row.rows != s->rows || (ids && s->id_end.rows != s->rows))
        return damaged(x, "files of a segment disagree");
    /* Like scratch files the sets are held by the system as far as there is room: only those of candidates
     * are ever read, so they do not count against the budget. */
    if (s->set.rows > 0) {
        WNI_TRY(wni_infile_map(x->ctx, &s->set.file, s->set.data_at, s->set.rows * 8, &s->sets));
        if (!s->sets.data)
            return wni_fail(x->ctx, WN_E_IO, "%s/%s/set.npy: cannot be mapped", x->dir, folder);
        s->uncounted = s->sets.bytes;
        wni_account(x->ctx, -s->uncounted);
    }
done:
    return st;
}

wn_status wn_dedup_index_open(wn_ctx *ctx, const char *dir, wn_dedup_index **out)
{
    wn_dedup_index *x = NULL;
    const json_t *segments;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, x, 1);
    x->ctx = ctx;
    if (!(x->dir = wni_strdup(ctx, dir))) {
        st = WN_E_NOMEM;
        goto done;
    }
    WNI_TRY(read_json(x));
    segments = json_object_get(x->json, "segments");
    WNI_NEW0(ctx, x->segment, (int64_t)json_array_size(segments));
    for (size_t i = 0; i < json_array_size(segments); i++) {
        wni_segment *s = &x->segment[x->segments++];

        s->hash.file.fd = s->key.file.fd = s->set.file.fd = s->begin.file.fd = -1;
        s->row.file.fd = s->id_end.file.fd = s->id.file.fd = -1;
        s->first = x->rows;
        WNI_TRY(open_segment(x, json_array_get(segments, i), s));
        x->rows += s->rows;
    }
    *out = x;
    x = NULL;
done:
    wn_dedup_index_free(x);
    return st;
}

void wn_dedup_index_free(wn_dedup_index *x)
{
    if (!x) return;
    for (int32_t i = 0; i < x->segments; i++) {
        wni_segment *s = &x->segment[i];
        wni_index_file *files[] = {&s->hash, &s->key,    &s->set, &s->begin,
                                   &s->row,  &s->id_end, &s->id};

        wni_account(x->ctx, s->uncounted);
        wni_mapping_free(x->ctx, &s->sets);
        for (size_t f = 0; f < sizeof files / sizeof files[0]; f++)
            wni_infile_close(x->ctx, &files[f]->file);
    }
    json_decref(x->json);
    wni_free(x->ctx, x->segment);
    wni_free(x->ctx, x->dir);
    wni_free(x->ctx, x);
}

int64_t wn_dedup_index_rows(const wn_dedup_index *index)
{
    return index->rows;
}

/* ---- rows ---------------------------------------------------------------------------------------- */

const wni_segment *wni_index_segment(const wn_dedup_index *x, int64_t row)
{
    int32_t low = 0, high = x->segments - 1;

    while (low < high) {
        int32_t mid = low + (high - low + 1) / 2;

        if (x->segment[mid].first <= row)
            low = mid;
        else
            high = mid - 1;
    }
    return &x->segment[low];
}

wn_status wni_index_row(const wn_dedup_index *x, int64_t row, int32_t *segment, int64_t *number,
                        char **id)
{
    const wni_segment *s = wni_index_segment(x, row);
    int64_t at = row - s->first, end[2] = {0, 0};
    wn_status st;

    *id = NULL;
    *segment = (int32_t)(s - x->segment);
    WNI_TRY(wni_index_read(x->ctx, &s->row, 8, at, 1, number));
    if (!s->id_end.file.path) goto done;
    WNI_TRY(wni_index_read(x->ctx, &s->id_end, 8, at ? at - 1 : 0, at ? 2 : 1, at ? end : end + 1));
    if (end[0] < 0 || end[1] < end[0] || end[1] > s->id.rows) {
        st = damaged(x, "an id lies outside its file");
        goto done;
    }
    WNI_NEW0(x->ctx, *id, end[1] - end[0] + 1);
    WNI_TRY(wni_index_read(x->ctx, &s->id, 1, end[0], end[1] - end[0], *id));
done:
    return st;
}
