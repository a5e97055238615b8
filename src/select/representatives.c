/* SPDX-License-Identifier: Apache-2.0
 *
 * Representatives under insertions and deletions: the table of similarities, and one chain of picks for each
 * guess of the optimum (rep_levels.h). banihashem2023, banihashem2024.
 */
#include <string.h>

#include "base/param.h"
#include "base/rng.h"
#include "kernels/kernels.h"
#include "scan/scan.h"
#include "select/rep_levels.h"
#include "select/representatives.h"

extern const wn_method wni_method_select_submodular_dynamic;

#define SLACK        3 /* guesses outside the range that are not dropped yet */
#define ROWS_AT_ONCE 64

/* ---- making it -------------------------------------------------------------------------------------- */

/* Whole numbers 1, 2, ... that grow by at most 1 + epsilon a step, up to the largest possible tau. */
static wn_status make_guesses(wn_representatives *r)
{
    double most = (double)wni_rep_unit(r) * (double)r->witness.n, t = 1;
    int32_t n = 1;
    wn_status st = WN_OK;

    for (double x = 1; x < most; n++)
        x = wni_rep_next(x, r->p.epsilon);
    WNI_NEW(r->ctx, r->tau, n);
    WNI_NEW0(r->ctx, r->at, n);
    WNI_NEW0(r->ctx, r->chain, n);
    WNI_NEW(r->ctx, r->active, n);
    for (int32_t i = 0; i < n; i++, t = wni_rep_next(t, r->p.epsilon))
        r->tau[i] = (uint32_t)t;
    r->guesses = n;
    r->high = -1;
done:
    return st;
}

double wni_rep_next(double tau, double epsilon)
{
    int64_t next = (int64_t)(tau * (1 + epsilon)); /* rounded down: never further than asked */

    return (double)wni_max(next, (int64_t)tau + 1);
}

/* The largest guess with tau <= value; 0 when there is none. */
static int32_t guess_of(const wn_representatives *r, double value)
{
    int32_t low = 0, high = r->guesses - 1;

    while (low < high) {
        int32_t middle = low + (high - low + 1) / 2;
        if ((double)r->tau[middle] <= value)
            low = middle;
        else
            high = middle - 1;
    }
    return low;
}

static wn_status gather_witnesses(wn_representatives *r, const wn_pool *from)
{
    int64_t n = wn_pool_rows(from), m = wni_min(r->p.witnesses, n), *rows = NULL;
    const wni_kernels *kern = wni_kernels_of(r->ctx);
    double sum = 0;
    wn_status st = WN_OK;

    WNI_NEW(r->ctx, rows, m);
    WNI_TRY(wni_rand_subset(r->ctx, r->p.seed, wni_stream("witnesses", 0, 0), n, m, rows));
    WNI_TRY(wni_mat_gather(r->ctx, from, rows, m, &r->witness));
    for (int64_t i = 0; i + 1 < m; i++)
        sum +=
            kern->l2sq(wni_mat_row(&r->witness, i), wni_mat_row(&r->witness, i + 1), r->witness.ld);
    r->scale = sum > 0 ? sum / (double)(m - 1) : 1;
done:
    wni_free(r->ctx, rows);
    return st;
}

static wn_status grow_rows(wn_representatives *r, int64_t room)
{
    wni_rep_table *t = &r->table;
    wn_ctx *ctx = r->ctx;
    void *grown;

    if (room > INT32_MAX)
        return wni_fail(ctx, WN_E_DATA, "representatives: %lld live rows, expected at most %d",
                        (long long)room, INT32_MAX);
#define GROW(field, width)                                                                \
    do {                                                                                  \
        grown = wni_grow(ctx, field, t->room * (width), room * (width), sizeof *(field)); \
        if (!grown) return WN_E_NOMEM;                                                    \
        (field) = grown;                                                                  \
    } while (0)
    GROW(t->like, t->ld);
    GROW(t->single, 1);
    GROW(r->row, 1);
    GROW(r->free_slot, 1);
#undef GROW
    t->room = room;
    return WN_OK;
}

