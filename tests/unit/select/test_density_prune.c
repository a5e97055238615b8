/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_density_prune: quotas against a unit-by-unit twin, the farthest rows of each cluster, a crowd that
 * is thinned out.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "select/nearest_quota.h"

enum { D = 6 };

/* ---- quotas -------------------------------------------------------------------------------------- */

/* One unit after the other to where it costs least. */
static void slow_quota(const double *want, const int64_t *low, const int64_t *high, int64_t k,
                       int64_t total, int64_t *x)
{
    memcpy(x, low, (size_t)k * sizeof *x);
    for (int64_t i = 0; i < k; i++)
        total -= low[i];
    for (; total > 0; total--) {
        int64_t best = -1;
        for (int64_t i = 0; i < k; i++)
            if (x[i] < high[i] &&
                (best < 0 || (double)x[i] - want[i] < (double)x[best] - want[best]))
                best = i;
        x[best]++;
    }
}

static double cost(const double *want, const int64_t *x, int64_t k)
{
    double sum = 0;

    for (int64_t i = 0; i < k; i++)
        sum += (want[i] - (double)x[i]) * (want[i] - (double)x[i]);
    return sum;
}

static void quotas_as_unit_by_unit(void **state)
{
    enum { K = 7 };
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (uint64_t seed = 0; seed < 300; seed++) {
        double want[K];
        int64_t low[K], high[K], x[K], y[K], least = 0, most = 0;
        for (uint64_t i = 0; i < K; i++) {
            low[i] = wni_rand_below(seed, 1, i, 3);
            high[i] = low[i] + wni_rand_below(seed, 2, i, 20);
            want[i] = wni_rand_unit(seed, 3, i) * 30 - 3;
            if (seed % 3 == 0) want[i] = floor(want[i]); /* ties */
            least += low[i];
            most += high[i];
        }
        for (int64_t total = least; total <= most; total += 1 + (int64_t)(seed % 4)) {
            int64_t sum = 0;
            ts_ok(ctx, wni_nearest_quota(ctx, want, low, high, K, total, x));
            slow_quota(want, low, high, K, total, y);
            for (int64_t i = 0; i < K; i++) {
                assert_in_range(x[i], low[i], high[i]);
                sum += x[i];
            }
            assert_int_equal(sum, total);
            assert_true(fabs(cost(want, x, K) - cost(want, y, K)) < 1e-9);
            if (seed % 3) assert_memory_equal(x, y, sizeof x);
        }
    }
    wn_ctx_free(ctx);
}

/* ---- the method ---------------------------------------------------------------------------------- */

static wn_select_density_prune_params params(int64_t size, int64_t k)
{
    wn_select_density_prune_params p;

    wn_params_init(wn_method_find("select", "density_prune"), &p);
    p.size = size;
    p.k = k;
    return p;
}

/* Clusters of unequal size with their true mean directions as centres; cluster k - 1 has no rows. */
static wn_tree *make_tree(wn_ctx *ctx, const float *v, int64_t n, int32_t k, wn_metric metric)
{
    wn_partition *p;
    wn_tree *tree;

    ts_ok(ctx, wn_tree_new(ctx, metric, &tree));
    tree->levels = 1;
    ts_ok(ctx, wn_partition_new(ctx, n, k, D, &tree->level[0]));
    p = tree->level[0];
    for (int64_t i = 0; i < n; i++) {
        double u = wni_rand_unit(3, 7, (uint64_t)i);
        p->labels[i] = i % 17 == 3 ? -1 : (int32_t)(u * u * (k - 1));
        if (p->labels[i] < 0) continue;
        p->sizes[p->labels[i]]++;
        for (int j = 0; j < D; j++)
            p->centers[p->labels[i] * D + j] += v[i * D + j];
    }
    p->centers[(k - 1) * D] = 1;
    for (int32_t c = 0; c < k; c++) {
        double sum = 0;
        for (int j = 0; j < D; j++)
            sum += (double)p->centers[c * D + j] * (double)p->centers[c * D + j];
        for (int j = 0; j < D; j++)
            p->centers[c * D + j] = (float)((double)p->centers[c * D + j] / sqrt(sum));
    }
    return tree;
}

static double distance(const float *a, const float *b)
{
    double dot = 0, aa = 0, bb = 0;

    for (int j = 0; j < D; j++) {
        dot += (double)a[j] * (double)b[j];
        aa += (double)a[j] * (double)a[j];
        bb += (double)b[j] * (double)b[j];
    }
    return 1 - dot / sqrt(aa * bb);
}

/* Quotas by the formulas of the paper in doubles. */
static void slow_quotas(const float *v, const wn_partition *p, int64_t nearest, double temperature,
                        int64_t size, int64_t *quota)
{
    double want[64] = {0}, sum = 0;
    int64_t low[64];

    for (int32_t c = 0; c < p->k; c++) {
        double intra = 0, inter = 0, to[64];
        int others = 0;
        low[c] = p->sizes[c] > 0;
        if (!low[c]) continue;
        for (int64_t i = 0; i < p->n; i++)
            if (p->labels[i] == c) intra += distance(v + i * D, p->centers + c * D);
        for (int32_t o = 0; o < p->k; o++) {
            double far = distance(p->centers + c * D, p->centers + o * D);
            int at = others;
            if (o == c || !p->sizes[o]) continue;
            for (; at > 0 && to[at - 1] > far; at--)
                to[at] = to[at - 1];
            to[at] = far;
            others++;
        }
        others = others < nearest ? others : (int)nearest;
        for (int o = 0; o < others; o++)
            inter += to[o] / others;
        want[c] = exp(intra / (double)p->sizes[c] * inter / temperature);
        sum += want[c];
    }
    for (int32_t c = 0; c < p->k; c++)
        want[c] = want[c] / sum * (double)size;
    slow_quota(want, low, p->sizes, p->k, size, quota);
}

