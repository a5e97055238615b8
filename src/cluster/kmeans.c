/* SPDX-License-Identifier: Apache-2.0
 *
 * k-means of Lloyd, "Least squares quantization in PCM" (1982), over all rows; spherical (Dhillon and Modha
 * 2001) under cosine. The phases are in kmeans_*.c.
 */
#include <math.h>
#include <string.h>

#include "cluster/kmeans_impl.h"
#include "pool/pool_use.h"
#include "scan/filter.h"
#include "winnow/cluster.h"

/* ---- making one ---------------------------------------------------------------------------------- */

struct survey {
    wni_km *km;
    float *most;    /* (threads, ld) largest |x| of each column */
    double *norm2;  /* (blocks) sum of weight x |x|^2 */
    double *weight; /* (blocks) */
    int64_t *bad;   /* (blocks) first row too long for f32, or -1 */
};

static wn_status survey_tile(const wni_km_rows *rows, void *arg, int worker, int64_t p, int64_t m,
                             const float *x)
{
    struct survey *s = arg;
    float *most = s->most + worker * rows->ld;
    int64_t block = p / rows->block;

    for (int64_t i = 0; i < m; i++) {
        const float *v = x + i * rows->ld;
        float norm2;

        if (i + WNI_KM_SOON < m) wni_km_expect(v + WNI_KM_SOON * rows->ld, rows->ld);
        norm2 = rows->kern->dot(v, v, rows->ld);

        for (int64_t j = 0; j < rows->ld; j++) {
            float a = fabsf(v[j]);
            most[j] = a > most[j] ? a : most[j];
        }
        /* A quarter of the range is left for scores, which are differences of such squares. */
        if (!(norm2 < 0x1p124f) && s->bad[block] < 0) s->bad[block] = p + i;
        if (s->km->norm2) s->km->norm2[p + i] = norm2;
        s->norm2[block] += wni_km_weight(rows, p + i) * norm2;
        s->weight[block] += wni_km_weight(rows, p + i);
    }
    return WN_OK;
}

/* One pass: norms, and the power of two by which each column becomes an integer. With |x w| < 2^e and
 * bits = min(51, 62 - log2(n)) no sum of n terms of 2^bits overflows 64 bits. */
static wn_status survey(wni_km *km)
{
    struct survey s = {.km = km};
    int threads = wn_ctx_threads(km->ctx), bits = 51, e;
    int64_t ld = km->rows.ld, blocks = km->rows.blocks;
    double weight_most = 0;
    wn_status st = WN_OK;

    WNI_NEW0(km->ctx, s.most, threads * ld);
    WNI_NEW0(km->ctx, s.norm2, blocks);
    WNI_NEW0(km->ctx, s.weight, blocks);
    WNI_NEW(km->ctx, s.bad, blocks);
    for (int64_t b = 0; b < blocks; b++)
        s.bad[b] = -1;
    WNI_TRY(wni_km_visit(&km->rows, NULL, 0, km->rows.n, survey_tile, &s));
    for (int64_t b = 0; b < blocks; b++) {
        if (s.bad[b] >= 0) {
            char where[WNI_ERROR_MAX / 2];
            st = wni_fail(km->ctx, WN_E_DATA,
                          "%s is too long for k-means in 32-bit floats: its squared length "
                          "overflows; scale the pool down or use --metric cosine",
                          wni_pool_row_text(km->rows.pool, s.bad[b], where, sizeof where));
            goto done;
        }
        km->sum_norm2 += s.norm2[b];
        km->sum_weight += s.weight[b];
    }
    while (bits > 1 && ((int64_t)1 << (62 - bits)) < km->rows.n)
        bits--;
    for (int64_t row = 0; row < km->rows.n; row++) { /* with fmax gcc 12 for ARM64 gives up */
        double weight = wni_km_weight(&km->rows, row);

        if (weight > weight_most) weight_most = weight;
    }
    frexp(weight_most, &e); /* weight_most < 2^e */
    km->mass_scale = ldexp(1, bits - e);
    for (int64_t j = 0; j < ld; j++) {
        float most = 0;
        for (int t = 0; t < threads; t++)
            most = fmaxf(most, s.most[t * ld + j]);
        frexp((double)most * weight_most, &e);
        km->scale[j] = ldexp(1, bits - e);
    }
done:
    wni_free(km->ctx, s.most);
    wni_free(km->ctx, s.norm2);
    wni_free(km->ctx, s.weight);
    wni_free(km->ctx, s.bad);
    return st;
}

