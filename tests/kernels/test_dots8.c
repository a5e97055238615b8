/* SPDX-License-Identifier: Apache-2.0
 *
 * codes8, codes16, walsh, dots8 and dots16: every variant of this processor against the oracle, byte for byte.
 */
#include "kernels/kernel_data.h"
#if defined(__x86_64__)
#include "kernels/emulated_amx.h"
#endif

static void codes8_is_the_oracle(void **state)
{
    static const int64_t lengths[] = {16, 32, 112, 1024, 4096};
    float *x = kt_alloc(4096 * 4), *mean = kt_alloc(4096 * 4);
    uint8_t *codes = kt_alloc(4096 + 64), *want = kt_alloc(4096);

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int other = 0; other < KT_KINDS; other++)
            for (int l = 0; l < 5; l++)
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    float out[WNI_CODES8_STATS], expected[WNI_CODES8_STATS];
                    int64_t ld = lengths[l];

                    kt_fill(x, ld, kind, 1);
                    kt_fill(mean, ld, other, 2);
                    wni_kernels_oracle()->codes8(x, mean, ld, want, expected);
                    memset(codes, 0xa5, 4096 + 64);
                    wni_kernels_at(isa)->codes8(x, mean, ld, codes, out);
                    assert_memory_equal(codes, want, ld);
                    assert_int_equal(codes[ld], 0xa5);
                    if (memcmp(out, expected, sizeof out) != 0)
                        fail_msg("level %s, kinds %d %d, ld %d", wn_isa_name(isa), kind, other,
                                 (int)ld);
                }
    free(x), free(mean), free(codes), free(want);
}

static void codes16_is_the_oracle(void **state)
{
    static const int64_t lengths[] = {16, 32, 112, 1024, 4096};
    float *x = kt_alloc(4096 * 4), *mean = kt_alloc(4096 * 4);
    uint16_t *codes = kt_alloc(2 * 4096 + 64), *want = kt_alloc(2 * 4096);

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int other = 0; other < KT_KINDS; other++)
            for (int l = 0; l < 5; l++)
                for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                    float out[WNI_CODES8_STATS], expected[WNI_CODES8_STATS];
                    int64_t ld = lengths[l];

                    kt_fill(x, ld, kind, 1);
                    kt_fill(mean, ld, other, 2);
                    wni_kernels_oracle()->codes16(x, mean, ld, want, expected);
                    memset(codes, 0xa5, 2 * 4096 + 64);
                    wni_kernels_at(isa)->codes16(x, mean, ld, codes, out);
                    assert_memory_equal(codes, want, 2 * ld);
                    assert_int_equal(codes[ld], 0xa5a5);
                    if (memcmp(out, expected, sizeof out) != 0)
                        fail_msg("level %s, kinds %d %d, ld %d", wn_isa_name(isa), kind, other,
                                 (int)ld);
                }
    free(x), free(mean), free(codes), free(want);
}

/* Known by hand: 3 / 2 is 0x3fc0; 1 + 2^-8 lies between two and goes to the even one, 1 + 3 * 2^-8 likewise; 2^-61 of
 * the scale is nothing. */
static void bf16_by_hand(void **state)
{
    float x[16] __attribute__((aligned(64))) = {3,         2 * (1 + 0x1p-8f), 2 * (1 + 3 * 0x1p-8f),
                                                -0x1p-60f, 0x1p-59f,          -1};
    static const uint16_t want[6] = {0x3fc0, 0x3f80, 0x3f82, 0, 0x2180, 0xbf00};
    const float mean[16] = {0};

    (void)state;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);
        float out[WNI_CODES8_STATS];
        uint16_t codes[16];

        k->codes16(x, mean, 16, codes, out);
        assert_memory_equal(codes, want, sizeof want);
        assert_true(out[WNI_CODES8_SCALE] == 2 && out[WNI_CODES8_TOP] == 3);
        assert_true(out[WNI_CODES8_ERROR2] == 2 * 0x1p-14f);
    }
}

