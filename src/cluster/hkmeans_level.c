/* SPDX-License-Identifier: Apache-2.0
 *
 * One level of hierarchical k-means with resampling.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "cluster/hkmeans_impl.h"

/* ---- members --------------------------------------------------------------------------------------- */

struct member {
    uint64_t key; /* smaller = taken first */
    int64_t row;
};

struct members {
    wni_km *km;
    uint64_t seed, stream;
    int64_t first, n;      /* rows of the chunk */
    uint64_t *key;         /* (chunk) */
    struct member *heap;   /* of cluster c from start[c], root = the one to go first */
    int64_t *start, *have; /* (k + 1), (k) */
    int64_t parts;
};

static bool later(struct member a, struct member b)
{
    return a.key > b.key || (a.key == b.key && a.row > b.row);
}

static void member_push(struct member *heap, int64_t *n, int64_t room, struct member m)
{
    int64_t i;

    if (*n < room) {
        i = (*n)++;
        while (i > 0 && later(m, heap[(i - 1) / 2])) {
            heap[i] = heap[(i - 1) / 2];
            i = (i - 1) / 2;
        }
        heap[i] = m;
        return;
    }
    if (room == 0 || !later(heap[0], m)) return;
    for (i = 0;;) {
        int64_t child = 2 * i + 1;

        if (child >= *n) break;
        if (child + 1 < *n && later(heap[child + 1], heap[child])) child++;
        if (!later(heap[child], m)) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = m;
}

/* Squared distances are not negative, so their bits are in their order. */
static wn_status distance_tile(const wni_km_rows *rows, void *arg, int worker, int64_t p, int64_t m,
                               const float *x)
{
    const struct members *s = arg;
    const wni_km *km = s->km;

    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        const float *c = wni_mat_row(&km->centers, km->labels[s->first + p + i]);
        float v = rows->kern->l2sq(x + i * rows->ld, c, rows->ld);
        uint32_t bits;

        memcpy(&bits, &v, sizeof bits);
        s->key[p + i] = bits;
    }
    return WN_OK;
}

static wn_status chance_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct members *s = arg;

    (void)ctx;
    (void)worker;
    for (int64_t p = begin; p < end; p++)
        s->key[p] = wni_rand_u64(s->seed, s->stream, (uint64_t)(s->first + p));
    return WN_OK;
}

/* A range owns the clusters of one residue. */
static wn_status push_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct members *s = arg;

    (void)ctx;
    (void)worker;
    for (int64_t part = begin; part < end; part++)
        for (int64_t p = 0; p < s->n; p++) {
            int32_t c = s->km->labels[s->first + p];

            if (c % s->parts != part) continue;
            member_push(s->heap + s->start[c], &s->have[c], s->start[c + 1] - s->start[c],
                        (struct member){s->key[p], s->first + p});
        }
    return WN_OK;
}

wn_status wni_hk_members(wni_km *km, const wn_hkmeans_params *p, int64_t round, int64_t **rows,
                         int64_t *n)
{
    struct members s = {.km = km, .seed = p->seed, .parts = 2 * wn_ctx_threads(km->ctx)};
    unsigned char *mark = NULL;
    int64_t total;
    wn_status st = WN_OK;

    *rows = NULL;
    s.stream = wni_stream("hkmeans members", km->opt.level, round);
    WNI_NEW(km->ctx, s.start, (int64_t)km->k + 1);
    WNI_NEW0(km->ctx, s.have, km->k);
    s.start[0] = 0;
    for (int32_t c = 0; c < km->k; c++)
        s.start[c + 1] = s.start[c] + wni_min(km->sizes[c], p->resample_size);
    total = s.start[km->k];
    WNI_NEW(km->ctx, s.heap, total);
    WNI_NEW(km->ctx, s.key, wni_min(km->rows.n, WNI_KM_CHUNK));
    for (s.first = 0; s.first < km->rows.n; s.first += s.n) {
        s.n = wni_min(WNI_KM_CHUNK, km->rows.n - s.first);
        if (p->resample == 0)
            WNI_TRY(wni_km_visit(&km->rows, NULL, s.first, s.n, distance_tile, &s));
        else
            WNI_TRY(wni_parallel(km->ctx, s.n, 4096, chance_range, &s));
        WNI_TRY(wni_parallel(km->ctx, s.parts, 1, push_range, &s));
    }
    /* In row order: reading in order is faster, and the heaps are in none. */
    WNI_NEW0(km->ctx, mark, km->rows.n);
    WNI_NEW(km->ctx, *rows, total);
    for (int64_t i = 0; i < total; i++)
        mark[s.heap[i].row] = 1;
    *n = 0;
    for (int64_t row = 0; row < km->rows.n; row++)
        if (mark[row]) (*rows)[(*n)++] = row;
done:
    wni_free(km->ctx, mark);
    wni_free(km->ctx, s.start);
    wni_free(km->ctx, s.have);
    wni_free(km->ctx, s.heap);
    wni_free(km->ctx, s.key);
    return st;
}

