/* SPDX-License-Identifier: Apache-2.0
 *
 * The inverted file: rows in lists around centres, their codes in the order of the lists, so that a list is
 * read from end to end. sivic2003
 */
#include <math.h>
#include <string.h>

#include "base/param.h"
#include "index/ivf_impl.h"
#include "index/lists.h"

WN_PARAM_TABLE(wn_index_ivf_params, WN_INDEX_IVF_PARAMS);

#define SLOTS_MAX 2147483647

/* 4 sqrt(n) lists; of few rows fewer, so that a list is worth its centre. */
static wni_lists_params lists_params(const wn_index_ivf_params *p, int64_t n)
{
    int64_t lists = p->lists;
    double longest;

    if (lists == 0) lists = wni_min((int64_t)(4 * sqrt((double)n)), n / 32);
    lists = wni_max(1, wni_min(lists, n));
    longest = ceil(p->balance * ((double)n / (double)lists));
    return (wni_lists_params){.cells = lists,
                              .target = (n + lists - 1) / lists,
                              .longest = longest < (double)n ? wni_max((int64_t)longest, 2) : n,
                              .sample = p->sample,
                              .max_iter = p->max_iter,
                              .seed = p->seed};
}

static wn_status check_rows(wn_ctx *ctx, int64_t n)
{
    if (n <= SLOTS_MAX) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "index ivf: the pool has %lld rows, more than the %d of one segment: make "
                    "several indexes, or add the rows in parts",
                    (long long)n, SLOTS_MAX);
}

static wn_status estimate(wn_ctx *ctx, const wn_pool *rows, const void *params, wn_estimate *out)
{
    const wn_index_ivf_params *p = params;
    const int64_t n = wn_pool_rows(rows);
    wni_code_params code = wni_code_params_of(p);
    wni_lists_params lists;
    wn_estimate e = {0};
    wn_status st = WN_OK;

    WNI_TRY(check_rows(ctx, n));
    lists = lists_params(p, n);
    WNI_TRY(wni_lists_estimate(ctx, rows, &lists, out));
    wni_code_estimate(rows, &code, &e);
    /* While codes are made the lists are there, and their order in 64 bits. */
    out->peak_bytes = wni_max(out->peak_bytes, e.peak_bytes + n * 12 +
                                                   lists.cells * 4 * wni_ld(wn_pool_dim(rows)) * 2);
    out->flops += e.flops;
    out->bytes_read += e.bytes_read;
done:
    return st;
}

static wn_status record(const wni_index_build *b, const wni_lists *lists)
{
    int64_t longest = 0, shortest = lists->n;
    wn_status st = WN_OK;

    if (!b->run) return WN_OK;
    for (int32_t l = 0; l < lists->n_lists; l++) {
        longest = wni_max(longest, lists->start[l + 1] - lists->start[l]);
        shortest = wni_min(shortest, lists->start[l + 1] - lists->start[l]);
    }
    WNI_TRY(wni_record_int(b->run, "lists", lists->n_lists));
    WNI_TRY(wni_record_int(b->run, "rows_in_longest_list", longest));
    WNI_TRY(wni_record_int(b->run, "rows_in_shortest_list", shortest));
done:
    return st;
}

static wn_status build(wn_ctx *ctx, const wni_index_build *b)
{
    const wn_index_ivf_params *p = b->params;
    const int64_t n = wn_pool_rows(b->rows), d = wn_pool_dim(b->rows);
    const wni_lists_params lp = lists_params(p, n);
    const wni_code_params code = wni_code_params_of(p);
    wni_npy_writer *writer = NULL;
    wni_lists lists = {0};
    int64_t *order = NULL;
    wn_status st = WN_OK;

    WNI_TRY(check_rows(ctx, n));
    WNI_TRY(wni_lists_make(ctx, b->rows, &lp, &lists));
    WNI_TRY(record(b, &lists));
    WNI_TRY(wni_build_writer(b, "centers.npy", "<f4", 4, lists.n_lists, d, &writer));
    for (int32_t l = 0; l < lists.n_lists; l++)
        WNI_TRY(wni_npy_writer_add(writer, 1, wni_mat_row(&lists.centers, l)));
    st = wni_npy_writer_end(writer, 1);
    writer = NULL;
    if (st != WN_OK) goto done;
    WNI_TRY(wni_build_npy(b, "list_start.npy", "<i8", 8, (int64_t[]){lists.n_lists + 1}, 1,
                          lists.start));
    WNI_TRY(wni_build_npy(b, "list_rows.npy", "<i4", 4, &n, 1, lists.order));
    WNI_NEW(ctx, order, n);
    for (int64_t i = 0; i < n; i++)
        order[i] = lists.order[i];
    wni_lists_free(ctx, &lists);
    WNI_TRY(wni_code_build(ctx, b, &code, order, n));
done:
    if (writer) (void)wni_npy_writer_end(writer, 0);
    wni_lists_free(ctx, &lists);
    wni_free(ctx, order);
    return st;
}

/* ---- opening ---------------------------------------------------------------------------------------------------- */

