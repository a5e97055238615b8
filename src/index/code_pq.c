/* SPDX-License-Identifier: Apache-2.0
 *
 * Product quantisation (jegou2011): the columns are cut into as many parts as a code has bytes, and each part of
 * a row is replaced by the nearest of 256 centres, found by k-means on a sample. The distance to a query is a
 * sum of one table entry for every part.
 *
 * With `uniform` every centre gets the same share of the rows (zhan2022): potentials that balance the
 * sample, by optimal transport, are taken off the squared distances before the nearest is chosen.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "index/code_books.h"

typedef struct pq {
    int64_t d, m;
    const float *books; /* (d, WNI_BOOK): column j of the centres of its part */
    const float
        *bias; /* (m, WNI_BOOK) half squared norms less half potentials; only while building */
} pq;

/* Parts differ by one column at most. */
static int64_t part_first(int64_t d, int64_t m, int64_t i)
{
    return i * d / m;
}

static int64_t bytes_of(int64_t d, const wni_code_params *params)
{
    return params->bytes ? params->bytes : wni_max(d / 4, 1);
}

static wn_status pq_check(wn_ctx *ctx, int64_t d, const wni_code_params *params)
{
    const int64_t m = bytes_of(d, params);

    if (m <= d) return WN_OK;
    return wni_fail(
        ctx, WN_E_USAGE,
        "code pq: code_bytes is %lld but a row has %lld column%s: a byte needs a column "
        "at least; lower --code-bytes",
        (long long)m, (long long)d, d == 1 ? "" : "s");
}

/* ---- training --------------------------------------------------------------------------------------------- */

/* bias[c] = |centre c|^2 / 2. */
static void half_norms(const float *books, int64_t width, float *bias)
{
    memset(bias, 0, WNI_BOOK * sizeof *bias);
    for (int64_t j = 0; j < width; j++)
        for (int64_t c = 0; c < WNI_BOOK; c++)
            bias[c] += books[j * WNI_BOOK + c] * books[j * WNI_BOOK + c] / 2;
}

/* The centres of columns first..first + width of the sample, into books (width, WNI_BOOK). */
static wn_status train_part(wn_ctx *ctx, const wni_mat *sample, int64_t first, int64_t width,
                            uint64_t seed, int uniform, float *books, float *bias)
{
    float *x = NULL, *centers = NULL, off[WNI_BOOK] = {0};
    wn_status st = WN_OK;

    WNI_NEW(ctx, x, sample->n * width);
    WNI_NEW(ctx, centers, WNI_BOOK * width);
    for (int64_t i = 0; i < sample->n; i++)
        memcpy(x + i * width, wni_mat_row(sample, i) + first, (size_t)width * sizeof *x);
    WNI_TRY(wni_books_train(ctx, x, sample->n, width, seed, centers));
    if (uniform) WNI_TRY(wni_books_balance(ctx, x, sample->n, width, centers, off));
    for (int64_t j = 0; j < width; j++)
        for (int64_t c = 0; c < WNI_BOOK; c++)
            books[j * WNI_BOOK + c] = centers[c * width + j];
    half_norms(books, width, bias);
    for (int64_t c = 0; c < WNI_BOOK; c++)
        bias[c] -= off[c] / 2;
done:
    wni_free(ctx, x);
    wni_free(ctx, centers);
    return st;
}

static wn_status train(wn_ctx *ctx, const wni_mat *sample, const wni_code_params *params, int64_t m,
                       float *books, float *bias)
{
    for (int64_t i = 0; i < m; i++) {
        const int64_t first = part_first(sample->d, m, i);
        const uint64_t seed = wni_rand_u64(params->seed, wni_stream("index pq", i, 0), 0);
        wn_status st;

        wni_progress(ctx, "codebooks", i, m);
        st = train_part(ctx, sample, first, part_first(sample->d, m, i + 1) - first, seed,
                        params->uniform, books + first * WNI_BOOK, bias + i * WNI_BOOK);
        if (st != WN_OK) return st;
    }
    wni_progress(ctx, "codebooks", m, m);
    return WN_OK;
}

