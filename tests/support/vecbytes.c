/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/vecbytes.h"

void ts_put(ts_bytes *b, const void *data, size_t bytes)
{
    if (!b->v || b->n + bytes > b->room) {
        b->room = 2 * (b->n + bytes) + 64;
        b->v = realloc(b->v, b->room);
        if (!b->v) abort();
    }
    if (bytes) memcpy(b->v + b->n, data, bytes);
    b->n += bytes;
}

void ts_put_text(ts_bytes *b, const char *text)
{
    ts_put(b, text, strlen(text));
}

void ts_put_le(ts_bytes *b, uint64_t value, int bytes)
{
    for (int i = 0; i < bytes; i++) {
        unsigned char c = i < 8 ? (unsigned char)(value >> (8 * i)) : 0;
        ts_put(b, &c, 1);
    }
}

void ts_bytes_free(ts_bytes *b)
{
    free(b->v);
    memset(b, 0, sizeof *b);
}

/* IEEE binary16 of a whole number below 2048. */
static uint64_t half(int x)
{
    unsigned a = (unsigned)abs(x), exponent = 15;

    if (a == 0) return 0;
    while (a >> (exponent - 15) > 1)
        exponent++;
    return (x < 0 ? 0x8000u : 0) | exponent << 10 | ((a << (25 - exponent)) & 0x3ff);
}

void ts_put_numbers(ts_bytes *b, const int *x, size_t count, wn_dtype dtype, int big_endian)
{
    size_t item = wn_dtype_bytes(dtype);

    for (size_t i = 0; i < count; i++) {
        uint64_t bits = 0;
        uint32_t single;
        float f = (float)x[i];
        double g = x[i];
        memcpy(&single, &f, 4);
        switch (dtype) {
        case WN_F32:
            bits = single;
            break;
        case WN_F16:
            bits = half(x[i]);
            break;
        case WN_BF16:
            bits = single >> 16;
            break;
        case WN_F64:
            memcpy(&bits, &g, 8);
            break;
        default:
            bits = (uint64_t)(int64_t)x[i];
        }
        for (size_t k = 0; k < item; k++)
            ts_put_le(b, bits >> 8 * (big_endian ? item - 1 - k : k), 1);
    }
}

void ts_put_npy_dict(ts_bytes *b, int version, const char *dict)
{
    size_t lead = version == 1 ? 10 : 12, length = strlen(dict) + 1;
    size_t pad = (64 - (lead + length) % 64) % 64;

    ts_put(b, "\x93NUMPY", 6);
    ts_put_le(b, (uint64_t)version, 1);
    ts_put_le(b, 0, 1);
    ts_put_le(b, length + pad, version == 1 ? 2 : 4);
    ts_put_text(b, dict);
    for (size_t i = 0; i < pad; i++)
        ts_put(b, " ", 1);
    ts_put(b, "\n", 1);
}

void ts_put_npy(ts_bytes *b, int version, const char *descr, int fortran, const char *shape)
{
    char dict[256];

    snprintf(dict, sizeof dict, "{'descr': '%s', 'fortran_order': %s, 'shape': %s, }", descr,
             fortran ? "True" : "False", shape);
    ts_put_npy_dict(b, version, dict);
}

