/* SPDX-License-Identifier: Apache-2.0 */
#include <stdio.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state as a type, to place it in our memory */
#include <xxhash.h>

#include <errno.h>
#include <sys/stat.h>

#include "io/folder_walk.h"
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
    wn_ctx *ctx;
    int64_t bytes;
    uint64_t hash;
    wni_hash_fn fn;
    void *user;
    int every_file; /* not .npy alone */
} folder_hash;

static wn_status add_stamp(void *user, const wni_entry *entry)
{
    folder_hash *f = user;
    uint64_t word[6] = {f->hash,
                        entry->device,
                        entry->inode,
                        (uint64_t)entry->bytes,
                        (uint64_t)entry->mtime_sec,
                        (uint64_t)entry->mtime_nsec};

    f->hash = XXH3_64bits(word, sizeof word);
    return WN_OK;
}

static wn_status add_hash(void *user, const wni_entry *entry)
{
    folder_hash *f = user;
    size_t length = strlen(entry->name);
    int64_t bytes;
    uint64_t word[3];
    wn_status st;

    if (f->every_file ? entry->kind != WNI_ENTRY_FILE
                      : length <= 4 || strcmp(entry->name + length - 4, ".npy") != 0)
        return WN_OK;
    WNI_TRY(wni_file_hash(f->ctx, entry->path, &bytes, &word[2]));
    f->bytes += bytes;
    word[0] = f->hash;
    word[1] = XXH3_64bits(entry->name, length);
    f->hash = XXH3_64bits(word, sizeof word);
    if (f->fn) WNI_TRY(f->fn(f->user, entry->name, bytes, word[2]));
done:
    return st;
}

/* Of a folder as wni_path_hash, or of every file. */
static wn_status hash_path(wn_ctx *ctx, const char *path, int every_file, int64_t *bytes,
                           uint64_t *hash, wni_hash_fn fn, void *user)
{
    folder_hash f = {ctx, 0, 0, fn, user, every_file};
    struct stat info;
    char seal[4096];
    wn_status st;

    if (stat(path, &info) == 0 && S_ISDIR(info.st_mode)) {
        if (snprintf(seal, sizeof seal, "%s/" WNI_SEAL_NAME, path) < (int)sizeof seal &&
            wni_file_exists(seal)) {
            st = wni_file_hash(ctx, seal, bytes, hash);
            return st == WN_OK && fn ? fn(user, WNI_SEAL_NAME, *bytes, *hash) : st;
        }
        st = wni_folder_walk(ctx, path, !every_file, add_hash, &f);
        *bytes = f.bytes;
        *hash = f.hash;
        return st;
    }
    st = wni_file_hash(ctx, path, bytes, hash);
    return st == WN_OK && fn ? fn(user, path, *bytes, *hash) : st;
}

wn_status wni_path_hash(wn_ctx *ctx, const char *path, int64_t *bytes, uint64_t *hash,
                        wni_hash_fn fn, void *user)
{
    return hash_path(ctx, path, 0, bytes, hash, fn, user);
}

/* The file of FILE or FILE:MEMBER; wni_free. */
static wn_status plain_path(wn_ctx *ctx, const char *path, char **plain)
{
    const char *member;

    if (!wni_path_exists(ctx, path)) return wni_member_split(ctx, path, plain, &member);
    return (*plain = wni_strdup(ctx, path)) ? WN_OK : WN_E_NOMEM;
}

wn_status wni_input_hash(wn_ctx *ctx, const char *path, int every_file, int64_t *bytes,
                         uint64_t *hash)
{
    char *plain = NULL;
    wn_status st;

    WNI_TRY(plain_path(ctx, path, &plain));
    st = hash_path(ctx, plain, every_file, bytes, hash, NULL, NULL);
done:
    wni_free(ctx, plain);
    return st;
}

wn_status wni_input_stamp(wn_ctx *ctx, const char *path, int every_file, uint64_t *stamp)
{
    folder_hash f = {.ctx = ctx};
    char *plain = NULL;
    struct stat info;
    wn_status st;

    *stamp = 0;
    WNI_TRY(plain_path(ctx, path, &plain));
    if (stat(plain, &info)) goto done; /* whoever opens it says what is wrong */
    WNI_TRY(wni_folder_walk(ctx, plain, !every_file, add_stamp, &f));
    *stamp = f.hash;
done:
    wni_free(ctx, plain);
    return st;
}
