/* SPDX-License-Identifier: Apache-2.0
 *
 * What all samplers share, tried on `batch uniform`: epochs, ranks, seeking, states, refusals.
 */
#include <stdio.h>
#include <stdlib.h>
#include <string.h>

#include "base/os.h"
#include "support/support.h"

#define ROWS_MAX 4096

static wn_sampler *sampler(wn_ctx *ctx, const wn_batch_input *in, const wn_batch_uniform_params *p)
{
    wn_sampler *s = NULL;

    ts_ok(ctx, wn_sampler_new(ctx, wn_method_find("batch", "uniform"), in, p, &s));
    return s;
}

static wn_batch_uniform_params params(int64_t batch_size)
{
    wn_batch_uniform_params p;

    wn_params_init(wn_method_find("batch", "uniform"), &p);
    p.batch_size = batch_size;
    p.seed = 11;
    return p;
}

/* Adds up how often each row comes in an epoch of one rank; returns the rows drawn. */
static int64_t count_epoch(wn_ctx *ctx, const wn_sampler *s, int64_t epoch, int *times)
{
    int64_t rows[ROWS_MAX], count, all = 0;

    for (int64_t b = 0; b < wn_sampler_batches(s, epoch); b++) {
        ts_ok(ctx, wn_sampler_batch(s, epoch, b, rows, &count));
        assert_in_range(count, 0, wn_sampler_batch_size(s));
        if (b + 1 < wn_sampler_batches(s, epoch)) assert_int_equal(count, wn_sampler_batch_size(s));
        for (int64_t i = 0; i < count; i++)
            times[rows[i]]++;
        all += count;
    }
    return all;
}

/* The union over the ranks is the epoch, and no row is with two of them. */
static void ranks_share_an_epoch(void **state)
{
    static const int64_t n[] = {1, 2, 7, 60, 61, 1000};
    static const int32_t worlds[] = {1, 2, 3, 8};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (size_t i = 0; i < sizeof n / sizeof *n; i++)
        for (size_t w = 0; w < sizeof worlds / sizeof *worlds; w++)
            for (int drop = 0; drop < 2; drop++) {
                wn_batch_input in = {.struct_size = sizeof in, .n = n[i]};
                wn_batch_uniform_params p = params(10);
                int times[1000] = {0};
                int64_t all = 0, batches = -1, left = n[i] % (10 * worlds[w]);
                p.drop_last = drop;
                p.world = worlds[w];
                for (p.rank = 0; p.rank < p.world; p.rank++) {
                    wn_sampler *s = sampler(ctx, &in, &p);
                    if (batches < 0) batches = wn_sampler_batches(s, 3);
                    assert_int_equal(wn_sampler_batches(s, 3), batches);
                    all += count_epoch(ctx, s, 3, times);
                    wn_sampler_free(s);
                }
                assert_int_equal(all, drop ? n[i] - left : n[i]);
                for (int64_t row = 0; row < n[i]; row++)
                    assert_in_range(times[row], drop ? 0 : 1, 1);
            }
    wn_ctx_free(ctx);
}

/* Four ranks with batches of 5 see together what one rank with batches of 20 sees. */
static void ranks_together_are_one(void **state)
{
    wn_batch_input in = {.struct_size = sizeof in, .n = 333};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_batch_uniform_params p = params(20);
    wn_sampler *one = sampler(ctx, &in, &p), *part[4];

    (void)state;
    p.batch_size = 5;
    p.world = 4;
    for (p.rank = 0; p.rank < 4; p.rank++)
        part[p.rank] = sampler(ctx, &in, &p);
    assert_int_equal(wn_sampler_batches(one, 0), 17);
    for (int64_t b = 0; b < 17; b++) {
        int64_t rows[20], own[5], count, at = 0, many;
        ts_ok(ctx, wn_sampler_batch(one, 0, b, rows, &count));
        for (int r = 0; r < 4; r++) {
            ts_ok(ctx, wn_sampler_batch(part[r], 0, b, own, &many));
            assert_memory_equal(own, rows + at, (size_t)many * sizeof *own);
            at += many;
        }
        assert_int_equal(at, count);
    }
    for (int r = 0; r < 4; r++)
        wn_sampler_free(part[r]);
    wn_sampler_free(one);
    wn_ctx_free(ctx);
}

