/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_learn_logistic against plain gradient descent and optima worked out by hand; models in files.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "support/support.h"

static wn_learn_logistic_params params(double l2, int scale)
{
    wn_learn_logistic_params p;

    wn_params_init(wn_method_find("learn", "logistic"), &p);
    p.l2 = l2;
    p.scale = scale;
    p.tol = 1e-7;
    p.max_iter = 2000;
    return p;
}

static wn_labels *labels_of(wn_ctx *ctx, const int32_t *y, int64_t n)
{
    int64_t *v = malloc((size_t)n * sizeof *v);
    wn_labels *labels;

    for (int64_t i = 0; i < n; i++)
        v[i] = y[i];
    ts_ok(ctx, wn_labels_from_ints(ctx, v, n, &labels));
    free(v);
    return labels;
}

typedef struct data {
    float *x;
    int32_t *y;
    int64_t n, d;
} data;

/* Blobs that overlap. */
static data blobs(int64_t n, int64_t d, int64_t k, double sigma)
{
    data b = {NULL, malloc((size_t)n * sizeof(int32_t)), n, d};

    b.x = ts_blobs(n, d, k, sigma, 3, b.y);
    return b;
}

static wn_model *fit(wn_ctx *ctx, const data *b, wn_metric metric, const int64_t *rows, int64_t m,
                     const float *weights, const wn_learn_logistic_params *p)
{
    wn_learn_input in = {.struct_size = sizeof in, .rows = rows, .n_rows = m, .weights = weights};
    wn_labels *labels = labels_of(ctx, b->y, b->n);
    wn_model *model;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, b->x, b->n, b->d, WN_F32, metric, &pool));
    in.pool = pool;
    in.labels = labels;
    ts_ok(ctx, wn_learn_logistic(ctx, &in, p, &model));
    wn_pool_free(pool);
    wn_labels_free(labels);
    return model;
}

static void probs_of(wn_ctx *ctx, const wn_model *m, const data *b, wn_metric metric, float *out)
{
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, b->x, b->n, b->d, WN_F32, metric, &pool));
    ts_ok(ctx, wn_model_probs(ctx, m, pool, NULL, 0, b->n, out));
    wn_pool_free(pool);
}

static void close_to(double got, double want, double by, const char *what)
{
    if (!(fabs(got - want) <= by)) fail_msg("%s: found %.9g, expected %.9g", what, got, want);
}

/* ---- the optimum ----------------------------------------------------------------------------------- */

/* Gradient descent in double: sum of w loss + l2 / 2 |W|^2, small steps until nothing moves. */
static void slow_fit(const data *b, int k, const double *weight, double l2, double *w, double *bias)
{
    int64_t d = b->d;
    double p[8], gw[64], gb[8], rate = 0.3, sum = 0;

    memset(w, 0, (size_t)(k * d) * sizeof *w);
    memset(bias, 0, (size_t)k * sizeof *bias);
    for (int64_t i = 0; i < b->n; i++)
        sum += weight[i];
    for (int step = 0; step < 40000; step++) {
        for (int j = 0; j < k * d; j++)
            gw[j] = l2 * w[j] / sum;
        memset(gb, 0, sizeof gb);
        for (int64_t i = 0; i < b->n; i++) {
            const float *x = b->x + i * d;
            double z = 0;
            for (int c = 0; c < k; c++) {
                p[c] = bias[c];
                for (int j = 0; j < d; j++)
                    p[c] += w[c * d + j] * (double)x[j];
                p[c] = exp(p[c]);
                z += p[c];
            }
            for (int c = 0; c < k; c++) {
                double r = weight[i] * (p[c] / z - (c == b->y[i])) / sum;
                gb[c] += r;
                for (int j = 0; j < d; j++)
                    gw[c * d + j] += r * (double)x[j];
            }
        }
        for (int j = 0; j < k * d; j++)
            w[j] -= rate * gw[j];
        for (int c = 0; c < k; c++)
            bias[c] -= rate * gb[c];
    }
}

