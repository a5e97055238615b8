/* SPDX-License-Identifier: Apache-2.0
 *
 * From argv to what is to be done. Flags come from the registry; nothing here knows a method.
 */
#include <errno.h>
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <unistd.h>

#include "cli.h"

/* ---- flags of a verb -------------------------------------------------------------------------- */

#define RUNS (CLI_JOB | CLI_PLAN)
#define WORK (RUNS | CLI_INFO | CLI_REPLAY)

static const struct {
    unsigned verbs; /* cli_verb bits */
    char letter;
    cli_flag_kind kind;
    const char *name, *value, *help;
    const char *input; /* kind of the positional input that the flag is about; NULL = any */
} shared[] = {
    {RUNS | CLI_REPLAY, 'o', CLI_OUTPUT, "output", "PATH", "where the result goes", NULL},
    {CLI_WHY, 0, CLI_ROW, "row", "R", "row number, or its id; may be given again", NULL},
    {RUNS, 0, CLI_OPTION, "metric", "l2|cosine",
     "how rows are compared; if not given l2 for vectors, cosine for text", "pool|text"},
    {RUNS | CLI_INFO, 0, CLI_OPTION, "metric", "l2|cosine",
     "how rows are compared; l2 if not given", "pool"},
    {RUNS, 0, CLI_OPTION, "id", "COLUMN", "column that names the rows, unique", "text"},
    {RUNS | CLI_INFO, 0, CLI_OPTION, "dtype", "TYPE",
     "of a raw file: f32 f16 bf16 f64 i8 u8 i32; of 2-byte void data in .npy: bf16", "pool"},
    {RUNS | CLI_INFO, 0, CLI_OPTION, "dim", "N", "columns of a raw file", "pool"},
    {RUNS | CLI_INFO, 0, CLI_OPTION, "rows", "N", "read only the first N rows", "pool"},
    {RUNS | CLI_INFO, 0, CLI_OPTION, "member", "NAME", "array inside .npz, .safetensors or .hdf5",
     "pool"},
    {WORK | CLI_BENCH, 0, CLI_THREADS, "threads", "N", "threads; all processors if not given",
     NULL},
    {WORK | CLI_BENCH, 0, CLI_MEMORY, "memory", "SIZE",
     "memory to use at most: 4G, 512MiB, from 64MiB up; 3/4 of what is there if not given", NULL},
    {WORK | CLI_BENCH, 0, CLI_NO_FILTER, "no-filter", NULL,
     "compare rows in f32 alone, not in 8-bit codes first; slower, the same result", NULL},
    {RUNS | CLI_REPLAY, 0, CLI_FORCE, "force", NULL, "replace an output that exists", NULL},
    {CLI_JOB | CLI_REPLAY, 0, CLI_DRY_RUN, "dry-run", NULL,
     "check everything, say what it would cost, write nothing", NULL},
    {CLI_JOB | CLI_REPLAY, 0, CLI_EXPLAIN, "explain", NULL,
     "say how it was done: instructions, codes or f32, memory beside the plan", NULL},
    {WORK | CLI_BENCH, 'q', CLI_QUIET, "quiet", NULL, "errors and warnings only", NULL},
    {WORK, 'v', CLI_VERBOSE, "verbose", NULL, "more about what is done", NULL},
    {WORK | CLI_METHODS | CLI_BENCH, 0, CLI_JSON, "json", NULL, "JSON on standard output", NULL},
    {~0u, 'h', CLI_HELP, "help", NULL, "this text", NULL},
};

/* "-" and "_" are the same letter in names. */
static bool same_name(const char *a, const char *b)
{
    for (; *a && *b; a++, b++)
        if ((*a == '_' ? '-' : *a) != (*b == '_' ? '-' : *b)) return false;
    return *a == *b;
}

static cli_flag *flags_find(const cli_flags *flags, const char *name)
{
    for (int32_t i = 0; i < flags->count; i++)
        if (same_name(flags->at[i].name, name)) return &flags->at[i];
    return NULL;
}

