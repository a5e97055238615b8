/* SPDX-License-Identifier: Apache-2.0
 *
 * A quick reading of the lines that most JSONL files consist of: one object of strings, whole numbers, true,
 * false and null. What it does not take is left to Jansson, which judges everything else.
 */
#ifndef WNI_JSON_FLAT_H
#define WNI_JSON_FLAT_H

#include "pool/table_impl.h"

#define WNI_FLAT_MEMBERS 32

typedef struct wni_flat {
    const char *key; /* ended by a zero, in `room` */
    int32_t key_bytes;
    wni_cell cell; /* but for its column */
} wni_flat;

/* The members of a line, in its order, or -1 where Jansson must look: the line may be wrong, or right in a way
 * that is not known here. room has `bytes` + 1. Strings are ended by a zero: on success some within the line,
 * in place of the closing quote. */
int32_t wni_json_flat(char *line, int64_t bytes, char *room, wni_flat members[WNI_FLAT_MEMBERS]);

#endif
