/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of plain and compressed files against a slow splitter of the same bytes.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <zlib.h>
#include <zstd.h>

#include "io/linereader.h"
#include "support/support.h"

/* ---- helpers ----------------------------------------------------------------------------------- */

/* Appends one gzip member, or zstd frame, of the bytes to out; returns the new length. */
static size_t add_gzip(unsigned char *out, size_t at, size_t room, const char *data, size_t bytes)
{
    z_stream z = {0};

    assert_int_equal(deflateInit2(&z, 6, Z_DEFLATED, 15 + 16, 8, Z_DEFAULT_STRATEGY), Z_OK);
    z.next_in = (unsigned char *)(uintptr_t)data;
    z.avail_in = (unsigned)bytes;
    z.next_out = out + at;
    z.avail_out = (unsigned)(room - at);
    assert_int_equal(deflate(&z, Z_FINISH), Z_STREAM_END);
    at = room - z.avail_out;
    deflateEnd(&z);
    return at;
}

static size_t add_zstd(unsigned char *out, size_t at, size_t room, const char *data, size_t bytes)
{
    size_t n = ZSTD_compress(out + at, room - at, data, bytes, 3);

    assert_false(ZSTD_isError(n));
    return at + n;
}

/* Many lines of all lengths, some empty, some with bytes beyond ASCII; ends without a line end. */
static char *make_text(size_t *bytes)
{
    char *text = malloc(3000000);
    size_t at = 0;

    for (int i = 0; i < 3000; i++) {
        int length = i == 1500 ? 700000 : (i * 7919) % 700;
        for (int j = 0; j + 2 < length; j += 2)
            memcpy(text + at + j, (i + j) % 11 ? "ab" : "\xc3\xa9", 2);
        if (length > 2) at += (size_t)((length - 1) / 2 * 2);
        if (i % 5 == 0) text[at++] = '\r';
        if (i < 2999) text[at++] = '\n';
    }
    *bytes = at;
    return text;
}

/* Reads the file and compares each line with the one in `text`. */
static void expect_lines(const char *path, const char *text, size_t bytes)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_lines *lines;
    const char *at = text, *end = text + bytes;
    char *line;
    int64_t length, number, expected = 0;

    ts_ok(ctx, wni_lines_open(ctx, path, WNI_LINE_MAX, &lines));
    for (;;) {
        const char *stop;

        ts_ok(ctx, wni_lines_next(lines, &line, &length, &number));
        if (!line) break;
        assert_true(at < end);
        stop = memchr(at, '\n', (size_t)(end - at));
        if (!stop) stop = end;
        assert_int_equal(number, ++expected);
        assert_int_equal(length, stop - at);
        assert_memory_equal(line, at, (size_t)length);
        assert_int_equal(line[length], 0);
        at = stop + 1;
    }
    assert_true(at >= end);
    ts_ok(ctx, wni_lines_next(lines, &line, &length, &number)); /* the end stays the end */
    assert_null(line);
    wni_lines_free(lines);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* Reading `path` to its end, or opening it, must fail so. */
static void expect_failure(const char *path, int64_t max_bytes, wn_status status, const char *part)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_lines *lines;
    char *line = NULL;
    int64_t length, number;
    wn_status st = wni_lines_open(ctx, path, max_bytes, &lines);

    while (st == WN_OK) {
        st = wni_lines_next(lines, &line, &length, &number);
        if (st == WN_OK && !line) fail_msg("%s: read to its end, expected: %s", path, part);
    }
    if (st != status || !strstr(wn_ctx_error(ctx), part) || !strstr(wn_ctx_error(ctx), path))
        fail_msg("%s: got %s \"%s\", expected \"%s\"", path, wn_status_name(st), wn_ctx_error(ctx),
                 part);
    wni_lines_free(lines);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

/* ---- tests ------------------------------------------------------------------------------------- */

static void test_plain(void **state)
{
    size_t bytes;
    char *text = make_text(&bytes);

    (void)state;
    ts_write_file(ts_path("a.txt"), text, bytes);
    expect_lines(ts_path("a.txt"), text, bytes);
    ts_write_file(ts_path("one.txt"), "x", 1);
    expect_lines(ts_path("one.txt"), "x", 1);
    ts_write_file(ts_path("none.txt"), "", 0);
    expect_lines(ts_path("none.txt"), "", 0);
    ts_write_file(ts_path("ends.txt"), "\n\n", 2);
    expect_lines(ts_path("ends.txt"), "\n\n", 2);
    free(text);
}

