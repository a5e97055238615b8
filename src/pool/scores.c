/* SPDX-License-Identifier: Apache-2.0
 *
 * The noun wn_scores, which every family reads: making and reading it back.
 */
#include <math.h>

#include "pool/column.h"
#include "winnow/score.h" /* allowed: the noun wn_scores, not the family */

wn_status wn_scores_new(wn_ctx *ctx, int64_t n, wn_scores **out)
{
    wn_scores *scores;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, scores, 1);
    scores->ctx = ctx;
    scores->n = n;
    WNI_NEW0(ctx, scores->v, n);
    *out = scores;
    return WN_OK;
done:
    wn_scores_free(scores);
    return st;
}

void wn_scores_free(wn_scores *scores)
{
    if (!scores) return;
    wni_free(scores->ctx, scores->v);
    wni_free(scores->ctx, scores->flags);
    wni_free(scores->ctx, scores->suggested);
    wni_free(scores->ctx, scores->per_class);
    wni_free(scores->ctx, scores);
}

typedef struct loading {
    wn_ctx *ctx;
    const char *path;
    wn_scores *scores;
} loading;

static wn_status load_begin(void *self, wni_column_kind kind, int64_t n)
{
    loading *l = self;

    (void)kind;
    return wn_scores_new(l->ctx, n, &l->scores);
}

static wn_status load_number(void *self, int64_t row, int64_t integer, double real)
{
    loading *l = self;

    (void)integer;
    l->scores->v[row] = (float)real;
    if (isfinite(l->scores->v[row])) return WN_OK;
    return wni_fail(l->ctx, WN_E_DATA, "%s: row %lld: found %g, expected a finite number", l->path,
                    (long long)row, real);
}

static wn_status load_word(void *self, int64_t row, const char *word)
{
    loading *l = self;

    return wni_fail(l->ctx, WN_E_DATA, "%s: row %lld: found %s, expected a number", l->path,
                    (long long)row, word ? "text" : "no value");
}

wn_status wn_scores_load(wn_ctx *ctx, const char *path, int64_t n, wn_scores **out)
{
    static const wni_column_to to = {load_begin, load_number, load_word};
    loading l = {ctx, path, NULL};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_column_read(ctx, path, "scores.npy", n, 0, &to, &l));
    *out = l.scores;
    l.scores = NULL;
done:
    wn_scores_free(l.scores);
    return st;
}
