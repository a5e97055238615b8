/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>

#include "io/folder_walk.h"
#include "io/outdir.h"

typedef struct walk {
    wn_ctx *ctx;
    size_t root; /* bytes of the root and its slash */
    int follow;
    wni_entry_fn fn;
    void *user;
} walk;

static int by_name(const void *a, const void *b)
{
    return strcmp(*(char *const *)a, *(char *const *)b);
}

/* Names in the folder, sorted; a NULL-ended array for wni_paths_free. */
static wn_status list_folder(wn_ctx *ctx, const char *path, char ***names, int64_t *count)
{
    DIR *dir = opendir(path);
    struct dirent *entry;
    int64_t room = 16;
    wn_status st = WN_OK;

    *count = 0;
    *names = NULL;
    if (!dir)
        return wni_fail(ctx, WN_E_IO, "%s: cannot open the folder: %s", path, strerror(errno));
    WNI_NEW0(ctx, *names, room);
    while ((entry = readdir(dir))) {
        if (entry->d_name[0] == '.') continue;
        if (*count + 1 == room) {
            char **grown = wni_grow(ctx, *names, room, room * 2, sizeof *grown);
            if (!grown) {
                st = WN_E_NOMEM;
                goto done;
            }
            memset(grown + room, 0, (size_t)room * sizeof *grown);
            *names = grown;
            room *= 2;
        }
        if (!((*names)[*count] = wni_strdup(ctx, entry->d_name))) {
            st = WN_E_NOMEM;
            goto done;
        }
        ++*count;
    }
    qsort(*names, (size_t)*count, sizeof **names, by_name);
done:
    closedir(dir);
    if (st != WN_OK) {
        wni_paths_free(ctx, *names);
        *names = NULL;
    }
    return st;
}

static wn_status tell(const walk *w, const char *path, const char *name, const struct stat *info)
{
    wni_entry entry = {.path = path,
                       .name = name,
                       .kind = S_ISREG(info->st_mode)   ? WNI_ENTRY_FILE
                               : S_ISLNK(info->st_mode) ? WNI_ENTRY_LINK
                                                        : WNI_ENTRY_OTHER,
                       .bytes = (int64_t)info->st_size,
                       .device = (uint64_t)info->st_dev,
                       .inode = (uint64_t)info->st_ino,
                       .mtime_sec = (int64_t)info->st_mtim.tv_sec,
                       .mtime_nsec = (int64_t)info->st_mtim.tv_nsec};

    return w->fn(w->user, &entry);
}

static wn_status below(const walk *w, const char *path)
{
    char **names = NULL, *entry = NULL;
    int64_t count = 0;
    wn_status st;

    WNI_TRY(list_folder(w->ctx, path, &names, &count));
    for (int64_t i = 0; i < count; i++) {
        struct stat info;

        wni_free(w->ctx, entry);
        entry = wni_format(w->ctx, "%s/%s", path, names[i]);
        if (!entry) {
            st = WN_E_NOMEM;
            goto done;
        }
        WNI_TRY(wni_poll(w->ctx));
        if (w->follow ? stat(entry, &info) : lstat(entry, &info)) memset(&info, 0, sizeof info);
        if (S_ISDIR(info.st_mode))
            WNI_TRY(below(w, entry));
        else
            WNI_TRY(tell(w, entry, entry + w->root, &info));
    }
done:
    wni_free(w->ctx, entry);
    wni_paths_free(w->ctx, names);
    return st;
}

wn_status wni_folder_walk(wn_ctx *ctx, const char *root, int follow, wni_entry_fn fn, void *user)
{
    walk w = {ctx, strlen(root) + 1, follow, fn, user};
    struct stat info;

    if (stat(root, &info))
        return wni_fail(ctx, errno == ENOENT || errno == ENOTDIR ? WN_E_DATA : WN_E_IO,
                        "%s: cannot open: %s", root, strerror(errno));
    return S_ISDIR(info.st_mode) ? below(&w, root) : tell(&w, root, root, &info);
}
