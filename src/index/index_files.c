/* SPDX-License-Identifier: Apache-2.0 */
#include <stdlib.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY
#include <xxhash.h>

#include "index/index_files.h"
#include "io/memfolder.h"

#define CHUNK_BYTES ((int64_t)16 << 20)
#define FORMAT      "winnow index"
#define SEAL        ",\n \"checksum\": \""

/* ---- index.json --------------------------------------------------------------------------------------- */

static json_t *params_json(const wni_index_head *head)
{
    json_t *params = json_object();
    char text[WN_TEXT_MAX];

    for (int32_t i = 0; i < head->method->n_params; i++) {
        const char *name = head->method->params[i].name;
        if (wn_params_text(head->method, head->params, name, text, sizeof text) < 0 ||
            json_object_set_new(params, name, json_string(text))) {
            json_decref(params);
            return NULL;
        }
    }
    return params;
}

static json_t *marks_json(const wni_index_head *head)
{
    json_t *marks = json_array();

    for (int32_t i = 0; i < head->n_marks; i++)
        if (json_array_append_new(marks, json_pack("{s:I, s:f}", "effort",
                                                   (json_int_t)head->mark_effort[i], "recall",
                                                   head->mark_recall[i]))) {
            json_decref(marks);
            return NULL;
        }
    return marks;
}

wn_status wni_index_write_head(wni_out *out, const wni_index_head *head, const json_t *segments,
                               int again)
{
    wn_ctx *ctx = wni_out_ctx(out);
    json_t *root = json_pack("{s:s, s:i, s:s, s:s, s:o, s:s, s:s, s:I, s:I, s:i, s:b, s:o, s:O}",
                             "format", FORMAT, "version", WNI_INDEX_VERSION, "winnow", wn_version(),
                             "method", head->method->name, "params", params_json(head), "metric",
                             wn_metric_name(head->metric), "dtype", wn_dtype_name(head->dtype),
                             "dim", (json_int_t)head->d, "next_id", (json_int_t)head->next_id,
                             "next_segment", (int)head->next_segment, "table", head->has_table,
                             "calibration", marks_json(head), "segments", segments);
    char *body = root ? json_dumps(root, JSON_INDENT(1) | JSON_REAL_PRECISION(17)) : NULL;
    char *text = NULL;
    size_t length = body ? strlen(body) : 0;
    wn_status st = WN_OK;

    json_decref(root);
    if (length < 3) return wni_nomem(ctx, 1);
    body[length - 2] = 0; /* "\n}" comes behind the checksum */
    if (!(text = wni_format(ctx, "%s" SEAL "%016llx\"\n}\n", body,
                            (unsigned long long)XXH3_64bits(body, length - 2))))
        st = WN_E_NOMEM;
    if (st == WN_OK && again) st = wni_out_remove(out, WNI_INDEX_JSON);
    if (st == WN_OK) st = wni_out_text(out, WNI_INDEX_JSON, text);
    free(body); /* allowed: jansson made it */
    wni_free(ctx, text);
    return st;
}

static wn_status check_seal(wn_ctx *ctx, const char *path, const char *text)
{
    const char *seal = NULL;
    char want[64];

    for (const char *at = text; (at = strstr(at, SEAL)); at++)
        seal = at;
    if (!seal)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found no checksum at its end: the file is cut, or not an index", path);
    snprintf(want, sizeof want, SEAL "%016llx\"\n}\n",
             (unsigned long long)XXH3_64bits(text, (size_t)(seal - text)));
    if (strcmp(seal, want) == 0) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "%s: its checksum does not match: the file is damaged; take the index from a "
                    "copy or make it again",
                    path);
}

