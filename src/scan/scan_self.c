/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of a self scan. Two blocks of rows are in memory at a time; each is cut into stripes, and the
 * pairs of stripes are played as a tournament: in one round no stripe is in two pairs, so a worker owns all
 * rows that it touches, and what it keeps for them needs no lock.
 */
#include "scan/self_impl.h"

/* Products of one pair of stripes, so that cancelling is noticed within some milliseconds. */
#define PAIR_PRODUCTS        ((int64_t)1 << 28)
#define PAIR_PRODUCTS_BASE   ((int64_t)1 << 22)
#define PAIR_PRODUCTS_FILTER ((int64_t)1 << 32)
#define STRIPE_MIN           64 /* a group of the filter */

#define BLOCK_BYTES_MIN   ((int64_t)1 << 20)
#define BLOCK_BYTES_SMALL ((int64_t)8 << 20)
#define BLOCK_BYTES_MAX   ((int64_t)64 << 20)
#define BLOCKS            12 /* a larger pool comes in as many */
#define BLOCKS_PLAIN      16 /* without codes, next to which reading is cheap */

#define MEMORY_SHARE 4 /* codes are a convenience: most of what is left stays with the caller */

/* ---- the tournament ------------------------------------------------------------------------------ */

/* Match p of round r among `players` (made even by a player who sits out): the circle method, in which
 * the last one stays and the others move on by one. */
static void within(int64_t players, int64_t r, int64_t p, int64_t *a, int64_t *b)
{
    const int64_t others = wni_round_up(players, 2) - 1;

    *a = p == 0 ? others : (r + p) % others;
    *b = (r + others - p) % others;
}

static wn_status match_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wni_self_scan *s = arg;

    for (int64_t p = begin; p < end; p++) {
        int64_t a = p, b = p; /* the first round within a block: each stripe with itself */
        wn_status st;

        if (s->left != s->right)
            b = (p + s->round) % wni_max(s->left->stripes, s->right->stripes);
        else if (s->round > 0)
            within(s->left->stripes, s->round - 1, p, &a, &b);
        if (a >= s->left->stripes || b >= s->right->stripes) continue;
        if (s->left == s->right && a > b) {
            const int64_t swap = a;

            a = b;
            b = swap;
        }
        st = wni_self_stripes(ctx, s, worker, a * s->left->stripe,
                              wni_min((a + 1) * s->left->stripe, s->left->rows.n),
                              b * s->right->stripe,
                              wni_min((b + 1) * s->right->stripe, s->right->rows.n));
        if (st != WN_OK) return st;
    }
    return WN_OK;
}

/* All pairs of a row of `left` and a row of `right`. `done` of `total` pairs of blocks are behind. */
static wn_status play(wn_ctx *ctx, wni_self_scan *s, int64_t done, int64_t total)
{
    wni_self_block *right = s->right;
    const int same = s->left == s->right;
    const int64_t most = wni_max(s->left->stripes, s->right->stripes);
    const int64_t rounds = same ? wni_round_up(most, 2) : most;
    const int64_t n = s->scan->rows->n;
    wn_status st = WN_OK;

    for (s->round = 0; s->round < rounds && st == WN_OK; s->round++) {
        int changed = 0;
        const double part = ((double)done + (double)s->round / (double)rounds) / (double)total;

        wni_progress(ctx, "compare rows", (int64_t)(part * (double)n), n);
        st = wni_parallel(ctx, same && s->round > 0 ? rounds / 2 : most, 1, match_range, s);
        if (same && s->round == 0)
            wni_width_forget(&right->width); /* most floors were still low */
        else if (st == WN_OK)
            st = wni_width_look(ctx, &right->width, MEMORY_SHARE, &right->filter, &changed);
        if (changed) wni_filter_worked(&s->pause); /* the other filter is tried at once */
    }
    return st;
}

/* ---- blocks -------------------------------------------------------------------------------------- */

typedef struct load_arg {
    const wni_self_scan *s;
    const wni_self_block *to;
    int in_place;
} load_arg;

