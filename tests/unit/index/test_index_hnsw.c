/* SPDX-License-Identifier: Apache-2.0
 *
 * The graph of an HNSW index: its shape, the heuristic against a slow twin, that every node can be reached; and
 * the searches through it against the exact ones.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <xxhash.h>

#include "base/rng.h"
#include "index/hnsw_impl.h"
#include "support/support.h"

enum { K = 10 };

/* ---- the graph ---------------------------------------------------------------------------------------- */

static void grow(wn_ctx *ctx, const wn_pool *pool, int32_t m, int64_t ef, wni_hnsw_new *b)
{
    const int64_t n = wn_pool_rows(pool);

    *b = (wni_hnsw_new){.kernels = wni_kernels_of(ctx),
                        .pool = pool,
                        .ef = ef,
                        .seed = 3,
                        .ld = wni_ld(wn_pool_dim(pool))};
    wni_hnsw_sizes(&b->g, n, m);
    b->order = wni_alloc(ctx, n, sizeof *b->order);
    for (int64_t i = 0; i < n; i++)
        b->order[i] = i;
    ts_ok(ctx, wni_hnsw_grow(ctx, b));
}

/* Links are other nodes of the level, each once, and lead from slot 0 to all. */
static void check_level(const wni_hnsw_new *b, int32_t level)
{
    const int64_t n = b->g.size[level], room = wni_hnsw_room(&b->g, level);
    int64_t *queue = malloc((size_t)n * sizeof *queue), reached = 1;
    char *seen = calloc((size_t)n, 1);

    seen[0] = 1;
    queue[0] = 0;
    for (int64_t q = 0; q < reached; q++) {
        const int32_t *links = b->g.links[level] + queue[q] * room;
        int ended = 0;

        for (int64_t j = 0; j < room; j++) {
            ended |= links[j] < 0;
            assert_int_equal(ended, links[j] < 0);
            if (ended) continue;
            assert_true(links[j] < n && links[j] != queue[q]);
            for (int64_t i = 0; i < j; i++)
                assert_int_not_equal(links[i], links[j]);
            if (!seen[links[j]]) queue[reached++] = links[j];
            seen[links[j]] = 1;
        }
    }
    assert_int_equal(reached, n);
    free(queue);
    free(seen);
}

static void test_every_node_is_reached(void **state)
{
    static const struct {
        int64_t n, d, clusters;
        double sigma;
        int32_t m;
    } cases[] = {{65, 3, 1, 1, 4},        {300, 1, 5, 0.01, 4},   {2000, 8, 40, 0.001, 4},
                 {3000, 24, 30, 0.2, 16}, {1500, 40, 1, 1, 8},    {5000, 4, 5000, 0, 6},
                 {1100, 300, 11, 0.5, 5}, {2500, 2, 2, 0.001, 16}};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        float *v = ts_blobs(cases[c].n, cases[c].d, cases[c].clusters, cases[c].sigma, 5, NULL);
        char *seen = calloc((size_t)cases[c].n, 1);
        wni_hnsw_new b;
        wn_pool *pool;

        ts_ok(ctx, wn_pool_wrap(ctx, v, cases[c].n, cases[c].d, WN_F32, WN_L2, &pool));
        grow(ctx, pool, cases[c].m, 40, &b);
        assert_int_equal(b.g.size[0], cases[c].n);
        assert_true(b.g.size[b.g.levels - 1] <= WNI_HNSW_TOP);
        for (int32_t level = 0; level < b.g.levels - 1; level++)
            check_level(&b, level);
        assert_null(b.g.links[b.g.levels - 1]);
        for (int64_t i = 0; i < cases[c].n; i++) {
            assert_false(seen[b.order[i]]);
            seen[b.order[i]] = 1;
            assert_memory_equal(wni_hnsw_row(&b, i), v + b.order[i] * cases[c].d,
                                (size_t)cases[c].d * sizeof *v);
        }
        wni_hnsw_new_free(ctx, &b);
        wn_pool_free(pool);
        free(seen);
        free(v);
    }
    wn_ctx_free(ctx);
}

