/* SPDX-License-Identifier: Apache-2.0
 *
 * Models in folders: two arrays, and model.json for what is not numbers.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "base/ctx_impl.h"
#include "learn/model_io.h"

/* ---- writing ----------------------------------------------------------------------------------------- */

static wn_status save_words(wni_out *out, const wn_model *m)
{
    wn_ctx *ctx = wni_out_ctx(out);
    json_t *root =
        json_pack("{s:s, s:i, s:s, s:I, s:[]}", "model", "linear softmax", "version", 1, "metric",
                  wn_metric_name(m->metric), "dim", (json_int_t)m->d, "classes");
    json_t *classes = json_object_get(root, "classes");
    char *text = NULL;
    wn_status st = WN_OK;

    for (int32_t c = 0; c < m->classes; c++)
        if (json_array_append_new(classes, json_string(m->names[c]))) st = wni_nomem(ctx, 1);
    if (st == WN_OK && !(text = json_dumps(root, JSON_INDENT(2)))) st = wni_nomem(ctx, 1);
    if (st == WN_OK) st = wni_out_text(out, "model.json", text);
    free(text); /* allowed: jansson made it */
    json_decref(root);
    return st;
}

wn_status wni_model_save(wni_out *out, const wn_model *m)
{
    const int64_t shape[2] = {m->classes, m->d};
    wn_status st;

    WNI_TRY(wni_out_npy(out, "weights.npy", "<f4", sizeof *m->weights, shape, 2, m->weights));
    WNI_TRY(wni_out_npy(out, "intercept.npy", "<f4", sizeof *m->intercept, shape, 1, m->intercept));
    WNI_TRY(save_words(out, m));
done:
    return st;
}

/* ---- reading back ------------------------------------------------------------------------------------ */

static wn_status read_json(wn_ctx *ctx, const char *path, json_t **root)
{
    char *text = NULL;
    wn_status st;

    *root = NULL;
    WNI_TRY(wni_text_load(ctx, path, &text));
    *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    if (!json_is_object(*root))
        st = wni_fail(ctx, WN_E_DATA, "%s: found no JSON object; the file is damaged", path);
done:
    wni_free(ctx, text);
    return st;
}

static wn_status take_words(wn_ctx *ctx, const char *path, const json_t *root, int32_t classes,
                            int64_t d, wn_model *m)
{
    const json_t *list = json_object_get(root, "classes");
    const char *metric = json_string_value(json_object_get(root, "metric"));
    int code = wn_metric_from_name(metric ? metric : "");
    wn_status st = WN_OK;

    if (json_integer_value(json_object_get(root, "version")) != 1)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found no version 1 of a model: it is damaged, or of a newer winnow",
                        path);
    if (code < 0)
        return wni_fail(ctx, WN_E_DATA, "%s: found metric '%s', expected l2 or cosine", path,
                        metric ? metric : "");
    if (json_array_size(list) != (size_t)classes ||
        json_integer_value(json_object_get(root, "dim")) != d)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found %lld classes of %lld columns, but weights.npy beside it is "
                        "%d x %lld",
                        path, (long long)json_array_size(list),
                        (long long)json_integer_value(json_object_get(root, "dim")), classes,
                        (long long)d);
    m->metric = (wn_metric)code;
    WNI_NEW0(ctx, m->names, classes);
    for (int32_t c = 0; c < classes; c++) {
        const char *name = json_string_value(json_array_get(list, (size_t)c));
        if (!name)
            return wni_fail(ctx, WN_E_DATA, "%s: class %d has no name; the file is damaged", path,
                            c);
        if (!(m->names[c] = wni_strdup(ctx, name))) return WN_E_NOMEM;
    }
done:
    return st;
}

static wn_status check_numbers(wn_ctx *ctx, const char *dir, const wn_model *m)
{
    for (int32_t c = 0; c < m->classes; c++) {
        /* -Inf = never this class */
        bool good = isfinite(m->intercept[c]) || m->intercept[c] == -HUGE_VALF;
        for (int64_t j = 0; j < m->d; j++)
            good = good && isfinite(m->weights[c * m->d + j]);
        if (!good)
            return wni_fail(ctx, WN_E_DATA,
                            "%s: class %d has weights that are not finite; the files are damaged",
                            dir, c);
    }
    return WN_OK;
}

wn_status wn_model_load(wn_ctx *ctx, const char *dir, wn_model **out)
{
    char *paths[3] = {wni_format(ctx, "%s/weights.npy", dir),
                      wni_format(ctx, "%s/intercept.npy", dir),
                      wni_format(ctx, "%s/model.json", dir)};
    void *weights = NULL, *intercept = NULL;
    int64_t shape[2] = {0}, classes;
    wn_model *m = NULL;
    json_t *root = NULL;
    wn_status st = WN_E_NOMEM;

    *out = NULL;
    if (!paths[0] || !paths[1] || !paths[2]) goto done;
    WNI_TRY(wni_npy_load(ctx, paths[0], "<f4", 2, shape, &weights));
    WNI_TRY(wni_npy_load(ctx, paths[1], "<f4", 1, &classes, &intercept));
    if (classes != shape[0] || classes < 1 || classes > WN_K_MAX) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: found %lld intercepts, but weights.npy beside it has %lld classes",
                      paths[1], (long long)classes, (long long)shape[0]);
        goto done;
    }
    WNI_TRY(read_json(ctx, paths[2], &root));
    WNI_TRY(wn_model_new(ctx, (int32_t)classes, shape[1], WN_L2, &m));
    WNI_TRY(take_words(ctx, paths[2], root, (int32_t)classes, shape[1], m));
    memcpy(m->weights, weights, (size_t)(classes * shape[1]) * sizeof *m->weights);
    memcpy(m->intercept, intercept, (size_t)classes * sizeof *m->intercept);
    WNI_TRY(check_numbers(ctx, dir, m));
    *out = m;
    m = NULL;
done:
    for (int i = 0; i < 3; i++)
        wni_free(ctx, paths[i]);
    wni_free(ctx, weights);
    wni_free(ctx, intercept);
    json_decref(root);
    wn_model_free(m);
    return st;
}
