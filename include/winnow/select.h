/* SPDX-License-Identifier: Apache-2.0
 *
 * Selection: which rows to train on, with a reason for every row kept or dropped.
 */
#ifndef WINNOW_SELECT_H
#define WINNOW_SELECT_H

#include "winnow/cluster.h"
#include "winnow/graph.h"
#include "winnow/labels.h"
#include "winnow/score.h"

#ifdef __cplusplus
extern "C" {
#endif

typedef enum wn_why_rule {
    WN_WHY_KEPT = 0,
    WN_WHY_EXACT_DUPLICATE, /* the partner has the same bytes */
    WN_WHY_NEAR_DUPLICATE,  /* the partner is at least as similar as the threshold */
    WN_WHY_QUOTA,           /* its cluster's share of the budget went to other rows */
    WN_WHY_NO_CLUSTER,      /* the tree or the groups have no cluster for it */
    WN_WHY_SCORE,           /* other rows of its group score better */
    WN_WHY_NOT_DRAWN,       /* chance took other rows of its group */
    WN_WHY_OFF_TARGET,      /* it is not what the target looks like */
    WN_WHY_COVERED,         /* the partner, which is kept, stands for it */
    WN_WHY_LIMIT,           /* its score lies outside the limits asked for */
    WN_WHY_ABSENT,          /* it was not there: never inserted, or deleted again */
    WN_WHY_REFERENCE, /* the partner, a row of the reference, is as similar as the threshold */
    WN_WHY_COUNT
} wn_why_rule;

WN_API const char *wn_why_rule_name(int32_t rule); /* "kept", "exact-duplicate", ... */

/* Why a row of the pool is in or out; the element of why.npy (24 bytes, no padding). */
typedef struct wn_why {
    int64_t partner;  /* the row that stands for it; -1 = none; of WN_WHY_REFERENCE a row of it */
    float similarity; /* cosine to the partner; without one, to the own centre; NaN = unknown */
    int32_t cluster;  /* finest cluster, -1 = none */
    int32_t rule;     /* wn_why_rule */
    int32_t copies;   /* times it was selected */
} wn_why;

/* numpy's name of that element. */
#define WN_WHY_DESCR                                                                    \
    "[('partner', '<i8'), ('similarity', '<f4'), ('cluster', '<i4'), ('rule', '<i4'), " \
    "('copies', '<i4')]"

/* A number beside the rows: how many rounds, the share of a source. */
typedef struct wn_note {
    char *key;  /* "rounds" */
    char *name; /* which group, class or source of the user's it is about; NULL = none */
    double value;
    int32_t whole; /* 1 = it counts something */
} wn_note;

/* All arrays belong to the object. */
typedef struct wn_selection {
    wn_ctx *ctx;
    int64_t n;      /* rows of the pool */
    int64_t size;   /* rows selected, repeats counted */
    int64_t *rows;  /* (size) ascending; a row that repeats stands as often as it was taken */
    float *weights; /* (size) training weight */
    wn_why *why;    /* (n) */
    int64_t n_notes;
    wn_note *notes; /* (n_notes) what the method found, shown in the summary and the manifest */
} wn_selection;

/* Makes a selection with zeroed arrays: `size` of `n` rows. */
WN_API wn_status wn_selection_new(wn_ctx *ctx, int64_t n, int64_t size, wn_selection **out);
WN_API void wn_selection_free(wn_selection *selection); /* NULL ok */

/* What a method reads is in its `inputs`; the rest may be NULL. */
typedef struct wn_select_input {
    uint32_t struct_size;
    const wn_pool *pool;     /* (n, d) */
    const wn_tree *tree;     /* over the rows of the pool */
    int64_t n;               /* rows to choose from when there is no pool */
    const wn_scores *scores; /* (n) */
    const wn_labels *groups; /* (n) what the budget is shared over */
    const wn_labels *labels; /* (n) classes */
    const wn_graph *graph;   /* over the rows */
    const wn_pool *target;   /* other rows of d columns: what the selection should look like */
    const wn_labels *target_labels; /* of the rows of the target */
    const wn_pool *losses;          /* (n, T) one value per row and epoch */
    const wn_pool *scorers;         /* (n, S) several scores of each row, one per column */
    const int64_t *rows;            /* (n_rows) ascending rows of the pool: a trusted part */
    int64_t n_rows;
    const int64_t *quota; /* (n_quota) rows to take from each group, in the order of the groups */
    int64_t n_quota;
    const int64_t
        *updates; /* (n_updates) in order: r inserts row r of the pool, -(r + 1) deletes it */
    int64_t n_updates;
} wn_select_input;

typedef struct wn_select_ops {
    wn_status (*estimate)(wn_ctx *ctx, const wn_select_input *in, const void *params,
                          wn_estimate *out);
    wn_status (*run)(wn_ctx *ctx, const wn_select_input *in, const void *params,
                     wn_selection **out);
} wn_select_ops;

/* Runs any method of the family after the checks that all share: parameter bounds, the inputs that
 * the method needs, their lengths, finite rows, a tree over the rows of the pool, memory budget. *out is
 * given; wn_selection_free(). */
WN_API wn_status wn_select_run(wn_ctx *ctx, const wn_method *method, const wn_select_input *in,
                               const void *params, wn_selection **out);

/* Which rows of a group. Methods that offer fewer offer the first ones. */
typedef enum wn_pick {
    WN_PICK_RANDOM = 0,
    WN_PICK_CLOSEST, /* to the group's centre */
    WN_PICK_FARTHEST,
    WN_PICK_TOP, /* highest score */
    WN_PICK_BOTTOM,
    WN_PICK_BAND,      /* at random between two quantiles of the group's scores */
    WN_PICK_THRESHOLD, /* at random of what reaches a score */
    WN_PICK_K_CENTER,  /* each time the row farthest from those taken: gonzalez1985 */
    WN_PICK_HERDING,   /* the mean of those taken follows the group's: welling2009 chen2010 */
    WN_PICK_FACILITY_LOCATION, /* those that stand best for all, on the graph */
    WN_PICK_GRAPH_CUT,         /* those like all and unlike each other, on the graph */
    WN_PICK_COUNT
} wn_pick;

/* How a budget is shared over groups. */
typedef enum wn_share {
    WN_SHARE_PROPORTIONAL = 0, /* to their rows */
    WN_SHARE_EQUAL,            /* the same for each, until it is full */
    WN_SHARE_COMPLEXITY,       /* to spread x distance to other groups: abbas2024 */
    WN_SHARE_TARGET,           /* to the rows of a target that fall into them */
    WN_SHARE_QUOTA             /* given */
} wn_share;

#define WN_SELECT_BALANCED_PARAMS(P)                                       \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                  \
    P(choice, pick, WN_PICK_RANDOM, "random|closest|farthest", 0,          \
      "which rows of a finest cluster: any, or by distance to its centre") \
    P(i64, max_repeat, 1, 1, 1000000,                                      \
      "times a row may be taken; above 1 small clusters are oversampled")  \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_select_balanced_params, WN_SELECT_BALANCED_PARAMS);

