/* SPDX-License-Identifier: Apache-2.0
 *
 * Splitting the rows of one cell by k-means, again and again, until every part fits into a list.
 */
#include <string.h>

#include "base/rng.h"
#include "index/lists.h"

#define PARTS_MAX 256 /* of one split */
#define DEPTH_MAX \
    48 /* deeper, rows are cut by their numbers: a few at a time leave the others behind */

typedef struct split {
    wni_lists *lists;
    const wni_lists_params *params;
    const wn_pool *rows;
    int64_t *at;           /* rows of the pool `rows`, in the order of the lists */
    int64_t *copy;         /* of the same length */
    int32_t *labels;       /* of the same length */
    const int32_t *number; /* numbers of the rows; NULL = what is in `at` */
    int64_t first;         /* of the cell in lists->order */
} split;

static wn_status leaf(wn_ctx *ctx, const split *s, int64_t begin, int64_t count,
                      const float *center)
{
    int32_t *order = s->lists->order + s->first + begin;

    for (int64_t i = 0; i < count; i++)
        order[i] = s->number ? s->number[s->at[begin + i]] : (int32_t)s->at[begin + i];
    return wni_lists_add(ctx, s->lists, s->first + begin, count, center);
}

/* Lists of equal length, in order of the rows, all with one centre. */
static wn_status cut(wn_ctx *ctx, const split *s, int64_t begin, int64_t count, const float *center)
{
    const int64_t parts = (count + s->params->longest - 1) / s->params->longest;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < parts && st == WN_OK; i++) {
        const int64_t from = count / parts * i + wni_min(i, count % parts);

        st = leaf(ctx, s, begin + from, count / parts + (i < count % parts), center);
    }
    return st;
}

/* Labels of the rows begin..begin + count, and the centres of the parts. */
static wn_status label(wn_ctx *ctx, const split *s, int64_t begin, int64_t count, int64_t k,
                       int32_t depth, float **centers)
{
    const wni_lists_params *p = s->params;
    const int64_t m = wni_min(count, p->sample * k);
    const uint64_t stream = wni_stream("lists split", depth, begin);
    const uint64_t seed = wni_rand_u64(p->seed, stream, (uint64_t)s->first);
    int64_t *rows = NULL;
    wn_pool *all = NULL;
    wn_status st = WN_OK;

    if (m == count)
        return wni_lists_kmeans(ctx, s->rows, s->at + begin, count, k, p->max_iter, seed, centers,
                                s->labels + begin);
    WNI_NEW(ctx, rows, m);
    WNI_TRY(wni_rand_subset(ctx, seed, stream, count, m, rows));
    for (int64_t i = 0; i < m; i++)
        rows[i] = s->at[begin + rows[i]];
    WNI_TRY(wni_lists_kmeans(ctx, s->rows, rows, m, k, p->max_iter, seed, centers, NULL));
    WNI_TRY(wn_pool_view(ctx, s->rows, s->at + begin, count, &all));
    WNI_TRY(wni_lists_assign(ctx, all, *centers, k, s->labels + begin));
done:
    wni_free(ctx, rows);
    wn_pool_free(all);
    return st;
}

static wn_status part(wn_ctx *ctx, const split *s, int64_t begin, int64_t count,
                      const float *center, int32_t depth)
{
    const wni_lists_params *p = s->params;
    const int64_t d = wn_pool_dim(s->rows);
    int64_t size[PARTS_MAX + 1] = {0}, k, most = 0;
    float *centers = NULL;
    wn_status st = WN_OK;

    if (count <= p->longest) return leaf(ctx, s, begin, count, center);
    if (depth == DEPTH_MAX) return cut(ctx, s, begin, count, center);
    k = wni_max(2, wni_min(PARTS_MAX, (count + p->target / 2) / p->target));
    WNI_TRY(label(ctx, s, begin, count, k, depth, &centers));
    for (int64_t i = begin; i < begin + count; i++)
        size[s->labels[i] + 1]++;
    for (int64_t j = 0; j < k; j++)
        most = wni_max(most, size[j + 1]);
    if (most == count) {
        st = cut(ctx, s, begin, count, center);
        goto done;
    }
    for (int64_t j = 0; j < k; j++)
        size[j + 1] += size[j];
    memcpy(s->copy, s->at + begin, (size_t)count * sizeof *s->at);
    for (int64_t i = 0; i < count; i++)
        s->at[begin + size[s->labels[begin + i]]++] = s->copy[i];
    /* size[j] is now where part j ends. */
    for (int64_t j = 0, from = 0; j < k; from = size[j++])
        if (size[j] > from)
            WNI_TRY(part(ctx, s, begin + from, size[j] - from, centers + j * d, depth + 1));
done:
    wni_free(ctx, centers);
    return st;
}

wn_status wni_lists_split(wn_ctx *ctx, wni_lists *lists, const wni_lists_params *params,
                          const wn_pool *rows, int whole, int64_t first, int64_t count,
                          const float *center)
{
    split s = {.lists = lists, .params = params, .rows = rows, .first = first};
    int32_t *number = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, s.at, count);
    WNI_NEW(ctx, s.copy, count);
    WNI_NEW(ctx, s.labels, count);
    if (!whole) {
        WNI_NEW(ctx, number, count);
        memcpy(number, lists->order + first, (size_t)count * sizeof *number);
        s.number = number;
    }
    for (int64_t i = 0; i < count; i++)
        s.at[i] = whole ? lists->order[first + i] : i;
    WNI_TRY(part(ctx, &s, 0, count, center, 0));
done:
    wni_free(ctx, s.at);
    wni_free(ctx, s.copy);
    wni_free(ctx, s.labels);
    wni_free(ctx, number);
    return st;
}