wn_status wni_index_read_head(wn_ctx *ctx, const char *dir, json_t **root)
{
    char *path = wni_format(ctx, "%s/" WNI_INDEX_JSON, dir), *text = NULL;
    json_int_t version;
    wn_status st = WN_OK;

    *root = NULL;
    if (!path) return WN_E_NOMEM;
    if (!wni_path_exists(ctx, path)) {
        st = wni_fail(
            ctx, WN_E_DATA,
            "%s: there is no index.json in it: not an index; make one with `winnow index`", dir);
        goto done;
    }
    WNI_TRY(wni_text_load(ctx, path, &text));
    /* A newer version may seal in another way: it is asked first. */
    *root = json_loads(text, JSON_REJECT_DUPLICATES, NULL);
    version = json_integer_value(json_object_get(*root, "version"));
    if (*root && strcmp(FORMAT, json_string_value(json_object_get(*root, "format"))
                                    ? json_string_value(json_object_get(*root, "format"))
                                    : "") != 0) {
        st = wni_fail(ctx, WN_E_DATA, "%s: not the index.json of a winnow index", path);
        goto done;
    }
    if (version > WNI_INDEX_VERSION) {
        st = wni_fail(ctx, WN_E_DATA,
                      "%s: found version %lld of the format, this winnow reads up to %d; take a "
                      "newer winnow, or make the index again",
                      path, (long long)version, WNI_INDEX_VERSION);
        goto done;
    }
    WNI_TRY(check_seal(ctx, path, text));
    if (!*root || version != WNI_INDEX_VERSION)
        st = wni_fail(ctx, WN_E_DATA, "%s: not the index.json of a winnow index", path);
done:
    if (st != WN_OK) {
        json_decref(*root);
        *root = NULL;
    }
    wni_free(ctx, path);
    wni_free(ctx, text);
    return st;
}

/* ---- one array ------------------------------------------------------------------------------------------ */

static int64_t item_bytes(const char *descr)
{
    return strlen(descr) >= 3 ? strtol(descr + 2, NULL, 10) : 0;
}

size_t wni_array_item(const wni_array *a)
{
    return (size_t)item_bytes(a->descr);
}

static wn_status damaged(wn_ctx *ctx, const char *path, const char *what)
{
    return wni_fail(ctx, WN_E_DATA,
                    "%s: %s: the file is damaged; take the index from a copy or make it again",
                    path, what);
}

/* Name, type and shape as index.json has them. */
static wn_status take_about(wn_ctx *ctx, const char *dir, const json_t *about, wni_array *a,
                            const char **name)
{
    const json_t *shape = json_object_get(about, "shape");

    *name = json_string_value(json_object_get(about, "name"));
    a->descr = json_string_value(json_object_get(about, "descr"));
    a->dims = (int)json_array_size(shape);
    if (!*name || !a->descr || a->dims < 1 || a->dims > WNI_NPY_DIMS || item_bytes(a->descr) < 1)
        return wni_fail(ctx, WN_E_DATA, "%s/" WNI_INDEX_JSON ": an array without name or type",
                        dir);
    a->bytes = item_bytes(a->descr);
    for (int i = 0; i < a->dims; i++) {
        a->shape[i] = json_integer_value(json_array_get(shape, (size_t)i));
        if (a->shape[i] < 0 || __builtin_mul_overflow(a->bytes, a->shape[i], &a->bytes))
            return wni_fail(ctx, WN_E_DATA, "%s/" WNI_INDEX_JSON ": %s has no shape", dir, *name);
    }
    return WN_OK;
}

/* What stands behind the dict of a header: spaces up to the end of the line, whoever wrote it. */
static bool clean_end(const unsigned char *head, int64_t bytes)
{
    int64_t at = bytes - 1;

    if (bytes < 1 || head[at] != '\n') return false;
    while (at > 0 && head[at - 1] == ' ')
        at--;
    return at > 0 && head[at - 1] == '}';
}

static bool same_array(const wni_array *a, const wni_npy_header *h)
{
    if (strcmp(h->descr, a->descr) != 0 || h->structured || h->fortran_order || h->dims != a->dims)
        return false;
    for (int i = 0; i < a->dims; i++)
        if (h->shape[i] != a->shape[i]) return false;
    return true;
}

static wn_status find_file(wn_ctx *ctx, wni_array *a)
{
    unsigned char head[1024];
    wni_npy_header h;
    int64_t got;
    wn_status st;

    if ((st = wni_infile_open(ctx, a->path, &a->file)) != WN_OK) return st;
    a->opened = true;
    got = wni_min(a->file.bytes, (int64_t)sizeof head);
    if ((st = wni_infile_read(ctx, &a->file, 0, got, head)) != WN_OK) return st;
    if ((st = wni_npy_header_parse(ctx, a->path, head, (size_t)got, &h)) != WN_OK) return st;
    a->data_at = h.data_at;
    if (!same_array(a, &h) || !clean_end(head, h.data_at))
        return damaged(ctx, a->path, "its header is not the one that was written");
    if (a->file.bytes != a->data_at + a->bytes)
        return wni_fail(ctx, WN_E_DATA,
                        "%s: found %lld bytes, expected %lld: the file is damaged; take the index "
                        "from a copy or make it again",
                        a->path, (long long)a->file.bytes, (long long)(a->data_at + a->bytes));
    return WN_OK;
}

