/* SPDX-License-Identifier: Apache-2.0
 *
 * dedup minhash against all pairs of sets compared one by one, on made-up corpora whose similarities are known.
 */
#include <ctype.h>
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "dedup/minhash_impl.h"
#include "support/support.h"

enum { ROWS_MAX = 4000, WORDS_MAX = 64, SHINGLE = 3 };

/* ---- texts and their slow twin ----------------------------------------------------------------------- */

/* Texts as lists of word numbers; a shingle is known by its words, no hash. */
typedef struct corpus {
    int64_t n;
    int words[ROWS_MAX][WORDS_MAX], length[ROWS_MAX];
    int source[ROWS_MAX];
} corpus;

static int64_t shingle_at(const corpus *c, int64_t row, int i)
{
    int64_t key = 0;

    for (int j = 0; j < SHINGLE; j++)
        key = key * 100003 + (i + j < c->length[row] ? c->words[row][i + j] + 1 : 0);
    return key;
}

static int shingles(const corpus *c, int64_t row, int64_t *out)
{
    int n = 0, last = c->length[row] < SHINGLE ? 1 : c->length[row] - SHINGLE + 1;

    for (int i = 0; c->length[row] && i < last; i++) {
        int64_t key = shingle_at(c, row, i);
        int seen = 0;
        for (int j = 0; j < n; j++)
            seen |= out[j] == key;
        if (!seen) out[n++] = key;
    }
    return n;
}

static double jaccard(const corpus *c, int64_t a, int64_t b)
{
    int64_t x[WORDS_MAX], y[WORDS_MAX];
    int nx = shingles(c, a, x), ny = shingles(c, b, y), both = 0;

    for (int i = 0; i < nx; i++)
        for (int j = 0; j < ny; j++)
            both += x[i] == y[j];
    return nx && ny ? (double)both / (nx + ny - both) : 0;
}

/* The rule, row by row over all pairs. */
static void slow(const corpus *c, double floor, int within, int across, int64_t *partner,
                 float *similarity)
{
    for (int64_t i = 0; i < c->n; i++) {
        double best = -1;

        partner[i] = i;
        similarity[i] = 1;
        for (int64_t j = 0; j < i; j++) {
            double s;
            if (partner[j] != j) continue;
            if (within && c->source[i] != c->source[j]) continue;
            if (across && c->source[i] == c->source[j]) continue;
            s = jaccard(c, i, j);
            if (s < floor || s <= best) continue;
            best = s;
            partner[i] = j;
            similarity[i] = (float)s;
        }
    }
}

static void random_text(corpus *c, int64_t row, int length, int vocabulary)
{
    c->length[row] = length;
    for (int i = 0; i < length; i++)
        c->words[row][i] = (int)wni_rand_below(3, (uint64_t)row, (uint64_t)i, vocabulary);
}

/* `to` repeats `from` with the words at `changed` places replaced, none of them near another. */
static void edited(corpus *c, int64_t from, int64_t to, int changed)
{
    memcpy(c->words[to], c->words[from], sizeof c->words[to]);
    c->length[to] = c->length[from];
    for (int e = 0; e < changed && c->length[to]; e++)
        c->words[to][(e * (SHINGLE + 2) + 4) % c->length[to]] = 50000 + (int)to * 7 + e;
}

static void write_corpus(const corpus *c, const char *path)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (int64_t i = 0; i < c->n; i++) {
        fprintf(f, "{\"id\": \"d%lld\", \"source\": \"s%d\", \"text\": \"", (long long)i,
                c->source[i]);
        for (int j = 0; j < c->length[i]; j++) /* case and punctuation do not count */
            fprintf(f, "%s%cord%d", j ? (j % 3 ? " " : ", ") : "", (i + j) % 2 ? 'w' : 'W',
                    c->words[i][j]);
        fprintf(f, "\"}\n");
    }
    fclose(f);
}

static wn_dedup *run(wn_ctx *ctx, const char *path, const char *against, wn_dedup_minhash_params *p,
                     const char *scratch)
{
    wn_dedup_input in = {.struct_size = sizeof in, .scratch_dir = scratch};
    wn_table_options options;
    wn_dedup *dedup = NULL;

    wn_table_options_init(&options);
    ts_ok(ctx, wn_table_build(ctx, &path, 1, ":memory:", &options, &in.table));
    in.column = wn_table_column_find(in.table, "text");
    if (against) {
        ts_ok(ctx, wn_table_build(ctx, &against, 1, ":memory:", &options, &in.against_table));
        in.against_column = wn_table_column_find(in.against_table, "text");
    }
    ts_ok(ctx, wn_dedup_minhash(ctx, &in, p, &dedup));
    wn_table_free(in.table);
    wn_table_free(in.against_table);
    return dedup;
}

