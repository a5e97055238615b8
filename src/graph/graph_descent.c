/* SPDX-License-Identifier: Apache-2.0
 *
 * nn-descent (dong2011): about the k nearest neighbours of every row. Random partitions first, all pairs of each
 * part compared; then rounds in which the neighbours of a row are compared with each other. What is compared
 * are dense tiles of dot products; the distances of the result are those that every graph stores.
 */
#include "base/param.h"
#include "graph/descent_impl.h"
#include "pool/pool_use.h"

extern const wn_method wni_method_graph_descent;

WN_PARAM_TABLE(wn_graph_descent_params, WN_GRAPH_DESCENT_PARAMS);

/* Entries of a list beyond those that are wanted, and at least: shorter lists lose their way. */
#define LIST_SPARE 3
#define LIST_MIN   16

/* With fewer rows the sample that tells how far the lists are costs more than it saves. */
#define GOAL_ROWS 16384

typedef struct sizes {
    int64_t n, ld, k, list, leaf, candidates, sample;
} sizes;

static wn_status sizes_of(wn_ctx *ctx, const wn_pool *pool, const wn_graph_descent_params *p,
                          sizes *z)
{
    const int64_t n = wn_pool_rows(pool);

    if (p->k >= n)
        return wni_fail(ctx, WN_E_DATA,
                        "graph descent: k is %lld but the pool has %lld row%s: a row has at most "
                        "%lld others; lower --k",
                        (long long)p->k, (long long)n, n == 1 ? "" : "s",
                        (long long)wni_max(n - 1, 0));
    if (n > WNI_DESCENT_ROWS_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "graph descent: the pool has %lld rows, at most %lld can be done; make the "
                        "graph of parts of it",
                        (long long)n, (long long)WNI_DESCENT_ROWS_MAX);
    z->n = n;
    z->ld = wni_ld(wn_pool_dim(pool));
    z->k = p->k;
    z->list = wni_min(wni_max(p->k + LIST_SPARE, LIST_MIN), n - 1);
    /* Leaves are large enough to fill lists. */
    z->leaf = wni_min(wni_max(p->leaf, 2 * (z->list + 1)), n);
    z->candidates = p->candidates ? p->candidates : wni_min(wni_max(p->k, 24), 60);
    z->candidates = wni_min(z->candidates, n);
    z->sample = wni_min(p->sample, n);
    return WN_OK;
}

/* Lists, norms, ends, locks, order, the goal. */
static int64_t list_bytes(const sizes *z)
{
    return z->n * (z->list * 8 + 4 + 4 + 1 + 4) + z->ld * 4 + wni_goal_bytes(z->n, z->k) + 4096;
}

/* Bytes while lists are made, rows aside: the tree and its leaves, or the rounds. */
static int64_t work_bytes(const wn_ctx *ctx, const wn_pool *pool, const sizes *z)
{
    const int64_t threads = wn_ctx_threads(ctx);
    const int64_t tree = z->n * 5 + wni_max(wni_descent_tree_bytes(ctx, z->n, z->ld),
                                            threads * (wni_panel_bytes(z->leaf, z->ld) + 64));
    const int64_t rounds = wni_descent_rounds_bytes(ctx, z->n, z->ld, z->list, z->candidates);
    const int64_t graph = z->n * (8 + z->k * 12) + threads * 33 * z->ld * 4 + 4096;
    const int64_t left = wni_budget_left(ctx) - list_bytes(z);
    const int64_t goal = z->n < GOAL_ROWS ? 0 : wni_goal_work_bytes(ctx, z->n, z->ld, left);
    const int64_t frame = (33 + threads) * (wn_pool_dim(pool) * 8 + z->ld * 4 + 16) + 65536;

    return wni_max(wni_max(wni_max(tree, rounds), graph), goal) + frame;
}

/* The graph beside what measures its recall; rows and lists are gone by then. */
static int64_t end_bytes(const wn_ctx *ctx, const wn_pool *pool, const sizes *z)
{
    return z->n * (8 + z->k * 12) + wni_graph_recall_bytes(ctx, pool, z->k, z->sample);
}

static int64_t least_bytes(const wn_ctx *ctx, const wn_pool *pool, const sizes *z)
{
    return wni_max(list_bytes(z) + work_bytes(ctx, pool, z), end_bytes(ctx, pool, z));
}

/* Of the rows as f32: 0 when they do not fit beside `rest` more bytes. */
static int64_t row_bytes(const wn_ctx *ctx, int64_t rest, const sizes *z)
{
    const int64_t bytes = z->n * z->ld * (int64_t)sizeof(float);

    return wni_budget_left(ctx) - rest > bytes ? bytes : 0;
}

