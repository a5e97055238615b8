/* SPDX-License-Identifier: Apache-2.0
 *
 * Which format a file has, and the checks that all formats share: the sizes that a header claims against
 * the bytes that are there. A header is never believed before that.
 */
#include <stdio.h>
#include <string.h>

#include "io/vecfile.h"

const char *wni_rows_hint(int64_t whole, char buf[64])
{
    buf[0] = 0;
    if (whole > 0) snprintf(buf, 64, ", or read the whole rows with --rows %lld", (long long)whole);
    return buf;
}

wn_status wni_member_label(wn_ctx *ctx, const wni_infile *file, const char *member, size_t length,
                           char **label)
{
    char *text = wni_format(ctx, "%s:%.*s", file->path, (int)wni_min((int64_t)length, 200), member);

    if (!text) return WN_E_NOMEM;
    wni_free(ctx, *label);
    *label = text;
    return WN_OK;
}

wn_status wni_member_split(wn_ctx *ctx, const char *path, char **file, const char **member)
{
    const char *colon = wni_file_exists(path) ? NULL : strchr(path, ':');

    *member = NULL;
    if (!(*file = wni_strdup(ctx, path))) return WN_E_NOMEM;
    for (; colon; colon = strchr(colon + 1, ':')) {
        size_t length = (size_t)(colon - path);
        (*file)[length] = 0;
        if (length > 0 && colon[1] &&
            (wni_has_suffix(*file, ".npz") || wni_has_suffix(*file, ".safetensors") ||
             wni_has_suffix(*file, ".hdf5") || wni_has_suffix(*file, ".h5") ||
             wni_file_exists(*file))) {
            *member = colon + 1;
            return WN_OK;
        }
        (*file)[length] = ':';
    }
    return WN_OK;
}

/* ---- formats --------------------------------------------------------------------------------- */

/* Raw: rows of `dim` elements of `dtype`, nothing else. */
static wn_status read_raw(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                          char **label, wni_layout *out)
{
    int64_t item = (int64_t)wn_dtype_bytes((wn_dtype)want->dtype), rest;

    out->format = "raw data";
    out->dtype = want->dtype;
    out->d = want->dim;
    out->col_stride = item;
    out->row_stride = out->d * item;
    out->n = file->bytes / out->row_stride;
    rest = file->bytes % out->row_stride;
    if (rest && (want->rows == 0 || want->rows > out->n)) {
        char hint[64];
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: found %lld bytes of raw data, expected a multiple of %lld (%lld columns "
            "of %s); check --dim and --dtype%s",
            *label, (long long)file->bytes, (long long)out->row_stride, (long long)out->d,
            wn_dtype_name((wn_dtype)want->dtype), wni_rows_hint(out->n, hint));
    }
    out->end = file->bytes - rest;
    out->swap = __BYTE_ORDER__ == __ORDER_BIG_ENDIAN__ && item > 1;
    return WN_OK;
}

static wn_status unknown(wn_ctx *ctx, const char *path)
{
    static const char *const tables[] = {".parquet", ".arrow", ".pt", ".pkl"};
    static const char *const packed[] = {".gz", ".zst", ".xz", ".bz2", ".zip"};

    if (wni_has_suffix(path, ".npy"))
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: is not .npy (it does not begin with \\x93NUMPY); if it is raw data, as "
            "np.memmap writes it, say --dtype and --dim",
            path);
    for (size_t i = 0; i < sizeof tables / sizeof tables[0]; i++)
        if (wni_has_suffix(path, tables[i]))
            return wni_fail(ctx, WN_E_DATA,
                            "%s: winnow does not read %s; save the vectors as .npy with numpy, "
                            "np.save(p, a.astype('float32'))",
                            path, tables[i]);
    for (size_t i = 0; i < sizeof packed / sizeof packed[0]; i++)
        if (wni_has_suffix(path, packed[i]))
            return wni_fail(ctx, WN_E_DATA,
                            "%s: vectors are not read from compressed files; unpack "
                            "it first",
                            path);
    return wni_fail(
        ctx, WN_E_DATA,
        "%s: found no known vector format, expected .npy .npz .fvecs .bvecs .ivecs .fbin "
        ".u8bin .i8bin .ibin .safetensors .hdf5; if it is raw data, say --dtype and --dim",
        path);
}