static void finds_what_gradient_descent_finds(void **state)
{
    enum { N = 60, D = 3, K = 3 };
    wn_ctx *ctx = ts_ctx(2, -1);
    data b = blobs(N, D, K, 1.0);
    double weight[N], w[K * D], bias[K];
    float weights[N];

    (void)state;
    for (int given = 0; given < 2; given++) {
        wn_learn_logistic_params p = params(0.7, WN_SCALE_NONE);
        wn_model *m;
        for (int i = 0; i < N; i++) {
            weight[i] = given ? 0.25 + i % 4 : 1;
            weights[i] = (float)weight[i];
        }
        slow_fit(&b, K, weight, 0.7, w, bias);
        m = fit(ctx, &b, WN_L2, NULL, 0, given ? weights : NULL, &p);
        assert_int_equal(m->report.converged, 1);
        assert_int_equal(m->report.rows, N);
        for (int j = 0; j < K * D; j++)
            close_to((double)m->weights[j], w[j], 2e-4, "weight");
        for (int c = 1; c < K; c++)
            close_to((double)m->intercept[c] - (double)m->intercept[0], bias[c] - bias[0], 5e-4,
                     "intercept");
        wn_model_free(m);
    }
    free(b.x);
    free(b.y);
    wn_ctx_free(ctx);
}

/* Rows -1 and 1 of two classes: W = (-w, w) with w l2 = 2 / (1 + e^2w), though they can be told apart. */
static void two_rows_by_hand(void **state)
{
    float x[2] = {-1, 1};
    int32_t y[2] = {0, 1};
    data b = {x, y, 2, 1};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (double l2 = 0.01; l2 < 100; l2 *= 10) {
        wn_learn_logistic_params p = params(l2, WN_SCALE_NONE);
        wn_model *m = fit(ctx, &b, WN_L2, NULL, 0, NULL, &p);
        double w = (double)m->weights[1];
        assert_int_equal(m->report.converged, 1);
        assert_true(m->report.accuracy == 1);
        assert_true(m->weights[0] == -m->weights[1]);
        assert_true(fabs((double)m->intercept[0] - (double)m->intercept[1]) < 1e-5);
        close_to(w * l2, 2 / (1 + exp(2 * w)), 1e-5, "slope");
        close_to(m->report.loss, log(1 + exp(-2 * w)), 1e-6, "loss");
        close_to(m->report.penalty, l2 * w * w / 2, 1e-5, "penalty");
        wn_model_free(m);
    }
    wn_ctx_free(ctx);
}

/* Rows that say nothing: the probabilities are the frequencies, or all the same when balanced. */
static void frequencies_without_columns_that_tell(void **state)
{
    enum { N = 10, D = 2 };
    float x[N * D], p3[N * 3];
    int32_t y[N] = {0, 0, 0, 0, 0, 0, 1, 1, 1, 2};
    data b = {x, y, N, D};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (int i = 0; i < N * D; i++)
        x[i] = 0.1f;
    for (int scale = 0; scale < 3; scale++)
        for (int balance = 0; balance < 2; balance++) {
            wn_learn_logistic_params p = params(1, scale);
            wn_model *m;
            p.balance = balance;
            m = fit(ctx, &b, WN_L2, NULL, 0, NULL, &p);
            probs_of(ctx, m, &b, WN_L2, p3);
            close_to((double)p3[0], balance ? 1.0 / 3 : 0.6, 1e-4, "p of class 0");
            close_to((double)p3[2], balance ? 1.0 / 3 : 0.1, 1e-4, "p of class 2");
            wn_model_free(m);
        }
    wn_ctx_free(ctx);
}

static void weights_are_repeats(void **state)
{
    enum { N = 90, D = 4, K = 3 };
    wn_ctx *ctx = ts_ctx(1, -1);
    data b = blobs(N, D, K, 1.0);
    float weights[N], p1[N * K], p2[N * K];
    int64_t rows[N * 3], m = 0;
    wn_learn_logistic_params p = params(1, WN_SCALE_COLUMNS);
    wn_model *one, *two;

    (void)state;
    for (int i = 0; i < N; i++) {
        weights[i] = (float)(i % 4);
        for (int r = 0; r < i % 4; r++)
            rows[m++] = i;
    }
    one = fit(ctx, &b, WN_L2, NULL, 0, weights, &p);
    two = fit(ctx, &b, WN_L2, rows, m, NULL, &p);
    assert_int_equal(one->report.rows, N - (N + 3) / 4);
    assert_int_equal(two->report.rows, m);
    probs_of(ctx, one, &b, WN_L2, p1);
    probs_of(ctx, two, &b, WN_L2, p2);
    for (int i = 0; i < N * K; i++)
        close_to((double)p1[i], (double)p2[i], 1e-4, "p");
    wn_model_free(one);
    wn_model_free(two);
    free(b.x);
    free(b.y);
    wn_ctx_free(ctx);
}

