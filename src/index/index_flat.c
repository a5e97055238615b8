/* SPDX-License-Identifier: Apache-2.0
 *
 * The flat index: every row is compared. With the code f32 that is the exact scan; with others the codes are
 * scanned and the best candidates compared exactly by index_search.c. Small segments of every kind are flat.
 */
#include <math.h>

#include "base/param.h"
#include "ds/topk.h"
#include "index/code.h"
#include "index/index_search.h"
#include "scan/scan.h"

WN_PARAM_TABLE(wn_index_flat_params, WN_INDEX_FLAT_PARAMS);

#define TILE \
    2048 /* codes whose keys are made at a time: they stay in cache for the queries of a range */
#define QUERIES 8 /* of a range */

static bool has_codes(const void *params, int64_t n)
{
    return wni_code_params_of(params).code != WN_CODE_F32 && n >= WNI_SEGMENT_STRUCTURE_ROWS;
}

static wn_status flat_estimate(wn_ctx *ctx, const wn_pool *rows, const void *params,
                               wn_estimate *out)
{
    wni_code_params p = wni_code_params_of(params);

    (void)ctx;
    *out = (wn_estimate){0};
    if (has_codes(params, wn_pool_rows(rows))) wni_code_estimate(rows, &p, out);
    return WN_OK;
}

static wn_status flat_build(wn_ctx *ctx, const wni_index_build *b)
{
    wni_code_params p = wni_code_params_of(b->params);

    if (!has_codes(b->params, wn_pool_rows(b->rows))) return WN_OK;
    return wni_code_build(ctx, b, &p, NULL, wn_pool_rows(b->rows));
}

static wn_status flat_open(wn_ctx *ctx, const wn_index *index, wni_segment *s)
{
    wni_code_params p = wni_code_params_of(index->params);
    wni_code *code;
    wn_status st;

    if (!has_codes(index->params, s->n)) return WN_OK;
    st = wni_code_open(ctx, index, s, &p, &code);
    s->state = code;
    return st;
}

static void flat_close(wn_ctx *ctx, wni_segment *s)
{
    wni_code_free(ctx, s->state);
}

/* ---- searching ------------------------------------------------------------------------------------------- */

typedef struct flat {
    const wni_segment *s;
    const wni_code *code;
    const wni_ask *ask;
    wni_found *found;
    int64_t ld, scratch_bytes;
} flat;

static wn_status codes_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const flat *f = arg;
    const wni_ask *ask = f->ask;
    int64_t size[QUERIES] = {0};
    float *x = NULL, *keys = NULL;
    int32_t *slots = NULL;
    char *scratch = NULL;
    wn_status st = WN_OK;

    (void)worker;
    WNI_NEW(ctx, x, f->ld);
    WNI_NEW(ctx, keys, TILE);
    if (ask->allowed && f->s->n <= INT32_MAX) WNI_NEW(ctx, slots, TILE);
    WNI_NEW(ctx, scratch, (end - begin) * f->scratch_bytes);
    for (int64_t q = begin; q < end; q++) {
        WNI_TRY(wn_pool_read(ctx, ask->queries, q, 1, x, f->ld));
        wni_code_prepare(f->code, x, scratch + (q - begin) * f->scratch_bytes);
    }
    for (int64_t b = 0; b < f->s->n; b += TILE) {
        int64_t m = wni_min(TILE, f->s->n - b);

        WNI_TRY(wni_poll(ctx));
        if (slots) m = wni_bits_list32(ask->allowed, b, b + m, slots);
        for (int64_t q = begin; q < end; q++) {
            float *key = f->found->key + q * ask->want;
            int64_t *at = f->found->at + q * ask->want;

            if (slots)
                wni_code_keys_at(f->code, scratch + (q - begin) * f->scratch_bytes, slots, m, keys);
            else
                wni_code_keys_run(f->code, scratch + (q - begin) * f->scratch_bytes, b, m, keys);
            for (int64_t i = 0; i < m; i++)
                if ((size[q - begin] < ask->want || -keys[i] >= key[0]) &&
                    (slots || !ask->allowed || wni_bit(ask->allowed, b + i)))
                    wni_topk_push(key, at, ask->want, &size[q - begin], -keys[i],
                                  slots ? slots[i] : b + i);
        }
    }
    for (int64_t q = begin; q < end; q++)
        wni_found_end(f->found, ask->want, q, size[q - begin]);