static wn_status load_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const load_arg *l = arg;
    const wni_mat *m = &l->to->rows;
    float *half = l->s->scan->half;
    wn_status st = WN_OK;

    (void)worker;
    if (!l->in_place)
        st = wni_queries_read(ctx, l->s->scan->rows, l->to->first + begin, end - begin,
                              wni_mat_row(m, begin), m->ld);
    for (int64_t i = begin; half && st == WN_OK && i < end; i++) {
        const float *row = wni_mat_row(m, i);

        half[l->to->first + i] = l->s->kernels->dot(row, row, m->ld) / 2;
    }
    return st;
}

/* Rows of a stripe: short enough for a range, enough of them for all threads. */
static int64_t stripe_rows(const wn_ctx *ctx, const wni_self_block *b)
{
    const int64_t products = b->filter                 ? PAIR_PRODUCTS_FILTER
                             : ctx->isa == WN_ISA_BASE ? PAIR_PRODUCTS_BASE
                                                       : PAIR_PRODUCTS;
    const int64_t most = b->rows.n / ((b->filter ? 2 : 4) * (int64_t)ctx->threads) + 1;
    int64_t rows = STRIPE_MIN;

    while (rows < most && (rows + STRIPE_MIN) * (rows + STRIPE_MIN) * b->rows.ld <= products)
        rows += STRIPE_MIN;
    return rows;
}

static void unpack(wn_ctx *ctx, wni_self_block *b)
{
    wni_width_end(ctx, &b->width);
    b->filter = NULL;
}

/* Rows of the left block are coded once for all blocks that they meet, when there is room for their codes. */
static wn_status keep_codes(wn_ctx *ctx, wni_self_scan *s, const wni_self_block *left)
{
    const wni_filter *f = left->filter;
    wn_status st = WN_OK;

    if (s->tile_rows == 0 || !f || f->wide) return WN_OK;
    if (!s->codes &&
        wni_self_codes_bytes(f, s->block_rows, s->tile_rows) <= wni_budget_left(ctx) / MEMORY_SHARE)
        WNI_TRY(wni_self_codes_new(ctx, f, s->block_rows, s->tile_rows, &s->codes));
    if (s->codes) wni_self_codes_begin(s->codes, left->stripe);
done:
    return st;
}

/* After the pairs within `left`: of its filter only the frame is left, for those of other blocks. */
static void keep_frame(wn_ctx *ctx, wni_self_scan *s, wni_self_block *left)
{
    wni_filter_free(ctx, s->frame);
    s->frame = left->width.narrow;
    left->width.narrow = NULL;
    if (s->frame) wni_filter_strip(ctx, s->frame);
    unpack(ctx, left);
}

/* `others` rows will be compared with each. */
static wn_status load(wn_ctx *ctx, wni_self_scan *s, wni_self_block *to, int64_t first, int64_t n,
                      int64_t others)
{
    const int64_t d = wn_pool_dim(s->scan->rows->pool);
    load_arg arg = {s, to, 1};
    wn_status st;

    unpack(ctx, to);
    to->first = first;
    to->rows = (wni_mat){wni_queries_in_place(s->scan->rows, first, n), n, d, wni_ld(d)};
    if (!to->rows.v) {
        if (!to->copy.v) WNI_TRY(wni_mat_new(ctx, s->block_rows, d, &to->copy));
        to->rows.v = to->copy.v;
        arg.in_place = 0;
    }
    if (s->scan->half || !arg.in_place) WNI_TRY(wni_parallel(ctx, n, 64, load_range, &arg));
    WNI_TRY(wni_width_start(ctx, &to->width, &to->rows,
                            s->scan->half ? s->scan->half + first : NULL, others, MEMORY_SHARE,
                            to == s->left ? NULL : s->frame, &to->filter));
    to->framed = to == s->left || s->frame;
    if (to->filter && s->tile_rows == 0) {
        const int64_t rows = wni_filter_tile_rows(ctx, to->filter, n);

        if (ctx->threads * wni_filter_tile_bytes(to->filter, rows, 0) <=
            wni_budget_left(ctx) / MEMORY_SHARE)
            s->tile_rows = rows;
        else
            unpack(ctx, to);
    }
    to->stripe = stripe_rows(ctx, to);
    to->stripes = (n + to->stripe - 1) / to->stripe;
    if (to == s->left) WNI_TRY(keep_codes(ctx, s, to));
done:
    return st;
}

