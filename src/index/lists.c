/* SPDX-License-Identifier: Apache-2.0
 *
 * Cells and the rows in them. Cells that have to be split are read many at a time, in order of their rows, so
 * that a pool that does not fit in memory is passed a few times and not once for each cell.
 */
#include <string.h>

#include "ds/keyed.h"
#include "index/lists.h"
#include "base/rng.h"
#include "pool/pool_use.h"
#include "winnow/cluster.h"

#define ASSIGN_ROWS ((int64_t)1 << 20) /* of one step of an assignment: bounds its scratch */
#define FETCH_ROWS  64
#define CELL_FLOATS \
    ((int64_t)1 << 24) /* cells beyond are not held in memory but read through a view */
#define BATCH_FLOATS ((int64_t)1 << 27) /* of cells in memory at a time, at most */

/* ---- k-means and assignment --------------------------------------------------------------------------------- */

wn_status wni_lists_kmeans(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t m,
                           int64_t k, int32_t max_iter, uint64_t seed, float **centers,
                           int32_t *labels)
{
    void (*progress)(void *, const char *, int64_t, int64_t) = ctx->opt.progress;
    wn_kmeans_params params = {.struct_size = sizeof params,
                               .k = k,
                               .max_iter = max_iter,
                               .tol = 1e-3,
                               .bounds = 1,
                               .seed = seed};
    wn_cluster_input in = {.struct_size = sizeof in, .pool = pool};
    wn_pool *view = NULL;
    wn_tree *tree = NULL;
    wn_status st = WN_OK;

    *centers = NULL;
    if (rows) {
        WNI_TRY(wn_pool_view(ctx, pool, rows, m, &view));
        in.pool = view;
    }
    ctx->opt.progress = NULL; /* one of many: its steps say nothing */
    st = wn_kmeans(ctx, &in, &params, &tree);
    ctx->opt.progress = progress;
    if (st != WN_OK) goto done;
    if (labels) memcpy(labels, tree->level[0]->labels, (size_t)m * sizeof *labels);
    *centers = tree->level[0]->centers;
    tree->level[0]->centers = NULL;
done:
    wn_tree_free(tree);
    wn_pool_free(view);
    return st;
}

wn_status wni_lists_assign(wn_ctx *ctx, const wn_pool *pool, const float *centers, int64_t k,
                           int32_t *labels)
{
    const int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool);
    wni_mat base = {0};
    float *half = NULL, *score = NULL;
    wn_status st = WN_OK;

    WNI_TRY(wni_mat_new(ctx, k, d, &base));
    for (int64_t c = 0; c < k; c++)
        memcpy(wni_mat_row(&base, c), centers + c * d, (size_t)d * sizeof *centers);
    WNI_NEW(ctx, half, k);
    WNI_NEW(ctx, score, wni_min(n, ASSIGN_ROWS));
    WNI_TRY(wni_mat_half_norms(ctx, &base, half));
    for (int64_t first = 0; first < n; first += ASSIGN_ROWS) {
        const wni_queries q = {pool, NULL, first, wni_min(ASSIGN_ROWS, n - first)};

        if (n > ASSIGN_ROWS) wni_progress(ctx, "put rows into cells", first, n);
        WNI_TRY(wni_scan_argmin(ctx, &q, &base, half, labels + first, score, NULL));
    }
done:
    wni_mat_free(ctx, &base);
    wni_free(ctx, half);
    wni_free(ctx, score);
    return st;
}

/* ---- reading rows of many cells ------------------------------------------------------------------------------ */

typedef struct fetch {
    const wn_pool *pool;
    const wni_keyed *pairs;
    float *out;
    int64_t ld, slot;
    float *scratch; /* (threads, FETCH_ROWS, ld of the pool) */
} fetch;

static wn_status fetch_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const fetch *f = arg;
    float *rows = f->scratch + worker * f->slot;
    int64_t at[FETCH_ROWS];
    wn_status st;

    for (int64_t i = begin; i < end;) {
        int64_t m = 0, j = i;

        /* A row that goes to several places is read once. */
        for (; j < end && m < FETCH_ROWS; j++)
            if (m == 0 || at[m - 1] != (int64_t)f->pairs[j].key) at[m++] = (int64_t)f->pairs[j].key;
        if ((st = wn_pool_gather(ctx, f->pool, at, m, rows, f->ld)) != WN_OK) return st;
        for (int64_t r = 0; i < j; i++) {
            while (at[r] != (int64_t)f->pairs[i].key)
                r++;
            memcpy(f->out + f->pairs[i].row * f->ld, rows + r * f->ld,
                   (size_t)f->ld * sizeof *rows);
        }
    }
    return WN_OK;
}

wn_status wni_lists_fetch(wn_ctx *ctx, const wn_pool *pool, const wni_keyed *pairs, int64_t n,
                          float *out, int64_t ld)
{
    fetch f = {pool, pairs, out, ld, wni_round_up(FETCH_ROWS * ld, 16), NULL};
    wn_status st = WN_OK;

    WNI_NEW(ctx, f.scratch, wn_ctx_threads(ctx) * f.slot);
    WNI_TRY(wni_parallel(ctx, n, 1024, fetch_range, &f));
done:
    wni_free(ctx, f.scratch);
    return st;
}

