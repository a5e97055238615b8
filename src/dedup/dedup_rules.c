/* SPDX-License-Identifier: Apache-2.0
 *
 * The two rules, in blocks of rows in row order. What a block finds depends on all rows before it and on
 * nothing else, so the size of the blocks does not show in the result.
 */
#include <math.h>
#include <string.h>

#include "dedup/dedup_semantic.h"

int64_t wni_pairs_among(int64_t n)
{
    return n < ((int64_t)1 << 31) ? n * (n - 1) / 2 : INT64_MAX;
}

int64_t wni_pairs_times(int64_t n, int64_t m)
{
    int64_t pairs;

    return __builtin_mul_overflow(n, m, &pairs) ? INT64_MAX : pairs;
}

int64_t wni_pairs_sum(int64_t a, int64_t b)
{
    int64_t sum;

    return __builtin_add_overflow(a, b, &sum) ? INT64_MAX : sum;
}

/* ---- sinks ------------------------------------------------------------------------------------- */

/* The most similar base row of each query; the smaller base number on ties, as b ascends. */
typedef struct nearest_sink {
    wni_join_sink sink;
    float *best;         /* (queries) similarity to beat */
    int64_t *at;         /* (queries) row of it, -1 = none */
    const int64_t *base; /* rows of the base numbers, or NULL */
    int64_t first;       /* row of base number 0 when base is NULL */
} nearest_sink;

static void nearest_hit(wni_join_sink *sink, int64_t q, int64_t b, float similarity)
{
    nearest_sink *s = (nearest_sink *)sink;

    /* The first hit may equal the floor; after it only more counts. */
    if (s->at[q] >= 0 && similarity <= s->best[q]) return;
    s->best[q] = similarity;
    s->at[q] = s->base ? s->base[b] : s->first + b;
}

/* Which earlier rows of the same list each row is close to. */
typedef struct bits_sink {
    wni_join_sink sink;
    uint64_t *bits; /* (queries, words) */
    int64_t words;
} bits_sink;

static void bits_hit(wni_join_sink *sink, int64_t q, int64_t b, float similarity)
{
    bits_sink *s = (bits_sink *)sink;

    (void)similarity;
    s->bits[q * s->words + b / 64] |= (uint64_t)1 << (b % 64);
}

/* ---- a run over one list ----------------------------------------------------------------------- */

typedef struct rule_run {
    wni_simjoin *join;
    const wn_pool *pool;
    float floor;
    const int64_t *list;
    int64_t n;
    wni_dups *dups;

    int64_t *kept; /* (n) rows kept so far, ascending */
    int64_t n_kept;

    /* Of the block; (block) each. */
    int64_t *rows, *limit, *sub, *at, *sub_rows;
    float *best;
    uint64_t *bits, *mask; /* (block, words), (words) */
} rule_run;

/* Nearest base row of queries sub[0..m) into dups, where it beats what is there already. */
static wn_status find_nearest(wn_ctx *ctx, rule_run *r, const int64_t *sub, int64_t m,
                              const wni_queries *base, const int64_t *limit)
{
    nearest_sink s = {{nearest_hit, r->best}, r->best, r->at, base->rows, base->first};
    wn_status st;

    for (int64_t q = 0; q < m; q++) {
        int64_t row = r->rows[sub ? sub[q] : q];
        r->at[q] = r->dups->partner[row];
        r->best[q] = r->at[q] < 0 ? r->floor : r->dups->similarity[row];
    }
    WNI_TRY(wni_simjoin_run(ctx, r->join, sub, m, base, limit, &s.sink));
    for (int64_t q = 0; q < m; q++) {
        int64_t row = r->rows[sub ? sub[q] : q];
        r->dups->partner[row] = r->at[q];
        r->dups->similarity[row] = r->best[q];
    }
done:
    return st;
}

static wn_status earlier_block(wn_ctx *ctx, rule_run *r, int64_t begin, int64_t m)
{
    wni_queries before = {r->pool, r->list, 0, begin}, own = {r->pool, r->rows, 0, m};
    wn_status st;

    WNI_TRY(find_nearest(ctx, r, NULL, m, &before, NULL));
    for (int64_t q = 0; q < m; q++)
        r->limit[q] = q;
    WNI_TRY(find_nearest(ctx, r, NULL, m, &own, r->limit));
done:
    return st;
}

