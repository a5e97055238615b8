/* SPDX-License-Identifier: Apache-2.0
 *
 * The files of a run: arrays for winnow, lines for everybody else.
 */
#include <math.h>
#include <string.h>

#include "base/strbuf.h"
#include "dedup/dedup_files.h"
#include "dedup/minhash_index.h"

/* ---- lines --------------------------------------------------------------------------------------- */

void wni_dedup_add_json(wni_str *line, const char *text, int64_t bytes)
{
    int64_t length = bytes < 0 ? (int64_t)strlen(text) : wni_utf8_cut(text, bytes), from = 0;

    wni_str_add(line, "\"");
    for (int64_t i = 0; i < length; i++) {
        unsigned char c = (unsigned char)text[i];

        if (c >= 0x20 && c != '"' && c != '\\') continue;
        wni_str_addn(line, text + from, i - from);
        from = i + 1;
        if (c == '"' || c == '\\')
            wni_str_addf(line, "\\%c", c);
        else
            wni_str_addf(line, "\\u%04x", c);
    }
    wni_str_addn(line, text + from, length - from);
    wni_str_add(line, text[length] ? "\xE2\x80\xA6\"" : "\"");
}

/* The column of `table` (NULL = none) that the ids of `pool` are in; a reference need not have it. */
static int32_t id_of(const wn_table *pool, const wn_table *table)
{
    const char *id = pool ? wn_table_id_column(pool) : NULL;

    return id && table ? wn_table_column_find(table, id) : -1;
}

static wn_status add_row(wni_str *line, const char *name, const char *id_name, int64_t row,
                         const wn_table *pool, wn_table *table)
{
    int32_t id = id_of(pool, table);
    const char *text;
    wn_status st = WN_OK;

    wni_str_addf(line, "\"%s\": %lld", name, (long long)row);
    if (id < 0) return WN_OK;
    WNI_TRY(wn_table_text(table, row, id, &text));
    wni_str_addf(line, ", \"%s\": ", id_name);
    wni_dedup_add_json(line, text ? text : "", -1);
done:
    return st;
}

/* Where a row of an index came from. */
static wn_status add_index_row(wni_str *line, int64_t row, const wn_dedup_index *index)
{
    int32_t segment;
    int64_t number;
    char *id;
    wn_status st = wni_index_row(index, row, &segment, &number, &id);

    if (st == WN_OK) {
        wni_str_addf(line, "\"index\": %lld, \"index_segment\": %d, \"index_row\": %lld",
                     (long long)row, (int)segment, (long long)number);
        if (id) {
            wni_str_add(line, ", \"index_id\": ");
            wni_dedup_add_json(line, id, -1);
        }
    }
    wni_free(index->ctx, id);
    return st;
}

wn_status wni_dedup_add_row(wni_str *line, int64_t row, wn_table *pool)
{
    return add_row(line, "row", "id", row, pool, pool);
}

wn_status wni_dedup_add_partner(wni_str *line, int64_t partner, wn_table *pool, wn_table *reference,
                                const wn_dedup_index *index)
{
    if (partner >= 0) return add_row(line, "partner", "partner_id", partner, pool, pool);
    if (index) return add_index_row(line, -1 - partner, index);
    return add_row(line, "reference", "reference_id", -1 - partner, pool, reference);
}

static wn_status put_line(wni_text_writer *writer, wni_str *line)
{
    if (line->st != WN_OK) return line->st;
    return wni_text_writer_add(writer, line->v, line->length);
}

/* One line for each row that goes: what it is, what it repeats, how alike they are. */
static wn_status write_removed(wni_run *run, const wn_dedup *dedup, wn_why_rule rule,
                               wn_table *reference, const wn_dedup_index *index)
{
    wni_text_writer *writer = NULL;
    wni_str line;
    wn_status st, end;

    wni_str_init(&line, run->ctx);
    WNI_TRY(wni_text_writer_new(run->out, "removed.jsonl", &writer));
    for (int64_t i = 0; i < dedup->n; i++) {
        int64_t partner = dedup->partner[i];

        if ((i & 1023) == 0) WNI_TRY(wni_poll(run->ctx));
        if (partner == i) continue;
        line.length = 0;
        wni_str_add(&line, "{");
        WNI_TRY(wni_dedup_add_row(&line, i, run->table));
        wni_str_add(&line, ", ");
        WNI_TRY(wni_dedup_add_partner(&line, partner, run->table, reference, index));
        if (isnan(dedup->similarity[i]))
            wni_str_add(&line, ", \"similarity\": null");
        else
            wni_str_addf(&line, ", \"similarity\": %.6g", (double)dedup->similarity[i]);
        wni_str_addf(&line, ", \"rule\": \"%s\"}\n",
                     wn_why_rule_name(partner < 0 ? WN_WHY_REFERENCE : rule));
        WNI_TRY(put_line(writer, &line));
    }
done:
    end = wni_text_writer_end(writer, st == WN_OK);
    wni_str_free(&line);
    return st != WN_OK ? st : end;
}

