/* SPDX-License-Identifier: Apache-2.0
 *
 * The kind tenants against a scan of the rows of one tenant: all lists are the exact answer, few are nearly so; whose
 * rows are whose, whatever tenants are called, through add, delete and compact.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "index/index_files.h"
#include "index/tenants_impl.h"
#include "support/index_case.h"

enum { N = 6000, MORE = 1500, D = 12, Q = 20, K = 10, BLOBS = 40, TENANTS = 9 };

static void fails(wn_ctx *ctx, wn_status st, wn_status expected, const char *text)
{
    if (st != expected || !strstr(wn_ctx_error(ctx), text))
        fail_msg("expected %s with '%s', found %s: %s", wn_status_name(expected), text,
                 wn_status_name(st), wn_ctx_error(ctx));
}

/* Tenant 0 has half of the rows, tenant 7 one, tenant 8 none before the rows that are added; -1 = no tenant. */
static int tenant_of(int64_t i)
{
    if (i == 77) return 7;
    if (i >= N) return 8 - (int)(i % 3);
    if (i % 50 == 3) return -1;
    return i % 2 ? 0 : 1 + (int)(i / 2 % 6);
}

static const char *const names[TENANTS] = {"o'neil \"&\" co",   "",   "b",  "ba",
                                           "\xc3\xbc ber\\n",   " b", "42", "a -- comment",
                                           "x; DROP TABLE rows"};

static void write_json_text(FILE *f, const char *text)
{
    fputc('"', f);
    for (; *text; text++) {
        if (*text == '"' || *text == '\\') fputc('\\', f);
        fputc(*text, f);
    }
    fputc('"', f);
}

/* Columns: user (text), number (of the tenant), half (half of it), part (row % 4). */
static void write_table(const char *file, int64_t from, int64_t n)
{
    FILE *f = fopen(ts_path(file), "w");

    if (!f) fail_msg("cannot write %s", file);
    for (int64_t i = from; i < from + n; i++) {
        const int t = tenant_of(i);

        fprintf(f, "{\"user\": ");
        if (t < 0)
            fprintf(f, "null");
        else
            write_json_text(f, names[t]);
        if (t < 0)
            fprintf(f, ", \"number\": null, \"half\": null");
        else
            fprintf(f, ", \"number\": %d, \"half\": %g", 10 * t - 20, t / 2.0);
        fprintf(f, ", \"part\": %d}\n", (int)(i % 4));
    }
    fclose(f);
}

static wn_status run(wn_ctx *ctx, const char *method, const char *pool, const char *table,
                     const char *index, const char *const *params, const char *out)
{
    wn_job *job;
    wn_status st = wn_job_new(ctx, "index", method, &job);

    if (st == WN_OK && pool) st = wn_job_input(job, "pool", ts_path(pool));
    if (st == WN_OK && table) st = wn_job_input(job, "table", ts_path(table));
    if (st == WN_OK && index) st = wn_job_input(job, "index", ts_path(index));
    for (; st == WN_OK && params && params[0]; params += 2)
        st = wn_job_set(job, params[0], params[1]);
    if (st == WN_OK && out) st = wn_job_output(job, ts_path(out));
    if (st == WN_OK) st = wn_job_run(job);
    wn_job_free(job);
    return st;
}

static wn_status search(wn_ctx *ctx, const wn_index *index, const float *q, int64_t n,
                        const wn_index_query *how, wn_hits **hits)
{
    wn_index_query query = *how;
    wn_pool *pool;
    wn_status st = wn_pool_wrap(ctx, q, n, D, WN_F32, WN_L2, &pool);

    *hits = NULL;
    query.struct_size = sizeof query;
    query.queries = pool;
    if (!query.k) query.k = K;
    if (st == WN_OK) st = wn_index_search(ctx, index, &query, hits);
    wn_pool_free(pool);
    return st;
}

/* What the exact scan finds among the rows that fit. */
typedef int (*predicate)(int64_t row, int tenant);

static int is_his(int64_t i, int tenant)
{
    return tenant_of(i) == tenant;
}
static int is_his_part(int64_t i, int tenant)
{
    return tenant_of(i) == tenant && i % 4 == 1;
}

