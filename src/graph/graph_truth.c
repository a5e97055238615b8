/* SPDX-License-Identifier: Apache-2.0
 *
 * Ground truth: the exact k nearest rows of a pool for each query, as arrays and in the form of
 * big-ann-benchmarks. The scan engine proposes a few more than k by their scores; these are measured. Where
 * rounding leaves room for a row that was not proposed, the query is compared with the whole pool by distance.
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "ds/topk.h"
#include "graph/graph_impl.h"
#include "pool/inputs.h"
#include "pool/pool_use.h"
#include "scan/scan.h"

extern const wn_method wni_method_graph_truth;

WN_PARAM_TABLE(wn_graph_truth_params, WN_GRAPH_TRUTH_PARAMS);

#define SPARE       8                   /* rows proposed beyond k */
#define BLOCK_BYTES ((int64_t)16 << 20) /* of proposals in memory at a time */
#define GATHER      16                  /* proposals read at a time */
#define DOUBTS      256 /* queries that are compared again in one pass over the pool */
#define IDS_MAX     ((int64_t)0x7fffffff)

typedef struct truth {
    const wni_kernels *kernels;
    const wn_pool *pool, *queries;
    wn_metric metric;
    int64_t n, m, k, wide, ld; /* rows, queries, wanted, proposed */
    int64_t *indices;          /* (m, k) */
    float *distances;          /* (m, k) */

    /* The block of queries in progress. */
    int64_t first, rows;
    int64_t *at;    /* (rows, wide) */
    float *score;   /* (rows, wide) */
    uint8_t *doubt; /* (rows) */
    float *slots;   /* (threads, slot): a query, GATHER rows */
    int64_t slot, settled;
} truth;

static wn_status measure_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const truth *t = arg;
    float *x = t->slots + worker * t->slot, *rows = x + t->ld;

    for (int64_t q = begin; q < end; q++) {
        const int64_t *at = t->at + q * t->wide;
        const float lowest = t->score[(q + 1) * t->wide - 1];
        int64_t *indices = t->indices + (t->first + q) * t->k, size = 0;
        float *distances = t->distances + (t->first + q) * t->k;
        wn_status st;

        /* Scores that are no numbers are not proposed. */
        t->doubt[q] = at[t->wide - 1] < 0;
        if (t->doubt[q]) continue;
        if ((st = wn_pool_read(ctx, t->queries, t->first + q, 1, x, t->ld)) != WN_OK) return st;
        for (int64_t i = 0; i < t->wide; i += GATHER) {
            const int64_t n = wni_min(GATHER, t->wide - i);

            if ((st = wn_pool_gather(ctx, t->pool, at + i, n, rows, t->ld)) != WN_OK) return st;
            for (int64_t j = 0; j < n; j++) {
                const float distance =
                    wni_graph_distance(t->kernels, t->metric, x, rows + j * t->ld, t->ld);

                if (!isfinite(distance)) return wni_graph_overflow(ctx, at[i + j]);
                wni_topk_push(distances, indices, t->k, &size, -distance, at[i + j]);
            }
        }
        wni_topk_sort(distances, indices, t->k);
        for (int64_t i = 0; i < t->k; i++)
            distances[i] = 0.0f - distances[i];
        t->doubt[q] = t->wide < t->n &&
                      !(lowest < wni_graph_floor(t->metric, t->ld, t->kernels->dot(x, x, t->ld) / 2,
                                                 distances[t->k - 1]));
    }
    return WN_OK;
}

/* Compares the queries of the block that are in doubt with the whole pool. */
static wn_status settle(wn_ctx *ctx, truth *t)
{
    int64_t *rows = NULL, *at = NULL, count = 0;
    float *distance = NULL;
    wn_status st = WN_OK;

    for (int64_t q = 0; q < t->rows; q++)
        count += t->doubt[q];
    t->settled += count;
    if (count == 0) return WN_OK;
    count = wni_min(count, DOUBTS);
    WNI_NEW(ctx, rows, count);
    WNI_NEW(ctx, at, count * t->k);
    WNI_NEW(ctx, distance, count * t->k);
    for (int64_t q = 0; q < t->rows;) {
        int64_t m = 0;

        for (; q < t->rows && m < count; q++)
            if (t->doubt[q]) rows[m++] = t->first + q;
        WNI_TRY(wni_graph_exact(ctx, t->queries, rows, m, t->pool, t->k, at, distance));
        for (int64_t i = 0; i < m; i++) {
            memcpy(t->indices + rows[i] * t->k, at + i * t->k, (size_t)t->k * sizeof *at);
            memcpy(t->distances + rows[i] * t->k, distance + i * t->k,
                   (size_t)t->k * sizeof *distance);
        }
    }
done:
    wni_free(ctx, rows);
    wni_free(ctx, at);
    wni_free(ctx, distance);
    return st;
}