static wn_status descent_estimate(wn_ctx *ctx, const wn_graph_input *in, const void *params,
                                  wn_estimate *out)
{
    const int64_t item = (int64_t)wn_dtype_bytes(wn_pool_dtype(in->pool));
    wn_graph_descent_params p;
    double pairs;
    sizes z;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_graph_descent, params, &p));
    WNI_TRY(sizes_of(ctx, in->pool, &p, &z));
    *out = (wn_estimate){0};
    out->peak_bytes = least_bytes(ctx, in->pool, &z);
    out->peak_bytes += row_bytes(ctx, out->peak_bytes, &z);
    /* Pivots and pairs of leaves; about four rounds; the sample. */
    pairs = (double)z.n * (double)p.trees * (double)(z.leaf / 2 + 512) +
            4.0 * (double)z.n * 6 * (double)z.candidates * (double)z.candidates +
            (double)z.sample * (double)z.n;
    out->flops = 2 * pairs * (double)z.ld;
    out->bytes_read = 4.0 * (double)z.n * (double)wn_pool_dim(in->pool) * (double)item;
done:
    return st;
}

/* ---- the run ---------------------------------------------------------------------------------- */

typedef struct load {
    const wni_descent *s;
    float *rows;  /* NULL = only norms */
    float *slots; /* (threads, LOAD_ROWS, ld) */
} load;

#define LOAD_ROWS 64

static wn_status load_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const load *l = arg;
    const wni_descent *s = l->s;
    float *x = l->rows ? l->rows + begin * s->ld : l->slots + worker * LOAD_ROWS * s->ld;
    uint32_t node[LOAD_ROWS] = {0};
    wn_status st;

    for (int64_t v = begin; v < end; v++)
        node[v - begin] = (uint32_t)v;
    if ((st = wni_descent_rows(ctx, s, node, end - begin, x)) != WN_OK) return st;
    for (int64_t v = begin; v < end; v++) {
        const float *row = x + (v - begin) * s->ld;

        s->norm[v] = s->kernels->dot(row, row, s->ld);
        atomic_store_explicit(&s->far[v], (uint32_t)(WNI_NEAR_NONE >> 32), memory_order_relaxed);
        atomic_store_explicit(&s->held[v], 0, memory_order_relaxed);
        for (int64_t i = 0; i < s->k; i++)
            s->list[v * s->k + i] = WNI_NEAR_NONE & ~(wni_near)1;
    }
    return WN_OK;
}

/* Rows by node, when they fit beside the work, and their norms. */
static wn_status load_rows(wn_ctx *ctx, wni_descent *s, const sizes *z)
{
    load l = {.s = s};
    float *rows = NULL;
    wn_status st = WN_OK;

    if (row_bytes(ctx, work_bytes(ctx, s->pool, z), z)) WNI_NEW(ctx, rows, s->n * s->ld);
    if (!rows) WNI_NEW(ctx, l.slots, wn_ctx_threads(ctx) * LOAD_ROWS * s->ld);
    l.rows = rows;
    WNI_TRY(wni_parallel(ctx, s->n, LOAD_ROWS, load_range, &l));
    s->rows = rows;
    rows = NULL;
done:
    wni_free(ctx, rows);
    wni_free(ctx, l.slots);
    return st;
}

/* The first partition, of the rows where they lie, gives the nodes their numbers, and is one of its own. */
static wn_status start(wn_ctx *ctx, wni_descent *s, const sizes *z, int32_t trees)
{
    uint32_t *member = NULL;
    uint8_t *starts = NULL;
    wn_status st;

    WNI_NEW(ctx, member, s->n);
    WNI_NEW(ctx, starts, s->n);
    wni_progress(ctx, "partitions", 0, trees);
    WNI_TRY(wni_descent_tree(ctx, s, 0, z->leaf, member, starts));
    s->order = member;
    member = NULL;
    WNI_TRY(load_rows(ctx, s, z));
    WNI_NEW(ctx, member, s->n);
    for (int64_t v = 0; v < s->n; v++)
        member[v] = (uint32_t)v;
    st = wni_descent_leaves(ctx, s, z->leaf, member, starts);
done:
    wni_free(ctx, member);
    wni_free(ctx, starts);
    return st;
}

/* Partitions first..end of `trees`. */
static wn_status partitions(wn_ctx *ctx, const wni_descent *s, const sizes *z, int32_t first,
                            int32_t end, int32_t trees)
{
    uint32_t *member = NULL;
    uint8_t *starts = NULL;
    wn_status st;

    WNI_NEW(ctx, member, s->n);
    WNI_NEW(ctx, starts, s->n);
    for (int32_t t = first; t < end; t++) {
        wni_progress(ctx, "partitions", t, trees);
        WNI_TRY(wni_descent_tree(ctx, s, t, z->leaf, member, starts));
        WNI_TRY(wni_descent_leaves(ctx, s, z->leaf, member, starts));
    }
    wni_progress(ctx, "partitions", end, trees);
done:
    wni_free(ctx, member);
    wni_free(ctx, starts);
    return st;
}

