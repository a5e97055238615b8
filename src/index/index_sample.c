/* SPDX-License-Identifier: Apache-2.0
 *
 * Rows of an index drawn by a seed.
 */
#include "base/rng.h"
#include "index/index_impl.h"

/* Position `at` among the rows that are there: its segment and its position in it. */
static const wni_segment *locate(const wn_index *index, int64_t at, int64_t *position)
{
    for (int32_t i = 0; i < index->n_segments; i++) {
        const wni_segment *s = &index->segment[i];
        const int64_t alive = s->n - s->n_dead;

        if (at >= alive) {
            at -= alive;
            continue;
        }
        *position = at;
        if (!s->dead) return s;
        for (int64_t w = 0;; w++) {
            const uint64_t bits = ~s->dead[w];
            const int64_t here = __builtin_popcountll(bits);
            uint64_t left = bits;

            if (at >= here) {
                at -= here;
                continue;
            }
            while (at--)
                left &= left - 1;
            *position = w * 64 + __builtin_ctzll(left);
            return s;
        }
    }
    return NULL;
}

wn_status wn_index_sample(wn_ctx *ctx, const wn_index *index, int64_t m, uint64_t seed, float *rows,
                          int64_t ld)
{
    wn_index_about about = {.struct_size = sizeof about};
    const uint64_t stream = wni_stream("index sample", 0, 0);

    wn_index_describe(index, &about);
    if (about.rows == 0) return wni_fail(ctx, WN_E_DATA, "%s: the index has no rows", index->path);
    for (int64_t i = 0; i < m; i++) {
        int64_t position = 0;
        const wni_segment *s =
            locate(index, (int64_t)wni_rand_below(seed, stream, (uint64_t)i, (uint64_t)about.rows),
                   &position);
        wn_status st = wn_pool_gather(ctx, s->rows, &position, 1, rows + i * ld, ld);

        if (st != WN_OK) return st;
    }
    return WN_OK;
}
