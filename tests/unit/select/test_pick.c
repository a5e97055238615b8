/* SPDX-License-Identifier: Apache-2.0
 *
 * Picks inside groups against slow twins that look at every row for every choice.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "select/pick.h"

enum { N = 400, D = 10, LD = 16, K = 5 };

typedef struct setting {
    float *v, scores[N], centers[K * D];
    int32_t group[N];
    int64_t quota[K];
    uint8_t rule[N];
    wn_pool *pool;
} setting;

/* Groups of different sizes (one empty), some rows in none, some ruled out, scores with many ties, two equal
 * rows. */
static void set_up(wn_ctx *ctx, setting *s, wn_metric metric)
{
    wni_grouping g = {N, K, s->group};
    int64_t open[K];

    s->v = ts_normal(N, D, 4);
    memcpy(s->v + 30 * D, s->v + 31 * D, D * sizeof(float));
    for (int64_t i = 0; i < N; i++) {
        double u = wni_rand_unit(1, 1, (uint64_t)i);
        s->group[i] = i % 17 == 3 ? -1 : (int32_t)(u * u * (K - 1));
        s->scores[i] = (float)wni_rand_below(1, 2, (uint64_t)i, 20) - 10.0f;
        if (s->scores[i] == 0 && i % 2) s->scores[i] = -0.0f;
    }
    s->group[30] = s->group[31];
    wni_open_all(&g, s->rule);
    for (int64_t i = 0; i < N; i++) {
        assert_int_equal(s->rule[i], s->group[i] < 0 ? WN_WHY_NO_CLUSTER : WN_WHY_QUOTA);
        if (i % 23 == 5) s->rule[i] = WN_WHY_NEAR_DUPLICATE;
    }
    wni_count_open(&g, s->rule, open);
    assert_int_equal(open[K - 1], 0);
    for (int32_t c = 0; c < K; c++)
        s->quota[c] = c == 2 ? 0 : c == 3 ? open[c] : (open[c] + 2) / 3;
    for (int j = 0; j < K * D; j++)
        s->centers[j] = (float)wni_rand_unit(1, 3, (uint64_t)j) - 0.5f;
    ts_ok(ctx, wn_pool_wrap(ctx, s->v, N, D, WN_F32, metric, &s->pool));
}

static void tear_down(setting *s)
{
    wn_pool_free(s->pool);
    free(s->v);
}

static wni_picking picking(const setting *s, wn_pick how)
{
    return (wni_picking){.how = how,
                         .groups = {N, K, s->group},
                         .quota = s->quota,
                         .scores = s->scores,
                         .pool = s->pool,
                         .centers = s->centers,
                         .seed = 7};
}

static double distance(wn_ctx *ctx, const setting *s, int64_t row, const float *to)
{
    static _Alignas(64) float x[LD], c[LD];

    memcpy(c, to, D * sizeof *c);
    ts_ok(ctx, wn_pool_read(ctx, s->pool, row, 1, x, LD));
    return wn_pool_metric(s->pool) == WN_COSINE
               ? (double)(0.0f - wni_kernels_of(ctx)->dot(x, c, LD))
               : (double)wni_kernels_of(ctx)->l2sq(x, c, LD);
}

/* Lower = taken first. */
static double rank_of(wn_ctx *ctx, const setting *s, wn_pick how, int64_t row)
{
    switch (how) {
    case WN_PICK_CLOSEST:
        return distance(ctx, s, row, s->centers + s->group[row] * D);
    case WN_PICK_FARTHEST:
        return -distance(ctx, s, row, s->centers + s->group[row] * D);
    case WN_PICK_TOP:
        return -(double)s->scores[row];
    case WN_PICK_BOTTOM:
        return (double)s->scores[row];
    default:
        return (double)(wni_rand_u64(7, wni_stream("select-pick", 0, 0), (uint64_t)row) >> 11);
    }
}

static void ranked_picks(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++)
        for (int metric = 0; metric < 2; metric++)
            for (int how = WN_PICK_RANDOM; how <= WN_PICK_BOTTOM; how++) {
                wn_ctx *ctx = ts_ctx(threads, -1);
                setting s;
                uint8_t rule[N];
                int64_t taken[K] = {0};
                double rank[N];
                wni_picking p;
                set_up(ctx, &s, (wn_metric)metric);
                p = picking(&s, (wn_pick)how);
                memcpy(rule, s.rule, N);
                ts_ok(ctx, wni_pick_rows(ctx, &p, rule));
                for (int64_t i = 0; i < N; i++) {
                    rank[i] = s.group[i] < 0 ? 0 : rank_of(ctx, &s, (wn_pick)how, i);
                    if (rule[i] == WN_WHY_KEPT) taken[s.group[i]]++;
                    if (!wni_open(s.rule[i])) assert_int_equal(rule[i], s.rule[i]);
                    if (!wni_open(s.rule[i]) || rule[i] == WN_WHY_KEPT) continue;
                    assert_int_equal(rule[i], s.quota[s.group[i]] == 0 ? WN_WHY_QUOTA
                                              : how == WN_PICK_RANDOM  ? WN_WHY_NOT_DRAWN
                                                                       : WN_WHY_SCORE);
                }
                assert_memory_equal(taken, s.quota, sizeof taken);
                for (int64_t i = 0; i < N; i++)
                    for (int64_t j = 0; j < N; j++)
                        if (rule[i] == WN_WHY_KEPT && wni_open(rule[j]) && s.group[i] == s.group[j])
                            assert_true(rank[i] < rank[j] || (rank[i] == rank[j] && i < j));
                tear_down(&s);
                if (threads == 1) assert_int_equal(wn_ctx_live_bytes(ctx), 0);
                wn_ctx_free(ctx);
            }
}

