/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>

#include "pool/decimal.h"

/* Longest run of digits from `at`; returns the end. */
static int64_t digits(const char *s, int64_t at, int64_t bytes)
{
    while (at < bytes && s[at] >= '0' && s[at] <= '9')
        at++;
    return at;
}

typedef struct number_parts {
    int negative;
    int64_t whole, point, end; /* whole digits [whole, point), fraction [point + 1, end) */
    int64_t exponent;
} number_parts;

/* A number as JSON writes it: -1.50e3, but not 007, +1, .5 or 1e9999999. */
static int parse_number(const char *s, int64_t bytes, number_parts *n)
{
    int64_t at, mark;
    int minus = 0;

    *n = (number_parts){0};
    if (bytes == 0 || bytes > WNI_DECIMAL_BYTES - 40) return 0;
    n->negative = s[0] == '-';
    n->whole = n->negative;
    n->point = n->end = at = digits(s, n->whole, bytes);
    if (at == n->whole || (s[n->whole] == '0' && at > n->whole + 1)) return 0;
    if (at < bytes && s[at] == '.') {
        n->end = digits(s, at + 1, bytes);
        if (n->end == at + 1) return 0;
        at = n->end;
    }
    if (at < bytes && (s[at] == 'e' || s[at] == 'E')) {
        if (++at < bytes && (s[at] == '-' || s[at] == '+')) minus = s[at++] == '-';
        mark = at;
        at = digits(s, at, bytes);
        if (at == mark || at - mark > 6) return 0;
        for (int64_t i = mark; i < at; i++)
            n->exponent = 10 * n->exponent + (s[i] - '0');
        if (minus) n->exponent = -n->exponent;
    }
    return at == bytes;
}

/* The one way to write it: digits without zeros at either end, and an exponent: -1.50e3 is -15e2. */
static int64_t write_number(const char *s, const number_parts *n, char buf[WNI_DECIMAL_BYTES])
{
    int64_t exponent = n->exponent, at = 0, first;

    if (n->negative) buf[at++] = '-';
    first = at;
    for (int64_t i = n->whole; i < n->end; i++) {
        if (s[i] == '.') continue;
        if (i > n->point) exponent--;
        if (at > first || s[i] != '0') buf[at++] = s[i];
    }
    while (at > first && buf[at - 1] == '0') {
        at--;
        exponent++;
    }
    if (at == first) return snprintf(buf, WNI_DECIMAL_BYTES, "0");
    return at + snprintf(buf + at, (size_t)(WNI_DECIMAL_BYTES - at), "e%lld", (long long)exponent);
}

int64_t wni_decimal(const char *text, int64_t bytes, char buf[WNI_DECIMAL_BYTES], double *real)
{
    number_parts parts;
    int64_t length;

    if (!parse_number(text, bytes, &parts)) return 0;
    length = write_number(text, &parts, buf);
    if (real) *real = strtod(buf, NULL);
    return length;
}
