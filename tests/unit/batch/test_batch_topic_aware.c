/* SPDX-License-Identifier: Apache-2.0
 *
 * wni_method_batch_topic_aware: one topic per batch, every query once, margins from all ranges.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { N = 300, TOPICS = 7 };

static wn_sampler *sampler(wn_ctx *ctx, const wn_batch_input *in,
                           const wn_batch_topic_aware_params *p)
{
    wn_sampler *s = NULL;

    ts_ok(ctx, wn_sampler_new(ctx, wn_method_find("batch", "topic_aware"), in, p, &s));
    return s;
}

static wn_labels *labels(wn_ctx *ctx, int64_t (*of)(int64_t))
{
    int64_t v[N];
    wn_labels *l;

    for (int64_t i = 0; i < N; i++)
        v[i] = of(i);
    ts_ok(ctx, wn_labels_from_ints(ctx, v, N, &l));
    return l;
}

static int64_t topic_of_row(int64_t i)
{
    return i * i % 11 % TOPICS;
}

/* Six rows a query, fifty queries; query and topic agree. */
static int64_t query_of_row(int64_t i)
{
    return i / 6;
}

static int64_t topic_of_query(int64_t i)
{
    return i / 6 % TOPICS;
}

static void one_topic_per_batch(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_labels *groups = labels(ctx, topic_of_row);
    wn_batch_input in = {.struct_size = sizeof in, .n = N, .groups = groups};
    wn_batch_topic_aware_params p;

    (void)state;
    wn_params_init(wn_method_find("batch", "topic_aware"), &p);
    p.batch_size = 8;
    for (p.drop_last = 0; p.drop_last < 2; p.drop_last++)
        for (p.world = 1; p.world < 4; p.world++) {
            int times[N] = {0}, changes = 0, expected = 0, all = 0;
            for (int t = 0; t < groups->classes; t++)
                expected += (int)(p.drop_last ? groups->sizes[t] / 8 * 8 : groups->sizes[t]);
            if (p.drop_last) expected -= expected / 8 % p.world * 8;
            for (p.rank = 0; p.rank < p.world; p.rank++) {
                wn_sampler *s = sampler(ctx, &in, &p);
                int32_t last = -1;
                for (int64_t b = 0; b < wn_sampler_batches(s, 2); b++) {
                    int64_t rows[8], count;
                    ts_ok(ctx, wn_sampler_batch(s, 2, b, rows, &count));
                    if (p.drop_last) assert_int_equal(count, 8);
                    all += (int)count;
                    for (int64_t i = 0; i < count; i++) {
                        assert_int_equal(times[rows[i]]++, 0);
                        assert_int_equal(groups->v[rows[i]], groups->v[rows[0]]);
                    }
                    changes += count && groups->v[rows[0]] != last;
                    if (count) last = groups->v[rows[0]];
                }
                wn_sampler_free(s);
            }
            assert_int_equal(all, expected);
            assert_in_range(changes, 15, 60); /* topics are mixed, not one after the other */
        }
    wn_labels_free(groups);
    wn_ctx_free(ctx);
}

/* Margins 0, 0.01, 0.02, 0.03, 0.04 and 1: by rows the large one comes every sixth time, by ranges every
 * second. */
