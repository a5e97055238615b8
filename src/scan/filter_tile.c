/* SPDX-License-Identifier: Apache-2.0
 *
 * Query rows in 8-bit codes, the scan of one group of base rows, and the hits.
 */
#include <string.h>

#include "scan/filter.h"
#include "scan/filter_impl.h"

#define TILE_ROWS_MAX  192 /* a multiple of the 6 and 4 rows that kernels take at once */
#define TALL_ROWS_MAX  576 /* for a base that comes from memory once a tile */
#define TILE_ROWS_LONG 48  /* at least, however long rows are */
#define TILE_ROWS_MIN  12
#define TILE_BYTES     ((int64_t)512 << 10) /* of f32 rows: half of a small L2 */

static int64_t rows_of(const wn_ctx *ctx, const wni_filter *f, int64_t queries, int64_t most)
{
    int64_t rows =
        wni_min(wni_max(TILE_BYTES / (f->ld * (int64_t)sizeof(float)), TILE_ROWS_LONG), most);

    rows = wni_min(rows, queries / (4 * (int64_t)ctx->threads));
    return wni_max(rows / 12 * 12, TILE_ROWS_MIN);
}

int64_t wni_filter_tile_rows(const wn_ctx *ctx, const wni_filter *f, int64_t queries)
{
    return rows_of(ctx, f, queries, TILE_ROWS_MAX);
}

int64_t wni_filter_tall_rows(const wn_ctx *ctx, const wni_filter *f, int64_t queries)
{
    const int64_t rows = rows_of(ctx, f, queries, TALL_ROWS_MAX);
    const int64_t tiles = wni_max(wni_round_up((queries + rows - 1) / rows, ctx->threads), 1);

    return wni_min(rows, wni_round_up((queries + tiles - 1) / tiles, TILE_ROWS_MIN));
}

/* Parts of the block, each rounded up to whole lines. */
typedef struct parts {
    int64_t x, codes, scale, need, best, own, shift, doubt, plain, count, known, hinted, lead, next,
        rest, mark, marked, row, column, upper, lower, end;
} parts;

static int64_t after(int64_t at, int64_t count, size_t bytes)
{
    return wni_round_up(at + count * (int64_t)bytes, WNI_ALIGN);
}

static parts parts_of(const wni_filter *f, int64_t rows, int64_t room)
{
    const int64_t hits = room + rows * WNI_GROUP8;
    parts p;

    p.x = 0;
    p.codes = after(p.x, rows * f->ld, sizeof(float));
    p.scale = after(p.codes, rows * f->ld, 1 + (size_t)f->wide);
    p.need = after(p.scale, rows, sizeof(float));
    p.best = after(p.need, rows, sizeof(float));
    p.own = after(p.best, rows, sizeof(float));
    p.shift = after(p.own, rows, sizeof(float));
    p.doubt = after(p.shift, rows, sizeof(double));
    p.plain = after(p.doubt, rows, sizeof(double));
    p.count = after(p.plain, rows, 1);
    p.known = after(p.count, rows, sizeof(int32_t));
    p.hinted = after(p.known, 2 * rows, sizeof(int32_t));
    p.lead = after(p.hinted, rows, sizeof(float));
    p.next = after(p.lead, rows, sizeof(int32_t));
    p.rest = after(p.next, rows, sizeof(int32_t));
    p.mark = after(p.rest, f->heads * rows, sizeof(float));
    p.marked = after(p.mark, 2 * rows, sizeof(int32_t));
    p.row = after(p.marked, 2 * rows, sizeof(float));
    p.column = after(p.row, hits, sizeof(int32_t));
    p.upper = after(p.column, hits, sizeof(int32_t));
    p.lower = after(p.upper, hits, sizeof(float));
    p.end = after(p.lower, hits, sizeof(float)) + WNI_ALIGN;
    return p;
}

int64_t wni_filter_tile_bytes(const wni_filter *f, int64_t rows, int64_t room)
{
    return parts_of(f, rows, room).end;
}

wn_status wni_filter_tile_new(wn_ctx *ctx, const wni_filter *f, int64_t rows, int64_t room,
                              wni_filter_tile *out)
{
    const parts p = parts_of(f, rows, room);
    unsigned char *block = wni_alloc(ctx, p.end, 1);

    memset(out, 0, sizeof *out);
    if (!block) return WN_E_NOMEM;
    out->block = block;
    out->rows = rows;
    out->room = room;
    out->wide = f->wide;
    out->x = out->copy = (float *)(void *)(block + p.x);
    out->codes = block + p.codes;
    out->scale = (float *)(void *)(block + p.scale);
    out->need = (float *)(void *)(block + p.need);
    out->best = (float *)(void *)(block + p.best);
    out->own = (float *)(void *)(block + p.own);
    out->shift = (double *)(void *)(block + p.shift);
    out->doubt = (double *)(void *)(block + p.doubt);
    out->plain = block + p.plain;
    out->count = (int32_t *)(void *)(block + p.count);
    out->known = (int32_t *)(void *)(block + p.known);
    out->hinted = (float *)(void *)(block + p.hinted);
    out->lead = (int32_t *)(void *)(block + p.lead);
    out->next = (int32_t *)(void *)(block + p.next);
    out->rest = (float *)(void *)(block + p.rest);
    out->mark = (int32_t *)(void *)(block + p.mark);
    out->marked = (float *)(void *)(block + p.marked);
    out->head.level = f->heads + 1;
    out->head.back = 1;
    out->marking.back = 1;
    out->hit.row = (int32_t *)(void *)(block + p.row);
    out->hit.column = (int32_t *)(void *)(block + p.column);
    out->hit.upper = (float *)(void *)(block + p.upper);
    out->hit.lower = (float *)(void *)(block + p.lower);
    return WN_OK;
}

