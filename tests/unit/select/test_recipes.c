/* SPDX-License-Identifier: Apache-2.0
 *
 * What all recipes promise, with parameters that the contract tests do not reach: on a pool that is large enough
 * to be cut into many ranges any number of threads and any ISA select the same rows for the same reasons; every
 * allocation may fail; every poll may cancel.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/ctx_impl.h"

enum { N = 8000, D = 24, M = 300, T = 8 };

typedef struct inputs {
    wn_select_input in;
    wn_pool *pool, *target, *losses;
    wn_scores *scores;
} inputs;

static void close_inputs(inputs *o)
{
    wn_pool_free(o->pool);
    wn_pool_free(o->target);
    wn_pool_free(o->losses);
    wn_scores_free(o->scores);
}

static wn_status open_inputs(wn_ctx *ctx, inputs *o, int64_t n, const float *v, const float *target,
                             const float *losses)
{
    wn_status st;

    memset(o, 0, sizeof *o);
    WNI_TRY(wn_pool_wrap(ctx, v, n, D, WN_F32, WN_COSINE, &o->pool));
    WNI_TRY(wn_pool_wrap(ctx, target, M, D, WN_F32, WN_COSINE, &o->target));
    WNI_TRY(wn_pool_wrap(ctx, losses, n, T, WN_F32, WN_L2, &o->losses));
    WNI_TRY(wn_scores_new(ctx, n, &o->scores));
    for (int64_t i = 0; i < n; i++)
        o->scores->v[i] = losses[i * T];
    o->in.struct_size = sizeof o->in;
    o->in.n = n;
    o->in.pool = o->pool;
    o->in.target = o->target;
    o->in.losses = o->losses;
    o->in.scores = o->scores;
done:
    return st;
}

/* A method with parameters as on the command line: "k 12 size 900". */
static wn_status run(wn_ctx *ctx, const inputs *o, const char *name, const char *words,
                     wn_selection **s)
{
    const wn_method *method = wn_method_find("select", name);
    union {
        uint32_t struct_size;
        char room[1024];
        double align;
    } params;
    char text[128], *word, *rest = text;
    wn_status st;

    assert_non_null(method);
    assert_true(method->params_bytes <= sizeof params);
    wn_params_init(method, &params);
    snprintf(text, sizeof text, "%s", words);
    while ((word = strtok_r(rest, " ", &rest)))
        ts_ok(ctx, wn_params_set(ctx, method, &params, word, strtok_r(rest, " ", &rest)));
    st = wn_select_run(ctx, method, &o->in, &params, s);
    if (st != WN_OK) assert_null(*s);
    return st;
}

static void same_bytes_everywhere(void **state)
{
    static const char *const cases[][2] = {
        {"simcore", "k 40 size 3000"},
        {"simcore", "k 40 stop 0.8"},
        {"s2l", "k 20 size 3000"},
        {"cluster_rank", "k 50 size 3000 per_cluster 7"},
        {"prototypes", "k 50 size 3000"},
        {"prototypes", "k 50 size 3000 keep easy random_share 0.2"},
        {"prototypes", "k 50 size 3000 dedup 1 min_similarity 0.96"},
        {"density_prune", "k 50 size 3000 random_share 0.1"},
        {"dataset_quant", "size 3000 step 900"},
    };
    static const int threads[] = {1, 2, 8};
    float *v = ts_blobs(N, D, 30, 0.4, 1, NULL), *target = ts_blobs(M, D, 3, 0.4, 1, NULL);
    float *losses = ts_blobs(N, T, 9, 0.3, 5, NULL);

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        wn_ctx *first_ctx = ts_ctx(1, 0);
        inputs first_in;
        wn_selection *first;
        ts_ok(first_ctx, open_inputs(first_ctx, &first_in, N, v, target, losses));
        ts_ok(first_ctx, run(first_ctx, &first_in, cases[c][0], cases[c][1], &first));
        for (int t = 0; t < 3; t++) {
            wn_ctx *ctx = ts_ctx(threads[t], t == 1 ? 1 : -1);
            wn_selection *s;
            inputs in;
            ts_ok(ctx, open_inputs(ctx, &in, N, v, target, losses));
            ts_ok(ctx, run(ctx, &in, cases[c][0], cases[c][1], &s));
            if (s->size != first->size ||
                memcmp(s->rows, first->rows, (size_t)s->size * sizeof *s->rows) ||
                memcmp(s->weights, first->weights, (size_t)s->size * sizeof *s->weights) ||
                memcmp(s->why, first->why, N * sizeof *s->why))
                fail_msg("%s %s: %d threads differ from one", cases[c][0], cases[c][1], threads[t]);
            wn_selection_free(s);
            close_inputs(&in);
            wn_ctx_free(ctx);
        }
        wn_selection_free(first);
        close_inputs(&first_in);
        wn_ctx_free(first_ctx);
    }
    free(v);
    free(target);
    free(losses);
}

