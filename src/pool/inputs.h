/* SPDX-License-Identifier: Apache-2.0
 *
 * The inputs of a run beside the positional one, opened by name and checked. Each gives NULL when the user
 * did not give the input; what is given belongs to the caller.
 */
#ifndef WNI_INPUTS_H
#define WNI_INPUTS_H

#include "pool/run.h"
#include "winnow/cluster.h" /* allowed: the noun wn_tree, not the family */
#include "winnow/graph.h"   /* allowed: the noun wn_graph, not the family */
#include "winnow/labels.h"
#include "winnow/score.h" /* allowed: the noun wn_scores, not the family */

/* A clustering of n rows, or of any (-1). Of the output of curate the clusters, laid out over the n rows of
 * the pool: those that it dropped have the label -1. */
wn_status wni_run_tree(const wni_run *run, const char *name, int64_t n, wn_tree **out);
/* A graph over n rows (-1 = however many there are). */
wn_status wni_run_graph(const wni_run *run, const char *name, int64_t n, wn_graph **out);
/* Vector files, checked strictly; `rows` and `dim` (-1 = any) are what they must have. The metric is
 * that of the run, a matrix (`plain`) is read as it is: numbers, not directions. Files that say their own type
 * and width: options about raw files are those of the positional input alone. */
wn_status wni_run_pool(const wni_run *run, const char *name, int64_t rows, int64_t dim, int plain,
                       wn_pool **out);
/* A class or a number for each of n rows (-1 = however many there are). */
wn_status wni_run_labels(const wni_run *run, const char *name, int64_t n, wn_labels **out);
wn_status wni_run_scores(const wni_run *run, const char *name, int64_t n, wn_scores **out);
/* Row numbers of a pool of n rows, ascending, each once: an .npy of integers, or a folder with rows.npy. */
wn_status wni_run_rows(const wni_run *run, const char *name, int64_t n, int64_t **rows,
                       int64_t *n_rows);
/* Whole numbers in the order of the file: an .npy of integers, or TABLE:COLUMN. */
wn_status wni_ints_read(wn_ctx *ctx, const char *path, int64_t **v, int64_t *count);
wn_status wni_run_ints(const wni_run *run, const char *name, int64_t **v, int64_t *count);

#endif
