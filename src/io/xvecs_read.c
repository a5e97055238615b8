/* SPDX-License-Identifier: Apache-2.0
 *
 * .fvecs .bvecs .ivecs (texmex): every row is an int32 d and then d elements. The d of each row is
 * checked when the row is read.
 */
#include "io/vecfile.h"

wn_status wni_read_xvecs(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                         char **label, wni_layout *out)
{
    unsigned char head[4];
    int64_t item, rest;
    wn_status st;

    out->format = wni_has_suffix(file->path, ".fvecs")   ? ".fvecs"
                  : wni_has_suffix(file->path, ".bvecs") ? ".bvecs"
                                                         : ".ivecs";
    out->dtype = out->format[1] == 'f' ? WN_F32 : out->format[1] == 'b' ? WN_U8 : WN_I32;
    item = (int64_t)wn_dtype_bytes((wn_dtype)out->dtype);
    if (file->bytes < 4)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found %lld bytes, too few for one row of %s; the file "
                        "is truncated",
                        *label, (long long)file->bytes, out->format);
    if ((st = wni_infile_read(ctx, file, 0, 4, head)) != WN_OK) return st;
    out->d = (int32_t)wni_le32(head);
    if (out->d < 1 || out->d > WN_DIM_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: the first row says it has %lld columns, expected 1 to %d; this is no "
                        "little-endian %s file",
                        *label, (long long)out->d, WN_DIM_MAX, out->format);
    out->prefix = 4;
    out->offset = 4;
    out->col_stride = item;
    out->row_stride = 4 + out->d * item;
    out->n = file->bytes / out->row_stride;
    rest = file->bytes % out->row_stride;
    if (rest && (want->rows == 0 || want->rows > out->n)) {
        char hint[64];
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: found %lld bytes, expected a multiple of %lld (rows of 4 bytes and %lld "
            "columns of %s); %lld bytes are missing at the end: copy it again%s",
            *label, (long long)file->bytes, (long long)out->row_stride, (long long)out->d,
            wn_dtype_name((wn_dtype)out->dtype), (long long)(out->row_stride - rest),
            wni_rows_hint(out->n, hint));
    }
    out->end = file->bytes - rest;
    out->swap = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && item > 1;
    return WN_OK;
}
