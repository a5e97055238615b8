/* SPDX-License-Identifier: Apache-2.0
 *
 * The inside of an index, for src/index only: segments, their arrays, and what a kind of index has to
 * offer.
 *
 * A row has a position in its segment (0..n-1, the order in which it came) and an id (what users see). A kind
 * speaks of positions only; ids, deleted rows, filters, exact re-ranking and the merging of segments are the
 * business of index_search.c.
 */
#ifndef WNI_INDEX_IMPL_H
#define WNI_INDEX_IMPL_H

#include <math.h>

#include "base/ctx_impl.h"
#include "ds/bits.h"
#include "io/outdir.h"
#include "io/infile.h"
#include "pool/run.h"
#include "winnow/index.h"

#define WNI_INDEX_VERSION 1

/* Smaller segments are searched by the exact scan whatever the kind of the index: a structure over so few
 * rows costs more than it saves. */
#define WNI_SEGMENT_STRUCTURE_ROWS 128

/* ---- what a kind offers: wn_method.ops of the methods flat, ivf, hnsw, disk, ... --------------------------- */

typedef struct wni_index_build wni_index_build;
typedef struct wni_segment wni_segment;
typedef struct wni_ask wni_ask;
typedef struct wni_found wni_found;

/* What a filter asks of columns, beside its SQL. */
typedef struct wni_columns {
    const char *window;     /* column; NULL = none is asked */
    const char *low, *high; /* numbers as text, both ends in */
    const char *tenant;     /* value of the tenant column; NULL = none is asked */
} wni_columns;

/* What of that the kind answers itself for one segment, without the table. */
typedef struct wni_cover {
    int window, tenant; /* 1 = it does */
    int64_t n;          /* rows, deleted ones aside, that meet all that it answers */
    int64_t first,
        end; /* for the kind: where they are (a range in its order, the number of a tenant) */
} wni_cover;

typedef struct wni_index_kind {
    /* Searching does not touch the exact rows: they are neither mapped nor checked. What stands for them is of the
     * kind's own making and not a code of code.h. */
    int rows_on_disk;
    /* Of building one segment over these rows. */
    wn_status (*estimate)(wn_ctx *ctx, const wn_pool *rows, const void *params, wn_estimate *out);
    /* Writes the arrays of one segment (not its rows, which are written already). */
    wn_status (*build)(wn_ctx *ctx, const wni_index_build *b);
    /* Finds and checks the arrays of one segment; what it makes goes to s->state. */
    wn_status (*open)(wn_ctx *ctx, const wn_index *index, wni_segment *s);
    void (*close)(wn_ctx *ctx, wni_segment *s);
    /* The nearest allowed rows of each query, as good as the effort allows. Runs its own wni_parallel over the
     * queries; the segment is const, scratch is the caller's ctx. */
    wn_status (*search)(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                        const wni_ask *ask, wni_found *found);
    /* Rows of an exact scan that cost as much as one query so filtered does here: where fewer match, they are
     * scanned instead. NULL = the kind is an exact scan itself. */
    double (*cost)(const wn_index *index, const wni_segment *s, const wni_ask *ask);
    /* Smallest and largest sensible effort; both 0 = exact, nothing to choose. */
    void (*effort)(const wn_index *index, const wni_segment *s, int64_t k, int64_t *low,
                   int64_t *high);
    /* The rest may be NULL.
     * Before anything is built, whatever the number of rows: what is wrong with the table or the parameters. */
    wn_status (*check)(wn_ctx *ctx, const wni_index_build *b);
    /* Fills *cover (all 0) with what it answers itself; quick, as every filter asks it. */
    wn_status (*cover)(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                       const wni_columns *asked, wni_cover *cover);
    /* Clears bits (segment n) of positions that do not meet what `cover` answers. */
    wn_status (*mark)(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                      const wni_cover *cover, uint64_t *bits);
    /* Allowed rows by the slots of the kind: slots (segment n) bits, all 0 before. Once for each filter. NULL =
     * the kind looks at positions. */
    void (*place)(const wni_segment *s, const uint64_t *allowed, uint64_t *slots);
    /* What an effort gives is measured on such searches instead of on all rows: fills *cover (all 0) with number i; 0 =
     * there are no more. The recall that counts is that of the worst. */
    int (*trial)(const wn_index *index, const wni_segment *s, int32_t i, wni_cover *cover);
} wni_index_kind;

