/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <string.h>
#include <unistd.h>

#include <zlib.h>
#include <zstd.h>
#include <zstd_errors.h>

#include "io/infile.h"
#include "io/linereader.h"
#include "io/suffix.h"

#define IN_BYTES  ((int64_t)128 << 10)
#define BUF_BYTES ((int64_t)256 << 10)

typedef enum form { PLAIN, GZIP, ZSTD } form;

struct wni_lines {
    wn_ctx *ctx;
    char *path;
    wni_infile file;
    form form;
    int64_t max_bytes, number;

    unsigned char *in; /* bytes of the file */
    int64_t in_at, in_end;
    int eof;

    z_stream gz;
    int gz_ready;
    ZSTD_DStream *zstd;
    int open;    /* inside a gzip member or a zstd frame */
    int parts;   /* members or frames that were begun */
    int drained; /* nothing more will come */

    char *buf; /* decoded bytes; [at, end) is not handed out yet */
    int64_t at, end, room;
};

/* ---- bytes of the file ------------------------------------------------------------------------- */

static wn_status refill(wni_lines *l)
{
    ssize_t got;

    if (l->in_at < l->in_end || l->eof) return WN_OK;
    do {
        got = read(l->file.fd, l->in, (size_t)IN_BYTES);
    } while (got < 0 && errno == EINTR);
    if (got < 0) return wni_fail(l->ctx, WN_E_IO, "%s: cannot read: %s", l->path, strerror(errno));
    l->in_at = 0;
    l->in_end = got;
    l->eof = got == 0;
    return WN_OK;
}

static wn_status truncated(const wni_lines *l)
{
    return wni_fail(l->ctx, WN_E_DATA,
                    "%s: the compressed data ends in the middle (after line %lld): the file is "
                    "truncated, copy or download it again",
                    l->path, (long long)l->number);
}

static wn_status damaged(const wni_lines *l, const char *why)
{
    return wni_fail(l->ctx, WN_E_DATA,
                    "%s: the compressed data is damaged (after line %lld: %s): copy or download "
                    "the file again",
                    l->path, (long long)l->number, why ? why : "no reason given");
}

/* ---- decoding: up to `room` bytes into dst, *got = 0 only at the end ------------------------------- */

static wn_status decode_plain(wni_lines *l, char *dst, int64_t room, int64_t *got)
{
    wn_status st = refill(l);

    if (st != WN_OK) return st;
    *got = wni_min(room, l->in_end - l->in_at);
    memcpy(dst, l->in + l->in_at, (size_t)*got);
    l->in_at += *got;
    return WN_OK;
}

/* zlib's memory comes from the context, so that it counts and can fail in tests. */
static voidpf gz_alloc(voidpf opaque, uInt items, uInt size)
{
    return wni_alloc(opaque, items, size);
}

static void gz_free(voidpf opaque, voidpf p)
{
    wni_free(opaque, p);
}

/* Between members: zero bytes of padding may follow the last one, anything else may not. */
static wn_status gz_begin_member(wni_lines *l)
{
    int padded = 0;

    while (l->parts && l->in_at < l->in_end && l->in[l->in_at] == 0) {
        l->in_at++;
        padded = 1;
    }
    if (l->in_at == l->in_end) return WN_OK;
    if (padded || l->in[l->in_at] != 0x1f) return damaged(l, "other bytes follow its end");
    inflateReset(&l->gz);
    l->open = 1;
    l->parts++;
    return WN_OK;
}

static wn_status decode_gzip(wni_lines *l, char *dst, int64_t room, int64_t *got)
{
    wn_status st = WN_OK;

    *got = 0;
    while (*got == 0) {
        int64_t before;
        int rc;

        WNI_TRY(refill(l));
        if (!l->open && l->in_at < l->in_end) WNI_TRY(gz_begin_member(l));
        if (!l->open) {
            if (l->eof) break;
            continue;
        }
        before = l->in_at;
        l->gz.next_in = l->in + l->in_at;
        l->gz.avail_in = (uInt)(l->in_end - l->in_at);
        l->gz.next_out = (unsigned char *)dst;
        l->gz.avail_out = (uInt)room;
        rc = inflate(&l->gz, Z_NO_FLUSH);
        l->in_at = l->in_end - l->gz.avail_in;
        *got = room - l->gz.avail_out;
        if (rc == Z_STREAM_END)
            l->open = 0;
        else if (rc == Z_MEM_ERROR)
            return WN_E_NOMEM;
        else if (rc != Z_OK && rc != Z_BUF_ERROR)
            return damaged(l, l->gz.msg);
        else if (l->eof && *got == 0 && l->in_at == before)
            return truncated(l);
    }
done:
    return st;
}