static double distance(const float *a, const float *b, int cosine)
{
    double sum = 0, aa = 0, bb = 0, ab = 0;

    for (int c = 0; c < D; c++) {
        sum += ((double)a[c] - b[c]) * ((double)a[c] - b[c]);
        aa += (double)a[c] * a[c];
        bb += (double)b[c] * b[c];
        ab += (double)a[c] * b[c];
    }
    return cosine ? 1 - ab / sqrt(aa * bb) : sqrt(sum);
}

static int by_size(const void *a, const void *b)
{
    const double x = *(const double *)a, y = *(const double *)b;

    return (x > y) - (x < y);
}

/* Hits are rows that fit, each once, at their distances; returns their recall. */
static double check(const wn_hits *hits, const float *v, int64_t n, const float *q,
                    const uint8_t *gone, predicate fits, int tenant)
{
    static double all[N + MORE];
    const int cosine = hits->metric == WN_COSINE;
    int64_t good = 0, expected = 0;

    for (int64_t i = 0; i < hits->n; i++) {
        int64_t m = 0;

        for (int64_t r = 0; r < n; r++)
            if (fits(r, tenant) && !(gone && gone[r]))
                all[m++] = distance(q + i * D, v + r * D, cosine);
        qsort(all, (size_t)m, sizeof *all, by_size);
        assert_int_equal(hits->counts[i], m < hits->k ? m : hits->k);
        assert_int_equal(hits->report.matching, m);
        for (int64_t j = 0; j < hits->counts[i]; j++) {
            const int64_t row = hits->indices[i * hits->k + j];
            const float d = hits->distances[i * hits->k + j];

            assert_true(row >= 0 && row < n && fits(row, tenant) && !(gone && gone[row]));
            for (int64_t t = 0; t < j; t++)
                assert_true(hits->indices[i * hits->k + t] != row);
            assert_true(fabs(d - distance(q + i * D, v + row * D, cosine)) < 1e-4);
            good += d <= all[hits->counts[i] - 1] + 1e-5;
        }
        expected += hits->counts[i];
    }
    return expected ? (double)good / (double)expected : 1;
}

static float *rows, *questions;

/* ---- the tree and the rows in it ---------------------------------------------------------------------- */

