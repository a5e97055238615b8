/* SPDX-License-Identifier: Apache-2.0
 *
 * One array of n x d numbers in one file, whatever the format: where its elements lie, and reading them.
 */
#ifndef WNI_VECFILE_H
#define WNI_VECFILE_H

#include "io/infile.h"
#include "io/suffix.h"
#include "io/npy_header.h"

/* What the caller knows or wants; zero (dtype: -1) = as the file says. */
typedef struct wni_vecfile_want {
    int32_t dtype;
    int64_t dim, rows; /* rows: read at most this many */
    const char *member;
} wni_vecfile_want;

/* Element (i, j) lies at offset + i * row_stride + j * col_stride. */
typedef struct wni_vecfile {
    wni_infile file;
    wni_mapping map; /* of the span of the array; empty = read by pread */
    char *label;     /* "a.npz:emb", for messages */
    int64_t n, d;
    wn_dtype dtype;
    int64_t offset, row_stride, col_stride;
    int32_t prefix; /* bytes before each row: 4 = an int32 that must be d (.fvecs and kin) */
    int32_t swap;   /* nonzero: stored in the other byte order */
} wni_vecfile;

/* Finds the array: format by content first, by name second. Reads headers and sizes only. WN_E_DATA names
 * file, found, expected and what to do; WN_E_USAGE; WN_E_IO. On failure nothing to close. */
wn_status wni_vecfile_open(wn_ctx *ctx, const char *path, const wni_vecfile_want *want,
                           wni_vecfile *out);

/* (n, d) row-major memory of the caller as if it were a mapped file. */
void wni_vecfile_wrap(const void *rows, int64_t n, int64_t d, wn_dtype dtype, wni_vecfile *out);

void wni_vecfile_close(wn_ctx *ctx, wni_vecfile *v);

/* Bytes from the first to the last element, and mapping them. */
int64_t wni_vecfile_span(const wni_vecfile *v);
wn_status wni_vecfile_map(wn_ctx *ctx, wni_vecfile *v);
/* Back to reading by pread, with a descriptor that stays open when `keep_open`; nothing when not mapped. */
wn_status wni_vecfile_unmap(wn_ctx *ctx, wni_vecfile *v, bool keep_open);
/* A hint that rows [first, first + n) will be read soon; nothing for files by column. */
void wni_vecfile_ahead(const wni_vecfile *v, int64_t first, int64_t n);
/* Nonzero when rows are scattered over the file: Fortran order. */
static inline int wni_vecfile_by_column(const wni_vecfile *v)
{
    return v->col_stride != (int64_t)wn_dtype_bytes(v->dtype);
}

/* Rows [first, first + n) widened to f32, out (n, ld) row-major, columns d..ld zero. Nothing is allocated;
 * any thread. WN_E_IO; WN_E_DATA when a row of .fvecs and kin has another d. */
wn_status wni_vecfile_floats(wn_ctx *ctx, const wni_vecfile *v, int64_t first, int64_t n,
                             float *out, int64_t ld);
/* The stored bytes in native byte order, out (n, d * element bytes). */
wn_status wni_vecfile_raw(wn_ctx *ctx, const wni_vecfile *v, int64_t first, int64_t n, void *out);

/* Splits "a.npz:emb" into file and member: at the first colon after a name that is a file or ends in .npz,
 * .safetensors or .hdf5. *file belongs to the caller (wni_free); *member points into path, NULL = none. */
wn_status wni_member_split(wn_ctx *ctx, const char *path, char **file, const char **member);

/* ---- between the format readers (one .c each) and vecfile_open.c ------------------------------------ */

/* What a reader fills in: the layout as the header claims it. Sizes are checked afterwards, in one place,
 * against `end`. */
typedef struct wni_layout {
    int64_t n, d;
    int32_t dtype; /* wn_dtype */
    int64_t offset, row_stride, col_stride;
    int64_t end; /* first byte of the file that cannot belong to the array */
    int32_t prefix, swap;
    const char *format; /* ".npy", for messages */
} wni_layout;

/* `label` is the name for messages; a reader of a container replaces it by file:member. */
typedef wn_status (*wni_layout_reader)(wn_ctx *ctx, const wni_infile *file,
                                       const wni_vecfile_want *want, char **label, wni_layout *out);
wn_status wni_read_npy(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                       char **label, wni_layout *out);
wn_status wni_read_npz(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                       char **label, wni_layout *out);
wn_status wni_read_xvecs(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                         char **label, wni_layout *out);
wn_status wni_read_bigann(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                          char **label, wni_layout *out);
wn_status wni_read_hdf5(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                        char **label, wni_layout *out);
wn_status wni_read_safetensors(wn_ctx *ctx, const wni_infile *file, const wni_vecfile_want *want,
                               char **label, wni_layout *out);

/* The .npy array in bytes [at, end) of a file; the header alone, and the layout it means. */
wn_status wni_npy_header_at(wn_ctx *ctx, const wni_infile *file, const char *label, int64_t at,
                            int64_t end, wni_npy_header *header);
wn_status wni_npy_layout(wn_ctx *ctx, const char *label, const wni_npy_header *header,
                         const wni_vecfile_want *want, int64_t at, int64_t end, wni_layout *out);
/* The wn_dtype of a numpy descr that winnow reads, -1 = none; *swap as in wni_vecfile. */
int32_t wni_npy_dtype(const char *descr, int32_t want_dtype, int32_t *swap);

/* Sets *label to "file:member". */
wn_status wni_member_label(wn_ctx *ctx, const wni_infile *file, const char *member, size_t length,
                           char **label);

/* ", or read the whole rows with --rows N" into buf, empty when there is no whole row; returns buf. */
const char *wni_rows_hint(int64_t whole, char buf[64]);

/* Little-endian numbers of a header; p need not be aligned. */
static inline uint32_t wni_le16(const unsigned char *p)
{
    return (uint32_t)p[0] | (uint32_t)p[1] << 8;
}
static inline uint32_t wni_le32(const unsigned char *p)
{
    return wni_le16(p) | wni_le16(p + 2) << 16;
}
static inline uint64_t wni_le64(const unsigned char *p)
{
    return (uint64_t)wni_le32(p) | (uint64_t)wni_le32(p + 4) << 32;
}

#endif
