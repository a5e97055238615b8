/* SPDX-License-Identifier: Apache-2.0
 *
 * The update: exact sums in 64-bit fixed point, so that adding a row, taking it away again and the order
 * of both never matter; new centres; and the repair of empty clusters.
 */
#include <math.h>
#include <string.h>

#include "cluster/kmeans_impl.h"
#include "pool/pool_use.h"

#define SLICE    ((int64_t)64)      /* columns that one range adds up when clusters are few */
#define CLUSTERS 16                 /* a thread, from which they are not */
#define RANGES   4                  /* a thread */
#define BATCH    ((int64_t)1 << 21) /* numbers of rows not copied: the last cache holds them */
#define LIST     256                /* changes of a part at a time */

/* ---- rows in and out of the sums ----------------------------------------------------------------- */

struct apply {
    wni_km *km;
    const wni_km_change *change;
    const float *rows;            /* all of the pool, where they lie; NULL = see km->moved_at */
    int64_t n;                    /* changes */
    int64_t slice, slices, parts; /* columns of a range; parts a power of two */
};

/* Where the rows lie, or else copies of them. */
static wn_status gather_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct apply *a = arg;
    wni_km *km = a->km;
    int64_t rows[64], ld = km->rows.ld;
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t p = begin; p < end; p += 64) {
        int64_t m = wni_min(64, end - p);

        for (int64_t i = 0; i < m; i++)
            rows[i] = a->change[p + i].row;
        WNI_TRY(wni_pool_take_each(ctx, km->rows.pool, rows, m, km->moved + p * ld, ld,
                                   km->moved_at + p));
    }
done:
    return st;
}

static const float *row_of(const struct apply *a, int64_t p)
{
    return a->rows ? a->rows + a->change[p].row * a->km->rows.ld : a->km->moved_at[p];
}

/* Takes the listed changes out of the sums or into them, as far as the clusters are of this part. */
static void sum_some(const struct apply *a, const int32_t *list, int64_t n, int64_t part,
                     int64_t first, int64_t width)
{
    wni_km *km = a->km;
    const int64_t mask = a->parts - 1, ld = km->rows.ld;

    for (int64_t i = 0; i < n; i++) {
        const wni_km_change *c = &a->change[list[i]];
        const float *x = row_of(a, list[i]) + first;
        const double weight = wni_km_weight(&km->rows, c->row);

        if (i + WNI_KM_SOON < n) wni_km_expect(row_of(a, list[i + WNI_KM_SOON]) + first, width);
        if (c->from >= 0 && (c->from & mask) == part)
            km->rows.kern->fixsum(km->acc + c->from * ld + first, x, km->scale + first, weight, -1,
                                  width);
        if ((c->to & mask) == part)
            km->rows.kern->fixsum(km->acc + c->to * ld + first, x, km->scale + first, weight, 1,
                                  width);
    }
}

/* A range owns the clusters of one residue and one slice of columns: no two ranges write one number, and
 * since the sums are exact, how many parts there are does not matter. */
static wn_status sum_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct apply *a = arg;
    const int64_t mask = a->parts - 1;
    int32_t list[LIST];

    (void)ctx;
    (void)worker;
    for (int64_t r = begin; r < end; r++) {
        const int64_t first = r % a->slices * a->slice, part = r / a->slices;
        const int64_t width = wni_min(a->slice, a->km->rows.ld - first);
        int64_t n = 0;

        for (int64_t p = 0; p < a->n; p++) {
            const wni_km_change *c = &a->change[p];

            list[n] = (int32_t)p;
            n += (c->to & mask) == part || (c->from >= 0 && (c->from & mask) == part);
            if (n < LIST && p + 1 < a->n) continue;
            sum_some(a, list, n, part, first, width);
            n = 0;
        }
    }
    return WN_OK;
}

/* How the sums are cut: whole rows where there are clusters enough for all threads. */
static void cut(struct apply *a)
{
    const int64_t ld = a->km->rows.ld, threads = wn_ctx_threads(a->km->ctx);

    a->slice = a->km->k >= CLUSTERS * threads ? ld : SLICE;
    a->slices = (ld + a->slice - 1) / a->slice;
    for (a->parts = 1; a->parts * a->slices < RANGES * threads;)
        a->parts *= 2;
}

