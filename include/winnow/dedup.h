/* SPDX-License-Identifier: Apache-2.0
 *
 * Deduplication: which rows say again what an earlier row says.
 */
#ifndef WINNOW_DEDUP_H
#define WINNOW_DEDUP_H

#include "winnow/method.h"
#include "winnow/pool.h"
#include "winnow/table.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef struct wn_dedup_report {
    /* Pairs of rows that the rule is about: each row with the rows before it in its block, under `groups`
     * with the kept ones of them. A number of the data and the parameters: how many of these were scored
     * whole, and what else was scored to find them, depends on memory and is not counted. */
    int64_t pairs_compared;
    int64_t blocks;        /* k-means blocks within which rows were compared; 1 = all pairs */
    int64_t recall_sample; /* rows sampled to measure what blocking lost; 0 = nothing was lost */
    double recall; /* share of sampled rows with a duplicate whose duplicate shares the block */
    double worst_similarity; /* lowest similarity between a dropped row and its partner; 1 = none */
    int64_t recall_duplicates; /* sampled rows that have a duplicate before them anywhere */
    int64_t zero_rows;         /* rows without a direction: compared with nothing, kept */
    int64_t empty_texts;       /* rows without a word: compared with nothing, kept */
    int64_t repeats_reference; /* rows that go because a row of the reference is like them */
    int32_t bands, band_rows;  /* of MinHash signatures; 0 = none were made */
    double band_chance;        /* that a pair at the threshold is compared; 1 = all are */
} wn_dedup_report;

/* All arrays belong to the object. */
typedef struct wn_dedup {
    wn_ctx *ctx;
    int64_t n, kept;
    int64_t
        *partner; /* (n) the row a dropped row repeats; its own number for a kept row; -1 - r for a
                        * row that repeats row r of the reference */
    float *similarity; /* (n) cosine to the partner, or Jaccard similarity of texts (1 for identical
                        * bytes and for kept rows); NaN where it was not computed */
    wn_dedup_report report;
} wn_dedup;

/* Makes an answer over n rows in which every row is kept: n 0..WN_ROWS_MAX. */
WN_API wn_status wn_dedup_new(wn_ctx *ctx, int64_t n, wn_dedup **out);
WN_API void wn_dedup_free(wn_dedup *dedup); /* NULL ok */

/* Rows that earlier runs of dedup minhash kept, in a folder that one of them wrote. */
typedef struct wn_dedup_index wn_dedup_index;

/* Opens the index in `dir` and checks every file of it: WN_E_DATA when there is none, when it is damaged or of
 * another version. Reads each file once; memory does not grow with its size. *out is given. */
WN_API wn_status wn_dedup_index_open(wn_ctx *ctx, const char *dir, wn_dedup_index **out);
WN_API void wn_dedup_index_free(wn_dedup_index *index);          /* NULL ok */
WN_API int64_t wn_dedup_index_rows(const wn_dedup_index *index); /* of all runs together */

typedef struct wn_dedup_input {
    uint32_t struct_size;
    const wn_pool *pool;
    wn_table *table;         /* of methods that read text */
    int32_t column;          /* the text */
    wn_table *against_table; /* a reference: rows of the pool that repeat one of it go; or NULL */
    int32_t against_column;  /* its text */
    const wn_pool *against;  /* (m, d) the reference of methods that read vectors; or NULL */
    const char *scratch_dir; /* folder for what does not fit in memory; NULL = all must fit */
    const wn_dedup_index *index; /* of dedup minhash: a reference like the others; or NULL */
    const void *run;             /* internal: NULL */
} wn_dedup_input;

/* Receives what one threshold of a sweep gives; `dedup` is valid during the call. */
typedef wn_status (*wn_dedup_sink)(void *user, double min_similarity, const wn_dedup *dedup);

typedef struct wn_dedup_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_dedup_input *in, const void *params, wn_dedup **out);
    /* Several thresholds (count), ascending, with what they share done once; NULL = run for each. */
    wn_status (*sweep)(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                       const double *thresholds, int32_t count, wn_dedup_sink sink, void *user);
} wn_dedup_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, finite rows, memory
 * budget. *out is given; wn_dedup_free(). */
WN_API wn_status wn_dedup_run(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *in,
                              const void *params, wn_dedup **out);

/* What every threshold of the method's parameter `sweep` would remove: the same as so many runs, the same
 * checks. The sink sees thresholds ascending; its failure stops the sweep. WN_E_USAGE where the method has no
 * thresholds. */
WN_API wn_status wn_dedup_sweep(wn_ctx *ctx, const wn_method *method, const wn_dedup_input *in,
                                const void *params, wn_dedup_sink sink, void *user);

#define WN_DEDUP_EXACT_PARAMS(P) \
    P(bool, verify, 1, 0, 1, "compare the bytes of rows whose 64-bit hashes agree")
WN_PARAM_STRUCT(wn_dedup_exact_params, WN_DEDUP_EXACT_PARAMS);

/* Rows with the same stored bytes; the first of them is kept. */
WN_API wn_status wn_dedup_exact(wn_ctx *ctx, const wn_dedup_input *in,
                                const wn_dedup_exact_params *params, wn_dedup **out);

typedef enum wn_dedup_rule {
    WN_DEDUP_GROUPS =
        0, /* kept rows lie pairwise below the threshold; a dropped row's partner is kept */
    WN_DEDUP_EARLIER /* any earlier row, kept or dropped, drops a row (the SemDeDup program's rule) */
} wn_dedup_rule;

