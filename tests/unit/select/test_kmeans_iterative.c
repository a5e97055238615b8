/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_kmeans_iterative: planted clusters of noisy rows fade out.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"

enum { N = 3000, D = 8, BLOBS = 6, CLASSES = 3, NOISY = 2 };

typedef struct planted {
    wn_ctx *ctx;
    float *v;
    int32_t blob[N];
    wn_pool *pool;
    wn_labels *labels;
    wn_scores *scores;
    wn_select_input in;
} planted;

/* The class of a row is its blob's, but in the first two blobs it is chance; its score is low there. */
static void set_up(planted *t, int threads)
{
    int64_t label[N];

    memset(t, 0, sizeof *t);
    t->ctx = ts_ctx(threads, -1);
    t->v = ts_blobs(N, D, BLOBS, 0.3, 6, t->blob);
    ts_ok(t->ctx, wn_pool_wrap(t->ctx, t->v, N, D, WN_F32, WN_L2, &t->pool));
    ts_ok(t->ctx, wn_scores_new(t->ctx, N, &t->scores));
    for (int64_t i = 0; i < N; i++) {
        int noisy = t->blob[i] < NOISY;
        label[i] = noisy ? wni_rand_below(3, 1, (uint64_t)i, CLASSES) : t->blob[i] % CLASSES;
        t->scores->v[i] = (float)(wni_rand_unit(3, 2, (uint64_t)i) + (noisy ? 0 : 3));
    }
    ts_ok(t->ctx, wn_labels_from_ints(t->ctx, label, N, &t->labels));
    t->in = (wn_select_input){.struct_size = sizeof t->in, .pool = t->pool};
}

static void tear_down(planted *t)
{
    wn_labels_free(t->labels);
    wn_scores_free(t->scores);
    wn_pool_free(t->pool);
    free(t->v);
    wn_ctx_free(t->ctx);
}

static wn_select_kmeans_iterative_params params(int64_t size, int32_t rounds)
{
    wn_select_kmeans_iterative_params p;

    wn_params_init(wn_method_find("select", "kmeans_iterative"), &p);
    p.size = size;
    p.rounds = rounds;
    p.k = BLOBS;
    return p;
}

static double noisy_share(const planted *t, const wn_selection *s)
{
    int64_t noisy = 0;

    for (int64_t i = 0; i < s->size; i++)
        noisy += t->blob[s->rows[i]] < NOISY;
    return (double)noisy / (double)s->size;
}

/* A third of the pool is noisy, and of one round; of six rounds far less, by either feedback. */
static void noisy_clusters_fade_out(void **state)
{
    planted t;

    (void)state;
    set_up(&t, 2);
    for (int labels = 0; labels < 2; labels++) {
        wn_select_kmeans_iterative_params one = params(600, 1), six = params(600, 6);
        double before, after;
        wn_selection *s;
        t.in.scores = labels ? NULL : t.scores;
        t.in.labels = labels ? t.labels : NULL;
        ts_ok(t.ctx, wn_select_kmeans_iterative(t.ctx, &t.in, &one, &s));
        assert_int_equal(s->size, 600);
        before = noisy_share(&t, s);
        wn_selection_free(s);
        ts_ok(t.ctx, wn_select_kmeans_iterative(t.ctx, &t.in, &six, &s));
        assert_int_equal(s->size, 600);
        after = noisy_share(&t, s);
        for (int64_t i = 0; i < N; i++)
            assert_int_equal(s->why[i].rule, s->why[i].copies ? WN_WHY_KEPT : WN_WHY_NOT_DRAWN);
        wn_selection_free(s);
        assert_float_equal(before, 1.0 / 3, 0.04);
        if (after > 0.2) fail_msg("labels %d: %g noisy of %g", labels, after, before);
    }
    tear_down(&t);
}

/* One round is a sample in proportion to the clusters; with equal scores many rounds are too. */
static void without_feedback_in_proportion(void **state)
{
    planted t;

    (void)state;
    set_up(&t, 1);
    for (int64_t i = 0; i < N; i++)
        t.scores->v[i] = 2;
    t.in.scores = t.scores;
    for (int32_t rounds = 1; rounds <= 5; rounds += 4) {
        wn_select_kmeans_iterative_params p = params(300, rounds);
        int64_t size[BLOBS] = {0}, taken[BLOBS] = {0};
        wn_selection *s;
        ts_ok(t.ctx, wn_select_kmeans_iterative(t.ctx, &t.in, &p, &s));
        for (int64_t i = 0; i < N; i++) {
            assert_in_range(s->why[i].cluster, 0, BLOBS - 1);
            size[s->why[i].cluster]++;
            taken[s->why[i].cluster] += s->why[i].copies;
        }
        for (int c = 0; c < BLOBS; c++)
            assert_float_equal((double)taken[c], (double)size[c] / 10, (double)rounds);
        wn_selection_free(s);
    }
    tear_down(&t);
}

/* More rounds than rows asked for, and every row. */
static void edges(void **state)
{
    wn_select_kmeans_iterative_params few = params(2, 7), all = params(N, 4);
    wn_selection *s;
    planted t;

    (void)state;
    set_up(&t, 1);
    t.in.scores = t.scores;
    ts_ok(t.ctx, wn_select_kmeans_iterative(t.ctx, &t.in, &few, &s));
    assert_int_equal(s->size, 2);
    wn_selection_free(s);
    ts_ok(t.ctx, wn_select_kmeans_iterative(t.ctx, &t.in, &all, &s));
    assert_int_equal(s->size, N);
    wn_selection_free(s);
    /* One row of one class is nothing to learn from: the round after it is like the first. */
    t.in.scores = NULL;
    t.in.labels = t.labels;
    ts_ok(t.ctx, wn_select_kmeans_iterative(t.ctx, &t.in, &few, &s));
    assert_int_equal(s->size, 2);
    wn_selection_free(s);
    tear_down(&t);
}

static void bad_input(void **state)
{
    wn_select_kmeans_iterative_params p = params(10, 2);
    int64_t same[N] = {0};
    wn_labels *one;
    wn_selection *s;
    planted t;

    (void)state;
    set_up(&t, 1);
    assert_int_equal(wn_select_kmeans_iterative(t.ctx, &t.in, &p, &s), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "found neither, expected either scores or labels"));
    t.in.scores = t.scores;
    t.in.labels = t.labels;
    assert_int_equal(wn_select_kmeans_iterative(t.ctx, &t.in, &p, &s), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "found both"));
    ts_ok(t.ctx, wn_labels_from_ints(t.ctx, same, N, &one));
    t.in.scores = NULL;
    t.in.labels = one;
    assert_int_equal(wn_select_kmeans_iterative(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "the labels have 1 class"));
    t.in.labels = t.labels;
    p.size = N + 1;
    assert_int_equal(wn_select_kmeans_iterative(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "size is 3001 but 3000 rows"));
    wn_labels_free(one);
    tear_down(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(noisy_clusters_fade_out),
                                       cmocka_unit_test(without_feedback_in_proportion),
                                       cmocka_unit_test(edges), cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
