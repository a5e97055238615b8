/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores made from a graph of neighbours: density, local outlier factor, label agreement.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/support.h"

enum { N = 300, D = 6, K = 9 };

static wn_graph *graph_of(wn_ctx *ctx, const float *v, int64_t n, int64_t d, wn_metric metric,
                          int64_t k)
{
    wn_graph_knn_params p = {.struct_size = sizeof p, .k = k};
    wn_graph_input in = {.struct_size = sizeof in};
    wn_pool *pool;
    wn_graph *g;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, d, WN_F32, metric, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_graph_knn(ctx, &in, &p, &g));
    wn_pool_free(pool);
    return g;
}

/* A graph by hand: `k` neighbours a row. */
static wn_graph *hand_graph(wn_ctx *ctx, int64_t n, int64_t k, const int64_t *indices)
{
    wn_graph *g;

    ts_ok(ctx, wn_graph_new(ctx, n, n * k, WN_L2, &g));
    for (int64_t i = 0; i <= n; i++)
        g->indptr[i] = i * k;
    memcpy(g->indices, indices, (size_t)(n * k) * sizeof *indices);
    return g;
}

static void near(double found, double expected, int64_t row)
{
    if (!(fabs(found - expected) <= 2e-5 * (1 + fabs(expected))))
        fail_msg("row %lld: found %.9g, expected %.9g", (long long)row, found, expected);
}

/* ---- slow twins, from all distances in double --------------------------------------------------------- */

typedef struct twin {
    double distance[N][N];
    int order[N][N]; /* other rows, nearest first */
} twin;

static twin t;
static int sort_row;

static int nearer(const void *a, const void *b)
{
    int x = *(const int *)a, y = *(const int *)b;
    double dx = t.distance[sort_row][x], dy = t.distance[sort_row][y];

    return dx != dy ? (dx > dy) - (dx < dy) : (x > y) - (x < y);
}

static void make_twin(const float *v, int n, int d, wn_metric metric)
{
    for (int i = 0; i < n; i++) {
        int m = 0;
        for (int j = 0; j < n; j++) {
            double dot = 0, ii = 0, jj = 0, l2sq = 0;
            for (int c = 0; c < d; c++) {
                double x = (double)v[i * d + c], y = (double)v[j * d + c];
                dot += x * y;
                ii += x * x;
                jj += y * y;
                l2sq += (x - y) * (x - y);
            }
            t.distance[i][j] = metric == WN_COSINE ? 1 - dot / sqrt(ii * jj) : sqrt(l2sq);
            if (j != i) t.order[i][m++] = j;
        }
        sort_row = i;
        qsort(t.order[i], (size_t)m, sizeof t.order[i][0], nearer);
    }
}

static double twin_density(int i, int k, wn_metric metric)
{
    double sum = 0;

    for (int j = 0; j < k; j++)
        sum += t.distance[i][t.order[i][j]];
    return metric == WN_COSINE ? 1 - sum / k : -sum / k;
}

static double k_distance(int i, int k)
{
    return t.distance[i][t.order[i][k - 1]];
}

static double reachability_density(int i, int k)
{
    double sum = 0;

    for (int j = 0; j < k; j++) {
        int o = t.order[i][j];
        sum += fmax(k_distance(o, k), t.distance[i][o]);
    }
    return 1 / (sum / k + 1e-10);
}

static double twin_lof(int i, int k)
{
    double sum = 0;

    for (int j = 0; j < k; j++)
        sum += reachability_density(t.order[i][j], k) / reachability_density(i, k);
    return sum / k;
}

static void equal_the_twins(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 5, 0.4, 2, NULL);

    (void)state;
    for (int metric = 0; metric < 2; metric++) {
        wn_graph *g = graph_of(ctx, v, N, D, (wn_metric)metric, K);
        wn_score_input in = {.struct_size = sizeof in, .graph = g};
        make_twin(v, N, D, (wn_metric)metric);
        for (int k = 0; k <= K; k += 3) {
            wn_score_density_params dp = {.struct_size = sizeof dp, .k = k};
            wn_score_lof_params lp = {.struct_size = sizeof lp, .k = k};
            wn_scores *density, *lof;
            ts_ok(ctx, wn_score_density(ctx, &in, &dp, &density));
            ts_ok(ctx, wn_score_lof(ctx, &in, &lp, &lof));
            assert_int_equal(density->n, N);
            for (int i = 0; i < N; i++) {
                near(density->v[i], twin_density(i, k ? k : K, (wn_metric)metric), i);
                near(lof->v[i], -twin_lof(i, k ? k : K), i);
            }
            wn_scores_free(density);
            wn_scores_free(lof);
        }
        wn_graph_free(g);
    }
    free(v);
    wn_ctx_free(ctx);
}

/* On a line: 0 1 2 and, far away, 10; two neighbours each. The k-distances are 2 1 2 9, the mean reachability
 * distances 1.5 2 1.5 8.5. */