/* Balanced sampling down a tree by water-filling: vo2024, section 3.3. */
WN_API wn_status wn_select_balanced(wn_ctx *ctx, const wn_select_input *in,
                                    const wn_select_balanced_params *params, wn_selection **out);

typedef enum wn_cover_objective {
    WN_COVER_FACILITY = 0, /* each witness counts its similarity to the nearest representative */
    WN_COVER_COUNT /* each witness counts 1 when one is at least as similar as the threshold */
} wn_cover_objective;

#define WN_SELECT_SUBMODULAR_DYNAMIC_PARAMS(P)                                                   \
    P(i64, size, 100, 1, 10000000, "representatives; fewer when fewer rows are there")           \
    P(choice, objective, WN_COVER_FACILITY, "facility-location|coverage", 0,                     \
      "what a witness counts: its similarity to the nearest representative, or 1 when one is "   \
      "similar enough")                                                                          \
    P(f64, min_similarity, 0.5, 0, 1, "what is similar enough for coverage")                     \
    P(f64, epsilon, 0.1, 0.01, 1, "the value stays at least 1/2 - epsilon of the best possible") \
    P(i64, witnesses, 1000, 1, 60000,                                                            \
      "rows of the pool, or of the target, for which representatives are kept: a random sample") \
    P(u64, seed, 0, 0, 0, "seed of the witnesses and of every draw")
