/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph over the centres, by which a query finds the nearest of hundreds of thousands without comparing all:
 * that of index hnsw. Nodes are numbered as its slots are. Few centres need none.
 */
#include <string.h>

#include "index/disk_impl.h"
#include "index/ivf_impl.h"

#define GRAPH_NODES     4096 /* fewer centres are all compared */
#define M               16
#define EF_CONSTRUCTION 100
#define BEAM            48 /* of a walk, at least */

/* ---- building ----------------------------------------------------------------------------------------------- */

int64_t wni_disk_graph_bytes(const wn_ctx *ctx, int64_t nodes, int64_t ld)
{
    if (nodes < GRAPH_NODES) return 0;
    return wni_hnsw_grow_bytes(ctx, nodes, ld, M, EF_CONSTRUCTION) + nodes * 16;
}

/* Nodes get the numbers of their slots. */
static wn_status renumber(wn_ctx *ctx, wni_disk_new *b, wni_hnsw_new *h)
{
    float *rows = h->rows;
    int32_t *slot;

    if (!(slot = wni_alloc(ctx, b->nodes, sizeof *slot))) return WN_E_NOMEM;
    for (int64_t i = 0; i < b->nodes; i++)
        slot[h->order[i]] = (int32_t)i;
    for (int64_t l = 0; l < b->lists.n_lists; l++)
        b->node_of[l] = slot[b->node_of[l]];
    wni_free(ctx, slot);
    h->rows = b->centers.v;
    b->centers.v = rows;
    return WN_OK;
}

static wn_status write_links(const wni_disk_new *b, const wni_hnsw *g)
{
    wni_npy_writer *writer = NULL;
    int64_t upper = 0;
    wn_status st = WN_OK;

    WNI_TRY(wni_build_npy(b->b, "graph.npy", "<i4", sizeof(int32_t),
                          (int64_t[]){g->nodes, 2 * (int64_t)g->m}, 2, g->links[0]));
    for (int32_t level = 1; level < g->levels - 1; level++)
        upper += g->size[level];
    WNI_TRY(wni_build_writer(b->b, "upper.npy", "<i4", sizeof(int32_t), upper, g->m, &writer));
    for (int32_t level = 1; level < g->levels - 1; level++)
        WNI_TRY(wni_npy_writer_add(writer, g->size[level], g->links[level]));
    st = wni_npy_writer_end(writer, 1);
    writer = NULL;
done:
    if (writer) (void)wni_npy_writer_end(writer, 0);
    return st;
}

wn_status wni_disk_graph(wn_ctx *ctx, wni_disk_new *b)
{
    wni_hnsw_new h = {
        .kernels = b->kernels, .ef = EF_CONSTRUCTION, .seed = b->p->seed, .ld = b->centers.ld};
    wn_pool *centers = NULL;
    wn_status st = WN_OK;

    if (b->nodes < GRAPH_NODES) return WN_OK;
    wni_progress(ctx, "link centres", 0, b->nodes);
    /* With the padding, which changes no distance. */
    WNI_TRY(wn_pool_wrap(ctx, b->centers.v, b->nodes, b->centers.ld, WN_F32, WN_L2, &centers));
    h.pool = centers;
    wni_hnsw_sizes(&h.g, b->nodes, M);
    WNI_NEW(ctx, h.order, b->nodes);
    for (int64_t i = 0; i < b->nodes; i++)
        h.order[i] = i;
    WNI_TRY(wni_hnsw_grow(ctx, &h));
    WNI_TRY(write_links(b, &h.g));
    WNI_TRY(renumber(ctx, b, &h));
done:
    wn_pool_free(centers);
    wni_hnsw_new_free(ctx, &h);
    return st;
}

/* ---- opening ------------------------------------------------------------------------------------------------- */

static wn_status check_links(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                             const char *name, const int32_t *links, int64_t n, int64_t room)
{
    wn_status st;

    for (int64_t i = 0; i < n; i++) {
        for (int64_t j = 0; j < room; j++)
            if (links[i * room + j] < -1 || links[i * room + j] >= n)
                return wni_segment_damaged(ctx, index, s, name, "a link leads nowhere");
        if (i % 65536 == 0 && (st = wni_poll(ctx)) != WN_OK) return st;
    }
    return WN_OK;
}

