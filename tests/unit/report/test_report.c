/* SPDX-License-Identifier: Apache-2.0
 *
 * The report page: well formed, escaped, complete, and free of whatever it has no content for.
 */
#include <ctype.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "report/report.h"
#include "support/support.h"

/* ---- a tiny judge of markup ---------------------------------------------------------------------- */

static int is_void(const char *name)
{
    static const char *const voids[] = {"meta", "br", "hr", "img", "input", "link", NULL};

    for (int i = 0; voids[i]; i++)
        if (strcmp(voids[i], name) == 0) return 1;
    return 0;
}

/* Every tag closes in order, every & starts an entity, no < stands in a text. Fails the test otherwise. */
static void check_markup(const char *html)
{
    char stack[64][16];
    int depth = 0;

    for (const char *c = html; *c; c++) {
        char name[16] = "";
        int closing, length = 0;
        const char *from = c;

        if (*c == '&') {
            const char *end = strchr(c, ';');
            assert_non_null(end);
            assert_in_range(end - c, 2, 8);
        }
        if (*c != '<') continue;
        if (strncmp(c, "<!DOCTYPE html>", 15) == 0) continue;
        closing = c[1] == '/';
        for (c += 1 + closing; isalnum((unsigned char)*c) && length < 15; c++)
            name[length++] = *c;
        name[length] = 0;
        if (!length) fail_msg("a bare < at: %.60s", from);
        for (; *c && *c != '>'; c++) {
            if (*c == '<') fail_msg("a tag that does not end: %.60s", from);
            if (*c == '"')
                for (c++; *c != '"'; c++)
                    if (!*c) fail_msg("an attribute that does not end: %.60s", from);
        }
        assert_int_equal(*c, '>');
        if (closing) {
            if (!depth || strcmp(stack[depth - 1], name))
                fail_msg("</%s> closes <%s>", name, depth ? stack[depth - 1] : "nothing");
            depth--;
        } else if (c[-1] != '/' && !is_void(name)) {
            assert_in_range(depth, 0, 63);
            strcpy(stack[depth++], name);
        }
    }
    if (depth) fail_msg("<%s> is never closed", stack[depth - 1]);
}

/* ---- a report with everything in it ---------------------------------------------------------------- */

#define EVIL "<script>alert('x')</script> & \"quoted\" \x01 end"

static const wni_report_stage stages[] = {
    {"Rows read", 1234567, NULL},
    {"Without exact duplicates", 1200000, "exact duplicates"},
    {"Without near duplicates", 1200000, "near duplicates"},
    {"Selected", 10000, "over their cluster's share"},
};
static const wni_report_pair pairs[] = {
    {{17, "id<17>", EVIL}, {3, NULL, "end of it & more"}, 0.99f, 0},
    {{18, NULL, ""}, {4, NULL, NULL}, 0.95f, 1},
};
static const wni_report_pair bare_pairs[] = {{{70, NULL, NULL}, {60, NULL, NULL}, 0.9731f, 0}};
static const int64_t bins[] = {0, 5, 1, 0, 99999};
static const double before[] = {900, 100, 9, 8, 1}, after[] = {10, 10, 9, 8, 0};
static const wni_report_level level[] = {
    {5, 1, 9, 900, 3.5, 1.1, before, after, 5},
    {2, 100, 110, 120, 1.01, 1, before + 1, after, 1},
};
static const wni_report_row rows[] = {{1, NULL, EVIL}, {2, NULL, NULL}}, bare[] = {{5, "e5", NULL}};
static const wni_report_cluster largest[] = {{7, 900, 10, rows, 2}},
                                smallest[] = {{8, 1, 1, bare, 1}, {9, 0, 0, NULL, 0}};
static const wni_report_category categories[] = {{"noun." EVIL, 600, 50}, {"verb", 400, 50}};
static const wni_report_fact params[] = {{"size", "10000", 0}, {"text", "", 1}, {EVIL, EVIL, 0}};
static const char *const warned[] = {"first " EVIL};
static const wni_report_input files[] = {{"a<b>.npy", 123456, "00ff"}};

static wni_report full(void)
{
    return (wni_report){
        .headline = "10,000 of <all>",
        .lead = "lead & sons",
        .command = "curate balanced",
        .manifest = "it's here/manifest.json",
        .stages = stages,
        .n_stages = 4,
        .most_similar = pairs,
        .n_most_similar = 2,
        .borderline = pairs,
        .n_borderline = 1,
        .exact = bare_pairs,
        .n_exact = 1,
        .exact_duplicates = 34567,
        .near_duplicates = 1,
        .similarity_counts = bins,
        .similarity_bins = 5,
        .similarity_low = 0.95,
        .levels = level,
        .n_levels = 2,
        .largest = largest,
        .n_largest = 1,
        .smallest = smallest,
        .n_smallest = 2,
        .category_column = "cat<egory>",
        .categories = categories,
        .n_categories = 2,
        .other_categories = 3,
        .other_before = 10,
        .other_after = 5,
        .categories_before = 1010,
        .categories_after = 105,
        .entropy_before = 0.97,
        .entropy_after = 1,
        .distinct_categories = 5,
        .params = params,
        .n_params = 3,
        .counts = params,
        .n_counts = 1,
        .warnings = warned,
        .n_warnings = 1,
        .inputs = files,
        .n_inputs = 1,
        .more_inputs = 4,
    };
}

static void assert_has(const char *html, const char *text)
{
    if (!strstr(html, text)) fail_msg("the page has no: %s", text);
}

