/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <glob.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/memfolder.h"
#include "io/outdir.h"
#include "io/vecfile.h"

typedef struct path_list {
    char **v; /* NULL-ended */
    int32_t n, room;
} path_list;

static wn_status add(wn_ctx *ctx, path_list *list, const char *path, const char *member)
{
    if (list->n + 1 >= list->room) {
        int32_t wider = list->room * 2 + 16;
        char **grown = wni_grow(ctx, list->v, list->room, wider, sizeof *grown);
        if (!grown) return WN_E_NOMEM;
        memset(grown + list->room, 0, (size_t)(wider - list->room) * sizeof *grown);
        list->v = grown;
        list->room = wider;
    }
    list->v[list->n] = member ? wni_format(ctx, "%s:%s", path, member) : wni_strdup(ctx, path);
    if (!list->v[list->n]) return WN_E_NOMEM;
    list->n++;
    return WN_OK;
}

static wn_status expand(wn_ctx *ctx, path_list *list, const char *pattern, const char *member)
{
    struct stat info;
    glob_t found;
    wn_status st = WN_OK;

    /* A file may be named like a pattern; the file itself is meant then. */
    if (!strpbrk(pattern, "*?[") || stat(pattern, &info) == 0)
        return add(ctx, list, pattern, member);
    if (glob(pattern, 0, NULL, &found))
        return wni_fail(ctx, WN_E_DATA, "%s: the pattern matches no file", pattern);
    /* glob sorts by the locale; the order of rows must not depend on it. */
    for (size_t a = 1; a < found.gl_pathc; a++)
        for (size_t b = a; b > 0 && strcmp(found.gl_pathv[b - 1], found.gl_pathv[b]) > 0; b--) {
            char *swap = found.gl_pathv[b];
            found.gl_pathv[b] = found.gl_pathv[b - 1];
            found.gl_pathv[b - 1] = swap;
        }
    for (size_t a = 0; a < found.gl_pathc && st == WN_OK; a++)
        st = add(ctx, list, found.gl_pathv[a], member);
    globfree(&found);
    return st;
}

wn_status wni_paths_expand(wn_ctx *ctx, const char *const *patterns, int32_t n, char ***result,
                           int32_t *count)
{
    path_list list = {0};
    wn_status st = WN_OK;

    *count = 0;
    *result = NULL;
    if (n <= 0) return wni_fail(ctx, WN_E_USAGE, "no input; give at least one file");
    for (int32_t i = 0; i < n && st == WN_OK; i++) {
        char *file;
        const char *member;

        if ((st = wni_member_split(ctx, patterns[i], &file, &member)) == WN_OK)
            st = expand(ctx, &list, file, member);
        wni_free(ctx, file);
    }
    if (st != WN_OK) {
        wni_paths_free(ctx, list.v);
        return st;
    }
    *result = list.v;
    *count = list.n;
    return WN_OK;
}

void wni_paths_free(wn_ctx *ctx, char **paths)
{
    if (!paths) return;
    for (int32_t i = 0; paths[i]; i++)
        wni_free(ctx, paths[i]);
    wni_free(ctx, paths);
}

int wni_path_exists(wn_ctx *ctx, const char *path)
{
    const char *name;
    const wn_folder *folder = wni_memfolder_of(ctx, path, &name);
    struct stat info;

    if (folder) return !*name || wn_folder_find(folder, name) != NULL;
    return stat(path, &info) == 0;
}