static wn_status choose_reader(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                               wni_layout_reader *reader)
{
    static const char *const xvecs[] = {".fvecs", ".bvecs", ".ivecs"};
    static const char *const bigann[] = {".fbin", ".u8bin", ".i8bin", ".ibin"};
    unsigned char head[9] = {0};
    bool raw = want->dtype >= 0 && want->dim > 0;
    wn_status st = wni_infile_read(ctx, file, 0, wni_min(file->bytes, (int64_t)sizeof head), head);

    *reader = NULL;
    if (st != WN_OK) return st;
    if (memcmp(head, "\x93NUMPY", 6) == 0) *reader = wni_read_npy;
    for (size_t i = 0; i < 3 && !*reader; i++)
        if (wni_has_suffix(file->path, xvecs[i])) *reader = wni_read_xvecs;
    for (size_t i = 0; i < 4 && !*reader; i++)
        if (wni_has_suffix(file->path, bigann[i])) *reader = wni_read_bigann;
    /* "PK" opens every zip; an empty one begins with its end record. */
    if (!*reader && (memcmp(head, "PK\3\4", 4) == 0 || memcmp(head, "PK\5\6", 4) == 0 ||
                     wni_has_suffix(file->path, ".npz")))
        *reader = wni_read_npz;
    if (!*reader && (wni_has_suffix(file->path, ".safetensors") ||
                     (!raw && head[8] == '{' && wni_le64(head) <= (uint64_t)file->bytes)))
        *reader = wni_read_safetensors;
    if (!*reader && (memcmp(head, "\x89HDF\r\n\x1a\n", 8) == 0 ||
                     wni_has_suffix(file->path, ".hdf5") || wni_has_suffix(file->path, ".h5")))
        *reader = wni_read_hdf5;
    if (!*reader && raw) *reader = read_raw;
    return *reader ? WN_OK : unknown(ctx, file->path);
}

/* ---- what the header claims against what is there ------------------------------------------------- */

static wn_status check_wants(wn_ctx *ctx, const char *label, const wni_vecfile_want *want,
                             const wni_layout *a)
{
    if (a->n < 0 || a->n > WN_ROWS_MAX || a->d < 0 || a->d > WN_DIM_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found shape (%lld, %lld), expected at most %lld rows and %d columns",
                        label, (long long)a->n, (long long)a->d, (long long)WN_ROWS_MAX,
                        WN_DIM_MAX);
    if (a->n == 0 || a->d == 0)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found shape (%lld, %lld), expected at least one row and one column; "
                        "give one with rows, or leave it out",
                        label, (long long)a->n, (long long)a->d);
    if (want->dtype >= 0 && want->dtype != a->dtype)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: the file holds %s, --dtype says %s; leave --dtype out, it is for raw "
                        "data only",
                        label, wn_dtype_name((wn_dtype)a->dtype),
                        wn_dtype_name((wn_dtype)want->dtype));
    if (want->dim > 0 && want->dim != a->d)
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: the file has %lld columns, --dim says %lld; leave --dim out, it is for "
            "raw data only",
            label, (long long)a->d, (long long)want->dim);
    return WN_OK;
}

/* Bytes from the first element to the end of the last one of the first `n` rows. */
static int64_t span(const wni_layout *a, int64_t n)
{
    return (n - 1) * a->row_stride + (a->d - 1) * a->col_stride +
           (int64_t)wn_dtype_bytes((wn_dtype)a->dtype);
}

