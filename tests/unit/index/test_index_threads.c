/* SPDX-License-Identifier: Apache-2.0
 *
 * One folder and many at it: threads that search an index they have open, threads that open it again and again,
 * and a run that changes it in place under them; two runs that change it at once; many small additions.
 */
#include <math.h>
#include <pthread.h>
#include <sched.h>
#include <stdatomic.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "index/index_impl.h"
#include "io/folder_lock.h"
#include "support/index_case.h"

enum { N = 200, MORE = 20, D = 6, Q = 5, K = 12, STEPS = 12, READERS = 2 };

/* ---- the index and its changes: by paths, for threads ------------------------------------------------------- */

typedef struct paths {
    char index[256], rows[256], table[256], more[256], more_table[256], gone[STEPS][256];
} paths;

static void set_paths(paths *p, const char *index)
{
    snprintf(p->index, sizeof p->index, "%s", ts_path(index));
    snprintf(p->rows, sizeof p->rows, "%s", ts_path("rows.npy"));
    snprintf(p->table, sizeof p->table, "%s", ts_path("rows.jsonl"));
    snprintf(p->more, sizeof p->more, "%s", ts_path("more.npy"));
    snprintf(p->more_table, sizeof p->more_table, "%s", ts_path("more.jsonl"));
    for (int i = 0; i < STEPS; i++) {
        char name[32];
        snprintf(name, sizeof name, "gone-%d.npy", i);
        snprintf(p->gone[i], sizeof p->gone[i], "%s", ts_path(name));
    }
}

static wn_status job(wn_ctx *ctx, const char *method, const char *index, const char *pool,
                     const char *table, const char *rows, const char *out)
{
    wn_job *j;
    wn_status st = wn_job_new(ctx, "index", method, &j);

    if (st == WN_OK && index) st = wn_job_input(j, "index", index);
    if (st == WN_OK && pool) st = wn_job_input(j, "pool", pool);
    if (st == WN_OK && table) st = wn_job_input(j, "table", table);
    if (st == WN_OK && rows) st = wn_job_input(j, "rows", rows);
    if (st == WN_OK && out) st = wn_job_output(j, out);
    if (st == WN_OK) st = wn_job_run(j);
    wn_job_free(j);
    return st;
}

/* Step i of the life of the index: add, delete, delete, compact, and again. */
static wn_status change(wn_ctx *ctx, const paths *p, int i, int table)
{
    if (i % 4 == 0)
        return job(ctx, "add", p->index, p->more, table ? p->more_table : NULL, NULL, NULL);
    return job(ctx, i % 4 == 3 ? "compact" : "delete", p->index, NULL, NULL,
               i % 4 == 3 ? NULL : p->gone[i], NULL);
}

/* What an open index answers. */
typedef struct answer {
    int64_t rows, matching, index[Q * K];
    float distance[Q * K];
} answer;

static float queries[Q * D];

static wn_status ask(wn_ctx *ctx, const wn_index *index, int table, answer *a)
{
    wn_index_about about = {.struct_size = sizeof about};
    wn_index_query query = {.struct_size = sizeof query, .k = K, .recall = 1};
    wn_filter *filter = NULL;
    wn_hits *hits = NULL;
    wn_pool *pool = NULL;
    wn_status st;

    memset(a, 0, sizeof *a);
    wn_index_describe(index, &about);
    a->rows = about.rows;
    WNI_TRY(wn_pool_wrap(ctx, queries, Q, D, WN_F32, WN_L2, &pool));
    query.queries = pool;
    if (table) {
        WNI_TRY(wn_filter_new(ctx, index, "half = 1", NULL, NULL, &filter));
        a->matching = wn_filter_matching(filter);
        query.filter = filter;
    }
    WNI_TRY(wn_index_search(ctx, index, &query, &hits));
    memcpy(a->index, hits->indices, sizeof a->index);
    memcpy(a->distance, hits->distances, sizeof a->distance);
done:
    wn_hits_free(hits);
    wn_filter_free(filter);
    wn_pool_free(pool);
    return st;
}

static wn_status open_and_ask(wn_ctx *ctx, const char *path, int table, answer *a)
{
    wn_index *index;
    wn_status st = wn_index_open(ctx, path, &index);

    if (st != WN_OK) return st;
    st = ask(ctx, index, table, a);
    wn_index_free(index);
    return st;
}

static void write_table(const char *name, int from, int n)
{
    FILE *f = fopen(ts_path(name), "w");

    assert_non_null(f);
    for (int i = from; i < from + n; i++)
        fprintf(f, "{\"half\": %d, \"word\": \"w%d\"}\n", i % 2, i);
    fclose(f);
}

