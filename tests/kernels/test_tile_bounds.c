/* SPDX-License-Identifier: Apache-2.0
 *
 * The bounds of the filter in bf16 hold for the arithmetic of tiles too: their order of sums, and what is not normal
 * counted as 0. Checked over the tile unit in plain C, on rows made to break bounds.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>

#include "scan/filter.h"
#include "support/support.h"
#if defined(__x86_64__)
#include "kernels/emulated_amx.h"
#include "unit/scan/hard_rows.h"
#endif

#if defined(__x86_64__)
enum { NQ = 35, NB = 70 };

/* Tiles and the kernel without them: a canonical score lies between the bounds of both; returns how many bounds of the
 * two differ. */
static int64_t check(enum kind kind, int64_t d)
{
    wn_ctx *ctx = ts_ctx(1, WN_ISA_BASE);
    wni_kernels emulated = *wni_kernels_of(ctx);
    wni_filter_tile t[2];
    wni_filter *f;
    wni_mat base;
    int64_t other = 0;

    emulated.dots16 = kt_dots16_emulated;
    ctx->filter_always = 2;
    ts_ok(ctx, wni_mat_new(ctx, NB, d, &base));
    for (int64_t i = 0; i < NB * d; i++)
        wni_mat_row(&base, i / d)[i % d] = value(kind, 2, i / d, i % d, d);
    ts_ok(ctx, wni_filter_new_wide(ctx, &base, NULL, &f));
    assert_non_null(f);
    for (int way = 0; way < 2; way++) {
        ts_ok(ctx, wni_filter_tile_new(ctx, f, NQ, NQ * NB, &t[way]));
        memset(t[way].copy, 0, (size_t)(NQ * f->ld) * sizeof(float));
        for (int64_t i = 0; i < NQ * d; i++)
            t[way].copy[i / d * f->ld + i % d] = value(kind, 1, i / d, i % d, d);
        if (way) f->kernels = &emulated;
        wni_filter_load(f, &t[way], NQ);
        for (int64_t g = 0; g < f->groups; g++)
            wni_filter_group(f, &t[way], g, 0);
        assert_int_equal(t[way].hits, (NQ - t[way].n_plain) * NB);
    }
    for (int64_t i = 0; i < t[1].hits; i++) {
        const int64_t r = t[1].hit.row[i], c = t[1].hit.column[i];
        const double score = (double)wni_filter_score(f, &t[1], r, c);

        assert_true(r == t[0].hit.row[i] && c == t[0].hit.column[i]);
        if (!(score <= (double)t[1].hit.upper[i] + t[1].shift[r] + t[1].doubt[r] &&
              score >= (double)t[1].hit.lower[i] + t[1].shift[r] - t[1].doubt[r]))
            fail_msg("kind %d, d %d: score %a is not between %a and %a", kind, (int)d, score,
                     (double)t[1].hit.lower[i], (double)t[1].hit.upper[i]);
        other += t[0].hit.upper[i] < t[1].hit.upper[i] || t[0].hit.upper[i] > t[1].hit.upper[i];
    }
    for (int way = 0; way < 2; way++)
        wni_filter_tile_free(ctx, &t[way]);
    wni_filter_free(ctx, f);
    wni_mat_free(ctx, &base);
    wn_ctx_free(ctx);
    return other;
}
#endif

static void bounds_hold_in_tiles(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (ts_best_isa() >= WN_ISA_VNNI) {
        static const int64_t dims[] = {1, 2, 17, 33, 100, 500};
        int64_t other = 0;

        for (int kind = 0; kind < KINDS; kind++)
            for (int i = 0; i < 6; i++)
                other += check((enum kind)kind, dims[i]);
        assert_true(other > 1000); /* the order of the sums was another one */
        return;
    }
#endif
    print_message("no AVX-512 with VNNI here\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(bounds_hold_in_tiles)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
