/* SPDX-License-Identifier: Apache-2.0
 *
 * wn_select_transfer_prune: planted source classes are kept, by either mapping.
 */
#include <stdlib.h>
#include <string.h>

#include "support/support.h"

enum { N = 400, D = 8, CLASSES = 8, EACH = 50, TARGET = 60 };

typedef struct planted {
    wn_ctx *ctx;
    float *v, target[TARGET * D];
    wn_pool *pool, *target_pool;
    wn_labels *groups, *target_labels;
    wn_tree *tree;
    wn_select_input in;
} planted;

/* Blobs 2 and 5 make the target, the first twice as often. */
static void set_up(planted *t, int threads, wn_metric metric)
{
    int64_t of[N], mine[TARGET];
    int64_t seen[CLASSES] = {0}, m = 0;
    int32_t blob[N];
    int32_t labels[4 * N];
    int64_t n = 0;
    float *all = ts_blobs(4 * N, D, CLASSES, 0.15, 3, labels);

    memset(t, 0, sizeof *t);
    t->ctx = ts_ctx(threads, -1);
    t->v = malloc(N * D * sizeof *t->v);
    for (int64_t i = 0; i < 4 * N; i++) {
        int32_t c = labels[i];
        if (seen[c] < EACH) {
            memcpy(t->v + n * D, all + i * D, D * sizeof *all);
            blob[n++] = c;
            seen[c]++;
        } else if (m < TARGET && (m % 3 == 2 ? c == 5 : c == 2)) {
            memcpy(t->target + m * D, all + i * D, D * sizeof *all);
            mine[m++] = c == 5;
        }
    }
    free(all);
    assert_int_equal(n, N);
    assert_int_equal(m, TARGET);
    for (int64_t i = 0; i < N; i++)
        of[i] = 10 * blob[i];
    ts_ok(t->ctx, wn_pool_wrap(t->ctx, t->v, N, D, WN_F32, metric, &t->pool));
    ts_ok(t->ctx, wn_pool_wrap(t->ctx, t->target, TARGET, D, WN_F32, metric, &t->target_pool));
    ts_ok(t->ctx, wn_labels_from_ints(t->ctx, of, N, &t->groups));
    ts_ok(t->ctx, wn_labels_from_ints(t->ctx, mine, TARGET, &t->target_labels));
    ts_ok(t->ctx, wn_tree_new(t->ctx, metric, &t->tree));
    ts_ok(t->ctx, wn_partition_new(t->ctx, N, CLASSES, D, &t->tree->level[0]));
    t->tree->levels = 1;
    for (int64_t i = 0; i < N; i++) {
        t->tree->level[0]->labels[i] = blob[i];
        t->tree->level[0]->sizes[blob[i]]++;
        for (int j = 0; j < D; j++)
            t->tree->level[0]->centers[blob[i] * D + j] += t->v[i * D + j] / EACH;
    }
    t->in = (wn_select_input){.struct_size = sizeof t->in,
                              .pool = t->pool,
                              .target = t->target_pool,
                              .groups = t->groups};
}

static void tear_down(planted *t)
{
    wn_tree_free(t->tree);
    wn_labels_free(t->groups);
    wn_labels_free(t->target_labels);
    wn_pool_free(t->target_pool);
    wn_pool_free(t->pool);
    free(t->v);
    wn_ctx_free(t->ctx);
}

static double note(const wn_selection *s, const char *key, const char *name)
{
    for (int64_t i = 0; i < s->n_notes; i++)
        if (strcmp(s->notes[i].key, key) == 0 &&
            (!name || (s->notes[i].name && strcmp(s->notes[i].name, name) == 0)))
            return s->notes[i].value;
    return -1;
}

static wn_select_transfer_prune_params params(int64_t size, int mapping)
{
    wn_select_transfer_prune_params p;

    wn_params_init(wn_method_find("select", "transfer_prune"), &p);
    p.size = size;
    p.mapping = mapping;
    return p;
}

