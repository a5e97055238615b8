/* SPDX-License-Identifier: Apache-2.0
 *
 * Text files with random damage: a table comes out, or one line that says what is wrong; never a crash, a leak,
 * or a half-made database. Deterministic; run it under the sanitizers.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "base/rng.h"
#include "support/support.h"

#define ROUNDS 1000

static const char json[] =
    "{\"id\": \"a\", \"n\": 1, \"x\": -2.5e3, \"text\": \"caf\\u00e9 \\\"quoted\\\"\"}\n"
    "{\"id\": \"b\", \"deep\": {\"k\": [1, \"}\", {}]}, \"flag\": true, \"text\": null}\n\n"
    "{\"id\": \"c\", \"n\": \"7\", \"text\": \"\xe6\x97\xa5\xe6\x9c\xac\"}";
static const char csv[] = "id,n,text\r\n1,2.5,\"a, \"\"b\"\"\nc\"\r\n2,,plain\r\n\r\n3,7,\"\"\r\n";
static const char tsv[] = "id\tn\ttext\n1\t2\t\"a \"\"b\"\"\"\n2\t\tx\"y\n3\t7\t\n";

/* Bytes that mean something to one of the formats come up often. */
static const char spice[] = "\"\",,\t\n\r{}[]:\\\x00\xff\xc3\xe2\x1f\x8b(\xb5/\xfd";

static size_t damage(unsigned char *data, size_t bytes, size_t room, uint64_t round)
{
    int edits = 1 + (int)wni_rand_below(1, 10, round, 4);

    for (int e = 0; e < edits; e++) {
        uint64_t i = round * 8 + (uint64_t)e;
        size_t at = bytes ? (size_t)wni_rand_below(1, 11, i, (int64_t)bytes) : 0;
        unsigned char byte = wni_rand_below(1, 12, i, 2)
                                 ? (unsigned char)spice[wni_rand_below(1, 13, i, sizeof spice - 1)]
                                 : (unsigned char)wni_rand_below(1, 14, i, 256);

        switch (wni_rand_below(1, 15, i, 4)) {
        case 0: /* replace */
            if (bytes) data[at] = byte;
            break;
        case 1: /* insert */
            if (bytes == room) break;
            memmove(data + at + 1, data + at, bytes - at);
            data[at] = byte;
            bytes++;
            break;
        case 2: /* cut out */
            if (!bytes) break;
            memmove(data + at, data + at + 1, bytes - at - 1);
            bytes--;
            break;
        default: /* cut off */
            if (wni_rand_below(1, 16, i, 4) == 0) bytes = at;
        }
    }
    return bytes;
}

static size_t pack(const char *ending, const char *text, size_t bytes, unsigned char *out,
                   size_t room)
{
    z_stream z = {0};
    size_t n;

    if (strstr(ending, ".zst")) {
        n = ZSTD_compress(out, room, text, bytes, 1);
        assert_false(ZSTD_isError(n));
        return n;
    }
    if (!strstr(ending, ".gz")) {
        memcpy(out, text, bytes);
        return bytes;
    }
    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)text;
    z.avail_in = (unsigned)bytes;
    z.next_out = out;
    z.avail_out = (unsigned)room;
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    n = room - z.avail_out;
    deflateEnd(&z);
    return n;
}

static void fuzz(const char *name, const char *text, size_t bytes)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    unsigned char data[2048];
    const char *path = ts_path(name);
    int made = 0, refused = 0;

    for (uint64_t round = 0; round < ROUNDS; round++) {
        size_t n = pack(name, text, bytes, data, sizeof data);
        wn_table_options opt;
        wn_table *table = NULL;
        wn_status st;

        n = damage(data, n, sizeof data, round);
        ts_write_file(path, data, n);
        wn_table_options_init(&opt);
        opt.id = round % 3 ? NULL : "id";
        opt.text = round % 5 ? NULL : "text";
        st = wn_table_build(ctx, &path, 1, ":memory:", &opt, &table);
        if (st == WN_OK) {
            const char *cell;

            for (int64_t row = 0; row < wn_table_rows(table); row++)
                for (int32_t c = 0; c < wn_table_columns(table); c++)
                    ts_ok(ctx, wn_table_text(table, row, c, &cell));
            wn_table_free(table);
            made++;
        } else {
            if ((st != WN_E_DATA && st != WN_E_BUDGET) || !strstr(wn_ctx_error(ctx), path))
                fail_msg("%s round %d: %s: %s", name, (int)round, wn_status_name(st),
                         wn_ctx_error(ctx));
            assert_null(table);
            refused++;
        }
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    }
    assert_true(refused > ROUNDS / 20);
    if (!strstr(name, ".gz") && !strstr(name, ".zst")) assert_true(made > ROUNDS / 20);
    wn_ctx_free(ctx);
}

static void test_text(void **state)
{
    (void)state;
    fuzz("f.jsonl", json, sizeof json - 1);
    fuzz("f.csv", csv, sizeof csv - 1);
    fuzz("f.tsv", tsv, sizeof tsv - 1);
}

static void test_compressed(void **state)
{
    (void)state;
    fuzz("f.jsonl.gz", json, sizeof json - 1);
    fuzz("f.csv.zst", csv, sizeof csv - 1);
}

static int teardown(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_text),
        cmocka_unit_test(test_compressed),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
