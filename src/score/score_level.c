/* SPDX-License-Identifier: Apache-2.0
 *
 * The clusters of one level of a tree, and how far rows are from their centres.
 */
#include <math.h>
#include <string.h>

#include "kernels/kernels.h"
#include "score/score_impl.h"

#define READ_BYTES ((int64_t)1 << 18)

int64_t wni_level_bytes(const wn_tree *tree, int32_t level)
{
    const wn_partition *p;

    if (level > tree->levels) return 0;
    p = tree->level[level - 1];
    return (level > 1 ? tree->level[0]->n * 4 : 0) + p->k * (8 + wni_ld(p->d) * 4);
}

void wni_level_free(wn_ctx *ctx, wni_level *level)
{
    wni_free(ctx, level->own_labels);
    wni_free(ctx, level->rows);
    wni_mat_free(ctx, &level->centers);
}

wn_status wni_level_new(wn_ctx *ctx, const wn_tree *tree, int32_t number, const char *what,
                        wni_level *out)
{
    const wn_partition *fine = tree->level[0], *p;
    wn_status st = WN_OK;

    memset(out, 0, sizeof *out);
    if (number > tree->levels)
        return wni_fail(ctx, WN_E_DATA, "%s: level is %d but the tree has %d level%s", what,
                        (int)number, (int)tree->levels, tree->levels == 1 ? "" : "s");
    p = tree->level[number - 1];
    out->k = p->k;
    out->n = fine->n;
    out->metric = tree->metric;
    out->labels = fine->labels;
    if (number > 1) {
        WNI_NEW(ctx, out->own_labels, fine->n);
        for (int64_t i = 0; i < fine->n; i++) {
            int32_t c = fine->labels[i];
            for (int32_t t = 1; t < number && c >= 0; t++)
                c = tree->level[t]->labels[c];
            out->own_labels[i] = c;
        }
        out->labels = out->own_labels;
    }
    WNI_NEW0(ctx, out->rows, p->k);
    for (int64_t i = 0; i < out->n; i++)
        if (out->labels[i] >= 0) out->rows[out->labels[i]]++;
    for (int32_t c = 0; c < p->k; c++)
        out->with_rows += out->rows[c] > 0;
    if (out->with_rows == 0) {
        st = wni_fail(ctx, WN_E_DATA, "%s: no row is in a cluster of the tree", what);
        goto done;
    }
    WNI_TRY(wni_mat_new(ctx, p->k, p->d, &out->centers));
    for (int32_t c = 0; c < p->k; c++)
        memcpy(wni_mat_row(&out->centers, c), p->centers + c * p->d,
               (size_t)p->d * sizeof *p->centers);
done:
    if (st != WN_OK) {
        wni_level_free(ctx, out);
        memset(out, 0, sizeof *out);
    }
    return st;
}

wn_status wni_level_two(wn_ctx *ctx, const wni_level *level, const char *what)
{
    if (level->with_rows >= 2) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "%s: the level of the tree has %d cluster%s with rows, expected at least 2",
                    what, (int)level->with_rows, level->with_rows == 1 ? "" : "s");
}

/* ---- similarity to the own centre ------------------------------------------------------------------- */

typedef struct similarities {
    const wni_kernels *kernels;
    const wn_pool *pool;
    const wni_level *level;
    int64_t ld, slot;
    float *slots; /* (threads, slot) */
    float *out;   /* (n) */
} similarities;

static wn_status similarity_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const similarities *s = arg;
    float *x = s->slots + worker * s->slot;
    wn_status st = wn_pool_read(ctx, s->pool, begin, end - begin, x, s->ld);

    for (int64_t i = begin; st == WN_OK && i < end; i++, x += s->ld) {
        int32_t c = s->level->labels[i];
        const float *center;

        s->out[i] = 0;
        if (c < 0) continue;
        center = wni_mat_row(&s->level->centers, c);
        s->out[i] = s->level->metric == WN_COSINE
                        ? s->kernels->dot(x, center, s->ld)
                        : 0.0f - sqrtf(s->kernels->l2sq(x, center, s->ld));
    }
    return st;
}

static int64_t grain_of(int64_t ld)
{
    return wni_max(READ_BYTES / (ld * (int64_t)sizeof(float)), 1);
}

int64_t wni_similarity_bytes(const wn_ctx *ctx, int64_t d)
{
    return wn_ctx_threads(ctx) * grain_of(wni_ld(d)) * wni_ld(d) * (int64_t)sizeof(float);
}

wn_status wni_level_similarity(wn_ctx *ctx, const wn_pool *pool, const wni_level *level,
                               float *similarity)
{
    similarities s = {.kernels = wni_kernels_of(ctx),
                      .pool = pool,
                      .level = level,
                      .ld = level->centers.ld,
                      .out = similarity};
    const int64_t n = wn_pool_rows(pool);
    const int64_t grain = grain_of(s.ld);
    wn_status st;

    s.slot = grain * s.ld;
    WNI_NEW(ctx, s.slots, wn_ctx_threads(ctx) * s.slot);
    wni_progress(ctx, "distances to centres", 0, n);
    WNI_TRY(wni_parallel(ctx, n, grain, similarity_range, &s));
    wni_progress(ctx, "distances to centres", n, n);
done:
    wni_free(ctx, s.slots);
    return st;
}

wn_status wni_level_flags(wn_ctx *ctx, const wni_level *level, wn_scores *scores)
{
    static const char *const names[] = {"in-cluster", "no-cluster"};
    int64_t without = 0;
    float lowest = INFINITY;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < scores->n; i++) {
        without += level->labels[i] < 0;
        if (level->labels[i] >= 0) lowest = fminf(lowest, scores->v[i]);
    }
    if (without == 0) return WN_OK;
    WNI_NEW(ctx, scores->flags, scores->n);
    scores->n_flags = 2;
    scores->flag_names = names;
    for (int64_t i = 0; i < scores->n; i++) {
        scores->flags[i] = level->labels[i] < 0;
        if (level->labels[i] < 0) scores->v[i] = lowest;
    }
done:
    return st;
}