static void epochs_and_seeds_differ(void **state)
{
    wn_batch_input in = {.struct_size = sizeof in, .n = 500};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_batch_uniform_params p = params(500);
    int64_t v[3][500], count, same = 0, sorted = 0;
    wn_sampler *s = sampler(ctx, &in, &p);

    (void)state;
    ts_ok(ctx, wn_sampler_batch(s, 0, 0, v[0], &count));
    ts_ok(ctx, wn_sampler_batch(s, 1, 0, v[1], &count));
    wn_sampler_free(s);
    p.seed++;
    s = sampler(ctx, &in, &p);
    ts_ok(ctx, wn_sampler_batch(s, 0, 0, v[2], &count));
    wn_sampler_free(s);
    for (int i = 0; i < 500; i++) {
        same += (v[0][i] == v[1][i]) + (v[0][i] == v[2][i]);
        sorted += v[0][i] == i;
    }
    assert_in_range(same, 0, 15); /* 2 expected */
    assert_in_range(sorted, 0, 10);
    wn_ctx_free(ctx);
}

/* Any batch by itself is the batch that comes in turn; a state goes on where it was saved. */
static void seeking_and_restoring(void **state)
{
    enum { SIZE = 16, STEPS = 40 };
    wn_batch_input in = {.struct_size = sizeof in, .n = 203};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_batch_uniform_params p = params(SIZE);
    wn_sampler *s = sampler(ctx, &in, &p), *again = sampler(ctx, &in, &p);
    int64_t rows[SIZE], other[SIZE], count, many, epoch, b, ends = 0;
    char text[WN_SAMPLER_STATE_MAX];

    (void)state;
    for (int step = 0; step < STEPS; step++) {
        int length = wn_sampler_save(s, text, sizeof text);
        assert_int_equal(length, strlen(text));
        ts_ok(ctx, wn_sampler_restore(again, text));
        wn_sampler_tell(s, &epoch, &b);
        ts_ok(ctx, wn_sampler_next(s, rows, &count));
        ts_ok(ctx, wn_sampler_next(again, other, &many));
        assert_int_equal(count, many);
        if (count < 0) {
            ends++;
            assert_int_equal(b, 13);
            continue;
        }
        assert_memory_equal(rows, other, (size_t)count * sizeof *rows);
        ts_ok(ctx, wn_sampler_batch(again, epoch, b, other, &many));
        assert_int_equal(count, many);
        assert_memory_equal(rows, other, (size_t)count * sizeof *rows);
    }
    assert_int_equal(ends, 2); /* 13 batches and an end, almost three times */
    wn_sampler_tell(s, &epoch, &b);
    assert_int_equal(epoch, 2);
    assert_int_equal(b, 12);
    ts_ok(ctx, wn_sampler_seek(s, 1000000007, 5)); /* as fast as any */
    ts_ok(ctx, wn_sampler_next(s, rows, &count));
    assert_int_equal(count, SIZE);
    wn_sampler_free(s);
    wn_sampler_free(again);
    wn_ctx_free(ctx);
}

static void refused_state(wn_ctx *ctx, wn_sampler *s, const char *text, const char *expect)
{
    assert_int_equal(wn_sampler_restore(s, text), WN_E_DATA);
    if (!strstr(wn_ctx_error(ctx), expect))
        fail_msg("expected '%s' in: %s", expect, wn_ctx_error(ctx));
}