void wni_km_free(wni_km *km)
{
    wn_ctx *ctx;

    if (!km) return;
    ctx = km->ctx;
    wni_km_rows_free(&km->rows);
    wni_mat_free(ctx, &km->centers);
    wni_free(ctx, km->labels);
    wni_free(ctx, km->upper);
    wni_free(ctx, km->norm2);
    wni_free(ctx, km->half);
    wni_free(ctx, km->move);
    wni_free(ctx, km->acc);
    wni_free(ctx, km->mass);
    wni_free(ctx, km->sizes);
    wni_free(ctx, km->scale);
    wni_free(ctx, km->gain);
    wni_free(ctx, km->at);
    wni_free(ctx, km->score);
    wni_free(ctx, km->change);
    wni_free(ctx, km->count);
    wni_free(ctx, km->looked);
    wni_free(ctx, km->scanned);
    wni_km_groups_free(km);
    wni_free(ctx, km->moved);
    wni_free(ctx, km->moved_at);
    wni_free(ctx, km);
}

#define MOVED_FLOATS ((int64_t)1 << 20) /* rows on their way into the sums, all together */

static int64_t moved_rows_of(int64_t ld)
{
    return wni_max(64, wni_min(4096, MOVED_FLOATS / ld));
}

wn_status wni_km_new(wn_ctx *ctx, const wn_pool *pool, const wni_km_opt *opt, wni_km **out)
{
    int64_t n = wn_pool_rows(pool), k = opt->k, chunk = wni_min(n, WNI_KM_CHUNK);
    wn_status st = WN_OK;
    wni_km *km;

    *out = NULL;
    if (!(km = wni_calloc(ctx, 1, sizeof *km))) return WN_E_NOMEM;
    km->ctx = ctx;
    km->opt = *opt;
    km->k = (int32_t)k;
    km->l2 = !opt->cosine;
    km->track = 1;
    WNI_TRY(wni_km_rows_init(ctx, pool, opt->weights, &km->rows));
    WNI_NEW(ctx, km->labels, n);
    for (int64_t row = 0; row < n; row++)
        km->labels[row] = -1;
    if (opt->bounds) {
        WNI_NEW(ctx, km->upper, n);
        WNI_NEW(ctx, km->norm2, n);
    }
    WNI_NEW(ctx, km->at, chunk);
    WNI_TRY(wni_mat_new(ctx, k, km->rows.d, &km->centers));
    WNI_NEW0(ctx, km->half, k);
    WNI_NEW0(ctx, km->move, k);
    WNI_NEW0(ctx, km->acc, k * km->rows.ld);
    WNI_NEW0(ctx, km->mass, k);
    WNI_NEW0(ctx, km->sizes, k);
    WNI_NEW(ctx, km->scale, km->rows.ld);
    WNI_NEW(ctx, km->gain, k);
    WNI_NEW(ctx, km->score, chunk);
    WNI_NEW(ctx, km->change, chunk);
    WNI_NEW(ctx, km->count, chunk / WNI_KM_LANES + 1);
    WNI_NEW(ctx, km->looked, chunk / WNI_KM_LANES + 1);
    WNI_NEW(ctx, km->scanned, chunk / WNI_KM_LANES + 1);
    km->moved_rows = wni_min(wni_max(n, 1), moved_rows_of(km->rows.ld));
    WNI_NEW(ctx, km->moved, km->moved_rows * km->rows.ld);
    WNI_NEW(ctx, km->moved_at, km->moved_rows);
    WNI_TRY(survey(km));
    if (opt->bounds) WNI_TRY(wni_km_groups_new(km));
    WNI_TRY(wni_km_first_centers(km));
    WNI_TRY(wni_km_centers_changed(km));
    if (!(km->cmax2 < 0x1p124)) {
        st = wni_fail(ctx, WN_E_DATA,
                      "a start centre is too long for k-means in 32-bit floats: its squared "
                      "length overflows; scale pool and centres down");
        goto done;
    }
done:
    if (st != WN_OK) {
        wni_km_free(km);
        km = NULL;
    }
    *out = km;
    return st;
}

/* ---- Lloyd ------------------------------------------------------------------------------------------ */

#define EXTRA 8 /* iterations after the last that may be spent on filling empty clusters */