WN_PARAM_STRUCT(wn_select_submodular_dynamic_params, WN_SELECT_SUBMODULAR_DYNAMIC_PARAMS);

/* At most `size` live rows that stand for a fixed sample of witnesses, kept current while rows come and go:
 * banihashem2023, banihashem2024. Similarity is the cosine, at least 0, under WN_COSINE, and
 * 1 / (1 + d^2 / s) under WN_L2, where s is the mean squared distance of one witness to the next. */
typedef struct wn_representatives wn_representatives;

/* No row is live. Borrows the pool. Witnesses are rows of `target`, or of the pool when it is NULL; with room
 * for `room` live rows at first (more is made when needed). WN_E_DATA: a pool without rows, bad rows. */
WN_API wn_status wn_representatives_new(wn_ctx *ctx, const wn_pool *pool, const wn_pool *target,
                                        const wn_select_submodular_dynamic_params *params,
                                        int64_t room, wn_representatives **out);
WN_API void wn_representatives_free(wn_representatives *r); /* NULL ok */

/* Rows (n) of the pool come, or go. WN_E_DATA, and nothing changed, when a row is not of the pool, comes twice,
 * or goes without being there. After any other failure only _free may be called. Cost of a row, for w
 * witnesses: w x d for its similarities, then about size x log(size) x w per guess of the optimum, expected over
 * the draws; many rows at once are cheaper. */
WN_API wn_status wn_representatives_insert(wn_representatives *r, const int64_t *rows, int64_t n);
WN_API wn_status wn_representatives_delete(wn_representatives *r, const int64_t *rows, int64_t n);

/* The representatives, rows (size) of the caller, *count of them, in the order in which they were picked, and
 * their value: the mean over the witnesses, 0..1. `complete` nonzero: picks that are still free go to the live
 * rows that add most. The value is at least 1/2 - epsilon of that of the best `size` live rows. */
WN_API wn_status wn_representatives_current(wn_representatives *r, int complete, int64_t *rows,
                                            int64_t *count, double *value);
WN_API int64_t wn_representatives_live(const wn_representatives *r); /* rows that are there */

/* The representatives after a stream of updates (all rows come, in order, when there are none). */
WN_API wn_status wn_select_submodular_dynamic(wn_ctx *ctx, const wn_select_input *in,
                                              const wn_select_submodular_dynamic_params *params,
                                              wn_selection **out);
#define WN_SELECT_SIMCORE_PARAMS(P)                                                       \
    P(i64, size, 0, 0, WN_ROWS_MAX, "rows to select; 0 = as many as the stop rule takes") \
    P(i64, k, 0, 0, WN_K_MAX,                                                             \
      "prototypes of the target, by k-means; 0 = 100, or every row of a smaller target")  \
    P(f64, stop, 0.95, 0, 1,                                                              \
      "when size is 0: end before a round whose summed cosine is below this share of "    \
      "the first round's")                                                                \
    P(u64, seed, 0, 0, 0, "seed of the k-means")
WN_PARAM_STRUCT(wn_select_simcore_params, WN_SELECT_SIMCORE_PARAMS);

/* The rows nearest to a target pool, round by round: kim2023simcore. Cosine whatever the metric. WN_E_DATA: an
 * empty target, size above the rows, rows without a direction, nothing that is like the target. */
WN_API wn_status wn_select_simcore(wn_ctx *ctx, const wn_select_input *in,
                                   const wn_select_simcore_params *params, wn_selection **out);
#define WN_SELECT_STRATIFIED_PARAMS(P)                                                             \
    P(i64, size, 0, 0, WN_ROWS_MAX,                                                                \
      "rows to select; 0 = what fraction, the quotas, or the limits of band and threshold say")    \
    P(f64, fraction, 0, 0, 1, "share of the rows to select, in place of size")                     \
    P(choice, allocate, WN_SHARE_PROPORTIONAL, "proportional|equal|complexity|target|quota", 0,    \
      "how the budget is shared over the groups")                                                  \
    P(choice, pick, WN_PICK_RANDOM,                                                                \
      "random|closest|farthest|top|bottom|band|threshold|k-center|herding|facility-location|graph" \
      "-cut",                                                                                      \
      0, "which rows of a group")                                                                  \
    P(f64, band_low, 0.25, 0, 1, "quantile of the group's scores where the band begins")           \
    P(f64, band_high, 0.75, 0, 1, "quantile where it ends")                                        \
    P(f64, min_score, 0, -1e15, 1e15, "lowest score that passes the threshold")                    \
    P(f64, floor, 0, 0, 1e15,                                                                      \
      "rows of every group at least, or all it has; below 1 a share of the size")                  \
    P(f64, cap, 0, 0, 1e15, "rows of every group at most; below 1 a share of the size; 0 = all")   \
    P(f64, random_share, 0, 0, 1,                                                                  \
      "share of each group's rows that is drawn at random and weighted for the rows left out")     \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_select_stratified_params, WN_SELECT_STRATIFIED_PARAMS);

