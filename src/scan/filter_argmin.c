/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest base row of each query through the filter. A worker codes a tile of rows, scans all groups with
 * thresholds that only rise, and verifies what is left. A tile whose hits grow beyond what verifying is
 * worth goes through f32 instead; when most tiles do, the filter is only tried now and then.
 */
#include "scan/filter_argmin.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "scan/scan_impl.h"

#define QUERIES_MIN   64
#define HITS_SHARE    12 /* verifying more than one base row in so many costs more than f32 would */
#define HITS_ROW_MAX  64 /* a row's hits in memory, on average */
#define TRY_EVERY     32 /* tiles, once most were given up */
#define POLL_PRODUCTS ((int64_t)1 << 28)
#define PLAIN_ROWS    64 /* rows of f32 work at a time */

typedef struct filtered {
    const wni_queries *queries;
    const wni_filter *f;
    const int32_t *hint;
    int32_t *at;
    float *score, *second;
    int64_t rows, room;
    wni_filter_tile *tile; /* (threads) */
    float **plain;         /* (threads) (PLAIN_ROWS, WNI_SCAN_COLUMNS) scores */
    atomic_llong tiles, given_up;
} filtered;

int64_t wni_filter_queries_min(const wn_ctx *ctx)
{
    return ctx->filter_always ? 0 : QUERIES_MIN;
}

static void start(const filtered *s, int64_t q)
{
    s->at[q] = -1;
    s->score[q] = -INFINITY;
    if (s->second) s->second[q] = -INFINITY;
}

/* One more canonical score; base rows come in ascending order. */
static void take(const filtered *s, int64_t q, int32_t c, float score)
{
    if (s->at[q] < 0) {
        s->at[q] = c;
        s->score[q] = score;
    } else if (score > s->score[q]) {
        if (s->second) s->second[q] = s->score[q] + 0.0f; /* +0, as everywhere */
        s->at[q] = c;
        s->score[q] = score;
    } else if (s->second && score > s->second[q])
        s->second[q] = score + 0.0f;
}

/* Rows r0 .. r0 + m of the tile through f32. */
static wn_status plain_rows(wn_ctx *ctx, const filtered *s, const wni_filter_tile *t, int worker,
                            int64_t q0, int64_t r0, int64_t m)
{
    const wni_filter *f = s->f;
    float *scores = s->plain[worker];

    if (!scores) {
        scores = wni_alloc(ctx, PLAIN_ROWS * WNI_SCAN_COLUMNS, sizeof *scores);
        if (!scores) return WN_E_NOMEM;
        s->plain[worker] = scores;
    }
    for (int64_t r = r0; r < r0 + m; r++)
        start(s, q0 + r);
    for (int64_t b = 0; b < f->n; b += WNI_SCAN_COLUMNS) {
        const int64_t n = wni_min(WNI_SCAN_COLUMNS, f->n - b);
        wn_status st = wni_poll(ctx);

        if (st != WN_OK) return st;
        f->kernels->dots(wni_filter_row(f, t, r0), m, wni_mat_row(f->base, b), n, f->ld, scores,
                         WNI_SCAN_COLUMNS);
        for (int64_t i = 0; i < m; i++) {
            const int64_t q = q0 + r0 + i;
            float value, second;
            int64_t at;

            f->kernels->best(scores + i * WNI_SCAN_COLUMNS, f->bias ? f->bias + b : NULL, n, &value,
                             &at, &second);
            take(s, q, (int32_t)(b + at), value);
            if (s->second && second > s->second[q]) s->second[q] = second;
        }
    }
    atomic_fetch_add(&ctx->filter_plain, m);
    return WN_OK;
}

static wn_status plain_tile(wn_ctx *ctx, const filtered *s, const wni_filter_tile *t, int worker,
                            int64_t q0, int64_t m)
{
    wn_status st = WN_OK;

    for (int64_t r = 0; r < m && st == WN_OK; r += PLAIN_ROWS)
        st = plain_rows(ctx, s, t, worker, q0, r, wni_min(PLAIN_ROWS, m - r));
    return st;
}

/* The canonical score of the hint is what the row needs from the start. Two base rows must be kept apart when
 * the second best is asked for: then nothing is known. */
static void use_hints(const filtered *s, wni_filter_tile *t, int64_t q0)
{
    for (int64_t r = 0; s->hint && !s->second && r < t->m; r++) {
        const int32_t c = s->hint[q0 + r];

        if (c >= 0 && !t->plain[r])
            t->need[r] = wni_filter_need(t, r, wni_filter_score(s->f, t, r, c));
    }
}