static void lof_by_hand(void **state)
{
    static const float v[] = {0, 1, 2, 10};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_graph *g = graph_of(ctx, v, 4, 1, WN_L2, 2);
    wn_score_input in = {.struct_size = sizeof in, .graph = g};
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_score_lof(ctx, &in, NULL, &s));
    near(s->v[0], -(1 / 2.0 + 1 / 1.5) / 2 * 1.5, 0);
    near(s->v[1], -(1 / 1.5 + 1 / 1.5) / 2 * 2, 1);
    near(s->v[2], -(1 / 2.0 + 1 / 1.5) / 2 * 1.5, 2);
    near(s->v[3], -(1 / 2.0 + 1 / 1.5) / 2 * 8.5, 3);
    wn_scores_free(s);
    ts_ok(ctx, wn_score_density(ctx, &in, NULL, &s));
    assert_memory_equal(s->v, ((float[]){-1.5f, -1, -1.5f, -8.5f}), 4 * sizeof(float));
    wn_scores_free(s);
    wn_graph_free(g);
    wn_ctx_free(ctx);
}

/* More copies of a row than neighbours: factors are 1 inside the copies, huge but finite beside them. */
static void lof_of_copies(void **state)
{
    static const float v[] = {5, 5, 5, 5, 5, 6};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_graph *g = graph_of(ctx, v, 6, 1, WN_L2, 3);
    wn_score_input in = {.struct_size = sizeof in, .graph = g};
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_score_lof(ctx, &in, NULL, &s));
    for (int i = 0; i < 5; i++)
        near(s->v[i], -1, i);
    near(s->v[5] / 1e10, -1, 5);
    wn_scores_free(s);
    wn_graph_free(g);
    wn_ctx_free(ctx);
}

/* Outliers planted far from every blob score lower than all rows of the blobs. */
static void planted_outliers_score_lowest(void **state)
{
    enum { PLANTED = 5 };
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_blobs(N, D, 3, 0.1, 7, NULL), *far = ts_normal(PLANTED, D, 8);

    (void)state;
    for (int i = 0; i < PLANTED; i++) /* apart from each other too */
        for (int j = 0; j < D; j++)
            v[i * D + j] = 10 * far[i * D + j];
    for (int method = 0; method < 2; method++) {
        wn_graph *g = graph_of(ctx, v, N, D, WN_L2, K);
        wn_score_input in = {.struct_size = sizeof in, .graph = g};
        float highest = -INFINITY;
        wn_scores *s;
        ts_ok(ctx,
              method ? wn_score_lof(ctx, &in, NULL, &s) : wn_score_density(ctx, &in, NULL, &s));
        for (int i = 0; i < PLANTED; i++)
            highest = fmaxf(highest, s->v[i]);
        for (int i = PLANTED; i < N; i++)
            assert_true(s->v[i] > highest);
        wn_scores_free(s);
        wn_graph_free(g);
    }
    free(v);
    free(far);
    wn_ctx_free(ctx);
}

/* ---- labels ------------------------------------------------------------------------------------------- */

static void agreement_by_hand(void **state)
{
    /* six rows, three neighbours each */
    static const int64_t near_rows[] = {1, 2, 3, 0, 2, 3, 0, 1, 4, 4, 5, 0, 3, 5, 0, 3, 4, 2};
    static const int64_t given[] = {7, 7, 9, 9, -1, 8};
    /* of the neighbours: 7 9 9 | 7 9 9 | 7 7 - | - 8 7 | 9 8 7 | 9 - 9 */
    static const float share[] = {1 / 3.0f, 1 / 3.0f, 0, 0, 0, 0};
    static const uint8_t flags[] = {1, 1, 1, 1, 2, 1};
    static const int32_t suggested[] = {2, 2, 0, 0, 0, 2}; /* classes 7 8 9 are 0 1 2 */
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_graph *g = hand_graph(ctx, 6, 3, near_rows);
    wn_score_input in = {.struct_size = sizeof in, .graph = g};
    wn_score_label_agreement_params p = {.struct_size = sizeof p, .k = 2};
    wn_labels *labels;
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_labels_from_ints(ctx, given, 6, &labels));
    in.labels = labels;
    ts_ok(ctx, wn_score_label_agreement(ctx, &in, NULL, &s));
    assert_memory_equal(s->v, share, sizeof share);
    assert_memory_equal(s->flags, flags, sizeof flags);
    assert_memory_equal(s->suggested, suggested, sizeof suggested);
    assert_int_equal(s->n_flags, 3);
    assert_string_equal(s->flag_names[1], "disagree");
    wn_scores_free(s);
    /* With two neighbours the own label of row 0 ties with another, and wins. */
    ts_ok(ctx, wn_score_label_agreement(ctx, &in, &p, &s));
    assert_int_equal(s->flags[0], 0);
    assert_int_equal(s->suggested[0], 0);
    assert_true(s->v[0] == 0.5f);
    wn_scores_free(s);
    wn_labels_free(labels);
    wn_graph_free(g);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* One label in twenty is flipped; nearly all of those, and few others, disagree. */