wn_status wni_km_lloyd(wni_km *km)
{
    const wni_km_opt *opt = &km->opt;
    double inertia = 0, before;
    int64_t changed, repaired = 0;
    int32_t extra = 0;
    bool stop = false;
    wn_status st = WN_OK;

    for (;;) {
        if (opt->stage) wni_progress(km->ctx, opt->stage, km->iterations, opt->max_iter);
        km->last = stop;
        WNI_TRY(wni_km_assign(km, &changed));
        WNI_TRY(wni_km_repair(km, &repaired));
        if (repaired == 0) {
            /* No label is new: the centres are the means of what they have. */
            if (changed == 0 && km->iterations > 0) {
                km->converged = 1;
                break;
            }
            if (stop) break;
        } else if (stop && extra++ == EXTRA) {
            /* Labels must be those of the centres: what the last repair did is undone. */
            WNI_TRY(wni_km_assign(km, &changed));
            break;
        }
        before = inertia;
        WNI_TRY(wni_km_update(km, &inertia));
        km->iterations++;
        if (opt->tol > 0 && km->iterations > 1 && repaired == 0 &&
            before - inertia <= opt->tol * before) {
            km->converged = 1;
            stop = true;
        }
        if (km->iterations >= opt->max_iter) stop = true;
    }
    WNI_TRY(wni_km_inertia(km, &km->inertia));
done:
    return st;
}

wn_status wni_km_replace(wni_km *km, const wni_mat *centers)
{
    int64_t changed;
    wn_status st = WN_OK;

    km->track = 0;
    km->last = true;
    WNI_TRY(wni_km_move_to(km, centers));
    WNI_TRY(wni_km_assign(km, &changed));
done:
    return st;
}

/* ---- what came out ---------------------------------------------------------------------------------- */

struct inertia {
    wni_km *km;
    double *sum; /* (blocks) */
};

static wn_status inertia_tile(const wni_km_rows *rows, void *arg, int worker, int64_t p, int64_t m,
                              const float *x)
{
    struct inertia *s = arg;

    (void)worker;
    for (int64_t i = 0; i < m; i++) {
        const float *c = wni_mat_row(&s->km->centers, s->km->labels[p + i]);

        if (i + WNI_KM_SOON < m) wni_km_expect(x + (i + WNI_KM_SOON) * rows->ld, rows->ld);
        s->sum[p / rows->block] +=
            wni_km_weight(rows, p + i) * (double)rows->kern->l2sq(x + i * rows->ld, c, rows->ld);
    }
    return WN_OK;
}

wn_status wni_km_inertia(wni_km *km, double *inertia)
{
    struct inertia s = {.km = km};
    double sum = 0;
    wn_status st = WN_OK;

    WNI_NEW0(km->ctx, s.sum, km->rows.blocks);
    WNI_TRY(wni_km_visit(&km->rows, NULL, 0, km->rows.n, inertia_tile, &s));
    for (int64_t b = 0; b < km->rows.blocks; b++)
        sum += s.sum[b];
    *inertia = sum;
done:
    wni_free(km->ctx, s.sum);
    return st;
}

wn_status wni_km_partition(wni_km *km, wn_partition **out)
{
    wn_partition *p;
    wn_status st;
    double n = (double)km->rows.n;

    if ((st = wn_partition_new(km->ctx, km->rows.n, km->k, km->rows.d, &p)) != WN_OK) return st;
    memcpy(p->labels, km->labels, (size_t)p->n * sizeof *p->labels);
    memcpy(p->sizes, km->sizes, (size_t)p->k * sizeof *p->sizes);
    for (int32_t c = 0; c < p->k; c++) {
        memcpy(p->centers + c * p->d, wni_mat_row(&km->centers, c),
               (size_t)p->d * sizeof *p->centers);
        p->report.imbalance += (double)p->k * ((double)p->sizes[c] / n) * ((double)p->sizes[c] / n);
    }
    p->report.iterations = km->iterations;
    p->report.converged = km->converged;
    p->report.empty_repaired = km->empty_repaired;
    p->report.inertia = km->inertia;
    if (km->possible > 0) p->report.skipped_share = fmax(0, 1 - km->computed / km->possible);
    *out = p;
    return WN_OK;
}

/* ---- the method --------------------------------------------------------------------------------------- */

