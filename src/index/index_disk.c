/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind `disk`: what it is made with, building one segment, opening it. chen2021spann
 */
#include <math.h>
#include <stddef.h>
#include <string.h>
#include <xxhash.h>

#include "base/param.h"
#include "index/disk_impl.h"
#include "index/ivf_impl.h"

WN_PARAM_TABLE(wn_index_disk_params, WN_INDEX_DISK_PARAMS);

/* What is common to all kinds is read as of the kind flat. */
_Static_assert(offsetof(wn_index_disk_params, code) == offsetof(wn_index_flat_params, code) &&
                   offsetof(wn_index_disk_params, rerank) ==
                       offsetof(wn_index_flat_params, rerank) &&
                   offsetof(wn_index_disk_params, seed) == offsetof(wn_index_flat_params, seed),
               "code, rerank and seed of every kind stand in one place");

#define ROWS_MAX  2147483647
#define CELLS_MAX 4096
#define SPILL_MAX ((int64_t)1 << 28)

static int64_t longest_of(const wn_index_disk_params *p)
{
    return p->longest ? p->longest : wni_min(8 * p->per_center, 1000000);
}

/* The first k-means has as many cells as each of them has lists. */
static wni_lists_params lists_params(const wn_index_disk_params *p, int64_t n)
{
    const int64_t target = p->per_center;
    const int64_t cells = (int64_t)sqrt((double)n / (double)target);

    return (wni_lists_params){.cells = wni_max(1, wni_min(cells, CELLS_MAX)),
                              .target = target,
                              .longest = target + (target + 1) / 2,
                              .sample = 128,
                              .max_iter = p->max_iter,
                              .seed = p->seed};
}

static wn_status check_params(wn_ctx *ctx, const wn_index_disk_params *p, int64_t n)
{
    if (longest_of(p) < p->per_center)
        return wni_fail(ctx, WN_E_USAGE,
                        "index disk: longest is %lld, expected at least per_center, %lld",
                        (long long)longest_of(p), (long long)p->per_center);
    if (n > ROWS_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "index disk: the pool has %lld rows, more than the %d of one segment: add "
                        "the rows in parts",
                        (long long)n, ROWS_MAX);
    return WN_OK;
}

static wn_status estimate(wn_ctx *ctx, const wn_pool *rows, const void *params, wn_estimate *out)
{
    const wn_index_disk_params *p = params;
    const int64_t n = wn_pool_rows(rows), ld = wni_ld(wn_pool_dim(rows));
    const int64_t threads = wn_ctx_threads(ctx);
    int64_t centers, work;
    wni_lists_params lists;
    wn_status st = WN_OK;

    WNI_TRY(check_params(ctx, p, n));
    lists = lists_params(p, n);
    WNI_TRY(wni_lists_estimate(ctx, rows, &lists, out));
    centers = lists.cells + 3 * (n / p->per_center) / 2;
    /* The centres are there twice for a moment; then the graph over them is made; then rows are put into lists:
     * the entries, a small chunk of rows, and their lists. */
    work = wni_spill_bytes(n * p->copies, wni_min(n * p->copies * 16, (int64_t)64 << 20)) +
           wni_max(64, longest_of(p)) * (ld * 16 + 400) + threads * 128 * ld * 4 +
           ((int64_t)8 << 20);
    work = wni_max(work, centers * ld * 4);
    work = wni_max(work, wni_disk_graph_bytes(ctx, centers, ld));
    out->peak_bytes = wni_max(out->peak_bytes, n * 4 + centers * (ld * 4 + 64) + work);
    out->flops += 2.0 * (double)n * (double)ld * 12.0 * sqrt((double)n / (double)p->per_center);
    out->bytes_read += (1.0 + (double)p->copies) * (double)n * (double)ld * 4;
done:
    return st;
}

/* ---- building ----------------------------------------------------------------------------------------------- */

