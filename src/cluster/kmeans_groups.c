/* SPDX-License-Identifier: Apache-2.0
 *
 * Centres in groups of equal size, near ones together: the groups of Ding et al., "Yinyang K-means" (ICML 2015),
 * by halving instead of clustering, since equal groups make dense tiles and no group is a trap.
 */
#include <math.h>
#include <string.h>

#include "cluster/kmeans_impl.h"
#include "scan/filter.h"

#define GROUP_MIN 8 /* centres; the filter has them in panels */

int64_t wni_km_group_size(int64_t d, int64_t k, int filter)
{
    /* 5 d / 16 groups of two bytes a row are 16 % of the rows in f32. */
    int64_t most = wni_max(1, 5 * d / 16);
    int64_t size = wni_max(filter ? WNI_PANEL8 : GROUP_MIN, (k + most - 1) / most);

    return wni_min(wni_round_up(size, size > 8 ? 16 : 4), wni_max(k, 1));
}

wn_status wni_km_groups_new(wni_km *km)
{
    wni_km_groups *g = &km->groups;
    wn_ctx *ctx = km->ctx;
    int64_t rows = wni_round_up(km->rows.n, WNI_KM_LANES);
    float most = 0;
    int e;
    wn_status st = WN_OK;

    g->size = wni_km_group_size(km->rows.d, km->k, wni_filter_wanted(ctx, km->rows.d, km->k));
    g->n = (km->k + g->size - 1) / g->size;
    WNI_TRY(wni_mat_new(ctx, km->k, km->rows.d, &g->centers));
    WNI_NEW(ctx, g->half, km->k);
    WNI_NEW(ctx, g->center, km->k);
    WNI_NEW(ctx, g->of, km->k);
    WNI_NEW(ctx, g->place, km->k);
    WNI_NEW(ctx, g->key, km->k);
    WNI_NEW0(ctx, g->drift, g->n);
    WNI_NEW(ctx, g->drift_up, g->n);
    WNI_NEW(ctx, g->lower, rows * g->n);
    memset(g->lower + (rows - WNI_KM_LANES) * g->n, 0, (size_t)(WNI_KM_LANES * g->n) * 2);
    WNI_NEW(ctx, g->scratch, wni_km_play_scratch(km->rows.ld, g->size, g->n) * wn_ctx_threads(ctx));
    /* Codes reach to four times the largest distance between two rows. */
    for (int64_t row = 0; row < km->rows.n; row++)
        most = km->norm2[row] > most ? km->norm2[row] : most;
    frexp(2 * sqrt((double)most), &e);
    g->unit = (float)ldexp(1, wni_min(wni_max(14 - e, -80), 80));
    for (int32_t c = 0; c < km->k; c++)
        g->center[c] = c;
done:
    return st; /* freed with km */
}

void wni_km_groups_free(wni_km *km)
{
    wni_km_groups *g = &km->groups;

    wni_mat_free(km->ctx, &g->centers);
    wni_free(km->ctx, g->half);
    wni_free(km->ctx, g->center);
    wni_free(km->ctx, g->of);
    wni_free(km->ctx, g->place);
    wni_free(km->ctx, g->key);
    wni_free(km->ctx, g->drift);
    wni_free(km->ctx, g->drift_up);
    wni_free(km->ctx, g->lower);
    wni_free(km->ctx, g->scratch);
}

/* ---- halving --------------------------------------------------------------------------------------- */

/* a comes before b along the line. */
static bool before(const wni_km_key *a, const wni_km_key *b)
{
    return a->at < b->at || (a->at == b->at && a->center < b->center);
}

/* The first `left` of key[0..n) are those that come first. */
static void split_at(wni_km_key *key, int64_t n, int64_t left)
{
    int64_t lo = 0, hi = n - 1;

    while (lo < hi) {
        wni_km_key middle = key[lo + (hi - lo) / 2], t;
        int64_t i = lo, j = hi;

        while (i <= j) {
            while (before(&key[i], &middle))
                i++;
            while (before(&middle, &key[j]))
                j--;
            if (i > j) break;
            t = key[i];
            key[i++] = key[j];
            key[j--] = t;
        }
        if (left <= j)
            hi = j;
        else if (left >= i)
            lo = i;
        else
            return;
    }
}

