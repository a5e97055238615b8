/* SPDX-License-Identifier: Apache-2.0
 *
 * Which index? Every kind with every sensible code is made of a small sample of the rows and searched. Those that
 * promise most are made of a larger one, too: what a query compares and visits is counted, its growth from one
 * sample to the other is carried on to all rows, and the cheapest that reaches the recall and fits the memory is
 * made. Counts, not seconds, decide, so that the choice is the same on every machine and every day; seconds
 * are only told.
 */
#include <math.h>
#include <string.h>

#include "base/fixmath.h"
#include "base/os.h"
#include "base/param.h"
#include "base/rng.h"
#include "index/code.h"
#include "index/index_build.h"
#include "index/index_search.h"
#include "io/memfolder.h"
#include "pool/pool_use.h"
#include "scan/scan.h"

WN_PARAM_TABLE(wn_index_auto_params, WN_INDEX_AUTO_PARAMS);

#define QUERIES 100
#define K       10
#define SMALLER 4  /* the smaller sample has a fourth of the rows */
#define TRIALS  64 /* at most */
#define LEAST   8  /* rows of a sample from which anything can be learnt */
#define ROOMY   2 /* times the memory there is: what takes more on the smaller sample will not fit */

/* Nanoseconds, as on a server of these years; their ratios choose. */
#define NS_COMPARE    10.0  /* a row that is compared, beside its bytes */
#define NS_BYTE       0.05  /* a byte of it */
#define NS_LOOKUP     0.5   /* a byte of a code that is looked up in a table */
#define NS_VERIFY     100.0 /* an exact row fetched from anywhere */
#define NS_VISIT      40.0  /* a node or list */
#define NS_VISIT_DISK 8e4   /* a list that is read from the disk */

/* What a query did on one sample. */
typedef struct counts {
    int64_t effort;
    double recall, compared, visited, verified; /* per query */
    double row_bytes;                           /* of memory */
    double seconds;                             /* of making the index */
} counts;

typedef struct trial {
    const wn_method *method;
    const char *code;
    double code_ns; /* of comparing the code of a row */
    counts small, large;
    int done;       /* on the larger sample, too */
    double growth;  /* exponent of what is compared in the number of rows */
    double us;      /* per query, for all rows, estimated */
    int64_t memory; /* for all rows */
    int fits;
} trial;

typedef struct advisor {
    wni_run *run;
    const wn_index_auto_params *p;
    int64_t n, m;  /* rows, rows of the larger sample */
    int64_t *rows; /* (m) the sample, in random order: the smaller one is its beginning */
    wn_pool *queries;
    int64_t *truth; /* (QUERIES, K) among the first truth_rows */
    float *key;     /* (QUERIES, K) */
    int64_t truth_rows;
    trial v[TRIALS];
    int32_t count;
} advisor;

/* ---- the sample -------------------------------------------------------------------------------------------- */

static wn_status take_sample(wn_ctx *ctx, advisor *a)
{
    const uint64_t stream = wni_stream("index auto", 0, 0);
    int64_t *order = NULL;
    wn_status st = WN_OK;

    /* A seeded shuffle of the first places is a sample without repetition; queries come from behind it. */
    WNI_NEW(ctx, order, a->n);
    for (int64_t i = 0; i < a->n; i++)
        order[i] = i;
    for (int64_t i = 0; i < wni_min(a->m + QUERIES, a->n); i++) {
        const int64_t j =
            i + (int64_t)wni_rand_below(a->p->seed, stream, (uint64_t)i, (uint64_t)(a->n - i));
        const int64_t t = order[i];
        order[i] = order[j];
        order[j] = t;
    }
    WNI_NEW(ctx, a->rows, a->m + QUERIES);
    for (int64_t i = 0; i < a->m + QUERIES; i++)
        a->rows[i] = order[i % a->n];
    WNI_TRY(wn_pool_view(ctx, a->run->pool, a->rows + a->m, QUERIES, &a->queries));
done:
    wni_free(ctx, order);
    return st;
}

static wn_status find_truth(wn_ctx *ctx, advisor *a, int64_t m)
{
    wni_queries queries = {a->queries, NULL, 0, QUERIES}, base = {a->run->pool, a->rows, 0, m};

    if (a->truth_rows == m) return WN_OK;
    a->truth_rows = m;
    return wni_scan_exact(ctx, &queries, &base, K, a->truth, a->key);
}

static double recall_of(const advisor *a, const wn_hits *hits)
{
    int64_t good = 0;

    for (int64_t q = 0; q < QUERIES; q++) {
        const float last = a->key[q * K + K - 1];
        const float reach = hits->metric == WN_COSINE ? last / 2 : sqrtf(last);
        for (int64_t i = 0; i < K; i++)
            good += hits->indices[q * K + i] >= 0 && hits->distances[q * K + i] <= reach;
    }
    return (double)good / (QUERIES * K);
}

