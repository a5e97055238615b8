/* SPDX-License-Identifier: Apache-2.0
 *
 * Semantic duplicates: rows whose cosine reaches a threshold. abbas2023, with the rule of the paper and the
 * rule of its program told apart.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "base/rng.h"
#include "dedup/dedup_semantic.h"
#include "winnow/cluster.h"

extern const wn_method wni_method_dedup_semantic;

WN_PARAM_TABLE(wn_dedup_semantic_params, WN_DEDUP_SEMANTIC_PARAMS);

#define BLOCK_AIM     20000 /* rows per k-means block */
#define BLOCKING_ITER 10    /* blocks need to be rough, not converged */
#define READ_BYTES    ((int64_t)1 << 18)

static int64_t block_count(const wn_dedup_semantic_params *p, int64_t n)
{
    if (p->blocks > 0) return p->blocks;
    return n <= p->all_pairs_max ? 1 : (n + BLOCK_AIM - 1) / BLOCK_AIM;
}

/* ---- rows without a direction ------------------------------------------------------------------ */

typedef struct zero_rows {
    const wn_pool *pool;
    int64_t ld, slot; /* floats per worker */
    float *slots;
    uint8_t *zero; /* (n) */
} zero_rows;

static wn_status zero_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    zero_rows *z = arg;
    float *x = z->slots + worker * z->slot;
    wn_status st = wn_pool_read(ctx, z->pool, begin, end - begin, x, z->ld);

    if (st != WN_OK) return st;
    for (int64_t i = begin; i < end; i++, x += z->ld) {
        int64_t j = 0;
        while (j < z->ld && x[j] == 0)
            j++;
        z->zero[i] = j == z->ld;
    }
    return WN_OK;
}

/* The rows of a cosine pool that have a direction; *rows stays NULL when all do. */
static wn_status rows_with_direction(wn_ctx *ctx, const wn_pool *pool, int64_t **rows,
                                     int64_t *count)
{
    int64_t n = wn_pool_rows(pool), ld = wni_ld(wn_pool_dim(pool));
    int64_t grain = wni_max(READ_BYTES / (ld * (int64_t)sizeof(float)), 1), m = 0;
    zero_rows z = {pool, ld, grain * ld, NULL, NULL};
    wn_status st;

    WNI_NEW(ctx, z.slots, wn_ctx_threads(ctx) * z.slot);
    WNI_NEW(ctx, z.zero, n);
    WNI_TRY(wni_parallel(ctx, n, grain, zero_range, &z));
    for (int64_t i = 0; i < n; i++)
        m += !z.zero[i];
    *count = m;
    if (m < n) {
        WNI_NEW(ctx, *rows, m);
        m = 0;
        for (int64_t i = 0; i < n; i++)
            if (!z.zero[i]) (*rows)[m++] = i;
    }
done:
    wni_free(ctx, z.slots);
    wni_free(ctx, z.zero);
    return st;
}

/* ---- blocks ------------------------------------------------------------------------------------ */

typedef struct blocks {
    int64_t k;
    wn_tree *tree;
    const int32_t *labels; /* (n) */
    int64_t *begin;        /* (k + 1) into order */
    int64_t *order;        /* (n) rows by block, ascending in each */
} blocks;

/* The k-means that makes k blocks. */
static wn_status blocking_params(wn_ctx *ctx, int64_t k, uint64_t seed,
                                 const wn_cluster_ops **kmeans, wn_kmeans_params *p)
{
    const wn_method *method = wn_method_find("cluster", "kmeans");

    if (!method || method->params_bytes != sizeof *p)
        return wni_fail(ctx, WN_E_INTERNAL, "dedup semantic: cluster kmeans is not in this build");
    wn_params_init(method, p);
    p->k = k;
    p->seed = seed;
    p->max_iter = BLOCKING_ITER;
    *kmeans = method->ops;
    return WN_OK;
}

static wn_status make_blocks(wn_ctx *ctx, const wn_pool *pool, int64_t k, uint64_t seed, blocks *b)
{
    wn_cluster_input in = {.struct_size = sizeof in, .pool = pool};
    int64_t n = wn_pool_rows(pool);
    const wn_cluster_ops *kmeans = NULL;
    wn_kmeans_params p;
    wn_status st;

    WNI_TRY(blocking_params(ctx, k, seed, &kmeans, &p));
    WNI_TRY(wn_kmeans(ctx, &in, &p, &b->tree));
    b->k = k;
    b->labels = b->tree->level[0]->labels;
    WNI_NEW0(ctx, b->begin, k + 1);
    WNI_NEW(ctx, b->order, n);
    for (int64_t i = 0; i < n; i++)
        b->begin[b->labels[i] + 1]++;
    for (int64_t c = 0; c < k; c++)
        b->begin[c + 1] += b->begin[c];
    for (int64_t i = 0; i < n; i++)
        b->order[b->begin[b->labels[i]]++] = i;
    memmove(b->begin + 1, b->begin, (size_t)k * sizeof *b->begin);
    b->begin[0] = 0;
done:
    return st;
}