/* Equal centres, of lists that had to be cut, are one node. */
static wn_status find_nodes(wn_ctx *ctx, wni_disk_new *b)
{
    const wni_mat *c = &b->lists.centers;
    const int64_t n = b->lists.n_lists;
    const size_t bytes = (size_t)c->ld * sizeof *c->v;
    wni_keyed *hash = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, b->node_of, n);
    WNI_NEW(ctx, hash, n);
    for (int64_t l = 0; l < n; l++) {
        hash[l] = (wni_keyed){XXH3_64bits(wni_mat_row(c, l), bytes), l};
        b->node_of[l] = -1;
    }
    wni_keyed_sort(hash, n);
    /* For now the first list with the same centre, as -2 - l. */
    for (int64_t i = 1; i < n; i++)
        for (int64_t j = i - 1; j >= 0 && hash[j].key == hash[i].key; j--)
            if (memcmp(wni_mat_row(c, hash[i].row), wni_mat_row(c, hash[j].row), bytes) == 0) {
                const int32_t other = b->node_of[hash[j].row];
                b->node_of[hash[i].row] = other < -1 ? other : (int32_t)(-2 - hash[j].row);
                break;
            }
    for (int64_t l = 0; l < n; l++)
        b->node_of[l] = b->node_of[l] < -1 ? b->node_of[-2 - b->node_of[l]] : (int32_t)b->nodes++;
    WNI_TRY(wni_mat_new(ctx, b->nodes, c->d, &b->centers));
    for (int64_t l = 0; l < n; l++)
        memcpy(wni_mat_row(&b->centers, b->node_of[l]), wni_mat_row(c, l), bytes);
    wni_mat_free(ctx, &b->lists.centers);
done:
    wni_free(ctx, hash);
    return st;
}

static wn_status write_centers(wn_ctx *ctx, const wni_disk_new *b)
{
    wni_npy_writer *writer = NULL;
    wn_status st = WN_OK;

    WNI_TRY(wni_build_writer(b->b, "centers.npy", "<f4", 4, b->nodes, b->d, &writer));
    for (int64_t v = 0; v < b->nodes; v++) {
        WNI_TRY(wni_npy_writer_add(writer, 1, wni_mat_row(&b->centers, v)));
        if (v % 65536 == 0) WNI_TRY(wni_poll(ctx));
    }
    st = wni_npy_writer_end(writer, 1);
    writer = NULL;
done:
    if (writer) (void)wni_npy_writer_end(writer, 0);
    return st;
}