/* The heuristic written down once more: a candidate stays when no kept one is nearer to it than the node is. */
static int64_t twin_choose(const wni_hnsw_new *b, const uint64_t *entry, int64_t count,
                           int64_t most, int64_t least, uint64_t *out)
{
    int64_t n = 0;
    char *kept = calloc((size_t)count, 1);

    for (int64_t i = 0; i < count && n < most; i++) {
        int near = 0;
        for (int64_t j = 0; j < i; j++)
            near |= kept[j] &&
                    wni_hnsw_key(b, wni_hnsw_row(b, wni_beam_slot(entry[i])),
                                 wni_hnsw_row(b, wni_beam_slot(entry[j]))) < wni_beam_key(entry[i]);
        kept[i] = !near;
        n += !near;
    }
    for (int64_t i = 0; i < count && n < least; i++)
        if (!kept[i]) kept[i] = 1, n++;
    n = 0;
    for (int64_t i = 0; i < count; i++)
        if (kept[i]) out[n++] = entry[i];
    free(kept);
    return n;
}

static void test_heuristic(void **state)
{
    enum { N = 200, D = 6 };
    static const float line[] = {0, 1, 2, 3, -1, -5, 9};
    wn_ctx *ctx = ts_ctx(1, -1);
    float *v = ts_normal(N, D, 8), rows[7 * 16] = {0};
    wni_hnsw_new b = {.kernels = wni_kernels_of(ctx), .ld = 16, .rows = rows};
    uint64_t entry[N], expected[N];
    int64_t n = 0;

    (void)state;
    /* On a line, about 0: 1 and -1 (a tie, the smaller slot first); all others are nearer to one of them. */
    for (int i = 0; i < 7; i++)
        rows[i * 16] = line[i];
    for (int i = 1; i < 7; i++)
        entry[n++] = wni_beam_entry(line[i] * line[i], i);
    n = wni_hnsw_sort(entry, n);
    memcpy(expected, entry, sizeof expected);
    assert_int_equal(wni_hnsw_choose(&b, entry, n, 7, 0), 2);
    assert_int_equal(wni_beam_slot(entry[0]), 1);
    assert_int_equal(wni_beam_slot(entry[1]), 4);
    memcpy(entry, expected, sizeof entry);
    assert_int_equal(wni_hnsw_choose(&b, entry, n, 7, 4), 4); /* filled with 2 and 3 */
    assert_int_equal(wni_beam_slot(entry[2]), 2);
    assert_int_equal(wni_beam_slot(entry[3]), 3);

    b.rows = aligned_alloc(64, N * 16 * sizeof(float));
    memset(b.rows, 0, N * 16 * sizeof(float));
    for (int i = 0; i < N; i++)
        memcpy(b.rows + i * 16, v + i * D, D * sizeof *v);
    for (int64_t most = 1; most < 40; most += 3)
        for (int64_t least = 0; least <= most; least += 6) {
            int64_t m;
            n = 0;
            for (int i = 1; i < N; i++)
                entry[n++] =
                    wni_beam_entry(wni_hnsw_key(&b, wni_hnsw_row(&b, 0), wni_hnsw_row(&b, i)), i);
            n = wni_hnsw_sort(entry, n);
            m = twin_choose(&b, entry, n, most, least, expected);
            assert_int_equal(wni_hnsw_choose(&b, entry, n, most, least), m);
            assert_memory_equal(entry, expected, (size_t)m * sizeof *entry);
        }
    free(b.rows);
    free(v);
    wn_ctx_free(ctx);
}

