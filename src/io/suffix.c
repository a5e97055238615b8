/* SPDX-License-Identifier: Apache-2.0 */
#include <string.h>
#include <strings.h>

#include "io/suffix.h"

static int ends_in(const char *name, size_t length, const char *suffix)
{
    size_t n = strlen(suffix);

    return length >= n && strncasecmp(name + length - n, suffix, n) == 0;
}

int wni_has_suffix(const char *name, const char *suffix)
{
    return ends_in(name, strlen(name), suffix);
}

size_t wni_unpacked_length(const char *name)
{
    size_t length = strlen(name);

    if (ends_in(name, length, ".gz")) return length - 3;
    return ends_in(name, length, ".zst") ? length - 4 : length;
}

wni_text_form wni_text_form_of(const char *name)
{
    static const struct {
        const char *suffix;
        wni_text_form form;
    } known[] = {{".jsonl", WNI_FORM_JSONL},
                 {".ndjson", WNI_FORM_JSONL},
                 {".csv", WNI_FORM_CSV},
                 {".tsv", WNI_FORM_TSV}};
    size_t length = wni_unpacked_length(name);

    /* A name that is nothing but its ending is a hidden file. */
    for (size_t i = 0; i < sizeof known / sizeof known[0]; i++)
        if (length > strlen(known[i].suffix) && ends_in(name, length, known[i].suffix))
            return known[i].form;
    return WNI_FORM_NONE;
}