static void every_row_has_its_place(void **state)
{
    static int32_t group[N];
    const wni_lists_params p = {
        .cells = 40, .target = 10, .longest = 16, .sample = 32, .max_iter = 5};
    wn_ctx *ctx = ts_ctx(2, -1);
    wni_lists lists;
    wni_tenants_tree tree;
    wni_tenants_rows r;
    uint8_t seen[N] = {0}, slots[N] = {0}, leaves[N] = {0};
    wn_pool *pool;

    (void)state;
    for (int64_t i = 0; i < N; i++)
        group[i] = tenant_of(i);
    ts_ok(ctx, wn_pool_wrap(ctx, rows, N, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wni_lists_make(ctx, pool, &p, &lists));
    ts_ok(ctx, wni_tenants_tree_make(ctx, &lists, 5, 1, &tree));
    ts_ok(ctx, wni_tenants_rows_make(ctx, &lists, &tree, group, TENANTS, 16, &r));
    for (int64_t l = 0; l < tree.leaves; l++)
        leaves[tree.leaf_list[l]]++;
    for (int64_t l = 0; l < tree.leaves; l++)
        assert_int_equal(leaves[l], 1);
    assert_int_equal(tree.node[0].end, tree.nodes);
    for (int64_t u = 0; u < tree.nodes; u++) { /* children follow each other, few of them */
        int64_t leaf = tree.node[u].first_leaf, children = 0;

        for (int64_t c = u + 1; leaf < tree.node[u].end_leaf; children++)
            if (c < tree.node[u].end && tree.node[c].first_leaf == leaf) {
                leaf = tree.node[c].end_leaf;
                c = tree.node[c].end;
            } else {
                leaf++;
            }
        assert_int_equal(leaf, tree.node[u].end_leaf);
        assert_in_range(children, 1, WNI_TENANTS_FAN);
    }
    for (int64_t l = 0; l < tree.leaves; l++)
        for (int64_t i = r.leaf_start[l]; i < r.leaf_start[l + 1]; i++) {
            const int32_t slot = r.leaf_slots[i], list = tree.leaf_list[l];
            int found = 0;

            assert_int_equal(slots[slot]++, 0);
            assert_int_equal(seen[r.rows[slot]]++, 0);
            for (int64_t o = lists.start[list]; o < lists.start[list + 1]; o++)
                found += lists.order[o] == r.rows[slot];
            assert_int_equal(found, 1);
        }
    for (int t = 0; t < TENANTS; t++) {
        int64_t slot = r.start[t];

        for (int64_t s = r.start[t]; s < r.start[t + 1]; s++)
            assert_int_equal(group[r.rows[s]], t);
        if (r.start[t + 1] - slot <= WNI_TENANTS_WHOLE * 16) {
            assert_int_equal(r.tenant_lists[t], r.tenant_lists[t + 1]);
            continue;
        }
        for (int32_t l = r.tenant_lists[t]; l < r.tenant_lists[t + 1]; l++) {
            assert_int_equal(r.list[l].begin, slot);
            assert_in_range(r.list[l].end - slot, 1, 16);
            slot = r.list[l].end;
        }
        assert_int_equal(slot, r.start[t + 1]);
    }
    for (int64_t s = r.start[TENANTS]; s < N; s++)
        assert_int_equal(group[r.rows[s]], -1);
    assert_true(r.lists < N / 4);
    wni_tenants_rows_free(ctx, &r);
    wni_tenants_tree_free(ctx, &tree);
    wni_lists_free(ctx, &lists);
    wn_pool_free(pool);
    wn_ctx_free(ctx);
}

/* ---- searching ---------------------------------------------------------------------------------------- */

static void all_lists_are_exact(void **state)
{
    static const char *const metrics[] = {"l2", "cosine"};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int m = 0; m < 2; m++) {
        const char *params[] = {"metric", metrics[m], "tenant_column", "user", "list_max",
                                "16",     NULL};
        wn_index *index;
        wn_hits *hits;

        ts_ok(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, params, metrics[m]));
        ts_ok(ctx, wn_index_open(ctx, ts_path(metrics[m]), &index));
        for (int t = 0; t < TENANTS - 1; t++) {
            const wn_index_query whole = {.effort = 1000000, .recall = 1, .tenant = names[t]};
            const wn_index_query part = {.recall = 0.95, .tenant = names[t]};
            const wn_index_query few = {.effort = 1, .recall = 1, .tenant = names[t], .k = 1};

            ts_ok(ctx, search(ctx, index, questions, Q, &whole, &hits));
            if (check(hits, rows, N, questions, NULL, is_his, t) < 1)
                fail_msg("%s: tenant %d: all lists are not all rows", metrics[m], t);
            wn_hits_free(hits);
            ts_ok(ctx, search(ctx, index, questions, Q, &part, &hits));
            assert_true(check(hits, rows, N, questions, NULL, is_his, t) >= 0.9);
            wn_hits_free(hits);
            ts_ok(ctx, search(ctx, index, questions, Q, &few, &hits));
            (void)check(hits, rows, N, questions, NULL, is_his, t);
            if (t == 0) assert_true(hits->report.compared < Q * 64);
            wn_hits_free(hits);
        }
        {
            const wn_index_query whole = {.effort = 1000000, .recall = 1};
            const wn_index_query part = {.recall = 0.95};
            wn_hits *few;

            ts_ok(ctx, search(ctx, index, questions, Q, &whole, &hits));
            ts_ok(ctx, search(ctx, index, questions, Q, &part, &few));
            assert_int_equal(hits->report.compared, (int64_t)N * Q);
            assert_true(ts_recall(few, hits) >= 0.9);
            assert_true(few->report.compared < (int64_t)N * Q / 2);
            wn_hits_free(hits);
            wn_hits_free(few);
        }
        wn_index_free(index);
    }
    wn_ctx_free(ctx);
}

