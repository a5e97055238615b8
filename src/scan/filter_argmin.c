/* SPDX-License-Identifier: Apache-2.0
 *
 * The nearest base row of each query through the filter. A worker codes a tile of rows, scans all groups with
 * thresholds that only rise, and verifies what is left. A tile whose hits grow beyond what verifying is
 * worth goes through f32 instead; then the next tiles take f32 at once, more of them each time.
 */
#include "scan/filter_argmin.h"

#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "scan/filter_impl.h"
#include "scan/filter_pause.h"
#include "scan/scan_impl.h"

#define QUERIES_MIN   128
#define PAIR_PRODUCTS 48 /* what a pair costs in f32 beside its products, in products */
#define ROW_PRODUCTS  32000
#define HITS_SHARE    12 /* verifying more than one base row in so many costs more than f32 would */
#define HITS_ROW_MAX  64 /* a row's hits in memory, on average */

#define HOPELESS      20 /* hits a row among the first 64 base rows */
#define POLL_PRODUCTS ((int64_t)1 << 28)
#define PLAIN_ROWS    64 /* rows of f32 work at a time */

#define SAMPLE_ROWS      48
#define WIDE_QUERIES_MIN 2048 /* a thread; looking at the sample takes one of them alone */

typedef struct filtered {
    const wni_queries *queries;
    const wni_filter *f;
    const int32_t *hint, *hint_second;
    const float *floor;
    int32_t *at, *second_at; /* second_at NULL = not wanted */
    float *score, *second;
    int64_t rows, room;
    wni_filter_tile *tile; /* (threads) */
    float **plain;         /* (threads) (PLAIN_ROWS, WNI_SCAN_COLUMNS) scores */
    wni_filter_pause pause;
    wni_ahead *ahead;
} filtered;

int wni_filter_argmin_pays(const wn_ctx *ctx, int64_t queries, int64_t n, int64_t ld, int packed)
{
    if (ctx->filter_always) return 1;
    return (packed || queries >= QUERIES_MIN) && n * (PAIR_PRODUCTS + ld) >= ROW_PRODUCTS + 16 * ld;
}

static void start(const filtered *s, int64_t q)
{
    s->at[q] = -1;
    s->score[q] = -INFINITY;
    if (s->second) s->second[q] = -INFINITY;
    if (s->second_at) s->second_at[q] = -1;
}

/* One more canonical score, in any order of the base rows. */
static void take(const filtered *s, int64_t q, int32_t c, float score)
{
    int32_t loser_at = c;
    float loser = score;

    if (s->at[q] < 0 || score > s->score[q] || (score == s->score[q] && c < s->at[q])) {
        loser_at = s->at[q];
        loser = loser_at < 0 ? -INFINITY : s->score[q];
        s->at[q] = c;
        s->score[q] = score;
    }
    if (!s->second || !(loser > s->second[q])) return;
    s->second[q] = loser + 0.0f; /* + 0: a zero has one sign */
    if (s->second_at) s->second_at[q] = loser_at;
}

static void best_of_block(const filtered *s, int64_t q, const float *scores, int64_t b, int64_t n)
{
    const wni_filter *f = s->f;
    float value, second;
    int64_t at;

    f->kernels->best(scores, f->bias ? f->bias + b : NULL, n, &value, &at, &second);
    take(s, q, (int32_t)(b + at), value);
    if (!s->second || !(second > s->second[q])) return;
    s->second[q] = second;
    if (s->second_at) s->second_at[q] = -1;
}

/* Rows r0 .. r0 + m of the tile through f32; some base rows stay near while all of them pass. */
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
        for (int64_t r = r0; r < r0 + m; r += PLAIN_ROWS) {
            const int64_t rows = wni_min(PLAIN_ROWS, r0 + m - r);

            f->kernels->dots(wni_filter_row(f, t, r), rows, wni_mat_row(f->base, b), n, f->ld,
                             scores, WNI_SCAN_COLUMNS);
            for (int64_t i = 0; i < rows; i++)
                best_of_block(s, q0 + r + i, scores + i * WNI_SCAN_COLUMNS, b, n);
        }
    }
    atomic_fetch_add(&ctx->filter_plain, m);
    return WN_OK;
}

/* Asks for a base row that will be scored soon. */
static void expect(const wni_filter *f, int32_t c)
{
    const float *row = wni_mat_row(f->base, c < 0 ? 0 : c);

    for (int64_t i = 0; i < f->ld && i < 1024; i += 16)
        __builtin_prefetch(row + i);
}

/* The canonical score of the hint is what the row needs from the start. With the second best, it is one of the
 * two that count, the score of the other hint the second; the lowers of both base rows say nothing more. */