/* ---- codes of rows ---------------------------------------------------------------------------------------- */

static wn_status pq_rows(wn_ctx *ctx, void *arg, int64_t n, float *rows, int64_t ld, void *codes)
{
    const wni_kernels *kernels = wni_kernels_of(ctx);
    const pq *own = arg;
    uint8_t *out = codes;
    float *score = NULL, *turned = NULL, value, second;
    wn_status st = WN_OK;

    WNI_NEW(ctx, score, n * WNI_BOOK);
    WNI_NEW(ctx, turned, own->d * n);
    for (int64_t j = 0; j < own->d; j++)
        for (int64_t i = 0; i < n; i++)
            turned[j * n + i] = rows[i * ld + j];
    for (int64_t p = 0; p < own->m; p++) {
        const int64_t first = part_first(own->d, own->m, p);
        const int64_t width = part_first(own->d, own->m, p + 1) - first;

        memset(score, 0, (size_t)(n * WNI_BOOK) * sizeof *score);
        kernels->outer(score, turned + first * n, n, n, own->books + first * WNI_BOOK, width,
                       WNI_BOOK);
        for (int64_t i = 0; i < n; i++) {
            int64_t at;

            kernels->best(score + i * WNI_BOOK, own->bias + p * WNI_BOOK, WNI_BOOK, &value, &at,
                          &second);
            out[i * own->m + p] = (uint8_t)at;
        }
    }
done:
    wni_free(ctx, score);
    wni_free(ctx, turned);
    return st;
}

/* Sum over the sample of the squared distance to what the code stands for. */
static wn_status sample_error(wn_ctx *ctx, pq *own, wni_mat *sample, double *error)
{
    uint8_t *codes = NULL;
    wn_status st = WN_OK;

    *error = 0;
    WNI_NEW(ctx, codes, WNI_CODE_RANGE * own->m);
    for (int64_t first = 0; first < sample->n; first += WNI_CODE_RANGE) {
        const int64_t n = wni_min(WNI_CODE_RANGE, sample->n - first);

        WNI_TRY(wni_poll(ctx));
        WNI_TRY(pq_rows(ctx, own, n, wni_mat_row(sample, first), sample->ld, codes));
        for (int64_t i = 0; i < n; i++)
            for (int64_t p = 0; p < own->m; p++)
                for (int64_t j = part_first(own->d, own->m, p);
                     j < part_first(own->d, own->m, p + 1); j++) {
                    const double lost = (double)wni_mat_row(sample, first + i)[j] -
                                        (double)own->books[j * WNI_BOOK + codes[i * own->m + p]];

                    *error += lost * lost;
                }
    }
done:
    wni_free(ctx, codes);
    return st;
}

/* ---- building --------------------------------------------------------------------------------------------- */

static wn_status pq_build(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                          const int64_t *order, int64_t n)
{
    const int64_t d = wn_pool_dim(b->rows), m = bytes_of(d, params), shape[2] = {d, WNI_BOOK};
    wni_mat sample = {0};
    float *books = NULL, *bias = NULL;
    double spread, error;
    pq own = {.d = d, .m = m};
    wn_status st = WN_OK;

    WNI_TRY(pq_check(ctx, d, params));
    WNI_NEW(ctx, books, d * WNI_BOOK);
    WNI_NEW(ctx, bias, m * WNI_BOOK);
    WNI_TRY(wni_code_sample(ctx, b, params, order, n, WNI_BOOKS_SAMPLE, &sample));
    WNI_TRY(wni_books_trim(ctx, &sample));
    WNI_TRY(train(ctx, &sample, params, m, books, bias));
    own.books = books;
    own.bias = bias;
    WNI_TRY(wni_code_spread(ctx, &sample, &spread));
    WNI_TRY(sample_error(ctx, &own, &sample, &error));
    WNI_TRY(wni_code_record_error(b, error / (double)wni_max(sample.n, 1),
                                  spread / (double)wni_max(sample.n, 1)));
    wni_mat_free(ctx, &sample);
    WNI_TRY(wni_build_npy(b, "code_books.npy", "<f4", 4, shape, 2, books));
    WNI_TRY(wni_code_write(ctx, b, order, n, "|u1", 1, m, pq_rows, &own));
done:
    wni_mat_free(ctx, &sample);
    wni_free(ctx, books);
    wni_free(ctx, bias);
    return st;
}