/* Thousands of lists are not all ranked: the tree is gone down. */
static void down_the_tree(void **state)
{
    enum { MANY = 30000, DIM = 4 };
    static const char *const params[] = {"tenant_column", "user", "list_max", "8",
                                         "sample",        "16",   NULL};
    float *v = ts_blobs(MANY, DIM, 60, 0.5, 4, NULL);
    wn_ctx *ctx = ts_ctx(2, -1);
    FILE *f = fopen(ts_path("many.jsonl"), "w");
    const int64_t efforts[] = {1, 40, 1000000};
    wn_hits *hits[3];
    wn_index *index;
    wn_pool *pool;

    (void)state;
    for (int64_t i = 0; i < MANY; i++)
        fprintf(f, "{\"user\": \"%s\"}\n", i % 8 ? "big" : "small");
    fclose(f);
    ts_write_npy(ts_path("many.npy"), v, MANY, DIM);
    ts_ok(ctx, run(ctx, "tenants", "many.npy", "many.jsonl", NULL, params, "many"));
    ts_ok(ctx, wn_index_open(ctx, ts_path("many"), &index));
    ts_ok(ctx, wn_pool_wrap(ctx, v, 50, DIM, WN_F32, WN_L2, &pool));
    for (int who = 0; who < 2; who++) {
        for (int e = 0; e < 3; e++) {
            wn_index_query query = {.struct_size = sizeof query,
                                    .queries = pool,
                                    .k = 5,
                                    .effort = efforts[e],
                                    .recall = 1,
                                    .tenant = who ? "big" : NULL};
            ts_ok(ctx, wn_index_search(ctx, index, &query, &hits[e]));
        }
        assert_true(ts_recall(hits[1], hits[2]) >= 0.98);
        assert_true(hits[0]->report.compared < 50 * 100);
        assert_true(hits[1]->report.compared < 50 * MANY / 8);
        for (int e = 0; e < 3; e++)
            wn_hits_free(hits[e]);
    }
    wn_pool_free(pool);
    wn_index_free(index);
    free(v);
    wn_ctx_free(ctx);
}

/* Lists that find what so many leaves find, by hand. */
static void efforts(void **state)
{
    static const int32_t ranks[] = {0, 0, 1, 3, 7, 0, 1, 1, 2, 5};

    (void)state;
    assert_int_equal(wni_tenants_lists_for(ranks, 5, 0), 1);
    assert_int_equal(wni_tenants_lists_for(ranks, 5, 1), 2);
    assert_int_equal(wni_tenants_lists_for(ranks, 5, 2), 2);
    assert_int_equal(wni_tenants_lists_for(ranks, 5, 3), 2);
    assert_int_equal(wni_tenants_lists_for(ranks, 5, 4), 3);
    assert_int_equal(wni_tenants_lists_for(ranks, 5, 7), 3);
    assert_int_equal(wni_tenants_lists_for(ranks, 5, 8), 6);
    assert_int_equal(wni_tenants_lists_for(ranks, 5, 16), 12);
    assert_int_equal(wni_tenants_lists_for(ranks, 0, 9), 9);
}

/* Tenants of ten rows each, none with lists; then rows that nobody owns. */
static void small_tenants_and_none(void **state)
{
    enum { FEW = 300 };
    static const char *const params[] = {"tenant_column", "user", "list_max", "8", NULL};
    const wn_index_query whole = {.effort = 1000000, .recall = 1};
    const wn_index_query some = {.effort = 3, .recall = 1};
    const wn_index_query his = {.effort = 1, .recall = 1, .tenant = "u7"};
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_hits *hits, *few;
    wn_index *index;

    (void)state;
    ts_write_npy(ts_path("small.npy"), rows, FEW, D);
    for (int owned = 1; owned >= 0; owned--) {
        const char *name = owned ? "small" : "nobody";
        FILE *f = fopen(ts_path("small.jsonl"), "w");

        for (int i = 0; i < FEW; i++)
            if (owned || i == FEW - 1)
                fprintf(f, "{\"user\": \"u%d\"}\n", i % 30);
            else
                fprintf(f, "{\"user\": null}\n");
        fclose(f);
        ts_ok(ctx, run(ctx, "tenants", "small.npy", "small.jsonl", NULL, params, name));
        ts_ok(ctx, wn_index_open(ctx, ts_path(name), &index));
        ts_ok(ctx, search(ctx, index, questions, Q, &whole, &hits));
        ts_ok(ctx, search(ctx, index, questions, Q, &some, &few));
        assert_int_equal(hits->report.compared, (int64_t)FEW * Q);
        assert_true(few->report.compared < hits->report.compared / 2);
        wn_hits_free(hits);
        wn_hits_free(few);
        if (owned) {
            ts_ok(ctx, search(ctx, index, questions, Q, &his, &hits));
            for (int64_t i = 0; i < Q; i++) {
                assert_int_equal(hits->counts[i], 10);
                for (int64_t j = 0; j < 10; j++)
                    assert_int_equal(hits->indices[i * K + j] % 30, 7);
            }
            assert_int_equal(hits->report.compared, 10 * Q);
            wn_hits_free(hits);
        } else {
            fails(ctx, search(ctx, index, questions, Q, &his, &hits), WN_E_USAGE, "'u7'");
        }
        wn_index_free(index);
    }
    wn_ctx_free(ctx);
}

