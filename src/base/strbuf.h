/* SPDX-License-Identifier: Apache-2.0
 *
 * A text that grows. The first failure sticks, so that a writer of pages may add freely and look once,
 * at the end.
 */
#ifndef WNI_STRBUF_H
#define WNI_STRBUF_H

#include "base/ctx_impl.h"

typedef struct wni_str {
    wn_ctx *ctx;
    char *v; /* NULL before the first byte */
    int64_t length, room;
    wn_status st;
} wni_str;

void wni_str_init(wni_str *s, wn_ctx *ctx);
void wni_str_add(wni_str *s, const char *text);
void wni_str_addn(wni_str *s, const char *text, int64_t bytes);
void wni_str_addf(wni_str *s, const char *format, ...) __attribute__((format(printf, 2, 3)));

/* Ends the text: it belongs to the caller (wni_free), or, after a failure, there is none. */
wn_status wni_str_take(wni_str *s, char **text);
void wni_str_free(wni_str *s);

/* 1234567 as "1,234,567" into buf (at least 32 bytes); returns buf. */
const char *wni_grouped(int64_t value, char *buf);

/* The length of the longest start of `text` that is at most `bytes` long and cuts no UTF-8 character. */
int64_t wni_utf8_cut(const char *text, int64_t bytes);

#endif