static int64_t block_rows(const truth *t)
{
    return wni_min(wni_max(BLOCK_BYTES / (t->wide * 12), 64), t->m);
}

static wn_status find(wn_ctx *ctx, truth *t)
{
    const wni_queries all = {t->pool, NULL, 0, t->n};
    const int64_t room = block_rows(t);
    wn_status st = WN_OK;

    WNI_NEW(ctx, t->indices, t->m * t->k);
    WNI_NEW(ctx, t->distances, t->m * t->k);
    WNI_NEW(ctx, t->at, room * t->wide);
    WNI_NEW(ctx, t->score, room * t->wide);
    WNI_NEW(ctx, t->doubt, room);
    WNI_NEW(ctx, t->slots, wn_ctx_threads(ctx) * t->slot);
    for (t->first = 0; t->first < t->m; t->first += room) {
        wni_queries block = {t->queries, NULL, t->first, wni_min(room, t->m - t->first)};

        t->rows = block.n;
        wni_progress(ctx, "queries", t->first, t->m);
        WNI_TRY(wni_scan_topk(ctx, &block, &all, t->wide, 1, 0, t->at, t->score));
        WNI_TRY(wni_parallel(ctx, t->rows, 16, measure_range, t));
        WNI_TRY(settle(ctx, t));
    }
    wni_progress(ctx, "queries", t->m, t->m);
done:
    return st;
}

/* ---- files ------------------------------------------------------------------------------------ */

static void put32(unsigned char *out, uint32_t x)
{
    for (int b = 0; b < 4; b++)
        out[b] = (unsigned char)(x >> 8 * b);
}

/* uint32 queries, uint32 k, int32 ids (m, k), float32 (m, k), little-endian. The last part is what the benchmark's
 * own maker of truth stores, an exact index of faiss: under l2 squared distances, of unit rows inner products. */
static wn_status write_ibin(wni_run *run, const truth *t)
{
    const int64_t piece = wni_min(t->k, 1 << 14);
    wni_text_writer *writer = NULL;
    unsigned char *buf = NULL;
    wn_status st;

    WNI_TRY(wni_text_writer_new(run->out, "groundtruth.ibin", &writer));
    WNI_NEW(run->ctx, buf, 4 * wni_max(piece, 2));
    put32(buf, (uint32_t)t->m);
    put32(buf + 4, (uint32_t)t->k);
    WNI_TRY(wni_text_writer_add(writer, (const char *)buf, 8));
    for (int part = 0; part < 2; part++)
        for (int64_t i = 0; i < t->m * t->k; i += piece) {
            const int64_t n = wni_min(piece, t->m * t->k - i);

            for (int64_t j = 0; j < n; j++) {
                const float d = t->distances[i + j];
                const float stored = t->metric == WN_L2 ? d * d : 1 - d;
                uint32_t bits = (uint32_t)t->indices[i + j];

                if (part == 1) memcpy(&bits, &stored, sizeof bits);
                put32(buf + 4 * j, bits);
            }
            WNI_TRY(wni_text_writer_add(writer, (const char *)buf, 4 * n));
            WNI_TRY(wni_poll(run->ctx));
        }
done:
    wni_free(run->ctx, buf);
    if (st == WN_OK) return wni_text_writer_end(writer, 1);
    (void)wni_text_writer_end(writer, 0);
    return st;
}

