/* SPDX-License-Identifier: Apache-2.0
 *
 * The k nearest through the filter. The first base rows fill the heaps in f32; from then on a base row is
 * verified at once when its bound reaches the k-th best canonical score so far, which only rises. Where too
 * many do, the rest of the block goes through f32.
 */
#include <math.h>
#include <string.h>

#include "ds/topk.h"
#include "scan/filter.h"
#include "scan/topk_impl.h"

#define QUERIES_MIN   32
#define FIRST_COLUMNS 256 /* base rows that fill heaps in f32, 4 k if that is more */
#define WATCH_GROUPS  16  /* groups after which the hits are judged */
#define HITS_SHARE    40 /* verifying more than one base row in so many costs more than f32 would */
#define CHUNK         64 /* hits verified at once */
#define PLAIN_ROWS    64

typedef struct work {
    wni_filter_tile tile;
    float *scores; /* (PLAIN_ROWS, WNI_SCAN_COLUMNS) */
} work;

typedef struct filtered {
    wni_topk_scan *t;
    const wni_filter *f;
    int64_t first; /* number of the block's first row */
    int64_t rows;  /* of a tile */
    work *work;    /* (threads) */
} filtered;

/* Rows r0 .. r0 + m of the tile against base rows [from, to) of the block in f32. */
static wn_status plain(wn_ctx *ctx, const filtered *s, int worker, int64_t q0, int64_t r0,
                       int64_t m, int64_t from, int64_t to)
{
    const work *w = &s->work[worker];
    const wni_filter *f = s->f;

    for (int64_t b = from; b < to; b += WNI_SCAN_COLUMNS) {
        const int64_t n = wni_min(WNI_SCAN_COLUMNS, to - b);
        wn_status st = wni_poll(ctx);

        for (int64_t r = r0; st == WN_OK && r < r0 + m; r += PLAIN_ROWS) {
            const int64_t rows = wni_min(PLAIN_ROWS, r0 + m - r);

            f->kernels->dots(wni_filter_row(f, &w->tile, r), rows, wni_mat_row(f->base, b), n,
                             f->ld, w->scores, WNI_SCAN_COLUMNS);
            st = wni_topk_tile(ctx, s->t, worker, q0 + r, rows, s->first + b, n, w->scores,
                               WNI_SCAN_COLUMNS);
        }
        if (st != WN_OK) return st;
    }
    return WN_OK;
}

static void set_need(const filtered *s, wni_filter_tile *tile, int64_t q0, int64_t r)
{
    const wni_topk_scan *t = s->t;

    if (t->size[q0 + r] == t->k)
        tile->need[r] = wni_filter_need(tile, r, t->score[(q0 + r) * t->k]);
}

static void fetch(const filtered *s, int64_t c)
{
    const float *row = wni_mat_row(s->f->base, c);

    for (int64_t i = 0; i < wni_min(s->f->ld, 512); i += 16)
        __builtin_prefetch(row + i);
}

typedef struct chunk {
    int32_t row[CHUNK], column[CHUNK];
} chunk;

/* The pairs of the chunk by their canonical scores. */
static void offer(const filtered *s, wni_filter_tile *tile, int64_t q0, const chunk *c, int64_t n)
{
    const wni_topk_scan *t = s->t;
    const wni_filter *f = s->f;
    float score[CHUNK];

    f->kernels->dot_pairs(tile->x, c->row, f->base->v, c->column, n, f->ld, score);
    for (int64_t h = 0; h < n; h++) {
        const int64_t q = q0 + c->row[h];

        if (f->bias) score[h] -= f->bias[c->column[h]];
        if (isnan(score[h])) continue;
        if (t->size[q] == t->k && score[h] < t->score[q * t->k]) continue;
        wni_topk_push(t->score + q * t->k, t->at + q * t->k, t->k, &t->size[q], score[h],
                      s->first + c->column[h]);
        set_need(s, tile, q0, c->row[h]);
    }
}

/* Verifies the hits of one group. */
static int64_t verify(const filtered *s, wni_filter_tile *tile, int64_t q0)
{
    const wni_topk_scan *t = s->t;
    const wni_hits8 *hit = &tile->hit;
    int64_t verified = 0, held = 0;
    chunk c;

    for (int64_t i = 0; i < tile->hits; i++) {
        const int32_t r = hit->row[i], b = hit->column[i];

        if (hit->upper[i] < tile->need[r]) continue;
        if (t->skip_self &&
            wni_queries_row(t->base, s->first + b) == wni_queries_row(t->queries, q0 + r))
            continue;
        fetch(s, b);
        c.row[held] = r;
        c.column[held++] = b;
        if (held < CHUNK) continue;
        offer(s, tile, q0, &c, held);
        verified += held;
        held = 0;
    }
    offer(s, tile, q0, &c, held);
    tile->hits = 0;
    return verified + held;
}