static inline int wni_covers(const wni_cover *cover)
{
    return cover->window || cover->tenant;
}

/* ---- building a segment -------------------------------------------------------------------------------- */

struct wni_index_build {
    const wn_pool *rows; /* (n, d) under the metric of the index */
    const void *params;  /* of the method */
    wni_out *out;
    const char *prefix; /* "s3/": the arrays of the segment are called s3/graph.npy, ... */
    const char *table;  /* path of the segment's table.sqlite; NULL = none */
    wni_run *run;       /* for wni_record_*; NULL while segments are merged */
    void *arrays;       /* json array: what was written, see index_files.h */
};

/* Writes one array of the segment: name is "graph.npy", the rest as in wni_out_npy. */
wn_status wni_build_npy(const wni_index_build *b, const char *name, const char *descr, size_t item,
                        const int64_t *shape, int dims, const void *data);
/* The same row by row. */
wn_status wni_build_writer(const wni_index_build *b, const char *name, const char *descr,
                           size_t item, int64_t n, int64_t d, wni_npy_writer **writer);

/* ---- an open segment ----------------------------------------------------------------------------------- */

struct wni_segment {
    int32_t number;
    const char *prefix;         /* "s3/" */
    const wni_index_kind *kind; /* that of the index, or flat's for small segments */
    int64_t n, n_dead;
    const wn_pool *rows; /* (n, d) exact rows under the metric of the index */
    const int64_t *ids;  /* (n); NULL = first_id + position */
    int64_t first_id;
    const uint32_t
        *row_sums; /* (n) wni_row_sum of each exact row that is read unchecked; NULL = none */
    const uint64_t *dead; /* (n) bits, 1 = deleted; NULL = none */
    void *state;          /* of the kind */
    char *table_path;     /* NULL = none */
    wni_infile table;     /* the file there, open: the path may name another one later */
    bool table_opened;
};

struct wn_index {
    wn_ctx *ctx;
    char *path;
    const wn_method *method;
    const void *params; /* of the method, complete */
    wn_metric metric;
    wn_dtype dtype; /* of the rows as they were given */
    int64_t d, next_id;
    int has_table;
    wni_segment *segment; /* (n_segments) */
    int32_t n_segments;
    /* Calibration: recall of the 10 nearest by effort, measured on rows of the index. */
    int32_t n_marks;
    int64_t *mark_effort;    /* (n_marks) ascending */
    double *mark_recall;     /* (n_marks) */
    struct wn_filter *alive; /* every row that is not deleted */
    struct wni_index_files *files;
};

/* For `open` of a kind. An array of the segment, mapped or in memory, on a 64-byte line, checked against its
 * checksum: belongs to the index. Type and number of dimensions are checked (WN_E_DATA names the file);
 * shape (dims). */
wn_status wni_segment_array(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                            const char *name, const char *descr, int dims, int64_t *shape,
                            const void **data);
/* Bytes of the arrays that searching reads from memory. */
int64_t wni_index_memory(const wn_index *index);
/* Compares the exact rows with their checksum where opening did not: before they are written anew. */
wn_status wni_segment_check_rows(wn_ctx *ctx, const wn_index *index, const wni_segment *s);
/* 1 when the segment has it. */
int wni_segment_has(const wn_index *index, const wni_segment *s, const char *name);
/* WN_E_DATA: what an array says cannot be ("node 7 has 40 neighbours"), in one line that names its file. */
wn_status wni_segment_damaged(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                              const char *name, const char *what);
/* For arrays larger than memory: where the data of an array lie in which file, unread and unchecked. NULL path =
 * in memory, at *data. The caller checks what it reads. */
