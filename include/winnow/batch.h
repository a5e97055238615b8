/* SPDX-License-Identifier: Apache-2.0
 *
 * Batches: which rows to train on next. A sampler yields row numbers; batch b of epoch e is a function of
 * the parameters, so that any batch can be asked for at any time, on any machine, in any order.
 */
#ifndef WINNOW_BATCH_H
#define WINNOW_BATCH_H

#include "winnow/cluster.h"
#include "winnow/labels.h"
#include "winnow/score.h"

#ifdef __cplusplus
extern "C" {
#endif

/* What a method reads is in its `inputs`; the rest may be NULL. */
typedef struct wn_batch_input {
    uint32_t struct_size;
    int64_t n;                /* rows of the pool */
    const wn_tree *tree;      /* over the rows of the pool: its finest clusters are the groups */
    const wn_labels *groups;  /* (n) classes, clusters or topics; -1 = never drawn */
    const wn_scores *scores;  /* (n) weights, difficulties or margins: the method says which */
    const wn_labels *queries; /* (n) the query that a row, a pair, belongs to */
    const int64_t *rows;      /* (n_rows) ascending rows of the pool: draw from these only */
    int64_t n_rows;
} wn_batch_input;

/* Every method's parameters begin with these, which stay as they are: its own follow. */
#define WN_BATCH_PARAMS(P)                                                                      \
    P(i64, batch_size, 256, 1, WN_ROWS_MAX, "rows of a batch")                                  \
    P(bool, drop_last, 0, 0, 1, "leave out the rows of an epoch that fill no batch")            \
    P(i32, world, 1, 1, 1048576, "processes that share an epoch")                               \
    P(i32, rank, 0, 0, 1048575, "which of these processes draws, from 0")                       \
    P(i64, first_epoch, 0, 0, WN_ROWS_MAX, "epoch to write first; a sampler begins there, too") \
    P(i64, epochs, 1, 1, WN_ROWS_MAX, "epochs to write; a sampler goes on past them")           \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_batch_params, WN_BATCH_PARAMS);

/* What a method of this family provides (wn_method.ops). The input comes checked: `rows` is worked in (n
 * counts the rows to draw from, the arrays are theirs, draws are numbers below n), `tree` has become `groups`,
 * whose v and classes alone may be read. `state` is the method's own and owns what it needs. A method has
 * `length` and `draw`, when an epoch is a sequence of rows that may be cut anywhere, or `batches` and `batch`,
 * when it makes the batches itself. All but `feedback` may be called from any thread. */
typedef struct wn_batch_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_batch_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*begin)(wn_ctx *ctx, const wn_batch_input *in, const void *params, void **state);
    void (*end)(wn_ctx *ctx, void *state);
    int64_t (*length)(const void *state, int64_t epoch);
    wn_status (*draw)(wn_ctx *ctx, const void *state, int64_t epoch, int64_t first, int64_t count,
                      int64_t *rows);
    int64_t (*batches)(const void *state, int64_t epoch);
    wn_status (*batch)(wn_ctx *ctx, const void *state, int64_t epoch, int64_t b, int64_t *rows,
                       int64_t *count);
    wn_status (*feedback)(wn_ctx *ctx, void *state, const int64_t *rows, const float *losses,
                          int64_t n); /* NULL = the method learns nothing from losses */
} wn_batch_ops;

typedef struct wn_sampler wn_sampler;

/* Makes a sampler; params NULL = defaults. It copies what it needs of the input. Cost: see the method.
 * WN_E_USAGE, WN_E_DATA (lengths that disagree, no rows to draw from), WN_E_BUDGET, WN_E_NOMEM. */
WN_API wn_status wn_sampler_new(wn_ctx *ctx, const wn_method *method, const wn_batch_input *in,
                                const void *params, wn_sampler **out);
WN_API void wn_sampler_free(wn_sampler *sampler); /* NULL ok */

/* The method it was made of, and rows of a batch. */
WN_API const wn_method *wn_sampler_method(const wn_sampler *sampler);
WN_API int64_t wn_sampler_batch_size(const wn_sampler *sampler);

/* Batches of this rank in an epoch. Every rank has as many; 0 when drop_last leaves none. */
WN_API int64_t wn_sampler_batches(const wn_sampler *sampler, int64_t epoch);

/* The rows of batch b of an epoch into rows (batch_size), *count of them; O(batch_size) wherever b lies. Only
 * the last batch has fewer than batch_size (but see `batch topic_aware`), none at all when the last rows of an
 * epoch are fewer than the ranks. It changes nothing and calls nothing back: several threads may call it at once.
 * WN_E_USAGE when the epoch or the batch is not there. */
