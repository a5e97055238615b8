/* SPDX-License-Identifier: Apache-2.0
 *
 * Partitions and trees as objects and as folders.
 */
#include <math.h>
#include <stdlib.h>
#include <string.h>
#include <sys/stat.h>
#include <unistd.h>

#include "pool/tree_io.h"
#include "support/support.h"

/* Five rows in three clusters, two of which make one. */
static wn_tree *sample(wn_ctx *ctx)
{
    static const int32_t labels[] = {0, 2, 1, 0, 2}, upper[] = {1, 0, 1};
    static const int64_t sizes[] = {2, 1, 2}, upper_sizes[] = {1, 2};
    static const float centers[] = {1, 2, 3, 4, 5, 6}, upper_centers[] = {3, 4, 3, 4};
    wn_tree *tree;

    ts_ok(ctx, wn_tree_new(ctx, WN_L2, &tree));
    ts_ok(ctx, wn_partition_new(ctx, 5, 3, 2, &tree->level[0]));
    ts_ok(ctx, wn_partition_new(ctx, 3, 2, 2, &tree->level[1]));
    tree->levels = 2;
    memcpy(tree->level[0]->labels, labels, sizeof labels);
    memcpy(tree->level[0]->sizes, sizes, sizeof sizes);
    memcpy(tree->level[0]->centers, centers, sizeof centers);
    memcpy(tree->level[1]->labels, upper, sizeof upper);
    memcpy(tree->level[1]->sizes, upper_sizes, sizeof upper_sizes);
    memcpy(tree->level[1]->centers, upper_centers, sizeof upper_centers);
    return tree;
}

static wn_status save(wn_ctx *ctx, const char *path, const char *prefix, const wn_tree *tree)
{
    wni_out *out;
    wn_status st = wni_out_begin(ctx, path, 0, 1, &out);

    if (st != WN_OK) return st;
    st = wni_tree_save(out, prefix, tree);
    if (st == WN_OK) st = wni_out_text(out, "manifest.json", "{}");
    if (st == WN_OK) return wni_out_commit(out);
    wni_out_abort(out);
    return st;
}

static void test_round_trip(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_tree *tree = sample(ctx), *back;

    (void)state;
    ts_ok(ctx, save(ctx, ts_path("tree"), "", tree));
    ts_ok(ctx, wn_tree_load(ctx, ts_path("tree"), &back));
    assert_int_equal(back->levels, 2);
    assert_int_equal(back->metric, WN_L2);
    for (int32_t t = 0; t < 2; t++) {
        const wn_partition *a = tree->level[t], *b = back->level[t];
        assert_int_equal(a->n, b->n);
        assert_int_equal(a->k, b->k);
        assert_int_equal(a->d, b->d);
        assert_memory_equal(a->labels, b->labels, (size_t)a->n * 4);
        assert_memory_equal(a->sizes, b->sizes, (size_t)a->k * 8);
        assert_memory_equal(a->centers, b->centers, (size_t)(a->k * a->d) * 4);
    }
    assert_true(fabs(back->level[0]->report.imbalance - 3 * (4 + 1 + 4) / 25.0) < 1e-12);
    wn_tree_free(back);

    /* Under a prefix, as curate keeps it. */
    ts_ok(ctx, save(ctx, ts_path("all"), "tree/", tree));
    ts_ok(ctx, wn_tree_load(ctx, ts_path("all/tree"), &back));
    assert_int_equal(back->levels, 2);
    wn_tree_free(back);
    wn_tree_free(tree);
    wn_ctx_free(ctx);
}

static void test_unit_centers_mean_cosine(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_tree *tree = sample(ctx), *back;

    (void)state;
    for (int32_t t = 0; t < 2; t++)
        for (int32_t c = 0; c < tree->level[t]->k; c++) {
            tree->level[t]->centers[2 * c] = 0.6f;
            tree->level[t]->centers[2 * c + 1] = 0.8f;
        }
    ts_ok(ctx, save(ctx, ts_path("unit"), "", tree));
    ts_ok(ctx, wn_tree_load(ctx, ts_path("unit"), &back));
    assert_int_equal(back->metric, WN_COSINE);
    wn_tree_free(back);
    wn_tree_free(tree);
    wn_ctx_free(ctx);
}

static void refused(wn_ctx *ctx, const wn_tree *tree, const char *words)
{
    static int number; /* a folder without manifest is not replaced, so each has its own */
    wn_tree *back = (wn_tree *)8;
    char name[16];

    snprintf(name, sizeof name, "bad%d", number++);
    ts_ok(ctx, save(ctx, ts_path(name), "", tree));
    assert_int_equal(wn_tree_load(ctx, ts_path(name), &back), WN_E_DATA);
    assert_null(back);
    if (!strstr(wn_ctx_error(ctx), words))
        fail_msg("\"%s\" does not say \"%s\"", wn_ctx_error(ctx), words);
}

