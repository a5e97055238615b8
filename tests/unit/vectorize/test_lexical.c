/* SPDX-License-Identifier: Apache-2.0
 *
 * Lexical vectors: the features and rows against a slow twin, hand-made texts, the same bytes whatever the
 * threads, and each way a text can be wrong.
 */
#include <math.h>
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include <xxhash.h>

#include "base/ctx_impl.h"
#include "base/rng.h"
#include "support/support.h"
#include "pool/text_features.h"

typedef wn_vectorize_lexical_params lexical_params;

static const wn_method *method(void)
{
    const wn_method *m = wn_method_find("vectorize", "lexical");

    if (!m) fail_msg("vectorize lexical is not in the registry");
    return m;
}

static lexical_params defaults(void)
{
    lexical_params p;

    wn_params_init(method(), &p);
    return p;
}

/* ---- tables and runs --------------------------------------------------------------------------- */

/* A table with the texts in its only column; NULL = null. */
static wn_table *table_of(wn_ctx *ctx, const char *const *texts, int n)
{
    const char *path = ts_path("texts.jsonl");
    FILE *f = fopen(path, "w");
    wn_table *t;

    for (int i = 0; i < n; i++)
        if (texts[i])
            fprintf(f, "{\"gloss\": \"%s\"}\n", texts[i]);
        else
            fprintf(f, "{\"gloss\": null}\n");
    fclose(f);
    ts_ok(ctx, wn_table_build(ctx, &path, 1, ":memory:", NULL, &t));
    return t;
}

typedef struct rows {
    float *v; /* (n, d) */
    int64_t n, d;
} rows;

static wn_status keep(void *user, int64_t first, int64_t n, int64_t d, const float *v)
{
    rows *r = user;

    if (first != r->n) return WN_E_INTERNAL;
    r->v = realloc(r->v, (size_t)((r->n + n) * d) * sizeof *r->v);
    memcpy(r->v + r->n * d, v, (size_t)(n * d) * sizeof *v);
    r->n += n;
    r->d = d;
    return WN_OK;
}

static wn_status run(wn_ctx *ctx, wn_table *t, const lexical_params *p, rows *r)
{
    wn_vectorize_input in = {sizeof in, t, 0};

    memset(r, 0, sizeof *r);
    return wn_vectorize_lexical(ctx, &in, p, keep, r);
}

static double cosine(const rows *r, int64_t a, int64_t b)
{
    double sum = 0;

    for (int64_t j = 0; j < r->d; j++)
        sum += (double)r->v[a * r->d + j] * r->v[b * r->d + j];
    return sum;
}

/* ---- slow twin --------------------------------------------------------------------------------- */

typedef struct ref_feature {
    uint64_t hash;
    double count;
} ref_feature;

static int by_hash(const void *a, const void *b)
{
    uint64_t x = ((const ref_feature *)a)->hash, y = ((const ref_feature *)b)->hash;

    return x < y ? -1 : x > y;
}

/* Appends a feature to f, or counts it again. */
static void ref_add(ref_feature *f, int *n, const char *text, size_t bytes, uint64_t seed)
{
    uint64_t hash = XXH3_64bits_withSeed(text, bytes, seed);

    for (int i = 0; i < *n; i++)
        if (f[i].hash == hash) {
            f[i].count++;
            return;
        }
    f[(*n)++] = (ref_feature){hash, 1};
}

/* ASCII only. Words by strtok, n-grams by joining them anew. */
static int ref_features(const char *text, int words, int least, int most, ref_feature *f)
{
    char copy[20000], *word[4000];
    int n_words = 0, n = 0;

    snprintf(copy, sizeof copy, "%s", text);
    for (char *c = copy; *c; c++) {
        if (*c >= 'A' && *c <= 'Z') *c = (char)(*c + 32);
        if (!((*c >= 'a' && *c <= 'z') || (*c >= '0' && *c <= '9'))) *c = ' ';
    }
    for (char *w = strtok(copy, " "); w; w = strtok(NULL, " "))
        word[n_words++] = w;
    for (int g = least; g <= most; g++)
        for (int i = 0; i < n_words; i++) {
            char joined[20000] = "";

            if (words) {
                if (i + g > n_words) break;
                for (int j = 0; j < g; j++)
                    strcat(strcat(joined, j ? " " : ""), word[i + j]);
                ref_add(f, &n, joined, strlen(joined), 1);
            } else {
                sprintf(joined, " %s ", word[i]);
                for (size_t j = 0; j + (size_t)g <= strlen(joined); j++)
                    ref_add(f, &n, joined + j, (size_t)g, 2);
            }
        }
    qsort(f, (size_t)n, sizeof *f, by_hash);
    return n;
}

