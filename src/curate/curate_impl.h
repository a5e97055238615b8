/* SPDX-License-Identifier: Apache-2.0
 *
 * One file-level run of the family, shared by its phases.
 */
#ifndef WNI_CURATE_IMPL_H
#define WNI_CURATE_IMPL_H

#include "ds/keyed.h"
#include "pool/run.h"
#include "report/report.h"
#include "winnow/curate.h"

#define WNI_CURATE_SCRATCH    "vectors.npy" /* removed before the output is committed */
#define WNI_CURATE_POINTS     240           /* of a size curve */
#define WNI_CURATE_EXAMPLES   4             /* rows shown of a cluster */
#define WNI_CURATE_CLUSTERS   5             /* clusters shown at either end */
#define WNI_CURATE_PAIRS      6             /* duplicates shown of a kind */
#define WNI_CURATE_CATEGORIES 60            /* values of the balance column shown */

/* Rows per cluster of one level, before and after the selection. */
typedef struct wni_curate_level {
    int64_t k;
    int64_t *rows, *selected; /* (k) rows below each cluster, repeats counted in `selected` */
    wni_keyed *order;         /* (k) clusters, largest first */
    double before[WNI_CURATE_POINTS], after[WNI_CURATE_POINTS];
    wni_report_level shown;
} wni_curate_level;

typedef struct wni_curate {
    wni_run *run;
    wn_ctx *ctx;
    void *params; /* the run's, with what text changes in them */
    const wn_pool *pool;
    wn_pool *from_text;        /* owned; NULL when vectors came in */
    int32_t text, id, balance; /* columns of the table, -1 = none */
    int balance_asked;         /* the column was named, not found by its name */
    wn_curation *result;
    wni_curate_level *level[WN_TREE_LEVELS];

    wni_report_category *categories; /* most frequent first */
    int64_t n_categories;
    double entropy_before, entropy_after; /* bits */

    wni_report_fact *facts; /* what was counted, for the report */
    int32_t n_facts, facts_room;
    const char **warnings;
    int32_t n_warnings, warnings_room;
    char **kept; /* every string that the report borrows */
    int64_t n_kept, kept_room;
} wni_curate;

/* The method's parameter `name` as text; "" when it has none of this name. */
void wni_curate_param(const wni_curate *cu, const char *name, char *buf, size_t bytes);
/* A copy that lives as long as the run, cut to `bytes` with an ellipsis (0 = whole); NULL = no memory. */
const char *wni_curate_keep(wni_curate *cu, const char *text, int64_t bytes);
/* Records a count for the manifest and the report. */
wn_status wni_curate_int(wni_curate *cu, const char *key, int64_t value);
wn_status wni_curate_real(wni_curate *cu, const char *key, double value);
wn_status wni_curate_warn(wni_curate *cu, const char *format, ...)
    __attribute__((format(printf, 2, 3)));

/* Finds the columns; WN_E_USAGE for one that is named and not there. */
wn_status wni_curate_columns(wni_curate *cu);
/* Text to vectors: opens cu->from_text over a scratch file of the unfinished output. */
wn_status wni_curate_vectors(wni_curate *cu);
/* ids.txt and the selected lines as they stand in the source. */
wn_status wni_curate_lines(wni_curate *cu);
/* Counts the balance column before and after. */
wn_status wni_curate_balance(wni_curate *cu);

wn_status wni_curate_levels(wni_curate *cu);
void wni_curate_levels_free(wni_curate *cu);

/* Writes report.html. */
wn_status wni_curate_report(wni_curate *cu);

#endif
