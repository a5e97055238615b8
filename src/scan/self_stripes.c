/* SPDX-License-Identifier: Apache-2.0
 *
 * One pair of stripes of a self scan: in f32, or through the filter. There rows of `left` are coded against the
 * packed rows of `right`, and a pair is verified when its bound reaches what either of the two needs: for row i
 * as in filter.h; for row j, whose score is that of i plus half[j] - half[i], in the unit of row i
 *
 *     floor[j] - half[j]  +  half[i] - shift - doubt,
 *
 * the first two in `other`, the rest in `own`, each lowered by more than all that rounding can do: at most six
 * roundings of |floor[j]| + half[j] or of half[i] + |shift| + doubt, one of each in the kernel's sum.
 */
#include <math.h>
#include <string.h>

#include "scan/filter_impl.h"
#include "scan/self_impl.h"

#define TILE_ROWS    64
#define WATCH_GROUPS 8  /* groups after which the hits are judged */
#define LATE         16 /* one in so many groups may have too many at first, while floors rise */
#define CHUNK        64 /* hits measured at once */
#define LEAST        (-0x1p126f)

struct wni_self_work {
    float scores[TILE_ROWS * WNI_SCAN_COLUMNS];
    /* What columns need, on whole lines in the work of every thread. */
    float other[WNI_GROUP8] __attribute__((aligned(WNI_ALIGN)));
    float value[WNI_SCAN_COLUMNS];
    int64_t j[WNI_SCAN_COLUMNS];
    int32_t hits[WNI_SCAN_COLUMNS];
    int32_t rows[WNI_SCAN_COLUMNS]; /* of the tile, beside hits */
    wni_filter_tile tile;
    int lent; /* its arrays are those of the codes that are kept */
    int64_t verified;
};

int64_t wni_self_work_bytes(const wn_ctx *ctx)
{
    return ctx->threads * (int64_t)sizeof(wni_self_work);
}

void wni_self_work_free(wn_ctx *ctx, wni_self_scan *s)
{
    for (int i = 0; s->work && i < ctx->threads; i++)
        wni_filter_tile_free(ctx, &s->work[i].tile);
    wni_free(ctx, s->work);
    s->work = NULL;
}

wn_status wni_self_work_new(wn_ctx *ctx, wni_self_scan *s)
{
    s->work = wni_alloc(ctx, ctx->threads, sizeof *s->work);
    for (int i = 0; s->work && i < ctx->threads; i++) {
        memset(&s->work[i].tile, 0, sizeof s->work[i].tile);
        s->work[i].lent = 0;
        s->work[i].verified = 0;
    }
    return s->work ? WN_OK : WN_E_NOMEM;
}

/* The values of n pairs: rows i + w->rows[h] of `left` with j + w->hits[h] of `right`; their positions. */
static void measure(const wni_self_scan *s, wni_self_work *w, int64_t i, int64_t j, int64_t n)
{
    const float *x = wni_mat_row(&s->left->rows, i), *y = wni_mat_row(&s->right->rows, j);
    const int64_t ld = s->left->rows.ld;

    if (s->scan->value == WNI_SELF_DOT)
        s->kernels->dot_pairs(x, w->rows, y, w->hits, n, ld, w->value);
    else
        s->kernels->l2sq_pairs(x, w->rows, y, w->hits, n, ld, w->value);
    for (int64_t h = 0; h < n; h++)
        w->j[h] = s->right->first + j + w->hits[h];
}

/* ---- f32 ----------------------------------------------------------------------------------------- */

/* Row i of `left` against rows [from, to) of `right`, whose scores are in `scores`. */
static wn_status offer_row(wn_ctx *ctx, const wni_self_scan *s, int worker, int64_t i, int64_t from,
                           int64_t to, const float *scores)
{
    const wni_self *scan = s->scan;
    wni_self_work *w = &s->work[worker];
    const int64_t row = s->left->first + i, others = s->right->first + from;
    const float *half = scan->half;
    const int64_t n =
        s->kernels->over_both(scores, half ? half + others : NULL, scan->floor + others, to - from,
                              scan->floor[row], half ? half[row] : 0, w->hits);

    if (n == 0) return WN_OK;
    memset(w->rows, 0, (size_t)n * sizeof *w->rows);
    measure(s, w, i, from, n);
    return scan->take(ctx, scan, worker, row, w->j, w->value, n);
}

/* Rows [i0, i1) against [j0, j1); `diagonal`: of the same block, only j > i. */
static wn_status plain(wn_ctx *ctx, const wni_self_scan *s, int worker, int64_t i0, int64_t i1,
                       int64_t j0, int64_t j1, int diagonal)
{
    const int64_t ld = s->left->rows.ld;
    float *scores = s->work[worker].scores;

    for (int64_t i = i0; i < i1; i += TILE_ROWS) {
        const int64_t m = wni_min(TILE_ROWS, i1 - i);
        wn_status st = wni_poll(ctx);

        if (st != WN_OK) return st;
        for (int64_t j = diagonal ? wni_max(i, j0) : j0; j < j1; j += WNI_SCAN_COLUMNS) {
            const int64_t n = wni_min(WNI_SCAN_COLUMNS, j1 - j);

            s->kernels->dots(wni_mat_row(&s->left->rows, i), m, wni_mat_row(&s->right->rows, j), n,
                             ld, scores, WNI_SCAN_COLUMNS);
            for (int64_t r = 0; r < m; r++) {
                const int64_t from = diagonal ? wni_max(j, i + r + 1) : j;

                if (from >= j + n) break;
                st = offer_row(ctx, s, worker, i + r, from, j + n,
                               scores + r * WNI_SCAN_COLUMNS + (from - j));
                if (st != WN_OK) return st;
            }
        }
    }
    return WN_OK;
}

