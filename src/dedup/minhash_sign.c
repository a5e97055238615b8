/* SPDX-License-Identifier: Apache-2.0
 *
 * First phase: texts to sets of shingles, signatures and band keys. One pass over each table. Batches of texts
 * are worked on in parallel; what remembers earlier documents runs in row order.
 */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "base/rng.h"
#include "dedup/minhash_index.h"
#include "kernels/kernels.h"
#include "pool/text_column.h"
#include "pool/text_features.h"

#define SIGN_PIECE  32768               /* shingles that are signed between two polls */
#define RANGE_BYTES ((int64_t)64 << 10) /* of text in one range of a parallel loop */

/* Two hashes of a set: 64 bits to find it by and 64 to know it by. */
typedef struct seen_slot {
    uint64_t check;
    int64_t document; /* + 1; 0 = free */
} seen_slot;

typedef struct sign {
    wni_minhash *m;
    const wni_kernels *kern;
    wn_table *table;
    const char *column;
    int64_t first_document; /* of row 0 of the table */
    int64_t total;          /* rows of the table */

    seen_slot *seen; /* (slots) */
    int64_t slots;

    /* The batch. */
    int64_t first, rows;
    char *text;
    int64_t bytes, room, set_room;
    int64_t *end;        /* (rows) of each text in `text` */
    int64_t *count;      /* (rows) shingles */
    XXH128_hash_t *hash; /* (rows) of the set */
    uint64_t *key;       /* (rows, bands) */
    uint64_t *set;       /* the sets, each at set_at() */
    wni_keyed *out;      /* (bands) */

    wni_features *scratch; /* (threads) */
    uint32_t *low;         /* (threads, 2, padded) */
} sign;

/* A text of b bytes has at most (b + 1) / 2 words: sets that begin here do not meet. */
static int64_t set_at(const sign *s, int64_t row)
{
    return (row ? s->end[row - 1] : 0) / 2 + row;
}

/* Counts the shingles: runs of words, or all the words of a text that has fewer. */
static wn_status shingles(wni_features *f, int32_t length)
{
    wn_status st = wni_features_count(f, WNI_WORDS, 1u << length);

    if (st == WN_OK && f->n == 0 && f->text_bytes > 1) {
        st = wni_features_count(f, WNI_WORDS, 2); /* for its room */
        f->hash[0] = XXH3_64bits(f->text, (size_t)f->text_bytes);
        f->n = 1;
    }
    return st;
}

static uint64_t source_of(const sign *s, int64_t row)
{
    const wni_minhash *m = s->m;

    return m->source && s->first_document >= m->refs ? m->source[s->first + row] : 0;
}

/* The signature of n numbers; of a very long text piece by piece, so that the run can be stopped. */
static wn_status sign_set(const sign *s, const uint32_t *x, int64_t n, uint32_t *low)
{
    const wni_minhash *m = s->m;
    uint32_t *more = low + m->padded;
    wn_status st = WN_OK;

    s->kern->minhash(x, wni_min(n, SIGN_PIECE), m->a, m->b, m->padded, low);
    for (int64_t at = SIGN_PIECE; at < n; at += SIGN_PIECE) {
        WNI_TRY(wni_poll(m->ctx));
        s->kern->minhash(x + at, wni_min(n - at, SIGN_PIECE), m->a, m->b, m->padded, more);
        for (int32_t j = 0; j < m->padded; j++)
            low[j] = more[j] < low[j] ? more[j] : low[j];
    }
done:
    return st;
}

static wn_status work(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    sign *s = arg;
    const wni_minhash *m = s->m;
    const wn_dedup_minhash_params *p = m->p;
    wni_features *f = &s->scratch[worker];
    uint32_t *low = s->low + worker * 2 * m->padded;
    wn_status st = WN_OK;

    (void)ctx;
    for (int64_t row = begin; row < end; row++) {
        int64_t from = row ? s->end[row - 1] : 0;
        uint64_t source = source_of(s, row);
        uint64_t *key = s->key + row * m->bands.count;

        WNI_TRY(wni_features_words(f, s->text + from, s->end[row] - from));
        WNI_TRY(shingles(f, p->shingle));
        s->count[row] = f->n;
        if (f->n == 0) continue;
        memcpy(s->set + set_at(s, row), f->hash, (size_t)f->n * sizeof *f->hash);
        s->hash[row] = XXH3_128bits_withSeed(f->hash, (size_t)f->n * sizeof *f->hash, source);
        for (int64_t i = 0; i < f->n; i++)
            f->count[i] = (uint32_t)(f->hash[i] >> 32);
        WNI_TRY(sign_set(s, f->count, f->n, low));
        if (p->scope != WN_DEDUP_WITHIN) source = 0; /* candidates may come from anywhere */
        for (int32_t b = 0; b < m->bands.count; b++)
            key[b] =
                XXH3_64bits_withSeed(low + b * m->bands.rows, (size_t)m->bands.rows * sizeof *low,
                                     source ^ ((uint64_t)b + 1) * 0x9e3779b97f4a7c15u);
    }
done:
    return st;
}

