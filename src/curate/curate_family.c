/* SPDX-License-Identifier: Apache-2.0
 *
 * The file-level run: text or vectors in, arrays, lines and the report out.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "curate/curate_impl.h"
#include "pool/tree_io.h"
#include "winnow/vectorize.h"

/* ---- small things the phases share ------------------------------------------------------------------ */

void wni_curate_param(const wni_curate *cu, const char *name, char *buf, size_t bytes)
{
    buf[0] = 0;
    if (wn_params_text(cu->run->method, cu->params, name, buf, bytes) < 0) buf[0] = 0;
}

const char *wni_curate_keep(wni_curate *cu, const char *text, int64_t bytes)
{
    int64_t length = bytes > 0 ? wni_utf8_cut(text, bytes) : (int64_t)strlen(text);
    char *copy;

    if (cu->n_kept == cu->kept_room) {
        int64_t room = cu->kept_room * 2 + 64;
        char **wider = wni_grow(cu->ctx, cu->kept, cu->n_kept, room, sizeof *wider);
        if (!wider) return NULL;
        cu->kept = wider;
        cu->kept_room = room;
    }
    copy = wni_format(cu->ctx, "%.*s%s", (int)length, text, text[length] ? "\xE2\x80\xA6" : "");
    if (copy) cu->kept[cu->n_kept++] = copy;
    return copy;
}

static wn_status add_fact(wni_curate *cu, const char *key, const char *value)
{
    char name[128];

    snprintf(name, sizeof name, "%s", key);
    for (char *c = name; *c; c++)
        if (*c == '_' || *c == '.') *c = ' ';
    if (cu->n_facts == cu->facts_room) {
        int32_t room = cu->facts_room * 2 + 32;
        wni_report_fact *wider = wni_grow(cu->ctx, cu->facts, cu->n_facts, room, sizeof *wider);
        if (!wider) return WN_E_NOMEM;
        cu->facts = wider;
        cu->facts_room = room;
    }
    cu->facts[cu->n_facts] =
        (wni_report_fact){wni_curate_keep(cu, name, 0), wni_curate_keep(cu, value, 0), 0};
    if (!cu->facts[cu->n_facts].name || !cu->facts[cu->n_facts].value) return WN_E_NOMEM;
    cu->n_facts++;
    return WN_OK;
}

wn_status wni_curate_int(wni_curate *cu, const char *key, int64_t value)
{
    char text[32];
    wn_status st = wni_record_int(cu->run, key, value);

    return st == WN_OK ? add_fact(cu, key, wni_grouped(value, text)) : st;
}

wn_status wni_curate_real(wni_curate *cu, const char *key, double value)
{
    char text[64];
    wn_status st = wni_record_real(cu->run, key, value);

    snprintf(text, sizeof text, "%.4f", value);
    return st == WN_OK ? add_fact(cu, key, text) : st;
}

wn_status wni_curate_warn(wni_curate *cu, const char *format, ...)
{
    char text[WNI_ERROR_MAX];
    const char *copy;
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    if (cu->n_warnings == cu->warnings_room) {
        int32_t room = cu->warnings_room * 2 + 8;
        const char **wider = wni_grow(cu->ctx, cu->warnings, cu->n_warnings, room, sizeof *wider);
        if (!wider) return WN_E_NOMEM;
        cu->warnings = wider;
        cu->warnings_room = room;
    }
    if (!(copy = wni_curate_keep(cu, text, 0))) return WN_E_NOMEM;
    cu->warnings[cu->n_warnings++] = copy;
    return wni_record_warn(cu->run, "%s", text);
}

static void curate_end(wni_curate *cu)
{
    wn_ctx *ctx = cu->ctx;

    for (int64_t i = 0; i < cu->n_kept; i++)
        wni_free(ctx, cu->kept[i]);
    wni_free(ctx, cu->kept);
    wni_free(ctx, cu->params);
    wni_free(ctx, cu->facts);
    wni_free(ctx, cu->warnings);
    wni_free(ctx, cu->categories);
    wni_curate_levels_free(cu);
    wn_curation_free(cu->result);
    wn_pool_free(cu->from_text);
}

/* ---- files ------------------------------------------------------------------------------------ */

static wn_status write_arrays(wni_curate *cu)
{
    const wn_curation *c = cu->result;
    const wn_selection *s = c->selection;
    wni_out *out = cu->run->out;
    wn_status st;

    WNI_TRY(wni_out_npy(out, "rows.npy", "<i8", sizeof *s->rows, &s->size, 1, s->rows));
    WNI_TRY(wni_out_npy(out, "weights.npy", "<f4", sizeof *s->weights, &s->size, 1, s->weights));
    WNI_TRY(wni_out_npy(out, "why.npy", WN_WHY_DESCR, sizeof *s->why, &s->n, 1, s->why));
    WNI_TRY(wni_tree_save(out, "clusters/", c->tree));
    WNI_TRY(wni_out_npy(out, "clusters/rows.npy", "<i8", sizeof *c->left, &c->n_left, 1, c->left));
done:
    return st;
}

