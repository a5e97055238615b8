/* SPDX-License-Identifier: Apache-2.0
 *
 * What the files of the command share. The command sees the public headers only: whatever it can do,
 * every user of the library can do.
 */
#ifndef CLI_H
#define CLI_H

#include <jansson.h>
#include <stdbool.h>
#include <stdio.h>

#include "winnow/winnow.h"

/* Exit codes. */
enum { CLI_OK = 0, CLI_FAILED = 1, CLI_USAGE = 2, CLI_DATA = 3, CLI_INTERRUPTED = 130 };

/* Verbs with a command line of their own; every family of the registry is CLI_JOB or CLI_PLAN. */
typedef enum cli_verb {
    CLI_JOB = 1,
    CLI_PLAN = 2,
    CLI_INFO = 4,
    CLI_WHY = 8,
    CLI_REPLAY = 16,
    CLI_METHODS = 32,
    CLI_BENCH = 64
} cli_verb;

typedef enum cli_flag_kind {
    CLI_PARAM,  /* parameter of the method */
    CLI_OPTION, /* handed to wn_job_set by name: --metric, --id, ... */
    CLI_INPUT,  /* input of the family: --tree */
    CLI_OUTPUT,
    CLI_THREADS,
    CLI_MEMORY,
    CLI_NO_FILTER,
    CLI_ROW,
    CLI_DRY_RUN,
    CLI_EXPLAIN,
    CLI_FORCE,
    CLI_QUIET,
    CLI_VERBOSE,
    CLI_JSON,
    CLI_HELP
} cli_flag_kind;

#define CLI_NAME_MAX 64

typedef struct cli_flag {
    char name[CLI_NAME_MAX]; /* with dashes, without the leading two */
    char letter;             /* 'o' for -o; 0 = none */
    cli_flag_kind kind;
    const char *value;     /* what stands for the value in help; NULL = a switch */
    const char *help;      /* NULL for parameters: it is in the table */
    const wn_param *param; /* of CLI_PARAM */
} cli_flag;

/* Every flag that a verb (with its method, or NULL) takes, in the order of help. */
typedef struct cli_flags {
    cli_flag *at;
    int32_t count;
} cli_flags;

void cli_flags_make(cli_verb verb, const wn_family *family, const wn_method *method,
                    cli_flags *flags);
void cli_flags_free(cli_flags *flags);

typedef struct cli_pair {
    const char *name, *value;
} cli_pair;

/* A parsed command line. Strings belong to argv, the arrays to the struct. */
typedef struct cli_args {
    int argc;
    char **argv;
    const char *verb_name;
    cli_verb verb;
    const wn_family *family; /* of CLI_JOB and CLI_PLAN */
    const wn_method *method;
    int first; /* argv index behind verb and method */

    const char *output;
    int32_t threads;      /* 0 = what is there */
    int64_t memory_bytes; /* 0 = what is there */
    bool force, dry_run, explain, quiet, verbose, json, help, no_filter;

    cli_pair *sets; /* parameters and options, for wn_job_set */
    int32_t n_sets;
    cli_pair *inputs; /* for wn_job_input, positional ones included */
    int32_t n_inputs;
    const char **paths; /* positional */
    int32_t n_paths;
    const char **rows; /* --row */
    int32_t n_rows;
} cli_args;

/* Finds verb and method; `start` is the argv index of the verb. CLI_OK or CLI_USAGE, said on stderr. */
int cli_args_verb(int argc, char **argv, int start, cli_args *args);
/* Parses the rest. */
int cli_args_parse(cli_args *args);
void cli_args_free(cli_args *args);
const char *cli_args_set(const cli_args *args, const char *name); /* last value given, or NULL */

/* The input that positional files go to, or NULL when the method (NULL = any of the family) takes none. */
const wn_family_input *cli_positional(const wn_family *family, const wn_method *method);
/* Whether the method (NULL = any of the family) reads the input. */
wn_takes cli_takes(const wn_method *method, const wn_family_input *input);
/* Whether positional files may be of this kind ("pool", "text"). */
bool cli_takes_kind(const wn_family *family, const wn_method *method, const char *kind);

/* "4G", "512MiB", "1.5GiB" to bytes; false when it is no size. */
bool cli_parse_bytes(const char *text, int64_t *bytes);

/* ---- what the verbs do; each returns an exit code ------------------------------------------- */