static void blocks_free(wn_ctx *ctx, blocks *b)
{
    wn_tree_free(b->tree);
    wni_free(ctx, b->begin);
    wni_free(ctx, b->order);
}

/* ---- what blocking lost ------------------------------------------------------------------------ */

typedef struct recall_sink {
    wni_join_sink sink;
    const int32_t *labels;
    const int64_t *rows; /* of the queries */
    uint8_t *anywhere, *inside;
} recall_sink;

static void recall_hit(wni_join_sink *sink, int64_t q, int64_t b, float similarity)
{
    recall_sink *s = (recall_sink *)sink;

    (void)similarity;
    s->anywhere[q] = 1;
    if (s->labels[b] == s->labels[s->rows[q]]) s->inside[q] = 1;
}

/* Compares a sample of rows with all rows before them, whatever their block. */
static wn_status measure_recall(wn_ctx *ctx, wni_simjoin *join, const wn_pool *pool,
                                const blocks *b, int64_t sample, uint64_t seed,
                                wn_dedup_report *report)
{
    int64_t n = wn_pool_rows(pool), m = wni_min(sample, n), found = 0;
    int64_t block = wni_simjoin_block_rows(join), *rows = NULL;
    wni_queries all = {pool, NULL, 0, n};
    recall_sink s = {{recall_hit, NULL}, b->labels, NULL, NULL, NULL};
    wn_status st;

    report->recall_sample = m;
    report->recall = m ? 1 : NAN;
    if (m == 0) return WN_OK;
    WNI_NEW(ctx, rows, m);
    WNI_NEW0(ctx, s.anywhere, block);
    WNI_NEW0(ctx, s.inside, block);
    WNI_TRY(wni_rand_subset(ctx, seed, wni_stream("dedup-recall", 0, 0), n, m, rows));
    for (int64_t begin = 0; begin < m; begin += block) {
        int64_t count = wni_min(block, m - begin);

        wni_progress(ctx, "measuring recall", begin, m);
        s.rows = rows + begin;
        WNI_TRY(wni_simjoin_load(ctx, join, s.rows, count));
        WNI_TRY(wni_simjoin_run(ctx, join, NULL, count, &all, s.rows, &s.sink));
        for (int64_t q = 0; q < count; q++) {
            report->recall_duplicates += s.anywhere[q];
            found += s.inside[q];
            s.anywhere[q] = s.inside[q] = 0;
        }
    }
    wni_progress(ctx, "measuring recall", m, m);
    if (report->recall_duplicates)
        report->recall = (double)found / (double)report->recall_duplicates;
done:
    wni_free(ctx, rows);
    wni_free(ctx, s.anywhere);
    wni_free(ctx, s.inside);
    return st;
}

/* ---- the pool with itself ------------------------------------------------------------------------ */

/* From positions of the work pool to rows of the pool. `source` NULL = they are the same. */
static void report_rows(wn_dedup *dedup, const wni_dups *dups, const int64_t *source, int64_t n)
{
    float worst = (float)dedup->report.worst_similarity;

    for (int64_t i = 0; i < n; i++) {
        int64_t row = source ? source[i] : i, partner = dups->partner[i];
        float similarity = dups->similarity[i];
        if (partner < 0) continue;
        similarity = similarity > 1 ? 1 : similarity < -1 ? -1 : similarity;
        dedup->partner[row] = source ? source[partner] : partner;
        dedup->similarity[row] = similarity;
        dedup->kept--;
        if (similarity < worst) worst = similarity;
    }
    dedup->report.worst_similarity = (double)worst;
}

