/* SPDX-License-Identifier: Apache-2.0
 *
 * Facility location and graph cut against plain greedy on the full matrix of similarities.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "select/pick.h"

enum { N = 150, D = 5 };

/* A neighbour graph with k edges a row by hand: any rows, any distances, ascending. */
static wn_graph *random_graph(wn_ctx *ctx, int64_t n, int64_t k, wn_metric metric, uint64_t seed)
{
    wn_graph *g;

    ts_ok(ctx, wn_graph_new(ctx, n, n * k, metric, &g));
    for (int64_t i = 0; i < n; i++) {
        float d = 0;
        g->indptr[i + 1] = (i + 1) * k;
        for (int64_t e = 0; e < k; e++) {
            int64_t j = (i + 1 + e * 7 + wni_rand_below(seed, 1, (uint64_t)(i * k + e), 7)) % n;
            d += (float)wni_rand_below(seed, 2, (uint64_t)(i * k + e), 5) / 16.0f;
            g->indices[i * k + e] = j;
            g->distances[i * k + e] = d;
        }
    }
    return g;
}

static int64_t *dense(const wn_graph *g)
{
    int64_t *s = calloc((size_t)(g->n * g->n), sizeof *s);
    double mean = 0;

    for (int64_t e = 0; e < g->edges; e++)
        mean += (double)g->distances[e] / (double)g->edges;
    for (int64_t i = 0; i < g->n; i++)
        for (int64_t e = g->indptr[i]; e < g->indptr[i + 1]; e++) {
            int64_t j = g->indices[e], was = s[i * g->n + j];
            double d = (double)g->distances[e];
            double v = g->metric == WN_COSINE ? fmax(0, 1 - d) : mean / (mean + d);
            s[i * g->n + j] = s[j * g->n + i] = wni_max(was, llrint(v * (double)WNI_SIM_ONE));
        }
    for (int64_t i = 0; i < g->n; i++)
        s[i * g->n + i] = WNI_SIM_ONE;
    return s;
}

static void edges_become_similarities(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int64_t k = 0; k < 90;
             k = 3 * k + 1) { /* 40: longer than what is sorted by insertion */
            wn_ctx *ctx = ts_ctx(2, -1);
            wn_graph *g = random_graph(ctx, N, k < 20 ? k : 20, (wn_metric)metric, (uint64_t)k);
            int64_t *want = dense(g);
            wni_simgraph s;
            if (k >= 20) /* a hub that all rows name */
                for (int64_t i = 1; i < N; i++)
                    g->indices[i * 20 + 19] = 0;
            free(want);
            want = dense(g);
            ts_ok(ctx, wni_simgraph_new(ctx, g, &s));
            for (int64_t i = 0; i < N; i++) {
                int64_t *row = want + i * N;
                for (int64_t e = s.begin[i]; e < s.end[i]; e++) {
                    int64_t j = (int64_t)(s.edge[e] >> 32);
                    if (j != i) assert_int_equal((uint32_t)s.edge[e], row[j]);
                    assert_true(e == s.begin[i] || s.edge[e - 1] >> 32 < s.edge[e] >> 32);
                    row[j] = 0;
                }
                for (int64_t j = 0; j < N; j++)
                    assert_true(j == i || row[j] == 0);
            }
            wni_simgraph_free(ctx, &s);
            wn_graph_free(g);
            free(want);
            wn_ctx_free(ctx);
        }
}

/* Plain greedy: every gain anew, from the definition of the function. */
static double value_of(const wni_greedy *g, const int64_t *s, const uint8_t *taken)
{
    double sum = 0;

    for (int64_t i = 0; i < N; i++) {
        int64_t most = 0;
        if (g->group[i] < 0 || g->rule[i] == WN_WHY_LIMIT) continue;
        for (int64_t j = 0; j < N; j++) {
            int64_t v = s[i * N + j];
            if (!taken[j] || (!g->across && g->group[i] != g->group[j])) continue;
            if (g->function == WNI_FACILITY_LOCATION)
                most = wni_max(most, v);
            else
                sum += g->lambda * (double)v - (taken[i] ? (double)v : 0);
        }
        sum += (double)most;
    }
    return sum;
}