void ts_put_zip(ts_bytes *b, const ts_member *member, int n, int zip64)
{
    uint64_t at[16], start, size;
    uint64_t full = 0xffffffffu;

    for (int i = 0; i < n; i++) { /* local headers; numpy always writes the zip64 field here */
        const ts_member *m = &member[i];
        at[i] = b->n;
        ts_put_le(b, 0x04034b50u, 4);
        ts_put_le(b, 45, 2);
        ts_put_le(b, 0, 2);
        ts_put_le(b, (uint64_t)m->method, 2);
        ts_put_le(b, 0, 8); /* time, CRC */
        ts_put_le(b, full, 4);
        ts_put_le(b, full, 4);
        ts_put_le(b, strlen(m->name), 2);
        ts_put_le(b, 20, 2);
        ts_put_text(b, m->name);
        ts_put_le(b, 1, 2);
        ts_put_le(b, 16, 2);
        ts_put_le(b, m->data.n, 8);
        ts_put_le(b, m->data.n, 8);
        ts_put(b, m->data.v, m->data.n);
    }
    start = b->n;
    for (int i = 0; i < n; i++) {
        const ts_member *m = &member[i];
        ts_put_le(b, 0x02014b50u, 4);
        ts_put_le(b, 45, 2);
        ts_put_le(b, 45, 2);
        ts_put_le(b, 0, 2);
        ts_put_le(b, (uint64_t)m->method, 2);
        ts_put_le(b, 0, 8);
        ts_put_le(b, zip64 ? full : m->data.n, 4);
        ts_put_le(b, zip64 ? full : m->data.n, 4);
        ts_put_le(b, strlen(m->name), 2);
        ts_put_le(b, zip64 ? 28 : 0, 2);
        ts_put_le(b, 0, 6); /* comment, disk, attributes */
        ts_put_le(b, 0, 4);
        ts_put_le(b, zip64 ? full : at[i], 4);
        ts_put_text(b, m->name);
        if (zip64) {
            ts_put_le(b, 1, 2);
            ts_put_le(b, 24, 2);
            ts_put_le(b, m->data.n, 8);
            ts_put_le(b, m->data.n, 8);
            ts_put_le(b, at[i], 8);
        }
    }
    size = b->n - start;
    if (zip64) {
        uint64_t end = b->n;
        ts_put_le(b, 0x06064b50u, 4);
        ts_put_le(b, 44, 8);
        ts_put_le(b, 45, 2);
        ts_put_le(b, 45, 2);
        ts_put_le(b, 0, 8); /* disks */
        ts_put_le(b, (uint64_t)n, 8);
        ts_put_le(b, (uint64_t)n, 8);
        ts_put_le(b, size, 8);
        ts_put_le(b, start, 8);
        ts_put_le(b, 0x07064b50u, 4);
        ts_put_le(b, 0, 4);
        ts_put_le(b, end, 8);
        ts_put_le(b, 1, 4);
    }
    ts_put_le(b, 0x06054b50u, 4);
    ts_put_le(b, 0, 4);
    ts_put_le(b, (uint64_t)n, 2);
    ts_put_le(b, (uint64_t)n, 2);
    ts_put_le(b, zip64 ? full : size, 4);
    ts_put_le(b, zip64 ? full : start, 4);
    ts_put_le(b, 0, 2);
}

void ts_put_safetensors(ts_bytes *b, const char *json, const void *data, size_t bytes)
{
    ts_put_le(b, strlen(json), 8);
    ts_put_text(b, json);
    ts_put(b, data, bytes);
}

/* ---- HDF5 ------------------------------------------------------------------------------------- */

/* The messages of a dataset: shape, type f32, where the rows lie. */
static void put_dataset(ts_bytes *b, int newer, uint64_t n, uint64_t d, uint64_t data)
{
    /* Class and version, bit field, size; bit offset and precision; exponent, mantissa, bias. */
    static const unsigned char f32[20] = {0x11, 0x20, 0x1f, 0, 4, 0,  0,   0, 0, 0,
                                          32,   0,    23,   8, 0, 23, 127, 0, 0, 0};
    const uint64_t types[3] = {1, 3, 8};
    const uint64_t sizes[3] = {newer ? 20 : 24, newer ? 20 : 24, newer ? 18 : 24};

    if (newer) {
        ts_put(b, "OHDR\2\0", 6);
        ts_put_le(b, sizes[0] + sizes[1] + sizes[2] + 3 * 4, 1);
    } else {
        ts_put_le(b, 1, 2);
        ts_put_le(b, 3, 2);
        ts_put_le(b, 1, 4);
        ts_put_le(b, sizes[0] + sizes[1] + sizes[2] + 3 * 8, 8);
    }
    for (int i = 0; i < 3; i++) {
        size_t end;
        ts_put_le(b, types[i], newer ? 1 : 2);
        ts_put_le(b, sizes[i], 2);
        ts_put_le(b, 0, newer ? 1 : 4);
        end = b->n + sizes[i];
        if (i == 0) {
            ts_put_le(b, newer ? 2 : 1, 1);
            ts_put_le(b, 2, 1);
            ts_put_le(b, newer ? 0x100 : 0, newer ? 2 : 6);
            ts_put_le(b, n, 8);
            ts_put_le(b, d, 8);
        } else if (i == 1) {
            ts_put(b, f32, sizeof f32);
        } else {
            ts_put_le(b, 0x103, 2);
            ts_put_le(b, data, 8);
            ts_put_le(b, n * d * 4, 8);
        }
        ts_put_le(b, 0, (int)(end - b->n));
    }
    if (newer) ts_put_le(b, 0, 4); /* a checksum that nobody checks */
}

