/* SPDX-License-Identifier: Apache-2.0
 *
 * Every descriptor of the registry says what is true, and refuses bad parameters in one line.
 */
#include <dirent.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "support/fixture.h"

static int word_of(const char *text, const char *word)
{
    size_t length = strlen(word);

    for (const char *at = strstr(text, word); at; at = strstr(at + 1, word))
        if (at[length] == ',' && at > text && at[-1] == '{') return 1;
    return 0;
}

static void papers_exist(const wn_method *m, const char *bib)
{
    char keys[256];

    assert_non_null(m->papers);
    snprintf(keys, sizeof keys, "%s", m->papers);
    for (char *key = strtok(keys, " "); key; key = strtok(NULL, " "))
        if (!word_of(bib, key))
            fail_msg("%s %s: no paper %s in docs/papers.bib", m->family, m->name, key);
}

static void page_exists(const wn_method *m)
{
    const char *folder = WN_SOURCE_DIR "/docs/methods";
    char title[128], path[1024];
    DIR *dir = opendir(folder);
    int found = 0;

    assert_non_null(dir);
    snprintf(title, sizeof title, "# %s %s\n", m->family, m->name);
    for (struct dirent *e = readdir(dir); e; e = readdir(dir)) {
        size_t bytes;
        char *text;
        if (!strstr(e->d_name, ".md")) continue;
        snprintf(path, sizeof path, "%s/%s", folder, e->d_name);
        text = ts_read_file(path, &bytes);
        found += text && strncmp(text, title, strlen(title)) == 0;
        free(text);
    }
    closedir(dir);
    if (found != 1) fail_msg("%d pages start with '%.*s'", found, (int)strlen(title) - 1, title);
}

static size_t field_bytes(wn_param_type type)
{
    switch (type) {
    case WN_P_I64:
    case WN_P_U64:
    case WN_P_F64:
        return 8;
    case WN_P_LIST:
        return sizeof(wn_list);
    case WN_P_TEXT:
        return WN_TEXT_MAX;
    default:
        return 4;
    }
}

static int words_in(const char *text)
{
    int words = 1;

    for (; *text; text++)
        words += *text == '|';
    return words;
}

static void parameters_are_sound(wn_ctx *ctx, const wn_method *m)
{
    void *params = calloc(1, m->params_bytes), *again = calloc(1, m->params_bytes);
    size_t end = sizeof(uint32_t);
    int seeded = 0;

    wn_params_init(m, params);
    wn_params_init(m, again);
    ts_ok(ctx, wn_params_check(ctx, m, params));
    for (int32_t i = 0; i < m->n_params; i++) {
        const wn_param *p = &m->params[i];
        char text[256];
        /* In order, without overlap, inside the struct. */
        assert_true(p->offset >= end && p->offset + field_bytes(p->type) <= m->params_bytes);
        end = p->offset + field_bytes(p->type);
        assert_true(strlen(p->name) > 0 && strlen(p->name) < 32);
        assert_true(p->help && strlen(p->help) > 3 && !strchr(p->help, '\n'));
        for (int32_t j = 0; j < i; j++)
            assert_string_not_equal(p->name, m->params[j].name);
        if (p->type == WN_P_CHOICE)
            assert_in_range((unsigned long)p->def, 0, (unsigned long)words_in(p->text) - 1);
        else if (p->type != WN_P_U64 && p->type != WN_P_LIST && p->type != WN_P_TEXT)
            assert_true(p->low <= p->def && p->def <= p->high);
        if (strcmp(p->name, "seed") == 0) {
            seeded = 1;
            assert_int_equal(p->type, WN_P_U64);
        }
        /* What is written as text reads back as itself. */
        assert_true(wn_params_text(m, params, p->name, text, sizeof text) >= 0);
        if (p->type != WN_P_LIST || *text) ts_ok(ctx, wn_params_set(ctx, m, again, p->name, text));
    }
    assert_memory_equal(params, again, m->params_bytes);
    if (seeded != ((m->flags & WN_METHOD_SEEDED) != 0))
        fail_msg("%s %s: seeded flag %d, seed parameter %d", m->family, m->name,
                 (m->flags & WN_METHOD_SEEDED) != 0, seeded);
    free(params);
    free(again);
}

static void descriptors_say_what_is_true(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    size_t bytes;
    char *bib = ts_read_file(WN_SOURCE_DIR "/docs/papers.bib", &bytes);

    (void)state;
    assert_non_null(bib);
    assert_true(wn_method_count() > 0);
    assert_null(wn_method_at(wn_method_count()));
    assert_null(wn_method_at(-1));
    for (int32_t i = 0; i < wn_method_count(); i++) {
        const wn_method *m = wn_method_at(i);
        print_message("%s %s\n", m->family, m->name);
        assert_ptr_equal(wn_method_find(m->family, m->name), m); /* so names are unique */
        assert_non_null(wn_family_find(m->family));
        assert_true(m->summary && strlen(m->summary) > 5 && !strchr(m->summary, '\n'));
        assert_true(m->cost && strlen(m->cost) > 5);
        assert_true(m->ops || m->run);
        papers_exist(m, bib);
        page_exists(m);
        parameters_are_sound(ctx, m);
    }
    for (int32_t i = 0; i < wn_family_count(); i++) {
        const wn_family *f = wn_family_at(i);
        assert_ptr_equal(wn_family_find(f->name), f);
        assert_true(f->summary && strlen(f->summary) > 5);
        assert_non_null(f->run);
        assert_true(f->n_inputs > 0);
        if (f->default_method) assert_non_null(wn_method_find(f->name, f->default_method));
    }
    free(bib);
    wn_ctx_free(ctx);
}