static void codes(void **state)
{
    static const char *const code[] = {"f16", "i8", "pq"};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int c = 0; c < 3; c++) {
        const char *params[] = {"code", code[c], "tenant_column", "user", "list_max", "16", NULL};
        const wn_index_query whole = {.effort = 1000000, .recall = 1, .tenant = names[0]};
        wn_index *index;
        wn_hits *hits;

        ts_ok(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, params, code[c]));
        ts_ok(ctx, wn_index_open(ctx, ts_path(code[c]), &index));
        ts_ok(ctx, search(ctx, index, questions, Q, &whole, &hits));
        assert_true(check(hits, rows, N, questions, NULL, is_his, 0) >= (c == 2 ? 0.7 : 0.99));
        assert_true(hits->report.verified > 0);
        wn_hits_free(hits);
        wn_index_free(index);
    }
    wn_ctx_free(ctx);
}

/* Whole numbers, and numbers that are not; written as SQL reads them too. */
static void numbers_as_tenants(void **state)
{
    static const char *const columns[] = {"number", "half"};
    static const struct {
        const char *text[2];
        int tenant;
    } asks[] = {{{"-20", "0"}, 0},   {{"-10", "0.5"}, 1},   {{"0", "1"}, 2},   {{"0.0", "1.0"}, 2},
                {{"10", "1.50"}, 3}, {{" 10", "15e-1"}, 3}, {{"2e1", "2"}, 4}, {{"+20", "2.0"}, 4}};
    wn_ctx *ctx = ts_ctx(2, -1);

    (void)state;
    for (int c = 0; c < 2; c++) {
        const char *params[] = {"tenant_column", columns[c], "list_max", "16", NULL};
        wn_index *index;
        wn_hits *hits;

        ts_ok(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, params, columns[c]));
        ts_ok(ctx, wn_index_open(ctx, ts_path(columns[c]), &index));
        for (size_t a = 0; a < sizeof asks / sizeof asks[0]; a++) {
            const wn_index_query whole = {
                .effort = 1000000, .recall = 1, .tenant = asks[a].text[c]};

            ts_ok(ctx, search(ctx, index, questions, Q, &whole, &hits));
            if (check(hits, rows, N, questions, NULL, is_his, asks[a].tenant) < 1)
                fail_msg("%s of '%s'", columns[c], asks[a].text[c]);
            wn_hits_free(hits);
        }
        {
            const wn_index_query nobody = {.recall = 1, .tenant = "99"};
            const wn_index_query word = {.recall = 1, .tenant = "ann"};

            fails(ctx, search(ctx, index, questions, Q, &nobody, &hits), WN_E_USAGE, "'99'");
            fails(ctx, search(ctx, index, questions, Q, &word, &hits), WN_E_USAGE, "'ann'");
        }
        wn_index_free(index);
    }
    wn_ctx_free(ctx);
}

static void check_all(wn_ctx *ctx, const char *name, const float *v, int64_t n, const uint8_t *gone)
{
    wn_index *index;
    wn_hits *hits;

    ts_ok(ctx, wn_index_open(ctx, ts_path(name), &index));
    for (int t = 0; t < TENANTS - 1; t++) {
        const wn_index_query his = {.effort = 1000000, .recall = 1, .tenant = names[t]};
        const wn_index_query quick = {.effort = 2, .recall = 1, .tenant = names[t]};
        const wn_index_query part = {
            .effort = 4, .recall = 1, .tenant = names[t], .where = "part = 1"};
        wn_filter *filter;
        wn_index_query made = {.effort = 1000000, .recall = 1};

        if (t == 7 && n == N && gone && gone[77]) { /* the only one it had */
            fails(ctx, search(ctx, index, questions, Q, &his, &hits), WN_E_USAGE, "has no row of");
            continue;
        }
        ts_ok(ctx, search(ctx, index, questions, Q, &his, &hits));
        assert_true(check(hits, v, n, questions, gone, is_his, t) == 1);
        wn_hits_free(hits);
        ts_ok(ctx, search(ctx, index, questions, Q, &quick, &hits));
        (void)check(hits, v, n, questions, gone, is_his, t);
        wn_hits_free(hits);
        ts_ok(ctx, search(ctx, index, questions, Q, &part, &hits));
        (void)check(hits, v, n, questions, gone, is_his_part, t);
        wn_hits_free(hits);
        ts_ok(ctx, wn_filter_new(ctx, index, NULL, NULL, names[t], &filter));
        made.filter = filter;
        ts_ok(ctx, search(ctx, index, questions, Q, &made, &hits));
        assert_true(check(hits, v, n, questions, gone, is_his, t) == 1);
        wn_hits_free(hits);
        wn_filter_free(filter);
    }
    wn_index_free(index);
}