static const char *const small[][2] = {
    {"simcore", "k 7 stop 0.8"},
    {"simcore", "size 30"},
    {"prototypes", "k 5 size 20 random_share 0.2"},
    {"prototypes", "k 5 size 20 dedup 1 min_similarity 0.999"},
    {"density_prune", "k 5 size 20 random_share 0.1"},
    {"dataset_quant", "size 20 bins 3 step 9"},
};
enum { SMALL_N = 90, SMALL = sizeof small / sizeof small[0] };

static void every_allocation_may_fail(void **state)
{
    float *v = ts_blobs(SMALL_N, D, 4, 0.4, 1, NULL), *target = ts_blobs(M, D, 3, 0.4, 1, NULL);
    float *losses = ts_blobs(SMALL_N, T, 3, 0.3, 5, NULL);

    (void)state;
    for (size_t c = 0; c < SMALL; c++) {
        wn_status st = WN_E_NOMEM;
        for (int64_t fail_at = 0; st != WN_OK; fail_at++) {
            ts_alloc alloc = {.fail_at = fail_at};
            wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
            wn_selection *s = NULL;
            inputs in;
            st = open_inputs(ctx, &in, SMALL_N, v, target, losses);
            if (st == WN_OK) st = run(ctx, &in, small[c][0], small[c][1], &s);
            if (st != WN_OK) assert_int_equal(st, WN_E_NOMEM);
            wn_selection_free(s);
            close_inputs(&in);
            assert_int_equal(wn_ctx_live_bytes(ctx), 0);
            wn_ctx_free(ctx);
            assert_int_equal(alloc.live, 0);
            assert_in_range(fail_at, 0, 5000);
        }
    }
    free(v);
    free(target);
    free(losses);
}

static int stop_at(void *user)
{
    int64_t *left = user;

    return (*left)-- <= 0;
}

static void every_poll_may_cancel(void **state)
{
    float *v = ts_blobs(SMALL_N, D, 4, 0.4, 1, NULL), *target = ts_blobs(M, D, 3, 0.4, 1, NULL);
    float *losses = ts_blobs(SMALL_N, T, 3, 0.3, 5, NULL);

    (void)state;
    for (size_t c = 0; c < SMALL; c++) {
        wn_status st = WN_E_CANCELLED;
        for (int64_t at = 0; st != WN_OK; at += 1 + at / 8) {
            int64_t left = at;
            wn_ctx_options options;
            wn_selection *s = NULL;
            wn_ctx *ctx;
            inputs in;
            wn_ctx_options_init(&options);
            options.threads = 1;
            options.user = &left;
            options.cancel = stop_at;
            assert_int_equal(wn_ctx_new(&options, &ctx), WN_OK);
            ctx->poll_ns = 0;
            ts_ok(ctx, open_inputs(ctx, &in, SMALL_N, v, target, losses));
            st = run(ctx, &in, small[c][0], small[c][1], &s);
            if (st != WN_OK) assert_int_equal(st, WN_E_CANCELLED);
            wn_selection_free(s);
            close_inputs(&in);
            assert_int_equal(wn_ctx_live_bytes(ctx), 0);
            wn_ctx_free(ctx);
            assert_in_range(at, 0, 100000);
        }
    }
    free(v);
    free(target);
    free(losses);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bytes_everywhere),
                                       cmocka_unit_test(every_allocation_may_fail),
                                       cmocka_unit_test(every_poll_may_cancel)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
