/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading rows of one file: from the mapping or by pread through a buffer on the stack, so that any
 * number of threads may read and nothing is allocated.
 */
#include <string.h>

#include "io/vecfile.h"
#include "kernels/kernels.h"

#define BUF_BYTES \
    65536 /* on the stack; sized for L1 and L2, and large enough to hide a system call */

static void swap_items(unsigned char *p, int64_t count, size_t item)
{
    for (int64_t i = 0; i < count; i++, p += item)
        for (size_t b = 0; b < item / 2; b++) {
            unsigned char t = p[b];
            p[b] = p[item - 1 - b];
            p[item - 1 - b] = t;
        }
}

static void widen(const wni_kernels *k, wn_dtype dtype, const void *src, float *dst, int64_t count)
{
    switch (dtype) {
    case WN_F32:
    case WN_DTYPE_COUNT:
        memcpy(dst, src, (size_t)count * sizeof *dst);
        return;
    case WN_F16:
        k->widen_f16(src, dst, count);
        return;
    case WN_BF16:
        k->widen_bf16(src, dst, count);
        return;
    case WN_F64:
        k->widen_f64(src, dst, count);
        return;
    case WN_I8:
        k->widen_i8(src, dst, count);
        return;
    case WN_U8:
        k->widen_u8(src, dst, count);
        return;
    case WN_I32:
        k->widen_i32(src, dst, count);
        return;
    }
}

static const unsigned char *mapped(const wni_vecfile *v, int64_t at)
{
    return v->map.data + (at - (v->offset - v->prefix));
}

/* Bytes [at, at + bytes) of the file into buf. */
static wn_status fetch(wn_ctx *ctx, const wni_vecfile *v, int64_t at, int64_t bytes, void *buf)
{
    if (!v->map.data) return wni_infile_read(ctx, &v->file, at, bytes, buf);
    memcpy(buf, mapped(v, at), (size_t)bytes);
    return WN_OK;
}

static wn_status check_prefix(wn_ctx *ctx, const wni_vecfile *v, int64_t row,
                              const unsigned char *p)
{
    int32_t d = (int32_t)wni_le32(p);

    if (d == v->d) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "%s: row %lld says it has %d columns, expected %lld as in row 0; the file is "
                    "damaged or of another format",
                    v->label, (long long)row, d, (long long)v->d);
}

/* Rows stored as rows. A piece is some whole rows, or some columns of one row that is longer than the
 * buffer; it comes into buf packed and in native byte order. */
typedef struct piece {
    int64_t row, rows, col, cols;
} piece;

static piece piece_at(const wni_vecfile *v, int64_t row, int64_t end, int64_t col)
{
    int64_t item = v->col_stride, stride = v->prefix + v->d * item;
    piece p = {row, 1, col, wni_min(v->d - col, (BUF_BYTES - 64) / item)};

    if (stride <= BUF_BYTES) p.rows = wni_min(end - row, BUF_BYTES / stride);
    return p;
}

static wn_status piece_read(wn_ctx *ctx, const wni_vecfile *v, const piece *p, unsigned char *buf)
{
    int64_t item = v->col_stride, bytes = p->cols * item;
    int64_t lead = p->col == 0 ? v->prefix : 0; /* the prefix stands before column 0 only */
    int64_t at = v->offset + p->row * v->row_stride + p->col * item - lead;
    wn_status st = fetch(ctx, v, at, (p->rows - 1) * v->row_stride + lead + bytes, buf);

    if (lead)
        for (int64_t i = 0; i < p->rows && st == WN_OK; i++) {
            st = check_prefix(ctx, v, p->row + i, buf + i * v->row_stride);
            memmove(buf + i * bytes, buf + i * v->row_stride + lead, (size_t)bytes);
        }
    if (st == WN_OK && v->swap) swap_items(buf, p->rows * p->cols, (size_t)item);
    return st;
}

