/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder form of a model.
 */
#ifndef WNI_MODEL_IO_H
#define WNI_MODEL_IO_H

#include "io/outdir.h"
#include "winnow/learn.h"

/* Writes weights.npy, intercept.npy and model.json; wn_model_load reads them. */
wn_status wni_model_save(wni_out *out, const wn_model *model);

#endif
