/* SPDX-License-Identifier: Apache-2.0
 *
 * The quick reading of JSON lines against Jansson: what it takes, Jansson takes with the same members.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <jansson.h>

#include "base/rng.h"
#include "pool/json_flat.h"
#include "support/support.h"

/* Reads one line both ways. Returns 1 when the quick way took it. */
static int compare(const char *line, int64_t bytes)
{
    char *copy = malloc((size_t)bytes + 1), *room = malloc((size_t)bytes + 1);
    wni_flat members[WNI_FLAT_MEMBERS];
    json_error_t error;
    json_t *object, *value;
    const char *key;
    int32_t n, i = 0;

    memcpy(copy, line, (size_t)bytes);
    n = wni_json_flat(copy, bytes, room, members);
    if (n < 0) {
        assert_memory_equal(copy, line, (size_t)bytes); /* as it was, for Jansson */
        free(copy);
        free(room);
        return 0;
    }
    object = json_loadb(line, (size_t)bytes, JSON_REJECT_DUPLICATES, &error);
    if (!json_is_object(object)) fail_msg("taken, but: %s: %.*s", error.text, (int)bytes, line);
    assert_int_equal(json_object_size(object), n);
    json_object_foreach(object, key, value)
    {
        const wni_cell *cell = &members[i].cell;
        assert_string_equal(members[i].key, key);
        assert_int_equal(members[i].key_bytes, strlen(key));
        i++;
        assert_int_equal(cell->textual, json_is_string(value));
        if (json_is_string(value)) {
            assert_int_equal(cell->kind, WNI_TEXT);
            assert_int_equal(cell->bytes, json_string_length(value));
            assert_string_equal(cell->text, json_string_value(value));
        } else if (json_is_integer(value)) {
            char text[32];
            snprintf(text, sizeof text, "%" JSON_INTEGER_FORMAT, json_integer_value(value));
            assert_int_equal(cell->kind, WNI_INTEGER);
            assert_int_equal(cell->parsed, 1);
            assert_int_equal(cell->integer, json_integer_value(value));
            assert_int_equal(cell->bytes, strlen(text));
            assert_memory_equal(cell->text, text, (size_t)cell->bytes);
        } else if (json_is_boolean(value)) {
            assert_int_equal(cell->kind, WNI_INTEGER);
            assert_int_equal(cell->parsed, 1);
            assert_int_equal(cell->integer, json_is_true(value));
            assert_int_equal(*cell->text, json_is_true(value) ? 't' : 'f');
        } else {
            assert_true(json_is_null(value));
            assert_int_equal(cell->kind, WNI_NULL);
            assert_int_equal(cell->parsed, 0);
        }
    }
    json_decref(object);
    free(copy);
    free(room);
    return 1;
}