/* ---- one trial --------------------------------------------------------------------------------------------- */

static wn_status search_trial(wn_ctx *ctx, const advisor *a, const wn_index *index, counts *t)
{
    wn_index_query query = {
        .struct_size = sizeof query, .queries = a->queries, .k = K, .recall = a->p->recall};
    wn_hits *hits = NULL;
    wn_status st;

    WNI_TRY(wn_index_search(ctx, index, &query, &hits));
    t->effort = hits->report.effort;
    t->recall = recall_of(a, hits);
    t->compared = (double)hits->report.compared / QUERIES;
    t->visited = (double)hits->report.visited / QUERIES;
    t->verified = (double)hits->report.verified / QUERIES;
    t->row_bytes = (double)wni_index_memory(index) / (double)index->segment[0].n;
done:
    wn_hits_free(hits);
    return st;
}

/* Makes the index of the first m rows of the sample in memory and searches it. */
static wn_status make(wn_ctx *ctx, const advisor *a, const wn_method *method, const void *params,
                      int64_t m, counts *t)
{
    wni_index_head head = {.method = method,
                           .params = params,
                           .metric = wn_pool_metric(a->run->pool),
                           .dtype = wn_pool_dtype(a->run->pool),
                           .d = wn_pool_dim(a->run->pool),
                           .next_id = m,
                           .next_segment = 2};
    json_t *segments = json_array(), *segment = NULL;
    const int64_t begin = wni_os_now_ns();
    wn_folder *folder = NULL;
    wn_index *index = NULL;
    wni_source source = {0};
    wni_out *out = NULL;
    wn_pool *rows = NULL;
    wn_status st;

    WNI_TRY(wn_pool_view(ctx, a->run->pool, a->rows, m, &rows));
    source.rows = rows;
    WNI_TRY(wn_folder_new(ctx, &folder));
    WNI_TRY(wni_out_begin(ctx, wn_folder_path(folder), 0, 0, &out));
    WNI_TRY(wni_segment_write(ctx, out, &head, 1, &source, 1, NULL, &segment));
    WNI_TRY(wni_segments_append(ctx, segments, segment));
    WNI_TRY(wni_index_write_head(out, &head, segments, 0));
    t->seconds = 1e-9 * (double)(wni_os_now_ns() - begin);
    WNI_TRY(wni_index_calibrate(ctx, out, &head, segments, NULL));
    WNI_TRY(wn_index_open(ctx, wn_folder_path(folder), &index));
    WNI_TRY(search_trial(ctx, a, index, t));
done:
    wn_index_free(index);
    wni_out_abort(out);
    wn_folder_free(folder);
    wn_pool_free(rows);
    json_decref(segments);
    return st;
}

/* All rows, when what is compared grows with this power of their number. */
static double us_of(const advisor *a, const trial *t, const counts *c, double rows, double growth)
{
    const wni_index_kind *kind = t->method->ops;
    const double more = wni_exp_fixed(growth * wni_log_fixed((double)a->n / rows));

    return 1e-3 * (c->compared * more * (NS_COMPARE + t->code_ns) + c->verified * NS_VERIFY +
                   c->visited * (kind->rows_on_disk ? NS_VISIT_DISK : NS_VISIT));
}

static void judge(const advisor *a, trial *t)
{
    const counts *small = &t->small, *large = &t->large;

    /* Nothing grows faster than the rows. */
    t->growth = small->compared > 0 && large->compared > 0
                    ? wni_log_fixed(large->compared / small->compared) / wni_log_fixed(SMALLER)
                    : 0;
    t->growth = fmin(fmax(t->growth, 0), 1);
    t->us = us_of(a, t, large, (double)a->m, t->growth);
    t->memory = (int64_t)(large->row_bytes * (double)a->n);
    t->fits = large->recall >= a->p->recall - 0.01 && t->memory <= wn_ctx_memory_bytes(a->run->ctx);
}

/* On the smaller sample, or on the larger. */
static wn_status try_one(wn_ctx *ctx, advisor *a, trial *t, int larger)
{
    const int64_t m = larger ? a->m : a->m / SMALLER;
    void *params = wni_alloc(ctx, 1, t->method->params_bytes);
    void (*const progress)(void *, const char *, int64_t, int64_t) = ctx->opt.progress;
    char seed[24];
    wn_status st = WN_OK;

    if (!params) return WN_E_NOMEM;
    wn_params_init(t->method, params);
    snprintf(seed, sizeof seed, "%llu", (unsigned long long)a->p->seed);
    WNI_TRY(wn_params_set(ctx, t->method, params, "code", t->code));
    WNI_TRY(wn_params_set(ctx, t->method, params, "seed", seed));
    wni_log(ctx, WN_LOG_INFO, "trying %s with %s on %lld rows", t->method->name, t->code,
            (long long)m);
    ctx->opt.progress = NULL; /* that of the parts of a trial says nothing to anybody */
    WNI_TRY(find_truth(ctx, a, m));
    WNI_TRY(make(ctx, a, t->method, params, m, larger ? &t->large : &t->small));
    t->done = larger;
    if (larger) judge(a, t);
done:
    ctx->opt.progress = progress;
    wni_free(ctx, params);
    return st;
}