static void states_of_others_are_refused(void **state)
{
    wn_batch_input in = {.struct_size = sizeof in, .n = 203};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_batch_uniform_params p = params(16);
    wn_sampler *s = sampler(ctx, &in, &p), *other;
    char text[WN_SAMPLER_STATE_MAX], bad[WN_SAMPLER_STATE_MAX + 8];
    int64_t epoch, b;

    (void)state;
    p.seed = 12;
    other = sampler(ctx, &in, &p);
    wn_sampler_save(other, text, sizeof text);
    refused_state(ctx, s, text, "found 'seed=12', expected 'seed=11'");
    wn_sampler_free(other);
    p = params(16);
    in.n = 204;
    other = sampler(ctx, &in, &p);
    wn_sampler_save(other, text, sizeof text);
    refused_state(ctx, s, text, "found 'n=204', expected 'n=203'");
    wn_sampler_free(other);
    in.n = 203;
    p.world = 4; /* of the same rank count the rank may differ */
    p.rank = 1;
    other = sampler(ctx, &in, &p);
    wn_sampler_save(other, text, sizeof text);
    refused_state(ctx, s, text, "found 'world=4', expected 'world=1'");
    p.rank = 3;
    wn_sampler_free(s);
    s = sampler(ctx, &in, &p);
    ts_ok(ctx, wn_sampler_restore(s, text));
    wn_sampler_free(other);

    wn_sampler_save(s, text, sizeof text);
    for (size_t cut = 0; cut < strlen(text); cut++) {
        snprintf(bad, sizeof bad, "%.*s", (int)cut, text);
        if (bad[cut ? cut - 1 : 0] == '=' || cut < 40)
            assert_int_equal(wn_sampler_restore(s, bad), WN_E_DATA);
    }
    refused_state(ctx, s, "", "cut off or not one of a sampler");
    snprintf(bad, sizeof bad, "%s x", text);
    refused_state(ctx, s, bad, "cut off or not one of a sampler");
    memcpy(strstr(text, "batch=0"), "batch=9", 7);
    assert_int_equal(wn_sampler_restore(s, text), WN_E_USAGE); /* 4 batches */
    wn_sampler_tell(s, &epoch, &b);
    assert_int_equal(b, 0);
    wn_sampler_free(s);
    wn_ctx_free(ctx);
}

static void only_some_rows(void **state)
{
    static const int64_t some[] = {3, 50, 51, 99, 1000000000000};
    wn_batch_input in = {.struct_size = sizeof in, .n = WN_ROWS_MAX, .rows = some, .n_rows = 5};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_batch_uniform_params p = params(2);
    wn_sampler *s = sampler(ctx, &in, &p);
    int64_t rows[2], count, sum = 0;

    (void)state;
    assert_int_equal(wn_sampler_batches(s, 0), 3);
    for (int b = 0; b < 3; b++) {
        ts_ok(ctx, wn_sampler_batch(s, 0, b, rows, &count));
        for (int64_t i = 0; i < count; i++)
            sum += rows[i];
    }
    assert_int_equal(sum, 1000000000203);
    wn_sampler_free(s);
    wn_ctx_free(ctx);
}

typedef struct reader {
    const wn_sampler *sampler;
    int64_t first, sum;
} reader;

/* Adds up every fourth batch of three epochs; a batch is longer than what is drawn in one go. */
static void read_batches(void *arg)
{
    reader *r = arg;
    int64_t rows[5000], count;

    for (int64_t e = 0; e < 3; e++)
        for (int64_t b = r->first; b < wn_sampler_batches(r->sampler, e); b += 4) {
            if (wn_sampler_batch(r->sampler, e, b, rows, &count) != WN_OK) return;
            for (int64_t i = 0; i < count; i++)
                r->sum += rows[i];
        }
}

static void threads_read_one_sampler(void **state)
{
    enum { N = 100003 };
    wn_batch_input in = {.struct_size = sizeof in, .n = N};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_batch_uniform_params p = params(5000);
    wn_sampler *s = sampler(ctx, &in, &p);
    reader readers[4];
    wni_thread *threads[4];
    int64_t sum = 0;

    (void)state;
    for (int t = 0; t < 4; t++) {
        readers[t] = (reader){s, t, 0};
        threads[t] = wni_thread_start(read_batches, &readers[t]);
        assert_non_null(threads[t]);
    }
    for (int t = 0; t < 4; t++) {
        wni_thread_join(threads[t]);
        sum += readers[t].sum;
    }
    assert_int_equal(sum, 3 * ((int64_t)N * (N - 1) / 2));
    wn_sampler_free(s);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_batch_input *in, const wn_batch_uniform_params *p,
                    wn_status status, const char *text)
{
    wn_sampler *s;

    assert_int_equal(wn_sampler_new(ctx, wn_method_find("batch", "uniform"), in, p, &s), status);
    assert_null(s);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void bad_input(void **state)
{
    static const int64_t twice[] = {1, 1}, far[] = {1, 100};
    wn_batch_input in = {.struct_size = sizeof in};
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_batch_uniform_params p = params(4);
    wn_sampler *s;
    int64_t rows[4], count;
    float loss = 1;

    (void)state;
    refused(ctx, &in, &p, WN_E_DATA, "no rows to draw from");
    in.n = 100;
    in.rows = twice;
    refused(ctx, &in, &p, WN_E_DATA, "no rows to draw from");
    in.n_rows = 2;
    refused(ctx, &in, &p, WN_E_DATA, "entry 1 of the rows is 1, expected ascending");
    in.rows = far;
    refused(ctx, &in, &p, WN_E_DATA, "entry 1 of the rows is 100, expected ascending rows below");
    in.rows = NULL;
    p.rank = 1;
    refused(ctx, &in, &p, WN_E_USAGE, "rank: found 1, expected 0 to 0: world is 1");
    p.rank = 0;
    p.batch_size = 0;
    refused(ctx, &in, &p, WN_E_USAGE, "batch_size");
    p = params(4);
    s = sampler(ctx, &in, &p);
    assert_int_equal(wn_sampler_batch(s, 0, 25, rows, &count), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "found batch 25 of epoch 0, which has 25 batches"));
    assert_int_equal(wn_sampler_batch(s, -1, 0, rows, &count), WN_E_USAGE);
    assert_int_equal(wn_sampler_seek(s, 0, 26), WN_E_USAGE);
    assert_false(wn_sampler_learns(s));
    assert_int_equal(wn_sampler_feedback(s, rows, &loss, 1), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "learns nothing from losses"));
    wn_sampler_free(s);
    wn_ctx_free(ctx);
}

