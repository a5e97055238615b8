/* SPDX-License-Identifier: Apache-2.0
 *
 * The loops of the scan engine. A worker reads a tile of query rows into its own scratch, where it stays in
 * L2 while the base rows pass, WNI_SCAN_COLUMNS of them at a time; each block of scores goes to the epilogue
 * at once. How work is cut never changes a score, so it may depend on threads, level and budget.
 */
#include <string.h>

#include "pool/pool_use.h"
#include "scan/scan_impl.h"

#define TILE_ROWS_MAX 64
#define TILE_ROWS_MIN 8
#define TILE_BYTES    ((int64_t)512 << 10) /* of query rows: half of a small L2 */

/* Products of one range, so that cancelling is noticed within some milliseconds. */
#define RANGE_PRODUCTS      ((int64_t)1 << 28)
#define RANGE_PRODUCTS_BASE ((int64_t)1 << 23)

#define BLOCK_BYTES_MIN ((int64_t)1 << 20) /* of base rows that are streamed */
#define BLOCK_BYTES_MAX ((int64_t)64 << 20)

typedef struct scan {
    const wni_kernels *kernels;
    const wni_queries *queries;
    const wni_mat *base;
    int64_t base_first;
    const wni_epilogue *epilogue;
    void *self;
    int64_t rows;       /* of a query tile */
    int64_t begin, end; /* base rows of the pass in progress */
    wni_ahead *ahead;   /* of the queries */
    float **scratch;    /* (threads) (rows, ld) queries, then (rows, WNI_SCAN_COLUMNS) scores */
} scan;

wn_status wni_queries_read(wn_ctx *ctx, const wni_queries *queries, int64_t q0, int64_t m,
                           float *out, int64_t ld)
{
    if (queries->rows) return wn_pool_gather(ctx, queries->pool, queries->rows + q0, m, out, ld);
    return wn_pool_read(ctx, queries->pool, queries->first + q0, m, out, ld);
}

wn_status wni_queries_take(wn_ctx *ctx, const wni_queries *queries, int64_t q0, int64_t m,
                           float *room, int64_t ld, const float **x)
{
    *x = room;
    if (queries->rows) return wn_pool_gather(ctx, queries->pool, queries->rows + q0, m, room, ld);
    return wni_pool_take(ctx, queries->pool, queries->first + q0, m, room, ld, x);
}

float *wni_queries_in_place(const wni_queries *queries, int64_t q0, int64_t m)
{
    const float *rows =
        queries->rows ? NULL : wni_pool_rows_in_place(queries->pool, queries->first + q0, m);

    return (uintptr_t)rows % WNI_ALIGN == 0 ? (float *)(uintptr_t)rows : NULL;
}

wn_status wni_queries_ahead(wn_ctx *ctx, const wni_queries *queries, wni_ahead **out)
{
    *out = NULL;
    return queries->rows ? WN_OK
                         : wni_ahead_start(ctx, queries->pool, queries->first, queries->n, 0, out);
}

static int64_t tile_rows(const wn_ctx *ctx, int64_t n, int64_t ld)
{
    int64_t rows = wni_min(TILE_BYTES / (ld * (int64_t)sizeof(float)), TILE_ROWS_MAX);

    /* Few queries are spread over the threads. */
    rows = wni_min(rows, wni_round_up(n / (4 * (int64_t)ctx->threads), 4));
    return wni_max(rows / 4 * 4, TILE_ROWS_MIN);
}

static int64_t pass_rows(const wn_ctx *ctx, int64_t rows, int64_t ld)
{
    int64_t products = ctx->isa == WN_ISA_BASE ? RANGE_PRODUCTS_BASE : RANGE_PRODUCTS;

    return wni_max(products / (rows * ld) / WNI_SCAN_COLUMNS * WNI_SCAN_COLUMNS, WNI_SCAN_COLUMNS);
}

