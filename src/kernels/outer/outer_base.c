/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/fused.h"
#include "kernels/variants.h"

/* Sums are kept as doubles that hold floats while the rows pass. */
void wni_outer_base(float *acc, const float *r, int64_t ldr, int64_t n, const float *x, int64_t m,
                    int64_t ld)
{
    for (int64_t c = 0; c < n; c++)
        for (int64_t j = 0; j < ld; j += WNI_LANES) {
            wni_f64x2 sum[WNI_LANES / 2];
            float *at = acc + c * ld + j;

            for (int l = 0; l < WNI_LANES / 2; l++)
                sum[l] = (wni_f64x2){at[2 * l], at[2 * l + 1]};
            for (int64_t i = 0; i < m; i++) {
                const float *row = x + i * ld + j;
                double by = r[i * ldr + c];

                for (int l = 0; l < WNI_LANES / 2; l++)
                    sum[l] = wni_fused2((wni_f64x2){by, by},
                                        (wni_f64x2){row[2 * l], row[2 * l + 1]}, sum[l]);
            }
            for (int l = 0; l < WNI_LANES; l++)
                at[l] = (float)sum[l / 2][l % 2];
        }
}
