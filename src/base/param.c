/* SPDX-License-Identifier: Apache-2.0
 *
 * Parameters from their tables: defaults, text in and out, bounds, nearest names.
 */
#include <errno.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/param.h"

#define WORD_MAX 64

static void *field(const wn_param *p, void *params)
{
    return (char *)params + p->offset;
}

static const void *field_const(const wn_param *p, const void *params)
{
    return (const char *)params + p->offset;
}

/* "-" and "_" are the same letter in names. */
static bool name_equal(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '-' ? '_' : *a) != (*b == '-' ? '_' : *b)) return false;
    return *a == *b;
}

const wn_param *wni_param_find(const wn_method *method, const char *name)
{
    for (int32_t i = 0; i < method->n_params; i++)
        if (name_equal(method->params[i].name, name)) return &method->params[i];
    return NULL;
}

/* ---- nearest name ------------------------------------------------------------------------------- */

/* Damerau-Levenshtein distance (swapped neighbours count one) of words up to WORD_MAX letters. */
static int edit_distance(const char *a, const char *b)
{
    int row[3][WORD_MAX + 1];
    int na = (int)strlen(a), nb = (int)strlen(b);
    int *before = row[0], *last = row[1], *now = row[2];

    if (na > WORD_MAX || nb > WORD_MAX) return WORD_MAX;
    for (int j = 0; j <= nb; j++)
        last[j] = j;
    for (int i = 1; i <= na; i++) {
        int *spare = before;
        now[0] = i;
        for (int j = 1; j <= nb; j++) {
            int best = last[j - 1] + (a[i - 1] != b[j - 1]);
            if (last[j] + 1 < best) best = last[j] + 1;
            if (now[j - 1] + 1 < best) best = now[j - 1] + 1;
            if (i > 1 && j > 1 && a[i - 1] == b[j - 2] && a[i - 2] == b[j - 1] &&
                before[j - 2] + 1 < best)
                best = before[j - 2] + 1;
            now[j] = best;
        }
        before = last;
        last = now;
        now = spare;
    }
    return last[nb];
}

const char *wn_nearest(const char *word, const char *const *words, int32_t count)
{
    int limit = ((int)strlen(word) + 1) / 3;
    const char *nearest = NULL;

    if (limit < 1) limit = 1;
    for (int32_t i = 0; i < count; i++) {
        int distance = edit_distance(word, words[i]);
        if (distance <= limit) {
            limit = distance - 1;
            nearest = words[i];
        }
        if (limit < 0) break;
    }
    return nearest;
}

static wn_status unknown_param(wn_ctx *ctx, const wn_method *method, const char *name)
{
    const char *names[256], *nearest;
    int32_t n = 0;

    for (; n < method->n_params && n < 256; n++)
        names[n] = method->params[n].name;
    nearest = wn_nearest(name, names, n);
    return wni_fail(ctx, WN_E_USAGE, "%s %s has no parameter '%s'%s%s%s", method->family,
                    method->name, name, nearest ? "; did you mean '" : "", nearest ? nearest : "",
                    nearest ? "'?" : "");
}

/* ---- choices -------------------------------------------------------------------------------------- */

/* Word number `index` of "a|b|c" into buf; 0 when there is none. */
static int choice_word(const char *words, int index, char buf[WORD_MAX])
{
    for (;; index--, words++) {
        size_t length = strcspn(words, "|");
        if (index == 0 && length < WORD_MAX) {
            memcpy(buf, words, length);
            buf[length] = 0;
            return 1;
        }
        words += length;
        if (!*words || index <= 0) return 0;
    }
}

static int choice_find(const char *words, const char *word)
{
    char buf[WORD_MAX];

    for (int i = 0; choice_word(words, i, buf); i++)
        if (name_equal(buf, word)) return i;
    return -1;
}

/* ---- text to values --------------------------------------------------------------------------------- */

