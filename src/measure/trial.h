/* SPDX-License-Identifier: Apache-2.0
 *
 * A trial: a head trained on some rows and judged on others. Trials on random subsets are kept, so that all
 * selections of one size share them.
 */
#ifndef WNI_TRIAL_H
#define WNI_TRIAL_H

#include "winnow/learn.h"
#include "winnow/measure.h"

/* How well a head does on the rows to judge on. */
typedef struct wni_grade {
    double accuracy; /* share of the rows whose own class is predicted */
    double balanced; /* mean over their classes of the share within the class */
} wni_grade;

/* What random subsets of one size reach. */
typedef struct wni_chance {
    int64_t size;
    wni_grade *grade;   /* (seeds) */
    wni_grade together; /* of the mean of their probabilities */
} wni_chance;

typedef struct wni_trials {
    wn_ctx *ctx;
    const wn_measure_input *in;
    const wn_measure_selection_params *p;
    int64_t n; /* rows of the pool */
    int32_t classes;

    int64_t *candidates; /* (n_candidates) rows with a class that are not held out */
    int64_t n_candidates;
    uint8_t *held; /* (n) 1 = held out */

    const wn_pool *judge;      /* the rows to judge on, of this pool */
    const int64_t *judge_rows; /* (n_judge) or NULL = all */
    int32_t *truth;            /* (n_judge) class of the labels, -1 = none */
    int64_t n_judge, counted;  /* counted = of a class */
    int64_t *class_rows;       /* (classes) counted rows of each class */

    int64_t *rows, *class_right; /* (n), (classes) scratch */
    float *weights;              /* (n) scratch, zero between trials */
    int32_t *predicted;          /* (n_judge) scratch */

    wni_chance *chance; /* (n_chance) */
    int32_t n_chance, room;
} wni_trials;

/* Opens the rows to judge on and the rows to draw from. */
wn_status wni_trials_begin(wn_ctx *ctx, const wn_measure_input *in,
                           const wn_measure_selection_params *p, wni_trials *t);
void wni_trials_end(wni_trials *t);

/* Trains on the first `n` rows of a selection. *size = the distinct rows with a class among them. */
wn_status wni_trial_chosen(wni_trials *t, const wn_chosen *chosen, int64_t n, wni_grade *grade,
                           int64_t *size);
/* Trains on all candidates. */
wn_status wni_trial_whole(wni_trials *t, wni_grade *grade);
/* Trains on p->seeds random subsets of `size` rows, once for each size. *out belongs to the trials. */
wn_status wni_trial_chance(wni_trials *t, int64_t size, const wni_chance **out);

#endif