static wn_status build(wn_ctx *ctx, const wni_index_build *build)
{
    const wn_index_disk_params *p = build->params;
    wni_disk_new b = {.b = build,
                      .p = p,
                      .kernels = wni_kernels_of(ctx),
                      .n = wn_pool_rows(build->rows),
                      .d = wn_pool_dim(build->rows),
                      .ld = wni_ld(wn_pool_dim(build->rows)),
                      .longest = longest_of(p),
                      .shift = 33};
    const wni_lists_params lp = lists_params(p, b.n);
    int64_t memory;
    wn_status st = WN_OK;

    WNI_TRY(check_params(ctx, p, b.n));
    b.dtype = wni_disk_dtype(wn_pool_dtype(build->rows), wn_pool_metric(build->rows), p->code);
    WNI_TRY(wni_lists_make(ctx, build->rows, &lp, &b.lists));
    WNI_TRY(find_nodes(ctx, &b));
    WNI_TRY(wni_disk_graph(ctx, &b));
    WNI_TRY(write_centers(ctx, &b));
    while (((b.nodes - 1) >> (63 - b.shift)) == 0 && b.shift < 62)
        b.shift++;
    WNI_NEW0(ctx, b.own, b.nodes);
    WNI_NEW0(ctx, b.copied, b.nodes);
    memory = wni_max(wni_min(wni_budget_left(ctx) / 3, SPILL_MAX), (int64_t)64 << 20);
    memory = wni_min(memory, b.n * p->copies * (int64_t)sizeof(wni_keyed));
    WNI_TRY(wni_spill_new(ctx, wni_out_scratch_dir(build->out), b.n * p->copies, memory, &b.spill));
    WNI_TRY(wni_disk_close(ctx, &b));
    wni_lists_free(ctx, &b.lists);
    WNI_TRY(wni_disk_write(ctx, &b));
done:
    wni_spill_free(b.spill);
    wni_lists_free(ctx, &b.lists);
    wni_mat_free(ctx, &b.centers);
    wni_free(ctx, b.node_of);
    wni_free(ctx, b.own);
    wni_free(ctx, b.copied);
    return st;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

static void close_segment(wn_ctx *ctx, wni_segment *s)
{
    wni_disk *v = s->state;

    if (!v) return;
    if (v->file.path) wni_infile_close(ctx, &v->file);
    if (v->own) wni_mat_free(ctx, &v->centers);
    wni_free(ctx, v->half);
    wni_free(ctx, v);
    s->state = NULL;
}

/* Nothing that is read later may lead out of an array. */
static wn_status check(wn_ctx *ctx, const wn_index *index, const wni_segment *s, wni_disk *v)
{
    if (v->node_list[0] != 0 || v->node_list[v->nodes] != v->lists)
        return wni_segment_damaged(ctx, index, s, "node_list.npy", "it does not hold all lists");
    if (v->list_at[0] != 0 || v->list_at[v->lists] != v->bytes)
        return wni_segment_damaged(ctx, index, s, "list_at.npy", "it does not end with lists.npy");
    for (int64_t i = 0; i < v->nodes; i++) {
        if (v->node_list[i + 1] < v->node_list[i] || v->node_list[i + 1] > v->lists)
            return wni_segment_damaged(ctx, index, s, "node_list.npy",
                                       "lists end before they start");
    }
    for (int64_t l = 0; l < v->lists; l++) {
        const int64_t rows = v->list_rows[l];

        if (rows < 1 || rows > s->n || v->list_at[l + 1] > v->bytes ||
            v->list_at[l + 1] != v->list_at[l] + wni_disk_list_bytes(rows, v->row_bytes))
            return wni_segment_damaged(ctx, index, s, "list_rows.npy",
                                       "a list is not as long as its bytes");
        v->most_bytes = wni_max(v->most_bytes, v->list_at[l + 1] - v->list_at[l]);
        v->most_rows = wni_max(v->most_rows, rows);
    }
    return WN_OK;
}

static wn_status open_arrays(wn_ctx *ctx, const wn_index *index, wni_segment *s, wni_disk *v)
{
    int64_t shape[2], nodes, at, rows, hash;
    const char *path;
    wn_status st = WN_OK;

    WNI_TRY(wni_open_centers(ctx, index, s, &v->centers, &v->own));
    WNI_TRY(wni_segment_array(ctx, index, s, "node_list.npy", "<i8", 1, &nodes,
                              (const void **)&v->node_list));
    WNI_TRY(
        wni_segment_array(ctx, index, s, "list_at.npy", "<i8", 1, &at, (const void **)&v->list_at));
    WNI_TRY(wni_segment_array(ctx, index, s, "list_rows.npy", "<i4", 1, &rows,
                              (const void **)&v->list_rows));
    WNI_TRY(wni_segment_array(ctx, index, s, "list_hash.npy", "<u8", 1, &hash,
                              (const void **)&v->list_hash));
    v->nodes = v->centers.n;
    v->lists = rows;
    if (nodes != v->nodes + 1 || rows < 1 || at != rows + 1 || hash != rows)
        return wni_segment_damaged(ctx, index, s, "node_list.npy", "it does not fit centers.npy");
    WNI_TRY(wni_segment_file(ctx, index, s, "lists.npy", "|u1", 2, shape, &path, &v->at,
                             (const void **)&v->data));
    v->bytes = shape[0] * shape[1];
    if (path) WNI_TRY(wni_infile_open(ctx, path, &v->file));
done:
    return st;
}

static wn_status open_segment(wn_ctx *ctx, const wn_index *index, wni_segment *s)
{
    const wn_index_disk_params *p = index->params;
    wni_disk *v;
    wn_status st = WN_OK;

    if (!(v = wni_calloc(ctx, 1, sizeof *v))) return WN_E_NOMEM;
    s->state = v;
    v->n = s->n;
    v->dtype = wni_disk_dtype(wn_pool_dtype(s->rows), index->metric, p->code);
    v->exact = v->dtype == wni_disk_dtype(wn_pool_dtype(s->rows), index->metric, WN_CODE_F32);
    v->row_bytes = wni_disk_row_bytes(v->dtype, index->d);
    WNI_TRY(open_arrays(ctx, index, s, v));
    WNI_TRY(check(ctx, index, s, v));
    v->kernels = wni_kernels_of(ctx);
    WNI_TRY(wni_disk_open_graph(ctx, index, s, v->nodes, &v->graph));
    WNI_NEW(ctx, v->half, v->nodes);
    WNI_TRY(wni_mat_half_norms(ctx, &v->centers, v->half));
done:
    if (st != WN_OK) close_segment(ctx, s);
    return st;
}

static void effort(const wn_index *index, const wni_segment *s, int64_t k, int64_t *low,
                   int64_t *high)
{
    const wni_disk *v = s->state;

    (void)index;
    *low = wni_min(wni_min(2 * k, v->n) / wni_max(v->n / v->lists, 1) + 1, v->lists);
    *high = v->lists;
}

static const wni_index_kind kind = {
    .rows_on_disk = 1,
    .estimate = estimate,
    .build = build,
    .open = open_segment,
    .close = close_segment,
    .search = wni_disk_search,
    .cost = wni_disk_cost,
    .effort = effort,
};

const wn_method wni_method_index_disk = {
    .family = "index",
    .name = "disk",
    .summary = "lists of rows on the disk and their centres in memory, for more rows than memory",
    .papers = "chen2021spann",
    .cost = "some passes over the pool, n d sqrt(n) work; centres and 16 bytes a copy of a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_disk_params),
    .ops = &kind,
    .inputs = "pool table?",
};
