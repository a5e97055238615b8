/* SPDX-License-Identifier: Apache-2.0
 *
 * Searching lists. Queries go together: each ranks the centres, and then list after list is compared with all
 * queries that want it, so that its codes come from memory once for all of them. The best candidates of a query
 * do not depend on the order in which its lists come.
 */
#include <math.h>
#include <string.h>

#include "ds/keyed.h"
#include "ds/topk.h"
#include "index/ivf_impl.h"

#define GROUP_MAX   512                /* queries that go together */
#define GROUP_BYTES ((int64_t)4 << 20) /* of their scratch */
#define LATER       ((uint64_t)1 << 32) /* the nearest list of each query comes first: it sets the bar */
#define COVER       8 /* rows for each candidate wanted that are seen before a far list is left out */

typedef struct job {
    const wni_kernels *kernels;
    const wni_ivf *v;
    const wni_ask *ask;
    wni_found *found;
    int64_t d, ld;
    int64_t lists;               /* that a query reads, but for too few rows in them */
    int64_t ranked;              /* that are looked at for that; more under a filter */
    int64_t enough;              /* rows that each query gets */
    double far2;                 /* squared (1 + prune); Inf = nothing is left out */
    int64_t code_bytes;          /* of a query made ready, whole lines */
    int64_t *visited, *compared; /* (threads) */
} job;

/* Scratch of a range. */
typedef struct group {
    float *rows;      /* (m, ld) */
    char *ready;      /* (m, code_bytes) */
    int64_t *near;    /* (m, ranked) lists, nearest first */
    float *score;     /* (m, ranked) */
    float *scores;    /* WNI_NEAR_SCORES */
    wni_keyed *pairs; /* (m, ranked): list, query; LATER when it is not the first of the query */
    int64_t n_pairs;
    int32_t
        *open; /* (lists of the index) allowed rows of each, -1 = not counted yet; under a filter */
    int32_t *slots; /* (longest) */
    float *keys;    /* (longest) */
    int64_t *size;  /* (m) candidates of each query */
} group;

void wni_near_centers(const wni_kernels *kernels, const wni_mat *centers, const float *half,
                      const float *rows, int64_t m, int64_t most, int64_t *at, float *score,
                      float *scores)
{
    int64_t size[WNI_NEAR_TILE];
    int32_t hits[WNI_NEAR_BLOCK];

    for (int64_t i0 = 0; i0 < m; i0 += WNI_NEAR_TILE) {
        const int64_t rows_n = wni_min(WNI_NEAR_TILE, m - i0);

        memset(size, 0, sizeof size);
        for (int64_t c = 0; c < centers->n; c += WNI_NEAR_BLOCK) {
            const int64_t n = wni_min(WNI_NEAR_BLOCK, centers->n - c);

            kernels->dots(rows + i0 * centers->ld, rows_n, wni_mat_row(centers, c), n, centers->ld,
                          scores, WNI_NEAR_BLOCK);
            for (int64_t i = 0; i < rows_n; i++) {
                float *best = score + (i0 + i) * most;
                int64_t *best_at = at + (i0 + i) * most;
                const float *s = scores + i * WNI_NEAR_BLOCK;
                const float floor = size[i] < most ? -INFINITY : best[0];
                const int64_t count = kernels->over(s, half + c, n, floor, hits);

                for (int64_t h = 0; h < count; h++)
                    wni_topk_push(best, best_at, most, &size[i], s[hits[h]] - half[c + hits[h]],
                                  c + hits[h]);
            }
        }
        for (int64_t i = 0; i < rows_n; i++) {
            wni_topk_sort(score + (i0 + i) * most, at + (i0 + i) * most, size[i]);
            for (int64_t c = size[i]; c < most; c++) { /* scores that are no numbers */
                at[(i0 + i) * most + c] = -1;
                score[(i0 + i) * most + c] = -INFINITY;
            }
        }
    }
}

