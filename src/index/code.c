/* SPDX-License-Identifier: Apache-2.0
 *
 * What all codes share: choosing one, writing them tile by tile, samples to train on, arrays of a segment.
 */
#include <math.h>

#include "base/rng.h"
#include "index/code_impl.h"

#define TILE_BYTES   ((int64_t)4 << 20)  /* of codes that wait to be written */
#define SAMPLE_BYTES ((int64_t)32 << 20) /* of a sample, at most */

static const wni_code_ops *const all[] = {
    [WN_CODE_F32] = &wni_code_f32, [WN_CODE_F16] = &wni_code_f16, [WN_CODE_I8] = &wni_code_i8,
    [WN_CODE_PQ] = &wni_code_pq,   [WN_CODE_RQ] = &wni_code_rq,
};

wni_code_params wni_code_params_of(const void *params)
{
    const wn_index_flat_params *p = params;

    return (wni_code_params){(wn_code)p->code, p->code_bytes, p->seed, p->pq_uniform};
}

wn_status wni_code_check(wn_ctx *ctx, int64_t d, const wni_code_params *params)
{
    if (params->bytes && params->code != WN_CODE_PQ && params->code != WN_CODE_RQ)
        return wni_fail(ctx, WN_E_USAGE,
                        "index: code_bytes is %d, but only the codes pq and rq can be cut to a "
                        "size; add --code pq or leave it out",
                        (int)params->bytes);
    return all[params->code]->check ? all[params->code]->check(ctx, d, params) : WN_OK;
}

wn_status wni_code_build(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                         const int64_t *order, int64_t n)
{
    return all[params->code]->build(ctx, b, params, order, n);
}

void wni_code_estimate(const wn_pool *rows, const wni_code_params *params, wn_estimate *out)
{
    *out = (wn_estimate){0};
    all[params->code]->estimate(rows, params, out);
}

wn_status wni_code_open(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                        const wni_code_params *params, wni_code **out)
{
    wni_code *code = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, code, 1);
    code->ops = all[params->code];
    code->kernels = wni_kernels_of(ctx);
    code->n = s->n;
    code->d = index->d;
    code->ld = wni_ld(index->d);
    WNI_TRY(code->ops->open(ctx, index, s, params, code));
    code->scratch_bytes = wni_round_up(code->scratch_bytes, WNI_ALIGN);
    *out = code;
    code = NULL;
done:
    wni_code_free(ctx, code);
    return st;
}

void wni_code_free(wn_ctx *ctx, wni_code *code)
{
    if (!code) return;
    if (code->ops->close) code->ops->close(ctx, code);
    wni_free(ctx, code);
}

int wni_code_exact(const wni_code *code)
{
    return code->exact;
}

int64_t wni_code_scratch_bytes(const wni_code *code)
{
    return code->scratch_bytes;
}

void wni_code_prepare(const wni_code *code, const float *query, void *scratch)
{
    code->ops->prepare(code, query, scratch);
}

void wni_code_keys_at(const wni_code *code, const void *scratch, const int32_t *at, int64_t n,
                      float *keys)
{
    code->ops->keys(code, scratch, at, 0, n, keys);
}

void wni_code_keys_run(const wni_code *code, const void *scratch, int64_t first, int64_t n,
                       float *keys)
{
    code->ops->keys(code, scratch, NULL, first, n, keys);
}

void wni_code_prefetch(const wni_code *code, int64_t slot)
{
    const char *row = (const char *)code->rows + slot * code->row_bytes;

    for (int64_t b = 0; b < code->row_bytes && b < 8 * 64; b += 64)
        __builtin_prefetch(row + b, 0, 3);
}

/* ---- writing ---------------------------------------------------------------------------------------------- */

typedef struct tile {
    const wn_pool *rows;
    const int64_t *order;
    int64_t first, ld, row_bytes;
    wni_code_rows_fn fn;
    void *arg;
    float *scratch; /* (threads, WNI_CODE_RANGE, ld) */
    char *codes;    /* (tile, row_bytes) */
} tile;

static wn_status tile_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const tile *t = arg;
    float *rows = t->scratch + worker * WNI_CODE_RANGE * t->ld;
    wn_status st;

    if (t->order)
        WNI_TRY(
            wn_pool_gather(ctx, t->rows, t->order + t->first + begin, end - begin, rows, t->ld));
    else
        WNI_TRY(wn_pool_read(ctx, t->rows, t->first + begin, end - begin, rows, t->ld));
    st = t->fn(ctx, t->arg, end - begin, rows, t->ld, t->codes + begin * t->row_bytes);
done:
    return st;
}

static int64_t tile_rows(int64_t n, int64_t row_bytes)
{
    return wni_min(wni_max(TILE_BYTES / row_bytes / WNI_CODE_RANGE, 1) * WNI_CODE_RANGE, n);
}

