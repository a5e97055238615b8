/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "dedup/simjoin.h"
#include "kernels/kernels.h"

#define BLOCK_ROWS   8192
#define BASE_ROWS    16384
#define GATHER_GRAIN 64

struct wni_simjoin {
    wn_ctx *ctx;
    const wn_pool *pool;
    const wni_kernels *kern;
    float floor;
    wni_sketch sketch;
    int64_t block_rows, base_rows;

    /* The query block. Straight joins let the scan read the rows and keep only their numbers. */
    const int64_t *rows;
    wni_mat block;         /* (block_rows, d) */
    float *block_sketches; /* (block_rows, dims) */
    wn_pool *sketch_pool;  /* the same, as the scan wants it */
    int64_t *sub_rows;     /* (block_rows) */

    wni_mat base; /* (base_rows, d), the stretch of the base that is being compared */
    float *base_sketches;
    int64_t *base_ids;

    int32_t *at; /* (threads, base_rows): base rows of a tile that passed */
    float *line; /* (threads, base_rows): scores of one query against a dense stretch */
};

/* Rows that fit a share of the memory, between 64 and `most`. Speed only; results do not see it. */
static int64_t rows_for(const wn_ctx *ctx, int64_t d, int64_t most)
{
    int64_t fit = ctx->budget_bytes / 16 / (wni_ld(d) * (int64_t)sizeof(float));

    return wni_max(wni_min(fit, most), 64);
}

int64_t wni_simjoin_bytes(const wn_ctx *ctx, int64_t n, int64_t d)
{
    int64_t block = wni_min(rows_for(ctx, d, BLOCK_ROWS), wni_max(n, 64));
    int64_t base = wni_min(rows_for(ctx, d, BASE_ROWS), wni_max(n, 64));
    int64_t row = (wni_ld(d) + 128) * 4 + 16;

    /* Rows with their sketches, hits per thread, the basis with its samples, tiles of the scan. */
    return (block + base) * row + wn_ctx_threads(ctx) * base * 8 + (512 + 256 + 128) * row +
           512 * 128 * 4 + wn_ctx_threads(ctx) * ((int64_t)1 << 20);
}

wn_status wni_simjoin_new(wn_ctx *ctx, const wn_pool *pool, float floor,
                          const wni_simjoin_tune *tune, wni_simjoin **out)
{
    static const wni_simjoin_tune none = {0};
    int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool), dims;
    wni_simjoin *j;
    wn_status st;

    *out = NULL;
    if (!tune) tune = &none;
    WNI_NEW0(ctx, j, 1);
    j->ctx = ctx;
    j->pool = pool;
    j->kern = wni_kernels_of(ctx);
    j->floor = floor;
    j->block_rows =
        wni_min(tune->block_rows ? tune->block_rows : rows_for(ctx, d, BLOCK_ROWS), wni_max(n, 1));
    j->base_rows =
        wni_min(tune->base_rows ? tune->base_rows : rows_for(ctx, d, BASE_ROWS), wni_max(n, 1));
    if (tune->sketch_dims >= 0)
        WNI_TRY(wni_sketch_new(ctx, pool, floor, tune->sketch_dims, &j->sketch));
    dims = j->sketch.dims;
    WNI_TRY(wni_mat_new(ctx, j->base_rows, d, &j->base));
    WNI_NEW(ctx, j->base_ids, j->base_rows);
    WNI_NEW(ctx, j->sub_rows, j->block_rows);
    WNI_NEW(ctx, j->at, wn_ctx_threads(ctx) * j->base_rows);
    if (dims) {
        WNI_TRY(wni_mat_new(ctx, j->block_rows, d, &j->block));
        WNI_NEW0(ctx, j->block_sketches, j->block_rows * dims);
        WNI_NEW(ctx, j->base_sketches, j->base_rows * dims);
        WNI_NEW(ctx, j->line, wn_ctx_threads(ctx) * j->base_rows);
        WNI_TRY(wn_pool_wrap(ctx, j->block_sketches, j->block_rows, dims, WN_F32, WN_L2,
                             &j->sketch_pool));
    }
    *out = j;
    return WN_OK;
done:
    wni_simjoin_free(j);
    return st;
}

void wni_simjoin_free(wni_simjoin *j)
{
    if (!j) return;
    wn_pool_free(j->sketch_pool);
    wni_sketch_free(j->ctx, &j->sketch);
    wni_mat_free(j->ctx, &j->block);
    wni_mat_free(j->ctx, &j->base);
    wni_free(j->ctx, j->block_sketches);
    wni_free(j->ctx, j->base_sketches);
    wni_free(j->ctx, j->base_ids);
    wni_free(j->ctx, j->sub_rows);
    wni_free(j->ctx, j->at);
    wni_free(j->ctx, j->line);
    wni_free(j->ctx, j);
}

int64_t wni_simjoin_block_rows(const wni_simjoin *join)
{
    return join->block_rows;
}

int32_t wni_simjoin_sketch_dims(const wni_simjoin *join)
{
    return join->sketch.dims;
}

/* ---- loading ----------------------------------------------------------------------------------- */

typedef struct gather {
    const wni_simjoin *join;
    const wn_pool *pool;
    const int64_t *rows;
    const wni_mat *into;
    float *sketches;
} gather;

