/* SPDX-License-Identifier: Apache-2.0
 *
 * What changing an index has in common. Add, delete and compact write a whole new folder, in which
 * the segments that stay are
 * links to the old files, and put it in the place of the old one in one step. Adding writes one segment more;
 * small ones are joined so that their number grows with the logarithm of the rows. Deleting marks bits;
 * compacting gives their space back.
 */
#include "index/index_build.h"
#include "io/memfolder.h"

wn_status wni_index_open_input(wni_run *run, wn_index **index, wni_index_head *head)
{
    const char *path = run->input(run, "index");
    wn_status st = wn_index_open(run->ctx, path, index);

    if (st != WN_OK) return st;
    wni_index_head_of(*index, head);
    if (run->out && wni_out_folder(run->out) && !wni_is_memory_path(path) && head->has_table)
        return wni_fail(run->ctx, WN_E_USAGE,
                        "%s: an index with a table cannot be kept in memory; give an output folder",
                        path);
    return WN_OK;
}

void wni_live_free(wn_ctx *ctx, wni_live *l)
{
    wn_pool_free(l->view);
    wni_free(ctx, l->rows);
    wni_free(ctx, l->ids);
}

wn_status wni_live_of(wn_ctx *ctx, const wni_segment *s, wni_live *l)
{
    wn_status st = WN_OK;

    WNI_NEW(ctx, l->rows, s->n);
    WNI_NEW(ctx, l->ids, s->n);
    for (int64_t i = 0; i < s->n; i++) {
        if (s->dead && wni_bit(s->dead, i)) continue;
        l->ids[l->n] = wni_segment_id(s, i);
        l->rows[l->n++] = i;
    }
    WNI_TRY(wn_pool_view(ctx, s->rows, l->rows, l->n, &l->view));
done:
    return st;
}

wn_status wni_segments_append(wn_ctx *ctx, json_t *segments, json_t *segment)
{
    return json_array_append_new(segments, segment) ? wni_nomem(ctx, 1) : WN_OK;
}

static wn_status record(wni_run *run, wni_out *out)
{
    wn_index_about about = {.struct_size = sizeof about};
    wn_index *index;
    wn_status st;

    WNI_TRY(wn_index_open(run->ctx, wni_index_out_dir(out), &index));
    wn_index_describe(index, &about);
    wn_index_free(index);
    WNI_TRY(wni_record_text(run, "kind", about.kind));
    WNI_TRY(wni_record_text(run, "code", about.code));
    WNI_TRY(wni_record_int(run, "rows", about.rows));
    WNI_TRY(wni_record_int(run, "dim", about.dim));
    WNI_TRY(wni_record_text(run, "metric", wn_metric_name(about.metric)));
    WNI_TRY(wni_record_int(run, "segments", about.segments));
    WNI_TRY(wni_record_int(run, "rows_deleted", about.deleted));
done:
    return st;
}

wn_status wni_index_finish(wni_run *run, const wni_index_head *head, const json_t *segments,
                           int calibrate)
{
    wn_status st;

    WNI_TRY(wni_index_write_head(run->out, head, segments, 0));
    if (calibrate) WNI_TRY(wni_index_calibrate(run->ctx, run->out, head, segments, run));
    WNI_TRY(record(run, run->out));
done:
    return st;
}
