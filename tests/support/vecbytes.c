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
    static const char *const names[] = {"s.npy",   "big.npy", "column.npy",   "s.npz",  "s64.npz",
                                        "s.fvecs", "s.bvecs", "s.ivecs",      "s.fbin", "s.u8bin",
                                        "s.i8bin", "s.ibin",  "s.safetensors"};
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
    default:
        ts_put_numbers(&data, x, 12, WN_F16, 0);
        ts_put_le(&data, 0, 16);
        ts_put_safetensors(b, json, data.v, data.n);
        ts_bytes_free(&data);
    }
    return 1;
}
