/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows put into lists of rows that lie close together, none longer than a bound: what ivf and disk are made
 * of. k-means over a sample gives cells; every row goes to its nearest cell; a cell with more rows than a list
 * may have is split by k-means of its own rows, and so are its parts, until each fits. Rows that no k-means
 * tells apart are cut by their numbers.
 */
#ifndef WNI_LISTS_H
#define WNI_LISTS_H

#include "ds/keyed.h"
#include "scan/scan.h"
#include "winnow/method.h"

typedef struct wni_lists_params {
    int64_t cells;   /* of the first k-means; fewer when there are fewer rows */
    int64_t target;  /* rows of a list that comes from splitting, about; >= 1 */
    int64_t longest; /* rows of a list at most; >= target */
    int64_t sample;  /* rows per centre that a k-means is trained on */
    int32_t max_iter;
    uint64_t seed;
} wni_lists_params;

typedef struct wni_lists {
    int64_t n;
    int32_t n_lists, n_cells; /* cells without rows left out */
    wni_mat centers;          /* (n_lists, d) */
    int64_t *start;           /* (n_lists + 1) */
    int32_t *order;           /* (n) rows by list, ascending in each: row order[start[l]], ... */
    wni_mat cells;            /* (n_cells, d) centres of the cells */
    int32_t *cell_list; /* (n_cells + 1) the lists of cell c are cell_list[c] .. cell_list[c + 1] */
} wni_lists;

/* Everything in *out belongs to wni_lists_free. The pool has 1 .. 2^31 - 1 rows and passed its check. */
wn_status wni_lists_make(wn_ctx *ctx, const wn_pool *pool, const wni_lists_params *params,
                         wni_lists *out);
void wni_lists_free(wn_ctx *ctx, wni_lists *lists);
/* Memory and work of that; the lists themselves are part of it. */
wn_status wni_lists_estimate(wn_ctx *ctx, const wn_pool *pool, const wni_lists_params *params,
                             wn_estimate *out);

/* Rows of a pool to places of a matrix: pair i says row key[i], ascending, goes to place row[i]. out (places, ld). */
wn_status wni_lists_fetch(wn_ctx *ctx, const wn_pool *pool, const wni_keyed *pairs, int64_t n,
                          float *out, int64_t ld);

/* ---- between lists.c and lists_split.c ------------------------------------------------------------------ */

/* k centres of rows[0..m) of a pool (rows NULL = all), (k, d) row-major in *centers; labels (m) or NULL. */
wn_status wni_lists_kmeans(wn_ctx *ctx, const wn_pool *pool, const int64_t *rows, int64_t m,
                           int64_t k, int32_t max_iter, uint64_t seed, float **centers,
                           int32_t *labels);
/* The nearest of k centres, (k, d) row-major, of every row of a pool: labels (n). */
wn_status wni_lists_assign(wn_ctx *ctx, const wn_pool *pool, const float *centers, int64_t k,
                           int32_t *labels);
/* Adds a list with the rows order[first..first + count), count >= 1. */
wn_status wni_lists_add(wn_ctx *ctx, wni_lists *lists, int64_t first, int64_t count,
                        const float *center);
/* Splits the rows order[first..first + count) of a cell with this centre into lists. `rows` holds just these
 * rows, in their order, or (whole) all rows by their numbers. */
wn_status wni_lists_split(wn_ctx *ctx, wni_lists *lists, const wni_lists_params *params,
                          const wn_pool *rows, int whole, int64_t first, int64_t count,
                          const float *center);

#endif
