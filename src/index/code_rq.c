/* SPDX-License-Identifier: Apache-2.0
 *
 * Residual quantisation (chen2010rq): a row less the mean of all is replaced by the nearest of 256 centres, what is
 * left of it by the nearest of the next 256, and so on, one byte for every stage; the row stands for the sum. Of a
 * query q, |q - x|^2 = |q|^2 + |x|^2 - 2 sum of q.c over the stages: |x|^2 is kept in two more bytes, and the
 * rest is one table entry for every stage.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "index/code_books.h"

#define NORM_BYTES    2
#define DEFAULT_BYTES 32 /* at most, when none are asked for: books take 256 rows of memory each */
#define SAMPLE        65536 /* rows; every stage learns from every other one and is judged by all */
#define NORM_SHIFT    12    /* of the bits of a float that are kept: 11 behind the point */
#define TABLE_MAX     0x1p125f /* of all entries of a row: their sum stays finite */

typedef struct rq {
    int64_t d, ld, m;   /* m: stages */
    const float *mean;  /* (ld) */
    const float *books; /* (m * WNI_BOOK, ld) */
    const float *bias;  /* (m, WNI_BOOK) half squared norms of the centres; only while building */
    uint32_t least;     /* bits of the least norm that is told from 0 */
} rq;

static int64_t bytes_of(int64_t d, const wni_code_params *params)
{
    if (params->bytes) return params->bytes;
    return wni_min(wni_max(d / 4, NORM_BYTES + 1), DEFAULT_BYTES);
}

static wn_status rq_check(wn_ctx *ctx, int64_t d, const wni_code_params *params)
{
    const int64_t bytes = bytes_of(d, params);

    if (bytes > NORM_BYTES) return WN_OK;
    return wni_fail(ctx, WN_E_USAGE,
                    "code rq: code_bytes is %lld but a row needs at least %d: two bytes for its "
                    "length and one for a stage; raise --code-bytes",
                    (long long)bytes, NORM_BYTES + 1);
}

/* ---- squared norms in two bytes ----------------------------------------------------------------------------- */

/* Norms up to four times the largest of the sample, and 32 powers of two down from there. */
static uint32_t least_of(float most)
{
    const uint32_t span = (uint32_t)65535 << NORM_SHIFT;
    uint32_t bits;

    most = fminf(4 * most, 0x1p126f);
    memcpy(&bits, &most, sizeof bits);
    return bits > span ? bits - span : 0;
}

static uint16_t norm_code(uint32_t least, float norm)
{
    uint32_t bits;

    memcpy(&bits, &norm, sizeof bits);
    if (bits <= least) return 0;
    bits = (bits - least) >> NORM_SHIFT;
    return (uint16_t)(bits < 65535 ? bits + 1 : 65535);
}

static float norm_of(uint32_t least, uint16_t code)
{
    uint32_t bits = least + ((uint32_t)code << NORM_SHIFT) - (1u << (NORM_SHIFT - 1));
    float norm;

    if (code == 0) return 0;
    memcpy(&norm, &bits, sizeof norm);
    return norm;
}

/* ---- codes of rows ---------------------------------------------------------------------------------------- */

/* Replaces rows (n, ld) by what stage `stage` leaves of them; at (n) the centres, `step` bytes apart. */
static void take_stage(const wni_kernels *kernels, const rq *own, int64_t stage, int64_t n,
                       float *rows, float *score, uint8_t *at, int64_t step)
{
    const float *book = own->books + stage * WNI_BOOK * own->ld;

    kernels->dots(rows, n, book, WNI_BOOK, own->ld, score, WNI_BOOK);
    for (int64_t i = 0; i < n; i++) {
        const float *center;
        float value, second;
        int64_t best;

        kernels->best(score + i * WNI_BOOK, own->bias + stage * WNI_BOOK, WNI_BOOK, &value, &best,
                      &second);
        at[i * step] = (uint8_t)best;
        center = book + best * own->ld;
        for (int64_t j = 0; j < own->d; j++)
            rows[i * own->ld + j] -= center[j];
    }
}

