/* SPDX-License-Identifier: Apache-2.0
 *
 * A reference for deduplication: dedup semantic against all pairs, and the files of both methods.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "dedup/dedup_semantic.h"
#include "io/outdir.h"
#include "support/support.h"

enum { N = 500, M = 150, D = 8 };

static double cosine(const float *x, const float *y)
{
    double xy = 0, xx = 0, yy = 0;

    for (int j = 0; j < D; j++) {
        xy += (double)x[j] * (double)y[j];
        xx += (double)x[j] * (double)x[j];
        yy += (double)y[j] * (double)y[j];
    }
    return xx > 0 && yy > 0 ? xy / sqrt(xx * yy) : -2;
}

/* Every third row of the pool lies beside one of the reference, every fifth beside an earlier row. */
static void make(float **pool, float **reference)
{
    *pool = ts_normal(N, D, 1);
    *reference = ts_normal(M, D, 2);
    for (int64_t i = 0; i < N; i++)
        for (int j = 0; j < D; j++) {
            float noise = (float)(0.1 * wni_rand_unit(9, (uint64_t)j, (uint64_t)i));
            if (i % 3 == 0) (*pool)[i * D + j] = (*reference)[i * 7 % M * D + j] * 3 + noise;
            if (i % 5 == 4) (*pool)[i * D + j] = (*pool)[(i / 2) * D + j] + noise;
        }
    memset(*reference + 11 * D, 0, D * sizeof **reference); /* without a direction */
    memset(*pool + 20 * D, 0, D * sizeof **pool);
}

static void semantic_is_as_all_pairs(void **state)
{
    static const wni_simjoin_tune tunes[] = {{0, 0, 0}, {16, 32, -1}, {64, 16, 16}};
    float *pool, *reference;

    (void)state;
    make(&pool, &reference);
    for (int k = 0; k < 6; k++) {
        wn_ctx *ctx = ts_ctx(1 + k % 2, -1);
        wn_dedup_semantic_params p;
        wn_dedup_input in = {.struct_size = sizeof in};
        wn_pool *a, *b;
        wn_dedup *dedup;
        int64_t repeats = 0, kept = 0, own = 0;

        wn_params_init(wn_method_find("dedup", "semantic"), &p);
        p.min_similarity = 0.97;
        p.within_pool = k < 3;
        ts_ok(ctx, wn_pool_wrap(ctx, pool, N, D, WN_F32, WN_L2, &a));
        ts_ok(ctx, wn_pool_wrap(ctx, reference, M, D, WN_F32, WN_L2, &b));
        in.pool = a;
        in.against = b;
        ts_ok(ctx, wni_dedup_semantic_tuned(ctx, &in, &p, &tunes[k % 3], &dedup));
        for (int64_t i = 0; i < N; i++) {
            int64_t best = -1;
            double most = 0.97;
            for (int64_t r = 0; r < M; r++) {
                double c = cosine(pool + i * D, reference + r * D);
                assert_true(fabs(c - 0.97) > 1e-6); /* else rounding would decide */
                if (c > most) {
                    most = c;
                    best = r;
                }
            }
            if (best >= 0) {
                assert_int_equal(dedup->partner[i], -1 - best);
                assert_true(fabs((double)dedup->similarity[i] - most) < 1e-5);
                repeats++;
                continue;
            }
            for (int64_t j = 0; p.within_pool && j < i && best < 0; j++)
                if (dedup->partner[j] == j && cosine(pool + i * D, pool + j * D) >= 0.97) best = j;
            assert_true(best < 0 ? dedup->partner[i] == i
                                 : dedup->partner[i] >= 0 && dedup->partner[i] < i);
            own += best >= 0;
            kept += best < 0;
        }
        assert_int_equal(dedup->kept, kept);
        assert_int_equal(dedup->report.repeats_reference, repeats);
        assert_true(repeats > 100 && kept > 100);
        assert_int_equal(own > 0, p.within_pool != 0);
        wn_dedup_free(dedup);
        wn_pool_free(a);
        wn_pool_free(b);
        wn_ctx_free(ctx);
    }
    free(pool);
    free(reference);
}

