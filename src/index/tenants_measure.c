/* SPDX-License-Identifier: Apache-2.0
 *
 * How many lists of a tenant find what so many leaves of the whole tree find. Rows of the index are asked for their
 * nearest others, once among all rows and once among those of their tenant, and where these lie is ranked as a search
 * ranks it.
 */
#include <string.h>

#include "base/rng.h"
#include "ds/keyed.h"
#include "index/tenants_impl.h"

#define SAMPLE 200 /* rows that are asked for */
#define K      10  /* their nearest others */

typedef struct measure {
    const wn_pool *pool;
    const wni_kernels *kernels;
    const wni_keyed *asked; /* (SAMPLE) tenant, row; ascending */
    float *scores;          /* of the centres */
    float *x;               /* (ld) */
} measure;

/* Centres that come before centre c, when all n are ranked for the row in m->x: scores are made already. */
static int32_t rank_of(const measure *m, int64_t n, int64_t c)
{
    int32_t rank = 0;

    for (int64_t i = 0; i < n; i++)
        rank += m->scores[i] > m->scores[c] || (m->scores[i] == m->scores[c] && i < c);
    return rank;
}

/* The rows asked[first..first + count), in the base with these rows (NULL = all): ranks (count, K) of the places of
 * their nearest others. place (base) of each base row among the n centres, own (count) base row of each. */
static wn_status ask(wn_ctx *ctx, const measure *m, int64_t first, int64_t count,
                     const wni_queries *base, const int32_t *place, const int64_t *own,
                     const wni_mat *centers, const float *half, int64_t n, int32_t *ranks)
{
    int64_t *rows = NULL, *at = NULL;
    float *key = NULL;
    wni_queries queries = {m->pool, NULL, 0, count};
    wn_status st = WN_OK;

    WNI_NEW(ctx, rows, count);
    WNI_NEW(ctx, at, count * (K + 1));
    WNI_NEW(ctx, key, count * (K + 1));
    for (int64_t q = 0; q < count; q++)
        rows[q] = m->asked[first + q].row;
    queries.rows = rows;
    WNI_TRY(wni_scan_exact(ctx, &queries, base, K + 1, at, key));
    for (int64_t q = 0; q < count; q++) {
        int64_t have = 0;

        WNI_TRY(wn_pool_read(ctx, m->pool, rows[q], 1, m->x, centers->ld));
        m->kernels->dots(m->x, 1, centers->v, n, centers->ld, m->scores, n);
        for (int64_t c = 0; c < n; c++)
            m->scores[c] -= half[c];
        for (int64_t i = 0; i <= K && have < K; i++)
            if (at[q * (K + 1) + i] != own[q])
                ranks[q * K + have++] = rank_of(m, n, place[at[q * (K + 1) + i]]);
        WNI_TRY(wni_poll(ctx));
    }
done:
    wni_free(ctx, rows);
    wni_free(ctx, at);
    wni_free(ctx, key);
    return st;
}

/* Rows of tenants that have lists, by tenant. */
static wn_status take_sample(wn_ctx *ctx, const wni_tenants_rows *r, uint64_t seed,
                             wni_keyed *asked)
{
    const uint64_t stream = wni_stream("tenants measure", 0, 0);
    int64_t *slot_end = NULL, total = 0;
    wn_status st = WN_OK;

    /* Numbers below slot_end[t] are the rows of tenants up to t with lists. */
    WNI_NEW(ctx, slot_end, r->tenants);
    for (int64_t t = 0; t < r->tenants; t++) {
        if (r->tenant_lists[t + 1] > r->tenant_lists[t]) total += r->start[t + 1] - r->start[t];
        slot_end[t] = total;
    }
    for (int64_t i = 0; i < SAMPLE; i++) {
        const int64_t x = wni_rand_below(seed, stream, (uint64_t)i, total);
        int64_t low = 0, high = r->tenants - 1;

        while (low < high) {
            const int64_t mid = low + (high - low) / 2;

            if (slot_end[mid] > x)
                high = mid;
            else
                low = mid + 1;
        }
        asked[i] = (wni_keyed){(uint64_t)low, r->rows[r->start[low + 1] - (slot_end[low] - x)]};
    }
    wni_keyed_sort(asked, SAMPLE);
done:
    wni_free(ctx, slot_end);
    return st;
}

static wn_status ask_all(wn_ctx *ctx, const measure *m, const wni_tenants_tree *tree,
                         const wni_tenants_rows *r, const wni_mat *centers, const float *half,
                         int32_t *ranks)
{
    const wni_queries base = {m->pool, NULL, 0, r->n};
    int64_t own[SAMPLE];
    int32_t *place = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, place, r->n);
    for (int64_t l = 0; l < tree->leaves; l++)
        for (int64_t i = r->leaf_start[l]; i < r->leaf_start[l + 1]; i++)
            place[r->rows[r->leaf_slots[i]]] = (int32_t)l;
    for (int64_t q = 0; q < SAMPLE; q++)
        own[q] = m->asked[q].row;
    st = ask(ctx, m, 0, SAMPLE, &base, place, own, centers, half, tree->leaves, ranks);
