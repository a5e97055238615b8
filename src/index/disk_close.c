/* SPDX-License-Identifier: Apache-2.0
 *
 * Which lists a row is put into: that of its nearest centre, and copies by the closure rule of SPANN, so that
 * a query on the other side of a boundary finds the row without reading one more list. Rows are taken cell
 * by cell: the centres that can be near to them are those of the cells around, so that a few thousand centres
 * and not all are compared with each row.
 */
#include <math.h>
#include <string.h>

#include "index/disk_impl.h"
#include "index/ivf_impl.h"

#define AROUND 12 /* cells whose centres are compared with the rows of a cell */
#define RANKED 24 /* centres that the closure rule looks at */
#define GRAIN  64 /* rows of a range */
/* Centres are means and lie closer together than rows do: their squared distance counts so many times when
 * it is held against that of a row. */
#define APART 2.0f
#define BATCH_FLOATS \
    ((int64_t)1 << 27) /* at most; the fewer batches, the fewer passes over the pool */

int32_t wni_disk_closure(int64_t *at, float *dist2, int64_t m, int32_t copies, float far2,
                         float (*between)(const void *self, int64_t a, int64_t b), const void *self)
{
    int32_t kept = 0;

    for (int64_t i = 0; i < m && kept < copies; i++) {
        int near = 1;

        if (kept > 0 && !(dist2[i] <= far2 * dist2[0])) break;
        for (int32_t j = 0; j < kept && near; j++)
            near = APART * between(self, at[j], at[i]) > dist2[i];
        if (!near) continue;
        at[kept] = at[i];
        dist2[kept++] = dist2[i];
    }
    return kept;
}

typedef struct close_job {
    const wni_disk_new *b;
    wni_mat rows;  /* (m, ld) of the chunk in memory */
    int64_t first; /* row of it that the range begins with */
    wni_mat near;  /* (., ld) centres that are compared */
    float *half;   /* of these */
    int32_t *node; /* of these */
    int64_t *at;   /* (rows, copies) nodes, -1 past the end */
    float *dist2;  /* (rows, copies) */
    float *scores; /* (threads, scores of a tile) */
} close_job;

/* Scores round; distances decide. Ascending, at a tie the smaller first. */
static void sort_near(int64_t *at, float *dist2, int64_t m)
{
    for (int64_t i = 1; i < m; i++) {
        const float x = dist2[i];
        const int64_t number = at[i];
        int64_t j = i;

        for (; j > 0 && (dist2[j - 1] > x || (dist2[j - 1] == x && at[j - 1] > number)); j--) {
            dist2[j] = dist2[j - 1];
            at[j] = at[j - 1];
        }
        dist2[j] = x;
        at[j] = number;
    }
}

static float between(const void *self, int64_t a, int64_t b)
{
    const close_job *j = self;

    return j->b->kernels->l2sq(wni_mat_row(&j->near, a), wni_mat_row(&j->near, b), j->near.ld);
}

static wn_status close_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const close_job *j = arg;
    const int64_t most = wni_min(RANKED, j->near.n), m = end - begin;
    const float *rows = wni_mat_row(&j->rows, j->first + begin);
    const double far = 1 + j->b->p->closure;
    const int32_t copies = j->b->p->copies;
    int64_t at[GRAIN * RANKED];
    float score[GRAIN * RANKED];

    (void)ctx;
    wni_near_centers(j->b->kernels, &j->near, j->half, rows, m, most, at, score,
                     j->scores + worker * WNI_NEAR_SCORES);
    for (int64_t i = 0; i < m; i++) {
        int64_t *near = at + i * most, *out = j->at + (j->first + begin + i) * copies;
        float *dist2 = score + i * most, *out2 = j->dist2 + (j->first + begin + i) * copies;
        int32_t kept;

        for (int64_t c = 0; c < most; c++)
            dist2[c] = j->b->kernels->l2sq(rows + i * j->rows.ld, wni_mat_row(&j->near, near[c]),
                                           j->rows.ld);
        sort_near(near, dist2, most);
        kept = wni_disk_closure(near, dist2, most, copies, (float)(far * far), between, j);
        for (int32_t c = 0; c < copies; c++) {
            out[c] = c < kept ? j->node[near[c]] : -1;
            out2[c] = c < kept ? dist2[c] : 0;
        }
    }
    return WN_OK;
}