/* ---- the record ---------------------------------------------------------------------------------- */

static wn_status record_duplicates(wni_curate *cu)
{
    const wn_curation *c = cu->result;
    const wn_dedup_report *near = &c->near->report;
    wn_status st;

    WNI_TRY(wni_curate_int(cu, "rows", c->exact->n));
    WNI_TRY(wni_curate_int(cu, "exact_duplicates", c->exact->n - c->exact->kept));
    WNI_TRY(wni_curate_int(cu, "near_duplicates", c->near->n - c->near->kept));
    if (c->near->kept < c->near->n)
        WNI_TRY(wni_curate_real(cu, "worst_similarity", near->worst_similarity));
    if (near->blocks > 1) {
        WNI_TRY(wni_curate_int(cu, "dedup_blocks", near->blocks));
        if (near->recall_sample > 0) {
            WNI_TRY(wni_curate_int(cu, "recall_sample", near->recall_sample));
            WNI_TRY(wni_curate_real(cu, "recall", near->recall));
        }
        if (near->recall < 1)
            WNI_TRY(wni_curate_warn(cu,
                                    "near duplicates were looked for within %lld blocks, which "
                                    "finds about %.1f%% of them (measured on %lld rows); `winnow "
                                    "dedup semantic --blocks 1` finds all",
                                    (long long)near->blocks, 100 * near->recall,
                                    (long long)near->recall_sample));
    }
    WNI_TRY(wni_curate_int(cu, "left", c->n_left));
done:
    return st;
}

/* Few rows cannot fill many levels. */
static wn_status warn_levels(wni_curate *cu)
{
    char levels[16], k[256];

    wni_curate_param(cu, "levels", levels, sizeof levels);
    wni_curate_param(cu, "k", k, sizeof k);
    if (k[0] || strtol(levels, NULL, 10) <= cu->result->tree->levels) return WN_OK;
    return wni_curate_warn(cu, "%s levels were asked for; the %lld rows left make %d", levels,
                           (long long)cu->result->n_left, (int)cu->result->tree->levels);
}

/* For the manifest; the report has a section of its own for them. */
static wn_status record_levels(wni_curate *cu)
{
    const wn_tree *tree = cu->result->tree;
    char key[64];
    wn_status st = WN_OK;

    for (int32_t t = 0; t < tree->levels; t++) {
        const wni_report_level *shown = &cu->level[t]->shown;
        const wn_cluster_report *made = &tree->level[t]->report;
        struct {
            const char *name;
            int64_t value;
        } ints[] = {{"clusters", shown->clusters},
                    {"smallest", shown->smallest},
                    {"median", shown->median},
                    {"largest", shown->largest},
                    {"empty_repaired", made->empty_repaired}};

        for (size_t i = 0; i < sizeof ints / sizeof ints[0]; i++) {
            snprintf(key, sizeof key, "level%d.%s", (int)t + 1, ints[i].name);
            WNI_TRY(wni_record_int(cu->run, key, ints[i].value));
        }
        snprintf(key, sizeof key, "level%d.imbalance_before", (int)t + 1);
        WNI_TRY(wni_record_real(cu->run, key, shown->imbalance_before));
        snprintf(key, sizeof key, "level%d.imbalance_after", (int)t + 1);
        WNI_TRY(wni_record_real(cu->run, key, shown->imbalance_after));
    }
done:
    return st;
}

static wn_status record_selection(wni_curate *cu)
{
    const wn_selection *s = cu->result->selection;
    int64_t distinct = 0;
    wn_status st;

    for (int64_t i = 0; i < s->size; i++)
        distinct += i == 0 || s->rows[i] != s->rows[i - 1];
    WNI_TRY(wni_curate_int(cu, "selected", s->size));
    if (distinct < s->size) WNI_TRY(wni_curate_int(cu, "selected_distinct", distinct));
    if (cu->n_categories > 0) {
        WNI_TRY(wni_curate_real(cu, "entropy_bits_before", cu->entropy_before));
        WNI_TRY(wni_curate_real(cu, "entropy_bits_after", cu->entropy_after));
        for (int64_t i = 0; i < wni_min(cu->n_categories, WNI_CURATE_CATEGORIES); i++)
            WNI_TRY(wni_record_change(
                cu->run, "balance", wn_table_column_name(cu->run->table, cu->balance),
                cu->categories[i].name, cu->categories[i].before, cu->categories[i].after));
    }
done:
    return st;
}

