/* SPDX-License-Identifier: Apache-2.0
 *
 * The family `batch`: the files of a run.
 */

#include "batch/sampler.h"
#include "pool/inputs.h"
#include "pool/pool_use.h"

#define TILE_ROWS  ((int64_t)1 << 18) /* row numbers drawn before they are written */
#define RANGE_ROWS ((int64_t)1 << 14) /* of a range of one thread */

/* ---- inputs ----------------------------------------------------------------------------------------- */

typedef struct opened {
    wn_batch_input in;
    wn_tree *tree;
    wn_labels *groups, *queries;
    wn_scores *scores;
    int64_t *rows;
} opened;

static void close_inputs(wn_ctx *ctx, opened *o)
{
    wn_tree_free(o->tree);
    wn_labels_free(o->groups);
    wn_labels_free(o->queries);
    wn_scores_free(o->scores);
    wni_free(ctx, o->rows);
}

/* Rows of the pool: of the pool itself, else of the first input that has an entry for each. */
static int64_t rows_so_far(const wni_run *run, const opened *o)
{
    if (run->pool) return wn_pool_rows(run->pool);
    if (o->scores) return o->scores->n;
    if (o->groups) return o->groups->n;
    return -1;
}

static wn_status open_inputs(wni_run *run, opened *o)
{
    int64_t n;
    wn_status st;

    WNI_TRY(wni_run_scores(run, "scores", rows_so_far(run, o), &o->scores));
    WNI_TRY(wni_run_labels(run, "groups", rows_so_far(run, o), &o->groups));
    WNI_TRY(wni_run_labels(run, "queries", rows_so_far(run, o), &o->queries));
    n = rows_so_far(run, o);
    if (run->input(run, "tree")) {
        if (n < 0)
            return wni_fail(run->ctx, WN_E_USAGE,
                            "batch %s: --tree needs the pool that it was made from",
                            run->method->name);
        WNI_TRY(wni_run_tree(run, "tree", n, &o->tree));
    }
    if (n < 0 && !run->input(run, "rows"))
        return wni_fail(run->ctx, WN_E_USAGE,
                        "batch %s: nothing says which rows there are: give the pool, or --rows",
                        run->method->name);
    WNI_TRY(wni_run_rows(run, "rows", n < 0 ? WN_ROWS_MAX : n, &o->rows, &o->in.n_rows));
    o->in.struct_size = sizeof o->in;
    o->in.n = n < 0 ? WN_ROWS_MAX : n;
    o->in.tree = o->tree;
    o->in.groups = o->groups;
    o->in.scores = o->scores;
    o->in.queries = o->queries;
    o->in.rows = o->rows;
done:
    return st;
}

/* ---- files ------------------------------------------------------------------------------------------ */

typedef struct tile {
    const wn_sampler *sampler;
    int64_t epoch, first, size; /* batches from `first`, each of `size` rows */
    int64_t *rows;              /* (batches, size) */
    int64_t *count;             /* (batches) */
} tile;

static wn_status tile_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    tile *t = arg;
    wn_status st;

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        int64_t *rows = t->rows + i * t->size;
        st = wni_sampler_batch(t->sampler, t->epoch, t->first + i, 1, rows, &t->count[i]);
        if (st != WN_OK) return st;
        for (int64_t j = t->count[i]; j < t->size; j++)
            rows[j] = -1;
    }
    return WN_OK;
}

static int64_t tile_batches(int64_t batch_size)
{
    return wni_max(TILE_ROWS / batch_size, 1);
}

static wn_status write_batches(wni_run *run, const wn_sampler *s, const int64_t *begin,
                               int64_t *drawn)
{
    const wn_batch_params *p = s->p;
    int64_t batches = begin[p->epochs], room = wni_min(tile_batches(p->batch_size), batches);
    tile t = {.sampler = s, .size = p->batch_size};
    wni_npy_writer *writer = NULL;
    wn_status st;

    WNI_NEW(run->ctx, t.rows, room * t.size);
    WNI_NEW(run->ctx, t.count, room);
    WNI_TRY(wni_npy_writer_new(run->out, "batches.npy", "<i8", sizeof(int64_t), batches, t.size,
                               &writer));
    for (int64_t e = 0; e < p->epochs; e++)
        for (int64_t at = begin[e]; at < begin[e + 1]; at += room) {
            int64_t some = wni_min(room, begin[e + 1] - at);
            t.epoch = p->first_epoch + e;
            t.first = at - begin[e];
            WNI_TRY(wni_parallel(run->ctx, some, wni_max(RANGE_ROWS / t.size, 1), tile_range, &t));
            for (int64_t i = 0; i < some; i++)
                *drawn += t.count[i];
            WNI_TRY(wni_npy_writer_add(writer, some, t.rows));
            wni_progress(run->ctx, "drawing batches", at + some, batches);
        }
done:
    if (writer) {
        wn_status ended = wni_npy_writer_end(writer, st == WN_OK);
        if (st == WN_OK) st = ended;
    }
    wni_free(run->ctx, t.rows);
    wni_free(run->ctx, t.count);
    return st;
}

