/* SPDX-License-Identifier: Apache-2.0
 *
 * The representatives as they are now: the best chain, and the picks that it leaves free.
 */
#include <string.h>

#include "select/representatives.h"

/* Picks that are still free go to the rows that add most; `bound` holds what each added when it was last
 * looked at, which is never less than what it adds now. */
static wn_status complete_picks(wn_representatives *r, uint16_t *best, int64_t *rows,
                                int64_t *count, int64_t *value)
{
    int64_t want = wni_min(r->p.size, r->live);
    uint32_t *bound = NULL;
    wn_status st = WN_OK;

    WNI_NEW(r->ctx, bound, r->places);
    for (int32_t s = 0; s < r->places; s++)
        bound[s] = r->row[s] < 0 ? 0 : r->table.single[s] + 1; /* 0 = not to be taken */
    for (int64_t i = 0; i < *count; i++)
        bound[r->slot[rows[i]]] = 0;
    while (*count < want) {
        int32_t top = -1;
        uint32_t gain;
        WNI_TRY(wni_poll(r->ctx));
        for (int32_t s = 0; s < r->places; s++)
            if (bound[s] && (top < 0 || bound[s] > bound[top] ||
                             (bound[s] == bound[top] && r->row[s] < r->row[top])))
                top = s;
        gain = wni_rep_gain(&r->table, best, top);
        if (gain + 1 < bound[top]) {
            bound[top] = gain + 1;
            continue;
        }
        *value = wni_rep_add(&r->table, best, top, best);
        rows[(*count)++] = r->row[top];
        bound[top] = 0;
    }
done:
    wni_free(r->ctx, bound);
    return st;
}

wn_status wn_representatives_current(wn_representatives *r, int complete, int64_t *rows,
                                     int64_t *count, double *value)
{
    const wni_rep_chain *best = NULL;
    uint16_t *covered = NULL;
    int64_t sum = 0;
    wn_status st = wni_rep_usable(r);

    if (st != WN_OK) return st;
    *count = 0;
    for (int32_t i = 0; i < r->n_active; i++) {
        const wni_rep_chain *c = r->chain[r->active[i]];
        if (!best || c->value[c->picks] > best->value[best->picks]) best = c;
    }
    WNI_NEW0(r->ctx, covered, r->table.ld);
    if (best) {
        for (int32_t i = 0; i < best->picks; i++)
            rows[(*count)++] = r->row[best->pick[i]];
        memcpy(covered, best->best + best->picks * r->table.ld,
               (size_t)r->table.ld * sizeof *covered);
        sum = best->value[best->picks];
    }
    if (complete) WNI_TRY(complete_picks(r, covered, rows, count, &sum));
    *value = (double)sum / ((double)wni_rep_unit(r) * (double)r->witness.n);
done:
    wni_free(r->ctx, covered);
    return st;
}