/* ---- the run ------------------------------------------------------------------------------------- */

/* Without vectors yet an estimate needs only their shape: a pool over memory that is never read. */
static wn_status plan(wni_curate *cu, const wn_curate_ops *ops)
{
    static const float nothing[16];
    wn_curate_input in = {.struct_size = sizeof in, .pool = cu->pool};
    wn_vectorize_lexical_params lexical;
    const wn_method *vectorize = wn_method_find("vectorize", "lexical");
    wn_estimate before = {0};
    wn_pool *shape = NULL;
    char dim[64];
    wn_status st;

    if (cu->run->table) {
        wn_vectorize_input vin = {sizeof vin, cu->run->table, cu->text};
        wn_params_init(vectorize, &lexical);
        wni_curate_param(cu, "dim", dim, sizeof dim);
        WNI_TRY(wn_params_set(cu->ctx, vectorize, &lexical, "dim", dim));
        WNI_TRY(
            ((const wn_vectorize_ops *)vectorize->ops)->estimate(cu->ctx, &vin, &lexical, &before));
        WNI_TRY(wn_pool_wrap(cu->ctx, nothing, wn_table_rows(cu->run->table), lexical.dim, WN_F32,
                             WN_COSINE, &shape));
        in.pool = shape;
    }
    WNI_TRY(ops->estimate(cu->ctx, &in, cu->params, &cu->run->estimate));
    cu->run->estimate.peak_bytes = wni_max(cu->run->estimate.peak_bytes, before.peak_bytes);
    cu->run->estimate.flops += before.flops;
    cu->run->estimate.bytes_read += before.bytes_read;
done:
    wn_pool_free(shape);
    return st;
}

/* Lexical vectors of two texts without a word in common are equally far apart whatever the texts say, so
 * the coarse levels of a tree over them mean little: text gets one level unless more are asked for. */
static wn_status own_params(wni_curate *cu)
{
    const wn_method *method = cu->run->method;
    char levels[16], k[256];

    cu->params = wni_alloc(cu->ctx, (int64_t)method->params_bytes, 1);
    if (!cu->params) return WN_E_NOMEM;
    memcpy(cu->params, cu->run->params, method->params_bytes);
    wni_curate_param(cu, "levels", levels, sizeof levels);
    wni_curate_param(cu, "k", k, sizeof k);
    if (!cu->run->table || k[0] || strcmp(levels, "0") != 0) return WN_OK;
    return wn_params_set(cu->ctx, method, cu->params, "levels", "1");
}

static wn_status family_run(wni_run *run)
{
    wni_curate cu = {.run = run, .ctx = run->ctx, .pool = run->pool};
    wn_curate_input in = {.struct_size = sizeof in};
    wn_status st;

    WNI_TRY(own_params(&cu));
    WNI_TRY(wni_curate_columns(&cu));
    if (run->plan) {
        st = plan(&cu, run->method->ops);
        goto done;
    }
    if (run->table) WNI_TRY(wni_curate_vectors(&cu));
    in.pool = cu.pool;
    WNI_TRY(wn_curate_run(run->ctx, run->method, &in, cu.params, &cu.result));
    WNI_TRY(wni_poll(run->ctx));
    WNI_TRY(write_arrays(&cu));
    WNI_TRY(wni_poll(run->ctx));
    WNI_TRY(wni_curate_levels(&cu));
    WNI_TRY(wni_poll(run->ctx));
    if (run->table) WNI_TRY(wni_curate_balance(&cu));
    WNI_TRY(record_duplicates(&cu));
    WNI_TRY(warn_levels(&cu));
    WNI_TRY(record_levels(&cu));
    WNI_TRY(record_selection(&cu));
    if (run->table) WNI_TRY(wni_curate_lines(&cu));
    WNI_TRY(wni_poll(run->ctx));
    WNI_TRY(wni_curate_report(&cu));
    if (cu.from_text) {
        wn_pool_free(cu.from_text);
        cu.from_text = NULL;
        WNI_TRY(wni_out_remove(run->out, WNI_CURATE_SCRATCH));
    }
done:
    curate_end(&cu);
    return st;
}

static const wn_family_input inputs[] = {
    {"pool", "pool|text", 1,
     "the rows: vectors (.npy and others), or text (.jsonl .ndjson .csv .tsv, also .gz or .zst)"}};

const wn_family wni_family_curate = {
    .name = "curate",
    .summary = "turn a pool of vectors or texts into a balanced training set",
    .default_method = "balanced",
    .inputs = inputs,
    .n_inputs = 1,
    .run = (const void *)family_run,
};
