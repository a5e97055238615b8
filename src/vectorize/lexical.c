/* SPDX-License-Identifier: Apache-2.0
 *
 * Text to vectors without a model: hashed n-grams, sublinear tf-idf, sparse random projection.
 *
 * Two passes over the texts: the first counts in how many of them a feature occurs, in a table of fixed size
 * (features that share a counter are taken together); the second makes the rows. Each row is made by one
 * thread, its features in the order of their hashes, so that the bits depend on the data alone.
 */
#include <math.h>
#include <stdatomic.h>
#include <string.h>

#include "base/fixmath.h"
#include "base/rng.h"
#include "pool/text_column.h"
#include "pool/text_features.h"
#include "winnow/vectorize.h"

#define DF_BITS     22
#define DF_SLOTS    ((int64_t)1 << DF_BITS)
#define IDF_KNOWN   65536               /* document frequencies whose idf is computed once */
#define TF_KNOWN    256                 /* the same for counts within a text */
#define TEXT_BYTES  ((int64_t)4 << 20)  /* of a batch; one longer text is a batch of its own */
#define OUT_BYTES   ((int64_t)16 << 20) /* rows of a batch */
#define ROWS_BATCH  8192
#define RANGE_BYTES ((int64_t)64 << 10) /* of text in one range of a parallel loop */

typedef struct lexical {
    wn_ctx *ctx;
    const wn_vectorize_lexical_params *p;
    wn_table *table;
    const char *column;
    int64_t n;
    uint32_t lengths[WNI_GRAMS];
    double share[WNI_GRAMS]; /* of the squared length */
    uint64_t key;            /* of the projection */
    uint32_t block[65];      /* (nonzeros + 1) equal blocks of columns: where each begins */

    atomic_uint *df; /* (DF_SLOTS) texts with a feature of this slot */
    double *idf;     /* (min(IDF_KNOWN, n + 1)) by document frequency */
    double tf[TF_KNOWN];

    /* The batch being read or worked on. */
    int64_t first, rows, rows_max;
    char *text;
    int64_t bytes, room;
    int64_t *end; /* (rows_max) of each text in `text` */
    float *out;   /* (rows_max, dim) row-major; NULL in the first pass */

    wni_features *scratch; /* (threads) */
    double *sum;           /* (threads, dim) */
    wn_rows_sink sink;
    void *user;
} lexical;

/* ---- first pass: document frequencies ------------------------------------------------------------ */

static int64_t df_slot(uint64_t hash)
{
    return (int64_t)(hash >> (64 - DF_BITS));
}

/* Features are in the order of their hashes, hence of their slots: a slot is counted once per text. */
static void count_documents(lexical *l, const wni_features *f)
{
    int64_t last = -1;

    for (int64_t i = 0; i < f->n; i++) {
        int64_t slot = df_slot(f->hash[i]);

        if (i + 8 < f->n) __builtin_prefetch(&l->df[df_slot(f->hash[i + 8])], 1);
        if (slot != last) atomic_fetch_add_explicit(&l->df[slot], 1, memory_order_relaxed);
        last = slot;
    }
}

/* ---- second pass: rows --------------------------------------------------------------------------- */

/* Smooth idf, as if one more text had every feature. */
static double idf(const lexical *l, int64_t df)
{
    return wni_log_fixed((1.0 + (double)l->n) / (1.0 + (double)df)) + 1.0;
}

static double weight(const lexical *l, uint64_t hash, uint32_t count)
{
    /* Word and character n-grams may meet in a slot, which then counts a text twice. */
    int64_t df = wni_min(atomic_load_explicit(&l->df[df_slot(hash)], memory_order_relaxed), l->n);
    double tf = count < TF_KNOWN ? l->tf[count] : 1.0 + wni_log_fixed(count);

    return tf * (df < IDF_KNOWN ? l->idf[df] : idf(l, df));
}

/* Adds +-weight to one column in each of the blocks of columns. */
static void project(const lexical *l, uint64_t hash, double w, double *sum)
{
    const double either[2] = {-w, w}; /* looked up: a branch would be wrong half the time */
    uint64_t seed = hash ^ l->key;

    for (int32_t b = 0; b < l->p->nonzeros; b++) {
        uint64_t x = seed + (uint64_t)b * 0x9e3779b97f4a7c15u, wide = l->block[b + 1] - l->block[b];

        x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u; /* the finish of splitmix64 */
        x = (x ^ x >> 27) * 0x94d049bb133111ebu;
        x ^= x >> 31;
        sum[l->block[b] + ((x >> 32) * wide >> 32)] += either[x & 1];
    }
}

/* One kind of feature: tf-idf, unit length, then its share of the whole. */
static void add_features(const lexical *l, const wni_features *f, double share, double *sum)
{
    double length2 = 0, scale;

    for (int64_t i = 0; i < f->n; i++) {
        double w;

        if (i + 8 < f->n) __builtin_prefetch(&l->df[df_slot(f->hash[i + 8])], 0);
        w = f->weight[i] = weight(l, f->hash[i], f->count[i]);
        length2 += w * w;
    }
    if (length2 == 0) return;
    scale = sqrt(share / length2);
    for (int64_t i = 0; i < f->n; i++)
        project(l, f->hash[i], scale * f->weight[i], sum);
}