wn_status wn_representatives_new(wn_ctx *ctx, const wn_pool *pool, const wn_pool *target,
                                 const wn_select_submodular_dynamic_params *params, int64_t room,
                                 wn_representatives **out)
{
    const wn_pool *from = target ? target : pool;
    int64_t n = wn_pool_rows(pool);
    wn_representatives *r = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    if (wn_pool_rows(from) == 0)
        return wni_fail(ctx, WN_E_DATA, "representatives: the %s has no rows, expected at least 1",
                        target ? "target" : "pool");
    if (wn_pool_dim(from) != wn_pool_dim(pool))
        return wni_fail(ctx, WN_E_DATA,
                        "representatives: the target has rows of %lld columns, the pool of %lld",
                        (long long)wn_pool_dim(from), (long long)wn_pool_dim(pool));
    WNI_NEW0(ctx, r, 1);
    r->ctx = ctx;
    r->pool = pool;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_submodular_dynamic, params, &r->p));
    r->p.size = wni_min(r->p.size, n);
    WNI_TRY(wn_pool_check(ctx, pool, 1, NULL));
    WNI_TRY(wn_pool_check(ctx, from, 1, NULL));
    WNI_TRY(gather_witnesses(r, from));
    r->table.witnesses = r->witness.n;
    r->table.ld = wni_round_up(r->witness.n, 32);
    WNI_TRY(make_guesses(r));
    WNI_NEW(ctx, r->slot, n);
    for (int64_t i = 0; i < n; i++)
        r->slot[i] = -1;
    WNI_TRY(grow_rows(r, wni_max(room, 1)));
    *out = r;
    return WN_OK;
done:
    wn_representatives_free(r);
    return st;
}

void wn_representatives_free(wn_representatives *r)
{
    if (!r) return;
    for (int32_t i = 0; i < r->guesses; i++)
        wni_rep_chain_free(r->ctx, r->chain[i]);
    wni_mat_free(r->ctx, &r->witness);
    wni_free(r->ctx, r->table.like);
    wni_free(r->ctx, r->table.single);
    wni_free(r->ctx, r->slot);
    wni_free(r->ctx, r->row);
    wni_free(r->ctx, r->free_slot);
    wni_free(r->ctx, r->incoming);
    wni_free(r->ctx, r->tau);
    wni_free(r->ctx, r->at);
    wni_free(r->ctx, r->chain);
    wni_free(r->ctx, r->active);
    wni_free(r->ctx, r);
}

int64_t wn_representatives_live(const wn_representatives *r)
{
    return r->live;
}

int wni_representatives_is_live(const wn_representatives *r, int64_t row)
{
    return r->slot[row] >= 0;
}

/* ---- similarities ----------------------------------------------------------------------------------- */

/* Row vectors and their scores for one worker. */
static int64_t scratch_floats(const wn_representatives *r)
{
    return ROWS_AT_ONCE * (r->witness.ld + wni_round_up(r->witness.n, 16));
}

typedef struct likening {
    wn_representatives *r;
    float *scratch; /* (threads, scratch_floats) */
} likening;

static uint16_t likeness(const wn_representatives *r, float score)
{
    double like;

    if (wn_pool_metric(r->pool) == WN_COSINE)
        like = score > 0 ? wni_min((int64_t)(score * 65535.0 + 0.5), 65535) / 65535.0 : 0;
    else
        like = 1 / (1 + score / r->scale);
    if (r->p.objective == WN_COVER_COUNT) return like >= r->p.min_similarity;
    return (uint16_t)(like * 65535 + 0.5);
}

static wn_status liken_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    likening *l = arg;
    wn_representatives *r = l->r;
    const wni_kernels *kern = wni_kernels_of(ctx);
    int64_t lds = wni_round_up(r->witness.n, 16), ld = r->witness.ld, n = end - begin;
    float *x = l->scratch + worker * scratch_floats(r), *scores = x + ROWS_AT_ONCE * ld;
    int64_t rows[ROWS_AT_ONCE];
    wn_status st;

    for (int64_t i = 0; i < n; i++)
        rows[i] = r->row[r->incoming[begin + i]];
    if ((st = wn_pool_gather(ctx, r->pool, rows, n, x, ld)) != WN_OK) return st;
    if (wn_pool_metric(r->pool) == WN_COSINE)
        kern->dots(x, n, r->witness.v, r->witness.n, ld, scores, lds);
    else
        for (int64_t i = 0; i < n; i++)
            for (int64_t w = 0; w < r->witness.n; w++)
                scores[i * lds + w] = kern->l2sq(x + i * ld, wni_mat_row(&r->witness, w), ld);
    for (int64_t i = 0; i < n; i++) {
        int32_t slot = r->incoming[begin + i];
        uint16_t *like = r->table.like + slot * r->table.ld;
        uint32_t sum = 0;
        memset(like, 0, (size_t)r->table.ld * sizeof *like);
        for (int64_t w = 0; w < r->witness.n; w++)
            sum += like[w] = likeness(r, scores[i * lds + w]);
        r->table.single[slot] = sum;
    }
    return WN_OK;
}

