/* SPDX-License-Identifier: Apache-2.0
 *
 * The codes that are the rows themselves: f32, whose keys are canonical, and f16. Where the rows of the
 * segment already have the form that the kernels want, nothing is written and they are read in place.
 */
#include <math.h>
#include <string.h>

#include "index/code_impl.h"

/* Whether the codes are the rows as they are stored. */
static int in_place(const wn_pool *rows, wn_dtype dtype, const int64_t *order)
{
    return !order && wn_pool_dtype(rows) == dtype && wn_pool_metric(rows) == WN_L2 &&
           wn_pool_dim(rows) % 16 == 0;
}

static wn_status find_rows(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                           const char *descr, wni_code *code)
{
    const char *name = wni_segment_has(index, s, "code.npy") ? "code.npy" : "rows.npy";

    return wni_code_array(ctx, index, s, name, descr, code->n, code->ld, &code->rows);
}

/* ---- f32 -------------------------------------------------------------------------------------------------- */

static wn_status f32_rows(wn_ctx *ctx, void *arg, int64_t m, float *rows, int64_t ld, void *codes)
{
    (void)ctx;
    (void)arg;
    memcpy(codes, rows, (size_t)(m * ld) * sizeof *rows);
    return WN_OK;
}

static wn_status f32_build(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                           const int64_t *order, int64_t n)
{
    (void)params;
    if (in_place(b->rows, WN_F32, order)) return WN_OK;
    return wni_code_write(ctx, b, order, n, "<f4", 4, wni_ld(wn_pool_dim(b->rows)), f32_rows, NULL);
}

static void f32_estimate(const wn_pool *rows, const wni_code_params *params, wn_estimate *out)
{
    const int64_t n = wn_pool_rows(rows), d = wn_pool_dim(rows);

    (void)params;
    if (in_place(rows, WN_F32, NULL)) return;
    out->peak_bytes = wni_code_write_bytes(n, d, wni_ld(d) * 4);
    out->bytes_read = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(rows));
}

static wn_status f32_open(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                          const wni_code_params *params, wni_code *code)
{
    (void)params;
    code->row_bytes = code->ld * 4;
    code->scratch_bytes = code->ld * 4;
    code->exact = 1;
    return find_rows(ctx, index, s, "<f4", code);
}

static void f32_prepare(const wni_code *code, const float *query, void *scratch)
{
    memcpy(scratch, query, (size_t)code->ld * sizeof *query);
}

static void f32_keys(const wni_code *code, const void *scratch, const int32_t *at, int64_t first,
                     int64_t n, float *keys)
{
    code->kernels->l2sq_at(scratch, (const float *)code->rows + first * code->ld, code->ld, at, n,
                           keys);
}

const wni_code_ops wni_code_f32 = {NULL, f32_build,   f32_estimate, f32_open,
                                   NULL, f32_prepare, f32_keys};

/* ---- f16 -------------------------------------------------------------------------------------------------- */

#define F16_MAX 65504.0f
#define F16_TARGET \
    12 /* the largest value of a sample gets this exponent: room above for rows not seen */

/* Nearest, at a tie the even one; what is too large becomes the largest. */
static uint16_t narrow(float x)
{
    uint32_t bits, sign, size;
    float rounded;

    memcpy(&bits, &x, sizeof bits);
    sign = bits >> 16 & 0x8000;
    size = bits & 0x7fffffff;
    memcpy(&x, &size, sizeof x);
    if (!(x < F16_MAX)) return (uint16_t)(sign | 0x7bff);
    if (x < 0x1p-14f) {
        /* Adding 1/2 leaves multiples of 2^-24, rounded. */
        rounded = x + 0.5f;
        memcpy(&size, &rounded, sizeof size);
        return (uint16_t)(sign | (size - 0x3f000000u));
    }
    size += 0xfff + (size >> 13 & 1);
    return (uint16_t)(sign | ((size >> 13) - ((127 - 15) << 10)));
}

/* Rows whose values are f16 numbers already. */
static int f16_already(wn_dtype dtype, wn_metric metric)
{
    return metric == WN_L2 && (dtype == WN_F16 || dtype == WN_I8 || dtype == WN_U8);
}

typedef struct f16_own {
    float up, down; /* powers of two: code = row * up */
} f16_own;

static wn_status f16_rows(wn_ctx *ctx, void *arg, int64_t m, float *rows, int64_t ld, void *codes)
{
    const float up = *(const float *)arg;
    uint16_t *out = codes;

    (void)ctx;
    for (int64_t i = 0; i < m * ld; i++)
        out[i] = narrow(rows[i] * up);
    return WN_OK;
}

/* The power of two that brings the largest value of the sample to F16_TARGET. */
static int exponent_of(const wni_mat *sample)
{
    float top = 0;
    int exponent;

    for (int64_t i = 0; i < sample->n * sample->ld; i++)
        top = fmaxf(top, fabsf(sample->v[i]));
    if (!(top > 0)) return 0;
    frexpf(top, &exponent);
    exponent = F16_TARGET + 1 - exponent;
    return exponent > 126 ? 126 : exponent;
}

