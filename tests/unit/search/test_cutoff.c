/* SPDX-License-Identifier: Apache-2.0
 *
 * The cut-off of hits: queries of the pool's own kind keep theirs, queries of no kind lose them; the score of a hit
 * against a slow twin; learning from judgements; what is refused.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "search/cutoff.h"
#include "support/support.h"
#include "winnow/winnow.h"

enum { N = 3000, D = 48, Q = 60, K = 5 };

static void make(wn_ctx *ctx, const float *v, wn_metric metric, wn_folder **folder,
                 wn_index **index)
{
    wn_pool *rows;
    wn_job *job;

    ts_ok(ctx, wn_folder_new(ctx, folder));
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, metric, &rows));
    ts_ok(ctx, wn_job_new(ctx, "index", "flat", &job));
    ts_ok(ctx, wn_job_input_pool(job, "pool", rows));
    ts_ok(ctx, wn_job_output_folder(job, *folder));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    wn_pool_free(rows);
    ts_ok(ctx, wn_index_open(ctx, wn_folder_path(*folder), index));
}

/* Half of the queries lie in the blobs of the pool, half nowhere. */
static float *queries_of(const float *v)
{
    float *q = ts_normal(Q, D, 8);

    for (int64_t i = 0; i < Q / 2; i++)
        for (int64_t j = 0; j < D; j++)
            q[i * D + j] = v[i * 31 * D + j] + 0.1f * q[i * D + j];
    return q;
}

static wn_hits *search(wn_ctx *ctx, const wn_index *index, const wn_pool *queries)
{
    wn_index_query query = {.struct_size = sizeof query, .queries = queries, .k = K, .recall = 1};
    wn_hits *hits;

    ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
    return hits;
}

static void test_strangers_lose_their_hits(void **state)
{
    float *v = ts_blobs(N, D, 40, 0.25, 3, NULL), *q = queries_of(v);

    (void)state;
    for (int m = 0; m < 2; m++) {
        wn_ctx *ctx = ts_ctx(1 + m, -1);
        int64_t kept[2] = {0};
        wni_cutoff cutoff;
        wn_folder *folder;
        wn_index *index;
        wn_pool *queries;
        wn_hits *hits, *before;

        make(ctx, v, m ? WN_COSINE : WN_L2, &folder, &index);
        ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, m ? WN_COSINE : WN_L2, &queries));
        before = search(ctx, index, queries);
        hits = search(ctx, index, queries);
        ts_ok(ctx, wni_cutoff_apply(ctx, index, queries, hits, NAN, NULL, 0, &cutoff));
        for (int64_t i = 0; i < Q; i++) {
            kept[i >= Q / 2] += hits->counts[i];
            for (int64_t j = 0; j < K; j++) {
                const int64_t at = i * K + j;
                const int there = j < hits->counts[i];
                /* What stays is the beginning of what was there: nearer hits have higher scores. */
                assert_int_equal(hits->indices[at], there ? before->indices[at] : -1);
                assert_true(there ? (double)cutoff.score[at] >= cutoff.threshold - 1e-4
                                  : isinf(cutoff.score[at]));
            }
        }
        assert_int_equal(kept[0] + kept[1] + cutoff.cut, Q * K);
        assert_int_equal(kept[0], Q / 2 * K);
        if (kept[1] >= Q / 2 * K / 5) fail_msg("strangers kept %lld hits", (long long)kept[1]);
        /* 1/3000 of a normal distribution lies above 3.40. */
        assert_true(fabs(cutoff.threshold - 3.403) < 0.002);
        wni_free(ctx, cutoff.score);
        wn_hits_free(hits);
        wn_hits_free(before);
        wn_pool_free(queries);
        wn_index_free(index);
        wn_folder_free(folder);
        wn_ctx_free(ctx);
    }
    free(v);
    free(q);
}

