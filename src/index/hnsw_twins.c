/* SPDX-License-Identifier: Apache-2.0
 *
 * Equal rows. As nodes of their own they would be nearest to each other and link to nothing else; so one node
 * stands for all of them, and the others are kept beside it.
 */
#include <string.h>
#include <xxhash.h>

#include "index/hnsw_impl.h"

#define TILE 256 /* rows that are hashed at a time */

typedef struct hashes {
    const wn_pool *pool;
    int64_t ld;
    wni_keyed *hash; /* (n) */
    float *rows;     /* (threads, TILE, ld) */
} hashes;

static wn_status hash_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const hashes *h = arg;
    float *rows = h->rows + worker * TILE * h->ld;
    wn_status st = wn_pool_read(ctx, h->pool, begin, end - begin, rows, h->ld);

    for (int64_t i = begin; st == WN_OK && i < end; i++) {
        const float *row = rows + (i - begin) * h->ld;

        h->hash[i] = (wni_keyed){XXH3_64bits(row, (size_t)h->ld * sizeof *row), i};
    }
    return st;
}

/* Of rows with one hash, run[0..n) ascending: those that equal the first. */
static wn_status join(wn_ctx *ctx, const hashes *h, const wni_keyed *run, int64_t n,
                      int64_t *first_of)
{
    float *x = h->rows, *y = x + h->ld;
    wn_status st;

    WNI_TRY(wn_pool_read(ctx, h->pool, run[0].row, 1, x, h->ld));
    for (int64_t i = 1; i < n; i++) {
        WNI_TRY(wn_pool_read(ctx, h->pool, run[i].row, 1, y, h->ld));
        if (memcmp(x, y, (size_t)h->ld * sizeof *x) == 0) first_of[run[i].row] = run[0].row;
        if (i % 1024 == 0) WNI_TRY(wni_poll(ctx));
    }
done:
    return st;
}

wn_status wni_hnsw_distinct(wn_ctx *ctx, const wn_pool *pool, int64_t *nodes, int64_t **distinct,
                            int64_t **first_of)
{
    const int64_t n = wn_pool_rows(pool);
    hashes h = {.pool = pool, .ld = wni_ld(wn_pool_dim(pool))};
    int64_t *first = NULL, *kept = NULL, count = 0;
    wn_status st;

    *distinct = *first_of = NULL;
    WNI_NEW(ctx, h.hash, n);
    WNI_NEW(ctx, h.rows, wn_ctx_threads(ctx) * TILE * h.ld);
    WNI_NEW(ctx, first, n);
    for (int64_t i = 0; i < n; i++)
        first[i] = i;
    WNI_TRY(wni_parallel(ctx, n, TILE, hash_range, &h));
    WNI_TRY(wni_keyed_sort_long(ctx, h.hash, n));
    for (int64_t i = 0, end; i < n; i = end) {
        for (end = i + 1; end < n && h.hash[end].key == h.hash[i].key;)
            end++;
        if (end - i > 1) WNI_TRY(join(ctx, &h, h.hash + i, end - i, first));
    }
    wni_free(ctx, h.hash);
    h.hash = NULL;
    for (int64_t i = 0; i < n; i++)
        count += first[i] == i;
    WNI_NEW(ctx, kept, count);
    *nodes = count;
    count = 0;
    for (int64_t i = 0; i < n; i++)
        if (first[i] == i) kept[count++] = i;
    *distinct = kept;
    if (count < n) {
        *first_of = first;
        first = NULL;
    }
done:
    wni_free(ctx, h.hash);
    wni_free(ctx, h.rows);
    wni_free(ctx, first);
    return st;
}

int64_t wni_hnsw_distinct_bytes(const wn_ctx *ctx, int64_t n, int64_t ld)
{
    return n * (16 + 8) + wn_ctx_threads(ctx) * TILE * ld * 4 + 4096;
}
