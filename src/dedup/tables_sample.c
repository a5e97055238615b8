/* SPDX-License-Identifier: Apache-2.0
 *
 * A few rows of each child looked up in each possible parent: most pairs end here, and a parent is read once
 * for all its children.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "base/rng.h"
#include "dedup/tables_impl.h"

/* ln 1e6: a pair whose share reaches the threshold is dropped by its sample once in a million at most. */
#define LN_MILLION 13.815510557964274

typedef struct sampler {
    wni_tables *t;
    uint64_t *key;                        /* (n, sample) hashes of sampled rows */
    int64_t *first_of_parent, *by_parent; /* (n + 1), (pairs) pairs by parent */
    int64_t room;                         /* rows of a sample */
} sampler;

static int64_t sample_of(const sampler *s, int32_t table)
{
    return wni_min(s->room, s->t->table[table].rows);
}

/* ---- drawing ------------------------------------------------------------------------------------- */

typedef struct draw {
    const wni_data_table *table;
    uint64_t *key;
    uint64_t seed, stream, index;
    int64_t at, count, next;
} draw;

/* One row of each of `count` stretches of the table. */
static void next_position(draw *d)
{
    int64_t n = d->table->rows, from, to;

    if (d->at == d->count) {
        d->next = -1;
        return;
    }
    from = d->at * n / d->count;
    to = (d->at + 1) * n / d->count;
    d->next = from + wni_rand_below(d->seed, d->stream, d->index + (uint64_t)d->at, to - from);
}

static wn_status draw_row(void *user, int64_t row, const wni_row_hash *cells)
{
    draw *d = user;

    if (row != d->next) return WN_OK;
    d->key[d->at++] = wni_row_sum(cells, d->table->order, d->table->columns).low;
    next_position(d);
    return WN_OK;
}

static wn_status draw_samples(sampler *s)
{
    wni_tables *t = s->t;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < t->pairs; i++) {
        int32_t child = t->pair[i].child;
        draw d = {.table = &t->table[child],
                  .key = s->key + child * s->room,
                  .seed = t->params.seed,
                  .stream = wni_stream("dedup tables sample", 0, 0),
                  .index = (uint64_t)child << 32,
                  .count = sample_of(s, child)};

        if (i > 0 && t->pair[i - 1].child == child) continue;
        wni_progress(t->ctx, "sampling tables", child, t->n);
        next_position(&d);
        WNI_TRY(wni_table_rows(t, child, draw_row, &d));
    }
done:
    return st;
}

/* ---- looking up ---------------------------------------------------------------------------------- */

/* Children of one parent that have the same columns: their samples, sorted. */
typedef struct group {
    int64_t begin, end; /* of `entry` */
    int32_t *at;        /* (columns) in the parent */
    int32_t columns;
} group;

typedef struct lookup {
    group *group; /* (groups) */
    int32_t groups;
    wni_keyed *entry; /* key: a sampled row; row: which pair, counted within the parent */
    uint8_t *found;   /* of each entry */
} lookup;

static wn_status look_up_row(void *user, int64_t row, const wni_row_hash *cells)
{
    lookup *l = user;

    (void)row;
    for (int32_t g = 0; g < l->groups; g++) {
        uint64_t key = wni_row_sum(cells, l->group[g].at, l->group[g].columns).low;
        int64_t from = l->group[g].begin, to = l->group[g].end;

        while (from < to) {
            int64_t middle = from + (to - from) / 2;
            if (l->entry[middle].key < key)
                from = middle + 1;
            else
                to = middle;
        }
        for (; from < l->group[g].end && l->entry[from].key == key && !l->found[from]; from++)
            l->found[from] = 1;
    }
    return WN_OK;
}

typedef struct child_of {
    int64_t pair;
    int32_t schema;
} child_of;

static int by_schema(const void *a, const void *b)
{
    const child_of *x = a, *y = b;

    if (x->schema != y->schema) return x->schema < y->schema ? -1 : 1;
    return x->pair < y->pair ? -1 : x->pair > y->pair;
}

/* Fills the groups from the children, which come by schema. */
static wn_status make_groups(sampler *s, int32_t parent, const child_of *child, int64_t n,
                             lookup *l)
{
    wni_tables *t = s->t;
    int64_t at = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n; i++) {
        int32_t c = t->pair[child[i].pair].child;
        group *g = &l->group[l->groups];

        if (i == 0 || child[i].schema != child[i - 1].schema) {
            l->groups++;
            g->begin = at;
            g->columns = t->table[c].columns;
            WNI_NEW(t->ctx, g->at, g->columns);
            wni_table_places(&t->table[c], &t->table[parent], g->at);
        } else {
            g--;
        }
        for (int64_t j = 0; j < sample_of(s, c); j++)
            l->entry[at++] = (wni_keyed){s->key[c * s->room + j], i};
        g->end = at;
    }
    for (int32_t g = 0; g < l->groups; g++)
        WNI_TRY(wni_keyed_sort_long(t->ctx, l->entry + l->group[g].begin,
                                    l->group[g].end - l->group[g].begin));
