/* SPDX-License-Identifier: Apache-2.0 */
#include "scan/scan.h"
#include "select/calibrate.h"
#include "select/recipe.h"

#define POLL_MASK 0xFFFFF

wn_status wni_recipe_size(wn_ctx *ctx, const char *method, int64_t size, int64_t n)
{
    if (n == 0)
        return wni_fail(ctx, WN_E_DATA, "select %s: there are no rows to choose from", method);
    if (size > n)
        return wni_fail(ctx, WN_E_DATA,
                        "select %s: size is %lld but %lld rows are there to choose from: lower "
                        "--size",
                        method, (long long)size, (long long)n);
    return WN_OK;
}

wn_status wni_recipe_k(wn_ctx *ctx, const char *method, int64_t k, int64_t n, int64_t per,
                       int64_t *out)
{
    int64_t root = 1;

    if (k > n)
        return wni_fail(ctx, WN_E_DATA,
                        "select %s: k is %lld but there are %lld rows: lower --k, or leave it out",
                        method, (long long)k, (long long)n);
    while (root * root * per < n)
        root++;
    *out = k ? k : root;
    return WN_OK;
}

void wni_recipe_k_unused(wn_ctx *ctx, const char *method, const wn_tree *tree, int64_t k)
{
    if (tree && k)
        wni_log(ctx, WN_LOG_WARN,
                "select %s: the clusters are those of the tree; k = %lld is not read", method,
                (long long)k);
}

/* ---- k-means ----------------------------------------------------------------------------------- */

static const wn_method *kmeans(int64_t k, uint64_t seed, wn_kmeans_params *p)
{
    const wn_method *method = wn_method_find("cluster", "kmeans");

    wn_params_init(method, p);
    p->k = k;
    p->seed = seed;
    return method;
}

wn_status wni_recipe_kmeans(wn_ctx *ctx, const wn_pool *pool, int64_t k, uint64_t seed,
                            wn_tree **out)
{
    wn_cluster_input in = {.struct_size = sizeof in, .pool = pool};
    wn_kmeans_params p;

    kmeans(k, seed, &p);
    return wn_kmeans(ctx, &in, &p, out);
}

wn_status wni_recipe_kmeans_cost(wn_ctx *ctx, const wn_pool *pool, int64_t k, wn_estimate *out)
{
    wn_cluster_input in = {.struct_size = sizeof in, .pool = pool};
    wn_kmeans_params p;
    const wn_method *method = kmeans(k, 0, &p);
    wn_estimate e = {0};
    wn_status st = ((const wn_cluster_ops *)method->ops)->estimate(ctx, &in, &p, &e);

    out->peak_bytes = wni_max(out->peak_bytes, e.peak_bytes);
    out->flops += e.flops;
    out->bytes_read += e.bytes_read;
    return st;
}

int64_t wni_recipe_tree_bytes(int64_t n, int64_t k, int64_t d)
{
    return n * 4 + k * (d * 4 + 8) + 4096;
}

int64_t wni_recipe_scan_bytes(wn_ctx *ctx, int64_t n, int64_t d)
{
    return wni_scan_bytes(ctx, n, n, d, 0) + 65536;
}

/* ---- picks -------------------------------------------------------------------------------------- */

wn_status wni_recipe_pick(wn_ctx *ctx, const wni_picking *p, double random_share, uint8_t *rule,
                          float **weights)
{
    wn_status st;

    if (random_share <= 0) return wni_pick_rows(ctx, p, rule);
    WNI_NEW0(ctx, *weights, p->groups.n);
    WNI_TRY(wni_pick_calibrated(ctx, p, random_share, rule, *weights));
done:
    return st;
}

int64_t wni_recipe_pick_bytes(wn_ctx *ctx, wn_pick how, int64_t n, int64_t d, int64_t k)
{
    return wni_pick_bytes(ctx, how, n, d, k, 0) + n * 5 + k * 24 + 4096;
}

/* ---- the selection ----------------------------------------------------------------------------- */

wn_status wni_recipe_selection(wn_ctx *ctx, int64_t n, const uint8_t *rule, const int32_t *cluster,
                               const float *weights, wn_selection **out)
{
    wn_selection *s = NULL;
    int64_t size = 0, at = 0;
    wn_status st;

    *out = NULL;
    for (int64_t i = 0; i < n; i++)
        size += rule[i] == WN_WHY_KEPT;
    WNI_TRY(wn_selection_new(ctx, n, size, &s));
    for (int64_t i = 0; i < n; i++) {
        int kept = rule[i] == WN_WHY_KEPT;

        if ((i & POLL_MASK) == 0) WNI_TRY(wni_poll(ctx));
        s->why[i] = (wn_why){-1, __builtin_nanf(""), cluster ? cluster[i] : -1, rule[i], kept};
        if (!kept) continue;
        s->weights[at] = weights ? weights[i] : 1;
        s->rows[at++] = i;
    }
    *out = s;
    s = NULL;
done:
    wn_selection_free(s);
    return st;
}

int64_t wni_recipe_selection_bytes(int64_t n, int64_t size)
{
    return n * (int64_t)sizeof(wn_why) + size * 12 + 1024;
}
