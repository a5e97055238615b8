/* SPDX-License-Identifier: Apache-2.0
 *
 * Complete or not there: outputs are built in a temporary folder beside the final name, synced, renamed.
 * An output that is one file uses such a folder too: its file is `data`, companions keep their names.
 */
#define _GNU_SOURCE
#include <dirent.h>
#include <errno.h>
#include <fcntl.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>
#include <jansson.h>

#include "io/folder_lock.h"
#include "io/folder_ops.h"
#include "io/memfolder.h"
#include "io/outdir.h"

#define DATA_NAME     "data"
#define COPY_BYTES    ((size_t)1 << 20)
#define MANIFEST_NAME "manifest.json"

typedef struct path_node {
    struct path_node *next;
    char *path;
} path_node;

struct wni_out {
    wn_ctx *ctx;
    char *path; /* final */
    char *tmp;  /* folder beside it */
    int hold;   /* on it, while this run lasts */
    int is_file, force;
    bool orphan; /* of a file: the manifest of a run that was killed before the file was in place */
    path_node *paths;  /* every string that wni_out_path gave out */
    wn_folder *folder; /* in memory; then there is no tmp */
    int32_t items;     /* that it held before */
};

static void out_free(wni_out *out)
{
    wn_ctx *ctx = out->ctx;

    while (out->paths) {
        path_node *node = out->paths;
        out->paths = node->next;
        wni_free(ctx, node->path);
        wni_free(ctx, node);
    }
    wni_free(ctx, out->path);
    wni_free(ctx, out->tmp);
    wni_folder_unlock(out->hold);
    wni_free(ctx, out);
}

/* Is there a manifest of this name that winnow wrote? Other programs have manifests too. */
static bool is_manifest(const char *name)
{
    json_t *manifest = json_load_file(name, 0, NULL);
    bool ours = json_is_string(json_object_get(manifest, "winnow")) &&
                json_is_string(json_object_get(manifest, "family"));

    json_decref(manifest);
    return ours;
}

/* With force only something winnow made, or an empty folder, is replaced: a mistyped path must not cost a
 * home directory. */
static wn_status may_replace(wn_ctx *ctx, const char *path, const struct stat *info, int is_file)
{
    struct dirent *entry;
    bool empty = true, ours;
    char *manifest;
    DIR *dir;

    if (is_file) {
        if (S_ISREG(info->st_mode)) return WN_OK;
        return wni_fail(ctx, WN_E_DATA, "%s: exists and is not a file; give another -o", path);
    }
    if (!S_ISDIR(info->st_mode))
        return wni_fail(ctx, WN_E_DATA, "%s: exists and is not a folder; give another -o", path);
    if (!(manifest = wni_format(ctx, "%s/" MANIFEST_NAME, path))) return WN_E_NOMEM;
    ours = is_manifest(manifest);
    wni_free(ctx, manifest);
    if (ours) return WN_OK;
    if (!(dir = opendir(path))) return wni_io_fail(ctx, "open the folder", path);
    while ((entry = readdir(dir)))
        if (strcmp(entry->d_name, ".") != 0 && strcmp(entry->d_name, "..") != 0) empty = false;
    closedir(dir);
    if (empty) return WN_OK;
    return wni_fail(ctx, WN_E_DATA,
                    "%s: holds files but no manifest.json of winnow, so winnow did not make it and "
                    "--force does not replace it; give another -o",
                    path);
}

/* Refuses a name that is taken. */
static wn_status must_be_free(wn_ctx *ctx, const char *path)
{
    struct stat info;

    if (lstat(path, &info)) return WN_OK;
    return wni_fail(ctx, WN_E_DATA, "%s: exists already; give another -o, or --force to replace it",
                    path);
}

static wn_status begin_memory(wn_ctx *ctx, wn_folder *folder, int is_file, wni_out **result)
{
    wni_out *out;
    wn_status st = WN_OK;

    WNI_NEW0(ctx, out, 1);
    out->ctx = ctx;
    out->hold = -1;
    out->is_file = is_file;
    out->folder = folder;
    out->items = wn_folder_count(folder);
    *result = out;
done:
    return st;
}

