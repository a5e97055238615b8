/* SPDX-License-Identifier: Apache-2.0
 *
 * Directions by subspace iteration on a sample: multiply by the sample's second moments, make orthonormal
 * again, a few times (Golub and Van Loan, Matrix Computations, chapter 8).
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "dedup/sketch.h"
#include "kernels/kernels.h"

#define TRAIN_ROWS  512 /* the directions come from these rows */
#define TEST_ROWS   256 /* how well they sift is measured on others */
#define ROUNDS      3
#define DIMS_MAX    128
#define ROWS_MIN    4096 /* below this the comparison is over before a basis is found */
#define ULP         0x1p-24
#define ROWS_GRAIN  8 /* of a sample, by the longest rows under a few milliseconds */
#define BASIS_FLOPS ((int64_t)1 << 28) /* Gram-Schmidt runs on one thread: keep it short */

/* Error of a canonical dot product of two rows of length at most 1. */
static double dot_error(int64_t ld)
{
    return ((double)ld / 16 + 6) * ULP * 1.001;
}

/* Rows of the pool, one from each of m equal stretches. */
static wn_status sample(wn_ctx *ctx, const wn_pool *pool, const char *stream, int64_t m,
                        wni_mat *out)
{
    int64_t n = wn_pool_rows(pool), rows[TRAIN_ROWS];

    for (int64_t i = 0; i < m; i++) {
        int64_t begin = (int64_t)((__int128)n * i / m), end = (int64_t)((__int128)n * (i + 1) / m);
        rows[i] = begin +
                  wni_rand_below(0, wni_stream(stream, 0, 0), (uint64_t)i, wni_max(end - begin, 1));
    }
    return wni_mat_gather(ctx, pool, rows, m, out);
}

/* Gram-Schmidt, twice over; a row that depends on those before it becomes zero. z (d) is scratch. */
static wn_status orthonormalise(wn_ctx *ctx, wni_mat *q, double *z)
{
    for (int64_t k = 0; k < q->n; k++) {
        float *row = wni_mat_row(q, k);
        double before = 0, after = 0;
        wn_status st = wni_poll(ctx);

        if (st != WN_OK) return st;

        for (int64_t i = 0; i < q->d; i++) {
            z[i] = row[i];
            before += z[i] * z[i];
        }
        for (int64_t j = 0; j < 2 * k; j++) {
            const float *other = wni_mat_row(q, j % k);
            double along = 0;
            for (int64_t i = 0; i < q->d; i++)
                along += z[i] * other[i];
            for (int64_t i = 0; i < q->d; i++)
                z[i] -= along * other[i];
        }
        for (int64_t i = 0; i < q->d; i++)
            after += z[i] * z[i];
        after = after > 1e-10 * before && after > 1e-30 ? 1 / sqrt(after) : 0;
        for (int64_t i = 0; i < q->d; i++)
            row[i] = (float)(z[i] * after);
    }
    return WN_OK;
}

/* How far the f32 directions are from orthonormal: Frobenius norm of QQ' - I. */
static wn_status basis_error(wn_ctx *ctx, const wni_mat *q, double *error)
{
    double sum = 0;

    for (int64_t a = 0; a < q->n; a++) {
        wn_status st = wni_poll(ctx);

        if (st != WN_OK) return st;
        for (int64_t b = 0; b <= a; b++) {
            const float *x = wni_mat_row(q, a), *y = wni_mat_row(q, b);
            double dot = 0;
            for (int64_t i = 0; i < q->d; i++)
                dot += (double)x[i] * y[i];
            if (a == b) dot = dot == 0 ? 0 : dot - 1;
            sum += (a == b ? 1 : 2) * dot * dot;
        }
    }
    *error = sqrt(sum);
    return WN_OK;
}

typedef struct spread {
    const wni_mat *a; /* the sample */
    float *coords;    /* (a.n, q.n) */
    wni_mat *q;
} spread;

static wn_status coords_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const spread *s = arg;

    (void)worker;
    wni_kernels_of(ctx)->dots(wni_mat_row(s->a, begin), end - begin, s->q->v, s->q->n, s->a->ld,
                              s->coords + begin * s->q->n, s->q->n);
    return WN_OK;
}

/* Direction k = sum over the sample of coordinate k times the row. */
static wn_status spread_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    spread *s = arg;

    (void)ctx;
    (void)worker;
    for (int64_t k = begin; k < end; k++) {
        float *row = wni_mat_row(s->q, k);
        memset(row, 0, (size_t)s->q->ld * sizeof *row);
        for (int64_t i = 0; i < s->a->n; i++) {
            const float *x = wni_mat_row(s->a, i);
            float c = s->coords[i * s->q->n + k];
            for (int64_t j = 0; j < s->q->d; j++)
                row[j] += c * x[j];
        }
    }
    return WN_OK;
}

