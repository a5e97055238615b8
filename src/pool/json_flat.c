/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#include "pool/json_flat.h"

typedef struct flat {
    const unsigned char *p, *end;
    char *room; /* what is free of it */
} flat;

static void skip_space(flat *f)
{
    while (f->p < f->end && (*f->p == ' ' || *f->p == '\t' || *f->p == '\r' || *f->p == '\n'))
        f->p++;
}

static int take(flat *f, char c)
{
    skip_space(f);
    if (f->p == f->end || *f->p != (unsigned char)c) return 0;
    f->p++;
    return 1;
}

/* Bytes of the well-formed character beyond ASCII at p, 0 = it is not: no longer form than needed, no
 * surrogate, nothing beyond U+10FFFF. */
static int utf8(const unsigned char *p, const unsigned char *end)
{
    int n = p[0] < 0xc2 ? 0 : p[0] < 0xe0 ? 2 : p[0] < 0xf0 ? 3 : p[0] < 0xf5 ? 4 : 0;

    if (n == 0 || end - p < n) return 0;
    for (int i = 1; i < n; i++)
        if ((p[i] & 0xc0) != 0x80) return 0;
    if ((p[0] == 0xe0 && p[1] < 0xa0) || (p[0] == 0xed && p[1] > 0x9f)) return 0;
    if ((p[0] == 0xf0 && p[1] < 0x90) || (p[0] == 0xf4 && p[1] > 0x8f)) return 0;
    return n;
}

/* Stretches of plain ASCII: nothing that ends, escapes, controls or begins a character of several bytes. */
static const unsigned char *skip_plain(const unsigned char *p, const unsigned char *end)
{
    const uint64_t ones = 0x0101010101010101u, highs = ones << 7;

    for (; end - p >= 8; p += 8) {
        uint64_t x, quote, slash, low;

        memcpy(&x, p, sizeof x);
        quote = x ^ ones * '"';
        slash = x ^ ones * '\\';
        low = (x - ones * 0x20) & ~x; /* below a space */
        if ((((quote - ones) & ~quote) | ((slash - ones) & ~slash) | low | x) & highs) break;
    }
    while (p < end && *p >= 0x20 && *p < 0x80 && *p != '"' && *p != '\\')
        p++;
    return p;
}

static int hex4(const unsigned char *p, uint32_t *code)
{
    *code = 0;
    for (int i = 0; i < 4; i++) {
        unsigned char c = p[i];
        int digit = c >= '0' && c <= '9'   ? c - '0'
                    : c >= 'a' && c <= 'f' ? c - 'a' + 10
                    : c >= 'A' && c <= 'F' ? c - 'A' + 10
                                           : -1;

        if (digit < 0) return 0;
        *code = *code << 4 | (uint32_t)digit;
    }
    return 1;
}

/* The escape at f->p, behind its backslash, into *to. 0 = not known here; pairs of surrogates are not. */
static int unescape(flat *f, char **to)
{
    static const char from[] = "\"\\/bfnrt", into[] = "\"\\/\b\f\n\r\t";
    const char *at;
    uint32_t code;

    if (f->p == f->end) return 0;
    if (*f->p != 'u') {
        at = *f->p ? strchr(from, *f->p) : NULL;
        if (!at) return 0;
        *(*to)++ = into[at - from];
        f->p++;
        return 1;
    }
    if (f->end - f->p < 5 || !hex4(f->p + 1, &code)) return 0;
    if (code == 0 || (code >= 0xd800 && code < 0xe000)) return 0;
    if (code < 0x80) {
        *(*to)++ = (char)code;
    } else if (code < 0x800) {
        *(*to)++ = (char)(0xc0 | code >> 6);
        *(*to)++ = (char)(0x80 | (code & 0x3f));
    } else {
        *(*to)++ = (char)(0xe0 | code >> 12);
        *(*to)++ = (char)(0x80 | (code >> 6 & 0x3f));
        *(*to)++ = (char)(0x80 | (code & 0x3f));
    }
    f->p += 5;
    return 1;
}

/* The string behind an opening quote. In the line where it has no escapes, else, and with `copy` always, in
 * room, ended by a zero. */
