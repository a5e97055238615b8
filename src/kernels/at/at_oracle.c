/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/variants.h"

#define AT(i) ((at ? at[i] : (i)) * ld)

void wni_l2sq_at_oracle(const float *q, const float *rows, int64_t ld, const int32_t *at, int64_t n,
                        float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = wni_l2sq_oracle(q, rows + AT(i), ld);
}

void wni_l2sq_f16_at_oracle(const float *q, const uint16_t *rows, int64_t ld, const int32_t *at,
                            int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const uint16_t *row = rows + AT(i);
        float part[WNI_LANES], product[WNI_LANES], lane[WNI_LANES] = {0};

        for (int64_t j = 0; j < ld; j += WNI_LANES) {
            wni_widen_f16_oracle(row + j, part, WNI_LANES);
            for (int l = 0; l < WNI_LANES; l++) {
                product[l] = q[j + l] - part[l];
                lane[l] = __builtin_fmaf(product[l], product[l], lane[l]);
            }
        }
        for (int half = WNI_LANES / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++)
                lane[l] = lane[l] + lane[l + half];
        out[i] = lane[0];
    }
}

void wni_l2sq_i8_at_oracle(const wni_query_i8 *q, const int8_t *rows, int64_t ld, const int32_t *at,
                           int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const int8_t *row = rows + AT(i);
        int64_t squares = 0, products = 0;

        for (int64_t j = 0; j < ld; j++) {
            squares += row[j] * row[j];
            products += row[j] * q->q[j];
        }
        out[i] = (float)(uint32_t)((uint64_t)(squares << q->shift) - 2 * (uint64_t)products +
                                   q->constant) *
                 q->unit;
    }
}

void wni_lookup_at_oracle(const uint16_t *table, float base, float unit, const uint8_t *rows,
                          int64_t m, int64_t row_bytes, const int32_t *at, int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const uint8_t *row = rows + (at ? at[i] : i) * row_bytes;
        uint32_t sum = 0;
        float scaled;

        for (int64_t j = 0; j < m; j++)
            sum += table[256 * j + row[j]];
        scaled = unit * (float)sum;
        out[i] = base + scaled;
    }
}
