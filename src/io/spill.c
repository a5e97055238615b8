/* SPDX-License-Identifier: Apache-2.0
 *
 * Sorting outside memory: entries are parted by the top bits of their keys into chunks of one file; a part is
 * read back whole and sorted.
 */
#include <string.h>

#include "io/scratch.h"

#define CHUNK     1024 /* entries that are written at a time */
#define PARTS_MAX 4096

struct wni_spill {
    wn_ctx *ctx;
    wni_scratch *file; /* NULL = all in memory */
    int64_t most, added, parts;
    int shift;

    wni_keyed *v; /* in memory: (most); with a file: a part, (v_room) */
    int64_t v_room;
    wni_keyed *buffer; /* (parts, CHUNK) not written yet */
    int32_t *held;     /* (parts) of them */
    int64_t *count;    /* (parts) entries in all */
    int32_t *chunk;    /* (chunks) the part of each chunk of the file */
    int64_t chunks;

    int64_t next;
};

/* Bytes that so many parts take, the largest being twice a mean one. */
static int64_t parts_bytes(int64_t most, int64_t parts)
{
    const int64_t item = sizeof(wni_keyed);

    if (parts == 1) return most * item;
    return 2 * item * (most / parts) + parts * (CHUNK * item + 12) + most / CHUNK * 4 + 4096;
}

/* Fewest parts that keep twice a mean part and the buffers within the memory; parts differ in size. */
static int64_t parts_for(int64_t most, int64_t memory_bytes)
{
    int64_t parts = 1, best = 1;

    for (; parts <= PARTS_MAX; parts *= 2) {
        if (parts_bytes(most, parts) < parts_bytes(most, best)) best = parts;
        if (parts_bytes(most, best) <= memory_bytes) break;
    }
    return best;
}

int64_t wni_spill_bytes(int64_t most, int64_t memory_bytes)
{
    return parts_bytes(most, parts_for(most, memory_bytes));
}

wn_status wni_spill_new(wn_ctx *ctx, const char *folder, int64_t most, int64_t memory_bytes,
                        wni_spill **out)
{
    wni_spill *s = NULL;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, s, 1);
    s->ctx = ctx;
    s->most = most;
    s->parts = folder ? parts_for(most, memory_bytes) : 1;
    if (s->parts == 1) {
        if (!folder) WNI_TRY(wni_budget_need(ctx, most * (int64_t)sizeof *s->v, "keys to sort"));
        WNI_NEW(ctx, s->v, most);
    } else {
        s->shift = 64 - __builtin_ctzll((unsigned long long)s->parts);
        WNI_TRY(wni_scratch_new(ctx, folder, &s->file));
        WNI_NEW(ctx, s->buffer, s->parts * CHUNK);
        WNI_NEW0(ctx, s->held, s->parts);
        WNI_NEW0(ctx, s->count, s->parts);
        WNI_NEW(ctx, s->chunk, most / CHUNK + 1);
    }
    *out = s;
    s = NULL;
done:
    wni_spill_free(s);
    return st;
}

void wni_spill_free(wni_spill *s)
{
    if (!s) return;
    wni_scratch_free(s->file);
    wni_free(s->ctx, s->v);
    wni_free(s->ctx, s->buffer);
    wni_free(s->ctx, s->held);
    wni_free(s->ctx, s->count);
    wni_free(s->ctx, s->chunk);
    wni_free(s->ctx, s);
}

void wni_spill_rewind(wni_spill *s)
{
    s->next = 0;
}

int64_t wni_spill_parts(const wni_spill *s)
{
    return s->parts;
}

static wn_status write_chunk(wni_spill *s, int64_t part)
{
    const int64_t bytes = CHUNK * (int64_t)sizeof(wni_keyed);
    wn_status st = wni_scratch_write(s->file, s->chunks * bytes, s->buffer + part * CHUNK, bytes);

    if (st != WN_OK) return st;
    s->chunk[s->chunks++] = (int32_t)part;
    s->held[part] = 0;
    return WN_OK;
}

wn_status wni_spill_add(wni_spill *s, const wni_keyed *v, int64_t n)
{
    if (n > s->most - s->added)
        return wni_fail(s->ctx, WN_E_INTERNAL, "more than the %lld entries announced",
                        (long long)s->most);
    if (s->parts == 1) {
        memcpy(s->v + s->added, v, (size_t)n * sizeof *v);
        s->added += n;
        return WN_OK;
    }
    s->added += n;
    for (int64_t i = 0; i < n; i++) {
        int64_t part = (int64_t)(v[i].key >> s->shift);

        s->buffer[part * CHUNK + s->held[part]++] = v[i];
        s->count[part]++;
        if (s->held[part] == CHUNK) {
            wn_status st = write_chunk(s, part);
            if (st != WN_OK) return st;
        }
    }
    return WN_OK;
}

static wn_status read_part(wni_spill *s, int64_t part, int64_t n)
{
    const int64_t bytes = CHUNK * (int64_t)sizeof(wni_keyed);
    int64_t at = 0;
    wn_status st = WN_OK;

    if (n > s->v_room) {
        wni_free(s->ctx, s->v);
        s->v = NULL;
        s->v_room = 0;
        WNI_TRY(wni_budget_need(s->ctx, n * (int64_t)sizeof *s->v, "keys that many rows share"));
        WNI_NEW(s->ctx, s->v, n);
        s->v_room = n;
    }
    for (int64_t c = 0; c < s->chunks; c++) {
        if (s->chunk[c] != part) continue;
        WNI_TRY(wni_scratch_read(s->file, c * bytes, s->v + at, bytes));
        at += CHUNK;
    }
    memcpy(s->v + at, s->buffer + part * CHUNK, (size_t)s->held[part] * sizeof *s->v);
done:
    return st;
}

wn_status wni_spill_next(wni_spill *s, wni_keyed **v, int64_t *n)
{
    wn_status st = WN_OK;

    *v = NULL;
    *n = 0;
    while (s->parts > 1 && s->next < s->parts && s->count[s->next] == 0)
        s->next++;
    if (s->next == s->parts) return WN_OK;
    *n = s->parts == 1 ? s->added : s->count[s->next];
    if (s->parts > 1) WNI_TRY(read_part(s, s->next, *n));
    s->next++;
    WNI_TRY(wni_keyed_sort_long(s->ctx, s->v, *n));
    *v = s->v;
done:
    return st;
}