static void like_plain_greedy(void **state)
{
    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int function = 0; function < 2; function++)
            for (int across = 0; across < 2; across++) {
                wn_ctx *ctx = ts_ctx(2, -1);
                wn_graph *graph = random_graph(ctx, N, 6, (wn_metric)metric, 3);
                int64_t *s = dense(graph), quota[3] = {10, 0, 25}, rows[35], gain[35];
                int32_t group[N];
                uint8_t rule[N], taken[N] = {0};
                wni_simgraph sims;
                wni_greedy g = {.function = function ? WNI_GRAPH_CUT : WNI_FACILITY_LOCATION,
                                .lambda = 2,
                                .graph = &sims,
                                .k = 3,
                                .group = group,
                                .quota = quota,
                                .across = across,
                                .rule = rule};
                for (int64_t i = 0; i < N; i++) {
                    group[i] = i % 19 == 0 ? -1 : (int32_t)(i % 3);
                    rule[i] = i % 29 == 7 ? WN_WHY_LIMIT : i % 31 == 8 ? WN_WHY_KEPT : WN_WHY_QUOTA;
                    taken[i] = group[i] >= 0 && rule[i] == WN_WHY_KEPT;
                }
                ts_ok(ctx, wni_simgraph_new(ctx, graph, &sims));
                ts_ok(ctx, wni_greedy_rows(ctx, &g, rows, gain));
                for (int t = 0; t < 35; t++) {
                    double now = value_of(&g, s, taken), best = -INFINITY;
                    int64_t at = -1;
                    for (int64_t i = 0; i < N; i++) {
                        double v;
                        if (group[i] < 0 || rule[i] != WN_WHY_QUOTA || taken[i]) continue;
                        if (quota[group[i]] == 0) continue;
                        taken[i] = 1;
                        v = value_of(&g, s, taken) - now;
                        taken[i] = 0;
                        if (v > best) {
                            best = v;
                            at = i;
                        }
                    }
                    assert_int_equal(rows[t], at);
                    assert_true((double)gain[t] == best);
                    taken[at] = 1;
                    quota[group[at]]--;
                }
                wni_simgraph_free(ctx, &sims);
                wn_graph_free(graph);
                free(s);
                wn_ctx_free(ctx);
            }
}

/* As a pick: the taken rows, partners with their similarity, rows that nothing stands for. */
static void as_a_pick(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_graph *graph = random_graph(ctx, N, 4, WN_COSINE, 5);
    int64_t *s = dense(graph), quota = 12, partner[N], covered = 0, alone = 0, kept = 0;
    float similarity[N];
    wni_cover cover = {partner, similarity};
    uint8_t rule[N];
    wni_picking p = {.how = WN_PICK_FACILITY_LOCATION,
                     .groups = {N, 1, NULL},
                     .quota = &quota,
                     .graph = graph,
                     .cover = &cover};

    (void)state;
    wni_open_all(&p.groups, rule);
    memset(partner, -1, sizeof partner);
    ts_ok(ctx, wni_pick_rows(ctx, &p, rule));
    for (int64_t i = 0; i < N; i++) {
        int64_t most = 0, at = -1;
        kept += rule[i] == WN_WHY_KEPT;
        if (rule[i] == WN_WHY_KEPT) continue;
        for (int64_t j = 0; j < N; j++)
            if (rule[j] == WN_WHY_KEPT && s[i * N + j] > most) {
                most = s[i * N + j];
                at = j;
            }
        assert_int_equal(partner[i], at);
        assert_int_equal(rule[i], at < 0 ? WN_WHY_QUOTA : WN_WHY_COVERED);
        if (at >= 0) assert_true(similarity[i] == (float)((double)most / (double)WNI_SIM_ONE));
        covered += at >= 0;
        alone += at < 0;
    }
    assert_int_equal(kept, 12);
    assert_true(covered > 0 && alone > 0);
    wn_graph_free(graph);
    free(s);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(edges_become_similarities),
                                       cmocka_unit_test(like_plain_greedy),
                                       cmocka_unit_test(as_a_pick)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
