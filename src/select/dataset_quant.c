/* SPDX-License-Identifier: Apache-2.0
 *
 * Dataset quantisation: the pool is cut into bins, one after the other, each filled with the rows that are
 * least like what the bin holds and most like what no bin holds; then every bin gives a uniform sample.
 * zhou2023dq.
 *
 * The gain of row x is  sum over p in the bin of |p - x|^2  -  sum over p in no bin of |p - x|^2. With the
 * sums of the rows on both sides it is one dot product, up to a number that is the same for all rows:
 * (rows in the bin - rows in none) |x|^2 + 2 x . (sum of those in none - sum of those in the bin).
 */
#include "base/param.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "select/allocate.h"
#include "select/recipe.h"

extern const wn_method wni_method_select_dataset_quant;

WN_PARAM_TABLE(wn_select_dataset_quant_params, WN_SELECT_DATASET_QUANT_PARAMS);

#define READ_BYTES  ((int64_t)1 << 18)
#define PRODUCT_MAX 1e37 /* of f32 */
#define PASSES      2000 /* over the pool, when step is 0 */

typedef struct quantizer {
    const wn_pool *pool;
    const wni_kernels *kernels;
    int64_t n, d, ld, grain;
    int64_t step;

    int32_t *bin;  /* (n), -1 = in none */
    int64_t *left; /* (n_left) rows in none, ascending */
    int64_t n_left, in_bin;
    float *norm;     /* (n) squared length; all rows are taken less the mean of the pool */
    float *mean;     /* (ld) */
    float *toward;   /* (ld) the sum of the difference below */
    double *sum;     /* (ld) rows in none less rows in the bin that is filled */
    double *filled;  /* (ld) rows in the bin */
    wni_keyed *gain; /* (n_left) largest first */
    float *slots;    /* (threads, grain, ld) */
} quantizer;

/* rows[0..m) less the mean, into out (m, ld). */
static wn_status read_rows(wn_ctx *ctx, const quantizer *q, const int64_t *rows, int64_t m,
                           float *out)
{
    wn_status st = wn_pool_gather(ctx, q->pool, rows, m, out, q->ld);

    for (int64_t i = 0; st == WN_OK && i < m; i++)
        for (int64_t j = 0; j < q->d; j++)
            out[i * q->ld + j] -= q->mean[j];
    return st;
}

/* ---- before the first bin ---------------------------------------------------------------------- */

static wn_status find_mean(wn_ctx *ctx, quantizer *q)
{
    wn_status st = WN_OK;

    for (int64_t i = 0; i < q->n; i += q->grain) {
        int64_t m = wni_min(q->grain, q->n - i);
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wn_pool_read(ctx, q->pool, i, m, q->slots, q->ld));
        for (int64_t r = 0; r < m; r++)
            for (int64_t j = 0; j < q->d; j++)
                q->sum[j] += (double)q->slots[r * q->ld + j];
    }
    for (int64_t j = 0; j < q->d; j++) {
        q->mean[j] = (float)(q->sum[j] / (double)q->n);
        q->sum[j] = 0;
    }
done:
    return st;
}

static wn_status all_in_none(wn_ctx *ctx, quantizer *q)
{
    int64_t far = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < q->n; i++) {
        q->bin[i] = -1;
        q->left[i] = i;
    }
    q->n_left = q->n;
    for (int64_t i = 0; i < q->n; i += q->grain) {
        int64_t m = wni_min(q->grain, q->n - i);
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(read_rows(ctx, q, q->left + i, m, q->slots));
        for (int64_t r = 0; r < m; r++) {
            const float *x = q->slots + r * q->ld;
            q->norm[i + r] = q->kernels->dot(x, x, q->ld);
            if (!(q->norm[i + r] <= q->norm[far])) far = i + r;
            for (int64_t j = 0; j < q->d; j++)
                q->sum[j] += (double)x[j];
        }
    }
    /* No product of a row with a sum of rows may overflow. */
    if (!((double)q->norm[far] * (double)q->n < PRODUCT_MAX))
        st = wni_fail(ctx, WN_E_DATA,
                      "select dataset_quant: row %lld lies so far from the mean of the pool that "
                      "sums of squared distances overflow: scale the vectors down, or give "
                      "--metric cosine",
                      (long long)far);
done:
    return st;
}

/* ---- bins -------------------------------------------------------------------------------------- */