static void test_compressed(void **state)
{
    size_t bytes, at, room = 4000000;
    char *text = make_text(&bytes);
    unsigned char *out = malloc(room);

    (void)state;
    for (int zstd = 0; zstd < 2; zstd++) {
        const char *path = ts_path(zstd ? "a.zst" : "a.gz");
        size_t (*add)(unsigned char *, size_t, size_t, const char *, size_t) =
            zstd ? add_zstd : add_gzip;

        at = add(out, 0, room, text, bytes);
        ts_write_file(path, out, at);
        expect_lines(path, text, bytes);

        /* Members that end inside lines, and one of no bytes. */
        at = add(out, 0, room, text, 1000);
        at = add(out, at, room, text + 1000, 0);
        at = add(out, at, room, text + 1000, 500001);
        at = add(out, at, room, text + 501001, bytes - 501001);
        ts_write_file(path, out, at);
        expect_lines(path, text, bytes);
        if (!zstd) { /* tar and tapes pad with zeros */
            memset(out + at, 0, 3000);
            ts_write_file(path, out, at + 3000);
            expect_lines(path, text, bytes);
        }
    }
    /* A skippable frame, as some tools write in front. */
    memcpy(out, "\x50\x2a\x4d\x18\x03\x00\x00\x00xyz", 11);
    at = add_zstd(out, 11, room, text, bytes);
    ts_write_file(ts_path("skip.zst"), out, at);
    expect_lines(ts_path("skip.zst"), text, bytes);
    free(out);
    free(text);
}

static void test_cut_anywhere(void **state)
{
    unsigned char out[4096];
    char text[600];
    size_t at;

    (void)state;
    for (int i = 0; i < 600; i++)
        text[i] = i % 50 == 49 ? '\n' : (char)('a' + (i * i) % 23);
    for (int zstd = 0; zstd < 2; zstd++) {
        const char *path = ts_path(zstd ? "cut.zst" : "cut.gz");

        at = zstd ? add_zstd(out, 0, sizeof out, text, 600)
                  : add_gzip(out, 0, sizeof out, text, 600);
        for (size_t n = 4; n < at; n++) {
            ts_write_file(path, out, n);
            expect_failure(path, WNI_LINE_MAX, WN_E_DATA, "truncated");
        }
        ts_write_file(path, out, at);
        expect_lines(path, text, 600);
    }
}

static void test_damaged(void **state)
{
    unsigned char out[4096];
    size_t at;

    (void)state;
    at = add_gzip(out, 0, sizeof out, "abc\ndef\n", 8);
    out[at - 6] ^= 1; /* in the checksum */
    ts_write_file(ts_path("bad.gz"), out, at);
    expect_failure(ts_path("bad.gz"), WNI_LINE_MAX, WN_E_DATA, "is damaged");
    at = add_gzip(out, 0, sizeof out, "abc\ndef\n", 8);
    memcpy(out + at, "more", 4);
    ts_write_file(ts_path("bad.gz"), out, at + 4);
    expect_failure(ts_path("bad.gz"), WNI_LINE_MAX, WN_E_DATA, "other bytes follow");
    at = add_zstd(out, 0, sizeof out, "abc\ndef\n", 8);
    memcpy(out + at, "more", 4);
    ts_write_file(ts_path("bad.zst"), out, at + 4);
    expect_failure(ts_path("bad.zst"), WNI_LINE_MAX, WN_E_DATA, "is damaged");
    ts_write_file(ts_path("not.gz"), "{\"a\": 1}\n", 9);
    expect_failure(ts_path("not.gz"), WNI_LINE_MAX, WN_E_DATA, "not gzip data");
    ts_write_file(ts_path("empty.zst"), "", 0);
    expect_failure(ts_path("empty.zst"), WNI_LINE_MAX, WN_E_DATA, "the file is empty");
    expect_failure(ts_path("absent.txt"), WNI_LINE_MAX, WN_E_DATA, "cannot open");
    expect_failure(ts_tmp(), WNI_LINE_MAX, WN_E_DATA, "found a folder, expected a regular file");
}

static void test_length_limit(void **state)
{
    char text[2000];

    (void)state;
    memset(text, 'a', sizeof text);
    text[3] = '\n';
    text[1004] = '\n';
    ts_write_file(ts_path("long.txt"), text, sizeof text);
    expect_failure(ts_path("long.txt"), 999, WN_E_DATA, "line 2: longer than 999 bytes");
    expect_failure(ts_path("long.txt"), 10, WN_E_DATA, "line 2: longer than 10 bytes");
    text[1500] = '\n';
    ts_write_file(ts_path("long.txt"), text, sizeof text);
    expect_lines(ts_path("long.txt"), text, sizeof text);
}