WN_API wn_status wn_sampler_batch(const wn_sampler *sampler, int64_t epoch, int64_t b,
                                  int64_t *rows, int64_t *count);

/* The batch where the sampler stands, into rows (batch_size); then it moves on. *count = -1 at the end of an
 * epoch, which moves to the start of the next. */
WN_API wn_status wn_sampler_next(wn_sampler *sampler, int64_t *rows, int64_t *count);

/* Where it stands: the batch that wn_sampler_next gives. Any epoch >= 0, b 0..its batches. */
WN_API void wn_sampler_tell(const wn_sampler *sampler, int64_t *epoch, int64_t *b);
WN_API wn_status wn_sampler_seek(wn_sampler *sampler, int64_t epoch, int64_t b);

#define WN_SAMPLER_STATE_MAX 2048 /* bytes of any state, its zero included */
/* Where it stands and what it draws from, as one line of text into buf (bytes); returns its length. */
WN_API int wn_sampler_save(const wn_sampler *sampler, char *buf, size_t bytes);
/* Goes on where `text` was saved. WN_E_DATA when it was saved by a sampler of another method, other
 * parameters (the rank may differ) or other inputs. */
WN_API wn_status wn_sampler_restore(wn_sampler *sampler, const char *text);

/* Tells the method the losses (n) of rows (n) drawn. WN_E_USAGE when the method learns nothing from them:
 * wn_sampler_learns() says so beforehand. */
WN_API int wn_sampler_learns(const wn_sampler *sampler);
WN_API wn_status wn_sampler_feedback(wn_sampler *sampler, const int64_t *rows, const float *losses,
                                     int64_t n);

#define WN_BATCH_UNIFORM_PARAMS(P) WN_BATCH_PARAMS(P)
WN_PARAM_STRUCT(wn_batch_uniform_params, WN_BATCH_UNIFORM_PARAMS);

#define WN_BATCH_WEIGHTED_PARAMS(P) \
    WN_BATCH_PARAMS(P)              \
    P(i64, draws, 0, 0, WN_ROWS_MAX, "rows drawn in an epoch; 0 = as many as there are")
WN_PARAM_STRUCT(wn_batch_weighted_params, WN_BATCH_WEIGHTED_PARAMS);

#define WN_BATCH_BALANCED_PARAMS(P) \
    WN_BATCH_PARAMS(P)              \
    P(i64, draws, 0, 0, WN_ROWS_MAX, "rows drawn in an epoch; 0 = as many as are in groups")
WN_PARAM_STRUCT(wn_batch_balanced_params, WN_BATCH_BALANCED_PARAMS);

#define WN_BATCH_TOPIC_AWARE_PARAMS(P) \
    WN_BATCH_PARAMS(P)                 \
    P(i32, bins, 10, 1, 256, "ranges of margins that a query's pairs are drawn from equally often")
WN_PARAM_STRUCT(wn_batch_topic_aware_params, WN_BATCH_TOPIC_AWARE_PARAMS);

#define WN_BATCH_RANDOM_SUBSET_PARAMS(P)                                    \
    WN_BATCH_PARAMS(P)                                                      \
    P(f64, fraction, 0.1, 1e-12, 1, "part of the rows that an epoch draws") \
    P(bool, disjoint, 1, 0, 1, "subsets in a row do not overlap until the rows are used up")
WN_PARAM_STRUCT(wn_batch_random_subset_params, WN_BATCH_RANDOM_SUBSET_PARAMS);

typedef enum wn_pacing { WN_PACING_LINEAR = 0, WN_PACING_ROOT } wn_pacing;

#define WN_BATCH_CURRICULUM_PARAMS(P)                                                    \
    WN_BATCH_PARAMS(P)                                                                   \
    P(choice, easy, 0, "high|low", 0, "the end of the scores where the easy rows are")   \
    P(f64, start, 0.2, 1e-12, 1, "part of the rows, the easiest, that epoch 0 draws")    \
    P(i64, grow_epochs, 10, 0, WN_ROWS_MAX, "epoch from which on all rows are drawn")    \
    P(choice, pacing, WN_PACING_LINEAR, "linear|root", 0, "how the part grows up to it") \
    P(choice, order, 0, "random|sorted", 0, "order within an epoch; sorted = the easiest first")
WN_PARAM_STRUCT(wn_batch_curriculum_params, WN_BATCH_CURRICULUM_PARAMS);

#ifdef __cplusplus
}
#endif
#endif