/* Scores x groups x allocation x pick: what pick and allocate need of the inputs must be there. neyman1934;
 * with random_share calibrated as in ayed2023. */
WN_API wn_status wn_select_stratified(wn_ctx *ctx, const wn_select_input *in,
                                      const wn_select_stratified_params *params,
                                      wn_selection **out);

#define WN_SELECT_S2L_PARAMS(P)                           \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select") \
    P(i64, k, 100, 1, WN_K_MAX, "clusters of losses")     \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_select_s2l_params, WN_SELECT_S2L_PARAMS);

/* The same number of rows from every cluster of loss trajectories: yang2024s2l. Reads losses, under L2. */
WN_API wn_status wn_select_s2l(wn_ctx *ctx, const wn_select_input *in,
                               const wn_select_s2l_params *params, wn_selection **out);

#define WN_SELECT_CLUSTER_RANK_PARAMS(P)                                                         \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                        \
    P(i64, per_cluster, 1, 0, WN_ROWS_MAX, "best rows of every cluster that are taken for sure") \
    P(i64, k, 0, 0, WN_K_MAX,                                                                    \
      "clusters to make when no tree is given; 0 = the square root of half the rows")            \
    P(u64, seed, 0, 0, 0, "seed of the k-means")
WN_PARAM_STRUCT(wn_select_cluster_rank_params, WN_SELECT_CLUSTER_RANK_PARAMS);

/* The best rows of every cluster and, for the rest of the size, the best of all: ge2024car. Reads pool, scores
 * and perhaps tree. WN_E_DATA when the best rows of the clusters alone are more than size. */
WN_API wn_status wn_select_cluster_rank(wn_ctx *ctx, const wn_select_input *in,
                                        const wn_select_cluster_rank_params *params,
                                        wn_selection **out);

#define WN_SELECT_PROTOTYPES_PARAMS(P)                                                           \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                        \
    P(choice, keep, WN_KEEP_HARD, "hard|easy", 0,                                                \
      "rows far from the centre of their cluster, or rows near to it")                           \
    P(i64, k, 0, 0, WN_K_MAX,                                                                    \
      "clusters to make when no tree is given; 0 = the square root of the rows")                 \
    P(bool, dedup, 0, 0, 1, "leave out near duplicates before the clusters are made")            \
    P(f64, min_similarity, 0.95, -1, 1, "with dedup: cosine from which two rows are duplicates") \
    P(f64, random_share, 0, 0, 1,                                                                \
      "share of the rows that is drawn at random and weighted for the rows left out")            \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_select_prototypes_params, WN_SELECT_PROTOTYPES_PARAMS);

/* Rows by their distance to the centre of their cluster: sorscher2022; with dedup tirumala2023. Reads pool and
 * perhaps tree. WN_E_USAGE: dedup and a tree. WN_E_DATA: fewer rows left than size. */
WN_API wn_status wn_select_prototypes(wn_ctx *ctx, const wn_select_input *in,
                                      const wn_select_prototypes_params *params,
                                      wn_selection **out);
typedef enum wn_map { WN_MAP_FEATURES = 0, WN_MAP_LABELS } wn_map;

#define WN_SELECT_TRANSFER_PRUNE_PARAMS(P)                                                   \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                    \
    P(choice, mapping, WN_MAP_FEATURES, "features|labels", 0,                                \
      "what a row of the target votes for: the class with the nearest centre, or the class " \
      "that a logistic head trained on the source sees")                                     \
    P(u64, seed, 0, 0, 0, "seed of the draw from the last class")