wn_status wni_out_begin(wn_ctx *ctx, const char *path, int is_file, int force, wni_out **result)
{
    const char *inside;
    wn_folder *folder = wni_memfolder_of(ctx, path, &inside);
    wni_out *out = NULL;
    char *parent = NULL, *companion = NULL, *slash;
    struct stat info;
    wn_status st = WN_OK;
    size_t length;

    *result = NULL;
    if (!*path) return wni_fail(ctx, WN_E_USAGE, "the output has no name; give -o NAME");
    if (folder) return begin_memory(ctx, folder, is_file, result);
    WNI_NEW0(ctx, out, 1);
    out->ctx = ctx;
    out->hold = -1;
    out->is_file = is_file;
    out->force = force;
    if (!(out->path = wni_strdup(ctx, path)) || !(parent = wni_strdup(ctx, path))) {
        st = WN_E_NOMEM;
        goto done;
    }
    for (length = strlen(out->path); length > 1 && out->path[length - 1] == '/'; length--)
        out->path[length - 1] = parent[length - 1] = 0;

    if (!force) {
        WNI_TRY(must_be_free(ctx, out->path));
        if (is_file) {
            /* A run that was killed between its last two renames leaves its manifest alone. */
            companion = wni_format(ctx, "%s." MANIFEST_NAME, out->path);
            if (!companion) {
                st = WN_E_NOMEM;
                goto done;
            }
            out->orphan = is_manifest(companion);
            if (!out->orphan) WNI_TRY(must_be_free(ctx, companion));
        }
    } else if (lstat(out->path, &info) == 0) {
        WNI_TRY(may_replace(ctx, out->path, &info, is_file));
    }
    slash = strrchr(parent, '/');
    if (slash) slash[slash == parent] = 0;
    if (stat(slash ? parent : ".", &info) || !S_ISDIR(info.st_mode)) {
        st = wni_fail(ctx, WN_E_DATA, "%s: the folder %s is not there; make it first", path,
                      slash ? parent : ".");
        goto done;
    }
    WNI_TRY(wni_folder_beside(ctx, out->path, &out->tmp, &out->hold));
    *result = out;
    out = NULL;
done:
    wni_free(ctx, parent);
    wni_free(ctx, companion);
    if (out) out_free(out);
    return st;
}

const char *wni_out_scratch_dir(const wni_out *out)
{
    return out->tmp;
}

wn_ctx *wni_out_ctx(const wni_out *out)
{
    return out->ctx;
}

struct wn_folder *wni_out_folder(const wni_out *out)
{
    return out->folder;
}

wn_status wni_out_path(wni_out *out, const char *name, const char **path)
{
    wn_ctx *ctx = out->ctx;
    const char *last = name ? name : DATA_NAME;
    path_node *node;

    if (out->folder)
        return wni_fail(
            ctx, WN_E_USAGE,
            "%s is a file, which an output in memory cannot hold; give an output folder", last);
    node = wni_calloc(ctx, 1, sizeof *node);
    if (!node) return WN_E_NOMEM;
    node->path = wni_format(ctx, "%s/%s", out->tmp, last);
    if (!node->path) {
        wni_free(ctx, node);
        return WN_E_NOMEM;
    }
    node->next = out->paths;
    out->paths = node;
    for (char *c = node->path + strlen(out->tmp) + 1; (c = strchr(c, '/')); c++) {
        *c = 0;
        if (mkdir(node->path, 0777) && errno != EEXIST)
            return wni_io_fail(ctx, "make the folder", node->path);
        *c = '/';
    }
    *path = node->path;
    return WN_OK;
}

wn_status wni_out_text(wni_out *out, const char *name, const char *text)
{
    size_t length = strlen(text);
    const char *path;
    wn_status st;
    FILE *f;

    if (out->folder) {
        char *copy = wni_strdup(out->ctx, text);
        if (!copy) return WN_E_NOMEM;
        return wni_memfolder_give(out->folder, name, NULL, 0, NULL, copy, (int64_t)length);
    }
    if ((st = wni_out_path(out, name, &path)) != WN_OK) return st;
    f = fopen(path, "wb");
    if (!f) return wni_io_fail(out->ctx, "create it", path);
    if (fwrite(text, 1, length, f) != length) st = wni_io_fail(out->ctx, "write to it", path);
    if (fclose(f) && st == WN_OK) st = wni_io_fail(out->ctx, "write to it", path);
    return st;
}

static wn_status copy_file(wn_ctx *ctx, const char *from, const char *to)
{
    char *buffer = wni_alloc(ctx, COPY_BYTES, 1);
    FILE *in = NULL, *out = NULL;
    wn_status st = WN_OK;
    size_t got;

    if (!buffer) return WN_E_NOMEM;
    if (!(in = fopen(from, "rb"))) {
        st = wni_io_fail(ctx, "open it", from);
    } else if (!(out = fopen(to, "wb"))) {
        st = wni_io_fail(ctx, "write it", to);
    }
    while (st == WN_OK && (got = fread(buffer, 1, COPY_BYTES, in)) > 0) {
        if (fwrite(buffer, 1, got, out) != got) st = wni_io_fail(ctx, "write it", to);
        if (st == WN_OK) st = wni_poll(ctx);
    }
    if (st == WN_OK && ferror(in)) st = wni_io_fail(ctx, "read it", from);
    if (in) fclose(in);
    if (out && fclose(out) && st == WN_OK) st = wni_io_fail(ctx, "write it", to);
    wni_free(ctx, buffer);
    return st;
}

wn_status wni_out_link(wni_out *out, const char *name, const char *from)
{
    const char *to;
    wn_status st = wni_out_path(out, name, &to);

    if (st != WN_OK || link(from, to) == 0) return st;
    return copy_file(out->ctx, from, to);
}

