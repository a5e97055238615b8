/* SPDX-License-Identifier: Apache-2.0
 *
 * A base in 8-bit codes: packing, and the numbers of the bound that belong to base rows.
 */
#include "scan/filter.h"

#include <float.h>
#include <math.h>
#include <string.h>

#include "scan/filter_impl.h"

#define MEAN_ROWS   4096 /* base rows whose mean is taken off */
#define ROWS_MIN    48   /* base rows below which f32 is as fast */
#define DIMS_MAX    32768
#define BETA_LANES  8      /* sums beside each other */
#define RANGE_BYTES 262144 /* of codes per parallel range */

int wni_filter_wanted(const wn_ctx *ctx, int64_t d, int64_t n)
{
    if (ctx->opt.no_filter || d > DIMS_MAX || n > INT32_MAX / 2) return 0;
    return ctx->filter_always || (ctx->isa >= WN_ISA_VNNI && n >= ROWS_MIN);
}

int64_t wni_filter_bytes(int64_t d, int64_t n, int wide)
{
    int64_t columns = wni_round_up(n, WNI_GROUP8), ld = wni_ld(d);

    wni_filter heads = {.ld = ld, .wide = wide};

    wni_filter_heads(&heads);
    return columns * ((1 + wide) * ld + (int64_t)(sizeof(int32_t) + 6 * sizeof(float)) +
                      heads.heads * (int64_t)(sizeof(int32_t) + sizeof(float))) +
           3 * ld * (int64_t)sizeof(float) + (int64_t)sizeof(wni_filter);
}

/* The mean of rows spread evenly over the base. Any vector would be right, a near one makes bounds tight. */
static wn_status mean_of(wn_ctx *ctx, wni_filter *f)
{
    const int64_t n = wni_min(f->n, MEAN_ROWS);
    double *sum, norm2 = 0;

    sum = wni_calloc(ctx, f->ld, sizeof *sum);
    if (!sum) return WN_E_NOMEM;
    for (int64_t i = 0; i < n; i++) {
        const float *row = wni_mat_row(f->base, i * f->n / n);

        for (int64_t j = 0; j < f->ld; j++)
            sum[j] += (double)row[j];
    }
    for (int64_t j = 0; j < f->ld; j++) {
        f->mean[j] = (float)(sum[j] / (double)wni_max(n, 1));
        norm2 += (double)f->mean[j] * (double)f->mean[j];
    }
    f->mean_norm = sqrt(norm2) * (1 + 1e-10);
    wni_free(ctx, sum);
    return WN_OK;
}

/* A column that no number bounds: always a hit, never a lower bound. A column that is not there: neither. */
static void no_bound(wni_filter *f, int64_t c, float high)
{
    f->scale[c] = f->norm[c] = f->error[c] = f->length[c] = 0;
    f->high[c] = high;
    f->low[c] = -INFINITY;
}

static void bound_column(wni_filter *f, int64_t c, const float *stat)
{
    const float *row = wni_mat_row(f->base, c);
    const double norm = wni_filter_norm(stat[WNI_CODES8_Y2]);
    const double length = wni_filter_norm(stat[WNI_CODES8_X2]);
    const double error = wni_filter_norm(stat[WNI_CODES8_ERROR2]) + (0x1p-23 + f->spin) * norm;
    const double bias = f->bias ? (double)f->bias[c] : 0;
    double beta = bias, slack, lane[BETA_LANES] = {0};

    for (int64_t i = 0; i < f->ld; i += BETA_LANES)
        for (int64_t l = 0; l < BETA_LANES; l++)
            lane[l] += (double)f->mean[i + l] * (double)row[i + l];
    for (int64_t l = 0; l < BETA_LANES; l++)
        beta -= lane[l];
    slack =
        3 * WNI_FILTER_U * (fabs(bias) + fabs(beta)) + 0x1p-37 * f->mean_norm * length + 0x1p-120;
    /* Written so that NaN takes this way. */
    if (!(norm < 0x1p60 && length < 0x1p60 && fabs(bias) < 0x1p120 && fabs(beta) < 0x1p120)) {
        no_bound(f, c, FLT_MAX);
        return;
    }
    f->scale[c] = stat[WNI_CODES8_SCALE];
    f->norm[c] = wni_filter_up(norm + error);
    f->error[c] = wni_filter_up(error);
    f->length[c] = wni_filter_up(length);
    f->high[c] = wni_filter_up(-beta + slack);
    f->low[c] = -wni_filter_up(beta + slack);
}

/* Codes of one row into its place in the panels; 128 less, they are signed. */
static int32_t pack_column(const uint8_t *codes, int64_t ld, int8_t *panel)
{
    int32_t sum = 0;

    for (int64_t i = 0; i < ld; i += 4) {
        uint32_t four;

        memcpy(&four, codes + i, sizeof four);
        four ^= 0x80808080u;
        memcpy(panel + i * WNI_PANEL8, &four, sizeof four);
    }
    for (int64_t i = 0; i < ld; i++)
        sum += codes[i];
    return sum - 128 * (int32_t)ld;
}

/* The same of bf16; it has no sum. */
static void pack_wide(const uint16_t *codes, int64_t ld, uint16_t *panel)
{
    for (int64_t i = 0; i < ld; i += 2)
        memcpy(panel + i * WNI_PANEL8, codes + i, 2 * sizeof *codes);
}

