/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder form of a tree, see wn_tree_load in winnow/cluster.h. It lives down here so that every family
 * that makes or reads a tree shares it.
 */
#ifndef WNI_TREE_IO_H
#define WNI_TREE_IO_H

#include "io/outdir.h"
#include "winnow/cluster.h" /* allowed: the noun wn_tree, not the family */

/* Writes labels.npy, centers.npy, sizes.npy under `prefix` ("" or "tree/") and level2/, level3/, ... with
 * the same files for the coarser levels. */
wn_status wni_tree_save(wni_out *out, const char *prefix, const wn_tree *tree);

/* WN_E_DATA unless the tree is over a pool of n rows and d columns and every label names a cluster. */
wn_status wni_tree_check(wn_ctx *ctx, const wn_tree *tree, int64_t n, int64_t d);

#endif