static void use_hints(const filtered *s, wni_filter_tile *t, int64_t q0)
{
    const int32_t *one = s->hint + q0;
    const int32_t *two = s->second && s->hint_second ? s->hint_second + q0 : NULL;

    for (int64_t r = 0; r < t->m; r++) {
        float score;

        if (r + 2 < t->m) expect(s->f, one[r + 2]);
        if (two && r + 2 < t->m) expect(s->f, two[r + 2]);
        if (one[r] < 0 || t->plain[r]) continue;
        score = wni_filter_score(s->f, t, r, one[r]);
        t->hinted[r] = score;
        t->known[2 * r] = one[r];
        t->need[r] = t->best[r] = wni_filter_need(t, r, score);
        if (!s->second) continue;
        t->need[r] = WNI_FILTER_LOWEST;
        if (!two || two[r] < 0 || two[r] == one[r]) continue;
        t->known[2 * r + 1] = two[r];
        t->need[r] = wni_filter_need(t, r, wni_filter_score(s->f, t, r, two[r]));
        if (t->need[r] > t->best[r]) {
            float best = t->need[r];

            t->need[r] = t->best[r];
            t->best[r] = best;
        }
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
        if (g == 0) *few = ctx->filter_always || t->hits <= t->m * HOPELESS;
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

/* The canonical score of hit i; that of the hint is known. */
static float exact(const filtered *s, const wni_filter_tile *t, int64_t i)
{
    const int64_t r = t->hit.row[i];
    const int32_t c = t->hit.column[i];

    if (c == t->known[2 * r]) return t->hinted[r];
    return wni_filter_score(s->f, t, r, c);
}

/* lead and next: each row's hits with the highest and the second highest upper, -1 = none. */
static void find_leads(wni_filter_tile *t)
{
    const float *upper = t->hit.upper;

    memset(t->lead, 0xff, (size_t)t->m * sizeof *t->lead);
    memset(t->next, 0xff, (size_t)t->m * sizeof *t->next);
    for (int32_t i = 0; i < t->hits; i++) {
        int32_t *lead = &t->lead[t->hit.row[i]], *next = &t->next[t->hit.row[i]];

        if (*lead < 0 || upper[i] > upper[*lead]) {
            *next = *lead;
            *lead = i;
        } else if (*next < 0 || upper[i] > upper[*next])
            *next = i;
    }
}

/* First the hits that are likely to win: their canonical scores leave few of the others in question. */
static void verify(wn_ctx *ctx, const filtered *s, wni_filter_tile *t, int64_t q0)
{
    int64_t verified = 0, scores = 0;

    find_leads(t);
    for (int64_t r = 0; r < t->m; r++) {
        const int32_t lead = t->lead[r], next = s->second ? t->next[r] : -1;
        float need, score;

        start(s, q0 + r);
        if (lead < 0) continue;
        score = exact(s, t, lead);
        take(s, q0 + r, t->hit.column[lead], score);
        if (next >= 0) {
            float other = exact(s, t, next);

            take(s, q0 + r, t->hit.column[next], other);
            score = fminf(score, other);
        }
        t->count[r] = 1 + (next >= 0);
        need = wni_filter_need(t, r, score);
        if ((next >= 0 || !s->second) && need > t->need[r]) t->need[r] = need;
    }
    for (int32_t i = 0; i < t->hits; i++) {
        const int64_t r = t->hit.row[i];

        if (t->hit.upper[i] < t->need[r] || i == t->lead[r] || (s->second && i == t->next[r]))
            continue;
        take(s, q0 + r, t->hit.column[i], exact(s, t, i));
        t->count[r]++;
    }
    for (int64_t r = 0; r < t->m; r++) {
        verified += t->count[r] > 1;
        scores += t->count[r];
    }
    atomic_fetch_add(&ctx->filter_rows, t->m - t->n_plain);
    atomic_fetch_add(&ctx->filter_candidates, scores);
    atomic_fetch_add(&ctx->filter_verified, verified);
}

/* Codes the m rows at t->x, queries from q0, and finds their hits. */
static wn_status find_from(wn_ctx *ctx, const filtered *s, wni_filter_tile *t, int64_t q0,
                           int64_t m, int *few)
{
    wni_filter_load(s->f, t, m);
    if (s->hint) use_hints(s, t, q0);
    for (int64_t r = 0; s->floor && r < m; r++)
        t->need[r] = wni_filter_need(t, r, s->floor[q0 + r]);
    return find(ctx, s, t, few);
}

static wn_status filtered_range(wn_ctx *ctx, void *arg, int worker, int64_t q0, int64_t q_end)
{
    filtered *s = arg;
    wni_filter_tile *t = &s->tile[worker];
    const int64_t m = q_end - q0;

    int few = 0, tried;
    wn_status st;

    if (!t->block) WNI_TRY(wni_filter_tile_new(ctx, s->f, s->rows, s->room, t));
    wni_ahead_at(s->ahead, s->queries->first + q0);
    WNI_TRY(wni_queries_take(ctx, s->queries, q0, m, t->copy, s->f->ld, &t->x));
    tried = ctx->filter_always || wni_filter_tries(&s->pause);
    if (tried) {
        WNI_TRY(find_from(ctx, s, t, q0, m, &few));
    }
    if (!few) {
        if (tried) wni_filter_failed(&s->pause);
        return plain_rows(ctx, s, t, worker, q0, 0, m);
    }
    wni_filter_worked(&s->pause);
    verify(ctx, s, t, q0);
    for (int64_t r = 0; t->n_plain && r < m; r++)
        if (t->plain[r]) WNI_TRY(plain_rows(ctx, s, t, worker, q0, r, 1));
done:
    return st;
}

/* Whether the filter leaves few enough hits to some rows in the middle. */
static wn_status sample(wn_ctx *ctx, const filtered *s, int *few)
{
    const int64_t m = wni_min(SAMPLE_ROWS, s->queries->n), q0 = (s->queries->n - m) / 2;
    wni_filter_tile t = {0};
    wn_status st;

    WNI_TRY(wni_filter_tile_new(ctx, s->f, m, 2 * HITS_ROW_MAX * m, &t));
    WNI_TRY(wni_queries_take(ctx, s->queries, q0, m, t.copy, s->f->ld, &t.x));
    WNI_TRY(find_from(ctx, s, &t, q0, m, few));
done:
    wni_filter_tile_free(ctx, &t);
    return st;
}

/* The step between 8 bits and f32: where 8 bits leave too many base rows in question and bf16 does not, s->f and
 * *wide are a filter in bf16. */
static wn_status choose_width(wn_ctx *ctx, filtered *s, wni_filter **wide)
{
    const wni_filter *narrow = s->f;
    const int always = ctx->filter_always == 2;
    int few = 0;
    wn_status st = WN_OK;

    if (!always && (ctx->isa < WN_ISA_BF16 ||
                    s->queries->n < wni_max(narrow->n, WIDE_QUERIES_MIN * (int64_t)ctx->threads)))
        return WN_OK;
    if (!always) WNI_TRY(sample(ctx, s, &few));
    if (few) return WN_OK;
    WNI_TRY(wni_filter_new_wide(ctx, narrow->base, narrow->bias, wide));
    if (!*wide) return WN_OK;
    s->f = *wide;
    if (!always) WNI_TRY(sample(ctx, s, &few));
    if (few || always) return WN_OK;
    s->f = narrow;
    wni_filter_free(ctx, *wide);
    *wide = NULL;
done:
    return st;
}

wn_status wni_filter_argmin(wn_ctx *ctx, const wni_queries *queries, const wni_filter *f,
                            const wni_argmin_base *base, int32_t *at, float *score, float *second,
                            int *ran)
{
    const int64_t threads = ctx->threads;
    filtered s = {.queries = queries,
                  .f = f,
                  .hint = base->hint,
                  .hint_second = base->hint_second,
                  .floor = base->floor,
                  .at = at,
                  .second_at = second ? base->second_at : NULL,
                  .score = score,
                  .second = second};
    wni_filter *wide = NULL;
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
    WNI_TRY(choose_width(ctx, &s, &wide));
    if (wide && 2 * bytes > wni_budget_left(ctx)) { /* tiles of bf16 are larger */
        s.f = f;
        wni_filter_free(ctx, wide);
        wide = NULL;
    }
    WNI_NEW0(ctx, s.tile, threads);
    WNI_NEW0(ctx, s.plain, threads);
    WNI_TRY(wni_queries_ahead(ctx, queries, &s.ahead));
    WNI_TRY(wni_parallel(ctx, queries->n, s.rows, filtered_range, &s));
    *ran = 1;
done:
    wni_ahead_stop(ctx, s.ahead);
    for (int64_t i = 0; i < threads; i++) {
        if (s.tile) wni_filter_tile_free(ctx, &s.tile[i]);
        if (s.plain) wni_free(ctx, s.plain[i]);
    }
    wni_free(ctx, s.tile);
    wni_free(ctx, s.plain);
    wni_filter_free(ctx, wide);
    return st;
}
