/* SPDX-License-Identifier: Apache-2.0
 *
 * Candidates for the links of a level. A chunk of nodes that lie close together is compared, in dense tiles,
 * with the members of the cells that its nodes named as near; each node keeps the nearest rows and adds the
 * heads it knows, which reach farther. The heuristic chooses the links among these.
 */
#include <math.h>
#include <string.h>

#include "ds/topk.h"
#include "index/hnsw_impl.h"

#define CHUNK 48            /* nodes that are compared together */
#define WIDE  256           /* columns of a tile */
#define PART  (CHUNK * 256) /* nodes between two reports of progress */

/* Rows that a chunk is compared with, about. */
static int64_t compared_rows(const wni_hnsw_new *b, const wni_hnsw_level *v)
{
    return 32 * b->ef << 4 * wni_min(v->level, 4);
}

/* Nearest rows that each node keeps. */
static int64_t kept_rows(int32_t m, int64_t ef)
{
    return wni_min(4 * (int64_t)m, wni_max(ef, m));
}

typedef struct scratch {
    float *rows;  /* (CHUNK, ld) */
    float *tile;  /* (CHUNK, WIDE) */
    float *bias;  /* (WIDE) */
    int32_t *col; /* (WIDE) slots */
    int32_t *hit; /* (WIDE) */
    int64_t cols;
    int32_t slot[CHUNK];
    int64_t m;       /* nodes of the chunk */
    int64_t *size;   /* (CHUNK) */
    int64_t *at;     /* (CHUNK, keep) */
    float *score;    /* (CHUNK, keep) */
    wni_keyed *vote; /* (CHUNK * (near_n + 1)) */
    uint64_t *entry; /* (keep + near_n) */
} scratch;

typedef struct propose {
    const wni_hnsw_new *b;
    const wni_hnsw_level *v;
    int64_t keep, first;
    int32_t *item; /* (n) slots: each head, then its cell */
    scratch *s;    /* (threads) */
} propose;

/* Offers the columns of the tile to the nodes of the chunk. */
static void flush(const propose *p, scratch *s)
{
    for (int64_t i = 0; i < s->m; i++) {
        float *score = s->score + i * p->keep;
        const float *tile = s->tile + i * WIDE;
        const float floor = s->size[i] < p->keep ? -INFINITY : score[0];
        const int64_t hits = p->b->kernels->over(tile, s->bias, s->cols, floor, s->hit);

        for (int64_t j = 0; j < hits; j++) {
            const int32_t c = s->hit[j];

            if (s->col[c] != s->slot[i])
                wni_topk_push(score, s->at + i * p->keep, p->keep, &s->size[i],
                              tile[c] - s->bias[c], s->col[c]);
        }
    }
    s->cols = 0;
}

/* Compares the chunk with slots first..end. */
static wn_status compare(wn_ctx *ctx, const propose *p, scratch *s, int64_t first, int64_t end)
{
    while (first < end) {
        const int64_t n = wni_min(end - first, WIDE - s->cols);
        wn_status st;

        p->b->kernels->dots(s->rows, s->m, wni_hnsw_row(p->b, first), n, p->b->ld,
                            s->tile + s->cols, WIDE);
        for (int64_t i = 0; i < n; i++) {
            s->col[s->cols + i] = (int32_t)(first + i);
            s->bias[s->cols + i] = p->b->half[first + i];
        }
        s->cols += n;
        first += n;
        if (s->cols < WIDE) continue;
        flush(p, s);
        if ((st = wni_poll(ctx)) != WN_OK) return st;
    }
    return WN_OK;
}

/* Heads near the chunk to the front of `vote`, ascending, until their cells have rows enough; how many. */
static int64_t elect(const propose *p, scratch *s)
{
    const wni_hnsw_level *v = p->v;
    const int64_t most = compared_rows(p->b, v);
    int64_t votes = 0, n = 0, rows = 0, taken = 0;

    for (int64_t i = 0; i < s->m; i++) {
        const int32_t *near = v->near + v->from[s->slot[i]] * v->near_n;

        if (s->slot[i] < v->heads)
            s->vote[votes++] = (wni_keyed){(uint64_t)s->slot[i], v->near_n + 1};
        for (int64_t j = 0; j < v->near_n && near[j] >= 0; j++)
            s->vote[votes++] = (wni_keyed){(uint64_t)near[j], v->near_n - j};
    }
    wni_keyed_sort(s->vote, votes);
    for (int64_t i = 0; i < votes; n++) {
        const uint64_t head = s->vote[i].key;
        int64_t weight = 0;

        for (; i < votes && s->vote[i].key == head; i++)
            weight += s->vote[i].row;
        s->vote[n] = (wni_keyed){UINT64_MAX - (uint64_t)weight, (int64_t)head};
    }
    wni_keyed_sort(s->vote, n);
    while (taken < n && rows < most) {
        const int64_t j = s->vote[taken].row;

        rows += 1 + v->cells[j + 1] - v->cells[j];
        s->vote[taken++].key = (uint64_t)j;
    }
    wni_keyed_sort(s->vote, taken);
    return taken;
}

/* Cells larger than what a chunk is compared with are cut: the part around the chunk, if it is in it. */
static wn_status compare_cells(wn_ctx *ctx, const propose *p, scratch *s, int64_t taken)
{
    const wni_hnsw_level *v = p->v;
    const int64_t most = compared_rows(p->b, v);
    int64_t first = 0, end = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < taken; i++)
        WNI_TRY(compare(ctx, p, s, s->vote[i].row, s->vote[i].row + 1));
    for (int64_t i = 0; i < taken; i++) {
        const int64_t j = s->vote[i].row;
        int64_t from = v->cells[j], to = v->cells[j + 1];

        if (to - from > most) {
            const int64_t middle = s->slot[s->m / 2];

            if (middle >= from && middle < to)
                from = wni_max(wni_min(middle - most / 2, to - most), from);
            to = from + most;
        }
        if (from != end) {
            WNI_TRY(compare(ctx, p, s, first, end));
            first = from;
        }
        end = to;
    }
    WNI_TRY(compare(ctx, p, s, first, end));
    flush(p, s);