static void pq_estimate(const wn_pool *rows, const wni_code_params *params, wn_estimate *out)
{
    const int64_t n = wn_pool_rows(rows), d = wn_pool_dim(rows), m = bytes_of(d, params);
    const int64_t sample = wni_code_sample_rows(n, d, WNI_BOOKS_SAMPLE);
    const int64_t width = (d + m - 1) / m;

    out->peak_bytes =
        (d + m) * WNI_BOOK * 4 +
        wni_max(sample * (wni_ld(d) * 4 + 8 + width * 4) + wni_books_train_bytes(sample, width) +
                    (params->uniform ? wni_books_balance_bytes(sample, width) : 0),
                wni_code_write_bytes(n, d, m) + 64 * WNI_CODE_RANGE * (WNI_BOOK + d) * 4);
    out->bytes_read = (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(rows));
    out->flops = ((double)n + 20 * (double)sample) * (double)d * 2 * WNI_BOOK;
}

/* ---- searching -------------------------------------------------------------------------------------------- */

/* Scratch: wni_books_query, and behind its table the exact one. */
static wn_status pq_open(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                         const wni_code_params *params, wni_code *code)
{
    const void *books = NULL;
    pq *own = NULL;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, own, 1);
    code->own = own;
    own->d = code->d;
    own->m = bytes_of(code->d, params);
    WNI_TRY(pq_check(ctx, own->d, params));
    WNI_TRY(wni_code_array(ctx, index, s, "code_books.npy", "<f4", own->d, WNI_BOOK, &books));
    own->books = books;
    code->row_bytes = own->m;
    code->scratch_bytes = WNI_BOOKS_HEAD + own->m * WNI_BOOK * 6;
    st = wni_code_array(ctx, index, s, "code.npy", "|u1", code->n, own->m, &code->rows);
done:
    return st;
}

static void pq_close(wn_ctx *ctx, wni_code *code)
{
    wni_free(ctx, code->own);
}

static void pq_prepare(const wni_code *code, const float *query, void *scratch)
{
    const pq *own = code->own;
    wni_books_query *head = scratch;
    uint16_t *table = (uint16_t *)(void *)((char *)scratch + WNI_BOOKS_HEAD);
    float *exact = (float *)(void *)(table + own->m * WNI_BOOK);

    memset(exact, 0, (size_t)(own->m * WNI_BOOK) * sizeof *exact);
    for (int64_t p = 0; p < own->m; p++) {
        float *t = exact + p * WNI_BOOK;

        for (int64_t j = part_first(own->d, own->m, p); j < part_first(own->d, own->m, p + 1);
             j++) {
            const float *column = own->books + j * WNI_BOOK, x = query[j];

            for (int64_t c = 0; c < WNI_BOOK; c++)
                t[c] += (column[c] - x) * (column[c] - x);
        }
    }
    wni_books_round(exact, own->m, table, &head->base, &head->unit);
}

static void pq_keys(const wni_code *code, const void *scratch, const int32_t *at, int64_t first,
                    int64_t n, float *keys)
{
    const wni_books_query *head = scratch;
    const uint16_t *table =
        (const uint16_t *)(const void *)((const char *)scratch + WNI_BOOKS_HEAD);

    code->kernels->lookup_at(table, head->base, head->unit,
                             (const uint8_t *)code->rows + first * code->row_bytes,
                             ((const pq *)code->own)->m, code->row_bytes, at, n, keys);
}

const wni_code_ops wni_code_pq = {pq_check, pq_build,   pq_estimate, pq_open,
                                  pq_close, pq_prepare, pq_keys};
