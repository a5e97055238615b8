/* SPDX-License-Identifier: Apache-2.0
 *
 * Confident learning: which labels do not fit what is known of their rows. Probabilities are passed twice,
 * in blocks: once for the mean confidence of each class, once to see of which class each row confidently is.
 * northcutt2021.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "ds/keyed.h"
#include "score/score_folds.h"
#include "score/score_impl.h"

extern const wn_method wni_method_score_label_quality;

WN_PARAM_TABLE(wn_score_label_quality_params, WN_SCORE_LABEL_QUALITY_PARAMS);

enum { SELF_CONFIDENCE, NORMALIZED_MARGIN };
enum { FIND_JOINT, FIND_CLASS, FIND_ARGMAX };
enum { FLAG_OK, FLAG_ISSUE, FLAG_NO_LABEL };

static const char *const flag_names[] = {"ok", "issue", "no-label"};

#define GRAIN 512

typedef struct quality {
    const wn_labels *labels;
    const wn_pool *probs; /* (n, columns), or NULL: of folds */
    const wn_score_label_quality_params *p;
    wni_folds folds;
    int64_t n;
    int32_t k;
    int32_t *column;    /* (k) of the probabilities */
    float *own;         /* (n) probability of the row's label */
    float *other;       /* (n) the highest of the others */
    int32_t *best;      /* (n) the most probable class */
    int32_t *confident; /* (n) the class that the row confidently is of, or -1 */
    double *threshold;  /* (k) mean of own over the rows of a class */
    wn_scores *scores;

    /* one block of probabilities */
    bool second;         /* pass */
    const int64_t *rows; /* its rows, or NULL: first, first + 1, ... */
    int64_t first, ld;
    float *block; /* (m, ld) read from probs */
    const float *given;
} quality;

/* ---- one row ---------------------------------------------------------------------------------------- */

static wn_status check_probs(wn_ctx *ctx, const quality *q, int64_t row, const float *p)
{
    int64_t columns = wn_pool_dim(q->probs);
    double sum = 0;

    for (int64_t c = 0; c < columns; c++) {
        if (!(p[c] >= 0 && p[c] <= 1.001f))
            return wni_fail_at(ctx, row, WN_E_DATA,
                               "score label_quality: the probability of row %lld in column %lld is "
                               "%g, expected 0 to 1: give softmax outputs, not logits",
                               (long long)row, (long long)c, (double)p[c]);
        sum += (double)p[c];
    }
    if (!(sum > 0.98 && sum < 1.02))
        return wni_fail_at(ctx, row, WN_E_DATA,
                           "score label_quality: the probabilities of row %lld add up to %g, "
                           "expected 1: give softmax outputs",
                           (long long)row, sum);
    return WN_OK;
}

static void first_look(quality *q, int64_t row, const float *p)
{
    int32_t y = q->labels->v[row], best = 0;
    float other = 0;

    for (int32_t c = 0; c < q->k; c++) {
        float at = p[q->column[c]];
        if (at > p[q->column[best]]) best = c;
        if (c != y && at > other) other = at;
    }
    q->best[row] = best;
    q->other[row] = other;
    q->own[row] = y < 0 ? 0 : p[q->column[y]];
}

static void second_look(quality *q, int64_t row, const float *p)
{
    int32_t found = -1;

    for (int32_t c = 0; c < q->k; c++) {
        float at = p[q->column[c]];
        if ((double)at < q->threshold[c]) continue;
        if (found < 0 || at > p[q->column[found]]) found = c;
    }
    q->confident[row] = found;
}

static wn_status look_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    quality *q = arg;
    const float *p;
    wn_status st = WN_OK;

    (void)worker;
    if (q->probs)
        WNI_TRY(wn_pool_read(ctx, q->probs, q->first + begin, end - begin, q->block + begin * q->ld,
                             q->ld));
    p = q->given + begin * q->ld;
    for (int64_t i = begin; i < end; i++, p += q->ld) {
        int64_t row = q->rows ? q->rows[i] : q->first + i;
        if (q->probs && !q->second) WNI_TRY(check_probs(ctx, q, row, p));
        if (q->second)
            second_look(q, row, p);
        else
            first_look(q, row, p);
    }
done:
    return st;
}