static void test_entries_are_sorted(void **state)
{
    uint64_t v[700];

    (void)state;
    for (int64_t n = 0; n <= 700; n += n < 5 ? 1 : 139) {
        int64_t kept;
        for (int64_t i = 0; i < n; i++)
            v[i] = wni_rand_u64(1, 2, (uint64_t)i) % 300;
        kept = wni_hnsw_sort(v, n);
        assert_true(kept <= n && (n == 0 || kept > 0));
        for (int64_t i = 1; i < kept; i++)
            assert_true(v[i - 1] < v[i]);
        for (int64_t i = 0; i < n; i++) {
            int found = 0;
            for (int64_t j = 0; j < kept; j++)
                found |= v[j] == wni_rand_u64(1, 2, (uint64_t)i) % 300;
            assert_true(found);
        }
    }
    /* Keys of any sign survive the way into an entry and back, in their order. */
    assert_true(wni_beam_entry(-1.5f, 7) < wni_beam_entry(-0.5f, 3));
    assert_true(wni_beam_entry(2, 3) < wni_beam_entry(2, 4));
    assert_true(wni_beam_key(wni_beam_entry(-1.5f, 7)) < -1.49f);
    assert_int_equal(wni_beam_slot(wni_beam_entry(3, INT32_MAX)), INT32_MAX);
}

/* ---- searching ---------------------------------------------------------------------------------------- */

static void make(wn_ctx *ctx, const char *pool, const char *out, const char *metric,
                 const char *code)
{
    wn_job *job;

    ts_ok(ctx, wn_job_new(ctx, "index", "hnsw", &job));
    ts_ok(ctx, wn_job_input(job, "pool", pool));
    if (metric) ts_ok(ctx, wn_job_set(job, "metric", metric));
    if (code) ts_ok(ctx, wn_job_set(job, "code", code));
    ts_ok(ctx, wn_job_output(job, out));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
}

static wn_hits *search(wn_ctx *ctx, const wn_index *index, const wn_pool *queries, int64_t k,
                       int64_t effort)
{
    wn_index_query query = {
        .struct_size = sizeof query, .queries = queries, .k = k, .effort = effort, .recall = 0.9};
    wn_hits *hits;

    ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
    return hits;
}

/* The search of the kind itself, without the exact scan that takes its place where that is faster. at (n, want). */
static void ask(wn_ctx *ctx, const wn_index *index, wni_ask *a, int64_t *at, wni_found *found)
{
    const wni_index_kind *kind = index->method->ops;
    float *key = malloc(sizeof *key * (size_t)(a->n * a->want));

    *found = (wni_found){.at = at, .key = key};
    a->k = K;
    if (a->allowed) {
        uint64_t *slots = calloc((size_t)(index->segment[0].n + 63) / 64, sizeof *slots);

        kind->place(&index->segment[0], a->allowed, slots);
        a->slots = slots;
    }
    ts_ok(ctx, kind->search(ctx, index, &index->segment[0], a, found));
    assert_true(found->visited > 0 && found->compared > 0);
    free((void *)(uintptr_t)a->slots);
    a->slots = NULL;
    free(key);
}

/* Share of the k nearest of `rows` allowed (NULL = all) that `at` (n, want) holds. A row as near as the k-th
 * counts. */
static double recall(wn_ctx *ctx, const wn_pool *queries, const wn_pool *rows,
                     const uint64_t *allowed, const int64_t *at, int64_t want, int64_t k)
{
    const wni_kernels *kernels = wni_kernels_of(ctx);
    const int64_t n = wn_pool_rows(rows), ld = wni_ld(wn_pool_dim(rows));
    const int64_t nq = wn_pool_rows(queries);
    float *v = aligned_alloc(64, (size_t)((n + 1) * ld) * sizeof *v), *x = v + n * ld;
    float *key = malloc((size_t)(k + 1) * sizeof *key);
    int64_t found = 0, all = 0;

    ts_ok(ctx, wn_pool_read(ctx, rows, 0, n, v, ld));
    for (int64_t q = 0; q < nq; q++) {
        int64_t size = 0;
        ts_ok(ctx, wn_pool_read(ctx, queries, q, 1, x, ld));
        for (int64_t i = 0; i < n; i++) {
            float d = kernels->l2sq(x, v + i * ld, ld);
            int64_t place = size;
            if (allowed && !wni_bit(allowed, i)) continue;
            while (place > 0 && d < key[place - 1])
                place--;
            if (place >= k) continue;
            size = wni_min(size + 1, k);
            memmove(key + place + 1, key + place, (size_t)(size - 1 - place) * sizeof *key);
            key[place] = d;
        }
        if (at[q * want + size - 1] < 0) continue; /* short: the caller scans the matches */
        all += size;
        for (int64_t j = 0; j < want && at[q * want + j] >= 0; j++) {
            if (allowed) assert_true(wni_bit(allowed, at[q * want + j]));
            for (int64_t i = 0; i < j; i++)
                assert_int_not_equal(at[q * want + i], at[q * want + j]);
            found += kernels->l2sq(x, v + at[q * want + j] * ld, ld) <= key[size - 1];
        }
    }
    free(v);
    free(key);
    return all ? (double)found / (double)all : 1;
}