/* Known by hand: the largest value has code 255, its half 192 (63.5 to the even 64), zero 128. */
static void codes_by_hand(void **state)
{
    float x[16] __attribute__((aligned(64))) = {3, 1.5f, 0, -3}, mean[16] = {0};

    (void)state;
    for (int isa = -1; isa <= (int)ts_best_isa(); isa++) {
        const wni_kernels *k = isa < 0 ? wni_kernels_oracle() : wni_kernels_at(isa);
        float out[WNI_CODES8_STATS];
        uint8_t codes[16];

        k->codes8(x, mean, 16, codes, out);
        assert_int_equal(codes[0], 255);
        assert_int_equal(codes[1], 192);
        assert_int_equal(codes[2], 128);
        assert_int_equal(codes[3], 1);
        assert_int_equal(codes[15], 128);
        assert_true(out[WNI_CODES8_SCALE] == 3.0f / 127);
        assert_true(out[WNI_CODES8_Y2] == 20.25f && out[WNI_CODES8_TOP] == 3);
    }
}

static void walsh_is_the_oracle(void **state)
{
    static const int64_t shapes[][2] = {{16, 1},  {16, 2},    {32, 8},    {48, 16},    {64, 64},
                                        {96, 32}, {768, 256}, {384, 128}, {4096, 4096}};
    float *v = kt_alloc(4096 * 4), *want = kt_alloc(4096 * 4);

    (void)state;
    for (int kind = 0; kind < KT_KINDS; kind++)
        for (int i = 0; i < 9; i++)
            for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                const int64_t ld = shapes[i][0], block = shapes[i][1];

                if (kind == KT_HUGE) continue; /* inf - inf */
                kt_fill(v, ld, kind, 5);
                memcpy(want, v, (size_t)ld * 4);
                wni_kernels_oracle()->walsh(want, ld, block);
                wni_kernels_at(isa)->walsh(v, ld, block);
                assert_memory_equal(v, want, (size_t)ld * 4);
            }
    /* By hand: a spike is spread over its block, the second pair alternates. */
    memset(v, 0, 32 * 4);
    v[1] = 3;
    wni_kernels_at(ts_best_isa())->walsh(v, 32, 16);
    for (int i = 0; i < 32; i++)
        assert_true(v[i] == (i >= 16 ? 0 : i % 2 ? -3 : 3));
    free(v), free(want);
}

enum { ROWS = 75, ROOM = ROWS * WNI_GROUP8 };

typedef struct outcome {
    int64_t count;
    float need[ROWS], best[ROWS];
    int32_t row[ROOM], column[ROOM];
    float upper[ROOM], lower[ROOM];
} outcome;

/* Marks (2, m) and lifts (2, 64) with a guess at what rows and columns are like. */
static void set_marks(wni_group8 *g, wni_rows8 *rows, int64_t m, float floor, int32_t *lift,
                      int32_t *mark)
{
    const wni_kernels *k = wni_kernels_oracle();
    const float usual = floor > 1e4f ? 1e4f : floor < -1e4f ? -1e4f : floor;
    const wni_guess8 guess = {.need = {usual, 600, 10},
                              .high = {0.7f, 0, 1000},
                              .rest = {-1.5f, 1e5f, 1e4f},
                              .origin = 5,
                              .most = 4};

    k->marks8(&guess, rows->scale, rows->need, g->head ? rows->rest : NULL, m, mark);
    k->lifts8(&guess, g, NULL, lift);
    g->lift = lift;
    rows->mark = mark;
    if (!g->other) return;
    k->marks8(&guess, rows->scale, rows->own, g->head ? rows->rest : NULL, m, mark + m);
    k->lifts8(&guess, g, g->other, lift + WNI_GROUP8);
    g->lift_other = lift + WNI_GROUP8;
    rows->mark_other = mark + m;
}