static int ascending(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

static void test_score_is_what_is_said(void **state)
{
    float *v = ts_blobs(N, D, 40, 0.25, 3, NULL), *q = queries_of(v), *rows;
    wn_ctx *ctx = ts_ctx(2, -1);
    double similarity[1000];
    wni_cutoff cutoff;
    wn_folder *folder;
    wn_index *index;
    wn_pool *queries;
    wn_hits *hits;

    (void)state;
    make(ctx, v, WN_L2, &folder, &index);
    ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, WN_L2, &queries));
    hits = search(ctx, index, queries);
    ts_ok(ctx, wni_cutoff_apply(ctx, index, queries, hits, -1e6, NULL, 0, &cutoff));
    assert_int_equal(cutoff.cut, 0);
    rows = malloc(sizeof(float) * 1000 * D);
    ts_ok(ctx, wn_index_sample(ctx, index, 1000, 0, rows, D));
    for (int64_t i = 0; i < Q; i += 7) {
        double z;
        for (int64_t r = 0; r < 1000; r++) {
            double sum = 0;
            for (int64_t j = 0; j < D; j++)
                sum += pow((double)rows[r * D + j] - (double)q[i * D + j], 2);
            similarity[r] = sqrt(sum);
        }
        qsort(similarity, 1000, sizeof *similarity, ascending);
        z = (similarity[500] - (double)hits->distances[i * K]) /
            ((similarity[750] - similarity[250]) / 1.34898);
        assert_true(fabs(z - (double)cutoff.score[i * K]) < 1e-3 * fabs(z) + 1e-3);
    }
    free(rows);
    wni_free(ctx, cutoff.score);
    wn_hits_free(hits);
    wn_pool_free(queries);
    wn_index_free(index);
    wn_folder_free(folder);
    wn_ctx_free(ctx);
    free(v);
    free(q);
}

/* Judged: hits of the first half are relevant. Learnt from some, right for the others. */
static void test_learns(void **state)
{
    float *v = ts_blobs(N, D, 40, 0.25, 3, NULL), *q = queries_of(v);
    wn_ctx *ctx = ts_ctx(2, -1);
    wni_judgement judged[Q], *read;
    wni_cutoff cutoff;
    wn_folder *folder;
    wn_index *index;
    wn_pool *queries;
    wn_hits *hits;
    int64_t n = 0;
    FILE *f;

    (void)state;
    make(ctx, v, WN_COSINE, &folder, &index);
    ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, WN_COSINE, &queries));
    hits = search(ctx, index, queries);
    f = fopen(ts_path("judged.csv"), "w");
    assert_non_null(f);
    fprintf(f, "query,id,relevant\n");
    for (int64_t i = 0; i < Q; i += 3)
        fprintf(f, "%lld,%lld,%d\n", (long long)i, (long long)hits->indices[i * K + 1], i < Q / 2);
    fclose(f);
    ts_ok(ctx, wni_judgements_load(ctx, ts_path("judged.csv"), Q, &read, &n));
    assert_int_equal(n, Q / 3);
    ts_ok(ctx, wni_cutoff_apply(ctx, index, queries, hits, NAN, read, n, &cutoff));
    assert_int_equal(cutoff.learnt, 1);
    assert_int_equal(cutoff.judged, Q / 3);
    assert_true(cutoff.f1 > 0.999);
    for (int64_t i = 0; i < Q; i++)
        assert_int_equal(hits->counts[i], i < Q / 2 ? K : 0);
    wni_free(ctx, cutoff.score);
    for (int64_t i = 0; i < n; i++)
        judged[i] = (wni_judgement){read[i].query, read[i].id, 1};
    assert_int_equal(wni_cutoff_apply(ctx, index, queries, hits, NAN, judged, n, &cutoff),
                     WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "some of both kinds"));
    wni_free(ctx, read);
    assert_int_equal(wni_judgements_load(ctx, ts_path("judged.csv"), 2, &read, &n), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "expected a query from 0 to 1"));
    wn_hits_free(hits);
    wn_pool_free(queries);
    wn_index_free(index);
    wn_folder_free(folder);
    wn_ctx_free(ctx);
    free(v);
    free(q);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_strangers_lose_their_hits),
                                       cmocka_unit_test(test_score_is_what_is_said),
                                       cmocka_unit_test(test_learns)};
    int failed = cmocka_run_group_tests(tests, NULL, NULL);

    ts_tmp_remove();
    return failed;
}