/* Rows by the definition, with libm's log, documents counted by comparing slots directly. */
static void ref_rows(const char *const *texts, int n, const lexical_params *p, double *out)
{
    ref_feature *f = malloc(40000 * sizeof *f);
    uint64_t key = wni_rand_u64(p->seed, wni_stream("lexical projection", 0, 0), 0);
    unsigned *df = calloc(1 << 22, sizeof *df);
    int64_t d = p->dim, s = p->nonzeros;

    for (int i = 0; i < n; i++)
        for (int kind = 0; kind < 2; kind++) {
            int m = ref_features(texts[i], !kind, kind ? 3 : 1, kind ? 4 : 2, f);
            for (int j = 0; j < m; j++)
                if (j == 0 || f[j].hash >> 42 != f[j - 1].hash >> 42) df[f[j].hash >> 42]++;
        }
    for (int i = 0; i < n; i++) {
        double *row = out + i * d, length2 = 0;

        memset(row, 0, (size_t)d * sizeof *row);
        for (int kind = 0; kind < 2; kind++) {
            int m = ref_features(texts[i], !kind, kind ? 3 : 1, kind ? 4 : 2, f);
            double norm2 = 0, share = kind ? p->char_weight : 1 - p->char_weight;

            for (int j = 0; j < m; j++) {
                f[j].count =
                    (1 + log(f[j].count)) * (log((1.0 + n) / (1.0 + df[f[j].hash >> 42])) + 1);
                norm2 += f[j].count * f[j].count;
            }
            for (int j = 0; j < m; j++)
                for (int64_t b = 0; b < s; b++) {
                    int64_t low = b * d / s, high = (b + 1) * d / s;
                    uint64_t x = (f[j].hash ^ key) + (uint64_t)b * 0x9e3779b97f4a7c15u;

                    x = (x ^ x >> 30) * 0xbf58476d1ce4e5b9u;
                    x = (x ^ x >> 27) * 0x94d049bb133111ebu;
                    x ^= x >> 31;
                    row[low + (int64_t)((x >> 32) * (uint64_t)(high - low) >> 32)] +=
                        (x & 1 ? 1 : -1) * f[j].count * sqrt(share / norm2);
                }
        }
        for (int64_t j = 0; j < d; j++)
            length2 += row[j] * row[j];
        for (int64_t j = 0; j < d; j++)
            row[j] /= sqrt(length2);
    }
    free(df);
    free(f);
}

/* Made-up sentences over a vocabulary in which low numbers are frequent. */
static char *sentence(int i, int words)
{
    char *text = malloc((size_t)words * 16 + 16);
    size_t at = 0;

    for (int j = 0; j < words; j++) {
        double u = wni_rand_unit(5, (uint64_t)i, (uint64_t)j);
        at += (size_t)sprintf(text + at, "%s%c%s%d", j ? (j % 7 ? " " : ", ") : "",
                              j % 5 ? 'w' : 'W', j % 3 ? "ord" : "", (int)(400 * u * u * u));
    }
    sprintf(text + at, ".");
    return text;
}

/* ---- tests ------------------------------------------------------------------------------------- */

