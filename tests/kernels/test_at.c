/* SPDX-License-Identifier: Apache-2.0
 *
 * Distances to rows in any order: every variant of this processor against the oracle, byte for byte, and the
 * oracle against plain sums.
 */
#include "kernels/kernel_data.h"

#define ROWS 37

static const int64_t lengths[] = {16, 32, 48, 64, 80, 96, 112, 128, 160, 256, 784, 1024};
static const int64_t counts[] = {0, 1, 2, 3, 4, 5, 7, 8, 32};
#define LENGTHS (int)(sizeof lengths / sizeof *lengths)
#define COUNTS  (int)(sizeof counts / sizeof *counts)

enum { F32, F16, I8, FORMS };

typedef struct set {
    float *q;
    void *rows;
    wni_query_i8 coarse;
} set;

static void call(const wni_kernels *k, int form, const set *s, int64_t ld, const int32_t *at,
                 int64_t n, float *out)
{
    if (form == F32)
        k->l2sq_at(s->q, s->rows, ld, at, n, out);
    else if (form == F16)
        k->l2sq_f16_at(s->q, s->rows, ld, at, n, out);
    else
        k->l2sq_i8_at(&s->coarse, s->rows, ld, at, n, out);
}

static int8_t byte_of(int kind, uint64_t i)
{
    if (kind == KT_HUGE) return i % 3 ? 127 : -127;
    return (int8_t)(wni_rand_below(7, (uint64_t)kind, i, 255) - 127);
}

/* q of an 8-bit query, in steps of 2^-shift. */
static void fill_query(set *s, int kind, int64_t ld, int16_t *q, int8_t *high, int8_t *low)
{
    int shift = ld > 512 ? 5 : 8;
    int64_t squares = 0, sum = 0;

    for (int64_t j = 0; j < ld; j++) {
        q[j] = (int16_t)(byte_of(kind, (uint64_t)(1000 + j)) * (1 << shift));
        if (kind == KT_PLAIN && q[j] < 30000) q[j] = (int16_t)(q[j] + 77);
        high[j] = (int8_t)((q[j] + 128) >> 8);
        low[j] = (int8_t)(q[j] - 256 * high[j]);
        squares += q[j] * q[j];
        sum += q[j];
    }
    s->coarse = (wni_query_i8){.q = q,
                               .high = high,
                               .low = low,
                               .sum = (uint32_t)sum,
                               .constant = (uint32_t)((squares + (1 << shift) - 1) >> shift),
                               .shift = shift,
                               .unit = 0.37f};
}

static void fill(set *s, int form, int kind, int64_t ld)
{
    kt_fill(s->q, ld, kind, 1);
    if (form == F32) kt_fill(s->rows, ROWS * ld, kind, 2);
    for (int64_t i = 0; form == F16 && i < ROWS * ld; i++) {
        uint16_t h = (uint16_t)wni_rand_u64(3, (uint64_t)kind, (uint64_t)i);

        if ((h & 0x7c00) == 0x7c00) h ^= 0x4000; /* no Inf, no NaN */
        ((uint16_t *)s->rows)[i] = h;
    }
    for (int64_t i = 0; form == I8 && i < ROWS * ld; i++)
        ((int8_t *)s->rows)[i] = byte_of(kind, (uint64_t)i);
}

static void every_variant_is_the_oracle(void **state)
{
    int16_t q[1024] __attribute__((aligned(64)));
    int8_t high[1024] __attribute__((aligned(64))), low[1024] __attribute__((aligned(64)));
    set s = {.q = kt_alloc(1024 * 4), .rows = kt_alloc(ROWS * 1024 * 4)};
    float want[33], got[33 + 3];
    int32_t at[33];

    (void)state;
    for (int i = 0; i < 33; i++)
        at[i] = (int32_t)wni_rand_below(5, 5, (uint64_t)i, ROWS);
    for (int form = 0; form < FORMS; form++)
        for (int kind = 0; kind < KT_KINDS; kind++)
            for (int l = 0; l < LENGTHS; l++) {
                const int64_t ld = lengths[l];

                fill(&s, form, kind, ld);
                fill_query(&s, kind, ld, q, high, low);
                for (int c = 0; c < 2 * COUNTS; c++) {
                    const int32_t *order = c < COUNTS ? at : NULL;
                    const int64_t n = counts[c % COUNTS];

                    call(wni_kernels_oracle(), form, &s, ld, order, n, want);
                    for (int isa = 0; isa <= (int)ts_best_isa(); isa++) {
                        memset(got, 0xa5, sizeof got);
                        call(wni_kernels_at(isa), form, &s, ld, order, n, got);
                        if (memcmp(got, want, (size_t)n * sizeof *got) != 0)
                            fail_msg("form %d, level %s, ld %d, n %d, kind %d: %a, not %a", form,
                                     wn_isa_name(isa), (int)ld, (int)n, kind, (double)got[0],
                                     (double)want[0]);
                        for (int i = (int)n; i < 36; i++)
                            assert_memory_equal(got + i, "\xa5\xa5\xa5\xa5", 4);
                    }
                }
            }
    free(s.q);
    free(s.rows);
}

/* f32 and f16 rows are l2sq of the rows; 8-bit ones plain sums in double. */
static void the_oracle_is_the_definition(void **state)
{
    int16_t q[160];
    int8_t high[160], low[160];
    set s = {.q = kt_alloc(160 * 4), .rows = kt_alloc(ROWS * 160 * 4)};
    float *wide = kt_alloc(160 * 4), got[ROWS];
    const wni_kernels *oracle = wni_kernels_oracle();
    const int64_t ld = 160;

    (void)state;
    fill(&s, F32, KT_WIDE, ld);
    oracle->l2sq_at(s.q, s.rows, ld, NULL, ROWS, got);
    for (int64_t i = 0; i < ROWS; i++)
        assert_true(got[i] == oracle->l2sq(s.q, (const float *)s.rows + i * ld, ld));
    fill(&s, F16, KT_PLAIN, ld);
    oracle->l2sq_f16_at(s.q, s.rows, ld, NULL, ROWS, got);
    for (int64_t i = 0; i < ROWS; i++) {
        oracle->widen_f16((const uint16_t *)s.rows + i * ld, wide, ld);
        assert_true(got[i] == oracle->l2sq(s.q, wide, ld));
    }
    fill(&s, I8, KT_PLAIN, ld);
    fill_query(&s, KT_PLAIN, ld, q, high, low);
    oracle->l2sq_i8_at(&s.coarse, s.rows, ld, NULL, ROWS, got);
    for (int64_t i = 0; i < ROWS; i++) {
        double sum = 0;

        for (int64_t j = 0; j < ld; j++) {
            double x = ((const int8_t *)s.rows)[i * ld + j] - q[j] / 256.0;

            sum += x * x;
        }
        assert_true(fabs((double)got[i] - sum * 256 * (double)0.37f) < 0.5 + 1e-6 * sum * 256);
    }
    free(s.q);
    free(s.rows);
    free(wide);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(every_variant_is_the_oracle),
        cmocka_unit_test(the_oracle_is_the_definition),
    };

    return cmocka_run_group_tests(tests, NULL, NULL);
}