static cli_flag *flags_add(cli_flags *flags, const char *name)
{
    cli_flag *flag;

    flags->at = cli_grow(flags->at, (size_t)flags->count + 1, sizeof *flags->at);
    flag = &flags->at[flags->count++];
    memset(flag, 0, sizeof *flag);
    for (size_t i = 0; name[i] && i + 1 < sizeof flag->name; i++)
        flag->name[i] = name[i] == '_' ? '-' : name[i];
    return flag;
}

static const char *param_value(const wn_param *p)
{
    switch (p->type) {
    case WN_P_BOOL:
        return NULL;
    case WN_P_CHOICE:
        return p->text;
    case WN_P_LIST:
        return "N,N,...";
    case WN_P_TEXT:
        return "TEXT";
    case WN_P_F64:
        return "X";
    case WN_P_I32:
    case WN_P_I64:
    case WN_P_U64:
        return "N";
    }
    return "VALUE";
}

wn_takes cli_takes(const wn_method *method, const wn_family_input *input)
{
    if (method) return wn_method_takes(method, input);
    return input->required ? WN_TAKES_REQUIRED : WN_TAKES_OPTIONAL;
}

const wn_family_input *cli_positional(const wn_family *family, const wn_method *method)
{
    for (int32_t i = 0; i < family->n_inputs; i++)
        if (strcmp(family->inputs[i].name, "pool") == 0)
            return cli_takes(method, &family->inputs[i]) ? &family->inputs[i] : NULL;
    return NULL;
}

bool cli_takes_kind(const wn_family *family, const wn_method *method, const char *kind)
{
    const wn_family_input *positional = cli_positional(family, method);
    char kinds[64];

    if (!positional) return false;
    return strstr(method ? wn_method_kind(method, positional, kinds, sizeof kinds)
                         : positional->kind,
                  kind) != NULL;
}

/* Whether an option would change anything: some methods compare rows in one way whatever the metric, and an
 * output of one file has no place for ids. */
static bool meant(const char *option, const wn_family *family, const wn_method *method)
{
    if (method && strcmp(option, "metric") == 0) return !(method->flags & WN_METHOD_OWN_METRIC);
    if (family && strcmp(option, "id") == 0) return !family->output_is_file;
    return true;
}

void cli_flags_make(cli_verb verb, const wn_family *family, const wn_method *method,
                    cli_flags *flags)
{
    memset(flags, 0, sizeof *flags);
    for (int32_t i = 0; method && i < method->n_params; i++) {
        cli_flag *flag = flags_add(flags, method->params[i].name);
        flag->kind = CLI_PARAM;
        flag->param = &method->params[i];
        flag->value = param_value(flag->param);
    }
    for (int32_t i = 0; family && i < family->n_inputs; i++) {
        const wn_family_input *input = &family->inputs[i];
        if (input == cli_positional(family, NULL) || !cli_takes(method, input)) continue;
        cli_flag *flag = flags_add(flags, input->name);
        flag->kind = CLI_INPUT;
        flag->value = "PATH";
        flag->help = input->help;
    }
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++) {
        if (!(shared[i].verbs & (unsigned)verb)) continue;
        if (family && shared[i].kind == CLI_OPTION && shared[i].input &&
            !cli_takes_kind(family, method, shared[i].input))
            continue;
        if (flags_find(flags, shared[i].name)) continue; /* the method's own meaning wins */
        if (!meant(shared[i].name, family, method)) continue;
        cli_flag *flag = flags_add(flags, shared[i].name);
        flag->letter = shared[i].letter;
        flag->kind = shared[i].kind;
        flag->value = shared[i].value;
        flag->help = shared[i].help;
    }
}

void cli_flags_free(cli_flags *flags)
{
    free(flags->at);
    memset(flags, 0, sizeof *flags);
}

/* ---- verb and method --------------------------------------------------------------------------- */

