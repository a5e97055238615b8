/* SPDX-License-Identifier: Apache-2.0
 *
 * The filter in 8 bits and in bf16 never changes a result: bounds hold for every pair, and argmin through the
 * filter has the bytes of the f32 path, on data made to break it.
 */
#include <float.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "scan/filter.h"
#include "support/support.h"
#include "unit/scan/hard_rows.h"

typedef struct data {
    int64_t nq, nb, d;
    float *q, *b; /* (nq, d), (nb, d) */
} data;

static data make(enum kind kind, int64_t nq, int64_t nb, int64_t d)
{
    data x = {nq, nb, d, NULL, NULL};

    x.q = malloc((size_t)(nq * d) * sizeof *x.q);
    x.b = malloc((size_t)(nb * d) * sizeof *x.b);
    assert_true(x.q && x.b);
    for (int64_t i = 0; i < nq * d; i++)
        x.q[i] = value(kind, 1, i / d, i % d, d);
    for (int64_t i = 0; i < nb * d; i++)
        x.b[i] = value(kind, 2, i / d, i % d, d);
    return x;
}

static void drop(data *x)
{
    free(x->q);
    free(x->b);
}

static wn_ctx *open_ctx(int threads, int isa, int filter)
{
    wn_ctx *ctx = ts_ctx(threads, isa);

    ctx->filter_always = filter;
    ctx->opt.no_filter = !filter;
    return ctx;
}

static void base_of(wn_ctx *ctx, const data *x, wni_mat *base, float *half)
{
    ts_ok(ctx, wni_mat_new(ctx, x->nb, x->d, base));
    for (int64_t i = 0; i < x->nb; i++)
        memcpy(wni_mat_row(base, i), x->b + i * x->d, (size_t)x->d * sizeof(float));
    ts_ok(ctx, wni_mat_half_norms(ctx, base, half));
}

/* ---- bounds ---------------------------------------------------------------------------------- */

/* The base packed once more with the mean and the turn of *f, of which no more than those are there. */
static void like_itself(wn_ctx *ctx, wni_filter **f)
{
    const wni_mat *base = (*f)->base;
    const float *bias = (*f)->bias;
    wni_filter *like;

    wni_filter_strip(ctx, *f);
    ts_ok(ctx, wni_filter_new_like(ctx, base, bias, *f, &like));
    wni_filter_free(ctx, *f);
    *f = like;
}

/* A tile loaded for a filter of other rows has the bounds that it would have here. */
static void check_like(wn_ctx *ctx, const data *x, const wni_filter *f, const wni_filter_tile *t)
{
    wni_filter_tile other;
    wni_filter *part;
    const wni_mat few = {f->base->v, wni_min(f->n, 5), f->base->d, f->base->ld};

    ts_ok(ctx, wni_filter_new_like(ctx, &few, f->bias, f, &part));
    ts_ok(ctx, wni_filter_tile_new(ctx, part, x->nq, 0, &other));
    memcpy(other.copy, t->x, (size_t)(x->nq * f->ld) * sizeof(float));
    wni_filter_load(part, &other, x->nq);
    assert_memory_equal(other.codes, t->codes, (size_t)(x->nq * f->ld));
    assert_memory_equal(other.shift, t->shift, (size_t)x->nq * sizeof *t->shift);
    assert_memory_equal(other.doubt, t->doubt, (size_t)x->nq * sizeof *t->doubt);
    assert_true(other.n_plain == t->n_plain);
    for (int64_t c = 0; c < few.n; c++)
        assert_true(part->start[c] == f->start[c] && part->high[c] == f->high[c] &&
                    part->norm[c] == f->norm[c] && part->error[c] == f->error[c]);
    wni_filter_tile_free(ctx, &other);
    wni_filter_free(ctx, part);
}

