/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_score_label_quality: a confident joint worked out by hand, planted label errors, files of a run.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "support/support.h"

static wn_score_label_quality_params params(void)
{
    wn_score_label_quality_params p;

    wn_params_init(wn_method_find("score", "label_quality"), &p);
    return p;
}

static wn_scores *run(wn_ctx *ctx, const wn_pool *pool, const wn_pool *probs, const int64_t *y,
                      int64_t n, const wn_score_label_quality_params *p)
{
    wn_score_input in = {.struct_size = sizeof in, .pool = pool, .probs = probs};
    wn_labels *labels;
    wn_scores *s;

    ts_ok(ctx, wn_labels_from_ints(ctx, y, n, &labels));
    in.labels = labels;
    ts_ok(ctx, wn_score_label_quality(ctx, &in, p, &s));
    wn_labels_free(labels);
    return s;
}

/* Thresholds: class 0 mean of .9 .8 .3 = 2/3, class 1 mean of .6 .2 = .4, class 2 .7. */
static void joint_by_hand(void **state)
{
    const float probs[] = {0.9f, 0.1f,  0.0f, 0.8f,  0.2f, 0.0f, 0.3f, 0.5f, 0.2f, 0.3f, 0.6f,
                           0.1f, 0.75f, 0.2f, 0.05f, 0.1f, 0.2f, 0.7f, 0.4f, 0.3f, 0.3f};
    const int64_t y[] = {0, 0, 0, 1, 1, 2, -1};
    const uint8_t joint[] = {0, 0, 1, 0, 1, 0, 2};
    const int32_t suggested[] = {0, 0, 1, 1, 0, 2, 0};
    wn_score_label_quality_params p = params();
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, probs, 7, 3, WN_F32, WN_L2, &pool));
    s = run(ctx, NULL, pool, y, 7, &p);
    for (int i = 0; i < 7; i++) {
        assert_int_equal(s->flags[i], joint[i]);
        assert_int_equal(s->suggested[i], suggested[i]);
        if (y[i] >= 0) assert_true(s->v[i] == probs[3 * i + y[i]]);
    }
    assert_true(s->v[6] == 0.2f); /* without a label: the lowest of the others */
    assert_string_equal(s->notes[0].key, "accuracy");
    assert_true(fabs(s->notes[0].value - 4.0 / 6) < 1e-9);
    assert_int_equal(s->n_classes, 3);
    assert_int_equal(s->per_class[0].rows, 3);
    assert_int_equal(s->per_class[0].issues, 1);
    assert_int_equal(s->per_class[0].confused_with, 1);
    assert_true(fabs(s->per_class[0].threshold - 2.0 / 3) < 1e-6);
    assert_true(fabs(s->per_class[0].noise - 1.0 / 3) < 1e-12);
    assert_int_equal(s->per_class[1].confused_with, 0);
    assert_true(s->per_class[1].noise == 0.5);
    assert_int_equal(s->per_class[2].confused_with, -1);
    assert_true(s->per_class[2].noise == 0);
    wn_scores_free(s);

    p.find = 1; /* a third of class 0 and half of class 1, those of lowest probability */
    p.measure = 1;
    s = run(ctx, NULL, pool, y, 7, &p);
    for (int i = 0; i < 7; i++)
        assert_int_equal(s->flags[i], joint[i]);
    assert_true(fabsf(s->v[2] - 0.4f) < 1e-6f && fabsf(s->v[0] - 0.9f) < 1e-6f);
    wn_scores_free(s);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* Columns go by the integer of the label, though no row has label 1. */