static int unknown_verb(const char *word)
{
    const char **names =
        cli_grow(NULL, (size_t)(cli_n_own_verbs + wn_family_count()), sizeof *names);
    int32_t n = 0;

    for (int32_t i = 0; i < wn_family_count(); i++)
        names[n++] = wn_family_at(i)->name;
    for (int32_t i = 0; i < cli_n_own_verbs; i++)
        names[n++] = cli_own_verbs[i].name;
    cli_error_unknown("verb", "", word, names, n, "winnow --help lists them");
    free(names);
    return CLI_USAGE;
}

static int plan_of_own_verb(const char *word)
{
    if (strcmp(word, "replay") == 0)
        cli_error("plan takes a verb that runs a method, not replay; give `winnow replay MANIFEST "
                  "--dry-run`");
    else
        cli_error("plan takes a verb that runs a method, found '%s', which needs no plan", word);
    return CLI_USAGE;
}

/* Names of the family's methods; free() the array. */
static const char **method_names(const wn_family *family, int32_t *count)
{
    const char **names = cli_grow(NULL, (size_t)wn_method_count() + 1, sizeof *names);

    *count = 0;
    for (int32_t i = 0; i < wn_method_count(); i++)
        if (strcmp(wn_method_at(i)->family, family->name) == 0)
            names[(*count)++] = wn_method_at(i)->name;
    return names;
}

static int unknown_method(const wn_family *family, const char *word)
{
    char what[CLI_NAME_MAX], hint[CLI_NAME_MAX + 32];
    int32_t n;
    const char **names = method_names(family, &n);

    snprintf(what, sizeof what, "%.40s method", family->name);
    snprintf(hint, sizeof hint, "winnow %.40s --help lists them", family->name);
    cli_error_unknown(what, "", word, names, n, hint);
    free(names);
    return CLI_USAGE;
}

/* Files have an ending, a folder before them or a pattern; names of methods have none of these. */
static bool looks_like_name(const char *word)
{
    return word[strspn(word, "abcdefghijklmnopqrstuvwxyzABCDEFGHIJKLMNOPQRSTUVWXYZ0123456789_-")] ==
           0;
}

static int neither(const wn_family *family, const char *word, const char *const *names, int32_t n)
{
    char list[CLI_NAME_MAX * 4];
    size_t at = 0;

    list[0] = 0;
    for (int32_t i = 0; i < n && at < sizeof list; i++)
        at += (size_t)snprintf(list + at, sizeof list - at, "%s%s", i ? ", " : "", names[i]);
    cli_error("%s is neither a method of %s (%s) nor a file", word, family->name, list);
    return CLI_USAGE;
}

/* The word behind the verb is a method, or, where there is a default method, already a file. A word
 * that is no file but almost a method is taken for a slip of the pen. */
static int find_method(cli_args *args)
{
    const char *word = args->first < args->argc ? args->argv[args->first] : NULL;
    const wn_family *family = args->family;

    if (word && *word != '-') {
        char name[CLI_NAME_MAX];
        snprintf(name, sizeof name, "%s", word);
        for (char *c = name; *c; c++)
            if (*c == '-') *c = '_';
        args->method = wn_method_find(family->name, name);
        if (!args->method) args->method = wn_method_find(family->name, word);
        if (args->method) {
            args->first++;
            return CLI_OK;
        }
        if (!family->default_method) return unknown_method(family, word);
        if (access(word, F_OK) != 0) {
            int32_t n;
            const char **names = method_names(family, &n);
            const char *near = wn_nearest(word, names, n);
            int code = CLI_OK;
            if (!near && looks_like_name(word)) code = neither(family, word, names, n);
            free(names);
            if (near) return unknown_method(family, word);
            if (code != CLI_OK) return code;
        }
    }
    if (family->default_method) args->method = wn_method_find(family->name, family->default_method);
    return CLI_OK; /* without a method only help can follow; the parser says so */
}

