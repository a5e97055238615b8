/* SPDX-License-Identifier: Apache-2.0
 *
 * Third phase: which rows go. In row order: a row goes when a kept row before it, or a row of the reference,
 * shares a bucket with it and has a Jaccard similarity that reaches the threshold. Documents are taken in
 * blocks: against what was kept before the block on all threads, then against the rest of the block in order.
 * How long blocks are does not show in the result.
 */
#include <math.h>
#include <string.h>

#include "dedup/minhash_index.h"

#define BLOCK 512 /* documents */
#define GRAIN 8

typedef struct found {
    int64_t *v; /* documents */
    int64_t n, room;
} found;

typedef struct rule {
    wni_minhash *m;
    double floor;
    wn_dedup *dedup;
    const uint64_t *sets;
    const int64_t *members;
    int64_t
        *chain; /* by position: of the nearest kept document before it in its bucket; -1 = none */

    /* The block: its documents, ascending, and their positions. */
    int64_t document[BLOCK], begin[BLOCK + 1], count;
    const wni_keyed *place;
    double best[BLOCK]; /* similarity of the partner */
    int64_t with[BLOCK], pairs[BLOCK];
    found *scratch; /* (threads) */
} rule;

/* ---- pairs --------------------------------------------------------------------------------------- */

/* Count, then the shingles ascending. */
static const uint64_t *set_of(const rule *r, int64_t document)
{
    const wni_minhash *m = r->m;

    if (m->in->index && document < m->refs) {
        const wni_segment *s = wni_index_segment(m->in->index, document);

        return (const uint64_t *)(const void *)s->sets.data + m->set[document];
    }
    return r->sets + m->set[document];
}

/* Jaccard similarity of two sets when it reaches the floor, else -1. */
static double similarity(const rule *r, int64_t a, int64_t b)
{
    const uint64_t *x = set_of(r, a), *y = set_of(r, b);
    int64_t nx = (int64_t)*x++, ny = (int64_t)*y++, i = 0, j = 0, both = 0;
    double jaccard, need = r->floor / (1 + r->floor) * (double)(nx + ny); /* of both */

    if ((double)wni_min(nx, ny) < r->floor * (double)wni_max(nx, ny)) return -1;
    while (i < nx && j < ny) {
        /* Enough of both must be left to reach the floor; one more, so that rounding cannot matter. */
        if ((double)(both + wni_min(nx - i, ny - j) + 1) < need) return -1;
        for (int step = 0; step < 16 && i < nx && j < ny; step++) {
            uint64_t u = x[i], v = y[j];

            both += u == v;
            i += u <= v;
            j += v <= u;
        }
    }
    jaccard = (double)both / (double)(nx + ny - both);
    return jaccard >= r->floor ? jaccard : -1;
}

static bool is_kept(const rule *r, int64_t document)
{
    return document < r->m->refs ||
           r->dedup->partner[document - r->m->refs] == document - r->m->refs;
}

static bool comparable(const rule *r, int64_t document, int64_t earlier)
{
    const wni_minhash *m = r->m;

    if (earlier < m->refs) return true;
    if (!m->p->within_pool) return false;
    return m->p->scope != WN_DEDUP_ACROSS || !m->source ||
           m->source[document - m->refs] != m->source[earlier - m->refs];
}

static wn_status add(wn_ctx *ctx, found *f, int64_t document)
{
    if (f->n == f->room) {
        int64_t room = wni_max(256, f->room * 2), *v;
        wn_status st = f->room > 65536
                           ? wni_budget_need(ctx, room * (int64_t)sizeof *v, "candidates of a row")
                           : WN_OK;

        if (st != WN_OK) return st;
        if (!(v = wni_grow(ctx, f->v, f->n, room, sizeof *v))) return WN_E_NOMEM;
        f->v = v;
        f->room = room;
    }
    f->v[f->n++] = document;
    return WN_OK;
}

