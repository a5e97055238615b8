/* SPDX-License-Identifier: Apache-2.0
 *
 * .fbin .u8bin .i8bin .ibin (big-ann-benchmarks): uint32 n, uint32 d, then n * d elements.
 */
#include "io/vecfile.h"

static const struct {
    const char *suffix;
    int32_t dtype;
} kinds[] = {{".fbin", WN_F32}, {".u8bin", WN_U8}, {".i8bin", WN_I8}, {".ibin", WN_I32}};

wn_status wni_read_bigann(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                          char **label, wni_layout *out)
{
    unsigned char head[8];
    int64_t item;
    wn_status st;

    (void)want;
    for (size_t i = 0; i < sizeof kinds / sizeof kinds[0]; i++)
        if (wni_has_suffix(file->path, kinds[i].suffix)) {
            out->format = kinds[i].suffix;
            out->dtype = kinds[i].dtype;
        }
    if (file->bytes < 8)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found %lld bytes, the header of %s alone has 8; the file is truncated",
                        *label, (long long)file->bytes, out->format);
    if ((st = wni_infile_read(ctx, file, 0, 8, head)) != WN_OK) return st;
    item = (int64_t)wn_dtype_bytes((wn_dtype)out->dtype);
    out->n = (int64_t)wni_le32(head);
    out->d = (int64_t)wni_le32(head + 4);
    /* Ground truth has the same name: n x k neighbour numbers, then n x k distances. */
    if (out->dtype == WN_I32 && out->n > 0 && out->d > 0 && out->d <= WN_DIM_MAX &&
        file->bytes == 8 + 8 * out->n * out->d)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: this is kNN ground truth (%lld queries, %lld neighbours, ids and then "
                        "distances), not vectors; give the vectors it belongs to",
                        *label, (long long)out->n, (long long)out->d);
    out->offset = 8;
    out->end = file->bytes;
    out->col_stride = item;
    out->row_stride = out->d * item;
    out->swap = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && item > 1;
    return WN_OK;
}
