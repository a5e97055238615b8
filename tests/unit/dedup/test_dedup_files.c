/* SPDX-License-Identifier: Apache-2.0
 *
 * What a run of `winnow dedup` leaves in its folder, for semantic and exact.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "io/outdir.h"

typedef struct files {
    int64_t n, kept;
    int64_t *rows, *groups;
    wn_why *why;
    char summary[4096];
} files;

/* Runs the job on `rows` and reads back what it wrote. */
static files run(wn_ctx *ctx, const char *method, const float *v, int64_t n, int64_t d,
                 const char *name, const char *value)
{
    files f = {.n = n};
    int64_t shape[1];
    void *data[3];
    wn_job *job;

    ts_write_npy(ts_path("pool.npy"), v, n, d);
    ts_ok(ctx, wn_job_new(ctx, "dedup", method, &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("pool.npy")));
    ts_ok(ctx, wn_job_output(job, ts_path("out")));
    ts_ok(ctx, wn_job_set(job, "force", "1"));
    if (name) ts_ok(ctx, wn_job_set(job, name, value));
    ts_ok(ctx, wn_job_run(job));
    strncpy(f.summary, wn_job_summary(job), sizeof f.summary - 1);
    wn_job_free(job);
    ts_ok(ctx, wni_npy_load(ctx, ts_path("out/rows.npy"), "<i8", 1, shape, &data[0]));
    f.kept = shape[0];
    ts_ok(ctx, wni_npy_load(ctx, ts_path("out/groups.npy"), "<i8", 1, shape, &data[1]));
    assert_int_equal(shape[0], n);
    f.rows = data[0];
    f.groups = data[1];
    f.why = NULL;
    size_t bytes;
    char *text = ts_read_file(ts_path("out/why.npy"), &bytes);
    assert_non_null(text);
    assert_non_null(strstr(text + 10, WN_WHY_DESCR));
    assert_true(bytes > (size_t)n * sizeof(wn_why));
    f.why = malloc((size_t)n * sizeof(wn_why) + 1);
    memcpy(f.why, text + bytes - (size_t)n * sizeof(wn_why), (size_t)n * sizeof(wn_why));
    free(text);
    return f;
}

static void files_free(wn_ctx *ctx, files *f)
{
    wni_free(ctx, f->rows);
    wni_free(ctx, f->groups);
    free(f->why);
}

static void rows_groups_and_reasons_agree(wn_ctx *ctx, const char *method, const char *name,
                                          const char *value, wn_why_rule rule)
{
    enum { N = 300, D = 3 };
    float *v = ts_normal(N, D, 3);
    int64_t at = 0;
    files f;

    for (int64_t i = 200; i < N; i++)
        memcpy(v + i * D, v + (i - 150) * D, D * sizeof *v);
    f = run(ctx, method, v, N, D, name, value);
    assert_in_range(f.kept, 1, 200);
    for (int64_t i = 0; i < N; i++) {
        if (f.groups[i] == i) {
            assert_int_equal(f.rows[at++], i);
            assert_int_equal(f.why[i].rule, WN_WHY_KEPT);
            assert_int_equal(f.why[i].partner, -1);
            assert_int_equal(f.why[i].copies, 1);
            assert_true(isnan(f.why[i].similarity));
        } else {
            assert_int_equal(f.why[i].rule, rule);
            assert_in_range(f.why[i].partner, 0, i - 1);
            assert_int_equal(f.why[i].copies, 0);
            assert_true(f.why[i].similarity >= 0.9f && f.why[i].similarity <= 1);
            /* who stands for a row is kept, and stands for its partner too */
            assert_int_equal(f.groups[f.groups[i]], f.groups[i]);
            assert_int_equal(f.groups[f.why[i].partner], f.groups[i]);
        }
        assert_int_equal(f.why[i].cluster, -1);
    }
    assert_int_equal(at, f.kept);
    files_free(ctx, &f);
    free(v);
}

static void what_is_written(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    rows_groups_and_reasons_agree(ctx, "exact", NULL, NULL, WN_WHY_EXACT_DUPLICATE);
    rows_groups_and_reasons_agree(ctx, "semantic", "rule", "groups", WN_WHY_NEAR_DUPLICATE);
    rows_groups_and_reasons_agree(ctx, "semantic", "rule", "earlier", WN_WHY_NEAR_DUPLICATE);
    wn_ctx_free(ctx);
}

/* Under `earlier` a partner may be gone itself: groups.npy follows the chain, why.npy does not. */
static void chains_end_in_a_kept_row(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    float v[20];
    wn_job *job;
    files f;

    (void)state;
    for (int i = 0; i < 10; i++) {
        v[2 * i] = (float)cos(0.1 * i);
        v[2 * i + 1] = (float)sin(0.1 * i);
    }
    ts_ok(ctx, wn_job_new(ctx, "dedup", NULL, &job)); /* semantic is what dedup means by itself */
    wn_job_free(job);
    f = run(ctx, "semantic", v, 10, 2, "rule", "earlier");
    assert_int_equal(f.kept, 1);
    for (int i = 1; i < 10; i++) {
        assert_int_equal(f.groups[i], 0);
        assert_int_equal(f.why[i].partner, i - 1);
    }
    files_free(ctx, &f);
    wn_ctx_free(ctx);
}

static void warnings(void **state)
{
    enum { N = 400, D = 8 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 5);
    files f;

    (void)state;
    memset(v + 7 * D, 0, D * sizeof *v);
    f = run(ctx, "semantic", v, N, D, NULL, NULL);
    assert_non_null(strstr(f.summary, "1 zero rows have no direction"));
    assert_non_null(strstr(f.summary, "\"zero_rows\": 1"));
    assert_null(strstr(f.summary, "recall"));
    files_free(ctx, &f);
    for (int64_t i = 1; i < N; i++) /* one smear from one direction to another: every cut hurts */
        for (int64_t j = 0; j < D; j++)
            v[i * D + j] = j == 0 ? (float)(N - i) : j == 1 ? (float)i : 0;
    f = run(ctx, "semantic", v, N, D, "blocks", "5");
    assert_non_null(strstr(f.summary, "\"recall\": "));
    assert_non_null(strstr(f.summary, "\"blocks\": 5"));
    files_free(ctx, &f);
    free(v);
    wn_ctx_free(ctx);
}

static void does_not_fit(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    static const uint8_t byte;
    wn_dedup_input in = {.struct_size = sizeof in};
    wn_dedup *dedup;
    wn_pool *pool;

    (void)state;
    /* Never read: the estimate refuses first. */
    ts_ok(ctx, wn_pool_wrap(ctx, &byte, (int64_t)1 << 32, 16, WN_U8, WN_L2, &pool));
    in.pool = pool;
    assert_int_equal(wn_dedup_exact(ctx, &in, NULL, &dedup), WN_E_BUDGET);
    assert_non_null(strstr(wn_ctx_error(ctx), "dedup exact needs "));
    assert_int_equal(wn_dedup_semantic(ctx, &in, NULL, &dedup), WN_E_BUDGET);
    assert_non_null(strstr(wn_ctx_error(ctx), "dedup semantic needs "));
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(what_is_written),
                                       cmocka_unit_test(chains_end_in_a_kept_row),
                                       cmocka_unit_test(warnings), cmocka_unit_test(does_not_fit)};

    return cmocka_run_group_tests(tests, NULL, ts_tidy);
}
