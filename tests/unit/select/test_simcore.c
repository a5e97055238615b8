/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_simcore against rounds over a full table of cosines, and on targets planted in noise.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/ctx_impl.h"
#include "kernels/kernels.h"

static wn_select_simcore_params params(int64_t size, double stop, int64_t k)
{
    wn_select_simcore_params p;

    wn_params_init(wn_method_find("select", "simcore"), &p);
    p.size = size;
    p.stop = stop;
    p.k = k;
    return p;
}

static wn_selection *run(wn_ctx *ctx, const float *v, int64_t n, const float *target, int64_t m,
                         int64_t d, const wn_select_simcore_params *p)
{
    wn_select_input in = {.struct_size = sizeof in};
    wn_pool *pool, *other;
    wn_selection *s;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, target, m, d, WN_F32, WN_L2, &other));
    in.pool = pool;
    in.target = other;
    ts_ok(ctx, wn_select_simcore(ctx, &in, p, &s));
    wn_pool_free(pool);
    wn_pool_free(other);
    return s;
}

/* Unit rows as the library reads them, padded. */
static float *unit_rows(wn_ctx *ctx, const float *v, int64_t n, int64_t d, int64_t ld)
{
    float *out = aligned_alloc(64, (size_t)(n * ld) * sizeof *out);
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, WN_COSINE, &pool));
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, n, out, ld));
    wn_pool_free(pool);
    return out;
}

/* The rounds as the paper tells them: taken[i] is the round that took row i, from 1. */
static int64_t slow_rounds(wn_ctx *ctx, const float *v, int64_t n, const float *target, int64_t m,
                           int64_t d, int64_t size, double stop, int *taken)
{
    const int64_t ld = wni_ld(d);
    const wni_kernels *kern = wni_kernels_of(ctx);
    float *x = unit_rows(ctx, v, n, d, ld), *t = unit_rows(ctx, target, m, d, ld);
    float *cosine = malloc((size_t)(n * m) * sizeof *cosine);
    int64_t *best = malloc((size_t)m * sizeof *best), count = 0;
    double first = 0;

    memset(taken, 0, (size_t)n * sizeof *taken);
    for (int64_t j = 0; j < m; j++)
        for (int64_t i = 0; i < n; i++)
            cosine[j * n + i] = kern->dot(t + j * ld, x + i * ld, ld);
    for (int round = 1; count < (size ? size : n); round++) {
        double sum = 0;
        for (int64_t j = 0; j < m; j++) {
            best[j] = -1;
            for (int64_t i = 0; i < n; i++)
                if (!taken[i] && (best[j] < 0 || cosine[j * n + i] > cosine[j * n + best[j]]))
                    best[j] = i;
            sum += (double)cosine[j * n + best[j]];
        }
        if (round == 1) first = sum;
        if (!size && sum < stop * first) break;
        for (;;) { /* the most similar first */
            int64_t at = -1;
            for (int64_t j = 0; j < m; j++)
                if (!taken[best[j]] &&
                    (at < 0 || cosine[j * n + best[j]] > cosine[at * n + best[at]]))
                    at = j;
            if (at < 0 || (size && count == size)) break;
            taken[best[at]] = round;
            count++;
        }
    }
    free(x);
    free(t);
    free(cosine);
    free(best);
    return count;
}

static void same_as_slow(const float *v, int64_t n, const float *target, int64_t m, int64_t d,
                         int64_t size, double stop)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_select_simcore_params p = params(size, stop, m);
    int *taken = malloc((size_t)n * sizeof *taken);
    int64_t count = slow_rounds(ctx, v, n, target, m, d, size, stop, taken), at = 0;
    wn_selection *s = run(ctx, v, n, target, m, d, &p);

    assert_int_equal(s->size, count);
    for (int64_t i = 0; i < n; i++) {
        assert_int_equal(s->why[i].rule, taken[i] ? WN_WHY_KEPT : WN_WHY_OFF_TARGET);
        assert_int_equal(s->why[i].copies, taken[i] > 0);
        assert_in_range(s->why[i].cluster, 0, m - 1);
        assert_true(fabsf(s->why[i].similarity) <= 1.001f);
        if (taken[i]) assert_int_equal(s->rows[at++], i);
    }
    wn_selection_free(s);
    free(taken);
    wn_ctx_free(ctx);
}