/* Every pair's canonical score lies between its bounds; on ordinary data these are tight. */
static void check_bounds(const data *x, enum kind kind, int isa, int with_bias, int wide)
{
    wn_ctx *ctx = open_ctx(1, isa, 1);
    float *half = malloc((size_t)x->nb * sizeof *half);
    wni_filter_tile t;
    wni_filter *f;
    wni_mat base;
    double widest = 0;

    base_of(ctx, x, &base, half);
    ts_ok(ctx,
          (wide ? wni_filter_new_wide : wni_filter_new)(ctx, &base, with_bias ? half : NULL, &f));
    assert_non_null(f);
    if (!wide && !with_bias) like_itself(ctx, &f);
    ts_ok(ctx, wni_filter_tile_new(ctx, f, x->nq, x->nq * x->nb, &t));
    memset(t.copy, 0, (size_t)(x->nq * f->ld) * sizeof(float));
    for (int64_t i = 0; i < x->nq; i++)
        memcpy(t.copy + i * f->ld, x->q + i * x->d, (size_t)x->d * sizeof(float));
    wni_filter_load(f, &t, x->nq);
    if (!wide) check_like(ctx, x, f, &t);
    for (int64_t g = 0; g < f->groups; g++)
        wni_filter_group(f, &t, g, 0);
    assert_int_equal(t.hits, (x->nq - t.n_plain) * x->nb);
    for (int64_t i = 0; i < t.hits; i++) {
        int64_t r = t.hit.row[i], c = t.hit.column[i];
        float score = wni_filter_score(f, &t, r, c);
        double up = (double)t.hit.upper[i] + t.shift[r] + t.doubt[r];
        double low = (double)t.hit.lower[i] + t.shift[r] - t.doubt[r];

        if (!((double)score <= up && (double)score >= low))
            fail_msg("kind %d d %d isa %d: score %a, bounds %a %a", kind, (int)x->d, isa,
                     (double)score, low, up);
        if (t.hit.upper[i] < wni_filter_need(&t, r, score)) fail_msg("a row misses itself");
        widest = fmax(widest, up - low);
    }
    if (kind == SPIKES && x->d >= 128 && !wide)
        assert_true(f->block >= 4 && t.b < 127 * sqrt((double)f->ld));
    if (kind == RANDOM || kind == CLUSTERED) assert_int_equal(f->block, 1);
    if (kind == RANDOM) assert_true(widest < (wide ? 0.007 : 0.03) * (double)x->d + 0.05);
    if (kind == RANDOM || kind == CLUSTERED || kind == SPIKES || kind == PARALLEL)
        assert_true(t.n_plain == 0);
    if (kind == DENORMAL || kind == TINY_NORM) assert_int_equal(t.n_plain, x->nq);
    wni_filter_tile_free(ctx, &t);
    wni_filter_free(ctx, f);
    wni_mat_free(ctx, &base);
    wn_ctx_free(ctx);
    free(half);
}

static void bounds_hold_for_every_pair(void **state)
{
    static const int64_t dims[] = {1, 2, 7, 16, 33, 128, 500, 4096};

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < 8; i++) {
            data x =
                make((enum kind)kind, dims[i] > 1000 ? 7 : 31, dims[i] > 1000 ? 9 : 70, dims[i]);

            for (int wide = 0; wide < 2; wide++) {
                check_bounds(&x, (enum kind)kind, i % 2 ? -1 : (kind + i / 2) % 2, kind != OVERFLOW,
                             wide);
                check_bounds(&x, (enum kind)kind, -1, 0, wide);
            }
            drop(&x);
        }
}

/* ---- argmin ---------------------------------------------------------------------------------- */

typedef struct answer {
    int32_t *at, *second_at;
    float *score, *second;
} answer;

static answer answer_new(int64_t n)
{
    answer a = {malloc((size_t)n * 4), malloc((size_t)n * 4), malloc((size_t)n * 4),
                malloc((size_t)n * 4)};

    assert_true(a.at && a.second_at && a.score && a.second);
    return a;
}

static void answer_free(answer *a)
{
    free(a->at), free(a->second_at), free(a->score), free(a->second);
}

enum { BIAS = 1, SECOND = 2, HINT = 4, BAD_HINT = 8, TWO_HINTS = 16, WAYS = 32 };

