/* SPDX-License-Identifier: Apache-2.0
 *
 * Learning: rows and their classes in, a small model out.
 */
#ifndef WINNOW_LEARN_H
#define WINNOW_LEARN_H

#include "winnow/labels.h"
#include "winnow/method.h"
#include "winnow/pool.h"

#ifdef __cplusplus
extern "C" {
#endif

/* How a model came about. */
typedef struct wn_learn_report {
    int64_t rows;        /* it was fitted to: of a class, of the subset, of weight above 0 */
    int32_t classes;     /* with such rows */
    int32_t iterations;  /* of the optimiser */
    int32_t evaluations; /* of the objective and its gradient; each is a pass over the rows */
    int32_t converged;   /* 1 = the gradient is within `tol`, or f32 can tell no more progress */
    double loss;         /* weighted mean of -log p of a row's own class, without the penalty */
    double penalty;      /* what l2 adds to it */
    double accuracy;     /* weighted share of the fitted rows whose own class has the highest p */
} wn_learn_report;

/* A linear head: the logit of class c is weights[c] . x + intercept[c]. All arrays belong to the model.
 * Classes are those of the labels. A class without rows in the fit has zero weights and the intercept
 * -Inf: its probability is 0. */
typedef struct wn_model {
    wn_ctx *ctx;
    int32_t classes;
    int64_t d;
    wn_metric metric;       /* rows are read under it: unit length under WN_COSINE */
    float *weights;         /* (classes, d) row-major */
    float *intercept;       /* (classes) */
    char **names;           /* (classes) as they are printed */
    wn_learn_report report; /* zero after wn_model_load */
} wn_model;

/* Makes a model with zeroed arrays and names NULL. */
WN_API wn_status wn_model_new(wn_ctx *ctx, int32_t classes, int64_t d, wn_metric metric,
                              wn_model **out);
WN_API void wn_model_free(wn_model *model); /* NULL ok */

/* Folder form: weights.npy (float32) intercept.npy (float32) model.json (metric, names of the classes).
 * WN_E_DATA: files that disagree or are damaged. */
WN_API wn_status wn_model_load(wn_ctx *ctx, const char *dir, wn_model **out);

/* Logits or probabilities of rows[0..n) of a pool of d columns (rows NULL = first, first + 1, ...) into
 * out (n, classes) row-major. The rows are read under the metric of the model. Cost: n x d x classes; one
 * pass over those rows; memory for a tile per thread. WN_E_DATA: a pool of other width. */
WN_API wn_status wn_model_logits(wn_ctx *ctx, const wn_model *model, const wn_pool *pool,
                                 const int64_t *rows, int64_t first, int64_t n, float *out);
WN_API wn_status wn_model_probs(wn_ctx *ctx, const wn_model *model, const wn_pool *pool,
                                const int64_t *rows, int64_t first, int64_t n, float *out);
/* The class with the highest logit, the smaller number at a tie; out (n). */
WN_API wn_status wn_model_predict(wn_ctx *ctx, const wn_model *model, const wn_pool *pool,
                                  const int64_t *rows, int64_t first, int64_t n, int32_t *out);
/* Share of the rows (as above) that have a class whose predicted class has the same name; rows without a
 * class do not count. labels are those of the pool; accuracy (1), counted (1) or NULL. */
WN_API wn_status wn_model_accuracy(wn_ctx *ctx, const wn_model *model, const wn_pool *pool,
                                   const int64_t *rows, int64_t first, int64_t n,
                                   const wn_labels *labels, double *accuracy, int64_t *counted);

typedef struct wn_learn_input {
    uint32_t struct_size;
    const wn_pool *pool;     /* (n, d) */
    const wn_labels *labels; /* (n); rows without a class are left out */
    const int64_t *rows;     /* (n_rows) ascending rows to fit, repeats allowed; NULL = all */
    int64_t n_rows;
    const float *weights; /* (n) >= 0, finite, or NULL = all one; 2 counts as two rows */
} wn_learn_input;

typedef struct wn_learn_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_learn_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_learn_input *in, const void *params, wn_model **out);
} wn_learn_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, lengths, weights, rows,
 * finite rows, memory budget. *out is given; wn_model_free(). */
WN_API wn_status wn_learn_run(wn_ctx *ctx, const wn_method *method, const wn_learn_input *in,
                              const void *params, wn_model **out);

typedef enum wn_scale { WN_SCALE_GLOBAL = 0, WN_SCALE_COLUMNS, WN_SCALE_NONE } wn_scale;

#define WN_LEARN_LOGISTIC_PARAMS(P)                                                         \
    P(f64, l2, 0.5, 0, 1e12,                                                                \
      "weight of the penalty |W|^2 / 2 beside the sum of the losses of the rows")           \
    P(i32, max_iter, 300, 1, 1000000, "iterations of L-BFGS at most")                       \
    P(f64, tol, 1e-4, 0, 1e9,                                                               \
      "stop when no entry of the gradient of the mean loss is larger than this")            \
    P(choice, scale, WN_SCALE_GLOBAL, "global|columns|none", 0,                             \
      "subtract the mean of the rows, and divide by one number, or each column by its own " \
      "deviation, so that rows have the mean squared length 1; none = rows as they are")    \
    P(bool, balance, 0, 0, 1, "weigh rows so that every class counts the same")
WN_PARAM_STRUCT(wn_learn_logistic_params, WN_LEARN_LOGISTIC_PARAMS);

/* Multinomial logistic regression by L-BFGS: liu1989. The rows that are fitted are held as f32 when the
 * memory budget has room for them, and read anew for every pass when not; the result is the same. */
WN_API wn_status wn_learn_logistic(wn_ctx *ctx, const wn_learn_input *in,
                                   const wn_learn_logistic_params *params, wn_model **out);
/* What that would take: *out is filled. */
WN_API wn_status wn_learn_logistic_estimate(wn_ctx *ctx, const wn_learn_input *in,
                                            const wn_learn_logistic_params *params,
                                            wn_estimate *out);

#define WN_LEARN_APPLY_PARAMS(P) \
    P(bool, probs, 1, 0, 1, "write the probabilities, not only the classes")
WN_PARAM_STRUCT(wn_learn_apply_params, WN_LEARN_APPLY_PARAMS);

#ifdef __cplusplus
}
#endif
#endif
