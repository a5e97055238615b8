/* SPDX-License-Identifier: Apache-2.0
 *
 * Our side of bench_scan.py: one task in a process of its own, timed inside, so that its peak memory is its
 * own. Data come as raw float32, row-major; results go to a raw file; one line of JSON goes to stdout.
 *
 *   bench_scan_ours kmeans DATA N D CENTERS K ITERATIONS TOL OUT   centres (k, d) float32
 *   bench_scan_ours graph  DATA N D K OUT                          ids (n, k) int64, cosine
 *   bench_scan_ours topk   DATA N D QUERIES NQ K OUT               ids (nq, k) int64, L2
 *   bench_scan_ours pairs  DATA N D FLOOR OUT                      (query, base) int64 each, cosine
 *   bench_scan_ours pass   DATA N D FLOOR OUT                      nothing: the filter of `pairs` and no more
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "scan/filter.h"
#include "winnow/winnow.h"

static void die(const char *what)
{
    fprintf(stderr, "bench_scan_ours: %s\n", what);
    exit(1);
}

static void must(wn_ctx *ctx, wn_status st)
{
    if (st != WN_OK) die(wn_ctx_error(ctx));
}

/* Read, not mapped: like the array of a program that has its data at hand. */
static float *load(const char *path, int64_t n, int64_t d)
{
    const size_t bytes = (size_t)(n * d) * sizeof(float);
    float *v = aligned_alloc(64, (bytes + 63) / 64 * 64);
    FILE *f = fopen(path, "rb");

    if (!v || !f || fread(v, 1, bytes, f) != bytes) die(path);
    fclose(f);
    return v;
}

static void save(const char *path, const void *v, size_t bytes)
{
    FILE *f = fopen(path, "wb");

    if (!f || fwrite(v, 1, bytes, f) != bytes || fclose(f)) die(path);
}

typedef struct clock_start {
    int64_t ns;
    double cpu_sec;
} clock_start;

static clock_start start(void)
{
    return (clock_start){wni_os_now_ns(), wni_os_cpu_sec()};
}

static void tell(wn_ctx *ctx, clock_start from, int64_t count, int64_t iterations, double skipped)
{
    const double sec = 1e-9 * (double)(wni_os_now_ns() - from.ns);
    const wn_filter_counts filter = wn_ctx_filter_counts(ctx);

    printf(
        "{\"seconds\": %.6f, \"cpu\": %.6f, \"peak\": %lld, \"count\": %lld, \"iterations\": %lld, "
        "\"skipped\": %.6f, \"isa\": \"%s\", \"filter_rows\": %lld, \"verified\": %lld, "
        "\"candidates\": %lld, \"plain\": %lld}\n",
        sec, wni_os_cpu_sec() - from.cpu_sec, (long long)wni_os_peak_rss_bytes(), (long long)count,
        (long long)iterations, skipped, wn_isa_name(wn_ctx_isa(ctx)), (long long)filter.rows,
        (long long)filter.verified, (long long)filter.candidates, (long long)filter.plain);
}

static void kmeans(wn_ctx *ctx, float *x, int64_t n, int64_t d, char **argv)
{
    const int64_t k = atoll(argv[1]);
    float *first = load(argv[0], k, d);
    wn_kmeans_params params;
    wn_cluster_input in = {.struct_size = sizeof in, .init_centers = first};
    wn_tree *tree;
    wn_pool *pool;
    clock_start from;

    wn_params_init(wn_method_find("cluster", "kmeans"), &params);
    params.k = k;
    params.max_iter = atoi(argv[2]);
    params.tol = atof(argv[3]);
    from = start();
    must(ctx, wn_pool_wrap(ctx, x, n, d, WN_F32, WN_L2, &pool));
    in.pool = pool;
    must(ctx, wn_kmeans(ctx, &in, &params, &tree));
    tell(ctx, from, k, tree->level[0]->report.iterations, tree->level[0]->report.skipped_share);
    save(argv[4], tree->level[0]->centers, (size_t)(k * d) * sizeof(float));
}

static void graph(wn_ctx *ctx, float *x, int64_t n, int64_t d, char **argv)
{
    wn_graph_input in = {.struct_size = sizeof in};
    wn_graph_knn_params params;
    wn_graph *out;
    wn_pool *pool;
    clock_start from;

    wn_params_init(wn_method_find("graph", "knn"), &params);
    params.k = atoll(argv[0]);
    from = start();
    must(ctx, wn_pool_wrap(ctx, x, n, d, WN_F32, WN_COSINE, &pool));
    in.pool = pool;
    must(ctx, wn_graph_knn(ctx, &in, &params, &out));
    tell(ctx, from, out->edges, 0, 0);
    save(argv[1], out->indices, (size_t)out->edges * sizeof *out->indices);
}

static void topk(wn_ctx *ctx, float *x, int64_t n, int64_t d, char **argv)
{
    const int64_t nq = atoll(argv[1]), k = atoll(argv[2]);
    float *q = load(argv[0], nq, d), *score = malloc((size_t)(nq * k) * sizeof *score);
    int64_t *at = malloc((size_t)(nq * k) * sizeof *at);
    wn_pool *pool, *query_pool;
    clock_start from;

    from = start();
    must(ctx, wn_pool_wrap(ctx, x, n, d, WN_F32, WN_L2, &pool));
    must(ctx, wn_pool_wrap(ctx, q, nq, d, WN_F32, WN_L2, &query_pool));
    must(ctx, wni_scan_topk(ctx, &(wni_queries){query_pool, NULL, 0, nq},
                            &(wni_queries){pool, NULL, 0, n}, k, 1, 0, at, score));
    tell(ctx, from, nq * k, 0, 0);
    save(argv[3], at, (size_t)(nq * k) * sizeof *at);
}

