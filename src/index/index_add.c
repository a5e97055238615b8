/* SPDX-License-Identifier: Apache-2.0
 *
 * Adding rows to an index.
 */
#include <stdlib.h>
#include <string.h>

#include "base/param.h"
#include "index/index_build.h"
#include "pool/inputs.h"

WN_PARAM_TABLE(wn_index_add_params, WN_INDEX_ADD_PARAMS);

#define ID_MAX ((int64_t)1 << 62)

static int by_value(const void *a, const void *b)
{
    const int64_t x = *(const int64_t *)a, y = *(const int64_t *)b;

    return (x > y) - (x < y);
}

/* Ids of the user's: whole numbers from 0, each once and not in the index. */
static wn_status check_ids(wni_run *run, const wn_index *index, const int64_t *ids, int64_t n,
                           int64_t rows)
{
    const char *path = run->input(run, "ids");
    int64_t *sorted = NULL;
    wn_status st = WN_OK;

    if (n != rows)
        return wni_fail(run->ctx, WN_E_DATA, "%s: found %lld ids for %lld rows", path, (long long)n,
                        (long long)rows);
    WNI_NEW(run->ctx, sorted, n);
    memcpy(sorted, ids, (size_t)n * sizeof *ids);
    qsort(sorted, (size_t)n, sizeof *sorted, by_value);
    for (int64_t i = 0; i < n; i++)
        if (sorted[i] > ID_MAX) {
            st = wni_fail(run->ctx, WN_E_DATA, "%s: id %lld is too large, at most %lld", path,
                          (long long)sorted[i], (long long)ID_MAX);
            goto done;
        } else if (sorted[i] < 0 || (i && sorted[i] == sorted[i - 1])) {
            st = wni_fail(run->ctx, WN_E_DATA, "%s: id %lld is %s", path, (long long)sorted[i],
                          sorted[i] < 0 ? "negative" : "there twice");
            goto done;
        }
    for (int32_t s = 0; s < index->n_segments; s++)
        for (int64_t i = 0; i < index->segment[s].n; i++) {
            const wni_segment *seg = &index->segment[s];
            int64_t id = wni_segment_id(seg, i);
            if (seg->dead && wni_bit(seg->dead, i)) continue;
            if (!bsearch(&id, sorted, (size_t)n, sizeof id, by_value)) continue;
            st = wni_fail(run->ctx, WN_E_DATA,
                          "%s: id %lld is in the index already; delete it first, or give another",
                          path, (long long)id);
            goto done;
        }
done:
    wni_free(run->ctx, sorted);
    return st;
}

/* How many of the last segments go together with `rows` new ones: those that are not twice as large as all
 * behind them. Those of another element type stay. */
static int32_t joined(const wn_index *index, const wn_pool *pool, int64_t rows)
{
    int32_t first = index->n_segments;

    while (first > 0) {
        const wni_segment *s = &index->segment[first - 1];
        const int64_t alive = s->n - s->n_dead;

        if (wn_pool_dtype(s->rows) != wn_pool_dtype(pool) || alive >= 2 * rows) break;
        rows += alive;
        first--;
    }
    return first;
}

static wn_status add_segments(wni_run *run, const wn_index *index, wni_index_head *head,
                              wni_source *added, int32_t first, json_t *segments)
{
    const int32_t n = index->n_segments - first;
    wni_source *sources = NULL;
    wni_live *alive = NULL;
    json_t *segment;
    wn_status st = WN_OK;
    int32_t used = 0;

    WNI_NEW0(run->ctx, alive, n);
    WNI_NEW0(run->ctx, sources, n + 1);
    for (int32_t i = 0; i < first; i++) {
        const wni_segment *s = &index->segment[i];
        WNI_TRY(wni_segment_carry(run->ctx, run->out, index, i, s->dead, s->n_dead, &segment));
        WNI_TRY(wni_segments_append(run->ctx, segments, segment));
    }
    for (int32_t i = 0; i < n; i++) {
        WNI_TRY(wni_segment_check_rows(run->ctx, index, &index->segment[first + i]));
        WNI_TRY(wni_live_of(run->ctx, &index->segment[first + i], &alive[i]));
        if (alive[i].n)
            sources[used++] = (wni_source){.rows = alive[i].view,
                                           .ids = alive[i].ids,
                                           .table = index->segment[first + i].table_path,
                                           .table_rows = alive[i].rows};
    }
    sources[used++] = *added;
    WNI_TRY(wni_segment_write(run->ctx, run->out, head, head->next_segment, sources, used, run,
                              &segment));
    head->next_segment++;
    WNI_TRY(wni_segments_append(run->ctx, segments, segment));
done:
    for (int32_t i = 0; alive && i < n; i++)
        wni_live_free(run->ctx, &alive[i]);
    wni_free(run->ctx, alive);
    wni_free(run->ctx, sources);
    return st;
}