/* Batches as wide as the pool and as thin as one row, through the files of a run. */
static void files_of_a_run(void **state)
{
    wn_ctx *ctx = ts_ctx(2, -1);
    float *v = ts_normal(50, 2, 1);
    int64_t *batches, *epochs;
    size_t bytes;
    wn_job *job;
    int seen[50] = {0};

    (void)state;
    ts_write_npy(ts_path("p.npy"), v, 50, 2);
    free(v);
    ts_ok(ctx, wn_job_new(ctx, "batch", "uniform", &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("p.npy")));
    ts_ok(ctx, wn_job_set(job, "batch_size", "20"));
    ts_ok(ctx, wn_job_set(job, "epochs", "2"));
    ts_ok(ctx, wn_job_output(job, ts_path("o")));
    ts_ok(ctx, wn_job_run(job));
    wn_job_free(job);
    batches = ts_read_file(ts_path("o/batches.npy"), &bytes);
    assert_int_equal(bytes, 128 + 6 * 20 * 8);
    for (int i = 0; i < 120; i++) {
        int64_t row = batches[16 + i];
        if (i % 60 >= 50) {
            assert_int_equal(row, -1); /* padding */
        } else {
            assert_in_range(row, 0, 49);
            seen[row]++;
        }
    }
    for (int i = 0; i < 50; i++)
        assert_int_equal(seen[i], 2);
    epochs = ts_read_file(ts_path("o/epochs.npy"), &bytes);
    assert_int_equal(bytes, 128 + 3 * 8);
    assert_int_equal(epochs[17], 3);
    assert_int_equal(epochs[18], 6);
    free(batches);
    free(epochs);

    ts_ok(ctx, wn_job_new(ctx, "batch", "uniform", &job));
    ts_ok(ctx, wn_job_input(job, "pool", ts_path("p.npy")));
    ts_ok(ctx, wn_job_set(job, "batch_size", "51"));
    ts_ok(ctx, wn_job_set(job, "drop_last", "1"));
    ts_ok(ctx, wn_job_output(job, ts_path("o2")));
    assert_int_equal(wn_job_run(job), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "no batch of 51 rows can be filled"));
    wn_job_free(job);
    ts_ok(ctx, wn_job_new(ctx, "batch", "uniform", &job));
    ts_ok(ctx, wn_job_output(job, ts_path("o2")));
    assert_int_equal(wn_job_run(job), WN_E_USAGE);
    assert_non_null(strstr(wn_ctx_error(ctx), "give the pool, or --rows"));
    wn_job_free(job);
    wn_ctx_free(ctx);
}

static int remove_scratch(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(ranks_share_an_epoch),
                                       cmocka_unit_test(ranks_together_are_one),
                                       cmocka_unit_test(epochs_and_seeds_differ),
                                       cmocka_unit_test(seeking_and_restoring),
                                       cmocka_unit_test(states_of_others_are_refused),
                                       cmocka_unit_test(only_some_rows),
                                       cmocka_unit_test(threads_read_one_sampler),
                                       cmocka_unit_test(bad_input),
                                       cmocka_unit_test(files_of_a_run)};

    return cmocka_run_group_tests(tests, NULL, remove_scratch);
}
