/* SPDX-License-Identifier: Apache-2.0
 *
 * Lists written to the disk. Entries come sorted by node, rows of the node's own before copies, near ones
 * before far ones. A node has as many lists as its own rows need; copies take what room is left in the last.
 * Rows are read for many lists at a time, in order of the rows.
 */
#include <math.h>
#include <string.h>
#include <xxhash.h>

#include "index/disk_impl.h"

#define BATCH_FLOATS \
    ((int64_t)1 << 27) /* at most; the fewer batches, the fewer passes over the pool */

wn_dtype wni_disk_dtype(wn_dtype pool, wn_metric metric, int32_t code)
{
    /* Under cosine rows are of unit length. */
    if (metric == WN_L2 && (pool == WN_F16 || pool == WN_BF16 || pool == WN_I8 || pool == WN_U8))
        return pool;
    return code == WN_CODE_F16 ? WN_F16 : WN_F32;
}

/* ---- how long lists are ------------------------------------------------------------------------------------- */

typedef struct sizes {
    int64_t lists;
    int64_t *node_list; /* (nodes + 1) */
    int64_t *list_at;   /* (lists + 1) */
    int32_t *list_rows; /* (lists) */
} sizes;

static void free_sizes(wn_ctx *ctx, sizes *z)
{
    wni_free(ctx, z->node_list);
    wni_free(ctx, z->list_at);
    wni_free(ctx, z->list_rows);
}

static wn_status make_sizes(wn_ctx *ctx, const wni_disk_new *b, sizes *z)
{
    const int64_t row_bytes = wni_disk_row_bytes(b->dtype, b->d), longest = b->longest;
    wn_status st = WN_OK;

    WNI_NEW(ctx, z->node_list, b->nodes + 1);
    z->node_list[0] = 0;
    for (int64_t v = 0; v < b->nodes; v++) {
        const int64_t lists = (b->own[v] + longest - 1) / longest;

        z->node_list[v + 1] = z->node_list[v] + (lists ? lists : b->copied[v] > 0);
    }
    z->lists = z->node_list[b->nodes];
    WNI_NEW(ctx, z->list_at, z->lists + 1);
    WNI_NEW(ctx, z->list_rows, z->lists);
    z->list_at[0] = 0;
    for (int64_t v = 0; v < b->nodes; v++) {
        int64_t own = b->own[v];

        for (int64_t l = z->node_list[v]; l < z->node_list[v + 1]; l++) {
            int64_t rows = wni_min(own, longest);

            own -= rows;
            if (own == 0) rows = wni_min(rows + b->copied[v], longest);
            z->list_rows[l] = (int32_t)rows;
            z->list_at[l + 1] = z->list_at[l] + wni_disk_list_bytes(rows, row_bytes);
        }
    }
done:
    return st;
}

/* ---- bytes of lists ------------------------------------------------------------------------------------------ */

#define HALF_POWER 12 /* the largest number of a list that is rounded to f16 is below 2 to this */

/* The nearest f16, at a tie the even one. |x| is less than 65520. */
static uint16_t half_of(float x)
{
    uint32_t bits, sign, size;
    float rounded;

    memcpy(&bits, &x, sizeof bits);
    sign = bits >> 16 & 0x8000u;
    size = bits & 0x7fffffffu;
    memcpy(&x, &size, sizeof x);
    if (x < 0x1p-14f) {
        /* Next to 1/2 there are only multiples of 2^-24. */
        rounded = x + 0.5f;
        memcpy(&size, &rounded, sizeof size);
        return (uint16_t)(sign | (size - 0x3f000000u));
    }
    size += 0xfffu + (size >> 13 & 1);
    return (uint16_t)(sign | ((size >> 13) - (112u << 10)));
}

/* The power by which rows of a list are divided. */
static int32_t power_of(const float *rows, int64_t n)
{
    float most = 0;
    int power;

    for (int64_t i = 0; i < n; i++)
        most = fmaxf(most, fabsf(rows[i]));
    frexpf(most, &power); /* most < 2^power */
    return most > 0 ? power - HALF_POWER : 0;
}