WN_PARAM_STRUCT(wn_select_transfer_prune_params, WN_SELECT_TRANSFER_PRUNE_PARAMS);

/* Source classes (groups, or the clusters of a tree) by the votes of a target, whole, until the size is
 * reached: zhang2023selectivity. WN_E_DATA: an empty target, fewer than two classes, size above the rows. */
WN_API wn_status wn_select_transfer_prune(wn_ctx *ctx, const wn_select_input *in,
                                          const wn_select_transfer_prune_params *params,
                                          wn_selection **out);

#define WN_SELECT_DENSITY_PRUNE_PARAMS(P)                                                       \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                       \
    P(i64, k, 0, 0, WN_K_MAX,                                                                   \
      "clusters to make when no tree is given; 0 = the square root of the rows, at most size")  \
    P(i64, nearest, 20, 1, WN_K_MAX, "other centres that the distance to others is taken over") \
    P(f64, temperature, 0.1, 1e-6, 1e6,                                                         \
      "how evenly the clusters share: high = evenly, low = most to the most complex")           \
    P(f64, random_share, 0, 0, 1,                                                               \
      "share of each cluster's rows that is drawn at random and weighted for the rows left "    \
      "out")                                                                                    \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_select_density_prune_params, WN_SELECT_DENSITY_PRUNE_PARAMS);

/* A quota for every cluster by its complexity, the rows farthest from its centre: abbas2024. Reads pool and
 * perhaps tree; cosine whatever the metric. WN_E_DATA: a tree of another metric, fewer places than clusters. */
WN_API wn_status wn_select_density_prune(wn_ctx *ctx, const wn_select_input *in,
                                         const wn_select_density_prune_params *params,
                                         wn_selection **out);

#define WN_SELECT_DATASET_QUANT_PARAMS(P)                                                   \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                   \
    P(i64, bins, 10, 1, WN_K_MAX, "parts of the pool that each give the same share")        \
    P(i64, step, 0, 0, WN_ROWS_MAX,                                                         \
      "rows that go into a bin at once; 1 = as the paper, 0 = the rows / 2000, at least 1") \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_select_dataset_quant_params, WN_SELECT_DATASET_QUANT_PARAMS);

/* Bins by the gain of being unlike the bin and like the rest, a uniform sample of each: zhou2023dq. Reads
 * pool. WN_E_DATA: more bins or more places than rows. */
WN_API wn_status wn_select_dataset_quant(wn_ctx *ctx, const wn_select_input *in,
                                         const wn_select_dataset_quant_params *params,
                                         wn_selection **out);
#define WN_SELECT_MIXTURE_PROJEKTOR_PARAMS(P)                                                    \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                        \
    P(i64, per_source, 0, 0, 10000,                                                              \
      "rows drawn from each source to compare with the target; 0 = 100, fewer of each when "     \
      "there are more than 16 sources")                                                          \
    P(i64, target_sample, 400, 2, 20000, "rows drawn from the target")                           \
    P(f64, blur, 1, 0.01, 100, "weight of the entropy, as a share of the mean squared distance") \
    P(i32, max_iter, 100, 1, 1000000, "steps of the weights at most")                            \
    P(f64, tol, 1e-4, 0, 1,                                                                      \
      "stop when no mixture can be nearer by more than this share of the mean squared distance") \
    P(i32, repeats, 3, 1, 1000, "fits on new samples, whose weights are averaged")               \
    P(u64, seed, 0, 0, 0, "seed of the samples and of the rows that are taken")
WN_PARAM_STRUCT(wn_select_mixture_projektor_params, WN_SELECT_MIXTURE_PROJEKTOR_PARAMS);

/* Rows of the sources (groups, or the clusters of a tree) in the proportions that bring their mixture nearest
 * to the target by optimal transport: kang2023. WN_E_DATA: an empty target, fewer than two sources, size above
 * the rows. */
WN_API wn_status wn_select_mixture_projektor(wn_ctx *ctx, const wn_select_input *in,
                                             const wn_select_mixture_projektor_params *params,
                                             wn_selection **out);

