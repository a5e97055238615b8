/* SPDX-License-Identifier: Apache-2.0
 *
 * Replays a stream of insertions and deletions and keeps representatives of what is there.
 */
#include "base/param.h"
#include "scan/scan.h"
#include "select/notes.h"
#include "select/representatives.h"

extern const wn_method wni_method_select_submodular_dynamic;

WN_PARAM_TABLE(wn_select_submodular_dynamic_params, WN_SELECT_SUBMODULAR_DYNAMIC_PARAMS);

#define ROWS_AT_ONCE 65536 /* of a run of insertions or of deletions */

/* The most rows that are live at one time, checked along the way; an upper bound when nothing is checked. */
static wn_status most_live(wn_ctx *ctx, const wn_select_input *in, int64_t n, int64_t *most)
{
    int64_t live = 0;

    *most = in->updates ? 0 : n;
    for (int64_t i = 0; in->updates && i < in->n_updates; i++) {
        int64_t update = in->updates[i], row = update < 0 ? -(update + 1) : update;
        if (row >= n)
            return wni_fail(
                ctx, WN_E_DATA,
                "select submodular_dynamic: update %lld is %lld, row %lld, but the pool "
                "has %lld rows: expected %lld to %lld",
                (long long)i, (long long)update, (long long)row, (long long)n, (long long)-n,
                (long long)(n - 1));
        live += update < 0 ? -1 : 1;
        *most = wni_max(*most, live);
    }
    *most = wni_min(*most, n);
    return WN_OK;
}

static wn_status dynamic_estimate(wn_ctx *ctx, const wn_select_input *in, const void *params,
                                  wn_estimate *out)
{
    int64_t n = wn_pool_rows(in->pool), d = wn_pool_dim(in->pool), most, changes;
    wn_select_submodular_dynamic_params p;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_select_submodular_dynamic, params, &p));
    WNI_TRY(most_live(ctx, in, n, &most));
    if (p.size > n)
        return wni_fail(ctx, WN_E_DATA,
                        "select submodular_dynamic: size is %lld but the pool has %lld rows: lower "
                        "--size",
                        (long long)p.size, (long long)n);
    changes = in->updates ? in->n_updates : n;
    *out = (wn_estimate){0};
    out->peak_bytes = wni_representatives_bytes(ctx, in->pool, &p, most) +
                      n * (int64_t)sizeof(wn_why) + most * 28 + p.size * 20 + ROWS_AT_ONCE * 8 +
                      ((int64_t)1 << 20);
    out->flops = 2.0 * (double)changes * (double)p.witnesses * (double)d;
    out->bytes_read = 2.0 * (double)n * (double)d * (double)wn_dtype_bytes(wn_pool_dtype(in->pool));
done:
    return st;
}

static wn_status replay(wn_ctx *ctx, const wn_select_input *in, wn_representatives *r)
{
    int64_t n = wn_pool_rows(in->pool), total = in->updates ? in->n_updates : n, at = 0;
    int64_t *rows = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, rows, wni_min(total, ROWS_AT_ONCE));
    while (at < total) {
        int64_t m = 0;
        int deletes = in->updates && in->updates[at] < 0;
        wni_progress(ctx, "replaying updates", at, total);
        for (; m < ROWS_AT_ONCE && at + m < total; m++) {
            int64_t update = in->updates ? in->updates[at + m] : at + m;
            if ((update < 0) != deletes) break;
            rows[m] = update < 0 ? -(update + 1) : update;
        }
        st =
            deletes ? wn_representatives_delete(r, rows, m) : wn_representatives_insert(r, rows, m);
        if (st == WN_E_DATA)
            st = wni_fail(ctx, WN_E_DATA,
                          "select submodular_dynamic: among updates %lld to %lld a row is %s",
                          (long long)at, (long long)(at + m - 1),
                          deletes ? "deleted that is not there" : "inserted that is there already");
        if (st != WN_OK) goto done;
        at += m;
    }
    wni_progress(ctx, "replaying updates", total, total);
done:
    wni_free(ctx, rows);
    return st;
}