wn_status wni_array_find(wn_ctx *ctx, const char *dir, const char *prefix, const json_t *about,
                         wni_array *a)
{
    const wn_folder_item *item;
    const char *name, *inside;
    wn_folder *folder;
    wn_status st;

    memset(a, 0, sizeof *a);
    a->about = about;
    if ((st = take_about(ctx, dir, about, a, &name)) != WN_OK) return st;
    if (!(a->path = wni_format(ctx, "%s/%s%s", dir, prefix, name))) return WN_E_NOMEM;
    if (!(folder = wni_memfolder_of(ctx, a->path, &inside))) return find_file(ctx, a);
    item = wn_folder_find(folder, inside);
    if (!item || item->bytes != a->bytes || !item->descr || strcmp(item->descr, a->descr) != 0)
        return damaged(ctx, a->path, "it is not the array that index.json names");
    a->data = item->data;
    return WN_OK;
}

#define READ_BYTES 65536 /* at a time, of an array that is not mapped */

uint32_t wni_row_sum(const float *row, int64_t d)
{
    return (uint32_t)XXH3_64bits(row, (size_t)d * sizeof *row);
}

typedef struct sum_arg {
    const wni_array *a;
    uint64_t *sums; /* (chunks) */
} sum_arg;

/* A chunk that is read piece by piece: larger arrays than memory are summed too. */
static wn_status sum_file(wn_ctx *ctx, const wni_array *a, int64_t at, int64_t bytes, uint64_t *sum)
{
    unsigned char piece[READ_BYTES];
    XXH3_state_t state;
    wn_status st = WN_OK;

    XXH3_INITSTATE(&state);
    XXH3_64bits_reset(&state);
    for (int64_t i = 0; i < bytes; i += READ_BYTES) {
        const int64_t m = wni_min(READ_BYTES, bytes - i);

        WNI_TRY(wni_infile_read(ctx, &a->file, a->data_at + at + i, m, piece));
        XXH3_64bits_update(&state, piece, (size_t)m);
    }
    *sum = XXH3_64bits_digest(&state);
done:
    return st;
}

static wn_status sum_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const sum_arg *s = arg;
    wn_status st = WN_OK;

    (void)worker;
    for (int64_t i = begin; i < end && st == WN_OK; i++) {
        const int64_t at = i * CHUNK_BYTES, bytes = wni_min(CHUNK_BYTES, s->a->bytes - at);

        if (s->a->data)
            s->sums[i] = XXH3_64bits((const unsigned char *)s->a->data + at, (size_t)bytes);
        else
            st = sum_file(ctx, s->a, at, bytes, &s->sums[i]);
    }
    return st;
}

static wn_status checksum(wn_ctx *ctx, const wni_array *a, uint64_t *sum)
{
    const int64_t chunks = (a->bytes + CHUNK_BYTES - 1) / CHUNK_BYTES;
    sum_arg s = {a, NULL};
    wn_status st = WN_OK;

    WNI_NEW(ctx, s.sums, chunks);
    WNI_TRY(wni_parallel(ctx, chunks, 1, sum_range, &s));
    *sum = XXH3_64bits(s.sums, (size_t)chunks * sizeof *s.sums);
done:
    wni_free(ctx, s.sums);
    return st;
}

wn_status wni_array_check(wn_ctx *ctx, const wni_array *a)
{
    const char *expected = json_string_value(json_object_get(a->about, "xxh3"));
    char found[WNI_HASH_TEXT];
    uint64_t sum;
    wn_status st = checksum(ctx, a, &sum);

    if (st != WN_OK) return st;
    wni_hash_text(sum, found);
    if (expected && strcmp(found, expected) == 0) return WN_OK;
    return damaged(ctx, a->path, "its checksum does not match");
}

