/* SPDX-License-Identifier: Apache-2.0
 *
 * One byte for every column. A row x becomes the whole numbers u = (R x - offset) / step in -127..127, with one
 * step for all columns and rows, so that the squared distance of two rows is step^2 times that of whole numbers.
 * Offsets are medians; the step lets 999 of 1000 rows pass uncut. A query keeps 1 / 2^shift of a step, as many
 * bits as 32-bit sums allow: what is lost is lost by the rows alone.
 *
 * R is nothing or a rotation, whichever loses less on a sample: rotating helps where few columns are much wider
 * than the others, because one step has to fit all.
 */
#include <math.h>
#include <string.h>

#include "index/code_impl.h"

#define TOP       127
#define SAMPLE    8192
#define UNCUT     0.999 /* share of rows whose every column lies within the range */
#define WORTH     0.7   /* rotates when that leaves less than this share of the squared error */
#define SHIFT_MAX 8     /* a query fits in two signed bytes */
#define ABOUT     2     /* code_about.npy: step, 1 = rotated */

typedef struct i8_fit {
    wni_rotation *rotation; /* NULL = none */
    float *offset;          /* (ld) */
    float step;
    double error; /* sum over the sample */
} i8_fit;

typedef struct i8_own {
    i8_fit fit;
    int64_t d, row;
    int shift;
} i8_own;

/* Elements of a row: whole registers or a whole number of halves. */
static int64_t row_of(int64_t d)
{
    return d <= 16 ? 16 : wni_round_up(d, 32);
}

/* Squared distances are at most d * 254^2 * 2^shift, which has to stay below 2^32. */
static int shift_of(int64_t d)
{
    int shift = 0;

    while (shift < SHIFT_MAX && (d * 64516 << (shift + 1)) < (int64_t)1 << 32)
        shift++;
    return shift;
}

/* Rounds half away from 0 and cuts at +-top. */
static inline int32_t whole(float x, float top)
{
    x = x < -top ? -top : x > top ? top : x;
    return (int32_t)(x + (x < 0 ? -0.5f : 0.5f));
}

/* ---- fitting ---------------------------------------------------------------------------------------------- */

typedef struct medians {
    const wni_mat *m;
    float *offset;
} medians;

static wn_status median_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const medians *s = arg;
    float *column = NULL;
    wn_status st = WN_OK;

    (void)worker;
    WNI_NEW(ctx, column, s->m->n);
    for (int64_t j = begin; j < end; j++) {
        for (int64_t i = 0; i < s->m->n; i++)
            column[i] = s->m->v[i * s->m->ld + j];
        s->offset[j] = wni_code_nth(column, s->m->n, (s->m->n - 1) / 2);
    }
done:
    wni_free(ctx, column);
    return st;
}

/* Offsets, step and error of the rows of a matrix as they are. */
static wn_status fit_rows(wn_ctx *ctx, const wni_mat *m, i8_fit *fit)
{
    medians s = {m, fit->offset};
    float *reach = NULL, half, most = 0;
    wn_status st = WN_OK;

    WNI_NEW(ctx, reach, m->n);
    WNI_TRY(wni_parallel(ctx, m->d, 4, median_range, &s));
    for (int64_t i = 0; i < m->n; i++) {
        const float *row = wni_mat_row(m, i);

        reach[i] = 0;
        for (int64_t j = 0; j < m->d; j++)
            reach[i] = fmaxf(reach[i], fabsf(row[j] - fit->offset[j]));
        most = fmaxf(most, reach[i]);
    }
    half = wni_code_nth(reach, m->n, wni_max((int64_t)ceil(UNCUT * (double)m->n) - 1, 0));
    if (!(half > 0)) half = most;
    half = fminf(half, 0x1p126f);
    fit->step = fmaxf(half / TOP, 0x1p-100f);
    fit->error = 0;
    for (int64_t i = 0; i < m->n; i++) {
        const float *row = wni_mat_row(m, i);

        for (int64_t j = 0; j < m->d; j++) {
            const float x = row[j] - fit->offset[j];
            const double lost = (double)x - (double)whole(x / fit->step, TOP) * (double)fit->step;

            fit->error += lost * lost;
        }
    }
done:
    wni_free(ctx, reach);
    return st;
}

static void fit_free(wn_ctx *ctx, i8_fit *fit)
{
    wni_rotation_free(ctx, fit->rotation);
    wni_free(ctx, fit->offset);
}

