/* SPDX-License-Identifier: Apache-2.0
 *
 * A model that is there, applied to rows: probabilities and the most probable class.
 */
#include <string.h>

#include "base/param.h"
#include "pool/pool_use.h"
#include "pool/run.h"
#include "winnow/learn.h"

extern const wn_method wni_method_learn_apply;

WN_PARAM_TABLE(wn_learn_apply_params, WN_LEARN_APPLY_PARAMS);

#define TILE_FLOATS ((int64_t)1 << 20)

/* The most probable class, the smaller number at a tie. */
static int32_t best_of(const float *p, int32_t classes)
{
    int32_t best = 0;

    for (int32_t c = 1; c < classes; c++)
        if (p[c] > p[best]) best = c;
    return best;
}

typedef struct applied {
    int32_t *labels;        /* (n) */
    int64_t *sizes;         /* (classes) rows */
    float *probs;           /* (tile, classes) */
    wni_npy_writer *writer; /* of probs.npy; NULL = not asked for */
    double confidence;      /* sum over rows of the largest probability */
} applied;

static wn_status apply_rows(wni_run *run, const wn_model *model, int64_t tile, applied *a)
{
    int64_t n = wn_pool_rows(run->pool);
    wn_status st = WN_OK;

    for (int64_t first = 0; first < n; first += tile) {
        int64_t m = wni_min(tile, n - first);
        wni_progress(run->ctx, "applying the model", first, n);
        WNI_TRY(wn_model_probs(run->ctx, model, run->pool, NULL, first, m, a->probs));
        for (int64_t i = 0; i < m; i++) {
            const float *p = a->probs + i * model->classes;
            int32_t best = best_of(p, model->classes);
            a->labels[first + i] = best;
            a->sizes[best]++;
            a->confidence += p[best];
        }
        if (a->writer) WNI_TRY(wni_npy_writer_add(a->writer, m, a->probs));
    }
    wni_progress(run->ctx, "applying the model", n, n);
done:
    return st;
}

static wn_status record(wni_run *run, const wn_model *model, const applied *a)
{
    int64_t n = wn_pool_rows(run->pool), predicted = 0;
    wn_status st;

    for (int32_t c = 0; c < model->classes; c++)
        predicted += a->sizes[c] > 0;
    WNI_TRY(wni_record_int(run, "rows", n));
    WNI_TRY(wni_record_int(run, "classes", model->classes));
    WNI_TRY(wni_record_int(run, "classes_predicted", predicted));
    if (n) WNI_TRY(wni_record_real(run, "mean_confidence", a->confidence / (double)n));
done:
    return st;
}

static wn_status write_names(wni_run *run, const wn_model *model)
{
    wni_text_writer *writer = NULL;
    wn_status st;

    WNI_TRY(wni_text_writer_new(run->out, "classes.txt", &writer));
    for (int32_t c = 0; c < model->classes && st == WN_OK; c++) {
        st = wni_text_writer_add(writer, model->names[c], (int64_t)strlen(model->names[c]));
        if (st == WN_OK) st = wni_text_writer_add(writer, "\n", 1);
    }
done:
    if (st == WN_OK) return wni_text_writer_end(writer, 1);
    (void)wni_text_writer_end(writer, 0);
    return st;
}

static wn_status apply_run(wni_run *run)
{
    wn_ctx *ctx = run->ctx;
    int64_t n = wn_pool_rows(run->pool), tile;
    const char *dir = run->input(run, "model");
    wn_learn_apply_params p;
    wn_model *model = NULL;
    applied a = {0};
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, run->method, run->params, &p));
    WNI_TRY(wn_model_load(ctx, dir, &model));
    if (model->classes < 1 || model->d != wn_pool_dim(run->pool)) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: the model has %d classes of rows of %lld columns, the pool has rows of "
                      "%lld",
                      dir, model->classes, (long long)model->d, (long long)wn_pool_dim(run->pool));
        goto done;
    }
    tile = wni_max(wni_min(TILE_FLOATS / model->classes, n), 1);
    run->estimate.peak_bytes = n * 4 + tile * model->classes * 4 + model->classes * 8 +
                               wn_ctx_threads(ctx) * ((int64_t)2 << 20) + 65536;
    run->estimate.flops = 2.0 * (double)n * (double)model->d * model->classes;
    run->estimate.bytes_read =
        (double)n * (double)model->d * (double)wn_dtype_bytes(wn_pool_dtype(run->pool));
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(ctx, run->pool, run->method, &run->estimate));
    WNI_NEW(ctx, a.labels, n);
    WNI_NEW0(ctx, a.sizes, model->classes);
    WNI_NEW(ctx, a.probs, tile * model->classes);
    if (p.probs)
        WNI_TRY(wni_npy_writer_new(run->out, "probs.npy", "<f4", sizeof *a.probs, n, model->classes,
                                   &a.writer));
    WNI_TRY(apply_rows(run, model, tile, &a));
    st = wni_npy_writer_end(a.writer, 1);
    a.writer = NULL;
    if (st != WN_OK) goto done;
    WNI_TRY(wni_out_npy(run->out, "labels.npy", "<i4", sizeof *a.labels, &n, 1, a.labels));
    WNI_TRY(write_names(run, model));
    WNI_TRY(record(run, model, &a));
done:
    (void)wni_npy_writer_end(a.writer, 0);
    wni_free(ctx, a.labels);
    wni_free(ctx, a.sizes);
    wni_free(ctx, a.probs);
    wn_model_free(model);
    return st;
}

const wn_method wni_method_learn_apply = {
    .family = "learn",
    .name = "apply",
    .summary = "a model that is there, applied to rows: probabilities and classes",
    .papers = "liu1989",
    .cost = "2 n d C operations; 4 bytes a row",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_learn_apply_params),
    .inputs = "pool model",
    .run = (const void *)apply_run,
};
