/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "io/outdir.h"
#include "support/index_case.h"

static wn_status run(wn_ctx *ctx, const char *method, const char *const *params, const char *pool,
                     const char *rows, const char *index, const char *out)
{
    wn_job *job;
    wn_status st = wn_job_new(ctx, "index", method, &job);

    if (st == WN_OK && index) st = wn_job_input(job, "index", ts_path(index));
    if (st == WN_OK && pool) st = wn_job_input(job, "pool", ts_path(pool));
    if (st == WN_OK && rows) st = wn_job_input(job, "rows", ts_path(rows));
    for (; st == WN_OK && params && params[0]; params += 2)
        st = wn_job_set(job, params[0], params[1]);
    if (st == WN_OK && out) st = wn_job_output(job, ts_path(out));
    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

wn_status ts_index(wn_ctx *ctx, const char *kind, const float *v, int64_t n, int64_t d,
                   const char *const *params, const char *name)
{
    char pool[64];

    snprintf(pool, sizeof pool, "%s-rows.npy", name);
    ts_write_npy(ts_path(pool), v, n, d);
    return run(ctx, kind, params, pool, NULL, NULL, name);
}

wn_status ts_index_add(wn_ctx *ctx, const char *name, const float *v, int64_t n, int64_t d)
{
    ts_write_npy(ts_path("index-more.npy"), v, n, d);
    return run(ctx, "add", NULL, "index-more.npy", NULL, name, NULL);
}

wn_status ts_index_delete(wn_ctx *ctx, const char *name, const int64_t *ids, int64_t n)
{
    wni_out *out;
    wn_status st;

    if ((st = wni_out_begin(ctx, ts_path("index-gone.npy"), 1, 1, &out)) != WN_OK) return st;
    if ((st = wni_out_npy(out, NULL, "<i8", sizeof *ids, &n, 1, ids)) != WN_OK) return st;
    if ((st = wni_out_commit(out)) != WN_OK) return st;
    return run(ctx, "delete", NULL, NULL, "index-gone.npy", name, NULL);
}

wn_status ts_index_compact(wn_ctx *ctx, const char *name)
{
    return run(ctx, "compact", NULL, NULL, NULL, name, NULL);
}

wn_status ts_index_search(wn_ctx *ctx, const char *name, const float *q, int64_t n, int64_t d,
                          int64_t k, int64_t effort, double recall, wn_hits **hits)
{
    wn_index_query query = {
        .struct_size = sizeof query, .k = k, .effort = effort, .recall = recall};
    wn_index *index = NULL;
    wn_pool *pool = NULL;
    wn_status st;

    *hits = NULL;
    if ((st = wn_index_open(ctx, ts_path(name), &index)) == WN_OK)
        st = wn_pool_wrap(ctx, q, n, d, WN_F32, WN_L2, &pool);
    query.queries = pool;
    if (st == WN_OK) st = wn_index_search(ctx, index, &query, hits);
    wn_pool_free(pool);
    wn_index_free(index);
    return st;
}

void ts_index_without_memory(const char *kind, int64_t n, const char *const *params)
{
    enum { DIM = 3 };
    float *v = ts_blobs(n, DIM, 9, 0.3, 1, NULL);

    for (int64_t at = 0, step = 1;; at += step, step += at % 3 == 0) {
        ts_alloc alloc = {.fail_at = at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wn_hits *hits = NULL;
        wn_status st = ts_index(ctx, kind, v, n, DIM, params, "memory");

        if (st == WN_OK) st = ts_index_search(ctx, "memory", v, 20, DIM, 3, 2, 1, &hits);
        if (st != WN_OK) assert_int_equal(st, WN_E_NOMEM);
        wn_hits_free(hits);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
        if (st == WN_OK) break;
    }
    free(v);
}

double ts_recall(const wn_hits *hits, const wn_hits *truth)
{
    int64_t good = 0, all = 0;

    for (int64_t q = 0; q < truth->n; q++) {
        const float *t = truth->distances + q * truth->k, *h = hits->distances + q * hits->k;
        const int64_t count = truth->counts[q];

        for (int64_t i = 0; i < count; i++)
            good += i < hits->counts[q] && h[i] <= t[count - 1];
        all += count;
    }
    return all ? (double)good / (double)all : 1;
}
