/* SPDX-License-Identifier: Apache-2.0
 *
 * Reading back the arrays that winnow wrote itself.
 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/memfolder.h"
#include "io/npy_header.h"
#include "io/outdir.h"

/* Bytes of an element: the digit at the end of "<i8"; of "<U12" four for each character; for a structured
 * type the sum of its fields. */
static size_t item_bytes(const char *descr)
{
    size_t sum = 0;

    if (strncmp(descr, "<U", 2) == 0) return 4 * (size_t)strtoul(descr + 2, NULL, 10);
    for (const char *c = descr; (c = strpbrk(c, "<|")); c++)
        if (c[1] && c[2] >= '1' && c[2] <= '9') sum += (size_t)(c[2] - '0');
    return sum;
}

/* Is `descr` one of the words of `accepted` ("<i4 <i8 <U*", or a whole structured type)? */
static bool descr_in(const char *descr, const char *accepted)
{
    size_t length = strlen(descr);

    if (strcmp(descr, accepted) == 0) return true;
    for (const char *c = accepted; accepted[0] != '[' && *c; c += strcspn(c, " "), c += *c == ' ')
        if ((strcspn(c, " ") == length && memcmp(c, descr, length) == 0) ||
            (strncmp(c, "<U*", 3) == 0 && strncmp(descr, "<U", 2) == 0))
            return true;
    return false;
}

static wn_status wrong_type(wn_ctx *ctx, const char *path, const char *found, int found_dims,
                            const char *more, const char *descrs, int dims)
{
    return wni_fail(ctx, WN_E_DATA, "%s: found %s of %d dimensions%s, expected %s of %d", path,
                    found, found_dims, more, descrs, dims);
}

/* A copy of an item of a folder in memory. */
static wn_status load_memory(wn_ctx *ctx, const wn_folder *folder, const char *path,
                             const char *name, const char *descrs, int dims, int64_t *shape,
                             char *descr, void **data)
{
    const wn_folder_item *item = wn_folder_find(folder, name);
    int64_t bytes;
    wn_status st;

    if (!item) return wni_fail(ctx, WN_E_DATA, "%s: there is no such array", path);
    if (!item->descr || !descr_in(item->descr, descrs) || item->dims != dims)
        return wrong_type(ctx, path, item->descr ? item->descr : "text", item->dims, "", descrs,
                          dims);
    bytes = (int64_t)item_bytes(item->descr);
    for (int i = 0; i < dims; i++) {
        shape[i] = item->shape[i];
        if (__builtin_mul_overflow(bytes, shape[i], &bytes)) bytes = -1;
    }
    if (bytes != item->bytes)
        return wni_fail(ctx, WN_E_USAGE,
                        "%s: an array of %lld bytes was given as %s, which has %lld", path,
                        (long long)item->bytes, item->descr, (long long)bytes);
    if (descr) snprintf(descr, WNI_DESCR_BYTES, "%.31s", item->descr);
    WNI_TRY(wni_budget_need(ctx, item->bytes, path));
    if (!(*data = wni_alloc(ctx, item->bytes, 1))) return WN_E_NOMEM;
    if (item->bytes) memcpy(*data, item->data, (size_t)item->bytes);
done:
    return st;
}

wn_status wni_npy_load(wn_ctx *ctx, const char *path, const char *descrs, int dims, int64_t *shape,
                       void **data)
{
    return wni_npy_load_typed(ctx, path, descrs, dims, shape, NULL, data);
}

wn_status wni_npy_load_typed(wn_ctx *ctx, const char *path, const char *descrs, int dims,
                             int64_t *shape, char descr[WNI_DESCR_BYTES], void **data)
{
    const char *name;
    const wn_folder *folder = wni_memfolder_of(ctx, path, &name);
    char *head = NULL;
    wni_npy_header h;
    struct stat info;
    int64_t count = 1, bytes;
    wn_status st = WN_OK;
    FILE *f = NULL;
    size_t got;

    *data = NULL;
    if (folder) return load_memory(ctx, folder, path, name, descrs, dims, shape, descr, data);
    if (!(f = fopen(path, "rb")))
        return wni_fail(ctx, errno == ENOENT || errno == ENOTDIR ? WN_E_DATA : WN_E_IO,
                        "%s: cannot open: %s", path, strerror(errno));
    WNI_NEW(ctx, head, WNI_NPY_HEAD);
    got = fread(head, 1, WNI_NPY_HEAD, f);
    WNI_TRY(wni_npy_header_parse(ctx, path, head, got, &h));
    if (!descr_in(h.descr, descrs) || h.dims != dims || h.fortran_order) {
        st = wrong_type(ctx, path, h.descr, h.dims, h.fortran_order ? " in Fortran order" : "",
                        descrs, dims);
        goto done;
    }
    if (descr) snprintf(descr, WNI_DESCR_BYTES, "%.31s", h.descr);
    for (int i = 0; i < dims; i++) {
        shape[i] = h.shape[i];
        if (__builtin_mul_overflow(count, h.shape[i], &count)) {
            st = wni_fail(ctx, WN_E_DATA, "%s: the shape in the header is too large", path);
            goto done;
        }
    }
    if (__builtin_mul_overflow(count, (int64_t)item_bytes(h.descr), &bytes) ||
        fstat(fileno(f), &info) || info.st_size - h.data_at != bytes) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: found %lld bytes of data, the header says %lld elements of %s", path,
                      (long long)(info.st_size - h.data_at), (long long)count, h.descr);
        goto done;
    }
    WNI_TRY(wni_budget_need(ctx, bytes, path));
    if (!(*data = wni_alloc(ctx, bytes, 1))) {
        st = WN_E_NOMEM;
        goto done;
    }
    if (fseeko(f, (off_t)h.data_at, SEEK_SET) ||
        (bytes && fread(*data, (size_t)bytes, 1, f) != 1)) {
        st = wni_fail(ctx, WN_E_IO, "%s: cannot read: %s", path, strerror(errno));
        wni_free(ctx, *data);
        *data = NULL;
    }
done:
    fclose(f);
    wni_free(ctx, head);
    return st;
}

wn_status wni_text_load(wn_ctx *ctx, const char *path, char **text)
{
    const char *name;
    const wn_folder *folder = wni_memfolder_of(ctx, path, &name);
    struct stat info;
    wn_status st = WN_OK;
    FILE *f = NULL;

    *text = NULL;
    if (folder) {
        const wn_folder_item *item = wn_folder_find(folder, name);
        if (!item || item->descr)
            return wni_fail(ctx, WN_E_DATA, "%s: there is no such text", path);
        return (*text = wni_strdup(ctx, item->data)) ? WN_OK : WN_E_NOMEM;
    }
    if (!(f = fopen(path, "rb")) || fstat(fileno(f), &info)) {
        st = wni_fail(ctx, errno == ENOENT || errno == ENOTDIR ? WN_E_DATA : WN_E_IO,
                      "%s: cannot open: %s", path, strerror(errno));
        goto done;
    }
    WNI_TRY(wni_budget_need(ctx, info.st_size, path));
    WNI_NEW0(ctx, *text, info.st_size + 1);
    if (info.st_size && fread(*text, (size_t)info.st_size, 1, f) != 1)
        st = wni_fail(ctx, WN_E_IO, "%s: cannot read: %s", path, strerror(errno));
done:
    if (f) fclose(f);
    if (st != WN_OK) {
        wni_free(ctx, *text);
        *text = NULL;
    }
    return st;
}
