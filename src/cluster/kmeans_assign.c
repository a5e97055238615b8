/* SPDX-License-Identifier: Apache-2.0
 *
 * Assignment with the bounds of Hamerly, "Making k-means even faster" (SDM 2010).
 *
 * For every row an upper bound u on the distance to its own centre a and a lower bound l on the distance
 * to all others outlive an iteration: centres that move by m widen them by m. A row is skipped when its
 * present centre provably has the strictly largest canonical score. With t the true score and s the
 * canonical one, |s - t| <= E, and
 *
 *     t_a - t_j = (D_j^2 - D_a^2) / 2 + (|c_a|^2 - |c_j|^2) / 2 * [cosine]
 *
 * so l^2 - u^2 > 4 E + (max |c|^2 - min |c|^2) * [cosine] is enough. E covers the rounding of a dot product
 * of ld / 16 fused steps and four additions, of the half norm and of their difference.
 */
#include <float.h>
#include <math.h>

#include "cluster/kmeans_impl.h"

#define SUB ((int64_t)4096) /* positions of one range where no row is read */

float wni_km_up(double v)
{
    float f = (float)v;

    return (double)f < v ? nextafterf(f, INFINITY) : f;
}

float wni_km_down(double v)
{
    float f = (float)v;

    return (double)f > v ? nextafterf(f, -INFINITY) : f;
}

/* Relative rounding error of a canonical score, with room: gamma_{ld/16 + 8}. */
static double unit_error(int64_t ld)
{
    return (double)(ld / 16 + 8) * 0x1p-24 * 1.01;
}

/* The numbers of the bound that do not depend on the row. */
struct margin {
    double g, cmax, half_cmax2; /* half_cmax2 is 0 under cosine */
    double c2hi, c2lo, spread;  /* 0 under L2 */
};

static struct margin margin_of(const wni_km *km)
{
    struct margin m = {.g = unit_error(km->rows.ld), .cmax = sqrt(km->cmax2) * (1 + 1e-12)};

    if (km->l2) {
        m.half_cmax2 = km->cmax2 / 2;
    } else {
        m.c2hi = km->cmax2;
        m.c2lo = km->cmin2;
        m.spread = km->cmax2 - km->cmin2;
    }
    return m;
}

/* E of a row with canonical squared length norm2; the last term covers underflow. */
static double score_error(const struct margin *m, double norm2)
{
    return m->g * (sqrt(norm2 * (1 + 2 * m->g)) * m->cmax + m->half_cmax2) * (1 + 1e-12) + 0x1p-128;
}

static float upper_of(const struct margin *m, double norm2, double score, double error)
{
    double v = norm2 * (1 + 2 * m->g) + 0x1p-128 + m->c2hi - 2 * score + 2 * error;

    return v > 0 ? wni_km_up(sqrt(v) * (1 + 1e-12)) : 0;
}

static float lower_of(const struct margin *m, double norm2, double score, double error)
{
    double v = norm2 * (1 - 2 * m->g) - 0x1p-128 + m->c2lo - 2 * score - 2 * error;

    return v > 0 ? wni_km_down(sqrt(v) * (1 - 1e-12)) : 0;
}

static bool proven(const struct margin *m, double norm2, double upper, double lower, double sep)
{
    double l = fmax(lower, sep - upper);

    return l > upper &&
           (l - upper) * (l + upper) * (1 - 1e-12) > 4 * score_error(m, norm2) + m->spread;
}

/* ---- after the centres changed ----------------------------------------------------------------- */

/* sep: at most the distance from a centre to the nearest other one, by a scan of centres against centres.
 * Worth it when rows are many against centres. */
static wn_status separate(wni_km *km)
{
    wni_mat all = km->centers;
    wni_queries queries = {.n = km->k};
    struct margin m = margin_of(km);
    wn_pool *pool = NULL;
    wn_status st = WN_OK;

    for (int32_t c = 0; c < km->k; c++)
        km->sep[c] = 0;
    if (km->rows.n < 4 * (int64_t)km->k) goto done;
    all.d = all.ld;
    WNI_TRY(wn_pool_wrap(km->ctx, all.v, all.n, all.ld, WN_F32, WN_L2, &pool));
    queries.pool = pool;
    WNI_TRY(wni_scan_argmin(km->ctx, &queries, &all, km->l2 ? km->half : NULL, km->twin_at, km->sep,
                            km->twin));
    for (int32_t c = 0; c < km->k; c++) {
        double score = km->twin_at[c] == c ? km->twin[c] : km->sep[c];
        double norm2 = 2 * (double)km->half[c];

        km->sep[c] = isinf(score) ? INFINITY : lower_of(&m, norm2, score, score_error(&m, norm2));
    }
done:
    wn_pool_free(pool);
    return st;
}

wn_status wni_km_centers_changed(wni_km *km)
{
    wn_status st;

    km->cmax2 = 0;
    km->cmin2 = INFINITY;
    for (int32_t c = 0; c < km->k; c++) {
        const float *v = wni_mat_row(&km->centers, c);
        double sum = 0;

        for (int64_t j = 0; j < km->rows.d; j++)
            sum += (double)v[j] * v[j];
        km->cmax2 = fmax(km->cmax2, sum * (1 + 1e-10));
        km->cmin2 = fmin(km->cmin2, sum * (1 - 1e-10));
    }
    WNI_TRY(wni_mat_half_norms(km->ctx, &km->centers, km->half));
    if (km->opt.bounds) st = separate(km);
done:
    return st;
}

/* ---- one chunk ------------------------------------------------------------------------------------ */

struct step {
    wni_km *km;
    struct margin m;
    int64_t first; /* row of the chunk */
    int64_t n;     /* positions */
    const int64_t *list;
    int first_time;
};

