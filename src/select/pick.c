/* SPDX-License-Identifier: Apache-2.0
 *
 * The picks that rank each row by itself, and the lists of open rows that all picks start from.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "kernels/kernels.h"
#include "select/pick.h"

#define BLOCK_ROWS ((int64_t)1 << 18) /* rows whose keys are made at one time */
#define READ_BYTES ((int64_t)1 << 18)

/* ---- the state ----------------------------------------------------------------------------------- */

void wni_open_all(const wni_grouping *g, uint8_t *rule)
{
    for (int64_t i = 0; i < g->n; i++)
        rule[i] = wni_group_of(g, i) < 0 ? WN_WHY_NO_CLUSTER : WN_WHY_QUOTA;
}

void wni_count_open(const wni_grouping *g, const uint8_t *rule, int64_t *count)
{
    memset(count, 0, (size_t)g->k * sizeof *count);
    for (int64_t i = 0; i < g->n; i++) {
        int32_t c = wni_group_of(g, i);
        if (c >= 0 && wni_open(rule[i])) count[c]++;
    }
}

/* ---- lists ----------------------------------------------------------------------------------------- */

typedef struct keying {
    wni_key_fn fn;
    void *arg;
    int64_t first;
    uint64_t *key; /* (BLOCK_ROWS) */
} keying;

static wn_status key_block(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    keying *k = arg;

    return k->fn(ctx, k->arg, worker, k->first + begin, k->first + end, k->key + begin);
}

wn_status wni_open_rows_new(wn_ctx *ctx, const wni_grouping *g, const uint8_t *rule, wni_key_fn fn,
                            void *arg, int64_t grain, wni_open_rows *out)
{
    keying k = {.fn = fn, .arg = arg};
    int64_t *next = NULL;
    wn_status st = WN_OK;

    *out = (wni_open_rows){0};
    WNI_NEW(ctx, out->begin, g->k + (int64_t)1);
    WNI_NEW(ctx, next, g->k);
    wni_count_open(g, rule, next);
    out->begin[0] = 0;
    for (int32_t c = 0; c < g->k; c++) {
        out->begin[c + 1] = out->begin[c] + next[c];
        next[c] = out->begin[c];
    }
    WNI_NEW(ctx, out->v, out->begin[g->k]);
    WNI_NEW0(ctx, k.key, wni_min(BLOCK_ROWS, g->n));
    for (k.first = 0; k.first < g->n; k.first += BLOCK_ROWS) {
        int64_t rows = wni_min(BLOCK_ROWS, g->n - k.first);
        WNI_TRY(fn ? wni_parallel(ctx, rows, grain, key_block, &k) : wni_poll(ctx));
        for (int64_t i = 0; i < rows; i++) {
            int32_t c = wni_group_of(g, k.first + i);
            if (c >= 0 && wni_open(rule[k.first + i]))
                out->v[next[c]++] = (wni_keyed){k.key[i], k.first + i};
        }
    }
done:
    wni_free(ctx, next);
    wni_free(ctx, k.key);
    if (st != WN_OK) wni_open_rows_free(ctx, out);
    return st;
}

void wni_open_rows_free(wn_ctx *ctx, wni_open_rows *rows)
{
    wni_free(ctx, rows->begin);
    wni_free(ctx, rows->v);
    *rows = (wni_open_rows){0};
}

/* ---- limits ---------------------------------------------------------------------------------------- */

void wni_limit_below(int64_t n, const float *scores, double min_score, uint8_t *rule)
{
    for (int64_t i = 0; i < n; i++)
        if (wni_open(rule[i]) && (double)scores[i] < min_score) rule[i] = WN_WHY_LIMIT;
}

typedef struct banding {
    wni_open_rows rows;
    double low, high;
    uint8_t *rule;
} banding;

static wn_status score_keys(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end,
                            uint64_t *key)
{
    const float *scores = arg;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        key[i - begin] = wni_key_of_float(scores[i] + 0.0f); /* -0 and 0 are one score */
    return WN_OK;
}

static wn_status band_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    banding *b = arg;
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t c = begin; c < end; c++) {
        wni_keyed *v = b->rows.v + b->rows.begin[c];
        int64_t m = b->rows.begin[c + 1] - b->rows.begin[c];
        int64_t from = (int64_t)floor(b->low * (double)m), to = (int64_t)ceil(b->high * (double)m);
        WNI_TRY(wni_keyed_first(ctx, v, m, from));
        WNI_TRY(wni_keyed_first(ctx, v + from, m - from, to - from));
        for (int64_t i = 0; i < m; i++)
            if (i < from || i >= to) b->rule[v[i].row] = WN_WHY_LIMIT;
    }