static void columns_are_labels(void **state)
{
    const float probs[] = {0.1f, 0.8f, 0.1f, 0.1f, 0.8f, 0.1f, 0.7f, 0.1f, 0.2f};
    const int64_t y[] = {0, 2, 0};
    wn_score_label_quality_params p = params();
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_pool *pool;
    wn_scores *s;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, probs, 3, 3, WN_F32, WN_L2, &pool));
    s = run(ctx, NULL, pool, y, 3, &p);
    assert_true(s->v[0] == 0.1f && s->v[1] == 0.1f && s->v[2] == 0.7f);
    assert_int_equal(s->n_classes, 2); /* nothing is ever suggested that no row is labelled */
    for (int i = 0; i < 3; i++)
        assert_in_range(s->suggested[i], 0, 1);
    wn_scores_free(s);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

typedef struct ranked {
    float v;
    int bad;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    return x->v < y->v ? -1 : x->v > y->v;
}

/* Area under the precision-recall curve of finding bad rows at the low end. */
static double average_precision(const float *v, const int8_t *bad, int64_t n)
{
    ranked *r = malloc((size_t)n * sizeof *r);
    int64_t hits = 0;
    double sum = 0;

    for (int64_t i = 0; i < n; i++)
        r[i] = (ranked){v[i], bad[i]};
    qsort(r, (size_t)n, sizeof *r, by_score);
    for (int64_t i = 0; i < n; i++)
        if (r[i].bad) sum += (double)++hits / (double)(i + 1);
    free(r);
    return sum / (double)hits;
}

/* Every fifth label or so is moved to another class; returns how many. */
static int64_t flip(int64_t *y, int8_t *bad, int64_t n, int64_t classes, double share)
{
    int64_t flipped = 0;

    for (int64_t i = 0; i < n; i++) {
        bad[i] = wni_rand_unit(5, 1, (uint64_t)i) < share;
        if (bad[i]) y[i] = (y[i] + 1 + wni_rand_below(5, 2, (uint64_t)i, classes - 1)) % classes;
        flipped += bad[i];
    }
    return flipped;
}

/* One command from vectors and labels: nearly all flipped labels, with the right class suggested. */
static void flipped_labels_of_blobs(void **state)
{
    enum { N = 3000, D = 16, K = 5 };
    int32_t *truth = malloc(N * sizeof *truth);
    float *x = ts_blobs(N, D, K, 0.5, 3, truth);
    int64_t *y = malloc(N * sizeof *y), flipped, found = 0, issues = 0, right = 0;
    int8_t *bad = malloc(N);

    (void)state;
    for (int find = 0; find < 3; find++) {
        wn_score_label_quality_params p = params();
        wn_ctx *ctx = ts_ctx(2, -1);
        wn_pool *pool;
        wn_scores *s;
        double area;
        for (int i = 0; i < N; i++)
            y[i] = truth[i];
        flipped = flip(y, bad, N, K, 0.2);
        p.find = find;
        ts_ok(ctx, wn_pool_wrap(ctx, x, N, D, WN_F32, WN_L2, &pool));
        s = run(ctx, pool, NULL, y, N, &p);
        found = issues = right = 0;
        for (int i = 0; i < N; i++) {
            issues += s->flags[i] == 1;
            found += s->flags[i] == 1 && bad[i];
            right += s->flags[i] == 1 && bad[i] && s->suggested[i] == truth[i];
        }
        area = average_precision(s->v, bad, N);
        print_message("find %d: %d of %d found, %d flagged, area %.4f\n", find, (int)found,
                      (int)flipped, (int)issues, area);
        assert_true(found * 100 >= flipped * 90 && issues * 97 <= found * 100);
        assert_true(right * 100 >= found * 99);
        assert_true(area > 0.99);
        for (int c = 0; c < K; c++)
            assert_true(fabs(s->per_class[c].noise - 0.2) < 0.06);
        wn_scores_free(s);
        wn_pool_free(pool);
        wn_ctx_free(ctx);
    }
    free(truth);
    free(x);
    free(y);
    free(bad);
}