static wn_status decode_zstd(wni_lines *l, char *dst, int64_t room, int64_t *got)
{
    wn_status st = WN_OK;
    ZSTD_outBuffer out = {dst, (size_t)room, 0};

    while (out.pos == 0) {
        ZSTD_inBuffer in;
        size_t rc;

        WNI_TRY(refill(l));
        if (!l->open && l->eof) break;
        in = (ZSTD_inBuffer){l->in, (size_t)l->in_end, (size_t)l->in_at};
        rc = ZSTD_decompressStream(l->zstd, &out, &in);
        if (ZSTD_isError(rc)) {
            if (ZSTD_getErrorCode(rc) == ZSTD_error_frameParameter_windowTooLarge)
                return wni_fail(l->ctx, WN_E_BUDGET,
                                "%s: its zstd window does not fit the memory budget: raise "
                                "--memory, or compress it without --long",
                                l->path);
            return damaged(l, ZSTD_getErrorName(rc));
        }
        if (l->eof && out.pos == 0 && in.pos == (size_t)l->in_at) return truncated(l);
        l->in_at = (int64_t)in.pos;
        l->open = rc != 0;
    }
done:
    *got = (int64_t)out.pos;
    return st;
}

/* ---- opening ----------------------------------------------------------------------------------- */

/* A zstd file begins with a frame or a skippable frame. */
static form form_of(const unsigned char *in, int64_t bytes)
{
    uint32_t magic;

    if (bytes >= 2 && in[0] == 0x1f && in[1] == 0x8b) return GZIP;
    if (bytes < 4) return PLAIN;
    magic = (uint32_t)in[0] | (uint32_t)in[1] << 8 | (uint32_t)in[2] << 16 | (uint32_t)in[3] << 24;
    return magic == 0xfd2fb528u || (magic & 0xfffffff0u) == 0x184d2a50u ? ZSTD : PLAIN;
}

static wn_status open_decoder(wni_lines *l)
{
    const char *named =
        wni_has_suffix(l->path, ".gz") ? "gzip" : (wni_has_suffix(l->path, ".zst") ? "zstd" : NULL);
    int window = 31;

    l->form = form_of(l->in, l->in_end);
    if (l->form == PLAIN && named)
        return wni_fail(l->ctx, WN_E_DATA, "%s: not %s data, as its name says: %s", l->path, named,
                        l->in_end ? "rename it if it is plain text, else copy it again"
                                  : "the file is empty");
    if (l->form == GZIP) {
        l->gz.zalloc = gz_alloc;
        l->gz.zfree = gz_free;
        l->gz.opaque = l->ctx;
        if (inflateInit2(&l->gz, 15 + 16) != Z_OK) return WN_E_NOMEM;
        l->gz_ready = 1;
    }
    if (l->form == ZSTD) {
        l->zstd = ZSTD_createDStream();
        if (!l->zstd) return wni_nomem(l->ctx, sizeof *l);
        while (window > 23 && ((int64_t)1 << window) > wni_budget_left(l->ctx) / 2)
            window--;
        ZSTD_DCtx_setParameter(l->zstd, ZSTD_d_windowLogMax, window);
    }
    return WN_OK;
}

wn_status wni_lines_open(wn_ctx *ctx, const char *path, int64_t max_bytes, wni_lines **out)
{
    wni_lines *l = wni_calloc(ctx, 1, sizeof *l);
    wn_status st = WN_OK;

    *out = NULL;
    if (!l) return WN_E_NOMEM;
    l->ctx = ctx;
    l->file.fd = -1;
    l->max_bytes = max_bytes;
    l->room = wni_min(BUF_BYTES, max_bytes) + 1;
    if (!(l->path = wni_strdup(ctx, path))) {
        st = WN_E_NOMEM;
        goto done;
    }
    WNI_NEW(ctx, l->in, IN_BYTES);
    WNI_NEW(ctx, l->buf, l->room);
    WNI_TRY(wni_infile_open(ctx, path, &l->file));
    WNI_TRY(refill(l));
    WNI_TRY(open_decoder(l));
done:
    if (st == WN_OK)
        *out = l;
    else
        wni_lines_free(l);
    return st;
}

void wni_lines_free(wni_lines *l)
{
    if (!l) return;
    if (l->gz_ready) inflateEnd(&l->gz);
    ZSTD_freeDStream(l->zstd);
    wni_infile_close(l->ctx, &l->file);
    wni_free(l->ctx, l->buf);
    wni_free(l->ctx, l->in);
    wni_free(l->ctx, l->path);
    wni_free(l->ctx, l);
}

/* ---- lines ------------------------------------------------------------------------------------- */