static void test_words(void **state)
{
    static const char *const cases[][2] = {
        {"", " "},
        {"  ,. ", " "},
        {"a", " a "},
        {"The cat's  MAT-2!", " the cat s mat 2 "},
        {"\xc3\x89"
         "COLE na\xc3\xafve",
         " \xc3\xa9"
         "cole na\xc3\xafve "},
        {"\xe2\x80\x9cquoted\xe2\x80\x9d\xe2\x80\x94so", " quoted so "}, /* quotes, dash */
        {"\xd0\x9c\xd0\x98\xd0\xa0 \xd0\x81", " \xd0\xbc\xd0\xb8\xd1\x80 \xd1\x91 "},
        {"\xce\xa3\xce\x91", " \xcf\x83\xce\xb1 "},
        {"3\xc3\x97"
         "4\xc2\xa0"
         "5",
         " 3 4 5 "}, /* times, no-break space */
        {"\xe6\x97\xa5\xe6\x9c\xac\xe3\x80\x82\xe8\xaa\x9e",
         " \xe6\x97\xa5\xe6\x9c\xac \xe8\xaa\x9e "},
        {"\xf0\x9f\x98\x80", " \xf0\x9f\x98\x80 "},
        {"ab\xff"
         "cd\xc3",
         " ab cd "}, /* not UTF-8: a table of another maker */
    };
    wn_ctx *ctx = ts_ctx(1, -1);
    wni_features f;

    (void)state;
    wni_features_init(ctx, &f);
    for (size_t i = 0; i < sizeof cases / sizeof cases[0]; i++) {
        ts_ok(ctx, wni_features_words(&f, cases[i][0], (int64_t)strlen(cases[i][0])));
        if (f.text_bytes != (int64_t)strlen(cases[i][1]) ||
            memcmp(f.text, cases[i][1], (size_t)f.text_bytes) != 0)
            fail_msg("'%s' gave '%.*s', expected '%s'", cases[i][0], (int)f.text_bytes, f.text,
                     cases[i][1]);
    }
    wni_features_free(&f);
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void test_features(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    ref_feature *expected = malloc(40000 * sizeof *expected);
    wni_features f;

    (void)state;
    wni_features_init(ctx, &f);
    for (int i = 0; i < 40; i++) {
        char *text = sentence(i, i < 30 ? i : i * i);

        ts_ok(ctx, wni_features_words(&f, text, (int64_t)strlen(text)));
        for (int kind = 0; kind < 2; kind++) {
            int least = kind ? 2 : 1, most = kind ? 5 : 3;
            int n = ref_features(text, !kind, least, most, expected);

            ts_ok(ctx, wni_features_count(&f, kind ? WNI_CHARS : WNI_WORDS,
                                          (2u << most) - (1u << least)));
            assert_int_equal(f.n, n);
            for (int j = 0; j < n; j++) {
                assert_true(f.hash[j] == expected[j].hash);
                assert_true(f.count[j] == expected[j].count);
            }
        }
        free(text);
    }
    /* Characters are counted, not bytes. */
    ts_ok(ctx, wni_features_words(&f, "\xc3\xa9\xc3\xa8", 4));
    ts_ok(ctx, wni_features_count(&f, WNI_CHARS, 1u << 4));
    assert_int_equal(f.n, 1);
    assert_true(f.hash[0] == XXH3_64bits_withSeed(" \xc3\xa9\xc3\xa8 ", 6, 2));
    ts_ok(ctx, wni_features_count(&f, WNI_CHARS, 1u << 5));
    assert_int_equal(f.n, 0);
    ts_ok(ctx, wni_features_count(&f, WNI_CHARS, 1u << 1)); /* no feature of the spaces alone */
    assert_int_equal(f.n, 2);
    wni_features_free(&f);
    free(expected);
    wn_ctx_free(ctx);
}

#define N 60

static void test_rows(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    char *texts[N];
    lexical_params p = defaults();
    double *expected = malloc(N * 100 * sizeof *expected);
    wn_table *t;

    (void)state;
    for (int i = 0; i < N; i++)
        texts[i] = sentence(i, 2 + i);
    t = table_of(ctx, (const char *const *)texts, N);
    for (int variant = 0; variant < 4; variant++) {
        rows r;

        p.dim = variant == 1 ? 97 : 64;
        p.nonzeros = variant == 2 ? 1 : variant == 3 ? 7 : 4;
        p.char_weight = variant == 2 ? 0.25 : 0.5;
        p.seed = variant == 3 ? 77 : 0;
        ref_rows((const char *const *)texts, N, &p, expected);
        ts_ok(ctx, run(ctx, t, &p, &r));
        assert_int_equal(r.n, N);
        assert_int_equal(r.d, p.dim);
        for (int64_t i = 0; i < N * p.dim; i++)
            if (fabs(r.v[i] - expected[i]) > 1e-7)
                fail_msg("variant %d, value %d: %g, expected %g", variant, (int)i, (double)r.v[i],
                         expected[i]);
        for (int64_t i = 0; i < N; i++)
            assert_true(fabs(cosine(&r, i, i) - 1) < 1e-6);
        free(r.v);
    }
    for (int i = 0; i < N; i++)
        free(texts[i]);
    wn_table_free(t);
    wn_ctx_free(ctx);
    free(expected);
}

static void test_likeness(void **state)
{
    static const char *const texts[] = {
        "a large wild cat of the forests of Asia having a tawny coat with black stripes",
        "A LARGE wild cat, of the forests of Asia; having a tawny coat with black stripes!",
        "a large wild cat of the forests of Asia having a tawny coat with black stripe",
        "large cats of African and Asian forests with spotted coats",
        "an unsecured short-term loan that a bank gives to a firm",
    };
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_table *t = table_of(ctx, texts, 5);
    lexical_params p = defaults();
    rows r;

    (void)state;
    p.dim = 1024;
    ts_ok(ctx, run(ctx, t, &p, &r));
    assert_true(cosine(&r, 0, 1) > 0.999999); /* case and punctuation do not count */
    assert_true(cosine(&r, 0, 2) > 0.9);
    assert_true(cosine(&r, 0, 3) < cosine(&r, 0, 2) - 0.2);
    assert_true(cosine(&r, 0, 3) > cosine(&r, 0, 4) + 0.1);
    assert_true(fabs(cosine(&r, 0, 4)) < 0.25);
    free(r.v);
    wn_table_free(t);
    wn_ctx_free(ctx);
}

/* Only words, only characters, one n-gram length: a row has what it asks for. */
static void test_shares(void **state)
{
    static const char *const texts[] = {"alpha beta", "beta alpha", "alphas betas"};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t = table_of(ctx, texts, 3);
    lexical_params p = defaults();
    rows r;

    (void)state;
    p.words = (wn_list){1, {1}};
    p.char_weight = 0;
    ts_ok(ctx, run(ctx, t, &p, &r));
    assert_true(cosine(&r, 0, 1) > 0.999999);
    assert_true(fabs(cosine(&r, 0, 2)) < 0.6);
    free(r.v);
    p.words = (wn_list){1, {2}};
    ts_ok(ctx, run(ctx, t, &p, &r));
    assert_true(fabs(cosine(&r, 0, 1)) < 0.6);
    free(r.v);
    p.char_weight = 1;
    ts_ok(ctx, run(ctx, t, &p, &r));
    assert_true(cosine(&r, 0, 2) > 0.3);
    free(r.v);
    wn_table_free(t);
    wn_ctx_free(ctx);
}

/* More rows than a batch, and one text larger than a batch, over threads and instruction sets. */
static void test_same_bytes(void **state)
{
    const int n = 9000;
    char **texts = malloc((size_t)n * sizeof *texts);
    lexical_params p = defaults();
    rows first = {0};

    (void)state;
    p.dim = 32;
    for (int i = 0; i < n; i++)
        texts[i] = sentence(i, i == 4321 ? 600000 : 1 + i % 9);
    for (int threads = 1; threads <= 8; threads = threads == 1 ? 2 : threads + 6)
        for (int isa = WN_ISA_BASE; isa <= (threads == 2 ? (int)ts_best_isa() : WN_ISA_BASE);
             isa++) {
            wn_ctx *ctx = ts_ctx(threads, isa);
            wn_table *t = table_of(ctx, (const char *const *)texts, n);
            rows r;

            ts_ok(ctx, run(ctx, t, &p, &r));
            assert_int_equal(r.n, n);
            if (!first.v) {
                first = r;
            } else {
                assert_memory_equal(r.v, first.v, (size_t)(n * p.dim) * sizeof *r.v);
                free(r.v);
            }
            wn_table_free(t);
            wn_ctx_free(ctx);
        }
    { /* another seed, other rows */
        wn_ctx *ctx = ts_ctx(1, -1);
        wn_table *t = table_of(ctx, (const char *const *)texts, n);
        rows r;

        p.seed = 1;
        ts_ok(ctx, run(ctx, t, &p, &r));
        assert_memory_not_equal(r.v, first.v, (size_t)p.dim * sizeof *r.v);
        free(r.v);
        wn_table_free(t);
        wn_ctx_free(ctx);
    }
    for (int i = 0; i < n; i++)
        free(texts[i]);
    free(texts);
    free(first.v);
}

static void expect_failure(const char *const *texts, int n, const lexical_params *p,
                           wn_status status, const char *part, const char *part2)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    wn_table *t = table_of(ctx, texts, n);
    rows r;
    wn_status st = run(ctx, t, p, &r);

    if (st != status || !strstr(wn_ctx_error(ctx), part) || !strstr(wn_ctx_error(ctx), part2))
        fail_msg("%s \"%s\", expected \"%s\" and \"%s\"", wn_status_name(st), wn_ctx_error(ctx),
                 part, part2);
    assert_int_equal(r.n, 0); /* found before the first row was made */
    free(r.v);
    wn_table_free(t);
    wn_ctx_free(ctx);
}

