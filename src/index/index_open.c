/* SPDX-License-Identifier: Apache-2.0
 *
 * Opening an index: index.json, then segment by segment the exact rows, ids, deleted rows and what the kind
 * keeps. After wn_index_open nothing changes, so that any number of threads may read.
 */
#include <string.h>

#include "index/index_files.h"
#include "io/folder_lock.h"
#include "io/memfolder.h"
#include "pool/pool_use.h"

#define OPEN_ATTEMPTS 32

static const struct {
    const char *descr;
    wn_dtype dtype;
} dtypes[] = {{"<f4", WN_F32}, {"<f2", WN_F16}, {"|V2", WN_BF16}, {"<f8", WN_F64},
              {"|i1", WN_I8},  {"|u1", WN_U8},  {"<i4", WN_I32}};

const char *wni_index_descr(wn_dtype dtype)
{
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (dtypes[i].dtype == dtype) return dtypes[i].descr;
    return NULL;
}

/* ---- arrays -------------------------------------------------------------------------------------------- */

static wni_array *find_array(const wn_index *index, const wni_segment *s, const char *name)
{
    for (int32_t i = 0; i < index->files->n; i++) {
        wni_array *a = &index->files->v[i];
        if (a->segment == s->number &&
            strcmp(json_string_value(json_object_get(a->about, "name")), name) == 0)
            return a;
    }
    return NULL;
}

int wni_segment_has(const wn_index *index, const wni_segment *s, const char *name)
{
    return find_array(index, s, name) != NULL;
}

wn_status wni_segment_damaged(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              const char *name, const char *what)
{
    return wni_fail(ctx, WN_E_DATA,
                    "%s/%s%s: %s: the index is damaged; take it from a copy or make it again",
                    index->path, s->prefix, name, what);
}

static wn_status need_array(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                            const char *name, const char *descr, int dims, int64_t *shape,
                            wni_array **out)
{
    wni_array *a = find_array(index, s, name);

    *out = a;
    if (!a) return wni_segment_damaged(ctx, index, s, name, "index.json names no such array");
    if (strcmp(a->descr, descr) != 0 || a->dims != dims)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found %s of %d dimensions, expected %s of %d; make the index again",
                        a->path, a->descr, a->dims, descr, dims);
    for (int i = 0; i < dims; i++)
        shape[i] = a->shape[i];
    return WN_OK;
}

wn_status wni_segment_array(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                            const char *name, const char *descr, int dims, int64_t *shape,
                            const void **data)
{
    wni_array *a;
    wn_status st;

    WNI_TRY(need_array(ctx, index, s, name, descr, dims, shape, &a));
    if (!a->data || !a->opened) WNI_TRY(wni_array_map(ctx, a, a->opened));
    a->used = true;
    *data = a->data;
done:
    return st;
}

wn_status wni_segment_check_rows(wn_ctx *ctx, const wn_index *index, const wni_segment *s)
{
    const wni_array *a = find_array(index, s, "rows.npy");

    return a && a->opened && s->kind->rows_on_disk ? wni_array_check(ctx, a) : WN_OK;
}

int64_t wni_index_memory(const wn_index *index)
{
    int64_t bytes = 0;

    for (int32_t i = 0; i < index->files->n; i++)
        if (index->files->v[i].used) bytes += index->files->v[i].bytes;
    return bytes;
}

int64_t wni_index_mapped(const wn_index *index)
{
    int64_t bytes = 0;

    for (int32_t i = 0; i < index->files->n; i++)
        bytes += index->files->v[i].map.bytes;
    return bytes;
}

wn_status wni_segment_file(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                           const char *name, const char *descr, int dims, int64_t *shape,
                           const char **path, int64_t *at, const void **data)
{
    wni_array *a;
    wn_status st;

    WNI_TRY(need_array(ctx, index, s, name, descr, dims, shape, &a));
    *path = a->opened ? a->path : NULL;
    *at = a->data_at;
    *data = a->opened ? NULL : a->data;
done:
    return st;
}

/* ---- opening --------------------------------------------------------------------------------------------- */

static wn_status bad_head(wn_ctx *ctx, const wn_index *index, const char *what)
{
    return wni_fail(ctx, WN_E_DATA,
                    "%s/" WNI_INDEX_JSON ": %s; the index is damaged, or of another winnow",
                    index->path, what);
}