/* What a trial may come to, by the smaller sample: a kind grows as it did with another code, an exact scan with
 * the rows, and others, before they are known, not at all. */
static double promise(const advisor *a, const trial *t)
{
    const wni_index_kind *kind = t->method->ops;
    double growth = kind->cost ? 0 : 1;

    for (int32_t i = 0; i < a->count; i++)
        if (a->v[i].method == t->method && a->v[i].done) growth = a->v[i].growth;
    return us_of(a, t, &t->small, (double)(a->m / SMALLER), growth);
}

static int hopeless(const advisor *a, const trial *t)
{
    return t->small.row_bytes * (double)a->n > ROOMY * (double)wn_ctx_memory_bytes(a->run->ctx);
}

static const trial *choose(const advisor *a)
{
    const trial *best = NULL;

    for (int32_t i = 0; i < a->count; i++)
        if (a->v[i].fits && (!best || a->v[i].us < best->us)) best = &a->v[i];
    return best;
}

/* Goes on to the larger sample in the order of what they promise, until none promises more than the best does. */
static wn_status try_larger(wn_ctx *ctx, advisor *a)
{
    wn_status st = WN_OK;

    for (;;) {
        const trial *best = choose(a);
        trial *next = NULL;

        for (int32_t i = 0; i < a->count; i++) {
            trial *t = &a->v[i];

            if (t->done || (best && (hopeless(a, t) || promise(a, t) >= best->us))) continue;
            if (!next || hopeless(a, t) < hopeless(a, next) ||
                (hopeless(a, t) == hopeless(a, next) && promise(a, t) < promise(a, next)))
                next = t;
        }
        if (!next) break;
        WNI_TRY(try_one(ctx, a, next, 1));
    }
done:
    return st;
}

/* Every kind that needs nothing but rows, with this code. */
static wn_status try_code(wn_ctx *ctx, advisor *a, const char *code, double code_ns)
{
    wn_status st = WN_OK;

    for (int32_t i = 0; i < wn_method_count() && a->count < TRIALS; i++) {
        const wn_method *method = wn_method_at(i);
        const wni_index_kind *kind = method->ops;

        if (strcmp(method->family, "index") != 0 || !kind || !method->inputs ||
            strcmp(method->inputs, "pool table?") != 0)
            continue;
        if (kind->rows_on_disk && strcmp(code, "f32") != 0) continue;
        a->v[a->count] = (trial){.method = method, .code = code, .code_ns = code_ns};
        WNI_TRY(try_one(ctx, a, &a->v[a->count], 0));
        a->count++;
    }
done:
    return st;
}

static int in_memory(const trial *t)
{
    return t && !((const wni_index_kind *)t->method->ops)->rows_on_disk;
}

/* pq is looked up and not compared, which takes longer than i8, and learnt, which takes long: it is for when nothing
 * else fits into memory. */
static wn_status try_all(wn_ctx *ctx, advisor *a)
{
    const double d = (double)wn_pool_dim(a->run->pool);
    wn_status st;

    WNI_TRY(try_code(ctx, a, "f32", NS_BYTE * 4 * d));
    WNI_TRY(try_code(ctx, a, "i8", NS_BYTE * d));
    WNI_TRY(try_larger(ctx, a));
    if (in_memory(choose(a))) goto done;
    WNI_TRY(try_code(ctx, a, "pq", NS_LOOKUP * d / 4));
    WNI_TRY(try_larger(ctx, a));
done:
    return st;
}

/* ---- the choice -------------------------------------------------------------------------------------------- */

static wn_status nothing_fits(const advisor *a)
{
    const trial *least = NULL;
    char need[24], have[24];

    for (int32_t i = 0; i < a->count; i++)
        if (a->v[i].done && a->v[i].large.recall >= a->p->recall - 0.01 &&
            (!least || a->v[i].memory < least->memory))
            least = &a->v[i];
    if (!least)
        return wni_fail(
            a->run->ctx, WN_E_DATA,
            "index auto: no kind reached a recall of %g on a sample of %lld rows; lower "
            "--recall",
            a->p->recall, (long long)a->m);
    return wni_fail(a->run->ctx, WN_E_BUDGET,
                    "index auto: the smallest index with a recall of %g, %s with %s, takes %s of "
                    "memory, --memory is %s; raise it or lower --recall",
                    a->p->recall, least->method->name, least->code,
                    wni_bytes_text(least->memory, need),
                    wni_bytes_text(wn_ctx_memory_bytes(a->run->ctx), have));
}