/* Rows that are there and not picked get the nearest pick as their partner. */
static wn_status say_covered(wn_ctx *ctx, const wn_pool *pool, const wn_representatives *r,
                             wn_selection *s)
{
    int64_t n = wn_pool_rows(pool), m = 0, *rows = NULL, *at = NULL;
    int cosine = wn_pool_metric(pool) == WN_COSINE;
    float *score = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, rows, wn_representatives_live(r));
    for (int64_t i = 0; i < n; i++)
        if (s->why[i].rule == WN_WHY_COVERED) rows[m++] = i;
    if (m == 0) goto done;
    WNI_NEW(ctx, at, m);
    WNI_NEW(ctx, score, m);
    WNI_TRY(wni_scan_nearest(ctx, &(wni_queries){pool, rows, 0, m},
                             &(wni_queries){pool, s->rows, 0, s->size}, !cosine, NULL, at, score));
    for (int64_t i = 0; i < m; i++) {
        s->why[rows[i]].partner = s->rows[at[i]];
        if (cosine) s->why[rows[i]].similarity = score[i];
    }
done:
    wni_free(ctx, rows);
    wni_free(ctx, at);
    wni_free(ctx, score);
    return st;
}

static wn_status fill(wn_ctx *ctx, const wn_select_input *in, wn_representatives *r, int64_t size,
                      wn_selection **out)
{
    int64_t n = wn_pool_rows(in->pool), count = 0, *rows = NULL;
    wn_selection *s = NULL;
    double value;
    wn_status st;

    WNI_NEW(ctx, rows, size);
    WNI_TRY(wn_representatives_current(r, 1, rows, &count, &value));
    WNI_TRY(wn_selection_new(ctx, n, count, &s));
    for (int64_t i = 0; i < n; i++)
        s->why[i] = (wn_why){-1, __builtin_nanf(""), -1,
                             wni_representatives_is_live(r, i) ? WN_WHY_COVERED : WN_WHY_ABSENT, 0};
    for (int64_t i = 0; i < count; i++) {
        s->why[rows[i]].rule = WN_WHY_KEPT;
        s->why[rows[i]].copies = 1;
    }
    count = 0;
    for (int64_t i = 0; i < n; i++)
        if (s->why[i].copies) {
            s->weights[count] = 1;
            s->rows[count++] = i;
        }
    WNI_TRY(say_covered(ctx, in->pool, r, s));
    WNI_TRY(wni_note(s, "updates", NULL, (double)(in->updates ? in->n_updates : n), 1));
    WNI_TRY(wni_note(s, "live", NULL, (double)wn_representatives_live(r), 1));
    WNI_TRY(wni_note(s, "value", NULL, value, 0));
    *out = s;
    s = NULL;
done:
    wni_free(ctx, rows);
    wn_selection_free(s);
    return st;
}

static wn_status dynamic_run(wn_ctx *ctx, const wn_select_input *in, const void *params,
                             wn_selection **out)
{
    wn_select_submodular_dynamic_params p;
    wn_representatives *r = NULL;
    int64_t n = wn_pool_rows(in->pool), most;
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_select_submodular_dynamic, params, &p));
    WNI_TRY(most_live(ctx, in, n, &most));
    WNI_TRY(wn_representatives_new(ctx, in->pool, in->target, &p, most, &r));
    WNI_TRY(replay(ctx, in, r));
    WNI_TRY(fill(ctx, in, r, wni_min(p.size, n), out));
done:
    wn_representatives_free(r);
    return st;
}

wn_status wn_select_submodular_dynamic(wn_ctx *ctx, const wn_select_input *in,
                                       const wn_select_submodular_dynamic_params *params,
                                       wn_selection **out)
{
    return wn_select_run(ctx, &wni_method_select_submodular_dynamic, in, params, out);
}

static const wn_select_ops ops = {dynamic_estimate, dynamic_run};

const wn_method wni_method_select_submodular_dynamic = {
    .family = "select",
    .name = "submodular_dynamic",
    .summary = "representatives that stay current while rows come and go",
    .papers = "banihashem2023 banihashem2024 badanidiyuru2014",
    .cost = "witnesses x d a row, then about size log(size) witnesses a change; 2 bytes a row and "
            "witness",
    .flags = WN_METHOD_SEEDED,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_select_submodular_dynamic_params),
    .ops = &ops,
    .inputs = "pool target? updates?",
};