int cli_args_verb(int argc, char **argv, int start, cli_args *args)
{
    const char *word = argv[start];

    memset(args, 0, sizeof *args);
    args->argc = argc;
    args->argv = argv;
    args->verb_name = word;
    args->first = start + 1;
    for (int32_t i = 0; i < cli_n_own_verbs; i++) {
        if (strcmp(cli_own_verbs[i].name, word) != 0) continue;
        args->verb = cli_own_verbs[i].verb;
        if (args->verb != CLI_PLAN) return CLI_OK;
        if (start + 1 >= argc || argv[start + 1][0] == '-') return CLI_OK;
        word = argv[start + 1];
        args->first = start + 2;
        for (int32_t own = 0; own < cli_n_own_verbs; own++)
            if (strcmp(cli_own_verbs[own].name, word) == 0) return plan_of_own_verb(word);
        break;
    }
    args->family = wn_family_find(word);
    if (!args->family) return unknown_verb(word);
    if (!args->verb) args->verb = CLI_JOB;
    return find_method(args);
}

/* ---- values --------------------------------------------------------------------------------------- */

bool cli_parse_bytes(const char *text, int64_t *bytes)
{
    static const struct {
        const char *unit;
        double scale;
    } units[] = {{"", 1},
                 {"b", 1},
                 {"k", 1e3},
                 {"kb", 1e3},
                 {"m", 1e6},
                 {"mb", 1e6},
                 {"g", 1e9},
                 {"gb", 1e9},
                 {"t", 1e12},
                 {"tb", 1e12},
                 {"kib", 1024.},
                 {"mib", 1048576.},
                 {"gib", 1073741824.},
                 {"tib", 1099511627776.}};
    char *end, unit[5] = "";
    double x;

    if (!(*text >= '0' && *text <= '9') && *text != '.') return false;
    x = strtod(text, &end);
    if (end == text || !isfinite(x)) return false;
    while (*end == ' ')
        end++;
    if (strlen(end) >= sizeof unit) return false;
    for (size_t i = 0; end[i]; i++)
        unit[i] = (char)(end[i] >= 'A' && end[i] <= 'Z' ? end[i] + 32 : end[i]);
    for (size_t i = 0; i < sizeof units / sizeof units[0]; i++)
        if (strcmp(unit, units[i].unit) == 0) {
            x *= units[i].scale;
            if (!(x >= 1 && x < 9e18)) return false;
            *bytes = (int64_t)x;
            return true;
        }
    return false;
}

static bool parse_threads(const char *text, int32_t *threads)
{
    char *end;
    long x;

    errno = 0;
    x = strtol(text, &end, 10);
    if (end == text || *end || errno || x < 1 || x > 4096) return false;
    *threads = (int32_t)x;
    return true;
}

/* "-0.5", "-.5", "-1e3" and "-inf" are values, not flags. */
static bool is_negative_number(const char *text)
{
    char *end;

    if (text[0] != '-' || !text[1]) return false;
    strtod(text, &end);
    return end != text && !*end;
}

static void add_pair(cli_pair **pairs, int32_t *count, const char *name, const char *value)
{
    *pairs = cli_grow(*pairs, (size_t)*count + 1, sizeof **pairs);
    (*pairs)[(*count)++] = (cli_pair){name, value};
}

static void add_text(const char ***list, int32_t *count, const char *text)
{
    *list = cli_grow(*list, (size_t)*count + 1, sizeof **list);
    (*list)[(*count)++] = text;
}

const char *cli_args_set(const cli_args *args, const char *name)
{
    for (int32_t i = args->n_sets - 1; i >= 0; i--)
        if (same_name(args->sets[i].name, name)) return args->sets[i].value;
    return NULL;
}

/* Name under which the library knows the flag; flag names carry dashes, parameters underscores. */
static const char *library_name(const cli_args *args, const cli_flag *flag)
{
    if (flag->kind == CLI_PARAM) return flag->param->name;
    for (int32_t i = 0; args->family && i < args->family->n_inputs; i++)
        if (same_name(args->family->inputs[i].name, flag->name))
            return args->family->inputs[i].name;
    for (size_t i = 0; i < sizeof shared / sizeof shared[0]; i++)
        if (same_name(shared[i].name, flag->name)) return shared[i].name;
    return flag->name;
}