static void flipped_labels_disagree(void **state)
{
    enum { ROWS = 2000, BLOBS = 8 };
    wn_ctx *ctx = ts_ctx(2, -1);
    int32_t *blob = malloc(ROWS * sizeof *blob);
    float *v = ts_blobs(ROWS, 12, BLOBS, 0.3, 3, blob);
    int64_t *given = malloc(ROWS * sizeof *given), found = 0, flipped = 0, wrong = 0;
    wn_graph *g = graph_of(ctx, v, ROWS, 12, WN_COSINE, 10);
    wn_score_input in = {.struct_size = sizeof in, .graph = g};
    wn_labels *labels;
    wn_scores *s;

    (void)state;
    for (int64_t i = 0; i < ROWS; i++)
        given[i] = (blob[i] + (i % 20 == 0)) % BLOBS;
    ts_ok(ctx, wn_labels_from_ints(ctx, given, ROWS, &labels));
    in.labels = labels;
    ts_ok(ctx, wn_score_label_agreement(ctx, &in, NULL, &s));
    for (int64_t i = 0; i < ROWS; i++) {
        flipped += i % 20 == 0;
        found += i % 20 == 0 && s->flags[i] == 1 && s->suggested[i] == blob[i];
        wrong += i % 20 != 0 && s->flags[i] == 1;
    }
    if (found < flipped * 98 / 100 || wrong > ROWS / 200)
        fail_msg("%lld of %lld flipped labels found, %lld others", (long long)found,
                 (long long)flipped, (long long)wrong);
    wn_scores_free(s);
    wn_labels_free(labels);
    wn_graph_free(g);
    free(v);
    free(blob);
    free(given);
    wn_ctx_free(ctx);
}

/* ---- bad input ---------------------------------------------------------------------------------------- */

static void refused(wn_ctx *ctx, wn_status st, wn_status want, wn_scores *const *s,
                    const char *text)
{
    if (st != want || *s || !strstr(wn_ctx_error(ctx), text))
        fail_msg("expected %s with '%s', found %s: %s", wn_status_name(want), text,
                 wn_status_name(st), wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_graph *g = hand_graph(ctx, 3, 1, (int64_t[]){1, 2, 0}), *gap;
    wn_score_input in = {.struct_size = sizeof in};
    wn_score_density_params dp = {.struct_size = sizeof dp, .k = 2};
    wn_score_lof_params lp = {.struct_size = sizeof lp, .k = 2};
    wn_score_label_agreement_params ap = {.struct_size = sizeof ap, .k = 2};
    wn_labels *labels;
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_graph_new(ctx, 3, 2, WN_L2, &gap)); /* row 1 has none */
    memcpy(gap->indptr, (int64_t[]){0, 1, 1, 2}, 4 * sizeof(int64_t));
    gap->indices[0] = 1;
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){1, 2}, 2, &labels));
    refused(ctx, wn_score_density(ctx, &in, NULL, &s), WN_E_USAGE, &s, "no graph is given");
    in.graph = g;
    refused(ctx, wn_score_density(ctx, &in, &dp, &s), WN_E_DATA, &s,
            "k is 2 but row 0 of the graph has 1");
    refused(ctx, wn_score_lof(ctx, &in, &lp, &s), WN_E_DATA, &s,
            "k is 2 but row 0 of the graph has 1");
    refused(ctx, wn_score_label_agreement(ctx, &in, NULL, &s), WN_E_USAGE, &s,
            "no labels is given");
    in.labels = labels;
    refused(ctx, wn_score_label_agreement(ctx, &in, NULL, &s), WN_E_DATA, &s,
            "the labels are of 2 rows, expected 3");
    wn_labels_free(labels);
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){1, 2, 1}, 3, &labels));
    in.labels = labels;
    refused(ctx, wn_score_label_agreement(ctx, &in, &ap, &s), WN_E_DATA, &s,
            "k is 2 but row 0 of the graph has 1");
    wn_labels_free(labels);
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){5, 5, 5}, 3, &labels));
    in.labels = labels;
    refused(ctx, wn_score_label_agreement(ctx, &in, NULL, &s), WN_E_DATA, &s,
            "all labels are of class '5', expected two classes or more");
    in.graph = gap;
    refused(ctx, wn_score_density(ctx, &in, NULL, &s), WN_E_DATA, &s,
            "row 1 of the graph has no neighbour");
    refused(ctx, wn_score_lof(ctx, &in, NULL, &s), WN_E_DATA, &s, "has no neighbour");
    wn_labels_free(labels);
    wn_graph_free(g);
    wn_graph_free(gap);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(equal_the_twins),   cmocka_unit_test(lof_by_hand),
        cmocka_unit_test(lof_of_copies),     cmocka_unit_test(planted_outliers_score_lowest),
        cmocka_unit_test(agreement_by_hand), cmocka_unit_test(flipped_labels_disagree),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
