/* SPDX-License-Identifier: Apache-2.0
 *
 * Methods and their parameters, as data. A method's parameter list stands once, as a macro; the
 * struct, defaults, bounds, command-line flags, Python keywords and doc tables are made from it.
 *
 *     #define WN_KMEANS_PARAMS(P)                                              \
 *         P(i64, k, 256, 1, WN_K_MAX, "number of clusters")                    \
 *         P(choice, init, 0, "auto|kmeans++|random", 0, "how centres start")   \
 *         P(list, levels, "", 1, WN_K_MAX, "cluster counts, finest first")
 *     WN_PARAM_STRUCT(wn_kmeans_params, WN_KMEANS_PARAMS);
 *
 * Columns: type, name, default, lowest, highest, help. A choice has its words where the lowest stands
 * and defaults to an index; list and text default to a string.
 */
#ifndef WINNOW_METHOD_H
#define WINNOW_METHOD_H

#include "winnow/ctx.h"

#ifdef __cplusplus
extern "C" {
#endif

#define WN_LIST_MAX 8    /* entries of a list parameter */
#define WN_TEXT_MAX 1024 /* bytes of a text parameter, its zero included */

typedef struct wn_list {
    int32_t count;
    int64_t at[WN_LIST_MAX];
} wn_list;

typedef enum wn_param_type {
    WN_P_I32,    /* int32_t */
    WN_P_I64,    /* int64_t */
    WN_P_U64,    /* uint64_t; bounds are not used */
    WN_P_F64,    /* double */
    WN_P_BOOL,   /* int32_t 0 or 1 */
    WN_P_CHOICE, /* int32_t, index into the words */
    WN_P_LIST,   /* wn_list of int64_t, bounds per entry */
    WN_P_TEXT    /* char[WN_TEXT_MAX] */
} wn_param_type;

typedef struct wn_param {
    const char *name;
    wn_param_type type;
    size_t offset;         /* in the parameter struct */
    double def, low, high; /* numbers; counts up to 2^53 are exact */
    const char *text;      /* choice: "a|b|c"; list and text: the default */
    const char *help;
} wn_param;

#define WN_PARAM_FIELD_i32(name)                         int32_t name;
#define WN_PARAM_FIELD_i64(name)                         int64_t name;
#define WN_PARAM_FIELD_u64(name)                         uint64_t name;
#define WN_PARAM_FIELD_f64(name)                         double name;
#define WN_PARAM_FIELD_bool(name)                        int32_t name;
#define WN_PARAM_FIELD_choice(name)                      int32_t name;
#define WN_PARAM_FIELD_list(name)                        wn_list name;
#define WN_PARAM_FIELD_text(name)                        char name[WN_TEXT_MAX];
#define WN_PARAM_FIELD(type, name, def, low, high, help) WN_PARAM_FIELD_##type(name)

/* The parameter struct; set `struct_size` to its sizeof, or call wn_params_init(). */
#define WN_PARAM_STRUCT(T, LIST) \
    typedef struct T {           \
        uint32_t struct_size;    \
        LIST(WN_PARAM_FIELD)     \
    } T

#define WN_PARAM_ROW_NUM(TYPE, name, def, low, high, help)                                  \
    {#name, TYPE, offsetof(wni_params, name), (double)(def), (double)(low), (double)(high), \
     0,     help},
#define WN_PARAM_ROW_TXT(TYPE, name, def, text, low, high, help) \
    {#name, TYPE, offsetof(wni_params, name), def, (double)(low), (double)(high), text, help},
#define WN_PARAM_ROW_i32(name, d, l, h, help)  WN_PARAM_ROW_NUM(WN_P_I32, name, d, l, h, help)
#define WN_PARAM_ROW_i64(name, d, l, h, help)  WN_PARAM_ROW_NUM(WN_P_I64, name, d, l, h, help)
#define WN_PARAM_ROW_u64(name, d, l, h, help)  WN_PARAM_ROW_NUM(WN_P_U64, name, d, l, h, help)
#define WN_PARAM_ROW_f64(name, d, l, h, help)  WN_PARAM_ROW_NUM(WN_P_F64, name, d, l, h, help)
#define WN_PARAM_ROW_bool(name, d, l, h, help) WN_PARAM_ROW_NUM(WN_P_BOOL, name, d, l, h, help)
#define WN_PARAM_ROW_choice(name, d, w, h, help) \
    WN_PARAM_ROW_TXT(WN_P_CHOICE, name, d, w, 0, 0, help)
#define WN_PARAM_ROW_list(name, d, l, h, help) WN_PARAM_ROW_TXT(WN_P_LIST, name, 0, d, l, h, help)
#define WN_PARAM_ROW_text(name, d, l, h, help) WN_PARAM_ROW_TXT(WN_P_TEXT, name, 0, d, l, h, help)
#define WN_PARAM_ROW(type, name, def, low, high, help) \
    WN_PARAM_ROW_##type(name, def, low, high, help)

/* In a method's .c: `wni_param_rows`, the table of its one parameter list. */
#define WN_PARAM_TABLE(T, LIST) \
    typedef T wni_params;       \
    static const wn_param wni_param_rows[] = {LIST(WN_PARAM_ROW)}
#define WN_PARAM_COUNT ((int32_t)(sizeof wni_param_rows / sizeof wni_param_rows[0]))

/* Every method is deterministic, cancellable, and does its I/O out of core unless it says otherwise. */
#define WN_METHOD_SEEDED      1u /* has a `seed` parameter that changes the result */
#define WN_METHOD_EXACT       2u /* returns the exact answer of its definition, no approximation */
#define WN_METHOD_OUT_OF_CORE 4u /* streams the pool; memory does not grow with n x d */
#define WN_METHOD_OWN_METRIC  8u /* compares rows in one way whatever the pool's metric */
#define WN_METHOD_UPDATES \
    16u /* without an output it takes the place of its first @ input, in one step */

typedef struct wn_method {
    const char *family, *name;
    const char *summary; /* one line */
    const char *papers;  /* keys of docs/papers.bib, space separated */
    const char *cost;    /* time; memory */
    uint32_t flags;
    const wn_param *params;
    int32_t n_params;
    size_t params_bytes; /* sizeof the parameter struct */
    const void *ops;     /* the family's function table, see <family>.h */
    /* Which inputs of the family it reads, separated by spaces: "pool tree labels?". `?` = may be left out;
     * "tree|groups" = exactly one of them; "@index pool" = the first bare word of a command line is the index.
     * The positional input goes by the kinds that are taken: pool (vectors), text (a table), files (paths as
     * they are). NULL = as the family says. */
    const char *inputs;
    const void *run; /* internal: a file-level run of its own; NULL = the family's */
} wn_method;

/* What the command line may give a family beside parameters. */
typedef struct wn_family_input {
    const char *name; /* "pool" for the positional files, else the flag: "tree" for --tree */
    /* pool: vector files; text: .jsonl .csv .tsv; files: any; matrix: vector files with one row per row of the
     * pool; tree, graph, model, index: folders; scores, labels: one number or word per row, .npy or TABLE:COLUMN;
     * rows: row numbers, .npy or a folder with rows.npy; ints: whole numbers, .npy or TABLE:COLUMN.
     * "pool|text" = either. */
    const char *kind;
    int required;
    const char *help;
} wn_family_input;

typedef struct wn_family {
    const char *name; /* also the verb of the command line */
    const char *summary;
    const char *default_method; /* used when the verb is not followed by a method; may be NULL */
    const wn_family_input *inputs;
    int32_t n_inputs;
    int output_is_file; /* -o names a file, not a folder */
    const void *run;    /* internal: the file-level run of the family */
} wn_family;

/* How a method stands to an input of its family. */
typedef enum wn_takes {
    WN_TAKES_NOT = 0,
    WN_TAKES_OPTIONAL,
    WN_TAKES_ONE_OF, /* exactly one of several: wn_method.inputs has them */
    WN_TAKES_REQUIRED
} wn_takes;

/* Whether the method reads that input. Never fails. */
WN_API wn_takes wn_method_takes(const wn_method *method, const wn_family_input *input);
/* The input that bare word number i of a command line goes to: those marked @ in their order, then the pool,
 * which takes all the rest. NULL = there is none. */
WN_API const wn_family_input *wn_method_positional(const wn_method *method, int32_t i);
/* The kinds of it that the method reads, as in wn_family_input.kind, into buf; returns buf. */
WN_API const char *wn_method_kind(const wn_method *method, const wn_family_input *input, char *buf,
                                  size_t bytes);

/* What a run would cost; filled by a family's `estimate`. */
typedef struct wn_estimate {
    int64_t peak_bytes; /* of winnow's own allocations */
    double flops;       /* floating-point work, upper bound */
    double bytes_read;  /* pool bytes that pass, all passes together */
} wn_estimate;

/* The registry. Order is that of src/methods.def and never changes within a build. */
WN_API int32_t wn_method_count(void);
WN_API const wn_method *wn_method_at(int32_t i); /* NULL past the end */
/* NULL = none; dashes and underscores are the same in a method's name. */
WN_API const wn_method *wn_method_find(const char *family, const char *name);
WN_API int32_t wn_family_count(void);
WN_API const wn_family *wn_family_at(int32_t i);
WN_API const wn_family *wn_family_find(const char *name);

/* Sets every field of `params` (method->params_bytes) to its default, and `struct_size`. */
WN_API void wn_params_init(const wn_method *method, void *params);

/* Sets one parameter from text: "1024", "1e-4", "true", "closest", "3000,300,30"; counts take K M G.
 * Dashes and underscores are the same in names. WN_E_USAGE: unknown (nearest name offered), not a
 * number, out of bounds. */
WN_API wn_status wn_params_set(wn_ctx *ctx, const wn_method *method, void *params, const char *name,
                               const char *value);

/* Writes the value as text that wn_params_set reads back, at most `bytes` with the zero; returns the
 * length, or -1 for an unknown name. WN_TEXT_MAX bytes are enough for any. */
WN_API int wn_params_text(const wn_method *method, const void *params, const char *name, char *buf,
                          size_t bytes);

/* Checks every field against its bounds: WN_E_USAGE names parameter, value and bounds. */
WN_API wn_status wn_params_check(wn_ctx *ctx, const wn_method *method, const void *params);

/* The nearest of `count` words to `word` (edit distance, at most a third of its length rounded), or NULL. */
WN_API const char *wn_nearest(const char *word, const char *const *words, int32_t count);

#ifdef __cplusplus
}
#endif
#endif