static void test_recall(void **state)
{
    static const char *const codes[] = {"f32", "f16", "i8"};
    enum { N = 6000, Q = 100, D = 32 };
    static int64_t at[Q * 4 * K];
    float *v = ts_blobs(N, D, 60, 0.3, 1, NULL), *q = ts_blobs(Q, D, 60, 0.3, 1, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    ts_write_npy(ts_path("blobs.npy"), v, N, D);
    for (int metric = 0; metric < 2; metric++)
        for (int c = 0; c < 3; c++) {
            char out[32];
            wn_index *index;
            wn_pool *queries, *rows;
            wni_found found;
            wni_ask a = {.n = Q, .want = c == 0 ? K : 4 * K, .effort = 100};
            double r;

            snprintf(out, sizeof out, "recall-%d-%s", metric, codes[c]);
            make(ctx, ts_path("blobs.npy"), ts_path(out), metric ? "cosine" : "l2", codes[c]);
            ts_ok(ctx, wn_index_open(ctx, ts_path(out), &index));
            ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, (wn_metric)metric, &queries));
            ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, (wn_metric)metric, &rows));
            a.queries = queries;
            ask(ctx, index, &a, at, &found);
            assert_int_equal(found.exact, c == 0);
            r = recall(ctx, queries, rows, NULL, at, a.want, K);
            if (r < 0.95) fail_msg("%s: recall %.3f at effort 100", out, r);
            assert_true(found.compared < Q * N / 2);
            wn_pool_free(queries);
            wn_pool_free(rows);
            wn_index_free(index);
        }
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

static void test_recall_on_features(void **state)
{
    enum { N = 12000, Q = 100 };
    const char *path = ts_shared("cifar10_256_f16.npy");
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *all, *rows, *queries;
    static int64_t numbers[N + Q], at[Q * K];
    wni_ask a = {.n = Q, .want = K, .effort = 100};
    wni_found found;
    float *v;
    wn_index *index;
    double r;

    (void)state;
    if (!path) {
        print_message("no shared data: skipped\n");
        wn_ctx_free(ctx);
        return;
    }
    for (int64_t i = 0; i < N + Q; i++)
        numbers[i] = i;
    ts_ok(ctx, wn_pool_open(ctx, &path, 1, NULL, &all));
    v = malloc(sizeof *v * N * 256);
    ts_ok(ctx, wn_pool_read(ctx, all, 0, N, v, 256));
    ts_write_npy(ts_path("features.npy"), v, N, 256);
    make(ctx, ts_path("features.npy"), ts_path("features"), NULL, NULL);
    ts_ok(ctx, wn_index_open(ctx, ts_path("features"), &index));
    ts_ok(ctx, wn_pool_view(ctx, all, numbers, N, &rows));
    ts_ok(ctx, wn_pool_view(ctx, all, numbers + N, Q, &queries));
    a.queries = queries;
    ask(ctx, index, &a, at, &found);
    r = recall(ctx, queries, rows, NULL, at, K, K);
    if (r < 0.95) fail_msg("recall %.3f at effort 100", r);
    wn_index_free(index);
    wn_pool_free(rows);
    wn_pool_free(queries);
    wn_pool_free(all);
    free(v);
    wn_ctx_free(ctx);
}

