/* SPDX-License-Identifier: Apache-2.0
 *
 * First centres: k-means++ (Arthur and Vassilvitskii 2007) in batches, by rejection as in Cohen-Addad et al. (2020),
 * k-means|| (Bahmani et al. 2012), random rows.
 *
 * Sampling by squared distance is one prefix search over block sums whose bounds depend on n and d alone,
 * so the picks are the same at any number of threads.
 */
#include <math.h>
#include <string.h>

#include "base/rng.h"
#include "cluster/kmeans_impl.h"

#define ROUNDS     5    /* of k-means|| */
#define OVERSAMPLE 0.5  /* candidates per centre and round; see the page for why not 2 */
#define BATCH      2048 /* picks of k-means++ between two passes over the rows, at most */
#define POLL_ROWS  65536

int32_t wni_km_init_of(int32_t init, int64_t k)
{
    if (init != WN_INIT_AUTO) return init;
    return k < 1000 ? WN_INIT_PP : WN_INIT_PARALLEL;
}

int64_t wni_km_candidates(int64_t n, int64_t k)
{
    /* The expected number and six standard deviations. */
    double mean = (double)ROUNDS * OVERSAMPLE * (double)k;

    return wni_min(n, (int64_t)(mean + 6 * sqrt(mean)) + 16);
}

/* The rows while centres are being picked. */
struct seed {
    const wni_km_rows *rows;
    float *l2sq;   /* (n) to the nearest pick so far; 1 before the first */
    int32_t *near; /* (n) number of that pick, -1 before the first */
    double *mass;  /* (blocks) sum of weight x l2sq, rows in order */

    /* the pick (or picks) being taken in */
    const wni_mat *picks;
    int64_t from;      /* number of the first of them */
    const int32_t *at; /* winners of a scan, from row first_row */
    int64_t first_row;
    double threshold; /* k-means||: picks per unit of mass */
    uint64_t seed, stream;
    int64_t *count; /* (blocks) */
    int64_t *out;
};

static void seed_free(struct seed *s)
{
    wn_ctx *ctx = s->rows->ctx;

    wni_free(ctx, s->l2sq);
    wni_free(ctx, s->near);
    wni_free(ctx, s->mass);
}

static double block_mass(const struct seed *s, int64_t begin, int64_t end)
{
    double sum = 0;

    for (int64_t row = begin; row < end; row++)
        sum += wni_km_weight(s->rows, row) * s->l2sq[row];
    return sum;
}

static wn_status mass_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    struct seed *s = arg;

    (void)ctx;
    (void)worker;
    s->mass[begin / s->rows->block] = block_mass(s, begin, end);
    return WN_OK;
}

static wn_status seed_init(struct seed *s, const wni_km_rows *rows)
{
    wn_ctx *ctx = rows->ctx;
    wn_status st = WN_OK;

    *s = (struct seed){.rows = rows};
    WNI_NEW(ctx, s->l2sq, rows->n);
    WNI_NEW(ctx, s->near, rows->n);
    WNI_NEW(ctx, s->mass, rows->blocks);
    for (int64_t row = 0; row < rows->n; row++) {
        s->l2sq[row] = 1;
        s->near[row] = -1;
    }
    WNI_TRY(wni_parallel(ctx, rows->n, rows->block, mass_range, s));
done:
    return st; /* the caller frees what there is */
}

static double total_mass(const struct seed *s)
{
    double sum = 0;

    for (int64_t b = 0; b < s->rows->blocks; b++)
        sum += s->mass[b];
    return sum;
}

/* A row with probability proportional to weight x l2sq; any row when nothing has mass. */
static int64_t pick(const struct seed *s, uint64_t seed, uint64_t stream, int64_t index)
{
    const wni_km_rows *rows = s->rows;
    double total = total_mass(s), left;
    int64_t block = -1, row = -1;

    if (!(total > 0)) return wni_rand_below(seed, stream, (uint64_t)index, rows->n);
    left = wni_rand_unit(seed, stream, (uint64_t)index) * total;
    for (int64_t b = 0; b < rows->blocks; b++) {
        if (!(s->mass[b] > 0)) continue;
        block = b;
        if (left < s->mass[b]) break;
        left -= s->mass[b];
    }
    /* Rounding may leave a little past the end: the last row with mass takes it. */
    for (int64_t i = block * rows->block; i < wni_min(rows->n, (block + 1) * rows->block); i++) {
        double mass = wni_km_weight(rows, i) * s->l2sq[i];

        if (!(mass > 0)) continue;
        row = i;
        if (left < mass) break;
        left -= mass;
    }
    return row;
}

/* ---- taking picks in ---------------------------------------------------------------------------- */

