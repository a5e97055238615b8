/* SPDX-License-Identifier: Apache-2.0
 *
 * Segments: writing one out of rows, and carrying one over as it is.
 */
#include <string.h>

#include "index/index_build.h"
#include "pool/pool_use.h"
#include "pool/table_join.h"

#define BLOCK_BYTES_MAX ((int64_t)4 << 20) /* of rows that are copied at a time */

/* ---- rows, ids, table ---------------------------------------------------------------------------------- */

static wn_status copy_rows(wn_ctx *ctx, wni_npy_writer *w, const wn_pool *rows, void *buffer,
                           int64_t room)
{
    const int64_t n = wn_pool_rows(rows);
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n; i += room) {
        const int64_t m = wni_min(room, n - i);

        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wn_pool_read_raw(ctx, rows, i, m, buffer));
        WNI_TRY(wni_npy_writer_add(w, m, buffer));
    }
done:
    return st;
}

static wn_status write_rows(wn_ctx *ctx, const wni_index_build *b, const wni_source *sources,
                            int32_t n, int64_t rows)
{
    const wn_dtype dtype = wn_pool_dtype(sources[0].rows);
    const int64_t d = wn_pool_dim(sources[0].rows);
    const int64_t row_bytes = d * (int64_t)wn_dtype_bytes(dtype);
    const int64_t block = wni_min(wni_budget_left(ctx) / 8, BLOCK_BYTES_MAX);
    const int64_t room = wni_max(wni_min(block / row_bytes, rows), 1);
    wni_npy_writer *w = NULL;
    void *buffer = NULL;
    wn_status st;

    WNI_TRY(wni_build_writer(b, "rows.npy", wni_index_descr(dtype), wn_dtype_bytes(dtype), rows, d,
                             &w));
    if (!(buffer = wni_alloc(ctx, room, (size_t)row_bytes))) {
        st = WN_E_NOMEM;
        goto done;
    }
    for (int32_t i = 0; i < n; i++)
        WNI_TRY(copy_rows(ctx, w, sources[i].rows, buffer, room));
done:
    if (w) {
        wn_status end = wni_npy_writer_end(w, st == WN_OK);
        if (st == WN_OK) st = end;
    }
    wni_free(ctx, buffer);
    return st;
}

/* Ids that just count up are not written. */
static wn_status write_ids(wn_ctx *ctx, const wni_index_build *b, const wni_source *sources,
                           int32_t n, int64_t rows)
{
    int64_t *ids = NULL, at = 0;
    bool counting = true;
    wn_status st = WN_OK;

    WNI_NEW(ctx, ids, rows);
    for (int32_t i = 0; i < n; i++)
        for (int64_t r = 0; r < wn_pool_rows(sources[i].rows); r++)
            ids[at++] = sources[i].ids ? sources[i].ids[r] : sources[i].first_id + r;
    for (int64_t r = 1; r < rows && counting; r++)
        counting = ids[r] == ids[0] + r;
    if (!counting) WNI_TRY(wni_build_npy(b, "ids.npy", "<i8", sizeof *ids, &rows, 1, ids));
done:
    wni_free(ctx, ids);
    return st;
}

static wn_status write_table(wn_ctx *ctx, wni_out *out, const char *prefix,
                             const wni_source *sources, int32_t n, const char **path)
{
    char *name = NULL;
    wni_table_part *parts = NULL;
    wn_status st = WN_OK;

    *path = NULL;
    if (!sources[0].table) return WN_OK;
    if (!(name = wni_format(ctx, "%stable.sqlite", prefix))) return WN_E_NOMEM;
    WNI_NEW(ctx, parts, n);
    for (int32_t i = 0; i < n; i++)
        parts[i] = (wni_table_part){sources[i].table, sources[i].table_rows,
                                    wn_pool_rows(sources[i].rows)};
    if (n == 1 && !parts[0].rows) WNI_TRY(wni_out_link(out, name, parts[0].path));
    WNI_TRY(wni_out_path(out, name, path));
    if (n > 1 || parts[0].rows) WNI_TRY(wni_table_join(ctx, parts, n, *path));
done:
    wni_free(ctx, parts);
    wni_free(ctx, name);
    return st;
}

typedef struct sums_arg {
    const wn_pool *rows;
    uint32_t *sums; /* (n) */
} sums_arg;

