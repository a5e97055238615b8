/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_measure_partition: agreements known by hand, shapes against all pairs in double, trees, what is undefined.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/support.h"

#define NEAR(a, b, by) assert_true(fabs((a) - (b)) <= (by))

static double real(const wn_measurement *m, const char *group, const char *name)
{
    const wn_value *v = wn_measurement_find(m, group, name);

    if (!v) fail_msg("no value %s", name);
    return v->x;
}

static wn_labels *labels_of(wn_ctx *ctx, const int64_t *v, int64_t n)
{
    wn_labels *labels;

    ts_ok(ctx, wn_labels_from_ints(ctx, v, n, &labels));
    return labels;
}

static wn_measurement *agree(wn_ctx *ctx, const int64_t *parts, const int64_t *classes, int64_t n)
{
    wn_measure_input in = {.struct_size = sizeof in, .n = n};
    wn_labels *a = labels_of(ctx, parts, n), *b = labels_of(ctx, classes, n);
    wn_measurement *m;

    in.groups = a;
    in.labels = b;
    ts_ok(ctx, wn_measure_partition(ctx, &in, NULL, &m));
    wn_labels_free(a);
    wn_labels_free(b);
    return m;
}

static void agreement_by_hand(void **state)
{
    static const int64_t a[] = {0, 0, 1, 1}, renamed[] = {9, 9, 3, 3}, cross[] = {0, 1, 0, 1};
    static const int64_t one[] = {5, 5, 5, 5}, each[] = {1, 2, 3, 4};
    static const int64_t parts[] = {0, 0, 0, 1, 1, 1, -1, 2}, classes[] = {0, 0, 1, 1, 1, 1, 0, -1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_measurement *m;
    double h;

    (void)state;
    m = agree(ctx, a, renamed, 4); /* the same but for the names */
    assert_true(real(m, NULL, "adjusted_rand") == 1);
    NEAR(real(m, NULL, "v_measure"), 1, 1e-12);
    NEAR(real(m, NULL, "normalised_mutual_information"), 1, 1e-12);
    wn_measurement_free(m);
    m = agree(ctx, a, cross, 4); /* independent: worse than chance by the pairs */
    NEAR(real(m, NULL, "adjusted_rand"), -0.5, 1e-12);
    NEAR(real(m, NULL, "v_measure"), 0, 1e-12);
    wn_measurement_free(m);
    m = agree(ctx, one, a, 4);
    NEAR(real(m, NULL, "homogeneity"), 0, 1e-12);
    NEAR(real(m, NULL, "completeness"), 1, 1e-12);
    NEAR(real(m, NULL, "adjusted_rand"), 0, 1e-12);
    wn_measurement_free(m);
    m = agree(ctx, each, a, 4);
    NEAR(real(m, NULL, "homogeneity"), 1, 1e-12);
    NEAR(real(m, NULL, "completeness"), 0.5, 1e-12);
    NEAR(real(m, NULL, "normalised_mutual_information"), sqrt(0.5), 1e-12);
    wn_measurement_free(m);
    m = agree(ctx, one, one, 4);
    assert_true(real(m, NULL, "adjusted_rand") == 1 && real(m, NULL, "v_measure") == 1);
    wn_measurement_free(m);

    m = agree(ctx, parts, classes, 8); /* six rows: cells 2 1 | 0 3 */
    assert_int_equal(wn_measurement_find(m, NULL, "rows_compared")->i, 6);
    NEAR(real(m, NULL, "adjusted_rand"), (4 - 6 * 7 / 15.0) / (6.5 - 6 * 7 / 15.0), 1e-12);
    h = 1 - (2 / 3.0 * log(1.5) + 1 / 3.0 * log(3)) / 2 / (log(3) - 2 / 3.0 * log(2));
    NEAR(real(m, NULL, "homogeneity"), h, 1e-12);
    wn_measurement_free(m);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- shape -------------------------------------------------------------------------------------------- */

static double distance(const float *x, const float *y, int64_t d, int cosine)
{
    double xy = 0, xx = 0, yy = 0, l2 = 0;

    for (int64_t i = 0; i < d; i++) {
        double a = (double)x[i], b = (double)y[i];
        xy += a * b;
        xx += a * a;
        yy += b * b;
        l2 += (a - b) * (a - b);
    }
    return cosine ? 1 - xy / sqrt(xx * yy) : sqrt(l2);
}

static double twin_silhouette(const float *v, int64_t n, int64_t d, const int64_t *label, int k,
                              int cosine, const int64_t *judged, int64_t m)
{
    double total = 0;

    for (int64_t q = 0; q < m; q++) {
        double sum[64] = {0}, b = INFINITY, a;
        int64_t size[64] = {0}, i = judged[q];
        for (int64_t j = 0; j < n; j++) {
            if (label[j] < 0) continue;
            size[label[j]]++;
            if (j != i) sum[label[j]] += distance(v + i * d, v + j * d, d, cosine);
        }
        if (size[label[i]] == 1) continue;
        a = sum[label[i]] / (double)(size[label[i]] - 1);
        for (int c = 0; c < k; c++)
            if (c != label[i] && size[c]) b = fmin(b, sum[c] / (double)size[c]);
        total += (b - a) / fmax(a, b);
    }
    return total / (double)m;
}

/* Davies-Bouldin and Calinski-Harabasz of rows that are Euclidean. */
static void twin_scatter(const float *v, int64_t n, int64_t d, const int64_t *label, int k,
                         double *bouldin, double *harabasz)
{
    double *mean = calloc((size_t)((k + 1) * d), sizeof *mean), spread[64] = {0}, within = 0;
    double between = 0;
    int64_t size[64] = {0}, all = 0;
    int used = 0;

    for (int64_t i = 0; i < n; i++) {
        if (label[i] < 0) continue;
        size[label[i]]++;
        all++;
        for (int64_t j = 0; j < d; j++) {
            mean[label[i] * d + j] += (double)v[i * d + j];
            mean[k * d + j] += (double)v[i * d + j];
        }
    }
    for (int c = 0; c <= k; c++)
        for (int64_t j = 0; j < d; j++)
            mean[c * d + j] /= (double)(c < k ? size[c] : all);
    for (int64_t i = 0; i < n; i++) {
        double d2 = 0;
        if (label[i] < 0) continue;
        for (int64_t j = 0; j < d; j++)
            d2 += pow((double)v[i * d + j] - mean[label[i] * d + j], 2);
        within += d2;
        spread[label[i]] += sqrt(d2) / (double)size[label[i]];
    }
    *bouldin = 0;
    for (int a = 0; a < k; a++) {
        double worst = 0, d2 = 0;
        if (!size[a]) continue;
        used++;
        for (int64_t j = 0; j < d; j++)
            d2 += pow(mean[a * d + j] - mean[k * d + j], 2);
        between += (double)size[a] * d2;
        for (int b = 0; b < k; b++) {
            double apart = 0;
            if (a == b || !size[b]) continue;
            for (int64_t j = 0; j < d; j++)
                apart += pow(mean[a * d + j] - mean[b * d + j], 2);
            worst = fmax(worst, (spread[a] + spread[b]) / sqrt(apart));
        }
        *bouldin += worst;
    }
    *bouldin /= used;
    *harabasz = between / (used - 1) / (within / (double)(all - used));
    free(mean);
}

static void like_all_pairs(void **state)
{
    enum { N = 400, D = 7, K = 9 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, K, 0.8, 4, NULL);
    int64_t label[N], judged[N], in_cluster = 0;
    double bouldin, harabasz;

    (void)state;
    for (int64_t i = 0; i < N; i++)
        label[i] = i % 13 == 5 ? -1 : (i * i + i / 50) % 8;
    label[7] = 8; /* alone */
    for (int64_t i = 0; i < N; i++)
        if (label[i] >= 0) judged[in_cluster++] = i;
    twin_scatter(v, N, D, label, K, &bouldin, &harabasz);
    for (int cosine = 0; cosine < 2; cosine++) {
        wn_measure_input in = {.struct_size = sizeof in};
        wn_labels *groups = labels_of(ctx, label, N);
        wn_measure_partition_params p;
        wn_measurement *m, *part;
        wn_pool *pool;
        ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, cosine, &pool));
        wn_params_init(wn_method_find("measure", "partition"), &p);
        in.pool = pool;
        in.groups = groups;
        p.sample = 0;
        ts_ok(ctx, wn_measure_partition(ctx, &in, &p, &m));
        NEAR(real(m, NULL, "silhouette"),
             twin_silhouette(v, N, D, label, K, cosine, judged, in_cluster), 1e-5);
        if (!cosine) {
            NEAR(real(m, NULL, "davies_bouldin"), bouldin, 1e-5 * bouldin);
            NEAR(real(m, NULL, "calinski_harabasz"), harabasz, 1e-5 * harabasz);
        }
        assert_int_equal(wn_measurement_find(m, NULL, "clusters")->i, K);
        assert_int_equal(wn_measurement_find(m, NULL, "smallest")->i, 1);
        assert_int_equal(wn_measurement_find(m, NULL, "rows_in_clusters")->i, in_cluster);
        p.sample = 50;
        ts_ok(ctx, wn_measure_partition(ctx, &in, &p, &part));
        assert_int_equal(wn_measurement_find(part, NULL, "rows_judged")->i, 50);
        assert_true(fabs(real(part, NULL, "silhouette") - real(m, NULL, "silhouette")) < 0.1);
        assert_true(real(part, NULL, "davies_bouldin") == real(m, NULL, "davies_bouldin"));
        wn_measurement_free(m);
        wn_measurement_free(part);
        wn_labels_free(groups);
        wn_pool_free(pool);
    }
    free(v);
    wn_ctx_free(ctx);
}

