/* SPDX-License-Identifier: Apache-2.0 */
#include "kernels/at/at.h"
#include "kernels/fused.h"
#include "kernels/variants.h"

#define AT(i) ((at ? at[i] : (i)) * ld)

void wni_l2sq_at_base(const float *q, const float *rows, int64_t ld, const int32_t *at, int64_t n,
                      float *out)
{
    for (int64_t i = 0; i < n; i++)
        out[i] = wni_l2sq_base(q, rows + AT(i), ld);
}

void wni_l2sq_f16_at_base(const float *q, const uint16_t *rows, int64_t ld, const int32_t *at,
                          int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const uint16_t *row = rows + AT(i);
        wni_f64x2 sum[WNI_LANES / 2] = {{0}};
        float part[WNI_LANES], lane[WNI_LANES];

        for (int64_t j = 0; j < ld; j += WNI_LANES) {
            wni_widen_f16_base(row + j, part, WNI_LANES);
            for (int l = 0; l < WNI_LANES / 2; l++) {
                const float *x = q + j + 2 * l, *y = part + 2 * l;
                wni_f64x2 difference = {x[0] - y[0], x[1] - y[1]};

                sum[l] = wni_fused2(difference, difference, sum[l]);
            }
        }
        for (int l = 0; l < WNI_LANES; l++)
            lane[l] = (float)sum[l / 2][l % 2];
        for (int half = WNI_LANES / 2; half > 0; half /= 2)
            for (int l = 0; l < half; l++)
                lane[l] += lane[l + half];
        out[i] = lane[0];
    }
}

void wni_l2sq_i8_at_base(const wni_query_i8 *q, const int8_t *rows, int64_t ld, const int32_t *at,
                         int64_t n, float *out)
{
    for (int64_t i = 0; i < n; i++) {
        const int8_t *row = rows + AT(i);
        uint32_t squares = 0, products = 0;

        for (int64_t j = 0; j < ld; j++) {
            squares += (uint32_t)(row[j] * row[j]);
            products += (uint32_t)(row[j] * q->q[j]);
        }
        out[i] = (float)((squares << q->shift) - 2 * products + q->constant) * q->unit;
    }
}

/* Four rows at a time, as their sums do not wait for one another. */
void wni_lookup_at_base(const uint16_t *table, float base, float unit, const uint8_t *rows,
                        int64_t m, int64_t row_bytes, const int32_t *at, int64_t n, float *out)
{
    const int64_t ahead = wni_at_ahead(row_bytes);

    wni_at_fetch(rows, row_bytes, at, n, 0, ahead);
    for (int64_t i = 0; i < n; i += WNI_AT_ROWS) {
        const uint8_t *row[WNI_AT_ROWS];
        uint32_t sum[WNI_AT_ROWS] = {0};

        wni_at_fetch(rows, row_bytes, at, n, i + ahead, i + ahead + WNI_AT_ROWS);
        for (int k = 0; k < WNI_AT_ROWS; k++)
            row[k] = rows + wni_at_row(at, n, i + k) * row_bytes;
        for (int64_t j = 0; j < m; j++)
            for (int k = 0; k < WNI_AT_ROWS; k++)
                sum[k] += table[256 * j + row[k][j]];
        for (int64_t k = 0; k < WNI_AT_ROWS && i + k < n; k++)
            out[i + k] = base + unit * (float)sum[k];
    }
}
