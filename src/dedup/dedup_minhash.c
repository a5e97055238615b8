/* SPDX-License-Identifier: Apache-2.0
 *
 * Texts whose sets of shingles are alike, without comparing all pairs: MinHash signatures, bands, and the
 * exact similarity of what the bands bring together. broder1997, leskovec2020.
 */
#include <stdio.h>
#include <string.h>

#include "base/param.h"
#include "dedup/minhash_index.h"
#include "pool/text_column.h"

extern const wn_method wni_method_dedup_minhash;

WN_PARAM_TABLE(wn_dedup_minhash_params, WN_DEDUP_MINHASH_PARAMS);

#define BATCH_LEAST  ((int64_t)32 << 10)
#define BATCH_MOST   ((int64_t)4 << 20)
#define WORKER_BYTES ((int64_t)1 << 20) /* features of one text */

/* ---- bands --------------------------------------------------------------------------------------- */

static wn_status take_bands(wn_ctx *ctx, const wn_dedup_minhash_params *p, wni_bands *bands)
{
    *bands = (wni_bands){p->bands, p->band_rows};
    if (!p->bands && !p->band_rows)
        *bands = wni_bands_choose(p->min_similarity, p->num_perm, p->miss_weight);
    else if (!p->bands)
        bands->count = p->num_perm / p->band_rows;
    else if (!p->band_rows)
        bands->rows = p->num_perm / p->bands;
    if (bands->count >= 1 && bands->rows >= 1 && (int64_t)bands->count * bands->rows <= p->num_perm)
        return WN_OK;
    return wni_fail(ctx, WN_E_USAGE,
                    "bands: found %d bands of %d values, expected at most the %d of --num-perm "
                    "together; raise --num-perm or lower --bands or --band-rows",
                    p->bands, p->band_rows, p->num_perm);
}

/* An index binds what its rows were made with; its bands are taken where none are asked for. */
static wn_status take_index(wn_ctx *ctx, const wn_dedup_index *index,
                            const wn_dedup_minhash_params *p, wni_bands *bands)
{
    if (!p->bands && !p->band_rows) *bands = index->bands;
    if (index->shingle == p->shingle && index->seed == p->seed &&
        index->bands.count == bands->count && index->bands.rows == bands->rows)
        return WN_OK;
    return wni_fail(
        ctx, WN_E_USAGE,
        "index: made with --shingle %d --bands %d --band-rows %d --seed %llu, found %d, "
        "%d, %d and %llu; give the same or make a new index",
        index->shingle, index->bands.count, index->bands.rows, (unsigned long long)index->seed,
        p->shingle, bands->count, bands->rows, (unsigned long long)p->seed);
}

static wn_status check_together(wn_ctx *ctx, const wn_dedup_input *in,
                                const wn_dedup_minhash_params *p)
{
    bool index = in->index || p->save_index;

    if (p->source[0] && (in->against_table || index))
        return wni_fail(ctx, WN_E_USAGE,
                        "source: a reference or an index has no sources; leave out --source, or "
                        "--against, --index and --save-index");
    if (in->against_table && in->index)
        return wni_fail(ctx, WN_E_USAGE, "against: and --index: one reference in one run");
    if (!p->verify && index)
        return wni_fail(ctx, WN_E_USAGE, "verify: an index needs it; leave out --no-verify");
    return WN_OK;
}

/* ---- memory -------------------------------------------------------------------------------------- */

static int64_t share(int64_t spare, int percent, int64_t want)
{
    return wni_min(want, wni_max(spare, 0) / 100 * percent);
}

