/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>

#include "base/rng.h"
#include "ds/keyed.h"
#include "select/allocate.h"

typedef __int128 wide;

/* ---- the core ------------------------------------------------------------------------------------ */

static inline int64_t weight_of(const wni_sharing *s, int64_t i)
{
    return s->weight ? s->weight[i] : 1;
}

static inline int64_t low_of(const wni_sharing *s, int64_t i)
{
    return s->low ? s->low[i] : 0;
}

/* Fixes the groups that stand at a bound. With t = left / weight the clamped shares add up to too little
 * when more is cut off above than is filled up below; then t only grows, and what is at its cap stays there.
 * The other way round for floors. What is not fixed at the end lies strictly between its bounds. */
static wn_status fix_bounds(wn_ctx *ctx, const wni_sharing *s, int64_t *share, int64_t *left,
                            int64_t *weight)
{
    wn_status st = WN_OK;

    *left = s->budget;
    *weight = 0;
    for (int64_t i = 0; i < s->groups; i++) {
        share[i] = weight_of(s, i) > 0 ? -1 : low_of(s, i); /* -1 = not fixed */
        if (share[i] < 0)
            *weight += weight_of(s, i);
        else
            *left -= share[i];
    }
    for (int moved = 1; moved;) {
        wide over = 0, under = 0, r = *left, w = *weight;
        WNI_TRY(wni_poll(ctx));
        moved = 0;
        for (int64_t i = 0; i < s->groups; i++) {
            wide want;
            if (share[i] >= 0) continue;
            want = r * weight_of(s, i);
            if (want >= w * s->high[i])
                over += want - w * s->high[i], moved = 1;
            else if (want <= w * low_of(s, i))
                under += w * low_of(s, i) - want, moved = 1;
        }
        for (int64_t i = 0; moved && i < s->groups; i++) {
            wide want;
            int high;
            if (share[i] >= 0) continue;
            want = r * weight_of(s, i);
            high = want >= w * s->high[i];
            if (high ? over < under : under < over || want > w * low_of(s, i)) continue;
            share[i] = high ? s->high[i] : low_of(s, i);
            *left -= share[i];
            *weight -= weight_of(s, i);
        }
    }
done:
    return st;
}

/* Ascending: the largest remainder first, then the random key, then the group. Remainders below 2^62 and keys
 * do not fit one word, so groups of one remainder are put in order of their keys afterwards. */
static void order_remainders(const wni_sharing *s, wni_keyed *v, int64_t n)
{
    wni_keyed_sort(v, n);
    for (int64_t a = 0, b; a < n; a = b) {
        for (b = a + 1; b < n && v[b].key == v[a].key; b++) {
        }
        if (b - a == 1) continue;
        for (int64_t i = a; i < b; i++) {
            int64_t id = s->id ? s->id[v[i].row] : v[i].row;
            v[i].key = wni_rand_u64(s->seed, s->stream, (uint64_t)id);
        }
        wni_keyed_sort(v + a, b - a);
    }
}

wn_status wni_share(wn_ctx *ctx, const wni_sharing *s, int64_t *share)
{
    int64_t left, weight, units, open = 0;
    wni_keyed *rest = NULL;
    wn_status st;

    WNI_TRY(fix_bounds(ctx, s, share, &left, &weight));
    for (int64_t i = 0; i < s->groups; i++)
        open += share[i] < 0;
    WNI_NEW(ctx, rest, open);
    units = left;
    open = 0;
    for (int64_t i = 0; i < s->groups; i++) {
        wide want;
        if (share[i] >= 0) continue;
        want = (wide)left * weight_of(s, i);
        share[i] = (int64_t)(want / weight);
        units -= share[i];
        rest[open++] = (wni_keyed){(uint64_t)(weight - (int64_t)(want % weight)), i};
    }
    if (units > 0) order_remainders(s, rest, open);
    for (int64_t i = 0; i < open && units > 0; i++, units--)
        share[rest[i].row]++;
    if (units != 0)
        st = wni_fail(ctx, WN_E_INTERNAL, "sharing %lld over %lld groups left %lld over",
                      (long long)s->budget, (long long)s->groups, (long long)units);
done:
    wni_free(ctx, rest);
    return st;
}

void wni_share_weights(const double *weights, int64_t groups, int64_t *whole)
{
    double most = 0;
    int bits = 61;

    while (bits > 30 && groups > (int64_t)1 << (61 - bits))
        bits--;
    bits = bits > 52 ? 52 : bits;
    for (int64_t i = 0; i < groups; i++)
        most = weights[i] > most ? weights[i] : most;
    for (int64_t i = 0; i < groups; i++) {
        whole[i] = most > 0 ? llrint(weights[i] / most * (double)((int64_t)1 << bits)) : 0;
        if (weights[i] > 0 && whole[i] < 1) whole[i] = 1;
    }
}