/* Half of the partitions and a round are enough where rows cluster; a sample tells. Else the rest. */
static wn_status fill_lists(wn_ctx *ctx, wni_descent *s, const sizes *z,
                            const wn_graph_descent_params *p, int32_t *rounds)
{
    const int asked = p->recall > 0 && s->n >= GOAL_ROWS && p->max_iter > 0;
    const int32_t half = asked ? (p->trees + 1) / 2 : p->trees;
    wni_goal goal = {0};
    int reached = 0;
    wn_status st;

    *rounds = 0;
    WNI_TRY(start(ctx, s, z, p->trees));
    if (z->leaf < s->n) WNI_TRY(partitions(ctx, s, z, 1, half, p->trees));
    WNI_TRY(wni_descent_complete(ctx, s));
    if (z->leaf >= s->n) goto done; /* everything has been compared */
    if (asked) {
        WNI_TRY(wni_goal_new(ctx, s, z->k, p->recall, &goal));
        WNI_TRY(wni_descent_rounds(ctx, s, &goal, z->candidates, 1, p->tol, rounds));
        reached = wni_goal_reached(&goal, s);
        if (!reached) WNI_TRY(partitions(ctx, s, z, half, p->trees, p->trees));
    }
    if (!reached)
        WNI_TRY(wni_descent_rounds(ctx, s, asked ? &goal : NULL, z->candidates, p->max_iter, p->tol,
                                   rounds));
done:
    wni_goal_free(ctx, &goal);
    return st;
}

static void descent_free(wn_ctx *ctx, wni_descent *s)
{
    wni_free(ctx, s->shift);
    wni_free(ctx, s->order);
    wni_free(ctx, s->rows);
    wni_free(ctx, s->norm);
    wni_free(ctx, s->far);
    wni_free(ctx, s->held);
    wni_free(ctx, s->list);
}

static wn_status descent_run(wn_ctx *ctx, const wn_graph_input *in, const void *params,
                             wn_graph **out)
{
    wni_descent s = {.kernels = wni_kernels_of(ctx), .pool = in->pool};
    wn_graph_descent_params p;
    wn_graph *graph = NULL;
    int32_t rounds = 0;
    sizes z;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_graph_descent, params, &p));
    WNI_TRY(sizes_of(ctx, in->pool, &p, &z));
    s.n = z.n;
    s.d = wn_pool_dim(in->pool);
    s.ld = z.ld;
    s.k = z.list;
    s.seed = p.seed;
    WNI_TRY(wni_descent_frame(ctx, &s));
    WNI_NEW(ctx, s.norm, s.n);
    WNI_NEW(ctx, s.far, s.n);
    WNI_NEW(ctx, s.held, s.n);
    WNI_NEW(ctx, s.list, s.n * s.k);
    WNI_TRY(fill_lists(ctx, &s, &z, &p, &rounds));
    WNI_TRY(wn_graph_new(ctx, s.n, s.n * z.k, wn_pool_metric(in->pool), &graph));
    WNI_TRY(wni_descent_graph(ctx, &s, z.k, graph));
    descent_free(ctx, &s);
    memset(&s, 0, sizeof s);
    if (z.sample > 0) {
        WNI_TRY(wni_graph_recall(ctx, in->pool, graph, z.k, z.sample, p.seed, &graph->recall));
        graph->recall_rows = z.sample;
    }
    wni_log(ctx, WN_LOG_DEBUG, "graph descent: %d rounds", rounds);
    *out = graph;
    graph = NULL;
done:
    wn_graph_free(graph);
    descent_free(ctx, &s);
    return st;
}

wn_status wn_graph_descent(wn_ctx *ctx, const wn_graph_input *in,
                           const wn_graph_descent_params *params, wn_graph **out)
{
    return wn_graph_run(ctx, &wni_method_graph_descent, in, params, out);
}

static const wn_graph_ops ops = {descent_estimate, descent_run};

const wn_method wni_method_graph_descent = {
    .family = "graph",
    .name = "descent",
    .summary = "about the k nearest neighbours of every row, for pools too large for all pairs",
    .papers = "dong2011",
    .cost = "about n^1.1 d multiply-adds; 4 d + 20 k bytes a row, without its f32 rows 20 k",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_graph_descent_params),
    .inputs = "pool",
    .ops = &ops,
};