/* The kind's own search under filters of many selectivities, random and of whole clusters. */
static void test_filters(void **state)
{
    enum { N = 8000, Q = 40, D = 24, CLUSTERS = 20 };
    static const int percent[] = {99, 60, 21, 19, 10, 3, 1};
    static int32_t labels[N];
    static uint64_t bits[N / 64];
    float *v = ts_blobs(N, D, CLUSTERS, 0.5, 2, labels),
          *q = ts_blobs(Q, D, CLUSTERS, 0.5, 2, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *queries, *rows;
    wn_index *index;
    int64_t at[Q * K];

    (void)state;
    ts_write_npy(ts_path("filters.npy"), v, N, D);
    make(ctx, ts_path("filters.npy"), ts_path("filters"), NULL, NULL);
    ts_ok(ctx, wn_index_open(ctx, ts_path("filters"), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, WN_L2, &queries));
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &rows));
    for (size_t p = 0; p < sizeof percent / sizeof percent[0]; p++)
        for (int whole = 0; whole < 2; whole++) {
            wni_found found;
            wni_ask a = {.queries = queries, .n = Q, .want = K, .effort = 100, .allowed = bits};
            int64_t full = 0;
            double r;

            memset(bits, 0, sizeof bits);
            for (int64_t i = 0; i < N; i++) {
                const int64_t share =
                    whole ? labels[i] * 100 / CLUSTERS : wni_rand_below(9, 9, (uint64_t)i, 100);
                if (share < percent[p]) {
                    bits[i >> 6] |= (uint64_t)1 << (i & 63);
                    a.n_allowed++;
                }
            }
            ask(ctx, index, &a, at, &found);
            for (int64_t i = 0; i < Q * K; i++)
                full += at[i] >= 0;
            r = recall(ctx, queries, rows, bits, at, K, K);
            if (r < 0.9)
                fail_msg("%d%%%s: recall %.3f", percent[p], whole ? " of clusters" : "", r);
            /* What a search leaves short is completed by a scan of the matches. */
            if (!whole && percent[p] > 5 && full != Q * K)
                fail_msg("%d%%: %lld hits", percent[p], (long long)full);
        }
    wn_index_free(index);
    wn_pool_free(queries);
    wn_pool_free(rows);
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

/* Tight clusters far from each other, of which a few per cent are allowed, and queries everywhere: most of them have
 * no match about them, and no link leads from one cluster that is allowed to the next. */
static void test_isolated_clusters(void **state)
{
    enum { N = 12000, Q = 60, D = 32, CLUSTERS = 240 };
    static const int every[] = {20, 40, 80};
    static int32_t labels[N];
    static uint64_t bits[(N + 63) / 64];
    float *v = ts_blobs(N, D, CLUSTERS, 0.05, 2, labels),
          *q = ts_blobs(Q, D, CLUSTERS, 0.05, 2, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *queries, *rows;
    wn_index *index;
    int64_t at[Q * K];

    (void)state;
    ts_write_npy(ts_path("islands.npy"), v, N, D);
    make(ctx, ts_path("islands.npy"), ts_path("islands"), NULL, NULL);
    ts_ok(ctx, wn_index_open(ctx, ts_path("islands"), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, q, Q, D, WN_F32, WN_L2, &queries));
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &rows));
    for (size_t e = 0; e < sizeof every / sizeof every[0]; e++) {
        wni_ask a = {.queries = queries, .n = Q, .want = K, .effort = 50, .allowed = bits};
        int64_t full = 0;
        wni_found found;
        double r;

        memset(bits, 0, sizeof bits);
        for (int64_t i = 0; i < N; i++)
            if (labels[i] % every[e] == 0) wni_bit_set(bits, i);
        a.n_allowed = wni_bits_count(bits, 0, N);
        ask(ctx, index, &a, at, &found);
        for (int64_t i = 0; i < Q * K; i++)
            full += at[i] >= 0;
        r = recall(ctx, queries, rows, bits, at, K, K);
        if (r < 0.95 || full < Q * K * 9 / 10)
            fail_msg("every %dth cluster: recall %.3f, %lld of %d hits", every[e], r,
                     (long long)full, Q * K);
    }
    wn_index_free(index);
    wn_pool_free(queries);
    wn_pool_free(rows);
    free(v);
    free(q);
    wn_ctx_free(ctx);
}