wn_status wni_km_apply(wni_km *km, const wni_km_change *change, int64_t n)
{
    struct apply a = {.km = km};
    int64_t batch = km->moved_rows;
    wn_status st = WN_OK;

    for (int64_t p = 0; p < n; p++) {
        int64_t w = llrint(wni_km_weight(&km->rows, change[p].row) * km->mass_scale);

        km->mass[change[p].to] += w;
        km->sizes[change[p].to]++;
        if (change[p].from >= 0) {
            km->mass[change[p].from] -= w;
            km->sizes[change[p].from]--;
        }
    }
    if (!km->track) return WN_OK;
    cut(&a);
    a.rows = wni_pool_rows_in_place(km->rows.pool, 0, km->rows.n);
    if (a.rows) batch = wni_max(batch, BATCH / km->rows.ld);
    for (int64_t p = 0; p < n; p += batch) {
        a.change = change + p;
        a.n = wni_min(batch, n - p);
        if (!a.rows) WNI_TRY(wni_parallel(km->ctx, a.n, 256, gather_range, &a));
        WNI_TRY(wni_parallel(km->ctx, a.slices * a.parts, 1, sum_range, &a));
    }
done:
    return st;
}

wn_status wni_km_apply_ranges(wni_km *km, int64_t n, int64_t range, int64_t *changed)
{
    int64_t changes = 0;

    for (int64_t p = 0; p < n; p += range) {
        memmove(km->change + changes, km->change + p,
                (size_t)km->count[p / range] * sizeof *km->change);
        changes += km->count[p / range];
    }
    *changed += changes;
    return wni_km_apply(km, km->change, changes);
}

/* ---- new centres ------------------------------------------------------------------------------------ */

struct update {
    wni_km *km;
    wni_mat next;
};

/* The mean (or mean direction) of one cluster into `out`; returns what it takes off the sum of squares. A
 * cluster without weight, or whose directions cancel, keeps its centre. */
static double mean_of(const wni_km *km, int32_t c, float *out)
{
    const int64_t *acc = km->acc + c * km->rows.ld;
    double mass = (double)km->mass[c] / km->mass_scale, norm2 = 0, norm;

    memcpy(out, wni_mat_row(&km->centers, c), (size_t)km->rows.ld * sizeof *out);
    if (km->mass[c] <= 0) return 0;
    for (int64_t j = 0; j < km->rows.d; j++) {
        double sum = (double)acc[j] / km->scale[j];
        norm2 += sum * sum;
    }
    norm = km->l2 ? mass : sqrt(norm2);
    if (norm > 0)
        for (int64_t j = 0; j < km->rows.d; j++)
            out[j] = (float)((double)acc[j] / km->scale[j] / norm);
    return km->l2 ? norm2 / mass : 2 * norm;
}

static wn_status mean_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    struct update *u = arg;

    (void)ctx;
    (void)worker;
    for (int64_t c = begin; c < end; c++)
        u->km->gain[c] = mean_of(u->km, (int32_t)c, wni_mat_row(&u->next, c));
    return WN_OK;
}

static wn_status move_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    struct update *u = arg;
    wni_km *km = u->km;

    (void)ctx;
    (void)worker;
    for (int64_t c = begin; c < end; c++) {
        float *old = wni_mat_row(&km->centers, c);
        const float *new = wni_mat_row(&u->next, c);
        double sum = 0;

        for (int64_t j = 0; j < km->rows.ld; j++) {
            double diff = (double)new[j] - old[j];
            sum += diff * diff;
        }
        km->move[c] = wni_km_up(sqrt(sum) * (1 + 1e-10));
        memcpy(old, new, (size_t)km->rows.ld * sizeof *old);
    }
    return WN_OK;
}

static int64_t grain_of(const wni_km *km)
{
    return wni_max(1, ((int64_t)1 << 14) / km->rows.ld);
}

static wn_status take_over(wni_km *km, struct update *u)
{
    wn_status st = WN_OK;

    WNI_TRY(wni_parallel(km->ctx, km->k, grain_of(km), move_range, u));
    WNI_TRY(wni_km_centers_changed(km));
done:
    return st;
}

wn_status wni_km_move_to(wni_km *km, const wni_mat *next)
{
    struct update u = {km, *next};

    return take_over(km, &u);
}

wn_status wni_km_update(wni_km *km, double *inertia)
{
    struct update u = {.km = km};
    wn_status st = WN_OK;
    double total;

    WNI_TRY(wni_mat_new(km->ctx, km->k, km->rows.d, &u.next));
    WNI_TRY(wni_parallel(km->ctx, km->k, grain_of(km), mean_range, &u));
    total = km->sum_norm2 + (km->l2 ? 0 : km->sum_weight);
    for (int32_t c = 0; c < km->k; c++)
        total -= km->gain[c];
    *inertia = total > 0 ? total : 0;
    WNI_TRY(take_over(km, &u));
done:
    wni_mat_free(km->ctx, &u.next);
    return st;
}