done:
    wni_free(ctx, x);
    wni_free(ctx, keys);
    wni_free(ctx, slots);
    wni_free(ctx, scratch);
    return st;
}

typedef struct check {
    const wn_index *index;
    const wni_segment *s;
    const wni_queries *base;
} check;

static wn_status check_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const check *c = arg;
    const int64_t ld = wni_ld(c->index->d);
    float *row = NULL;
    wn_status st = WN_OK;

    (void)worker;
    WNI_NEW(ctx, row, ld);
    for (int64_t i = begin; i < end; i++) {
        const int64_t position = c->base->rows ? c->base->rows[i] : i;

        WNI_TRY(wn_pool_read(ctx, c->s->rows, position, 1, row, ld));
        if (wni_row_sum(row, c->index->d) != c->s->row_sums[position]) {
            st = wni_segment_damaged(ctx, c->index, c->s, "rows.npy",
                                     "the checksum of a row does not match");
            goto done;
        }
    }
done:
    wni_free(ctx, row);
    return st;
}

wn_status wni_index_scan_rows(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              const wni_ask *ask, wni_found *found)
{
    wni_queries queries = {ask->queries, NULL, 0, ask->n}, base = {s->rows, NULL, 0, s->n};
    const uint64_t *allowed = ask->allowed;
    uint64_t *covered = NULL;
    int64_t *rows = NULL, n = 0;
    wn_status st = WN_OK;

    if (!allowed && ask->cover && wni_covers(ask->cover)) {
        WNI_TRY(wni_index_alive(ctx, s, &covered));
        WNI_TRY(s->kind->mark(ctx, index, s, ask->cover, covered));
        allowed = covered;
    }
    if (allowed) {
        WNI_NEW(ctx, rows, wni_bits_count(allowed, 0, s->n));
        n = wni_bits_list(allowed, 0, s->n, rows);
        base.rows = rows;
        base.n = n;
    }
    if (s->row_sums) { /* rows that nobody has looked at since they were written */
        check c = {index, s, &base};
        WNI_TRY(wni_parallel(ctx, base.n, 1024, check_range, &c));
    }
    WNI_TRY(wni_scan_exact(ctx, &queries, &base, ask->want, found->at, found->key));
    for (int64_t i = 0; rows && i < ask->n * ask->want; i++)
        if (found->at[i] >= 0) found->at[i] = rows[found->at[i]];
    found->exact = 1;
    found->compared += ask->n * base.n;
done:
    wni_free(ctx, covered);
    wni_free(ctx, rows);
    return st;
}

static wn_status flat_search(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             const wni_ask *ask, wni_found *found)
{
    flat f = {s, s->state, ask, found, wni_ld(index->d), 0};

    if (!f.code) return wni_index_scan_rows(ctx, index, s, ask, found);
    f.scratch_bytes = wni_round_up(wni_code_scratch_bytes(f.code), WNI_ALIGN);
    found->compared += ask->n * (ask->allowed ? ask->n_allowed : s->n);
    return wni_parallel(ctx, ask->n, QUERIES, codes_range, &f);
}

static void flat_effort(const wn_index *index, const wni_segment *s, int64_t k, int64_t *low,
                        int64_t *high)
{
    (void)index;
    (void)s;
    (void)k;
    *low = *high = 0;
}

const wni_index_kind wni_index_flat_kind = {
    .estimate = flat_estimate,
    .build = flat_build,
    .open = flat_open,
    .close = flat_close,
    .search = flat_search,
    .effort = flat_effort,
};

const wn_method wni_method_index_flat = {
    .family = "index",
    .name = "flat",
    .summary = "every row is compared: exact, or by codes with the best compared exactly",
    .papers = "",
    .cost = "nothing to build but codes; n d a query; bytes of the rows and codes",
    .flags = WN_METHOD_OUT_OF_CORE | WN_METHOD_SEEDED,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_flat_params),
    .ops = &wni_index_flat_kind,
    .inputs = "pool table?",
};