static wn_status write_files(wni_run *run, const wn_sampler *s)
{
    const wn_batch_params *p = s->p;
    int64_t *begin = NULL, entries = p->epochs + 1, drawn = 0;
    wn_status st;

    WNI_NEW(run->ctx, begin, entries);
    begin[0] = 0;
    for (int64_t e = 0; e < p->epochs; e++)
        begin[e + 1] = begin[e] + wn_sampler_batches(s, p->first_epoch + e);
    if (begin[p->epochs] == 0) {
        st = wni_fail(run->ctx, WN_E_DATA,
                      "batch %s: no batch of %lld rows%s can be filled: lower --batch-size, or "
                      "leave --drop-last out",
                      s->method->name, (long long)p->batch_size,
                      p->world > 1 ? " for each rank" : "");
        goto done;
    }
    WNI_TRY(write_batches(run, s, begin, &drawn));
    WNI_TRY(wni_out_npy(run->out, "epochs.npy", "<i8", sizeof *begin, &entries, 1, begin));
    WNI_TRY(wni_record_int(run, "rows", s->n));
    WNI_TRY(wni_record_int(run, "epochs", p->epochs));
    WNI_TRY(wni_record_int(run, "batches", begin[p->epochs]));
    WNI_TRY(wni_record_int(run, "drawn", drawn));
    WNI_TRY(wni_record_int(run, "padding", begin[p->epochs] * p->batch_size - drawn));
done:
    wni_free(run->ctx, begin);
    return st;
}

/* What the opened inputs hold while the sampler is made and the batches are drawn. */
static int64_t held_bytes(const opened *o)
{
    int64_t bytes = o->in.n_rows * 8;

    if (o->tree)
        for (int32_t t = 0; t < o->tree->levels; t++)
            bytes +=
                o->tree->level[t]->n * 4 + o->tree->level[t]->k * (8 + o->tree->level[t]->d * 4);
    if (o->groups) bytes += o->groups->n * 4 + o->groups->classes * (int64_t)32;
    if (o->queries) bytes += o->queries->n * 4 + o->queries->classes * (int64_t)32;
    if (o->scores) bytes += o->scores->n * 4;
    return bytes;
}

static wn_status family_run(wni_run *run)
{
    const wn_batch_params *p = run->params;
    wn_sampler *sampler = NULL;
    opened o = {0};
    wn_status st;

    WNI_TRY(open_inputs(run, &o));
    WNI_TRY(wni_sampler_check(run->ctx, run->method, &o.in, run->params, &run->estimate));
    run->estimate.peak_bytes +=
        p->epochs * 8 + tile_batches(p->batch_size) * (p->batch_size + 1) * 8;
    if (run->plan) {
        run->estimate.peak_bytes += held_bytes(&o);
        goto done;
    }
    WNI_TRY(wni_pool_need_run(run->ctx, run->pool, run->method, &run->estimate));
    WNI_TRY(wn_sampler_new(run->ctx, run->method, &o.in, run->params, &sampler));
    WNI_TRY(write_files(run, sampler));
done:
    wn_sampler_free(sampler);
    close_inputs(run->ctx, &o);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool", 0, "the rows, of which only the number is read: .npy and other vector files"},
    {"tree", "tree", 0, "folder that `winnow cluster` or `winnow curate` made from these rows"},
    {"groups", "labels", 0,
     "a class per row: .npy of integers, TABLE:COLUMN, or a folder of `winnow cluster`"},
    {"scores", "scores", 0, "one number per row: folder of `winnow score`, .npy, or TABLE:COLUMN"},
    {"queries", "labels", 0, "the query that each row, a pair, belongs to"},
    {"rows", "rows", 0, "draw from these rows only: folder of `winnow select`, or .npy"}};

const wn_family wni_family_batch = {
    .name = "batch",
    .summary = "draw the batches of an epoch: which rows to train on next",
    .default_method = "uniform",
    .inputs = inputs,
    .n_inputs = (int32_t)(sizeof inputs / sizeof inputs[0]),
    .run = (const void *)family_run,
};