static int string(flat *f, int copy, const char **text, int64_t *bytes)
{
    const unsigned char *start = f->p, *run = start;
    char *to = NULL, *first = f->room;

    if (copy) to = first;
    for (;;) {
        f->p = skip_plain(f->p, f->end);
        if (f->p == f->end || *f->p < 0x20) return 0;
        if (*f->p >= 0x80) {
            int n = utf8(f->p, f->end);

            if (n == 0) return 0;
            f->p += n;
            continue;
        }
        if (*f->p == '\\' && !to) to = first;
        if (to) {
            memcpy(to, run, (size_t)(f->p - run));
            to += f->p - run;
        }
        if (*f->p == '"') break;
        f->p++;
        if (!unescape(f, &to)) return 0;
        run = f->p;
    }
    *text = to ? first : (const char *)start;
    *bytes = to ? to - first : f->p - start;
    if (to) {
        *to++ = 0; /* where the quote was there is room for it */
        f->room = to;
    }
    f->p++;
    return 1;
}

static int word(flat *f, const char *text, wni_cell *cell)
{
    int64_t length = (int64_t)strlen(text);

    if (f->end - f->p < length || memcmp(f->p, text, (size_t)length) != 0) return 0;
    cell->text = (const char *)f->p;
    cell->bytes = length;
    f->p += length;
    return 1;
}

/* A whole number of at most 18 digits in the one way of writing it. */
static int number(flat *f, wni_cell *cell)
{
    const unsigned char *start = f->p, *digits;
    int64_t x = 0;
    int minus = *f->p == '-';

    f->p += minus;
    for (digits = f->p; f->p < f->end && *f->p >= '0' && *f->p <= '9' && f->p - digits < 18; f->p++)
        x = x * 10 + (*f->p - '0');
    if (f->p == digits) return 0;
    if (*digits == '0' && (f->p - digits > 1 || minus)) return 0;
    /* A nineteenth digit stands where the end should. */
    if (f->p == f->end || !strchr(", }\t\r\n", *f->p) || !*f->p) return 0;
    cell->kind = WNI_INTEGER;
    cell->parsed = 1;
    cell->integer = minus ? -x : x;
    cell->text = (const char *)start;
    cell->bytes = f->p - start;
    return 1;
}

static int value(flat *f, wni_cell *cell)
{
    skip_space(f);
    if (f->p == f->end) return 0;
    switch (*f->p) {
    case '"':
        f->p++;
        cell->kind = WNI_TEXT;
        cell->textual = 1;
        return string(f, 0, &cell->text, &cell->bytes);
    case 't':
    case 'f':
        cell->kind = WNI_INTEGER;
        cell->parsed = 1;
        cell->integer = *f->p == 't';
        return word(f, cell->integer ? "true" : "false", cell);
    case 'n':
        cell->kind = WNI_NULL;
        return word(f, "null", cell);
    default:
        return number(f, cell);
    }
}

static int repeats(const wni_flat *members, int32_t n)
{
    for (int32_t i = 0; i < n; i++)
        if (members[i].key_bytes == members[n].key_bytes &&
            memcmp(members[i].key, members[n].key, (size_t)members[n].key_bytes) == 0)
            return 1;
    return 0;
}

int32_t wni_json_flat(char *line, int64_t bytes, char *room, wni_flat members[WNI_FLAT_MEMBERS])
{
    flat f = {(const unsigned char *)line, (const unsigned char *)line + bytes, room};
    int32_t n = 0;

    if (!take(&f, '{')) return -1;
    if (!take(&f, '}')) {
        do {
            wni_flat *m = &members[n];
            int64_t length;

            if (n == WNI_FLAT_MEMBERS || !take(&f, '"')) return -1;
            memset(m, 0, sizeof *m);
            if (!string(&f, 1, &m->key, &length) || length > 4096) return -1;
            m->key_bytes = (int32_t)length;
            if (repeats(members, n) || !take(&f, ':') || !value(&f, &m->cell)) return -1;
            n++;
        } while (take(&f, ','));
        if (!take(&f, '}')) return -1;
    }
    skip_space(&f);
    if (f.p != f.end) return -1;
    for (int32_t i = 0; i < n; i++) {
        const wni_cell *cell = &members[i].cell;

        if (cell->textual && cell->text >= line && cell->text <= line + bytes)
            line[cell->text - line + cell->bytes] = 0;
    }
    return n;
}