/* More decoded bytes behind `end`; one byte of room stays for the ending zero. */
static wn_status fill(wni_lines *l)
{
    int64_t got = 0;
    wn_status st = wni_poll(l->ctx);

    if (st != WN_OK) return st;
    if (l->at > 0) {
        memmove(l->buf, l->buf + l->at, (size_t)(l->end - l->at));
        l->end -= l->at;
        l->at = 0;
    }
    if (l->end == l->room - 1) {
        char *buf;

        if (l->end > l->max_bytes) {
            char text[24];

            return wni_fail(l->ctx, WN_E_DATA,
                            "%s line %lld: longer than %s: expected one record per line", l->path,
                            (long long)l->number + 1, wni_bytes_text(l->max_bytes, text));
        }
        buf = wni_grow(l->ctx, l->buf, l->end, l->room * 2, 1);
        if (!buf) return WN_E_NOMEM;
        l->buf = buf;
        l->room *= 2;
    }
    if (l->form == GZIP)
        st = decode_gzip(l, l->buf + l->end, l->room - 1 - l->end, &got);
    else if (l->form == ZSTD)
        st = decode_zstd(l, l->buf + l->end, l->room - 1 - l->end, &got);
    else
        st = decode_plain(l, l->buf + l->end, l->room - 1 - l->end, &got);
    if (st != WN_OK) return st;
    l->end += got;
    l->drained = got == 0;
    return WN_OK;
}

static wn_status check_utf8(const wni_lines *l, const char *text, int64_t bytes)
{
    int64_t bad = wni_utf8_bad(text, bytes);
    unsigned byte;
    int utf16;

    if (bad < 0) return WN_OK;
    byte = (unsigned char)text[bad];
    utf16 = byte == 0 || (l->number == 1 && bad == 0 && (byte == 0xff || byte == 0xfe));
    return wni_fail(l->ctx, WN_E_DATA, "%s line %lld: byte %lld (0x%02x) is not UTF-8 text: %s",
                    l->path, (long long)l->number, (long long)bad + 1, byte,
                    utf16 ? "the file looks like UTF-16, convert it with iconv -f UTF-16 -t UTF-8"
                          : "convert the file, for example with iconv -f LATIN1 -t UTF-8");
}

wn_status wni_lines_next(wni_lines *l, char **text, int64_t *bytes, int64_t *number)
{
    char *end = NULL;
    int64_t seen = 0;
    wn_status st;

    *text = NULL;
    *bytes = 0;
    for (;;) {
        end = memchr(l->buf + l->at + seen, '\n', (size_t)(l->end - l->at - seen));
        seen = end ? end - (l->buf + l->at) : l->end - l->at;
        if (seen > l->max_bytes) {
            char size[24];

            return wni_fail(l->ctx, WN_E_DATA,
                            "%s line %lld: longer than %s: expected one record per line", l->path,
                            (long long)l->number + 1, wni_bytes_text(l->max_bytes, size));
        }
        if (end || l->drained) break;
        if ((st = fill(l)) != WN_OK) return st;
    }
    if (!end && seen == 0) return WN_OK;
    *text = l->buf + l->at;
    *bytes = seen;
    (*text)[seen] = 0;
    l->at += seen + (end ? 1 : 0);
    l->number++;
    if (l->number == 1 && *bytes >= 3 && memcmp(*text, "\xef\xbb\xbf", 3) == 0) {
        *text += 3;
        *bytes -= 3;
    }
    *number = l->number;
    return check_utf8(l, *text, *bytes);
}

/* ---- UTF-8 ------------------------------------------------------------------------------------- */

/* Length of the well-formed sequence at s (RFC 3629: shortest form, no surrogates, up to U+10FFFF), or 0. */
static int sequence(const unsigned char *s, int64_t left)
{
    unsigned low = 0x80, high = 0xbf;
    int length;

    if (s[0] < 0x80) return s[0] != 0;
    if (s[0] < 0xc2 || s[0] > 0xf4) return 0;
    length = s[0] < 0xe0 ? 2 : (s[0] < 0xf0 ? 3 : 4);
    if (length > left) return 0;
    if (s[0] == 0xe0) low = 0xa0;
    if (s[0] == 0xed) high = 0x9f;
    if (s[0] == 0xf0) low = 0x90;
    if (s[0] == 0xf4) high = 0x8f;
    if (s[1] < low || s[1] > high) return 0;
    for (int i = 2; i < length; i++)
        if ((s[i] & 0xc0) != 0x80) return 0;
    return length;
}

int64_t wni_utf8_bad(const char *text, int64_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    const uint64_t ones = 0x0101010101010101u, tops = 0x8080808080808080u;
    int64_t i = 0;

    while (i < bytes) {
        int length;
        uint64_t word;

        /* Eight bytes of plain ASCII at a time: no top bit, no zero. */
        while (i + 8 <= bytes) {
            memcpy(&word, s + i, 8);
            if ((word & tops) || ((word - ones) & ~word & tops)) break;
            i += 8;
        }
        if (i == bytes) break;
        length = sequence(s + i, bytes - i);
        if (length == 0) return i;
        i += length;
    }
    return -1;
}