static wn_status many_tile(const wni_km_rows *rows, void *arg, int worker, int64_t p, int64_t m,
                           const float *x)
{
    struct seed *s = arg;

    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        int64_t row = s->first_row + p + i;
        int64_t at = s->at[p + i];
        float v = rows->kern->l2sq(x + i * rows->ld, wni_mat_row(s->picks, at), rows->ld);

        if (s->near[row] >= 0 && v >= s->l2sq[row]) continue;
        s->l2sq[row] = v;
        s->near[row] = (int32_t)(s->from + at);
    }
    return WN_OK;
}

/* The scan finds the nearest of the new picks; its distance is then taken canonically, so that a row that
 * equals a pick has distance 0 and is never picked again. */
static wn_status take_many(struct seed *s, const wni_mat *picks, int64_t from)
{
    const wni_km_rows *rows = s->rows;
    wn_ctx *ctx = rows->ctx;
    int64_t chunk = wni_min(rows->n, WNI_KM_CHUNK);
    float *half = NULL, *score = NULL;
    int32_t *at = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, half, picks->n);
    WNI_NEW(ctx, at, chunk);
    WNI_NEW(ctx, score, chunk);
    WNI_TRY(wni_mat_half_norms(ctx, picks, half));
    s->picks = picks;
    s->from = from;
    s->at = at;
    for (int64_t first = 0; first < rows->n; first += chunk) {
        wni_queries queries = {rows->pool, NULL, first, wni_min(chunk, rows->n - first)};

        s->first_row = first;
        WNI_TRY(wni_scan_argmin(ctx, &queries, picks, half, at, score, NULL));
        WNI_TRY(wni_km_visit(rows, NULL, first, queries.n, many_tile, s));
    }
    WNI_TRY(wni_parallel(ctx, rows->n, rows->block, mass_range, s));
done:
    wni_free(ctx, half);
    wni_free(ctx, at);
    wni_free(ctx, score);
    return st;
}

/* ---- k-means++ ------------------------------------------------------------------------------------------ */

/* One more pick by rejection: a row drawn by its distance at the last pass is taken with the probability that
 * its distance now, to the `have` picks of this batch too, is of that one. So each pick has the distribution
 * that picking one by one has. `picks` has room for the row; *taken tells whether it is one. */
static wn_status propose(const struct seed *s, wni_mat *picks, int64_t have, uint64_t seed,
                         uint64_t stream, int64_t try, int64_t *row, bool *taken)
{
    const wni_km_rows *rows = s->rows;
    float *x = wni_mat_row(picks, have), now;
    wn_status st;

    *row = pick(s, seed, stream, 2 * try);
    WNI_TRY(wn_pool_gather(rows->ctx, rows->pool, row, 1, x, picks->ld));
    now = s->l2sq[*row];
    for (int64_t i = 0; i < have; i++)
        now = fminf(now, rows->kern->l2sq(wni_mat_row(picks, i), x, picks->ld));
    /* Without any mass left every row is as good as another. */
    *taken =
        have == 0 || !(total_mass(s) > 0) ||
        wni_rand_unit(seed, stream, (uint64_t)(2 * try + 1)) * (double)s->l2sq[*row] < (double)now;
done:
    return st;
}

/* Picks k rows of `rows` into out: as many in a batch as there are already, so that the rows are read about
 * log2 k times. A batch ends early when few proposals are taken: then the distances are stale. */
static wn_status plus_plus(const wni_km_rows *rows, int64_t k, uint64_t seed, uint64_t stream,
                           const char *stage, int64_t *out)
{
    wn_ctx *ctx = rows->ctx;
    struct seed s = {.rows = rows};
    wni_mat picks = {0};
    int64_t try = 0;
    wn_status st = WN_OK;

    WNI_TRY(seed_init(&s, rows));
    for (int64_t c = 0; c < k;) {
        int64_t want = wni_min(wni_min(wni_max(c, 1), BATCH), k - c), m = 0;

        if (stage) wni_progress(ctx, stage, c, k);
        WNI_TRY(wni_mat_new(ctx, want, rows->d, &picks));
        for (int64_t left = 2 * want + 8; left > 0 && m < want; left--) {
            bool taken;

            if (try % 64 == 0) WNI_TRY(wni_poll(ctx));
            WNI_TRY(propose(&s, &picks, m, seed, stream, try++, &out[c + m], &taken));
            m += taken;
        }
        picks.n = m;
        c += m;
        if (c < k) WNI_TRY(take_many(&s, &picks, c - m)); /* nobody asks for the last distances */
        wni_mat_free(ctx, &picks);
    }
done:
    seed_free(&s);
    wni_mat_free(ctx, &picks);
    return st;
}