/* What standardising promises: units and offsets of columns do not matter. */
static void units_do_not_matter(void **state)
{
    enum { N = 300, D = 5, K = 4 };
    wn_ctx *ctx = ts_ctx(1, -1);
    data b = blobs(N, D, K, 0.8);
    float p1[N * K], p2[N * K];

    (void)state;
    for (int scale = 0; scale < 2; scale++) {
        wn_learn_logistic_params p = params(0.5, scale);
        wn_model *m = fit(ctx, &b, WN_L2, NULL, 0, NULL, &p);
        data other = {malloc(N * D * sizeof(float)), b.y, N, D};
        probs_of(ctx, m, &b, WN_L2, p1);
        wn_model_free(m);
        for (int i = 0; i < N * D; i++)
            other.x[i] = b.x[i] * (scale == WN_SCALE_COLUMNS && i % D == 2 ? 512.0f : 64.0f) + 8;
        m = fit(ctx, &other, WN_L2, NULL, 0, NULL, &p);
        probs_of(ctx, m, &other, WN_L2, p2);
        wn_model_free(m);
        for (int i = 0; i < N * K; i++)
            close_to((double)p1[i], (double)p2[i], 1e-3, "p");
        free(other.x);
    }
    free(b.x);
    free(b.y);
    wn_ctx_free(ctx);
}

/* ---- promises -------------------------------------------------------------------------------------- */

static void same_bytes_everywhere(void **state)
{
    enum { N = 3000, D = 33, K = 7 };
    static const int threads[] = {1, 2, 8};
    data b = blobs(N, D, K, 1.5);

    (void)state;
    for (int metric = 0; metric < 2; metric++) {
        wn_learn_logistic_params p = params(0.5, metric ? WN_SCALE_COLUMNS : WN_SCALE_GLOBAL);
        wn_ctx *first_ctx = ts_ctx(1, 0);
        wn_model *first = fit(first_ctx, &b, metric, NULL, 0, NULL, &p);
        for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
            for (int t = 0; t < 3; t++)
                for (int held = 0; held < 2; held++) {
                    wn_ctx *ctx = ts_ctx(threads[t], isa);
                    wn_model *m;
                    /* room for the tiles of the threads, not for the rows beside them */
                    if (!held) ctx->budget_bytes = 700000 + threads[t] * 320000;
                    m = fit(ctx, &b, metric, NULL, 0, NULL, &p);
                    if (!held) assert_true(wn_ctx_peak_bytes(ctx) <= ctx->budget_bytes + 65536);
                    assert_memory_equal(m->weights, first->weights, K * D * sizeof(float));
                    assert_memory_equal(m->intercept, first->intercept, K * sizeof(float));
                    assert_true(m->report.loss == first->report.loss);
                    wn_model_free(m);
                    wn_ctx_free(ctx);
                }
        wn_model_free(first);
        wn_ctx_free(first_ctx);
    }
    free(b.x);
    free(b.y);
}