static wn_status gather_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const gather *g = arg;
    const wni_sketch *sketch = &g->join->sketch;
    float *rows = wni_mat_row(g->into, begin);
    wn_status st;

    (void)worker;
    st = wn_pool_gather(ctx, g->pool, g->rows + begin, end - begin, rows, g->into->ld);
    if (st == WN_OK && sketch->dims)
        wni_sketch_rows(ctx, sketch, rows, end - begin, g->sketches + begin * sketch->dims);
    return st;
}

wn_status wni_simjoin_load(wn_ctx *ctx, wni_simjoin *j, const int64_t *rows, int64_t n)
{
    gather g = {j, j->pool, rows, &j->block, j->block_sketches};

    j->rows = rows;
    return j->sketch.dims ? wni_parallel(ctx, n, GATHER_GRAIN, gather_range, &g) : WN_OK;
}

/* ---- comparing --------------------------------------------------------------------------------- */

typedef struct joining {
    wni_simjoin *join;
    const int64_t *sub, *limit;
    int64_t base_first; /* base number of the first row that is held */
    wni_join_sink *sink;
} joining;

/* One query against base rows b0..b0+n, of which `count` passed. Scores whole rows where the tile holds
 * those of sketches: one by one, or all together where most passed. */
static void score_passed(joining *s, int worker, int64_t q, int64_t b0, int64_t n, int64_t count,
                         const int32_t *at)
{
    wni_simjoin *j = s->join;
    const float *x = wni_mat_row(&j->block, s->sub ? s->sub[q] : q);
    const float *y = wni_mat_row(&j->base, b0 - s->base_first);
    float *line = j->line + worker * j->base_rows;
    bool dense = count * 4 > n;

    if (dense) j->kern->dots(x, 1, y, n, j->base.ld, line, n);
    for (int64_t i = 0; i < count; i++) {
        float score = dense ? line[at[i]] : j->kern->dot(x, y + at[i] * j->base.ld, j->base.ld);
        if (score >= (s->sink->floors ? s->sink->floors[q] : j->floor))
            s->sink->hit(s->sink, q, b0 + at[i], score);
    }
}

static wn_status tile(wn_ctx *ctx, void *self, int worker, int64_t q0, int64_t m, int64_t b0,
                      int64_t n, const float *scores, int64_t lds)
{
    joining *s = self;
    wni_simjoin *j = s->join;
    int32_t *at = j->at + worker * j->base_rows;

    (void)ctx;
    for (int64_t i = 0; i < m; i++, scores += lds) {
        int64_t q = q0 + i, wide = s->limit ? wni_min(n, s->limit[q] - b0) : n, count;
        float floor = s->sink->floors ? s->sink->floors[q] : j->floor;
        if (wide <= 0) continue;
        count = j->kern->over(scores, NULL, wide, floor - j->sketch.slack, at);
        if (count && j->sketch.dims)
            score_passed(s, worker, q, b0, wide, count, at);
        else
            for (int64_t c = 0; c < count; c++)
                if (scores[at[c]] >= (s->sink->floors ? s->sink->floors[q] : j->floor))
                    s->sink->hit(s->sink, q, b0 + at[c], scores[at[c]]);
    }
    return WN_OK;
}

static int wants(void *self, int64_t q0, int64_t m, int64_t b0, int64_t n)
{
    const joining *s = self;

    (void)n;
    return !s->limit || s->limit[q0 + m - 1] > b0;
}

wn_status wni_simjoin_run(wn_ctx *ctx, wni_simjoin *j, const int64_t *sub, int64_t n,
                          const wni_queries *base, const int64_t *limit, wni_join_sink *sink)
{
    static const wni_epilogue epilogue = {tile, NULL, wants};
    wni_queries queries = {.pool = j->sketch_pool, .rows = sub, .first = 0, .n = n};
    joining s = {j, sub, limit, 0, sink};
    int64_t reach = limit && n ? wni_min(limit[n - 1], base->n) : base->n;
    wn_status st = WN_OK;

    if (n == 0) return WN_OK;
    if (!j->sketch.dims) {
        queries = (wni_queries){.pool = j->pool, .rows = j->rows, .first = 0, .n = n};
        for (int64_t i = 0; sub && i < n; i++)
            j->sub_rows[i] = j->rows[sub[i]];
        if (sub) queries.rows = j->sub_rows;
    }
    for (int64_t b = 0; b < reach; b += j->base_rows) {
        int64_t rows = wni_min(j->base_rows, reach - b);
        gather g = {j, base->pool, j->base_ids, &j->base, j->base_sketches};
        wni_mat seen = j->base;

        for (int64_t i = 0; i < rows; i++)
            j->base_ids[i] = base->rows ? base->rows[b + i] : base->first + b + i;
        WNI_TRY(wni_parallel(ctx, rows, GATHER_GRAIN, gather_range, &g));
        if (j->sketch.dims)
            seen = (wni_mat){j->base_sketches, rows, j->sketch.dims, j->sketch.dims};
        seen.n = rows;
        s.base_first = b;
        WNI_TRY(wni_scan_block(ctx, &queries, &seen, b, &epilogue, &s));
    }
done:
    return st;
}
