/* SPDX-License-Identifier: Apache-2.0
 *
 * The int8 filter: which base rows could still matter to a query row, at a quarter of the cost of f32 or less.
 * An epilogue keeps for each row the score that it still needs, scans 64 base rows at a time with
 * wni_filter_group, and verifies the few hits with the canonical `dot`, so that its result has the bits of
 * the f32 path. How an epilogue drives it (see scan_argmin.c for all of it):
 *
 *     wni_filter_new(ctx, base, bias, &f);             base packed once; f NULL = this run is for f32
 *     wni_filter_tile_new(ctx, f, rows, room, &t);     one per worker
 *     fill t.copy with m query rows (m, ld), or point t.x at them; wni_filter_load(f, &t, m);
 *     t.need[r] = wni_filter_need(&t, r, score);       where a score to beat is known already
 *     for each group g:  wni_filter_group(f, &t, g, keep);   appends to t.hit, t.hits
 *     wni_filter_prune(&t);                            forgets hits that no longer reach need
 *     verify: dot(wni_filter_row(&t, t.hit.row[i]), base row t.hit.column[i]) - bias
 *     rows with t.plain[r] have no bound: take them through f32 whole.
 *
 * What is measured. mean is any f32 vector (near the mean of the base), y = x - mean and z = c - mean the
 * exact differences, y' and z' what 8-bit codes with one scale a row make of them. In real numbers
 *
 *     x.c - bias = y.z + y.mean - beta,        beta = bias - mean.c
 *
 * and y.mean is the same for all columns of a row. By Cauchy and Schwarz
 *
 *     |y.z - y'.z'| = |(y - y').z' + y.(z - z')| <= |y - y'| |z'| + |y| |z - z'|.
 *
 * |y - y'| and |z - z'| are measured for each row (the sum of squares of f32 residuals), raised by its own
 * rounding: relative 2^-11 for sums of at most 2^15 squares, 2^-23 |y| for the rounded subtraction and an
 * absolute 2^-60 for squares that underflow. y'.z' is exact in integers times two scales. The canonical f32
 * score S differs from x.c - bias by at most gamma |x| |c| + u (|x| |c| + |bias|), gamma = (ld / 16 + 8) u,
 * u = 2^-24. The bounds are computed in f32; three roundings of s (scale I + spread) and one of the sum
 * with -beta are at most 4 u (|y'| |z'| + s spread) + u |beta|; beta itself, rounded, u |beta|.
 * With everything that belongs to the row divided by its scale s, and the largest quotients of the tile
 *
 *     A >= |y - y'| / s,   B >= |y| / s,   C >= (gamma + 2 u) |x| / s,
 *     spread_c = (1 + 2^-19) ((A + 8 u (A + B)) |z'| + B |z - z'| + C |c|),
 *     high_c = -beta + slack, low_c = -beta - slack, slack = 3 u (|bias| + |beta|) + 2^-37 |mean| |c| + 2^-120,
 *
 *     low_c + s (scale_c I - spread_c) <= S - y.mean <= high_c + s (scale_c I + spread_c).
 *
 * Where codes of the rows as they are lose much to a few large coordinates, y and z are turned before they are
 * coded (filter_turn.c): y.z is 1 / block times the product of the turned rows, of which all of the above holds
 * with s / block for s; turning adds (log2(block) + 1) u |turned y| to the error.
 *
 * Most base rows are far below need, which the first dimensions of the codes often tell already. With I = I' + I'',
 * I' over the first `head` dimensions, |I''| is at most the product of the norms that the codes of both have in the
 * rest (Cauchy and Schwarz), which are kept for some heads. The kernel passes over a row none of whose
 * columns could reach need with I' and all of that (filter_head.c chooses the head by what it saves).
 *
 * Where dots8 multiplies in registers, looking at the sums would cost up to a fifth of them. There it
 * is given marks (filter_marks.c; the bound stands in kernels.h with wni_guess8): whole numbers by
 * which it passes over most rows without turning their sums into bounds. What it finds is the same to
 * the bit.
 *
 * A filter may be in bf16 (kernel codes16): y' and z' are the nearest bf16 of y / s and z / scale, s and scale the
 * powers of two just below max |y| and max |z|, what is below 2^-60 taken as 0. All of the above holds, but y'.z' is
 * an f32 sum of exact products in any order: off by at most (ld + 2) 2^-23 1.01 |y'| |z'|, however each of its steps
 * is rounded. Steps may also flush what is below 2^-126, at most 2 ld 2^-126 s scale in all, which is less than 2^-100
 * |y| |z|. Both are added as f->loss to the 8 u of the sums. This covers plain C, AVX512_BF16 (pairs of products onto a
 * running sum) and tiles, which sum the even and the odd products of 32 dimensions apart, then add both sums and that
 * to what is there: no product goes through more than 16 + 1 + ld / 32 <= ld + 2 additions, denormals read and made are
 * 0 in the two latter; y' and z' have none.
 *
 * So a column whose upper is below the lower of another column of the same row scores strictly less in f32.
 * Against a score known beforehand, y.mean comes in: it is computed in f32 with an error of at most
 * (gamma + 2 u) |y| |mean|, which wni_filter_need subtracts. Rows whose |y| is zero, tiny, huge or lost in
 * |x| (max |y| outside [2^-40, 2^40], below 2^-16 |x|) are `plain`; base rows whose norms are not finite or
 * above 2^60, or whose bias is, have upper = FLT_MAX and lower = -inf, and so are always verified.
 */