static void center_rows(const rq *own, int64_t n, float *rows)
{
    for (int64_t i = 0; i < n; i++)
        for (int64_t j = 0; j < own->d; j++)
            rows[i * own->ld + j] -= own->mean[j];
}

static wn_status rq_rows(wn_ctx *ctx, void *arg, int64_t n, float *rows, int64_t ld, void *codes)
{
    const wni_kernels *kernels = wni_kernels_of(ctx);
    const rq *own = arg;
    const int64_t bytes = own->m + NORM_BYTES;
    uint8_t *out = codes;
    float *left = NULL, *score = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, left, n * ld);
    WNI_NEW(ctx, score, n * WNI_BOOK);
    center_rows(own, n, rows);
    memcpy(left, rows, (size_t)(n * ld) * sizeof *left);
    for (int64_t s = 0; s < own->m; s++)
        take_stage(kernels, own, s, n, left, score, out + s, bytes);
    for (int64_t i = 0; i < n; i++) {
        float *row = rows + i * ld;
        uint16_t norm;

        for (int64_t j = 0; j < own->d; j++)
            row[j] -= left[i * ld + j];
        norm = norm_code(own->least, kernels->dot(row, row, ld));
        out[i * bytes + own->m] = (uint8_t)norm;
        out[i * bytes + own->m + 1] = (uint8_t)(norm >> 8);
    }
done:
    wni_free(ctx, left);
    wni_free(ctx, score);
    return st;
}

/* ---- training --------------------------------------------------------------------------------------------- */

typedef struct staging {
    const rq *own;
    const wni_mat *sample;
    int64_t stage;
} staging;

static wn_status stage_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const staging *s = arg;
    uint8_t at[WNI_CODE_RANGE];
    float *score = NULL;
    wn_status st = WN_OK;

    (void)worker;
    WNI_NEW(ctx, score, (end - begin) * WNI_BOOK);
    take_stage(wni_kernels_of(ctx), s->own, s->stage, end - begin, wni_mat_row(s->sample, begin),
               score, at, 1);
done:
    wni_free(ctx, score);
    return st;
}

/* Largest squared norm of a row of the sample, and the sum of all. */
static float norms(const wni_kernels *kernels, const wni_mat *m, double *sum)
{
    float most = 0;

    *sum = 0;
    for (int64_t i = 0; i < m->n; i++) {
        const float norm = kernels->dot(wni_mat_row(m, i), wni_mat_row(m, i), m->ld);

        most = fmaxf(most, norm);
        *sum += (double)norm;
    }
    return most;
}

static void mean_of(const wni_mat *m, float *mean)
{
    for (int64_t j = 0; j < m->d; j++) {
        double sum = 0;

        for (int64_t i = 0; i < m->n; i++)
            sum += (double)m->v[i * m->ld + j];
        mean[j] = (float)(sum / (double)wni_max(m->n, 1));
    }
}

/* Leaves in the sample what the stages leave of it. A stage learns from half of the rows, by turns: what it
 * leaves of the other half is what it will leave of rows that it never saw, and that is what the next
 * stages have to deal with. */