/* Back to the type that the numbers came from: each of them is exactly one of it; or rounded to f16. */
static void narrow(const float *x, int64_t d, wn_dtype dtype, unsigned char *out)
{
    switch (dtype) {
    case WN_F16:
        for (int64_t i = 0; i < d; i++) {
            const uint16_t h = half_of(x[i]);
            memcpy(out + 2 * i, &h, 2);
        }
        break;
    case WN_BF16:
        for (int64_t i = 0; i < d; i++) {
            uint32_t bits;
            memcpy(&bits, x + i, 4);
            bits >>= 16;
            memcpy(out + 2 * i, &(uint16_t){(uint16_t)bits}, 2);
        }
        break;
    case WN_I8:
        for (int64_t i = 0; i < d; i++)
            out[i] = (unsigned char)(int8_t)x[i];
        break;
    case WN_U8:
        for (int64_t i = 0; i < d; i++)
            out[i] = (unsigned char)x[i];
        break;
    default:
        memcpy(out, x, (size_t)d * sizeof *x);
    }
}

/* A batch: whole lists, one after the other. */
typedef struct batch {
    const wni_disk_new *b;
    const sizes *z;
    int64_t first, lists; /* lists first .. first + lists */
    int64_t room, n;      /* places for rows, and how many are taken */
    int64_t *begin;       /* (lists) first place of each */
    int32_t *row;         /* (room) of each place */
    wni_keyed *pairs;     /* (room) */
    float *rows;          /* (room, ld) */
    unsigned char *bytes; /* of the batch */
    int64_t bytes_room;
    uint64_t *hash; /* (all lists) */
} batch;

static wn_status encode_range(wn_ctx *ctx, void *arg, int worker, int64_t begin, int64_t end)
{
    const batch *t = arg;
    const wni_disk_new *b = t->b;
    const int64_t row_bytes = wni_disk_row_bytes(b->dtype, b->d);
    const int exact = b->dtype == wni_disk_dtype(wn_pool_dtype(b->b->rows),
                                                 wn_pool_metric(b->b->rows), WN_CODE_F32);

    (void)ctx;
    (void)worker;
    for (int64_t i = begin; i < end; i++) {
        const int64_t l = t->first + i, m = t->z->list_rows[l];
        const int64_t bytes = t->z->list_at[l + 1] - t->z->list_at[l];
        unsigned char *out = t->bytes + (t->z->list_at[l] - t->z->list_at[t->first]);
        float *rows = t->rows + t->begin[i] * b->ld;
        const int32_t power = exact ? 0 : power_of(rows, m * b->ld);
        const float scale = ldexpf(1, -power);

        memset(out, 0, (size_t)bytes);
        memcpy(out, t->row + t->begin[i], (size_t)m * sizeof *t->row);
        memcpy(out + m * (int64_t)sizeof power, &power, sizeof power);
        for (int64_t r = 0; power != 0 && r < m * b->ld; r++)
            rows[r] *= scale;
        for (int64_t r = 0; r < m; r++)
            narrow(rows + r * b->ld, b->d, b->dtype, out + wni_disk_head_bytes(m) + r * row_bytes);
        t->hash[l] = XXH3_64bits(out, (size_t)bytes);
    }
    return WN_OK;
}

static wn_status flush(wn_ctx *ctx, batch *t, wni_npy_writer *writer)
{
    const int64_t bytes = t->z->list_at[t->first + t->lists] - t->z->list_at[t->first];
    wn_status st = WN_OK;

    for (int64_t i = 0; i < t->n; i++)
        t->pairs[i] = (wni_keyed){(uint64_t)t->row[i], i};
    WNI_TRY(wni_keyed_sort_long(ctx, t->pairs, t->n));
    WNI_TRY(wni_lists_fetch(ctx, t->b->b->rows, t->pairs, t->n, t->rows, t->b->ld));
    WNI_TRY(wni_parallel(ctx, t->lists, 32, encode_range, t));
    WNI_TRY(wni_npy_writer_add(writer, bytes, t->bytes));
    t->first += t->lists;
    t->lists = 0;
    t->n = 0;
done:
    return st;
}

/* Rows of a batch at most: where batches end never shows. */
static int64_t batch_rows(const wn_ctx *ctx, const wni_disk_new *b, int64_t total)
{
    const int64_t floats = wni_min(BATCH_FLOATS, wni_budget_left(ctx) / 3 / (int64_t)sizeof(float));

    return wni_max(wni_min(total, floats / (2 * b->ld + 24)), b->longest);
}

