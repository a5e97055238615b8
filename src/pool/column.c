/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/outdir.h"
#include "io/suffix.h"
#include "io/vecfile.h"
#include "kernels/kernels.h"
#include "pool/column.h"
#include "pool/table_impl.h"
#include "winnow/method.h"
#include "winnow/table.h"

#define POLL_ROWS   65536
#define WORD_BYTES  4096 /* of a numpy word as UTF-8; longer ones are refused */
#define NPY_NUMBERS "<i8 <i4 <i2 |i1 <u4 <u2 |u1 |b1 <f4 <f8 <f2"

static wn_status check_rows(wn_ctx *ctx, const char *path, int64_t found, int64_t n)
{
    if (n < 0 || found == n) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "%s: found %lld rows, expected %lld, one for each row of the pool", path,
                    (long long)found, (long long)n);
}

/* ---- .npy ------------------------------------------------------------------------------------------- */

/* Element i of a numeric array: the integer, and the same or the real as a double. */
static double number_at(wn_ctx *ctx, const char *descr, const void *data, int64_t i,
                        int64_t *integer)
{
    const char *at = (const char *)data + i * (descr[2] - '0');
    double real;

#define READ(TYPE)                \
    do {                          \
        TYPE x;                   \
        memcpy(&x, at, sizeof x); \
        *integer = (int64_t)x;    \
        return (double)x;         \
    } while (0)
    switch (descr[1]) {
    case 'f':
        *integer = 0;
        if (descr[2] == '8') {
            memcpy(&real, at, sizeof real);
            return real;
        }
        {
            float x;
            if (descr[2] == '2')
                wni_kernels_of(ctx)->widen_f16(at, &x, 1);
            else
                memcpy(&x, at, sizeof x);
            return x;
        }
    case 'u':
    case 'b':
        if (descr[2] == '1') READ(uint8_t);
        if (descr[2] == '2') READ(uint16_t);
        READ(uint32_t);
    default:
        if (descr[2] == '1') READ(int8_t);
        if (descr[2] == '2') READ(int16_t);
        if (descr[2] == '4') READ(int32_t);
        READ(int64_t);
    }
#undef READ
}

/* Code points of four bytes, padded with zeros, to UTF-8 with its zero. 0 = too long or no code point. */
static int word_at(const void *data, int64_t i, int64_t chars, char out[WORD_BYTES])
{
    const char *at = (const char *)data + i * chars * 4;
    size_t length = 0;

    for (int64_t c = 0; c < chars; c++) {
        uint32_t p;
        memcpy(&p, at + 4 * c, sizeof p);
        if (p == 0) break;
        if (length + 5 > WORD_BYTES || p > 0x10ffff || (p >= 0xd800 && p < 0xe000)) return 0;
        if (p < 0x80) {
            out[length++] = (char)p;
        } else if (p < 0x800) {
            out[length++] = (char)(0xc0 | p >> 6);
            out[length++] = (char)(0x80 | (p & 63));
        } else if (p < 0x10000) {
            out[length++] = (char)(0xe0 | p >> 12);
            out[length++] = (char)(0x80 | (p >> 6 & 63));
            out[length++] = (char)(0x80 | (p & 63));
        } else {
            out[length++] = (char)(0xf0 | p >> 18);
            out[length++] = (char)(0x80 | (p >> 12 & 63));
            out[length++] = (char)(0x80 | (p >> 6 & 63));
            out[length++] = (char)(0x80 | (p & 63));
        }
    }
    out[length] = 0;
    return 1;
}

static wn_status read_npy(wn_ctx *ctx, const char *path, int64_t n, int words,
                          const wni_column_to *to, void *self)
{
    char descr[WNI_DESCR_BYTES], word[WORD_BYTES];
    wni_column_kind kind;
    void *data = NULL;
    int64_t rows;
    wn_status st;

    WNI_TRY(wni_npy_load_typed(ctx, path, words ? NPY_NUMBERS " <U*" : NPY_NUMBERS, 1, &rows, descr,
                               &data));
    WNI_TRY(check_rows(ctx, path, rows, n));
    kind = descr[1] == 'U'   ? WNI_COLUMN_WORDS
           : descr[1] == 'f' ? WNI_COLUMN_REALS
                             : WNI_COLUMN_INTS;
    WNI_TRY(to->begin(self, kind, rows));
    for (int64_t i = 0; i < rows; i++) {
        int64_t integer;
        double real;
        if (i % POLL_ROWS == 0) WNI_TRY(wni_poll(ctx));
        if (kind == WNI_COLUMN_WORDS) {
            if (!word_at(data, i, strtoll(descr + 2, NULL, 10), word)) {
                st = wni_fail(ctx, WN_E_DATA,
                              "%s: row %lld: found a word of more than %d bytes or with broken "
                              "characters",
                              path, (long long)i, WORD_BYTES - 5);
                goto done;
            }
            WNI_TRY(to->word(self, i, word));
            continue;
        }
        real = number_at(ctx, descr, data, i, &integer);
        WNI_TRY(to->number(self, i, integer, real));
    }
done:
    wni_free(ctx, data);
    return st;
}