static wn_status record_value(const advisor *a, const trial *t, const char *name, double value)
{
    char key[64];

    snprintf(key, sizeof key, "tried.%s %s.%s", t->method->name, t->code, name);
    if (value == floor(value) && fabs(value) < 1e15)
        return wni_record_int(a->run, key, (int64_t)value);
    return wni_record_real(a->run, key, value);
}

static wn_status record_trial(const advisor *a, const trial *t)
{
    const counts *c = t->done ? &t->large : &t->small;
    const double rows = (double)(t->done ? a->m : a->m / SMALLER);
    wn_status st;

    WNI_TRY(record_value(a, t, "sample_rows", rows));
    WNI_TRY(record_value(a, t, "recall", c->recall));
    WNI_TRY(record_value(a, t, "effort", (double)c->effort));
    WNI_TRY(record_value(a, t, "compared_per_query", c->compared));
    if (t->done) {
        WNI_TRY(record_value(a, t, "grows_with_rows_to_the", t->growth));
        WNI_TRY(record_value(a, t, "estimated_us_per_query", t->us));
        WNI_TRY(record_value(a, t, "estimated_memory_bytes", (double)t->memory));
    } else {
        WNI_TRY(record_value(a, t, "us_per_query_at_least", promise(a, t)));
    }
    if (a->run->plan) /* a time is no part of what must be the same */
        WNI_TRY(record_value(a, t, "seconds_to_make", c->seconds * (double)a->n / rows));
done:
    return st;
}

static wn_status advise(wn_ctx *ctx, advisor *a, const trial **chosen)
{
    wn_status st;

    *chosen = NULL;
    WNI_NEW(ctx, a->truth, QUERIES * K);
    WNI_NEW(ctx, a->key, QUERIES * K);
    WNI_TRY(take_sample(ctx, a));
    WNI_TRY(try_all(ctx, a));
    for (int32_t i = 0; i < a->count; i++)
        WNI_TRY(record_trial(a, &a->v[i]));
    *chosen = choose(a);
    if (!*chosen) {
        st = nothing_fits(a);
        goto done;
    }
    WNI_TRY(wni_record_text(a->run, "choice", (*chosen)->method->name));
    WNI_TRY(wni_record_text(a->run, "choice_code", (*chosen)->code));
done:
    return st;
}

static wn_status build(wni_run *run, const trial *chosen, uint64_t seed)
{
    wni_run inner = *run; /* as if the chosen method had been called */
    char text[24];
    void *params = wni_alloc(run->ctx, 1, chosen->method->params_bytes);
    wn_status st;

    if (!params) return WN_E_NOMEM;
    wn_params_init(chosen->method, params);
    snprintf(text, sizeof text, "%llu", (unsigned long long)seed);
    WNI_TRY(wn_params_set(run->ctx, chosen->method, params, "code", chosen->code));
    WNI_TRY(wn_params_set(run->ctx, chosen->method, params, "seed", text));
    inner.method = chosen->method;
    inner.params = params;
    st = wni_index_build_run(&inner);
    run->estimate = inner.estimate;
done:
    wni_free(run->ctx, params);
    return st;
}

static wn_status auto_run(wni_run *run)
{
    const wn_index_auto_params *p = run->params;
    const int64_t n = wn_pool_rows(run->pool);
    advisor a = {.run = run, .p = p, .n = n, .m = wni_min(n - wni_min(n / 10, QUERIES), p->sample)};
    const trial *chosen = NULL;
    trial exact = {.code = "f32"};
    wn_status st = WN_OK;

    exact.method = wn_method_find("index", "flat");
    if (a.m >= LEAST * SMALLER) {
        WNI_TRY(wn_pool_check(run->ctx, run->pool, 1, NULL));
        WNI_TRY(advise(run->ctx, &a, &chosen));
    } else {
        chosen = &exact; /* too few to try, and few enough to compare all */
        WNI_TRY(wni_record_text(run, "choice", "flat"));
    }
    WNI_TRY(build(run, chosen, p->seed));
done:
    wn_pool_free(a.queries);
    wni_free(run->ctx, a.rows);
    wni_free(run->ctx, a.truth);
    wni_free(run->ctx, a.key);
    return st;
}

const wn_method wni_method_index_auto = {
    .family = "index",
    .name = "auto",
    .summary = "the kind, code and effort that suit the rows, tried on a sample, and its index",
    .papers = "",
    .cost =
        "some seven indexes of a fourth of the sample and some two of the whole; then that of the "
        "chosen kind",
    .flags = WN_METHOD_OUT_OF_CORE | WN_METHOD_SEEDED,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_index_auto_params),
    .inputs = "pool table?",
    .run = (const void *)auto_run,
};