/* The centres of the cells around cell c: near, half, node. */
static wn_status gather_near(wn_ctx *ctx, close_job *j, const int64_t *around, int64_t cells)
{
    const wni_lists *lists = &j->b->lists;
    int64_t n = 0, room = 0;
    wn_status st = WN_OK;

    wni_mat_free(ctx, &j->near);
    wni_free(ctx, j->half);
    wni_free(ctx, j->node);
    j->half = NULL;
    j->node = NULL;
    for (int64_t i = 0; i < cells; i++)
        room += lists->cell_list[around[i] + 1] - lists->cell_list[around[i]];
    WNI_TRY(wni_mat_new(ctx, room, j->b->d, &j->near));
    WNI_NEW(ctx, j->half, room);
    WNI_NEW(ctx, j->node, room);
    for (int64_t i = 0; i < cells; i++)
        for (int32_t l = lists->cell_list[around[i]]; l < lists->cell_list[around[i] + 1]; l++) {
            const int32_t node = j->b->node_of[l];

            if (n > 0 && j->node[n - 1] == node) continue; /* lists that were cut */
            memcpy(wni_mat_row(&j->near, n), wni_mat_row(&j->b->centers, node),
                   (size_t)j->near.ld * sizeof(float));
            j->node[n++] = node;
        }
    j->near.n = n;
    WNI_TRY(wni_mat_half_norms(ctx, &j->near, j->half));
done:
    return st;
}

/* What was decided about rows first..first + m of the chunk goes to the spill. */
static wn_status hand_over(wni_disk_new *b, const close_job *j, const int32_t *number, int64_t m)
{
    const int32_t copies = b->p->copies;
    wni_keyed entry[WNI_DISK_COPIES];
    wn_status st = WN_OK;

    for (int64_t i = 0; i < m; i++) {
        const int64_t *at = j->at + i * copies;
        int32_t kept = 0;

        for (; kept < copies && at[kept] >= 0; kept++) {
            entry[kept].key = wni_disk_key(b, at[kept], kept, j->dist2[i * copies + kept]);
            entry[kept].row = number[i];
            if (kept)
                b->copied[at[kept]]++;
            else
                b->own[at[kept]]++;
        }
        WNI_TRY(wni_spill_add(b->spill, entry, kept));
    }
done:
    return st;
}

static wn_status read_chunk(wn_ctx *ctx, const wni_disk_new *b, int64_t first, int64_t m,
                            float *out)
{
    wni_keyed *pairs = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, pairs, m);
    for (int64_t i = 0; i < m; i++)
        pairs[i] = (wni_keyed){(uint64_t)b->lists.order[first + i], i};
    WNI_TRY(wni_keyed_sort_long(ctx, pairs, m));
    WNI_TRY(wni_lists_fetch(ctx, b->b->rows, pairs, m, out, b->ld));
done:
    wni_free(ctx, pairs);
    return st;
}

wn_status wni_disk_close(wn_ctx *ctx, wni_disk_new *b)
{
    const wni_lists *lists = &b->lists;
    const int64_t cells = lists->n_cells, around = wni_min(AROUND, cells);
    const int64_t left = wni_budget_left(ctx) / 4 / (int64_t)sizeof(float);
    const int64_t chunk =
        wni_min(b->n, wni_max(wni_min(left, BATCH_FLOATS) / (b->ld + 3 * b->p->copies + 8), GRAIN));
    close_job j = {.b = b};
    int64_t *near = NULL, cell = 0, ready = -1;
    float *half = NULL, *score = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, j.scores, wn_ctx_threads(ctx) * WNI_NEAR_SCORES);
    WNI_NEW(ctx, near, around);
    WNI_NEW(ctx, score, around);
    WNI_NEW(ctx, half, cells);
    WNI_TRY(wni_mat_half_norms(ctx, &lists->cells, half));
    WNI_TRY(wni_mat_new(ctx, chunk, b->d, &j.rows));
    WNI_NEW(ctx, j.at, chunk * b->p->copies);
    WNI_NEW(ctx, j.dist2, chunk * b->p->copies);
    for (int64_t first = 0; first < b->n; first += chunk) {
        const int64_t end = wni_min(first + chunk, b->n);

        wni_progress(ctx, "copy rows between centres", first, b->n);
        WNI_TRY(read_chunk(ctx, b, first, end - first, j.rows.v));
        for (int64_t at = first, stop; at < end; at = stop) {
            while (lists->start[lists->cell_list[cell + 1]] <= at)
                cell++;
            if (ready != cell) {
                wni_near_centers(b->kernels, &lists->cells, half, wni_mat_row(&lists->cells, cell),
                                 1, around, near, score, j.scores);
                WNI_TRY(gather_near(ctx, &j, near, around));
                ready = cell;
            }
            stop = wni_min(end, lists->start[lists->cell_list[cell + 1]]);
            j.first = at - first;
            WNI_TRY(wni_parallel(ctx, stop - at, GRAIN, close_range, &j));
        }
        WNI_TRY(hand_over(b, &j, lists->order + first, end - first));
    }
done:
    wni_mat_free(ctx, &j.rows);
    wni_mat_free(ctx, &j.near);
    wni_free(ctx, j.half);
    wni_free(ctx, j.node);
    wni_free(ctx, j.at);
    wni_free(ctx, j.dist2);
    wni_free(ctx, j.scores);
    wni_free(ctx, near);
    wni_free(ctx, score);
    wni_free(ctx, half);
    return st;
}