static wn_status sums_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const sums_arg *a = arg;
    const int64_t d = wn_pool_dim(a->rows), ld = wni_ld(d);
    float *row = NULL;
    wn_status st = WN_OK;

    (void)worker;
    WNI_NEW(ctx, row, ld);
    for (int64_t i = begin; i < end; i++) {
        WNI_TRY(wn_pool_read(ctx, a->rows, i, 1, row, ld));
        a->sums[i] = wni_row_sum(row, d);
    }
done:
    wni_free(ctx, row);
    return st;
}

/* Of exact rows that a search fetches from the disk one by one, so that a damaged one is noticed. */
static wn_status write_row_sums(wn_ctx *ctx, const wni_index_build *b)
{
    const int64_t n = wn_pool_rows(b->rows);
    sums_arg a = {b->rows, NULL};
    wn_status st = WN_OK;

    WNI_NEW(ctx, a.sums, n);
    WNI_TRY(wni_parallel(ctx, n, 4096, sums_range, &a));
    WNI_TRY(wni_build_npy(b, "row_sums.npy", "<u4", sizeof *a.sums, &n, 1, a.sums));
done:
    wni_free(ctx, a.sums);
    return st;
}

/* ---- one segment ---------------------------------------------------------------------------------------- */

/* The rows as they were just written: contiguous, mapped. */
static wn_status build_kind(wn_ctx *ctx, const wni_index_head *head, wni_index_build *b,
                            int64_t rows)
{
    const wni_index_kind *own = head->method->ops;
    const wni_index_kind *kind = rows < WNI_SEGMENT_STRUCTURE_ROWS ? &wni_index_flat_kind : own;
    wni_array a = {0};
    wn_pool *pool = NULL;
    wn_pool_options opt;
    wn_estimate estimate = {0};
    wn_status st;

    WNI_TRY(wni_array_find(ctx, wni_index_out_dir(b->out), b->prefix, json_array_get(b->arrays, 0),
                           &a));
    if (a.opened) {
        wn_pool_options_init(&opt);
        opt.metric = (int32_t)head->metric;
        if (head->dtype == WN_BF16) opt.dtype = WN_BF16;
        WNI_TRY(wn_pool_open(ctx, (const char *const *)&a.path, 1, &opt, &pool));
    } else {
        WNI_TRY(wn_pool_wrap(ctx, a.data, rows, head->d, head->dtype, head->metric, &pool));
    }
    b->rows = pool;
    if (own->check) WNI_TRY(own->check(ctx, b));
    WNI_TRY(kind->estimate(ctx, pool, head->params, &estimate));
    WNI_TRY(wni_pool_need(ctx, pool, estimate.peak_bytes, "building the index"));
    if (kind->rows_on_disk) WNI_TRY(write_row_sums(ctx, b));
    WNI_TRY(kind->build(ctx, b));
done:
    b->rows = NULL;
    wn_pool_free(pool);
    wni_array_close(ctx, &a);
    return st;
}

wn_status wni_segment_write(wn_ctx *ctx, wni_out *out, const wni_index_head *head, int32_t number,
                            const wni_source *sources, int32_t n, wni_run *run, json_t **about)
{
    char prefix[16];
    wni_index_build b = {
        .params = head->params, .out = out, .prefix = prefix, .run = run, .arrays = json_array()};
    wni_index_head own = *head;
    int64_t rows = 0;
    wn_status st;

    *about = NULL;
    snprintf(prefix, sizeof prefix, "s%d/", number);
    own.dtype = wn_pool_dtype(sources[0].rows);
    for (int32_t i = 0; i < n; i++)
        rows += wn_pool_rows(sources[i].rows);
    WNI_TRY(write_rows(ctx, &b, sources, n, rows));
    WNI_TRY(write_ids(ctx, &b, sources, n, rows));
    WNI_TRY(write_table(ctx, out, prefix, sources, n, &b.table));
    WNI_TRY(build_kind(ctx, &own, &b, rows));
    WNI_TRY(wni_index_seal(ctx, out, prefix, b.arrays));
    *about = json_pack("{s:i, s:I, s:I, s:I, s:O}", "number", (int)number, "rows", (json_int_t)rows,
                       "deleted", (json_int_t)0, "first_id",
                       (json_int_t)(sources[0].ids ? sources[0].ids[0] : sources[0].first_id),
                       "arrays", b.arrays);
    if (!*about) st = wni_nomem(ctx, 1);
    if (st == WN_OK && b.table) {
        uint64_t hash;
        int64_t bytes;
        char text[WNI_HASH_TEXT];
        WNI_TRY(wni_file_hash(ctx, b.table, &bytes, &hash));
        wni_hash_text(hash, text);
        json_object_set_new(*about, "table", json_string("table.sqlite"));
        json_object_set_new(*about, "table_xxh3", json_string(text));
    }
done:
    if (st != WN_OK) {
        json_decref(*about);
        *about = NULL;
    }
    json_decref(b.arrays);
    return st;
}

