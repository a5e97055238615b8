/* SPDX-License-Identifier: Apache-2.0
 *
 * Representatives under insertions and deletions, against greedy picked anew after every update.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "kernels/kernels.h"

enum { N = 90, D = 6, LD = 16, K = 6, WITNESSES = 40 };

typedef wn_select_submodular_dynamic_params dyn_params;

static dyn_params params(int64_t size, int objective, double min_similarity, double epsilon)
{
    dyn_params p;

    wn_params_init(wn_method_find("select", "submodular_dynamic"), &p);
    p.size = size;
    p.objective = objective;
    p.min_similarity = min_similarity;
    p.epsilon = epsilon;
    p.witnesses = 60000; /* all */
    return p;
}

/* What a witness gets from a row, as the header says, without rounding to whole numbers. */
static double like(const dyn_params *p, wn_metric metric, const float *x, const float *w,
                   double scale)
{
    double dot = 0, xx = 0, ww = 0, sim;

    for (int j = 0; j < D; j++) {
        dot += (double)x[j] * w[j];
        xx += (double)x[j] * x[j];
        ww += (double)w[j] * w[j];
    }
    sim = metric == WN_COSINE ? dot / (__builtin_sqrt(xx) * __builtin_sqrt(ww))
                              : 1 / (1 + (xx + ww - 2 * dot) / scale);
    if (sim < 0) sim = 0;
    return p->objective == WN_COVER_COUNT ? sim >= p->min_similarity : sim;
}

typedef struct twin {
    int n, witnesses;
    double sim[N][N]; /* row, witness */
} twin;

static double value_of(const twin *t, const int64_t *rows, int64_t count)
{
    double sum = 0;

    for (int w = 0; w < t->witnesses; w++) {
        double best = 0;
        for (int64_t i = 0; i < count; i++)
            if (t->sim[rows[i]][w] > best) best = t->sim[rows[i]][w];
        sum += best;
    }
    return sum / t->witnesses;
}

/* Plain greedy over the live rows. */
static double greedy(const twin *t, const int *live, int64_t k, int64_t *rows, int64_t *count)
{
    double value = 0;

    *count = 0;
    while (*count < k) {
        double best = -1;
        int at = -1;
        for (int i = 0; i < t->n; i++) {
            double v;
            int taken = !live[i];
            for (int64_t j = 0; j < *count; j++)
                taken |= rows[j] == i;
            if (taken) continue;
            rows[*count] = i;
            v = value_of(t, rows, *count + 1);
            if (v > best) {
                best = v;
                at = i;
            }
        }
        if (at < 0) break;
        rows[(*count)++] = at;
        value = best;
    }
    return value;
}

static void make_twin(twin *t, const dyn_params *p, wn_metric metric, const float *v, int n)
{
    double scale = 0;

    t->n = t->witnesses = n;
    for (int i = 0; i + 1 < n; i++)
        for (int j = 0; j < D; j++)
            scale +=
                ((double)v[i * D + j] - v[(i + 1) * D + j]) * (v[i * D + j] - v[(i + 1) * D + j]);
    scale /= n - 1;
    for (int i = 0; i < n; i++)
        for (int w = 0; w < n; w++)
            t->sim[i][w] = like(p, metric, v + i * D, v + w * D, scale);
}

/* After every one of many updates the value is what it says, and at least 1/2 - epsilon of greedy. */
static void follows(wn_metric metric, int objective, double epsilon, int blobs)
{
    static twin t;
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = blobs ? ts_blobs(N, D, 9, 0.2, 4, NULL) : ts_normal(N, D, 3);
    dyn_params p = params(K, objective, 0.6, epsilon);
    int live[N] = {0}, n_live = 0, full = 0;
    wn_representatives *r;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, metric, &pool));
    make_twin(&t, &p, metric, v, N);
    ts_ok(ctx, wn_representatives_new(ctx, pool, NULL, &p, 4, &r));
    for (int u = 0; u < 400; u++) {
        int64_t row = wni_rand_below(9, 1, (uint64_t)u, N), rows[K], best[K], count, n_best;
        double value, completed, optimum;
        if (u % 97 == 96) { /* the picks themselves go */
            ts_ok(ctx, wn_representatives_current(r, 0, rows, &count, &value));
            ts_ok(ctx, wn_representatives_delete(r, rows, count));
            for (int64_t i = 0; i < count; i++)
                live[rows[i]] = 0;
            n_live -= (int)count;
        } else if (live[row]) {
            ts_ok(ctx, wn_representatives_delete(r, &row, 1));
            live[row] = 0;
            n_live--;
        } else {
            ts_ok(ctx, wn_representatives_insert(r, &row, 1));
            live[row] = 1;
            n_live++;
        }
        assert_int_equal(wn_representatives_live(r), n_live);
        ts_ok(ctx, wn_representatives_current(r, 0, rows, &count, &value));
        assert_in_range(count, 0, K);
        for (int64_t i = 0; i < count; i++) {
            assert_true(live[rows[i]]);
            for (int64_t j = 0; j < i; j++)
                assert_int_not_equal(rows[i], rows[j]);
        }
        optimum = greedy(&t, live, K, best, &n_best);
        assert_float_equal(value, value_of(&t, rows, count), 1e-4);
        if (value < (0.5 - epsilon) * optimum - 1e-4)
            fail_msg("update %d: value %g, greedy %g", u, value, optimum);
        ts_ok(ctx, wn_representatives_current(r, 1, rows, &count, &completed));
        assert_int_equal(count, n_best);
        assert_true(completed >= value);
        assert_float_equal(completed, value_of(&t, rows, count), 1e-4);
        full += count == K;
    }
    assert_true(full > 200);
    wn_representatives_free(r);
    wn_pool_free(pool);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void follows_greedy_after_every_update(void **state)
{
    (void)state;
    for (int objective = 0; objective < 2; objective++)
        for (int metric = 0; metric < 2; metric++)
            for (int blobs = 0; blobs < 2; blobs++)
                follows((wn_metric)metric, objective, blobs ? 0.05 : 0.2, blobs);
}

