/* SPDX-License-Identifier: Apache-2.0 */
#include "ds/keyed.h"

#define SMALL     32
#define DIGITS    16 /* bytes of key and row */
#define POLL_ROWS 65536

static inline int less(const wni_keyed *a, const wni_keyed *b)
{
    return a->key < b->key || (a->key == b->key && a->row < b->row);
}

static void insertion(wni_keyed *v, int64_t n)
{
    for (int64_t i = 1; i < n; i++) {
        wni_keyed x = v[i];
        int64_t j = i;
        for (; j > 0 && less(&x, &v[j - 1]); j--)
            v[j] = v[j - 1];
        v[j] = x;
    }
}

/* Byte number `digit` of (key, row), the highest first. */
static inline unsigned byte_of(const wni_keyed *x, int digit)
{
    uint64_t word = digit < 8 ? x->key : (uint64_t)x->row;

    return (unsigned)(word >> (56 - 8 * (digit & 7)) & 255);
}

/* Puts v in the order of one byte; end (256) tells where its values end. `parted` stays 0 when all entries
 * have the same. With a ctx it polls. */
static wn_status part(wn_ctx *ctx, wni_keyed *v, int64_t n, int digit, int64_t *end, int *parted)
{
    int64_t next[256], at = 0;
    wn_status st = WN_OK;

    *parted = 0;
    memset(end, 0, 256 * sizeof *end);
    for (int64_t i = 0; i < n; i++) {
        end[byte_of(&v[i], digit)]++;
        if (ctx && i % POLL_ROWS == POLL_ROWS - 1) WNI_TRY(wni_poll(ctx));
    }
    if (end[byte_of(&v[0], digit)] == n) return WN_OK;
    for (int b = 0; b < 256; b++) {
        next[b] = at;
        at = end[b] += at;
    }
    at = 0;
    for (int b = 0; b < 256; b++)
        while (next[b] < end[b]) {
            wni_keyed x = v[next[b]];
            unsigned home;
            while ((home = byte_of(&x, digit)) != (unsigned)b) {
                wni_keyed y = v[next[home]];
                v[next[home]++] = x;
                x = y;
                if (ctx && ++at % POLL_ROWS == 0) WNI_TRY(wni_poll(ctx));
            }
            v[next[b]++] = x;
        }
    *parted = 1;
done:
    return st;
}

static wn_status sort_from(wn_ctx *ctx, wni_keyed *v, int64_t n, int digit)
{
    wn_status st = WN_OK;
    int64_t end[256];

    for (int parted = 0; n > SMALL && digit < DIGITS; digit++) {
        WNI_TRY(part(ctx, v, n, digit, end, &parted));
        if (!parted) continue; /* this byte decides nothing */
        for (int b = 0; b < 256; b++) {
            int64_t begin = b ? end[b - 1] : 0;
            if (end[b] - begin > 1) WNI_TRY(sort_from(ctx, v + begin, end[b] - begin, digit + 1));
        }
        goto done;
    }
    if (n <= SMALL) insertion(v, n);
done:
    return st;
}

void wni_keyed_sort(wni_keyed *v, int64_t n)
{
    (void)sort_from(NULL, v, n, 0);
}

typedef struct parts {
    wni_keyed *v;
    int64_t end[256];
    int digit;
} parts;

static wn_status sort_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    parts *p = arg;
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t b = begin; b < end && st == WN_OK; b++) {
        int64_t from = b ? p->end[b - 1] : 0;
        if (p->end[b] - from > 1) st = sort_from(ctx, p->v + from, p->end[b] - from, p->digit + 1);
    }
    return st;
}

wn_status wni_keyed_sort_long(wn_ctx *ctx, wni_keyed *v, int64_t n)
{
    parts p = {.v = v};
    wn_status st = WN_OK;
    int parted = 0;

    if (n < POLL_ROWS) {
        wni_keyed_sort(v, n);
        return WN_OK;
    }
    for (; p.digit < DIGITS; p.digit++) {
        WNI_TRY(part(ctx, v, n, p.digit, p.end, &parted));
        if (parted) break;
    }
    if (parted) WNI_TRY(wni_parallel(ctx, 256, 1, sort_range, &p));
done:
    return st;
}

wn_status wni_keyed_first(wn_ctx *ctx, wni_keyed *v, int64_t n, int64_t m)
{
    wn_status st = WN_OK;
    int64_t end[256];
    int parted, b;

    for (int digit = 0; m > 0 && m < n && n > SMALL && digit < DIGITS; digit++) {
        WNI_TRY(part(ctx, v, n, digit, end, &parted));
        if (!parted) continue;
        for (b = 0; end[b] < m; b++) {
        }
        n = end[b]; /* the m-th first has this byte: what has a lower one is in, a higher one out */
        if (b) {
            v += end[b - 1];
            n -= end[b - 1];
            m -= end[b - 1];
        }
    }
    if (m > 0 && m < n && n <= SMALL) insertion(v, n);
done:
    return st;
}
