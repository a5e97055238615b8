/* SPDX-License-Identifier: Apache-2.0
 *
 * Classes from integers or words. Words are interned as they come, then numbered in the order of their bytes.
 */
#include <stdio.h>
#include <string.h>
#include <xxhash.h>

#include "ds/keyed.h"
#include "pool/column.h"
#include "winnow/labels.h"

#define FILE_NAME "labels.npy"

static wn_status labels_new(wn_ctx *ctx, int64_t n, wn_labels **out)
{
    wn_labels *labels;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, labels, 1);
    labels->ctx = ctx;
    labels->n = n;
    WNI_NEW(ctx, labels->v, n);
    *out = labels;
    return WN_OK;
done:
    wn_labels_free(labels);
    return st;
}

void wn_labels_free(wn_labels *labels)
{
    if (!labels) return;
    for (int32_t c = 0; labels->names && c < labels->classes; c++)
        wni_free(labels->ctx, labels->names[c]);
    wni_free(labels->ctx, labels->names);
    wni_free(labels->ctx, labels->values);
    wni_free(labels->ctx, labels->sizes);
    wni_free(labels->ctx, labels->v);
    wni_free(labels->ctx, labels);
}

static wn_status count_sizes(wn_labels *labels)
{
    wn_status st = WN_OK;

    WNI_NEW0(labels->ctx, labels->sizes, labels->classes);
    for (int64_t i = 0; i < labels->n; i++)
        if (labels->v[i] >= 0) labels->sizes[labels->v[i]]++;
done:
    return st;
}

/* ---- integers --------------------------------------------------------------------------------------- */

static wn_status too_many(wn_ctx *ctx, int64_t classes)
{
    return wni_fail(ctx, WN_E_DATA, "found %lld different labels, at most %d can be told apart",
                    (long long)classes, WN_K_MAX);
}

static wn_status name_values(wn_labels *labels)
{
    wn_status st = WN_OK;

    WNI_NEW0(labels->ctx, labels->names, labels->classes);
    for (int32_t c = 0; c < labels->classes; c++)
        if (!(labels->names[c] = wni_format(labels->ctx, "%lld", (long long)labels->values[c])))
            return WN_E_NOMEM;
done:
    return st;
}

/* Values below `span` are few enough to be looked up in an array. */
static wn_status number_dense(wn_labels *labels, const int64_t *v, int64_t span)
{
    wn_ctx *ctx = labels->ctx;
    int32_t *class_of = NULL, classes = 0;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, class_of, span);
    for (int64_t i = 0; i < labels->n; i++)
        if (v[i] >= 0 && !class_of[v[i]]) class_of[v[i]] = 1, classes++;
    labels->classes = classes;
    WNI_NEW(ctx, labels->values, classes);
    classes = 0;
    for (int64_t x = 0; x < span; x++)
        if (class_of[x]) {
            labels->values[classes] = x;
            class_of[x] = classes++;
        }
    for (int64_t i = 0; i < labels->n; i++)
        labels->v[i] = v[i] < 0 ? -1 : class_of[v[i]];
done:
    wni_free(ctx, class_of);
    return st;
}

static wn_status number_sorted(wn_labels *labels, const int64_t *v)
{
    wn_ctx *ctx = labels->ctx;
    wni_keyed *sorted = NULL;
    int64_t m = 0, classes = 0;
    wn_status st = WN_OK;

    WNI_NEW(ctx, sorted, labels->n);
    for (int64_t i = 0; i < labels->n; i++) {
        labels->v[i] = -1;
        if (v[i] >= 0) sorted[m++] = (wni_keyed){(uint64_t)v[i], i};
    }
    WNI_TRY(wni_keyed_sort_long(ctx, sorted, m));
    for (int64_t i = 0; i < m; i++)
        classes += i == 0 || sorted[i].key != sorted[i - 1].key;
    if (classes > WN_K_MAX) {
        st = too_many(ctx, classes);
        goto done;
    }
    WNI_NEW(ctx, labels->values, classes);
    for (int64_t i = 0; i < m; i++) {
        if (i == 0 || sorted[i].key != sorted[i - 1].key)
            labels->values[labels->classes++] = (int64_t)sorted[i].key;
        labels->v[sorted[i].row] = labels->classes - 1;
    }
done:
    wni_free(ctx, sorted);
    return st;
}

wn_status wn_labels_from_ints(wn_ctx *ctx, const int64_t *v, int64_t n, wn_labels **out)
{
    wn_labels *labels = NULL;
    int64_t span = 0;
    wn_status st;

    *out = NULL;
    WNI_TRY(labels_new(ctx, n, &labels));
    for (int64_t i = 0; i < n; i++)
        span = wni_max(span, v[i] == INT64_MAX ? INT64_MAX : v[i] + 1);
    WNI_TRY(span <= wni_max(n, 65536) ? number_dense(labels, v, span) : number_sorted(labels, v));
    WNI_TRY(name_values(labels));
    WNI_TRY(count_sizes(labels));
    *out = labels;
    labels = NULL;
done:
    wn_labels_free(labels);
    return st;
}

/* ---- words ------------------------------------------------------------------------------------------ */

/* Different words, numbered as they came; a table of numbers under their hashes finds them. */
typedef struct words {
    char **v; /* (room) */
    int32_t n, room;
    int32_t *slot; /* (slots) number + 1; 0 = free */
    int64_t slots; /* a power of two, at least twice n */
} words;

static int64_t find_slot(const words *w, const char *word)
{
    uint64_t at = XXH3_64bits(word, strlen(word)) & (uint64_t)(w->slots - 1);

    while (w->slot[at] && strcmp(w->v[w->slot[at] - 1], word) != 0)
        at = (at + 1) & (uint64_t)(w->slots - 1);
    return (int64_t)at;
}