/* Runs `dedup method` on files; the summary's warnings are not looked at. */
static wn_status run(wn_ctx *ctx, const char *method, const char *pool, const char *against,
                     const char *similarity, const char *id)
{
    wn_job *job;
    wn_status st;

    ts_ok(ctx, wn_job_new(ctx, "dedup", method, &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path(pool)));
    ts_ok(ctx, wn_job_input(job, "against", ts_path(against)));
    ts_ok(ctx, wn_job_output(job, ts_path("out")));
    ts_ok(ctx, wn_job_set(job, "force", "1"));
    ts_ok(ctx, wn_job_set(job, "min_similarity", similarity));
    if (id) ts_ok(ctx, wn_job_set(job, "id", id));
    st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static void file_has(const char *name, const char *text)
{
    size_t bytes;
    char *file = ts_read_file(ts_path(name), &bytes);

    assert_non_null(file);
    if (!strstr(file, text)) fail_msg("%s: no '%s' in: %s", name, text, file);
    free(file);
}

static void why_says(wn_ctx *ctx, const char *row, const char *text)
{
    char *answer;

    ts_ok(ctx, wn_why_text(ctx, ts_path("out"), row, &answer));
    if (!strstr(answer, text)) fail_msg("row %s: no '%s' in: %s", row, text, answer);
    wn_text_free(ctx, answer);
}

static void groups_are(wn_ctx *ctx, const int64_t *want, int64_t n)
{
    int64_t shape[1];
    void *data;

    ts_ok(ctx, wni_npy_load(ctx, ts_path("out/groups.npy"), "<i8", 1, shape, &data));
    assert_int_equal(shape[0], n);
    assert_memory_equal(data, want, (size_t)n * sizeof *want);
    wni_free(ctx, data);
}

static void text_to_files(void **state)
{
    static const char pool[] = "{\"id\": \"p\\\"0\", \"text\": \"a b c d e f g h\"}\n"
                               "{\"id\": \"p1\", \"text\": \"k l m n o p q r\"}\n"
                               "{\"id\": \"p,2\", \"text\": \"K l m n o p q r!\"}\n";
    static const char reference[] = "{\"id\": \"r0\", \"text\": \"x\"}\n"
                                    "{\"id\": \"r1\", \"text\": \"a b c d e f g h\"}\n";
    static const int64_t groups[] = {-1, 1, 1};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    ts_write_file(ts_path("pool.jsonl"), pool, sizeof pool - 1);
    ts_write_file(ts_path("reference.jsonl"), reference, sizeof reference - 1);
    ts_ok(ctx, run(ctx, "minhash", "pool.jsonl", "reference.jsonl", "0.8", "id"));
    groups_are(ctx, groups, 3);
    file_has("out/removed.jsonl",
             "{\"row\": 0, \"id\": \"p\\\"0\", \"reference\": 1, \"reference_id\": \"r1\", "
             "\"similarity\": 1, \"rule\": \"repeats-reference\"}\n"
             "{\"row\": 2, \"id\": \"p,2\", \"partner\": 1, \"partner_id\": \"p1\", "
             "\"similarity\": 1, \"rule\": \"near-duplicate\"}\n");
    file_has("out/groups.csv", "group,row,kept,id\n1,1,1,p1\n1,2,0,\"p,2\"\n");
    file_has("out/manifest.json", "\"repeats_reference\": 1");
    ts_write_file(ts_path("plain.jsonl"), "{\"text\": \"a b c d e f g h\"}\n", 28); /* no ids */
    why_says(ctx, "0", "it repeats row 1 of the reference, Jaccard similarity 1.0000");
    why_says(ctx, "2", "Jaccard similarity 1.0000: kept");
    ts_ok(ctx, run(ctx, "minhash", "pool.jsonl", "plain.jsonl", "0.8", "id"));
    file_has("out/removed.jsonl", "\"id\": \"p\\\"0\", \"reference\": 0, \"similarity\": 1");
    assert_int_equal(run(ctx, "minhash", "pool.jsonl", "pool.npy", "0.8", NULL), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "expected text"));
    ts_write_file(ts_path("other.jsonl"), "{\"words\": \"x\", \"text\": 3}\n", 26);
    assert_int_equal(run(ctx, "minhash", "pool.jsonl", "other.jsonl", "0.8", NULL), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "'text'"));
    wn_ctx_free(ctx);
}

static void vectors_to_files(void **state)
{
    static const float pool[] = {1, 0, 0, 1, 0, 0.99f}, reference[] = {5, 5, 0, 2, 3, 4, 5, 6, 7};
    static const int64_t groups[] = {0, -1, -1};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    ts_write_npy(ts_path("pool.npy"), pool, 3, 2);
    ts_write_npy(ts_path("reference.npy"), reference, 2, 2);
    ts_write_npy(ts_path("wide.npy"), reference, 3, 3);
    ts_ok(ctx, run(ctx, "semantic", "pool.npy", "reference.npy", "0.9", NULL));
    groups_are(ctx, groups, 3);
    file_has("out/removed.jsonl", "{\"row\": 1, \"reference\": 1, \"similarity\": 1, \"rule\": "
                                  "\"repeats-reference\"}\n");
    why_says(ctx, "2", "it repeats row 1 of the reference, cosine 1.0000");
    assert_int_equal(run(ctx, "semantic", "pool.npy", "wide.npy", "0.9", NULL), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "3 columns, expected 2"));
    wn_ctx_free(ctx);
}

static int teardown(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(semantic_is_as_all_pairs),
        cmocka_unit_test(text_to_files),
        cmocka_unit_test(vectors_to_files),
    };

    return cmocka_run_group_tests_name("dedup against", tests, NULL, teardown);
}
