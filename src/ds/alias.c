/* SPDX-License-Identifier: Apache-2.0
 *
 * The alias table by two sweeps: one pointer over the entries that do not fill their column, one over those
 * that do more than that; the second fills up columns until what is left of it does not fill its own, which the
 * next such entry then fills up. No lists are kept. Weights are whole numbers (of a scale that is a power of two)
 * times n, columns are as high as the sum of the weights: nothing is rounded after that, so that the last
 * columns come out even. walker1977 vose1991.
 */
#include <math.h>

#include "base/os.h"
#include "base/rng.h"
#include "ds/alias.h"

#define SUM_ROWS   65536
#define POLL_STEPS 1048576
#define DRAWS      64 /* whose cells are fetched side by side */

typedef unsigned __int128 wide;

typedef struct building {
    const float *weights;
    int64_t n;
    double scale;
    double *sum;     /* (blocks) */
    uint64_t *whole; /* (blocks) */
    wni_alias *a;
} building;

static uint64_t weight_of(const building *b, int64_t i)
{
    double x = (double)b->weights[i] * b->scale;

    return b->weights[i] <= 0 ? 0 : x < 1 ? 1 : (uint64_t)x;
}

static wn_status sum_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    building *b = arg;
    double sum = 0;

    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        if (!(b->weights[i] >= 0 && b->weights[i] < INFINITY))
            return wni_fail_at(ctx, i, WN_E_DATA,
                               "weights: entry %lld: found %g, expected a number from 0",
                               (long long)i, (double)b->weights[i]);
        sum += (double)b->weights[i];
    }
    b->sum[begin / SUM_ROWS] = sum;
    return WN_OK;
}

static wn_status whole_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    building *b = arg;
    uint64_t sum = 0;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++)
        sum += weight_of(b, i);
    b->whole[begin / SUM_ROWS] = sum;
    return WN_OK;
}

static wn_status find_scale(wn_ctx *ctx, building *b)
{
    int64_t blocks = (b->n + SUM_ROWS - 1) / SUM_ROWS;
    double sum = 0;
    int exponent;
    wn_status st;

    WNI_NEW(ctx, b->sum, blocks);
    WNI_NEW(ctx, b->whole, blocks);
    WNI_TRY(wni_parallel(ctx, b->n, SUM_ROWS, sum_range, b));
    for (int64_t i = 0; i < blocks; i++)
        sum += b->sum[i];
    if (sum == 0)
        return wni_fail(ctx, WN_E_DATA, "all %lld weights are 0: there is nothing to draw",
                        (long long)b->n);
    frexp(sum, &exponent);
    b->scale = ldexp(1, 61 - exponent); /* the sum comes to 2^60 .. 2^61 */
    WNI_TRY(wni_parallel(ctx, b->n, SUM_ROWS, whole_range, b));
    b->a->total = 0;
    for (int64_t i = 0; i < blocks; i++)
        b->a->total += b->whole[i];
done:
    return st;
}

static void set_cell(wni_alias *a, int64_t i, uint64_t threshold, int64_t alias)
{
    uint32_t *cell = a->cell + i * a->words;

    cell[0] = (uint32_t)threshold;
    cell[1] = (uint32_t)(threshold >> 32);
    cell[2] = (uint32_t)alias;
    if (a->words == 4) cell[3] = (uint32_t)(alias >> 32);
}

/* The first entry from i on that fills less than (or just) its column, or more than that. */
static int64_t next_of(const building *b, int64_t i, bool heavy)
{
    uint64_t most = b->a->total / (uint64_t)b->n; /* times n it is just no more than a column */

    while (i < b->n && (weight_of(b, i) > most) != heavy)
        i++;
    return i;
}

static wn_status fill_columns(wn_ctx *ctx, building *b)
{
    uint64_t total = b->a->total, n = (uint64_t)b->n;
    int64_t light = next_of(b, 0, false), heavy = next_of(b, 0, true), steps = 0;
    wide left = heavy < b->n ? (wide)weight_of(b, heavy) * n : 0;
    wn_status st = WN_OK;

    while (heavy < b->n) {
        if (++steps % POLL_STEPS == 0) WNI_TRY(wni_poll(ctx));
        if (left > total) {
            uint64_t own = (uint64_t)(weight_of(b, light) * n);
            set_cell(b->a, light, own, heavy);
            left -= total - own;
            light = next_of(b, light + 1, false);
        } else {
            int64_t next = next_of(b, heavy + 1, true);
            set_cell(b->a, heavy, (uint64_t)left, next < b->n ? next : heavy);
            if (next < b->n) left = (wide)weight_of(b, next) * n - (total - left);
            heavy = next;
        }
    }
    for (; light < b->n; light = next_of(b, light + 1, false)) { /* these fill theirs */
        if (++steps % POLL_STEPS == 0) WNI_TRY(wni_poll(ctx));
        set_cell(b->a, light, total, light);
    }
done:
    return st;
}

int64_t wni_alias_bytes(int64_t n)
{
    return n * (n >> 32 ? 16 : 12);
}

wn_status wni_alias_build(wn_ctx *ctx, const float *weights, int64_t n, int32_t words,
                          wni_alias *out)
{
    building b = {.weights = weights, .n = n, .a = out};
    wn_status st;

    *out = (wni_alias){.n = n, .words = words ? words : n >> 32 ? 4 : 3};
    WNI_TRY(find_scale(ctx, &b));
    WNI_NEW(ctx, out->cell, n * out->words);
    wni_os_large_pages(out->cell, (size_t)(n * out->words) * sizeof *out->cell);
    WNI_TRY(wni_poll(ctx));
    WNI_TRY(fill_columns(ctx, &b));
done:
    wni_free(ctx, b.sum);
    wni_free(ctx, b.whole);
    if (st != WN_OK) wni_alias_free(ctx, out);
    return st;
}

void wni_alias_free(wn_ctx *ctx, wni_alias *a)
{
    wni_free(ctx, a->cell);
    a->cell = NULL;
}

void wni_alias_draw(const wni_alias *a, uint64_t seed, uint64_t stream, int64_t first,
                    int64_t count, int64_t *out)
{
    uint64_t coin[DRAWS];

    for (int64_t at = 0; at < count; at += DRAWS) {
        int64_t some = wni_min(DRAWS, count - at);
        for (int64_t i = 0; i < some; i++) {
            uint32_t r[4];
            wni_philox(seed, stream, (uint64_t)(first + at + i), r);
            out[at + i] = (int64_t)((wide)((uint64_t)r[1] << 32 | r[0]) * (uint64_t)a->n >> 64);
            coin[i] = (uint64_t)((wide)((uint64_t)r[3] << 32 | r[2]) * a->total >> 64);
            __builtin_prefetch(a->cell + out[at + i] * a->words);
        }
        for (int64_t i = 0; i < some; i++) {
            const uint32_t *cell = a->cell + out[at + i] * a->words;
            int64_t alias = cell[2];
            if (a->words == 4) alias |= (int64_t)cell[3] << 32;
            if (coin[i] >= ((uint64_t)cell[1] << 32 | cell[0])) out[at + i] = alias;
        }
    }
}
