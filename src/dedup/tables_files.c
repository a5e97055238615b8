/* SPDX-License-Identifier: Apache-2.0
 *
 * What dedup tables writes: the tables, who holds whom, and which files could go.
 */
#include <string.h>

#include "dedup/dedup_files.h"
#include "dedup/tables_impl.h"

static int is_exact(const wni_tables *t, const wni_table_pair *pair)
{
    return pair->contained == t->table[pair->child].rows;
}

/* The pair of these two, or NULL; pairs stand by child, then parent. */
static const wni_table_pair *find_pair(const wni_tables *t, int32_t child, int32_t parent)
{
    int64_t from = 0, to = t->pairs;

    while (from < to) {
        int64_t middle = from + (to - from) / 2;
        const wni_table_pair *p = &t->pair[middle];
        if (p->child < child || (p->child == child && p->parent < parent))
            from = middle + 1;
        else
            to = middle;
    }
    return from < t->pairs && t->pair[from].child == child && t->pair[from].parent == parent
               ? &t->pair[from]
               : NULL;
}

static int is_equal(const wni_tables *t, const wni_table_pair *pair)
{
    const wni_table_pair *back = find_pair(t, pair->parent, pair->child);

    return back && is_exact(t, pair) && is_exact(t, back);
}

/* ---- what could go ------------------------------------------------------------------------------- */

/* keep[i]: nothing holds table i but tables equal to it, all of which come later by name. Containment is
 * transitive, so that every other table is held by one of these. */
static void find_kept(const wni_tables *t, uint8_t *keep)
{
    memset(keep, 1, (size_t)t->n);
    for (int64_t i = 0; i < t->pairs; i++) {
        const wni_table_pair *pair = &t->pair[i];
        if (is_exact(t, pair) && (!is_equal(t, pair) || pair->parent < pair->child))
            keep[pair->child] = 0;
    }
}

/* source[i]: the smallest kept file that holds table i, -1 for a table that stays. */
static void find_sources(const wni_tables *t, const uint8_t *keep, int32_t *source)
{
    for (int32_t i = 0; i < t->n; i++)
        source[i] = -1;
    for (int64_t i = 0; i < t->pairs; i++) {
        const wni_table_pair *pair = &t->pair[i];
        int32_t *best = &source[pair->child];
        if (keep[pair->child] || !keep[pair->parent] || !is_exact(t, pair)) continue;
        if (*best < 0 || t->table[pair->parent].bytes < t->table[*best].bytes) *best = pair->parent;
    }
}

/* What is done to the source to have the table again. */
static const char *how(const wni_tables *t, int32_t child, int32_t parent)
{
    const wni_data_table *c = &t->table[child], *p = &t->table[parent];

    if (is_equal(t, find_pair(t, child, parent))) return "copy";
    if (c->schema == p->schema) return "rows";
    return t->params.compare == WN_TABLES_MULTISET && c->rows == p->rows ? "columns"
                                                                         : "rows of columns";
}

/* ---- files --------------------------------------------------------------------------------------- */

static wn_status put_line(wni_text_writer *writer, wni_str *line)
{
    wn_status st = line->st;

    if (st == WN_OK) st = wni_text_writer_add(writer, line->v, line->length);
    line->length = 0;
    return st;
}

static wn_status write_tables(wni_run *run, const wni_tables *t, wni_str *line)
{
    wni_text_writer *writer = NULL;
    wn_status st, end;

    WNI_TRY(wni_text_writer_new(run->out, "tables.csv", &writer));
    wni_str_add(line, "name,rows,columns,bytes\n");
    for (int32_t i = 0; i < t->n; i++) {
        WNI_TRY(put_line(writer, line));
        WNI_TRY(wni_poll(run->ctx));
        wni_dedup_add_csv(line, t->table[i].name);
        wni_str_addf(line, ",%lld,%d,%lld\n", (long long)t->table[i].rows, (int)t->table[i].columns,
                     (long long)t->table[i].bytes);
    }
    WNI_TRY(put_line(writer, line));
done:
    end = wni_text_writer_end(writer, st == WN_OK);
    return st != WN_OK ? st : end;
}

