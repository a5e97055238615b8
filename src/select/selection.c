/* SPDX-License-Identifier: Apache-2.0 */
#include "select/notes.h"
#include "winnow/select.h"

_Static_assert(sizeof(wn_why) == 24, "why.npy has 24 bytes a row");

const char *wn_why_rule_name(int32_t rule)
{
    static const char *const names[WN_WHY_COUNT] = {
        "kept",       "exact-duplicate", "near-duplicate", "quota",
        "no-cluster", "score",           "not-drawn",      "off-target",
        "covered",    "limit",           "absent",         "repeats-reference"};

    return rule >= 0 && rule < WN_WHY_COUNT ? names[rule] : "?";
}

wn_status wn_selection_new(wn_ctx *ctx, int64_t n, int64_t size, wn_selection **out)
{
    wn_selection *s;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, s, 1);
    s->ctx = ctx;
    s->n = n;
    s->size = size;
    WNI_NEW0(ctx, s->rows, size);
    WNI_NEW0(ctx, s->weights, size);
    WNI_NEW0(ctx, s->why, n);
    *out = s;
    return WN_OK;
done:
    wn_selection_free(s);
    return st;
}

wn_status wni_note(wn_selection *s, const char *key, const char *name, double value, int whole)
{
    wn_note note = {NULL, NULL, value, whole}, *grown;
    wn_status st = WN_E_NOMEM;

    if (!(note.key = wni_strdup(s->ctx, key))) goto done;
    if (name && !(note.name = wni_strdup(s->ctx, name))) goto done;
    if (!(grown = wni_grow(s->ctx, s->notes, s->n_notes, s->n_notes + 1, sizeof note))) goto done;
    s->notes = grown;
    s->notes[s->n_notes++] = note;
    return WN_OK;
done:
    wni_free(s->ctx, note.key);
    wni_free(s->ctx, note.name);
    return st;
}

void wn_selection_free(wn_selection *selection)
{
    if (!selection) return;
    for (int64_t i = 0; i < selection->n_notes; i++) {
        wni_free(selection->ctx, selection->notes[i].key);
        wni_free(selection->ctx, selection->notes[i].name);
    }
    wni_free(selection->ctx, selection->notes);
    wni_free(selection->ctx, selection->rows);
    wni_free(selection->ctx, selection->weights);
    wni_free(selection->ctx, selection->why);
    wni_free(selection->ctx, selection);
}