/* ---- what a method asks for ---------------------------------------------------------------------- */

static const char *name_of(const wni_allocation *a, int64_t group, char *buf, size_t bytes)
{
    if (a->names) return a->names[group];
    snprintf(buf, bytes, "%lld", (long long)group);
    return buf;
}

static wn_status given_quota(wn_ctx *ctx, const wni_allocation *a, int64_t *share)
{
    int64_t sum = 0;
    char name[32];

    for (int64_t i = 0; i < a->groups; i++) {
        if (a->quota[i] < 0 || a->quota[i] > a->rows[i])
            return wni_fail(ctx, WN_E_DATA,
                            "%s: the quota of group %s is %lld, expected 0 to %lld, the rows it "
                            "can give",
                            a->what, name_of(a, i, name, sizeof name), (long long)a->quota[i],
                            (long long)a->rows[i]);
        sum += share[i] = a->quota[i];
    }
    if (sum != a->size)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: the quotas add up to %lld but size is %lld: leave --size out, or give "
                        "%lld",
                        a->what, (long long)sum, (long long)a->size, (long long)sum);
    return WN_OK;
}

/* "floor" or "cap" in rows of one group. */
static int64_t bound_rows(double bound, int64_t size)
{
    if (bound >= 9e18) return INT64_MAX / 2;
    return bound < 1 ? (int64_t)(bound * (double)size) : (int64_t)bound;
}

static wn_status bounds_of(wn_ctx *ctx, const wni_allocation *a, const int64_t *weight,
                           int64_t *low, int64_t *high)
{
    int64_t floor = a->floor > 0 ? bound_rows(a->floor, a->size) : 0;
    int64_t cap = a->cap > 0 ? wni_max(bound_rows(a->cap, a->size), 1) : INT64_MAX / 2;
    int64_t least = 0, most = 0, there = 0, weighted = 0, shares = 0;

    for (int64_t i = 0; i < a->groups; i++) {
        there += a->rows[i];
        shares += weight[i] > 0;
        high[i] = wni_min(a->rows[i], cap);
        low[i] = wni_min(floor, a->rows[i]);
        weighted += weight[i] > 0 ? a->rows[i] : low[i];
        least += low[i];
        most += weight[i] > 0 ? wni_max(high[i], low[i]) : low[i];
    }
    if (a->size > 0 && there == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: no row is there to choose from: all are in no group, or ruled out",
                        a->what);
    if (a->size > there)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: size is %lld but %lld rows are there to choose from: lower --size",
                        a->what, (long long)a->size, (long long)there);
    if (floor > cap)
        return wni_fail(ctx, WN_E_USAGE,
                        "%s: floor is %lld rows a group but cap is %lld: lower --floor or raise "
                        "--cap",
                        a->what, (long long)floor, (long long)cap);
    if (least > a->size)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: %lld rows for each group make %lld, but size is %lld: lower --floor "
                        "or raise --size",
                        a->what, (long long)floor, (long long)least, (long long)a->size);
    if (a->size > weighted && shares == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: every group has the share 0, so nothing says how to share %lld rows: "
                        "allocate them in another way",
                        a->what, (long long)a->size);
    if (a->size > weighted)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: size is %lld but the groups that have a share hold %lld rows: lower "
                        "--size",
                        a->what, (long long)a->size, (long long)weighted);
    if (a->size > most)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: at most %lld rows of each group make %lld, but size is %lld: raise "
                        "--cap or lower --size",
                        a->what, (long long)cap, (long long)most, (long long)a->size);
    return WN_OK;
}

wn_status wni_allocate(wn_ctx *ctx, const wni_allocation *a, int64_t *share)
{
    wni_sharing s = {.groups = a->groups, .budget = a->size, .seed = a->seed, .stream = a->stream};
    int64_t *weight = NULL, *low = NULL, *high = NULL;
    wn_status st;

    if (a->rule == WNI_ALLOCATE_QUOTA) return given_quota(ctx, a, share);
    WNI_NEW(ctx, weight, a->groups);
    WNI_NEW(ctx, low, a->groups);
    WNI_NEW(ctx, high, a->groups);
    if (a->rule == WNI_ALLOCATE_WEIGHTS)
        wni_share_weights(a->weights, a->groups, weight);
    else
        for (int64_t i = 0; i < a->groups; i++)
            weight[i] = a->rule == WNI_ALLOCATE_EQUAL ? 1 : a->rows[i];
    WNI_TRY(bounds_of(ctx, a, weight, low, high));
    s.weight = weight;
    s.low = low;
    s.high = high;
    WNI_TRY(wni_share(ctx, &s, share));
done:
    wni_free(ctx, weight);
    wni_free(ctx, low);
    wni_free(ctx, high);
    return st;
}