static wn_status pack_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wni_filter *f = arg;
    const int64_t width = 1 + f->wide;
    uint8_t *codes = wni_alloc(ctx, f->ld, (size_t)width);
    uint16_t *wide = (uint16_t *)(void *)codes, *panels = (uint16_t *)(void *)f->codes;
    float stat[WNI_CODES8_STATS];

    (void)worker;
    if (!codes) return WN_E_NOMEM;
    memset(f->codes + begin * WNI_GROUP8 * f->ld * width, 0,
           (size_t)((end - begin) * WNI_GROUP8 * f->ld * width));
    for (int64_t c = begin * WNI_GROUP8; c < end * WNI_GROUP8; c++) {
        const int64_t panel = c / WNI_PANEL8 * f->ld * WNI_PANEL8;
        const int64_t head = c / WNI_GROUP8 * f->heads * WNI_GROUP8 + c % WNI_GROUP8;

        f->start[c] = 0;
        if (c >= f->n) {
            for (int64_t h = 0; h < f->heads; h++)
                f->rest[head + h * WNI_GROUP8] = 0, f->head_start[head + h * WNI_GROUP8] = 0;
            no_bound(f, c, -INFINITY);
            continue;
        }
        if (f->wide) {
            f->kernels->codes16(wni_mat_row(f->base, c), f->mean, f->ld, wide, stat);
            pack_wide(wide, f->ld, panels + panel + c % WNI_PANEL8 * 2);
        } else {
            wni_filter_codes(f, wni_mat_row(f->base, c), codes, stat);
            f->start[c] = -128 * pack_column(codes, f->ld, f->codes + panel + c % WNI_PANEL8 * 4);
            if (f->heads > 0)
                wni_filter_rest(f, codes, WNI_GROUP8, f->rest + head, f->head_start + head);
        }
        bound_column(f, c, stat);
    }
    wni_free(ctx, codes);
    return WN_OK;
}

/* The mean and the turn of another filter. */
static void take_frame(wni_filter *f, const wni_filter *like)
{
    memcpy(f->mean, like->mean, (size_t)(3 * f->ld) * sizeof *f->mean);
    f->mean_norm = like->mean_norm;
    f->block = like->block;
    f->unit = like->unit;
    f->shrink = like->shrink;
    f->spin = like->spin;
}

static wn_status new_filter(wn_ctx *ctx, const wni_mat *base, const float *bias, int wide,
                            const wni_filter *like, wni_filter **out)
{
    const int64_t columns = wni_round_up(base->n, WNI_GROUP8);
    wni_filter *f = NULL;
    float *v;
    wn_status st;

    *out = NULL;
    if (base->n < 1 || !wni_filter_wanted(ctx, base->d, base->n)) return WN_OK;
    if (wni_filter_bytes(base->d, base->n, wide) > wni_budget_left(ctx) / 2) return WN_OK;
    WNI_NEW0(ctx, f, 1);
    f->kernels = wni_kernels_of(ctx);
    f->base = base;
    f->bias = bias;
    f->n = base->n;
    f->ld = base->ld;
    f->groups = columns / WNI_GROUP8;
    f->gamma = ((double)f->ld / 16 + 10) * WNI_FILTER_U * 1.01;
    WNI_NEW(ctx, f->mean, 3 * f->ld);
    f->sign = f->mean + f->ld;
    f->zero = f->sign + f->ld;
    f->wide = wide;
    if (!like) WNI_TRY(mean_of(ctx, f));
    if (like)
        take_frame(f, like);
    else if (wide) {
        wni_filter_turn(f, 1);
        f->loss = ((double)f->ld + 3) * 0x1p-23 * 1.01;
    } else
        WNI_TRY(wni_filter_choose(ctx, f));
    WNI_NEW(ctx, f->codes, columns * f->ld * (1 + wide));
    WNI_NEW(ctx, f->start, columns);
    WNI_NEW(ctx, v, 6 * columns);
    f->scale = v;
    f->norm = v + columns;
    f->error = v + 2 * columns;
    f->length = v + 3 * columns;
    f->high = v + 4 * columns;
    f->low = v + 5 * columns;
    wni_filter_heads(f);
    if (f->heads > 0) {
        WNI_NEW(ctx, f->rest, f->heads * columns);
        WNI_NEW(ctx, f->head_start, f->heads * columns);
    }
    WNI_TRY(wni_parallel(ctx, f->groups, wni_max(RANGE_BYTES / (WNI_GROUP8 * f->ld), 1), pack_range,
                         f));
    wni_filter_marks(f);
    *out = f;
    f = NULL;
done:
    wni_filter_free(ctx, f);
    return st;
}

wn_status wni_filter_new(wn_ctx *ctx, const wni_mat *base, const float *bias, wni_filter **out)
{
    return new_filter(ctx, base, bias, 0, NULL, out);
}

wn_status wni_filter_new_like(wn_ctx *ctx, const wni_mat *base, const float *bias,
                              const wni_filter *like, wni_filter **out)
{
    return new_filter(ctx, base, bias, 0, like, out);
}

wn_status wni_filter_new_wide(wn_ctx *ctx, const wni_mat *base, const float *bias, wni_filter **out)
{
    return new_filter(ctx, base, bias, 1, NULL, out);
}

void wni_filter_strip(wn_ctx *ctx, wni_filter *f)
{
    wni_free(ctx, f->codes);
    wni_free(ctx, f->start);
    wni_free(ctx, f->scale);
    wni_free(ctx, f->rest);
    wni_free(ctx, f->head_start);
    f->base = NULL;
    f->bias = NULL;
    f->codes = NULL;
    f->start = f->head_start = NULL;
    f->scale = f->rest = NULL;
}

void wni_filter_free(wn_ctx *ctx, wni_filter *f)
{
    if (!f) return;
    wni_filter_strip(ctx, f);
    wni_free(ctx, f->mean);
    wni_free(ctx, f);
}
