/* SPDX-License-Identifier: Apache-2.0
 *
 * One topic per batch, so that the other queries of a batch are hard negatives; of each query one pair, from
 * all ranges of its margins equally often. hofstaetter2021.
 */
#include "base/param.h"
#include "base/rng.h"
#include "batch/grouped.h"
#include "ds/permutation.h"
#include "winnow/batch.h"

extern const wn_method wni_method_batch_topic_aware;

WN_PARAM_TABLE(wn_batch_topic_aware_params, WN_BATCH_TOPIC_AWARE_PARAMS);

typedef struct topics {
    wn_batch_topic_aware_params p;
    wni_grouped topic; /* lists queries by topic, or rows when every row is its own query */
    wni_grouped
        query; /* lists the rows of each query, those of one bin together; empty without queries */
    uint8_t *bin;   /* (rows of queries) in the order of query.rows; NULL = one bin */
    int64_t *first; /* (topics + 1) number of a topic's first batch */
} topics;

static wn_status topics_estimate(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                                 wn_estimate *out)
{
    int64_t k = in->tree ? in->tree->level[0]->k : in->groups->classes;
    int64_t q = in->queries ? in->queries->classes : 0;
    wn_batch_topic_aware_params p;

    if (in->scores && !in->queries)
        return wni_fail(ctx, WN_E_USAGE,
                        "batch topic_aware: scores are the margins of a query's pairs: give "
                        "--queries, or leave --scores out");
    *out = (wn_estimate){.peak_bytes = in->n * (in->queries ? 9 : 8) + k * 36 + q * 32 +
                                       (in->scores ? in->n * 9 : 0)};
    return wni_params_complete(ctx, &wni_method_batch_topic_aware, params, &p);
}

static void topics_end(wn_ctx *ctx, void *state)
{
    topics *t = state;

    if (!t) return;
    wni_grouped_free(ctx, &t->topic);
    wni_grouped_free(ctx, &t->query);
    wni_free(ctx, t->bin);
    wni_free(ctx, t->first);
    wni_free(ctx, t);
}

/* ---- queries ---------------------------------------------------------------------------------------- */

/* The topic of each query, which must be the same for all its rows. */
static wn_status topics_of_queries(wn_ctx *ctx, const wn_batch_input *in, const topics *t,
                                   int32_t *topic_of)
{
    for (int64_t q = 0; q < t->query.k; q++) {
        const int64_t *rows = t->query.rows + t->query.begin[q];
        int64_t size = t->query.begin[q + 1] - t->query.begin[q];
        topic_of[q] = in->groups->v[rows[0]];
        for (int64_t i = 1; i < size; i++)
            if (in->groups->v[rows[i]] != topic_of[q])
                return wni_fail(ctx, WN_E_DATA,
                                "batch topic_aware: rows %lld and %lld are of one query but of "
                                "the groups %d and %d: give every row the group of its query",
                                (long long)rows[0], (long long)rows[i], topic_of[q],
                                in->groups->v[rows[i]]);
    }
    return WN_OK;
}

static int32_t bin_of(float x, float low, float high, int32_t bins)
{
    double at = high > low ? ((double)x - low) / ((double)high - low) * bins : 0;

    return at < bins ? (int32_t)at : bins - 1;
}

/* Sorts the rows of a query by bin, which stays stable: by counting, through `scratch`. */
static void bin_query(const float *margin, int32_t bins, int64_t *rows, uint8_t *bin, int64_t size,
                      int64_t *scratch)
{
    int64_t at[257] = {0};
    float low = margin[rows[0]], high = low;

    for (int64_t i = 1; i < size; i++) {
        if (margin[rows[i]] < low) low = margin[rows[i]];
        if (margin[rows[i]] > high) high = margin[rows[i]];
    }
    for (int64_t i = 0; i < size; i++) {
        scratch[i] = rows[i];
        at[bin_of(margin[rows[i]], low, high, bins) + 1]++;
    }
    for (int32_t b = 0; b < bins; b++)
        at[b + 1] += at[b];
    for (int64_t i = 0; i < size; i++) {
        int32_t b = bin_of(margin[scratch[i]], low, high, bins);
        bin[at[b]] = (uint8_t)b;
        rows[at[b]++] = scratch[i];
    }
}

static wn_status bin_queries(wn_ctx *ctx, const wn_batch_input *in, topics *t)
{
    int64_t longest = 0, *scratch = NULL;
    wn_status st = WN_OK;

    for (int64_t q = 0; q < t->query.k; q++)
        longest = wni_max(longest, t->query.begin[q + 1] - t->query.begin[q]);
    WNI_NEW(ctx, scratch, longest);
    WNI_NEW(ctx, t->bin, t->query.n);
    for (int64_t q = 0; q < t->query.k; q++) {
        int64_t begin = t->query.begin[q];
        if (q % 4096 == 0) WNI_TRY(wni_poll(ctx));
        bin_query(in->scores->v, t->p.bins, t->query.rows + begin, t->bin + begin,
                  t->query.begin[q + 1] - begin, scratch);
    }
done:
    wni_free(ctx, scratch);
    return st;
}