/* The first document with this set, which becomes this one when there is none. */
static int64_t first_with(sign *s, XXH128_hash_t hash, int64_t document)
{
    int64_t at = (int64_t)((unsigned __int128)hash.low64 * (uint64_t)s->slots >> 64);

    while (s->seen[at].document) {
        if (s->seen[at].check == hash.high64) return s->seen[at].document - 1;
        if (++at == s->slots) at = 0;
    }
    s->seen[at] = (seen_slot){hash.high64, document + 1};
    return document;
}

/* In row order: copies, sets and keys of the batch. */
static wn_status finish_rows(sign *s)
{
    wni_minhash *m = s->m;
    wn_status st = WN_OK;

    for (int64_t row = 0; row < s->rows; row++) {
        int64_t document = s->first_document + s->first + row, first;
        const uint64_t *key = s->key + row * m->bands.count;
        uint64_t count = (uint64_t)s->count[row];

        m->set[document] = WNI_NO_WORDS;
        if (count == 0) continue;
        first = first_with(s, s->hash[row], document);
        if (first != document) {
            m->set[document] = -1 - first;
            continue;
        }
        m->set[document] = m->sets ? wni_store_bytes(m->sets) / (int64_t)sizeof count : 0;
        if (m->sets) {
            WNI_TRY(wni_store_add(m->sets, &count, sizeof count));
            WNI_TRY(wni_store_add(m->sets, s->set + set_at(s, row),
                                  s->count[row] * (int64_t)sizeof count));
        }
        if (m->saved) {
            uint64_t hash[2] = {s->hash[row].low64, s->hash[row].high64};

            WNI_TRY(wni_store_add(m->saved, hash, sizeof hash));
            WNI_TRY(wni_store_add(m->saved, key, m->bands.count * (int64_t)sizeof *key));
        }
        for (int32_t b = 0; b < m->bands.count; b++) {
            s->out[b] = (wni_keyed){key[b], document};
            if (m->asked)
                m->asked[key[b] >> m->asked_shift >> 6] |= 1ull << (key[b] >> m->asked_shift & 63);
        }
        WNI_TRY(wni_spill_add(m->keys, s->out, m->bands.count));
    }
done:
    return st;
}

/* ---- batches ------------------------------------------------------------------------------------- */

static wn_status flush(sign *s)
{
    int64_t grain = wni_max(1, s->rows * RANGE_BYTES / wni_max(s->bytes, 1));
    wn_status st = WN_OK;

    if (s->rows == 0) return WN_OK;
    if (s->bytes / 2 + s->rows + 1 > s->set_room) {
        wni_free(s->m->ctx, s->set);
        s->set_room = 0;
        WNI_NEW(s->m->ctx, s->set, s->room / 2 + s->m->layout.batch_rows + 1);
        s->set_room = s->room / 2 + s->m->layout.batch_rows + 1;
    }
    WNI_TRY(wni_parallel(s->m->ctx, s->rows, grain, work, s));
    WNI_TRY(finish_rows(s));
    s->first += s->rows;
    s->rows = s->bytes = 0;
    wni_progress(s->m->ctx, s->first_document || !s->m->refs ? "signatures" : "reference", s->first,
                 s->total);
done:
    return st;
}