/* The end of the list that is farthest from `from`. */
static const float *farthest(const wni_km *km, const wni_km_key *key, int64_t n, const float *from)
{
    const float *at = wni_mat_row(&km->centers, key[0].center);
    float most = -1;

    for (int64_t i = 0; i < n; i++) {
        const float *c = wni_mat_row(&km->centers, key[i].center);
        float v = km->rows.kern->l2sq(c, from, km->rows.ld);

        if (v > most) {
            most = v;
            at = c;
        }
    }
    return at;
}

/* Halves a list of whole groups along the line through two of its ends. */
static void halve(const wni_km *km, wni_km_key *key, int64_t n, int64_t size)
{
    const wni_kernels *kern = km->rows.kern;
    int64_t left = (n + size - 1) / size / 2 * size, ld = km->rows.ld;
    const float *a, *b;

    a = farthest(km, key, n, wni_mat_row(&km->centers, key[0].center));
    b = farthest(km, key, n, a);
    for (int64_t i = 0; i < n; i++) {
        const float *c = wni_mat_row(&km->centers, key[i].center);

        key[i].at = kern->l2sq(c, a, ld) - kern->l2sq(c, b, ld);
    }
    split_at(key, n, left);
}

wn_status wni_km_groups_make(wni_km *km)
{
    wni_km_groups *g = &km->groups;
    struct {
        int64_t first, n; /* groups */
    } part[64];
    int parts = 1;
    wn_status st = WN_OK;

    for (int32_t c = 0; c < km->k; c++)
        g->key[c].center = c;
    part[0].first = 0;
    part[0].n = g->n;
    while (parts > 0) { /* the smaller half waits, so 64 are enough */
        int64_t first = part[parts - 1].first, n = part[--parts].n, from = first * g->size;

        if (n < 2) continue;
        WNI_TRY(wni_poll(km->ctx));
        halve(km, g->key + from, wni_min(n * g->size, km->k - from), g->size);
        part[parts].first = first;
        part[parts++].n = n / 2;
        part[parts].first = first + n / 2;
        part[parts++].n = n - n / 2;
    }
    for (int32_t c = 0; c < km->k; c++)
        g->of[g->key[c].center] = c / g->size;
    /* Ascending inside a group, so that the first of equal scores is the smallest centre. */
    memset(g->drift, 0, (size_t)g->n * sizeof *g->drift);
    for (int64_t i = 0; i < g->n; i++) {
        int64_t from = i * g->size, end = wni_min(from + g->size, km->k);

        for (int64_t j = from; j < end; j++) {
            int64_t at = j;
            int32_t c = g->key[j].center;

            for (; at > from && g->center[at - 1] > c; at--)
                g->center[at] = g->center[at - 1];
            g->center[at] = c;
        }
        for (int64_t j = from; j < end; j++)
            g->place[g->center[j]] = (int32_t)j;
    }
    g->fresh = 1;
done:
    return st;
}

/* ---- once an iteration ------------------------------------------------------------------------------- */

static wn_status pack_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wni_km *km = arg;
    wni_km_groups *g = &km->groups;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        memcpy(wni_mat_row(&g->centers, i), wni_mat_row(&km->centers, g->center[i]),
               (size_t)km->rows.ld * sizeof(float));
        g->half[i] = km->l2 ? km->half[g->center[i]] : 0;
    }
    return WN_OK;
}

wn_status wni_km_groups_pack(wni_km *km)
{
    wni_km_groups *g = &km->groups;

    if (!g->fresh)
        for (int64_t i = 0; i < g->n; i++) {
            float most = 0;

            for (int64_t j = i * g->size; j < wni_min((i + 1) * g->size, km->k); j++)
                most = fmaxf(most, km->move[g->center[j]]);
            g->drift[i] = (g->drift[i] + most) * (1 + 1e-15);
        }
    for (int64_t i = 0; i < g->n; i++)
        g->drift_up[i] = wni_km_up(g->drift[i] * (1 + 0x1p-22));
    return wni_parallel(km->ctx, km->k, wni_max(1, ((int64_t)1 << 18) / km->rows.ld), pack_range,
                        km);
}