static wn_status write_lists(wn_ctx *ctx, wni_disk_new *b, const sizes *z, uint64_t *hash,
                             wni_npy_writer *writer)
{
    const int64_t row_bytes = wni_disk_row_bytes(b->dtype, b->d);
    batch t = {.b = b, .z = z, .hash = hash};
    int64_t total = 0, node = 0, at = 0, n = 0;
    wni_keyed *v;
    wn_status st = WN_OK;

    for (int64_t l = 0; l < z->lists; l++)
        total += z->list_rows[l];
    t.room = batch_rows(ctx, b, total);
    /* Every list is padded twice, by less than 64 bytes each time. */
    t.bytes_room = t.room * (row_bytes + 4) + 128 * t.room;
    t.bytes_room = wni_min(t.bytes_room, z->list_at[z->lists]);
    WNI_NEW(ctx, t.begin, t.room + 1);
    WNI_NEW(ctx, t.row, t.room);
    WNI_NEW(ctx, t.pairs, t.room);
    WNI_NEW(ctx, t.rows, t.room * b->ld);
    WNI_NEW(ctx, t.bytes, t.bytes_room);
    /* Lists of node are node_list[node] .. ; at = the list that is filled, or past the last of the node. */
    for (;;) {
        WNI_TRY(wni_spill_next(b->spill, &v, &n));
        if (!v) break;
        for (int64_t i = 0; i < n; i++) {
            const int64_t entry = (int64_t)(v[i].key >> b->shift);

            if (i % 65536 == 0) {
                wni_progress(ctx, "write lists", t.first + t.lists, z->lists);
                WNI_TRY(wni_poll(ctx));
            }
            if (entry != node) {
                node = entry;
                at = z->node_list[node];
            }
            if (at == z->node_list[node + 1]) continue; /* a copy for which there is no room */
            if (t.first + t.lists == at) {
                /* The list begins. */
                if (t.n + z->list_rows[at] > t.room) WNI_TRY(flush(ctx, &t, writer));
                t.begin[t.lists++] = t.n;
            }
            t.row[t.n++] = (int32_t)v[i].row;
            if (t.n - t.begin[t.lists - 1] == z->list_rows[at]) at++;
        }
    }
    if (t.lists) WNI_TRY(flush(ctx, &t, writer));
done:
    wni_free(ctx, t.begin);
    wni_free(ctx, t.row);
    wni_free(ctx, t.pairs);
    wni_free(ctx, t.rows);
    wni_free(ctx, t.bytes);
    return st;
}

static wn_status record(const wni_disk_new *b, const sizes *z)
{
    int64_t entries = 0, longest = 0;
    wn_status st = WN_OK;

    if (!b->b->run) return WN_OK;
    for (int64_t l = 0; l < z->lists; l++) {
        entries += z->list_rows[l];
        longest = wni_max(longest, z->list_rows[l]);
    }
    WNI_TRY(wni_record_int(b->b->run, "centers", b->nodes));
    WNI_TRY(wni_record_int(b->b->run, "lists", z->lists));
    WNI_TRY(wni_record_int(b->b->run, "rows_in_longest_list", longest));
    WNI_TRY(wni_record_real(b->b->run, "lists_per_row", (double)entries / (double)b->n));
    WNI_TRY(wni_record_int(b->b->run, "bytes_of_lists", z->list_at[z->lists]));
done:
    return st;
}

wn_status wni_disk_write(wn_ctx *ctx, wni_disk_new *b)
{
    wni_npy_writer *writer = NULL;
    uint64_t *hash = NULL;
    sizes z = {0};
    wn_status st = WN_OK;

    WNI_TRY(make_sizes(ctx, b, &z));
    WNI_TRY(record(b, &z));
    WNI_NEW(ctx, hash, z.lists);
    WNI_TRY(wni_build_writer(b->b, "lists.npy", "|u1", 1, z.list_at[z.lists], 1, &writer));
    WNI_TRY(write_lists(ctx, b, &z, hash, writer));
    st = wni_npy_writer_end(writer, 1);
    writer = NULL;
    if (st != WN_OK) goto done;
    WNI_TRY(
        wni_build_npy(b->b, "node_list.npy", "<i8", 8, (int64_t[]){b->nodes + 1}, 1, z.node_list));
    WNI_TRY(wni_build_npy(b->b, "list_at.npy", "<i8", 8, (int64_t[]){z.lists + 1}, 1, z.list_at));
    WNI_TRY(wni_build_npy(b->b, "list_rows.npy", "<i4", 4, &z.lists, 1, z.list_rows));
    WNI_TRY(wni_build_npy(b->b, "list_hash.npy", "<u8", 8, &z.lists, 1, hash));
done:
    if (writer) (void)wni_npy_writer_end(writer, 0);
    free_sizes(ctx, &z);
    wni_free(ctx, hash);
    return st;
}