done:
    return st;
}

wn_status wni_limit_band(wn_ctx *ctx, const wni_grouping *g, const float *scores, double low,
                         double high, uint8_t *rule)
{
    banding b = {.low = low, .high = high, .rule = rule};
    union {
        const float *given;
        void *arg;
    } s = {.given = scores};
    wn_status st;

    WNI_TRY(wni_open_rows_new(ctx, g, rule, score_keys, s.arg, 16384, &b.rows));
    WNI_TRY(wni_parallel(ctx, g->k, 1, band_range, &b));
done:
    wni_open_rows_free(ctx, &b.rows);
    return st;
}

/* ---- picks by a key ---------------------------------------------------------------------------------- */

typedef struct ranking {
    const wni_picking *p;
    wni_open_rows rows;
    uint8_t *rule;
    uint64_t stream;
    int64_t ld, slot;
    float *slots; /* (threads, slot) rows, then one centre */
} ranking;

/* Distances to the group's centre. */
static wn_status distance_keys(wn_ctx *ctx, const ranking *r, int worker, int64_t begin,
                               int64_t end, uint64_t *key)
{
    const wni_picking *p = r->p;
    const wni_kernels *kern = wni_kernels_of(ctx);
    int64_t d = wn_pool_dim(p->pool);
    float *x = r->slots + worker * r->slot, *center = x + r->slot - r->ld;
    bool cosine = wn_pool_metric(p->pool) == WN_COSINE;
    wn_status st = wn_pool_read(ctx, p->pool, begin, end - begin, x, r->ld);

    if (st != WN_OK) return st;
    memset(center, 0, (size_t)r->ld * sizeof *center);
    for (int64_t i = begin; i < end; i++, x += r->ld) {
        int32_t c = wni_group_of(&p->groups, i);
        uint64_t k = 0;
        if (c >= 0) {
            memcpy(center, p->centers + c * d, (size_t)d * sizeof *center);
            k = wni_key_of_float(cosine ? 0.0f - kern->dot(x, center, r->ld)
                                        : kern->l2sq(x, center, r->ld));
            if (p->how == WN_PICK_FARTHEST) k = UINT64_MAX - k;
        }
        key[i - begin] = k;
    }
    return WN_OK;
}

static wn_status rank_keys(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end,
                           uint64_t *key)
{
    const ranking *r = arg;
    const float *scores = r->p->scores;

    switch (r->p->how) {
    case WN_PICK_CLOSEST:
    case WN_PICK_FARTHEST:
        return distance_keys(ctx, r, worker, begin, end, key);
    case WN_PICK_TOP:
        for (int64_t i = begin; i < end; i++)
            key[i - begin] = UINT64_MAX - wni_key_of_float(scores[i] + 0.0f);
        break;
    case WN_PICK_BOTTOM:
        for (int64_t i = begin; i < end; i++)
            key[i - begin] = wni_key_of_float(scores[i] + 0.0f);
        break;
    default:
        for (int64_t i = begin; i < end; i++)
            key[i - begin] = wni_rand_u64(r->p->seed, r->stream, (uint64_t)i);
        break;
    }
    return WN_OK;
}

static wn_status take_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    ranking *r = arg;
    bool random =
        r->p->how == WN_PICK_RANDOM || r->p->how == WN_PICK_BAND || r->p->how == WN_PICK_THRESHOLD;
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t c = begin; c < end; c++) {
        wni_keyed *v = r->rows.v + r->rows.begin[c];
        int64_t m = r->rows.begin[c + 1] - r->rows.begin[c], quota = r->p->quota[c];
        uint8_t left = quota == 0 ? WN_WHY_QUOTA : random ? WN_WHY_NOT_DRAWN : WN_WHY_SCORE;
        WNI_TRY(wni_keyed_first(ctx, v, m, quota));
        for (int64_t i = 0; i < m; i++)
            r->rule[v[i].row] = i < quota ? WN_WHY_KEPT : left;
    }
done:
    return st;
}