static void run(const wni_kernels *k, const wni_group8 *g, const uint8_t *x, int64_t m, int64_t ld,
                int keep, int known, float floor, int marks, outcome *o, int64_t *passed)
{
    float scale[ROWS], own[ROWS], rest[ROWS];
    int32_t columns[2 * ROWS], mark[2 * ROWS], *lift = kt_alloc(2 * WNI_GROUP8 * sizeof *lift);
    wni_group8 group = *g;
    wni_rows8 rows = {.scale = scale,
                      .need = o->need,
                      .best = o->best,
                      .known = known ? columns : NULL,
                      .first = 1000,
                      .keep = keep,
                      .own = own,
                      .rest = rest,
                      .passed = passed};
    wni_hits8 hits = {o->row, o->column, o->upper, o->lower};

    memset(o, 0, sizeof *o);
    for (int r = 0; r < ROWS; r++) {
        columns[2 * r] = r % 3 ? 640 + 5 * r % 70 : -1;
        columns[2 * r + 1] = 640 + 11 * r % 64;
        scale[r] = 0.25f + (float)(r % 5);
        own[r] = (float)(r % 9) - 4;
        rest[r] = 1 + (float)(r % 2); /* set_head gives columns what a 1 needs */
        o->need[r] = r % 7 == 3 ? INFINITY : floor;
        o->best[r] = fmaxf(o->need[r], r % 4 == 1 ? 100 : -3e38f);
    }
    if (marks) set_marks(&group, &rows, m, floor, lift, mark);
    o->count = k->dots8(&group, x, m, ld, &rows, &hits);
    free(lift);
}

/* A head of so many dimensions for the columns, with no more than the rest must have for m rows. */
static void set_head(wni_group8 *g, int64_t head, const uint8_t *x, int64_t m, int64_t ld,
                     int32_t *start, float *rest)
{
    g->head = head;
    g->head_start = start;
    g->rest = rest;
    for (int64_t c = 0; c < WNI_GROUP8; c++) {
        int64_t most = 0;

        start[c] = g->start[c] + (int32_t)c - 30;
        for (int64_t r = 0; r < m; r++) {
            int64_t sum = g->start[c] - start[c];

            for (int64_t i = head; i < ld; i++)
                sum += x[r * ld + i] * g->codes[c / 16 * 16 * ld + i / 4 * 64 + c % 16 * 4 + i % 4];
            most = llabs(sum) > most ? llabs(sum) : most;
        }
        rest[c] = ((float)most + (float)ld * 0x1p-10f) * (1 + 0x1p-20f);
    }
}