int cli_run_job(cli_args *args);
int cli_run_replay(cli_args *args);
int cli_run_info(cli_args *args);
int cli_run_why(cli_args *args);
int cli_run_methods(cli_args *args);
int cli_run_bench(cli_args *args);

/* ---- help ------------------------------------------------------------------------------------ */

void cli_help_global(FILE *to);
/* method NULL: the methods of the family, or the help of its only one. */
void cli_help_family(FILE *to, const wn_family *family, const wn_method *method);
void cli_help_own(FILE *to, cli_verb verb);
/* The table of a method's parameters, and of its inputs (NULL = all of the family), behind `indent` blanks. */
void cli_help_params(FILE *to, const wn_method *method, int indent);
void cli_help_inputs(FILE *to, const wn_family *family, const wn_method *method, int indent);

/* Verbs that are no family: name, summary and usage. */
typedef struct cli_own_verb {
    const char *name, *summary, *usage;
    const char *examples[2];
    cli_verb verb; /* 0 = plan and help, which take a verb after them */
} cli_own_verb;

extern const cli_own_verb cli_own_verbs[];
extern const int32_t cli_n_own_verbs;

/* ---- context, progress, errors --------------------------------------------------------------- */

typedef struct cli_progress {
    bool terminal, colour, quiet;
    wn_log_level log_level; /* up to this one */
    bool line_open;         /* an updating line stands on the terminal */
    char stage[96];
    int64_t next; /* off a terminal: count of the next line */
    int64_t last_done;
    double stage_began_sec, last_sec;
} cli_progress;

/* A context as the flags ask for it, with progress on stderr and Ctrl-C as its cancel; says what is
 * wrong and returns an exit code when there is none. `progress` must outlive the context. */
int cli_ctx_new(const cli_args *args, cli_progress *progress, wn_ctx **ctx);

int cli_info_text(cli_args *args, cli_progress *progress, wn_ctx *ctx);

void cli_progress_init(cli_progress *progress, bool quiet, bool verbose);
void cli_progress_update(void *progress, const char *stage, int64_t done, int64_t total);
void cli_progress_log(void *progress, wn_log_level level, const char *text);
void cli_progress_clear(cli_progress *progress);

void cli_signals_install(void);
bool cli_interrupted(void);

double cli_now_sec(void);

/* "winnow: text" on one line of stderr. */
void cli_error(const char *format, ...) __attribute__((format(printf, 1, 2)));
/* Says what the context says and returns the exit code of the status. */
int cli_fail(cli_progress *progress, wn_ctx *ctx, wn_status status);
/* ": did you mean x?" as in "unknown flag --sead; did you mean --seed?"; dashes stand before the names. */
void cli_error_unknown(const char *what, const char *dashes, const char *word,
                       const char *const *names, int32_t count, const char *hint);

/* Flushes stdout: CLI_FAILED when what was printed did not arrive. */
int cli_stdout_end(int code);

/* ---- text ------------------------------------------------------------------------------------ */

/* realloc that ends the program with a line instead of returning NULL. */
void *cli_grow(void *old, size_t count, size_t bytes);

/* 1234567 to "1,234,567" in buf (32 bytes at least); returns buf. */
const char *cli_count_text(int64_t count, char *buf);
/* "1.50 GiB" in buf (32). */
const char *cli_bytes_text(double bytes, char *buf);
/* Rounded up, for what has to be given. */
const char *cli_bytes_enough_text(double bytes, char *buf);
/* "12 ms", "12.3 s", "4 min 05 s", "2 h 03 min" in buf (32). */
const char *cli_seconds_text(double sec, char *buf);
/* Writes `text` wrapped at 96 columns, lines after the first behind `indent` blanks; the first line is
 * taken to stand at column `column` already. Ends with a newline. */
void cli_wrap(FILE *to, const char *text, int indent, int column);
/* Prints a JSON object as aligned lines, nested objects indented. */
void cli_print_counts(FILE *to, json_t *object, int indent);
/* Prints how a run was done; `summary` is wn_job_summary, `plan` what wn_job_plan said before. */
void cli_print_explanation(FILE *to, const json_t *summary, const wn_estimate *plan, wn_isa isa,
                           bool no_filter);
/* Prints JSON on stdout with a newline; takes the reference. */
void cli_print_json(json_t *value);

#endif