/* Everything shrinks to what `left` allows, but for what is needed by row. text_bytes: of all texts. */
static void lay_out(wni_minhash *m, int64_t text_bytes, int64_t left)
{
    const wn_dedup_minhash_params *p = m->p;
    wni_minhash_layout *l = &m->layout;
    int64_t entries = m->docs * m->bands.count, threads = wn_ctx_threads(m->ctx), spare;
    int64_t sets = p->verify ? text_bytes * 4 + m->docs * 16 : 0;

    l->batch_bytes = wni_max(wni_min(wni_min(left / 64, BATCH_MOST), text_bytes + 1), BATCH_LEAST);
    l->batch_rows = wni_min(wni_max(l->batch_bytes / 64, 64), wni_max(m->docs, 1));
    /* The answer, sets, what is known of sets, sources; text with its sets; rows of a batch. */
    l->fixed_bytes = m->n * (8 + 4) + m->docs * (8 + 24) + (p->source[0] ? m->n * 8 : 0) +
                     l->batch_bytes * 5 + l->batch_rows * (m->bands.count * 8 + 48) +
                     threads * (WORKER_BYTES + m->padded * 8 + 16384) + m->padded * 8 + 131072;
    if (m->in->index) /* a bit by key, and pieces of it */
        l->fixed_bytes += ((int64_t)1 << wni_minhash_asked_bits(m->n * m->bands.count)) / 8 +
                          4096 * (m->bands.count * 8 + 16);
    spare = left - l->fixed_bytes;
    l->keys = wni_spill_bytes(entries, share(spare, 25, entries * 16));
    l->places = wni_spill_bytes(entries, share(spare, 20, entries * 16));
    l->sets = p->verify ? wni_max(share(spare, 20, sets * 3), 327680) : 0;
    l->saved =
        p->save_index ? wni_max(share(spare, 10, m->n * (m->bands.count + 2) * 24), 327680) : 0;
    l->members = wni_max(share(spare, 15, entries * 24), 327680);
    l->chain = share(spare, 10, entries * 8);
    l->total_bytes =
        l->fixed_bytes + l->keys + l->places + l->sets + l->saved + l->members + l->chain;
}

static wn_status prepare(wni_minhash *m, wn_ctx *ctx, const wn_dedup_input *in,
                         const wn_dedup_minhash_params *p)
{
    int64_t bytes = 0, more = 0;
    wn_status st;

    memset(m, 0, sizeof *m);
    m->ctx = ctx;
    m->p = p;
    m->in = in;
    WNI_TRY(check_together(ctx, in, p));
    WNI_TRY(take_bands(ctx, p, &m->bands));
    if (in->index) WNI_TRY(take_index(ctx, in->index, p, &m->bands));
    m->values = m->bands.count * m->bands.rows;
    m->padded = (m->values + 15) / 16 * 16;
    m->n = wn_table_rows(in->table);
    m->refs = in->index           ? in->index->rows
              : in->against_table ? wn_table_rows(in->against_table)
                                  : 0;
    m->docs = m->refs + m->n;
    WNI_TRY(wni_table_text_bytes(in->table, in->column, &bytes));
    if (in->against_table)
        WNI_TRY(wni_table_text_bytes(in->against_table, in->against_column, &more));
    lay_out(m, bytes + more, wni_budget_left(ctx));
done:
    return st;
}

/* ---- the method ---------------------------------------------------------------------------------- */

static void minhash_free(wni_minhash *m)
{
    wni_free(m->ctx, m->a);
    wni_free(m->ctx, m->b);
    wni_free(m->ctx, m->source);
    wni_free(m->ctx, m->set);
    wni_store_free(m->sets);
    wni_spill_free(m->keys);
    wni_store_free(m->saved);
    wni_free(m->ctx, m->asked);
    wni_store_free(m->members);
    wni_spill_free(m->places);
}

/* Before anything runs: what these bands will find. */
static void tell_bands(const wni_minhash *m)
{
    static const double at[] = {0.5, 0.6, 0.7, 0.8, 0.9, 0.95};
    char text[256];
    int length = 0;

    for (size_t i = 0; i < sizeof at / sizeof at[0]; i++)
        length += snprintf(text + length, sizeof text - (size_t)length, "%s%.3f at %.2f",
                           i ? ", " : "", wni_bands_chance(m->bands, at[i]), at[i]);
    wni_log(m->ctx, WN_LOG_INFO,
            "%d bands of %d values: a pair is compared with chance %s; %.4f at the threshold %.3g",
            m->bands.count, m->bands.rows, text, wni_bands_chance(m->bands, m->p->min_similarity),
            m->p->min_similarity);
}

/* Up to the buckets, which serve every threshold from p->min_similarity on. */
static wn_status find_candidates(wn_ctx *ctx, const wn_dedup_input *in,
                                 const wn_dedup_minhash_params *p, wni_minhash *m)
{
    wn_status st;

    WNI_TRY(prepare(m, ctx, in, p));
    tell_bands(m);
    WNI_TRY(wni_minhash_sign(m));
    WNI_TRY(wni_minhash_join(m));
done:
    return st;
}