static wn_status rows_floats(wn_ctx *ctx, const wni_vecfile *v, int64_t first, int64_t n,
                             float *out, int64_t ld)
{
    const wni_kernels *k = wni_kernels_of(ctx);
    _Alignas(64) unsigned char buf[BUF_BYTES];
    int64_t col = 0;
    wn_status st = WN_OK;

    if (v->map.data && !v->swap) { /* widened where they lie; kernels take any alignment */
        for (int64_t i = 0; i < n && st == WN_OK; i++) {
            const unsigned char *row = mapped(v, v->offset + (first + i) * v->row_stride);
            if (v->prefix) st = check_prefix(ctx, v, first + i, row - v->prefix);
            widen(k, v->dtype, row, out + i * ld, v->d);
        }
        return st;
    }
    for (int64_t i = 0; i < n && st == WN_OK;) {
        piece p = piece_at(v, first + i, first + n, col);
        st = piece_read(ctx, v, &p, buf);
        for (int64_t r = 0; r < p.rows && st == WN_OK; r++)
            widen(k, v->dtype, buf + r * p.cols * v->col_stride, out + (i + r) * ld + col, p.cols);
        col = col + p.cols == v->d ? 0 : col + p.cols;
        if (col == 0) i += p.rows;
    }
    return st;
}

static wn_status rows_raw(wn_ctx *ctx, const wni_vecfile *v, int64_t first, int64_t n,
                          unsigned char *out)
{
    _Alignas(64) unsigned char buf[BUF_BYTES];
    int64_t col = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n && st == WN_OK;) {
        piece p = piece_at(v, first + i, first + n, col);
        if ((st = piece_read(ctx, v, &p, buf)) != WN_OK) break;
        memcpy(out + (i * v->d + col) * v->col_stride, buf,
               (size_t)(p.rows * p.cols * v->col_stride));
        col = col + p.cols == v->d ? 0 : col + p.cols;
        if (col == 0) i += p.rows;
    }
    return st;
}

/* Rows stored as columns (Fortran order): each column of the wanted rows is one run of the file. */
static wn_status columns(wn_ctx *ctx, const wni_vecfile *v, int64_t first, int64_t n, float *floats,
                         int64_t ld, unsigned char *raw)
{
    const wni_kernels *k = wni_kernels_of(ctx);
    _Alignas(64) unsigned char buf[BUF_BYTES / 2];
    _Alignas(64) float wide[BUF_BYTES / 2 / sizeof(float)];
    int64_t item = v->row_stride;
    int64_t room = wni_min((int64_t)sizeof buf / item, (int64_t)(sizeof wide / sizeof wide[0]));
    wn_status st = WN_OK;

    for (int64_t j = 0; j < v->d; j++)
        for (int64_t i = 0; i < n; i += room) {
            int64_t count = wni_min(n - i, room);
            st = fetch(ctx, v, v->offset + j * v->col_stride + (first + i) * item, count * item,
                       buf);
            if (st != WN_OK) return st;
            if (v->swap) swap_items(buf, count, (size_t)item);
            if (raw) {
                for (int64_t r = 0; r < count; r++)
                    memcpy(raw + ((i + r) * v->d + j) * item, buf + r * item, (size_t)item);
            } else {
                widen(k, v->dtype, buf, wide, count);
                for (int64_t r = 0; r < count; r++)
                    floats[(i + r) * ld + j] = wide[r];
            }
        }
    return st;
}

wn_status wni_vecfile_floats(wn_ctx *ctx, const wni_vecfile *v, int64_t first, int64_t n,
                             float *out, int64_t ld)
{
    if (ld > v->d)
        for (int64_t i = 0; i < n; i++)
            memset(out + i * ld + v->d, 0, (size_t)(ld - v->d) * sizeof *out);
    if (wni_vecfile_by_column(v)) return columns(ctx, v, first, n, out, ld, NULL);
    return rows_floats(ctx, v, first, n, out, ld);
}

wn_status wni_vecfile_raw(wn_ctx *ctx, const wni_vecfile *v, int64_t first, int64_t n, void *out)
{
    if (wni_vecfile_by_column(v)) return columns(ctx, v, first, n, NULL, 0, out);
    return rows_raw(ctx, v, first, n, out);
}

void wni_vecfile_ahead(const wni_vecfile *v, int64_t first, int64_t n)
{
    int64_t at = v->offset - v->prefix + first * v->row_stride;

    if (wni_vecfile_by_column(v) || n <= 0) return;
    if (v->map.base)
        wni_mapping_ahead(&v->map, at - (v->offset - v->prefix), n * v->row_stride);
    else if (!v->map.data)
        wni_infile_ahead(&v->file, at, n * v->row_stride);
}
