/* SPDX-License-Identifier: Apache-2.0
 *
 * What an effort gives: rows of the finished index are searched for with growing effort, and the share of
 * their true neighbours that comes back, less its standard error, is written into index.json. `--recall` is answered
 * from there. A row does not help to find its own neighbours, as a query that comes later does not either.
 */
#include <math.h>

#include "base/rng.h"
#include "index/index_build.h"
#include "index/index_search.h"
#include "scan/scan.h"

#define SAMPLE 400 /* rows that are searched for */
#define K      10
#define MARKS  24
#define STEP   1.4
#define ENOUGH 0.999

#define TRIALS 8

/* Searches for some rows of the sample, among all rows or those that a kind covers. */
typedef struct trial {
    wn_filter filter; /* segment NULL = none */
    int64_t n;
    const int64_t *rows; /* (n) of the sample; none helps to find its neighbours */
    wn_pool *queries;    /* (n, d) */
    int64_t *truth;      /* (n, k + 1) positions, the row itself among them */
    float *key;          /* (n, k + 1) */
} trial;

typedef struct calibrate {
    const wn_index *index;
    const wni_segment *s; /* the largest */
    int64_t n, k, *rows;  /* (n) the sample */
    trial trial[TRIALS];
    int32_t trials;
} calibrate;

int64_t wni_index_calibrate_bytes(const wn_ctx *ctx, int64_t n, int64_t d)
{
    const int64_t queries = wni_min(SAMPLE, n), ld = wni_ld(d);

    return wni_scan_bytes(ctx, queries, n, d, 0) + queries * (K + 1) * 64 + n / 4 +
           wn_ctx_threads(ctx) * 64 * ld * (int64_t)sizeof(float);
}

static const wni_segment *largest(const wn_index *index)
{
    const wni_segment *s = index->segment;

    for (int32_t i = 1; i < index->n_segments; i++)
        if (index->segment[i].n > s->n) s = &index->segment[i];
    return s;
}

/* What the kind wants to be measured on; everything, when it does not say. */
static wn_status make_filters(wn_ctx *ctx, calibrate *c)
{
    wni_cover cover = {0};
    wn_status st = WN_OK;

    while (c->s->kind->trial && c->trials < TRIALS &&
           c->s->kind->trial(c->index, c->s, c->trials, &cover)) {
        wn_filter *f = &c->trial[c->trials++].filter;

        *f = (wn_filter){.ctx = ctx, .index = c->index, .matching = cover.n};
        WNI_NEW0(ctx, f->segment, c->index->n_segments);
        f->segment[c->s - c->index->segment] = (wni_allowed){.n = cover.n, .cover = cover};
        cover = (wni_cover){0};
    }
    c->trials = (int32_t)wni_max(c->trials, 1);
done:
    return st;
}

static wn_status make_trial(wn_ctx *ctx, const calibrate *c, trial *t)
{
    const wni_segment *s = c->s;
    wni_queries queries, base = {s->rows, NULL, 0, s->n};
    wni_found found = {0};
    wn_status st = WN_OK;

    WNI_NEW(ctx, t->truth, t->n * (c->k + 1));
    WNI_NEW(ctx, t->key, t->n * (c->k + 1));
    WNI_TRY(wn_pool_view(ctx, s->rows, t->rows, t->n, &t->queries));
    if (t->filter.segment) {
        const wni_allowed *a = &t->filter.segment[s - c->index->segment];
        const wni_ask ask = {.queries = t->queries,
                             .n = t->n,
                             .all = t->n,
                             .want = c->k + 1,
                             .k = c->k + 1,
                             .n_allowed = a->n,
                             .cover = &a->cover};

        found.at = t->truth;
        found.key = t->key;
        WNI_TRY(wni_index_scan_rows(ctx, c->index, s, &ask, &found));
    } else {
        queries = (wni_queries){t->queries, NULL, 0, t->n};
        WNI_TRY(wni_scan_exact(ctx, &queries, &base, c->k + 1, t->truth, t->key));
    }
done:
    return st;
}