static void defaults(wn_dedup_minhash_params *p)
{
    wn_params_init(wn_method_find("dedup", "minhash"), p);
    p->shingle = SHINGLE;
}

static corpus *new_corpus(void)
{
    corpus *c = calloc(1, sizeof *c);

    assert_non_null(c);
    return c;
}

/* ---- tests ------------------------------------------------------------------------------------------- */

/* Families of edited texts in shuffled places, short texts, copies: with bands of one value every pair that
 * shares anything much is compared, and the answer is that of all pairs. */
static void same_as_all_pairs(void **state)
{
    corpus *c = new_corpus();
    wn_dedup_minhash_params p;
    static int64_t partner[ROWS_MAX];
    static float similarity[ROWS_MAX];
    static const double floors[] = {0.3, 0.5, 0.8, 1};

    (void)state;
    c->n = 700;
    for (int64_t i = 0; i < c->n; i++) {
        int64_t from = wni_rand_below(5, 1, (uint64_t)i, i + 1);
        int kind = (int)wni_rand_below(5, 2, (uint64_t)i, 10);
        random_text(c, i, 1 + (int)wni_rand_below(5, 3, (uint64_t)i, 40), i % 50 ? 300 : 3);
        c->source[i] = (int)wni_rand_below(5, 4, (uint64_t)i, 3);
        if (kind < 6) edited(c, from, i, kind % 5);
        if (kind == 7) c->length[i] = (int)(i % SHINGLE);
        if (i == 600) c->length[i] = 0;
    }
    write_corpus(c, ts_path("pairs.jsonl"));
    for (size_t f = 0; f < sizeof floors / sizeof floors[0]; f++)
        for (int mode = 0; mode < 3; mode++) {
            wn_ctx *ctx = ts_ctx(2, -1);
            wn_dedup *dedup;
            int64_t kept = 0;
            defaults(&p);
            p.min_similarity = floors[f];
            p.num_perm = 64;
            p.bands = 64;
            p.band_rows = 1;
            if (mode) strcpy(p.source, "source");
            p.scope = mode == 2 ? WN_DEDUP_ACROSS : WN_DEDUP_WITHIN;
            slow(c, floors[f], mode == 1, mode == 2, partner, similarity);
            dedup = run(ctx, ts_path("pairs.jsonl"), NULL, &p, NULL);
            assert_int_equal(dedup->n, c->n);
            for (int64_t i = 0; i < c->n; i++) {
                /* A copy of a row that went follows it, though a later row may be closer still. */
                int64_t first = i;
                for (int64_t j = 0; j < i && first == i; j++)
                    if (jaccard(c, i, j) == 1 && (!mode || c->source[i] == c->source[j])) first = j;
                int64_t want = first == i || partner[first] == first ? partner[i] : partner[first];
                kept += dedup->partner[i] == i;
                if (dedup->partner[i] != want)
                    fail_msg("floor %g mode %d row %lld: partner %lld, expected %lld", floors[f],
                             mode, (long long)i, (long long)dedup->partner[i], (long long)want);
                if (want != i) assert_true(dedup->similarity[i] == (float)jaccard(c, i, want));
            }
            assert_int_equal(dedup->kept, kept);
            assert_int_equal(dedup->report.empty_texts > 0, 1);
            assert_true(kept > 50 && kept < c->n);
            wn_dedup_free(dedup);
            wn_ctx_free(ctx);
        }
    free(c);
}