static wn_status train(wn_ctx *ctx, wni_mat *sample, uint64_t seed, const rq *own, float *books,
                       float *bias)
{
    const wni_kernels *kernels = wni_kernels_of(ctx);
    const int64_t step = sample->n < 2 * WNI_BOOK ? 1 : 2, room = (sample->n + step - 1) / step;
    float *half = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, half, room * own->ld);
    for (int64_t s = 0; s < own->m; s++) {
        const uint64_t stream = wni_stream("index rq", s, 0);
        float *book = books + s * WNI_BOOK * own->ld;
        int64_t n = 0;

        wni_progress(ctx, "codebooks", s, own->m);
        for (int64_t i = s % step; i < sample->n; i += step, n++)
            memcpy(half + n * own->ld, wni_mat_row(sample, i), (size_t)own->ld * sizeof *half);
        WNI_TRY(wni_books_train(ctx, half, n, own->ld, wni_rand_u64(seed, stream, 0), book));
        for (int64_t c = 0; c < WNI_BOOK; c++)
            bias[s * WNI_BOOK + c] =
                kernels->dot(book + c * own->ld, book + c * own->ld, own->ld) / 2;
        WNI_TRY(
            wni_parallel(ctx, sample->n, WNI_CODE_RANGE, stage_range, &(staging){own, sample, s}));
    }
    wni_progress(ctx, "codebooks", own->m, own->m);
done:
    wni_free(ctx, half);
    return st;
}

static wn_status rq_build(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                          const int64_t *order, int64_t n)
{
    const int64_t d = wn_pool_dim(b->rows), bytes = bytes_of(d, params), one = 1;
    rq own = {.d = d, .ld = wni_ld(d), .m = bytes - NORM_BYTES};
    const int64_t books_shape[2] = {own.m * WNI_BOOK, own.ld}, mean_shape[2] = {1, own.ld};
    float *books = NULL, *bias = NULL, *mean = NULL;
    wni_mat sample = {0};
    double spread, error;
    int64_t least;
    wn_status st;

    WNI_TRY(rq_check(ctx, d, params));
    WNI_NEW(ctx, books, own.m * WNI_BOOK * own.ld);
    WNI_NEW(ctx, bias, own.m * WNI_BOOK);
    WNI_NEW0(ctx, mean, own.ld);
    own.books = books;
    own.bias = bias;
    own.mean = mean;
    WNI_TRY(wni_code_sample(ctx, b, params, order, n, SAMPLE, &sample));
    WNI_TRY(wni_books_trim(ctx, &sample));
    mean_of(&sample, mean);
    center_rows(&own, sample.n, sample.v);
    own.least = least_of(norms(wni_kernels_of(ctx), &sample, &spread));
    WNI_TRY(train(ctx, &sample, params->seed, &own, books, bias));
    norms(wni_kernels_of(ctx), &sample, &error);
    WNI_TRY(wni_code_record_error(b, error / (double)wni_max(sample.n, 1),
                                  spread / (double)wni_max(sample.n, 1)));
    wni_mat_free(ctx, &sample);
    least = own.least;
    WNI_TRY(wni_build_npy(b, "code_least.npy", "<i8", 8, &one, 1, &least));
    WNI_TRY(wni_build_npy(b, "code_mean.npy", "<f4", 4, mean_shape, 2, mean));
    WNI_TRY(wni_build_npy(b, "code_books.npy", "<f4", 4, books_shape, 2, books));
    WNI_TRY(wni_code_write(ctx, b, order, n, "|u1", 1, bytes, rq_rows, &own));
done:
    wni_mat_free(ctx, &sample);
    wni_free(ctx, books);
    wni_free(ctx, bias);
    wni_free(ctx, mean);
    return st;
}

static void rq_estimate(const wn_pool *rows, const wni_code_params *params, wn_estimate *out)
{
    const int64_t n = wn_pool_rows(rows), d = wn_pool_dim(rows), ld = wni_ld(d);
    const int64_t bytes = bytes_of(d, params), sample = wni_code_sample_rows(n, d, SAMPLE);

    out->peak_bytes =
        bytes * WNI_BOOK * (ld + 1) * 4 + ld * 4 +
        wni_max(sample * (ld * 6 + 8) + wni_books_train_bytes(sample, ld),
                wni_code_write_bytes(n, d, bytes) + 64 * WNI_CODE_RANGE * (WNI_BOOK + ld) * 4);
    out->bytes_read = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(rows));
    out->flops = ((double)n + 20 * (double)sample) * (double)bytes * 2 * WNI_BOOK * (double)ld;
}