wn_status wni_disk_open_graph(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              int64_t nodes, wni_hnsw *g)
{
    int64_t shape[2], at = 0;
    const void *data;
    wn_status st = WN_OK;

    if (nodes < GRAPH_NODES) return WN_OK;
    wni_hnsw_sizes(g, nodes, M);
    WNI_TRY(wni_segment_array(ctx, index, s, "graph.npy", "<i4", 2, shape, &data));
    if (shape[0] != nodes || shape[1] != 2 * M)
        return wni_segment_damaged(ctx, index, s, "graph.npy", "its shape does not fit");
    g->links[0] = data;
    WNI_TRY(check_links(ctx, index, s, "graph.npy", data, nodes, 2 * M));
    WNI_TRY(wni_segment_array(ctx, index, s, "upper.npy", "<i4", 2, shape, &data));
    for (int32_t level = 1; level < g->levels - 1; level++)
        at += g->size[level];
    if (shape[0] != at || shape[1] != M)
        return wni_segment_damaged(ctx, index, s, "upper.npy", "its shape does not fit");
    at = 0;
    for (int32_t level = 1; level < g->levels - 1; level++) {
        g->links[level] = (const int32_t *)data + at * M;
        WNI_TRY(check_links(ctx, index, s, "upper.npy", g->links[level], g->size[level], M));
        at += g->size[level];
    }
done:
    return st;
}

/* ---- finding centres ----------------------------------------------------------------------------------------- */

static void keys_at(const void *self, const void *query, const int32_t *at, int64_t n, float *keys)
{
    const wni_disk *v = self;

    v->kernels->l2sq_at(query, v->centers.v, v->centers.ld, at, n, keys);
}

static int64_t beam(const wni_disk *v, int64_t most)
{
    return wni_min(wni_max(most + most / 2, BEAM), v->nodes);
}

/* By comparing all. */
static wn_status near_of_all(wn_ctx *ctx, const wni_disk *v, const float *rows, int64_t m,
                             int64_t most, int64_t *at, float *dist2)
{
    float *scores = wni_alloc(ctx, WNI_NEAR_SCORES, sizeof *scores);

    if (!scores) return WN_E_NOMEM;
    wni_near_centers(v->kernels, &v->centers, v->half, rows, m, most, at, dist2, scores);
    for (int64_t i = 0; i < m; i++) {
        const float *x = rows + i * v->centers.ld;
        const float norm2 = v->kernels->dot(x, x, v->centers.ld);

        for (int64_t c = 0; c < most; c++) {
            const float d2 = norm2 - 2 * dist2[i * most + c];
            dist2[i * most + c] = d2 > 0 ? d2 : 0;
        }
    }
    wni_free(ctx, scores);
    return WN_OK;
}

wn_status wni_disk_near(wn_ctx *ctx, const wni_disk *v, const float *rows, int64_t m, int64_t most,
                        int64_t *at, float *dist2)
{
    const wni_hnsw_keys keys = {keys_at, v};
    const int64_t ef = beam(v, most);
    wni_walk walk;
    wn_status st;

    if (!v->graph.nodes || most * 8 > v->nodes)
        return near_of_all(ctx, v, rows, m, most, at, dist2);
    WNI_TRY(wni_walk_new(ctx, &v->graph, wni_max(ef, WNI_HNSW_TOP), &walk));
    for (int64_t i = 0; i < m; i++) {
        wni_walk_to(&walk, &v->graph, 0, 1, ef, &keys, rows + i * v->centers.ld);
        for (int64_t c = 0; c < most; c++) {
            at[i * most + c] = c < walk.size ? wni_beam_slot(walk.beam[c]) : -1;
            dist2[i * most + c] = c < walk.size ? wni_beam_key(walk.beam[c]) : 0;
        }
        WNI_TRY(wni_poll(ctx));
    }
done:
    wni_walk_free(ctx, &walk);
    return st;
}