#define WN_SELECT_FILTER_NET_PARAMS(P)                                                        \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                     \
    P(f64, random_share, 0, 0, 1, "share of them drawn at random and weighted, see the page") \
    P(i64, sample, 10000, 1, WN_ROWS_MAX,                                                     \
      "rows at most of either side that the model is fitted to")                              \
    P(i64, ratio, 5, 1, WN_ROWS_MAX,                                                          \
      "rows of the pool at most for each trusted row that is fitted")                         \
    P(f64, l2, 0.5, 0, 1e12, "penalty of the model, as of `learn logistic`")                  \
    P(u64, seed, 0, 0, 0, "seed of the samples and of the random part")
WN_PARAM_STRUCT(wn_select_filter_net_params, WN_SELECT_FILTER_NET_PARAMS);

/* The best rows by the log-odds of a head trained on trusted rows of the pool, or on a target, against rows of
 * the pool: fang2024. WN_E_DATA: no trusted rows, size above the rows. */
WN_API wn_status wn_select_filter_net(wn_ctx *ctx, const wn_select_input *in,
                                      const wn_select_filter_net_params *params,
                                      wn_selection **out);

#define WN_SELECT_SKILL_CLUSTERS_PARAMS(P)                                                        \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                                         \
    P(i64, k, 0, 0, WN_K_MAX,                                                                     \
      "clusters to make when no tree is given; 0 = half the square root of the rows")             \
    P(i32, strata, 10, 1, 10000, "parts of the range of a cluster's score that get equal shares") \
    P(bool, dedup, 1, 0, 1, "leave out near duplicates first")                                    \
    P(f64, min_similarity, 0.95, -1, 1, "with dedup: cosine from which two rows are duplicates")  \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_select_skill_clusters_params, WN_SELECT_SKILL_CLUSTERS_PARAMS);

/* Per cluster the scorer (column of scorers) of the highest entropy, an even share of the size, spread evenly
 * over the range of that score: maharana2025. WN_E_DATA: fewer rows left than size. */
WN_API wn_status wn_select_skill_clusters(wn_ctx *ctx, const wn_select_input *in,
                                          const wn_select_skill_clusters_params *params,
                                          wn_selection **out);

#define WN_SELECT_KMEANS_ITERATIVE_PARAMS(P)                                          \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                             \
    P(i64, k, 0, 0, WN_K_MAX,                                                         \
      "clusters to make when no tree is given; 0 = half the square root of the rows") \
    P(i32, rounds, 3, 1, 1000, "rounds that the size is shared over")                 \
    P(u64, seed, 0, 0, 0, "seed of every random choice")
WN_PARAM_STRUCT(wn_select_kmeans_iterative_params, WN_SELECT_KMEANS_ITERATIVE_PARAMS);

/* Rounds of random rows from clusters whose weights follow the scores of the rows taken, or how often a head
 * trained on them is right about the labels of the others: yu2024diversify. WN_E_USAGE: both or neither of
 * scores and labels. WN_E_DATA: size above the rows, labels of one class. */
WN_API wn_status wn_select_kmeans_iterative(wn_ctx *ctx, const wn_select_input *in,
                                            const wn_select_kmeans_iterative_params *params,
                                            wn_selection **out);

#define WN_SELECT_SOURCE_LASSO_PARAMS(P)                                           \
    P(i64, size, 10000, 1, WN_ROWS_MAX, "rows to select")                          \
    P(f64, penalty, 0.05, 0, 1,                                                    \
      "of the lasso, as a share of the penalty at which no source is relevant")    \
    P(i32, power, 1, 1, 2, "rows in proportion to this power of the relevance")    \
    P(f64, floor, 0, 0, 1e15,                                                      \
      "rows of every source at least, or all it has; below 1 a share of the size") \
    P(u64, seed, 0, 0, 0, "seed of the rows that are taken")
WN_PARAM_STRUCT(wn_select_source_lasso_params, WN_SELECT_SOURCE_LASSO_PARAMS);

/* Rows of the sources (groups, or the clusters of a tree) in proportion to their relevance: the coefficients
 * of a lasso of the target's linear head on the heads of the sources. wang2023lasso. WN_E_DATA: an empty
 * target, fewer than two sources, fewer than two classes that pool and target share, size above the rows. */
WN_API wn_status wn_select_source_lasso(wn_ctx *ctx, const wn_select_input *in,
                                        const wn_select_source_lasso_params *params,
                                        wn_selection **out);

#ifdef __cplusplus
}
#endif
#endif
