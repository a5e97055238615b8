/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists on the disk, after SPANN. A node is a centre; its lists hold the rows nearest to it and, where there is
 * room, copies of rows that lie between it and a nearer centre. A list is one run of bytes in lists.npy: the
 * positions of its rows and a power of two (int32), then the rows themselves, divided by 2 to that power, each
 * part padded to 64 bytes. The power is 0 but where rows are rounded to f16.
 * chen2021spann
 */
#ifndef WNI_DISK_IMPL_H
#define WNI_DISK_IMPL_H

#include "index/hnsw_impl.h"
#include "index/index_impl.h"
#include "index/lists.h"
#include "io/infile.h"
#include "io/scratch.h"
#include "kernels/kernels.h"

#define WNI_DISK_COPIES 16

/* How rows are kept in lists: the element type of the pool where that is smaller than f32 and says the same,
 * else what the code says. */
wn_dtype wni_disk_dtype(wn_dtype pool, wn_metric metric, int32_t code);
static inline int64_t wni_disk_row_bytes(wn_dtype dtype, int64_t d)
{
    return d * (int64_t)wn_dtype_bytes(dtype);
}
/* Bytes of a list, and of what stands before its rows. */
static inline int64_t wni_disk_head_bytes(int64_t rows)
{
    return wni_round_up((rows + 1) * 4, 64);
}
static inline int64_t wni_disk_list_bytes(int64_t rows, int64_t row_bytes)
{
    return wni_disk_head_bytes(rows) + wni_round_up(rows * row_bytes, 64);
}

/* ---- building --------------------------------------------------------------------------------------------- */

typedef struct wni_disk_new {
    const wni_index_build *b;
    const wn_index_disk_params *p;
    const wni_kernels *kernels;
    int64_t n, d, ld, longest;
    wn_dtype dtype;   /* of the rows in lists */
    wni_lists lists;  /* the clustering: its lists give the centres */
    int32_t *node_of; /* (lists.n_lists) node of each centre: equal centres are one node */
    int64_t nodes;
    wni_mat centers;       /* (nodes, d) by node */
    wni_spill *spill;      /* (node, copy or not, distance), row */
    int shift;             /* of the node in a key */
    int32_t *own, *copied; /* (nodes) entries of each */
} wni_disk_new;

/* Links the centres, when there are many: writes the links, and numbers the nodes as the slots of the graph. */
wn_status wni_disk_graph(wn_ctx *ctx, wni_disk_new *b);
int64_t wni_disk_graph_bytes(const wn_ctx *ctx, int64_t nodes, int64_t ld);
/* Puts every row into its nearest node and copies of it into others: fills spill, own, copied. */
wn_status wni_disk_close(wn_ctx *ctx, wni_disk_new *b);
/* Writes lists.npy and what says where the lists are. */
wn_status wni_disk_write(wn_ctx *ctx, wni_disk_new *b);

/* The closure rule over the centres near to a row, nearest first: dist2 (m) to the row. Keeps the nearest, and
 * then, `copies` in all at most, those whose dist2 is at most `far2` times that of the nearest and less than twice
 * the squared distance between them and each one kept before. What is kept goes to the front of `at` and `dist2`;
 * returns how many. between(self, a, b) = squared distance of two centres. */
int32_t wni_disk_closure(int64_t *at, float *dist2, int64_t m, int32_t copies, float far2,
                         float (*between)(const void *self, int64_t a, int64_t b),
                         const void *self);

static inline uint64_t wni_disk_key(const wni_disk_new *b, int64_t node, int copy, float dist2)
{
    return (uint64_t)node << b->shift | (uint64_t)(copy != 0) << 32 | wni_key_of_float(dist2);
}

/* ---- searching -------------------------------------------------------------------------------------------- */

typedef struct wni_disk {
    int64_t nodes, lists, n;
    wni_mat centers; /* (nodes, d) */
    int own;         /* 0 = they are read where they are mapped */
    float *half;     /* (nodes) */
    wni_hnsw graph;  /* nodes 0 = there is none: all centres are compared */
    const wni_kernels *kernels;
    const int64_t *node_list;  /* (nodes + 1) lists of each node */
    const int64_t *list_at;    /* (lists + 1) bytes */
    const int32_t *list_rows;  /* (lists) */
    const uint64_t *list_hash; /* (lists) XXH3 of the bytes of each */
    wn_dtype dtype;
    int exact; /* rows in lists are the rows */
    int64_t row_bytes;
    int64_t most_bytes, most_rows; /* of a list */
    int64_t bytes, at;             /* of the data of lists.npy in the file */
    wni_infile file;               /* path NULL = in memory: */
    const unsigned char *data;
} wni_disk;

wn_status wni_disk_open_graph(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              int64_t nodes, wni_hnsw *g);
/* The `most` nodes nearest to each of rows (m, ld), nearest first, -1 past the end: at, dist2 (m, most). Takes
 * memory of its own. */
wn_status wni_disk_near(wn_ctx *ctx, const wni_disk *v, const float *rows, int64_t m, int64_t most,
                        int64_t *at, float *dist2);
double wni_disk_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask);
wn_status wni_disk_search(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                          const wni_ask *ask, wni_found *found);

#endif