void ts_put_hdf5(ts_bytes *b, int newer, const char *name, uint64_t n, uint64_t d, const void *rows,
                 size_t bytes)
{
    ts_put(b, "\x89HDF\r\n\x1a\n", 8);
    if (newer) { /* superblock, root group with one link, dataset, rows */
        const uint64_t root = 48, set = root + 7 + 4 + 11 + strlen(name) + 4;
        ts_put_le(b, 0x080802, 4);
        ts_put_le(b, 0, 8);
        ts_put_le(b, UINT64_MAX, 8);
        ts_put_le(b, set + 85 + bytes, 8);
        ts_put_le(b, root, 8);
        ts_put_le(b, 0, 4);
        ts_put(b, "OHDR\2\0", 6);
        ts_put_le(b, 4 + 11 + strlen(name), 1);
        ts_put_le(b, 6, 1);
        ts_put_le(b, 11 + strlen(name), 2);
        ts_put_le(b, 0, 1);
        ts_put_le(b, 1, 2);
        ts_put_le(b, strlen(name), 1);
        ts_put_text(b, name);
        ts_put_le(b, set, 8);
        ts_put_le(b, 0, 4);
        put_dataset(b, 1, n, d, set + 7 + 70 + 4);
    } else { /* superblock, root group: its index, symbols and names; dataset, rows */
        const uint64_t root = 96, tree = root + 40, symbols = tree + 48, heap = symbols + 48;
        const uint64_t names = heap + 32, room = (8 + strlen(name) + 8) / 8 * 8;
        const uint64_t set = names + room;
        ts_put_le(b, 0, 5);
        ts_put_le(b, 0x0808, 3);
        ts_put_le(b, 0x100004, 8);
        ts_put_le(b, 0, 8);
        ts_put_le(b, UINT64_MAX, 8);
        ts_put_le(b, set + 112 + bytes, 8);
        ts_put_le(b, UINT64_MAX, 8);
        ts_put_le(b, 0, 8);
        ts_put_le(b, root, 8);
        ts_put_le(b, 1, 8);
        ts_put_le(b, tree, 8);
        ts_put_le(b, heap, 8);
        ts_put_le(b, 1, 2);
        ts_put_le(b, 1, 2);
        ts_put_le(b, 1, 4);
        ts_put_le(b, 24, 8);
        ts_put_le(b, 17, 2);
        ts_put_le(b, 16, 2);
        ts_put_le(b, 0, 4);
        ts_put_le(b, tree, 8);
        ts_put_le(b, heap, 8);
        ts_put(b, "TREE\0\0", 6);
        ts_put_le(b, 1, 2);
        ts_put_le(b, UINT64_MAX, 8);
        ts_put_le(b, UINT64_MAX, 8);
        ts_put_le(b, 0, 8);
        ts_put_le(b, symbols, 8);
        ts_put_le(b, 8, 8);
        ts_put(b, "SNOD\1\0", 6);
        ts_put_le(b, 1, 2);
        ts_put_le(b, 8, 8);
        ts_put_le(b, set, 8);
        ts_put_le(b, 0, 24);
        ts_put(b, "HEAP", 4);
        ts_put_le(b, 0, 4);
        ts_put_le(b, room, 8);
        ts_put_le(b, UINT64_MAX, 8);
        ts_put_le(b, names, 8);
        ts_put_le(b, 0, 8);
        ts_put_text(b, name);
        ts_put_le(b, 0, (int)(room - 8 - strlen(name)));
        put_dataset(b, 0, n, d, set + 112);
    }
    ts_put(b, rows, bytes);
}