static void test_refusals(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_tree *tree = sample(ctx), *back;
    wn_partition *p = tree->level[0], *q = tree->level[1];
    wn_partition *none;

    (void)state;
    p->labels[3] = 3;
    refused(ctx, tree, "labels.npy: row 3 has label 3, expected -1 to 2");
    p->labels[3] = -2;
    refused(ctx, tree, "row 3 has label -2");
    p->labels[3] = 1;
    refused(ctx, tree, "sizes.npy: cluster 0 has size 2, but 1 rows");
    p->labels[3] = 0;
    p->centers[5] = NAN;
    refused(ctx, tree, "centers.npy: centre 2");
    p->centers[5] = 6;

    q->n = 2;
    q->sizes[1] = 1;
    refused(ctx, tree, "level2: labels 2 clusters of 2 columns, but the level below has 3");
    q->n = 3;
    q->sizes[1] = 2;
    q->k = 1; /* sizes and centres shrink together, so labels are out of range */
    refused(ctx, tree, "level2/labels.npy: row 0 has label 1");
    q->k = 2;

    ts_ok(ctx, save(ctx, ts_path("bad"), "", tree));
    assert_int_equal(unlink(ts_path("bad/centers.npy")), 0);
    assert_int_equal(wn_tree_load(ctx, ts_path("bad"), &back), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "centers.npy"));
    ts_write_npy(ts_path("bad/centers.npy"), p->centers, 2, 3);
    assert_int_equal(wn_tree_load(ctx, ts_path("bad"), &back), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "shape (2, 3)"));
    ts_write_npy(ts_path("bad/labels.npy"), p->centers, 2, 3);
    assert_int_equal(wn_tree_load(ctx, ts_path("bad"), &back), WN_E_DATA);
    assert_non_null(strstr(wn_ctx_error(ctx), "<i4"));
    assert_int_equal(wn_tree_load(ctx, ts_path("nothing here"), &back), WN_E_DATA);

    assert_int_equal(wn_partition_new(ctx, -1, 2, 2, &none), WN_E_USAGE);
    assert_int_equal(wn_partition_new(ctx, 1, 2, -2, &none), WN_E_USAGE);
    wn_tree_free(NULL);
    wn_partition_free(NULL);
    wn_tree_free(tree);
    wn_ctx_free(ctx);
}

/* Rows without a cluster (-1) are counted in none. */
static void test_no_label(void **state)
{
    wn_ctx *ctx = ts_ctx(1, -1);
    wn_tree *tree = sample(ctx), *back;

    (void)state;
    tree->level[0]->labels[4] = -1;
    tree->level[0]->sizes[2] = 1;
    ts_ok(ctx, save(ctx, ts_path("none"), "", tree));
    ts_ok(ctx, wn_tree_load(ctx, ts_path("none"), &back));
    assert_int_equal(back->level[0]->labels[4], -1);
    wn_tree_free(back);
    wn_tree_free(tree);
    wn_ctx_free(ctx);
}

static void test_allocation_failures(void **state)
{
    wn_ctx *good = ts_ctx(1, -1);
    wn_tree *tree = sample(good);
    wn_status st = WN_E_NOMEM;
    int64_t fail_at;

    (void)state;
    ts_ok(good, save(good, ts_path("alloc"), "", tree));
    for (fail_at = 0; st != WN_OK && fail_at < 1000; fail_at++) {
        ts_alloc alloc = {.fail_at = fail_at};
        wn_ctx *ctx = ts_ctx_failing(&alloc, 1);
        wn_tree *back = NULL;

        st = wn_tree_load(ctx, ts_path("alloc"), &back);
        if (st != WN_OK) {
            assert_int_equal(st, WN_E_NOMEM);
            assert_null(back);
        }
        wn_tree_free(back);
        wn_ctx_free(ctx);
        assert_int_equal(alloc.live, 0);
    }
    assert_int_equal(st, WN_OK);
    assert_true(fail_at > 6);
    wn_tree_free(tree);
    wn_ctx_free(good);
}

static int clean(void **state)
{
    (void)state;
    ts_tmp_remove();
    return 0;
}

int main(void)
{
    const struct CMUnitTest tests[] = {
        cmocka_unit_test(test_round_trip),
        cmocka_unit_test(test_unit_centers_mean_cosine),
        cmocka_unit_test(test_refusals),
        cmocka_unit_test(test_no_label),
        cmocka_unit_test(test_allocation_failures),
    };

    return cmocka_run_group_tests(tests, NULL, clean);
}