static int64_t row_bytes(int64_t d)
{
    return wni_ld(d) * (int64_t)sizeof(float);
}

/* Rows of a block, of blocks of equal length. */
static int64_t block_rows(const wn_ctx *ctx, int64_t left, int64_t n, int64_t d)
{
    const int64_t many = wni_filter_wanted(ctx, d, n) ? BLOCKS : BLOCKS_PLAIN;
    int64_t bytes = wni_min(wni_max(n * row_bytes(d) / many, BLOCK_BYTES_SMALL), BLOCK_BYTES_MAX);
    int64_t rows, blocks;

    bytes = wni_max(wni_min(bytes, left / 4), BLOCK_BYTES_MIN);
    rows = wni_max(bytes / row_bytes(d), 16);
    blocks = (n + rows - 1) / rows;
    return (n + blocks - 1) / blocks;
}

int64_t wni_scan_self_bytes(const wn_ctx *ctx, int64_t n, int64_t d, int64_t held)
{
    const int64_t own = n * (int64_t)sizeof(float) + wni_self_work_bytes(ctx) + 4096;
    const int64_t left = wni_max(wni_budget_left(ctx) - held - own, 0);
    const int64_t rows = n > 0 ? block_rows(ctx, left, n, d) : 0;
    const int64_t blocks = (rows < n ? 2 : 1) * rows * row_bytes(d);
    const int64_t room = wni_max(left - blocks, 0);
    int64_t codes = wni_filter_share(ctx, n, rows, d, room);
    wni_filter f = {.ld = wni_ld(d)};

    if (codes > 0) {
        wni_filter_heads(&f);
        codes += wni_self_codes_bytes(&f, rows, wni_filter_tile_rows(ctx, &f, rows)) +
                 3 * f.ld * (int64_t)sizeof(float);
    }
    return own + blocks + wni_min(codes, room);
}

static int floors_are_alike(const wni_self *scan, int64_t n)
{
    int alike = scan->warm == 0;

    for (int64_t i = 1; i < n && alike; i++)
        alike = scan->floor[i] == scan->floor[0];
    return alike;
}

wn_status wni_scan_self(wn_ctx *ctx, wni_self *scan)
{
    const int64_t n = scan->rows->n, d = wn_pool_dim(scan->rows->pool);
    wni_self_scan s = {.kernels = wni_kernels_of(ctx), .scan = scan};
    wni_self_block a = {0}, b = {0};
    int64_t rows, blocks, done = 0;
    wn_status st = WN_OK;

    scan->half = NULL;
    if (n < 2) return WN_OK;
    rows = s.block_rows = block_rows(ctx, wni_budget_left(ctx), n, d);
    blocks = (n + rows - 1) / rows;
    s.alike = !scan->l2 && floors_are_alike(scan, n);
    if (scan->l2) WNI_NEW(ctx, scan->half, n);
    WNI_TRY(wni_self_work_new(ctx, &s));
    for (int64_t first = 0; first < n; first += rows) {
        s.left = s.right = &a;
        WNI_TRY(load(ctx, &s, &a, first, wni_min(rows, n - first), wni_min(rows, n - first) / 2));
        WNI_TRY(play(ctx, &s, done++, blocks * (blocks + 1) / 2));
        keep_frame(ctx, &s, &a); /* from here on its rows are only compared with packed ones */
        s.right = &b;
        for (int64_t other = first + rows; other < n; other += rows) {
            WNI_TRY(load(ctx, &s, &b, other, wni_min(rows, n - other), a.rows.n));
            WNI_TRY(play(ctx, &s, done++, blocks * (blocks + 1) / 2));
        }
    }
    if (s.tile_rows > 0) {
        atomic_fetch_add(&ctx->filter_rows, n);
        atomic_fetch_add(&ctx->filter_verified, n);
    }
    wni_progress(ctx, "compare rows", n, n);
done:
    wni_free(ctx, scan->half);
    scan->half = NULL;
    wni_self_work_free(ctx, &s);
    wni_self_codes_free(ctx, s.codes);
    wni_filter_free(ctx, s.frame);
    unpack(ctx, &a);
    unpack(ctx, &b);
    wni_mat_free(ctx, &a.copy);
    wni_mat_free(ctx, &b.copy);
    return st;
}