/* Two far pairs on a line: every number by hand. */
static void two_pairs(void **state)
{
    static const float v[] = {0, 1, 10, 11};
    static const int64_t label[] = {0, 0, 1, 1}, one[] = {0, 0, 0, 0}, each[] = {0, 1, 2, 3};
    const int64_t *undefined[] = {one, each};
    wn_measure_input in = {.struct_size = sizeof in};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_labels *groups = labels_of(ctx, label, 4);
    wn_measurement *m;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 4, 1, WN_F32, WN_L2, &pool));
    in.pool = pool;
    in.groups = groups;
    ts_ok(ctx, wn_measure_partition(ctx, &in, NULL, &m));
    NEAR(real(m, NULL, "silhouette"), (9.5 / 10.5 + 8.5 / 9.5) / 2, 1e-6);
    NEAR(real(m, NULL, "davies_bouldin"), 0.1, 1e-7);
    NEAR(real(m, NULL, "calinski_harabasz"), 100 / (1 / 2.0), 1e-4);
    wn_measurement_free(m);
    wn_labels_free(groups);
    for (int i = 0; i < 2;
         i++) { /* one cluster; every row its own: not defined, and not a number made up */
        in.groups = groups = labels_of(ctx, undefined[i], 4);
        ts_ok(ctx, wn_measure_partition(ctx, &in, NULL, &m));
        assert_null(wn_measurement_find(m, NULL, "silhouette"));
        assert_null(wn_measurement_find(m, NULL, "calinski_harabasz"));
        assert_true(isnan(wn_measurement_cell(m, 0, "silhouette")->x));
        wn_measurement_free(m);
        wn_labels_free(groups);
    }
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* Each level of a tree is the partition that its labels spell out. */
static void levels_of_a_tree(void **state)
{
    enum { N = 120, D = 3 };
    wn_measure_input in = {.struct_size = sizeof in}, flat = in;
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 6, 0.3, 2, NULL);
    int64_t upper[N], classes[N];
    wn_measurement *m, *n;
    wn_labels *none, *labels, *groups;
    wn_tree *tree;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_tree_new(ctx, WN_L2, &tree));
    tree->levels = 2;
    ts_ok(ctx, wn_partition_new(ctx, N, 6, D, &tree->level[0]));
    ts_ok(ctx, wn_partition_new(ctx, 6, 2, D, &tree->level[1]));
    for (int i = 0; i < 6; i++)
        tree->level[1]->labels[i] = i % 2;
    for (int64_t i = 0; i < N; i++) {
        tree->level[0]->labels[i] = i % 7 == 6 ? -1 : (int32_t)(i * 5 % 6);
        upper[i] = i % 7 == 6 ? -1 : i * 5 % 6 % 2;
        classes[i] = i % 4;
    }
    labels = labels_of(ctx, classes, N);
    groups = labels_of(ctx, upper, N);
    in.pool = flat.pool = pool;
    in.labels = flat.labels = labels;
    in.tree = tree;
    flat.groups = groups;
    ts_ok(ctx, wn_measure_partition(ctx, &in, NULL, &m));
    ts_ok(ctx, wn_measure_partition(ctx, &flat, NULL, &n));
    assert_int_equal(m->rows, 2);
    assert_int_equal(m->columns, n->columns);
    for (int32_t c = 1; c < n->columns; c++) {
        const char *name = n->column_names[c];
        assert_true(wn_measurement_cell(m, 1, name)->x == wn_measurement_cell(n, 0, name)->x);
    }
    assert_true(real(m, "level2", "adjusted_rand") == real(n, NULL, "adjusted_rand"));
    wn_measurement_free(m);
    wn_measurement_free(n);

    in.groups = groups;
    assert_int_equal(wn_measure_partition(ctx, &in, NULL, &m), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "found both of tree and groups"));
    in.tree = NULL;
    in.pool = NULL;
    in.labels = NULL;
    in.n = N;
    assert_int_equal(wn_measure_partition(ctx, &in, NULL, &m), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "nothing to judge by"));
    in.groups = NULL;
    in.tree = tree;
    in.labels = labels;
    tree->level[0]->labels[3] = 6;
    assert_int_equal(wn_measure_partition(ctx, &in, NULL, &m), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "row 3 the label 6"));

    in.tree = NULL;
    in.labels = NULL;
    in.pool = pool;
    for (int64_t i = 0; i < N; i++)
        classes[i] = -1;
    in.groups = none = labels_of(ctx, classes, N);
    assert_int_equal(wn_measure_partition(ctx, &in, NULL, &m), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no row is in a cluster"));
    in.groups = groups;
    for (int64_t i = 0; i < N * wn_pool_dim(pool); i++)
        v[i] *= 1e25f;
    assert_int_equal(wn_measure_partition(ctx, &in, NULL, &m), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "squared distances overflow"));
    wn_tree_free(tree);
    wn_labels_free(none);
    wn_labels_free(labels);
    wn_labels_free(groups);
    wn_pool_free(pool);
    free(v);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(agreement_by_hand),
        cmocka_unit_test(like_all_pairs),
        cmocka_unit_test(two_pairs),
        cmocka_unit_test(levels_of_a_tree),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
