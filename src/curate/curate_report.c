/* SPDX-License-Identifier: Apache-2.0
 *
 * What the report shows: examples chosen by fixed rules, and everything that was counted.
 */
#include <stdio.h>
#include <string.h>

#include "curate/curate_impl.h"

#define TEXT_BYTES 320 /* of an example */
#define BINS       40
#define INPUTS_MAX 20

typedef struct pair_pick {
    float similarity;
    int64_t row;
} pair_pick;

typedef struct gather {
    wni_curate *cu;
    wni_report report;
    wni_report_stage stages[4];
    pair_pick most[WNI_CURATE_PAIRS], least[WNI_CURATE_PAIRS];
    int64_t exact[WNI_CURATE_PAIRS];
    int32_t n_most, n_least, n_exact;
    wni_report_pair pairs[3][WNI_CURATE_PAIRS];
    int64_t bins[BINS];
    wni_report_level levels[WN_TREE_LEVELS];
    wni_report_cluster ends[2][WNI_CURATE_CLUSTERS];
    wni_report_row examples[2][WNI_CURATE_CLUSTERS][WNI_CURATE_EXAMPLES];
    wni_report_fact params[64];
    wni_report_input inputs[INPUTS_MAX];
} gather;

/* ---- rows -------------------------------------------------------------------------------------- */

static wn_status describe(wni_curate *cu, int64_t row, wni_report_row *out)
{
    wn_table *table = cu->run->table;
    const char *text;
    wn_status st;

    *out = (wni_report_row){row, NULL, NULL};
    if (!table) return WN_OK;
    if ((st = wn_table_text(table, row, cu->text, &text)) != WN_OK) return st;
    if (text && !(out->text = wni_curate_keep(cu, text, TEXT_BYTES))) return WN_E_NOMEM;
    if (cu->id < 0) return WN_OK;
    if ((st = wn_table_text(table, row, cu->id, &text)) != WN_OK) return st;
    if (text && !(out->id = wni_curate_keep(cu, text, 80))) return WN_E_NOMEM;
    return WN_OK;
}

/* ---- duplicates -------------------------------------------------------------------------------- */

/* Keeps the best few by similarity times `sign`; equal ones in row order. */
static void offer(pair_pick *picks, int32_t *n, float sign, float similarity, int64_t row)
{
    int32_t at = *n;

    while (at > 0 && sign * similarity > sign * picks[at - 1].similarity)
        at--;
    if (at == WNI_CURATE_PAIRS) return;
    if (*n < WNI_CURATE_PAIRS) ++*n;
    memmove(picks + at + 1, picks + at, (size_t)(*n - 1 - at) * sizeof *picks);
    picks[at] = (pair_pick){similarity, row};
}

static double similarity_low(const wni_curate *cu)
{
    double lowest = cu->result->near->report.worst_similarity, low = 0.95;
    const wn_method *method = cu->run->method;

    for (int32_t i = 0; i < method->n_params; i++)
        if (strcmp(method->params[i].name, "min_similarity") == 0)
            memcpy(&low, (const char *)cu->params + method->params[i].offset, sizeof low);
    return low < lowest ? low : lowest;
}

static wn_status gather_pairs(gather *g)
{
    const wn_selection *s = g->cu->result->selection;
    double low = similarity_low(g->cu), width = (1 - low) / BINS;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < s->n; i++) {
        const wn_why *why = &s->why[i];
        int64_t bin;

        if (why->rule == WN_WHY_EXACT_DUPLICATE && g->n_exact < WNI_CURATE_PAIRS)
            g->exact[g->n_exact++] = i;
        if (why->rule != WN_WHY_NEAR_DUPLICATE) continue;
        offer(g->most, &g->n_most, 1, why->similarity, i);
        offer(g->least, &g->n_least, -1, why->similarity, i);
        bin = width > 0 ? (int64_t)(((double)why->similarity - low) / width) : BINS - 1;
        g->bins[wni_max(0, wni_min(bin, BINS - 1))]++;
    }
    g->report.similarity_counts = g->bins;
    g->report.similarity_bins = BINS;
    g->report.similarity_low = low;
    for (int kind = 0; kind < 3; kind++) {
        int32_t n = kind == 0 ? g->n_most : kind == 1 ? g->n_least : g->n_exact;
        for (int32_t i = 0; i < n; i++) {
            int64_t row = kind == 0 ? g->most[i].row : kind == 1 ? g->least[i].row : g->exact[i];
            const wn_why *why = &s->why[row];
            wni_report_pair *pair = &g->pairs[kind][i];

            pair->similarity = why->similarity;
            pair->partner_dropped = s->why[why->partner].rule == WN_WHY_NEAR_DUPLICATE;
            WNI_TRY(describe(g->cu, row, &pair->dropped));
            WNI_TRY(describe(g->cu, why->partner, &pair->partner));
        }
    }
    g->report.most_similar = g->pairs[0];
    g->report.n_most_similar = g->n_most;
    g->report.borderline = g->pairs[1];
    g->report.n_borderline = g->n_least;
    g->report.exact = g->pairs[2];
    g->report.n_exact = g->n_exact;