/* Pairs planted at a known similarity are found about as often as the bands say. */
static void planted_pairs_are_found(void **state)
{
    static const struct {
        int changed;
        double least;
    } plant[] = {{1, 0.95}, {2, 0.95}, {3, 0.95}};
    corpus *c = new_corpus();
    wn_dedup_minhash_params p;

    (void)state;
    for (size_t k = 0; k < sizeof plant / sizeof plant[0]; k++) {
        wn_ctx *ctx = ts_ctx(2, -1);
        int64_t found = 0, wrong = 0;
        wn_dedup *dedup;
        double s, chance;
        c->n = 2000;
        for (int64_t i = 0; i < c->n; i++) {
            random_text(c, i, 60, 40000);
            if (i >= c->n / 2) edited(c, i - c->n / 2, i, plant[k].changed);
        }
        write_corpus(c, ts_path("planted.jsonl"));
        s = jaccard(c, 0, c->n / 2);
        defaults(&p);
        p.min_similarity = s - 0.02;
        dedup = run(ctx, ts_path("planted.jsonl"), NULL, &p, NULL);
        for (int64_t i = 0; i < c->n; i++) {
            if (dedup->partner[i] == i) continue;
            found += dedup->partner[i] == i - c->n / 2;
            wrong += dedup->partner[i] != i - c->n / 2;
        }
        chance = wni_bands_chance((wni_bands){dedup->report.bands, dedup->report.band_rows}, s);
        print_message("Jaccard %.3f: recall %.3f, expected %.3f\n", s,
                      (double)found / (double)(c->n / 2), chance);
        assert_int_equal(wrong, 0);
        assert_true(chance > 0.97);
        assert_true(fabs((double)found / (double)(c->n / 2) - chance) < 0.03);
        assert_true((double)found / (double)(c->n / 2) >= plant[k].least);
        wn_dedup_free(dedup);
        wn_ctx_free(ctx);
    }
    free(c);
}

/* Little memory forces every array and sort into files; threads and blocks do not matter either. */
static void spills_change_nothing(void **state)
{
    corpus *c = new_corpus();
    wn_dedup *first = NULL;
    wn_ctx *first_ctx = NULL;
    wn_dedup_minhash_params p;

    (void)state;
    c->n = ROWS_MAX;
    for (int64_t i = 0; i < c->n; i++) {
        random_text(c, i, 50, 9000);
        if (i % 3 == 2) edited(c, i * 5 / 7, i, (int)(i % 4));
    }
    write_corpus(c, ts_path("spill.jsonl"));
    defaults(&p);
    p.min_similarity = 0.5;
    p.num_perm = 1024;
    for (int k = 0; k < 4; k++) {
        wn_ctx *ctx = ts_ctx(k == 1 ? 8 : 1 + k / 2, k == 1 ? WN_ISA_BASE : -1);
        wn_dedup *dedup;
        if (k >= 2) ctx->budget_bytes = (k == 2 ? 24 : 12) << 20;
        dedup = run(ctx, ts_path("spill.jsonl"), NULL, &p, ts_tmp());
        if (k >= 2) assert_true(wn_ctx_peak_bytes(ctx) <= ctx->budget_bytes + 65536);
        print_message("peak %lld KiB\n", (long long)(wn_ctx_peak_bytes(ctx) >> 10));
        if (!first) {
            first = dedup;
            first_ctx = ctx;
            assert_in_range(dedup->kept, 2600, 3990);
            continue;
        }
        assert_memory_equal(first->partner, dedup->partner, (size_t)c->n * 8);
        assert_memory_equal(first->similarity, dedup->similarity, (size_t)c->n * 4);
        assert_int_equal(first->report.pairs_compared, dedup->report.pairs_compared);
        wn_dedup_free(dedup);
        wn_ctx_free(ctx);
    }
    wn_dedup_free(first);
    wn_ctx_free(first_ctx);
    free(c);
}

static void write_texts(const char *path, const char *const *texts, int n)
{
    FILE *f = fopen(path, "w");

    assert_non_null(f);
    for (int i = 0; i < n; i++)
        fprintf(f, "{\"text\": \"%s\"}\n", texts[i]);
    fclose(f);
}