double wni_param_number(const char *text, const char **end)
{
    char *stop;
    double x = strtod(text, &stop);

    *end = stop;
    return x;
}

/* A count: digits, or a number with K, M or G (powers of ten), or 1e6. Must be whole. */
static bool parse_count(const char *text, int64_t *out)
{
    char *end;
    double x, scale = 1;

    errno = 0;
    *out = strtoll(text, &end, 10);
    if (end != text && !*end && !errno) return true;
    x = strtod(text, &end);
    if (end == text) return false;
    switch (*end) {
    case 'k':
    case 'K':
        scale = 1e3;
        end++;
        break;
    case 'm':
    case 'M':
        scale = 1e6;
        end++;
        break;
    case 'g':
    case 'G':
        scale = 1e9;
        end++;
        break;
    }
    x *= scale;
    if (*end || !(fabs(x) < 9e15) || x != floor(x)) return false;
    *out = (int64_t)x;
    return true;
}

/* -1 = neither. */
static int parse_bool(const char *text)
{
    static const char *const yes[] = {"1", "true", "yes", "on"}, *const no[] = {"0", "false", "no",
                                                                                "off"};

    for (int i = 0; i < 4; i++) {
        if (strcmp(text, yes[i]) == 0) return 1;
        if (strcmp(text, no[i]) == 0) return 0;
    }
    return -1;
}

static bool parse_list(const char *text, wn_list *list)
{
    char part[WORD_MAX];

    memset(list, 0, sizeof *list);
    while (*text) {
        size_t length = strcspn(text, ",");
        if (length == 0 || length >= sizeof part || list->count == WN_LIST_MAX) return false;
        memcpy(part, text, length);
        part[length] = 0;
        if (!parse_count(part, &list->at[list->count++])) return false;
        text += length;
        if (*text == ',' && !*++text) return false;
    }
    return true;
}

static wn_status not_a(wn_ctx *ctx, const wn_param *p, const char *value, const char *what)
{
    return wni_fail(ctx, WN_E_USAGE, "%s: found '%.60s%s', expected %s", p->name, value,
                    strlen(value) > 60 ? "..." : "", what);
}

static wn_status check_number(wn_ctx *ctx, const wn_param *p, double x)
{
    if (x >= p->low && x <= p->high) return WN_OK;
    return wni_fail(ctx, WN_E_USAGE, "%s: found %.15g, expected %.15g to %.15g", p->name, x, p->low,
                    p->high);
}

static wn_status check_field(wn_ctx *ctx, const wn_param *p, const void *params)
{
    const void *at = field_const(p, params);
    char buf[WORD_MAX];

    switch (p->type) {
    case WN_P_I32:
        return check_number(ctx, p, *(const int32_t *)at);
    case WN_P_I64:
        return check_number(ctx, p, (double)*(const int64_t *)at);
    case WN_P_F64:
        return check_number(ctx, p, *(const double *)at);
    case WN_P_U64:
        return WN_OK;
    case WN_P_BOOL:
        if (*(const int32_t *)at == 0 || *(const int32_t *)at == 1) return WN_OK;
        return wni_fail(ctx, WN_E_USAGE, "%s: found %d, expected 0 or 1", p->name,
                        (int)*(const int32_t *)at);
    case WN_P_CHOICE:
        if (*(const int32_t *)at >= 0 && choice_word(p->text, *(const int32_t *)at, buf))
            return WN_OK;
        return wni_fail(ctx, WN_E_USAGE, "%s: found choice number %d, expected one of %s", p->name,
                        (int)*(const int32_t *)at, p->text);
    case WN_P_LIST: {
        const wn_list *list = at;
        if (list->count < 0 || list->count > WN_LIST_MAX)
            return wni_fail(ctx, WN_E_USAGE, "%s: found %d entries, expected at most %d", p->name,
                            (int)list->count, WN_LIST_MAX);
        for (int32_t i = 0; i < list->count; i++) {
            wn_status st = check_number(ctx, p, (double)list->at[i]);
            if (st != WN_OK) return st;
        }
        return WN_OK;
    }
    case WN_P_TEXT:
        if (memchr(at, 0, WN_TEXT_MAX)) return WN_OK;
        return wni_fail(ctx, WN_E_USAGE, "%s: found a text without end, expected at most %d bytes",
                        p->name, WN_TEXT_MAX - 1);
    }
    return wni_fail(ctx, WN_E_INTERNAL, "%s: unknown parameter type", p->name);
}

