/* SPDX-License-Identifier: Apache-2.0
 *
 * A new index beside the old one: old segments are linked, the rows kept by this run become one more.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "dedup/minhash_index.h"
#include "io/outdir.h"

/* The files of a segment while they are written. */
typedef struct segment_out {
    const wni_minhash *m;
    const wn_dedup *dedup;
    wni_run *run;
    char folder[16];
    json_t *files; /* name: bytes:hash */

    int64_t rows, words, id_bytes;
    int32_t id; /* column, -1 = none */
    const uint64_t *sets, *saved;
} segment_out;

/* Whether document row i of the pool is in the segment; counts it among the saved ones. */
static bool is_in(const segment_out *s, int64_t i)
{
    return s->m->set[s->m->refs + i] >= 0 && s->dedup->partner[i] == i;
}

static wn_status count(segment_out *s)
{
    const char *id = wn_table_id_column(s->m->in->table), *text;
    wn_status st = WN_OK;

    s->id = id ? wn_table_column_find(s->m->in->table, id) : -1;
    for (int64_t i = 0; i < s->m->n; i++) {
        if ((i & 1023) == 0) WNI_TRY(wni_poll(s->m->ctx));
        if (!is_in(s, i)) continue;
        s->rows++;
        s->words += 1 + (int64_t)s->sets[s->m->set[s->m->refs + i]];
        if (s->id < 0) continue;
        WNI_TRY(wn_table_text(s->m->in->table, i, s->id, &text));
        s->id_bytes += text ? (int64_t)strlen(text) : 0;
    }
done:
    return st;
}

typedef enum part { HASH, KEY, SET, BEGIN, ROW, ID_END, ID, PARTS } part;

/* Row i's share of one file; `record` is its hash and keys, *at what came before it in the file. */
static wn_status add_row(const segment_out *s, part what, int64_t i, const uint64_t *record,
                         int64_t *at, wni_npy_writer *w)
{
    const uint64_t *set = s->sets + s->m->set[s->m->refs + i];
    const char *text = NULL;
    int64_t length, value;
    wn_status st = WN_OK;

    switch (what) {
    case HASH:
        return wni_npy_writer_add(w, 1, record);
    case KEY:
        return wni_npy_writer_add(w, 1, record + 2);
    case SET:
        return wni_npy_writer_add(w, 1 + (int64_t)*set, set);
    case BEGIN:
        value = *at;
        *at += 1 + (int64_t)*set;
        return wni_npy_writer_add(w, 1, &value);
    case ROW:
        return wni_npy_writer_add(w, 1, &i);
    default:
        WNI_TRY(wn_table_text(s->m->in->table, i, s->id, &text));
        length = text ? (int64_t)strlen(text) : 0;
        if (what == ID) return wni_npy_writer_add(w, length, text);
        *at += length;
        return wni_npy_writer_add(w, 1, at);
    }
done:
    return st;
}

static wn_status write_part(segment_out *s, part what)
{
    static const struct {
        const char *name, *descr;
        size_t item;
    } parts[PARTS] = {
        [HASH] = {"hash", "<u8", 8},   [KEY] = {"key", "<u8", 8}, [SET] = {"set", "<u8", 8},
        [BEGIN] = {"begin", "<i8", 8}, [ROW] = {"row", "<i8", 8}, [ID_END] = {"id_end", "<i8", 8},
        [ID] = {"id", "|u1", 1}};
    int64_t rows = what == SET ? s->words : what == ID ? s->id_bytes : s->rows;
    int64_t columns = what == HASH ? 2 : what == KEY ? s->m->bands.count : 1;
    const uint64_t *record = s->saved;
    char name[64], hash_text[40];
    wni_npy_writer *w = NULL;
    int64_t at = 0, bytes;
    const char *path;
    uint64_t hash;
    wn_status st;

    snprintf(name, sizeof name, "index/%s/%s.npy", s->folder, parts[what].name);
    WNI_TRY(wni_npy_writer_new(s->run->out, name, parts[what].descr, parts[what].item, rows,
                               columns, &w));
    for (int64_t i = 0; i < s->m->n; i++) {
        if ((i & 1023) == 0) WNI_TRY(wni_poll(s->m->ctx));
        if (is_in(s, i)) WNI_TRY(add_row(s, what, i, record, &at, w));
        if (s->m->set[s->m->refs + i] >= 0) record += 2 + s->m->bands.count;
    }
    st = wni_npy_writer_end(w, 1);
    w = NULL;
    WNI_TRY(st);
    WNI_TRY(wni_out_path(s->run->out, name, &path));
    WNI_TRY(wni_file_hash(s->m->ctx, path, &bytes, &hash));
    snprintf(hash_text, sizeof hash_text, "%lld:%016llx", (long long)bytes,
             (unsigned long long)hash);
    if (json_object_set_new(s->files, name + strlen("index/"), json_string(hash_text)))
        st = wni_nomem(s->m->ctx, 1);
done:
    if (w) wni_npy_writer_end(w, 0);
    return st;
}