static void hand_made(void **state)
{
    static const char *const texts[] = {
        "",                                       /* 0 no word: kept */
        "one two three four five six seven",      /* 1 */
        "One, two; three (four) FIVE six seven!", /* 2 = 1 but for case and punctuation */
        "one two three four five six eight",      /* 3: J = 4 / 6 with 1 */
        "one two",                                /* 4 shorter than a shingle */
        "one two",                                /* 5 = 4 */
        "two one",                                /* 6: not the same */
        "...",                                    /* 7 no word: kept */
        "one",                                    /* 8 */
        "one two three four five six eight",      /* 9 = 3, which went: follows it */
        "\\u00c9t\\u00e9 chaud",
        "\\u00e9T\\u00c9 chaud", /* 10, 11: the same in lower case */
    };
    static const int64_t want[] = {0, 1, 1, 1, 4, 4, 6, 7, 8, 1, 10, 10};
    enum { N = sizeof texts / sizeof texts[0] };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_minhash_params p;
    wn_dedup *dedup;

    (void)state;
    write_texts(ts_path("hand.jsonl"), texts, N);
    defaults(&p);
    p.min_similarity = 0.6;
    p.bands = 128;
    p.band_rows = 1;
    dedup = run(ctx, ts_path("hand.jsonl"), NULL, &p, NULL);
    for (int i = 0; i < N; i++)
        assert_int_equal(dedup->partner[i], want[i]);
    assert_int_equal(dedup->kept, 7);
    assert_int_equal(dedup->report.empty_texts, 2);
    assert_true(dedup->similarity[3] == (float)(4.0 / 6.0));
    assert_true(dedup->similarity[9] == (float)(4.0 / 6.0));
    assert_true(dedup->similarity[2] == 1);
    assert_true(fabs(dedup->report.worst_similarity - 4.0 / 6.0) < 1e-6);
    wn_dedup_free(dedup);

    p.verify = 0; /* what shares a band goes, and nobody knows how alike it is */
    dedup = run(ctx, ts_path("hand.jsonl"), NULL, &p, NULL);
    assert_int_equal(dedup->partner[2], 1);
    assert_int_equal(dedup->partner[3], 1);
    assert_true(isnan(dedup->similarity[3]));
    assert_true(isnan(dedup->report.worst_similarity));
    assert_int_equal(dedup->partner[0], 0);
    wn_dedup_free(dedup);
    wn_ctx_free(ctx);
}

/* A reference of rows that the pool repeats: what it repeats is named, and nothing of it is asked to go. */
static void against_a_reference(void **state)
{
    static const char *const reference[] = {"a b c d e f", "a b c d e f", "k l m n o p", ""};
    static const char *const pool[] = {
        "x y z x y z w", /* 0 kept */
        "A B C D E F",   /* 1 repeats row 0 */
        "a b c d e g",   /* 2: J = 3 / 5 with row 0 */
        "x y z x y z w", /* 3 = row 0 of the pool */
        "k l m n o p",   /* 4 repeats row 2 */
        "k l m n o p q", /* 5: J = 4 / 5 with row 2 and with row 4 of the pool */
        "",              /* 6 kept */
        "a b c d e g",   /* 7 = 2, which went: follows it */
    };
    static const int64_t both[] = {0, -1, -1, 0, -3, -3, 6, -1};
    static const int64_t only[] = {0, -1, -1, 3, -3, -3, 6, -1};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_minhash_params p;

    (void)state;
    write_texts(ts_path("reference.jsonl"), reference, 4);
    write_texts(ts_path("new.jsonl"), pool, 8);
    defaults(&p);
    p.min_similarity = 0.55;
    p.bands = 128;
    p.band_rows = 1;
    for (int within = 1; within >= 0; within--) {
        wn_dedup *dedup;
        p.within_pool = within;
        dedup = run(ctx, ts_path("new.jsonl"), ts_path("reference.jsonl"), &p, NULL);
        for (int i = 0; i < 8; i++)
            assert_int_equal(dedup->partner[i], (within ? both : only)[i]);
        assert_true(dedup->similarity[2] == (float)(3.0 / 5.0));
        assert_true(dedup->similarity[5] == (float)(4.0 / 5.0));
        assert_int_equal(dedup->report.repeats_reference, 5);
        assert_int_equal(dedup->kept, within ? 2 : 3);
        wn_dedup_free(dedup);
    }
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const char *path, const wn_dedup_minhash_params *p,
                    wn_status status, const char *mentions)
{
    wn_dedup_input in = {.struct_size = sizeof in};
    wn_table_options options;
    wn_dedup *dedup;

    wn_table_options_init(&options);
    ts_ok(ctx, wn_table_build(ctx, &path, 1, ":memory:", &options, &in.table));
    in.column = wn_table_column_find(in.table, "text");
    assert_int_equal(wn_dedup_minhash(ctx, &in, p, &dedup), status);
    assert_null(dedup);
    if (!strstr(wn_ctx_error(ctx), mentions))
        fail_msg("no '%s' in: %s", mentions, wn_ctx_error(ctx));
    wn_table_free(in.table);
}