wn_status wni_code_write(wn_ctx *ctx, const wni_index_build *b, const int64_t *order, int64_t n,
                         const char *descr, size_t item, int64_t width, wni_code_rows_fn fn,
                         void *arg)
{
    tile t = {.rows = b->rows, .order = order, .fn = fn, .arg = arg};
    wni_npy_writer *writer = NULL;
    int64_t size;
    wn_status st = WN_OK;

    t.ld = wni_ld(wn_pool_dim(b->rows));
    t.row_bytes = width * (int64_t)item;
    size = tile_rows(n, t.row_bytes);
    WNI_NEW(ctx, t.scratch, wn_ctx_threads(ctx) * WNI_CODE_RANGE * t.ld);
    WNI_NEW(ctx, t.codes, size * t.row_bytes);
    WNI_TRY(wni_build_writer(b, "code.npy", descr, item, n, width, &writer));
    for (t.first = 0; t.first < n; t.first += size) {
        const int64_t m = wni_min(size, n - t.first);

        wni_progress(ctx, "rows in code", t.first, n);
        WNI_TRY(wni_parallel(ctx, m, WNI_CODE_RANGE, tile_range, &t));
        WNI_TRY(wni_npy_writer_add(writer, m, t.codes));
    }
    wni_progress(ctx, "rows in code", n, n);
    st = wni_npy_writer_end(writer, 1);
    writer = NULL;
done:
    if (writer) wni_npy_writer_end(writer, 0);
    wni_free(ctx, t.scratch);
    wni_free(ctx, t.codes);
    return st;
}

int64_t wni_code_write_bytes(int64_t n, int64_t d, int64_t row_bytes)
{
    /* The number of threads is not known here; 64 of them are enough for an estimate of small things. */
    return tile_rows(n, row_bytes) * row_bytes + wni_min(n, 64 * WNI_CODE_RANGE) * wni_ld(d) * 4;
}

/* ---- samples ---------------------------------------------------------------------------------------------- */

int64_t wni_code_sample_rows(int64_t n, int64_t d, int64_t most)
{
    return wni_min(n, wni_min(most, wni_max(SAMPLE_BYTES / (wni_ld(d) * 4), 256)));
}

wn_status wni_code_sample(wn_ctx *ctx, const wni_index_build *b, const wni_code_params *params,
                          const int64_t *order, int64_t n, int64_t most, wni_mat *out)
{
    const int64_t m = wni_code_sample_rows(n, wn_pool_dim(b->rows), most);
    int64_t *rows = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, rows, m);
    WNI_TRY(wni_rand_subset(ctx, params->seed, wni_stream("index code sample", 0, 0), n, m, rows));
    if (order)
        for (int64_t i = 0; i < m; i++)
            rows[i] = order[rows[i]];
    WNI_TRY(wni_mat_gather(ctx, b->rows, rows, m, out));
done:
    wni_free(ctx, rows);
    return st;
}

wn_status wni_code_spread(wn_ctx *ctx, const wni_mat *m, double *spread)
{
    double *mean = NULL, sum = 0;
    wn_status st = WN_OK;

    *spread = 0;
    WNI_NEW0(ctx, mean, m->d);
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t j = 0; j < m->d; j++)
            mean[j] += (double)wni_mat_row(m, i)[j] / (double)m->n;
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t j = 0; j < m->d; j++) {
            const double x = (double)wni_mat_row(m, i)[j] - mean[j];

            sum += x * x;
        }
    *spread = sum;
done:
    wni_free(ctx, mean);
    return st;
}

wn_status wni_code_record_error(const wni_index_build *b, double error, double spread)
{
    wn_status st = WN_OK;

    if (!b->run || !isfinite(error) || !isfinite(spread)) return WN_OK;
    WNI_TRY(wni_record_real(b->run, "code_error", error));
    WNI_TRY(wni_record_real(b->run, "code_relative_error", spread > 0 ? error / spread : 0));
done:
    return st;
}

/* ---- numbers ---------------------------------------------------------------------------------------------- */

float wni_code_nth(float *v, int64_t n, int64_t at)
{
    int64_t low = 0, high = n - 1;

    while (low < high) {
        const float pivot = v[low + (high - low) / 2];
        int64_t i = low, j = high;

        while (i <= j) {
            while (v[i] < pivot)
                i++;
            while (v[j] > pivot)
                j--;
            if (i <= j) {
                const float kept = v[i];

                v[i++] = v[j];
                v[j--] = kept;
            }
        }
        if (at <= j)
            high = j;
        else if (at >= i)
            low = i;
        else
            break;
    }
    return v[at];
}

/* ---- arrays ----------------------------------------------------------------------------------------------- */

wn_status wni_code_array(wn_ctx *ctx, const wn_index *index, const wni_segment *s, const char *name,
                         const char *descr, int64_t n, int64_t d, const void **data)
{
    int64_t shape[2] = {0, 0};
    wn_status st;

    WNI_TRY(wni_segment_array(ctx, index, s, name, descr, 2, shape, data));
    if (shape[0] != n || shape[1] != d)
        st = wni_fail(ctx, WN_E_DATA,
                      "%s/%s%s: its shape is (%lld, %lld), expected (%lld, %lld): the index is "
                      "damaged; build it again",
                      index->path, s->prefix, name, (long long)shape[0], (long long)shape[1],
                      (long long)n, (long long)d);
done:
    return st;
}

wn_status wni_code_damaged(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                           const char *name, const char *what)
{
    return wni_fail(ctx, WN_E_DATA, "%s/%s%s: %s: the index is damaged; build it again",
                    index->path, s->prefix, name, what);
}
