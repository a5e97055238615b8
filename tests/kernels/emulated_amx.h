/* SPDX-License-Identifier: Apache-2.0
 *
 * Kernels for tiles on processors without them. They need AVX-512 with VNNI for the rest of their work.
 */
#ifndef KT_EMULATED_AMX_H
#define KT_EMULATED_AMX_H

#include "kernels/kernels.h"

int64_t kt_dots8_emulated(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                          const wni_rows8 *rows, const wni_hits8 *hits);
int64_t kt_peak_i8_emulated(int64_t rounds, const uint8_t *a, const int8_t *b, int32_t *out);
void kt_tops8_emulated(const wni_group8 *group, const uint8_t *x, int64_t m, int64_t ld,
                       const float *scale, float *top);
int64_t kt_dots16_emulated(const wni_group8 *group, const uint16_t *panels, const uint16_t *x,
                           int64_t m, int64_t ld, const wni_rows8 *rows, const wni_hits8 *hits);
/* Tile products so far; stops the test when the unit was not given back. */
int64_t kt_tile_products(void);

#endif