static wn_status fit_sample(wn_ctx *ctx, wni_mat *sample, uint64_t seed, i8_fit *fit)
{
    i8_fit turned = {0};
    float *row = NULL;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, fit->offset, sample->ld);
    WNI_NEW0(ctx, turned.offset, sample->ld);
    WNI_NEW(ctx, row, sample->d);
    WNI_TRY(wni_rotation_new(ctx, sample->d, seed, &turned.rotation));
    WNI_TRY(fit_rows(ctx, sample, fit));
    for (int64_t i = 0; i < sample->n; i++) {
        wni_rotate(turned.rotation, wni_mat_row(sample, i), row);
        memcpy(wni_mat_row(sample, i), row, (size_t)sample->d * sizeof *row);
    }
    WNI_TRY(fit_rows(ctx, sample, &turned));
    if (turned.error < WORTH * fit->error) {
        const i8_fit kept = *fit;

        *fit = turned;
        turned = kept;
    }
done:
    fit_free(ctx, &turned);
    wni_free(ctx, row);
    return st;
}

/* ---- building --------------------------------------------------------------------------------------------- */

static wn_status i8_rows(wn_ctx *ctx, void *arg, int64_t m, float *rows, int64_t ld, void *codes)
{
    const i8_own *own = arg;
    float *turned = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, turned, ld);
    for (int64_t i = 0; i < m; i++) {
        const float *row = rows + i * ld;
        int8_t *code = (int8_t *)codes + i * own->row;

        if (own->fit.rotation) {
            wni_rotate(own->fit.rotation, row, turned);
            row = turned;
        }
        memset(code, 0, (size_t)own->row);
        for (int64_t j = 0; j < own->d; j++)
            code[j] = (int8_t)whole((row[j] - own->fit.offset[j]) / own->fit.step, TOP);
    }
done:
    wni_free(ctx, turned);
    return st;
}

static wn_status i8_build(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                          const int64_t *order, int64_t n)
{
    const int64_t d = wn_pool_dim(b->rows), one = 1, two = ABOUT, wide[2] = {1, d};
    i8_own own = {.d = d, .row = row_of(d)};
    wni_mat sample = {0};
    double about[ABOUT], spread;
    wn_status st = WN_OK;

    WNI_TRY(wni_code_sample(ctx, b, params, order, n, SAMPLE, &sample));
    WNI_TRY(wni_code_spread(ctx, &sample, &spread));
    WNI_TRY(fit_sample(ctx, &sample, params->seed, &own.fit));
    WNI_TRY(wni_code_record_error(b, own.fit.error / (double)wni_max(sample.n, one),
                                  spread / (double)wni_max(sample.n, one)));
    wni_mat_free(ctx, &sample);
    about[0] = (double)own.fit.step;
    about[1] = own.fit.rotation ? 1 : 0;
    WNI_TRY(wni_build_npy(b, "code_about.npy", "<f8", 8, &two, 1, about));
    WNI_TRY(wni_build_npy(b, "code_offset.npy", "<f4", 4, wide, 2, own.fit.offset));
    WNI_TRY(wni_code_write(ctx, b, order, n, "|i1", 1, own.row, i8_rows, &own));
done:
    wni_mat_free(ctx, &sample);
    fit_free(ctx, &own.fit);
    return st;
}

static void i8_estimate(const wn_pool *rows, const wni_code_params *params, wn_estimate *out)
{
    const int64_t n = wn_pool_rows(rows), d = wn_pool_dim(rows), ld = wni_ld(d);
    const int64_t sample = wni_code_sample_rows(n, d, SAMPLE);

    (void)params;
    /* The sample, columns of it, offsets and rotations; later the rows that are written. */
    out->peak_bytes = wni_max(sample * (ld * 4 + 8 + 4 + 64 * 4) + 4096,
                              wni_code_write_bytes(n, d, row_of(d)) + 64 * ld * 4) +
                      8 * ld * 4;
    out->bytes_read = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(rows));
    out->flops = (double)n * (double)d * 20;
}

/* ---- searching -------------------------------------------------------------------------------------------- */

/* Scratch: wni_query_i8, then q, high, low, and the row that is rotated. */
#define HEAD 64