/* The next row of k-centre or herding by looking at all distances to all taken rows. */
static int64_t chain_next(wn_ctx *ctx, const setting *s, const uint8_t *rule, int32_t c,
                          const int64_t *taken, int64_t m, int herding)
{
    static _Alignas(64) float x[LD], y[LD], w[LD];
    const wni_kernels *kern = wni_kernels_of(ctx);
    double lack[D];
    float best = 0;
    int64_t at = -1;

    for (int j = 0; j < D; j++)
        lack[j] = s->centers[c * D + j];
    for (int64_t t = 0; t < m; t++) {
        ts_ok(ctx, wn_pool_read(ctx, s->pool, taken[t], 1, y, LD));
        for (int j = 0; j < D; j++)
            lack[j] += (double)s->centers[c * D + j] - (double)y[j];
    }
    for (int j = 0; j < D; j++)
        w[j] = (float)lack[j];
    for (int64_t i = 0; i < N; i++) {
        float value = INFINITY;
        int known = 0;
        if (s->group[i] != c || !wni_open(rule[i])) continue;
        for (int64_t t = 0; t < m; t++)
            known |= taken[t] == i;
        if (known) continue;
        ts_ok(ctx, wn_pool_read(ctx, s->pool, i, 1, x, LD));
        if (herding) value = kern->l2sq(x, w, LD);
        for (int64_t t = 0; !herding && t < m; t++) {
            ts_ok(ctx, wn_pool_read(ctx, s->pool, taken[t], 1, y, LD));
            value = fminf(value, kern->l2sq(x, y, LD));
        }
        if (at < 0 || (herding ? value < best : value > best)) {
            best = value;
            at = i;
        }
    }
    return at;
}

static int64_t first_center(const setting *s, const uint8_t *rule, int32_t c, int64_t open)
{
    int64_t at = wni_rand_below(7, wni_stream("select-k-center", 0, 0), (uint64_t)c, open);

    for (int64_t i = 0; i < N; i++)
        if (s->group[i] == c && wni_open(rule[i]) && at-- == 0) return i;
    return -1;
}

static void chained_picks(void **state)
{
    (void)state;
    for (int threads = 1; threads <= 2; threads++)
        for (int metric = 0; metric < 2; metric++)
            for (int herding = 0; herding < 2; herding++) {
                wn_ctx *ctx = ts_ctx(threads, -1);
                setting s;
                uint8_t rule[N], want[N];
                int64_t open[K], partner[N], taken[N];
                float similarity[N];
                wni_cover cover = {partner, similarity};
                wni_picking p;
                set_up(ctx, &s, (wn_metric)metric);
                p = picking(&s, herding ? WN_PICK_HERDING : WN_PICK_K_CENTER);
                p.cover = &cover;
                memcpy(rule, s.rule, N);
                memset(partner, -1, sizeof partner);
                wni_count_open(&p.groups, s.rule, open);
                ts_ok(ctx, wni_pick_rows(ctx, &p, rule));
                memcpy(want, s.rule, N);
                for (int32_t c = 0; c < K; c++) {
                    for (int64_t t = 0; t < s.quota[c]; t++)
                        taken[t] = t == 0 && !herding
                                       ? first_center(&s, s.rule, c, open[c])
                                       : chain_next(ctx, &s, s.rule, c, taken, t, herding);
                    for (int64_t t = 0; t < s.quota[c]; t++)
                        want[taken[t]] = WN_WHY_KEPT;
                }
                for (int64_t i = 0; i < N; i++) {
                    assert_int_equal(rule[i] == WN_WHY_KEPT, want[i] == WN_WHY_KEPT);
                    if (!wni_open(rule[i])) continue;
                    if (herding || s.quota[s.group[i]] == 0) {
                        assert_int_equal(rule[i], WN_WHY_QUOTA);
                        assert_int_equal(partner[i], -1);
                        continue;
                    }
                    assert_int_equal(rule[i], WN_WHY_COVERED);
                    assert_int_equal(rule[partner[i]], WN_WHY_KEPT);
                    assert_int_equal(s.group[partner[i]], s.group[i]);
                    assert_int_equal(isnan(similarity[i]), metric == WN_L2);
                }
                tear_down(&s);
                wn_ctx_free(ctx);
            }
}

