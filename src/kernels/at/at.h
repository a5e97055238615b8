/* SPDX-License-Identifier: Apache-2.0
 *
 * Walking four rows at a time: which rows, and fetching those that come next.
 */
#ifndef WNI_AT_H
#define WNI_AT_H

#include "kernels/variants.h"

#define WNI_AT_ROWS  4
#define WNI_AT_LINES 8 /* of a row that are asked for early; the processor goes on by itself */
#define WNI_AT_BYTES \
    2048 /* of rows that are on their way at a time: about what a core can wait for */

/* Row number i of the walk; past the end the last one, whose result is thrown away. */
static inline int64_t wni_at_row(const int32_t *at, int64_t n, int64_t i)
{
    i = i < n ? i : n - 1;
    return at ? at[i] : i;
}

/* Rows of the walk that are fetched before they are used. */
static inline int64_t wni_at_ahead(int64_t row_bytes)
{
    const int64_t ahead = WNI_AT_BYTES / row_bytes / WNI_AT_ROWS * WNI_AT_ROWS;

    return ahead < WNI_AT_ROWS ? WNI_AT_ROWS : ahead;
}

/* Fetches rows i..end of the walk. */
static inline void wni_at_fetch(const void *rows, int64_t row_bytes, const int32_t *at, int64_t n,
                                int64_t i, int64_t end)
{
    if (!at) return;
    for (end = end < n ? end : n; i < end; i++) {
        const char *row = (const char *)rows + at[i] * row_bytes;

        for (int64_t b = 0; b < row_bytes && b < WNI_AT_LINES * 64; b += 64)
            __builtin_prefetch(row + b, 0, 3);
    }
}

#endif
