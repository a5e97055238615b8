/* SPDX-License-Identifier: Apache-2.0 */
#include <errno.h>
#include <stdio.h>
#include <string.h>
#define XXH_STATIC_LINKING_ONLY /* the state as a type, to place it in our memory */
#include <xxhash.h>

#include "io/outdir.h"

#define CHUNK_BYTES (1 << 20)

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