/* An empty text that stands for none: `--tenant "$T"` without a T must not search the rows of all. */
static bool says_nothing(const cli_flag *flag, const char *value)
{
    return flag->kind == CLI_PARAM && flag->param->type == WN_P_TEXT && !*value &&
           !*flag->param->text;
}

static int take_value(cli_args *args, const cli_flag *flag, const char *value)
{
    switch (flag->kind) {
    case CLI_PARAM:
    case CLI_OPTION:
        if (says_nothing(flag, value)) {
            cli_error("--%s: found an empty text; give a value, or leave it out", flag->name);
            return CLI_USAGE;
        }
        add_pair(&args->sets, &args->n_sets, library_name(args, flag), value);
        return CLI_OK;
    case CLI_INPUT:
        add_pair(&args->inputs, &args->n_inputs, library_name(args, flag), value);
        return CLI_OK;
    case CLI_OUTPUT:
        if (!*value) {
            cli_error("--output: found an empty path, expected the name of what is to be made");
            return CLI_USAGE;
        }
        args->output = value;
        return CLI_OK;
    case CLI_ROW:
        add_text(&args->rows, &args->n_rows, value);
        return CLI_OK;
    case CLI_THREADS:
        if (parse_threads(value, &args->threads)) return CLI_OK;
        cli_error("--threads: found '%s', expected a whole number from 1 to 4096", value);
        return CLI_USAGE;
    case CLI_MEMORY:
        if (cli_parse_bytes(value, &args->memory_bytes)) return CLI_OK;
        cli_error("--memory: found '%s', expected a size such as 4G, 512MiB or 1.5GiB", value);
        return CLI_USAGE;
    default:
        cli_error("--%s takes no value, found '%s'", flag->name, value);
        return CLI_USAGE;
    }
}

static void take_switch(cli_args *args, const cli_flag *flag, bool on)
{
    switch (flag->kind) {
    case CLI_PARAM:
        add_pair(&args->sets, &args->n_sets, flag->param->name, on ? "1" : "0");
        /* A method that has more to explain takes the word for itself. */
        if (strcmp(flag->name, "explain") == 0) args->explain = on;
        break;
    case CLI_EXPLAIN:
        args->explain = true;
        break;
    case CLI_DRY_RUN:
        args->dry_run = true;
        break;
    case CLI_FORCE:
        args->force = true;
        break;
    case CLI_NO_FILTER:
        args->no_filter = true;
        break;
    case CLI_QUIET:
        args->quiet = true;
        break;
    case CLI_VERBOSE:
        args->verbose = true;
        break;
    case CLI_JSON:
        args->json = true;
        break;
    default:
        break;
    }
}

/* ---- the command line ------------------------------------------------------------------------- */

static int unknown_flag(const cli_args *args, const cli_flags *flags, const char *dashes,
                        const char *name)
{
    const char **names = cli_grow(NULL, (size_t)flags->count * 2 + 1, sizeof *names);
    char(*negated)[CLI_NAME_MAX + 4] = cli_grow(NULL, (size_t)flags->count + 1, sizeof *negated);
    char hint[256];
    int32_t n = 0;

    for (int32_t i = 0; i < flags->count; i++) {
        const cli_flag *flag = &flags->at[i];
        names[n++] = flag->name;
        if (flag->kind == CLI_PARAM && !flag->value) {
            snprintf(negated[i], sizeof negated[i], "no-%s", flag->name);
            names[n++] = negated[i];
        }
    }
    snprintf(hint, sizeof hint, "winnow %.60s%s%.60s --help lists them",
             args->family ? args->family->name : args->verb_name, args->method ? " " : "",
             args->method ? args->method->name : "");
    cli_error_unknown("flag", dashes, name, names, n, hint);
    free(negated);
    free(names);
    return CLI_USAGE;
}