/* second_at of `out` is the hint of the second best and is replaced, with TWO_HINTS. */
static void scan(wn_ctx *ctx, const data *x, int way, const int32_t *hint, answer *out)
{
    float *half = malloc((size_t)x->nb * sizeof *half);
    wni_queries queries = {.n = x->nq};
    wni_argmin_base with = {.hint = hint};
    wn_pool *pool;
    wni_mat base;

    ts_ok(ctx, wn_pool_wrap(ctx, x->q, x->nq, x->d, WN_F32, WN_L2, &pool));
    base_of(ctx, x, &base, half);
    queries.pool = pool;
    with.base = &base;
    with.bias = way & BIAS ? half : NULL;
    with.hint_second = way & TWO_HINTS ? out->second_at : NULL;
    with.second_at = out->second_at;
    ts_ok(ctx, wni_scan_argmin_with(ctx, &queries, &with, out->at, out->score,
                                    way & SECOND ? out->second : NULL));
    for (int64_t i = 0; way & SECOND && i < x->nq; i++) {
        const int32_t c = out->second_at[i];
        float row[2][4096] __attribute__((aligned(64))) = {{0}}, score;

        if (c < 0) continue;
        assert_int_not_equal(c, out->at[i]);
        memcpy(row[0], x->q + i * x->d, (size_t)x->d * sizeof(float));
        memcpy(row[1], x->b + c * x->d, (size_t)x->d * sizeof(float));
        score = wni_kernels_of(ctx)->dot(row[0], row[1], base.ld) - (way & BIAS ? half[c] : 0);
        assert_true(score == out->second[i]);
    }
    wni_mat_free(ctx, &base);
    wn_pool_free(pool);
    free(half);
}

/* filter: 1 in 8 bits, 2 in bf16. */
static void compare_in(const data *x, const char *name, int threads, int isa, int way, int filter)
{
    answer want = answer_new(x->nq), got = answer_new(x->nq);
    int32_t *hint = malloc((size_t)x->nq * sizeof *hint);
    wn_ctx *ctx = open_ctx(1, -1, 0);

    scan(ctx, x, way, NULL, &want);
    assert_int_equal(wn_ctx_filter_counts(ctx).rows, 0);
    wn_ctx_free(ctx);
    ctx = open_ctx(threads, isa, filter);
    for (int64_t i = 0; i < x->nq; i++)
        hint[i] =
            way & BAD_HINT ? (int32_t)wni_rand_below(3, 9, (uint64_t)i, x->nb + 1) - 1 : want.at[i];
    for (int64_t i = 0; i < x->nq; i++)
        got.second_at[i] = (int32_t)wni_rand_below(3, 10, (uint64_t)i, x->nb + 1) - 1;
    scan(ctx, x, way, way & (HINT | BAD_HINT) ? hint : NULL, &got);
    if (way & HINT && way & TWO_HINTS) /* again, with what was the second best */
        scan(ctx, x, way, hint, &got);
    for (int64_t i = 0; i < x->nq; i++)
        if (got.at[i] != want.at[i] || memcmp(&got.score[i], &want.score[i], 4) != 0 ||
            (way & SECOND && memcmp(&got.second[i], &want.second[i], 4) != 0))
            fail_msg("%s, d %d, threads %d, isa %d, way %d, filter %d: row %d: %d %a %a, f32 has "
                     "%d %a %a",
                     name, (int)x->d, threads, isa, way, filter, (int)i, (int)got.at[i],
                     (double)got.score[i], (double)got.second[i], (int)want.at[i],
                     (double)want.score[i], (double)want.second[i]);
    {
        wn_filter_counts counts = wn_ctx_filter_counts(ctx);

        assert_int_equal((counts.rows + counts.plain) % x->nq, 0);
        assert_true(counts.candidates >= counts.rows && counts.verified <= counts.rows);
    }
    wn_ctx_free(ctx);
    answer_free(&want), answer_free(&got);
    free(hint);
}

static void compare(const data *x, const char *name, int threads, int isa, int way)
{
    compare_in(x, name, threads, isa, way, 1);
    if (isa == WN_ISA_BASE || isa >= WN_ISA_BF16) compare_in(x, name, threads, isa, way, 2);
}