/* A recall that is asked for is met for queries that the index has not seen. */
static void test_recall_is_kept(void **state)
{
    enum { N = 8000, Q = 400, D = 24 };
    static const double asked[] = {0.7, 0.9, 0.98};
    float *v = ts_normal(N + Q, D, 12);
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_pool *queries, *rows;
    wn_index *index;

    (void)state;
    ts_write_npy(ts_path("kept.npy"), v, N, D);
    make(ctx, ts_path("kept.npy"), ts_path("kept"), NULL, NULL);
    ts_ok(ctx, wn_index_open(ctx, ts_path("kept"), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, v + N * D, Q, D, WN_F32, WN_L2, &queries));
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &rows));
    for (size_t i = 0; i < sizeof asked / sizeof asked[0]; i++) {
        wn_index_query query = {
            .struct_size = sizeof query, .queries = queries, .k = K, .recall = asked[i]};
        wn_hits *hits;
        double r;

        ts_ok(ctx, wn_index_search(ctx, index, &query, &hits));
        r = recall(ctx, queries, rows, NULL, hits->indices, K, K);
        if (r < asked[i] - 0.01)
            fail_msg("recall %.3f asked for, %.3f found at effort %lld", asked[i], r,
                     (long long)hits->report.effort);
        wn_hits_free(hits);
    }
    wn_index_free(index);
    wn_pool_free(queries);
    wn_pool_free(rows);
    free(v);
    wn_ctx_free(ctx);
}

/* A thousand equal rows stand in for each other: any k of them are the answer, and by ids the first. */
static void test_equal_rows(void **state)
{
    enum { N = 3000, D = 12, EQUAL = 1000 };
    float *v = ts_blobs(N, D, 10, 0.4, 6, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    uint64_t bits[(N + 63) / 64] = {0};
    wn_pool *queries, *rows;
    wn_index *index;
    wn_hits *hits;

    (void)state;
    for (int64_t i = 0; i < EQUAL; i++)
        memcpy(v + (3 * i + 1) * D, v, D * sizeof *v);
    ts_write_npy(ts_path("equal.npy"), v, N, D);
    make(ctx, ts_path("equal.npy"), ts_path("equal"), NULL, NULL);
    ts_ok(ctx, wn_index_open(ctx, ts_path("equal"), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 50, D, WN_F32, WN_L2, &queries));
    ts_ok(ctx, wn_pool_wrap(ctx, v, N, D, WN_F32, WN_L2, &rows));
    hits = search(ctx, index, queries, K, 60);
    for (int64_t j = 0; j < K; j++)
        assert_int_equal(hits->indices[j], j == 0 ? 0 : 3 * j - 2);
    assert_true(recall(ctx, queries, rows, NULL, hits->indices, K, K) > 0.95);
    wn_hits_free(hits);

    /* Only the last of them is allowed: the node stands for it too. */
    {
        int64_t at[1];
        wni_found found;
        wn_pool *one;
        wni_ask a = {.n = 1, .want = 1, .effort = 50, .allowed = bits, .n_allowed = 2};

        bits[2998 >> 6] |= (uint64_t)1 << (2998 & 63);
        bits[0] |= 4;
        ts_ok(ctx, wn_pool_wrap(ctx, v, 1, D, WN_F32, WN_L2, &one));
        a.queries = one;
        ask(ctx, index, &a, at, &found);
        assert_int_equal(at[0], 2998);
        wn_pool_free(one);
    }
    wn_index_free(index);
    wn_pool_free(queries);
    wn_pool_free(rows);
    free(v);
    wn_ctx_free(ctx);
}

static void test_few_rows(void **state)
{
    static const int64_t sizes[] = {1, 2, 127, 128, 129, 200};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int equal = 0; equal < 2; equal++)
        for (size_t c = 0; c < sizeof sizes / sizeof sizes[0]; c++) {
            const int64_t n = sizes[c], k = wni_min(n, K);
            float *v = ts_normal(n, 1, 9);
            char pool[32], out[32];
            wn_pool *rows;
            wn_index *index;
            wn_hits *hits;

            if (equal)
                for (int64_t i = 1; i < n; i++)
                    v[i] = v[0];
            snprintf(pool, sizeof pool, "few-%d-%d.npy", equal, (int)n);
            snprintf(out, sizeof out, "few-%d-%d", equal, (int)n);
            ts_write_npy(ts_path(pool), v, n, 1);
            make(ctx, ts_path(pool), ts_path(out), NULL, NULL);
            ts_ok(ctx, wn_index_open(ctx, ts_path(out), &index));
            ts_ok(ctx, wn_pool_wrap(ctx, v, n, 1, WN_F32, WN_L2, &rows));
            hits = search(ctx, index, rows, k, 200);
            for (int64_t i = 0; i < n; i++) {
                assert_int_equal(hits->counts[i], k);
                assert_int_equal(hits->indices[i * k], equal ? 0 : i);
            }
            wn_hits_free(hits);
            wn_pool_free(rows);
            wn_index_free(index);
            free(v);
        }
    wn_ctx_free(ctx);
}