/* ---- cells ------------------------------------------------------------------------------------------------------ */

wn_status wni_lists_add(wn_ctx *ctx, wni_lists *lists, int64_t first, int64_t count,
                        const float *center)
{
    wni_mat *m = &lists->centers;

    if (lists->n_lists == m->n) {
        const int64_t room = m->n + m->n / 2 + 16;
        float *v = wni_grow(ctx, m->v, m->n * m->ld, room * m->ld, sizeof *v);
        int64_t *start;

        if (!v) return WN_E_NOMEM;
        m->v = v;
        start = wni_grow(ctx, lists->start, m->n + 1, room + 1, sizeof *start);
        if (!start) return WN_E_NOMEM;
        lists->start = start;
        m->n = room;
    }
    memset(wni_mat_row(m, lists->n_lists), 0, (size_t)m->ld * sizeof *m->v);
    memcpy(wni_mat_row(m, lists->n_lists), center, (size_t)m->d * sizeof *center);
    lists->start[lists->n_lists++] = first;
    lists->start[lists->n_lists] = first + count;
    return WN_OK;
}

typedef struct cells {
    int64_t k;
    float *centers; /* (k, d) */
    int64_t *start; /* (k + 1) of the rows in lists->order */
} cells;

/* Centres from a sample, and the rows of each. */
static wn_status make_cells(wn_ctx *ctx, const wn_pool *pool, const wni_lists_params *p,
                            wni_lists *lists, cells *c)
{
    const int64_t n = wn_pool_rows(pool), m = wni_min(n, p->sample * c->k);
    int64_t *rows = NULL, *next = NULL;
    int32_t *labels = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, labels, n);
    if (m < n) {
        WNI_NEW(ctx, rows, m);
        WNI_TRY(wni_rand_subset(ctx, p->seed, wni_stream("lists sample", 0, 0), n, m, rows));
    }
    wni_progress(ctx, "learn centres", 0, 1);
    WNI_TRY(wni_lists_kmeans(ctx, pool, rows, m, c->k, p->max_iter, p->seed, &c->centers,
                             rows ? NULL : labels));
    if (rows) WNI_TRY(wni_lists_assign(ctx, pool, c->centers, c->k, labels));
    WNI_NEW0(ctx, c->start, c->k + 1);
    for (int64_t i = 0; i < n; i++)
        c->start[labels[i] + 1]++;
    for (int64_t j = 0; j < c->k; j++)
        c->start[j + 1] += c->start[j];
    WNI_NEW(ctx, next, c->k);
    memcpy(next, c->start, (size_t)c->k * sizeof *next);
    for (int64_t i = 0; i < n; i++)
        lists->order[next[labels[i]]++] = (int32_t)i;
done:
    wni_free(ctx, rows);
    wni_free(ctx, next);
    wni_free(ctx, labels);
    return st;
}

/* How many floats of cells are in memory at a time. Where batches end never shows in the lists. */
static int64_t batch_floats(const wn_ctx *ctx)
{
    return wni_min(BATCH_FLOATS, wni_budget_left(ctx) / 4 / (int64_t)sizeof(float));
}

/* Reads the cells c0..c1 that have to be split and are not too large, one after the other into *out. */
static wn_status read_cells(wn_ctx *ctx, const wn_pool *pool, const wni_lists *lists,
                            const wni_lists_params *p, const cells *c, int64_t c0, int64_t c1,
                            float **out)
{
    const int64_t d = wn_pool_dim(pool);
    wni_keyed *pairs = NULL;
    int64_t total = 0, m = 0;
    wn_status st = WN_OK;

    for (int64_t j = c0; j < c1; j++)
        if (c->start[j + 1] - c->start[j] > p->longest) total += c->start[j + 1] - c->start[j];
    WNI_NEW(ctx, pairs, total);
    WNI_NEW(ctx, *out, total * d);
    for (int64_t j = c0; j < c1; j++)
        if (c->start[j + 1] - c->start[j] > p->longest)
            for (int64_t i = c->start[j]; i < c->start[j + 1]; i++, m++)
                pairs[m] = (wni_keyed){(uint64_t)lists->order[i], m};
    WNI_TRY(wni_keyed_sort_long(ctx, pairs, total));
    WNI_TRY(wni_lists_fetch(ctx, pool, pairs, total, *out, d));
done:
    wni_free(ctx, pairs);
    return st;
}

