/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_s2l: kinds of loss trajectories planted in unequal numbers come out even.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"

enum { T = 6 };

/* Kind 0 is learnt at once, kind 1 slowly, kind 2 never. */
static float *trajectories(int64_t n, const int64_t *end, int kinds, int32_t *kind)
{
    float *v = malloc((size_t)(n * T) * sizeof *v);

    for (int64_t i = 0; i < n; i++) {
        int which = 0;
        while (which + 1 < kinds && i >= end[which])
            which++;
        kind[i] = which;
        for (int t = 0; t < T; t++) {
            double base = which == 0 ? 2.0 / (1 + 8 * t) : which == 1 ? 2.0 - 0.3 * t : 2.5;
            v[i * T + t] = (float)(base + 0.05 * wni_rand_unit(1, 2, (uint64_t)(i * T + t)));
        }
    }
    return v;
}

static wn_selection *run(wn_ctx *ctx, const float *v, int64_t n, wn_metric metric, int64_t size,
                         int64_t k, uint64_t seed)
{
    wn_select_input in = {.struct_size = sizeof in, .n = n};
    wn_select_s2l_params p;
    wn_pool *losses;
    wn_selection *s;

    wn_params_init(wn_method_find("select", "s2l"), &p);
    p.size = size;
    p.k = k;
    p.seed = seed;
    ts_ok(ctx, wn_pool_wrap(ctx, v, n, T, WN_F32, metric, &losses));
    in.losses = losses;
    ts_ok(ctx, wn_select_s2l(ctx, &in, &p, &s));
    wn_pool_free(losses);
    return s;
}

static void kinds_come_out_even(void **state)
{
    enum { N = 1000 };
    static const int64_t end[] = {850, 950, N}; /* 850, 100 and 50 rows */
    wn_ctx *ctx = ts_ctx(2, -1);
    int32_t kind[N];
    float *v = trajectories(N, end, 3, kind);

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int64_t size = 3; size <= N; size += 111) {
            wn_selection *s = run(ctx, v, N, (wn_metric)metric, size, 3, 0);
            int64_t got[3] = {0}, rows[3] = {850, 100, 50}, taken = 0;
            int order[3] = {2, 1, 0}; /* ascending by size */

            assert_int_equal(s->size, size);
            for (int64_t i = 0; i < N; i++) {
                got[kind[i]] += s->why[i].copies;
                assert_int_equal(s->why[i].cluster, s->why[kind[i] ? end[kind[i] - 1] : 0].cluster);
                assert_int_equal(s->why[i].rule, s->why[i].copies ? WN_WHY_KEPT : WN_WHY_NOT_DRAWN);
            }
            for (int a = 0; a < 3; a++) { /* the paper's loop; units that are left differ by one */
                int64_t share = (size - taken) / (3 - a);
                share = wni_min(share, rows[order[a]]);
                assert_in_range(got[order[a]] - share + 1, 0, 2);
                taken += got[order[a]];
            }
            wn_selection_free(s);
        }
    free(v);
    wn_ctx_free(ctx);
}

static void chance_goes_by_the_seed(void **state)
{
    enum { N = 200 };
    static const int64_t end[] = {100, N};
    wn_ctx *ctx = ts_ctx(1, -1);
    int32_t kind[N];
    float *v = trajectories(N, end, 2, kind);
    wn_selection *a = run(ctx, v, N, WN_L2, 20, 2, 1), *b = run(ctx, v, N, WN_L2, 20, 2, 1);
    wn_selection *c = run(ctx, v, N, WN_L2, 20, 2, 2);

    (void)state;
    assert_memory_equal(a->rows, b->rows, 20 * sizeof *a->rows);
    assert_memory_not_equal(a->rows, c->rows, 20 * sizeof *a->rows);
    wn_selection_free(a);
    wn_selection_free(b);
    wn_selection_free(c);
    free(v);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_pool *losses, int64_t size, int64_t k, wn_status status,
                    const char *text)
{
    wn_select_input in = {.struct_size = sizeof in, .losses = losses};
    wn_select_s2l_params p;
    wn_selection *s;

    in.n = losses ? wn_pool_rows(losses) : 0;
    wn_params_init(wn_method_find("select", "s2l"), &p);
    p.size = size;
    p.k = k;
    assert_int_equal(wn_select_s2l(ctx, &in, &p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    static float v[5 * T];
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *losses, *none;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 5, T, WN_F32, WN_L2, &losses));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 0, T, WN_F32, WN_L2, &none));
    refused(ctx, NULL, 3, 2, WN_E_USAGE, "no losses is given");
    refused(ctx, losses, 6, 2, WN_E_DATA, "size is 6 but 5 rows");
    refused(ctx, losses, 3, 6, WN_E_DATA, "k is 6 but there are 5 rows");
    refused(ctx, none, 1, 1, WN_E_DATA, "no rows to choose from");
    v[7] = __builtin_nanf("");
    refused(ctx, losses, 3, 2, WN_E_DATA, "row 1");
    wn_pool_free(losses);
    wn_pool_free(none);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(kinds_come_out_even),
                                       cmocka_unit_test(chance_goes_by_the_seed),
                                       cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
