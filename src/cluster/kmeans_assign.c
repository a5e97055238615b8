/* SPDX-License-Identifier: Apache-2.0
 *
 * Assignment of every row to its centre, and what the centres' lengths mean for it.
 */
#include <math.h>

#include "cluster/kmeans_impl.h"

wn_status wni_km_centers_changed(wni_km *km)
{
    km->cmax2 = 0;
    km->cmin2 = INFINITY;
    for (int32_t c = 0; c < km->k; c++) {
        const float *v = wni_mat_row(&km->centers, c);
        double sum = 0;

        for (int64_t j = 0; j < km->rows.d; j++)
            sum += (double)v[j] * v[j];
        km->cmax2 = fmax(km->cmax2, sum * (1 + 1e-10));
        km->cmin2 = fmin(km->cmin2, sum * (1 - 1e-10));
    }
    return wni_mat_half_norms(km->ctx, &km->centers, km->half);
}

wn_status wni_km_assign(wni_km *km, int64_t *changed)
{
    wn_status st = WN_OK;

    *changed = 0;
    if (km->opt.bounds) {
        WNI_TRY(wni_km_play(km, changed));
    } else {
        WNI_TRY(wni_km_dense(km, changed));
    }
    km->possible += (double)km->rows.n * km->k;
    km->assigned = 1;
done:
    return st;
}