/* ---- k distinct rows ----------------------------------------------------------------------------------- */

/* m rows, ascending, each subset equally likely; only rows with weight when there are enough of them. */
static wn_status random_rows(const wni_km_rows *rows, int64_t m, uint64_t seed, uint64_t stream,
                             int64_t *out)
{
    int64_t heavy = 0, left, taken = 0;
    bool any;
    wn_status st = WN_OK;

    for (int64_t row = 0; row < rows->n; row++)
        heavy += wni_km_weight(rows, row) > 0;
    any = heavy < m;
    left = any ? rows->n : heavy;
    for (int64_t row = 0; row < rows->n && taken < m; row++) {
        if (row % POLL_ROWS == POLL_ROWS - 1) WNI_TRY(wni_poll(rows->ctx));
        if (!any && !(wni_km_weight(rows, row) > 0)) continue;
        if (wni_rand_below(seed, stream, (uint64_t)row, left--) < m - taken) out[taken++] = row;
    }
done:
    return st;
}

/* ---- k-means|| ------------------------------------------------------------------------------------------- */

static wn_status draw_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    struct seed *s = arg;
    int64_t block = begin / s->rows->block, n = 0;

    (void)ctx;
    (void)worker;
    for (int64_t row = begin; row < end; row++) {
        double p = wni_km_weight(s->rows, row) * s->l2sq[row] * s->threshold;

        if (p > 0 && wni_rand_unit(s->seed, s->stream, (uint64_t)row) < p) {
            if (s->out) s->out[s->count[block] + n] = row;
            n++;
        }
    }
    if (!s->out) s->count[block] = n;
    return WN_OK;
}

/* Every row on its own with probability min(1, OVERSAMPLE k x its share of the mass): appended to
 * cand[*n..room), ascending. */
static wn_status draw(struct seed *s, double threshold, int64_t *cand, int64_t *n, int64_t room)
{
    const wni_km_rows *rows = s->rows;
    int64_t total = 0;
    wn_status st = WN_OK;

    s->threshold = threshold;
    s->out = NULL;
    WNI_NEW(rows->ctx, s->count, rows->blocks);
    WNI_TRY(wni_parallel(rows->ctx, rows->n, rows->block, draw_range, s));
    for (int64_t b = 0; b < rows->blocks; b++) {
        int64_t count = s->count[b];
        s->count[b] = total;
        total += count;
    }
    if (total <= room - *n) { /* else: one in many millions; the candidates there are will do */
        s->out = cand + *n;
        WNI_TRY(wni_parallel(rows->ctx, rows->n, rows->block, draw_range, s));
        *n += total;
    }
done:
    wni_free(rows->ctx, s->count);
    s->count = NULL;
    return st;
}

/* Fills out[have..k) with rows that are not among the `have` candidates (which `used` marks), by chance. */
static wn_status top_up(const wni_km_rows *rows, int64_t have, int64_t k, uint64_t seed,
                        uint64_t stream, const unsigned char *used, int64_t *out)
{
    int64_t left = rows->n - have;
    wn_status st = WN_OK;

    for (int64_t row = 0; row < rows->n && have < k; row++) {
        if (row % POLL_ROWS == POLL_ROWS - 1) WNI_TRY(wni_poll(rows->ctx));
        if (used[row]) continue;
        if (wni_rand_below(seed, stream, (uint64_t)row, left--) < k - have) out[have++] = row;
    }
done:
    return st;
}