static wn_status take_text(void *user, int64_t row, const char *text)
{
    sign *s = user;
    wn_ctx *ctx = s->m->ctx;
    int64_t bytes;
    wn_status st = WN_OK;

    if (!text) {
        char where[WNI_ERROR_MAX];

        return wni_fail(ctx, WN_E_DATA,
                        "%s: its %s is missing (null): give the row a text or drop it",
                        wni_table_where(s->table, row, where, sizeof where), s->column);
    }
    bytes = (int64_t)strlen(text);
    if (s->rows == s->m->layout.batch_rows ||
        (s->rows && s->bytes + bytes > s->m->layout.batch_bytes))
        WNI_TRY(flush(s));
    if (s->bytes + bytes > s->room) {
        int64_t room = s->bytes + bytes;
        char *grown;

        WNI_TRY(wni_budget_need(ctx, room * 5, "one long text"));
        if (!(grown = wni_grow(ctx, s->text, s->bytes, room, 1))) return WN_E_NOMEM;
        s->text = grown;
        s->room = room;
    }
    memcpy(s->text + s->bytes, text, (size_t)bytes);
    s->bytes += bytes;
    s->end[s->rows++] = s->bytes;
done:
    return st;
}

static wn_status pass(sign *s, wn_table *table, int32_t column, int64_t first_document)
{
    wn_status st;

    if (!table) return WN_OK;
    s->table = table;
    s->column = wn_table_column_name(table, column);
    s->total = wn_table_rows(table);
    s->first_document = first_document;
    s->first = s->rows = s->bytes = 0;
    st = wn_table_scan(table, column, take_text, s);
    return st == WN_OK ? flush(s) : st;
}

/* ---- an index ------------------------------------------------------------------------------------ */

#define PIECE 4096 /* rows of an index that are read at a time */

/* The sets of the index, so that copies of them are known. */
static wn_status take_hashes(sign *s)
{
    const wn_dedup_index *x = s->m->in->index;
    XXH128_hash_t *hash = NULL;
    wn_status st = WN_OK;

    WNI_NEW(s->m->ctx, hash, PIECE);
    for (int32_t i = 0; i < x->segments; i++) {
        const wni_segment *g = &x->segment[i];

        for (int64_t at = 0; at < g->rows; at += PIECE) {
            int64_t n = wni_min(PIECE, g->rows - at);
            int64_t *set = s->m->set + g->first + at;

            WNI_TRY(wni_poll(s->m->ctx));
            WNI_TRY(wni_index_read(s->m->ctx, &g->hash, 8, at, n, hash));
            WNI_TRY(wni_index_read(s->m->ctx, &g->begin, 8, at, n, set));
            for (int64_t j = 0; j < n; j++) {
                if (set[j] < 0 || set[j] >= g->set.rows ||
                    ((const uint64_t *)(const void *)g->sets.data)[set[j]] >=
                        (uint64_t)(g->set.rows - set[j])) {
                    st = wni_fail(s->m->ctx, WN_E_DATA,
                                  "%s: row %lld of segment %d has its set outside the file: the "
                                  "index is damaged, make it again",
                                  x->dir, (long long)(at + j), (int)i);
                    goto done;
                }
                (void)first_with(s, hash[j], g->first + at + j);
            }
        }
    }
done:
    wni_free(s->m->ctx, hash);
    return st;
}

/* Those band keys of the index that the pool may have too. */
static wn_status take_keys(sign *s)
{
    wni_minhash *m = s->m;
    const wn_dedup_index *x = m->in->index;
    int64_t bands = m->bands.count;
    uint64_t *key = NULL;
    wn_status st = WN_OK;

    WNI_NEW(m->ctx, key, PIECE * bands);
    for (int32_t i = 0; i < x->segments; i++) {
        const wni_segment *g = &x->segment[i];

        for (int64_t at = 0; at < g->rows; at += PIECE) {
            int64_t n = wni_min(PIECE, g->rows - at);

            wni_progress(m->ctx, "index", g->first + at, x->rows);
            WNI_TRY(wni_poll(m->ctx));
            WNI_TRY(wni_index_read(m->ctx, &g->key, 8, at, n, key));
            for (int64_t j = 0; j < n * bands; j++) {
                uint64_t bit = key[j] >> m->asked_shift;
                wni_keyed entry = {key[j], g->first + at + j / bands};

                if (m->asked[bit >> 6] >> (bit & 63) & 1)
                    WNI_TRY(wni_spill_add(m->keys, &entry, 1));
            }
        }
    }
done:
    wni_free(m->ctx, key);
    return st;
}

/* ---- sources ------------------------------------------------------------------------------------- */