/* The old segments: their files, linked or copied, and their entries, whose folders keep their names. */
static wn_status link_segments(const wni_minhash *m, wni_run *run, json_t *segments)
{
    const wn_dedup_index *old = m->in->index;
    const json_t *segment;
    wn_status st = WN_OK;
    size_t i;

    if (!old) return WN_OK;
    json_array_foreach(json_object_get(old->json, "segments"), i, segment)
    {
        json_t *files = json_object_get(segment, "files"), *value;
        const char *name;

        json_object_foreach(files, name, value)
        {
            char *from = wni_format(m->ctx, "%s/%s", old->dir, name);
            char *to = wni_format(m->ctx, "index/%s", name);

            st = from && to ? wni_out_link(run->out, to, from) : WN_E_NOMEM;
            wni_free(m->ctx, from);
            wni_free(m->ctx, to);
            if (st != WN_OK) return st;
        }
        if (json_array_append(segments, (json_t *)(uintptr_t)segment)) return wni_nomem(m->ctx, 1);
    }
    return st;
}

static wn_status write_json(const wni_minhash *m, wni_run *run, json_t *segments)
{
    json_t *json =
        json_pack("{s:i, s:s, s:i, s:I, s:i, s:i, s:O}", "minhash_index", WNI_INDEX_VERSION,
                  "winnow", wn_version(), "shingle", m->p->shingle, "seed", (json_int_t)m->p->seed,
                  "bands", m->bands.count, "band_rows", m->bands.rows, "segments", segments);
    char *text = json ? json_dumps(json, JSON_INDENT(1)) : NULL;
    wn_status st = text ? wni_out_text(run->out, "index/index.json", text) : wni_nomem(m->ctx, 1);

    free(text); /* allowed: jansson made it */
    json_decref(json);
    return st;
}

static wn_status add_segment(segment_out *s, json_t *segments)
{
    json_t *json;
    wn_status st;

    WNI_TRY(count(s));
    for (int what = 0; what < PARTS; what++)
        if (s->id >= 0 || what < ID_END) WNI_TRY(write_part(s, (part)what));
    json = json_pack("{s:s, s:I, s:b, s:O}", "folder", s->folder, "rows", (json_int_t)s->rows,
                     "ids", s->id >= 0, "files", s->files);
    if (!json || json_array_append_new(segments, json)) st = wni_nomem(s->m->ctx, 1);
done:
    return st;
}

wn_status wni_index_write(const wni_minhash *m, const wn_dedup *dedup, wni_run *run)
{
    segment_out s = {.m = m, .dedup = dedup, .run = run, .files = json_object()};
    json_t *segments = json_array();
    void *data;
    wn_status st;

    if (!s.files || !segments) {
        st = wni_nomem(m->ctx, 1);
        goto done;
    }
    WNI_TRY(wni_store_data(m->sets, &data));
    s.sets = data;
    WNI_TRY(wni_store_data(m->saved, &data));
    s.saved = data;
    snprintf(s.folder, sizeof s.folder, "%06d", m->in->index ? m->in->index->segments : 0);
    WNI_TRY(link_segments(m, run, segments));
    WNI_TRY(add_segment(&s, segments));
    WNI_TRY(write_json(m, run, segments));
    WNI_TRY(wni_record_int(run, "index_rows", m->refs + s.rows));
    WNI_TRY(wni_record_int(run, "index_segments", (int64_t)json_array_size(segments)));
done:
    json_decref(s.files);
    json_decref(segments);
    return st;
}
