/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/outdir.h"

static wn_status add(wn_ctx *ctx, char ***paths, int32_t *count, int32_t *room, const char *path)
{
    if (*count + 1 >= *room) {
        int32_t wider = *room * 2 + 16;
        char **grown = wni_grow(ctx, *paths, *room, wider, sizeof **paths);
        if (!grown) return WN_E_NOMEM;
        memset(grown + *room, 0, (size_t)(wider - *room) * sizeof *grown);
        *paths = grown;
        *room = wider;
    }
    if (!((*paths)[*count] = wni_strdup(ctx, path))) return WN_E_NOMEM;
    ++*count;
    return WN_OK;
}

wn_status wni_paths_expand(wn_ctx *ctx, const char *const *patterns, int32_t n, char ***result,
                           int32_t *count)
{
    char **paths = NULL;
    int32_t room = 0;
    struct stat info;
    wn_status st = WN_OK;

    *count = 0;
    *result = NULL;
    if (n <= 0) return wni_fail(ctx, WN_E_USAGE, "no input; give at least one file");
    for (int32_t i = 0; i < n && st == WN_OK; i++) {
        const char *pattern = patterns[i];
        glob_t found;
        /* A file may be named like a pattern; the file itself is meant then. */
        if (!strpbrk(pattern, "*?[") || stat(pattern, &info) == 0) {
            st = add(ctx, &paths, count, &room, pattern);
            continue;
        }
        if (glob(pattern, 0, NULL, &found)) {
            st = wni_fail(ctx, WN_E_DATA, "%s: the pattern matches no file", pattern);
            break;
        }
        /* glob sorts by the locale; the order of rows must not depend on it. */
        for (size_t a = 1; a < found.gl_pathc; a++)
            for (size_t b = a; b > 0 && strcmp(found.gl_pathv[b - 1], found.gl_pathv[b]) > 0; b--) {
                char *swap = found.gl_pathv[b];
                found.gl_pathv[b] = found.gl_pathv[b - 1];
                found.gl_pathv[b - 1] = swap;
            }
        for (size_t a = 0; a < found.gl_pathc && st == WN_OK; a++)
            st = add(ctx, &paths, count, &room, found.gl_pathv[a]);
        globfree(&found);
    }
    if (st != WN_OK) {
        wni_paths_free(ctx, paths);
        *count = 0;
        return st;
    }
    *result = paths;
    return WN_OK;
}

void wni_paths_free(wn_ctx *ctx, char **paths)
{
    if (!paths) return;
    for (int32_t i = 0; paths[i]; i++)
        wni_free(ctx, paths[i]);
    wni_free(ctx, paths);
}

int wni_path_exists(const char *path)
{
    struct stat info;

    return stat(path, &info) == 0;
}