static void test_bad_input(void **state)
{
    static const char *const empty[] = {"a", "b", "...", "", "c"}, *const null[] = {"a", NULL};
    static const char *const fine[] = {"a b", "c"};
    lexical_params p = defaults();
    wn_vectorize_input in = {sizeof in, NULL, 0};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t;

    (void)state;
    expect_failure(empty, 5, &p, WN_E_DATA, "texts.jsonl line 3 (row 2): its gloss has no word",
                   "drop it");
    expect_failure(null, 2, &p, WN_E_DATA, "texts.jsonl line 2 (row 1): its gloss is missing",
                   "drop it");
    p.nonzeros = 64;
    p.dim = 32;
    expect_failure(fine, 2, &p, WN_E_USAGE, "--nonzeros 64 is above --dim 32", "");
    p = defaults();
    p.words.count = 0;
    p.char_weight = 0;
    expect_failure(fine, 2, &p, WN_E_USAGE, "nothing to count", "--char-weight");
    p = defaults();
    p.words = (wn_list){1, {2}};
    p.char_weight = 0;
    expect_failure(fine, 2, &p, WN_E_DATA, "line 2 (row 1): its gloss has no word", "");
    p = defaults();
    p.dim = 8;
    expect_failure(fine, 2, &p, WN_E_USAGE, "dim", "16");

    assert_int_equal(wn_vectorize_run(ctx, method(), &in, NULL, keep, NULL), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "table is NULL"));
    t = table_of(ctx, fine, 2);
    in.table = t;
    in.column = 1;
    assert_int_equal(wn_vectorize_run(ctx, method(), &in, NULL, keep, NULL), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "column 1, the table has 1"));
    in.column = 0;
    assert_int_equal(wn_vectorize_run(ctx, method(), &in, NULL, NULL, NULL), WN_E_USAGE);
    wn_table_free(t);
    wn_ctx_free(ctx);
}