wn_status wni_segment_file(wn_ctx *ctx, const wn_index *index, const wni_segment *s,
                           const char *name, const char *descr, int dims, int64_t *shape,
                           const char **path, int64_t *at, const void **data);

/* ---- one search of one segment --------------------------------------------------------------------------- */

struct wni_ask {
    const wn_pool *queries; /* (n, d) under the metric of the index */
    int64_t n;
    int64_t
        all; /* queries of the whole search, of which these are a block: what a choice may rest on */
    int64_t want; /* candidates per query: k, or more of them when the code is not exact */
    int64_t k;
    int64_t effort;
    /* (segment n) bits: alive, and all that is asked. NULL = every row, none is dead; but where the kind covers all
     * that is asked, NULL too, and it keeps to `cover` and to s->dead itself. */
    const uint64_t *allowed;
    /* (n) position of a row that is to be as good as not there for each query, so far as the kind can; NULL = none. It
     * may be found all the same. */
    const int64_t *absent;
    int may_leave; /* 1 = a query may be left short where a scan is faster: the caller scans for it */
    const uint64_t *slots; /* the same as `place` of the kind gives it; NULL = it has none */
    int64_t n_allowed;
    const wni_cover *cover; /* what the kind said of this filter; all 0 = nothing */
};

struct wni_found {
    int64_t *at; /* (n, want) row-major positions, -1 past the end; in any order */
    float *
        key; /* (n, want) canonical squared Euclidean distance, of unit rows under cosine, or what the code says
                   of it */
    int exact;                 /* the kind sets 1 when every key is canonical: no re-ranking */
    int64_t visited, compared; /* the kind adds to them once, after its loop */
};

/* What wni_topk_push made of query q, `size` candidates by minus their keys, as hits. */
static inline void wni_found_end(const wni_found *found, int64_t want, int64_t q, int64_t size)
{
    float *key = found->key + q * want;
    int64_t *at = found->at + q * want;

    for (int64_t i = 0; i < size; i++)
        key[i] = 0.0f - key[i];
    for (int64_t i = size; i < want; i++) {
        key[i] = INFINITY;
        at[i] = -1;
    }
}

/* Lists that a query reads of n rows in so many lists, at most all of them: as many as the effort says, but enough for
 * the candidates. Under a filter the k nearest lie farther away: for each halving of what is allowed half as many lists
 * more. */
static inline int64_t wni_ask_lists(const wni_ask *ask, int64_t effort, int64_t n, int64_t lists)
{
    const int64_t all = wni_max(lists, 1);
    const int64_t enough = wni_min(2 * ask->want, n) / wni_max(n / all, 1) + 1;
    int64_t most = wni_max(wni_min(effort, all), enough), halves = 0;

    while (ask->allowed && halves < 32 && (wni_max(ask->n_allowed, 1) << (halves + 1)) <= n)
        halves++;
    most += most * halves / 2;
    return wni_min(most, lists);
}

/* How many times as quickly the exact scan passes over a row of d dimensions when so many queries share its reading:
 * as measured, in memory. */
static inline double wni_scan_shared(int64_t d, int64_t queries)
{
    if (queries <= 8) return 1;
    return (8 + 0.1 * (double)d) / (0.04 * (double)d + (20 + 0.6 * (double)d) / (double)queries);
}

/* The kind of a method of the family that makes indexes; of small segments the exact scan. */
extern const wni_index_kind wni_index_flat_kind;

static inline int64_t wni_segment_id(const wni_segment *s, int64_t position)
{
    return s->ids ? s->ids[position] : s->first_id + position;
}

/* Strictly checked rows whose distances are finite: no norm beyond 1e18 under L2. */
wn_status wni_index_check_rows(wn_ctx *ctx, const wn_pool *rows, const char *what);

/* A checksum of a row as it is read, (d). */
uint32_t wni_row_sum(const float *row, int64_t d);

#endif
