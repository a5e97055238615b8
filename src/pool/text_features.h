/* SPDX-License-Identifier: Apache-2.0
 *
 * The features of one text: hashed word and character n-grams with their counts, ordered by hash.
 */
#ifndef WNI_TEXT_FEATURES_H
#define WNI_TEXT_FEATURES_H

#include "base/ctx_impl.h"

typedef enum wni_gram { WNI_WORDS = 0, WNI_CHARS, WNI_GRAMS } wni_gram;

/* Scratch of one worker, used again for text after text. */
typedef struct wni_features {
    wn_ctx *ctx;
    char *text; /* " word word word ": lower case, one space around every word */
    int64_t text_bytes, text_room;

    uint64_t *slot; /* (slots + slack) open addressing by the top bits; 0 = free */
    uint32_t *slot_count;
    int64_t slots, slot_room;

    int64_t n;       /* the features that were counted last */
    uint64_t *hash;  /* (n) ascending, distinct, never 0 */
    uint32_t *count; /* (n) */
    double *weight;  /* (n) for the caller */
    int64_t room;
} wni_features;

void wni_features_init(wn_ctx *ctx, wni_features *f);
void wni_features_free(wni_features *f);

/* Splits a text of `bytes` bytes (UTF-8) into words. A word is a run of ASCII letters and digits and of
 * characters beyond ASCII that are not spaces, punctuation or symbols. Letters of ASCII, Latin-1, Greek and
 * Cyrillic are lowered. */
wn_status wni_features_words(wni_features *f, const char *text, int64_t bytes);

/* Counts the n-grams of the words; bit n of `lengths` asks for n-grams of n words or n characters. Character
 * n-grams stay within a word and see a space on either side of it. */
wn_status wni_features_count(wni_features *f, wni_gram gram, uint32_t lengths);

#endif