void wni_filter_tile_free(wn_ctx *ctx, wni_filter_tile *t)
{
    wni_free(ctx, t->block);
    memset(t, 0, sizeof *t);
}

/* The bound's numbers of one row, in units of its scale. */
static void bound_row(const wni_filter *f, wni_filter_tile *t, int64_t r, const float *stat)
{
    const double scale = (double)stat[WNI_CODES8_SCALE], per = (1 + 0x1p-40) / scale;
    const double y = wni_filter_norm(stat[WNI_CODES8_Y2]), x = wni_filter_norm(stat[WNI_CODES8_X2]);
    const double error = wni_filter_norm(stat[WNI_CODES8_ERROR2]) + (0x1p-23 + f->spin) * y;

    /* Written so that NaN takes this way. */
    t->plain[r] = !(scale > 0 && x < 0x1p60 && (double)stat[WNI_CODES8_TOP] > 0x1p-16 * x);
    t->n_plain += t->plain[r];
    t->scale[r] = t->plain[r] ? 0 : (float)(scale * f->unit);
    t->need[r] = t->best[r] = t->plain[r] ? INFINITY : WNI_FILTER_LOWEST;
    t->shift[r] = (double)stat[WNI_CODES8_YMEAN];
    t->doubt[r] = f->gamma * y * f->shrink * f->mean_norm * (1 + 0x1p-10) + 0x1p-120;
    if (t->plain[r]) return;
    t->a = fmax(t->a, error * per);
    t->b = fmax(t->b, y * per);
    t->c = fmax(t->c, f->gamma * x * per / f->unit);
}

void wni_filter_load_begin(wni_filter_tile *t, int64_t m)
{
    t->m = m;
    t->hits = 0;
    t->n_plain = 0;
    t->marking.groups = 0;
    t->marking.guessed = 0;
    t->marking.head = -2;
    if (t->known) memset(t->known, 0xff, (size_t)m * 2 * sizeof *t->known);
    t->a = t->b = t->c = 0;
    memset(t->count, 0, (size_t)m * sizeof *t->count);
}

void wni_filter_load_row(const wni_filter *f, wni_filter_tile *t, int64_t r)
{
    float stat[WNI_CODES8_STATS];

    if (f->wide)
        f->kernels->codes16(wni_filter_row(f, t, r), f->mean, f->ld,
                            (uint16_t *)(void *)t->codes + r * f->ld, stat);
    else
        wni_filter_codes(f, wni_filter_row(f, t, r), t->codes + r * f->ld, stat);
    if (f->heads > 0 && t->rest)
        wni_filter_rest(f, t->codes + r * f->ld, t->rows, t->rest + r, NULL);
    bound_row(f, t, r, stat);
}

void wni_filter_load(const wni_filter *f, wni_filter_tile *t, int64_t m)
{
    wni_filter_load_begin(t, m);
    for (int64_t r = 0; r < m; r++)
        wni_filter_load_row(f, t, r);
}

float wni_filter_need(const wni_filter_tile *t, int64_t r, float score)
{
    const double v = (double)score - t->shift[r] - t->doubt[r];

    if (t->plain[r]) return INFINITY;
    if (score > FLT_MAX) return FLT_MAX; /* what rows without a bound have */
    if (!(v > -(double)FLT_MAX)) return WNI_FILTER_LOWEST;
    /* Twice the rounding of the double arithmetic, and down. */
    return -wni_filter_up(-(v - 0x1p-50 * (fabs((double)score) + fabs(t->shift[r]))));
}

/* The n columns from `at` as kernels take them. spread (n) becomes half of what upper and lower are apart, in units of
 * a row's scale. */
static wni_group8 columns_from(const wni_filter *f, const wni_filter_tile *t, int64_t at, int64_t n,
                               float *spread)
{
    const float a = wni_filter_up(t->a + (8 * WNI_FILTER_U + f->loss) * (t->a + t->b));
    const float b = wni_filter_up(t->b), c = wni_filter_up(t->c), grow = 1 + 0x1p-19f;

    for (int64_t i = 0; i < n; i++)
        spread[i] = grow * (a * f->norm[at + i] + b * f->error[at + i] + c * f->length[at + i]);
    return (wni_group8){.codes = f->codes + at * f->ld,
                        .start = f->start + at,
                        .scale = f->scale + at,
                        .spread = spread,
                        .high = f->high + at,
                        .low = f->low + at,
                        .first = (int32_t)at};
}

