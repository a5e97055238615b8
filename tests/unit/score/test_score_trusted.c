/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_score_trusted: a planted kind of rows is ranked first, from trusted rows and from another pool.
 */
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/support.h"

enum { N = 4000, D = 12, K = 8, GOOD = 3 }; /* rows of blob 3 are what we want */

typedef struct world {
    float *x;
    int32_t *kind;
} world;

static world make_world(void)
{
    world w = {NULL, malloc(N * sizeof *w.kind)};

    w.x = ts_blobs(N, D, K, 0.6, 4, w.kind);
    return w;
}

/* Share of rows of the wanted kind among as many best rows as there are of it. */
static double recovered(const wn_scores *s, const int32_t *kind)
{
    int64_t wanted = 0, hits = 0;

    for (int i = 0; i < N; i++)
        wanted += kind[i] == GOOD;
    for (int i = 0; i < N; i++) {
        int64_t better = 0;
        if (kind[i] != GOOD) continue;
        for (int j = 0; j < N; j++)
            better += s->v[j] > s->v[i];
        hits += better < wanted;
    }
    return (double)hits / (double)wanted;
}

static void a_planted_kind_is_found(void **state)
{
    world w = make_world();
    float target[40 * D];
    int64_t rows[40], n_rows = 0;
    wn_score_trusted_params p;
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *pool, *other;
    wn_scores *s;

    (void)state;
    wn_params_init(wn_method_find("score", "trusted"), &p);
    for (int i = 0; i < N && n_rows < 40; i++)
        if (w.kind[i] == GOOD) {
            memcpy(target + n_rows * D, w.x + i * D, D * sizeof *target);
            rows[n_rows++] = i;
        }
    for (int metric = 0; metric < 2; metric++) {
        wn_score_input in = {.struct_size = sizeof in};
        ts_ok(ctx, wn_pool_wrap(ctx, w.x, N, D, WN_F32, metric, &pool));
        ts_ok(ctx, wn_pool_wrap(ctx, target, 40, D, WN_F32, metric, &other));
        in.pool = pool;
        in.rows = rows;
        in.n_rows = 40;
        ts_ok(ctx, wn_score_trusted(ctx, &in, &p, &s));
        assert_true(recovered(s, w.kind) > 0.97);
        wn_scores_free(s);
        in.rows = NULL;
        in.n_rows = 0;
        in.target = other;
        ts_ok(ctx, wn_score_trusted(ctx, &in, &p, &s));
        assert_true(recovered(s, w.kind) > 0.97);
        wn_scores_free(s);
        wn_pool_free(pool);
        wn_pool_free(other);
    }
    free(w.x);
    free(w.kind);
    wn_ctx_free(ctx);
}

/* Two rows on a line: the log-odds of the one trusted are above 0, of the other below, by as much. */
static void two_rows_by_hand(void **state)
{
    const float x[] = {-1, 1};
    const int64_t trusted = 1;
    wn_score_input in = {.struct_size = sizeof in, .rows = &trusted, .n_rows = 1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, x, 2, 1, WN_F32, WN_L2, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_score_trusted(ctx, &in, NULL, &s));
    assert_true(s->v[1] > 0.5f);
    assert_true(s->v[0] + s->v[1] < 1e-4f && s->v[0] + s->v[1] > -1e-4f);
    wn_scores_free(s);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_score_input *in, wn_status status, const char *text)
{
    wn_scores *s;

    assert_int_equal(wn_score_trusted(ctx, in, NULL, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    const float x[] = {1, 2, 3, 4};
    int64_t rows[] = {0, 1, 2, 3};
    wn_score_input in = {.struct_size = sizeof in};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool, *none, *wide;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, x, 4, 1, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, x, 0, 1, WN_F32, WN_L2, &none));
    ts_ok(ctx, wn_pool_wrap(ctx, x, 2, 2, WN_F32, WN_L2, &wide));
    refused(ctx, &in, WN_E_USAGE, "no pool is given");
    in.pool = pool;
    refused(ctx, &in, WN_E_USAGE, "found neither, expected either trusted rows or a target");
    in.target = none;
    refused(ctx, &in, WN_E_DATA, "found 0 trusted rows");
    in.target = wide;
    refused(ctx, &in, WN_E_DATA, "the target has rows of 2 columns, the pool of 1");
    in.target = NULL;
    in.rows = rows;
    in.n_rows = 4;
    refused(ctx, &in, WN_E_DATA, "found 4 trusted rows and 0 others");
    in.target = pool;
    refused(ctx, &in, WN_E_USAGE, "found both");
    wn_pool_free(pool);
    wn_pool_free(none);
    wn_pool_free(wide);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_planted_kind_is_found),
                                       cmocka_unit_test(two_rows_by_hand),
                                       cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests_name("score trusted", tests, NULL, NULL);
}