/* Class 2 whole, then as much of class 5 as there is room for; nothing else. */
static void planted_classes_are_kept(void **state)
{
    planted t;

    (void)state;
    for (int metric = 0; metric < 2; metric++)
        for (int mapping = 0; mapping < 2; mapping++)
            for (int tree = 0; tree < 2; tree++) {
                wn_select_transfer_prune_params p = params(EACH + 20, mapping);
                int64_t first = 0, second = 0;
                wn_selection *s;
                set_up(&t, 2, (wn_metric)metric);
                if (tree) {
                    t.in.groups = NULL;
                    t.in.tree = t.tree;
                }
                ts_ok(t.ctx, wn_select_transfer_prune(t.ctx, &t.in, &p, &s));
                assert_int_equal(s->size, EACH + 20);
                for (int64_t i = 0; i < N; i++) {
                    int32_t c = t.groups->v[i];
                    assert_int_equal(s->why[i].cluster, c);
                    first += c == 2 && s->why[i].copies;
                    second += c == 5 && s->why[i].copies;
                    assert_int_equal(s->why[i].rule, s->why[i].copies ? WN_WHY_KEPT
                                                     : c == 5         ? WN_WHY_NOT_DRAWN
                                                                      : WN_WHY_OFF_TARGET);
                }
                assert_int_equal(first, EACH);
                assert_int_equal(second, 20);
                assert_float_equal(note(s, "votes", tree ? "2" : "20"), 2.0 / 3, 1e-9);
                assert_float_equal(note(s, "votes", tree ? "5" : "50"), 1.0 / 3, 1e-9);
                assert_float_equal(note(s, "share_of_votes_kept", NULL), 1, 1e-9);
                assert_float_equal(note(s, "classes_kept", NULL), 2, 0);
                wn_selection_free(s);
                tear_down(&t);
            }
}

/* With labels every class of the target counts the same: both have half of the votes. */
static void target_classes_count_the_same(void **state)
{
    wn_select_transfer_prune_params p = params(EACH, WN_MAP_FEATURES);
    wn_selection *s;
    planted t;

    (void)state;
    set_up(&t, 1, WN_L2);
    t.in.target_labels = t.target_labels;
    ts_ok(t.ctx, wn_select_transfer_prune(t.ctx, &t.in, &p, &s));
    assert_float_equal(note(s, "votes", "20"), 0.5, 1e-9);
    assert_float_equal(note(s, "votes", "50"), 0.5, 1e-9);
    wn_selection_free(s);
    tear_down(&t);
}

/* Everything asked for: the classes without votes come last, rows in no group never. */
static void all_rows_in_a_group(void **state)
{
    wn_select_transfer_prune_params p = params(N - 1, WN_MAP_FEATURES);
    wn_selection *s;
    planted t;

    (void)state;
    set_up(&t, 1, WN_COSINE);
    t.groups->v[7] = -1;
    t.groups->sizes[0] = 0;
    for (int32_t c = 0; c < CLASSES; c++)
        t.groups->sizes[c] = 0;
    for (int64_t i = 0; i < N; i++)
        if (t.groups->v[i] >= 0) t.groups->sizes[t.groups->v[i]]++;
    ts_ok(t.ctx, wn_select_transfer_prune(t.ctx, &t.in, &p, &s));
    assert_int_equal(s->size, N - 1);
    assert_int_equal(s->why[7].rule, WN_WHY_NO_CLUSTER);
    wn_selection_free(s);
    p.size = N;
    assert_int_equal(wn_select_transfer_prune(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "size is 400 but 399 rows are in a group"));
    tear_down(&t);
}

static void bad_input(void **state)
{
    wn_select_transfer_prune_params p = params(N + 1, WN_MAP_FEATURES);
    int64_t same[N] = {0}, none[TARGET];
    wn_labels *one, *blank;
    wn_pool *empty;
    wn_selection *s;
    planted t;

    (void)state;
    set_up(&t, 1, WN_L2);
    assert_int_equal(wn_select_transfer_prune(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "size is 401 but 400 rows"));
    p.size = 10;
    ts_ok(t.ctx, wn_labels_from_ints(t.ctx, same, N, &one));
    t.in.groups = one;
    assert_int_equal(wn_select_transfer_prune(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(
        strstr(wn_ctx_error(t.ctx), "all rows are in one group, expected at least two"));
    t.in.groups = t.groups;
    ts_ok(t.ctx, wn_pool_wrap(t.ctx, t.target, 0, D, WN_F32, WN_L2, &empty));
    t.in.target = empty;
    assert_int_equal(wn_select_transfer_prune(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "the target has no rows"));
    t.in.target = t.target_pool;
    for (int i = 0; i < TARGET; i++)
        none[i] = -1;
    ts_ok(t.ctx, wn_labels_from_ints(t.ctx, none, TARGET, &blank));
    t.in.target_labels = blank;
    assert_int_equal(wn_select_transfer_prune(t.ctx, &t.in, &p, &s), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(t.ctx), "no row of the target has a label"));
    wn_labels_free(blank);
    wn_labels_free(one);
    wn_pool_free(empty);
    tear_down(&t);
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(planted_classes_are_kept), cmocka_unit_test(target_classes_count_the_same),
        cmocka_unit_test(all_rows_in_a_group), cmocka_unit_test(bad_input)};

    return cmocka_run_group_tests(tests, NULL, NULL);
}