/* Every candidate of the first level is its pick equally often, whatever the order in which rows came. */
static void draws_are_fair(void **state)
{
    enum { ROWS = 8, SEEDS = 4000 };
    wn_ctx *ctx = ts_ctx(1, -1);
    float v[ROWS * 2];
    wn_pool *pool;
    int hits[ROWS] = {0};

    (void)state;
    for (int i = 0; i < ROWS; i++) { /* all the same: one pick covers everything */
        v[2 * i] = 1;
        v[2 * i + 1] = 2;
    }
    ts_ok(ctx, wn_pool_wrap(ctx, v, ROWS, 2, WN_F32, WN_COSINE, &pool));
    for (int seed = 0; seed < SEEDS; seed++) {
        dyn_params p = params(2, 0, 0, 0.5);
        wn_representatives *r;
        int64_t rows[2], count, gone = ROWS - 1;
        double value;
        p.seed = (uint64_t)seed;
        ts_ok(ctx, wn_representatives_new(ctx, pool, NULL, &p, ROWS, &r));
        for (int64_t i = 0; i < ROWS; i++)
            ts_ok(ctx, wn_representatives_insert(r, &i, 1));
        ts_ok(ctx, wn_representatives_delete(r, &gone, 1));
        ts_ok(ctx, wn_representatives_current(r, 0, rows, &count, &value));
        assert_int_equal(count, 1);
        assert_float_equal(value, 1, 1e-9);
        hits[rows[0]]++;
        wn_representatives_free(r);
    }
    assert_int_equal(hits[ROWS - 1], 0);
    for (int i = 0; i < ROWS - 1; i++) /* 571 expected, sd 22 */
        assert_in_range(hits[i], 460, 690);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

static wn_selection *select_after(wn_ctx *ctx, const float *v, int64_t n, const int64_t *updates,
                                  int64_t m, const dyn_params *p)
{
    wn_select_input in = {.struct_size = sizeof in, .updates = updates, .n_updates = m};
    wn_selection *s;
    wn_pool *pool;

    ts_ok(ctx, wn_pool_wrap(ctx, v, n, D, WN_F32, WN_COSINE, &pool));
    in.pool = pool;
    ts_ok(ctx, wn_select_submodular_dynamic(ctx, &in, p, &s));
    wn_pool_free(pool);
    return s;
}

/* One row for each of the planted blobs; when a blob goes its row goes too. */
static void one_row_for_each_blob(void **state)
{
    enum { ROWS = 300, BLOBS = 6 };
    wn_ctx *ctx = ts_ctx(1, -1);
    int32_t labels[ROWS];
    float *v = ts_blobs(ROWS, D, BLOBS, 0.02, 8, labels);
    int64_t updates[2 * ROWS], m = 0;

    (void)state;
    for (int64_t i = 0; i < ROWS; i++)
        updates[m++] = i;
    for (int gone = 0; gone < 2; gone++) {
        dyn_params p = params(BLOBS - gone, WN_COVER_COUNT, 0.98, 0.05);
        int seen[BLOBS] = {0};
        wn_selection *s;
        if (gone)
            for (int64_t i = 0; i < ROWS; i++)
                if (labels[i] == 0) updates[m++] = -(i + 1);
        s = select_after(ctx, v, ROWS, updates, m, &p);
        assert_int_equal(s->size, BLOBS - gone);
        for (int64_t i = 0; i < s->size; i++)
            seen[labels[s->rows[i]]]++;
        for (int b = 0; b < BLOBS; b++)
            assert_int_equal(seen[b], !(gone && b == 0));
        for (int64_t i = 0; i < ROWS; i++) {
            const wn_why *why = &s->why[i];
            if (gone && labels[i] == 0) {
                assert_int_equal(why->rule, WN_WHY_ABSENT);
            } else if (!why->copies) {
                assert_int_equal(why->rule, WN_WHY_COVERED);
                assert_int_equal(labels[why->partner], labels[i]);
                assert_true(why->similarity > 0.9f);
            }
        }
        wn_selection_free(s);
    }
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Fewer rows than asked for, one row, none left, a pool without updates. */
static void small_streams(void **state)
{
    static const int64_t one[] = {2}, none[] = {2, -3};
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(5, D, 1);
    dyn_params p = params(5, 0, 0, 0.1);
    wn_selection *s;

    (void)state;
    s = select_after(ctx, v, 5, NULL, 0, &p);
    assert_int_equal(s->size, 5);
    wn_selection_free(s);
    s = select_after(ctx, v, 5, one, 1, &p);
    assert_int_equal(s->size, 1);
    assert_int_equal(s->rows[0], 2);
    wn_selection_free(s);
    s = select_after(ctx, v, 5, none, 2, &p);
    assert_int_equal(s->size, 0);
    assert_int_equal(s->why[2].rule, WN_WHY_ABSENT);
    wn_selection_free(s);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, wn_status found, const char *text)
{
    assert_int_equal(found, WN_E_DATA);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_updates(void **state)
{
    static const int64_t beyond[] = {0, 5}, twice[] = {0, 1, 1}, absent[] = {0, -2};
    static const int64_t pair[] = {3, 3}, fine[] = {3, 4};
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(5, D, 1);
    dyn_params p = params(2, 0, 0, 0.1);
    wn_select_input in = {.struct_size = sizeof in};
    wn_representatives *r;
    wn_selection *s;
    wn_pool *pool;

    (void)state;
    ts_ok(ctx, wn_pool_wrap(ctx, v, 5, D, WN_F32, WN_L2, &pool));
    in.pool = pool;
    p.size = 6;
    refused(ctx, wn_select_submodular_dynamic(ctx, &in, &p, &s),
            "size is 6 but the pool has 5 rows");
    p.size = 2;
    in.updates = beyond;
    in.n_updates = 2;
    refused(ctx, wn_select_submodular_dynamic(ctx, &in, &p, &s),
            "update 1 is 5, row 5, but the pool has 5");
    in.updates = twice;
    in.n_updates = 3;
    refused(ctx, wn_select_submodular_dynamic(ctx, &in, &p, &s), "inserted that is there already");
    in.updates = absent;
    in.n_updates = 2;
    refused(ctx, wn_select_submodular_dynamic(ctx, &in, &p, &s), "deleted that is not there");
    /* A refused update changes nothing. */
    ts_ok(ctx, wn_representatives_new(ctx, pool, NULL, &p, 1, &r));
    refused(ctx, wn_representatives_insert(r, pair, 2),
            "row 3 is inserted, but it is there already");
    ts_ok(ctx, wn_representatives_insert(r, fine, 2));
    refused(ctx, wn_representatives_delete(r, pair, 2), "row 3 is deleted, but it is not there");
    refused(ctx, wn_representatives_insert(r, beyond, 2), "row 5 is not of the pool");
    assert_int_equal(wn_representatives_live(r), 2);
    ts_ok(ctx, wn_representatives_delete(r, fine, 2));
    assert_int_equal(wn_representatives_live(r), 0);
    wn_representatives_free(r);
    wn_pool_free(pool);
    free(v);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* The same answer at any number of threads and instruction set, after a stream with runs of all lengths. */
static void same_bytes_everywhere(void **state)
{
    enum { ROWS = 3000 };
    static const int threads[] = {1, 2, 8};
    float *v = ts_normal(ROWS, D, 2);
    int64_t updates[2 * ROWS], m = 0;
    dyn_params p = params(40, 0, 0, 0.2);
    wn_ctx *base = ts_ctx(1, 0);
    wn_selection *first;

    (void)state;
    p.witnesses = 100;
    for (int64_t i = 0; i < ROWS; i++) {
        updates[m++] = i;
        if (i % 3 == 2 && i > 2000) updates[m++] = -(i - 1999 + 1);
    }
    first = select_after(base, v, ROWS, updates, m, &p);
    assert_int_equal(first->size, 40);
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
        for (int t = 0; t < 3; t++) {
            wn_ctx *ctx = ts_ctx(threads[t], isa);
            wn_selection *s = select_after(ctx, v, ROWS, updates, m, &p);
            assert_memory_equal(s->rows, first->rows, 40 * sizeof *s->rows);
            assert_memory_equal(s->why, first->why, ROWS * sizeof *s->why);
            wn_selection_free(s);
            wn_ctx_free(ctx);
        }
    wn_selection_free(first);
    wn_ctx_free(base);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(follows_greedy_after_every_update),
                                       cmocka_unit_test(draws_are_fair),
                                       cmocka_unit_test(one_row_for_each_blob),
                                       cmocka_unit_test(small_streams),
                                       cmocka_unit_test(bad_updates),
                                       cmocka_unit_test(same_bytes_everywhere)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