/* 12,000 images, every fifth label wrong. */
static void flipped_labels_of_images(void **state)
{
    enum { N = 12000, D = 256 };
    const char *file = ts_shared("cifar10_256_f16.npy");
    wn_score_label_quality_params p = params();
    wn_pool_options options;
    int64_t *y, all;
    wn_labels *labels;
    int8_t *bad;
    wn_pool *pool;
    wn_scores *s;
    double area;
    wn_ctx *ctx;

    (void)state;
    if (!file) {
        print_message("no ../shared/data: left out\n");
        return;
    }
    ctx = ts_ctx(2, -1);
    y = malloc(N * sizeof *y);
    bad = malloc(N);
    wn_pool_options_init(&options);
    ts_ok(ctx, wn_pool_open(ctx, &file, 1, &options, &pool));
    all = wn_pool_rows(pool);
    wn_pool_free(pool);
    options.rows = N;
    ts_ok(ctx, wn_pool_open(ctx, &file, 1, &options, &pool));
    ts_ok(ctx, wn_labels_load(ctx, ts_shared("cifar10_labels.npy"), all, &labels));
    for (int i = 0; i < N; i++)
        y[i] = labels->v[i];
    flip(y, bad, N, 10, 0.2);
    s = run(ctx, pool, NULL, y, N, &p);
    area = average_precision(s->v, bad, N);
    print_message("20 %% of CIFAR-10 labels flipped: area %.4f\n", area);
    assert_true(area > 0.75);
    wn_scores_free(s);
    wn_labels_free(labels);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    free(y);
    free(bad);
}

/* Many rows in many blocks: thresholds and joint against the definition. */
static void the_slow_twin_agrees(void **state)
{
    enum { N = 30000, K = 20 };
    float *probs = malloc(N * K * sizeof *probs);
    int64_t *y = malloc(N * sizeof *y);
    double sum[K] = {0}, rows[K] = {0};
    wn_score_label_quality_params p = params();
    wn_ctx *ctx = ts_ctx(3, -1);
    wn_pool *pool;
    wn_scores *s;

    (void)state;
    for (int i = 0; i < N; i++) {
        double total = 0;
        y[i] = wni_rand_below(1, 1, (uint64_t)i, K);
        for (int c = 0; c < K; c++) {
            double u = wni_rand_unit(1, 2, (uint64_t)(i * K + c));
            probs[i * K + c] = (float)(u * u * u * u + (c == y[i] ? 0.3 : 0));
            total += (double)probs[i * K + c];
        }
        for (int c = 0; c < K; c++)
            probs[i * K + c] = (float)((double)probs[i * K + c] / total);
        sum[y[i]] += (double)probs[i * K + y[i]];
        rows[y[i]]++;
    }
    ts_ok(ctx, wn_pool_wrap(ctx, probs, N, K, WN_F32, WN_L2, &pool));
    s = run(ctx, NULL, pool, y, N, &p);
    for (int i = 0; i < N; i++) {
        int best = -1;
        for (int c = 0; c < K; c++)
            if ((double)probs[i * K + c] >= sum[c] / rows[c] &&
                (best < 0 || probs[i * K + c] > probs[i * K + best]))
                best = c;
        assert_int_equal(s->flags[i], best >= 0 && best != y[i]);
        if (best >= 0) assert_int_equal(s->suggested[i], best);
    }
    wn_scores_free(s);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    free(probs);
    free(y);
}