int64_t wni_filter_most(const wni_filter *f, const wni_filter_tile *t, int64_t from, int64_t end,
                        const int32_t *at, const int32_t *skip, int64_t m, float *most,
                        const wni_pairs8 *hits)
{
    float spread[WNI_FILTER_MOST_COLUMNS] __attribute__((aligned(WNI_ALIGN)));
    const int64_t n = wni_round_up(end - from, WNI_PANEL8);
    const wni_group8 group = columns_from(f, t, from, n, spread);

    return f->kernels->most8(&group, n / WNI_PANEL8, t->codes, at, m, f->ld, t->scale, skip,
                             t->need, most, hits);
}

void wni_filter_tops(const wni_filter *f, const wni_filter_tile *t, int64_t g, float *top)
{
    const int64_t at = g * WNI_GROUP8;
    float spread[WNI_GROUP8] __attribute__((aligned(WNI_ALIGN)));
    const wni_group8 group = columns_from(f, t, at, WNI_GROUP8, spread);

    f->kernels->tops8(&group, t->codes, t->m, f->ld, t->scale, top);
}

static void fetch(const void *columns)
{
    for (int64_t i = 0; i < WNI_GROUP8 * (int64_t)sizeof(float); i += WNI_ALIGN)
        __builtin_prefetch((const char *)columns + i);
}

/* What is needed of group g's columns beside their codes, ahead of time. */
static void fetch_columns(const wni_filter *f, int64_t g, int64_t head)
{
    const int64_t at = g * WNI_GROUP8;

    fetch(f->norm + at);
    fetch(f->error + at);
    fetch(f->length + at);
    fetch(f->scale + at);
    fetch(f->high + at);
    if (head < f->heads) {
        fetch(f->head_start + (g * f->heads + head) * WNI_GROUP8);
        fetch(f->rest + (g * f->heads + head) * WNI_GROUP8);
    } else
        fetch(f->start + at);
}

static int64_t scan_group(const wni_filter *f, wni_filter_tile *t, int64_t g, int keep,
                          const float *other)
{
    const int64_t at = g * WNI_GROUP8, h = t->head.level - 1;
    float spread[WNI_GROUP8] __attribute__((aligned(WNI_ALIGN)));
    wni_group8 group = columns_from(f, t, at, WNI_GROUP8, spread);
    wni_rows8 rows = {.scale = t->scale,
                      .need = t->need,
                      .best = t->best,
                      .known = t->known,
                      .keep = keep,
                      .own = t->own,
                      .passed = &t->head.passed};
    const wni_hits8 room = {t->hit.row + t->hits, t->hit.column + t->hits, t->hit.upper + t->hits,
                            t->hit.lower + t->hits};
    int32_t lift[2 * WNI_GROUP8] __attribute__((aligned(WNI_ALIGN)));
    int64_t hits;

    group.other = other;
    if (g + 1 < f->groups) group.next = f->codes + (at + WNI_GROUP8) * f->ld;
    if (h < f->heads) {
        group.head = (h + 1) * f->head_step;
        group.head_start = f->head_start + (g * f->heads + h) * WNI_GROUP8;
        group.rest = f->rest + (g * f->heads + h) * WNI_GROUP8;
        rows.rest = t->rest + h * t->rows;
    }
    if (g + 1 < f->groups) fetch_columns(f, g + 1, h);
    wni_filter_mark(f, t, &group, &rows, lift);
    if (f->wide)
        hits =
            f->kernels->dots16(&group, (const uint16_t *)(const void *)f->codes + at * f->ld,
                               (const uint16_t *)(const void *)t->codes, t->m, f->ld, &rows, &room);
    else
        hits = f->kernels->dots8(&group, t->codes, t->m, f->ld, &rows, &room);
    if (rows.passed == &t->marking.passed) wni_filter_mark_judge(t);
    if (f->heads > 0) wni_filter_head_judge(f, t);
    t->hits += hits;
    return hits;
}

int64_t wni_filter_group(const wni_filter *f, wni_filter_tile *t, int64_t g, int keep)
{
    return scan_group(f, t, g, keep, NULL);
}

int64_t wni_filter_group_both(const wni_filter *f, wni_filter_tile *t, int64_t g,
                              const float *other)
{
    return scan_group(f, t, g, 0, other);
}

void wni_filter_prune(wni_filter_tile *t)
{
    int64_t kept = 0;

    for (int64_t i = 0; i < t->hits; i++) {
        t->hit.row[kept] = t->hit.row[i];
        t->hit.column[kept] = t->hit.column[i];
        t->hit.upper[kept] = t->hit.upper[i];
        t->hit.lower[kept] = t->hit.lower[i];
        kept += t->hit.upper[i] >= t->need[t->hit.row[i]];
    }
    t->hits = kept;
}