/* Widens the bounds of a range of rows by the last movement and lists those that are still in play. */
static wn_status filter_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct step *s = arg;
    wni_km *km = s->km;
    int64_t count = 0;

    (void)ctx;
    (void)worker;
    for (int64_t p = begin; p < end; p++) {
        int64_t row = s->first + p;
        int32_t own = km->labels[row];
        double other = own == km->move_at ? km->move_next : km->move_most;
        float u = wni_km_up(((double)km->upper[row] + km->move[own]) * (1 + 1e-15));
        double l = ((double)km->lower[row] - other) * (1 - 1e-15);

        km->upper[row] = u;
        km->lower[row] = l > 0 ? wni_km_down(l) : 0;
        if (!proven(&s->m, km->norm2[row], u, km->lower[row], km->sep[own]))
            km->list[begin + count++] = row;
    }
    km->count[begin / SUB] = count;
    return WN_OK;
}

/* One exact score with the own centre makes the upper bound tight again. */
static wn_status tighten_tile(const wni_km_rows *rows, void *arg, int worker, int64_t p, int64_t m,
                              const float *x)
{
    const struct step *s = arg;
    wni_km *km = s->km;

    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        int64_t row = km->list[p + i];
        int32_t own = km->labels[row];
        float score = rows->kern->dot(x + i * rows->ld, wni_mat_row(&km->centers, own), rows->ld);
        double error = score_error(&s->m, km->norm2[row]);

        if (km->l2) score -= km->half[own];
        /* Both the old and the new bound hold. */
        km->upper[row] = fminf(km->upper[row], upper_of(&s->m, km->norm2[row], score, error));
        km->keep[p + i] =
            !proven(&s->m, km->norm2[row], km->upper[row], km->lower[row], km->sep[own]);
    }
    return WN_OK;
}

/* Reads the winners of a scan: new labels, fresh bounds, changes. */
static wn_status take_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const struct step *s = arg;
    wni_km *km = s->km;
    int64_t count = 0;

    (void)ctx;
    (void)worker;
    for (int64_t p = begin; p < end; p++) {
        int64_t row = s->list ? s->list[p] : s->first + p;

        if (km->opt.bounds) {
            double error = score_error(&s->m, km->norm2[row]);
            km->upper[row] = upper_of(&s->m, km->norm2[row], km->score[p], error);
            km->lower[row] = isinf(km->second[p])
                                 ? INFINITY
                                 : lower_of(&s->m, km->norm2[row], km->second[p], error);
        }
        if (km->labels[row] != km->at[p]) {
            km->change[begin + count++] = (wni_km_change){row, km->labels[row], km->at[p]};
            km->labels[row] = km->at[p];
        }
    }
    km->count[begin / SUB] = count;
    return WN_OK;
}

static int64_t compact_rows(wni_km *km, int64_t n)
{
    int64_t total = 0;

    for (int64_t sub = 0; sub * SUB < n; sub++)
        for (int64_t i = 0; i < km->count[sub]; i++)
            km->list[total++] = km->list[sub * SUB + i];
    return total;
}

static int64_t compact_changes(wni_km *km, int64_t n)
{
    int64_t total = 0;

    for (int64_t sub = 0; sub * SUB < n; sub++)
        for (int64_t i = 0; i < km->count[sub]; i++)
            km->change[total++] = km->change[sub * SUB + i];
    return total;
}

static wn_status assign_chunk(wni_km *km, int64_t first, int64_t n, int64_t *tried, int64_t *saved,
                              int64_t *changed)
{
    struct step s = {.km = km, .m = margin_of(km), .first = first, .n = n};
    int64_t active = n;
    wn_status st = WN_OK;

    if (km->opt.bounds && km->assigned) {
        WNI_TRY(wni_parallel(km->ctx, n, SUB, filter_range, &s));
        active = compact_rows(km, n);
        s.list = km->list;
        if (km->tighten && active > 0) {
            int64_t left = 0;

            WNI_TRY(wni_km_visit(&km->rows, km->list, 0, active, tighten_tile, &s));
            for (int64_t p = 0; p < active; p++)
                if (km->keep[p]) km->list[left++] = km->list[p];
            *tried += active;
            *saved += active - left;
            km->computed += (double)active;
            active = left;
        }
        if (active == n) s.list = NULL; /* reading in a row beats gathering */
    }
    if (active > 0) {
        wni_queries queries = {km->rows.pool, s.list, s.list ? 0 : first, active};
        int64_t n_changes;

        WNI_TRY(wni_scan_argmin(km->ctx, &queries, &km->centers, km->l2 ? km->half : NULL, km->at,
                                km->score, km->opt.bounds ? km->second : NULL));
        km->computed += (double)active * km->k;
        WNI_TRY(wni_parallel(km->ctx, active, SUB, take_range, &s));
        n_changes = compact_changes(km, active);
        *changed += n_changes;
        WNI_TRY(wni_km_apply(km, km->change, n_changes));
    }
done:
    return st;
}

wn_status wni_km_assign(wni_km *km, int64_t *changed)
{
    int64_t tried = 0, saved = 0;
    wn_status st = WN_OK;

    *changed = 0;
    for (int64_t first = 0; first < km->rows.n; first += WNI_KM_CHUNK)
        WNI_TRY(assign_chunk(km, first, wni_min(WNI_KM_CHUNK, km->rows.n - first), &tried, &saved,
                             changed));
    km->possible += (double)km->rows.n * km->k;
    km->assigned = 1;
    /* One dot and one read of the row must save at least that much; when the tries stop paying, try
     * again every few iterations only. */
    if (tried > 0)
        km->tighten = saved * km->k > 8 * tried;
    else
        km->tighten = km->iterations % 4 == 3;
done:
    return st;
}