static void files_of_a_run(void **state)
{
    const float probs[] = {0.9f, 0.1f, 0.2f, 0.8f, 0.8f, 0.2f, 0.3f, 0.7f};
    const char *csv = "id,kind\n1,\"a \"\"b\"\"\"\n2,\"a \"\"b\"\"\"\n3,\"a \"\"b\"\"\"\n4,z\n";
    wn_ctx *ctx = ts_ctx(1, -1);
    char text[256], *classes;
    wn_scores *back;
    size_t bytes;
    wn_job *job;

    (void)state;
    ts_write_npy(ts_path("p.npy"), probs, 4, 2);
    ts_write_file(ts_path("t.csv"), csv, strlen(csv));
    snprintf(text, sizeof text, "%s:kind", ts_path("t.csv"));
    ts_ok(ctx, wn_job_new(ctx, "score", "label_quality", &job));
    ts_ok(ctx, wn_job_input(job, "probs", ts_path("p.npy")));
    ts_ok(ctx, wn_job_input(job, "labels", text));
    ts_ok(ctx, wn_job_output(job, ts_path("s")));
    ts_ok(ctx, wn_job_run(job));
    assert_non_null(strstr(wn_job_summary(job), "\"issue\": 1"));
    wn_job_free(job);
    classes = ts_read_file(ts_path("s/classes.csv"), &bytes);
    assert_non_null(classes);
    if (bytes < 1000) {
        char all[1001];
        memcpy(all, classes, bytes);
        all[bytes] = 0;
        assert_non_null(
            strstr(all, "class,rows,issues,noise,accuracy,threshold,confused_with,confused_rows"));
        assert_non_null(strstr(all, "\"a \"\"b\"\"\",3,1,0.333333,0.666667,0.633333,z,1"));
        assert_non_null(strstr(all, "\nz,1,0,0.000000,1.000000,0.700000,,0"));
    }
    free(classes);
    ts_ok(ctx, wn_scores_load(ctx, ts_path("s"), 4, &back));
    assert_true(back->v[1] == 0.2f);
    wn_scores_free(back);
    ts_tmp_remove();
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_score_input *in, wn_status status, const char *text)
{
    wn_scores *s;

    assert_int_equal(wn_score_label_quality(ctx, in, NULL, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    float probs[] = {0.5f, 0.5f, 0.9f, 0.3f, 0.2f, 0.8f};
    wn_score_input in = {.struct_size = sizeof in};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_labels *none, *wide, *one, *two;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){-1, -1, -1}, 3, &none));
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){0, 7, 1}, 3, &wide));
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){1, 1, 1}, 3, &one));
    ts_ok(ctx, wn_labels_from_ints(ctx, (int64_t[]){0, 1, 1}, 3, &two));
    refused(ctx, &in, WN_E_USAGE, "no labels is given");
    in.labels = two;
    refused(ctx, &in, WN_E_USAGE, "found neither a pool nor --probs");
    ts_ok(ctx, wn_pool_wrap(ctx, probs, 3, 2, WN_F32, WN_L2, &pool));
    in.probs = in.pool = pool;
    refused(ctx, &in, WN_E_USAGE, "found a pool and --probs");
    in.pool = NULL;
    refused(ctx, &in, WN_E_DATA, "the probabilities of row 1 add up to 1.2");
    probs[3] = -0.1f;
    refused(ctx, &in, WN_E_DATA, "the probability of row 1 in column 1 is -0.1");
    in.labels = wide;
    refused(ctx, &in, WN_E_DATA, "found the label 7, but the probabilities have 2 columns");
    in.labels = one;
    refused(ctx, &in, WN_E_DATA, "found 1 class in the labels");
    in.probs = NULL;
    in.pool = pool;
    in.labels = none;
    refused(ctx, &in, WN_E_DATA, "found 0 classes in the labels");
    in.labels = two;
    refused(ctx, &in, WN_E_DATA, "found 3 rows, too few for 5 folds");
    wn_pool_free(pool);
    wn_labels_free(none);
    wn_labels_free(wide);
    wn_labels_free(one);
    wn_labels_free(two);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(joint_by_hand),
        cmocka_unit_test(columns_are_labels),
        cmocka_unit_test(flipped_labels_of_blobs),
        cmocka_unit_test(flipped_labels_of_images),
        cmocka_unit_test(the_slow_twin_agrees),
        cmocka_unit_test(files_of_a_run),
        cmocka_unit_test(bad_input),
    };

    return cmocka_run_group_tests_name("score label_quality", tests, NULL, NULL);
}
