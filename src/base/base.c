/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "winnow/base.h"

static const struct {
    const char *name;
    size_t bytes;
} dtypes[WN_DTYPE_COUNT] = {
    [WN_F32] = {"f32", 4}, [WN_F16] = {"f16", 2}, [WN_BF16] = {"bf16", 2}, [WN_F64] = {"f64", 8},
    [WN_I8] = {"i8", 1},   [WN_U8] = {"u8", 1},   [WN_I32] = {"i32", 4},
};

static const char *const metrics[WN_METRIC_COUNT] = {"l2", "cosine"};

const char *wn_status_name(wn_status status)
{
    switch (status) {
    case WN_OK:
        return "ok";
    case WN_E_USAGE:
        return "usage";
    case WN_E_DATA:
        return "data";
    case WN_E_IO:
        return "io";
    case WN_E_NOMEM:
        return "nomem";
    case WN_E_BUDGET:
        return "budget";
    case WN_E_CANCELLED:
        return "cancelled";
    case WN_E_INTERNAL:
        return "internal";
    }
    return "?";
}

const char *wn_dtype_name(wn_dtype dtype)
{
    return (unsigned)dtype < WN_DTYPE_COUNT ? dtypes[dtype].name : "?";
}

const char *wn_metric_name(wn_metric metric)
{
    return (unsigned)metric < WN_METRIC_COUNT ? metrics[metric] : "?";
}

int wn_dtype_from_name(const char *name)
{
    for (int i = 0; i < WN_DTYPE_COUNT; i++)
        if (strcmp(dtypes[i].name, name) == 0) return i;
    return -1;
}

int wn_metric_from_name(const char *name)
{
    for (int i = 0; i < WN_METRIC_COUNT; i++)
        if (strcmp(metrics[i], name) == 0) return i;
    return -1;
}

size_t wn_dtype_bytes(wn_dtype dtype)
{
    return (unsigned)dtype < WN_DTYPE_COUNT ? dtypes[dtype].bytes : 0;
}

const char *wn_version(void)
{
    return WN_VERSION;
}
