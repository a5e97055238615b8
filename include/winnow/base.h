/* SPDX-License-Identifier: Apache-2.0
 *
 * Words that every other header uses: version, status codes, element types, metrics.
 */
#ifndef WINNOW_BASE_H
#define WINNOW_BASE_H

#include <stddef.h>
#include <stdint.h>

#define WN_VERSION_MAJOR 0
#define WN_VERSION_MINOR 1
#define WN_VERSION_PATCH 0
#define WN_VERSION       "0.1.0"

#if defined(__GNUC__)
#define WN_API __attribute__((visibility("default")))
#else
#define WN_API
#endif

#ifdef __cplusplus
extern "C" {
#endif

/* Bounds of the engine. Row numbers are int64_t everywhere; labels and cluster counts fit int32_t. */
#define WN_ROWS_MAX ((int64_t)1 << 40)
#define WN_DIM_MAX  65536
#define WN_K_MAX    2147483647

/* What a fallible call returns. The text that explains it is wn_ctx_error(). */
typedef enum wn_status {
    WN_OK = 0,
    WN_E_USAGE = 2,  /* the call is wrong: unknown name, parameter out of bounds, missing input */
    WN_E_DATA = 3,   /* the data is wrong: bad file, bad row, k > n, an output that exists */
    WN_E_IO = 4,     /* the system failed: disk full, permission, a file that vanished */
    WN_E_NOMEM = 5,  /* an allocation failed */
    WN_E_BUDGET = 6, /* the run would not fit the memory budget; nothing was started */
    WN_E_CANCELLED = 7, /* the caller's cancel function asked to stop */
    WN_E_INTERNAL = 8   /* a broken promise of winnow's own: please report it */
} wn_status;

/* Element types of a pool. Every one of them is widened to f32, exactly or with one rounding. */
typedef enum wn_dtype {
    WN_F32 = 0,
    WN_F16,
    WN_BF16,
    WN_F64,
    WN_I8,
    WN_U8,
    WN_I32,
    WN_DTYPE_COUNT
} wn_dtype;

/* How rows are compared. Under WN_COSINE rows are scaled to unit length when they are read, once. */
typedef enum wn_metric { WN_L2 = 0, WN_COSINE, WN_METRIC_COUNT } wn_metric;

/* Name of a status, dtype or metric ("f16", "cosine"); "?" for a value outside the list. */
WN_API const char *wn_status_name(wn_status status);
WN_API const char *wn_dtype_name(wn_dtype dtype);
WN_API const char *wn_metric_name(wn_metric metric);

/* The reverse; -1 when the name is not known. */
WN_API int wn_dtype_from_name(const char *name);
WN_API int wn_metric_from_name(const char *name);

/* Bytes of one element; 0 for a value outside the list. */
WN_API size_t wn_dtype_bytes(wn_dtype dtype);

/* "0.1.0" of the library that is linked, which may be newer than the header. */
WN_API const char *wn_version(void);

#ifdef __cplusplus
}
#endif
#endif