static void bad_input(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_input none = {.struct_size = sizeof none};
    wn_dedup_minhash_params p;
    wn_dedup *dedup;

    (void)state;
    defaults(&p);
    ts_write_file(ts_path("null.jsonl"), "{\"text\": \"a b\"}\n{\"text\": null}\n", 31);
    refused(ctx, ts_path("null.jsonl"), &p, WN_E_DATA, "line 2 (row 1): its text is missing");
    ts_write_file(ts_path("two.jsonl"), "{\"text\": \"a b\", \"site\": 1}\n", 27);
    strcpy(p.source, "sit");
    refused(ctx, ts_path("two.jsonl"), &p, WN_E_DATA, "did you mean 'site'");
    defaults(&p);
    p.bands = 20;
    p.band_rows = 7;
    refused(ctx, ts_path("two.jsonl"), &p, WN_E_USAGE, "--num-perm");
    p.band_rows = 6;
    assert_int_equal(wn_dedup_minhash(ctx, &none, &p, &dedup), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "no table"));
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void bands_fit_the_threshold(void **state)
{
    (void)state;
    assert_true(fabs(wni_bands_chance((wni_bands){20, 5}, 0.8) - 0.99964) < 1e-5);
    assert_true(wni_bands_chance((wni_bands){20, 5}, 0) == 0);
    assert_true(wni_bands_chance((wni_bands){20, 5}, 1) == 1);
    for (double t = 0.3; t < 0.99; t += 0.05) {
        wni_bands b = wni_bands_choose(t, 128, 0.98), even = wni_bands_choose(t, 128, 0.5);
        assert_true(b.count * b.rows <= 128);
        assert_true(wni_bands_chance(b, t) > 0.9);
        assert_true(wni_bands_chance(b, t) > wni_bands_chance(even, t));
        assert_true(wni_bands_chance(b, t - 0.25) < 0.6);
    }
    assert_int_equal(wni_bands_choose(0.8, 1, 0.5).count, 1);
}

/* Of any size from none on, a run gives an answer. */
static void small_pools(void **state)
{
    static const char *const texts[] = {"a b c d", "a b c d", "a b c d"};
    wn_dedup_minhash_params p;

    (void)state;
    defaults(&p);
    for (int n = 1; n <= 3; n++) {
        wn_ctx *ctx = ts_ctx(2, -1);
        wn_dedup *dedup;
        write_texts(ts_path("small.jsonl"), texts, n);
        dedup = run(ctx, ts_path("small.jsonl"), NULL, &p, ts_tmp());
        assert_int_equal(dedup->n, n);
        assert_int_equal(dedup->kept, 1);
        wn_dedup_free(dedup);
        wn_ctx_free(ctx);
    }
}

/* Signed piece by piece, which must not show: the second text is the first without its last words. */
static void long_texts(void **state)
{
    enum { LONG = 70000, LESS = 500 };
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_dedup_minhash_params p;
    wn_dedup *dedup;
    FILE *f = fopen(ts_path("long.jsonl"), "w");

    (void)state;
    assert_non_null(f);
    for (int row = 0; row < 2; row++) {
        fprintf(f, "{\"text\": \"");
        for (int i = 0; i < LONG - row * LESS; i++)
            fprintf(f, "w%d ", i);
        fprintf(f, "\"}\n");
    }
    fclose(f);
    defaults(&p);
    p.min_similarity = 0.99;
    dedup = run(ctx, ts_path("long.jsonl"), NULL, &p, NULL);
    assert_int_equal(dedup->partner[1], 0);
    assert_true(dedup->similarity[1] ==
                (float)((double)(LONG - LESS - SHINGLE + 1) / (double)(LONG - SHINGLE + 1)));
    wn_dedup_free(dedup);
    wn_ctx_free(ctx);
}

static int teardown(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(same_as_all_pairs),
        cmocka_unit_test(planted_pairs_are_found),
        cmocka_unit_test(spills_change_nothing),
        cmocka_unit_test(hand_made),
        cmocka_unit_test(against_a_reference),
        cmocka_unit_test(bad_input),
        cmocka_unit_test(bands_fit_the_threshold),
        cmocka_unit_test(small_pools),
        cmocka_unit_test(long_texts),
    };

    return cmocka_run_group_tests_name("dedup minhash", tests, NULL, teardown);
}