static wn_status write_containment(wni_run *run, const wni_tables *t, wni_str *line)
{
    wni_text_writer *writer = NULL;
    wn_status st, end;

    WNI_TRY(wni_text_writer_new(run->out, "containment.csv", &writer));
    wni_str_add(line, "child,parent,child_rows,parent_rows,contained_rows,share,exact\n");
    for (int64_t i = 0; i < t->pairs; i++) {
        const wni_table_pair *pair = &t->pair[i];
        const wni_data_table *c = &t->table[pair->child], *p = &t->table[pair->parent];

        WNI_TRY(put_line(writer, line));
        WNI_TRY(wni_poll(run->ctx));
        wni_dedup_add_csv(line, c->name);
        wni_str_add(line, ",");
        wni_dedup_add_csv(line, p->name);
        wni_str_addf(line, ",%lld,%lld,%lld,%.9g,%d\n", (long long)c->rows, (long long)p->rows,
                     (long long)pair->contained, (double)pair->contained / (double)c->rows,
                     is_exact(t, pair));
    }
    WNI_TRY(put_line(writer, line));
done:
    end = wni_text_writer_end(writer, st == WN_OK);
    return st != WN_OK ? st : end;
}

static wn_status write_suggestions(wni_run *run, const wni_tables *t, const int32_t *source,
                                   wni_str *line)
{
    wni_text_writer *writer = NULL;
    wn_status st, end;

    WNI_TRY(wni_text_writer_new(run->out, "suggestions.csv", &writer));
    wni_str_add(line, "delete,rebuild_from,how,bytes\n");
    for (int32_t i = 0; i < t->n; i++) {
        if (source[i] < 0) continue;
        WNI_TRY(put_line(writer, line));
        WNI_TRY(wni_poll(run->ctx));
        wni_dedup_add_csv(line, t->table[i].name);
        wni_str_add(line, ",");
        wni_dedup_add_csv(line, t->table[source[i]].name);
        wni_str_addf(line, ",%s,%lld\n", how(t, i, source[i]), (long long)t->table[i].bytes);
    }
    WNI_TRY(put_line(writer, line));
done:
    end = wni_text_writer_end(writer, st == WN_OK);
    return st != WN_OK ? st : end;
}

/* ---- the record ---------------------------------------------------------------------------------- */

static wn_status record(wni_run *run, const wni_tables *t, const int32_t *source)
{
    int64_t rows = 0, bytes = 0, empty = 0, exact = 0, go = 0, freed = 0;
    wn_status st;

    for (int32_t i = 0; i < t->n; i++) {
        rows += t->table[i].rows;
        bytes += t->table[i].bytes;
        empty += t->table[i].rows == 0 || t->table[i].columns == 0;
        go += source[i] >= 0;
        freed += source[i] >= 0 ? t->table[i].bytes : 0;
    }
    for (int64_t i = 0; i < t->pairs; i++)
        exact += is_exact(t, &t->pair[i]);
    WNI_TRY(wni_record_int(run, "tables", t->n));
    WNI_TRY(wni_record_int(run, "rows", rows));
    WNI_TRY(wni_record_int(run, "bytes", bytes));
    WNI_TRY(wni_record_int(run, "other_files", t->others));
    WNI_TRY(wni_record_int(run, "pairs_after_columns", t->after_columns));
    WNI_TRY(wni_record_int(run, "pairs_after_ranges", t->after_ranges));
    WNI_TRY(wni_record_int(run, "pairs_after_sample", t->after_sample));
    WNI_TRY(wni_record_int(run, "pairs_contained", exact));
    if (t->params.min_containment < 1) WNI_TRY(wni_record_int(run, "pairs_near", t->pairs - exact));
    WNI_TRY(wni_record_int(run, "tables_to_delete", go));
    WNI_TRY(wni_record_int(run, "bytes_to_delete", freed));
    if (empty)
        WNI_TRY(wni_record_warn(run, "tables without rows (%lld): compared with nothing, kept",
                                (long long)empty));
    if (t->links)
        WNI_TRY(wni_record_warn(run,
                                "links to tables are passed over (%lld); deleting a file that a "
                                "link points to breaks the link",
                                (long long)t->links));
    if (t->same_files)
        WNI_TRY(wni_record_warn(run,
                                "further names of files that are tables already (%lld) are "
                                "passed over",
                                (long long)t->same_files));
done:
    return st;
}

wn_status wni_tables_write(wni_run *run, const wni_tables *t)
{
    int32_t *source = NULL;
    uint8_t *keep = NULL;
    wni_str line;
    wn_status st;

    wni_str_init(&line, run->ctx);
    WNI_NEW(run->ctx, source, t->n);
    WNI_NEW(run->ctx, keep, t->n);
    find_kept(t, keep);
    find_sources(t, keep, source);
    WNI_TRY(write_tables(run, t, &line));
    WNI_TRY(write_containment(run, t, &line));
    WNI_TRY(write_suggestions(run, t, source, &line));
    WNI_TRY(record(run, t, source));
done:
    wni_str_free(&line);
    wni_free(run->ctx, source);
    wni_free(run->ctx, keep);
    return st;
}
