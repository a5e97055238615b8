/* SPDX-License-Identifier: Apache-2.0
 *
 * Clean, wrongly labelled and foreign rows. Small losses say which labels are learnt easily; a linear separator
 * on the vectors then says which of the others lie apart. The next losses are those of models that trust what
 * both found clean. albert2024 arazo2019.
 */
#include <string.h>

#include "base/fixmath.h"
#include "base/param.h"
#include "score/score_folds.h"
#include "score/score_impl.h"
#include "score/two_normals.h"

extern const wn_method wni_method_score_linear_separation;

WN_PARAM_TABLE(wn_score_linear_separation_params, WN_SCORE_LINEAR_SEPARATION_PARAMS);

enum { FLAG_CLEAN, FLAG_NOISY, FLAG_OUTLIER, FLAG_NO_LABEL };

static const char *const flag_names[] = {"clean", "noisy", "outlier", "no-label"};

#define LEAST_P      1e-6 /* a loss is at most -log of it */
#define LEAST_WEIGHT 0.01f
#define READ_FLOATS  65536

typedef struct separation {
    const wn_score_input *in;
    const wn_score_linear_separation_params *p;
    int64_t n;
    wni_folds folds;
    float *loss;   /* (n) */
    float *easy;   /* (n) probability that the loss is a small one */
    float *inside; /* (n) what the separator gives for the vector being among rows of small loss */
    float *weight; /* (n) of the next models */
    wni_two_normals mixture;
} separation;

/* What the separator takes off: nothing but of rows that lie apart. Where it finds nothing it gives about one
 * half, and a little less where classes are hard to tell, which is no reason to doubt a row. */
static float kept_of(const separation *s, int64_t row)
{
    double inside = (double)s->inside[row];

    return inside < s->p->outlier ? (float)(inside / s->p->outlier) : 1;
}

/* ---- losses ------------------------------------------------------------------------------------------ */

static wn_status take_losses(wn_ctx *ctx, void *self, const int64_t *rows, int64_t m,
                             const float *probs)
{
    separation *s = self;
    int64_t k = s->in->labels->classes;

    (void)ctx;
    for (int64_t i = 0; i < m; i++) {
        int32_t y = s->in->labels->v[rows[i]];
        double p = y < 0 ? 0 : (double)probs[i * k + y];
        s->loss[rows[i]] = (float)(0 - wni_log_fixed(p > LEAST_P ? p : LEAST_P));
    }
    return WN_OK;
}

/* Means over the epochs. */
static wn_status given_losses(wn_ctx *ctx, separation *s)
{
    int64_t d = wn_pool_dim(s->in->losses), ld = wni_ld(d), block = wni_max(READ_FLOATS / ld, 1);
    float *v = NULL;
    wn_status st;

    WNI_NEW(ctx, v, block * ld);
    st = WN_OK;
    for (int64_t at = 0; at < s->n; at += block) {
        int64_t m = wni_min(block, s->n - at);
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wn_pool_read(ctx, s->in->losses, at, m, v, ld));
        for (int64_t i = 0; i < m; i++) {
            double sum = 0;
            for (int64_t e = 0; e < d; e++)
                sum += (double)v[i * ld + e];
            s->loss[at + i] = (float)(sum / (double)d);
        }
    }
done:
    wni_free(ctx, v);
    return st;
}

/* Losses of the rows that have a label -> the chance that each is small. */
static wn_status judge_losses(wn_ctx *ctx, separation *s)
{
    const int32_t *y = s->in->labels->v;
    float *of_labelled = NULL;
    int64_t m = 0;
    wn_status st;

    WNI_NEW(ctx, of_labelled, s->n);
    for (int64_t i = 0; i < s->n; i++)
        if (y[i] >= 0) of_labelled[m++] = s->loss[i];
    wni_two_normals_fit(of_labelled, m, &s->mixture);
    for (int64_t i = 0; i < s->n; i++)
        s->easy[i] = y[i] < 0 ? 0 : (float)wni_two_normals_low(&s->mixture, (double)s->loss[i]);
    st = wni_poll(ctx);
done:
    wni_free(ctx, of_labelled);
    return st;
}