#ifndef WNI_FILTER_H
#define WNI_FILTER_H

#include "kernels/kernels.h"
#include "scan/scan.h"

/* The mean and the standard deviation of some numbers. */
typedef struct wni_usual8 {
    double mean, sd;
} wni_usual8;

enum { WNI_FILTER_HEADS = 8 }; /* at most; parts of a row */

/* A base in 8-bit codes. It borrows `base` and `bias`, which must outlive it unchanged. */
typedef struct wni_filter {
    const wni_kernels *kernels;
    const wni_mat *base; /* (n, d) */
    const float *bias;   /* (n) or NULL */
    int64_t n, ld, groups;
    double gamma;              /* (ld / 16 + 10) u: of a canonical score, subtraction included */
    double mean_norm;          /* at least |mean| */
    float *mean, *sign, *zero; /* (ld) */
    int64_t block;       /* coordinates turned together, a power of two that divides ld; 1 = none */
    double unit, shrink; /* 1 / block; at least 1 / sqrt(block) */
    double spin;         /* relative error of turning */
    int wide;            /* in bf16 */
    double loss;         /* relative error of sums of products */
    int8_t *codes;       /* (groups, 4, ld / 4, 16, 4); wide: bf16 (groups, 4, ld / 2, 16, 2) */
    int32_t *start;      /* (groups, 64), as all that follow */
    float *scale;
    float *norm, *error, *length; /* at least |z'|, |z - z'|, |c| */
    float *high, *low;
    int64_t heads, head_step; /* heads of head_step, 2 head_step, ... dimensions; 0 when wide */
    int32_t *head_start;      /* (groups, heads, 64) as in kernels.h */
    float *rest;              /* (groups, heads, 64) of their codes' norms behind the head */
    int marks;    /* whether dots8 is given marks, for which the rest is; see wni_guess8 */
    float origin; /* the usual high */
    wni_usual8 inverse, room, usual_rest[WNI_FILTER_HEADS]; /* of columns: u, v, rest */
} wni_filter;

/* Whether this context filters at all: level, option, shape. */
int wni_filter_wanted(const wn_ctx *ctx, int64_t d, int64_t n);
/* Bytes of a packed base of n rows, in bf16 when `wide`. */
int64_t wni_filter_bytes(int64_t d, int64_t n, int wide);

/* Packs `base`. *out is NULL, with WN_OK, when it is not wanted or does not fit half of what is left of the
 * budget. Cost O(n d). Free it. */
wn_status wni_filter_new(wn_ctx *ctx, const wni_mat *base, const float *bias, wni_filter **out);
void wni_filter_free(wn_ctx *ctx, wni_filter *f); /* NULL ok */
/* The same with the mean and the turn of `like`, of rows as long: rows loaded for one are for the other too. Of
 * `like` no more is needed than wni_filter_strip leaves, which has no base and no codes. */
wn_status wni_filter_new_like(wn_ctx *ctx, const wni_mat *base, const float *bias,
                              const wni_filter *like, wni_filter **out);
void wni_filter_strip(wn_ctx *ctx, wni_filter *f);
/* The same in bf16, for wni_filter_group alone. */
wn_status wni_filter_new_wide(wn_ctx *ctx, const wni_mat *base, const float *bias,
                              wni_filter **out);

/* Which heads a filter of rows of ld has: sets heads and head_step. */
void wni_filter_heads(wni_filter *f);

