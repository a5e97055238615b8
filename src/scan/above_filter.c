/* SPDX-License-Identifier: Apache-2.0
 *
 * Scores from a floor on, through the filter. The first base rows give floors in f32 where there are none yet;
 * from then on a base row is verified at once when its bound reaches the floor. Where too many do, the rest
 * of the block goes through f32, for this tile of queries; after some tiles bf16 may take the place of 8 bits.
 */
#include <math.h>

#include "scan/above_impl.h"
#include "scan/filter.h"

#define QUERIES_MIN  32
#define WATCH_GROUPS 16  /* groups after which the hits are judged */
#define LATE         16  /* one in so many groups may have too many at first, while floors rise */
#define TRIAL_ROWS   384 /* of each thread before bf16 is thought of, and before it is judged */
#define MEMORY_SHARE 4   /* of what is left of the budget, one part for codes */
#define CHUNK        64  /* hits verified at once */
#define PLAIN_ROWS   64

typedef struct work {
    wni_filter_tile tile;
    float *scores; /* (PLAIN_ROWS, WNI_SCAN_COLUMNS) */
    int32_t row[CHUNK], column[CHUNK];
    int64_t b[CHUNK];
    float score[CHUNK];
} work;

typedef struct filtered {
    wni_above_scan *scan;
    const wni_filter *f;
    int64_t first; /* number of the block's first row */
    int64_t q0;    /* first query of this part */
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
            st = wni_above_tile(ctx, s->scan, worker, q0 + r, rows, s->first + b, n, w->scores,
                                WNI_SCAN_COLUMNS);
        }
        if (st != WN_OK) return st;
    }
    return WN_OK;
}

static void set_need(const filtered *s, wni_filter_tile *tile, int64_t q0, int64_t r)
{
    tile->need[r] = wni_filter_need(tile, r, s->scan->above->floor[q0 + r]);
}

static void fetch(const filtered *s, int64_t c)
{
    const float *row = wni_mat_row(s->f->base, c);

    for (int64_t i = 0; i < wni_min(s->f->ld, 512); i += 16)
        __builtin_prefetch(row + i);
}

/* The n pairs that are listed, by their canonical scores. */
static wn_status offer(wn_ctx *ctx, const filtered *s, int worker, int64_t q0, int64_t n)
{
    const wni_above *above = s->scan->above;
    const wni_filter *f = s->f;
    work *w = &s->work[worker];
    wni_filter_tile *tile = &w->tile;

    f->kernels->dot_pairs(tile->x, w->row, f->base->v, w->column, n, f->ld, w->score);
    for (int64_t h = 0, end; h < n; h = end) {
        const int64_t r = w->row[h], q = q0 + r;
        int64_t kept = h;
        wn_status st;

        for (end = h; end < n && w->row[end] == r; end++) {
            const float score = f->bias ? w->score[end] - f->bias[w->column[end]] : w->score[end];

            if (isnan(score) || score < above->floor[q]) continue;
            w->score[kept] = score;
            w->b[kept++] = s->first + w->column[end];
        }
        if (kept == h) continue;
        st = above->take(ctx, above, worker, q, w->b + h, w->score + h, kept - h);
        if (st != WN_OK) return st;
        set_need(s, tile, q0, r);
    }
    return WN_OK;
}

/* Verifies the hits of one group. */
static wn_status verify(wn_ctx *ctx, const filtered *s, int worker, int64_t q0, int64_t *verified)
{
    work *w = &s->work[worker];
    wni_filter_tile *tile = &w->tile;
    const wni_hits8 *hit = &tile->hit;
    int64_t held = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < tile->hits && st == WN_OK; i++) {
        if (hit->upper[i] < tile->need[hit->row[i]]) continue;
        fetch(s, hit->column[i]);
        w->row[held] = hit->row[i];
        w->column[held++] = hit->column[i];
        if (held < CHUNK) continue;
        st = offer(ctx, s, worker, q0, held);
        *verified += held;
        held = 0;
    }
    if (st == WN_OK) st = offer(ctx, s, worker, q0, held);
    *verified += held;
    tile->hits = 0;
    return st;
}

/* Groups from `from` on, until all are done or the hits are too many: *end = the first base row not done. */
static wn_status scan_groups(wn_ctx *ctx, const filtered *s, int worker, int64_t q0, int64_t from,
                             int64_t *end)
{
    const wni_filter *f = s->f;
    wni_filter_tile *tile = &s->work[worker].tile;
    const int64_t begin = from / WNI_GROUP8, late = (f->groups - begin) / LATE;
    int64_t verified = 0, g = begin;
    wn_status st = WN_OK;

    for (; g < f->groups; g++) {
        if (wni_filter_group(f, tile, g, 0) > 0) WNI_TRY(verify(ctx, s, worker, q0, &verified));
        if (g % WATCH_GROUPS != 0) continue;
        WNI_TRY(wni_poll(ctx));
        if (!ctx->filter_always &&
            verified > wni_width_worth(f, (g - begin + late + 1) * WNI_GROUP8 * tile->m)) {
            g++;
            break;
        }
    }
    atomic_fetch_add(&ctx->filter_candidates, verified);
    wni_width_saw(&s->scan->width, (g - begin) * WNI_GROUP8 * tile->m, verified);
done:
    *end = wni_min(g * WNI_GROUP8, f->n);
    return st;
}

