/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of a sampler, and the checks that the family's file-level run shares with it.
 */
#ifndef WNI_SAMPLER_H
#define WNI_SAMPLER_H

#include "base/ctx_impl.h"
#include "winnow/batch.h"

struct wn_sampler {
    wn_ctx *ctx;
    const wn_method *method;
    const wn_batch_ops *ops;
    wn_batch_params *p; /* the whole struct of the method, which begins like this */
    int64_t n;          /* rows to draw from */
    int64_t *rows;      /* (n) their numbers in the pool; NULL = 0..n-1 */
    uint64_t inputs;    /* hash of what it draws from */
    void *state;
    int64_t epoch, b; /* where it stands */
};

/* Checks an input as it is given, and the method's estimate, the sampler's own part included. */
wn_status wni_sampler_check(wn_ctx *ctx, const wn_method *method, const wn_batch_input *in,
                            const void *params, wn_estimate *estimate);

/* wn_sampler_batch, which asks now and then whether to stop: only inside a call of the library. */
wn_status wni_sampler_batch(const wn_sampler *s, int64_t epoch, int64_t b, int poll, int64_t *rows,
                            int64_t *count);

#endif