static wn_status find_basis(wn_ctx *ctx, const wn_pool *pool, int64_t dims, wni_mat *q)
{
    wni_mat a = {0};
    float *coords = NULL;
    double *z = NULL;
    wn_status st;

    WNI_TRY(sample(ctx, pool, "sketch-train", wni_min(TRAIN_ROWS, wn_pool_rows(pool)), &a));
    WNI_TRY(wni_mat_new(ctx, dims - 1, a.d, q));
    WNI_NEW(ctx, coords, a.n * q->n);
    WNI_NEW(ctx, z, a.d);
    for (int64_t k = 0; k < q->n && k < a.n; k++)
        memcpy(wni_mat_row(q, k), wni_mat_row(&a, k), (size_t)a.ld * sizeof(float));
    WNI_TRY(orthonormalise(ctx, q, z));
    for (int round = 0; round < ROUNDS; round++) {
        spread s = {&a, coords, q};
        WNI_TRY(wni_parallel(ctx, a.n, ROWS_GRAIN, coords_range, &s));
        WNI_TRY(wni_parallel(ctx, q->n, 1, spread_range, &s));
        WNI_TRY(orthonormalise(ctx, q, z));
    }
done:
    wni_free(ctx, coords);
    wni_free(ctx, z);
    wni_mat_free(ctx, &a);
    return st;
}

static wn_status set_slack(wn_ctx *ctx, wni_sketch *s)
{
    double e, c = dot_error(s->basis.ld), delta = sqrt(s->dims) * c;
    wn_status st = basis_error(ctx, &s->basis, &e);

    if (st != WN_OK) return st;

    s->residual_slack = 1.5 * (2 * delta + e + c) + 1e-6;
    s->slack = (float)(1.5 * (3 * e + 2 * delta + 2 * c + 2 * dot_error(s->dims)) + 1e-6);
    return WN_OK;
}

void wni_sketch_rows(const wn_ctx *ctx, const wni_sketch *s, const float *rows, int64_t n,
                     float *out)
{
    const wni_kernels *kern = wni_kernels_of(ctx);
    int64_t k = s->dims - 1, ld = s->basis.ld;

    kern->dots(rows, n, s->basis.v, k, ld, out, s->dims);
    for (int64_t i = 0; i < n; i++) {
        const float *x = rows + i * ld;
        float *sketch = out + i * s->dims;
        double left = (double)kern->dot(x, x, ld);
        for (int64_t j = 0; j < k; j++)
            left -= (double)sketch[j] * sketch[j];
        sketch[k] = (float)(sqrt((left > 0 ? left : 0) + s->residual_slack) * (1 + 0x1p-20));
    }
}

typedef struct trial {
    const wni_sketch *s;
    const wni_mat *test;
    float *sketches;
} trial;

static wn_status trial_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const trial *t = arg;

    (void)worker;
    wni_sketch_rows(ctx, t->s, wni_mat_row(t->test, begin), end - begin,
                    t->sketches + begin * t->s->dims);
    return WN_OK;
}

/* Share of pairs of the test sample that sketches of these dims would let through. */
static wn_status pass_share(wn_ctx *ctx, const wni_sketch *s, const wni_mat *test, float floor,
                            float *sketches, double *share)
{
    const wni_kernels *kern = wni_kernels_of(ctx);
    trial t = {s, test, sketches};
    wn_status st = wni_parallel(ctx, test->n, ROWS_GRAIN, trial_range, &t);
    int64_t pass = 0;

    if (st != WN_OK) return st;
    for (int64_t i = 0; i < test->n; i++)
        for (int64_t j = 0; j < i; j++)
            pass += kern->dot(sketches + i * s->dims, sketches + j * s->dims, s->dims) >=
                    floor - s->slack;
    *share = (double)pass / ((double)test->n * (double)(test->n - 1) / 2);
    return WN_OK;
}

/* Work per pair in units of one vector instruction: reduction and epilogue, then the products. A pair
 * that passes is scored alone, where the latency of the products shows. */
static double pair_cost(int64_t dims, int64_t ld, double pass)
{
    return 6 + (double)dims / 16 + pass * (40 + (double)ld / 4);
}

wn_status wni_sketch_new(wn_ctx *ctx, const wn_pool *pool, float floor, int32_t dims,
                         wni_sketch *out)
{
    int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool), most = DIMS_MAX;
    wni_mat test = {0};
    float *sketches = NULL;
    wn_status st;

    *out = (wni_sketch){0};
    while (most >= 16 && (most * 2 > d || most * most * d > BASIS_FLOPS))
        most /= 2;
    if (dims == 0 && (n < ROWS_MIN || most < 16 || floor <= 0)) return WN_OK;
    WNI_TRY(find_basis(ctx, pool, dims ? dims : most, &out->basis));
    out->dims = dims;
    if (dims == 0) {
        double best = 6 + (double)out->basis.ld / 16;
        WNI_TRY(sample(ctx, pool, "sketch-test", TEST_ROWS, &test));
        WNI_NEW(ctx, sketches, TEST_ROWS * most);
        for (int32_t m = 16; m <= most; m *= 2) {
            wni_sketch s = {.dims = m, .basis = out->basis};
            double cost, share;
            s.basis.n = m - 1; /* directions stand in order of importance */
            WNI_TRY(set_slack(ctx, &s));
            WNI_TRY(pass_share(ctx, &s, &test, floor, sketches, &share));
            cost = pair_cost(m, out->basis.ld, share);
            if (cost < best) {
                best = cost;
                out->dims = m;
            }
        }
    }
    out->basis.n = wni_max(out->dims - 1, 0);
    if (out->dims) WNI_TRY(set_slack(ctx, out));
    st = WN_OK;
done:
    wni_free(ctx, sketches);
    wni_mat_free(ctx, &test);
    if (st != WN_OK || !out->dims) wni_sketch_free(ctx, out);
    return st;
}

void wni_sketch_free(wn_ctx *ctx, wni_sketch *sketch)
{
    wni_mat_free(ctx, &sketch->basis);
    *sketch = (wni_sketch){0};
}
