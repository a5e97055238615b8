/* SPDX-License-Identifier: Apache-2.0
 *
 * Help: made from the registry, so that it cannot say what is not true. Examples come first.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define INDENT 2

const cli_own_verb cli_own_verbs[] = {
    {"info",
     "what a pool holds: shape, norms, bad rows, exact duplicates",
     "winnow info POOL... [flags]",
     {"winnow info embeddings.npy", "winnow info 'shard_*.npy' --metric cosine --json"},
     CLI_INFO},
    {"why",
     "why a row was kept or dropped, and which row stands for it",
     "winnow why FOLDER --row R",
     {"winnow why out --row 4711", "winnow why out --row 4711 --row 4712"},
     CLI_WHY},
    {"plan",
     "what a run would need, without running it",
     "winnow plan VERB [METHOD] INPUT... [flags of the verb]",
     {"winnow plan curate embeddings.npy --size 1000",
      "winnow plan cluster kmeans 'shard_*.npy' --k 1024 --json"},
     CLI_PLAN},
    {"replay",
     "runs a manifest again; the arrays are the same bytes",
     "winnow replay MANIFEST -o OUT [flags]",
     {"winnow replay out/manifest.json -o again",
      "winnow replay out/manifest.json -o again --threads 1 --force"},
     CLI_REPLAY},
    {"methods",
     "every method with its parameters, cost and papers",
     "winnow methods [--json]",
     {"winnow methods", "winnow methods --json"},
     CLI_METHODS},
    {"bench",
     "how close the kernels run to what this machine can do",
     "winnow bench [flags]",
     {"winnow bench", "winnow bench --threads 1 --json"},
     CLI_BENCH},
    {"help", "help on a verb or a method", "winnow help [VERB [METHOD]]", {NULL, NULL}, 0},
};
const int32_t cli_n_own_verbs = (int32_t)(sizeof cli_own_verbs / sizeof cli_own_verbs[0]);

/* ---- tables ------------------------------------------------------------------------------------ */

/* "--max-iter N", "-o, --output PATH", "--bounds" */
static void flag_text(const cli_flag *flag, char *buf, size_t bytes)
{
    const char *value = flag->param && flag->param->type == WN_P_CHOICE ? "WORD" : flag->value;
    char letter[8] = "";

    if (flag->letter) snprintf(letter, sizeof letter, "-%c, ", flag->letter);
    snprintf(buf, bytes, "%s--%s%s%s", letter, flag->name, value ? " " : "", value ? value : "");
}

/* What a parameter may be: "1 or more", "0 to 1", "auto | random"; "" when anything goes. */
static void bounds_text(const wn_param *p, char *buf, size_t bytes)
{
    size_t length = 0;

    buf[0] = 0;
    switch (p->type) {
    case WN_P_I32:
    case WN_P_I64:
    case WN_P_F64:
    case WN_P_LIST:
        if (p->high >= 1e9)
            snprintf(buf, bytes, "%.15g or more", p->low);
        else
            snprintf(buf, bytes, "%.15g to %.15g", p->low, p->high);
        break;
    case WN_P_CHOICE:
        for (const char *c = p->text; *c && length + 4 < bytes; c++) {
            if (*c == '|') {
                buf[length++] = ' ';
                buf[length++] = '|';
                buf[length++] = ' ';
            } else {
                buf[length++] = *c;
            }
        }
        buf[length] = 0;
        break;
    case WN_P_BOOL:
        snprintf(buf, bytes, "--no-%s turns it off", p->name);
        for (char *c = buf; *c && *c != ' '; c++)
            if (*c == '_') *c = '-';
        break;
    case WN_P_U64:
    case WN_P_TEXT:
        break;
    }
}

void cli_help_params(FILE *to, const wn_method *method, int indent)
{
    void *params = cli_grow(NULL, 1, method->params_bytes);
    int names = 0, defaults = 0;
    cli_flags flags;
    char name[CLI_NAME_MAX * 2], value[WN_TEXT_MAX], bounds[256], help[1024];

    wn_params_init(method, params);
    cli_flags_make(CLI_JOB, NULL, method, &flags);
    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < flags.count; i++) {
            if (flags.at[i].kind != CLI_PARAM) continue;
            flag_text(&flags.at[i], name, sizeof name);
            if (wn_params_text(method, params, flags.at[i].param->name, value, sizeof value) < 0 ||
                !value[0])
                snprintf(value, sizeof value, "(empty)");
            if (pass == 0) {
                if ((int)strlen(name) > names) names = (int)strlen(name);
                if ((int)strlen(value) > defaults) defaults = (int)strlen(value);
                continue;
            }
            bounds_text(flags.at[i].param, bounds, sizeof bounds);
            snprintf(help, sizeof help, "%s%s%s%s", flags.at[i].param->help, *bounds ? " [" : "",
                     bounds, *bounds ? "]" : "");
            fprintf(to, "%*s%-*s  %-*s  ", indent, "", names, name, defaults, value);
            cli_wrap(to, help, indent + names + defaults + 4, indent + names + defaults + 4);
        }
    cli_flags_free(&flags);
    free(params);
}