static wn_status check_sizes(wn_ctx *ctx, const char *label, const wni_vecfile_want *want,
                             wni_layout *a)
{
    int64_t have = a->end - a->offset, need, rows = a->n;
    const char *type = wn_dtype_name((wn_dtype)a->dtype);

    if (want->rows > 0 && want->rows < a->n) rows = want->rows;
    need = span(a, rows);
    if (need > have) {
        int64_t tail = span(a, 1), whole = have < tail ? 0 : (have - tail) / a->row_stride + 1;
        char hint[64];
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: the header says %lld rows of %lld columns of %s, %lld bytes; found %lld "
            "bytes, %lld are missing: copy the file again%s",
            label, (long long)a->n, (long long)a->d, type, (long long)need, (long long)have,
            (long long)(need - have), wni_rows_hint(whole, hint));
    }
    if (need < have && want->rows == 0)
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: the header says %lld rows of %lld columns of %s, %lld bytes; found %lld "
            "bytes more behind them: mend the header, or read what it says with --rows "
            "%lld",
            label, (long long)a->n, (long long)a->d, type, (long long)need,
            (long long)(have - need), (long long)a->n);
    a->n = rows;
    return WN_OK;
}

wn_status wni_vecfile_open(wn_ctx *ctx, const char *path, const wni_vecfile_want *want,
                           wni_vecfile *out)
{
    wni_layout a = {0};
    wni_layout_reader reader;
    wn_status st;

    memset(out, 0, sizeof *out);
    out->file.fd = -1;
    WNI_TRY(wni_infile_open(ctx, path, &out->file));
    if (!(out->label = wni_strdup(ctx, path))) {
        st = WN_E_NOMEM;
        goto done;
    }
    if (out->file.bytes == 0) {
        st = wni_fail(ctx, WN_E_DATA, "%s: the file is empty; leave it out or copy it again", path);
        goto done;
    }
    WNI_TRY(choose_reader(ctx, &out->file, want, &reader));
    if (want->member && reader != wni_read_npz && reader != wni_read_safetensors &&
        reader != wni_read_hdf5 && reader != wni_read_npy) {
        st = wni_fail(
            ctx, WN_E_USAGE,
            "%s: member '%s' was asked for; only .npz, .safetensors and .hdf5 have members", path,
            want->member);
        goto done;
    }
    WNI_TRY(reader(ctx, &out->file, want, &out->label, &a));
    WNI_TRY(check_wants(ctx, out->label, want, &a));
    WNI_TRY(check_sizes(ctx, out->label, want, &a));
    out->n = a.n;
    out->d = a.d;
    out->dtype = (wn_dtype)a.dtype;
    out->offset = a.offset;
    out->row_stride = a.row_stride;
    out->col_stride = a.col_stride;
    out->prefix = a.prefix;
    out->swap = a.swap;
done:
    if (st != WN_OK) wni_vecfile_close(ctx, out);
    return st;
}

void wni_vecfile_close(wn_ctx *ctx, wni_vecfile *v)
{
    wni_mapping_free(ctx, &v->map);
    wni_infile_close(ctx, &v->file);
    wni_free(ctx, v->label);
    v->label = NULL;
}

void wni_vecfile_wrap(const void *rows, int64_t n, int64_t d, wn_dtype dtype, wni_vecfile *out)
{
    memset(out, 0, sizeof *out);
    out->file.fd = -1;
    out->map.data = rows; /* no base: not ours to unmap */
    out->n = n;
    out->d = d;
    out->dtype = dtype;
    out->col_stride = (int64_t)wn_dtype_bytes(dtype);
    out->row_stride = d * out->col_stride;
}

int64_t wni_vecfile_span(const wni_vecfile *v)
{
    return v->prefix + (v->n - 1) * v->row_stride + (v->d - 1) * v->col_stride +
           (int64_t)wn_dtype_bytes(v->dtype);
}

wn_status wni_vecfile_map(wn_ctx *ctx, wni_vecfile *v)
{
    wn_status st =
        wni_infile_map(ctx, &v->file, v->offset - v->prefix, wni_vecfile_span(v), &v->map);

    if (st == WN_OK && v->map.data) wni_infile_rest(&v->file);
    return st;
}

wn_status wni_vecfile_unmap(wn_ctx *ctx, wni_vecfile *v, bool keep_open)
{
    wn_status st = WN_OK;

    if (!v->map.base) return WN_OK; /* not mapped, or memory of the caller */
    if (keep_open) st = wni_infile_wake(ctx, &v->file);
    if (st == WN_OK) wni_mapping_free(ctx, &v->map);
    return st;
}
