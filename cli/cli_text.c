/* SPDX-License-Identifier: Apache-2.0
 *
 * Text for people: errors, numbers, wrapped lines, counts.
 */
#include <inttypes.h>
#include <math.h>
#include <stdarg.h>
#include <stdlib.h>
#include <string.h>

#include "cli.h"

#define COLUMNS_MAX 96

void *cli_grow(void *old, size_t count, size_t bytes)
{
    void *p = realloc(old, (count ? count : 1) * bytes);

    if (!p) {
        cli_error("out of memory");
        exit(CLI_FAILED);
    }
    return p;
}

void cli_error(const char *format, ...)
{
    char text[2048];
    va_list args;

    va_start(args, format);
    vsnprintf(text, sizeof text, format, args);
    va_end(args);
    for (char *c = text; *c; c++)
        if (*c == '\n' || *c == '\r') *c = ' ';
    fprintf(stderr, "winnow: %s\n", text);
}

void cli_error_unknown(const char *what, const char *dashes, const char *word,
                       const char *const *names, int32_t count, const char *hint)
{
    const char *near = wn_nearest(word, names, count);

    if (near && *dashes)
        cli_error("unknown %s %s%s; did you mean --%s?", what, dashes, word, near);
    else if (near)
        cli_error("unknown %s '%s'; did you mean %s?", what, word, near);
    else if (*dashes)
        cli_error("unknown %s %s%s; %s", what, dashes, word, hint);
    else
        cli_error("unknown %s '%s'; %s", what, word, hint);
}

int cli_stdout_end(int code)
{
    if (fflush(stdout) == 0 && !ferror(stdout)) return code;
    cli_error("standard output could not be written");
    return code == CLI_OK ? CLI_FAILED : code;
}

/* ---- numbers ---------------------------------------------------------------------------------- */

const char *cli_count_text(int64_t count, char *buf)
{
    char digits[24];
    int n = snprintf(digits, sizeof digits, "%" PRIu64,
                     count < 0 ? (uint64_t)0 - (uint64_t)count : (uint64_t)count);
    char *out = buf;

    if (count < 0) *out++ = '-';
    for (int i = 0; i < n; i++) {
        if (i && (n - i) % 3 == 0) *out++ = ',';
        *out++ = digits[i];
    }
    *out = 0;
    return buf;
}

static const char *bytes_text(double bytes, bool up, char *buf)
{
    static const char *const unit[] = {"bytes", "KiB", "MiB", "GiB", "TiB", "PiB"};
    int u = 0;

    for (; bytes >= 1024 && u < 5; u++)
        bytes /= 1024;
    if (up && u > 0) bytes = bytes < 100 ? ceil(bytes * 10) / 10 : ceil(bytes);
    snprintf(buf, 32, u == 0 ? "%.0f %s" : bytes < 100 ? "%.1f %s" : "%.0f %s", bytes, unit[u]);
    return buf;
}

const char *cli_bytes_text(double bytes, char *buf)
{
    return bytes_text(bytes, false, buf);
}

const char *cli_bytes_enough_text(double bytes, char *buf)
{
    return bytes_text(bytes, true, buf);
}

const char *cli_seconds_text(double sec, char *buf)
{
    int64_t whole = (int64_t)(sec + 0.5);

    if (sec < 1)
        snprintf(buf, 32, "%.0f ms", sec * 1e3);
    else if (sec < 10)
        snprintf(buf, 32, "%.2f s", sec);
    else if (sec < 60)
        snprintf(buf, 32, "%.1f s", sec);
    else if (whole < 3600)
        snprintf(buf, 32, "%d min %02d s", (int)(whole / 60), (int)(whole % 60));
    else
        snprintf(buf, 32, "%d h %02d min", (int)(whole / 3600 % 100000), (int)(whole / 60 % 60));
    return buf;
}

/* ---- lines ------------------------------------------------------------------------------------ */