/* The flags that are no parameters. */
static void print_flags(FILE *to, cli_verb verb, const wn_family *family, const wn_method *method)
{
    char name[CLI_NAME_MAX * 2];
    cli_flags flags;
    int names = 0;

    cli_flags_make(verb, family, method, &flags);
    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < flags.count; i++) {
            if (flags.at[i].kind == CLI_PARAM || flags.at[i].kind == CLI_INPUT) continue;
            flag_text(&flags.at[i], name, sizeof name);
            if (pass == 0) {
                if ((int)strlen(name) > names) names = (int)strlen(name);
                continue;
            }
            fprintf(to, "%*s%-*s  ", INDENT, "", names, name);
            cli_wrap(to, flags.at[i].help, INDENT + names + 2, INDENT + names + 2);
        }
    cli_flags_free(&flags);
}

/* "POOL..." */
static const char *positional_text(const wn_family *family, const wn_method *method,
                                   char buf[CLI_NAME_MAX])
{
    const char *name = cli_takes_kind(family, method, "pool")   ? "pool"
                       : cli_takes_kind(family, method, "text") ? "text"
                                                                : "files";
    size_t i = 0;

    for (; name[i] && i + 4 < CLI_NAME_MAX; i++)
        buf[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
    memcpy(buf + i, "...", 4);
    return buf;
}

/* How many inputs come before the pool as words without a flag. */
static int32_t bare_inputs(const wn_method *method)
{
    int32_t n = 0;
    const wn_family_input *input;

    while ((input = wn_method_positional(method, n)) && strcmp(input->name, "pool") != 0)
        n++;
    return n;
}

static bool is_bare(const wn_method *method, int32_t bare, const wn_family_input *input)
{
    for (int32_t i = 0; i < bare; i++)
        if (wn_method_positional(method, i) == input) return true;
    return false;
}

static void upper_text(const char *name, char *buf, size_t bytes)
{
    size_t i = 0;

    for (; name[i] && i + 1 < bytes; i++)
        buf[i] = (char)(name[i] >= 'a' && name[i] <= 'z' ? name[i] - 32 : name[i]);
    buf[i] = 0;
}

/* " INDEX" of the usage, or " index.wni" of an example, for each of them. */
static void print_bare(FILE *to, const wn_method *method, bool example)
{
    for (int32_t i = 0; i < bare_inputs(method); i++) {
        const wn_family_input *input = wn_method_positional(method, i);
        char name[CLI_NAME_MAX];
        upper_text(input->name, name, sizeof name);
        fprintf(to, " %s%s", example ? input->name : name,
                !example                            ? ""
                : strcmp(input->kind, "index") == 0 ? ".wni"
                                                    : ".npy");
    }
}

void cli_help_inputs(FILE *to, const wn_family *family, const wn_method *method, int indent)
{
    char name[CLI_NAME_MAX + 16];
    int names = 0;

    for (int pass = 0; pass < 2; pass++)
        for (int32_t i = 0; i < family->n_inputs; i++) {
            const wn_family_input *input = &family->inputs[i];
            if (!cli_takes(method, input)) continue;
            if (strcmp(input->name, "pool") == 0)
                positional_text(family, method, name);
            else if (method && is_bare(method, bare_inputs(method), input))
                upper_text(input->name, name, sizeof name);
            else
                snprintf(name, sizeof name, "--%.60s PATH", input->name);
            if (pass == 0) {
                if ((int)strlen(name) > names) names = (int)strlen(name);
                continue;
            }
            fprintf(to, "%*s%-*s  ", indent, "", names, name);
            cli_wrap(to, input->help, indent + names + 2, indent + names + 2);
        }
}

/* " --tree TREE" for each input that must be given beside the positional one; of several of which one must
 * be given the first. */
static void print_needed(FILE *to, const wn_family *family, const wn_method *method, bool example)
{
    int32_t bare = bare_inputs(method);
    bool one_of = false;

    for (int32_t i = 0; i < family->n_inputs; i++) {
        const wn_family_input *input = &family->inputs[i];
        wn_takes takes = wn_method_takes(method, input);
        bool folder = strcmp(input->kind, "tree") == 0 || strcmp(input->kind, "graph") == 0 ||
                      strcmp(input->kind, "model") == 0;
        if (strcmp(input->name, "pool") == 0 || takes <= WN_TAKES_OPTIONAL) continue;
        if (is_bare(method, bare, input)) continue;
        if (takes == WN_TAKES_ONE_OF && one_of) continue;
        one_of = one_of || takes == WN_TAKES_ONE_OF;
        if (example)
            fprintf(to, " --%s %s%s", input->name, input->name,
                    folder                             ? ""
                    : strcmp(input->kind, "text") == 0 ? ".jsonl"
                                                       : ".npy");
        else
            fprintf(to, " --%s PATH", input->name);
    }
}

/* ---- examples ---------------------------------------------------------------------------------- */

/* A flag that shows the method's first number at its default, when it has one. */
static void print_first_number(FILE *to, const wn_method *method)
{
    void *params = cli_grow(NULL, 1, method->params_bytes);
    char value[WN_TEXT_MAX];

    wn_params_init(method, params);
    for (int32_t i = 0; i < method->n_params; i++) {
        const wn_param *p = &method->params[i];
        bool number = p->type == WN_P_I32 || p->type == WN_P_I64 || p->type == WN_P_F64;
        if (!number || p->def <= 0) continue;
        if (wn_params_text(method, params, p->name, value, sizeof value) < 0) continue;
        fputs(" --", to);
        for (const char *c = p->name; *c; c++)
            fputc(*c == '_' ? '-' : *c, to);
        fprintf(to, " %s", value);
        break;
    }
    free(params);
}

/* A size without a default has to be given. */
static bool needs_size(const wn_method *method)
{
    for (int32_t i = 0; i < method->n_params; i++)
        if (strcmp(method->params[i].name, "size") == 0) return method->params[i].def == 0;
    return false;
}

static int32_t count_methods(const wn_family *family)
{
    int32_t count = 0;

    for (int32_t i = 0; i < wn_method_count(); i++)
        count += strcmp(wn_method_at(i)->family, family->name) == 0;
    return count;
}

static void print_example(FILE *to, const wn_family *family, const wn_method *method, bool second)
{
    bool text = cli_takes_kind(family, method, "text") && !cli_takes_kind(family, method, "pool");
    const wn_family_input *positional = cli_positional(family, method);

    fprintf(to, "  winnow %s", family->name);
    if (count_methods(family) > 1 || !family->default_method) fprintf(to, " %s", method->name);
    print_bare(to, method, true);
    if (text)
        fprintf(to, " %s", second ? "'part_*.jsonl'" : "corpus.jsonl");
    else if (cli_takes_kind(family, method, "files"))
        fputs(" folder", to);
    else if (positional)
        fprintf(to, " %s", second ? "'shard_*.npy'" : "embeddings.npy");
    print_needed(to, family, method, true);
    if (!(method->flags & WN_METHOD_UPDATES))
        fprintf(to, " -o %s",
                family->output_is_file               ? "out.npy"
                : strcmp(family->name, "index") == 0 ? "index.wni"
                                                     : "out");
    if (needs_size(method)) fputs(" --size 1000", to);
    if (!second) {
        if (!needs_size(method)) print_first_number(to, method);
    } else {
        if (positional && !text && !(method->flags & WN_METHOD_OWN_METRIC))
            fputs(" --metric cosine", to);
        if (method->flags & WN_METHOD_SEEDED) fputs(" --seed 7", to);
        fputs(" --memory 4G", to);
    }
    fputc('\n', to);
}

/* ---- pages ------------------------------------------------------------------------------------- */

static void print_verb(FILE *to, const char *name, const char *summary, int names)
{
    fprintf(to, "  %-*s  ", names, name);
    cli_wrap(to, summary, names + 4, names + 4);
}

void cli_help_global(FILE *to)
{
    int names = 0;

    fputs("winnow: from a pool of embeddings or text to a balanced training set\n\n"
          "  winnow curate corpus.jsonl -o out --size 10000      # text in\n"
          "  winnow curate 'emb_*.npy'  -o out --size 10000      # vectors in\n\n"
          "Text is the column text, content or body, else the only one; --text names another.\n\n"
          "usage: winnow VERB [METHOD] INPUT... -o OUT [flags]\n\nverbs:\n",
          to);
    for (int32_t i = 0; i < wn_family_count(); i++)
        if ((int)strlen(wn_family_at(i)->name) > names) names = (int)strlen(wn_family_at(i)->name);
    for (int32_t i = 0; i < cli_n_own_verbs; i++)
        if ((int)strlen(cli_own_verbs[i].name) > names) names = (int)strlen(cli_own_verbs[i].name);
    for (int32_t i = 0; i < wn_family_count(); i++)
        print_verb(to, wn_family_at(i)->name, wn_family_at(i)->summary, names);
    for (int32_t i = 0; i < cli_n_own_verbs; i++)
        print_verb(to, cli_own_verbs[i].name, cli_own_verbs[i].summary, names);
    fputs("\n`winnow VERB --help` shows its methods, `winnow VERB METHOD --help` its parameters.\n"
          "`winnow --version` shows version, instruction set and threads.\n"
          "Sizes take K M G (powers of ten) and KiB MiB GiB. Results go to -o or standard output,\n"
          "the rest to standard error. Exit codes: 0 ok, 1 failed, 2 usage, 3 bad data,\n"
          "130 interrupted.\n",
          to);
}

static void help_method(FILE *to, const wn_family *family, const wn_method *method)
{
    char positional[CLI_NAME_MAX] = "";
    bool is_default = family->default_method && strcmp(family->default_method, method->name) == 0;

    fprintf(to, "winnow %s %s: ", family->name, method->name);
    cli_wrap(to, method->summary, 4, (int)(strlen(family->name) + strlen(method->name) + 10));
    fputc('\n', to);
    print_example(to, family, method, false);
    print_example(to, family, method, true);
    fprintf(to, "\nusage: winnow %s %s%s%s", family->name, is_default ? "[" : "", method->name,
            is_default ? "]" : "");
    print_bare(to, method, false);
    if (cli_positional(family, method))
        fprintf(to, " %s", positional_text(family, method, positional));
    print_needed(to, family, method, false);
    fputs(method->flags & WN_METHOD_UPDATES ? " [-o OUT]" : " -o OUT", to);
    fputs(" [flags]\n\ninputs:\n", to);
    cli_help_inputs(to, family, method, INDENT);
    if (method->n_params) {
        fputs("\nparameters, with their defaults:\n", to);
        cli_help_params(to, method, INDENT);
    }
    fputs("\nflags:\n", to);
    print_flags(to, CLI_JOB, family, method);
    fputs("\ncost: ", to);
    cli_wrap(to, method->cost, 6, 6);
}

void cli_help_family(FILE *to, const wn_family *family, const wn_method *method)
{
    const wn_method *last = NULL;
    int32_t count = 0;
    int names = 0;

    for (int32_t i = 0; i < wn_method_count(); i++) {
        if (strcmp(wn_method_at(i)->family, family->name) != 0) continue;
        last = wn_method_at(i);
        count++;
        if ((int)strlen(last->name) > names) names = (int)strlen(last->name);
    }
    if (method || count == 1) {
        help_method(to, family, method ? method : last);
        return;
    }
    fprintf(to, "winnow %s: ", family->name);
    cli_wrap(to, family->summary, 4, (int)strlen(family->name) + 9);
    fputc('\n', to);
    for (int32_t i = 0, shown = 0; i < wn_method_count() && shown < 2; i++)
        if (strcmp(wn_method_at(i)->family, family->name) == 0)
            print_example(to, family, wn_method_at(i), shown++ > 0);
    fprintf(to, "\nusage: winnow %s %sMETHOD%s INPUT... -o OUT [flags]\n\nmethods:\n", family->name,
            family->default_method ? "[" : "", family->default_method ? "]" : "");
    for (int32_t i = 0; i < wn_method_count(); i++)
        if (strcmp(wn_method_at(i)->family, family->name) == 0)
            print_verb(to, wn_method_at(i)->name, wn_method_at(i)->summary, names);
    if (family->default_method) fprintf(to, "\nWithout a method: %s.\n", family->default_method);
    fputs("\ninputs:\n", to);
    cli_help_inputs(to, family, NULL, INDENT);
    fprintf(to, "\n`winnow %s METHOD --help` shows the parameters.\n", family->name);
}

void cli_help_own(FILE *to, cli_verb verb)
{
    for (int32_t i = 0; i < cli_n_own_verbs; i++) {
        const cli_own_verb *own = &cli_own_verbs[i];
        if (own->verb != verb) continue;
        fprintf(to, "winnow %s: %s\n\n  %s\n  %s\n\nusage: %s\n", own->name, own->summary,
                own->examples[0], own->examples[1], own->usage);
        if (verb == CLI_PLAN) {
            fputs("\nThe flags are those of the verb: `winnow VERB --help`.\n", to);
            return;
        }
        fputs("\nflags:\n", to);
        print_flags(to, verb, NULL, NULL);
        return;
    }
}