static wn_status f16_error(wn_ctx *ctx, const wni_index_build *b, const wni_mat *sample, float up,
                           float down)
{
    const wni_kernels *kernels = wni_kernels_of(ctx);
    double error = 0, spread;
    wn_status st;

    WNI_TRY(wni_code_spread(ctx, sample, &spread));
    for (int64_t i = 0; i < sample->n * sample->ld; i++) {
        const uint16_t half = narrow(sample->v[i] * up);
        float x;
        double lost;

        kernels->widen_f16(&half, &x, 1);
        lost = (double)sample->v[i] - (double)(x * down);
        error += lost * lost;
    }
    st = wni_code_record_error(b, error / (double)wni_max(sample->n, 1),
                               spread / (double)wni_max(sample->n, 1));
done:
    return st;
}

#define F16_SAMPLE 8192

static wn_status f16_build(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                           const int64_t *order, int64_t n)
{
    const int64_t one = 1;
    wni_mat sample = {0};
    float up = 1;
    int32_t exponent = 0;
    wn_status st = WN_OK;

    if (in_place(b->rows, WN_F16, order)) return WN_OK;
    if (!f16_already(wn_pool_dtype(b->rows), wn_pool_metric(b->rows))) {
        WNI_TRY(wni_code_sample(ctx, b, params, order, n, F16_SAMPLE, &sample));
        exponent = exponent_of(&sample);
        up = ldexpf(1, exponent);
        WNI_TRY(f16_error(ctx, b, &sample, up, ldexpf(1, -exponent)));
        WNI_TRY(wni_build_npy(b, "code_exponent.npy", "<i4", 4, &one, 1, &exponent));
    }
    WNI_TRY(
        wni_code_write(ctx, b, order, n, "<f2", 2, wni_ld(wn_pool_dim(b->rows)), f16_rows, &up));
done:
    wni_mat_free(ctx, &sample);
    return st;
}

static void f16_estimate(const wn_pool *rows, const wni_code_params *params, wn_estimate *out)
{
    const int64_t n = wn_pool_rows(rows), d = wn_pool_dim(rows), ld = wni_ld(d);
    int64_t sample = wni_code_sample_rows(n, d, F16_SAMPLE) * (ld * 4 + 8) + d * 8;

    (void)params;
    if (in_place(rows, WN_F16, NULL)) return;
    out->peak_bytes = wni_max(wni_code_write_bytes(n, d, ld * 2), sample);
    if (!f16_already(wn_pool_dtype(rows), wn_pool_metric(rows))) out->peak_bytes += sample;
    out->bytes_read = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(rows));
}

static wn_status f16_open(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                          const wni_code_params *params, wni_code *code)
{
    f16_own *own = NULL;
    const void *exponent;
    int64_t shape = 0;
    int32_t e = 0;
    wn_status st = WN_OK;

    (void)params;
    code->row_bytes = code->ld * 2;
    code->scratch_bytes = code->ld * 4;
    code->exact = f16_already(wn_pool_dtype(s->rows), index->metric);
    WNI_NEW(ctx, own, 1);
    code->own = own;
    *own = (f16_own){1, 1};
    if (!code->exact) {
        WNI_TRY(wni_segment_array(ctx, index, s, "code_exponent.npy", "<i4", 1, &shape, &exponent));
        if (shape == 1) memcpy(&e, exponent, sizeof e);
        if (shape != 1 || e < -126 || e > 126)
            WNI_TRY(wni_code_damaged(ctx, index, s, "code_exponent.npy", "not a scale"));
        own->up = ldexpf(1, e);
        own->down = ldexpf(1, -e);
    }
    st = find_rows(ctx, index, s, "<f2", code);
done:
    return st;
}

static void f16_close(wn_ctx *ctx, wni_code *code)
{
    wni_free(ctx, code->own);
}

static void f16_prepare(const wni_code *code, const float *query, void *scratch)
{
    const float up = ((const f16_own *)code->own)->up;
    float *q = scratch;

    if (code->exact) {
        memcpy(q, query, (size_t)code->ld * sizeof *q);
        return;
    }
    /* Beyond that the squares overflow, and all keys alike. */
    for (int64_t j = 0; j < code->ld; j++)
        q[j] = fminf(fmaxf(query[j] * up, -0x1p55f), 0x1p55f);
}

static void f16_keys(const wni_code *code, const void *scratch, const int32_t *at, int64_t first,
                     int64_t n, float *keys)
{
    const float down = ((const f16_own *)code->own)->down;

    code->kernels->l2sq_f16_at(scratch, (const uint16_t *)code->rows + first * code->ld, code->ld,
                               at, n, keys);
    if (code->exact) return;
    for (int64_t i = 0; i < n; i++)
        keys[i] = keys[i] * down * down;
}

const wni_code_ops wni_code_f16 = {NULL,      f16_build,   f16_estimate, f16_open,
                                   f16_close, f16_prepare, f16_keys};