static wn_status compare(wn_ctx *ctx, const wn_pool *work, const wn_dedup_semantic_params *p,
                         const wni_simjoin_tune *tune, wni_dups *dups, wn_dedup_report *report)
{
    int64_t n = wn_pool_rows(work), k = block_count(p, n), total = 0, done_pairs = 0;
    float floor = (float)p->min_similarity;
    wni_simjoin *join = NULL;
    blocks b = {0};
    wn_status st;

    if (k > wni_max(n, 1)) k = 1; /* few are left: the others repeat the reference */
    report->blocks = k;
    if (k > 1) WNI_TRY(make_blocks(ctx, work, k, p->seed, &b));
    WNI_TRY(wni_simjoin_new(ctx, work, floor, tune, &join));
    if (k <= 1) {
        WNI_TRY(wni_dedup_rule(ctx, join, work, (wn_dedup_rule)p->rule, floor, NULL, n, dups, 0,
                               wni_pairs_among(n)));
    } else {
        for (int64_t c = 0; c < k; c++)
            total += wni_pairs_among(b.begin[c + 1] - b.begin[c]);
        for (int64_t c = 0; c < k; c++) {
            int64_t rows = b.begin[c + 1] - b.begin[c];
            WNI_TRY(wni_dedup_rule(ctx, join, work, (wn_dedup_rule)p->rule, floor,
                                   b.order + b.begin[c], rows, dups, done_pairs, total));
            done_pairs += wni_pairs_among(rows);
        }
        WNI_TRY(measure_recall(ctx, join, work, &b, p->recall_sample, p->seed, report));
    }
    report->pairs_compared = wni_pairs_sum(report->pairs_compared, dups->pairs);
done:
    wni_simjoin_free(join);
    blocks_free(ctx, &b);
    return st;
}

/* ---- a reference ------------------------------------------------------------------------------- */

/* `pool` under cosine without its zero rows; *rows (m) are those that are left, NULL = all of them. */
typedef struct directed {
    wn_pool *cosine, *view;
    const wn_pool *pool;
    int64_t *rows, m;
} directed;

static wn_status directed_new(wn_ctx *ctx, const wn_pool *pool, directed *d)
{
    wn_status st;

    WNI_TRY(wn_pool_with_metric(ctx, pool, WN_COSINE, &d->cosine));
    d->pool = d->cosine;
    WNI_TRY(rows_with_direction(ctx, d->cosine, &d->rows, &d->m));
    if (d->rows) {
        WNI_TRY(wn_pool_view(ctx, d->cosine, d->rows, d->m, &d->view));
        d->pool = d->view;
    }
done:
    return st;
}

static void directed_free(wn_ctx *ctx, directed *d)
{
    wn_pool_free(d->view);
    wn_pool_free(d->cosine);
    wni_free(ctx, d->rows);
}

/* Takes the rows that repeat the reference out of `work`. */
static wn_status drop_repeats(wn_ctx *ctx, const wn_pool *against,
                              const wn_dedup_semantic_params *p, const wni_simjoin_tune *tune,
                              directed *work, wn_dedup *dedup)
{
    int64_t *at = NULL, *rows = NULL, left = 0;
    float *best = NULL, worst = 1;
    wni_simjoin *join = NULL;
    directed ref = {0};
    wn_status st;

    if (wn_pool_dim(against) != wn_pool_dim(work->pool))
        return wni_fail(ctx, WN_E_DATA,
                        "dedup semantic: found a reference of %lld columns, expected %lld as in "
                        "the pool",
                        (long long)wn_pool_dim(against), (long long)wn_pool_dim(work->pool));
    WNI_TRY(directed_new(ctx, against, &ref));
    if (work->m == 0 || ref.m == 0) goto done;
    WNI_NEW(ctx, at, work->m);
    WNI_NEW(ctx, best, work->m);
    WNI_NEW(ctx, rows, work->m);
    WNI_TRY(wni_simjoin_new(ctx, work->pool, (float)p->min_similarity, tune, &join));
    WNI_TRY(wni_dedup_reference(ctx, join, work->m, ref.pool, (float)p->min_similarity, at, best));
    for (int64_t i = 0; i < work->m; i++) {
        int64_t row = work->rows ? work->rows[i] : i;

        if (at[i] < 0) {
            rows[left++] = row;
            continue;
        }
        dedup->partner[row] = -1 - (ref.rows ? ref.rows[at[i]] : at[i]);
        dedup->similarity[row] = best[i] > 1 ? 1 : best[i] < -1 ? -1 : best[i];
        if (dedup->similarity[row] < worst) worst = dedup->similarity[row];
        dedup->report.repeats_reference++;
        dedup->kept--;
    }
    dedup->report.worst_similarity = (double)worst;
    dedup->report.pairs_compared = wni_pairs_times(work->m, ref.m);
    if (left == work->m) goto done;
    wn_pool_free(work->view);
    work->view = NULL;
    WNI_TRY(wn_pool_view(ctx, work->cosine, rows, left, &work->view));
    work->pool = work->view;
    wni_free(ctx, work->rows);
    work->rows = rows;
    work->m = left;
    rows = NULL;
done:
    wni_simjoin_free(join);
    directed_free(ctx, &ref);
    wni_free(ctx, at);
    wni_free(ctx, best);
    wni_free(ctx, rows);
    return st;
}

/* ---- the method -------------------------------------------------------------------------------- */