/* ---- a round of resampling --------------------------------------------------------------------------- */

/* k-means on a few rows of every cluster. It starts anew: from the present centres it would not move, since
 * each of them is the mean of its closest rows. The rows are copied when they take at most a quarter of the
 * memory that is left and leave enough for the clustering, else read through a view; the bits are the same. */
static wn_status resample(wni_km *km, const wn_hkmeans_params *p, int64_t step)
{
    wn_ctx *ctx = km->ctx;
    wni_km_opt opt = km->opt;
    int64_t *rows = NULL, n, copy;
    wn_estimate need;
    float *weights = NULL;
    wn_pool *pool = NULL;
    wni_km *sub = NULL;
    wni_mat mat = {0};
    wn_status st = WN_OK;

    opt.round = km->opt.round + 1 + step;
    WNI_TRY(wni_hk_members(km, p, opt.round, &rows, &n));
    if (n < km->k) goto done; /* so many clusters are empty that there is nothing to spread */
    opt.start = NULL;
    if (opt.init == WN_INIT_AUTO) opt.init = WN_INIT_PP;
    opt.stage = NULL;
    copy = n * km->rows.ld * (int64_t)sizeof(float);
    wni_km_estimate(ctx, n, km->rows.d, &opt, &need);
    if (copy <= wni_min(wni_budget_left(ctx) / 4, wni_budget_left(ctx) - need.peak_bytes - n * 4)) {
        WNI_TRY(wni_mat_gather(ctx, km->rows.pool, rows, n, &mat));
        WNI_TRY(wn_pool_wrap(ctx, mat.v, n, mat.ld, WN_F32, WN_L2, &pool));
    } else {
        WNI_TRY(wn_pool_view(ctx, km->rows.pool, rows, n, &pool));
    }
    if (km->opt.weights) {
        WNI_NEW(ctx, weights, n);
        for (int64_t i = 0; i < n; i++)
            weights[i] = km->opt.weights[rows[i]];
    }
    opt.weights = weights;
    WNI_TRY(wni_km_new(ctx, pool, &opt, &sub));
    WNI_TRY(wni_km_lloyd(sub));
    km->iterations += sub->iterations;
    km->empty_repaired += sub->empty_repaired;
    WNI_TRY(wni_km_replace(km, &sub->centers));
    km->computed += sub->computed;
    km->possible += sub->possible;
done:
    wni_km_free(sub);
    wn_pool_free(pool);
    wni_mat_free(ctx, &mat);
    wni_free(ctx, weights);
    wni_free(ctx, rows);
    return st;
}

wn_status wni_hk_level(wn_ctx *ctx, const wn_pool *pool, const wni_km_opt *opt,
                       const wn_hkmeans_params *p, wni_km **out)
{
    wni_km *km = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_TRY(wni_km_new(ctx, pool, opt, &km));
    WNI_TRY(wni_km_lloyd(km));
    for (int32_t step = 0; step < p->resample_steps; step++) {
        if (opt->stage) wni_progress(ctx, "resampling", step, p->resample_steps);
        WNI_TRY(resample(km, p, step));
    }
    if (p->resample_steps > 0) WNI_TRY(wni_km_inertia(km, &km->inertia));
    *out = km;
    km = NULL;
done:
    wni_km_free(km);
    return st;
}

/* ---- the finest level in two steps --------------------------------------------------------------------- */

void wni_hk_shares(const int64_t *sizes, int64_t clusters, int64_t k, int64_t *share)
{
    int64_t full = 0, spare = 0, left, low = -1, high;

    for (int64_t c = 0; c < clusters; c++)
        if (sizes[c] > 0) {
            full++;
            spare += sizes[c] - 1;
        }
    /* One each; the rest in proportion to the size above one, rounded down. */
    left = k - full;
    high = spare;
    for (int64_t c = 0; c < clusters; c++) {
        share[c] = sizes[c] > 0;
        if (sizes[c] > 1 && spare > 0)
            share[c] += (int64_t)((unsigned __int128)(k - full) * (uint64_t)(sizes[c] - 1) /
                                  (uint64_t)spare);
        left -= share[c] - (sizes[c] > 0);
    }
    if (left == 0) return;
#define REMAINDER(c)                                                                             \
    (sizes[c] > 1                                                                                \
         ? (int64_t)((unsigned __int128)(k - full) * (uint64_t)(sizes[c] - 1) % (uint64_t)spare) \
         : 0)
    /* What is left goes to the largest remainders: the largest `low` that more than `left` of them
     * exceed, found by halving. */
    while (high - low > 1) {
        int64_t middle = low + (high - low) / 2, above = 0;

        for (int64_t c = 0; c < clusters; c++)
            above += REMAINDER(c) > middle;
        if (above > left)
            low = middle;
        else
            high = middle;
    }
    for (int64_t c = 0; c < clusters; c++)
        if (REMAINDER(c) > high) {
            share[c]++;
            left--;
        }
    for (int64_t c = 0; c < clusters && left > 0; c++)
        if (REMAINDER(c) == high) {
            share[c]++;
            left--;
        }
#undef REMAINDER
}

