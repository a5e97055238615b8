/* SPDX-License-Identifier: Apache-2.0
 *
 * What counts as the same value, and the rows of a table as hashes.
 */
#include <string.h>

#include <xxhash.h>

#include "dedup/tables_impl.h"

void wni_table_value_of(const wni_tables *t, const wni_cell *cell, int need_real,
                        char buf[WNI_DECIMAL_BYTES], wni_table_value *value)
{
    int by_value = t->params.equal == WN_TABLES_NUMBER;
    int64_t bytes;

    *value = (wni_table_value){.text = cell->text, .bytes = cell->bytes};
    if (!by_value && !need_real) return;
    bytes = wni_decimal(cell->text, cell->bytes, buf, need_real ? &value->real : NULL);
    if (bytes == 0) return;
    value->number = 1;
    if (!by_value) return;
    value->text = buf;
    value->bytes = bytes;
}

/* ---- rows ---------------------------------------------------------------------------------------- */

int wni_table_places(const wni_data_table *part, const wni_data_table *whole, int32_t *at)
{
    int32_t j = 0;

    for (int32_t i = 0; i < part->columns; i++) {
        int32_t id = part->column[part->order[i]].id;

        while (j < whole->columns && whole->column[whole->order[j]].id < id)
            j++;
        if (j == whole->columns || whole->column[whole->order[j]].id != id) return 0;
        at[i] = whole->order[j];
    }
    return 1;
}

static wn_status changed(wni_tables *t, const wni_data_table *table)
{
    return wni_fail(t->ctx, WN_E_IO, "%s: the file changed while it was read", table->path);
}

wn_status wni_table_rows(wni_tables *t, int32_t i, wni_table_row_fn fn, void *user)
{
    const wni_data_table *table = &t->table[i];
    wni_schema schema = {.ctx = t->ctx};
    wni_records *records = NULL;
    wni_row_hash *hash = NULL;
    uint64_t *seed = NULL; /* of each column, from its name */
    char buf[WNI_DECIMAL_BYTES];
    const wni_cell *cells;
    int64_t line, row = 0;
    int32_t count;
    wn_status st;

    WNI_NEW(t->ctx, hash, table->columns);
    WNI_NEW(t->ctx, seed, table->columns);
    for (int32_t c = 0; c < table->columns; c++)
        seed[c] = XXH3_64bits(table->column[c].name, strlen(table->column[c].name));
    WNI_TRY(wni_records_open(t->ctx, table->path, &schema, &records));
    for (;; row++) {
        WNI_TRY(wni_records_next(records, &cells, &count, &line));
        if (!cells) break;
        if ((row & 255) == 0) WNI_TRY(wni_poll(t->ctx));
        if (row == table->rows || schema.count > table->columns) {
            st = changed(t, table);
            goto done;
        }
        memset(hash, 0, (size_t)table->columns * sizeof *hash);
        for (int32_t c = 0; c < count; c++) {
            wni_table_value value;
            XXH128_hash_t h;

            if (cells[c].kind == WNI_NULL) continue;
            wni_table_value_of(t, &cells[c], 0, buf, &value);
            h = XXH3_128bits_withSeed(value.text, (size_t)value.bytes, seed[cells[c].column]);
            hash[cells[c].column] = (wni_row_hash){h.low64, h.high64};
        }
        WNI_TRY(fn(user, row, hash));
    }
    if (row != table->rows || schema.count != table->columns) st = changed(t, table);
    for (int32_t c = 0; c < table->columns && st == WN_OK; c++)
        if (strcmp(schema.name[c], table->column[c].name) != 0) st = changed(t, table);
done:
    wni_records_free(records);
    wni_schema_free(&schema);
    wni_free(t->ctx, hash);
    wni_free(t->ctx, seed);
    return st;
}
