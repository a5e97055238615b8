/* SPDX-License-Identifier: Apache-2.0
 *
 * Greedy maximisation with late re-evaluation: a gain never grows while rows are taken, so an old gain is an
 * upper bound, and only what stands at the top of the heap is computed anew (minoux1978).
 */
#include <math.h>

#include "ds/keyed.h"
#include "select/pick.h"
#include "select/submodular.h"

typedef struct greedy {
    const wni_greedy *g;
    const wni_simgraph *sims;
    wni_keyed *heap; /* the highest gain first, at a tie the smaller row; keys turn gains round */
    int64_t heaped;
    int64_t *
        state; /* (n) facility location: highest similarity to a taken row; graph cut: sum of them */
    int64_t *left; /* (k) of the quota */
} greedy;

static inline int32_t group_of(const wni_greedy *g, int64_t row)
{
    return g->group ? g->group[row] : 0;
}

/* Open or taken, and in a group: what is not does not exist. */
static inline bool exists(const wni_greedy *g, int64_t row)
{
    return group_of(g, row) >= 0 &&
           (!g->rule || wni_open(g->rule[row]) || g->rule[row] == WN_WHY_KEPT);
}

static inline bool joined(const wni_greedy *g, int64_t a, int64_t b)
{
    return a != b && (g->across ? exists(g, b) : group_of(g, a) == group_of(g, b) && exists(g, b));
}

static int64_t gain_of(const greedy *w, int64_t row)
{
    const wni_greedy *g = w->g;
    const wni_simgraph *s = w->sims;
    int64_t sum = 0;

    if (g->function == WNI_FACILITY_LOCATION) {
        sum = wni_max(0, WNI_SIM_ONE - w->state[row]);
        for (int64_t e = s->begin[row]; e < s->end[row]; e++) {
            int64_t j = (int64_t)(s->edge[e] >> 32), more = (int64_t)(uint32_t)s->edge[e];
            if ((more -= w->state[j]) > 0 && joined(g, row, j)) sum += more;
        }
        return sum;
    }
    for (int64_t e = s->begin[row]; e < s->end[row]; e++)
        if (joined(g, row, (int64_t)(s->edge[e] >> 32))) sum += (int64_t)(uint32_t)s->edge[e];
    return llrint(g->lambda * (double)(sum + WNI_SIM_ONE)) - 2 * w->state[row] - WNI_SIM_ONE;
}

static void take(const greedy *w, int64_t row)
{
    const wni_simgraph *s = w->sims;

    if (w->g->function == WNI_FACILITY_LOCATION) w->state[row] = WNI_SIM_ONE;
    for (int64_t e = s->begin[row]; e < s->end[row]; e++) {
        int64_t j = (int64_t)(s->edge[e] >> 32), similarity = (int64_t)(uint32_t)s->edge[e];
        if (!joined(w->g, row, j)) continue;
        if (w->g->function == WNI_GRAPH_CUT)
            w->state[j] += similarity;
        else
            w->state[j] = wni_max(w->state[j], similarity);
    }
}

/* ---- the heap ---------------------------------------------------------------------------------------- */

static inline uint64_t key_of_gain(int64_t gain)
{
    return (uint64_t)INT64_MAX - (uint64_t)gain; /* gains lie within +-2^62 */
}

static inline int64_t gain_of_key(uint64_t key)
{
    return (int64_t)((uint64_t)INT64_MAX - key);
}

static inline bool before(const wni_keyed *a, const wni_keyed *b)
{
    return a->key < b->key || (a->key == b->key && a->row < b->row);
}

static void sift(wni_keyed *v, int64_t n, int64_t at)
{
    wni_keyed x = v[at];

    for (int64_t child; (child = 2 * at + 1) < n; at = child) {
        if (child + 1 < n && before(&v[child + 1], &v[child])) child++;
        if (before(&x, &v[child])) break;
        v[at] = v[child];
    }
    v[at] = x;
}

static wn_status first_gains(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    greedy *w = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        w->heap[i].key = key_of_gain(gain_of(w, w->heap[i].row));
    return WN_OK;
}

static wn_status fill_heap(wn_ctx *ctx, greedy *w)
{
    const wni_greedy *g = w->g;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < w->sims->n; i++) {
        if (g->rule && g->rule[i] == WN_WHY_KEPT && group_of(g, i) >= 0) take(w, i);
        if (i % 16384 == 0) WNI_TRY(wni_poll(ctx));
    }
    for (int64_t i = 0; i < w->sims->n; i++) {
        int32_t c = group_of(g, i);
        if (c >= 0 && w->left[c] > 0 && (!g->rule || wni_open(g->rule[i])))
            w->heap[w->heaped++].row = i;
    }
    WNI_TRY(wni_parallel(ctx, w->heaped, 4096, first_gains, w));
    for (int64_t i = w->heaped / 2 - 1; i >= 0; i--)
        sift(w->heap, w->heaped, i);
done:
    return st;
}

/* ---- all ------------------------------------------------------------------------------------------------ */

wn_status wni_greedy_rows(wn_ctx *ctx, const wni_greedy *g, int64_t *rows, int64_t *gain)
{
    greedy w = {.g = g, .sims = g->graph};
    int64_t size = 0, taken = 0, looked = 0;
    wn_status st;

    WNI_NEW(ctx, w.left, g->k);
    for (int32_t c = 0; c < g->k; c++)
        size += w.left[c] = g->quota[c];
    WNI_NEW(ctx, w.heap, w.sims->n);
    WNI_NEW0(ctx, w.state, w.sims->n);
    WNI_TRY(fill_heap(ctx, &w));
    while (taken < size && w.heaped > 0) {
        wni_keyed top = w.heap[0];
        int32_t c = group_of(g, top.row);
        int64_t now = w.left[c] > 0 ? gain_of(&w, top.row) : 0;

        if (looked++ % 256 == 0) {
            WNI_TRY(wni_poll(ctx));
            wni_progress(ctx, "picking rows", taken, size);
        }
        if (w.left[c] > 0 && now != gain_of_key(top.key)) {
            w.heap[0].key = key_of_gain(now);
            sift(w.heap, w.heaped, 0);
            continue;
        }
        w.heap[0] = w.heap[--w.heaped];
        if (w.heaped > 0) sift(w.heap, w.heaped, 0);
        if (w.left[c] == 0) continue;
        w.left[c]--;
        if (gain) gain[taken] = now;
        rows[taken++] = top.row;
        take(&w, top.row);
    }
    if (taken < size)
        st = wni_fail(ctx, WN_E_INTERNAL, "greedy: %lld rows taken, %lld asked for",
                      (long long)taken, (long long)size);
done:
    wni_free(ctx, w.left);
    wni_free(ctx, w.heap);
    wni_free(ctx, w.state);
    return st;
}
