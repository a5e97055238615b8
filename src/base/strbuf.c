/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>

#include "base/strbuf.h"

void wni_str_init(wni_str *s, wn_ctx *ctx)
{
    *s = (wni_str){.ctx = ctx};
}

/* Makes room for `bytes` more and the zero. */
static int reserve(wni_str *s, int64_t bytes)
{
    int64_t room = wni_max(s->room, 256);
    char *v;

    if (s->st != WN_OK) return 0;
    if (s->length + bytes < s->room) return 1;
    while (room <= s->length + bytes)
        room *= 2;
    v = wni_grow(s->ctx, s->v, s->length, room, 1);
    if (!v) {
        s->st = WN_E_NOMEM;
        return 0;
    }
    s->v = v;
    s->room = room;
    return 1;
}

void wni_str_addn(wni_str *s, const char *text, int64_t bytes)
{
    if (!reserve(s, bytes)) return;
    memcpy(s->v + s->length, text, (size_t)bytes);
    s->length += bytes;
    s->v[s->length] = 0;
}

void wni_str_add(wni_str *s, const char *text)
{
    wni_str_addn(s, text, (int64_t)strlen(text));
}

void wni_str_addf(wni_str *s, const char *format, ...)
{
    va_list args;
    int length;

    va_start(args, format);
    length = vsnprintf(NULL, 0, format, args);
    va_end(args);
    if (length < 0 || !reserve(s, length)) return;
    va_start(args, format);
    vsnprintf(s->v + s->length, (size_t)length + 1, format, args);
    va_end(args);
    s->length += length;
}

wn_status wni_str_take(wni_str *s, char **text)
{
    wn_status st;

    wni_str_addn(s, "", 0);
    st = s->st;
    *text = NULL;
    if (st == WN_OK) {
        *text = s->v;
        s->v = NULL;
    }
    wni_str_free(s);
    return st;
}

void wni_str_free(wni_str *s)
{
    wni_free(s->ctx, s->v);
    *s = (wni_str){.ctx = s->ctx};
}

const char *wni_grouped(int64_t value, char *buf)
{
    char digits[24];
    int length = snprintf(digits, sizeof digits, "%lld", (long long)value), out = 0;
    int sign = digits[0] == '-';

    for (int i = 0; i < length; i++) {
        if (i > sign && (length - i) % 3 == 0) buf[out++] = ',';
        buf[out++] = digits[i];
    }
    buf[out] = 0;
    return buf;
}

int64_t wni_utf8_cut(const char *text, int64_t bytes)
{
    int64_t length = (int64_t)strlen(text);

    if (length <= bytes) return length;
    length = bytes;
    while (length > 0 && ((unsigned char)text[length] & 0xC0) == 0x80)
        length--;
    return length;
}