static wn_status save(wni_run *run, const truth *t)
{
    const int64_t shape[2] = {t->m, t->k};
    int64_t there = 0;
    wn_status st;

    WNI_TRY(wni_out_npy(run->out, "indices.npy", "<i8", sizeof *t->indices, shape, 2, t->indices));
    WNI_TRY(wni_out_npy(run->out, "distances.npy", "<f4", sizeof *t->distances, shape, 2,
                        t->distances));
    WNI_TRY(write_ibin(run, t));
    for (int64_t q = 0; q < t->m; q++)
        there += t->distances[q * t->k] == 0;
    WNI_TRY(wni_record_int(run, "rows", t->n));
    WNI_TRY(wni_record_int(run, "queries", t->m));
    WNI_TRY(wni_record_int(run, "queries_at_distance_0", there));
done:
    return st;
}

static wn_status check_sizes(wn_ctx *ctx, const truth *t)
{
    if (t->k > t->n)
        return wni_fail(ctx, WN_E_DATA,
                        "graph truth: k is %lld but the pool has %lld row%s; lower --k",
                        (long long)t->k, (long long)t->n, t->n == 1 ? "" : "s");
    if (t->n > IDS_MAX || t->m > IDS_MAX)
        return wni_fail(ctx, WN_E_DATA,
                        "graph truth: found %lld rows and %lld queries, the file groundtruth.ibin "
                        "counts to %lld; split them",
                        (long long)t->n, (long long)t->m, (long long)IDS_MAX);
    return WN_OK;
}

/* What the scan takes, or a second comparison. */
static void estimate(wni_run *run, const truth *t)
{
    const int64_t threads = wn_ctx_threads(run->ctx), rows = block_rows(t);
    const int64_t held =
        t->m * t->k * 12 + rows * (t->wide * 12 + 1) + threads * t->slot * 4 + 65536;
    const int64_t scan =
        wni_scan_bytes(run->ctx, rows, t->n, wn_pool_dim(t->pool), held + rows * 16);
    const int64_t again = wni_min(DOUBTS, t->m) * (8 + t->k * 12) +
                          wni_graph_exact_bytes(run->ctx, t->pool, wni_min(DOUBTS, t->m));

    run->estimate.peak_bytes = held + wni_max(scan, again);
    run->estimate.flops = 2.0 * (double)t->n * (double)t->m * (double)t->ld;
    run->estimate.bytes_read = (double)t->n * (double)((t->m + rows - 1) / wni_max(rows, 1)) *
                               (double)wn_pool_dim(t->pool) *
                               (double)wn_dtype_bytes(wn_pool_dtype(t->pool));
}

static wn_status truth_run(wni_run *run)
{
    wn_ctx *ctx = run->ctx;
    truth t = {.kernels = wni_kernels_of(ctx),
               .pool = run->pool,
               .metric = wn_pool_metric(run->pool),
               .n = wn_pool_rows(run->pool),
               .ld = wni_ld(wn_pool_dim(run->pool))};
    wn_graph_truth_params p;
    wn_pool *queries = NULL;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_graph_truth, run->params, &p));
    WNI_TRY(wni_run_pool(run, "queries", -1, wn_pool_dim(run->pool), 0, &queries));
    t.queries = queries;
    t.m = wn_pool_rows(queries);
    t.k = p.k;
    WNI_TRY(check_sizes(ctx, &t));
    t.wide = wni_min(t.k + SPARE, t.n);
    t.slot = (GATHER + 1) * t.ld;
    estimate(run, &t);
    if (run->plan) goto done;
    WNI_TRY(wni_pool_need_run(ctx, run->pool, run->method, &run->estimate));
    WNI_TRY(find(ctx, &t));
    wni_log(ctx, WN_LOG_DEBUG, "graph truth: %lld of %lld queries were compared twice",
            (long long)t.settled, (long long)t.m);
    WNI_TRY(save(run, &t));
done:
    wni_free(ctx, t.indices);
    wni_free(ctx, t.distances);
    wni_free(ctx, t.at);
    wni_free(ctx, t.score);
    wni_free(ctx, t.doubt);
    wni_free(ctx, t.slots);
    wn_pool_free(queries);
    return st;
}

const wn_method wni_method_graph_truth = {
    .family = "graph",
    .name = "truth",
    .summary = "the exact k nearest rows of the pool for each query, also as ground truth .ibin",
    .papers = "",
    .cost = "2 n queries d operations; 12 k bytes a query",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_graph_truth_params),
    .inputs = "pool queries",
    .run = (const void *)truth_run,
};