/* Makes lists of the cells c0..c1, of which those to be split are in `rows` (NULL = in the pool). */
static wn_status finish_cells(wn_ctx *ctx, const wn_pool *pool, wni_lists *lists,
                              const wni_lists_params *p, const cells *c, int64_t c0, int64_t c1,
                              const float *rows)
{
    const int64_t d = wn_pool_dim(pool);
    wn_pool *part = NULL;
    wn_status st = WN_OK;

    for (int64_t j = c0; j < c1; j++) {
        const int64_t first = c->start[j], count = c->start[j + 1] - first;
        const float *center = c->centers + j * d;

        if (count == 0) continue;
        memcpy(wni_mat_row(&lists->cells, lists->n_cells), center, (size_t)d * sizeof *center);
        if (count <= p->longest)
            WNI_TRY(wni_lists_add(ctx, lists, first, count, center));
        else if (!rows)
            WNI_TRY(wni_lists_split(ctx, lists, p, pool, 1, first, count, center));
        else {
            WNI_TRY(wn_pool_wrap(ctx, rows, count, d, WN_F32, wn_pool_metric(pool), &part));
            WNI_TRY(wni_lists_split(ctx, lists, p, part, 0, first, count, center));
            wn_pool_free(part);
            part = NULL;
            rows += count * d;
        }
        lists->cell_list[++lists->n_cells] = lists->n_lists;
    }
done:
    wn_pool_free(part);
    return st;
}

wn_status wni_lists_make(wn_ctx *ctx, const wn_pool *pool, const wni_lists_params *p,
                         wni_lists *lists)
{
    const int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool);
    cells c = {.k = wni_min(p->cells, n)};
    float *rows = NULL;
    wn_status st = WN_OK;

    memset(lists, 0, sizeof *lists);
    lists->n = n;
    WNI_NEW(ctx, lists->order, n);
    WNI_TRY(make_cells(ctx, pool, p, lists, &c));
    WNI_TRY(wni_mat_new(ctx, c.k, d, &lists->cells));
    WNI_TRY(wni_mat_new(ctx, c.k, d, &lists->centers));
    WNI_NEW0(ctx, lists->start, c.k + 1);
    WNI_NEW0(ctx, lists->cell_list, c.k + 1);
    for (int64_t j = 0, end; j < c.k; j = end) {
        const int64_t most = batch_floats(ctx);
        int64_t floats = 0, size;

        for (end = j; end < c.k; end++) {
            size = (c.start[end + 1] - c.start[end]) * d;
            if (size <= p->longest * d) continue;
            if (size > CELL_FLOATS || (floats > 0 && floats + size > most)) break;
            floats += size;
        }
        if (n > ASSIGN_ROWS) wni_progress(ctx, "split cells", c.start[j], n);
        if (floats > 0) WNI_TRY(read_cells(ctx, pool, lists, p, &c, j, end, &rows));
        if (end == j) end++; /* one too large to be held */
        WNI_TRY(finish_cells(ctx, pool, lists, p, &c, j, end, rows));
        wni_free(ctx, rows);
        rows = NULL;
    }
    lists->centers.n = lists->n_lists;
    lists->cells.n = lists->n_cells;
done:
    wni_free(ctx, c.centers);
    wni_free(ctx, c.start);
    wni_free(ctx, rows);
    return st;
}

void wni_lists_free(wn_ctx *ctx, wni_lists *lists)
{
    wni_mat_free(ctx, &lists->centers);
    wni_mat_free(ctx, &lists->cells);
    wni_free(ctx, lists->start);
    wni_free(ctx, lists->order);
    wni_free(ctx, lists->cell_list);
    memset(lists, 0, sizeof *lists);
}

wn_status wni_lists_estimate(wn_ctx *ctx, const wn_pool *pool, const wni_lists_params *p,
                             wn_estimate *out)
{
    const int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool), ld = wni_ld(d);
    const int64_t first = wni_min(p->cells, n), m = wni_min(n, p->sample * first);
    const int64_t many = first + 3 * (n / p->target) / 2;
    const wn_method *kmeans = wn_method_find("cluster", "kmeans");
    wn_kmeans_params params = {.struct_size = sizeof params, .k = first};
    static const float none = 0;
    wn_cluster_input in = {.struct_size = sizeof in};
    wn_estimate train = {0};
    wn_pool *sample = NULL;
    int64_t split;
    wn_status st = WN_OK;

    /* Only counts are asked of it. */
    WNI_TRY(wn_pool_wrap(ctx, &none, m, d, WN_F32, wn_pool_metric(pool), &sample));
    in.pool = sample;
    wn_params_init(kmeans, &params);
    params.k = first;
    params.max_iter = p->max_iter;
    WNI_TRY(((const wn_cluster_ops *)kmeans->ops)->estimate(ctx, &in, &params, &train));
    /* While cells are split: the least batch, its pairs, a k-means over it. */
    split = wni_min(CELL_FLOATS, n * d) * 4 + wni_min(CELL_FLOATS / d, n) * 64 + ((int64_t)8 << 20);
    *out = (wn_estimate){0};
    out->peak_bytes =
        n * 8 + first * (d * 4 + 24) + m * 8 +
        wni_max(train.peak_bytes + m * 8, split + train.peak_bytes + many * (ld * 4 + 8) * 2);
    out->flops =
        train.flops + 2.0 * (double)n * (double)ld * ((double)first + 256.0 * (double)p->max_iter);
    out->bytes_read = train.bytes_read +
                      2.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(pool));
done:
    wn_pool_free(sample);
    return st;
}