static wn_status parallel_init(const wni_km_rows *rows, int64_t k, const wni_km_opt *opt,
                               int64_t *out)
{
    wn_ctx *ctx = rows->ctx;
    int64_t room = wni_km_candidates(rows->n, k), n = 1, *cand = NULL, *chosen = NULL;
    struct seed s = {.rows = rows};
    wni_km_rows inner = {0};
    wni_mat mat = {0};
    wn_pool *pool = NULL;
    unsigned char *used = NULL;
    double *share = NULL;
    float *weight = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, cand, wni_max(room, k));
    WNI_TRY(seed_init(&s, rows));
    s.seed = opt->seed;
    cand[0] = pick(&s, opt->seed, wni_stream("kmeans first", opt->level, opt->round), 0);
    WNI_TRY(wni_mat_gather(ctx, rows->pool, cand, 1, &mat));
    WNI_TRY(take_many(&s, &mat, 0));
    for (int32_t round = 0; round < ROUNDS; round++) {
        double mass = total_mass(&s);
        int64_t from = n;

        if (opt->stage) wni_progress(ctx, opt->stage, round, ROUNDS);
        if (!(mass > 0)) break; /* every row equals a candidate */
        s.stream = wni_stream("kmeans parallel", opt->level, opt->round * ROUNDS + round);
        WNI_TRY(draw(&s, (double)OVERSAMPLE * (double)k / mass, cand, &n, room));
        if (n == from) continue;
        wni_mat_free(ctx, &mat);
        WNI_TRY(wni_mat_gather(ctx, rows->pool, cand + from, n - from, &mat));
        WNI_TRY(take_many(&s, &mat, from));
    }
    wni_mat_free(ctx, &mat);

    if (n <= k) {
        for (int64_t i = 0; i < n; i++)
            out[i] = cand[i];
        if (n < k) {
            WNI_NEW0(ctx, used, rows->n);
            for (int64_t i = 0; i < n; i++)
                used[cand[i]] = 1;
            WNI_TRY(top_up(rows, n, k, opt->seed, wni_stream("kmeans rest", opt->level, opt->round),
                           used, out));
        }
        goto done;
    }
    /* The candidates stand for the rows nearest to them: k-means++ over them, so weighted. */
    WNI_NEW0(ctx, share, n);
    WNI_NEW(ctx, weight, n);
    WNI_NEW(ctx, chosen, k);
    for (int64_t row = 0; row < rows->n; row++)
        share[s.near[row]] += wni_km_weight(rows, row);
    for (int64_t i = 0; i < n; i++)
        weight[i] = (float)share[i];
    seed_free(&s);
    s = (struct seed){.rows = rows};
    WNI_TRY(wni_mat_gather(ctx, rows->pool, cand, n, &mat));
    WNI_TRY(wn_pool_wrap(ctx, mat.v, n, mat.ld, WN_F32, WN_L2, &pool));
    WNI_TRY(wni_km_rows_init(ctx, pool, weight, &inner));
    WNI_TRY(plus_plus(&inner, k, opt->seed, wni_stream("kmeans again", opt->level, opt->round),
                      NULL, chosen));
    for (int64_t i = 0; i < k; i++)
        out[i] = cand[chosen[i]];
done:
    seed_free(&s);
    wni_km_rows_free(&inner);
    wn_pool_free(pool);
    wni_mat_free(ctx, &mat);
    wni_free(ctx, cand);
    wni_free(ctx, chosen);
    wni_free(ctx, used);
    wni_free(ctx, share);
    wni_free(ctx, weight);
    return st;
}

/* ---- all of them ------------------------------------------------------------------------------------- */

/* Given centres: finite, and of unit length under cosine. */
static wn_status given(wni_km *km)
{
    const wni_km_opt *opt = &km->opt;

    for (int32_t c = 0; c < km->k; c++) {
        const float *in = opt->start + c * opt->start_ld;
        float *out = wni_mat_row(&km->centers, c);
        double norm2 = 0;

        for (int64_t j = 0; j < km->rows.d; j++)
            norm2 += (double)in[j] * in[j];
        if (!isfinite(norm2))
            return wni_fail(km->ctx, WN_E_DATA,
                            "start centre %d has a value that is not a number or not finite",
                            (int)c);
        if (!km->l2 && !(norm2 > 0))
            return wni_fail(km->ctx, WN_E_DATA,
                            "start centre %d is all zeros and has no direction: give another one "
                            "or use --metric l2",
                            (int)c);
        /* A centre that is a unit vector already keeps its bits. */
        if (!km->l2 && fabs(norm2 - 1) > 1e-6) {
            double norm = sqrt(norm2);
            for (int64_t j = 0; j < km->rows.d; j++)
                out[j] = (float)(in[j] / norm);
        } else {
            memcpy(out, in, (size_t)km->rows.d * sizeof *out);
        }
    }
    return WN_OK;
}

wn_status wni_km_first_centers(wni_km *km)
{
    const wni_km_opt *opt = &km->opt;
    int64_t *rows = NULL;
    wn_status st = WN_OK;

    if (opt->start) return given(km);
    WNI_NEW(km->ctx, rows, km->k);
    switch (wni_km_init_of(opt->init, km->k)) {
    case WN_INIT_PP:
        WNI_TRY(plus_plus(&km->rows, km->k, opt->seed,
                          wni_stream("kmeans++", opt->level, opt->round), opt->stage, rows));
        break;
    case WN_INIT_PARALLEL:
        WNI_TRY(parallel_init(&km->rows, km->k, opt, rows));
        break;
    default:
        WNI_TRY(random_rows(&km->rows, km->k, opt->seed,
                            wni_stream("kmeans random", opt->level, opt->round), rows));
    }
    WNI_TRY(wn_pool_gather(km->ctx, km->rows.pool, rows, km->k, km->centers.v, km->centers.ld));
done:
    wni_free(km->ctx, rows);
    return st;
}
