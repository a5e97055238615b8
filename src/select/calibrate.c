/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "select/calibrate.h"

int64_t wni_random_part(double share, int64_t quota)
{
    if (share <= 0) return 0;
    return wni_min(quota, wni_max(1, (int64_t)ceil(share * (double)quota)));
}

wn_status wni_pick_calibrated(wn_ctx *ctx, const wni_picking *p, double share, uint8_t *rule,
                              float *weights)
{
    int32_t k = p->groups.k;
    int64_t n = p->groups.n, *by_rule = NULL, *drawn = NULL, *open = NULL, taken = 0, there = 0;
    wni_picking part = *p;
    uint8_t *before = NULL;
    double scale;
    wn_status st;

    WNI_NEW(ctx, by_rule, k);
    WNI_NEW(ctx, drawn, k);
    WNI_NEW(ctx, open, k);
    WNI_NEW(ctx, before, n);
    wni_count_open(&p->groups, rule, open);
    for (int32_t c = 0; c < k; c++) {
        drawn[c] = wni_random_part(share, p->quota[c]);
        by_rule[c] = p->quota[c] - drawn[c];
        if (p->quota[c] == 0) continue;
        taken += p->quota[c];
        there += open[c];
    }
    if (n > 0) memcpy(before, rule, (size_t)n);
    part.quota = by_rule;
    WNI_TRY(wni_pick_rows(ctx, &part, rule));
    scale = there ? (double)taken / (double)there : 0;
    for (int64_t i = 0; i < n; i++)
        if (rule[i] == WN_WHY_KEPT && before[i] != WN_WHY_KEPT) weights[i] = (float)scale;
    if (n > 0) memcpy(before, rule, (size_t)n);

    part.how = WN_PICK_RANDOM;
    part.quota = drawn;
    part.round = p->round + 1;
    WNI_TRY(wni_pick_rows(ctx, &part, rule));
    for (int64_t i = 0; i < n; i++) {
        int32_t c = wni_group_of(&p->groups, i);
        if (i % 65536 == 0) WNI_TRY(wni_poll(ctx));
        if (before[i] == WN_WHY_KEPT || !wni_open(before[i])) continue;
        if (rule[i] == WN_WHY_KEPT) {
            weights[i] = (float)((double)(open[c] - by_rule[c]) / (double)drawn[c] * scale);
            if (p->cover) p->cover->partner[i] = -1;
        } else if (by_rule[c] > 0) {
            rule[i] = before[i]; /* the rule passed it over before chance did */
        }
    }
done:
    wni_free(ctx, by_rule);
    wni_free(ctx, drawn);
    wni_free(ctx, open);
    wni_free(ctx, before);
    return st;
}