static wn_status bad_text(lexical *l, int64_t row, const char *what)
{
    char where[WNI_ERROR_MAX];

    return wni_fail_at(l->ctx, row, WN_E_DATA, "%s: its %s %s",
                       wni_table_where(l->table, l->first + row, where, sizeof where), l->column,
                       what);
}

static wn_status finish_row(lexical *l, int64_t row, const double *sum, float *out)
{
    int64_t d = l->p->dim;
    double length2 = 0, scale;

    for (int64_t j = 0; j < d; j++)
        length2 += sum[j] * sum[j];
    if (length2 < 1e-24)
        return bad_text(l, row,
                        "has features that cancel in the projection: raise --dim or --nonzeros, or "
                        "change --seed");
    scale = 1.0 / sqrt(length2);
    for (int64_t j = 0; j < d; j++)
        out[j] = (float)(sum[j] * scale);
    return WN_OK;
}

/* ---- batches ----------------------------------------------------------------------------------- */

static wn_status work(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    lexical *l = arg;
    wni_features *f = &l->scratch[worker];
    double *sum = l->out ? l->sum + worker * l->p->dim : NULL;
    wn_status st = WN_OK;

    (void)ctx;
    for (int64_t row = begin; row < end; row++) {
        int64_t from = row ? l->end[row - 1] : 0, features = 0;

        WNI_TRY(wni_features_words(f, l->text + from, l->end[row] - from));
        if (sum) memset(sum, 0, (size_t)l->p->dim * sizeof *sum);
        for (int g = 0; g < WNI_GRAMS; g++) {
            if (l->share[g] == 0) continue;
            WNI_TRY(wni_features_count(f, (wni_gram)g, l->lengths[g]));
            features += f->n;
            if (sum)
                add_features(l, f, l->share[g], sum);
            else
                count_documents(l, f);
        }
        if (features == 0)
            return bad_text(l, row,
                            "has no word to make a vector from: give the row a text or drop it");
        if (sum) WNI_TRY(finish_row(l, row, sum, l->out + row * l->p->dim));
    }
done:
    return st;
}

/* Works the batch off; ranges of about equal text, whatever the texts' lengths. */
static wn_status flush(lexical *l)
{
    int64_t grain = wni_max(1, l->rows * RANGE_BYTES / wni_max(l->bytes, 1));
    wn_status st;

    if (l->rows == 0) return WN_OK;
    st = wni_parallel(l->ctx, l->rows, grain, work, l);
    if (st == WN_OK && l->out) st = l->sink(l->user, l->first, l->rows, l->p->dim, l->out);
    l->first += l->rows;
    l->rows = l->bytes = 0;
    wni_progress(l->ctx, l->out ? "vectors" : "count words", l->first, l->n);
    return st;
}

static wn_status take_text(void *user, int64_t row, const char *text)
{
    lexical *l = user;
    int64_t bytes;

    if (!text)
        return bad_text(l, row - l->first, "is missing (null): give the row a text or drop it");
    bytes = (int64_t)strlen(text);
    if (l->rows == l->rows_max || (l->rows && l->bytes + bytes > TEXT_BYTES)) {
        wn_status st = flush(l);

        if (st != WN_OK) return st;
    }
    if (l->bytes + bytes > l->room) {
        int64_t room = wni_max(l->room * 2, l->bytes + bytes);
        char *grown = wni_grow(l->ctx, l->text, l->bytes, room, 1);

        if (!grown) return WN_E_NOMEM;
        l->text = grown;
        l->room = room;
    }
    memcpy(l->text + l->bytes, text, (size_t)bytes);
    l->bytes += bytes;
    l->end[l->rows++] = l->bytes;
    return WN_OK;
}

static wn_status pass(lexical *l, int32_t column)
{
    wn_status st;

    l->first = l->rows = l->bytes = 0;
    st = wn_table_scan(l->table, column, take_text, l);
    return st == WN_OK ? flush(l) : st;
}

/* ---- the method -------------------------------------------------------------------------------- */

static int64_t batch_rows(const wn_vectorize_lexical_params *p)
{
    return wni_max(1, wni_min(ROWS_BATCH, OUT_BYTES / (p->dim * (int64_t)sizeof(float))));
}

static uint32_t length_bits(const wn_list *list)
{
    uint32_t bits = 0;

    for (int32_t i = 0; i < list->count; i++)
        bits |= 1u << list->at[i];
    return bits;
}