static wn_status gain_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const quantizer *q = arg;
    float *x = q->slots + worker * q->grain * q->ld;
    double more = (double)(q->in_bin - q->n_left);
    wn_status st = read_rows(ctx, q, q->left + begin, end - begin, x);

    for (int64_t i = begin; st == WN_OK && i < end; i++, x += q->ld) {
        int64_t row = q->left[i];
        double gain =
            more * (double)q->norm[row] + 2.0 * (double)q->kernels->dot(x, q->toward, q->ld) + 0.0;
        q->gain[i] = (wni_keyed){UINT64_MAX - wni_key_of_double(gain), row};
    }
    return st;
}

/* The m rows of the highest gain go into bin b. */
static wn_status one_step(wn_ctx *ctx, quantizer *q, int32_t b, int64_t m)
{
    int64_t rows[64], kept = 0;
    wn_status st;

    for (int64_t j = 0; j < q->d; j++)
        q->toward[j] = (float)(q->sum[j] - q->filled[j]);
    WNI_TRY(wni_parallel(ctx, q->n_left, q->grain, gain_range, q));
    WNI_TRY(wni_keyed_first(ctx, q->gain, q->n_left, m));
    wni_keyed_sort(q->gain, m);
    for (int64_t i = 0; i < m;) {
        int64_t count = wni_min(wni_min(64, q->grain), m - i);
        for (int64_t r = 0; r < count; r++) {
            rows[r] = q->gain[i + r].row;
            q->bin[rows[r]] = b;
        }
        WNI_TRY(read_rows(ctx, q, rows, count, q->slots));
        for (int64_t r = 0; r < count; r++)
            for (int64_t j = 0; j < q->d; j++) {
                double x = (double)q->slots[r * q->ld + j];
                q->sum[j] -= x;
                q->filled[j] += x;
            }
        i += count;
    }
    for (int64_t i = 0; i < q->n_left; i++)
        if (q->bin[q->left[i]] < 0) q->left[kept++] = q->left[i];
    q->n_left = kept;
    q->in_bin += m;
done:
    return st;
}

static wn_status fill_bins(wn_ctx *ctx, quantizer *q, int64_t bins)
{
    wn_status st = WN_OK;

    for (int64_t b = 0; b + 1 < bins; b++) {
        /* Bins differ by one row at most. */
        int64_t room = q->n / bins + (b < q->n % bins);
        q->in_bin = 0;
        for (int64_t j = 0; j < q->d; j++)
            q->filled[j] = 0;
        while (q->in_bin < room) {
            WNI_TRY(wni_poll(ctx));
            wni_progress(ctx, "filling bins", q->n - q->n_left, q->n);
            WNI_TRY(one_step(ctx, q, (int32_t)b, wni_min(q->step, room - q->in_bin)));
        }
    }
    for (int64_t i = 0; i < q->n_left; i++)
        q->bin[q->left[i]] = (int32_t)(bins - 1);
    wni_progress(ctx, "filling bins", q->n, q->n);
done:
    return st;
}

/* The bins of all rows, into q->bin. */
static wn_status quantize(wn_ctx *ctx, quantizer *q, int64_t bins)
{
    wn_status st;

    WNI_NEW(ctx, q->bin, q->n);
    WNI_NEW(ctx, q->left, q->n);
    WNI_NEW(ctx, q->norm, q->n);
    WNI_NEW(ctx, q->gain, q->n);
    WNI_NEW0(ctx, q->mean, q->ld);
    WNI_NEW0(ctx, q->toward, q->ld);
    WNI_NEW0(ctx, q->sum, q->ld);
    WNI_NEW0(ctx, q->filled, q->ld);
    WNI_NEW(ctx, q->slots, wn_ctx_threads(ctx) * q->grain * q->ld);
    WNI_TRY(find_mean(ctx, q));
    WNI_TRY(all_in_none(ctx, q));
    WNI_TRY(fill_bins(ctx, q, bins));
done:
    wni_free(ctx, q->left);
    wni_free(ctx, q->norm);
    wni_free(ctx, q->gain);
    wni_free(ctx, q->mean);
    wni_free(ctx, q->toward);
    wni_free(ctx, q->sum);
    wni_free(ctx, q->filled);
    wni_free(ctx, q->slots);
    return st;
}

/* ---- the method -------------------------------------------------------------------------------- */