static void rows_that_go_and_come(void **state)
{
    static const char *const params[] = {"tenant_column", "user", "list_max", "16", NULL};
    static uint8_t gone[N + MORE];
    static int64_t ids[N];
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t n_ids = 0;

    (void)state;
    memset(gone, 0, sizeof gone);
    ts_ok(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, params, "life"));
    check_all(ctx, "life", rows, N, NULL);
    for (int64_t i = 0; i < N; i++)
        if (i == 77 || i % 5 == 2 || (i > 3000 && i % 3)) gone[ids[n_ids++] = i] = 1;
    ts_ok(ctx, ts_index_delete(ctx, "life", ids, n_ids));
    check_all(ctx, "life", rows, N, gone);
    ts_ok(ctx, run(ctx, "add", "more.npy", "more.jsonl", "life", NULL, NULL));
    check_all(ctx, "life", rows, N + MORE, gone);
    ts_ok(ctx, ts_index_compact(ctx, "life"));
    check_all(ctx, "life", rows, N + MORE, gone);
    wn_ctx_free(ctx);
}

static void same_bytes_everywhere(void **state)
{
    static const int threads[] = {1, 2, 8};
    static const char *const params[] = {"code", "i8", "tenant_column", "user", "list_max",
                                         "16",   NULL};
    const wn_index_query few = {.effort = 3, .recall = 1, .tenant = names[0]};
    wn_hits *first = NULL;
    wn_ctx *first_ctx = ts_ctx(1, 0);
    wn_index *index;

    (void)state;
    ts_ok(first_ctx, run(first_ctx, "tenants", "rows.npy", "rows.jsonl", NULL, params, "first"));
    ts_ok(first_ctx, wn_index_open(first_ctx, ts_path("first"), &index));
    ts_ok(first_ctx, search(first_ctx, index, rows, 300, &few, &first));
    wn_index_free(index);
    for (int isa = 0; isa <= (int)ts_best_isa(); isa++)
        for (int t = 0; t < 3; t++) {
            wn_ctx *ctx = ts_ctx(threads[t], isa);
            const char *name = "first";
            wn_hits *hits;

            if (threads[t] == 2) {
                char one[1200], again[32];
                snprintf(again, sizeof again, "again%d", isa);
                ts_ok(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, params, again));
                snprintf(one, sizeof one, "%s", ts_path("first"));
                assert_true(ts_same_tree(one, ts_path(again)));
            }
            ts_ok(ctx, wn_index_open(ctx, ts_path(name), &index));
            ts_ok(ctx, search(ctx, index, rows, 300, &few, &hits));
            assert_memory_equal(hits->indices, first->indices, sizeof(int64_t) * 300 * K);
            assert_memory_equal(hits->distances, first->distances, sizeof(float) * 300 * K);
            assert_int_equal(hits->report.compared, first->report.compared);
            wn_hits_free(hits);
            wn_index_free(index);
            wn_ctx_free(ctx);
        }
    wn_hits_free(first);
    wn_ctx_free(first_ctx);
}

/* ---- what goes wrong ---------------------------------------------------------------------------------- */

/* The index of the first n rows in memory, where no checksum stands between it and wrong numbers; its table lies
 * elsewhere. */