/* Ascending, each once. */
static void sort_found(found *f)
{
    int64_t n = 0;

    for (int64_t gap = f->n / 2; gap > 0; gap = gap == 2 ? 1 : gap * 5 / 11)
        for (int64_t i = gap; i < f->n; i++) {
            int64_t v = f->v[i], j = i;

            for (; j >= gap && f->v[j - gap] > v; j -= gap)
                f->v[j] = f->v[j - gap];
            f->v[j] = v;
        }
    for (int64_t i = 0; i < f->n; i++)
        if (n == 0 || f->v[n - 1] != f->v[i]) f->v[n++] = f->v[i];
    f->n = n;
}

/* The most similar of the candidates, the smaller number on ties, where it beats what is there. Rows of the
 * reference come first in number; what repeats one of them is not asked for more. */
static wn_status choose(wn_ctx *ctx, rule *r, int64_t i, found *f)
{
    wn_status st = WN_OK;

    sort_found(f);
    for (int64_t c = 0; c < f->n; c++) {
        double s;

        if (r->with[i] >= 0 && r->with[i] < r->m->refs && f->v[c] >= r->m->refs) break;
        r->pairs[i]++;
        s = r->m->p->verify ? similarity(r, r->document[i], f->v[c]) : 1;
        if (s > r->best[i] || (s == r->best[i] && s >= 0 && f->v[c] < r->with[i])) {
            r->best[i] = s;
            r->with[i] = f->v[c];
        }
        if ((c & 1023) == 1023) WNI_TRY(wni_poll(ctx));
    }
done:
    return st;
}

/* ---- blocks -------------------------------------------------------------------------------------- */

static int64_t document_at(const rule *r, int64_t position)
{
    return r->members[position] >> 1;
}

/* The position before this one in its bucket, or -1. */
static int64_t before(const rule *r, int64_t position)
{
    return r->members[position] & 1 ? -1 : position - 1;
}

static wn_status against_kept(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    rule *r = arg;
    found *f = &r->scratch[worker];
    int64_t first = r->document[0], steps = 0;
    wn_status st = WN_OK;

    for (int64_t i = begin; i < end; i++) {
        r->best[i] = -1;
        r->with[i] = -1;
        r->pairs[i] = 0;
        if (r->document[i] < r->m->refs) continue;
        f->n = 0;
        for (int64_t e = r->begin[i]; e < r->begin[i + 1]; e++) {
            int64_t at = before(r, r->place[e].row);

            for (; at >= 0 && document_at(r, at) >= first; at = before(r, at))
                if (document_at(r, at) < r->m->refs) WNI_TRY(add(ctx, f, document_at(r, at)));
            if (at >= 0 && !is_kept(r, document_at(r, at))) at = r->chain[at];
            for (; at >= 0; at = r->chain[at]) {
                if (comparable(r, r->document[i], document_at(r, at)))
                    WNI_TRY(add(ctx, f, document_at(r, at)));
                if ((++steps & 65535) == 0) WNI_TRY(wni_poll(ctx));
            }
        }
        WNI_TRY(choose(ctx, r, i, f));
    }
done:
    return st;
}

/* Row by row: the kept ones of the block before it, then its fate, then the chains. */
static wn_status settle(wn_ctx *ctx, rule *r)
{
    found *f = &r->scratch[0];
    wn_dedup *d = r->dedup;
    int64_t refs = r->m->refs, first = r->document[0];
    wn_status st = WN_OK;

    for (int64_t i = 0; i < r->count; i++) {
        int64_t document = r->document[i], row = document - refs;

        if ((i & 15) == 15) WNI_TRY(wni_poll(ctx));
        f->n = 0;
        for (int64_t e = r->begin[i]; document >= refs && e < r->begin[i + 1]; e++)
            for (int64_t at = before(r, r->place[e].row);
                 at >= 0 && document_at(r, at) >= first && document_at(r, at) >= refs;
                 at = before(r, at))
                if (is_kept(r, document_at(r, at)) && comparable(r, document, document_at(r, at)))
                    WNI_TRY(add(ctx, f, document_at(r, at)));
        WNI_TRY(choose(ctx, r, i, f));
        d->report.pairs_compared += r->pairs[i];
        if (r->with[i] >= 0) {
            d->partner[row] = wni_minhash_partner(r->m, r->with[i]);
            d->similarity[row] = r->m->p->verify ? (float)r->best[i] : NAN;
        }
        for (int64_t e = r->begin[i]; e < r->begin[i + 1]; e++) {
            int64_t at = r->place[e].row, back = before(r, at);

            r->chain[at] = back < 0 || is_kept(r, document_at(r, back)) ? back : r->chain[back];
        }
    }
done:
    return st;
}