static wn_status take_source(void *user, int64_t row, const char *text)
{
    wni_minhash *m = user;

    m->source[row] = text ? XXH3_64bits(text, strlen(text)) | 1 : 0;
    return WN_OK;
}

static wn_status read_sources(wni_minhash *m)
{
    int32_t column;
    wn_status st;

    WNI_TRY(wni_table_column(m->ctx, m->in->table, m->p->source, &column));
    WNI_NEW(m->ctx, m->source, m->n);
    WNI_TRY(wn_table_scan(m->in->table, column, take_source, m));
done:
    return st;
}

/* ---- the phase ----------------------------------------------------------------------------------- */

/* a is odd, so that every order is one of all 2^32 numbers. */
static wn_status make_orders(wni_minhash *m)
{
    uint64_t stream = wni_stream("minhash orders", 0, 0);
    wn_status st = WN_OK;

    WNI_NEW(m->ctx, m->a, m->padded);
    WNI_NEW(m->ctx, m->b, m->padded);
    for (int32_t j = 0; j < m->padded; j++) {
        uint64_t x = wni_rand_u64(m->p->seed, stream, (uint64_t)j);

        m->a[j] = (uint32_t)x | 1;
        m->b[j] = (uint32_t)(x >> 32);
    }
done:
    return st;
}

wn_status wni_minhash_sign(wni_minhash *m)
{
    const wni_minhash_layout *l = &m->layout;
    int32_t threads = wn_ctx_threads(m->ctx);
    sign s = {.m = m, .kern = wni_kernels_of(m->ctx)};
    wn_status st = WN_OK;

    s.slots = m->docs + m->docs / 2 + 1;
    s.room = l->batch_bytes;
    s.set_room = s.room / 2 + l->batch_rows + 1;
    WNI_TRY(make_orders(m));
    if (m->p->source[0]) WNI_TRY(read_sources(m));
    WNI_NEW(m->ctx, m->set, m->docs);
    if (m->p->verify) WNI_TRY(wni_store_new(m->ctx, m->in->scratch_dir, l->sets, &m->sets));
    if (m->p->save_index) WNI_TRY(wni_store_new(m->ctx, m->in->scratch_dir, l->saved, &m->saved));
    WNI_TRY(wni_spill_new(m->ctx, m->in->scratch_dir, m->docs * m->bands.count, l->keys, &m->keys));
    WNI_NEW0(m->ctx, s.seen, s.slots);
    WNI_NEW(m->ctx, s.text, s.room);
    WNI_NEW(m->ctx, s.set, s.set_room);
    WNI_NEW(m->ctx, s.end, l->batch_rows);
    WNI_NEW(m->ctx, s.count, l->batch_rows);
    WNI_NEW(m->ctx, s.hash, l->batch_rows);
    WNI_NEW(m->ctx, s.key, l->batch_rows * m->bands.count);
    WNI_NEW(m->ctx, s.out, m->bands.count);
    WNI_NEW(m->ctx, s.low, (int64_t)threads * 2 * m->padded);
    WNI_NEW(m->ctx, s.scratch, threads);
    for (int32_t i = 0; i < threads; i++)
        wni_features_init(m->ctx, &s.scratch[i]);
    if (m->in->index) {
        m->asked_shift = 64 - wni_minhash_asked_bits(m->n * m->bands.count);
        WNI_NEW0(m->ctx, m->asked, (int64_t)1 << (64 - m->asked_shift - 6));
        WNI_TRY(take_hashes(&s));
    }
    WNI_TRY(pass(&s, m->in->against_table, m->in->against_column, 0));
    WNI_TRY(pass(&s, m->in->table, m->in->column, m->refs));
    if (m->in->index) WNI_TRY(take_keys(&s));
done:
    for (int32_t i = 0; s.scratch && i < threads; i++)
        wni_features_free(&s.scratch[i]);
    wni_free(m->ctx, s.scratch);
    wni_free(m->ctx, s.seen);
    wni_free(m->ctx, s.text);
    wni_free(m->ctx, s.set);
    wni_free(m->ctx, s.end);
    wni_free(m->ctx, s.count);
    wni_free(m->ctx, s.hash);
    wni_free(m->ctx, s.key);
    wni_free(m->ctx, s.out);
    wni_free(m->ctx, s.low);
    return st;
}