done:
    return st;
}

/* ---- clusters ---------------------------------------------------------------------------------- */

/* Rows of the clusters shown, selected ones first, each group in row order. */
static wn_status gather_examples(gather *g, int32_t n_largest, int32_t n_smallest)
{
    const wn_curation *c = g->cu->result;
    const wn_why *why = c->selection->why;
    wn_status st = WN_OK;

    for (int selected = 1; selected >= 0; selected--)
        for (int64_t j = 0; j < c->n_left; j++) {
            int64_t row = c->left[j];

            if ((j & 0xFFFFF) == 0) WNI_TRY(wni_poll(g->cu->ctx));
            if ((why[row].copies > 0) != selected) continue;
            for (int end = 0; end < 2; end++)
                for (int32_t i = 0; i < (end ? n_smallest : n_largest); i++) {
                    wni_report_cluster *shown = &g->ends[end][i];
                    if (shown->cluster != why[row].cluster || shown->n_rows == WNI_CURATE_EXAMPLES)
                        continue;
                    WNI_TRY(describe(g->cu, row, &g->examples[end][i][shown->n_rows]));
                    shown->n_rows++;
                }
        }
done:
    return st;
}

static wn_status gather_clusters(gather *g)
{
    const wn_tree *tree = g->cu->result->tree;
    const wni_curate_level *finest = g->cu->level[0];
    int32_t largest = (int32_t)wni_min(WNI_CURATE_CLUSTERS, (finest->k + 1) / 2);
    int32_t smallest = (int32_t)wni_min(WNI_CURATE_CLUSTERS, finest->k / 2);

    for (int32_t t = 0; t < tree->levels; t++)
        g->levels[t] = g->cu->level[t]->shown;
    g->report.levels = g->levels;
    g->report.n_levels = tree->levels;
    for (int end = 0; end < 2; end++)
        for (int32_t i = 0; i < (end ? smallest : largest); i++) {
            int64_t at = finest->order[end ? finest->k - 1 - i : i].row;
            g->ends[end][i] = (wni_report_cluster){(int32_t)at, finest->rows[at],
                                                   finest->selected[at], g->examples[end][i], 0};
        }
    g->report.largest = g->ends[0];
    g->report.n_largest = largest;
    g->report.smallest = g->ends[1];
    g->report.n_smallest = smallest;
    return gather_examples(g, largest, smallest);
}

/* ---- numbers ----------------------------------------------------------------------------------- */

static void gather_categories(gather *g)
{
    const wni_curate *cu = g->cu;
    wni_report *r = &g->report;

    if (cu->n_categories == 0) return;
    r->category_column = wn_table_column_name(cu->run->table, cu->balance);
    r->categories = cu->categories;
    r->distinct_categories = cu->n_categories;
    r->n_categories = (int32_t)wni_min(cu->n_categories, WNI_CURATE_CATEGORIES);
    r->other_categories = cu->n_categories - r->n_categories;
    for (int64_t i = 0; i < cu->n_categories; i++) {
        r->categories_before += cu->categories[i].before;
        r->categories_after += cu->categories[i].after;
        if (i < r->n_categories) continue;
        r->other_before += cu->categories[i].before;
        r->other_after += cu->categories[i].after;
    }
    r->entropy_before = cu->entropy_before;
    r->entropy_after = cu->entropy_after;
}

static wn_status gather_params(gather *g)
{
    const wn_method *method = g->cu->run->method;
    void *defaults = wni_alloc(g->cu->ctx, (int64_t)method->params_bytes, 1);
    char now[256], before[256];
    int32_t n = 0;
    wn_status st = WN_OK;

    if (!defaults) return WN_E_NOMEM;
    wn_params_init(method, defaults);
    g->params[n++] = (wni_report_fact){"metric", wn_metric_name(wn_pool_metric(g->cu->pool)),
                                       !g->cu->run->option(g->cu->run, "metric")};
    if (g->cu->id >= 0)
        g->params[n++] = (wni_report_fact){"id", wn_table_id_column(g->cu->run->table), 0};
    for (int32_t i = 0; i < method->n_params && n < 64; i++) {
        const char *name = method->params[i].name;
        if (!g->cu->run->table && strncmp(method->params[i].help, "text input:", 11) == 0) continue;
        wn_params_text(method, g->cu->params, name, now, sizeof now);
        wn_params_text(method, defaults, name, before, sizeof before);
        g->params[n] =
            (wni_report_fact){name, wni_curate_keep(g->cu, now, 0), strcmp(now, before) == 0};
        if (!g->params[n++].value) {
            st = WN_E_NOMEM;
            goto done;
        }
    }
    g->report.params = g->params;
    g->report.n_params = n;
done:
    wni_free(g->cu->ctx, defaults);
    return st;
}

