/* SPDX-License-Identifier: Apache-2.0
 *
 * How far the lists are: the exact neighbours of some nodes, found once, and how many of them the lists have.
 * Equal distances count by row, so where many rows are equal the lists look worse than they are, and more is done
 * for them.
 */
#include "base/rng.h"
#include "graph/descent_impl.h"
#include "scan/scan.h"

#define SAMPLE 256

/* Of rows that a scan holds at a time: it takes a fourth of the memory that is left, within these. */
#define BLOCK_MIN ((int64_t)1 << 20)
#define BLOCK_MAX ((int64_t)64 << 20)

int64_t wni_goal_bytes(int64_t n, int64_t k)
{
    const int64_t m = wni_min(SAMPLE, n);

    return m * (16 + k * 12) + 4 * WNI_ALIGN;
}

int64_t wni_goal_work_bytes(const wn_ctx *ctx, int64_t n, int64_t ld, int64_t left)
{
    const int64_t all = wni_max(n, 16) * (ld + 1) * 4;
    const int64_t block = wni_min(wni_max(wni_min(left / 4, BLOCK_MAX), BLOCK_MIN), all);

    /* Rows as f32, their codes. */
    return block + block / 2 + wn_ctx_threads(ctx) * 64 * (ld + 256) * 4 + 65536;
}

wn_status wni_goal_new(wn_ctx *ctx, const wni_descent *s, int64_t k, double recall, wni_goal *g)
{
    wni_queries queries = {s->pool, NULL, 0, wni_min(SAMPLE, s->n)};
    const wni_queries all = {s->pool, NULL, 0, s->n};
    int64_t *row = NULL;
    float *score = NULL;
    wn_status st;

    g->m = queries.n;
    g->k = k;
    g->recall = recall;
    WNI_NEW(ctx, g->node, g->m);
    WNI_NEW(ctx, g->row, g->m * k);
    WNI_NEW(ctx, row, g->m);
    WNI_NEW(ctx, score, g->m * k);
    WNI_TRY(wni_rand_subset(ctx, s->seed, wni_stream("descent goal", 0, 0), s->n, g->m, g->node));
    for (int64_t i = 0; i < g->m; i++)
        row[i] = s->order[g->node[i]];
    queries.rows = row;
    WNI_TRY(wni_scan_topk(ctx, &queries, &all, k, 1, 1, g->row, score));
done:
    wni_free(ctx, row);
    wni_free(ctx, score);
    return st;
}

void wni_goal_free(wn_ctx *ctx, wni_goal *g)
{
    wni_free(ctx, g->node);
    wni_free(ctx, g->row);
}

int wni_goal_reached(const wni_goal *g, const wni_descent *s)
{
    int64_t found = 0;

    for (int64_t i = 0; i < g->m; i++) {
        const wni_near *list = s->list + g->node[i] * s->k;

        for (int64_t j = 0; j < g->k; j++) {
            const int64_t row = s->order[wni_near_node(list[j])];
            int there = 0;

            for (int64_t t = 0; t < g->k; t++)
                there |= g->row[i * g->k + t] == row;
            found += there;
        }
    }
    return (double)found >= g->recall * (double)(g->m * g->k);
}