/* All groups; *few = 0 when the hits are too many to be worth it. */
static wn_status find(wn_ctx *ctx, const filtered *s, wni_filter_tile *t, int *few)
{
    const wni_filter *f = s->f;
    const int64_t worth = wni_min(wni_max(f->n / HITS_SHARE, 3), HITS_ROW_MAX) * t->m;
    const int64_t poll = wni_max(POLL_PRODUCTS / (t->m * f->ld * WNI_GROUP8), 1);
    int64_t mark = wni_min(2 * worth, t->room);
    wn_status st;

    *few = t->n_plain <= t->m / 2;
    for (int64_t g = 0; g < f->groups && *few; g++) {
        if (g % poll == 0) WNI_TRY(wni_poll(ctx));
        wni_filter_group(f, t, g, s->second ? 2 : 1);
        if (t->hits > mark) {
            wni_filter_prune(t);
            *few = t->hits <= worth;
        }
    }
    wni_filter_prune(t);
    *few = *few && t->hits <= worth;
    st = WN_OK;
done:
    return st;
}

static void verify(wn_ctx *ctx, const filtered *s, const wni_filter_tile *t, int64_t q0)
{
    int64_t verified = 0;

    for (int64_t r = 0; r < t->m; r++)
        start(s, q0 + r);
    for (int64_t i = 0; i < t->hits; i++) {
        const int64_t r = t->hit.row[i];
        const int32_t c = t->hit.column[i];

        verified += ++t->count[r] == 2;
        take(s, q0 + r, c, wni_filter_score(s->f, t, r, c));
    }
    atomic_fetch_add(&ctx->filter_rows, t->m - t->n_plain);
    atomic_fetch_add(&ctx->filter_candidates, t->hits);
    atomic_fetch_add(&ctx->filter_verified, verified);
}

static wn_status filtered_range(wn_ctx *ctx, void *arg, int worker, int64_t q0, int64_t q_end)
{
    filtered *s = arg;
    wni_filter_tile *t = &s->tile[worker];
    const int64_t m = q_end - q0;
    long long tiles, given_up;
    int few = 0;
    wn_status st;

    if (!t->block) WNI_TRY(wni_filter_tile_new(ctx, s->f, s->rows, s->room, t));
    WNI_TRY(wni_queries_read(ctx, s->queries, q0, m, t->x, s->f->ld));
    given_up = atomic_load(&s->given_up);
    tiles = atomic_fetch_add(&s->tiles, 1);
    if (ctx->filter_always || 2 * given_up <= tiles + 1 || tiles % TRY_EVERY == 0) {
        wni_filter_load(s->f, t, m);
        use_hints(s, t, q0);
        WNI_TRY(find(ctx, s, t, &few));
    }
    if (!few) {
        atomic_fetch_add(&s->given_up, 1);
        return plain_tile(ctx, s, t, worker, q0, m);
    }
    verify(ctx, s, t, q0);
    for (int64_t r = 0; t->n_plain && r < m; r++)
        if (t->plain[r]) WNI_TRY(plain_rows(ctx, s, t, worker, q0, r, 1));
done:
    return st;
}

wn_status wni_filter_argmin(wn_ctx *ctx, const wni_queries *queries, const wni_filter *f,
                            const int32_t *hint, int32_t *at, float *score, float *second, int *ran)
{
    const int64_t threads = ctx->threads;
    filtered s = {
        .queries = queries, .f = f, .hint = hint, .at = at, .score = score, .second = second};
    int64_t bytes;
    wn_status st = WN_OK;

    *ran = 0;
    if (wn_pool_dim(queries->pool) != f->base->d) return WN_OK; /* told by the f32 path */
    s.rows = wni_filter_tile_rows(ctx, f, queries->n);
    s.room = 2 * HITS_ROW_MAX * s.rows;
    bytes = threads *
            (wni_filter_tile_bytes(f, s.rows, s.room) + (int64_t)sizeof *s.tile +
             (int64_t)sizeof *s.plain + PLAIN_ROWS * WNI_SCAN_COLUMNS * (int64_t)sizeof(float));
    if (bytes > wni_budget_left(ctx)) return WN_OK;
    WNI_NEW0(ctx, s.tile, threads);
    WNI_NEW0(ctx, s.plain, threads);
    WNI_TRY(wni_parallel(ctx, queries->n, s.rows, filtered_range, &s));
    *ran = 1;
done:
    for (int64_t i = 0; i < threads; i++) {
        if (s.tile) wni_filter_tile_free(ctx, &s.tile[i]);
        if (s.plain) wni_free(ctx, s.plain[i]);
    }
    wni_free(ctx, s.tile);
    wni_free(ctx, s.plain);
    return st;
}