/* The lists that query i reads: the nearest that have an allowed row, but, once a quarter of them and enough rows are
 * seen, none far beyond the nearest centre; and some more where these have too few rows. */
static int64_t choose(const job *j, group *g, int64_t i)
{
    const int64_t *near = g->near + i * j->ranked;
    const float *score = g->score + i * j->ranked, *x = g->rows + i * j->ld;
    const double norm2 = (double)j->kernels->dot(x, x, j->ld);
    const double reach = fmax(norm2 - 2 * (double)score[0], 0) * j->far2;
    int64_t lists = 0, rows = 0, all = 0;

    for (int64_t r = 0; r < j->ranked && (lists < j->lists || rows < j->enough); r++) {
        const int64_t list = near[r];
        int64_t size;

        if (list < 0) break;
        size = j->v->start[list + 1] - j->v->start[list];

        all += size;
        if (lists >= j->lists / 4 && all > COVER * j->ask->want && rows >= j->ask->want &&
            norm2 - 2 * (double)score[r] > reach)
            break;
        if (g->open) {
            if (g->open[list] < 0)
                g->open[list] = (int32_t)wni_bits_count(j->ask->slots, j->v->start[list],
                                                        j->v->start[list + 1]);
            size = g->open[list];
        }
        if (size == 0) continue;
        rows += size;
        lists++;
        g->pairs[g->n_pairs++] = (wni_keyed){(uint64_t)list | (lists > 1 ? LATER : 0), i};
    }
    return lists;
}

/* One list against the queries of pairs[0..n). */
static int64_t compare(const job *j, group *g, int64_t q0, const wni_keyed *pairs, int64_t n)
{
    const int64_t list = (int64_t)(pairs[0].key & (LATER - 1)), first = j->v->start[list];
    int64_t count = j->v->start[list + 1] - first, want = j->ask->want;

    if (g->open) count = wni_bits_list32(j->ask->slots, first, first + count, g->slots);
    for (int64_t p = 0; p < n; p++) {
        const int64_t i = pairs[p].row;
        float *key = j->found->key + (q0 + i) * want;
        int64_t *at = j->found->at + (q0 + i) * want;

        if (g->open)
            wni_code_keys_at(j->v->code, g->ready + i * j->code_bytes, g->slots, count, g->keys);
        else
            wni_code_keys_run(j->v->code, g->ready + i * j->code_bytes, first, count, g->keys);
        for (int64_t r = 0; r < count; r++)
            if (g->size[i] < want || -g->keys[r] >= key[0])
                wni_topk_push(key, at, want, &g->size[i], -g->keys[r],
                              j->v->rows[g->open ? g->slots[r] : first + r]);
    }
    return count * n;
}

static wn_status range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const job *j = arg;
    const int64_t m = end - begin, want = j->ask->want;
    group g = {0};
    wn_status st = WN_OK;

    WNI_NEW(ctx, g.rows, m * j->ld);
    WNI_NEW(ctx, g.ready, m * j->code_bytes);
    WNI_NEW(ctx, g.near, m * j->ranked);
    WNI_NEW(ctx, g.score, m * j->ranked);
    WNI_NEW(ctx, g.scores, WNI_NEAR_SCORES);
    WNI_NEW(ctx, g.pairs, m * j->ranked);
    WNI_NEW(ctx, g.keys, j->v->longest);
    WNI_NEW0(ctx, g.size, m);
    if (j->ask->allowed) {
        WNI_NEW(ctx, g.open, j->v->lists);
        memset(g.open, -1, (size_t)j->v->lists * sizeof *g.open);
        WNI_NEW(ctx, g.slots, j->v->longest);
    }
    WNI_TRY(wn_pool_read(ctx, j->ask->queries, begin, m, g.rows, j->ld));
    wni_near_centers(j->kernels, &j->v->centers, j->v->half, g.rows, m, j->ranked, g.near, g.score,
                     g.scores);
    for (int64_t i = 0; i < m; i++) {
        j->visited[worker] += choose(j, &g, i);
        wni_code_prepare(j->v->code, g.rows + i * j->ld, g.ready + i * j->code_bytes);
    }
    wni_keyed_sort(g.pairs, g.n_pairs);
    for (int64_t p = 0, last; p < g.n_pairs; p = last) {
        WNI_TRY(wni_poll(ctx));
        for (last = p + 1; last < g.n_pairs && g.pairs[last].key == g.pairs[p].key; last++)
            ;
        j->compared[worker] += compare(j, &g, begin, g.pairs + p, last - p);
    }
    for (int64_t i = 0; i < m; i++)
        wni_found_end(j->found, want, begin + i, g.size[i]);
