/* SPDX-License-Identifier: Apache-2.0 */
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/file.h>
#include <sys/stat.h>
#include <unistd.h>

#include "base/os.h"
#include "io/folder_ops.h"

#define BESIDE   ".tmp-"
#define ATTEMPTS 1000

wn_status wni_io_fail(wn_ctx *ctx, const char *what, const char *path)
{
    return wni_fail(ctx, WN_E_IO, "%s: cannot %s: %s", path, what, strerror(errno));
}

/* ---- all that is below ---------------------------------------------------------------------------------- */

/* Calls fn on everything below `path`, contents before folders, `path` itself last. */
static wn_status walk(wn_ctx *ctx, const char *path,
                      wn_status (*fn)(wn_ctx *ctx, const char *path, bool is_dir))
{
    struct stat info;
    wn_status st = WN_OK;
    DIR *dir = NULL;

    if (lstat(path, &info)) return wni_io_fail(ctx, "look at it", path);
    if (S_ISDIR(info.st_mode)) {
        struct dirent *entry;
        if (!(dir = opendir(path))) return wni_io_fail(ctx, "open the folder", path);
        while (st == WN_OK && (entry = readdir(dir))) {
            char below[4096];
            if (strcmp(entry->d_name, ".") == 0 || strcmp(entry->d_name, "..") == 0) continue;
            if ((size_t)snprintf(below, sizeof below, "%s/%s", path, entry->d_name) >= sizeof below)
                st = wni_fail(ctx, WN_E_IO, "%s: path too long", path);
            else
                st = walk(ctx, below, fn);
        }
        closedir(dir);
    }
    return st == WN_OK ? fn(ctx, path, S_ISDIR(info.st_mode)) : st;
}

static wn_status remove_one(wn_ctx *ctx, const char *path, bool is_dir)
{
    if (is_dir ? rmdir(path) : unlink(path)) return wni_io_fail(ctx, "remove it", path);
    return WN_OK;
}

wn_status wni_path_sync(wn_ctx *ctx, const char *path, bool is_dir)
{
    int fd = open(path, is_dir ? O_RDONLY | O_DIRECTORY : O_RDONLY);
    int bad;

    if (fd < 0) return wni_io_fail(ctx, "open it to sync", path);
    bad = fsync(fd);
    close(fd);
    return bad ? wni_io_fail(ctx, "sync it", path) : WN_OK;
}

wn_status wni_folder_sync(wn_ctx *ctx, const char *path)
{
    return walk(ctx, path, wni_path_sync);
}

wn_status wni_folder_remove(wn_ctx *ctx, const char *path)
{
    return walk(ctx, path, remove_one);
}

/* ---- beside a folder --------------------------------------------------------------------------------------- */

/* Open and held; -1 when another has it or it cannot be. A file system without locks holds for all. */
static int hold_folder(const char *path)
{
    int fd = open(path, O_RDONLY | O_DIRECTORY | O_NOFOLLOW | O_CLOEXEC);

    if (fd < 0 || flock(fd, LOCK_EX | LOCK_NB) == 0 || errno != EWOULDBLOCK) return fd;
    close(fd);
    return -1;
}

wn_status wni_folder_beside(wn_ctx *ctx, const char *path, char **name, int *hold)
{
    *hold = -1;
    for (int attempt = 0;; attempt++) {
        *name = wni_format(ctx, "%s" BESIDE "%lld-%d", path, (long long)wni_os_pid(), attempt);
        if (!*name) return WN_E_NOMEM;
        if (mkdir(*name, 0777) == 0) {
            *hold = hold_folder(*name);
            return WN_OK;
        }
        if (errno != EEXIST || attempt == ATTEMPTS) {
            wn_status st = wni_io_fail(ctx, "make the folder", *name);
            wni_free(ctx, *name);
            *name = NULL;
            return st;
        }
        wni_free(ctx, *name);
        *name = NULL;
    }
}

/* Nonzero when `name` is `base`.tmp-PROCESS-NUMBER of a process that there is no more. */
static int is_left(const char *name, const char *base)
{
    const size_t length = strlen(base), mark = strlen(BESIDE);
    long long process;
    char *end;

    if (strncmp(name, base, length) != 0 || strncmp(name + length, BESIDE, mark) != 0) return 0;
    name += length + mark;
    errno = 0;
    process = strtoll(name, &end, 10);
    if (*name < '0' || *name > '9' || errno || process < 1 || *end != '-') return 0;
    name = end + 1;
    if (!*name || strspn(name, "0123456789") != strlen(name)) return 0;
    return wni_os_process_ended(process);
}

void wni_folder_sweep(wn_ctx *ctx, const char *path)
{
    char kept[WNI_ERROR_MAX], *parent = wni_strdup(ctx, path), *name;
    const char *folder = ".", *base = parent;
    struct dirent *entry;
    DIR *dir = NULL;

    memcpy(kept, ctx->error, sizeof kept);
    if (!parent) goto done;
    for (size_t n = strlen(parent); n > 1 && parent[n - 1] == '/'; n--)
        parent[n - 1] = 0;
    if ((name = strrchr(parent, '/'))) {
        *name = 0;
        base = name + 1;
        folder = name == parent ? "/" : parent;
    }
    if (!*base || !(dir = opendir(folder))) goto done;
    while ((entry = readdir(dir))) {
        char left[4096];
        int hold;

        if (!is_left(entry->d_name, base)) continue;
        if ((size_t)snprintf(left, sizeof left, "%s/%s", folder, entry->d_name) >= sizeof left)
            continue;
        if ((hold = hold_folder(left)) < 0) continue;
        (void)wni_folder_remove(ctx, left);
        close(hold);
    }
done:
    if (dir) closedir(dir);
    wni_free(ctx, parent);
    memcpy(ctx->error, kept, sizeof kept); /* a sweep that fails is no news */
}