wn_status wni_open_centers(wn_ctx *ctx, const wn_index *index, const wni_segment *s, wni_mat *out,
                           int *own)
{
    const int64_t d = index->d, ld = wni_ld(d);
    int64_t shape[2];
    const void *data;
    const float *from;
    wn_status st = WN_OK;

    *own = 0;
    WNI_TRY(wni_segment_array(ctx, index, s, "centers.npy", "<f4", 2, shape, &data));
    if (shape[0] < 1 || shape[0] > SLOTS_MAX || shape[1] != d)
        return wni_segment_damaged(ctx, index, s, "centers.npy", "its shape does not fit");
    for (int64_t i = 0; i < shape[0]; i++) {
        from = (const float *)data + i * d;
        if (i % 65536 == 0) WNI_TRY(wni_poll(ctx));
        for (int64_t j = 0; j < d; j++)
            if (!isfinite(from[j]))
                return wni_segment_damaged(ctx, index, s, "centers.npy", "a centre is no point");
    }
    if (d == ld) {
        /* Nothing writes to it. */
        memcpy(&out->v, &data, sizeof data);
        out->n = shape[0];
        out->d = d;
        out->ld = ld;
        goto done;
    }
    WNI_TRY(wni_mat_new(ctx, shape[0], d, out));
    *own = 1;
    for (int64_t i = 0; i < shape[0]; i++)
        memcpy(wni_mat_row(out, i), (const float *)data + i * d, (size_t)d * sizeof(float));
done:
    return st;
}

static void close_segment(wn_ctx *ctx, wni_segment *s)
{
    wni_ivf *v = s->state;

    if (!v) return;
    wni_code_free(ctx, v->code);
    if (v->own) wni_mat_free(ctx, &v->centers);
    wni_free(ctx, v->half);
    wni_free(ctx, v);
    s->state = NULL;
}

/* Nothing that is read later may lead out of an array. */
static wn_status check(wn_ctx *ctx, const wn_index *index, const wni_segment *s, wni_ivf *v)
{
    for (int64_t l = 0; l < v->lists; l++) {
        if (v->start[l + 1] < v->start[l] || v->start[l + 1] > s->n)
            return wni_segment_damaged(ctx, index, s, "list_start.npy",
                                       "a list ends before it starts");
        v->longest = wni_max(v->longest, v->start[l + 1] - v->start[l]);
    }
    if (v->start[0] != 0 || v->start[v->lists] != s->n)
        return wni_segment_damaged(ctx, index, s, "list_start.npy", "it does not hold all rows");
    for (int64_t i = 0; i < s->n; i++)
        if (v->rows[i] < 0 || v->rows[i] >= s->n)
            return wni_segment_damaged(ctx, index, s, "list_rows.npy", "a row is not there");
    return WN_OK;
}

static wn_status open_segment(wn_ctx *ctx, const wn_index *index, wni_segment *s)
{
    const wni_code_params code = wni_code_params_of(index->params);
    int64_t starts, rows;
    wni_ivf *v;
    wn_status st = WN_OK;

    if (!(v = wni_calloc(ctx, 1, sizeof *v))) return WN_E_NOMEM;
    s->state = v;
    v->n = s->n;
    WNI_TRY(wni_open_centers(ctx, index, s, &v->centers, &v->own));
    WNI_TRY(wni_segment_array(ctx, index, s, "list_start.npy", "<i8", 1, &starts,
                              (const void **)&v->start));
    WNI_TRY(wni_segment_array(ctx, index, s, "list_rows.npy", "<i4", 1, &rows,
                              (const void **)&v->rows));
    v->lists = v->centers.n;
    if (starts != v->lists + 1 || rows != s->n) {
        st = wni_segment_damaged(ctx, index, s, "list_start.npy", "it does not fit centers.npy");
        goto done;
    }
    WNI_TRY(check(ctx, index, s, v));
    WNI_NEW(ctx, v->half, v->lists);
    WNI_TRY(wni_mat_half_norms(ctx, &v->centers, v->half));
    WNI_TRY(wni_code_open(ctx, index, s, &code, &v->code));
done:
    if (st != WN_OK) close_segment(ctx, s);
    return st;
}

static void effort(const wn_index *index, const wni_segment *s, int64_t k, int64_t *low,
                   int64_t *high)
{
    const wni_ivf *v = s->state;

    (void)index;
    *low = wni_min(wni_min(2 * k, v->n) / wni_max(v->n / v->lists, 1) + 1, v->lists);
    *high = v->lists;
}

static const wni_index_kind kind = {
    .estimate = estimate,
    .build = build,
    .open = open_segment,
    .close = close_segment,
    .search = wni_ivf_search,
    .cost = wni_ivf_cost,
    .effort = effort,
    .place = wni_ivf_place,
};

const wn_method wni_method_index_ivf = {
    .family = "index",
    .name = "ivf",
    .summary = "lists of rows around the centres of a k-means; a search reads the nearest lists",
    .papers = "sivic2003 chen2021spann",
    .cost = "n d lists for the assignment; 12 bytes a row, the centres, a code at a time",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_ivf_params),
    .ops = &kind,
    .inputs = "pool table?",
};