/* ---- searching -------------------------------------------------------------------------------------------- */

/* Scratch: wni_books_query, the table, the exact table, the query less the mean. */
static wn_status rq_open(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                         const wni_code_params *params, wni_code *code)
{
    const int64_t bytes = bytes_of(code->d, params);
    const void *mean = NULL, *books = NULL, *least = NULL;
    int64_t shape = 0, v = -1;
    rq *own = NULL;
    wn_status st;

    WNI_TRY(rq_check(ctx, code->d, params));
    WNI_NEW0(ctx, own, 1);
    code->own = own;
    own->d = code->d;
    own->ld = code->ld;
    own->m = bytes - NORM_BYTES;
    WNI_TRY(wni_segment_array(ctx, index, s, "code_least.npy", "<i8", 1, &shape, &least));
    if (shape == 1) memcpy(&v, least, sizeof v);
    if (v < 0 || v > 0x7f800000 - ((int64_t)65536 << NORM_SHIFT))
        WNI_TRY(wni_code_damaged(ctx, index, s, "code_least.npy", "not the least of the lengths"));
    own->least = (uint32_t)v;
    WNI_TRY(wni_code_array(ctx, index, s, "code_mean.npy", "<f4", 1, own->ld, &mean));
    WNI_TRY(
        wni_code_array(ctx, index, s, "code_books.npy", "<f4", own->m * WNI_BOOK, own->ld, &books));
    own->mean = mean;
    own->books = books;
    code->row_bytes = bytes;
    code->scratch_bytes = WNI_BOOKS_HEAD + own->m * WNI_BOOK * 6 + own->ld * 4;
    st = wni_code_array(ctx, index, s, "code.npy", "|u1", code->n, bytes, &code->rows);
done:
    return st;
}

static void rq_close(wn_ctx *ctx, wni_code *code)
{
    wni_free(ctx, code->own);
}

static void rq_prepare(const wni_code *code, const float *query, void *scratch)
{
    const rq *own = code->own;
    const int64_t entries = own->m * WNI_BOOK;
    const float most = TABLE_MAX / (float)own->m;
    wni_books_query *head = scratch;
    uint16_t *table = (uint16_t *)(void *)((char *)scratch + WNI_BOOKS_HEAD);
    float *exact = (float *)(void *)(table + entries), *q = exact + entries;

    for (int64_t j = 0; j < own->ld; j++)
        q[j] = query[j] - own->mean[j];
    code->kernels->dots(q, 1, own->books, entries, own->ld, exact, entries);
    for (int64_t i = 0; i < entries; i++) {
        const float x = -2 * exact[i];

        exact[i] = x > -most ? (x < most ? x : most) : -most;
    }
    wni_books_round(exact, own->m, table, &head->base, &head->unit);
    head->base += code->kernels->dot(q, q, own->ld);
}

static void rq_keys(const wni_code *code, const void *scratch, const int32_t *at, int64_t first,
                    int64_t n, float *keys)
{
    const rq *own = code->own;
    const wni_books_query *head = scratch;
    const uint8_t *rows = (const uint8_t *)code->rows + first * code->row_bytes;

    code->kernels->lookup_at(
        (const uint16_t *)(const void *)((const char *)scratch + WNI_BOOKS_HEAD), head->base,
        head->unit, rows, own->m, code->row_bytes, at, n, keys);
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *norm = rows + (at ? at[i] : i) * code->row_bytes + own->m;
        const float key = keys[i] + norm_of(own->least, (uint16_t)(norm[0] | norm[1] << 8));

        keys[i] = key > 0 ? key : 0;
    }
}

const wni_code_ops wni_code_rq = {rq_check, rq_build,   rq_estimate, rq_open,
                                  rq_close, rq_prepare, rq_keys};