static void test_same_bytes(void **state)
{
    enum { N = 3000, D = 20 };
    float *v = ts_blobs(N, D, 30, 0.3, 4, NULL);
    wn_hits *first = NULL;
    char one[512];
    wn_ctx *owner = NULL;

    (void)state;
    ts_write_npy(ts_path("same.npy"), v, N, D);
    snprintf(one, sizeof one, "%s", ts_path("same-1"));
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
        for (int threads = 1; threads <= 8; threads = threads == 2 ? 8 : threads + 1) {
            wn_ctx *ctx = ts_ctx(threads, isa);
            char out[600];
            wn_index *index;
            wn_pool *queries;
            wn_hits *hits;

            snprintf(out, sizeof out, "%s", first ? ts_path("same-x") : one);
            if (first) snprintf(out, sizeof out, "%s-%d-%d", one, isa, threads);
            make(ctx, ts_path("same.npy"), out, NULL, NULL);
            ts_ok(ctx, wn_index_open(ctx, out, &index));
            ts_ok(ctx, wn_pool_wrap(ctx, v, 200, D, WN_F32, WN_L2, &queries));
            hits = search(ctx, index, queries, K, 20);
            wn_pool_free(queries);
            wn_index_free(index);
            if (!first) {
                first = hits;
                owner = ctx;
                continue;
            }
            assert_true(ts_same_tree(one, out));
            assert_memory_equal(first->indices, hits->indices, 200 * K * sizeof(int64_t));
            assert_memory_equal(first->distances, hits->distances, 200 * K * sizeof(float));
            assert_int_equal(first->report.compared, hits->report.compared);
            wn_hits_free(hits);
            wn_ctx_free(ctx);
        }
    wn_hits_free(first);
    wn_ctx_free(owner);
    free(v);
}

/* ---- damage that checksums do not show ---------------------------------------------------------------- */