static wn_status look_block(wn_ctx *ctx, void *self, const int64_t *rows, int64_t m,
                            const float *probs)
{
    quality *q = self;

    q->rows = rows;
    q->given = probs;
    q->ld = q->k;
    return wni_parallel(ctx, m, GRAIN, look_range, q);
}

static wn_status look(wn_ctx *ctx, quality *q, const wn_pool *pool, bool second)
{
    int64_t block;
    wn_status st = WN_OK;

    q->second = second;
    if (!q->probs) return wni_folds_each(ctx, &q->folds, pool, look_block, q);
    q->ld = wni_ld(wn_pool_dim(q->probs));
    block = wni_folds_block(q->ld);
    q->given = q->block;
    for (q->first = 0; q->first < q->n; q->first += block) {
        wni_progress(ctx, second ? "confident classes" : "confidence", q->first, q->n);
        WNI_TRY(wni_parallel(ctx, wni_min(block, q->n - q->first), GRAIN, look_range, q));
    }
done:
    return st;
}

/* ---- classes ---------------------------------------------------------------------------------------- */

/* Which column of the probabilities is which class. */
static wn_status choose_columns(wn_ctx *ctx, quality *q)
{
    const wn_labels *l = q->labels;
    int64_t columns = q->probs ? wn_pool_dim(q->probs) : l->classes;
    wn_status st = WN_OK;

    if (q->probs && !l->values && columns != l->classes)
        return wni_fail(ctx, WN_E_DATA,
                        "score label_quality: found %lld columns of probabilities, but the labels "
                        "are %d words: expected a column for each, in the order of their bytes",
                        (long long)columns, l->classes);
    WNI_NEW(ctx, q->column, q->k);
    for (int32_t c = 0; c < q->k; c++) {
        q->column[c] = c;
        if (!q->probs || !l->values) continue;
        if (l->values[c] < 0 || l->values[c] >= columns)
            return wni_fail(ctx, WN_E_DATA,
                            "score label_quality: found the label %lld, but the probabilities have "
                            "%lld columns: expected labels from 0 to %lld",
                            (long long)l->values[c], (long long)columns, (long long)columns - 1);
        q->column[c] = (int32_t)l->values[c];
    }
done:
    return st;
}

static void measure_thresholds(quality *q)
{
    memset(q->threshold, 0, (size_t)q->k * sizeof *q->threshold);
    for (int64_t i = 0; i < q->n; i++)
        if (q->labels->v[i] >= 0) q->threshold[q->labels->v[i]] += (double)q->own[i];
    for (int32_t c = 0; c < q->k; c++)
        q->threshold[c] /= (double)wni_max(q->labels->sizes[c], 1);
}

/* One row of the confident joint: the rows labelled c by the class that they confidently are of. */
static void report_class(const quality *q, int32_t c, const wni_keyed *rows, int64_t *count)
{
    wn_class_report *r = &q->scores->per_class[c];
    int64_t counted = 0, right = 0;

    memset(count, 0, (size_t)q->k * sizeof *count);
    *r = (wn_class_report){.rows = q->labels->sizes[c], .confused_with = -1};
    r->threshold = q->threshold[c];
    for (int64_t i = 0; i < r->rows; i++) {
        right += q->best[rows[i].row] == c;
        if (q->confident[rows[i].row] >= 0) {
            count[q->confident[rows[i].row]]++;
            counted++;
        }
    }
    for (int32_t j = 0; j < q->k; j++)
        if (j != c && count[j] > r->confused_rows) {
            r->confused_with = j;
            r->confused_rows = count[j];
        }
    r->accuracy = (double)right / (double)wni_max(r->rows, 1);
    r->noise = counted ? (double)(counted - count[c]) / (double)counted : 0;
}

static bool is_issue(const quality *q, int64_t row)
{
    int32_t y = q->labels->v[row];

    if (q->p->find == FIND_ARGMAX) return q->best[row] != y;
    return q->confident[row] >= 0 && q->confident[row] != y;
}