/* ---- carrying one over ------------------------------------------------------------------------------------- */

static wn_status carry_array(wn_ctx *ctx, wni_out *out, const wn_index *index, const char *prefix,
                             const json_t *about)
{
    const char *name = json_string_value(json_object_get(about, "name"));
    char *full = NULL;
    wni_array a = {0};
    wn_status st;

    WNI_TRY(wni_array_find(ctx, index->path, prefix, about, &a));
    if (!(full = wni_format(ctx, "%s%s", prefix, name))) {
        st = WN_E_NOMEM;
        goto done;
    }
    if (a.opened && !wni_out_folder(out)) {
        WNI_TRY(wni_out_link(out, full, a.path));
    } else {
        WNI_TRY(wni_array_map(ctx, &a, a.opened));
        WNI_TRY(wni_out_npy(out, full, a.descr, wni_array_item(&a), a.shape, a.dims, a.data));
    }
done:
    wni_array_close(ctx, &a);
    wni_free(ctx, full);
    return st;
}

static wn_status carry_table(wn_ctx *ctx, wni_out *out, const wni_segment *s)
{
    char *name;
    wn_status st;

    if (!s->table_path) return WN_OK;
    if (!(name = wni_format(ctx, "%stable.sqlite", s->prefix))) return WN_E_NOMEM;
    st = wni_out_link(out, name, s->table_path);
    wni_free(ctx, name);
    return st;
}

wn_status wni_segment_carry(wn_ctx *ctx, wni_out *out, const wn_index *index, int32_t i,
                            const uint64_t *dead, int64_t n_dead, json_t **about)
{
    const wni_segment *s = &index->segment[i];
    const json_t *old = json_array_get(json_object_get(index->files->root, "segments"), (size_t)i);
    const json_t *array;
    wni_index_build b = {.out = out, .prefix = s->prefix, .arrays = json_array()};
    const int64_t words = (s->n + 63) / 64;
    wn_status st = WN_OK;
    size_t j;

    *about = json_deep_copy(old);
    if (!*about || !b.arrays) {
        st = wni_nomem(ctx, 1);
        goto done;
    }
    json_array_foreach(json_object_get(old, "arrays"), j, array)
    {
        const char *name = json_string_value(json_object_get(array, "name"));
        if (strcmp(name, "deleted.npy") == 0) continue;
        WNI_TRY(carry_array(ctx, out, index, s->prefix, array));
        if (json_array_append_new(b.arrays, json_deep_copy(array))) {
            st = wni_nomem(ctx, 1);
            goto done;
        }
    }
    if (n_dead) WNI_TRY(wni_build_npy(&b, "deleted.npy", "<u8", sizeof *dead, &words, 1, dead));
    WNI_TRY(wni_index_seal(ctx, out, s->prefix, b.arrays));
    WNI_TRY(carry_table(ctx, out, s));
    json_object_set(*about, "arrays", b.arrays);
    json_object_set_new(*about, "deleted", json_integer(n_dead));
done:
    json_decref(b.arrays);
    if (st != WN_OK) {
        json_decref(*about);
        *about = NULL;
    }
    return st;
}

void wni_index_head_of(const wn_index *index, wni_index_head *head)
{
    *head = (wni_index_head){.method = index->method,
                             .params = index->params,
                             .metric = index->metric,
                             .dtype = index->dtype,
                             .d = index->d,
                             .next_id = index->next_id,
                             .next_segment = (int32_t)json_integer_value(
                                 json_object_get(index->files->root, "next_segment")),
                             .has_table = index->has_table,
                             .n_marks = index->n_marks,
                             .mark_effort = index->mark_effort,
                             .mark_recall = index->mark_recall};
}