/* The parameter set to this text must be refused, by set or at the latest by run, and nothing written. */
static void refused(const fx_case *c, const char *name, const char *value)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    const char *area = fx_area("refused");
    char what[512];
    wn_job *job;
    wn_status st;

    snprintf(what, sizeof what, "%s with %s=%s", fx_text(c), name, value);
    ts_ok(ctx, fx_job(ctx, c, NULL, fx_output(c, area), &job));
    st = wn_job_set(job, name, value);
    if (st == WN_OK) st = wn_job_run(job);
    if (st != WN_E_USAGE)
        fail_msg("%s: expected usage error, got %s: %s", what, wn_status_name(st),
                 wn_ctx_error(ctx));
    fx_one_line(ctx, what);
    if (strlen(name) < 30 && !strstr(wn_ctx_error(ctx), name)) {
        /* Dashes and underscores are the same in names. */
        char dashed[64];
        snprintf(dashed, sizeof dashed, "%s", name);
        for (char *at = dashed; *at; at++)
            if (*at == '_') *at = '-';
        if (!strstr(wn_ctx_error(ctx), dashed))
            fail_msg("%s: the error does not name it: %s", what, wn_ctx_error(ctx));
    }
    wn_job_free(job);
    if (fx_entries(area)) fail_msg("%s: something was written", what);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void refuse_around(const fx_case *c, const wn_param *p)
{
    char text[WN_TEXT_MAX + 64];
    int whole = p->type == WN_P_I32 || p->type == WN_P_I64 || p->type == WN_P_LIST;

    if (p->type == WN_P_TEXT) {
        memset(text, 'x', sizeof text);
        text[WN_TEXT_MAX] = 0;
        refused(c, p->name, text);
        return;
    }
    refused(c, p->name, "garbage");
    refused(c, p->name, "12monkeys");
    if (p->type != WN_P_LIST) refused(c, p->name, "");
    if (p->type == WN_P_CHOICE || p->type == WN_P_BOOL) {
        refused(c, p->name, "17");
        return;
    }
    if (p->type == WN_P_U64) {
        refused(c, p->name, "-1");
        refused(c, p->name, "1.5");
        refused(c, p->name, "18446744073709551616");
        return;
    }
    refused(c, p->name, "nan");
    refused(c, p->name, "1e400");
    snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", p->low - 1);
    refused(c, p->name, text);
    snprintf(text, sizeof text, whole ? "%.0f" : "%.17g", p->high + fmax(1, p->high * 1e-3));
    refused(c, p->name, text);
    if (whole) refused(c, p->name, "99999999999999999999999");
    if (whole) refused(c, p->name, "2.5");
    if (p->type == WN_P_LIST) {
        refused(c, p->name, "4,,2");
        refused(c, p->name, "4,3,");
        refused(c, p->name, "9,8,7,6,5,4,3,2,1");
    }
}

static void bad_parameters_are_refused_in_one_line(void **state)
{
    static fx_case cases[FX_CASES];
    int n = fx_cases(cases, 0);

    (void)state;
    for (int i = 0; i < n; i++) {
        const wn_method *m = cases[i].method;
        if (i && cases[i - 1].method == m) continue; /* once per method */
        for (int32_t j = 0; j < m->n_params; j++) {
            char misspelt[64];
            refuse_around(&cases[i], &m->params[j]);
            snprintf(misspelt, sizeof misspelt, "%sx", m->params[j].name);
            refused(&cases[i], misspelt, "1");
        }
        refused(&cases[i], "no_such_parameter", "1");
        refused(&cases[i], "metric", "taxicab");
        refused(&cases[i], "force", "perhaps");
    }
}

static void unknown_names_are_refused(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_job *job = (wn_job *)ctx;

    (void)state;
    for (int32_t i = 0; i < wn_family_count(); i++) {
        char misspelt[64];
        snprintf(misspelt, sizeof misspelt, "%sx", wn_family_at(i)->name);
        assert_int_equal(wn_job_new(ctx, misspelt, NULL, &job), WN_E_USAGE);
        assert_null(job);
        assert_non_null(strstr(wn_ctx_error(ctx), wn_family_at(i)->name));
    }
    for (int32_t i = 0; i < wn_method_count(); i++) {
        const wn_method *m = wn_method_at(i);
        char misspelt[64];
        snprintf(misspelt, sizeof misspelt, "%sx", m->name);
        assert_int_equal(wn_job_new(ctx, m->family, misspelt, &job), WN_E_USAGE);
        assert_null(job);
        if (!strstr(wn_ctx_error(ctx), m->name))
            fail_msg("'%s' is not offered: %s", m->name, wn_ctx_error(ctx));
    }
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(descriptors_say_what_is_true),
        cmocka_unit_test(bad_parameters_are_refused_in_one_line),
        cmocka_unit_test(unknown_names_are_refused),
    };

    return cmocka_run_group_tests_name("contract: descriptors", tests, fx_setup, fx_teardown);
}