static wn_status widen(wn_ctx *ctx, words *w)
{
    int32_t wider = w->room ? w->room * 2 : 64;
    char **grown;
    wn_status st = WN_OK;

    if (w->room > WN_K_MAX / 4) return too_many(ctx, w->n);
    if (!(grown = wni_grow(ctx, w->v, w->room, wider, sizeof *grown))) return WN_E_NOMEM;
    w->v = grown;
    w->room = wider;
    wni_free(ctx, w->slot);
    w->slot = NULL;
    w->slots = 4 * (int64_t)wider;
    WNI_NEW0(ctx, w->slot, w->slots);
    for (int32_t i = 0; i < w->n; i++)
        w->slot[find_slot(w, w->v[i])] = i + 1;
done:
    return st;
}

static wn_status intern(wn_ctx *ctx, words *w, const char *word, int32_t *number)
{
    int64_t at;
    wn_status st;

    if (w->n == w->room && (st = widen(ctx, w)) != WN_OK) return st;
    at = find_slot(w, word);
    if (!w->slot[at]) {
        if (!(w->v[w->n] = wni_strdup(ctx, word))) return WN_E_NOMEM;
        w->slot[at] = ++w->n;
    }
    *number = w->slot[at] - 1;
    return WN_OK;
}

static void words_free(wn_ctx *ctx, words *w)
{
    for (int32_t i = 0; w->v && i < w->n; i++)
        wni_free(ctx, w->v[i]);
    wni_free(ctx, w->v);
    wni_free(ctx, w->slot);
}

/* Heap sort of word numbers by the words: no recursion, no allocation, no libc order. */
static void sift(char *const *word, int32_t *at, int32_t root, int32_t end)
{
    for (int32_t child; (child = 2 * root + 1) < end; root = child) {
        int32_t swap;
        if (child + 1 < end && strcmp(word[at[child]], word[at[child + 1]]) < 0) child++;
        if (strcmp(word[at[root]], word[at[child]]) >= 0) return;
        swap = at[root];
        at[root] = at[child];
        at[child] = swap;
    }
}

static void sort_words(char *const *word, int32_t *at, int32_t n)
{
    for (int32_t root = n / 2 - 1; root >= 0; root--)
        sift(word, at, root, n);
    for (int32_t end = n - 1; end > 0; end--) {
        int32_t swap = at[0];
        at[0] = at[end];
        at[end] = swap;
        sift(word, at, 0, end);
    }
}

/* The words become the names, in order, and the labels their places. */
static wn_status name_words(wn_labels *labels, words *w)
{
    wn_ctx *ctx = labels->ctx;
    int32_t *order = NULL, *place = NULL;
    wn_status st = WN_OK;

    WNI_NEW(ctx, order, w->n);
    WNI_NEW(ctx, place, w->n);
    WNI_NEW0(ctx, labels->names, w->n);
    for (int32_t i = 0; i < w->n; i++)
        order[i] = i;
    sort_words(w->v, order, w->n);
    labels->classes = w->n;
    for (int32_t c = 0; c < w->n; c++) {
        place[order[c]] = c;
        labels->names[c] = w->v[order[c]];
    }
    w->n = 0; /* the names are the labels' now */
    for (int64_t i = 0; i < labels->n; i++)
        if (labels->v[i] >= 0) labels->v[i] = place[labels->v[i]];
done:
    wni_free(ctx, order);
    wni_free(ctx, place);
    return st;
}

/* ---- loading ---------------------------------------------------------------------------------------- */

typedef struct loading {
    wn_ctx *ctx;
    const char *path;
    wni_column_kind kind;
    int64_t n;
    int64_t *ints;     /* (n) of a column of integers, else NULL */
    wn_labels *labels; /* of a column of words, else NULL */
    words words;
} loading;

static wn_status load_begin(void *self, wni_column_kind kind, int64_t n)
{
    loading *l = self;
    wn_status st = WN_OK;

    l->kind = kind;
    l->n = n;
    if (kind == WNI_COLUMN_REALS)
        return wni_fail(l->ctx, WN_E_DATA,
                        "%s: found real numbers, expected a class per row: integers or words",
                        l->path);
    if (kind == WNI_COLUMN_WORDS) return labels_new(l->ctx, n, &l->labels);
    WNI_NEW(l->ctx, l->ints, n);
done:
    return st;
}

static wn_status load_number(void *self, int64_t row, int64_t integer, double real)
{
    loading *l = self;

    (void)real;
    l->ints[row] = integer;
    return WN_OK;
}

static wn_status load_word(void *self, int64_t row, const char *word)
{
    loading *l = self;

    if (l->ints) {
        l->ints[row] = -1; /* a missing integer */
        return WN_OK;
    }
    l->labels->v[row] = -1;
    return word && *word ? intern(l->ctx, &l->words, word, &l->labels->v[row]) : WN_OK;
}

wn_status wn_labels_load(wn_ctx *ctx, const char *path, int64_t n, wn_labels **out)
{
    static const wni_column_to to = {load_begin, load_number, load_word};
    loading l = {.ctx = ctx, .path = path};
    wn_status st;

    *out = NULL;
    WNI_TRY(wni_column_read(ctx, path, FILE_NAME, n, 1, &to, &l));
    if (l.ints) {
        WNI_TRY(wn_labels_from_ints(ctx, l.ints, l.n, out));
    } else {
        WNI_TRY(name_words(l.labels, &l.words));
        WNI_TRY(count_sizes(l.labels));
        *out = l.labels;
        l.labels = NULL;
    }
done:
    wni_free(ctx, l.ints);
    words_free(ctx, &l.words);
    wn_labels_free(l.labels);
    return st;
}