/* One tile of queries against the base rows of the pass. */
static wn_status scan_range(wn_ctx *ctx, void *arg, int worker, int64_t q0, int64_t q_end)
{
    scan *s = arg;
    const wni_epilogue *e = s->epilogue;
    const int64_t m = q_end - q0, ld = s->base->ld;
    const int last = s->end == s->base->n;
    float *rows = s->scratch[worker], *scores;
    int have_rows = 0;
    wn_status st;

    if (!rows) {
        rows = wni_alloc(ctx, s->rows * (ld + WNI_SCAN_COLUMNS), sizeof *rows);
        if (!rows) return WN_E_NOMEM;
        s->scratch[worker] = rows;
    }
    scores = rows + s->rows * ld;
    for (int64_t b = s->begin; b < s->end; b += WNI_SCAN_COLUMNS) {
        int64_t n = wni_min(WNI_SCAN_COLUMNS, s->end - b), number = s->base_first + b;

        if (e->wants && !e->wants(s->self, q0, m, number, n)) continue;
        if (!have_rows) {
            wni_ahead_at(s->ahead, s->queries->first + q0);
            st = wni_queries_read(ctx, s->queries, q0, m, rows, ld);
            if (st != WN_OK) return st;
            have_rows = 1;
        }
        s->kernels->dots(rows, m, wni_mat_row(s->base, b), n, ld, scores, WNI_SCAN_COLUMNS);
        st = e->tile(ctx, s->self, worker, q0, m, number, n, scores, WNI_SCAN_COLUMNS);
        if (st != WN_OK) return st;
    }
    if (!e->rows_done || !last) return WN_OK;
    if (!have_rows) {
        st = wni_queries_read(ctx, s->queries, q0, m, rows, ld);
        if (st != WN_OK) return st;
    }
    return e->rows_done(ctx, s->self, worker, q0, m, rows, ld);
}

static wn_status agree(wn_ctx *ctx, const wni_queries *queries, int64_t d)
{
    if (wn_pool_dim(queries->pool) == d) return WN_OK;
    return wni_fail(ctx, WN_E_USAGE, "queries have %lld columns, the base has %lld",
                    (long long)wn_pool_dim(queries->pool), (long long)d);
}

wn_status wni_scan_agree(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base)
{
    return agree(ctx, queries, wn_pool_dim(base->pool));
}

static wn_status scan_begin(wn_ctx *ctx, const wni_queries *queries, int64_t d,
                            const wni_epilogue *epilogue, void *self, scan *s)
{
    wn_status st = agree(ctx, queries, d);

    memset(s, 0, sizeof *s);
    if (st != WN_OK) return st;
    s->kernels = wni_kernels_of(ctx);
    s->queries = queries;
    s->epilogue = epilogue;
    s->self = self;
    s->rows = tile_rows(ctx, queries->n, wni_ld(d));
    s->scratch = wni_calloc(ctx, ctx->threads, sizeof *s->scratch);
    return s->scratch ? WN_OK : WN_E_NOMEM;
}

static void scan_end(wn_ctx *ctx, scan *s)
{
    for (int i = 0; s->scratch && i < ctx->threads; i++)
        wni_free(ctx, s->scratch[i]);
    wni_free(ctx, s->scratch);
}

/* All queries against one block; a large block is cut into passes, so that ranges stay short. Progress is
 * told in base rows of `total` (0 = not told). */
static wn_status scan_passes(wn_ctx *ctx, scan *s, const wni_mat *base, int64_t base_first,
                             int64_t total)
{
    const int64_t pass = pass_rows(ctx, s->rows, base->ld);
    wn_status st = WN_OK;

    s->base = base;
    s->base_first = base_first;
    for (int64_t b = 0; b < base->n && st == WN_OK; b += pass) {
        s->begin = b;
        s->end = wni_min(b + pass, base->n);
        if (total) wni_progress(ctx, "compare rows", base_first + b, total);
        st = wni_queries_ahead(ctx, s->queries, &s->ahead);
        if (st == WN_OK) st = wni_parallel(ctx, s->queries->n, s->rows, scan_range, s);
        wni_ahead_stop(ctx, s->ahead);
    }
    return st;
}

wn_status wni_scan_block(wn_ctx *ctx, const wni_queries *queries, const wni_mat *base,
                         int64_t base_first, const wni_epilogue *epilogue, void *self)
{
    scan s;
    wn_status st;

    WNI_TRY(scan_begin(ctx, queries, base->d, epilogue, self, &s));
    WNI_TRY(scan_passes(ctx, &s, base, base_first, 0));
done:
    scan_end(ctx, &s);
    return st;
}