static wn_status decide(wni_minhash *m, double min_similarity, wn_dedup **out)
{
    wn_dedup *dedup = NULL;
    wn_status st;

    *out = NULL;
    WNI_TRY(wn_dedup_new(m->ctx, m->n, &dedup));
    dedup->report.bands = m->bands.count;
    dedup->report.band_rows = m->bands.rows;
    dedup->report.band_chance = wni_bands_chance(m->bands, min_similarity);
    WNI_TRY(wni_minhash_rule(m, min_similarity, dedup));
    *out = dedup;
    dedup = NULL;
done:
    wn_dedup_free(dedup);
    return st;
}

static wn_status save(const wni_minhash *m, const wn_dedup *dedup)
{
    wni_run *run = (wni_run *)(uintptr_t)m->in->run;

    if (!run || !wni_out_scratch_dir(run->out))
        return wni_fail(m->ctx, WN_E_USAGE,
                        "save_index: only a run to a folder on disk writes an index");
    return wni_index_write(m, dedup, run);
}

static wn_status minhash_run(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                             wn_dedup **out)
{
    wn_dedup_minhash_params p;
    wni_minhash m = {.ctx = ctx};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_params_complete(ctx, &wni_method_dedup_minhash, params, &p));
    WNI_TRY(find_candidates(ctx, in, &p, &m));
    WNI_TRY(decide(&m, p.min_similarity, out));
    if (p.save_index) WNI_TRY(save(&m, *out));
done:
    if (st != WN_OK) {
        wn_dedup_free(*out);
        *out = NULL;
    }
    minhash_free(&m);
    return st;
}

/* Candidates are those of the lowest threshold, so that the others miss still less. */
static wn_status minhash_sweep(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                               const double *thresholds, int32_t count, wn_dedup_sink sink,
                               void *user)
{
    wn_dedup_minhash_params p;
    wni_minhash m = {.ctx = ctx};
    wn_dedup *dedup = NULL;
    wn_status st;

    WNI_TRY(wni_params_complete(ctx, &wni_method_dedup_minhash, params, &p));
    if (!p.verify) {
        st = wni_fail(ctx, WN_E_USAGE,
                      "sweep: thresholds need the similarity of pairs; leave out --no-verify");
        goto done;
    }
    if (p.save_index) {
        st = wni_fail(ctx, WN_E_USAGE, "save_index: a sweep keeps nothing; leave one of them out");
        goto done;
    }
    p.min_similarity = thresholds[0];
    WNI_TRY(find_candidates(ctx, in, &p, &m));
    for (int32_t i = 0; i < count; i++) {
        WNI_TRY(decide(&m, thresholds[i], &dedup));
        WNI_TRY(sink(user, thresholds[i], dedup));
        wn_dedup_free(dedup);
        dedup = NULL;
    }
done:
    wn_dedup_free(dedup);
    minhash_free(&m);
    return st;
}

static wn_status minhash_estimate(wn_ctx *ctx, const wn_dedup_input *in, const void *params,
                                  wn_estimate *out)
{
    wn_dedup_minhash_params p;
    wni_minhash m;
    int64_t bytes;
    wn_status st;

    *out = (wn_estimate){0};
    WNI_TRY(wni_params_complete(ctx, &wni_method_dedup_minhash, params, &p));
    WNI_TRY(prepare(&m, ctx, in, &p));
    WNI_TRY(wni_table_text_bytes(in->table, in->column, &bytes));
    out->peak_bytes = m.layout.total_bytes;
    out->bytes_read = (double)bytes;
    out->flops = 3.0 * m.values * (double)bytes / 6; /* about six bytes a word */
done:
    return st;
}

wn_status wn_dedup_minhash(wn_ctx *ctx, const wn_dedup_input *in,
                           const wn_dedup_minhash_params *params, wn_dedup **out)
{
    return wn_dedup_run(ctx, &wni_method_dedup_minhash, in, params, out);
}

static const wn_dedup_ops ops = {minhash_estimate, minhash_run, minhash_sweep};

const wn_method wni_method_dedup_minhash = {
    .family = "dedup",
    .name = "minhash",
    .summary = "texts whose word shingles are those of an earlier row",
    .papers = "broder1997 leskovec2020",
    .cost = "one pass over the text, about 50 MB/s a thread with 128 values; about 50 bytes a row, "
            "what else there is no room for goes to temporary files",
    .flags = WN_METHOD_SEEDED | WN_METHOD_OUT_OF_CORE | WN_METHOD_OWN_METRIC,
    .params = wni_param_rows,
    .n_params = WN_PARAM_COUNT,
    .params_bytes = sizeof(wn_dedup_minhash_params),
    .ops = &ops,
    .inputs = "text against? index?",
};