/* ---- the separator ------------------------------------------------------------------------------------- */

static wn_status take_inside(wn_ctx *ctx, void *self, const int64_t *rows, int64_t m,
                             const float *probs)
{
    separation *s = self;

    (void)ctx;
    for (int64_t i = 0; i < m; i++)
        s->inside[rows[i]] = probs[i * 2 + 1];
    return WN_OK;
}

/* Whether every model sees rows of both kinds: those of one fold may not be all of a kind. */
static bool kinds_everywhere(const wni_folds *f, const int64_t *kind, int64_t small, int64_t large)
{
    for (int32_t fold = 0; fold < f->folds; fold++) {
        int64_t in_fold[2] = {0, 0};
        for (int64_t i = f->begin[fold]; i < f->begin[fold + 1]; i++)
            if (kind[f->rows[i]] >= 0) in_fold[kind[f->rows[i]]]++;
        if (in_fold[1] == small || in_fold[0] == large) return false;
    }
    return true;
}

/* Learns rows of small loss from the others and says of each row on which side it lies; without enough of
 * both kinds every row lies inside. */
static wn_status separate(wn_ctx *ctx, separation *s)
{
    int64_t *easy = NULL, small = 0, large = 0, least = 2 * s->folds.folds;
    wn_labels *labels = NULL;
    wn_status st;

    WNI_NEW(ctx, easy, s->n);
    for (int64_t i = 0; i < s->n; i++) {
        easy[i] = s->in->labels->v[i] < 0 ? -1 : s->easy[i] > 0.5f;
        small += easy[i] == 1;
        large += easy[i] == 0;
    }
    st = WN_OK;
    if (small < least || large < least || !kinds_everywhere(&s->folds, easy, small, large)) {
        for (int64_t i = 0; i < s->n; i++)
            s->inside[i] = 1;
        goto done;
    }
    WNI_TRY(wn_labels_from_ints(ctx, easy, s->n, &labels));
    WNI_TRY(wni_folds_fit(ctx, &s->folds, s->in->pool, labels, NULL, s->p->l2, true));
    WNI_TRY(wni_folds_each(ctx, &s->folds, s->in->pool, take_inside, s));
done:
    wn_labels_free(labels);
    wni_free(ctx, easy);
    return st;
}

static wn_status alternate(wn_ctx *ctx, separation *s)
{
    const wn_score_input *in = s->in;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < s->n; i++)
        s->weight[i] = 1;
    for (int32_t round = 0; round < s->p->rounds; round++) {
        if (in->losses) {
            WNI_TRY(given_losses(ctx, s));
        } else {
            WNI_TRY(
                wni_folds_fit(ctx, &s->folds, in->pool, in->labels, s->weight, s->p->l2, false));
            WNI_TRY(wni_folds_each(ctx, &s->folds, in->pool, take_losses, s));
        }
        WNI_TRY(judge_losses(ctx, s));
        WNI_TRY(separate(ctx, s));
        if (in->losses) break; /* nothing would change them */
        for (int64_t i = 0; i < s->n; i++) {
            float w = s->easy[i] * kept_of(s, i);
            s->weight[i] = w > LEAST_WEIGHT ? w : LEAST_WEIGHT;
        }
    }
done:
    return st;
}