void cli_wrap(FILE *to, const char *text, int indent, int column)
{
    bool first = true;

    while (*text) {
        size_t word;
        text += strspn(text, " ");
        word = strcspn(text, " ");
        if (!word) break;
        if (!first && column + 1 + (int)word > COLUMNS_MAX) {
            fprintf(to, "\n%*s", indent, "");
            column = indent;
        } else if (!first) {
            fputc(' ', to);
            column++;
        }
        fwrite(text, 1, word, to);
        column += (int)word;
        text += word;
        first = false;
    }
    fputc('\n', to);
}

static void value_text(const json_t *value, char *buf, size_t bytes)
{
    char count[32];

    switch (json_typeof(value)) {
    case JSON_INTEGER:
        snprintf(buf, bytes, "%s", cli_count_text((int64_t)json_integer_value(value), count));
        break;
    case JSON_REAL:
        snprintf(buf, bytes, "%.6g", json_real_value(value));
        break;
    case JSON_STRING:
        snprintf(buf, bytes, "%s", json_string_value(value));
        break;
    case JSON_TRUE:
        snprintf(buf, bytes, "yes");
        break;
    case JSON_FALSE:
        snprintf(buf, bytes, "no");
        break;
    case JSON_ARRAY:
        if (json_array_size(value) == 2 && json_is_integer(json_array_get(value, 0)) &&
            json_is_integer(json_array_get(value, 1))) { /* before and after */
            char after[32];
            snprintf(buf, bytes, "%10s -> %s",
                     cli_count_text((int64_t)json_integer_value(json_array_get(value, 0)), count),
                     cli_count_text((int64_t)json_integer_value(json_array_get(value, 1)), after));
            break;
        }
        /* fall through */
    default: {
        char *text = json_dumps(value, JSON_COMPACT | JSON_ENCODE_ANY);
        snprintf(buf, bytes, "%s", text ? text : "");
        free(text);
    }
    }
}

static int is_plain(const json_t *value)
{
    return json_is_integer(value) || json_is_real(value);
}

/* Columns that UTF-8 text takes, one per character. */
static int width_of(const char *text)
{
    int width = 0;

    for (; *text; text++)
        width += ((unsigned char)*text & 0xC0) != 0x80;
    return width;
}

void cli_print_counts(FILE *to, json_t *object, int indent)
{
    char buf[512];
    const char *key;
    json_t *value;
    int keys = 0, numbers = 0;

    /* Two columns per object: names to the left, numbers right-aligned under each other. */
    json_object_foreach(object, key, value)
    {
        int length = width_of(key);
        if (json_is_object(value)) continue;
        if (length > keys) keys = length;
        if (!is_plain(value)) continue;
        value_text(value, buf, sizeof buf);
        length = (int)strlen(buf);
        if (length > numbers) numbers = length;
    }
    json_object_foreach(object, key, value)
    {
        const char *column = json_string_value(json_object_get(value, "column"));
        json_t *values = json_object_get(value, "values");

        fprintf(to, "%*s", indent, "");
        if (column && values) { /* counts of the values of one column */
            fprintf(to, "%s of %s\n", key, column);
            cli_print_counts(to, values, indent + 2);
            continue;
        }
        /* Names of winnow's own read as words; a pair stands under a value of the user's data. */
        for (const char *c = key; *c; c++)
            fputc(*c == '_' && !json_is_array(value) ? ' ' : *c, to);
        if (json_is_object(value)) {
            fputc('\n', to);
            cli_print_counts(to, value, indent + 2);
            continue;
        }
        value_text(value, buf, sizeof buf);
        fprintf(to, "%*s", keys - width_of(key) + 2, "");
        if (is_plain(value))
            fprintf(to, "%*s\n", numbers, buf);
        else
            fprintf(to, "%s\n", buf);
    }
}

void cli_print_json(json_t *value)
{
    json_dumpf(value, stdout, JSON_INDENT(2) | JSON_REAL_PRECISION(15));
    putchar('\n');
    json_decref(value);
}