/* ---- empty clusters --------------------------------------------------------------------------------- */

struct far {
    float l2sq;
    int64_t row;
};

/* a comes before b: farther, or as far with a smaller row. */
static bool farther(struct far a, struct far b)
{
    return a.l2sq > b.l2sq || (a.l2sq == b.l2sq && a.row < b.row);
}

/* Keeps the `room` farthest in a heap whose root is the least far. */
static void far_push(struct far *heap, int64_t *n, int64_t room, struct far f)
{
    int64_t i;

    if (*n < room) {
        i = (*n)++;
        while (i > 0 && farther(heap[(i - 1) / 2], f)) {
            heap[i] = heap[(i - 1) / 2];
            i = (i - 1) / 2;
        }
        heap[i] = f;
        return;
    }
    if (!farther(f, heap[0])) return;
    for (i = 0;;) {
        int64_t child = 2 * i + 1;

        if (child >= *n) break;
        if (child + 1 < *n && farther(heap[child], heap[child + 1])) child++;
        if (!farther(f, heap[child])) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = f;
}

/* Takes the least far out of the heap. */
static struct far far_pop(struct far *heap, int64_t *n)
{
    struct far least = heap[0], last = heap[--*n];
    int64_t i = 0;

    for (;;) {
        int64_t child = 2 * i + 1;

        if (child >= *n) break;
        if (child + 1 < *n && farther(heap[child], heap[child + 1])) child++;
        if (!farther(last, heap[child])) break;
        heap[i] = heap[child];
        i = child;
    }
    heap[i] = last;
    return least;
}

/* Distances of a chunk into km->score; a row at its centre (to two units of its last place) and a row
 * without weight count as 0: moving them would gain nothing. */
struct reach {
    wni_km *km;
    int64_t first;
};

static wn_status reach_tile(const wni_km_rows *rows, void *arg, int worker, int64_t p, int64_t m,
                            const float *x)
{
    const struct reach *r = arg;
    wni_km *km = r->km;

    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        const float *row = x + i * rows->ld;
        int64_t number = r->first + p + i;
        float v = rows->kern->l2sq(row, wni_mat_row(&km->centers, km->labels[number]), rows->ld);

        if (v <= 0x1p-44f * rows->kern->dot(row, row, rows->ld) || wni_km_weight(rows, number) <= 0)
            v = 0;
        km->score[p + i] = v;
    }
    return WN_OK;
}

wn_status wni_km_repair(wni_km *km, int64_t *repaired)
{
    struct far *heap = NULL;
    wni_km_change *change = NULL;
    int64_t empty = 0, room, n = 0, moves = 0, at = 0;
    int32_t target = 0;
    wn_status st = WN_OK;

    *repaired = 0;
    for (int32_t c = 0; c < km->k; c++)
        empty += km->sizes[c] == 0;
    if (empty == 0) return WN_OK;

    /* At most one row of every cluster can be refused for being its last. */
    room = wni_min(km->rows.n, empty + km->k);
    WNI_NEW(km->ctx, heap, room);
    WNI_NEW(km->ctx, change, empty);
    for (int64_t first = 0; first < km->rows.n; first += WNI_KM_CHUNK) {
        int64_t m = wni_min(WNI_KM_CHUNK, km->rows.n - first);
        struct reach r = {km, first};

        WNI_TRY(wni_km_visit(&km->rows, NULL, first, m, reach_tile, &r));
        for (int64_t p = 0; p < m; p++)
            if (km->score[p] > 0) far_push(heap, &n, room, (struct far){km->score[p], first + p});
    }
    /* Popping gives the least far first: from the end of the array it sorts itself. */
    for (int64_t left = n; left > 0;) {
        struct far least = far_pop(heap, &left);
        heap[left] = least;
    }
    for (at = 0; at < n && moves < empty; at++) {
        int64_t row = heap[at].row;
        int32_t from = km->labels[row];

        if (km->sizes[from] < 2) continue;
        while (km->sizes[target] != 0)
            target++;
        change[moves] = (wni_km_change){row, from, target};
        km->labels[row] = target;
        if (km->opt.bounds) wni_km_play_forget(km, row);
        WNI_TRY(wni_km_apply(km, &change[moves++], 1));
    }
    *repaired = moves;
    km->empty_repaired += moves;
done:
    wni_free(km->ctx, change);
    wni_free(km->ctx, heap);
    return st;
}