wn_status wni_array_map(wn_ctx *ctx, wni_array *a, int check)
{
    wn_status st = WN_OK;

    if (!a->data && a->bytes) {
        WNI_TRY(wni_infile_map(ctx, &a->file, a->data_at, a->bytes, &a->map));
        if (!a->map.data) {
            WNI_TRY(wni_budget_need(ctx, a->bytes, a->path));
            if (!(a->copy = wni_alloc(ctx, a->bytes, 1))) return WN_E_NOMEM;
            WNI_TRY(wni_infile_read(ctx, &a->file, a->data_at, a->bytes, a->copy));
        }
        a->data = a->copy ? a->copy : a->map.data;
    } else if (!a->data) {
        a->data = "";
    }
    if (check) st = wni_array_check(ctx, a);
done:
    return st;
}

void wni_array_close(wn_ctx *ctx, wni_array *a)
{
    wni_mapping_free(ctx, &a->map);
    if (a->opened) wni_infile_close(ctx, &a->file);
    wni_free(ctx, a->copy);
    wni_free(ctx, a->path);
    memset(a, 0, sizeof *a);
}

/* ---- writing arrays ---------------------------------------------------------------------------------------- */

wn_status wni_index_list_array(wn_ctx *ctx, json_t *arrays, const char *name, const char *descr,
                               const int64_t *shape, int dims)
{
    json_t *list = json_array();

    for (int i = 0; i < dims; i++)
        json_array_append_new(list, json_integer(shape[i]));
    if (json_array_append_new(
            arrays, json_pack("{s:s, s:s, s:o}", "name", name, "descr", descr, "shape", list)))
        return wni_nomem(ctx, 1);
    return WN_OK;
}

const char *wni_index_out_dir(const wni_out *out)
{
    return wni_out_folder(out) ? wn_folder_path(wni_out_folder(out)) : wni_out_scratch_dir(out);
}

wn_status wni_index_seal(wn_ctx *ctx, wni_out *out, const char *prefix, json_t *arrays)
{
    json_t *about;
    size_t i;
    wn_status st = WN_OK;

    json_array_foreach(arrays, i, about)
    {
        wni_array a;
        uint64_t sum = 0;
        char text[WNI_HASH_TEXT];

        if (json_object_get(about, "xxh3")) continue; /* of an earlier writer, carried over */
        st = wni_array_find(ctx, wni_index_out_dir(out), prefix, about, &a);
        if (st == WN_OK) st = checksum(ctx, &a, &sum);
        wni_array_close(ctx, &a);
        wni_hash_text(sum, text);
        if (st == WN_OK && json_object_set_new(about, "xxh3", json_string(text)))
            st = wni_nomem(ctx, 1);
        if (st != WN_OK) return st;
    }
    return st;
}

wn_status wni_build_npy(const wni_index_build *b, const char *name, const char *descr, size_t item,
                        const int64_t *shape, int dims, const void *data)
{
    wn_ctx *ctx = wni_out_ctx(b->out);
    char *full = wni_format(ctx, "%s%s", b->prefix, name);
    wn_status st;

    if (!full) return WN_E_NOMEM;
    WNI_TRY(wni_out_npy(b->out, full, descr, item, shape, dims, data));
    WNI_TRY(wni_index_list_array(ctx, b->arrays, name, descr, shape, dims));
done:
    wni_free(ctx, full);
    return st;
}

wn_status wni_build_writer(const wni_index_build *b, const char *name, const char *descr,
                           size_t item, int64_t n, int64_t d, wni_npy_writer **writer)
{
    wn_ctx *ctx = wni_out_ctx(b->out);
    char *full = wni_format(ctx, "%s%s", b->prefix, name);
    const int64_t shape[2] = {n, d};
    wn_status st;

    *writer = NULL;
    if (!full) return WN_E_NOMEM;
    WNI_TRY(wni_npy_writer_new(b->out, full, descr, item, n, d, writer));
    WNI_TRY(wni_index_list_array(ctx, b->arrays, name, descr, shape, 2));
done:
    if (st != WN_OK) {
        wni_npy_writer_end(*writer, 0);
        *writer = NULL;
    }
    wni_free(ctx, full);
    return st;
}
