/* SPDX-License-Identifier: Apache-2.0
 *
 * Quality of the cluster family as numbers: evenness of centres on rings of very different density, inertia
 * on the features of CIFAR-10.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>

#include "support/results.h"
#include "support/support.h"

/* ---- rings: the kind of toy in vo2024 ------------------------------------------------------------------ */

/* Three rings of equal area in the plane, 1..sqrt 2, 2..sqrt 5 and 3..sqrt 10, with 100 : 10 : 1 rows. The
 * same numbers as in tools/make_rings_figure.py; no libm, so the same bits everywhere. */
#define RING_ROWS 30000
static const int ring_rows[3] = {27027, 2703, 270};

static double uniform(uint64_t i)
{
    uint64_t z = (i + 1) * 0x9e3779b97f4a7c15u;

    z = (z ^ z >> 30) * 0xbf58476d1ce4e5b9u;
    z = (z ^ z >> 27) * 0x94d049bb133111ebu;
    return (double)((z ^ z >> 31) >> 11) * 0x1p-53;
}

static float *rings(void)
{
    float *x = malloc((size_t)RING_ROWS * 2 * sizeof *x);
    uint64_t draw = 0;
    int at = 0;

    for (int ring = 0; ring < 3; ring++) {
        double inner = (ring + 1.0) * (ring + 1.0), outer = inner + 1;

        for (int i = 0; i < ring_rows[ring];) {
            double a = 8 * uniform(2 * draw) - 4, b = 8 * uniform(2 * draw + 1) - 4;
            double r2 = a * a + b * b;

            draw++;
            if (r2 < inner || r2 > outer) continue;
            x[2 * at] = (float)a;
            x[2 * at + 1] = (float)b;
            at++;
            i++;
        }
    }
    return x;
}

/* Kullback-Leibler divergence of the centres' distribution over 24 cells of equal area (3 rings, 8 sectors)
 * from the uniform one; a centre between rings counts to the nearer. */
static double unevenness(const wn_partition *p)
{
    double count[24] = {0}, sum = 0;

    for (int32_t c = 0; c < p->k; c++) {
        double a = p->centers[2 * c], b = p->centers[2 * c + 1], r2 = a * a + b * b;
        int ring = r2 < 2.914213562 ? 0 : r2 < 6.854101966 ? 1 : 2; /* ((sqrt 2 + 2) / 2)^2, ... */
        int sector = (a < 0) * 4 + (b < 0) * 2 + (fabs(a) < fabs(b));

        count[ring * 8 + sector]++;
    }
    for (int i = 0; i < 24; i++)
        if (count[i] > 0) sum += count[i] / p->k * log(24 * count[i] / p->k);
    return sum;
}

static double of_seed(const char *method, const char *k, int steps, uint64_t seed)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *x = rings();
    const wn_method *m = wn_method_find("cluster", method);
    wn_cluster_input in = {.struct_size = sizeof in};
    wn_hkmeans_params hk;
    wn_kmeans_params km;
    void *params = steps < 0 ? (void *)&km : (void *)&hk;
    wn_pool *pool;
    wn_tree *tree;
    double value;

    ts_ok(ctx, wn_pool_wrap(ctx, x, RING_ROWS, 2, WN_F32, WN_L2, &pool));
    in.pool = pool;
    wn_params_init(m, params);
    ts_ok(ctx, wn_params_set(ctx, m, params, "k", k));
    if (steps >= 0) {
        hk.resample_steps = steps;
        hk.seed = seed;
    } else {
        km.seed = seed;
    }
    ts_ok(ctx, wn_cluster_run(ctx, m, &in, params, &tree));
    value = unevenness(tree->level[tree->levels - 1]);
    wn_tree_free(tree);
    wn_pool_free(pool);
    free(x);
    wn_ctx_free(ctx);
    return value;
}

/* Mean over five seeds: a hundred centres in 24 cells are few. */
static double of_rings(const char *method, const char *k, int steps)
{
    double sum = 0;

    for (uint64_t seed = 0; seed < 5; seed++)
        sum += of_seed(method, k, steps, seed);
    return sum / 5;
}

static void test_rings(void **state)
{
    double plain = of_rings("kmeans", "100", -1);
    double resampled = of_rings("hkmeans", "100", 10);
    double levels = of_rings("hkmeans", "1000,100", 0);
    double two = of_rings("hkmeans", "1000,100", 10);
    double three = of_rings("hkmeans", "1000,300,100", 10);

    (void)state;
    print_message(
        "rings: kmeans %.3f, resampled %.3f, two levels %.3f, both %.3f, three levels %.3f\n",
        plain, resampled, levels, two, three);
    ts_result("kmeans", "rings", "k=100", "kl_uniform", "%.3f", plain);
    ts_result("hkmeans", "rings", "k=100 resample_steps=10", "kl_uniform", "%.3f", resampled);
    ts_result("hkmeans", "rings", "k=1000/100 resample_steps=0", "kl_uniform", "%.3f", levels);
    ts_result("hkmeans", "rings", "k=1000/100 resample_steps=10", "kl_uniform", "%.3f", two);
    ts_result("hkmeans", "rings", "k=1000/300/100 resample_steps=10", "kl_uniform", "%.3f", three);
    /* The point of the method, whatever the digits. */
    assert_true(resampled < plain);
    assert_true(levels < plain);
    assert_true(two < levels && two < resampled);
}

/* ---- features of images ---------------------------------------------------------------------------------- */

static void test_cifar(void **state)
{
    const char *path = ts_shared("cifar10_256_f16.npy");
    wn_ctx *ctx;

    (void)state;
    if (!path) {
        print_message("skipped: ../shared/data/cifar10_256_f16.npy is not there\n");
        skip();
    }
    ctx = ts_ctx(2, -1);
    for (int metric = 0; metric < 2; metric++) {
        wn_pool_options opt;
        wn_cluster_input in = {.struct_size = sizeof in};
        wn_kmeans_params p;
        wn_pool *pool;
        wn_tree *tree;
        char params[64];

        wn_pool_options_init(&opt);
        opt.metric = metric;
        opt.rows = 20000;
        ts_ok(ctx, wn_pool_open(ctx, &path, 1, &opt, &pool));
        wn_params_init(wn_method_find("cluster", "kmeans"), &p);
        p.k = 100;
        in.pool = pool;
        ts_ok(ctx, wn_kmeans(ctx, &in, &p, &tree));
        snprintf(params, sizeof params, "rows=20000 k=100 metric=%s", wn_metric_name(metric));
        ts_result("kmeans", "cifar10", params, "inertia", "%.6g", tree->level[0]->report.inertia);
        ts_result("kmeans", "cifar10", params, "iterations", "%.0f",
                  tree->level[0]->report.iterations);
        wn_tree_free(tree);
        wn_pool_free(pool);
    }
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(test_rings), cmocka_unit_test(test_cifar)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
