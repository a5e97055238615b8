/* SPDX-License-Identifier: Apache-2.0
 *
 * Which rows of a table fulfil a condition.
 */
#include <stdio.h>
#include <string.h>

#include "pool/table_impl.h"
#include "winnow/method.h"

#define POLL_STEPS 20000 /* of SQLite's machine between two looks at whether to stop */

/* Reading the columns of `rows` and calling functions is all that a condition may do. */
static int only_reads(void *user, int action, const char *a, const char *b, const char *database,
                      const char *trigger)
{
    (void)user;
    (void)database;
    (void)trigger;
    switch (action) {
    case SQLITE_SELECT:
        return SQLITE_OK;
    case SQLITE_READ:
        return a && strcmp(a, "rows") == 0 ? SQLITE_OK : SQLITE_DENY;
    case SQLITE_FUNCTION:
        return b && strcmp(b, "load_extension") != 0 ? SQLITE_OK : SQLITE_DENY;
    default:
        return SQLITE_DENY;
    }
}

static int asked_to_stop(void *user)
{
    return wni_poll(user) != WN_OK;
}

/* What SQLite says against the condition, with the nearest column for one that is not there. */
static wn_status bad_condition(const wn_table *t, const char *condition, const char *why)
{
    static const char lacks[] = "no such column: ";
    const char *nearest = NULL, *column = strstr(why, lacks);

    if (strstr(why, "not authorized") || strstr(why, "prohibited"))
        why = "a condition reads the columns of the table, nothing else";
    if (column) {
        const char *dot = strrchr(column + sizeof lacks - 1, '.');
        nearest = wni_table_nearest(t, dot ? dot + 1 : column + sizeof lacks - 1);
    }
    return wni_fail(t->ctx, WN_E_USAGE, "where: '%.200s': %s%s%s%s", condition, why,
                    nearest ? "; did you mean '" : "", nearest ? nearest : "", nearest ? "'?" : "");
}

static wn_status collect(const wn_table *t, const char *condition, sqlite3_stmt *s, uint64_t *bits,
                         int64_t *matching)
{
    int rc;

    while ((rc = sqlite3_step(s)) == SQLITE_ROW) {
        const int64_t row = sqlite3_column_int64(s, 0);
        const uint64_t bit = (uint64_t)1 << (row & 63);

        if (row < 0 || row >= t->rows)
            return bad_condition(t, condition, "it is more than a condition");
        *matching += !(bits[row >> 6] & bit);
        bits[row >> 6] |= bit;
    }
    if (rc == SQLITE_DONE) return WN_OK;
    if (rc == SQLITE_INTERRUPT) return wni_poll(t->ctx);
    return bad_condition(t, condition, sqlite3_errmsg(t->db));
}

wn_status wn_table_where(wn_table *t, const char *condition, uint64_t *bits, int64_t *matching)
{
    wn_ctx *ctx = t->ctx;
    /* A line of its own: a comment at its end must not take the bracket along. */
    char *sql = wni_format(ctx, "SELECT _row FROM rows WHERE (%s\n)", condition);
    sqlite3_stmt *s = NULL;
    const char *rest = NULL;
    wn_status st;

    *matching = 0;
    memset(bits, 0, (size_t)((t->rows + 63) / 64) * sizeof *bits);
    if (!sql) return WN_E_NOMEM;
    /* In double quotes stands a column; one that is not there is no word. */
    sqlite3_db_config(t->db, SQLITE_DBCONFIG_DQS_DML, 0, (int *)NULL);
    sqlite3_set_authorizer(t->db, only_reads, NULL);
    sqlite3_progress_handler(t->db, POLL_STEPS, asked_to_stop, ctx);
    if (sqlite3_prepare_v2(t->db, sql, -1, &s, &rest) != SQLITE_OK)
        st = bad_condition(t, condition, sqlite3_errmsg(t->db));
    else if (rest && rest[strspn(rest, " \t\r\n;")])
        st = bad_condition(t, condition, "found more than one statement");
    else
        st = collect(t, condition, s, bits, matching);
    sqlite3_finalize(s);
    sqlite3_progress_handler(t->db, 0, NULL, NULL);
    sqlite3_set_authorizer(t->db, NULL, NULL);
    wni_free(ctx, sql);
    return st;
}
