/* SPDX-License-Identifier: Apache-2.0
 *
 * Writing .npy: version 1.0, C order, data at a multiple of 64.
 */
#include <errno.h>
#include <stdio.h>
#include <string.h>

#include "io/memfolder.h"
#include "io/npy_header.h"
#include "io/outdir.h"

#define HEADER_MAX WNI_NPY_HEADER_MAX

struct wni_npy_writer {
    wn_ctx *ctx;
    const char *path;
    FILE *f;
    size_t row_bytes;
    int64_t rows, written;

    /* Of an output in memory, which has no file. */
    wn_folder *folder;
    char *data, name[128], descr[16];
    int64_t d;
};

size_t wni_npy_header_text(char buf[WNI_NPY_HEADER_MAX], const char *descr, const int64_t *shape,
                           int dims)
{
    const char *quote = descr[0] == '[' ? "" : "'"; /* a structured type is a list, not a string */
    char dict[HEADER_MAX];
    size_t total;
    int length = snprintf(dict, sizeof dict, "{'descr': %s%s%s, 'fortran_order': False, 'shape': (",
                          quote, descr, quote);

    for (int i = 0; i < dims && length < HEADER_MAX; i++)
        length += snprintf(dict + length, sizeof dict - (size_t)length, "%s%lld", i ? ", " : "",
                           (long long)shape[i]);
    if (length < HEADER_MAX)
        length +=
            snprintf(dict + length, sizeof dict - (size_t)length, "%s), }", dims == 1 ? "," : "");
    total = (10 + (size_t)length + 1 + 63) / 64 * 64;
    if (total > HEADER_MAX) return 0;
    memset(buf, ' ', total);
    memcpy(buf, "\x93NUMPY\x01\x00", 8);
    buf[8] = (char)((total - 10) & 0xff);
    buf[9] = (char)((total - 10) >> 8);
    memcpy(buf + 10, dict, (size_t)length);
    buf[total - 1] = '\n';
    return total;
}

static wn_status write_fail(wn_ctx *ctx, const char *path)
{
    return wni_fail(ctx, WN_E_IO, "%s: cannot write: %s", path, strerror(errno));
}

static wn_status begin(wni_out *out, wn_ctx *ctx, const char *name, const char *descr,
                       const int64_t *shape, int dims, wni_npy_writer *w)
{
    char buf[HEADER_MAX];
    size_t bytes = wni_npy_header_text(buf, descr, shape, dims);
    wn_status st = wni_out_path(out, name, &w->path);

    w->ctx = ctx;
    if (st != WN_OK) return st;
    if (bytes == 0) return wni_fail(ctx, WN_E_INTERNAL, "%s: array header too long", w->path);
    if (!(w->f = fopen(w->path, "wb"))) return write_fail(ctx, w->path);
    return fwrite(buf, 1, bytes, w->f) == bytes ? WN_OK : write_fail(ctx, w->path);
}

static wn_status end(wni_npy_writer *w, wn_status st)
{
    if (w->f && fclose(w->f) && st == WN_OK) st = write_fail(w->ctx, w->path);
    return st;
}

wn_status wni_out_npy(wni_out *out, const char *name, const char *descr, size_t item,
                      const int64_t *shape, int dims, const void *data)
{
    wn_ctx *ctx = wni_out_ctx(out);
    wni_npy_writer w = {0};
    size_t count = 1;
    wn_status st;

    for (int i = 0; i < dims; i++)
        count *= (size_t)shape[i];
    if (wni_out_folder(out)) {
        void *copy = wni_alloc(ctx, (int64_t)count, item);
        if (!copy) return WN_E_NOMEM;
        if (count) memcpy(copy, data, count * item);
        return wni_memfolder_give(wni_out_folder(out), name ? name : "data", descr, dims, shape,
                                  copy, (int64_t)(count * item));
    }
    st = begin(out, ctx, name, descr, shape, dims, &w);
    if (st == WN_OK && count && fwrite(data, item, count, w.f) != count)
        st = write_fail(ctx, w.path);
    return end(&w, st);
}

wn_status wni_npy_writer_new(wni_out *out, const char *name, const char *descr, size_t item,
                             int64_t n, int64_t d, wni_npy_writer **writer)
{
    const int64_t shape[2] = {n, d};
    wn_ctx *ctx = wni_out_ctx(out);
    wni_npy_writer *w = wni_calloc(ctx, 1, sizeof *w);
    wn_status st;

    *writer = NULL;
    if (!w) return WN_E_NOMEM;
    w->row_bytes = (size_t)d * item;
    w->rows = n;
    if ((w->folder = wni_out_folder(out))) {
        snprintf(w->name, sizeof w->name, "%s", name ? name : "data");
        snprintf(w->descr, sizeof w->descr, "%s", descr);
        w->d = d;
        w->ctx = ctx;
        w->path = w->name;
        if (!(w->data = wni_alloc(ctx, n, w->row_bytes))) {
            wni_free(ctx, w);
            return WN_E_NOMEM;
        }
        *writer = w;
        return WN_OK;
    }
    st = begin(out, ctx, name, descr, shape, 2, w);
    if (st != WN_OK) {
        (void)end(w, st);
        wni_free(ctx, w);
        return st;
    }
    *writer = w;
    return WN_OK;
}

wn_status wni_npy_writer_add(wni_npy_writer *w, int64_t rows, const void *data)
{
    if (rows > w->rows - w->written)
        return wni_fail(w->ctx, WN_E_INTERNAL, "%s: more rows than the %lld announced", w->path,
                        (long long)w->rows);
    if (w->folder) {
        if (rows)
            memcpy(w->data + (size_t)w->written * w->row_bytes, data, (size_t)rows * w->row_bytes);
        w->written += rows;
        return WN_OK;
    }
    w->written += rows;
    if (rows && fwrite(data, w->row_bytes, (size_t)rows, w->f) != (size_t)rows)
        return write_fail(w->ctx, w->path);
    return WN_OK;
}

wn_status wni_npy_writer_end(wni_npy_writer *w, int keep)
{
    wn_status st = WN_OK;
    wn_ctx *ctx;

    if (!w) return WN_OK;
    ctx = w->ctx;
    if (keep && w->written != w->rows)
        st = wni_fail(ctx, WN_E_INTERNAL, "%s: %lld of %lld rows came", w->path,
                      (long long)w->written, (long long)w->rows);
    if (w->folder) {
        if (keep && st == WN_OK)
            st = wni_memfolder_give(w->folder, w->name, w->descr, 2, (int64_t[]){w->rows, w->d},
                                    w->data, w->rows * (int64_t)w->row_bytes);
        else
            wni_free(ctx, w->data);
        wni_free(ctx, w);
        return st;
    }
    if (keep)
        st = end(w, st);
    else if (w->f)
        fclose(w->f); /* the file goes with the unfinished output */
    wni_free(ctx, w);
    return st;
}