static void argmin_is_the_f32_path(void **state)
{
    static const int64_t dims[] = {1, 2, 3, 16, 17, 64, 100, 256, 1000, 4096};
    static const int threads[] = {1, 2, 8};
    char name[32];

    (void)state;
    for (int kind = 0; kind < KINDS; kind++)
        for (int i = 0; i < 10; i++) {
            data x =
                make((enum kind)kind, dims[i] > 300 ? 30 : 150, dims[i] > 300 ? 70 : 200, dims[i]);

            snprintf(name, sizeof name, "kind %d", kind);
            for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                if (isa < 2 && dims[i] > 64 && (kind + i) % 3) continue; /* slow */
                for (int way = i % 3; way < WAYS; way += 3 + (dims[i] > 300 || isa < 2) * 8) {
                    if (kind == OVERFLOW && way & BIAS) continue; /* inf - inf */
                    compare(&x, name, threads[(way + i) % 3], isa, way);
                }
            }
            drop(&x);
        }
}

static void few_rows_and_odd_shapes(void **state)
{
    static const int64_t shapes[][3] = {{1, 1, 1},  {1, 1, 40},  {2, 1, 5},    {3, 2, 9},
                                        {1, 64, 8}, {7, 65, 20}, {400, 63, 4}, {193, 129, 31}};

    (void)state;
    for (int i = 0; i < 8; i++) {
        data x = make(RANDOM, shapes[i][0], shapes[i][1], shapes[i][2]);

        for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
            for (int way = 0; way < WAYS; way++)
                compare(&x, "random", 2, isa, way);
        drop(&x);
    }
}

/* A base in several blocks: what a query has must be beaten by later blocks, ties stay where they are. */
static void nearest_in_blocks(void **state)
{
    enum { NQ = 200, NB = 9000 };
    int64_t at[2][NQ];
    float score[2][NQ];

    (void)state;
    for (int kind = 0; kind < KINDS; kind++) {
        data x = make((enum kind)kind, NQ, NB, 60);

        for (int filter = 0; filter < 2; filter++) {
            wn_ctx *ctx = open_ctx(2, -1, filter);
            wni_queries queries = {.n = NQ}, base = {.n = NB};
            wn_pool *q, *b;

            ts_ok(ctx, wn_pool_wrap(ctx, x.q, NQ, x.d, WN_F32, WN_L2, &q));
            ts_ok(ctx, wn_pool_wrap(ctx, x.b, NB, x.d, WN_F32, WN_L2, &b));
            queries.pool = q;
            base.pool = b;
            ctx->budget_bytes = wn_ctx_live_bytes(ctx) + ((int64_t)5 << 20);
            ts_ok(ctx, wni_scan_nearest(ctx, &queries, &base, kind != OVERFLOW, NULL, at[filter],
                                        score[filter]));
            assert_true(filter == (wn_ctx_filter_counts(ctx).rows > 0 ||
                                   wn_ctx_filter_counts(ctx).plain > 0));
            wn_pool_free(q);
            wn_pool_free(b);
            wn_ctx_free(ctx);
        }
        assert_memory_equal(at[0], at[1], sizeof at[0]);
        assert_memory_equal(score[0], score[1], sizeof score[0]);
        drop(&x);
    }
}

/* Features of pictures: the rows against 500 of themselves, so that some win by exactly nothing. */
static void real_features(void **state)
{
    enum { NQ = 3000, NB = 500 };
    const char *path = ts_shared("cifar10_256_f16.npy");
    wn_ctx *ctx = ts_ctx(1, -1);
    data x = {.nq = NQ, .nb = NB};
    wn_pool *pool;

    (void)state;
    if (!path) {
        wn_ctx_free(ctx);
        print_message("no ../shared/data: skipped\n");
        skip();
    }
    ts_ok(ctx, wn_pool_open(ctx, &path, 1, NULL, &pool));
    x.d = wn_pool_dim(pool);
    x.q = malloc((size_t)(NQ * x.d) * sizeof(float));
    x.b = malloc((size_t)(NB * x.d) * sizeof(float));
    ts_ok(ctx, wn_pool_read(ctx, pool, 0, NQ, x.q, x.d));
    ts_ok(ctx, wn_pool_read(ctx, pool, NQ - NB / 2, NB, x.b, x.d));
    for (int isa = 1; isa <= (int)ts_best_isa(); isa++)
        for (int way = 0; way < WAYS; way += isa < 3 ? 5 : 1)
            compare(&x, "cifar", 2, isa, way);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
    drop(&x);
}

