/* SPDX-License-Identifier: Apache-2.0
 *
 * What an effort gives: rows of the finished index are searched for with growing effort, and the share of
 * their true neighbours that comes back is written into index.json. `--recall` is answered from there.
 */
#include "base/rng.h"
#include "index/index_build.h"
#include "index/index_search.h"
#include "scan/scan.h"

#define SAMPLE 200 /* rows that are searched for */
#define K      10
#define MARKS  24
#define STEP   1.4
#define ENOUGH 0.999

typedef struct calibrate {
    const wn_index *index;
    const wni_segment *s; /* the largest */
    wn_pool *queries;
    int64_t n, k, *rows, *truth; /* (n, k + 1) positions, the row itself among them */
    float *key;
} calibrate;

static const wni_segment *largest(const wn_index *index)
{
    const wni_segment *s = index->segment;

    for (int32_t i = 1; i < index->n_segments; i++)
        if (index->segment[i].n > s->n) s = &index->segment[i];
    return s;
}

static wn_status take_sample(wn_ctx *ctx, calibrate *c)
{
    const uint64_t stream = wni_stream("index calibration", 0, 0);
    const wn_index_flat_params *p = c->index->params;
    wni_queries queries, base = {c->s->rows, NULL, 0, c->s->n};
    wn_status st = WN_OK;

    WNI_NEW(ctx, c->rows, c->n);
    for (int64_t i = 0; i < c->n; i++)
        c->rows[i] = (int64_t)wni_rand_below(p->seed, stream, (uint64_t)i, (uint64_t)c->s->n);
    WNI_NEW(ctx, c->truth, c->n * (c->k + 1));
    WNI_NEW(ctx, c->key, c->n * (c->k + 1));
    WNI_TRY(wn_pool_view(ctx, c->s->rows, c->rows, c->n, &c->queries));
    queries = (wni_queries){c->queries, NULL, 0, c->n};
    WNI_TRY(wni_scan_exact(ctx, &queries, &base, c->k + 1, c->truth, c->key));
done:
    return st;
}

/* A hit counts when it is no farther than the last true neighbour: rows at the same distance are as good. */
static double recall_of(const calibrate *c, const wn_hits *hits)
{
    int64_t good = 0;

    for (int64_t q = 0; q < c->n; q++) {
        const float last = c->key[q * (c->k + 1) + c->k];
        const float reach = c->index->metric == WN_COSINE ? last / 2 : __builtin_sqrtf(last);
        int64_t count = 0;

        for (int64_t i = 0; i < hits->k; i++)
            count +=
                hits->indices[q * hits->k + i] >= 0 && hits->distances[q * hits->k + i] <= reach;
        /* The row itself is no merit. */
        good += wni_max(wni_min(count, c->k + 1) - 1, 0);
    }
    return (double)good / (double)wni_max(c->n * c->k, 1);
}

static wn_status measure(wn_ctx *ctx, const calibrate *c, int64_t *effort, double *recall,
                         int32_t *n)
{
    int64_t low, high;
    wn_status st = WN_OK;

    c->s->kind->effort(c->index, c->s, c->k + 1, &low, &high);
    for (double e = (double)low; high > 0 && *n < MARKS; e *= STEP) {
        wn_index_query query = {.struct_size = sizeof query,
                                .queries = c->queries,
                                .k = c->k + 1,
                                .effort = wni_min((int64_t)e, high),
                                .recall = 1};
        wn_hits *hits;

        if (*n && query.effort == effort[*n - 1]) query.effort++;
        WNI_TRY(wn_index_search(ctx, c->index, &query, &hits));
        effort[*n] = query.effort;
        recall[*n] = recall_of(c, hits);
        wn_hits_free(hits);
        (*n)++;
        if (recall[*n - 1] >= ENOUGH || query.effort >= high) break;
        if ((double)query.effort > e) e = (double)query.effort;
    }
done:
    return st;
}

wn_status wni_index_calibrate(wn_ctx *ctx, wni_out *out, const wni_index_head *head,
                              const json_t *segments, wni_run *run)
{
    calibrate c = {0};
    wni_index_head marked = *head;
    wn_index *index = NULL;
    int64_t effort[MARKS], low, high = 0;
    double recall[MARKS];
    char name[48];
    int32_t n = 0;
    wn_status st;

    WNI_TRY(wn_index_open(ctx, wni_index_out_dir(out), &index));
    if (index->n_segments == 0) goto done;
    c.index = index;
    c.s = largest(index);
    c.n = wni_min(SAMPLE, c.s->n);
    c.k = wni_min(K, c.s->n - 1);
    c.s->kind->effort(index, c.s, c.k, &low, &high);
    if (high == 0) goto done;
    WNI_TRY(take_sample(ctx, &c));
    WNI_TRY(measure(ctx, &c, effort, recall, &n));
    marked.n_marks = n;
    marked.mark_effort = effort;
    marked.mark_recall = recall;
    WNI_TRY(wni_index_write_head(out, &marked, segments, 1));
    for (int32_t i = 0; run && i < n; i++) {
        snprintf(name, sizeof name, "recall_by_effort.%lld", (long long)effort[i]);
        WNI_TRY(wni_record_real(run, name, recall[i]));
    }
done:
    wn_index_free(index);
    wn_pool_free(c.queries);
    wni_free(ctx, c.rows);
    wni_free(ctx, c.truth);
    wni_free(ctx, c.key);
    return st;
}
