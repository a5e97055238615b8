/* SPDX-License-Identifier: Apache-2.0
 *
 * Exact duplicates: hash the stored bytes of every row, sort, compare the bytes where hashes agree.
 */
#include <string.h>

#include <xxhash.h>

#include "base/param.h"
#include "dedup/dedup_exact.h"
#include "ds/keyed.h"

extern const wn_method wni_method_dedup_exact;

WN_PARAM_TABLE(wn_dedup_exact_params, WN_DEDUP_EXACT_PARAMS);

#define RANGE_BYTES ((int64_t)1 << 18) /* of rows that one range reads: far below 20 ms of work */

typedef struct exact {
    const wn_pool *pool;
    int64_t row_bytes, range_rows, slot_bytes;
    uint64_t mask;
    unsigned char *slots; /* (threads, slot_bytes) */
    wni_keyed *hashed;    /* (n) */
    int64_t *partner;     /* (n) */
    atomic_int collided;
} exact;

static wn_status hash_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    exact *e = arg;
    unsigned char *rows = e->slots + worker * e->slot_bytes;
    wn_status st = wn_pool_read_raw(ctx, e->pool, begin, end - begin, rows);

    if (st != WN_OK) return st;
    for (int64_t i = begin; i < end; i++, rows += e->row_bytes)
        e->hashed[i] = (wni_keyed){XXH3_64bits(rows, (size_t)e->row_bytes) & e->mask, i};
    return WN_OK;
}

/* Partners are the first rows of equal hashes so far; -1 where the bytes say otherwise. */
static wn_status verify_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    exact *e = arg;
    unsigned char *rows = e->slots + worker * e->slot_bytes;
    unsigned char *first = rows + e->range_rows * e->row_bytes;
    int64_t have = -1;
    bool loaded = false;

    for (int64_t i = begin; i < end; i++) {
        wn_status st;
        if (e->partner[i] == i) continue;
        if (!loaded && (st = wn_pool_read_raw(ctx, e->pool, begin, end - begin, rows)) != WN_OK)
            return st;
        loaded = true;
        if (have != e->partner[i] &&
            (st = wn_pool_read_raw(ctx, e->pool, e->partner[i], 1, first)) != WN_OK)
            return st;
        have = e->partner[i];
        if (memcmp(rows + (i - begin) * e->row_bytes, first, (size_t)e->row_bytes) == 0) continue;
        e->partner[i] = -1;
        atomic_store(&e->collided, 1);
    }
    return WN_OK;
}

/* Rows of one hash that differ from its first row: each against the rows that stand for themselves. Hashes
 * of 64 bits hardly ever come here, so it is short, not fast. */
static wn_status settle(wn_ctx *ctx, exact *e, const wni_keyed *same, int64_t m)
{
    unsigned char *a = e->slots, *b = a + e->row_bytes;
    wn_status st;

    for (int64_t i = 0; i < m; i++) {
        int64_t row = same[i].row;
        if (e->partner[row] >= 0) continue;
        WNI_TRY(wn_pool_read_raw(ctx, e->pool, row, 1, a));
        e->partner[row] = row;
        for (int64_t j = 1; j < i; j++) {
            if (e->partner[same[j].row] != same[j].row) continue;
            WNI_TRY(wni_poll(ctx));
            WNI_TRY(wn_pool_read_raw(ctx, e->pool, same[j].row, 1, b));
            if (memcmp(a, b, (size_t)e->row_bytes) != 0) continue;
            e->partner[row] = same[j].row;
            break;
        }
    }
    st = WN_OK;
done:
    return st;
}

wn_status wni_dedup_exact_masked(wn_ctx *ctx, const wn_pool *pool, int verify, uint64_t mask,
                                 wn_dedup **out)
{
    int64_t n = wn_pool_rows(pool);
    exact e = {.pool = pool, .mask = mask};
    wn_dedup *dedup = NULL;
    wn_status st;

    e.row_bytes = wn_pool_dim(pool) * (int64_t)wn_dtype_bytes(wn_pool_dtype(pool));
    e.range_rows = wni_max(RANGE_BYTES / wni_max(e.row_bytes, 1), 1);
    e.slot_bytes = wni_round_up((e.range_rows + 1) * e.row_bytes, WNI_ALIGN);
    WNI_TRY(wn_dedup_new(ctx, n, &dedup));
    e.partner = dedup->partner;
    WNI_NEW(ctx, e.hashed, n);
    WNI_NEW(ctx, e.slots, wn_ctx_threads(ctx) * e.slot_bytes);

    wni_progress(ctx, "hashing rows", 0, n);
    WNI_TRY(wni_parallel(ctx, n, e.range_rows, hash_range, &e));
    wni_progress(ctx, "hashing rows", n, n);
    WNI_TRY(wni_keyed_sort_long(ctx, e.hashed, n));
    for (int64_t i = 1; i < n; i++)
        if (e.hashed[i].key == e.hashed[i - 1].key)
            e.partner[e.hashed[i].row] = e.partner[e.hashed[i - 1].row];
    if (verify) {
        WNI_TRY(wni_parallel(ctx, n, e.range_rows, verify_range, &e));
        for (int64_t i = 0, j; atomic_load(&e.collided) && i < n; i = j) {
            for (j = i + 1; j < n && e.hashed[j].key == e.hashed[i].key;)
                j++;
            WNI_TRY(settle(ctx, &e, e.hashed + i, j - i));
        }
    }
    for (int64_t i = 0; i < n; i++)
        dedup->kept -= e.partner[i] != i;
    *out = dedup;
    dedup = NULL;
done:
    wni_free(ctx, e.hashed);
    wni_free(ctx, e.slots);
    wn_dedup_free(dedup);
    return st;
}

static wn_status exact_estimate(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                                wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool);
    int64_t row_bytes = wn_pool_dim(in->pool) * (int64_t)wn_dtype_bytes(wn_pool_dtype(in->pool));
    wn_dedup_exact_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_dedup_exact, params, &p));
    *out = (wn_estimate){0};
    out->peak_bytes = n * (int64_t)(sizeof(wni_keyed) + sizeof(int64_t) + sizeof(float)) +
                      wn_ctx_threads(ctx) * (RANGE_BYTES + 2 * row_bytes + WNI_ALIGN) + 65536;
    out->bytes_read = (double)n * (double)row_bytes * (p.verify ? 2 : 1);
done:
    return st;
}

static wn_status exact_run(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                           wn_dedup **out)
{
    wn_dedup_exact_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_dedup_exact, params, &p));
    WNI_TRY(wni_dedup_exact_masked(ctx, in->pool, p.verify, UINT64_MAX, out));
done:
    return st;
}

wn_status wn_dedup_exact(wn_ctx *ctx, const wn_dedup_input *in, const wn_dedup_exact_params *params,
                         wn_dedup **out)
{
    return wn_dedup_run(ctx, &wni_method_dedup_exact, in, params, out);
}

static const wn_dedup_ops ops = {exact_estimate, exact_run, NULL};

const wn_method wni_method_dedup_exact = {
    .family = "dedup",
    .name = "exact",
    .summary = "rows with the same stored bytes; the first is kept",
    .papers = "",
    .cost = "one or two passes over the bytes; 28 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_dedup_exact_params),
    .ops = &ops,
    .inputs = "pool",
};