static void pairs(wn_ctx *ctx, float *x, int64_t n, int64_t d, char **argv)
{
    wni_queries all = {NULL, NULL, 0, n};
    wni_pairs found;
    int64_t *out;
    wn_pool *pool;
    clock_start from;

    from = start();
    must(ctx, wn_pool_wrap(ctx, x, n, d, WN_F32, WN_COSINE, &pool));
    all.pool = pool;
    must(ctx, wni_scan_threshold(ctx, &all, &all, (float)atof(argv[0]), 1, &found));
    tell(ctx, from, found.n, 0, 0);
    out = malloc((size_t)(2 * found.n + 1) * sizeof *out);
    for (int64_t i = 0; i < found.n; i++) {
        out[2 * i] = wni_pairs_at(&found, i)->query;
        out[2 * i + 1] = wni_pairs_at(&found, i)->base;
    }
    save(argv[1], out, (size_t)(2 * found.n) * sizeof *out);
}

/* The bare filter pass of `pairs`: rows that are at hand, of unit length, are packed in blocks as long as those of
 * a self scan; tiles of all rows up to the block's end are coded once for it and meet its groups with the same floor.
 * Hits are counted and dropped: nothing is read, verified, kept or put in order. */
typedef struct pass_arg {
    const wni_mat *rows;
    const wni_filter *f;
    wni_filter_tile *tile; /* (threads) */
    int64_t tile_rows, first;
    int64_t *hits; /* (threads) */
    float floor;
} pass_arg;

static wn_status pass_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const pass_arg *p = arg;
    wni_filter_tile *t = &p->tile[worker];
    wn_status st = WN_OK;

    if (!t->block) st = wni_filter_tile_new(ctx, p->f, p->tile_rows, 0, t);
    if (st != WN_OK) return st;
    t->x = wni_mat_row(p->rows, begin);
    wni_filter_load(p->f, t, end - begin);
    for (int64_t r = 0; r < t->m; r++)
        t->need[r] = wni_filter_need(t, r, p->floor);
    for (int64_t g = wni_max(begin - p->first, 0) / WNI_GROUP8; g < p->f->groups; g++) {
        p->hits[worker] += wni_filter_group(p->f, t, g, 0);
        t->hits = 0;
    }
    return WN_OK;
}

enum { PASS_BLOCKS = 8, PASS_BYTES_MAX = 64 << 20 };

static void pass(wn_ctx *ctx, float *x, int64_t n, int64_t d, char **argv)
{
    pass_arg p = {.floor = (float)atof(argv[0])};
    int64_t rows, hits = 0;
    wni_mat all;
    wn_pool *pool;
    clock_start from;

    must(ctx, wn_pool_wrap(ctx, x, n, d, WN_F32, WN_COSINE, &pool));
    must(ctx, wni_mat_gather(ctx, pool, NULL, n, &all));
    p.rows = &all;
    p.tile = calloc((size_t)ctx->threads, sizeof *p.tile);
    p.hits = calloc((size_t)ctx->threads, sizeof *p.hits);
    rows = wni_min(n / PASS_BLOCKS + 1, PASS_BYTES_MAX / (all.ld * (int64_t)sizeof(float)));
    from = start();
    for (p.first = 0; p.first < n; p.first += rows) {
        const wni_mat block = {wni_mat_row(&all, p.first), wni_min(rows, n - p.first), d, all.ld};
        wni_filter *f;

        must(ctx, wni_filter_new(ctx, &block, NULL, &f));
        if (!f) die("no filter at this level or size");
        p.f = f;
        p.tile_rows = wni_filter_tile_rows(ctx, f, n);
        must(ctx, wni_parallel(ctx, p.first + block.n, p.tile_rows, pass_range, &p));
        wni_filter_free(ctx, f);
    }
    for (int i = 0; i < ctx->threads; i++)
        hits += p.hits[i];
    tell(ctx, from, hits, 0, 0);
    save(argv[1], argv[1], 0);
}

int main(int argc, char **argv)
{
    static const struct {
        const char *name;
        void (*run)(wn_ctx *ctx, float *x, int64_t n, int64_t d, char **argv);
        int arguments;
    } tasks[] = {{"kmeans", kmeans, 10},
                 {"graph", graph, 7},
                 {"topk", topk, 9},
                 {"pairs", pairs, 7},
                 {"pass", pass, 7}};
    wn_ctx_options options;
    wn_ctx *ctx;

    wn_ctx_options_init(&options);
    options.no_filter = getenv("NO_FILTER") != NULL;
    if (getenv("THREADS")) options.threads = (int32_t)atoi(getenv("THREADS"));
    if (wn_ctx_new(&options, &ctx) != WN_OK) die("no context");
    for (size_t t = 0; argc > 4 && t < sizeof tasks / sizeof *tasks; t++)
        if (strcmp(argv[1], tasks[t].name) == 0 && argc == tasks[t].arguments) {
            int64_t n = atoll(argv[3]), d = atoll(argv[4]);

            tasks[t].run(ctx, load(argv[2], n, d), n, d, argv + 5);
            return 0; /* the system takes everything back */
        }
    die("usage: see the head of bench_scan_ours.c");
    return 1;
}
