/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "base/rng.h"
#include "ds/keyed.h"
#include "score/score_folds.h"

#define BLOCK_FLOATS ((int64_t)1 << 19)

int64_t wni_folds_block(int64_t classes)
{
    return wni_min(wni_max(BLOCK_FLOATS / wni_max(classes, 1), 64), 65536);
}

/* fold_of (n): rows in a random order, dealt out class by class; class c starts with fold c, so that small
 * classes do not all land in the first ones. */
static wn_status deal(wn_ctx *ctx, const wn_labels *labels, int32_t folds, uint64_t seed,
                      int32_t *fold_of)
{
    const uint64_t stream = wni_stream("score-folds", 0, 0);
    wni_keyed *order = NULL;
    int64_t *next = NULL;
    wn_status st;

    WNI_NEW(ctx, order, labels->n);
    WNI_NEW(ctx, next, labels->classes + 1);
    for (int64_t i = 0; i < labels->n; i++)
        order[i] = (wni_keyed){wni_rand_u64(seed, stream, (uint64_t)i), i};
    WNI_TRY(wni_keyed_sort_long(ctx, order, labels->n));
    for (int32_t c = 0; c <= labels->classes; c++)
        next[c] = c % folds;
    for (int64_t i = 0; i < labels->n; i++) {
        int32_t c = labels->v[order[i].row];
        fold_of[order[i].row] = (int32_t)(next[c < 0 ? labels->classes : c]++ % folds);
    }
done:
    wni_free(ctx, order);
    wni_free(ctx, next);
    return st;
}

wn_status wni_folds_new(wn_ctx *ctx, const wn_labels *labels, int32_t folds, uint64_t seed,
                        wni_folds *out)
{
    int32_t *fold_of = NULL;
    int64_t next[128] = {0};
    wn_status st;

    memset(out, 0, sizeof *out);
    if (labels->n < folds)
        return wni_fail(ctx, WN_E_DATA, "found %lld rows, too few for %d folds: lower --folds",
                        (long long)labels->n, folds);
    out->folds = folds;
    out->n = labels->n;
    WNI_NEW(ctx, fold_of, labels->n);
    WNI_NEW(ctx, out->rows, labels->n);
    WNI_NEW0(ctx, out->begin, folds + 1);
    WNI_NEW0(ctx, out->model, folds);
    WNI_TRY(deal(ctx, labels, folds, seed, fold_of));
    for (int64_t i = 0; i < labels->n; i++)
        out->begin[fold_of[i] + 1]++;
    for (int32_t f = 0; f < folds; f++) {
        out->begin[f + 1] += out->begin[f];
        next[f] = out->begin[f];
    }
    for (int64_t i = 0; i < labels->n; i++)
        out->rows[next[fold_of[i]]++] = i;
done:
    wni_free(ctx, fold_of);
    return st;
}

void wni_folds_free(wn_ctx *ctx, wni_folds *f)
{
    for (int32_t i = 0; f->model && i < f->folds; i++)
        wn_model_free(f->model[i]);
    wni_free(ctx, f->model);
    wni_free(ctx, f->rows);
    wni_free(ctx, f->begin);
}

wn_status wni_folds_fit(wn_ctx *ctx, wni_folds *f, const wn_pool *pool, const wn_labels *labels,
                        const float *weights, double l2, bool balance)
{
    wn_learn_input in = {
        .struct_size = sizeof in, .pool = pool, .labels = labels, .weights = weights};
    wn_learn_logistic_params p;
    uint8_t *held = NULL;
    int64_t *rows = NULL;
    wn_status st = WN_OK;

    wn_params_init(wn_method_find("learn", "logistic"), &p);
    p.l2 = l2;
    p.balance = balance;
    WNI_NEW(ctx, held, f->n);
    WNI_NEW(ctx, rows, f->n);
    in.rows = rows;
    for (int32_t fold = 0; fold < f->folds; fold++) {
        memset(held, 0, (size_t)f->n);
        for (int64_t i = f->begin[fold]; i < f->begin[fold + 1]; i++)
            held[f->rows[i]] = 1;
        in.n_rows = 0;
        for (int64_t i = 0; i < f->n; i++)
            if (!held[i]) rows[in.n_rows++] = i;
        wn_model_free(f->model[fold]);
        f->model[fold] = NULL;
        WNI_TRY(wn_learn_logistic(ctx, &in, &p, &f->model[fold]));
    }
done:
    wni_free(ctx, held);
    wni_free(ctx, rows);
    return st;
}

wn_status wni_folds_each(wn_ctx *ctx, const wni_folds *f, const wn_pool *pool, wni_folds_fn fn,
                         void *self)
{
    int64_t k = f->model[0]->classes, block = wni_min(wni_folds_block(k), f->n);
    float *probs = NULL;
    wn_status st;

    WNI_NEW(ctx, probs, block * k);
    st = WN_OK;
    for (int32_t fold = 0; fold < f->folds; fold++)
        for (int64_t at = f->begin[fold]; at < f->begin[fold + 1]; at += block) {
            int64_t m = wni_min(block, f->begin[fold + 1] - at);
            WNI_TRY(wni_poll(ctx));
            WNI_TRY(wn_model_probs(ctx, f->model[fold], pool, f->rows + at, 0, m, probs));
            WNI_TRY(fn(ctx, self, f->rows + at, m, probs));
        }
done:
    wni_free(ctx, probs);
    return st;
}

wn_status wni_folds_estimate(wn_ctx *ctx, const wn_pool *pool, const wn_labels *labels,
                             int32_t folds, wn_estimate *out)
{
    wn_learn_input in = {.struct_size = sizeof in, .pool = pool, .labels = labels};
    int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool), k = labels->classes;
    wn_estimate fit;
    wn_status st;

    WNI_TRY(wn_learn_logistic_estimate(ctx, &in, NULL, &fit));
    out->peak_bytes += wni_max(fit.peak_bytes + n * 9, n * 20 + 4096) + n * 8 +
                       folds * (d + 1) * k * 4 + folds * k * 64 + wni_folds_block(k) * k * 4;
    out->flops += folds * fit.flops;
    out->bytes_read += folds * fit.bytes_read;
done:
    return st;
}
