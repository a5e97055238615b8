/* SPDX-License-Identifier: Apache-2.0
 *
 * The folder form of a graph, see wn_graph_load in winnow/graph.h. It lives down here so that every family
 * that makes or reads a graph shares it.
 */
#ifndef WNI_GRAPH_IO_H
#define WNI_GRAPH_IO_H

#include "io/outdir.h"
#include "winnow/graph.h" /* allowed: the noun wn_graph, not the family */

/* Writes indptr.npy, indices.npy, distances.npy and metric.txt under `prefix` ("" or "graph/"). */
wn_status wni_graph_save(wni_out *out, const char *prefix, const wn_graph *graph);

#endif