static int set_up(void **state)
{
    float *v = ts_normal(N + MORE + Q, D, 3);
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    ts_tmp();
    ts_write_npy(ts_path("rows.npy"), v, N, D);
    ts_write_npy(ts_path("more.npy"), v + N * D, MORE, D);
    memcpy(queries, v + (N + MORE) * D, sizeof queries);
    write_table("rows.jsonl", 0, N);
    write_table("more.jsonl", N, MORE);
    for (int64_t i = 0; i < STEPS; i++) {
        const int64_t ids[] = {7 * i, 7 * i + 3}, n = 2;
        char name[32];
        wni_out *out;
        snprintf(name, sizeof name, "gone-%d.npy", (int)i);
        ts_ok(ctx, wni_out_begin(ctx, ts_path(name), 1, 1, &out));
        ts_ok(ctx, wni_out_npy(out, NULL, "<i8", sizeof *ids, &n, 1, ids));
        ts_ok(ctx, wni_out_commit(out));
    }
    wn_ctx_free(ctx);
    free(v);
    return 0;
}

static int tear_down(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

/* ---- readers and one that writes ----------------------------------------------------------------------------- */

typedef struct shared {
    paths p;
    int table;
    const wn_index *open;       /* by all who search */
    answer expected[STEPS + 1]; /* after so many steps */
    atomic_int steps, stop;
} shared;

/* cmocka's checks are for its own thread: what a thread finds wrong it leaves here. */
typedef struct reader {
    shared *s;
    pthread_t thread;
    atomic_int rounds;
    char error[700];
} reader;

static void *search_what_is_open(void *arg)
{
    reader *r = arg;
    wn_ctx *ctx = ts_ctx(2, -1);
    answer *a = malloc(sizeof *a);

    while (!r->error[0] && (!atomic_load(&r->s->stop) || atomic_load(&r->rounds) == 0)) {
        if (ask(ctx, r->s->open, r->s->table, a) != WN_OK)
            snprintf(r->error, sizeof r->error, "searching: %s", wn_ctx_error(ctx));
        else if (memcmp(a, &r->s->expected[0], sizeof *a) != 0)
            snprintf(r->error, sizeof r->error, "what is open answers otherwise after step %d",
                     atomic_load(&r->s->steps));
        atomic_fetch_add(&r->rounds, 1);
    }
    free(a);
    wn_ctx_free(ctx);
    return NULL;
}

static void *open_again_and_again(void *arg)
{
    reader *r = arg;
    wn_ctx *ctx = ts_ctx(2, -1);
    answer *a = malloc(sizeof *a);
    int last = 0, stopped;

    do {
        int found = last;
        stopped = atomic_load(&r->s->stop);
        if (open_and_ask(ctx, r->s->p.index, r->s->table, a) != WN_OK) {
            snprintf(r->error, sizeof r->error, "opening: %s", wn_ctx_error(ctx));
        } else {
            while (found <= STEPS && memcmp(a, &r->s->expected[found], sizeof *a) != 0)
                found++;
            if (found > STEPS)
                snprintf(r->error, sizeof r->error,
                         "found what is neither the state after step %d nor a later one", last);
            last = found;
        }
        atomic_fetch_add(&r->rounds, 1);
    } while (!r->error[0] && !stopped);
    if (!r->error[0] && memcmp(a, &r->s->expected[STEPS], sizeof *a) != 0)
        snprintf(r->error, sizeof r->error, "the last state is not what was opened last");
    free(a);
    wn_ctx_free(ctx);
    return NULL;
}

/* Every step waits until all readers have been round once more, so that they are in the midst of it. */
static void run_steps(shared *s, reader *readers, wn_ctx *ctx)
{
    for (int i = 0; i < STEPS; i++) {
        ts_ok(ctx, change(ctx, &s->p, i, s->table));
        atomic_store(&s->steps, i + 1);
        for (int t = 0; t < 2 * READERS; t++) {
            const int now = atomic_load(&readers[t].rounds);
            while (atomic_load(&readers[t].rounds) == now && !readers[t].error[0])
                sched_yield();
        }
    }
    atomic_store(&s->stop, 1);
}

static void readers_while_it_changes(const char *kind, int table)
{
    shared *s = calloc(1, sizeof *s);
    reader *readers = calloc(2 * READERS, sizeof *readers);
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_index *open;
    char name[64];

    /* First the life of its twin, alone. */
    s->table = table;
    snprintf(name, sizeof name, "%s-twin.wni", kind);
    set_paths(&s->p, name);
    ts_ok(ctx, job(ctx, kind, NULL, s->p.rows, table ? s->p.table : NULL, NULL, s->p.index));
    ts_ok(ctx, open_and_ask(ctx, s->p.index, table, &s->expected[0]));
    for (int i = 0; i < STEPS; i++) {
        ts_ok(ctx, change(ctx, &s->p, i, table));
        ts_ok(ctx, open_and_ask(ctx, s->p.index, table, &s->expected[i + 1]));
    }
    assert_memory_not_equal(&s->expected[0], &s->expected[STEPS], sizeof s->expected[0]);

    snprintf(name, sizeof name, "%s.wni", kind);
    set_paths(&s->p, name);
    ts_ok(ctx, job(ctx, kind, NULL, s->p.rows, table ? s->p.table : NULL, NULL, s->p.index));
    ts_ok(ctx, wn_index_open(ctx, s->p.index, &open));
    s->open = open;
    for (int i = 0; i < 2 * READERS; i++) {
        readers[i].s = s;
        assert_int_equal(pthread_create(&readers[i].thread, NULL,
                                        i % 2 ? open_again_and_again : search_what_is_open,
                                        &readers[i]),
                         0);
    }
    run_steps(s, readers, ctx);
    for (int i = 0; i < 2 * READERS; i++)
        pthread_join(readers[i].thread, NULL);
    for (int i = 0; i < 2 * READERS; i++)
        if (readers[i].error[0]) fail_msg("index %s: %s", kind, readers[i].error);
    wn_index_free(open);
    wn_ctx_free(ctx);
    free(readers);
    free(s);
}

static void graph_and_table_while_they_change(void **state)
{
    (void)state;
    readers_while_it_changes("hnsw", 1);
}

static void lists_on_disk_while_they_change(void **state)
{
    (void)state;
    readers_while_it_changes("disk", 0);
}

/* The same name, other rows, as many of them: what is open keeps its rows and its table. */
static void replaced_by_another(void **state)
{
    answer a, b;
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_index *open;
    wn_job *j;
    paths p;
    FILE *f;

    (void)state;
    set_paths(&p, "replaced.wni");
    ts_ok(ctx, job(ctx, "flat", NULL, p.more, p.more_table, NULL, p.index));
    ts_ok(ctx, wn_index_open(ctx, p.index, &open));
    ts_ok(ctx, ask(ctx, open, 1, &a));
    assert_int_equal(a.matching, MORE / 2);
    f = fopen(ts_path("other.jsonl"), "w");
    assert_non_null(f);
    for (int i = 0; i < MORE; i++)
        fprintf(f, "{\"half\": %d, \"word\": \"v%d\"}\n", i < K, i);
    fclose(f);
    ts_ok(ctx, wn_job_new(ctx, "index", "flat", &j));
    ts_ok(ctx, wn_job_input(j, "pool", p.more));
    ts_ok(ctx, wn_job_input(j, "table", ts_path("other.jsonl")));
    ts_ok(ctx, wn_job_output(j, p.index));
    ts_ok(ctx, wn_job_set(j, "force", "1"));
    ts_ok(ctx, wn_job_run(j));
    wn_job_free(j);
    ts_ok(ctx, ask(ctx, open, 1, &b));
    assert_memory_equal(&a, &b, sizeof a);
    wn_index_free(open);
    ts_ok(ctx, open_and_ask(ctx, p.index, 1, &b));
    assert_int_equal(b.matching, K);
    wn_ctx_free(ctx);
}

/* ---- two that write ------------------------------------------------------------------------------------------ */

enum { WRITERS = 3, ADDITIONS = 5 };

typedef struct writer {
    const paths *p;
    pthread_t thread;
    int refused;
    char error[700];
} writer;

static void *add_until_done(void *arg)
{
    writer *w = arg;
    wn_ctx *ctx = ts_ctx(1, -1);

    for (int done = 0; done < ADDITIONS && !w->error[0];) {
        wn_status st = job(ctx, "add", w->p->index, w->p->more, NULL, NULL, NULL);
        if (st == WN_OK)
            done++;
        else if (st == WN_E_IO && strstr(wn_ctx_error(ctx), "run again"))
            w->refused++, sched_yield();
        else
            snprintf(w->error, sizeof w->error, "%s", wn_ctx_error(ctx));
    }
    wn_ctx_free(ctx);
    return NULL;
}

static void several_add_at_once(void **state)
{
    wn_index_about about = {.struct_size = sizeof about};
    wn_ctx *ctx = ts_ctx(1, -1);
    writer w[WRITERS] = {{0}};
    wn_index *index;
    uint8_t seen[N + WRITERS * ADDITIONS * MORE] = {0};
    paths p;

    (void)state;
    set_paths(&p, "many.wni");
    ts_ok(ctx, job(ctx, "flat", NULL, p.rows, NULL, NULL, p.index));
    for (int i = 0; i < WRITERS; i++) {
        w[i].p = &p;
        assert_int_equal(pthread_create(&w[i].thread, NULL, add_until_done, &w[i]), 0);
    }
    for (int i = 0; i < WRITERS; i++)
        pthread_join(w[i].thread, NULL);
    for (int i = 0; i < WRITERS; i++)
        if (w[i].error[0]) fail_msg("%s", w[i].error);
    ts_ok(ctx, wn_index_open(ctx, p.index, &index));
    wn_index_describe(index, &about);
    assert_int_equal(about.rows, sizeof seen);
    assert_int_equal(about.next_id, sizeof seen);
    for (int32_t i = 0; i < index->n_segments; i++)
        for (int64_t r = 0; r < index->segment[i].n; r++) {
            const wni_segment *s = &index->segment[i];
            const int64_t id = s->ids ? s->ids[r] : s->first_id + r;
            assert_in_range(id, 0, sizeof seen - 1);
            assert_int_equal(seen[id]++, 0);
        }
    wn_index_free(index);
    wn_ctx_free(ctx);
}

static void a_locked_index_is_refused_and_can_be_read(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    answer a;
    paths p;
    int lock, other;

    (void)state;
    set_paths(&p, "locked.wni");
    ts_ok(ctx, job(ctx, "flat", NULL, p.rows, NULL, NULL, p.index));
    ts_ok(ctx, wni_folder_lock(ctx, p.index, &lock));
    assert_true(lock >= 0);
    for (int i = 0; i < 4; i++) {
        assert_int_equal(change(ctx, &p, i, 0), WN_E_IO);
        assert_non_null(strstr(wn_ctx_error(ctx), "locked.wni: another run is changing it"));
    }
    /* Named as the output, it is the same index. */
    assert_int_equal(job(ctx, "compact", p.index, NULL, NULL, NULL, p.index), WN_E_IO);
    assert_non_null(strstr(wn_ctx_error(ctx), "locked.wni: another run is changing it"));
    assert_int_equal(wni_folder_lock(ctx, p.index, &other), WN_E_IO);
    assert_int_equal(other, -1);
    ts_ok(ctx, open_and_ask(ctx, p.index, 0, &a));
    assert_int_equal(a.rows, N);
    wni_folder_unlock(lock);
    lock = wni_folder_hold(p.index);
    assert_true(lock >= 0 && !wni_folder_replaced(lock, p.index));
    ts_ok(ctx, change(ctx, &p, 0, 0));
    assert_true(wni_folder_replaced(lock, p.index));
    wni_folder_unlock(lock);
    wn_ctx_free(ctx);
}

/* ---- many small additions --------------------------------------------------------------------------------------- */

/* A row is written anew only into a segment at least half as large again as what came before it: the segments
 * stay few, and so are the times that a row is written. */
static void small_additions_stay_few(void **state)
{
    enum { BATCH = 4, TIMES = 60 };
    float *v = ts_normal(N + BATCH * TIMES, D, 8);
    wn_hits *hits, *truth;
    wn_ctx *ctx = ts_ctx(2, -1);
    int64_t written = 0, n = N;

    (void)state;
    ts_ok(ctx, ts_index(ctx, "hnsw", v, N, D, NULL, "small.wni"));
    for (int i = 0; i < TIMES; i++, n += BATCH) {
        wn_index *index;
        ts_ok(ctx, ts_index_add(ctx, "small.wni", v + n * D, BATCH, D));
        ts_ok(ctx, wn_index_open(ctx, ts_path("small.wni"), &index));
        written += index->segment[index->n_segments - 1].n;
        assert_in_range(index->n_segments, 1, 2 + (int)ceil(log2(1 + (double)n / BATCH)));
        wn_index_free(index);
    }
    assert_true((double)written <= (double)n * (1 + log2((double)n / BATCH)));
    ts_ok(ctx, ts_index(ctx, "flat", v, n, D, NULL, "whole.wni"));
    ts_ok(ctx, ts_index_search(ctx, "whole.wni", queries, Q, D, K, 0, 1, &truth));
    ts_ok(ctx, ts_index_search(ctx, "small.wni", queries, Q, D, K, 400, 1, &hits));
    assert_memory_equal(hits->indices, truth->indices, sizeof(int64_t) * Q * K);
    assert_memory_equal(hits->distances, truth->distances, sizeof(float) * Q * K);
    wn_hits_free(hits);
    wn_hits_free(truth);
    wn_ctx_free(ctx);
    free(v);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(graph_and_table_while_they_change),
        cmocka_unit_test(lists_on_disk_while_they_change),
        cmocka_unit_test(replaced_by_another),
        cmocka_unit_test(several_add_at_once),
        cmocka_unit_test(a_locked_index_is_refused_and_can_be_read),
        cmocka_unit_test(small_additions_stay_few),
    };

    return cmocka_run_group_tests(tests, set_up, tear_down);
}