static void rounds_as_told(void **state)
{
    enum { N = 300, M = 12, D = 6 };
    float *v = ts_normal(N, D, 1), *target = ts_normal(M, D, 2);

    (void)state;
    memcpy(v + 5 * D, v + 200 * D, D * sizeof *v);         /* a tie */
    memcpy(target + 3 * D, target + 7 * D, D * sizeof *v); /* two prototypes want the same rows */
    for (int64_t size = 1; size <= N; size += 37)
        same_as_slow(v, N, target, M, D, size, 0.9);
    same_as_slow(v, N, target, M, D, N, 0);
    for (int stop = 0; stop <= 10; stop++)
        same_as_slow(v, N, target, M, D, 0, stop / 10.0);
    same_as_slow(v, 1, target, M, D, 0, 0.5);
    same_as_slow(v, N, target, 1, D, 40, 0.5);
    free(v);
    free(target);
}

/* More prototypes than the lists have room for: they are made anew on the way. */
static void lists_run_out(void **state)
{
    enum { N = 2600, M = 1100, D = 3 };
    float *v = ts_normal(N, D, 1), *target = ts_normal(M, D, 2);

    (void)state;
    same_as_slow(v, N, target, M, D, N - 20, 0);
    free(v);
    free(target);
}

/* 300 rows of the target's three blobs among 3,000 rows of any direction. */
static void planted_target(void **state)
{
    enum { N = 3300, GOOD = 300, M = 120, D = 24 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);
    float *blobs = ts_blobs(GOOD + M, D, 3, 0.3, 7, NULL);

    (void)state;
    memcpy(v, blobs, (size_t)GOOD * D * sizeof *v);
    for (int given = 0; given < 2; given++) {
        wn_select_simcore_params p = params(given ? GOOD : 0, 0.75, given ? 3 : 20);
        wn_selection *s = run(ctx, v, N, blobs + (int64_t)GOOD * D, M, D, &p);
        int64_t hits = 0;
        for (int64_t i = 0; i < GOOD; i++)
            hits += s->why[i].copies;
        print_message("simcore: %lld taken, precision %.3f, recall %.3f\n", (long long)s->size,
                      (double)hits / (double)s->size, (double)hits / GOOD);
        assert_true((double)hits >= 0.9 * (double)s->size);
        assert_true((double)hits >= 0.7 * GOOD);
        wn_selection_free(s);
    }
    free(v);
    free(blobs);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_select_input *in, const wn_select_simcore_params *p,
                    wn_status status, const char *text)
{
    wn_selection *s;

    assert_int_equal(wn_select_simcore(ctx, in, p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    enum { N = 30, D = 4 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_select_simcore_params p = params(31, 0.9, 5);
    wn_pool *pool, *target, *none, *narrow, *away;
    float far[D];

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 8, D, WN_F32, WN_L2, &target));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 0, D, WN_F32, WN_L2, &none));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 8, D - 1, WN_F32, WN_L2, &narrow));
    in.pool = pool;
    refused(ctx, &in, &p, WN_E_USAGE, "no target is given");
    in.target = none;
    refused(ctx, &in, &p, WN_E_DATA, "the target has no rows");
    in.target = narrow;
    refused(ctx, &in, &p, WN_E_DATA, "the target has rows of 3 columns, the pool of 4");
    in.target = target;
    refused(ctx, &in, &p, WN_E_DATA, "size is 31 but 30 rows");
    p.k = 9;
    refused(ctx, &in, &p, WN_E_DATA, "k is 9 but the target has 8 rows");
    p.k = 5;
    in.pool = none;
    refused(ctx, &in, &p, WN_E_DATA, "no rows to choose from");
    p = params(0, 0.9, 0);
    for (int j = 0; j < D; j++)
        far[j] = -v[j];
    ts_ok(ctx, wn_pool_wrap(ctx, far, 1, D, WN_F32, WN_L2, &away));
    wn_pool_free(pool);
    ts_ok(ctx, wn_pool_wrap(ctx, v, 1, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    in.target = away;
    refused(ctx, &in, &p, WN_E_DATA, "nothing of the pool is like the target");
    memset(v, 0, D * sizeof *v);
    refused(ctx, &in, &p, WN_E_DATA, "row 0");
    wn_pool_free(pool);
    wn_pool_free(target);
    wn_pool_free(none);
    wn_pool_free(narrow);
    wn_pool_free(away);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(rounds_as_told), cmocka_unit_test(lists_run_out),
        cmocka_unit_test(planted_target), cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
