/* SPDX-License-Identifier: Apache-2.0
 *
 * An open segment of kind ivf: slots of the codes are in the order of the lists.
 */
#ifndef WNI_IVF_IMPL_H
#define WNI_IVF_IMPL_H

#include "index/code.h"
#include "kernels/kernels.h"
#include "scan/scan.h"

typedef struct wni_ivf {
    wni_code *code;
    wni_mat centers;      /* (lists, d) */
    int own;              /* 0 = the centres are read where they are mapped */
    float *half;          /* (lists) half squared norms of the centres */
    const int64_t *start; /* (lists + 1) slots of list l: start[l] .. start[l + 1] */
    const int32_t *rows;  /* (n) position of each slot */
    int64_t lists, longest, n;
} wni_ivf;

double wni_ivf_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask);
void wni_ivf_place(const wni_segment *s, const uint64_t *allowed, uint64_t *slots);
wn_status wni_ivf_search(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                         const wni_ask *ask, wni_found *found);

/* An array centers.npy of an open segment as a matrix: in place (*own 0) or as a copy, see wni_mat_free. Checked:
 * d columns, 1 .. 2^31 - 1 rows, all finite. */
wn_status wni_open_centers(wn_ctx *ctx, const wn_index *index, const wni_segment *s, wni_mat *out,
                           int *own);

/* Centres near to queries. For each of rows (m, ld) the `most` centres with the highest dot(x, c) - half,
 * best first, ties to the smaller: at and score (m, most). most <= centres; scratch of WNI_NEAR_SCORES floats. */
#define WNI_NEAR_BLOCK  256
#define WNI_NEAR_TILE   32
#define WNI_NEAR_SCORES ((int64_t)WNI_NEAR_TILE * WNI_NEAR_BLOCK)
void wni_near_centers(const wni_kernels *kernels, const wni_mat *centers, const float *half,
                      const float *rows, int64_t m, int64_t most, int64_t *at, float *score,
                      float *scores);

#endif
