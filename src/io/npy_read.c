/* SPDX-License-Identifier: Apache-2.0
 *
 * .npy as a pool: which element types are vectors, and what to say about the others.
 */
#include <string.h>

#include "io/vecfile.h"

static const struct {
    const char *code;
    int32_t dtype;
} types[] = {{"f4", WN_F32}, {"f2", WN_F16}, {"f8", WN_F64},
             {"i1", WN_I8},  {"u1", WN_U8},  {"i4", WN_I32}};

#define HOST_BIG (__BYTE_ORDER__ == __ORDER_BIG_ENDIAN__)

int32_t wni_npy_dtype(const char *descr, int32_t want_dtype, int32_t *swap)
{
    char order = descr[0];

    *swap = 0;
    if (order != '<' && order != '>' && order != '|' && order != '=') return -1;
    descr++;
    /* ml_dtypes' bfloat16 has no name in .npy: numpy writes it as two bytes of nothing. */
    if (strcmp(descr, "V2") == 0 && want_dtype == WN_BF16) {
        *swap = order == '>' ? !HOST_BIG : HOST_BIG;
        return WN_BF16;
    }
    for (size_t i = 0; i < sizeof types / sizeof types[0]; i++)
        if (strcmp(descr, types[i].code) == 0) {
            bool wide = descr[1] != '1';
            if (wide && order == '|') return -1;
            *swap = wide && (order == '>' ? !HOST_BIG : order == '<' && HOST_BIG);
            return types[i].dtype;
        }
    return -1;
}

wn_status wni_npy_header_at(wn_ctx *ctx, const wni_infile *file, const char *label, int64_t at,
                            int64_t end, wni_npy_header *header)
{
    int64_t bytes = wni_min(end - at, WNI_NPY_HEAD);
    unsigned char *head = NULL;
    int64_t length;
    wn_status st;

    WNI_NEW(ctx, head, bytes);
    WNI_TRY(wni_infile_read(ctx, file, at, bytes, head));
    /* A sane header fits what was read; one that does not is told apart from a file that is too short. */
    if (bytes >= 12 && memcmp(head, "\x93NUMPY", 6) == 0) {
        length = head[6] == 1 ? 10 + (int64_t)wni_le16(head + 8) : 12 + (int64_t)wni_le32(head + 8);
        if (length > bytes && length <= end - at) {
            st = wni_fail(ctx, WN_E_DATA,
                          "%s: the .npy header says it has %lld bytes, expected at most %d; the "
                          "file is damaged or holds no plain array",
                          label, (long long)length, WNI_NPY_HEAD);
            goto done;
        }
    }
    st = wni_npy_header_parse(ctx, label, head, (size_t)bytes, header);
done:
    wni_free(ctx, head);
    return st;
}

static wn_status bad_dtype(wn_ctx *ctx, const char *label, const wni_npy_header *h)
{
    if (strchr(h->descr, 'O'))
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: holds Python objects (descr %s), that is a pickle, as "
            "ssl-data-curation writes sorted_clusters.npy; winnow never unpickles: save "
            "a plain array with numpy, np.save(p, a.astype('float32'))",
            label, h->descr);
    if (h->structured)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: holds records (descr %s), expected rows of numbers: save one field as "
                        "a two-dimensional array",
                        label, h->descr);
    if (strcmp(h->descr + (h->descr[0] != 0), "V2") == 0)
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: holds 2-byte void (descr %s), as numpy writes bfloat16; if it is that, "
            "say --dtype bf16",
            label, h->descr);
    return wni_fail(ctx, WN_E_DATA,
                    "%s: found element type %s, expected one of f2 f4 f8 i1 u1 i4; convert it with "
                    "numpy, np.save(p, a.astype('float32'))",
                    label, h->descr);
}

wn_status wni_npy_layout(wn_ctx *ctx, const char *label, const wni_npy_header *h,
                         const wni_vecfile_want *want, int64_t at, int64_t end, wni_layout *out)
{
    int32_t swap, dtype = h->structured ? -1 : wni_npy_dtype(h->descr, want->dtype, &swap);
    int64_t item;

    if (dtype < 0) return bad_dtype(ctx, label, h);
    if (h->dims == 1)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found shape (%lld,), expected (rows, columns); reshape it with numpy, "
                        "np.save(p, a.reshape(-1, columns))",
                        label, (long long)h->shape[0]);
    if (h->dims != 2)
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: found an array of %d dimensions, expected 2 (rows, columns); reshape it "
            "with numpy, np.save(p, a.reshape(len(a), -1))",
            label, h->dims);
    item = (int64_t)wn_dtype_bytes((wn_dtype)dtype);
    out->n = h->shape[0];
    out->d = h->shape[1];
    out->dtype = dtype;
    out->swap = swap;
    out->offset = at + h->data_at;
    out->end = end;
    out->format = ".npy";
    if (out->d > WN_DIM_MAX || out->n > WN_ROWS_MAX) return WN_OK; /* refused with the sizes */
    if (h->fortran_order && out->n > 1 && out->d > 1) {
        out->row_stride = item;
        out->col_stride = out->n * item;
    } else {
        out->row_stride = out->d * item;
        out->col_stride = item;
    }
    return WN_OK;
}

wn_status wni_read_npy(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                       char **label, wni_layout *out)
{
    wni_npy_header header;
    wn_status st = wni_npy_header_at(ctx, file, *label, 0, file->bytes, &header);

    if (st != WN_OK) return st;
    if (want->member)
        return wni_fail(ctx, WN_E_USAGE,
                        "%s: a .npy file holds one array, member '%s' was asked for; leave it out",
                        *label, want->member);
    return wni_npy_layout(ctx, *label, &header, want, 0, file->bytes, out);
}
