/* SPDX-License-Identifier: Apache-2.0
 *
 * Quality of what reads labels, on the features of CIFAR-10: the linear head, how well wrong labels are found,
 * how well a class is found from some of its rows.
 */
#include <stdio.h>
#include <stdlib.h>

#include "base/rng.h"
#include "support/results.h"
#include "support/support.h"

#define ROWS 20000 /* of the 60,000, which are in random order */
#define HELD 10000 /* behind them */
#define DATA "cifar10"

typedef struct images {
    wn_ctx *ctx;
    wn_pool *pool;     /* ROWS */
    wn_pool *all;      /* 60,000 */
    wn_labels *labels; /* of all */
} images;

/* 0 when the data is not there. */
static int open_images(images *im)
{
    const char *file = ts_shared("cifar10_256_f16.npy");
    wn_pool_options options;

    if (!file) {
        print_message("no ../shared/data: left out\n");
        return 0;
    }
    im->ctx = ts_ctx(2, -1);
    wn_pool_options_init(&options);
    ts_ok(im->ctx, wn_pool_open(im->ctx, &file, 1, &options, &im->all));
    options.rows = ROWS;
    ts_ok(im->ctx, wn_pool_open(im->ctx, &file, 1, &options, &im->pool));
    ts_ok(im->ctx, wn_labels_load(im->ctx, ts_shared("cifar10_labels.npy"), wn_pool_rows(im->all),
                                  &im->labels));
    return 1;
}

static void close_images(images *im)
{
    wn_pool_free(im->pool);
    wn_pool_free(im->all);
    wn_labels_free(im->labels);
    wn_ctx_free(im->ctx);
}

typedef struct ranked {
    float score;
    int row, wanted;
} ranked;

static int by_score(const void *a, const void *b)
{
    const ranked *x = a, *y = b;

    if (x->score != y->score) return x->score < y->score ? -1 : 1;
    return x->row - y->row;
}

/* Area under the precision-recall curve of finding the wanted rows at the low end (sign 1) or the high end
 * (sign -1). */
static double average_precision(const float *score, const int8_t *wanted, float sign)
{
    ranked *r = malloc(ROWS * sizeof *r);
    int64_t hits = 0;
    double sum = 0;

    for (int i = 0; i < ROWS; i++)
        r[i] = (ranked){sign * score[i], i, wanted[i]};
    qsort(r, ROWS, sizeof *r, by_score);
    for (int i = 0; i < ROWS; i++)
        if (r[i].wanted) sum += (double)++hits / (i + 1);
    free(r);
    return sum / (double)hits;
}

static void linear_head(void **state)
{
    static const int sizes[] = {500, 2500, 20000};
    images im;

    (void)state;
    if (!open_images(&im)) return;
    for (int s = 0; s < 3; s++) {
        wn_learn_input in = {.struct_size = sizeof in, .pool = im.all, .labels = im.labels};
        int64_t *rows = malloc((size_t)sizes[s] * sizeof *rows);
        char params[64];
        double accuracy;
        wn_model *m;
        for (int i = 0; i < sizes[s]; i++)
            rows[i] = i;
        in.rows = rows;
        in.n_rows = sizes[s];
        ts_ok(im.ctx, wn_learn_logistic(im.ctx, &in, NULL, &m));
        ts_ok(im.ctx,
              wn_model_accuracy(im.ctx, m, im.all, NULL, ROWS, HELD, im.labels, &accuracy, NULL));
        snprintf(params, sizeof params, "rows=%d", sizes[s]);
        ts_result("logistic", DATA, params, "held_out_accuracy", "%.3f", accuracy);
        wn_model_free(m);
        free(rows);
    }
    close_images(&im);
}

/* A fifth of the labels moved to another class. */
static void wrong_labels(void **state)
{
    static const char *const methods[] = {"label_quality", "linear_separation"};
    int64_t *y = malloc(ROWS * sizeof *y);
    int8_t *bad = malloc(ROWS);
    images im;

    (void)state;
    if (open_images(&im)) {
        wn_score_input in = {.struct_size = sizeof in, .pool = im.pool};
        wn_labels *labels;
        for (int i = 0; i < ROWS; i++) {
            bad[i] = wni_rand_unit(5, 1, (uint64_t)i) < 0.2;
            y[i] = im.labels->v[i];
            if (bad[i]) y[i] = (y[i] + 1 + wni_rand_below(5, 2, (uint64_t)i, 9)) % 10;
        }
        ts_ok(im.ctx, wn_labels_from_ints(im.ctx, y, ROWS, &labels));
        in.labels = labels;
        for (int m = 0; m < 2; m++) {
            double flagged = 0, found = 0, all = 0;
            wn_scores *s;
            ts_ok(im.ctx, wn_score_run(im.ctx, wn_method_find("score", methods[m]), &in, NULL, &s));
            for (int i = 0; i < ROWS; i++) {
                all += bad[i];
                flagged += s->flags[i] == 1;
                found += s->flags[i] == 1 && bad[i];
            }
            ts_result(methods[m], DATA, "rows=20000 flipped=0.2", "average_precision", "%.3f",
                      average_precision(s->v, bad, 1));
            ts_result(methods[m], DATA, "rows=20000 flipped=0.2", "flag_precision", "%.3f",
                      found / flagged);
            ts_result(methods[m], DATA, "rows=20000 flipped=0.2", "flag_recall", "%.3f",
                      found / all);
            wn_scores_free(s);
        }
        wn_labels_free(labels);
        close_images(&im);
    }
    free(y);
    free(bad);
}

/* 200 ships (or cats) are trusted; how the others rank. */
static void trusted_rows(void **state)
{
    static const int classes[] = {8, 3};
    static const char *const params[] = {"rows=20000 trusted=200 ships",
                                         "rows=20000 trusted=200 cats"};
    int8_t *wanted = malloc(ROWS);
    images im;

    (void)state;
    if (open_images(&im)) {
        for (int c = 0; c < 2; c++) {
            wn_score_input in = {.struct_size = sizeof in, .pool = im.pool};
            int64_t rows[200];
            wn_scores *s;
            for (int i = 0; i < ROWS; i++) {
                wanted[i] = im.labels->v[i] == classes[c];
                if (wanted[i] && in.n_rows < 200) rows[in.n_rows++] = i;
            }
            in.rows = rows;
            ts_ok(im.ctx, wn_score_trusted(im.ctx, &in, NULL, &s));
            for (int i = 0; i < 200; i++) { /* those do not count */
                wanted[rows[i]] = 0;
                s->v[rows[i]] = -1e9f;
            }
            ts_result("trusted", DATA, params[c], "average_precision", "%.3f",
                      average_precision(s->v, wanted, -1));
            wn_scores_free(s);
        }
        close_images(&im);
    }
    free(wanted);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(linear_head),
                                       cmocka_unit_test(wrong_labels),
                                       cmocka_unit_test(trusted_rows)};

    return cmocka_run_group_tests_name("regression: labels", tests, NULL, NULL);
}
