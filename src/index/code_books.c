/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "index/code_books.h"
#include "winnow/cluster.h"

#define FAR         100 /* squared distances from the mean, in those of the middle row, that are left out */
#define TRIM_ROUNDS 4   /* the mean moves when rows go */
#define STEPS       12  /* of Lloyd with all centres */
#define SPLIT_STEPS 4   /* with 2, 4, ... of them */
#define APART       0.2 /* how far two centres start from one, in distances of a row from it */

static void distances_from_mean(const wni_mat *m, double *mean, float *far)
{
    for (int64_t j = 0; j < m->d; j++)
        mean[j] = 0;
    for (int64_t i = 0; i < m->n; i++)
        for (int64_t j = 0; j < m->d; j++)
            mean[j] += (double)wni_mat_row(m, i)[j] / (double)m->n;
    for (int64_t i = 0; i < m->n; i++) {
        double sum = 0;

        for (int64_t j = 0; j < m->d; j++) {
            const double x = (double)wni_mat_row(m, i)[j] - mean[j];

            sum += x * x;
        }
        far[i] = (float)fmin(sum, 0x1p127);
    }
}

wn_status wni_books_trim(wn_ctx *ctx, wni_mat *sample)
{
    double *mean = NULL;
    float *far = NULL, *scratch = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, mean, sample->d);
    WNI_NEW(ctx, far, sample->n);
    WNI_NEW(ctx, scratch, sample->n);
    for (int round = 0; round < TRIM_ROUNDS && sample->n > 0; round++) {
        double most;
        int64_t kept = 0;

        WNI_TRY(wni_poll(ctx));
        distances_from_mean(sample, mean, far);
        memcpy(scratch, far, (size_t)sample->n * sizeof *far);
        most = FAR * (double)wni_code_nth(scratch, sample->n, sample->n / 2);
        for (int64_t i = 0; i < sample->n; i++) {
            if (most > 0 && (double)far[i] > most) continue;
            if (kept < i)
                memcpy(wni_mat_row(sample, kept), wni_mat_row(sample, i),
                       (size_t)sample->ld * sizeof *sample->v);
            kept++;
        }
        if (kept == sample->n) break;
        sample->n = kept;
    }
done:
    wni_free(ctx, mean);
    wni_free(ctx, far);
    wni_free(ctx, scratch);
    return st;
}

/* Lloyd's iteration from these centres (k, d) or, when `start` is NULL, from some of the rows. */
static wn_status lloyd(wn_ctx *ctx, const wn_pool *pool, int64_t k, int32_t steps, uint64_t seed,
                       const float *start, wn_tree **out)
{
    wn_cluster_input in = {.struct_size = sizeof in, .pool = pool, .init_centers = start};
    wn_kmeans_params p;

    wn_params_init(wn_method_find("cluster", "kmeans"), &p);
    p.k = k;
    p.max_iter = steps;
    p.tol = 1e-3;
    p.seed = seed;
    return wn_kmeans(ctx, &in, &p, out);
}

/* Two centres from every one of level (k): a little way towards a row of its own, chosen at random, and as far
 * the other way. `top` (k) and `member` (k) are scratch. */
static void split(const wn_partition *level, const float *x, int64_t d, uint64_t seed,
                  uint64_t *top, int64_t *member, float *centers)
{
    const uint64_t stream = wni_stream("index books", level->k, 0);

    for (int64_t c = 0; c < level->k; c++)
        member[c] = -1;
    for (int64_t i = 0; i < level->n; i++) {
        const uint64_t draw = wni_rand_u64(seed, stream, (uint64_t)i);
        const int32_t c = level->labels[i];

        if (member[c] < 0 || draw > top[c]) {
            member[c] = i;
            top[c] = draw;
        }
    }
    for (int64_t c = 0; c < level->k; c++)
        for (int64_t j = 0; j < d; j++) {
            const float center = level->centers[c * d + j];
            const float way = member[c] < 0 ? 0 : (float)APART * (x[member[c] * d + j] - center);

            centers[2 * c * d + j] = center + way;
            centers[(2 * c + 1) * d + j] = center - way;
        }
}

/* From one centre by splitting, as linde1980 do: where rows are spread evenly in many dimensions, centres that
 * start as rows would leave all but a few of them with their own row alone. */
wn_status wni_books_train(wn_ctx *ctx, const float *x, int64_t n, int64_t d, uint64_t seed,
                          float *centers)
{
    const int64_t k = wni_min(n, WNI_BOOK);
    uint64_t *top = NULL;
    int64_t *member = NULL;
    wn_pool *pool = NULL;
    wn_tree *tree = NULL, *next = NULL;
    wn_status st = WN_OK;

    memset(centers, 0, (size_t)(WNI_BOOK * d) * sizeof *centers);
    if (n < 1) goto done;
    WNI_NEW(ctx, top, WNI_BOOK);
    WNI_NEW(ctx, member, WNI_BOOK);
    WNI_TRY(wn_pool_wrap(ctx, x, n, d, WN_F32, WN_L2, &pool));
    if (k < WNI_BOOK)
        WNI_TRY(lloyd(ctx, pool, k, STEPS, seed, NULL, &tree));
    else
        WNI_TRY(lloyd(ctx, pool, 1, 1, seed, NULL, &tree));
    while (k == WNI_BOOK && tree->level[0]->k < WNI_BOOK) {
        const int64_t twice = 2 * (int64_t)tree->level[0]->k;

        split(tree->level[0], x, d, seed, top, member, centers);
        WNI_TRY(
            lloyd(ctx, pool, twice, twice < WNI_BOOK ? SPLIT_STEPS : STEPS, seed, centers, &next));
        wn_tree_free(tree);
        tree = next;
        next = NULL;
    }
    memcpy(centers, tree->level[0]->centers, (size_t)(k * d) * sizeof *centers);
    for (int64_t c = k; c < WNI_BOOK; c++)
        memcpy(centers + c * d, centers, (size_t)d * sizeof *centers);
done:
    wn_tree_free(tree);
    wn_pool_free(pool);
    wni_free(ctx, top);
    wni_free(ctx, member);
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