wn_status wni_out_remove(wni_out *out, const char *name)
{
    const char *path;
    wn_status st;

    if (out->folder) {
        wni_memfolder_remove(out->folder, name);
        return WN_OK;
    }
    st = wni_out_path(out, name, &path);
    if (st == WN_OK && unlink(path)) st = wni_io_fail(out->ctx, "remove it", path);
    return st;
}

/* Puts `from` at `to`. An existing `to` changes places with it in one step where the file system can, so
 * that at no moment neither is there; the old one is then below `from`. */
static wn_status put_in_place(wn_ctx *ctx, const char *from, const char *to, bool replace)
{
    struct stat info;
    char aside[4096];

    if (!replace || lstat(to, &info))
        return rename(from, to) ? wni_io_fail(ctx, "rename the finished output to it", to) : WN_OK;
    if (renameat2(AT_FDCWD, from, AT_FDCWD, to, RENAME_EXCHANGE) == 0) return WN_OK;
    if ((size_t)snprintf(aside, sizeof aside, "%s.old", from) >= sizeof aside)
        return wni_fail(ctx, WN_E_IO, "%s: path too long", from);
    if (rename(to, aside)) return wni_io_fail(ctx, "move the old output aside", to);
    if (rename(from, to)) {
        wn_status st = wni_io_fail(ctx, "rename the finished output to it", to);
        (void)rename(aside, to); /* the old output is still better than none */
        return st;
    }
    return rename(aside, from) ? wni_io_fail(ctx, "move the old output away", aside) : WN_OK;
}

/* Moves one file of the temporary folder to its place. */
static wn_status move_file(wni_out *out, const char *name, const char *to)
{
    char *from = wni_format(out->ctx, "%s/%s", out->tmp, name);
    wn_status st = from ? WN_OK : WN_E_NOMEM;

    if (st == WN_OK && !out->force && !(out->orphan && strcmp(name, MANIFEST_NAME) == 0))
        st = must_be_free(out->ctx, to);
    if (st == WN_OK && rename(from, to))
        st = wni_io_fail(out->ctx, "rename the finished output to it", to);
    wni_free(out->ctx, from);
    return st;
}

/* Companions first: the file itself appears last, and only when all is there. Companions that are in place
 * when a later one fails go again. */
static wn_status commit_files(wni_out *out)
{
    wn_ctx *ctx = out->ctx;
    struct dirent *entry;
    path_node *moved = NULL;
    wn_status st = WN_OK;
    DIR *dir = opendir(out->tmp);

    if (!dir) return wni_io_fail(ctx, "open the folder", out->tmp);
    while (st == WN_OK && (entry = readdir(dir))) {
        path_node *node;
        if (entry->d_name[0] == '.' || strcmp(entry->d_name, DATA_NAME) == 0) continue;
        WNI_NEW0(ctx, node, 1);
        node->next = moved;
        moved = node;
        node->path = wni_format(ctx, "%s.%s", out->path, entry->d_name);
        if (!node->path) {
            st = WN_E_NOMEM;
            goto done;
        }
        st = move_file(out, entry->d_name, node->path);
        if (st != WN_OK) { /* not ours, so it stays */
            wni_free(ctx, node->path);
            node->path = NULL;
        }
    }
    if (st == WN_OK) st = move_file(out, DATA_NAME, out->path);
done:
    closedir(dir);
    while (moved) {
        path_node *node = moved;
        moved = node->next;
        if (st != WN_OK && node->path) (void)unlink(node->path);
        wni_free(ctx, node->path);
        wni_free(ctx, node);
    }
    return st;
}

wn_status wni_out_commit(wni_out *out)
{
    wn_ctx *ctx = out->ctx;
    struct stat info;
    wn_status st;

    if (out->folder) {
        out_free(out);
        return WN_OK;
    }
    WNI_TRY(wni_folder_sync(ctx, out->tmp));
    if (out->is_file)
        WNI_TRY(commit_files(out));
    else
        WNI_TRY(put_in_place(ctx, out->tmp, out->path, out->force));
done:
    if (st != WN_OK) {
        wni_out_abort(out);
        return st;
    }
    {
        char *slash = strrchr(out->path, '/');
        if (slash) slash[slash == out->path] = 0;
        (void)wni_path_sync(ctx, slash ? out->path : ".",
                            true); /* some file systems cannot: no harm */
    }
    if (lstat(out->tmp, &info) == 0) /* The emptied folder, or the output that was replaced. */
        (void)wni_folder_remove(ctx, out->tmp);
    out_free(out);
    return WN_OK;
}

void wni_out_abort(wni_out *out)
{
    char kept[WNI_ERROR_MAX];
    wn_ctx *ctx;

    if (!out) return;
    ctx = out->ctx;
    if (out->folder) {
        wni_memfolder_cut(out->folder, out->items);
        out_free(out);
        return;
    }
    memcpy(kept, ctx->error,
           sizeof kept); /* the reason for aborting is the news, not what follows */
    (void)wni_folder_remove(ctx, out->tmp);
    memcpy(ctx->error, kept, sizeof kept);
    out_free(out);
}