/* The value goes to scratch first: a refused value leaves the parameters as they were. */
wn_status wn_params_set(wn_ctx *ctx, const wn_method *method, void *params, const char *name,
                        const char *value)
{
    const wn_param *p = wni_param_find(method, name);
    union {
        int32_t i32;
        int64_t i64;
        uint64_t u64;
        double f64;
        wn_list list;
        char text[WN_TEXT_MAX];
    } v;
    wn_param at_zero;
    size_t bytes = 0;
    int64_t count;
    char *end;
    wn_status st;

    if (!p) return unknown_param(ctx, method, name);
    memset(&v, 0, sizeof v);
    switch (p->type) {
    case WN_P_I32:
    case WN_P_I64:
        if (!parse_count(value, &count))
            return not_a(ctx, p, value, "a whole number (K, M, G allowed)");
        if ((st = check_number(ctx, p, (double)count)) != WN_OK) return st;
        if (p->type == WN_P_I32)
            v.i32 = (int32_t)count;
        else
            v.i64 = count;
        bytes = p->type == WN_P_I32 ? sizeof v.i32 : sizeof v.i64;
        break;
    case WN_P_U64:
        errno = 0;
        v.u64 = strtoull(value, &end, 0);
        if (end == value || *end || errno || strchr(value, '-'))
            return not_a(ctx, p, value, "a whole number from 0 to 2^64 - 1");
        bytes = sizeof v.u64;
        break;
    case WN_P_F64:
        v.f64 = strtod(value, &end);
        if (end == value || *end) return not_a(ctx, p, value, "a number");
        bytes = sizeof v.f64;
        break;
    case WN_P_BOOL:
        v.i32 = parse_bool(value);
        if (v.i32 < 0) return not_a(ctx, p, value, "true or false");
        bytes = sizeof v.i32;
        break;
    case WN_P_CHOICE:
        v.i32 = choice_find(p->text, value);
        if (v.i32 < 0)
            return wni_fail(ctx, WN_E_USAGE, "%s: found '%s', expected one of %s", p->name, value,
                            p->text);
        bytes = sizeof v.i32;
        break;
    case WN_P_LIST:
        if (!parse_list(value, &v.list))
            return not_a(ctx, p, value, "whole numbers with commas between them, at most 8");
        bytes = sizeof v.list;
        break;
    case WN_P_TEXT:
        if (strlen(value) >= WN_TEXT_MAX) return not_a(ctx, p, value, "at most 1023 bytes");
        memcpy(v.text, value, strlen(value));
        bytes = sizeof v.text;
        break;
    }
    at_zero = *p;
    at_zero.offset = 0;
    if ((st = check_field(ctx, &at_zero, &v)) != WN_OK) return st;
    memcpy(field(p, params), &v, bytes);
    return WN_OK;
}

/* ---- values to text ----------------------------------------------------------------------------------- */

/* Shortest decimal that reads back as the same double. */
static int real_text(double x, char *buf, size_t bytes)
{
    char text[40];

    for (int digits = 6; digits <= 17; digits++) {
        snprintf(text, sizeof text, "%.*g", digits, x);
        if (strtod(text, NULL) == x) break;
    }
    return snprintf(buf, bytes, "%s", text);
}