/* Writes `value` over item `at` of an array and makes all checksums fit. */
static void forge(const char *dir, const char *array, size_t item, size_t at, int64_t value)
{
    static const char seal[] = ",\n \"checksum\": \"";
    char path[600], *text, *found;
    unsigned char *data;
    size_t bytes, header;
    uint64_t sum;

    snprintf(path, sizeof path, "%s/s1/%s", dir, array);
    data = ts_read_file(path, &bytes);
    assert_non_null(data);
    header = 10 + data[8] + 256u * data[9];
    memcpy(data + header + at * item, &value, item);
    ts_write_file(path, data, bytes);
    sum = XXH3_64bits(data + header, bytes - header);
    sum = XXH3_64bits(&sum, sizeof sum);
    free(data);

    snprintf(path, sizeof path, "%s/index.json", dir);
    text = ts_read_file(path, &bytes);
    text = realloc(text, bytes + 1);
    text[bytes] = 0;
    found = strstr(strstr(text, array), "\"xxh3\": \"");
    snprintf(path, sizeof path, "%016llx", (unsigned long long)sum);
    memcpy(found + 9, path, 16);
    found = strstr(text, seal);
    sum = XXH3_64bits(text, (size_t)(found - text));
    snprintf(path, sizeof path, "%016llx", (unsigned long long)sum);
    memcpy(found + sizeof seal - 1, path, 16);
    snprintf(path, sizeof path, "%s/index.json", dir);
    ts_write_file(path, text, bytes);
    free(text);
}

static void test_damage(void **state)
{
    static const struct {
        const char *array;
        size_t item, at;
        int64_t value;
        const char *text;
    } cases[] = {
        {"graph.npy", 4, 5, 1900, "a link of node 0 leads to 1900 of 1900 nodes"},
        {"graph.npy", 4, 32 * 7, -2, "a link of node 7 leads to -2 of 1900 nodes"},
        {"upper.npy", 4, 16, 500, "a link of node 1 leads to 500 of 119 nodes"},
        {"order.npy", 8, 3, 2000, "entry 3 is row 2000 of 2000"},
        {"order.npy", 8, 4, -1, "entry 4 is row -1 of 2000"},
        {"twins.npy", 8, 0, 2000, "entry 0 is row 2000 of 2000"},
        {"twins_first.npy", 8, 1900, 99, "it does not fit the rows"},
        {"twins_first.npy", 8, 700, 101, "it is not ascending"},
    };
    enum { N = 2000, D = 8 };
    float *v = ts_normal(N, D, 4);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *index;

    (void)state;
    memcpy(v, v + 100 * D, 100 * D * sizeof *v);
    ts_write_npy(ts_path("damage.npy"), v, N, D);
    for (size_t c = 0; c < sizeof cases / sizeof cases[0]; c++) {
        char dir[512];
        snprintf(dir, sizeof dir, "%s%d", ts_path("damage-"), (int)c);
        make(ctx, ts_path("damage.npy"), dir, NULL, NULL);
        ts_ok(ctx, wn_index_open(ctx, dir, &index));
        wn_index_free(index);
        forge(dir, cases[c].array, cases[c].item, cases[c].at, cases[c].value);
        assert_int_equal(wn_index_open(ctx, dir, &index), WN_E_DATA);
        if (!strstr(wn_ctx_error(ctx), cases[c].text) || !strstr(wn_ctx_error(ctx), cases[c].array))
            fail_msg("found the error '%s', expected '%s' of %s in it", wn_ctx_error(ctx),
                     cases[c].text, cases[c].array);
    }
    free(v);
    wn_ctx_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    return ts_tmp() ? 0 : -1;
}

static int teardown(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_every_node_is_reached),
        cmocka_unit_test(test_heuristic),
        cmocka_unit_test(test_entries_are_sorted),
        cmocka_unit_test(test_recall),
        cmocka_unit_test(test_recall_on_features),
        cmocka_unit_test(test_filters),
        cmocka_unit_test(test_isolated_clusters),
        cmocka_unit_test(test_recall_is_kept),
        cmocka_unit_test(test_equal_rows),
        cmocka_unit_test(test_few_rows),
        cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_damage),
    };
    return cmocka_run_group_tests(tests, setup, teardown);
}
