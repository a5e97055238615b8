/* SPDX-License-Identifier: Apache-2.0
 *
 * The header of .npy, versions 1 to 3: a length and a Python dict literal with exactly three keys.
 */
#ifndef WNI_NPY_HEADER_H
#define WNI_NPY_HEADER_H

#include "base/ctx_impl.h"

#define WNI_NPY_DIMS 8
#define WNI_NPY_HEAD 65536 /* bytes of a file's beginning that surely hold a sane header */

typedef struct wni_npy_header {
    int64_t data_at; /* offset of the first element */
    char descr[256]; /* "<f4"; a structured type's list as it stands in the file */
    int structured;
    int fortran_order;
    int dims;
    int64_t shape[WNI_NPY_DIMS];
} wni_npy_header;

/* Parses the first `bytes` of a file. WN_E_DATA names `path`: no magic (with what to do about raw data),
 * unknown version, a header that is longer than what is there, a dict that is not numpy's. */
wn_status wni_npy_header_parse(wn_ctx *ctx, const char *path, const void *head, size_t bytes,
                               wni_npy_header *out);

/* The header that winnow writes, into buf; its bytes, a multiple of 64, or 0 when it does not fit. */
#define WNI_NPY_HEADER_MAX 512
size_t wni_npy_header_text(char buf[WNI_NPY_HEADER_MAX], const char *descr, const int64_t *shape,
                           int dims);

#endif
