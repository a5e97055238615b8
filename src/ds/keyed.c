/* SPDX-License-Identifier: Apache-2.0 */
#include "ds/keyed.h"

#define SMALL  32
#define DIGITS 16 /* bytes of key and row */

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

static void sort_from(wni_keyed *v, int64_t n, int digit)
{
    int64_t end[256], next[256], at = 0;

    for (; n > SMALL && digit < DIGITS; digit++) {
        memset(end, 0, sizeof end);
        for (int64_t i = 0; i < n; i++)
            end[byte_of(&v[i], digit)]++;
        if (end[byte_of(&v[0], digit)] == n) continue; /* this byte decides nothing */
        for (int b = 0; b < 256; b++) {
            next[b] = at;
            at = end[b] += at;
        }
        for (int b = 0; b < 256; b++)
            while (next[b] < end[b]) {
                wni_keyed x = v[next[b]];
                unsigned home;
                while ((home = byte_of(&x, digit)) != (unsigned)b) {
                    wni_keyed y = v[next[home]];
                    v[next[home]++] = x;
                    x = y;
                }
                v[next[b]++] = x;
            }
        for (int b = 0; b < 256; b++) {
            int64_t begin = b ? end[b - 1] : 0;
            if (end[b] - begin > 1) sort_from(v + begin, end[b] - begin, digit + 1);
        }
        return;
    }
    if (n <= SMALL) insertion(v, n);
}

void wni_keyed_sort(wni_keyed *v, int64_t n)
{
    sort_from(v, n, 0);
}