static void margins_are_balanced(void **state)
{
    enum { EPOCHS = 40 };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_labels *groups = labels(ctx, topic_of_query), *queries = labels(ctx, query_of_row);
    wn_batch_input in = {.struct_size = sizeof in, .n = N, .groups = groups, .queries = queries};
    wn_batch_topic_aware_params p;
    wn_scores *scores;

    (void)state;
    wn_params_init(wn_method_find("batch", "topic_aware"), &p);
    p.batch_size = 5;
    ts_ok(ctx, wn_scores_new(ctx, N, &scores));
    for (int i = 0; i < N; i++)
        scores->v[i] = i % 6 == 3 ? 1 : 0.01f * (float)(i % 6);
    for (int with = 0; with < 2; with++) {
        int64_t large = 0, all = 0, of_pair[6] = {0};
        wn_sampler *s;
        in.scores = with ? scores : NULL;
        s = sampler(ctx, &in, &p);
        for (int e = 0; e < EPOCHS; e++) {
            int times[N / 6] = {0};
            for (int64_t b = 0; b < wn_sampler_batches(s, e); b++) {
                int64_t rows[5], count;
                ts_ok(ctx, wn_sampler_batch(s, e, b, rows, &count));
                for (int64_t i = 0; i < count; i++) {
                    assert_int_equal(groups->v[rows[i]], groups->v[rows[0]]);
                    assert_int_equal(times[rows[i] / 6]++, 0);
                    large += rows[i] % 6 == 3;
                    of_pair[rows[i] % 6]++;
                    all++;
                }
            }
        }
        assert_int_equal(all, EPOCHS * N / 6); /* every query once an epoch: 2000 */
        if (with)
            assert_in_range(large, 900, 1100); /* sd 22 */
        else
            assert_in_range(large, 270, 400); /* 333 expected, sd 17 */
        for (int i = 0; i < 6; i++)           /* within a range as often as any */
            if (with && i != 3) assert_in_range(of_pair[i], 145, 255);
        wn_sampler_free(s);
    }
    wn_scores_free(scores);
    wn_labels_free(groups);
    wn_labels_free(queries);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Four ranges of margins 0..4 at whole numbers: the highest margin belongs to the last. */
static void ranges_of_margins(void **state)
{
    static const float margin[] = {0, 1, 1.5f, 2, 4, 3.5f};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_labels *groups = labels(ctx, topic_of_query), *queries = labels(ctx, query_of_row);
    wn_batch_input in = {.struct_size = sizeof in, .n = N, .groups = groups, .queries = queries};
    wn_batch_topic_aware_params p;
    wn_scores *scores;
    wn_sampler *s;
    int64_t in_range[4] = {0}, all = 0;

    (void)state;
    wn_params_init(wn_method_find("batch", "topic_aware"), &p);
    p.bins = 4;
    ts_ok(ctx, wn_scores_new(ctx, N, &scores));
    for (int i = 0; i < N; i++)
        scores->v[i] = margin[i % 6] + 100; /* where they begin does not matter */
    in.scores = scores;
    s = sampler(ctx, &in, &p);
    for (int e = 0; e < 80; e++)
        for (int64_t b = 0; b < wn_sampler_batches(s, e); b++) {
            int64_t rows[256], count;
            ts_ok(ctx, wn_sampler_batch(s, e, b, rows, &count));
            for (int64_t i = 0; i < count; i++, all++)
                in_range[rows[i] % 6 == 0 ? 0 : rows[i] % 6 < 3 ? 1 : rows[i] % 6 == 3 ? 2 : 3]++;
        }
    assert_int_equal(all, 4000);
    for (int i = 0; i < 4; i++)
        assert_in_range(in_range[i], 850, 1150); /* 1000 expected, sd 27 */
    wn_sampler_free(s);
    wn_scores_free(scores);
    wn_labels_free(groups);
    wn_labels_free(queries);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_batch_input *in, wn_status status, const char *text)
{
    wn_sampler *s;

    assert_int_equal(wn_sampler_new(ctx, wn_method_find("batch", "topic_aware"), in, NULL, &s),
                     status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_labels *groups = labels(ctx, topic_of_row), *queries = labels(ctx, query_of_row);
    wn_batch_input in = {.struct_size = sizeof in, .n = N};
    wn_scores *scores;

    (void)state;
    ts_ok(ctx, wn_scores_new(ctx, N, &scores));
    refused(ctx, &in, WN_E_USAGE, "found 0 of the inputs tree and groups");
    in.groups = groups;
    in.scores = scores;
    refused(ctx, &in, WN_E_USAGE, "margins of a query's pairs: give --queries");
    in.queries = queries;
    refused(ctx, &in, WN_E_DATA, "rows 0 and 1 are of one query but of the groups 0 and 1");
    queries->v[5] = 50;
    refused(ctx, &in, WN_E_DATA, "row 5 has the query 50, expected -1 to 49");
    in.queries = NULL;
    in.scores = NULL;
    for (int i = 0; i < N; i++)
        groups->v[i] = -1;
    refused(ctx, &in, WN_E_DATA, "none of 300 rows is in a group");
    for (int i = 0; i < N; i++)
        groups->v[i] = 1;
    refused(ctx, &in, WN_E_DATA, "all rows are in one group, expected two or more topics");
    wn_scores_free(scores);
    wn_labels_free(groups);
    wn_labels_free(queries);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(one_topic_per_batch), cmocka_unit_test(margins_are_balanced),
        cmocka_unit_test(ranges_of_margins), cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
