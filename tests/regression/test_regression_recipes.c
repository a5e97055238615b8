/* SPDX-License-Identifier: Apache-2.0
 *
 * Quality of the recipes of select, on the features of CIFAR-10: what a linear head learns from a tenth of the
 * rows that each selects (rows in file order, which is random, for comparison), and how many rows of a class
 * are found from some of them.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/results.h"
#include "support/support.h"

#define ROWS 20000 /* of the 60,000, which are in random order */
#define HELD 10000 /* behind them */
#define SIZE "2000"

typedef struct images {
    wn_ctx *ctx;
    wn_pool *all, *pool; /* 60,000 and ROWS */
    wn_labels *labels;   /* of all */
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
    options.metric = WN_COSINE;
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

/* Accuracy on the held-out rows of a head trained on these. */
static double accuracy_of(const images *im, const int64_t *rows, int64_t n)
{
    wn_learn_input in = {.struct_size = sizeof in, .pool = im->all, .labels = im->labels};
    double accuracy;
    wn_model *m;

    in.rows = rows;
    in.n_rows = n;
    ts_ok(im->ctx, wn_learn_logistic(im->ctx, &in, NULL, &m));
    ts_ok(im->ctx,
          wn_model_accuracy(im->ctx, m, im->all, NULL, ROWS, HELD, im->labels, &accuracy, NULL));
    wn_model_free(m);
    return accuracy;
}

/* Parameters as on the command line: "size 2000 keep easy". */
static wn_selection *run(const images *im, const wn_select_input *in, const char *name,
                         const char *words)
{
    const wn_method *method = wn_method_find("select", name);
    union {
        uint32_t struct_size;
        char room[1024];
        double align;
    } params;
    char text[128], *word, *rest = text;
    wn_selection *s;

    assert_non_null(method);
    assert_true(method->params_bytes <= sizeof params);
    wn_params_init(method, &params);
    snprintf(text, sizeof text, "%s", words);
    while ((word = strtok_r(rest, " ", &rest)))
        ts_ok(im->ctx, wn_params_set(im->ctx, method, &params, word, strtok_r(rest, " ", &rest)));
    ts_ok(im->ctx, wn_select_run(im->ctx, method, in, &params, &s));
    return s;
}

static void a_tenth_of_the_rows(void **state)
{
    static const char *const cases[][2] = {
        {"prototypes", "size " SIZE},
        {"prototypes", "size " SIZE " keep easy"},
        {"density_prune", "size " SIZE},
        {"cluster_rank", "size " SIZE " per_cluster 1"},
        {"cluster_rank", "size " SIZE " per_cluster 20"},
        {"dataset_quant", "size " SIZE " step 100"},
    };
    images im;

    (void)state;
    if (open_images(&im)) {
        wn_cluster_input clusters = {.struct_size = sizeof clusters, .pool = im.pool};
        wn_score_input scoring = {.struct_size = sizeof scoring, .pool = im.pool};
        wn_select_input in = {.struct_size = sizeof in, .pool = im.pool};
        int64_t *first = malloc(2000 * sizeof *first);
        wn_kmeans_params k;
        wn_scores *scores;
        wn_tree *tree;

        wn_params_init(wn_method_find("cluster", "kmeans"), &k);
        k.k = 100;
        k.max_iter = 10;
        ts_ok(im.ctx, wn_kmeans(im.ctx, &clusters, &k, &tree));
        scoring.tree = tree;
        ts_ok(im.ctx, wn_score_prototypicality(im.ctx, &scoring, NULL, &scores));
        in.scores = scores;
        for (int64_t i = 0; i < 2000; i++)
            first[i] = i;
        ts_result("rows in file order", "cifar10", "rows=20000 size=2000", "held_out_accuracy",
                  "%.3f", accuracy_of(&im, first, 2000));
        for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
            wn_selection *s;
            char params[128];
            in.tree = strcmp(cases[c][0], "dataset_quant") == 0 ? NULL : tree;
            s = run(&im, &in, cases[c][0], cases[c][1]);
            snprintf(params, sizeof params, "rows=20000 %s", cases[c][1]);
            ts_result(cases[c][0], "cifar10", params, "held_out_accuracy", "%.3f",
                      accuracy_of(&im, s->rows, s->size));
            wn_selection_free(s);
        }
        free(first);
        wn_scores_free(scores);
        wn_tree_free(tree);
        close_images(&im);
    }
}

/* 200 rows of a class from behind as the target. */
static void a_class_from_some_of_its_rows(void **state)
{
    static const struct {
        int32_t label;
        const char *name;
    } classes[] = {{8, "ships"}, {3, "cats"}};
    images im;

    (void)state;
    if (open_images(&im)) {
        for (size_t c = 0; c < sizeof classes / sizeof classes[0]; c++) {
            wn_select_input in = {.struct_size = sizeof in, .pool = im.pool};
            int64_t rows[200], n = 0, hits = 0;
            wn_pool *target;
            wn_selection *s;
            char params[64];

            for (int64_t i = ROWS; n < 200; i++)
                if (im.labels->v[i] == classes[c].label) rows[n++] = i;
            ts_ok(im.ctx, wn_pool_view(im.ctx, im.all, rows, n, &target));
            in.target = target;
            s = run(&im, &in, "simcore", "size 1000");
            for (int64_t i = 0; i < s->size; i++)
                hits += im.labels->v[s->rows[i]] == classes[c].label;
            snprintf(params, sizeof params, "rows=20000 size=1000 target=200 %s", classes[c].name);
            ts_result("simcore", "cifar10", params, "precision", "%.3f", (double)hits / 1000);
            wn_selection_free(s);
            wn_pool_free(target);
        }
        close_images(&im);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(a_tenth_of_the_rows),
                                       cmocka_unit_test(a_class_from_some_of_its_rows)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
