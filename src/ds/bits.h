/* SPDX-License-Identifier: Apache-2.0
 *
 * Sets of numbers as bits: number i is bit i % 64 of word i / 64.
 */
#ifndef WNI_BITS_H
#define WNI_BITS_H

#include <stdint.h>

static inline int wni_bit(const uint64_t *bits, int64_t i)
{
    return (int)(bits[i >> 6] >> (i & 63) & 1);
}

static inline void wni_bit_set(uint64_t *bits, int64_t i)
{
    bits[i >> 6] |= (uint64_t)1 << (i & 63);
}

/* Word w of the set, without what is not in [first, end); w in first / 64 .. (end - 1) / 64. */
static inline uint64_t wni_bits_word(const uint64_t *bits, int64_t w, int64_t first, int64_t end)
{
    uint64_t word = bits[w];

    if (w == first >> 6) word &= ~(uint64_t)0 << (first & 63);
    if (w == (end - 1) >> 6) word &= ~(uint64_t)0 >> (63 - ((end - 1) & 63));
    return word;
}

/* How many of [first, end) are in the set. */
static inline int64_t wni_bits_count(const uint64_t *bits, int64_t first, int64_t end)
{
    int64_t n = 0;

    for (int64_t w = first >> 6; first < end && w <= (end - 1) >> 6; w++)
        n += __builtin_popcountll(wni_bits_word(bits, w, first, end));
    return n;
}

/* Which of [first, end) are, ascending; returns how many. */
static inline int64_t wni_bits_list(const uint64_t *bits, int64_t first, int64_t end, int64_t *out)
{
    int64_t n = 0;

    for (int64_t w = first >> 6; first < end && w <= (end - 1) >> 6; w++)
        for (uint64_t word = wni_bits_word(bits, w, first, end); word; word &= word - 1)
            out[n++] = w * 64 + __builtin_ctzll(word);
    return n;
}

/* The same of numbers below 2^31. */
static inline int64_t wni_bits_list32(const uint64_t *bits, int64_t first, int64_t end,
                                      int32_t *out)
{
    int64_t n = 0;

    for (int64_t w = first >> 6; first < end && w <= (end - 1) >> 6; w++)
        for (uint64_t word = wni_bits_word(bits, w, first, end); word; word &= word - 1)
            out[n++] = (int32_t)(w * 64 + __builtin_ctzll(word));
    return n;
}

#endif