/* ---- samples --------------------------------------------------------------------------------- */

static void put_xvecs(ts_bytes *b, const int *x, wn_dtype dtype)
{
    for (int i = 0; i < 3; i++) {
        ts_put_le(b, 4, 4);
        ts_put_numbers(b, x + 4 * i, 4, dtype, 0);
    }
}

static void put_bigann(ts_bytes *b, const int *x, wn_dtype dtype)
{
    ts_put_le(b, 3, 4);
    ts_put_le(b, 4, 4);
    ts_put_numbers(b, x, 12, dtype, 0);
}

static void put_npz(ts_bytes *b, const int *x, int zip64)
{
    ts_member m[2] = {{.name = "ids.npy"}, {.name = "emb.npy"}};

    ts_put_npy(&m[0].data, 1, "<i8", 0, "(3,)");
    ts_put(&m[0].data, "123456789012345678901234", 24);
    ts_put_npy(&m[1].data, 1, "<f4", 0, "(3, 4)");
    ts_put_numbers(&m[1].data, x, 12, WN_F32, 0);
    ts_put_zip(b, m, 2, zip64);
    ts_bytes_free(&m[0].data);
    ts_bytes_free(&m[1].data);
}

int ts_vec_sample(int i, const char **name, ts_bytes *b)
{
    static const int x[12] = {1, 2, 3, 4, 5, 6, 7, 8, 9, 10, 11, 12};
    static const int by_column[12] = {1, 5, 9, 2, 6, 10, 3, 7, 11, 4, 8, 12};
    static const char *const names[] = {"s.npy",   "big.npy", "column.npy",    "s.npz",  "s64.npz",
                                        "s.fvecs", "s.bvecs", "s.ivecs",       "s.fbin", "s.u8bin",
                                        "s.i8bin", "s.ibin",  "s.safetensors", "s.hdf5", "s.h5"};
    static const char json[] =
        "{\"__metadata__\":{\"format\":\"pt\"},"
        "\"bias\":{\"dtype\":\"F32\",\"shape\":[4],\"data_offsets\":[24,40]},"
        "\"emb\":{\"dtype\":\"F16\",\"shape\":[3,4],\"data_offsets\":[0,24]}}   ";
    ts_bytes data = {0};

    memset(b, 0, sizeof *b);
    if (i < 0 || i >= (int)(sizeof names / sizeof names[0])) return 0;
    *name = names[i];
    switch (i) {
    case 0:
        ts_put_npy(b, 1, "<f4", 0, "(3, 4)");
        ts_put_numbers(b, x, 12, WN_F32, 0);
        break;
    case 1:
        ts_put_npy(b, 2, ">f8", 0, "(3, 4)");
        ts_put_numbers(b, x, 12, WN_F64, 1);
        break;
    case 2:
        ts_put_npy(b, 3, "<f2", 1, "(3, 4)");
        ts_put_numbers(b, by_column, 12, WN_F16, 0);
        break;
    case 3:
    case 4:
        put_npz(b, x, i == 4);
        break;
    case 5:
        put_xvecs(b, x, WN_F32);
        break;
    case 6:
        put_xvecs(b, x, WN_U8);
        break;
    case 7:
        put_xvecs(b, x, WN_I32);
        break;
    case 8:
        put_bigann(b, x, WN_F32);
        break;
    case 9:
        put_bigann(b, x, WN_U8);
        break;
    case 10:
        put_bigann(b, x, WN_I8);
        break;
    case 11:
        put_bigann(b, x, WN_I32);
        break;
    case 13:
    case 14:
        ts_put_numbers(&data, x, 12, WN_F32, 0);
        ts_put_hdf5(b, i == 14, "emb", 3, 4, data.v, data.n);
        ts_bytes_free(&data);
        break;
    default:
        ts_put_numbers(&data, x, 12, WN_F16, 0);
        ts_put_le(&data, 0, 16);
        ts_put_safetensors(b, json, data.v, data.n);
        ts_bytes_free(&data);
    }
    return 1;
}
