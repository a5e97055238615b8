/* SPDX-License-Identifier: Apache-2.0
 *
 * The phases of dedup minhash: texts to sets and band keys (minhash_sign), band keys to buckets
 * (minhash_join), buckets to the rows that go (minhash_rule).
 *
 * Documents are numbered through: those of the reference first, then the rows of the pool.
 */
#ifndef WNI_MINHASH_IMPL_H
#define WNI_MINHASH_IMPL_H

#include "base/ctx_impl.h"
#include "io/scratch.h"
#include "winnow/dedup.h"

#define WNI_NO_WORDS INT64_MIN /* in wni_minhash.set */

/* How signatures are cut: a pair becomes a candidate when all `rows` values of one of the bands agree. */
typedef struct wni_bands {
    int32_t count, rows;
} wni_bands;

/* The bands of at most num_perm values with the least weighted area of errors: of pairs at or above the
 * threshold that are missed, and of pairs below it that are compared. */
wni_bands wni_bands_choose(double min_similarity, int32_t num_perm, double miss_weight);
/* Chance that a pair of this Jaccard similarity becomes a candidate. */
double wni_bands_chance(wni_bands bands, double similarity);

/* What the phases may hold, from the memory that is left; all zero = as much as they want. */
typedef struct wni_minhash_layout {
    int64_t fixed_bytes;                               /* by row, by thread, batches */
    int64_t batch_bytes, batch_rows;                   /* of text at a time */
    int64_t keys, sets, saved, members, chain, places; /* bytes of each array or sort */
    int64_t total_bytes;
} wni_minhash_layout;

typedef struct wni_minhash {
    wn_ctx *ctx;
    const wn_dedup_minhash_params *p;
    const wn_dedup_input *in;
    wni_bands bands;
    int32_t values, padded; /* of a signature that are used; rounded up for the kernel */
    int64_t refs, n, docs;  /* of the reference, of the pool, together */
    wni_minhash_layout layout;
    uint32_t *a, *b; /* (padded) the orders */

    uint64_t *source; /* (n) hash of each row's source, or NULL */
    int64_t *set;     /* (docs) where its set begins in `sets`; -1 - d of a copy: the set of the
                       * earlier document d; WNI_NO_WORDS */
    wni_store *sets;  /* uint64_t: count, then the shingles ascending; NULL without verification */
    wni_spill *keys;  /* band key, document */
    wni_store
        *saved; /* uint64_t, of each document of the pool with a set of its own: its hash (2) and
                       * band keys; NULL unless an index is written */
    uint64_t
        *asked; /* a bit by the top bits of every band key of the pool; NULL without an index */
    int asked_shift;

    wni_store
        *members;      /* int64_t: document * 2 + (1 for the first of a bucket), bucket by bucket */
    wni_spill *places; /* document, position in members */
    int place_shift;   /* of documents, so that they fill the key */
} wni_minhash;

/* Reads the texts of the reference and of the pool; fills set, sets and keys. */
wn_status wni_minhash_sign(wni_minhash *m);
/* Sorts the keys; fills members and places. Frees the keys. */
wn_status wni_minhash_join(wni_minhash *m);
/* Decides row by row into `dedup`, then gives copies the fate of their first document. */
wn_status wni_minhash_rule(wni_minhash *m, double min_similarity, wn_dedup *dedup);

/* Bits of a number that `asked` is indexed by: about eight places for each of so many keys. */
static inline int wni_minhash_asked_bits(int64_t keys)
{
    int bits = 12;

    while (bits < 40 && (int64_t)1 << bits < keys * 8)
        bits++;
    return bits;
}

/* dedup->partner for a document. */
static inline int64_t wni_minhash_partner(const wni_minhash *m, int64_t document)
{
    return document < m->refs ? -1 - document : document - m->refs;
}

#endif
