/* SPDX-License-Identifier: Apache-2.0
 *
 * The one-page HTML report of a run: plain numbers and texts in, one self-contained page out. Every
 * pointer may be NULL with its count 0: a section without content is left out. All strings are UTF-8,
 * borrowed, and escaped here.
 */
#ifndef WNI_REPORT_H
#define WNI_REPORT_H

#include "base/strbuf.h"

/* A row as a reader meets it. */
typedef struct wni_report_row {
    int64_t row;
    const char *id;   /* or NULL */
    const char *text; /* or NULL */
} wni_report_row;

/* One step of the way from all rows to the chosen ones. */
typedef struct wni_report_stage {
    const char *name;
    int64_t rows;
    const char *lost; /* what the rows were that went on the way here; NULL for the first */
} wni_report_stage;

typedef struct wni_report_pair {
    wni_report_row dropped, partner;
    float similarity;
    int partner_dropped; /* the partner itself went too */
} wni_report_pair;

typedef struct wni_report_cluster {
    int32_t cluster;
    int64_t size, selected;
    const wni_report_row *rows; /* (n_rows) examples */
    int32_t n_rows;
} wni_report_cluster;

/* The clusters of one level, largest first, thinned to `n` points: mean size and mean number selected. */
typedef struct wni_report_level {
    int64_t clusters, smallest, median, largest;
    double imbalance_before, imbalance_after; /* k * sum of squared shares; 1 = all equal */
    const double *before, *after;             /* (n) */
    int32_t n;
} wni_report_level;

typedef struct wni_report_category {
    const char *name;
    int64_t before, after;
} wni_report_category;

typedef struct wni_report_fact {
    const char *name, *value;
    int is_default;
} wni_report_fact;

typedef struct wni_report_input {
    const char *path;
    int64_t bytes;
    const char *hash; /* or NULL */
} wni_report_input;

typedef struct wni_report {
    const char *headline, *lead; /* what came out, in a few words; and in one or two sentences */
    const char *command;         /* "curate balanced" */
    const char *manifest;        /* path for the replay line */

    const wni_report_stage *stages;
    int32_t n_stages;

    const wni_report_pair *most_similar; /* dropped as near duplicates, most similar first */
    int32_t n_most_similar;
    const wni_report_pair *borderline; /* the least similar of them */
    int32_t n_borderline;
    const wni_report_pair *exact;
    int32_t n_exact;
    int64_t exact_duplicates, near_duplicates;

    const int64_t *similarity_counts; /* (similarity_bins) of near duplicates, over [low, 1] */
    int32_t similarity_bins;
    double similarity_low;

    const wni_report_level *levels; /* finest first */
    int32_t n_levels;
    const wni_report_cluster *largest, *smallest;
    int32_t n_largest, n_smallest;

    const char *category_column;
    const wni_report_category *categories; /* most frequent first */
    int32_t n_categories;
    int64_t other_categories, other_before, other_after; /* the ones not listed, together */
    int64_t categories_before, categories_after;         /* all of them, in rows */
    double entropy_before, entropy_after;                /* bits */
    int64_t distinct_categories;

    const wni_report_fact *params;
    int32_t n_params;
    const wni_report_fact *counts;
    int32_t n_counts;
    const char *const *warnings;
    int32_t n_warnings;
    const wni_report_input *inputs;
    int32_t n_inputs;
    int64_t more_inputs; /* files that are not listed */
} wni_report;

/* The page; *html belongs to the caller (wni_free). WN_E_NOMEM. */
wn_status wni_report_html(wn_ctx *ctx, const wni_report *report, char **html);

/* ---- between the files of this room ------------------------------------------------------------ */

void wni_html_escape(wni_str *s, const char *text, int64_t bytes);
static inline double wni_share(int64_t part, int64_t whole)
{
    return whole > 0 ? (double)part / (double)whole : 0;
}
/* A share as "12.4%", with the digits that a small one needs. */
const char *wni_percent(double share, char *buf);

void wni_report_pairs(wni_str *s, const char *title, const char *note, const wni_report_pair *pairs,
                      int32_t n);
void wni_report_clusters(wni_str *s, const char *title, const wni_report_cluster *clusters,
                         int32_t n);

void wni_svg_funnel(wni_str *s, const wni_report_stage *stages, int32_t n);
void wni_svg_histogram(wni_str *s, const int64_t *counts, int32_t bins, double low);
void wni_svg_sizes(wni_str *s, const wni_report_level *level);
/* Two thin bars, before over after, each a share of `widest`. */
void wni_svg_twin_bars(wni_str *s, double before, double after, double widest);

#endif
