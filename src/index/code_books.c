/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "index/code_books.h"
#include "winnow/cluster.h"

#define STEPS 15 /* of Lloyd */

wn_status wni_books_train(wn_ctx *ctx, const float *x, int64_t n, int64_t d, uint64_t seed,
                          float *centers)
{
    wn_kmeans_params p;
    wn_cluster_input in = {.struct_size = sizeof in};
    wn_pool *pool = NULL;
    wn_tree *tree = NULL;
    int64_t k = wni_min(n, WNI_BOOK);
    wn_status st = WN_OK;

    memset(centers, 0, (size_t)(WNI_BOOK * d) * sizeof *centers);
    if (n < 1) goto done;
    wn_params_init(wn_method_find("cluster", "kmeans"), &p);
    p.k = k;
    p.max_iter = STEPS;
    p.tol = 1e-3;
    p.seed = seed;
    WNI_TRY(wn_pool_wrap(ctx, x, n, d, WN_F32, WN_L2, &pool));
    in.pool = pool;
    WNI_TRY(wn_kmeans(ctx, &in, &p, &tree));
    memcpy(centers, tree->level[0]->centers, (size_t)(k * d) * sizeof *centers);
    for (int64_t c = k; c < WNI_BOOK; c++)
        memcpy(centers + c * d, centers, (size_t)d * sizeof *centers);
done:
    wn_tree_free(tree);
    wn_pool_free(pool);
    return st;
}

int64_t wni_books_train_bytes(int64_t n, int64_t d)
{
    /* Labels, distances, bounds; centres in several forms; tiles of the scan. */
    return n * 64 + 8 * WNI_BOOK * wni_ld(d) * 4 + ((int64_t)4 << 20);
}

void wni_books_round(const float *exact, int64_t m, uint16_t *out, float *base, float *unit)
{
    float widest = 0, scale;
    double sum = 0;

    for (int64_t i = 0; i < m; i++) {
        const float *t = exact + i * WNI_BOOK;
        float low = t[0], high = t[0];

        for (int64_t c = 1; c < WNI_BOOK; c++) {
            low = t[c] < low ? t[c] : low;
            high = t[c] > high ? t[c] : high;
        }
        widest = high - low > widest ? high - low : widest;
        sum += (double)low;
    }
    /* Tables that overflow f32 leave no order among the rows. */
    widest = widest < 0x1p127f ? widest : 0x1p127f;
    *unit = fmaxf(widest / 65535, 0x1p-126f);
    scale = 1 / *unit;
    for (int64_t i = 0; i < m; i++) {
        const float *t = exact + i * WNI_BOOK;
        float low = t[0];

        for (int64_t c = 1; c < WNI_BOOK; c++)
            low = t[c] < low ? t[c] : low;
        for (int64_t c = 0; c < WNI_BOOK; c++) {
            const float x = (t[c] - low) * scale + 0.5f;

            out[i * WNI_BOOK + c] = (uint16_t)(int32_t)(x < 65535 ? x : 65535);
        }
    }
    *base = (float)sum;
}
