/* SPDX-License-Identifier: Apache-2.0
 *
 * What the name of a file says about it; letter case aside.
 */
#ifndef WNI_SUFFIX_H
#define WNI_SUFFIX_H

#include <stddef.h>

/* Nonzero when `name` ends in `suffix`. */
int wni_has_suffix(const char *name, const char *suffix);

typedef enum wni_text_form {
    WNI_FORM_NONE = 0,
    WNI_FORM_JSONL,
    WNI_FORM_CSV,
    WNI_FORM_TSV
} wni_text_form;

/* .jsonl .ndjson .csv .tsv, each also with .gz or .zst; NONE = not a text file. */
wni_text_form wni_text_form_of(const char *name);

/* Length of `name` without .gz or .zst. */
size_t wni_unpacked_length(const char *name);

#endif
