/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows by the value of a column. SQLite sorts, so that memory is bounded however many rows there are.
 */
#include "pool/table_groups.h"

#include <string.h>

#include "pool/table_impl.h"

#define POLL_STEPS  20000 /* of SQLite's machine between two looks at whether to stop */
#define DIGITS_INT  18    /* of numbers that fit 64 bits whatever they are */
#define DIGITS_REAL 15    /* of whole numbers that a double holds exactly */

static int asked_to_stop(void *user)
{
    return wni_poll(user) != WN_OK;
}

static char *query(wn_ctx *ctx, const char *column, wni_group_type type)
{
    char *name = wni_sql_name(ctx, column), *value = NULL, *sql = NULL;

    if (!name) return NULL;
    if (type == WNI_GROUP_REAL)
        value = wni_format(ctx,
                           "CASE WHEN abs(%s) < 1e15 AND %s = CAST(%s AS INTEGER) THEN "
                           "CAST(CAST(%s AS INTEGER) AS TEXT) ELSE printf('%%!.17g', %s) END",
                           name, name, name, name, name);
    else
        value = wni_format(ctx, type == WNI_GROUP_TEXT ? "%s" : "CAST(%s AS TEXT)", name);
    if (value)
        sql = wni_format(ctx, "SELECT %s, _row FROM rows WHERE %s IS NOT NULL ORDER BY 1, 2", value,
                         name);
    wni_free(ctx, name);
    wni_free(ctx, value);
    return sql;
}

typedef struct kept {
    int64_t bytes, bytes_room, starts_room;
} kept;

static wn_status add_name(wn_ctx *ctx, wni_table_groups *g, kept *have, const char *text,
                          int64_t bytes)
{
    if (have->bytes + bytes + 1 > have->bytes_room) {
        const int64_t room = 2 * have->bytes_room + bytes + 64;
        char *grown = wni_grow(ctx, g->names, have->bytes, room, 1);

        if (!grown) return WN_E_NOMEM;
        g->names = grown;
        have->bytes_room = room;
    }
    if (g->groups + 2 > have->starts_room) {
        const int64_t room = 2 * have->starts_room + 16;
        int64_t *grown = wni_grow(ctx, g->name_start, g->groups + 1, room, sizeof *grown);

        if (!grown) return WN_E_NOMEM;
        g->name_start = grown;
        have->starts_room = room;
    }
    memcpy(g->names + have->bytes, text, (size_t)bytes);
    have->bytes += bytes;
    g->names[have->bytes] = 0;
    g->name_start[++g->groups] = have->bytes;
    return WN_OK;
}

static wn_status collect(wn_ctx *ctx, const wn_table *t, sqlite3_stmt *s, wni_table_groups *g,
                         kept *have)
{
    wn_status st;
    int rc;

    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const char *text = (const char *)sqlite3_column_text(s, 0);
        const int64_t bytes = sqlite3_column_bytes(s, 0), row = sqlite3_column_int64(s, 1);
        const int64_t last = g->groups - 1;

        if (!text) return wni_sql_fail(ctx, t->db, t->path, "reading a column");
        if (row < 0 || row >= t->rows)
            return wni_fail(ctx, WN_E_DATA, "%s: found row %lld, expected %lld rows", t->path,
                            (long long)row, (long long)t->rows);
        if (last < 0 || bytes != g->name_start[last + 1] - g->name_start[last] ||
            memcmp(text, g->names + g->name_start[last], (size_t)bytes) != 0)
            if ((st = add_name(ctx, g, have, text, bytes)) != WN_OK) return st;
        g->group[row] = (int32_t)(g->groups - 1);
    }
    if (rc == SQLITE_INTERRUPT) return wni_poll(ctx);
    return rc == SQLITE_DONE ? WN_OK : wni_sql_fail(ctx, t->db, t->path, "reading a column");
}

wn_status wni_table_groups_read(wn_ctx *ctx, wn_table *t, int32_t column, wni_table_groups *g)
{
    const char *type = t->type[column];
    kept have = {.bytes_room = 64, .starts_room = 16};
    sqlite3_stmt *s = NULL;
    char *sql = NULL;
    wn_status st = WN_OK;

    memset(g, 0, sizeof *g);
    g->type = strcmp(type, "INTEGER") == 0 ? WNI_GROUP_INTEGER
              : strcmp(type, "REAL") == 0  ? WNI_GROUP_REAL
                                           : WNI_GROUP_TEXT;
    WNI_NEW(ctx, g->group, t->rows);
    memset(g->group, -1, (size_t)t->rows * sizeof *g->group);
    WNI_NEW0(ctx, g->names, have.bytes_room);
    WNI_NEW0(ctx, g->name_start, have.starts_room);
    if (!(sql = query(ctx, t->name[column], g->type))) {
        st = WN_E_NOMEM;
        goto done;
    }
    sqlite3_progress_handler(t->db, POLL_STEPS, asked_to_stop, ctx);
    if (sqlite3_prepare_v2(t->db, sql, -1, &s, NULL) != SQLITE_OK)
        st = wni_sql_fail(ctx, t->db, t->path, "reading a column");
    else
        st = collect(ctx, t, s, g, &have);
    sqlite3_finalize(s);
    sqlite3_progress_handler(t->db, 0, NULL, NULL);
done:
    wni_free(ctx, sql);
    return st;
}

void wni_table_groups_free(wn_ctx *ctx, wni_table_groups *g)
{
    wni_free(ctx, g->group);
    wni_free(ctx, g->names);
    wni_free(ctx, g->name_start);
    memset(g, 0, sizeof *g);
}

/* Whole numbers in their shortest form, at most that many digits. */
static bool plain_integer(const char *text, size_t most)
{
    const char *digits = text + (text[0] == '-');
    const size_t n = strspn(digits, "0123456789");

    if (n == 0 || n > most || digits[n]) return false;
    return digits[0] != '0' || (n == 1 && digits == text);
}

int64_t wni_table_groups_find(const char *names, const int64_t *name_start, int64_t n,
                              wni_group_type type, const char *text)
{
    const int64_t bytes = (int64_t)strlen(text);
    int64_t low = 0, high = n;

    if (type != WNI_GROUP_TEXT &&
        !plain_integer(text, type == WNI_GROUP_INTEGER ? DIGITS_INT : DIGITS_REAL))
        return -2;
    while (low < high) {
        const int64_t mid = low + (high - low) / 2;
        const int64_t length = name_start[mid + 1] - name_start[mid];
        int order = memcmp(names + name_start[mid], text, (size_t)wni_min(length, bytes));

        if (order == 0) order = (length > bytes) - (length < bytes);
        if (order == 0) return mid;
        if (order < 0)
            low = mid + 1;
        else
            high = mid;
    }
    return -1;
}