#define WN_DEDUP_SEMANTIC_PARAMS(P)                                                              \
    P(f64, min_similarity, 0.95, -1, 1, "cosine from which two rows are duplicates")             \
    P(choice, rule, WN_DEDUP_GROUPS, "groups|earlier", 0, "which rows go: see the page")         \
    P(i64, blocks, -1, -1, WN_K_MAX,                                                             \
      "k-means blocks to compare within; 1 = all pairs, -1 = from the number of rows")           \
    P(i64, all_pairs_max, 400000, 1, WN_ROWS_MAX,                                                \
      "most rows for which blocks = -1 compares all pairs")                                      \
    P(i64, recall_sample, 1000, 0, WN_ROWS_MAX,                                                  \
      "rows compared with the whole pool to measure what blocking lost")                         \
    P(bool, within_pool, 1, 0, 1, "compare rows of the pool with each other")                    \
    P(text, sweep, "", 0, 63,                                                                    \
      "LOW:HIGH or LOW:HIGH:STEP: tell what each of these thresholds would remove, and no more") \
    P(u64, seed, 0, 0, 0, "seed of the blocking and of the recall sample")
WN_PARAM_STRUCT(wn_dedup_semantic_params, WN_DEDUP_SEMANTIC_PARAMS);

/* Rows whose cosine reaches a threshold: abbas2023, with the two rules told apart. Rows as similar to a row of
 * the reference go first, and are compared with no others. WN_E_DATA when it has another width. */
WN_API wn_status wn_dedup_semantic(wn_ctx *ctx, const wn_dedup_input *in,
                                   const wn_dedup_semantic_params *params, wn_dedup **out);

typedef enum wn_dedup_scope { WN_DEDUP_WITHIN = 0, WN_DEDUP_ACROSS } wn_dedup_scope;

#define WN_DEDUP_MINHASH_PARAMS(P)                                                                \
    P(text, text, "", 0, 63, "column that holds the text, as in vectorize lexical")               \
    P(f64, min_similarity, 0.8, 0.01, 1, "Jaccard similarity from which two rows are duplicates") \
    P(i32, shingle, 5, 1, 16, "words in a shingle; a shorter text is one shingle")                \
    P(i32, num_perm, 128, 1, 4096, "values of a signature, at most")                              \
    P(i32, bands, 0, 0, 4096, "bands of the signature; 0 = from the threshold")                   \
    P(i32, band_rows, 0, 0, 4096, "values in a band; 0 = from the threshold")                     \
    P(f64, miss_weight, 0.98, 0, 1,                                                               \
      "where bands are chosen: what a missed pair weighs against one compared in vain")           \
    P(bool, verify, 1, 0, 1, "compute the Jaccard similarity of candidates")                      \
    P(text, source, "", 0, 63, "column that tells where a row is from; empty = all one source")   \
    P(choice, scope, WN_DEDUP_WITHIN, "within|across", 0,                                         \
      "with a source: duplicates go within one source, or across two only")                       \
    P(bool, within_pool, 1, 0, 1, "compare rows of the pool with each other")                     \
    P(text, sweep, "", 0, 63,                                                                     \
      "LOW:HIGH or LOW:HIGH:STEP: tell what each of these thresholds would remove, and no more")  \
    P(bool, save_index, 0, 0, 1, "write index/, for --index of a later run")                      \
    P(u64, seed, 0, 0, 0, "seed of the signatures")
WN_PARAM_STRUCT(wn_dedup_minhash_params, WN_DEDUP_MINHASH_PARAMS);

/* Texts whose sets of word shingles are alike: broder1997, with the bands of leskovec2020 and, with `verify`,
 * the exact similarity of every candidate. A row goes when a kept row before it is a candidate that reaches
 * the threshold; its partner is the most similar of those. The rule is `groups` of dedup semantic. WN_E_DATA
 * for a text that is missing. */
WN_API wn_status wn_dedup_minhash(wn_ctx *ctx, const wn_dedup_input *in,
                                  const wn_dedup_minhash_params *params, wn_dedup **out);

typedef enum wn_tables_compare { WN_TABLES_MULTISET = 0, WN_TABLES_SET } wn_tables_compare;
typedef enum wn_tables_equal { WN_TABLES_WRITTEN = 0, WN_TABLES_NUMBER } wn_tables_equal;

/* Reads folders of files, not rows of a pool: a wn_job runs it. Tables of which another holds all columns and
 * all rows in these columns: shah2023. WN_E_DATA when there is no table, or one cannot be read: file and line. */
#define WN_DEDUP_TABLES_PARAMS(P)                                                                \
    P(f64, min_containment, 1, 0.01, 1,                                                          \
      "share of a table's rows that another must hold to be told; suggestions need all of them") \
    P(choice, compare, WN_TABLES_MULTISET, "multiset|set", 0,                                    \
      "multiset: a row that stands twice must stand twice in the other table; set: once is "     \
      "enough")                                                                                  \
    P(choice, equal, WN_TABLES_WRITTEN, "written|number", 0,                                     \
      "written: equal values have the same text; number: 1, 1.0 and 1e0 are equal too")          \
    P(i64, sample, 64, 0, 100000, "rows of a table looked up before all are compared; 0 = none") \
    P(u64, seed, 0, 0, 0, "seed of the sample")
WN_PARAM_STRUCT(wn_dedup_tables_params, WN_DEDUP_TABLES_PARAMS);

#ifdef __cplusplus
}
#endif
#endif