static wn_status sample_bins(wn_ctx *ctx, const quantizer *q,
                             const wn_select_dataset_quant_params *p, uint8_t *rule)
{
    wni_picking pick = {
        .how = WN_PICK_RANDOM, .groups = {q->n, (int32_t)p->bins, q->bin}, .seed = p->seed};
    wni_allocation a = {.what = "select dataset_quant",
                        .rule = WNI_ALLOCATE_PROPORTIONAL,
                        .groups = p->bins,
                        .size = p->size,
                        .seed = p->seed,
                        .stream = wni_stream("quant-remainder", 0, 0)};
    int64_t *rows = NULL, *quota = NULL;
    wn_status st;

    WNI_NEW(ctx, rows, p->bins);
    WNI_NEW(ctx, quota, p->bins);
    wni_open_all(&pick.groups, rule);
    wni_count_open(&pick.groups, rule, rows);
    a.rows = rows;
    WNI_TRY(wni_allocate(ctx, &a, quota));
    pick.quota = quota;
    WNI_TRY(wni_pick_rows(ctx, &pick, rule));
done:
    wni_free(ctx, rows);
    wni_free(ctx, quota);
    return st;
}

static wn_status check(wn_ctx *ctx, const wn_select_input *in,
                       const wn_select_dataset_quant_params *p, quantizer *q)
{
    q->pool = in->pool;
    q->n = wn_pool_rows(in->pool);
    q->d = wn_pool_dim(in->pool);
    q->ld = wni_ld(q->d);
    q->grain = wni_max(READ_BYTES / (q->ld * (int64_t)sizeof(float)), 1);
    q->step = p->step ? p->step : wni_max(q->n / PASSES, 1);
    if (q->n > 0 && p->bins > q->n)
        return wni_fail(ctx, WN_E_DATA,
                        "select dataset_quant: %lld bins need as many rows, the pool has %lld: "
                        "lower --bins",
                        (long long)p->bins, (long long)q->n);
    return wni_recipe_size(ctx, "dataset_quant", p->size, q->n);
}

static wn_status dataset_quant_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                   wn_selection **out)
{
    quantizer q = {.kernels = wni_kernels_of(ctx)};
    wn_select_dataset_quant_params p;
    uint8_t *rule = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_dataset_quant, params, &p));
    WNI_TRY(check(ctx, in, &p, &q));
    WNI_TRY(quantize(ctx, &q, p.bins));
    WNI_NEW(ctx, rule, q.n);
    WNI_TRY(sample_bins(ctx, &q, &p, rule));
    WNI_TRY(wni_recipe_selection(ctx, q.n, rule, q.bin, NULL, out));
done:
    wni_free(ctx, q.bin);
    wni_free(ctx, rule);
    return st;
}

static wn_status dataset_quant_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                        wn_estimate *out)
{
    wn_select_dataset_quant_params p;
    quantizer q = {0};
    double passes;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_dataset_quant, params, &p));
    WNI_TRY(check(ctx, in, &p, &q));
    *out = (wn_estimate){0};
    out->peak_bytes = q.n * 32 + q.ld * 24 + wn_ctx_threads(ctx) * q.grain * q.ld * 4;
    out->peak_bytes =
        wni_max(out->peak_bytes,
                q.n * 5 + p.bins * 64 +
                    wni_max(wni_recipe_pick_bytes(ctx, WN_PICK_RANDOM, q.n, 0, p.bins),
                            wni_recipe_selection_bytes(q.n, p.size))) +
        65536;
    passes = (double)q.n / (double)q.step / 2 + (double)p.bins + 2;
    out->flops = 2.0 * passes * (double)q.n * (double)q.ld;
    out->bytes_read =
        passes * (double)q.n * (double)q.d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

wn_status wn_select_dataset_quant(wn_ctx *ctx, const wn_select_input *in,
                                  const wn_select_dataset_quant_params *params, wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_dataset_quant, in, params, out);
}

static const wn_select_ops ops = {dataset_quant_estimate, dataset_quant_run};

const wn_method wni_method_select_dataset_quant = {
    .family = "select",
    .name = "dataset_quant",
    .summary =
        "a uniform sample of bins, each filled with rows unlike each other and like the rest",
    .papers = "zhou2023dq",
    .cost =
        "n / (2 step) passes over the rows that are left, n d multiply-adds each; 41 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_dataset_quant_params),
    .ops = &ops,
    .inputs = "pool",
};