/* Of each class as many rows as the joint says are of another, those of lowest own probability. */
static wn_status flag_class(wn_ctx *ctx, const quality *q, int32_t c, wni_keyed *rows)
{
    wn_class_report *r = &q->scores->per_class[c];
    wn_status st = WN_OK;

    if (q->p->find == FIND_CLASS) {
        int64_t issues = (int64_t)(r->noise * (double)r->rows + 0.5);
        for (int64_t i = 0; i < r->rows; i++)
            rows[i].key = wni_key_of_float(q->own[rows[i].row]);
        WNI_TRY(wni_keyed_first(ctx, rows, r->rows, issues));
        for (int64_t i = 0; i < issues; i++)
            q->scores->flags[rows[i].row] = FLAG_ISSUE;
    } else {
        for (int64_t i = 0; i < r->rows; i++)
            if (is_issue(q, rows[i].row)) q->scores->flags[rows[i].row] = FLAG_ISSUE;
    }
    for (int64_t i = 0; i < r->rows; i++)
        r->issues += q->scores->flags[rows[i].row] == FLAG_ISSUE;
done:
    return st;
}

static wn_status judge_classes(wn_ctx *ctx, quality *q)
{
    wni_keyed *rows = NULL;
    int64_t *begin = NULL, *count = NULL;
    wn_status st;

    WNI_NEW(ctx, rows, q->n);
    WNI_NEW0(ctx, begin, q->k + 1);
    WNI_NEW(ctx, count, q->k);
    for (int32_t c = 0; c < q->k; c++)
        begin[c + 1] = begin[c] + q->labels->sizes[c];
    for (int64_t i = 0; i < q->n; i++)
        if (q->labels->v[i] >= 0) rows[begin[q->labels->v[i]]++].row = i;
    st = WN_OK;
    for (int32_t c = 0; c < q->k; c++) {
        wni_keyed *first = rows + begin[c] - q->labels->sizes[c];
        WNI_TRY(wni_poll(ctx));
        report_class(q, c, first, count);
        WNI_TRY(flag_class(ctx, q, c, first));
    }
done:
    wni_free(ctx, rows);
    wni_free(ctx, begin);
    wni_free(ctx, count);
    return st;
}

#define ENOUGH 0.6 /* of the rows, for models to be worth listening to */

/* How often the most probable class is the label: what the flags can be worth. */
static void judge_models(wn_ctx *ctx, quality *q)
{
    int64_t rows = 0, right = 0;
    double accuracy;

    for (int64_t i = 0; i < q->n; i++) {
        rows += q->labels->v[i] >= 0;
        right += q->labels->v[i] >= 0 && q->best[i] == q->labels->v[i];
    }
    accuracy = (double)right / (double)wni_max(rows, 1);
    wni_score_note(q->scores, "accuracy", accuracy, 0);
    if (accuracy < ENOUGH)
        wni_log(ctx, WN_LOG_WARN,
                "score label_quality: the most probable class is the label of only %.0f %% of the "
                "rows: many labels are wrong, or the model is weak and many issues are its own; "
                "then go by the score, or give --probs of a better one",
                100 * accuracy);
}

/* Scores and suggestions; rows without a label get the lowest score. */
static void judge_rows(quality *q)
{
    wn_scores *s = q->scores;
    float lowest = INFINITY;

    for (int64_t i = 0; i < q->n; i++) {
        s->v[i] = q->own[i];
        if (q->p->measure == NORMALIZED_MARGIN) s->v[i] = (q->own[i] - q->other[i] + 1) / 2;
        s->suggested[i] = q->confident[i] >= 0 ? q->confident[i] : q->best[i];
        if (q->labels->v[i] >= 0 && s->v[i] < lowest) lowest = s->v[i];
    }
    for (int64_t i = 0; i < q->n; i++)
        if (q->labels->v[i] < 0) {
            s->v[i] = isfinite(lowest) ? lowest : 0;
            s->flags[i] = FLAG_NO_LABEL;
        }
}

/* ---- the method ------------------------------------------------------------------------------------- */

static wn_status check_given(wn_ctx *ctx, const wn_score_input *in)
{
    if (!in->probs == !in->pool)
        return wni_fail(ctx, WN_E_USAGE,
                        "score label_quality: found %s, expected either the pool, or --probs alone",
                        in->probs ? "a pool and --probs" : "neither a pool nor --probs");
    return WN_OK;
}

