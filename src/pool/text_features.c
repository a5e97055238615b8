/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>

#define XXH_INLINE_ALL
#include <xxhash.h>

#include "pool/text_features.h"

#define LONGEST 16 /* n-gram */
#define SLACK   64 /* slots behind the table, so that a run at its end need not wrap */

void wni_features_init(wn_ctx *ctx, wni_features *f)
{
    memset(f, 0, sizeof *f);
    f->ctx = ctx;
}

void wni_features_free(wni_features *f)
{
    wni_free(f->ctx, f->text);
    wni_free(f->ctx, f->slot);
    wni_free(f->ctx, f->slot_count);
    wni_free(f->ctx, f->hash);
    wni_free(f->ctx, f->count);
    wni_free(f->ctx, f->weight);
}

/* ---- words ------------------------------------------------------------------------------------- */

/* One well-formed character beyond ASCII at s, or 0 with *length = 1. */
static uint32_t decode(const unsigned char *s, int64_t left, int *length)
{
    int n = s[0] < 0xc2 ? 0 : s[0] < 0xe0 ? 2 : s[0] < 0xf0 ? 3 : s[0] < 0xf5 ? 4 : 0;
    uint32_t code;

    *length = 1;
    if (n == 0 || n > left) return 0;
    code = s[0] & (0xffu >> (n + 1));
    for (int i = 1; i < n; i++) {
        if ((s[i] & 0xc0) != 0x80) return 0;
        code = code << 6 | (s[i] & 0x3fu);
    }
    *length = n;
    return code;
}

/* Blocks of Unicode that hold no letters or digits, with the joiners of Persian and Indic words left in. */
static int is_separator(uint32_t c)
{
    static const uint32_t ranges[][2] = {
        {0, 0xa9},        {0xab, 0xb4},     {0xb6, 0xb9},     {0xbb, 0xbf},     {0xd7, 0xd7},
        {0xf7, 0xf7},     {0x2000, 0x200b}, {0x200e, 0x206f}, {0x20a0, 0x20cf}, {0x2190, 0x2bff},
        {0x3000, 0x3004}, {0x3008, 0x3020}, {0x3030, 0x3030}, {0xfe10, 0xfe1f}, {0xfe30, 0xfe6f},
        {0xfeff, 0xfeff}, {0xff00, 0xff0f}, {0xff1a, 0xff20}, {0xff3b, 0xff40}, {0xff5b, 0xff65},
        {0xffe0, 0xffff},
    };

    for (size_t i = 0; i < sizeof ranges / sizeof ranges[0] && c >= ranges[i][0]; i++)
        if (c <= ranges[i][1]) return 1;
    return 0;
}

/* Lower case where it has as many bytes of UTF-8 as upper case. */
static uint32_t lower(uint32_t c)
{
    if (c >= 0xc0 && c <= 0xde)
        return c + 0x20; /* Latin-1; the multiplication sign came out before */
    if (c >= 0x391 && c <= 0x3a9) return c + 0x20;
    if (c >= 0x410 && c <= 0x42f) return c + 0x20;
    if (c >= 0x400 && c <= 0x40f) return c + 0x50;
    return c;
}

static int ascii_word(unsigned char c)
{
    return (c >= 'a' && c <= 'z') || (c >= 'A' && c <= 'Z') || (c >= '0' && c <= '9');
}