/* One worker's query rows, what they need, and the hits. */
typedef struct wni_filter_tile {
    int64_t rows, room; /* at most: rows, and hits beside the 64 rows of one group */
    int wide;       /* made for a filter in bf16; of no use to others, and the other way round */
    int64_t m;      /* rows loaded */
    float *copy;    /* (rows, ld) for rows that are copied */
    const float *x; /* (m, ld) the rows: there, or where they lie */
    const float *const *at;       /* (m) where each of them lies, for load alone; NULL = x */
    uint8_t *codes;               /* (rows, ld); wide: of bf16 */
    float *scale;                 /* (rows) */
    float *need, *best;           /* (rows) in the unit of upper and lower */
    float *own;                   /* (rows) for wni_filter_group_both */
    double *shift;                /* (rows) y.mean: score = unit + shift */
    double *doubt;                /* (rows) error of shift */
    unsigned char *plain;         /* (rows) no bound: f32 */
    int32_t *count, *lead, *next; /* (rows) the epilogue's own; load zeroes count */
    float *hinted;                /* (rows) likewise */
    int32_t *
        known; /* (rows, 2) base rows whose lowers do not raise need; load makes them -1; NULL for tops */
    float *rest; /* (heads, rows) norms of codes behind the head; NULL for tops */
    struct {
        int64_t level;        /* the head in use; heads + 1: none */
        int64_t rows, passed; /* since the last judgement: looked at, not passed over */
        double cost;          /* of the longer head, while a shorter one is tried; else 0 */
        int64_t hold, back; /* judgements until a shorter one is tried; and after that one failed */
    } head;
    int32_t *mark;       /* (2, rows) for dots8: of need, of own */
    float *marked;       /* (2, rows) needs that the marks belong to */
    wni_guess8 guess[2]; /* what they are made with */
    struct {
        int64_t groups, head; /* seen since load; whose rest is in the marks, -1 = none */
        int64_t passed;       /* rows of the group that they did not pass over; without a head */
        int64_t skip, back;   /* groups without marks; so many after the next failure */
        int guessed;          /* `guess` stands */
        int off;              /* not for this tile: its needs were not known from the start */
    } marking;
    int64_t n_plain;
    double a, b, c; /* A, B, C */
    wni_hits8 hit;  /* (room + 64 rows) */
    int64_t hits;
    void *block; /* the memory of all of it */
} wni_filter_tile;

/* Rows of a tile that fit L2, spread over the threads when queries are few. */
int64_t wni_filter_tile_rows(const wn_ctx *ctx, const wni_filter *f, int64_t queries);
/* More of them, for a base that L2 does not hold, and as many tiles for each thread. */
int64_t wni_filter_tall_rows(const wn_ctx *ctx, const wni_filter *f, int64_t queries);
/* Bytes of such a tile. */
int64_t wni_filter_tile_bytes(const wni_filter *f, int64_t rows, int64_t room);
wn_status wni_filter_tile_new(wn_ctx *ctx, const wni_filter *f, int64_t rows, int64_t room,
                              wni_filter_tile *out);
void wni_filter_tile_free(wn_ctx *ctx, wni_filter_tile *t);

/* Codes the m rows at t->x; need = best = the lowest number, no hits. Plain rows never hit. */
void wni_filter_load(const wni_filter *f, wni_filter_tile *t, int64_t m);
/* The same row by row: begin, which forgets all that was known of the rows before, then every row once, in any
 * order. */
void wni_filter_load_begin(wni_filter_tile *t, int64_t m);
void wni_filter_load_row(const wni_filter *f, wni_filter_tile *t, int64_t r);

/* What a base row's upper must reach if its canonical score may be >= score. */
float wni_filter_need(const wni_filter_tile *t, int64_t r, float score);

/* Scans the 64 base rows from 64 g. keep 0: need stays as it is; 1, 2: raised to the best, to the second best
 * lower seen so far, by which only columns that may be best (second best) stay hits. Returns the new hits.
 * There must be room: hits <= room before the call. */
int64_t wni_filter_group(const wni_filter *f, wni_filter_tile *t, int64_t g, int keep);

/* The same, keep 0, for rows scanned against rows: column c is a hit too where its upper may reach
 * other[c] + own[row], other (64) as in kernels.h. own (t->m) is set by the caller. */
int64_t wni_filter_group_both(const wni_filter *f, wni_filter_tile *t, int64_t g,
                              const float *other);

/* top (4, m): the largest upper of each 16 of the base rows from 64 g. A canonical score is at most that + shift +
 * doubt; plain rows have no such bound. */
void wni_filter_tops(const wni_filter *f, const wni_filter_tile *t, int64_t g, float *top);

/* For rows at[0..m) of the tile, the base rows from..end, at most 128, but skip[at[i]], a base row or -1:
 * those whose upper reaches the row's need are hits of row i, in any order, room for all; most (m) is the largest
 * upper of the others. Returns how many hits. from is a multiple of 16; what lies in the last panel of 16 may count
 * too. */
enum { WNI_FILTER_MOST_COLUMNS = 128 };
int64_t wni_filter_most(const wni_filter *f, const wni_filter_tile *t, int64_t from, int64_t end,
                        const int32_t *at, const int32_t *skip, int64_t m, float *most,
                        const wni_pairs8 *hits);

/* Drops hits with upper < need; the order stays: per row ascending columns. */
void wni_filter_prune(wni_filter_tile *t);

static inline const float *wni_filter_row(const wni_filter *f, const wni_filter_tile *t, int64_t r)
{
    return t->at ? t->at[r] : t->x + r * f->ld;
}

/* The canonical score of row r of the tile and base row c. */
static inline float wni_filter_score(const wni_filter *f, const wni_filter_tile *t, int64_t r,
                                     int64_t c)
{
    float dot = f->kernels->dot(wni_filter_row(f, t, r), wni_mat_row(f->base, c), f->ld);

    return f->bias ? dot - f->bias[c] : dot;
}

#endif