static void plain_lines_are_taken(void **state)
{
    static const char *const lines[] = {
        "{}",
        " { } \r",
        "{\"text\": \"a\"}",
        "{\"id\":1,\"b\":-70,\"c\":0,\"d\":null,\"e\":true,\"f\":false,\"g\":\"\"}",
        "{\"n\": 999999999999999999, \"m\": -999999999999999999}",
        "{\"text\": \"one \\\"two\\\" \\\\ \\/ \\b\\f\\n\\r\\t end\", \"after\": \"x\"}",
        "{\"text\": \"\\u0041\\u00e9\\u20ac\\uFFFF\"}",
        "{\"t\\u00e9xt\": \"\xc3\xa9 \xe2\x82\xac \xf0\x9f\x98\x80 \xef\xbf\xbf\"}",
        "\t{\"a\"\t:\t\"x\"\t,\t\"b\" : 3 }\t ",
        "{\"long\": \"0123456789 0123456789 0123456789 0123456789\", \"a\": \"01234567\"}",
        "{\"ends with\": \"a backslash \\\\\"}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (!compare(lines[i], (int64_t)strlen(lines[i]))) fail_msg("not taken: %s", lines[i]);
}

/* Wrong lines, and right ones that are Jansson's. */
static void others_are_left(void **state)
{
    static const char *const lines[] = {
        "",
        " ",
        "[]",
        "{",
        "}",
        "{\"a\"}",
        "{\"a\":}",
        "{\"a\":1,}",
        "{,}",
        "{\"a\":1}x",
        "{\"a\" 1}",
        "{\"a\":1.5}",
        "{\"a\":1e3}",
        "{\"a\":01}",
        "{\"a\":-0}",
        "{\"a\":-}",
        "{\"a\":+1}",
        "{\"a\":1000000000000000000}",
        "{\"a\":{}}",
        "{\"a\":[1]}",
        "{\"a\":1,\"a\":2}",
        "{\"a\":tru}",
        "{\"a\":nul}",
        "{\"a\":truex}",
        "{\"a\":NaN}",
        "{'a':1}",
        "{\"a\":\"x}",
        "{\"a\":\"\\x\"}",
        "{\"a\":\"\\u12g4\"}",
        "{\"a\":\"\\u0000\"}",
        "{\"a\":\"\\ud83d\\ude00\"}",
        "{\"a\":\"\\ud83d\"}",
        "{\"a\":\"tab\there\"}",
        "{\"a\":\"\xff\"}",
        "{\"a\":\"\xc0\x80\"}",
        "{\"a\":\"\xed\xa0\x80\"}",
        "{\"a\":\"\xe2\x82\"}",
        "{\"a\":\"\xf4\x90\x80\x80\"}",
        "{\"a\":\"\xe0\x80\x80\"}",
        "{\"a\":\"\xf0\x80\x80\x80\"}",
        "{\"a\":\"x\\\"}",
        "{\"a\":1 2}",
    };

    (void)state;
    for (size_t i = 0; i < sizeof lines / sizeof lines[0]; i++)
        if (compare(lines[i], (int64_t)strlen(lines[i]))) fail_msg("taken: %s", lines[i]);
    assert_false(compare("{\"a\":\"x\0y\"}", 11));
    assert_false(compare("{\"a\":1\0}", 9));
}

/* Good lines with some bytes changed: the quick way may give up, it may not be wrong. */
static void mangled_lines(void **state)
{
    static const char good[] =
        "{\"id\": 12, \"text\": \"a \\\"b\\\" \\u00e9 \xc3\xa9\xe2\x82\xac cdefgh "
        "ijklmnop\", \"ok\": true, \"no\": null, \"w\": -3}";
    static const char bytes[] =
        "\"\\{}[]:, \t\n0123456789-+.eEtrufalsn\xc3\xa9\xe2\x82\xac\xed\xf0\xff";
    int taken = 0;

    (void)state;
    for (uint64_t i = 0; i < 200000; i++) {
        char line[sizeof good];
        int64_t length = (int64_t)sizeof good - 1, changes = wni_rand_below(1, 1, i, 3);
        memcpy(line, good, sizeof good);
        for (int64_t c = 0; c <= changes; c++)
            line[wni_rand_below(1, 2, i * 4 + (uint64_t)c, length)] =
                bytes[wni_rand_below(1, 3, i * 4 + (uint64_t)c, (int64_t)sizeof bytes - 1)];
        if (i % 7 == 0) length = wni_rand_below(1, 4, i, length);
        taken += compare(line, length);
    }
    print_message("%d of 200000 taken\n", taken);
    assert_in_range(taken, 10000, 190000);
}

static void too_many_members_are_left(void **state)
{
    char line[1024];

    (void)state;
    for (int n = WNI_FLAT_MEMBERS - 1; n <= WNI_FLAT_MEMBERS + 1; n++) {
        int at = snprintf(line, sizeof line, "{");
        for (int i = 0; i < n; i++)
            at +=
                snprintf(line + at, sizeof line - (size_t)at, "%s\"k%d\": %d", i ? ", " : "", i, i);
        at += snprintf(line + at, sizeof line - (size_t)at, "}");
        assert_int_equal(compare(line, at), n <= WNI_FLAT_MEMBERS);
    }
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(plain_lines_are_taken),
        cmocka_unit_test(others_are_left),
        cmocka_unit_test(mangled_lines),
        cmocka_unit_test(too_many_members_are_left),
    };

    return cmocka_run_group_tests_name("pool: json flat", tests, NULL, NULL);
}