static wn_status prepare(lexical *l)
{
    const wn_vectorize_lexical_params *p = l->p;
    int64_t known = wni_min(IDF_KNOWN, l->n + 1);
    wn_status st = WN_OK;

    l->lengths[WNI_WORDS] = length_bits(&p->words);
    l->lengths[WNI_CHARS] = length_bits(&p->chars);
    l->share[WNI_WORDS] = p->words.count ? 1.0 - p->char_weight : 0;
    l->share[WNI_CHARS] = p->chars.count ? p->char_weight : 0;
    if (l->share[WNI_WORDS] == 0 && l->share[WNI_CHARS] == 0)
        return wni_fail(
            l->ctx, WN_E_USAGE,
            "nothing to count: give --words or --chars lengths, and --char-weight a value "
            "that leaves them a share");
    if (p->nonzeros > p->dim)
        return wni_fail(l->ctx, WN_E_USAGE,
                        "--nonzeros %d is above --dim %lld: at most one a column", p->nonzeros,
                        (long long)p->dim);
    if (l->n > UINT32_MAX)
        return wni_fail(l->ctx, WN_E_DATA, "%lld texts, at most %u: vectorize them in parts",
                        (long long)l->n, UINT32_MAX);

    for (int64_t b = 0; b <= p->nonzeros; b++)
        l->block[b] = (uint32_t)(b * p->dim / p->nonzeros);
    l->key = wni_rand_u64(p->seed, wni_stream("lexical projection", 0, 0), 0);
    l->rows_max = batch_rows(p);
    l->room = TEXT_BYTES;
    WNI_NEW0(l->ctx, l->df, DF_SLOTS);
    WNI_NEW(l->ctx, l->idf, known);
    WNI_NEW(l->ctx, l->text, l->room);
    WNI_NEW(l->ctx, l->end, l->rows_max);
    WNI_NEW(l->ctx, l->sum, l->ctx->threads * p->dim);
    WNI_NEW(l->ctx, l->scratch, l->ctx->threads);
    for (int32_t i = 0; i < l->ctx->threads; i++)
        wni_features_init(l->ctx, &l->scratch[i]);
    for (int64_t i = 0; i < known; i++)
        l->idf[i] = idf(l, i);
    for (int i = 1; i < TF_KNOWN; i++)
        l->tf[i] = 1.0 + wni_log_fixed(i);
done:
    return st;
}

static wn_status lexical_run(wn_ctx *ctx, const wn_vectorize_input *in, const void *params,
                             wn_rows_sink sink, void *user)
{
    lexical l = {.ctx = ctx, .p = params, .table = in->table, .sink = sink, .user = user};
    wn_status st = WN_OK;

    l.n = wn_table_rows(in->table);
    l.column = wn_table_column_name(in->table, in->column);
    WNI_TRY(prepare(&l));
    WNI_TRY(pass(&l, in->column));
    WNI_NEW(ctx, l.out, l.rows_max * l.p->dim);
    WNI_TRY(pass(&l, in->column));
done:
    for (int32_t i = 0; l.scratch && i < ctx->threads; i++)
        wni_features_free(&l.scratch[i]);
    wni_free(ctx, l.scratch);
    wni_free(ctx, l.sum);
    wni_free(ctx, l.out);
    wni_free(ctx, l.end);
    wni_free(ctx, l.text);
    wni_free(ctx, l.idf);
    wni_free(ctx, l.df);
    return st;
}

/* For texts of up to some 10 KB each; longer ones need up to 60 bytes per byte of the longest, a thread. SQLite's
 * cache is its own. */
static wn_status lexical_estimate(wn_ctx *ctx, const wn_vectorize_input *in, const void *params,
                                  wn_estimate *out)
{
    const wn_vectorize_lexical_params *p = params;
    int64_t n = in->table ? wn_table_rows(in->table) : 0, rows = batch_rows(p), text = 0;
    double features;
    wn_status st = WN_OK;

    if (in->table) WNI_TRY(wni_table_text_bytes(in->table, in->column, &text));
    out->peak_bytes = DF_SLOTS * 4 + wni_min(IDF_KNOWN, n + 1) * 8 + TEXT_BYTES +
                      rows * (8 + p->dim * 4) + ctx->threads * (p->dim * 8 + ((int64_t)1 << 20));
    /* About one n-gram of each length begins at every byte; each is weighed and added nonzeros times. */
    features = (double)text * (p->words.count + p->chars.count);
    out->flops = features * (8 + 2 * p->nonzeros) + (double)n * (double)p->dim * 4;
    out->bytes_read = 2 * (double)text;
done:
    return st;
}

extern const wn_method wni_method_vectorize_lexical;

wn_status wn_vectorize_lexical(wn_ctx *ctx, const wn_vectorize_input *in,
                               const wn_vectorize_lexical_params *params, wn_rows_sink sink,
                               void *user)
{
    return wn_vectorize_run(ctx, &wni_method_vectorize_lexical, in, params, sink, user);
}

static const wn_vectorize_ops ops = {lexical_estimate, lexical_run};

WN_PARAM_TABLE(wn_vectorize_lexical_params, WN_VECTORIZE_LEXICAL_PARAMS);
const wn_method wni_method_vectorize_lexical = {
    .family = "vectorize",
    .name = "lexical",
    .summary = "hashed word and character n-grams, tf-idf, random projection: likeness of wording",
    .papers = "weinberger2009 li2006 salton1988",
    .cost = "two passes over the text, about 10 MB/s a thread; about 45 MiB and 1 MiB a thread, "
            "whatever the "
            "number of rows",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_vectorize_lexical_params),
    .ops = &ops,
};