done:
    wni_free(ctx, g.rows);
    wni_free(ctx, g.ready);
    wni_free(ctx, g.near);
    wni_free(ctx, g.score);
    wni_free(ctx, g.scores);
    wni_free(ctx, g.pairs);
    wni_free(ctx, g.open);
    wni_free(ctx, g.slots);
    wni_free(ctx, g.keys);
    wni_free(ctx, g.size);
    return st;
}

double wni_ivf_cost(const wn_index *index, const wni_segment *s, const wni_ask *ask)
{
    const wni_ivf *v = s->state;
    const double lists = (double)wni_ask_lists(ask, ask->effort, v->n, v->lists);
    const double share = (double)ask->n_allowed / (double)s->n;

    if (!ask->allowed) return 0;
    /* Centres are compared several times as fast as rows that are fetched one by one; so are bits tested. */
    return ((double)v->lists / 4 + lists * (double)s->n / (double)v->lists * (0.125 + share)) *
           wni_scan_shared(index->d, ask->all);
}

wn_status wni_ivf_search(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                         const wni_ask *ask, wni_found *found)
{
    const wn_index_ivf_params *p = index->params;
    const int64_t threads = wn_ctx_threads(ctx), want = ask->want;
    job j = {.kernels = wni_kernels_of(ctx),
             .v = s->state,
             .ask = ask,
             .found = found,
             .d = index->d,
             .ld = wni_ld(index->d)};
    int64_t grain, bytes;
    wn_status st = WN_OK;

    j.lists = wni_ask_lists(ask, ask->effort, j.v->n, j.v->lists);
    j.ranked = wni_min((ask->allowed ? 4 * j.lists : j.lists) + 16, j.v->lists);
    j.enough = wni_min(ask->k, ask->allowed ? ask->n_allowed : s->n);
    j.far2 = j.lists == j.v->lists ? INFINITY : (1 + p->prune) * (1 + p->prune);
    j.code_bytes = wni_round_up(wni_code_scratch_bytes(j.v->code), 64);
    WNI_NEW0(ctx, j.visited, threads);
    WNI_NEW0(ctx, j.compared, threads);
    bytes = j.ld * 4 + j.code_bytes + j.ranked * 28 + want * 12;
    grain = wni_min(wni_min(GROUP_MAX, GROUP_BYTES / bytes), (ask->n + threads - 1) / threads);
    WNI_TRY(wni_parallel(ctx, ask->n, wni_max(grain, 1), range, &j));
    for (int64_t t = 0; t < threads; t++) {
        found->visited += j.visited[t];
        found->compared += j.compared[t];
    }
    found->exact = wni_code_exact(j.v->code);
done:
    wni_free(ctx, j.visited);
    wni_free(ctx, j.compared);
    return st;
}

void wni_ivf_place(const wni_segment *s, const uint64_t *allowed, uint64_t *slots)
{
    const wni_ivf *v = s->state;

    for (int64_t i = 0; i < v->n; i++)
        slots[i >> 6] |= (uint64_t)wni_bit(allowed, v->rows[i]) << (i & 63);
}
