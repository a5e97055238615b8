/* SPDX-License-Identifier: Apache-2.0
 *
 * Deleting rows: a bit each. What they take is given back by compact.
 */
#include <stdlib.h>
#include <string.h>

#include "base/param.h"
#include "index/index_build.h"
#include "pool/inputs.h"

WN_PARAM_TABLE(wn_index_delete_params, WN_INDEX_DELETE_PARAMS);

static int64_t find(const int64_t *ids, int64_t n, int64_t id)
{
    int64_t low = 0, high = n;

    while (low < high) {
        int64_t mid = low + (high - low) / 2;
        if (ids[mid] < id)
            low = mid + 1;
        else
            high = mid;
    }
    return low < n && ids[low] == id ? low : -1;
}

/* The deleted rows of a segment with those of ids (n, ascending) that it has; seen (n) says which were found. */
static wn_status mark(wn_ctx *ctx, const wni_segment *s, const int64_t *ids, int64_t n,
                      uint8_t *seen, uint64_t **dead, int64_t *n_dead)
{
    const int64_t words = (s->n + 63) / 64;
    wn_status st = WN_OK;

    *n_dead = s->n_dead;
    WNI_NEW0(ctx, *dead, words);
    if (s->dead) memcpy(*dead, s->dead, (size_t)words * sizeof **dead);
    for (int64_t i = 0; i < s->n; i++) {
        int64_t at;
        if (wni_bit(*dead, i) || (at = find(ids, n, wni_segment_id(s, i))) < 0) continue;
        seen[at] = 1;
        (*dead)[i >> 6] |= (uint64_t)1 << (i & 63);
        (*n_dead)++;
    }
done:
    return st;
}

static wn_status check_seen(wni_run *run, const int64_t *ids, const uint8_t *seen, int64_t n)
{
    int64_t missing = 0, first = -1;

    for (int64_t i = 0; i < n; i++)
        if (!seen[i]) {
            if (missing == 0) first = ids[i];
            missing++;
        }
    if (missing == 0) return WN_OK;
    if (((const wn_index_delete_params *)run->params)->missing_ok)
        return wni_record_int(run, "ids_missing", missing);
    return wni_fail(run->ctx, WN_E_DATA,
                    "%s: id %lld is not in the index (%lld such ids); leave it out, or give "
                    "--missing-ok",
                    run->input(run, "rows"), (long long)first, (long long)missing);
}

static wn_status delete_run(wni_run *run)
{
    json_t *segments = json_array(), *segment;
    wn_index *index = NULL;
    int64_t *ids = NULL, n = 0, deleted = 0;
    uint64_t *dead = NULL;
    uint8_t *seen = NULL;
    wni_index_head head;
    wn_status st;

    WNI_TRY(wni_index_open_input(run, &index, &head));
    WNI_TRY(wni_run_rows(run, "rows", INT64_MAX, &ids, &n));
    if (run->plan) goto done;
    WNI_NEW0(run->ctx, seen, n);
    for (int32_t i = 0; i < index->n_segments; i++) {
        const wni_segment *s = &index->segment[i];
        int64_t n_dead;
        WNI_TRY(mark(run->ctx, s, ids, n, seen, &dead, &n_dead));
        deleted += n_dead - s->n_dead;
        if (n_dead < s->n) { /* a segment of which nothing is left goes */
            WNI_TRY(wni_segment_carry(run->ctx, run->out, index, i, dead, n_dead, &segment));
            WNI_TRY(wni_segments_append(run->ctx, segments, segment));
        }
        wni_free(run->ctx, dead);
        dead = NULL;
    }
    WNI_TRY(check_seen(run, ids, seen, n));
    WNI_TRY(wni_record_int(run, "rows_now_deleted", deleted));
    WNI_TRY(wni_index_finish(run, &head, segments, 0));
done:
    json_decref(segments);
    wn_index_free(index);
    wni_free(run->ctx, ids);
    wni_free(run->ctx, dead);
    wni_free(run->ctx, seen);
    return st;
}

const wn_method wni_method_index_delete = {
    .family = "index",
    .name = "delete",
    .summary = "delete rows from an index by their ids",
    .papers = "",
    .cost = "a bit a row; the files stay until `index compact`",
    .flags = WN_METHOD_EXACT | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC | WN_METHOD_UPDATES,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_delete_params),
    .inputs = "@index @rows",
    .run = (const void *)delete_run,
};