/* A class that the subset has no row of gets probability 0, and the numbers of the others stay. */
static void a_class_without_rows(void **state)
{
    enum { N = 40, D = 2, K = 4 };
    wn_ctx *ctx = ts_ctx(1, -1);
    data b = blobs(N, D, K, 0.2);
    wn_learn_logistic_params p = params(0.1, WN_SCALE_GLOBAL);
    int64_t rows[N], m = 0, counted;
    float probs[N * K];
    double accuracy;
    wn_labels *labels;
    wn_model *model;
    wn_pool *pool;

    (void)state;
    for (int i = 0; i < N; i++)
        if (b.y[i] != 1) rows[m++] = i;
    assert_true(m < N);
    model = fit(ctx, &b, WN_L2, rows, m, NULL, &p);
    assert_int_equal(model->classes, K);
    assert_int_equal(model->report.classes, K - 1);
    assert_true(model->intercept[1] == -HUGE_VALF);
    probs_of(ctx, model, &b, WN_L2, probs);
    for (int i = 0; i < N; i++) {
        double sum = 0;
        for (int c = 0; c < K; c++)
            sum += (double)probs[i * K + c];
        close_to(sum, 1, 1e-6, "sum of probabilities");
        assert_true(probs[i * K + 1] == 0);
    }
    labels = labels_of(ctx, b.y, N);
    ts_ok(ctx, wn_pool_wrap(ctx, b.x, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_model_accuracy(ctx, model, pool, rows, 0, m, labels, &accuracy, &counted));
    assert_int_equal(counted, m);
    close_to(accuracy, model->report.accuracy, 1e-9, "accuracy on the fitted rows");
    ts_ok(ctx, wn_model_accuracy(ctx, model, pool, NULL, 0, N, labels, &accuracy, &counted));
    assert_int_equal(counted, N);
    assert_true(accuracy < 1);
    wn_pool_free(pool);
    wn_labels_free(labels);
    wn_model_free(model);
    free(b.x);
    free(b.y);
    wn_ctx_free(ctx);
}

/* Written by a job, read back: the same answers; files that disagree are refused. */
static void models_in_files(void **state)
{
    enum { N = 50, D = 3, K = 3 };
    wn_ctx *ctx = ts_ctx(1, -1);
    data b = blobs(N, D, K, 0.5);
    float p1[N * K], p2[N * K];
    wn_learn_logistic_params p;
    char text[256], *json;
    wn_model *m, *back;
    size_t bytes;
    wn_job *job;

    (void)state;
    ts_write_npy(ts_path("x.npy"), b.x, N, D);
    snprintf(text, sizeof text, "%s:c", ts_path("y.csv"));
    {
        char csv[N * 8] = "c\n";
        for (int i = 0; i < N; i++)
            snprintf(csv + strlen(csv), 8, "\"k,%d\"\n", b.y[i]);
        ts_write_file(ts_path("y.csv"), csv, strlen(csv));
    }
    ts_ok(ctx, wn_job_new(ctx, "learn", "logistic", &job));
    ts_ok(ctx, wn_job_set(job, "metric", "cosine"));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("x.npy")));
    ts_ok(ctx, wn_job_input(job, "labels", text));
    ts_ok(ctx, wn_job_input(job, "eval", ts_path("x.npy")));
    ts_ok(ctx, wn_job_output(job, ts_path("model")));
    assert_int_equal(wn_job_run(job), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "--eval needs --eval-labels"));
    ts_ok(ctx, wn_job_input(job, "eval-labels", text));
    ts_ok(ctx, wn_job_run(job));
    assert_non_null(strstr(wn_job_summary(job), "\"eval_rows\": 50"));
    wn_job_free(job);
    ts_ok(ctx, wn_model_load(ctx, ts_path("model"), &back));
    assert_int_equal(back->metric, WN_COSINE);
    assert_string_equal(back->names[1], "k,1");
    wn_params_init(wn_method_find("learn", "logistic"), &p);
    m = fit(ctx, &b, WN_COSINE, NULL, 0, NULL, &p);
    probs_of(ctx, m, &b, WN_L2, p1); /* the metric is the model's */
    probs_of(ctx, back, &b, WN_COSINE, p2);
    assert_memory_equal(p1, p2, sizeof p1);
    wn_model_free(m);
    wn_model_free(back);

    json = ts_read_file(ts_path("model/model.json"), &bytes);
    memcpy(strstr(json, "cosine"), "cosina", 6);
    ts_write_file(ts_path("model/model.json"), json, bytes);
    assert_int_equal(wn_model_load(ctx, ts_path("model"), &back), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "found metric 'cosina'"));
    ts_write_file(ts_path("model/model.json"), json, bytes / 2);
    assert_int_equal(wn_model_load(ctx, ts_path("model"), &back), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "found no JSON object"));
    ts_write_npy(ts_path("model/weights.npy"), b.x, 2, D);
    assert_int_equal(wn_model_load(ctx, ts_path("model"), &back), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "found 3 intercepts"));
    assert_null(back);
    free(json);
    free(b.x);
    free(b.y);
    ts_tmp_remove();
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_learn_input *in, const wn_learn_logistic_params *p,
                    wn_status status, const char *text)
{
    wn_model *m;

    assert_int_equal(wn_learn_logistic(ctx, in, p, &m), status);
    assert_null(m);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    enum { N = 12, D = 2 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float *x = ts_normal(N, D, 1), weights[N], out[N];
    int32_t y[N] = {0, 1, 0, 1, 0, 1, 0, 1, 0, 1, 0, 1}, same[N] = {0};
    int64_t rows[2] = {0, 2};
    wn_learn_logistic_params p = params(1, 0);
    wn_learn_input in = {.struct_size = sizeof in};
    wn_labels *labels = labels_of(ctx, y, N), *one = labels_of(ctx, same, N);
    wn_labels *few = labels_of(ctx, y, N - 1);
    wn_model *m;
    wn_pool *pool, *narrow;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, x, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wn_pool_wrap(ctx, x, N, 1, WN_F32, WN_L2, &narrow));
    refused(ctx, &in, &p, WN_E_USAGE, "no pool is given");
    in.pool = pool;
    refused(ctx, &in, &p, WN_E_USAGE, "no label is given");
    in.labels = few;
    refused(ctx, &in, &p, WN_E_DATA, "found 11 labels for a pool of 12 rows");
    in.labels = one;
    refused(ctx, &in, &p, WN_E_DATA,
            "found 12 rows to fit, all of class '0', expected rows of two");
    in.labels = labels;
    in.rows = rows;
    in.n_rows = 2;
    refused(ctx, &in, &p, WN_E_DATA, "found 2 rows to fit, all of class '0'");
    in.n_rows = 0;
    refused(ctx, &in, &p, WN_E_DATA, "found 0 rows to fit that have a class");
    in.n_rows = 2;
    rows[1] = N;
    refused(ctx, &in, &p, WN_E_DATA, "entry 1 of the rows is 12, expected ascending rows below 12");
    in.rows = NULL;
    for (int i = 0; i < N; i++)
        weights[i] = 1;
    weights[7] = -1;
    in.weights = weights;
    refused(ctx, &in, &p, WN_E_DATA, "row 7 has the weight -1");
    in.weights = NULL;
    p.l2 = -1;
    refused(ctx, &in, &p, WN_E_USAGE, "l2");
    p.l2 = 1;
    ts_ok(ctx, wn_learn_logistic(ctx, &in, &p, &m));
    assert_int_equal(wn_model_probs(ctx, m, narrow, NULL, 0, N, out), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "the model is of rows of 2 columns, the pool has 1"));
    assert_int_equal(wn_model_predict(ctx, m, pool, NULL, 5, N, NULL), WN_E_USAGE);
    wn_model_free(m);
    x[7] = NAN;
    wn_pool_free(pool);
    ts_ok(ctx, wn_pool_wrap(ctx, x, N, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    refused(ctx, &in, &p, WN_E_DATA, "row 3");
    wn_pool_free(pool);
    wn_pool_free(narrow);
    wn_labels_free(labels);
    wn_labels_free(one);
    wn_labels_free(few);
    free(x);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* A linear head on CIFAR-10 features comes to what others measured with theirs. */
static void real_images(void **state)
{
    enum { N = 6000 };
    const char *file = ts_shared("cifar10_256_f16.npy");
    wn_learn_logistic_params p;
    wn_learn_input in = {.struct_size = sizeof in};
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t rows[N], held[N];
    double accuracy;
    wn_labels *labels;
    wn_model *m;
    wn_pool *pool;

    (void)state;
    if (!file) {
        print_message("no ../shared/data: left out\n");
        wn_ctx_free(ctx);
        return;
    }
    ts_ok(ctx, wn_pool_open(ctx, &file, 1, NULL, &pool));
    ts_ok(ctx, wn_labels_load(ctx, ts_shared("cifar10_labels.npy"), wn_pool_rows(pool), &labels));
    for (int i = 0; i < N; i++) {
        rows[i] = i;
        held[i] = N + i;
    }
    in.pool = pool;
    in.labels = labels;
    in.rows = rows;
    in.n_rows = N;
    wn_params_init(wn_method_find("learn", "logistic"), &p);
    ts_ok(ctx, wn_learn_logistic(ctx, &in, &p, &m));
    ts_ok(ctx, wn_model_accuracy(ctx, m, pool, held, 0, N, labels, &accuracy, NULL));
    print_message("6,000 rows: %.4f on 6,000 others, %d iterations\n", accuracy,
                  m->report.iterations);
    assert_int_equal(m->report.converged, 1);
    assert_true(accuracy > 0.59 && accuracy < m->report.accuracy);
    wn_model_free(m);
    wn_labels_free(labels);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(finds_what_gradient_descent_finds),
        cmocka_unit_test(two_rows_by_hand),
        cmocka_unit_test(frequencies_without_columns_that_tell),
        cmocka_unit_test(weights_are_repeats),
        cmocka_unit_test(units_do_not_matter),
        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(a_class_without_rows),
        cmocka_unit_test(models_in_files),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(real_images),
    };

    return cmocka_run_group_tests_name("learn logistic", tests, NULL, NULL);
}