static wn_status take_params(wn_ctx *ctx, wn_index *index, const json_t *root)
{
    const char *method = json_string_value(json_object_get(root, "method")), *name;
    void *params;
    json_t *value;

    index->method = wn_method_find("index", method ? method : "");
    if (!index->method || !index->method->ops)
        return bad_head(ctx, index, "its method is not one of winnow index");
    if (!(params = wni_alloc(ctx, 1, index->method->params_bytes))) return WN_E_NOMEM;
    index->params = params;
    wn_params_init(index->method, params);
    json_object_foreach(json_object_get(root, "params"), name, value)
    {
        wn_status st = wn_params_set(ctx, index->method, params, name,
                                     json_string_value(value) ? json_string_value(value) : "");
        if (st != WN_OK) return st;
    }
    return WN_OK;
}

static wn_status take_marks(wn_ctx *ctx, wn_index *index, const json_t *root)
{
    const json_t *list = json_object_get(root, "calibration"), *mark;
    wn_status st = WN_OK;
    size_t i;

    index->n_marks = (int32_t)json_array_size(list);
    WNI_NEW0(ctx, index->mark_effort, index->n_marks);
    WNI_NEW0(ctx, index->mark_recall, index->n_marks);
    json_array_foreach(list, i, mark)
    {
        index->mark_effort[i] = json_integer_value(json_object_get(mark, "effort"));
        index->mark_recall[i] = json_number_value(json_object_get(mark, "recall"));
    }
done:
    return st;
}

static wn_status take_head(wn_ctx *ctx, wn_index *index, const json_t *root)
{
    const char *metric = json_string_value(json_object_get(root, "metric"));
    const char *dtype = json_string_value(json_object_get(root, "dtype"));
    wn_status st;

    WNI_TRY(take_params(ctx, index, root));
    if (wn_metric_from_name(metric ? metric : "") < 0) return bad_head(ctx, index, "no metric");
    if (wn_dtype_from_name(dtype ? dtype : "") < 0) return bad_head(ctx, index, "no dtype");
    index->metric = (wn_metric)wn_metric_from_name(metric);
    index->dtype = (wn_dtype)wn_dtype_from_name(dtype);
    index->d = json_integer_value(json_object_get(root, "dim"));
    index->next_id = json_integer_value(json_object_get(root, "next_id"));
    index->has_table = json_is_true(json_object_get(root, "table"));
    if (index->d < 1 || index->d > WN_DIM_MAX || index->next_id < 0)
        return bad_head(ctx, index, "no dim or next_id");
    WNI_TRY(take_marks(ctx, index, root));
done:
    return st;
}

/* The arrays of all segments, found on disk but not read. */
static wn_status find_arrays(wn_ctx *ctx, wn_index *index, const json_t *segments)
{
    wni_index_files *f = index->files;
    const json_t *segment, *about;
    int32_t room = 0;
    wn_status st = WN_OK;
    size_t i, j;

    json_array_foreach(segments, i, segment) room +=
        (int32_t)json_array_size(json_object_get(segment, "arrays"));
    WNI_NEW0(ctx, f->v, room);
    json_array_foreach(segments, i, segment)
    {
        json_array_foreach(json_object_get(segment, "arrays"), j, about)
        {
            wni_array *a = &f->v[f->n++];
            WNI_TRY(wni_array_find(ctx, index->path, f->prefix[i], about, a));
            a->segment = index->segment[i].number;
        }
    }
done:
    return st;
}

static wn_status open_rows(wn_ctx *ctx, const wn_index *index, wni_segment *s)
{
    wni_array *a = find_array(index, s, "rows.npy");
    wn_pool_options opt;
    wn_pool *rows = NULL;
    int dtype = -1;
    wn_status st;

    if (!a) return wni_segment_damaged(ctx, index, s, "rows.npy", "index.json names no such array");
    for (size_t i = 0; i < sizeof dtypes / sizeof dtypes[0]; i++)
        if (strcmp(dtypes[i].descr, a->descr) == 0) dtype = (int)dtypes[i].dtype;
    if (dtype < 0 || a->dims != 2 || a->shape[0] != s->n || a->shape[1] != index->d)
        return wni_segment_damaged(ctx, index, s, "rows.npy", "it has another type or shape");
    if (s->kind->rows_on_disk && a->opened) {
        wn_pool_options_init(&opt);
        opt.metric = (int32_t)index->metric;
        opt.dtype = dtype == WN_BF16 ? dtype : -1;
        WNI_TRY(wn_pool_open(ctx, (const char *const *)&a->path, 1, &opt, &rows));
        st = wni_pool_unmap(ctx, rows);
    } else {
        WNI_TRY(wni_array_map(ctx, a, a->opened));
        a->used = !s->kind->rows_on_disk;
        st = wn_pool_wrap(ctx, a->data, s->n, index->d, (wn_dtype)dtype, index->metric, &rows);
    }
    s->rows = rows;
done:
    return st;
}