/* Entries of a part, ascending by document, block by block. */
static wn_status take_part(wn_ctx *ctx, rule *r, const wni_keyed *v, int64_t n)
{
    wn_status st = WN_OK;

    for (int64_t i = 0; i < n;) {
        r->place = v;
        for (r->count = 0; r->count < BLOCK && i < n; r->count++) {
            uint64_t key = v[i].key;

            r->document[r->count] = (int64_t)(key >> r->m->place_shift);
            r->begin[r->count] = i;
            while (i < n && v[i].key == key)
                i++;
        }
        r->begin[r->count] = i;
        WNI_TRY(wni_parallel(ctx, r->count, GRAIN, against_kept, r));
        WNI_TRY(settle(ctx, r));
        WNI_TRY(wni_poll(ctx));
        wni_progress(ctx, "comparing", r->document[r->count - 1], r->m->docs);
    }
done:
    return st;
}

/* ---- copies -------------------------------------------------------------------------------------- */

/* A copy goes where its first document goes, or beside it. Where rows are not compared with rows of their
 * own kind it stays when that one stays. */
static void finish(rule *r)
{
    const wni_minhash *m = r->m;
    bool go = m->p->within_pool && !(m->source && m->p->scope == WN_DEDUP_ACROSS);
    wn_dedup *d = r->dedup;
    double worst = 1;

    for (int64_t i = 0; i < m->n; i++) {
        int64_t set = m->set[m->refs + i], first, partner = i;

        if (set == WNI_NO_WORDS) {
            d->report.empty_texts++;
        } else if (set < 0) {
            first = -1 - set;
            if (first < m->refs || is_kept(r, first)) {
                if (first < m->refs || go) partner = wni_minhash_partner(m, first);
            } else {
                partner = d->partner[first - m->refs];
                d->similarity[i] = d->similarity[first - m->refs];
            }
            d->partner[i] = partner;
        }
        if (d->partner[i] == i) continue;
        d->kept--;
        d->report.repeats_reference += d->partner[i] < 0;
        if ((double)d->similarity[i] < worst) worst = (double)d->similarity[i];
    }
    d->report.worst_similarity = m->p->verify ? worst : NAN;
}

wn_status wni_minhash_rule(wni_minhash *m, double min_similarity, wn_dedup *dedup)
{
    int64_t positions = wni_store_bytes(m->members) / (int64_t)sizeof(int64_t), n;
    int32_t threads = wn_ctx_threads(m->ctx);
    wni_scratch *file = NULL;
    rule *r = NULL;
    void *data;
    wni_keyed *v;
    wn_status st;

    WNI_NEW0(m->ctx, r, 1);
    r->m = m;
    r->floor = min_similarity;
    r->dedup = dedup;
    WNI_NEW0(m->ctx, r->scratch, threads);
    WNI_TRY(wni_store_data(m->members, &data));
    r->members = data;
    if (m->sets) {
        WNI_TRY(wni_store_data(m->sets, &data));
        r->sets = data;
    }
    if (m->in->scratch_dir && positions * (int64_t)sizeof *r->chain > m->layout.chain) {
        WNI_TRY(wni_scratch_new(m->ctx, m->in->scratch_dir, &file));
        WNI_TRY(wni_scratch_map(file, positions * (int64_t)sizeof *r->chain, &data));
        r->chain = data;
    } else {
        WNI_NEW(m->ctx, r->chain, positions);
    }
    wni_spill_rewind(m->places);
    for (;;) {
        WNI_TRY(wni_spill_next(m->places, &v, &n));
        if (!v) break;
        WNI_TRY(take_part(m->ctx, r, v, n));
    }
    finish(r);
done:
    if (r && !file) wni_free(m->ctx, r->chain);
    for (int32_t i = 0; r && r->scratch && i < threads; i++)
        wni_free(m->ctx, r->scratch[i].v);
    if (r) wni_free(m->ctx, r->scratch);
    wni_free(m->ctx, r);
    wni_scratch_free(file);
    return st;
}