done:
    return st;
}

/* The links of node i of the chunk. */
static void choose(const propose *p, scratch *s, int64_t i)
{
    const wni_hnsw_new *b = p->b;
    const wni_hnsw_level *v = p->v;
    const int64_t slot = s->slot[i], m = b->g.m;
    const int32_t *near = v->near + v->from[slot] * v->near_n;
    const float *row = s->rows + i * b->ld;
    uint64_t *out = v->out + slot * m;
    int64_t n = 0;

    for (int64_t j = 0; j < s->size[i]; j++) {
        const int32_t c = (int32_t)s->at[i * p->keep + j];

        s->entry[n++] = wni_beam_entry(wni_hnsw_key(b, row, wni_hnsw_row(b, c)), c);
    }
    for (int64_t j = 0; j < v->near_n && near[j] >= 0; j++)
        s->entry[n++] = wni_beam_entry(wni_hnsw_key(b, row, wni_hnsw_row(b, near[j])), near[j]);
    n = wni_hnsw_sort(s->entry, n);
    n = wni_hnsw_choose(b, s->entry, n, m, m);
    memcpy(out, s->entry, (size_t)n * sizeof *out);
    for (; n < m; n++)
        out[n] = UINT64_MAX;
}

static wn_status propose_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const propose *p = arg;
    scratch *s = &p->s[worker];
    wn_status st;

    s->m = end - begin;
    for (int64_t i = 0; i < s->m; i++) {
        s->slot[i] = p->item[p->first + begin + i];
        s->size[i] = 0;
        memcpy(s->rows + i * p->b->ld, wni_hnsw_row(p->b, s->slot[i]),
               (size_t)p->b->ld * sizeof *s->rows);
    }
    s->cols = 0;
    WNI_TRY(compare_cells(ctx, p, s, elect(p, s)));
    for (int64_t i = 0; i < s->m; i++)
        choose(p, s, i);
done:
    return st;
}

int64_t wni_hnsw_propose_bytes(const wn_ctx *ctx, int64_t n, int64_t near_n, int64_t ld, int32_t m,
                               int64_t ef)
{
    const int64_t keep = kept_rows(m, ef);
    const int64_t scratch_bytes = CHUNK * (ld * 4 + WIDE * 4 + 8 + keep * 12 + (near_n + 1) * 16) +
                                  WIDE * 12 + (keep + near_n) * 8 + (int64_t)sizeof(scratch) +
                                  16 * 64;

    return n * 4 + wn_ctx_threads(ctx) * scratch_bytes + 4096;
}

static wn_status scratch_new(wn_ctx *ctx, const propose *p, scratch *s)
{
    wn_status st = WN_OK;

    WNI_NEW(ctx, s->rows, CHUNK * p->b->ld);
    WNI_NEW(ctx, s->tile, CHUNK * WIDE);
    WNI_NEW(ctx, s->bias, WIDE);
    WNI_NEW(ctx, s->col, WIDE);
    WNI_NEW(ctx, s->hit, WIDE);
    WNI_NEW(ctx, s->size, CHUNK);
    WNI_NEW(ctx, s->at, CHUNK * p->keep);
    WNI_NEW(ctx, s->score, CHUNK * p->keep);
    WNI_NEW(ctx, s->vote, CHUNK * (p->v->near_n + 1));
    WNI_NEW(ctx, s->entry, p->keep + p->v->near_n);
done:
    return st;
}

static void scratch_free(wn_ctx *ctx, scratch *s)
{
    wni_free(ctx, s->rows);
    wni_free(ctx, s->tile);
    wni_free(ctx, s->bias);
    wni_free(ctx, s->col);
    wni_free(ctx, s->hit);
    wni_free(ctx, s->size);
    wni_free(ctx, s->at);
    wni_free(ctx, s->score);
    wni_free(ctx, s->vote);
    wni_free(ctx, s->entry);
}

wn_status wni_hnsw_propose(wn_ctx *ctx, const wni_hnsw_new *b, const wni_hnsw_level *v)
{
    const int32_t threads = wn_ctx_threads(ctx);
    propose p = {.b = b, .v = v, .keep = kept_rows(b->g.m, b->ef)};
    int64_t n = 0;
    wn_status st;

    WNI_NEW(ctx, p.item, v->n);
    WNI_NEW0(ctx, p.s, threads);
    for (int32_t i = 0; i < threads; i++)
        WNI_TRY(scratch_new(ctx, &p, &p.s[i]));
    for (int64_t j = 0; j < v->heads; j++) {
        p.item[n++] = (int32_t)j;
        for (int64_t slot = v->cells[j]; slot < v->cells[j + 1]; slot++)
            p.item[n++] = (int32_t)slot;
    }
    for (p.first = 0; p.first < n; p.first += PART) {
        if (v->level == 0) wni_progress(ctx, "nodes in the graph", p.first, n);
        WNI_TRY(wni_parallel(ctx, wni_min(PART, n - p.first), CHUNK, propose_range, &p));
    }
done:
    for (int32_t i = 0; p.s && i < threads; i++)
        scratch_free(ctx, &p.s[i]);
    wni_free(ctx, p.s);
    wni_free(ctx, p.item);
    return st;
}