static wn_status make_scores(wn_ctx *ctx, const separation *s, wn_scores **out)
{
    float least = s->loss[0], most = s->loss[0];
    wn_scores *scores = NULL;
    wn_status st;

    for (int64_t i = 0; i < s->n; i++) {
        least = s->loss[i] < least ? s->loss[i] : least;
        most = s->loss[i] > most ? s->loss[i] : most;
    }
    WNI_TRY(wn_scores_new(ctx, s->n, &scores));
    WNI_NEW(ctx, scores->flags, s->n);
    scores->flag_names = flag_names;
    scores->n_flags = 4;
    for (int64_t i = 0; i < s->n; i++) {
        bool easy = s->easy[i] > 0.5f, apart = (double)s->inside[i] <= s->p->outlier;
        if (most > least) scores->v[i] = (most - s->loss[i]) / (most - least) * kept_of(s, i);
        scores->flags[i] = easy ? FLAG_CLEAN : apart ? FLAG_OUTLIER : FLAG_NOISY;
        if (s->in->labels->v[i] < 0) scores->flags[i] = FLAG_NO_LABEL;
    }
    wni_score_note(scores, "small_loss_mean", s->mixture.mean[0], 0);
    wni_score_note(scores, "small_loss_share", s->mixture.share[0], 0);
    wni_score_note(scores, "large_loss_mean", s->mixture.mean[1], 0);
    *out = scores;
    scores = NULL;
done:
    wn_scores_free(scores);
    return st;
}

/* ---- the method ---------------------------------------------------------------------------------------- */

static wn_status linear_separation_estimate(wn_ctx *ctx, const wn_score_input *in,
                                            const void *params, wn_estimate *out)
{
    wn_score_linear_separation_params p;
    wn_estimate two = {0};
    int64_t n = in->labels->n;
    wn_labels kinds = {.classes = 2};
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_score_linear_separation, params, &p));
    *out = (wn_estimate){0};
    WNI_TRY(wni_folds_estimate(ctx, in->pool, in->labels, p.folds, out));
    WNI_TRY(wni_folds_estimate(ctx, in->pool, &kinds, p.folds, &two));
    out->peak_bytes = wni_max(out->peak_bytes, two.peak_bytes) + n * (5 + 16 + 8 + 4 + 40) +
                      (in->losses ? wni_max(READ_FLOATS, wni_ld(wn_pool_dim(in->losses))) * 4 : 0) +
                      65536;
    out->flops = (out->flops + two.flops) * p.rounds;
    out->bytes_read = (out->bytes_read + two.bytes_read) * p.rounds;
done:
    return st;
}

static wn_status linear_separation_run(wn_ctx *ctx, const wn_score_input *in, const void *params,
                                       wn_scores **out)
{
    wn_score_linear_separation_params p;
    separation s = {.in = in, .p = &p, .n = in->labels->n};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_score_linear_separation, params, &p));
    if (in->labels->classes < 2) {
        st = wni_fail(ctx, WN_E_DATA,
                      "score linear_separation: found %d class%s in the labels, expected two or "
                      "more",
                      in->labels->classes, in->labels->classes == 1 ? "" : "es");
        goto done;
    }
    WNI_TRY(wni_folds_new(ctx, in->labels, p.folds, p.seed, &s.folds));
    WNI_NEW(ctx, s.loss, s.n);
    WNI_NEW(ctx, s.easy, s.n);
    WNI_NEW(ctx, s.inside, s.n);
    WNI_NEW(ctx, s.weight, s.n);
    WNI_TRY(alternate(ctx, &s));
    WNI_TRY(make_scores(ctx, &s, out));
done:
    wni_folds_free(ctx, &s.folds);
    wni_free(ctx, s.loss);
    wni_free(ctx, s.easy);
    wni_free(ctx, s.inside);
    wni_free(ctx, s.weight);
    return st;
}

wn_status wn_score_linear_separation(wn_ctx *ctx, const wn_score_input *in,
                                     const wn_score_linear_separation_params *params,
                                     wn_scores **out)
{
    return wn_score_run(ctx, &wni_method_score_linear_separation, in, params, out);
}

static const wn_score_ops ops = {linear_separation_estimate, linear_separation_run};

const wn_method wni_method_score_linear_separation = {
    .family = "score",
    .name = "linear_separation",
    .summary = "clean, wrongly labelled and foreign rows, by losses and a separator in turn",
    .papers = "albert2024 arazo2019",
    .cost = "2 x rounds x folds logistic fits; 60 bytes a row beside those",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_score_linear_separation_params),
    .ops = &ops,
    .inputs = "pool labels losses?",
};