done:
    wni_free(ctx, place);
    return st;
}

/* The rows asked[first..first + count), all of one tenant, among its rows. */
static wn_status ask_tenant(wn_ctx *ctx, const measure *m, const wni_tenants_rows *r,
                            const wni_mat *lists, const float *half, int64_t first, int64_t count,
                            int32_t *ranks)
{
    const int64_t t = (int64_t)m->asked[first].key, begin = r->start[t];
    const int64_t n = r->start[t + 1] - begin, low = r->tenant_lists[t];
    wni_mat of_tenant = *lists;
    wni_queries base = {m->pool, NULL, 0, n};
    int64_t own[SAMPLE], *rows = NULL;
    int32_t *place = NULL;
    wn_status st = WN_OK;

    of_tenant.v = wni_mat_row(lists, low);
    of_tenant.n = r->tenant_lists[t + 1] - low;
    WNI_NEW(ctx, rows, n);
    WNI_NEW(ctx, place, n);
    for (int64_t l = 0; l < of_tenant.n; l++)
        for (int64_t s = r->list[low + l].begin; s < r->list[low + l].end; s++)
            place[s - begin] = (int32_t)l;
    for (int64_t i = 0; i < n; i++)
        rows[i] = r->rows[begin + i];
    for (int64_t q = 0; q < count; q++)
        for (int64_t i = 0; i < n; i++)
            if (rows[i] == m->asked[first + q].row) own[q] = i;
    base.rows = rows;
    st = ask(ctx, m, first, count, &base, place, own, &of_tenant, half + low, of_tenant.n, ranks);
done:
    wni_free(ctx, rows);
    wni_free(ctx, place);
    return st;
}

static void sort_ranks(wni_keyed *scratch, int32_t *ranks)
{
    for (int64_t i = 0; i < SAMPLE * K; i++)
        scratch[i] = (wni_keyed){(uint64_t)ranks[i], i};
    wni_keyed_sort(scratch, SAMPLE * K);
    for (int64_t i = 0; i < SAMPLE * K; i++)
        ranks[i] = (int32_t)scratch[i].key;
}

wn_status wni_tenants_measure(wn_ctx *ctx, const wn_pool *pool, const wni_tenants_tree *tree,
                              const wni_tenants_rows *r, const wni_mat *centers, const float *half,
                              uint64_t seed, int32_t **ranks, int64_t *n)
{
    measure m = {.pool = pool, .kernels = wni_kernels_of(ctx)};
    wni_mat lists = *centers;
    wni_keyed *asked = NULL, *scratch = NULL;
    wn_status st = WN_OK;

    *ranks = NULL;
    *n = r->lists ? SAMPLE * K : 0;
    WNI_NEW(ctx, *ranks, 2 * *n);
    if (*n == 0) goto done;
    WNI_NEW(ctx, asked, SAMPLE);
    WNI_NEW(ctx, scratch, *n);
    WNI_NEW(ctx, m.x, centers->ld);
    WNI_NEW(ctx, m.scores, wni_max(tree->leaves, r->lists));
    WNI_TRY(take_sample(ctx, r, seed, asked));
    lists.v = wni_mat_row(centers, tree->leaves);
    m.asked = asked;
    WNI_TRY(ask_all(ctx, &m, tree, r, centers, half, *ranks));
    for (int64_t i = 0, end; i < SAMPLE; i = end) {
        for (end = i + 1; end < SAMPLE && asked[end].key == asked[i].key; end++)
            ;
        WNI_TRY(
            ask_tenant(ctx, &m, r, &lists, half + tree->leaves, i, end - i, *ranks + *n + i * K));
    }
    sort_ranks(scratch, *ranks);
    sort_ranks(scratch, *ranks + *n);
done:
    wni_free(ctx, asked);
    wni_free(ctx, scratch);
    wni_free(ctx, m.x);
    wni_free(ctx, m.scores);
    return st;
}

int64_t wni_tenants_lists_for(const int32_t *ranks, int64_t n, int64_t leaves)
{
    const int32_t *whole = ranks, *own = ranks + n;
    int64_t low = 0, high = n;

    if (n == 0) return leaves;
    /* As many of the ranks as `leaves` leaves find. */
    while (low < high) {
        const int64_t mid = low + (high - low) / 2;

        if (whole[mid] < leaves)
            low = mid + 1;
        else
            high = mid;
    }
    if (low < n) return low ? (int64_t)own[low - 1] + 1 : 1;
    return (int64_t)(((double)own[n - 1] + 1) * ((double)leaves / ((double)whole[n - 1] + 1)));
}