static void as_the_paper_says(void **state)
{
    enum { N = 500, K = 9 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 5, 0.5, 1, NULL);
    wn_tree *tree = make_tree(ctx, v, N, K, WN_COSINE);
    const wn_partition *p = tree->level[0];
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    for (int64_t size = 10; size < 460; size += 93)
        for (int64_t nearest = 2; nearest < 30; nearest += 18) {
            wn_select_input in = {.struct_size = sizeof in, .pool = pool, .tree = tree};
            wn_select_density_prune_params pp = params(size, 0);
            int64_t quota[K], got[K] = {0};
            double least_in[K], most_out[K];
            wn_selection *s;

            pp.nearest = nearest;
            ts_ok(ctx, wn_select_density_prune(ctx, &in, &pp, &s));
            assert_int_equal(s->size, size);
            slow_quotas(v, p, nearest, 0.1, size, quota);
            for (int c = 0; c < K; c++) {
                least_in[c] = INFINITY;
                most_out[c] = -INFINITY;
            }
            for (int64_t i = 0; i < N; i++) {
                int32_t c = p->labels[i];
                double far;
                assert_int_equal(s->why[i].cluster, c);
                if (c < 0) {
                    assert_int_equal(s->why[i].rule, WN_WHY_NO_CLUSTER);
                    continue;
                }
                assert_int_equal(s->why[i].rule, s->why[i].copies ? WN_WHY_KEPT : WN_WHY_SCORE);
                got[c] += s->why[i].copies;
                far = distance(v + i * D, p->centers + c * D);
                if (s->why[i].copies) least_in[c] = fmin(least_in[c], far);
                if (!s->why[i].copies) most_out[c] = fmax(most_out[c], far);
            }
            for (int c = 0; c < K; c++) {
                assert_in_range(got[c] - quota[c] + 1, 0, 2); /* f32 means may move one unit */
                assert_true(least_in[c] >= most_out[c] - 1e-5);
            }
            wn_selection_free(s);
        }
    wn_pool_free(pool);
    wn_tree_free(tree);
    free(v);
    wn_ctx_free(ctx);
}

/* 900 rows of one narrow direction and 100 spread ones: half the size leaves the spread ones nearly whole. */
static void a_crowd_is_thinned_out(void **state)
{
    enum { N = 1000, CROWD = 900, SIZE = 200 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(N, D, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_select_density_prune_params p = params(SIZE, 12);
    int64_t crowd = 0;
    wn_selection *s;
    wn_pool *pool;

    (void)state;
    for (int64_t i = 0; i < CROWD; i++)
        for (int j = 0; j < D; j++)
            v[i * D + j] = (j == 0 ? 5 : 0) + 0.1f * v[i * D + j];
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    for (int mixed = 0; mixed < 2; mixed++) {
        p.random_share = mixed ? 0.2 : 0;
        ts_ok(ctx, wn_select_density_prune(ctx, &in, &p, &s));
        assert_int_equal(s->size, SIZE);
        crowd = 0;
        for (int64_t i = 0; i < CROWD; i++)
            crowd += s->why[i].copies;
        print_message("density_prune: %lld of %d rows of the crowd, %lld of %d others\n",
                      (long long)crowd, CROWD, (long long)(SIZE - crowd), N - CROWD);
        assert_true(SIZE - crowd >= 80);
        wn_selection_free(s);
    }
    wn_pool_free(pool);
    free(v);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_select_input *in, const wn_select_density_prune_params *p,
                    wn_status status, const char *text)
{
    wn_selection *s;

    assert_int_equal(wn_select_density_prune(ctx, in, p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_and_small_input(void **state)
{
    enum { N = 34 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_select_density_prune_params p = params(35, 3);
    wn_tree *tree = make_tree(ctx, v, N, 5, WN_COSINE), *l2 = make_tree(ctx, v, N, 5, WN_L2);
    wn_selection *s;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    refused(ctx, &in, &p, WN_E_USAGE, "no pool is given");
    in.pool = pool;
    refused(ctx, &in, &p, WN_E_DATA, "size is 35 but 34 rows");
    p = params(5, 35);
    refused(ctx, &in, &p, WN_E_DATA, "k is 35 but there are 34 rows");
    p = params(3, 6);
    refused(ctx, &in, &p, WN_E_DATA, "size is 3 but 6 clusters keep a row each");
    for (int64_t size = 1; size <= N; size += 11) { /* one cluster, and k from the rows */
        p = params(size, size == 12);
        ts_ok(ctx, wn_select_density_prune(ctx, &in, &p, &s));
        assert_int_equal(s->size, size);
        wn_selection_free(s);
    }
    in.tree = l2;
    refused(ctx, &in, &p, WN_E_DATA, "the tree was made under l2");
    in.tree = tree;
    p = params(33, 0);
    refused(ctx, &in, &p, WN_E_DATA, "32 rows are in a cluster of the tree");
    wn_pool_free(pool);
    wn_tree_free(tree);
    wn_tree_free(l2);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(quotas_as_unit_by_unit), cmocka_unit_test(as_the_paper_says),
        cmocka_unit_test(a_crowd_is_thinned_out), cmocka_unit_test(bad_and_small_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
