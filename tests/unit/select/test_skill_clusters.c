/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_skill_clusters on a tree made by hand: the scorer of each cluster, even strata, duplicates.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { N = 600, D = 6, K = 3, S = 2, STRATA = 5 };

typedef struct made {
    wn_ctx *ctx;
    float *v, scores[N * S];
    wn_pool *pool, *scorers;
    wn_tree *tree;
    wn_select_input in;
} made;

/* Row i is in cluster i % 3. Column 0 spreads cluster 0 evenly over 0..1 and is the same everywhere else;
 * column 1 spreads the others, squared: most rows of a cluster are near 0. */
static void set_up(made *m, int threads)
{
    memset(m, 0, sizeof *m);
    m->ctx = ts_ctx(threads, -1);
    m->v = ts_normal(N, D, 5);
    ts_ok(m->ctx, wn_tree_new(m->ctx, WN_L2, &m->tree));
    ts_ok(m->ctx, wn_partition_new(m->ctx, N, K, D, &m->tree->level[0]));
    m->tree->levels = 1;
    for (int i = 0; i < N; i++) {
        int c = i % K, at = i / K;
        float u = (float)at / (N / K - 1);
        m->tree->level[0]->labels[i] = c;
        m->tree->level[0]->sizes[c]++;
        m->scores[i * S] = c == 0 ? u : 7;
        m->scores[i * S + 1] = c == 0 ? (at % 2 ? 1.0f : 0.0f) : u * u;
    }
    ts_ok(m->ctx, wn_pool_wrap(m->ctx, m->v, N, D, WN_F32, WN_COSINE, &m->pool));
    ts_ok(m->ctx, wn_pool_wrap(m->ctx, m->scores, N, S, WN_F32, WN_L2, &m->scorers));
    m->in = (wn_select_input){
        .struct_size = sizeof m->in, .pool = m->pool, .scorers = m->scorers, .tree = m->tree};
}

static void tear_down(made *m)
{
    wn_tree_free(m->tree);
    wn_pool_free(m->pool);
    wn_pool_free(m->scorers);
    free(m->v);
    wn_ctx_free(m->ctx);
}

static wn_select_skill_clusters_params params(int64_t size, int dedup)
{
    wn_select_skill_clusters_params p;

    wn_params_init(wn_method_find("select", "skill_clusters"), &p);
    p.size = size;
    p.dedup = dedup;
    p.strata = STRATA;
    return p;
}

static double note(const wn_selection *s, const char *key, const char *name)
{
    for (int64_t i = 0; i < s->n_notes; i++)
        if (strcmp(s->notes[i].key, key) == 0 &&
            (!name || (s->notes[i].name && strcmp(s->notes[i].name, name) == 0)))
            return s->notes[i].value;
    return -1;
}

/* 90 rows: 30 a cluster, 6 of each fifth of the range of the right column. */
static void even_over_clusters_and_strata(void **state)
{
    wn_select_skill_clusters_params p = params(90, 0);
    int taken[K][STRATA] = {{0}};
    wn_selection *s;
    made m;

    (void)state;
    set_up(&m, 2);
    ts_ok(m.ctx, wn_select_skill_clusters(m.ctx, &m.in, &p, &s));
    assert_int_equal(s->size, 90);
    assert_float_equal(note(s, "clusters_by_scorer", "column 0"), 1, 0);
    assert_float_equal(note(s, "clusters_by_scorer", "column 1"), 2, 0);
    for (int64_t i = 0; i < N; i++) {
        int c = (int)(i % K), bin;
        assert_int_equal(s->why[i].cluster, c);
        assert_int_equal(s->why[i].rule, s->why[i].copies ? WN_WHY_KEPT : WN_WHY_NOT_DRAWN);
        if (!s->why[i].copies) continue;
        bin = (int)(m.scores[i * S + (c ? 1 : 0)] * STRATA);
        taken[c][bin < STRATA ? bin : STRATA - 1]++;
    }
    for (int c = 0; c < K; c++)
        for (int b = 0; b < STRATA; b++)
            assert_int_equal(taken[c][b], 6);
    wn_selection_free(s);
    /* More than a thin stratum holds: it is taken whole, the others share the rest evenly. */
    p.size = 300;
    memset(taken, 0, sizeof taken);
    ts_ok(m.ctx, wn_select_skill_clusters(m.ctx, &m.in, &p, &s));
    for (int64_t i = 0; i < N; i++)
        if (i % K == 1 && s->why[i].copies) {
            int bin = (int)(m.scores[i * S + 1] * STRATA);
            taken[1][bin < STRATA ? bin : STRATA - 1]++;
        }
    for (int b = 0; b < STRATA; b++) /* 200 rows: 90, 37, 29, 23, 22 (bounds 0.447, 0.632, ...) */
        assert_in_range(taken[1][b], 20, 22);
    wn_selection_free(s);
    tear_down(&m);
}

