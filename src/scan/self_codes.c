/* SPDX-License-Identifier: Apache-2.0
 *
 * The rows of the left block of a self scan in codes. A row is compared with many stripes; its codes and what its
 * bounds need are kept, tile by tile, and lent to the tile of whoever works on it, for all filters that have the
 * same mean and turn.
 */
#include <string.h>

#include "scan/self_impl.h"

/* The numbers of a tile as a whole. */
typedef struct tile_numbers {
    double a, b, c;
    int64_t n_plain;
    int coded;
} tile_numbers;

struct wni_self_codes {
    int64_t tile_rows, stripe, per_stripe; /* tiles of a stripe */
    int64_t ld, heads, rows, tiles;
    tile_numbers *tile; /* (tiles) */
    double *shift;      /* (rows), as all that follow */
    double *doubt;
    float *scale, *need, *own, *rest; /* rest: of each tile (heads, its rows) */
    unsigned char *plain;
    uint8_t *codes; /* (rows, ld) */
};

static int64_t bytes_of_row(int64_t ld, int64_t heads)
{
    return 2 * (int64_t)sizeof(double) + (3 + heads) * (int64_t)sizeof(float) + 1 + ld;
}

/* Stripes are no shorter than a group of the filter, and a tile may be cut at the end of each. */
static int64_t most_tiles(int64_t rows, int64_t tile_rows)
{
    return rows / tile_rows + rows / WNI_GROUP8 + 2;
}

int64_t wni_self_codes_bytes(const wni_filter *f, int64_t rows, int64_t tile_rows)
{
    return rows * bytes_of_row(f->ld, f->heads) + 2 * WNI_ALIGN +
           most_tiles(rows, tile_rows) * (int64_t)sizeof(tile_numbers) +
           (int64_t)sizeof(wni_self_codes);
}

wn_status wni_self_codes_new(wn_ctx *ctx, const wni_filter *f, int64_t rows, int64_t tile_rows,
                             wni_self_codes **out)
{
    wni_self_codes *c = NULL;
    int64_t at = 0;
    unsigned char *block;
    wn_status st = WN_OK;

    *out = NULL;
    WNI_NEW0(ctx, c, 1);
    c->tile_rows = tile_rows;
    c->ld = f->ld;
    c->heads = f->heads;
    c->rows = rows;
    c->tiles = most_tiles(rows, tile_rows);
    WNI_NEW0(ctx, c->tile, c->tiles);
    block = wni_alloc(ctx, rows * bytes_of_row(f->ld, f->heads) + WNI_ALIGN, 1);
    if (!block) {
        st = WN_E_NOMEM;
        goto done;
    }
    c->codes = block;
    at = wni_round_up(rows * f->ld, WNI_ALIGN);
    c->shift = (double *)(void *)(block + at);
    c->doubt = c->shift + rows;
    c->scale = (float *)(void *)(c->doubt + rows);
    c->need = c->scale + rows;
    c->own = c->need + rows;
    c->rest = c->own + rows;
    c->plain = (unsigned char *)(c->rest + f->heads * rows);
    *out = c;
    c = NULL;
done:
    wni_self_codes_free(ctx, c);
    return st;
}

void wni_self_codes_free(wn_ctx *ctx, wni_self_codes *c)
{
    if (!c) return;
    wni_free(ctx, c->codes);
    wni_free(ctx, c->tile);
    wni_free(ctx, c);
}

void wni_self_codes_begin(wni_self_codes *c, int64_t stripe)
{
    c->stripe = stripe;
    c->per_stripe = (stripe + c->tile_rows - 1) / c->tile_rows;
    for (int64_t i = 0; i < c->tiles; i++)
        c->tile[i].coded = 0;
}

int wni_self_codes_load(wni_self_codes *c, const wni_filter *f, wni_filter_tile *t, int64_t i,
                        int64_t m)
{
    tile_numbers *n = &c->tile[i / c->stripe * c->per_stripe + i % c->stripe / c->tile_rows];

    t->rows = m; /* the stride of `rest` */
    t->codes = c->codes + i * c->ld;
    t->scale = c->scale + i;
    t->need = c->need + i;
    t->own = c->own + i;
    t->shift = c->shift + i;
    t->doubt = c->doubt + i;
    t->plain = c->plain + i;
    t->rest = c->rest + i * c->heads;
    if (n->coded) {
        wni_filter_load_begin(t, m); /* what was known of other rows, like their marks */
        t->n_plain = n->n_plain;
        t->a = n->a;
        t->b = n->b;
        t->c = n->c;
        return 1;
    }
    wni_filter_load(f, t, m);
    *n = (tile_numbers){t->a, t->b, t->c, t->n_plain, 1};
    return 0;
}
