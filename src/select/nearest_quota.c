/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>

#include "ds/keyed.h"
#include "select/nearest_quota.h"

static int64_t clamped(double x, int64_t low, int64_t high)
{
    if (x <= (double)low) return low;
    if (x >= (double)high) return high;
    return wni_min(wni_max((int64_t)floor(x), low), high);
}

/* Quotas when `t` is taken off every wish, into x; returns their sum. */
static int64_t lowered(const double *want, const int64_t *low, const int64_t *high, int64_t k,
                       double t, int64_t *x)
{
    int64_t sum = 0;

    for (int64_t i = 0; i < k; i++)
        sum += x[i] = clamped(want[i] - t, low[i], high[i]);
    return sum;
}

wn_status wni_nearest_quota(wn_ctx *ctx, const double *want, const int64_t *low,
                            const int64_t *high, int64_t k, int64_t total, int64_t *x)
{
    double too_little = 0, enough = 0, middle; /* taken off: the sum is above total; it is not */
    wni_keyed *order = NULL;
    int64_t left, open;
    wn_status st;

    WNI_NEW(ctx, order, k);
    for (int64_t i = 0; i < k; i++) {
        enough = fmax(enough, want[i] - (double)low[i]);
        too_little = fmin(too_little, want[i] - (double)high[i] - 1);
    }
    while ((middle = too_little + (enough - too_little) / 2) > too_little && middle < enough) {
        WNI_TRY(wni_poll(ctx));
        if (lowered(want, low, high, k, middle, x) > total)
            too_little = middle;
        else
            enough = middle;
    }
    left = total - lowered(want, low, high, k, enough, x);
    while (left > 0) {
        open = 0;
        for (int64_t i = 0; i < k; i++)
            if (x[i] < high[i])
                order[open++] = (wni_keyed){wni_key_of_double((double)x[i] - want[i] + 0.0), i};
        if (open == 0) {
            st = wni_fail(ctx, WN_E_INTERNAL, "quotas of %lld do not fit their bounds",
                          (long long)total);
            goto done;
        }
        wni_keyed_sort(order, open);
        for (int64_t i = 0; i < open && left > 0; i++, left--)
            x[order[i].row]++;
    }
    st = WN_OK;
done:
    wni_free(ctx, order);
    return st;
}
