/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WNI_SELECT_REPRESENTATIVES_H
#define WNI_SELECT_REPRESENTATIVES_H

#include "base/ctx_impl.h"
#include "scan/scan.h"
#include "select/rep_levels.h"
#include "winnow/select.h"

struct wn_representatives {
    wn_ctx *ctx;
    const wn_pool *pool;
    wn_select_submodular_dynamic_params p;
    wni_mat witness;
    double scale; /* of squared distances under L2 */
    wni_rep_table table;
    int64_t live, places; /* live rows; slots ever used */
    int32_t *slot;        /* (n) of each row, -1 = not live */
    int64_t *row;         /* (room) */
    int32_t *free_slot;   /* (room) */
    int64_t n_free;
    int32_t *incoming; /* (n_incoming) slots of this update */
    int64_t n_incoming;

    int32_t guesses;
    uint32_t *tau;         /* (guesses) ascending */
    int64_t *at;           /* (guesses) live rows whose single value has this as the largest tau */
    wni_rep_chain **chain; /* (guesses) NULL = out of range */
    int32_t *active;       /* (guesses) those with a chain */
    int32_t n_active;
    int32_t low, high; /* guesses that are needed now */
    int broken;
};

/* What the full similarity of one witness counts in the table. */
static inline int64_t wni_rep_unit(const wn_representatives *r)
{
    return r->p.objective == WN_COVER_COUNT ? 1 : 65535;
}

/* WN_E_USAGE when an update failed before. */
wn_status wni_rep_usable(wn_representatives *r);

/* Upper bound of what representatives allocate while at most `live` rows are live and room was made for
 * them at the start. */
int64_t wni_representatives_bytes(const wn_ctx *ctx, const wn_pool *pool,
                                  const wn_select_submodular_dynamic_params *p, int64_t live);

/* Nonzero when the row is there. */
int wni_representatives_is_live(const wn_representatives *r, int64_t row);

/* The guess after tau, a whole number: at most 1 + epsilon times as large, or the next whole number. */
double wni_rep_next(double tau, double epsilon);

#endif
