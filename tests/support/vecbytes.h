/* SPDX-License-Identifier: Apache-2.0
 *
 * Vector files as bytes, written by hand as NumPy and the other tools write them.
 */
#ifndef TS_VECBYTES_H
#define TS_VECBYTES_H

#include <stddef.h>
#include <stdint.h>

#include "winnow/base.h"

typedef struct ts_bytes {
    unsigned char *v;
    size_t n, room;
} ts_bytes;

void ts_put(ts_bytes *b, const void *data, size_t bytes);
void ts_put_text(ts_bytes *b, const char *text);
void ts_put_le(ts_bytes *b, uint64_t value, int bytes); /* little-endian, zeros past 8 */
void ts_bytes_free(ts_bytes *b);

/* Elements of whole numbers x that every type holds, in file order, big-endian when asked. */
void ts_put_numbers(ts_bytes *b, const int *x, size_t count, wn_dtype dtype, int big_endian);

/* A .npy header (version 1, 2 or 3) with the given dict, padded so that data starts at a multiple of 64. */
void ts_put_npy_dict(ts_bytes *b, int version, const char *dict);
/* The header of a plain array: descr "<f4", shape text "(3, 2)". */
void ts_put_npy(ts_bytes *b, int version, const char *descr, int fortran, const char *shape);

/* A zip of members. method 0 = stored; zip64 nonzero writes sizes and offsets as zip64 fields. */
typedef struct ts_member {
    const char *name;
    ts_bytes data;
    int method;
} ts_member;
void ts_put_zip(ts_bytes *b, const ts_member *member, int n, int zip64);

/* A .safetensors with this JSON as header. */
void ts_put_safetensors(ts_bytes *b, const char *json, const void *data, size_t bytes);

/* An HDF5 file with one dataset of f32 rows in its root group, in the form of h5py's default or in the newer. */
void ts_put_hdf5(ts_bytes *b, int newer, const char *name, uint64_t n, uint64_t d, const void *rows,
                 size_t bytes);

/* One small valid file (3 rows, 4 columns, numbers 1 to 12) per format; i from 0, 0 past the end. *name is
 * a fitting file name. */
int ts_vec_sample(int i, const char **name, ts_bytes *b);

#endif