void wni_km_estimate(wn_ctx *ctx, int64_t n, int64_t d, const wni_km_opt *opt, wn_estimate *out)
{
    double ld = (double)wni_ld(d), k = (double)opt->k, rows = (double)n, run, scan, start, centers;
    double chunk = (double)wni_min(n, WNI_KM_CHUNK), threads = wn_ctx_threads(ctx);
    double tile = (double)wni_max(4, wni_min(256, ((int64_t)1 << 15) / wni_ld(d)));
    double flops = 2 * rows * k * (double)d * (opt->max_iter + 1.0);
    double passes = 4.0 * opt->max_iter + 3;
    int32_t init = opt->start ? WN_INIT_RANDOM : wni_km_init_of(opt->init, opt->k);

    centers = k * (ld * 8 + 64);           /* centres and their next ones */
    run = centers + k * ld * 8 + rows * 4; /* the sums, the labels */
    run += chunk * 24;
    if (opt->bounds)
        run += rows * 8 + (double)wni_km_play_bytes(ctx, n, d, opt->k) + threads * (k + ld) * 4;
    run += (double)moved_rows_of(wni_ld(d)) * (ld * 4 + 8) + threads * tile * ld * 4 + ld * 8;
    run += threads * (ld * 4 + (double)((int64_t)1 << 20)); /* column ranges, scan tiles */
    scan = (double)wni_scan_argmin_bytes(ctx, wni_min(n, WNI_KM_CHUNK), opt->k, d, (int64_t)run);
    start = k * 8;
    if (init == WN_INIT_PP) {
        double batch = fmin(k, 2048);
        start +=
            rows * 8 + batch * (ld * 4 + 12) + chunk * 8 + threads * (ld * 120 + 1e6) +
            (double)wni_scan_argmin_bytes(ctx, (int64_t)chunk, (int64_t)batch, d, (int64_t)run);
        flops += 2 * rows * k * (double)d;
        passes += 2 * (12 + k / 2048); /* doubling up to 2048 picks, then so many each time */
    } else if (init == WN_INIT_PARALLEL) {
        double cand = (double)wni_km_candidates(n, opt->k);
        start += rows * 8 + cand * (ld * 4 + 40) + k * (ld * 4 + 4) + chunk * 8 +
                 threads * (4096 * 8 + tile * ld * 4) +
                 (double)wni_scan_argmin_bytes(ctx, (int64_t)chunk, opt->k, d, (int64_t)run);
        flops += 2 * rows * cand * (double)d + 3 * cand * k * (double)d;
        passes += 12;
    }
    /* Seeding, assignments and copying out the result come after each other: the largest stands. */
    start = fmax(start, fmax(scan, rows * 4 + k * ((double)d * 4 + 8)));
    out->peak_bytes = (int64_t)(run + start) + (1 << 20);
    out->flops = flops;
    out->bytes_read = passes * rows * (double)d * 4;
}

WN_PARAM_TABLE(wn_kmeans_params, WN_KMEANS_PARAMS);

static wni_km_opt opt_of(const wn_cluster_input *in, const wn_kmeans_params *p)
{
    return (wni_km_opt){.k = p->k,
                        .cosine = wn_pool_metric(in->pool) == WN_COSINE,
                        .max_iter = p->max_iter,
                        .init = p->init,
                        .bounds = p->bounds,
                        .tol = p->tol,
                        .seed = p->seed,
                        .weights = in->weights,
                        .start = in->init_centers,
                        .start_ld = wn_pool_dim(in->pool),
                        .stage = "kmeans"};
}

static wn_status estimate(wn_ctx *ctx, const wn_cluster_input *in, const void *params,
                          wn_estimate *out)
{
    const wn_kmeans_params *p = params;
    wni_km_opt opt = opt_of(in, p);
    int64_t n = wn_pool_rows(in->pool);

    if (p->k > n)
        return wni_fail(ctx, WN_E_DATA,
                        "k = %lld clusters need at least as many rows, the pool has %lld: "
                        "lower --k",
                        (long long)p->k, (long long)n);
    wni_km_estimate(ctx, n, wn_pool_dim(in->pool), &opt, out);
    return WN_OK;
}

static wn_status run(wn_ctx *ctx, const wn_cluster_input *in, const void *params, wn_tree **out)
{
    wni_km_opt opt = opt_of(in, params);
    wn_tree *tree = NULL;
    wni_km *km = NULL;
    wn_status st = WN_OK;

    WNI_TRY(wni_km_new(ctx, in->pool, &opt, &km));
    WNI_TRY(wni_km_lloyd(km));
    WNI_TRY(wn_tree_new(ctx, wn_pool_metric(in->pool), &tree));
    WNI_TRY(wni_km_partition(km, &tree->level[0]));
    tree->levels = 1;
    *out = tree;
    tree = NULL;
done:
    wn_tree_free(tree);
    wni_km_free(km);
    return st;
}

static const wn_cluster_ops ops = {estimate, run};

const wn_method wni_method_cluster_kmeans = {
    .family = "cluster",
    .name = "kmeans",
    .summary = "Lloyd's k-means over all rows, spherical under cosine",
    .papers = "lloyd1982 arthur2007 bahmani2012 cohenaddad2020 ding2015 dhillon2001",
    .cost = "n k d an iteration, less what bounds skip; 12 bytes a row, 5/8 n d and 24 k d",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_kmeans_params),
    .ops = &ops,
    .inputs = "pool weights? centers?",
};

wn_status wn_kmeans(wn_ctx *ctx, const wn_cluster_input *in, const wn_kmeans_params *params,
                    wn_tree **out)
{
    return wn_cluster_run(ctx, &wni_method_cluster_kmeans, in, params, out);
}
