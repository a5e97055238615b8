/* SPDX-License-Identifier: Apache-2.0
 *
 * All rows of the pairs that are left, one set of columns at a time: the rows of every table concerned, reduced
 * to these columns, are sorted by their hashes, so that equal rows of all tables stand together.
 */
#include <stdlib.h>
#include <string.h>

#include "dedup/tables_impl.h"
#include "io/scratch.h"

#define BATCH      256
#define TABLE_BITS 20 /* of an entry's row; the other 43 are of the hash: 107 bits together */

typedef struct counter {
    wni_tables *t;
    int64_t *first_pair; /* (n + 1) pairs by child */
    int64_t *count;      /* (n) rows of the run at hand, zero between runs */
    int32_t *met;        /* (n) tables of the run */
    uint8_t *part;       /* (n) the table takes part in the group */
    int32_t *at;         /* (columns) places of the group's columns in a table */
    int64_t work;
    int32_t schema; /* of the group's children; its other tables are parents only */
} counter;

/* ---- filling ------------------------------------------------------------------------------------- */

typedef struct filler {
    wni_spill *spill;
    const int32_t *at;
    int32_t columns, table;
    int32_t held;
    wni_keyed batch[BATCH];
} filler;

static wn_status flush(filler *f)
{
    wn_status st = wni_spill_add(f->spill, f->batch, f->held);

    f->held = 0;
    return st;
}

static wn_status fill_row(void *user, int64_t row, const wni_row_hash *cells)
{
    filler *f = user;
    wni_row_hash sum = wni_row_sum(cells, f->at, f->columns);

    (void)row;
    f->batch[f->held++] = (wni_keyed){
        sum.low, (int64_t)(sum.high >> (TABLE_BITS + 1) << TABLE_BITS | (uint64_t)f->table)};
    return f->held == BATCH ? flush(f) : WN_OK;
}

static wn_status fill(counter *c, int32_t child, wni_spill *spill)
{
    wni_tables *t = c->t;
    filler f = {.spill = spill, .at = c->at, .columns = t->table[child].columns};
    wn_status st = WN_OK;

    for (int32_t i = 0; i < t->n; i++) {
        if (!c->part[i]) continue;
        wni_progress(t->ctx, "comparing tables", i, t->n);
        wni_table_places(&t->table[child], &t->table[i], c->at);
        f.table = i;
        WNI_TRY(wni_table_rows(t, i, fill_row, &f));
        WNI_TRY(flush(&f));
    }
done:
    return st;
}

/* ---- counting ------------------------------------------------------------------------------------ */

/* Rows [begin, end) are one row in several tables, or several times in one. */
static wn_status count_run(counter *c, const wni_keyed *v, int64_t begin, int64_t end)
{
    wni_tables *t = c->t;
    int32_t met = 0;

    for (int64_t i = begin; i < end; i++) {
        int32_t table = (int32_t)(v[i].row & (((int64_t)1 << TABLE_BITS) - 1));
        if (c->count[table]++ == 0) c->met[met++] = table;
    }
    for (int32_t m = 0; m < met; m++) {
        int32_t child = c->met[m];
        int64_t mine = c->count[child];

        if (t->table[child].schema != c->schema) continue;
        for (int64_t i = c->first_pair[child]; i < c->first_pair[child + 1]; i++) {
            int64_t theirs = c->count[t->pair[i].parent];
            if (t->params.compare == WN_TABLES_SET) theirs = theirs > 0 ? mine : 0;
            t->pair[i].contained += wni_min(mine, theirs);
        }
        c->work += 1 + c->first_pair[child + 1] - c->first_pair[child];
    }
    for (int32_t m = 0; m < met; m++)
        c->count[c->met[m]] = 0;
    if (c->work < 65536) return WN_OK;
    c->work = 0;
    return wni_poll(t->ctx);
}

static wn_status count_all(counter *c, wni_spill *spill)
{
    wni_keyed *v;
    int64_t n;
    wn_status st;

    for (;;) {
        WNI_TRY(wni_spill_next(spill, &v, &n));
        if (!v) return WN_OK;
        for (int64_t i = 0, j; i < n; i = j) {
            for (j = i + 1;
                 j < n && v[j].key == v[i].key && v[j].row >> TABLE_BITS == v[i].row >> TABLE_BITS;)
                j++;
            WNI_TRY(count_run(c, v, i, j));
        }
    }
done:
    return st;
}

/* ---- groups -------------------------------------------------------------------------------------- */

/* The pairs whose children have the columns of this schema. */
static wn_status compare_group(counter *c, int32_t schema)
{
    wni_tables *t = c->t;
    int64_t rows = 0, memory = wni_budget_left(t->ctx) / 2;
    int32_t child = -1;
    wni_spill *spill = NULL;
    wn_status st;

    c->schema = schema;
    memset(c->part, 0, (size_t)t->n);
    for (int64_t i = 0; i < t->pairs; i++) {
        if (t->table[t->pair[i].child].schema != schema) continue;
        child = t->pair[i].child;
        c->part[child] = c->part[t->pair[i].parent] = 1;
    }
    if (child < 0) return WN_OK;
    for (int32_t i = 0; i < t->n; i++)
        if (c->part[i]) rows += t->table[i].rows;
    WNI_TRY(wni_budget_need(
        t->ctx, t->scratch ? wni_spill_bytes(rows, memory) : rows * (int64_t)sizeof(wni_keyed),
        "dedup tables: the rows of tables that share columns"));
    WNI_TRY(wni_spill_new(t->ctx, t->scratch, rows, memory, &spill));
    WNI_TRY(fill(c, child, spill));
    WNI_TRY(count_all(c, spill));
done:
    wni_spill_free(spill);
    return st;
}

wn_status wni_tables_compare(wni_tables *t)
{
    counter c = {.t = t};
    uint8_t *wanted = NULL; /* (schemas) some child has it */
    int32_t widest = 0;
    int64_t kept = 0;
    wn_status st;

    for (int32_t i = 0; i < t->n; i++)
        widest = (int32_t)wni_max(widest, t->table[i].columns);
    WNI_NEW0(t->ctx, c.first_pair, t->n + 1);
    WNI_NEW0(t->ctx, c.count, t->n);
    WNI_NEW(t->ctx, c.met, t->n);
    WNI_NEW(t->ctx, c.part, t->n);
    WNI_NEW(t->ctx, c.at, widest);
    WNI_NEW0(t->ctx, wanted, t->schemas);
    for (int64_t i = 0; i < t->pairs; i++) {
        c.first_pair[t->pair[i].child + 1]++;
        wanted[t->table[t->pair[i].child].schema] = 1;
    }
    for (int32_t i = 0; i < t->n; i++)
        c.first_pair[i + 1] += c.first_pair[i];
    for (int32_t s = 0; s < t->schemas; s++)
        if (wanted[s]) WNI_TRY(compare_group(&c, s));
    for (int64_t i = 0; i < t->pairs; i++) {
        double need = t->params.min_containment * (double)t->table[t->pair[i].child].rows;
        if ((double)t->pair[i].contained >= need) t->pair[kept++] = t->pair[i];
    }
    t->pairs = kept;
    st = WN_OK;
done:
    wni_free(t->ctx, c.first_pair);
    wni_free(t->ctx, c.count);
    wni_free(t->ctx, c.met);
    wni_free(t->ctx, c.part);
    wni_free(t->ctx, c.at);
    wni_free(t->ctx, wanted);
    return st;
}