struct split {
    wni_km *coarse;
    int64_t *order, *start, *share; /* rows by coarse cluster; (k + 1); (k) */
    wn_partition *all;
    double computed, possible;
};

/* Clusters the rows of one coarse cluster and writes them as clusters first, first + 1, ... */
static wn_status split_one(wn_ctx *ctx, const wn_pool *pool, const wni_km_opt *opt,
                           const wn_hkmeans_params *p, struct split *s, int32_t c, int32_t first)
{
    const int64_t *rows = s->order + s->start[c];
    int64_t n = s->start[c + 1] - s->start[c];
    wni_km_opt part = *opt;
    float *weights = NULL;
    wn_pool *view = NULL;
    wni_km *km = NULL;
    wn_status st = WN_OK;

    WNI_TRY(wn_pool_view(ctx, pool, rows, n, &view));
    if (opt->weights) {
        WNI_NEW(ctx, weights, n);
        for (int64_t i = 0; i < n; i++)
            weights[i] = opt->weights[rows[i]];
    }
    part.k = s->share[c];
    part.weights = weights;
    part.round = (int64_t)(c + 1) * ((int64_t)p->resample_steps + 1);
    part.stage = NULL;
    WNI_TRY(wni_hk_level(ctx, view, &part, p, &km));
    for (int64_t i = 0; i < n; i++)
        s->all->labels[rows[i]] = first + km->labels[i];
    for (int32_t j = 0; j < km->k; j++) {
        s->all->sizes[first + j] = km->sizes[j];
        memcpy(s->all->centers + (first + j) * s->all->d, wni_mat_row(&km->centers, j),
               (size_t)s->all->d * sizeof(float));
    }
    s->all->report.inertia += km->inertia;
    s->all->report.empty_repaired += km->empty_repaired;
    s->all->report.converged &= km->converged;
    if (km->iterations > s->all->report.iterations) s->all->report.iterations = km->iterations;
    s->computed += km->computed;
    s->possible += km->possible;
done:
    wni_km_free(km);
    wn_pool_free(view);
    wni_free(ctx, weights);
    return st;
}

wn_status wni_hk_split(wn_ctx *ctx, const wn_pool *pool, const wni_km_opt *opt,
                       const wn_hkmeans_params *p, wn_partition **out)
{
    struct split s = {0};
    wni_km_opt coarse = *opt;
    int64_t n = wn_pool_rows(pool), *at = NULL;
    int32_t first = 0, k;
    wn_status st = WN_OK;

    coarse.k = p->split;
    WNI_TRY(wni_hk_level(ctx, pool, &coarse, p, &s.coarse));
    k = s.coarse->k;
    s.computed = s.coarse->computed;
    s.possible = s.coarse->possible;
    WNI_NEW(ctx, s.start, (int64_t)k + 1);
    WNI_NEW(ctx, s.share, k);
    WNI_NEW(ctx, at, k);
    WNI_NEW(ctx, s.order, n);
    WNI_TRY(wn_partition_new(ctx, n, (int32_t)opt->k, wn_pool_dim(pool), &s.all));
    wni_hk_shares(s.coarse->sizes, k, opt->k, s.share);
    s.start[0] = 0;
    for (int32_t c = 0; c < k; c++)
        s.start[c + 1] = (at[c] = s.start[c]) + s.coarse->sizes[c];
    for (int64_t row = 0; row < n; row++)
        s.order[at[s.coarse->labels[row]]++] = row;
    s.all->report.converged = s.coarse->converged;
    s.all->report.iterations = s.coarse->iterations;
    wni_km_free(s.coarse); /* its rows are in s.order; make room for the parts */
    s.coarse = NULL;
    for (int32_t c = 0; c < k; c++) {
        if (opt->stage) wni_progress(ctx, "splitting", c, k);
        if (s.share[c] == 0) continue;
        WNI_TRY(split_one(ctx, pool, opt, p, &s, c, first));
        first += (int32_t)s.share[c];
    }
    for (int32_t c = 0; c < s.all->k; c++) {
        double share = (double)s.all->sizes[c] / (double)n;
        s.all->report.imbalance += (double)s.all->k * share * share;
    }
    s.all->report.skipped_share = fmax(0, 1 - s.computed / s.possible);
    *out = s.all;
    s.all = NULL;
done:
    wn_partition_free(s.all);
    wni_km_free(s.coarse);
    wni_free(ctx, s.order);
    wni_free(ctx, s.start);
    wni_free(ctx, s.share);
    wni_free(ctx, at);
    return st;
}