void wni_dedup_add_csv(wni_str *line, const char *text)
{
    if (!strpbrk(text, ",\"\r\n")) {
        wni_str_add(line, text);
        return;
    }
    wni_str_add(line, "\"");
    for (; *text; text++)
        wni_str_addf(line, *text == '"' ? "\"\"" : "%c", *text);
    wni_str_add(line, "\"");
}

/* The rows of groups of two and more, in row order. */
static wn_status write_groups_csv(wni_run *run, const wn_dedup *dedup, const int64_t *group)
{
    int32_t id = id_of(run->table, run->table);
    wni_text_writer *writer = NULL;
    uint8_t *shared = NULL;
    const char *text;
    wni_str line;
    wn_status st, end;

    wni_str_init(&line, run->ctx);
    WNI_NEW0(run->ctx, shared, dedup->n);
    for (int64_t i = 0; i < dedup->n; i++)
        if (group[i] >= 0 && group[i] != i) shared[group[i]] = shared[i] = 1;
    WNI_TRY(wni_text_writer_new(run->out, "groups.csv", &writer));
    wni_str_add(&line, id < 0 ? "group,row,kept\n" : "group,row,kept,id\n");
    WNI_TRY(put_line(writer, &line));
    for (int64_t i = 0; i < dedup->n; i++) {
        if ((i & 1023) == 0) WNI_TRY(wni_poll(run->ctx));
        if (!shared[i]) continue;
        line.length = 0;
        wni_str_addf(&line, "%lld,%lld,%d", (long long)group[i], (long long)i, group[i] == i);
        if (id >= 0) {
            WNI_TRY(wn_table_text(run->table, i, id, &text));
            wni_str_add(&line, ",");
            wni_dedup_add_csv(&line, text ? text : "");
        }
        wni_str_add(&line, "\n");
        WNI_TRY(put_line(writer, &line));
    }
done:
    end = wni_text_writer_end(writer, st == WN_OK);
    wni_free(run->ctx, shared);
    wni_str_free(&line);
    return st != WN_OK ? st : end;
}

/* ---- arrays -------------------------------------------------------------------------------------- */

/* The kept row at the end of a row's chain of partners, -1 when that is a row of the reference. Partners are
 * earlier rows and rows ascend, so group[partner] is final when it is asked for. */
static void resolve_groups(const wn_dedup *dedup, int64_t *group)
{
    for (int64_t i = 0; i < dedup->n; i++) {
        int64_t partner = dedup->partner[i];

        group[i] = partner == i ? i : partner < 0 ? -1 : group[partner];
    }
}

static wn_status write_rows(wni_run *run, const wn_dedup *dedup)
{
    int64_t *rows = NULL, kept = 0;
    wn_status st;

    WNI_NEW(run->ctx, rows, dedup->n);
    for (int64_t i = 0; i < dedup->n; i++)
        if (dedup->partner[i] == i) rows[kept++] = i;
    WNI_TRY(wni_out_npy(run->out, "rows.npy", "<i8", sizeof *rows, &kept, 1, rows));
    resolve_groups(dedup, rows);
    WNI_TRY(wni_out_npy(run->out, "groups.npy", "<i8", sizeof *rows, &dedup->n, 1, rows));
    WNI_TRY(write_groups_csv(run, dedup, rows));
done:
    wni_free(run->ctx, rows);
    return st;
}

static wn_status write_why(wni_run *run, const wn_dedup *dedup, wn_why_rule rule)
{
    wn_why *why = NULL;
    wn_status st;

    WNI_NEW(run->ctx, why, dedup->n);
    for (int64_t i = 0; i < dedup->n; i++) {
        int64_t partner = dedup->partner[i];
        bool kept = partner == i;

        why[i] = (wn_why){.partner = kept          ? -1
                                     : partner < 0 ? -1 - partner
                                                   : partner,
                          .similarity = kept ? NAN : dedup->similarity[i],
                          .cluster = -1,
                          .rule = kept          ? WN_WHY_KEPT
                                  : partner < 0 ? WN_WHY_REFERENCE
                                                : rule,
                          .copies = kept};
    }
    WNI_TRY(wni_out_npy(run->out, "why.npy", WN_WHY_DESCR, sizeof *why, &dedup->n, 1, why));
done:
    wni_free(run->ctx, why);
    return st;
}

int64_t wni_dedup_write_bytes(int64_t n)
{
    return n * (int64_t)sizeof(wn_why);
}

wn_status wni_dedup_write(wni_run *run, const wn_dedup *dedup, wn_why_rule rule,
                          wn_table *reference, const wn_dedup_index *index)
{
    wn_status st;

    WNI_TRY(write_rows(run, dedup));
    WNI_TRY(write_why(run, dedup, rule));
    WNI_TRY(write_removed(run, dedup, rule, reference, index));
done:
    return st;
}