/* Well-formedness the slow way: decode, then ask whether encoding gives the same bytes. */
static int well_formed(const unsigned char *s, int n)
{
    for (int i = 0; i < n;) {
        int length = s[i] < 0x80 ? 1 : s[i] < 0xc0 ? 9 : s[i] < 0xe0 ? 2 : s[i] < 0xf0 ? 3 : 4;
        unsigned code = s[i];
        static const unsigned lowest[] = {0, 1, 0x80, 0x800, 0x10000};

        if (length == 9 || i + length > n) return 0;
        if (length > 1) code &= 0xffu >> (length + 1);
        for (int j = 1; j < length; j++) {
            if (s[i + j] >> 6 != 2) return 0;
            code = code << 6 | (s[i + j] & 63u);
        }
        if (s[i] >= 0xf8 || code < lowest[length] || code > 0x10ffff ||
            (code >= 0xd800 && code < 0xe000))
            return 0;
        i += length;
    }
    return 1;
}

static void test_utf8(void **state)
{
    static const unsigned char some[] = {0x00, 0x01, 0x41, 0x7f, 0x80, 0x8f, 0x90, 0x9f, 0xa0,
                                         0xbf, 0xc0, 0xc1, 0xc2, 0xdf, 0xe0, 0xe1, 0xec, 0xed,
                                         0xee, 0xef, 0xf0, 0xf1, 0xf3, 0xf4, 0xf5, 0xff};
    const int m = sizeof some;
    unsigned char s[16];

    (void)state;
    for (int i = 0; i < m * m * m * m; i++) {
        s[0] = some[i % m];
        s[1] = some[i / m % m];
        s[2] = some[i / m / m % m];
        s[3] = some[i / m / m / m];
        if (well_formed(s, 4) != (wni_utf8_bad((char *)s, 4) < 0))
            fail_msg("%02x %02x %02x %02x", s[0], s[1], s[2], s[3]);
    }
    /* The eight-byte stride finds the position too. */
    for (int i = 0; i < 16; i++) {
        memset(s, 'x', 16);
        assert_int_equal(wni_utf8_bad((char *)s, 16), -1);
        s[i] = i % 2 ? 0 : 0xff;
        assert_int_equal(wni_utf8_bad((char *)s, 16), i);
    }
    ts_write_file(ts_path("latin.txt"), "ok\nna\xefve\n", 9);
    expect_failure(ts_path("latin.txt"), WNI_LINE_MAX, WN_E_DATA, "line 2: byte 3 (0xef)");
    ts_write_file(ts_path("utf16.txt"),
                  "\xff\xfe"
                  "a\0\n\0",
                  6);
    expect_failure(ts_path("utf16.txt"), WNI_LINE_MAX, WN_E_DATA, "looks like UTF-16");
    ts_write_file(ts_path("bom.txt"), "\xef\xbb\xbfhello\nyou", 12);
    expect_lines(ts_path("bom.txt"), "hello\nyou", 9);
}

static void test_allocation_failures(void **state)
{
    unsigned char out[4096];
    char text[600];
    size_t at;

    (void)state;
    memset(text, 'a', sizeof text);
    text[300] = '\n';
    at = add_gzip(out, 0, sizeof out, text, sizeof text);
    ts_write_file(ts_path("fail.gz"), out, at);
    for (int64_t i = 0;; i++) {
        ts_alloc alloc = {0, i, 0};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wni_lines *lines;
        char *line = text;
        int64_t length, number;
        wn_status st = wni_lines_open(ctx, ts_path("fail.gz"), WNI_LINE_MAX, &lines);

        while (st == WN_OK && line)
            st = wni_lines_next(lines, &line, &length, &number);
        wni_lines_free(lines);
        assert_int_equal(wn_ctx_live_bytes(ctx), 0);
        wn_ctx_free(ctx);
        if (st == WN_OK) {
            assert_true(i >= 4);
            break;
        }
        assert_int_equal(st, WN_E_NOMEM);
    }
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
        cmocka_unit_test(test_plain),
        cmocka_unit_test(test_compressed),
        cmocka_unit_test(test_cut_anywhere),
        cmocka_unit_test(test_damaged),
        cmocka_unit_test(test_length_limit),
        cmocka_unit_test(test_utf8),
        cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