static wn_status liken(wn_representatives *r)
{
    likening l = {.r = r};
    wn_status st;

    WNI_NEW(r->ctx, l.scratch, wn_ctx_threads(r->ctx) * scratch_floats(r));
    st = wni_parallel(r->ctx, r->n_incoming, ROWS_AT_ONCE, liken_range, &l);
done:
    wni_free(r->ctx, l.scratch);
    return st;
}

/* ---- the range of guesses ------------------------------------------------------------------------------ */

/* The best single row tells between which values the optimum lies; tau is the optimum / (2 size). */
static void find_range(wn_representatives *r)
{
    double total = (double)wni_rep_unit(r) * (double)r->witness.n, twice = 2.0 * (double)r->p.size;
    double least, most;
    int32_t top = r->guesses - 1;

    while (top >= 0 && r->at[top] == 0)
        top--;
    r->low = 0;
    r->high = -1;
    if (top < 0) return; /* no row is like any witness */
    least = r->tau[top];
    most = top + 1 < r->guesses ? r->tau[top + 1] : total;
    most *= (double)r->p.size;
    r->low = guess_of(r, least / twice);
    r->high = guess_of(r, (most < total ? most : total) / twice);
}

static wn_status open_guess(wn_representatives *r, int32_t guess)
{
    wni_rep_chain *c;
    int32_t *slots = NULL;
    int64_t n = 0;
    wn_status st;

    WNI_TRY(wni_rep_chain_new(r->ctx, &r->table, r->tau[guess], guess, (int32_t)r->p.size,
                              r->p.seed, &c));
    r->chain[guess] = c;
    WNI_NEW(r->ctx, slots, r->live);
    for (int32_t s = 0; s < r->places; s++)
        if (r->row[s] >= 0) slots[n++] = s;
    st = wni_rep_chain_insert(r->ctx, &r->table, c, slots, n, 1);
done:
    wni_free(r->ctx, slots);
    return st;
}

static wn_status open_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wn_representatives *r = arg;
    wn_status st = WN_OK;

    (void)ctx;
    (void)worker;
    for (int64_t g = r->low + begin; g < r->low + end; g++)
        if (!r->chain[g]) WNI_TRY(open_guess(r, (int32_t)g));
done:
    return st;
}

/* Chains for all guesses that are needed; those far outside go. */
static wn_status move_range(wn_representatives *r)
{
    int missing = 0;
    wn_status st = WN_OK;

    find_range(r);
    for (int32_t g = 0; g < r->guesses; g++) {
        if (g >= r->low - SLACK && g <= r->high + SLACK) {
            missing |= g >= r->low && g <= r->high && !r->chain[g];
            continue;
        }
        wni_rep_chain_free(r->ctx, r->chain[g]);
        r->chain[g] = NULL;
    }
    if (missing) st = wni_parallel(r->ctx, r->high - r->low + 1, 1, open_range, r);
    r->n_active = 0;
    for (int32_t g = 0; g < r->guesses; g++)
        if (r->chain[g]) r->active[r->n_active++] = g;
    return st;
}

/* ---- changes ------------------------------------------------------------------------------------------- */

/* One after the other a row costs about picks x log(picks) gains, all anew log(picks) each live row. */
static wn_status insert_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wn_representatives *r = arg;
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        wni_rep_chain *c = r->chain[r->active[i]];
        int afresh = r->live <= r->n_incoming * wni_max(c->picks / 2, 2);
        WNI_TRY(wni_rep_chain_insert(ctx, &r->table, c, r->incoming, r->n_incoming, afresh));
    }
done:
    return st;
}

static wn_status delete_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    wn_representatives *r = arg;
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t i = begin; i < end; i++)
        WNI_TRY(wni_rep_chain_delete(ctx, &r->table, r->chain[r->active[i]], r->incoming,
                                     r->n_incoming));
done:
    return st;
}

wn_status wni_rep_usable(wn_representatives *r)
{
    if (!r->broken) return WN_OK;
    return wni_fail(r->ctx, WN_E_USAGE,
                    "representatives: an update failed before: free them and make new ones");
}

/* Every row of the update is of the pool, and live or not as it should be; each once. On success the rows are
 * marked: slot -2 - the entry that wants it, or for deletion its slot taken note of in incoming. */