static wn_status gather_inputs(gather *g)
{
    const wni_run *run = g->cu->run;
    int32_t n = (int32_t)wni_min(run->n_pool_paths, INPUTS_MAX);
    wn_status st = WN_OK;

    for (int32_t i = 0; i < n; i++) {
        char hex[WNI_HASH_TEXT];
        uint64_t hash;

        g->inputs[i].path = run->pool_paths[i];
        WNI_TRY(wni_input_hash(run->ctx, run->pool_paths[i], 0, &g->inputs[i].bytes, &hash));
        wni_hash_text(hash, hex);
        if (!(g->inputs[i].hash = wni_curate_keep(g->cu, hex, 0))) return WN_E_NOMEM;
    }
    g->report.inputs = g->inputs;
    g->report.n_inputs = n;
    g->report.more_inputs = run->n_pool_paths - n;
done:
    return st;
}

/* ---- words ------------------------------------------------------------------------------------- */

static wn_status gather_words(gather *g)
{
    wni_curate *cu = g->cu;
    const wn_curation *c = cu->result;
    int64_t exact = c->exact->n - c->exact->kept, near = c->near->n - c->near->kept;
    char a[32], b[32], e[32], f[32], text[512], duplicates[160];
    int length;

    snprintf(text, sizeof text, "%s rows chosen from %s", wni_grouped(c->selection->size, a),
             wni_grouped(c->exact->n, b));
    if (!(g->report.headline = wni_curate_keep(cu, text, 0))) return WN_E_NOMEM;

    if (exact && near)
        snprintf(duplicates, sizeof duplicates, "%s exact and %s near duplicates were set aside.",
                 wni_grouped(exact, a), wni_grouped(near, b));
    else if (exact || near)
        snprintf(duplicates, sizeof duplicates, "%s %s duplicate%s set aside.",
                 wni_grouped(exact + near, a), exact ? "exact" : "near",
                 exact + near == 1 ? " was" : "s were");
    else
        snprintf(duplicates, sizeof duplicates, "No row repeats another.");
    length = snprintf(text, sizeof text, "%s The %s rows left fall into %s cluster%s", duplicates,
                      wni_grouped(c->n_left, e), wni_grouped(cu->level[0]->k, f),
                      cu->level[0]->k == 1 ? "" : "s");
    if (c->tree->levels > 1)
        length += snprintf(text + length, sizeof text - (size_t)length, " on %d levels",
                           (int)c->tree->levels);
    snprintf(text + length, sizeof text - (size_t)length,
             "; the selection is spread evenly over them.");
    if (!(g->report.lead = wni_curate_keep(cu, text, 0))) return WN_E_NOMEM;

    snprintf(text, sizeof text, "curate %s", cu->run->method->name);
    if (!(g->report.command = wni_curate_keep(cu, text, 0))) return WN_E_NOMEM;
    snprintf(text, sizeof text, "%s", cu->run->output);
    for (length = (int)strlen(text); length > 1 && text[length - 1] == '/'; length--)
        text[length - 1] = 0;
    strncat(text, "/manifest.json", sizeof text - strlen(text) - 1);
    if (!(g->report.manifest = wni_curate_keep(cu, text, 0))) return WN_E_NOMEM;

    g->stages[0] = (wni_report_stage){"Rows read", c->exact->n, NULL};
    g->stages[1] = (wni_report_stage){"Exact duplicates out", c->exact->kept, "exact duplicates"};
    g->stages[2] = (wni_report_stage){"Near duplicates out", c->n_left, "near duplicates"};
    g->stages[3] = (wni_report_stage){"Selected", c->selection->size, "not drawn"};
    g->report.stages = g->stages;
    g->report.n_stages = 4;
    g->report.exact_duplicates = exact;
    g->report.near_duplicates = near;
    return WN_OK;
}

wn_status wni_curate_report(wni_curate *cu)
{
    gather *g = NULL;
    char *html = NULL;
    wn_status st;

    WNI_NEW0(cu->ctx, g, 1);
    g->cu = cu;
    WNI_TRY(gather_words(g));
    WNI_TRY(gather_pairs(g));
    WNI_TRY(gather_clusters(g));
    gather_categories(g);
    WNI_TRY(gather_params(g));
    WNI_TRY(gather_inputs(g));
    g->report.counts = cu->facts;
    g->report.n_counts = cu->n_facts;
    g->report.warnings = cu->warnings;
    g->report.n_warnings = cu->n_warnings;
    WNI_TRY(wni_report_html(cu->ctx, &g->report, &html));
    WNI_TRY(wni_out_text(cu->run->out, "report.html", html));
done:
    wni_free(cu->ctx, html);
    wni_free(cu->ctx, g);
    return st;
}