static wn_status check_table(wn_ctx *ctx, const wn_index *index, const wni_segment *s)
{
    const json_t *segments = json_object_get(index->files->root, "segments");
    const json_t *about = json_array_get(segments, (size_t)(s - index->segment));
    const char *expected = json_string_value(json_object_get(about, "table_xxh3"));
    char found[WNI_HASH_TEXT];
    uint64_t hash;
    int64_t bytes;
    wn_status st = wni_file_hash(ctx, s->table_path, &bytes, &hash);

    if (st != WN_OK) return st;
    wni_hash_text(hash, found);
    if (expected && strcmp(found, expected) == 0) return WN_OK;
    return wni_segment_damaged(ctx, index, s, "table.sqlite", "its checksum does not match");
}

static wn_status open_segment(wn_ctx *ctx, const wn_index *index, wni_segment *s)
{
    int64_t shape[1];
    const void *data;
    wn_status st;

    s->kind = s->n < WNI_SEGMENT_STRUCTURE_ROWS ? &wni_index_flat_kind : index->method->ops;
    WNI_TRY(open_rows(ctx, index, s));
    if (wni_segment_has(index, s, "ids.npy")) {
        WNI_TRY(wni_segment_array(ctx, index, s, "ids.npy", "<i8", 1, shape, &data));
        if (shape[0] != s->n)
            return wni_segment_damaged(ctx, index, s, "ids.npy", "it has not one id per row");
        s->ids = data;
    }
    if (wni_segment_has(index, s, "row_sums.npy")) {
        WNI_TRY(wni_segment_array(ctx, index, s, "row_sums.npy", "<u4", 1, shape, &data));
        if (shape[0] != s->n)
            return wni_segment_damaged(ctx, index, s, "row_sums.npy", "it has not one sum per row");
        s->row_sums = data;
    }
    if (wni_segment_has(index, s, "deleted.npy")) {
        WNI_TRY(wni_segment_array(ctx, index, s, "deleted.npy", "<u8", 1, shape, &data));
        if (shape[0] != (s->n + 63) / 64)
            return wni_segment_damaged(ctx, index, s, "deleted.npy", "it has not one bit per row");
        s->dead = data;
    }
    if (s->table_path) {
        WNI_TRY(wni_infile_open(ctx, s->table_path, &s->table));
        s->table_opened = true;
        WNI_TRY(check_table(ctx, index, s));
    }
    WNI_TRY(s->kind->open(ctx, index, s));
done:
    return st;
}

static wn_status take_segments(wn_ctx *ctx, wn_index *index, const json_t *segments)
{
    const json_t *about;
    wn_status st = WN_OK;
    size_t i;

    index->n_segments = (int32_t)json_array_size(segments);
    WNI_NEW0(ctx, index->segment, index->n_segments);
    WNI_NEW0(ctx, index->files->prefix, index->n_segments);
    json_array_foreach(segments, i, about)
    {
        wni_segment *s = &index->segment[i];
        const char *table = json_string_value(json_object_get(about, "table"));

        s->number = (int32_t)json_integer_value(json_object_get(about, "number"));
        snprintf(index->files->prefix[i], sizeof index->files->prefix[i], "s%d/", s->number);
        s->prefix = index->files->prefix[i];
        s->n = json_integer_value(json_object_get(about, "rows"));
        s->n_dead = json_integer_value(json_object_get(about, "deleted"));
        s->first_id = json_integer_value(json_object_get(about, "first_id"));
        if (s->n < 1 || s->n_dead < 0 || s->n_dead > s->n || s->first_id < 0)
            return bad_head(ctx, index, "a segment without rows");
        if (table && !(s->table_path = wni_format(ctx, "%s/%s%s", index->path, s->prefix, table)))
            return WN_E_NOMEM;
    }
    WNI_TRY(find_arrays(ctx, index, segments));
    for (int32_t j = 0; j < index->n_segments; j++)
        WNI_TRY(open_segment(ctx, index, &index->segment[j]));
done:
    return st;
}

