/* SPDX-License-Identifier: Apache-2.0
 *
 * Lines of a text file, plain or compressed (.gz with any number of members, .zst with any number of
 * frames), streamed: memory is one line and a little. Every line is checked to be UTF-8 without zero
 * bytes, so that what comes later need not care.
 */
#ifndef WNI_LINEREADER_H
#define WNI_LINEREADER_H

#include "base/ctx_impl.h"

#define WNI_LINE_MAX ((int64_t)64 << 20) /* bytes of the longest line (or record) that is read */

typedef struct wni_lines wni_lines;

/* Opens `path`. Compression is known by the first bytes; a file called .gz or .zst that is not is an
 * error. WN_E_IO when it cannot be read. */
wn_status wni_lines_open(wn_ctx *ctx, const char *path, int64_t max_bytes, wni_lines **out);
void wni_lines_free(wni_lines *lines); /* NULL ok */

/* The next line without its LF (a CR before it stays), zero-ended, writable, valid until the next call;
 * `number` counts from 1. *text = NULL at the end of the file. A byte order mark is not part of the
 * first line. WN_E_DATA with file and line: not UTF-8, too long, compressed data damaged or cut off. */
wn_status wni_lines_next(wni_lines *lines, char **text, int64_t *bytes, int64_t *number);

/* Position of the first byte that is not part of well-formed UTF-8, or of a zero byte; -1 = none. */
int64_t wni_utf8_bad(const char *text, int64_t bytes);

#endif