/* Planted copies go, whatever the strata say, with their partner. */
static void redundant_rows_go_first(void **state)
{
    wn_select_skill_clusters_params p = params(90, 1);
    wn_selection *s;
    made m;

    (void)state;
    set_up(&m, 1);
    for (int i = 1; i < 40; i++)
        memcpy(m.v + (i * 15) * D, m.v, D * sizeof *m.v);
    p.min_similarity = 0.9999;
    ts_ok(m.ctx, wn_select_skill_clusters(m.ctx, &m.in, &p, &s));
    assert_int_equal(s->size, 90);
    assert_float_equal(note(s, "near_duplicates", NULL), 39, 0);
    for (int i = 1; i < 40; i++) {
        assert_int_equal(s->why[i * 15].rule, WN_WHY_NEAR_DUPLICATE);
        assert_int_equal(s->why[i * 15].partner, 0);
        assert_true(s->why[i * 15].similarity >= 0.9999f);
    }
    wn_selection_free(s);
    p.size = N - 38;
    assert_int_equal(wn_select_skill_clusters(m.ctx, &m.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(m.ctx), "562"));
    tear_down(&m);
}

/* Without a tree the clusters are made: the planted blobs. */
static void clusters_are_made(void **state)
{
    wn_select_skill_clusters_params p = params(40, 0);
    int32_t labels[N];
    wn_selection *s;
    int seen[4] = {0};
    made m;

    (void)state;
    set_up(&m, 1);
    free(m.v);
    wn_pool_free(m.pool);
    m.v = ts_blobs(N, D, 4, 0.05, 2, labels);
    ts_ok(m.ctx, wn_pool_wrap(m.ctx, m.v, N, D, WN_F32, WN_L2, &m.pool));
    m.in.pool = m.pool;
    m.in.tree = NULL;
    p.k = 4;
    ts_ok(m.ctx, wn_select_skill_clusters(m.ctx, &m.in, &p, &s));
    for (int64_t i = 0; i < s->size; i++)
        seen[labels[s->rows[i]]]++;
    for (int b = 0; b < 4; b++)
        assert_int_equal(seen[b], 10);
    wn_selection_free(s);
    tear_down(&m);
}

static void bad_input(void **state)
{
    wn_select_skill_clusters_params p = params(N + 1, 0);
    wn_pool *shorter;
    wn_selection *s;
    made m;

    (void)state;
    set_up(&m, 1);
    assert_int_equal(wn_select_skill_clusters(m.ctx, &m.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(m.ctx), "size is 601 but 600 rows"));
    p.size = 10;
    ts_ok(m.ctx, wn_pool_wrap(m.ctx, m.scores, N - 1, S, WN_F32, WN_L2, &shorter));
    m.in.scorers = shorter;
    assert_int_equal(wn_select_skill_clusters(m.ctx, &m.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(m.ctx), "scorers are of 599 rows, expected 600"));
    m.in.scorers = m.scorers;
    m.scores[S * 17] = __builtin_nanf("");
    assert_int_equal(wn_select_skill_clusters(m.ctx, &m.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(m.ctx), "17"));
    m.in.scorers = NULL;
    assert_int_equal(wn_select_skill_clusters(m.ctx, &m.in, &p, &s), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(m.ctx), "scorers"));
    wn_pool_free(shorter);
    tear_down(&m);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(even_over_clusters_and_strata), cmocka_unit_test(redundant_rows_go_first),
        cmocka_unit_test(clusters_are_made), cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