static void in_memory(wn_ctx *ctx, int64_t n, wn_folder **folder)
{
    static const char *const params[] = {"tenant_column", "user", NULL};
    const wn_method *m = wn_method_find("index", "tenants");
    wn_index_tenants_params p;
    wni_index_head head = {.method = m, .params = &p, .dtype = WN_F32, .d = D, .next_id = n};
    wni_index_build b = {.params = &p, .prefix = "s1/", .arrays = json_array()};
    json_t *segments;
    wn_pool *pool;

    write_table("few.jsonl", 0, n);
    ts_write_npy(ts_path("few.npy"), rows, n, D);
    ts_ok(ctx, run(ctx, "tenants", "few.npy", "few.jsonl", NULL, params, "few"));
    wn_params_init(m, &p);
    p.list_max = 8;
    ts_ok(ctx, wn_params_set(ctx, m, &p, "tenant_column", "user"));
    ts_ok(ctx, wn_folder_new(ctx, folder));
    ts_ok(ctx, wn_pool_wrap(ctx, rows, n, D, WN_F32, WN_L2, &pool));
    ts_ok(ctx, wni_out_begin(ctx, wn_folder_path(*folder), 0, 0, &b.out));
    b.table = ts_path("few/s1/table.sqlite");
    b.rows = pool;
    ts_ok(ctx, wni_build_npy(&b, "rows.npy", "<f4", 4, (int64_t[]){n, D}, 2, rows));
    ts_ok(ctx, ((const wni_index_kind *)m->ops)->build(ctx, &b));
    ts_ok(ctx, wni_index_seal(ctx, b.out, b.prefix, b.arrays));
    segments = json_pack("[{s:i, s:I, s:i, s:i, s:o}]", "number", 1, "rows", (json_int_t)n,
                         "deleted", 0, "first_id", 0, "arrays", b.arrays);
    ts_ok(ctx, wni_index_write_head(b.out, &head, segments, 0));
    ts_ok(ctx, wni_out_commit(b.out));
    json_decref(segments);
    wn_pool_free(pool);
}

/* Numbers in the arrays that cannot be are refused at open, or lead to no harm. */
static void wrong_numbers(void **state)
{
    enum { FEW = 600 };
    static const uint64_t wrong[] = {0,
                                     1,
                                     FEW - 1,
                                     FEW,
                                     0x7fffffff,
                                     0x80000000,
                                     0xffffffff,
                                     0x7fffffffffffffff,
                                     0x8000000000000000,
                                     0xffffffffffffffff,
                                     0x7f800000,
                                     0x7fc00000};
    const wn_index_query asks[] = {{.effort = 2, .recall = 1},
                                   {.effort = 2, .recall = 1, .tenant = names[0]},
                                   {.effort = 1000, .recall = 1, .tenant = names[4]}};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_folder *folder;
    int refused = 0;

    (void)state;
    in_memory(ctx, FEW, &folder);
    for (int32_t a = 0; a < wn_folder_count(folder); a++) {
        const wn_folder_item *item = wn_folder_at(folder, a);
        unsigned char *data = (unsigned char *)(uintptr_t)item->data;
        const int64_t width = item->descr ? strtoll(item->descr + 2, NULL, 10) : 0;
        const int64_t count = width > 0 ? item->bytes / width : 0;

        if (width < 1 || width > 8 || strstr(item->name, "/rows.npy") || count == 0) continue;
        for (uint64_t t = 0; t < 120; t++) {
            const int64_t at =
                t < 4 ? (t & 1 ? count - 1 : 0) : wni_rand_below(3, (uint64_t)a, t, count);
            unsigned char before[8];
            wn_index *index;
            wn_hits *hits;

            memcpy(before, data + at * width, (size_t)width);
            memcpy(data + at * width, &wrong[t % 12], (size_t)width);
            if (wn_index_open(ctx, wn_folder_path(folder), &index) == WN_OK) {
                for (size_t i = 0; i < sizeof asks / sizeof asks[0]; i++) {
                    if (search(ctx, index, questions, Q, &asks[i], &hits) != WN_OK) continue;
                    for (int64_t h = 0; h < Q * K; h++)
                        assert_true(hits->indices[h] >= -1 && hits->indices[h] < FEW);
                    wn_hits_free(hits);
                }
                wn_index_free(index);
            } else {
                refused++;
                if (!strstr(wn_ctx_error(ctx), "damaged")) fail_msg("%s", wn_ctx_error(ctx));
            }
            memcpy(data + at * width, before, (size_t)width);
        }
    }
    assert_true(refused > 100);
    wn_folder_free(folder);
    wn_ctx_free(ctx);
}

