/* SPDX-License-Identifier: Apache-2.0
 *
 * The registry, printed: for people and as JSON.
 */
#include <stdlib.h>
#include <string.h>

#include "cli.h"

static const struct {
    uint32_t bit;
    const char *name;
} properties[] = {{WN_METHOD_SEEDED, "seeded"},
                  {WN_METHOD_EXACT, "exact"},
                  {WN_METHOD_OUT_OF_CORE, "out-of-core"},
                  {WN_METHOD_OWN_METRIC, "own-metric"}};

static void print_method(const wn_method *method)
{
    bool first = true;

    printf("\n  %s: ", method->name);
    cli_wrap(stdout, method->summary, 6, (int)strlen(method->name) + 4);
    printf("    cost    ");
    cli_wrap(stdout, method->cost, 12, 12);
    printf("    papers  ");
    cli_wrap(stdout, method->papers, 12, 12);
    printf("    is      ");
    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
        if (method->flags & properties[i].bit) {
            printf("%s%s", first ? "" : ", ", properties[i].name);
            first = false;
        }
    printf("%s\n", first ? "-" : "");
    cli_help_params(stdout, method, 4);
}

static json_t *words_json(const char *words, char separator)
{
    json_t *list = json_array();

    while (words && *words) {
        const char *end = strchr(words, separator);
        size_t length = end ? (size_t)(end - words) : strlen(words);
        if (length) json_array_append_new(list, json_stringn(words, length));
        words += length + (end != NULL);
    }
    return list;
}

static json_t *param_json(const wn_method *method, const void *params, const wn_param *p)
{
    static const char *const types[] = {"i32",  "i64",    "u64",  "f64",
                                        "bool", "choice", "list", "text"};
    const char *at = (const char *)params + p->offset;
    json_t *out = json_pack("{s:s, s:s}", "name", p->name, "type", types[p->type]), *list;
    bool whole = p->type == WN_P_I32 || p->type == WN_P_I64 || p->type == WN_P_LIST;
    char text[WN_TEXT_MAX];

    if (wn_params_text(method, params, p->name, text, sizeof text) < 0) text[0] = 0;
    switch (p->type) {
    case WN_P_I32:
    case WN_P_I64:
    case WN_P_U64:
        json_object_set_new(out, "default", json_integer((json_int_t)p->def));
        break;
    case WN_P_F64:
        json_object_set_new(out, "default", json_real(p->def));
        break;
    case WN_P_BOOL:
        json_object_set_new(out, "default", json_boolean(p->def != 0));
        break;
    case WN_P_LIST:
        list = json_array();
        for (int32_t i = 0; i < ((const wn_list *)(const void *)at)->count; i++)
            json_array_append_new(
                list, json_integer((json_int_t)((const wn_list *)(const void *)at)->at[i]));
        json_object_set_new(out, "default", list);
        break;
    case WN_P_CHOICE:
    case WN_P_TEXT:
        json_object_set_new(out, "default", json_string(text));
        break;
    }
    if (p->type == WN_P_CHOICE) json_object_set_new(out, "choices", words_json(p->text, '|'));
    if (whole || p->type == WN_P_F64) {
        json_object_set_new(out, "low",
                            whole ? json_integer((json_int_t)p->low) : json_real(p->low));
        json_object_set_new(out, "high",
                            whole ? json_integer((json_int_t)p->high) : json_real(p->high));
    }
    json_object_set_new(out, "help", json_string(p->help));
    return out;
}

/* What the method reads of its family's inputs. */
static json_t *inputs_json(const wn_method *method)
{
    static const char *const needs[] = {
        [WN_TAKES_NOT] = "no",
        [WN_TAKES_OPTIONAL] = "optional",
        [WN_TAKES_ONE_OF] = "one of",
        [WN_TAKES_REQUIRED] = "required",
    };
    const wn_family *family = wn_family_find(method->family);
    json_t *list = json_array();
    char kind[64];

    for (int32_t i = 0; i < family->n_inputs; i++) {
        const wn_family_input *in = &family->inputs[i];
        wn_takes takes = wn_method_takes(method, in);
        if (takes == WN_TAKES_NOT) continue;
        json_array_append_new(list, json_pack("{s:s, s:s, s:s, s:s}", "name", in->name, "kind",
                                              wn_method_kind(method, in, kind, sizeof kind), "need",
                                              needs[takes], "help", in->help));
    }
    return list;
}

static json_t *method_json(const wn_method *method)
{
    json_t *out = json_pack("{s:s, s:s, s:s, s:o, s:s}", "family", method->family, "name",
                            method->name, "summary", method->summary, "papers",
                            words_json(method->papers, ' '), "cost", method->cost);
    json_t *flags = json_array(), *list = json_array();
    void *params = cli_grow(NULL, 1, method->params_bytes);

    for (size_t i = 0; i < sizeof properties / sizeof properties[0]; i++)
        if (method->flags & properties[i].bit)
            json_array_append_new(flags, json_string(properties[i].name));
    wn_params_init(method, params);
    for (int32_t i = 0; i < method->n_params; i++)
        json_array_append_new(list, param_json(method, params, &method->params[i]));
    free(params);
    json_object_set_new(out, "inputs", inputs_json(method));
    json_object_set_new(out, "flags", flags);
    json_object_set_new(out, "params", list);
    return out;
}

static json_t *family_json(const wn_family *family)
{
    json_t *inputs = json_array(), *out;

    for (int32_t i = 0; i < family->n_inputs; i++) {
        const wn_family_input *in = &family->inputs[i];
        json_array_append_new(inputs,
                              json_pack("{s:s, s:s, s:b, s:s}", "name", in->name, "kind", in->kind,
                                        "required", in->required != 0, "help", in->help));
    }
    out = json_pack("{s:s, s:s, s:s?, s:s, s:o}", "name", family->name, "summary", family->summary,
                    "default_method", family->default_method, "output",
                    family->output_is_file ? "file" : "folder", "inputs", inputs);
    return out;
}

int cli_run_methods(cli_args *args)
{
    if (args->n_paths) {
        cli_error("methods takes no input, found '%s'; winnow help VERB METHOD shows one method",
                  args->paths[0]);
        return CLI_USAGE;
    }
    if (args->json) {
        json_t *families = json_array(), *methods = json_array();
        for (int32_t i = 0; i < wn_family_count(); i++)
            json_array_append_new(families, family_json(wn_family_at(i)));
        for (int32_t i = 0; i < wn_method_count(); i++)
            json_array_append_new(methods, method_json(wn_method_at(i)));
        cli_print_json(json_pack("{s:s, s:o, s:o}", "version", wn_version(), "families", families,
                                 "methods", methods));
        return cli_stdout_end(CLI_OK);
    }
    for (int32_t i = 0; i < wn_family_count(); i++) {
        const wn_family *family = wn_family_at(i);
        printf("%s%s: ", i ? "\n" : "", family->name);
        cli_wrap(stdout, family->summary, 4, (int)strlen(family->name) + 2);
        cli_help_inputs(stdout, family, NULL, 2);
        for (int32_t m = 0; m < wn_method_count(); m++)
            if (strcmp(wn_method_at(m)->family, family->name) == 0) print_method(wn_method_at(m));
    }
    return cli_stdout_end(CLI_OK);
}