/* `only`, or NULL for every level of this processor. */
static void dots8_as_the_oracle(const wni_kernels *only)
{
    static const int64_t lengths[] = {16, 48, 256, 1040, 64, 80, 112};
    static const int64_t counts[] = {0,  1,  2,  3,  4,  5,  6,  7,  8, 14,
                                     15, 16, 17, 20, 31, 32, 33, 64, 75};
    static const float floors[] = {-3e38f, -1, 40, 1e30f};
    int8_t *codes = kt_alloc(64 * 1040);
    uint8_t *x = kt_alloc(ROWS * 1040);
    int32_t *start = kt_alloc(2 * 64 * 4);
    float *columns = kt_alloc(6 * 64 * 4);
    outcome *want = malloc(sizeof *want), *got = malloc(sizeof *got);
    int64_t hits = 0, looked = 0, passed = 0;

    for (int l = 0; l < 7; l++) {
        const int64_t ld = lengths[l];
        wni_group8 g = {.codes = codes,
                        .start = start,
                        .scale = columns,
                        .spread = columns + 64,
                        .high = columns + 128,
                        .low = columns + 192,
                        .first = 640};

        for (int64_t i = 0; i < 64 * ld; i++)
            codes[i] = (int8_t)(wni_rand_below(1, 1, (uint64_t)i, 255) - 127);
        for (int64_t i = 0; i < ROWS * ld; i++)
            x[i] = (uint8_t)(l == 2 ? 255 : 1 + wni_rand_below(1, 2, (uint64_t)i, 255));
        for (int c = 0; c < 64; c++) {
            start[c] = (int32_t)wni_rand_below(1, 3, (uint64_t)c, 100000) - 50000;
            columns[c] = (float)(c % 3 + 1) * 0x1p-10f;
            columns[64 + c] = (float)(c % 5) / 3;
            columns[128 + c] = c == 60 ? INFINITY : c > 60 ? -INFINITY : (float)(c % 11);
            columns[192 + c] = c >= 60 ? -INFINITY : columns[128 + c] - 1;
            columns[256 + c] = c % 3 ? (float)(c % 20) : c > 40 ? INFINITY : -0x1p126f;
        }
        for (int n = 0; n < 19; n++)
            for (int keep = -1; keep < 6; keep++) /* -1: 0 with needs of the columns' own */
                for (int f = 0; f < 4; f++) {
                    const int lift = keep < 0 ? 0 : keep % 3;
                    const int marks = (n + f) % 2;
                    const int64_t m = counts[n], head = (n + keep + f) % 5 * ld / 64 * 16;

                    g.other = keep < 0 ? columns + 256 : NULL;
                    set_head(&g, head < ld ? head : 0, x, m, ld, start + 64, columns + 320);
                    run(wni_kernels_oracle(), &g, x, m, ld, lift, keep / 3, floors[f], 0, want,
                        NULL);
                    hits += want->count;
                    for (int isa = 0; isa <= (only ? 0 : (int)ts_best_isa()); isa++) {
                        run(only ? only : wni_kernels_at(isa), &g, x, m, ld, lift, keep / 3,
                            floors[f], marks, got, &passed);
                        looked += !only && isa >= WN_ISA_VNNI && (g.head || marks) ? m : 0;
                        if (memcmp(want, got, sizeof *got) != 0)
                            fail_msg("%s, ld %d, m %d, keep %d, floor %g: %d hits, not %d",
                                     only ? "emulated" : wn_isa_name(isa), (int)ld, (int)m, keep,
                                     (double)floors[f], (int)got->count, (int)want->count);
                    }
                }
    }
    assert_true(hits > 1000);
    /* The variant with heads passes over some rows, and looks at others again. */
    if (looked > 0) assert_true(passed > looked / 20 && passed < looked);
    free(codes), free(x), free(start), free(columns), free(want), free(got);
}

static void dots8_is_the_oracle(void **state)
{
    (void)state;
    dots8_as_the_oracle(NULL);
}

/* The kernel for tiles has its own logic tested where there are none. */
static void dots8_in_tiles_is_the_oracle(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (ts_best_isa() >= WN_ISA_VNNI) {
        wni_kernels emulated = *wni_kernels_oracle();
        const int64_t before = kt_tile_products();

        emulated.dots8 = kt_dots8_emulated;
        dots8_as_the_oracle(&emulated);
        assert_true(kt_tile_products() > before);
        return;
    }
#endif
    print_message("no AVX-512 with VNNI here\n");
    skip();
}

/* Whole numbers, so that sums have no rounding in any order. */
static uint16_t bf16_of(int64_t v)
{
    const float number = (float)v;
    uint32_t bits;

    memcpy(&bits, &number, sizeof bits);
    return (uint16_t)(bits >> 16);
}