wn_status wni_features_words(wni_features *f, const char *text, int64_t bytes)
{
    const unsigned char *s = (const unsigned char *)text;
    char *out;

    if (bytes + 2 > f->text_room) {
        int64_t room = wni_max(4096, (bytes + 2) * 2);

        wni_free(f->ctx, f->text);
        f->text_room = 0;
        f->text = wni_alloc(f->ctx, room, 1);
        if (!f->text) return WN_E_NOMEM;
        f->text_room = room;
    }
    out = f->text;
    *out++ = ' ';
    for (int64_t i = 0; i < bytes;) {
        int length = 1;

        if (s[i] < 0x80) {
            if (ascii_word(s[i]))
                *out++ = (char)(s[i] >= 'A' && s[i] <= 'Z' ? s[i] + 32 : s[i]);
            else if (out[-1] != ' ')
                *out++ = ' ';
        } else {
            uint32_t c = decode(s + i, bytes - i, &length);

            if (is_separator(c)) {
                if (out[-1] != ' ') *out++ = ' ';
            } else if (length == 2) {
                c = lower(c);
                *out++ = (char)(0xc0 | c >> 6);
                *out++ = (char)(0x80 | (c & 0x3f));
            } else {
                memcpy(out, s + i, (size_t)length);
                out += length;
            }
        }
        i += length;
    }
    if (out[-1] != ' ') *out++ = ' ';
    f->text_bytes = out - f->text;
    return WN_OK;
}

/* ---- counting ---------------------------------------------------------------------------------- */

/* The table is indexed by the top bits and runs never wrap, so that reading it from front to back gives the
 * hashes almost in order. */
static wn_status table_reset(wni_features *f, int64_t slots)
{
    if (slots + SLACK > f->slot_room) {
        wn_status st = wni_budget_need(f->ctx, (slots + SLACK) * 12, "one long text");

        if (st != WN_OK) return st;
        wni_free(f->ctx, f->slot);
        wni_free(f->ctx, f->slot_count);
        f->slot_room = 0;
        f->slot = wni_alloc(f->ctx, slots + SLACK, sizeof *f->slot);
        f->slot_count = wni_alloc(f->ctx, slots + SLACK, sizeof *f->slot_count);
        if (!f->slot || !f->slot_count) return WN_E_NOMEM;
        f->slot_room = slots + SLACK;
    }
    f->slots = slots;
    f->n = 0;
    memset(f->slot, 0, (size_t)(slots + SLACK) * sizeof *f->slot);
    return WN_OK;
}

static int table_shift(int64_t slots)
{
    return 64 - __builtin_ctzll((unsigned long long)slots);
}

/* Adds `count` of a feature; 0 when the table must grow first. */
static int table_add(wni_features *f, uint64_t hash, uint32_t count, int shift)
{
    int64_t at = (int64_t)(hash >> shift);

    while (f->slot[at] != 0 && f->slot[at] != hash)
        if (++at == f->slots + SLACK) return 0;
    if (f->slot[at] == hash) {
        f->slot_count[at] += count;
        return 1;
    }
    if (f->n * 2 >= f->slots) return 0;
    f->slot[at] = hash;
    f->slot_count[at] = count;
    f->n++;
    return 1;
}

/* Twice the slots, or more while a run still reaches the end. */
static wn_status table_grow(wni_features *f)
{
    uint64_t *slot = f->slot;
    uint32_t *slot_count = f->slot_count;
    int64_t old = f->slots + SLACK, slots = f->slots;
    wn_status st;
    int done = 0;

    f->slot = NULL;
    f->slot_count = NULL;
    f->slot_room = 0;
    do {
        int shift;

        slots *= 2;
        if ((st = table_reset(f, slots)) != WN_OK) break;
        shift = table_shift(slots);
        done = 1;
        for (int64_t i = 0; i < old && done; i++)
            if (slot[i]) done = table_add(f, slot[i], slot_count[i], shift);
    } while (!done);
    wni_free(f->ctx, slot);
    wni_free(f->ctx, slot_count);
    return st;
}

static wn_status add(wni_features *f, const char *text, int64_t bytes, uint64_t seed, int *shift)
{
    uint64_t hash = XXH3_64bits_withSeed(text, (size_t)bytes, seed);

    if (hash == 0) hash = 1;
    while (!table_add(f, hash, 1, *shift)) {
        wn_status st = table_grow(f);

        if (st != WN_OK) return st;
        *shift = table_shift(f->slots);
    }
    return WN_OK;
}