/* ---- tables ----------------------------------------------------------------------------------------- */

typedef struct table_reader {
    wn_ctx *ctx;
    const char *path;
    wni_column_kind kind;
    int parse; /* numbers that stand as text, like 0.50, whose form a table keeps */
    const wni_column_to *to;
    void *self;
} table_reader;

static wn_status table_row(void *user, int64_t row, const char *text)
{
    table_reader *r = user;
    wn_status st;

    if (row % POLL_ROWS == 0 && (st = wni_poll(r->ctx)) != WN_OK) return st;
    if (r->kind == WNI_COLUMN_WORDS || !text) return r->to->word(r->self, row, text);
    if (!*text) return r->to->word(r->self, row, NULL);
    if (r->parse) {
        char *end;
        (void)strtod(text, &end);
        if (*end)
            return wni_fail(r->ctx, WN_E_DATA,
                            "%s: row %lld: found '%.40s', expected one number per row", r->path,
                            (long long)row, text);
    }
    return r->to->number(r->self, row, strtoll(text, NULL, 10), strtod(text, NULL));
}

static wn_status find_column(wn_ctx *ctx, const wn_table *table, const char *file, const char *name,
                             int32_t *column)
{
    const char *near;

    if ((*column = wn_table_column_find(table, name)) >= 0) return WN_OK;
    near = wni_table_nearest(table, name);
    return wni_fail(ctx, WN_E_DATA, "%s: no column '%s'%s%s%s", file, name,
                    near ? "; did you mean '" : "; give FILE:COLUMN with a column of the file",
                    near ? near : "", near ? "'?" : "");
}

static wn_status read_table(wn_ctx *ctx, const char *path, const char *file, const char *name,
                            int64_t n, int words, const wni_column_to *to, void *self)
{
    table_reader r = {ctx, path, WNI_COLUMN_WORDS, 0, to, self};
    wn_table_options options;
    wn_table *table = NULL;
    const char *type;
    int32_t column;
    wn_status st;

    wn_table_options_init(&options);
    WNI_TRY(wn_table_build(ctx, &file, 1, "", &options, &table));
    WNI_TRY(find_column(ctx, table, file, name, &column));
    WNI_TRY(check_rows(ctx, path, wn_table_rows(table), n));
    type = wn_table_column_type(table, column);
    if (strcmp(type, "INTEGER") == 0) r.kind = WNI_COLUMN_INTS;
    if (strcmp(type, "REAL") == 0) r.kind = WNI_COLUMN_REALS;
    if (r.kind == WNI_COLUMN_WORDS && !words) {
        r.kind = WNI_COLUMN_REALS;
        r.parse = 1;
    }
    WNI_TRY(to->begin(self, r.kind, wn_table_rows(table)));
    WNI_TRY(wn_table_scan(table, column, table_row, &r));
done:
    wn_table_free(table);
    return st;
}

/* ---- any -------------------------------------------------------------------------------------------- */

wn_status wni_column_read(wn_ctx *ctx, const char *path, const char *file, int64_t n, int words,
                          const wni_column_to *to, void *self)
{
    char *inside = wni_format(ctx, "%s/%s", path, file), *plain = NULL;
    const char *member = NULL;
    wn_status st = WN_OK;

    if (!inside) return WN_E_NOMEM;
    WNI_TRY(wni_member_split(ctx, path, &plain, &member));
    if (wni_path_exists(ctx, inside))
        st = read_npy(ctx, inside, n, words, to, self);
    else if (wni_text_form_of(plain) != WNI_FORM_NONE && member)
        st = read_table(ctx, path, plain, member, n, words, to, self);
    else if (wni_text_form_of(path) != WNI_FORM_NONE)
        st = wni_fail(ctx, WN_E_DATA, "%s: name the column: %s:COLUMN", path, path);
    else
        st = read_npy(ctx, path, n, words, to, self);
done:
    wni_free(ctx, plain);
    wni_free(ctx, inside);
    return st;
}