static wn_status refuse_rows(void *user, int64_t first, int64_t n, int64_t d, const float *v)
{
    (void)user;
    (void)first;
    (void)n;
    (void)d;
    (void)v;
    return WN_E_IO;
}

static void test_failures(void **state)
{
    static const char *const texts[] = {"one two three four five six seven eight nine ten", "b"};
    lexical_params p = defaults();
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_table *t = table_of(ctx, texts, 2);
    wn_vectorize_input in = {sizeof in, t, 0};

    (void)state;
    assert_int_equal(wn_vectorize_lexical(ctx, &in, &p, refuse_rows, NULL), WN_E_IO);
    wn_table_free(t);
    wn_ctx_free(ctx);
    for (int threads = 1; threads <= 2; threads++)
        for (int64_t i = 0;; i++) {
            ts_alloc alloc = {0, -1, 0};
            rows r;
            wn_status st;
            int64_t before;

            ctx = ts_ctx_failing(&alloc, threads);
            t = table_of(ctx, texts, 2);
            before = wn_ctx_live_bytes(ctx);
            alloc.count = 0;
            alloc.fail_at = i;
            st = run(ctx, t, &p, &r);
            free(r.v);
            wn_table_free(t);
            if (st != WN_OK) assert_int_equal(st, WN_E_NOMEM);
            assert_true(before > 0);
            wn_ctx_free(ctx);
            assert_int_equal(alloc.live, 0);
            if (st == WN_OK) {
                assert_true(i > 8);
                break;
            }
        }
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
        cmocka_unit_test(test_words),     cmocka_unit_test(test_features),
        cmocka_unit_test(test_rows),      cmocka_unit_test(test_likeness),
        cmocka_unit_test(test_shares),    cmocka_unit_test(test_same_bytes),
        cmocka_unit_test(test_bad_input), cmocka_unit_test(test_failures),
    };

    return cmocka_run_group_tests(tests, NULL, teardown);
}