static wn_status open_once(wn_ctx *ctx, const char *dir, wn_index **out)
{
    wn_index *index = NULL;
    wn_status st;

    *out = NULL;
    WNI_NEW0(ctx, index, 1);
    index->ctx = ctx;
    if (!(index->path = wni_strdup(ctx, dir))) {
        st = WN_E_NOMEM;
        goto done;
    }
    for (size_t length = strlen(dir); length > 1 && dir[length - 1] == '/'; length--)
        index->path[length - 1] = 0;
    WNI_NEW0(ctx, index->files, 1);
    WNI_TRY(wni_index_read_head(ctx, index->path, &index->files->root));
    WNI_TRY(take_head(ctx, index, index->files->root));
    WNI_TRY(take_segments(ctx, index, json_object_get(index->files->root, "segments")));
    WNI_TRY(wn_filter_new(ctx, index, NULL, NULL, NULL, &index->alive));
    *out = index;
    index = NULL;
done:
    wn_index_free(index);
    return st;
}

/* Nonzero when all that was read of it is checked by index.json: no matter then in which folder it lay. */
static int all_checked(const wn_index *index)
{
    for (int32_t i = 0; i < index->n_segments; i++)
        if (index->segment[i].table_path || index->segment[i].kind->rows_on_disk) return 0;
    return 1;
}

/* A run that changes the index puts a new folder in its place, maybe while this one reads: then again. */
wn_status wn_index_open(wn_ctx *ctx, const char *dir, wn_index **out)
{
    for (int i = 0; i < OPEN_ATTEMPTS; i++) {
        const int hold = wni_folder_hold(dir);
        const wn_status st = open_once(ctx, dir, out);
        const int replaced = wni_folder_replaced(hold, dir);

        wni_folder_unlock(hold);
        if (!replaced || (st == WN_OK ? all_checked(*out) : st != WN_E_DATA && st != WN_E_IO))
            return st;
        wn_index_free(*out);
        *out = NULL;
    }
    return wni_fail(ctx, WN_E_IO, "%s: other runs keep replacing it; run again", dir);
}

void wn_index_free(wn_index *index)
{
    wn_ctx *ctx;

    if (!index) return;
    ctx = index->ctx;
    wn_filter_free(index->alive);
    for (int32_t i = 0; index->segment && i < index->n_segments; i++) {
        wni_segment *s = &index->segment[i];
        if (s->kind) s->kind->close(ctx, s);
        wn_pool_free((wn_pool *)(uintptr_t)s->rows);
        if (s->table_opened) wni_infile_close(ctx, &s->table);
        wni_free(ctx, s->table_path);
    }
    wni_free(ctx, index->segment);
    if (index->files) {
        for (int32_t i = 0; i < index->files->n; i++)
            wni_array_close(ctx, &index->files->v[i]);
        json_decref(index->files->root);
        wni_free(ctx, index->files->v);
        wni_free(ctx, index->files->prefix);
        wni_free(ctx, index->files);
    }
    wni_free(ctx, index->mark_effort);
    wni_free(ctx, index->mark_recall);
    wni_free(ctx, (void *)(uintptr_t)index->params);
    wni_free(ctx, index->path);
    wni_free(ctx, index);
}

void wn_index_describe(const wn_index *index, wn_index_about *about)
{
    wn_index_about a = {.struct_size = about->struct_size};
    char code[WN_TEXT_MAX];

    a.kind = index->method->name;
    a.code = "f32";
    for (size_t i = 0; i < 5; i++) {
        static const char *const names[] = {"f32", "f16", "i8", "pq", "rq"};
        if (wn_params_text(index->method, index->params, "code", code, sizeof code) > 0 &&
            strcmp(code, names[i]) == 0)
            a.code = names[i];
    }
    a.metric = index->metric;
    a.dim = index->d;
    a.next_id = index->next_id;
    a.segments = index->n_segments;
    a.has_table = index->has_table;
    a.memory_bytes = wni_index_memory(index);
    for (int32_t i = 0; i < index->n_segments; i++) {
        a.rows += index->segment[i].n - index->segment[i].n_dead;
        a.deleted += index->segment[i].n_dead;
    }
    memcpy(about, &a, (size_t)wni_min(about->struct_size, sizeof a));
}
