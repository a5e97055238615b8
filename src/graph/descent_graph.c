/* SPDX-License-Identifier: Apache-2.0
 *
 * From lists to the graph, and how much of the exact graph it has.
 */
#include <math.h>

#include "base/rng.h"
#include "ds/topk.h"
#include "graph/descent_impl.h"
#include "scan/scan.h"

#define SPARE  8
#define GATHER 32

typedef struct result {
    const wni_descent *s;
    wn_graph *g;
    int64_t k;
    int64_t slot;
    float *slots; /* (threads, slot): a row, GATHER rows */
} result;

static wn_status result_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const result *r = arg;
    const wni_descent *s = r->s;
    float *x = r->slots + worker * r->slot, *rows = x + s->ld;
    int64_t at[GATHER];

    for (int64_t v = begin; v < end; v++) {
        const wni_near *list = s->list + v * s->k;
        const int64_t row = s->order[v];
        int64_t *indices = r->g->indices + row * r->k, size = 0;
        float *distances = r->g->distances + row * r->k;
        const float *own = s->rows && !s->shift ? s->rows + v * s->ld : x;
        wn_status st;

        if (own == x && (st = wn_pool_gather(ctx, s->pool, &row, 1, x, s->ld)) != WN_OK) return st;
        for (int64_t i = 0; i < s->k; i += GATHER) {
            const int64_t n = wni_min(GATHER, s->k - i);

            for (int64_t j = 0; j < n; j++)
                at[j] = s->order[wni_near_node(list[i + j])];
            if (own == x && (st = wn_pool_gather(ctx, s->pool, at, n, rows, s->ld)) != WN_OK)
                return st;
            for (int64_t j = 0; j < n; j++) {
                const float *other =
                    own == x ? rows + j * s->ld : s->rows + wni_near_node(list[i + j]) * s->ld;
                const float distance =
                    wni_graph_distance(s->kernels, r->g->metric, own, other, s->ld);

                if (!isfinite(distance)) return wni_graph_overflow(ctx, row);
                wni_topk_push(distances, indices, r->k, &size, -distance, at[j]);
            }
        }
        wni_topk_sort(distances, indices, r->k);
        for (int64_t i = 0; i < r->k; i++)
            distances[i] = 0.0f - distances[i];
    }
    return WN_OK;
}

wn_status wni_descent_graph(wn_ctx *ctx, const wni_descent *s, int64_t k, wn_graph *g)
{
    result r = {.s = s, .g = g, .k = k, .slot = (GATHER + 1) * s->ld};
    wn_status st;

    for (int64_t i = 0; i <= s->n; i++)
        g->indptr[i] = i * k;
    WNI_NEW(ctx, r.slots, wn_ctx_threads(ctx) * r.slot);
    st = wni_parallel(ctx, s->n, 256, result_range, &r);
done:
    wni_free(ctx, r.slots);
    return st;
}

/* ---- recall ----------------------------------------------------------------------------------- */

typedef struct judging {
    const wni_kernels *kernels;
    const wn_pool *pool;
    const wn_graph *g;
    int64_t k, wide, ld;
    const int64_t *row; /* (m) */
    const int64_t *at;  /* (m, wide) */
    int64_t *found;     /* (m) */
    float *slots;       /* (threads): a row, GATHER rows, `wide` distances */
    int64_t slot;
} judging;

static wn_status judge_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const judging *j = arg;
    float *x = j->slots + worker * j->slot, *rows = x + j->ld, *nearest = rows + GATHER * j->ld;

    for (int64_t q = begin; q < end; q++) {
        const int64_t *at = j->at + q * j->wide;
        const float *ours = j->g->distances + j->row[q] * j->k;
        int64_t size = 0, count = j->wide;
        wn_status st;

        while (count > 0 && at[count - 1] < 0)
            count--;
        if ((st = wn_pool_gather(ctx, j->pool, j->row + q, 1, x, j->ld)) != WN_OK) return st;
        for (int64_t i = 0; i < count; i += GATHER) {
            const int64_t n = wni_min(GATHER, count - i);

            if ((st = wn_pool_gather(ctx, j->pool, at + i, n, rows, j->ld)) != WN_OK) return st;
            for (int64_t c = 0; c < n; c++) {
                float distance =
                    wni_graph_distance(j->kernels, j->g->metric, x, rows + c * j->ld, j->ld);
                int64_t place = size < j->k ? size++ : j->k;

                /* The k smallest, in order. */
                if (place == j->k && !(distance < nearest[j->k - 1])) continue;
                place = place == j->k ? j->k - 1 : place;
                for (; place > 0 && distance < nearest[place - 1]; place--)
                    nearest[place] = nearest[place - 1];
                nearest[place] = distance;
            }
        }
        j->found[q] = 0;
        for (int64_t i = 0; i < j->k && size == j->k; i++)
            j->found[q] += ours[i] <= nearest[j->k - 1];
    }
    return WN_OK;
}

int64_t wni_graph_recall_bytes(const wn_ctx *ctx, const wn_pool *pool, int64_t k, int64_t sample)
{
    const int64_t ld = wni_ld(wn_pool_dim(pool)), threads = wn_ctx_threads(ctx);
    const int64_t wide = k + SPARE;
    int64_t bytes;

    if (sample == 0) return 0;
    bytes = sample * (8 + 8 + 8 + 12 * wide) + threads * ((GATHER + 1) * ld + wide) * 4 + 65536;
    return bytes + wni_scan_bytes(ctx, sample, wn_pool_rows(pool), wn_pool_dim(pool), bytes);
}

wn_status wni_graph_recall(wn_ctx *ctx, const wn_pool *pool, const wn_graph *g, int64_t k,
                           int64_t sample, uint64_t seed, double *recall)
{
    const int64_t ld = wni_ld(wn_pool_dim(pool)), wide = wni_min(k + SPARE, g->n - 1);
    int64_t *row = NULL, *at = NULL, found = 0;
    float *score = NULL;
    judging j = {.kernels = wni_kernels_of(ctx),
                 .pool = pool,
                 .g = g,
                 .k = k,
                 .wide = wide,
                 .ld = ld,
                 .slot = (GATHER + 1) * ld + wide};
    wn_status st;

    WNI_NEW(ctx, row, sample);
    WNI_NEW(ctx, at, sample * wide);
    WNI_NEW(ctx, score, sample * wide);
    WNI_NEW(ctx, j.found, sample);
    WNI_NEW(ctx, j.slots, wn_ctx_threads(ctx) * j.slot);
    WNI_TRY(wni_rand_subset(ctx, seed, wni_stream("descent recall", 0, 0), g->n, sample, row));
    {
        wni_queries queries = {pool, row, 0, sample}, all = {pool, NULL, 0, g->n};

        WNI_TRY(wni_scan_topk(ctx, &queries, &all, wide, 1, 1, at, score));
    }
    j.row = row;
    j.at = at;
    WNI_TRY(wni_parallel(ctx, sample, 4, judge_range, &j));
    for (int64_t q = 0; q < sample; q++)
        found += j.found[q];
    *recall = (double)found / ((double)sample * (double)k);
done:
    wni_free(ctx, row);
    wni_free(ctx, at);
    wni_free(ctx, score);
    wni_free(ctx, j.found);
    wni_free(ctx, j.slots);
    return st;
}
