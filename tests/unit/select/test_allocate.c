/* SPDX-License-Identifier: Apache-2.0
 *
 * Sharing a budget: against giving out one unit at a time, against trying every set of bounds, and by hand.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"
#include "base/rng.h"
#include "select/allocate.h"

/* Each unit goes to the child that is not full and has least; among equals, by random key. */
static void one_by_one(const int64_t *high, const int64_t *id, int64_t m, int64_t budget,
                       uint64_t seed, uint64_t stream, int64_t *share)
{
    for (int64_t i = 0; i < m; i++)
        share[i] = 0;
    for (int64_t unit = 0; unit < budget; unit++) {
        int64_t best = -1;
        for (int64_t i = 0; i < m; i++) {
            if (share[i] == high[i]) continue;
            if (best < 0 || share[i] < share[best] ||
                (share[i] == share[best] && wni_rand_u64(seed, stream, (uint64_t)id[i]) <
                                                wni_rand_u64(seed, stream, (uint64_t)id[best])))
                best = i;
        }
        share[best]++;
    }
}

static void equal_is_water_filling(void **state)
{
    int64_t high[40], id[40], share[40], want[40];
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (uint64_t round = 0; round < 400; round++) {
        int64_t m = 1 + wni_rand_below(1, 1, round, 40), total = 0, budget;
        int64_t most = 1 + wni_rand_below(1, 2, round, 30);
        wni_sharing s = {.groups = m, .high = high, .id = id, .seed = round, .stream = 5};
        for (int64_t i = 0; i < m; i++) {
            high[i] = wni_rand_below(2, round, (uint64_t)i, most + 1);
            id[i] = 7 * i + 3;
            total += high[i];
        }
        budget = wni_rand_below(3, 1, round, total + 1);
        if (round % 10 == 0) budget = total;
        if (round % 10 == 1) budget = 0;
        s.budget = budget;
        ts_ok(ctx, wni_share(ctx, &s, share));
        one_by_one(high, id, m, budget, round, 5, want);
        for (int64_t i = 0; i < m; i++)
            assert_int_equal(share[i], want[i]);
    }
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

static void by_hand(void **state)
{
    static const int64_t high[] = {1, 100, 5, 0, 100};
    static const int64_t weight[] = {3, 1, 0, 2}, low[] = {0, 2, 4, 0}, room[] = {50, 50, 50, 6};
    wni_sharing s = {.groups = 5, .high = high, .budget = 26}; /* 1 + 5, then 10 each */
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t share[5];

    (void)state;
    ts_ok(ctx, wni_share(ctx, &s, share));
    assert_memory_equal(share, ((int64_t[]){1, 10, 5, 0, 10}), sizeof share);
    s.budget = 27;
    ts_ok(ctx, wni_share(ctx, &s, share));
    assert_int_equal(share[1] + share[4], 21);
    assert_in_range(share[1], 10, 11);
    s = (wni_sharing){0};
    ts_ok(ctx, wni_share(ctx, &s, share));

    s = (wni_sharing){.groups = 4, .high = room, .low = low, .weight = weight, .budget = 34};
    ts_ok(ctx,
          wni_share(ctx, &s, share)); /* weight 0 gets its floor; 30 as 3 : 1 : 2, but 6 are all */
    assert_memory_equal(share, ((int64_t[]){18, 6, 4, 6}), 4 * sizeof *share);
    s.budget = 10; /* 6 as 3 : 1 : 2 would give the second 1: floor 2; 4 as 3 : 2 */
    ts_ok(ctx, wni_share(ctx, &s, share));
    assert_memory_equal(share, ((int64_t[]){2, 2, 4, 2}), 4 * sizeof *share);
    wn_ctx_free(ctx);
}

/* The shares before rounding, found by trying which groups stand at which bound: t * weight must lie inside the
 * bounds for the free ones, beyond for the others. Returns the number of consistent answers whose shares
 * differ, and the numerators over *over. */
static int try_all(const wni_sharing *s, int64_t *part, int64_t *over)
{
    int64_t sets = 1;
    int found = 0;

    for (int64_t i = 0; i < s->groups; i++)
        sets *= 3;
    for (int64_t set = 0; set < sets && !found; set++) {
        int64_t left = s->budget, weight = 0, rest = set;
        int ok = 1, where[8];
        for (int64_t i = 0; i < s->groups; i++, rest /= 3) {
            where[i] = (int)(rest % 3);
            if (where[i] == 0) left -= s->low[i];
            if (where[i] == 1) left -= s->high[i];
            if (where[i] == 2) weight += s->weight[i];
        }
        if (left < 0 || weight == 0) continue;
        for (int64_t i = 0; ok && i < s->groups; i++) {
            int64_t want = left * s->weight[i];
            if (where[i] == 0) ok = want <= s->low[i] * weight;
            if (where[i] == 1) ok = want >= s->high[i] * weight;
            if (where[i] == 2) ok = want > s->low[i] * weight && want < s->high[i] * weight;
        }
        if (!ok) continue;
        found = 1;
        *over = weight;
        for (int64_t i = 0; i < s->groups; i++)
            part[i] = where[i] == 0   ? s->low[i] * weight
                      : where[i] == 1 ? s->high[i] * weight
                                      : left * s->weight[i];
    }
    return found;
}

static void bounded_shares_are_the_one_answer(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    int checked = 0;

    (void)state;
    for (uint64_t round = 0; round < 3000; round++) {
        int64_t m = 1 + wni_rand_below(1, 1, round, 6), low[8], high[8], weight[8], share[8],
                part[8], over, least = 0, most = 0, sum = 0;
        wni_sharing s = {.groups = m, .low = low, .high = high, .weight = weight, .seed = round};
        for (int64_t i = 0; i < m; i++) {
            low[i] = wni_rand_below(2, round, (uint64_t)i, 6);
            high[i] = low[i] + wni_rand_below(3, round, (uint64_t)i, 20);
            weight[i] = 1 + wni_rand_below(4, round, (uint64_t)i, 9);
            least += low[i];
            most += high[i];
        }
        s.budget = least + wni_rand_below(5, 1, round, most - least + 1);
        ts_ok(ctx, wni_share(ctx, &s, share));
        for (int64_t i = 0; i < m; i++) {
            assert_in_range(share[i], low[i], high[i]);
            sum += share[i];
        }
        assert_int_equal(sum, s.budget);
        if (!try_all(&s, part, &over)) continue; /* all stand at a bound */
        checked++;
        for (int64_t i = 0; i < m; i++) /* rounded down or up, and only the largest remainders up */
            for (int64_t j = 0; j < m; j++) {
                assert_true(share[i] >= part[i] / over && share[i] * over < part[i] + over);
                if (share[i] * over > part[i] && share[j] * over < part[j])
                    assert_true(part[i] % over >= part[j] % over);
            }
    }
    assert_true(checked > 2000);
    wn_ctx_free(ctx);
}

/* Capacities as large as rows x repeats can be: nothing overflows. */
static void huge_numbers(void **state)
{
    int64_t big = (int64_t)1 << 60, high[] = {big, big}, weight[] = {big, big - 1}, share[2];
    wni_sharing s = {.groups = 2, .high = high, .budget = 2 * big - 1, .weight = weight};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    ts_ok(ctx, wni_share(ctx, &s, share));
    assert_true(share[0] == big && share[1] == big - 1);
    wn_ctx_free(ctx);
}

static void remainder_follows_the_seed(void **state)
{
    int64_t high[64], a[64], b[64], same = 0;
    wni_sharing s = {.groups = 64, .high = high, .budget = 32, .seed = 1};
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    for (int64_t i = 0; i < 64; i++)
        high[i] = 10;
    ts_ok(ctx, wni_share(ctx, &s, a));
    s.seed = 2;
    ts_ok(ctx, wni_share(ctx, &s, b));
    for (int64_t i = 0; i < 64; i++)
        same += a[i] == b[i];
    assert_in_range(same, 10, 54);
    wn_ctx_free(ctx);
}

static void weights_keep_their_proportions(void **state)
{
    double weights[] = {0, 1e-300, 0.25, 1e300, 0.5e300};
    int64_t whole[5];

    (void)state;
    wni_share_weights(weights, 5, whole);
    assert_int_equal(whole[0], 0);
    assert_int_equal(whole[1], 1);
    assert_int_equal(whole[2], 1);
    assert_true(whole[3] == 2 * whole[4]);
    wni_share_weights(weights, 1, whole);
    assert_int_equal(whole[0], 0);
}

static wni_allocation asked(wni_allocate_rule rule, const int64_t *rows, int64_t size)
{
    return (wni_allocation){
        .what = "select x", .rule = rule, .groups = 4, .rows = rows, .size = size};
}

static void rules(void **state)
{
    static const int64_t rows[] = {100, 50, 10, 40}, quota[] = {1, 2, 0, 3};
    static const double weights[] = {1, 0, 3, 1};
    wni_allocation a = asked(WNI_ALLOCATE_PROPORTIONAL, rows, 20);
    wn_ctx *ctx = ts_ctx(1, -1);
    int64_t share[4];

    (void)state;
    ts_ok(ctx, wni_allocate(ctx, &a, share));
    assert_memory_equal(share, ((int64_t[]){10, 5, 1, 4}), sizeof share);
    a.floor = 3;
    ts_ok(ctx, wni_allocate(ctx, &a, share));
    assert_memory_equal(share, ((int64_t[]){9, 4, 3, 4}), sizeof share); /* 17 as 100 : 50 : 40 */
    a.floor = 0;
    a.cap = 0.3; /* 6 rows */
    ts_ok(ctx, wni_allocate(ctx, &a, share));
    assert_memory_equal(share, ((int64_t[]){6, 6, 2, 6}), sizeof share);
    a = asked(WNI_ALLOCATE_EQUAL, rows, 160);
    ts_ok(ctx, wni_allocate(ctx, &a, share));
    assert_memory_equal(share, ((int64_t[]){60, 50, 10, 40}), sizeof share);
    a = asked(WNI_ALLOCATE_WEIGHTS, rows, 50);
    a.weights = weights;
    ts_ok(ctx, wni_allocate(ctx, &a, share)); /* 10 0 30 10, but the third has only 10 */
    assert_memory_equal(share, ((int64_t[]){20, 0, 10, 20}), sizeof share);
    a = asked(WNI_ALLOCATE_QUOTA, rows, 6);
    a.quota = quota;
    ts_ok(ctx, wni_allocate(ctx, &a, share));
    assert_memory_equal(share, quota, sizeof share);
    a = asked(WNI_ALLOCATE_EQUAL, rows, 0);
    a.groups = 0;
    ts_ok(ctx, wni_allocate(ctx, &a, share));
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wni_allocation *a, wn_status status, const char *text)
{
    int64_t share[4];

    assert_int_equal(wni_allocate(ctx, a, share), status);
    if (!strstr(wn_ctx_error(ctx), text)) fail_msg("expected '%s' in: %s", text, wn_ctx_error(ctx));
}

static void what_does_not_fit(void **state)
{
    static const int64_t rows[] = {100, 50, 10, 40}, quota[] = {1, 2, 11, 3}, less[] = {1, 1, 1, 1};
    static const double weights[] = {0, 0, 3, 0};
    static const char *const names[] = {"a", "b", "web", "d"};
    wni_allocation a = asked(WNI_ALLOCATE_PROPORTIONAL, rows, 201);
    wn_ctx *ctx = ts_ctx(1, -1);

    (void)state;
    refused(ctx, &a, WN_E_DATA, "select x: size is 201 but 200 rows are there");
    a.size = 20;
    a.floor = 6;
    refused(ctx, &a, WN_E_DATA, "6 rows for each group make 24, but size is 20");
    a.floor = 0;
    a.cap = 4;
    refused(ctx, &a, WN_E_DATA, "at most 4 rows of each group make 16, but size is 20");
    a.floor = 5;
    refused(ctx, &a, WN_E_USAGE, "floor is 5 rows a group but cap is 4");
    a = asked(WNI_ALLOCATE_WEIGHTS, rows, 11);
    a.weights = weights;
    refused(ctx, &a, WN_E_DATA, "size is 11 but the groups that have a share hold 10 rows");
    a = asked(WNI_ALLOCATE_QUOTA, rows, 17);
    a.quota = quota;
    refused(ctx, &a, WN_E_DATA, "the quota of group 2 is 11, expected 0 to 10");
    a.names = names;
    refused(ctx, &a, WN_E_DATA, "the quota of group web is 11");
    a.quota = less;
    refused(ctx, &a, WN_E_DATA, "the quotas add up to 4 but size is 17");
    assert_int_equal(wn_ctx_live_bytes(ctx), 0);
    wn_ctx_free(ctx);
}

int main(void)
{
    const struct CMUnitTest tests[] = {cmocka_unit_test(equal_is_water_filling),
                                       cmocka_unit_test(by_hand),
                                       cmocka_unit_test(bounded_shares_are_the_one_answer),
                                       cmocka_unit_test(huge_numbers),
                                       cmocka_unit_test(remainder_follows_the_seed),
                                       cmocka_unit_test(weights_keep_their_proportions),
                                       cmocka_unit_test(rules),
                                       cmocka_unit_test(what_does_not_fit)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
