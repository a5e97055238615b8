/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state as a type, to place it in our memory */
#include <xxhash.h>

#include <dirent.h>
#include <errno.h>
#include <stdlib.h>
#include <sys/stat.h>

#include "io/outdir.h"
#include "io/vecfile.h"

#define CHUNK_BYTES (1 << 16)

wn_status wni_file_hash(wn_ctx *ctx, const char *path, int64_t *bytes, uint64_t *hash)
{
    unsigned char *chunk = NULL;
    XXH3_state_t *state = NULL; /* XXH3 wants 64-byte alignment, which wni_alloc gives */
    FILE *f = NULL;
    wn_status st = WN_OK;
    size_t got;

    *bytes = 0;
    *hash = 0;
    WNI_NEW(ctx, chunk, CHUNK_BYTES);
    WNI_NEW0(ctx, state, 1);
    if (!(f = fopen(path, "rb"))) {
        st = wni_fail(ctx, errno == ENOENT ? WN_E_DATA : WN_E_IO, "%s: cannot open: %s", path,
                      strerror(errno));
        goto done;
    }
    setvbuf(f, NULL, _IONBF, 0); /* chunks are large enough */
    XXH3_64bits_reset(state);
    while ((got = fread(chunk, 1, CHUNK_BYTES, f)) > 0) {
        XXH3_64bits_update(state, chunk, got);
        *bytes += (int64_t)got;
        WNI_TRY(wni_poll(ctx));
    }
    if (ferror(f)) st = wni_fail(ctx, WN_E_IO, "%s: cannot read: %s", path, strerror(errno));
    *hash = XXH3_64bits_digest(state);
done:
    if (f) fclose(f);
    wni_free(ctx, state);
    wni_free(ctx, chunk);
    return st;
}

/* ---- folders ----------------------------------------------------------------------------------- */

typedef struct folder_hash {
    const char *root;
    int64_t bytes;
    uint64_t hash;
    wni_hash_fn fn;
    void *user;
    bool stamps; /* go by size and time of the files, read none */
} folder_hash;

static void add_stamp(folder_hash *f, const struct stat *info)
{
    uint64_t word[6] = {f->hash,
                        (uint64_t)info->st_dev,
                        (uint64_t)info->st_ino,
                        (uint64_t)info->st_size,
                        (uint64_t)info->st_mtim.tv_sec,
                        (uint64_t)info->st_mtim.tv_nsec};

    f->hash = XXH3_64bits(word, sizeof word);
}

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

static wn_status hash_below(wn_ctx *ctx, folder_hash *f, const char *path)
{
    char **names = NULL, *below = NULL;
    int64_t count = 0;
    wn_status st;

    WNI_TRY(list_folder(ctx, path, &names, &count));
    for (int64_t i = 0; i < count; i++) {
        size_t length = strlen(names[i]);
        struct stat info;
        int64_t bytes;
        uint64_t word[3];

        wni_free(ctx, below);
        below = wni_format(ctx, "%s/%s", path, names[i]);
        if (!below) {
            st = WN_E_NOMEM;
            goto done;
        }
        if (stat(below, &info)) memset(&info, 0, sizeof info);
        if (S_ISDIR(info.st_mode)) {
            WNI_TRY(hash_below(ctx, f, below));
        } else if (f->stamps) {
            add_stamp(f, &info);
        } else if (length > 4 && strcmp(names[i] + length - 4, ".npy") == 0) {
            const char *name = below + strlen(f->root) + 1;
            WNI_TRY(wni_file_hash(ctx, below, &bytes, &word[2]));
            f->bytes += bytes;
            word[0] = f->hash;
            word[1] = XXH3_64bits(name, strlen(name));
            f->hash = XXH3_64bits(word, sizeof word);
            if (f->fn) WNI_TRY(f->fn(f->user, name, bytes, word[2]));
        }
    }
done:
    wni_free(ctx, below);
    wni_paths_free(ctx, names);
    return st;
}

wn_status wni_path_hash(wn_ctx *ctx, const char *path, int64_t *bytes, uint64_t *hash,
                        wni_hash_fn fn, void *user)
{
    folder_hash f = {path, 0, 0, fn, user, false};
    struct stat info;
    wn_status st;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        st = hash_below(ctx, &f, path);
        *bytes = f.bytes;
        *hash = f.hash;
        return st;
    }
    st = wni_file_hash(ctx, path, bytes, hash);
    return st == WN_OK && fn ? fn(user, path, *bytes, *hash) : st;
}

/* The file of FILE or FILE:MEMBER; wni_free. */
static wn_status plain_path(wn_ctx *ctx, const char *path, char **plain)
{
    const char *member;

    if (!wni_path_exists(ctx, path)) return wni_member_split(ctx, path, plain, &member);
    return (*plain = wni_strdup(ctx, path)) ? WN_OK : WN_E_NOMEM;
}

wn_status wni_input_hash(wn_ctx *ctx, const char *path, int64_t *bytes, uint64_t *hash)
{
    char *plain = NULL;
    wn_status st;

    WNI_TRY(plain_path(ctx, path, &plain));
    st = wni_path_hash(ctx, plain, bytes, hash, NULL, NULL);
done:
    wni_free(ctx, plain);
    return st;
}

wn_status wni_input_stamp(wn_ctx *ctx, const char *path, uint64_t *stamp)
{
    folder_hash f = {.stamps = true};
    struct stat info;
    char *plain = NULL;
    wn_status st;

    *stamp = 0;
    WNI_TRY(plain_path(ctx, path, &plain));
    f.root = plain;
    if (stat(plain, &info)) goto done; /* whoever opens it says what is wrong */
    if (S_ISDIR(info.st_mode))
        WNI_TRY(hash_below(ctx, &f, plain));
    else
        add_stamp(&f, &info);
    *stamp = f.hash;
done:
    wni_free(ctx, plain);
    return st;
}