wn_status wni_dedup_semantic_tuned(wn_ctx *ctx, const wn_dedup_input *in,
                                   const wn_dedup_semantic_params *params,
                                   const wni_simjoin_tune *tune, wn_dedup **out)
{
    int64_t n = wn_pool_rows(in->pool);
    wn_dedup_semantic_params p;
    directed work = {0};
    wn_dedup *dedup = NULL;
    wni_dups dups = {0};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_dedup_semantic, params, &p));
    WNI_TRY(directed_new(ctx, in->pool, &work));
    if (p.blocks > wni_max(work.m, 1)) {
        st = wni_fail(ctx, WN_E_DATA,
                      "dedup semantic: blocks is %lld but only %lld rows can be compared; give at "
                      "most that many blocks, or 1 to compare all pairs",
                      (long long)p.blocks, (long long)work.m);
        goto done;
    }
    WNI_TRY(wn_dedup_new(ctx, n, &dedup));
    dedup->report.zero_rows = n - work.m;
    if (in->against) WNI_TRY(drop_repeats(ctx, in->against, &p, tune, &work, dedup));
    if (p.within_pool) {
        WNI_NEW(ctx, dups.partner, work.m);
        WNI_NEW(ctx, dups.similarity, work.m);
        memset(dups.partner, 0xff, (size_t)work.m * sizeof *dups.partner); /* -1 */
        WNI_TRY(compare(ctx, work.pool, &p, tune, &dups, &dedup->report));
        report_rows(dedup, &dups, work.rows, work.m);
    }
    *out = dedup;
    dedup = NULL;
done:
    wni_free(ctx, dups.partner);
    wni_free(ctx, dups.similarity);
    directed_free(ctx, &work);
    wn_dedup_free(dedup);
    return st;
}

static wn_status semantic_estimate(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                                   wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), k, held = 0;
    double row_bytes = (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
    double share, block = 8192;
    wn_dedup_semantic_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_dedup_semantic, params, &p));
    k = wni_max(wni_min(block_count(&p, n), n), 1);
    share = (double)n / (double)k;
    *out = (wn_estimate){0};
    if (k > 1) {
        wn_cluster_input blocked = {.struct_size = sizeof blocked, .pool = in->pool};
        const wn_cluster_ops *kmeans = NULL;
        wn_kmeans_params kp;
        WNI_TRY(blocking_params(ctx, k, p.seed, &kmeans, &kp));
        WNI_TRY(kmeans->estimate(ctx, &blocked, &kp, out));
        out->flops += 2.0 * (double)wni_min(p.recall_sample, n) * (double)n * (double)d;
        held = n * (4 + 8) + k * (d * 4 + 24); /* the tree, rows by block */
    }
    /* Kept rows and a block; result, partners and the rows with a direction are there all along. */
    held += n * 8 + wni_simjoin_bytes(ctx, n, d) + wni_min(n, 8192) * (wni_min(n, 8192) / 8 + 48) +
            ((int64_t)1 << 18);
    out->peak_bytes = n * (12 + 12 + 8) + wni_max(out->peak_bytes, held);
    out->flops += (double)n * share * (double)d;
    /* Rows that go, against those of their block of rows that stay. */
    if (p.rule == WN_DEDUP_GROUPS)
        out->flops += (double)n * (share < block ? share : block) / 2 * (double)d;
    out->bytes_read += (double)n * row_bytes * (2 + share / block / 2);
    if (in->against) {
        int64_t m = wn_pool_rows(in->against);

        out->peak_bytes += n * (8 + 4 + 8) + m * 8 + m + wni_simjoin_bytes(ctx, n, d);
        out->flops += 2.0 * (double)n * (double)m * (double)d;
        out->bytes_read += (double)m * row_bytes * ((double)n / block + 1);
    }
done:
    return st;
}

static wn_status semantic_run(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                              wn_dedup **out)
{
    return wni_dedup_semantic_tuned(ctx, in, params, NULL, out);
}

wn_status wn_dedup_semantic(wn_ctx *ctx, const wn_dedup_input *in,
                            const wn_dedup_semantic_params *params, wn_dedup **out)
{
    return wn_dedup_run(ctx, &wni_method_dedup_semantic, in, params, out);
}

static const wn_dedup_ops ops = {semantic_estimate, semantic_run, NULL};

const wn_method wni_method_dedup_semantic = {
    .family = "dedup",
    .name = "semantic",
    .summary = "rows whose cosine to an earlier row reaches a threshold",
    .papers = "abbas2023",
    .cost = "up to n^2 d / 2, or n^2 d / (2 blocks), and up to 2,048 n d to find the partners of "
            "groups; about 50 bytes a row",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_dedup_semantic_params),
    .ops = &ops,
    .inputs = "pool against?",
};