/* ---- the filter ---------------------------------------------------------------------------------- */

/* What row r of the tile needs, for itself and of its partners' floors. */
static void set_need(const wni_self_scan *s, wni_filter_tile *t, int64_t i, int64_t r)
{
    const int64_t row = s->left->first + i + r;
    const double half = s->scan->half ? (double)s->scan->half[row] : 0;
    const double size = half + fabs(t->shift[r]) + t->doubt[r];
    const double own = half - t->shift[r] - t->doubt[r] - 16 * WNI_FILTER_U * size;

    if (t->plain[r]) {
        t->need[r] = t->own[r] = INFINITY; /* f32 looks after it */
        return;
    }
    t->need[r] = wni_filter_need(t, r, s->scan->floor[row]);
    t->own[r] = own > (double)LEAST ? -wni_filter_up(-own) : LEAST; /* NaN too */
}

static inline float other_of(float floor, float half)
{
    float other = (floor - half) - (float)(16 * WNI_FILTER_U) * (fabsf(floor) + half);

    if (floor > FLT_MAX) return INFINITY; /* rows without a bound reach the row's own need */
    return other > LEAST ? other : LEAST;
}

/* What the 64 columns from j need; those that are not there, nothing. */
static void set_others(const wni_self_scan *s, float *other, int64_t j)
{
    const int64_t n = wni_min(WNI_GROUP8, s->right->rows.n - j), at = s->right->first + j;
    const float *floor = s->scan->floor + at, *half = s->scan->half ? s->scan->half + at : NULL;

    for (int64_t c = 0; half && c < n; c++)
        other[c] = other_of(floor[c], half[c]);
    for (int64_t c = 0; !half && c < n; c++)
        other[c] = other_of(floor[c], 0);
    for (int64_t c = n; c < WNI_GROUP8; c++)
        other[c] = INFINITY;
}

static void fetch(const wni_mat *m, int64_t row)
{
    const float *v = wni_mat_row(m, row);

    for (int64_t i = 0; i < wni_min(m->ld, 512); i += 16)
        __builtin_prefetch(v + i);
}

/* The pairs in w->rows and w->hits: measured, and handed on row by row. */
static wn_status hand_on(wn_ctx *ctx, const wni_self_scan *s, int worker, int64_t i, int64_t j0,
                         int64_t n)
{
    const wni_self *scan = s->scan;
    wni_self_work *w = &s->work[worker];
    const float *half = scan->half ? scan->half + s->right->first : NULL;

    measure(s, w, i, 0, n);
    w->verified += n;
    for (int64_t h = 0, end; h < n; h = end) {
        const int64_t r = w->rows[h];
        wn_status st;

        for (end = h + 1; end < n && w->rows[end] == r; end++)
            ;
        st = scan->take(ctx, scan, worker, s->left->first + i + r, w->j + h, w->value + h, end - h);
        if (st != WN_OK) return st;
        set_need(s, &w->tile, i, r);
    }
    for (int64_t h = 0; h < n && !s->alike; h++)
        w->other[w->hits[h] - j0] = other_of(scan->floor[w->j[h]], half ? half[w->hits[h]] : 0);
    return WN_OK;
}

/* The hits of the group whose first column is j0. */
static wn_status verify(wn_ctx *ctx, const wni_self_scan *s, int worker, int64_t i, int64_t j0,
                        int diagonal)
{
    wni_self_work *w = &s->work[worker];
    wni_filter_tile *t = &w->tile;
    const wni_hits8 *hit = &t->hit;
    const int64_t hits = t->hits;
    int64_t held = 0;
    wn_status st = WN_OK;

    t->hits = 0;
    for (int64_t h = 0; h < hits && st == WN_OK; h++) {
        const int32_t j = hit->column[h], r = hit->row[h];

        if (diagonal && j <= i + r) continue;
        if (hit->upper[h] < t->need[r] &&
            (s->alike || hit->upper[h] < w->other[j - j0] + t->own[r]))
            continue;
        fetch(&s->right->rows, j);
        w->rows[held] = r;
        w->hits[held++] = j;
        if (held < CHUNK) continue;
        st = hand_on(ctx, s, worker, i, j0, held);
        held = 0;
    }
    if (held > 0 && st == WN_OK) st = hand_on(ctx, s, worker, i, j0, held);
    return st;
}