/* A group that all threads work on at once takes the same rows as a small one does on one thread: the same
 * rows, padded with columns of zeros. */
static void large_groups_take_the_same(void **state)
{
    enum { ROWS = 3000, WIDE = 2048 };
    float *small = ts_normal(ROWS, 4, 9), *wide = calloc((size_t)ROWS * WIDE, sizeof *wide);

    (void)state;
    for (int64_t i = 0; i < ROWS; i++)
        memcpy(wide + i * WIDE, small + i * 4, 4 * sizeof *wide);
    for (int herding = 0; herding < 2; herding++) {
        float center[WIDE] = {0.1f, 0.2f};
        int64_t quota = 9;
        uint8_t rule[2][ROWS];
        for (int t = 0; t < 2; t++) {
            wn_ctx *ctx = ts_ctx(t ? 2 : 1, -1);
            wni_picking p = {.how = herding ? WN_PICK_HERDING : WN_PICK_K_CENTER,
                             .groups = {ROWS, 1, NULL},
                             .quota = &quota,
                             .centers = center};
            wn_pool *pool;
            ts_ok(ctx,
                  wn_pool_wrap(ctx, t ? wide : small, ROWS, t ? WIDE : 4, WN_F32, WN_L2, &pool));
            p.pool = pool;
            wni_open_all(&p.groups, rule[t]);
            ts_ok(ctx, wni_pick_rows(ctx, &p, rule[t]));
            wn_pool_free(pool);
            wn_ctx_free(ctx);
        }
        assert_memory_equal(rule[0], rule[1], ROWS);
    }
    free(small);
    free(wide);
}

static void limits(void **state)
{
    static const double bands[][2] = {{0, 1},   {0.25, 0.75}, {0.5, 0.5},
                                      {0, 0.1}, {0.9, 1},     {0.33, 0.34}};
    wn_ctx *ctx = ts_ctx(2, -1);
    setting s;

    (void)state;
    set_up(ctx, &s, WN_L2);
    for (size_t b = 0; b < sizeof bands / sizeof bands[0]; b++) {
        wni_grouping g = {N, K, s.group};
        uint8_t rule[N];
        memcpy(rule, s.rule, N);
        ts_ok(ctx, wni_limit_band(ctx, &g, s.scores, bands[b][0], bands[b][1], rule));
        for (int64_t i = 0; i < N; i++) {
            int64_t m = 0, rank = 0;
            if (!wni_open(s.rule[i])) {
                assert_int_equal(rule[i], s.rule[i]);
                continue;
            }
            for (int64_t j = 0; j < N; j++) {
                if (s.group[j] != s.group[i] || !wni_open(s.rule[j])) continue;
                m++;
                rank += s.scores[j] < s.scores[i] || (s.scores[j] == s.scores[i] && j < i);
            }
            assert_int_equal(rule[i] == WN_WHY_LIMIT, rank < floor(bands[b][0] * (double)m) ||
                                                          rank >= ceil(bands[b][1] * (double)m));
        }
    }
    for (double t = -11; t < 11; t += 0.5) {
        uint8_t rule[N];
        memcpy(rule, s.rule, N);
        wni_limit_below(N, s.scores, t, rule);
        for (int64_t i = 0; i < N; i++)
            assert_int_equal(rule[i] == WN_WHY_LIMIT,
                             wni_open(s.rule[i]) && (double)s.scores[i] < t);
    }
    tear_down(&s);
    wn_ctx_free(ctx);
}

/* A second pick works on what the first left, and keeps what it took. */
static void picks_stack(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    setting s;
    uint8_t first[N], both[N];
    int64_t taken[K] = {0};
    wni_picking p;

    (void)state;
    set_up(ctx, &s, WN_L2);
    for (int32_t c = 0; c < K; c++)
        s.quota[c] = wni_min(s.quota[c], 5);
    p = picking(&s, WN_PICK_TOP);
    memcpy(first, s.rule, N);
    ts_ok(ctx, wni_pick_rows(ctx, &p, first));
    memcpy(both, first, N);
    p.how = WN_PICK_RANDOM;
    ts_ok(ctx, wni_pick_rows(ctx, &p, both));
    for (int64_t i = 0; i < N; i++) {
        if (first[i] == WN_WHY_KEPT) assert_int_equal(both[i], WN_WHY_KEPT);
        if (both[i] == WN_WHY_KEPT) taken[s.group[i]]++;
    }
    for (int32_t c = 0; c < K; c++)
        assert_true(taken[c] == 2 * s.quota[c] || c == 3);
    tear_down(&s);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranked_picks),
                                       cmocka_unit_test(chained_picks),
                                       cmocka_unit_test(large_groups_take_the_same),
                                       cmocka_unit_test(limits), cmocka_unit_test(picks_stack)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