/* The features out of the table; insertion sort, since each is at most a run away from its place. */
static wn_status table_list(wni_features *f)
{
    int64_t n = 0;

    if (f->n > f->room) {
        int64_t room = wni_max(256, f->n * 2);

        wni_free(f->ctx, f->hash);
        wni_free(f->ctx, f->count);
        wni_free(f->ctx, f->weight);
        f->room = 0;
        f->hash = wni_alloc(f->ctx, room, sizeof *f->hash);
        f->count = wni_alloc(f->ctx, room, sizeof *f->count);
        f->weight = wni_alloc(f->ctx, room, sizeof *f->weight);
        if (!f->hash || !f->count || !f->weight) return WN_E_NOMEM;
        f->room = room;
    }
    for (int64_t i = 0; n < f->n; i++) {
        uint64_t hash = f->slot[i];
        int64_t at = n;

        if (hash == 0) continue;
        for (; at > 0 && f->hash[at - 1] > hash; at--) {
            f->hash[at] = f->hash[at - 1];
            f->count[at] = f->count[at - 1];
        }
        f->hash[at] = hash;
        f->count[at] = f->slot_count[i];
        n++;
    }
    return WN_OK;
}

/* ---- n-grams ----------------------------------------------------------------------------------- */

/* n-grams of whole words: the bytes from the first word to the last, spaces between. */
static wn_status count_words(wni_features *f, uint32_t lengths, int *shift)
{
    const char *start[LONGEST]; /* of the last words */
    const char *p = f->text + 1, *end = f->text + f->text_bytes;
    wn_status st = WN_OK;

    for (int64_t word = 0; p < end; word++) {
        const char *stop = memchr(p, ' ', (size_t)(end - p));

        start[word % LONGEST] = p;
        for (int n = 1; n <= LONGEST && n <= word + 1; n++)
            if (lengths >> n & 1) {
                const char *first = start[(word - n + 1) % LONGEST];
                WNI_TRY(add(f, first, stop - first, WNI_WORDS + 1, shift));
            }
        if ((word & 4095) == 4095) WNI_TRY(wni_poll(f->ctx));
        p = stop + 1;
    }
done:
    return st;
}

/* n-grams of the characters of " word ". */
static wn_status count_chars(wni_features *f, uint32_t lengths, int *shift)
{
    const char *start[LONGEST]; /* of the last characters */
    const char *p = f->text, *end = f->text + f->text_bytes;
    int64_t in_word = 0;
    wn_status st = WN_OK;

    for (int64_t i = 0; p < end; i++) {
        const char *stop = p + 1;

        while (stop < end && (*stop & 0xc0) == 0x80)
            stop++;
        start[in_word++ % LONGEST] = p;
        for (int n = 1; n <= LONGEST && n <= in_word; n++)
            if ((lengths >> n & 1) && !(n == 1 && *p == ' ')) {
                const char *first = start[(in_word - n) % LONGEST];
                WNI_TRY(add(f, first, stop - first, WNI_CHARS + 1, shift));
            }
        if (*p == ' ') { /* it ends one word and begins the next */
            start[0] = p;
            in_word = 1;
        }
        if ((i & 16383) == 16383) WNI_TRY(wni_poll(f->ctx));
        p = stop;
    }
done:
    return st;
}

wn_status wni_features_count(wni_features *f, wni_gram gram, uint32_t lengths)
{
    int64_t slots = 64;
    int shift;
    wn_status st = WN_OK;

    /* English has about one distinct word n-gram per five bytes and one character n-gram per byte. */
    while (slots < f->text_bytes * (gram == WNI_WORDS ? 1 : 3) && slots < 1 << 16)
        slots *= 2;
    WNI_TRY(table_reset(f, slots));
    shift = table_shift(slots);
    if (f->text_bytes > 1)
        WNI_TRY(gram == WNI_WORDS ? count_words(f, lengths, &shift)
                                  : count_chars(f, lengths, &shift));
    WNI_TRY(table_list(f));
done:
    return st;
}