static wn_status check_added(wni_run *run, const wn_index *index, const wn_pool *pool)
{
    const char *path = run->input(run, "index");
    const bool table = run->input(run, "table") != NULL;

    if (wn_pool_dim(pool) != index->d)
        return wni_fail(run->ctx, WN_E_DATA,
                        "index add: the rows have %lld columns, the index %s has %lld",
                        (long long)wn_pool_dim(pool), path, (long long)index->d);
    if (wn_pool_rows(pool) == 0)
        return wni_fail(run->ctx, WN_E_DATA, "index add: there are no rows to add");
    if (table != (bool)index->has_table)
        return wni_fail(run->ctx, WN_E_USAGE, "index add: the index %s has %s table; %s --table",
                        path, table ? "no" : "a", table ? "leave out" : "give the new rows'");
    return WN_OK;
}

static wn_status add_run(wni_run *run)
{
    const wn_index_add_params *p = run->params;
    wni_source added = {0};
    wni_index_head head;
    json_t *segments = json_array();
    wn_index *index = NULL;
    wn_pool *pool = NULL;
    int64_t *ids = NULL, n_ids = 0, n;
    const wni_index_kind *kind;
    bool largest = true;
    int32_t first;
    wn_status st;

    WNI_TRY(wni_index_open_input(run, &index, &head));
    WNI_TRY(wn_pool_with_metric(run->ctx, run->pool, index->metric, &pool));
    WNI_TRY(check_added(run, index, pool));
    n = wn_pool_rows(pool);
    kind = index->method->ops;
    WNI_TRY(kind->estimate(run->ctx, pool, index->params, &run->estimate));
    if (run->plan) goto done;
    WNI_TRY(wni_index_check_rows(run->ctx, pool, "index add"));
    WNI_TRY(wni_run_ints(run, "ids", &ids, &n_ids));
    if (ids) WNI_TRY(check_ids(run, index, ids, n_ids, n));
    added = (wni_source){.rows = pool, .ids = ids, .first_id = index->next_id};
    WNI_TRY(wni_index_build_table(run, n, index->n_segments ? index->segment[0].table_path : NULL,
                                  &added.table));
    head.next_id += ids ? 0 : n;
    for (int64_t i = 0; ids && i < n; i++)
        head.next_id = wni_max(head.next_id, ids[i] + 1);
    first = p->merge ? joined(index, pool, n) : index->n_segments;
    WNI_TRY(add_segments(run, index, &head, &added, first, segments));
    if (added.table) WNI_TRY(wni_out_remove(run->out, "table.sqlite"));
    WNI_TRY(wni_record_int(run, "rows_added", n));
    WNI_TRY(wni_record_int(run, "first_id", ids ? ids[0] : index->next_id));
    for (int32_t i = 0; i < index->n_segments; i++)
        largest = largest && n >= index->segment[i].n;
    /* What an effort gives is what it gives in the largest segment. */
    WNI_TRY(wni_index_finish(run, &head, segments, first == 0 || largest || !index->n_marks));
done:
    json_decref(segments);
    wn_pool_free(pool);
    wn_index_free(index);
    wni_free(run->ctx, ids);
    return st;
}

const wn_method wni_method_index_add = {
    .family = "index",
    .name = "add",
    .summary = "add rows to an index: one segment more, nothing is made anew",
    .papers = "",
    .cost = "that of an index of the new rows; small segments are joined now and then",
    .flags = WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC | WN_METHOD_UPDATES,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_add_params),
    .inputs = "@index pool table? ids?",
    .run = (const void *)add_run,
};