/* One flag word at argv[*i]; moves *i past its value. */
static int parse_flag(cli_args *args, const cli_flags *flags, int *i)
{
    const char *word = args->argv[*i], *value = NULL;
    const cli_flag *flag = NULL;
    char name[CLI_NAME_MAX * 2];
    bool on = true;

    if (word[1] != '-') { /* -o, -oPATH, -o=PATH */
        for (int32_t f = 0; f < flags->count; f++)
            if (flags->at[f].letter == word[1]) flag = &flags->at[f];
        if (!flag || (!flag->value && word[2])) return unknown_flag(args, flags, "-", word + 1);
        if (word[2]) value = word[2] == '=' ? word + 3 : word + 2;
    } else {
        size_t length = strcspn(word + 2, "=");
        if (word[2 + length]) value = word + 2 + length + 1;
        if (length >= sizeof name) length = sizeof name - 1;
        memcpy(name, word + 2, length);
        name[length] = 0;
        flag = flags_find(flags, name);
        if (!flag && strncmp(name, "no-", 3) == 0) {
            flag = flags_find(flags, name + 3);
            if (flag && (flag->kind != CLI_PARAM || flag->value)) flag = NULL;
            on = false;
        }
        if (!flag) return unknown_flag(args, flags, "--", name);
    }

    if (!flag->value) {
        if (!value) {
            take_switch(args, flag, on);
            return CLI_OK;
        }
        if (flag->kind == CLI_PARAM && on) return take_value(args, flag, value);
        cli_error("%.*s takes no value, found '%s'", (int)strcspn(word, "="), word, value);
        return CLI_USAGE;
    }
    if (!value) {
        const char *next = *i + 1 < args->argc ? args->argv[*i + 1] : NULL;
        if (!next || (next[0] == '-' && next[1] && !is_negative_number(next))) {
            cli_error("%s needs a value: %s %s", word, word, flag->value);
            return CLI_USAGE;
        }
        value = next;
        (*i)++;
    }
    return take_value(args, flag, value);
}

static bool wants_help(const cli_args *args)
{
    for (int i = args->first; i < args->argc && strcmp(args->argv[i], "--") != 0; i++)
        if (strcmp(args->argv[i], "-h") == 0 || strcmp(args->argv[i], "--help") == 0) return true;
    return false;
}

int cli_args_parse(cli_args *args)
{
    bool flags_end = false;
    cli_flags flags;
    int code = CLI_OK;

    if (wants_help(args)) {
        args->help = true;
        return CLI_OK;
    }
    if (args->family && !args->method) {
        cli_error("winnow %s needs a method; winnow %s --help lists them", args->family->name,
                  args->family->name);
        return CLI_USAGE;
    }
    cli_flags_make(args->verb, args->family, args->method, &flags);
    for (int i = args->first; i < args->argc && code == CLI_OK; i++) {
        const char *word = args->argv[i];
        if (!flags_end && strcmp(word, "--") == 0) {
            flags_end = true;
        } else if (!flags_end && word[0] == '-' && word[1]) {
            code = parse_flag(args, &flags, &i);
        } else if (strcmp(word, "-") == 0) {
            cli_error("-: standard input cannot be read, every input is read more than once; give "
                      "a file");
            code = CLI_USAGE;
        } else {
            const wn_family_input *input =
                args->method ? wn_method_positional(args->method, args->n_paths) : NULL;
            add_text(&args->paths, &args->n_paths, word);
            /* A word that is one too many is said where the family's other inputs are checked. */
            if (!input && args->family) input = cli_positional(args->family, NULL);
            if (input) add_pair(&args->inputs, &args->n_inputs, input->name, word);
        }
    }
    cli_flags_free(&flags);
    return code;
}

void cli_args_free(cli_args *args)
{
    free(args->sets);
    free(args->inputs);
    free(args->paths);
    free(args->rows);
    memset(args, 0, sizeof *args);
}