static wn_status pick_ranked(wn_ctx *ctx, const wni_picking *p, uint8_t *rule)
{
    bool distance = p->how == WN_PICK_CLOSEST || p->how == WN_PICK_FARTHEST;
    ranking r = {.p = p, .rule = rule, .stream = wni_stream("select-pick", 0, p->round)};
    int64_t grain = 16384;
    wn_status st;

    if (distance) {
        r.ld = wni_ld(wn_pool_dim(p->pool));
        grain = wni_max(READ_BYTES / (r.ld * (int64_t)sizeof(float)), 1);
        r.slot = (grain + 1) * r.ld;
        WNI_NEW(ctx, r.slots, wn_ctx_threads(ctx) * r.slot);
    }
    WNI_TRY(wni_open_rows_new(ctx, &p->groups, rule, rank_keys, &r, grain, &r.rows));
    WNI_TRY(wni_parallel(ctx, p->groups.k, 16, take_range, &r));
done:
    wni_open_rows_free(ctx, &r.rows);
    wni_free(ctx, r.slots);
    return st;
}

/* ---- picks on the graph -------------------------------------------------------------------------------- */

static wn_status pick_on_graph(wn_ctx *ctx, const wni_picking *p, uint8_t *rule)
{
    const wni_grouping *g = &p->groups;
    wni_simgraph sims = {0};
    wni_greedy greedy = {.function =
                             p->how == WN_PICK_GRAPH_CUT ? WNI_GRAPH_CUT : WNI_FACILITY_LOCATION,
                         .lambda = 2,
                         .graph = &sims,
                         .k = g->k,
                         .group = g->of,
                         .quota = p->quota,
                         .across = p->across,
                         .rule = rule};
    int64_t *rows = NULL, size = 0;
    wn_status st;

    for (int32_t c = 0; c < g->k; c++)
        size += p->quota[c];
    WNI_TRY(wni_simgraph_new(ctx, p->graph, &sims));
    WNI_NEW(ctx, rows, size);
    WNI_TRY(wni_greedy_rows(ctx, &greedy, rows, NULL));
    for (int64_t i = 0; i < size; i++)
        rule[rows[i]] = WN_WHY_KEPT;
    for (int64_t i = 0; i < g->n; i++) {
        int64_t similarity, partner;
        if (i % 4096 == 0) WNI_TRY(wni_poll(ctx));
        if (!wni_open(rule[i])) continue;
        partner = wni_simgraph_partner(&sims, g->of, p->across, rule, i, &similarity);
        rule[i] = partner < 0 ? WN_WHY_QUOTA : WN_WHY_COVERED;
        if (!p->cover || partner < 0) continue;
        p->cover->partner[i] = partner;
        p->cover->similarity[i] = (float)((double)similarity / (double)WNI_SIM_ONE);
    }
done:
    wni_free(ctx, rows);
    wni_simgraph_free(ctx, &sims);
    return st;
}

/* ---- all ------------------------------------------------------------------------------------------------- */

wn_status wni_pick_rows(wn_ctx *ctx, const wni_picking *p, uint8_t *rule)
{
    switch (p->how) {
    case WN_PICK_K_CENTER:
    case WN_PICK_HERDING:
        return wni_pick_chain(ctx, p, rule);
    case WN_PICK_FACILITY_LOCATION:
    case WN_PICK_GRAPH_CUT:
        return pick_on_graph(ctx, p, rule);
    default:
        return pick_ranked(ctx, p, rule);
    }
}

int64_t wni_pick_bytes(wn_ctx *ctx, wn_pick how, int64_t n, int64_t d, int64_t k, int64_t edges)
{
    int64_t ld = wni_ld(d), lists = n * 16 + k * 16 + wni_min(BLOCK_ROWS, n) * 8 + 4096;
    int64_t tiles = wn_ctx_threads(ctx) * (READ_BYTES + 2 * ld * 4 + 64);

    switch (how) {
    case WN_PICK_K_CENTER:
    case WN_PICK_HERDING:
        if (n * ld * 4 <= wni_budget_left(ctx) / 4) lists += n * ld * 4; /* the rows, held */
        return lists + tiles + n * 16 + (wn_ctx_threads(ctx) + 1) * (ld * 24 + 4096) + k * 8;
    case WN_PICK_FACILITY_LOCATION:
    case WN_PICK_GRAPH_CUT:
        return wni_simgraph_bytes(n, edges) + n * 32 + k * 8 + 4096;
    case WN_PICK_CLOSEST:
    case WN_PICK_FARTHEST:
        return lists + tiles;
    default:
        return lists;
    }
}