static void page_is_well_formed(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_report report = full();
    char *html;

    (void)state;
    ts_ok(ctx, wni_report_html(ctx, &report, &html));
    check_markup(html);
    assert_has(html, "1,234,567");
    assert_has(html, "&minus;34,567");
    assert_has(html, "no near duplicates");
    assert_has(html, "Level 1, the finest");
    assert_has(html, "0.9731");
    assert_has(html, "3 others");
    assert_has(html, "and 4 more files");
    wni_free(ctx, html);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void texts_are_escaped(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_report report = full();
    char *html;

    (void)state;
    ts_ok(ctx, wni_report_html(ctx, &report, &html));
    assert_null(strstr(html, "<script"));
    assert_null(strstr(html, "\x01"));
    assert_null(strstr(html, "<all>"));
    assert_null(strstr(html, "<egory>"));
    assert_has(html, "&lt;script&gt;alert(&#39;x&#39;)&lt;/script&gt;");
    /* As a shell takes it: 'it'\''s here/manifest.json' */
    assert_has(html, "winnow replay &#39;it&#39;\\&#39;&#39;s here/manifest.json&#39; -o again");
    wni_free(ctx, html);
    wn_ctx_free(ctx);
}

static void differing_words_are_marked(void **state)
{
    static const wni_report_pair pair[] = {
        {{1, NULL, "a large black dog"}, {0, NULL, "a  black\tdog barks"}, 0.9f, 0}};
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_report report = {.headline = "h",
                         .lead = "l",
                         .command = "c",
                         .near_duplicates = 1,
                         .most_similar = pair,
                         .n_most_similar = 1};
    char *html;

    (void)state;
    ts_ok(ctx, wni_report_html(ctx, &report, &html));
    assert_has(html, ">a <mark>large</mark> black dog</p>");
    assert_has(html, ">a black dog <mark>barks</mark></p>");
    wni_free(ctx, html);
    wn_ctx_free(ctx);
}

/* Texts far longer than the table of words: the rest counts as one word. */
static void long_texts_are_safe(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    char *a = malloc(9000), *html;
    wni_report_pair pair = {{1, NULL, a}, {0, NULL, a}, 1, 0};
    wni_report report = {.headline = "h",
                         .lead = "l",
                         .command = "c",
                         .exact_duplicates = 1,
                         .exact = &pair,
                         .n_exact = 1};

    (void)state;
    for (int i = 0; i < 8999; i++)
        a[i] = i % 3 ? 'x' : ' ';
    a[8999] = 0;
    ts_ok(ctx, wni_report_html(ctx, &report, &html));
    check_markup(html);
    assert_null(strstr(html, "<mark>"));
    wni_free(ctx, html);
    free(a);
    wn_ctx_free(ctx);
}

static void empty_sections_are_left_out(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_report report = {.headline = "nothing", .lead = "", .command = "curate balanced"};
    char *html;

    (void)state;
    ts_ok(ctx, wni_report_html(ctx, &report, &html));
    check_markup(html);
    assert_null(strstr(html, "<section"));
    assert_null(strstr(html, "replay"));
    wni_free(ctx, html);
    wn_ctx_free(ctx);
}

/* No network: nothing in the page names another place. */
static void page_stands_alone(void **state)
{
    static const char *const words[] = {"http:", "https:", "url(", "src=", "@import", "<link"};
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_report report = full();
    char *html;

    (void)state;
    ts_ok(ctx, wni_report_html(ctx, &report, &html));
    for (size_t i = 0; i < sizeof words / sizeof words[0]; i++)
        if (strstr(html, words[i])) fail_msg("the page says %s", words[i]);
    wni_free(ctx, html);
    wn_ctx_free(ctx);
}

static void failed_allocations_are_clean(void **state)
{
    (void)state;
    for (int64_t at = 0;; at++) {
        ts_alloc alloc = {.fail_at = at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wni_report report = full();
        char *html = NULL;
        wn_status st = wni_report_html(ctx, &report, &html);

        if (st == WN_OK) {
            assert_true(at > 3);
            wni_free(ctx, html);
            wn_ctx_free(ctx);
            return;
        }
        assert_int_equal(st, WN_E_NOMEM);
        assert_null(html);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
    }
}

static void numbers_read_well(void **state)
{
    static const struct {
        int64_t value;
        const char *text;
    } cases[] = {{0, "0"},          {999, "999"},   {1000, "1,000"},
                 {-1000, "-1,000"}, {-999, "-999"}, {1234567, "1,234,567"}};
    char buf[32];

    (void)state;
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++)
        assert_string_equal(wni_grouped(cases[i].value, buf), cases[i].text);
    assert_string_equal(wni_percent(0, buf), "0.0%");
    assert_string_equal(wni_percent(0.00001, buf), "&lt;0.01%");
    assert_string_equal(wni_percent(0.0012, buf), "0.12%");
    assert_string_equal(wni_percent(0.123, buf), "12.3%");
    assert_int_equal(wni_utf8_cut("ab\xC3\xA9", 3), 2);
    assert_int_equal(wni_utf8_cut("ab\xC3\xA9", 4), 4);
    assert_int_equal(wni_utf8_cut("ab", 9), 2);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(page_is_well_formed),          cmocka_unit_test(texts_are_escaped),
        cmocka_unit_test(differing_words_are_marked),   cmocka_unit_test(long_texts_are_safe),
        cmocka_unit_test(empty_sections_are_left_out),  cmocka_unit_test(page_stands_alone),
        cmocka_unit_test(failed_allocations_are_clean), cmocka_unit_test(numbers_read_well),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