static wn_status label_quality_estimate(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                        wn_estimate *out)
{
    int64_t n = in->labels->n, k = in->labels->classes;
    wn_score_label_quality_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_score_label_quality, params, &p));
    WNI_TRY(check_given(ctx, in));
    *out = (wn_estimate){0};
    out->peak_bytes = n * (4 + 1 + 4 + 16 + sizeof(wni_keyed)) + k * 64 + 65536;
    if (in->pool) {
        WNI_TRY(wni_folds_estimate(ctx, in->pool, in->labels, p.folds, out));
    } else {
        int64_t ld = wni_ld(wn_pool_dim(in->probs));
        out->peak_bytes += wni_folds_block(ld) * ld * 4;
        out->flops = 4.0 * (double)n * (double)ld;
        out->bytes_read = 2.0 * (double)n * (double)ld * 4;
    }
done:
    return st;
}

static wn_status make_scores(wn_ctx *ctx, quality *q)
{
    wn_status st;

    WNI_TRY(wn_scores_new(ctx, q->n, &q->scores));
    WNI_NEW0(ctx, q->scores->flags, q->n);
    q->scores->flag_names = flag_names;
    q->scores->n_flags = 3;
    WNI_NEW0(ctx, q->scores->suggested, q->n);
    WNI_NEW0(ctx, q->scores->per_class, q->k);
    q->scores->n_classes = q->k;
    WNI_NEW(ctx, q->own, q->n);
    WNI_NEW(ctx, q->other, q->n);
    WNI_NEW(ctx, q->best, q->n);
    WNI_NEW(ctx, q->confident, q->n);
    WNI_NEW(ctx, q->threshold, q->k);
done:
    return st;
}

static wn_status label_quality_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                   wn_scores **out)
{
    wn_score_label_quality_params p;
    quality q = {.labels = in->labels, .probs = in->probs, .p = &p, .n = in->labels->n};
    wn_status st;

    *out = NULL;
    q.k = in->labels->classes;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_label_quality, params, &p));
    WNI_TRY(check_given(ctx, in));
    if (q.k < 2) {
        st = wni_fail(ctx, WN_E_DATA,
                      "score label_quality: found %d class%s in the labels, expected two or more",
                      q.k, q.k == 1 ? "" : "es");
        goto done;
    }
    WNI_TRY(choose_columns(ctx, &q));
    if (in->pool) {
        WNI_TRY(wni_folds_new(ctx, in->labels, p.folds, p.seed, &q.folds));
        WNI_TRY(wni_folds_fit(ctx, &q.folds, in->pool, in->labels, NULL, p.l2, false));
    } else {
        int64_t ld = wni_ld(wn_pool_dim(in->probs));
        WNI_NEW(ctx, q.block, wni_folds_block(ld) * ld);
    }
    WNI_TRY(make_scores(ctx, &q));
    WNI_TRY(look(ctx, &q, in->pool, false));
    measure_thresholds(&q);
    WNI_TRY(look(ctx, &q, in->pool, true));
    WNI_TRY(judge_classes(ctx, &q));
    judge_rows(&q);
    judge_models(ctx, &q);
    *out = q.scores;
    q.scores = NULL;
done:
    wn_scores_free(q.scores);
    wni_folds_free(ctx, &q.folds);
    wni_free(ctx, q.column);
    wni_free(ctx, q.own);
    wni_free(ctx, q.other);
    wni_free(ctx, q.best);
    wni_free(ctx, q.confident);
    wni_free(ctx, q.threshold);
    wni_free(ctx, q.block);
    return st;
}

wn_status wn_score_label_quality(wn_ctx *ctx, const wn_score_input *in,
                                 const wn_score_label_quality_params *params, wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_label_quality, in, params, out);
}

static const wn_score_ops ops = {label_quality_estimate, label_quality_run};

const wn_method wni_method_score_label_quality = {
    .family = "score",
    .name = "label_quality",
    .summary = "how well each row's label fits it: finds wrong labels",
    .papers = "northcutt2021",
    .cost =
        "two passes over the probabilities, or as many fits as folds; 41 bytes a row and a block",
    .flags = WN_METHOD_SEEDED | WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_label_quality_params),
    .ops = &ops,
    .inputs = "pool? probs? labels",
};