static void no_memory(void **state)
{
    enum { FEW = 500 };
    static const char *const params[] = {"tenant_column", "user", "list_max", "8", "max_iter", "2",
                                         "force",         "1",    NULL};
    const wn_index_query few = {.effort = 2, .recall = 1, .tenant = names[0]};

    (void)state;
    write_table("memory.jsonl", 0, FEW);
    ts_write_npy(ts_path("memory.npy"), rows, FEW, D);
    for (int64_t at = 0, step = 1;; at += step, step += at % 3 == 0) {
        ts_alloc alloc = {.fail_at = at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wn_index *index = NULL;
        wn_hits *hits = NULL;
        wn_status st = run(ctx, "tenants", "memory.npy", "memory.jsonl", NULL, params, "memory");

        if (st == WN_OK) st = wn_index_open(ctx, ts_path("memory"), &index);
        if (st == WN_OK) st = search(ctx, index, questions, Q, &few, &hits);
        if (st != WN_OK) assert_int_equal(st, WN_E_NOMEM);
        wn_hits_free(hits);
        wn_index_free(index);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
        if (st == WN_OK) break;
    }
}

static void refused(void **state)
{
    static const char *const wrong[] = {"tenant_column", "usr", NULL};
    static const char *const small[] = {"tenant_column", "user", "list_max", "1", NULL};
    static const char *const right[] = {"tenant_column", "user", NULL};
    const wn_index_query nobody = {.recall = 1, .tenant = "B"};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *index;
    wn_hits *hits;

    (void)state;
    fails(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, wrong, "no"), WN_E_DATA,
          "did you mean 'user'");
    fails(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, wrong, "no"), WN_E_DATA,
          "--tenant-column");
    fails(ctx, run(ctx, "tenants", "rows.npy", NULL, NULL, right, "no"), WN_E_USAGE, "table");
    fails(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, small, "no"), WN_E_USAGE,
          "list_max");
    write_table("tiny.jsonl", 0, 20);
    ts_write_npy(ts_path("tiny.npy"), rows, 20, D);
    fails(ctx, run(ctx, "tenants", "tiny.npy", "tiny.jsonl", NULL, wrong, "no"), WN_E_DATA,
          "did you mean 'user'");
    ts_ok(ctx, run(ctx, "tenants", "tiny.npy", "tiny.jsonl", NULL, right, "tiny"));
    ts_ok(ctx, run(ctx, "tenants", "rows.npy", "rows.jsonl", NULL, right, "right"));
    for (int i = 0; i < 2; i++) {
        ts_ok(ctx, wn_index_open(ctx, ts_path(i ? "tiny" : "right"), &index));
        fails(ctx, search(ctx, index, questions, Q, &nobody, &hits), WN_E_USAGE,
              "has no row of 'B'");
        wn_index_free(index);
    }
    wn_ctx_free(ctx);
}

static int setup(void **state)
{
    (void)state;
    ts_tmp();
    rows = ts_blobs(N + MORE, D, BLOBS, 0.5, 1, NULL);
    questions = ts_blobs(Q, D, BLOBS, 0.5, 1, NULL);
    for (int64_t i = 0; i < Q * D; i++)
        questions[i] += 0.01f;
    ts_write_npy(ts_path("rows.npy"), rows, N, D);
    ts_write_npy(ts_path("more.npy"), rows + N * D, MORE, D);
    write_table("rows.jsonl", 0, N);
    write_table("more.jsonl", N, MORE);
    return 0;
}

static int teardown(void **state)
{
    (void)state;
    free(rows);
    free(questions);
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_row_has_its_place),
        cmocka_unit_test(all_lists_are_exact),
        cmocka_unit_test(efforts),
        cmocka_unit_test(small_tenants_and_none),
        cmocka_unit_test(down_the_tree),
        cmocka_unit_test(codes),
        cmocka_unit_test(numbers_as_tenants),
        cmocka_unit_test(rows_that_go_and_come),
        cmocka_unit_test(same_bytes_everywhere),
        cmocka_unit_test(wrong_numbers),
        cmocka_unit_test(no_memory),
        cmocka_unit_test(refused),
    };

    return cmocka_run_group_tests(tests, setup, teardown);
}