/* Groups from `from` on, until all are done or the hits are too many: *end = the first base row not done. */
static wn_status scan_groups(wn_ctx *ctx, const filtered *s, wni_filter_tile *tile, int64_t q0,
                             int64_t from, int64_t *end)
{
    const wni_filter *f = s->f;
    int64_t verified = 0, total = 0;
    int64_t g = from / WNI_GROUP8;
    wn_status st = WN_OK;

    for (; g < f->groups; g++) {
        if (wni_filter_group(f, tile, g, 0) > 0) verified += verify(s, tile, q0);
        if (g % WATCH_GROUPS != 0) continue;
        WNI_TRY(wni_poll(ctx));
        total += verified;
        if (!ctx->filter_always && verified > WATCH_GROUPS * WNI_GROUP8 * tile->m / HITS_SHARE) {
            verified = 0;
            g++;
            break;
        }
        verified = 0;
    }
    atomic_fetch_add(&ctx->filter_candidates, total + verified);
done:
    *end = wni_min(g * WNI_GROUP8, f->n);
    return st;
}

static wn_status filtered_range(wn_ctx *ctx, void *arg, int worker, int64_t q0, int64_t q_end)
{
    filtered *s = arg;
    wni_topk_scan *t = s->t;
    work *w = &s->work[worker];
    wni_filter_tile *tile = &w->tile;
    const int64_t m = q_end - q0, n = s->f->n;
    int64_t from = 0;
    wn_status st;

    if (!tile->block) WNI_TRY(wni_filter_tile_new(ctx, s->f, s->rows, 0, tile));
    if (!w->scores) WNI_NEW(ctx, w->scores, PLAIN_ROWS * WNI_SCAN_COLUMNS);
    WNI_TRY(wni_queries_read(ctx, t->queries, q0, m, tile->x, s->f->ld));
    if (s->first == 0) {
        from = wni_min(n, wni_round_up(wni_max(4 * t->k, FIRST_COLUMNS), WNI_GROUP8));
        WNI_TRY(plain(ctx, s, worker, q0, 0, m, 0, from));
        atomic_fetch_add(&ctx->filter_rows, m);
        atomic_fetch_add(&ctx->filter_verified, m);
    }
    if (from < n && (ctx->filter_always || wni_filter_tries(&t->pause))) {
        wni_filter_load(s->f, tile, m);
        for (int64_t r = 0; r < m; r++)
            if (!tile->plain[r]) set_need(s, tile, q0, r);
        if (tile->n_plain <= m / 2) {
            const int64_t begin = from;

            WNI_TRY(scan_groups(ctx, s, tile, q0, begin, &from));
            if (from == n)
                wni_filter_worked(&t->pause);
            else
                wni_filter_failed(&t->pause);
            for (int64_t r = 0; tile->n_plain > 0 && r < m; r++)
                if (tile->plain[r]) WNI_TRY(plain(ctx, s, worker, q0, r, 1, begin, from));
        }
    }
    if (from == n) return WN_OK;
    if (s->first == 0) atomic_fetch_add(&ctx->filter_plain, m);
    WNI_TRY(plain(ctx, s, worker, q0, 0, m, from, n));
done:
    return st;
}

wn_status wni_topk_filtered(wn_ctx *ctx, wni_topk_scan *t, const wni_mat *block, int64_t first,
                            int *ran)
{
    filtered s = {.t = t, .first = first};
    wni_filter *f = NULL;
    wn_status st = WN_OK;

    *ran = 0;
    if (t->queries->n < QUERIES_MIN && !ctx->filter_always) return WN_OK;
    WNI_TRY(wni_filter_new(ctx, block, t->bias.v, &f));
    if (!f) goto done;
    s.f = f;
    s.rows = wni_filter_tile_rows(ctx, f, t->queries->n);
    if (ctx->threads * (wni_filter_tile_bytes(f, s.rows, 0) + (int64_t)sizeof(work) +
                        PLAIN_ROWS * WNI_SCAN_COLUMNS * (int64_t)sizeof(float)) >
        wni_budget_left(ctx))
        goto done;
    WNI_NEW0(ctx, s.work, ctx->threads);
    WNI_TRY(wni_parallel(ctx, t->queries->n, s.rows, filtered_range, &s));
    *ran = 1;
done:
    for (int i = 0; s.work && i < ctx->threads; i++) {
        wni_filter_tile_free(ctx, &s.work[i].tile);
        wni_free(ctx, s.work[i].scores);
    }
    wni_free(ctx, s.work);
    wni_filter_free(ctx, f);
    return st;
}