static wn_status filtered_range(wn_ctx *ctx, void *arg, int worker, int64_t q0, int64_t q_end)
{
    filtered *s = arg;
    const wni_above *above = s->scan->above;
    wni_filter_pause *pause = &s->scan->pause;
    work *w = &s->work[worker];
    wni_filter_tile *tile = &w->tile;
    const int64_t m = q_end - q0, n = s->f->n;
    int64_t from = 0;
    wn_status st;

    q0 += s->q0;
    if (tile->block && tile->wide != s->f->wide) wni_filter_tile_free(ctx, tile);
    if (!tile->block) WNI_TRY(wni_filter_tile_new(ctx, s->f, s->rows, 0, tile));
    if (!w->scores) WNI_NEW(ctx, w->scores, PLAIN_ROWS * WNI_SCAN_COLUMNS);
    WNI_TRY(wni_queries_take(ctx, above->queries, q0, m, tile->copy, s->f->ld, &tile->x));
    if (s->first == 0) {
        from = wni_min(n, wni_round_up(above->warm, WNI_GROUP8));
        WNI_TRY(plain(ctx, s, worker, q0, 0, m, 0, from));
        atomic_fetch_add(&ctx->filter_rows, m);
        atomic_fetch_add(&ctx->filter_verified, m);
    }
    if (from < n && (ctx->filter_always || wni_filter_tries(pause))) {
        wni_filter_load(s->f, tile, m);
        for (int64_t r = 0; r < m; r++)
            if (!tile->plain[r]) set_need(s, tile, q0, r);
        if (tile->n_plain <= m / 2) {
            const int64_t begin = from;

            WNI_TRY(scan_groups(ctx, s, worker, q0, begin, &from));
            if (from == n)
                wni_filter_worked(pause);
            else
                wni_filter_failed(pause);
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

/* All queries; between parts of them the filter may change. */
static wn_status all_queries(wn_ctx *ctx, filtered *s, wni_filter **f)
{
    wni_filter_width *width = &s->scan->width;
    const int64_t n = s->scan->above->queries->n,
                  trial = wni_round_up(TRIAL_ROWS, s->rows) * ctx->threads;
    wn_status st = WN_OK;

    for (int64_t part; s->q0 < n; s->q0 += part) {
        int changed;

        part = width->settled ? n - s->q0 : wni_min(trial, n - s->q0);
        s->f = *f;
        WNI_TRY(wni_parallel(ctx, part, s->rows, filtered_range, s));
        WNI_TRY(wni_width_look(ctx, width, MEMORY_SHARE, f, &changed));
        if (changed) wni_filter_worked(&s->scan->pause); /* the other one is tried at once */
    }
done:
    return st;
}

wn_status wni_above_filtered(wn_ctx *ctx, wni_above_scan *scan, const wni_mat *block, int64_t first,
                             int *ran)
{
    filtered s = {.scan = scan, .first = first};
    const int64_t n = scan->above->queries->n;
    wni_filter *f = NULL;
    wn_status st = WN_OK;

    *ran = 0;
    if (n < QUERIES_MIN && !ctx->filter_always) return WN_OK;
    WNI_TRY(wni_width_start(ctx, &scan->width, block, scan->bias.v, n, MEMORY_SHARE, NULL, &f));
    if (!f) goto done;
    s.rows = wni_filter_tall_rows(ctx, f, n);
    if (ctx->threads * (wni_filter_tile_bytes(f, s.rows, 0) + (int64_t)sizeof(work) +
                        PLAIN_ROWS * WNI_SCAN_COLUMNS * (int64_t)sizeof(float)) >
        wni_budget_left(ctx) / MEMORY_SHARE)
        goto done;
    WNI_NEW0(ctx, s.work, ctx->threads);
    WNI_TRY(all_queries(ctx, &s, &f));
    *ran = 1;
done:
    for (int i = 0; s.work && i < ctx->threads; i++) {
        wni_filter_tile_free(ctx, &s.work[i].tile);
        wni_free(ctx, s.work[i].scores);
    }
    wni_free(ctx, s.work);
    wni_width_end(ctx, &scan->width);
    return st;
}