static wn_status i8_open(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                         const wni_code_params *params, wni_code *code)
{
    const void *about = NULL, *offset = NULL;
    int64_t shape = 0;
    i8_own *own = NULL;
    double v[ABOUT] = {0};
    wn_status st = WN_OK;

    _Static_assert(sizeof(wni_query_i8) <= HEAD, "room for the head of the scratch");
    WNI_NEW0(ctx, own, 1);
    code->own = own;
    own->d = code->d;
    own->row = row_of(code->d);
    own->shift = shift_of(code->d);
    code->row_bytes = own->row;
    code->scratch_bytes = HEAD + wni_round_up(own->row * 4, 64) + code->ld * 4;
    WNI_NEW0(ctx, own->fit.offset, code->ld);
    WNI_TRY(wni_segment_array(ctx, index, s, "code_about.npy", "<f8", 1, &shape, &about));
    if (shape == ABOUT) memcpy(v, about, sizeof v);
    own->fit.step = (float)v[0];
    if (!(own->fit.step > 0) || !isfinite(own->fit.step) || (v[1] != 0 && v[1] != 1))
        WNI_TRY(wni_code_damaged(ctx, index, s, "code_about.npy", "not a step and a rotation"));
    WNI_TRY(wni_code_array(ctx, index, s, "code_offset.npy", "<f4", 1, code->d, &offset));
    memcpy(own->fit.offset, offset, (size_t)code->d * sizeof *own->fit.offset);
    for (int64_t j = 0; j < code->d; j++)
        if (!isfinite(own->fit.offset[j]))
            WNI_TRY(wni_code_damaged(ctx, index, s, "code_offset.npy", "not finite"));
    if (v[1] != 0) WNI_TRY(wni_rotation_new(ctx, code->d, params->seed, &own->fit.rotation));
    st = wni_code_array(ctx, index, s, "code.npy", "|i1", code->n, own->row, &code->rows);
done:
    return st;
}

static void i8_close(wn_ctx *ctx, wni_code *code)
{
    i8_own *own = code->own;

    if (own) fit_free(ctx, &own->fit);
    wni_free(ctx, own);
}

static void i8_prepare(const wni_code *code, const float *query, void *scratch)
{
    const i8_own *own = code->own;
    const float top = (float)(TOP << own->shift), fine = (float)(1 << own->shift) / own->fit.step;
    wni_query_i8 *head = scratch;
    int16_t *q = (int16_t *)(void *)((char *)scratch + HEAD);
    int8_t *high = (int8_t *)(q + own->row), *low = high + own->row;
    double unit = (double)own->fit.step * (double)own->fit.step / (double)(1 << own->shift);
    int64_t squares = 0, sum = 0;

    if (own->fit.rotation) {
        float *turned = (float *)(void *)((char *)scratch + HEAD + wni_round_up(own->row * 4, 64));

        wni_rotate(own->fit.rotation, query, turned);
        query = turned;
    }
    memset(q, 0, (size_t)own->row * 4);
    for (int64_t j = 0; j < code->d; j++)
        q[j] = (int16_t)whole((query[j] - own->fit.offset[j]) * fine, top);
    for (int64_t j = 0; j < own->row; j++) {
        high[j] = (int8_t)((q[j] + 128) >> 8);
        low[j] = (int8_t)(q[j] - 256 * high[j]);
        squares += q[j] * q[j];
        sum += q[j];
    }
    /* Keys stay finite and apart whatever the step. */
    unit = fmin(fmax(unit, 0x1p-126), 0x1p95);
    /* 2^shift |u - q / 2^shift|^2 = 2^shift u.u - 2 u.q + q.q / 2^shift, the last rounded up: never below 0. */
    *head = (wni_query_i8){.q = q,
                           .high = high,
                           .low = low,
                           .sum = (uint32_t)sum,
                           .constant = (uint32_t)((squares + (1 << own->shift) - 1) >> own->shift),
                           .shift = own->shift,
                           .unit = (float)unit};
}

static void i8_keys(const wni_code *code, const void *scratch, const int32_t *at, int64_t first,
                    int64_t n, float *keys)
{
    code->kernels->l2sq_i8_at(scratch, (const int8_t *)code->rows + first * code->row_bytes,
                              code->row_bytes, at, n, keys);
}

const wni_code_ops wni_code_i8 = {NULL,     i8_build,   i8_estimate, i8_open,
                                  i8_close, i8_prepare, i8_keys};
