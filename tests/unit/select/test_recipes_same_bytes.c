/* SPDX-License-Identifier: Apache-2.0
 *
 * The recipes on a pool that is large enough to be cut into many ranges: any number of threads and any ISA
 * select the same rows for the same reasons.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { N = 8000, D = 24, M = 300, T = 8 };

typedef struct inputs {
    wn_select_input in;
    wn_pool *pool, *target, *losses;
    wn_scores *scores;
} inputs;

static void open_inputs(wn_ctx *ctx, inputs *o, const float *v, const float *target,
                        const float *losses)
{
    memset(o, 0, sizeof *o);
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_COSINE, &o->pool));
    ts_ok(ctx, wn_pool_wrap(ctx, target, M, D, WN_F32, WN_COSINE, &o->target));
    ts_ok(ctx, wn_pool_wrap(ctx, losses, N, T, WN_F32, WN_L2, &o->losses));
    ts_ok(ctx, wn_scores_new(ctx, N, &o->scores));
    for (int64_t i = 0; i < N; i++)
        o->scores->v[i] = losses[i * T];
    o->in.struct_size = sizeof o->in;
    o->in.n = N;
    o->in.pool = o->pool;
    o->in.target = o->target;
    o->in.losses = o->losses;
    o->in.scores = o->scores;
}

static void close_inputs(inputs *o)
{
    wn_pool_free(o->pool);
    wn_pool_free(o->target);
    wn_pool_free(o->losses);
    wn_scores_free(o->scores);
}

/* A method with parameters as on the command line: "k 12 size 900". */
static wn_selection *run(wn_ctx *ctx, const inputs *o, const char *name, const char *words)
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
        ts_ok(ctx, wn_params_set(ctx, method, &params, word, strtok_r(rest, " ", &rest)));
    ts_ok(ctx, wn_select_run(ctx, method, &o->in, &params, &s));
    return s;
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
        open_inputs(first_ctx, &first_in, v, target, losses);
        first = run(first_ctx, &first_in, cases[c][0], cases[c][1]);
        for (int t = 0; t < 3; t++) {
            wn_ctx *ctx = ts_ctx(threads[t], t == 1 ? 1 : -1);
            wn_selection *s;
            inputs in;
            open_inputs(ctx, &in, v, target, losses);
            s = run(ctx, &in, cases[c][0], cases[c][1]);
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

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(same_bytes_everywhere)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