/* Rows i.. of the tile against [j0, j1); *end = the first column not done, for the hits are too many. */
static wn_status scan_groups(wn_ctx *ctx, const wni_self_scan *s, int worker, int64_t i, int64_t j0,
                             int64_t j1, int diagonal, int64_t *end)
{
    const wni_filter *f = s->right->filter;
    wni_self_work *w = &s->work[worker];
    wni_filter_tile *t = &w->tile;
    const int64_t late = (j1 - j0) / WNI_GROUP8 / LATE;
    int64_t done = 0;
    wn_status st = WN_OK;

    for (*end = j0; *end < j1; *end += WNI_GROUP8) {
        if (++done % WATCH_GROUPS == 0) {
            WNI_TRY(wni_poll(ctx));
            if (!ctx->filter_always &&
                w->verified > wni_width_worth(f, (done + late) * WNI_GROUP8 * t->m))
                break;
        }
        if (!s->alike) set_others(s, w->other, *end);
        if ((s->alike ? wni_filter_group(f, t, *end / WNI_GROUP8, 0)
                      : wni_filter_group_both(f, t, *end / WNI_GROUP8, w->other)) == 0)
            continue;
        WNI_TRY(verify(ctx, s, worker, i, *end, diagonal));
    }
    *end = wni_min(*end, j1);
    atomic_fetch_add(&ctx->filter_candidates, w->verified);
    wni_width_saw(&s->right->width, (*end - j0) * t->m, w->verified);
done:
    w->verified = 0;
    return st;
}

/* The m rows from i in codes for the filter of `right`; what they need is set. */
static wn_status load_tile(wn_ctx *ctx, const wni_self_scan *s, wni_self_work *w, int64_t i,
                           int64_t m)
{
    const wni_filter *f = s->right->filter;
    wni_filter_tile *t = &w->tile;
    int known = 0;
    wn_status st = WN_OK;

    if (s->codes && s->right->framed && !f->wide) {
        t->x = wni_mat_row(&s->left->rows, i);
        known = wni_self_codes_load(s->codes, f, t, i, m) && s->scan->warm == 0;
        w->lent = 1;
    } else {
        if (w->lent) wni_filter_tile_free(ctx, t);
        w->lent = 0;
        if (!t->block) WNI_TRY(wni_filter_tile_new(ctx, f, s->tile_rows, 0, t));
        t->x = wni_mat_row(&s->left->rows, i);
        wni_filter_load(f, t, m);
    }
    for (int64_t r = 0; r < m && !known; r++) /* floors that stand give the same again */
        set_need(s, t, i, r);
done:
    return st;
}

/* A tile of m rows from i against [j0, j1), through the filter as far as that pays. */
static wn_status filtered(wn_ctx *ctx, wni_self_scan *s, int worker, int64_t i, int64_t m,
                          int64_t j0, int64_t j1, int diagonal)
{
    const wni_filter_tile *t = &s->work[worker].tile;
    int64_t from = j0, begin = j0;
    wn_status st = WN_OK;

    /* Rows of later blocks have floors from those before. */
    if (diagonal && s->scan->warm > 0 && s->left->first == 0) {
        begin = from = wni_min(wni_round_up(i + s->scan->warm, WNI_GROUP8), j1);
        WNI_TRY(plain(ctx, s, worker, i, i + m, i, from, 1));
    }
    if (from < j1 && (ctx->filter_always || wni_filter_tries(&s->pause))) {
        WNI_TRY(load_tile(ctx, s, &s->work[worker], i, m));
        if (t->n_plain <= m / 2) {
            WNI_TRY(scan_groups(ctx, s, worker, i, begin, j1, diagonal, &from));
            if (from == j1)
                wni_filter_worked(&s->pause);
            else
                wni_filter_failed(&s->pause);
            for (int64_t r = 0; t->n_plain > 0 && r < m; r++)
                if (t->plain[r])
                    WNI_TRY(plain(ctx, s, worker, i + r, i + r + 1, begin, from, diagonal));
        }
    }
    if (from < j1) WNI_TRY(plain(ctx, s, worker, i, i + m, from, j1, diagonal));
done:
    return st;
}

wn_status wni_self_stripes(wn_ctx *ctx, wni_self_scan *s, int worker, int64_t i0, int64_t i1,
                           int64_t j0, int64_t j1)
{
    const int diagonal = s->left == s->right && i0 == j0;
    const wni_filter *f = s->right->filter;
    wni_filter_tile *t = &s->work[worker].tile;
    int64_t rows;
    wn_status st = WN_OK;

    if (!f) return plain(ctx, s, worker, i0, i1, j0, j1, diagonal);
    rows = s->tile_rows;
    if (t->block && t->wide != f->wide) {
        wni_filter_tile_free(ctx, t);
        s->work[worker].lent = 0;
    }
    if (!t->block) WNI_TRY(wni_filter_tile_new(ctx, f, rows, 0, t));
    for (int64_t i = i0; i < i1; i += rows)
        WNI_TRY(filtered(ctx, s, worker, i, wni_min(rows, i1 - i),
                         diagonal ? i / WNI_GROUP8 * WNI_GROUP8 : j0, j1, diagonal));
done:
    return st;
}