/* On ordinary data few rows need more than one f32 score; where all rows are the same, the tiles are given
 * back to f32. */
static void work_is_counted(void **state)
{
    data x = make(CLUSTERED, 600, 300, 96), y = make(RANDOM, 600, 300, 96);
    answer a = answer_new(600);
    wn_filter_counts counts;
    wn_ctx *ctx;

    (void)state;
    ctx = open_ctx(1, -1, 1);
    scan(ctx, &y, BIAS, NULL, &a);
    counts = wn_ctx_filter_counts(ctx);
    assert_int_equal(counts.rows, 600);
    assert_int_equal(counts.plain, 0);
    assert_true(counts.candidates < 600 * 10 && counts.verified > 0);
    scan(ctx, &x, BIAS, NULL, &a); /* 33 base rows of each cluster, nearly the same */
    counts = wn_ctx_filter_counts(ctx);
    assert_int_equal(counts.rows, 600);
    assert_int_equal(counts.plain, 600);
    wn_ctx_free(ctx);
    drop(&x), drop(&y);
    answer_free(&a);
}

static float near_one_of_eight(uint64_t seed, int64_t row, int64_t j)
{
    return (float)(wni_rand_unit(5, 1, (uint64_t)(row % 8 * 256 + j)) * 4 +
                   wni_rand_unit(seed, 2, (uint64_t)(row * 256 + j)));
}

/* Base rows too near each other for 8 bits and not for bf16: the scan takes bf16 by itself. */
static void bf16_is_taken_where_it_helps(void **state)
{
    enum { NQ = 3000, NB = 2000, D = 256 };
    data x = {NQ, NB, D, malloc(NQ * D * sizeof(float)), malloc(NB * D * sizeof(float))};
    answer a = answer_new(NQ);
    wn_filter_counts counts;
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    assert_true(x.q && x.b);
    for (int64_t i = 0; i < NB * D; i++)
        x.b[i] = near_one_of_eight(1, i / D, i % D);
    for (int64_t i = 0; i < NQ * D; i++)
        x.q[i] = near_one_of_eight(2, i / D, i % D);
    scan(ctx, &x, BIAS, NULL, &a);
    counts = wn_ctx_filter_counts(ctx);
    assert_int_equal(counts.plain, wn_ctx_isa(ctx) == WN_ISA_VNNI ? NQ : 0);
    wn_ctx_free(ctx);
    compare(&x, "near", 2, -1, BIAS);
    drop(&x);
    answer_free(&a);
}

/* Without room for codes the f32 path runs; the option and lower levels never filter. */
static void when_there_is_no_filter(void **state)
{
    data x = make(RANDOM, 300, 200, 64);
    answer a = answer_new(300);
    wn_ctx *ctx = open_ctx(1, -1, 1);

    (void)state;
    ctx->budget_bytes = wn_ctx_live_bytes(ctx) + 200 * 64 * 4 + 200000;
    scan(ctx, &x, BIAS | SECOND, NULL, &a);
    assert_int_equal(wn_ctx_filter_counts(ctx).rows, 0);
    wn_ctx_free(ctx);
    ctx = ts_ctx(1, WN_ISA_AVX512);
    assert_false(wni_filter_wanted(ctx, 64, 200));
    wn_ctx_free(ctx);
    ctx = ts_ctx(1, -1);
    assert_int_equal(wni_filter_wanted(ctx, 64, 200), ts_best_isa() >= WN_ISA_VNNI);
    assert_false(wni_filter_wanted(ctx, 64, 2));
    ctx->opt.no_filter = 1;
    assert_false(wni_filter_wanted(ctx, 64, 200));
    wn_ctx_free(ctx);
    drop(&x);
    answer_free(&a);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(bounds_hold_for_every_pair),
        cmocka_unit_test(argmin_is_the_f32_path),
        cmocka_unit_test(few_rows_and_odd_shapes),
        cmocka_unit_test(real_features),
        cmocka_unit_test(nearest_in_blocks),
        cmocka_unit_test(work_is_counted),
        cmocka_unit_test(bf16_is_taken_where_it_helps),
        cmocka_unit_test(when_there_is_no_filter),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