static wn_status take_sample(wn_ctx *ctx, calibrate *c)
{
    const uint64_t stream = wni_stream("index calibration", 0, 0);
    const wn_index_flat_params *p = c->index->params;
    wn_status st = WN_OK;

    WNI_NEW(ctx, c->rows, c->n);
    for (int64_t i = 0; i < c->n; i++)
        c->rows[i] = (int64_t)wni_rand_below(p->seed, stream, (uint64_t)i, (uint64_t)c->s->n);
    WNI_TRY(make_filters(ctx, c));
    for (int32_t i = 0; i < c->trials; i++) {
        const int64_t first = c->n * i / c->trials;

        c->trial[i].n = c->n * (i + 1) / c->trials - first;
        c->trial[i].rows = c->rows + first;
        WNI_TRY(make_trial(ctx, c, &c->trial[i]));
    }
done:
    return st;
}

static void free_sample(wn_ctx *ctx, calibrate *c)
{
    for (int32_t i = 0; i < TRIALS; i++) {
        wni_free(ctx, c->trial[i].filter.segment);
        wn_pool_free(c->trial[i].queries);
        wni_free(ctx, c->trial[i].truth);
        wni_free(ctx, c->trial[i].key);
    }
    wni_free(ctx, c->rows);
}

/* A hit counts when it is another row no farther than the last true neighbour: rows at the same distance are as good.
 * *error is the standard error. */
static double recall_of(const calibrate *c, const trial *t, const wn_hits *hits, double *error)
{
    double sum = 0, squares = 0;

    for (int64_t q = 0; q < t->n; q++) {
        const float last = t->key[q * (c->k + 1) + c->k];
        const float reach = c->index->metric == WN_COSINE ? last / 2 : __builtin_sqrtf(last);
        const int64_t self = wni_segment_id(c->s, t->rows[q]);
        int64_t count = 0;
        double share;

        for (int64_t i = 0; i < hits->k; i++) {
            const int64_t at = q * hits->k + i;

            count +=
                hits->indices[at] >= 0 && hits->indices[at] != self && hits->distances[at] <= reach;
        }
        share = (double)wni_min(count, c->k) / (double)wni_max(c->k, 1);
        sum += share;
        squares += share * share;
    }
    sum /= (double)t->n;
    squares = squares / (double)t->n - sum * sum;
    *error = squares > 0 ? sqrt(squares / (double)t->n) : 0;
    return sum;
}

static wn_status measure(wn_ctx *ctx, const calibrate *c, int64_t *effort, double *recall,
                         int32_t *n)
{
    int64_t low, high;
    wn_status st = WN_OK;

    c->s->kind->effort(c->index, c->s, c->k + 1, &low, &high);
    for (double e = (double)low; high > 0 && *n < MARKS; e *= STEP) {
        wn_index_query query = {.struct_size = sizeof query,
                                .k = c->k + 1,
                                .effort = wni_min((int64_t)e, high),
                                .recall = 1};
        double least = 1;

        if (*n && query.effort == effort[*n - 1]) query.effort++;
        effort[*n] = query.effort;
        recall[*n] = 1;
        for (int32_t i = 0; i < c->trials; i++) {
            const trial *t = &c->trial[i];
            wn_filter filter = t->filter.segment ? t->filter : *c->index->alive;
            double mean, error;
            wn_hits *hits;

            if (t->n == 0) continue;
            query.queries = t->queries;
            filter.absent = t->rows;
            filter.absent_of = c->s;
            query.filter = &filter;
            WNI_TRY(wn_index_search(ctx, c->index, &query, &hits));
            mean = recall_of(c, t, hits, &error);
            least = fmin(least, mean);
            recall[*n] = fmin(recall[*n], fmax(mean - error, 0));
            wn_hits_free(hits);
        }
        (*n)++;
        if (least >= ENOUGH || query.effort >= high) break;
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
    int64_t mapped = 0;
    char name[48];
    int32_t n = 0;
    wn_status st;

    WNI_TRY(wn_index_open(ctx, wni_index_out_dir(out), &index));
    /* Pages of files, which the system may drop, are no part of what making an index needs. */
    mapped = wni_index_mapped(index);
    wni_account(ctx, -mapped);
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
    free_sample(ctx, &c);
    wni_account(ctx, mapped);
    wn_index_free(index);
    return st;
}