done:
    return st;
}

/* Whether so many of the sampled rows allow the share that is asked for. */
static int may_stay(const wni_tables *t, int64_t found, int64_t sampled)
{
    double k = (double)sampled;

    if (t->params.min_containment >= 1) return found == sampled;
    return (double)found >= t->params.min_containment * k - sqrt(LN_MILLION * k / 2);
}

static wn_status judge_parent(sampler *s, int32_t parent)
{
    wni_tables *t = s->t;
    const int64_t *pairs = s->by_parent + s->first_of_parent[parent];
    int64_t n = s->first_of_parent[parent + 1] - s->first_of_parent[parent], entries = 0;
    child_of *child = NULL;
    int64_t *found = NULL;
    lookup l = {0};
    wn_status st;

    for (int64_t i = 0; i < n; i++)
        entries += sample_of(s, t->pair[pairs[i]].child);
    WNI_TRY(wni_budget_need(t->ctx,
                            entries * (int64_t)(sizeof *l.entry + 1) +
                                n * (int64_t)(sizeof *child + sizeof *l.group + sizeof *found),
                            "dedup tables"));
    WNI_NEW(t->ctx, child, n);
    WNI_NEW0(t->ctx, found, n);
    WNI_NEW0(t->ctx, l.group, n);
    WNI_NEW(t->ctx, l.entry, entries);
    WNI_NEW0(t->ctx, l.found, entries);
    for (int64_t i = 0; i < n; i++)
        child[i] = (child_of){pairs[i], t->table[t->pair[pairs[i]].child].schema};
    qsort(child, (size_t)n, sizeof *child, by_schema);
    WNI_TRY(make_groups(s, parent, child, n, &l));
    WNI_TRY(wni_table_rows(t, parent, look_up_row, &l));
    for (int64_t e = 0; e < entries; e++)
        found[l.entry[e].row] += l.found[e];
    for (int64_t i = 0; i < n; i++) {
        wni_table_pair *pair = &t->pair[child[i].pair];
        if (!may_stay(t, found[i], sample_of(s, pair->child))) pair->contained = -1;
    }
done:
    for (int32_t g = 0; g < l.groups; g++)
        wni_free(t->ctx, l.group[g].at);
    wni_free(t->ctx, l.group);
    wni_free(t->ctx, l.entry);
    wni_free(t->ctx, l.found);
    wni_free(t->ctx, found);
    wni_free(t->ctx, child);
    return st;
}

/* ---- all of it ----------------------------------------------------------------------------------- */

static void sort_by_parent(sampler *s)
{
    const wni_tables *t = s->t;

    for (int64_t i = 0; i < t->pairs; i++)
        s->first_of_parent[t->pair[i].parent + 1]++;
    for (int32_t p = 0; p < t->n; p++)
        s->first_of_parent[p + 1] += s->first_of_parent[p];
    for (int64_t i = 0; i < t->pairs; i++)
        s->by_parent[s->first_of_parent[t->pair[i].parent]++] = i;
    for (int32_t p = t->n; p > 0; p--) /* each start moved to its end */
        s->first_of_parent[p] = s->first_of_parent[p - 1];
    s->first_of_parent[0] = 0;
}

wn_status wni_tables_sample(wni_tables *t)
{
    sampler s = {.t = t, .room = t->params.sample};
    int64_t kept = 0;
    wn_status st = WN_OK;

    t->after_sample = t->pairs;
    if (s.room == 0 || t->pairs == 0) return WN_OK;
    WNI_TRY(wni_budget_need(t->ctx, (t->n * (s.room + 1) + t->pairs) * (int64_t)sizeof(int64_t),
                            "dedup tables"));
    WNI_NEW(t->ctx, s.key, t->n * s.room);
    WNI_NEW0(t->ctx, s.first_of_parent, t->n + 1);
    WNI_NEW(t->ctx, s.by_parent, t->pairs);
    sort_by_parent(&s);
    WNI_TRY(draw_samples(&s));
    for (int32_t p = 0; p < t->n; p++) {
        wni_progress(t->ctx, "looking up samples", p, t->n);
        if (s.first_of_parent[p + 1] > s.first_of_parent[p]) WNI_TRY(judge_parent(&s, p));
    }
    for (int64_t i = 0; i < t->pairs; i++)
        if (t->pair[i].contained >= 0) t->pair[kept++] = t->pair[i];
    t->pairs = t->after_sample = kept;
done:
    wni_free(t->ctx, s.key);
    wni_free(t->ctx, s.first_of_parent);
    wni_free(t->ctx, s.by_parent);
    return st;
}