typedef struct load_arg {
    const wni_kernels *kernels;
    const wni_queries *from;
    int64_t first;
    const wni_mat *to;
    int in_place; /* `to` is where the rows lie */
    float *half_norms;
} load_arg;

static wn_status load_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const load_arg *l = arg;
    wn_status st = WN_OK;

    (void)worker;
    if (!l->in_place)
        st = wni_queries_read(ctx, l->from, l->first + begin, end - begin,
                              wni_mat_row(l->to, begin), l->to->ld);
    for (int64_t i = begin; l->half_norms && st == WN_OK && i < end; i++) {
        const float *row = wni_mat_row(l->to, i);

        l->half_norms[i] = l->kernels->dot(row, row, l->to->ld) / 2;
    }
    return st;
}

static int64_t base_row_bytes(int64_t d)
{
    return (wni_ld(d) + 1) * (int64_t)sizeof(float);
}

int64_t wni_scan_block_rows(int64_t left, int64_t n, int64_t d)
{
    const int64_t bytes = wni_max(wni_min(left / 4, BLOCK_BYTES_MAX), BLOCK_BYTES_MIN);

    /* Blocks begin at multiples of 16: sums over base rows have their lanes. */
    return wni_min(wni_max(bytes / base_row_bytes(d) / 16 * 16, 16), n);
}

wn_status wni_scan_blocks(wn_ctx *ctx, const wni_queries *base, int half_norms, wni_block_fn use,
                          void *arg)
{
    const int64_t d = wn_pool_dim(base->pool), row_bytes = base_row_bytes(d);
    const int64_t room = wni_scan_block_rows(wni_budget_left(ctx), base->n, d);
    wni_mat copy = {0};
    wni_ahead *ahead = NULL;
    float *half = NULL;
    wn_status st = WN_OK;

    if (room == 0) return WN_OK;
    if (half_norms) WNI_NEW(ctx, half, room);
    if (!base->rows) /* the next block comes from the disk while this one is in use */
        WNI_TRY(wni_ahead_start(ctx, base->pool, base->first, base->n, room * row_bytes, &ahead));
    for (int64_t b = 0; b < base->n; b += room) {
        wni_mat block = {NULL, wni_min(room, base->n - b), d, wni_ld(d)};
        load_arg load = {wni_kernels_of(ctx), base, b, &block, 1, half};

        block.v = wni_queries_in_place(base, b, block.n);
        if (!block.v) {
            if (!copy.v) WNI_TRY(wni_mat_new(ctx, room, d, &copy));
            block.v = copy.v;
            load.in_place = 0;
        }
        wni_ahead_at(ahead, base->first + b);
        if (half || !load.in_place) WNI_TRY(wni_parallel(ctx, block.n, 64, load_range, &load));
        WNI_TRY(use(ctx, arg, &block, b, half));
    }
done:
    wni_ahead_stop(ctx, ahead);
    wni_free(ctx, half);
    wni_mat_free(ctx, &copy);
    return st;
}

typedef struct stream {
    scan s;
    int64_t total;
    wni_block_bias *bias;
} stream;

static wn_status stream_block(wn_ctx *ctx, void *arg, const wni_mat *block, int64_t first,
                              float *half_norms)
{
    stream *t = arg;

    if (t->bias) *t->bias = (wni_block_bias){half_norms, first};
    return scan_passes(ctx, &t->s, block, first, t->total);
}

wn_status wni_scan_stream(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                          const wni_epilogue *epilogue, void *self, wni_block_bias *bias)
{
    stream t = {.total = base->n, .bias = bias};
    wn_status st;

    WNI_TRY(scan_begin(ctx, queries, wn_pool_dim(base->pool), epilogue, self, &t.s));
    if (queries->n > 0) WNI_TRY(wni_scan_blocks(ctx, base, bias != NULL, stream_block, &t));
done:
    if (bias) bias->v = NULL;
    scan_end(ctx, &t.s);
    return st;
}

wn_status wni_scan_pool(wn_ctx *ctx, const wni_queries *queries, const wni_queries *base,
                        const wni_epilogue *epilogue, void *self)
{
    return wni_scan_stream(ctx, queries, base, epilogue, self, NULL);
}