int wn_params_text(const wn_method *method, const void *params, const char *name, char *buf,
                   size_t bytes)
{
    const wn_param *p = wni_param_find(method, name);
    const void *at;
    char word[WORD_MAX];
    int length = 0;

    if (!p || bytes == 0) return -1;
    at = field_const(p, params);
    switch (p->type) {
    case WN_P_I32:
        return snprintf(buf, bytes, "%d", (int)*(const int32_t *)at);
    case WN_P_BOOL:
        return snprintf(buf, bytes, "%s", *(const int32_t *)at ? "true" : "false");
    case WN_P_I64:
        return snprintf(buf, bytes, "%lld", (long long)*(const int64_t *)at);
    case WN_P_U64:
        return snprintf(buf, bytes, "%llu", (unsigned long long)*(const uint64_t *)at);
    case WN_P_F64:
        return real_text(*(const double *)at, buf, bytes);
    case WN_P_CHOICE:
        if (!choice_word(p->text, *(const int32_t *)at, word)) return -1;
        return snprintf(buf, bytes, "%s", word);
    case WN_P_LIST: {
        const wn_list *list = at;
        buf[0] = 0;
        for (int32_t i = 0; i < list->count && (size_t)length < bytes; i++)
            length += snprintf(buf + length, bytes - (size_t)length, "%s%lld", i ? "," : "",
                               (long long)list->at[i]);
        return length;
    }
    case WN_P_TEXT:
        return snprintf(buf, bytes, "%s", (const char *)at);
    }
    return -1;
}

void wn_params_init(const wn_method *method, void *params)
{
    uint32_t bytes = (uint32_t)method->params_bytes;

    memset(params, 0, method->params_bytes);
    memcpy(params, &bytes, sizeof bytes);
    for (int32_t i = 0; i < method->n_params; i++) {
        const wn_param *p = &method->params[i];
        void *at = field(p, params);
        switch (p->type) {
        case WN_P_I32:
        case WN_P_BOOL:
        case WN_P_CHOICE:
            *(int32_t *)at = (int32_t)p->def;
            break;
        case WN_P_I64:
            *(int64_t *)at = (int64_t)p->def;
            break;
        case WN_P_U64:
            *(uint64_t *)at = (uint64_t)p->def;
            break;
        case WN_P_F64:
            *(double *)at = p->def;
            break;
        case WN_P_LIST:
            parse_list(p->text, at);
            break;
        case WN_P_TEXT:
            snprintf(at, WN_TEXT_MAX, "%s", p->text);
            break;
        }
    }
}

wn_status wn_params_check(wn_ctx *ctx, const wn_method *method, const void *params)
{
    for (int32_t i = 0; i < method->n_params; i++) {
        wn_status st = check_field(ctx, &method->params[i], params);
        if (st != WN_OK) return st;
    }
    return WN_OK;
}

wn_status wni_params_complete(wn_ctx *ctx, const wn_method *method, const void *given, void *params)
{
    uint32_t bytes;

    wn_params_init(method, params);
    if (!given) return WN_OK;
    memcpy(&bytes, given, sizeof bytes);
    if (bytes < sizeof bytes || bytes > (1u << 20))
        return wni_fail(
            ctx, WN_E_USAGE,
            "%s %s: the parameter struct says it has %u bytes; call wn_params_init first",
            method->family, method->name, bytes);
    memcpy(params, given, wni_min((int64_t)bytes, (int64_t)method->params_bytes));
    bytes = (uint32_t)method->params_bytes;
    memcpy(params, &bytes, sizeof bytes);
    return wn_params_check(ctx, method, params);
}

int wni_reals_of_text(const char *text, double *v, int max)
{
    int n = 0;

    for (;; text++) {
        char *end;
        if (n == max) return -1;
        v[n] = strtod(text, &end);
        if (end == text || !isfinite(v[n++]) || (*end && *end != ',')) return -1;
        text = end;
        if (!*text) return n;
    }
}
