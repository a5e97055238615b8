/* SPDX-License-Identifier: Apache-2.0
 *
 * The dict is read by a small parser that knows strings, booleans, tuples of whole numbers and nothing
 * else; whatever numpy would not write is refused.
 */
#include <string.h>

#include "io/npy_header.h"

typedef struct cursor {
    const char *at, *end;
} cursor;

static void skip_space(cursor *c)
{
    while (c->at < c->end && (*c->at == ' ' || *c->at == '\t' || *c->at == '\n' || *c->at == '\r'))
        c->at++;
}

static bool take(cursor *c, char want)
{
    skip_space(c);
    if (c->at >= c->end || *c->at != want) return false;
    c->at++;
    return true;
}

static bool take_word(cursor *c, const char *word)
{
    size_t length = strlen(word);

    skip_space(c);
    if ((size_t)(c->end - c->at) < length || memcmp(c->at, word, length) != 0) return false;
    c->at += length;
    return true;
}

static bool take_string(cursor *c, char *buf, size_t room)
{
    const char *begin;
    char quote;
    size_t length;

    skip_space(c);
    if (c->at >= c->end || (*c->at != '\'' && *c->at != '"')) return false;
    quote = *c->at++;
    for (begin = c->at; c->at < c->end && *c->at != quote; c->at++)
        if (*c->at == '\\') return false;
    if (c->at >= c->end || (length = (size_t)(c->at - begin)) >= room) return false;
    memcpy(buf, begin, length);
    buf[length] = 0;
    c->at++;
    return true;
}

static bool take_number(cursor *c, int64_t *value)
{
    int64_t v = 0;
    bool any = false;

    skip_space(c);
    for (; c->at < c->end && *c->at >= '0' && *c->at <= '9'; c->at++, any = true)
        if (__builtin_mul_overflow(v, 10, &v) || __builtin_add_overflow(v, *c->at - '0', &v))
            return false;
    if (c->at < c->end && *c->at == 'L') /* written by Python 2 */
        c->at++;
    *value = v;
    return any;
}

static bool take_shape(cursor *c, wni_npy_header *out)
{
    if (!take(c, '(')) return false;
    out->dims = 0;
    while (!take(c, ')')) {
        if (out->dims == WNI_NPY_DIMS || !take_number(c, &out->shape[out->dims++])) return false;
        if (!take(c, ',')) {
            if (!take(c, ')')) return false;
            break;
        }
    }
    return true;
}

/* A structured type is a list of tuples; it is kept as text for whoever wants to compare it. */
static bool take_list(cursor *c, char *buf, size_t room)
{
    const char *begin;
    int depth = 0;
    bool in_string = false;

    skip_space(c);
    begin = c->at;
    for (; c->at < c->end; c->at++) {
        if (*c->at == '\'')
            in_string = !in_string;
        else if (!in_string && (*c->at == '[' || *c->at == '('))
            depth++;
        else if (!in_string && (*c->at == ']' || *c->at == ')') && --depth == 0)
            break;
    }
    if (c->at >= c->end || (size_t)(++c->at - begin) >= room) return false;
    memcpy(buf, begin, (size_t)(c->at - begin));
    buf[c->at - begin] = 0;
    return true;
}

static bool take_dict(cursor *c, wni_npy_header *out)
{
    unsigned seen = 0;
    char key[32];

    if (!take(c, '{')) return false;
    while (!take(c, '}')) {
        bool ok = take_string(c, key, sizeof key) && take(c, ':');
        unsigned bit = 0;
        if (!ok) return false;
        if (strcmp(key, "descr") == 0) {
            bit = 1;
            skip_space(c);
            out->structured = c->at < c->end && *c->at == '[';
            ok = out->structured ? take_list(c, out->descr, sizeof out->descr)
                                 : take_string(c, out->descr, sizeof out->descr);
        } else if (strcmp(key, "fortran_order") == 0) {
            bit = 2;
            out->fortran_order = take_word(c, "True");
            ok = out->fortran_order || take_word(c, "False");
        } else if (strcmp(key, "shape") == 0) {
            bit = 4;
            ok = take_shape(c, out);
        }
        if (!ok || !bit || (seen & bit)) return false;
        seen |= bit;
        if (!take(c, ',')) {
            if (!take(c, '}')) return false;
            break;
        }
    }
    skip_space(c);
    return seen == 7 && c->at == c->end;
}

wn_status wni_npy_header_parse(wn_ctx *ctx, const char *path, const void *head, size_t bytes,
                               wni_npy_header *out)
{
    const unsigned char *h = head;
    size_t length, begin;
    cursor c;

    memset(out, 0, sizeof *out);
    if (bytes < 10 || memcmp(h, "\x93NUMPY", 6) != 0)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found no .npy header (it should begin with \\x93NUMPY); if it is raw "
                        "data, as np.memmap writes it, say --dtype and --dim",
                        path);
    if (h[6] < 1 || h[6] > 3)
        return wni_fail(ctx, WN_E_DATA, "%s: found .npy version %d.%d, expected 1, 2 or 3", path,
                        h[6], h[7]);
    begin = h[6] == 1 ? 10 : 12;
    if (bytes < begin)
        return wni_fail(ctx, WN_E_DATA, "%s: the file ends within the .npy header", path);
    length = (size_t)h[8] | (size_t)h[9] << 8;
    if (h[6] > 1) length |= (size_t)h[10] << 16 | (size_t)h[11] << 24;
    if (length > bytes - begin)
        return wni_fail(
            ctx, WN_E_DATA,
            "%s: the .npy header says it has %zu bytes, the file has room for %zu; it is "
            "truncated or damaged",
            path, length, bytes - begin);
    c.at = (const char *)h + begin;
    c.end = c.at + length;
    if (!take_dict(&c, out))
        return wni_fail(ctx, WN_E_DATA,
                        "%s: the .npy header is not one that numpy writes (a dict with descr, "
                        "fortran_order and shape of at most %d dimensions); save the array again",
                        path, WNI_NPY_DIMS);
    out->data_at = (int64_t)(begin + length);
    return WN_OK;
}
