/* SPDX-License-Identifier: Apache-2.0 */
#ifndef WNI_SELECT_ROWS_H
#define WNI_SELECT_ROWS_H

#include "winnow/select.h"

/* The number of rows to choose from. */
static inline int64_t wni_select_rows(const wn_select_input *in)
{
    return in->pool ? wn_pool_rows(in->pool) : in->n;
}

#endif