static wn_status check_rows(wn_representatives *r, const int64_t *rows, int64_t n, int deletes)
{
    int64_t pool_rows = wn_pool_rows(r->pool), i;
    const char *wrong = NULL;

    for (i = 0; i < n && !wrong; i++) {
        if (rows[i] < 0 || rows[i] >= pool_rows)
            wrong = "is not of the pool";
        else if (deletes && r->slot[rows[i]] < 0)
            wrong = "is deleted, but it is not there";
        else if (!deletes && r->slot[rows[i]] != -1)
            wrong = "is inserted, but it is there already";
        else if (deletes)
            r->slot[rows[i]] = -2 - r->slot[rows[i]];
        else
            r->slot[rows[i]] = -2;
    }
    if (!wrong && !deletes) return WN_OK;
    for (int64_t j = 0; j < i - (wrong != NULL); j++) /* unmarked again */
        r->slot[rows[j]] = deletes ? -2 - r->slot[rows[j]] : -1;
    if (!wrong) return WN_OK;
    return wni_fail(r->ctx, WN_E_DATA, "representatives: row %lld %s (the pool has %lld rows)",
                    (long long)rows[i - 1], wrong, (long long)pool_rows);
}

static wn_status set_incoming(wn_representatives *r, int64_t n)
{
    wni_free(r->ctx, r->incoming);
    r->incoming = wni_alloc(r->ctx, n, sizeof *r->incoming);
    r->n_incoming = n;
    return r->incoming ? WN_OK : WN_E_NOMEM;
}

wn_status wn_representatives_insert(wn_representatives *r, const int64_t *rows, int64_t n)
{
    wn_status st = wni_rep_usable(r);

    if (st != WN_OK || n <= 0) return st;
    if ((st = check_rows(r, rows, n, 0)) != WN_OK) return st;
    r->broken = 1;
    WNI_TRY(set_incoming(r, n));
    if (r->live + n > r->table.room) WNI_TRY(grow_rows(r, wni_max(r->live + n, 2 * r->table.room)));
    for (int64_t i = 0; i < n; i++) {
        int32_t slot = r->n_free ? r->free_slot[--r->n_free] : (int32_t)r->places++;
        r->slot[rows[i]] = slot;
        r->row[slot] = rows[i];
        r->incoming[i] = slot;
    }
    r->live += n;
    WNI_TRY(liken(r));
    for (int64_t i = 0; i < n; i++) {
        uint32_t single = r->table.single[r->incoming[i]];
        if (single) r->at[guess_of(r, single)]++;
    }
    WNI_TRY(wni_parallel(r->ctx, r->n_active, 1, insert_range, r));
    WNI_TRY(move_range(r));
    r->broken = 0;
done:
    return st;
}

wn_status wn_representatives_delete(wn_representatives *r, const int64_t *rows, int64_t n)
{
    wn_status st = wni_rep_usable(r);

    if (st != WN_OK || n <= 0) return st;
    if ((st = check_rows(r, rows, n, 1)) != WN_OK) return st;
    r->broken = 1;
    WNI_TRY(set_incoming(r, n));
    for (int64_t i = 0; i < n; i++) {
        int32_t slot = r->slot[rows[i]];
        uint32_t single = r->table.single[slot];
        r->incoming[i] = slot;
        if (single) r->at[guess_of(r, single)]--;
        r->slot[rows[i]] = -1;
        r->row[slot] = -1;
        r->free_slot[r->n_free++] = slot;
    }
    r->live -= n;
    WNI_TRY(wni_parallel(r->ctx, r->n_active, 1, delete_range, r));
    WNI_TRY(move_range(r));
    r->broken = 0;
done:
    return st;
}

/* ---- memory ---------------------------------------------------------------------------------------------- */

int64_t wni_representatives_bytes(const wn_ctx *ctx, const wn_pool *pool,
                                  const wn_select_submodular_dynamic_params *p, int64_t live)
{
    int64_t n = wn_pool_rows(pool), d = wn_pool_dim(pool), w = wni_round_up(p->witnesses, 32);
    int64_t k = wni_min(p->size, n), chains = 2 * SLACK + 2, guesses = 1;
    double most = 65535.0 * (double)p->witnesses;

    for (double span = (double)k; span > 1 && chains < 4096; chains++)
        span /= 1 + p->epsilon;
    for (double x = 1; x < most; guesses++)
        x = wni_rep_next(x, p->epsilon);
    chains = wni_min(chains, guesses);
    return n * 4 + p->witnesses * (wni_ld(d) * 4 + 8) + guesses * 32 + live * (w * 2 + 32) +
           wn_ctx_threads(ctx) * (ROWS_AT_ONCE * (wni_ld(d) + w) * 4 + live * 4) +
           chains * (live * 12 + (k + 2) * (w * 3 + 24) + 4096);
}
