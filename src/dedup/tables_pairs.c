/* SPDX-License-Identifier: Apache-2.0
 *
 * Pairs of tables of which one may hold the other: by names of columns, then by counts and ranges of values.
 * Both tests only ever drop pairs that no comparison of rows would keep.
 */
#include <string.h>

#include "dedup/tables_impl.h"

static wn_status add_pair(wni_tables *t, int32_t child, int32_t parent)
{
    if (t->pairs == t->pairs_room) {
        int64_t wider = t->pairs_room * 2 + 64;
        wni_table_pair *pair;
        wn_status st = wni_budget_need(t->ctx, wider * (int64_t)sizeof *pair, "dedup tables");

        if (st != WN_OK) return st;
        pair = wni_grow(t->ctx, t->pair, t->pairs, wider, sizeof *pair);
        if (!pair) return WN_E_NOMEM;
        t->pair = pair;
        t->pairs_room = wider;
    }
    t->pair[t->pairs++] = (wni_table_pair){child, parent, 0};
    return WN_OK;
}

/* ---- ranges -------------------------------------------------------------------------------------- */

/* Could the values of column c, of `rows` rows, all be among those of p? */
static int column_fits(const wni_table_column *c, int64_t c_rows, const wni_table_column *p,
                       int64_t p_rows, int multiset)
{
    int64_t c_nulls = c_rows - c->numbers - c->texts, p_nulls = p_rows - p->numbers - p->texts;

    if ((c_nulls && !p_nulls) || (c->numbers && !p->numbers) || (c->texts && !p->texts)) return 0;
    if (multiset && (c_nulls > p_nulls || c->numbers > p->numbers || c->texts > p->texts)) return 0;
    if (c->numbers && (c->low < p->low || c->high > p->high)) return 0;
    return !c->texts || (memcmp(c->first, p->first, WNI_TEXT_START) >= 0 &&
                         memcmp(c->last, p->last, WNI_TEXT_START) <= 0);
}

static int ranges_fit(const wni_tables *t, const wni_data_table *child,
                      const wni_data_table *parent, const int32_t *at)
{
    int multiset = t->params.compare == WN_TABLES_MULTISET;

    if (multiset && (double)parent->rows < t->params.min_containment * (double)child->rows)
        return 0;
    /* One row outside the range is no matter where a share of the rows is enough. */
    if (t->params.min_containment < 1) return 1;
    for (int32_t i = 0; i < child->columns; i++)
        if (!column_fits(&child->column[child->order[i]], child->rows, &parent->column[at[i]],
                         parent->rows, multiset))
            return 0;
    return 1;
}

/* ---- pairs --------------------------------------------------------------------------------------- */

/* Which schemas hold all columns of the child: `any` table of each stands for it. */
static void compare_schemas(const wni_tables *t, const wni_data_table *child, const int32_t *any,
                            int32_t *at, uint8_t *holds)
{
    for (int32_t s = 0; s < t->schemas; s++)
        holds[s] = (uint8_t)wni_table_places(child, &t->table[any[s]], at);
}

wn_status wni_tables_pair_up(wni_tables *t)
{
    int32_t *at = NULL, *any = NULL, widest = 0;
    uint8_t *holds = NULL;
    wn_status st = WN_OK;

    for (int32_t i = 0; i < t->n; i++)
        widest = (int32_t)wni_max(widest, t->table[i].columns);
    WNI_NEW(t->ctx, at, widest);
    WNI_NEW(t->ctx, any, t->schemas);
    WNI_NEW(t->ctx, holds, t->schemas);
    for (int32_t i = 0; i < t->n; i++)
        any[t->table[i].schema] = i;
    for (int32_t c = 0; c < t->n; c++) {
        const wni_data_table *child = &t->table[c];

        WNI_TRY(wni_poll(t->ctx));
        if (child->rows == 0 || child->columns == 0) continue;
        compare_schemas(t, child, any, at, holds);
        for (int32_t p = 0; p < t->n; p++) {
            const wni_data_table *parent = &t->table[p];

            if (p == c || parent->rows == 0 || !holds[parent->schema]) continue;
            t->after_columns++;
            wni_table_places(child, parent, at);
            if (ranges_fit(t, child, parent, at)) WNI_TRY(add_pair(t, c, p));
        }
    }
    t->after_ranges = t->pairs;
done:
    wni_free(t->ctx, at);
    wni_free(t->ctx, any);
    wni_free(t->ctx, holds);
    return st;
}