/* One pair of a query: a bin that has pairs, then one of these. */
static int64_t draw_pair(const topics *t, int64_t epoch, int64_t q)
{
    int64_t begin = t->query.begin[q], end = t->query.begin[q + 1], bins = 0;
    uint64_t stream = wni_stream("batch-topic-pair", epoch, 0);

    if (t->bin) {
        int64_t wanted;
        for (int64_t i = begin; i < end; i++)
            bins += i == begin || t->bin[i] != t->bin[i - 1];
        wanted = wni_rand_below(t->p.seed, stream, 2 * (uint64_t)q, bins);
        for (int64_t i = begin + 1; i < end; i++)
            if (t->bin[i] != t->bin[i - 1]) {
                if (wanted-- == 0) end = i;
                if (wanted >= 0) begin = i;
            }
    }
    return t->query
        .rows[begin + wni_rand_below(t->p.seed, stream, 2 * (uint64_t)q + 1, end - begin)];
}

/* ---- batches ---------------------------------------------------------------------------------------- */

static wn_status number_batches(wn_ctx *ctx, topics *t)
{
    int64_t size = t->p.batch_size, last = t->p.drop_last ? 0 : size - 1;
    wn_status st = WN_OK;

    WNI_NEW(ctx, t->first, t->topic.k + 1);
    t->first[0] = 0;
    for (int64_t g = 0; g < t->topic.k; g++)
        t->first[g + 1] = t->first[g] + (t->topic.begin[g + 1] - t->topic.begin[g] + last) / size;
done:
    return st;
}

static wn_status topics_begin(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                              void **state)
{
    int32_t *topic_of = NULL;
    topics *t;
    wn_status st;

    WNI_NEW0(ctx, t, 1);
    t->p = *(const wn_batch_topic_aware_params *)params;
    if (in->queries) {
        WNI_TRY(wni_grouped_new(ctx, in->queries->v, in->n, in->queries->classes, &t->query));
        WNI_NEW(ctx, topic_of, t->query.k);
        WNI_TRY(topics_of_queries(ctx, in, t, topic_of));
        if (in->scores) WNI_TRY(bin_queries(ctx, in, t));
        WNI_TRY(wni_grouped_new(ctx, topic_of, t->query.k, in->groups->classes, &t->topic));
    } else {
        WNI_TRY(wni_grouped_new(ctx, in->groups->v, in->n, in->groups->classes, &t->topic));
    }
    if (t->topic.n == 0) {
        st = wni_fail(ctx, WN_E_DATA, "batch topic_aware: none of %lld rows is in a group%s",
                      (long long)in->n, in->queries ? " and of a query" : "");
        goto done;
    }
    if (t->topic.k == 1 && t->topic.n > 1) {
        st = wni_fail(ctx, WN_E_DATA,
                      "batch topic_aware: all rows are in one group, expected two or more topics: "
                      "look at the groups, or use batch uniform");
        goto done;
    }
    WNI_TRY(number_batches(ctx, t));
    *state = t;
    t = NULL;
done:
    wni_free(ctx, topic_of);
    topics_end(ctx, t);
    return st;
}

static int64_t topics_batches(const void *state, int64_t epoch)
{
    const topics *t = state;

    (void)epoch;
    return t->first[t->topic.k];
}

static wn_status topics_batch(wn_ctx *ctx, const void *state, int64_t epoch, int64_t b,
                              int64_t *rows, int64_t *count)
{
    const topics *t = state;
    int64_t low = 0, high = t->topic.k - 1, begin, size, at;
    wni_perm perm;

    (void)ctx;
    wni_perm_init(&perm, t->first[t->topic.k], t->p.seed, wni_stream("batch-topic", epoch, 0));
    at = wni_perm_at(&perm, b);
    while (low < high) { /* the topic whose batches at is among */
        int64_t middle = (low + high + 1) / 2;
        if (t->first[middle] <= at)
            low = middle;
        else
            high = middle - 1;
    }
    at = (at - t->first[low]) * t->p.batch_size;
    begin = t->topic.begin[low];
    size = t->topic.begin[low + 1] - begin;
    wni_perm_init(&perm, size, t->p.seed, wni_stream("batch-topic-queries", epoch, low));
    *count = wni_min(t->p.batch_size, size - at);
    for (int64_t i = 0; i < *count; i++)
        rows[i] = begin + wni_perm_at(&perm, at + i);
    for (int64_t i = 0; i < *count; i++) /* apart, so that many are on their way at a time */
        rows[i] = t->topic.rows[rows[i]];
    for (int64_t i = 0; t->query.k && i < *count; i++)
        rows[i] = draw_pair(t, epoch, rows[i]);
    return WN_OK;
}

static const wn_batch_ops ops = {.estimate = topics_estimate,
                                 .begin = topics_begin,
                                 .end = topics_end,
                                 .batches = topics_batches,
                                 .batch = topics_batch};

const wn_method wni_method_batch_topic_aware = {
    .family = "batch",
    .name = "topic_aware",
    .summary = "one topic per batch, pairs of all margins: for training retrievers",
    .papers = "hofstaetter2021",
    .cost = "O(n) to begin, O(pairs of the query) a row drawn; 8 bytes a row, 17 with queries",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_batch_topic_aware_params),
    .ops = &ops,
    .inputs = "pool? tree|groups queries? scores? rows?",
};