static wn_status groups_block(wn_ctx *ctx, rule_run *r, int64_t m)
{
    wni_queries before = {r->pool, r->kept, 0, r->n_kept};
    wni_queries own = {r->pool, r->sub_rows, 0, 0}, fresh = {r->pool, NULL, 0, 0};
    int64_t open = 0, closed = 0, words;
    wn_status st;

    WNI_TRY(find_nearest(ctx, r, NULL, m, &before, NULL));
    for (int64_t q = 0; q < m; q++) /* no earlier block has a row for these */
        if (r->dups->partner[r->rows[q]] < 0) {
            r->limit[open] = open;
            r->sub_rows[open] = r->rows[q];
            r->sub[open++] = q;
        }
    own.n = open;
    words = (open + 63) / 64;
    bits_sink near = {{bits_hit, NULL}, r->bits, words};
    memset(r->bits, 0, (size_t)(open * words) * sizeof *r->bits);
    memset(r->mask, 0, (size_t)words * sizeof *r->mask);
    WNI_TRY(wni_simjoin_run(ctx, r->join, r->sub, open, &own, r->limit, &near.sink));

    /* In row order: a row stays unless it is close to a row of the block that stayed. */
    fresh.rows = r->kept + r->n_kept;
    for (int64_t i = 0; i < open; i++) {
        uint64_t close = 0;
        for (int64_t w = 0; w <= i / 64; w++)
            close |= r->bits[i * words + w] & r->mask[w];
        if (close) continue;
        r->mask[i / 64] |= (uint64_t)1 << (i % 64);
        r->kept[r->n_kept++] = r->sub_rows[i];
        fresh.n++;
    }

    /* The rows that go, against the rows of this block that stayed and come before them. */
    for (int64_t q = 0, stayed = 0; q < m; q++)
        if (stayed < fresh.n && r->rows[q] == fresh.rows[stayed]) {
            stayed++;
        } else {
            r->limit[closed] = stayed;
            r->sub[closed++] = q;
        }
    WNI_TRY(find_nearest(ctx, r, r->sub, closed, &fresh, r->limit));
done:
    return st;
}

/* The pairs that the rule is about, of rows begin, begin + 1, ... of the list, of which `kept` before them
 * were kept. How many are scored depends on the size of the blocks; this does not. */
static void count_pairs(rule_run *r, wn_dedup_rule rule, int64_t begin, int64_t m, int64_t kept)
{
    for (int64_t q = 0; q < m; q++) {
        r->dups->pairs = wni_pairs_sum(r->dups->pairs, rule == WN_DEDUP_GROUPS ? kept : begin + q);
        kept += r->dups->partner[r->rows[q]] < 0;
    }
}

wn_status wni_dedup_rule(wn_ctx *ctx, wni_simjoin *join, const wn_pool *pool, wn_dedup_rule rule,
                         float floor, const int64_t *list, int64_t n, wni_dups *dups,
                         int64_t done_pairs, int64_t total)
{
    rule_run r = {join, pool, floor, list, n, dups, .n_kept = 0};
    int64_t block = wni_min(wni_simjoin_block_rows(join), n), words = (block + 63) / 64;
    wn_status st;

    WNI_NEW(ctx, r.rows, block);
    WNI_NEW(ctx, r.limit, block);
    WNI_NEW(ctx, r.at, block);
    WNI_NEW(ctx, r.best, block);
    if (rule == WN_DEDUP_GROUPS) {
        WNI_NEW(ctx, r.kept, n);
        WNI_NEW(ctx, r.sub, block);
        WNI_NEW(ctx, r.sub_rows, block);
        WNI_NEW(ctx, r.bits, block * words);
        WNI_NEW(ctx, r.mask, words);
    }
    for (int64_t begin = 0; begin < n; begin += block) {
        int64_t m = wni_min(block, n - begin), kept = r.n_kept;

        for (int64_t i = 0; i < m; i++)
            r.rows[i] = list ? list[begin + i] : begin + i;
        WNI_TRY(wni_simjoin_load(ctx, join, r.rows, m));
        if (rule == WN_DEDUP_GROUPS)
            WNI_TRY(groups_block(ctx, &r, m));
        else
            WNI_TRY(earlier_block(ctx, &r, begin, m));
        count_pairs(&r, rule, begin, m, kept);
        WNI_TRY(wni_poll(ctx));
        wni_progress(ctx, "comparing rows", done_pairs + wni_pairs_among(begin + m), total);
    }
    st = WN_OK;
done:
    wni_free(ctx, r.rows);
    wni_free(ctx, r.limit);
    wni_free(ctx, r.at);
    wni_free(ctx, r.best);
    wni_free(ctx, r.kept);
    wni_free(ctx, r.sub);
    wni_free(ctx, r.sub_rows);
    wni_free(ctx, r.bits);
    wni_free(ctx, r.mask);
    return st;
}

/* ---- a reference ------------------------------------------------------------------------------- */

wn_status wni_dedup_reference(wn_ctx *ctx, wni_simjoin *join, int64_t n, const wn_pool *reference,
                              float floor, int64_t *at, float *best)
{
    int64_t block = wni_min(wni_simjoin_block_rows(join), wni_max(n, 1)), *rows = NULL;
    wni_queries base = {.pool = reference, .n = wn_pool_rows(reference)};
    wn_status st = WN_OK;

    WNI_NEW(ctx, rows, block);
    for (int64_t begin = 0; begin < n; begin += block) {
        int64_t m = wni_min(block, n - begin);
        nearest_sink s = {{nearest_hit, best + begin}, best + begin, at + begin, NULL, 0};

        wni_progress(ctx, "comparing with the reference", begin, n);
        for (int64_t i = 0; i < m; i++) {
            rows[i] = begin + i;
            at[begin + i] = -1;
            best[begin + i] = floor;
        }
        WNI_TRY(wni_simjoin_load(ctx, join, rows, m));
        WNI_TRY(wni_simjoin_run(ctx, join, NULL, m, &base, NULL, &s.sink));
        WNI_TRY(wni_poll(ctx));
    }
done:
    wni_free(ctx, rows);
    return st;
}
