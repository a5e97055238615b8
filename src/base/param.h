/* SPDX-License-Identifier: Apache-2.0
 *
 * What the families need of parameters beside winnow/method.h.
 */
#ifndef WNI_PARAM_H
#define WNI_PARAM_H

#include "base/ctx_impl.h"
#include "winnow/method.h"

/* The parameter of this name ("-" and "_" are the same), or NULL. */
const wn_param *wni_param_find(const wn_method *method, const char *name);

/* Defaults, then the caller's values over them (given NULL = none; an older, shorter struct keeps the
 * defaults of the fields it does not have), then the bounds. params has method->params_bytes. */
wn_status wni_params_complete(wn_ctx *ctx, const wn_method *method, const void *given,
                              void *params);

/* The number at the start of `text`, as a parameter has it; *end is behind it, or `text` where there is none. */
double wni_param_number(const char *text, const char **end);

/* Finite numbers separated by commas ("0.99,0.9") into v (max), as a text parameter holds them. How many
 * there are; -1 = none, more than max, or something else. */
int wni_reals_of_text(const char *text, double *v, int max);

#endif
