/* SPDX-License-Identifier: Apache-2.0 */
#include <math.h>
#include <stdio.h>
#include <string.h>

#include "select/pick.h"
#include "select/sources.h"
#include "winnow/learn.h"

#define BLOCK_BYTES ((int64_t)1 << 20)

wn_status wni_sources_open(wn_ctx *ctx, const char *method, const wn_select_input *in, int64_t size,
                           wni_sources *out)
{
    wni_sources s = {.groups = in->groups, .n = wni_select_rows(in)};
    int64_t with_rows = 0;

    if (s.groups) {
        s.k = s.groups->classes;
        s.of = s.groups->v;
        s.size = s.groups->sizes;
    } else {
        s.clusters = in->tree->level[0];
        s.k = s.clusters->k;
        s.of = s.clusters->labels;
        s.size = s.clusters->sizes;
    }
    for (int32_t g = 0; g < s.k; g++) {
        with_rows += s.size[g] > 0;
        s.in_one += s.size[g];
    }
    if (with_rows < 2)
        return wni_fail(ctx, WN_E_DATA,
                        "select %s: all rows are in %s group, expected at least two groups to "
                        "choose between",
                        method, with_rows ? "one" : "no");
    if (size > s.in_one)
        return wni_fail(ctx, WN_E_DATA,
                        "select %s: size is %lld but %lld rows are in a group: lower --size",
                        method, (long long)size, (long long)s.in_one);
    *out = s;
    return WN_OK;
}

const char *wni_source_name(const wni_sources *s, int32_t group, char buf[WNI_SOURCE_NAME])
{
    if (s->groups) return s->groups->names[group];
    snprintf(buf, WNI_SOURCE_NAME, "%d", group);
    return buf;
}

/* ---- means ---------------------------------------------------------------------------------------- */

static int64_t block_rows(const wn_pool *pool)
{
    return wni_max(BLOCK_BYTES / (wni_ld(wn_pool_dim(pool)) * 4), 1);
}

int64_t wni_source_means_bytes(const wni_sources *s, const wn_pool *pool)
{
    int64_t ld = wni_ld(wn_pool_dim(pool));

    return s->k * ld * 12 + block_rows(pool) * ld * 4;
}

static void finish_mean(const double *sum, int64_t rows, int64_t d, wn_metric metric, float *mean)
{
    double norm = 0;

    for (int64_t j = 0; j < d; j++)
        norm += sum[j] * sum[j];
    norm = metric == WN_COSINE ? sqrt(norm) : (double)rows;
    for (int64_t j = 0; j < d; j++)
        mean[j] = norm > 0 ? (float)(sum[j] / norm) : 0;
}

wn_status wni_source_means(wn_ctx *ctx, const wni_sources *s, const wn_pool *pool, wni_mat *out)
{
    int64_t d = wn_pool_dim(pool), ld = wni_ld(d), step = block_rows(pool);
    float *x = NULL;
    double *sum = NULL;
    wn_status st;

    *out = (wni_mat){0};
    WNI_NEW(ctx, x, step * ld);
    WNI_NEW0(ctx, sum, s->k * ld);
    for (int64_t first = 0; first < s->n; first += step) {
        int64_t m = wni_min(step, s->n - first);
        WNI_TRY(wni_poll(ctx));
        WNI_TRY(wn_pool_read(ctx, pool, first, m, x, ld));
        for (int64_t i = 0; i < m; i++) {
            int32_t g = s->of[first + i];
            for (int64_t j = 0; g >= 0 && j < d; j++)
                sum[g * ld + j] += (double)x[i * ld + j];
        }
    }
    WNI_TRY(wni_mat_new(ctx, s->k, d, out));
    for (int32_t g = 0; g < s->k; g++)
        finish_mean(sum + g * ld, s->size[g], d, wn_pool_metric(pool), wni_mat_row(out, g));
done:
    wni_free(ctx, x);
    wni_free(ctx, sum);
    return st;
}

/* ---- learning ------------------------------------------------------------------------------------- */

wn_status wni_source_labels(wn_ctx *ctx, const wni_sources *s, wn_labels **out)
{
    int64_t *v = NULL;
    wn_status st;

    *out = NULL;
    WNI_NEW(ctx, v, s->n);
    for (int64_t i = 0; i < s->n; i++)
        v[i] = s->of[i];
    st = wn_labels_from_ints(ctx, v, s->n, out);
done:
    wni_free(ctx, v);
    return st;
}

wn_status wni_source_head_cost(wn_ctx *ctx, const wni_sources *s, const wn_pool *pool,
                               wn_estimate *out)
{
    wn_labels stand_in = {.n = s->n, .classes = s->k, .v = NULL};
    wn_learn_input in = {.struct_size = sizeof in, .pool = pool, .labels = s->groups};

    if (!in.labels) in.labels = &stand_in;
    return wn_learn_logistic_estimate(ctx, &in, NULL, out);
}

/* ---- drawing -------------------------------------------------------------------------------------- */

int64_t wni_sources_draw_bytes(wn_ctx *ctx, const wni_sources *s)
{
    return wni_pick_bytes(ctx, WN_PICK_RANDOM, s->n, 0, s->k, 0);
}

wn_status wni_sources_draw(wn_ctx *ctx, const wni_sources *s, const int64_t *quota, uint64_t seed,
                           wn_why_rule dropped, uint8_t *rule)
{
    wni_picking picking = {.how = WN_PICK_RANDOM,
                           .groups = {.n = s->n, .k = s->k, .of = s->of},
                           .quota = quota,
                           .seed = seed};
    wn_status st;

    wni_open_all(&picking.groups, rule);
    WNI_TRY(wni_pick_rows(ctx, &picking, rule));
    for (int64_t i = 0; i < s->n; i++)
        if (s->of[i] >= 0 && quota[s->of[i]] == 0) rule[i] = (uint8_t)dropped;
done:
    return st;
}
