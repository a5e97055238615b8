/* SPDX-License-Identifier: Apache-2.0
 *
 * Compacting: one segment out of all, without the deleted rows. Ids stay.
 */
#include "base/param.h"
#include "index/index_build.h"

WN_PARAM_TABLE(wn_index_compact_params, WN_INDEX_COMPACT_PARAMS);

/* One segment for each run of segments with the same element type. */
static wn_status compact_segments(wni_run *run, const wn_index *index, wni_index_head *head,
                                  json_t *segments)
{
    const int32_t n = index->n_segments;
    wni_source *sources = NULL;
    wni_live *alive = NULL;
    json_t *segment;
    int32_t used = 0;
    wn_status st = WN_OK;

    WNI_NEW0(run->ctx, alive, n);
    WNI_NEW0(run->ctx, sources, n);
    for (int32_t i = 0; i < n; i++) {
        const wni_segment *s = &index->segment[i];
        WNI_TRY(wni_segment_check_rows(run->ctx, index, s));
        WNI_TRY(wni_live_of(run->ctx, s, &alive[i]));
        if (alive[i].n)
            sources[used++] = (wni_source){.rows = alive[i].view,
                                           .ids = alive[i].ids,
                                           .table = s->table_path,
                                           .table_rows = alive[i].rows};
        if (used &&
            (i + 1 == n || wn_pool_dtype(index->segment[i + 1].rows) != wn_pool_dtype(s->rows))) {
            WNI_TRY(wni_segment_write(run->ctx, run->out, head, head->next_segment, sources, used,
                                      run, &segment));
            head->next_segment++;
            WNI_TRY(wni_segments_append(run->ctx, segments, segment));
            used = 0;
        }
    }
done:
    for (int32_t i = 0; alive && i < n; i++)
        wni_live_free(run->ctx, &alive[i]);
    wni_free(run->ctx, alive);
    wni_free(run->ctx, sources);
    return st;
}

static wn_status compact_run(wni_run *run)
{
    const wn_index_compact_params *p = run->params;
    json_t *segments = json_array();
    wn_index *index = NULL;
    wni_index_head head;
    int64_t deleted = 0;
    wn_status st;

    WNI_TRY(wni_index_open_input(run, &index, &head));
    for (int32_t i = 0; i < index->n_segments; i++)
        deleted += index->segment[i].n_dead;
    if (run->plan) goto done;
    WNI_TRY(compact_segments(run, index, &head, segments));
    if (p->calibrate) head.n_marks = 0;
    WNI_TRY(wni_record_int(run, "rows_given_back", deleted));
    WNI_TRY(wni_index_finish(run, &head, segments, p->calibrate));
done:
    json_decref(segments);
    wn_index_free(index);
    return st;
}

const wn_method wni_method_index_compact = {
    .family = "index",
    .name = "compact",
    .summary = "one segment out of all, without the deleted rows; ids stay",
    .papers = "",
    .cost = "that of making the index anew",
    .flags = WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC | WN_METHOD_UPDATES,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_compact_params),
    .inputs = "@index",
    .run = (const void *)compact_run,
};