/* `only`, or NULL for every level of this processor. */
static void dots16_as_the_oracle(const wni_kernels *only)
{
    static const int64_t lengths[] = {16, 32, 48, 80, 256, 1040};
    static const int64_t counts[] = {0, 1, 2, 5, 6, 7, 12, 15, 16, 17, 20, 31, 32, 33, 64, 75};
    uint16_t *panels = kt_alloc(64 * 1040 * 2), *x = kt_alloc(ROWS * 1040 * 2);
    float *columns = kt_alloc(5 * 64 * 4), scale[ROWS], own[ROWS];
    outcome *o[2] = {malloc(sizeof *o[0]), malloc(sizeof *o[0])};
    int64_t hits = 0;

    for (int64_t i = 0; i < 64 * 1040; i++)
        panels[i] = bf16_of(wni_rand_below(2, 1, (uint64_t)i, 255) - 127);
    for (int64_t i = 0; i < ROWS * 1040; i++)
        x[i] = bf16_of(wni_rand_below(2, 2, (uint64_t)i, 255) - 127);
    for (int c = 0; c < 64; c++) {
        columns[c] = (float)(c % 3 + 1) * 0x1p-10f;
        columns[64 + c] = (float)(c % 5) / 3;
        columns[128 + c] = c > 60 ? -INFINITY : (float)(c % 11);
        columns[192 + c] = c >= 60 ? -INFINITY : columns[128 + c] - 1;
        columns[256 + c] = c % 3 ? (float)(c % 20) : c > 40 ? INFINITY : -0x1p126f;
    }
    for (int l = 0; l < 6; l++)
        for (int n = 0; n < 16; n++)
            for (int keep = -1; keep < 3; keep++) /* -1: 0 with needs of the columns' own */
                for (int isa = -1; isa <= (only ? 0 : (int)ts_best_isa()); isa++) {
                    const wni_kernels *k = isa < 0 ? wni_kernels_oracle()
                                           : only  ? only
                                                   : wni_kernels_at(isa);
                    const int64_t m = counts[n];
                    outcome *to = o[isa >= 0];
                    const wni_group8 g = {.scale = columns,
                                          .spread = columns + 64,
                                          .high = columns + 128,
                                          .low = columns + 192,
                                          .first = 640,
                                          .other = keep < 0 ? columns + 256 : NULL};
                    const wni_rows8 rows = {.scale = scale,
                                            .need = to->need,
                                            .best = to->best,
                                            .first = 1000,
                                            .keep = keep < 0 ? 0 : keep,
                                            .own = own};
                    const wni_hits8 room = {to->row, to->column, to->upper, to->lower};

                    memset(to, 0, sizeof *to);
                    for (int r = 0; r < ROWS; r++) {
                        scale[r] = 0.25f + (float)(r % 5);
                        own[r] = (float)(r % 9) - 4;
                        to->need[r] = r % 7 == 3 ? INFINITY : (float)(r % 3 - 1) * 100;
                        to->best[r] = to->need[r];
                    }
                    to->count = k->dots16(&g, panels, x, m, lengths[l], &rows, &room);
                    hits += to->count;
                    if (isa >= 0 && memcmp(o[0], o[1], sizeof *to) != 0)
                        fail_msg("%s, ld %d, m %d, keep %d", only ? "emulated" : wn_isa_name(isa),
                                 (int)lengths[l], (int)m, keep);
                }
    assert_true(hits > 1000);
    free(panels), free(x), free(columns), free(o[0]), free(o[1]);
}

static void dots16_is_the_oracle(void **state)
{
    (void)state;
    dots16_as_the_oracle(NULL);
}

static void dots16_in_tiles_is_the_oracle(void **state)
{
    (void)state;
#if defined(__x86_64__)
    if (ts_best_isa() >= WN_ISA_VNNI) {
        wni_kernels emulated = *wni_kernels_oracle();
        const int64_t before = kt_tile_products();

        emulated.dots16 = kt_dots16_emulated;
        dots16_as_the_oracle(&emulated);
        assert_true(kt_tile_products() > before);
        return;
    }
#endif
    print_message("no AVX-512 with VNNI here\n");
    skip();
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(codes8_is_the_oracle),
        cmocka_unit_test(codes16_is_the_oracle),
        cmocka_unit_test(bf16_by_hand),
        cmocka_unit_test(codes_by_hand),
        cmocka_unit_test(walsh_is_the_oracle),
        cmocka_unit_test(dots8_is_the_oracle),
        cmocka_unit_test(dots16_is_the_oracle),
        cmocka_unit_test(dots8_in_tiles_is_the_oracle),
        cmocka_unit_test(dots16_in_tiles_is_the_oracle),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
